"""The methods of the Web API: what each needs and does. Chat and views here, people and places in `directory`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from bot.sandbox import directory, socket, uploads
from bot.sandbox.asked import Answer, Asked
from bot.sandbox.blocks import completed_view, view_problems
from bot.sandbox.content import message_content, structure
from bot.sandbox.model import BOT_ID, BOT_USER_ID, Channel, Message, SlackError, View

PERMALINK = "{url}archives/{channel}/p{ts}"


@dataclass(frozen=True, slots=True)
class Method:
    """One method: its work, the scopes without which it is refused, the kind of token it takes."""

    run: Callable[[Asked], Answer]
    scopes: tuple[str, ...] = ()
    token: Literal["bot", "app"] = "bot"  # noqa: S105 - the kind of token


def auth_test(asked: Asked) -> Answer:
    """auth.test: who the token belongs to."""
    workspace = asked.workspace
    return {
        "url": workspace.team_url,
        "team": workspace.team_name,
        "user": workspace.users[BOT_USER_ID].name,
        "team_id": workspace.team_id,
        "user_id": BOT_USER_ID,
        "bot_id": BOT_ID,
        "is_enterprise_install": False,
    }


def connections_open(asked: Asked) -> Answer:
    """apps.connections.open: a url for one Socket Mode handshake."""
    return {"url": socket.url(asked.workspace)}


def post_message(asked: Asked) -> Answer:
    """chat.postMessage: to a channel the bot is in, or to a person (U…), whose direct message is opened."""
    channel = _writable(asked, asked.conversation(open_dm=True))
    fields = message_content(asked.workspace, asked.arguments)
    thread_ts = _thread(asked, channel)
    broadcast = bool(thread_ts) and asked.flag("reply_broadcast")
    message = asked.workspace.post(
        channel.id,
        BOT_USER_ID,
        by_app=True,
        thread_ts=thread_ts,
        broadcast=broadcast,
        **{"text": "", **fields},
    )
    return {"channel": channel.id, "ts": message.ts, "message": message.to_slack(with_metadata=True)}


def update_message(asked: Asked) -> Answer:
    """chat.update: of the app's own messages. Text alone takes the blocks away; metadata stays unless given."""
    message = _own_message(asked, "cant_update_message")
    if asked.conversation().is_archived:
        raise SlackError("is_inactive")
    fields = message_content(asked.workspace, asked.arguments, needed=False)
    if not fields:
        raise SlackError("no_text")
    if "text" in fields and "blocks" not in fields:
        fields["blocks"] = ()
    edited = None if fields.get("blocks") else asked.workspace.fresh_ts()
    changed = asked.workspace.update(message, edited_ts=edited or message.edited_ts, **fields)
    shape = changed.to_slack(with_metadata=True)
    return {"channel": changed.channel, "ts": changed.ts, "text": changed.text, "message": shape}


def delete_message(asked: Asked) -> Answer:
    """chat.delete: of the app's own messages."""
    message = _own_message(asked, "cant_delete_message")
    asked.workspace.delete(message)
    return {"channel": message.channel, "ts": message.ts}


def post_ephemeral(asked: Asked) -> Answer:
    """chat.postEphemeral: for one person in the channel. It can neither be read back nor updated by ts."""
    channel = _writable(asked, asked.conversation())
    user = asked.required("user")
    if user not in channel.members:
        raise SlackError("user_not_in_channel")
    fields = message_content(asked.workspace, asked.arguments)
    thread_ts = _thread(asked, channel)
    message = asked.workspace.post(
        channel.id,
        BOT_USER_ID,
        by_app=True,
        ephemeral_to=user,
        thread_ts=thread_ts,
        **{"text": "", **fields},
    )
    return {"message_ts": message.ts}


def permalink(asked: Asked) -> Answer:
    """chat.getPermalink."""
    channel = asked.conversation()
    message = asked.workspace.message(channel.id, asked.required("message_ts"))
    if message is None or message.is_ephemeral:
        raise SlackError("message_not_found")
    url = PERMALINK.format(url=asked.workspace.team_url, channel=channel.id, ts=message.ts.replace(".", ""))
    if message.is_reply:
        url += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": url}


def open_view(asked: Asked) -> Answer:
    """views.open: a modal for whoever the trigger_id came from. A refused view leaves the trigger unspent."""
    return _shown_for_trigger(asked, asked.workspace.views.open)


