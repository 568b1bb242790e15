"""A stage without Slack for the life of requests: a workspace that can be changed, a shop that counts, two houses.

The requests, the approvals, the waiting, the jobs and the database file are the real ones. The shop sells whatever it
is asked for, twice if it is asked twice: that nobody does is what the tests here are about.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue

from handlers.approvals import Approvals
from handlers.jobs import Jobs
from handlers.life import Life
from handlers.policy import Budget, Conditions, JobTimes, Policy, Rule, Terms
from handlers.requests import SEEN, Asker
from handlers.waiting import Waiting
from handlers.who import DirectoryUnavailable
from providers.accounts import Account, PriceList
from providers.action import (
    Action,
    Done,
    Effect,
    Failed,
    Item,
    ItemState,
    Outcome,
    Pending,
    Quote,
    QuoteLine,
    Refused,
    Unknown,
    line_items,
)
from providers.catalogue import Catalogue
from providers.errors import OutcomeUnknown, Rejected, Upstream
from storage.records import Request
from storage.sqlite import SqliteDatabase
from storage.store import Store

MEMORY = Path("/dev/shm")
"""Where there is such a thing, nothing waits for a disk; whether the disk is waited for is tested elsewhere."""

ANA, BEA, OMAR, FINN, OLGA, DORA, GUS = "U0ANA", "U0BEA", "U0OMAR", "U0FINN", "U0OLGA", "U0DORA", "U0GUS"
PEOPLE = (ANA, BEA, OMAR, FINN, OLGA, DORA, GUS)
FINANCE, EMERGENCY = "S0FINANCE", "S0EMERGENCY"
CHANNEL, APPROVALS, OWN = "C0OUTREACH", "C0APPROVALS", "C0OWN"
"""In OWN, whoever asks may be one of those who say yes."""

ACCOUNT = "shop-main"
UNDO = timedelta(seconds=30)
TOLERANCE = Decimal("0.10")
ESCALATES, EXPIRES = timedelta(hours=24), timedelta(hours=72)
AUTO_BELOW, LARGE = Decimal(20), Decimal(100)
TEAM, SHOP = "team", "shop"
LIMITS: Mapping[str, Decimal] = {TEAM: Decimal(500), SHOP: Decimal(300)}
"""More than the first is refused; more than the second is for OLGA, who owns it."""

TIMES = JobTimes(
    first_poll=timedelta(seconds=10),
    max_poll=timedelta(minutes=2),
    deadline=timedelta(hours=2),
    lease=timedelta(seconds=60),
    reconcile_after=timedelta(minutes=10),
)


def policy(**changed: Any) -> Policy:
    """Small sums by themselves, large ones by two people, what goes over a budget by its owner."""
    default = Terms(
        approvers=(FINANCE,),
        expires_after=EXPIRES,
        remind_after=(timedelta(hours=4),),
        escalate_to=(OLGA,),
        escalate_after=ESCALATES,
        ping=(FINANCE,),
    )
    base: dict[str, Any] = {
        "default": default,
        "channel": APPROVALS,
        "rules": (
            Rule("large", Conditions(over=LARGE), replace(default, needs=2, approvers=(FINANCE, OLGA))),
            Rule("own", Conditions(channel=OWN), replace(default, requester_may=True, approvers=(FINANCE, BEA))),
            Rule("small", Conditions(action="thing *"), replace(default, auto_below=AUTO_BELOW)),
        ),
        "budgets": (
            Budget(TEAM, LIMITS[TEAM], "USD"),
            Budget(SHOP, LIMITS[SHOP], "USD", provider="shop", over="owner", owners=(OLGA,)),
        ),
        "tolerance": TOLERANCE,
        "undo": UNDO,
        "break_glass": (EMERGENCY,),
    }
    return Policy(**base | changed)


class Clock:
    """A clock that only moves when told to, also backwards."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 30, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def passes(self, **span: float) -> None:
        self.at += timedelta(**span)


class Workspace:
    """Who is in which group and who may act, as of this moment: it remembers nothing."""

    def __init__(self) -> None:
        self.groups: dict[str, set[str]] = {FINANCE: {OMAR, FINN}, EMERGENCY: {GUS}}
        self.gone: set[str] = set()
        self.is_silent = False
        self.held: dict[str, asyncio.Event] = {}
        """Whether these people may act, is said only when their event is set."""
        self._slow: set[asyncio.Event] = set()
        self.asked_about: set[str] = set()
        """Those of them whom somebody waits for."""

    async def members(self, group: str) -> frozenset[str]:
        self._asked()
        return frozenset(self.groups.get(group, ()))

    async def is_active(self, user: str) -> bool:
        event = self.held.get(user)
        if event is not None and event not in self._slow:  # Slack is slow for that one click, not for all the others
            self._slow.add(event)
            self.asked_about.add(user)
            try:
                await event.wait()
            finally:
                self.asked_about.discard(user)
        self._asked()
        return user not in self.gone

    async def time_zone(self, user: str) -> str:
        return "UTC"

    async def is_open(self, channel: str) -> bool:
        return True

    def _asked(self) -> None:
        if self.is_silent:
            raise DirectoryUnavailable("silent")


