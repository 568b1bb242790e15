"""What waits for people: whom it wants to be reminded, when, and until when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlite_utils import Database

from storage import books
from storage.books import Books
from storage.moments import as_text, maybe_text
from storage.moves import move, record, rule_anew
from storage.records import Asked, Json, Request, RequestState, Telling
from storage.rows import as_json, find_request, read_moment, read_requests, set_request
from storage.sqlite import SqliteDatabase

_WAITS = "(state = 'awaiting_approval' OR asks_person = 1)"


@dataclass(frozen=True, slots=True)
class Looked:
    """A look at a waiting request after which nothing is to be said. The next is at `attend_at`."""

    request: Request
    attend_at: datetime
    reminded: int
    escalated: bool


class Waiting:
    """Requests that nobody has decided yet, or of which a person has to say what became of them."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def all(self) -> list[Request]:
        """All that waits for a decision, the oldest first."""
        return await read_requests(
            self._database, "SELECT * FROM requests WHERE state = 'awaiting_approval' ORDER BY updated_at"
        )

    async def due(self, now: datetime, limit: int = 100) -> list[Request]:
        """What waits for people and wants something now: a reminder, somebody else, its end."""
        return await read_requests(
            self._database,
            f"SELECT * FROM requests WHERE attend_at <= ? AND {_WAITS} ORDER BY attend_at LIMIT ?",  # noqa: S608 (ours)
            as_text(now),
            limit,
        )

    async def next_due(self) -> datetime | None:
        """When the next waiting request wants something."""
        return await read_moment(
            self._database,
            f"SELECT MIN(attend_at) FROM requests WHERE attend_at IS NOT NULL AND {_WAITS}",  # noqa: S608 (ours)
        )

    async def attended(
        self, request: Request, *, attend_at: datetime | None, announced: bool, reminded: int, escalated: bool,
        telling: Telling | None, now: datetime, ruling: Json | None = None, void: Sequence[str] = (),
    ) -> Request | None:  # fmt: skip
        """What `request` wanted is done, and owed if it is to be said; None when somebody was first.

        The votes of those in `void` no longer count.
        """

        def change(db: Database) -> Request | None:
            changed = set_request(
                db,
                "UPDATE requests SET attend_at = :next, announced = :announced, reminded = :reminded,"  # noqa: S608
                " escalated = :escalated, ruling = COALESCE(:ruling, ruling)"
                f" WHERE id = :id AND {_WAITS} AND attend_at = :due RETURNING *",
                {
                    "id": request.id, "due": maybe_text(request.attend_at), "next": maybe_text(attend_at),
                    "announced": int(announced), "reminded": reminded, "escalated": int(escalated),
                    "ruling": None if ruling is None else as_json(ruling),
                },
            )  # fmt: skip
            if changed is not None:
                books.take_votes(db, request.id, void)
            if changed is not None and telling is not None:
                record(db, request_id=request.id, fact=telling.fact, messages=telling.messages, now=now)
            return changed

        return await self._database.write(change)

    async def looked_after(self, looks: Sequence[Looked]) -> None:
        """Nothing is to be said of these. Where somebody was first, all stays as it is."""

        def change(db: Database) -> None:
            db.conn.executemany(
                "UPDATE requests SET attend_at = ?, announced = 1, reminded = ?, escalated = ?"  # noqa: S608 (ours)
                f" WHERE id = ? AND {_WAITS} AND attend_at = ?",
                [
                    (as_text(one.attend_at), one.reminded, int(one.escalated), one.request.id,
                     maybe_text(one.request.attend_at))
                    for one in looks
                ],
            )  # fmt: skip

        await self._database.write(change)

    async def attend_now(self, request_id: str, now: datetime) -> None:
        """It may be that nobody can decide a waiting request any more: it is to be looked after at once."""

        def change(db: Database) -> None:
            db.execute(
                "UPDATE requests SET attend_at = MIN(COALESCE(attend_at, :now), :now)"
                " WHERE id = :id AND state = 'awaiting_approval'",
                {"now": as_text(now), "id": request_id},
            )

        await self._database.write(change)

    async def expire(self, request: Request, telling: Telling, now: datetime) -> Request | None:
        """Nobody decided in time."""

        def change(db: Database) -> Request | None:
            return move(
                db, request.id, [RequestState.AWAITING], RequestState.EXPIRED, fact=telling.fact,
                messages=telling.messages, now=now, columns={"attend_at": None}, where="attend_at IS :due",
                due=maybe_text(request.attend_at),
            )  # fmt: skip

        return await self._database.write(change)

    async def rule_anew(
        self, request_id: str, *, asking: Callable[[Request, Books], Asked | None], now: datetime
    ) -> bool:
        """The rules have changed while it waits: others may decide it from now on, other budgets count it.

        `asking` says so of the request as it is then, None where all stays as it was; what it raises is raised here,
        and nothing is changed. It is to be looked after at once, for others may have to be asked in person, or it may
        have waited long enough. False if nothing was changed.
        """

        def change(db: Database) -> bool:
            request = find_request(
                db, "SELECT * FROM requests WHERE id = ? AND state = 'awaiting_approval'", [request_id]
            )
            asked = None if request is None else asking(request, Books(db))
            if asked is None:
                return False
            rule_anew(db, request_id, asked, now)
            return True

        return await self._database.write(change)
