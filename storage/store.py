"""Every question and every change, named in the words of the domain.

Each change of a request is one compare-and-set in one transaction, together with its audit entry and the messages it
causes: it returns the request as it now is, or None when somebody else was first (or it is not theirs to change).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from pydantic_core import from_json, to_json
from sqlite_utils import Database

from storage import audit, books, jobs
from storage.books import Books
from storage.moments import as_text, as_time, maybe_text, maybe_time
from storage.records import (
    AuditEntry,
    BudgetUse,
    Delegation,
    Fact,
    Job,
    Json,
    Message,
    MessageKind,
    NewMessage,
    Request,
    RequestState,
    Reservation,
    UsualTime,
    Verdict,
    Vote,
    new_id,
)
from storage.sqlite import SqliteDatabase

T = TypeVar("T")

SENT_AT_ONCE = 4
"""Messages claimed in one go. All of them are drawn and posted at the same time, and answers to clicks wait meanwhile;
Slack itself takes about one a second and channel."""
PROGRESS_APART_SECONDS = 3
"""Progress is shown on a surface at most so often; what is decided, and how it ended, at once."""
_TOO_FAR = timedelta(minutes=10)
"""Nothing that is owed to Slack waits for so long: if it seems to, the clock was set back, and it is due."""
_IDS_AT_ONCE = 100
_NO_LEASE = ""
"""Sorts before every time, so that "no lease" and "lease is over" are one comparison."""
_MAY_RUN = "state = 'approved' AND (not_before IS NULL OR not_before <= ?)"
_WAITS = "(state = 'awaiting_approval' OR asks_person = 1)"
_PLACE_AFTER = "SELECT place FROM messages WHERE sent < wanted AND place > ? ORDER BY place LIMIT 1"
_NEXT_IN_PLACE = (
    "sent < wanted AND place = ? AND NOT EXISTS (SELECT 1 FROM messages AS earlier"
    " WHERE earlier.lane = owed.lane AND earlier.sent < earlier.wanted AND earlier.seq < owed.seq)"
)
"""Owed messages of one place, each the oldest of its lane."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A message claimed for delivery, with what is needed to show it.

    `begun_before` says that an earlier attempt may have posted it. `parent` is the thread's first message (of a call:
    the card that it stands below), None until it has been posted. With a card go the `votes` on what is asked now, the
    `budgets` that count it, and the quote from `before` it was reopened, as long as it waits for a new decision.
    """

    message: Message
    request: Request
    parent: Message | None
    begun_before: bool
    votes: Sequence[Vote] = ()
    budgets: Sequence[tuple[Reservation, BudgetUse]] = ()
    before: Json | None = None


@dataclass(frozen=True, slots=True)
class Telling:
    """What is written down together with a change: the audit's fact, and the messages that it causes."""

    fact: Fact
    messages: Sequence[NewMessage] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What becomes of a request that is asked, or asked again: where it goes, who decides it, what it sets apart.

    `ruling` is as handlers/policy.py has it. Of `subjects` it is about; until `not_before` nothing is sent, and if
    `stop_until` is set it can be stopped until then. At `attend_at` somebody is to be reminded.
    """

    to: RequestState
    telling: Telling
    ruling: Json | None = None
    attend_at: datetime | None = None
    stop_until: datetime | None = None
    reservations: Sequence[Reservation] = ()
    subjects: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What a request asks for, at which price, and the hash that votes are bound to. `out` is no longer part of it."""

    given: Json
    quote: Json | None
    fingerprint: str
    total: Decimal | None
    out: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """What a vote is worth: whose right it uses, and how many different ones make a yes.

    `content` is what is left if the voter took something out. The votes of those in `void` no longer count. `telling`
    says of the request after the vote what is told; its second argument is how many have said yes, this one included.
    """

    principal: str
    needs: int
    telling: Callable[[Request, int], Telling]
    stop_until: datetime | None = None
    content: Content | None = None
    void: Sequence[str] = ()


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
                    "id": request_id, "by": by, "provider": provider, "account": account, "input": _json(given),
                    "reason": reason, "view_id": view_id, "now": as_text(now),
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
                    "id": request_id, "quote": None if quote is None else _json(quote),
                    "fingerprint": fingerprint, "since": as_text(checking_since), "now": as_text(now),
                },
            )  # fmt: skip

        return await self._write(change)

    async def begin_reveal(
        self, request_id: str, *, by: str, provider: str, account: str, given: Json, view_id: str, fact: Fact,
        now: datetime,
    ) -> Request | None:  # fmt: skip
        """A form that shows a credential was sent: its draft is used up, so None for the same form sent again.

        From now on it counts as being checked, until `check_shown`.
        """

        def change(db: Database) -> Request | None:
            begun = _set(
                db,
                "UPDATE requests SET provider = :provider, account = :account, input = :input, view_id = :view_id,"
                " checking_since = :now, updated_at = :now"
                " WHERE id = :id AND state = 'draft' AND requester = :by AND account = '' RETURNING *",
                {
                    "id": request_id, "by": by, "provider": provider, "account": account, "input": _json(given),
                    "view_id": view_id, "now": as_text(now),
                },
            )  # fmt: skip
            if begun is not None:
                _append_audit(db, request_id, fact, now)
            return begun

        return await self._write(change)

    async def check_shown(self, request_id: str, *, checking_since: datetime) -> Request | None:
        """The form shows what came of the check that began at `checking_since`: nothing is left to take up again."""

        def change(db: Database) -> Request | None:
            return _set(
                db,
                "UPDATE requests SET checking_since = NULL WHERE id = :id AND checking_since = :since RETURNING *",
                {"id": request_id, "since": as_text(checking_since)},
            )

        return await self._write(change)

    async def resume_check(self, request_id: str, *, checking_since: datetime, now: datetime) -> Request | None:
        """Take over a check whose process died: None when another took it first."""

        def change(db: Database) -> Request | None:
            return _set(
                db,
                "UPDATE requests SET checking_since = :now WHERE id = :id AND state = 'draft'"
                " AND checking_since = :since RETURNING *",
                {"id": request_id, "since": as_text(checking_since), "now": as_text(now)},
            )

        return await self._write(change)

    async def interrupted_checks(self, before: datetime) -> list[Request]:
        """Drafts that have been "being checked" since before `before`: their process died or hangs."""
        return await self._requests(
            "SELECT * FROM requests WHERE state = 'draft' AND checking_since < ? LIMIT 50", as_text(before)
        )

    async def forget_drafts(self, before: datetime) -> int:
        """Throw away forms that nobody finished and nobody touched since `before`; returns how many."""

        def change(db: Database) -> int:
            return db.execute(
                "DELETE FROM requests WHERE state = 'draft' AND updated_at < ?", [as_text(before)]
            ).rowcount

        return await self._write(change)

    # Decisions.

    async def submit(
        self, request_id: str, *, by: str, seen: str, asking: Callable[[Request, Books], Asked], now: datetime
    ) -> Request | None:
        """The requester confirms what was shown: the draft becomes a request. Only a draft that passed its check.

        `seen` is the beginning of the fingerprint that was shown; a draft that was changed since has another.

        `asking` says of the draft what becomes of it. It runs inside the transaction, so that what it reads of budgets
        and other requests is true when it is written; what it raises is raised here, and nothing is changed.
        """

        def change(db: Database) -> Request | None:
            draft = _one(
                db,
                "SELECT * FROM requests WHERE id = :id AND state = 'draft' AND requester = :by AND :seen <> ''"
                " AND substr(fingerprint, 1, length(:seen)) = :seen",
                {"id": request_id, "by": by, "seen": seen},
            )
            if draft is None:
                return None
            asked = asking(draft, Books(db))
            request = _set_state(
                db, request_id, [RequestState.DRAFT], asked.to, now=now, columns=_asked_columns(asked, now)
            )
            if asked.subjects:
                books.note_subjects(db, request_id, asked.subjects)
            if asked.reservations:
                books.reserve(db, request_id, asked.reservations)
            told = asked.telling
            _record(db, request_id=request_id, fact=told.fact, messages=told.messages, now=now, is_new=True)
            return request

        return await self._write(change)

    async def look(self, question: Callable[[Books], T]) -> T:
        """What the books say at this moment; it may be otherwise in the next."""
        return await self._database.read(lambda db: question(Books(db)))

    async def cast_vote(self, vote: Vote, *, judging: Callable[[Request, Books], Judged]) -> Request | None:
        """Say yes or no to a waiting request, provided that it still is what the voter saw; None if it does not wait.

        The vote's fingerprint may be only its beginning, as cards carry it. `judging` says of the request as it is what
        the vote is worth, or raises why it is not taken: then nothing is changed. A no decides; a yes decides together
        with enough others.
        """

        def change(db: Database) -> Request | None:
            seen = _one(
                db,
                "SELECT * FROM requests WHERE id = :id AND state = 'awaiting_approval' AND :seen <> ''"
                " AND substr(fingerprint, 1, length(:seen)) = :seen",
                {"id": vote.request_id, "seen": vote.fingerprint},
            )
            if seen is None:
                return None
            judged = judging(seen, Books(db))
            content = judged.content
            fingerprint = seen.fingerprint if content is None else content.fingerprint
            columns: dict[str, Any] = {} if content is None else _content_columns(content)
            books.take_votes(db, vote.request_id, judged.void)
            _insert_vote(db, vote, fingerprint, judged.principal)
            given = sum(one.verdict is Verdict.APPROVE for one in books.votes_on(db, vote.request_id, fingerprint))
            to = RequestState.AWAITING
            if vote.verdict is Verdict.DENY:
                to = RequestState.DENIED
            elif given >= judged.needs:
                to = RequestState.APPROVED
                columns["not_before"] = columns["stop_until"] = maybe_text(judged.stop_until)
            if to is not RequestState.AWAITING:
                columns |= {"decided_by": vote.voter, "decided_at": as_text(vote.at), "attend_at": None}
                columns["decision_reason"] = vote.reason
            request = _set_state(db, vote.request_id, [RequestState.AWAITING], to, now=vote.at, columns=columns)
            assert request is not None  # it was read in this very transaction
            if content is not None:
                books.take_out(db, request.id, content.out)
                if content.total is not None:
                    books.change_amount(db, request.id, content.total)
            if to.is_final:
                books.release(db, request.id)
            told = judged.telling(request, given)
            _record(db, request_id=request.id, fact=told.fact, messages=told.messages, now=vote.at)
            return request

        return await self._write(change)

    async def approve_at_once(
        self, request_id: str, *, fingerprint: str, by: str, reason: str, fact: Fact,
        messages: Sequence[NewMessage], now: datetime,
    ) -> Request | None:  # fmt: skip
        """Somebody breaks the glass: what waits for a decision is approved without one, if it is what they saw."""

        def change(db: Database) -> Request | None:
            return _move(
                db, request_id, [RequestState.AWAITING], RequestState.APPROVED, fact=fact, messages=messages, now=now,
                columns={
                    "decided_by": by, "decided_at": as_text(now), "decision_reason": reason, "attend_at": None,
                    "not_before": None, "stop_until": None,
                },
                where="fingerprint = :fingerprint", fingerprint=fingerprint,
            )  # fmt: skip

        return await self._write(change)

    async def cancel(
        self, request_id: str, *, by: str, fact: Fact, messages: Sequence[NewMessage], now: datetime
    ) -> Request | None:
        """The requester takes back what waits for a decision, or for its time."""

        def change(db: Database) -> Request | None:
            return _move(
                db, request_id, [RequestState.AWAITING, RequestState.APPROVED], RequestState.CANCELLED, fact=fact,
                messages=messages, now=now,
                columns={
                    "decided_by": by, "decided_at": as_text(now), "not_before": None, "stop_until": None,
                    "attend_at": None,
                },
                where="requester = :by AND (state = 'awaiting_approval' OR not_before IS NOT NULL)", by=by,
            )  # fmt: skip

        return await self._write(change)

    async def stop(
        self, request_id: str, *, fact: Fact, messages: Sequence[NewMessage], attend_at: datetime | None, now: datetime
    ) -> Request | None:
        """An approval is undone before anything was sent: the votes are void, and the card asks again.

        Within its undo window, or while it is kept back: as long as this attempt has no intent.
        """

        def change(db: Database) -> Request | None:
            request = _move(
                db, request_id, [RequestState.APPROVED], RequestState.AWAITING, fact=fact, messages=messages, now=now,
                columns={**_WAITS_AGAIN} | {"waiting_since": as_text(now), "attend_at": maybe_text(attend_at)},
                where="(stop_until IS NOT NULL OR (not_before IS NOT NULL AND ruling IS NOT NULL AND NOT EXISTS"
                " (SELECT 1 FROM intents WHERE intents.key = requests.id || '#' || requests.attempt)))",
            )  # fmt: skip
            if request is not None:
                db.execute("DELETE FROM votes WHERE request_id = ?", [request_id])
            return request

        return await self._write(change)

    async def reopen(
        self,
        request_id: str,
        *,
        content: Content,
        asking: Callable[[Request, Books], Asked],
        expect: Sequence[RequestState] = (RequestState.APPROVED,),
        now: datetime,
        read: Request | None = None,
    ) -> Request | None:
        """What was asked or approved is no longer what would run: votes are void, and the card asks anew.

        `asking` says of the request with its new content who decides it now; what it raises undoes all of it. `read` is
        the request that `content` was made of: if it is another by now, nothing is changed.
        """
        still, its = _as_read(read)

        def change(db: Database) -> Request | None:
            request = _set_state(
                db, request_id, expect, RequestState.AWAITING, now=now,
                columns={**_WAITS_AGAIN} | _content_columns(content) | {"waiting_since": as_text(now)},
                where=still, **its,
            )  # fmt: skip
            if request is None:
                return None
            db.execute("DELETE FROM votes WHERE request_id = ?", [request_id])
            books.take_out(db, request_id, content.out)
            books.release(db, request_id)  # it must not stand in its own way
            asked = asking(request, Books(db))
            books.reserve(db, request_id, asked.reservations)
            request = _set_state(
                db, request_id, [RequestState.AWAITING], RequestState.AWAITING, now=now,
                columns={
                    "ruling": None if asked.ruling is None else _json(asked.ruling),
                    "attend_at": maybe_text(asked.attend_at),
                },
            )  # fmt: skip
            _record(db, request_id=request_id, fact=asked.telling.fact, messages=asked.telling.messages, now=now)
            return request

        return await self._write(change)

    # Waiting: for somebody to decide.

    async def requests_about(self, subject: str, limit: int = 50) -> list[Request]:
        """What was ever asked about a domain, an address, or anything at a domain; newest first."""
        name = subject.lower()
        return await self._requests(
            "SELECT DISTINCT requests.* FROM subjects JOIN requests ON requests.id = subjects.request_id"
            " WHERE subjects.subject IN (?, ?, ?) ORDER BY requests.created_at DESC LIMIT ?",
            name,
            f"@{name}",
            f"{books.OUT}{name}",
            limit,
        )

    async def to_attend(self, now: datetime, limit: int = 100) -> list[Request]:
        """What waits for people and wants something now: a reminder, somebody else, its end."""
        return await self._requests(
            f"SELECT * FROM requests WHERE attend_at <= ? AND {_WAITS} ORDER BY attend_at LIMIT ?",  # noqa: S608 (ours)
            as_text(now),
            limit,
        )

    async def next_to_attend(self) -> datetime | None:
        """When the next waiting request wants something."""
        return await self._moment(f"SELECT MIN(attend_at) FROM requests WHERE attend_at IS NOT NULL AND {_WAITS}")  # noqa: S608

    async def attended(
        self, request: Request, *, attend_at: datetime | None, announced: bool, reminded: int, escalated: bool,
        telling: Telling | None, now: datetime, ruling: Json | None = None, void: Sequence[str] = (),
    ) -> Request | None:  # fmt: skip
        """What `request` wanted is done, and owed if it is to be said; None when somebody was first.

        The votes of those in `void` no longer count.
        """

        def change(db: Database) -> Request | None:
            changed = _set(
                db,
                "UPDATE requests SET attend_at = :next, announced = :announced, reminded = :reminded,"  # noqa: S608
                " escalated = :escalated, ruling = COALESCE(:ruling, ruling)"
                f" WHERE id = :id AND {_WAITS} AND attend_at = :due RETURNING *",
                {
                    "id": request.id, "due": maybe_text(request.attend_at), "next": maybe_text(attend_at),
                    "announced": int(announced), "reminded": reminded, "escalated": int(escalated),
                    "ruling": None if ruling is None else _json(ruling),
                },
            )  # fmt: skip
            if changed is not None:
                books.take_votes(db, request.id, void)
            if changed is not None and telling is not None:
                _record(db, request_id=request.id, fact=telling.fact, messages=telling.messages, now=now)
            return changed

        return await self._write(change)

    async def attend_now(self, request_id: str, now: datetime) -> None:
        """It may be that nobody can decide a waiting request any more: it is to be looked after at once."""

        def change(db: Database) -> None:
            db.execute(
                "UPDATE requests SET attend_at = MIN(COALESCE(attend_at, :now), :now)"
                " WHERE id = :id AND state = 'awaiting_approval'",
                {"now": as_text(now), "id": request_id},
            )

        await self._write(change)

    async def expire(self, request: Request, telling: Telling, now: datetime) -> Request | None:
        """Nobody decided in time."""

        def change(db: Database) -> Request | None:
            return _move(
                db, request.id, [RequestState.AWAITING], RequestState.EXPIRED, fact=telling.fact,
                messages=telling.messages, now=now, columns={"attend_at": None}, where="attend_at IS :due",
                due=maybe_text(request.attend_at),
            )  # fmt: skip

        return await self._write(change)

    async def rule_anew(
        self, request: Request, ruling: Json, reservations: Sequence[Reservation], *, escalated: bool, fact: Fact,
        now: datetime,
    ) -> None:  # fmt: skip
        """The rules have changed while it waits: others may decide it from now on, other budgets count it.

        It is to be looked after at once, for others may have to be asked in person, or it may have waited long enough.
        """

        def change(db: Database) -> None:
            ruled = _move(
                db, request.id, [RequestState.AWAITING], RequestState.AWAITING, fact=fact, messages=(), now=now,
                columns={
                    "ruling": _json(ruling), "attend_at": as_text(now), "announced": 0,
                    "escalated": int(escalated),
                },
            )  # fmt: skip
            if ruled is not None:
                books.reserve(db, request.id, reservations)

        await self._write(change)

    async def waiting(self) -> list[Request]:
        """All that waits for a decision, the oldest first."""
        return await self._requests("SELECT * FROM requests WHERE state = 'awaiting_approval' ORDER BY updated_at")

    async def say(self, request_id: str, telling: Telling, now: datetime) -> None:
        """Something was done that changes no state: it is told and noted, together."""

        def change(db: Database) -> None:
            _owe(db, request_id, telling.messages, now)
            _append_audit(db, request_id, telling.fact, now)

        await self._write(change)

    async def show_anew(self, request_id: str, now: datetime) -> None:
        """Somebody has an old card before them: the request's surfaces are drawn once more."""
        await self._write(lambda db: _refresh_surfaces(db, request_id, now))

    # Approvals that are handed over.

    async def hand_over(self, delegation: Delegation, fact: Fact) -> None:
        """Somebody else has `delegation.principal`'s approvals for a while; what was handed over before ends."""

        def change(db: Database) -> None:
            _take_back(db, delegation.principal, delegation.begins_at)
            _insert(
                db,
                "delegations",
                {
                    "id": delegation.id, "principal": delegation.principal, "delegate": delegation.delegate,
                    "channel": delegation.channel, "begins_at": as_text(delegation.begins_at),
                    "ends_at": as_text(delegation.ends_at),
                },
            )  # fmt: skip
            _append_audit(db, "", fact, delegation.begins_at)

        await self._write(change)

    async def take_back(self, principal: str, fact: Fact, now: datetime) -> bool:
        """What `principal` handed over is theirs alone again; False when nothing was handed over."""

        def change(db: Database) -> bool:
            ended = _take_back(db, principal, now)
            if ended:
                _append_audit(db, "", fact, now)
            return ended

        return await self._write(change)

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
                _append_audit(db, "", fact(one), now)
            return ended

        return await self._write(change) if await self._database.read(found) else []

    async def next_end(self, now: datetime) -> datetime | None:
        """When the next thing that is handed over ends by itself."""
        return await self._moment("SELECT MIN(ends_at) FROM delegations WHERE ends_at > :now", {"now": as_text(now)})

    async def delegations(self, now: datetime) -> list[Delegation]:
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

    # Execution: at most once.

    async def approved_of(self, account: str, now: datetime) -> list[Request]:
        """What may run now with one account, oldest decision first."""
        return await self._requests(
            f"SELECT * FROM requests WHERE {_MAY_RUN} AND account = ? ORDER BY updated_at LIMIT 100",  # noqa: S608
            as_text(now),
            account,
        )

    async def accounts_with_approved(self, now: datetime) -> set[str]:
        """The accounts with which something may run now."""
        return await self._database.read(
            lambda db: {
                row["account"]
                for row in db.execute(f"SELECT DISTINCT account FROM requests WHERE {_MAY_RUN}", [as_text(now)])  # noqa: S608
            }
        )

    async def next_run_due(self, now: datetime) -> datetime | None:
        """When the time of the next request comes that waits for it; None when none does."""
        return await self._moment(
            "SELECT MIN(not_before) FROM requests WHERE state = 'approved' AND not_before > :now", {"now": as_text(now)}
        )

    async def begin_execution(
        self, request_id: str, *, key: str, fingerprint: str, lease_until: datetime, fact: Fact, now: datetime,
        quote: Json | None = None, total: Decimal | None = None, allowing: Callable[[Books], None] = lambda books: None,
    ) -> Request | None:  # fmt: skip
        """Commit the intent: when this returns the request, the call may be sent, once, by the caller alone.

        `fingerprint` is of what was approved; if the request is another by now, nothing is begun. `quote` and `total`
        are what it costs now, where that is a little different; `allowing` then raises if that is too much, and nothing
        is begun.
        """
        anew = {} if quote is None else {"quote": _json(quote)}

        def change(db: Database) -> Request | None:
            request = _move(
                db, request_id, [RequestState.APPROVED], RequestState.EXECUTING, fact=fact, messages=(), now=now,
                columns={"lease_until": as_text(lease_until), "not_before": None, "stop_until": None, **anew},
                where="fingerprint = :fingerprint AND (not_before IS NULL OR not_before <= :now)",
                fingerprint=fingerprint,
            )  # fmt: skip
            if request is not None:
                _insert(
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

        return await self._write(change)

    async def postpone(
        self, request_id: str, *, expect: Sequence[RequestState], until: datetime, given: Json, fingerprint: str,
        fact: Fact, messages: Sequence[NewMessage], now: datetime, read: Request | None = None,
    ) -> Request | None:  # fmt: skip
        """What is left of it, `given`, may run at `until`: provably nothing of that was sent. Never for a spend.

        The intents of what was begun before stay; the next run needs a key of its own. If the request is another by now
        than `read`, nothing is changed.
        """
        still, its = _as_read(read)

        def change(db: Database) -> Request | None:
            request = _move(
                db, request_id, expect, RequestState.APPROVED, fact=fact, messages=messages, now=now,
                columns={
                    "not_before": as_text(until), "stop_until": None, "input": _json(given),
                    "fingerprint": fingerprint,
                    "lease_until": None, "outcome": None, "asks_person": 0, "attend_at": None,
                },
                where=still, **its,
            )  # fmt: skip
            if request is not None:
                jobs.forget(db, request_id)
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
                [as_text(lease_until), request_id],
            )

        await self._write(change)

    async def lapsed_executions(self, now: datetime) -> list[Request]:
        """Requests whose process died between the intent and the outcome."""
        return await self._requests(
            "SELECT * FROM requests WHERE state = 'executing' AND lease_until < ? LIMIT 100", as_text(now)
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
        still, its = _as_read(read)
        # Two looks may give up at the same time; a person is asked once, and settles it once.
        asked = ["asks_person = 0"] * asks_person + ["asks_person = 1"] * was_asked

        def change(db: Database) -> Request | None:
            request = _move(
                db, request_id, expect, to, fact=fact, messages=messages, now=now, spent=spent,
                where=" AND ".join([*asked, *filter(None, [still])]), **its,
                columns={
                    "outcome": _json(outcome), "asks_person": int(asks_person), "lease_until": None,
                    "attend_at": maybe_text(attend_at), "reminded": 0, "not_before": None, "stop_until": None,
                },
            )  # fmt: skip
            if request is not None:
                jobs.forget(db, request_id)
                if job is not None:
                    jobs.insert(db, job, action_key(request))
            return request

        return await self._write(change)

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
        return await self._write(lambda db: _anew(db, read, RequestState.APPROVED, told, now, columns))

    async def ask_again(
        self, read: Request, *, fact: Fact, messages: Sequence[NewMessage], fingerprint: str, ruling: Json,
        attend_at: datetime | None, now: datetime,
    ) -> Request | None:  # fmt: skip
        """As `try_again`, where one person's word is not enough: votes are void, and the card asks all of them."""
        columns = {**_WAITS_AGAIN} | {
            "waiting_since": as_text(now), "attend_at": maybe_text(attend_at), "fingerprint": fingerprint,
            "ruling": _json(ruling),
        }  # fmt: skip

        def change(db: Database) -> Request | None:
            request = _anew(db, read, RequestState.AWAITING, Telling(fact, messages), now, columns)
            if request is not None:
                db.execute("DELETE FROM votes WHERE request_id = ?", [request.id])
            return request

        return await self._write(change)

    async def count_late(
        self, request_id: str, spent: Sequence[Reservation], telling: Telling, now: datetime, *, besides: bool
    ) -> None:
        """It was bought after all, and that was heard when somebody had said otherwise: it is counted, and told.

        `spent` is what it cost in all; `besides`: on top of what the request has reserved or spent for a later attempt.
        """

        def change(db: Database) -> None:
            books.spend_late(db, request_id, spent, besides=besides)
            _record(db, request_id=request_id, fact=telling.fact, messages=telling.messages, now=now)

        await self._write(change)

    # Jobs.

    async def claim_due_jobs(
        self, now: datetime, lease_until: datetime, room: Mapping[str, int] | None = None
    ) -> list[tuple[Job, Request]]:
        """What is due and nobody looks at: of each account as many jobs as it has `room`, one each if that is None."""
        return await self._write(lambda db: _with_requests(db, jobs.claim_due(db, now, lease_until, room)))

    async def claim_jobs_alike(
        self, account: str, action: str, *, due_before: datetime, now: datetime, lease_until: datetime, limit: int
    ) -> list[tuple[Job, Request]]:
        """Other jobs of the same action ("provider/command") and account, due by then, to be looked at in one go."""

        def change(db: Database) -> list[tuple[Job, Request]]:
            alike = jobs.claim_alike(
                db, account, action, due_before=due_before, now=now, lease_until=lease_until, limit=limit
            )
            return _with_requests(db, alike)

        return await self._write(change)

    async def renew_jobs(self, request_ids: Collection[str], lease_until: datetime) -> None:
        """The looks at these are still under way in a living process."""
        await self._write(lambda db: jobs.renew(db, request_ids, lease_until))

    async def keep_watching(self, job: Job, outcome: Json | None, now: datetime) -> Request | None:
        """Look again at `job.due_at`. With an `outcome`, the progress it tells is shown on the request's surfaces."""

        def change(db: Database) -> Request | None:
            request = _one(
                db, "SELECT * FROM requests WHERE id = ? AND state IN ('working', 'unknown')", [job.request_id]
            )
            if request is None:
                return None
            is_ours = jobs.watch_on(db, [job]) > 0
            if not is_ours or outcome is None or dict(outcome) == request.outcome:
                return request
            _show_progress(db, job.request_id, now)
            return _set(
                db,
                "UPDATE requests SET outcome = ?, updated_at = ? WHERE id = ? RETURNING *",
                [_json(outcome), as_text(now), job.request_id],
            )

        return await self._write(change)

    async def watch_on(self, watched: Sequence[Job]) -> None:
        """Look again at these, each at its `due_at`; nothing new is known of any."""
        await self._write(lambda db: jobs.watch_on(db, watched))

    async def jobs_by_account(self) -> dict[str, datetime]:
        """The accounts that have jobs, each with the moment when its first can be looked at."""
        return await self._database.read(jobs.first_due)

    async def next_job_due(self) -> datetime | None:
        """When the next job can be looked at; None when there is none."""
        return min((await self.jobs_by_account()).values(), default=None)

    async def usual_times(self) -> list[UsualTime]:
        """How long things usually take, by action and account."""
        return await self._database.read(jobs.usual_times)

    async def note_usual_time(self, usual: UsualTime) -> None:
        """Remember how long things of an action at an account usually take."""
        await self._write(lambda db: jobs.note_usual_time(db, usual))

    # The outbox.

    async def claim_owed_messages(
        self, now: datetime, lease_until: datetime, limit: int = SENT_AT_ONCE, *, closed: Collection[str] = ()
    ) -> list[Owed]:
        """The oldest owed message of each lane that is due, claimed; that a post was begun is on disk from here on.

        Messages that go to `closed` channels stay where they are.
        """

        def change(db: Database) -> list[Owed]:
            at = as_text(now)
            due = [
                int(row["seq"])
                for place in _owed_places(db, closed)
                for row in db.execute(
                    f"SELECT seq FROM messages AS owed WHERE {_NEXT_IN_PLACE}"  # noqa: S608 (ours)
                    " AND (due_at <= ? OR due_at > ?) AND lease_until < ? ORDER BY seq LIMIT ?",
                    [place, at, as_text(now + _TOO_FAR), at, limit],
                )
            ]
            chosen = sorted(due)[:limit]
            if not chosen:
                return []
            rows = db.execute(
                "UPDATE messages SET lease_until = ?, attempts = attempts + 1,"  # noqa: S608 (only question marks)
                " begun = CASE WHEN ts = '' THEN begun + 1 ELSE 0 END"
                f" WHERE seq IN ({', '.join('?' * len(chosen))}) RETURNING *",
                [as_text(lease_until), *chosen],
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
                    "id": message.id, "due": as_text(due_at), "maybe": maybe_posted, "channel": channel,
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
                {"channel": channel, "now": as_text(now), "id": request_id},
            )
            db.execute(
                "UPDATE messages SET channel = :channel, begun = 0, lease_until = '', due_at = :now"
                " WHERE request_id = :id AND kind = 'note' AND sent < wanted",
                {"channel": channel, "now": as_text(now), "id": request_id},
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
            return min((as_time(moment) for moment in moments if moment is not None), default=None)

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

    async def held_by(self, request_id: str) -> list[tuple[Reservation, BudgetUse]]:
        """What a request takes from which budgets, and what those months have used up together."""
        return await self._database.read(
            lambda db: [
                (one, books.use_of(db, one.budget, one.period)) for one in books.reservations_of(db, request_id)
            ]
        )

    async def history(self, request_id: str) -> list[AuditEntry]:
        """The audit of one request, oldest first."""
        return await self._database.read(
            lambda db: [
                _audit_entry(row)
                for row in db.execute("SELECT * FROM audit WHERE request_id = ? ORDER BY seq", [request_id])
            ]
        )

    async def last_fact(self, what: str) -> AuditEntry | None:
        """The latest fact of this kind about the house itself: noted for no request, with an empty id."""

        def question(db: Database) -> AuditEntry | None:
            row = db.execute(
                "SELECT * FROM audit WHERE request_id = '' AND what = ? ORDER BY seq DESC LIMIT 1", [what]
            ).fetchone()
            return None if row is None else _audit_entry(row)

        return await self._database.read(question)

    async def note_fact(self, request_id: str, fact: Fact, now: datetime) -> None:
        """Put a fact into the audit that changes nothing else, such as a refused click."""
        await self._write(lambda db: _append_audit(db, request_id, fact, now))

    # The beats of the scheduler.

    async def beat(self, name: str, now: datetime) -> None:
        """This beat has just run to its end."""

        def change(db: Database) -> None:
            db.execute(
                "INSERT INTO beats (name, at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at",
                [name, as_text(now)],
            )

        await self._write(change)

    async def beats(self) -> dict[str, datetime]:
        """When each beat last ran to its end."""
        return await self._database.read(
            lambda db: {row["name"]: as_time(row["at"]) for row in db.execute("SELECT name, at FROM beats")}
        )

    # Below: how it is written down.

    async def _write(self, change: Callable[[Database], T]) -> T:
        return await self._database.write(change)

    async def _requests(self, sql: str, *parameters: object) -> list[Request]:
        return await self._database.read(lambda db: [_request(row) for row in db.execute(sql, parameters)])

    async def _moment(self, sql: str, parameters: Mapping[str, str] | None = None) -> datetime | None:
        found = await self._database.read(lambda db: db.execute(sql, dict(parameters or {})).fetchone()[0])
        return None if found is None else as_time(found)


def action_key(request: Request) -> str:
    """Of what kind a request is: `provider/command`. Jobs of the same kind may be looked at together."""
    return f"{request.provider}/{request.command}"


def as_request(row: sqlite3.Row) -> Request:
    """A row of the table as a record."""
    return _request(row)


def past_requests(connection: sqlite3.Connection, request_id: str = "") -> Iterator[Request]:
    """All that was ever asked, or the one request that is named, the oldest first, read one by one.

    `connection` is one of `storage.audit.opened`. May raise sqlite3.Error.
    """
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    # Rows are where they were put when they were drafts, and need not be sorted.
    yield from map(
        _request,
        cursor.execute(
            "SELECT * FROM requests WHERE state <> 'draft' AND :id IN ('', id) ORDER BY rowid", {"id": request_id}
        ),
    )


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
    spent: Decimal | None = Decimal(0),
    **parameters: Any,
) -> Request | None:
    """The one compare-and-set: the new state, its audit entry, its messages, its money, or nothing at all."""
    request = _set_state(db, request_id, expect, to, now=now, columns=columns, where=where, **parameters)
    if request is not None:
        if to.is_final:
            books.settle(db, request_id, spent)
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
        {"id": request_id, "to": to.value, "now": as_text(now), **columns, **parameters},
    )


