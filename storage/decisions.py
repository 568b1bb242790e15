"""Decisions: what people who may spend say to a request, and what undoes what they said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlite_utils import Database

from storage import audit, books
from storage.books import Books
from storage.moments import as_text, maybe_text
from storage.moves import WAITS_AGAIN, move, record, rule_anew, set_state, still_as
from storage.records import Asked, Content, Fact, NewMessage, Request, RequestState, Telling, Verdict, Vote
from storage.rows import as_json, find_request, insert
from storage.sqlite import SqliteDatabase


@dataclass(frozen=True, slots=True)
class Judged:
    """What a vote is worth: whose right it uses, and whether some that say yes are enough.

    `content` is what is left if the voter took something out. The votes of those in `void` no longer count. `telling`
    says of the request after the vote what is told; its second argument are those that say yes, this one included.
    """

    principal: str
    is_enough: Callable[[Sequence[Vote]], bool]
    telling: Callable[[Request, Sequence[Vote]], Telling]
    stop_until: datetime | None = None
    content: Content | None = None
    void: Sequence[str] = ()


class Decisions:
    """Votes and other decisions, each taken once, for the request that was seen."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def cast_vote(self, vote: Vote, *, judging: Callable[[Request, Books], Judged]) -> Request | None:
        """Say yes or no to a waiting request, provided that it still is what the voter saw; None if it does not wait.

        The vote's fingerprint may be only its beginning, as cards carry it. `judging` says of the request as it is what
        the vote is worth, or raises why it is not taken: then nothing is changed. A no decides; a yes decides together
        with enough others.
        """

        def change(db: Database) -> Request | None:
            seen = find_request(
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
            votes = books.votes_on(db, vote.request_id, fingerprint)
            given = [one for one in votes if one.verdict is Verdict.APPROVE]
            to = RequestState.AWAITING
            if vote.verdict is Verdict.DENY:
                to = RequestState.DENIED
            elif judged.is_enough(given):
                to = RequestState.APPROVED
                columns["not_before"] = columns["stop_until"] = maybe_text(judged.stop_until)
            if to is not RequestState.AWAITING:
                columns |= {"decided_by": vote.voter, "decided_at": as_text(vote.at), "attend_at": None}
                if to is RequestState.DENIED:  # with a yes it would say that the glass was broken
                    columns["decision_reason"] = vote.reason
            request = set_state(db, vote.request_id, [RequestState.AWAITING], to, now=vote.at, columns=columns)
            assert request is not None  # it was read in this very transaction
            if content is not None:
                books.take_out(db, request.id, content.out)
                if content.total is not None:
                    books.change_amount(db, request.id, content.total)
            if to.is_final:
                books.release(db, request.id)
            told = judged.telling(request, given)
            for one in told.before:
                audit.append(db.conn, request.id, one, vote.at)
            record(db, request_id=request.id, fact=told.fact, messages=told.messages, now=vote.at)
            return request

        return await self._database.write(change)

    async def approve_at_once(
        self, request_id: str, *, fingerprint: str, by: str, reason: str, fact: Fact,
        messages: Sequence[NewMessage], now: datetime,
    ) -> Request | None:  # fmt: skip
        """Somebody breaks the glass: what waits for a decision is approved without one, if it is what they saw."""

        def change(db: Database) -> Request | None:
            return move(
                db, request_id, [RequestState.AWAITING], RequestState.APPROVED, fact=fact, messages=messages, now=now,
                columns={
                    "decided_by": by, "decided_at": as_text(now), "decision_reason": reason, "attend_at": None,
                    "not_before": None, "stop_until": None,
                },
                where="fingerprint = :fingerprint", fingerprint=fingerprint,
            )  # fmt: skip

        return await self._database.write(change)

    async def cancel(
        self, request_id: str, *, by: str, fact: Fact, messages: Sequence[NewMessage], now: datetime
    ) -> Request | None:
        """The requester takes back what waits for a decision, or for its time."""

        def change(db: Database) -> Request | None:
            return move(
                db, request_id, [RequestState.AWAITING, RequestState.APPROVED], RequestState.CANCELLED, fact=fact,
                messages=messages, now=now,
                columns={
                    "decided_by": by, "decided_at": as_text(now), "not_before": None, "stop_until": None,
                    "attend_at": None,
                },
                where="requester = :by AND (state = 'awaiting_approval' OR not_before IS NOT NULL)", by=by,
            )  # fmt: skip

        return await self._database.write(change)

    async def stop(
        self, request_id: str, *, fact: Fact, messages: Sequence[NewMessage], attend_at: datetime | None, now: datetime,
        anew: Callable[[Request, Books], Asked | None],
    ) -> Request | None:  # fmt: skip
        """An approval is undone before anything was sent: the votes are void, and the card asks again.

        Within its undo window, or while it is kept back: as long as this attempt has no intent. `anew` says whom, where
        the rules are others than when it was asked; what it raises is raised here, and nothing is changed.
        """

        def change(db: Database) -> Request | None:
            request = move(
                db, request_id, [RequestState.APPROVED], RequestState.AWAITING, fact=fact, messages=messages, now=now,
                columns={**WAITS_AGAIN} | {"waiting_since": as_text(now), "attend_at": maybe_text(attend_at)},
                where="(stop_until IS NOT NULL OR (not_before IS NOT NULL AND ruling IS NOT NULL AND NOT EXISTS"
                " (SELECT 1 FROM intents WHERE intents.key = requests.id || '#' || requests.attempt)))",
            )  # fmt: skip
            if request is not None:
                db.execute("DELETE FROM votes WHERE request_id = ?", [request_id])
                if (asked := anew(request, Books(db))) is not None:
                    request = rule_anew(db, request_id, asked, now)
            return request

        return await self._database.write(change)

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
        still, its = still_as(read)

        def change(db: Database) -> Request | None:
            request = set_state(
                db, request_id, expect, RequestState.AWAITING, now=now,
                columns={**WAITS_AGAIN} | _content_columns(content) | {"waiting_since": as_text(now)},
                where=still, **its,
            )  # fmt: skip
            if request is None:
                return None
            db.execute("DELETE FROM votes WHERE request_id = ?", [request_id])
            books.take_out(db, request_id, content.out)
            books.release(db, request_id)  # it must not stand in its own way
            asked = asking(request, Books(db))
            books.reserve(db, request_id, asked.reservations)
            request = set_state(
                db, request_id, [RequestState.AWAITING], RequestState.AWAITING, now=now,
                columns={
                    "ruling": None if asked.ruling is None else as_json(asked.ruling),
                    "attend_at": maybe_text(asked.attend_at),
                },
            )  # fmt: skip
            record(db, request_id=request_id, fact=asked.telling.fact, messages=asked.telling.messages, now=now)
            return request

        return await self._database.write(change)


def _content_columns(content: Content) -> dict[str, Any]:
    return {
        "input": as_json(content.given),
        "quote": None if content.quote is None else as_json(content.quote),
        "fingerprint": content.fingerprint,
    }


def _insert_vote(db: Database, vote: Vote, fingerprint: str, principal: str) -> None:
    # Who said yes may say no after all: the last word of a right is what counts. The audit has both.
    db.execute(
        "DELETE FROM votes WHERE request_id = ? AND fingerprint = ? AND (principal = ? OR voter = ?)",
        [vote.request_id, fingerprint, principal, vote.voter],
    )
    insert(
        db,
        "votes",
        {
            "request_id": vote.request_id, "voter": vote.voter, "verdict": vote.verdict.value,
            "fingerprint": fingerprint, "at": as_text(vote.at), "reason": vote.reason, "principal": principal,
        },
    )  # fmt: skip
