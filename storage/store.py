"""Every question and every change, named in the words of the domain.

Each change of a request is one compare-and-set in one transaction, together with its audit entry and the messages it
causes: it returns the request as it now is, or None when somebody else was first (or it is not theirs to change).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlite_utils import Database

from storage.records import (
    AuditEntry,
    Fact,
    Job,
    JobKind,
    Json,
    Message,
    MessageKind,
    NewMessage,
    Request,
    RequestState,
    Verdict,
    Vote,
    new_id,
)
from storage.sqlite import SqliteDatabase

T = TypeVar("T")

SENT_AT_ONCE = 4
"""Messages claimed in one go. All of them are drawn and posted at the same time, and answers to clicks wait meanwhile;
Slack itself takes about one a second and channel."""
_NO_LEASE = ""
"""Sorts before every time, so that "no lease" and "lease is over" are one comparison."""
_MAY_RUN = "state = 'approved' AND (not_before IS NULL OR not_before <= ?)"
_PLACE_AFTER = "SELECT place FROM messages WHERE sent < wanted AND place > ? ORDER BY place LIMIT 1"
_NEXT_IN_PLACE = (
    "sent < wanted AND place = ? AND NOT EXISTS (SELECT 1 FROM messages AS earlier"
    " WHERE earlier.lane = owed.lane AND earlier.sent < earlier.wanted AND earlier.seq < owed.seq)"
)
"""Owed messages of one place, each the oldest of its lane."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A message claimed for delivery, with what is needed to show it.

    `begun_before` says that an earlier attempt may have posted it. `parent` is the thread's first message, None until
    it has been posted.
    """

    message: Message
    request: Request
    parent: Message | None
    begun_before: bool


@dataclass(frozen=True, slots=True)
class Telling:
    """What is written down together with a change: the audit's fact, and the messages that it causes."""

    fact: Fact
    messages: Sequence[NewMessage] = ()


