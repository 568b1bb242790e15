"""A stage for the money: who may approve, how many, how much, how often, over the real database.

The workspace, the provider and the clock are plain objects; the requests, the approvals, the waiting and the file are
the real ones. The fixture `core` opens it. `test_life_of_requests.py` mixes the same steps in any order; the scenes in
`test_money_*.py` say to the cent, the person and the second what comes of each, in the tables, in the audit and in what
the thread is told.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import Field, JsonValue, SecretStr

from handlers.approvals import Approvals
from handlers.drafts import Review
from handlers.life import Life
from handlers.policy import Budget, JobTimes, Policy, Terms
from handlers.requests import SEEN, Asker, Sorry
from handlers.slack.messages import Messages
from handlers.waiting import Waiting
from providers.accounts import Account, PriceList
from providers.action import (
    Action,
    Done,
    Effect,
    Item,
    ItemState,
    Later,
    Outcome,
    Quote,
    QuoteLine,
    Refused,
    Unknown,
    line_items,
)
from providers.catalogue import Catalogue
from providers.errors import OutcomeUnknown
from storage.outbox import Owed
from storage.records import Job, JobKind, MessageKind, Request, RequestState, Reservation, Verdict
from storage.sqlite import SqliteDatabase
from storage.store import Store
from tests.handlers.stage import (
    ANA,
    APPROVALS,
    CHANNEL,
    EMERGENCY,
    FINANCE,
    MEMORY,
    OLGA,
    OMAR,
    TIMES,
    Clock,
    Workspace,
)

S = RequestState
YES, NO = Verdict.APPROVE, Verdict.DENY
MAIN, SPARE, ELSEWHERE = "till-main", "till-spare", "other-main"
UNDO = timedelta(seconds=30)
MONTH = "2026-03"

DEFAULT = Terms(approvers=(FINANCE, OLGA))


def policy(**changed: Any) -> Policy:
    """Omar, Finn (finance) and Olga decide; nothing by itself; USD 500 a month for everybody."""
    base: dict[str, Any] = {
        "default": DEFAULT,
        "channel": APPROVALS,
        "budgets": (Budget("all", Decimal(500), "USD"),),
        "tolerance": Decimal("0.10"),
        "undo": UNDO,
        "break_glass": (EMERGENCY,),
    }
    return Policy(**base | changed)


def terms(**changed: Any) -> Terms:
    base = {name: getattr(DEFAULT, name) for name in Terms.__slots__}
    return Terms(**base | changed)


class Till:
    """A provider's account: what it answers next, and what it was told to do, each with the key it was given."""

    def __init__(self) -> None:
        self.prices: dict[str, Decimal | None] = {}
        self.currency = "USD"
        self.answers: list[Outcome | Later | Exception] = []
        self.sent: list[tuple[str, str, tuple[str, ...]]] = []
        self.resting: datetime | None = None
        self.broken: Exception | None = None
        self.meanwhile: Callable[[], Any] | None = None
        """What happens while a call is under way."""

    def resting_until(self) -> datetime | None:
        return self.resting


class Things(Action):
    things: list[str] = Field(title="Things", json_schema_extra=line_items())

    def subjects(self) -> tuple[str, ...]:
        return tuple(self.things)

    async def check(self, client: Till) -> None:
        if "wrong" in self.things:
            raise Refused({"things": "There is no such thing."})

    async def quote(self, client: Till, prices: PriceList) -> Quote | None:
        if client.broken is not None:
            raise client.broken
        usual = prices.price("thing")
        lines = tuple(QuoteLine(what=f"{one}, a year", price=client.prices.get(one, usual)) for one in self.things)
        return Quote(lines=lines, currency=client.currency)

    async def run(self, client: Till, key: str) -> Outcome | Later:
        client.sent.append((type(self).command, key, tuple(self.things)))
        if client.meanwhile is not None:
            await client.meanwhile()
        answer = client.answers.pop(0) if client.answers else Done(summary="Done.")
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def poll(self, client: Till, ref: Mapping[str, JsonValue]) -> Outcome:
        return Done(summary="Done.")


class Buy(Things, provider="till", command="thing buy", title="Buy", effect=Effect.SPEND):
    """Buy things."""


