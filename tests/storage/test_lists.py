"""Lists: every request once and in order, however they are paged; bounded looks; an index for every question."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlite_utils import Database

from storage import lists
from storage.lists import Found, Spot, Wanted
from storage.records import Fact, Request, RequestState, new_id
from storage.rows import insert, request_row
from storage.sqlite import SqliteDatabase
from tests.storage.scenes import ANA, CHANNEL, FINN, OMAR, Scene

STATES = [state for state in RequestState if state is not RequestState.DRAFT]


async def put(scene: Scene, count: int, **changed: Callable[[int], Any]) -> list[Request]:
    """So many requests, as `changed` says what each is like; the oldest first."""
    made = [
        Request(
            new_id("req"),
            "T0ACME",
            ANA,
            CHANNEL,
            "domain buy",
            scene.clock.now,
            scene.clock.now,
            RequestState.SUCCEEDED,
        )
        for _ in range(count)
    ]
    rows = [request_row(one) for one in made]
    for number, row in enumerate(rows):
        row.update({name: value(number) for name, value in changed.items()})

    def change(db: Database) -> None:
        for row in rows:
            insert(db, "requests", row)

    await scene.database.write(change)
    return [await found(scene, row["id"]) for row in rows]


async def found(scene: Scene, request_id: str) -> Request:
    request = await scene.store.requests.get(request_id)
    assert request is not None
    return request


def later(scene: Scene, step: float) -> Callable[[int], str]:
    """Each asked so many seconds after the one before."""
    return lambda number: (scene.clock.now + timedelta(seconds=step * number)).isoformat(timespec="microseconds")


async def through(
    scene: Scene, wanted: Wanted, most: int, *, newer: bool = False, start: Spot | None = None
) -> list[str]:
    """Every id from page to page, as they come; a page may be empty where a look came to its end."""
    ids: list[str] = []
    while True:
        page: Found = await scene.store.lists.find(wanted, start, newer=newer, most=most)
        assert len(page.requests) <= most
        ids += [request.id for _, request in page.requests]
        if page.looked_to is None:
            return ids
        assert page.looked_to != start
        start = page.looked_to


class TestPaging:
    async def test_each_comes_once_the_newest_first_also_of_one_moment(self, scene: Scene) -> None:
        everybody = await put(scene, 25, created_at=later(scene, 0))

        assert await through(scene, Wanted(), 10) == [one.id for one in reversed(everybody)]

    @pytest.mark.parametrize("seed", range(6))
    async def test_pages_and_looks_of_any_size_give_the_same(
        self, scene: Scene, seed: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dice = random.Random(seed)
        monkeypatch.setattr(lists, "LOOKED_AT", dice.randint(2, 12))
        people = [dice.choice([ANA, OMAR, FINN]) for _ in range(60)]
        states = [dice.choice([*STATES, RequestState.DRAFT]) for _ in range(60)]
        moments = sorted(scene.clock.now + timedelta(seconds=dice.randint(0, 9)) for _ in range(60))
        everybody = await put(
            scene, 60, requester=lambda n: people[n], state=lambda n: states[n].value,
            created_at=lambda n: moments[n].isoformat(timespec="microseconds"), channel=lambda n: f"C{n % 4}",
        )  # fmt: skip
        order = sorted(enumerate(everybody), key=lambda one: (one[1].created_at, one[0]), reverse=True)
        questions: Sequence[tuple[Wanted, Callable[[Request], bool]]] = [
            (Wanted(), lambda one: True),
            (Wanted(requester=ANA), lambda one: one.requester == ANA),
            (
                Wanted(requester=ANA, states=[RequestState.FAILED]),
                lambda one: (one.requester, one.state) == (ANA, "failed"),
            ),
            (
                Wanted(states=[RequestState.WORKING, RequestState.UNKNOWN]),
                lambda one: one.state in ("working", "unknown"),
            ),
            (Wanted(states=[RequestState.DENIED]), lambda one: one.state == "denied"),
            (Wanted(channel="C1"), lambda one: one.channel == "C1"),
            (Wanted(team=[FINN], here="C2"), lambda one: one.requester == FINN or one.channel == "C2"),
            (Wanted(team=[], here="C2"), lambda one: one.channel == "C2"),
            (Wanted(team=[FINN, OMAR]), lambda one: one.requester in (FINN, OMAR)),
        ]
        for wanted, holds in questions:
            expected = [one.id for _, one in order if one.state is not RequestState.DRAFT and holds(one)]
            assert await through(scene, wanted, dice.randint(1, 7)) == expected, wanted
            oldest = Spot(scene.clock.now - timedelta(days=1), 0)
            upwards = await through(scene, wanted, dice.randint(1, 7), newer=True, start=oldest)
            assert upwards == expected[::-1], wanted

    async def test_one_look_goes_so_far_and_no_further(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lists, "LOOKED_AT", 10)
        await put(scene, 30, created_at=later(scene, 1), channel=lambda number: "C0OLD" if number < 5 else CHANNEL)

        first = await scene.store.lists.find(Wanted(channel="C0OLD"), None, most=5)

        assert not first.requests
        assert first.looked_to is not None
        assert first.looked_to.at == scene.clock.now + timedelta(seconds=20)


class TestWords:
    async def test_they_are_looked_for_in_what_was_said_and_not_in_the_names_of_fields(self, scene: Scene) -> None:
        [one] = await put(
            scene, 1, input=lambda n: '{"domains": ["acme-mail.com"], "years": 2, "auto": true, "more": {"x": [null]}}',
            reason=lambda n: "Für die GRÖSSTE Kampagne", account=lambda n: "mailin-main", provider=lambda n: "mailin",
        )  # fmt: skip

        for words in (["ACME"], ["für", "größte"], ["main", "buy"], ["2"], [one.id], [CHANNEL.lower()]):
            assert await through(scene, Wanted(words=words), 5) == [one.id], words
        for words in (["domains"], ["years"], ["true"], ["null"], ["acme", "zebra"], ["more"], ["%"], ['"']):
            assert await through(scene, Wanted(words=words), 5) == [], words


class TestWhatWaits:
    async def test_the_kinds_are_the_terms_and_whether_it_was_escalated(self, scene: Scene) -> None:
        rulings = [
            '{"terms": {"a": 1}, "why": ["x"]}',
            '{"terms": {"a": 1}, "why": ["y"]}',
            '{"terms": {"a": 2}}',
            None,
        ]
        everybody = await put(
            scene, 12, ruling=lambda n: rulings[n % 4], escalated=lambda n: int(n >= 8),
            state=lambda n: "awaiting_approval", created_at=later(scene, 1),
        )  # fmt: skip
        await put(scene, 3, ruling=lambda n: rulings[0], state=lambda n: "denied")

        kinds = await scene.store.lists.kinds_waiting()

        assert len(kinds) == 6
        alike = await scene.store.lists.waiting_like([kinds[0].id], 10)
        assert [one.id for one in alike] == [everybody[n].id for n in (0, 1, 4, 5)]
        everything = await scene.store.lists.waiting_like([one.id for one in kinds], 100)
        assert [one.id for one in everything] == [one.id for one in everybody]
        assert [one.id for one in await scene.store.lists.waiting_like([kinds[0].id], 3)] == [
            everybody[n].id for n in (0, 1, 4)
        ]
        assert await scene.store.lists.waiting_like([], 3) == []

    async def test_what_nobody_can_read_is_a_kind_of_its_own_and_can_be_stored(self, scene: Scene) -> None:
        [one] = await put(scene, 1, ruling=lambda n: None, state=lambda n: "awaiting_approval")

        await scene.database.write(lambda db: db.execute("UPDATE requests SET ruling = '{' WHERE id = ?", [one.id]))

        [row] = await scene.database.read(
            lambda db: db.execute("SELECT id FROM requests WHERE state = 'awaiting_approval'").fetchall()
        )
        assert row["id"] == one.id

    async def test_what_asks_a_person(self, scene: Scene) -> None:
        unknown = await put(
            scene, 4, state=lambda n: "unknown", asks_person=lambda n: n % 2, updated_at=later(scene, 1)
        )

        assert [one.id for one in await scene.store.lists.asking_people(5)] == [unknown[1].id, unknown[3].id]


class TestStories:
    async def test_its_facts_page_by_page(self, scene: Scene) -> None:
        request = await scene.waiting()
        for number in range(6):
            await scene.store.facts.note(request.id, Fact(OMAR, f"fact{number}"), scene.clock.now)
        other = await scene.waiting()

        newest = await scene.store.lists.chapter(request.id, 0, 3)
        oldest = await scene.store.lists.chapter(request.id, 99, 3)

        assert [one.what for one in newest.shown] == ["fact3", "fact4", "fact5"]
        assert (newest.earlier, newest.later) == (4, 0)
        assert [one.what for one in oldest.shown] == ["asked"]
        assert (oldest.earlier, oldest.later) == (0, 6)
        assert len((await scene.store.lists.chapter(other.id, 0, 3)).shown) == 1
        assert (await scene.store.lists.chapter("req_none", 5, 3)).shown == []

    async def test_where_its_thread_begins(self, scene: Scene) -> None:
        request, other = await scene.waiting(), await scene.waiting()
        [parent] = [one for one in await scene.store.outbox.of(request.id) if one.kind.value == "parent"]
        await scene.store.outbox.sent(parent, ts="12.34", posted_in="C0MOVED")

        assert await scene.store.lists.threads_of([request.id, other.id]) == {request.id: ("C0MOVED", "12.34")}
        assert await scene.store.lists.threads_of([]) == {}

    async def test_what_somebody_asks_most(self, scene: Scene) -> None:
        commands = ["domain buy", "domain check", "domain buy", "mailbox create", "domain check", "verify list"]
        await put(scene, 6, command=lambda n: commands[n], created_at=later(scene, 1))
        await put(scene, 3, command=lambda n: "prewarm buy", requester=lambda n: OMAR)
        await put(scene, 3, command=lambda n: "prewarm buy", state=lambda n: "draft")

        assert await scene.store.lists.often_asked(ANA, 3) == ["domain check", "domain buy", "verify list"]


class TestIndexes:
    @pytest.mark.parametrize(
        "wanted",
        [
            Wanted(),
            Wanted(requester=ANA),
            Wanted(requester=ANA, states=[RequestState.FAILED], words=["acme"]),
            Wanted(states=[RequestState.FAILED]),
            Wanted(states=[RequestState.WORKING]),
            Wanted(team=[ANA, OMAR], here=CHANNEL, words=["acme"]),
        ],
    )
    @pytest.mark.parametrize("newer", [False, True])
    async def test_no_list_sorts_or_goes_through_everything(self, scene: Scene, wanted: Wanted, newer: bool) -> None:
        await put(scene, 20, created_at=later(scene, 1), state=lambda n: STATES[n % 10].value)
        start = Spot(scene.clock.now + timedelta(seconds=10), 10)

        plans = await planned(scene.database, lambda db: lists._find(db, wanted, start, newer=newer, most=5))

        assert plans
        for plan in plans:
            assert "TEMP B-TREE" not in plan
            assert re.search(r"USING (COVERING )?INDEX requests_|PRIMARY KEY \(rowid", plan), plan

    async def test_what_waits_is_found_by_its_index(self, scene: Scene) -> None:
        request = await scene.waiting()
        sql = (
            f"EXPLAIN QUERY PLAN SELECT * FROM requests WHERE state = 'awaiting_approval' AND {lists._TERMS} IS"
            f" (SELECT {lists._TERMS} FROM requests WHERE id = ?) AND escalated = 0 ORDER BY created_at LIMIT 3"
        )
        rows = await scene.database.read(lambda db: db.execute(sql, [request.id]).fetchall())
        plan = " ".join(str(row["detail"]) for row in rows)
        assert "USING INDEX requests_waiting_by_terms (<expr>=? AND escalated=?)" in plan
        assert "TEMP B-TREE" not in plan


async def planned(database: SqliteDatabase, question: Callable[[Database], Any]) -> list[str]:
    """How SQLite goes about each statement of a question."""

    def look(db: Database) -> list[str]:
        asked: list[str] = []
        db.conn.set_trace_callback(asked.append)
        try:
            question(db)
        finally:
            db.conn.set_trace_callback(None)
        return [
            " ".join(str(row["detail"]) for row in db.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall())
            for sql in asked
            if sql.startswith("SELECT")
        ]

    return await database.read(look)
