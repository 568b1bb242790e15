"""An auditor at the command line: is it all there, and may I take it with me?"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database
from typer.testing import CliRunner

from bot.audit import audit_commands, harmless
from storage.migrations import migrations
from storage.records import Fact
from storage.sqlite import SqliteDatabase
from storage.store import Store

ROOT = Path(__file__).parents[2]
BEGAN = datetime(2026, 11, 1, 23, 30, tzinfo=UTC)
SAID: Sequence[tuple[str, str, dict[str, Any]]] = (
    ("U0ANA", "asked", {"domains": ["acme-mail.com"], "price": "12.50"}),
    ("=cmd|' /C calc'!A0", "=HYPERLINK(1)", {"reason": "=1+1"}),
    ("\t+1", "\r@SUM(1)", {"reason": "Grüße; \N{PARTY POPPER}"}),
    (" \n-1", "'quoted", {"reason": 'two\nlines, "quoted"; and more'}),
    ("postroom", "done", {}),
)
"""What people did, an hour apart; some of them call themselves what a spreadsheet would run."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "postroom.db"


@pytest.fixture
def running(path: Path) -> Iterator[Store]:
    """The store of a Postroom that goes on running."""
    store = Store(SqliteDatabase(path))
    yield store
    store.close()


@pytest.fixture
def told(running: Store) -> Store:
    for number, (actor, what, detail) in enumerate(SAID):
        at = BEGAN + timedelta(hours=number)
        asyncio.run(running.facts.note(f"req_{number}", Fact(actor, what, detail), at))
    return running


def audit(path: Path, *words: str | Path) -> Result:
    return CliRunner().invoke(audit_commands(), [str(word) for word in words], env={"POSTROOM_DATABASE": str(path)})


