"""What people can do and see, without an app behind it or with a very small one."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from bot.sandbox.blocks import completed_view
from bot.sandbox.forms import initial_state, typed_state
from bot.sandbox.model import User
from bot.sandbox.people import NotSeen
from bot.sandbox.workspace import default_workspace


def option(word: str) -> dict[str, Any]:
    return {"text": {"type": "plain_text", "text": word}, "value": word.lower()}


def field(block_id: str, element: dict[str, Any], *, optional: bool = False) -> dict[str, Any]:
    label = {"type": "plain_text", "text": block_id}
    return {
        "type": "input",
        "block_id": block_id,
        "label": label,
        "optional": optional,
        "element": {"action_id": "value", **element},
    }


CHOICES = [option("SMTP"), option("Google")]


@pytest.mark.parametrize(
    ("element", "value", "state"),
    [
        ({"type": "plain_text_input"}, "a.com", {"value": "a.com"}),
        ({"type": "plain_text_input"}, ["a.com", "b.com"], {"value": "a.com\nb.com"}),
        ({"type": "plain_text_input"}, "", {"value": None}),
        ({"type": "number_input"}, Decimal("12.50"), {"value": "12.50"}),
        ({"type": "static_select", "options": CHOICES}, "smtp", {"selected_option": CHOICES[0]}),
        ({"type": "radio_buttons", "options": CHOICES}, "Google", {"selected_option": CHOICES[1]}),
        ({"type": "static_select", "options": CHOICES}, None, {"selected_option": None}),
        ({"type": "checkboxes", "options": CHOICES[:1]}, True, {"selected_options": CHOICES[:1]}),
        ({"type": "checkboxes", "options": CHOICES[:1]}, False, {"selected_options": []}),
        ({"type": "multi_static_select", "options": CHOICES}, ["smtp", "google"], {"selected_options": CHOICES}),
        (
            {"type": "static_select", "option_groups": [{"label": {}, "options": CHOICES}]},
            "smtp",
            {"selected_option": CHOICES[0]},
        ),
        ({"type": "users_select"}, "U0ANA", {"selected_user": "U0ANA"}),
        ({"type": "multi_users_select"}, "U0ANA", {"selected_users": ["U0ANA"]}),
        ({"type": "conversations_select"}, "C0OUTREACH", {"selected_conversation": "C0OUTREACH"}),
        ({"type": "datepicker"}, date(2026, 3, 2), {"selected_date": "2026-03-02"}),
        ({"type": "timepicker"}, time(9, 30), {"selected_time": "09:30"}),
        ({"type": "datetimepicker"}, datetime(2026, 3, 2, tzinfo=UTC), {"selected_date_time": 1_772_409_600}),
    ],
)
def test_a_value_becomes_the_state_slack_reports(element: Any, value: Any, state: Any) -> None:
    assert typed_state(element, value) == {"type": element["type"], **state}


def test_initial_values_are_reported_until_somebody_types() -> None:
    element = {"type": "checkboxes", "options": CHOICES, "initial_options": CHOICES[:1]}
    assert initial_state(element)["selected_options"] == CHOICES[:1]
    assert initial_state({"type": "checkboxes", "options": CHOICES})["selected_options"] == []
    assert initial_state({"type": "plain_text_input", "initial_value": "x"})["value"] == "x"


def test_a_choice_that_is_not_offered_cannot_be_chosen() -> None:
    with pytest.raises(LookupError, match="smtp, google"):
        typed_state({"type": "static_select", "options": CHOICES}, "imap")
    with pytest.raises(TypeError):
        typed_state({"type": "button"}, "x")


async def test_slack_itself_refuses_what_a_field_cannot_hold(workspace, ana, view) -> None:
    blocks = [
        field("name", {"type": "plain_text_input", "min_length": 3, "max_length": 5}),
        field("count", {"type": "number_input", "is_decimal_allowed": False, "min_value": "1", "max_value": "9"}),
        field("email", {"type": "email_text_input"}),
        field("site", {"type": "url_text_input"}, optional=True),
        field("when", {"type": "datepicker"}),
    ]
    workspace.views.open("U0ANA", completed_view(view("Form", blocks)))
    modal = await ana.sees_modal("Form")

    empty = await ana.submits(modal)
    assert empty.result == "errors"
    assert set(empty.errors) == {"name", "count", "email", "when"}

    await ana.fills(modal, name="ab", count="1.5", email="nobody", site="acme", when=date(2026, 3, 2))
    assert set((await ana.submits(modal)).errors) == {"name", "count", "email", "site"}
    await ana.fills(modal, name="abcdef", count=10, email="ana@acme.test", site="https://acme.test")
    assert set((await ana.submits(modal)).errors) == {"name", "count"}
    assert workspace.delivery.log == type(workspace.delivery.log)()  # nothing was sent to the app


async def test_an_answer_slack_does_not_understand_is_trouble(bot, workspace, ana, view) -> None:
    answers: list[dict[str, Any]] = [
        {"response_action": "errors", "errors": {"nowhere": "wrong"}},
        {"response_action": "errors", "errors": {}},
        {"response_action": "update", "view": {"type": "modal", "blocks": []}},
        {"response_action": "dance"},
        {"text": "thanks"},
    ]

    @bot.view("form")
    async def form(ack: Any, req: Any) -> None:
        await ack(answers.pop(0))

    workspace.views.open("U0ANA", completed_view(view("Form", [field("note", {"type": "plain_text_input"})])))
    modal = await ana.sees_modal("Form")
    await ana.fills(modal, note="x")
    while answers:
        assert (await ana.submits(modal)).result == "trouble"


async def test_an_update_keeps_what_was_typed_and_not_a_new_initial_value(workspace, ana, view) -> None:
    def content(initial: str, kind: str = "plain_text_input") -> dict[str, Any]:
        blocks = [
            field("kept", {"type": "plain_text_input"}),
            field("initial", {"type": "plain_text_input", "initial_value": initial}),
            field("other", {"type": kind}),
        ]
        return completed_view(view("Form", blocks))

    opened = workspace.views.open("U0ANA", content("first"))
    modal = await ana.sees_modal("Form")
    await ana.fills(modal, kept="typed", other="gone")
    workspace.views.update(opened, content("second", kind="email_text_input"))
    assert modal.values == {"kept": "typed", "initial": "first", "other": None}


async def test_waiting_names_what_is_there_instead(workspace, ana) -> None:
    workspace.post("C0OUTREACH", "U0OMAR", "good morning")
    with pytest.raises(NotSeen, match="good morning"):
        await ana.sees("good night", in_="#outreach", timeout=0.01)
    with pytest.raises(NotSeen, match="modal"):
        await ana.sees_modal("Buy", timeout=0.01)


async def test_waiting_ends_when_the_message_comes_changes_or_falls_into_the_thread(workspace, ana) -> None:
    parent = workspace.post("C0OUTREACH", "U0OMAR", "parent")
    waiting = [
        asyncio.create_task(ana.sees("new words", in_="#outreach")),
        asyncio.create_task(ana.sees("answer", in_="#outreach", thread_of=parent)),
        asyncio.create_task(ana.sees(lambda message: message.text == "parent", in_="#outreach", after=parent)),
    ]
    await asyncio.sleep(0)
    workspace.post("C0OUTREACH", "U0OMAR", "answer")  # not in the thread
    reply = workspace.post("C0OUTREACH", "U0OMAR", "answer", thread_ts=parent.ts)
    workspace.update(workspace.message("C0OUTREACH", parent.ts), text="new words")
    again = workspace.post("C0OUTREACH", "U0OMAR", "parent")
    seen = await asyncio.gather(*waiting)
    assert [message.ts for message in seen] == [parent.ts, reply.ts, again.ts]
    assert [message.text for message in ana.thread(parent)] == ["new words", "answer"]


async def test_what_only_omar_sees_ana_does_not(workspace, ana, omar) -> None:
    workspace.post("C0OUTREACH", "U0POSTROOM", "psst", ephemeral_to="U0OMAR")
    assert (await omar.sees("psst", in_="#outreach")).text == "psst"
    with pytest.raises(NotSeen):
        await ana.sees("psst", in_="#outreach", timeout=0.01)


async def test_words_are_read_in_blocks_but_ids_and_values_are_not(workspace) -> None:
    button = {"type": "button", "action_id": "hidden", "value": "req_1", "text": {"type": "plain_text", "text": "Go"}}
    message = workspace.post(
        "C0OUTREACH",
        "U0POSTROOM",
        "fallback",
        blocks=(
            {"type": "section", "block_id": "b", "text": {"type": "mrkdwn", "text": "Two *domains*"}},
            {"type": "actions", "block_id": "c", "elements": [button]},
        ),
    )
    assert message.reads("Two *domains*")
    assert message.reads("Go")
    assert message.reads("fallback")
    assert not message.reads("req_1")
    assert not message.reads("hidden")


async def test_whoever_is_deactivated_or_elsewhere_can_do_nothing_there(workspace, ana) -> None:
    workspace.remove("#approvals", "ana")
    with pytest.raises(PermissionError, match="not in #approvals"):
        await ana.types("hello", channel="#approvals")
    workspace.deactivate("ana")
    with pytest.raises(PermissionError, match="deactivated"):
        await ana.types("hello", channel="#outreach")


async def test_commands_that_do_not_exist_or_stand_in_threads_never_reach_the_app(workspace, ana) -> None:
    workspace.app.commands = frozenset({"/domain"})
    parent = workspace.post("C0OUTREACH", "U0OMAR", "parent")
    await ana.types("/weather", channel="#outreach")
    await ana.types("/domain buy", channel="#outreach", thread_of=parent)
    assert [message.text for message in ana.ephemerals("#outreach")] == [
        "/weather is not a valid command.",
        "/domain is not supported in threads. Sorry!",
    ]
    assert not workspace.delivery.log


async def test_what_people_write_reaches_the_app_only_when_it_listens(bot, workspace, ana) -> None:
    seen = []

    @bot.event("message")
    async def hears(event: Any) -> None:
        seen.append((event["channel_type"], event["text"]))

    await ana.types("nobody listens", channel="#outreach")
    workspace.app.events |= {"message.im"}
    await ana.types("hello bot", channel="dm")
    assert seen == [("im", "hello bot")]
    assert [message.text for message in ana.messages("#outreach")] == ["nobody listens"]


async def test_a_modal_can_ask_for_response_urls_of_the_channels_chosen(bot, workspace, ana, view) -> None:
    @bot.view("where")
    async def where(ack: Any, respond: Any) -> None:
        await ack()
        await respond("Here it is", response_type="in_channel")

    select = {"type": "conversations_select", "response_url_enabled": True}
    workspace.views.open("U0ANA", completed_view(view("Where", [field("channel", select)])))
    modal = await ana.fills(await ana.sees_modal("Where"), channel="C0APPROVALS")
    assert (await ana.submits(modal)).ok
    assert (await ana.sees("Here it is", in_="#approvals")).channel == "C0APPROVALS"


async def test_a_shortcut_starts_without_a_channel(bot, ana) -> None:
    seen = []

    @bot.shortcut("buy_domains")
    async def starts(ack: Any, body: Any) -> None:
        await ack()
        seen.append("channel" in body)

    assert (await ana.uses_shortcut("buy_domains")).ok
    assert seen == [False]


async def test_a_shortcut_of_a_message_carries_the_message_and_its_channel(bot, workspace, ana) -> None:
    seen = []

    @bot.shortcut({"type": "message_action", "callback_id": "buy_these"})
    async def starts(ack: Any, body: Any, respond: Any) -> None:
        await ack()
        seen.append(body)
        await respond("Which?")

    said = workspace.post("C0OUTREACH", "U0OMAR", "acme.com", thread_ts=None)
    assert (await ana.uses_shortcut("buy_these", on=said)).ok

    [body] = seen
    assert body["channel"] == {"id": "C0OUTREACH", "name": "outreach"}
    assert (body["message_ts"], body["message"]["text"], body["message"]["user"]) == (said.ts, "acme.com", "U0OMAR")
    assert (body["user"]["id"], body["callback_id"], "view" in body) == ("U0ANA", "buy_these", False)
    assert (await ana.sees("Which?", in_="#outreach")).ephemeral_to == "U0ANA"
    private = workspace.post("C0OUTREACH", "U0POSTROOM", "For you", ephemeral_to="U0ANA")
    with pytest.raises(NotSeen):
        await ana.uses_shortcut("buy_these", on=private)


async def test_a_menu_in_a_message_carries_the_state_of_its_copy(bot, workspace, ana) -> None:
    seen = []

    @bot.action("hosting")
    async def chooses(ack: Any, body: Any) -> None:
        await ack()
        seen.append((body["actions"][0]["selected_option"]["value"], body["state"]["values"]))

    @bot.action("more")
    async def more(ack: Any, body: Any) -> None:
        await ack()
        seen.append(body["actions"][0]["selected_option"]["value"])

    menu = {"type": "static_select", "action_id": "hosting", "options": CHOICES}
    overflow = {"type": "overflow", "action_id": "more", "options": CHOICES}
    block = {"type": "actions", "block_id": "how", "elements": [menu, overflow]}
    message = workspace.post("C0OUTREACH", "U0POSTROOM", "card", blocks=(block,), by_app=True)
    await ana.chooses(message, "hosting", "Google")
    await ana.chooses(message, "more", "smtp")
    value, state = seen[0]
    assert value == "google"
    assert state["how"]["hosting"]["selected_option"]["value"] == "google"
    assert seen[1] == "smtp"


async def test_a_button_that_is_not_there_is_named_and_one_of_many_has_to_be_told_apart(workspace, ana) -> None:
    def button(value: str) -> dict[str, Any]:
        return {
            "type": "button",
            "action_id": "take",
            "value": value,
            "text": {"type": "plain_text", "text": f"Take {value}"},
        }

    blocks = tuple({"type": "actions", "block_id": value, "elements": [button(value)]} for value in ("1", "2"))
    message = workspace.post("C0OUTREACH", "U0POSTROOM", "offers", blocks=blocks, by_app=True)
    with pytest.raises(NotSeen, match="Take 1, Take 2"):
        await ana.clicks(message, "leave")
    with pytest.raises(NotSeen, match="2 of 'take'"):
        await ana.clicks(message, "take")
    workspace.app.ack_timeout = 0.01
    assert (await ana.clicks(message, "take", value="2")).outcome == "no_bot"
    assert workspace.delivery.log[-1].payload["actions"][0]["value"] == "2"


async def test_a_modal_that_is_covered_or_closed_cannot_be_used(workspace, ana, view, text_input) -> None:
    workspace.views.open("U0ANA", completed_view(view("Below", [text_input("note", optional=True)])))
    below = await ana.sees_modal("Below")
    workspace.views.push("U0ANA", completed_view(view("Above", [])))
    with pytest.raises(NotSeen):
        await ana.fills(below, note="x")
    with pytest.raises(NotSeen):
        await ana.submits(below)
    assert await ana.closes(await ana.sees_modal("Above"), everything=True) is None
    with pytest.raises(NotSeen):
        await ana.closes(below)


async def test_the_feed_tells_everything_in_order_to_everybody_who_listens(workspace, ana, view) -> None:
    with workspace.subscribe() as feed, workspace.subscribe() as other:
        message = workspace.post("C0OUTREACH", "U0OMAR", "one")
        workspace.update(message, text="two")
        workspace.delete(message)
        workspace.post("C0OUTREACH", "U0OMAR", "psst", ephemeral_to="U0ANA")
        opened = workspace.views.open("U0ANA", completed_view(view("Buy", [])))
        workspace.views.update(opened, completed_view(view("Buy more", [])))
        workspace.views.close(opened)
        workspace.tell("U0ANA", "mind the gap")
        kinds = [(await anext(feed)).kind for _ in range(8)]
        assert kinds == [
            "message_posted",
            "message_updated",
            "message_deleted",
            "ephemeral_posted",
            "view_opened",
            "view_updated",
            "view_closed",
            "notice",
        ]
        assert (await anext(other)).seq == 1
    assert [change async for change in feed] == []


async def test_people_groups_and_channels_are_added_as_a_test_needs_them() -> None:
    workspace = default_workspace()
    workspace.add_user(User("U0ZOE", "zoe", "Zoe"), "#approvals")
    workspace.set_group("@finance", ["zoe", "omar"])
    assert workspace.groups["S0FINANCE"].members == ("U0ZOE", "U0OMAR")
    assert "U0ZOE" in workspace.channel("#approvals").members
    assert "U0ZOE" not in workspace.channel("#outreach").members
    assert workspace.person("@zoe").id == "U0ZOE"
    with pytest.raises(KeyError):
        workspace.person("nobody")
