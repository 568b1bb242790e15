"""The windows beside the form: checking, the review, an answer, why a decision was made, the catalogue; and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import slackblocks as sb

from handlers.drafts import Queue
from handlers.policy import Policy, Ruling
from handlers.requests import Sorry
from handlers.slack.approving import Budgets, budget_lines, by_rule, who_will_decide
from handlers.slack.entered import LONGEST_REASON, VALUE, FormError, state_of
from handlers.slack.messages import quote_lines, total
from handlers.slack.words import (
    LONGEST_HEADLINE,
    clip,
    escape,
    moment,
    money,
    paragraphs,
    person,
    place,
    plain,
    quoted,
    section,
    small,
    told,
)
from providers.action import Action, Effect, Quote
from providers.answers import seen

MOST_CHECKBOXES = 10
LONGEST_TITLE = 24
MOST_BLOCKS = 100
"""Slack's limit on the blocks of a modal."""
View = dict[str, Any]


def checking(action: type[Action], what: str) -> View:
    """The modal while the provider is being asked. Plain text."""
    blocks = [
        section(f":hourglass_flowing_sand: {escape(what)}"),
        small("You can leave this open: it goes on by itself."),
    ]
    return modal(action.title, blocks, callback_id="checking", metadata="")


def review(
    action: Action,
    draft_id: str,
    *,
    seen: str,
    account: str,
    reason: str,
    quote: Quote | None,
    ruling: Ruling | None,
    policy: Policy,
    budgets: Budgets = (),
    channel: str = "",
    queue: Queue | None = None,
) -> View:
    """What will be asked, at what price, and of whom: the last look before it is sent.

    `seen` is the beginning of the draft's fingerprint: confirming confirms this and nothing else. `ruling` says who
    decides it, None where nobody has to; `budgets` are those that would count it. `channel` is where the thread will
    be, if that was chosen; `queue` is what it has to wait for, once it may go.
    """
    blocks: list[sb.Block] = [
        section(f"*{escape(clip(action.headline(), LONGEST_HEADLINE))}* · account `{escape(account)}`"),
        *paragraphs(quote_lines(quote)),
        section(f"*Total: {total(quote)}*"),
    ]
    if quote is not None and quote.total is None:
        blocks.append(small("Postroom's price list has no price for some of this; those who decide see that too."))
    if reason:
        blocks.extend(paragraphs(["*Reason*", quoted(reason)]))
    blocks.extend(map(section, budget_lines(policy, budgets, is_reserved=False)))
    waits = ruling is not None and not ruling.auto
    if queue is not None:
        blocks.append(section(_when_it_goes(queue)))
    if ruling is not None:
        blocks.append(section(who_will_decide(ruling, done="bought" if action.effect is Effect.SPEND else "done")))
    if ruling is not None and waits and (rule := by_rule(ruling)):
        blocks.append(small(rule))
    if channel:
        blocks.append(small(f"Its thread will be in {place(channel)}."))
    edit = sb.Button(plain("Change something", 75), action_id="edit", value=draft_id)
    blocks.append(sb.ActionsBlock([edit], block_id="review"))
    submit = "Ask for approval" if waits else "Do it"
    return modal(
        action.title, blocks, callback_id="review", metadata=f"{draft_id}:{seen}", submit=submit, close="Not now"
    )


def _when_it_goes(queue: Queue) -> str:
    every, others = queue.turn.every, [person(one) if one else "somebody else" for one in queue.before]
    often = "once an hour" if every == timedelta(hours=1) else f"once in {every}"
    before = f", and {', '.join(others[:3])} asked before you" if others else ", and that time is not over yet"
    what = "The first part goes" if queue.turn.needed > 1 else "It goes"
    return (
        f":alarm_clock: For {escape(queue.turn.about)} the provider takes this only {often}{before}. {what} about "
        f"{moment(queue.at)}, by itself; the thread tells when."
    )


def answer(action: Action, blocks: Sequence[dict[str, Any]]) -> View:
    """The answer of a READ or REVEAL, shown where its form was."""
    view = modal(action.title, [sb.DividerBlock()], callback_id="answer", metadata="", close="Close")
    return view | {"blocks": list(blocks)}


