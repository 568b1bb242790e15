"""How long the house takes to get ready, and what it weighs then, beside a process that only makes a bare Bolt app."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.bench.processes import free_port, outside, resident_mib
from tests.bench.world import environment, settings_file

_BARE = (
    "from slack_bolt.app.async_app import AsyncApp; "
    "AsyncApp(token='xoxb-bench', signing_secret='bench'); print('ready', flush=True); input()"
)


@dataclass(slots=True)
class Starts:
    """Seconds until ready and MiB then, a value for each round."""

    house: list[float] = field(default_factory=list)
    house_mib: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    bare_mib: list[float] = field(default_factory=list)

    def ratio(self) -> float:
        """The median of the rounds' ratios."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.house, self.bare, strict=True))


async def measure_starts(rounds: int, say: Callable[[str], None]) -> Starts:
    """Start each in turn, `rounds` times after one that does not count. Ready: the line in the log that says so."""
    starts = Starts()
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        folder = Path(name)
        async with outside(folder / "outside.log") as world:
            settings = settings_file(folder, world["mailin"])
            for number in range(rounds + 1):
                say(f"start {number} of {rounds}")
                port = free_port()
                its_own = environment(settings, folder / f"{number}.db", port, world["slack"])
                house = _started([sys.executable, "-m", "bot.cli", "run"], its_own, "stderr")
                bare = _started([sys.executable, "-c", _BARE], {}, "stdout")
                if number:
                    starts.house.append(house[0])
                    starts.house_mib.append(house[1])
                    starts.bare.append(bare[0])
                    starts.bare_mib.append(bare[1])
    return starts


def _started(command: Sequence[str], extra: Mapping[str, str], speaks_on: str) -> tuple[float, float]:
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        env={**os.environ, **extra},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if speaks_on == "stdout" else subprocess.DEVNULL,
        stderr=subprocess.PIPE if speaks_on == "stderr" else subprocess.DEVNULL,
    )
    try:
        said: IO[bytes] | None = getattr(process, speaks_on)
        assert said is not None
        told = b""
        for line in said:
            if b"ready" in line:
                return time.monotonic() - began, resident_mib(process.pid)
            told += line
        raise RuntimeError(f"{' '.join(command)} ended before it was ready:\n{told.decode()}")
    finally:
        process.kill()
        process.communicate()
