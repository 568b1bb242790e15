"""Whatever people do, in any order and as often as they like, in two processes that die and come back: money is safe.

People ask, click with old cards, hand over, stop, break the glass; groups, prices and clocks change; the shop does it,
half of it, not, or does not say. The model beside it is plain Python that knows nothing of the code: who may decide,
what is set apart and spent, what may be sent. The house has to agree with it at every step.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest
import structlog.testing
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from handlers.requests import SEEN, Sorry
from providers.action import Quote, QuoteLine
from storage import audit
from storage.records import Request, RequestState, Verdict
from tests.handlers.stage import (
    ACCOUNT,
    ANA,
    APPROVALS,
    AUTO_BELOW,
    BEA,
    CHANNEL,
    DORA,
    EMERGENCY,
    ESCALATES,
    EXPIRES,
    FINANCE,
    FINN,
    HANGS,
    LARGE,
    LIMITS,
    MOODS,
    OLGA,
    OMAR,
    OWN,
    PEOPLE,
    SHOP,
    TEAM,
    TOLERANCE,
    UNCLEAR,
    UNDO,
    BuyThings,
    House,
    Stage,
    policy,
)

T = TypeVar("T")
S = RequestState
OPEN = frozenset({S.AWAITING, S.APPROVED, S.EXECUTING, S.WORKING, S.UNKNOWN})
ARROWS = {
    S.AWAITING: {S.APPROVED, S.DENIED, S.CANCELLED, S.EXPIRED, S.SUCCEEDED, S.WORKING},
    S.APPROVED: {S.AWAITING, S.CANCELLED, S.EXECUTING, S.FAILED, S.SUCCEEDED, S.WORKING, S.UNKNOWN},
    S.EXECUTING: {S.SUCCEEDED, S.FAILED, S.WORKING, S.UNKNOWN},
    S.WORKING: {S.SUCCEEDED, S.FAILED, S.UNKNOWN},
    S.UNKNOWN: {S.SUCCEEDED, S.FAILED, S.WORKING, S.APPROVED, S.AWAITING},
}
"""What can become of it within one step here; out of an end there is no way."""

SAID = {
    "asked", "approved", "denied", "cancelled", "stopped", "broke_glass", "reopened", "done", "failed", "accepted",
    "unknown", "asks", "stuck", "settled", "expired",
}  # fmt: skip
"""Facts that the thread is told, once each."""

who = st.sampled_from(PEOPLE)
cards = st.sampled_from(["now", "now", "now", "all", "old", "none"])
both = st.sampled_from([0, 1])
moods = st.sampled_from([*MOODS, *HANGS])
some_things = st.one_of(
    st.lists(st.sampled_from(["pin", "cup", "bag", "hat", "coat"]), min_size=1, max_size=3, unique=True),
    st.sampled_from([["car"], ["coat", "hat"], ["bag", "coat"]]),
)
"""Every other time so much that two people have to say yes."""


@dataclass
class Handed:
    """Somebody's approvals in another's hands."""

    principal: str
    delegate: str
    begins: datetime
    ends: datetime


@dataclass(eq=False)
class Model:
    """What ought to be true of one request."""

    id: str
    requester: str
    channel: str
    things: dict[str, Decimal]
    """What is asked, each at the price that was quoted last."""
    subjects: frozenset[str]
    state: RequestState = S.AWAITING
    period: str = ""
    approvers: tuple[str, ...] = ()
    needs: int = 1
    owners: tuple[str, ...] = ()
    """One of these has to say yes as well, for it goes over what is theirs."""
    requester_may: bool = False
    also: tuple[str, ...] = ()
    """Those to whom it was taken."""
    instead_of: tuple[str, ...] = ()
    """They may because those who ought to cannot, and only in their place: the rule's people "", the owners `SHOP`."""
    waits_since: datetime | None = None
    votes: list[tuple[str, str]] = field(default_factory=list)
    """Who has said yes to what is asked now, and whose right that was."""
    approved_at: Decimal | None = None
    """What it may cost, while it is approved."""
    not_before: datetime | None = None
    can_stop: bool = False
    asks_person: bool = False
    agains: int = 0
    spent: Decimal | None = None
    besides: Decimal = Decimal(0)
    """What an earlier attempt cost, of which that was heard too late."""
    lates: int = 0
    cards: list[str] = field(default_factory=list)
    copies: list[Request] = field(default_factory=list)
    """As processes have read it at some time."""

    @property
    def total(self) -> Decimal:
        return sum(self.things.values(), Decimal(0))

    @property
    def deciders(self) -> tuple[str, ...]:
        return (*self.approvers, *self.owners, *self.also)

    @property
    def parts(self) -> list[tuple[tuple[str, ...], int]]:
        """Of each of these, so many have to say yes."""
        instead = self.instead_of or ("",)
        owned = [((*self.owners, *(self.also if SHOP in instead else ())), 1)] if self.owners else []
        return [((*self.approvers, *(self.also if "" in instead else ())), self.needs), *owned]

    @property
    def key(self) -> str:
        return f"{self.id}#{1 + self.agains}"

    @property
    def fingerprint(self) -> str:
        quote = Quote(lines=tuple(QuoteLine(what=what, price=price) for what, price in self.things.items()))
        return BuyThings(things=list(self.things)).fingerprint(ACCOUNT, quote)

    @property
    def held(self) -> Decimal:
        return self.besides + ((self.spent or Decimal(0)) if self.state.is_final else self.total)

    def shown(self, which: str) -> str:
        """The fingerprint on the card that somebody has before them."""
        old = self.cards[0] if self.cards[0] != self.cards[-1] else "e" * 64
        return {"now": self.cards[-1][:SEEN], "all": self.cards[-1], "old": old[:SEEN], "none": ""}[which]


@dataclass(eq=False)
class Click:
    """A click that waits for what the workspace says of its person."""

    model: Model
    by: str
    what: str
    house: int
    seen: str
    could: bool
    agains: int
    task: asyncio.Task[Request]


