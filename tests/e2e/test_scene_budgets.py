"""Money: what a month has left, what a price may do between the yes and the sending, and nothing twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.policy_settings import ApprovalSettings, BudgetSettings
from handlers.slack.words import moment
from providers.mailin.sandbox import Fault
from storage.records import RequestState
from tests.house import House, Story, open_house, prices, reading


@contextlib.asynccontextmanager
async def house_with(folder: Path, *budgets: BudgetSettings, **said: Any) -> AsyncIterator[House]:
    """A house with these budgets, whose `[approvals]` say this."""
    async with open_house(folder, starts=False) as opened:
        approvals = ApprovalSettings(**{"approvers": ("U0OMAR", "U0FINN"), **said})
        await opened.starts(approvals=approvals, budgets=budgets)
        yield opened


def sales(amount: str = "100", **more: Any) -> BudgetSettings:
    """The budget of #outreach."""
    return BudgetSettings(name="Sales", amount=Decimal(amount), currency="USD", team="C0OUTREACH", **more)


def used(house: House) -> list[tuple[Any, ...]]:
    """What the months have reserved and spent, in dollars, as the file has it."""
    return house.on_disk("SELECT reserved / 1000000.0, spent / 1000000.0 FROM budget_months")


async def denies(house: House, story: Story) -> None:
    await house.omar.clicks(story.card, "deny")
    modal = await house.omar.sees_modal("deny")
    await house.omar.fills(modal, reason="No")
    await house.omar.submits(modal)
    await house.tick()