def _anew(  # noqa: PLR0917
    db: Database, read: Request, to: RequestState, told: Telling, now: datetime, columns: Mapping[str, Any]
) -> Request | None:
    """The next attempt of what a person was asked about, if it still is what they read."""
    still, its = _as_read(read)
    request = _move(
        db, read.id, [RequestState.UNKNOWN], to, fact=told.fact, messages=told.messages, now=now,
        where=f"asks_person = 1 AND {still}", **its,
        columns={"outcome": None, "asks_person": 0, "lease_until": None, "reminded": 0} | {**columns},
    )  # fmt: skip
    if request is not None:
        jobs.forget(db, read.id)
        request = _set(db, "UPDATE requests SET attempt = attempt + 1 WHERE id = ? RETURNING *", [read.id])
    return request


_WAITS_AGAIN: Mapping[str, Any] = {
    "decided_by": "", "decided_at": None, "decision_reason": "", "not_before": None, "stop_until": None,
    "announced": 0, "reminded": 0, "escalated": 0, "outcome": None,
}  # fmt: skip
"""What a request forgets of its former approval when it asks again: others may have to be asked in person."""


def _as_read(read: Request | None) -> tuple[str, dict[str, Any]]:
    """The condition that a request still is what somebody has read, and its parameters.

    It may have been stopped, edited and approved anew meanwhile, or sent once more: what was found out about the one
    before is not true of it.
    """
    if read is None:
        return "", {}
    still = (
        "fingerprint = :read_fingerprint AND attempt = :read_attempt"
        " AND (state <> 'approved' OR not_before IS NULL OR not_before <= :now)"
    )
    return still, {"read_fingerprint": read.fingerprint, "read_attempt": read.attempt}


