"""What people ask about requests and about money, as far as they may know it. Nothing is changed here. No Slack here.

Whoever asked for something, whoever may decide it and whoever stands where it was asked, or where its card is, may know
all about it; so may every colleague, if it was asked in a channel that is open to them. What else was asked is to them
as if it had never been: a refusal would tell that it is there.

What is no request's but the house's own, its budgets and what the providers say about its accounts, is for members of
the workspace: guests know only what was asked where they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic_core import PydanticCustomError

from handlers.policy import Budget, Ruling, explain, period_of, rule
from handlers.requests import Asker, Requests, Sorry
from handlers.rulings import circumstances
from handlers.who import DirectoryUnavailable
from providers.accounts import Clock
from providers.fields import parse_address, parse_domain
from storage.records import AuditEntry, BudgetUse, Delegation, Json, Request, RequestState, Reservation, Vote
from storage.store import Store

_SILENT = "Slack did not say who may know about this, so nothing is shown. Try again in a minute."
FOR_MEMBERS = (
    "You are a guest in this workspace, and guests are told only what was asked where they are. Nothing else is shown: "
    "ask one of its members."
)
MOST_ABOUT = 50
"""So many requests about one thing are looked at, the newest."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a budget's present month has used up, and when that month `ends` (aware, in the budget's time zone)."""

    budget: Budget
    use: BudgetUse
    ends: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Why a request is where it is.

    `passed_over` are sentences about the rules that were not about it. `entitled` are the people who may decide it now,
    `stand_ins` whose right somebody else has meanwhile. `votes` are those on what is asked now, and `lacking` what they
    are not enough for, as far as the last of them told. `expires` None: it waits for ever. `escalates` None: it does
    not, or did already.
    """

    request: Request
    ruling: Ruling
    passed_over: Sequence[str]
    entitled: frozenset[str]
    stand_ins: Sequence[Delegation]
    votes: Sequence[Vote]
    lacking: Sequence[Json]
    expires: datetime | None
    escalates: datetime | None
    held: Sequence[tuple[Reservation, BudgetUse]]


class Questions:
    """Everything that people ask, each a method that a listener calls."""

    def __init__(self, store: Store, requests: Requests, clock: Clock) -> None:
        self._store = store
        self._requests = requests
        self._policy = requests.policy
        self._clock = clock

    def now(self) -> datetime:
        """This moment, aware UTC."""
        return self._clock.now()

    # Who asks.

    async def is_member(self, user: str) -> bool:
        """Whether somebody may know what is the house's own. Raises Sorry when Slack does not say."""
        try:
            return await self._requests.who.is_active(user)
        except DirectoryUnavailable as error:
            raise Sorry(_SILENT) from error

    async def members_only(self, user: str) -> None:
        """Raises Sorry for guests, and when Slack does not say."""
        if not await self.is_member(user):
            raise Sorry(FOR_MEMBERS)

    # A request.

    async def named(self, said: str, by: Asker) -> Request:
        """The request that was named, with or without `req_`; without a name `by`'s own newest. Raises Sorry."""
        if not said:
            mine = await self._store.requests.of(by.user, 1)
            if not mine:
                raise Sorry("You have not asked for anything yet. Name a request by the id on its card.")
            return mine[0]
        found = await self._found(said)
        if found is None or not await self.may_know(found, by):
            raise Sorry("There is no such request that you may know about. Its id is at the bottom of its card.")
        return found

    async def _found(self, said: str) -> Request | None:
        bare = said.strip("`").lower()
        found = await self._store.requests.get(bare if bare.startswith("req_") else f"req_{bare}")
        return None if found is None or found.state is RequestState.DRAFT else found

    async def may_know(self, request: Request, by: Asker) -> bool:
        """Whether all about a request may be shown to `by`, where they are. Raises Sorry when Slack does not say."""
        return bool(await self.known([request], by))

    async def known(self, requests: Sequence[Request], by: Asker) -> list[Request]:
        """Those of these requests all about which may be shown to `by`, where they are.

        Raises Sorry when Slack does not say. Whatever several of them depend on is asked once.
        """
        others = [one for one in requests if not self._is_near(one, by)]
        if not others:
            return list(requests)
        try:
            may = await self._may_know(others, by.user)
        except DirectoryUnavailable as error:
            raise Sorry(_SILENT) from error
        hidden = {one.id for one in others if not may[self._concerned(one), one.channel]}
        return [one for one in requests if one.id not in hidden]

    def _is_near(self, request: Request, by: Asker) -> bool:
        """Whether it is theirs, or they stand where it was asked or where its card is."""
        is_there = by.channel != "" and by.channel in (request.channel, self._policy.channel)
        return is_there or by.user in (request.requester, request.decided_by)

    def _concerned(self, request: Request) -> tuple[str, ...]:
        """The people and groups who may know about a request because they may decide about it."""
        named = self._requests.ruling_of(request).terms.deciders(escalated=True)
        return (*named, *self._policy.default.approvers, *self._policy.break_glass)

    async def _may_know(self, requests: Sequence[Request], by: str) -> dict[tuple[tuple[str, ...], str], bool]:
        """Whether somebody may know what concerns these people and was asked in this channel, for each such pair."""
        pairs = {(self._concerned(one), one.channel) for one in requests}
        who = self._requests.who
        if not await who.is_active(by):
            return dict.fromkeys(pairs, False)
        handed = await self._store.look(lambda books: books.handed_to(by, self._clock.now()))
        own = {by, *await who.active(one.principal for one in handed)}
        decides = {named: bool(own & await who.among(named)) for named in {named for named, _ in pairs}}
        channels = list({channel for named, channel in pairs if not decides[named]})
        is_open = dict(zip(channels, await asyncio.gather(*map(who.is_open, channels)), strict=True))
        return {(named, channel): decides[named] or is_open[channel] for named, channel in pairs}

    async def standing(self, request: Request) -> Standing:
        """Which rule holds, who decides, who has, until when, and what it counts against. Raises Sorry."""
        ruling = self._requests.ruling_of(request)
        since = request.waiting_since or request.created_at
        try:
            entitled = await self._requests.who.able(ruling.terms.deciders(request.escalated))
        except DirectoryUnavailable as error:
            raise Sorry(_SILENT) from error
        away = [one for one in await self._store.delegations.in_force(self._clock.now()) if one.principal in entitled]
        votes, lacking = await self._store.look(
            lambda books: (books.votes(request.id, request.fingerprint), books.lacking(request))
        )
        terms = ruling.terms
        escalate_after = terms.escalate_after if terms.escalate_to and not request.escalated else None
        return Standing(
            request=request,
            ruling=ruling,
            passed_over=self._passed_over(request, ruling),
            entitled=entitled,
            stand_ins=[one for one in away if one.delegate != request.requester],
            votes=votes,
            lacking=lacking,
            expires=None if terms.expires_after is None else since + terms.expires_after,
            escalates=None if escalate_after is None else since + escalate_after,
            held=await self._store.requests.held_by(request.id),
        )

    def _passed_over(self, request: Request, ruling: Ruling) -> Sequence[str]:
        """Why the rules before its own are not about it; nothing where the rules have changed since it was ruled."""
        try:
            action = self._requests.action_of(request)
        except Sorry:
            return ()
        quote = self._requests.quote_of(request)
        seen = circumstances(request, action, quote, frozenset(ruling.groups))
        ruled = rule(self._policy, seen)
        return explain(self._policy, seen)[: -len(ruled.why)] if ruled.rule == ruling.rule else ()

    # A thing.

    async def about(self, said: str, by: Asker) -> list[Request]:
        """The requests about a domain, an address, or the one request that was named, newest first. Raises Sorry."""
        found = await self._found(said)
        requests = [found] if found else await self._store.requests.about(_subject(said), MOST_ABOUT)
        return await self.known(requests, by)

    async def facts(self, request: Request) -> list[AuditEntry]:
        """All that happened to a request, the oldest first."""
        return await self._store.facts.of(request.id)

    # Money.

    async def budgets(self, by: Asker, *, everybodys: bool = False) -> list[Spent]:
        """The budgets that concern `by` or the channel they are in, or all there are. Raises Sorry, for guests too."""
        await self.members_only(by.user)
        try:
            groups = frozenset() if everybodys else await self._requests.who.groups_of(by.user)
        except DirectoryUnavailable as error:
            raise Sorry("Slack did not say which teams you belong to. Try again in a minute.") from error
        return await self.spent(
            one for one in self._policy.budgets if everybodys or one.team in ("", by.channel, *groups)
        )

    async def spent(self, budgets: Iterable[Budget]) -> list[Spent]:
        """What these budgets' present months have used up."""
        now = self._clock.now()
        months = [(one, period_of(one, now)) for one in budgets]
        used = await self._store.look(lambda books: [books.use(one.name, period) for one, period in months])
        return [Spent(one, use, _end_of_month(one, now)) for (one, _), use in zip(months, used, strict=True)]


def _end_of_month(budget: Budget, now: datetime) -> datetime:
    """The first moment of the next month, where the budget is."""
    local = now.astimezone(ZoneInfo(budget.time_zone))
    year, month = (local.year, local.month + 1) if local.month < 12 else (local.year + 1, 1)
    return datetime(year, month, 1, tzinfo=ZoneInfo(budget.time_zone))


def _subject(said: str) -> str:
    """What was typed, as requests are found by it; raises Sorry where it can be nothing that was ever asked for."""
    try:
        return parse_address(said) if "@" in said.strip("@") else parse_domain(said.strip("@"))
    except PydanticCustomError:
        return said.strip()
