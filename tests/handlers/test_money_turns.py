"""What is approved goes account by account, one after the other, and whoever waits for its turn is woken for it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from providers.action import Done
from storage.records import Request
from storage.sqlite import StoreUnavailable
from tests.handlers.money_stage import MAIN, Buy, Core, S


async def runs(core: Core) -> None:
    await core.runs.run_approved()
    await core.runs.executions.settled()


async def test_while_one_is_sent_the_next_of_its_account_waits_also_for_the_beats_in_between(core: Core) -> None:
    first, second = await core.approved("cup"), await core.approved("hat")
    begun, answered = asyncio.Event(), asyncio.Event()

    async def takes_its_time() -> None:
        begun.set()
        await answered.wait()

    core.till.meanwhile = takes_its_time
    await core.runs.run_approved()
    await begun.wait()
    for _ in range(2):
        await core.runs.run_approved()
        await asyncio.sleep(0.02)
    assert [key for _, key, _ in core.till.sent] == [f"{first.id}#1"]
    answered.set()
    await core.runs.executions.settled()
    assert [key for _, key, _ in core.till.sent] == [f"{first.id}#1", f"{second.id}#1"]
    assert [(await core.now(one)).state for one in (first, second)] == [S.SUCCEEDED] * 2

    third = await core.approved("bag")
    await runs(core)
    assert (await core.now(third)).state is S.SUCCEEDED


@pytest.mark.parametrize("fails", [(), (0,), (1,), (0, 1)])
async def test_after_a_turn_the_next_is_looked_for_at_once_unless_nothing_could_be_sent(
    core: Core, monkeypatch: pytest.MonkeyPatch, fails: tuple[int, ...]
) -> None:
    asked = [await core.approved("cup"), await core.approved("hat")]
    kept_back = {asked[number].id for number in fails}
    begin = core.store.runs.begin

    async def fails_for_some(request_id: str, **given: Any) -> Request | None:
        if request_id in kept_back:
            raise StoreUnavailable("The disk is full.")
        return await begin(request_id, **given)

    monkeypatch.setattr(core.store.runs, "begin", fails_for_some)
    core.woken.clear()
    await runs(core)
    assert len(core.till.sent) == 2 - len(fails)
    assert ("requests" in core.woken) is (len(fails) < 2)
    assert None not in core.woken
    assert await core.store.runs.accounts_ready(core.clock.now()) == ({MAIN} if fails else set())


async def test_what_postroom_breaks_over_before_it_is_sent_says_so(core: Core) -> None:
    request = await core.approved("cup")
    core.till.prices = {"cup": "many"}  # type: ignore[dict-item]
    failed = await core.sends(request)

    assert failed.outcome == {
        "kind": "failed",
        "summary": (
            "Before this was sent, it was looked at once more. Postroom itself broke over that: tell whoever runs it. "
            "Nothing was sent."
        ),
        "cure": "Ask again with the command.",
        "items": [{"name": "cup", "state": "not_done", "note": ""}],
    }


async def test_a_provider_that_is_left_alone_is_not_even_asked_for_its_price(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await core.approved("cup")
    core.till.resting = core.clock.now() + timedelta(hours=1)
    asked: list[object] = []

    async def quotes(*given: object) -> None:
        asked.append(given)

    monkeypatch.setattr(Buy, "quote", quotes)
    kept = await core.sends(request)

    assert (kept.state, kept.not_before, core.till.sent, asked) == (S.APPROVED, core.till.resting, [], [])


async def test_it_waits_for_two_days_after_the_decision_and_not_longer(core: Core) -> None:
    request = await core.approved("cup")
    assert request.decided_at is not None
    core.till.resting = request.decided_at + timedelta(days=2)
    assert (await core.sends(request)).not_before == core.till.resting
    core.clock.at = core.till.resting
    core.till.resting += timedelta(microseconds=1)

    assert (await core.sends(request, Done(summary="Done."))).state is S.SUCCEEDED
