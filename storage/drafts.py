"""Drafts: forms that somebody has open, from the moment they are opened until they are asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlite_utils import Database

from storage import audit, books
from storage.books import Books
from storage.moments import as_text, maybe_text
from storage.moves import record, set_state
from storage.records import Asked, Fact, Json, Request, RequestState
from storage.rows import as_json, find_request, insert, read_requests, request_row, set_request
from storage.sqlite import SqliteDatabase


class Drafts:
    """What is typed, checked, and in the end confirmed or forgotten."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def create(self, draft: Request) -> None:
        """Remember a form that is about to be opened."""
        await self._database.write(lambda db: insert(db, "requests", request_row(draft)))

    async def place(self, request_id: str, *, by: str, channel: str, now: datetime) -> Request | None:
        """Say in which channel its thread will be, of a draft whose form asks for that; None for any other.

        In another channel other rules and budgets may hold: what was quoted and shown for the one before is void.
        """
        moved = "channel <> :channel"

        def change(db: Database) -> Request | None:
            return set_request(
                db,
                "UPDATE requests SET channel = :channel,"  # noqa: S608 (ours)
                f" quote = CASE WHEN {moved} THEN NULL ELSE quote END,"
                f" fingerprint = CASE WHEN {moved} THEN '' ELSE fingerprint END, updated_at = :now"
                " WHERE id = :id AND state = 'draft' AND requester = :by AND chooses_channel = 1 RETURNING *",
                {"id": request_id, "by": by, "channel": channel, "now": as_text(now)},
            )

        return await self._database.write(change)

    async def fill(
        self, request_id: str, *, by: str, provider: str, account: str, given: Json, reason: str, view_id: str,
        now: datetime, since: datetime | None = None,
    ) -> Request | None:  # fmt: skip
        """Keep what was typed; from now on the draft counts as being checked. `since`: only if it has since then.

        An earlier quote becomes void, unless the very same was typed again: a form may be sent twice around a crash,
        and the review of the first time then still says what would be asked.
        """
        same = "account = :account AND input = :input AND reason = :reason"

        def change(db: Database) -> Request | None:
            return set_request(
                db,
                "UPDATE requests SET provider = :provider, account = :account, input = :input,"  # noqa: S608 (ours)
                " reason = :reason,"
                f" quote = CASE WHEN {same} THEN quote END,"
                f" fingerprint = CASE WHEN {same} THEN fingerprint ELSE '' END,"
                " view_id = :view_id, checking_since = :now, updated_at = :now"
                " WHERE id = :id AND state = 'draft' AND requester = :by"
                " AND (:since IS NULL OR checking_since = :since) RETURNING *",
                {
                    "id": request_id, "by": by, "provider": provider, "account": account, "input": as_json(given),
                    "reason": reason, "view_id": view_id, "now": as_text(now), "since": maybe_text(since),
                },
            )  # fmt: skip

        return await self._database.write(change)

    async def finish_check(
        self, request_id: str, *, checking_since: datetime, quote: Json | None, fingerprint: str, now: datetime,
        fact: Fact | None = None,
    ) -> Request | None:  # fmt: skip
        """The check that began at `checking_since` is over; an empty `fingerprint` says that it was refused.

        `fact`: what the audit is told of it, if anything.
        Until `check_shown` it still counts as being checked: the form of whoever waits says so.
        """

        def change(db: Database) -> Request | None:
            checked = set_request(
                db,
                "UPDATE requests SET quote = :quote, fingerprint = :fingerprint, updated_at = :now"
                " WHERE id = :id AND state = 'draft' AND checking_since = :since RETURNING *",
                {
                    "id": request_id, "quote": None if quote is None else as_json(quote),
                    "fingerprint": fingerprint, "since": as_text(checking_since), "now": as_text(now),
                },
            )  # fmt: skip
            if checked is not None and fact is not None:
                audit.append(db.conn, request_id, fact, now)
            return checked

        return await self._database.write(change)

    async def begin_reveal(
        self, request_id: str, *, by: str, provider: str, account: str, given: Json, view_id: str, fact: Fact,
        now: datetime,
    ) -> Request | None:  # fmt: skip
        """A form that shows a credential was sent: its draft is used up, so None for the same form sent again.

        From now on it counts as being checked, until `check_shown`.
        """

        def change(db: Database) -> Request | None:
            begun = set_request(
                db,
                "UPDATE requests SET provider = :provider, account = :account, input = :input, view_id = :view_id,"
                " checking_since = :now, updated_at = :now"
                " WHERE id = :id AND state = 'draft' AND requester = :by AND account = '' RETURNING *",
                {
                    "id": request_id, "by": by, "provider": provider, "account": account, "input": as_json(given),
                    "view_id": view_id, "now": as_text(now),
                },
            )  # fmt: skip
            if begun is not None:
                audit.append(db.conn, request_id, fact, now)
            return begun

        return await self._database.write(change)

    async def check_shown(self, request_id: str, *, checking_since: datetime) -> Request | None:
        """The form shows what came of the check that began at `checking_since`: nothing is left to take up again."""

        def change(db: Database) -> Request | None:
            return set_request(
                db,
                "UPDATE requests SET checking_since = NULL WHERE id = :id AND checking_since = :since RETURNING *",
                {"id": request_id, "since": as_text(checking_since)},
            )

        return await self._database.write(change)

    async def resume_check(self, request_id: str, *, checking_since: datetime, now: datetime) -> Request | None:
        """Take over a check whose process died: None when another took it first."""

        def change(db: Database) -> Request | None:
            return set_request(
                db,
                "UPDATE requests SET checking_since = :now WHERE id = :id AND state = 'draft'"
                " AND checking_since = :since RETURNING *",
                {"id": request_id, "since": as_text(checking_since), "now": as_text(now)},
            )

        return await self._database.write(change)

    async def interrupted(self, before: datetime) -> list[Request]:
        """Drafts that have been "being checked" since before `before`: their process died or hangs."""
        return await read_requests(
            self._database,
            "SELECT * FROM requests WHERE state = 'draft' AND checking_since < ? LIMIT 50",
            as_text(before),
        )

    async def submit(
        self, request_id: str, *, by: str, seen: str, asking: Callable[[Request, Books], Asked], now: datetime
    ) -> Request | None:
        """The requester confirms what was shown: the draft becomes a request. Only a draft that passed its check.

        `seen` is the beginning of the fingerprint that was shown; a draft that was changed since has another.

        `asking` says of the draft what becomes of it. It runs inside the transaction, so that what it reads of budgets
        and other requests is true when it is written; what it raises is raised here, and nothing is changed.
        """

        def change(db: Database) -> Request | None:
            draft = find_request(
                db,
                "SELECT * FROM requests WHERE id = :id AND state = 'draft' AND requester = :by AND :seen <> ''"
                " AND substr(fingerprint, 1, length(:seen)) = :seen",
                {"id": request_id, "by": by, "seen": seen},
            )
            if draft is None:
                return None
            asked = asking(draft, Books(db))
            request = set_state(
                db, request_id, [RequestState.DRAFT], asked.to, now=now, columns=_asked_columns(asked, now)
            )
            if asked.subjects:
                books.note_subjects(db, request_id, asked.subjects)
            if asked.reservations:
                books.reserve(db, request_id, asked.reservations)
            told = asked.telling
            record(db, request_id=request_id, fact=told.fact, messages=told.messages, now=now, is_new=True)
            return request

        return await self._database.write(change)


def _asked_columns(asked: Asked, now: datetime) -> dict[str, Any]:
    return {
        "ruling": None if asked.ruling is None else as_json(asked.ruling),
        "waiting_since": as_text(now) if asked.to is RequestState.AWAITING else None,
        "attend_at": maybe_text(asked.attend_at),
        "not_before": maybe_text(asked.stop_until),
        "stop_until": maybe_text(asked.stop_until),
    }
