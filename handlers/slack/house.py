"""What people type to Postroom itself about approvals and money: `/postroom why`, `budget`, `away`, `history` …"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Any

import aiohttp
import structlog
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_sdk.errors import SlackApiError, SlackClientError

from handlers.policy import Policy, Ruling, is_group
from handlers.questions import Spent, Standing
from handlers.requests import SEEN, Asker, Sorry
from handlers.slack import windows
from handlers.slack.approving import owners_too
from handlers.slack.dates import parse_until, split_away
from handlers.slack.digest import DigestCommands
from handlers.slack.front import Body, Front, slack_error
from handlers.slack.happened import in_words
from handlers.slack.messages import total
from handlers.slack.words import (
    LIST_TEXT,
    LONGEST_HEADLINE,
    built,
    clip,
    code,
    either,
    escape,
    moment,
    money,
    paragraphs,
    person,
    place,
    unescaped,
    whoever,
)
from storage.records import AuditEntry, Delegation, Request, RequestState, Verdict

log = structlog.get_logger(__name__)

BAR = 20
"""Cells of a budget's bar."""
MOST_FACTS = 14
"""So many facts of one request are told; of more, those in the middle are counted."""

HouseCommand = Callable[[Body, Asker, str], Coroutine[Any, Any, None]]


class HouseCommands:
    """Commands about approvals and money, answered privately; that somebody else decides meanwhile is said aloud."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._questions = front.questions
        self._policy = front.requests.policy
        self._digest = DigestCommands(front)
        self.verbs: Mapping[str, tuple[str, str, HouseCommand]] = {
            "why": ("<request>", "Who has to say yes to it, and why; without a name, your newest.", self._why),
            "history": ("<domain, address or request>", "What happened to it.", self._history),
            "budget": ("[all]", "What is left of the budgets here.", self._budget),
            "digest": ("[setup]", "What this channel should know now; setup has it posted every day.", self._told),
            "away": ("until friday @finn", "Somebody decides in your place; alone, it shows who is away.", self._away),
            "back": ("", "You decide again yourself.", self._back),
            "break-glass": ("<request> [reason]", "Run it without its approval; everybody is told.", self._break_glass),
        }
        """By verb: what follows it, what it is for, and who answers it."""

    async def on_command(self, ack: AsyncAck, body: Body, asker: Asker, verb: str) -> None:
        """One of `verbs` was typed."""
        _, _, answer = self.verbs[verb]
        _, _, rest = unescaped(str(body.get("text") or "")).strip().partition(" ")
        await ack()
        self._front.later(body, answer(body, asker, rest.strip()))

    def help_lines(self) -> list[str]:
        """What can be typed, a line each."""
        return [
            f"{code(f'/postroom {verb} {follows}'.strip())} {escape(what)}"
            for verb, (follows, what, _) in self.verbs.items()
        ]

    async def _tell(self, body: Body, said: str, lines: Sequence[str]) -> None:
        await self._front.tell(body, said, blocks=built(paragraphs(lines)))

    # Why.

    async def _why(self, body: Body, asker: Asker, words: str) -> None:
        request = await self._questions.named(words, asker)
        standing = await self._questions.standing(request)
        headline = self._front.messages.headline(request)
        lines = [
            f"*{escape(clip(headline, LONGEST_HEADLINE))}* · {total(request.quote)} · {code(request.id)}",
            self._front.messages.status(request),
            *self.why_lines(standing),
        ]
        await self._tell(body, f"Why {headline} is where it is", lines)

    def why_lines(self, standing: Standing) -> list[str]:
        """By which rule it is decided, who may and who has, and what it counts against."""
        is_open = standing.request.state is RequestState.AWAITING
        decision = _deciding(standing) if is_open else _decided(standing)
        return [*self._ruled(standing), *decision, *self._counted(standing)]

    def _ruled(self, standing: Standing) -> list[str]:
        request, ruling = standing.request, standing.ruling
        if request.ruling is None and not request.decided_by and request.state is not RequestState.AWAITING:
            return ["Nobody has to say yes to this: it costs nothing, so it runs when it is asked."]
        sentences = [*standing.passed_over, *ruling.why] or ["The default approvers decide it."]
        ids = _ids(self._policy, ruling)
        return ["*Why*", *(f"• {_with_names(escape(one), ids)}" for one in sentences)]

    def _counted(self, standing: Standing) -> list[str]:
        lines = []
        limits = {one.name: one for one in self._policy.budgets}
        for held, use in standing.held:
            its = limits.get(held.budget)
            currency = its.currency if its else ""
            takes = f"{money(held.amount, currency)} {'spent' if held.is_spent else 'reserved'}"
            left = "" if its is None else f"; {_left(its.limit - use.spent - use.reserved, its.limit, currency)}"
            lines.append(f"• {escape(held.budget)}, {_month(held.period)}: {takes}{left}.")
        return ["*What it counts against*", *lines] if lines else []

    # Money.

    async def _budget(self, body: Body, asker: Asker, words: str) -> None:
        if words.lower() not in ("", "all"):
            raise Sorry("Type /postroom budget for the budgets that concern you here, or /postroom budget all.")
        everybodys = words.lower() == "all"
        spent = await self._questions.budgets(asker, everybodys=everybodys)
        if not spent:
            others = bool(self._policy.budgets) and not everybodys
            raise Sorry(
                "No budget is about you or this channel. /postroom budget all shows those of others."
                if others
                else "Postroom's settings have no budgets, so nothing limits what a month may cost."
            )
        lines = [line for one in spent for line in self.bar(one)]
        await self._tell(body, "What is left of the budgets", [*lines, KEY_OF_BARS])

    def bar(self, one: Spent) -> list[str]:
        """A budget's month: whose it is, how much of it is used up as a bar, and what becomes of more."""
        budget, use = one.budget, one.use
        titles = self._front.catalogue.titles
        whose = whoever(budget.team) if is_group(budget.team) else place(budget.team) if budget.team else "everybody"
        at = f" · at {escape(titles.get(budget.provider, budget.provider))}" if budget.provider else ""
        more = "more is refused" if budget.over == "refuse" else f"{_people(budget.owners)} may allow more"
        left = _left(budget.limit - use.spent - use.reserved, budget.limit, budget.currency)
        ends = f"{one.ends.day} {one.ends:%B}"
        spent, apart = money(use.spent, budget.currency), money(use.reserved, budget.currency)
        return [
            f"*{escape(budget.name)}* · {whose}{at}",
            f"`{_drawn(use.spent, use.reserved, budget.limit)}` *{left}* until {ends} ({escape(budget.time_zone)})",
            f"{spent} spent, {apart} reserved; {more}.",
        ]

    # The digest.

    async def _told(self, body: Body, asker: Asker, words: str) -> None:
        await self._digest.on_command(body, asker, words)

    # Being away.

    async def _away(self, body: Body, asker: Asker, words: str) -> None:
        if not words:
            await self._tell_who_is_away(body)
            return
        said = split_away(words)
        until, now = None, self._questions.now()
        if said.until:
            until = parse_until(said.until, now, await self._front.requests.who.time_zone(asker.user))
        if said.user is None:
            whom = f"@{said.name} is nobody whom Slack knows here" if said.name else "Somebody has to decide meanwhile"
            raise Sorry(f"{whom}. Nothing was changed. Mention a colleague: /postroom away until friday @finn")
        if until is None:
            what = f"“{clip(said.until, 80)}” is no moment within the next year" if said.until else "Until when?"
            raise Sorry(
                f"{what}{'.' if said.until else ''} Nothing was changed. Say a day, a date or how long: "
                "/postroom away until friday @finn, until 24 dec @finn, for 2 weeks @finn"
            )
        handed = await self._front.approvals.hand_over(asker.user, said.user, until, self._policy.channel)
        told = f"{person(handed.principal)} is away until {moment(handed.ends_at)}: {person(handed.delegate)} decides"
        is_said = await self._say_aloud(f":palm_tree: {told} what {person(handed.principal)} may decide.")
        await self._tell(
            body,
            "Your approvals are handed over",
            [
                f"{person(handed.delegate)} decides in your place until {moment(handed.ends_at)}, and then you again. "
                f"{_said_in(self._policy.channel) if is_said else _not_said_in(self._policy.channel)}",
                f"{code('/postroom back')} ends it sooner. What you asked for yourself somebody else has to decide.",
            ],
        )

    async def _tell_who_is_away(self, body: Body) -> None:
        away = await self._front.approvals.delegations()
        lines = [f"*{len(away)} {'person is' if len(away) == 1 else 'people are'} away*", *map(_handed, away)]
        nobody = ["Nobody is away."]
        hint = f"{code('/postroom away until friday @finn')} hands your approvals over."
        await self._tell(body, "Who is away", [*(lines if away else nobody), hint])

    async def _back(self, body: Body, asker: Asker, words: str) -> None:
        if words:
            raise Sorry("/postroom back takes nothing more, and ends what you handed over. Nothing was changed.")
        if not await self._front.approvals.take_back(asker.user):
            raise Sorry("You have handed nothing over, so you decide yourself already. Nothing was changed.")
        is_said = await self._say_aloud(f":wave: {person(asker.user)} is back and decides again.")
        said = f" {_said_in(self._policy.channel)}" if is_said else ""
        sentence = f"You decide again yourself, and nobody in your place.{said}"
        await self._tell(body, "You decide again yourself", [sentence])

    async def say_who_is_back(self) -> datetime | None:
        """Say aloud what was handed over and has ended by itself; returns when the next ends (None: nothing does)."""
        ended, next_end = await self._front.approvals.ended()
        for one in ended:
            back = f"{person(one.principal)} decides again, and {person(one.delegate)} no longer in their place."
            await self._say_aloud(f":wave: {back}", one.channel)
        return next_end

    async def _say_aloud(self, text: str, channel: str = "") -> bool:
        """In the approvals channel, as far as Slack takes it: what counts is on disk already."""
        channel = channel or self._policy.channel
        try:
            await self._front.client.chat_postMessage(channel=channel, text=text)
        except (SlackApiError, SlackClientError, aiohttp.ClientError, TimeoutError) as error:
            log.warning("not_said_aloud", channel=channel, why=slack_error(error))
            return False
        return True

    # What happened.

    async def _history(self, body: Body, asker: Asker, words: str) -> None:
        if not words:
            raise Sorry("Name what you want to know about: /postroom history acme-mail.com, an address, or a request.")
        thing = clip(words, 100)
        requests = await self._questions.about(words, asker)
        if not requests:
            raise Sorry(
                f"Nothing was ever asked about “{thing}” that you may know about. "
                "What was asked in a private channel is told there, and to those who decide."
            )
        number = "1 request" if len(requests) == 1 else f"{len(requests)} requests"
        lines, room = [f"*{number} about {escape(thing)}*, the newest first"], LIST_TEXT - 300
        for at, request in enumerate(requests):
            told = [self._asked(request), *_happened(await self._questions.facts(request))]
            room -= sum(len(line) + 1 for line in told)
            if room < 0 and at:
                each = code("/postroom history <request>")
                lines.append(f"… and {len(requests) - at} more. {each} shows one of them.")
                break
            lines += told
        await self._tell(body, f"What happened to {thing}", lines)

    def _asked(self, request: Request) -> str:
        headline = escape(clip(self._front.messages.headline(request), 150))
        return f"*{headline}* · {total(request.quote)} · {place(request.channel)} · {code(request.id)}"

    # In an emergency.

    async def _break_glass(self, body: Body, asker: Asker, words: str) -> None:
        named, _, reason = words.partition(" ")
        if not named:
            raise Sorry(
                "Name the request and say why it cannot wait: /postroom break-glass req_7k2m9x4qpd The campaign starts "
                "at noon. Nothing was changed."
            )
        found = await self._questions.named(named, asker)
        seen = found.fingerprint[:SEEN]
        request = await self._front.approvals.breaking_glass(found.id, asker.user, seen=seen)
        # Only what the form shows is run, and only once that was sent: what was typed shows neither what nor the price.
        view = windows.run_now(
            request.id, seen, self._front.messages.headline(request), total(request.quote), reason=reason.strip()
        )
        await self._front.client.views_open(trigger_id=str(body.get("trigger_id")), view=view)


