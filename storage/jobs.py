"""What the scheduler looks at later: which jobs are due, who is looking at them, and how long such things usually take.

A job that is claimed becomes due again when its lease is over, so that `due_at` alone says what may be looked at.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic_core import from_json
from sqlite_utils import Database

from storage.moments import as_text, as_time
from storage.moves import NO_LEASE, show_progress
from storage.records import Job, JobKind, Json, Request, UsualTime
from storage.rows import as_json, as_request
from storage.sqlite import SqliteDatabase

_IDS_AT_ONCE = 100
_FIRST_OF_NEXT_ACCOUNT = "SELECT account, due_at FROM jobs WHERE account > ? ORDER BY account, due_at LIMIT 1"


class Jobs:
    """What is looked at later, claimed under a lease, and looked at again until it has ended."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def claim_due(
        self, now: datetime, lease_until: datetime, room: Mapping[str, int] | None = None
    ) -> list[tuple[Job, Request]]:
        """What has been due the longest and nobody looks at: of each account as many jobs as it has `room`.

        One of each account if `room` is None.
        """

        def change(db: Database) -> list[tuple[Job, Request]]:
            accounts = [account for account, due_at in _first_due(db).items() if due_at <= now]
            claimed: list[Job] = []
            for account in accounts:
                limit = 1 if room is None else room.get(account, 0)
                rows = db.execute(
                    "SELECT * FROM jobs WHERE account = ? AND due_at <= ? ORDER BY due_at LIMIT ?",
                    [account, as_text(now), limit],
                ).fetchall()
                claimed += _claimed(db, rows, lease_until)
            return _with_requests(db, claimed)

        return await self._database.write(change)

    async def claim_alike(
        self, account: str, action: str, *, due_before: datetime, now: datetime, lease_until: datetime, limit: int
    ) -> list[tuple[Job, Request]]:
        """Other jobs of the same action ("provider/command") and account, to be looked at in one go.

        Those that nobody is looking at, and that are due before a moment to come.
        """

        def change(db: Database) -> list[tuple[Job, Request]]:
            rows = db.execute(
                "SELECT * FROM jobs WHERE account = ? AND due_at <= ? AND action = ? AND lease_until <= ?"
                " ORDER BY due_at LIMIT ?",
                [account, as_text(due_before), action, as_text(now), limit],
            ).fetchall()
            return _with_requests(db, _claimed(db, rows, lease_until))

        return await self._database.write(change)

    async def renew(self, request_ids: Collection[str], lease_until: datetime) -> None:
        """The looks at these are still under way in a living process."""

        def change(db: Database) -> None:
            at = as_text(lease_until)
            db.conn.executemany(
                "UPDATE jobs SET lease_until = ?, due_at = ? WHERE request_id = ? AND lease_until <> ''",
                [(at, at, one) for one in request_ids],
            )

        await self._database.write(change)

    async def keep_watching(self, job: Job, outcome: Json, now: datetime) -> bool:
        """Look again at `job.due_at`. The progress that `outcome` tells is shown on the request's surfaces.

        False if it shows what it did before, or is no longer watched.
        """

        def change(db: Database) -> bool:
            if not _watch_on(db, [job]):
                return False
            is_new = db.execute(
                "UPDATE requests SET outcome = :outcome, updated_at = :now"
                " WHERE id = :id AND state IN ('working', 'unknown') AND outcome IS NOT :outcome",
                {"outcome": as_json(outcome), "now": as_text(now), "id": job.request_id},
            ).rowcount
            if is_new:
                show_progress(db, job.request_id, now)
            return is_new > 0

        return await self._database.write(change)

    async def watch_on(self, watched: Sequence[Job]) -> None:
        """Look again at these, each at its `due_at`; nothing new is known of any."""
        await self._database.write(lambda db: _watch_on(db, watched))

    async def by_account(self) -> dict[str, datetime]:
        """The accounts that have jobs, each with the moment when its first can be looked at."""
        return await self._database.read(_first_due)

    async def next_due(self) -> datetime | None:
        """When the next job can be looked at; None when there is none."""
        return min((await self.by_account()).values(), default=None)

    async def usual_times(self) -> list[UsualTime]:
        """How long things usually take, by action and account."""
        return await self._database.read(
            lambda db: [UsualTime(**dict(row)) for row in db.execute("SELECT * FROM usual_times")]
        )

    async def note_usual_time(self, usual: UsualTime) -> None:
        """Remember how long things of an action at an account usually take."""

        def change(db: Database) -> None:
            db.execute(
                "INSERT INTO usual_times (action, account, seen, mean, spread) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (action, account) DO UPDATE SET seen = excluded.seen, mean = excluded.mean,"
                " spread = excluded.spread",
                [usual.action, usual.account, usual.seen, usual.mean, usual.spread],
            )

        await self._database.write(change)


