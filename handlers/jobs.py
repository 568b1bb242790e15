"""What to do when a job's time has come: poll what a provider works on, look up what nobody could tell. No Slack."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars

from handlers.background import Background
from handlers.outcomes import THERE, Outcomes, remembering
from handlers.pace import learnt, wait_before_look
from handlers.policy import JobTimes
from handlers.requests import NOTHING_DONE, Requests, Sorry
from handlers.runs import permanent_key
from handlers.settling import Settling
from providers.accounts import Account, Clock
from providers.action import Action, Done, Failed, Later, Outcome, Pending, Unknown
from providers.errors import AuthExpired, NeedsSubscription, NotSent, ProviderError, RateLimited
from storage.jobs import action_key
from storage.records import Job, JobKind, Request, RequestState, UsualTime
from storage.store import Store

log = structlog.get_logger(__name__)

LOOKS_AT_ONCE = 100
"""Looks of one account that are under way at a time, if its pace allows so many."""
QUEUE_SECONDS = 2.0
"""Looks may fill an account's queue of calls so far and no further: people who ask something stand in it as well."""
CLAIMED_AHEAD = 3
"""So many times the looks at once are claimed, so that the next are at hand when the first have ended."""
ACCOUNTS_AT_ONCE = 1000
"""More than anybody has: each account's own crew is what holds looks back, never another account."""
MOST_TOGETHER = 10_000
SLICE = 100
"""Jobs of one batch that are read, or written down, in one go: others want the store and the event loop as well."""
NEARLY_DUE = 4
"""With those that are asked about together go the ones due within this part of the longest pause."""


@dataclass(slots=True)
class _Crew:
    """The looks at one account's jobs: `at_once` may be under way, `in_hand` are those and what waits for its turn.

    A batch is one look.
    """

    at_once: int
    turn: asyncio.Semaphore
    in_hand: int = 0

    @property
    def room(self) -> int:
        return self.at_once * CLAIMED_AHEAD - self.in_hand


@dataclass(slots=True)
class _Batch:
    """Jobs of one action and account that are asked about together; what comes while it runs goes next."""

    waiting: list[tuple[Job, Request]] = field(default_factory=list[tuple[Job, Request]])


@dataclass(frozen=True, slots=True)
class _Broke:
    """Postroom's own fault, not the provider's."""


