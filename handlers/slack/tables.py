"""Tables and charts: Slack's newer blocks, and the same as lines for workspaces that refuse them."""

from __future__ import annotations

from collections.abc import Sequence

import slackblocks as sb

from handlers.slack.words import clip, code, escape
from providers.action import Chart, Table

MOST_ROWS = 100
LONGEST_CELL = 90
MOST_SHARES = 12
LONGEST_LABEL = 20


def table_block(table: Table) -> sb.Block:
    """A `data_table`: it sorts, filters and pages by itself."""
    rows = [table.columns, *table.rows[:MOST_ROWS]]
    return sb.DataTableBlock(
        rows=[[sb.RawText(clip(cell or "–", LONGEST_CELL)) for cell in row] for row in rows],
        caption="Answer",
        page_size=10,
    )


def table_lines(table: Table) -> list[str]:
    """Each row a line: its first cell, then the others with their columns' names."""
    return [_line(table.columns, row) for row in table.rows]


def chart_block(chart: Chart) -> sb.Block:
    """A `data_visualization` pie."""
    shares = [(name, number) for name, number in chart.shares if number > 0][:MOST_SHARES]
    segments = [sb.ChartSegment(clip(name, LONGEST_LABEL), number) for name, number in shares]
    return sb.DataVisualizationBlock(title=clip(chart.title, 50), chart=sb.PieChart(segments))


def chart_lines(chart: Chart) -> list[str]:
    """The figures, for screen readers and for workspaces without charts."""
    whole = sum(number for _, number in chart.shares) or 1
    return [f"• {escape(name)}: {number:,} ({number * 100 / whole:.0f} %)" for name, number in chart.shares]


def _line(columns: Sequence[str], row: Sequence[str]) -> str:
    others = [
        f"{escape(name)} {escape(clip(cell, 200))}" for name, cell in zip(columns[1:], row[1:], strict=False) if cell
    ]
    return f"• {code(row[0])}{' — ' if others else ''}{' · '.join(others)}"