class Store:
    """The memory of the house, over one database."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    def close(self) -> None:
        """Finish what is queued and close the database."""
        self._database.close()

    # Drafts: a form that somebody has open.

    async def create_draft(self, draft: Request) -> None:
        """Remember a form that is about to be opened."""
        await self._write(lambda db: _insert(db, "requests", _request_row(draft)))

    async def fill_draft(
        self, request_id: str, *, by: str, provider: str, account: str, given: Json, reason: str, view_id: str,
        now: datetime,
    ) -> Request | None:  # fmt: skip
        """Keep what was typed; from now on the draft counts as being checked.

        An earlier quote becomes void, unless the very same was typed again: a form may be sent twice around a crash,
        and the review of the first time then still says what would be asked.
        """
        same = "account = :account AND input = :input AND reason = :reason"

        def change(db: Database) -> Request | None:
            return _set(
                db,
                "UPDATE requests SET provider = :provider, account = :account, input = :input,"  # noqa: S608 (ours)
                " reason = :reason,"
                f" quote = CASE WHEN {same} THEN quote END,"
                f" fingerprint = CASE WHEN {same} THEN fingerprint ELSE '' END,"
                " view_id = :view_id, checking_since = :now, updated_at = :now"
                " WHERE id = :id AND state = 'draft' AND requester = :by RETURNING *",
                {
                    "id": request_id, "by": by, "provider": provider, "account": account, "input": json.dumps(given),
                    "reason": reason, "view_id": view_id, "now": _text(now),
                },
            )  # fmt: skip

        return await self._write(change)

    async def finish_check(
        self, request_id: str, *, checking_since: datetime, quote: Json | None, fingerprint: str, now: datetime
    ) -> Request | None:
        """The check that began at `checking_since` is over; an empty `fingerprint` says that it was refused.

        Until `check_shown` it still counts as being checked: the form of whoever waits says so.
        """

        def change(db: Database) -> Request | None:
            return _set(
                db,
                "UPDATE requests SET quote = :quote, fingerprint = :fingerprint, updated_at = :now"
                " WHERE id = :id AND state = 'draft' AND checking_since = :since RETURNING *",
                {
                    "id": request_id, "quote": None if quote is None else json.dumps(quote),
                    "fingerprint": fingerprint, "since": _text(checking_since), "now": _text(now),
                },
            )  # fmt: skip

        return await self._write(change)

    async def check_shown(self, request_id: str, *, checking_since: datetime) -> Request | None:
        """The form shows what came of the check that began at `checking_since`: nothing is left to take up again."""

        def change(db: Database) -> Request | None:
            return _set(
                db,
                "UPDATE requests SET checking_since = NULL WHERE id = :id AND checking_since = :since RETURNING *",
                {"id": request_id, "since": _text(checking_since)},
            )

        return await self._write(change)

    async def resume_check(self, request_id: str, *, checking_since: datetime, now: datetime) -> Request | None:
        """Take over a check whose process died: None when another took it first."""

        def change(db: Database) -> Request | None:
            return _set(
                db,
                "UPDATE requests SET checking_since = :now WHERE id = :id AND state = 'draft'"
                " AND checking_since = :since RETURNING *",
                {"id": request_id, "since": _text(checking_since), "now": _text(now)},
            )

        return await self._write(change)

    async def interrupted_checks(self, before: datetime) -> list[Request]:
        """Drafts that have been "being checked" since before `before`: their process died or hangs."""
        return await self._requests(
            "SELECT * FROM requests WHERE state = 'draft' AND checking_since < ? LIMIT 50", _text(before)
        )

    async def forget_drafts(self, before: datetime) -> int:
        """Throw away forms that nobody finished and nobody touched since `before`; returns how many."""

        def change(db: Database) -> int:
            return db.execute("DELETE FROM requests WHERE state = 'draft' AND updated_at < ?", [_text(before)]).rowcount

        return await self._write(change)

    # Decisions.

    async def submit(
        self,
        request_id: str,
        *,
        by: str,
        seen: str,
        asking: Callable[[Request], tuple[RequestState, Telling]],
        now: datetime,
    ) -> Request | None:
        """The requester confirms what was shown: the draft becomes a request. Only a draft that passed its check.

        `seen` is the beginning of the fingerprint that was shown; a draft that was changed since has another.

        `asking` says of the draft where it goes and what is told. It runs inside the transaction, so that nothing has
        to be read before; what it raises is raised here, and nothing is changed.
        """
        passed = "requester = :by AND :seen <> '' AND substr(fingerprint, 1, length(:seen)) = :seen"

        def change(db: Database) -> Request | None:
            # Nearly everything that is asked waits for a decision, so it is put there before anybody looked at it.
            request = _set_state(
                db, request_id, [RequestState.DRAFT], RequestState.AWAITING, now=now, where=passed, by=by, seen=seen
            )
            if request is None:
                return None
            to, telling = asking(request)
            if to is not RequestState.AWAITING:
                request = _set_state(db, request_id, [RequestState.AWAITING], to, now=now)
            _record(db, request_id=request_id, fact=telling.fact, messages=telling.messages, now=now, is_new=True)
            return request

        return await self._write(change)

    async def cast_vote(self, vote: Vote, *, telling: Callable[[Request], Telling]) -> Request | None:
        """Decide a waiting request of somebody else, provided that it still is what the voter saw.

        The vote's fingerprint may be only its beginning, as cards carry it. `telling` says of the decided request what
        is told; it runs inside the transaction, so that nothing has to be read before.
        """
        to = RequestState.APPROVED if vote.verdict is Verdict.APPROVE else RequestState.DENIED

        def change(db: Database) -> Request | None:
            request = _set_state(
                db, vote.request_id, [RequestState.AWAITING], to, now=vote.at,
                columns={"decided_by": vote.voter, "decided_at": _text(vote.at), "decision_reason": vote.reason},
                where="requester <> :decided_by AND :seen <> '' AND substr(fingerprint, 1, length(:seen)) = :seen",
                seen=vote.fingerprint,
            )  # fmt: skip
            if request is not None:
                told = telling(request)
                _record(db, request_id=request.id, fact=told.fact, messages=told.messages, now=vote.at)
                # Their void vote for the very same figures gives way: the price has come back. The audit has both.
                db.execute(
                    "DELETE FROM votes WHERE request_id = ? AND voter = ? AND fingerprint = ?",
                    [vote.request_id, vote.voter, request.fingerprint],
                )
                _insert(
                    db,
                    "votes",
                    {
                        "request_id": vote.request_id, "voter": vote.voter, "verdict": vote.verdict.value,
                        "fingerprint": request.fingerprint, "at": _text(vote.at), "reason": vote.reason,
                    },
                )  # fmt: skip
            return request

        return await self._write(change)

    async def cancel(
        self, request_id: str, *, by: str, fact: Fact, messages: Sequence[NewMessage], now: datetime
    ) -> Request | None:
        """The requester takes back what waits for a decision, or for its time."""

        def change(db: Database) -> Request | None:
            return _move(
                db, request_id, [RequestState.AWAITING, RequestState.APPROVED], RequestState.CANCELLED, fact=fact,
                messages=messages, now=now, columns={"decided_by": by, "decided_at": _text(now), "not_before": None},
                where="requester = :by AND (state = 'awaiting_approval' OR not_before IS NOT NULL)", by=by,
            )  # fmt: skip

        return await self._write(change)

    async def reopen(
        self, request_id: str, *, quote: Json | None, fingerprint: str, fact: Fact, messages: Sequence[NewMessage],
        now: datetime,
    ) -> Request | None:  # fmt: skip
        """What was approved is no longer what would run: the decision is void, and the card asks again."""

        def change(db: Database) -> Request | None:
            return _move(
                db, request_id, [RequestState.APPROVED], RequestState.AWAITING, fact=fact, messages=messages, now=now,
                columns={
                    "quote": None if quote is None else json.dumps(quote), "fingerprint": fingerprint,
                    "decided_by": "", "decided_at": None, "not_before": None,
                },
            )  # fmt: skip

        return await self._write(change)

    # Execution: at most once.

    async def approved_of(self, account: str, now: datetime) -> list[Request]:
        """What may run now with one account, oldest decision first."""
        return await self._requests(
            f"SELECT * FROM requests WHERE {_MAY_RUN} AND account = ? ORDER BY updated_at LIMIT 100",  # noqa: S608
            _text(now),
            account,
        )

    async def accounts_with_approved(self, now: datetime) -> set[str]:
        """The accounts with which something may run now."""
        return await self._database.read(
            lambda db: {
                row["account"]
                for row in db.execute(f"SELECT DISTINCT account FROM requests WHERE {_MAY_RUN}", [_text(now)])  # noqa: S608
            }
        )

    async def next_run_due(self, now: datetime) -> datetime | None:
        """When the time of the next request comes that waits for it; None when none does."""
        return await self._moment(
            "SELECT MIN(not_before) FROM requests WHERE state = 'approved' AND not_before > :now", {"now": _text(now)}
        )

    async def begin_execution(
        self, request_id: str, *, key: str, fingerprint: str, lease_until: datetime, fact: Fact, now: datetime
    ) -> Request | None:
        """Commit the intent: when this returns the request, the call may be sent, once, by the caller alone.

        `fingerprint` is of what the caller is about to send; if the request is another by now, nothing is begun.
        """

        def change(db: Database) -> Request | None:
            request = _move(
                db, request_id, [RequestState.APPROVED], RequestState.EXECUTING, fact=fact, messages=(), now=now,
                columns={"lease_until": _text(lease_until), "not_before": None},
                where="fingerprint = :fingerprint AND (not_before IS NULL OR not_before <= :now)",
                fingerprint=fingerprint,
            )  # fmt: skip
            if request is not None:
                _insert(
                    db,
                    "intents",
                    {
                        "key": key, "request_id": request_id, "account": request.account,
                        "fingerprint": request.fingerprint, "at": _text(now),
                    },
                )  # fmt: skip
            return request

        return await self._write(change)

    async def postpone(
        self, request_id: str, *, expect: Sequence[RequestState], until: datetime, given: Json, fingerprint: str,
        fact: Fact, messages: Sequence[NewMessage], now: datetime,
    ) -> Request | None:  # fmt: skip
        """What is left of it, `given`, may run at `until`: provably nothing of that was sent. Never for a spend.

        The intents of what was begun before stay; the next run needs a key of its own.
        """

        def change(db: Database) -> Request | None:
            request = _move(
                db, request_id, expect, RequestState.APPROVED, fact=fact, messages=messages, now=now,
                columns={
                    "not_before": _text(until), "input": json.dumps(given), "fingerprint": fingerprint,
                    "lease_until": None, "outcome": None, "asks_person": 0,
                },
            )  # fmt: skip
            if request is not None:
                db.execute("DELETE FROM jobs WHERE request_id = ?", [request_id])
            return request

        return await self._write(change)

    async def runs_begun(self, request_id: str) -> int:
        """How often a run of this request was begun."""
        return await self._database.read(
            lambda db: int(db.execute("SELECT COUNT(*) FROM intents WHERE request_id = ?", [request_id]).fetchone()[0])
        )

    async def keep_lease(self, request_id: str, lease_until: datetime) -> None:
        """The call is still under way in a living process."""

        def change(db: Database) -> None:
            db.execute(
                "UPDATE requests SET lease_until = ? WHERE id = ? AND state = 'executing'",
                [_text(lease_until), request_id],
            )

        await self._write(change)

    async def lapsed_executions(self, now: datetime) -> list[Request]:
        """Requests whose process died between the intent and the outcome."""
        return await self._requests(
            "SELECT * FROM requests WHERE state = 'executing' AND lease_until < ? LIMIT 100", _text(now)
        )

    async def conclude(
        self, request_id: str, *, expect: Sequence[RequestState], to: RequestState, outcome: Json, fact: Fact,
        messages: Sequence[NewMessage], now: datetime, asks_person: bool = False, job: Job | None = None,
    ) -> Request | None:  # fmt: skip
        """Record what became of it. `job` is what to look at next; without one, nothing is looked at any more."""

        def change(db: Database) -> Request | None:
            request = _move(
                db, request_id, expect, to, fact=fact, messages=messages, now=now,
                columns={"outcome": json.dumps(outcome), "asks_person": int(asks_person), "lease_until": None},
            )  # fmt: skip
            if request is not None:
                db.execute("DELETE FROM jobs WHERE request_id = ?", [request_id])
                if job is not None:
                    _insert(db, "jobs", _job_row(job))
            return request

        return await self._write(change)

    # Jobs.

    async def claim_due_jobs(self, now: datetime, lease_until: datetime) -> list[tuple[Job, Request]]:
        """What is due: one job an account at most, none for an account that somebody is asking at this moment."""

        def change(db: Database) -> list[tuple[Job, Request]]:
            rows = db.execute(
                "UPDATE jobs SET lease_until = :lease WHERE request_id IN ("
                " SELECT request_id FROM ("
                "  SELECT request_id, ROW_NUMBER() OVER (PARTITION BY account ORDER BY due_at) AS place"
                "  FROM jobs WHERE due_at <= :now AND account NOT IN"
                "   (SELECT account FROM jobs WHERE lease_until >= :now)"
                " ) AS due WHERE place = 1) RETURNING *",
                {"now": _text(now), "lease": _text(lease_until)},
            ).fetchall()
            claimed = []
            for job in map(_job, rows):
                request = _one(db, "SELECT * FROM requests WHERE id = ?", [job.request_id])
                if request is not None:
                    claimed.append((job, request))
            return claimed

        return await self._write(change)

    async def keep_watching(self, job: Job, outcome: Json | None, now: datetime) -> Request | None:
        """Look again at `job.due_at`. With an `outcome`, the progress it tells is shown on the request's surfaces."""

        def change(db: Database) -> Request | None:
            request = _one(
                db, "SELECT * FROM requests WHERE id = ? AND state IN ('working', 'unknown')", [job.request_id]
            )
            if request is None:
                return None
            row = _job_row(job)
            db.execute(
                "UPDATE jobs SET kind = :kind, ref = :ref, due_at = :due_at, deadline_at = :deadline_at,"
                " attempts = :attempts, lease_until = '' WHERE request_id = :request_id",
                {key: row[key] for key in ("kind", "ref", "due_at", "deadline_at", "attempts", "request_id")},
            )
            if outcome is None or dict(outcome) == request.outcome:
                return request
            _refresh_surfaces(db, job.request_id, now)
            return _set(
                db,
                "UPDATE requests SET outcome = ?, updated_at = ? WHERE id = ? RETURNING *",
                [json.dumps(outcome), _text(now), job.request_id],
            )

        return await self._write(change)

    async def next_job_due(self) -> datetime | None:
        """When the next job can be looked at; None when there is none. Those of an account that is asked now wait."""
        return await self._moment(
            "SELECT MIN(free_at) FROM"
            " (SELECT MAX(MIN(due_at), MAX(lease_until)) AS free_at FROM jobs GROUP BY account) AS accounts"
        )

    # The outbox.

    async def claim_owed_messages(
        self, now: datetime, lease_until: datetime, limit: int = SENT_AT_ONCE, *, closed: Collection[str] = ()
    ) -> list[Owed]:
        """The oldest owed message of each lane that is due, claimed; that a post was begun is on disk from here on.

        Messages that go to `closed` channels stay where they are.
        """

        def change(db: Database) -> list[Owed]:
            at = _text(now)
            due = [
                int(row["seq"])
                for place in _owed_places(db, closed)
                for row in db.execute(
                    f"SELECT seq FROM messages AS owed WHERE {_NEXT_IN_PLACE}"  # noqa: S608 (ours)
                    " AND due_at <= ? AND lease_until < ? ORDER BY seq LIMIT ?",
                    [place, at, at, limit],
                )
            ]
            chosen = sorted(due)[:limit]
            if not chosen:
                return []
            rows = db.execute(
                "UPDATE messages SET lease_until = ?, attempts = attempts + 1,"  # noqa: S608 (only question marks)
                " begun = CASE WHEN ts = '' THEN begun + 1 ELSE 0 END"
                f" WHERE seq IN ({', '.join('?' * len(chosen))}) RETURNING *",
                [_text(lease_until), *chosen],
            ).fetchall()
            return [_owed(db, row) for row in sorted(rows, key=lambda row: int(row["seq"]))]

        return await self._write(change)

    async def message_sent(self, message: Message, *, ts: str, posted_in: str) -> None:
        """The revision that was claimed is in Slack, as message `ts` of channel `posted_in`."""

        def change(db: Database) -> None:
            db.execute(
                "UPDATE messages SET sent = :revision, ts = :ts, posted_in = :place, begun = 0, attempts = 0,"
                " lease_until = '' WHERE id = :id",
                {"id": message.id, "revision": message.wanted, "ts": ts, "place": posted_in},
            )

        await self._write(change)

    async def message_postponed(
        self,
        message: Message,
        *,
        due_at: datetime,
        maybe_posted: bool,
        channel: str | None = None,
        forget_ts: bool = False,
    ) -> None:
        """Try again at `due_at`: elsewhere with `channel`, as a new message with `forget_ts` (the old one is gone)."""

        def change(db: Database) -> None:
            db.execute(
                "UPDATE messages SET lease_until = '', due_at = :due,"
                " begun = CASE WHEN :maybe THEN begun ELSE 0 END, channel = COALESCE(:channel, channel),"
                " ts = CASE WHEN :forget THEN '' ELSE ts END WHERE id = :id",
                {
                    "id": message.id, "due": _text(due_at), "maybe": maybe_posted, "channel": channel,
                    "forget": forget_ts,
                },
            )  # fmt: skip

        await self._write(change)

    async def move_thread(self, request_id: str, channel: str, now: datetime) -> None:
        """The thread's channel is closed to us: its story goes on in `channel`, beginning with its first message."""

        def change(db: Database) -> None:
            db.execute(
                "UPDATE messages SET channel = :channel, ts = '', posted_in = '', begun = 0, wanted = wanted + 1,"
                " lease_until = '', due_at = :now WHERE request_id = :id AND kind = 'parent'",
                {"channel": channel, "now": _text(now), "id": request_id},
            )
            db.execute(
                "UPDATE messages SET channel = :channel, begun = 0, lease_until = '', due_at = :now"
                " WHERE request_id = :id AND kind = 'note' AND sent < wanted",
                {"channel": channel, "now": _text(now), "id": request_id},
            )

        await self._write(change)

    async def owe_note(self, request_id: str, message: NewMessage, now: datetime) -> None:
        """Say something in the thread that no change of state causes."""
        await self._write(lambda db: _owe(db, request_id, [message], now))

    async def next_message_due(self, closed: Collection[str] = ()) -> datetime | None:
        """When the next owed message may be tried, those behind another and those for `closed` channels left out."""

        def question(db: Database) -> datetime | None:
            moments = [
                db.execute(
                    f"SELECT MIN(MAX(due_at, lease_until)) FROM messages AS owed WHERE {_NEXT_IN_PLACE}",  # noqa: S608
                    [place],
                ).fetchone()[0]
                for place in _owed_places(db, closed)
            ]
            return min((_time(moment) for moment in moments if moment is not None), default=None)

        return await self._database.read(question)

    # Questions.

    async def request(self, request_id: str) -> Request | None:
        """One request by its id."""
        return await self._database.read(lambda db: _one(db, "SELECT * FROM requests WHERE id = ?", [request_id]))

    async def open_requests(self, limit: int = 50) -> list[Request]:
        """Everything asked and not finished, newest first."""
        return await self._requests(
            "SELECT * FROM requests WHERE state IN ('awaiting_approval', 'approved', 'executing', 'working', 'unknown')"
            " ORDER BY created_at DESC LIMIT ?",
            limit,
        )

    async def requests_of(self, requester: str, limit: int = 20) -> list[Request]:
        """What one person asked, newest first; drafts are not yet asked."""
        return await self._requests(
            "SELECT * FROM requests WHERE requester = ? AND state <> 'draft' ORDER BY created_at DESC LIMIT ?",
            requester,
            limit,
        )

    async def messages_of(self, request_id: str) -> list[Message]:
        """All messages of a request, in the order in which they were owed."""
        return await self._database.read(
            lambda db: [
                _message(row)
                for row in db.execute("SELECT * FROM messages WHERE request_id = ? ORDER BY seq", [request_id])
            ]
        )

    async def history(self, request_id: str) -> list[AuditEntry]:
        """The audit of one request, oldest first."""
        return await self._database.read(
            lambda db: [
                AuditEntry(
                    row["seq"],
                    _time(row["at"]),
                    row["request_id"],
                    row["actor"],
                    row["what"],
                    json.loads(row["detail"]),
                )
                for row in db.execute("SELECT * FROM audit WHERE request_id = ? ORDER BY seq", [request_id])
            ]
        )

    async def note_fact(self, request_id: str, fact: Fact, now: datetime) -> None:
        """Put a fact into the audit that changes nothing else, such as a refused click."""
        await self._write(lambda db: _append_audit(db, request_id, fact, now))

    # The beats of the scheduler.

    async def beat(self, name: str, now: datetime) -> None:
        """This beat has just run to its end."""

        def change(db: Database) -> None:
            db.execute(
                "INSERT INTO beats (name, at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at",
                [name, _text(now)],
            )

        await self._write(change)

    async def beats(self) -> dict[str, datetime]:
        """When each beat last ran to its end."""
        return await self._database.read(
            lambda db: {row["name"]: _time(row["at"]) for row in db.execute("SELECT name, at FROM beats")}
        )

    # Below: how it is written down.

    async def _write(self, change: Callable[[Database], T]) -> T:
        return await self._database.write(change)

    async def _requests(self, sql: str, *parameters: object) -> list[Request]:
        return await self._database.read(lambda db: [_request(row) for row in db.execute(sql, parameters)])

    async def _moment(self, sql: str, parameters: Mapping[str, str] | None = None) -> datetime | None:
        found = await self._database.read(lambda db: db.execute(sql, dict(parameters or {})).fetchone()[0])
        return None if found is None else _time(found)