def _happened(facts: Iterable[AuditEntry]) -> list[str]:
    """A line for each fact that is of interest, the oldest first; of many, those in the middle are counted."""
    told = [f"• {moment(entry.at)} {words}" for entry in facts if (words := in_words(entry))]
    if len(told) > MOST_FACTS:
        half = MOST_FACTS // 2
        told[half:-half] = [f"• … and {len(told) - 2 * half} more in between"]
    return told


# Words about who and until when.


def _deciding(standing: Standing) -> list[str]:
    """Who may decide it now, who has said yes, and until when it waits."""
    request, ruling = standing.request, standing.ruling
    named = ruling.terms.deciders(request.escalated)
    may = standing.entitled if ruling.terms.requester_may else standing.entitled - {request.requester}
    yes = [one for one in standing.votes if one.verdict is Verdict.APPROVE]
    count = f", {len(may)} {'person' if len(may) == 1 else 'people'} now" if any(map(is_group, named)) else ""
    lines = ["*Who may decide it*", f"• {_people(named)}{count}"]
    lines += [f"• {_handed(one)}" for one in standing.stand_ins]
    needs = ruling.terms.needs
    lines += [f"• and {one} has to say yes" for one in owners_too(ruling)]
    if yes:
        lines.append("*Said yes*" if ruling.terms.owners else f"*Said yes* ({len(yes)} of {needs})")
        lines += [f"• {_voter(one.voter, one.principal)}, {moment(one.at)}" for one in yes]
    else:
        lines.append(f"Nobody has said yes yet; {needs} {'person has' if needs == 1 else 'different people have'} to.")
    until = "It waits until somebody decides, however long." if standing.expires is None else ""
    if standing.expires is not None:
        until = f"It expires {moment(standing.expires)}."
    if standing.escalates is not None:
        until += f" {_people(ruling.terms.escalate_to)} may decide it as well from {moment(standing.escalates)} on."
    return [*lines, until]


