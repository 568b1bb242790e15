"""Nobody could tell what became of an order: a person says it, and nothing is bought twice or forgotten by that."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.policy_settings import ApprovalSettings, BudgetSettings, RuleSettings
from bot.sandbox import payloads
from bot.sandbox.people import Person
from providers.accounts import PriceList
from providers.mailin.sandbox import Fault, Work
from storage.records import RequestState
from tests.house import House, Story, open_house, prices, reading

BUDGET = BudgetSettings(name="Sales", amount=Decimal(500), currency="USD", team="C0OUTREACH")
LISTINGS = ("domains", "google_domains", "login", "domain")
MEANWHILE = "This has been settled meanwhile, so your answer was not needed. Its thread tells how it went."
LOOKED_AGAIN = (
    "This was looked at once more since that card was shown. Nothing was changed: read the new card, then answer that."
)


@contextlib.asynccontextmanager
async def house_with(folder: Path, **said: Any) -> AsyncIterator[House]:
    """Omar and Finn may approve, unless it is `said` otherwise; a budget counts what #outreach spends."""
    async with open_house(folder, starts=False) as opened:
        approvals = ApprovalSettings(**{"approvers": ("U0OMAR", "U0FINN"), **said})
        await opened.starts(approvals=approvals, budgets=(BUDGET,))
        yield opened


@pytest.fixture
async def counting(tmp_path: Path) -> AsyncIterator[House]:
    async with house_with(tmp_path) as opened:
        yield opened


def used(house: House) -> tuple[float, float]:
    """What the budget has reserved and spent."""
    [(reserved, spent)] = house.on_disk("SELECT reserved / 1e6, spent / 1e6 FROM budget_months")
    return reserved, spent


def keys(house: House) -> list[str]:
    """The intents that were ever written, by the number of the attempt."""
    return [key.partition("#")[2] for (key,) in house.on_disk("SELECT key FROM intents ORDER BY at")]


async def unclear(house: House, *domains: str, by: Person | None = None, fault: Fault | None = None) -> Story:
    """Asked and approved; the connection broke, and the listing does not help: a person is asked."""
    story = await house.asks(by or house.ana, *(domains or ("acme.com",)))
    house.mailin.faults.add("buy_multiple" if len(domains) > 1 else "buy", fault or Fault.cut_before())
    await house.omar.clicks(story.card, "approve")
    await house.runs_for(minutes=10)
    assert await story.state() is RequestState.UNKNOWN
    return story


async def clicks(house: House, who: Person, card: Any, button: str) -> list[str]:
    """What the person was told privately for this click."""
    before = len(house.privately(who, "#approvals"))
    await who.clicks(card, button)
    await house.tick()
    return house.privately(who, "#approvals")[before:]


class TestOldCards:
    async def test_a_word_about_one_attempt_is_none_about_the_next(self, counting: House) -> None:
        story = await unclear(counting)
        first = story.card
        counting.mailin.faults.add("buy", Fault.cut_after())
        counting.mailin.listing_lag_seconds = 6000
        assert await clicks(counting, counting.omar, first, "settle_again") == []
        await counting.runs_for(minutes=10)
        assert (counting.bought, await story.state()) == (["acme.com"], RequestState.UNKNOWN)

        for button in ("settle_again", "settle_did_not", "settle_happened", "settle_wait"):
            assert await clicks(counting, counting.finn, first, button) == [MEANWHILE]
        await counting.runs_for(minutes=10)

        assert (counting.bought, keys(counting)) == (["acme.com"], ["1", "2"])
        assert await story.state() is RequestState.UNKNOWN

    @pytest.mark.parametrize("button", ["settle_did_not", "settle_again", "settle_happened", "settle_wait"])
    async def test_a_word_about_less_evidence_is_none_about_more(self, counting: House, button: str) -> None:
        story = await unclear(counting, "one.com", "two.com")
        nothing_seen = story.card
        await clicks(counting, counting.omar, nothing_seen, "settle_wait")
        await counting.runs_for(minutes=10)
        assert "[Keep watching]" in reading(story.card.blocks)

        assert await clicks(counting, counting.finn, nothing_seen, button) == [LOOKED_AGAIN]
        assert await story.state() is RequestState.UNKNOWN
        assert keys(counting) == ["1"]

    @pytest.mark.parametrize("value", ["", ":1", ":", ":1.0123456789abcdef", ":x.y"])
    async def test_a_button_of_another_version_is_answered_and_its_card_drawn_anew(
        self, counting: House, value: str
    ) -> None:
        story = await unclear(counting)
        [block] = [one for one in story.card.blocks if one["type"] == "actions"]
        old = {"type": "button", "action_id": "settle_again", "block_id": block["block_id"], "value": story.id + value}
        before = counting.on_disk("SELECT wanted FROM messages WHERE kind = 'card'")
        payload = payloads.message_action(counting.slack, counting.omar.user, story.card, old)
        await counting.slack.deliver("interactive", payload)
        await counting.tick()

        told = counting.privately(counting.omar, "#approvals")
        assert told == [LOOKED_AGAIN if value != ":x.y" else MEANWHILE]
        assert (await story.state(), keys(counting)) == (RequestState.UNKNOWN, ["1"])
        again = value != ":x.y"
        assert counting.on_disk("SELECT wanted FROM messages WHERE kind = 'card'") == [(before[0][0] + again,)]
        assert await clicks(counting, counting.omar, story.card, "settle_did_not") == []
        assert await story.state() is RequestState.FAILED