def _asked_columns(asked: Asked, now: datetime) -> dict[str, Any]:
    return {
        "ruling": None if asked.ruling is None else _json(asked.ruling),
        "waiting_since": as_text(now) if asked.to is RequestState.AWAITING else None,
        "attend_at": maybe_text(asked.attend_at),
        "not_before": maybe_text(asked.stop_until),
        "stop_until": maybe_text(asked.stop_until),
    }


def _content_columns(content: Content) -> dict[str, Any]:
    return {
        "input": _json(content.given),
        "quote": None if content.quote is None else _json(content.quote),
        "fingerprint": content.fingerprint,
    }


def _json(value: object) -> str:
    """As text in the tables: compact, in UTF-8. Raises for what is not JSON."""
    return to_json(value).decode()


def _insert_vote(db: Database, vote: Vote, fingerprint: str, principal: str) -> None:
    # Who said yes may say no after all: the last word of a right is what counts. The audit has both.
    db.execute(
        "DELETE FROM votes WHERE request_id = ? AND fingerprint = ? AND (principal = ? OR voter = ?)",
        [vote.request_id, fingerprint, principal, vote.voter],
    )
    _insert(
        db,
        "votes",
        {
            "request_id": vote.request_id, "voter": vote.voter, "verdict": vote.verdict.value,
            "fingerprint": fingerprint, "at": as_text(vote.at), "reason": vote.reason, "principal": principal,
        },
    )  # fmt: skip


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


