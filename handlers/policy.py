"""Who must say yes, how often, until when, and what it counts against: pure functions, no Slack, no I/O.

People, user groups and channels are ids of the settings: `U…` or `W…`, `S…`, `C…` or `G…`. They stand in sentences as
they are; whoever shows a sentence puts names in their place.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import JsonValue, TypeAdapter, ValidationError

from providers.action import Effect, Quote
from storage.records import Delegation, Vote

JITTER = 0.2
"""Waiting times vary by this share up and down, so that jobs begun together do not ask together."""
GROWTH = 1.5
"""Each wait is this many times the one before."""
LONGEST_WAIT = timedelta(days=2)
"""From when it was asked: what could not be sent until then, because it was too early all the time, has failed."""

CREDITS = "credits"
"""What stands in the place of a currency where a provider takes credits."""

_OWN = "This is your own request, so somebody else has to decide it. Nothing was changed."
_OWN_HANDED_OVER = (
    "Whoever asked for this handed their decisions over to you. Their own request has to be decided by somebody else. "
    "Nothing was changed."
)
_NOT_AMONG = "You are not among the people who may decide this. Nothing was changed."
_ENOUGH = (
    "Enough of those among whom you are have said yes already; it waits for an owner of the budget that it goes over. "
    "Nothing was changed."
)
_VOTED = "You have already approved this; it waits for somebody else. Nothing was changed."
_VOTED_INSTEAD = (
    "Whoever decides in your place has already approved this for you; it waits for somebody else. Nothing was changed."
)
_VOTED_FOR = (
    "Whoever handed their decisions over to you has already approved this; it waits for somebody else. "
    "Nothing was changed."
)


# What the settings say.


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rule, or the defaults, ask for.

    `needs` different people of the `approvers` must say yes. `ping` get a card of their own and are mentioned; the
    others merely may. Below `auto_below`, in the rule's currency, nobody is asked. `expires_after` None: it waits for
    ever. `remind_after` are ages, rising. Once it was taken to `escalate_to`, they may decide as well. `owners`: one of
    each of these has to be among those who say yes, for it goes over a budget of theirs.
    """

    approvers: tuple[str, ...]
    needs: int = 1
    requester_may: bool = False
    ping: tuple[str, ...] = ()
    auto_below: Decimal | None = None
    expires_after: timedelta | None = None
    remind_after: tuple[timedelta, ...] = ()
    escalate_to: tuple[str, ...] = ()
    escalate_after: timedelta | None = None
    owners: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        if self.needs < 1:
            raise ValueError("at least one person has to say yes")

    def deciders(self, escalated: bool) -> tuple[str, ...]:
        """Users and groups who may decide now, each once."""
        return _each_once(self.approvers, self.escalate_to if escalated else (), *self.owners)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a rule is for; what is left empty holds for everything.

    `action` is a glob on the command ("domain *"). The cost must be more than `over` and less than `under`.
    `requesters` are users and user groups, one of which is enough.
    """

    action: str = ""
    effect: Effect | None = None
    provider: str = ""
    account: str = ""
    over: Decimal | None = None
    under: Decimal | None = None
    currency: str = ""
    channel: str = ""
    requesters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One `[[approvals.rules]]`: for what these conditions meet, these terms hold."""

    name: str
    conditions: Conditions
    terms: Terms


@dataclass(frozen=True, slots=True)
class Budget:
    """One `[[budgets]]`: at most `limit` a calendar month of `time_zone`, in `currency` (ISO 4217, or "credits").

    `team` is the user group whose members' requests count, or the channel asked from; empty: everybody's. An empty
    `provider` is all of them. `over` says what becomes of more: refused, or decided by the `owners`.
    """

    name: str
    limit: Decimal
    currency: str
    time_zone: str = "UTC"
    team: str = ""
    provider: str = ""
    over: Literal["refuse", "owner"] = "refuse"
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuietHours:
    """When a channel is not reminded: from `begins` to just before `ends`, over midnight where that is earlier."""

    begins: time
    ends: time
    time_zone: str

    def end_of(self, moment: datetime) -> datetime:
        """`moment` where it is not quiet, else when the quiet ends (aware UTC); right across changes of the clocks."""
        zone = ZoneInfo(self.time_zone)
        while self._is_quiet(local := moment.astimezone(zone)):
            ends = local.replace(hour=self.ends.hour, minute=self.ends.minute, second=self.ends.second, microsecond=0)
            if local.time() >= self.ends:  # it began this evening, and ends tomorrow
                ends = (ends + timedelta(days=1)).replace(fold=0)
            moment = ends.astimezone(UTC)
        return moment

    def _is_quiet(self, local: datetime) -> bool:
        if self.begins <= self.ends:
            return self.begins <= local.time() < self.ends
        return local.time() >= self.begins or local.time() < self.ends