class TestBudget:
    @pytest.fixture
    async def house(self, tmp_path: Path) -> AsyncIterator[House]:
        async with house_with(tmp_path, sales()) as opened:
            yield opened

    async def test_the_review_and_the_card_say_what_is_left(self, house: House) -> None:
        await house.approved(house.ana, "first.com")
        await house.runs_for(minutes=5)
        await house.asks(house.ana, "second.co")

        line = "This: *$12.50* · Sales after: *$53.00* of $100.00 (spent $12.50, reserved $28.00)\n`█▓▓▓▓░░░░░`"
        review = await house.review(house.ana, "third.com")
        assert line in reading(review.blocks)
        await house.ana.submits(review)
        story = await house.story_of(house.ana)
        assert line in reading(story.card.blocks)

        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=5)
        assert "This: *$12.50* · Sales now: *$53.00* of $100.00 (spent $25.00, reserved $28.00)" in reading(
            story.card.blocks
        )

    async def test_more_than_is_left_is_refused_and_the_form_keeps_everything(self, house: House) -> None:
        form = await house.form(house.ana, "/domain buy a.co b.co c.co d.co")
        await house.ana.fills(form, reason="All of them", hosting="google")
        await house.ana.submits(form)
        again = await house.ana.sees_modal(lambda modal: modal.callback_id == "form" and modal.reads("Sales"))

        assert again.reads(
            ":warning: This costs 112.00 USD, and of the budget “Sales” 100.00 USD are left this month. Nothing was "
            "asked. Ask for less, wait for next month, or talk to whoever sets the budget."
        )
        assert again.values["domains"] == "a.co\nb.co\nc.co\nd.co"
        assert again.values["reason"] == "All of them"
        assert again.values["hosting"] == "google"

    async def test_two_who_confirm_at_once_never_overshoot_together(self, house: House) -> None:
        reviews = []
        for number, person in enumerate((house.ana, house.omar, house.finn)):
            reviews.append((person, await house.review(person, f"a{number}.co", f"b{number}.co")))
        sent = await asyncio.gather(*(person.submits(review) for person, review in reviews))
        await house.tick()

        assert sorted(one.result for one in sent) == ["cleared", "updated", "updated"]
        refused = [one.modal for one in sent if one.result == "updated"]
        for modal in refused:
            assert modal is not None
            assert modal.callback_id == "form"
            assert modal.reads("of the budget “Sales” 44.00 USD are left this month. Nothing was asked.")
        assert used(house) == [(56.0, 0.0)]

    async def test_what_does_not_happen_is_free_again(self, house: House) -> None:
        await denies(house, await house.asks(house.ana, "a.co"))
        assert used(house) == [(0.0, 0.0)]

        story = await house.asks(house.ana, "b.co")
        assert used(house) == [(28.0, 0.0)]
        await house.ana.clicks(story.parent, "cancel")
        await house.tick()
        assert used(house) == [(0.0, 0.0)]

        story = await house.asks(house.ana, "c.co")
        house.mailin.faults.add("buy", Fault.answers(311))
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=5)
        assert await story.state() is RequestState.FAILED
        assert used(house) == [(0.0, 0.0)]
        assert "Sales" not in reading(story.card.blocks)

    async def test_what_expires_is_free_again(self, tmp_path: Path) -> None:
        async with house_with(tmp_path / "..", sales(), wait_hours=1) as house:
            await house.asks(house.ana, "a.co")
            await house.runs_for(hours=1)
            assert used(house) == [(0.0, 0.0)]

    async def test_of_what_was_bought_in_part_only_that_is_spent(self, house: House) -> None:
        house.mailin.failing = {"bad.co"}
        story = await house.approved(house.ana, "good.com", "bad.co")
        await house.runs_for(minutes=10)

        assert await story.state() is RequestState.FAILED
        assert used(house) == [(0.0, 12.5)]
        assert "This: *$12.50* · Sales now: *$12.50* of $100.00" in reading(story.card.blocks)

    async def test_what_is_taken_out_is_free_again(self, house: House) -> None:
        story = await house.asks(house.ana, "one.com", "two.co")
        await house.omar.clicks(story.card, "choose")
        modal = await house.omar.sees_modal("items")
        await house.omar.fills(modal, **{"items:0": ["0"]})
        await house.omar.submits(modal)
        await house.runs_for(minutes=5)
        assert used(house) == [(0.0, 12.5)]

    async def test_over_the_budget_its_owner_has_to_say_yes_as_well(self, tmp_path: Path) -> None:
        owned = sales("20", over="owner", owners=("U0FINN",))
        async with house_with(tmp_path / "..", owned) as house:
            story = await house.asks(house.ana, "a.co")
            card = reading(story.card.blocks)
            assert "· :warning: $8.00 over\n`▓▓▓▓▓▓▓▓▓▓`" in card
            assert "*Needs one of them, and for the budget “Sales” <@U0FINN>.*" in card
            assert "It goes over the budget “Sales”." in card

            await house.omar.clicks(story.card, "approve")
            await house.runs_for(minutes=5)
            assert house.bought == []
            assert "for the budget “Sales” <@U0FINN>:* <@U0OMAR> has said yes." in reading(story.card.blocks)
            assert any("For the budget “Sales” <@U0FINN> has to" in line for line in story.thread)
            await house.finn.clicks(story.card, "approve")
            await house.runs_for(minutes=5)
            assert house.bought == ["a.co"]

    async def test_an_owner_who_may_decide_anyway_is_enough(self, tmp_path: Path) -> None:
        owned = sales("20", over="owner", owners=("U0FINN",))
        async with house_with(tmp_path / "..", owned) as house:
            story = await house.asks(house.ana, "a.co")
            await house.finn.clicks(story.card, "approve")
            await house.runs_for(minutes=5)
            assert house.bought == ["a.co"]