def action_key(request: Request) -> str:
    """Of what kind a request is: `provider/command`. Jobs of the same kind may be looked at together."""
    return f"{request.provider}/{request.command}"


def begin(db: Database, request: Request, job: Job) -> None:
    """Inside a transaction: look at `request` from `job.due_at` on."""
    row = _row(job) | {
        "account": job.account, "action": action_key(request), "started_at": as_text(job.started_at),
        "lease_until": NO_LEASE,
    }  # fmt: skip
    db.execute(
        f"INSERT INTO jobs ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})",  # noqa: S608 (ours)
        row,
    )


def forget(db: Database, request_id: str) -> None:
    """Inside a transaction: nothing is looked at any more for this request."""
    db.execute("DELETE FROM jobs WHERE request_id = ?", [request_id])


def _first_due(db: Database) -> dict[str, datetime]:
    """Each account that has a job, and when its first one is due: one step of the index for each."""
    found: dict[str, datetime] = {}
    after = ""
    while (row := db.execute(_FIRST_OF_NEXT_ACCOUNT, [after]).fetchone()) is not None:
        after = str(row["account"])
        found[after] = as_time(row["due_at"])
    return found


def _watch_on(db: Database, jobs: Iterable[Job]) -> int:
    """The looks at these are over, and the next are at their `due_at`. Returns how many are still watched.

    One that was settled meanwhile, or begun anew, is left as it is.
    """
    return db.conn.executemany(
        "UPDATE jobs SET kind = :kind, ref = :ref, due_at = :due_at, deadline_at = :deadline_at, attempts = :attempts,"
        " lease_until = '' WHERE request_id = :request_id AND lease_until <> ''",
        [_row(job) for job in jobs],
    ).rowcount


def _claimed(db: Database, rows: list[sqlite3.Row], lease_until: datetime) -> list[Job]:
    at = as_text(lease_until)
    db.conn.executemany(
        "UPDATE jobs SET lease_until = ?, due_at = ? WHERE request_id = ?",
        [(at, at, row["request_id"]) for row in rows],
    )
    return [_job(row) for row in rows]


def _with_requests(db: Database, claimed: Sequence[Job]) -> list[tuple[Job, Request]]:
    found: dict[str, Request] = {}
    for start in range(0, len(claimed), _IDS_AT_ONCE):
        ids = [job.request_id for job in claimed[start : start + _IDS_AT_ONCE]]
        places = ", ".join("?" * len(ids))
        for row in db.execute(f"SELECT * FROM requests WHERE id IN ({places})", ids):  # noqa: S608 (question marks)
            found[row["id"]] = as_request(row)
    return [(job, found[job.request_id]) for job in claimed if job.request_id in found]


def _row(job: Job) -> dict[str, Any]:
    """The columns that may change from look to look."""
    return {
        "request_id": job.request_id, "kind": job.kind.value, "ref": as_json(dict(job.ref)),
        "due_at": as_text(job.due_at), "deadline_at": as_text(job.deadline_at), "attempts": job.attempts,
    }  # fmt: skip


def _job(row: sqlite3.Row) -> Job:
    return Job(
        request_id=row["request_id"],
        account=row["account"],
        kind=JobKind(row["kind"]),
        ref=from_json(row["ref"]),
        due_at=as_time(row["due_at"]),
        deadline_at=as_time(row["deadline_at"]),
        started_at=as_time(row["started_at"]),
        attempts=row["attempts"],
    )
