"""What was put into a form: read, judged, or kept unread; errors by the field under which they stand.

block_id is the field's name, so Slack puts each error where it belongs.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_origin

from pydantic import BeforeValidator, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from providers.accounts import Account
from providers.action import WITHHELD, Action, bare
from providers.answers import seen
from providers.files import Wanted, too_big, wanted_of

VALUE = "value"
"""The action_id of every input: with block_id the field's name, Slack keeps what was typed over an update."""
LONGEST_REASON = 500
LONGEST_TEXT = 3000
"""Slack's limit on what a person can type into one input."""
EMPTY = "Fill this in."
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


def chosen_of(values: Mapping[str, Any], block: str) -> list[str]:
    """What is chosen in checkboxes or in a menu for several."""
    chosen = state_of(values, block)
    return [one for one in chosen if isinstance(one, str)] if isinstance(chosen, list) else []


def channel_of(values: Mapping[str, Any]) -> str:
    """The channel that was chosen in a form. Raises FormError where none was."""
    channel = state_of(values, "channel")
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
        name for name in names if state_of(values, name) is None and is_kept(action.model_fields[name], typed.get(name))
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
    return str(state_of(values, "account") or (accounts[0].name if len(accounts) == 1 else ""))


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
        wanted, files = wanted_of(field), state_of(values, file_block(name))
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
    return str(seen(state_of(values, "reason") or ""))


def typed_values(
    action: type[Action], values: Mapping[str, Any], *, before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What was put into the fields, unjudged: what was left empty is not there, so that its default holds.

    Of `before`, what the form held when it was sent last, that is kept which it had no room to show.
    """
    typed: dict[str, Any] = {}
    for name, field in fields_of(action):
        value = state_of(values, name)
        if bare(field.annotation) is bool:
            value = bool(value)
        if value is not None:
            typed[name] = value if bare(field.annotation) is SecretStr else in_lines(field, seen(value))
        elif before and is_kept(field, before.get(name)) and not state_of(values, file_block(name)):
            typed[name] = before[name]
    return typed


def from_words(action: type[Action], words: Sequence[str]) -> Action:
    """The action that the words after a command make by themselves. Raises FormError where they do not suffice."""
    given = {name: in_lines(action.model_fields[name], value) for name, value in action.prefill(words).items()}
    try:
        return action.model_validate(given)
    except ValidationError as error:
        raise FormError(_sentences(error)) from None


def fields_of(action: type[Action]) -> list[tuple[str, FieldInfo]]:
    """The fields people are asked for, in the order in which the class declares them."""
    return [(name, field) for name, field in action.model_fields.items() if not action.is_hidden(name)]


def label_of(name: str, field: FieldInfo) -> str:
    """What a field is called where people see it."""
    return field.title or name.replace("_", " ").capitalize()


def label_of_file(label: str) -> str:
    """What the file of a field is called, by the label of that."""
    return f"{label}, from a file"


def is_kept(field: FieldInfo, value: Any) -> bool:
    """Whether a form that is shown again keeps this value without showing it: no input takes so much text."""
    return wanted_of(field) is not None and len(as_text(value)) > LONGEST_TEXT


def as_text(value: Any) -> str:
    """A field's value as somebody would type it: a list is a line each."""
    return "\n".join(str(one) for one in value) if isinstance(value, list | tuple) else str(value or "")


def _joined(field: FieldInfo, typed: Any, lines: Sequence[str]) -> Any:
    """What was typed and what a file holds, as if it had all been typed."""
    return in_lines(field, "\n".join(filter(None, [as_text(typed), *lines])))


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


def in_lines(field: FieldInfo, value: Any) -> Any:
    """A text for a list is a line each, unless the field has a way of its own to cut it up."""
    cuts_itself = any(isinstance(one, BeforeValidator) for one in field.metadata)
    if cuts_itself or not isinstance(value, str) or get_origin(bare(field.annotation)) not in (list, tuple):
        return value
    return [line.strip() for line in value.splitlines() if line.strip()]


def _chosen(accounts: Sequence[Account], values: Mapping[str, Any]) -> Account | None:
    return next((one for one in accounts if one.name == account_of(accounts, values)), None)


def state_of(values: Mapping[str, Any], name: str) -> Any:
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
