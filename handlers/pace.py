"""When to look at a job again: by its age, and by how long such things usually take. Pure functions."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

from handlers.policy import GROWTH, JITTER, JobTimes
from storage.records import UsualTime

ENOUGH_SEEN = 5
"""So many must have ended well before what is usual says anything."""
IRREGULAR = 0.7
"""A greater spread of the logarithm says nothing: the longest take more than ten times as long as the shortest."""
NEWEST_COUNTS = 0.02
"""The share of the newest in what is usual, at least: providers change."""
NARROWEST = 0.15
"""What is usual is never taken for more exact than this, as a spread of the logarithm (about 15 %)."""
SPREADS = 2.0
"""The end is expected within so many spreads of the mean: 19 of 20, if it is as usual."""
LOOKS_WHEN_EXPECTED = 8
"""So often it is looked at while the end is expected, if the shortest pause allows."""
BEFORE_EXPECTED = 4.0
"""Before the end is expected, a pause may be so many times what it would be otherwise."""


def wait_before_look(
    age: timedelta,
    times: JobTimes,
    chance: float,
    *,
    usual: UsualTime | None = None,
    asked_to_wait: float | None = None,
) -> timedelta:
    """How long to wait before looking again at a job that began `age` ago.

    The pauses grow with the age, from `times.first_poll` to `times.max_poll`. Where most take about as long as is
    `usual`, there are few looks before the end can be expected, one when it first can, and some close together then.
    `chance` is a random number from 0 up to 1; it moves the result by a fifth at most. `asked_to_wait` is the
    provider's Retry-After in seconds: never less.
    """
    first, longest, old = (span.total_seconds() for span in (times.first_poll, times.max_poll, age))
    seconds = min(first + (GROWTH - 1) * max(old, 0.0), longest)
    if usual is not None and usual.seen >= ENOUGH_SEEN and usual.spread <= IRREGULAR:
        early, late = expected(usual)
        if old < early:
            seconds = max(min(early - old, seconds * BEFORE_EXPECTED, longest), first)
        elif old <= late:
            seconds = min(max((late - early) / LOOKS_WHEN_EXPECTED, first), seconds)
    seconds *= 1 + JITTER * (2 * chance - 1)
    return timedelta(seconds=max(seconds, asked_to_wait or 0))


def expected(usual: UsualTime) -> tuple[float, float]:
    """From when until when the end is expected, in seconds after the beginning."""
    width = SPREADS * max(usual.spread, NARROWEST)
    return math.exp(usual.mean - width), math.exp(usual.mean + width)


def learnt(usual: UsualTime, took: timedelta) -> UsualTime:
    """What is usual after one more has ended well. A fresh one has seen nothing, with 0.0 for mean and spread."""
    value = math.log(max(took.total_seconds(), 1.0))
    seen = usual.seen + 1
    share = max(1 / seen, NEWEST_COUNTS)
    away = value - usual.mean
    # The mean and the variance with exponentially falling weights; the plain ones as long as few have been seen.
    variance = (1 - share) * (usual.spread**2 + share * away**2)
    return replace(usual, seen=seen, mean=usual.mean + share * away, spread=math.sqrt(variance))