class TestWhatWasSeen:
    """One of two was bought, a look has seen it, and from then on the provider shows nothing."""

    @pytest.fixture
    async def half(self, counting: House) -> Story:
        counting.mailin.faults.add("buy_multiple", Fault.cut_after(work=Work.HALF))
        story = await counting.asks(counting.ana, "one.com", "two.com")
        await counting.omar.clicks(story.card, "approve")
        await counting.tick()
        await counting.runs_for(seconds=70)
        assert counting.bought == ["one.com"]
        return story

    def goes_blind(self, house: House) -> None:
        for operation in LISTINGS:
            house.mailin.faults.add(operation, Fault.answers(500), times=20_000)

    async def asked_blindly(self, story: Story) -> None:
        self.goes_blind(story.house)
        await story.house.runs_for(hours=60)
        assert await story.state() is RequestState.UNKNOWN
        story.house.mailin.faults.clear()
        card = reading(story.card.blocks)
        assert "`one.com` — live" in card or "`one.com` — bought" in card
        assert "`two.com` — not known" in card
        assert "In the account: one.com." in card

    async def test_it_is_on_the_card_though_the_last_look_failed(self, half: Story) -> None:
        house = half.house
        await self.asked_blindly(half)
        [refused] = await clicks(house, house.omar, half.card, "settle_again")
        assert refused.startswith("A part of this was seen at the provider: one.com.")
        assert keys(house) == ["1"]

        await clicks(house, house.omar, half.card, "settle_did_not")
        assert await half.state() is RequestState.FAILED
        assert used(house) == (0, 12.5)

    async def test_having_it_watched_forgets_nothing(self, half: Story) -> None:
        house = half.house
        await house.runs_for(minutes=10)
        await clicks(house, house.omar, half.card, "settle_wait")
        await self.asked_blindly(half)

        await clicks(house, house.finn, half.card, "settle_did_not")
        assert used(house) == (0, 12.5)
        assert house.bought == ["one.com"]

    async def test_what_happened_is_all_of_it_and_stays_named(self, half: Story) -> None:
        house = half.house
        await house.runs_for(minutes=10)
        [confirm] = [
            element["confirm"]["text"]["text"]
            for block in half.card.blocks
            for element in block.get("elements", ())
            if element.get("action_id") == "settle_happened"
        ]
        assert confirm.startswith("This means all of it: the request is closed as done, and all of its price ($25.00)")
        assert "[All of it happened]" in reading(half.card.blocks)

        await clicks(house, house.omar, half.card, "settle_happened")
        assert (await half.state(), used(house)) == (RequestState.SUCCEEDED, (0, 25))
        card = reading(half.card.blocks)
        assert "`one.com` — live" in card
        assert "`two.com` — bought, by a person's word" in card
        assert "A person looked and says that all of it happened." in card


class TestWhoMay:
    @pytest.mark.parametrize("button", ["settle_happened", "settle_did_not", "settle_again"])
    async def test_nobody_says_of_their_own_order_what_became_of_it(self, counting: House, button: str) -> None:
        story = await counting.asks(counting.omar, "acme.com")
        counting.mailin.faults.add("buy", Fault.cut_before())
        await counting.finn.clicks(story.card, "approve")
        await counting.runs_for(minutes=10)

        assert await clicks(counting, counting.omar, story.card, button) == [
            "This is your own request, so somebody else has to decide it. Nothing was changed."
        ]
        assert (await story.state(), used(counting)) == (RequestState.UNKNOWN, (12.5, 0))
        assert await clicks(counting, counting.omar, story.card, "settle_wait") == []
        assert story.thread[-1] == ":mag: <@U0OMAR> asked Postroom to keep watching."


