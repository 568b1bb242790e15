"""What /metrics tells: what happened, counted as it happens; how things stand, read when somebody asks.

Prometheus' library is loaded by the first page, not by the start, and counting is a microsecond or two of plain
Python: an answer to a click pays nothing else. What waits is read from the store, one bounded question each. A figure
that cannot be read is missing from the page, and that it was is counted; the page itself always comes.

Labels are words of ours and the names of accounts and beats: never what people typed, who they are, or a secret.
"""

from __future__ import annotations

import asyncio
import importlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING

import structlog

from bot.scheduler import Beats
from providers.accounts import Account, Clock
from providers.action import Effect
from providers.catalogue import Catalogue
from storage.figures import Figures, Happened, Waiting, Watched
from storage.records import RequestState

if TYPE_CHECKING:  # 15 ms of the start otherwise
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

    from bot.socket_link import SocketLink

log = structlog.get_logger(__name__)

LATE_JOB = timedelta(minutes=5)
"""A job that has been due for so long is late."""
READ_SECONDS = 3.0
"""For all that is read from the store for one page; what has not come by then is missing."""
ACK_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0)
"""Seconds. Slack waits for three."""
CALL_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
KINDS = frozenset({"command", "shortcut", "message_action", "block_actions", "view_submission", "event_callback"})

# Facts of the audit that are shown under their own names.
_DECISIONS = ("denied", "broke_glass", "stopped", "cancelled", "expired")
_OUTCOMES = ("done", "failed", "unknown")
_SETTLED = {"happened": "settled_done", "did_not": "settled_failed", "again": "settled_again"}
_OPEN = (
    RequestState.AWAITING, RequestState.APPROVED, RequestState.EXECUTING, RequestState.WORKING, RequestState.UNKNOWN,
)  # fmt: skip
_NO_JOBS = Watched(0, 0, 0)

Values = Sequence[tuple[Sequence[str], float]]
"""Of a family, each with what its labels say."""


