"""What people put into the interactive elements of a message or a view, and how Slack reports it.

`Typed` holds one state per element, keyed by (block_id, action_id), in the very shape in which Slack sends it under
`state.values[block_id][action_id]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

State = dict[str, Any]
Typed = Mapping[tuple[str, str], State]
Element = dict[str, Any]

FILE_BYTES = 10 * 1024 * 1024
"""Of one file in a file_input."""
MOST_FILES = 10

_ONE = "selected_option"
_MANY = "selected_options"
# element type -> (key in the state, key of its initial value in the element)
_STATE_KEYS: Mapping[str, tuple[str, str]] = {
    "plain_text_input": ("value", "initial_value"),
    "email_text_input": ("value", "initial_value"),
    "url_text_input": ("value", "initial_value"),
    "number_input": ("value", "initial_value"),
    "rich_text_input": ("rich_text_value", "initial_value"),
    "static_select": (_ONE, "initial_option"),
    "external_select": (_ONE, "initial_option"),
    "radio_buttons": (_ONE, "initial_option"),
    "multi_static_select": (_MANY, "initial_options"),
    "multi_external_select": (_MANY, "initial_options"),
    "checkboxes": (_MANY, "initial_options"),
    "users_select": ("selected_user", "initial_user"),
    "multi_users_select": ("selected_users", "initial_users"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "multi_conversations_select": ("selected_conversations", "initial_conversations"),
    "channels_select": ("selected_channel", "initial_channel"),
    "multi_channels_select": ("selected_channels", "initial_channels"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
    "file_input": ("files", ""),
}
_LISTS = frozenset(key for key, _ in _STATE_KEYS.values() if key.endswith("s"))
_SEVERAL = (list, tuple, set, frozenset)


def elements_in(blocks: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Element]]:
    """Every interactive element together with the block it stands in, in reading order."""
    for block in blocks:
        match block["type"]:
            case "input":
                yield block, block["element"]
            case "section" if "accessory" in block:
                yield block, block["accessory"]
            case "actions" | "context_actions":
                for element in block["elements"]:
                    yield block, element
            case "card":
                for element in block.get("actions", ()):
                    yield block, element
            case "container":
                yield from elements_in(block.get("child_blocks", ()))
            case _:
                pass


def has_state(element: Element) -> bool:
    """Whether the element keeps a value, unlike a button or a menu of things to do."""
    return element["type"] in _STATE_KEYS


def initial_state(element: Element) -> State:
    """The state before anybody touched the element."""
    key, initial = _STATE_KEYS[element["type"]]
    default: Any = [] if key in _LISTS else None
    return {"type": element["type"], key: element.get(initial, default)}


def values_of(blocks: Iterable[dict[str, Any]], typed: Typed) -> dict[str, dict[str, State]]:
    """The `state.values` of a message or view: what was typed, and the initial value of everything else."""
    values: dict[str, dict[str, State]] = {}
    for block, element in elements_in(blocks):
        if has_state(element):
            place = (block["block_id"], element["action_id"])
            values.setdefault(place[0], {})[place[1]] = typed.get(place) or initial_state(element)
    return values


def kept(old: Iterable[dict[str, Any]], typed: Typed, new: Iterable[dict[str, Any]]) -> Typed:
    """What survives an update of a view from old to new blocks.

    Whatever stood in an element stays where block_id, action_id and kind stay the same, even if it was only its initial
    value: a new initial value then changes nothing.
    """
    places = {(block["block_id"], element.get("action_id")): element["type"] for block, element in elements_in(new)}
    states = {
        (block, action): state for block, found in values_of(old, typed).items() for action, state in found.items()
    }
    return {
        place: state
        for place, state in states.items()
        if places.get(place) == state["type"] and (place in typed or not is_empty(state))
    }


def typed_state(element: Element, value: Any) -> State:
    """The state after a person put `value` in.

    Text elements take a string, number, date or time; a list becomes one line each. Choices are named by their value or
    by their words, several of them as a list; a single checkbox also takes True and False. None empties the element.
    Raises LookupError for a choice that is not offered, TypeError for an element nobody can fill in; files are attached
    instead.
    """
    kind = element["type"]
    if kind not in _STATE_KEYS or kind == "file_input":
        raise TypeError(f"Nothing can be put into a {kind}.")
    key, _ = _STATE_KEYS[kind]
    return {"type": kind, key: _converted(element, key, value)}


def files_problem(element: Element, files: Sequence[tuple[str, bytes]]) -> str | None:
    """What Slack's own client says when these files, by name, are put into a file_input; None when it takes them."""
    most = element.get("max_files", MOST_FILES)
    if len(files) > most:
        return f"You can attach {most} file{'' if most == 1 else 's'} here."
    kinds = [kind.lower() for kind in element.get("filetypes", ())]
    if kinds and any(name.rpartition(".")[2].lower() not in kinds for name, _ in files):
        return f"That type of file is not supported here. You can attach: {', '.join(kinds)}."
    if any(len(content) > FILE_BYTES for _, content in files):
        return f"That file is too big. You can attach up to {FILE_BYTES // 1024 // 1024} MB."
    return None


