"""One writer that shares its commits: what one caller does wrong, or the disk, never touches what another stored."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from storage import sqlite
from storage.sqlite import SqliteDatabase, StoreUnavailable


class Oops(Exception):
    """A caller's own mistake."""


@pytest.fixture
def database(opened: Callable[[], SqliteDatabase]) -> SqliteDatabase:
    return opened()


@pytest.fixture(autouse=True)
async def words(database: SqliteDatabase) -> None:
    await database.write(lambda db: db.execute("CREATE TABLE words (word TEXT PRIMARY KEY)"))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    return iter(())


def say(word: str) -> Callable[[Database], str]:
    def change(db: Database) -> str:
        db.execute("INSERT INTO words VALUES (?)", [word])
        return word

    return change


def say_and_fail(word: str) -> Callable[[Database], str]:
    def change(db: Database) -> str:
        db.execute("INSERT INTO words VALUES (?)", [word])
        raise Oops(word)

    return change


async def said(database: SqliteDatabase) -> list[str]:
    return await database.read(lambda db: [row[0] for row in db.execute("SELECT word FROM words ORDER BY word")])


@asynccontextmanager
async def one_batch(database: SqliteDatabase) -> AsyncIterator[None]:
    """What is written inside waits, and is then committed together."""
    busy, go_on = threading.Event(), threading.Event()

    def wait(db: Database) -> None:
        busy.set()
        go_on.wait(5)

    waiting = asyncio.create_task(database.write(wait))
    await asyncio.to_thread(busy.wait, 5)
    yield
    await asyncio.sleep(0)
    go_on.set()
    await waiting


async def test_what_was_written_is_read(database: SqliteDatabase) -> None:
    assert await database.write(say("hello")) == "hello"
    assert await said(database) == ["hello"]


async def test_an_exception_undoes_its_own_change_and_no_other(database: SqliteDatabase) -> None:
    async with one_batch(database):
        together = asyncio.gather(
            database.write(say("before")),
            database.write(say_and_fail("wrong")),
            database.write(say("after")),
            return_exceptions=True,
        )
        await asyncio.sleep(0)
    before, wrong, after = await together

    assert (before, after) == ("before", "after")
    assert isinstance(wrong, Oops)
    assert await said(database) == ["after", "before"]


async def test_a_broken_rule_of_the_database_is_the_callers_own_error(database: SqliteDatabase) -> None:
    await database.write(say("once"))
    async with one_batch(database):
        together = asyncio.gather(database.write(say("once")), database.write(say("other")), return_exceptions=True)
        await asyncio.sleep(0)
    twice, other = await together

    assert isinstance(twice, sqlite3.IntegrityError)
    assert other == "other"
    assert await said(database) == ["once", "other"]


async def test_a_mistake_in_the_sql_is_told_to_the_one_who_made_it(database: SqliteDatabase) -> None:
    async with one_batch(database):
        together = asyncio.gather(
            database.write(lambda db: db.execute("SELECT nonsense FROM words")),
            database.write(say("fine")),
            return_exceptions=True,
        )
        await asyncio.sleep(0)
    wrong, fine = await together

    assert isinstance(wrong, sqlite3.OperationalError)
    assert fine == "fine"


async def test_changes_that_wait_together_share_one_commit(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    database._writer.conn.set_trace_callback(statements.append)
    async with one_batch(database):
        together = asyncio.gather(*(database.write(say(f"word {n}")) for n in range(50)))
        await asyncio.sleep(0)
    await together

    assert statements.count("COMMIT") == 2  # of the one that made them wait, and of all fifty
    assert len(await said(database)) == 50


async def test_changes_are_made_in_the_order_in_which_they_were_asked_for(database: SqliteDatabase) -> None:
    made: list[int] = []
    await asyncio.gather(*(database.write(lambda db, n=n: made.append(n)) for n in range(600)))

    assert made == list(range(600))


@pytest.mark.usefixtures("impatient")
async def test_a_locked_database_says_that_nothing_was_stored(opened: Callable[[], SqliteDatabase], path: Path) -> None:
    database = opened()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="Nothing was stored"):
            await database.write(say("lost"))
        other.execute("ROLLBACK")

    assert await said(database) == []
    await database.write(say("kept"))
    assert await said(database) == ["kept"]