class LifeOfRequests(RuleBasedStateMachine):
    requests = Bundle("requests")
    drafts = Bundle("drafts")
    clicks = Bundle("clicks")

    def __init__(self) -> None:
        super().__init__()
        self.quiet = structlog.testing.capture_logs()
        self.log = self.quiet.__enter__()
        self.loop = asyncio.new_event_loop()
        self.stage = Stage(self.is_ordered)
        self.models: dict[str, Model] = {}
        self.handed: list[Handed] = []
        self.on_the_way: list[Click] = []
        self.orders: list[str] = []
        self.wrong: list[str] = []
        self.told: list[str] = []
        self.audited = (0, audit.BEFORE_THE_FIRST)
        self.read = 0
        self.facts, self.notes = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        self.surfaces: set[tuple[str, str, str]] = set()
        self.were: dict[str, RequestState] = {}

    def teardown(self) -> None:
        self.do(self.hang_up(self.on_the_way))
        with audit.opened(self.stage.path) as connection:
            assert isinstance(audit.verify(connection), audit.Verified)
        self.do(self.stage.closes())
        self.loop.close()
        self.quiet.__exit__(None, None, None)

    def do(self, step: Awaitable[T]) -> T:
        async def run() -> T:
            return await step

        return self.loop.run_until_complete(run())

    def tries(self, step: Awaitable[T]) -> T | None:
        """What came of it, or None if the person was told why not, in a whole sentence."""
        try:
            return self.do(step)
        except Sorry as sorry:
            self.told.append(sorry.sentence)
            return None

    @property
    def now(self) -> datetime:
        return self.stage.clock.now()

    # What the model knows: who may, and what it costs.

    def people(self, named: Collection[str]) -> set[str]:
        groups = self.stage.workspace.groups
        return {one for name in named for one in (groups.get(name, set()) if name.startswith("S") else {name})}

    def can_act(self, by: str) -> bool:
        return by not in self.stage.workspace.gone and not self.stage.workspace.is_silent

    def rights(
        self, model: Model, by: str, *, voted: Collection[str] = (), own_counts: bool = True,
        others: Collection[str] = (), wanted: Collection[str] | None = None,
    ) -> set[str]:  # fmt: skip
        """Whose right `by` could use now; nobody's if they may not decide."""
        if not self.can_act(by) or by in voted or (by == model.requester and own_counts and not model.requester_may):
            return set()
        entitled = self.people((*model.deciders, *others)) if wanted is None else wanted
        if by in entitled:
            return {by}
        return {
            one
            for one in self.handed_to(by).intersection(entitled)
            if one not in voted and (one != model.requester or not own_counts)
        }

    def handed_to(self, by: str) -> set[str]:
        handed = {one.principal for one in self.handed if one.delegate == by and one.begins <= self.now < one.ends}
        return handed - self.stage.workspace.gone  # whoever has left has no right that could be used in their place

    def used(self, budget: str, period: str, but: Model | None = None) -> Decimal:
        return sum((m.held for m in self.models.values() if m.period == period and m is not but), Decimal(0))

    def is_over(self, budget: str, model: Model, cost: Decimal) -> bool:
        return self.used(budget, model.period, model) + cost > LIMITS[budget]

    def is_asked(self, model: Model, *, again: bool, besides: Decimal = Decimal(0)) -> None:
        """The rules, as somebody would read them aloud. `besides`: so much of the budgets does not stand in its way."""
        model.period = self.now.strftime("%Y-%m")
        total = model.total
        model.requester_may, model.owners = False, ()
        model.needs, model.approvers = 1, (FINANCE,)
        if total > LARGE:
            model.needs, model.approvers = 2, (FINANCE, OLGA)
        elif model.channel == OWN:
            model.requester_may, model.approvers = True, (FINANCE, BEA)
        is_small = total < AUTO_BELOW and model.channel != OWN
        if self.used(SHOP, model.period, model) - besides + total > LIMITS[SHOP]:
            model.owners, model.requester_may = (OLGA,), False
            if is_small:  # nobody else would have been asked
                model.approvers = (OLGA,)
        self.waits_again(model)
        if is_small and not model.owners and not again:
            self.is_approved(model)
        model.cards.append(model.fingerprint)

    def is_approved(self, model: Model, *, at_once: bool = False) -> None:
        model.state, model.approved_at = S.APPROVED, model.total
        model.can_stop = not at_once
        model.not_before = None if at_once else self.now + UNDO

    def waits_again(self, model: Model) -> None:
        model.state, model.votes, model.approved_at = S.AWAITING, [], None
        model.also, model.instead_of = (), ()
        model.can_stop, model.not_before, model.waits_since = False, None, self.now

    def ends(self, model: Model, state: RequestState, spent: Decimal = Decimal(0)) -> None:
        model.state, model.spent, model.asks_person, model.approved_at = state, spent, False, None

    def is_ordered(self, key: str, things: tuple[str, ...]) -> None:
        """The shop is told to sell: is that what was approved, and is it its time?"""
        model = self.models[key.partition("#")[0]]
        cost = sum((self.stage.shop.prices[one] for one in things), Decimal(0))
        reasons = {
            "not approved": model.state is not S.APPROVED or model.approved_at is None,
            "another attempt": key != model.key,
            "sent before": key in self.orders,
            "other things": set(things) != set(model.things),
            "too early": model.not_before is not None and model.not_before > self.now,
            "too dear": cost > (model.approved_at or Decimal(0)) * (1 + TOLERANCE),
            "over the budget": cost > model.total and not model.owners and self.is_over(SHOP, model, cost),
            "over what is refused": cost > model.total and self.is_over(TEAM, model, cost),
        }
        self.wrong += [f"{key}: {why}" for why, holds in reasons.items() if holds]
        self.orders.append(key)
        model.things = {one: self.stage.shop.prices[one] for one in model.things}
        model.state, model.not_before, model.can_stop = S.EXECUTING, None, False

    # Asking.

    @initialize(target=requests, large=st.booleans(), rich=st.booleans(), handed=st.booleans(), house=both)
    def there_is_something_to_decide(self, large: bool, rich: bool, handed: bool, house: int) -> Any:
        """One of Omar, who may decide as well, and one of Ana; perhaps much is spent, and people are away."""
        if rich:
            self.is_asked_approved_and_sent(["car"], house, "does")
        one = self.asks(OMAR, ["coat", "cup", "hat"] if large else ["coat"], house, False)
        if handed:
            self.hands_over(OMAR, DORA, 1, house)
            self.hands_over(FINN, DORA if large else BEA, 1, house)
        if isinstance(one, Model):
            self.everybody_else_tries(one, house)
        return multiple(one, self.asks(ANA, ["bag", "pin"], house, False))

    @rule(target=drafts, by=st.sampled_from([ANA, BEA, OMAR]), things=some_things, house=both, own=st.booleans())
    def fills_in_a_form(self, by: str, things: list[str], house: int, own: bool) -> tuple[Request, list[Decimal]]:
        self.stage.shop.is_down = False
        draft = self.do(self.stage.houses[house].reviewed(by, *things, channel=OWN if own else CHANNEL))
        return draft, [self.stage.shop.prices[one] for one in things]

    @rule(target=requests, draft=drafts, by=st.none() | who, house=both, seen=st.sampled_from(["now", "now", "none"]))
    def confirms(self, draft: tuple[Request, list[Decimal]], by: str | None, house: int, seen: str) -> Any:
        return self.submits(*draft, by or draft[0].requester, house, draft[0].fingerprint[:SEEN] * (seen == "now"))

    @rule(target=requests, by=st.sampled_from([ANA, BEA, OMAR]), things=some_things, house=both, own=st.booleans())
    def asks(self, by: str, things: list[str], house: int, own: bool) -> Any:
        draft, prices = self.fills_in_a_form(by, things, house, own)
        return self.submits(draft, prices, by, house, draft.fingerprint[:SEEN])

    def submits(self, draft: Request, prices: list[Decimal], by: str, house: int, seen: str) -> Any:
        things = dict(zip(draft.input["things"], prices, strict=True))
        model = Model(draft.id, draft.requester, draft.channel, things, frozenset(things))
        pending = {one for m in self.models.values() if m.state in OPEN for one in m.subjects}
        fits = self.used(TEAM, self.now.strftime("%Y-%m")) + model.total <= LIMITS[TEAM]
        possible = (
            draft.id not in self.models and by == draft.requester and bool(seen) and bool(draft.fingerprint)
            and not pending & set(things) and fits
        )  # fmt: skip
        asked = self.tries(self.stage.houses[house].drafts.submit(draft.id, by, seen=seen))
        assert (asked is not None) == possible
        if asked is None:
            return multiple()
        self.is_asked(model, again=False)
        self.models[model.id] = model
        model.copies.append(asked)
        return model

    # Deciding.

    @rule(
        data=st.data(),
        verdict=st.sampled_from([Verdict.APPROVE] * 3 + [Verdict.DENY]),
        seen=cards,
        house=both,
        out=st.sampled_from([set[str]()] * 3 + [{"pin"}, {"cup"}, {"bag"}, {"car"}, {"nothing"}]),
    )
    @precondition(lambda self: self.models)
    def clicks_on_a_card(self, data: st.DataObject, verdict: Verdict, seen: str, house: int, out: set[str]) -> None:
        model = self.some_model(data)
        self.decides(model, self.somebody_near(data, model), verdict, seen, house, out)

    def some_model(self, data: st.DataObject) -> Model:
        """Most often one that still waits."""
        waits = [m for m in self.models.values() if m.state is S.AWAITING]
        return data.draw(st.sampled_from([*waits, *waits, *self.models.values()]))

    def somebody_near(self, data: st.DataObject, model: Model) -> str:
        """Most often somebody who has to do with it: who asked, who has voted, who stands in for them, who may."""
        near = [model.requester, *(one for vote in model.votes for one in vote)]
        near += [one.delegate for one in self.handed if one.ends > self.now]
        near += sorted(self.people(model.deciders))
        return data.draw(st.sampled_from([*near, *near, *PEOPLE]))

    def decides(self, model: Model, by: str, verdict: Verdict, seen: str, house: int, out: set[str]) -> None:
        if by in self.stage.workspace.held:
            return
        without = out if verdict is Verdict.APPROVE else set()
        shown = model.shown(seen)
        possible = self.may_decide(model, by, verdict, shown, without)
        step = self.stage.houses[house].approvals.decide(
            model.id, by, verdict, seen=shown, reason="Because", without=without
        )
        decided = self.tries(step)
        assert (decided is not None) == bool(possible), (model, by, verdict, without)
        self.may_have_expired(model)
        if decided is not None:
            self.is_decided(model, by, verdict, without, possible)

    @precondition(lambda self: any(m.state is S.AWAITING for m in self.models.values()))
    @rule(house=both, data=st.data())
    def somebody_entitled_says_yes(self, house: int, data: st.DataObject) -> None:
        model = data.draw(st.sampled_from([m for m in self.models.values() if m.state is S.AWAITING]))
        by = sorted(one for one in PEOPLE if self.may_decide(model, one, Verdict.APPROVE, model.shown("now"), set()))
        out = data.draw(st.sampled_from([None, None, *model.things])) if len(model.things) > 1 else None
        if by:
            self.decides(model, data.draw(st.sampled_from(by)), Verdict.APPROVE, "now", house, {out} if out else set())
        if model.state is S.AWAITING:  # one yes is there, and whoever gave it, or for whom, is no second one
            self.everybody_else_tries(model, house)

    @precondition(lambda self: self.models)
    @rule(house=both, data=st.data())
    def whoever_may_not_tries(self, house: int, data: st.DataObject) -> None:
        """Everybody else, one after the other, on a card that is as new as can be."""
        model = self.some_model(data)
        self.everybody_else_tries(model, house)
        for by in PEOPLE:
            if not self.rights(model, by) and by != model.requester:
                self.stops(model, by, house)
            if not self.may_settle(model, by, "again"):
                self.settles(model, by, "again", house)

    def everybody_else_tries(self, model: Model, house: int) -> None:
        for by in PEOPLE:
            if not self.may_decide(model, by, Verdict.APPROVE, model.shown("now"), set()):
                self.decides(model, by, Verdict.APPROVE, "now", house, set())

    def may_decide(self, model: Model, by: str, verdict: Verdict, shown: str, without: set[str]) -> set[str]:
        """Whose right it would be; nobody's where the click must not be taken."""
        if not self.waits(model) or len(shown) < SEEN or not model.fingerprint.startswith(shown):
            return set()
        if not without <= set(model.things) or without == set(model.things):
            return set()
        if verdict is Verdict.DENY:
            return self.rights(model, by)
        votes = self.counting(model)
        lacks = self.lacks(model, votes)
        voted = {one for vote in votes for one in vote} if lacks else set[str]()
        return self.rights(model, by, voted=voted, wanted=self.people(lacks or model.deciders))

    def lacks(self, model: Model, votes: Collection[tuple[str, str]]) -> list[str]:
        """Whose yes is missing still, people and groups."""
        return [one for part in self.lacking(model, votes) for one in model.parts[part][0]]

    def lacking(self, model: Model, votes: Collection[tuple[str, str]]) -> list[int]:
        """Of the rule's own people (0), of the owners (1): whose yes is missing still."""
        principals = {principal for _, principal in votes}
        instead = {one for voter, _ in votes for one in self.handed_to(voter)} - {model.requester}
        said_yes = [principals, principals | instead]  # for an owner also in their place
        return [
            part
            for part, (named, needs) in enumerate(model.parts)
            if len(self.people(named) & said_yes[part]) < needs
        ]  # fmt: skip

    def waits(self, model: Model) -> bool:
        """Whether it can be decided: what has waited too long has ended, also before anybody has said so."""
        return model.state is S.AWAITING and model.waits_since is not None and self.now < model.waits_since + EXPIRES

    def counting(self, model: Model) -> list[tuple[str, str]]:
        """The votes of those who still may decide, and are still here."""
        entitled = self.people(model.deciders)
        own = set() if model.requester_may else {model.requester}
        gone = self.stage.workspace.gone | own
        return [
            (voter, principal)
            for voter, principal in model.votes
            if principal in entitled and not {voter, principal} & gone
        ]

    def may_have_expired(self, model: Model) -> None:
        """A late click ends it, if no beat has done so before."""
        if model.state is S.AWAITING and not self.waits(model) and self.state_of(model) is S.EXPIRED:
            self.ends(model, S.EXPIRED)

    def is_decided(self, model: Model, by: str, verdict: Verdict, without: set[str], right: set[str]) -> None:
        if verdict is Verdict.DENY:
            self.ends(model, S.DENIED)
            return
        model.votes = self.counting(model)
        if without:
            model.things = {one: price for one, price in model.things.items() if one not in without}
            model.subjects -= without
            model.votes = []
            fits = bool(model.owners) and not self.is_over(SHOP, model, model.total)
            if fits and all(1 in self.lacking(model, [(by, one)]) for one in right):
                self.is_asked(model, again=True)  # what is left is for the rules alone
                return
        [principal] = self.stage.rows(
            "SELECT principal FROM votes WHERE request_id = ? AND voter = ? ORDER BY rowid DESC LIMIT 1", model.id, by
        )
        assert principal[0] in right
        if without:
            model.cards.append(model.fingerprint)
        model.votes.append((by, principal[0]))
        if not self.lacks(model, model.votes):
            self.is_approved(model)

    @rule(target=requests, things=some_things, house=both, own=st.booleans())
    def is_asked_and_approved(self, things: list[str], house: int, own: bool) -> Any:
        """The way that most requests go, so that the steps after it are reached as often as those before it."""
        model = self.asks(ANA, things, house, own)
        if isinstance(model, Model):
            for by in PEOPLE:
                if self.may_decide(model, by, Verdict.APPROVE, model.shown("now"), set()):
                    self.decides(model, by, Verdict.APPROVE, "now", house, set())
            return model
        return multiple()

    @rule(target=requests, things=some_things, house=both, mood=moods)
    def is_asked_approved_and_sent(self, things: list[str], house: int, mood: str) -> Any:
        model = self.is_asked_and_approved(things, house, False)
        if isinstance(model, Model) and model.state is S.APPROVED:
            self.stage.clock.at = max(self.now, model.not_before or self.now)
            self.sends(model, house, mood)
        return model

    @rule(target=requests, things=some_things, house=both, mood=st.sampled_from([*UNCLEAR, *HANGS]))
    def is_left_unclear(self, things: list[str], house: int, mood: str) -> Any:
        """And the way of those of which nobody knows what became, until a person is asked."""
        model = self.is_asked_approved_and_sent(things, house, mood)
        if mood in HANGS:
            self.a_process_dies_and_comes_back(house)
            self.stage.clock.passes(minutes=2)
            self.what_lapsed_is_settled(house)
        self.stage.clock.passes(minutes=1)
        self.looks_at_what_is_due(1 - house, False)
        self.stage.clock.passes(minutes=15)
        self.looks_at_what_is_due(house, False)
        return model

    @rule(model=requests, by=st.none() | who, house=both)
    def cancels(self, model: Model, by: str | None, house: int) -> None:
        by = by or model.requester
        possible = by == model.requester and self.can_be_cancelled(model)
        cancelled = self.tries(self.stage.houses[house].approvals.cancel(model.id, by))
        assert (cancelled is not None) == possible
        if possible:
            self.ends(model, S.CANCELLED)

    @staticmethod
    def can_be_cancelled(model: Model) -> bool:
        return model.state is S.AWAITING or (model.state is S.APPROVED and model.not_before is not None)

    @rule(data=st.data(), house=both)
    @precondition(lambda self: any(m.state is S.APPROVED for m in self.models.values()))
    def is_stopped(self, data: st.DataObject, house: int) -> None:
        """While there is time, and where there never was any."""
        model = data.draw(st.sampled_from([m for m in self.models.values() if m.state is S.APPROVED]))
        self.stops(model, self.somebody_near(data, model), house)

    def stops(self, model: Model, by: str, house: int) -> None:
        if by in self.stage.workspace.held:
            return
        if by == model.requester:
            possible = self.can_be_cancelled(model)
        else:
            possible = bool(self.rights(model, by)) and model.state is S.APPROVED and model.can_stop
        stopped = self.tries(self.stage.houses[house].approvals.stop(model.id, by))
        assert (stopped is not None) == possible
        if possible and by == model.requester:
            self.ends(model, S.CANCELLED)
        elif possible:
            self.is_asked(model, again=True, besides=self.begun_later(model))

    def begun_later(self, model: Model) -> Decimal:
        """What requests begun after this one have taken of the month; nothing where an owner has to decide."""
        if model.owners or model.period != self.now.strftime("%Y-%m"):
            return Decimal(0)
        later = self.stage.rows(
            "SELECT id FROM requests WHERE rowid > (SELECT rowid FROM requests WHERE id = ?)", model.id
        )
        others = [self.models[one[0]] for one in later if one[0] in self.models]
        return sum((one.held for one in others if one.period == model.period), Decimal(0))

    @rule(data=st.data(), seen=cards, house=both, reason=st.sampled_from(["It burns", "It burns", " "]))
    @precondition(lambda self: self.models)
    def it_cannot_wait(self, data: st.DataObject, seen: str, house: int, reason: str) -> None:
        by = data.draw(st.sampled_from([*sorted(self.people([EMERGENCY])), *PEOPLE]))
        model = self.some_model(data)
        self.breaks_the_glass(model, by, seen, house, reason)
        for one in sorted(self.people(model.deciders) - {model.requester})[:1]:
            if not model.can_stop:  # there never was any time for that
                self.stops(model, one, house)

    def breaks_the_glass(self, model: Model, by: str, seen: str, house: int, reason: str) -> None:
        if by in self.stage.workspace.held:
            return
        shown = model.shown(seen)
        possible = (
            self.can_act(by) and by in self.people([EMERGENCY]) and self.waits(model)
            and len(shown) >= SEEN and model.fingerprint.startswith(shown) and bool(reason.strip())
        )  # fmt: skip
        broken = self.tries(self.stage.houses[house].approvals.break_glass(model.id, by, reason, seen=shown))
        assert (broken is not None) == possible
        self.may_have_expired(model)
        if possible:
            self.is_approved(model, at_once=True)

    @rule(
        by=st.sampled_from([OMAR, FINN, OLGA, BEA, ANA]),
        delegate=st.sampled_from([*PEOPLE, DORA, FINN]),
        hours=st.sampled_from([-1, 1, 1, 30]),
        house=both,
    )
    def hands_over(self, by: str, delegate: str, hours: int, house: int) -> None:
        if {by, delegate} & self.stage.workspace.held.keys():
            return
        until = self.now + timedelta(hours=hours)
        possible = delegate != by and hours > 0 and self.can_act(delegate) and self.can_act(by)
        possible = possible and by in self.people([FINANCE, OLGA, BEA])
        handed = self.tries(self.stage.houses[house].approvals.hand_over(by, delegate, until, CHANNEL))
        assert (handed is not None) == possible
        if possible:
            self.takes_all_back(by)
            self.handed.append(Handed(by, delegate, self.now, until))

    @rule(by=who, house=both)
    def takes_back(self, by: str, house: int) -> None:
        possible = any(one.principal == by and one.ends > self.now for one in self.handed)
        assert self.do(self.stage.houses[house].approvals.take_back(by)) == possible
        self.takes_all_back(by)

    def takes_all_back(self, by: str) -> None:
        for one in self.handed:
            if one.principal == by and one.ends > self.now:
                one.ends = self.now

    # A click whose person is being looked up meanwhile.

    @rule(target=clicks, model=requests, by=who, house=both, what=st.sampled_from(["yes", "again", "did_not"]))
    def clicks_and_slack_takes_its_time(self, model: Model, by: str, house: int, what: str) -> Any:
        workspace = self.stage.workspace
        if by in workspace.held:
            return multiple()
        workspace.held[by] = asyncio.Event()
        its, seen = self.stage.houses[house], model.shown("now")
        step = (
            its.approvals.decide(model.id, by, Verdict.APPROVE, seen=seen)
            if what == "yes"
            else its.settling.settle(model.id, by, what)
        )
        task = self.loop.create_task(step)
        click = Click(model, by, what, house, seen, model.asks_person, model.agains, task)
        self.on_the_way.append(click)
        self.do(self.gets_as_far_as_it_can(click))
        return click

    async def gets_as_far_as_it_can(self, click: Click) -> None:
        while click.by not in self.stage.workspace.asked_about and not click.task.done():  # noqa: ASYNC110
            await asyncio.sleep(0.0005)

    @rule(click=consumes(clicks))
    def it_goes_through(self, click: Click) -> None:
        if click not in self.on_the_way:
            return
        self.on_the_way.remove(click)
        self.stage.workspace.held.pop(click.by).set()
        model, by = click.model, click.by
        if click.what == "yes":
            right = self.may_decide(model, by, Verdict.APPROVE, click.seen, set())
            decided = self.tries(click.task)
            assert (decided is not None) == bool(right)
            self.may_have_expired(model)
            if decided is not None:
                self.is_decided(model, by, Verdict.APPROVE, set(), right)
            return
        possible = click.could and click.agains == model.agains and self.may_settle(model, by, click.what)
        seen = self.seen_there(model)
        settled = self.tries(click.task)
        assert (settled is not None) == possible
        if possible:
            self.is_settled(model, by, click.what, seen)

    # What becomes of it.

    @rule(
        house=both, data=st.data(), mood=st.sampled_from([*MOODS, *HANGS]), down=st.sampled_from([False, False, True])
    )
    @precondition(lambda self: self.models)
    def is_sent(self, house: int, data: st.DataObject, mood: str, down: bool) -> None:
        """Also what was read long ago, and what nobody approved."""
        model = data.draw(st.sampled_from(sorted(self.models.values(), key=lambda m: m.state is not S.APPROVED)))
        copy = data.draw(st.sampled_from([None, None, *model.copies[-3:]]))
        if data.draw(st.booleans()) and model.not_before and model.not_before > self.now:
            self.stage.clock.at = model.not_before
        for old in [one for one in model.copies if one.fingerprint != model.cards[-1]][:1]:
            self.sends(model, house, mood, copy=old)  # of which nothing may come
        self.sends(model, house, mood, copy=copy, down=down)

    def sends(self, model: Model, house: int, mood: str, *, copy: Request | None = None, down: bool = False) -> None:
        request = copy or self.do(self.stage.houses[1 - house].store.requests.get(model.id))
        assert request is not None
        model.copies.append(request)
        self.stage.shop.is_down = down
        before, orders = model.state, len(self.orders)
        is_due = before is S.APPROVED and (model.not_before is None or model.not_before <= self.now)
        fits_read = request.fingerprint == model.cards[-1]
        self.do(self.stage.sends(self.stage.houses[house], request, mood))
        self.stage.shop.is_down = False
        assert self.wrong == []
        state = self.state_of(model)
        cost = sum((self.stage.shop.prices[one] for one in model.things), Decimal(0))
        if len(self.orders) > orders:
            self.is_answered(model, state)
        elif state is S.AWAITING and before is S.APPROVED:
            assert fits_read
            moved = abs(cost - model.total) > model.total * TOLERANCE
            grew = cost > model.total and (self.is_over(TEAM, model, cost) or self.is_over(SHOP, model, cost))
            assert moved or (grew and not model.owners)
            model.things = {one: self.stage.shop.prices[one] for one in model.things}
            self.is_asked(model, again=True)
        elif state is S.FAILED and before is S.APPROVED:
            assert fits_read
            assert is_due
            assert down or self.used(TEAM, self.now.strftime("%Y-%m"), model) + cost > LIMITS[TEAM]
            self.ends(model, S.FAILED)
        else:
            assert state is before

    def is_answered(self, model: Model, state: RequestState) -> None:
        """After the shop was asked, or has answered."""
        model.state = state
        model.asks_person = False
        if state is S.SUCCEEDED:
            assert set(self.stage.shop.had(model.key)) == set(model.things)
            self.ends(model, state, model.total)
        elif state is S.FAILED:
            had = set(self.stage.shop.had(model.key))
            self.ends(model, state, sum((price for one, price in model.things.items() if one in had), Decimal(0)))

    @rule()
    @precondition(lambda self: self.stage.shop.hanging)
    def the_shop_answers_at_last(self) -> None:
        self.stage.shop.answers()
        self.do(self.rests())
        self.hears_late()
        self.is_found_out()

    def hears_late(self) -> None:
        """The answer came when somebody had said otherwise: what was bought counts, and is not sent again."""
        late = "SELECT detail FROM audit WHERE what = 'heard_late' AND request_id = ? ORDER BY seq"
        for model in self.models.values():
            heard = [json.loads(detail) for (detail,) in self.stage.rows(late, model.id)]
            for one in heard[model.lates :]:
                if one["outcome"]["kind"] not in ("done", "pending"):
                    continue
                if one["key"] == model.key:
                    model.spent = model.total if model.state is S.FAILED else model.spent
                elif model.state in (S.AWAITING, S.APPROVED):
                    model.agains = int(one["key"].partition("#")[2]) - 1  # what became of it is what that attempt was
                    self.is_answered(model, self.state_of(model))
                else:
                    model.besides += model.total
            model.lates = len(heard)

    async def rests(self) -> None:
        for house in self.stage.houses:
            await house.runs.executions.settled()

    @rule(house=both)
    def what_lapsed_is_settled(self, house: int) -> None:
        self.do(self.stage.houses[house].runs.settle_lapsed())
        self.is_found_out()

    @rule(house=both, down=st.booleans())
    def looks_at_what_is_due(self, house: int, down: bool) -> None:
        self.stage.shop.is_down = down
        self.do(self.stage.looks(self.stage.houses[house]))
        self.stage.shop.is_down = False
        self.is_found_out()

    def is_found_out(self) -> None:
        """Somebody has looked, or heard: what is on disk now must be what the shop's own books say."""
        for model in self.models.values():
            [row] = self.stage.rows("SELECT state, asks_person FROM requests WHERE id = ?", model.id)
            state = S(row["state"])
            if (state, bool(row["asks_person"])) == (model.state, model.asks_person):
                continue
            assert model.state in (S.EXECUTING, S.WORKING, S.UNKNOWN)
            self.is_answered(model, state)
            model.asks_person = bool(row["asks_person"])

    @rule(model=requests, by=who, answer=st.sampled_from(["happened", "did_not", "wait", "again"]), house=both)
    def settles(self, model: Model, by: str, answer: str, house: int) -> None:
        if by in self.stage.workspace.held:
            return
        possible, seen = self.may_settle(model, by, answer), self.seen_there(model)
        settled = self.tries(self.stage.houses[house].settling.settle(model.id, by, answer))
        assert (settled is not None) == possible
        if possible:
            self.is_settled(model, by, answer, seen)

    @precondition(lambda self: any(m.asks_person for m in self.models.values()))
    @rule(house=both, data=st.data(), answer=st.sampled_from(["happened", "did_not", "wait", "again", "again"]))
    def somebody_entitled_settles_it(self, house: int, data: st.DataObject, answer: str) -> None:
        model = data.draw(st.sampled_from([m for m in self.models.values() if m.asks_person]))
        by = sorted(one for one in PEOPLE if self.may_settle(model, one, answer))
        if by:
            self.settles(model, data.draw(st.sampled_from(by)), answer, house)

    def may_settle(self, model: Model, by: str, answer: str) -> bool:
        if answer == "again" and self.seen_there(model):
            return False  # a part of it was seen: all of it once more would buy that part twice
        others = () if answer == "again" else (FINANCE,)
        rights = self.rights(model, by, own_counts=answer != "wait", others=others)
        return model.state is S.UNKNOWN and model.asks_person and bool(rights)

    def seen_there(self, model: Model) -> set[str]:
        """What the person who is asked is told that it is there: nothing but what is."""
        [(outcome,)] = self.stage.rows("SELECT outcome FROM requests WHERE id = ?", model.id)
        items = (json.loads(outcome) if outcome else {}).get("items", ())
        seen = {one["name"] for one in items if one["state"] in ("live", "bought")} if model.asks_person else set()
        assert seen <= set(self.stage.shop.had(model.key))
        return seen

    def is_settled(self, model: Model, by: str, answer: str, seen: set[str]) -> None:
        model.asks_person = False
        if answer == "happened":
            self.ends(model, S.SUCCEEDED, model.total)
        elif answer == "did_not":  # of what was seen, nobody can say so
            self.ends(model, S.FAILED, sum((model.things[one] for one in seen), Decimal(0)))
        elif answer == "again":
            model.agains += 1
            # Whose right it was decides whether that is enough by itself.
            enough = {not self.lacks(model, [(by, one)]) for one in self.rights(model, by)}
            is_enough = self.state_of(model) is S.APPROVED
            assert is_enough in enough
            if is_enough:
                self.is_approved(model)
            else:
                self.waits_again(model)
            model.cards.append(model.fingerprint)
        else:
            model.state = self.state_of(model)
            assert model.state in (S.UNKNOWN, S.WORKING)

    def state_of(self, model: Model) -> RequestState:
        [(state,)] = self.stage.rows("SELECT state FROM requests WHERE id = ?", model.id)
        return S(state)

    # Time, the workspace, the shop, the processes.

    @rule(minutes=st.sampled_from([-5, 1, 1, 5, 15, 130, 5 * 60, 30 * 60]))
    def time_passes(self, minutes: int) -> None:
        self.stage.clock.passes(minutes=minutes)

    @rule(house=both)
    def what_waits_is_looked_after(self, house: int) -> None:
        self.do(self.stage.houses[house].waiting.attend())
        for model in self.models.values():
            if model.state is not S.AWAITING:
                continue
            [row] = self.stage.rows("SELECT state, escalated, ruling FROM requests WHERE id = ?", model.id)
            assert model.waits_since is not None
            age = self.now - model.waits_since
            if row["state"] == S.EXPIRED:
                assert age >= EXPIRES
                self.ends(model, S.EXPIRED)
                continue
            assert age < EXPIRES or self.stage.workspace.is_silent or age < timedelta(0)
            instead_of = tuple(json.loads(row["ruling"])["instead_of"])
            if row["escalated"] and not model.also and not model.owners:
                assert self.short(model) or age >= ESCALATES
                model.also = (OLGA,)
            elif instead_of != model.instead_of:
                short = self.short(model)
                assert model.owners
                assert instead_of == tuple(short)
                assert row["escalated"] == bool(short)
                model.also, model.instead_of = self.instead(short), instead_of

    def short(self, model: Model) -> dict[str, tuple[str, ...]]:
        """Of whom there are not enough left, where nobody stands in for them."""
        gone = self.stage.workspace.gone | (set() if model.requester_may else {model.requester})
        parts = {"": (model.approvers, model.needs)} | ({SHOP: (model.owners, 1)} if model.owners else {})
        return {name: named for name, (named, needs) in parts.items() if len(self.people(named) - gone) < needs}

    def instead(self, short: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
        """Who decides where these are too few: the default approvers, those after them, or both."""
        helps = {who: [who not in named for named in short.values()] for who in (FINANCE, OLGA)}
        alone = [who for who, where in helps.items() if all(where)]
        return tuple(alone[:1] or [who for who, where in helps.items() if any(where)]) if short else ()

    @rule(model=requests, by=who, house=both)
    def slack_does_not_say_who_is_who(self, model: Model, by: str, house: int) -> None:
        """Then nobody may do anything, and what waits goes on waiting."""
        self.stage.workspace.is_silent = True
        self.decides(model, by, Verdict.APPROVE, "now", house, set())
        self.settles(model, by, "again", house)
        self.breaks_the_glass(model, by, "now", house, "It burns")
        self.what_waits_is_looked_after(house)
        self.stage.workspace.is_silent = False

    @rule(
        change=st.one_of(
            st.tuples(st.sampled_from([FINANCE, FINANCE, EMERGENCY]), who),
            st.tuples(st.just("gone"), st.sampled_from([OMAR, OLGA, DORA])),
            st.tuples(
                st.sampled_from(["pin", "bag", "coat", "hat"]), st.sampled_from(["0.90", "1.08", "1.08", "1.50"])
            ),
        )
    )
    def the_world_changes(self, change: tuple[str, str]) -> None:
        """Somebody joins or leaves a group, or the company; or a price is another."""
        what, which = change
        workspace, prices = self.stage.workspace, self.stage.shop.prices
        if what in workspace.groups:
            workspace.groups[what] ^= {which}
        elif what == "gone":
            workspace.gone ^= {which}
        else:
            prices[what] = max(min(prices[what] * Decimal(which), Decimal(150)), Decimal(5)).quantize(Decimal("0.01"))

    @rule(number=both)
    def a_process_dies_and_comes_back(self, number: int) -> None:
        self.do(self.hang_up([one for one in self.on_the_way if one.house == number]))
        self.do(self.stage.restarts(number))

    async def hang_up(self, clicks: Collection[Click]) -> None:
        """Their process is gone before Slack said who they are."""
        for click in list(clicks):
            self.on_the_way.remove(click)
            del self.stage.workspace.held[click.by]
            click.task.cancel()
            await asyncio.gather(click.task, return_exceptions=True)

    # What must hold, always.

    @invariant()
    def every_state_is_what_it_ought_to_be(self) -> None:
        assert self.wrong == []
        rows = {row["id"]: row for row in self.stage.rows("SELECT * FROM requests WHERE state <> 'draft'")}
        assert rows.keys() == self.models.keys()
        for model in self.models.values():
            row = rows[model.id]
            assert S(row["state"]) is model.state
            assert bool(row["asks_person"]) == model.asks_person
            assert row["attempt"] == 1 + model.agains
            if model.state in (S.AWAITING, S.APPROVED):
                assert json.loads(row["input"])["things"] == list(model.things)
            if model.state is S.AWAITING:
                assert row["fingerprint"] == model.fingerprint
                terms = json.loads(row["ruling"])["terms"]
                named = [*terms["approvers"], *(terms["escalate_to"] if row["escalated"] else [])]
                named += [one for owners in terms["owners"] for one in owners]
                assert (set(named), terms["needs"]) == (set(model.deciders), model.needs)
                assert bool(terms["requester_may"]) == model.requester_may

    @invariant()
    def the_money_adds_up(self) -> None:
        expected: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
        for model in self.models.values():
            for budget in LIMITS:
                expected[budget, model.period][model.state.is_final] += model.held
        million = Decimal(1_000_000)
        for table in (
            "SELECT budget, period, SUM(reserved), SUM(spent) FROM reservations GROUP BY budget, period",
            "SELECT budget, period, reserved, spent FROM budget_months",
        ):
            found = {(b, p): [r / million, s / million] for b, p, r, s in map(tuple, self.stage.rows(table)) if r or s}
            assert found == {key: sums for key, sums in expected.items() if any(sums)}
        for (budget, period), sums in expected.items():
            by_owner = [m for m in self.models.values() if m.owners and m.period == period and m.held]
            was_late = any(m.lates for m in self.models.values())  # then it was bought, whatever was left
            if (budget == TEAM or not by_owner) and not was_late:
                assert sum(sums) <= LIMITS[budget]

    @invariant()
    def nothing_is_bought_twice_but_by_a_persons_word(self) -> None:
        assert all(count == 1 for count in Counter(self.stage.shop.bought).values())
        keys = Counter(key.partition("#")[0] for key in self.orders)
        assert all(count <= 1 + self.models[one].agains for one, count in keys.items())
        intents = {row[0] for row in self.stage.rows("SELECT key FROM intents")}
        assert intents == set(self.orders)

    @invariant()
    def every_fact_is_chained_and_told_once(self) -> None:
        for row in self.stage.rows("SELECT * FROM audit WHERE seq > ? ORDER BY seq", self.audited[0]):
            seq, *cells, prev, own = tuple(row)
            assert (seq - 1, prev) == self.audited
            assert own == audit.entry_hash(prev, seq, *cells)
            self.audited = (seq, own)
            detail = json.loads(row["detail"])
            if row["what"] in SAID:
                self.facts[row["request_id"], row["what"]] += 1
            if row["what"] == "edited" and "rule" in detail:
                self.facts[row["request_id"], "asks_for_less"] += 1
            if row["what"] == "attended":
                said = {"void": "votes_void", "own_again": "enough_again"}
                both = [said.get(one, one) for one in ("escalated", "reminded", *said) if one in detail]
                to = self.people(detail.get("escalated", ())) - self.stage.workspace.gone
                if not to - {self.models[row["request_id"]].requester}:  # where nobody is, nobody is told
                    both = [one for one in both if one != "escalated"]
                self.facts.update((row["request_id"], one) for one in both)
                if detail.get("short") == "" and "own_again" not in detail:
                    self.facts[row["request_id"], "enough_again"] += 1
        assert [tuple(row) for row in self.stage.rows("SELECT seq, hash FROM audit_head")] == [self.audited]
        told = {"auto_approved": "asked", "approved_by_one": "approved", "reminder": "reminded"}
        for row in self.stage.rows("SELECT * FROM messages WHERE seq > ? ORDER BY seq", self.read):
            self.read = row["seq"]
            if row["kind"] in ("note", "call"):
                fact = json.loads(row["body"])["fact"]
                if fact not in ("nobody_to_ask", "heard_late") and (row["kind"], fact) != ("call", "asks"):
                    self.notes[row["request_id"], told.get(fact, fact)] += 1
                continue
            surface = (row["request_id"], row["kind"], row["channel"])
            assert surface not in self.surfaces
            self.surfaces.add(surface)
        assert self.notes == self.facts
        for model in self.models.values():
            assert (model.id, "parent", model.channel) in self.surfaces
            if model.state is S.AWAITING or model.asks_person:
                assert (model.id, "card", APPROVALS) in self.surfaces

    @invariant()
    def no_way_leads_out_of_an_end(self) -> None:
        for model in self.models.values():
            before = self.were.get(model.id, model.state)
            assert model.state is before or model.state in ARROWS.get(before, ()), (before, model.state)
            self.were[model.id] = model.state

    @invariant()
    def nobody_is_left_without_a_whole_sentence(self) -> None:
        assert all(sentence.endswith(".") for sentence in self.told)

    @invariant()
    def nothing_broke(self) -> None:
        assert [entry for entry in self.log if "broke" in entry["event"] or entry["event"] == "request_not_run"] == []


MORE = int(os.environ.get("POSTROOM_EXAMPLES", "40"))
"""How many lives are played: as many as the suite has time for, unless somebody asks for more."""

LifeOfRequests.TestCase.settings = settings(
    max_examples=MORE,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
TestLifeOfRequests = LifeOfRequests.TestCase


# What was found in this way once, each as a story of its own.


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    opened = Stage()
    yield opened
    await opened.closes()


async def approved(stage: Stage, *things: str, by: Collection[str] = (OMAR,)) -> Request:
    """Ana asks, they say yes, and it may be sent now."""
    house = stage.houses[0]
    request = await house.asked(ANA, *things)
    for one in by:
        request = await house.approvals.decide(request.id, one, Verdict.APPROVE, seen=request.fingerprint[:SEEN])
    stage.clock.passes(minutes=1)
    return request


async def asks_a_person(stage: Stage, *things: str) -> Request:
    """It was sent, nobody knows what became of it, and the looking is over."""
    house = stage.houses[0]
    request = await approved(stage, *things)
    await stage.sends(house, request, "unclear, did not")
    for minutes in (1, 15):
        stage.clock.passes(minutes=minutes)
        await stage.looks(house)
    request = await house.now(request)
    assert request.asks_person
    return request


async def test_within_the_tolerance_but_over_the_budget_is_for_its_owner(stage: Stage) -> None:
    stage.shop.prices["boat"] = Decimal(280)
    request = await approved(stage, "boat", by=(OMAR, FINN))
    stage.shop.prices["boat"] = Decimal(305)

    await stage.sends(stage.houses[0], request)

    request = await stage.houses[0].now(request)
    assert request.state is S.AWAITING
    assert stage.houses[0].requests.ruling_of(request).over == (SHOP,)
    assert stage.shop.bought == []
    await stage.houses[0].waiting.attend()
    cards = stage.rows("SELECT channel FROM messages WHERE request_id = ? AND kind = 'card'", request.id)
    assert OLGA in [channel for (channel,) in cards]  # whoever was asked before, she was not


@pytest.mark.parametrize("minutes", [0, 15])
@pytest.mark.parametrize("what", ["again", "did_not", "happened"])
async def test_one_word_of_a_person_is_about_one_attempt(stage: Stage, what: str, minutes: int) -> None:
    """Omar's click is slow; meanwhile Finn has had it sent again, and that was unclear as well."""
    house, other = stage.houses
    request = await asks_a_person(stage, "coat")
    stage.workspace.held[OMAR] = asyncio.Event()
    slow = asyncio.ensure_future(other.settling.settle(request.id, OMAR, what))
    await asyncio.sleep(0.01)
    again = await house.settling.settle(request.id, FINN, "again")
    stage.clock.passes(minutes=1)  # it can be stopped meanwhile, as the first one could
    await stage.sends(house, again, "unclear, did")
    for passing in (minutes and 1, minutes):
        stage.clock.passes(minutes=passing)
    before = await house.now(request)

    stage.workspace.held[OMAR].set()
    with pytest.raises(Sorry, match="settled meanwhile"):
        await slow

    assert await house.now(request) == before
    assert len(stage.rows("SELECT key FROM intents")) == 2


async def test_somebody_who_has_left_settles_nothing(stage: Stage) -> None:
    request = await asks_a_person(stage, "coat")
    stage.workspace.groups[FINANCE] |= {OMAR}
    stage.workspace.gone.add(OMAR)

    for answer in ("happened", "did_not", "wait", "again"):
        with pytest.raises(Sorry, match="do not belong to this workspace"):
            await stage.houses[0].settling.settle(request.id, OMAR, answer)

    assert await stage.houses[0].now(request) == request
    refused = stage.rows("SELECT actor FROM audit WHERE what = 'click_refused'")
    assert [actor for (actor,) in refused] == [OMAR] * 4


@pytest.mark.parametrize("trouble", ["none", "dearer", "down"])
async def test_what_was_read_before_it_was_edited_is_not_true_of_it(stage: Stage, trouble: str) -> None:
    """It was on the list of what to send; before its turn came, it was stopped, and approved without the hat."""
    house, other = stage.houses
    on_the_list = await approved(stage, "bag", "hat")
    await other.approvals.stop(on_the_list.id, FINN)
    seen = on_the_list.fingerprint[:SEEN]
    edited = await other.approvals.decide(on_the_list.id, FINN, Verdict.APPROVE, seen=seen, without=["hat"])
    stage.clock.passes(minutes=1)
    stage.shop.prices["hat"] *= 2 if trouble == "dearer" else 1
    stage.shop.is_down = trouble == "down"

    await stage.sends(house, on_the_list)

    assert await house.now(edited) == edited
    assert edited.input["things"] == ["bag"]
    stage.shop.is_down = False
    await stage.sends(house, edited)
    assert [thing for _, thing in stage.shop.bought] == ["bag"]


async def test_nobody_gets_two_cards(stage: Stage) -> None:
    """Omar is to be pinged, and it is taken to him because too few can decide: at the same moment."""
    default = replace(policy().default, needs=2, ping=(OMAR,), escalate_to=(OMAR, OLGA))
    house = House(stage.path, stage.clock, stage.workspace, stage.shop, policy(default=default, rules=()))
    stage.workspace.groups[FINANCE] = {OMAR}
    request = await house.asked(ANA, "coat")

    await house.waiting.attend()

    cards = stage.rows("SELECT channel FROM messages WHERE request_id = ? AND kind = 'card'", request.id)
    assert sorted(channel for (channel,) in cards) == sorted([APPROVALS, OMAR, OLGA])
    await house.dies()


async def test_a_late_answer_ends_nothing_that_it_is_not_about(stage: Stage) -> None:
    house, other = stage.houses
    request = await approved(stage, "coat")
    await stage.sends(house, request, "hangs before")
    stage.clock.passes(minutes=2)
    await other.runs.settle_lapsed()
    for minutes in (1, 15):
        stage.clock.passes(minutes=minutes)
        await stage.looks(other)
    again = await other.settling.settle(request.id, OMAR, "again")
    stage.clock.passes(minutes=1)
    late = stage.shop.hanging[0]
    await stage.sends(other, again, "hangs before")

    late.set()
    await house.runs.executions.settled()

    assert (await house.now(request)).state is S.EXECUTING
    [(detail,)] = stage.rows("SELECT detail FROM audit WHERE what = 'heard_late'")
    assert json.loads(detail)["key"] == f"{request.id}#1"
    stage.shop.answers()
    await other.runs.executions.settled()
    assert (await house.now(request)).state is S.SUCCEEDED