class TestAgain:
    async def test_one_persons_word_does_not_send_what_two_decide(self, tmp_path: Path) -> None:
        async with house_with(tmp_path, needs=2, break_glass=("U0OMAR",), undo_seconds=60) as house:
            story = await house.asks(house.ana, "acme.com")
            house.mailin.faults.add("buy", Fault.cut_before())
            await house.omar.types(f"/postroom break-glass {story.id} The campaign starts", channel="#approvals")
            await house.omar.submits(await house.omar.sees_modal("run_now"))
            await house.runs_for(minutes=10)
            assert await story.state() is RequestState.UNKNOWN

            await clicks(house, house.finn, story.card, "settle_again")
            await house.runs_for(minutes=5)
            assert (await story.state(), house.bought, keys(house)) == (RequestState.AWAITING, [], ["1"])
            card = reading(story.card.blocks)
            assert "This was sent before. Somebody has looked and says that it did not happen; a yes sends it" in card
            assert "The campaign starts" not in card
            assert "It is sent once more when 2 people have said yes to that" in "\n".join(story.thread)

            await clicks(house, house.finn, story.card, "approve")
            await clicks(house, house.omar, story.card, "approve")
            assert "[Stop]" in reading(story.card.blocks)
            await house.runs_for(minutes=5)
            assert (house.bought, keys(house)) == (["acme.com"], ["1", "2"])
            assert used(house) == (0, 12.5)

    async def test_it_can_be_stopped_like_the_first_time(self, tmp_path: Path) -> None:
        async with house_with(tmp_path, undo_seconds=60, break_glass=("U0OMAR",)) as house:
            story = await house.asks(house.ana, "acme.com")
            house.mailin.faults.add("buy", Fault.cut_before())
            await house.omar.types(f"/postroom break-glass {story.id} The campaign starts", channel="#approvals")
            await house.omar.submits(await house.omar.sees_modal("run_now"))
            await house.runs_for(minutes=10)

            await clicks(house, house.finn, story.card, "settle_again")
            card = reading(story.card.blocks)
            assert "*Approved* by <@U0FINN>" in card
            assert "The campaign starts" not in card
            assert "once more <!date" in "\n".join(story.thread)
            await clicks(house, house.omar, story.card, "stop")
            await house.runs_for(minutes=5)
            assert (await story.state(), house.bought, keys(house)) == (RequestState.AWAITING, [], ["1"])

    async def test_a_price_that_rose_a_little_does_not_ask_anew(self, tmp_path: Path) -> None:
        async with house_with(tmp_path, price_tolerance_percent=10) as house:
            story = await house.asks(house.ana, "acme.co")
            house.mailin.faults.add("buy", Fault.cut_before())
            await house.restarts(prices=prices(domain_co="29"))
            await house.omar.clicks(story.card, "approve")
            await house.runs_for(minutes=10)
            assert await story.state() is RequestState.UNKNOWN

            await clicks(house, house.omar, story.card, "settle_again")
            await house.runs_for(minutes=5)
            assert (house.bought, used(house)) == (["acme.co"], (0, 29))


def calls_for_help(house: House, story: Story) -> list[str]:
    """What stands below the request's card."""
    return [reply.text for reply in house.slack.thread("C0APPROVALS", story.card.ts)[1:]]


class TestWhoIsAsked:
    async def test_those_who_may_are_called_and_reminded(self, counting: House) -> None:
        story = await unclear(counting)
        [asked] = calls_for_help(counting, story)
        assert asked == (
            ":warning: <@U0OMAR> <@U0FINN> Postroom cannot tell what became of *Buy acme.com (SMTP)*. Somebody has to "
            "look at the provider, and say on the card above what is true."
        )
        await counting.runs_for(hours=73)
        reminders = calls_for_help(counting, story)[1:]
        assert len(reminders) >= 3
        assert all(one.startswith(":alarm_clock: <@U0OMAR> <@U0FINN> Nobody has said for ") for one in reminders)

        await clicks(counting, counting.omar, story.card, "settle_did_not")
        await counting.runs_for(hours=73)
        assert len(calls_for_help(counting, story)) == len(reminders) + 1

    async def test_whoever_the_settings_name_by_now_may_say_it(self, tmp_path: Path) -> None:
        async with house_with(tmp_path, approvers=("U0OMAR",)) as house:
            story = await unclear(house)
            await house.restarts(approvals=ApprovalSettings(approvers=("U0FINN",)))
            await house.tick()
            assert (await clicks(house, house.finn, story.card, "settle_again"))[0].startswith("You are not among")
            assert await clicks(house, house.finn, story.card, "settle_did_not") == []
            assert (await story.state(), used(house)) == (RequestState.FAILED, (0, 0))

    async def test_what_ran_without_a_decision_gets_a_card_and_the_call_below_it(self, tmp_path: Path) -> None:
        small = RuleSettings(name="small", auto_below=Decimal(20), currency="USD")
        async with house_with(tmp_path, rules=(small,)) as house:
            house.mailin.faults.add("buy", Fault.cut_before())
            story = await house.asks(house.ana, "acme.com")
            await house.runs_for(minutes=10)
            assert await story.state() is RequestState.UNKNOWN
            assert len(calls_for_help(house, story)) == 1