@dataclass(frozen=True, slots=True)
class Policy:
    """All that the settings say about approvals.

    Cards go to `channel`. A price may move by `tolerance` (a share: 0.05 is 5 %) between the approval and the sending,
    which waits for `undo`. `break_glass` may run things at once. `may_reveal` are those who may be shown credentials;
    None: the approvers of `default`. `quiet` is by channel. `hash` is of everything in here, as the settings give it.
    """

    default: Terms
    channel: str
    rules: tuple[Rule, ...] = ()
    budgets: tuple[Budget, ...] = ()
    tolerance: Decimal = Decimal(0)
    undo: timedelta = timedelta(0)
    break_glass: tuple[str, ...] = ()
    may_reveal: tuple[str, ...] | None = None
    quiet: Mapping[str, QuietHours] = field(default_factory=dict[str, QuietHours])
    hash: str = ""

    @property
    def has_groups(self) -> bool:
        """Whether a user group may decide anything."""
        terms = [self.default, *(one.terms for one in self.rules)]
        named = [who for one in terms for who in one.deciders(escalated=True)]
        return any(map(is_group, [*named, *(owner for one in self.budgets for owner in one.owners)]))

    def groups(self) -> frozenset[str]:
        """The user groups on which it depends which rule and which budgets a requester meets: look them up first."""
        named = {who for one in self.rules for who in one.conditions.requesters} | {one.team for one in self.budgets}
        return frozenset(filter(is_group, named))


# What becomes of one request.


