"""Whatever somebody does to the audit behind Postroom's back, the first place of it is named."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

from storage.audit import BEFORE_THE_FIRST, COLUMNS, Broken, Verified, append, opened, verify
from storage.migrations import migrations
from storage.records import Fact
from storage.sqlite import SqliteDatabase
from tests.storage.scenes import FINN, OMAR, Clock, Scene

ROOT = Path(__file__).parents[2]
ENTRIES = 12
PLACES = st.integers(1, ENTRIES)
CHAINED = "audit_entries_with_the_hash_of_the_one_before"

Attack = Callable[[sqlite3.Connection], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with twelve entries, each with other words, written by Postroom."""

    async def write(database: SqliteDatabase) -> None:
        clock = Clock()
        for number in range(1, ENTRIES + 1):
            fact = Fact(f"U{number}", "noted", {"number": number, "said": 'Grüße, "you"\n=1+1 \N{PARTY POPPER}'})
            await Scene(database, clock).store.facts.note(f"req_{number}", fact, clock.passes(minutes=1))

    path = tmp_path_factory.mktemp("whole") / "postroom.db"
    database = SqliteDatabase(path)
    asyncio.run(write(database))
    database.close()
    return path


def verified(path: Path, expect_head: str | None = None) -> Verified | Broken:
    with opened(path) as reading:
        return verify(reading, expect_head)


def after(whole: Path, attack: Attack, expect_head: str | None = None) -> Verified | Broken:
    """What is found in a copy after somebody dropped the triggers and did this to it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(whole, folder))
        with closing(sqlite3.connect(path, isolation_level=None)) as attacker:
            attacker.execute("PRAGMA synchronous = OFF")
            for (name,) in attacker.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                attacker.execute(f"DROP TRIGGER {name}")
            attack(attacker)
        return verified(path, expect_head)


def broken(found: Verified | Broken, *, whole: int, said: str) -> None:
    assert isinstance(found, Broken), found
    assert found.whole == whole, found
    assert said in found.said


def rows(connection: sqlite3.Connection) -> list[list[Any]]:
    return [list(row) for row in connection.execute("SELECT * FROM audit ORDER BY seq")]


def replace(connection: sqlite3.Connection, cells: Sequence[Sequence[Any]]) -> None:
    connection.execute("DELETE FROM audit")
    connection.executemany(f"INSERT INTO audit VALUES ({', '.join('?' * len(COLUMNS))})", cells)


def by_the_book(prev: str, seq: int, *cells: str) -> str:
    """The hash as the documentation has it, done without Postroom's own code."""
    return sha256(json.dumps([prev, seq, *cells], separators=(",", ":")).encode("ascii")).hexdigest()


def rewrite(connection: sqlite3.Connection, cells: list[list[Any]], begin: int = 1) -> None:
    """Put these rows in place of all, numbered anew and with hashes that fit, from `begin` on."""
    prev = cells[begin - 2][-1] if begin > 1 else BEFORE_THE_FIRST
    for seq, row in enumerate(cells[begin - 1 :], begin):
        row[0], row[-2] = seq, prev
        row[-1] = prev = by_the_book(prev, *row[:-2])
    replace(connection, cells)


