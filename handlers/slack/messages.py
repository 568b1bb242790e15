"""What is said in channels: the card for those who decide, the parent message of the thread, and the thread's lines.

Pure functions from a request to text and blocks; `delivery.py` posts them. Everything from outside is escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import slackblocks as sb
from pydantic import TypeAdapter, ValidationError

from handlers.policy import Ruling
from handlers.requests import SEEN, Requests, Sorry
from handlers.settling import asked_about
from handlers.slack.approving import budget_lines, by_rule, owners_too, voters, who_decides
from handlers.slack.words import (
    LIST_TEXT,
    LONGEST_HEADLINE,
    SECTION_TEXT,
    built,
    clip,
    code,
    either,
    escape,
    length,
    moment,
    money,
    named,
    paragraphs,
    person,
    place,
    plain,
    quoted,
    section,
    small,
    whoever,
)
from providers.action import Done, Failed, Item, ItemState, Outcome, Pending, Quote, QuoteLine, Unknown
from storage.outbox import Owed
from storage.records import Json, Message, MessageKind, Request, RequestState, Verdict, Vote

_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)
_MARKS = {
    ItemState.LIVE: ":white_check_mark:",
    ItemState.BOUGHT: ":hourglass_flowing_sand:",
    ItemState.NOT_DONE: ":x:",
    ItemState.UNKNOWN: ":grey_question:",
    ItemState.INFO: "•",
}
_STATES = {
    ItemState.LIVE: "live",
    ItemState.BOUGHT: "bought",
    ItemState.NOT_DONE: "not bought",
    ItemState.UNKNOWN: "not known",
}


LONGEST_HEADER = 150
"""Slack's limit on a header."""
_MOST_NAMED = 20
"""Names in one line of a thread; of more, their number is said."""
_STATES_OF_WORK = _STATES | {ItemState.BOUGHT: "accepted", ItemState.NOT_DONE: "not done"}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as Slack takes it: `text` says the same as `blocks`, for notifications and screen readers."""

    text: str
    blocks: list[dict[str, Any]]


class Messages:
    """Puts requests into words."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    @property
    def cards(self) -> str:
        """The channel where cards stand."""
        return self._requests.policy.channel

    def render(self, owed: Owed) -> Rendered:
        """The revision of a message that shows its request as it is now."""
        match owed.message.kind:
            case MessageKind.CARD:
                return self._card(owed)
            case MessageKind.PARENT:
                return self._parent(owed.request)
            case MessageKind.NOTE:
                return self._note(owed.request, owed.message)
            case MessageKind.CALL:
                return self._call(owed)

    def headline(self, request: Request) -> str:
        """What was asked in a few words, plain text; the bare command where this version cannot read the request."""
        try:
            return self._requests.action_of(request).headline()
        except Sorry:
            return f"/{request.command}"

    def status(self, request: Request, votes: Sequence[Vote] = ()) -> str:
        """Where the request stands, one line of mrkdwn; `votes` are those that decided it, where they are known."""
        outcome = _outcome(request.outcome)
        summary = "" if outcome is None or isinstance(outcome, Pending) else escape(outcome.summary)
        by = _decided_by(request, votes)
        when = f", {moment(request.decided_at)}" if request.decided_at else ""
        match request.state:
            case RequestState.AWAITING:
                return ":hourglass_flowing_sand: *Waiting for approval*"
            case RequestState.APPROVED | RequestState.EXECUTING:
                approved = self._approved(request, by, when)
                return approved + _when_sent(
                    request, ":arrow_forward: *Sending it now*" if not approved else "Sending it now."
                )
            case RequestState.WORKING:
                return f":arrows_counterclockwise: *In progress*{_progress(outcome)}"
            case RequestState.UNKNOWN if request.asks_person:
                return f":warning: *Needs a person.* {summary}"
            case RequestState.UNKNOWN:
                return f":mag: *Checking what happened.* {summary}"
            case RequestState.SUCCEEDED:
                return f":tada: *Done.* {summary}"
            case RequestState.FAILED:
                return f":x: *Failed.* {summary}"
            case RequestState.DENIED:
                return f":no_entry: *Denied* by {by}{when}"
            case RequestState.CANCELLED:
                return f":heavy_minus_sign: *Cancelled* by {by}{when}"
            case RequestState.EXPIRED:
                return ":alarm_clock: *Expired* without a decision"
            case RequestState.DRAFT:
                return "Not asked yet"

    def _approved(self, request: Request, by: str, when: str) -> str:
        """How it came that it may run; empty where nobody ever had to say so."""
        if _ran_at_once(request):
            return f":rotating_light: *Run at once* by {by}{when}, without its approval. "
        if request.decided_by:
            return f":white_check_mark: *Approved* by {by}{when}. "
        ruling = Ruling.from_json(request.ruling)
        return ":white_check_mark: *No approval was needed.* " if ruling is not None and ruling.auto else ""

    def _card(self, owed: Owed) -> Rendered:
        request = owed.request
        headline, cost = self.headline(request), _cost(request)
        asks = f"{person(request.requester)} asks in {place(request.channel)}"
        blocks: list[sb.Block] = [
            sb.HeaderBlock(plain(headline, LONGEST_HEADER)),
            *([section(f"*{escape(headline)}*")] if len(headline) > LONGEST_HEADER else []),
            section(f"{asks} · *{cost}* · account {code(request.account)}"),
            *paragraphs(self.lines(request, owed.before)),
        ]
        if request.reason:
            blocks.extend(paragraphs(["*Reason*", quoted(clip(request.reason, 2500))]))
        if _ran_at_once(request):
            blocks.extend(paragraphs(["*Why it could not wait*", quoted(clip(request.decision_reason, 2500))]))
        policy = self._requests.policy
        blocks.extend(map(section, budget_lines(policy, owed.budgets, is_reserved=True)))
        status = self.status(request, owed.votes)
        blocks.append(section(status))
        if request.state is RequestState.DENIED and request.decision_reason:
            blocks.extend(paragraphs([quoted(clip(request.decision_reason, 2500))]))
        if request.state is RequestState.AWAITING:
            ruling = self._requests.ruling_of(request)
            told = [who_decides(ruling, request, owed.votes, owed.lacking), by_rule(ruling)]
            blocks.append(small(" ".join(filter(None, told))))
            blocks.append(self.decision_buttons(request))
        if self._can_be_stopped(request):
            blocks.append(sb.ActionsBlock([_stop_button(request)], block_id="stop"))
        if request.state is RequestState.UNKNOWN and request.asks_person:
            blocks.extend(self._settle_buttons(request))
        blocks.append(small(" · ".join(_footer(request, owed.votes))))
        said = f"{asks}: {escape(headline)}, {cost}. {status}"
        return Rendered(clip(said, 3000), built(blocks))

    def _parent(self, request: Request) -> Rendered:
        headline = escape(clip(self.headline(request), LONGEST_HEADLINE))
        line = f"{person(request.requester)} asked: *{headline}* · {_cost(request)}"
        blocks: list[sb.Block] = [section(line), section(self.status(request))]
        blocks += self.requester_buttons(request)
        return Rendered(clip(f"{line}. {self.status(request)}", 3000), built(blocks))

    def requester_buttons(self, request: Request) -> list[sb.Block]:
        """How whoever asked takes it back, as long as that can be."""
        waits_for_time = request.state is RequestState.APPROVED and request.not_before is not None
        if self._can_be_stopped(request):
            return [sb.ActionsBlock([_stop_button(request)], block_id="stop")]
        if request.state is not RequestState.AWAITING and not waits_for_time:
            return []
        then = "What was not sent so far will not be." if waits_for_time else "Nobody can approve it any more."
        cancel = sb.Button(
            plain("Cancel request", 75),
            action_id="cancel",
            value=request.id,
            confirm=_confirm("Cancel this request?", then, "Cancel it"),
        )
        return [sb.ActionsBlock([cancel], block_id="requester")]

    def _can_be_stopped(self, request: Request) -> bool:
        """Within its undo window; and a spend that is kept back, for of that nothing was sent."""
        if request.state is not RequestState.APPROVED or request.not_before is None:
            return False
        kind = self._requests.kind_of(request)
        return request.stop_until is not None or (kind is not None and kind.effect.needs_decision)

    def _call(self, owed: Owed) -> Rendered:
        """A line below the card, for those who may say what became of it."""
        body = {**owed.message.body, "at": owed.message.created_at}
        who = " ".join(whoever(str(one)) for one in body.get("who") or ())
        headline = escape(clip(self.headline(owed.request), 200))
        said = {
            "asks": (
                f":warning: {who} Postroom cannot tell what became of *{headline}*. Somebody has to look at the "
                "provider, and say on the card above what is true."
            ),
            "reminder": (
                f":alarm_clock: {who} Nobody has said{_for_how_long(body)} what became of *{headline}*. The card above "
                "shows what was seen."
            ),
            "heard_late": f":rotating_light: {who} {_HEARD_LATE.format(what=headline)}",
        }.get(str(body.get("fact")))
        said = said or _something(owed.request, body, "")
        return Rendered(clip(said, 3000), built(paragraphs([said])))

    def _note(self, request: Request, message: Message) -> Rendered:
        body = {**message.body, "at": message.created_at}
        said = _NOTES.get(str(body.get("fact")), _something)(request, body, self._requests.policy.channel)
        lines = [said] if isinstance(said, str) else list(said)
        return Rendered(clip("\n".join(lines), 3000), built(paragraphs(lines)))

    def lines(self, request: Request, before: Json | None = None) -> list[str]:
        """What is bought, a line each: with its price before, with what became of it after.

        Where it asks anew, `before` is what it cost until then.
        """
        outcome = _outcome(request.outcome)
        items = () if outcome is None or isinstance(outcome, Pending) else outcome.items
        if items:
            return _item_lines(request, items)
        if request.attempt > 1 and request.state is RequestState.AWAITING:
            again = "*This was sent before. Somebody has looked and says that it did not happen; a yes sends it again.*"
            return [f":repeat: {again}", *quote_lines(request.quote)]
        if before is not None:
            changed = changed_lines(before, request.quote, whole=True)
            return [":warning: *The price has changed since this was asked before:*", *changed]
        return quote_lines(request.quote)

    def decision_buttons(self, request: Request) -> sb.ActionsBlock:
        """Yes, no, not all of it, a question: for what waits, as it is now."""
        ruling, cost = self._requests.ruling_of(request), _cost(request)
        value = f"{request.id}:{request.fingerprint[:SEEN]}"
        needs = f" {ruling.terms.needs} different people have to say yes." if ruling.terms.needs > 1 else ""
        if ruling.terms.owners:
            needs += " It goes over a budget, so its owner has to say yes as well."
        what = f"{clip(self.headline(request), 150)} for {cost}, from {request.account}.{needs}"
        elements: list[sb.Element] = [
            sb.Button(
                plain("Approve", 75),
                action_id="approve",
                value=value,
                style="primary",
                confirm=_confirm("Approve this?", what, "Approve"),
            ),
            sb.Button(
                plain("Deny", 75),
                action_id="deny",
                value=value,
                style="danger",
                confirm=_confirm("Deny this?", "You will be asked for a reason, which the thread shows.", "Deny …"),
            ),
            sb.Button(plain("Ask …", 75), action_id="ask", value=value),
        ]
        if self._is_divisible(request):
            elements.insert(2, sb.Button(plain("Choose items …", 75), action_id="choose", value=value))
        if self._requests.policy.break_glass:
            now = sb.Option(plain("Run now, without approval …", 75), f"run_now:{value}")
            elements.append(sb.OverflowMenu("more", [now]))
        return sb.ActionsBlock(elements, block_id="decision")

    def _is_divisible(self, request: Request) -> bool:
        """Whether some of it can be taken out and the rest approved."""
        try:
            action = self._requests.action_of(request)
        except Sorry:
            return False
        return action.divisible() is not None and len(action.subjects()) > 1

    def _settle_buttons(self, request: Request) -> list[sb.Block]:
        outcome = _outcome(request.outcome)
        evidence = outcome.evidence if isinstance(outcome, Unknown) else ""
        shown = ["*What was seen*", quoted(clip(evidence, 2000))] if evidence else []
        ask = "Look at the provider's own dashboard, then say what is true. Nothing is sent again unless you say so."
        value = f"{request.id}:{asked_about(request)}"
        is_part = isinstance(outcome, Unknown) and len(outcome.items) > 1
        happened = "All of it happened" if is_part else "It happened"
        buttons: list[sb.Element] = [
            sb.Button(
                plain(happened, 75),
                action_id="settle_happened",
                value=value,
                confirm=_confirm(f"{happened}?", _all_of_it(request), happened),
            ),
            sb.Button(
                plain("It did not happen", 75),
                action_id="settle_did_not",
                value=value,
                confirm=_confirm("It did not happen?", "The request is closed as failed.", "It did not"),
            ),
            sb.Button(plain("Keep watching", 75), action_id="settle_wait", value=value),
            sb.Button(
                plain("It did not, try again", 75),
                action_id="settle_again",
                value=value,
                style="danger",
                confirm=_confirm("Send it a second time?", _SECOND_TIME.format(cost=_cost(request)), "Send it again"),
            ),
        ]
        return [*paragraphs([*shown, ask]), sb.ActionsBlock(buttons, block_id="settle")]