def _record(
    db: Database, *, request_id: str, fact: Fact, messages: Sequence[NewMessage], now: datetime, is_new: bool = False
) -> None:
    """What every change of state writes beside itself. A new request has no surfaces yet that could show it."""
    if not is_new:
        _refresh_surfaces(db, request_id, now)
    if messages:
        _owe(db, request_id, messages, now, is_new=is_new)
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
        [as_text(now), request_id],
    )


def _show_progress(db: Database, request_id: str, now: datetime) -> None:
    """As above, but not in a hurry: however much is done in a moment, each surface is changed once."""
    db.execute(
        "UPDATE messages SET wanted = wanted + 1, due_at = CASE"
        " WHEN due_at > :now OR (sent < wanted AND lease_until <= :now) THEN due_at"
        " ELSE MAX(:now, strftime('%Y-%m-%dT%H:%M:%f', due_at, :apart) || '000+00:00') END"
        " WHERE request_id = :id AND kind IN ('card', 'parent')",
        {"now": as_text(now), "apart": f"+{PROGRESS_APART_SECONDS} seconds", "id": request_id},
    )


_WITH_A_CARD = (MessageKind.CARD, MessageKind.CALL)
"""What stands in a channel of those who decide, in one lane: a call comes after its card."""


def _owe(db: Database, request_id: str, messages: Sequence[NewMessage], now: datetime, *, is_new: bool = False) -> None:
    at = as_text(now)
    if not is_new:
        # A card is where it is: owed a second time in the same place, the first one is shown anew.
        cards = dict.fromkeys(one.channel for one in messages if one.kind is MessageKind.CARD)
        messages = [
            *(one for one in messages if one.kind not in (MessageKind.CARD, MessageKind.CALL)),
            *(NewMessage(MessageKind.CARD, one) for one in cards if not _has_card(db, request_id, one)),
            *(one for one in messages if one.kind is MessageKind.CALL),
        ]
        if not messages:
            return
    drawn = new_id("msg")  # one for all: the system's randomness is slow to come by
    rows = [
        {
            "id": f"{drawn}{number}", "request_id": request_id, "kind": message.kind.value,
            "lane": f"{request_id}/{f'card/{message.channel}' if message.kind in _WITH_A_CARD else 'thread'}",
            "channel": message.channel, "body": _json(dict(message.body)), "wanted": 1, "sent": 0, "begun": 0,
            "attempts": 0, "created_at": at, "due_at": at, "lease_until": _NO_LEASE, "ts": "", "posted_in": "",
        }
        for number, message in enumerate(messages)
    ]  # fmt: skip
    _insert(db, "messages", *rows)


