"""A stage for watching: providers that only say when something is ready, and time that jumps to what happens next.

The store, its file, the requests and the poller are the real ones. While nothing can go on without time passing, it
passes: to the next answer of a provider, or to the next look that is due.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import JsonValue
from sqlite_utils import Database

from handlers.jobs import Jobs
from handlers.life import Life
from handlers.policy import JobTimes, Policy, Terms
from providers.accounts import Account
from providers.action import Action, Done, Effect, Outcome, Pending
from providers.catalogue import Catalogue
from providers.errors import ProviderError
from storage import jobs as jobs_table
from storage.records import Job, JobKind, Request, RequestState
from storage.sqlite import SqliteDatabase
from storage.store import Store
from tests.handlers.stage import MEMORY, Workspace

T = TypeVar("T")

GATHER = timedelta(seconds=1)
"""Who has work is asked this long after the first one said so. The scheduler is twenty times as quick."""

TIMES = JobTimes(
    first_poll=timedelta(seconds=10),
    max_poll=timedelta(minutes=5),
    deadline=timedelta(hours=48),
    lease=timedelta(seconds=60),
    reconcile_after=timedelta(minutes=2),
)


class Time:
    """A clock, and the sleep that goes with it."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._number = itertools.count()

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        awake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.at + timedelta(seconds=seconds), next(self._number), awake))
        await awake

    def next_awake(self) -> datetime | None:
        return self._sleepers[0][0] if self._sleepers else None

    def reaches(self, moment: datetime) -> None:
        self.at = max(self.at, moment)
        while self._sleepers and self._sleepers[0][0] <= self.at:
            _, _, awake = heapq.heappop(self._sleepers)
            if not awake.done():
                awake.set_result(None)


