"""Answers through a response_url, which needs no token and works a few times for a while."""

from __future__ import annotations

from typing import Any

from bot.sandbox.content import message_content
from bot.sandbox.model import BOT_USER_ID, Message, SlackError
from bot.sandbox.tickets import ResponseUrl
from bot.sandbox.workspace import Workspace


def respond(workspace: Workspace, ticket: str, arguments: dict[str, Any]) -> None:
    """Does what the app asks through one use of a response_url.

    Ephemeral unless response_type is in_channel; replace_original and delete_original act on the message that was
    clicked on, even if nobody could update it otherwise. Raises SlackError: `expired_url`, `used_url`,
    `message_not_found`, or what is wrong with the content.
    """
    target = workspace.tickets.use_response_url(ticket)
    if _true(arguments.get("delete_original")):
        workspace.delete(_original(workspace, target))
        return
    fields = message_content(workspace, arguments)
    if _true(arguments.get("replace_original")) and target.message is not None:
        workspace.update(_original(workspace, target), **{"blocks": (), "attachments": (), **fields})
        return
    public = arguments.get("response_type") == "in_channel"
    thread_ts = arguments.get("thread_ts") or None
    workspace.post(
        target.channel,
        BOT_USER_ID,
        by_app=True,
        thread_ts=thread_ts,
        ephemeral_to=None if public else target.user,
        **{"text": "", **fields},
    )


def _original(workspace: Workspace, target: ResponseUrl) -> Message:
    original = target.message and workspace.message(target.channel, target.message.ts)
    if original is None:
        raise SlackError("message_not_found")
    return original


def _true(value: Any) -> bool:
    return value in (True, "true", "1")