def _move(
    db: Database,
    request_id: str,
    expect: Sequence[RequestState],
    to: RequestState,
    *,
    fact: Fact,
    messages: Sequence[NewMessage],
    now: datetime,
    columns: Mapping[str, Any] | None = None,
    where: str = "",
    **parameters: Any,
) -> Request | None:
    """The one compare-and-set: the new state, its audit entry, its messages, or nothing at all."""
    request = _set_state(db, request_id, expect, to, now=now, columns=columns, where=where, **parameters)
    if request is not None:
        _record(db, request_id=request_id, fact=fact, messages=messages, now=now, is_new=RequestState.DRAFT in expect)
    return request


def _set_state(
    db: Database,
    request_id: str,
    expect: Sequence[RequestState],
    to: RequestState,
    *,
    now: datetime,
    columns: Mapping[str, Any] | None = None,
    where: str = "",
    **parameters: Any,
) -> Request | None:
    columns = columns or {}
    states = ", ".join(f"'{state.value}'" for state in expect)
    assignments = "".join(f", {name} = :{name}" for name in columns)
    return _set(
        db,
        f"UPDATE requests SET state = :to, updated_at = :now{assignments}"  # noqa: S608 (names are ours, not input)
        f" WHERE id = :id AND state IN ({states}){' AND ' + where if where else ''} RETURNING *",
        {"id": request_id, "to": to.value, "now": _text(now), **columns, **parameters},
    )


