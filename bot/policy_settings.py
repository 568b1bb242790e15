"""What the operator says about approvals: `[approvals]` with its rules, `[[budgets]]`, `[channels.<id>]`.

The shapes are here, with what each key by itself must be; `contradictions` finds what does not go together, and
`policy_of` makes of it all the policy that the house keeps.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import time, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from handlers.policy import CREDITS, Budget, Conditions, Policy, QuietHours, Rule, Terms, is_group
from providers.action import Effect

_LONGEST = 24 * 365
"""Hours: what waits longer than a year was meant otherwise."""

Place = tuple[str | int, ...]
"""Where a key stands in the file, entries of lists counted from 0."""


class Section(BaseModel):
    """A table of the settings file."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, validate_default=True)


def channel_id(value: str) -> str:
    """A channel's id. Raises ValueError with what it must be."""
    if not re.fullmatch(r"[CG][A-Z0-9]+", value):
        raise ValueError(
            "must be a channel's id, which begins with C or G (in Slack: the channel's name, About, at the bottom)"
        )
    return value


def _user_or_group(value: str) -> str:
    if not re.fullmatch(r"[UWS][A-Z0-9]+", value):
        raise ValueError(
            "must be the id of a user (U… or W…) or of a user group (S…) (in Slack: the profile, ⋮, Copy member ID)"
        )
    return value


def _group_or_channel(value: str) -> str:
    if value and not re.fullmatch(r"[SCG][A-Z0-9]+", value):
        raise ValueError("must be the id of a user group (S…) or of a channel (C… or G…)")
    return value


def _each_once(value: tuple[str, ...]) -> tuple[str, ...]:
    for position, who in enumerate(value):
        if (first := value.index(who)) < position:
            raise ValueError(f"entry {position + 1} repeats entry {first + 1}")
    return value


def _rising(value: tuple[float, ...]) -> tuple[float, ...]:
    for position in range(1, len(value)):
        if value[position] <= value[position - 1]:
            raise ValueError(f"entry {position + 1} must be more than entry {position}")
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        # What is said in hours has no near name: GMT+2 is not Etc/GMT+2, which is two hours behind.
        in_hours = any(map(str.isdigit, value))
        near = [] if in_hours else difflib.get_close_matches(value, available_timezones(), n=1)
        cure = f"the nearest name is {near[0]}" if near else "it is a name such as Europe/Berlin"
        raise ValueError(f"there is no such time zone; {cure}") from error
    return value


_CLOCK = r"([01]?[0-9]|2[0-3]):([0-5][0-9])"


def _times_of_day(value: str) -> tuple[time, time]:
    """Both times of "20:00-08:00". Raises ValueError with what it must be."""
    read = re.fullmatch(rf"{_CLOCK}\s*[-–]\s*{_CLOCK}", value.strip())
    if read is None:
        raise ValueError('must be two times of day, such as "20:00-08:00"')
    hour, minute, until_hour, until_minute = map(int, read.groups())
    begins, ends = time(hour, minute), time(until_hour, until_minute)
    if begins == ends:
        raise ValueError("must not begin and end at the same time")
    return begins, ends


def _two_times(value: str) -> str:
    _times_of_day(value)
    return value


Who = Annotated[str, AfterValidator(_user_or_group)]
People = Annotated[tuple[Who, ...], AfterValidator(_each_once)]
SomePeople = Annotated[tuple[Who, ...], Field(min_length=1), AfterValidator(_each_once)]
Hours = Annotated[float, Field(gt=0, le=_LONGEST)]
Ages = Annotated[tuple[Hours, ...], AfterValidator(_rising)]
HowMany = Annotated[int, Field(ge=1, le=20)]
Amount = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=4)]
Zone = Annotated[str, AfterValidator(_time_zone)]
Name = Annotated[str, Field(min_length=1, max_length=80)]