@dataclass(frozen=True, slots=True)
class Part:
    """`needs` different people of the `named` have to say yes; because of a `budget` that they own, or by a rule."""

    named: tuple[str, ...]
    needs: int = 1
    budget: str = ""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the rules look at. `total` None: nobody knows the price; 0: no cost, and then `currency` may be empty.

    `groups` are those of `Policy.groups()` that the requester is in.
    """

    command: str
    effect: Effect
    provider: str
    account: str
    total: Decimal | None
    currency: str
    channel: str
    requester: str
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ruling:
    """The terms that one request was given, kept with it: a change of the settings does not reach back.

    `rule` is empty where none matched. `why` are plain sentences. `auto`: nobody has to be asked. `groups` are those of
    the requester that were looked at; `over` names the budgets whose owners decide as well because it goes over them,
    in the order of the terms' `owners`. With `stands_in` others may decide as well as long as its own people cannot:
    those in the parts of these budgets, `instead_of` (the rule's own part is ""; none: in that alone), and in no other.
    `own_next` are then those to whom its own terms would take it, and did in vain. `short` is why there are too few, as
    it was said last.
    """

    rule: str
    why: tuple[str, ...]
    auto: bool
    terms: Terms
    groups: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    stands_in: bool = False
    short: str = ""
    instead_of: tuple[str, ...] = ()
    own_next: tuple[str, ...] = ()

    def parts(self, escalated: bool) -> tuple[Part, ...]:
        """What has to be met, all of it, for a yes; one person may count in several."""
        also = self.terms.escalate_to if escalated else ()
        where = self.instead_of or ("",)
        own = Part(_each_once(self.terms.approvers, also if "" in where else ()), self.terms.needs)
        owners = zip(self.over, self.terms.owners, strict=False)  # rulings of earlier versions have no owners apart
        return (own, *(Part(_each_once(named, also if one in where else ()), 1, one) for one, named in owners))

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON; amounts are text, spans ISO 8601."""
        stored: dict[str, JsonValue] = _rulings().dump_python(self, mode="json")
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> Ruling | None:
        """What `to_json` made; None for anything else."""
        try:
            return _read_ruling(json.dumps(stored))
        except (ValidationError, TypeError, ValueError):
            return None


@lru_cache(maxsize=256)
def _read_ruling(stored: str) -> Ruling:
    """Most requests are ruled on in one of a few ways, and each look at one reads its ruling."""
    return _rulings().validate_json(stored, strict=True)


@cache
def _rulings() -> TypeAdapter[Ruling]:
    return TypeAdapter(Ruling)


def is_group(who: str) -> bool:
    """Whether an id of the settings names a user group rather than a person."""
    return who.startswith("S")


def is_decided(policy: Policy, c: Circumstances) -> bool:
    """Whether somebody has to say yes: to what costs money or cannot be undone, and to what nobody knows the price of.

    To a change that is free only where a rule names it: all of its effect, or its very command.
    """
    if c.effect.needs_decision or c.total != 0:
        return True
    matched = next((one.conditions for one in policy.rules if _why_not(one.conditions, c) is None), Conditions())
    return c.effect is Effect.WRITE and (matched.effect is Effect.WRITE or matched.action == c.command)


def total_of(effect: Effect, quote: Quote | None) -> Decimal | None:
    """The cost for `Circumstances`: a SPEND without a quote has an unknown one, everything else then has none."""
    if quote is None:
        return None if effect is Effect.SPEND else Decimal(0)
    return quote.total


def rule(policy: Policy, c: Circumstances) -> Ruling:
    """What somebody has to say yes to, and who. The first rule that matches gives the terms; without one, the defaults.

    Where the price is unknown, the default approvers decide, by the defaults' terms; the rule can only ask for more
    people. Without a rule nothing is approved by itself, and of what cannot be undone, only what a rule says that names
    that effect.
    """
    matched = next((one for one in policy.rules if _why_not(one.conditions, c) is None), None)
    groups = tuple(sorted(c.groups))
    if c.total is None:
        needs = max(policy.default.needs, matched.terms.needs if matched else 1)
        terms = replace(policy.default, needs=needs, auto_below=None)
        why = ["Nobody knows the price, so the default approvers decide."]
        if matched and needs > policy.default.needs:
            why.append(f"The rule “{matched.name}” asks for more people than usual.")
        return Ruling(matched.name if matched else "", (*why, _who_decides(terms)), False, terms, groups)
    if matched is None:
        terms = replace(policy.default, auto_below=None)
        return Ruling("", ("No rule is about this, so the defaults hold.", _who_decides(terms)), False, terms, groups)
    terms = matched.terms
    begins = f"The rule “{matched.name}” is about this."
    if terms.auto_below is None or c.total >= terms.auto_below:
        return Ruling(matched.name, (begins, _who_decides(terms)), False, terms, groups)
    if c.effect is Effect.DESTROY and matched.conditions.effect is not Effect.DESTROY:
        undone = "It cannot be undone, and the rule does not name that effect, so it is not approved by itself."
        return Ruling(matched.name, (begins, undone, _who_decides(terms)), False, terms, groups)
    below = _amount(terms.auto_below, matched.conditions.currency or c.currency)
    why = [begins, f"It costs less than {below}, so nobody has to be asked."]
    return Ruling(matched.name, tuple(why), True, terms, groups)


def asked_all_the_same(ruling: Ruling) -> Ruling:
    """What asks anew is approved by nobody but people: those whom its rule names, and it says so."""
    if not ruling.auto:
        return ruling
    why = "What asks anew is not approved by itself, however little it costs."
    return replace(ruling, auto=False, why=(*ruling.why[:-1], why, _who_decides(ruling.terms)))


def _each_once(*named: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for some in named for one in some))


def is_stricter(ruling: Ruling, than: Ruling) -> bool:
    """Whether what was decided by `than` may not have been enough for `ruling`: more have to say yes, or others."""
    more = ruling.terms.needs > than.terms.needs or not set(than.terms.approvers) <= set(ruling.terms.approvers)
    own = than.terms.requester_may and not ruling.terms.requester_may
    return not ruling.auto and (than.auto or more or own)


def explain(policy: Policy, c: Circumstances) -> list[str]:
    """How `rule` came to its ruling: a sentence for each rule that was looked at, then what follows."""
    told: list[str] = []
    for one in policy.rules:
        why_not_this = _why_not(one.conditions, c)
        if why_not_this is None:
            break
        told.append(f"The rule “{one.name}” is not about this: {why_not_this}.")
    return [*told, *rule(policy, c).why]


