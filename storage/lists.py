"""Lists of requests that people look through page by page, and what their home tab shows: all SQL of both.

Each question is bounded, however much there is: it goes along an index or the rows themselves, looks at so many and no
more, and says how far it came.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import from_json
from sqlite_utils import Database

from storage.facts import as_entry
from storage.moments import as_text, as_time
from storage.records import AuditEntry, Request, RequestState
from storage.rows import as_request, read_requests
from storage.sqlite import SqliteDatabase

LOOKED_AT = 2000
"""Requests that one look goes along, whether or not they are wanted."""
RECENT = 100
"""Of so many of a person's newest requests it is counted what they ask most."""
MOST_KINDS = 200
_OPEN = "state IN ('awaiting_approval', 'approved', 'executing', 'working', 'unknown')"
_TERMS = "CASE WHEN json_valid(ruling) THEN json_extract(ruling, '$.terms') END"
"""SQLite takes the index on this only where it is written exactly so."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a request is in the order in which they were begun; `row` alone says it, `at` is its time."""

    at: datetime
    row: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which requests are looked for; what is left empty holds for all.

    Of `team` (people) and `here` (a channel) one is enough. Each of the `words` stands somewhere in what was asked for,
    in the reason, the command, the account or the id; capitals do not matter.
    """

    requester: str = ""
    channel: str = ""
    team: Collection[str] = ()
    here: str = ""
    states: Collection[RequestState] = ()
    words: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Requests in the order in which they were looked through, and where the look ended; None: nothing is left."""

    requests: Sequence[tuple[Spot, Request]]
    looked_to: Spot | None


@dataclass(frozen=True, slots=True)
class Chapter:
    """Some of the facts of a request, the oldest first, and how many come `earlier` and `later`."""

    shown: Sequence[AuditEntry]
    earlier: int
    later: int


