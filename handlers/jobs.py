"""What to do when a job's time has come: poll what a provider works on, look up what nobody could tell. No Slack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog

from handlers.background import Background
from handlers.policy import JobTimes, wait_before_poll
from handlers.requests import Requests, Sorry, permanent_key
from providers.accounts import Clock
from providers.action import Action, Done, Failed, Later, Outcome, Pending, Unknown
from providers.errors import ProviderError, RateLimited
from storage.records import Job, JobKind, Request, RequestState
from storage.store import Store

log = structlog.get_logger(__name__)


class Jobs:
    """Watches what providers take hours over. Every look is claimed under a lease, one at a time per account."""

    def __init__(
        self,
        *,
        store: Store,
        requests: Requests,
        times: JobTimes,
        clock: Clock,
        chance: Callable[[], float],
        changed: Callable[[str], None],
    ) -> None:
        """`chance` gives a random number in [0, 1); `changed("jobs")` is called when an account is free again."""
        self._store = store
        self._requests = requests
        self._times = times
        self._clock = clock
        self._chance = chance
        self._changed = changed
        self.looks = Background(at_once=1000)

    async def look(self) -> datetime | None:
        """Begin to look at what is due, an account each; returns when the next job wants looking at (None: none)."""
        now = self._clock.now()
        for job, request in await self._store.claim_due_jobs(now, now + self._times.lease):
            self.looks.spawn(self._look_in_turn(job, request))
        return await self._store.next_job_due()

    async def _look_in_turn(self, job: Job, request: Request) -> None:
        try:
            await self._look_at(job, request)
        finally:
            self._changed("jobs")

    async def _look_at(self, job: Job, request: Request) -> None:
        try:
            action = self._requests.action_of(request)
            account = self._requests.account_named(request.account)
        except Sorry as sorry:
            outcome = Unknown(summary=sorry.sentence, evidence="Postroom cannot look for itself.", ref=_handle(job))
            await self._requests.ask_person(request, outcome, "stuck")
            return
        try:
            found: Outcome | Later
            if job.kind is JobKind.POLL:
                found = await action.poll(account.client, job.ref)
            else:
                found = await action.reconcile(account.client, permanent_key(request))
        except ProviderError as error:
            log.info("look_failed", request_id=request.id, account=account.name, detail=error.detail or error.sentence)
            asked = error.retry_after if isinstance(error, RateLimited) else None
            await self._look_later(self._not_seen(job), request, None, evidence=error.sentence, asked_to_wait=asked)
            return
        except Exception:
            log.exception("look_broke", request_id=request.id, account=account.name)
            await self._look_later(job, request, None, evidence="Postroom itself broke while it was looking.")
            return
        await self._take(job, request, action, found)

    def _not_seen(self, job: Job) -> Job:
        """A look-up that could not read anything proves nothing: it gets its time anew, until a job's deadline."""
        if job.kind is JobKind.POLL:
            return job
        anew = self._clock.now() + self._times.reconcile_after
        return replace(job, deadline_at=max(job.deadline_at, min(anew, job.started_at + self._times.deadline)))

    async def _take(self, job: Job, request: Request, action: Action, found: Outcome | Later) -> None:
        match found:
            case Later():
                await self._requests.postpone(request, action, found, expect=[RequestState.UNKNOWN])
            case Done() | Failed():
                await self._requests.conclude(request, found, expect=[RequestState.WORKING, RequestState.UNKNOWN])
            case Pending() if job.kind is JobKind.RECONCILE:
                await self._requests.conclude(request, found, expect=[RequestState.UNKNOWN])
            case Pending():
                await self._look_later(replace(job, ref=found.ref), request, found, evidence=found.progress)
            case Unknown():
                shown = found if job.kind is JobKind.RECONCILE else None
                await self._look_later(job, request, shown, evidence=found.evidence or found.summary)

    async def _look_later(
        self, job: Job, request: Request, seen: Outcome | None, *, evidence: str, asked_to_wait: float | None = None
    ) -> None:
        now = self._clock.now()
        if now >= job.deadline_at:
            await self._give_up(job, request, seen, evidence)
            return
        wait = wait_before_poll(job.attempts + 1, self._times, self._chance(), asked_to_wait)
        later = replace(job, attempts=job.attempts + 1, due_at=min(now + wait, max(job.deadline_at, now)))
        await self._store.keep_watching(later, None if seen is None else seen.model_dump(mode="json"), now)

    async def _give_up(self, job: Job, request: Request, seen: Outcome | None, evidence: str) -> None:
        items = seen.items if isinstance(seen, Unknown) else ()
        if job.kind is JobKind.POLL:
            hours = (self._clock.now() - job.started_at).total_seconds() / 3600
            summary = f"The provider has not finished after {_span(hours)}, so Postroom no longer asks it by itself."
            outcome = Unknown(summary=summary, evidence=evidence, items=items, ref=_handle(job))
            await self._requests.ask_person(request, outcome, "stuck")
        else:
            summary = "Postroom looked at the provider and cannot tell whether this happened."
            await self._requests.ask_person(request, Unknown(summary=summary, evidence=evidence, items=items), "asks")


def _handle(job: Job) -> dict[str, object] | None:
    return dict(job.ref) if job.kind is JobKind.POLL else None


def _span(hours: float) -> str:
    if hours < 1:
        return "less than an hour" if hours * 60 < 50 else "an hour"
    return "an hour" if round(hours) == 1 else f"{round(hours)} hours"