def push_view(asked: Asked) -> Answer:
    """views.push: one more modal on the stack, three at most."""
    return _shown_for_trigger(asked, asked.workspace.views.push)


def update_view(asked: Asked) -> Answer:
    """views.update: by view_id or external_id, and with `hash` only if nothing has changed since."""
    view = _found_view(asked)
    content = _view(asked, "modal")
    changed = asked.workspace.views.update(view, content, expected_hash=asked.text("hash"))
    return {"view": changed.to_slack()}


def publish_view(asked: Asked) -> Answer:
    """views.publish: the home tab of one person."""
    user = asked.known_user("user_id")
    content = _view(asked, "home")
    view = asked.workspace.views.publish(user.id, content, expected_hash=asked.text("hash"))
    return {"view": view.to_slack()}


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "auth.test": Method(auth_test),
        "apps.connections.open": Method(connections_open, token="app"),  # noqa: S106 - the kind of token
        "chat.postMessage": Method(post_message, ("chat:write",)),
        "chat.update": Method(update_message, ("chat:write",)),
        "chat.delete": Method(delete_message, ("chat:write",)),
        "chat.postEphemeral": Method(post_ephemeral, ("chat:write",)),
        "chat.getPermalink": Method(permalink),
        "views.open": Method(open_view),
        "views.push": Method(push_view),
        "views.update": Method(update_view),
        "views.publish": Method(publish_view),
        "files.info": Method(directory.file_info, ("files:read",)),
        "files.getUploadURLExternal": Method(uploads.announce, ("files:write",)),
        "files.completeUploadExternal": Method(uploads.complete, ("files:write",)),
        "conversations.history": Method(directory.history),
        "conversations.replies": Method(directory.replies),
        "conversations.info": Method(directory.conversation_info),
        "conversations.members": Method(directory.members),
        "conversations.open": Method(directory.open_conversation, ("im:write",)),
        "conversations.list": Method(directory.conversations),
        "users.info": Method(directory.user_info, ("users:read",)),
        "users.list": Method(directory.users, ("users:read",)),
        "usergroups.list": Method(directory.groups, ("usergroups:read",)),
        "usergroups.users.list": Method(directory.group_users, ("usergroups:read",)),
    }
)


def _writable(asked: Asked, channel: Channel) -> Channel:
    if channel.is_archived:
        raise SlackError("is_archived")
    public_allowed = "chat:write.public" in asked.workspace.app.scopes and not channel.is_private
    if BOT_USER_ID not in channel.members and not public_allowed:
        # A private channel that the app is not in does not exist for it.
        raise SlackError("channel_not_found" if channel.is_private else "not_in_channel")
    return channel


def _thread(asked: Asked, channel: Channel) -> str | None:
    thread_ts = asked.text("thread_ts")
    if not thread_ts:
        return None
    parent = asked.workspace.message(channel.id, thread_ts)
    if parent is None or parent.is_reply or parent.is_ephemeral:
        raise SlackError("cannot_reply_to_message")
    return thread_ts


def _own_message(asked: Asked, refusal: str) -> Message:
    channel = asked.conversation()
    message = asked.workspace.message(channel.id, asked.required("ts"))
    if message is None or message.is_ephemeral:
        raise SlackError("message_not_found")
    if not message.by_app:
        raise SlackError(refusal)
    return message


def _view(asked: Asked, expected: Literal["modal", "home"]) -> dict[str, Any]:
    content = structure(asked.arguments.get("view"), "invalid_arguments")
    problems = view_problems(content, expected=expected, accepts_new_blocks=asked.workspace.accepts_new_blocks)
    if problems.too_long:
        raise SlackError("view_too_large")
    if problems:
        raise SlackError("invalid_arguments", problems.messages)
    return completed_view(content)


def _shown_for_trigger(asked: Asked, show: Callable[[str, dict[str, Any]], View]) -> Answer:
    trigger_id = asked.required("trigger_id")
    content = _view(asked, "modal")
    user = asked.workspace.tickets.check_trigger(trigger_id)
    view = show(user, content)
    asked.workspace.tickets.spend_trigger(trigger_id)
    return {"view": view.to_slack()}


def _found_view(asked: Asked) -> View:
    views = asked.workspace.views
    if view_id := asked.text("view_id"):
        view = views.find(view_id)
    else:
        view = views.find_external(asked.required("external_id"))
    if view is None or view.type != "modal":
        raise SlackError("not_found")
    return view
