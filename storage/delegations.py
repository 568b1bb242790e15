"""Approvals that are handed over: whose, to whom, until when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlite_utils import Database

from storage import audit, books
from storage.moments import as_text
from storage.records import Delegation, Fact
from storage.rows import insert, read_moment
from storage.sqlite import SqliteDatabase


class Delegations:
    """What people who may approve have handed over for a while."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def hand_over(self, delegation: Delegation, fact: Fact) -> None:
        """Somebody else has `delegation.principal`'s approvals for a while; what was handed over before ends."""

        def change(db: Database) -> None:
            _take_back(db, delegation.principal, delegation.begins_at)
            insert(
                db,
                "delegations",
                {
                    "id": delegation.id, "principal": delegation.principal, "delegate": delegation.delegate,
                    "channel": delegation.channel, "begins_at": as_text(delegation.begins_at),
                    "ends_at": as_text(delegation.ends_at),
                },
            )  # fmt: skip
            audit.append(db.conn, "", fact, delegation.begins_at)

        await self._database.write(change)

    async def take_back(self, principal: str, fact: Fact, now: datetime) -> bool:
        """What `principal` handed over is theirs alone again; False when nothing was handed over."""

        def change(db: Database) -> bool:
            ended = _take_back(db, principal, now)
            if ended:
                audit.append(db.conn, "", fact, now)
            return ended

        return await self._database.write(change)

    async def take_ended(self, fact: Callable[[Delegation], Fact], now: datetime) -> list[Delegation]:
        """What was handed over and has ended by itself in the last day; each only once, for the audit has it then."""

        def found(db: Database) -> list[Delegation]:
            rows = db.execute(
                "SELECT * FROM delegations WHERE ends_at <= :now AND ends_at > :since AND channel <> '' AND NOT EXISTS"
                " (SELECT 1 FROM audit WHERE what = 'hand_over_ended' AND request_id = ''"
                " AND json_extract(detail, '$.id') = delegations.id)",
                {"now": as_text(now), "since": as_text(now - timedelta(days=1))},
            )
            return [books.delegation(row) for row in rows]

        def change(db: Database) -> list[Delegation]:
            ended = found(db)
            for one in ended:
                audit.append(db.conn, "", fact(one), now)
            return ended

        return await self._database.write(change) if await self._database.read(found) else []

    async def next_end(self, now: datetime) -> datetime | None:
        """When the next thing that is handed over ends by itself."""
        return await read_moment(
            self._database, "SELECT MIN(ends_at) FROM delegations WHERE ends_at > :now", {"now": as_text(now)}
        )

    async def in_force(self, now: datetime) -> list[Delegation]:
        """All that is handed over now."""
        return await self._database.read(
            lambda db: [
                books.delegation(row)
                for row in db.execute(
                    "SELECT * FROM delegations WHERE begins_at <= :now AND ends_at > :now ORDER BY begins_at",
                    {"now": as_text(now)},
                )
            ]
        )


def _take_back(db: Database, principal: str, now: datetime) -> bool:
    at = as_text(now)
    return (
        db.execute(
            # Whoever ends it says so: there is no channel any more in which its end is to be said.
            "UPDATE delegations SET ends_at = ?, channel = '' WHERE principal = ? AND ends_at > ?",
            [at, principal, at],
        ).rowcount
        > 0
    )