def _has_card(db: Database, request_id: str, channel: str) -> bool:
    return (
        db.execute(
            "SELECT 1 FROM messages WHERE request_id = ? AND kind = 'card' AND channel = ?", [request_id, channel]
        ).fetchone()
        is not None
    )


def _append_audit(db: Database, request_id: str, fact: Fact, now: datetime) -> None:
    audit.append(db.conn, request_id, fact, now)


def _audit_entry(row: sqlite3.Row) -> AuditEntry:
    values = dict(row)
    del values["prev"]
    return AuditEntry(**values | {"at": as_time(values["at"]), "detail": from_json(values["detail"])})


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


def _with_requests(db: Database, claimed: Sequence[Job]) -> list[tuple[Job, Request]]:
    found: dict[str, Request] = {}
    for start in range(0, len(claimed), _IDS_AT_ONCE):
        ids = [job.request_id for job in claimed[start : start + _IDS_AT_ONCE]]
        places = ", ".join("?" * len(ids))
        for row in db.execute(f"SELECT * FROM requests WHERE id IN ({places})", ids):  # noqa: S608 (question marks)
            found[row["id"]] = _request(row)
    return [(job, found[job.request_id]) for job in claimed if job.request_id in found]


def _one(db: Database, sql: str, parameters: Sequence[object] | dict[str, object]) -> Request | None:
    row = db.execute(sql, parameters).fetchone()
    return None if row is None else _request(row)


