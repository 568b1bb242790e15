"""How fast Slack is answered: Postroom beside bare Bolt, in interleaved rounds."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench import payloads
from tests.bench.load import Load, WrongAnswer, percentile, send
from tests.bench.prepare import Prepared, prepare
from tests.bench.processes import fetch, free_port, outside, running
from tests.bench.world import environment, settings_file

CONCURRENCIES = (1, 16, 64)
SETTLED_AFTER = 0.7
"""Seconds without another call to Slack after which the house counts as done with what a round left it."""
PATIENCE = 300.0
CLEARED = b'{"response_action": "clear"}'


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: rounds, and requests of each cell by concurrency."""

    rounds: int
    requests: Mapping[int, int]
    warm_up: int = 150

    @property
    def of_each_kind(self) -> int:
        """Distinct drafts, and distinct waiting requests, that all rounds together use up."""
        return self.warm_up + self.rounds * sum(self.requests.values())


FULL = Sizes(5, {1: 300, 16: 1000, 64: 1200})
QUICK = Sizes(3, {1: 100, 16: 400, 64: 400}, warm_up=50)


@dataclass(slots=True)
class Cell:
    """One peer at one concurrency: what every round gave."""

    loads: list[Load] = field(default_factory=list)
    aftermath: list[float] = field(default_factory=list)
    """Seconds from the last answer until the house had nothing more to tell Slack."""
    opened: list[float] = field(default_factory=list)
    """Seconds from a command to its modal at Slack, the median of each round."""
    opened_p99: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(load.rate for load in self.loads)

    @property
    def p50(self) -> float:
        return statistics.median(load.percentile(0.5) for load in self.loads)

    @property
    def p99(self) -> float:
        return statistics.median(load.percentile(0.99) for load in self.loads)


Cells = dict[tuple[str, int], Cell]

BOLT, PROMPT, COMMAND, CONFIRM, APPROVE = "bolt", "prompt-bolt", "command", "confirm", "approve"
SAME = " with the same body"
"""Bare Bolt again, which only acks, given what (d) and (e) are given: a confirmation, a click."""
BOLT_CONFIRM, BOLT_APPROVE = f"{BOLT}{SAME}: {CONFIRM}", f"{BOLT}{SAME}: {APPROVE}"
PROMPT_CONFIRM, PROMPT_APPROVE = f"{PROMPT}{SAME}: {CONFIRM}", f"{PROMPT}{SAME}: {APPROVE}"
BARE = (BOLT, PROMPT, BOLT_CONFIRM, PROMPT_CONFIRM, BOLT_APPROVE, PROMPT_APPROVE)
PEERS = (*BARE, COMMAND, CONFIRM, APPROVE)


async def measure_answers(sizes: Sizes, say: Callable[[str], None]) -> tuple[Cells, float]:
    """Every cell of the first table, and the house's resident memory in MiB at the end of it."""
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        folder = Path(name)
        say("preparing drafts and waiting requests")
        prepared = await prepare(folder / "postroom.db", sizes.of_each_kind, sizes.of_each_kind)
        async with contextlib.AsyncExitStack() as stack:
            world = await stack.enter_async_context(outside(folder / "outside.log"))
            slack = {"SLACK_API_URL": world["slack"]}
            bolt, prompt, house = free_port(), free_port(), free_port()
            settings = settings_file(folder, world["mailin"])
            its_own = environment(settings, folder / "postroom.db", house, world["slack"])
            servers = "tests.bench.servers"
            await stack.enter_async_context(running(["-m", servers, BOLT, str(bolt)], bolt, slack, folder / "a.log"))
            await stack.enter_async_context(
                running(["-m", servers, PROMPT, str(prompt)], prompt, slack, folder / "b.log")
            )
            server = await stack.enter_async_context(
                running(["-m", "bot.cli", "run"], house, its_own, folder / "house.log")
            )
            scene = Scene({BOLT: bolt, PROMPT: prompt}, house, int(world["port"]), folder / "postroom.db", prepared)
            for peer in PEERS:
                await scene.play(peer, sizes.warm_up, 16, Cell())
            cells: Cells = {}
            for number in range(sizes.rounds):
                for concurrency in CONCURRENCIES:
                    for peer in _turned(PEERS, number):
                        say(f"round {number + 1} of {sizes.rounds}: {peer}, {concurrency} at a time")
                        cell = cells.setdefault((peer, concurrency), Cell())
                        await scene.play(peer, sizes.requests[concurrency], concurrency, cell)
            return cells, server.resident_mib()


