"""What was measured, as tables, with the goals."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.bench.answering import (
    APPROVE,
    BOLT,
    BOLT_APPROVE,
    BOLT_CONFIRM,
    COMMAND,
    CONCURRENCIES,
    CONFIRM,
    PEERS,
    PROMPT,
    PROMPT_APPROVE,
    PROMPT_CONFIRM,
    Cell,
    Cells,
)

NAMES = {
    BOLT: "(a) bare Bolt, only acks, default settings",
    PROMPT: "(b) bare Bolt, only acks, process_before_response",
    BOLT_CONFIRM: "(a) given the confirmation of (d)",
    PROMPT_CONFIRM: "(b) given the confirmation of (d)",
    BOLT_APPROVE: "(a) given the click of (e)",
    PROMPT_APPROVE: "(b) given the click of (e)",
    COMMAND: "(c) /domain buy acme-mail.com, opens a modal",
    CONFIRM: "(d) confirm, the request durably stored",
    APPROVE: "(e) approve click, the decision durably stored",
}
BESIDE = {
    COMMAND: "a draft stored, the form built, views.open called",
    CONFIRM: "outbox posts card, parent and note; all beats",
    APPROVE: "outbox updates two messages and posts a note; all beats; approved requests are bought, one in 2.5 s",
}
SAME_BODY = {CONFIRM: (BOLT_CONFIRM, PROMPT_CONFIRM), APPROVE: (BOLT_APPROVE, PROMPT_APPROVE)}
"""Bare Bolt that was given the same to read: default settings, and process_before_response."""
P50_GOALS = {1: 0.10, 16: 0.4, 64: 1.3}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the goals: what was reached, what was wanted, and whether it was."""

    what: str
    reached: float | None
    """None: what it is compared with is not installed."""
    goal: float
    at_least: bool = False
    unit: str = ""

    @property
    def met(self) -> bool:
        reached = self.reached or 0.0
        return reached >= self.goal if self.at_least else reached <= self.goal


def show_answers(cells: Cells, console: Console) -> None:
    """Every cell: rate, latencies, and what the house did beside answering."""
    table = Table(title="Answering Slack: signed HTTP, one process; medians of the rounds", title_justify="left")
    for head in ("what", "at a time", "req/s", "p50 ms", "p99 ms", "p50 / (a)", "req/s / (b)", "afterwards"):
        table.add_column(head, justify="left" if head in ("what", "afterwards") else "right")
    for peer in PEERS:
        for concurrency in CONCURRENCIES:
            cell = cells[peer, concurrency]
            table.add_row(
                NAMES[peer] if concurrency == CONCURRENCIES[0] else "",
                str(concurrency),
                f"{cell.rate:,.0f}",
                f"{cell.p50 * 1000:.2f}",
                f"{cell.p99 * 1000:.1f}",
                f"{_p50_ratio(cells, peer, BOLT, concurrency):.2f}",
                f"{_rate_ratio(cells, peer, PROMPT, concurrency):.2f}",
                _afterwards(peer, cell),
                end_section=concurrency == CONCURRENCIES[-1],
            )
    console.print(table)
    for peer, what in BESIDE.items():
        console.print(f"{NAMES[peer][:3]} meanwhile, in the same process: {what}.")
    console.print(
        "Slack's stand-in limits no rate, so the house works off what it owes at full speed while it answers."
    )


def answer_lines(cells: Cells) -> list[Line]:
    """The goals about answering."""
    lines = [
        Line(f"{NAMES[peer]}: p50 / (a), {concurrency} at a time", _p50_ratio(cells, peer, BOLT, concurrency), goal)
        for concurrency, goal in P50_GOALS.items()
        for peer in (COMMAND, CONFIRM, APPROVE)
    ]
    lines += [
        Line(f"{NAMES[peer]}: req/s / (b), 16 at a time", _rate_ratio(cells, peer, PROMPT, 16), 0.6, at_least=True)
        for peer in (CONFIRM, APPROVE)
    ]
    for peer, (bolt, prompt) in SAME_BODY.items():
        lines += [
            Line(
                f"{NAMES[peer][:3]}, (a) given the same body: p50 / (a), {concurrency} at a time",
                _p50_ratio(cells, peer, bolt, concurrency),
                goal,
            )
            for concurrency, goal in P50_GOALS.items()
        ]
        ratio = _rate_ratio(cells, peer, prompt, 16)
        lines.append(
            Line(f"{NAMES[peer][:3]}, (b) given the same body: req/s / (b), 16 at a time", ratio, 0.6, at_least=True)
        )
    return lines


def show_lines(lines: Sequence[Line], console: Console) -> None:
    """The goals, and whether they were reached."""
    table = Table(title="Goals", title_justify="left")
    table.add_column("line")
    for head in ("reached", "goal", ""):
        table.add_column(head, justify="right")
    for line in lines:
        sign = ">=" if line.at_least else "<="
        verdict = "[green]met[/green]" if line.met else "[red]not met[/red]"
        reached = f"{line.reached or 0:.2f}{line.unit}"
        if line.reached is None:
            reached, verdict = "not installed", ""
        table.add_row(line.what, reached, f"{sign} {line.goal:g}{line.unit}", verdict)
    console.print(table)


def _afterwards(peer: str, cell: Cell) -> str:
    if peer == COMMAND:
        p50, p99 = statistics.median(cell.opened) * 1000, statistics.median(cell.opened_p99) * 1000
        return f"modal at Slack {p50:.0f} ms after the command (p99 {p99:.0f})"
    if cell.aftermath:
        return f"last message at Slack {statistics.median(cell.aftermath):.1f} s after the last answer"
    return ""


def _p50_ratio(cells: Cells, peer: str, base: str, concurrency: int) -> float:
    return _round_by_round(cells, peer, base, concurrency, lambda cell, number: cell.loads[number].percentile(0.5))


def _rate_ratio(cells: Cells, peer: str, base: str, concurrency: int) -> float:
    return _round_by_round(cells, peer, base, concurrency, lambda cell, number: cell.loads[number].rate)


def _round_by_round(cells: Cells, peer: str, base: str, concurrency: int, value: Callable[[Cell, int], float]) -> float:
    """The median of the rounds' ratios: both sides of each are of the same minute."""
    ours, theirs = cells[peer, concurrency], cells[base, concurrency]
    return statistics.median(value(ours, number) / value(theirs, number) for number in range(len(ours.loads)))