def note_as_last(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE audit_head SET (seq, hash) = (SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1)")


def test_what_postroom_wrote_is_whole_and_its_hashes_are_those_of_the_documentation(whole: Path) -> None:
    found = after(whole, lambda attacker: None)

    with closing(sqlite3.connect(whole)) as reading:
        cells = rows(reading)
    assert [row[-1] for row in cells] == [by_the_book(row[-2], *row[:-2]) for row in cells]
    assert [row[-2] for row in cells] == [BEFORE_THE_FIRST, *(row[-1] for row in cells[:-1])]
    assert found == Verified(ENTRIES, cells[0][1], cells[-1][1], cells[-1][-1])


@settings(deadline=None)
@given(place=PLACES, column=st.sampled_from(COLUMNS[1:]), new=st.one_of(st.text(), st.binary(max_size=9)))
def test_a_changed_cell_is_found(whole: Path, place: int, column: str, new: str | bytes) -> None:
    def attack(attacker: sqlite3.Connection) -> None:
        if isinstance(new, str):
            try:
                attacker.execute(f"UPDATE audit SET {column} = ? || {column} WHERE seq = ?", [new or "x", place])
            except UnicodeEncodeError:  # half a letter cannot be written this way, but as bytes
                raw = new.encode("utf-8", "surrogatepass")
                attacker.execute(f"UPDATE audit SET {column} = CAST(? AS TEXT) WHERE seq = ?", [raw, place])
        else:
            attacker.execute(f"UPDATE audit SET {column} = ? WHERE seq = ?", [new, place])

    broken(after(whole, attack), whole=place - 1, said=f"Entry {place} was changed")


@settings(deadline=None)
@given(place=PLACES, column=st.sampled_from(COLUMNS[1:]))
def test_the_same_text_as_another_type_is_a_change(whole: Path, place: int, column: str) -> None:
    found = after(whole, lambda attacker: attacker.execute(
        f"UPDATE audit SET {column} = CAST({column} AS BLOB) WHERE seq = ?", [place]
    ))  # fmt: skip
    broken(found, whole=place - 1, said=f"Entry {place} was changed")


@settings(deadline=None)
@given(place=PLACES, column=st.integers(1, 5), cover=st.booleans())
def test_a_changed_cell_whose_hash_was_made_to_fit_is_found_where_the_next_one_does_not_follow(
    whole: Path, place: int, column: int, cover: bool
) -> None:
    def attack(attacker: sqlite3.Connection) -> None:
        cells = rows(attacker)
        cells[place - 1][column] += "!"
        if cover:  # and all that follows as well, but not what is noted of the last
            rewrite(attacker, cells, place)
        else:
            cells[place - 1][-1] = by_the_book(cells[place - 1][-2], *cells[place - 1][:-2])
            replace(attacker, cells)

    if cover or place == ENTRIES:
        broken(after(whole, attack), whole=ENTRIES, said="not the one that was noted as the last")
    else:
        broken(after(whole, attack), whole=place, said=f"Entry {place + 1} does not follow")


@settings(deadline=None)
@given(first=PLACES, count=st.integers(1, ENTRIES), numbered_anew=st.booleans(), rewritten=st.booleans())
def test_what_was_taken_out_is_missed(
    whole: Path, first: int, count: int, numbered_anew: bool, rewritten: bool
) -> None:
    last = min(first + count - 1, ENTRIES)

    def attack(attacker: sqlite3.Connection) -> None:
        cells = rows(attacker)
        del cells[first - 1 : last]
        if rewritten:
            rewrite(attacker, cells, first)
        elif numbered_anew:
            replace(attacker, [[seq, *row[1:]] for seq, row in enumerate(cells, 1)])
        else:
            replace(attacker, cells)

    found = after(whole, attack)
    if last == ENTRIES or rewritten:
        broken(found, whole=ENTRIES - (last - first + 1), said="The end was cut off: entr")
    elif numbered_anew:
        broken(found, whole=first - 1, said=f"Entry {first} was changed")
    else:
        missing = f"Entry {first} is missing" if first == last else f"Entries {first} to {last} are missing"
        broken(found, whole=first - 1, said=missing)


@settings(deadline=None)
@given(place=st.integers(1, ENTRIES + 1), fitting=st.booleans())
def test_what_was_put_in_is_found(whole: Path, place: int, fitting: bool) -> None:
    def attack(attacker: sqlite3.Connection) -> None:
        cells = rows(attacker)
        prev = cells[place - 2][-1] if place > 1 else BEFORE_THE_FIRST
        new = [place, cells[0][1], "req_1", OMAR, "approved", "{}", prev]
        new.append(by_the_book(prev, *new[:-1]) if fitting else "0" * 64)
        replace(attacker, [*cells[: place - 1], new, *([row[0] + 1, *row[1:]] for row in cells[place - 1 :])])

    if not fitting:
        broken(after(whole, attack), whole=place - 1, said=f"Entry {place} was changed")
    elif place <= ENTRIES:
        broken(after(whole, attack), whole=place, said=f"Entry {place + 1} was changed")
    else:
        broken(after(whole, attack), whole=place, said="not the one that was noted as the last")


@pytest.mark.parametrize("seq", [0, -7])
def test_what_was_put_in_before_the_first_is_found(whole: Path, seq: int) -> None:
    row = [seq, "2026-01-01T00:00:00.000000+00:00", "", OMAR, "approved", "{}", BEFORE_THE_FIRST]
    found = after(whole, lambda attacker: replace(attacker, [[*row, by_the_book(row[-1], *row[:-1])], *rows(attacker)]))
    broken(found, whole=0, said=f"Entry {seq} was put in")


@settings(deadline=None)
@given(
    pair=st.tuples(PLACES, PLACES).filter(lambda two: two[0] < two[1]),
    what=st.sampled_from([slice(1, 6), slice(1, 7), slice(1, 8)]),
)
def test_swapped_entries_are_found(whole: Path, pair: tuple[int, int], what: slice) -> None:
    """What they say alone, or with what they have as the hash before, or with both hashes."""

    def attack(attacker: sqlite3.Connection) -> None:
        cells = rows(attacker)
        one, other = (cells[place - 1] for place in pair)
        one[what], other[what] = other[what], one[what]
        replace(attacker, cells)

    broken(after(whole, attack), whole=pair[0] - 1, said=f"Entry {pair[0]} was changed")


@settings(deadline=None)
@given(place=PLACES, further=st.integers(1, 2**62))
def test_a_gap_in_the_numbers_is_found(whole: Path, place: int, further: int) -> None:
    found = after(whole, lambda attacker: attacker.execute(
        "UPDATE audit SET seq = -seq WHERE seq >= ?", [place]) and attacker.execute(
        "UPDATE audit SET seq = -seq + ? WHERE seq < 0", [further]
    ))  # fmt: skip
    broken(found, whole=place - 1, said="missing")


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ("DROP TABLE audit_head", "The note of the last entry is gone"),
        ("DELETE FROM audit_head", "The note of the last entry is gone"),
        ("UPDATE audit_head SET seq = seq + 1", "entry 13 is missing"),
        ("UPDATE audit_head SET seq = seq + 2", "entries 13 to 14 are missing"),
        ("UPDATE audit_head SET seq = seq - 1", "not the one that was noted as the last"),
        ("UPDATE audit_head SET hash = 'ab' || substr(hash, 3)", "not the one that was noted as the last"),
        ("UPDATE audit_head SET hash = CAST(hash AS BLOB)", "not the one that was noted as the last"),
    ],
)
def test_a_changed_note_of_the_last_entry_is_found(whole: Path, attack: str, said: str) -> None:
    broken(after(whole, lambda attacker: attacker.execute(attack)), whole=ENTRIES, said=said)


