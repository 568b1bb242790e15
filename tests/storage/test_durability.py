"""What was said to be stored is there, whatever becomes of the process that said it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from storage.migrations import migrations
from storage.sqlite import SqliteDatabase
from tests.storage.scenes import Clock, Scene

ROOT = Path(__file__).parents[2]


def promises_before_the_kill(path: Path, at_least: int) -> list[str]:
    """Let another process store requests and kill it after some; returns the ids of all that it said were stored."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.storage.child", str(path), "store"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(at_least)]
    child.kill()
    said += child.communicate()[0].splitlines(keepends=True)
    return [line.split()[1] for line in said if line.endswith("\n")]


@pytest.mark.parametrize("stored", [1, 7])
async def test_a_killed_process_has_kept_every_promise(path: Path, stored: int) -> None:
    promised = promises_before_the_kill(path, stored)
    assert len(promised) >= stored

    database = SqliteDatabase(path)
    scene = Scene(database, Clock())
    try:
        for request_id in promised:
            request = await scene.store.requests.get(request_id)
            assert request is not None
            assert request.state == "awaiting_approval"
            assert await scene.facts(request) == ["asked"]
            assert len(await scene.store.outbox.of(request_id)) == 3
        assert await scene.rows("PRAGMA integrity_check") == [("ok",)]
    finally:
        database.close()


def test_migrations_make_the_same_tables_from_an_empty_file_and_change_nothing_the_second_time(path: Path) -> None:
    def tables() -> list[tuple[str, str]]:
        with closing(sqlite3.connect(path)) as reading:
            return reading.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()

    SqliteDatabase(path).close()
    first = tables()
    SqliteDatabase(path).close()

    assert {"requests", "votes", "intents", "jobs", "messages", "audit", "beats"} <= {name for name, _ in first}
    assert tables() == first


async def test_migrations_keep_what_is_there(path: Path) -> None:
    before = SqliteDatabase(path)
    request = await Scene(before, Clock()).waiting()
    before.close()

    after = SqliteDatabase(path)
    migrations().apply(after._writer)
    assert await Scene(after, Clock()).store.requests.get(request.id) == request
    after.close()


async def test_a_database_from_before_requests_could_wait_for_their_time_is_read(path: Path) -> None:
    before = SqliteDatabase(path)
    request = await Scene(before, Clock()).approved()
    before.close()
    with closing(sqlite3.connect(path)) as older, older:
        older.execute("ALTER TABLE requests DROP COLUMN not_before")
        older.execute("DELETE FROM _sqlite_migrations WHERE name = 'requests_that_wait_for_their_time'")

    after = SqliteDatabase(path)
    assert [one.id for one in await Scene(after, Clock()).store.runs.ready("mailin-main", Clock().now)] == [request.id]
    after.close()


async def test_a_database_whose_step_had_another_name_at_first_is_opened(path: Path) -> None:
    SqliteDatabase(path).close()
    with closing(sqlite3.connect(path)) as older, older:
        older.execute(
            "UPDATE _sqlite_migrations SET name = 'requests_are_looked_through_by_time_and_by_who_decides'"
            " WHERE name = 'what_waits_is_found_by_who_decides'"
        )
        older.execute("DELETE FROM _sqlite_migrations WHERE name = 'without_indexes_that_nobody_reads'")
        older.execute("CREATE INDEX requests_by_time ON requests (created_at) WHERE state <> 'draft'")
        older.execute("CREATE INDEX requests_open ON requests (created_at)")

    after = SqliteDatabase(path)
    assert (await Scene(after, Clock()).approved()).id
    indexes = {row["name"] for row in after._writer.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert "requests_by_state" in indexes
    assert not indexes & {"requests_by_time", "requests_open"}
    after.close()


def test_no_step_that_was_released_is_named_otherwise() -> None:
    """By its name a database knows that it has been done: under another it would be done once more."""
    assert [one.name for one in migrations().pending(Database(memory=True))][:12] == [
        "requests_votes_jobs_messages_audit",
        "owed_messages_by_place",
        "requests_that_wait_for_their_time",
        "rulings_votes_of_several_and_budgets",
        "audit_entries_with_the_hash_of_the_one_before",
        "jobs_due_by_account_and_how_long_they_take",
        "digests_of_channels",
        "drafts_are_forgotten_without_looking_through_everything",
        "what_waits_is_found_by_who_decides",
        "what_was_bought_when",
        "requests_whose_channel_is_chosen_in_the_form",
        "without_indexes_that_nobody_reads",
    ]