class Metrics:
    """The meters of one house."""

    def __init__(
        self,
        *,
        figures: Figures,
        beats: Beats,
        accounts: Mapping[str, Account],
        catalogue: Catalogue,
        clock: Clock,
        counted_until: int,
    ) -> None:
        """`counted_until` is the last entry that the audit had before this process did anything."""
        self._figures = figures
        self._beats = beats
        self._accounts = accounts
        self._catalogue = catalogue
        self._clock = clock
        self._counted_until = counted_until
        self._acks: dict[str, _Times] = {}
        self._calls: dict[tuple[str, str], _Times] = {}
        self._answers: Counter[tuple[str, str, str]] = Counter()
        self._decisions: Counter[str] = Counter()
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._readings: Mapping[str, Callable[[datetime], Awaitable[list[Metric]]]] = {
            "requests": self._requests,
            "decision": self._decision,
            "person": self._person,
            "outbox": self._outbox,
            "jobs": self._jobs,
            "database": self._database,
            "audit": self._audit,
            "accounts": self._resting,
            "beats": self._beating,
            "socket": self._hearing,
        }
        self._missing = Counter(dict.fromkeys(self._readings, 0))
        self._registry: CollectorRegistry | None = None
        self._families: list[Metric] = []
        self._one_at_a_time = asyncio.Lock()
        self._link: SocketLink | None = None

    # What happens.

    def acked(self, kind: str, seconds: float) -> None:
        """A payload of Slack was answered, `seconds` after it was read."""
        kind = kind if kind in KINDS else "other"
        times = self._acks.get(kind)
        if times is None:
            times = self._acks[kind] = _Times(ACK_BUCKETS)
        times.add(seconds)

    def called(self, account: str, effect: Effect, outcome: str, seconds: float) -> None:
        """A provider was called, and this came of it (`providers.http.Watcher`)."""
        key = (account, effect.value)
        times = self._calls.get(key)
        if times is None:
            times = self._calls[key] = _Times(CALL_BUCKETS)
        times.add(seconds)
        self._answers[account, effect.value, outcome] += 1

    # The page.

    async def page(self, link: SocketLink | None) -> tuple[bytes, str]:
        """The page and its content type. `link` is the socket to Slack, where there is one."""
        async with self._one_at_a_time:
            self._link = link
            if self._registry is None:
                await asyncio.to_thread(importlib.import_module, "prometheus_client.core")
            self._families = await self._read()
            return self._written()

    def _written(self) -> tuple[bytes, str]:
        from prometheus_client import CollectorRegistry, ProcessCollector  # noqa: PLC0415 (see above)
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest  # noqa: PLC0415

        if self._registry is None:
            self._registry = CollectorRegistry(auto_describe=False)
            ProcessCollector(registry=self._registry)
            self._registry.register(self)
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def collect(self) -> list[Metric]:
        """What was read last, as Prometheus' library asks for it."""
        return self._families

    async def _read(self) -> list[Metric]:
        now = self._clock.now()
        deadline = asyncio.get_running_loop().time() + READ_SECONDS
        families: list[Metric] = []
        for name, telling in self._readings.items():
            try:
                async with asyncio.timeout_at(deadline):
                    families += await telling(now)
            except Exception as error:
                self._missing[name] += 1
                log.warning("figure_not_read", figure=name, why=type(error).__name__)
        return [*families, *self._counters()]

    async def _requests(self, now: datetime) -> list[Metric]:
        found = await self._figures.open_requests()
        values = [([state.value], float(found.get(state.value, 0))) for state in _OPEN]
        return [_gauge("requests", "Requests that were asked and have not ended.", ["state"], values)]

    async def _decision(self, now: datetime) -> list[Metric]:
        return _line("decision", "Requests that wait for a decision", await self._figures.waiting_for_decision(), now)

    async def _person(self, now: datetime) -> list[Metric]:
        what = "Requests of which a person must say what became of them"
        return _line("person", what, await self._figures.waiting_for_person(), now)

    async def _outbox(self, now: datetime) -> list[Metric]:
        return _line("outbox", "Messages and digests that Slack has not got yet", await self._figures.owed(now), now)

    async def _jobs(self, now: datetime) -> list[Metric]:
        jobs = await self._figures.jobs(now, now - LATE_JOB)
        found = [(account, jobs.get(account, _NO_JOBS)) for account in sorted({*self._accounts, *jobs})]
        late = f"Those of them that have been due for {LATE_JOB.total_seconds():.0f} seconds."
        return [
            _gauge("jobs_watched", "Jobs that a provider works on.", ["account"],
                   [([account], its.count) for account, its in found]),
            _gauge("jobs_due", "Those of them that could be looked at now.", ["account"],
                   [([account], its.due) for account, its in found]),
            _gauge("jobs_late", late, ["account"], [([account], its.late) for account, its in found]),
        ]  # fmt: skip

    async def _database(self, now: datetime) -> list[Metric]:
        values = [([file], float(size)) for file, size in (await self._figures.sizes()).items()]
        what = "Size on the disk: of the database (main), and of what is not in it yet (wal)."
        return [_gauge("database_bytes", what, ["file"], values)]

    async def _audit(self, now: datetime) -> list[Metric]:
        """Nothing to show by itself: it moves the counters."""
        happened, self._counted_until = await self._figures.happened(self._counted_until)
        self._count(happened)
        return []

    async def _resting(self, now: datetime) -> list[Metric]:
        values = [
            ([name], float(getattr(account.client, "resting_until", lambda: None)() is not None))
            for name, account in self._accounts.items()
        ]
        return [_gauge("provider_resting", "1 while an account is left alone: it keeps failing.", ["account"], values)]

    async def _beating(self, now: datetime) -> list[Metric]:
        beats = self._beats.seen()
        return [
            _gauge("beat_age_seconds", "Since a beat last ran to its end.", ["beat"],
                   [([beat.name], beat.age.total_seconds()) for beat in beats]),
            _gauge("beat_late", "1 for a beat that should have run to its end by now.", ["beat"],
                   [([beat.name], float(beat.is_late)) for beat in beats]),
            _counter("beat_failures", "Runs of a beat that broke.", ["beat"],
                     [([beat.name], beat.failures) for beat in beats]),
        ]  # fmt: skip

    async def _hearing(self, now: datetime) -> list[Metric]:
        if self._link is None:
            return []
        connected = float(await self._link.is_connected())
        families = [_gauge("socket_connected", "1 while Slack can reach us.", [], [([], connected)])]
        if (silent := self._link.silent_for()) is not None:
            families.append(_gauge("socket_silent_seconds", "Since Slack last answered a ping.", [], [([], silent)]))
        return families

    # What was counted.

    def _count(self, happened: Mapping[Happened, int]) -> None:
        for fact, times in happened.items():
            if fact.what == "approved":
                self._decisions["approved" if fact.particular == "1" else "approved_by_one"] += times
            elif fact.what == "asked" and fact.particular == "1":
                self._decisions["auto_approved"] += times
            elif fact.what in _DECISIONS:
                self._decisions[fact.what] += times
            outcome = fact.what if fact.what in _OUTCOMES else None
            if fact.what == "settled":
                outcome = _SETTLED.get(fact.particular)
            if outcome is not None:
                kind = self._catalogue.action(fact.command, fact.provider)
                self._outcomes["" if kind is None else kind.effect.value, outcome] += times

    def _counters(self) -> Iterator[Metric]:
        yield _counter(
            "decisions",
            "What was decided about requests.",
            ["verdict"],
            [([one], self._decisions[one]) for one in ("approved", "approved_by_one", "auto_approved", *_DECISIONS)],
        )
        outcomes = (*_OUTCOMES, *_SETTLED.values())
        effects = sorted({Effect.SPEND.value, *(effect for effect, _ in self._outcomes)})
        yield _counter(
            "outcomes",
            "What became of what was sent; settled_… is what a person said of it.",
            ["effect", "outcome"],
            [([effect, one], self._outcomes[effect, one]) for effect in effects for one in outcomes],
        )
        yield _counter(
            "provider_calls",
            "Calls to providers, every try.",
            ["account", "effect", "outcome"],
            [(key, times) for key, times in self._answers.items()],
        )
        yield _histogram("provider_call_seconds", "How long a try took.", ["account", "effect"], self._calls.items())
        yield _histogram(
            "ack_seconds",
            "From a payload of Slack to the answer to it.",
            ["kind"],
            [([kind], times) for kind, times in self._acks.items()],
        )
        yield _counter("figures_not_read", "Figures that were missing from a page.", ["figure"],
                       [([figure], times) for figure, times in self._missing.items()])  # fmt: skip