class RuleSettings(Section):
    """One `[[approvals.rules]]`: what it is for, and what it asks for. What it leaves out is as in `[approvals]`."""

    name: Name = Field(description="What people read when they ask why this rule was applied.")
    action: str = Field("", description='The command, such as "domain buy" or "domain *".')
    effect: Literal["spend", "destroy", "write"] | None = Field(None, description="What the command does.")
    provider: str = Field("", description="The provider it is asked of.")
    account: str = Field("", description="The account it is asked of.")
    over: Amount | None = Field(None, description="Only what costs more than this.")
    under: Amount | None = Field(None, description="Only what costs less than this.")
    currency: str = Field("", description="What over, under and auto_below are in.")
    channel: Annotated[str, AfterValidator(lambda value: value and channel_id(value))] = Field(
        "", description="The channel it is asked in."
    )
    requesters: People = Field((), description="The users and user groups whose requests it is for.")

    approvers: SomePeople | None = Field(None, description="Who may say yes or no.")
    needs: HowMany | None = Field(None, description="How many different people must say yes.")
    requester_may: bool | None = Field(None, description="Whether whoever asked may be one of them.")
    ping: People | None = Field(None, description="Those of the approvers who get a card of their own.")
    auto_below: Amount | None = Field(None, description="What costs less than this needs no approval.")
    wait_hours: Hours | None = Field(None, description="How long it waits for a decision.")
    remind_after_hours: Ages | None = Field(None, description="At which ages the thread is reminded.")
    escalate_to: People | None = Field(None, description="Who may decide as well, when nobody did.")
    escalate_after_hours: Hours | None = Field(None, description="At which age that is.")

    def conditions(self) -> Conditions:
        """What it is for."""
        return Conditions(
            action=self.action,
            effect=None if self.effect is None else Effect(self.effect),
            provider=self.provider,
            account=self.account,
            over=self.over,
            under=self.under,
            currency=self.currency,
            channel=self.channel,
            requesters=self.requesters,
        )


class ApprovalSettings(Section):
    """`[approvals]`: who may decide what no rule is about, the rules, and who may be shown credentials."""

    approvers: SomePeople = Field(description="Ids of the users (U…, W…) and user groups (S…) who may say yes or no.")
    may_reveal: People | None = Field(
        None,
        description="Ids of the users and user groups who may be shown credentials; left out, it is the approvers.",
    )
    needs: HowMany = Field(1, description="How many different people must say yes.")
    requester_may: bool = Field(False, description="Whether whoever asked may be one of them.")
    ping: People = Field((), description="Those of the approvers who get a card of their own.")
    wait_hours: Hours | None = Field(None, description="How long a request waits; left out, for ever.")
    remind_after_hours: Ages = Field((), description="At which ages the thread is reminded.")
    escalate_to: People = Field((), description="Who may decide as well, when nobody did.")
    escalate_after_hours: Hours | None = Field(None, description="At which age that is.")
    price_tolerance_percent: Annotated[float, Field(ge=0, le=100)] = Field(
        0, description="How much a price may move between the approval and the sending."
    )
    undo_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        0, description="How long what was approved can be stopped before it is sent."
    )
    break_glass: People = Field((), description="Who may run a thing at once, with a reason, and everybody is told.")
    rules: tuple[RuleSettings, ...] = Field((), description="The rules; the first that matches holds.")

    def terms(self, its: RuleSettings | None = None) -> Terms:
        """What a rule asks for, or the defaults."""
        if its is None:
            return self._terms(self, auto_below=None)
        given = {name: value for name, value in its if name in ApprovalSettings.model_fields and value is not None}
        if its.approvers is not None and its.ping is None:
            # A card of one's own is for those who may decide it.
            given["ping"] = tuple(who for who in self.ping if who in its.approvers)
        return self._terms(self.model_copy(update=given), auto_below=its.auto_below)

    @staticmethod
    def _terms(said: ApprovalSettings, auto_below: Decimal | None) -> Terms:
        return Terms(
            approvers=said.approvers,
            needs=said.needs,
            requester_may=said.requester_may,
            ping=said.ping,
            auto_below=auto_below,
            expires_after=_hours(said.wait_hours),
            remind_after=tuple(timedelta(hours=age) for age in said.remind_after_hours),
            escalate_to=said.escalate_to,
            escalate_after=_hours(said.escalate_after_hours),
        )