class Lists:
    """What is read for lists and home tabs, over the same database as the store."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def find(self, wanted: Wanted, start: Spot | None, *, newer: bool = False, most: int) -> Found:
        """At most `most` requests beyond `start` (None: the newest of all), towards the `newer` or the older ones."""
        return await self._database.read(lambda db: _find(db, wanted, start, newer=newer, most=most))

    async def kinds_waiting(self) -> list[Request]:
        """Of all that waits for a decision, one request for each set of terms by which it is decided."""
        return await read_requests(
            self._database,
            f"SELECT * FROM requests WHERE rowid IN (SELECT MIN(rowid) FROM requests"  # noqa: S608 (ours)
            f" WHERE state = 'awaiting_approval' GROUP BY {_TERMS}, escalated LIMIT {MOST_KINDS})",
        )

    async def waiting_like(self, kinds: Collection[str], most: int) -> list[Request]:
        """What waits for a decision by the same terms as one of these requests (ids), what was asked first at first."""

        def question(db: Database) -> list[Request]:
            oldest = [
                (str(row["created_at"]), int(row["spot"]))
                for kind in kinds
                for row in db.execute(
                    f"SELECT created_at, rowid AS spot FROM requests WHERE state = 'awaiting_approval'"  # noqa: S608 (ours)
                    f" AND {_TERMS} IS (SELECT {_TERMS} FROM requests WHERE id = :kind)"
                    " AND escalated = (SELECT escalated FROM requests WHERE id = :kind)"
                    " ORDER BY created_at LIMIT :most",
                    {"kind": kind, "most": most},
                )
            ]
            rows = (
                db.execute("SELECT * FROM requests WHERE rowid = ?", [spot]).fetchone()
                for _, spot in sorted(oldest)[:most]
            )
            return [as_request(row) for row in rows]

        return await self._database.read(question)

    async def asking_people(self, most: int) -> list[Request]:
        """What nobody knows the end of, so that somebody has to say it; what waits longest at first."""
        return await read_requests(
            self._database,
            "SELECT * FROM requests WHERE state = 'unknown' AND asks_person = 1 ORDER BY updated_at LIMIT ?",
            most,
        )

    async def often_asked(self, requester: str, most: int) -> list[str]:
        """The commands that a person asks most, of their newest requests; what they asked last breaks the tie."""

        def question(db: Database) -> list[str]:
            rows = db.execute(
                "SELECT command FROM (SELECT command, created_at FROM requests WHERE requester = ?"
                " AND state <> 'draft' ORDER BY created_at DESC LIMIT ?)"
                " GROUP BY command ORDER BY COUNT(*) DESC, MAX(created_at) DESC LIMIT ?",
                [requester, RECENT, most],
            )
            return [str(row["command"]) for row in rows]

        return await self._database.read(question)

    async def threads_of(self, request_ids: Collection[str]) -> Mapping[str, tuple[str, str]]:
        """Where the threads of these requests begin: channel and ts of their first message, as far as it is posted."""
        marks = ", ".join("?" * len(request_ids))
        return await self._database.read(
            lambda db: {
                str(row["request_id"]): (str(row["posted_in"]), str(row["ts"]))
                for row in db.execute(
                    "SELECT request_id, posted_in, ts FROM messages"  # noqa: S608 (only question marks)
                    f" WHERE request_id IN ({marks}) AND kind = 'parent' AND ts <> ''",
                    [*request_ids],
                )
            }
        )

    async def chapter(self, request_id: str, page: int, most: int) -> Chapter:
        """A page of a request's audit: page 0 has the newest facts. A page beyond the first fact is the first one."""

        def question(db: Database) -> Chapter:
            count = int(db.execute("SELECT COUNT(*) FROM audit WHERE request_id = ?", [request_id]).fetchone()[0])
            later = min(page, max(0, count - 1) // most) * most
            rows = db.execute(
                "SELECT * FROM audit WHERE request_id = ? ORDER BY seq DESC LIMIT ? OFFSET ?", [request_id, most, later]
            ).fetchall()
            return Chapter([as_entry(row) for row in reversed(rows)], count - later - len(rows), later)

        return await self._database.read(question)

    async def last_change(self) -> int:
        """A number that is another one after every change that the audit knows of."""

        def question(db: Database) -> int:
            row = db.execute("SELECT seq FROM audit_head").fetchone()
            return 0 if row is None else int(row["seq"])

        return await self._database.read(question)


def _find(db: Database, wanted: Wanted, start: Spot | None, *, newer: bool, most: int) -> Found:
    """See `Lists.find`."""
    order, beyond, within = ("ASC", ">", "<=") if newer else ("DESC", "<", ">=")
    along, given = _along(wanted)
    by_time = bool(wanted.requester)  # along the index of that person, which has the time in it
    if start is not None:
        along += f" AND (created_at, rowid) {beyond} (:at, :row)" if by_time else f" AND rowid {beyond} :row"
        given |= {"at": as_text(start.at), "row": start.row}
    by = f"ORDER BY created_at {order}, rowid {order}" if by_time else f"ORDER BY rowid {order}"
    matches, filters = _matching(db, wanted)
    last = None
    if matches:
        last = db.execute(
            f"SELECT created_at, rowid AS spot FROM {along} {by} LIMIT 1 OFFSET :look",  # noqa: S608 (ours)
            given | {"look": LOOKED_AT - 1},
        ).fetchone()
    if last is not None:
        along += " AND "
        along += f"(created_at, rowid) {within} (:last_at, :last_row)" if by_time else f"rowid {within} :last_row"
        given |= {"last_at": last["created_at"], "last_row": last["spot"]}
    rows = db.execute(
        f"SELECT *, rowid AS spot FROM {along}{matches} {by} LIMIT :most",  # noqa: S608 (ours)
        given | filters | {"most": most},
    ).fetchall()
    found = [_with_spot(row) for row in rows]
    if len(found) == most:
        return Found(found, found[-1][0])
    return Found(found, None if last is None else Spot(as_time(last["created_at"]), last["spot"]))


def _along(wanted: Wanted) -> tuple[str, dict[str, Any]]:
    """The rows that are gone along, and the parameters of that."""
    if wanted.requester:
        return "requests INDEXED BY requests_by_requester WHERE requester = :requester AND state <> 'draft'", {
            "requester": wanted.requester
        }
    if wanted.states and not any(state.is_final for state in wanted.states):
        is_open = f"SELECT rowid FROM requests INDEXED BY requests_by_state WHERE {_OPEN}"  # noqa: S608 (ours)
        return f"requests NOT INDEXED WHERE rowid IN ({is_open})", {}
    return "requests NOT INDEXED WHERE state <> 'draft'", {}


def _matching(db: Database, wanted: Wanted) -> tuple[str, dict[str, Any]]:
    """The conditions for being wanted, each after an AND; empty where everything is."""
    given: dict[str, Any] = {}

    def one_of(values: Collection[str], name: str) -> str:
        given.update({f"{name}{number}": value for number, value in enumerate(values)})
        return f"({', '.join(f':{name}{number}' for number in range(len(values)))})"

    conditions: list[str] = []
    if wanted.channel:
        conditions.append("channel = :channel")
        given["channel"] = wanted.channel
    if wanted.team or wanted.here:
        conditions.append(f"(channel = :here OR requester IN {one_of(sorted(wanted.team), 'member')})")
        given["here"] = wanted.here
    if wanted.states:
        conditions.append(f"state IN {one_of(sorted(wanted.states), 'state')}")
    if wanted.words:
        db.conn.create_function("says_all", 7, _says_all([word.casefold() for word in wanted.words]))
        conditions.append("says_all(id, command, provider, account, channel, reason, input)")
    return "".join(f" AND {one}" for one in conditions), given


def _says_all(words: Sequence[str]) -> Callable[..., bool]:
    """Whether the cells of a request, of which the last is JSON, have all the words. SQLite itself folds only ASCII."""

    def says_all(*cells: str) -> bool:
        shown = "\n".join((*cells[:-1], *_texts(from_json(cells[-1])))).casefold()
        return all(word in shown for word in words)

    return says_all


def _texts(value: Any) -> list[str]:
    """What stands in JSON, without the names of its fields."""
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [] if value is None or isinstance(value, bool) else [str(value)]


def _with_spot(row: sqlite3.Row) -> tuple[Spot, Request]:
    return Spot(as_time(row["created_at"]), row["spot"]), as_request(row)
