"""How fast decisions are on disk: sixteen writers that share commits, beside one caller of sqlite3 that does it alone.

All over one database of many requests, with synchronous=FULL, in interleaved rounds.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from handlers.approvals import Approvals
from handlers.life import Life
from handlers.requests import SEEN
from storage.audit import append
from storage.records import Fact, Request, Verdict, new_id
from storage.sqlite import SqliteDatabase
from storage.store import Store
from tests.bench.prepare import asking, checked_draft, confirm, in_batches
from tests.bench.watched import Clock
from tests.bench.world import APPROVER, CHANNEL, REQUESTER, TEAM

WRITERS = 16
_STAMP = "2026-01-01T00:00:00.000000+00:00"
_FILL = """
    INSERT INTO requests (
        id, team, requester, channel, command, created_at, updated_at, state, provider, account, input, quote, reason,
        fingerprint, view_id, checking_since, decided_by, decided_at, decision_reason, outcome, asks_person, lease_until
    )
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :rows)
    SELECT 'req_' || lower(hex(randomblob(8))), :team, :requester, :channel, 'domain buy', :stamp, :stamp, 'succeeded',
        'mailin', 'mailin-main', :input, :quote, 'New campaign', hex(randomblob(32)), '', NULL, 'U0OMAR', :stamp, '',
        '{"kind": "done", "summary": "It is live."}', 0, NULL
    FROM numbers
"""


@dataclass(slots=True)
class Stored:
    """Operations a second, a value for each round."""

    decisions: list[float] = field(default_factory=list)
    """Postroom: an approval by each of 16 writers at a time, through the real `Approvals.decide`."""
    by_hand: list[float] = field(default_factory=list)
    """The same statements by hand, one after the other, a commit each."""
    shared: list[float] = field(default_factory=list)
    """The same by hand, sixteen to a commit: what sharing gains at most, without any house."""
    bare: list[float] = field(default_factory=list)
    """The least: a row inserted, committed, updated, committed."""

    def ratio(self, other: Sequence[float]) -> float:
        """The median of the rounds' ratios."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.decisions, other, strict=True))


async def measure_storing(rows: int, rounds: int, each: int, say: Callable[[str], None]) -> Stored:
    """`rounds` rounds of `each` operations a kind, over `rows` requests that were settled before."""
    stored = Stored()
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as folder:
        path = Path(folder) / "postroom.db"
        say(f"filling a database with {rows:,} requests")
        database = SqliteDatabase(path)
        _fill(path, rows)
        store = Store(database)
        life = asking(store)
        raw = _raw(path)
        try:
            drafts = await in_batches(3 * rounds * each, lambda number: checked_draft(store, life, number))
            waiting = iter(await in_batches(len(drafts), lambda n: confirm(life, drafts[n])))
            for number in range(rounds):
                say(f"round {number + 1} of {rounds}: decisions")
                stored.bare.append(_bare(raw, each))
                stored.by_hand.append(_by_hand(raw, [next(waiting) for _ in range(each)], together=1))
                stored.shared.append(_by_hand(raw, [next(waiting) for _ in range(each)], together=WRITERS))
                stored.decisions.append(await _decisions(store, life, [next(waiting) for _ in range(each)]))
        finally:
            raw.close()
            store.close()
    return stored


async def _decisions(store: Store, life: Life, waiting: Sequence[Request]) -> float:
    approvals = Approvals(store, life.requests, life.rulings, Clock())
    left: Iterator[Request] = iter(waiting)

    async def writer() -> None:
        for request in left:
            await approvals.decide(request.id, APPROVER, Verdict.APPROVE, seen=request.fingerprint[:SEEN])

    started = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(WRITERS)))
    return len(waiting) / (time.perf_counter() - started)


def _by_hand(raw: sqlite3.Connection, waiting: Sequence[Request], *, together: int) -> float:
    started = time.perf_counter()
    for number, request in enumerate(waiting):
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        if number % together == 0:
            raw.execute("BEGIN IMMEDIATE")
        raw.execute(
            "UPDATE requests SET state = 'approved', updated_at = ?, decided_by = ?, decided_at = ? WHERE id = ?"
            " AND state = 'awaiting_approval' AND fingerprint = ?",
            [now, APPROVER, now, request.id, request.fingerprint],
        )
        raw.execute(
            "UPDATE messages SET wanted = wanted + 1, due_at = ? WHERE request_id = ? AND kind IN ('card', 'parent')",
            [now, request.id],
        )
        raw.execute(
            "INSERT INTO messages (id, request_id, kind, lane, channel, body, wanted, sent, begun, attempts,"
            " created_at, due_at, lease_until, ts, posted_in)"
            " VALUES (?, ?, 'note', ?, ?, ?, 1, 0, 0, 0, ?, ?, '', '', '')",
            [
                new_id("msg"), request.id, f"{request.id}/thread", CHANNEL,
                json.dumps({"fact": "approved", "by": APPROVER, "reason": ""}), now, now,
            ],
        )  # fmt: skip
        approved = Fact(APPROVER, "approved", {"fingerprint": request.fingerprint, "reason": ""})
        append(raw, request.id, approved, datetime.fromisoformat(now))
        raw.execute(
            "INSERT INTO votes (request_id, voter, verdict, fingerprint, at, reason)"
            " VALUES (?, ?, 'approve', ?, ?, '')",
            [request.id, APPROVER, request.fingerprint, now],
        )
        if number % together == together - 1 or request is waiting[-1]:
            raw.execute("COMMIT")
    return len(waiting) / (time.perf_counter() - started)


def _bare(raw: sqlite3.Connection, count: int) -> float:
    started = time.perf_counter()
    for _ in range(count):
        name = new_id("row")
        raw.execute("INSERT INTO bench_rows VALUES (?, 'awaiting', ?, ?)", [name, _STAMP, '{"domains": ["acme.com"]}'])
        raw.execute("UPDATE bench_rows SET state = 'approved', at = ? WHERE id = ?", [_STAMP, name])
    return count / (time.perf_counter() - started)


def _raw(path: Path) -> sqlite3.Connection:
    raw = sqlite3.connect(path, isolation_level=None, timeout=30)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute("PRAGMA synchronous = FULL")
    return raw


def _fill(path: Path, rows: int) -> None:
    filling = sqlite3.connect(path, isolation_level=None)
    filling.execute("PRAGMA synchronous = OFF")
    filling.execute("PRAGMA cache_size = -262144")
    quote = {"lines": [{"what": "acme-mail.com", "price": "12.50"}], "currency": "USD", "valid_until": None}
    filling.execute(
        _FILL,
        {
            "rows": rows, "team": TEAM, "requester": REQUESTER, "channel": CHANNEL, "stamp": _STAMP,
            "input": '{"domains": ["acme-mail.com"], "hosting": "smtp"}', "quote": json.dumps(quote),
        },
    )  # fmt: skip
    filling.execute("CREATE TABLE bench_rows (id TEXT PRIMARY KEY, state TEXT, at TEXT, input TEXT)")
    filling.execute("INSERT INTO bench_rows SELECT 'row' || id, state, updated_at, input FROM requests")
    filling.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    filling.close()
