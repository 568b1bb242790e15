"""The poller and its beat over a database, as the house has them, and a provider to watch; nothing else is loaded.

`python -m tests.bench.watched PATH` waits with many jobs of which none is due, and tells what it uses meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from bot.memory import keep_what_is_here
from bot.scheduler import Beats
from handlers.jobs import Jobs
from handlers.life import Life
from handlers.policy import JobTimes, Policy, Terms
from providers.accounts import Account, AccountSettings
from providers.action import Action, Effect, Outcome, Pending
from providers.catalogue import Catalogue
from providers.http import Transport
from providers.provider import Client, Provider
from storage.sqlite import SqliteDatabase
from storage.store import Store
from tests.bench.processes import resident_mib

IDLE_SECONDS = 10
_TIMES = JobTimes(timedelta(days=1), timedelta(days=1), timedelta(days=30), timedelta(minutes=5), timedelta(days=1))


class Clock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class Nobody:
    """A workspace without anybody in it."""

    async def members(self, group: str) -> frozenset[str]:
        return frozenset()

    async def is_active(self, user: str) -> bool:
        return True

    async def time_zone(self, user: str) -> str:
        return "UTC"

    async def is_open(self, channel: str) -> bool:
        return True


class Order(Action, provider="bench", command="order make", title="Make an order", effect=Effect.WRITE):
    """Make an order."""

    number: int

    async def poll(self, client: Transport, ref: Mapping[str, JsonValue]) -> Outcome:
        answer = await client.call("GET", f"/orders/{self.number}", effect=Effect.READ)
        assert isinstance(answer.body, dict)
        return Pending(ref={}, progress=str(answer.body["state"]))


class _Settings(AccountSettings):
    """An account at the provider of this file."""


def provider() -> Provider:
    """The provider of this file, as the catalogue takes one."""

    def connect(name: str, settings: _Settings, clock: Any, *, sleep: Any = asyncio.sleep) -> Client:
        return _Orders(Transport(str(settings.base_url), account=name, clock=clock, sleep=sleep), clock)

    return Provider("bench", "Bench", _Settings, connect, (Order,))


class _Orders(Client):
    async def call(self, *args: Any, **kwargs: Any) -> Any:
        return await self._transport.call(*args, **kwargs)


@asynccontextmanager
async def watching(path: Path, client: Any, *actions: type[Action]) -> AsyncIterator[tuple[Beats, Store]]:
    """The poller and its beat over a database, as the house has them."""
    store = Store(SqliteDatabase(path))
    clock = Clock()
    beats = Beats(store, clock)
    provider = actions[0].provider
    life = Life(
        store=store,
        catalogue=Catalogue(actions),
        accounts={f"{provider}-main": Account(f"{provider}-main", provider, client)},
        policy=Policy(Terms(("U0OMAR",)), "C0APPROVALS"),
        times=_TIMES,
        directory=Nobody(),
        clock=clock,
        chance=random.random,
        changed=beats.wake,
    )
    jobs = Jobs(
        store=store, requests=life.requests, outcomes=life.outcomes, settling=life.settling, times=_TIMES, clock=clock,
        chance=random.random, changed=beats.wake,
    )  # fmt: skip
    beats.add("jobs", jobs.look, timedelta(seconds=5))
    beats.start()
    keep_what_is_here()
    try:
        yield beats, store
    finally:
        await beats.stop(5)
        await jobs.looks.drain(30)
        store.close()


async def _idle(path: Path) -> None:
    client = Transport("http://127.0.0.1:1", account="bench-main", clock=Clock())
    async with watching(path, client, Order):
        await _tell_use()


async def _tell_use() -> None:
    await asyncio.sleep(2)
    before = time.process_time()
    await asyncio.sleep(IDLE_SECONDS)
    used = (time.process_time() - before) * 60 / IDLE_SECONDS
    print(json.dumps([used, resident_mib(os.getpid())]))


if __name__ == "__main__":
    asyncio.run(_idle(Path(sys.argv[1])))