_SECOND_TIME = (
    "This sends the same order once more ({cost}). If the first one did happen after all, the money is spent a second "
    "time. Do this only if the provider's dashboard shows that it did not."
)


def _all_of_it(request: Request) -> str:
    spent = f", and all of its price ({_cost(request)}) counts as spent" if _buys(request) else ""
    return (
        f"This means all of it: the request is closed as done{spent}. If only a part happened, say that it did not: "
        "what Postroom has seen of it is counted all the same."
    )


def item_line(item: Item, *, bought: bool = True) -> str:
    """One line of an answer or a result; `bought`: whether it was about buying something."""
    state = _STATES.get(item.state, "") if bought else _STATES_OF_WORK.get(item.state, "")
    told = ", ".join(filter(None, [state, escape(clip(item.note, 300))]))
    return f"{_MARKS[item.state]} {named(item.name)}{' — ' + told if told else ''}"


def quote_lines(quote: Json | Quote | None) -> list[str]:
    """What it costs, a line each."""
    read = _quote(quote)
    if read is None:
        return []
    lines = [f"• {named(line.what)} — {money(line.price, read.currency)}" for line in read.lines]
    return lines if length(lines) <= LIST_TEXT else _by_price(read.lines, read.currency)


def _by_price(lines: Sequence[QuoteLine], currency: str) -> list[str]:
    """Many things in little room: their names, of each price together. Whoever decides sees every single one."""
    costs: dict[str, list[str]] = {}
    for line in lines:
        costs.setdefault(money(line.price, currency), []).append(code(line.what))
    told: list[str] = []
    for cost, names in costs.items():
        told.append(f"*{cost} each, {len(names)} of them:*")
        row = ""
        for name in names:
            if row and len(row) + len(name) > SECTION_TEXT - 100:
                told.append(row)
                row = ""
            row = f"{row}, {name}" if row else name
        told.append(row)
    return told


