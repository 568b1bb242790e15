"""One call of a Web API method, as the methods read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.sandbox.model import BOT_USER_ID, Channel, SlackError, User
from bot.sandbox.workspace import Workspace

Answer = dict[str, Any]
LIMIT_MOST = 999


@dataclass(frozen=True, slots=True)
class Asked:
    """What was called with which arguments. All readers raise SlackError when an argument is not as it should be."""

    workspace: Workspace
    method: str
    arguments: dict[str, Any]

    def need(self, *scopes: str) -> None:
        """Refuses with `missing_scope` unless the app has all of these."""
        granted = self.workspace.app.scopes
        for scope in scopes:
            if scope not in granted:
                raise SlackError("missing_scope", needed=scope, provided=",".join(sorted(granted)))

    def text(self, name: str) -> str | None:
        """An optional text."""
        value = self.arguments.get(name)
        return None if value is None or value == "" else str(value)

    def required(self, name: str) -> str:
        """A text that has to be there."""
        value = self.text(name)
        if value is None:
            refused = f"[ERROR] missing required field: {name} [json-pointer:/{name}]"
            raise SlackError("invalid_arguments", (refused,))
        return value

    def flag(self, name: str) -> bool:
        """A yes or no, written in any of Slack's ways."""
        return self.arguments.get(name) in (True, "1", "true", "True")

    def limit(self, default: int = 100) -> int:
        """How many entries a page may have."""
        value = self.text("limit")
        try:
            limit = default if value is None else int(value)
        except ValueError:
            raise SlackError("invalid_limit") from None
        if limit < 0 or limit > LIMIT_MOST:
            raise SlackError("invalid_limit")
        return limit or default

    def conversation(self, *, name: str = "channel", open_dm: bool = False) -> Channel:
        """The conversation asked for by id; with `open_dm` also by #name or user id, as chat.postMessage allows.

        Raises SlackError `channel_not_found`.
        """
        wanted = self.required(name)
        workspace = self.workspace
        if open_dm and wanted in workspace.users:
            if workspace.users[wanted].is_bot:
                raise SlackError("channel_not_found")
            return workspace.dm(wanted)
        try:
            found = workspace.channel(wanted) if open_dm else workspace.channels[wanted]
        except KeyError:
            raise SlackError("channel_not_found") from None
        return found

    def readable(self, reading: str) -> Channel:
        """The conversation asked for, with the scope to read it: `reading` is `history` or `read`.

        Raises SlackError `missing_scope`, `channel_not_found`, `not_in_channel`.
        """
        channel = self.conversation()
        kind = "im" if channel.is_im else "groups" if channel.is_private else "channels"
        self.need(f"{kind}:{reading}")
        inside = BOT_USER_ID in channel.members
        if channel.is_private and not inside:
            raise SlackError("channel_not_found")
        if reading == "history" and not inside:
            raise SlackError("not_in_channel")
        return channel

    def known_user(self, name: str = "user") -> User:
        """The user asked for. Raises SlackError `user_not_found`."""
        user = self.workspace.users.get(self.required(name))
        if user is None:
            raise SlackError("user_not_found")
        return user
