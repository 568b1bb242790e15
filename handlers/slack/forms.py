"""From an action to a modal and back: a pydantic field becomes a Block Kit input, its error stands under that input.

Where a field of a form comes from: `fields_of` walks the action's own fields in order; the account and the reason are
added around them here. block_id is the field's name, so Slack puts each error where it belongs.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, get_origin

import slackblocks as sb
from pydantic import BeforeValidator, HttpUrl, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from handlers.drafts import Queue
from handlers.policy import Policy, Ruling
from handlers.requests import Sorry
from handlers.slack.approving import Budgets, budget_lines, by_rule, who_will_decide
from handlers.slack.messages import quote_lines, total
from handlers.slack.words import (
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
from providers.accounts import Account
from providers.action import WITHHELD, Action, Effect, Quote, bare, choices_of
from providers.answers import seen
from providers.files import FILE_TYPES, Wanted, too_big, wanted_of

VALUE = "value"
"""The action_id of every input: with block_id the field's name, Slack keeps what was typed over an update."""
LONGEST_REASON = 500
LONGEST_TEXT = 3000
"""Slack's limit on what a person can type into one input."""
MOST_RADIO = 5
"""Up to this many choices are shown at once; more become a menu."""
MOST_CHECKBOXES = 10
LONGEST_TITLE = 24
LONGEST_METADATA = 3000
"""Slack's limit on what a modal carries along."""
MOST_BLOCKS = 100
"""Slack's limit on the blocks of a modal."""
EMPTY = "Fill this in."
AGAIN = "You had filled this in: type it once more, it was not kept here."
ABOUT_SECRETS = "Slack does not hide what you type here. Postroom uses it once, and never stores or shows it."

View = dict[str, Any]

_UNREAD = ".unread"
"""Among what is stored of a form: that it is as it was sent, not what an action made of it, with what it carries along.
No field is called so."""
_OF_A_FILE = {"id": str, "name": str, "size": int, "url_private_download": str}
"""What is kept of Slack's description of a file until it was read."""


class FormError(Exception):
    """What was typed cannot be taken; `errors` has a sentence for each field's name."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = dict(errors)


@dataclass(frozen=True, slots=True)
class Filled:
    """A form that was read and found valid."""

    action: Action
    account: str
    reason: str


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that was attached to a field, as Slack describes it, and what the field wants of it."""

    file: Mapping[str, Any]
    wanted: Wanted


@dataclass(frozen=True, slots=True, repr=False)
class Unread:
    """A form in which nothing is wrong so far, and which takes longer to read than Slack waits: it has files, or lists
    of thousands of lines. What was `typed` is unjudged, by field, and so are the `files`; `aside` it carries along."""

    kind: type[Action]
    account: str
    reason: str
    typed: Mapping[str, Any]
    files: Mapping[str, Attached]
    aside: Mapping[str, Any]

    @classmethod
    def of(cls, kind: type[Action], given: Mapping[str, Any], *, account: str, reason: str) -> Unread | None:
        """What `stored` has made of one; None for what an action itself has stored."""
        aside = given.get(_UNREAD)
        if not isinstance(aside, dict):
            return None
        typed = {name: given[name] for name, _ in fields_of(kind) if name in given}
        return cls(kind, account, reason, typed, _kept_files(kind, given), aside)

    def stored(self) -> dict[str, Any]:
        """As JSON, fit to be kept until it was read: of a secret only that it was given, of a file where it is."""
        withheld = dict.fromkeys(self.typed.keys() & set(self.kind.secret_fields()), WITHHELD)
        files = {file_block(name): dict(one.file) for name, one in self.files.items()}
        return {**self.typed, **withheld, **files, _UNREAD: dict(self.aside)}

    def without_files(self, names: Collection[str]) -> Unread:
        """The same form without these files: they are of no use."""
        return replace(self, files={name: one for name, one in self.files.items() if name not in names})


