"""Who belongs to a user group, as Slack says now: `usergroups.users.list`, remembered for at most a minute."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from handlers.requests import DirectoryUnavailable
from handlers.slack.front import slack_error
from providers.accounts import Clock

REMEMBERED = timedelta(seconds=60)
PATIENCE = 2.0
"""Seconds to wait for Slack: a click has to be answered within three."""


class SlackDirectory:
    """The workspace's user groups."""

    def __init__(self, client: AsyncWebClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[str, tuple[datetime, frozenset[str]]] = {}
        self._asking = asyncio.Lock()

    async def members(self, group: str) -> frozenset[str]:
        """The user ids in a user group. Raises DirectoryUnavailable when Slack does not say in time."""
        async with self._asking:
            known = self._known.get(group)
            now = self._clock.now()
            if known is not None and now - known[0] < REMEMBERED:
                return known[1]
            try:
                async with asyncio.timeout(PATIENCE):
                    answer = await self._client.usergroups_users_list(usergroup=group)
            except (SlackApiError, SlackClientError, aiohttp.ClientError, TimeoutError) as error:
                raise DirectoryUnavailable(f"user group {group}: {slack_error(error)}") from error
            users = answer.get("users") or []
            found = frozenset(str(user) for user in users)
            self._known[group] = (now, found)
            return found