def _why_not(wanted: Conditions, c: Circumstances) -> str | None:
    """The first condition that is not met, in words; None when all are."""
    amounts = {what: _amount(amount, wanted.currency or c.currency) for what, amount in _bounds(wanted).items()}
    free = c.total == 0 and not c.currency  # nothing is nothing in every currency
    unheard = c.total is None and not c.currency
    reasons = (
        (wanted.action and not fnmatchcase(c.command, wanted.action), f"it is for “{wanted.action}”"),
        (wanted.effect not in (None, c.effect), f"it is for what is called {wanted.effect}, and this is {c.effect}"),
        (wanted.provider not in ("", c.provider), f"it is for {wanted.provider}, and this is at {c.provider}"),
        (
            wanted.account not in ("", c.account),
            f"it is for the account {wanted.account}, and this is of {c.account}",
        ),
        (wanted.channel not in ("", c.channel), f"it is for what is asked in {wanted.channel}"),
        (
            wanted.requesters and not {c.requester, *c.groups}.intersection(wanted.requesters),
            f"it is for what {_or(wanted.requesters)} asks",
        ),
        (
            wanted.currency not in ("", c.currency) and not free and not unheard,
            f"it is for {wanted.currency}, and this is in {c.currency}",
        ),
        # What nobody knows may be a lot: an unknown price counts as over every amount and under none.
        (
            wanted.over is not None and c.total is not None and c.total <= wanted.over,
            f"it is for more than {amounts.get('over')}",
        ),
        (
            wanted.under is not None and (c.total is None or c.total >= wanted.under),
            f"it is for less than {amounts.get('under')}"
            + (", and nobody knows the price of this" if c.total is None else ""),
        ),
    )
    return next((reason for fails, reason in reasons if fails), None)


def _bounds(wanted: Conditions) -> dict[str, Decimal]:
    return {what: one for what, one in (("over", wanted.over), ("under", wanted.under)) if one is not None}


def _who_decides(terms: Terms) -> str:
    whom = _or(terms.approvers)
    said = f"{terms.needs} different people have to say yes, of: " if terms.needs > 1 else "One has to say yes, of: "
    own = " Whoever asked may be one of them." if terms.requester_may else ""
    return f"{said}{whom}.{own}"


def _amount(amount: Decimal, currency: str) -> str:
    return f"{amount:,f} {currency}".rstrip()


def _or(names: Sequence[str]) -> str:
    *rest, last = names or ("nobody",)
    return f"{', '.join(rest)} or {last}" if rest else last


def within_tolerance(approved: Quote | None, new: Quote | None, tolerance: Decimal) -> bool:
    """Whether a new quote may go on under what was approved: the same currency, and no more than that share away.

    Cheaper is another price as well: who looks at the card again sees why.

    What was approved although nobody knew its price stays approved while nobody knows more than before.
    """
    if approved is None or new is None:
        return approved is new
    if approved.currency != new.currency:
        return False
    if approved.total is None or new.total is None:
        return approved.lines == new.lines
    return abs(new.total - approved.total) <= approved.total * tolerance


# Budgets.


def budgets_for(policy: Policy, c: Circumstances) -> tuple[Budget, ...]:
    """The budgets that a request counts against."""
    return tuple(
        one
        for one in policy.budgets
        if one.team in ("", c.channel, *c.groups) and one.provider in ("", c.provider) and one.currency == c.currency
    )


def period_of(budget: Budget, now: datetime) -> str:
    """The calendar month in the budget's time zone, such as "2026-11"."""
    return now.astimezone(ZoneInfo(budget.time_zone)).strftime("%Y-%m")


def owner_ruling(ruling: Ruling, budgets: Sequence[Budget]) -> Ruling:
    """What holds when `budgets` would be overdrawn and their owners may allow it: one of each has to say yes as well.

    The requester is none of them, and nobody is by escalation: whoever owns a budget is asked, not gone round. Where
    nobody else would have been asked, the owners alone decide.
    """
    owners = tuple(one.owners for one in budgets)
    terms = replace(
        ruling.terms,
        approvers=_each_once(*owners) if ruling.auto else ruling.terms.approvers,
        needs=1 if ruling.auto else ruling.terms.needs,
        ping=_each_once(() if ruling.auto else ruling.terms.ping, *owners),
        requester_may=False,
        auto_below=None,
        escalate_to=(),
        escalate_after=None,
        owners=owners,
    )
    # Of what would have been approved by itself it is not said that nobody has to be asked.
    why, also = (ruling.why[:-1], "") if ruling.auto else (ruling.why, " as well")
    told = tuple(f"It goes over the budget “{one.name}”, so {_or(one.owners)} has to say yes{also}." for one in budgets)
    names = tuple(one.name for one in budgets)
    return replace(ruling, auto=False, terms=terms, why=(*why, *told), over=names)


