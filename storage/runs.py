"""Runs: what was approved is sent at most once, and what became of it is written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlite_utils import Database

from storage import books, jobs
from storage.books import Books
from storage.moments import as_text, maybe_text
from storage.moves import WAITS_AGAIN, move, record, still_as
from storage.records import Fact, Job, Json, NewMessage, Request, RequestState, Reservation, Telling
from storage.rows import as_json, insert, read_moment, read_requests, set_request
from storage.sqlite import SqliteDatabase

_MAY_RUN = "state = 'approved' AND (not_before IS NULL OR not_before <= ?)"


class Runs:
    """From an approval over the intent to the outcome; and once more, where a person says so."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def ready(self, account: str, now: datetime) -> list[Request]:
        """What may run now with one account, oldest decision first."""
        return await read_requests(
            self._database,
            f"SELECT * FROM requests WHERE {_MAY_RUN} AND account = ? ORDER BY updated_at LIMIT 100",  # noqa: S608
            as_text(now),
            account,
        )

    async def accounts_ready(self, now: datetime) -> set[str]:
        """The accounts with which something may run now."""
        return await self._database.read(
            lambda db: {
                row["account"]
                for row in db.execute(f"SELECT DISTINCT account FROM requests WHERE {_MAY_RUN}", [as_text(now)])  # noqa: S608
            }
        )

    async def next_due(self, now: datetime) -> datetime | None:
        """When the time of the next request comes that waits for it; None when none does."""
        return await read_moment(
            self._database,
            "SELECT MIN(not_before) FROM requests WHERE state = 'approved' AND not_before > :now",
            {"now": as_text(now)},
        )

    async def begin(
        self, request_id: str, *, key: str, fingerprint: str, lease_until: datetime, fact: Fact, now: datetime,
        quote: Json | None = None, total: Decimal | None = None, allowing: Callable[[Books], None] = lambda books: None,
    ) -> Request | None:  # fmt: skip
        """Commit the intent: when this returns the request, the call may be sent, once, by the caller alone.

        `fingerprint` is of what was approved; if the request is another by now, nothing is begun. `quote` and `total`
        are what it costs now, where that is a little different; `allowing` then raises if that is too much, and nothing
        is begun.
        """
        anew = {} if quote is None else {"quote": as_json(quote)}

        def change(db: Database) -> Request | None:
            request = move(
                db, request_id, [RequestState.APPROVED], RequestState.EXECUTING, fact=fact, messages=(), now=now,
                columns={"lease_until": as_text(lease_until), "not_before": None, "stop_until": None, **anew},
                where="fingerprint = :fingerprint AND (not_before IS NULL OR not_before <= :now)",
                fingerprint=fingerprint,
            )  # fmt: skip
            if request is not None:
                insert(
                    db,
                    "intents",
                    {
                        "key": key, "request_id": request_id, "account": request.account,
                        "fingerprint": request.fingerprint, "at": as_text(now),
                    },
                )  # fmt: skip
                if total is not None:
                    allowing(Books(db))
                    books.change_amount(db, request_id, total)
            return request

        return await self._database.write(change)

    async def postpone(
        self, request_id: str, *, expect: Sequence[RequestState], until: datetime, given: Json, fingerprint: str,
        fact: Fact, messages: Sequence[NewMessage], now: datetime, read: Request | None = None,
    ) -> Request | None:  # fmt: skip
        """What is left of it, `given`, may run at `until`: provably nothing of that was sent. Never for a spend.

        The intents of what was begun before stay; the next run needs a key of its own. If the request is another by now
        than `read`, nothing is changed.
        """
        still, its = still_as(read)

        def change(db: Database) -> Request | None:
            request = move(
                db, request_id, expect, RequestState.APPROVED, fact=fact, messages=messages, now=now,
                columns={
                    "not_before": as_text(until), "stop_until": None, "input": as_json(given),
                    "fingerprint": fingerprint,
                    "lease_until": None, "outcome": None, "asks_person": 0, "attend_at": None,
                },
                where=still, **its,
            )  # fmt: skip
            if request is not None:
                jobs.forget(db, request_id)
            return request

        return await self._database.write(change)

    async def begun(self, request_id: str) -> int:
        """How often a run of this request was begun."""
        return await self._database.read(
            lambda db: int(db.execute("SELECT COUNT(*) FROM intents WHERE request_id = ?", [request_id]).fetchone()[0])
        )

    async def keep_lease(self, request_id: str, lease_until: datetime) -> None:
        """The call is still under way in a living process."""

        def change(db: Database) -> None:
            db.execute(
                "UPDATE requests SET lease_until = ? WHERE id = ? AND state = 'executing'",
                [as_text(lease_until), request_id],
            )

        await self._database.write(change)

    async def lapsed(self, now: datetime) -> list[Request]:
        """Requests whose process died between the intent and the outcome."""
        return await read_requests(
            self._database,
            "SELECT * FROM requests WHERE state = 'executing' AND lease_until < ? LIMIT 100",
            as_text(now),
        )

    async def conclude(
        self, request_id: str, *, expect: Sequence[RequestState], to: RequestState, outcome: Json, fact: Fact,
        messages: Sequence[NewMessage], now: datetime, asks_person: bool = False, job: Job | None = None,
        spent: Decimal | None = Decimal(0), read: Request | None = None, was_asked: bool = False,
        attend_at: datetime | None = None,
    ) -> Request | None:  # fmt: skip
        """Record what became of it. `job` is what to look at next; without one, nothing is looked at any more.

        With `asks_person` somebody has to say it, and is reminded at `attend_at`.

        If that is its end, `spent` of what it had set apart is used up (None: all of it). If the request is another by
        now than `read`, or `was_asked` and no person is asked any more, nothing is changed.
        """
        still, its = still_as(read)
        # Two looks may give up at the same time; a person is asked once, and settles it once.
        asked = ["asks_person = 0"] * asks_person + ["asks_person = 1"] * was_asked

        def change(db: Database) -> Request | None:
            request = move(
                db, request_id, expect, to, fact=fact, messages=messages, now=now, spent=spent,
                where=" AND ".join([*asked, *filter(None, [still])]), **its,
                columns={
                    "outcome": as_json(outcome), "asks_person": int(asks_person), "lease_until": None,
                    "attend_at": maybe_text(attend_at), "reminded": 0, "not_before": None, "stop_until": None,
                },
            )  # fmt: skip
            if request is not None:
                jobs.forget(db, request_id)
                if job is not None:
                    jobs.begin(db, request, job)
            return request

        return await self._database.write(change)

    async def try_again(
        self, read: Request, *, fact: Fact, messages: Sequence[NewMessage], by: str, fingerprint: str,
        stop_until: datetime | None, now: datetime,
    ) -> Request | None:  # fmt: skip
        """A person has looked and says that it did not happen: it may be sent once more, with an intent of its own.

        That is a decision like the first one: until `stop_until` it can be undone. `fingerprint` is of what is sent.
        Nothing is changed if it was sent again since it was `read`, or nobody is asked any more: a word is one attempt.
        """
        columns = {
            "decided_by": by, "decided_at": as_text(now), "decision_reason": "", "not_before": maybe_text(stop_until),
            "stop_until": maybe_text(stop_until), "attend_at": None, "fingerprint": fingerprint,
        }  # fmt: skip
        told = Telling(fact, messages)
        return await self._database.write(lambda db: _anew(db, read, RequestState.APPROVED, told, now, columns))

    async def ask_again(
        self, read: Request, *, fact: Fact, messages: Sequence[NewMessage], fingerprint: str, ruling: Json,
        attend_at: datetime | None, now: datetime,
    ) -> Request | None:  # fmt: skip
        """As `try_again`, where one person's word is not enough: votes are void, and the card asks all of them."""
        columns = {**WAITS_AGAIN} | {
            "waiting_since": as_text(now), "attend_at": maybe_text(attend_at), "fingerprint": fingerprint,
            "ruling": as_json(ruling),
        }  # fmt: skip

        def change(db: Database) -> Request | None:
            request = _anew(db, read, RequestState.AWAITING, Telling(fact, messages), now, columns)
            if request is not None:
                db.execute("DELETE FROM votes WHERE request_id = ?", [request.id])
            return request

        return await self._database.write(change)

    async def count_late(
        self, request_id: str, spent: Sequence[Reservation], telling: Telling, now: datetime, *, besides: bool
    ) -> None:
        """It was bought after all, and that was heard when somebody had said otherwise: it is counted, and told.

        `spent` is what it cost in all; `besides`: on top of what the request has reserved or spent for a later attempt.
        """

        def change(db: Database) -> None:
            books.spend_late(db, request_id, spent, besides=besides)
            record(db, request_id=request_id, fact=telling.fact, messages=telling.messages, now=now)

        await self._database.write(change)


def _anew(  # noqa: PLR0917
    db: Database, read: Request, to: RequestState, told: Telling, now: datetime, columns: Mapping[str, Any]
) -> Request | None:
    """The next attempt of what a person was asked about, if it still is what they read."""
    still, its = still_as(read)
    request = move(
        db, read.id, [RequestState.UNKNOWN], to, fact=told.fact, messages=told.messages, now=now,
        where=f"asks_person = 1 AND {still}", **its,
        columns={"outcome": None, "asks_person": 0, "lease_until": None, "reminded": 0} | {**columns},
    )  # fmt: skip
    if request is not None:
        jobs.forget(db, read.id)
        request = set_request(db, "UPDATE requests SET attempt = attempt + 1 WHERE id = ? RETURNING *", [read.id])
    return request
