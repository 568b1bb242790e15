"""Whole scenes through a real Bolt app, over both Socket Mode clients and over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.sandbox import api
from bot.sandbox.people import NotSeen


def button(action_id: str, text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": action_id, "text": {"type": "plain_text", "text": text}, **fields}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


async def test_a_command_opens_a_modal_that_is_refused_changed_pushed_and_cleared(any_bot, ana, view, text_input):
    @any_bot.command("/domain")
    async def opens(ack, body, client):
        await ack()
        first = view("Buy", [text_input("domains", multiline=True), text_input("note", optional=True)])
        await client.views_open(trigger_id=body["trigger_id"], view=first)

    @any_bot.view("buy")
    async def checks(ack, body):
        values = body["view"]["state"]["values"]
        if "taken.com" in values["domains"]["value"]["value"]:
            await ack(response_action="errors", errors={"domains": "taken.com is taken"})
        else:
            await ack(response_action="update", view=view("Review", [section("Two domains"), text_input("note")]))

    @any_bot.view("review")
    async def reviewed(ack):
        await ack(response_action="push", view=view("Sure", [section("Really?")]))

    @any_bot.view("sure")
    async def done(ack):
        await ack(response_action="clear")

    ack = await ana.types("/domain buy acme-mail.com", channel="#outreach")
    assert ack.ok
    modal = await ana.sees_modal("Buy")
    assert modal.fields == ["domains", "note"]

    await ana.fills(modal, domains=["acme-mail.com", "taken.com"], note="for spring")
    refused = await ana.submits(modal)
    assert refused.errors == {"domains": "taken.com is taken"}
    assert modal.is_open
    assert modal.errors == refused.errors

    await ana.fills(modal, domains=["acme-mail.com", "acme-hq.co"])
    assert modal.errors == {}
    updated = await ana.submits(modal)
    assert updated.result == "updated"
    assert modal.title == "Review"
    assert modal.values == {"note": "for spring"}  # same block_id and action_id: what was typed stays

    pushed = await ana.submits(modal)
    assert pushed.result == "pushed"
    assert pushed.modal.title == "Sure"
    assert pushed.modal.view.previous_view_id == modal.id
    assert pushed.modal.view.root_view_id == modal.id

    cleared = await ana.submits(pushed.modal)
    assert cleared.result == "cleared"
    assert ana.modal is None


async def test_a_button_with_a_confirmation_replaces_the_card_through_its_response_url(any_bot, ana, omar, client):
    confirm = {
        "title": {"type": "plain_text", "text": "Approve?"},
        "text": {"type": "plain_text", "text": "This spends money"},
        "confirm": {"type": "plain_text", "text": "Approve"},
        "deny": {"type": "plain_text", "text": "Not yet"},
    }
    seen = []

    @any_bot.action("approve")
    async def approves(ack, body, respond):
        await ack()
        seen.append(body)
        await respond(text=f"Approved by {body['user']['name']}", replace_original=True)

    buttons = [button("approve", "Approve", value="req_1", confirm=confirm), button("deny", "Deny")]
    blocks = [section("Two domains for 24.00 USD"), {"type": "actions", "block_id": "decide", "elements": buttons}]
    posted = await client.chat_postMessage(channel="C0APPROVALS", text="Please decide", blocks=blocks)
    card = await omar.sees("24.00 USD", in_="#approvals")

    assert await omar.clicks(card, "approve", confirm=False) is None
    assert seen == []
    assert (await omar.clicks(card, "Approve")).ok

    changed = await ana.sees("Approved by omar", in_="#approvals")
    assert changed.ts == posted["ts"]
    assert changed.blocks == ()
    body = seen[0]
    assert body["user"] == {"id": "U0OMAR", "username": "omar", "name": "omar", "team_id": "T0ACME"}
    assert body["container"] == {
        "type": "message",
        "message_ts": card.ts,
        "channel_id": "C0APPROVALS",
        "is_ephemeral": False,
    }
    assert body["message"]["blocks"] == list(card.blocks)
    assert body["actions"][0]["value"] == "req_1"
    assert body["actions"][0]["block_id"] == "decide"


async def test_what_a_command_answers_is_seen_by_the_asker_alone(any_bot, ana, omar):
    @any_bot.command("/domain")
    async def answers(ack, respond):
        await ack("Two domains are yours")
        await respond("and one is on its way")
        await respond("Everybody may know", response_type="in_channel")

    await ana.types("/domain list", channel="#outreach")
    await ana.sees("and one is on its way", in_="#outreach")
    await omar.sees("Everybody may know", in_="#outreach")

    assert [message.text for message in ana.ephemerals("#outreach")][-1:] == ["Two domains are yours"]
    assert {message.text for message in ana.ephemerals("#outreach")} == {
        "Two domains are yours",
        "and one is on its way",
    }
    assert omar.ephemerals("#outreach") == []
    assert [message.text for message in omar.messages("#outreach")] == ["Everybody may know"]


async def test_an_ephemeral_message_can_be_clicked_but_is_not_in_the_payload(any_bot, ana, omar, client):
    seen = []

    @any_bot.action("dismiss")
    async def dismisses(ack, body, respond):
        await ack()
        seen.append(body)
        await respond(delete_original=True)

    blocks = [{"type": "actions", "elements": [button("dismiss", "Dismiss")]}]
    await client.chat_postEphemeral(channel="C0OUTREACH", user="U0ANA", text="Only you", blocks=blocks)
    message = await ana.sees("Only you", in_="#outreach")
    with pytest.raises(NotSeen):
        await omar.clicks(message, "dismiss")

    await ana.clicks(message, "dismiss")

    assert ana.ephemerals("#outreach") == []
    assert "message" not in seen[0]
    assert seen[0]["container"]["is_ephemeral"] is True


async def test_the_home_tab_is_published_when_it_is_opened_and_its_buttons_work(any_bot, ana):
    @any_bot.event("app_home_opened")
    async def publishes(event, client):
        home = {"type": "home", "blocks": [{"type": "actions", "elements": [button("refresh", "Refresh")]}]}
        await client.views_publish(user_id=event["user"], view=home)

    @any_bot.action("refresh")
    async def refreshes(ack, body, client):
        await ack()
        home = {"type": "home", "blocks": [section("Fresh")]}
        await client.views_publish(user_id=body["user"]["id"], hash=body["view"]["hash"], view=home)

    assert (await ana.opens_home()).ok
    home = await ana.sees_home("Refresh")
    await ana.clicks(home, "refresh")
    fresh = await ana.sees_home("Fresh")
    assert fresh.id == home.id
    assert ana.home.hash != home.hash


async def test_an_old_copy_of_a_message_is_clicked_as_it_was(any_bot, ana, client):
    values = []

    @any_bot.action("take")
    async def takes(ack, body):
        await ack()
        values.append((body["actions"][0]["value"], body["message"]["text"]))

    def offer(price: str) -> dict[str, Any]:
        return {
            "text": f"Offer {price}",
            "blocks": [{"type": "actions", "elements": [button("take", "Take", value=price)]}],
        }

    posted = await client.chat_postMessage(channel="C0OUTREACH", **offer("10"))
    old = await ana.sees("Offer 10", in_="#outreach")
    await client.chat_update(channel="C0OUTREACH", ts=posted["ts"], **offer("12"))
    new = await ana.sees("Offer 12", in_="#outreach")

    await ana.clicks(old, "take")
    await ana.clicks(new, "take")
    assert values == [("10", "Offer 10"), ("12", "Offer 12")]


async def test_choices_in_a_modal_reach_the_app_at_once_and_external_ones_are_searched(any_bot, ana, view):
    chosen = []
    external = {
        "type": "input",
        "block_id": "domain",
        "label": {"type": "plain_text", "text": "Domain"},
        "element": {"type": "external_select", "action_id": "domain", "min_query_length": 0},
    }
    options = [{"text": {"type": "plain_text", "text": word}, "value": word.lower()} for word in ("SMTP", "Google")]
    menu = {"type": "static_select", "action_id": "hosting", "options": options}
    actions = {"type": "actions", "block_id": "how", "elements": [menu]}

    @any_bot.command("/domain")
    async def opens(ack, body, client):
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=view("Pick", [external, actions]))

    @any_bot.options("domain")
    async def offers(ack, payload):
        found = [name for name in ("acme.com", "acme.co") if name.startswith(payload["value"])]
        await ack(options=[{"text": {"type": "plain_text", "text": name}, "value": name} for name in found])

    @any_bot.action("hosting")
    async def takes(ack, body):
        await ack()
        chosen.append(body["actions"][0]["selected_option"]["value"])

    @any_bot.view("pick")
    async def closes(ack, body):
        await ack()
        chosen.append(body["view"]["state"]["values"])

    await ana.types("/domain pick", channel="#outreach")
    modal = await ana.sees_modal("Pick")
    assert [option["value"] for option in await ana.searches(modal, "domain", "acme.com")] == ["acme.com"]
    await ana.fills(modal, domain="acme.co", how="Google")
    assert (await ana.submits(modal)).result == "closed"
    assert chosen[0] == "google"
    assert chosen[1]["domain"]["domain"]["selected_option"]["value"] == "acme.co"
    assert chosen[1]["how"]["hosting"]["selected_option"]["value"] == "google"


async def test_an_app_that_is_too_slow_is_told_on(any_bot, ana, workspace, view, text_input):
    workspace.app.ack_timeout = 0.05

    @any_bot.command("/domain")
    async def dawdles(ack, body, client):
        if "open" in body["text"]:
            await ack()
            await client.views_open(trigger_id=body["trigger_id"], view=view("Buy", [text_input("note")]))
        else:
            await asyncio.sleep(0.1)
            await ack()

    @any_bot.view("buy")
    async def dawdles_again(ack):
        await asyncio.sleep(0.1)
        await ack()

    ack = await ana.types("/domain buy", channel="#outreach")
    assert ack.outcome == "timeout"
    await ana.sees("/domain failed because the app did not respond", in_="#outreach")

    await ana.types("/domain open", channel="#outreach")
    modal = await ana.sees_modal("Buy")
    await ana.fills(modal, note="hello")
    submission = await ana.submits(modal)
    assert submission.result == "trouble"
    assert modal.trouble == "We had some trouble connecting. Try again?"
    assert modal.values == {"note": "hello"}


async def test_a_closed_view_is_reported_only_when_asked_for(any_bot, ana, view, text_input):
    closed = []

    @any_bot.command("/domain")
    async def opens(ack, body, client):
        await ack()
        note = text_input("note", optional=True)
        await client.views_open(trigger_id=body["trigger_id"], view=view("Quiet", [note]))

    @any_bot.view("quiet")
    async def pushes(ack):
        await ack(response_action="push", view=view("Loud", [section("Hm")], notify_on_close=True))

    @any_bot.view_closed("loud")
    async def notes(ack, body):
        await ack()
        closed.append((body["view"]["callback_id"], body["is_cleared"]))

    await ana.types("/domain", channel="#outreach")
    quiet = await ana.sees_modal("Quiet")
    loud = (await ana.submits(quiet)).modal
    below = await ana.closes(loud)
    assert below.id == quiet.id
    assert await ana.closes(quiet) is None
    assert closed == [("loud", False)]


async def test_what_an_app_shows_after_its_ack_is_not_overtaken_by_the_ack(
    any_bot, workspace, ana, view, text_input, monkeypatch
) -> None:
    """The ack and the call come by two connections, and the call may be read first."""
    monkeypatch.setattr(api, "ACK_IS_NEAR", 20)  # however slow the machine
    calls: list[Any] = []

    @any_bot.view("buy")
    async def bought(ack: Any, body: Any, client: Any) -> None:
        done = client.views_update(view_id=body["view"]["id"], view=view("Done", [text_input("note")]))
        calls.append(asyncio.create_task(done))
        await asyncio.sleep(0.02)
        await ack(response_action="update", view=view("Wait", [text_input("note")]))

    trigger = workspace.trigger_for("U0ANA")
    await any_bot.client.views_open(trigger_id=trigger, view=view("Buy", [text_input("note", optional=True)]))
    modal = await ana.sees_modal("Buy")

    await ana.submits(modal)
    await asyncio.gather(*calls)

    assert modal.title == "Done"


async def test_a_view_changed_before_the_ack_waits_only_a_moment(any_bot, workspace, ana, view, text_input) -> None:
    seen: list[str] = []

    @any_bot.view("buy")
    async def bought(ack: Any, body: Any, client: Any) -> None:
        await client.views_update(view_id=body["view"]["id"], view=view("Wait", [text_input("note")]))
        seen.append(ana.modal.title)
        await ack(response_action="update", view=view("Done", [text_input("note")]))

    trigger = workspace.trigger_for("U0ANA")
    await any_bot.client.views_open(trigger_id=trigger, view=view("Buy", [text_input("note", optional=True)]))
    modal = await ana.sees_modal("Buy")

    assert (await ana.submits(modal)).ok
    assert (seen, modal.title) == (["Wait"], "Done")