def stored(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as reading:
        return reading.execute("SELECT * FROM audit ORDER BY seq").fetchall()


def tamper(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as attacker:
        for (name,) in attacker.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            attacker.execute(f"DROP TRIGGER {name}")
        attacker.execute(statement)


# Verifying.


@pytest.mark.usefixtures("told")
def test_a_whole_audit_is_told_with_its_size_its_time_and_its_head(path: Path) -> None:
    found = audit(path, "verify")

    assert found.exit_code == 0
    assert "whole: 5 entries, from 2026-11-01 23:30:00 UTC to 2026-11-02 03:30:00 UTC." in found.output
    assert stored(path)[-1][-1] in found.output


def test_the_real_command_verifies_and_exports_while_postroom_writes(path: Path, told: Store) -> None:
    def postroom(*words: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "bot.cli", "audit", *words]
        environment = {**os.environ, "POSTROOM_DATABASE": str(path), "PYTHONIOENCODING": "ascii"}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)

    head = stored(path)[-1][-1]
    asyncio.run(told.facts.note("", Fact("U0OMAR", "noted"), BEGAN))

    verified = postroom("verify", "--expect-head", head)
    assert (verified.returncode, verified.stderr) == (0, b"")
    assert b"is that of entry 5: everything up to it is as it was then. 1 entry came after it." in verified.stdout
    exported = postroom("export", "--format", "jsonl")
    assert (exported.returncode, exported.stderr) == (0, b"")
    assert [json.loads(line)["seq"] for line in exported.stdout.decode("utf-8").splitlines()] == [1, 2, 3, 4, 5, 6]


def test_verifying_changes_nothing_in_the_file(path: Path, told: Store) -> None:
    told.close()
    before = path.read_bytes()
    assert audit(path, "verify").exit_code == audit(path, "export").exit_code == 0
    assert path.read_bytes() == before


@pytest.mark.usefixtures("told")
def test_a_changed_entry_is_named(path: Path) -> None:
    tamper(path, "UPDATE audit SET actor = 'U0EVE' WHERE seq = 3")
    found = audit(path, "verify")

    assert found.exit_code == 1
    assert "The audit is not whole. Entry 3 was changed" in found.output
    assert "Whole before that: entries 1 to 2." in found.output


@pytest.mark.usefixtures("told")
def test_a_head_that_was_kept_proves_what_was_there(path: Path) -> None:
    kept = [row[-1] for row in stored(path)]

    assert "everything up to it is as it was then. Nothing came after it." in audit(
        path, "verify", "--expect-head", f" {kept[-1].upper()} "
    ).output  # fmt: skip
    earlier = audit(path, "verify", "--expect-head", kept[1])
    assert "that of entry 2: everything up to it is as it was then. 3 entries came after it." in earlier.output
    other = audit(path, "verify", "--expect-head", "ab" * 32)
    assert other.exit_code == 1
    assert "No entry has the hash that was kept" in other.output


@pytest.mark.usefixtures("running")
def test_an_audit_without_entries_is_whole(path: Path) -> None:
    found = audit(path, "verify")
    assert (found.exit_code, found.output) == (0, "The audit is whole. It has no entries yet.\n")
    assert len(audit(path, "export").output.splitlines()) == 1


@pytest.mark.usefixtures("told")
def test_what_was_put_into_the_file_cannot_steer_the_terminal(path: Path) -> None:
    tamper(path, "UPDATE audit SET at = char(27) || '[2J' WHERE seq = 1")
    tamper(path, "DELETE FROM audit WHERE seq > 1")
    cells = stored(path)[0]
    own = sha256(json.dumps([cells[-2], *cells[:-2]], separators=(",", ":")).encode()).hexdigest()
    tamper(path, f"UPDATE audit SET hash = '{own}'")
    tamper(path, f"UPDATE audit_head SET seq = 1, hash = '{own}'")

    found = audit(path, "verify")
    assert found.exit_code == 0
    assert "\x1b" not in found.output


# Exporting.


@pytest.mark.usefixtures("told")
def test_an_export_of_json_lines_is_the_audit_and_its_chain_can_be_checked_without_postroom(path: Path) -> None:
    exported = [json.loads(line) for line in audit(path, "export", "--format", "jsonl").stdout.splitlines()]

    assert [(one["actor"], one["what"], one["detail"]) for one in exported] == list(SAID)
    assert [datetime.fromisoformat(one["at"]) for one in exported] == [BEGAN + timedelta(hours=n) for n in range(5)]
    prev = "0" * 64
    for one in exported:
        cells = [one["seq"], one["at"], one["request_id"], one["actor"], one["what"], json.dumps(one["detail"])]
        line = json.dumps([prev, *cells], separators=(",", ":"))
        assert (one["prev"], one["hash"]) == (prev, sha256(line.encode()).hexdigest())
        prev = one["hash"]


@pytest.mark.usefixtures("told")
def test_an_export_for_a_spreadsheet_has_every_cell_and_no_formula(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "audit.csv"
    done = audit(path, "export", "--output", file)

    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"Wrote 5 entries to {file}.\n"
    text = file.read_bytes().decode("utf-8")
    assert text == audit(path, "export").stdout_bytes.decode("utf-8")
    header, *cells = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == ["seq", "at", "request_id", "actor", "what", "detail", "prev", "hash"]
    assert [[cell.removeprefix("'") for cell in row] for row in cells] == [
        [str(c) for c in row] for row in stored(path)
    ]
    assert not [cell for row in cells for cell in row if cell.lstrip()[:1] in tuple("=+-@")]


@given(st.text(), st.text(alphabet=" \t\r\n\0\v\u00a0\ufeff\u200b\u2028"), st.sampled_from("=+-@＝＋－＠"))
def test_no_cell_runs_and_every_cell_comes_back(rest: str, before: str, sign: str) -> None:
    cell = f"{before}{sign}{rest}"
    assert harmless(cell) == f"'{cell}"
    for any_cell in (rest, before, cell, f"'{rest}"):
        shown = harmless(any_cell)
        assert any_cell == (shown[1:] if shown.startswith("'") else shown)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--since", "2026-11-02"], [2, 3, 4, 5]),
        (["--until", "2026-11-01"], [1]),
        (["--since", "2026-11-02", "--until", "2026-11-02"], [2, 3, 4, 5]),
        (["--since", "2026-11-02T01:30Z", "--until", "2026-11-02T03:30Z"], [3, 4]),
        (["--since", "2026-11-02T03:30+02:00"], [3, 4, 5]),
        (["--since", "2026-11-02 01:30"], [3, 4, 5]),
        (["--since", "2027-01-01"], []),
    ],
)
def test_an_export_can_be_of_some_days(path: Path, words: list[str], expected: list[int]) -> None:
    done = audit(path, "export", "--format", "jsonl", *words)
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == expected