def is_too_long(quote: Quote | None) -> bool:
    """Whether a card could not show all that is asked for: nobody can decide what they cannot read."""
    return length(quote_lines(quote)) > LIST_TEXT


def total(quote: Json | Quote | None) -> str:
    """What it costs together."""
    if quote is None:
        return "no cost"
    read = _quote(quote)
    if read is None:
        return money(None, "")
    return "no cost" if read.total == 0 else money(read.total, read.currency)


def answer_lines(outcome: Outcome, quote: Quote | None) -> list[str]:
    """A READ's answer: its items, with the price of those that have one."""
    if isinstance(outcome, Pending):
        return [escape(outcome.progress)]
    prices = {line.what: money(line.price, quote.currency) for line in quote.lines} if quote is not None else {}
    lines = [
        item_line(item) + (f" · {prices[item.name]}" if item.name in prices and item.note == "free" else "")
        for item in outcome.items
    ]
    cure = [escape(outcome.cure)] if isinstance(outcome, Failed) else []
    return [f"*{escape(clip(outcome.summary, 500))}*", *lines, *cure]


def _item_lines(request: Request, items: Sequence[Item]) -> list[str]:
    return [item_line(item, bought=_buys(request)) for item in items]


def _buys(request: Request) -> bool:
    """Whether something is bought for money: what costs nothing, or credits that are there already, is done."""
    quote = _quote(request.quote)
    return quote is not None and quote.total != 0 and quote.currency != "credits"