def is_empty(state: State) -> bool:
    """Whether nothing has been put in."""
    return all(not value and value != 0 for key, value in state.items() if key != "type")


def client_errors(blocks: Iterable[dict[str, Any]], typed: Typed) -> dict[str, str]:
    """What Slack's own client refuses before anything is sent to the app: block_id -> the words under the input."""
    errors: dict[str, str] = {}
    for block in blocks:
        if block["type"] != "input":
            continue
        element = block["element"]
        state = typed.get((block["block_id"], element["action_id"])) or initial_state(element)
        if is_empty(state):
            if not block.get("optional", False):
                errors[block["block_id"]] = "Please complete this required field."
        elif problem := _problem(element, state):
            errors[block["block_id"]] = problem
    return errors


def option_named(options: Sequence[dict[str, Any]], wanted: Any) -> dict[str, Any]:
    """The option with this value, or else with these words. Raises LookupError naming what is offered."""
    for option in options:
        if option.get("value") == str(wanted):
            return option
    for option in options:
        if option["text"]["text"] == str(wanted):
            return option
    offered = ", ".join(str(option.get("value", option["text"]["text"])) for option in options) or "nothing"
    raise LookupError(f"There is no choice {wanted!r}. Offered: {offered}.")


def options_of(element: Element) -> list[dict[str, Any]]:
    """All options of a menu, grouped or not."""
    groups = element.get("option_groups", ())
    return [*element.get("options", ()), *(option for group in groups for option in group["options"])]


def _converted(element: Element, key: str, value: Any) -> Any:
    if value is None:
        return [] if key in _LISTS else None
    if key in _LISTS and key != _MANY:
        return list(value) if isinstance(value, _SEVERAL) else [value]
    convert = _CONVERSIONS.get(key)
    return convert(element, value) if convert else value


def _chosen(element: Element, value: Any) -> list[dict[str, Any]]:
    options = options_of(element)
    if isinstance(value, bool):
        if len(options) != 1:
            raise LookupError("True and False only fit a single checkbox; name the choices instead.")
        return list(options) if value else []
    wanted = value if isinstance(value, _SEVERAL) else [value]
    return [option_named(options, one) for one in wanted]


def _moment(element: Element, value: Any) -> int:
    return int(value.timestamp()) if isinstance(value, datetime) else int(value)


def _as_text(value: Any) -> str:
    match value:
        case datetime():
            return value.isoformat()
        case time():
            return value.strftime("%H:%M")
        case date():
            return value.isoformat()
        case list() | tuple():
            return "\n".join(str(line) for line in value)
        case _:
            return str(value)


def _rich_text(element: Element, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": _as_text(value)}]}
    return {"type": "rich_text", "elements": [section]}


_CONVERSIONS: Mapping[str, Callable[[Element, Any], Any]] = {
    "value": lambda element, value: _as_text(value) or None,
    _ONE: lambda element, value: option_named(options_of(element), value),
    _MANY: _chosen,
    "selected_date": lambda element, value: _as_text(value),
    "selected_time": lambda element, value: _as_text(value),
    "selected_date_time": _moment,
    "rich_text_value": _rich_text,
}


def _problem(element: Element, state: State) -> str | None:
    match element["type"]:
        case "plain_text_input":
            return _length_problem(element, state["value"])
        case "number_input":
            return _number_problem(element, state["value"])
        case "email_text_input":
            return None if "@" in state["value"].strip("@") else "Please enter a valid email address."
        case "url_text_input":
            valid = state["value"].startswith(("http://", "https://"))
            return None if valid else "Please enter a valid URL."
        case _:
            return _too_many_problem(element, state)


def _length_problem(element: Element, value: str) -> str | None:
    least, most = element.get("min_length", 0), element.get("max_length", 3000)
    if len(value) < least:
        return f"Please enter at least {least} characters."
    if len(value) > most:
        return f"Please enter no more than {most} characters."
    return None


def _number_problem(element: Element, value: str) -> str | None:
    try:
        number = Decimal(value)
    except InvalidOperation:
        return "Please enter a number."
    if not element.get("is_decimal_allowed", False) and number != number.to_integral_value():
        return "Please enter a whole number."
    if "min_value" in element and number < Decimal(str(element["min_value"])):
        return f"Please enter a number of at least {element['min_value']}."
    if "max_value" in element and number > Decimal(str(element["max_value"])):
        return f"Please enter a number of at most {element['max_value']}."
    return None


def _too_many_problem(element: Element, state: State) -> str | None:
    key, _ = _STATE_KEYS[element["type"]]
    most = element.get("max_selected_items")
    if most is not None and len(state[key]) > most:
        return f"Please choose no more than {most}."
    return None
