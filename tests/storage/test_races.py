"""Two clicks, two windows, two processes: one wins, the others change nothing at all."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from storage.books import Books
from storage.decisions import Judged
from storage.records import Asked, Fact, Request, RequestState, Telling, Verdict, Vote
from tests.storage.scenes import ANA, FINGERPRINT, FINN, LEASE, OMAR, Scene

ROOT = Path(__file__).parents[2]

Step = Callable[[Scene, Request], Awaitable[Request | None]]
Start = Callable[[Scene], Awaitable[Request]]


async def of_a_form(scene: Scene) -> Request:
    return await scene.draft()


async def of_a_draft(scene: Scene) -> Request:
    return await scene.checked()


async def of_a_waiting_request(scene: Scene) -> Request:
    return await scene.waiting()


async def of_an_approved_request(scene: Scene) -> Request:
    return await scene.approved()


async def of_an_executing_request(scene: Scene) -> Request:
    return await scene.executing()


async def of_a_watched_request(scene: Scene) -> Request:
    return await scene.working()


def reveal(scene: Scene, request: Request) -> Awaitable[Request | None]:
    return scene.store.drafts.begin_reveal(
        request.id, by=ANA, provider="mailin", account="mailin-main", given={"mailbox": "ana@acme.com"}, view_id="V1",
        fact=Fact(ANA, "reveal_begun"), now=scene.clock.now,
    )  # fmt: skip


def deny(scene: Scene, request: Request) -> Awaitable[Request | None]:
    return scene.vote(request, by=FINN, verdict=Verdict.DENY)


def succeed(scene: Scene, request: Request) -> Awaitable[Request | None]:
    return scene.conclude(request, RequestState.SUCCEEDED, expect=[RequestState.EXECUTING])


def fail(scene: Scene, request: Request) -> Awaitable[Request | None]:
    return scene.conclude(request, RequestState.FAILED, expect=[RequestState.EXECUTING])


def found_done(scene: Scene, request: Request) -> Awaitable[Request | None]:
    return scene.conclude(request, RequestState.SUCCEEDED, expect=[RequestState.WORKING])


def found_failed(scene: Scene, request: Request) -> Awaitable[Request | None]:
    return scene.conclude(request, RequestState.FAILED, expect=[RequestState.WORKING])


RACES: list[tuple[Start, list[Step]]] = [
    (of_a_form, [reveal, reveal, reveal]),
    (of_a_draft, [Scene.submit, Scene.submit]),
    (of_a_waiting_request, [Scene.vote, Scene.vote]),
    (of_a_waiting_request, [Scene.vote, deny]),
    (of_a_waiting_request, [Scene.vote, Scene.cancel, deny]),
    (of_an_approved_request, [Scene.begin, Scene.begin]),
    (of_an_approved_request, [Scene.begin, Scene.reopen]),
    (of_an_executing_request, [succeed, fail]),
    (of_a_watched_request, [found_done, found_failed, found_done]),
]
_NAMES = [f"{start.__name__}: {' / '.join(step.__name__ for step in steps)}" for start, steps in RACES]


@pytest.mark.parametrize(("start", "steps"), RACES, ids=_NAMES)
@pytest.mark.parametrize("rounds", [4])
async def test_one_wins(scene: Scene, elsewhere: Scene, start: Start, steps: list[Step], rounds: int) -> None:
    for _ in range(rounds):
        request = await start(scene)
        before = len(await scene.facts(request)), len(await scene.store.outbox.of(request.id))
        runners = [(where, step) for step in steps for where in (scene, elsewhere)]
        answers = await asyncio.gather(*(step(where, request) for where, step in runners))

        winners = [answer for answer in answers if answer is not None]
        assert len(winners) == 1
        assert await scene.store.requests.get(request.id) == winners[0]
        facts = await scene.facts(request)
        assert len(facts) == before[0] + 1
        told = await scene.store.outbox.of(request.id)
        said_by_it = {"reveal": 0, "begin": 0, "submit": 3}.get(_winning(answers, runners), 1)
        assert len(told) == before[1] + said_by_it


def _winning(answers: list[Request | None], runners: list[tuple[Scene, Step]]) -> str:
    return next(step.__name__ for answer, (_, step) in zip(answers, runners, strict=True) if answer is not None)


async def test_whoever_comes_too_late_leaves_no_trace(scene: Scene) -> None:
    request = await scene.waiting()
    await scene.vote(request)
    before = await scene.everything()

    assert await scene.vote(request, by=FINN) is None
    assert await deny(scene, request) is None
    assert await scene.cancel(request) is None
    assert await scene.submit(request) is None
    assert await scene.everything() == before


@pytest.mark.parametrize("seen", ["", "f2", FINGERPRINT + "0", "%", "f1%", "_1"])
async def test_a_vote_counts_only_for_what_was_seen(scene: Scene, seen: str) -> None:
    request = await scene.waiting()
    before = await scene.everything()

    assert await scene.vote(request, seen=seen) is None
    assert await scene.everything() == before


@pytest.mark.parametrize("seen", ["", "f2", FINGERPRINT + "0", "%", "f1%", "_1"])
async def test_what_is_confirmed_is_what_was_shown(scene: Scene, seen: str) -> None:
    draft = await scene.checked()

    assert await scene.submit(draft, seen=seen) is None
    assert await scene.submit(draft, seen=FINGERPRINT) is not None


async def test_a_vote_is_bound_to_the_whole_fingerprint(scene: Scene) -> None:
    request = await scene.waiting()
    decided = await scene.vote(request, seen=FINGERPRINT[:16])

    assert decided is not None
    assert (decided.state, decided.decided_by, decided.decision_reason) == (RequestState.APPROVED, OMAR, "")
    votes = await scene.rows("SELECT voter, verdict, fingerprint, reason FROM votes")
    assert votes == [(OMAR, "approve", FINGERPRINT, "because")]


async def test_nobody_decides_their_own_request(scene: Scene) -> None:
    request = await scene.waiting()

    assert await scene.vote(request, by=ANA) is None
    assert await scene.vote(request, by=OMAR) is not None


async def test_only_the_requester_sends_fills_and_cancels(scene: Scene) -> None:
    draft = await scene.checked()
    assert await scene.fill(draft, by=OMAR) is None
    assert await scene.submit(draft, by=OMAR) is None
    asked = await scene.submit(draft)
    assert asked is not None
    assert await scene.cancel(asked, by=OMAR) is None
    assert await scene.cancel(asked) is not None


async def test_what_the_asking_raises_leaves_the_draft_as_it_was(scene: Scene) -> None:
    draft = await scene.checked()
    before = await scene.everything()

    def unreadable(given: Request, books: Books) -> Asked:
        raise LookupError(given.id)

    with pytest.raises(LookupError, match=draft.id):
        await scene.store.drafts.submit(draft.id, by=ANA, seen=FINGERPRINT, asking=unreadable, now=scene.clock.now)
    assert await scene.everything() == before
    assert await scene.submit(draft) is not None


async def test_a_change_whose_second_half_fails_is_undone_as_a_whole(scene: Scene) -> None:
    request = await scene.waiting()
    before = await scene.everything()

    def breaks(seen: Request, books: Books) -> Judged:
        return Judged(OMAR, bool, lambda decided, given: Telling(Fact(OMAR, "approved", {"not json": object()})))

    vote = Vote(request.id, OMAR, Verdict.APPROVE, FINGERPRINT, scene.clock.now)
    with pytest.raises(TypeError):
        await scene.store.decisions.cast_vote(vote, judging=breaks)
    assert await scene.everything() == before


# Checks of a form.


async def test_a_check_of_what_was_edited_meanwhile_counts_for_nothing(scene: Scene) -> None:
    draft = await scene.draft()
    first = await scene.fill(draft)
    scene.clock.passes(seconds=1)
    second = await scene.fill(draft, hosting="google")
    assert first is not None
    assert second is not None
    assert first.checking_since is not None
    assert second.checking_since is not None

    assert await scene.finish_check(draft, first.checking_since) is None
    assert await scene.submit(draft) is None
    assert await scene.finish_check(draft, second.checking_since) is not None
    assert await scene.submit(draft) is not None


async def test_a_refused_check_cannot_be_sent(scene: Scene) -> None:
    filled = await scene.fill(await scene.draft())
    assert filled is not None
    assert filled.checking_since is not None
    assert await scene.finish_check(filled, filled.checking_since, fingerprint="") is not None

    assert await scene.submit(filled) is None


async def test_a_check_that_ends_after_the_form_was_sent_changes_nothing(scene: Scene) -> None:
    filled = await scene.fill(await scene.draft())
    assert filled is not None
    assert filled.checking_since is not None
    await scene.finish_check(filled, filled.checking_since)
    asked = await scene.submit(filled)
    before = await scene.everything()

    assert await scene.finish_check(filled, filled.checking_since, fingerprint="f3" * 32) is None
    assert await scene.everything() == before
    assert asked is not None


async def test_a_check_whose_process_died_is_taken_up_once(scene: Scene, elsewhere: Scene) -> None:
    filled = await scene.fill(await scene.draft())
    assert filled is not None
    assert filled.checking_since is not None
    began = filled.checking_since
    assert await scene.store.drafts.interrupted(began) == []
    now = scene.clock.passes(minutes=10)
    assert [one.id for one in await scene.store.drafts.interrupted(now)] == [filled.id]

    taken = await asyncio.gather(
        *(where.store.drafts.resume_check(filled.id, checking_since=began, now=now) for where in (scene, elsewhere) * 3)
    )
    assert len([one for one in taken if one is not None]) == 1


# Spending: once.


async def test_an_intent_is_written_once_for_ever(scene: Scene) -> None:
    request = await scene.executing()
    await scene.database.write(lambda db: db.execute("UPDATE requests SET state = 'approved'"))
    before = await scene.everything()

    with pytest.raises(sqlite3.IntegrityError):
        await scene.begin(request)
    assert await scene.everything() == before


async def test_a_price_that_moved_voids_the_vote(scene: Scene) -> None:
    request = await scene.approved()
    reopened = await scene.reopen(request)
    assert reopened is not None
    assert (reopened.state, reopened.decided_by, reopened.decided_at) == (RequestState.AWAITING, "", None)

    assert await scene.vote(request) is None  # the old card
    assert await scene.vote(request, seen="f2" * 8) is not None


async def test_a_living_lease_is_left_alone_and_a_lapsed_one_is_found(scene: Scene) -> None:
    request = await scene.executing()
    scene.clock.passes(seconds=50)
    await scene.store.runs.keep_lease(request.id, scene.clock.now + LEASE)
    scene.clock.passes(seconds=50)
    assert await scene.store.runs.lapsed(scene.clock.now) == []

    scene.clock.passes(seconds=11)
    assert [one.id for one in await scene.store.runs.lapsed(scene.clock.now)] == [request.id]


async def test_an_answer_that_comes_after_the_lease_lapsed_still_counts(scene: Scene, elsewhere: Scene) -> None:
    request = await scene.executing()
    await elsewhere.conclude(request, RequestState.UNKNOWN, expect=[RequestState.EXECUTING], job=scene.job(request))

    done = await scene.conclude(request, RequestState.SUCCEEDED)
    assert done is not None
    assert await scene.rows("SELECT * FROM jobs") == []


async def test_what_may_run_is_told_by_account_the_oldest_decision_first(scene: Scene) -> None:
    asked = [await scene.waiting(account) for account in ("a", "b", "a")]
    for request in reversed(asked):
        scene.clock.passes(seconds=1)
        await scene.vote(request)

    now = scene.clock.now
    assert await scene.store.runs.accounts_ready(now) == {"a", "b"}
    assert [one.id for one in await scene.store.runs.ready("a", now)] == [asked[2].id, asked[0].id]


async def test_what_was_too_early_may_run_at_its_time_and_not_before(scene: Scene, elsewhere: Scene) -> None:
    request = await scene.executing("a")
    at = scene.clock.now + timedelta(hours=1)
    waiting = await scene.postpone(request, at)
    assert waiting is not None
    assert (waiting.state, waiting.not_before, waiting.input) == (RequestState.APPROVED, at, {"left": 1})
    assert await scene.postpone(request, at) is None
    assert await elsewhere.begin(request, 2) is None
    assert await scene.store.runs.accounts_ready(scene.clock.now) == set()
    assert await scene.store.runs.ready("a", scene.clock.now) == []
    assert await scene.store.runs.next_due(scene.clock.now) == at

    now = scene.clock.passes(hours=1)
    assert await scene.store.runs.accounts_ready(now) == {"a"}
    assert await scene.store.runs.next_due(now) is None
    assert await scene.store.runs.begun(request.id) == 1
    begun = [await scene.begin(request, 2), await elsewhere.begin(request, 2)]
    assert [one is not None for one in begun] == [True, False]
    assert await scene.rows("SELECT key FROM intents ORDER BY key") == [(f"{request.id}#1",), (f"{request.id}#2",)]


async def test_an_account_with_a_long_queue_does_not_hide_another(scene: Scene) -> None:
    for _ in range(101):
        await scene.approved("busy")
    other = await scene.approved("other")

    assert await scene.store.runs.accounts_ready(scene.clock.now) == {"busy", "other"}
    assert [one.id for one in await scene.store.runs.ready("other", scene.clock.now)] == [other.id]


# A real second process.


async def test_a_second_process_and_this_one_share_the_votes_between_them(scene: Scene, path: Path) -> None:
    requests = [await scene.waiting() for _ in range(40)]
    ids = [request.id for request in requests]
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.storage.child", str(path), "vote", *ids,
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdin is not None
    assert await child.stdout.readline() == b"ready\n"
    child.stdin.write(b"go\n")
    ours = [vote.id for vote in await asyncio.gather(*map(scene.vote, requests)) if vote is not None]
    theirs = (await child.stdout.readline()).decode().split()[1:]
    await child.wait()

    assert sorted(ours + theirs) == sorted(ids)
    assert await scene.rows("SELECT COUNT(*), COUNT(DISTINCT request_id) FROM votes") == [(40, 40)]
    assert await scene.rows("SELECT COUNT(*) FROM audit WHERE what = 'approve'") == [(40,)]


async def test_what_was_approved_anew_is_not_begun_by_who_read_it_before(scene: Scene) -> None:
    """Two processes: one of them read the request before its price changed and somebody said yes to the new one."""
    before = await scene.approved()
    await scene.reopen(before)
    now = await scene.vote(before, seen="f2" * 8)
    assert now is not None

    assert await scene.begin(before) is None
    begun = await scene.begin(now)
    assert begun is not None
    assert begun.fingerprint == now.fingerprint
