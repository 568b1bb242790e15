"""Prices that moved between the yes and the sending."""

from __future__ import annotations

from decimal import Decimal

import pytest

from handlers.approvals import NotAllowed
from handlers.policy import Budget, Conditions, Rule
from providers.action import Done
from storage.records import Reservation
from tests.handlers.money_stage import MONTH, YES, Core, S, dollars, policy, refused, terms
from tests.handlers.stage import ANA, APPROVALS, DORA, OLGA, OMAR


@pytest.mark.parametrize(("price", "goes"), [
    ("110", True), ("90", True), ("110.01", False), ("89.99", False), ("100", True),
])  # fmt: skip
async def test_a_price_may_move_by_the_tolerance_both_ways(core: Core, price: str, goes: bool) -> None:
    core.till.prices = {"car": Decimal(100)}
    request = await core.approved("car")
    core.till.prices = {"car": Decimal(price)}
    core.woken.clear()
    after = await core.sends(request, *([Done(summary="Done.")] if goes else []))

    if goes:
        assert after.state is S.SUCCEEDED
        assert await core.money() == (Decimal(0), Decimal(price))
        assert after.quote is not None
        assert after.quote["lines"][0]["price"] == price
        sent = next(one for one in await core.store.facts.of(request.id) if one.what == "sent")
        assert sent.detail["quote"] == after.quote
        return
    assert core.till.sent == []
    assert (after.state, after.decided_by, after.decided_at) == (S.AWAITING, "", None)
    assert (after.not_before, after.stop_until) == (None, None)
    assert after.waiting_since == after.attend_at == core.clock.now()
    assert after.fingerprint not in ("", request.fingerprint)
    assert after.quote is not None
    assert await core.rows("SELECT * FROM votes") == []
    assert await core.money() == (Decimal(price), Decimal(0))
    assert await core.last(request) == ("postroom", "reopened", {"old": request.quote, "new": after.quote})
    assert (await core.told(request))[-1] == {
        "fact": "reopened", "old": request.quote, "new": after.quote, "decided": True,
    }  # fmt: skip
    assert await core.cards(request) == [APPROVALS]
    assert core.woken == ["outbox", "waiting"]
    await refused(core.approvals.decide(request.id, OMAR, YES, seen=request.fingerprint))
    await core.says(request, OMAR)
    core.clock.passes(seconds=30)
    assert (await core.sends(request, Done(summary="Done."))).state is S.SUCCEEDED
    assert await core.money() == (Decimal(0), Decimal(price))


async def test_another_currency_is_another_price(core: Core) -> None:
    request = await core.approved("cup")
    core.till.currency = "EUR"

    assert (await core.sends(request)).state is S.AWAITING
    assert await core.held(request) == []
    assert core.till.sent == []


async def test_what_a_rule_approved_at_another_price_asks_a_person(core: Core) -> None:
    core.opens(policy(rules=(Rule("small", Conditions(), terms(auto_below=Decimal(99))),)))
    request = await core.asked("cup")
    core.clock.passes(seconds=30)
    core.till.prices = {"cup": Decimal(20)}
    after = await core.sends(request)

    assert after.state is S.AWAITING
    assert not core.requests.ruling_of(after).auto
    assert (await core.told(request))[-1]["decided"] is False


async def test_a_dearer_price_is_for_who_decides_dearer_things(core: Core) -> None:
    dear = Rule("dear", Conditions(over=Decimal(50)), terms(approvers=(DORA,), needs=1))
    core.opens(policy(rules=(dear,)))
    core.till.prices = {"cup": Decimal(50)}
    request = await core.approved("cup")
    core.till.prices = {"cup": Decimal("60")}
    after = await core.sends(request)

    assert core.requests.ruling_of(after).rule == "dear"
    await refused(core.says(request, OMAR), NotAllowed)
    assert (await core.says(request, DORA)).state is S.APPROVED


async def test_a_dearer_price_within_the_tolerance_still_has_to_fit_the_budget(core: Core) -> None:
    core.till.prices = {"car": Decimal(480), "van": Decimal(10)}
    request = await core.approved("car")
    await core.asked("van")
    core.till.prices["car"] = Decimal("490")
    assert (await core.sends(request, Done(summary="Done."))).state is S.SUCCEEDED
    assert await core.money() == dollars("10", "490")


