"""What a budget lets through, to the cent, and what its owners have to say."""

from __future__ import annotations

from decimal import Decimal

from handlers.approvals import NotAllowed
from handlers.policy import Budget, Conditions, Rule
from handlers.rulings import OverBudget
from storage.records import Reservation
from tests.handlers.money_stage import DEFAULT, MONTH, UNDO, Buy, Core, S, dollars, policy, refused, terms
from tests.handlers.stage import BEA, CHANNEL, DORA, FINANCE, FINN, GUS, OLGA, OMAR


async def test_a_budget_takes_its_last_cent_and_none_more(core: Core) -> None:
    core.till.prices = {"car": Decimal("300.00"), "van": Decimal("200.00"), "pin": Decimal("0.01")}
    review = await core.reviewed(BEA, Buy(things=["pin"]))
    await core.asked("car")
    await core.asked("van")
    assert await core.money() == dollars("500", "0")
    before = await core.everything()

    over = await refused(core.submitted(review.draft), OverBudget)
    said = "This costs 0.01 USD, and of the budget “all” 0.00 USD are left this month. Nothing was asked."
    assert over.sentence.startswith(said)
    assert await core.everything() == before
    problems = (await core.reviewed(BEA, Buy(things=["pin"]), confirmable=False)).problems
    assert problems == {"": over.sentence}


async def test_what_was_spent_and_what_is_set_apart_count_together(core: Core) -> None:
    core.till.prices = {"car": Decimal(150), "van": Decimal(200), "bus": Decimal("150.01")}
    await core.sends(await core.approved("car"))
    await core.asked("van")
    assert await core.money() == dollars("200", "150")

    said = await core.reviewed(BEA, Buy(things=["bus"]), confirmable=False)
    assert "of the budget “all” 150.00 USD are left" in said.problems[""]


async def test_each_budget_that_counts_it_is_asked_and_no_other(core: Core) -> None:
    core.opens(policy(budgets=(
        Budget("all", Decimal(500), "USD"), Budget("here", Decimal(50), "USD", team=CHANNEL),
        Budget("there", Decimal(5), "USD", team="C0OTHER"), Budget("till", Decimal(70), "USD", provider="till"),
        Budget("points", Decimal(5), "credits"), Budget("elsewhere", Decimal(5), "USD", provider="other"),
    )))  # fmt: skip
    core.till.prices = {"car": Decimal(50), "van": Decimal("20")}
    request = await core.asked("car")
    assert await core.held(request) == [Reservation(one, MONTH, Decimal(50)) for one in ("all", "here", "till")]

    over = (await core.reviewed(BEA, Buy(things=["van"]), confirmable=False)).problems[""]
    assert "of the budget “here” 0.00 USD are left" in over
    assert await core.held(await core.asked("van", channel="C0ANYWHERE")) == [
        Reservation(one, MONTH, Decimal(20)) for one in ("all", "till")
    ]


async def test_credits_are_counted_in_whole(core: Core) -> None:
    core.opens(policy(budgets=(Budget("points", Decimal(5), "credits"),)))
    core.till.currency, core.till.prices = "credits", {"cup": Decimal(6)}

    over = (await core.reviewed(BEA, Buy(things=["cup"]), confirmable=False)).problems[""]
    assert "This costs 6 credits, and of the budget “points” 5 credits are left" in over


async def test_more_than_an_owners_budget_is_for_its_owner_as_well(core: Core) -> None:
    owned = Budget("shop", Decimal(15), "USD", over="owner", owners=(OLGA, BEA))
    also = Budget("tiny", Decimal(1), "USD", over="owner", owners=(GUS,))
    core.opens(policy(budgets=(*policy().budgets, owned, also), default=terms(requester_may=True, needs=2)))
    core.till.prices = {"cup": Decimal("15.01")}
    request = await core.asked("cup", by=BEA)

    ruling = core.requests.ruling_of(request)
    assert ruling.over == ("shop", "tiny")
    assert (ruling.terms.approvers, ruling.terms.needs, ruling.terms.requester_may) == (DEFAULT.approvers, 2, False)
    assert ruling.terms.owners == ((OLGA, BEA), (GUS,))
    assert await core.held(request) == [Reservation(one, MONTH, Decimal("15.01")) for one in ("all", "shop", "tiny")]
    for nobody in (DORA, BEA):
        await refused(core.says(request, nobody), NotAllowed)
    assert (await core.says(request, OLGA)).state is S.AWAITING  # an owner, and one of the two
    assert (await core.last(request))[2]["lacks"] == [
        {"of": [FINANCE, OLGA], "more": 1, "budget": ""}, {"of": [GUS], "more": 1, "budget": "tiny"},
    ]  # fmt: skip
    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert "an owner of the budget" in str(await refused(core.says(request, FINN), NotAllowed))
    assert (await core.says(request, GUS)).state is S.APPROVED


async def test_owners_alone_are_not_enough(core: Core) -> None:
    owned = Budget("shop", Decimal(10), "USD", over="owner", owners=(DORA, GUS))
    core.opens(policy(budgets=(owned,), default=terms(needs=2)))
    core.till.prices = {"cup": Decimal("15.01")}
    request = await core.asked("cup")

    assert (await core.says(request, GUS)).state is S.AWAITING
    assert "have said yes already" in str(await refused(core.says(request, DORA), NotAllowed))
    assert (await core.says(request, FINN)).state is S.AWAITING
    assert (await core.says(request, OMAR)).state is S.APPROVED


async def test_what_nobody_would_have_been_asked_about_an_owner_decides_alone(core: Core) -> None:
    owned = Budget("shop", Decimal(5), "USD", over="owner", owners=(GUS,))
    small = Rule("small", Conditions(), terms(needs=2, auto_below=Decimal(50)))
    core.opens(policy(budgets=(owned,), rules=(small,)))
    core.till.prices = {"cup": Decimal(10)}
    request = await core.asked("cup")

    assert request.state is S.AWAITING
    await refused(core.says(request, OMAR), NotAllowed)
    assert (await core.says(request, GUS)).state is S.APPROVED


async def test_an_owner_is_needed_for_sending_once_more(core: Core) -> None:
    owned = Budget("shop", Decimal(5), "USD", over="owner", owners=(GUS,))
    core.opens(policy(budgets=(owned,)))
    core.till.prices = {"cup": Decimal(10)}
    request = await core.asked("cup")
    await core.says(request, GUS)
    await core.says(request, OMAR)
    core.clock.passes(seconds=UNDO.total_seconds())
    await core.breaks_off(request)

    again = await core.settling.settle(request.id, OMAR, "again")
    assert again.state is S.AWAITING
    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert (await core.says(request, GUS)).state is S.APPROVED


async def test_within_an_owners_budget_the_rules_decide(core: Core) -> None:
    core.opens(policy(budgets=(Budget("shop", Decimal(10), "USD", over="owner", owners=(OLGA,)),)))
    request = await core.asked("cup")

    assert core.requests.ruling_of(request).over == ()
    assert (await core.says(request, OMAR)).state is S.APPROVED
