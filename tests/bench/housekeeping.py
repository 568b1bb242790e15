"""What writers pay for it that old messages are thrown away meanwhile: small durable writes, with it and without."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from handlers.housekeeping import Housekeeping, Kept
from storage.housekeeping import Attic
from storage.sqlite import SqliteDatabase
from storage.store import Store
from tests.bench.load import percentile
from tests.bench.polling import fill
from tests.bench.watched import Clock

MESSAGES_EACH = 5
SECONDS = 10.0
_DAY = timedelta(days=1)
_MESSAGES = """
    INSERT INTO messages (id, request_id, kind, lane, channel, body, wanted, sent, begun, attempts, created_at, due_at,
        lease_until, ts, posted_in)
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :each)
    SELECT 'msg_' || requests.id || n, requests.id, CASE n WHEN 1 THEN 'parent' WHEN 2 THEN 'card' ELSE 'note' END,
        requests.id || '/thread', channel, '{"fact": "asked"}', 1, 1, 0, 0, created_at, created_at, '', '1.' || n,
        channel
    FROM requests, numbers ORDER BY requests.rowid, n
"""


@dataclass(frozen=True, slots=True)
class Tidied:
    """Seconds that small writes took, alone and meanwhile; how many messages went, and in how many seconds."""

    alone: list[float]
    meanwhile: list[float]
    gone: int
    seconds: float

    def ratio(self) -> float:
        """How much longer all but one write in a hundred may take."""
        return percentile(self.meanwhile, 0.99) / percentile(self.alone, 0.99)


async def measure_housekeeping(messages: int, say: Callable[[str], None]) -> Tidied:
    """One round over so many messages of requests that ended a year ago."""
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        path = Path(name) / "postroom.db"
        say(f"filling a database with {messages:,} messages")
        before = _filled(path, messages // MESSAGES_EACH)
        database = SqliteDatabase(path)
        store = Store(database)
        kept = Kept(_DAY, _DAY * 90, _DAY * 90, _DAY * 90, _DAY * 90)
        housekeeping = Housekeeping(Attic(database), kept, Clock())
        try:
            say("small writes, and nothing else")
            alone = await _writes(store, asyncio.create_task(asyncio.sleep(SECONDS)))
            say(f"{messages:,} messages are thrown away")
            started = time.perf_counter()
            meanwhile = await _writes(store, asyncio.create_task(_tidy(housekeeping)))
            took = time.perf_counter() - started
            left = await database.read(lambda db: int(db.execute("SELECT COUNT(*) FROM messages").fetchone()[0]))
        finally:
            store.close()
    if left != messages // MESSAGES_EACH:
        raise RuntimeError(f"{left} messages are left, and not one for each request")
    return Tidied(alone, meanwhile, before - left, took)


async def _tidy(housekeeping: Housekeeping) -> None:
    while await housekeeping.tidy() is not None:
        pass


async def _writes(store: Store, until: asyncio.Task[None]) -> list[float]:
    took: list[float] = []
    while not until.done():
        began = time.perf_counter()
        await store.beats.ran("bench", datetime.now(UTC))
        took.append(time.perf_counter() - began)
        await asyncio.sleep(0.002)
    until.result()
    return took


def _filled(path: Path, requests: int) -> int:
    fill(path, requests, due=datetime.now(UTC))
    with sqlite3.connect(path, isolation_level=None) as raw:
        raw.execute("PRAGMA synchronous = OFF")
        ago = (datetime.now(UTC) - timedelta(days=365)).isoformat(timespec="microseconds")
        raw.execute("BEGIN")
        raw.execute("DELETE FROM jobs")
        raw.execute("UPDATE requests SET state = 'succeeded', created_at = ?, updated_at = ?", [ago, ago])
        raw.execute(_MESSAGES, {"each": MESSAGES_EACH})
        raw.execute("COMMIT")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return int(raw.execute("SELECT COUNT(*) FROM messages").fetchone()[0])
