"""What every interactive element may look like, and in which blocks it may stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from types import MappingProxyType
from typing import Any

from bot.sandbox.block_schema import (
    Found,
    Pointer,
    Rule,
    anything,
    by_type,
    flag,
    integer,
    items,
    number,
    one_of,
    plain,
    shape,
    string,
    text,
)

ID = string(255, 1)
URL = string(3000, 1)
SELECT_OPTIONS = 100
CHOICE_OPTIONS = 10
OVERFLOW_OPTIONS = 5
TEXT_INPUT = 3000

CONFIRM = shape(
    {"title": plain(100), "text": text(300), "confirm": plain(30), "deny": plain(30)},
    {"style": one_of("primary", "danger")},
)


def element(kinds: Set[str]) -> Rule:
    """One element, of these kinds only."""
    return by_type(lambda: {kind: rule for kind, rule in ELEMENTS.items() if kind in kinds})


def _option(words: Rule) -> Rule:
    return shape({"text": words, "value": string(150, 1)}, {"description": text(75), "url": URL})


_OPTION = _option(plain(75))
_RICH_OPTION = _option(text(75))
_GROUP = shape({"label": plain(75), "options": items(_OPTION, SELECT_OPTIONS, 1)})
_PLACEHOLDER = plain(150)
_FILTER = shape(
    {},
    {
        "include": items(one_of("im", "mpim", "private", "public"), 4, 1),
        "exclude_external_shared_channels": flag,
        "exclude_bot_users": flag,
    },
)
_DISPATCH = shape({}, {"trigger_actions_on": items(one_of("on_enter_pressed", "on_character_entered"), 2, 1)})


def _element(optional: Mapping[str, Rule], required: Mapping[str, Rule] | None = None, *also: Rule) -> Rule:
    return shape({"type": anything, **(required or {})}, {"action_id": ID, **optional}, *also)


def _menu(optional: Mapping[str, Rule], *also: Rule) -> Rule:
    common: Mapping[str, Rule] = {"placeholder": _PLACEHOLDER, "confirm": CONFIRM, "focus_on_load": flag}
    return _element({**common, **optional}, None, *also)


def _typed(optional: Mapping[str, Rule], required: Mapping[str, Rule] | None = None, *also: Rule) -> Rule:
    common: Mapping[str, Rule] = {
        "placeholder": _PLACEHOLDER,
        "focus_on_load": flag,
        "dispatch_action_config": _DISPATCH,
    }
    return _element({**common, **optional}, required, *also)


def _options_or_groups(value: dict[str, Any], pointer: Pointer) -> Iterator[Found]:
    if ("options" in value) == ("option_groups" in value):
        yield Found("must define either `options` or `option_groups`", pointer)


def _offered(value: dict[str, Any], pointer: Pointer) -> Iterator[Found]:
    """An initial option has to be one of the options, and equal in every part."""
    groups = value.get("option_groups", [])
    options = [*value.get("options", []), *(option for group in groups for option in group["options"])]
    plain_options = [_comparable(option) for option in options]
    if "initial_option" in value and _comparable(value["initial_option"]) not in plain_options:
        yield Found("initial_option must match one of the provided options", f"{pointer}/initial_option")
    for index, option in enumerate(value.get("initial_options", [])):
        if _comparable(option) not in plain_options:
            yield Found("initial_options must match the provided options", f"{pointer}/initial_options/{index}")


def _comparable(option: dict[str, Any]) -> Any:
    description = option.get("description")
    return option["value"], option["text"]["text"], description and description["text"]


def _distinct(value: dict[str, Any], pointer: Pointer) -> Iterator[Found]:
    values = [option["value"] for option in value.get("options", [])]
    for index, one in enumerate(values):
        if one in values[:index]:
            yield Found(f"`value` {one} is not unique", f"{pointer}/options/{index}/value")


def _ordered(least: str, most: str) -> Rule:
    def check(value: dict[str, Any], pointer: Pointer) -> Iterator[Found]:
        if least in value and most in value and float(value[least]) > float(value[most]):
            yield Found(f"must be less than or equal to {most}", f"{pointer}/{least}")

    return check


def _initial_length(value: dict[str, Any], pointer: Pointer) -> Iterator[Found]:
    length = len(value.get("initial_value", ""))
    if length > value.get("max_length", TEXT_INPUT):
        yield Found(f"must be less than {value['max_length'] + 1} characters", f"{pointer}/initial_value")


def _number_text(value: Any, pointer: Pointer) -> Iterator[Found]:
    """Bounds and initial value of a number input are strings that read as numbers."""
    try:
        float(value)
    except (TypeError, ValueError):
        yield Found("must be a number", pointer)
        return
    if not isinstance(value, str):
        yield Found("must be a string", pointer)


def _initial_number(value: dict[str, Any], pointer: Pointer) -> Iterator[Found]:
    if "initial_value" not in value:
        return
    initial = float(value["initial_value"])
    if initial < float(value.get("min_value", initial)):
        yield Found(f"must be greater than or equal to {value['min_value']}", f"{pointer}/initial_value")
    if initial > float(value.get("max_value", initial)):
        yield Found(f"must be less than or equal to {value['max_value']}", f"{pointer}/initial_value")


def _picture(value: dict[str, Any], pointer: Pointer) -> Iterator[Found]:
    if ("image_url" in value) == ("slack_file" in value):
        yield Found("must define either `image_url` or `slack_file`", pointer)


_MANY: Mapping[str, Rule] = {"max_selected_items": integer(1)}
_OPTIONS: Mapping[str, Rule] = {
    "options": items(_OPTION, SELECT_OPTIONS, 1),
    "option_groups": items(_GROUP, SELECT_OPTIONS, 1),
}
_IDS = items(string(255, 1), 1000)
_CONVERSATIONS: Mapping[str, Rule] = {"default_to_current_conversation": flag, "filter": _FILTER}
_CHOICES: Mapping[str, Rule] = {"options": items(_RICH_OPTION, CHOICE_OPTIONS, 1)}
_CHOICE_EXTRAS: Mapping[str, Rule] = {"confirm": CONFIRM, "focus_on_load": flag}
_PICKER: Mapping[str, Rule] = {"confirm": CONFIRM, "focus_on_load": flag, "placeholder": _PLACEHOLDER}

ELEMENTS: Mapping[str, Rule] = MappingProxyType(
    {
        "button": _element(
            {
                "value": string(2000),
                "url": URL,
                "style": one_of("primary", "danger"),
                "confirm": CONFIRM,
                "accessibility_label": string(75),
            },
            {"text": plain(75)},
        ),
        "workflow_button": _element(
            {"style": one_of("primary", "danger"), "accessibility_label": string(75)},
            {"text": plain(75), "workflow": anything},
        ),
        "overflow": _element({"confirm": CONFIRM}, {"options": items(_OPTION, OVERFLOW_OPTIONS, 1)}, _distinct),
        "static_select": _menu({**_OPTIONS, "initial_option": _OPTION}, _options_or_groups, _offered),
        "multi_static_select": _menu(
            {**_OPTIONS, **_MANY, "initial_options": items(_OPTION, SELECT_OPTIONS, 1)}, _options_or_groups, _offered
        ),
        "external_select": _menu({"min_query_length": integer(0), "initial_option": _OPTION}),
        "multi_external_select": _menu(
            {**_MANY, "min_query_length": integer(0), "initial_options": items(_OPTION, SELECT_OPTIONS, 1)}
        ),
        "users_select": _menu({"initial_user": ID}),
        "multi_users_select": _menu({**_MANY, "initial_users": _IDS}),
        "conversations_select": _menu({**_CONVERSATIONS, "initial_conversation": ID, "response_url_enabled": flag}),
        "multi_conversations_select": _menu({**_MANY, **_CONVERSATIONS, "initial_conversations": _IDS}),
        "channels_select": _menu({"initial_channel": ID, "response_url_enabled": flag}),
        "multi_channels_select": _menu({**_MANY, "initial_channels": _IDS}),
        "checkboxes": _element(
            {**_CHOICE_EXTRAS, "initial_options": items(_RICH_OPTION, CHOICE_OPTIONS, 1)},
            _CHOICES,
            _distinct,
            _offered,
        ),
        "radio_buttons": _element({**_CHOICE_EXTRAS, "initial_option": _RICH_OPTION}, _CHOICES, _distinct, _offered),
        "datepicker": _element({**_PICKER, "initial_date": string(10, 10)}),
        "timepicker": _element({**_PICKER, "initial_time": string(5, 5), "timezone": string(100, 1)}),
        "datetimepicker": _element(
            {"confirm": CONFIRM, "focus_on_load": flag, "initial_date_time": integer(1_000_000_000, 9_999_999_999)}
        ),
        "plain_text_input": _typed(
            {
                "initial_value": string(TEXT_INPUT),
                "multiline": flag,
                "min_length": integer(0, TEXT_INPUT),
                "max_length": integer(1, TEXT_INPUT),
            },
            None,
            _ordered("min_length", "max_length"),
            _initial_length,
        ),
        "email_text_input": _typed({"initial_value": string(TEXT_INPUT)}),
        "url_text_input": _typed({"initial_value": string(TEXT_INPUT)}),
        "number_input": _typed(
            {"initial_value": _number_text, "min_value": _number_text, "max_value": _number_text},
            {"is_decimal_allowed": flag},
            _ordered("min_value", "max_value"),
            _initial_number,
        ),
        "rich_text_input": _typed({"initial_value": anything}),
        "file_input": _element({"filetypes": items(string(20, 1), 100, 1), "max_files": integer(1, 10)}),
        "image": shape(
            {"type": anything, "alt_text": string(2000)},
            {"image_url": URL, "slack_file": anything, "image_width": number, "image_height": number},
            _picture,
        ),
        "plain_text": plain(3000),
        "mrkdwn": text(3000, ("mrkdwn",)),
    }
)

_MENUS = frozenset(kind for kind in ELEMENTS if kind.endswith("_select"))
_CHOOSERS = _MENUS | {"checkboxes", "radio_buttons", "datepicker", "timepicker"}
ACCESSORIES = _CHOOSERS | {"button", "workflow_button", "overflow", "image"}
# Menus for several things may stand beside a text or in a form, not among buttons.
_SEVERAL = frozenset(kind for kind in _MENUS if kind.startswith("multi_"))
ACTIONS = (_CHOOSERS - _SEVERAL) | {"button", "workflow_button", "overflow", "datetimepicker", "rich_text_input"}
CONTEXTS = frozenset({"image", "plain_text", "mrkdwn"})
INPUTS = _CHOOSERS | {
    "datetimepicker",
    "plain_text_input",
    "email_text_input",
    "url_text_input",
    "number_input",
    "rich_text_input",
    "file_input",
}
