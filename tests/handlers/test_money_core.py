"""Who may approve, how many, how much, how often: each of these said once, exactly, over the real database.

The workspace, the provider and the clock are plain objects; the requests, the approvals, the waiting and the file are
the real ones. `test_life_of_requests.py` mixes the same steps in any order; here each has a scene of its own that says
to the cent, the person and the second what comes of it, in the tables, in the audit and in what the thread is told.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import Field, JsonValue, SecretStr

from handlers.approvals import Approvals, NotAllowed
from handlers.drafts import Review
from handlers.life import Life
from handlers.policy import Budget, Conditions, JobTimes, Policy, QuietHours, Rule, Terms
from handlers.requests import SEEN, Asker, Sorry
from handlers.rulings import OverBudget
from handlers.runs import permanent_key
from handlers.waiting import Waiting
from providers.accounts import Account, PriceList
from providers.action import (
    Action,
    Done,
    Effect,
    Failed,
    Item,
    ItemState,
    Later,
    Outcome,
    Pending,
    Quote,
    QuoteLine,
    Refused,
    Unknown,
    line_items,
)
from providers.catalogue import Catalogue
from providers.errors import OutcomeUnknown, RateLimited, Rejected, Upstream
from storage.records import Fact, Job, JobKind, MessageKind, Request, RequestState, Reservation, Telling, Verdict
from storage.sqlite import SqliteDatabase, StoreUnavailable
from storage.store import Store
from tests.handlers.stage import (
    ANA,
    APPROVALS,
    BEA,
    CHANNEL,
    DORA,
    EMERGENCY,
    FINANCE,
    FINN,
    GUS,
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


@pytest.fixture
async def core() -> AsyncIterator[Core]:
    opened = Core()
    yield opened
    opened.closes()


async def refused(step: Any, kind: type[Sorry] = Sorry) -> Sorry:
    """The sentence that somebody gets instead of what they wanted."""
    with pytest.raises(kind) as caught:
        await step
    return caught.value


def dollars(*amounts: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, amounts))


def live(*names: str, state: ItemState = ItemState.LIVE) -> tuple[Item, ...]:
    return tuple(Item(name=one, state=state) for one in names)


# Asking: who is to decide, and what is set apart.


async def test_what_is_asked_waits_for_the_rules_people_with_its_money_set_apart(core: Core) -> None:
    core.till.prices = {"cup": Decimal("12.50"), "Hat": Decimal("7.25")}
    request = await core.asked("cup", "Hat")

    assert request.state is S.AWAITING
    assert (request.waiting_since, request.attend_at) == (core.clock.now(), core.clock.now())
    assert (request.not_before, request.stop_until) == (None, None)
    ruling = core.requests.ruling_of(request)
    assert (ruling.terms, ruling.auto, ruling.rule) == (DEFAULT, False, "")
    assert await core.held(request) == [Reservation("all", MONTH, Decimal("19.75"))]
    assert await core.last(request) == (
        ANA, "asked", {"input": request.input, "quote": request.quote, "account": MAIN, "rule": ""},
    )  # fmt: skip
    messages = [(one.kind, one.channel) for one in await core.store.outbox.of(request.id)]
    assert messages == [(MessageKind.PARENT, CHANNEL), (MessageKind.CARD, APPROVALS), (MessageKind.NOTE, CHANNEL)]
    assert await core.told(request) == [{"fact": "asked"}]
    assert [one.id for one in await core.store.requests.about("hat")] == [request.id]
    assert core.woken == ["outbox", "waiting"]


async def test_what_a_rule_approves_by_itself_can_be_stopped_before_it_is_sent(core: Core) -> None:
    small = Rule("small", Conditions(action="thing *"), terms(auto_below=Decimal(20), ping=(OMAR,)))
    core.opens(policy(rules=(small,)))
    request = await core.asked("cup")

    assert request.state is S.APPROVED
    assert request.stop_until == request.not_before == core.clock.now() + UNDO
    assert (request.attend_at, request.waiting_since) == (None, None)
    assert core.requests.ruling_of(request).auto
    assert await core.money() == dollars("10", "0")
    [told] = await core.told(request)
    assert (told["fact"], told["rule"], told["why"]) == (
        "auto_approved",
        "small",
        list(core.requests.ruling_of(request).why),
    )
    assert await core.cards(request) == []
    assert [one.id for one in await core.store.requests.about("cup")] == [request.id]
    assert core.woken == ["outbox", "requests"]
    assert await core.store.runs.ready(MAIN, core.clock.now()) == []

    core.clock.passes(seconds=30)
    assert [one.id for one in await core.store.runs.ready(MAIN, core.clock.now())] == [request.id]


async def test_without_an_undo_window_it_goes_at_once(core: Core) -> None:
    small = Rule("small", Conditions(), terms(auto_below=Decimal(20)))
    core.opens(policy(rules=(small,), undo=timedelta(0)))
    request = await core.asked("cup")
    dear = await core.says(await core.asked("hat", "bag"), OMAR)

    for one in (request, dear):
        assert (one.state, one.not_before, one.stop_until) == (S.APPROVED, None, None)
        assert "closed" not in str(await refused(core.approvals.stop(one.id, FINN)))


async def test_what_is_free_runs_when_asked_and_what_costs_or_destroys_waits(core: Core) -> None:
    free = await core.asked("jug", kind=Mend)
    core.till.prices = {"cup": Decimal(3), "pot": None}
    priced = await core.asked("cup", kind=Mend)
    unknown = await core.asked("pot", kind=Mend)
    burnt = await core.asked("box", kind=Burn)

    assert (free.state, free.ruling, free.not_before, free.stop_until) == (S.APPROVED, None, None, None)
    assert await core.last(free) == (ANA, "asked", {"input": free.input, "quote": None, "account": MAIN, "rule": None})
    messages = [(one.kind, one.channel) for one in await core.store.outbox.of(free.id)]
    assert messages == [(MessageKind.PARENT, CHANNEL)]
    assert [priced.state, unknown.state, burnt.state] == [S.AWAITING] * 3
    assert await core.money() == dollars("3", "0")
    assert "Nobody knows the price" in core.requests.ruling_of(unknown).why[0]
    assert [one.id for one in await core.store.requests.about("jug")] == [free.id]


async def test_the_same_is_not_asked_twice_while_the_first_is_open(core: Core) -> None:
    first = await core.asked("cup", "hat", "bag", "pin", "pot", "jug", "box")
    drafts = (await core.reviewed(BEA, Buy(things=["Cup", "new"]), confirmable=False)).problems
    assert f"cup ({first.id})" in drafts[""]
    sorry = (await core.reviewed(BEA, Buy(things=list("abc"))), await core.reviewed(ANA, Buy(things=list("abc"))))
    second = await core.submitted(sorry[0].draft)
    before = await core.everything()

    said = str(await refused(core.submitted(sorry[1].draft)))
    assert said.startswith(f"This has been asked already and is not finished: a, b, c ({second.id}).")
    assert await core.everything() == before

    all_of_it = await core.reviewed(
        BEA, Buy(things=["cup", "hat", "bag", "pin", "pot", "jug", "box"]), confirmable=False
    )
    assert "bag, box, cup, hat, jug and 2 more (" in all_of_it.problems[""]
    five = await core.reviewed(BEA, Buy(things=["cup", "hat", "bag", "pin", "pot"]), confirmable=False)
    assert "bag, cup, hat, pin, pot (" in five.problems[""]


async def test_another_kind_of_request_about_the_same_is_no_second_one(core: Core) -> None:
    await core.asked("cup")

    assert (await core.asked("cup", kind=Burn)).state is S.AWAITING
    assert (await core.asked("cup", kind=Mend)).state is S.APPROVED
    assert (await core.asked("cup", kind=Mend)).state is S.APPROVED  # what can be repeated may be asked again
    again = await core.reviewed(BEA, Burn(things=["cup"]), confirmable=False)
    assert "asked already" in again.problems[""]


async def test_a_rule_sees_who_asks_for_what_of_whom_and_where(core: Core) -> None:
    met = (
        Conditions(account=MAIN), Conditions(effect=Effect.SPEND), Conditions(requesters=(ANA,)),
        Conditions(requesters=("S0TEAM",)), Conditions(provider="till"), Conditions(channel=CHANNEL),
        Conditions(action="thing buy"), Conditions(over=Decimal("9.99"), under=Decimal("10.01"), currency="USD"),
    )  # fmt: skip
    core.workspace.groups["S0TEAM"] = {ANA}
    for number, conditions in enumerate(met):
        core.opens(policy(rules=(Rule("it", conditions, terms(approvers=(DORA,))),)))
        request = await core.asked(f"cup {number}")
        assert core.requests.ruling_of(request).rule == "it", conditions
        await refused(core.says(request, OMAR), NotAllowed)
        core.opens(policy(rules=(Rule("it", Conditions(requesters=(BEA,)), DEFAULT),)))
        assert core.requests.ruling_of(await core.asked(f"hat {number}")).rule == ""


async def test_what_was_denied_can_be_asked_again(core: Core) -> None:
    request = await core.asked("cup")
    await core.says(request, OMAR, NO)

    assert (await core.asked("cup")).state is S.AWAITING


@pytest.mark.parametrize("seen", ["", "short", "all but one", "wrong"])
async def test_only_what_was_shown_is_confirmed(core: Core, seen: str) -> None:
    draft = (await core.reviewed(ANA, Buy(things=["cup"]))).draft
    shown = {"": "", "short": draft.fingerprint[:4], "all but one": draft.fingerprint[: SEEN - 1], "wrong": "e" * SEEN}
    before = await core.everything()

    said = await refused(core.drafts.submit(draft.id, ANA, seen=shown[seen]))
    assert "nothing was asked" in said.sentence
    assert await core.everything() == before
    assert (await core.drafts.submit(draft.id, ANA, seen=draft.fingerprint[:SEEN])).state is S.AWAITING


async def test_only_who_filled_it_in_confirms_and_only_once(core: Core) -> None:
    draft = (await core.reviewed(ANA, Buy(things=["cup"]))).draft

    await refused(core.drafts.submit(draft.id, BEA, seen=draft.fingerprint))
    await core.submitted(draft)
    before = await core.everything()
    assert "already sent" in str(await refused(core.submitted(draft)))
    assert await core.everything() == before


async def test_of_two_that_are_alike_the_one_that_is_meant_is_asked(core: Core) -> None:
    one, other = [(await core.reviewed(ANA, Mend(things=["jug"]))).draft for _ in range(2)]
    assert one.fingerprint == other.fingerprint
    await core.submitted(one)
    before, facts = await core.everything(), await core.rows("SELECT COUNT(*) FROM audit")

    await refused(core.submitted(one))
    assert await core.everything() == before
    assert await core.rows("SELECT COUNT(*) FROM audit") == facts
    assert (await core.submitted(other)).id == other.id


async def test_should_two_ever_be_alike_the_one_that_is_meant_is_decided(core: Core) -> None:
    first, second, third = [await core.asked(one) for one in ("cup", "hat", "bag")]
    assert core.database is not None
    await core.database.write(lambda db: db.execute("UPDATE requests SET fingerprint = ?", ["e" * 64]))
    await core.says(second, OMAR)
    assert [(await core.now(one)).state for one in (first, second, third)] == [S.AWAITING, S.APPROVED, S.AWAITING]
    before = await core.everything()

    await refused(core.says(second, FINN))
    assert await core.everything() == before
    denied = await core.says(third, FINN, NO)
    assert (denied.id, (await core.now(first)).state) == (third.id, S.AWAITING)
    await core.approvals.break_glass(first.id, GUS, "It burns", seen="e" * 64)
    assert (await core.now(third)).state is S.DENIED
    assert await core.money() == dollars("20", "0")


async def test_a_budget_takes_its_last_cent_and_none_more(core: Core) -> None:
    core.till.prices = {"car": Decimal("300.00"), "van": Decimal("200.00"), "pin": Decimal("0.01")}
    review = await core.reviewed(BEA, Buy(things=["pin"]))
    await core.asked("car")
    await core.asked("van")
    assert await core.money() == dollars("500", "0")
    before = await core.everything()

    over = await refused(core.submitted(review.draft), OverBudget)
    said = "This costs 0.01 USD, and of the budget “all” 0.00 USD are left this month. Nothing was asked."
    assert over.sentence.startswith(said)
    assert await core.everything() == before
    problems = (await core.reviewed(BEA, Buy(things=["pin"]), confirmable=False)).problems
    assert problems == {"": over.sentence}


async def test_what_was_spent_and_what_is_set_apart_count_together(core: Core) -> None:
    core.till.prices = {"car": Decimal(150), "van": Decimal(200), "bus": Decimal("150.01")}
    await core.sends(await core.approved("car"))
    await core.asked("van")
    assert await core.money() == dollars("200", "150")

    said = await core.reviewed(BEA, Buy(things=["bus"]), confirmable=False)
    assert "of the budget “all” 150.00 USD are left" in said.problems[""]


async def test_each_budget_that_counts_it_is_asked_and_no_other(core: Core) -> None:
    core.opens(policy(budgets=(
        Budget("all", Decimal(500), "USD"), Budget("here", Decimal(50), "USD", team=CHANNEL),
        Budget("there", Decimal(5), "USD", team="C0OTHER"), Budget("till", Decimal(70), "USD", provider="till"),
        Budget("points", Decimal(5), "credits"), Budget("elsewhere", Decimal(5), "USD", provider="other"),
    )))  # fmt: skip
    core.till.prices = {"car": Decimal(50), "van": Decimal("20")}
    request = await core.asked("car")
    assert await core.held(request) == [Reservation(one, MONTH, Decimal(50)) for one in ("all", "here", "till")]

    over = (await core.reviewed(BEA, Buy(things=["van"]), confirmable=False)).problems[""]
    assert "of the budget “here” 0.00 USD are left" in over
    assert await core.held(await core.asked("van", channel="C0ANYWHERE")) == [
        Reservation(one, MONTH, Decimal(20)) for one in ("all", "till")
    ]


async def test_credits_are_counted_in_whole(core: Core) -> None:
    core.opens(policy(budgets=(Budget("points", Decimal(5), "credits"),)))
    core.till.currency, core.till.prices = "credits", {"cup": Decimal(6)}

    over = (await core.reviewed(BEA, Buy(things=["cup"]), confirmable=False)).problems[""]
    assert "This costs 6 credits, and of the budget “points” 5 credits are left" in over


async def test_more_than_an_owners_budget_is_for_its_owner_as_well(core: Core) -> None:
    owned = Budget("shop", Decimal(15), "USD", over="owner", owners=(OLGA, BEA))
    also = Budget("tiny", Decimal(1), "USD", over="owner", owners=(GUS,))
    core.opens(policy(budgets=(*policy().budgets, owned, also), default=terms(requester_may=True, needs=2)))
    core.till.prices = {"cup": Decimal("15.01")}
    request = await core.asked("cup", by=BEA)

    ruling = core.requests.ruling_of(request)
    assert ruling.over == ("shop", "tiny")
    assert (ruling.terms.approvers, ruling.terms.needs, ruling.terms.requester_may) == (DEFAULT.approvers, 2, False)
    assert ruling.terms.owners == ((OLGA, BEA), (GUS,))
    assert await core.held(request) == [Reservation(one, MONTH, Decimal("15.01")) for one in ("all", "shop", "tiny")]
    for nobody in (DORA, BEA):
        await refused(core.says(request, nobody), NotAllowed)
    assert (await core.says(request, OLGA)).state is S.AWAITING  # an owner, and one of the two
    assert (await core.last(request))[2]["lacks"] == [
        {"of": [FINANCE, OLGA], "more": 1, "budget": ""}, {"of": [GUS], "more": 1, "budget": "tiny"},
    ]  # fmt: skip
    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert "an owner of the budget" in str(await refused(core.says(request, FINN), NotAllowed))
    assert (await core.says(request, GUS)).state is S.APPROVED


async def test_owners_alone_are_not_enough(core: Core) -> None:
    owned = Budget("shop", Decimal(10), "USD", over="owner", owners=(DORA, GUS))
    core.opens(policy(budgets=(owned,), default=terms(needs=2)))
    core.till.prices = {"cup": Decimal("15.01")}
    request = await core.asked("cup")

    assert (await core.says(request, GUS)).state is S.AWAITING
    assert "have said yes already" in str(await refused(core.says(request, DORA), NotAllowed))
    assert (await core.says(request, FINN)).state is S.AWAITING
    assert (await core.says(request, OMAR)).state is S.APPROVED


async def test_what_nobody_would_have_been_asked_about_an_owner_decides_alone(core: Core) -> None:
    owned = Budget("shop", Decimal(5), "USD", over="owner", owners=(GUS,))
    small = Rule("small", Conditions(), terms(needs=2, auto_below=Decimal(50)))
    core.opens(policy(budgets=(owned,), rules=(small,)))
    core.till.prices = {"cup": Decimal(10)}
    request = await core.asked("cup")

    assert request.state is S.AWAITING
    await refused(core.says(request, OMAR), NotAllowed)
    assert (await core.says(request, GUS)).state is S.APPROVED


async def test_an_owner_is_needed_for_sending_once_more(core: Core) -> None:
    owned = Budget("shop", Decimal(5), "USD", over="owner", owners=(GUS,))
    core.opens(policy(budgets=(owned,)))
    core.till.prices = {"cup": Decimal(10)}
    request = await core.asked("cup")
    await core.says(request, GUS)
    await core.says(request, OMAR)
    core.clock.passes(seconds=UNDO.total_seconds())
    await core.breaks_off(request)

    again = await core.settling.settle(request.id, OMAR, "again")
    assert again.state is S.AWAITING
    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert (await core.says(request, GUS)).state is S.APPROVED


async def test_within_an_owners_budget_the_rules_decide(core: Core) -> None:
    core.opens(policy(budgets=(Budget("shop", Decimal(10), "USD", over="owner", owners=(OLGA,)),)))
    request = await core.asked("cup")

    assert core.requests.ruling_of(request).over == ()
    assert (await core.says(request, OMAR)).state is S.APPROVED


async def test_the_review_says_what_would_become_of_it(core: Core) -> None:
    review = await core.reviewed(ANA, Buy(things=["cup"]))
    assert review.asked is not None
    assert (review.asked.to, review.problems, review.cure) == (S.AWAITING, {}, "")
    assert await core.money() == dollars("0", "0")

    wrong = await core.reviewed(ANA, Buy(things=["wrong"]), confirmable=False)
    assert (wrong.problems, wrong.asked, wrong.quote) == ({"things": "There is no such thing."}, None, None)
    assert "nothing was asked" in str(await refused(core.drafts.submit(wrong.draft.id, ANA, seen="e" * SEEN)))
    core.till.broken = Upstream("The till is shut.")
    down = await core.reviewed(ANA, Buy(things=["cup"]), confirmable=False)
    assert down.problems == {"": "The till is shut. Nothing was asked."}
    assert down.cure == Upstream.cure


# Deciding: who, how many, what of it.


async def test_one_yes_is_enough_where_one_is_needed(core: Core) -> None:
    request = await core.asked("cup")
    core.clock.passes(minutes=3)
    core.woken.clear()
    decided = await core.says(request, OMAR, reason="Go on")

    assert decided.state is S.APPROVED
    assert (decided.decided_by, decided.decided_at, decided.decision_reason) == (OMAR, core.clock.now(), "Go on")
    assert decided.not_before == decided.stop_until == core.clock.now() + UNDO
    assert decided.attend_at is None
    assert await core.last(request) == (
        OMAR, "approved", {"fingerprint": request.fingerprint, "reason": "Go on", "given": 1, "needs": 1},
    )  # fmt: skip
    assert (await core.told(request))[-1] == {
        "fact": "approved", "by": OMAR, "reason": "Go on", "given": 1, "needs": 1,
        "stop_until": decided.stop_until.isoformat(),
    }  # fmt: skip
    assert core.woken == ["outbox", "requests"]
    assert await core.money() == dollars("10", "0")
    said = await refused(core.says(request, FINN))
    assert (said.sentence, said.who) == (
        "{who} has already approved this. Nothing was changed; its thread tells how it goes.", OMAR,
    )  # fmt: skip


async def test_two_are_two_different_people(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup")
    core.woken.clear()
    after_one = await core.says(request, OMAR)

    assert (after_one.state, after_one.decided_by, after_one.decided_at) == (S.AWAITING, "", None)
    assert (after_one.attend_at, after_one.not_before) == (request.attend_at, None)
    assert (await core.told(request))[-1] == {
        "fact": "approved_by_one", "by": OMAR, "reason": "", "given": 1, "needs": 2,
    }  # fmt: skip
    assert await core.last(request) == (
        OMAR, "approved", {"fingerprint": request.fingerprint, "reason": "", "given": 1, "needs": 2},
    )  # fmt: skip
    assert core.woken == ["outbox", "waiting"]
    said = await refused(core.says(request, OMAR), NotAllowed)
    assert said.sentence == "You have already approved this; it waits for somebody else. Nothing was changed."
    assert await core.last(request) == (OMAR, "click_refused", {"wanted": "approve", "why": said.sentence})
    assert (await core.says(request, OLGA)).state is S.APPROVED
    assert (await core.told(request))[-1]["given"] == 2


@pytest.mark.parametrize("nobody", [ANA, BEA, GUS])
@pytest.mark.parametrize("verdict", [YES, NO])
async def test_whoever_may_not_decides_nothing_and_the_audit_knows(core: Core, nobody: str, verdict: Verdict) -> None:
    request = await core.asked("cup")
    before = await core.everything()

    said = await refused(core.says(request, nobody, verdict), NotAllowed)
    own = "This is your own request, so somebody else has to decide it. Nothing was changed."
    other = "You are not among the people who may decide this. Nothing was changed."
    assert said.sentence == (own if nobody == ANA else other)
    assert await core.everything() == before
    assert await core.last(request) == (nobody, "click_refused", {"wanted": verdict.value, "why": said.sentence})


async def test_who_may_is_asked_of_the_workspace_at_the_click(core: Core) -> None:
    request = await core.asked("cup")
    core.workspace.groups[FINANCE] = {DORA}
    await refused(core.says(request, OMAR), NotAllowed)
    core.workspace.gone = {DORA}
    said = await refused(core.says(request, DORA), NotAllowed)
    assert "do not belong to this workspace" in said.sentence
    assert await core.last(request) == (DORA, "click_refused", {"wanted": "approve", "why": said.sentence})
    core.workspace.gone = set()
    core.workspace.is_silent = True
    before = await core.everything()
    assert "Slack did not say who may decide" in str(await refused(core.says(request, DORA)))
    assert await core.everything() == before
    core.workspace.is_silent = False

    assert (await core.says(request, DORA)).state is S.APPROVED


async def test_the_yes_of_somebody_who_may_no_longer_decide_does_not_count(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request, other = await core.asked("cup"), await core.asked("hat")
    await core.says(request, OMAR)
    await core.says(other, OMAR)
    core.workspace.groups[FINANCE] = {FINN}
    assert (await core.says(request, FINN)).state is S.AWAITING
    assert (await core.says(request, OLGA)).state is S.APPROVED
    core.workspace.groups[FINANCE] = {FINN, OMAR}
    core.workspace.gone = {OMAR}
    assert (await core.says(other, OLGA)).state is S.AWAITING
    assert (await core.says(other, FINN)).state is S.APPROVED


async def test_a_no_decides_alone_and_frees_the_money(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup")
    await core.says(request, OMAR)
    core.woken.clear()
    denied = await core.says(request, OMAR, NO, reason="Too dear")  # who said yes may say no after all

    assert (denied.state, denied.decided_by, denied.decision_reason) == (S.DENIED, OMAR, "Too dear")
    assert (denied.decided_at, denied.attend_at, denied.not_before) == (core.clock.now(), None, None)
    assert await core.money() == dollars("0", "0")
    assert await core.held(request) == []
    assert await core.last(request) == (
        OMAR, "denied", {"fingerprint": request.fingerprint, "reason": "Too dear", "given": 0, "needs": 2},
    )  # fmt: skip
    assert (await core.told(request))[-1] == {
        "fact": "denied",
        "by": OMAR,
        "reason": "Too dear",
        "given": 0,
        "needs": 2,
    }
    assert core.woken == ["outbox"]
    said = await refused(core.says(request, FINN))
    assert (said.sentence, said.who) == ("{who} has already denied this. Nothing was changed.", OMAR)


@pytest.mark.parametrize("seen", ["", "short", "another"])
@pytest.mark.parametrize("verdict", [YES, NO])
async def test_a_click_counts_only_for_what_its_card_showed(core: Core, seen: str, verdict: Verdict) -> None:
    request = await core.asked("cup")
    shown = {"": "", "short": request.fingerprint[: SEEN - 1], "another": "e" * SEEN}[seen]
    before = await core.everything()

    said = await refused(core.approvals.decide(request.id, OMAR, verdict, seen=shown))
    assert "changed since that card was shown" in said.sentence
    assert await core.everything() == before
    assert await core.store.look(lambda books: books.votes(request.id, request.fingerprint)) == []


async def test_somebody_decides_for_who_is_away_and_the_right_counts_once(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup")
    until = core.clock.now() + timedelta(days=2)
    handed = await core.approvals.hand_over(OMAR, BEA, until, CHANNEL)
    assert (handed.principal, handed.delegate, handed.channel) == (OMAR, BEA, CHANNEL)
    assert (handed.begins_at, handed.ends_at) == (core.clock.now(), until)
    assert await core.approvals.delegations() == [handed]
    house = await core.rows("SELECT actor, what, detail FROM audit WHERE request_id = '' ORDER BY seq")
    assert house[-1][:2] == (OMAR, "handed_over")
    assert BEA in house[-1][2]
    assert until.isoformat() in house[-1][2]

    await core.says(request, BEA)
    assert await core.last(request) == (
        BEA, "approved",
        {"fingerprint": request.fingerprint, "reason": "", "given": 1, "needs": 2, "for": OMAR},
    )  # fmt: skip
    assert (await core.told(request))[-1]["for"] == OMAR
    for again in (BEA, OMAR):
        assert "already approved" in str(await refused(core.says(request, again), NotAllowed))
    assert (await core.says(request, FINN)).state is S.APPROVED


async def test_the_last_word_of_a_right_is_what_counts_whoever_said_it(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    first, second = await core.asked("cup"), await core.asked("hat")
    await core.approvals.hand_over(OMAR, BEA, core.clock.now() + timedelta(hours=1), CHANNEL)
    for one in (first, second):
        await core.says(one, BEA)

    assert (await core.says(first, OMAR, NO)).state is S.DENIED  # whose yes Bea has said
    core.workspace.groups[FINANCE].add(BEA)
    assert (await core.says(second, BEA, NO)).state is S.DENIED  # now by a right of her own
    assert await core.rows("SELECT request_id, voter, principal, verdict FROM votes ORDER BY rowid") == [
        (first.id, OMAR, OMAR, "deny"), (second.id, BEA, BEA, "deny"),
    ]  # fmt: skip


async def test_a_click_that_comes_again_after_things_went_on_decides_nothing(core: Core) -> None:
    request = await core.asked("cup")
    seen = request.fingerprint[:SEEN]
    approved = await core.approvals.decide(request.id, OMAR, YES, seen=seen, click="trigger.1")
    assert (approved.state, approved.decision_reason) == (S.APPROVED, "")
    assert (await core.last(request))[2]["click"] == "trigger.1"
    await core.approvals.stop(request.id, FINN)
    before = await core.everything()

    said = await refused(core.approvals.decide(request.id, OMAR, YES, seen=seen, click="trigger.1"))
    assert said.sentence == "Slack has sent this click before, and it was taken then. Nothing was changed."
    assert await core.everything() == before
    again = await core.approvals.decide(request.id, OMAR, YES, seen=seen, click="trigger.2")
    assert again.state is S.APPROVED


async def test_each_change_shows_its_own_card_and_parent_anew_and_nothing_else(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request, other = await core.asked("cup"), await core.asked("hat")
    core.clock.passes(minutes=1)
    await core.says(request, OMAR)
    core.clock.passes(minutes=1)
    await core.says(request, FINN)

    async def wanted(of: Request) -> list[tuple[Any, ...]]:
        rows = "SELECT kind, wanted, due_at FROM messages WHERE request_id = ? ORDER BY seq"
        return [(kind, n, datetime.fromisoformat(due)) for kind, n, due in await core.rows(rows, of.id)]

    now, minute = core.clock.now(), timedelta(minutes=1)
    begun = now - 2 * minute
    assert await wanted(request) == [
        ("parent", 3, now), ("card", 3, now), ("note", 1, begun), ("note", 1, now - minute), ("note", 1, now),
    ]  # fmt: skip
    assert await wanted(other) == [("parent", 1, begun), ("card", 1, begun), ("note", 1, begun)]


async def test_what_was_handed_over_ends_by_itself_and_by_a_word(core: Core) -> None:
    request = await core.asked("cup")
    await core.approvals.hand_over(OMAR, BEA, core.clock.now() + timedelta(hours=1), CHANNEL)
    core.clock.passes(hours=1)
    await refused(core.says(request, BEA), NotAllowed)
    assert await core.approvals.take_back(OMAR) is False

    await core.approvals.hand_over(OMAR, BEA, core.clock.now() + timedelta(hours=1), CHANNEL)
    await core.approvals.hand_over(OMAR, DORA, core.clock.now() + timedelta(hours=1), CHANNEL)
    await refused(core.says(request, BEA), NotAllowed)
    assert await core.approvals.take_back(OMAR) is True
    assert (await core.rows("SELECT actor, what FROM audit WHERE request_id = '' ORDER BY seq"))[-1] == (
        OMAR,
        "took_back",
    )
    await refused(core.says(request, DORA), NotAllowed)


async def test_only_who_decides_something_hands_it_over_to_somebody_who_can(core: Core) -> None:
    rule = Rule("dear", Conditions(), terms(approvers=(DORA,), escalate_to=(GUS,)))
    core.opens(policy(rules=(rule,), budgets=(Budget("b", Decimal(1), "USD", over="owner", owners=(BEA,)),)))
    now = core.clock.now()
    year = timedelta(days=366)

    for by in (OMAR, DORA, GUS, BEA):
        await core.approvals.hand_over(by, FINN if by != FINN else OMAR, now + year, CHANNEL)
    before = await core.everything()
    hand_over = core.approvals.hand_over
    assert "no approvals that could be" in str(await refused(hand_over(ANA, FINN, now + year, CHANNEL)))
    assert "to yourself" in str(await refused(hand_over(OMAR, OMAR, now + year, CHANNEL)))
    for until in (now, now - year, now + year + timedelta(microseconds=1)):
        assert "name another one" in str(await refused(hand_over(OMAR, FINN, until, CHANNEL)))
    core.workspace.gone = {FINN}
    said = await refused(hand_over(OMAR, FINN, now + year, CHANNEL))
    assert (said.sentence, said.who) == ("{who} cannot decide anything in this workspace. Nothing was changed.", FINN)
    core.workspace.is_silent = True
    assert "Slack did not say" in str(await refused(hand_over(OMAR, DORA, now + year, CHANNEL)))
    assert await core.everything() == before


async def test_what_is_taken_out_is_not_bought_and_its_money_is_free(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    core.till.prices = {"cup": Decimal(20), "Hat": Decimal(30), "bag": Decimal(5)}
    request = await core.asked("cup", "Hat", "bag")
    await core.says(request, OMAR)

    less = await core.says(request, FINN, without=["hat"])
    assert less.state is S.AWAITING  # what Omar said yes to is no longer what is asked
    assert less.input == {"things": ["cup", "bag"]}
    assert less.fingerprint not in ("", request.fingerprint)
    assert less.quote is not None
    assert [one["what"] for one in less.quote["lines"]] == ["cup, a year", "bag, a year"]
    assert await core.held(request) == [Reservation("all", MONTH, Decimal(25))]
    assert await core.money() == dollars("25", "0")
    assert await core.last(request) == (FINN, "approved", {
        "fingerprint": request.fingerprint, "reason": "", "given": 1, "needs": 2, "without": ["hat"],
        "fingerprint_left": less.fingerprint,
    })  # fmt: skip
    assert (await core.told(request))[-1] == {
        "fact": "approved_by_one", "by": FINN, "reason": "", "given": 1, "needs": 2, "without": ["hat"],
    }  # fmt: skip
    votes = await core.store.look(lambda books: books.votes(request.id, less.fingerprint))
    assert [(one.voter, one.principal, one.verdict) for one in votes] == [(FINN, FINN, YES)]
    assert (await core.asked("hat", by=BEA)).state is S.AWAITING

    await core.says(request, OMAR)
    core.clock.passes(seconds=30)
    done = await core.sends(request, Done(summary="Done."))
    assert core.till.sent == [("thing buy", f"{request.id}#1", ("cup", "bag"))]
    assert done.state is S.SUCCEEDED
    assert await core.money() == dollars("10", "25")


@pytest.mark.parametrize(("without", "why"), [
    (["cup", "hat"], "takes out everything"), (["cup", "spoon"], "Not all of what you took out"),
    (["CUP", "Hat"], "takes out everything"),
])  # fmt: skip
async def test_what_cannot_be_taken_out_decides_nothing(core: Core, without: list[str], why: str) -> None:
    request = await core.asked("cup", "hat")
    before = await core.everything()

    assert why in str(await refused(core.says(request, OMAR, without=without)))
    assert await core.everything() == before


async def test_what_has_no_price_can_be_taken_apart_as_well(core: Core) -> None:
    request = await core.asked("cup", "hat", kind=Burn)
    less = await core.says(request, OMAR, without=["cup"])

    assert (less.state, less.input, less.quote) == (S.APPROVED, {"things": ["hat"]}, None)
    core.till.prices = {"pot": None}
    unknown = await core.asked("pot", "pin")
    left = await core.says(unknown, OMAR, without=["pot"])
    assert left.quote is not None
    assert [one["price"] for one in left.quote["lines"]] == ["10"]


async def test_a_group_that_only_the_requests_own_ruling_names_is_looked_up(core: Core) -> None:
    core.opens(policy(default=terms(approvers=("S0OLD",))))
    core.workspace.groups["S0OLD"] = {DORA}
    request = await core.asked("cup")
    core.opens(policy(default=terms(approvers=(OLGA,))))

    await core.approvals.ask_back(request.id, DORA, "Why?", seen=request.fingerprint)
    assert (await core.told(request))[-1] == {"fact": "question", "by": DORA, "text": "Why?"}
    await refused(core.says(request, OLGA), NotAllowed)
    await refused(core.approvals.ask_back(request.id, OLGA, "Why?", seen=request.fingerprint), NotAllowed)
    assert (await core.says(request, DORA)).state is S.APPROVED


async def test_once_it_was_escalated_others_may_as_well_and_not_before(core: Core) -> None:
    later = terms(approvers=(OMAR,), escalate_to=(DORA,), escalate_after=timedelta(hours=1), ping=(OMAR,))
    core.opens(policy(default=later))
    request = await core.asked("cup")
    await core.waiting.attend()
    await refused(core.says(request, DORA), NotAllowed)
    core.clock.passes(hours=1)
    await core.waiting.attend()

    assert (await core.says(request, DORA)).state is S.APPROVED


async def test_a_question_leaves_the_card_as_it_is(core: Core) -> None:
    request = await core.asked("cup")
    before = await core.now(request)
    core.woken.clear()
    await core.approvals.ask_back(request.id, OMAR, "What for?", seen=request.fingerprint[:SEEN])

    assert await core.now(request) == before
    assert await core.last(request) == (OMAR, "question", {"text": "What for?"})
    assert (await core.told(request))[-1] == {"fact": "question", "by": OMAR, "text": "What for?"}
    assert "outbox" in core.woken
    said = await refused(core.approvals.ask_back(request.id, BEA, "?", seen=request.fingerprint), NotAllowed)
    assert await core.last(request) == (BEA, "click_refused", {"wanted": "ask", "why": said.sentence})
    for seen in ("", request.fingerprint[: SEEN - 1], "e" * SEEN):
        await refused(core.approvals.ask_back(request.id, OMAR, "?", seen=seen))
    assert len(await core.told(request)) == 2


async def test_who_has_said_yes_may_still_ask(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup")
    await core.says(request, OMAR)

    await core.approvals.ask_back(request.id, OMAR, "And then?", seen=request.fingerprint)
    assert (await core.told(request))[-1]["text"] == "And then?"


# Taking back, stopping, breaking the glass.


async def test_the_requester_cancels_what_waits(core: Core) -> None:
    request = await core.asked("cup")
    said = await refused(core.approvals.cancel(request.id, OMAR))
    assert (said.sentence, said.who) == ("Only {who}, who asked for this, can cancel it. Nothing was changed.", ANA)
    assert await core.last(request) == (OMAR, "click_refused", {"wanted": "cancel", "why": said.sentence})
    core.woken.clear()
    cancelled = await core.approvals.cancel(request.id, ANA)

    assert (cancelled.state, cancelled.decided_by, cancelled.decided_at) == (S.CANCELLED, ANA, core.clock.now())
    assert cancelled.attend_at is None
    assert await core.money() == dollars("0", "0")
    assert await core.last(request) == (ANA, "cancelled", {})
    assert (await core.told(request))[-1] == {"fact": "cancelled", "by": ANA, "waited": False}
    assert core.woken == ["outbox"]
    said = await refused(core.approvals.cancel(request.id, ANA))
    assert (said.sentence, said.who) == ("{who} has cancelled this request. Nothing was changed.", ANA)
    await core.waiting.attend()
    assert (await core.now(request)).state is S.CANCELLED


async def test_the_requester_cancels_what_is_approved_as_long_as_it_waits_for_its_time(core: Core) -> None:
    request = await core.says(await core.asked("cup"), OMAR)
    cancelled = await core.approvals.stop(request.id, ANA)

    assert (cancelled.state, cancelled.not_before, cancelled.stop_until) == (S.CANCELLED, None, None)
    assert (await core.told(request))[-1] == {"fact": "cancelled", "by": ANA, "waited": True}
    assert await core.money() == dollars("0", "0")
    core.clock.passes(minutes=1)
    await core.runs.execute(request)
    assert core.till.sent == []

    core.opens(policy(undo=timedelta(0)))
    soon = await core.says(await core.asked("hat"), OMAR)
    said = await refused(core.approvals.cancel(soon.id, ANA))
    assert (said.sentence, said.who) == (
        "{who} has already approved this. Nothing was changed; its thread tells how it goes.", OMAR,
    )  # fmt: skip


async def test_whoever_may_decide_stops_what_was_not_sent_and_it_asks_again(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup")
    await core.says(request, OMAR)
    await core.says(request, FINN)
    said = await refused(core.approvals.stop(request.id, BEA), NotAllowed)
    assert await core.last(request) == (BEA, "click_refused", {"wanted": "stop", "why": said.sentence})
    core.clock.passes(seconds=29)
    core.woken.clear()
    stopped = await core.approvals.stop(request.id, OLGA)

    assert (stopped.state, stopped.decided_by, stopped.decided_at) == (S.AWAITING, "", None)
    assert (stopped.not_before, stopped.stop_until, stopped.decision_reason) == (None, None, "")
    assert stopped.waiting_since == stopped.attend_at == core.clock.now()
    assert (stopped.announced, stopped.reminded, stopped.escalated) == (False, 0, False)
    assert await core.rows("SELECT * FROM votes") == []
    assert await core.money() == dollars("10", "0")
    assert await core.last(request) == (OLGA, "stopped", {})
    assert (await core.told(request))[-1] == {"fact": "stopped", "by": OLGA}
    assert await core.cards(request) == [APPROVALS]
    assert core.woken == ["outbox", "waiting"]
    core.clock.passes(minutes=5)
    await core.runs.execute(request)
    assert core.till.sent == []
    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert (await core.says(request, FINN)).state is S.APPROVED


@pytest.mark.parametrize("channel", [CHANNEL, APPROVALS])
async def test_what_nobody_approved_gets_a_card_when_it_is_stopped(core: Core, channel: str) -> None:
    core.opens(policy(rules=(Rule("small", Conditions(), terms(auto_below=Decimal(99))),)))
    request = await core.asked("cup", channel=channel)
    await core.approvals.stop(request.id, OMAR)

    assert await core.cards(request) == [APPROVALS]
    assert (await core.says(request, FINN)).state is S.APPROVED


async def test_what_was_sent_cannot_be_stopped(core: Core) -> None:
    request = await core.sends(await core.approved("cup"), Pending(ref={"id": 1}))
    before = await core.everything()

    await refused(core.approvals.stop(request.id, FINN))
    await refused(core.approvals.cancel(request.id, ANA))
    assert await core.everything() == before


async def test_a_named_few_run_it_at_once_and_everybody_is_told(core: Core) -> None:
    core.opens(policy(default=terms(needs=2, approvers=(FINANCE, OLGA, ANA, GUS))))
    request = await core.asked("cup")
    core.woken.clear()
    approved = await core.approvals.break_glass(request.id, GUS, "It burns", seen=request.fingerprint[:SEEN])

    assert approved.state is S.APPROVED
    assert (approved.decided_by, approved.decision_reason, approved.decided_at) == (GUS, "It burns", core.clock.now())
    assert (approved.not_before, approved.stop_until, approved.attend_at) == (None, None, None)
    assert await core.last(request) == (GUS, "broke_glass", {"reason": "It burns", "fingerprint": request.fingerprint})
    assert (await core.told(request))[-1] == {
        "fact": "broke_glass", "by": GUS, "reason": "It burns", "instead": [FINANCE, OLGA, ANA, GUS],
    }  # fmt: skip
    assert await core.cards(request) == [APPROVALS, FINN, OLGA, OMAR]
    assert core.woken == ["outbox", "requests"]
    assert await core.money() == dollars("10", "0")


@pytest.mark.parametrize(("by", "reason", "seen", "why"), [
    (OMAR, "It burns", SEEN, "not among the people who may run"), (ANA, "It burns", SEEN, "not among"),
    (GUS, "  ", SEEN, "Say why"), (GUS, "It burns", SEEN - 1, "changed since that card"),
    (GUS, "It burns", 0, "changed since that card"),
])  # fmt: skip
async def test_nobody_else_breaks_the_glass(core: Core, by: str, reason: str, seen: int, why: str) -> None:
    request = await core.asked("cup")
    before = await core.everything()

    said = await refused(core.approvals.break_glass(request.id, by, reason, seen=request.fingerprint[:seen]))
    assert why in said.sentence
    assert await core.everything() == before
    if by != GUS:
        assert await core.last(request) == (by, "click_refused", {"wanted": "break_glass", "why": said.sentence})


async def test_the_glass_is_broken_for_what_was_seen_and_nothing_else(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup", "hat")
    changed = await core.says(request, OMAR, without=["hat"])
    before = await core.everything()

    for fingerprint in (request.fingerprint, "", changed.fingerprint[:SEEN]):
        approved = await core.store.decisions.approve_at_once(
            request.id, fingerprint=fingerprint, by=GUS, reason="It burns", fact=Fact(GUS, "broke_glass"), messages=[],
            now=core.clock.now(),
        )  # fmt: skip
        assert approved is None
    assert await core.everything() == before


async def test_the_glass_is_broken_only_for_what_waits_by_somebody_who_is_there(core: Core) -> None:
    request = await core.asked("cup")
    core.workspace.gone = {GUS}
    said = await refused(core.approvals.break_glass(request.id, GUS, "It burns", seen=request.fingerprint), NotAllowed)
    assert await core.last(request) == (GUS, "click_refused", {"wanted": "break_glass", "why": said.sentence})
    core.workspace.gone, core.workspace.is_silent = set(), True
    assert "Slack did not say" in str(
        await refused(core.approvals.break_glass(request.id, GUS, "It burns", seen=request.fingerprint))
    )
    core.workspace.is_silent = False
    await refused(core.approvals.break_glass(request.id, GUS, "It burns", seen="e" * SEEN))
    await core.says(request, OMAR, NO)
    said = await refused(core.approvals.break_glass(request.id, GUS, "It burns", seen=request.fingerprint))
    assert said.sentence == "{who} has already denied this. Nothing was changed."


# Sending: as approved, once.


async def test_what_was_approved_is_sent_once_with_its_key(core: Core) -> None:
    core.till.prices = {"cup": Decimal(20)}
    request = await core.approved("cup")
    core.woken.clear()
    done = await core.sends(request, Done(summary="Bought."))

    key = f"{request.id}#1"
    assert permanent_key(request) == key
    assert core.till.sent == [("thing buy", key, ("cup",))]
    assert (done.state, done.asks_person, done.lease_until) == (S.SUCCEEDED, False, None)
    assert (done.not_before, done.stop_until) == (None, None)
    assert done.outcome is not None
    assert done.outcome["summary"] == "Bought."
    assert await core.rows("SELECT key, request_id, account, fingerprint FROM intents") == [
        (key, request.id, MAIN, request.fingerprint)
    ]
    history = {one.what: one for one in await core.store.facts.of(request.id)}
    assert (history["sent"].actor, history["sent"].detail) == ("postroom", {"key": key, "quote": request.quote})
    assert await core.last(request) == ("postroom", "done", {"outcome": done.outcome})
    assert (await core.told(request))[-1] == {"fact": "done", "outcome": done.outcome}
    assert await core.money() == dollars("0", "20")
    assert await core.held(request) == [Reservation("all", MONTH, Decimal(20), is_spent=True)]
    assert core.woken == ["outbox", "outbox"]

    before = await core.everything()
    for stale in (request, done):
        await core.runs.execute(stale)
    assert len(core.till.sent) == 1
    assert await core.everything() == before


async def test_nothing_is_sent_before_its_time_is_there(core: Core) -> None:
    request = await core.says(await core.asked("cup"), OMAR)
    core.clock.passes(seconds=29.999999)
    await core.runs.execute(request)
    assert core.till.sent == []
    assert await core.rows("SELECT * FROM intents") == []
    core.clock.passes(seconds=0.000001)
    await core.runs.execute(request)
    assert len(core.till.sent) == 1


async def test_while_it_is_sent_it_is_held_by_this_process(core: Core) -> None:
    request = await core.approved("cup")
    seen: list[Request] = []

    async def looks() -> None:
        seen.append(await core.now(request))

    core.till.meanwhile = looks
    await core.sends(request)

    [during] = seen
    assert (during.state, during.lease_until) == (S.EXECUTING, core.clock.now() + TIMES.lease)


async def test_as_long_as_it_is_sent_it_goes_on_being_held(core: Core) -> None:
    core.opens(policy(), times=replace(TIMES, lease=timedelta(milliseconds=30)))
    request = await core.approved("cup")
    seen: list[Request] = []

    async def takes_its_time() -> None:
        core.clock.passes(seconds=45)
        for _ in range(500):
            seen.append(await core.now(request))
            if seen[-1].lease_until == core.clock.now() + timedelta(milliseconds=30):
                break
            await asyncio.sleep(0.005)

    core.till.meanwhile = takes_its_time
    await core.sends(request)
    assert seen[-1].lease_until == core.clock.now() + timedelta(milliseconds=30)


async def test_of_two_that_send_it_at_the_same_moment_one_does(core: Core) -> None:
    request = await core.approved("cup")

    await asyncio.gather(*(core.runs.execute(request) for _ in range(5)))
    assert len(core.till.sent) == 1


@pytest.mark.parametrize(("price", "goes"), [
    ("110", True), ("90", True), ("110.01", False), ("89.99", False), ("100", True),
])  # fmt: skip
async def test_a_price_may_move_by_the_tolerance_both_ways(core: Core, price: str, goes: bool) -> None:
    core.till.prices = {"car": Decimal(100)}
    request = await core.approved("car")
    core.till.prices = {"car": Decimal(price)}
    core.woken.clear()
    after = await core.sends(request, *([Done(summary="Done.")] if goes else []))

    if goes:
        assert after.state is S.SUCCEEDED
        assert await core.money() == (Decimal(0), Decimal(price))
        assert after.quote is not None
        assert after.quote["lines"][0]["price"] == price
        sent = next(one for one in await core.store.facts.of(request.id) if one.what == "sent")
        assert sent.detail["quote"] == after.quote
        return
    assert core.till.sent == []
    assert (after.state, after.decided_by, after.decided_at) == (S.AWAITING, "", None)
    assert (after.not_before, after.stop_until) == (None, None)
    assert after.waiting_since == after.attend_at == core.clock.now()
    assert after.fingerprint not in ("", request.fingerprint)
    assert after.quote is not None
    assert await core.rows("SELECT * FROM votes") == []
    assert await core.money() == (Decimal(price), Decimal(0))
    assert await core.last(request) == ("postroom", "reopened", {"old": request.quote, "new": after.quote})
    assert (await core.told(request))[-1] == {
        "fact": "reopened", "old": request.quote, "new": after.quote, "decided": True,
    }  # fmt: skip
    assert await core.cards(request) == [APPROVALS]
    assert core.woken == ["outbox", "waiting"]
    await refused(core.approvals.decide(request.id, OMAR, YES, seen=request.fingerprint))
    await core.says(request, OMAR)
    core.clock.passes(seconds=30)
    assert (await core.sends(request, Done(summary="Done."))).state is S.SUCCEEDED
    assert await core.money() == (Decimal(0), Decimal(price))


async def test_another_currency_is_another_price(core: Core) -> None:
    request = await core.approved("cup")
    core.till.currency = "EUR"

    assert (await core.sends(request)).state is S.AWAITING
    assert await core.held(request) == []
    assert core.till.sent == []


async def test_what_a_rule_approved_at_another_price_asks_a_person(core: Core) -> None:
    core.opens(policy(rules=(Rule("small", Conditions(), terms(auto_below=Decimal(99))),)))
    request = await core.asked("cup")
    core.clock.passes(seconds=30)
    core.till.prices = {"cup": Decimal(20)}
    after = await core.sends(request)

    assert after.state is S.AWAITING
    assert not core.requests.ruling_of(after).auto
    assert (await core.told(request))[-1]["decided"] is False


async def test_a_dearer_price_is_for_who_decides_dearer_things(core: Core) -> None:
    dear = Rule("dear", Conditions(over=Decimal(50)), terms(approvers=(DORA,), needs=1))
    core.opens(policy(rules=(dear,)))
    core.till.prices = {"cup": Decimal(50)}
    request = await core.approved("cup")
    core.till.prices = {"cup": Decimal("60")}
    after = await core.sends(request)

    assert core.requests.ruling_of(after).rule == "dear"
    await refused(core.says(request, OMAR), NotAllowed)
    assert (await core.says(request, DORA)).state is S.APPROVED


async def test_a_dearer_price_within_the_tolerance_still_has_to_fit_the_budget(core: Core) -> None:
    core.till.prices = {"car": Decimal(480), "van": Decimal(10)}
    request = await core.approved("car")
    await core.asked("van")
    core.till.prices["car"] = Decimal("490")
    assert (await core.sends(request, Done(summary="Done."))).state is S.SUCCEEDED
    assert await core.money() == dollars("10", "490")


async def test_a_dearer_price_has_to_fit_each_budget_with_what_was_spent_of_it(core: Core) -> None:
    both = (Budget("aa", Decimal(999), "USD"), Budget("zz", Decimal(500), "USD"))
    core.opens(policy(budgets=both))
    core.till.prices = {"car": Decimal(100), "bus": Decimal(390)}
    await core.sends(await core.approved("car"))
    request = await core.approved("bus")
    core.opens(policy(budgets=both[1:]))  # of the first nobody knows any more
    core.till.prices = {"bus": Decimal("400.01")}

    assert (await core.sends(request)).state is not S.SUCCEEDED
    assert len(core.till.sent) == 1
    assert (await core.money("zz"))[1] == Decimal(100)


async def test_what_no_longer_fits_the_budget_has_failed_and_is_not_sent(core: Core) -> None:
    core.till.prices = {"car": Decimal(480), "van": Decimal(10)}
    request = await core.approved("car")
    await core.asked("van")
    core.till.prices["car"] = Decimal("490.01")
    failed = await core.sends(request)

    assert core.till.sent == []
    assert await core.rows("SELECT * FROM intents") == []
    assert failed.state is S.FAILED
    assert failed.outcome is not None
    assert "490.01 USD, and of the budget “all” 490.00 USD are left" in failed.outcome["summary"]
    assert failed.outcome["summary"].endswith("Nothing was sent.")
    assert failed.outcome["items"] == [{"name": "car", "state": "not_done", "note": ""}]
    assert await core.money() == dollars("10", "0")


async def test_an_owner_who_allowed_it_is_asked_once_more_only_beyond_the_tolerance(core: Core) -> None:
    owned = Budget("shop", Decimal(15), "USD", over="owner", owners=(OLGA,))
    core.opens(policy(budgets=(owned,)))
    core.till.prices = {"car": Decimal(100)}
    request = await core.says(await core.asked("car"), OLGA)
    core.clock.passes(seconds=30)
    core.till.prices = {"car": Decimal(105)}
    assert (await core.sends(request, Done(summary="Done."))).state is S.SUCCEEDED
    assert await core.money("shop") == dollars("0", "105")


async def test_an_owner_who_was_not_asked_is_when_the_price_goes_over(core: Core) -> None:
    core.opens(policy(budgets=(Budget("shop", Decimal(100), "USD", over="owner", owners=(OLGA,)),)))
    core.till.prices = {"car": Decimal(100)}
    request = await core.approved("car")
    core.till.prices = {"car": Decimal("100.01")}
    after = await core.sends(request)

    assert (after.state, core.requests.ruling_of(after).over) == (S.AWAITING, ("shop",))
    assert core.till.sent == []
    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert (await core.says(request, OLGA)).state is S.APPROVED


async def test_a_cheaper_price_is_taken_also_where_the_budget_was_cut(core: Core) -> None:
    core.till.prices = {"car": Decimal(100)}
    request = await core.approved("car")
    core.opens(policy(budgets=(Budget("all", Decimal(50), "USD"),)))
    core.till.prices = {"car": Decimal(95)}

    assert (await core.sends(request, Done(summary="Done."))).state is S.SUCCEEDED
    assert await core.money() == dollars("0", "95")


async def test_when_slack_does_not_say_the_groups_of_before_hold(core: Core) -> None:
    core.opens(policy(budgets=(Budget("team", Decimal(500), "USD", team="S0TEAM"),)))
    core.workspace.groups["S0TEAM"] = {ANA}
    request = await core.approved("cup")
    core.till.prices = {"cup": Decimal(99)}
    core.workspace.is_silent = True
    after = await core.sends(request)

    assert after.state is S.AWAITING
    assert await core.held(request) == [Reservation("team", MONTH, Decimal(99))]
    assert core.requests.ruling_of(after).groups == ("S0TEAM",)


async def test_another_price_counts_against_the_budget_of_the_team_as_well(core: Core) -> None:
    core.opens(policy(budgets=(Budget("team", Decimal(500), "USD", team="S0TEAM"),)))
    core.workspace.groups["S0TEAM"] = {ANA}
    request = await core.approved("cup")
    core.till.prices = {"cup": Decimal(99)}
    await core.sends(request)

    assert await core.held(request) == [Reservation("team", MONTH, Decimal(99))]


async def test_what_cannot_be_looked_at_again_is_not_sent(core: Core) -> None:
    for broken, cure in (
        (Rejected("It is gone.", cure="Choose another."), "Choose another. "),
        (Refused({"": "No."}), ""),
    ):
        request = await core.approved("cup")
        core.till.broken = broken
        failed = await core.sends(request)
        core.till.broken = None

        assert failed.state is S.FAILED
        assert failed.outcome is not None
        assert failed.outcome["summary"].endswith("Nothing was sent.")
        assert str(broken) in failed.outcome["summary"]
        assert failed.outcome["cure"] == f"{cure}Ask again with the command."
        assert failed.outcome["items"] == [{"name": "cup", "state": "not_done", "note": ""}]
        assert await core.money() == dollars("0", "0")
    assert core.till.sent == []


@pytest.mark.parametrize("trouble", ["dearer", "gone", "resting"])
@pytest.mark.parametrize("since", ["edited", "approved anew", "sent again"])
async def test_what_was_found_out_about_another_request_than_it_is_now_changes_nothing(
    core: Core, trouble: str, since: str
) -> None:
    """A process has read it, and was slow: meanwhile it was stopped and decided otherwise, or a person had it sent."""
    if since == "sent again":
        request = await core.unclear("cup", "hat")
        was = replace(request, state=S.APPROVED, asks_person=False)
        await core.settling.settle(request.id, OMAR, "again")
    else:
        was = request = await core.says(await core.asked("cup", "hat"), OMAR)
        await core.approvals.stop(request.id, OMAR)
        await core.says(request, FINN, without=["hat"] if since == "edited" else ())
        core.clock.passes(seconds=29 if since == "approved anew" else 30)
    before, sent = await core.everything(), list(core.till.sent)

    core.till.prices = {"cup": Decimal(20)} if trouble == "dearer" else {}
    core.till.broken = Rejected("It is gone.") if trouble == "gone" else None
    core.till.resting = core.clock.now() + timedelta(hours=1) if trouble == "resting" else None
    await core.runs.execute(was)
    assert await core.everything() == before
    assert core.till.sent == sent


@pytest.mark.parametrize("accounts", [(SPARE,), ()])
async def test_without_its_account_nothing_is_sent(core: Core, accounts: tuple[str, ...]) -> None:
    request = await core.approved("cup")
    core.opens(policy(), accounts)
    failed = await core.sends(request)

    assert failed.state is S.FAILED
    assert failed.outcome is not None
    assert failed.outcome["summary"] == f"The account {MAIN} is no longer in Postroom's settings. Nothing was done."
    assert failed.outcome["cure"] == "Ask again with the command."
    assert await core.money() == dollars("0", "0")
    assert core.till.sent == []


async def test_what_was_typed_secretly_goes_to_the_provider_and_nowhere_else(core: Core) -> None:
    request = await core.asked("box", kind=Lock)
    assert (await core.sends(request)).state is S.SUCCEEDED
    assert "sesame" not in str(await core.everything())

    lost = await core.asked("bag", kind=Lock)
    review = await core.reviewed(ANA, Lock(things=["cup"], password=SecretStr("open sesame")))
    core.opens(policy())
    failed = await core.sends(lost)
    assert failed.state is S.FAILED
    assert failed.outcome is not None
    assert "it is gone, and nothing was done" in failed.outcome["summary"]
    assert "never stores a password" in str(await refused(core.submitted(review.draft)))
    assert len(core.till.sent) == 1


HALF = (*live("cup"), *live("hat", state=ItemState.NOT_DONE), *live("bag", state=ItemState.BOUGHT),
        *live("pot", state=ItemState.UNKNOWN))  # fmt: skip


@pytest.mark.parametrize(("outcome", "state", "spent"), [
    (Done(summary="Done."), S.SUCCEEDED, "15"),
    (Done(summary="Done.", items=live("cup", "hat", "bag", "pot")), S.SUCCEEDED, "15"),
    (Done(summary="Done.", items=HALF), S.SUCCEEDED, "13"),
    (Done(summary="Done.", items=live("cup", "new")), S.SUCCEEDED, "15"),
    (Failed(summary="No.", cure="Ask again."), S.FAILED, "0"),
    (Failed(summary="Half.", cure="Ask again.", items=HALF), S.FAILED, "13"),
    (Failed(summary="No.", cure="Ask again.", items=live("cup", state=ItemState.INFO)), S.FAILED, "0"),
    (Failed(summary="Odd.", cure="Ask again.", items=live("new")), S.FAILED, "15"),
])  # fmt: skip
async def test_what_was_done_is_spent_and_what_was_not_is_free(
    core: Core, outcome: Outcome, state: RequestState, spent: str
) -> None:
    core.till.prices = {"cup": Decimal(1), "hat": Decimal(2), "bag": Decimal(4), "pot": Decimal(8)}
    after = await core.sends(await core.approved("cup", "hat", "bag", "pot"), outcome)

    assert after.state is state
    assert await core.money() == (Decimal(0), Decimal(spent))
    fact = "done" if state is S.SUCCEEDED else "failed"
    assert await core.last(after) == ("postroom", fact, {"outcome": outcome.model_dump(mode="json")})
    assert (await core.told(after))[-1] == {"fact": fact, "outcome": outcome.model_dump(mode="json")}
    assert await core.rows("SELECT * FROM jobs") == []


@pytest.mark.parametrize("outcome", [
    Done(summary="Done."), Done(summary="Done.", items=(*live("cup"), *live("pot", state=ItemState.NOT_DONE))),
    Failed(summary="No.", cure="Ask again.", items=live("cup", "pot")),
])  # fmt: skip
async def test_what_has_no_price_is_never_counted_as_if_it_had_one(core: Core, outcome: Outcome) -> None:
    core.till.prices = {"pot": None}
    request = await core.approved("cup", "pot")
    apart = (await core.money())[0]
    await core.sends(request, outcome)

    assert await core.money() == (Decimal(0), apart)


async def test_what_was_accepted_is_watched(core: Core) -> None:
    core.woken.clear()
    request = await core.approved("cup")
    core.woken.clear()
    working = await core.sends(request, Pending(ref={"id": 7}))

    assert (working.state, working.lease_until) == (S.WORKING, None)
    assert await core.money() == dollars("10", "0")
    assert core.woken == ["outbox", "outbox", "jobs"]
    assert (await core.last(request))[:2] == ("postroom", "accepted")
    now = core.clock.now()
    assert await core.job(request) == Job(
        request.id, MAIN, JobKind.POLL, {"id": 7}, now + TIMES.first_poll, now + TIMES.deadline, now
    )


@pytest.mark.parametrize("error", [OutcomeUnknown("It broke off.", detail="cut"), RuntimeError("Ours")])
async def test_what_nobody_knows_is_looked_up_and_never_repeated(core: Core, error: Exception) -> None:
    request = await core.approved("cup")
    unknown = await core.sends(request, error)

    assert (unknown.state, unknown.asks_person) == (S.UNKNOWN, False)
    assert await core.money() == dollars("10", "0")
    now = core.clock.now()
    assert await core.job(request) == Job(
        request.id, MAIN, JobKind.RECONCILE, {}, now + TIMES.first_poll, now + TIMES.reconcile_after, now
    )
    assert unknown.outcome is not None
    assert unknown.outcome["evidence"] == ("cut" if isinstance(error, OutcomeUnknown) else "")
    assert (await core.last(request))[:2] == ("postroom", "unknown")
    for _ in range(3):
        core.clock.passes(hours=9)
        await core.runs.run_approved()
        await core.runs.executions.settled()
        await core.runs.settle_lapsed()
        await core.runs.execute(unknown)
    assert len(core.till.sent) == 1


async def test_what_the_provider_refuses_has_failed_and_costs_nothing(core: Core) -> None:
    for error in (Rejected("It said no.", cure="Ask less."), RateLimited("Too often.", retry_after=5)):
        request = await core.approved("cup")
        failed = await core.sends(request, error)

        assert failed.state is S.FAILED
        assert failed.outcome == {
            "kind": "failed", "summary": error.sentence, "cure": error.cure,
            "items": [{"name": "cup", "state": "not_done", "note": ""}],
        }  # fmt: skip
        assert await core.money() == dollars("0", "0")


async def test_whose_process_died_in_between_is_unknown(core: Core) -> None:
    request = await core.approved("cup")
    began = await core.store.runs.begin(
        request.id, key=permanent_key(request), fingerprint=request.fingerprint,
        lease_until=core.clock.now() + TIMES.lease, fact=Fact("postroom", "sent"), now=core.clock.now(),
    )  # fmt: skip
    assert began is not None
    core.clock.passes(seconds=60)
    await core.runs.settle_lapsed()
    assert (await core.now(request)).state is S.EXECUTING
    core.clock.passes(seconds=0.000001)
    await core.runs.settle_lapsed()
    assert (await core.now(request)).state is S.UNKNOWN
    assert await core.money() == dollars("10", "0")
    await core.runs.execute(request)
    assert core.till.sent == []


async def test_each_account_sends_one_at_a_time_in_the_order_of_the_decisions(core: Core) -> None:
    second, first, other = await core.asked("cup"), await core.asked("hat"), await core.asked("bag", account=SPARE)
    await core.says(first, OMAR)
    core.clock.passes(seconds=1)
    await core.says(second, OMAR)
    await core.says(other, OMAR)
    assert await core.runs.run_approved() == core.clock.now() + timedelta(seconds=29)
    core.clock.passes(seconds=60)
    assert await core.runs.run_approved() is None
    await core.runs.executions.settled()

    keys = [key for _, key, _ in core.till.sent]
    assert sorted(keys) == sorted(f"{one.id}#1" for one in (first, second, other))
    assert keys.index(f"{first.id}#1") < keys.index(f"{second.id}#1")


async def test_one_that_cannot_be_run_does_not_keep_back_the_next(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await core.approved("cup"), await core.approved("hat")
    begin = core.store.runs.begin

    async def fails_for_the_first(request_id: str, **given: Any) -> Request | None:
        if request_id == first.id:
            raise StoreUnavailable("The disk is full.")
        return await begin(request_id, **given)

    monkeypatch.setattr(core.store.runs, "begin", fails_for_the_first)
    await core.runs.run_approved()
    await core.runs.executions.settled()
    assert [key for _, key, _ in core.till.sent] == [f"{second.id}#1"]
    monkeypatch.undo()
    await core.runs.run_approved()
    await core.runs.executions.settled()
    assert [key for _, key, _ in core.till.sent] == [f"{second.id}#1", f"{first.id}#1"]


async def test_one_over_whose_price_postroom_breaks_has_failed_unsent(core: Core) -> None:
    first, second = await core.approved("cup"), await core.approved("hat")
    core.till.prices = {"cup": "many"}  # type: ignore[dict-item]
    await core.runs.run_approved()
    await core.runs.executions.settled()

    assert [key for _, key, _ in core.till.sent] == [f"{second.id}#1"]
    assert (await core.now(first)).state is S.FAILED
    assert await core.money() == dollars("0", "10")


# Too early.


async def test_what_was_too_early_runs_again_with_an_intent_of_its_own(core: Core) -> None:
    request = await core.asked("cup", "hat", kind=Mend)
    until = core.clock.now() + timedelta(hours=1)
    left = Mend(things=["hat"])
    core.woken.clear()
    waits = await core.sends(request, Later(until, "Half of it.", ((until, "hat"),), left))

    assert (waits.state, waits.not_before, waits.stop_until, waits.input) == (
        S.APPROVED,
        until,
        None,
        {"things": ["hat"]},
    )
    assert (waits.outcome, waits.lease_until, waits.fingerprint) == (None, None, left.fingerprint(MAIN, None))
    told = {"until": until.isoformat(), "summary": "Half of it.", "plan": [[until.isoformat(), "hat"]]}
    assert await core.last(request) == ("postroom", "postponed", told)
    assert (await core.told(request))[-1] == {"fact": "later", **told}
    assert core.woken == ["outbox", "outbox", "requests"]
    await core.runs.execute(waits)
    assert len(core.till.sent) == 1
    core.clock.passes(hours=1)
    assert (await core.sends(request)).state is S.SUCCEEDED
    assert core.till.sent == [
        ("thing mend", f"{request.id}#1", ("cup", "hat")), ("thing mend", f"{request.id}#1", ("hat",)),
    ]  # fmt: skip
    assert await core.rows("SELECT key FROM intents ORDER BY key") == [(f"{request.id}#1",), (f"{request.id}#2",)]


async def test_as_long_as_more_of_it_is_done_it_goes_at_the_providers_own_time(core: Core) -> None:
    request = await core.asked("cup", "hat", "bag", kind=Mend)
    for left in (["hat", "bag"], ["bag"]):
        until = core.clock.now() + timedelta(seconds=1)
        waits = await core.sends(request, Later(until, "A part.", left=Mend(things=left)))
        assert (waits.not_before, waits.input) == (until, {"things": left})
        assert len(await core.told(request)) == 3 - len(left)
        core.clock.passes(seconds=1)
    now = core.clock.now()
    assert (await core.sends(request, Later(now, "Not yet."))).not_before == now + timedelta(seconds=22.5)


async def test_at_first_it_waits_no_longer_than_it_was_told(core: Core) -> None:
    request = await core.asked("cup", kind=Mend)
    assert (await core.sends(request, Later(core.clock.now(), "Not yet."))).not_before == core.clock.now()


async def test_what_was_too_early_after_all_is_no_longer_looked_for(core: Core) -> None:
    request = await core.asked("cup", kind=Mend)

    async def lapses() -> None:
        core.till.meanwhile = None
        core.clock.passes(seconds=61)
        await core.runs.settle_lapsed()
        assert len(await core.rows("SELECT * FROM jobs")) == 1

    core.till.meanwhile = lapses
    waits = await core.sends(request, Later(core.clock.now() + timedelta(hours=1), "Not yet."))
    assert (waits.state, waits.asks_person, waits.lease_until, waits.outcome) == (S.APPROVED, False, None, None)
    assert await core.rows("SELECT * FROM jobs") == []


async def test_what_stays_too_early_is_asked_ever_more_patiently_and_told_once(core: Core) -> None:
    request = await core.asked("cup", kind=Mend)
    await core.sends(request, RateLimited("Too often.", retry_after=1))
    now = core.clock.now()
    assert (await core.now(request)).not_before == now + TIMES.first_poll
    assert len(await core.told(request)) == 1
    core.clock.passes(seconds=10)
    again = await core.sends(request, Later(core.clock.now(), "Not yet."))
    assert again.not_before == core.clock.now() + timedelta(seconds=15)
    assert len(await core.told(request)) == 1
    core.clock.passes(seconds=15)
    third = await core.sends(request, RateLimited("Too often.", retry_after=600))
    assert third.not_before == core.clock.now() + timedelta(seconds=600)
    assert len(await core.told(request)) == 1
    cancelled = await core.approvals.cancel(request.id, ANA)
    assert cancelled.state is S.CANCELLED


async def test_what_is_too_early_for_two_days_has_failed(core: Core) -> None:
    request = await core.asked("cup", kind=Mend)
    until = core.clock.now() + timedelta(days=2)
    assert (await core.sends(request, Later(until, "Not yet."))).state is S.APPROVED
    core.clock.passes(days=2)
    failed = await core.sends(request, Later(core.clock.now() + timedelta(seconds=1), "Not yet."))

    assert failed.state is S.FAILED
    assert failed.outcome == {
        "kind": "failed", "summary": "Not yet.", "cure": "Ask again later.",
        "items": [{"name": "cup", "state": "not_done", "note": ""}],
    }  # fmt: skip


async def test_a_spend_is_never_run_again_because_it_was_too_early(core: Core) -> None:
    failed = await core.sends(await core.approved("cup"), Later(core.clock.now() + timedelta(minutes=9), "Not yet."))

    assert failed.state is S.FAILED
    assert await core.money() == dollars("0", "0")


async def test_a_wait_that_nobody_names_or_that_is_endless(core: Core) -> None:
    request = await core.asked("cup", kind=Mend)
    assert (await core.sends(request, RateLimited("Too often."))).state is S.FAILED
    request = await core.asked("cup", kind=Mend)
    waits = await core.sends(request, RateLimited("Too often.", retry_after=1e12))
    assert (waits.state, waits.not_before) == (S.APPROVED, core.clock.now() + timedelta(days=2))
    assert (await core.told(request))[-1]["summary"] == "Too often. Nothing was changed yet."


async def test_what_nobody_decided_waits_for_a_provider_that_keeps_failing_as_well(core: Core) -> None:
    request = await core.asked("cup", kind=Mend)
    core.till.resting = core.clock.now() + timedelta(minutes=5)
    kept = await core.sends(request)

    assert (kept.state, kept.not_before, core.till.sent) == (S.APPROVED, core.till.resting, [])


async def test_a_provider_that_keeps_failing_is_left_alone_and_nothing_is_lost(core: Core) -> None:
    request = await core.approved("cup")
    core.till.resting = core.clock.now() + timedelta(minutes=5)
    core.woken.clear()
    kept = await core.sends(request)

    assert core.till.sent == []
    assert (kept.state, kept.not_before, kept.stop_until) == (S.APPROVED, core.till.resting, None)
    assert (kept.fingerprint, kept.input) == (request.fingerprint, request.input)
    assert await core.money() == dollars("10", "0")
    said = {
        "until": core.till.resting.isoformat(), "summary": "The provider keeps failing, so nothing was sent to it yet.",
    }  # fmt: skip
    assert await core.last(request) == ("postroom", "kept_back", said)
    assert (await core.told(request))[-1] == {"fact": "later", **said}
    assert core.woken == ["outbox", "requests"]
    told = len(await core.told(request))
    core.clock.passes(minutes=5)
    core.till.resting += timedelta(minutes=5)
    await core.sends(request)
    assert len(await core.told(request)) == told
    assert kept.decided_at is not None
    core.till.resting = kept.decided_at + timedelta(days=2, microseconds=1)
    core.clock.passes(minutes=5)
    assert (await core.sends(request, Done(summary="Done."))).state is S.SUCCEEDED


# What a person settles.


async def test_a_person_is_asked_with_the_evidence(core: Core) -> None:
    request = await core.unclear("cup")

    assert (request.state, request.asks_person) == (S.UNKNOWN, True)
    assert await core.last(request) == ("postroom", "asks", {"evidence": "Not in the list."})
    assert (await core.told(request))[-1] == {"fact": "asks", "outcome": request.outcome}
    assert await core.rows("SELECT * FROM jobs") == []
    assert await core.money() == dollars("10", "0")
    told = await core.told(request)
    await core.settling.ask_person(request, Unknown(summary="Nobody can tell."), "asks")
    assert await core.told(request) == told


@pytest.mark.parametrize(("answer", "state", "spent"), [("happened", S.SUCCEEDED, "10"), ("did_not", S.FAILED, "0")])
async def test_what_a_person_says_is_the_end(core: Core, answer: str, state: RequestState, spent: str) -> None:
    request = await core.unclear("cup")
    core.woken.clear()
    settled = await core.settling.settle(request.id, OMAR, answer)

    assert (settled.state, settled.asks_person) == (state, False)
    assert await core.money() == (Decimal(0), Decimal(spent))
    assert await core.last(request) == (OMAR, "settled", {"answer": answer})
    assert (await core.told(request))[-1] == {"fact": "settled", "by": OMAR, "answer": answer}
    assert core.woken == ["outbox"]
    before = await core.everything()
    for other in ("happened", "did_not", "again", "wait"):
        said = await refused(core.settling.settle(request.id, FINN, other))
        assert said.sentence.startswith("This has been settled meanwhile")
    assert await core.everything() == before
    await core.runs.execute(request)
    assert len(core.till.sent) == 1


async def test_what_was_seen_there_was_paid_whatever_a_person_says_of_the_rest(core: Core) -> None:
    core.till.prices = {"cup": Decimal(1), "hat": Decimal(2), "bag": Decimal(4)}
    items = (*live("cup", state=ItemState.BOUGHT), *live("hat", state=ItemState.UNKNOWN), *live("bag"))
    request = await core.unclear("cup", "hat", "bag", items=items)
    before = await core.everything()

    said = await refused(core.settling.settle(request.id, OMAR, "again"))
    assert "seen at the provider: cup, bag." in said.sentence
    assert await core.everything() == before
    settled = await core.settling.settle(request.id, OMAR, "did_not")
    assert await core.money() == dollars("0", "5")
    assert settled.outcome is not None
    assert [one["state"] for one in settled.outcome["items"]] == ["bought", "not_done", "live"]


async def test_whoever_asked_can_only_have_it_watched_and_that_only_where_they_decide(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(FINANCE, ANA))))
    request = await core.unclear("cup")
    before = await core.everything()

    said = await refused(core.settling.settle(request.id, BEA, "happened"))
    assert await core.last(request) == (BEA, "click_refused", {"wanted": "settle", "why": said.sentence})
    for answer in ("happened", "did_not", "again"):
        said = await refused(core.settling.settle(request.id, ANA, answer))
    assert said.sentence.startswith("This is your own request")
    assert await core.last(request) == (ANA, "click_refused", {"wanted": "settle", "why": said.sentence})
    core.workspace.gone = {OMAR}
    said = await refused(core.settling.settle(request.id, OMAR, "happened"))
    assert "do not belong" in said.sentence
    assert await core.last(request) == (OMAR, "click_refused", {"wanted": "settle", "why": said.sentence})
    core.workspace.is_silent = True
    assert "Slack did not say" in str(await refused(core.settling.settle(request.id, FINN, "happened")))
    core.workspace.is_silent = False
    assert await core.everything() == before
    assert (await core.settling.settle(request.id, ANA, "wait")).state is S.UNKNOWN


async def test_what_ran_without_a_decision_is_settled_by_the_default_approvers(core: Core) -> None:
    request = await core.asked("cup", kind=Mend)
    await core.sends(request, OutcomeUnknown("It broke off."))
    await core.settling.ask_person(await core.now(request), Unknown(summary="Nobody can tell."), "asks")

    ruling = core.requests.ruling_of(request)
    assert (ruling.rule, ruling.why, ruling.auto, ruling.terms) == ("", (), False, DEFAULT)
    assert "not among" in str(await refused(core.settling.settle(request.id, BEA, "happened")))
    assert (await core.settling.settle(request.id, OMAR, "happened")).state is S.SUCCEEDED


@pytest.mark.parametrize("answers", [("happened", "did_not"), ("wait", "wait"), ("wait", "did_not")])
async def test_of_two_answers_one_counts(core: Core, answers: tuple[str, str]) -> None:
    request = await core.unclear("cup")
    said = await asyncio.gather(
        *(core.settling.settle(request.id, by, answer) for by, answer in zip((OMAR, FINN), answers, strict=True)),
        return_exceptions=True,
    )

    assert sorted(type(one).__name__ for one in said) == ["Request", "Sorry"]
    assert [what for _, what in await core.facts(request)].count("settled") == 1


async def test_who_settles_for_somebody_who_is_away(core: Core) -> None:
    request = await core.unclear("cup")
    await core.approvals.hand_over(OMAR, BEA, core.clock.now() + timedelta(hours=1), CHANNEL)

    assert (await core.settling.settle(request.id, BEA, "again")).state is S.APPROVED


async def test_a_person_has_it_sent_once_more_with_another_key(core: Core) -> None:
    request = await core.unclear("cup")
    core.clock.passes(hours=1)
    core.woken.clear()
    again = await core.settling.settle(request.id, OMAR, "again")

    assert (again.state, again.attempt, again.asks_person) == (S.APPROVED, 2, False)
    assert (again.decided_by, again.decided_at) == (OMAR, core.clock.now())
    assert again.not_before == again.stop_until == core.clock.now() + UNDO
    assert (again.outcome, again.lease_until) == (None, None)
    assert await core.last(request) == (
        OMAR, "settled", {"answer": "again", "evidence": request.outcome, "attempt": 2},
    )  # fmt: skip
    assert (await core.told(request))[-1] == {
        "fact": "settled", "by": OMAR, "answer": "again", "stop_until": again.not_before.isoformat(),
    }  # fmt: skip
    assert core.woken == ["outbox", "requests"]
    await refused(core.settling.settle(request.id, FINN, "again"))
    await core.runs.execute(again)
    assert len(core.till.sent) == 1
    core.clock.passes(seconds=30)
    done = await core.sends(request, Done(summary="Done."))
    assert done.state is S.SUCCEEDED
    assert [key for _, key, _ in core.till.sent] == [f"{request.id}#1", f"{request.id}#2"]
    assert await core.rows("SELECT key FROM intents ORDER BY key") == [(f"{request.id}#1",), (f"{request.id}#2",)]
    assert await core.money() == dollars("0", "10")
    assert (await core.now(request)).attempt == 2


async def test_where_two_have_to_say_yes_one_cannot_have_it_sent_again(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup")
    await core.says(request, OMAR)
    await core.says(request, FINN)
    core.clock.passes(seconds=30)
    await core.sends(request, OutcomeUnknown("It broke off."))
    await core.settling.ask_person(await core.now(request), Unknown(summary="Nobody can tell."), "asks")
    again = await core.settling.settle(request.id, OMAR, "again")

    assert (again.state, again.attempt, again.not_before, again.asks_person) == (S.AWAITING, 2, None, False)
    assert await core.rows("SELECT * FROM votes") == []
    core.clock.passes(minutes=1)
    await core.runs.execute(again)
    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert (await core.says(request, OLGA)).state is S.APPROVED
    assert len(core.till.sent) == 1
    core.clock.passes(seconds=30)
    assert (await core.sends(request, Done(summary="Done."))).state is S.SUCCEEDED
    assert [key for _, key, _ in core.till.sent] == [f"{request.id}#1", f"{request.id}#2"]
    assert await core.money() == dollars("0", "10")


async def test_two_words_of_two_people_are_one_attempt(core: Core) -> None:
    request = await core.unclear("cup")
    answers = await asyncio.gather(
        *(core.settling.settle(request.id, by, "again") for by in (OMAR, FINN, OLGA)), return_exceptions=True
    )

    assert sum(isinstance(one, Request) for one in answers) == 1
    assert sum(isinstance(one, Sorry) for one in answers) == 2
    assert (await core.now(request)).attempt == 2


@pytest.mark.parametrize("since", ["sent again", "looked at longer"])
async def test_a_word_counts_for_the_attempt_that_it_is_about(core: Core, since: str) -> None:
    was = await core.unclear("cup")
    if since == "sent again":
        await core.settling.settle(was.id, FINN, "again")
        core.clock.passes(seconds=30)
        await core.sends(was, OutcomeUnknown("It broke off."))
        await core.settling.ask_person(await core.now(was), Unknown(summary="Nobody can tell."), "asks")
    else:
        await core.settling.settle(was.id, FINN, "wait")
    before = await core.everything()

    now, fact = core.clock.now(), Fact(OMAR, "settled")
    again = await core.store.runs.try_again(
        was, fact=fact, messages=[], by=OMAR, fingerprint=was.fingerprint, stop_until=None, now=now
    )
    assert again is None
    for to in (S.SUCCEEDED, S.FAILED, S.UNKNOWN):
        settled = await core.store.runs.conclude(
            was.id, expect=[S.UNKNOWN], to=to, outcome={}, fact=fact, messages=[], now=now, read=was, was_asked=True
        )
        assert settled is None
    assert await core.everything() == before


@pytest.mark.parametrize("ref", [None, {"id": 3}])
async def test_a_person_has_it_looked_at_longer(core: Core, ref: dict[str, Any] | None) -> None:
    request = await core.unclear("cup", ref=ref)
    core.clock.passes(hours=1)
    core.woken.clear()
    waits = await core.settling.settle(request.id, OMAR, "wait")

    now = core.clock.now()
    kind, patience = (JobKind.POLL, TIMES.deadline) if ref else (JobKind.RECONCILE, TIMES.reconcile_after)
    assert (waits.state, waits.asks_person) == (S.WORKING if ref else S.UNKNOWN, False)
    assert await core.job(request) == Job(
        request.id, MAIN, kind, ref or {}, now + TIMES.first_poll, now + patience, now
    )
    assert await core.money() == dollars("10", "0")
    assert await core.last(request) == (OMAR, "settled", {"answer": "wait"})
    assert core.woken == ["outbox", "jobs"]


async def test_what_is_heard_after_a_person_settled_it_is_only_noted(core: Core) -> None:
    request = await core.approved("cup")

    async def settled_meanwhile() -> None:
        core.till.meanwhile = None
        core.clock.passes(seconds=61)
        await core.runs.settle_lapsed()
        await core.settling.ask_person(await core.now(request), Unknown(summary="Nobody can tell."), "asks")
        await core.settling.settle(request.id, OMAR, "did_not")

    core.till.meanwhile = settled_meanwhile
    after = await core.sends(request, Done(summary="Bought."))

    assert (after.state, after.attempt) == (S.FAILED, 1)
    actor, what, detail = await core.last(request)
    assert (actor, what, detail["key"]) == ("postroom", "heard_late", f"{request.id}#1")
    assert detail["outcome"]["summary"] == "Bought."


async def test_what_is_heard_while_it_counts_as_unknown_is_the_truth(core: Core) -> None:
    request = await core.approved("cup")

    async def lapses() -> None:
        core.clock.passes(seconds=61)
        await core.runs.settle_lapsed()

    core.till.meanwhile = lapses
    after = await core.sends(request, Done(summary="Bought."))

    assert after.state is S.SUCCEEDED
    assert await core.rows("SELECT * FROM jobs") == []
    assert await core.money() == dollars("0", "10")


async def test_what_was_not_asked_is_not_known(core: Core) -> None:
    draft = (await core.reviewed(ANA, Buy(things=["cup"]))).draft
    for step in (
        core.settling.settle(draft.id, OMAR, "happened"), core.approvals.cancel(draft.id, ANA),
        core.approvals.stop("req_none", OMAR), core.approvals.break_glass("req_none", GUS, "It burns", seen="e" * SEEN),
    ):  # fmt: skip
        assert "does not know this request" in str(await refused(step))


# Waiting.


WAITS = terms(
    approvers=(FINANCE,), ping=(FINANCE,), remind_after=(timedelta(hours=4), timedelta(hours=8)),
    escalate_to=(OLGA, ANA), escalate_after=timedelta(hours=24), expires_after=timedelta(hours=72),
)  # fmt: skip


async def test_a_whole_wait_to_its_end(core: Core) -> None:
    core.opens(policy(default=WAITS))
    request = await core.asked("cup")
    begun = core.clock.now()
    await core.approvals.hand_over(FINN, BEA, begun + timedelta(hours=1), CHANNEL)
    core.woken.clear()
    assert await core.waiting.attend() == begun + timedelta(hours=4)
    assert await core.cards(request) == [APPROVALS, BEA, FINN, OMAR]
    assert await core.last(request) == ("postroom", "attended", {"announced": [BEA, FINN, OMAR]})
    assert core.woken == ["outbox", "waiting"]
    assert (await core.now(request)).announced

    core.woken.clear()
    core.clock.passes(hours=4)
    assert await core.waiting.attend() == begun + timedelta(hours=8)
    assert (await core.told(request))[-1] == {"fact": "reminder", "who": [FINANCE], "since": begun.isoformat()}
    assert await core.last(request) == ("postroom", "attended", {"reminded": 1})
    assert (await core.now(request)).reminded == 1
    core.clock.passes(hours=4)
    assert await core.waiting.attend() == begun + timedelta(hours=24)
    assert (await core.now(request)).reminded == 2
    await refused(core.says(request, OLGA), NotAllowed)

    core.clock.passes(hours=16)
    assert await core.waiting.attend() is not None
    assert await core.cards(request) == [APPROVALS, BEA, FINN, OMAR, OLGA]
    assert (await core.told(request))[-1] == {"fact": "escalated", "to": [OLGA, ANA], "short": None}
    assert await core.last(request) == ("postroom", "attended", {"escalated": [OLGA, ANA]})
    assert (await core.now(request)).escalated

    core.clock.passes(hours=48, microseconds=-1)
    await core.waiting.attend()
    assert (await core.now(request)).state is S.AWAITING
    core.clock.passes(microseconds=1)
    core.woken.clear()
    assert await core.waiting.attend() is None
    expired = await core.now(request)
    assert (expired.state, expired.attend_at) == (S.EXPIRED, None)
    assert await core.money() == dollars("0", "0")
    assert await core.last(request) == ("postroom", "expired", {})
    assert (await core.told(request))[-1] == {"fact": "expired", "since": begun.isoformat()}
    assert core.woken == ["outbox"]
    assert "has expired" in str(await refused(core.says(request, OMAR)))


async def test_of_two_processes_that_look_after_it_one_does(core: Core) -> None:
    core.opens(policy(default=WAITS))
    seen, other = await core.asked("cup"), await core.asked("hat")
    then = core.clock.now() + timedelta(hours=4)

    async def attends() -> Request | None:
        telling = Telling(Fact("postroom", "attended"), [])
        return await core.store.waiting.attended(
            seen, attend_at=then, announced=True, reminded=1, escalated=False, telling=telling, now=core.clock.now()
        )

    attended = await attends()
    assert attended is not None
    assert (attended.id, attended.attend_at, attended.announced, attended.reminded) == (seen.id, then, True, 1)
    before, facts = await core.everything(), await core.facts(seen)
    assert await attends() is None
    assert await core.everything() == before
    assert await core.facts(seen) == facts
    assert await core.now(other) == other


async def test_what_asks_again_does_not_expire_by_the_clock_of_before(core: Core) -> None:
    core.opens(policy(default=WAITS))
    was = await core.asked("cup")
    core.clock.passes(hours=71)
    await core.says(was, OMAR)
    await core.approvals.stop(was.id, FINN)
    before = await core.everything()

    assert await core.store.waiting.expire(was, Telling(Fact("postroom", "expired")), core.clock.now()) is None
    assert await core.everything() == before
    core.clock.passes(hours=2)
    await core.waiting.attend()
    assert (await core.now(was)).state is S.AWAITING


async def test_when_slack_does_not_say_it_is_looked_after_in_a_minute(core: Core) -> None:
    core.opens(policy(default=WAITS))
    request = await core.asked("cup")
    core.workspace.is_silent = True
    assert await core.waiting.attend() == core.clock.now() + timedelta(minutes=1)
    after = await core.now(request)
    assert (after.announced, after.reminded, after.escalated) == (False, 0, False)
    assert await core.cards(request) == [APPROVALS]
    core.workspace.is_silent = False
    core.clock.passes(minutes=1)
    await core.waiting.attend()
    assert await core.cards(request) == [APPROVALS, FINN, OMAR]


async def test_an_empty_group_is_said_and_the_next_are_asked(core: Core) -> None:
    core.opens(policy(default=WAITS))
    core.workspace.groups[FINANCE] = set()
    request = await core.asked("cup")
    await core.waiting.attend()

    short = "There is nobody who may decide this."
    assert (await core.told(request))[-1] == {"fact": "escalated", "to": [OLGA, ANA], "short": short}
    actor, what, detail = await core.last(request)
    assert (actor, what, detail["short"], detail["escalated"]) == ("postroom", "attended", short, [OLGA, ANA])
    assert await core.cards(request) == [APPROVALS, OLGA]
    assert (await core.says(request, OLGA)).state is S.APPROVED


async def test_a_rule_whose_people_are_gone_falls_back_on_the_default_approvers(core: Core) -> None:
    rule = Rule("odd", Conditions(), terms(approvers=("S0EMPTY",)))
    core.opens(policy(rules=(rule,)))
    request = await core.asked("cup")
    await refused(core.says(request, OMAR), NotAllowed)
    await core.waiting.attend()

    assert (await core.told(request))[-1]["to"] == [FINANCE, OLGA]
    assert (await core.now(request)).escalated
    assert core.requests.ruling_of(await core.now(request)).terms.approvers == ("S0EMPTY",)
    assert (await core.says(request, OMAR)).state is S.APPROVED


async def test_who_owns_a_budget_is_stood_in_for_only_where_nobody_is_left(core: Core) -> None:
    core.opens(policy(budgets=(Budget("shop", Decimal(1), "USD", over="owner", owners=("S0OWNERS",)),)))
    core.workspace.groups["S0OWNERS"] = {DORA}
    request = await core.asked("cup")
    await core.waiting.attend()
    assert (await core.says(request, OMAR)).state is S.AWAITING
    await refused(core.says(request, OLGA), NotAllowed)
    core.workspace.groups["S0OWNERS"] = set()
    core.clock.passes(days=1)
    await core.waiting.attend()

    assert (await core.told(request))[-1] == {
        "fact": "escalated", "to": [FINANCE, OLGA],
        "short": "There is nobody who may decide about more than the budget “shop” has.",
    }  # fmt: skip
    core.workspace.groups["S0OWNERS"] = {DORA}
    core.clock.passes(days=1)
    await core.waiting.attend()
    assert "enough_again" in {one["fact"] for one in await core.told(request)}
    await refused(core.says(request, OLGA), NotAllowed)
    core.workspace.groups["S0OWNERS"] = set()
    core.clock.passes(days=1)
    await core.waiting.attend()
    assert (await core.says(request, OLGA)).state is S.APPROVED


async def test_nobody_is_reminded_in_quiet_hours(core: Core) -> None:
    quiet = {CHANNEL: QuietHours(time(12, 0), time(15, 0), "UTC")}
    core.opens(policy(default=terms(remind_after=(timedelta(hours=4),)), quiet=quiet))
    request = await core.asked("cup")
    await core.waiting.attend()
    core.clock.passes(hours=4)
    assert await core.waiting.attend() == core.clock.at.replace(hour=15)
    assert (await core.now(request)).reminded == 0
    core.clock.passes(hours=2)
    await core.waiting.attend()
    assert (await core.told(request))[-1] == {
        "fact": "reminder", "who": [FINANCE, OLGA], "since": request.created_at.isoformat(),
    }  # fmt: skip


async def test_other_rules_hold_for_what_waits_and_votes_stay(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request, same = await core.asked("cup"), await core.asked("hat", kind=Burn)
    await core.says(request, OMAR)
    two = terms(approvers=(OMAR, DORA, BEA), needs=2, auto_below=Decimal(99))
    core.opens(policy(rules=(Rule("new", Conditions(action="thing buy"), two),), default=terms(needs=2)))
    core.clock.passes(hours=1)

    assert await core.waiting.rule_anew() == 1
    after = await core.now(request)
    ruling = core.requests.ruling_of(after)
    assert (after.state, ruling.auto, ruling.rule, ruling.terms) == (S.AWAITING, False, "new", two)
    assert (after.attend_at, after.announced) == (core.clock.now(), False)
    assert await core.last(request) == ("postroom", "ruled_anew", {"rule": "new", "before": ""})
    assert (await core.facts(same))[-1] == (ANA, "asked")
    await refused(core.says(request, FINN), NotAllowed)
    assert (await core.says(request, DORA)).state is S.APPROVED
    assert await core.waiting.rule_anew() == 0


async def test_rules_that_ask_for_fewer_let_anybody_say_the_last_word(core: Core) -> None:
    core.opens(policy(default=terms(needs=3)))
    request = await core.asked("cup")
    await core.says(request, OMAR)
    await core.says(request, FINN)
    core.opens(policy(default=terms(needs=2)))
    await core.waiting.rule_anew()

    assert (await core.says(request, OMAR)).state is S.APPROVED
    assert (await core.told(request))[-1]["given"] == 2


async def test_who_was_asked_by_escalation_stays_unless_they_are_others_now(core: Core) -> None:
    core.opens(policy(default=WAITS))
    request = await core.asked("cup")
    core.clock.passes(hours=24)
    await core.waiting.attend()
    same = {name: getattr(WAITS, name) for name in Terms.__slots__}
    core.opens(policy(default=Terms(**same | {"needs": 2})))
    assert await core.waiting.rule_anew() == 1
    assert (await core.now(request)).escalated
    core.opens(policy(default=Terms(**same | {"escalate_to": (DORA,)})))
    assert await core.waiting.rule_anew() == 1
    assert not (await core.now(request)).escalated


@pytest.mark.parametrize(("limit", "over"), [("10", ()), ("9.99", ("shop",))])
async def test_a_budget_that_was_cut_is_seen_with_what_it_has_set_apart(
    core: Core, limit: str, over: tuple[str, ...]
) -> None:
    request = await core.asked("cup")
    owned = Budget("all", Decimal(limit), "USD", over="owner", owners=(DORA,))
    core.opens(policy(budgets=(owned,)))

    assert await core.waiting.rule_anew() == bool(over)
    ruling = core.requests.ruling_of(await core.now(request))
    assert ruling.over == (("all",) if over else ())
    assert (ruling.terms.approvers, ruling.terms.owners) == (DEFAULT.approvers, ((DORA,),) if over else ())
