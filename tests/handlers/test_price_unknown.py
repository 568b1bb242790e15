"""What nobody knows the price of, in part or at all, and what has none."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from handlers.policy import Budget, Conditions, Rule
from handlers.slack.happened import in_words
from providers.action import Done
from storage.records import Reservation
from tests.handlers.money_stage import MONTH, Buy, Core, Mend, S, dollars, policy, refused, terms
from tests.handlers.stage import DORA, OLGA, OMAR


async def test_of_what_has_no_price_the_rest_is_set_apart_and_spent(core: Core) -> None:
    core.till.prices = {"pot": None, "cup": Decimal("12.50")}
    request = await core.approved("pot", "cup", "hat")
    assert await core.money() == dollars("22.50", "0")

    assert (await core.sends(request, Done(summary="Done."))).state is S.SUCCEEDED
    assert await core.money() == dollars("0", "22.50")


async def test_another_price_of_a_part_of_what_has_none_is_set_apart(core: Core) -> None:
    core.till.prices = {"pot": None, "cup": Decimal(10)}
    request = await core.approved("pot", "cup")
    core.till.prices |= {"cup": Decimal(20)}

    assert (await core.sends(request)).state is S.AWAITING
    assert await core.held(request) == [Reservation("all", MONTH, Decimal(20))]
    # Both totals are unknown, and yet it is the price that moved.
    told = await core.says_in_thread(request)
    assert "Its prices have changed since the approval. Nothing was bought; the card" in told
    assert "$10.00 → *$20.00*" in told
    history = [in_words(one) for one in await core.store.facts.of(request.id)]
    assert ":warning: Its prices changed; it asks again" in history


async def test_what_is_known_of_the_price_has_to_fit_the_budget(core: Core) -> None:
    core.till.prices = {"pot": None, "car": Decimal("500.01")}

    over = await core.reviewed(OMAR, Buy(things=["pot", "car"]), confirmable=False)
    assert over.problems[""].startswith(
        "This costs 500.01 USD, and of the budget “all” 500.00 USD are left this month."
    )


async def test_what_is_bought_without_any_quote_is_for_people_to_decide(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def says_nothing(*given: Any) -> None:
        return None

    monkeypatch.setattr(Buy, "quote", says_nothing)
    small = Rule("small", Conditions(action="thing *"), terms(approvers=(DORA,), auto_below=Decimal(1000)))
    core.opens(policy(rules=(small,)))
    request = await core.asked("cup")

    ruling = core.requests.ruling_of(request)
    assert (request.state, request.quote, ruling.auto) == (S.AWAITING, None, False)
    assert ruling.why[0] == "Nobody knows the price, so the default approvers decide."
    assert await core.held(request) == []
    assert (await core.says(request, OLGA)).state is S.APPROVED


async def test_a_rule_about_dollars_is_about_what_is_free_as_well(core: Core) -> None:
    mending = Rule("mending", Conditions(action="thing mend", currency="USD"), terms(approvers=(DORA,)))
    core.opens(policy(rules=(mending,)))
    request = await core.asked("cup", kind=Mend)

    assert (request.state, request.quote) == (S.AWAITING, None)
    assert core.requests.ruling_of(request).rule == "mending"
    await refused(core.says(request, OMAR))
    assert (await core.says(request, DORA)).state is S.APPROVED


async def test_what_costs_nothing_is_not_kept_back_by_a_budget_that_is_overdrawn(core: Core) -> None:
    core.till.prices = {"car": Decimal(500), "jug": Decimal(0)}
    await core.asked("car")
    core.opens(policy(budgets=(Budget("all", Decimal(100), "USD"),)))
    free = await core.asked("jug", kind=Mend)

    assert free.quote is not None
    assert (free.state, await core.held(free)) == (S.APPROVED, [])
