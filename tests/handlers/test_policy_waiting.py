"""What a waiting request wants, and when: reminders outside quiet hours, somebody else, an end."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.policy import Attention, QuietHours, Ruling, Terms, wanted_now, when_to_attend

HOUR = timedelta(hours=1)
SINCE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NIGHT = QuietHours(time(20), time(8), "UTC")


def ruling(
    *,
    expires: float | None = None,
    reminders: tuple[float, ...] = (),
    escalates: float | None = None,
    escalate_to: tuple[str, ...] = ("U0NORA",),
) -> Ruling:
    terms = Terms(
        approvers=("U0OMAR",),
        expires_after=None if expires is None else expires * HOUR,
        remind_after=tuple(age * HOUR for age in reminders),
        escalate_to=escalate_to,
        escalate_after=None if escalates is None else escalates * HOUR,
    )
    return Ruling("", (), False, terms)


def at(
    its: Ruling, age: float, reminded: int = 0, escalated: bool = False, quiet: QuietHours | None = None
) -> Attention:
    return wanted_now(its, since=SINCE, now=SINCE + age * HOUR, reminded=reminded, escalated=escalated, quiet=quiet)


def test_without_terms_it_waits_for_ever_and_wants_nothing() -> None:
    assert at(ruling(), 0) == Attention()
    assert at(ruling(), 24 * 365 * 10) == Attention()


def test_it_expires_when_its_time_is_over_and_not_before() -> None:
    its = ruling(expires=10, reminders=(10,), escalates=10)

    assert at(its, 9.99) == Attention(next=SINCE + 10 * HOUR)
    assert at(its, 10) == Attention(expire=True)
    assert at(its, 1000, reminded=1) == Attention(expire=True, reminded=1)


def test_it_is_reminded_at_each_age_once() -> None:
    its = ruling(reminders=(2, 8))

    assert at(its, 1.99) == Attention(next=SINCE + 2 * HOUR)
    assert at(its, 2) == Attention(remind=True, reminded=1, next=SINCE + 8 * HOUR)
    assert at(its, 2, reminded=1) == Attention(reminded=1, next=SINCE + 8 * HOUR)
    assert at(its, 8, reminded=1) == Attention(remind=True, reminded=2)
    assert at(its, 9, reminded=2) == Attention(reminded=2)
    assert at(its, 9, reminded=5) == Attention(reminded=5)  # the settings had more of them once


def test_of_the_reminders_that_were_missed_one_is_made_up_for() -> None:
    assert at(ruling(reminders=(2, 8, 30)), 20) == Attention(remind=True, reminded=2, next=SINCE + 30 * HOUR)


def test_it_is_taken_to_somebody_else_once() -> None:
    its = ruling(escalates=4)

    assert at(its, 3.99) == Attention(next=SINCE + 4 * HOUR)
    assert at(its, 4) == Attention(escalate=True)
    assert at(its, 5, escalated=True) == Attention()
    assert at(ruling(escalates=4, escalate_to=()), 5) == Attention()


def test_quiet_hours_put_off_reminders_and_nothing_else() -> None:
    # It began at nine; reminders would come at 20:00 and at 23:00, the rest of it in the night.
    its = ruling(reminders=(11, 14), escalates=15, expires=30)
    morning = SINCE + 23 * HOUR

    assert at(its, 10, quiet=NIGHT) == Attention(next=SINCE + 15 * HOUR)
    assert at(its, 12, quiet=NIGHT) == Attention(next=SINCE + 15 * HOUR)
    assert at(its, 15, quiet=NIGHT) == Attention(escalate=True, next=morning)
    assert at(its, 22.9, escalated=True, quiet=NIGHT) == Attention(next=morning)
    assert at(its, 23, escalated=True, quiet=NIGHT) == Attention(remind=True, reminded=2, next=SINCE + 30 * HOUR)
    assert at(ruling(expires=14), 14, quiet=NIGHT) == Attention(expire=True)


def test_a_reminder_that_was_due_before_the_quiet_waits_for_its_end() -> None:
    assert at(ruling(reminders=(10.9,)), 11.5, quiet=NIGHT) == Attention(next=SINCE + 23 * HOUR)


def test_a_clock_that_was_set_back_makes_nothing_happen_early() -> None:
    assert at(ruling(reminders=(2,), expires=3), -100) == Attention(next=SINCE + 2 * HOUR)


@pytest.mark.parametrize(
    ("begins", "ends", "zone", "moment", "until"),
    [
        # Berlin is an hour ahead in winter, two in summer.
        ("20:00", "08:00", "Europe/Berlin", "2026-01-10T18:59:59+00:00", None),
        ("20:00", "08:00", "Europe/Berlin", "2026-01-10T19:00:00+00:00", "2026-01-11T07:00:00+00:00"),
        ("20:00", "08:00", "Europe/Berlin", "2026-01-11T06:59:59+00:00", "2026-01-11T07:00:00+00:00"),
        ("20:00", "08:00", "Europe/Berlin", "2026-01-11T07:00:00+00:00", None),
        ("20:00", "08:00", "Europe/Berlin", "2026-07-10T18:00:00+00:00", "2026-07-11T06:00:00+00:00"),
        # The night of the change: it begins in winter time and ends in summer time, and the other way round.
        ("20:00", "08:00", "Europe/Berlin", "2026-03-28T19:00:00+00:00", "2026-03-29T06:00:00+00:00"),
        ("20:00", "08:00", "Europe/Berlin", "2026-10-24T18:00:00+00:00", "2026-10-25T07:00:00+00:00"),
        # Half past two is skipped on one of these nights (01:00 UTC is three o'clock), and comes twice on the other.
        ("22:00", "02:30", "Europe/Berlin", "2026-03-29T00:59:00+00:00", "2026-03-29T01:30:00+00:00"),
        ("22:00", "02:30", "Europe/Berlin", "2026-10-25T00:29:00+00:00", "2026-10-25T00:30:00+00:00"),
        ("22:00", "02:30", "Europe/Berlin", "2026-10-25T00:45:00+00:00", None),
        ("22:00", "02:30", "Europe/Berlin", "2026-10-25T01:10:00+00:00", "2026-10-25T01:30:00+00:00"),
        # Within one day, and nearly all of it.
        ("12:00", "13:00", "Asia/Kolkata", "2026-01-10T06:30:00+00:00", "2026-01-10T07:30:00+00:00"),
        ("12:00", "13:00", "Asia/Kolkata", "2026-01-10T07:30:00+00:00", None),
        ("02:30", "02:15", "Europe/Berlin", "2026-03-28T12:00:00+00:00", "2026-03-30T00:15:00+00:00"),
        # By the calendar of the channel it is another day than in UTC.
        ("20:00", "08:00", "America/Los_Angeles", "2026-01-11T04:00:00+00:00", "2026-01-11T16:00:00+00:00"),
    ],
)
def test_when_the_quiet_ends(begins: str, ends: str, zone: str, moment: str, until: str | None) -> None:
    quiet = QuietHours(time.fromisoformat(begins), time.fromisoformat(ends), zone)
    now = datetime.fromisoformat(moment)

    assert quiet.end_of(now) == (now if until is None else datetime.fromisoformat(until))


def test_quiet_hours_of_no_length_are_never_quiet() -> None:
    assert QuietHours(time(9), time(9), "UTC").end_of(SINCE) == SINCE
    assert QuietHours(time(9), time(9), "UTC").end_of(SINCE + 3 * HOUR) == SINCE + 3 * HOUR


MOMENTS = st.timedeltas(timedelta(0), timedelta(days=1000)).map(datetime(2025, 1, 1, tzinfo=UTC).__add__)
CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
QUIET = st.tuples(CLOCKS, CLOCKS, ZONES).filter(lambda both: both[0] != both[1]).map(lambda all_: QuietHours(*all_))
AGES = st.lists(st.floats(0.1, 200), max_size=4, unique=True).map(sorted).map(tuple)
RULINGS = st.builds(
    ruling,
    expires=st.none() | st.floats(0.1, 200),
    reminders=AGES,
    escalates=st.none() | st.floats(0.1, 200),
    escalate_to=st.sampled_from([(), ("U0NORA",)]),
)


def is_quiet(quiet: QuietHours, moment: datetime) -> bool:
    clock = moment.astimezone(ZoneInfo(quiet.time_zone)).time()
    if quiet.begins < quiet.ends:
        return quiet.begins <= clock < quiet.ends
    return not quiet.ends <= clock < quiet.begins


@given(QUIET, MOMENTS)
def test_the_end_of_the_quiet_is_never_quiet_and_never_far(quiet: QuietHours, moment: datetime) -> None:
    end = quiet.end_of(moment)

    assert not is_quiet(quiet, end)
    assert moment <= end <= moment + timedelta(days=2)
    assert (end == moment) is not is_quiet(quiet, moment)


@given(QUIET, MOMENTS, st.timedeltas(timedelta(0), timedelta(days=3)))
def test_who_comes_later_is_not_heard_earlier(quiet: QuietHours, moment: datetime, later: timedelta) -> None:
    assert quiet.end_of(moment) <= quiet.end_of(moment + later)


@given(
    RULINGS, st.none() | QUIET, st.timedeltas(timedelta(days=-1), timedelta(days=12)), st.integers(0, 4), st.booleans()
)
def test_it_is_attended_to_exactly_when_it_wants_something(
    its: Ruling, quiet: QuietHours | None, age: timedelta, reminded: int, escalated: bool
) -> None:
    now = SINCE + age
    state = {"since": SINCE, "reminded": reminded, "escalated": escalated, "quiet": quiet}

    when = when_to_attend(its, now=now, **state)  # type: ignore[arg-type]
    wanted = wanted_now(its, now=now, **state)  # type: ignore[arg-type]

    assert (when == now) is (wanted.expire or wanted.escalate or wanted.remind)
    assert when is None or when >= now
    assert wanted.reminded >= reminded
    if when is not None and when > now:
        assert wanted.next == when
        assert any(wants(wanted_now(its, now=when, **state)))  # type: ignore[arg-type]
        just_before = when - timedelta(microseconds=1)
        assert not any(wants(wanted_now(its, now=just_before, **state)))  # type: ignore[arg-type]


def wants(wanted: Attention) -> tuple[bool, bool, bool]:
    return wanted.expire, wanted.escalate, wanted.remind


@given(RULINGS, st.none() | QUIET, st.lists(st.timedeltas(timedelta(0), timedelta(days=2)), max_size=6))
def test_a_whole_wait(its: Ruling, quiet: QuietHours | None, naps: list[timedelta]) -> None:
    """A beat that comes round at the moments it was told, or late: everything happens once, nothing too early."""
    terms, now, reminded, escalated, beats, delays = its.terms, SINCE, 0, False, 0, iter(naps)
    told = list[datetime]()
    while beats < 20:
        beats += 1
        wanted = wanted_now(its, since=SINCE, now=now, reminded=reminded, escalated=escalated, quiet=quiet)
        if wanted.remind:
            assert quiet is None or not is_quiet(quiet, now)
            assert now >= SINCE + terms.remind_after[reminded]
            told.append(now)
        if wanted.escalate:
            assert not escalated
            assert terms.escalate_after is not None
            assert now >= SINCE + terms.escalate_after
            escalated = True
        if wanted.expire:
            assert terms.expires_after is not None
            assert now >= SINCE + terms.expires_after
            return
        reminded = wanted.reminded
        if wanted.next is None:
            break
        assert wanted.next > now
        now = wanted.next + next(delays, timedelta(0))

    assert terms.expires_after is None
    assert reminded == len(terms.remind_after)
    assert len(told) <= len(terms.remind_after)
    assert bool(told) is bool(terms.remind_after)
    assert escalated is bool(terms.escalate_to and terms.escalate_after)