@settings(deadline=None)
@given(place=PLACES, kept=PLACES, cut=st.booleans())
def test_an_audit_that_was_written_anew_from_a_place_on_is_found_with_a_head_that_was_kept(
    whole: Path, place: int, kept: int, cut: bool
) -> None:
    with closing(sqlite3.connect(whole)) as reading:
        head = rows(reading)[kept - 1][-1]

    def attack(attacker: sqlite3.Connection) -> None:
        cells = rows(attacker)
        if cut:
            replace(attacker, cells[: place - 1])
            if place == 1:
                attacker.execute("UPDATE audit_head SET seq = 0, hash = ?", [BEFORE_THE_FIRST])
        else:
            cells[place - 1][5] = "{}"
            rewrite(attacker, cells, place)
        if place > 1 or not cut:
            note_as_last(attacker)

    assert isinstance(after(whole, attack), Verified)
    found = after(whole, attack, head)
    if kept < place:
        assert isinstance(found, Verified)
        assert found.expected_at == kept
    else:
        broken(found, whole=0, said="No entry has the hash that was kept")


def test_the_database_itself_refuses_to_change_the_past(whole: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(whole, tmp_path))
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        before = rows(raw)
        new = [ENTRIES + 1, *before[0][1:6], before[-1][-1], "hash"]
        for statement, cells in (
            ("UPDATE audit SET detail = '{}' WHERE seq = 3", []),
            ("UPDATE audit SET seq = 30 WHERE seq = 12", []),
            ("DELETE FROM audit WHERE seq = 12", []),
            ("DELETE FROM audit", []),
            ("REPLACE INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", before[3]),
            ("REPLACE INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", before[-1]),
            ("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [ENTRIES + 2, *new[1:]]),
            ("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [*new[:6], before[-2][-1], "hash"]),
            ("INSERT INTO audit (at, request_id, actor, what, detail) VALUES (?, ?, ?, ?, ?)", new[1:6]),
        ):
            with pytest.raises(sqlite3.IntegrityError):
                raw.execute(statement, cells)
        assert rows(raw) == before
    assert isinstance(verified(path), Verified)


async def test_a_change_that_was_undone_leaves_no_hole(path: Path, scene: Scene) -> None:
    facts = [Fact(f"U{number}", "noted") for number in range(9)]
    facts[4] = Fact("\ud800", "noted")  # half a letter: the database does not take it
    noted = await asyncio.gather(
        *(scene.store.facts.note("", fact, scene.clock.now) for fact in facts), return_exceptions=True
    )

    assert [isinstance(one, UnicodeEncodeError) for one in noted] == [number == 4 for number in range(9)]
    found = verified(path)
    assert isinstance(found, Verified)
    assert found.entries == 8


async def test_history_tells_the_hashes(scene: Scene) -> None:
    for number in range(3):
        await scene.store.facts.note("req_1", Fact(OMAR, "noted", {"number": number}), scene.clock.now)

    told = await scene.store.facts.of("req_1")
    assert [entry.detail for entry in told] == [{"number": number} for number in range(3)]
    assert [(entry.hash,) for entry in told] == await scene.rows("SELECT hash FROM audit ORDER BY seq")


async def test_the_last_fact_of_a_kind_is_of_the_house_and_of_no_request(scene: Scene) -> None:
    assert await scene.store.facts.last("policy_in_force") is None
    for hashed in ("a", "b"):
        at = scene.clock.passes(hours=1)
        await scene.store.facts.note("", Fact("postroom", "policy_in_force", {"hash": hashed}), at)
    await scene.store.facts.note("", Fact(FINN, "revealed"), scene.clock.passes(hours=1))
    await scene.store.facts.note("req_1", Fact(OMAR, "policy_in_force", {"hash": "c"}), scene.clock.now)

    last = await scene.store.facts.last("policy_in_force")
    assert last is not None
    assert (last.seq, last.at, last.detail) == (2, scene.clock.now - timedelta(hours=1), {"hash": "b"})


async def test_of_two_processes_that_start_together_one_notes_what_is_in_force(scene: Scene, elsewhere: Scene) -> None:
    fact = Fact("postroom", "policy_in_force", {"hash": "a"})

    async def start(at: Scene) -> bool:
        return await at.store.facts.note_next(fact, None, scene.clock.now)

    assert sorted(await asyncio.gather(start(scene), start(elsewhere))) == [False, True]
    last = await scene.store.facts.last("policy_in_force")
    assert await elsewhere.store.facts.note_next(fact, last, scene.clock.now)
    assert len(await scene.rows("SELECT 1 FROM audit")) == 2


# More than one process.


@pytest.fixture
def noting(path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts another process that puts facts into the audit in the name of somebody; all are killed at the end."""
    children: list[subprocess.Popen[str]] = []

    def start(name: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.storage.child", str(path), "note", name]
        children.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.communicate()


def noted(child: subprocess.Popen[str], lines: int) -> int:
    """How many facts a process has said are there, after so many lines of it."""
    assert child.stdout is not None
    return [int(child.stdout.readline().split()[1]) for _ in range(lines)][-1]


def turns(path: Path) -> int:
    """How often an entry is followed by one of another process."""
    with closing(sqlite3.connect(path)) as reading:
        actors = reading.execute("SELECT actor FROM audit ORDER BY seq").fetchall()
    return sum(one != other for one, other in pairwise(actors))


def test_two_processes_keep_one_chain_and_it_can_be_verified_meanwhile(
    path: Path, noting: Callable[[str], subprocess.Popen[str]]
) -> None:
    promised = {}
    children = {name: noting(name) for name in (OMAR, FINN)}
    seen: list[Verified] = []
    while len(seen) < 10 or turns(path) < 3:  # they do write at the same time
        promised |= {name: noted(child, 3) for name, child in children.items()}
        found = verified(path)
        assert isinstance(found, Verified), found
        assert found.entries >= sum(promised.values())
        seen.append(found)
    for child in children.values():
        child.kill()
        child.wait()

    last = verified(path, seen[0].head)
    assert isinstance(last, Verified), last
    assert last.expected_at == seen[0].entries <= seen[-1].entries <= last.entries
    with closing(sqlite3.connect(path)) as reading:
        told = reading.execute("SELECT actor, detail FROM audit ORDER BY seq").fetchall()
    for name, count in promised.items():
        own = [json.loads(detail)["number"] for actor, detail in told if actor == name]
        assert own == list(range(len(own)))  # each once, in order
        assert len(own) >= count


@pytest.mark.parametrize("lines", [1, 4, 17])
async def test_a_killed_process_leaves_a_whole_chain_that_goes_on(
    path: Path, noting: Callable[[str], subprocess.Popen[str]], lines: int
) -> None:
    child = noting(FINN)
    promised = noted(child, lines)
    child.kill()
    child.wait()

    found = verified(path)
    assert isinstance(found, Verified), found
    assert found.entries >= promised
    database = SqliteDatabase(path)
    await Scene(database, Clock()).store.facts.note("", Fact(OMAR, "noted"), Clock().now)
    database.close()
    later = verified(path, found.head)
    assert isinstance(later, Verified), later
    assert (later.entries, later.expected_at) == (found.entries + 1, found.entries)


# Old and large.


@pytest.mark.parametrize("count", [0, 1, 5])
async def test_what_an_older_postroom_wrote_is_chained_as_it_is(path: Path, count: int) -> None:
    said = {"said": 'Grüße, "you"', "price": 12.5}
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        migrations().apply(Database(older), stop_before=CHAINED)
        older.executemany(
            "INSERT INTO audit (at, request_id, actor, what, detail) VALUES (?, 'req_1', ?, 'noted', ?)",
            [(f"2026-01-0{number}T00:00:00.000000+00:00", OMAR, json.dumps(said)) for number in range(1, count + 1)],
        )

    database = SqliteDatabase(path)
    scene = Scene(database, Clock())
    try:
        assert [(entry.seq, entry.detail) for entry in await scene.store.facts.of("req_1")] == [
            (number, said) for number in range(1, count + 1)
        ]
        old = verified(path)
        await scene.store.facts.note("req_1", Fact(FINN, "noted"), scene.clock.now)
        new = verified(path, old.head if isinstance(old, Verified) else None)
    finally:
        database.close()
    assert isinstance(old, Verified), old
    assert old.entries == count
    assert isinstance(new, Verified), new
    assert (new.entries, new.expected_at) == (count + 1, count)
    if count:
        broken(
            after(path, lambda attacker: attacker.execute("UPDATE audit SET actor = 'U0EVE' WHERE seq = 1")),
            whole=0,
            said="Entry 1 was changed",
        )


def test_the_whole_of_a_long_audit_is_never_held_in_memory(path: Path) -> None:
    SqliteDatabase(path).close()
    with closing(sqlite3.connect(path)) as filling, filling:
        for number in range(20_000):
            append(filling, f"req_{number}", Fact(OMAR, "noted", {"said": "x" * 500}), Clock().now)

    with opened(path) as reading:
        tracemalloc.start()
        found = verify(reading)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert isinstance(found, Verified)
    assert found.entries == 20_000
    assert most < 1_000_000  # all of it is more than ten times that