def form(
    action: type[Action],
    draft_id: str,
    accounts: Sequence[Account],
    *,
    values: Mapping[str, Any] | None = None,
    account: str = "",
    reason: str = "",
    problem: str | Sorry = "",
    accounts_differ: bool = False,
    aside: Mapping[str, Any] | None = None,
    channel: str | None = None,
) -> View:
    """The modal that asks for an action. `values` are shown as typed; `problem` is a sentence on top.

    `channel` is the one that is chosen at first, where the form asks for it; None where it does not.

    With `accounts_differ` Slack tells when another account is chosen, because its provider asks for other things;
    `aside` is what the form carries along for that, without showing it (`set_aside`, `words_aside`).
    """
    values = values or {}
    blocks: list[sb.Block] = [section(f":warning: {told(problem)}")] if problem else [section(action.help_line())]
    blocks.append(_account_input(accounts, account, tells=accounts_differ))
    if channel is not None:
        blocks.append(_channel_input(channel))
    for name, field in fields_of(action):
        blocks.extend(_inputs(name, field, values.get(name), values.get(file_block(name))))
    if action.may_need_decision():
        blocks.append(_reason_input(reason))
    submit = "Review" if action.may_need_decision() else "Go"
    metadata = f"{draft_id}\n{json.dumps(aside)}" if aside else draft_id
    return _modal(action.title, blocks, callback_id="form", metadata=metadata, submit=submit, close="Cancel")


def chosen_of(values: Mapping[str, Any], block: str) -> list[str]:
    """What is chosen in checkboxes or in a menu for several."""
    chosen = _state(values, block)
    return [one for one in chosen if isinstance(one, str)] if isinstance(chosen, list) else []


def has_thread(action: type[Action]) -> bool:
    """Whether asking this makes a thread, which has to be somewhere; what only answers its asker does not."""
    return action.effect not in (Effect.READ, Effect.REVEAL)


def channel_of(values: Mapping[str, Any]) -> str:
    """The channel that was chosen in a form. Raises FormError where none was."""
    channel = _state(values, "channel")
    if not isinstance(channel, str) or channel[:1] not in ("C", "G"):
        raise FormError({"channel": "Choose the channel whose thread tells how it goes."})
    return channel


def draft_of(view: Mapping[str, Any]) -> str:
    """The id of the draft behind a form."""
    return str(view.get("private_metadata") or "").partition("\n")[0]


def aside_of(view: Mapping[str, Any]) -> dict[str, Any]:
    """What a form carries along for the forms of other accounts (`set_aside`)."""
    carried = str(view.get("private_metadata") or "").partition("\n")[2]
    with contextlib.suppress(ValueError):
        if isinstance(aside := json.loads(carried or "{}"), dict):
            return aside
    return {}