class BudgetSettings(Section):
    """One `[[budgets]]`: at most so much a calendar month, for a team, at a provider."""

    name: Name = Field(description="What people read about it, and what its months are kept under.")
    amount: Amount = Field(description="How much a calendar month.")
    currency: str = Field(description='An ISO 4217 code such as USD, or "credits".')
    team: Annotated[str, AfterValidator(_group_or_channel)] = Field(
        "", description="The user group that asks, or the channel asked in; left out, everybody."
    )
    provider: str = Field("", description="The provider it is spent at; left out, every one.")
    time_zone: Zone = Field("UTC", description="Where a month begins, such as Europe/Berlin.")
    over: Literal["refuse", "owner"] = Field("refuse", description="What becomes of a request for more.")
    owners: People = Field((), description="One of them has to say yes to more as well.")

    def budget(self) -> Budget:
        """As the policy has it."""
        return Budget(
            name=self.name,
            limit=self.amount,
            currency=self.currency,
            time_zone=self.time_zone,
            team=self.team,
            provider=self.provider,
            over=self.over,
            owners=self.owners,
        )


class ChannelSettings(Section):
    """`[channels.<id>]`: what is to be known about a channel."""

    time_zone: Zone = Field(description="The time zone of the people in it, such as Europe/Berlin.")
    quiet_hours: Annotated[str, AfterValidator(_two_times)] | None = Field(
        None, description='When nobody is reminded in it, such as "20:00-08:00".'
    )

    def quiet(self) -> QuietHours | None:
        """When nobody is reminded."""
        if self.quiet_hours is None:
            return None
        begins, ends = _times_of_day(self.quiet_hours)
        return QuietHours(begins, ends, self.time_zone)


def policy_of(
    approvals: ApprovalSettings,
    budgets: Sequence[BudgetSettings],
    channels: Mapping[str, ChannelSettings],
    cards: str,
) -> Policy:
    """The policy the settings describe; `cards` is the channel where requests wait. Its hash covers all of it."""
    policy = Policy(
        default=approvals.terms(),
        channel=cards,
        rules=tuple(Rule(one.name, one.conditions(), approvals.terms(one)) for one in approvals.rules),
        budgets=tuple(one.budget() for one in budgets),
        tolerance=Decimal(str(approvals.price_tolerance_percent)) / 100,
        undo=timedelta(seconds=approvals.undo_seconds),
        break_glass=approvals.break_glass,
        may_reveal=approvals.may_reveal,
        quiet={name: quiet for name, one in channels.items() if (quiet := one.quiet()) is not None},
    )
    return dataclasses.replace(policy, hash=digest(policy))


def digest(value: object) -> str:
    """The SHA-256 of what is said, whatever way it is written: the same for 500, "500.0" and 500.00."""
    return hashlib.sha256(json.dumps(value, default=_canonical, sort_keys=True).encode()).hexdigest()


