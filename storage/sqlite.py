"""SQLite under the store: WAL, synchronous=FULL, and one writer thread whose commits are shared.

All changes that wait at one moment are run in one transaction and committed with one flush to the disk; if one of them
raises, all are run once more, each in a savepoint of its own, so that it alone is undone. A change is acknowledged only
after that flush. Readers have connections of their own and never wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlite_utils import Database

from storage.migrations import migrations

T = TypeVar("T")

BUSY_SECONDS = 10.0
"""How long a writer waits for another process's transaction."""
LARGEST_BATCH = 256
"""About how many changes go into one commit, so that the first in the queue never waits for a very long tail."""
READERS = 2
JOURNAL_KEPT = 64 * 2**20
"""Bytes of the journal (the `-wal` file) that stay on the disk. While somebody reads for long it grows beyond that."""


class StoreUnavailable(Exception):
    """The database could not take or keep a change; nothing of it was stored."""


@dataclass(slots=True)
class _Change(Generic[T]):
    run: Callable[[Database], T]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[T]


_Settled = tuple["_Change[Any]", Any, BaseException | None]


class SqliteDatabase:
    """One database file, opened. `write` is durable when it returns; `read` sees everything written before it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.SimpleQueue[Sequence[_Change[Any]] | None] = queue.SimpleQueue()
        self._gathered: list[_Change[Any]] = []
        """What was asked for in this turn of the event loop, and goes to the writer at its end."""
        self._writer = _connect(path)
        _migrate(self._writer)
        self._thread = threading.Thread(target=self._write_forever, name="postroom-writer", daemon=True)
        self._thread.start()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="postroom-reader")
        self._local = threading.local()
        self._opened: list[Database] = []
        self._closed = False

    async def write(self, change: Callable[[Database], T]) -> T:
        """Run `change` in a transaction on the writer thread; returns its value once it is on disk.

        An exception raised by `change` undoes that change alone and is raised here. Raises StoreUnavailable when the
        disk or the lock failed: then nothing was stored. `change` may be run twice, so it touches nothing but the
        database.
        """
        if self._closed:
            raise StoreUnavailable("The database is closed.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if not self._gathered:
            # The writer is as quick as the loop: handed each change at once, it would flush the first one alone.
            loop.call_soon(self._hand_over)
        self._gathered.append(_Change(change, loop, future))
        return await future

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        if gathered:
            self._queue.put(gathered)

    async def read(self, question: Callable[[Database], T]) -> T:
        """Run `question` on a reader thread, outside every write transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, lambda: question(self._reader()))

    def close(self) -> None:
        """Finish what is queued, then close every connection. Safe to call twice."""
        if self._closed:
            return
        self._hand_over()
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._readers.shutdown(wait=True)
        for database in (self._writer, *self._opened):
            database.close()

    def _reader(self) -> Database:
        database: Database | None = getattr(self._local, "database", None)
        if database is None:
            database = _connect(self._path)
            database.execute("PRAGMA query_only = ON")
            self._local.database = database
            self._opened.append(database)
        return database

    def _write_forever(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = list(first)
            last = False
            while len(batch) < LARGEST_BATCH and not last:
                try:
                    changes = self._queue.get_nowait()
                except queue.Empty:
                    break
                if changes is None:
                    last = True
                else:
                    batch += changes
            _tell(self._commit(batch))
            if last:
                return

    def _commit(self, batch: list[_Change[Any]]) -> list[_Settled]:
        try:
            return self._together(batch) or self._apart(batch)
        except sqlite3.Error as error:
            if self._writer.conn.in_transaction:
                self._writer.execute("ROLLBACK")
            return [(change, None, _unavailable(error)) for change in batch]

    def _together(self, batch: list[_Change[Any]]) -> list[_Settled]:
        """All in one go, as nearly always; nothing, and nothing done, when one of them raises.

        Without savepoints: each statement more gives the interpreter's lock away, and it comes back late.
        """
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            settled: list[_Settled] = [(change, change.run(self._writer), None) for change in batch]
        except Exception:
            if self._writer.conn.in_transaction:  # a full disk ends it by itself
                self._writer.execute("ROLLBACK")
            return []
        self._writer.execute("COMMIT")
        return settled

    def _apart(self, batch: list[_Change[Any]]) -> list[_Settled]:
        """Each in its own savepoint: an error goes back to the one who caused it, the others go on."""
        settled: list[_Settled] = []
        self._writer.execute("BEGIN IMMEDIATE")
        for change in batch:
            self._writer.execute("SAVEPOINT change")
            try:
                settled.append((change, change.run(self._writer), None))
            except Exception as error:
                self._writer.execute("ROLLBACK TO change")
                settled.append((change, None, _unavailable(error) if _is_of_the_disk(error) else error))
            self._writer.execute("RELEASE change")
        self._writer.execute("COMMIT")
        return settled


def _migrate(database: Database) -> None:
    """Bring the tables up to date, one process at a time: two may be started at the same moment."""
    database.execute("BEGIN IMMEDIATE")
    try:
        migrations().apply(database)
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _connect(path: Path) -> Database:
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.row_factory = sqlite3.Row
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_KEPT}")
    connection.execute("PRAGMA foreign_keys = ON")
    return Database(connection)


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Only a new file is switched; for another process that is at it in this moment, SQLite does not wait by itself."""
    patience = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                raise
            time.sleep(0.02)
        else:
            return


def _unavailable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"Nothing was stored: {error}")


def _is_of_the_disk(error: Exception) -> bool:
    """Whether the disk or the lock failed, rather than the statement or what it was given."""
    wrong_sql = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH)
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF not in wrong_sql


def _tell(settled: list[_Settled]) -> None:
    """Resolve the futures of a batch: one wake-up per event loop, not one per change."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Settled]] = {}
    for entry in settled:
        by_loop.setdefault(entry[0].loop, []).append(entry)
    for loop, entries in by_loop.items():
        with contextlib.suppress(RuntimeError):  # a loop that is closed has nobody left who waits
            loop.call_soon_threadsafe(_resolve, entries)


def _resolve(entries: list[_Settled]) -> None:
    for change, value, error in entries:
        if change.future.done():  # the caller went away; the change stands all the same
            continue
        if error is None:
            change.future.set_result(value)
        else:
            change.future.set_exception(error)