class Mend(Things, provider="till", command="thing mend", title="Mend", effect=Effect.WRITE):
    """Mend things."""

    async def quote(self, client: Till, prices: PriceList) -> Quote | None:
        quote = await super().quote(client, prices)
        return quote if quote is None or quote.total is None or set(self.things) & set(client.prices) else None


class Burn(Things, provider="till", command="thing burn", title="Burn", effect=Effect.DESTROY):
    """Burn things."""

    async def quote(self, client: Till, prices: PriceList) -> Quote | None:
        return None


class Lock(Things, provider="till", command="thing lock", title="Lock", effect=Effect.WRITE):
    """Lock things."""

    password: SecretStr = Field(title="Password")

    async def quote(self, client: Till, prices: PriceList) -> Quote | None:
        return None

    async def run(self, client: Till, key: str) -> Outcome | Later:
        assert self.password.get_secret_value() == "open sesame"
        return await super().run(client, key)


KINDS = (Buy, Mend, Burn, Lock)


class Core:
    """One process over one file, and the steps that people and time take, a line each."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)
        self.clock, self.workspace, self.till = Clock(), Workspace(), Till()
        self.woken: list[str] = []
        self.database: SqliteDatabase | None = None
        self.opens(policy())

    def opens(self, its_policy: Policy, accounts: Sequence[str] = (MAIN, SPARE), times: JobTimes = TIMES) -> Core:
        """The process begins (anew), with these settings."""
        if self.database is not None:
            self.database.close()
        self.policy = its_policy
        self.database = SqliteDatabase(f"{self.folder}/postroom.db")  # type: ignore[arg-type]
        self.store = Store(self.database)
        prices = PriceList(prices={"thing": Decimal(10)})
        opened = {name: Account(name, "till", self.till, prices) for name in accounts} | {
            ELSEWHERE: Account(ELSEWHERE, "other", self.till)
        }
        life = Life(
            store=self.store, catalogue=Catalogue(KINDS), accounts=opened, policy=its_policy, times=times,
            directory=self.workspace, clock=self.clock, chance=lambda: 0.5, changed=self.woken.append,
        )  # fmt: skip
        self.requests, self.drafts, self.runs, self.settling = life.requests, life.drafts, life.runs, life.settling
        self.approvals = Approvals(self.store, life.requests, life.rulings, self.clock)
        self.waiting = Waiting(self.store, life.requests, life.rulings, life.settling, self.clock)
        return self

    def closes(self) -> None:
        assert self.database is not None
        self.database.close()
        shutil.rmtree(self.folder)

    # Asking.

    async def reviewed(
        self, by: str, action: Action, *, channel: str = CHANNEL, account: str = MAIN, confirmable: bool = True
    ) -> Review:
        draft = await self.drafts.open(action.command, Asker("T0ACME", by, channel))
        filled = await self.drafts.fill(draft, action, account=account, reason="A campaign", view_id="V1")
        review = await self.drafts.review(filled)
        assert review is not None
        await self.drafts.review_shown(filled)
        assert bool(review.draft.fingerprint) is confirmable
        return review

    async def submitted(self, draft: Request) -> Request:
        return await self.drafts.submit(draft.id, draft.requester, seen=draft.fingerprint[:SEEN])

    async def asked(
        self, *things: str, by: str = ANA, kind: type[Things] = Buy, channel: str = CHANNEL, account: str = MAIN
    ) -> Request:
        given = {"things": list(things) or ["cup"]} | ({"password": "open sesame"} if kind is Lock else {})
        review = await self.reviewed(by, kind(**given), channel=channel, account=account)
        return await self.submitted(review.draft)

    # Deciding.

    async def says(
        self, request: Request, by: str, verdict: Verdict = YES, *, without: Collection[str] = (), reason: str = ""
    ) -> Request:
        seen = (await self.now(request)).fingerprint[:SEEN]
        return await self.approvals.decide(request.id, by, verdict, seen=seen, without=without, reason=reason)

    async def approved(self, *things: str, kind: type[Things] = Buy, account: str = MAIN) -> Request:
        """Asked and approved, and the undo window is over."""
        request = await self.asked(*things, kind=kind, account=account)
        if request.state is S.AWAITING:
            request = await self.says(request, OMAR)
        assert request.state is S.APPROVED
        self.clock.passes(seconds=UNDO.total_seconds())
        return request

    async def sends(self, request: Request, *answers: Outcome | Later | Exception) -> Request:
        self.till.answers = list(answers)
        await self.runs.execute(await self.now(request))
        assert self.till.answers == []
        return await self.now(request)

    async def unclear(self, *things: str, items: tuple[Item, ...] = (), **seen: Any) -> Request:
        """Sent, no answer, looked for, not found: a person is asked."""
        return await self.breaks_off(await self.approved(*things), items=items, **seen)

    async def breaks_off(self, approved: Request, *, items: tuple[Item, ...] = (), **seen: Any) -> Request:
        """The same of what is approved already."""
        request = await self.sends(approved, OutcomeUnknown("It broke off.", detail="cut"))
        outcome = Unknown(summary="Nobody can tell.", evidence="Not in the list.", items=items, **seen)
        await self.settling.ask_person(request, outcome, "asks")
        return await self.now(request)

    # Looking.

    async def now(self, request: Request) -> Request:
        found = await self.store.requests.get(request.id)
        assert found is not None
        return found

    async def facts(self, request: Request) -> list[tuple[str, str]]:
        return [(one.actor, one.what) for one in await self.store.facts.of(request.id)]

    async def last(self, request: Request) -> tuple[str, str, Any]:
        entry = (await self.store.facts.of(request.id))[-1]
        return entry.actor, entry.what, entry.detail

    async def told(self, request: Request) -> list[dict[str, Any]]:
        """What the thread is told, fact by fact."""
        messages = await self.store.outbox.of(request.id)
        here = (MessageKind.NOTE, MessageKind.PARENT)
        assert all(one.channel == request.channel for one in messages if one.kind in here)
        return [dict(one.body) for one in messages if one.kind is MessageKind.NOTE]

    async def says_in_thread(self, request: Request) -> str:
        """The thread's last line, in words."""
        notes = [one for one in await self.store.outbox.of(request.id) if one.kind is MessageKind.NOTE]
        return Messages(self.requests).render(Owed(notes[-1], await self.now(request), None, begun_before=False)).text

    async def cards(self, request: Request) -> list[str]:
        return [one.channel for one in await self.store.outbox.of(request.id) if one.kind is MessageKind.CARD]

    async def money(self, budget: str = "all", period: str = MONTH) -> tuple[Decimal, Decimal]:
        """Set apart and spent in a month."""
        use = await self.store.look(lambda books: books.use(budget, period))
        return use.reserved, use.spent

    async def held(self, request: Request) -> list[Reservation]:
        return await self.store.look(lambda books: books.held(request.id))

    async def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        assert self.database is not None
        return await self.database.read(lambda db: [tuple(row) for row in db.execute(sql, parameters)])

    async def job(self, request: Request) -> Job:
        """What is to be looked at next."""
        names = "account, kind, ref, due_at, deadline_at, started_at, attempts"
        [(account, kind, ref, due, deadline, started, attempts)] = await self.rows(
            f"SELECT {names} FROM jobs WHERE request_id = ?", request.id
        )
        due, deadline, started = map(datetime.fromisoformat, (due, deadline, started))
        return Job(request.id, account, JobKind(kind), json.loads(ref), due, deadline, started, attempts)

    async def everything(self) -> list[list[tuple[Any, ...]]]:
        """All that is written down, but for the audit: the same twice is nothing changed."""
        tables = (
            "requests", "votes", "intents", "jobs", "messages", "reservations", "budget_months", "subjects",
            "delegations",
        )  # fmt: skip
        return [await self.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]


async def refused(step: Any, kind: type[Sorry] = Sorry) -> Sorry:
    """The sentence that somebody gets instead of what they wanted."""
    with pytest.raises(kind) as caught:
        await step
    return caught.value


def dollars(*amounts: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, amounts))


def live(*names: str, state: ItemState = ItemState.LIVE) -> tuple[Item, ...]:
    return tuple(Item(name=one, state=state) for one in names)
