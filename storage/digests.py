"""Which channels want a digest and when, which have had one, and what there is to say: all SQL of the digest.

A row of `digests_sent` is there at most once for a channel and a local date, so a digest is sent at most once a day,
whatever is restarted, runs twice or changes its clocks. It is its own outbox: that it is being posted is on disk before
it is, so that whoever takes it up again looks for it first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import product

from pydantic_core import from_json, to_json
from sqlite_utils import Database

from storage import audit
from storage.moments import as_text, as_time
from storage.records import Fact, Json, Request, RequestState, new_id
from storage.rows import as_request
from storage.sqlite import SqliteDatabase

ENDED = (RequestState.SUCCEEDED, RequestState.FAILED, RequestState.DENIED, RequestState.EXPIRED, RequestState.CANCELLED)
_SHOWN = (RequestState.SUCCEEDED, RequestState.FAILED)
_HAS_ENDED = "state IN ('succeeded', 'failed', 'denied', 'expired', 'cancelled')"
_NAMES_AT_ONCE = 500
CLOSED = "closed"
"""The note at a day on which Slack let nothing be posted in the channel, and its digest's owner was told."""
SETTLED_WITHIN = timedelta(days=31)
"""What was sent is looked for as far as this behind its time: so long it may take until it has ended."""
_NEVER = "0001-01-01T00:00:00.000000+00:00"


@dataclass(frozen=True, slots=True)
class Setup:
    """What a channel wants: at which local time of `time_zone` (IANA), on which `weekdays` (0 is Monday).

    `sections` are words of handlers/digest.py. `when_empty`: also on days with nothing to say.
    """

    channel: str
    at: time
    time_zone: str
    weekdays: frozenset[int]
    sections: tuple[str, ...]
    when_empty: bool
    set_by: str
    set_at: datetime


class Day(StrEnum):
    """What became of a channel's digest of one local date. MISSED: it could not be sent in time, and will not be."""

    OWED = "owed"
    SENT = "sent"
    EMPTY = "empty"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Claim:
    """A digest that is ours to send now. `id` finds it again in Slack.

    `begun_before`: an earlier attempt may have posted it. `since` is when the one before was composed, None for none.
    `claimed_at` is of the first attempt. `is_closed`: the channel took none when it was last tried, and that was said.
    """

    id: str
    channel: str
    day: date
    begun_before: bool
    attempts: int
    claimed_at: datetime
    since: datetime | None
    is_closed: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """Some requests, and how many there are of the kind."""

    count: int
    shown: Sequence[Request]


@dataclass(frozen=True, slots=True)
class Happened:
    """What waits now, what is stuck now (those that ask a person first), and what has ended, by how it ended.

    Of what ended, what came off or failed is shown; the rest is only counted.
    """

    waiting: Listing
    stuck: Listing
    ended: Mapping[RequestState, Listing]


@dataclass(frozen=True, slots=True)
class Bought:
    """Of a request that bought something: what came of it, when it was sent, and when it had ended."""

    account: str
    outcome: Json
    sent_at: datetime
    ended_at: datetime


