"""Handing a file to people: announced, sent, shared, fetched; as slack_sdk does it."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError

from bot.sandbox.faults import Fault

CONTENT = b"email,result\nana@acme.com,deliverable\n"


async def refusal(call: Any) -> str:
    with pytest.raises(SlackApiError) as refused:
        await call
    return str(refused.value.response["error"])


async def test_a_file_reaches_a_persons_direct_messages(client, workspace) -> None:
    dm = (await client.conversations_open(users="U0ANA"))["channel"]["id"]

    done = await client.files_upload_v2(channel=dm, filename="result.csv", content=CONTENT, initial_comment="Here.")

    [upload] = workspace.uploads.values()
    assert (done["file"]["id"], done["file"]["title"], upload.content) == (upload.id, "result.csv", CONTENT)
    [message] = workspace.person("ana").messages("dm")
    assert message.text == f"Here.\n:page_facing_up: <{workspace.base_url}/files/{upload.id}|result.csv>"
    async with aiohttp.ClientSession() as anybody, anybody.get(f"{workspace.base_url}/files/{upload.id}") as fetched:
        assert await fetched.read() == CONTENT


async def test_without_the_scope_nothing_is_announced(client, workspace) -> None:
    workspace.app.scopes -= {"files:write"}

    assert await refusal(client.files_upload_v2(channel="D0ANA", filename="x", content=b"x")) == "missing_scope"
    assert not workspace.uploads


async def test_what_is_not_of_the_announced_length_is_not_taken(client, workspace) -> None:
    announced = await client.files_getUploadURLExternal(filename="x.csv", length=5)
    async with aiohttp.ClientSession() as anybody, anybody.post(announced["upload_url"], data=b"four") as sent:
        assert sent.status == 400

    files = [{"id": announced["file_id"]}]
    assert await refusal(client.files_completeUploadExternal(files=files, channel_id="C0OUTREACH")) == "file_not_found"
    async with aiohttp.ClientSession() as anybody, anybody.get(f"{workspace.base_url}/files/nobody") as fetched:
        assert fetched.status == 404


@pytest.mark.parametrize(("channel", "error"), [("C0NOWHERE", "channel_not_found"), ("C0PRIVATE", "not_in_channel")])
async def test_it_is_shared_only_where_the_bot_is(client, workspace, channel, error) -> None:
    workspace.remove("#outreach", "postroom")
    channel = "C0OUTREACH" if channel == "C0PRIVATE" else channel

    assert await refusal(client.files_upload_v2(channel=channel, filename="x.csv", content=b"x")) == error
    assert not workspace.messages("C0OUTREACH")


@pytest.mark.parametrize("given", [{"length": "0"}, {"length": "much"}, {"filename": ""}, {"length": str(2**40)}])
async def test_what_is_asked_wrongly(client, given) -> None:
    asked = {"filename": "x.csv", "length": "5", **given}
    assert await refusal(client.api_call("files.getUploadURLExternal", params=asked)) == "invalid_arguments"


@pytest.mark.parametrize("files", ["", "[]", "{}", "[1]", "nonsense"])
async def test_completing_nothing(client, files) -> None:
    assert await refusal(client.api_call("files.completeUploadExternal", params={"files": files})) in (
        "invalid_arguments"
    )


async def test_it_can_go_wrong_at_each_step(client, workspace) -> None:
    for method in ("files.getUploadURLExternal", "files.completeUploadExternal"):
        workspace.faults.add(method, Fault.error("internal_error"))
        assert await refusal(client.files_upload_v2(channel="D0ANA", filename="x", content=b"x")) == "internal_error"