def _record(
    db: Database, *, request_id: str, fact: Fact, messages: Sequence[NewMessage], now: datetime, is_new: bool = False
) -> None:
    """What every change of state writes beside itself. A new request has no surfaces yet that could show it."""
    if not is_new:
        _refresh_surfaces(db, request_id, now)
    if messages:
        _owe(db, request_id, messages, now)
    _append_audit(db, request_id, fact, now)


def _owed_places(db: Database, closed: Collection[str]) -> list[str]:
    """The channels and people that something is owed to, without the `closed` ones: one step of the index for each."""
    places: list[str] = []
    after = ""
    while (row := db.execute(_PLACE_AFTER, [after]).fetchone()) is not None:
        after = str(row["place"])
        if after not in closed:
            places.append(after)
    return places


def _refresh_surfaces(db: Database, request_id: str, now: datetime) -> None:
    db.execute(
        "UPDATE messages SET wanted = wanted + 1, due_at = ? WHERE request_id = ? AND kind IN ('card', 'parent')",
        [_text(now), request_id],
    )


def _owe(db: Database, request_id: str, messages: Sequence[NewMessage], now: datetime) -> None:
    at = _text(now)
    drawn = new_id("msg")  # one for all: the system's randomness is slow to come by
    rows = [
        {
            "id": f"{drawn}{number}", "request_id": request_id, "kind": message.kind.value,
            "lane": f"{request_id}/{'card' if message.kind is MessageKind.CARD else 'thread'}",
            "channel": message.channel, "body": json.dumps(dict(message.body)), "wanted": 1, "sent": 0, "begun": 0,
            "attempts": 0, "created_at": at, "due_at": at, "lease_until": _NO_LEASE, "ts": "", "posted_in": "",
        }
        for number, message in enumerate(messages)
    ]  # fmt: skip
    _insert(db, "messages", *rows)


