"""When to look again, and who is a person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.policy import JITTER, JobTimes, is_group, wait_before_poll

seconds = st.floats(0.01, 86_400)
chances = st.floats(0, 1, exclude_max=True)
attempts = st.integers(0, 10_000)


def patience(first: float, longest: float) -> JobTimes:
    day = timedelta(days=1)
    return JobTimes(timedelta(seconds=first), timedelta(seconds=longest), day, day, day)


@given(seconds, seconds, attempts, chances)
def test_a_wait_is_never_nothing_and_never_much_longer_than_the_longest(
    first: float, longest: float, attempt: int, chance: float
) -> None:
    times = patience(min(first, longest), max(first, longest))

    wait = wait_before_poll(attempt, times, chance)

    assert times.first_poll * (1 - JITTER) - timedelta(microseconds=2) <= wait
    assert wait <= times.max_poll * (1 + JITTER) + timedelta(microseconds=2)
    assert wait > timedelta(0)


@given(seconds, seconds, attempts)
def test_on_average_the_waits_never_shrink(first: float, longest: float, attempt: int) -> None:
    times = patience(min(first, longest), max(first, longest))

    assert wait_before_poll(attempt, times, 0.5) <= wait_before_poll(attempt + 1, times, 0.5)


@given(attempts, chances, chances)
def test_jobs_begun_together_do_not_ask_together(attempt: int, one: float, other: float) -> None:
    times = patience(10, 300)
    lower, higher = sorted((one, other))

    spread = wait_before_poll(attempt, times, higher) - wait_before_poll(attempt, times, lower)

    mean = wait_before_poll(attempt, times, 0.5)
    assert spread.total_seconds() == pytest.approx(mean.total_seconds() * 2 * JITTER * (higher - lower), abs=1e-5)


@given(attempts, chances, st.floats(0, 1e6))
def test_never_sooner_than_the_provider_asked_for(attempt: int, chance: float, asked: float) -> None:
    wait = wait_before_poll(attempt, patience(10, 300), chance, asked)

    assert wait.total_seconds() >= asked - 1e-6
    assert wait >= wait_before_poll(attempt, patience(10, 300), chance)


def test_the_first_waits_as_they_are_configured_by_default() -> None:
    waits = [wait_before_poll(attempt, patience(10, 300), 0.5).total_seconds() for attempt in range(10)]

    assert waits[:4] == [10, 15, 22.5, 33.75]
    assert waits[-1] == 300


def test_people_and_groups_are_told_apart_by_their_ids() -> None:
    assert [is_group(one) for one in ("U0OMAR", "S0FINANCE", "W0FINN")] == [False, True, False]