# Who may decide.


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody may not decide: a plain sentence for them."""

    sentence: str


def in_force(delegations: Sequence[Delegation], now: datetime) -> tuple[Delegation, ...]:
    """Those that hold at `now`."""
    return tuple(one for one in delegations if one.begins_at <= now < one.ends_at)


def right_of(
    by: str,
    *,
    requester: str,
    ruling: Ruling,
    entitled: frozenset[str],
    wanted: frozenset[str] | None = None,
    delegations: Sequence[Delegation] = (),
    voted: Collection[str] = (),
    stood_for: Collection[str] = (),
) -> str | Refusal:
    """For whom `by` decides: themselves, or somebody entitled who handed their decisions over to them.

    `entitled` are the people that the ruling's terms name, as of now, and `wanted` those of them whose yes is still
    missing (None: all); `delegations` those in force. `voted` is everyone who has said yes and everyone for whom it was
    said, so that one person never counts twice, in whatever role; for those in `stood_for` somebody else has said it.
    The requester decides only where the ruling says so, and by nobody in their place.
    """
    wanted = entitled if wanted is None else wanted
    if by == requester and not ruling.terms.requester_may:
        return Refusal(_OWN)
    if by in voted:
        return Refusal(_VOTED_INSTEAD if by in stood_for else _VOTED)
    if by in wanted:
        return by
    handed = [one.principal for one in delegations if one.delegate == by and one.principal in entitled]
    others = [one for one in handed if one != requester]
    left = [one for one in others if one not in voted]
    if missing := [one for one in left if one in wanted]:
        return missing[0]
    if by in entitled or left:
        return Refusal(_ENOUGH)
    if others:
        return Refusal(_VOTED_FOR)
    return Refusal(_OWN_HANDED_OVER if handed else _NOT_AMONG)


def void_votes(
    votes: Sequence[Vote], *, requester: str, ruling: Ruling, entitled: frozenset[str], able: frozenset[str]
) -> list[Vote]:
    """The votes that no longer count: whose right they used may not decide any more, or somebody cannot act any more.

    `entitled` are the people that the ruling's terms name, as of now, and `able` those who may act at all.
    """
    own = set() if ruling.terms.requester_may else {requester}
    return [
        one
        for one in votes
        if one.principal not in entitled or not {one.voter, one.principal} <= able or {one.voter, one.principal} & own
    ]


def missing(
    parts: Sequence[Part],
    people: Sequence[frozenset[str]],
    said_yes: Collection[str],
    instead: Collection[str] = (),
) -> list[Part]:
    """The parts that are not met yet, each with how many more it needs. `people` are those of each part, as of now.

    `said_yes` are those whose right was used for a yes. `instead` are those in whose place they decide besides: where
    these own a budget, that yes is one for the budget as well. Of a rule's own people everybody counts once.
    """
    yes = frozenset(said_yes)
    lacks = [
        one.needs - len(able & (yes.union(instead) if one.budget else yes))
        for one, able in zip(parts, people, strict=True)
    ]
    return [replace(one, needs=more) for one, more in zip(parts, lacks, strict=True) if more > 0]


@dataclass(frozen=True, slots=True)
class Shortage:
    """There can never be enough people for a part of what is needed; `why` is a sentence."""

    part: Part
    why: str


def shortages(
    ruling: Ruling, requester: str, parts: Sequence[Part], people: Sequence[frozenset[str]]
) -> list[Shortage]:
    """What the people that a ruling names can never be enough for; nothing while they can.

    `people` are those of each of the `parts`, as of now.
    """
    short: list[Shortage] = []
    for part, able in zip(parts, people, strict=True):
        can = len(able if ruling.terms.requester_may else able - {requester})
        if can >= part.needs:
            continue
        why = f"This needs {part.needs} different people, and there {_are(can)} who may decide it."
        if part.budget:
            why = f"There is nobody who may decide about more than the budget “{part.budget}” has."
        elif part.needs == 1:
            why = "There is nobody who may decide this."
        short.append(Shortage(part, why))
    return short


def with_stand_ins(ruling: Ruling, instead: tuple[str, ...], parts: Sequence[Part]) -> Ruling:
    """Too few of those whom a ruling names for these `parts` can decide: `instead` may, for as long as that is so.

    In those parts alone: whose word is still to be had is not gone round.
    """
    whose = [f"the owners of the budget “{one.budget}”" if one.budget else "those who decide by it" for one in parts]
    why = (*ruling.why, f"Too few of {' and '.join(whose)} can say so now, so {_or(instead)} may in their place.")
    budgets = tuple(one.budget for one in parts)
    own_next = ruling.terms.escalate_to
    terms = replace(ruling.terms, escalate_to=_each_once(own_next, instead))
    return replace(ruling, why=why, terms=terms, stands_in=True, instead_of=budgets, own_next=own_next)


def own_people_again(ruling: Ruling) -> Ruling:
    """What `with_stand_ins` was made of; any other ruling as it is."""
    if not ruling.stands_in:
        return ruling
    terms = replace(ruling.terms, escalate_to=ruling.own_next)
    return replace(ruling, why=ruling.why[:-1], terms=terms, stands_in=False, instead_of=(), own_next=())


def _are(number: int) -> str:
    return {0: "is nobody", 1: "is only one"}.get(number, f"are only {number}")


# While it waits.


@dataclass(frozen=True, slots=True)
class Attention:
    """What a waiting request wants now. `reminded` is how many reminders are behind it then; `next` when to look again.

    `next` None: never, unless somebody decides.
    """

    expire: bool = False
    escalate: bool = False
    remind: bool = False
    next: datetime | None = None
    reminded: int = 0


def when_to_attend(
    ruling: Ruling, *, since: datetime, now: datetime, reminded: int, escalated: bool, quiet: QuietHours | None
) -> datetime | None:
    """When a request that waits since `since` next wants something: not before `now`, which means at once; None: never.

    `reminded` counts the reminders that are behind it. Quiet hours keep back reminders, and nothing else.
    """
    moments = (
        _expires(ruling.terms, since),
        None if escalated else _escalates(ruling.terms, since),
        _reminds(ruling.terms, since, now, reminded, quiet),
    )
    return min((max(one, now) for one in moments if one is not None), default=None)


def wanted_now(
    ruling: Ruling, *, since: datetime, now: datetime, reminded: int, escalated: bool, quiet: QuietHours | None
) -> Attention:
    """What it wants at `now`, and when to look again. Of reminders that were missed, one is made up for."""
    terms = ruling.terms
    expires, escalates = _expires(terms, since), None if escalated else _escalates(terms, since)
    if expires is not None and expires <= now:
        return Attention(expire=True, reminded=reminded)
    escalate = escalates is not None and escalates <= now
    reminds = _reminds(terms, since, now, reminded, quiet)
    remind = reminds is not None and reminds <= now
    if remind:
        reminded = max(reminded, sum(since + age <= now for age in terms.remind_after))
    then = when_to_attend(ruling, since=since, now=now, reminded=reminded, escalated=escalated or escalate, quiet=quiet)
    return Attention(escalate=escalate, remind=remind, next=then, reminded=reminded)


def _expires(terms: Terms, since: datetime) -> datetime | None:
    return None if terms.expires_after is None else since + terms.expires_after


def _escalates(terms: Terms, since: datetime) -> datetime | None:
    return since + terms.escalate_after if terms.escalate_to and terms.escalate_after is not None else None


def _reminds(terms: Terms, since: datetime, now: datetime, reminded: int, quiet: QuietHours | None) -> datetime | None:
    if reminded >= len(terms.remind_after):
        return None
    moment = max(since + terms.remind_after[reminded], now)
    return moment if quiet is None else quiet.end_of(moment)


# How patiently a job is watched.


@dataclass(frozen=True, slots=True)
class JobTimes:
    """How patiently a job is watched. `reconcile_after`: how long a listing may lag behind a purchase."""

    first_poll: timedelta
    max_poll: timedelta
    deadline: timedelta
    lease: timedelta
    reconcile_after: timedelta


def wait_before_poll(attempt: int, times: JobTimes, chance: float, asked_to_wait: float | None = None) -> timedelta:
    """How long to wait before looking again after `attempt` looks (0 for the first one).

    `chance` is a random number from 0 up to 1. `asked_to_wait` is the provider's Retry-After in seconds: never less.
    """
    steps = min(attempt, 64)  # beyond that the maximum holds anyway, and the power would overflow
    seconds = min(times.first_poll.total_seconds() * GROWTH**steps, times.max_poll.total_seconds())
    seconds *= 1 + JITTER * (2 * chance - 1)
    return timedelta(seconds=max(seconds, asked_to_wait or 0))
