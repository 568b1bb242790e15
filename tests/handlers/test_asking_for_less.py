"""What is left when so much is taken out that the rest has a known price: the rules and people look at it anew."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from handlers.policy import Conditions, Rule
from handlers.requests import NotAllowed
from storage.records import Request, Reservation
from tests.handlers.money_stage import MONTH, Core, S, policy, refused, terms
from tests.handlers.stage import BEA, DORA, FINN, OMAR


async def test_what_is_left_is_for_those_who_decide_about_its_price_and_nobody_has_said_yes_to_it(core: Core) -> None:
    small = Rule(
        "small", Conditions(under=Decimal(50), currency="USD"), terms(approvers=(DORA,), auto_below=Decimal(50))
    )
    core.opens(policy(rules=(small,)))
    core.till.prices = {"pot": None, "gem": None}
    request = await core.asked("pot", "pin", "gem")
    assert await core.held(request) == [Reservation("all", MONTH, Decimal(10))]
    core.clock.passes(minutes=1)
    core.woken.clear()
    left = await core.says(request, OMAR, without=["pot", "gem"])

    assert (left.state, left.input) == (S.AWAITING, {"things": ["pin"]})
    assert left.waiting_since == left.attend_at == core.clock.now()
    ruling = core.requests.ruling_of(left)
    assert (ruling.rule, ruling.auto, ruling.terms.approvers) == ("small", False, (DORA,))
    assert await core.held(left) == [Reservation("all", MONTH, Decimal(10))]
    assert await core.last(left) == (
        OMAR, "edited", {"without": ["gem", "pot"], "fingerprint_left": left.fingerprint, "rule": "small"},
    )  # fmt: skip
    assert (await core.told(left))[-1] == {
        "fact": "asks_for_less", "by": OMAR, "without": ["gem", "pot"], "old": request.quote, "new": left.quote,
        "fits": [],
    }  # fmt: skip
    assert set(core.woken) == {"outbox", "waiting"}
    assert await core.rows("SELECT * FROM votes") == []
    await refused(core.says(left, FINN), NotAllowed)
    assert (await core.asked("gem", by=BEA)).state is S.AWAITING
    assert (await core.says(left, DORA)).state is S.APPROVED


async def test_of_two_who_take_something_out_at_the_same_moment_one_does(core: Core) -> None:
    core.till.prices = {"pot": None}
    request = await core.asked("pot", "pin", "cup")
    also = {OMAR: "pin", FINN: "cup"}
    said = await asyncio.gather(
        *(core.says(request, by, without=["pot", out]) for by, out in also.items()), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in said) == ["Request", "Sorry"]
    *_, (who, what) = await core.facts(request)
    assert [fact for _, fact in await core.facts(request)] == ["quoted", "asked", "edited"]
    now = await core.now(request)
    assert (what, now.input) == ("edited", {"things": [one for one in ("pin", "cup") if one != also[who]]})
    assert await core.held(now) == [Reservation("all", MONTH, Decimal(10))]


async def test_what_was_taken_out_of_what_it_was_before_changes_nothing_of_what_it_is(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    core.till.prices = {"pot": None}
    request = await core.asked("pot", "pin", "cup")
    reopen = core.store.decisions.reopen

    async def comes_second(request_id: str, **given: Any) -> Request | None:
        monkeypatch.setattr(core.store.decisions, "reopen", reopen)
        await core.says(request, FINN, without=["pot", "cup"])
        return await reopen(request_id, **given)

    monkeypatch.setattr(core.store.decisions, "reopen", comes_second)
    said = await refused(core.says(request, OMAR, without=["pot", "pin"]))

    assert "has changed since that card" in said.sentence
    assert (await core.now(request)).input == {"things": ["pin"]}
    assert [one for one in await core.facts(request) if one[1] == "edited"] == [(FINN, "edited")]


async def test_what_is_taken_out_is_in_the_audit_before_the_yes_to_the_rest(core: Core) -> None:
    request = await core.asked("cup", "hat", "bag")
    left = await core.says(request, FINN, without=["HAT", "bag"])

    *_, edited, approved = await core.store.facts.of(request.id)
    assert (edited.actor, edited.what, edited.detail) == (
        FINN, "edited", {"without": ["HAT", "bag"], "fingerprint_left": left.fingerprint, "quote": left.quote},
    )  # fmt: skip
    assert (approved.actor, approved.what, approved.detail["without"]) == (FINN, "approved", ["HAT", "bag"])
    other = await core.says(await core.asked("pin"), FINN)
    assert [what for _, what in await core.facts(other)] == ["quoted", "asked", "approved"]