class DigestBooks:
    """The memory of digests, over the same database as the store."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    # What channels want.

    async def setups(self) -> list[Setup]:
        """All channels that want a digest."""
        return await self._database.read(lambda db: [_setup(row) for row in db.execute("SELECT * FROM digests")])

    async def setup_of(self, channel: str) -> Setup | None:
        """What one channel wants; None: no digest."""

        def question(db: Database) -> Setup | None:
            row = db.execute("SELECT * FROM digests WHERE channel = ?", [channel]).fetchone()
            return None if row is None else _setup(row)

        return await self._database.read(question)

    async def set_up(self, setup: Setup, fact: Fact) -> None:
        """From now on the channel wants this. What is owed as it was before is not made up for."""

        def change(db: Database) -> None:
            db.execute(
                "INSERT OR REPLACE INTO digests"
                " (channel, at, time_zone, weekdays, sections, when_empty, set_by, set_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    setup.channel, setup.at.strftime("%H:%M"), setup.time_zone,
                    "".join(str(one) for one in sorted(setup.weekdays)), to_json(setup.sections).decode(),
                    int(setup.when_empty), setup.set_by, as_text(setup.set_at),
                ],
            )  # fmt: skip
            _no_longer_owed(db, setup.channel, "set up anew")
            audit.append(db.conn, "", fact, setup.set_at)

        await self._database.write(change)

    async def turn_off(self, channel: str, fact: Fact, now: datetime) -> bool:
        """The channel wants no digest any more; False when it wanted none."""

        def change(db: Database) -> bool:
            was_on = db.execute("DELETE FROM digests WHERE channel = ?", [channel]).rowcount > 0
            if was_on:
                _no_longer_owed(db, channel, "turned off")
                audit.append(db.conn, "", fact, now)
            return was_on

        return await self._database.write(change)

    # What was sent.

    async def days(self, first: date) -> dict[tuple[str, date], tuple[Day, datetime]]:
        """What became of the digests since `first`, by channel and local date; with what is owed, when to try it."""

        def question(db: Database) -> dict[tuple[str, date], tuple[Day, datetime]]:
            rows = db.execute(
                "SELECT channel, local_date, state, due_at FROM digests_sent WHERE local_date >= ?", [first.isoformat()]
            )
            return {
                (row["channel"], date.fromisoformat(row["local_date"])): (Day(row["state"]), as_time(row["due_at"]))
                for row in rows
            }

        return await self._database.read(question)

    async def claim(self, channel: str, day: date, *, now: datetime, lease_until: datetime) -> Claim | None:
        """Take a channel's digest of a local date, to send it; None when it is settled, or another is at it."""
        drawn = new_id("dig")

        def change(db: Database) -> Claim | None:
            db.execute(
                "INSERT INTO digests_sent (channel, local_date, id, state, composed_at, claimed_at, due_at, attempts,"
                " begun, ts, note) VALUES (?, ?, ?, 'owed', ?, ?, ?, 0, 0, '', '') ON CONFLICT DO NOTHING",
                [channel, day.isoformat(), drawn, _NEVER, as_text(now), as_text(now)],
            )
            row = db.execute(
                "UPDATE digests_sent SET due_at = ?, attempts = attempts + 1"
                " WHERE channel = ? AND local_date = ? AND state = 'owed' AND due_at <= ? RETURNING *",
                [as_text(lease_until), channel, day.isoformat(), as_text(now)],
            ).fetchone()
            if row is None:
                return None
            claimed_at, begun = as_time(row["claimed_at"]), bool(row["begun"])
            return Claim(
                row["id"], channel, day, begun, row["attempts"], claimed_at, _last(db, channel), _is_closed(db, channel)
            )

        return await self._database.write(change)

    async def begin(self, claim: Claim, composed_at: datetime) -> bool:
        """It is posted now: from here on nobody posts it without having looked for it.

        False where the channel no longer wants it so: it was turned off, or set up anew, while it was composed.
        """

        def change(db: Database) -> bool:
            return (
                db.execute(
                    "UPDATE digests_sent SET begun = 1, composed_at = ? WHERE id = ? AND state = 'owed'",
                    [as_text(composed_at), claim.id],
                ).rowcount
                > 0
            )

        return await self._database.write(change)

    async def settle(
        self, claim: Claim, day: Day, *, ts: str = "", note: str = "", composed_at: datetime | None = None
    ) -> None:
        """What became of it; `ts` is the message's. `composed_at` where it was not told to `begin`."""

        def change(db: Database) -> None:
            db.execute(
                "UPDATE digests_sent SET state = ?, ts = ?, note = ?, composed_at = COALESCE(?, composed_at)"
                " WHERE id = ?",
                [day.value, ts, note, None if composed_at is None else as_text(composed_at), claim.id],
            )

        await self._database.write(change)

    async def later(self, claim: Claim, due_at: datetime, *, maybe_posted: bool, note: str = "") -> None:
        """It was not sent; try again at `due_at`."""

        def change(db: Database) -> None:
            db.execute(
                "UPDATE digests_sent SET due_at = ?, begun = ?, note = ? WHERE id = ?",
                [as_text(due_at), int(maybe_posted), note, claim.id],
            )

        await self._database.write(change)

    async def last(self, channel: str) -> datetime | None:
        """When the channel's last digest was composed; None: it never had one."""
        return await self._database.read(lambda db: _last(db, channel))

    # What there is to say.

    async def happened(self, channel: str, *, since: datetime, until: datetime, most: int) -> Happened:
        """What was asked in a channel (empty: anywhere); of each kind at most `most`, what matters most first.

        What has ended did so after `since` and not after `until`.
        """
        return await self._database.read(lambda db: happened(db, channel, since=since, until=until, most=most))

    async def bought(
        self, commands: Sequence[str], channel: str, spans: Sequence[tuple[datetime, datetime]], most: int
    ) -> list[Bought]:
        """What was asked with one of `commands` in a channel (empty: anywhere), sent within one of `spans`, and has
        ended. Of each command and span at most `most`, the oldest."""
        return await self._database.read(lambda db: bought(db, commands, channel, spans, most))

    async def last_about(self, names: Iterable[str], commands: Sequence[str]) -> dict[str, datetime]:
        """When one of `commands` last came off for each of these names; those for which none did are missing."""
        return await self._database.read(lambda db: last_about(db, names, commands))


