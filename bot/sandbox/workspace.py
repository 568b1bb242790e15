"""A Slack workspace in memory: who is in it, what was said, which views are open. No network here.

Everything the Web API, Socket Mode, the people and the page show or change goes through `Workspace`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from bot.sandbox.delivery import Ack, Delivery, Kind
from bot.sandbox.faults import Call, Faults
from bot.sandbox.forms import State
from bot.sandbox.model import (
    APP_TOKEN,
    BOT_TOKEN,
    BOT_USER_ID,
    DEFAULT_EVENTS,
    DEFAULT_SCOPES,
    OTHER_TEAM_ID,
    SIGNING_SECRET,
    SLACKBOT_ID,
    TEAM_ID,
    TEAM_NAME,
    TEAM_URL,
    Attachment,
    Change,
    ChangeKind,
    Channel,
    Clock,
    Message,
    Notice,
    Shortcut,
    Standing,
    User,
    UserGroup,
    utc_now,
)
from bot.sandbox.tickets import ResponseUrl, Tickets
from bot.sandbox.views import Views

if TYPE_CHECKING:
    from bot.sandbox.people import Person
    from bot.sandbox.uploads import Upload

CALLS_KEPT = 10_000
NOTICES_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class WorkspaceSeed:
    """What a workspace starts with. Copy `default_seed()` with `dataclasses.replace` to add people or groups."""

    users: tuple[User, ...]
    groups: tuple[UserGroup, ...] = ()
    channels: tuple[Channel, ...] = ()


@dataclass(slots=True)
class App:
    """How the app is installed: its tokens, what it may do, what it listens to, and how payloads reach it.

    commands: the slash commands of the app, such as {"/domain"}; None means that every command is its own.
    escaped: those with should_escape, which get mentions and links as references instead of what was typed.
    shortcuts: what it offers in Slack's own menus.
    request_url: where signed payloads are posted; None means Socket Mode.
    ack_timeout: seconds until a payload counts as unanswered. Slack's own deadline is 3.
    """

    bot_token: str = BOT_TOKEN
    app_token: str = APP_TOKEN
    signing_secret: str = SIGNING_SECRET
    scopes: frozenset[str] = DEFAULT_SCOPES
    commands: frozenset[str] | None = None
    escaped: frozenset[str] = frozenset()
    shortcuts: tuple[Shortcut, ...] = ()
    events: frozenset[str] = DEFAULT_EVENTS
    request_url: str | None = None
    ack_timeout: float = 3.0
    revoked: bool = False


def default_seed() -> WorkspaceSeed:
    """Ana, Omar and Finn, the groups @finance and @growth, and three channels with everybody and the bot in them."""
    people = ("U0ANA", "U0OMAR", "U0FINN")
    everybody = (*people, BOT_USER_ID)
    return WorkspaceSeed(
        users=(
            User("U0ANA", "ana", "Ana Ruiz", email="ana@acme.test"),
            User("U0OMAR", "omar", "Omar Haddad", email="omar@acme.test"),
            User("U0FINN", "finn", "Finn Larsen", email="finn@acme.test"),
            User(BOT_USER_ID, "postroom", "Postroom", is_bot=True),
            User(SLACKBOT_ID, "slackbot", "Slackbot", is_bot=True),
        ),
        groups=(
            UserGroup("S0FINANCE", "finance", "Finance", ("U0OMAR",)),
            UserGroup("S0GROWTH", "growth", "Growth", ("U0ANA", "U0FINN")),
        ),
        channels=(
            Channel("C0OUTREACH", "outreach", everybody),
            Channel("C0APPROVALS", "approvals", everybody),
            Channel("C0GENERAL", "general", everybody),
        ),
    )


def default_workspace(**options: Any) -> Workspace:
    """A workspace with `default_seed()`. Takes the options of `Workspace`."""
    return Workspace(default_seed(), **options)


class Feed(AsyncIterator[Change]):
    """Changes from the moment of subscribing on. Leave it with `close()` or by using it as a context manager."""

    def __init__(self, listeners: set[Feed]) -> None:
        self._listeners = listeners
        self._queue: asyncio.Queue[Change | None] = asyncio.Queue()
        listeners.add(self)

    def put(self, change: Change) -> None:
        """Hand on one change."""
        self._queue.put_nowait(change)

    def close(self) -> None:
        """No further changes; whoever waits is released."""
        self._listeners.discard(self)
        self._queue.put_nowait(None)

    async def __anext__(self) -> Change:
        change = await self._queue.get()
        if change is None:
            raise StopAsyncIteration
        return change

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Workspace:
    """The state of one team, and the one place where it changes. It belongs to one event loop.

    clock: answers now; triggers (3 s) and response_urls (30 min) age by it.
    accepts_new_blocks: False behaves like a workspace that does not know the data blocks yet.
    """

    team_id = TEAM_ID
    team_name = TEAM_NAME
    team_url = TEAM_URL

    def __init__(
        self,
        seed: WorkspaceSeed,
        *,
        app: App | None = None,
        clock: Clock = utc_now,
        accepts_new_blocks: bool = True,
    ) -> None:
        self.app = app or App()
        self.clock = clock
        self.accepts_new_blocks = accepts_new_blocks
        self.users = {user.id: user for user in seed.users}
        self.groups = {group.id: group for group in seed.groups}
        self.channels = {channel.id: channel for channel in seed.channels}
        self.faults = Faults()
        self.calls: deque[Call] = deque(maxlen=CALLS_KEPT)
        self.notices: deque[Notice] = deque(maxlen=NOTICES_KEPT)
        self.base_url = "http://127.0.0.1:0"
        self.tickets = Tickets(clock)
        self.uploads: dict[str, Upload] = {}
        self.attachments: dict[str, Attachment] = {}
        self.views = Views(self._changed, self.fresh_id)
        self.delivery = Delivery(self.app, on_connection=self._connection_changed)
        self._messages: dict[str, dict[str, Message]] = {}
        self._last_ts = 0
        self._feeds: set[Feed] = set()
        self._seq = itertools.count(1)
        self._ids = itertools.count(1)

    # people and places

    def person(self, name: str) -> Person:
        """The driver of one person, by name or id. Raises KeyError for somebody who is not here."""
        from bot.sandbox.people import Person  # noqa: PLC0415 - people stand on the workspace, not the other way round

        return Person(self, self.user(name).id)

    def user(self, name_or_id: str) -> User:
        """A user by id, name or @name. Raises KeyError."""
        wanted = name_or_id.removeprefix("@")
        for user in self.users.values():
            if wanted in {user.id, user.name}:
                return user
        raise KeyError(name_or_id)

    def group(self, handle_or_id: str) -> UserGroup:
        """A user group by id, handle or @handle. Raises KeyError."""
        wanted = handle_or_id.removeprefix("@")
        for group in self.groups.values():
            if wanted in {group.id, group.handle}:
                return group
        raise KeyError(handle_or_id)

    def channel(self, name_or_id: str) -> Channel:
        """A channel by id, name or #name. Raises KeyError."""
        wanted = name_or_id.removeprefix("#")
        if wanted in self.channels:
            return self.channels[wanted]
        for channel in self.channels.values():
            if channel.name == wanted and not channel.is_im:
                return channel
        raise KeyError(name_or_id)

    def add_user(self, user: User, *channels: str) -> User:
        """Somebody joins, and is put into the channels named."""
        self.users[user.id] = user
        for channel in channels:
            self.invite(channel, user.id)
        self._changed("people_changed", user=None)
        return user

    def deactivate(self, name_or_id: str) -> User:
        """Somebody leaves: the account stays, marked deleted, and they can no longer do anything."""
        return self._set_user(name_or_id, deleted=True)

    def reactivate(self, name_or_id: str) -> User:
        """Somebody is back, in all the channels and groups as before."""
        return self._set_user(name_or_id, deleted=False)

    def set_standing(self, name_or_id: str, standing: Standing) -> User:
        """Makes somebody a member, a guest or a stranger, or deactivates them, which keeps what they were."""
        if standing == "deactivated":
            return self.deactivate(name_or_id)
        return self._set_user(
            name_or_id,
            deleted=False,
            team_id=OTHER_TEAM_ID if standing == "stranger" else TEAM_ID,
            is_restricted=standing in {"guest", "single_channel_guest"},
            is_ultra_restricted=standing == "single_channel_guest",
        )

    def add_group(self, group: UserGroup) -> UserGroup:
        """Adds a user group, or replaces the one with the same id."""
        self.groups[group.id] = group
        self._changed("people_changed")
        return group

    def set_group(self, handle_or_id: str, members: Iterable[str]) -> UserGroup:
        """Changes who is in a user group; members by name or id. Raises KeyError."""
        people = dict.fromkeys(self.user(member).id for member in members)
        return self.add_group(replace(self.group(handle_or_id), members=tuple(people)))

    def disable_group(self, handle_or_id: str) -> UserGroup:
        """Nobody can be mentioned or found by it any more; it keeps its members for when it is enabled again."""
        return self.add_group(replace(self.group(handle_or_id), date_delete=int(self.clock().timestamp())))

    def enable_group(self, handle_or_id: str) -> UserGroup:
        """A disabled group is as it was before."""
        return self.add_group(replace(self.group(handle_or_id), date_delete=0))

    def remove_group(self, handle_or_id: str) -> None:
        """It is gone, and Slack knows nothing of it any more."""
        del self.groups[self.group(handle_or_id).id]
        self._changed("people_changed")

    def add_channel(self, channel: Channel) -> Channel:
        """Adds a channel, or replaces the one with the same id."""
        self.channels[channel.id] = channel
        self._changed("people_changed", channel=channel.id)
        return channel

    def invite(self, channel: str, user: str) -> Channel:
        """Puts a user into a channel; both by name or id."""
        place, member = self.channel(channel), self.user(user).id
        if member in place.members:
            return place
        return self.add_channel(replace(place, members=(*place.members, member)))

    def remove(self, channel: str, user: str) -> Channel:
        """Takes a user (or the bot) out of a channel; both by name or id."""
        place, member = self.channel(channel), self.user(user).id
        return self.add_channel(replace(place, members=tuple(one for one in place.members if one != member)))

    def dm(self, user: str) -> Channel:
        """The direct message between this person and the app, opened when needed."""
        person = self.user(user).id
        for channel in self.channels.values():
            if channel.dm_with == person:
                return channel
        name = "D0" + person.removeprefix("U0")
        return self.add_channel(Channel(name, "directmessage", (person, BOT_USER_ID), dm_with=person))

    # messages

    def post(self, channel: str, user: str, text: str = "", **fields: Any) -> Message:
        """A new message, or with `ephemeral_to` one that only this person sees. `fields` are those of Message."""
        message = Message(channel=channel, ts=self.fresh_ts(), user=user, text=text, **fields)
        there = self._messages.setdefault(channel, {})
        there[message.ts] = message
        parent = there.get(message.thread_ts or "")
        if parent is not None and parent.thread_ts is None and not message.is_ephemeral:
            # The first reply makes its parent the head of a thread.
            there[parent.ts] = replace(parent, thread_ts=parent.ts)
        self._told(message, "posted")
        return message

    def update(self, message: Message, **fields: Any) -> Message:
        """Replaces the message by a changed one and returns that."""
        changed = replace(message, **fields)
        self._messages[message.channel][message.ts] = changed
        self._told(changed, "updated")
        return changed

    def delete(self, message: Message) -> None:
        """Takes the message away; older snapshots of it stay as they are."""
        self._messages[message.channel].pop(message.ts, None)
        self._told(message, "deleted")

    def message(self, channel: str, ts: str) -> Message | None:
        """The message as it is now."""
        return self._messages.get(channel, {}).get(ts)

    def messages(self, channel: str) -> list[Message]:
        """What everybody in the channel can see, replies included, oldest first."""
        return [message for message in self._messages.get(channel, {}).values() if not message.is_ephemeral]

    def ephemerals(self, channel: str, user: str) -> list[Message]:
        """What only this user sees in the channel, oldest first."""
        return [message for message in self._messages.get(channel, {}).values() if message.ephemeral_to == user]

    def thread(self, channel: str, ts: str) -> list[Message]:
        """The message `ts` and its replies, oldest first; empty when there is no such message."""
        return [message for message in self.messages(channel) if ts in {message.ts, message.thread_ts}]

    # one-use things

    def trigger_for(self, user: str) -> str:
        """A new trigger_id that this user's interaction carries."""
        return self.tickets.issue_trigger(user)

    def response_url_for(self, channel: str, user: str, message: Message | None = None) -> str:
        """A new response_url for an interaction of this user in this channel, on this message if there is one."""
        ticket = self.tickets.issue_response_url(ResponseUrl(channel, user, message))
        return f"{self.base_url}/response/{ticket}"

    # files

    def attach(self, user: str, name: str, content: bytes) -> dict[str, Any]:
        """Takes a file that this user puts into a form, and returns it as Slack describes it."""
        created = int(self.clock().timestamp())
        attachment = Attachment(self.fresh_id("F0"), user, name, content, created)
        self.attachments[attachment.id] = attachment
        return attachment.to_slack(self.base_url)

    # what the app is told, and what people are told by Slack

    async def deliver(
        self, kind: Kind, payload: Mapping[str, Any], *, retry_num: int = 0, retry_reason: str = ""
    ) -> Ack:
        """Sends one raw payload to the app and returns its answer, checked by nobody: for forged and replayed ones.

        kind: `slash_commands`, `interactive` or `events_api`. Nothing is shown to anybody, whatever the answer.
        """
        return await self.delivery.deliver(kind, dict(payload), retry_num=retry_num, retry_reason=retry_reason)

    async def wait_for_bot(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109 - a deadline is part of the question
        """Returns once a bot is connected. Raises TimeoutError."""
        with self.subscribe() as feed:
            async with asyncio.timeout(timeout):
                while not self.delivery.reachable:
                    await anext(feed)

    def tell(self, user: str, text: str, channel: str | None = None) -> Notice:
        """Slack itself tells one person something, such as that an app did not answer."""
        notice = Notice(user, text, channel)
        self.notices.append(notice)
        self._changed("notice", channel=channel, user=user, text=text)
        return notice

    def subscribe(self) -> Feed:
        """Every change from now on, in order."""
        return Feed(self._feeds)

    # ids and times

    def fresh_id(self, prefix: str) -> str:
        """An id of Slack's kind that was never used before in this workspace, such as V000001."""
        return f"{prefix}{next(self._ids):06d}"

    def fresh_ts(self) -> str:
        """The ts of a new message: the present moment, and always later than the one before."""
        micros = int(self.clock().timestamp() * 1_000_000)
        self._last_ts = max(micros, self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def type_into(self, message: Message, place: tuple[str, str], state: State) -> Message:
        """Keeps what somebody chose in an element of a message, and returns the copy they chose it in."""
        current = self.message(message.channel, message.ts)
        if current is not None:
            self._messages[message.channel][message.ts] = replace(current, typed={**current.typed, place: state})
        return replace(message, typed={**message.typed, place: state})

    def _set_user(self, name_or_id: str, **changes: Any) -> User:
        user = replace(self.user(name_or_id), **changes)
        self.users[user.id] = user
        self._changed("people_changed")
        return user

    def _told(self, message: Message, what: str) -> None:
        kind: Any = f"{'ephemeral' if message.is_ephemeral else 'message'}_{what}"
        self._changed(kind, channel=message.channel, ts=message.ts, user=message.ephemeral_to)

    def _connection_changed(self, connected: bool) -> None:
        self._changed("bot_connected" if connected else "bot_disconnected")

    def _changed(
        self,
        kind: ChangeKind,
        *,
        channel: str | None = None,
        ts: str | None = None,
        user: str | None = None,
        view_id: str | None = None,
        text: str | None = None,
    ) -> None:
        change = Change(next(self._seq), kind, channel, ts, user, view_id, text)
        for feed in tuple(self._feeds):
            feed.put(change)