async def test_a_dearer_price_has_to_fit_each_budget_with_what_was_spent_of_it(core: Core) -> None:
    both = (Budget("aa", Decimal(999), "USD"), Budget("zz", Decimal(500), "USD"))
    core.opens(policy(budgets=both))
    core.till.prices = {"car": Decimal(100), "bus": Decimal(390)}
    await core.sends(await core.approved("car"))
    request = await core.approved("bus")
    core.opens(policy(budgets=both[1:]))  # of the first nobody knows any more
    core.till.prices = {"bus": Decimal("400.01")}

    assert (await core.sends(request)).state is not S.SUCCEEDED
    assert len(core.till.sent) == 1
    assert (await core.money("zz"))[1] == Decimal(100)


async def test_what_no_longer_fits_the_budget_has_failed_and_is_not_sent(core: Core) -> None:
    core.till.prices = {"car": Decimal(480), "van": Decimal(10)}
    request = await core.approved("car")
    await core.asked("van")
    core.till.prices["car"] = Decimal("490.01")
    failed = await core.sends(request)

    assert core.till.sent == []
    assert await core.rows("SELECT * FROM intents") == []
    assert failed.state is S.FAILED
    assert failed.outcome is not None
    assert "490.01 USD, and of the budget “all” 490.00 USD are left" in failed.outcome["summary"]
    assert failed.outcome["summary"].endswith("Nothing was sent.")
    assert failed.outcome["items"] == [{"name": "car", "state": "not_done", "note": ""}]
    assert await core.money() == dollars("10", "0")


async def test_an_owner_who_allowed_it_is_asked_once_more_only_beyond_the_tolerance(core: Core) -> None:
    owned = Budget("shop", Decimal(15), "USD", over="owner", owners=(OLGA,))
    core.opens(policy(budgets=(owned,)))
    core.till.prices = {"car": Decimal(100)}
    request = await core.says(await core.asked("car"), OLGA)
    core.clock.passes(seconds=30)
    core.till.prices = {"car": Decimal(105)}
    assert (await core.sends(request, Done(summary="Done."))).state is S.SUCCEEDED
    assert await core.money("shop") == dollars("0", "105")


async def test_an_owner_who_was_not_asked_is_when_the_price_goes_over(core: Core) -> None:
    core.opens(policy(budgets=(Budget("shop", Decimal(100), "USD", over="owner", owners=(OLGA,)),)))
    core.till.prices = {"car": Decimal(100)}
    request = await core.approved("car")
    core.till.prices = {"car": Decimal("100.01")}
    after = await core.sends(request)

    assert (after.state, core.requests.ruling_of(after).over) == (S.AWAITING, ("shop",))
    assert core.till.sent == []
    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert (await core.says(request, OLGA)).state is S.APPROVED


async def test_a_cheaper_price_is_taken_also_where_the_budget_was_cut(core: Core) -> None:
    core.till.prices = {"car": Decimal(100)}
    request = await core.approved("car")
    core.opens(policy(budgets=(Budget("all", Decimal(50), "USD"),)))
    core.till.prices = {"car": Decimal(95)}

    assert (await core.sends(request, Done(summary="Done."))).state is S.SUCCEEDED
    assert await core.money() == dollars("0", "95")


async def test_when_slack_does_not_say_the_groups_of_before_hold(core: Core) -> None:
    core.opens(policy(budgets=(Budget("team", Decimal(500), "USD", team="S0TEAM"),)))
    core.workspace.groups["S0TEAM"] = {ANA}
    request = await core.approved("cup")
    core.till.prices = {"cup": Decimal(99)}
    core.workspace.is_silent = True
    after = await core.sends(request)

    assert after.state is S.AWAITING
    assert await core.held(request) == [Reservation("team", MONTH, Decimal(99))]
    assert core.requests.ruling_of(after).groups == ("S0TEAM",)


async def test_another_price_counts_against_the_budget_of_the_team_as_well(core: Core) -> None:
    core.opens(policy(budgets=(Budget("team", Decimal(500), "USD", team="S0TEAM"),)))
    core.workspace.groups["S0TEAM"] = {ANA}
    request = await core.approved("cup")
    core.till.prices = {"cup": Decimal(99)}
    await core.sends(request)

    assert await core.held(request) == [Reservation("team", MONTH, Decimal(99))]