MOODS = ("does", "takes", "half", "says no", "unclear, did", "unclear, did not", "unclear, half", "down")
UNCLEAR = MOODS[4:7]
HANGS = ("hangs before", "hangs after")


@dataclass(slots=True)
class Shop:
    """The provider's account: what it was paid for, by the key of the request, as often as it was.

    `mood` says what it does with the next order. One that hangs is answered when `answers` is called, if ever.
    """

    prices: dict[str, Decimal]
    on_order: Callable[[str, tuple[str, ...]], None]
    """Called with each order before anything else is done with it."""
    mood: str = "does"
    is_down: bool = False
    bought: list[tuple[str, str]] = field(default_factory=list)
    hanging: list[asyncio.Event] = field(default_factory=list)

    def looks(self) -> None:
        """Raises Upstream while the shop is down."""
        if self.is_down:
            raise Upstream("The shop is closed.")

    def resting_until(self) -> datetime | None:
        """This one never has to be left alone."""
        return None

    def had(self, key: str) -> list[str]:
        """What this key bought."""
        return [thing for of, thing in self.bought if of == key]

    async def buy(self, key: str, things: tuple[str, ...]) -> Outcome:
        """One order. Raises what a client raises."""
        self.on_order(key, things)
        mood, half = self.mood, things[: len(things) // 2]
        match mood:
            case "does":
                self._sell(key, things)
                return Done(summary="Bought.", items=tuple(Item(name=one, state=ItemState.LIVE) for one in things))
            case "takes":
                self._sell(key, things)
                return Pending(ref={"key": key})
            case "half":
                self._sell(key, half)
                return Failed(summary="Only half.", cure="Ask again.", items=_halves(things, half))
            case "says no":
                raise Rejected("The shop says no.")
            case "down":
                raise Upstream("The shop is closed.")
            case "hangs before" | "hangs after":
                if mood == "hangs after":
                    self._sell(key, things)
                self.hanging.append(released := asyncio.Event())
                try:
                    await released.wait()
                finally:
                    self.hanging.remove(released)
                if mood == "hangs before":
                    self._sell(key, things)
                return Done(summary="Bought.", items=tuple(Item(name=one, state=ItemState.LIVE) for one in things))
            case _:
                self._sell(key, {"unclear, did": things, "unclear, half": half}.get(mood, ()))
                raise OutcomeUnknown("The shop broke off.")

    def answers(self) -> None:
        """Whatever hangs is answered now."""
        for one in self.hanging:
            one.set()

    def _sell(self, key: str, things: tuple[str, ...]) -> None:
        self.bought += [(key, one) for one in things]


def _halves(things: tuple[str, ...], half: tuple[str, ...]) -> tuple[Item, ...]:
    return tuple(Item(name=one, state=ItemState.LIVE if one in half else ItemState.NOT_DONE) for one in things)


class BuyThings(Action, provider="shop", command="thing buy", title="Buy things", effect=Effect.SPEND):
    """Buy things."""

    things: list[str] = Field(title="Things", json_schema_extra=line_items())

    def subjects(self) -> tuple[str, ...]:
        return tuple(self.things)

    async def check(self, client: Shop) -> None:
        client.looks()
        if ours := sorted({one for _, one in client.bought} & set(self.things)):
            raise Refused({"things": f"Already bought: {', '.join(ours)}."})

    async def quote(self, client: Shop, prices: PriceList) -> Quote:
        client.looks()
        return Quote(lines=tuple(QuoteLine(what=one, price=client.prices[one]) for one in self.things))

    async def run(self, client: Shop, key: str) -> Outcome:
        return await client.buy(key, tuple(self.things))

    async def poll(self, client: Shop, ref: Mapping[str, JsonValue]) -> Outcome:
        client.looks()
        return self._seen(client.had(str(ref["key"])))

    async def reconcile(self, client: Shop, key: str) -> Outcome:
        client.looks()
        return self._seen(client.had(key))

    def _seen(self, had: list[str]) -> Outcome:
        if set(had) >= set(self.things):
            return Done(summary="All there.", items=tuple(Item(name=one, state=ItemState.LIVE) for one in self.things))
        states = ((one, ItemState.BOUGHT if one in had else ItemState.UNKNOWN) for one in self.things)
        items = tuple(Item(name=name, state=state) for name, state in states)
        return Unknown(summary="Not all there.", evidence=f"There: {', '.join(had) or 'nothing'}.", items=items)


class House:
    """One process: its own connection to the file and its own objects, thrown away with it."""

    def __init__(
        self, path: Path, clock: Clock, workspace: Workspace, shop: Shop, its_policy: Policy | None = None
    ) -> None:
        self.database = SqliteDatabase(path)
        self.store = Store(self.database)
        account = Account(ACCOUNT, "shop", shop)
        life = Life(
            store=self.store,
            catalogue=Catalogue([BuyThings]),
            accounts={ACCOUNT: account},
            policy=its_policy or policy(),
            times=TIMES,
            directory=workspace,
            clock=clock,
            chance=lambda: 0.5,
            changed=lambda beat: None,
        )
        self.requests, self.drafts, self.runs, self.settling = life.requests, life.drafts, life.runs, life.settling
        self.approvals = Approvals(self.store, life.requests, life.rulings, clock)
        self.waiting = Waiting(self.store, life.requests, life.rulings, life.settling, clock)
        self.jobs = Jobs(
            store=self.store,
            requests=life.requests,
            outcomes=life.outcomes,
            settling=life.settling,
            times=TIMES,
            clock=clock,
            chance=lambda: 0.5,
            changed=lambda beat: None,
        )

    async def reviewed(self, by: str, *things: str, channel: str = CHANNEL) -> Request:
        """Fills in a form and gets to its review: a draft with a fingerprint, if it was not refused."""
        draft = await self.drafts.open("thing buy", Asker("T0ACME", by, channel))
        action = BuyThings(things=list(things))
        filled = await self.drafts.fill(draft, action, account=ACCOUNT, reason="Because", view_id="V1")
        review = await self.drafts.review(filled)
        assert review is not None
        await self.drafts.review_shown(filled)
        return review.draft

    async def asked(self, by: str, *things: str, channel: str = CHANNEL) -> Request:
        """Asks for things. Raises Sorry."""
        draft = await self.reviewed(by, *things, channel=channel)
        return await self.drafts.submit(draft.id, by, seen=draft.fingerprint[:SEEN])

    async def now(self, request: Request) -> Request:
        """The request as it is now."""
        found = await self.store.requests.get(request.id)
        assert found is not None
        return found

    async def dies(self) -> None:
        """The process is gone in the middle of whatever it did."""
        tasks = [*self.runs.executions._running, *self.jobs.looks._running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.database.close()


class Stage:
    """The file, the clock, the workspace, the shop, and two houses on it."""

    def __init__(self, on_order: Callable[[str, tuple[str, ...]], None] = lambda key, things: None) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.path = self.folder / "postroom.db"
        self.clock, self.workspace = Clock(), Workspace()
        prices = {"pin": "15", "cup": "18", "bag": "40", "hat": "45", "coat": "70", "car": "150"}
        self.shop = Shop({name: Decimal(price) for name, price in prices.items()}, on_order)
        self.houses = [self._opens(), self._opens()]
        self.books = sqlite3.connect(self.path, isolation_level=None)
        self.books.row_factory = sqlite3.Row

    def _opens(self) -> House:
        return House(self.path, self.clock, self.workspace, self.shop)

    async def restarts(self, number: int) -> None:
        """One process ends in the middle of whatever it did, and another one starts."""
        await self.houses[number].dies()
        self.houses[number] = self._opens()

    async def closes(self) -> None:
        """Throws everything away."""
        for house in self.houses:
            await house.dies()
        self.books.close()
        shutil.rmtree(self.folder)

    def rows(self, sql: str, *parameters: object) -> list[sqlite3.Row]:
        """What the file says to somebody who opens it from outside."""
        return self.books.execute(sql, parameters).fetchall()

    async def sends(self, house: House, request: Request, mood: str = "does") -> None:
        """The house sends this request, if it may be sent; the shop is in this mood. It may be left hanging there."""
        self.shop.mood = mood
        house.runs.executions.spawn(house.runs.execute(request))
        while sum(len(one.runs.executions._running) for one in self.houses) > len(self.shop.hanging):  # noqa: ASYNC110
            await asyncio.sleep(0.0005)

    async def looks(self, house: House) -> None:
        """The house looks at what is due."""
        await house.jobs.look()
        await house.jobs.looks.settled()
