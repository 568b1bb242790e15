"""How long what people look at takes over very many requests: the home tab, and lists at their beginning and far back.

The peer is what these figures take at the least, by hand in sqlite3, from a table of its own with indexes that cover
each question. Interleaved rounds. Slack itself is not asked, and nobody in it: it is our own time.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import slackblocks as sb
from slack_sdk.web.async_client import AsyncWebClient

from handlers.approvals import Approvals
from handlers.background import Background
from handlers.digest import Digests
from handlers.listings import LOOKS, Filter, Listings, Scope
from handlers.policy import Budget, Policy, Terms, period_of
from handlers.questions import Questions
from handlers.requests import Asker
from handlers.slack.front import Front
from handlers.slack.home import Home
from handlers.slack.lists import RequestLists
from handlers.slack.messages import Messages
from handlers.slack.words import built
from providers.catalogue import built_in
from storage.digests import DigestBooks
from storage.lists import LOOKED_AT, Spot
from storage.sqlite import SqliteDatabase
from storage.store import Store
from tests.bench.digest import NOW, Standing, filled
from tests.bench.prepare import asking
from tests.bench.world import APPROVALS, APPROVER, REQUESTER, TEAM

HOME = "the home tab"
FIRST = "the first page of all requests"
LATER = "a page half-way back"
NOTHING = "a search that finds nothing"
EVERYBODYS = "Everybody's"
DAYS = 365
_WORKING = 40
_PEER = (
    "CREATE TABLE bench_lists (at TEXT, state TEXT, requester TEXT, command TEXT, channel TEXT, id TEXT, amount INT)",
    "INSERT INTO bench_lists SELECT created_at, state, requester, command, channel, id, 12500000 FROM requests",
    "CREATE INDEX bench_by_time ON bench_lists (at, state, requester, command, channel, id)",
    "CREATE INDEX bench_by_state ON bench_lists (state, at, requester, command, channel, id)",
    "CREATE INDEX bench_by_requester ON bench_lists (requester, at, state, command, channel, id)",
    "CREATE INDEX bench_money ON bench_lists (at, amount)",
    "ANALYZE bench_lists",
)
_SHOWN = "SELECT at, state, requester, command, channel, id FROM bench_lists"


@dataclass(slots=True)
class Surfaces:
    """Seconds for each surface, a value for each round: `ours`, read and drawn as blocks, and the `bare` SQL."""

    ours: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    bare: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    def took(self, what: str) -> float:
        """The median of ours, in milliseconds."""
        return statistics.median(self.ours[what]) * 1000

    def by_hand(self, what: str) -> float:
        """The median of the bare SQL, in milliseconds."""
        return statistics.median(self.bare[what]) * 1000

    def ratio(self, what: str, other: str) -> float:
        """The median of the rounds' ratios of ours."""
        return statistics.median(a / b for a, b in zip(self.ours[what], self.ours[other], strict=True))


