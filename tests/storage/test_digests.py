"""Digests on disk: one a channel and local date, found again after a crash, and what there is to tell."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, datetime, time, timedelta

import pytest
from sqlite_utils import Database

from storage.digests import Claim, Day, DigestBooks, Setup, happened
from storage.records import Fact, RequestState
from tests.storage.scenes import ANA, CHANNEL, LEASE, Clock, Scene

DAY = date(2026, 3, 2)
ELSEWHERE = "C0OTHER"


@pytest.fixture
def books(scene: Scene) -> DigestBooks:
    return DigestBooks(scene.database)


def a_setup(clock: Clock, **changed: object) -> Setup:
    setup = Setup(
        CHANNEL, time(9, 30), "Europe/Berlin", frozenset({0, 4}), ("decisions", "money"), when_empty=False,
        set_by=ANA, set_at=clock.now,
    )  # fmt: skip
    return replace(setup, **changed)  # type: ignore[arg-type]


async def claim(books: DigestBooks, clock: Clock, day: date = DAY) -> Claim | None:
    return await books.claim(CHANNEL, day, now=clock.now, lease_until=clock.now + LEASE)


class TestSetups:
    async def test_what_a_channel_wants_is_kept_and_replaced(self, books: DigestBooks, clock: Clock) -> None:
        first = a_setup(clock)
        await books.set_up(first, Fact(ANA, "digest_set_up"))
        assert await books.setup_of(CHANNEL) == first
        assert await books.setup_of(ELSEWHERE) is None
        second = a_setup(clock, at=time(0, 5), weekdays=frozenset(range(7)), when_empty=True)
        await books.set_up(second, Fact(ANA, "digest_set_up"))
        assert await books.setups() == [second]

    async def test_it_can_be_turned_off_once(self, scene: Scene, books: DigestBooks, clock: Clock) -> None:
        await books.set_up(a_setup(clock), Fact(ANA, "digest_set_up"))
        assert await books.turn_off(CHANNEL, Fact(ANA, "digest_off"), clock.now)
        assert not await books.turn_off(CHANNEL, Fact(ANA, "digest_off"), clock.now)
        assert await books.setups() == []
        facts = await scene.rows("SELECT what FROM audit ORDER BY seq")
        assert facts == [("digest_set_up",), ("digest_off",)]


class TestOnceADay:
    async def test_two_processes_and_one_has_it(self, books: DigestBooks, elsewhere: Scene, clock: Clock) -> None:
        others = DigestBooks(elsewhere.database)
        claims = await asyncio.gather(*(claim(one, clock) for one in (books, others) * 5))
        assert len([one for one in claims if one is not None]) == 1

    async def test_after_a_crash_it_is_taken_up_again_and_looked_for(self, books: DigestBooks, clock: Clock) -> None:
        first = await claim(books, clock)
        assert first is not None
        assert not first.begun_before
        assert await claim(books, clock) is None
        clock.passes(seconds=LEASE.total_seconds())
        second = await claim(books, clock)
        assert second is not None
        assert (second.id, second.begun_before, second.attempts) == (first.id, False, 2)
        await books.begin(second, clock.now)
        clock.passes(seconds=LEASE.total_seconds())
        third = await claim(books, clock)
        assert third is not None
        assert (third.id, third.begun_before) == (first.id, True)
        assert third.claimed_at == first.claimed_at

    @pytest.mark.parametrize("state", [Day.SENT, Day.EMPTY, Day.MISSED])
    async def test_what_is_settled_is_never_taken_up_again(self, books: DigestBooks, clock: Clock, state: Day) -> None:
        taken = await claim(books, clock)
        assert taken is not None
        await books.settle(taken, state)
        clock.passes(days=1)
        assert await claim(books, clock) is None
        assert await claim(books, clock, DAY + timedelta(days=1)) is not None
        assert (await books.days(DAY))[CHANNEL, DAY][0] is state

    async def test_the_next_one_begins_where_the_last_one_ended(self, books: DigestBooks, clock: Clock) -> None:
        first = await claim(books, clock)
        assert first is not None
        assert first.since is None
        composed = clock.now
        await books.begin(first, composed)
        await books.settle(first, Day.SENT, ts="1.2")
        missed = await claim(books, clock, DAY + timedelta(days=1))
        assert missed is not None
        await books.settle(missed, Day.MISSED)  # what it did not tell, the next one does
        third = await claim(books, clock, DAY + timedelta(days=2))
        assert third is not None
        assert third.since == composed == await books.last(CHANNEL)

    async def test_it_is_tried_again_when_it_was_said(self, books: DigestBooks, clock: Clock) -> None:
        first = await claim(books, clock)
        assert first is not None
        await books.begin(first, clock.now)
        await books.later(first, clock.now + timedelta(seconds=30), maybe_posted=False)
        assert await claim(books, clock) is None
        clock.passes(seconds=30)
        again = await claim(books, clock)
        assert again is not None
        assert not again.begun_before


class TestWhatHappened:
    async def ended(self, scene: Scene, state: RequestState) -> str:
        request = await scene.executing()
        assert await scene.conclude(request, state) is not None
        return request.id

    async def test_each_kind_is_counted_and_the_first_are_shown(self, scene: Scene, books: DigestBooks) -> None:
        since = scene.clock.now
        waiting = []
        for _ in range(3):
            scene.clock.passes(minutes=1)
            waiting.append((await scene.waiting()).id)
        done = [await self.ended(scene, RequestState.SUCCEEDED) for _ in range(2)]
        stuck = await self.ended(scene, RequestState.UNKNOWN)

        for channel in ("", CHANNEL):
            found = await books.happened(channel, since=since, until=scene.clock.now, most=2)
            assert found.waiting.count == 3
            assert [one.id for one in found.waiting.shown] == waiting[:2]
            assert [one.id for one in found.stuck.shown] == [stuck]
            assert {one.id for one in found.ended[RequestState.SUCCEEDED].shown} == set(done)
            assert found.ended[RequestState.FAILED].count == 0
        nothing = await books.happened(ELSEWHERE, since=since, until=scene.clock.now, most=2)
        assert (nothing.waiting.count, nothing.stuck.count) == (0, 0)
        assert not any(one.count for one in nothing.ended.values())

    async def test_what_has_ended_is_told_in_one_digest_and_no_other(self, scene: Scene, books: DigestBooks) -> None:
        async def told(since: datetime, until: datetime) -> int:
            both = [await books.happened(where, since=since, until=until, most=5) for where in ("", CHANNEL)]
            [count] = {one.ended[RequestState.FAILED].count for one in both}
            return count

        before = scene.clock.now
        scene.clock.passes(minutes=1)
        await self.ended(scene, RequestState.FAILED)
        at = scene.clock.now
        assert await told(before, at) == 1
        assert await told(at, at + timedelta(days=1)) == 0
        assert await told(before, at - timedelta(seconds=1)) == 0

    async def test_it_is_read_from_indexes(self, scene: Scene) -> None:
        def plans(db: Database) -> list[str]:
            asked: list[str] = []
            db.conn.set_trace_callback(asked.append)
            for channel in ("", CHANNEL):
                happened(db, channel, since=scene.clock.now, until=scene.clock.now, most=5)
            db.conn.set_trace_callback(None)
            return [str(row[3]) for sql in asked for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]

        told = [one for one in await scene.database.read(plans) if "requests" in one]
        assert told
        assert all(
            "INDEX requests_by_state (state=?" in one or "INDEX requests_ended (channel=?" in one for one in told
        )
