"""How long to wait before the next look: bounded, patient with the old, and close where the end is expected."""

from __future__ import annotations

import math
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from handlers.pace import ENOUGH_SEEN, IRREGULAR, expected, learnt, wait_before_look
from handlers.policy import JITTER
from storage.records import UsualTime
from tests.handlers.jobs_stage import TIMES

FIRST, LONGEST = TIMES.first_poll.total_seconds(), TIMES.max_poll.total_seconds()
FRESH = UsualTime("shop/thing buy", "shop-main", seen=0, mean=0.0, spread=0.0)

ages = st.floats(0, 30 * 86400).map(lambda seconds: timedelta(seconds=seconds))
chances = st.floats(0, 1, exclude_max=True)
usuals = st.builds(
    UsualTime, st.just("shop/thing buy"), st.just("shop-main"), st.integers(0, 1000), st.floats(0, 15), st.floats(0, 5)
)


def taught(*durations: float) -> UsualTime:
    usual = FRESH
    for seconds in durations:
        usual = learnt(usual, timedelta(seconds=seconds))
    return usual


def looks_until(ends: float, usual: UsualTime | None, chance: float = 0.5) -> tuple[int, float]:
    """How many looks it takes to see something that ends after so many seconds, and how late that is."""
    at, looks = FIRST, 1
    while at < ends:
        at += wait_before_look(timedelta(seconds=at), TIMES, chance, usual=usual).total_seconds()
        looks += 1
    return looks, at - ends


@given(age=ages, chance=chances, usual=st.none() | usuals)
def test_never_shorter_than_the_first_nor_longer_than_the_longest(
    age: timedelta, chance: float, usual: UsualTime | None
) -> None:
    wait = wait_before_look(age, TIMES, chance, usual=usual).total_seconds()
    assert FIRST * (1 - JITTER) - 1e-6 <= wait <= LONGEST * (1 + JITTER) + 1e-6


@given(age=ages, chance=chances, usual=st.none() | usuals, asked=st.floats(0, 86400))
def test_what_the_provider_asked_for_is_kept(
    age: timedelta, chance: float, usual: UsualTime | None, asked: float
) -> None:
    wait = wait_before_look(age, TIMES, chance, usual=usual, asked_to_wait=asked).total_seconds()
    assert wait >= asked - 1e-6
    assert wait <= max(asked, LONGEST * (1 + JITTER)) + 1e-6


@given(age=ages, older=ages, chance=chances)
def test_without_a_history_the_old_are_asked_about_less_often(age: timedelta, older: timedelta, chance: float) -> None:
    waits = [wait_before_look(one, TIMES, chance) for one in sorted((age, older))]
    assert waits[0] <= waits[1]


@given(ends=st.floats(0, 7 * 86400), usual=st.none() | usuals, chance=chances)
def test_whatever_was_learnt_no_end_is_missed_for_long_and_looks_are_few(
    ends: float, usual: UsualTime | None, chance: float
) -> None:
    looks, late = looks_until(ends, usual, chance)
    assert late <= LONGEST * (1 + JITTER) + 1e-6
    around_the_end = 2 * 8  # those that are close together, at their closest
    assert looks <= 14 + around_the_end + ends / (LONGEST * (1 - JITTER)) * 2


@given(usual=st.floats(300, 86400), share=st.floats(0.9, 1.1))
def test_what_is_as_usual_is_seen_sooner_than_without_a_history(usual: float, share: float) -> None:
    known = taught(*[usual * (0.9 + 0.02 * number) for number in range(11)])
    early, late = expected(known)
    assert early < usual * share < late

    _, delay = looks_until(usual * share, known)
    assert delay <= max((late - early) / 8, FIRST) + 1e-6
    waits = [
        wait_before_look(timedelta(seconds=usual * share), TIMES, 0.5, usual=one).total_seconds()
        for one in (known, None)
    ]
    assert waits[0] <= waits[1]


def test_little_or_contradictory_experience_changes_nothing() -> None:
    few = taught(*[1000.0] * (ENOUGH_SEEN - 1))
    wild = taught(*[10.0, 100_000.0] * 10)
    assert wild.spread > IRREGULAR
    for usual in (few, wild):
        for age in (0, 100, 1000, 10_000):
            span = timedelta(seconds=age)
            assert wait_before_look(span, TIMES, 0.5, usual=usual) == wait_before_look(span, TIMES, 0.5)


@given(durations=st.lists(st.floats(1, 1e6), min_size=1, max_size=60))
def test_what_is_learnt_lies_among_what_was_seen(durations: list[float]) -> None:
    usual = taught(*durations)
    assert usual.seen == len(durations)
    logs = [math.log(seconds) for seconds in durations]
    assert min(logs) - 1e-6 <= usual.mean <= max(logs) + 1e-6
    assert 0 <= usual.spread <= (max(logs) - min(logs)) / 2 + 1e-6


def test_when_a_provider_becomes_slower_that_is_learnt() -> None:
    early, late = expected(taught(*[60.0] * 100, *[3600.0] * 200))
    assert early < 3600 < late
    assert early > 60