def _nothing_done(request: Request) -> str:
    """What is true as long as nobody has said yes."""
    return "Nothing was bought." if _buys(request) else "Nothing was done."


def changed_lines(before: Json | None, now: Json | None, *, whole: bool) -> list[str]:
    """The lines of two quotes: what has changed as it was and as it is, and, if `whole`, the rest of what is there now.

    Below them both totals.
    """
    old, new = _quote(before), _quote(now)
    was = {line.what: money(line.price, old.currency) for line in old.lines} if old is not None else {}
    costs = {line.what: money(line.price, new.currency) for line in new.lines} if new is not None else {}
    lines, same = [], []
    for what in dict.fromkeys([*costs, *was]):
        if was.get(what) != costs.get(what):
            lines.append(f"• {named(what)} — {was.get(what, 'not there')} → *{costs.get(what, 'not there')}*")
        elif whole:
            same.append(f"• {named(what)} — {costs[what]}")
    if new is not None and length([*lines, *same]) > LIST_TEXT - 200:
        same = _by_price(new.lines, new.currency)
        lines = lines if length([*lines, *same]) <= LIST_TEXT - 200 else []
    lines += same
    return lines if len(lines) == len(costs) == 1 else [*lines, f"Total: {total(before)} → *{total(now)}*"]


def _decided_by(request: Request, votes: Sequence[Vote]) -> str:
    """Whoever's decision it was: all that said yes, where it was approved by several."""
    if not request.decided_by:
        return "somebody"
    everybody = voters(votes)
    is_theirs = any(one.voter == request.decided_by and one.verdict is Verdict.APPROVE for one in votes)
    return " and ".join(everybody) if is_theirs else person(request.decided_by)