def _decided(standing: Standing) -> list[str]:
    """Who decided what waits no more; nothing where nobody had to."""
    request = standing.request
    said = {Verdict.APPROVE: "said yes", Verdict.DENY: "said no"}
    lines = [f"• {_voter(one.voter, one.principal)} {said[one.verdict]}, {moment(one.at)}" for one in standing.votes]
    voters = {one.voter for one in standing.votes}
    if request.decided_by and request.decided_at and request.decided_by not in voters:
        lines.append(f"• {person(request.decided_by)}, {moment(request.decided_at)}")  # broke the glass, or cancelled
    return ["*Who decided it*", *lines] if lines else []


def _voter(voter: str, principal: str) -> str:
    return person(voter) if principal in ("", voter) else f"{person(voter)} for {person(principal)}"


def _handed(one: Delegation) -> str:
    return f"{person(one.delegate)} decides in {person(one.principal)}'s place until {moment(one.ends_at)}"


def _people(named: Iterable[str]) -> str:
    return either([whoever(one) for one in named]) or "nobody"


def _said_in(channel: str) -> str:
    return f"It was said in {place(channel)}."


def _not_said_in(channel: str) -> str:
    return f"It could not be said in {place(channel)}, so tell them yourself."


def _ids(policy: Policy, ruling: Ruling) -> frozenset[str]:
    """Every id that a sentence about this ruling may have in it."""
    terms = [policy.default, ruling.terms, *(one.terms for one in policy.rules)]
    conditions = [one.conditions for one in policy.rules]
    named = [who for one in terms for who in (*one.approvers, *one.escalate_to, *chain(*one.owners))]
    named += [who for one in conditions for who in (*one.requesters, one.channel)]
    return frozenset(filter(None, named))