def bought(
    db: Database, commands: Sequence[str], channel: str, spans: Sequence[tuple[datetime, datetime]], most: int
) -> list[Bought]:
    """See `DigestBooks.bought`."""
    here = "AND channel = ? " if channel else ""
    found: list[Bought] = []
    for command, (first, last) in product(commands, spans):
        rows = db.execute(
            "SELECT account, outcome, updated_at,"  # noqa: S608 (ours)
            " COALESCE((SELECT MIN(at) FROM intents WHERE request_id = requests.id), updated_at) AS sent_at"
            " FROM requests INDEXED BY requests_bought WHERE state IN ('succeeded', 'failed') AND command = ?"
            f" AND updated_at >= ? AND updated_at < ? {here}ORDER BY updated_at LIMIT ?",
            [command, as_text(first), as_text(last + SETTLED_WITHIN), *([channel] if channel else []), most],
        ).fetchall()
        ended = (
            Bought(str(account), from_json(outcome or "{}"), as_time(sent_at), as_time(ended_at))
            for account, outcome, ended_at, sent_at in rows
        )
        found += [one for one in ended if first <= one.sent_at < last]
    return found


def last_about(db: Database, names: Iterable[str], commands: Sequence[str]) -> dict[str, datetime]:
    """See `DigestBooks.last_about`."""
    wanted, marks = list(dict.fromkeys(names)), ", ".join("?" * len(commands))
    found: dict[str, datetime] = {}
    for start in range(0, len(wanted), _NAMES_AT_ONCE):
        some = wanted[start : start + _NAMES_AT_ONCE]
        rows = db.execute(
            "SELECT subject, MAX(updated_at) AS at FROM subjects JOIN requests ON requests.id = request_id"  # noqa: S608
            f" WHERE subject IN ({', '.join('?' * len(some))}) AND state = 'succeeded' AND command IN ({marks})"
            " GROUP BY subject",
            [*some, *commands],
        )
        found |= {str(row["subject"]): as_time(row["at"]) for row in rows}
    return found


def happened(db: Database, channel: str, *, since: datetime, until: datetime, most: int) -> Happened:
    """See `DigestBooks.happened`."""
    here = "channel = ? AND " if channel else ""
    own = [channel] if channel else []
    waiting = _listed(
        db, f"requests WHERE {here}state = 'awaiting_approval'", "COALESCE(waiting_since, created_at)", own, most
    )
    stuck = _listed(db, f"requests WHERE {here}state = 'unknown'", "asks_person DESC, updated_at", own, most)
    span = [*own, as_text(since), as_text(until)]
    # SQLite takes a partial index only where its own condition is there to the letter.
    among = f"requests INDEXED BY requests_ended WHERE {_HAS_ENDED} AND {here}" if channel else "requests WHERE "
    ended = {
        state: _listed(
            db, f"{among}state = '{state.value}' AND updated_at > ? AND updated_at <= ?", "updated_at DESC", span,
            most if state in _SHOWN else 0,
        )
        for state in ENDED
    }  # fmt: skip
    return Happened(waiting, stuck, ended)


def _listed(db: Database, those: str, order: str, parameters: Collection[str], most: int) -> Listing:
    count = int(db.execute(f"SELECT COUNT(*) FROM {those}", [*parameters]).fetchone()[0])  # noqa: S608 (ours)
    if not count or not most:
        return Listing(count, ())
    rows = db.execute(f"SELECT * FROM {those} ORDER BY {order} LIMIT ?", [*parameters, most])  # noqa: S608 (ours)
    return Listing(count, tuple(as_request(row) for row in rows))


def _no_longer_owed(db: Database, channel: str, why: str) -> None:
    db.execute(
        "UPDATE digests_sent SET state = 'missed', note = ? WHERE channel = ? AND state = 'owed'", [why, channel]
    )


def _last(db: Database, channel: str) -> datetime | None:
    found = db.execute(
        "SELECT MAX(composed_at) FROM digests_sent WHERE channel = ? AND state IN ('sent', 'empty')", [channel]
    ).fetchone()[0]
    return None if found is None else as_time(found)


def _is_closed(db: Database, channel: str) -> bool:
    """Whether it was said that the channel takes no digest: since it was set up, and since it last had one."""
    return bool(
        db.execute(
            "SELECT EXISTS (SELECT 1 FROM digests_sent WHERE channel = :channel AND note = :closed"
            " AND claimed_at >= (SELECT set_at FROM digests WHERE channel = :channel)"
            " AND local_date > COALESCE((SELECT MAX(local_date) FROM digests_sent WHERE channel = :channel"
            "  AND state IN ('sent', 'empty')), ''))",
            {"channel": channel, "closed": CLOSED},
        ).fetchone()[0]
    )


def _setup(row: sqlite3.Row) -> Setup:
    return Setup(
        channel=row["channel"],
        at=time.fromisoformat(row["at"]),
        time_zone=row["time_zone"],
        weekdays=frozenset(int(one) for one in row["weekdays"]),
        sections=tuple(str(one) for one in from_json(row["sections"])),
        when_empty=bool(row["when_empty"]),
        set_by=row["set_by"],
        set_at=as_time(row["set_at"]),
    )
