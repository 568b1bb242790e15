"""What was ever asked, as it is now."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from storage import books
from storage.records import BudgetUse, Request, Reservation
from storage.rows import as_request, find_request, read_requests
from storage.sqlite import SqliteDatabase


class Requests:
    """Questions about requests that change nothing."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def get(self, request_id: str) -> Request | None:
        """One request by its id."""
        return await self._database.read(
            lambda db: find_request(db, "SELECT * FROM requests WHERE id = ?", [request_id])
        )

    async def of(self, requester: str, limit: int = 20) -> list[Request]:
        """What one person asked, newest first; drafts are not yet asked."""
        return await read_requests(
            self._database,
            "SELECT * FROM requests WHERE requester = ? AND state <> 'draft' ORDER BY created_at DESC LIMIT ?",
            requester,
            limit,
        )

    async def about(self, subject: str, limit: int = 50) -> list[Request]:
        """What was ever asked about a domain, an address, or anything at a domain; newest first."""
        name = subject.lower()
        return await read_requests(
            self._database,
            "SELECT DISTINCT requests.* FROM subjects JOIN requests ON requests.id = subjects.request_id"
            " WHERE subjects.subject IN (?, ?, ?) ORDER BY requests.created_at DESC LIMIT ?",
            name,
            f"@{name}",
            f"{books.OUT}{name}",
            limit,
        )

    async def held_by(self, request_id: str) -> list[tuple[Reservation, BudgetUse]]:
        """What a request takes from which budgets, and what those months have used up together."""
        return await self._database.read(
            lambda db: [
                (one, books.use_of(db, one.budget, one.period)) for one in books.reservations_of(db, request_id)
            ]
        )


def past_requests(connection: sqlite3.Connection, request_id: str = "") -> Iterator[Request]:
    """All that was ever asked, or the one request that is named, the oldest first, read one by one.

    `connection` is one of `storage.audit.opened`. May raise sqlite3.Error.
    """
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    # Rows are where they were put when they were drafts, and need not be sorted.
    yield from map(
        as_request,
        cursor.execute(
            "SELECT * FROM requests WHERE state <> 'draft' AND :id IN ('', id) ORDER BY rowid", {"id": request_id}
        ),
    )
