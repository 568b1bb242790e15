"""Every limit of Block Kit, and the words in which Slack refuses what is beyond it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.errors import SlackApiError

from bot.sandbox.blocks import completed, message_problems, view_problems

Shape = dict[str, Any]


def plain(text: str) -> Shape:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Shape:
    return {"type": "mrkdwn", "text": text}


def section(**fields: Any) -> Shape:
    return {"type": "section", **fields}


def actions(*elements: Shape) -> Shape:
    return {"type": "actions", "elements": list(elements)}


def button(**fields: Any) -> Shape:
    return {"type": "button", "action_id": "press", "text": plain("Press"), **fields}


def option(number: int | str = 1, **fields: Any) -> Shape:
    return {"text": plain(f"Option {number}"), "value": str(number), **fields}


def options(count: int) -> list[Shape]:
    return [option(number) for number in range(count)]


def select(**fields: Any) -> Shape:
    return {"type": "static_select", "action_id": "choose", "options": options(2), **fields}


def field(element: Shape, **fields: Any) -> Shape:
    return {"type": "input", "label": plain("Label"), "element": {"action_id": "value", **element}, **fields}


def text_input(**fields: Any) -> Shape:
    return field({"type": "plain_text_input", **fields})


def number_input(**fields: Any) -> Shape:
    return field({"type": "number_input", "is_decimal_allowed": False, **fields})


def confirm(**fields: Any) -> Shape:
    return {"title": plain("T"), "text": plain("x"), "confirm": plain("Yes"), "deny": plain("No"), **fields}


def modal(*blocks: Shape, **fields: Any) -> Shape:
    return {"type": "modal", "title": plain("Title"), "submit": plain("Go"), "blocks": list(blocks), **fields}


def table(rows: int, columns: int, text: str = "x") -> Shape:
    return {"type": "table", "rows": [[{"type": "raw_text", "text": text}] * columns] * rows}


def chart(**fields: Any) -> Shape:
    pie = {"type": "pie", "segments": [{"label": "Open", "value": 3}]}
    return {"type": "data_visualization", "title": "Jobs", "chart": pie, **fields}


DIVIDER = {"type": "divider"}

MESSAGE_LIMITS = [
    ([DIVIDER] * 51, "no more than 50 items allowed", "/blocks"),
    ("text", "must be an array", "/blocks"),
    (["text"], "must be an object", "/blocks/0"),
    ([None], "must be an object", "/blocks/0"),
    ([{}], "missing required field: type", "/blocks/0"),
    ([{"type": "sektion"}], "unsupported type: sektion", "/blocks/0/type"),
    ([section()], "must define either `text` or `fields`", "/blocks/0"),
    ([section(text=mrkdwn("x" * 3001))], "must be less than 3001 characters", "/blocks/0/text/text"),
    ([section(text=mrkdwn(""))], "must be more than 0 characters", "/blocks/0/text/text"),
    ([section(text=plain("x"), colour="red")], "invalid additional property: colour", "/blocks/0"),
    ([section(text={"type": "markdown", "text": "x"})], "must be one of: plain_text, mrkdwn", "/blocks/0/text/type"),
    ([section(text=mrkdwn("x") | {"emoji": True})], "invalid additional property: emoji", "/blocks/0/text"),
    ([section(text=plain("x"), accessory=None)], "must be an object", "/blocks/0/accessory"),
    ([section(fields=[mrkdwn("x")] * 11)], "no more than 10 items allowed", "/blocks/0/fields"),
    ([section(fields=[])], "must have at least 1 item", "/blocks/0/fields"),
    ([section(fields=[mrkdwn("x" * 2001)])], "must be less than 2001 characters", "/blocks/0/fields/0/text"),
    ([{"type": "header", "text": plain("x" * 151)}], "must be less than 151 characters", "/blocks/0/text/text"),
    ([{"type": "header", "text": mrkdwn("x")}], "must be one of: plain_text", "/blocks/0/text/type"),
    ([{"type": "header"}], "missing required field: text", "/blocks/0"),
    ([{"type": "context", "elements": [mrkdwn("x")] * 11}], "no more than 10 items allowed", "/blocks/0/elements"),
    ([{"type": "context", "elements": [button()]}], "unsupported type: button", "/blocks/0/elements/0/type"),
    ([{"type": "divider", "block_id": "x" * 256}], "must be less than 256 characters", "/blocks/0/block_id"),
    ([actions(*[button(action_id=str(n)) for n in range(26)])], "no more than 25 items allowed", "/blocks/0/elements"),
    ([actions()], "must have at least 1 item", "/blocks/0/elements"),
    ([actions(button(), button())], "`action_id` press is not unique", "/blocks/0/elements/1/action_id"),
    ([actions(button(text=plain("x" * 76)))], "must be less than 76 characters", "/blocks/0/elements/0/text/text"),
    ([actions(button(value="x" * 2001))], "must be less than 2001 characters", "/blocks/0/elements/0/value"),
    ([actions(button(action_id="x" * 256))], "must be less than 256 characters", "/blocks/0/elements/0/action_id"),
    ([actions(button(style="loud"))], "must be one of: primary, danger", "/blocks/0/elements/0/style"),
    ([actions({"type": "plain_text_input"})], "unsupported type: plain_text_input", "/blocks/0/elements/0/type"),
    ([DIVIDER | {"block_id": "a"}] * 2, "`block_id` a is not unique", "/blocks/1/block_id"),
    ([actions(select(options=options(101)))], "no more than 100 items allowed", "/blocks/0/elements/0/options"),
    ([actions(select(options=[]))], "must have at least 1 item", "/blocks/0/elements/0/options"),
    (
        [actions(select(options=[option() | {"text": plain("x" * 76)}]))],
        "must be less than 76 characters",
        "/blocks/0/elements/0/options/0/text/text",
    ),
    (
        [actions(select(options=[option("x" * 151) | {"text": plain("x")}]))],
        "must be less than 151 characters",
        "/blocks/0/elements/0/options/0/value",
    ),
    (
        [actions(select(options=[option(description=plain("x" * 76))]))],
        "must be less than 76 characters",
        "/blocks/0/elements/0/options/0/description/text",
    ),
    (
        [actions(select(initial_option=option(7)))],
        "initial_option must match one of the provided options",
        "/blocks/0/elements/0/initial_option",
    ),
    (
        [actions(select(initial_option=option(1, description=plain("other"))))],
        "initial_option must match one of the provided options",
        "/blocks/0/elements/0/initial_option",
    ),
    (
        [actions({"type": "static_select"})],
        "must define either `options` or `option_groups`",
        "/blocks/0/elements/0",
    ),
    (
        [actions({"type": "multi_static_select", "options": options(2)})],
        "unsupported type: multi_static_select",
        "/blocks/0/elements/0/type",
    ),
    (
        [actions({"type": "overflow", "options": options(6)})],
        "no more than 5 items allowed",
        "/blocks/0/elements/0/options",
    ),
    (
        [actions({"type": "checkboxes", "options": options(11)})],
        "no more than 10 items allowed",
        "/blocks/0/elements/0/options",
    ),
    (
        [actions({"type": "radio_buttons", "options": options(11)})],
        "no more than 10 items allowed",
        "/blocks/0/elements/0/options",
    ),
    (
        [actions({"type": "checkboxes", "options": options(2), "initial_options": []})],
        "must have at least 1 item",
        "/blocks/0/elements/0/initial_options",
    ),
    (
        [actions({"type": "checkboxes", "options": options(2), "initial_options": [option(9)]})],
        "initial_options must match the provided options",
        "/blocks/0/elements/0/initial_options/0",
    ),
    (
        [actions(button(confirm=confirm(title=plain("x" * 101))))],
        "must be less than 101 characters",
        "/blocks/0/elements/0/confirm/title/text",
    ),
    (
        [actions(button(confirm=confirm(text=plain("x" * 301))))],
        "must be less than 301 characters",
        "/blocks/0/elements/0/confirm/text/text",
    ),
    (
        [actions(button(confirm=confirm(confirm=plain("x" * 31))))],
        "must be less than 31 characters",
        "/blocks/0/elements/0/confirm/confirm/text",
    ),
    (
        [actions(button(confirm=confirm(deny=plain("x" * 31))))],
        "must be less than 31 characters",
        "/blocks/0/elements/0/confirm/deny/text",
    ),
    (
        [actions(button(confirm={"title": plain("T")}))],
        "missing required field: text",
        "/blocks/0/elements/0/confirm",
    ),
    ([{"type": "image", "alt_text": "x"}], "must define either `image_url` or `slack_file`", "/blocks/0"),
    ([{"type": "image", "image_url": "https://x.test/a.png"}], "missing required field: alt_text", "/blocks/0"),
    ([{"type": "markdown", "text": "x" * 12_001}], "must be less than 12001 characters", "/blocks/0/text"),
    ([table(101, 1)], "no more than 100 items allowed", "/blocks/0/rows"),
    ([table(1, 21)], "no more than 20 items allowed", "/blocks/0/rows/0"),
    ([table(10, 10, "x" * 101)], "must be less than 10001 characters", "/blocks/0/rows"),
    ([table(1, 1), table(1, 1)], "no more than 1 table blocks allowed", "/blocks"),
    ([chart(), chart(), chart()], "no more than 2 data_visualization blocks allowed", "/blocks"),
    ([chart(title="x" * 51)], "must be less than 51 characters", "/blocks/0/title"),
    ([chart(chart={"type": "pie", "segments": []})], "must have at least 1 item", "/blocks/0/chart/segments"),
    ([{"type": "data_table", "caption": "x", "rows": [[]]}], "must have at least 2 items", "/blocks/0/rows"),
    ([field({"type": "file_input"})], "unsupported type: file_input", "/blocks/0/element/type"),
    ([{"type": "alert", "text": plain("x")}], "unsupported type: alert", "/blocks/0/type"),
]

VIEW_LIMITS = [
    ({"type": "modal", "blocks": []}, "missing required field: title", "/view"),
    ({"type": "modal", "title": plain("T")}, "missing required field: blocks", "/view"),
    (modal(*[DIVIDER] * 101), "no more than 100 items allowed", "/view/blocks"),
    (modal(title=plain("x" * 25)), "must be less than 25 characters", "/view/title/text"),
    (modal(title=mrkdwn("x")), "must be one of: plain_text", "/view/title/type"),
    (modal(submit=plain("x" * 25)), "must be less than 25 characters", "/view/submit/text"),
    (modal(close=plain("x" * 25)), "must be less than 25 characters", "/view/close/text"),
    (modal(callback_id="x" * 256), "must be less than 256 characters", "/view/callback_id"),
    (modal(external_id="x" * 256), "must be less than 256 characters", "/view/external_id"),
    (modal(private_metadata="x" * 3001), "must be less than 3001 characters", "/view/private_metadata"),
    (modal(colour="red"), "invalid additional property: colour", "/view"),
    (modal(None), "must be an object", "/view/blocks/0"),
    (
        {"type": "modal", "title": plain("T"), "blocks": [text_input()]},
        "missing required field: submit",
        "/view",
    ),
    (modal(text_input(max_length=3001)), "must be less than or equal to 3000", "/view/blocks/0/element/max_length"),
    (modal(text_input(max_length=0)), "must be greater than or equal to 1", "/view/blocks/0/element/max_length"),
    (
        modal(text_input(min_length=5, max_length=4)),
        "must be less than or equal to max_length",
        "/view/blocks/0/element/min_length",
    ),
    (
        modal(text_input(initial_value="x" * 3001)),
        "must be less than 3001 characters",
        "/view/blocks/0/element/initial_value",
    ),
    (
        modal(text_input(initial_value="xxx", max_length=2)),
        "must be less than 3 characters",
        "/view/blocks/0/element/initial_value",
    ),
    (
        modal(text_input(placeholder=plain("x" * 151))),
        "must be less than 151 characters",
        "/view/blocks/0/element/placeholder/text",
    ),
    (
        modal(number_input(min_value="9", max_value="2")),
        "must be less than or equal to max_value",
        "/view/blocks/0/element/min_value",
    ),
    (modal(number_input(min_value="few")), "must be a number", "/view/blocks/0/element/min_value"),
    (modal(number_input(min_value=2)), "must be a string", "/view/blocks/0/element/min_value"),
    (
        modal(number_input(min_value="2", initial_value="1")),
        "must be greater than or equal to 2",
        "/view/blocks/0/element/initial_value",
    ),
    (
        modal(field({"type": "number_input"})),
        "missing required field: is_decimal_allowed",
        "/view/blocks/0/element",
    ),
    (modal(field(button())), "unsupported type: button", "/view/blocks/0/element/type"),
    (
        modal(field({"type": "file_input", "max_files": 11})),
        "must be less than or equal to 10",
        "/view/blocks/0/element/max_files",
    ),
    (
        modal(text_input(), label=plain("x")),
        "invalid additional property: label",
        "/view",
    ),
    (
        modal(field({"type": "plain_text_input"}) | {"label": plain("x" * 2001)}),
        "must be less than 2001 characters",
        "/view/blocks/0/label/text",
    ),
    (
        modal(field({"type": "plain_text_input"}) | {"block_id": "a"}, DIVIDER | {"block_id": "a"}),
        "`block_id` a is not unique",
        "/view/blocks/1/block_id",
    ),
    (modal({"type": "markdown", "text": "x"}), "unsupported type: markdown", "/view/blocks/0/type"),
    (modal(table(1, 1)), "unsupported type: table", "/view/blocks/0/type"),
]


@pytest.mark.parametrize(("blocks", "message", "pointer"), MESSAGE_LIMITS)
def test_a_message_beyond_a_limit_is_refused(blocks: Any, message: str, pointer: str) -> None:
    assert f"[ERROR] {message} [json-pointer:{pointer}]" in message_problems(blocks).messages


@pytest.mark.parametrize(("view", "message", "pointer"), VIEW_LIMITS)
def test_a_view_beyond_a_limit_is_refused(view: Any, message: str, pointer: str) -> None:
    assert f"[ERROR] {message} [json-pointer:{pointer}]" in view_problems(view, expected="modal").messages


AT_THE_LIMIT = [
    [DIVIDER] * 50,
    [section(text=mrkdwn("x" * 3000), accessory=button(text=plain("x" * 75), value="x" * 2000))],
    [section(fields=[mrkdwn("x" * 1000)] * 10)],
    [{"type": "header", "text": plain("x" * 150)}],
    [{"type": "context", "elements": [mrkdwn("x"), plain("x")] * 5}],
    [actions(*[button(action_id=str(number)) for number in range(25)])],
    [actions(select(options=options(100), initial_option=option(99)))],
    [actions({"type": "checkboxes", "options": options(10), "initial_options": options(10)})],
    [actions(button(confirm=confirm(title=plain("x" * 100), text=mrkdwn("x" * 300), confirm=plain("x" * 30))))],
    [table(100, 20)],
    [chart(), chart()],
    [{"type": "markdown", "text": "x" * 12_000}],
    [text_input(multiline=True, min_length=0, max_length=3000)],
    [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "x"}]}]}],
    [{"type": "image", "image_url": "https://x.test/a.png", "alt_text": "x", "title": plain("x")}],
    [
        {
            "type": "video",
            "alt_text": "x",
            "title": plain("x"),
            "thumbnail_url": "https://x.test/a.png",
            "video_url": "https://x.test/a",
        }
    ],
    [actions(select(option_groups=[{"label": plain("G"), "options": options(3)}]) | {"options": options(1)})][:0],
    [
        {
            "type": "data_table",
            "caption": "Domains",
            "rows": [
                [{"type": "raw_text", "text": "Name"}, {"type": "raw_text", "text": "Price"}],
                [{"type": "raw_text", "text": "acme.com"}, {"type": "raw_number", "value": 12.5, "text": "12.50"}],
            ],
        }
    ],
    [
        chart(
            chart={
                "type": "bar",
                "series": [{"name": "Spend", "data": [{"label": "May", "value": 3}]}],
                "axis_config": {"categories": ["May"], "x_label": "Month"},
            }
        )
    ],
]


@pytest.mark.parametrize("blocks", AT_THE_LIMIT)
def test_a_message_at_the_limit_is_taken(blocks: list[Shape]) -> None:
    assert message_problems(blocks).messages == ()


def test_every_kind_of_input_is_taken_in_a_modal() -> None:
    elements = [
        {"type": "plain_text_input"},
        {"type": "number_input", "is_decimal_allowed": True, "min_value": "1", "max_value": "2"},
        {"type": "email_text_input"},
        {"type": "url_text_input"},
        {"type": "static_select", "options": options(1)},
        {"type": "multi_static_select", "options": options(3), "initial_options": options(2), "max_selected_items": 2},
        {"type": "external_select", "min_query_length": 0},
        {"type": "users_select"},
        {"type": "multi_users_select"},
        {"type": "conversations_select", "default_to_current_conversation": True},
        {"type": "checkboxes", "options": options(1)},
        {"type": "radio_buttons", "options": options(2), "initial_option": option(0)},
        {"type": "datepicker", "initial_date": "2026-03-02"},
        {"type": "timepicker", "initial_time": "09:30"},
        {"type": "datetimepicker", "initial_date_time": 1_770_000_000},
        {"type": "rich_text_input"},
        {"type": "file_input", "max_files": 10},
    ]
    view = modal(*[field(element, optional=True) for element in elements])
    assert view_problems(view, expected="modal").messages == ()


def test_too_much_text_altogether_is_too_long() -> None:
    assert message_problems([section(text=mrkdwn("x" * 2900))] * 5).too_long
    assert not message_problems([section(text=mrkdwn("x" * 2900))] * 4).too_long
    assert view_problems(modal(*[section(text=mrkdwn("x" * 2900))] * 90), expected="modal").too_long


def test_a_workspace_without_the_newer_blocks_refuses_them() -> None:
    problems = message_problems([chart()], accepts_new_blocks=False)
    assert problems.messages == ("[ERROR] unsupported type: data_visualization [json-pointer:/blocks/0/type]",)


def test_all_that_is_wrong_is_told_at_once() -> None:
    blocks = [section(), {"type": "header", "text": plain("x" * 151)}]
    assert len(message_problems(blocks)) == 2


def test_missing_ids_are_given_and_the_original_is_left_alone() -> None:
    original = [actions({"type": "button", "text": plain("Press")})]
    [block] = completed(original)
    assert block["block_id"]
    assert block["elements"][0]["action_id"]
    assert "block_id" not in original[0]


# Words that lead deep into the rules, mixed with anything JSON can say.
WORDS = st.sampled_from(
    [
        "type",
        "text",
        "blocks",
        "elements",
        "element",
        "options",
        "rows",
        "fields",
        "accessory",
        "confirm",
        "chart",
        "section",
        "actions",
        "input",
        "button",
        "static_select",
        "plain_text",
        "mrkdwn",
        "modal",
        "title",
        "table",
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=12,
)


@given(ANYTHING)
@settings(max_examples=200, deadline=None)
def test_nonsense_is_refused_and_never_breaks_anything(nonsense: Any) -> None:
    for blocks in (nonsense, [nonsense], [section(text=nonsense)], [actions(button(confirm=nonsense))]):
        assert isinstance(message_problems(blocks).messages, tuple)
    for view in (nonsense, modal(nonsense), modal(field(select(options=nonsense)))):
        assert isinstance(view_problems(view, expected="modal").messages, tuple)


async def test_the_web_api_answers_with_the_details(client, workspace, ana) -> None:
    with pytest.raises(SlackApiError) as refused:
        await client.chat_postMessage(channel="C0OUTREACH", text="x", blocks=[section()])
    answer = refused.value.response
    assert answer["error"] == "invalid_blocks"
    assert answer["errors"] == ["must define either `text` or `fields` [json-pointer:/blocks/0]"]
    assert answer["response_metadata"]["messages"] == [
        "[ERROR] must define either `text` or `fields` [json-pointer:/blocks/0]"
    ]
    trigger_id = workspace.trigger_for(ana.id)
    with pytest.raises(SlackApiError) as refused:
        await client.views_open(trigger_id=trigger_id, view=modal(title=plain("x" * 25)))
    assert refused.value.response["error"] == "invalid_arguments"
    # The trigger was not used up by a view that was refused.
    assert (await client.views_open(trigger_id=trigger_id, view=modal()))["ok"]