def set_aside(
    variants: Mapping[str, type[Action]], action: type[Action], values: Mapping[str, Any], before: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """What was put into the form before this one and has no place in the form of `action`, to be carried along.

    `before` is what that form carried along itself. Also returns the labels of what cannot be carried: credentials,
    which stand in no form twice, attached files, and what is too long.
    """
    labels = {name: label_of(name, field) for one in variants.values() for name, field in fields_of(one)}
    secret = {
        name for one in variants.values() for name, field in fields_of(one) if bare(field.annotation) is SecretStr
    }
    shown = {name: _state(values, name) for name in values if name != "account"}
    own = {block for name, _ in fields_of(action) for block in (name, file_block(name))}
    own |= {"reason"} if action.may_need_decision() else set()
    left = {
        name: said for name, said in ({**before, **shown}).items() if name not in own and said not in (None, "", [])
    }
    lost = [name for name in left if name in secret or name.removesuffix(".file") != name]
    aside, too_long = _that_fits({name: said for name, said in left.items() if name not in lost})
    return aside, [labels.get(name.removesuffix(".file"), "Reason") for name in (*lost, *too_long)]


def words_aside(variants: Mapping[str, type[Action]], action: type[Action], words: Sequence[str]) -> dict[str, Any]:
    """What the words after a command fill in at other providers, to be carried along by the form of `action`.

    Where they are too long for that, they stand in this form alone; `set_aside` tells when they are lost.
    """
    own = {name for name, _ in fields_of(action)}
    filled = {name: said for one in variants.values() for name, said in one.prefill(words).items() if name not in own}
    return _that_fits(filled)[0]


def _that_fits(aside: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What a modal can carry along, and the names of what is too long for that."""
    lost: list[str] = []
    while len(json.dumps(aside)) > LONGEST_METADATA - 100:
        longest = max(aside, key=lambda name: len(json.dumps(aside[name])))
        lost.append(longest)
        del aside[longest]
    return aside, lost


def brought_back(
    action: type[Action],
    values: Mapping[str, Any],
    aside: Mapping[str, Any],
    *,
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What the form of `action` shows in the place of another: what both ask for, and what was set aside of its own."""
    typed = typed_values(action, values, before=before)
    typed |= {file_block(name): one.file for name, one in attached(action, {}, before=before).items()}
    for name, field in fields_of(action):
        if name in values:
            continue
        is_box = bare(field.annotation) is bool
        if name in aside:
            typed[name] = bool(aside[name]) if is_box else _in_lines(field, aside[name])
        elif is_box:
            typed.pop(name, None)  # nobody saw the box, so it says what it says by default
    return typed


def read(
    variants: Mapping[str, type[Action]],
    accounts: Sequence[Account],
    values: Mapping[str, Any],
    *,
    before: Mapping[str, Any] | None = None,
    aside: Mapping[str, Any] | None = None,
) -> Filled | Unread:
    """What a person put into the form (`view.state.values`), as the action of the chosen account's provider.

    `before` is what the same form held when it was sent last, of which that is kept which was too long to be shown in
    it; `aside` what it carries along. Raises FormError with a sentence under each field; of an Unread one, as far as
    that can be told already.
    """
    chosen = _chosen(accounts, values)
    errors: dict[str, str] = {} if chosen else {"account": "Choose one of the accounts."}
    action = action_of(variants, accounts, values)
    reason = typed_reason(values).strip()
    if action.may_need_decision():
        if not reason:
            errors["reason"] = "Say in a few words what it is for; those who decide read it."
        elif len(reason) > LONGEST_REASON:
            errors["reason"] = f"This has {len(reason)} characters; at most {LONGEST_REASON} fit."
    typed, files = typed_values(action, values, before=before), attached(action, values, before=before)
    for name, one in files.items():
        size = one.file.get("size")
        if isinstance(size, int) and size > one.wanted.most_bytes:
            errors[file_block(name)] = f"{too_big(size, one.wanted).sentence} Nothing was asked."
    names = [name for name, _ in fields_of(action)]
    kept = {
        name for name in names if _state(values, name) is None and _is_kept(action.model_fields[name], typed.get(name))
    }
    slow = [name for name in names if name in files or name in kept]
    made: Action | None = None
    try:
        made = judged(action, {name: value for name, value in typed.items() if name not in slow})
    except FormError as error:
        # Of what follows a field that is not read yet, nobody can tell: it may depend on that.
        certain = names[: names.index(slow[0])] if slow else error.errors
        errors |= {name: sentence for name, sentence in error.errors.items() if name in certain}
    if chosen is not None and not errors:
        if slow:
            return Unread(action, chosen.name, reason, typed, files, aside or {})
        if made is not None:
            return Filled(made, chosen.name, reason)
    raise FormError(errors)


def judged(action: type[Action], typed: Mapping[str, Any], lines: Mapping[str, Sequence[str]] | None = None) -> Action:
    """The action that was asked for. Raises FormError with a sentence under each field.

    `lines` is what the attached files hold, by field. Of long lists this takes its time: in a thread it is in nobody's
    way.
    """
    lines = lines or {}
    joined = {name: _joined(action.model_fields[name], typed.get(name), more) for name, more in lines.items()}
    try:
        return action.model_validate({**typed, **joined})
    except ValidationError as error:
        raise FormError(_beside_files(action, _sentences(error), typed, lines)) from None


def labelled(action: type[Action], errors: Mapping[str, str]) -> str:
    """Mistakes that can no longer stand under their fields, each with the label of its field."""
    labels = {name: label_of(name, field) for name, field in fields_of(action)}
    labels |= {file_block(name): label_of_file(label) for name, label in labels.items()}
    return " ".join(f"{labels[name]}: {said}" if name in labels else said for name, said in errors.items())


def account_of(accounts: Sequence[Account], values: Mapping[str, Any]) -> str:
    """The account that was chosen in a form; the only one where nobody had to choose."""
    return str(_state(values, "account") or (accounts[0].name if len(accounts) == 1 else ""))


def action_of(
    variants: Mapping[str, type[Action]], accounts: Sequence[Account], values: Mapping[str, Any]
) -> type[Action]:
    """The action of the chosen account's provider; as long as none is chosen, that of the first, whose form it is."""
    chosen = _chosen(accounts, values) or next(iter(accounts), None)
    return variants[chosen.provider] if chosen else next(iter(variants.values()))


def attached(
    action: type[Action], values: Mapping[str, Any], *, before: Mapping[str, Any] | None = None
) -> dict[str, Attached]:
    """The files that were attached, by field; where none was, the one that is kept from `before`."""
    found = _kept_files(action, before or {})
    for name, field in fields_of(action):
        wanted, files = wanted_of(field), _state(values, file_block(name))
        if wanted is not None and isinstance(files, list) and files and isinstance(files[0], dict):
            found[name] = Attached(_described(files[0]), wanted)
    return found


def _kept_files(action: type[Action], given: Mapping[str, Any]) -> dict[str, Attached]:
    wanted = {name: wanted_of(field) for name, field in fields_of(action)}
    kept = {name: given.get(file_block(name)) for name in wanted}
    return {name: Attached(file, one) for name, one in wanted.items() if one and isinstance(file := kept[name], dict)}


def _described(file: Mapping[str, Any]) -> dict[str, Any]:
    return {key: file[key] for key, kind in _OF_A_FILE.items() if isinstance(file.get(key), kind)}


def file_block(field: str) -> str:
    """The block_id of the input in which a file is attached to a field."""
    return f"{field}.file"


def typed_reason(values: Mapping[str, Any]) -> str:
    """The reason as far as it was typed."""
    return str(seen(_state(values, "reason") or ""))


def typed_values(
    action: type[Action], values: Mapping[str, Any], *, before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What was put into the fields, unjudged: what was left empty is not there, so that its default holds.

    Of `before`, what the form held when it was sent last, that is kept which it had no room to show.
    """
    typed: dict[str, Any] = {}
    for name, field in fields_of(action):
        value = _state(values, name)
        if bare(field.annotation) is bool:
            value = bool(value)
        if value is not None:
            typed[name] = value if bare(field.annotation) is SecretStr else _in_lines(field, seen(value))
        elif before and _is_kept(field, before.get(name)) and not _state(values, file_block(name)):
            typed[name] = before[name]
    return typed


def from_words(action: type[Action], words: Sequence[str]) -> Action:
    """The action that the words after a command make by themselves. Raises FormError where they do not suffice."""
    given = {name: _in_lines(action.model_fields[name], value) for name, value in action.prefill(words).items()}
    try:
        return action.model_validate(given)
    except ValidationError as error:
        raise FormError(_sentences(error)) from None


def fields_of(action: type[Action]) -> list[tuple[str, FieldInfo]]:
    """The fields people are asked for, in the order in which the class declares them."""
    return [(name, field) for name, field in action.model_fields.items() if not action.is_hidden(name)]


def checking(action: type[Action], what: str) -> View:
    """The modal while the provider is being asked. Plain text."""
    blocks = [
        section(f":hourglass_flowing_sand: {escape(what)}"),
        small("You can leave this open: it goes on by itself."),
    ]
    return _modal(action.title, blocks, callback_id="checking", metadata="")


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
        section(f"*{escape(clip(action.headline(), 200))}* · account `{escape(account)}`"),
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
    return _modal(
        action.title, blocks, callback_id="review", metadata=f"{draft_id}:{seen}", submit=submit, close="Not now"
    )


def _when_it_goes(queue: Queue) -> str:
    every, others = queue.turn.every, [person(one) for one in queue.before]
    often = "once an hour" if every == timedelta(hours=1) else f"once in {every}"
    before = f", and {', '.join(others[:3])} asked before you" if others else ", and that time is not over yet"
    what = "The first part goes" if queue.turn.needed > 1 else "It goes"
    return (
        f":alarm_clock: For {escape(queue.turn.about)} the provider takes this only {often}{before}. {what} about "
        f"{moment(queue.at)}, by itself; the thread tells when."
    )


def answer(action: Action, blocks: Sequence[dict[str, Any]]) -> View:
    """The answer of a READ or REVEAL, shown where its form was."""
    view = _modal(action.title, [sb.DividerBlock()], callback_id="answer", metadata="", close="Close")
    return view | {"blocks": list(blocks)}


def first_input(view: Mapping[str, Any]) -> str:
    """The block id of a view's first input, under which an error can be shown; empty where it has none."""
    return next((str(one.get("block_id")) for one in view.get("blocks") or [] if one.get("type") == "input"), "")


def notice(title: str, said: str | Sorry) -> View:
    """A modal that only says something."""
    return _modal(title, [section(told(said))], callback_id="notice", metadata="", close="Close")


def deny(request_id: str, seen: str, headline: str) -> View:
    """Asks an approver why not."""
    element = sb.PlainTextInput(action_id=VALUE, multiline=True, max_length=LONGEST_REASON, focus_on_load=True)
    blocks: list[sb.Block] = [
        section(f"*{escape(clip(headline, 200))}*"),
        sb.InputBlock(
            plain("Why not?", 2000), element, block_id="reason", hint=plain("The thread shows this to everybody.", 2000)
        ),
    ]
    return _modal("Deny", blocks, callback_id="deny", metadata=f"{request_id}:{seen}", submit="Deny", close="Back")


def reason_of(values: Mapping[str, Any]) -> str:
    """The reason typed into the deny modal. Raises FormError when there is none."""
    return _said(values, "reason", "Say why, so that the person who asked knows what to do.")


def question(request_id: str, seen: str, headline: str) -> View:
    """Asks somebody who may decide what they want to know first."""
    element = sb.PlainTextInput(action_id=VALUE, multiline=True, max_length=LONGEST_REASON, focus_on_load=True)
    hint = plain("The thread shows it to everybody. The request waits meanwhile, and you can decide at any time.", 2000)
    blocks: list[sb.Block] = [
        section(f"*{escape(clip(headline, 200))}*"),
        sb.InputBlock(plain("What do you want to know?", 2000), element, block_id="question", hint=hint),
    ]
    metadata = f"{request_id}:{seen}"
    return _modal("Ask a question", blocks, callback_id="question", metadata=metadata, submit="Ask", close="Back")


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
        section(f"*{escape(clip(headline, 200))}* · {cost}"),
        section(":rotating_light: This sends it to the provider at once, although nobody has approved it."),
        sb.InputBlock(
            plain("Why can it not wait?", 2000),
            element,
            block_id="reason",
            hint=plain("Everybody who would have decided is told, with this reason and your name.", 2000),
        ),
    ]
    metadata = f"{request_id}:{seen}"
    return _modal(
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
        section(f"*{escape(clip(action.headline(), 200))}* · {total(quote)}"),
        small("Uncheck what is not to be had. The rest is approved, and its card shows what that costs."),
    ]
    for number, group in enumerate(groups):
        first = number * MOST_CHECKBOXES + 1
        label = "Approved" if len(groups) == 1 else f"Approved, {first} to {first + len(group) - 1}"
        boxes = sb.CheckboxGroup(action_id=VALUE, options=group, initial_options=group)
        blocks.append(sb.InputBlock(plain(label, 2000), boxes, block_id=f"items:{number}", optional=True))
    metadata = f"{request_id}:{seen}"
    return _modal("Choose items", blocks, callback_id="items", metadata=metadata, submit="Approve these", close="Back")


def chosen_items(values: Mapping[str, Any], count: int) -> set[int]:
    """The numbers of the things that were left chosen, of `count`. Raises FormError when none were, or others."""
    boxes = [_state(values, block) for block in values if block.startswith("items:")]
    chosen = [str(one) for group in boxes if isinstance(group, list) for one in group]
    numbers = {int(one) for one in chosen if re.fullmatch(r"[0-9]{1,6}", one, re.ASCII)}
    if not numbers or max(numbers) >= count:
        raise FormError({"items:0": "Choose at least one. To refuse all of it, deny the request instead."})
    # What had no room in the form could not be taken out, so it stays.
    return numbers | set(range(MOST_CHECKBOXES * (MOST_BLOCKS - 2), count))


def _said(values: Mapping[str, Any], block: str, otherwise: str) -> str:
    """What was typed into a text input that has to be filled in. Raises FormError, with that sentence, if it is not."""
    said = str(seen(_state(values, block) or "")).strip()
    if not said:
        raise FormError({block: otherwise})
    return clip(said, LONGEST_REASON)


def picker(title: str, actions: Sequence[type[Action]], channel: str) -> View:
    """The catalogue of what can be asked of one noun."""
    return _modal(title, to_pick(actions, MOST_BLOCKS), callback_id="picker", metadata=channel, close="Close")


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


def _modal(
    title: str,
    blocks: Sequence[sb.Block],
    *,
    callback_id: str,
    metadata: str,
    submit: str | None = None,
    close: str | None = None,
) -> View:
    view = sb.ModalView(
        title=plain(title[:1].upper() + title[1:], LONGEST_TITLE),
        blocks=list(blocks),
        callback_id=callback_id,
        private_metadata=metadata or None,
        submit=plain(submit, LONGEST_TITLE) if submit else None,
        close=plain(close, LONGEST_TITLE) if close else None,
    )
    return view.to_dict()


def _account_input(accounts: Sequence[Account], chosen: str, *, tells: bool) -> sb.InputBlock:
    options = [sb.Option(plain(account.name, 75), account.name) for account in accounts[:100]]
    initial = next((option for option in options if option.value == chosen), None)
    if initial is None and len(options) == 1:
        initial = options[0]
    menu = sb.StaticSelectMenu(action_id=VALUE, options=options, initial_option=initial)
    hint = plain("Choose this first: what the form asks for depends on it.", 2000) if tells and not initial else None
    return sb.InputBlock(plain("Account", 2000), menu, block_id="account", dispatch_action=tells, hint=hint)


def _reason_input(reason: str) -> sb.InputBlock:
    element = sb.PlainTextInput(
        action_id=VALUE,
        multiline=True,
        max_length=LONGEST_REASON,
        initial_value=reason or None,
        placeholder=plain("New campaign for ACME, starting in May", 150),
    )
    hint = plain("Those who decide read this.", 2000)
    return sb.InputBlock(plain("Reason", 2000), element, block_id="reason", hint=hint)


def _channel_input(channel: str) -> sb.InputBlock:
    element = sb.ConversationSelectMenu(
        action_id=VALUE, initial_conversation=channel or None, filter=sb.ConversationFilter(["public", "private"])
    )
    said = "A thread there tells how it goes. You have to be in it, and so has Postroom."
    return sb.InputBlock(plain("Channel", 2000), element, block_id="channel", hint=plain(said, 2000))


def _inputs(name: str, field: FieldInfo, value: Any, file: Any = None) -> list[sb.Block]:
    """The inputs of a field: one, and beside it one for a file where the field takes one. `file` is there already."""
    wanted = wanted_of(field)
    if wanted is None:
        return [_input(name, field, value)]
    kept = _is_kept(field, value)
    typed = _input(name, field, None if kept else value)
    typed.optional = True  # a file will do
    element = sb.FileInput(action_id=VALUE, filetypes=list(FILE_TYPES), max_files=1)
    label = plain(label_of_file(label_of(name, field)), 2000)
    hint = plain(wanted.hint, 2000)
    attach = sb.InputBlock(label, element, block_id=file_block(name), hint=hint, optional=True)
    told = [section(_told_kept(name, field, value))] if kept else []
    if isinstance(file, Mapping):
        what = f"*{escape(label_of_file(label_of(name, field)))}:* {escape(clip(str(file.get('name') or 'it'), 80))}"
        told.append(section(f"{what} is kept from before. Attach another file to put it in its place."))
    return [*told, typed, attach]


def label_of(name: str, field: FieldInfo) -> str:
    """What a field is called where people see it."""
    return field.title or name.replace("_", " ").capitalize()


def label_of_file(label: str) -> str:
    """What the file of a field is called, by the label of that."""
    return f"{label}, from a file"


def _is_kept(field: FieldInfo, value: Any) -> bool:
    """Whether a form that is shown again keeps this value without showing it: no input takes so much text."""
    return wanted_of(field) is not None and len(_as_text(value)) > LONGEST_TEXT


def _told_kept(name: str, field: FieldInfo, value: Any) -> str:
    lines = _as_text(value).splitlines()
    shown = ", ".join(clip(line, 60) for line in lines[:3])
    return (
        f"*{escape(label_of(name, field))}:* {len(lines):,} are kept from before: {escape(shown)} … "
        "Leave both inputs empty to keep them; what you type or attach takes their place."
    )


def _as_text(value: Any) -> str:
    return "\n".join(str(one) for one in value) if isinstance(value, list | tuple) else str(value or "")


def _joined(field: FieldInfo, typed: Any, lines: Sequence[str]) -> Any:
    """What was typed and what a file holds, as if it had all been typed."""
    return _in_lines(field, "\n".join(filter(None, [_as_text(typed), *lines])))


def _beside_files(
    action: type[Action], errors: Mapping[str, str], typed: Mapping[str, Any], lines: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """Errors where they belong: under the file, where nothing was typed beside it."""
    placed: dict[str, str] = {}
    for name, sentence in errors.items():
        takes_file = name in action.model_fields and wanted_of(action.model_fields[name]) is not None
        if takes_file and name in lines and name not in typed:
            placed[file_block(name)] = sentence
        else:
            placed[name] = f"{EMPTY[:-1]}, or attach a file." if takes_file and sentence == EMPTY else sentence
    return placed


def _input(name: str, field: FieldInfo, value: Any) -> sb.InputBlock:
    kind = bare(field.annotation)
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    value = default if value is None else value
    # A box left empty says no. A choice with a default has to be one of them, or the default would come back.
    is_choice = bool(choices_of(field)) and get_origin(kind) not in (list, tuple)
    optional = kind is bool or (not field.is_required() and (not is_choice or default is None))
    again = AGAIN if kind is SecretStr and value else ""
    said = " ".join(filter(None, [again, field.description, ABOUT_SECRETS if kind is SecretStr else ""]))
    hint = plain(said, 2000) if said else None
    label = plain(label_of(name, field), 2000)
    return sb.InputBlock(label, _element(kind, field, value), block_id=name, hint=hint, optional=optional)


def _element(kind: Any, field: FieldInfo, value: Any) -> sb.Element:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    is_list, choices = get_origin(kind) in (list, tuple), choices_of(field)
    if choices:
        return _several(choices, value or ()) if is_list else _one(choices, value)
    if kind is bool:
        option = sb.Option(plain("Yes", 75), "yes")
        return sb.CheckboxGroup(action_id=VALUE, options=[option], initial_options=[option] if value else None)
    if kind is SecretStr:
        return _text(None, multiline=False)  # Slack hides no input, and what was typed before is never shown again
    text = None if value in (None, "") else str(value)
    if kind in (int, Decimal, float):
        return sb.NumberInput(kind is not int, action_id=VALUE, initial_value=_figure(text, whole=kind is int))
    if kind is datetime:
        stamp = int(value.timestamp()) if isinstance(value, datetime) else None
        return sb.DateTimePicker(action_id=VALUE, initial_datetime=stamp)
    if kind is date:
        return sb.DatePicker(action_id=VALUE, initial_date=text)
    if kind is time:
        return sb.TimePicker(action_id=VALUE, initial_time=text[:5] if text else None)
    if extra.get("email"):
        return sb.EmailInput(action_id=VALUE, initial_value=text)
    if kind is HttpUrl:
        return sb.URLInput(action_id=VALUE, initial_value=text)
    if is_list:
        lines = value if isinstance(value, str) else "\n".join(str(one) for one in value or ())
        return _text(lines, multiline=True)
    return _text(text, multiline=bool(extra.get("multiline")))


def _text(value: str | None, *, multiline: bool) -> sb.PlainTextInput:
    # Slack refuses an initial value longer than what may be typed; cutting it is all that can be done.
    initial = clip(value, LONGEST_TEXT) if value else None
    return sb.PlainTextInput(action_id=VALUE, multiline=multiline, initial_value=initial, max_length=LONGEST_TEXT)


def _figure(typed: str | None, *, whole: bool) -> str | None:
    """What a number's input can show. Slack refuses a whole form for a word in one, so that word is left out."""
    figure = r"-?\d{1,20}" if whole else r"-?\d{1,20}(\.\d{1,20})?"
    return typed if typed and re.fullmatch(figure, typed, flags=re.ASCII) else None


def _one(choices: Mapping[str, str], value: Any) -> sb.Element:
    options = [sb.Option(plain(said, 75), key) for key, said in choices.items()]
    initial = next((option for option in options if option.value == _plain_value(value)), None)
    if len(options) <= MOST_RADIO:
        return sb.RadioButtonGroup(VALUE, options, initial_option=initial)
    return sb.StaticSelectMenu(action_id=VALUE, options=options[:100], initial_option=initial)


def _several(choices: Mapping[str, str], values: Sequence[Any]) -> sb.Element:
    chosen = {_plain_value(value) for value in values}
    options = [sb.Option(plain(said, 75), key) for key, said in choices.items()]
    initial = [option for option in options if option.value in chosen] or None
    if len(options) <= MOST_CHECKBOXES:
        return sb.CheckboxGroup(action_id=VALUE, options=options, initial_options=initial)
    return sb.StaticMultiSelectMenu(action_id=VALUE, options=options[:100], initial_options=initial)


def _in_lines(field: FieldInfo, value: Any) -> Any:
    """A text for a list is a line each, unless the field has a way of its own to cut it up."""
    cuts_itself = any(isinstance(one, BeforeValidator) for one in field.metadata)
    if cuts_itself or not isinstance(value, str) or get_origin(bare(field.annotation)) not in (list, tuple):
        return value
    return [line.strip() for line in value.splitlines() if line.strip()]


def _chosen(accounts: Sequence[Account], values: Mapping[str, Any]) -> Account | None:
    return next((one for one in accounts if one.name == account_of(accounts, values)), None)


def _plain_value(value: Any) -> str:
    return str(value.value) if isinstance(value, Enum) else str(value)


def _state(values: Mapping[str, Any], name: str) -> Any:
    """What was put into one input; None where nothing was. Shapes as Slack documents them, anything else is nothing."""
    block = values.get(name)
    state = block.get(VALUE) if isinstance(block, dict) else None
    if not isinstance(state, dict):
        return None
    match state.get("type"):
        case "static_select" | "radio_buttons" | "external_select":
            option = state.get("selected_option")
            return option.get("value") if isinstance(option, dict) else None
        case "checkboxes" | "multi_static_select":
            options = state.get("selected_options")
            chosen = options if isinstance(options, list) else []
            return [option.get("value") for option in chosen if isinstance(option, dict)]
        case "datepicker":
            return state.get("selected_date")
        case "timepicker":
            return state.get("selected_time")
        case "datetimepicker":
            return state.get("selected_date_time")
        case "file_input":
            return state.get("files")
        case "conversations_select":
            return state.get("selected_conversation")
        case _:
            return state.get("value")


def _sentences(error: ValidationError) -> dict[str, str]:
    """One sentence for each field that was refused; the first problem of a field is the one that is shown."""
    told: dict[str, str] = {}
    for problem in error.errors(include_url=False):
        field = str(problem["loc"][0]) if problem["loc"] else ""
        told.setdefault(field, _sentence(problem["type"], problem["msg"], problem.get("ctx") or {}))
    return told


def _sentence(kind: str, message: str, context: Mapping[str, Any]) -> str:
    match kind:
        case "sentence":
            return message
        case "missing" | "too_short" | "string_too_short":
            return EMPTY
        case "string_too_long":
            return f"At most {context.get('max_length')} characters fit here."
        case "value_error":
            return message.removeprefix("Value error, ")
        case "literal_error" | "enum":
            return "Choose one of these."
        case "int_parsing" | "decimal_parsing" | "float_parsing" | "int_from_float":
            return "This has to be a number."
        case _:
            return f"{message[:1].upper()}{message[1:]}."
