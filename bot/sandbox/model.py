"""What a workspace is made of: its people, places, messages and views, as plain values.

Messages and views are snapshots: a change replaces them. Whoever still holds an older one holds exactly what they saw.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

from bot.sandbox.forms import Typed, values_of

BOT_TOKEN = "xoxb-sandbox"  # noqa: S105 - a sandbox value, opens nothing
APP_TOKEN = "xapp-sandbox"  # noqa: S105 - a sandbox value, opens nothing
SIGNING_SECRET = "sandbox-signing-secret"  # noqa: S105 - a sandbox value, opens nothing

TEAM_ID = "T0ACME"
TEAM_NAME = "Acme"
TEAM_URL = "https://acme.slack.test/"
OTHER_TEAM_ID = "T0BETA"
"""Another company's workspace, whose people may share a channel with ours."""
APP_ID = "A0POSTROOM"
BOT_ID = "B0POSTROOM"
BOT_USER_ID = "U0POSTROOM"
SLACKBOT_ID = "USLACKBOT"
VERIFICATION_TOKEN = "sandbox-verification-token"  # noqa: S105 - a sandbox value, opens nothing

DEFAULT_SCOPES = frozenset(
    {
        "app_mentions:read",
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "files:read",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "im:write",
        "usergroups:read",
        "users:read",
    }
)
DEFAULT_EVENTS = frozenset({"app_home_opened", "app_uninstalled", "tokens_revoked"})

ChangeKind = Literal[
    "message_posted",
    "message_updated",
    "message_deleted",
    "ephemeral_posted",
    "ephemeral_updated",
    "ephemeral_deleted",
    "view_opened",
    "view_updated",
    "view_closed",
    "home_published",
    "notice",
    "people_changed",
    "bot_connected",
    "bot_disconnected",
]
Standing = Literal["member", "guest", "single_channel_guest", "stranger", "deactivated"]
"""What somebody is to the workspace. A stranger belongs to another one; a deactivated account does nothing any more."""
Clock = Callable[[], datetime]
"""Answers the present moment as an aware UTC datetime."""


def utc_now() -> datetime:
    """The clock used unless another is passed in."""
    return datetime.now(UTC)


class SlackError(Exception):
    """Slack refuses. `code` is Slack's own word for it, `messages` the details it adds under response_metadata."""

    def __init__(self, code: str, messages: tuple[str, ...] = (), **extra: Any) -> None:
        super().__init__(code + "".join(f"\n  {message}" for message in messages))
        self.code = code
        self.messages = messages
        self.extra = extra


@dataclass(frozen=True, slots=True)
class User:
    """A member of the workspace, or somebody of another one who shares a channel when `team_id` differs.

    is_restricted: a guest of this workspace; with `is_ultra_restricted` one for a single channel.
    """

    id: str
    name: str
    real_name: str
    team_id: str = TEAM_ID
    is_bot: bool = False
    deleted: bool = False
    email: str | None = None
    tz: str = "Europe/Berlin"
    is_restricted: bool = False
    is_ultra_restricted: bool = False

    @property
    def standing(self) -> Standing:
        """What they are to the workspace now."""
        if self.deleted:
            return "deactivated"
        if self.team_id != TEAM_ID:
            return "stranger"
        if self.is_restricted:
            return "single_channel_guest" if self.is_ultra_restricted else "guest"
        return "member"


@dataclass(frozen=True, slots=True)
class UserGroup:
    """A user group such as @finance. Ids start with S. date_delete: epoch seconds at which it was disabled, or 0."""

    id: str
    handle: str
    name: str
    members: tuple[str, ...] = ()
    date_delete: int = 0


@dataclass(frozen=True, slots=True)
class Shortcut:
    """What the app offers in the menus of Slack itself: from anywhere, or in the menu of a message."""

    kind: Literal["global", "message"]
    callback_id: str
    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """A place for messages: a channel (C…), a private one, or a direct message with the app (D…, `dm_with` set)."""

    id: str
    name: str
    members: tuple[str, ...] = ()
    is_private: bool = False
    is_archived: bool = False
    dm_with: str | None = None

    @property
    def is_im(self) -> bool:
        """Whether this is a direct message between one person and the app."""
        return self.dm_with is not None


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it looked at one moment. `ts` is its id within `channel` and orders it."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: tuple[dict[str, Any], ...] = ()
    attachments: tuple[dict[str, Any], ...] = ()
    thread_ts: str | None = None
    metadata: dict[str, Any] | None = None
    edited_ts: str | None = None
    ephemeral_to: str | None = None
    broadcast: bool = False
    by_app: bool = False
    typed: Typed = field(default_factory=dict)

    @property
    def is_ephemeral(self) -> bool:
        """Whether only one person can see it."""
        return self.ephemeral_to is not None

    @property
    def is_reply(self) -> bool:
        """Whether it stands in a thread below another message."""
        return self.thread_ts is not None and self.thread_ts != self.ts

    def reads(self, words: str) -> bool:
        """Whether the words can be read anywhere in the message: its text or its blocks."""
        return words in self.text or any(words in text for text in texts_in([*self.blocks, *self.attachments]))

    def to_slack(self, *, with_metadata: bool = False) -> dict[str, Any]:
        """The message as conversations.history shows it."""
        shape: dict[str, Any] = {"type": "message", "user": self.user, "text": self.text, "ts": self.ts}
        if self.by_app:
            shape |= {"bot_id": BOT_ID, "app_id": APP_ID, "team": TEAM_ID}
        if self.blocks:
            shape["blocks"] = list(self.blocks)
        if self.attachments:
            shape["attachments"] = list(self.attachments)
        if self.thread_ts:
            shape["thread_ts"] = self.thread_ts
        if self.broadcast:
            shape["subtype"] = "thread_broadcast"
        if self.edited_ts:
            shape["edited"] = {"user": self.user, "ts": self.edited_ts}
        if self.metadata and with_metadata:
            shape["metadata"] = self.metadata
        return shape


