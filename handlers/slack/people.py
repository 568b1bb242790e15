"""Who belongs to a user group, as Slack says now: `usergroups.users.list`, remembered for at most a minute."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import datetime, timedelta

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from handlers.requests import DirectoryUnavailable
from handlers.slack.front import slack_error
from providers.accounts import Clock

REMEMBERED = timedelta(seconds=60)
PATIENCE = 2.0
"""Seconds to wait for Slack, and for others who ask it the same: a click has to be answered within three."""


class SlackDirectory:
    """The workspace's user groups."""

    def __init__(self, client: AsyncWebClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[str, tuple[datetime, frozenset[str]]] = {}
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def members(self, group: str) -> frozenset[str]:
        """The user ids in a user group. Raises DirectoryUnavailable when Slack does not say in time."""
        try:
            async with asyncio.timeout(PATIENCE), self._asking[group]:
                known = self._known.get(group)
                if known is None or self._clock.now() - known[0] >= REMEMBERED:
                    answer = await self._client.usergroups_users_list(usergroup=group)
                    known = self._clock.now(), frozenset(str(user) for user in answer.get("users") or [])
                    self._known[group] = known
                return known[1]
        except (SlackApiError, SlackClientError, aiohttp.ClientError, TimeoutError) as error:
            raise DirectoryUnavailable(f"user group {group}: {slack_error(error)}") from error
