"""Methods of the Web API that read: conversations and their messages, users, user groups."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from bot.sandbox.asked import Answer, Asked
from bot.sandbox.model import BOT_USER_ID, SLACKBOT_ID, Channel, Message, SlackError, User, UserGroup

Entry = TypeVar("Entry")
_TYPES = {"public_channel": "channels", "private_channel": "groups", "im": "im", "mpim": "mpim"}


def history(asked: Asked) -> Answer:
    """conversations.history: newest first, without replies unless they were broadcast."""
    channel = asked.readable("history")
    found = [one for one in asked.workspace.messages(channel.id) if not one.is_reply or one.broadcast]
    newest_first = sorted(_between(asked, found), key=lambda message: message.ts, reverse=True)
    page, more = _page(asked, newest_first)
    return {
        "messages": [_shape(asked, one) for one in page],
        "has_more": bool(more),
        "pin_count": 0,
        "response_metadata": {"next_cursor": more},
    }


def replies(asked: Asked) -> Answer:
    """conversations.replies: the parent and its replies, oldest first; also by the ts of a single reply."""
    channel = asked.readable("history")
    ts = asked.required("ts")
    asked_for = asked.workspace.message(channel.id, ts)
    if asked_for is None or asked_for.is_ephemeral:
        raise SlackError("thread_not_found")
    thread = asked.workspace.thread(channel.id, ts)
    found = thread[:1] + _between(asked, thread[1:])
    page, more = _page(asked, found)
    return {
        "messages": [_shape(asked, one) for one in page],
        "has_more": bool(more),
        "response_metadata": {"next_cursor": more},
    }


def conversation_info(asked: Asked) -> Answer:
    """conversations.info."""
    return {"channel": _conversation(asked.readable("read"))}


def members(asked: Asked) -> Answer:
    """conversations.members: user ids."""
    page, more = _page(asked, asked.readable("read").members)
    return {"members": list(page), "response_metadata": {"next_cursor": more}}


def open_conversation(asked: Asked) -> Answer:
    """conversations.open: the direct message with one person. Several people at once are not supported here."""
    if channel := asked.text("channel"):
        found = asked.workspace.channels.get(channel)
        if found is None or not found.is_im:
            raise SlackError("channel_not_found")
        return {"channel": {"id": found.id}, "no_op": True, "already_open": True}
    names = [name for name in asked.required("users").split(",") if name]
    if len(names) != 1:
        raise SlackError("method_not_supported_for_channel_type")
    user = asked.workspace.users.get(names[0])
    if user is None:
        raise SlackError("user_not_found")
    if user.deleted:
        raise SlackError("user_disabled")
    if user.is_bot:
        raise SlackError("cannot_dm_bot")
    return {"channel": {"id": asked.workspace.dm(user.id).id}}


def conversations(asked: Asked) -> Answer:
    """conversations.list: public channels unless `types` asks for more; private ones only where the bot is in."""
    wanted = (asked.text("types") or "public_channel").split(",")
    for kind in wanted:
        if kind not in _TYPES:
            raise SlackError("invalid_types")
        asked.need(f"{_TYPES[kind]}:read")
    found = [
        channel
        for channel in asked.workspace.channels.values()
        if _kind(channel) in wanted
        and (not channel.is_private or BOT_USER_ID in channel.members)
        and not (channel.is_archived and asked.flag("exclude_archived"))
    ]
    page, more = _page(asked, found)
    return {"channels": [_conversation(one) for one in page], "response_metadata": {"next_cursor": more}}


def file_info(asked: Asked) -> Answer:
    """files.info, of what somebody attached to a form."""
    attachment = asked.workspace.attachments.get(asked.required("file"))
    if attachment is None:
        raise SlackError("file_not_found")
    return {"file": attachment.to_slack(asked.workspace.base_url), "comments": []}


def user_info(asked: Asked) -> Answer:
    """users.info. The e-mail address needs users:read.email."""
    return {"user": _user(asked, asked.known_user())}


def users(asked: Asked) -> Answer:
    """users.list, deactivated ones included."""
    page, more = _page(asked, list(asked.workspace.users.values()))
    return {"members": [_user(asked, one) for one in page], "response_metadata": {"next_cursor": more}}


def groups(asked: Asked) -> Answer:
    """usergroups.list, without the disabled ones unless `include_disabled`."""
    with_users, with_disabled = asked.flag("include_users"), asked.flag("include_disabled")
    found = [one for one in asked.workspace.groups.values() if with_disabled or not one.date_delete]
    return {"usergroups": [_group(one, with_users=with_users) for one in found]}


def group_users(asked: Asked) -> Answer:
    """usergroups.users.list: user ids; a disabled group is not found unless `include_disabled`."""
    group = asked.workspace.groups.get(asked.required("usergroup"))
    if group is None or (group.date_delete and not asked.flag("include_disabled")):
        raise SlackError("no_such_subteam")
    return {"users": list(group.members)}


def _page(asked: Asked, entries: Sequence[Entry]) -> tuple[Sequence[Entry], str]:
    """The entries of one page, and the cursor of the next, empty when there is none."""
    start = _position(asked.text("cursor"))
    end = start + asked.limit()
    return entries[start:end], _cursor(end) if end < len(entries) else ""


def _cursor(position: int) -> str:
    return base64.b64encode(f"next:{position}".encode()).decode()


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        word, _, position = base64.b64decode(cursor, validate=True).decode().partition(":")
        if word != "next":
            raise ValueError(cursor)
        return int(position)
    except (ValueError, binascii.Error):
        raise SlackError("invalid_cursor") from None


def _between(asked: Asked, messages: Sequence[Message]) -> list[Message]:
    """Those between `oldest` and `latest`, both left out unless `inclusive`."""
    oldest, latest = _time(asked, "oldest"), _time(asked, "latest")
    inclusive = asked.flag("inclusive")

    def inside(ts: Decimal) -> bool:
        if inclusive and ts in {oldest, latest}:
            return True
        return (oldest is None or ts > oldest) and (latest is None or ts < latest)

    return [message for message in messages if inside(Decimal(message.ts))]


def _time(asked: Asked, name: str) -> Decimal | None:
    value = asked.text(name)
    try:
        return None if value is None else Decimal(value)
    except InvalidOperation:
        raise SlackError(f"invalid_ts_{name}") from None


def _shape(asked: Asked, message: Message) -> Answer:
    shape = message.to_slack(with_metadata=asked.flag("include_all_metadata"))
    answers = asked.workspace.thread(message.channel, message.ts)[1:] if not message.is_reply else []
    if answers:
        shape |= {
            "thread_ts": message.ts,
            "reply_count": len(answers),
            "reply_users": list(dict.fromkeys(one.user for one in answers)),
            "latest_reply": answers[-1].ts,
        }
    elif message.is_reply:
        parent = asked.workspace.message(message.channel, message.thread_ts or "")
        shape["parent_user_id"] = parent.user if parent else None
    return shape


def _kind(channel: Channel) -> str:
    return "im" if channel.is_im else "private_channel" if channel.is_private else "public_channel"


def _conversation(channel: Channel) -> Answer:
    shape: Answer = {
        "id": channel.id,
        "is_channel": not channel.is_im and not channel.is_private,
        "is_group": channel.is_private,
        "is_im": channel.is_im,
        "is_mpim": False,
        "is_private": channel.is_private or channel.is_im,
        "is_archived": channel.is_archived,
        "is_member": BOT_USER_ID in channel.members,
        "is_shared": False,
        "is_ext_shared": False,
        "num_members": len(channel.members),
    }
    if channel.is_im:
        return shape | {"user": channel.dm_with}
    return shape | {"name": channel.name, "name_normalized": channel.name}


def _user(asked: Asked, user: User) -> Answer:
    profile: Answer = {"real_name": user.real_name, "display_name": user.name}
    if user.email and "users:read.email" in asked.workspace.app.scopes:
        profile["email"] = user.email
    return {
        "id": user.id,
        "team_id": user.team_id,
        "name": user.name,
        "real_name": user.real_name,
        "deleted": user.deleted,
        "is_bot": user.is_bot and user.id != SLACKBOT_ID,  # Slack does not call its own one a bot
        "is_app_user": False,
        "is_restricted": user.is_restricted,
        "is_ultra_restricted": user.is_ultra_restricted,
        "is_stranger": user.team_id != asked.workspace.team_id,
        "tz": user.tz,
        "profile": profile,
    }


def _group(group: UserGroup, *, with_users: bool) -> Answer:
    shape: Answer = {
        "id": group.id,
        "handle": group.handle,
        "name": group.name,
        "is_usergroup": True,
        "user_count": len(group.members),
        "date_delete": group.date_delete,
    }
    return shape | ({"users": list(group.members)} if with_users else {})
