"""Budgets whose owners have to say yes as well: who stands in for whom, what other settings and less money change."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from handlers.approvals import NotAllowed
from handlers.policy import Budget, Conditions, Rule
from tests.handlers.money_stage import Buy, Core, S, dollars, policy, refused, terms
from tests.handlers.stage import BEA, CHANNEL, DORA, FINANCE, GUS, OLGA, OMAR, UNDO

BOARD, OWNERS = "S0BOARD", "S0OWNERS"


def owned(name: str = "shop", limit: str = "1", *owners: str) -> Budget:
    return Budget(name, Decimal(limit), "USD", over="owner", owners=owners or (OWNERS,))


async def a_day_later(core: Core) -> None:
    core.clock.passes(days=1)
    await core.waiting.attend()


# Nobody is gone round because somebody else is not there.


async def test_where_the_owner_has_left_the_rules_own_people_are_needed_as_before(core: Core) -> None:
    board = Rule("board", Conditions(), terms(approvers=(BOARD,)))
    core.opens(policy(rules=(board,), budgets=(owned(),)))
    core.workspace.groups |= {BOARD: {DORA}, OWNERS: set()}
    request = await core.asked("cup")
    await core.waiting.attend()

    assert (await core.told(request))[-1]["to"] == [FINANCE, OLGA]
    assert (await core.says(request, OMAR)).state is S.AWAITING  # in the owner's place, and no more than that
    assert (await core.last(request))[2]["lacks"] == [{"of": [BOARD], "more": 1, "budget": ""}]
    assert (await core.says(request, DORA)).state is S.APPROVED


async def test_where_the_rules_people_have_left_the_owner_is_needed_as_before(core: Core) -> None:
    board = Rule("board", Conditions(), terms(approvers=(BOARD,)))
    core.opens(policy(rules=(board,), budgets=(owned(),)))
    core.workspace.groups |= {BOARD: set(), OWNERS: {GUS}}
    request = await core.asked("cup")
    await core.waiting.attend()

    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert (await core.last(request))[2]["lacks"] == [{"of": [OWNERS], "more": 1, "budget": "shop"}]
    assert (await core.says(request, GUS)).state is S.APPROVED


async def test_of_two_owners_the_one_who_is_there_is_not_gone_round(core: Core) -> None:
    core.opens(policy(budgets=(owned("shop", "1"), owned("all", "2", BEA))))
    core.workspace.groups[OWNERS] = set()
    request = await core.asked("cup")
    await core.waiting.attend()

    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert (await core.last(request))[2]["lacks"] == [{"of": [BEA], "more": 1, "budget": "all"}]
    assert (await core.says(request, BEA)).state is S.APPROVED


async def test_one_after_the_other_leaves_and_comes_back_and_each_time_it_is_said(core: Core) -> None:
    board = Rule("board", Conditions(), terms(approvers=(BOARD,)))
    core.opens(policy(rules=(board,), budgets=(owned(),)))
    core.workspace.groups |= {BOARD: {DORA}, OWNERS: set()}
    request = await core.asked("cup")
    await core.waiting.attend()
    core.workspace.groups[BOARD] = set()
    await a_day_later(core)

    escalated = [one["short"] for one in await core.told(request) if one["fact"] == "escalated"]
    assert escalated == [
        "There is nobody who may decide about more than the budget “shop” has.", "There is nobody who may decide this.",
    ]  # fmt: skip
    told = len(await core.told(request))
    await a_day_later(core)
    assert len(await core.told(request)) == told

    core.workspace.groups[OWNERS] = {GUS}
    await a_day_later(core)
    assert (await core.told(request))[-1] == {"fact": "enough_again", "who": [OWNERS], "alone": True}
    assert (await core.says(request, OMAR)).state is S.AWAITING  # for those of the board who are still away
    core.workspace.groups[BOARD] = {DORA}
    await a_day_later(core)
    assert {"fact": "enough_again", "who": [BOARD], "alone": True} in await core.told(request)
    assert (await core.told(request))[-1] == {"fact": "votes_void", "who": [OMAR]}
    await refused(core.says(request, OMAR), NotAllowed)
    assert (await core.says(request, GUS)).state is S.AWAITING
    assert (await core.says(request, DORA)).state is S.APPROVED


# Other settings.


async def test_a_budget_that_refuses_from_now_on_does_not_send_its_owner_away(core: Core) -> None:
    core.opens(policy(budgets=(owned("shop", "5", GUS),)))
    request = await core.asked("cup")
    core.opens(policy(default=terms(approvers=(OMAR,)), budgets=(Budget("shop", Decimal(5), "USD"),)))
    assert await core.waiting.rule_anew() == 1

    ruling = core.requests.ruling_of(await core.now(request))
    assert (ruling.terms.approvers, ruling.over, ruling.terms.owners) == ((OMAR,), ("shop",), ((GUS,),))
    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert (await core.says(request, GUS)).state is S.APPROVED


async def test_a_budget_that_has_room_by_now_needs_no_owner_any_more(core: Core) -> None:
    core.opens(policy(budgets=(owned("shop", "5", GUS),)))
    request = await core.asked("cup")
    core.opens(policy(budgets=(Budget("shop", Decimal(10), "USD"),)))
    await core.waiting.rule_anew()

    assert core.requests.ruling_of(await core.now(request)).over == ()
    assert (await core.says(request, OMAR)).state is S.APPROVED


async def test_what_fitted_when_it_was_asked_is_not_crowded_out_by_what_came_later(core: Core) -> None:
    core.opens(policy(budgets=(owned("shop", "20", GUS),)))
    first, second = await core.asked("cup"), await core.asked("hat", "bag", by=BEA)
    assert core.requests.ruling_of(second).over == ("shop",)
    core.opens(policy(default=terms(approvers=(OMAR,)), budgets=(owned("shop", "20", GUS),)))
    assert await core.waiting.rule_anew() == 2

    assert core.requests.ruling_of(await core.now(first)).over == ()
    assert core.requests.ruling_of(await core.now(second)).over == ("shop",)
    core.opens(policy(budgets=(owned("shop", "9", GUS),)))
    await core.waiting.rule_anew()
    assert core.requests.ruling_of(await core.now(first)).over == ("shop",)


async def test_what_is_asked_while_others_are_ruled_anew_does_not_overshoot(core: Core) -> None:
    """A budget is new: of two that count in it for the first time, one at least sees the other."""
    core.opens(policy(budgets=()))
    first = await core.asked("cup")
    core.opens(policy(budgets=(owned("shop", "15", GUS),)))
    review = await core.reviewed(BEA, Buy(things=["hat"]))

    _, second = await asyncio.gather(core.waiting.rule_anew(), core.submitted(review.draft))

    both = [core.requests.ruling_of(await core.now(one)).over for one in (first, second)]
    assert ("shop",) in both
    assert await core.money("shop") == dollars("20", "0")


# Less money.


async def test_what_fits_the_budget_again_is_for_the_rules_alone(core: Core) -> None:
    core.opens(policy(budgets=(owned("shop", "20", GUS),)))
    request = await core.asked("cup", "hat", "bag")
    left = await core.says(request, OMAR, without=["bag"])

    assert left.state is S.AWAITING
    assert core.requests.ruling_of(left).over == ()
    assert await core.money("shop") == dollars("20", "0")
    assert (await core.told(request))[-1]["fits"] == ["shop"]
    assert (await core.last(request))[:2] == (OMAR, "edited")
    await refused(core.says(request, GUS), NotAllowed)
    assert (await core.says(request, OMAR)).state is S.APPROVED


async def test_what_is_still_too_much_stays_with_the_owner(core: Core) -> None:
    core.opens(policy(budgets=(owned("shop", "19", GUS),)))
    request = await core.asked("cup", "hat", "bag")

    assert (await core.says(request, OMAR, without=["bag"])).state is S.AWAITING
    assert core.requests.ruling_of(await core.now(request)).over == ("shop",)
    assert (await core.says(request, GUS)).state is S.APPROVED


async def test_an_owner_whose_yes_is_enough_takes_something_out_with_it(core: Core) -> None:
    core.opens(policy(budgets=(owned("shop", "20", OLGA),)))
    request = await core.asked("cup", "hat", "bag")

    assert (await core.says(request, OLGA, without=["bag"])).state is S.APPROVED
    assert await core.money("shop") == dollars("20", "0")


async def test_what_others_hold_of_the_budget_is_not_room(core: Core) -> None:
    core.opens(policy(budgets=(owned("shop", "20", GUS),)))
    await core.asked("coat")
    request = await core.asked("cup", "hat", by=BEA)

    assert (await core.says(request, OMAR, without=["hat"])).state is S.AWAITING
    assert core.requests.ruling_of(await core.now(request)).over == ()
    request = await core.asked("car", "pin", by=BEA)
    assert (await core.says(request, OMAR, without=["pin"])).state is S.AWAITING
    assert core.requests.ruling_of(await core.now(request)).over == ("shop",)


# One person, two rights.


async def test_who_decides_in_an_owners_place_says_one_yes_for_both(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(OMAR,)), budgets=(owned("shop", "5", GUS),)))
    await core.approvals.hand_over(GUS, OMAR, core.clock.now() + timedelta(days=1), CHANNEL)
    request = await core.asked("cup")

    assert (await core.says(request, OMAR)).state is S.APPROVED
    assert (await core.last(request))[2]["also_for"] == [GUS]
    assert (await core.told(request))[-1]["also_for"] == [GUS]


async def test_an_owner_says_yes_for_themselves_alone(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(OMAR,)), budgets=(owned("shop", "5", GUS, DORA),)))
    await core.approvals.hand_over(GUS, DORA, core.clock.now() + timedelta(days=1), CHANNEL)
    request = await core.asked("cup")

    await core.says(request, DORA)
    actor, _, detail = await core.last(request)
    assert (actor, detail.get("for"), detail.get("also_for")) == (DORA, None, None)


async def test_of_the_rules_own_people_they_still_count_once(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(OMAR, GUS), needs=2), budgets=(owned("shop", "5", GUS),)))
    await core.approvals.hand_over(GUS, OMAR, core.clock.now() + timedelta(days=1), CHANNEL)
    request = await core.asked("cup")

    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert (await core.last(request))[2]["lacks"] == [{"of": [OMAR, GUS], "more": 1, "budget": ""}]
    await refused(core.says(request, OMAR), NotAllowed)
    assert (await core.says(request, GUS)).state is S.APPROVED


async def test_it_counts_for_the_owner_only_as_long_as_it_is_handed_over(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(OMAR, OLGA), needs=2), budgets=(owned("shop", "5", GUS),)))
    await core.approvals.hand_over(GUS, OMAR, core.clock.now() + timedelta(days=1), CHANNEL)
    request = await core.asked("cup")
    await core.says(request, OMAR)
    await core.approvals.take_back(GUS)

    assert (await core.says(request, OLGA)).state is S.AWAITING
    assert (await core.last(request))[2]["lacks"] == [{"of": [GUS], "more": 1, "budget": "shop"}]
    assert (await core.says(request, GUS)).state is S.APPROVED


@pytest.mark.parametrize("why", ["the owner has left", "the owner asks"])
async def test_in_whose_place_nobody_decides(core: Core, why: str) -> None:
    core.opens(policy(default=terms(approvers=(OMAR,)), budgets=(owned("shop", "5", GUS, DORA),)))
    await core.approvals.hand_over(GUS, OMAR, core.clock.now() + timedelta(days=1), CHANNEL)
    request = await core.asked("cup", by=GUS if why == "the owner asks" else BEA)
    if why == "the owner has left":
        core.workspace.gone.add(GUS)

    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert "also_for" not in (await core.last(request))[2]
    assert (await core.says(request, DORA)).state is S.APPROVED


async def test_in_an_owners_place_it_is_sent_once_more_at_once(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(OMAR,)), budgets=(owned("shop", "5", GUS),)))
    await core.approvals.hand_over(GUS, OMAR, core.clock.now() + timedelta(days=1), CHANNEL)
    request = await core.says(await core.asked("cup"), OMAR)
    core.clock.passes(seconds=UNDO.total_seconds())
    await core.breaks_off(request)

    assert (await core.settling.settle(request.id, OMAR, "again")).state is S.APPROVED


async def test_nobody_has_an_owners_own_request_sent_once_more_in_their_place(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(OMAR,)), budgets=(owned("shop", "5", GUS, DORA),)))
    await core.approvals.hand_over(GUS, OMAR, core.clock.now() + timedelta(days=1), CHANNEL)
    request = await core.asked("cup", by=GUS)
    await core.says(request, OMAR)
    request = await core.says(request, DORA)
    core.clock.passes(seconds=UNDO.total_seconds())
    await core.breaks_off(request)

    assert (await core.settling.settle(request.id, OMAR, "again")).state is S.AWAITING