def _owed(db: Database, row: sqlite3.Row) -> Owed:
    message = _message(row)
    request = _one(db, "SELECT * FROM requests WHERE id = ?", [message.request_id])
    assert request is not None  # the foreign key holds it
    above = "kind = 'card' AND channel = :channel" if message.kind is MessageKind.CALL else "kind = 'parent'"
    parent = db.execute(
        f"SELECT * FROM messages WHERE request_id = :id AND {above} AND ts <> '' LIMIT 1",  # noqa: S608 (ours)
        {"id": message.request_id, "channel": message.channel},
    ).fetchone()
    is_card = message.kind is MessageKind.CARD
    held = books.reservations_of(db, request.id) if is_card else []
    return Owed(
        message,
        request,
        None if parent is None else _message(parent),
        int(row["begun"]) > 1,
        votes=books.votes_on(db, request.id, request.fingerprint) if is_card else (),
        budgets=[(one, books.use_of(db, one.budget, one.period)) for one in held],
        before=_quote_before(db, request) if is_card and request.state is RequestState.AWAITING else None,
    )


def _quote_before(db: Database, request: Request) -> Json | None:
    """What was asked, or approved, before the card asked anew; None where it did not, or something else was changed."""
    row = db.execute(
        "SELECT detail FROM audit WHERE request_id = ? AND what = 'reopened' ORDER BY seq DESC LIMIT 1", [request.id]
    ).fetchone()
    told = {} if row is None else from_json(row["detail"])
    return told.get("old") if told.get("new") == request.quote else None


