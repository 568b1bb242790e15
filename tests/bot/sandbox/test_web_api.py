"""The Web API as slack_sdk sees it: tokens, scopes, messages, paging, refusals, and calls that go wrong."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncConnectionErrorRetryHandler
from slack_sdk.http_retry.builtin_interval_calculators import FixedValueRetryIntervalCalculator
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.sandbox.faults import Fault
from bot.sandbox.model import APP_TOKEN, BOT_TOKEN, Channel, User
from bot.sandbox.workspace import App, default_seed, default_workspace

CHANNEL = "C0OUTREACH"


async def refusal(call: Any) -> Any:
    """The error of a call that has to fail, with the whole answer under `.response`."""
    with pytest.raises(SlackApiError) as refused:
        await call
    return refused.value.response


async def test_auth_test_tells_who_the_bot_is_and_what_it_may_do(client) -> None:
    answer = await client.auth_test()
    assert (answer["team_id"], answer["user_id"], answer["bot_id"]) == ("T0ACME", "U0POSTROOM", "B0POSTROOM")
    assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")


@pytest.mark.parametrize(
    ("token", "error"),
    [("", "not_authed"), ("xoxb-wrong", "invalid_auth"), (APP_TOKEN, "not_allowed_token_type")],
)
async def test_a_wrong_token_is_refused(running, token, error) -> None:
    other = AsyncWebClient(token, base_url=running.api_url)
    assert (await refusal(other.chat_postMessage(channel=CHANNEL, text="hi")))["error"] == error


async def test_only_the_app_token_opens_connections(running, client) -> None:
    assert (await client.apps_connections_open(app_token=APP_TOKEN))["url"].startswith("ws://127.0.0.1:")
    assert (await refusal(client.apps_connections_open(app_token=BOT_TOKEN)))["error"] == "not_allowed_token_type"


async def test_a_revoked_token_opens_nothing(client, workspace) -> None:
    workspace.app.revoked = True
    assert (await refusal(client.auth_test()))["error"] == "token_revoked"


async def test_a_missing_scope_is_named(client, workspace) -> None:
    workspace.app.scopes = frozenset({"commands", "channels:read"})
    answer = await refusal(client.chat_postMessage(channel=CHANNEL, text="hi"))
    assert (answer["error"], answer["needed"], answer["provided"]) == (
        "missing_scope",
        "chat:write",
        "channels:read,commands",
    )
    assert (await refusal(client.conversations_history(channel=CHANNEL)))["needed"] == "channels:history"
    assert (await refusal(client.usergroups_list()))["needed"] == "usergroups:read"
    assert (await client.conversations_info(channel=CHANNEL))["channel"]["name"] == "outreach"


async def test_an_unknown_method_is_refused(client) -> None:
    assert (await refusal(client.api_call("chat.shout")))["error"] == "unknown_method"


async def test_form_and_json_bodies_mean_the_same(client, workspace, running) -> None:
    await client.api_call("chat.postMessage", json={"channel": CHANNEL, "text": "one", "blocks": []})
    await client.api_call("chat.postMessage", data={"channel": CHANNEL, "text": "two", "blocks": "[]"})
    await client.api_call("chat.postMessage", params={"channel": CHANNEL, "text": "three"})
    async with aiohttp.ClientSession() as session:
        form = {"token": BOT_TOKEN, "channel": CHANNEL, "text": "four"}
        async with session.post(f"{running.api_url}chat.postMessage", data=form) as answer:
            assert (await answer.json())["ok"] is True
    assert [message.text for message in workspace.messages(CHANNEL)] == ["one", "two", "three", "four"]


async def test_calls_are_logged_without_tokens(client, workspace) -> None:
    await client.chat_postMessage(channel=CHANNEL, text="hi")
    call = workspace.calls[-1]
    assert (call.method, call.arguments["text"], call.outcome, call.token) == (
        "chat.postMessage",
        "hi",
        "ok",
        "xoxb-…",
    )
    assert "sandbox" not in str(call)


async def test_metadata_comes_back_from_replies_when_asked_for(client) -> None:
    metadata = {"event_type": "postroom_outbox", "event_payload": {"message_id": "msg_7"}}
    parent = await client.chat_postMessage(channel=CHANNEL, text="parent")
    reply = await client.chat_postMessage(
        channel=CHANNEL, text="reply", thread_ts=parent["ts"], metadata=metadata, blocks=[]
    )
    await client.chat_update(channel=CHANNEL, ts=reply["ts"], text="reply, changed")

    quiet = await client.conversations_replies(channel=CHANNEL, ts=parent["ts"])
    full = await client.conversations_replies(channel=CHANNEL, ts=parent["ts"], include_all_metadata=True)

    assert [message["text"] for message in full["messages"]] == ["parent", "reply, changed"]
    assert full["messages"][0]["reply_count"] == 1
    assert full["messages"][1]["metadata"] == metadata
    assert full["messages"][1]["edited"]["user"] == "U0POSTROOM"
    assert all("metadata" not in message for message in quiet["messages"])


async def test_messages_keep_their_order_even_within_one_moment(client, workspace) -> None:
    posted = [(await client.chat_postMessage(channel=CHANNEL, text=str(number)))["ts"] for number in range(5)]
    assert posted == sorted(set(posted))
    history = await client.conversations_history(channel=CHANNEL)
    assert [message["text"] for message in history["messages"]] == ["4", "3", "2", "1", "0"]


async def test_history_is_paged_and_bounded(client) -> None:
    posted = [(await client.chat_postMessage(channel=CHANNEL, text=str(number)))["ts"] for number in range(5)]
    # The client yields the same object for every page, so each has to be read before the next comes.
    pages = await client.conversations_history(channel=CHANNEL, limit=2)
    texts = [[message["text"] for message in page["messages"]] async for page in pages]
    assert texts == [["4", "3"], ["2", "1"], ["0"]]

    between = await client.conversations_history(channel=CHANNEL, oldest=posted[1], latest=posted[3])
    assert [message["text"] for message in between["messages"]] == ["2"]
    inclusive = await client.conversations_history(channel=CHANNEL, oldest=posted[1], latest=posted[3], inclusive=True)
    assert [message["text"] for message in inclusive["messages"]] == ["3", "2", "1"]
    assert (await refusal(client.conversations_history(channel=CHANNEL, cursor="!!")))["error"] == "invalid_cursor"


async def test_updating_with_text_alone_takes_the_blocks_away(client, workspace) -> None:
    blocks = [{"type": "divider"}]
    posted = await client.chat_postMessage(channel=CHANNEL, text="x", blocks=blocks)
    await client.chat_update(channel=CHANNEL, ts=posted["ts"], blocks=blocks, text="y")
    assert workspace.message(CHANNEL, posted["ts"]).blocks
    await client.chat_update(channel=CHANNEL, ts=posted["ts"], text="z")
    assert workspace.message(CHANNEL, posted["ts"]).blocks == ()


async def test_a_message_to_a_person_opens_their_direct_message(client, ana) -> None:
    posted = await client.chat_postMessage(channel="U0ANA", text="psst")
    assert posted["channel"].startswith("D")
    assert (await client.conversations_open(users="U0ANA"))["channel"]["id"] == posted["channel"]
    assert [message.text for message in ana.messages("dm")] == ["psst"]


async def test_what_cannot_be_done_is_refused_in_slacks_words(client, workspace, ana) -> None:
    workspace.add_channel(Channel("C0ELSE", "elsewhere", ("U0ANA",)))
    workspace.add_channel(Channel("C0SECRET", "secret", ("U0ANA",), is_private=True))
    workspace.add_channel(Channel("C0OLD", "old", ("U0POSTROOM",), is_archived=True))
    by_ana = workspace.post(CHANNEL, "U0ANA", "mine")
    parent = await client.chat_postMessage(channel=CHANNEL, text="parent")
    reply = await client.chat_postMessage(channel=CHANNEL, text="reply", thread_ts=parent["ts"])

    async def post(**fields: Any) -> str:
        return (await refusal(client.chat_postMessage(**{"channel": CHANNEL, "text": "x", **fields})))["error"]

    async def update(**fields: Any) -> str:
        return (await refusal(client.chat_update(**{"channel": CHANNEL, "text": "x", **fields})))["error"]

    assert await post(channel="C0NOWHERE") == "channel_not_found"
    assert await post(channel="C0ELSE") == "not_in_channel"
    assert await post(channel="C0SECRET") == "channel_not_found"
    assert await post(channel="C0OLD") == "is_archived"
    assert await post(text="") == "no_text"
    assert await post(text="x" * 40_001) == "msg_too_long"
    assert await post(blocks="{") == "invalid_blocks_format"
    assert await post(metadata={"event_type": "x"}) == "invalid_metadata_format"
    assert await post(thread_ts="1.000001") == "cannot_reply_to_message"
    assert await post(thread_ts=reply["ts"]) == "cannot_reply_to_message"
    assert await update(ts="1.000001") == "message_not_found"
    assert await update(ts=by_ana.ts) == "cant_update_message"
    assert (await refusal(client.chat_delete(channel=CHANNEL, ts=by_ana.ts)))["error"] == "cant_delete_message"
    assert (await refusal(client.users_info(user="U0NOBODY")))["error"] == "user_not_found"
    assert (await refusal(client.usergroups_users_list(usergroup="S0NONE")))["error"] == "no_such_subteam"
    assert (await refusal(client.conversations_replies(channel=CHANNEL, ts="1.1")))["error"] == "thread_not_found"
    answer = await refusal(client.chat_postEphemeral(channel=CHANNEL, user="U0NOBODY", text="x"))
    assert answer["error"] == "user_not_in_channel"


async def test_an_ephemeral_message_can_neither_be_read_nor_changed(client, workspace) -> None:
    posted = await client.chat_postEphemeral(channel=CHANNEL, user="U0ANA", text="only you")
    assert (await client.conversations_history(channel=CHANNEL))["messages"] == []
    update = client.chat_update(channel=CHANNEL, ts=posted["message_ts"], text="y")
    assert (await refusal(update))["error"] == "message_not_found"


async def test_people_and_places_are_listed(client, workspace) -> None:
    workspace.deactivate("finn")
    workspace.add_user(User("U0GUEST", "gil", "Gil Novak", team_id="T0OTHER"), "#outreach")
    people = {user["name"]: user for user in (await client.users_list())["members"]}
    assert people["finn"]["deleted"] is True
    assert people["gil"]["is_stranger"] is True
    assert "email" not in people["ana"]["profile"]
    assert (await client.usergroups_users_list(usergroup="S0FINANCE"))["users"] == ["U0OMAR"]
    assert [group["handle"] for group in (await client.usergroups_list())["usergroups"]] == ["finance", "growth"]
    assert "U0GUEST" in (await client.conversations_members(channel=CHANNEL))["members"]
    names = [channel["name"] for channel in (await client.conversations_list())["channels"]]
    assert names == ["outreach", "approvals", "general"]
    posted = await client.chat_postMessage(channel=CHANNEL, text="x")
    link = (await client.chat_getPermalink(channel=CHANNEL, message_ts=posted["ts"]))["permalink"]
    assert link == f"https://acme.slack.test/archives/{CHANNEL}/p{posted['ts'].replace('.', '')}"


async def test_a_trigger_opens_one_view_within_three_seconds(client, workspace, clock, view) -> None:
    modal = view("Buy", [])

    async def open_with(trigger_id: str) -> str:
        return (await refusal(client.views_open(trigger_id=trigger_id, view=modal)))["error"]

    trigger_id = workspace.trigger_for("U0ANA")
    assert (await client.views_open(trigger_id=trigger_id, view=modal))["view"]["title"]["text"] == "Buy"
    assert await open_with(trigger_id) == "exchanged_trigger_id"
    late = workspace.trigger_for("U0ANA")
    clock.passes(seconds=3.1)
    assert await open_with(late) == "expired_trigger_id"
    assert await open_with("1.2.3") == "invalid_arguments"


async def test_views_are_pushed_updated_and_guarded_by_their_hash(client, workspace, view) -> None:
    def trigger() -> str:
        return workspace.trigger_for("U0ANA")

    first = (await client.views_open(trigger_id=trigger(), view=view("One", [], external_id="order-1")))["view"]
    await client.views_push(trigger_id=trigger(), view=view("Two", []))
    await client.views_push(trigger_id=trigger(), view=view("Three", []))
    pushed = client.views_push(trigger_id=trigger(), view=view("Four", []))
    assert (await refusal(pushed))["error"] == "push_limit_reached"

    updated = await client.views_update(external_id="order-1", hash=first["hash"], view=view("Uno", []))
    assert updated["view"]["id"] == first["id"]
    stale = client.views_update(view_id=first["id"], hash=first["hash"], view=view("Eins", []))
    assert (await refusal(stale))["error"] == "hash_conflict"
    gone = client.views_update(view_id="V0GONE", view=view("Eins", []))
    assert (await refusal(gone))["error"] == "not_found"
    home = {"type": "home", "blocks": []}
    again = client.views_publish(user_id="U0ANA", hash="1.old", view=home)
    assert (await refusal(again))["error"] == "hash_conflict"
    wrong = client.views_publish(user_id="U0ANA", view=view("Modal", []))
    assert (await refusal(wrong))["error"] == "invalid_arguments"


async def test_a_response_url_works_five_times_within_half_an_hour(running, workspace, clock, ana) -> None:
    webhook = AsyncWebhookClient(workspace.response_url_for(CHANNEL, "U0ANA"), retry_handlers=[])
    answers = [await webhook.send(text=str(number)) for number in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [404]
    assert "used_url" in answers[-1].body
    assert [message.text for message in ana.ephemerals("#outreach")] == ["0", "1", "2", "3", "4"]

    late = AsyncWebhookClient(workspace.response_url_for(CHANNEL, "U0ANA"), retry_handlers=[])
    clock.passes(minutes=31)
    answer = await late.send(text="late")
    assert answer.status_code == 404
    assert "expired_url" in answer.body


async def test_faults_happen_as_often_as_planned(client, workspace) -> None:
    workspace.faults.add("chat.postMessage", Fault.rate_limited(7))
    workspace.faults.add("chat.postMessage", Fault.server_error())
    workspace.faults.add("chat.postMessage", Fault.error("fatal_error"))

    limited = await refusal(client.chat_postMessage(channel=CHANNEL, text="x"))
    assert (limited.status_code, limited["error"], limited.headers["Retry-After"]) == (429, "ratelimited", "7")
    assert (await refusal(client.chat_postMessage(channel=CHANNEL, text="x"))).status_code == 500
    assert (await refusal(client.chat_postMessage(channel=CHANNEL, text="x")))["error"] == "fatal_error"
    assert workspace.messages(CHANNEL) == []
    await client.chat_postMessage(channel=CHANNEL, text="x")
    assert [call.outcome for call in workspace.calls] == ["ratelimited", "server_error", "fatal_error", "ok"]


async def test_a_connection_is_cut_before_or_after_the_work(client, workspace) -> None:
    workspace.faults.add("chat.postMessage", Fault.cut_before())
    workspace.faults.add("chat.postMessage", Fault.cut_after())

    with pytest.raises(aiohttp.ClientConnectionError):
        await client.chat_postMessage(channel=CHANNEL, text="never")
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.chat_postMessage(channel=CHANNEL, text="posted all the same")
    assert [message.text for message in workspace.messages(CHANNEL)] == ["posted all the same"]


async def test_the_default_retry_of_the_client_posts_twice_when_an_answer_is_lost(running, workspace) -> None:
    careless = AsyncWebClient(BOT_TOKEN, base_url=running.api_url)
    [by_default] = careless.retry_handlers
    assert isinstance(by_default, AsyncConnectionErrorRetryHandler)
    by_default.interval_calculator = FixedValueRetryIntervalCalculator(fixed_internal=0)
    workspace.faults.add("chat.postMessage", Fault.cut_after())
    await careless.chat_postMessage(channel=CHANNEL, text="hello")
    assert [message.text for message in workspace.messages(CHANNEL)] == ["hello", "hello"]


async def test_a_slow_answer_still_does_its_work(running, workspace) -> None:
    workspace.faults.add("*", Fault.slow(0.05))
    hasty = AsyncWebClient(BOT_TOKEN, base_url=running.api_url, retry_handlers=[])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(hasty.chat_postMessage(channel=CHANNEL, text="late"), 0.02)
    await workspace.person("ana").sees("late", in_="#outreach")


async def test_a_workspace_of_another_app_is_a_matter_of_its_settings() -> None:
    workspace = default_workspace(app=App(bot_token="xoxb-sandbox-2", scopes=frozenset({"chat:write"})))
    assert workspace.app.scopes == {"chat:write"}
    assert [channel.name for channel in default_seed().channels] == ["outreach", "approvals", "general"]
