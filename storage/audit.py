"""The audit as a chain: each entry carries the hash of the one before, so that no change of the past goes unseen.

An entry's hash is the SHA-256 of one line of JSON, `[prev, seq, at, request_id, actor, what, detail]`, without spaces
and in ASCII (everything else as `\\u` escapes), its cells to the letter as they are stored. `audit_head` notes the last
entry, so that an end that was cut off is missed. Whoever can write the file could write all of this anew: that is found
by comparing with a hash that was kept elsewhere. The formula is never changed: what was written is verified by it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from json.encoder import encode_basestring_ascii
from pathlib import Path

from storage.moments import as_text, maybe_text
from storage.records import Fact

BEFORE_THE_FIRST = "0" * 64
"""What the first entry has as the hash of the one before."""
COLUMNS = ("seq", "at", "request_id", "actor", "what", "detail", "prev", "hash")

Cells = tuple[int, str, str, str, str, str, str, str]
"""One entry as it is stored, in the order of COLUMNS."""

_SELECT = f"SELECT {', '.join(COLUMNS)} FROM audit"  # noqa: S608 (ours)
_INSERT = f"INSERT INTO audit ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608


def entry_hash(prev: str, seq: int, *cells: str) -> str:
    """The hash of an entry; `cells` are at, request_id, actor, what, detail. Raises TypeError if one is not text."""
    # By hand, for it is on the way of every click: the same text as json.dumps gives, in half the time.
    return sha256(f'["{prev}",{seq},{",".join(map(encode_basestring_ascii, cells))}]'.encode()).hexdigest()


def append(connection: sqlite3.Connection, request_id: str, fact: Fact, now: datetime) -> None:
    """Put a fact at the end of the chain, inside a write transaction: nobody else may add one meanwhile."""
    # Without a head (somebody removed it) the insert is refused by the table's own trigger.
    seq, prev = connection.execute("SELECT seq, hash FROM audit_head").fetchone() or (0, BEFORE_THE_FIRST)
    cells = (as_text(now), request_id, fact.actor, fact.what, json.dumps(dict(fact.detail)))
    connection.execute(_INSERT, (seq + 1, *cells, prev, entry_hash(prev, seq + 1, *cells)))


class NotAnAudit(Exception):
    """The file has no audit that could be read; says why in a sentence."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The chain is whole.

    `entries` is also the number of the last one, `head` its hash; `since` and `until` are the times of the first and
    the last as they are stored, empty without entries. `expected_at` is the number of the entry that was asked for.
    """

    entries: int
    since: str
    until: str
    head: str
    expected_at: int | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """The first place where the chain is broken: a sentence, and how many entries are whole before it."""

    said: str
    whole: int


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database of a Postroom that may be running, for reading alone, as it is at this moment.

    Raises NotAnAudit; reading may raise sqlite3.Error.
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=10)
    try:
        # Text that is not UTF-8 was not written by Postroom: it is read all the same, and found to be wrong.
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        connection.execute("BEGIN")
        columns = {row[1] for row in connection.execute("PRAGMA table_info(audit)")}
        if not columns:
            raise NotAnAudit("It has no audit, so it is not the database of a Postroom, or somebody removed it.")
        if not columns.issuperset(COLUMNS):
            raise NotAnAudit(
                "Its audit was written by an older Postroom. Start this one once: it chains what is there."
            )
        yield connection
    finally:
        connection.close()


def verify(connection: sqlite3.Connection, expect_head: str | None = None) -> Verified | Broken:
    """Read the whole audit once, entry by entry; `expect_head` is a hash that one of its entries must have.

    `connection` is an `opened` one: all of it is read as it was at one moment.
    """
    seq, prev, since, until = 0, BEFORE_THE_FIRST, "", ""
    expected_at = 0 if expect_head == prev else None
    for row in connection.execute(f"{_SELECT} ORDER BY seq"):
        wrong = _wrong(row, seq, prev)
        if wrong:
            return Broken(wrong, seq)
        seq, prev, until = row[0], row[-1], row[1]
        since = since or until
        if prev == expect_head:
            expected_at = seq
    wrong = _wrong_end(connection, seq, prev)
    if wrong:
        return Broken(wrong, seq)
    if expect_head is not None and expected_at is None:
        return Broken(
            "No entry has the hash that was kept: entries were replaced and all that follows was written anew, or the"
            " end was cut off together with its note, or the hash is that of another database.",
            0,
        )
    return Verified(seq, since, until, prev, expected_at)


def entries(connection: sqlite3.Connection, since: datetime | None, until: datetime | None) -> Iterator[Cells]:
    """The entries from `since` on and before `until`, as they are stored, in the order in which they were written."""
    return connection.execute(
        f"{_SELECT} WHERE (:since IS NULL OR at >= :since) AND (:until IS NULL OR at < :until) ORDER BY seq",
        {"since": maybe_text(since), "until": maybe_text(until)},
    )


def _wrong(row: Cells, before: int, prev: str) -> str:
    seq, *cells, its_prev, its_hash = row
    if seq <= before:
        return f"Entry {seq} was put in: the first entry is number 1."
    if seq == before + 2:
        return f"Entry {before + 1} is missing."
    if seq > before + 1:
        return f"Entries {before + 1} to {seq - 1} are missing."
    try:
        is_its_own = entry_hash(its_prev, seq, *cells) == its_hash
    except TypeError:  # a cell that is not text
        is_its_own = False
    if not is_its_own:
        return f"Entry {seq} was changed: what it says and its hash do not fit together."
    if its_prev != prev:
        replaced = f"entry {before} was replaced, or entry {seq}" if before else f"entry {seq} was replaced"
        return f"Entry {seq} does not follow what stands before it: {replaced}."
    return ""


def _wrong_end(connection: sqlite3.Connection, seq: int, prev: str) -> str:
    is_noted = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'audit_head'").fetchone()
    head = connection.execute("SELECT seq, hash FROM audit_head").fetchone() if is_noted else None
    if head is None:
        return "The note of the last entry is gone, so it cannot be said whether entries are missing at the end."
    if head == (seq, prev):
        return ""
    if isinstance(head[0], int) and head[0] > seq:
        missing = f"entry {head[0]} is" if head[0] == seq + 1 else f"entries {seq + 1} to {head[0]} are"
        return f"The end was cut off: {missing} missing."
    return (
        f"The audit ends with entry {seq}, which is not the one that was noted as the last: entries were replaced or"
        " put in at the end, or the note was changed."
    )