async def measure_surfaces(rows: int, rounds: int, say: Callable[[str], None]) -> Surfaces:
    """Each surface `rounds` times over `rows` requests of a year, for somebody who asks, decides, and has a budget."""
    measured = Surfaces()
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as folder:
        path = Path(folder) / "postroom.db"
        say(f"filling a database with {rows:,} requests")
        database = SqliteDatabase(path)
        raw = filled(path, rows, DAYS)
        _furnish(raw)
        store = Store(database)
        front = _front(store, database)
        lists = RequestLists(front)
        home = Home(front, lists)
        back = _spot(raw, rows // 2)
        surfaces: dict[str, tuple[Callable[[], Awaitable[Sequence[Any]]], Callable[[], int]]] = {
            HOME: (lambda: _home(home), lambda: _home_by_hand(raw)),
            FIRST: (lambda: _page(front, lists, None), lambda: _page_by_hand(raw, None)),
            LATER: (lambda: _page(front, lists, back), lambda: _page_by_hand(raw, back)),
            NOTHING: (lambda: _page(front, lists, None, "zebra"), lambda: _search_by_hand(raw)),
        }
        try:
            for number in range(rounds + 1):
                for what, (draw, by_hand) in surfaces.items():
                    say(f"round {number} of {rounds}: {what}")
                    started = time.perf_counter()
                    blocks = await draw()
                    ours = time.perf_counter() - started
                    started = time.perf_counter()
                    found = by_hand()
                    bare = time.perf_counter() - started
                    assert found
                    assert len(blocks) > (1 if what == NOTHING else 10), what
                    if number:  # the first warms both up
                        measured.ours.setdefault(what, []).append(ours)
                        measured.bare.setdefault(what, []).append(bare)
        finally:
            raw.close()
            store.close()
    return measured


async def _home(home: Home) -> Sequence[Any]:
    """The home tab of somebody who decides, as it is published."""
    view = sb.HomeTabView(blocks=await home._drawn(Asker(TEAM, APPROVER, ""))).to_dict()
    blocks: Sequence[Any] = view["blocks"]
    return blocks


async def _page(front: Front, lists: RequestLists, start: Spot | None, *words: str) -> Sequence[Any]:
    """A page of all requests, as it is shown."""
    asker, wanted = Asker(TEAM, APPROVER, APPROVALS), Filter(Scope.ALL, words=words)
    page = await front.listings.page(wanted, asker, start)
    _, blocks = await lists._drawn(wanted, page, asker)
    return built(blocks)


def _home_by_hand(raw: sqlite3.Connection) -> int:
    questions: Sequence[tuple[str, Sequence[object]]] = (
        (f"{_SHOWN} WHERE state = 'awaiting_approval' ORDER BY at LIMIT 100", ()),
        (f"{_SHOWN} WHERE state = 'unknown' ORDER BY at LIMIT 100", ()),
        (f"{_SHOWN} WHERE requester = ? ORDER BY at DESC LIMIT 5", (APPROVER,)),
        (
            f"{_SHOWN} INDEXED BY bench_by_state WHERE state IN ('approved', 'executing', 'working')"
            " ORDER BY at DESC LIMIT 50",
            (),
        ),
        (
            "SELECT command, COUNT(*) FROM (SELECT command FROM bench_lists WHERE requester = ? ORDER BY at DESC"
            " LIMIT 100) GROUP BY command ORDER BY COUNT(*) DESC LIMIT 5",
            (APPROVER,),
        ),
        ("SELECT SUM(amount) FROM bench_lists WHERE at >= ?", (_text(NOW.replace(day=1, hour=0)),)),
    )
    return sum(len(raw.execute(question, given).fetchall()) for question, given in questions)


def _page_by_hand(raw: sqlite3.Connection, start: Spot | None) -> int:
    beyond = _text(start.at if start is not None else NOW)
    return len(raw.execute(f"{_SHOWN} WHERE at < ? ORDER BY at DESC LIMIT 11", [beyond]).fetchall())


def _search_by_hand(raw: sqlite3.Connection) -> int:
    """As many of the newest as one look at lists goes along."""
    newest = f"SELECT id, command, channel FROM bench_lists ORDER BY at DESC LIMIT {LOOKS * LOOKED_AT}"
    return len(raw.execute(f"SELECT COUNT(*) FROM ({newest}) WHERE id || command || channel LIKE '%zebra%'").fetchall())


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _furnish(raw: sqlite3.Connection) -> None:
    """Some of it is under way, some was asked by whoever looks; the peer's table has the same."""
    [newest] = raw.execute("SELECT MAX(rowid) FROM requests").fetchone()
    raw.execute(
        "UPDATE requests SET state = 'working' WHERE rowid > ? AND rowid <= ?",
        [newest - 60 - _WORKING, newest - 60],
    )
    raw.execute("UPDATE requests SET requester = ? WHERE requester = ? AND rowid % 2", [APPROVER, REQUESTER])
    month = period_of(Budget("", Decimal(0), ""), NOW)
    raw.execute("INSERT INTO budget_months VALUES (?, ?, 1000000, 12500000)", [EVERYBODYS, month])
    for statement in _PEER:
        raw.execute(statement)
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _spot(raw: sqlite3.Connection, row: int) -> Spot:
    """Where a request is in the order in which they were asked."""
    [at] = raw.execute("SELECT created_at FROM requests WHERE rowid = ?", [row]).fetchone()
    return Spot(datetime.fromisoformat(at), row)


def _front(store: Store, database: SqliteDatabase) -> Front:
    """What the surfaces are drawn with, in a workspace in which everybody may act, and with no provider at hand."""
    clock, catalogue = Standing(), built_in()
    policy = Policy(Terms((APPROVER,)), APPROVALS, budgets=(Budget(EVERYBODYS, Decimal(100_000), "USD"),))
    life = asking(store, policy, clock)
    requests = life.requests
    approvals = Approvals(store, requests, life.rulings, clock)
    questions = Questions(store, requests, clock)
    return Front(
        requests=requests,
        drafts=life.drafts,
        settling=life.settling,
        approvals=approvals,
        questions=questions,
        catalogue=catalogue,
        accounts={},
        messages=Messages(requests),
        background=Background(),
        lookups=Background(),
        client=AsyncWebClient(),
        team=TEAM,
        digests=Digests(DigestBooks(database), requests, questions, {}, {}, catalogue=catalogue, clock=clock),
        listings=Listings(store, requests, questions, approvals=approvals, settling=life.settling, clock=clock),
        url="https://acme.slack.com/",
    )
