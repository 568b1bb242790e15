"""Until when, in people's words: a table of what is understood and what is not, and what holds for all of it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.slack.dates import FARTHEST, Away, parse_until, split_away

BERLIN = "Europe/Berlin"
NOW = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
"""A Wednesday, 10:30 in Berlin."""


def local(words: str, now: datetime = NOW, time_zone: str = BERLIN) -> str | None:
    """What was understood, as the person's own clock shows it."""
    until = parse_until(words, now, time_zone)
    return f"{until.astimezone(ZoneInfo(time_zone)):%a %Y-%m-%d %H:%M:%S}" if until else None


@pytest.mark.parametrize(
    ("words", "until"),
    [
        ("today", "Wed 2026-03-04 23:59:59"),
        ("Tonight.", "Wed 2026-03-04 23:59:59"),
        ("tomorrow", "Thu 2026-03-05 23:59:59"),
        ("the day after tomorrow", "Fri 2026-03-06 23:59:59"),
        ("friday", "Fri 2026-03-06 23:59:59"),
        ("until friday", "Fri 2026-03-06 23:59:59"),
        ("until the end of Friday", "Fri 2026-03-06 23:59:59"),
        ("  UNTIL   this  Fri, ", "Fri 2026-03-06 23:59:59"),
        ("thurs", "Thu 2026-03-05 23:59:59"),
        ("tues", "Tue 2026-03-10 23:59:59"),
        ("wed", "Wed 2026-03-04 23:59:59"),
        ("this wednesday", "Wed 2026-03-04 23:59:59"),
        ("next wednesday", "Wed 2026-03-11 23:59:59"),
        ("next monday", "Mon 2026-03-09 23:59:59"),
        ("next friday", "Fri 2026-03-13 23:59:59"),
        ("2026-03-20", "Fri 2026-03-20 23:59:59"),
        ("2026-03-20 08:15", "Fri 2026-03-20 08:15:00"),
        ("2026-03-20T08:15", "Fri 2026-03-20 08:15:00"),
        ("24 dec", "Thu 2026-12-24 23:59:59"),
        ("24th of December", "Thu 2026-12-24 23:59:59"),
        ("december 24", "Thu 2026-12-24 23:59:59"),
        ("Dec 24th, 2026", "Thu 2026-12-24 23:59:59"),
        ("24 dec at noon", "Thu 2026-12-24 12:00:00"),
        ("3 feb", "Wed 2027-02-03 23:59:59"),
        ("4 march", "Wed 2026-03-04 23:59:59"),
        ("5 sept", "Sat 2026-09-05 23:59:59"),
        ("3 days", "Sat 2026-03-07 23:59:59"),
        ("for three days", "Sat 2026-03-07 23:59:59"),
        ("in a week", "Wed 2026-03-11 23:59:59"),
        ("2 weeks", "Wed 2026-03-18 23:59:59"),
        ("2 weeks 9:00", "Wed 2026-03-18 09:00:00"),
        ("an hour", "Wed 2026-03-04 11:30:00"),
        ("90 minutes", "Wed 2026-03-04 12:00:00"),
        ("17:00", "Wed 2026-03-04 17:00:00"),
        ("at 5pm", "Wed 2026-03-04 17:00:00"),
        ("5:30 PM", "Wed 2026-03-04 17:30:00"),
        ("9:00", "Thu 2026-03-05 09:00:00"),
        ("12 am", "Thu 2026-03-05 00:00:00"),
        ("12pm", "Wed 2026-03-04 12:00:00"),
        ("midnight", "Wed 2026-03-04 23:59:59"),
        ("tomorrow 12:00", "Thu 2026-03-05 12:00:00"),
        ("12:00 tomorrow", "Thu 2026-03-05 12:00:00"),
        ("noon on friday", "Fri 2026-03-06 12:00:00"),
        ("friday at 17:00", "Fri 2026-03-06 17:00:00"),
        ("wednesday 12:00", "Wed 2026-03-04 12:00:00"),
        ("wednesday 9:00", "Wed 2026-03-11 09:00:00"),
    ],
)
def test_what_people_write_is_understood(words: str, until: str) -> None:
    assert local(words) == until


