"""What a person sees in Slack, and waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from bot.sandbox.modal import Modal
from bot.sandbox.model import Channel, Message, Notice, User, View
from bot.sandbox.workspace import Feed, Workspace

PATIENCE = 5.0
"""Seconds a person waits for something to appear."""

Predicate = Callable[[Any], bool]
Found = TypeVar("Found")


class NotSeen(AssertionError):
    """What the person waited for or looked for is not there."""


class Witness:
    """One person looking at their Slack. Waiting follows the change feed; nothing is polled."""

    def __init__(self, workspace: Workspace, user_id: str) -> None:
        self.workspace = workspace
        self.id = user_id

    @property
    def user(self) -> User:
        """Who they are."""
        return self.workspace.users[self.id]

    async def sees(
        self,
        what: str | Predicate,
        *,
        in_: str = "#general",
        thread_of: Message | None = None,
        after: Message | None = None,
        timeout: float = PATIENCE,  # noqa: ASYNC109 - a deadline is part of the question
    ) -> Message:
        """Waits for a message with these words, or one that the predicate holds for, and returns the newest such.

        Looks at what is there and at everything that is posted or changed from now on, ephemerals included. thread_of:
        only the replies to this message. after: only newer messages than this. Raises NotSeen.
        """
        place = self._channel(in_)
        holds = what if callable(what) else lambda message: message.reads(what)

        def found(message: Message) -> bool:
            if message.ephemeral_to not in {None, self.id}:
                return False
            in_thread = thread_of is None or (message.is_reply and message.thread_ts == thread_of.ts)
            return in_thread and (after is None or message.ts > after.ts) and holds(message)

        with self._watching(f"{what!r} in {in_}", lambda: self._recent(place)) as feed:
            for message in reversed(self._all(place)):
                if found(message):
                    return message
            async with asyncio.timeout(timeout):
                async for change in feed:
                    if change.channel == place.id and change.ts is not None:
                        changed = self.workspace.message(place.id, change.ts)
                        if changed is not None and found(changed):
                            return changed
        raise NotSeen(f"Nothing more is coming for {self.user.name}.")

    async def sees_modal(
        self,
        what: str | Predicate | None = None,
        *,
        timeout: float = PATIENCE,  # noqa: ASYNC109 - a deadline is part of the question
    ) -> Modal:
        """Waits until the modal before this person has this title or callback_id, or the predicate holds for it."""

        def found() -> Modal | None:
            modal = self.modal
            if modal is None:
                return None
            fits = what(modal) if callable(what) else what in {None, modal.title, modal.callback_id}
            return modal if fits else None

        return await self._waits(found, f"a modal {what!r}", timeout)

    async def sees_home(
        self,
        what: str | Predicate | None = None,
        *,
        timeout: float = PATIENCE,  # noqa: ASYNC109 - a deadline is part of the question
    ) -> View:
        """Waits until these words stand on the home tab, or the predicate holds for it."""

        def found() -> View | None:
            home = self.home
            if home is None:
                return None
            fits = what(home) if callable(what) else what is None or home.reads(what)
            return home if fits else None

        return await self._waits(found, f"a home with {what!r}", timeout)

    async def is_told(
        self,
        words: str,
        *,
        timeout: float = PATIENCE,  # noqa: ASYNC109 - a deadline is part of the question
    ) -> Notice:
        """Waits until Slack itself has told this person something with these words."""

        def found() -> Notice | None:
            return next((notice for notice in reversed(self.notices) if words in notice.text), None)

        return await self._waits(found, f"a notice {words!r}", timeout)

    def messages(self, channel: str = "#general") -> list[Message]:
        """What stands in the channel itself for everybody, without the replies in threads, oldest first."""
        found = self.workspace.messages(self._channel(channel).id)
        return [message for message in found if not message.is_reply or message.broadcast]

    def thread(self, message: Message) -> list[Message]:
        """The message and its replies, as they are now."""
        return self.workspace.thread(message.channel, message.thread_ts or message.ts)

    def ephemerals(self, channel: str = "#general") -> list[Message]:
        """What only this person sees in the channel, oldest first."""
        return self.workspace.ephemerals(self._channel(channel).id, self.id)

    @property
    def modal(self) -> Modal | None:
        """The modal before this person."""
        view = self.workspace.views.top(self.id)
        return Modal(self.workspace, view) if view else None

    @property
    def home(self) -> View | None:
        """The app's home tab as published for this person."""
        return self.workspace.views.home(self.id)

    @property
    def notices(self) -> list[Notice]:
        """What Slack itself has told this person, oldest first."""
        return [notice for notice in self.workspace.notices if notice.user == self.id]

    def _channel(self, name: str) -> Channel:
        return self.workspace.dm(self.id) if name == "dm" else self.workspace.channel(name)

    async def _waits(self, look: Callable[[], Found | None], what: str, patience: float) -> Found:
        with self._watching(what, self._before_them) as feed:
            found = look()
            async with asyncio.timeout(patience):
                while found is None:
                    await anext(feed)
                    found = look()
            return found

    def _all(self, place: Channel) -> list[Message]:
        found = [*self.workspace.messages(place.id), *self.workspace.ephemerals(place.id, self.id)]
        return sorted(found, key=lambda message: message.ts)

    def _recent(self, place: Channel) -> str:
        lines = [f"  {message.user}: {message.text}" for message in self._all(place)[-10:]]
        return "\n".join(["There:", *lines]) if lines else "Nothing is there."

    def _before_them(self) -> str:
        return f"Before them: {self.modal!r}. Told: {[notice.text for notice in self.notices[-3:]]}."

    @contextmanager
    def _watching(self, what: str, instead: Callable[[], str]) -> Iterator[Feed]:
        try:
            with self.workspace.subscribe() as feed:
                yield feed
        except TimeoutError:
            raise NotSeen(f"{self.user.name} did not see {what}. {instead()}") from None
