"""Slack sends a click a second time, or two come at the same moment: one is taken, and the other one answered."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from handlers.requests import SEEN, NotAllowed, Sorry
from providers.action import Pending
from storage.records import Request
from tests.handlers.money_stage import Core, S, refused
from tests.handlers.stage import DORA, EMERGENCY, FINN, GUS, OMAR

TAKEN = "Slack has sent this click before, and it was taken then. Nothing was changed."
DECIDED = "{who} has already approved this. Nothing was changed; its thread tells how it goes."


async def test_a_question_is_asked_once(core: Core) -> None:
    request = await core.asked("cup")
    asks = core.approvals.ask_back
    await asks(request.id, OMAR, "What for?", seen=request.fingerprint, click="trigger.1")
    assert await core.last(request) == (OMAR, "question", {"text": "What for?", "click": "trigger.1"})
    before = await core.everything()

    said = await refused(asks(request.id, OMAR, "What for?", seen=request.fingerprint, click="trigger.1"))
    assert said.sentence == TAKEN
    assert await core.everything() == before
    await asks(request.id, OMAR, "What for?", seen=request.fingerprint, click="trigger.2")
    other = await core.asked("hat")
    await asks(other.id, OMAR, "What for?", seen=other.fingerprint, click="trigger.2")
    assert [one["fact"] for one in await core.told(request)] == ["asked", "question", "question"]


async def test_a_stop_that_comes_again_does_not_stop_what_was_approved_anew(core: Core) -> None:
    request = await core.asked("cup")
    await core.says(request, OMAR)
    await core.approvals.stop(request.id, FINN, click="trigger.1")
    assert await core.last(request) == (FINN, "stopped", {"click": "trigger.1"})
    await core.says(request, OMAR)
    before = await core.everything()

    assert (await refused(core.approvals.stop(request.id, FINN, click="trigger.1"))).sentence == TAKEN
    assert await core.everything() == before
    assert (await core.approvals.stop(request.id, FINN, click="trigger.2")).state is S.AWAITING


async def test_the_glass_that_was_broken_once_is_not_broken_for_what_asks_anew(core: Core) -> None:
    request = await core.asked("cup")
    breaks = core.approvals.break_glass
    broken = await breaks(request.id, GUS, "It burns", seen=request.fingerprint, click="trigger.1")
    assert (await core.last(request))[2] == {
        "reason": "It burns", "fingerprint": request.fingerprint, "click": "trigger.1",
    }  # fmt: skip
    core.till.prices = {"cup": Decimal(99)}
    anew = await core.sends(broken)
    assert anew.state is S.AWAITING
    before = await core.everything()

    said = await refused(breaks(request.id, GUS, "It burns", seen=anew.fingerprint, click="trigger.1"))
    assert said.sentence == TAKEN
    assert await core.everything() == before
    again = await breaks(request.id, GUS, "It burns", seen=anew.fingerprint, click="trigger.2")
    assert again.state is S.APPROVED


async def test_of_two_who_break_the_glass_at_the_same_moment_one_does(core: Core) -> None:
    core.workspace.groups[EMERGENCY] = {GUS, DORA}
    request = await core.asked("cup")
    said = await asyncio.gather(
        *(core.approvals.break_glass(request.id, by, "It burns", seen=request.fingerprint) for by in (GUS, DORA)),
        return_exceptions=True,
    )

    [broken] = [one for one in said if isinstance(one, Request)]
    [sorry] = [one for one in said if isinstance(one, Sorry)]
    assert (sorry.sentence, sorry.who) == (DECIDED, broken.decided_by)
    assert [fact for fact in await core.facts(request) if fact[1] == "broke_glass"] == [
        (broken.decided_by, "broke_glass")
    ]


async def test_who_comes_too_late_to_stop_is_told_what_it_is_now(core: Core) -> None:
    request = await core.sends(await core.approved("cup"), Pending(ref={"id": 1}))
    said = await refused(core.approvals.stop(request.id, FINN))

    assert said.sentence.startswith("It is too late to stop this: it has been sent to the provider")


@pytest.mark.parametrize(("gone", "why"), [({GUS}, "you do not belong to this workspace"), (set[str](), "not among")])
async def test_who_may_not_break_the_glass_is_told_before_they_write_why(core: Core, gone: set[str], why: str) -> None:
    request = await core.asked("cup")
    core.workspace.gone = gone
    by = GUS if gone else OMAR

    said = await refused(core.approvals.breaking_glass(request.id, by, seen=request.fingerprint), NotAllowed)
    assert why in said.sentence
    assert await core.last(request) == (by, "click_refused", {"wanted": "break_glass", "why": said.sentence})
    core.workspace.gone = set()
    for seen in ("", request.fingerprint[: SEEN - 1], "e" * SEEN):
        assert "has changed since that card" in str(
            await refused(core.approvals.breaking_glass(request.id, GUS, seen=seen))
        )
    assert (await core.approvals.breaking_glass(request.id, GUS, seen=request.fingerprint[:SEEN])).id == request.id
