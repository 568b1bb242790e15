"""Connections that come and go: no bot, a killed bot, several bots, refreshes, one-use urls, forged payloads."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import aiohttp
import pytest

from bot.sandbox import payloads
from bot.sandbox.faults import Fault
from bot.sandbox.model import APP_TOKEN
from bot.sandbox.server import serve

BOT_PROCESS = """
import asyncio, sys
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

async def main(api_url):
    app = AsyncApp(client=AsyncWebClient("xoxb-sandbox", base_url=api_url), process_before_response=True)

    @app.command("/domain")
    async def answers(ack):
        await ack("alive")

    await AsyncSocketModeHandler(app, "xapp-sandbox").start_async()

asyncio.run(main(sys.argv[1]))
"""


def answers(app: Any, words: str, seen: list[str]) -> None:
    @app.command("/domain")
    async def answer(ack: Any) -> None:
        seen.append(words)
        await ack(words)


async def test_without_a_bot_the_person_is_told(running, workspace, ana, client, view, text_input) -> None:
    await client.views_open(trigger_id=workspace.trigger_for("U0ANA"), view=view("Buy", [text_input("note")]))
    button = {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}}
    blocks = [{"type": "actions", "elements": [button]}]
    await client.chat_postMessage(channel="C0OUTREACH", text="card", blocks=blocks)

    ack = await ana.types("/domain buy", channel="#outreach")
    assert ack.outcome == "no_bot"
    told = await ana.sees("/domain failed because the app did not respond", in_="#outreach")
    assert (told.user, told.ephemeral_to) == ("USLACKBOT", "U0ANA")

    modal = await ana.sees_modal("Buy")
    await ana.fills(modal, note="hello")
    submission = await ana.submits(modal)
    assert submission.trouble == "We had some trouble connecting. Try again?"
    assert modal.is_open

    await ana.clicks(ana.messages("#outreach")[0], "go")
    await ana.is_told("Operation timed out")


async def test_each_payload_goes_to_exactly_one_of_several_connections(workspace, ana, new_app, connect) -> None:
    seen: list[str] = []
    first, second = new_app(), new_app()
    answers(first, "first", seen)
    answers(second, "second", seen)
    async with connect(first), connect(second, "websockets"):
        assert workspace.delivery.connections == 2
        for _ in range(4):
            assert (await ana.types("/domain", channel="#outreach")).ok
    assert sorted(seen) == ["first", "first", "second", "second"]


@pytest.mark.parametrize("kind", ["aiohttp", "websockets"])
async def test_a_bot_comes_back_after_a_refresh_and_after_a_cut(kind, workspace, ana, new_app, connect) -> None:
    app = new_app()
    answers(app, "here", [])

    async def comes_back(happens: Any) -> None:
        with workspace.subscribe() as feed:
            await happens
            async for change in feed:
                if change.kind == "bot_connected":
                    break
        assert (await ana.types("/domain", channel="#outreach")).ok

    async with connect(app, kind):
        await comes_back(workspace.delivery.refresh("refresh_requested"))
        await comes_back(workspace.delivery.drop())


async def test_a_killed_bot_is_gone_at_once_and_its_successor_is_taken(running, workspace, ana) -> None:
    async def start() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", BOT_PROCESS, running.api_url)
        await workspace.wait_for_bot(timeout=10)
        return process

    first = await start()
    assert (await ana.types("/domain", channel="#outreach")).payload["text"] == "alive"
    with workspace.subscribe() as feed:
        first.kill()
        await first.wait()
        assert (await anext(feed)).kind == "bot_disconnected"
    assert (await ana.types("/domain", channel="#outreach")).outcome == "no_bot"

    second = await start()
    assert (await ana.types("/domain", channel="#outreach")).ok
    second.kill()
    await second.wait()


async def test_a_bot_that_dies_over_a_payload_leaves_it_unanswered(workspace, ana, new_app, connect) -> None:
    app = new_app()

    @app.command("/domain")
    async def dies(ack: Any) -> None:
        await workspace.delivery.drop()

    async with connect(app):
        assert (await ana.types("/domain", channel="#outreach")).outcome == "dropped"
    await ana.sees("did not respond", in_="#outreach")


async def test_a_url_is_good_for_one_handshake(client) -> None:
    url = (await client.apps_connections_open(app_token=APP_TOKEN))["url"]
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url) as link:
            hello = await link.receive_json()
            assert (hello["type"], hello["num_connections"]) == ("hello", 1)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)


async def test_a_refused_handshake_uses_the_url_up_all_the_same(client, workspace) -> None:
    workspace.faults.add("socket", Fault.server_error())
    url = (await client.apps_connections_open(app_token=APP_TOKEN))["url"]
    async with aiohttp.ClientSession() as session:
        for _ in range(2):
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(url)
        url = (await client.apps_connections_open(app_token=APP_TOKEN))["url"]
        async with session.ws_connect(url) as link:
            assert (await link.receive_json())["type"] == "hello"


async def test_an_eleventh_connection_is_turned_away(client, workspace) -> None:
    async with aiohttp.ClientSession() as session:
        links = []
        for _ in range(11):
            url = (await client.apps_connections_open(app_token=APP_TOKEN))["url"]
            links.append(await session.ws_connect(url))
        first = [await link.receive_json() for link in links]
        assert [one["type"] for one in first] == ["hello"] * 10 + ["disconnect"]
        assert first[-1]["reason"] == "too_many_websockets"


async def test_forged_and_replayed_payloads_reach_the_app_as_they_are(bot, workspace, ana) -> None:
    seen = []

    @bot.action("approve")
    async def approves(ack: Any, body: Any) -> None:
        await ack()
        seen.append((body["user"]["id"], body["team"]["id"]))

    forged = {
        "type": "block_actions",
        "team": {"id": "T0OTHER", "domain": "other"},
        "user": {"id": "U0STRANGER", "team_id": "T0OTHER"},
        "api_app_id": "A0POSTROOM",
        "container": {"type": "message", "message_ts": "1.1", "channel_id": "C0APPROVALS"},
        "channel": {"id": "C0APPROVALS", "name": "approvals"},
        "actions": [{"type": "button", "action_id": "approve", "block_id": "b", "action_ts": "1.1", "value": "req_1"}],
    }
    assert (await workspace.deliver("interactive", forged)).ok
    assert (await workspace.deliver("interactive", forged)).ok
    assert seen == [("U0STRANGER", "T0OTHER")] * 2
    assert [one.payload for one in workspace.delivery.log][-2:] == [forged, forged]


async def test_an_event_can_be_sent_again_as_a_retry(any_bot, workspace) -> None:
    seen = []

    @any_bot.event("app_uninstalled")
    async def uninstalled(body: Any, req: Any) -> None:
        seen.append((body["event_id"], (req.headers.get("x-slack-retry-num") or ["0"])[0]))

    payload = payloads.event(workspace, {"type": "app_uninstalled"})
    assert (await workspace.deliver("events_api", payload)).ok
    assert (await workspace.deliver("events_api", payload, retry_num=1, retry_reason="timeout")).ok
    assert [number for _, number in seen] == ["0", "1"]
    assert len({event_id for event_id, _ in seen}) == 1


async def test_an_unhandled_command_is_never_acknowledged(any_bot, workspace, ana) -> None:
    workspace.app.ack_timeout = 0.05
    ack = await ana.types("/unheard of", channel="#outreach")
    assert ack.outcome in {"timeout", "http_error"}
    await ana.sees("/unheard failed", in_="#outreach")


async def test_a_request_with_a_wrong_signature_is_not_taken(http_bot, workspace, ana) -> None:
    workspace.app.signing_secret = "another secret"
    ack = await ana.types("/domain", channel="#outreach")
    assert (ack.outcome, ack.status) == ("http_error", 401)


async def test_an_app_that_is_not_there_over_http_is_no_bot(running, workspace, ana) -> None:
    workspace.app.request_url = "http://127.0.0.1:9/slack/events"
    assert (await ana.types("/domain", channel="#outreach")).outcome == "no_bot"


async def test_the_same_port_can_be_served_again_right_away(workspace) -> None:
    async with serve(workspace) as running:
        port = int(running.url.rpartition(":")[2])
    async with serve(workspace, port=port) as again:
        assert again.url == running.url
        with pytest.raises(OSError, match="in use"):
            async with serve(workspace, port=port):
                pass
