"""Until when, in people's words: `friday`, `24 dec`, `2 weeks`, `tomorrow 12:00`; and who stands in meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

FARTHEST = timedelta(days=366)
_DAY = timedelta(days=1)
_WEEK = timedelta(weeks=1)

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^<>]*)?>")
_NAME = re.compile(r"(?<!\S)@([^\s<>@,;:!?]+)")
_LEAD = re.compile(r"(?:until|till?|through|thru|to|for|in|on|by|(?:the )?end of)\s+")
_HOUR = r"(?P<hour>\d{1,2})(?=:| ?[ap]m)(?::(?P<minute>\d{2}))?(?: ?(?P<half>[ap]m))?"
_CLOCK = rf"(?:at )?(?P<clock>{_HOUR}|noon|midnight)"
_CLOCK_LAST = re.compile(rf"(?P<day>.*?)(?:^| ){_CLOCK}", re.ASCII)
_CLOCK_FIRST = re.compile(rf"{_CLOCK} (?:on )?(?P<day>.+)", re.ASCII)
_SPAN = re.compile(r"(?P<count>\d{1,3}|[a-z]+) (?P<unit>minute|hour|day|week)s?(?: from now)?", re.ASCII)
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_ON_A_WEEKDAY = re.compile(r"(?:(?P<which>this|next|coming) )?(?P<name>[a-z]+)")
_DAY_MONTH = re.compile(r"(?P<day>\d{1,2})(?:st|nd|rd|th)?(?: of)? (?P<month>[a-z]+)(?: (?P<year>\d{4}))?", re.ASCII)
_MONTH_DAY = re.compile(r"(?P<month>[a-z]+) (?P<day>\d{1,2})(?:st|nd|rd|th)?(?: (?P<year>\d{4}))?", re.ASCII)


class Away(NamedTuple):
    """What was said about an absence: the words about the time, and whom they name.

    user: the id of the person who was mentioned. name: a name that was typed without becoming a mention (`@finn`
    where Slack sends what is typed), so that the answer can say how to mention somebody. A second one stays in `until`.
    """

    until: str
    user: str | None
    name: str | None = None


def split_away(words: str) -> Away:
    """Take the person out of `until friday @finn`: the mention may stand anywhere."""
    if found := _MENTION.search(words):
        return Away(_without(words, found), found[1])
    if found := _NAME.search(words):
        name = found[1].rstrip(".")
        return Away(_without(words, found), None, name or None)
    return Away(" ".join(words.split()), None)


def parse_until(words: str, now: datetime, time_zone: str) -> datetime | None:
    """The moment that the words mean for somebody in this time zone, in UTC; None where they do not name one.

    A day means its last second there: `friday` on a Friday is the end of today. `next friday` is the one of next week.
    A time that has passed today means tomorrow's. What lies in the past, or more than a year ahead, is None.

    now: aware. time_zone: an IANA name that exists.
    """
    zone = ZoneInfo(time_zone)
    said = _tidied(words)
    span = _SPAN.fullmatch(said)
    if span and span["unit"] in ("minute", "hour"):
        count = _count(span["count"])
        moments = iter([now + count * timedelta(**{f"{span['unit']}s": 1})] if count else [])
    else:
        moments = _moments(said, now.astimezone(zone).date(), zone)
    return next((one.astimezone(UTC) for one in moments if now < one <= now + FARTHEST), None)


def _moments(said: str, today: date, zone: ZoneInfo) -> Iterator[datetime]:
    """The moments that the words may mean, the one to take first that is still ahead."""
    clock = _CLOCK_LAST.fullmatch(said) or _CLOCK_FIRST.fullmatch(said)
    day_words = clock["day"] if clock else said
    days = iter((today, today + _DAY)) if clock and not day_words else _days(day_words, today)
    for day in days:
        if abs(day - today) > FARTHEST:
            continue
        if clock is None or clock["clock"] == "midnight":
            yield _end_of(day, zone)
        elif (at := _time(clock)) is not None:
            # Where clocks are set back, a time comes twice; where they are set forward, it is the moment an hour later.
            yield from (datetime.combine(day, at, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1))


def _days(said: str, today: date) -> Iterator[date]:
    """The days that the words may mean, the next one first."""
    if said in ("today", "tonight"):
        yield today
    elif said in ("tomorrow", "tmrw"):
        yield today + _DAY
    elif said in ("day after tomorrow", "the day after tomorrow"):
        yield today + 2 * _DAY
    elif (found := _SPAN.fullmatch(said)) and found["unit"] in ("day", "week"):
        if count := _count(found["count"]):
            yield today + count * (_WEEK if found["unit"] == "week" else _DAY)
    elif found := _ISO.fullmatch(said):
        yield from _dates(*(int(part) for part in found.groups()))
    elif (found := _ON_A_WEEKDAY.fullmatch(said)) and (weekday := _named(found["name"], _WEEKDAYS)):
        yield from _weekdays(weekday - 1, found["which"], today)
    elif (found := _DAY_MONTH.fullmatch(said) or _MONTH_DAY.fullmatch(said)) and (
        month := _named(found["month"], _MONTHS)
    ):
        years = [int(found["year"])] if found["year"] else [today.year, today.year + 1]
        for year in years:
            yield from _dates(year, month, int(found["day"]))


def _weekdays(weekday: int, which: str | None, today: date) -> Iterator[date]:
    monday = today - today.weekday() * _DAY
    if which == "next":
        yield monday + _WEEK + weekday * _DAY
        return
    coming = today + (weekday - today.weekday()) % 7 * _DAY
    yield coming
    if which is None:
        yield coming + _WEEK  # `friday 12:00`, said on a Friday afternoon


def _dates(year: int, month: int, day: int) -> Iterator[date]:
    try:
        yield date(year, month, day)
    except ValueError:
        return  # there is no 30 February


def _end_of(day: date, zone: ZoneInfo) -> datetime:
    """The last second of a day, however long it is there."""
    midnight = datetime.combine(day + _DAY, time(), zone).astimezone(UTC)
    return midnight - timedelta(seconds=1)


def _time(found: re.Match[str]) -> time | None:
    if found["clock"] == "noon":
        return time(12)
    hour, minute, half = int(found["hour"]), int(found["minute"] or 0), found["half"]
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def _named(word: str, names: tuple[str, ...]) -> int:
    """Which of the names a word is, counted from 1, in full or by at least its first three letters; or 0."""
    least = 3
    return next((at for at, name in enumerate(names, 1) if len(word) >= least and name.startswith(word)), 0)


def _count(word: str) -> int:
    """How many that is; 0 for what is no number."""
    if word.isdigit():
        return int(word)
    return 1 if word in ("a", "an") else _NUMBERS.index(word) + 1 if word in _NUMBERS else 0


def _tidied(words: str) -> str:
    said = " ".join(words.lower().replace(",", " ").split()).rstrip(".!?")
    said = re.sub(r"(\d{4}-\d{2}-\d{2})t(?=\d)", r"\1 ", said)
    while lead := _LEAD.match(said):
        said = said[lead.end() :]
    return said


def _without(words: str, found: re.Match[str]) -> str:
    return " ".join((words[: found.start()] + " " + words[found.end() :]).split())
