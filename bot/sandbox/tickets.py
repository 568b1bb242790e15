"""Things Slack hands out that work only a few times or for a while: trigger_ids, response_urls, WebSocket tickets."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.sandbox.model import Clock, Message, SlackError

TRIGGER_LIFETIME = timedelta(seconds=3)
RESPONSE_URL_LIFETIME = timedelta(minutes=30)
RESPONSE_URL_USES = 5
KEPT = 10_000
"""So many of each kind are remembered; a workspace that runs for days forgets older ones."""


@dataclass(frozen=True, slots=True)
class ResponseUrl:
    """Where an answer through a response_url goes: the channel, the person, the message that was clicked on."""

    channel: str
    user: str
    message: Message | None = None


@dataclass(slots=True)
class _Trigger:
    user: str
    issued: datetime
    used: bool = False


@dataclass(slots=True)
class _Answerable:
    target: ResponseUrl
    issued: datetime
    uses: int = 0


class Tickets:
    """Issues them, and refuses them when they are spent or too old."""

    trigger_lifetime = TRIGGER_LIFETIME
    """For how long a trigger_id may be used; longer where a test's machine may be slower than a person is patient."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._triggers: dict[str, _Trigger] = {}
        self._response_urls: dict[str, _Answerable] = {}
        self._sockets: set[str] = set()

    def issue_trigger(self, user: str) -> str:
        """A trigger_id for an interaction of this user."""
        trigger_id = f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**11)}.{secrets.token_hex(16)}"
        self._triggers[trigger_id] = _Trigger(user, self._clock())
        _forget_oldest(self._triggers)
        return trigger_id

    def check_trigger(self, trigger_id: str) -> str:
        """The user it belongs to, without using it up. Raises SlackError when it would be refused."""
        trigger = self._triggers.get(trigger_id)
        if trigger is None:
            raise SlackError("invalid_arguments", ("[ERROR] invalid `trigger_id` [json-pointer:/trigger_id]",))
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        if self._clock() - trigger.issued > self.trigger_lifetime:
            raise SlackError("expired_trigger_id")
        return trigger.user

    def spend_trigger(self, trigger_id: str) -> str:
        """The user it belongs to; it cannot be used again. Raises SlackError."""
        user = self.check_trigger(trigger_id)
        self._triggers[trigger_id].used = True
        return user

    def issue_response_url(self, target: ResponseUrl) -> str:
        """The last part of a response_url."""
        ticket = secrets.token_urlsafe(18)
        self._response_urls[ticket] = _Answerable(target, self._clock())
        _forget_oldest(self._response_urls)
        return ticket

    def use_response_url(self, ticket: str) -> ResponseUrl:
        """Where the answer goes, one use spent. Raises SlackError `used_url` or `expired_url`."""
        answerable = self._response_urls.get(ticket)
        if answerable is None or self._clock() - answerable.issued > RESPONSE_URL_LIFETIME:
            raise SlackError("expired_url")
        if answerable.uses >= RESPONSE_URL_USES:
            raise SlackError("used_url")
        answerable.uses += 1
        return answerable.target

    def issue_socket(self) -> str:
        """A ticket for one WebSocket handshake."""
        ticket = secrets.token_urlsafe(18)
        self._sockets.add(ticket)
        return ticket

    def spend_socket(self, ticket: str) -> bool:
        """Whether the ticket was good; it is not any more."""
        if ticket not in self._sockets:
            return False
        self._sockets.discard(ticket)
        return True


def _forget_oldest(tickets: dict[str, Any]) -> None:
    if len(tickets) > KEPT:
        del tickets[next(iter(tickets))]
