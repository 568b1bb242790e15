"""The one spend path: what was approved is sent, at most once, and what comes of it is heard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from handlers.background import Background
from handlers.outcomes import THERE, Outcomes, is_further, spent_of
from handlers.policy import LONGEST_WAIT, JobTimes, budgets_for, period_of, total_of, wait_before_poll
from handlers.requests import POSTROOM, Requests, Sorry, note, stored
from handlers.rulings import OverBudget, Rulings, circumstances
from handlers.vault import SECRET_LOST
from providers.accounts import Account, Clock
from providers.action import Action, Done, Effect, Failed, Item, ItemState, Later, Outcome, Pending, Refused, Unknown
from providers.errors import AlreadyExists, NotFound, OutcomeUnknown, ProviderError, RateLimited, Rejected
from storage.records import Fact, MessageKind, NewMessage, Request, RequestState, Reservation, Telling
from storage.store import Store

log = structlog.get_logger(__name__)

_MAY_BE_THERE = AlreadyExists | NotFound | Rejected
"""What a provider may say because an earlier try has worked; anything else says nothing of that."""


class Runs:
    """Sends what was approved, of each account one at a time."""

    def __init__(
        self,
        *,
        store: Store,
        requests: Requests,
        outcomes: Outcomes,
        rulings: Rulings,
        times: JobTimes,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        """`chance` gives a random number in [0, 1)."""
        self._store = store
        self._requests = requests
        self._outcomes = outcomes
        self._rulings = rulings
        self._policy = requests.policy
        self._vault = requests.vault
        self._times = times
        self._clock = clock
        self._chance = chance
        self._changed = requests.changed
        self.executions = Background(at_once=1000)
        self._accounts_running: set[str] = set()

    async def run_approved(self) -> datetime | None:
        """Set going what may run: each account in a task of its own, one request at a time, the oldest first.

        Returns when the next request may run that waits for its time (None: none does).
        """
        now = self._clock.now()
        for account in await self._store.runs.accounts_ready(now) - self._accounts_running:
            self._accounts_running.add(account)
            self.executions.spawn(self._run_account(account))
        return await self._store.runs.next_due(now)

    async def _run_account(self, account: str) -> None:
        ran = False
        try:
            for request in await self._store.runs.ready(account, self._clock.now()):
                if self.executions.is_draining:
                    return  # it stays approved, and the next start sends it
                ran |= await self._execute_apart(request)
        finally:
            self._accounts_running.discard(account)
        if ran:  # otherwise the beat comes round by itself: what cannot be run now is not tried in a hurry
            self._changed("requests")

    async def _execute_apart(self, request: Request) -> bool:
        """One request that cannot be run now must not keep back those behind it; the next beat tries it again."""
        try:
            with bound_contextvars(request_id=request.id):
                await self.execute(request)
        except Exception:
            log.exception("request_not_run", request_id=request.id, account=request.account)
            return False
        return True

    async def execute(self, request: Request) -> None:
        """Send what was approved, at most once: the intent is on disk before the call, the outcome after it.

        A WRITE that was too early is run again when its time has come, each time with an intent of its own; a second
        intent of anything else cannot be written.
        """
        try:
            action, account = self._requests.action_of(request), self._requests.account_of(request)
        except Sorry as sorry:
            failed = Failed(summary=sorry.sentence, cure="Ask again with the command.")
            await self._outcomes.conclude(request, failed, expect=[RequestState.APPROVED])
            return
        if self._vault.lacks(request.id, action):
            lost = SECRET_LOST.format(so="So it is gone, and nothing was done.")
            failed = Failed(summary=lost, cure="Ask again with the command, and type it once more.")
            await self._outcomes.conclude(request, failed, expect=[RequestState.APPROVED])
            return
        action = self._vault.fill_in(request.id, action)
        resting = account.client.resting_until()
        if resting is not None and await self._kept_back(request, resting):
            return
        try:
            quote = await action.quote(account.client, account.prices)
        except (ProviderError, Refused) as error:
            # Left approved, it would say for ever that it is being sent, and might run when nobody expects it any more.
            log.warning("not_quoted", request_id=request.id, account=account.name, why=type(error).__name__)
            refused = isinstance(error, Refused | _MAY_BE_THERE)
            told = _refused_again(str(error)) if request.attempt > 1 and refused else _not_sent(action, error)
            await self._outcomes.conclude(request, told, expect=[RequestState.APPROVED])
            return
        except Exception:
            log.exception("quote_broke", request_id=request.id, account=account.name)
            broke = Refused({"": "Postroom itself broke over that: tell whoever runs it."})
            await self._outcomes.conclude(request, _not_sent(action, broke), expect=[RequestState.APPROVED])
            return
        is_dearer = action.fingerprint(account.name, quote) != request.fingerprint
        if is_dearer and not self._rulings.is_tolerable(request, action, quote):
            await self._rulings.price_moved(request, action, account, quote)
            return
        before = await self._store.runs.begun(request.id) if action.effect is Effect.WRITE else 0
        now = self._clock.now()
        key = f"{request.id}#{before + 1}" if before else permanent_key(request)
        total = quote.total if is_dearer and quote is not None else None
        try:
            begun = await self._store.runs.begin(
                request.id,
                key=key,
                fingerprint=request.fingerprint,
                lease_until=now + self._times.lease,
                fact=Fact(POSTROOM, "sent", {"key": key, "quote": stored(quote)}),
                now=now,
                quote=stored(quote) if is_dearer else None,
                total=total,
                allowing=partial(self._rulings.refuse_more, request, total or Decimal(0)),
            )
        except OverBudget:
            await self._rulings.price_moved(request, action, account, quote)
            return
        if begun is None:
            return
        self._changed("outbox")
        async with self._lease_kept(request.id):
            outcome = await self._run_once(action, account, request, before)
        # Also from `unknown`: if our lease lapsed while we waited, what we heard is still the truth.
        expect = [RequestState.EXECUTING, RequestState.UNKNOWN]
        if isinstance(outcome, Later):
            if before and not is_further(action, outcome):
                # Nothing was taken, as before: whatever the provider says, it is not asked again in a hurry.
                soonest = now + wait_before_poll(before, self._times, self._chance())
                outcome = replace(outcome, until=max(outcome.until, soonest))
            await self._outcomes.postpone(begun, action, outcome, expect=expect, is_news=not before)
        elif not await self._outcomes.conclude(begun, outcome, expect=expect):
            await self._heard_late(begun, outcome, key)

    async def _kept_back(self, request: Request, until: datetime) -> bool:
        """The provider is left alone until then, because it keeps failing: what was approved waits, nothing is lost.

        False where that has taken too long: then it is tried, and what comes of it is the end.
        """
        if until > (request.decided_at or request.created_at) + LONGEST_WAIT:
            return False
        told: dict[str, Any] = {
            "until": until.isoformat(), "summary": "The provider keeps failing, so nothing was sent to it yet.",
        }  # fmt: skip
        is_news = request.not_before is None or request.stop_until is not None
        kept = await self._store.runs.postpone(
            request.id,
            expect=[RequestState.APPROVED],
            until=until,
            given=request.input,
            fingerprint=request.fingerprint,
            fact=Fact(POSTROOM, "kept_back", told),
            messages=[note(request, "later", **told)] if is_news else [],
            now=self._clock.now(),
            read=request,
        )
        if kept is not None:
            self._requests.wake(kept.state)
        return True

    async def _run_once(self, action: Action, account: Account, request: Request, before: int) -> Outcome | Later:
        """Run it; `before` is how often it was begun already, and waits grow with that."""
        again = request.attempt > 1
        try:
            outcome = await action.run(account.client, permanent_key(request))
            return _refused_again(outcome.summary) if again and isinstance(outcome, Failed) else outcome
        except OutcomeUnknown as error:
            log.warning("outcome_unknown", request_id=request.id, account=account.name, detail=error.detail)
            return Unknown(summary=error.sentence, evidence=error.detail)
        except ProviderError as error:
            log.warning("not_executed", request_id=request.id, account=account.name, detail=error.detail)
            if again and isinstance(error, _MAY_BE_THERE):
                return _refused_again(error.sentence)
            if action.effect is Effect.WRITE and isinstance(error, RateLimited) and error.retry_after is not None:
                asked = min(error.retry_after, LONGEST_WAIT.total_seconds())
                wait = wait_before_poll(before, self._times, self._chance(), asked)
                return Later(until=self._clock.now() + wait, summary=f"{error.sentence} Nothing was changed yet.")
            items = tuple(Item(name=name, state=ItemState.NOT_DONE) for name in action.subjects())
            nothing = "" if items else " Nothing was done."
            return Failed(summary=f"{error.sentence}{nothing}", cure=error.cure, items=items)
        except Exception:
            # A fault of ours after the intent was written: the call may have been sent, so it counts as unclear.
            log.exception("execution_broke", request_id=request.id, account=account.name)
            return Unknown(summary="Postroom broke while it was sending this, so the answer was lost.")

    @contextlib.asynccontextmanager
    async def _lease_kept(self, request_id: str) -> Any:
        """While the call is under way, say so in the store, so that no other process thinks that we died."""

        async def keep() -> None:
            while True:
                await asyncio.sleep(self._times.lease.total_seconds() / 3)
                try:
                    await self._store.runs.keep_lease(request_id, self._clock.now() + self._times.lease)
                except Exception:
                    log.exception("lease_not_kept", request_id=request_id)  # what the call answers still counts

        keeper = asyncio.create_task(keep())
        try:
            yield
        finally:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper

    async def settle_lapsed(self) -> None:
        """Requests whose process died between the intent and the outcome: unknown, and looked up from now on."""
        for request in await self._store.runs.lapsed(self._clock.now()):
            outcome = Unknown(summary="Postroom was stopped while it was sending this, so nobody heard the answer.")
            await self._outcomes.conclude(request, outcome, expect=[RequestState.EXECUTING])

    # An answer that comes after a person's word.

    async def _heard_late(self, sent: Request, outcome: Outcome, key: str) -> None:
        """A person has settled it, or had it sent again, before the answer came: what was bought is told and counted.

        What was to be sent again and was not is not sent any more: the answer is what became of it.
        """
        log.warning("heard_too_late", request_id=sent.id, account=sent.account, outcome=outcome.kind)
        now = self._clock.now()
        fact = Fact(POSTROOM, "heard_late", {"outcome": outcome.model_dump(mode="json"), "key": key})
        is_news = isinstance(outcome, Done | Pending) or any(one.state in THERE for one in outcome.items)
        request = await self._store.requests.get(sent.id)
        was_said = request is not None and (
            request.attempt != sent.attempt or request.state in (RequestState.FAILED, RequestState.CANCELLED)
        )
        if request is None or not is_news or not was_said:
            await self._store.facts.note(sent.id, fact, now)
            return
        call = {"fact": "heard_late", "who": self._requests.may_settle(request)}
        told = [note(request, "heard_late", outcome=outcome), NewMessage(MessageKind.CALL, self._policy.channel, call)]
        not_sent = (RequestState.AWAITING, RequestState.APPROVED)
        if request.state in not_sent:
            await self._store.outbox.say(request.id, Telling(fact, told), now)
            if await self._outcomes.conclude(request, outcome, expect=not_sent, is_certain=True):
                return
            told = []
        spent = spent_of(sent, outcome) if not isinstance(outcome, Pending) else None
        if spent is None:
            spent = total_of(self._requests.action_of(sent).effect, self._requests.quote_of(sent))
        await self._store.runs.count_late(
            request.id,
            await self._counted(sent, spent or Decimal(0)),
            Telling(fact, told),
            now,
            besides=request.attempt != sent.attempt,
        )
        self._changed("outbox")

    async def _counted(self, request: Request, amount: Decimal) -> list[Reservation]:
        """What an amount takes from which budgets, in the month in which it was asked (or asked anew)."""
        asked = [
            one.at for one in await self._store.facts.of(request.id) if one.what in ("asked", "edited", "reopened")
        ]
        at = max(asked, default=request.created_at)
        action, quote = self._requests.action_of(request), self._requests.quote_of(request)
        groups = frozenset(self._requests.ruling_of(request).groups)
        seen = circumstances(request, action, quote, groups)
        counted = budgets_for(self._policy, seen)
        return [Reservation(one.name, period_of(one, at), amount) for one in counted]


def permanent_key(request: Request) -> str:
    """What a provider is given to know the request by, however often it is run or looked up.

    Only where a person says that it did not happen, and has it sent again, is it another.
    """
    return f"{request.id}#{request.attempt}"


def _refused_again(why: str) -> Unknown:
    """What was sent once more was refused, perhaps because the first time had worked after all: that is looked up."""
    return Unknown(summary=f"{why} That was the second try: the first one may have gone through after all.")


def _not_sent(action: Action, error: ProviderError | Refused) -> Failed:
    """It had to be looked at once more before it was sent, and that went wrong."""
    said = error.sentence if isinstance(error, ProviderError) else str(error)
    cure = error.cure if isinstance(error, ProviderError) else ""
    items = tuple(Item(name=name, state=ItemState.NOT_DONE) for name in action.subjects())
    summary = f"Before this was sent, it was looked at once more. {said} Nothing was sent."
    return Failed(summary=summary, cure=f"{cure} Ask again with the command.".strip(), items=items)
