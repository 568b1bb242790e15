"""How fast jobs are watched: the real poller, store and transport, beside bare httpx over aiohttp without a database.

The provider is a process of its own that answers after a while: `python -m tests.bench.polling serve PORT`.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from httpx_aiohttp import AiohttpTransport
from pydantic import SecretStr

from handlers.jobs import LOOKS_AT_ONCE
from providers.http import Transport
from providers.mailin.actions.domains import TransferDomain
from providers.mailin.client import MailinSettings, connect
from providers.mailin.sandbox import SANDBOX_EMAIL, SANDBOX_PASSWORD, MailinSandbox, serve
from storage.sqlite import SqliteDatabase
from tests.bench import peers
from tests.bench.processes import Server, free_port, running
from tests.bench.report import Line
from tests.bench.watched import IDLE_SECONDS, Clock, Order, watching

THINK_SECONDS = 0.05
PAGE = 100
_FILL = """
    INSERT INTO requests (
        id, team, requester, channel, command, created_at, updated_at, state, provider, account, input, quote, reason,
        fingerprint, view_id, checking_since, decided_by, decided_at, decision_reason, outcome, asks_person, lease_until
    )
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :rows)
    SELECT 'req_' || n, 'T0', 'U0ANA', 'C0OUTREACH', :command, :now, :now, 'working', :provider, :account,
        replace(:input, '%', n), NULL, '', '', '', NULL, 'U0OMAR', :now, '', '{"kind": "pending", "ref": {}}', 0, NULL
    FROM numbers
"""
_JOBS = """
    INSERT INTO jobs (request_id, account, kind, ref, due_at, deadline_at, started_at, attempts, lease_until, action)
    SELECT id, account, 'poll', '{}', :due, '2100-01-01T00:00:00.000000+00:00', created_at, 1, '',
        provider || '/' || command
    FROM requests
"""

_APSCHEDULER = """
import asyncio, datetime, json, sys, time
from apscheduler.schedulers.asyncio import AsyncIOScheduler

def nothing(): pass

async def main(count, seconds):
    scheduler = AsyncIOScheduler(timezone="UTC")
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    for number in range(count):
        scheduler.add_job(nothing, "date", run_date=at, id=str(number))
    scheduler.start()
    await asyncio.sleep(2)
    before = time.process_time()
    await asyncio.sleep(seconds)
    used = (time.process_time() - before) * 60 / seconds
    resident = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
    print(json.dumps([used, int(resident.split()[1]) / 1024]))

asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
"""
"""The peer that waits, with nothing else in its process."""


@dataclass(slots=True)
class Polled:
    """A value for each round."""

    slow: list[float] = field(default_factory=list)
    """Jobs a second at a provider that thinks for a while."""
    ours: list[float] = field(default_factory=list)
    """Jobs a second at one that answers at once."""
    bare_slow: list[float] = field(default_factory=list)
    """The calls of `slow` by httpx over aiohttp, nothing stored: what is left of the bound without any house."""
    bare: list[float] = field(default_factory=list)
    """The same of `ours`."""
    peers: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    """The same by others, each with a file of its own. Who is not installed is missing."""
    stall_ms: float = 0.0
    """The longest time for which nothing else got its turn, with many jobs overdue at once."""
    idle: tuple[float, float] = (0.0, 0.0)
    """CPU seconds a minute and MiB, with many jobs of which none is due."""
    idle_apscheduler: tuple[float, float] = (0.0, 0.0)
    listing_calls: int = 0
    listing_pages: int = 0

    def lines(self) -> list[Line]:
        """The goals about polling."""
        bound = LOOKS_AT_ONCE / THINK_SECONDS
        beside = statistics.median(ours / bare for ours, bare in zip(self.ours, self.bare, strict=True))
        return [
            Line("poller, 50 ms of think time / the bound", statistics.median(self.slow) / bound, 0.8, at_least=True),
            Line("poller / bare httpx-aiohttp without a database", beside, 0.7, at_least=True),
            Line("poller / Procrastinate on PostgreSQL", self._beside("procrastinate"), 5, at_least=True),
            Line("poller / APScheduler's SQL store", self._beside("apscheduler"), 4, at_least=True),
            Line("poller / Huey on SQLite", self._beside("huey"), 2, at_least=True),
            Line("many jobs overdue at once: longest stall", self.stall_ms, 150, unit=" ms"),
            Line("many jobs waiting, none due: CPU a minute", self.idle[0], 0.3, unit=" s"),
            Line("the same: resident memory / APScheduler's", self.idle[1] / self.idle_apscheduler[1], 0.5),
            Line("calls for 5,000 waiting domains", self.listing_calls, self.listing_pages + 1),
        ]

    def _beside(self, peer: str) -> float | None:
        """How many times as fast as a peer; None where it is not installed."""
        if peer not in self.peers:
            return None
        return statistics.median(ours / its for ours, its in zip(self.ours, self.peers[peer], strict=True))


async def measure_polling(jobs: int, many: int, rounds: int, say: Callable[[str], None]) -> Polled:
    """`rounds` rounds of `jobs` looks; `many` are those that are overdue, or wait, at once."""
    polled = Polled()
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        folder, port = Path(name), free_port()
        async with serving(port, folder / "server.log"):
            for number in range(rounds):
                say(f"round {number + 1} of {rounds}: jobs at a provider")
                polled.slow.append((await _poll(folder / f"slow{number}.db", port, jobs, THINK_SECONDS))[0])
                polled.bare_slow.append(await _bare(port, jobs, THINK_SECONDS))
                polled.bare.append(await _bare(port, jobs, 0))
                polled.ours.append((await _poll(folder / f"ours{number}.db", port, jobs, 0))[0])
                for peer in filter(peers.is_installed, peers.NEEDS):
                    say(f"round {number + 1} of {rounds}: {peer}")
                    own = folder / f"{peer}{number}"
                    own.mkdir()
                    polled.peers.setdefault(peer, []).append(await peers.rate_of(peer, port, jobs // 5, own))
            say(f"{many:,} jobs overdue at once")
            polled.stall_ms = (await _poll(folder / "overdue.db", port, many, 0, until=max(many // 10, jobs)))[1] * 1000
        say(f"idle with {many:,} jobs")
        waiting = folder / "waiting.db"
        fill(waiting, many, due=datetime.now(UTC) + timedelta(days=1))
        polled.idle = await _apart("-m", "tests.bench.watched", str(waiting))
        polled.idle_apscheduler = await _apart("-c", _APSCHEDULER, str(many), str(IDLE_SECONDS))
        say("5,000 domains in one listing")
        polled.listing_calls, polled.listing_pages = await _listing(folder / "listing.db")
    return polled


def serving(port: int, log: Path) -> AbstractAsyncContextManager[Server]:
    """The provider of this file, in a process of its own."""
    return running(("-m", "tests.bench.polling", "serve", str(port)), port, {}, log)


def fill(path: Path, rows: int, *, due: datetime, command: str = "order make", given: str = '{"number": %}') -> None:
    """Put so many requests that a provider works on into a new database, their jobs due at one moment."""
    provider = "bench" if command == "order make" else "mailin"
    database = SqliteDatabase(path)
    db = database._writer  # nobody else uses it yet
    db.execute("BEGIN")
    filled = {
        "rows": rows, "command": command, "provider": provider, "account": f"{provider}-main", "input": given,
        "now": _text(datetime.now(UTC)),
    }  # fmt: skip
    db.execute(_FILL, filled)
    db.execute(_JOBS, {"due": _text(due)})
    db.execute("COMMIT")
    database.close()


async def _poll(path: Path, port: int, rows: int, think: float, until: int | None = None) -> tuple[float, float]:
    """Jobs a second, and the longest stall in seconds, until so many of the rows were looked at (all if None)."""
    fill(path, rows, due=datetime.now(UTC) - timedelta(minutes=1))
    wanted = until or rows
    asked = 0
    finished = asyncio.Event()

    class Counting(Transport):
        async def call(self, *args: Any, **kwargs: Any) -> Any:
            nonlocal asked
            answer = await super().call(*args, **kwargs)
            asked += 1
            if asked == wanted:
                finished.set()
            return answer

    client = Counting(f"http://127.0.0.1:{port}/{think}", account="bench-main", clock=Clock())
    async with watching(path, client, Order):
        stalls = asyncio.create_task(_longest_stall(finished))
        started = time.perf_counter()
        await finished.wait()
        took = time.perf_counter() - started
        stall = await stalls
    await client.aclose()
    return wanted / took, stall


async def _longest_stall(finished: asyncio.Event) -> float:
    longest = 0.0
    while not finished.is_set():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        longest = max(longest, time.perf_counter() - before - 0.001)
    return longest


async def _bare(port: int, count: int, think: float) -> float:
    left = iter(range(count))
    async with httpx.AsyncClient(transport=AiohttpTransport()) as client:

        async def ask() -> None:
            for number in left:
                answer = await client.get(f"http://127.0.0.1:{port}/{think}/orders/{number}")
                assert answer.json()["state"]

        started = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(LOOKS_AT_ONCE)))
        return count / (time.perf_counter() - started)


async def _listing(path: Path) -> tuple[int, int]:
    names = [f"acme{number}.com" for number in range(1, 5001)]
    clock = Clock()
    sandbox = MailinSandbox(clock)
    sandbox.own(*names)
    for name in names:
        sandbox.domains[name].active_at += timedelta(days=1)
    transfers = '{"domain": "acme%.com", "hosting": "smtp", "uid": null}'
    fill(path, len(names), due=datetime.now(UTC), command="domain transfer", given=transfers)
    async with serve(sandbox) as at:
        settings = MailinSettings(
            provider="mailin", base_url=at.url, email=SANDBOX_EMAIL, password=SecretStr(SANDBOX_PASSWORD),
            min_seconds_between_calls=0,
        )  # fmt: skip
        client = connect("mailin-main", settings, clock, sleep=asyncio.sleep)
        await client.find_domain("log.in")
        before = sandbox.calls.total()
        async with watching(path, client, TransferDomain) as (_, store):
            while (due := await store.jobs.next_due()) is None or due < clock.now() + timedelta(hours=1):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await client.aclose()
        return sandbox.calls.total() - before, len(names) // PAGE


async def _apart(*arguments: str) -> tuple[float, float]:
    """What a process of its own used: CPU seconds a minute, MiB."""
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    cpu, resident = json.loads(out.splitlines()[-1])
    return cpu, resident


async def _provider(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    first = str(scope["path"]).split("/")[1]
    if first != "readyz" and float(first) > 0:
        await asyncio.sleep(float(first))
    body = b'{"state": "being made", "ready": true}'
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def main() -> None:
    """One of the processes that `measure_polling` starts."""
    match sys.argv[1:]:
        case ["serve", port]:
            uvicorn.run(_provider, host="127.0.0.1", port=int(port), log_level="warning", lifespan="off")


if __name__ == "__main__":
    main()
