"""What counts against a budget, what is the same request, and that nobody decides what they cannot read."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from bot.policy_settings import ApprovalSettings, BudgetSettings, RuleSettings
from storage.records import RequestState
from tests.house import REASON, House, open_house, prices, reading

BUDGET = BudgetSettings(name="Sales", amount=Decimal(50), currency="USD", team="C0OUTREACH")
OWNED = BudgetSettings(name="Sales", amount=Decimal(50), currency="USD", over="owner", owners=("U0FINN",))


def used(house: House) -> list[tuple[float, float]]:
    """What the months have set apart and spent, in dollars."""
    return house.on_disk("SELECT reserved / 1000000.0, spent / 1000000.0 FROM budget_months")


class TestUnknownPrices:
    async def test_what_is_known_counts_although_not_all_is(self, tmp_path: Path) -> None:
        async with open_house(tmp_path, starts=False) as house:
            await house.starts(budgets=(BUDGET,), prices=prices(domain_ca=None))
            await house.asks(house.ana, "a.co", "b.ca")
            assert used(house) == [(28.0, 0.0)]

            form = await house.form(house.ana, "/domain buy c.co d.ca")
            await house.ana.fills(form, reason=REASON)
            await house.ana.submits(form)
            refused = await house.ana.sees_modal(lambda modal: modal.callback_id == "form" and modal.reads("Sales"))
            assert refused.reads("22.00 USD are left this month. Nothing was asked.")

    async def test_what_is_left_when_the_unknown_is_taken_out_is_ruled_and_counted_anew(self, tmp_path: Path) -> None:
        async with open_house(tmp_path, starts=False) as house:
            much = RuleSettings(name="Much", over=Decimal(50), currency="USD", approvers=("U0FINN",))
            approvals = ApprovalSettings(approvers=("U0OMAR", "U0FINN"), rules=(much,))
            month = BUDGET.model_copy(update={"amount": Decimal(100)})
            await house.starts(approvals=approvals, budgets=(month,), prices=prices(domain_ca=None))
            story = await house.asks(house.ana, "a.co", "b.co", "c.ca")
            await house.omar.clicks(story.card, "choose")
            items = await house.omar.sees_modal("items")
            await house.omar.fills(items, **{"items:0": ["0", "1"]})
            await house.omar.submits(items)
            await house.tick()

            assert house.bought == []
            assert await story.state() is RequestState.AWAITING
            assert story.thread[-1].splitlines() == [
                ":wastebasket: <@U0OMAR> took out `c.ca`. What is left costs $56.00.",
                ":heavy_minus_sign: With that, the price of what is left is known: $56.00. The card in <#C0APPROVALS> "
                "asks for that; nothing is decided yet.",
            ]
            assert used(house) == [(56.0, 0.0)]
            await house.omar.clicks(story.card, "approve")
            await house.tick()
            assert house.bought == []  # the rule for that much names Finn alone
            await house.finn.clicks(story.card, "approve")
            await house.runs_for(minutes=5)
            assert house.bought == ["a.co", "b.co"]
            assert used(house) == [(0.0, 56.0)]


class TestTheSameTwice:
    async def test_a_domain_is_asked_for_once_whichever_way_it_is_bought(self, tmp_path: Path) -> None:
        async with open_house(tmp_path) as house:
            first = await house.asks(house.ana, "dup.co")
            form = await house.form(house.finn, "/domain buy-many dup.co other.co")
            await house.finn.fills(form, reason=REASON)
            await house.finn.submits(form)
            refused = await house.finn.sees_modal(lambda m: m.callback_id == "form" and m.reads("asked already"))
            assert refused.reads(f"This has been asked already and is not finished: dup.co ({first.id}).")

    async def test_the_very_same_list_is_verified_once(self, tmp_path: Path) -> None:
        async with open_house(tmp_path) as house:
            for turn in range(2):
                form = await house.form(house.ana, "/verify list")
                await house.ana.fills(form, addresses="kim@globex.com\nlee@initech.com", reason=REASON)
                await house.ana.submits(form)
                if turn == 0:
                    await house.ana.submits(await house.ana.sees_modal("review"))
                    await house.tick()
            refused = await house.ana.sees_modal(lambda m: m.callback_id == "form" and m.reads("asked already"))
            assert refused.reads("This has been asked already and is not finished: the very same (req_")

    async def test_the_same_at_another_account_is_another_thing_unless_it_is_a_domain(self, tmp_path: Path) -> None:
        async with open_house(tmp_path, accounts=("mailin-main", "mailin-spare")) as house:
            for account in ("mailin-main", "mailin-spare"):
                form = await house.form(house.ana, "/verify list")
                await house.ana.fills(form, account=account, addresses="kim@globex.com", reason=REASON)
                await house.ana.submits(form)
                await house.ana.submits(await house.ana.sees_modal("review"))
                await house.tick()
            asked = house.on_disk("SELECT account FROM requests WHERE state = 'awaiting_approval' ORDER BY account")
            assert asked == [("mailin-main",), ("mailin-spare",)]


class TestRulesThatChange:
    async def test_a_new_budget_counts_what_waits_already(self, tmp_path: Path) -> None:
        async with open_house(tmp_path) as house:
            story = await house.asks(house.ana, "a.co", "b.co")
            assert used(house) == []
            await house.restarts(budgets=(OWNED,))
            await house.tick()
            assert used(house) == [(56.0, 0.0)]
            assert "Finn" in reading(story.card.blocks) or "<@U0FINN>" in reading(story.card.blocks)

            await house.finn.clicks(story.card, "approve")
            await house.runs_for(minutes=5)
            assert used(house) == [(0.0, 56.0)]

            await house.restarts(budgets=())
            other = await house.asks(house.ana, "c.co")
            await house.restarts(budgets=(OWNED,))
            await house.restarts(budgets=())
            await house.tick()
            assert await other.state() is RequestState.AWAITING
            assert used(house) == [(0.0, 56.0)]


class TestManyNames:
    async def test_every_single_one_is_on_the_review_and_on_the_card(self, tmp_path: Path) -> None:
        names = [f"a-rather-long-name-of-a-domain-for-our-campaign-{number:02}.com" for number in range(50)]
        async with open_house(tmp_path) as house:
            review = await house.review(house.ana, *names)
            assert [name for name in names if name not in reading(review.blocks)] == []
            await house.ana.submits(review)
            story = await house.story_of(house.ana)
            assert [name for name in names if name not in reading(story.card.blocks)] == []
            assert "more" not in reading(story.card.blocks).split("Reason")[0]
