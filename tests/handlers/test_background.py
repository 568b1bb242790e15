"""Work that goes on after an answer was given."""

from __future__ import annotations

import asyncio

import structlog

from handlers.background import Background


async def test_what_is_handed_over_is_done_and_can_be_waited_for() -> None:
    done: list[int] = []
    background = Background()

    async def work(number: int) -> None:
        done.append(number)

    for number in range(20):
        background.spawn(work(number))
    assert done == []
    await background.settled()

    assert done == list(range(20))


async def test_so_many_run_at_a_time_and_the_rest_wait_in_order() -> None:
    background = Background(at_once=2)
    gate, full, running, order = asyncio.Event(), asyncio.Event(), set[int](), list[int]()

    async def work(number: int) -> None:
        running.add(number)
        order.append(number)
        assert len(running) <= 2
        if len(running) == 2:
            full.set()
        await gate.wait()
        running.discard(number)

    for number in range(6):
        background.spawn(work(number))
    await full.wait()
    gate.set()
    await background.settled()

    assert order == list(range(6))


async def test_what_breaks_is_logged_and_whoever_waits_is_told() -> None:
    background = Background()
    told: list[Exception] = []

    async def breaks() -> None:
        raise LookupError("it is gone")

    async def tell(error: Exception) -> None:
        told.append(error)

    with structlog.testing.capture_logs() as log:
        background.spawn(breaks(), tell)
        background.spawn(breaks())
        await background.settled()

    assert [str(error) for error in told] == ["it is gone"]
    assert [entry["event"] for entry in log] == ["background_work_broke"] * 2


async def test_telling_may_break_too_and_the_others_go_on() -> None:
    background = Background(at_once=1)
    done: list[str] = []

    async def breaks() -> None:
        raise LookupError("it is gone")

    async def tell(error: Exception) -> None:
        raise ConnectionError("nobody hears")

    async def works() -> None:
        done.append("after it")

    with structlog.testing.capture_logs() as log:
        background.spawn(breaks(), tell)
        background.spawn(works())
        await background.settled()

    assert done == ["after it"]
    assert [entry["event"] for entry in log] == ["background_work_broke", "telling_of_it_broke_too"]


async def test_at_shutdown_what_runs_comes_to_its_end() -> None:
    background = Background()
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append("it")

    background.spawn(work())
    await background.drain(5)

    assert done == ["it"]


async def test_at_shutdown_what_takes_too_long_is_cancelled() -> None:
    background = Background()
    ended: list[str] = []

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    background.spawn(hangs())
    await asyncio.sleep(0)
    await background.drain(0)

    assert ended == ["cancelled"]


async def test_nothing_to_drain() -> None:
    await Background().drain(5)
