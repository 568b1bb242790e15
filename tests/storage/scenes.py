"""Ana asks, Omar decides: the steps of a request's life, one line each, for the scenes in this folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from storage.books import Books
from storage.decisions import Judged
from storage.records import (
    Asked,
    Content,
    Fact,
    Job,
    JobKind,
    MessageKind,
    NewMessage,
    Request,
    RequestState,
    Telling,
    Verdict,
    Vote,
    new_id,
)
from storage.sqlite import SqliteDatabase
from storage.store import Store

ANA, OMAR, FINN = "U0ANA", "U0OMAR", "U0FINN"
CHANNEL, APPROVALS = "C0OUTREACH", "C0APPROVALS"
FINGERPRINT = "f1" * 32
QUOTE = {"lines": [{"what": "acme-mail.com", "price": "12.50"}], "currency": "USD"}
LEASE = timedelta(seconds=60)


class NotTheirs(Exception):
    """Nobody decides what they asked for themselves."""


class Clock:
    """A clock that only moves when told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def passes(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


class Scene:
    """A store, the clock, and what people and time do to a request."""

    def __init__(self, database: SqliteDatabase, clock: Clock) -> None:
        self.database = database
        self.store = Store(database)
        self.clock = clock

    # Asking.

    async def draft(self, requester: str = ANA) -> Request:
        now = self.clock.now
        draft = Request(new_id("req"), "T0ACME", requester, CHANNEL, "domain buy", now, now)
        await self.store.drafts.create(draft)
        return draft

    async def fill(self, request: Request, by: str = ANA, **given: Any) -> Request | None:
        return await self.store.drafts.fill(
            request.id, by=by, provider="mailin", account=given.pop("account", "mailin-main"),
            given={"domains": ["acme-mail.com"], **given}, reason="A campaign", view_id="V1", now=self.clock.now,
        )  # fmt: skip

    async def finish_check(self, request: Request, since: datetime, fingerprint: str = FINGERPRINT) -> Request | None:
        return await self.store.drafts.finish_check(
            request.id, checking_since=since, quote=QUOTE, fingerprint=fingerprint, now=self.clock.now
        )

    async def checked(self, account: str = "mailin-main") -> Request:
        filled = await self.fill(await self.draft(), account=account)
        assert filled is not None
        assert filled.checking_since is not None
        await self.finish_check(filled, filled.checking_since)
        checked = await self.store.drafts.check_shown(filled.id, checking_since=filled.checking_since)
        assert checked is not None
        return checked

    async def submit(
        self, request: Request, by: str = ANA, to: RequestState = RequestState.AWAITING, seen: str = FINGERPRINT[:16]
    ) -> Request | None:
        def asking(draft: Request, books: Books) -> Asked:
            messages = [
                NewMessage(MessageKind.PARENT, draft.channel), NewMessage(MessageKind.CARD, APPROVALS), note("asked"),
            ]  # fmt: skip
            return Asked(to, Telling(Fact(by, "asked", {"input": draft.input}), messages))

        return await self.store.drafts.submit(request.id, by=by, seen=seen, asking=asking, now=self.clock.now)

    async def waiting(self, account: str = "mailin-main") -> Request:
        asked = await self.submit(await self.checked(account))
        assert asked is not None
        return asked

    # Deciding.

    async def vote(
        self,
        request: Request,
        by: str = OMAR,
        verdict: Verdict = Verdict.APPROVE,
        seen: str = FINGERPRINT[:16],
        needs: int = 1,
    ) -> Request | None:
        vote = Vote(request.id, by, verdict, seen, self.clock.now, "because")

        def judging(request: Request, books: Books) -> Judged:
            if by == request.requester:
                raise NotTheirs
            told = Fact(by, verdict.value)
            return Judged(by, lambda given: len(given) >= needs, lambda decided, given: Telling(told, [note("voted")]))

        try:
            return await self.store.decisions.cast_vote(vote, judging=judging)
        except NotTheirs:
            return None

    async def cancel(self, request: Request, by: str = ANA) -> Request | None:
        return await self.store.decisions.cancel(
            request.id, by=by, fact=Fact(by, "cancelled"), messages=[note("cancelled")], now=self.clock.now
        )

    async def reopen(self, request: Request, fingerprint: str = "f2" * 32) -> Request | None:
        def asking(reopened: Request, books: Books) -> Asked:
            return Asked(RequestState.AWAITING, Telling(Fact("postroom", "reopened"), [note("reopened")]))

        content = Content(request.input, QUOTE, fingerprint, Decimal("12.50"))
        return await self.store.decisions.reopen(request.id, content=content, asking=asking, now=self.clock.now)

    async def approved(self, account: str = "mailin-main") -> Request:
        decided = await self.vote(await self.waiting(account))
        assert decided is not None
        return decided

    # Running.

    async def begin(self, request: Request, run: int = 1) -> Request | None:
        return await self.store.runs.begin(
            request.id, key=f"{request.id}#{run}", fingerprint=request.fingerprint,
            lease_until=self.clock.now + LEASE, fact=Fact("postroom", "sent"), now=self.clock.now,
        )  # fmt: skip

    async def postpone(
        self,
        request: Request,
        until: datetime,
        fingerprint: str = FINGERPRINT,
        expect: Sequence[RequestState] = (RequestState.EXECUTING, RequestState.UNKNOWN),
    ) -> Request | None:
        return await self.store.runs.postpone(
            request.id, expect=expect, until=until, given={"left": 1}, fingerprint=fingerprint,
            fact=Fact("postroom", "postponed"), messages=[note("later")], now=self.clock.now,
        )  # fmt: skip

    async def conclude(
        self,
        request: Request,
        to: RequestState,
        expect: Sequence[RequestState] = (RequestState.EXECUTING, RequestState.UNKNOWN),
        job: Job | None = None,
        outcome: Any = None,
    ) -> Request | None:
        return await self.store.runs.conclude(
            request.id, expect=expect, to=to, outcome=outcome or {"kind": to.value, "summary": "So it went."},
            fact=Fact("postroom", to.value), messages=[note(to.value)], now=self.clock.now, job=job,
        )  # fmt: skip

    async def executing(self, account: str = "mailin-main") -> Request:
        begun = await self.begin(await self.approved(account))
        assert begun is not None
        return begun

    async def working(self, account: str = "mailin-main", due_in: float = 0) -> Request:
        request = await self.executing(account)
        working = await self.conclude(request, RequestState.WORKING, job=self.job(request, due_in))
        assert working is not None
        return working

    def job(self, request: Request, due_in: float = 0) -> Job:
        now = self.clock.now
        return Job(
            request.id, request.account, JobKind.POLL, {"uuid": "j1"}, now + timedelta(seconds=due_in),
            now + timedelta(hours=48), now,
        )  # fmt: skip

    # Looking.

    async def facts(self, request: Request) -> list[str]:
        return [entry.what for entry in await self.store.facts.of(request.id)]

    async def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return await self.database.read(lambda db: [tuple(row) for row in db.execute(sql, parameters)])

    async def everything(self) -> str:
        """All tables as text: the same twice is nothing changed."""
        tables = ("requests", "votes", "intents", "jobs", "messages", "audit")
        return json.dumps([await self.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables])


def note(fact: str) -> NewMessage:
    return NewMessage(MessageKind.NOTE, CHANNEL, {"fact": fact})
