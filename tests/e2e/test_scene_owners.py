"""Budgets that their owners look after: what people read when one is away, has left, or is not needed any more."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.policy_settings import BudgetSettings, RuleSettings
from bot.sandbox.model import User
from storage.records import RequestState
from tests.e2e.test_scene_budgets import house_with
from tests.house import reading


def sales(amount: str, **more: Any) -> BudgetSettings:
    """Finn's budget of #outreach."""
    said = {"team": "C0OUTREACH", "over": "owner", "owners": ("U0FINN",), **more}
    return BudgetSettings(name="Sales", amount=Decimal(amount), currency="USD", **said)


async def test_what_fits_once_something_was_taken_out_needs_no_owner(tmp_path: Path) -> None:
    async with house_with(tmp_path, sales("20"), approvers=("U0OMAR",)) as house:
        story = await house.asks(house.ana, "a.co", "b.com")
        await house.omar.clicks(story.card, "choose")
        modal = await house.omar.sees_modal("items")
        await house.omar.fills(modal, **{"items:0": ["1"]})
        await house.omar.submits(modal)
        await house.tick()

        assert story.thread[-1].endswith(
            "With that, it fits the budget “Sales”. The card in <#C0APPROVALS> asks for that; nothing is decided yet."
        )
        card = reading(story.card.blocks)
        assert "<@U0OMAR> can decide." in card
        assert "budget" not in card
        assert "over\n" not in card
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=5)
        assert house.bought == ["b.com"]


async def test_who_decides_in_the_owners_place_clicks_once(tmp_path: Path) -> None:
    async with house_with(tmp_path, sales("20"), approvers=("U0OMAR",)) as house:
        await house.finn.types("/postroom away until friday <@U0OMAR>", channel="#outreach")
        story = await house.asks(house.ana, "a.co")
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=5)

        assert ":white_check_mark: <@U0OMAR> (also for <@U0FINN>) approved this." in "\n".join(story.thread)
        assert house.bought == ["a.co"]
        await house.ana.types(f"/postroom history {story.id}", channel="#outreach")
        await house.tick()
        assert "<@U0OMAR> said yes also in <@U0FINN>'s place" in house.privately(house.ana, "#outreach")[-1]


async def test_an_owner_who_has_left_is_stood_in_for_and_the_rules_people_are_not(tmp_path: Path) -> None:
    board = RuleSettings(name="board", approvers=("U0IVY",))
    house_of = house_with(tmp_path, sales("20"), approvers=("U0OMAR",), rules=(board,))
    async with house_of as house:
        house.slack.add_user(User("U0IVY", "ivy", "Ivy"), "#approvals")
        house.slack.deactivate("finn")
        story = await house.asks(house.ana, "a.co")

        told = "There is nobody who may decide about more than the budget “Sales” has. You may decide it as well now"
        assert any(told in line for line in story.thread)
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=5)
        assert await story.state() is RequestState.AWAITING
        assert house.bought == []
        await house.omar.types(f"/postroom why {story.id}", channel="#outreach")
        await house.tick()
        assert (
            "Too few of the owners of the budget “Sales” can say so now, so <@U0OMAR> may in their place."
            in house.privately(house.omar, "#outreach")[-1]
        )