def _with_names(sentence: str, ids: frozenset[str]) -> str:
    """A sentence of the policy, with names in the place of ids. Privately shown, they ping nobody."""

    def shown(found: re.Match[str]) -> str:
        one = found[0]
        return one if one not in ids else place(one) if one[0] in "CG" else whoever(one)

    return re.sub(r"(?<![\w<@#^])[A-Z][A-Z0-9]{2,}(?!\w)", shown, sentence)


# Words about money.

_FULL, _RESERVED, _FREE = "█", "▓", "░"
KEY_OF_BARS = f"{_FULL}\u00a0spent · {_RESERVED}\u00a0reserved for what is asked and not finished · {_FREE}\u00a0left"


def _drawn(spent: Decimal, reserved: Decimal, limit: Decimal) -> str:
    """The bar; what is not nothing has a cell, and it never shows more than there is."""
    cells = [0 if not part else max(1, round(BAR * part / limit)) if limit else BAR for part in (spent, reserved)]
    full = min(cells[0], BAR)
    apart = min(cells[1], BAR - full)
    return _FULL * full + _RESERVED * apart + _FREE * (BAR - full - apart)


def _left(left: Decimal, limit: Decimal, currency: str) -> str:
    if left < 0:
        return f"{money(-left, currency)} more than the {money(limit, currency)}"
    return f"{money(left, currency)} of {money(limit, currency)} left"


def _month(period: str) -> str:
    """`November 2026`."""
    with contextlib.suppress(ValueError):
        return datetime.strptime(period, "%Y-%m").strftime("%B %Y")  # noqa: DTZ007 (a month is no moment)
    return escape(period)
