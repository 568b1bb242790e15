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

from handlers.requests import SEEN, Requests, Sorry
from handlers.slack.words import (
    built,
    clip,
    code,
    either,
    escape,
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
from providers.action import Done, Failed, Item, ItemState, Outcome, Pending, Quote, Unknown
from storage.records import Json, Message, MessageKind, Request, RequestState

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

    def render(self, message: Message, request: Request) -> Rendered:
        """The revision of a message that shows `request` as it is now."""
        match message.kind:
            case MessageKind.CARD:
                return self._card(request)
            case MessageKind.PARENT:
                return self._parent(request)
            case MessageKind.NOTE:
                return self._note(request, message.body)

    def headline(self, request: Request) -> str:
        """What was asked in a few words, plain text; the bare command where this version cannot read the request."""
        try:
            return self._requests.action_of(request).headline()
        except Sorry:
            return f"/{request.command}"

    def status(self, request: Request) -> str:
        """Where the request stands, one line of mrkdwn."""
        outcome = _outcome(request.outcome)
        summary = "" if outcome is None or isinstance(outcome, Pending) else escape(outcome.summary)
        by = person(request.decided_by) if request.decided_by else "somebody"
        when = f", {moment(request.decided_at)}" if request.decided_at else ""
        match request.state:
            case RequestState.AWAITING:
                return ":hourglass_flowing_sand: *Waiting for approval*"
            case RequestState.APPROVED | RequestState.EXECUTING:
                approved = f":white_check_mark: *Approved* by {by}{when}. " if request.decided_by else ""
                if request.not_before is not None:
                    return f"{approved}:alarm_clock: *Waiting for its time:* it goes on {moment(request.not_before)}."
                return f"{approved}Sending it now." if approved else ":arrow_forward: *Sending it now*"
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

    def _card(self, request: Request) -> Rendered:
        headline, cost = self.headline(request), _cost(request)
        asks = f"{person(request.requester)} asks in {place(request.channel)}"
        blocks: list[sb.Block] = [
            sb.HeaderBlock(plain(headline, 150)),
            section(f"{asks} · *{cost}* · account {code(request.account)}"),
            *paragraphs(self._lines(request)),
        ]
        if request.reason:
            blocks.extend(paragraphs(["*Reason*", quoted(clip(request.reason, 2500))]))
        blocks.append(section(self.status(request)))
        if request.state is RequestState.DENIED and request.decision_reason:
            blocks.extend(paragraphs([quoted(clip(request.decision_reason, 2500))]))
        if request.state is RequestState.AWAITING:
            may = either([whoever(who) for who in self._requests.approvals.approvers])
            blocks.append(small(f"{may} can decide."))
            blocks.append(self._decision_buttons(request, cost))
        if request.state is RequestState.UNKNOWN and request.asks_person:
            blocks.extend(self._settle_buttons(request))
        blocks.append(small(" · ".join(_footer(request))))
        said = f"{asks}: {escape(headline)}, {cost}. {self.status(request)}"
        return Rendered(clip(said, 3000), built(blocks))

    def _parent(self, request: Request) -> Rendered:
        headline = escape(clip(self.headline(request), 200))
        line = f"{person(request.requester)} asked: *{headline}* · {_cost(request)}"
        blocks: list[sb.Block] = [section(line), section(self.status(request))]
        waits_for_time = request.state is RequestState.APPROVED and request.not_before is not None
        if request.state is RequestState.AWAITING or waits_for_time:
            then = "What was not sent so far will not be." if waits_for_time else "Nobody can approve it any more."
            blocks.append(
                sb.ActionsBlock(
                    [
                        sb.Button(
                            plain("Cancel request", 75),
                            action_id="cancel",
                            value=request.id,
                            confirm=_confirm("Cancel this request?", then, "Cancel it"),
                        )
                    ],
                    block_id="requester",
                )
            )
        return Rendered(clip(f"{line}. {self.status(request)}", 3000), built(blocks))

    def _note(self, request: Request, body: Json) -> Rendered:
        said = _NOTES.get(str(body.get("fact")), _something)(request, body, self._requests.approvals.channel)
        lines = [said] if isinstance(said, str) else list(said)
        return Rendered(clip("\n".join(lines), 3000), built(paragraphs(lines)))

    def _lines(self, request: Request) -> list[str]:
        """What is bought, a line each: with its price before, with what became of it after."""
        outcome = _outcome(request.outcome)
        items = () if outcome is None or isinstance(outcome, Pending) else outcome.items
        if items:
            return _item_lines(request, items)
        return quote_lines(request.quote)

    def _decision_buttons(self, request: Request, cost: str) -> sb.ActionsBlock:
        value = f"{request.id}:{request.fingerprint[:SEEN]}"
        what = f"{self.headline(request)} for {cost}, from {request.account}."
        return sb.ActionsBlock(
            [
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
            ],
            block_id="decision",
        )

    def _settle_buttons(self, request: Request) -> list[sb.Block]:
        outcome = _outcome(request.outcome)
        evidence = outcome.evidence if isinstance(outcome, Unknown) else ""
        shown = ["*What was seen*", quoted(clip(evidence, 2000))] if evidence else []
        ask = "Look at the provider's own dashboard, then say what is true. Nothing is ever sent again by this."
        buttons: list[sb.Element] = [
            sb.Button(
                plain("It happened", 75),
                action_id="settle_happened",
                value=request.id,
                confirm=_confirm("It happened?", "The request is closed as done.", "It happened"),
            ),
            sb.Button(
                plain("It did not happen", 75),
                action_id="settle_did_not",
                value=request.id,
                confirm=_confirm("It did not happen?", "The request is closed as failed.", "It did not"),
            ),
            sb.Button(plain("Keep watching", 75), action_id="settle_wait", value=request.id),
        ]
        return [*paragraphs([*shown, ask]), sb.ActionsBlock(buttons, block_id="settle")]


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
    return [f"• {named(line.what)} — {money(line.price, read.currency)}" for line in read.lines]


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


def _footer(request: Request) -> list[str]:
    """The request's id and its dates; who approved stays on the card when its status has moved on."""
    told = [code(request.id), f"asked {moment(request.created_at)}"]
    moved_on = (RequestState.WORKING, RequestState.UNKNOWN, RequestState.SUCCEEDED, RequestState.FAILED)
    if request.decided_by and request.decided_at and request.state in moved_on:
        told.append(f"approved by {person(request.decided_by)} {moment(request.decided_at)}")
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


# The thread's lines, one function per fact that handlers/requests.py and handlers/jobs.py commit.


def _asked(request: Request, body: Json, approvals: str) -> str:
    done = "bought" if _buys(request) else "done"
    return f":raised_hand: Sent to {place(approvals)} for approval. Nothing is {done} before somebody there says yes."


def _approved(request: Request, body: Json, approvals: str) -> str:
    return f":white_check_mark: {person(body['by'])} approved this. It is being sent to the provider, once."


def _denied(request: Request, body: Json, approvals: str) -> Sequence[str]:
    said = [quoted(clip(str(body["reason"]), 2500))] if body.get("reason") else []
    return [
        f":no_entry: {person(request.requester)}, {person(body['by'])} denied this. {_nothing_done(request)}",
        *said,
    ]


def _cancelled(request: Request, body: Json, approvals: str) -> str:
    told = "What was not sent so far will not be." if body.get("waited") else _nothing_done(request)
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
    if old == new:
        changed = f"What this would do has changed since {since}"
    return [f":warning: {changed}. {_nothing_done(request)[:-1]}; the card in {place(approvals)} {asks}."]


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
    words = {"happened": "it happened", "did_not": "it did not happen"}.get(str(body.get("answer")))
    if words is None:
        return f":mag: {person(body['by'])} asked Postroom to keep watching."
    return f":ballot_box_with_check: {person(body['by'])} looked and says: {words}. {person(request.requester)}"


def _card_not_posted(request: Request, body: Json, approvals: str) -> str:
    return (
        f":warning: The card could not be posted in {place(approvals)} ({code(str(body.get('error')))}), so nobody can "
        "approve this yet. Invite Postroom to that channel; it keeps trying by itself."
    )


def _something(request: Request, body: Json, approvals: str) -> str:
    return f"Something happened that this version of Postroom has no words for ({code(str(body.get('fact')))})."


_NOTES: Mapping[str, Callable[[Request, Json, str], str | Sequence[str]]] = {
    "asked": _asked,
    "approved": _approved,
    "denied": _denied,
    "cancelled": _cancelled,
    "reopened": _reopened,
    "later": _later,
    "accepted": _accepted,
    "done": _done,
    "failed": _failed,
    "unknown": _unknown,
    "asks": _asks,
    "stuck": _asks,
    "settled": _settled,
    "card_not_posted": _card_not_posted,
}