class TestThePrice:
    @pytest.fixture
    async def house(self, tmp_path: Path) -> AsyncIterator[House]:
        async with house_with(tmp_path, sales(), price_tolerance_percent=5) as opened:
            yield opened

    async def test_a_little_more_goes_on(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.omar.clicks(story.card, "approve")
        await house.restarts(prices=prices(domain_com="13.125"))  # 5 % more
        await house.runs_for(minutes=5)

        assert house.bought == ["acme.com"]
        assert "Cost: $13.125." in story.thread[-1]
        assert used(house) == [(0.0, 13.125)]

    async def test_more_than_that_asks_again_and_shows_both_lines(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com", "acme.co")
        await house.omar.clicks(story.card, "approve")
        await house.restarts(prices=prices(domain_com="14.93"))  # 6 % more for both together
        await house.tick()

        assert house.bought == []
        assert story.thread[-1].splitlines()[1:] == [
            "• `acme.com` — $12.50 → *$14.93*",
            "Total: $40.50 → *$42.93*",
        ]
        card = reading(story.card.blocks)
        assert (
            ":warning: *The price has changed since this was asked before:*\n• `acme.com` — $12.50 → *$14.93*\n"
            "• `acme.co` — $28.00\nTotal: $40.50 → *$42.93*"
        ) in card
        assert used(house) == [(42.93, 0.0)]

        await house.finn.clicks(story.card, "approve")
        await house.runs_for(minutes=5)
        assert sorted(house.bought) == ["acme.co", "acme.com"]
        assert "The price has changed" not in reading(story.card.blocks)


class TestNothingTwice:
    async def test_what_is_asked_already_is_refused_above_the_form(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        form = await house.form(house.finn, "/domain buy acme.com acme.co")
        await house.finn.fills(form, reason="Me too")
        await house.finn.submits(form)
        again = await house.finn.sees_modal(lambda modal: modal.callback_id == "form" and modal.reads(story.id))

        assert again.reads(
            f":warning: This has been asked already and is not finished: acme.com ({story.id}). <@U0ANA> has asked for "
            f"it {moment(house.clock.now())}. Nothing was asked. /postroom jobs shows how it is getting on."
        )
        assert again.values["domains"] == "acme.com\nacme.co"

    async def test_who_asked_in_another_channel_is_not_named(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com", channel="#general")
        form = await house.form(house.finn, "/domain buy acme.com")
        await house.finn.fills(form, reason="Me too")
        await house.finn.submits(form)
        again = await house.finn.sees_modal(lambda modal: modal.callback_id == "form" and modal.reads(story.id))

        assert again.reads("This has been asked already and is not finished: acme.com")
        assert not again.reads("U0ANA")

    async def test_of_two_who_confirm_the_same_at_once_one_is_asked(self, house: House) -> None:
        first, second = await house.review(house.ana, "acme.com"), await house.review(house.finn, "acme.com")
        sent = await asyncio.gather(house.ana.submits(first), house.finn.submits(second))
        await house.tick()

        assert sorted(one.result for one in sent) == ["cleared", "updated"]
        [form] = [one.modal for one in sent if one.result == "updated"]
        assert form is not None
        assert form.reads("This has been asked already and is not finished: acme.com")
        assert form.values["domains"] == "acme.com"
        assert house.on_disk("SELECT count(*) FROM requests WHERE state = 'awaiting_approval'") == [(1,)]

    async def test_what_was_taken_out_can_be_asked_anew(self, house: House) -> None:
        story = await house.asks(house.ana, "one.com", "two.co")
        await house.omar.clicks(story.card, "choose")
        modal = await house.omar.sees_modal("items")
        await house.omar.fills(modal, **{"items:0": ["0"]})
        await house.omar.submits(modal)
        await house.tick()

        await house.approved(house.ana, "two.co")
        await house.runs_for(minutes=5)
        assert house.bought == ["one.com", "two.co"]

    async def test_a_person_has_it_sent_again_with_another_key(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.mailin.faults.add("buy", Fault.cut_before())
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=30)
        assert house.bought == []
        [confirm] = [
            element["confirm"]["text"]["text"]
            for block in story.card.blocks
            for element in block.get("elements", ())
            if element.get("action_id") == "settle_again"
        ]
        assert "the money is spent a second time" in confirm

        await house.ana.clicks(story.card, "settle_again")
        await house.tick()
        assert len(house.privately(house.ana, "#approvals")) == 1
        old = story.card
        await house.finn.clicks(old, "settle_again")
        await house.omar.clicks(old, "settle_again")
        await house.runs_for(minutes=5)

        assert house.bought == ["acme.com"]
        assert house.calls["buy"] == 2
        keys = [key for (key,) in house.on_disk("SELECT key FROM intents ORDER BY at")]
        assert keys == [f"{story.id}#1", f"{story.id}#2"]
        told = ":repeat: <@U0FINN> looked and says: it did not happen. It is sent to the provider once more. <@U0ANA>"
        assert told in story.thread
        assert len(house.privately(house.omar, "#approvals")) == 1