def _ran_at_once(request: Request) -> bool:
    """Whether somebody ran it without its approval: they had to give a reason, and whoever says yes does not."""
    gone_on = request.state not in (RequestState.AWAITING, RequestState.DENIED, RequestState.CANCELLED)
    return gone_on and bool(request.decision_reason)


def _stop_button(request: Request) -> sb.Button:
    then = "Nothing is sent. If you asked for it, it is cancelled; otherwise its card asks again."
    return sb.Button(
        plain("Stop", 75),
        action_id="stop",
        value=request.id,
        style="danger",
        confirm=_confirm("Stop this?", then, "Stop"),
    )


def _when_sent(request: Request, now: str) -> str:
    """When what was approved goes to the provider; `now` where nothing keeps it back."""
    if request.stop_until is not None:
        return f":hourglass: It is sent {_to_the_second(request.stop_until)}; until then it can be stopped."
    if request.not_before is not None:
        return f":alarm_clock: *Waiting for its time:* it goes on {moment(request.not_before)}."
    return now


def _to_the_second(when: datetime) -> str:
    return f"<!date^{int(when.timestamp())}^at {{time_secs}}|at {when:%H:%M:%S} UTC>"


def _footer(request: Request, votes: Sequence[Vote] = ()) -> list[str]:
    """The request's id and its dates; who approved stays on the card when its status has moved on."""
    told = [code(request.id), f"asked {moment(request.created_at)}"]
    moved_on = (RequestState.WORKING, RequestState.UNKNOWN, RequestState.SUCCEEDED, RequestState.FAILED)
    if request.decided_by and request.decided_at and request.state in moved_on:
        how = "run without approval" if _ran_at_once(request) else "approved"
        told.append(f"{how} by {_decided_by(request, votes)} {moment(request.decided_at)}")
    return told


def _cost(request: Request) -> str:
    return total(request.quote)


def _quote(stored: Json | Quote | None) -> Quote | None:
    """What it costs; None also for what an older or newer version wrote and this one cannot read."""
    try:
        return None if stored is None else Quote.model_validate(stored)
    except ValidationError:
        return None


def _outcome(stored: Json | None) -> Outcome | None:
    """What is known of how it went; None also for what an older or newer version wrote and this one cannot read."""
    try:
        return None if stored is None else _OUTCOME.validate_python(stored)
    except ValidationError:
        return None


def _progress(outcome: Outcome | None) -> str:
    if not isinstance(outcome, Pending):
        return ""
    bar = ""
    if outcome.total:
        full = round(10 * (outcome.done or 0) / outcome.total)
        bar = f" `{'█' * full}{'░' * (10 - full)}` {outcome.done or 0} of {outcome.total}"
    return f"{bar}\n{escape(clip(outcome.progress, 500))}" if outcome.progress else bar


def _confirm(title: str, text: str, yes: str) -> sb.ConfirmationDialogue:
    return sb.ConfirmationDialogue(plain(title, 100), plain(text, 300), plain(yes, 30), plain("Back", 30))


# The thread's lines, one function per fact that the handlers without Slack commit.


def _asked(request: Request, body: Json, approvals: str) -> str:
    done = "bought" if _buys(request) else "done"
    ruling = Ruling.from_json(request.ruling)
    needs = ruling.terms.needs if ruling is not None else 1
    who = "somebody there says yes" if needs == 1 else f"{needs} people there say yes"
    who += "".join(f", and {one}" for one in owners_too(ruling)) if ruling is not None else ""
    return f":raised_hand: Sent to {place(approvals)} for approval. Nothing is {done} before {who}."


def _approved(request: Request, body: Json, approvals: str) -> Sequence[str]:
    given = int(body.get("given") or 1)
    count = f" With that, {given} people have said yes." if given > 1 else ""
    said = f":white_check_mark: {_by(body)} approved this.{count}"
    return [*_taken_out(request, body), f"{said} {_sent_when(body.get('stop_until'))}", *_void(body)]


def _approved_by_one(request: Request, body: Json, approvals: str) -> Sequence[str]:
    lacks = body.get("lacks") or [{"more": int(body.get("needs") or 1) - int(body.get("given") or 0)}]
    left = " and ".join(map(_lacking, lacks))
    left = f"{left[0].upper()}{left[1:]}"
    anew = " Whoever said yes to all of it before has to look again." if body.get("without") else ""
    said = (
        f":ballot_box_with_check: {_by(body)} said yes. {left} to; the card in {place(approvals)} shows who may.{anew}"
    )
    return [*_taken_out(request, body), said, *_void(body)]


