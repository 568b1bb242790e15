"""How fast Slack is answered while the poller works as fast as it can, beside the same house with nothing due.

Both are `postroom run` with as many jobs at a provider that answers at once; of the one all are due, of the other none
before tomorrow. They run one after the other, round by round.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bench.answering import COMMAND, Cell, Scene
from tests.bench.polling import fill, serving
from tests.bench.prepare import Prepared
from tests.bench.processes import free_port, outside, running
from tests.bench.world import environment, settings_file

AT_A_TIME = 16
WARM_UP = 150
_ACCOUNT = """
[accounts.bench-main]
provider = "bench"
base_url = "http://127.0.0.1:{port}/0"
min_seconds_between_calls = 0
"""


@dataclass(slots=True)
class Answered:
    """A value for each round: seconds that all but one answer in a hundred took, and jobs looked at a second."""

    idle: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)

    def ratio(self) -> float:
        """The median of the rounds' ratios."""
        return statistics.median(busy / idle for busy, idle in zip(self.busy, self.idle, strict=True))


async def measure_busy(jobs: int, requests: int, rounds: int, say: Callable[[str], None]) -> Answered:
    """`rounds` rounds of `requests` commands, with so many jobs."""
    answered = Answered()
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        folder, provider = Path(name), free_port()
        async with contextlib.AsyncExitStack() as stack:
            world = await stack.enter_async_context(outside(folder / "outside.log"))
            await stack.enter_async_context(serving(provider, folder / "provider.log"))
            settings = settings_file(folder, world["mailin"])
            with settings.open("a") as more:
                more.write(_ACCOUNT.format(port=provider))
            for number in range(rounds):
                for is_busy in (False, True) if number % 2 else (True, False):
                    say(f"round {number + 1} of {rounds}: commands, {'all jobs' if is_busy else 'nothing'} due")
                    database, port = folder / f"{number}-{is_busy}.db", free_port()
                    fill(database, jobs, due=datetime.now(UTC) + timedelta(days=0 if is_busy else 1))
                    its_own = environment(settings, database, port, world["slack"])
                    house = ["-m", "tests.bench.servers", "watching"]
                    async with running(house, port, its_own, folder / "house.log"):
                        scene = Scene({}, port, int(world["port"]), None, Prepared((), ()))
                        await scene.play(COMMAND, WARM_UP, AT_A_TIME, Cell())
                        before, began, cell = _looks(database), asyncio.get_running_loop().time(), Cell()
                        await scene.play(COMMAND, requests, AT_A_TIME, cell)
                        took, looked = asyncio.get_running_loop().time() - began, _looks(database) - before
                    if is_busy:
                        if not looked:
                            raise RuntimeError("the poller did not work while it was measured")
                        answered.looks.append(looked / took)
                    (answered.busy if is_busy else answered.idle).append(cell.p99)
    return answered


def _looks(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as reading:
        return int(reading.execute("SELECT SUM(attempts) FROM jobs").fetchone()[0])
