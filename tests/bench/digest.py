"""How long the digest of the channel that is told everything takes over a year of requests, beside bare SQL.

The peer is what the figures of a digest take at the least, by hand in sqlite3: the last day's requests by how they
ended, and the month's money by team, from a table of their own with an index that covers both. Interleaved rounds.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from handlers.digest import Digests, Section
from handlers.policy import Budget, Policy, Terms, period_of
from handlers.questions import Questions
from handlers.slack.digest import draw
from handlers.slack.messages import Messages
from providers.catalogue import built_in
from storage.digests import DigestBooks
from storage.records import RequestState
from storage.sqlite import SqliteDatabase
from storage.store import Store
from tests.bench.prepare import asking
from tests.bench.world import APPROVALS, APPROVER, REQUESTER, TEAM

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TEAMS = 20
_SECTIONS = (Section.DECISIONS, Section.STUCK, Section.ENDED, Section.MONEY, Section.RENEWALS)
"""The providers are not asked: how long they take is theirs."""
_FILL = """
    INSERT INTO requests (
        id, team, requester, channel, command, created_at, updated_at, state, provider, account, input, quote, reason,
        fingerprint, view_id, checking_since, decided_by, decided_at, decision_reason, outcome, asks_person,
        lease_until, waiting_since
    )
    WITH RECURSIVE
        numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < :rows - 1),
        spread AS (
            SELECT n, strftime('%Y-%m-%dT%H:%M:%f000+00:00', :first + :span * n / :rows, 'unixepoch') AS at FROM numbers
        )
    SELECT 'req_' || lower(hex(randomblob(8))), :team, CASE n % 50 WHEN 0 THEN :requester ELSE 'U' || (n % 50) END,
        'C' || (n % :teams), 'domain buy', at, at,
        CASE
            WHEN n >= :rows - 40 THEN 'awaiting_approval'
            WHEN n >= :rows - 60 THEN 'unknown'
            WHEN n % 10 = 0 THEN 'failed'
            WHEN n % 23 = 0 THEN 'denied'
            ELSE 'succeeded'
        END,
        'mailin', 'mailin-main', :input, :quote, 'New campaign', hex(randomblob(32)), '', NULL, 'U0OMAR', at, '',
        '{"kind": "done", "summary": "It is live.", "items": []}', 0, NULL, at
    FROM spread
"""
_PEER = (
    "CREATE TABLE bench_digest (at TEXT, state TEXT, team TEXT, amount INTEGER)",
    "INSERT INTO bench_digest SELECT updated_at, state, channel, 12500000 FROM requests",
    "CREATE INDEX bench_digest_covering ON bench_digest (at, state, team, amount)",
    "ANALYZE bench_digest",
)


class Standing:
    """A clock that stands still at `NOW`."""

    def now(self) -> datetime:
        return NOW


@dataclass(slots=True)
class Composed:
    """Seconds for one digest, a value for each round."""

    ours: list[float] = field(default_factory=list)
    """Postroom: read, composed and drawn as blocks."""
    bare: list[float] = field(default_factory=list)
    """The covering SQL alone."""

    def ratio(self) -> float:
        """The median of the rounds' ratios."""
        return statistics.median(ours / bare for ours, bare in zip(self.ours, self.bare, strict=True))


async def measure_digest(rows: int, days: int, rounds: int, say: Callable[[str], None]) -> Composed:
    """`rounds` digests of the day before, over `rows` requests of the last `days` days."""
    composed = Composed()
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as folder:
        path = Path(folder) / "postroom.db"
        say(f"filling a database with {rows:,} requests of {days} days")
        database = SqliteDatabase(path)
        raw = filled(path, rows, days)
        store = Store(database)
        requests = asking(store, _policy(), Standing()).requests
        questions = Questions(store, requests, Standing())
        digests = Digests(DigestBooks(database), requests, questions, {}, {}, catalogue=built_in(), clock=Standing())
        messages = Messages(requests)
        since = NOW - timedelta(days=1)
        try:
            for number in range(rounds + 1):
                say(f"round {number} of {rounds}: digests")
                started = time.perf_counter()
                digest = await digests.compose(APPROVALS, _SECTIONS, since)
                drawn = draw(digest, messages)
                ours = time.perf_counter() - started
                bare, by_state = _bare(raw, since)
                _same(digest.ended, by_state)
                assert drawn.blocks
                if number:  # the first warms both up
                    composed.ours.append(ours)
                    composed.bare.append(bare)
        finally:
            raw.close()
            store.close()
    return composed


def _same(ended: object, by_state: dict[str, int]) -> None:
    """Both have counted the same."""
    assert isinstance(ended, dict)
    for state in (RequestState.SUCCEEDED, RequestState.FAILED, RequestState.DENIED):
        assert ended[state].count == by_state[state.value], (state, ended[state].count, by_state)


def _bare(raw: sqlite3.Connection, since: datetime) -> tuple[float, dict[str, int]]:
    started = time.perf_counter()
    day = raw.execute(
        "SELECT state, COUNT(*) FROM bench_digest WHERE at > ? AND at <= ? GROUP BY state",
        [_text(since), _text(NOW)],
    ).fetchall()
    money = raw.execute(
        "SELECT team, SUM(amount) FROM bench_digest WHERE at >= ? GROUP BY team", [_text(NOW.replace(day=1, hour=0))]
    ).fetchall()
    taken = time.perf_counter() - started
    assert len(money) == TEAMS
    return taken, dict(day)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _policy() -> Policy:
    budgets = tuple(Budget(f"Team {number}", Decimal(100_000), "USD", team=f"C{number}") for number in range(TEAMS))
    return Policy(Terms((APPROVER,)), APPROVALS, budgets=budgets)


def filled(path: Path, rows: int, days: int) -> sqlite3.Connection:
    """A database with so many requests of so many days, one in fifty of them by REQUESTER; what waits is the newest."""
    raw = sqlite3.connect(path, isolation_level=None, timeout=30)
    raw.execute("PRAGMA synchronous = OFF")
    raw.execute("PRAGMA cache_size = -262144")
    quote = {"lines": [{"what": "acme-mail.com", "price": "12.50"}], "currency": "USD", "valid_until": None}
    span = timedelta(days=days).total_seconds()
    raw.execute(
        _FILL,
        {
            "rows": rows, "team": TEAM, "requester": REQUESTER, "teams": TEAMS, "quote": json.dumps(quote),
            "input": '{"domains": ["acme-mail.com"], "hosting": "smtp"}', "first": NOW.timestamp() - span,
            "span": span,
        },
    )  # fmt: skip
    month = period_of(Budget("", Decimal(0), ""), NOW)
    raw.executemany(
        "INSERT INTO budget_months VALUES (?, ?, 1000000, 12500000)",
        [(f"Team {number}", month) for number in range(TEAMS)],
    )
    for statement in _PEER:
        raw.execute(statement)
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return raw