@dataclass(frozen=True, slots=True)
class View:
    """A modal or a home tab as it looked at one moment, with what the person has typed into it so far."""

    id: str
    user: str
    content: dict[str, Any]
    hash: str
    root_view_id: str
    previous_view_id: str | None = None
    typed: Typed = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    trouble: str | None = None

    @property
    def type(self) -> str:
        """`modal` or `home`."""
        return str(self.content["type"])

    @property
    def title(self) -> str:
        """The words in the title bar; empty for a home tab."""
        return str(self.content.get("title", {}).get("text", ""))

    @property
    def callback_id(self) -> str:
        """What the app named it."""
        return str(self.content.get("callback_id", ""))

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """Its blocks, every one with a block_id."""
        return list(self.content["blocks"])

    def reads(self, words: str) -> bool:
        """Whether the words can be read anywhere in the view."""
        return words in self.title or any(words in text for text in texts_in(self.content["blocks"]))

    def to_slack(self) -> dict[str, Any]:
        """The view as the views.* methods answer it and as interaction payloads carry it."""
        content = self.content
        return {
            "id": self.id,
            "team_id": TEAM_ID,
            "type": self.type,
            "blocks": self.blocks,
            "private_metadata": content.get("private_metadata", ""),
            "callback_id": self.callback_id,
            "state": {"values": values_of(self.blocks, self.typed)},
            "hash": self.hash,
            "title": content.get("title", {"type": "plain_text", "text": "View Title", "emoji": True}),
            "clear_on_close": bool(content.get("clear_on_close", False)),
            "notify_on_close": bool(content.get("notify_on_close", False)),
            "close": content.get("close"),
            "submit": content.get("submit"),
            "previous_view_id": self.previous_view_id,
            "root_view_id": self.root_view_id,
            "app_id": APP_ID,
            "external_id": content.get("external_id", ""),
            "app_installed_team_id": TEAM_ID,
            "bot_id": BOT_ID,
        }


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that somebody attached to a form."""

    id: str
    user: str
    name: str
    content: bytes = field(repr=False)
    created: int

    def to_slack(self, base_url: str) -> dict[str, Any]:
        """The file as payloads carry it and files.info shows it. Its urls open with the bot's token."""
        kind = self.name.rpartition(".")[2].lower()
        place = f"{base_url}/files-pri/{TEAM_ID}-{self.id}"
        return {
            "id": self.id,
            "created": self.created,
            "timestamp": self.created,
            "name": self.name,
            "title": self.name,
            "mimetype": mimetypes.guess_type(self.name)[0] or "application/octet-stream",
            "filetype": kind,
            "pretty_type": kind.upper(),
            "user": self.user,
            "user_team": TEAM_ID,
            "editable": False,
            "size": len(self.content),
            "mode": "hosted",
            "is_external": False,
            "external_type": "",
            "is_public": False,
            "public_url_shared": False,
            "display_as_bot": False,
            "username": "",
            "url_private": f"{place}/{quote(self.name, safe='')}",
            "url_private_download": f"{place}/download/{quote(self.name, safe='')}",
            "permalink": f"{TEAM_URL}files/{self.user}/{self.id}/{quote(self.name, safe='')}",
            "comments_count": 0,
            "is_starred": False,
            "shares": {},
            "channels": [],
            "groups": [],
            "ims": [],
            "has_more_shares": False,
            "has_rich_preview": False,
            "file_access": "visible",
        }


@dataclass(frozen=True, slots=True)
class Notice:
    """What Slack itself tells one person, beside any message: a warning at a button, a line in a modal."""

    user: str
    text: str
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed, in the order it happened (`seq`). `user` is set when only that person can see it."""

    seq: int
    kind: ChangeKind
    channel: str | None = None
    ts: str | None = None
    user: str | None = None
    view_id: str | None = None
    text: str | None = None


def texts_in(shape: Any) -> list[str]:
    """Every string somebody could read in blocks: the values of `text`, `alt_text` and the like, not ids or values."""
    if isinstance(shape, str):
        return [shape]
    if isinstance(shape, list | tuple):
        return [text for item in shape for text in texts_in(item) if not isinstance(item, str)]
    if isinstance(shape, dict):
        readable = {key: value for key, value in shape.items() if not isinstance(value, str) or key in _READABLE}
        return [text for value in readable.values() for text in texts_in(value)]
    return []


_READABLE = frozenset({"text", "alt_text", "title", "label", "subtitle", "body", "subtext", "initial_value", "caption"})
