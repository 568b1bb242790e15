"""When a digest is wanted: local dates and times, over changes of the clocks, and never twice for the same date."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.blocks import message_problems
from handlers.digest import (
    MOST_SHOWN,
    Digest,
    Section,
    anniversary,
    following,
    latest,
    moment_of,
    shares_of,
    years_before,
)
from handlers.policy import Budget
from handlers.questions import Spent
from handlers.slack.digest import draw, known_zone
from handlers.slack.messages import Messages
from providers.notices import Notice, NoticeKind
from storage.digests import Listing, Setup
from storage.records import BudgetUse, Request, RequestState
from storage.sqlite import SqliteDatabase
from storage.store import Store
from tests.bench.prepare import asking
from tests.house import reading

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu")


def setup(at: str = "09:00", zone: str = "Europe/Berlin", days: str = "0123456", set_at: datetime = LONG_AGO) -> Setup:
    weekdays = frozenset(map(int, days))
    return Setup(
        "C0OUTREACH", time.fromisoformat(at), zone, weekdays, (), when_empty=True, set_by="U0ANA", set_at=set_at
    )


def utc(said: str) -> datetime:
    return datetime.fromisoformat(said).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "day", "when"),
    [
        ("09:00", "2026-03-02", "2026-03-02 08:00"),
        ("09:00", "2026-07-02", "2026-07-02 07:00"),
        ("02:30", "2026-03-29", "2026-03-29 01:30"),  # the clocks leap from two to three: it is half past three
        ("02:30", "2026-10-25", "2026-10-25 00:30"),  # it comes twice: the first
    ],
)
def test_a_local_time_is_one_moment(at: str, day: str, when: str) -> None:
    assert moment_of(setup(at), date.fromisoformat(day)) == utc(when)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-02 07:59", "2026-02-27"),  # a Monday; the one before was on Friday, and is too long ago
        ("2026-03-02 08:00", "2026-03-02"),
        ("2026-03-02 22:59", "2026-03-02"),
        ("2026-03-03 06:00", "2026-03-02"),
        ("2026-03-07 08:00", "2026-03-06"),  # on Saturday there is none
    ],
)
def test_the_last_that_should_be_there(now: str, expected: str) -> None:
    found = latest(setup(days="01234"), utc(now))
    assert found in (date.fromisoformat(expected), None)
    assert (found is None) == (expected == "2026-02-27")


def test_shortly_before_midnight_is_not_lost_by_midnight() -> None:
    assert latest(setup("23:59"), utc("2026-03-02 23:30")) == date(2026, 3, 2)  # half past midnight in Berlin


def test_where_the_clocks_leap_over_midnight_the_next_is_of_the_day_before() -> None:
    wanted = setup("23:55", "America/Nuuk")
    moment = moment_of(wanted, date(2026, 3, 28))  # that evening ends at eleven
    assert moment == utc("2026-03-29 01:55")
    assert following(wanted, moment - timedelta(seconds=1)) == moment


def test_what_was_due_before_it_was_set_up_is_not_made_up_for() -> None:
    its = setup("09:00", set_at=utc("2026-03-02 09:00"))
    assert latest(its, utc("2026-03-02 10:00")) is None
    assert following(its, utc("2026-03-02 10:00")) == utc("2026-03-03 08:00")


@given(
    zone=st.sampled_from(ZONES),
    at=st.times(),
    days=st.sets(st.sampled_from("0123456"), min_size=1),
    now=st.datetimes(datetime(2021, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 (made aware)
)
def test_the_next_is_the_first_moment_at_which_another_is_the_last(
    zone: str, at: time, days: set[str], now: datetime
) -> None:
    its = setup(at.strftime("%H:%M"), zone, "".join(days))
    then = following(its, now)
    assert now < then <= now + timedelta(days=8)
    day = latest(its, then)
    assert day is not None
    assert moment_of(its, day) == then
    assert latest(its, then - timedelta(seconds=1)) != day


@pytest.mark.parametrize(
    ("spent", "reserved", "limit", "expected"),
    [("12.5", "28", "100", (12, 28, 60)), ("90", "30", "100", (90, 30, 0)), ("0", "0", "0", (0, 0, 0))],
)
def test_shares_of_a_budget(spent: str, reserved: str, limit: str, expected: tuple[int, int, int]) -> None:
    budget = Budget("Sales", Decimal(limit), "USD")
    use = BudgetUse("Sales", "2026-03", Decimal(reserved), Decimal(spent))
    assert shares_of(Spent(budget, use, LONG_AGO)) == expected


def test_the_longest_digest_fits_into_one_message(tmp_path: Path) -> None:
    """Slack takes 50 blocks, and about 13,000 characters in all of them."""
    database = SqliteDatabase(tmp_path / "postroom.db")
    try:
        messages = Messages(asking(Store(database)).requests)
        drawn = draw(_long_digest(), messages)
    finally:
        database.close()
    for blocks in (drawn.blocks, drawn.plainly):
        assert len(blocks) <= 50
        assert len(reading(blocks)) <= 13_000
        assert all(f"account-{number}" in reading(blocks) for number in range(20))  # of those that did not answer
        assert not message_problems(blocks)
    assert len(drawn.plainly) < len(drawn.blocks)


def _long_digest() -> Digest:
    summary = {"summary": "Mailin did not answer. " * 50, "evidence": "Nothing. " * 100}
    one = Request(
        "req_0123456789", "T0ACME", "U0ANA", "C0OUTREACH", "domain buy", LONG_AGO, LONG_AGO, provider="mailin",
        account="mailin-main", input={"domains": [f"{'a' * 60}-{number}.com" for number in range(50)]},
        quote={"lines": [{"what": "a.com", "price": "12.5"}], "currency": "USD"}, waiting_since=LONG_AGO,
    )  # fmt: skip
    unclear = replace(one, state=RequestState.UNKNOWN, asks_person=True, outcome={"kind": "unknown", **summary})
    failed = {"kind": "failed", "summary": summary["summary"], "cure": "Ask again."}
    ended = {
        RequestState.FAILED: Listing(500, (replace(one, state=RequestState.FAILED, outcome=failed),) * MOST_SHOWN),
        RequestState.SUCCEEDED: Listing(500, (replace(one, state=RequestState.SUCCEEDED),) * MOST_SHOWN),
        **{state: Listing(1000, ()) for state in (RequestState.DENIED, RequestState.EXPIRED, RequestState.CANCELLED)},
    }
    budgets = [
        Budget(f"A budget of the team that sells the most {number:02}", Decimal(10**6), "USD") for number in range(40)
    ]
    spent = [Spent(each, BudgetUse(each.name, "2026-03", Decimal(10**5), Decimal(10**5)), LONG_AGO) for each in budgets]
    notices = {
        Section(kind.value): [("instantly-main-account", Notice(kind, "n" * 300, "What is wrong with it. " * 30))] * 50
        for kind in NoticeKind
    }
    silent = [(f"account-{number}", "It did not answer. " * 40) for number in range(20)]
    waiting, stuck = Listing(5000, (one,) * MOST_SHOWN), Listing(5000, (unclear,) * MOST_SHOWN)
    return Digest("C0OUTREACH", LONG_AGO, LONG_AGO, True, waiting, stuck, ended, spent, notices, silent)


def test_zones_are_known_by_their_names_whatever_their_capitals() -> None:
    assert known_zone("europe/berlin") == "Europe/Berlin"
    assert known_zone("america/new york") == "America/New_York"
    for said, meant in (("Berlin", "Europe/Berlin"), ("Europe/Berlni", "Europe/Berlin")):
        with pytest.raises(ValueError, match=meant):
            known_zone(said)
    for said, meant in (("Sao Paulo", "America/Sao_Paulo"), ("Kolkatta", "Asia/Kolkata"), ("US Pacific", "US/Pacific")):
        with pytest.raises(ValueError, match=f"Is it {meant}"):
            known_zone(said)
    for said in ("GMT+2", "UTC+2", "+02:00", "CEST", "IST", "PST", "Z", "India", "Pacific Time", "localtime"):
        with pytest.raises(ValueError, match="Name it by a city"):
            known_zone(said)  # a guess would be hours away
    for said in ("", "nowhere at all", "../../etc/passwd", "."):
        with pytest.raises(ValueError, match="no such time zone"):
            known_zone(said)
    assert all(known_zone(name) == name for name in sorted(available_timezones())[::40])


# When it is due again.


@given(since=st.timedeltas(timedelta(0), timedelta(days=4400)), later=st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_an_anniversary_is_on_the_same_day_and_less_than_a_year_away(since: timedelta, later: timedelta) -> None:
    bought = LONG_AGO + since
    now = bought + later
    due = anniversary(bought, now)
    assert now <= due <= now + timedelta(days=366)
    assert due.month == bought.month
    assert due.day in (bought.day, 28)
    assert due.time() == bought.time()


def test_what_was_bought_on_a_leap_day_is_due_the_day_before_where_there_is_none() -> None:
    leap = datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert anniversary(leap, datetime(2028, 3, 1, tzinfo=UTC)) == datetime(2029, 2, 28, 12, tzinfo=UTC)
    assert anniversary(leap, leap) == leap
    assert years_before(leap, 4) == datetime(2024, 2, 29, 12, tzinfo=UTC)
