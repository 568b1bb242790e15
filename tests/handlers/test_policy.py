"""Who may say yes, and when to look again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.policy import JITTER, JobTimes, is_group, state_after_asking, wait_before_poll, why_not
from providers.action import Effect, Quote, QuoteLine
from storage.records import RequestState

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


def test_nobody_decides_their_own_request_even_if_they_may_decide() -> None:
    assert "your own request" in (why_not("U0ANA", "U0ANA", {"U0ANA"}) or "")
    assert "not among" in (why_not("U0FINN", "U0ANA", frozenset({"U0OMAR"})) or "")
    assert why_not("U0OMAR", "U0ANA", frozenset({"U0OMAR"})) is None
    assert why_not("U0OMAR", "U0ANA", frozenset()) is not None


def test_what_costs_or_destroys_waits_and_the_rest_does_not() -> None:
    waiting = {effect for effect in Effect if state_after_asking(effect, None) is RequestState.AWAITING}

    assert waiting == {Effect.SPEND, Effect.DESTROY}
    assert state_after_asking(Effect.WRITE, None) is RequestState.APPROVED


@pytest.mark.parametrize(
    ("prices", "waits"), [([], False), (["0"], False), (["0", None], True), ([None], True), (["0", "0.01"], True)]
)
def test_a_change_waits_unless_its_price_is_known_to_be_nothing(prices: list[str | None], waits: bool) -> None:
    lines = tuple(QuoteLine(what="mailbox", price=None if price is None else Decimal(price)) for price in prices)

    after = state_after_asking(Effect.WRITE, Quote(lines=lines))

    assert after is (RequestState.AWAITING if waits else RequestState.APPROVED)
    assert state_after_asking(Effect.DESTROY, Quote(lines=lines)) is RequestState.AWAITING


def test_people_and_groups_are_told_apart_by_their_ids() -> None:
    assert [is_group(one) for one in ("U0OMAR", "S0FINANCE", "W0FINN")] == [False, True, False]
