"""The outbox's end: what is owed to Slack is posted, once, in order, however often Slack or we fall over.

That a post was begun is on disk before it is sent. If its end was never heard, the channel is read first
(`conversations.history` / `conversations.replies` with metadata) and the message is posted only if it is not there.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from structlog.contextvars import bind_contextvars

from handlers.slack.front import slack_error
from handlers.slack.messages import Messages, Rendered
from handlers.slack.words import is_person
from providers.accounts import Clock
from storage.outbox import Owed
from storage.records import MessageKind, NewMessage
from storage.store import Store

log = structlog.get_logger(__name__)

METADATA = "postroom_message"
"""The event_type of our messages' metadata; its payload is `{"id": …}`, the outbox id and nothing else."""

FIRST_RETRY = 1.0
LONGEST_RETRY = 60.0
"""Somebody may be waiting: after the bot was invited to a channel, what is owed there comes within a minute."""
TOO_FAR = timedelta(minutes=10)
"""No channel is left alone for longer, whatever Slack says: then it is asked again."""
LOOK_BACK = timedelta(minutes=10)
"""How much older than its outbox row a post is looked for, and how much younger than the last attempt: the clocks of
Slack and this machine may differ."""
LOOK_PAGES = 20
TRIES_IN_PERSON = 3
"""How often is tried to tell somebody in person what Slack does not take: they have left, or are a bot."""
LEASE = timedelta(seconds=60)
PATIENCE = 45.0
"""Seconds for one message, looking for it included: well within the lease, so that nobody else posts it meanwhile."""

_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
_NOTHING_ABOVE = frozenset({"cannot_reply_to_message", "thread_not_found", "message_not_found"})
_NOT_ALLOWED = "restricted_action"
"""How Slack's words begin for a channel whose settings let only some people post, or keep threads out of it."""
_WHERE_NOT_ALLOWED = ("", "_read_only_channel", "_thread_only_channel", "_non_threadable_channel", "_thread_locked")
NO_WAY_IN = frozenset(
    {
        *("not_in_channel", "channel_not_found", "is_archived", "is_inactive"),
        *(f"{_NOT_ALLOWED}{where}" for where in _WHERE_NOT_ALLOWED),
    }
)
NOBODY_THERE = NO_WAY_IN | {"user_not_found", "user_disabled", "cannot_dm_bot"}
TOO_RICH = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long"})
MAYBE_DONE = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "unreadable_answer"})