class Jobs:
    """Watches what providers take hours over. Each look is claimed under a lease.

    Several accounts are asked at the same time, and each about several things, as far as its pace allows. What one
    listing tells about many is asked once for all of them.
    """

    def __init__(
        self,
        *,
        store: Store,
        requests: Requests,
        outcomes: Outcomes,
        settling: Settling,
        times: JobTimes,
        clock: Clock,
        chance: Callable[[], float],
        changed: Callable[[str], None],
    ) -> None:
        """`chance` gives a random number in [0, 1); `changed("jobs")` is called when an account is free again."""
        self._store = store
        self._requests = requests
        self._outcomes = outcomes
        self._settling = settling
        self._times = times
        self._clock = clock
        self._chance = chance
        self._changed = changed
        self.looks = Background(at_once=ACCOUNTS_AT_ONCE * LOOKS_AT_ONCE * CLAIMED_AHEAD)
        self._crews: dict[str, _Crew] = {}
        self._batches: dict[tuple[str, str], _Batch] = {}
        self._in_hand: set[str] = set()
        """The requests that this process has claimed and not looked at to the end."""
        self._not_together: set[str] = set()
        """Actions whose way of asking about many broke; they are asked about one by one from then on."""
        self._usual: dict[tuple[str, str], UsualTime] | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def look(self) -> datetime | None:
        """Begin to look at what is due; returns when the next job wants looking at (None: none)."""
        if self._usual is None:
            self._usual = {(usual.action, usual.account): usual for usual in await self._store.jobs.usual_times()}
        if self.looks.is_draining:
            return None
        now = self._clock.now()
        due = await self._store.jobs.by_account()
        room = {account: max(self._crew(account).room, 0) for account, moment in due.items() if moment <= now}
        if any(room.values()):
            for job, request in await self._store.jobs.claim_due(now, now + self._times.lease, room):
                self._begin(job, request)
            due = await self._store.jobs.by_account()
        # Accounts that have their hands full say when they are free again.
        return min((moment for account, moment in due.items() if self._crew(account).room > 0), default=None)

    def _begin(self, job: Job, request: Request) -> None:
        if request.id in self._in_hand:
            return  # its lease was over before its look
        self._take_in_hand(job)
        key = (job.account, action_key(request))
        if not self._goes_together(job, request):
            self._spawn(job.account, self._look_in_turn(job, request))
        elif (batch := self._batches.get(key)) is not None:
            batch.waiting.append((job, request))
        else:
            batch = self._batches[key] = _Batch([(job, request)])
            self._spawn(job.account, self._look_together(key, batch))

    def _spawn(self, account: str, look: Coroutine[Any, Any, None]) -> None:
        self._crew(account).in_hand += 1
        self.looks.spawn(look)

    def _ended(self, account: str, looked_at: Iterable[Job]) -> None:
        self._crew(account).in_hand -= 1
        self._let_go(looked_at)
        self._changed("jobs")

    def _goes_together(self, job: Job, request: Request) -> bool:
        if job.kind is not JobKind.POLL or action_key(request) in self._not_together:
            return False
        kind = self._requests.kind_of(request)
        return kind is not None and kind.polls_together()

    def _crew(self, name: str) -> _Crew:
        crew = self._crews.get(name)
        if crew is None:
            try:
                apart = self._requests.account_named(name).seconds_between_calls
            except Sorry:
                apart = QUEUE_SECONDS
            at_once = min(max(math.floor(QUEUE_SECONDS / apart), 1), LOOKS_AT_ONCE) if apart else LOOKS_AT_ONCE
            crew = self._crews[name] = _Crew(at_once, asyncio.Semaphore(at_once))
        return crew

    def _take_in_hand(self, job: Job) -> None:
        self._in_hand.add(job.request_id)
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep_leases(), name="leases of jobs")

    def _let_go(self, looked_at: Iterable[Job]) -> None:
        self._in_hand.difference_update(job.request_id for job in looked_at)
        if not self._in_hand and self._keeper is not None:
            self._keeper.cancel()
            self._keeper = None

    async def _keep_leases(self) -> None:
        """While looks are under way, say so in the store, so that no other process thinks that we died."""
        while True:
            await asyncio.sleep(self._times.lease.total_seconds() / 3)
            try:
                await self._store.jobs.renew(tuple(self._in_hand), self._clock.now() + self._times.lease)
            except Exception:
                log.exception("leases_not_kept")

    # One look.

    async def _look_in_turn(self, job: Job, request: Request) -> None:
        try:
            async with self._crew(job.account).turn:
                if self.looks.is_draining:
                    await self._store.jobs.watch_on([job])  # as due as it was: the next start looks
                else:
                    await self._look_at(job, request)
        finally:
            self._ended(job.account, [job])

    async def _look_at(self, job: Job, request: Request) -> None:
        bind_contextvars(request_id=request.id)  # this task is about no other
        opened = await self._opened(job, request)
        if opened is None:
            return
        action, account = opened
        found: Outcome | Later | ProviderError | _Broke
        try:
            if job.kind is JobKind.POLL:
                found = await action.poll(account.client, job.ref)
            else:
                found = await action.reconcile(account.client, permanent_key(request))
        except ProviderError as error:
            found = error
        except Exception:
            log.exception("look_broke", request_id=request.id, account=account.name)
            found = _Broke()
        if (later := await self._take(job, request, action, found, self._chance())) is not None:
            await self._store.jobs.watch_on([later])

    async def _opened(self, job: Job, request: Request) -> tuple[Action, Account] | None:
        """What was asked, and of whom. None where this version cannot tell: then a person is asked."""
        try:
            return self._requests.action_of(request), self._requests.account_of(request)
        except Sorry as sorry:
            # It was sent: whoever read that nothing was done would have it sent once more.
            why = sorry.sentence.removesuffix(NOTHING_DONE)
            summary = f"This was sent, and Postroom can no longer see what became of it. {why}"
            outcome = Unknown(summary=summary, evidence="Postroom cannot look for itself.", ref=_handle(job))
            await self._settling.ask_person(request, outcome, "stuck")
            return None

    # Many at once.

    async def _look_together(self, key: tuple[str, str], batch: _Batch) -> None:
        together: list[tuple[Job, Request]] = []
        try:
            while batch.waiting:
                async with self._crew(key[0]).turn:
                    await self._gather(key, batch)
                    together, batch.waiting = batch.waiting, []
                    await self._look_at_all(key, together)
                self._let_go(job for job, _ in together)
        finally:
            del self._batches[key]
            self._ended(key[0], [job for job, _ in (*together, *batch.waiting)])

    async def _gather(self, key: tuple[str, str], batch: _Batch) -> None:
        """Claim the others that are due, or nearly."""
        while len(batch.waiting) < MOST_TOGETHER:
            now = self._clock.now()
            alike = await self._store.jobs.claim_alike(
                *key,
                due_before=now + self._times.max_poll / NEARLY_DUE,
                now=now,
                lease_until=now + self._times.lease,
                limit=SLICE,
            )
            for job, request in alike:
                if job.kind is not JobKind.POLL:
                    self._begin(job, request)
                elif request.id not in self._in_hand:
                    self._take_in_hand(job)
                    batch.waiting.append((job, request))
            if len(alike) < SLICE:
                return

    async def _look_at_all(self, key: tuple[str, str], together: Sequence[tuple[Job, Request]]) -> None:
        known: list[tuple[Job, Request, Action]] = []
        account: Account | None = None
        for number, (job, request) in enumerate(together):
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)
            opened = await self._opened(job, request)
            if opened is not None:
                known.append((job, request, opened[0]))
                account = opened[1]
        if account is None:
            return
        log.debug("looking_together", account=account.name, action=key[1], jobs=len(known))
        found: Sequence[Outcome | ProviderError | _Broke]
        try:
            kind = type(known[0][2])
            found = await kind.poll_many(account.client, [(action, job.ref) for job, _, action in known])
            if len(found) != len(known):
                raise ValueError(f"{len(found)} answers about {len(known)} jobs")
        except ProviderError as error:
            found = [error] * len(known)
        except Exception:
            log.exception("look_broke", account=account.name, action=key[1], jobs=len(known))
            self._not_together.add(key[1])
            found = [_Broke()] * len(known)
        chance = self._chance()  # one for all, so that they are due together again
        answered = list(zip(known, found, strict=True))
        for start in range(0, len(answered), SLICE):
            taken = await asyncio.gather(*(self._take(*of, one, chance) for of, one in answered[start : start + SLICE]))
            if watched := [later for later in taken if later is not None]:
                await self._store.jobs.watch_on(watched)

    # What was found.

    async def _take(
        self,
        job: Job,
        request: Request,
        action: Action,
        found: Outcome | Later | ProviderError | _Broke,
        chance: float,
    ) -> Job | None:
        """Write down what a look told. Returns the job as it is to be watched on, where nothing new is to be shown."""
        if isinstance(found, Done | Failed | Pending | Unknown):
            found = remembering(request, found)
        match found:
            case _Broke():
                broke = "Postroom itself broke while it was looking."
                return await self._look_later(job, request, None, chance, evidence=broke, is_blind=True)
            case ProviderError():
                detail = found.detail or found.sentence
                log.info("look_failed", request_id=request.id, account=job.account, detail=detail)
                asked = found.retry_after if isinstance(found, RateLimited) else None
                job = self._not_seen(job)
                said = _not_seen_because(found)
                stuck = self._needs_help(job, request, found)
                return await self._look_later(
                    job, request, stuck, chance, evidence=said, asked_to_wait=asked, is_blind=True
                )
            case Later():
                await self._outcomes.postpone(request, action, found, expect=[RequestState.UNKNOWN])
            case Done() | Failed():
                expect = [RequestState.WORKING, RequestState.UNKNOWN]
                ended = await self._outcomes.conclude(request, found, expect=expect)
                if ended and isinstance(found, Done) and job.kind is JobKind.POLL:
                    await self._learn(job, request)
            case Pending() if job.kind is JobKind.RECONCILE:
                await self._outcomes.conclude(request, found, expect=[RequestState.UNKNOWN])
            case Pending():
                job = replace(job, ref=found.ref)
                return await self._look_later(job, request, found, chance, evidence=found.progress)
            case Unknown():
                shown = found if job.kind is JobKind.RECONCILE else self._still_pending(job, request, found)
                return await self._look_later(job, request, shown, chance, evidence=found.evidence or found.summary)
        return None

    def _still_pending(self, job: Job, request: Request, found: Unknown) -> Pending | None:
        """It goes on as it went, and what was seen of its items is kept. None where nothing was."""
        if not found.items:
            return None
        before = self._requests.outcome_of(request)
        going_on = before if isinstance(before, Pending) else Pending(ref=dict(job.ref))
        return going_on.model_copy(update={"items": found.items})

    def _needs_help(self, job: Job, request: Request, error: ProviderError) -> Pending | None:
        """As it went, with what stands in the way of seeing more; None for what passes by itself.

        Otherwise nobody would hear of it before the deadline, days later.
        """
        before = self._requests.outcome_of(request)
        if job.kind is not JobKind.POLL or not isinstance(error, AuthExpired | NeedsSubscription):
            return None
        going_on = before if isinstance(before, Pending) else Pending(ref=dict(job.ref))
        progress = f"Postroom cannot see how it is getting on. {error.sentence} {error.cure} It goes on looking."
        return going_on.model_copy(update={"progress": progress})

    def _not_seen(self, job: Job) -> Job:
        """A look-up that could not read anything proves nothing: it gets its time anew, until a job's deadline."""
        if job.kind is JobKind.POLL:
            return job
        anew = self._clock.now() + self._times.reconcile_after
        return replace(job, deadline_at=max(job.deadline_at, min(anew, job.started_at + self._times.deadline)))

    async def _look_later(
        self,
        job: Job,
        request: Request,
        seen: Outcome | None,
        chance: float,
        *,
        evidence: str,
        asked_to_wait: float | None = None,
        is_blind: bool = False,
    ) -> Job | None:
        """`is_blind`: this look told nothing about it, and it may well have ended."""
        now = self._clock.now()
        if now >= job.deadline_at:
            await self._give_up(job, request, seen, evidence, is_blind=is_blind)
            return None
        usual = self._usual_of(job, request)
        wait = wait_before_look(now - job.started_at, self._times, chance, usual=usual, asked_to_wait=asked_to_wait)
        later = replace(job, attempts=job.attempts + 1, due_at=min(now + wait, max(job.deadline_at, now)))
        shown = None if seen is None else seen.model_dump(mode="json")
        if shown is None or shown == request.outcome:
            return later
        if await self._store.jobs.keep_watching(later, shown, now):
            self._changed("outbox")
        return None

    async def _give_up(
        self, job: Job, request: Request, seen: Outcome | None, evidence: str, *, is_blind: bool
    ) -> None:
        items = seen.items if seen is not None else ()  # with what an earlier look has seen: `ask_person` adds that
        before = self._requests.outcome_of(request)
        if seen is None and isinstance(before, Unknown) and before.evidence and before.evidence not in evidence:
            evidence = f"{evidence} Before that: {before.evidence}"
        if job.kind is JobKind.POLL:
            looked_up = await self._looked_up(job, request)
            if isinstance(looked_up, Done) and await self._outcomes.conclude(
                request, looked_up, expect=[RequestState.WORKING, RequestState.UNKNOWN]
            ):
                return
            found = () if looked_up is None else looked_up.items
            there = {item.name: item for item in found if item.state in THERE}
            items = tuple(there.get(item.name, item) for item in items) or found
            if isinstance(looked_up, Unknown) and looked_up.evidence:
                evidence = f"{evidence} {looked_up.evidence}"
            watched = span(self._clock.now() - job.started_at)
            known = (
                "it cannot be seen whether the provider has finished" if is_blind else "the provider has not finished"
            )
            summary = f"After {watched} {known}, so Postroom no longer asks it by itself."
            outcome = Unknown(summary=summary, evidence=evidence, items=items, ref=_handle(job))
            await self._settling.ask_person(request, outcome, "stuck")
        else:
            summary = "Postroom looked at the provider and cannot tell whether this happened."
            await self._settling.ask_person(request, Unknown(summary=summary, evidence=evidence, items=items), "asks")

    async def _looked_up(self, job: Job, request: Request) -> Outcome | None:
        """What the provider has of it, whatever it says of its job: it may have forgotten that. None: no telling."""
        try:
            action, account = self._requests.action_of(request), self._requests.account_of(request)
            found = await action.reconcile(account.client, permanent_key(request))
        except (Sorry, ProviderError) as error:
            log.info("not_looked_up", request_id=request.id, account=job.account, why=type(error).__name__)
            return None
        except Exception:
            log.exception("look_broke", request_id=request.id, account=job.account)
            return None
        return None if isinstance(found, Later) else found

    # How long it usually takes.

    def _usual_of(self, job: Job, request: Request) -> UsualTime | None:
        if job.kind is not JobKind.POLL:
            return None
        return (self._usual or {}).get((action_key(request), job.account))

    async def _learn(self, job: Job, request: Request) -> None:
        """One more has ended well. Only a help: if it is lost, the next ones teach the same."""
        key = (action_key(request), job.account)
        known = self._usual if self._usual is not None else {}
        before = known.get(key) or UsualTime(*key, seen=0, mean=0.0, spread=0.0)
        known[key] = learnt(before, self._clock.now() - job.started_at)
        await self._store.jobs.note_usual_time(known[key])


def _not_seen_because(error: ProviderError) -> str:
    """Why a look saw nothing. It must not read as if the order itself had met with that."""
    if isinstance(error, NotSent):
        return "When Postroom looked last, it did not get through to the provider. That says nothing about the order."
    return f"When Postroom looked last, it could not see how it is. {error.sentence}"


def _handle(job: Job) -> dict[str, object] | None:
    return dict(job.ref) if job.kind is JobKind.POLL else None


def span(length: timedelta) -> str:
    """How long something took, roughly: "an hour", "5 hours", "7 days"."""
    hours = length.total_seconds() / 3600
    if hours < 1:
        return "less than an hour" if hours * 60 < 50 else "an hour"
    if hours >= 72:
        return f"{round(hours / 24)} days"
    return "an hour" if round(hours) == 1 else f"{round(hours)} hours"