async def test_a_full_disk_says_that_nothing_was_stored(database: SqliteDatabase) -> None:
    pages = await database.write(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await database.write(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    async with one_batch(database):
        together = asyncio.gather(*(database.write(say(f"{n}" * 3000)) for n in range(10)), return_exceptions=True)
        await asyncio.sleep(0)
    answers = await together

    lost = [answer for answer in answers if isinstance(answer, StoreUnavailable)]
    kept = [answer for answer in answers if isinstance(answer, str)]
    assert lost
    assert len(lost) + len(kept) == 10
    assert await said(database) == sorted(kept)

    await database.write(lambda db: db.execute("PRAGMA max_page_count = 100000").fetchone())
    await database.write(say("room again"))
    assert "room again" in await said(database)


async def test_a_commit_that_fails_takes_everybody_with_it_and_nobody_is_told_otherwise(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = database._writer.execute

    def failing(sql: str, *parameters: Any) -> Any:
        if sql == "COMMIT":
            raise sqlite3.OperationalError("disk I/O error")
        return execute(sql, *parameters)

    monkeypatch.setattr(database._writer, "execute", failing)
    answers = await asyncio.gather(database.write(say("a")), database.write(say("b")), return_exceptions=True)
    monkeypatch.undo()

    assert all(isinstance(answer, StoreUnavailable) for answer in answers)
    assert await said(database) == []
    await database.write(say("c"))
    assert await said(database) == ["c"]


async def test_a_caller_who_goes_away_takes_nobody_with_them(database: SqliteDatabase) -> None:
    async with one_batch(database):
        gone = asyncio.create_task(database.write(say("gone")))
        stays = asyncio.create_task(database.write(say("stays")))
        await asyncio.sleep(0)
        gone.cancel()

    assert await stays == "stays"
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await said(database) == ["gone", "stays"]  # what was asked for stands; only the asker is not there to hear


async def test_questions_cannot_change_anything(database: SqliteDatabase) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await database.read(say("sneaky"))


async def test_questions_do_not_wait_for_a_writer(database: SqliteDatabase) -> None:
    await database.write(say("there"))
    async with one_batch(database):
        assert await asyncio.wait_for(said(database), 2) == ["there"]


async def test_closing_finishes_what_is_queued(database: SqliteDatabase, path: Path) -> None:
    queued = asyncio.gather(*(database.write(say(f"word {n}")) for n in range(20)))
    await asyncio.sleep(0)
    await asyncio.to_thread(database.close)
    database.close()

    assert len(await queued) == 20
    with closing(sqlite3.connect(path)) as reading:
        assert reading.execute("SELECT COUNT(*) FROM words").fetchone() == (20,)
    with pytest.raises(StoreUnavailable):
        await database.write(say("late"))


async def test_what_was_promised_is_flushed_to_the_disk(database: SqliteDatabase) -> None:
    def pragmas(db: Database) -> list[Any]:
        return [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")]

    assert await database.write(pragmas) == ["wal", 2, 1]  # 2 is FULL


async def test_the_journal_is_small_again_after_somebody_has_read_for_long(
    opened: Callable[[], SqliteDatabase], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "JOURNAL_KEPT", 2**20)
    database, journal = opened(), path.with_name(f"{path.name}-wal")
    with closing(sqlite3.connect(path, isolation_level=None)) as backup:
        backup.execute("BEGIN")
        backup.execute("SELECT COUNT(*) FROM words").fetchone()
        for number in range(12):
            await database.write(say(f"{number} " + "x" * 2**20))
        assert journal.stat().st_size > 10 * 2**20  # none of it could be moved into the database
        backup.execute("COMMIT")
    for number in range(4):
        await database.write(say(f"afterwards {number} " + "x" * 2**18))
    assert journal.stat().st_size <= 3 * 2**20
    assert len(await said(database)) == 16
