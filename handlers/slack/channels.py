"""In which channel a request is told: where it was asked, or one that its asker and Postroom are both in."""

from __future__ import annotations

import asyncio
from collections import Counter

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from handlers.requests import Asker
from handlers.slack.front import Body, Front, slack_error

log = structlog.get_logger(__name__)

PATIENCE = 2.0
"""Seconds to see who is in a channel: Slack waits three for what becomes of a form."""
_PAGE = 900
_SILENT = "Slack did not say who is in this channel. Try again."
NOT_YOURS = "You are not in this channel: choose one that you are in."
_LOOKED_AT = 20
"""Requests of a person, the newest, that show which channel they usually ask in."""


async def asked_in(front: Front, body: Body, asker: Asker) -> str:
    """The channel that a click comes from; empty where it comes from none, so that the form asks for one.

    Where Slack says itself, that is it. What a window carries along is looked at: it may say anything, and the channel
    of a message may be one that its reader, or Postroom, is not in.
    """
    carried = str((body.get("view") or {}).get("private_metadata") or "")
    if asker.channel or not carried:
        return asker.channel
    return "" if await why_not(front.client, carried, asker.user, outside=NOT_YOURS) else carried


async def usual(front: Front, user: str) -> str:
    """Where this person asks most often; at first the channel with the cards."""
    asked = await front.requests.requests_of(user, _LOOKED_AT)
    counted = Counter(one.channel for one in asked if one.channel[:1] in ("C", "G"))
    return counted.most_common(1)[0][0] if counted else front.requests.policy.channel


async def why_not(client: AsyncWebClient, channel: str, user: str, *, outside: str) -> str:
    """Why nothing can be told in this channel for `user`, in a sentence; empty where both of us are in it.

    `outside` is the sentence for somebody who is not in it. Somebody's direct messages are theirs alone.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            if channel.startswith("D"):
                own = (await client.conversations_open(users=user)).get("channel") or {}
                return "" if own.get("id") == channel else outside
            info = (await client.conversations_info(channel=channel)).get("channel") or {}
            if not info.get("is_member"):
                return "Postroom is not in this channel: type /invite @postroom there."
            if info.get("is_archived"):
                return "This channel is archived: choose another one."
            return "" if await _is_in(client, channel, user) else outside
    except SlackApiError as error:
        log.info("channel_not_shown", channel=channel, why=slack_error(error))
        if slack_error(error) in ("channel_not_found", "not_in_channel"):
            return "Postroom cannot see this channel: type /invite @postroom there, then try again."
        return _SILENT
    except (SlackClientError, aiohttp.ClientError, TimeoutError):
        return _SILENT


async def _is_in(client: AsyncWebClient, channel: str, user: str) -> bool:
    cursor = ""
    while True:
        page = await client.conversations_members(channel=channel, limit=_PAGE, cursor=cursor)
        if user in (page.get("members") or []):
            return True
        cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
        if not cursor:
            return False
