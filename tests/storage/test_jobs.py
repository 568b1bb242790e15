"""What the scheduler looks at: only what is due, of each account as much as it has room for, each under a lease."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from storage import sqlite
from storage.records import Job, Request, RequestState
from storage.sqlite import SqliteDatabase
from tests.storage.scenes import LEASE, Clock, Scene


async def claim(scene: Scene, room: dict[str, int] | None = None) -> list[tuple[Job, Request]]:
    return await scene.store.jobs.claim_due(scene.clock.now, scene.clock.now + LEASE, room)


async def claimed_ids(scene: Scene) -> list[str]:
    return [job.request_id for job, _ in await claim(scene)]


async def look_again(scene: Scene, job: Job, due_in: float) -> None:
    due_at = scene.clock.now + timedelta(seconds=due_in)
    await scene.store.jobs.watch_on([replace(job, attempts=job.attempts + 1, due_at=due_at)])


async def test_nothing_is_looked_at_before_it_is_due(scene: Scene) -> None:
    request = await scene.working(due_in=10)
    assert await claim(scene) == []
    assert await scene.store.jobs.next_due() == scene.clock.now + timedelta(seconds=10)

    scene.clock.passes(seconds=10)
    ((job, seen),) = await claim(scene)
    assert job.request_id == seen.id == request.id
    assert job.ref == {"uuid": "j1"}
    assert seen.state is RequestState.WORKING


async def test_each_account_gives_as_much_as_it_has_room_for_the_longest_due_first(scene: Scene) -> None:
    later = await scene.working(due_in=2)
    sooner = await scene.working(due_in=1)
    latest = await scene.working(due_in=3)
    other = await scene.working("mailin-second", due_in=3)
    full = await scene.working("mailin-third", due_in=1)
    scene.clock.passes(seconds=3)

    claimed = await claim(scene, {"mailin-main": 2, "mailin-second": 5, "mailin-third": 0})
    assert [job.request_id for job, _ in claimed] == [sooner.id, later.id, other.id]
    assert await claimed_ids(scene) == [latest.id, full.id]
    assert await claim(scene) == []


async def test_two_processes_never_look_at_the_same_job(scene: Scene, elsewhere: Scene) -> None:
    first = await scene.working()
    second = await scene.working()

    assert await claimed_ids(scene) == [first.id]
    assert await claimed_ids(elsewhere) == [second.id]
    assert await claim(scene) == await claim(elsewhere) == []


async def test_a_lapsed_lease_frees_the_job_and_a_renewed_one_does_not(scene: Scene, elsewhere: Scene) -> None:
    request = await scene.working()
    ((job, _),) = await claim(scene)
    scene.clock.passes(seconds=59)
    assert await claim(elsewhere) == []
    await scene.store.jobs.renew([request.id], scene.clock.now + LEASE)

    scene.clock.passes(seconds=59)
    assert await claim(elsewhere) == []
    scene.clock.passes(seconds=1)
    assert await claimed_ids(elsewhere) == [request.id]

    await look_again(elsewhere, job, due_in=100)
    await scene.store.jobs.renew([request.id], scene.clock.now + LEASE)  # too late: it is nobody's now
    assert await scene.store.jobs.next_due() == scene.clock.now + timedelta(seconds=100)


async def test_the_next_look_is_when_something_is_due_or_a_lease_is_over(scene: Scene) -> None:
    async def due() -> datetime | None:
        return await scene.store.jobs.next_due()

    assert await due() is None
    await scene.working()
    await scene.working("mailin-second", due_in=90)
    assert await due() == scene.clock.now

    ((job, _),) = await claim(scene)
    assert await due() == scene.clock.now + LEASE
    await look_again(scene, job, due_in=100)
    assert await due() == scene.clock.now + timedelta(seconds=90)
    assert await scene.store.jobs.by_account() == {
        "mailin-main": scene.clock.now + timedelta(seconds=100),
        "mailin-second": scene.clock.now + timedelta(seconds=90),
    }


async def test_what_is_alike_is_claimed_together_even_before_it_is_due(scene: Scene) -> None:
    ids = [(await scene.working(due_in=due_in)).id for due_in in (0, 30, 60, 90)]
    await scene.working("mailin-second")

    async def alike(action: str = "mailin/domain buy", limit: int = 10) -> list[str]:
        claimed = await scene.store.jobs.claim_alike(
            "mailin-main", action, due_before=scene.clock.now + timedelta(seconds=60), now=scene.clock.now,
            lease_until=scene.clock.now + timedelta(seconds=50), limit=limit,
        )  # fmt: skip
        return [job.request_id for job, _ in claimed]

    assert await alike("mailin/domain transfer") == []
    assert await alike(limit=2) == ids[:2]
    assert await alike() == ids[2:3]  # those two come due again within that minute, but somebody looks at them
    scene.clock.passes(seconds=50)
    assert sorted(await alike()) == sorted(ids)


async def test_a_look_that_came_too_late_changes_nothing(scene: Scene) -> None:
    """Somebody had it watched anew meanwhile: the job is another, with a handle of its own."""
    request = await scene.working()
    ((job, _),) = await claim(scene)
    anew = replace(scene.job(request, due_in=5), ref={"uuid": "j2"})
    await scene.conclude(request, RequestState.WORKING, expect=[RequestState.WORKING], job=anew)

    assert not await scene.store.jobs.keep_watching(job, {"kind": "pending", "done": 1}, scene.clock.now)
    await scene.store.jobs.watch_on([job])

    assert (await scene.store.requests.get(request.id) or request).outcome != {"kind": "pending", "done": 1}
    scene.clock.passes(seconds=5)
    ((watched, _),) = await claim(scene)
    assert watched == anew


async def test_progress_in_a_hurry_is_one_change_of_each_surface(scene: Scene) -> None:
    request = await scene.working()

    async def shown() -> list[str]:
        claimed = await scene.store.outbox.claim(scene.clock.now, scene.clock.now + LEASE)
        for owed in claimed:
            await scene.store.outbox.sent(owed.message, ts=owed.message.ts or "1.2", posted_in=owed.message.channel)
        return [owed.message.kind.value for owed in claimed]

    while await shown():
        pass
    edits = 0
    scene.clock.passes(seconds=10)
    for done in range(40):  # ten seconds of it
        ((job, _),) = await claim(scene)
        await scene.store.jobs.keep_watching(job, {"kind": "pending", "done": done}, scene.clock.now)
        edits += len(await shown())
        scene.clock.passes(seconds=0.25)
    assert edits == 2 * 4  # the card and the parent: at once, and then every three seconds

    await scene.conclude(request, RequestState.SUCCEEDED, expect=[RequestState.WORKING])
    assert sorted(await shown()) == ["card", "parent"]  # how it ended is shown at once


async def test_watching_on_keeps_what_was_learnt(scene: Scene) -> None:
    request = await scene.working()
    ((job, _),) = await claim(scene)
    await scene.store.jobs.watch_on([replace(job, ref={"uuid": "j1", "ended_at": "now"}, attempts=1)])

    ((again, _),) = await claim(scene)
    assert again.ref == {"uuid": "j1", "ended_at": "now"}
    assert (again.attempts, again.started_at, again.deadline_at) == (1, job.started_at, job.deadline_at)
    assert again.request_id == request.id


async def test_progress_is_shown_only_when_there_is_some(scene: Scene) -> None:
    request = await scene.working()
    ((job, _),) = await claim(scene)
    before = [message.wanted for message in await scene.store.outbox.of(request.id)]
    progress = {"kind": "pending", "done": 1, "total": 2}

    assert await scene.store.jobs.keep_watching(job, progress, scene.clock.now)
    after = [message.wanted for message in await scene.store.outbox.of(request.id)]
    ((job, _),) = await claim(scene)
    assert not await scene.store.jobs.keep_watching(job, progress, scene.clock.now)
    same = [message.wanted for message in await scene.store.outbox.of(request.id)]

    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 0, 0, 0][: len(after)]
    assert same == after


async def test_what_is_settled_is_not_looked_at_any_more(scene: Scene) -> None:
    request = await scene.working()
    ((job, _),) = await claim(scene)
    await scene.conclude(request, RequestState.SUCCEEDED, expect=[RequestState.WORKING])

    await look_again(scene, job, due_in=0)
    assert not await scene.store.jobs.keep_watching(job, {"kind": "pending", "done": 1}, scene.clock.now)
    scene.clock.passes(hours=1)
    assert await claim(scene) == []
    assert await scene.rows("SELECT * FROM jobs") == []


async def test_finding_the_next_job_does_not_grow_with_the_square_of_the_jobs(
    opened: Callable[[], SqliteDatabase], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in SQLite's own steps: ten times the jobs cost about ten times the work."""
    monkeypatch.setattr(sqlite, "READERS", 1)  # so that the one whose steps are counted is the one who is asked
    scene = Scene(opened(), clock)

    async def steps(jobs: int) -> int:
        await scene.database.write(
            lambda db: db.execute(
                "INSERT INTO jobs WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers"
                " WHERE n < :jobs) SELECT 'req_' || n || '_' || :jobs, 'account ' || (n % 5), 'poll', '{}', :due, :due,"
                " :due, 0, '', '' FROM numbers",
                {"jobs": jobs, "due": "2026-03-02T10:00:00.000000+00:00"},
            )
        )
        await scene.store.jobs.next_due()
        counted: list[int] = []
        (reader,) = scene.database._opened
        reader.conn.set_progress_handler(lambda: counted.append(1), 100)
        await scene.store.jobs.next_due()
        return len(counted)

    scene.database._writer.conn.execute("PRAGMA foreign_keys = OFF")  # requests are not what is counted
    few = await steps(200)
    many = await steps(1800)
    assert 0 < many < few * 30
