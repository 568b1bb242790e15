"""Everything that time causes: APScheduler's beats, each with a heartbeat in the store.

A beat runs at its interval, at the moment its last run asked for, and at once when it is woken because there is work.
It never runs twice at the same time, and one that raises is logged, counted, and beats again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from providers.accounts import Clock
from storage.store import Store

log = structlog.get_logger(__name__)

HEARTBEAT_EVERY = timedelta(seconds=5)
"""A beat that runs more often than this is noted in the store only so often."""
LATE_AFTER = 3
LATE_GRACE = timedelta(seconds=15)
"""A beat is late when it has not run to its end for that many intervals and this much more."""
GATHER_SECONDS = 0.05
"""A beat that is woken waits this long: the person who caused the work is answered first, and a burst is one run."""
SOONEST = timedelta(milliseconds=20)
WATCH_SECONDS = 5.0
"""How often it is looked whether the clock was set back."""
SET_BACK = timedelta(seconds=2)
"""By how much, so that it matters; less is how clocks are kept right."""


@dataclass(slots=True)
class _Beat:
    name: str
    run: Callable[[], Awaitable[datetime | None]]
    every: timedelta
    task: asyncio.Task[None] | None = None
    soon: asyncio.TimerHandle | None = None
    again: bool = False
    failures: int = 0
    last: datetime | None = None
    noted: datetime | None = field(default=None)
    due: datetime | None = field(default=None)
    """When APScheduler will run it next, beside its interval."""


@dataclass(frozen=True, slots=True)
class Beaten:
    """How a beat is doing. `age` is since it last ran to its end, or since it was set; `failures` since the start."""

    name: str
    age: timedelta
    failures: int
    is_late: bool


def is_late(age: timedelta, every: timedelta) -> bool:
    """Whether a beat should have run to its end again by now."""
    return age > LATE_AFTER * every + LATE_GRACE


class Beats:
    """The beats of the house."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        self._beats: dict[str, _Beat] = {}
        self._stopping = False
        self._watching: asyncio.TimerHandle | None = None

    def add(self, name: str, run: Callable[[], Awaitable[datetime | None]], every: timedelta) -> None:
        """Call `run` every `every`; what it returns is when it wants to be called at the latest (None: no wish)."""
        self._beats[name] = beat = _Beat(name, run, every)
        if self._scheduler.running:
            self._schedule(beat)

    def start(self) -> None:
        """Begin to beat; every beat runs once at once."""
        for beat in self._beats.values():
            self._schedule(beat)
        self._scheduler.start()
        self.wake(*self._beats)
        self._watch_clock(self._clock.now(), asyncio.get_running_loop().time())

    def _schedule(self, beat: _Beat) -> None:
        beat.last, beat.noted = self._clock.now(), None
        self._scheduler.add_job(
            self._tick,
            "interval",
            args=[beat.name],
            seconds=beat.every.total_seconds(),
            id=beat.name,
            misfire_grace_time=None,
            coalesce=True,
            replace_existing=True,
        )

    def _watch_clock(self, before: datetime, then: float) -> None:
        """Notice that the clock was set back: APScheduler would wait until the old time has come round again."""
        loop = asyncio.get_running_loop()
        now, steady = self._clock.now(), loop.time()
        lost = timedelta(seconds=steady - then) - (now - before)
        if lost > SET_BACK:
            log.warning("clock_set_back", seconds=round(lost.total_seconds()))
            for beat in self._beats.values():
                beat.due = None
                self._schedule(beat)
            self.wake(*self._beats)
        if not self._stopping:
            self._watching = loop.call_later(WATCH_SECONDS, self._watch_clock, now, steady)

    def wake(self, *names: str) -> None:
        """There is work for these beats now. Cheap: may be called on every change."""
        for name in names:
            beat = self._beats.get(name)
            if beat is None or self._stopping:
                continue
            if beat.task is not None and not beat.task.done():
                beat.again = True
            elif beat.soon is None:
                # In a context of its own: what is logged there is not about the request of whoever woke it.
                beat.soon = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._begin, beat, context=Context())

    def _begin(self, beat: _Beat) -> None:
        beat.soon = None
        if not self._stopping:
            beat.task = asyncio.create_task(self._run(beat), name=f"beat:{beat.name}")

    def late(self) -> list[str]:
        """The beats that should have run to their end by now and have not."""
        return [beat.name for beat in self.seen() if beat.is_late]

    def seen(self) -> list[Beaten]:
        """The beats that were started, and how each is doing."""
        now = self._clock.now()
        return [
            Beaten(beat.name, now - beat.last, beat.failures, is_late(now - beat.last, beat.every))
            for beat in self._beats.values()
            if beat.last is not None
        ]

    async def stop(self, seconds: float) -> None:
        """Let running beats come to their end, for at most `seconds`."""
        self._stopping = True
        if self._watching is not None:
            self._watching.cancel()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        running = [beat.task for beat in self._beats.values() if beat.task is not None and not beat.task.done()]
        if running:
            _, late = await asyncio.wait(running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _tick(self, name: str) -> None:
        self.wake(name)  # a coroutine function: APScheduler would run a plain one in a thread

    async def _run(self, beat: _Beat) -> None:
        wanted: datetime | None = None
        while True:
            beat.again = False
            try:
                wanted = await beat.run()
                await self._note(beat)
            except Exception:
                beat.failures += 1
                wanted = None
                log.exception("beat_broke", beat=beat.name, failures=beat.failures)
                break
            if not beat.again or self._stopping:
                break
            await asyncio.sleep(GATHER_SECONDS)
        self._run_at(beat, wanted)

    def _run_at(self, beat: _Beat, wanted: datetime | None) -> None:
        now = self._clock.now()
        if wanted is None or self._stopping or (beat.due is not None and now < beat.due <= wanted):
            return  # it runs sooner than that anyway, and then asks anew
        if wanted < now + beat.every:
            beat.due = max(wanted, now + SOONEST)
            self._scheduler.add_job(
                self._tick,
                "date",
                args=[beat.name],
                run_date=beat.due,
                id=f"{beat.name}:due",
                replace_existing=True,
                misfire_grace_time=None,
            )

    async def _note(self, beat: _Beat) -> None:
        now = self._clock.now()
        beat.last = now
        if beat.noted is None or now - beat.noted >= HEARTBEAT_EVERY:
            beat.noted = now
            await self._store.beats.ran(beat.name, now)