class Scene:
    """Plays one cell at a time, and makes sure that what was answered really was done."""

    def __init__(
        self, bare: Mapping[str, int], house: int, slack: int, database: Path | None, prepared: Prepared
    ) -> None:
        self._bare = bare
        self._house = house
        self._slack = slack
        self._database = database
        self._prepared = prepared
        self._reviews = iter(prepared.reviews)
        self._cards = iter(prepared.cards)

    async def play(self, peer: str, count: int, concurrency: int, cell: Cell) -> None:
        """Send `count` requests to `peer` and add what came of it to `cell`. Raises WrongAnswer."""
        match peer:
            case "command":
                await self._command(count, concurrency, cell)
            case "confirm":
                sent = payloads.confirms(itertools.islice(self._reviews, count))
                await self._durable("asked", sent, concurrency, CLEARED, cell)
            case "approve":
                sent = payloads.approvals(itertools.islice(self._cards, count))
                await self._durable("approved", sent, concurrency, b"", cell)
            case _:
                server, _, kind = peer.partition(f"{SAME}: ")
                cell.loads.append(await send(self._bare[server], self._for_bare(kind, count), concurrency, b""))

    def _for_bare(self, kind: str, count: int) -> list[bytes]:
        """What is only acknowledged may be sent over and over."""
        match kind:
            case "confirm":
                return payloads.confirms(itertools.islice(itertools.cycle(self._prepared.reviews), count))
            case "approve":
                return payloads.approvals(itertools.islice(itertools.cycle(self._prepared.cards), count))
            case _:
                return payloads.commands([payloads.new_trigger() for _ in range(count)])

    async def _command(self, count: int, concurrency: int, cell: Cell) -> None:
        triggers = [payloads.new_trigger() for _ in range(count)]
        load = await send(self._house, payloads.commands(triggers), concurrency, b"")
        opened: dict[str, float] = {}
        until = time.monotonic() + PATIENCE
        while len(opened) < count:
            if time.monotonic() > until:
                raise WrongAnswer(f"{count - len(opened)} of {count} modals never opened")
            opened |= (await fetch(self._slack, "/seen"))["opened"]
            await asyncio.sleep(0.05)
        took = [opened[trigger] - sent for trigger, sent in zip(triggers, load.sent_at, strict=True)]
        cell.loads.append(load)
        cell.opened.append(percentile(took, 0.5))
        cell.opened_p99.append(percentile(took, 0.99))
        cell.aftermath.append(max(opened.values()) - load.last_answer_at)

    async def _durable(self, fact: str, sent: Sequence[bytes], concurrency: int, expect: bytes, cell: Cell) -> None:
        before = self._audited(fact)
        load = await send(self._house, sent, concurrency, expect)
        stored = self._audited(fact) - before
        if stored != len(sent):
            raise WrongAnswer(f"{len(sent)} were acknowledged as {fact}, {stored} are stored")
        cell.loads.append(load)
        cell.aftermath.append(await self._settled() - load.last_answer_at)

    def _audited(self, fact: str) -> int:
        assert self._database is not None
        with contextlib.closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as reading:
            return int(reading.execute("SELECT COUNT(*) FROM audit WHERE what = ?", [fact]).fetchone()[0])

    async def _settled(self) -> float:
        """Wait until the outbox is empty; returns when the last message reached Slack."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            seen = await fetch(self._slack, "/seen")
            if time.monotonic() - seen["last_message_at"] > SETTLED_AFTER:
                return float(seen["last_message_at"])
            await asyncio.sleep(0.1)
        raise WrongAnswer("the house never came to rest")


async def measure_catalogues(sizes: Sizes, say: Callable[[str], None]) -> dict[int, list[float]]:
    """Seconds that a command costs in each round, modal included, by the number of actions in the catalogue."""
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        folder = Path(name)
        async with contextlib.AsyncExitStack() as stack:
            world = await stack.enter_async_context(outside(folder / "outside.log"))
            settings = settings_file(folder, world["mailin"])
            scenes: dict[int, Scene] = {}
            for size in (1, 100):
                port = free_port()
                its_own = environment(settings, folder / f"{size}.db", port, world["slack"])
                arguments = ["-m", "tests.bench.servers", "catalogue", str(size)]
                await stack.enter_async_context(running(arguments, port, its_own, folder / f"{size}.log"))
                scenes[size] = Scene({}, port, int(world["port"]), None, Prepared((), ()))
                await scenes[size].play(COMMAND, sizes.warm_up, 16, Cell())
            costs: dict[int, list[float]] = {1: [], 100: []}
            for number in range(sizes.rounds):
                for size in _turned((1, 100), number):
                    say(f"round {number + 1} of {sizes.rounds}: a catalogue of {size}")
                    cell = Cell()
                    await scenes[size].play(COMMAND, sizes.requests[16], 16, cell)
                    costs[size].append((cell.loads[0].seconds + cell.aftermath[0]) / sizes.requests[16])
            return costs


def _turned(peers: Sequence[Any], number: int) -> Sequence[Any]:
    """Each round begins with another peer, so that none always comes after the same one."""
    start = number % len(peers)
    return [*peers[start:], *peers[:start]]