NO_MOMENT = """
    until|soon|next week|monday week|fr|ma 3|12|may|the 5th|03/04|friday friday|yesterday|2026-03-03|2026-02-30
    today 9:00|this wednesday 9:00|4 march 2026 9:00|0 days|zero days|-3 days|25:00|17:60|13pm|0am|tomorrow 17
    30 feb|31 april|december 32|dec 24 2028|53 weeks|999 days|9999-12-31|0000-01-01|99999999999999999999 days
    24 dec 9999|٣ days|２０２６-03-20|<@U0FINN> friday|friday <!subteam^S0FINANCE>|2026-03-20T08:15Z
"""


@pytest.mark.parametrize("words", ["", *re.split(r"[|\n]\s*", NO_MOMENT.strip())])
def test_what_names_no_moment_within_a_year_is_not_guessed(words: str) -> None:
    assert local(words) is None


def test_a_year_ahead_is_taken_and_a_day_more_is_not() -> None:
    assert local("2027-03-04") == "Thu 2027-03-04 23:59:59"
    assert local("2027-03-06") is None
    assert local("29 feb", datetime(2027, 3, 4, tzinfo=UTC)) == "Tue 2028-02-29 23:59:59"
    assert local("29 feb") is None  # there is none within a year


@pytest.mark.parametrize(
    ("time_zone", "until"),
    [
        ("Pacific/Kiritimati", "2026-03-06T09:59:59"),  # there it is Thursday already, 23:30
        ("America/Los_Angeles", "2026-03-07T07:59:59"),
        ("Asia/Kathmandu", "2026-03-06T18:14:59"),
        ("UTC", "2026-03-06T23:59:59"),
    ],
)
def test_a_day_ends_where_the_person_is(time_zone: str, until: str) -> None:
    assert parse_until("friday", NOW, time_zone) == datetime.fromisoformat(f"{until}+00:00")


def test_today_is_the_persons_today() -> None:
    late = datetime(2026, 3, 6, 23, 30, tzinfo=UTC)  # Friday in London, Saturday in Berlin
    assert local("friday", late, "Europe/London") == "Fri 2026-03-06 23:59:59"
    assert local("friday", late) == "Fri 2026-03-13 23:59:59"


@pytest.mark.parametrize(
    ("words", "now", "time_zone", "until"),
    [
        # Clocks are set forward on 29 March in Berlin, from 2:00 to 3:00, and back on 25 October.
        ("tomorrow", "2026-03-28T12:00", BERLIN, "2026-03-29T21:59:59"),
        ("sunday 02:30", "2026-03-28T12:00", BERLIN, "2026-03-29T01:30:00"),
        ("2 days", "2026-10-24T12:00", BERLIN, "2026-10-26T22:59:59"),
        ("sunday 02:30", "2026-10-24T12:00", BERLIN, "2026-10-25T00:30:00"),
        ("today 02:30", "2026-10-25T00:45", BERLIN, "2026-10-25T01:30:00"),
        ("3 hours", "2026-03-29T00:30", BERLIN, "2026-03-29T03:30:00"),
        # In Santiago they are set at midnight: a day without its first hour, and one whose last hour comes twice.
        ("2026-09-05", "2026-09-01T12:00", "America/Santiago", "2026-09-06T03:59:59"),
        ("2026-04-04", "2026-04-01T12:00", "America/Santiago", "2026-04-05T03:59:59"),
    ],
)
def test_days_with_more_or_fewer_hours(words: str, now: str, time_zone: str, until: str) -> None:
    parsed = parse_until(words, datetime.fromisoformat(f"{now}+00:00"), time_zone)
    assert parsed == datetime.fromisoformat(f"{until}+00:00")


zones = st.sampled_from(
    [BERLIN, "UTC", "America/Santiago", "Africa/Cairo", "Australia/Lord_Howe", "Pacific/Chatham", "America/St_Johns"]
)
seconds = st.floats(datetime(2024, 1, 1, tzinfo=UTC).timestamp(), datetime(2036, 1, 1, tzinfo=UTC).timestamp())
moments = seconds.map(lambda second: datetime.fromtimestamp(second, UTC))
PIECES = """
    until today tomorrow friday mon next this 24 dec december 3 a days weeks hours 17:00 2:30 am pm noon midnight at
    2026-10-25 29 feb day after the in , . t : 99
"""
pieces = st.sampled_from(PIECES.split())
anything = st.one_of(st.text(max_size=30), st.lists(pieces, max_size=6).map(" ".join))


