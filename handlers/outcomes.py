"""What became of a request: what running, polling or looking up told is written down, and what is looked at next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar, cast

from handlers.policy import LONGEST_WAIT, JobTimes, wait_before_poll
from handlers.requests import POSTROOM, Requests, note
from providers.accounts import Clock
from providers.action import Action, Done, Effect, Failed, Item, ItemState, Later, Outcome, Pending, Unknown
from storage.records import Fact, Job, JobKind, Request, RequestState
from storage.store import Store

THERE = (ItemState.LIVE, ItemState.BOUGHT)
"""What of a request is there, and paid."""
SomeOutcome = TypeVar("SomeOutcome", bound=Outcome)


class Outcomes:
    """Writes down what is known of how a request went."""

    def __init__(
        self, store: Store, requests: Requests, *, times: JobTimes, clock: Clock, chance: Callable[[], float]
    ) -> None:
        """`chance` gives a random number in [0, 1)."""
        self._store = store
        self._requests = requests
        self._vault = requests.vault
        self._times = times
        self._clock = clock
        self._chance = chance

    async def conclude(
        self, request: Request, outcome: Outcome, *, expect: Sequence[RequestState], is_certain: bool = False
    ) -> bool:
        """Record what running, polling or looking up told; False when somebody else was first.

        With `is_certain` it is true of the request however it was changed meanwhile.
        """
        outcome = remembering(request, outcome)
        now = self._clock.now()
        job: Job | None = None
        match outcome:
            case Done():
                to, fact = RequestState.SUCCEEDED, "done"
            case Failed():
                to, fact = RequestState.FAILED, "failed"
            case Pending():
                to, fact = RequestState.WORKING, "accepted"
                job = self.job(request, JobKind.POLL, outcome.ref, now)
            case Unknown():
                to, fact = RequestState.UNKNOWN, "unknown"
                job = self.job(request, JobKind.RECONCILE, {}, now)
        concluded = await self._store.runs.conclude(
            request.id,
            expect=expect,
            to=to,
            outcome=outcome.model_dump(mode="json"),
            fact=Fact(POSTROOM, fact, {"outcome": outcome.model_dump(mode="json")}),
            messages=[note(request, fact, outcome=outcome)],
            now=now,
            job=job,
            spent=spent_of(request, outcome),
            read=None if is_certain else request,
        )
        if concluded is not None:
            self._vault.drop(request.id)  # it was used, or never will be: what follows only reads
            self._requests.wake(concluded.state)
        return concluded is not None

    async def postpone(
        self, request: Request, action: Action, later: Later, *, expect: Sequence[RequestState], is_news: bool = True
    ) -> None:
        """It was too early: what is left of `action` is run at its time. The thread says when, if that is news."""
        since = request.decided_at or request.created_at
        if action.effect is not Effect.WRITE or later.until > since + LONGEST_WAIT:
            items = tuple(Item(name=name, state=ItemState.NOT_DONE) for name in action.subjects())
            failed = Failed(summary=later.summary, cure="Ask again later.", items=items if later.left is None else ())
            await self.conclude(request, failed, expect=expect)
            return
        left = later.left
        plan = [[moment.isoformat(), what] for moment, what in later.plan]
        told: dict[str, Any] = {"until": later.until.isoformat(), "summary": later.summary, "plan": plan}
        postponed = await self._store.runs.postpone(
            request.id,
            expect=expect,
            until=later.until,
            given=request.input if left is None else left.stored(),
            fingerprint=(left or action).fingerprint(
                request.account, self._requests.quote_of(request) if left is None else None
            ),
            fact=Fact(POSTROOM, "postponed", told),
            messages=[note(request, "later", **told)] if is_news or is_further(action, later) else [],
            now=self._clock.now(),
        )
        if postponed is not None:
            self._requests.wake(postponed.state)

    def job(self, request: Request, kind: JobKind, ref: Mapping[str, Any], now: datetime) -> Job:
        """What is to be looked at next: the provider's job `ref`, or (RECONCILE) whether anything happened at all."""
        patience = self._deadline(request) if kind is JobKind.POLL else self._times.reconcile_after
        wait = wait_before_poll(0, self._times, self._chance())
        return Job(request.id, request.account, kind, ref, now + wait, now + patience, now)

    def _deadline(self, request: Request) -> timedelta:
        """How long it is watched before a person is asked."""
        kind = self._requests.kind_of(request)
        return (kind.deadline if kind is not None else None) or self._times.deadline


def remembering(request: Request, outcome: SomeOutcome) -> SomeOutcome:
    """What was found out, with what was known before: what was seen to be there once stays so, whatever is said later.

    Otherwise a look that fails would make nothing of a purchase that an earlier one has seen.
    """
    known = Requests.outcome_of(request) if (request.outcome or {}).get("items") else None
    if known is None or (isinstance(outcome, Done) and not outcome.items):
        return outcome  # nothing is known of single items, or it is all of it
    there = {item.name: item for item in known.items if item.state in THERE}
    items = [there.get(item.name, item) if item.state not in THERE else item for item in outcome.items]
    named = {item.name for item in items}
    rest = [item for item in known.items if item.name not in named]
    if isinstance(outcome, Failed):
        undone = {"state": ItemState.NOT_DONE, "note": ""}
        rest = [item if item.name in there else item.model_copy(update=undone) for item in rest]
    items += rest
    return cast(SomeOutcome, outcome.model_copy(update={"items": tuple(items)}))


def spent_of(request: Request, outcome: Outcome) -> Decimal | None:
    """What of the price was really spent, by what is known of each item; None: all of it."""
    if isinstance(outcome, Done) and not outcome.items:
        return None
    quote = Requests.quote_of(request)
    if quote is None or isinstance(outcome, Pending):
        return None if isinstance(outcome, Done) else Decimal(0)
    states = {item.name: item.state for item in outcome.items}
    if isinstance(outcome, Done):
        # Not the total less what was not done: where one price is unknown there is no total, and the others were paid.
        done = (line.price for line in quote.lines if states.get(line.subject) is not ItemState.NOT_DONE)
        return sum((price for price in done if price is not None), Decimal(0))
    kept = (ItemState.LIVE, ItemState.BOUGHT, ItemState.UNKNOWN)  # what nobody can tell may well have been paid
    of_all = ItemState.UNKNOWN if any(state in kept for state in states.values()) else ItemState.NOT_DONE
    paid = (line.price or Decimal(0) for line in quote.lines if states.get(line.subject, of_all) in kept)
    return sum(paid, Decimal(0))


def seen_there(outcome: Outcome | None) -> list[str]:
    """What the evidence shows to have happened, although nobody could tell about the rest."""
    items = outcome.items if isinstance(outcome, Unknown) else ()
    return [item.name for item in items if item.state in THERE]


def is_further(action: Action, later: Later) -> bool:
    """Whether a part was done, so that something else is left than there was."""
    return later.left is not None and later.left.stored() != action.stored()
