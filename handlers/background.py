"""Work that goes on after an answer was given: tracked, bounded, drained at shutdown, never silent when it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)

AT_ONCE = 8
"""Tasks that run at a time; the rest wait in order, so that a burst of commands cannot starve the answers to clicks."""

OnError = Callable[[Exception], Awaitable[None]]


class Background:
    """Our own tasks. A listener hands over what would take longer than an answer may."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(at_once)
        self.is_draining = False
        """Whether the process is about to end: work with several steps begins no further one."""

    def spawn(self, work: Coroutine[Any, Any, None], on_error: OnError | None = None) -> None:
        """Run `work` soon. If it raises, that is logged and `on_error` tells whoever is waiting for it, if anybody."""
        task = asyncio.create_task(self._run(work, on_error))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def drain(self, seconds: float) -> None:
        """Let what runs come to its end, for at most `seconds`; then cancel it."""
        self.is_draining = True
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def settled(self) -> None:
        """Wait until nothing runs any more (for tests)."""
        while self._running:
            await asyncio.wait(self._running)

    async def _run(self, work: Coroutine[Any, Any, None], on_error: OnError | None) -> None:
        try:
            async with self._turn:
                await work
        except Exception as error:
            log.exception("background_work_broke")
            if on_error is None:
                return
            try:
                await on_error(error)
            except Exception:
                log.exception("telling_of_it_broke_too")
