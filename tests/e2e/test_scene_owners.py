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


async def test_the_card_says_whose_yes_is_missing(tmp_path: Path) -> None:
    asked = RuleSettings(name="two", approvers=("S0FINANCE", "U0LENA"), needs=2, ping=("U0LENA",))
    async with house_with(tmp_path, sales("20"), approvers=("U0OMAR",), rules=(asked,)) as house:
        house.slack.add_user(User("U0LENA", "lena", "Lena Roth", email="lena@acme.test"), "approvals")
        lena = house.slack.person("lena")
        story = await house.asks(house.ana, "a.co")
        assert "Still missing" not in reading(story.card.blocks)

        await house.finn.clicks(story.card, "approve")
        await house.tick()
        assert "*Still missing: 2 people's yes from <!subteam^S0FINANCE> or <@U0LENA>.* " in reading(story.card.blocks)
        await house.omar.clicks(story.card, "approve")
        await house.tick()
        assert "*Still missing: a yes from <!subteam^S0FINANCE> or <@U0LENA>.* " in reading(story.card.blocks)
        await lena.clicks(story.card, "approve")
        await house.runs_for(minutes=5)
        assert house.bought == ["a.co"]


async def test_whoever_has_said_yes_is_not_among_those_whose_yes_is_missing(tmp_path: Path) -> None:
    both = RuleSettings(name="both", approvers=("U0OMAR", "U0LENA"), needs=2)
    async with house_with(tmp_path, sales("20"), approvers=("U0OMAR",), rules=(both,)) as house:
        house.slack.add_user(User("U0LENA", "lena", "Lena Roth", email="lena@acme.test"), "approvals")
        story = await house.asks(house.ana, "a.co")
        await house.omar.clicks(story.card, "approve")
        await house.tick()
        assert ("*Still missing: a yes from <@U0LENA> and a yes from <@U0FINN> for the budget “Sales”.* ") in reading(
            story.card.blocks
        )


async def test_only_the_owners_yes_is_missing_and_the_card_says_so_wherever_it_is(tmp_path: Path) -> None:
    asked = RuleSettings(name="finance", approvers=("S0FINANCE", "U0LENA"), ping=("U0LENA",))
    owned = sales("20", owners=("S0GROWTH",))
    async with house_with(tmp_path, owned, approvers=("U0OMAR",), rules=(asked,)) as house:
        house.slack.add_user(User("U0LENA", "lena", "Lena Roth", email="lena@acme.test"), "approvals", "outreach")
        story = await house.asks(house.ana, "a.co")
        assert "Others may decide as well" in reading(story.card.blocks)  # so far anybody's yes is wanted

        await house.omar.clicks(story.card, "approve")
        await house.tick()

        missing = (
            "*Needs one of them, and for the budget “Sales” <!subteam^S0GROWTH>:* <@U0OMAR> has said yes. "
            f"*Still missing: a yes from <!subteam^S0GROWTH> for the budget “Sales”.* `/postroom why {story.id}` says "
            "who may decide."
        )
        assert missing in reading(story.card.blocks)
        await house.omar.types("/postroom requests all", channel="#outreach")
        await house.tick()
        await house.omar.clicks(house.omar.ephemerals("#outreach")[-1], f"open:{story.id}")
        await house.tick()
        assert (await house.omar.sees_modal("Request")).reads(missing)
        await house.omar.types("/postroom digest", channel="#outreach")
        await house.tick()
        await house.omar.clicks(house.omar.ephemerals("#outreach")[-1], "Look")
        await house.tick()
        assert missing in reading(house.omar.ephemerals("#outreach")[-1].blocks)

        await house.omar.types(f"/postroom why {story.id}", channel="#outreach")
        await house.tick()
        why = house.privately(house.omar, "#outreach")[-1]
        assert "• It goes over the budget “Sales”, so <!subteam^S0GROWTH> has to say yes as well." in why
        assert "S0" not in why.replace("<!subteam^S0", "")  # nobody is shown an id

        # Where others decide by now, it is not said what no longer is so.
        both = RuleSettings(name="finance", approvers=("S0FINANCE", "U0LENA"), needs=2, ping=("U0LENA",))
        approvals = house.settings.approvals.model_copy(update={"rules": (both,)})
        await house.restarts(approvals=approvals)
        await house.tick()
        assert "Still missing" not in reading(story.card.blocks)
        assert "*Needs 2 people, and for the budget “Sales” <!subteam^S0GROWTH>:* <@U0OMAR> has said yes. " in reading(
            story.card.blocks
        )


async def test_where_a_yes_counts_no_more_it_is_not_said_that_only_the_owners_is_missing(tmp_path: Path) -> None:
    three = RuleSettings(name="three", approvers=("U0OMAR", "U0LENA", "U0IVY"), needs=2)
    async with house_with(tmp_path, sales("20"), approvers=("U0OMAR",), rules=(three,)) as house:
        house.slack.add_user(User("U0LENA", "lena", "Lena Roth", email="lena@acme.test"), "approvals")
        house.slack.add_user(User("U0IVY", "ivy", "Ivy"), "approvals")
        story = await house.asks(house.ana, "a.co")
        await house.omar.clicks(story.card, "approve")
        await house.tick()
        await house.slack.person("lena").clicks(story.card, "approve")
        await house.tick()
        assert "*Still missing: a yes from <@U0FINN> for the budget “Sales”.*" in reading(story.card.blocks)

        house.slack.deactivate("lena")
        await house.runs_for(days=1, hours=1)

        assert any("The yes of <@U0LENA> counts no more" in line for line in story.thread)
        card = reading(story.card.blocks)
        assert "Still missing" not in card
        assert "*Needs 2 people, and for the budget “Sales” <@U0FINN>:* <@U0OMAR> has said yes. " in card
