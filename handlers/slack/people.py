"""Who is who, as Slack says now: who belongs to a user group, who may act at all, whose day it is where.

What Slack says is remembered for at most a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeGuard, TypeVar
from zoneinfo import ZoneInfo

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from handlers.slack.front import slack_error
from handlers.who import DirectoryUnavailable
from providers.accounts import Clock

REMEMBERED = timedelta(seconds=60)
MOST_REMEMBERED = 2_000
"""Of groups, and of people."""
PATIENCE = 2.0
"""Seconds to wait for Slack, and for others who ask it the same: a click has to be answered within three."""

Said = TypeVar("Said")
Person = Mapping[str, Any]
"""A user as `users.info` shows one; empty for an id that is nobody's here."""


class SlackDirectory:
    """The people and the user groups of one workspace, `team`."""

    def __init__(self, client: AsyncWebClient, clock: Clock, team: str) -> None:
        self._client = client
        self._team = team
        self._groups = _Memory(self._ask_group, clock)
        self._people = _Memory(self._ask_person, clock)
        self._channels = _Memory(self._ask_channel, clock)

    async def members(self, group: str) -> frozenset[str]:
        """The user ids in a user group; nobody is in one that is disabled or gone.

        Raises DirectoryUnavailable when Slack does not say in time.
        """
        return await self._groups.of(group, f"user group {group}")

    async def is_active(self, user: str) -> bool:
        """Whether this person may act now: known here, not deactivated, one of us, no guest and no bot.

        Raises DirectoryUnavailable when Slack does not say in time.
        """
        person = await self._people.of(user, f"user {user}")
        barred = ("deleted", "is_bot", "is_stranger", "is_restricted", "is_ultra_restricted")
        # Slackbot is the one bot that Slack does not call one.
        return self._is_ours(person) and user != "USLACKBOT" and not any(person.get(trait) for trait in barred)

    async def time_zone(self, user: str) -> str:
        """The IANA name of the person's time zone (Europe/Berlin); "UTC" where Slack does not say. Never raises."""
        try:
            name = str((await self._people.of(user, f"user {user}")).get("tz") or "UTC")
            return ZoneInfo(name).key
        except (DirectoryUnavailable, ValueError, OSError, KeyError):  # KeyError: no such zone on this machine
            return "UTC"

    async def is_open(self, channel: str) -> bool:
        """Whether everybody here may read this channel: no private one, and nobody's direct messages.

        Raises DirectoryUnavailable when Slack does not say in time.
        """
        if not channel.startswith("C"):
            return False
        shown = await self._channels.of(channel, f"channel {channel}")
        return bool(shown) and not any(shown.get(trait) for trait in ("is_private", "is_im", "is_mpim"))

    def _is_ours(self, person: Person) -> bool:
        # In an Enterprise organization colleagues are at home in several workspaces, which are named apart.
        teams = (person.get("enterprise_user") or {}).get("teams") or ()
        return self._team == person.get("team_id") or self._team in teams

    async def _ask_group(self, group: str) -> frozenset[str]:
        try:
            answer = await self._client.usergroups_users_list(usergroup=group, include_disabled=False)
        except SlackApiError as error:
            if slack_error(error) in ("no_such_subteam", "subteam_not_found"):  # Slack has two names for it
                return frozenset()
            raise
        return frozenset(str(user) for user in answer.get("users") or [])

    async def _ask_channel(self, channel: str) -> Mapping[str, Any]:
        try:
            answer = await self._client.conversations_info(channel=channel)
        except SlackApiError as error:
            if slack_error(error) in ("channel_not_found", "missing_scope"):
                return {}  # a private one that we are not in is not shown to us
            raise
        return answer.get("channel") or {}

    async def _ask_person(self, user: str) -> Person:
        try:
            answer = await self._client.users_info(user=user)
        except SlackApiError as error:
            if slack_error(error) in ("user_not_found", "user_not_visible"):
                return {}
            raise
        return answer.get("user") or {}


@dataclass(slots=True)
class _Entry(Generic[Said]):
    """What was said last and when it was asked; whoever holds the lock is asking."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    known: tuple[datetime, Said] | None = None


class _Memory(Generic[Said]):
    """Answers of Slack by id: asked once for all who wait for the same, remembered for a minute, and only so many."""

    def __init__(self, ask: Callable[[str], Awaitable[Said]], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._entries: dict[str, _Entry[Said]] = {}

    async def of(self, key: str, what: str) -> Said:
        """What Slack says about this id. Raises DirectoryUnavailable, naming `what`, when it does not say in time."""
        entry = self._entries.pop(key, None) or _Entry()
        self._entries[key] = entry  # last again: the one that nobody asked for the longest goes first
        if len(self._entries) > MOST_REMEMBERED:
            del self._entries[next(iter(self._entries))]
        if self._is_fresh(entry.known):
            return entry.known[1]
        try:
            async with asyncio.timeout(PATIENCE), entry.lock:
                if not self._is_fresh(entry.known):
                    asked = self._clock.now()
                    entry.known = asked, await self._ask(key)
                return entry.known[1]
        except (SlackApiError, SlackClientError, aiohttp.ClientError, TimeoutError) as error:
            raise DirectoryUnavailable(f"{what}: {slack_error(error)}") from error

    def _is_fresh(self, known: tuple[datetime, Said] | None) -> TypeGuard[tuple[datetime, Said]]:
        # A clock that was set back makes no answer younger than it is.
        return known is not None and timedelta(0) <= self._clock.now() - known[0] < REMEMBERED
