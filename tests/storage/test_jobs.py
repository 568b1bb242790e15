"""What the scheduler looks at: only what is due, one job of an account at a time, each under a lease."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from storage import sqlite
from storage.records import Job, Request, RequestState
from storage.sqlite import SqliteDatabase
from tests.storage.scenes import LEASE, Clock, Scene


async def claim(scene: Scene) -> list[tuple[Job, Request]]:
    return await scene.store.claim_due_jobs(scene.clock.now, scene.clock.now + LEASE)


async def claimed_ids(scene: Scene) -> list[str]:
    return [job.request_id for job, _ in await claim(scene)]


async def look_again(scene: Scene, job: Job, due_in: float) -> Request | None:
    due_at = scene.clock.now + timedelta(seconds=due_in)
    return await scene.store.keep_watching(
        replace(job, attempts=job.attempts + 1, due_at=due_at), None, scene.clock.now
    )


async def test_nothing_is_looked_at_before_it_is_due(scene: Scene) -> None:
    request = await scene.working(due_in=10)
    assert await claim(scene) == []
    assert await scene.store.next_job_due() == scene.clock.now + timedelta(seconds=10)

    scene.clock.passes(seconds=10)
    ((job, seen),) = await claim(scene)
    assert job.request_id == seen.id == request.id
    assert job.ref == {"uuid": "j1"}
    assert seen.state is RequestState.WORKING


async def test_an_account_is_asked_about_one_thing_at_a_time_the_longest_due_first(scene: Scene) -> None:
    later = await scene.working(due_in=2)
    sooner = await scene.working(due_in=1)
    other = await scene.working("mailin-second", due_in=2)
    scene.clock.passes(seconds=3)

    claimed = await claim(scene)
    assert {job.request_id for job, _ in claimed} == {sooner.id, other.id}
    assert await claim(scene) == []

    (job,) = [job for job, _ in claimed if job.request_id == sooner.id]
    await look_again(scene, job, due_in=60)
    assert await claimed_ids(scene) == [later.id]


async def test_two_processes_never_look_at_the_same_account(scene: Scene, elsewhere: Scene) -> None:
    await scene.working()
    await scene.working()

    assert len(await claim(scene)) == 1
    assert await claim(elsewhere) == []


async def test_a_lapsed_lease_frees_the_account(scene: Scene, elsewhere: Scene) -> None:
    request = await scene.working()
    await claim(scene)
    scene.clock.passes(seconds=60)
    assert await claim(elsewhere) == []

    scene.clock.passes(seconds=1)
    assert await claimed_ids(elsewhere) == [request.id]


async def test_the_next_look_is_when_an_account_is_free_and_something_is_due(scene: Scene) -> None:
    async def due() -> datetime | None:
        return await scene.store.next_job_due()

    assert await due() is None
    await scene.working()
    await scene.working()
    await scene.working("mailin-second", due_in=30)
    assert await due() == scene.clock.now

    ((job, _),) = await claim(scene)
    assert await due() == scene.clock.now + timedelta(seconds=30)  # the second of the busy account has to wait
    await look_again(scene, job, due_in=20)
    assert await due() == scene.clock.now
    await claim(scene)
    scene.clock.passes(seconds=40)
    assert await due() == scene.clock.now - timedelta(seconds=10)


async def test_watching_on_keeps_what_was_learnt(scene: Scene) -> None:
    request = await scene.working()
    ((job, _),) = await claim(scene)
    await scene.store.keep_watching(
        replace(job, ref={"uuid": "j1", "ended_at": "now"}, attempts=1), None, scene.clock.now
    )

    ((again, _),) = await claim(scene)
    assert again.ref == {"uuid": "j1", "ended_at": "now"}
    assert (again.attempts, again.started_at, again.deadline_at) == (1, job.started_at, job.deadline_at)
    assert again.request_id == request.id


async def test_progress_is_shown_only_when_there_is_some(scene: Scene) -> None:
    request = await scene.working()
    ((job, _),) = await claim(scene)
    before = [message.wanted for message in await scene.store.messages_of(request.id)]
    progress = {"kind": "pending", "done": 1, "total": 2}

    await scene.store.keep_watching(job, progress, scene.clock.now)
    after = [message.wanted for message in await scene.store.messages_of(request.id)]
    await scene.store.keep_watching(job, progress, scene.clock.now)
    same = [message.wanted for message in await scene.store.messages_of(request.id)]

    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 0, 0, 0][: len(after)]
    assert same == after


async def test_what_is_settled_is_not_looked_at_any_more(scene: Scene) -> None:
    request = await scene.working()
    ((job, _),) = await claim(scene)
    await scene.conclude(request, RequestState.SUCCEEDED, expect=[RequestState.WORKING])

    assert await look_again(scene, job, due_in=0) is None
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
                " :due, 0, '' FROM numbers",
                {"jobs": jobs, "due": "2026-03-02T10:00:00.000000+00:00"},
            )
        )
        await scene.store.next_job_due()
        counted: list[int] = []
        (reader,) = scene.database._opened
        reader.conn.set_progress_handler(lambda: counted.append(1), 100)
        await scene.store.next_job_due()
        return len(counted)

    scene.database._writer.conn.execute("PRAGMA foreign_keys = OFF")  # requests are not what is counted
    few = await steps(200)
    many = await steps(1800)
    assert 0 < many < few * 30
