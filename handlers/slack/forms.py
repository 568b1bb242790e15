"""From an action to a modal: a pydantic field becomes a Block Kit input, its error stands under that input.

Where a field of a form comes from: `fields_of` walks the action's own fields in order; the account and the reason are
added around them here. What comes back is read in `entered.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, get_origin

import slackblocks as sb
from pydantic import HttpUrl, SecretStr
from pydantic.fields import FieldInfo

from handlers.requests import Sorry
from handlers.slack.entered import (
    LONGEST_REASON,
    LONGEST_TEXT,
    VALUE,
    as_text,
    attached,
    fields_of,
    file_block,
    in_lines,
    is_kept,
    label_of,
    label_of_file,
    state_of,
    typed_values,
)
from handlers.slack.windows import MOST_CHECKBOXES, View, modal
from handlers.slack.words import (
    clip,
    escape,
    plain,
    section,
    told,
)
from providers.accounts import Account
from providers.action import Action, Effect, bare, choices_of
from providers.files import FILE_TYPES, wanted_of

MOST_RADIO = 5
"""Up to this many choices are shown at once; more become a menu."""
LONGEST_METADATA = 3000
"""Slack's limit on what a modal carries along."""
AGAIN = "You had filled this in: type it once more, it was not kept here."
ABOUT_SECRETS = "Slack does not hide what you type here. Postroom uses it once, and never stores or shows it."


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
    return modal(action.title, blocks, callback_id="form", metadata=metadata, submit=submit, close="Cancel")


def has_thread(action: type[Action]) -> bool:
    """Whether asking this makes a thread, which has to be somewhere; what only answers its asker does not."""
    return action.effect not in (Effect.READ, Effect.REVEAL)


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
    shown = {name: state_of(values, name) for name in values if name != "account"}
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
            typed[name] = bool(aside[name]) if is_box else in_lines(field, aside[name])
        elif is_box:
            typed.pop(name, None)  # nobody saw the box, so it says what it says by default
    return typed


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
    kept = is_kept(field, value)
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


def _told_kept(name: str, field: FieldInfo, value: Any) -> str:
    lines = as_text(value).splitlines()
    shown = ", ".join(clip(line, 60) for line in lines[:3])
    return (
        f"*{escape(label_of(name, field))}:* {len(lines):,} are kept from before: {escape(shown)} … "
        "Leave both inputs empty to keep them; what you type or attach takes their place."
    )


def _input(name: str, field: FieldInfo, value: Any) -> sb.InputBlock:
    kind = bare(field.annotation)
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    value = default if value is None else value
    # A box left empty says no. A choice with a default has to be one of them, or the default would come back.
    is_choice = bool(choices_of(field)) and get_origin(kind) not in (list, tuple)
    optional = kind is bool or (not field.is_required() and (not is_choice or default is None))
    again = AGAIN if kind is SecretStr and value else ""
    again = again or _left_out(kind, value)
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
    # An input of one line may drop the end of a line: “acme.co” and “m” below it are two words, and not acme.com.
    value = value if multiline or value is None else " ".join(value.splitlines())
    initial = clip(value, LONGEST_TEXT) if value else None
    return sb.PlainTextInput(action_id=VALUE, multiline=multiline, initial_value=initial, max_length=LONGEST_TEXT)


def _left_out(kind: Any, value: Any) -> str:
    """What is said beside an input that cannot show what was typed; empty where it can."""
    typed = "" if value is None else " ".join(str(value).split())
    if kind not in (int, Decimal, float) or not typed or _figure(typed, whole=kind is int) is not None:
        return ""
    return (
        f"“{clip(typed, 80)}” cannot stand here: type {'a whole number' if kind is int else 'a number such as 12.50'}."
    )


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


def _plain_value(value: Any) -> str:
    return str(value.value) if isinstance(value, Enum) else str(value)
