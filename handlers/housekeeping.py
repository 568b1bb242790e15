"""Housekeeping: what is old enough is thrown away, a little at a time. No Slack here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from providers.accounts import Clock
from storage.housekeeping import Attic

ROUND_EVERY = timedelta(hours=1)
"""From the end of one round to the beginning of the next."""
BITES_AT_ONCE = 20
"""Then it is for the next beat to go on: a stop need not wait long for this."""
BREATH_SECONDS = 0.02
"""Between two bites, so that whoever waits for the writer has it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """For how long what may be forgotten is kept."""

    drafts: timedelta
    messages: timedelta
    digests: timedelta
    hand_overs: timedelta
    heartbeats: timedelta


class Housekeeping:
    """Throws away what nobody needs again."""

    def __init__(self, attic: Attic, kept: Kept, clock: Clock) -> None:
        self._attic = attic
        self._kept = kept
        self._clock = clock
        self._left: list[Callable[[], Awaitable[bool]]] = []
        """What is left of this round; each says whether there is more of its kind."""
        self._next_round = clock.now()

    async def tidy(self) -> datetime | None:
        """Go on with the round, or begin one; returns when it wants to go on, None when the round is over."""
        if not self._left:
            now = self._clock.now()
            if now < self._next_round <= now + ROUND_EVERY:
                return None
            self._next_round = now + ROUND_EVERY
            self._left = self._round(now)
        for _ in range(BITES_AT_ONCE):
            if not await self._left[0]():
                self._left.pop(0)
            if not self._left:
                return None
            await asyncio.sleep(BREATH_SECONDS)
        return self._clock.now()

    def _round(self, now: datetime) -> list[Callable[[], Awaitable[bool]]]:
        attic, kept = self._attic, self._kept
        return [
            lambda: attic.forget_drafts(now - kept.drafts),
            lambda: attic.forget_digests((now - kept.digests).date()),
            lambda: attic.forget_hand_overs(now - kept.hand_overs),
            lambda: attic.forget_heartbeats(now - kept.heartbeats),
            lambda: attic.forget_messages(now - kept.messages),
        ]
