"""Who must say yes, and when to look again: pure functions, no Slack, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from providers.action import Effect, Quote
from storage.records import RequestState

JITTER = 0.2
"""Waiting times vary by this share up and down, so that jobs begun together do not ask together."""
GROWTH = 1.5
"""Each wait is this many times the one before."""
LONGEST_WAIT = timedelta(days=2)
"""From when it was asked: what could not be sent until then, because it was too early all the time, has failed."""


@dataclass(frozen=True, slots=True)
class Approvals:
    """Who may decide: user ids (`U…`, `W…`) and user-group ids (`S…`), and where the cards go.

    `may_reveal` are those who may be shown credentials; None: the approvers.
    """

    approvers: tuple[str, ...]
    channel: str
    may_reveal: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class JobTimes:
    """How patiently a job is watched. `reconcile_after`: how long a listing may lag behind a purchase."""

    first_poll: timedelta
    max_poll: timedelta
    deadline: timedelta
    lease: timedelta
    reconcile_after: timedelta


def is_group(who: str) -> bool:
    """Whether an id of the settings names a user group rather than a person."""
    return who.startswith("S")


def needs_decision(effect: Effect, quote: Quote | None) -> bool:
    """Whether somebody has to say yes: what costs money does, and what nobody knows the price of."""
    return effect.needs_decision or (quote is not None and quote.total != 0)


def state_after_asking(effect: Effect, quote: Quote | None) -> RequestState:
    """Where a confirmed request begins: waiting for a decision, or free to run."""
    return RequestState.AWAITING if needs_decision(effect, quote) else RequestState.APPROVED


def why_not(who: str, requester: str, entitled: Sequence[str] | frozenset[str]) -> str | None:
    """Why `who` may not decide what `requester` asked; None if they may."""
    if who == requester:
        return "This is your own request, so somebody else has to decide it. Nothing was changed."
    if who not in entitled:
        return "You are not among the people who may decide this. Nothing was changed."
    return None


def wait_before_poll(attempt: int, times: JobTimes, chance: float, asked_to_wait: float | None = None) -> timedelta:
    """How long to wait before looking again after `attempt` looks (0 for the first one).

    `chance` is a random number from 0 up to 1. `asked_to_wait` is the provider's Retry-After in seconds: never less.
    """
    steps = min(attempt, 64)  # beyond that the maximum holds anyway, and the power would overflow
    seconds = min(times.first_poll.total_seconds() * GROWTH**steps, times.max_poll.total_seconds())
    seconds *= 1 + JITTER * (2 * chance - 1)
    return timedelta(seconds=max(seconds, asked_to_wait or 0))
