"""`make bench`: how Postroom does beside bare Bolt and bare SQLite, in one run of interleaved rounds.

Nothing here fails on a time: it prints what was reached and what was wanted. `python -m tests.bench --quick` is for
while one is working on something; `--only starts` measures a part, and `--help` names them all.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import platform
import statistics
from collections.abc import Callable
from importlib.metadata import version

import structlog
from rich.console import Console

from bot.cli import fast_loop
from tests.bench.answering import FULL, QUICK, Sizes, measure_answers, measure_catalogues
from tests.bench.busy import measure_busy
from tests.bench.clients import measure_clients
from tests.bench.digest import measure_digest
from tests.bench.housekeeping import measure_housekeeping
from tests.bench.load import percentile
from tests.bench.polling import measure_polling
from tests.bench.report import Line, answer_lines, show_answers, show_lines
from tests.bench.starting import measure_starts
from tests.bench.storing import measure_storing
from tests.bench.surfaces import FIRST, HOME, LATER, NOTHING, measure_surfaces

Say = Callable[[str], None]


async def bench(*, quick: bool, parts: tuple[str, ...], console: Console) -> None:
    """Measure `parts` and print what came of it."""
    sizes = QUICK if quick else FULL
    lines: list[Line] = []
    console.print(_machine())
    try:
        with console.status("") as status:
            for part in parts:
                lines += await _PARTS[part](sizes, quick, console, status.update)
    finally:
        show_lines(lines, console)  # also of what was measured before something broke


async def _answers(sizes: Sizes, quick: bool, console: Console, say: Say) -> list[Line]:
    cells, resident = await measure_answers(sizes, say)
    show_answers(cells, console)
    console.print(f"The house's resident memory at the end of it: {resident:.0f} MiB.")
    return answer_lines(cells)


async def _catalogue(sizes: Sizes, quick: bool, console: Console, say: Say) -> list[Line]:
    costs = await measure_catalogues(sizes, say)
    console.print(
        f"A command, its modal included: {statistics.median(costs[1]) * 1000:.2f} ms with 1 action in the catalogue, "
        f"{statistics.median(costs[100]) * 1000:.2f} ms with 100."
    )
    ratio = statistics.median(many / one for one, many in zip(costs[1], costs[100], strict=True))
    return [Line("command cost, 100 actions in the catalogue / 1 action", ratio, 1.3)]


async def _storing(sizes: Sizes, quick: bool, console: Console, say: Say) -> list[Line]:
    rows = 100_000 if quick else 1_000_000
    stored = await measure_storing(rows, sizes.rounds, 1000 if quick else 3000, say)
    console.print(
        f"Over {rows:,} requests: {statistics.median(stored.decisions):,.0f} decisions a second by 16 writers; "
        f"by hand in sqlite3, one caller: {statistics.median(stored.by_hand):,.0f} of the same decisions "
        f"({statistics.median(stored.shared):,.0f} where sixteen share a commit), "
        f"{statistics.median(stored.bare):,.0f} bare pairs of insert and update."
    )
    same = "durable decisions, 16 writers / the same statements in raw sqlite3, one caller"
    bare = "durable decisions, 16 writers / raw sqlite3, a row inserted and updated, one caller"
    return [
        Line(same, stored.ratio(stored.by_hand), 3, at_least=True),
        Line(bare, stored.ratio(stored.bare), 3, at_least=True),
    ]


async def _starts(sizes: Sizes, quick: bool, console: Console, say: Say) -> list[Line]:
    starts = await measure_starts(sizes.rounds, say)
    resident = statistics.median(starts.house_mib)
    console.print(
        f"Start to ready: {statistics.median(starts.house):.2f} s and {resident:.0f} MiB; bare Bolt, import and "
        f"construct: {statistics.median(starts.bare):.2f} s and {statistics.median(starts.bare_mib):.0f} MiB."
    )
    return [
        Line("start to ready / import and construct of bare Bolt", starts.ratio(), 1.8),
        Line("resident memory when ready", resident, 90, unit=" MiB"),
    ]


async def _clients(sizes: Sizes, quick: bool, console: Console, say: Say) -> list[Line]:
    measured = await measure_clients(sizes.rounds, 300 if quick else 1500, say)
    for at_once in measured.ours:
        console.print(
            f"A page of 100 mailboxes, {at_once} at a time: {statistics.median(measured.ours[at_once]):,.0f} calls a "
            f"second as records, {statistics.median(measured.httpx[at_once]):,.0f} by bare httpx as dicts."
        )
    which, seconds = measured.slowest_form()
    console.print(
        f"10,000 mailboxes: {statistics.median(measured.listing) * 1000:.0f} ms to records, json.loads alone "
        f"{statistics.median(measured.loads) * 1000:.0f} ms. {len(measured.forms)} forms drawn, the slowest is {which}."
    )
    lines = [
        Line(
            f"a provider's client / bare httpx, {at_once} at a time", measured.throughput(at_once), 0.85, at_least=True
        )
        for at_once in measured.ours
    ]
    return [
        *lines,
        Line("a listing of 10,000 mailboxes read / json.loads of it", measured.parsing(), 3),
        Line("drawing the slowest form", seconds * 1000, 20, unit=" ms"),
    ]


async def _digest(sizes: Sizes, quick: bool, console: Console, say: Say) -> list[Line]:
    rows = 100_000 if quick else 1_000_000
    lines: list[Line] = []
    for days, name in ((365, "a year"), (30, "30 days")):
        composed = await measure_digest(rows, days, 5 * sizes.rounds, say)
        ours, bare = statistics.median(composed.ours) * 1000, statistics.median(composed.bare) * 1000
        console.print(
            f"The digest of a day over {rows:,} requests of {name}: {ours:.1f} ms of our own; {bare:.1f} ms by hand."
        )
        ratio = Line(f"digest of a day over {name} / the covering SQL alone", composed.ratio(), 1.5)
        lines += [ratio, Line(f"digest of a day over {name}", ours, 100, unit=" ms")]
    return lines


async def _surfaces(sizes: Sizes, quick: bool, console: Console, say: Say) -> list[Line]:
    rows = 100_000 if quick else 1_000_000
    surfaces = await measure_surfaces(rows, 5 * sizes.rounds, say)
    for what in surfaces.ours:
        console.print(
            f"Over {rows:,} requests, {what}: {surfaces.took(what):.1f} ms of our own, read and drawn; the SQL of what "
            f"it shows by hand: {surfaces.by_hand(what):.2f} ms."
        )
    return [
        *(Line(f"{what}, read and drawn", surfaces.took(what), 100, unit=" ms") for what in (HOME, FIRST)),
        Line(f"{LATER} / {FIRST}", surfaces.ratio(LATER, FIRST), 1.5),
        Line(NOTHING, surfaces.took(NOTHING), 1000, unit=" ms"),
    ]


async def _polling(sizes: Sizes, quick: bool, console: Console, say: Say) -> list[Line]:
    polled = await measure_polling(2000 if quick else 10_000, 10_000 if quick else 100_000, sizes.rounds, say)
    console.print(
        f"Jobs a second: {statistics.median(polled.slow):,.0f} with 50 ms of think time, "
        f"{statistics.median(polled.ours):,.0f} without; bare httpx over aiohttp "
        f"{statistics.median(polled.bare_slow):,.0f} and {statistics.median(polled.bare):,.0f}. "
        f"Idle: {polled.idle[0]:.2f} s of CPU a minute and {polled.idle[1]:.0f} MiB; APScheduler with as many: "
        f"{polled.idle_apscheduler[0]:.2f} s and {polled.idle_apscheduler[1]:.0f} MiB."
    )
    return polled.lines()


async def _busy(sizes: Sizes, quick: bool, console: Console, say: Say) -> list[Line]:
    answered = await measure_busy(20_000 if quick else 100_000, sizes.requests[16], sizes.rounds, say)
    idle, busy = (statistics.median(one) * 1000 for one in (answered.idle, answered.busy))
    console.print(
        f"All but one answer in a hundred to a command, 16 at a time: within {idle:.1f} ms with nothing due, "
        f"{busy:.1f} ms while {statistics.median(answered.looks):,.0f} jobs a second are looked at."
    )
    return [Line("ack p99 while the poller works at full speed / when idle", answered.ratio(), 3)]


async def _housekeeping(sizes: Sizes, quick: bool, console: Console, say: Say) -> list[Line]:
    tidied = await measure_housekeeping(100_000 if quick else 1_000_000, say)
    (alone, longest), (meanwhile, longest_then) = (
        (percentile(one, 0.99) * 1000, max(one) * 1000) for one in (tidied.alone, tidied.meanwhile)
    )
    console.print(
        f"{tidied.gone:,} old messages thrown away in {tidied.seconds:.0f} s. All but one small write of 100 took "
        f"{alone:.1f} ms alone and {meanwhile:.1f} ms meanwhile, the longest {longest:.0f} and {longest_then:.0f}."
    )
    return [Line("p99 of a small write while old rows are thrown away / alone", tidied.ratio(), 3)]


_PARTS = {
    "answers": _answers,
    "busy": _busy,
    "catalogue": _catalogue,
    "clients": _clients,
    "digest": _digest,
    "housekeeping": _housekeeping,
    "polling": _polling,
    "storing": _storing,
    "starts": _starts,
    "surfaces": _surfaces,
}


def _machine() -> str:
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"Python {platform.python_version()}, Bolt {version('slack-bolt')}, uvicorn {version('uvicorn')}, "
        f"{os.cpu_count()} cores, load before: {load}"
    )


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure Postroom beside its peers.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and rows, for while one is working")
    parser.add_argument("--only", choices=_PARTS, action="append", help="measure only this part (may be repeated)")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    console = Console(width=None if os.isatty(1) else 170)
    # What is measured in this process runs as it does in the house.
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(bench(quick=given.quick, parts=tuple(given.only or _PARTS), console=console))


if __name__ == "__main__":
    main()