def _append_audit(db: Database, request_id: str, fact: Fact, now: datetime) -> None:
    _insert(
        db,
        "audit",
        {
            "at": _text(now), "request_id": request_id, "actor": fact.actor, "what": fact.what,
            "detail": json.dumps(dict(fact.detail)),
        },
    )  # fmt: skip


def _insert(db: Database, table: str, *rows: Mapping[str, Any]) -> None:
    """All rows have the same columns."""
    # The SQL text rather than the insert helper: measured a third faster, and its plan is cached by the connection.
    # All rows in one statement: each one gives the interpreter's lock away, and it comes back late.
    places = f"({', '.join('?' * len(rows[0]))})"
    db.execute(
        f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES {', '.join([places] * len(rows))}",  # noqa: S608 (ours)
        [value for row in rows for value in row.values()],
    )


def _set(db: Database, sql: str, parameters: Any) -> Request | None:
    rows = db.execute(sql, parameters).fetchall()
    return _request(rows[0]) if rows else None


def _one(db: Database, sql: str, parameters: Sequence[object] | dict[str, object]) -> Request | None:
    row = db.execute(sql, parameters).fetchone()
    return None if row is None else _request(row)


def _owed(db: Database, row: sqlite3.Row) -> Owed:
    message = _message(row)
    request = _one(db, "SELECT * FROM requests WHERE id = ?", [message.request_id])
    assert request is not None  # the foreign key holds it
    parent = db.execute(
        "SELECT * FROM messages WHERE request_id = ? AND kind = 'parent' AND ts <> '' LIMIT 1", [message.request_id]
    ).fetchone()
    return Owed(message, request, None if parent is None else _message(parent), int(row["begun"]) > 1)


