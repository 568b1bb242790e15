"""Budgets at their edges: amounts smaller than a cent, rulings of earlier versions."""

from __future__ import annotations

from decimal import Decimal

import pytest

from handlers.policy import Budget, Part
from storage.books import spend_late
from storage.records import Reservation
from tests.handlers.money_stage import DEFAULT, MONTH, Buy, Core, S, dollars, policy
from tests.handlers.stage import BEA, GUS, OMAR


@pytest.mark.parametrize(
    ("price", "limit", "currency", "said"),
    [
        ("1000.125", "1000", "USD", "This costs 1,000.125 USD, and of the budget “all” 1,000.00 USD are left"),
        ("0.5", "0.25", "credits", "This costs 0.5 credits, and of the budget “all” 0.25 credits are left"),
        ("1200", "1000", "credits", "This costs 1,200 credits, and of the budget “all” 1,000 credits are left"),
    ],
)
async def test_no_part_of_an_amount_is_rounded_away(
    core: Core, price: str, limit: str, currency: str, said: str
) -> None:
    core.opens(policy(budgets=(Budget("all", Decimal(limit), currency),)))
    core.till.prices, core.till.currency = {"car": Decimal(price)}, currency

    over = await core.reviewed(BEA, Buy(things=["car"]), confirmable=False)
    assert over.problems[""].startswith(said)


async def test_a_ruling_of_before_owners_were_kept_apart_is_ruled_anew_all_the_same(core: Core) -> None:
    owned = Budget("shop", Decimal(5), "USD", over="owner", owners=(GUS,))
    core.opens(policy(budgets=(owned,)))
    request = await core.asked("cup")
    assert core.database is not None
    forget = "UPDATE requests SET ruling = json_remove(ruling, '$.terms.owners') WHERE id = ?"
    await core.database.write(lambda db: db.execute(forget, [request.id]))
    before = core.requests.ruling_of(await core.now(request))
    assert (before.over, before.terms.owners) == (("shop",), ())
    assert before.parts(False) == (Part(DEFAULT.approvers),)

    assert await core.waiting.rule_anew() == 1
    after = core.requests.ruling_of(await core.now(request))
    assert (after.over, after.terms.owners) == (("shop",), ((GUS,),))
    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert (await core.says(request, GUS)).state is S.APPROVED


async def test_what_was_asked_later_counts_with_what_it_has_spent(core: Core) -> None:
    earlier = await core.asked("pin")
    request = await core.asked("cup")
    later = await core.approved("hat", "bag")
    await core.sends(later)
    await core.asked("jug")
    assert await core.money() == dollars("30", "20")

    for one, held in ((earlier, "40"), (request, "30"), (later, "10")):
        assert await core.store.look(lambda books, of=one: books.held_later(of.id, "all", MONTH)) == Decimal(held)
    assert await core.store.look(lambda books: books.held_later(request.id, "all", "2026-04")) == 0
    assert await core.store.look(lambda books: books.held_later(request.id, "team", MONTH)) == 0


async def test_what_is_heard_late_of_budgets_that_are_gone_counts_nowhere(core: Core) -> None:
    request = await core.sends(await core.approved("cup"))
    assert core.database is not None
    for spent, besides in (([], False), ([], True), ([Reservation("all", MONTH, Decimal(10))], False)):
        await core.database.write(
            lambda db, spent=spent, besides=besides: spend_late(db, request.id, spent, besides=besides)
        )
        assert await core.money() == dollars("0", "10")
        assert await core.held(request) == [Reservation("all", MONTH, Decimal(10), is_spent=True)]
