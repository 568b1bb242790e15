"""Others who could have asked the provider: `python -m tests.bench.peers PEER PORT JOBS FOLDER`.

Each is the whole of a process, with all its jobs in a database of its own and due at the beginning; it prints how many
jobs a second it worked off. What it needs beside Postroom's own libraries is the extra `bench`, and Procrastinate a
PostgreSQL server to start.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bot.cli import fast_loop
from tests.bench import postgres

NEEDS = {"procrastinate": "procrastinate", "apscheduler": "sqlalchemy", "huey": "huey"}
AT_ONCE = 100
"""Jobs of APScheduler's that are asked about at a time, as in the house."""
THREADS = 16
"""Huey's, which blocks: more of them were no faster."""


def is_installed(peer: str) -> bool:
    """Whether a peer can be measured here."""
    return find_spec(NEEDS[peer]) is not None and (peer != "procrastinate" or postgres.is_installed())


async def rate_of(peer: str, port: int, jobs: int, folder: Path) -> float:
    """Its jobs a second, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.peers", peer, str(port), str(jobs), str(folder),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    return float(json.loads(out.splitlines()[-1]))


# APScheduler with its SQL store, the calls by httpx over aiohttp.


@dataclass(slots=True)
class _Work:
    http: Any
    left: int
    asking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    finished: asyncio.Event = field(default_factory=asyncio.Event)


works: list[_Work] = []
"""The one under way: a stored job is a function of a module, and has nowhere else to find it."""


async def _ask(number: int) -> None:
    [work] = works
    async with work.asking:
        answer = await work.http.get(f"/0/orders/{number}")
        assert answer.json()["state"]
    work.left -= 1
    if not work.left:
        work.finished.set()


async def _apscheduler(port: int, jobs: int, folder: Path) -> float:
    import httpx  # noqa: PLC0415
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore  # noqa: PLC0415
    from apscheduler.schedulers.asyncio import AsyncIOScheduler  # noqa: PLC0415
    from httpx_aiohttp import AiohttpTransport  # noqa: PLC0415
    from sqlalchemy import create_engine  # noqa: PLC0415

    from tests.bench import peers  # noqa: PLC0415 (the module under the name that is stored)

    engine = create_engine(f"sqlite:///{folder / 'apscheduler.db'}")
    with engine.connect() as setting:
        setting.exec_driver_sql(
            "PRAGMA journal_mode = WAL"
        )  # as our own file; its commits cost a tenth of the default's
    store = SQLAlchemyJobStore(engine=engine)
    scheduler = AsyncIOScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start(paused=True)
    due = datetime.now(UTC) - timedelta(minutes=1)
    for number in range(jobs):
        scheduler.add_job(
            "tests.bench.peers:_ask", "date", run_date=due, args=[number], id=str(number), misfire_grace_time=None
        )
    async with httpx.AsyncClient(transport=AiohttpTransport(), base_url=f"http://127.0.0.1:{port}") as client:
        work = _Work(client, jobs)
        peers.works.append(work)
        started = time.perf_counter()
        scheduler.resume()
        await work.finished.wait()
        took = time.perf_counter() - started
    scheduler.shutdown(wait=False)
    return jobs / took


# Huey on SQLite, the calls by plain blocking connections that are kept.


def _huey(port: int, jobs: int, folder: Path) -> float:
    from huey import SqliteHuey  # noqa: PLC0415

    queue = SqliteHuey(filename=str(folder / "huey.db"), results=False, fsync=True)
    kept, left, counting, finished = threading.local(), jobs, threading.Lock(), threading.Event()

    def ask(number: int) -> None:
        nonlocal left
        if not hasattr(kept, "http"):
            kept.http = http.client.HTTPConnection("127.0.0.1", port)
        kept.http.request("GET", f"/0/orders/{number}")
        assert json.loads(kept.http.getresponse().read())["state"]
        with counting:
            left -= 1
            if not left:
                finished.set()

    task = queue.task()(ask)
    for number in range(jobs):
        task(number)
    consumer = queue.create_consumer(workers=THREADS, worker_type="thread", periodic=False)
    started = time.perf_counter()
    consumer.start()
    finished.wait()
    took = time.perf_counter() - started
    consumer.stop(graceful=False)
    return jobs / took


def main() -> None:
    """One of the peers."""
    peer, port, jobs, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    if peer == "huey":
        rate = _huey(port, jobs, folder)
    else:
        with asyncio.Runner(loop_factory=fast_loop()) as runner:  # as fast a loop as the house has
            asking = postgres.procrastinate(port, jobs) if peer == "procrastinate" else _apscheduler(port, jobs, folder)
            rate = runner.run(asking)
    print(json.dumps(rate), flush=True)


if __name__ == "__main__":
    main()