@dataclass(slots=True)
class Provider:
    """One account at a provider. It takes a call every `apart` seconds and thinks for `thinks`; it counts the calls.

    A thing is ready from `ready_at`. What is in `broken` is answered with that error.
    """

    time: Time
    apart: float = 0.0
    thinks: float = 0.05
    per_page: int = 100
    ready_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    steps: int = 0
    """How many steps of progress there are on the way."""
    began_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    broken: dict[str, Exception] = field(default_factory=dict[str, Exception])
    asked: list[tuple[datetime, str]] = field(default_factory=list[tuple[datetime, str]])
    under_way: int = 0
    most_under_way: int = 0
    free_at: datetime | None = None

    async def ask(self, name: str) -> bool:
        await self._call(name)
        if name in self.broken:
            raise self.broken[name]
        return self.ready_at[name] <= self.time.now()

    async def ready(self) -> set[str]:
        """The whole listing, page by page."""
        for page in range(-(-len(self.ready_at) // self.per_page)):
            await self._call(f"page {page + 1}")
        if "listing" in self.broken:
            raise self.broken["listing"]
        return {name for name, moment in self.ready_at.items() if moment <= self.time.now()}

    async def _call(self, what: str) -> None:
        now = self.time.now()
        begins = max(now, self.free_at or now)
        self.free_at = begins + timedelta(seconds=self.apart)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self.time.sleep((begins - now).total_seconds() + self.thinks)
        self.under_way -= 1
        self.asked.append((begins, what))


class Thing(Action, provider="single", command="thing make", title="Make a thing", effect=Effect.WRITE):
    """Make a thing; each has to be asked about."""

    name: str

    async def poll(self, client: Provider, ref: Mapping[str, JsonValue]) -> Outcome:
        return self._seen(client, ref, is_ready=await client.ask(self.name))

    def _seen(self, client: Provider, ref: Mapping[str, JsonValue], *, is_ready: bool) -> Outcome:
        if is_ready:
            return Done(summary="It is ready.")
        if not client.steps:
            return Pending(ref=dict(ref), progress="It is being made.")
        began, ends = client.began_at[self.name], client.ready_at[self.name]
        done = int(client.steps * ((client.time.now() - began) / (ends - began)))
        return Pending(ref=dict(ref), progress="It is being made.", done=done, total=client.steps)


class ListedThing(Thing, provider="listed", command="thing make", title="Make a thing", effect=Effect.WRITE):
    """Make a thing; a listing tells about all."""

    @classmethod
    async def poll_many(
        cls, client: Provider, waiting: Sequence[tuple[Self, Mapping[str, JsonValue]]]
    ) -> Sequence[Outcome | ProviderError]:
        ready = await client.ready()
        return [action._seen(client, ref, is_ready=action.name in ready) for action, ref in waiting]


class LoneThing(Thing, provider="listed", command="thing alone", title="Make a thing", effect=Effect.WRITE):
    """Make a thing which is in no listing."""


class _Watched(SqliteDatabase):
    """Knows whether anybody waits for it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._waited_for = 0
        self.at_rest = asyncio.Event()
        self.at_rest.set()

    async def write(self, change: Callable[[Database], T]) -> T:
        with self._waiting():
            return await super().write(change)

    async def read(self, question: Callable[[Database], T]) -> T:
        with self._waiting():
            return await super().read(question)

    @contextlib.contextmanager
    def _waiting(self) -> Iterator[None]:
        self._waited_for += 1
        self.at_rest.clear()
        try:
            yield
        finally:
            self._waited_for -= 1
            if not self._waited_for:
                self.at_rest.set()


class Stage:
    """A house that only watches, and the accounts that it watches at: `single-…` and `listed-…`."""

    def __init__(
        self,
        accounts: Mapping[str, Provider],
        time: Time,
        *,
        times: JobTimes = TIMES,
        chance: Callable[[], float] = lambda: 0.5,
        actions: Iterable[type[Action]] = (Thing, ListedThing, LoneThing),
        clients: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.time, self.providers, self.times = time, dict(accounts), times
        self._actions, self._clients, self._chance = tuple(actions), dict(clients or {}), chance
        self.finished: dict[str, datetime] = {}
        self._opens()

    def _opens(self) -> None:
        self.database = _Watched(self.folder / "postroom.db")
        self.store = Store(self.database)
        self._has_work = False
        opened = {
            name: Account(name, name.partition("-")[0], provider, seconds_between_calls=provider.apart)
            for name, provider in self.providers.items()
        }
        opened |= {name: Account(name, name.partition("-")[0], client) for name, client in self._clients.items()}
        life = Life(
            store=self.store,
            catalogue=Catalogue(self._actions),
            accounts=opened,
            policy=Policy(default=Terms(approvers=("U0OMAR",)), channel="C0APPROVALS"),
            times=self.times,
            directory=Workspace(),
            clock=self.time,
            chance=self._chance,
            changed=self._changed,
        )
        self.outcomes = life.outcomes
        self.jobs = Jobs(
            store=self.store, requests=life.requests, outcomes=life.outcomes, settling=life.settling, times=self.times,
            clock=self.time, chance=self._chance, changed=self._changed,
        )  # fmt: skip

    def _changed(self, beat: str) -> None:
        self._has_work |= beat == "jobs"

    async def waits_for(
        self,
        account: str,
        given: Mapping[str, Mapping[str, Any]],
        *,
        command: str = "thing make",
        due_in: float | Callable[[], float] = 10,
        ref: Mapping[str, Any] | None = None,
        began: datetime | None = None,
    ) -> None:
        """The provider has accepted these, each by its request's id; the first looks are due."""
        now = self.time.now()

        async def accepted(request_id: str, its: Mapping[str, Any]) -> None:
            request = Request(
                request_id, "T0", "U0ANA", "C0OUTREACH", command, now, now, RequestState.WORKING,
                provider=account.partition("-")[0], account=account, input=dict(its),
            )  # fmt: skip
            wait = due_in if isinstance(due_in, int | float) else due_in()
            job = Job(
                request_id, account, JobKind.POLL, dict(ref or {}), now + timedelta(seconds=wait),
                now + self.times.deadline, began or now,
            )  # fmt: skip
            await self.store.drafts.create(request)
            await self.database.write(lambda db: jobs_table.begin(db, request, job))

        await asyncio.gather(*(accepted(request_id, its) for request_id, its in given.items()))

    async def things(self, account: str, ready_in: Mapping[str, float], **more: Any) -> None:
        """Things that will be ready in so many seconds."""
        provider, now = self.providers[account], self.time.now()
        provider.ready_at |= {name: now + timedelta(seconds=seconds) for name, seconds in ready_in.items()}
        provider.began_at |= dict.fromkeys(ready_in, now)
        await self.waits_for(account, {name: {"name": name} for name in ready_in}, **more)

    async def runs_for(self, **span: float) -> None:
        """Time passes, from one thing that happens to the next."""
        end = self.time.now() + timedelta(**span)
        look_at: datetime | None = self.time.now()
        while True:
            await self._comes_to_rest()
            if self._has_work:
                self._has_work = False
                soon = self.time.now() + GATHER
                look_at = soon if look_at is None else min(look_at, soon)
            if look_at is not None and look_at <= self.time.now():
                look_at = await self.jobs.look()
                continue
            moments = [moment for moment in (look_at, self.time.next_awake()) if moment is not None]
            if not moments or min(moments) > end:
                break
            self.time.reaches(min(moments))
        self.time.reaches(end)
        await self._comes_to_rest()

    async def _comes_to_rest(self) -> None:
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
        while True:
            await self.database.at_rest.wait()
            await asyncio.sleep(0)
            if self.database.at_rest.is_set() and not ready:
                return

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return await self.database.read(lambda db: [tuple(row) for row in db.execute(sql)])

    async def delays(self, account: str) -> list[float]:
        """How many seconds after each thing was ready it was written down, and owed to its thread, that it is."""
        told = await self.rows(
            "SELECT request_id, created_at FROM messages WHERE kind = 'note' AND body LIKE '%\"done\"%'"
        )
        ready_at = self.providers[account].ready_at
        return [(datetime.fromisoformat(at) - ready_at[name]).total_seconds() for name, at in told if name in ready_at]

    async def dies(self) -> None:
        """The process is gone in the middle of whatever it did."""
        tasks = [*self.jobs.looks._running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.database.close()

    async def restarts(self) -> None:
        await self.dies()
        self._opens()

    async def closes(self) -> None:
        await self.dies()
        shutil.rmtree(self.folder)