class TestHeardLate:
    """The answer comes when somebody has already said that it did not happen."""

    async def sent_slowly(self, house: House) -> Story:
        house.mailin.listing_lag_seconds = 36_000
        story = await house.asks(house.ana, "acme.com")
        house.mailin.faults.add("buy", Fault.slow(4))
        await house.omar.clicks(story.card, "approve")
        if house.settings.approvals.needs == 2:
            await house.finn.clicks(story.card, "approve")
        house.clock.advance(minutes=11)  # there may be an undo window
        await house.inside.runs.run_approved()
        await asyncio.sleep(0.5)
        house.clock.advance(minutes=3)
        await house.inside.runs.settle_lapsed()
        for _ in range(12):
            house.clock.advance(seconds=60)
            await house.inside.jobs.look()
            await house.inside.jobs.looks.settled()
            await house.inside.delivery.deliver()
        assert "[Keep watching]" in reading(story.card.blocks)
        return story

    async def test_it_is_told_and_counted(self, counting: House) -> None:
        story = await self.sent_slowly(counting)
        await counting.omar.clicks(story.card, "settle_did_not")
        await counting.inside.runs.executions.settled()
        await counting.tick()

        assert (counting.bought, used(counting)) == (["acme.com"], (0, 12.5))
        said = "The provider has answered after all: *this* did happen, although somebody had said that it did not."
        assert story.thread[-1].startswith(f":rotating_light: <@U0ANA> {said}")
        assert calls_for_help(counting, story)[-1].startswith(":rotating_light: <@U0OMAR> <@U0FINN> The provider has")
        await counting.omar.types(f"/postroom history {story.id}", channel="#approvals")
        await counting.tick()
        history = counting.privately(counting.omar, "#approvals")[-1]
        assert "The provider answered when somebody had settled it already." in history
        assert "no words for" not in history

    @pytest.mark.parametrize("needs", [1, 2])
    async def test_what_was_to_be_sent_again_is_not(self, tmp_path: Path, needs: int) -> None:
        async with house_with(tmp_path, needs=needs, undo_seconds=600) as house:
            story = await self.sent_slowly(house)
            await house.omar.clicks(story.card, "settle_again")
            assert await story.state() is (RequestState.APPROVED if needs == 1 else RequestState.AWAITING)
            await house.inside.runs.executions.settled()
            await house.runs_for(hours=30)

            assert (house.bought, keys(house), used(house)) == (["acme.com"], ["1"], (0, 12.5))
            assert await story.state() is RequestState.SUCCEEDED


class TestKeptBack:
    async def test_it_can_be_stopped_by_whoever_may_approve(self, counting: House) -> None:
        """The provider rests because it kept failing, so nothing was sent to it."""
        client = counting.inside.requests.account_named("mailin-main").client
        until = counting.clock.now() + timedelta(hours=3)
        client.resting_until = lambda: until if counting.clock.now() < until else None
        story = await counting.approved(counting.ana, "acme.com")
        assert "[Stop]" in reading(story.card.blocks)
        await counting.finn.types(f"/postroom history {story.id}", channel="#approvals")
        await counting.tick()
        assert "no words for" not in counting.privately(counting.finn, "#approvals")[-1]

        assert await clicks(counting, counting.finn, story.card, "stop") == []
        await counting.runs_for(hours=4)
        assert (await story.state(), counting.bought, keys(counting)) == (RequestState.AWAITING, [], [])


class TestPerhapsCharged:
    async def test_an_order_that_failed_and_may_have_been_charged_counts(self, counting: House) -> None:
        listed = counting.settings.prices["mailin"]
        dearer = PriceList(currency="USD", prices={**listed.prices, "azure.order": Decimal(50)})
        await counting.restarts(prices={"mailin": dearer})
        counting.mailin.failing = {"acme.com"}
        form = await counting.form(counting.ana, "/postroom order-add acme.com")
        await counting.ana.fills(form, names="Ana Ruiz\nBo Li", reason="New campaign")
        await counting.ana.submits(form)
        await counting.ana.submits(await counting.ana.sees_modal("review"))
        story = await counting.story_of(counting.ana)
        await counting.omar.clicks(story.card, "approve")
        await counting.runs_for(hours=3)

        assert (await story.state(), used(counting)) == (RequestState.FAILED, (0, 50))
        assert "which it may have charged" in story.thread[-1]
        assert ":grey_question: `acme.com` — not known, not carried out, perhaps charged" in story.thread[-1]
