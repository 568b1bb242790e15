"""The beats: on time, one run at a time, not silenced by what breaks, and at rest in bounded time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture

from bot import scheduler
from bot.app import SystemClock
from bot.scheduler import Beats
from storage.sqlite import SqliteDatabase
from storage.store import Store
from tests.house import HandClock

NEVER = timedelta(hours=1)
"""An interval that no test waits for: such a beat runs at the start, when it is woken, and when it asked to."""
QUICK = timedelta(seconds=0.1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(SqliteDatabase(tmp_path / "postroom.db"))
    yield opened
    opened.close()


@pytest.fixture
async def beats(store: Store) -> AsyncIterator[Beats]:
    beating = Beats(store, SystemClock())
    yield beating
    await beating.stop(1)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> LogCapture:
    """What the scheduler logs, however the process has set its logging up."""
    capture = LogCapture()
    monkeypatch.setattr(scheduler, "log", structlog.wrap_logger(structlog.PrintLogger(), processors=[capture]))
    return capture


class Work:
    """What a beat does: it takes a while, breaks if it is told to, and remembers how it was called."""

    def __init__(self, takes: float = 0.0) -> None:
        self.takes = takes
        self.breaks = False
        self.wants: datetime | None = None
        self.began: list[float] = []
        self.ended = 0
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self) -> datetime | None:
        self.began.append(time.monotonic())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.at_once -= 1
        if self.breaks:
            raise RuntimeError("out of order")
        self.ended += 1
        wanted, self.wants = self.wants, None
        return wanted


async def until(true: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


class TestOneAtATime:
    async def test_a_run_that_takes_longer_than_its_interval_is_never_joined_by_another(self, beats: Beats) -> None:
        slow = Work(takes=0.35)
        beats.add("slow", slow, QUICK)
        beats.start()
        await until(lambda: slow.ended >= 3)
        assert slow.most_at_once == 1

    async def test_whoever_wakes_it_while_it_runs_gets_one_run_more_and_no_further_one(self, beats: Beats) -> None:
        work = Work(takes=0.2)
        beats.add("work", work, NEVER)
        beats.start()
        await until(lambda: work.at_once == 1)
        for _ in range(20):
            beats.wake("work")
        await until(lambda: work.ended == 2)
        await asyncio.sleep(0.5)
        assert len(work.began) == 2
        assert work.most_at_once == 1

    async def test_a_burst_is_one_run(self, beats: Beats) -> None:
        work = Work()
        beats.add("work", work, NEVER)
        beats.start()
        await until(lambda: work.ended == 1)
        for _ in range(100):
            beats.wake("work", "of nobody")
        await until(lambda: work.ended == 2)
        await asyncio.sleep(0.3)
        assert len(work.began) == 2


class TestOnTime:
    async def test_what_fell_due_while_nothing_could_run_is_done_once_and_not_left_out(self, beats: Beats) -> None:
        work = Work()
        beats.add("work", work, QUICK)
        beats.start()
        await until(lambda: work.ended >= 2)
        before = len(work.began)
        stood_still = time.monotonic()
        time.sleep(1.5)  # noqa: ASYNC251 - the whole machine was suspended: fifteen runs were missed
        woken = time.monotonic()
        await until(lambda: len(work.began) > before)
        await asyncio.sleep(0.5)
        its_own = (time.monotonic() - woken) / QUICK.total_seconds()
        assert len(work.began) - before <= its_own + 2, "what was missed was done again and again"
        assert work.began[before] - stood_still > 1.4

    async def test_it_runs_when_it_asked_to(self, beats: Beats) -> None:
        work = Work()
        work.wants = datetime.now(UTC) + timedelta(seconds=0.4)
        beats.add("work", work, NEVER)
        beats.start()
        await until(lambda: work.ended == 2)
        assert 0.2 < work.began[1] - work.began[0] < 5

    async def test_a_moment_that_passed_while_nothing_could_run_is_not_forgotten(self, beats: Beats) -> None:
        work = Work()
        work.wants = datetime.now(UTC) + timedelta(seconds=0.4)
        beats.add("work", work, NEVER)
        beats.start()
        await until(lambda: work.ended == 1)
        await asyncio.sleep(0.1)  # it is set by now
        time.sleep(2)  # noqa: ASYNC251 - longer than APScheduler forgives by itself
        await until(lambda: work.ended == 2)

    async def test_one_that_hangs_keeps_back_no_other(self, beats: Beats) -> None:
        hanging, other = Work(takes=60), Work()
        beats.add("hanging", hanging, QUICK)
        beats.add("other", other, QUICK)
        beats.start()
        await until(lambda: other.ended >= 3)
        assert (hanging.ended, len(hanging.began)) == (0, 1)


class TestOneThatBreaks:
    async def test_it_is_logged_and_counted_and_beats_again(self, beats: Beats, store: Store, log: LogCapture) -> None:
        broken, other = Work(), Work()
        broken.breaks = True
        beats.add("broken", broken, QUICK)
        beats.add("other", other, QUICK)
        beats.start()
        await until(lambda: len(broken.began) >= 3)
        said = [line for line in log.entries if line["event"] == "beat_broke"]
        assert [line["beat"] for line in said[:2]] == ["broken", "broken"]
        assert [line["failures"] for line in said[:2]] == [1, 2]
        assert all(line["exc_info"] for line in said)
        assert {one.name: one.failures for one in beats.seen()}["broken"] >= 2
        assert other.ended >= 2
        assert "broken" not in await store.beats.last()

        broken.breaks = False
        failures = next(one.failures for one in beats.seen() if one.name == "broken")
        await until(lambda: broken.ended >= 2)
        assert next(one.failures for one in beats.seen() if one.name == "broken") <= failures + 1
        assert "broken" in await store.beats.last()

    async def test_so_it_is_when_the_heartbeat_itself_cannot_be_written(
        self, beats: Beats, store: Store, log: LogCapture
    ) -> None:
        work = Work()
        beats.add("work", work, QUICK)
        store.close()
        beats.start()
        await until(lambda: work.ended >= 2)
        assert [line["beat"] for line in log.entries if line["event"] == "beat_broke"][:1] == ["work"]


class TestHeartbeat:
    async def test_the_store_has_it_and_is_not_written_to_at_every_run(self, store: Store) -> None:
        clock = HandClock()
        beats = Beats(store, clock)
        work = Work()
        beats.add("work", work, NEVER)
        beats.start()
        await until(lambda: work.ended == 1)
        began = clock.now()
        heard = []
        for runs in (2, 3, 4):
            clock.advance(seconds=2)
            beats.wake("work")
            await until(lambda runs=runs: work.ended == runs)  # type: ignore[misc]
            await asyncio.sleep(0.2)  # what comes after a run: the note of it
            heard.append((await store.beats.last())["work"] - began)
        assert heard == [timedelta(0), timedelta(0), timedelta(seconds=6)]
        await beats.stop(1)

    async def test_after_the_clock_was_set_back_it_is_noted_by_the_new_time(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scheduler, "WATCH_SECONDS", 0.05)
        clock = HandClock()
        beats = Beats(store, clock)
        work = Work()
        beats.add("work", work, NEVER)
        beats.start()
        await until(lambda: work.ended == 1)
        clock.advance(hours=-1)
        await until(lambda: work.ended > 1)
        await asyncio.sleep(0.2)
        assert (await store.beats.last())["work"] == clock.now()
        await beats.stop(1)

    async def test_one_is_late_after_three_of_its_intervals_and_a_grace(self, store: Store) -> None:
        clock = HandClock()
        beats = Beats(store, clock)
        often, seldom = Work(), Work()
        beats.add("often", often, timedelta(seconds=5))
        beats.add("seldom", seldom, timedelta(minutes=10))
        beats.start()
        await until(lambda: often.ended == seldom.ended == 1)
        often.takes = seldom.takes = 600  # from now on they hang
        clock.advance(seconds=30)
        assert beats.late() == []
        clock.advance(seconds=1)
        assert beats.late() == ["often"]
        clock.advance(minutes=31)
        assert beats.late() == ["often", "seldom"]
        await beats.stop(0)


class TestStopping:
    async def test_what_runs_comes_to_its_end(self, beats: Beats) -> None:
        work = Work(takes=0.5)
        beats.add("work", work, QUICK)
        beats.start()
        await until(lambda: work.at_once == 1)
        beats.wake("work")
        await beats.stop(10)
        assert (work.ended, len(work.began)) == (1, 1)
        await asyncio.sleep(0.4)
        assert len(work.began) == 1

    async def test_what_hangs_is_not_waited_for_longer_than_was_said(self, beats: Beats) -> None:
        hanging, brief = Work(takes=600), Work(takes=0.1)
        beats.add("hanging", hanging, NEVER)
        beats.add("brief", brief, NEVER)
        beats.start()
        await until(lambda: hanging.at_once == 1)
        began = time.monotonic()
        await beats.stop(0.5)
        assert 0.4 < time.monotonic() - began < 5
        assert (hanging.at_once, hanging.ended, brief.ended) == (0, 0, 1)

    async def test_who_is_woken_afterwards_sleeps_on(self, beats: Beats) -> None:
        work = Work()
        beats.add("work", work, NEVER)
        beats.start()
        await until(lambda: work.ended == 1)
        beats.wake("work")
        await beats.stop(1)
        beats.wake("work")
        await asyncio.sleep(0.3)
        assert len(work.began) == 1
