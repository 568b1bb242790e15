"""Several things that wait at once, and what is handed over meanwhile: each at its own time, each said once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from storage.books import Books
from storage.records import Asked, Fact, Request, RequestState, Telling
from storage.sqlite import StoreUnavailable
from storage.waiting import Looked
from tests.handlers.money_stage import NO, Buy, Core, S, policy, refused, terms
from tests.handlers.stage import ANA, BEA, CHANNEL, DORA, FINANCE, FINN, OLGA, OMAR

HOUR = timedelta(hours=1)


async def test_the_one_that_wants_something_first_says_when_to_look_again(core: Core) -> None:
    core.opens(policy(default=terms(remind_after=(4 * HOUR,))))
    begun = core.clock.now()
    first = await core.asked("cup")
    await core.waiting.attend()
    core.clock.passes(hours=1)
    second = await core.asked("hat")
    assert await core.waiting.attend() == begun + 4 * HOUR
    await core.says(first, OMAR, NO)
    assert await core.waiting.attend() == begun + 5 * HOUR
    await core.says(second, OMAR, NO)
    assert await core.waiting.attend() is None


async def test_the_yes_of_who_has_left_is_taken_away_and_said_once_and_no_other(core: Core) -> None:
    core.opens(policy(default=terms(needs=3)))
    request = await core.asked("cup")
    await core.says(request, OMAR)
    await core.says(request, FINN)
    core.workspace.groups[FINANCE] = {FINN, DORA}
    for _ in range(2):
        core.clock.passes(days=1)
        await core.waiting.attend()

    told = [one for one in await core.told(request) if one["fact"] == "votes_void"]
    assert told == [{"fact": "votes_void", "who": [OMAR]}]
    assert await core.rows("SELECT voter FROM votes") == [(FINN,)]
    assert await core.last(request) == ("postroom", "attended", {"void": [OMAR]})


async def test_only_what_still_waits_is_ruled_anew_and_each_as_itself(core: Core) -> None:
    requests = [await core.asked(one) for one in ("cup", "hat", "bag")]
    await core.says(requests[0], OMAR)
    before, seen = await core.everything(), list[str]()

    def looks(request: Request, books: Books) -> Asked | None:
        seen.append(request.id)
        return None

    for one in ("req_none", *(request.id for request in requests)):
        assert await core.store.waiting.rule_anew(one, asking=looks, now=core.clock.now()) is False
    assert seen == [requests[1].id, requests[2].id]

    def frees(request: Request, books: Books) -> Asked:
        return Asked(RequestState.AWAITING, Telling(Fact("postroom", "ruled_anew")), ruling=request.ruling)

    assert await core.store.waiting.rule_anew(requests[0].id, asking=frees, now=core.clock.now()) is False
    assert await core.everything() == before
    assert await core.store.waiting.rule_anew(requests[2].id, asking=frees, now=core.clock.now()) is True
    assert [bool(await core.held(one)) for one in requests] == [True, True, False]
    assert (await core.now(requests[2])).state is S.AWAITING


async def test_it_expires_by_when_it_was_asked_and_not_by_when_its_form_was_opened(core: Core) -> None:
    core.opens(policy(default=terms(expires_after=3 * HOUR)))
    requests = []
    for name in ("cup", "hat"):
        review = await core.reviewed(ANA, Buy(things=[name]))
        core.clock.passes(hours=2)
        requests.append(await core.submitted(review.draft))
    first, second = requests
    core.clock.passes(hours=1, microseconds=-1)
    assert (await core.says(first, OMAR)).state is S.APPROVED
    core.clock.passes(hours=2, microseconds=1)
    said = await refused(core.says(second, OMAR, NO))
    assert (said.sentence.split(".")[0], said.who, said.times) == ("This request has expired", "", {})
    assert (await core.told(second))[-1] == {"fact": "expired", "since": second.updated_at.isoformat()}


# Handed over.


async def test_what_has_ended_long_ago_or_by_a_word_is_not_said_to_have_ended(core: Core) -> None:
    begun = core.clock.now()
    await core.approvals.hand_over(OMAR, BEA, begun + HOUR, CHANNEL)
    handed = await core.approvals.hand_over(OLGA, DORA, begun + HOUR, CHANNEL)
    assert await core.approvals.take_back(OMAR) is True
    assert await core.approvals.ended() == ([], handed.ends_at)
    core.clock.passes(hours=25)
    assert await core.approvals.ended() == ([], None)
    core.clock.passes(microseconds=-1)
    assert await core.approvals.ended() == ([handed], None)


async def test_it_holds_from_its_beginning_to_just_before_its_end(core: Core) -> None:
    begun = core.clock.now()
    later = await core.approvals.hand_over(OLGA, DORA, begun + 2 * HOUR, CHANNEL)
    core.clock.passes(minutes=1)
    handed = await core.approvals.hand_over(OMAR, BEA, begun + HOUR, CHANNEL)
    assert await core.approvals.delegations() == [later, handed]
    for at, held in (
        (timedelta(microseconds=-1), []), (timedelta(0), [later]), (HOUR - timedelta(microseconds=1), [later, handed]),
        (HOUR, [later]), (2 * HOUR, []),
    ):  # fmt: skip
        core.clock.at = begun + at
        assert await core.approvals.delegations() == held


async def test_a_look_is_written_for_its_own_request_and_only_if_nobody_was_first(core: Core) -> None:
    seen, other = await core.asked("cup"), await core.asked("hat")
    assert seen.attend_at == other.attend_at
    later = core.clock.now() + timedelta(hours=1)

    await core.store.waiting.looked_after([Looked(seen, later, reminded=2, escalated=True)])
    looked = await core.now(seen)
    assert (looked.attend_at, looked.announced, looked.reminded, looked.escalated) == (later, True, 2, True)
    assert await core.now(other) == other

    await core.store.waiting.looked_after([Looked(seen, later + timedelta(hours=1), reminded=3, escalated=False)])
    assert await core.now(seen) == looked


async def test_where_the_store_fails_for_one_no_other_look_goes_on_beside_the_next(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    core.opens(policy(default=terms(remind_after=(HOUR,))))
    broken, _ = [await core.asked(one) for one in ("cup", "hat")]
    await core.waiting.attend()
    core.clock.passes(hours=1)
    attended, written = core.store.waiting.attended, list[str]()

    async def fails_for_one(request: Request, **more: Any) -> Request | None:
        if request.id == broken.id:
            raise StoreUnavailable("The disk is full.")
        for _ in range(100):  # it takes its turn after the other one's end
            await asyncio.sleep(0)
        written.append(request.id)
        return await attended(request, **more)

    with monkeypatch.context() as patched:
        patched.setattr(core.store.waiting, "attended", fails_for_one)
        with pytest.raises(StoreUnavailable):
            await core.waiting.attend()
        assert len(written) == 1
    await core.waiting.attend()
    for request in await core.store.waiting.all():
        assert [one["fact"] for one in await core.told(request)].count("reminder") == 1