class _Times:
    """How often something took how long, by bucket; one more at the end for what took longer."""

    __slots__ = ("buckets", "counts", "total")

    def __init__(self, buckets: Sequence[float]) -> None:
        self.buckets = buckets
        self.counts = [0] * (len(buckets) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(self.buckets, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """As Prometheus has it: so many took no longer than each bound."""
        bounds = [*(str(bound) for bound in self.buckets), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self.counts)), strict=True))


def _gauge(name: str, what: str, labels: Sequence[str], values: Values) -> Metric:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 (loaded by the first page)

    family = GaugeMetricFamily(f"postroom_{name}", what, labels=labels)
    for label, value in values:
        family.add_metric(label, value)
    return family


def _counter(name: str, what: str, labels: Sequence[str], values: Values) -> Metric:
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415

    family = CounterMetricFamily(f"postroom_{name}", what, labels=labels)
    for label, value in values:
        family.add_metric(label, value)
    return family


def _histogram(name: str, what: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], _Times]]) -> Metric:
    from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415

    family = HistogramMetricFamily(f"postroom_{name}", what, labels=labels)
    for label, times in values:
        family.add_metric(label, times.cumulative(), times.total)
    return family


def _line(name: str, what: str, waiting: Waiting, now: datetime) -> list[Metric]:
    """How many wait, and how long the first has; 0 seconds where none does."""
    age = 0.0 if waiting.oldest is None else max(0.0, (now - waiting.oldest).total_seconds())
    return [
        _gauge(f"{name}_waiting", f"{what}.", [], [([], waiting.count)]),
        _gauge(f"{name}_oldest_seconds", f"{what}: how long the first has waited.", [], [([], age)]),
    ]