@pytest.mark.usefixtures("told")
def test_a_tampered_audit_can_be_exported_as_it_is(path: Path) -> None:
    tamper(path, "UPDATE audit SET detail = 'no JSON', actor = CAST(x'55ff' AS TEXT), what = x'00ff' WHERE seq = 2")
    for form in ("csv", "jsonl"):
        done = audit(path, "export", "--format", form)
        assert done.exit_code == 0
        assert "no JSON" in done.stdout
        assert r"U\udcff" in done.stdout


# What cannot be done is said in a sentence, and nothing is left half done.


def test_without_a_database_it_says_where_it_looked(path: Path) -> None:
    for command in ("verify", "export"):
        done = audit(path, command)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr == f"There is no database at {path}. Say in POSTROOM_DATABASE where it is.\n"
        assert not path.exists()


def test_what_is_not_a_database_of_this_postroom_is_said(path: Path) -> None:
    path.write_bytes(b"Dear diary" * 500)
    assert (audit(path, "verify").exit_code, "not a database" in audit(path, "verify").stderr) == (2, True)
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE diary (day TEXT)")
        assert (audit(path, "verify").exit_code, "has no audit" in audit(path, "verify").stderr) == (2, True)
        other.execute("DROP TABLE diary")
        migrations().apply(Database(other), stop_before="audit_entries_with_the_hash_of_the_one_before")
    assert (audit(path, "verify").exit_code, "older Postroom" in audit(path, "verify").stderr) == (2, True)
    refused = CliRunner().invoke(audit_commands(), ["verify"], env={"POSTROOM_DATABASE": "postgresql://localhost/x"})
    assert (refused.exit_code, "PostgreSQL is not supported" in refused.stderr) == (2, True)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["verify", "--expect-head", "abc"], "takes a whole hash"),
        (["export", "--since", "yesterday"], "--since takes a day such as 2026-11-01"),
        (["export", "--since", "2026-02-30"], "--since takes a day such as 2026-11-01"),
        (["export", "--until", "9999-12-31"], "--until takes a day such as 2026-11-01"),
        (["export", "--since", "0001-01-01T00:00+14:00"], "--since takes a day such as 2026-11-01"),
        (["export", "--since", "2026-11-03", "--until", "2026-11-02"], "--until is before --since"),
        (["export", "--output", "no-such-folder/audit.csv"], "cannot be made: No such file or directory"),
        (["export", "--format", "pdf"], "pdf"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(path: Path, words: list[str], said: str) -> None:
    done = audit(path, *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("told")
def test_a_file_that_is_there_is_left_as_it_is(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "kept.csv"
    file.write_text("mine")
    done = audit(path, "export", "--output", file)
    assert done.exit_code == 2
    assert "is there already and was left as it is" in done.stderr
    assert file.read_text() == "mine"


@pytest.mark.usefixtures("told")
def test_a_file_that_could_not_be_written_to_the_end_is_removed(path: Path, tmp_path: Path) -> None:
    damaged, file = tmp_path / "damaged.db", tmp_path / "audit.csv"
    with closing(sqlite3.connect(path)) as reading, closing(sqlite3.connect(damaged)) as copy:
        reading.backup(copy)
        for _ in range(9):  # so that it is long enough to be damaged in its middle
            copy.executescript(
                "DROP TRIGGER IF EXISTS audit_at_its_end;"
                "INSERT INTO audit SELECT seq + (SELECT MAX(seq) FROM audit),"
                " at, request_id, actor, what, detail, prev, hash FROM audit"
            )
        (page,) = copy.execute("SELECT rootpage FROM sqlite_master WHERE name = 'audit'").fetchone()
        (size,) = copy.execute("PRAGMA page_size").fetchone()
        (pages,) = copy.execute("PRAGMA page_count").fetchone()
        assert pages > 2 * page
        copy.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with damaged.open("r+b") as raw:
        raw.seek((pages // 2) * size)
        raw.write(b"\xff" * size * (pages // 3))

    done = audit(damaged, "export", "--output", file)
    assert done.exit_code == 2
    assert "could not be read to the end" in done.stderr
    assert not file.exists()
