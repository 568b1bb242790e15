"""What every change of a request is made of: one compare-and-set, with its audit entry, its messages and its money.

All functions here run inside a write transaction; those who call them say what changes, and when it may.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlite_utils import Database

from storage import audit, books
from storage.moments import as_text, maybe_text
from storage.records import Asked, Fact, MessageKind, NewMessage, Request, RequestState, new_id
from storage.rows import as_json, insert, set_request

PROGRESS_APART_SECONDS = 3
"""Progress is shown on a surface at most so often; what is decided, and how it ended, at once."""
NO_LEASE = ""
"""Sorts before every time, so that "no lease" and "lease is over" are one comparison."""
_WITH_A_CARD = (MessageKind.CARD, MessageKind.CALL)
"""What stands in a channel of those who decide, in one lane: a call comes after its card."""
WAITS_AGAIN: Mapping[str, Any] = {
    "decided_by": "", "decided_at": None, "decision_reason": "", "not_before": None, "stop_until": None,
    "announced": 0, "reminded": 0, "escalated": 0, "outcome": None,
}  # fmt: skip
"""What a request forgets of its former approval when it asks again: others may have to be asked in person."""


def move(
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
    request = set_state(db, request_id, expect, to, now=now, columns=columns, where=where, **parameters)
    if request is not None:
        if to.is_final:
            books.settle(db, request_id, spent)
        record(db, request_id=request_id, fact=fact, messages=messages, now=now)
    return request


def set_state(
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
    """The compare-and-set alone, for those who write the rest themselves: the one place that changes a state."""
    columns = columns or {}
    states = ", ".join(f"'{state.value}'" for state in expect)
    assignments = "".join(f", {name} = :{name}" for name in columns)
    return set_request(
        db,
        f"UPDATE requests SET state = :to, updated_at = :now{assignments}"  # noqa: S608 (names are ours, not input)
        f" WHERE id = :id AND state IN ({states}){' AND ' + where if where else ''} RETURNING *",
        {"id": request_id, "to": to.value, "now": as_text(now), **columns, **parameters},
    )


def still_as(read: Request | None) -> tuple[str, dict[str, Any]]:
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


def rule_anew(db: Database, request_id: str, asked: Asked, now: datetime) -> Request | None:
    """What waits for a decision is decided by others from now on, and other budgets count it."""
    request = move(
        db, request_id, [RequestState.AWAITING], RequestState.AWAITING, fact=asked.telling.fact,
        messages=asked.telling.messages, now=now,
        columns={
            "ruling": None if asked.ruling is None else as_json(asked.ruling),
            "attend_at": maybe_text(asked.attend_at), "announced": 0, "escalated": int(asked.escalated),
        },
    )  # fmt: skip
    books.reserve(db, request_id, asked.reservations)
    return request


def record(
    db: Database, *, request_id: str, fact: Fact, messages: Sequence[NewMessage], now: datetime, is_new: bool = False
) -> None:
    """What every change of state writes beside itself. A new request has no surfaces yet that could show it."""
    if not is_new:
        refresh_surfaces(db, request_id, now)
    if messages:
        owe_messages(db, request_id, messages, now, is_new=is_new)
    audit.append(db.conn, request_id, fact, now)


def refresh_surfaces(db: Database, request_id: str, now: datetime) -> None:
    """The card and the parent of a request are shown anew, at once."""
    db.execute(
        "UPDATE messages SET wanted = wanted + 1, due_at = ? WHERE request_id = ? AND kind IN ('card', 'parent')",
        [as_text(now), request_id],
    )


def show_progress(db: Database, request_id: str, now: datetime) -> None:
    """As above, but not in a hurry: however much is done in a moment, each surface is changed once."""
    db.execute(
        "UPDATE messages SET wanted = wanted + 1, due_at = CASE"
        " WHEN due_at > :now OR (sent < wanted AND lease_until <= :now) THEN due_at"
        " ELSE MAX(:now, strftime('%Y-%m-%dT%H:%M:%f', due_at, :apart) || '000+00:00') END"
        " WHERE request_id = :id AND kind IN ('card', 'parent')",
        {"now": as_text(now), "apart": f"+{PROGRESS_APART_SECONDS} seconds", "id": request_id},
    )


def owe_messages(
    db: Database, request_id: str, messages: Sequence[NewMessage], now: datetime, *, is_new: bool = False
) -> None:
    """Put messages into the outbox; a card that stands there already is shown anew instead."""
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
            "channel": message.channel, "body": as_json(dict(message.body)), "wanted": 1, "sent": 0, "begun": 0,
            "attempts": 0, "created_at": at, "due_at": at, "lease_until": NO_LEASE, "ts": "", "posted_in": "",
        }
        for number, message in enumerate(messages)
    ]  # fmt: skip
    insert(db, "messages", *rows)


def _has_card(db: Database, request_id: str, channel: str) -> bool:
    return (
        db.execute(
            "SELECT 1 FROM messages WHERE request_id = ? AND kind = 'card' AND channel = ?", [request_id, channel]
        ).fetchone()
        is not None
    )
