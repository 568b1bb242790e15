"""`postroom policy`: who would decide what, by a settings file, and what of the past would have been different.

Reads only, also while Postroom runs, and needs no secret.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from bot.audit import database, moment_said, not_done
from bot.settings import PolicyFile, SettingsError, load_policy
from handlers.policy import (
    Budget,
    Circumstances,
    Policy,
    Ruling,
    Terms,
    budgets_for,
    explain,
    is_decided,
    owner_ruling,
    period_of,
    rule,
    total_of,
)
from handlers.requests import Requests
from providers.accounts import PriceList
from providers.catalogue import Catalogue, account_types, built_in
from storage.records import Request, RequestState
from storage.requests import past_requests

_NOTHING_SPENT = frozenset(
    {RequestState.DENIED, RequestState.EXPIRED, RequestState.CANCELLED, RequestState.FAILED, RequestState.DRAFT}
)


def policy_commands() -> typer.Typer:
    """`explain` and `simulate`, for the command line."""
    commands = typer.Typer(no_args_is_help=True)
    commands.command("explain", help="Say who would have to say yes to something, and why; or to a request that was.")(
        _explain
    )
    commands.command("simulate", help="Say which past requests would have been decided otherwise by a changed file.")(
        _simulate
    )
    return commands


# Explaining.


def _explain(
    request: Annotated[str, typer.Argument(metavar="[REQUEST]", help="A request that was asked, by its id.")] = "",
    *,
    action: Annotated[str, typer.Option(help='What is asked, such as "domain buy".')] = "",
    provider: Annotated[str, typer.Option(help="The provider; left out, the account's.")] = "",
    account: Annotated[str, typer.Option(help="The account, by its name in the file.")] = "",
    amount: Annotated[str, typer.Option(help="What it costs; left out, nobody knows or it costs nothing.")] = "",
    currency: Annotated[str, typer.Option(help='What that is in: USD, or "credits".')] = "",
    channel: Annotated[str, typer.Option(help="The channel it is asked in (C…).")] = "",
    requester: Annotated[str, typer.Option(help="Who asks (U…).")] = "",
    group: Annotated[list[str] | None, typer.Option(help="A user group (S…) that they are in; again for more.")] = None,
    file: Annotated[Path | None, typer.Option(help="Another settings file than the usual one.")] = None,
) -> None:
    catalogue = built_in()
    said = _policy_file(file, catalogue)
    if request:
        if action:
            not_done("Name a request or say what would be asked (--action), not both.")
        _explain_request(request, said.policy, catalogue)
        return
    if not action:
        not_done('Name a request, or say what would be asked: --action "domain buy" --account … --amount 118 …')
    seen = _circumstances(
        said, catalogue, action=action, provider=provider, account=account, amount=amount, currency=currency,
        channel=channel, requester=requester, groups=group or [],
    )  # fmt: skip
    _say_what_holds(said.policy, seen)


def _say_what_holds(policy: Policy, seen: Circumstances) -> None:
    if not is_decided(policy, seen):
        typer.echo("Nobody has to say yes to this: it costs nothing and can be undone, so it runs when it is asked.")
        return
    ruling = rule(policy, seen)
    _say([*explain(policy, seen), *([] if ruling.auto else _waiting(ruling.terms))])
    for budget in budgets_for(policy, seen):
        _say([_counted(budget)])
    if unsaid := policy.groups() - seen.groups:
        _say([f"Whoever asks counts as not in {_or(sorted(unsaid))}: --group says otherwise."])


def _circumstances(
    said: PolicyFile, catalogue: Catalogue, *, action: str, provider: str, account: str, amount: str, currency: str,
    channel: str, requester: str, groups: Sequence[str],
) -> Circumstances:  # fmt: skip
    command = " ".join(action.lower().removeprefix("/").split())
    variants = catalogue.variants(command)
    if not variants:
        noun, _, verb = command.partition(" ")
        near = catalogue.nearest(noun, verb)
        not_done(f"There is no command “{command}”." + (f" Did you mean {_or(near)}?" if near else ""))
    if account and account not in said.accounts:
        not_done(f"There is no account “{account}” in {said.path}. Known are: {', '.join(said.accounts)}.")
    provider = provider or said.accounts.get(account, "") or (next(iter(variants)) if len(variants) == 1 else "")
    if provider not in variants:
        at = f"“{command}” is not to be had at {provider}" if provider else "Say at which provider (--provider)"
        not_done(f"{at}: it is at {_or(sorted(variants))}.")
    for option, value, kind in (("--channel", channel, "[CG]"), ("--requester", requester, "[UW]")):
        if value and not re.fullmatch(f"{kind}[A-Z0-9]+", value):
            not_done(f"{option} takes an id of Slack, such as {'C' if option == '--channel' else 'U'}012AB3CD.")
    if wrong := [one for one in groups if not re.fullmatch("S[A-Z0-9]+", one)]:
        not_done(f"--group takes the id of a user group, such as S012AB3CD, and “{wrong[0]}” is none.")
    effect = variants[provider].effect
    total = _decimal(amount) if amount else total_of(effect, None)
    return Circumstances(
        command=command,
        effect=effect,
        provider=provider,
        account=account,
        total=total,
        currency=currency or (PriceList().currency if amount else ""),
        channel=channel,
        requester=requester,
        groups=frozenset(groups),
    )


def _decimal(written: str) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,6})?", written, re.ASCII):
        not_done("--amount takes digits and a dot, such as 118 or 12.50, and the currency stands in --currency.")
    return Decimal(written)


def _explain_request(named: str, policy: Policy, catalogue: Catalogue) -> None:
    bare = named.strip().lower()
    with database() as connection:
        request = next(past_requests(connection, bare if bare.startswith("req_") else f"req_{bare}"), None)
    if request is None:
        not_done("There is no such request in the database. Its id, such as req_7k2m9x4qpd, is on its card.")
    typer.echo(f"{_shown(request)}.")
    stored = None if request.ruling is None else Ruling.from_json(request.ruling)
    if stored is not None:
        typer.echo("It was ruled, and that holds for it:")
        _say([*stored.why, *([] if stored.auto else _waiting(stored.terms))])
    seen = _seen(request, catalogue, stored)
    if seen is None:
        typer.echo("This version of Postroom cannot read what was asked, so it cannot be ruled by the file.")
        return
    typer.echo("By the file as it is now, with nothing spent:")
    _say_what_holds(policy, seen)


def _waiting(terms: Terms) -> list[str]:
    """Until when it waits, and what happens meanwhile."""
    told = ["It waits for ever." if terms.expires_after is None else f"It expires after {_span(terms.expires_after)}."]
    if terms.remind_after:
        told.append(f"The thread is reminded after {', '.join(map(_span, terms.remind_after))}.")
    if terms.escalate_to and terms.escalate_after is not None:
        told.append(f"After {_span(terms.escalate_after)}, {_or(terms.escalate_to)} may decide it as well.")
    return told


def _span(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours:g} hour{'' if hours == 1 else 's'}"


def _counted(budget: Budget) -> str:
    more = "more is refused" if budget.over == "refuse" else f"{_or(budget.owners)} must say yes to more as well"
    return f"It counts against the budget “{budget.name}”: {budget.limit:,f} {budget.currency} a month, {more}."


# Simulating.


@dataclass(slots=True)
class _Simulation:
    """Past requests under other rules, in the order in which they were asked: budgets fill up as they would have.

    `spent` is by budget and month. `unknown` are groups of the file of which nobody knows who was in them then.
    """

    policy: Policy
    catalogue: Catalogue
    spent: dict[tuple[str, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    counts: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)

    def replay(self, request: Request, since: datetime | None) -> str:
        """What would have been different, in words; empty for nothing, and for what came before `since`."""
        stored = None if request.ruling is None else Ruling.from_json(request.ruling)
        seen = _seen(request, self.catalogue, stored)
        asked = request.waiting_since or request.created_at
        tells = since is None or request.created_at >= since
        if seen is None:
            self.counts["unreadable"] += tells
            return ""
        ran_by_itself = stored is None and not seen.effect.needs_decision and seen.total == 0
        if ran_by_itself or not is_decided(self.policy, seen):
            self.counts["free"] += tells
            return ""
        then = self._ruled(seen, asked, counts=request.state not in _NOTHING_SPENT)
        if not tells:
            return ""
        if stored is None:
            self.counts["before there were rules"] += 1
            return ""
        self.unknown |= self.policy.groups() - seen.groups
        differs = _different(stored, then)
        self.counts["different" if differs else "same"] += 1
        if differs:
            self.counts[_kind(stored, then)] += 1
        return differs and f"{_shown(request)}: {differs}"

    def _ruled(self, seen: Circumstances, asked: datetime, *, counts: bool) -> Ruling | Budget:
        """The ruling, or the budget that would have refused it. What is not refused and was spent counts."""
        ruling = rule(self.policy, seen)
        if not seen.total:
            return ruling
        counted = [(one, (one.name, period_of(one, asked))) for one in budgets_for(self.policy, seen)]
        over = [one for one, month in counted if self.spent[month] + seen.total > one.limit]
        if refusing := next((one for one in over if one.over == "refuse"), None):
            return refusing
        for _, month in counted if counts else ():
            self.spent[month] += seen.total
        return owner_ruling(ruling, over) if over else ruling


def _simulate(
    file: Annotated[Path, typer.Option(help="The changed settings file.")],
    since: Annotated[str, typer.Option(metavar="DATE", help="Only what was asked from this day on, in UTC.")] = "",
) -> None:
    catalogue = built_in()
    begins = moment_said(since, "--since")
    simulation = _Simulation(_policy_file(file, catalogue).policy, catalogue)
    with database() as connection:
        for request in past_requests(connection):
            if told := simulation.replay(request, begins):
                typer.echo(told)
    _summary(simulation, f" since {since.strip()}" if begins else "")


def _summary(simulation: _Simulation, since: str) -> None:
    counts = simulation.counts
    asked = counts["same"] + counts["different"]
    if not asked:
        typer.echo(f"Nothing was asked{since} that somebody had to decide and that was ruled, so nothing compares.")
    else:
        kinds = [f"{counts[kind]} {kind}" for kind in _KINDS if counts[kind]]
        by_kind = f" ({', '.join(kinds)})" if kinds else ""
        typer.echo(
            f"Of {_requests(asked)}{since}, {counts['different']} would have been decided otherwise{by_kind}, "
            f"{counts['same']} the same."
        )
    if counts["free"]:
        typer.echo(f"{_requests(counts['free'])} needed nobody's yes, then as now.")
    if counts["before there were rules"]:
        typer.echo(f"Not compared: {_requests(counts['before there were rules'])} from before rulings were kept.")
    if counts["unreadable"]:
        typer.echo(f"Not compared: {_requests(counts['unreadable'])} that this version of Postroom cannot read.")
    if simulation.unknown:
        typer.echo(f"Whoever asked counts as in {_or(sorted(simulation.unknown))} only where that was looked up then.")
    if simulation.policy.budgets:
        typer.echo("Budgets were filled with what was approved and bought; what failed or was refused counts nothing.")
    typer.echo("Nothing was changed.")


_KINDS = (
    "refused",
    "by itself instead of asked",
    "asked instead of by itself",
    "by other people or another number of them",
    "by another rule with the same people",
)


def _kind(before: Ruling, after: Ruling | Budget) -> str:
    if isinstance(after, Budget):
        return _KINDS[0]
    if before.auto != after.auto:
        return _KINDS[1] if after.auto else _KINDS[2]
    same = before.auto or _who(before) == _who(after)
    return _KINDS[4] if same else _KINDS[3]


def _different(before: Ruling, after: Ruling | Budget) -> str:
    """What a request was given, and what it would have been given; empty where that is the same."""
    if isinstance(after, Budget):
        return f"would have been refused, over the budget “{after.name}”; it was {_given(before)}"
    if (before.auto, before.rule) == (after.auto, after.rule) and (before.auto or _who(before) == _who(after)):
        return ""
    return f"would have been {_given(after)}; it was {_given(before)}"


def _given(ruling: Ruling) -> str:
    by = f"by the rule “{ruling.rule}”" if ruling.rule else "by the defaults"
    if ruling.auto:
        return f"approved by itself {by}"
    own = ", the requester among them" if ruling.terms.requester_may else ""
    also = "".join(f", and {_or(one)} for a budget" for one in ruling.terms.owners)
    return f"asked of {_or(ruling.terms.approvers)} ({ruling.terms.needs} must say yes{own}){also} {by}"


def _who(ruling: Ruling) -> tuple[object, ...]:
    terms = ruling.terms
    return frozenset(terms.approvers), terms.needs, terms.requester_may, frozenset(map(frozenset, terms.owners))


# Both.


def _seen(request: Request, catalogue: Catalogue, stored: Ruling | None) -> Circumstances | None:
    """What the rules look at; None where this version cannot read what was asked. Groups are those looked up then."""
    action = catalogue.action(request.command, request.provider)
    quote = Requests.quote_of(request)
    if action is None or (quote is None and request.quote is not None):
        return None
    return Circumstances(
        command=request.command,
        effect=action.effect,
        provider=request.provider,
        account=request.account,
        total=total_of(action.effect, quote),
        currency="" if quote is None else quote.currency,
        channel=request.channel,
        requester=request.requester,
        groups=frozenset(stored.groups if stored else ()),
    )


def _shown(request: Request) -> str:
    quote = Requests.quote_of(request)
    total = None if quote is None else quote.total
    cost = "price unknown" if total is None else f"{total:,f} {'' if quote is None else quote.currency}".rstrip()
    if quote is None and request.quote is None:
        cost = "no price"
    when = f"{request.created_at:%Y-%m-%d %H:%M} UTC"
    return f"{request.id}, {when}, {request.command} with {request.account}, {cost}, asked by {request.requester}"


def _policy_file(path: Path | None, catalogue: Catalogue) -> PolicyFile:
    try:
        said = load_policy(os.environ, path, account_types=account_types(), commands=catalogue.commands())
    except SettingsError as error:
        problems = "\n".join(f"  - {problem}" for problem in error.problems)
        not_done(f"The settings have mistakes, so nothing was looked at:\n{problems}")
    for warning in said.warnings:
        typer.echo(f"Note: {warning}", err=True)
    return said


def _say(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        typer.echo(f"- {sentence}")


def _requests(number: int) -> str:
    return "1 request" if number == 1 else f"{number:,} requests"


def _or(names: Sequence[str]) -> str:
    *rest, last = names or ("nobody",)
    return f"{', '.join(rest)} or {last}" if rest else last
