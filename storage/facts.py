"""What has happened, as people ask for it: the entries of the audit (storage/audit.py has its chain)."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from pydantic_core import from_json
from sqlite_utils import Database

from storage import audit
from storage.moments import as_time
from storage.records import AuditEntry, Fact
from storage.sqlite import SqliteDatabase


class Facts:
    """The audit of requests, and of the house itself."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def of(self, request_id: str) -> list[AuditEntry]:
        """The audit of one request, oldest first."""
        return await self._database.read(
            lambda db: [
                as_entry(row)
                for row in db.execute("SELECT * FROM audit WHERE request_id = ? ORDER BY seq", [request_id])
            ]
        )

    async def after(self, seq: int, most: int) -> list[AuditEntry]:
        """The first facts that come after entry `seq`."""
        return await self._database.read(
            lambda db: [
                as_entry(row)
                for row in db.execute("SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", [seq, most])
            ]
        )

    async def last(self, what: str) -> AuditEntry | None:
        """The latest fact of this kind about the house itself: noted for no request, with an empty id."""
        return await self._database.read(lambda db: _last(db, what))

    async def note(self, request_id: str, fact: Fact, now: datetime) -> None:
        """Put a fact into the audit that changes nothing else, such as a refused click."""
        await self._database.write(lambda db: audit.append(db.conn, request_id, fact, now))

    async def note_next(self, fact: Fact, last: AuditEntry | None, now: datetime) -> bool:
        """Put a fact about the house into the audit that follows `last`, the latest of its kind that was read.

        False, and nothing is noted, when another process has noted one since.
        """

        def change(db: Database) -> bool:
            newest = _last(db, fact.what)
            if (newest and newest.seq) != (last and last.seq):
                return False
            audit.append(db.conn, "", fact, now)
            return True

        return await self._database.write(change)


def _last(db: Database, what: str) -> AuditEntry | None:
    row = db.execute(
        "SELECT * FROM audit WHERE request_id = '' AND what = ? ORDER BY seq DESC LIMIT 1", [what]
    ).fetchone()
    return None if row is None else as_entry(row)


def as_entry(row: sqlite3.Row) -> AuditEntry:
    """A row of the audit as a record."""
    values = dict(row)
    del values["prev"]
    return AuditEntry(**values | {"at": as_time(values["at"]), "detail": from_json(values["detail"])})
