"""A card in somebody's direct messages: posted by their id, clicked there, changed there."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

OMARS = "D0OMAR"
CHOICES = [{"text": {"type": "plain_text", "text": name}, "value": name.lower()} for name in ("One", "Two", "Three")]


def card(state: str) -> list[dict[str, Any]]:
    """A card with all that stands on one: mentions, buttons, a menu of more, boxes, a menu for several, small print."""
    return [
        {
            "type": "section",
            "block_id": "about",
            "text": {"type": "mrkdwn", "text": f"<!subteam^S0FINANCE>: {state}, asked by <@U0ANA>"},
            "accessory": {"type": "multi_static_select", "action_id": "items", "options": CHOICES},
        },
        {
            "type": "actions",
            "block_id": "decide",
            "elements": [
                {"type": "button", "action_id": "approve", "text": {"type": "plain_text", "text": "Approve"}},
                {"type": "overflow", "action_id": "more", "options": CHOICES[:2]},
                {"type": "checkboxes", "action_id": "boxes", "options": CHOICES},
            ],
        },
        {"type": "context", "block_id": "small", "elements": [{"type": "mrkdwn", "text": "Budget of <@U0FINN>"}]},
    ]


async def test_a_card_by_user_id_is_clicked_and_changed_in_the_direct_message(bot, client, workspace, omar, ana):
    seen: list[dict[str, Any]] = []

    @bot.action("approve")
    @bot.action("more")
    @bot.action("items")
    @bot.action("boxes")
    async def acts(ack: Any, body: Any, respond: Any) -> None:
        await ack()
        seen.append(body)

    answer = await client.chat_postMessage(channel="U0OMAR", text="Asked", blocks=card("waiting"))
    assert answer["channel"] == OMARS
    shown = await omar.sees("waiting", in_="dm")
    assert ana.messages("dm") == []

    await omar.clicks(shown, "Approve")
    await omar.chooses(shown, "more", "Two")
    await omar.chooses(shown, "items", ["one", "three"])
    await omar.chooses(await omar.sees("waiting", in_="dm"), "boxes", ["Two"])

    for body in seen:
        assert body["channel"] == {"id": OMARS, "name": "directmessage"}
        assert body["container"] | {"is_ephemeral": False} == body["container"]
        assert (body["container"]["channel_id"], body["container"]["message_ts"]) == (OMARS, answer["ts"])
        assert body["message"]["ts"] == answer["ts"]
        assert body["user"]["id"] == "U0OMAR"
    pressed, more, items, boxes = (body["actions"][0] for body in seen)
    assert pressed["action_id"] == "approve"
    assert more["selected_option"]["value"] == "two"
    assert [one["value"] for one in items["selected_options"]] == ["one", "three"]
    assert [one["value"] for one in boxes["selected_options"]] == ["two"]
    state = seen[-1]["state"]["values"]
    assert [one["value"] for one in state["about"]["items"]["selected_options"]] == ["one", "three"]

    changed = await client.chat_update(channel=OMARS, ts=answer["ts"], text="Done", blocks=card("approved"))
    assert changed["channel"] == OMARS
    assert (await omar.sees("approved", in_="dm")).ts == answer["ts"]
    assert len(omar.messages("dm")) == 1


async def test_a_card_in_a_direct_message_is_changed_by_its_channel_and_not_by_the_person(client, workspace):
    posted = await client.chat_postMessage(channel="U0OMAR", text="Asked", blocks=card("waiting"))
    with pytest.raises(SlackApiError, match="channel_not_found"):
        await client.chat_update(channel="U0OMAR", ts=posted["ts"], text="x")
    with pytest.raises(SlackApiError, match="message_not_found"):
        await client.chat_update(channel="D0OMAR", ts="1.000000", text="x")
    with pytest.raises(SlackApiError, match="channel_not_found"):
        await client.chat_postMessage(channel="U0NOBODY", text="x")


async def test_what_was_posted_is_found_again_in_the_direct_message_by_its_metadata(client, workspace, omar):
    metadata = {"event_type": "card", "event_payload": {"id": "7"}}
    posted = await client.chat_postMessage(channel="U0OMAR", text="Asked", metadata=metadata)
    opened = await client.conversations_open(users="U0OMAR")
    assert opened["channel"]["id"] == posted["channel"] == OMARS
    [found] = (await client.conversations_history(channel=OMARS, include_all_metadata=True))["messages"]
    assert (found["ts"], found["metadata"]) == (posted["ts"], metadata)


async def test_the_card_of_somebody_who_left_is_still_changed(client, workspace, omar):
    posted = await client.chat_postMessage(channel="U0OMAR", text="Asked", blocks=card("waiting"))
    workspace.deactivate("omar")
    changed = await client.chat_update(channel=OMARS, ts=posted["ts"], text="Done", blocks=card("approved"))
    assert changed["ok"]
    message = workspace.message(OMARS, posted["ts"])
    with pytest.raises(PermissionError):
        await omar.clicks(message, "Approve")
