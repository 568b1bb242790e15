"""What is thrown away, a bite at a time, and all that is not."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import date, time, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from sqlite_utils import Database

from storage import audit, housekeeping
from storage.audit import Verified
from storage.books import Books
from storage.digests import Day, DigestBooks, Setup
from storage.housekeeping import Attic
from storage.migrations import migrations
from storage.records import Asked, Delegation, Fact, Request, RequestState, Reservation, Telling
from storage.sqlite import SqliteDatabase
from tests.storage.scenes import ANA, CHANNEL, FINGERPRINT, FINN, LEASE, OMAR, Clock, Scene

KEPT = ("votes", "intents", "jobs", "audit", "audit_head", "reservations", "budget_months", "subjects")
"""Of requests, these tables are never touched."""


@pytest.fixture
def attic(scene: Scene) -> Attic:
    return Attic(scene.database)


async def until_done(forget: Callable[[], Awaitable[bool]]) -> int:
    """Take all bites; how many there were."""
    bites = 1
    while await forget():
        bites += 1
        assert bites < 1000
    return bites


async def count(scene: Scene, table: str, where: str = "1") -> int:
    [(found,)] = await scene.rows(f"SELECT COUNT(*) FROM {table} WHERE {where}")
    return int(found)


async def posted(scene: Scene) -> None:
    """Slack takes all that is owed."""
    while claimed := await scene.store.outbox.claim(scene.clock.now, scene.clock.now + LEASE):
        for owed in claimed:
            place = owed.parent.posted_in if owed.parent is not None else owed.message.channel
            await scene.store.outbox.sent(owed.message, ts=f"1.{owed.message.id}", posted_in=place)


async def ended(scene: Scene, to: RequestState = RequestState.SUCCEEDED) -> Request:
    """A request that was asked, approved, sent, and told to its end."""
    request = await scene.conclude(await scene.executing(), to)
    assert request is not None
    await posted(scene)
    return request


async def kinds(scene: Scene, request: Request) -> list[str]:
    return [message.kind.value for message in await scene.store.outbox.of(request.id)]


class TestMessages:
    async def test_of_what_has_ended_long_ago_only_the_beginning_of_the_thread_stays(
        self, scene: Scene, attic: Attic
    ) -> None:
        old = await ended(scene)
        await scene.cancel(failed := await scene.waiting())
        await posted(scene)
        scene.clock.passes(days=80)
        fresh = await ended(scene)
        scene.clock.passes(days=20)
        untouched = await kinds(scene, fresh)

        await until_done(lambda: attic.forget_messages(scene.clock.now - timedelta(days=90)))

        assert await kinds(scene, old) == await kinds(scene, failed) == ["parent"]
        assert await kinds(scene, fresh) == untouched
        assert {"parent", "card", "note"} <= set(untouched)

    async def test_what_is_open_or_owed_stays_however_old_it_is(self, scene: Scene, attic: Attic) -> None:
        waiting, working = await scene.waiting(), await scene.working()
        await posted(scene)
        unsaid = await scene.conclude(await scene.executing(), RequestState.FAILED)  # Slack was away ever since
        assert unsaid is not None
        before = [await kinds(scene, one) for one in (waiting, working, unsaid)]
        scene.clock.passes(days=1000)

        await until_done(lambda: attic.forget_messages(scene.clock.now - timedelta(days=90)))

        assert [await kinds(scene, one) for one in (waiting, working, unsaid)] == before

    async def test_a_card_that_is_to_be_drawn_again_meanwhile_stays(
        self, scene: Scene, attic: Attic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(housekeeping, "BITE", 1)
        first, second = await ended(scene), await ended(scene)
        scene.clock.passes(days=100)
        before = scene.clock.now - timedelta(days=90)
        assert await attic.forget_messages(before)  # has looked, and thrown one away
        await scene.store.outbox.show_anew(second.id, scene.clock.now)

        await until_done(lambda: attic.forget_messages(before))

        assert await kinds(scene, first) == ["parent"]
        assert await kinds(scene, second) == ["parent", "card"]

    async def test_the_next_round_finds_what_has_become_old_since(self, scene: Scene, attic: Attic) -> None:
        first = await ended(scene)
        scene.clock.passes(days=100)
        await until_done(lambda: attic.forget_messages(scene.clock.now - timedelta(days=90)))
        later = await scene.waiting()
        await scene.cancel(later)
        await posted(scene)
        scene.clock.passes(days=100)
        await until_done(lambda: attic.forget_messages(scene.clock.now - timedelta(days=90)))
        assert await kinds(scene, first) == await kinds(scene, later) == ["parent"]

    async def test_in_bites_between_which_others_have_the_writer(
        self, scene: Scene, attic: Attic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(housekeeping, "SLICE", 1000)
        await ended(scene)
        # Many more notes on the same request: as old, and as much in Slack's hands.
        await scene.database.write(
            lambda db: db.execute(
                "INSERT INTO messages (id, request_id, kind, lane, channel, body, wanted, sent, begun, attempts,"
                " created_at, due_at, lease_until, ts, posted_in)"
                " WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)"
                " SELECT 'more_' || i, request_id, 'note', lane, channel, body, 1, 1, 0, 0, created_at, due_at, '',"
                " '2.' || i, posted_in FROM messages, n WHERE kind = 'parent'"
            )
        )
        scene.clock.passes(days=100)
        before = scene.clock.now - timedelta(days=90)
        left = [await count(scene, "messages")]
        while await attic.forget_messages(before):
            left.append(await count(scene, "messages"))
        bites = [was - now for was, now in pairwise(left)]
        assert max(bites) <= housekeeping.BITE
        assert len(bites) >= 18
        assert left[-1] == 1


class TestDrafts:
    async def test_forms_that_nobody_touched_are_forgotten_and_requests_are_not(
        self, scene: Scene, attic: Attic
    ) -> None:
        old, asked = await scene.draft(), await scene.waiting()
        scene.clock.passes(hours=25)
        fresh = await scene.draft()
        await until_done(lambda: attic.forget_drafts(scene.clock.now - timedelta(days=1)))
        assert await scene.store.requests.get(old.id) is None
        assert await scene.store.requests.get(fresh.id) is not None
        assert await scene.store.requests.get(asked.id) is not None

    async def test_in_bites(self, scene: Scene, attic: Attic) -> None:
        await asyncio.gather(*(scene.draft() for _ in range(2 * housekeeping.BITE + 1)))
        scene.clock.passes(days=2)
        left = []
        for more in (True, True, False):
            assert await attic.forget_drafts(scene.clock.now) is more
            left.append(await count(scene, "requests"))
        assert left == [housekeeping.BITE + 1, 1, 0]

    async def test_nothing_is_looked_through_to_see_that_nobody_refers_to_a_draft(self, scene: Scene) -> None:
        """SQLite looks into every table that refers to a row before it deletes it."""
        referring = await scene.rows(
            'SELECT m.name, f."from" FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f'
            " WHERE m.type = 'table' AND f.\"table\" = 'requests'"
        )
        assert {name for name, _ in referring} >= {"votes", "intents", "jobs", "messages", "reservations"}
        for table, column in referring:
            [plan] = await scene.rows(f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE {column} = ?", "req_1")
            assert plan[-1].startswith("SEARCH"), plan


class TestDigests:
    @pytest.fixture
    def books(self, scene: Scene) -> DigestBooks:
        return DigestBooks(scene.database)

    async def had(self, books: DigestBooks, clock: Clock, state: Day, channel: str = CHANNEL) -> None:
        """The channel's digest of today became `state`."""
        claim = await books.claim(channel, clock.now.date(), now=clock.now, lease_until=clock.now + LEASE)
        assert claim is not None
        if state is not Day.OWED:
            await books.settle(claim, state, composed_at=clock.now)

    async def test_old_days_go_and_nothing_that_was_told_is_told_again(
        self, scene: Scene, attic: Attic, books: DigestBooks
    ) -> None:
        for state in (Day.SENT, Day.MISSED, Day.EMPTY, Day.MISSED, Day.OWED):
            await self.had(books, scene.clock, state)
            scene.clock.passes(days=1)
        last = await books.last(CHANNEL)
        assert last is not None
        scene.clock.passes(days=400)
        await until_done(lambda: attic.forget_digests(scene.clock.now.date()))

        assert await books.last(CHANNEL) == last
        assert await scene.rows("SELECT local_date, state FROM digests_sent") == [("2026-03-04", "empty")]

    async def test_what_is_young_enough_stays(self, scene: Scene, attic: Attic, books: DigestBooks) -> None:
        for _ in range(10):
            await self.had(books, scene.clock, Day.SENT)
            scene.clock.passes(days=1)
        await attic.forget_digests(date(2026, 3, 8))
        assert await scene.rows("SELECT MIN(local_date), COUNT(*) FROM digests_sent") == [("2026-03-08", 4)]

    async def test_what_a_channel_wants_is_not_touched(self, scene: Scene, attic: Attic, books: DigestBooks) -> None:
        setup = Setup(
            CHANNEL, time(9), "UTC", frozenset({0}), ("stuck",), when_empty=False, set_by=ANA, set_at=scene.clock.now
        )
        await books.set_up(setup, Fact(ANA, "digest_set_up"))
        scene.clock.passes(days=4000)
        await attic.forget_digests(scene.clock.now.date())
        assert await books.setups() == [setup]


