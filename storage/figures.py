"""What the meters read: how much waits and since when, and what the audit says has happened.

Each is one question that an index answers, on a reader's connection, and it is broken off when it takes too long: the
meters must never cost what they measure.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlite_utils import Database

from storage.moments import as_text, as_time
from storage.sqlite import SqliteDatabase

T = TypeVar("T")

MOST_SECONDS = 0.5
"""For one question. What takes longer raises sqlite3.OperationalError ("interrupted")."""
STEPS = 10_000
"""So many steps of SQLite between two looks at the time: about a millisecond."""
ENTRIES_AT_ONCE = 10_000
"""Entries of the audit that are counted in one go; what is left is counted the next time."""
OWED_LOOKED_AT = 10_000
"""Owed messages whose age is looked at, in the order in which they came to be owed first."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many wait, and since when the one that waits the longest does; None where nobody does."""

    count: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Watched:
    """The jobs of one account: `due` could be looked at now, `late` since before the moment that was asked about."""

    count: int
    due: int
    late: int


@dataclass(frozen=True, slots=True)
class Happened:
    """A kind of fact in the audit. `command` and `provider` are of the request it is about, empty where it is none.

    `particular` is what a person answered who was asked (`settled`), and `1` for the yes that decided (`approved`) and
    for what the rules let pass without one (`asked`).
    """

    what: str
    provider: str
    command: str
    particular: str


class Figures:
    """The figures of one database."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def open_requests(self) -> dict[str, int]:
        """What was asked and has not ended, by state."""
        return await self._ask(
            lambda db: {
                row[0]: row[1]
                for row in db.execute(
                    "SELECT state, COUNT(*) FROM requests WHERE state IN"
                    " ('awaiting_approval', 'approved', 'executing', 'working', 'unknown') GROUP BY state"
                )
            }
        )

    async def waiting_for_decision(self) -> Waiting:
        """Requests that nobody has decided yet."""
        return await self._waiting(
            "SELECT COUNT(*), MIN(COALESCE(waiting_since, updated_at)) FROM requests WHERE state = 'awaiting_approval'"
        )

    async def waiting_for_person(self) -> Waiting:
        """Requests of which a person has to say what became of them."""
        return await self._waiting(
            "SELECT COUNT(*), MIN(updated_at) FROM requests WHERE state = 'unknown' AND asks_person = 1"
        )

    async def owed(self, now: datetime) -> Waiting:
        """Messages and digests that Slack has not got yet, or only as they were before."""
        # A surface that was posted before is owed since its request last moved. Digests of days before are not sent; of
        # those with a note its owner knows that their channel takes none.
        yesterday = (now - timedelta(days=2)).date().isoformat()
        return await self._waiting(
            "WITH digest (since) AS (SELECT claimed_at FROM digests_sent WHERE local_date >= ? AND state = 'owed'"
            "  AND note = '' AND channel IN (SELECT channel FROM digests))"
            " SELECT (SELECT COUNT(*) FROM messages WHERE sent < wanted) + (SELECT COUNT(*) FROM digest), MIN(since)"
            " FROM (SELECT CASE WHEN m.sent = 0 THEN m.created_at ELSE r.updated_at END AS since"
            "  FROM (SELECT sent, created_at, request_id FROM messages WHERE sent < wanted ORDER BY lane, seq LIMIT ?)"
            "  AS m JOIN requests AS r ON r.id = m.request_id UNION ALL SELECT since FROM digest)",
            yesterday,
            OWED_LOOKED_AT,
        )

    async def jobs(self, now: datetime, late_before: datetime) -> dict[str, Watched]:
        """By account. A job that somebody looks at is not due."""
        return await self._ask(
            lambda db: {
                row[0]: Watched(row[1], row[2], row[3])
                for row in db.execute(
                    "SELECT account, COUNT(*), SUM(due_at <= ?), SUM(due_at < ?) FROM jobs GROUP BY account",
                    [as_text(now), as_text(late_before)],
                )
            }
        )

    async def sizes(self) -> Mapping[str, int]:
        """Bytes on the disk: of the database (`main`) and of what is not yet in it (`wal`)."""

        def question(db: Database) -> Mapping[str, int]:
            path = str(db.execute("PRAGMA database_list").fetchone()["file"])
            return {"main": os.stat(path).st_size, "wal": os.stat(f"{path}-wal").st_size}

        return await self._ask(question)

    async def end_of_audit(self) -> int:
        """The number of its last entry; 0 without any."""
        return await self._ask(lambda db: int((db.execute("SELECT seq FROM audit_head").fetchone() or [0])[0]))

    async def happened(self, after: int) -> tuple[Counter[Happened], int]:
        """How often what happened after entry `after`, and up to which entry that was counted."""

        def question(db: Database) -> tuple[Counter[Happened], int]:
            last = int((db.execute("SELECT seq FROM audit_head").fetchone() or [0])[0])
            until = min(last, after + ENTRIES_AT_ONCE)
            rows = db.execute(
                "SELECT a.what, COALESCE(r.provider, ''), COALESCE(r.command, ''), CASE a.what"
                " WHEN 'settled' THEN json_extract(a.detail, '$.answer')"
                " WHEN 'approved' THEN json_extract(a.detail, '$.given') >= json_extract(a.detail, '$.needs')"
                "  AND json_extract(a.detail, '$.lacks') IS NULL"
                " WHEN 'asked' THEN json_extract(a.detail, '$.auto')"
                " END AS particular, COUNT(*)"
                " FROM audit AS a LEFT JOIN requests AS r ON r.id = a.request_id"
                " WHERE a.seq > ? AND a.seq <= ? GROUP BY 1, 2, 3, 4",
                [after, until],
            ).fetchall()
            counted: Counter[Happened] = Counter()
            for what, provider, command, particular, count in rows:
                counted[Happened(what, provider, command, "" if particular is None else str(particular))] += count
            return counted, max(until, after)

        return await self._ask(question)

    async def _waiting(self, sql: str, *parameters: int | str) -> Waiting:
        def question(db: Database) -> Waiting:
            count, oldest = db.execute(sql, parameters).fetchone()
            return Waiting(int(count), None if oldest is None else as_time(oldest))

        return await self._ask(question)

    async def _ask(self, question: Callable[[Database], T]) -> T:
        def within(db: Database) -> T:
            end = time.monotonic() + MOST_SECONDS
            db.conn.set_progress_handler(lambda: time.monotonic() > end, STEPS)
            try:
                return question(db)
            finally:
                db.conn.set_progress_handler(None, 0)

        return await self._database.read(within)
