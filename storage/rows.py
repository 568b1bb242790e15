"""Rows of the tables as records, and back; and the few ways of asking for them that all the rooms share."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any

from pydantic_core import from_json, to_json
from sqlite_utils import Database

from storage.moments import as_time, maybe_text
from storage.records import Message, MessageKind, Request, RequestState
from storage.sqlite import SqliteDatabase


def as_json(value: object) -> str:
    """As text in the tables: compact, in UTF-8. Raises for what is not JSON."""
    return to_json(value).decode()


def insert(db: Database, table: str, *rows: Mapping[str, Any]) -> None:
    """Put rows into a table, all in one statement. All of them have the same columns."""
    # The SQL text rather than the insert helper: measured a third faster, and its plan is cached by the connection.
    # All rows in one statement: each one gives the interpreter's lock away, and it comes back late.
    places = f"({', '.join('?' * len(rows[0]))})"
    db.execute(
        f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES {', '.join([places] * len(rows))}",  # noqa: S608 (ours)
        [value for row in rows for value in row.values()],
    )


def find_request(db: Database, sql: str, parameters: Sequence[object] | dict[str, object]) -> Request | None:
    """The request that a question finds, if there is one."""
    row = db.execute(sql, parameters).fetchone()
    return None if row is None else as_request(row)


def set_request(db: Database, sql: str, parameters: Any) -> Request | None:
    """The request as a change of it has left it; None when it was not changed. The SQL ends in `RETURNING *`."""
    rows = db.execute(sql, parameters).fetchall()
    return as_request(rows[0]) if rows else None


async def read_requests(database: SqliteDatabase, sql: str, *parameters: object) -> list[Request]:
    """The requests that a question finds, on a reader's connection."""
    return await database.read(lambda db: [as_request(row) for row in db.execute(sql, parameters)])


async def read_moment(
    database: SqliteDatabase, sql: str, parameters: Mapping[str, str] | None = None
) -> datetime | None:
    """The one moment that a question asks for; None where there is none."""
    found = await database.read(lambda db: db.execute(sql, dict(parameters or {})).fetchone()[0])
    return None if found is None else as_time(found)


_TIMES = frozenset(
    {
        "created_at", "updated_at", "checking_since", "decided_at", "lease_until", "not_before", "stop_until",
        "waiting_since", "attend_at",
    }
)  # fmt: skip
_JSON = frozenset({"input", "quote", "outcome", "ruling"})
_FLAGS = frozenset({"asks_person", "announced", "escalated", "chooses_channel"})
_READERS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_TIMES, as_time), **dict.fromkeys(_JSON, from_json), **dict.fromkeys(_FLAGS, bool),
    "state": RequestState,
}  # fmt: skip
_READ = tuple(_READERS.get(field.name) for field in fields(Request))
"""How each cell of a record is read; None where it is what it is to be already."""


def request_row(request: Request) -> dict[str, Any]:
    """A request as a row of its table."""
    row = {field.name: getattr(request, field.name) for field in fields(request)}
    for name in _TIMES:
        row[name] = maybe_text(row[name])
    for name in _JSON:
        row[name] = None if row[name] is None else as_json(row[name])
    for name in _FLAGS:
        row[name] = int(row[name])
    return row | {"state": request.state.value}


def as_request(row: sqlite3.Row) -> Request:
    """A row that has the table's columns, and maybe others, as a record."""
    pairs = zip(_READ, _in_order(tuple(row.keys()))(row), strict=True)
    return Request(*(cell if cell is None or read is None else read(cell) for read, cell in pairs))


@cache
def _in_order(columns: tuple[str, ...]) -> itemgetter[Any]:
    """Takes the cells of a record, in its order, out of a row with these columns.

    Each step of a request comes by here: looking a cell up by its name takes four times as long.
    """
    return itemgetter(*(columns.index(field.name) for field in fields(Request)))


def as_message(row: sqlite3.Row) -> Message:
    """A row of the table as a record."""
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