_LATER_TIMES = ("not_before", "stop_until", "waiting_since", "attend_at")
_FLAGS = ("asks_person", "announced", "escalated")


def _request_row(request: Request) -> dict[str, Any]:
    row = {field.name: getattr(request, field.name) for field in fields(request)}
    for name in ("created_at", "updated_at", "checking_since", "decided_at", "lease_until", *_LATER_TIMES):
        row[name] = maybe_text(row[name])
    for name in ("input", "quote", "outcome", "ruling"):
        row[name] = None if row[name] is None else _json(row[name])
    flags = {name: int(row[name]) for name in _FLAGS}
    return row | {"state": request.state.value, **flags}


def _request(row: sqlite3.Row) -> Request:
    values = dict(row)
    for name in ("created_at", "updated_at", "checking_since", "decided_at", "lease_until", *_LATER_TIMES):
        values[name] = maybe_time(values[name])
    for name in ("input", "quote", "outcome", "ruling"):
        values[name] = None if values[name] is None else from_json(values[name])
    values["state"] = RequestState(values["state"])
    for name in _FLAGS:
        values[name] = bool(values[name])
    return Request(**values)


def _message(row: sqlite3.Row) -> Message:
    return Message(
        id=row["id"],
        request_id=row["request_id"],
        kind=MessageKind(row["kind"]),
        lane=row["lane"],
        channel=row["channel"],
        body=from_json(row["body"]),
        wanted=row["wanted"],
        sent=row["sent"],
        begun=bool(row["begun"]),
        attempts=row["attempts"],
        created_at=as_time(row["created_at"]),
        ts=row["ts"],
        posted_in=row["posted_in"],
    )