def _lacking(part: Json) -> str:
    """Who has to say yes still: `one more person has`, `for the budget “Sales” @finn has`."""
    if part.get("budget"):
        owners = either([whoever(str(one)) for one in part.get("of") or ()])
        return f"for the budget “{escape(str(part['budget']))}” {owners} has"
    return "one more person has" if part["more"] == 1 else f"{part['more']} more people have"


def _auto_approved(request: Request, body: Json, approvals: str) -> str:
    why = " ".join(str(one) for one in body.get("why") or ())
    until = request.stop_until.isoformat() if request.stop_until is not None else None
    return f":white_check_mark: {escape(clip(why, 1000))} {_sent_when(until)}"


def _by(body: Json) -> str:
    """Who decided, and in whose place."""
    besides = [person(str(one)) for one in body.get("also_for") or ()]
    whose = ([f"for {person(str(body['for']))}"] if body.get("for") else []) + [f"also for {one}" for one in besides]
    instead = f" ({', '.join(whose)})" if whose else ""
    return f"{person(str(body['by']))}{instead}"


def _sent_when(stop_until: object) -> str:
    if stop_until:
        when = _to_the_second(datetime.fromisoformat(str(stop_until)))
        return f"It is sent to the provider {when}, once; until then “Stop” on the first message stops it."
    return "It is being sent to the provider, once."


def _taken_out(request: Request, body: Json) -> list[str]:
    out = [str(name) for name in body.get("without") or ()]
    if not out:
        return []
    names = ", ".join(named(name) for name in out[:_MOST_NAMED])
    more = f" and {len(out) - _MOST_NAMED} more" if len(out) > _MOST_NAMED else ""
    return [f":wastebasket: {person(str(body['by']))} took out {names}{more}. What is left costs {_cost(request)}."]


def _question(request: Request, body: Json, approvals: str) -> Sequence[str]:
    return [
        f":question: {person(request.requester)}, {person(str(body['by']))} asks before deciding:",
        quoted(clip(str(body.get("text", "")), 2500)),
        f"Answer here; the card in {place(approvals)} waits meanwhile.",
    ]


def _stopped(request: Request, body: Json, approvals: str) -> str:
    asks = "asks again, and who said yes before has to say it again"
    if not body.get("decided", True):  # it had been approved by itself
        asks = "asks for approval"
    return (
        f":octagonal_sign: {person(str(body['by']))} stopped this before it was sent. {_nothing_done(request)} "
        f"The card in {place(approvals)} {asks}."
    )


def _broke_glass(request: Request, body: Json, approvals: str) -> Sequence[str]:
    instead = " ".join(whoever(str(who)) for who in body.get("instead") or ())
    return [
        f":rotating_light: {instead} {person(str(body['by']))} runs this at once, without the approval it waited for. "
        "It is being sent to the provider, once. The reason:",
        quoted(clip(str(body.get("reason", "")), 2500)),
    ]


def _escalated(request: Request, body: Json, approvals: str) -> str:
    to = " ".join(whoever(str(who)) for who in body.get("to") or ())
    why = escape(str(body["short"])) if body.get("short") else "Nobody has decided this so far."
    return f":mega: {to} {why} You may decide it as well now: the card is in {place(approvals)}."


def _nobody_to_ask(request: Request, body: Json, approvals: str) -> str:
    ruling = Ruling.from_json(request.ruling)
    longest = ruling.terms.expires_after if ruling is not None else None
    ends = "" if longest is None else f", or expires {moment((request.waiting_since or request.created_at) + longest)}"
    return (
        f":warning: {person(request.requester)} {escape(str(body.get('short') or ''))} {_nothing_done(request)} "
        f"It waits until that changes{ends}: tell whoever runs Postroom."
    )


def _enough_again(request: Request, body: Json, approvals: str) -> str:
    who = " ".join(whoever(str(one)) for one in body.get("who") or ())
    others = " Nobody else does in their place any more." if body.get("alone") else ""
    return f":ok: {who} can decide this again.{others} The card is in {place(approvals)}."


def _votes_void(request: Request, body: Json, approvals: str) -> Sequence[str]:
    return _void({"void": body.get("who")})


def _void(body: Json) -> list[str]:
    """Whose yes counted before and does not any more."""
    who = " and ".join(person(str(one)) for one in body.get("void") or ())
    return [f":heavy_minus_sign: The yes of {who} counts no more, for they may not decide this now."] if who else []