def _canonical(value: object) -> object:
    """The same for the same meaning: 500, "500.0" and 500.00 are one amount."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _hours(number: float | None) -> timedelta | None:
    return None if number is None else timedelta(hours=number)


# What does not go together.


def contradictions(
    approvals: ApprovalSettings,
    budgets: Sequence[BudgetSettings],
    *,
    providers: Collection[str],
    accounts: Mapping[str, str],
    currencies: Collection[str],
) -> Iterator[tuple[Place, str]]:
    """Each mistake that no key shows by itself: where, and a sentence.

    `accounts` are the providers by account; `currencies` all that a price can be in.
    """
    yield from _at(("approvals",), _in_terms(approvals.terms(), approvals))
    yield from _repeated(("approvals", "rules"), [one.name for one in approvals.rules])
    yield from _repeated(("budgets",), [one.name for one in budgets])
    for number, its in enumerate(approvals.rules):
        terms = approvals.terms(its)
        found = [
            *_in_terms(terms, its),
            *_names(its.provider, its.currency, providers, currencies),
            *_in_rule(its, terms, approvals.terms(), accounts),
        ]
        yield from _at(("approvals", "rules", number), found)
    for number, budget in enumerate(budgets):
        found = [*_names(budget.provider, budget.currency, providers, currencies), *_in_budget(budget)]
        yield from _at(("budgets", number), found)


def doubtful(approvals: ApprovalSettings, commands: Collection[str]) -> Iterator[tuple[Place, str]]:
    """What is allowed and probably not meant: where, and a sentence. `commands` are all there are; none: not known."""
    everything = next((n for n, one in enumerate(approvals.rules) if one.conditions() == Conditions()), None)
    for number, its in enumerate(approvals.rules):
        where: Place = ("approvals", "rules", number)
        if its.action and commands and not any(fnmatchcase(command, its.action) for command in commands):
            near = difflib.get_close_matches(its.action, commands, n=1)
            meant = f" The nearest is “{near[0]}”." if near else ""
            yield (*where, "action"), f"there is no such command, so this rule is never applied.{meant}"
        if everything is not None and number > everything:
            yield where, f"is never reached, because entry {everything + 1} holds for everything."


def no_such(what: str, name: str, known: Iterable[str]) -> str:
    """The sentence about a name that is not known, with the nearest that is."""
    by_lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    cure = f"did you mean {by_lower[near[0]]}?" if near else f"known are: {', '.join(by_lower.values())}."
    return f"there is no such {what}; {cure}"


def _at(where: Place, found: Iterable[tuple[str, str]]) -> Iterator[tuple[Place, str]]:
    return (((*where, key), words) for key, words in found)


def _repeated(where: Place, names: Sequence[str]) -> Iterator[tuple[Place, str]]:
    for number, name in enumerate(names):
        if (first := names.index(name)) < number:
            yield (*where, number, "name"), f"is the name of entry {first + 1} already."


def _too_few(people: Sequence[str], needs: int) -> bool:
    """Whether they can never be that many: a user group may have any number of people."""
    return len(people) < needs and not any(map(is_group, people))


def _in_terms(terms: Terms, said: ApprovalSettings | RuleSettings) -> Iterator[tuple[str, str]]:
    if _too_few(terms.approvers, terms.needs):
        key = "approvers" if said.needs is None else "needs"
        yield key, "more people must say yes than are named as approvers. Name more, or a user group."
    for number, who in enumerate(said.ping or ()):
        # Somebody who is not named may still be in a group that is.
        if who not in terms.approvers and (is_group(who) or not any(map(is_group, terms.approvers))):
            yield "ping", f"entry {number + 1} is not among the approvers, so a card would be of no use there."
    if terms.escalate_to and terms.escalate_after is None:
        yield "escalate_after_hours", "is missing. Say after how many hours it is taken to escalate_to."
    if terms.escalate_after is not None and not terms.escalate_to and said.escalate_after_hours is not None:
        yield "escalate_to", "is missing. Say to whom it is taken after escalate_after_hours."


def _names(
    provider: str, currency: str, providers: Collection[str], currencies: Collection[str]
) -> Iterator[tuple[str, str]]:
    if provider and provider not in providers:
        yield "provider", no_such("provider", provider, providers)
    if currency and currency not in currencies:
        yield "currency", no_such("currency among the prices", currency, currencies)


def _in_rule(its: RuleSettings, terms: Terms, default: Terms, accounts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if its.account and its.account not in accounts:
        yield "account", no_such("account", its.account, accounts)
    elif its.account and its.provider not in ("", accounts[its.account]):
        yield "account", f"is at {accounts[its.account]}, not at the provider of this rule."
    amounts = [key for key in ("over", "under", "auto_below") if getattr(its, key) is not None]
    if amounts and not its.currency:
        yield "currency", f"is missing. Say what {amounts[0]} is in: an ISO 4217 code such as USD, or {CREDITS}."
    if its.over is not None and its.under is not None and its.under <= its.over:
        yield "under", "must be more than over."
    if its.under is None and terms.needs > default.needs and _too_few(default.approvers, terms.needs):
        yield (
            "needs",
            "more people must say yes than approvals.approvers names, and those decide where nobody knows the price. "
            "Name more there, or a user group.",
        )


def _in_budget(budget: BudgetSettings) -> Iterator[tuple[str, str]]:
    if budget.over != "owner":
        if budget.owners:
            yield "owners", 'is of no use, because over is not "owner".'
        return
    if not budget.owners:
        yield "owners", 'is missing. With over = "owner", name who has to say yes to more as well.'