@given(anything, moments, zones)
def test_whatever_is_said_the_answer_is_ahead_within_a_year_and_always_the_same(
    words: str, now: datetime, time_zone: str
) -> None:
    until = parse_until(words, now, time_zone)

    assert until == parse_until(words.upper() if words.isascii() else words, now, time_zone)
    if until is not None:
        assert until.tzinfo is UTC
        assert now < until <= now + FARTHEST


@given(st.integers(0, 6), moments, zones)
def test_a_weekday_is_the_end_of_the_first_such_day_from_today_on(weekday: int, now: datetime, time_zone: str) -> None:
    name = f"{date(2024, 1, 1) + timedelta(days=weekday):%A}"
    zone = ZoneInfo(time_zone)
    until = parse_until(name, now, time_zone)

    assert until is not None
    shown, today = until.astimezone(zone), now.astimezone(zone).date()
    assert shown.weekday() == weekday
    assert (shown.hour, shown.minute, shown.second) == (23, 59, 59)
    assert (shown.date() - today).days < 7 or now.astimezone(zone).strftime("%X") == "23:59:59"
    assert (until + timedelta(seconds=1)).astimezone(zone).date() == shown.date() + timedelta(days=1)


@given(st.dates(date(2026, 3, 5), date(2027, 3, 3)), zones)
def test_however_a_date_is_written_it_is_the_same_moment(day: date, time_zone: str) -> None:
    forms = ("%Y-%m-%d", "%d %b", "%B %d", "%d %B %Y", "%b %d, %Y", "until %d %b")
    assert len({parse_until(day.strftime(form), NOW, time_zone) for form in forms}) == 1
    assert parse_until(day.isoformat(), NOW, time_zone) is not None


@given(st.times(), moments, zones)
def test_a_time_alone_is_the_next_such_moment(at: object, now: datetime, time_zone: str) -> None:
    until = parse_until(f"{at:%H:%M}", now, time_zone)
    assert until is not None
    assert timedelta(0) < until - now <= timedelta(hours=26)


@pytest.mark.parametrize(
    ("words", "away"),
    [
        ("until friday <@U0FINN>", Away("until friday", "U0FINN")),
        ("until friday <@U0FINN|finn>", Away("until friday", "U0FINN")),
        ("<@W0FINN|finn.larsen> until 24 dec", Away("until 24 dec", "W0FINN")),
        ("until <@U0FINN> friday 12:00", Away("until friday 12:00", "U0FINN")),
        ("until friday<@U0FINN>", Away("until friday", "U0FINN")),
        ("  until   friday ", Away("until friday", None)),
        ("until friday @finn", Away("until friday", None, "finn")),
        ("@finn.larsen until friday", Away("until friday", None, "finn.larsen")),
        ("until friday, @finn.", Away("until friday,", None, "finn")),
        ("until friday finn@acme.com", Away("until friday finn@acme.com", None)),
        ("until friday @ 17:00", Away("until friday @ 17:00", None)),
        ("<@U0FINN> or <@U0OMAR> until friday", Away("or <@U0OMAR> until friday", "U0FINN")),
        ("<!subteam^S0FINANCE> until friday", Away("<!subteam^S0FINANCE> until friday", None)),
        ("", Away("", None)),
    ],
)
def test_who_stands_in_is_taken_out_of_the_words(words: str, away: Away) -> None:
    assert split_away(words) == away


def test_two_people_named_are_not_half_understood() -> None:
    away = split_away("<@U0FINN> or <@U0OMAR> until friday")
    assert parse_until(away.until, NOW, BERLIN) is None


@given(st.text())
def test_any_words_can_be_split(words: str) -> None:
    away = split_away(words)
    assert away.user is None or away.user in words
    assert away.name is None or f"@{away.name}" in words