def _reminder(request: Request, body: Json, approvals: str) -> str:
    who = " ".join(whoever(str(one)) for one in body.get("who") or ())
    waited = _for_how_long(body)
    return f":alarm_clock: {who} This has been waiting for a decision{waited}. The card is in {place(approvals)}."


def _expired(request: Request, body: Json, approvals: str) -> str:
    return (
        f":alarm_clock: {person(request.requester)} Nobody decided this{_for_how_long(body, 'in')}, so it has expired. "
        f"{_nothing_done(request)} Ask again if it is still wanted."
    )


def _for_how_long(body: Json, word: str = "for") -> str:
    """` for 3 hours`, from `since` to the moment at which the line was owed; nothing where that is not known."""
    try:
        waited = body["at"] - datetime.fromisoformat(str(body["since"]))
    except (KeyError, ValueError, TypeError):
        return ""
    minutes = int(waited.total_seconds() // 60)
    for long, unit in ((24 * 60, "day"), (60, "hour"), (1, "minute")):
        if minutes >= long * (2 if long > 60 else 1):  # a day and a half is said in hours
            number = minutes // long
            return f" {word} {number} {unit}{'' if number == 1 else 's'}"
    return ""


def _denied(request: Request, body: Json, approvals: str) -> Sequence[str]:
    said = [quoted(clip(str(body["reason"]), 2500))] if body.get("reason") else []
    return [
        f":no_entry: {person(request.requester)}, {person(body['by'])} denied this. {_nothing_done(request)}",
        *said,
    ]


def _cancelled(request: Request, body: Json, approvals: str) -> str:
    partly = body.get("waited") and not _buys(request)  # what is bought is sent at once, or not at all
    told = "What was not sent so far will not be." if partly else _nothing_done(request)
    return f":heavy_minus_sign: {person(body['by'])} cancelled this. {told}"


def _later(request: Request, body: Json, approvals: str) -> Sequence[str]:
    plan = [(datetime.fromisoformat(str(at)), str(what)) for at, what in body.get("plan") or []]
    rows = [f"• {moment(at)}: {escape(clip(what, 2500))}" for at, what in plan]
    when = "The rest goes by itself:" if rows else f"It goes on {moment(datetime.fromisoformat(body['until']))}."
    return [f":alarm_clock: {escape(str(body['summary']))} {when}", *rows]


def _reopened(request: Request, body: Json, approvals: str) -> Sequence[str]:
    old, new = total(body.get("old")), total(body.get("new"))
    decided = body.get("decided", True)
    since, asks = ("the approval", "asks again") if decided else ("it was asked", "asks for approval")
    changed = f"The price changed after {since}, from {old} to {new}"
    if old == new:  # where one is unknown, the others may have moved
        what = "What this would do has" if body.get("old") == body.get("new") else "Its prices have"
        changed = f"{what} changed since {since}"
    said = f":warning: {changed}. {_nothing_done(request)[:-1]}; the card in {place(approvals)} {asks}."
    return [said, *changed_lines(body.get("old"), body.get("new"), whole=False)]


def _asks_for_less(request: Request, body: Json, approvals: str) -> Sequence[str]:
    fits = " and ".join(f"“{escape(str(one))}”" for one in body.get("fits") or ())
    now = f"it fits the budget {fits}" if fits else f"what is left costs {total(body.get('new'))}, and is asked anew"
    if (before := _quote(body.get("old"))) is not None and before.total is None:
        now = f"the price of what is left is known: {total(body.get('new'))}"
    asks = f":heavy_minus_sign: With that, {now}. The card in {place(approvals)} asks for that; nothing is decided yet."
    return [*_taken_out(request, body), asks]


def _accepted(request: Request, body: Json, approvals: str) -> str:
    outcome = _outcome(body.get("outcome"))
    progress = outcome.progress if isinstance(outcome, Pending) else ""
    said = escape(progress) or "The provider has accepted it."
    return f":package: {said} The first message of this thread shows the progress."


def _done(request: Request, body: Json, approvals: str) -> Sequence[str]:
    outcome = _outcome(body.get("outcome"))
    items = outcome.items if isinstance(outcome, Done) else ()
    summary = outcome.summary if isinstance(outcome, Done) else "Done."
    quote = _quote(request.quote)
    paid = f" Cost: {_cost(request)}." if quote is not None and quote.total != 0 else ""
    return [f":tada: {person(request.requester)} {escape(summary)}{paid}", *_item_lines(request, items)]


def _failed(request: Request, body: Json, approvals: str) -> Sequence[str]:
    outcome = _outcome(body.get("outcome"))
    if not isinstance(outcome, Failed):
        return [f":x: {person(request.requester)} This failed."]
    return [
        f":x: {person(request.requester)} {escape(outcome.summary)}",
        *_item_lines(request, outcome.items),
        f"*What to do now:* {escape(outcome.cure)}",
    ]


def _unknown(request: Request, body: Json, approvals: str) -> Sequence[str]:
    outcome = _outcome(body.get("outcome"))
    summary = outcome.summary if isinstance(outcome, Unknown) else ""
    return [
        f":mag: {escape(summary)} It may or may not have happened, so it is *not* sent again. "
        "Postroom now looks at the provider and will say here what it finds."
    ]


def _asks(request: Request, body: Json, approvals: str) -> Sequence[str]:
    outcome = _outcome(body.get("outcome"))
    found = outcome if isinstance(outcome, Unknown) else Unknown(summary="")
    seen = [f"What was seen: {escape(clip(found.evidence, 1500))}"] if found.evidence else []
    return [
        f":warning: {person(request.requester)} {escape(found.summary)}",
        *seen,
        *_item_lines(request, found.items),
        f"*What to do now:* somebody who may approve says on the card in {place(approvals)} what is true.",
    ]


def _settled(request: Request, body: Json, approvals: str) -> str:
    if body.get("answer") == "again":
        then = "It is sent to the provider once more."
        if body.get("needs"):
            who = f"{body['needs']} people" if int(body["needs"]) > 1 else "those who have to"
            then = (
                f"It is sent once more when {who} have said yes to that: the card in "
                f"{place(approvals)} asks again, and who said yes before has to say it again."
            )
        elif body.get("stop_until"):
            when = _to_the_second(datetime.fromisoformat(str(body["stop_until"])))
            then = f"It is sent to the provider once more {when}; until then “Stop” on the first message stops it."
        return f":repeat: {person(body['by'])} looked and says: it did not happen. {then} {person(request.requester)}"
    words = {"happened": "it happened", "did_not": "it did not happen"}.get(str(body.get("answer")))
    if words is None:
        return f":mag: {person(body['by'])} asked Postroom to keep watching."
    return f":ballot_box_with_check: {person(body['by'])} looked and says: {words}. {person(request.requester)}"


_HEARD_LATE = (
    "The provider has answered after all: *{what}* did happen, although somebody had said that it did not. It is "
    "counted as spent. Do not ask for it again."
)


def _heard_late(request: Request, body: Json, approvals: str) -> Sequence[str]:
    outcome = _outcome(body.get("outcome"))
    said = outcome.progress if isinstance(outcome, Pending) else "" if outcome is None else outcome.summary
    items = () if outcome is None or isinstance(outcome, Pending) else outcome.items
    lines = [f":rotating_light: {person(request.requester)} {_HEARD_LATE.format(what='this')}"]
    if said:
        lines.append(f"What it said: {escape(clip(said, 1500))}")
    return [*lines, *_item_lines(request, items)]


def _card_not_posted(request: Request, body: Json, approvals: str) -> str:
    error = str(body.get("error"))
    if error == "is_archived":
        cure = "Unarchive that channel, or ask whoever runs Postroom for another one"
    elif error.startswith("restricted_action"):
        cure = "That channel has to let Postroom write: whoever manages it can say so in its settings"
    elif error in ("not_in_channel", "channel_not_found"):
        cure = "Invite Postroom to that channel"
    else:
        cure = "Tell whoever runs Postroom"
    return (
        f":warning: The card could not be posted in {place(approvals)} ({code(error)}), so nobody can approve this "
        f"yet. {cure}; it keeps trying by itself."
    )


def _something(request: Request, body: Json, approvals: str) -> str:
    return f"Something happened that this version of Postroom has no words for ({code(str(body.get('fact')))})."


_NOTES: Mapping[str, Callable[[Request, Json, str], str | Sequence[str]]] = {
    "asked": _asked,
    "approved": _approved,
    "approved_by_one": _approved_by_one,
    "auto_approved": _auto_approved,
    "question": _question,
    "stopped": _stopped,
    "broke_glass": _broke_glass,
    "escalated": _escalated,
    "nobody_to_ask": _nobody_to_ask,
    "enough_again": _enough_again,
    "votes_void": _votes_void,
    "reminder": _reminder,
    "expired": _expired,
    "denied": _denied,
    "cancelled": _cancelled,
    "reopened": _reopened,
    "asks_for_less": _asks_for_less,
    "later": _later,
    "accepted": _accepted,
    "done": _done,
    "failed": _failed,
    "unknown": _unknown,
    "asks": _asks,
    "stuck": _asks,
    "settled": _settled,
    "heard_late": _heard_late,
    "card_not_posted": _card_not_posted,
}
