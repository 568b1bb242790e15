"""What the scheduler looks at later: which jobs are due, who is looking at them, and how long such things usually take.

A job that is claimed becomes due again when its lease is over, so that `due_at` alone says what may be looked at. All
functions here run inside a transaction of the store.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic_core import from_json, to_json
from sqlite_utils import Database

from storage.moments import as_text, as_time
from storage.records import Job, JobKind, UsualTime

_NO_LEASE = ""
_FIRST_OF_NEXT_ACCOUNT = "SELECT account, due_at FROM jobs WHERE account > ? ORDER BY account, due_at LIMIT 1"


def insert(db: Database, job: Job, action: str) -> None:
    """Look at it from `job.due_at` on. `action` is the key of those that may be asked about together."""
    row = _row(job) | {
        "account": job.account, "action": action, "started_at": as_text(job.started_at), "lease_until": _NO_LEASE,
    }  # fmt: skip
    db.execute(
        f"INSERT INTO jobs ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})",  # noqa: S608 (ours)
        row,
    )


def forget(db: Database, request_id: str) -> None:
    """Nothing is looked at any more for this request."""
    db.execute("DELETE FROM jobs WHERE request_id = ?", [request_id])


def first_due(db: Database) -> dict[str, datetime]:
    """Each account that has a job, and when its first one is due: one step of the index for each."""
    found: dict[str, datetime] = {}
    after = ""
    while (row := db.execute(_FIRST_OF_NEXT_ACCOUNT, [after]).fetchone()) is not None:
        after = str(row["account"])
        found[after] = as_time(row["due_at"])
    return found


def claim_due(db: Database, now: datetime, lease_until: datetime, room: Mapping[str, int] | None) -> list[Job]:
    """Claim of each account the jobs that have been due the longest: as many as it has `room`, one each if None."""
    accounts = [account for account, due_at in first_due(db).items() if due_at <= now]
    claimed: list[Job] = []
    for account in accounts:
        limit = 1 if room is None else room.get(account, 0)
        rows = db.execute(
            "SELECT * FROM jobs WHERE account = ? AND due_at <= ? ORDER BY due_at LIMIT ?",
            [account, as_text(now), limit],
        ).fetchall()
        claimed += _claimed(db, rows, lease_until)
    return claimed


def claim_alike(
    db: Database, account: str, action: str, *, due_before: datetime, now: datetime, lease_until: datetime, limit: int
) -> list[Job]:
    """Claim jobs of one action that are due before a moment to come, and that nobody is looking at."""
    rows = db.execute(
        "SELECT * FROM jobs WHERE account = ? AND due_at <= ? AND action = ? AND lease_until <= ?"
        " ORDER BY due_at LIMIT ?",
        [account, as_text(due_before), action, as_text(now), limit],
    ).fetchall()
    return _claimed(db, rows, lease_until)


def renew(db: Database, request_ids: Collection[str], lease_until: datetime) -> None:
    """A living process is still looking at these."""
    at = as_text(lease_until)
    db.conn.executemany(
        "UPDATE jobs SET lease_until = ?, due_at = ? WHERE request_id = ? AND lease_until <> ''",
        [(at, at, one) for one in request_ids],
    )


def watch_on(db: Database, jobs: Iterable[Job]) -> int:
    """The looks at these are over, and the next are at their `due_at`. Returns how many are still watched.

    One that was settled meanwhile, or begun anew, is left as it is.
    """
    return db.conn.executemany(
        "UPDATE jobs SET kind = :kind, ref = :ref, due_at = :due_at, deadline_at = :deadline_at, attempts = :attempts,"
        " lease_until = '' WHERE request_id = :request_id AND lease_until <> ''",
        [_row(job) for job in jobs],
    ).rowcount


def usual_times(db: Database) -> list[UsualTime]:
    """How long things usually take, by action and account."""
    return [UsualTime(**dict(row)) for row in db.execute("SELECT * FROM usual_times")]


def note_usual_time(db: Database, usual: UsualTime) -> None:
    """Remember what was learnt of one action at one account."""
    db.execute(
        "INSERT INTO usual_times (action, account, seen, mean, spread) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (action, account) DO UPDATE SET seen = excluded.seen, mean = excluded.mean,"
        " spread = excluded.spread",
        [usual.action, usual.account, usual.seen, usual.mean, usual.spread],
    )


def _claimed(db: Database, rows: list[sqlite3.Row], lease_until: datetime) -> list[Job]:
    at = as_text(lease_until)
    db.conn.executemany(
        "UPDATE jobs SET lease_until = ?, due_at = ? WHERE request_id = ?",
        [(at, at, row["request_id"]) for row in rows],
    )
    return [_job(row) for row in rows]


def _row(job: Job) -> dict[str, Any]:
    """The columns that may change from look to look."""
    return {
        "request_id": job.request_id, "kind": job.kind.value, "ref": to_json(dict(job.ref)).decode(),
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