def first_input(view: Mapping[str, Any]) -> str:
    """The block id of a view's first input, under which an error can be shown; empty where it has none."""
    return next((str(one.get("block_id")) for one in view.get("blocks") or [] if one.get("type") == "input"), "")


def notice(title: str, said: str | Sorry) -> View:
    """A modal that only says something."""
    return modal(title, [section(told(said))], callback_id="notice", metadata="", close="Close")


def deny(request_id: str, seen: str, headline: str) -> View:
    """Asks an approver why not."""
    element = sb.PlainTextInput(action_id=VALUE, multiline=True, max_length=LONGEST_REASON, focus_on_load=True)
    blocks: list[sb.Block] = [
        section(f"*{escape(clip(headline, LONGEST_HEADLINE))}*"),
        sb.InputBlock(
            plain("Why not?", 2000), element, block_id="reason", hint=plain("The thread shows this to everybody.", 2000)
        ),
    ]
    return modal("Deny", blocks, callback_id="deny", metadata=f"{request_id}:{seen}", submit="Deny", close="Back")


def reason_of(values: Mapping[str, Any]) -> str:
    """The reason typed into the deny modal. Raises FormError when there is none."""
    return _said(values, "reason", "Say why, so that the person who asked knows what to do.")


def question(request_id: str, seen: str, headline: str) -> View:
    """Asks somebody who may decide what they want to know first."""
    element = sb.PlainTextInput(action_id=VALUE, multiline=True, max_length=LONGEST_REASON, focus_on_load=True)
    hint = plain("The thread shows it to everybody. The request waits meanwhile, and you can decide at any time.", 2000)
    blocks: list[sb.Block] = [
        section(f"*{escape(clip(headline, LONGEST_HEADLINE))}*"),
        sb.InputBlock(plain("What do you want to know?", 2000), element, block_id="question", hint=hint),
    ]
    metadata = f"{request_id}:{seen}"
    return modal("Ask a question", blocks, callback_id="question", metadata=metadata, submit="Ask", close="Back")


def question_of(values: Mapping[str, Any]) -> str:
    """The question that was typed. Raises FormError when there is none."""
    return _said(values, "question", "Type what you want to know.")


def run_now(request_id: str, seen: str, headline: str, cost: str, *, reason: str = "") -> View:
    """Asks why a request cannot wait for its approval; it shows what is run, and its `cost` (mrkdwn)."""
    element = sb.PlainTextInput(
        action_id=VALUE,
        multiline=True,
        max_length=LONGEST_REASON,
        focus_on_load=True,
        initial_value=reason[:LONGEST_REASON] or None,
    )
    blocks: list[sb.Block] = [
        section(f"*{escape(clip(headline, LONGEST_HEADLINE))}* · {cost}"),
        section(":rotating_light: This sends it to the provider at once, although nobody has approved it."),
        sb.InputBlock(
            plain("Why can it not wait?", 2000),
            element,
            block_id="reason",
            hint=plain("Everybody who would have decided is told, with this reason and your name.", 2000),
        ),
    ]
    metadata = f"{request_id}:{seen}"
    return modal(
        "Run without approval", blocks, callback_id="run_now", metadata=metadata, submit="Run now", close="Back"
    )


def urgency_of(values: Mapping[str, Any]) -> str:
    """Why it cannot wait. Raises FormError when nothing was said."""
    return _said(values, "reason", "Say why it cannot wait: everybody will read it.")