async def test_approvals_that_were_handed_over_are_forgotten_long_after_their_end(scene: Scene, attic: Attic) -> None:
    now = scene.clock.now
    for delegate, days in ((FINN, 2), (ANA, 100)):
        over = Delegation(f"del_{days}", f"U{days}", delegate, CHANNEL, now, now + timedelta(days=days))
        await scene.store.delegations.hand_over(over, Fact(OMAR, "handed_over"))
    scene.clock.passes(days=99)
    assert not await attic.forget_hand_overs(scene.clock.now - timedelta(days=90))
    assert await scene.rows("SELECT id FROM delegations") == [("del_100",)]
    assert await count(scene, "audit", "what = 'handed_over'") == 2


async def test_a_beat_that_no_longer_is_leaves_no_trace(scene: Scene, attic: Attic) -> None:
    await scene.store.beats.ran("socket", scene.clock.now)
    await scene.store.beats.ran("jobs", scene.clock.passes(days=8))
    await attic.forget_heartbeats(scene.clock.now - timedelta(days=7))
    assert list(await scene.store.beats.last()) == ["jobs"]


async def test_of_the_audit_the_money_and_what_can_happen_only_once_nothing_is_lost(scene: Scene, attic: Attic) -> None:
    """Everything as old as it can be, and every kind of forgetting."""

    def asking(draft: Request, books: Books) -> Asked:
        reserved = [Reservation("growth", "2026-03", Decimal("12.50"))]
        told = Telling(Fact(ANA, "asked", {"input": draft.input}))
        return Asked(RequestState.AWAITING, told, reservations=reserved, subjects=["acme-mail.com"])

    draft = await scene.checked()
    await scene.store.drafts.submit(draft.id, by=ANA, seen=FINGERPRINT[:16], asking=asking, now=scene.clock.now)
    approved = await scene.vote(draft)
    assert approved is not None
    assert await scene.begin(approved) is not None
    bought = await scene.store.runs.conclude(
        draft.id, expect=[RequestState.EXECUTING], to=RequestState.SUCCEEDED, outcome={"kind": "done", "summary": "."},
        fact=Fact("postroom", "done"), messages=[], now=scene.clock.now, spent=None,
    )  # fmt: skip
    open_one = await scene.working()
    await ended(scene, RequestState.FAILED)
    before = {table: await scene.rows(f"SELECT * FROM {table}") for table in KEPT}
    asked = await scene.rows("SELECT * FROM requests")
    assert all(before.values())
    scene.clock.passes(days=5000)
    now = scene.clock.now

    for forget in (
        lambda: attic.forget_drafts(now), lambda: attic.forget_messages(now), lambda: attic.forget_hand_overs(now),
        lambda: attic.forget_digests(now.date()), lambda: attic.forget_heartbeats(now),
    ):  # fmt: skip
        await until_done(forget)

    assert {table: await scene.rows(f"SELECT * FROM {table}") for table in KEPT} == before
    assert await scene.rows("SELECT * FROM requests") == asked
    path = await scene.database.read(lambda db: str(db.execute("PRAGMA database_list").fetchone()["file"]))
    with audit.opened(Path(path)) as connection:
        assert isinstance(audit.verify(connection), Verified)
    use = await scene.store.look(lambda books: books.use("growth", "2026-03"))
    assert (use.reserved, use.spent) == (0, Decimal("12.50"))
    assert bought is not None
    assert [one.id for one in await scene.store.requests.about("acme-mail.com")] == [bought.id]
    # Whatever state somebody puts the request into: that it was sent once is a fact.
    await scene.database.write(lambda db: db.execute("UPDATE requests SET state = 'approved' WHERE id = ?", [draft.id]))
    with pytest.raises(sqlite3.IntegrityError, match=r"intents\.key"):
        await scene.begin(approved)
    assert await scene.store.jobs.claim_due(now, now + LEASE) != []
    assert await kinds(scene, open_one) != ["parent"]


def test_an_older_database_keeps_what_its_requests_are_about(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        migrations().apply(Database(older), stop_before="drafts_are_forgotten_without_looking_through_everything")
        older.execute("PRAGMA foreign_keys = OFF")
        older.execute("INSERT INTO subjects VALUES ('acme.com', 'req_1'), ('acme.com', 'req_2'), ('-b.co', 'req_1')")
    database = SqliteDatabase(path)
    database.close()
    with closing(sqlite3.connect(path)) as newer:
        rows = newer.execute("SELECT subject, request_id FROM subjects ORDER BY 1, 2").fetchall()
        assert rows == [("-b.co", "req_1"), ("acme.com", "req_1"), ("acme.com", "req_2")]
        with pytest.raises(sqlite3.IntegrityError):
            newer.execute("INSERT INTO subjects VALUES ('acme.com', 'req_1')")