def way_in(error: str) -> str:
    """What opens a channel that is closed to us by one of `NO_WAY_IN`."""
    if error.startswith(_NOT_ALLOWED):
        return "Let Postroom post in that channel: its settings say who may."
    return "Type /invite @postroom in that channel."


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one channel may be written to: so many messages at once, then so many a second."""

    per_second: float = 1.0
    at_once: int = 10


DEFAULT_PACE = Pace()
"""About what Slack takes of one app in one channel, before it answers 429."""


_SAID_ONCE = (MessageKind.NOTE, MessageKind.CALL)
"""Below another message, and never changed."""
_STORY = (MessageKind.PARENT, MessageKind.NOTE)
"""What is for whoever asked, where they asked."""


class Channels:
    """Which channels take messages now. What has to wait is not even claimed, so that it costs nothing."""

    def __init__(self, pace: Pace) -> None:
        self._apart = timedelta(seconds=1 / pace.per_second)
        self._ahead = self._apart * (pace.at_once - 1)
        self._even_at: dict[str, datetime] = {}
        """When a channel will have made up for all that it took so far."""
        self._told_to_wait: dict[str, datetime] = {}

    def use(self, channel: str, now: datetime) -> None:
        """A message goes to `channel` now."""
        self._even_at[channel] = max(self._even_at.get(channel, now), now) + self._apart

    def close(self, channel: str, until: datetime) -> None:
        """Slack wants to be left alone there until `until`."""
        self._told_to_wait[channel] = until

    def closed(self, now: datetime) -> dict[str, datetime]:
        """The channels that take nothing now, each with the moment from which it does."""
        # What is further away than it can be was noted before the clock was set back.
        self._even_at = {channel: at for channel, at in self._even_at.items() if now < at <= now + TOO_FAR}
        self._told_to_wait = {channel: at for channel, at in self._told_to_wait.items() if now < at <= now + TOO_FAR}
        closed = {channel: at - self._ahead for channel, at in self._even_at.items() if at - self._ahead > now}
        for channel, until in self._told_to_wait.items():
            closed[channel] = max(until, closed.get(channel, until))
        return closed


@dataclass(frozen=True, slots=True)
class _Place:
    channel: str
    ts: str


class Delivery:
    """Posts what the outbox owes."""

    def __init__(
        self, store: Store, client: AsyncWebClient, messages: Messages, clock: Clock, pace: Pace = DEFAULT_PACE
    ) -> None:
        """`client` must not retry by itself (`retry_handlers=[]`): a lost answer is looked up, never sent blindly."""
        self._store = store
        self._client = client
        self._messages = messages
        self._clock = clock
        self._channels = Channels(pace)

    async def deliver(self) -> datetime | None:
        """Post everything that is due; returns when the next message may be tried (None: nothing is owed)."""
        while True:
            now = self._clock.now()
            closed = self._channels.closed(now)
            claimed = await self._store.outbox.claim(now, now + LEASE, closed=closed)
            if not claimed:
                return await self.next_due()
            for owed in claimed:
                self._channels.use(owed.message.posted_in or owed.message.channel, now)
            # All of them come to their end, also where the store fails for one: none goes on beside the next beat.
            ended = await asyncio.gather(*(self._deliver_one(owed) for owed in claimed), return_exceptions=True)
            for broken in filter(None, ended):
                raise broken

    async def next_due(self) -> datetime | None:
        """When something owed may be tried next: when it is due, or when its channel takes messages again."""
        closed = self._channels.closed(self._clock.now())
        due = await self._store.outbox.next_due(closed)
        return min([*([due] if due else []), *closed.values()], default=None)

    async def _deliver_one(self, owed: Owed) -> None:
        message = owed.message
        bind_contextvars(request_id=message.request_id)  # this task is about no other
        try:
            async with asyncio.timeout(PATIENCE):
                place = await self._put(owed, self._messages.render(owed))
        except SlackApiError as error:
            await self._refused(owed, error)
        except (SlackClientError, aiohttp.ClientError, TimeoutError) as error:
            never_sent = isinstance(error, aiohttp.ClientConnectorError)
            await self._later(owed, error, maybe_posted=owed.begun_before or not never_sent)
        except Exception as error:
            # One message that cannot be shown must not keep back the others.
            log.exception("message_broke", message_id=message.id, request_id=message.request_id)
            await self._later(owed, error, maybe_posted=True)
        else:
            if not message.ts:
                log.info("posted", kind=message.kind.value, channel=place.channel, message_id=message.id)
            await self._store.outbox.sent(message, ts=place.ts, posted_in=place.channel)

    async def _put(self, owed: Owed, shown: Rendered) -> _Place:
        message = owed.message
        place = _Place(message.posted_in, message.ts) if message.ts else None
        if place is None and owed.begun_before:
            place = await self._find(owed)
            if place is not None and message.kind in _SAID_ONCE:
                return place  # a note never changes: it is there, so it was said
        if place is not None:
            try:
                await self._update(place, shown)
            except SlackApiError as error:
                # What was looked up may be the one that can no longer be changed, instead of which this is posted.
                if message.ts or slack_error(error) not in _GONE:
                    raise
            else:
                return place
        return await self._post(owed, shown)

    async def _post(self, owed: Owed, shown: Rendered) -> _Place:
        thread = owed.parent if owed.message.kind in _SAID_ONCE else None
        arguments: dict[str, Any] = {
            "channel": thread.posted_in if thread is not None else owed.message.channel,
            "text": shown.text,
            "thread_ts": thread.ts if thread is not None else None,
            "metadata": {"event_type": METADATA, "event_payload": {"id": owed.message.id}},
            "unfurl_links": False,
            "unfurl_media": False,
        }
        try:
            answer = await self._client.chat_postMessage(blocks=shown.blocks, **arguments)
        except SlackApiError as error:
            if slack_error(error) not in TOO_RICH:
                raise
            log.error("blocks_refused", message_id=owed.message.id, error=slack_error(error))
            answer = await self._client.chat_postMessage(**arguments)
        return _Place(str(answer["channel"]), str(answer["ts"]))

    async def _update(self, place: _Place, shown: Rendered) -> None:
        try:
            await self._client.chat_update(channel=place.channel, ts=place.ts, text=shown.text, blocks=shown.blocks)
        except SlackApiError as error:
            if slack_error(error) not in TOO_RICH:
                raise
            log.error("blocks_refused", ts=place.ts, error=slack_error(error))
            await self._client.chat_update(channel=place.channel, ts=place.ts, text=shown.text)

    async def _find(self, owed: Owed) -> _Place | None:
        """Look whether an earlier attempt posted the message after all."""
        message = owed.message
        thread = owed.parent if message.kind in _SAID_ONCE else None
        channel = thread.posted_in if thread is not None else message.channel
        if is_person(channel):
            opened = await self._client.conversations_open(users=channel)
            channel = str(opened["channel"]["id"])
        ts = await find_posted(
            self._client, message.id, channel, since=message.created_at, thread_ts=thread.ts if thread else "",
            until=owed.tried_until,
        )  # fmt: skip
        return None if ts is None else _Place(channel, ts)

    async def _refused(self, owed: Owed, error: SlackApiError) -> None:
        message, word = owed.message, slack_error(error)
        if error.response.status_code == 429 or word in ("ratelimited", "rate_limited"):
            await self._rate_limited(owed, error)
        elif word in _GONE and message.ts:
            log.warning("message_is_gone", message_id=message.id, request_id=message.request_id, error=word)
            await self._store.outbox.postponed(message, due_at=self._clock.now(), maybe_posted=False, forget_ts=True)
        elif word in _NOTHING_ABOVE and message.kind in _SAID_ONCE:
            # What it belongs below was deleted: that is found out when it is shown anew, and it is posted once more.
            await self._store.outbox.show_anew(message.request_id, self._clock.now())
            await self._later(owed, error, maybe_posted=owed.begun_before)
        elif word in NO_WAY_IN and message.kind in _STORY and not is_person(message.channel):
            # Postroom is not, or no longer, a member there: the story is then told to the asker in person.
            log.warning("channel_closed", message_id=message.id, channel=message.channel, error=word)
            await self._store.outbox.move_thread(message.request_id, owed.request.requester, self._clock.now())
        else:
            maybe = word in MAYBE_DONE or error.response.status_code >= 500
            if word in NO_WAY_IN and message.kind not in _STORY and self._is_elsewhere(message.channel):
                # Cards stand in another channel by now, and nothing is to be decided in this one.
                log.warning("card_left_as_it_is", message_id=message.id, channel=message.channel, error=word)
                await self._store.outbox.sent(message, ts=message.ts, posted_in=message.posted_in)
                return
            is_needless = message.kind is MessageKind.CARD or word in NOBODY_THERE
            if is_person(message.channel) and is_needless and not maybe:
                await self._refused_in_person(owed, error)
                return
            if message.kind is MessageKind.CARD and not message.ts and not maybe:
                await self._tell_thread(owed, word)
            await self._later(owed, error, maybe_posted=owed.begun_before or maybe)

    def _is_elsewhere(self, channel: str) -> bool:
        return not is_person(channel) and channel != self._messages.cards

    async def _refused_in_person(self, owed: Owed, error: SlackApiError) -> None:
        """Somebody's own copy of a card is a kindness: the card itself is in the channel, so it may be missing. A story
        that nobody is left to read is begun again with the next thing that happens."""
        message = owed.message
        if message.attempts < TRIES_IN_PERSON:
            await self._later(owed, error, maybe_posted=owed.begun_before)
            return
        log.warning(
            "person_not_reached", message_id=message.id, request_id=message.request_id, user=message.channel,
            error=slack_error(error),
        )  # fmt: skip
        await self._store.outbox.sent(message, ts=message.ts, posted_in=message.posted_in)

    async def _tell_thread(self, owed: Owed, word: str) -> None:
        """Say in the thread, once, that nobody can see the card."""
        told = await self._store.outbox.of(owed.message.request_id)
        if not any(message.body.get("fact") == "card_not_posted" for message in told):
            note = NewMessage(MessageKind.NOTE, owed.request.channel, {"fact": "card_not_posted", "error": word})
            await self._store.outbox.owe(owed.message.request_id, note, self._clock.now())

    async def _rate_limited(self, owed: Owed, error: SlackApiError) -> None:
        message = owed.message
        try:
            seconds = float(error.response.headers.get("Retry-After", FIRST_RETRY))
        except (TypeError, ValueError):
            seconds = FIRST_RETRY
        until = self._clock.now() + min(timedelta(seconds=seconds), TOO_FAR)
        self._channels.close(message.posted_in or message.channel, until)
        log.info("slack_rate_limited", channel=message.channel, seconds=seconds)
        await self._store.outbox.postponed(message, due_at=until, maybe_posted=owed.begun_before)

    async def _later(self, owed: Owed, error: Exception, *, maybe_posted: bool) -> None:
        message = owed.message
        seconds = min(FIRST_RETRY * 2 ** min(message.attempts - 1, 16), LONGEST_RETRY)
        log.warning(
            "message_not_delivered",
            message_id=message.id,
            request_id=message.request_id,
            attempt=message.attempts,
            error=slack_error(error),
            again_in_seconds=seconds,
        )
        due = self._clock.now() + timedelta(seconds=seconds)
        await self._store.outbox.postponed(message, due_at=due, maybe_posted=maybe_posted)


async def find_posted(
    client: AsyncWebClient, message_id: str, channel: str, *, since: datetime, thread_ts: str = "",
    until: datetime | None = None,
) -> str | None:  # fmt: skip
    """The ts of our message with this id in its metadata, posted in a channel or thread `since` then; None: not there.

    Where more was written since than is looked through, what is younger than `until` is left out. Raises what the
    client raises: then nobody knows.
    """
    arguments: dict[str, Any] = {
        "channel": channel,
        "oldest": f"{(since - LOOK_BACK).timestamp():.6f}",
        "include_all_metadata": True,
        "limit": 200,
    }
    looks = [arguments]
    if until is not None:
        looks.append(arguments | {"latest": f"{(until + LOOK_BACK).timestamp():.6f}"})
    for look in looks:
        cursor = ""
        for _ in range(LOOK_PAGES):
            if thread_ts:
                page = await client.conversations_replies(ts=thread_ts, cursor=cursor, **look)
            else:
                page = await client.conversations_history(cursor=cursor, **look)
            for posted in page.get("messages") or []:
                metadata = posted.get("metadata") or {}
                if (metadata.get("event_payload") or {}).get("id") == message_id:
                    return str(posted["ts"])
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return None
    return None