def choose_items(request_id: str, seen: str, action: Action, quote: Quote | None) -> View:
    """Asks which of the things that a request is about are approved; at first all of them are chosen."""
    prices: dict[str, list[Decimal | None]] = {}
    for line in quote.lines if quote is not None else ():
        prices.setdefault(line.subject, []).append(line.price)
    options: list[sb.Option] = []
    for number, name in enumerate(action.subjects()[: MOST_CHECKBOXES * (MOST_BLOCKS - 2)]):
        priced = prices.get(name, [None])
        known = [price for price in priced if price is not None]
        cost = sum(known, Decimal(0)) if len(known) == len(priced) else None
        price = money(cost, quote.currency if quote is not None else "")
        options.append(sb.Option(plain(f"{clip(name, 50)} · {price}", 75), str(number)))
    groups = [options[start : start + MOST_CHECKBOXES] for start in range(0, len(options), MOST_CHECKBOXES)]
    blocks: list[sb.Block] = [
        section(f"*{escape(clip(action.headline(), LONGEST_HEADLINE))}* · {total(quote)}"),
        small("Uncheck what is not to be had. The rest is approved, and its card shows what that costs."),
    ]
    for number, group in enumerate(groups):
        first = number * MOST_CHECKBOXES + 1
        label = "Approved" if len(groups) == 1 else f"Approved, {first} to {first + len(group) - 1}"
        boxes = sb.CheckboxGroup(action_id=VALUE, options=group, initial_options=group)
        blocks.append(sb.InputBlock(plain(label, 2000), boxes, block_id=f"items:{number}", optional=True))
    metadata = f"{request_id}:{seen}"
    return modal("Choose items", blocks, callback_id="items", metadata=metadata, submit="Approve these", close="Back")


def chosen_items(values: Mapping[str, Any], count: int) -> set[int]:
    """The numbers of the things that were left chosen, of `count`. Raises FormError when none were, or others."""
    boxes = [state_of(values, block) for block in values if block.startswith("items:")]
    chosen = [str(one) for group in boxes if isinstance(group, list) for one in group]
    numbers = {int(one) for one in chosen if re.fullmatch(r"[0-9]{1,6}", one, re.ASCII)}
    if not numbers or max(numbers) >= count:
        raise FormError({"items:0": "Choose at least one. To refuse all of it, deny the request instead."})
    # What had no room in the form could not be taken out, so it stays.
    return numbers | set(range(MOST_CHECKBOXES * (MOST_BLOCKS - 2), count))


def _said(values: Mapping[str, Any], block: str, otherwise: str) -> str:
    """What was typed into a text input that has to be filled in. Raises FormError, with that sentence, if it is not."""
    said = str(seen(state_of(values, block) or "")).strip()
    if not said:
        raise FormError({block: otherwise})
    return clip(said, LONGEST_REASON)


def picker(title: str, actions: Sequence[type[Action]], channel: str) -> View:
    """The catalogue of what can be asked of one noun."""
    return modal(title, to_pick(actions, MOST_BLOCKS), callback_id="picker", metadata=channel, close="Close")


def to_pick(
    actions: Sequence[type[Action]],
    most: int,
    *,
    button: str = "pick",
    named: Callable[[type[Action]], str] = lambda action: f"*{escape(f'/{action.command} {action.usage()}'.strip())}*",
) -> list[sb.Block]:
    """What can be asked, with a button each, in at most so many blocks; what is too much is counted.

    `button` is the name of what a click does, which gets the command; `named` is what stands above the help line.
    """
    shown = actions if len(actions) <= most else actions[: most - 1]
    blocks: list[sb.Block] = [
        section(
            f"{named(action)}\n{escape(action.help_line())}",
            accessory=sb.Button(plain("Open", 75), action_id=button, value=action.command),
            block_id=f"{button}:{action.command}",
        )
        for action in shown
    ]
    if len(shown) < len(actions):
        blocks.append(small(f"… and {len(actions) - len(shown)} more: `/postroom help` with a word finds them."))
    return blocks


def modal(
    title: str,
    blocks: Sequence[sb.Block],
    *,
    callback_id: str,
    metadata: str,
    submit: str | None = None,
    close: str | None = None,
) -> View:
    """A window as `views.open` and `views.update` take it; `metadata` comes back with each click in it."""
    view = sb.ModalView(
        title=plain(title[:1].upper() + title[1:], LONGEST_TITLE),
        blocks=list(blocks),
        callback_id=callback_id,
        private_metadata=metadata or None,
        submit=plain(submit, LONGEST_TITLE) if submit else None,
        close=plain(close, LONGEST_TITLE) if close else None,
    )
    return view.to_dict()
