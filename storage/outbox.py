"""The outbox: what is owed to Slack, in which order, and what of it is there already."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic_core import from_json
from sqlite_utils import Database

from storage import audit, books
from storage.moments import as_text, as_time
from storage.moves import owe_messages, refresh_surfaces
from storage.records import (
    BudgetUse,
    Json,
    Message,
    MessageKind,
    NewMessage,
    Request,
    RequestState,
    Reservation,
    Telling,
    Vote,
)
from storage.rows import as_message, find_request
from storage.sqlite import SqliteDatabase

SENT_AT_ONCE = 4
"""Messages claimed in one go. All of them are drawn and posted at the same time, and answers to clicks wait meanwhile;
Slack itself takes about one a second and channel."""
_TOO_FAR = timedelta(minutes=10)
"""Nothing that is owed to Slack waits, or is held, for so long: if it seems to be, the clock was set back, and it is
due."""
_PLACE_AFTER = "SELECT place FROM messages WHERE sent < wanted AND place > ? ORDER BY place LIMIT 1"
_NEXT_IN_PLACE = (
    "sent < wanted AND place = ? AND NOT EXISTS (SELECT 1 FROM messages AS earlier"
    " WHERE earlier.lane = owed.lane AND earlier.sent < earlier.wanted AND earlier.seq < owed.seq)"
)
"""Owed messages of one place, each the oldest of its lane."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A message claimed for delivery, with what is needed to show it.

    `begun_before` says that an earlier attempt may have posted it, not later than `tried_until`. `parent` is the
    thread's first message (of a call: the card that it stands below), None until it has been posted. With a card go the
    `votes` on what is asked now, what they are `lacking` as far as the last of them told, the `budgets` that count it,
    and the quote from `before` it was reopened, as long as it waits for a new decision.
    """

    message: Message
    request: Request
    parent: Message | None
    begun_before: bool
    votes: Sequence[Vote] = ()
    budgets: Sequence[tuple[Reservation, BudgetUse]] = ()
    before: Json | None = None
    lacking: Sequence[Json] = ()
    tried_until: datetime | None = None


class Outbox:
    """Messages, from being owed to being shown. A card or a parent is shown anew as often as it is wanted to be."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def owe(self, request_id: str, message: NewMessage, now: datetime) -> None:
        """Say something in the thread that no change of state causes."""
        await self._database.write(lambda db: owe_messages(db, request_id, [message], now))

    async def say(self, request_id: str, telling: Telling, now: datetime) -> None:
        """Something was done that changes no state: it is told and noted, together."""

        def change(db: Database) -> None:
            owe_messages(db, request_id, telling.messages, now)
            audit.append(db.conn, request_id, telling.fact, now)

        await self._database.write(change)

    async def show_anew(self, request_id: str, now: datetime) -> None:
        """Somebody has an old card before them: the request's surfaces are drawn once more."""
        await self._database.write(lambda db: refresh_surfaces(db, request_id, now))

    async def claim(
        self, now: datetime, lease_until: datetime, limit: int = SENT_AT_ONCE, *, closed: Collection[str] = ()
    ) -> list[Owed]:
        """The oldest owed message of each lane that is due, claimed; that a post was begun is on disk from here on.

        Messages that go to `closed` channels stay where they are.
        """

        def change(db: Database) -> list[Owed]:
            at, too_far = as_text(now), as_text(now + _TOO_FAR)
            # Who tries it says until when, and then when it may be tried again: the later of the two is behind it all.
            due = {
                int(row["seq"]): as_time(row["tried_until"])
                for place in _owed_places(db, closed)
                for row in db.execute(
                    f"SELECT seq, MAX(due_at, lease_until) AS tried_until FROM messages AS owed"  # noqa: S608 (ours)
                    f" WHERE {_NEXT_IN_PLACE}"
                    " AND (due_at <= ? OR due_at > ?) AND (lease_until < ? OR lease_until > ?) ORDER BY seq LIMIT ?",
                    [place, at, too_far, at, too_far, limit],
                )
            }
            chosen = sorted(due)[:limit]
            if not chosen:
                return []
            rows = db.execute(
                "UPDATE messages SET lease_until = ?, attempts = attempts + 1,"  # noqa: S608 (only question marks)
                " begun = CASE WHEN ts = '' THEN begun + 1 ELSE 0 END"
                f" WHERE seq IN ({', '.join('?' * len(chosen))}) RETURNING *",
                [as_text(lease_until), *chosen],
            ).fetchall()
            return [
                _owed(db, row, tried_until=due[int(row["seq"])])
                for row in sorted(rows, key=lambda row: int(row["seq"]))
            ]

        return await self._database.write(change)

    async def sent(self, message: Message, *, ts: str, posted_in: str) -> None:
        """The revision that was claimed is in Slack, as message `ts` of channel `posted_in`."""

        def change(db: Database) -> None:
            db.execute(
                "UPDATE messages SET sent = :revision, ts = :ts, posted_in = :place, begun = 0, attempts = 0,"
                " lease_until = '' WHERE id = :id",
                {"id": message.id, "revision": message.wanted, "ts": ts, "place": posted_in},
            )

        await self._database.write(change)

    async def postponed(
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

        await self._database.write(change)

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

        await self._database.write(change)

    async def cards_stand_in(self, channel: str, now: datetime) -> None:
        """What asks people, in another channel so far, gets a card in this one. One that it has there, from when cards
        stood there before, is shown anew: it may never have been posted, or be as it was then."""

        def change(db: Database) -> None:
            elsewhere = db.execute(
                "SELECT id FROM requests WHERE (state = 'awaiting_approval' OR (state = 'unknown' AND asks_person = 1))"
                " AND EXISTS (SELECT 1 FROM messages WHERE request_id = requests.id AND kind = 'card'"
                " AND channel GLOB '[CG]*' AND channel <> ?)",
                [channel],
            ).fetchall()
            for row in elsewhere:
                db.execute(
                    "UPDATE messages SET wanted = wanted + 1, due_at = ?"
                    " WHERE request_id = ? AND kind = 'card' AND channel = ?",
                    [as_text(now), row["id"], channel],
                )
                owe_messages(db, row["id"], [NewMessage(MessageKind.CARD, channel)], now)

        await self._database.write(change)

    async def next_due(self, closed: Collection[str] = ()) -> datetime | None:
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

    async def of(self, request_id: str) -> list[Message]:
        """All messages of a request, in the order in which they were owed."""
        return await self._database.read(
            lambda db: [
                as_message(row)
                for row in db.execute("SELECT * FROM messages WHERE request_id = ? ORDER BY seq", [request_id])
            ]
        )


def _owed(db: Database, row: sqlite3.Row, *, tried_until: datetime) -> Owed:
    message = as_message(row)
    request = find_request(db, "SELECT * FROM requests WHERE id = ?", [message.request_id])
    assert request is not None  # the foreign key holds it
    above = "kind = 'card' AND channel = :channel" if message.kind is MessageKind.CALL else "kind = 'parent'"
    parent = db.execute(
        f"SELECT * FROM messages WHERE request_id = :id AND {above} AND ts <> '' LIMIT 1",  # noqa: S608 (ours)
        {"id": message.request_id, "channel": message.channel},
    ).fetchone()
    is_card = message.kind is MessageKind.CARD
    held = books.reservations_of(db, request.id) if is_card else []
    votes = books.votes_on(db, request.id, request.fingerprint) if is_card else []
    return Owed(
        message,
        request,
        None if parent is None else as_message(parent),
        int(row["begun"]) > 1,
        votes=votes,
        budgets=[(one, books.use_of(db, one.budget, one.period)) for one in held],
        before=_quote_before(db, request) if is_card and request.state is RequestState.AWAITING else None,
        lacking=books.lacking(db, request, votes),
        tried_until=tried_until,
    )


def _owed_places(db: Database, closed: Collection[str]) -> list[str]:
    """The channels and people that something is owed to, without the `closed` ones: one step of the index for each."""
    places: list[str] = []
    after = ""
    while (row := db.execute(_PLACE_AFTER, [after]).fetchone()) is not None:
        after = str(row["place"])
        if after not in closed:
            places.append(after)
    return places


def _quote_before(db: Database, request: Request) -> Json | None:
    """What was asked, or approved, before the card asked anew; None where it did not, or something else was changed."""
    row = db.execute(
        "SELECT detail FROM audit WHERE request_id = ? AND what = 'reopened' ORDER BY seq DESC LIMIT 1", [request.id]
    ).fetchone()
    told = {} if row is None else from_json(row["detail"])
    return told.get("old") if told.get("new") == request.quote else None