def _text(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError(f"A time without a zone cannot be stored: {moment!r}")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _maybe_text(moment: datetime | None) -> str | None:
    return None if moment is None else _text(moment)


def _maybe_time(text: str | None) -> datetime | None:
    return None if text is None else _time(text)


def _request_row(request: Request) -> dict[str, Any]:
    row = {field.name: getattr(request, field.name) for field in fields(request)}
    for name in ("created_at", "updated_at", "checking_since", "decided_at", "lease_until", "not_before"):
        row[name] = _maybe_text(row[name])
    for name in ("input", "quote", "outcome"):
        row[name] = None if row[name] is None else json.dumps(row[name])
    return row | {"state": request.state.value, "asks_person": int(request.asks_person)}


def _request(row: sqlite3.Row) -> Request:
    values = dict(row)
    for name in ("created_at", "updated_at", "checking_since", "decided_at", "lease_until", "not_before"):
        values[name] = _maybe_time(values[name])
    for name in ("input", "quote", "outcome"):
        values[name] = None if values[name] is None else json.loads(values[name])
    values["state"] = RequestState(values["state"])
    values["asks_person"] = bool(values["asks_person"])
    return Request(**values)


def _job_row(job: Job) -> dict[str, Any]:
    return {
        "request_id": job.request_id, "account": job.account, "kind": job.kind.value, "ref": json.dumps(dict(job.ref)),
        "due_at": _text(job.due_at), "deadline_at": _text(job.deadline_at), "started_at": _text(job.started_at),
        "attempts": job.attempts, "lease_until": _NO_LEASE,
    }  # fmt: skip


def _job(row: sqlite3.Row) -> Job:
    return Job(
        request_id=row["request_id"],
        account=row["account"],
        kind=JobKind(row["kind"]),
        ref=json.loads(row["ref"]),
        due_at=_time(row["due_at"]),
        deadline_at=_time(row["deadline_at"]),
        started_at=_time(row["started_at"]),
        attempts=row["attempts"],
    )


def _message(row: sqlite3.Row) -> Message:
    return Message(
        id=row["id"],
        request_id=row["request_id"],
        kind=MessageKind(row["kind"]),
        lane=row["lane"],
        channel=row["channel"],
        body=json.loads(row["body"]),
        wanted=row["wanted"],
        sent=row["sent"],
        begun=bool(row["begun"]),
        attempts=row["attempts"],
        created_at=_time(row["created_at"]),
        ts=row["ts"],
        posted_in=row["posted_in"],
    )
