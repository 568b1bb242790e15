"""Who is entitled at this very moment: people leave, groups empty, rules and prices change while something waits."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.policy_settings import ApprovalSettings, BudgetSettings, RuleSettings
from bot.sandbox.faults import Fault as SlackFault
from bot.sandbox.model import User, UserGroup
from bot.sandbox.people import Person
from providers.simulator import Fault
from storage.records import RequestState
from tests.house import House, Story, open_house, prices, reading

NOT_AMONG = "You are not among the people who may decide this. Nothing was changed."
NOBODY = "There is nobody who may decide this."
EMPTY = "S0EMPTY"


@contextlib.asynccontextmanager
async def house_of(folder: Path, *budgets: BudgetSettings, **said: Any) -> AsyncIterator[House]:
    """A house whose `[approvals]` say this; Eve is there as well, and a group without anybody."""
    async with open_house(folder, starts=False) as opened:
        opened.slack.add_user(User("U0EVE", "eve", "Eve Moss"), "#approvals", "#outreach")
        opened.slack.add_group(UserGroup(EMPTY, "empty", "Empty", ()))
        approvals = ApprovalSettings(**{"approvers": ("U0OMAR", "U0FINN"), **said})
        await opened.starts(approvals=approvals, budgets=budgets)
        yield opened


def owned(*owners: str) -> BudgetSettings:
    """A budget that the first domain goes over; these may allow more."""
    return BudgetSettings(
        name="Sales", amount=Decimal(5), currency="USD", team="C0OUTREACH", over="owner", owners=owners
    )


async def refusals(house: House, story: Story) -> list[tuple[str, str, str]]:
    """Who clicked in vain, on what, and why, as the audit has it."""
    facts = await house.inside.store.facts.of(story.id)
    return [(one.actor, one.detail["wanted"], one.detail["why"]) for one in facts if one.what == "click_refused"]


async def goes(house: House, name: str) -> None:
    """Somebody's account is deactivated, and what Slack said before is too old."""
    house.slack.deactivate(name)
    house.clock.advance(minutes=5)


async def hands_over(house: House, who: Person, to: Person) -> None:
    await who.types(f"/postroom away for 2 weeks <@{to.id}>", channel="#approvals")
    await house.tick()


class TestWhoIsGone:
    async def test_the_right_of_somebody_deactivated_is_nobodys(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, approvers=("U0OMAR",)) as house:
            await hands_over(house, house.omar, house.finn)
            story = await house.asks(house.ana, "acme.com")
            await goes(house, "omar")

            await house.finn.clicks(story.card, "approve")
            await house.tick()

            assert house.privately(house.finn, "#approvals")[-1] == NOT_AMONG
            assert await story.state() is RequestState.AWAITING
            assert house.bought == []

    async def test_nor_may_their_stand_in_have_it_sent_once_more(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, approvers=("U0OMAR",)) as house:
            house.mailin.faults.add("buy", Fault.cut_before())
            story = await house.approved(house.ana, "acme.com")
            await hands_over(house, house.omar, house.finn)
            await house.runs_for(minutes=5)
            await goes(house, "omar")

            await house.finn.clicks(story.card, "settle_again")
            await house.runs_for(minutes=5)

            assert house.bought == []
            assert len(house.on_disk("SELECT key FROM intents")) == 1

    async def test_nobody_left_is_noticed_and_the_next_are_asked(self, tmp_path: Path) -> None:
        said: dict[str, Any] = {"escalate_to": ("U0FINN",), "escalate_after_hours": 24}
        async with house_of(tmp_path, approvers=("U0OMAR",), **said) as house:
            house.slack.deactivate("omar")

            story = await house.asks(house.ana, "acme.com")

            assert f":mega: <@U0FINN> {NOBODY} You may decide it as well now" in story.thread[-1]
            await house.finn.clicks(story.card, "approve")
            await house.tick()
            assert house.bought == ["acme.com"]

    @pytest.mark.parametrize("word", ["no_such_subteam", "subteam_not_found"])
    async def test_a_group_that_slack_no_longer_has_stops_nobody_else(self, tmp_path: Path, word: str) -> None:
        async with house_of(tmp_path, approvers=(EMPTY, "U0OMAR")) as house:
            house.slack.faults.add("usergroups.users.list", SlackFault.error(word), times=None)
            story = await house.asks(house.ana, "acme.com")

            await house.omar.clicks(story.card, "approve")
            await house.tick()

            assert house.bought == ["acme.com"]


class TestVotesOfThoseWhoMayNoLonger:
    async def test_of_somebody_deactivated(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, approvers=("U0OMAR", "U0FINN", "U0EVE"), needs=2) as house:
            story = await house.asks(house.ana, "acme.com")
            await house.finn.clicks(story.card, "approve")
            await house.tick()
            await goes(house, "finn")

            await house.omar.clicks(story.card, "approve")
            await house.tick()

            assert await story.state() is RequestState.AWAITING
            assert "<@U0OMAR> has said yes, 1 more" in reading(story.card.blocks)
            assert "The yes of <@U0FINN> counts no more" in story.thread[-1]
            await house.slack.person("eve").clicks(story.card, "approve")
            await house.tick()
            assert house.bought == ["acme.com"]
            assert "<@U0FINN>" not in reading(story.card.blocks)

    async def test_of_somebody_who_left_the_group(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, approvers=("S0GROWTH", "U0OMAR"), needs=2) as house:
            house.slack.set_group("growth", ["finn", "eve"])
            story = await house.asks(house.ana, "acme.com")
            await house.finn.clicks(story.card, "approve")
            await house.tick()
            house.slack.set_group("growth", ["eve"])
            house.clock.advance(minutes=5)

            await house.omar.clicks(story.card, "approve")
            await house.tick()

            assert await story.state() is RequestState.AWAITING
            assert house.bought == []

    async def test_of_somebody_whom_the_rules_do_not_name_any_more(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, needs=2) as house:
            story = await house.asks(house.ana, "acme.com")
            await house.omar.clicks(story.card, "approve")
            await house.tick()

            await house.restarts(approvals=ApprovalSettings(approvers=("U0EVE", "U0FINN"), needs=2))
            await house.tick()
            assert "has said yes" not in reading(story.card.blocks)
            assert "The yes of <@U0OMAR> counts no more" in story.thread[-1]
            await house.finn.clicks(story.card, "approve")
            await house.tick()

            assert await story.state() is RequestState.AWAITING
            assert house.bought == []

    async def test_who_has_said_yes_learns_so_before_choosing_items(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, needs=2) as house:
            story = await house.asks(house.ana, "acme.com", "acme.co")
            await house.omar.clicks(story.card, "approve")
            await house.tick()

            await house.omar.clicks(story.card, "choose")
            await house.tick()

            assert house.omar.modal is None
            assert "You have already approved this" in house.privately(house.omar, "#approvals")[-1]


@pytest.mark.parametrize("button", ["approve", "deny"])
async def test_what_has_expired_is_not_decided_even_before_anybody_noticed(tmp_path: Path, button: str) -> None:
    async with house_of(tmp_path, wait_hours=1) as house:
        story = await house.asks(house.ana, "acme.com")
        house.clock.advance(hours=2)

        await house.omar.clicks(story.card, button)

        assert await story.state() is RequestState.EXPIRED
        await house.tick()
        assert house.omar.modal is None
        assert house.bought == []
        assert "has expired" in house.privately(house.omar, "#approvals")[-1]
        assert ("U0OMAR", button) in [(by, what) for by, what, _ in await refusals(house, story)]


class TestBreakGlassByCommand:
    async def test_it_shows_what_and_the_price_and_runs_only_what_was_shown(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, break_glass=("U0EVE",), price_tolerance_percent=0) as house:
            eve = house.slack.person("eve")
            story = await house.asks(house.ana, "acme.co")
            await eve.types(f"/postroom break-glass {story.id} It is noon", channel="#approvals")
            modal = await eve.sees_modal("run_now")
            assert modal.reads("Buy acme.co (SMTP)")
            assert modal.reads("$28.00")
            assert "It is noon" in str(modal.view)
            await house.tick()
            assert house.bought == []

            await house.omar.clicks(story.card, "approve")
            await house.restarts(prices=prices(domain_co="400"))
            await house.tick()
            sent = await eve.submits(modal)
            await house.tick()

            assert sent.modal is not None
            assert sent.modal.reads("has changed since that card was shown")
            assert await story.state() is RequestState.AWAITING
            assert house.bought == []


class TestClicksInVain:
    async def test_old_cards_and_late_clicks_are_in_the_audit_with_why_and_once(self, tmp_path: Path) -> None:
        async with house_of(tmp_path) as house:
            story = await house.asks(house.ana, "acme.com")
            card, parent = story.card, story.parent
            eve = house.slack.person("eve")
            await eve.clicks(card, "approve")
            await house.omar.clicks(card, "approve")
            await house.runs_for(minutes=5)

            await house.finn.clicks(card, "approve")
            await house.finn.clicks(card, "deny")
            await house.ana.clicks(parent, "cancel")
            await house.tick()

            late = "U0OMAR has already approved this. Nothing was changed; its thread tells how it goes."
            assert await refusals(house, story) == [
                ("U0EVE", "approve", NOT_AMONG),
                ("U0FINN", "approve", late),
                ("U0FINN", "deny", late),
                ("U0ANA", "cancel", late),
            ]

    async def test_a_form_that_was_sent_too_late(self, tmp_path: Path) -> None:
        async with house_of(tmp_path) as house:
            story = await house.asks(house.ana, "acme.com")
            await house.finn.clicks(story.card, "deny")
            modal = await house.finn.sees_modal("deny")
            await house.finn.fills(modal, reason="No")
            await house.omar.clicks(story.card, "approve")

            await house.finn.submits(modal)

            assert [(by, what) for by, what, _ in await refusals(house, story)] == [("U0FINN", "deny")]


class TestASlackThatDawdles:
    async def test_a_group_that_has_nothing_to_do_with_it_stops_nobody(self, tmp_path: Path) -> None:
        other = RuleSettings(name="other", action="prewarm *", approvers=("S0GROWTH",))
        async with house_of(tmp_path, rules=(other,)) as house:
            story = await house.asks(house.ana, "acme.com")
            house.slack.faults.add("usergroups.users.list", SlackFault.error("invalid_arguments"), times=50)
            house.clock.advance(minutes=5)

            await house.omar.clicks(story.card, "approve")
            await house.tick()

            assert house.bought == ["acme.com"]

    async def test_people_and_groups_are_asked_about_at_once(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, approvers=("S0FINANCE",)) as house:
            story = await house.asks(house.ana, "acme.com")
            house.clock.advance(minutes=5)
            for method in ("users.info", "usergroups.users.list"):
                house.slack.faults.add(method, SlackFault.slow(1.2), times=5)

            began = time.monotonic()
            await house.omar.clicks(story.card, "approve")

            assert time.monotonic() - began < 2.2
            assert await story.state() is RequestState.APPROVED


async def test_a_rise_within_the_tolerance_does_not_cross_the_limit_of_a_rule(tmp_path: Path) -> None:
    two = RuleSettings(name="two", over=Decimal(30), currency="USD", approvers=("U0OMAR", "U0FINN"), needs=2)
    async with house_of(tmp_path, rules=(two,), price_tolerance_percent=10) as house:
        story = await house.asks(house.ana, "acme.co")
        await house.omar.clicks(story.card, "approve")

        await house.restarts(prices=prices(domain_co="30.80"))
        await house.runs_for(minutes=5)

        assert house.bought == []
        assert await story.state() is RequestState.AWAITING
        assert "*Needs 2 people.*" in reading(story.card.blocks)


class TestTooFew:
    async def test_a_group_that_empties_is_noticed_within_a_day_and_each_change_is_said_once(
        self, tmp_path: Path
    ) -> None:
        async with house_of(tmp_path, approvers=("S0FINANCE",), wait_hours=None) as house:
            story = await house.asks(house.ana, "acme.com")
            said = len(story.thread)
            house.slack.set_group("finance", [])
            await house.runs_for(hours=25 * 3)
            assert [NOBODY in line for line in story.thread[said:]] == [True]

            house.slack.set_group("finance", ["omar"])
            await house.runs_for(hours=25)
            assert "<!subteam^S0FINANCE> can decide this again" in story.thread[-1]
            house.slack.set_group("finance", [])
            await house.runs_for(hours=25)
            assert len(story.thread) == said + 3
            assert NOBODY in story.thread[-1]

    async def test_a_click_that_finds_it_has_it_noticed_at_once(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, approvers=("S0FINANCE",), wait_hours=None) as house:
            story = await house.asks(house.ana, "acme.com")
            house.slack.set_group("finance", [])
            house.clock.advance(minutes=5)

            await house.omar.clicks(story.card, "approve")
            await house.tick()

            assert NOBODY in story.thread[-1]

    async def test_an_empty_group_is_not_told_that_it_may_decide(self, tmp_path: Path) -> None:
        said: dict[str, Any] = {"escalate_to": (EMPTY,), "escalate_after_hours": 1}
        async with house_of(tmp_path, approvers=("U0OMAR",), **said) as house:
            story = await house.asks(house.ana, "acme.com")
            house.slack.deactivate("omar")

            await house.runs_for(hours=2)

            assert not [line for line in story.thread if "You may decide it" in line]
            assert NOBODY in story.thread[-1]

    async def test_who_goes_over_a_budget_that_only_they_own_is_decided_by_the_default_approvers(
        self, tmp_path: Path
    ) -> None:
        async with house_of(tmp_path, owned("U0ANA"), approvers=("U0OMAR",)) as house:
            story = await house.asks(house.ana, "acme.com")
            nobody = "There is nobody who may decide about more than the budget “Sales” has."
            assert f":mega: <@U0OMAR> {nobody} You may decide it as well now" in story.thread[-1]

            await house.ana.clicks(story.card, "approve")
            await house.tick()
            assert house.bought == []
            await house.omar.clicks(story.card, "approve")
            await house.tick()
            assert house.bought == ["acme.com"]

    async def test_the_default_approvers_stand_in_only_as_long_as_the_rules_own_people_cannot(
        self, tmp_path: Path
    ) -> None:
        finance = RuleSettings(name="finance", over=Decimal(5), currency="USD", approvers=(EMPTY,))
        async with house_of(tmp_path, rules=(finance,)) as house:
            story = await house.asks(house.ana, "acme.com")
            assert "<@U0OMAR> <@U0FINN>" in story.thread[-1]
            house.slack.set_group("empty", ["eve"])
            await house.runs_for(hours=2)

            assert "Nobody else does in their place any more." in story.thread[-1]
            await house.omar.clicks(story.card, "approve")
            await house.tick()
            assert house.privately(house.omar, "#approvals")[-1] == NOT_AMONG
            await house.slack.person("eve").clicks(story.card, "approve")
            await house.tick()
            assert house.bought == ["acme.com"]


async def test_a_rule_that_names_free_changes_has_them_wait(tmp_path: Path) -> None:
    writes = RuleSettings(name="writes need Omar", effect="write", approvers=("U0OMAR",))
    async with house_of(tmp_path, rules=(writes,)) as house:
        await house.approved(house.ana, "acme.com")
        await house.runs_for(minutes=10)
        form = await house.form(house.ana, "/domain forward acme.com")
        await house.ana.fills(form, to="https://acme.example")
        await house.ana.submits(form)
        review = await house.ana.sees_modal("review")
        assert review.reads("<@U0OMAR> decides")
        await house.ana.submits(review)
        story = await house.story_of(house.ana)

        assert await story.state() is RequestState.AWAITING
        await house.omar.clicks(story.card, "approve")
        await house.tick()
        assert await story.state() in (RequestState.SUCCEEDED, RequestState.WORKING)


async def test_whoever_decides_meanwhile_is_shown_what_waits_already(tmp_path: Path) -> None:
    async with house_of(tmp_path, approvers=("U0OMAR",)) as house:
        story = await house.asks(house.ana, "acme.com")

        await hands_over(house, house.omar, house.finn)

        [card] = [one for one in house.finn.messages("dm") if one.reads(f"`{story.id}`")]
        await house.finn.clicks(card, "approve")
        await house.tick()
        assert house.bought == ["acme.com"]


async def test_the_end_of_it_is_said_once_where_it_was_announced(tmp_path: Path) -> None:
    async with house_of(tmp_path) as house:
        await hands_over(house, house.omar, house.finn)
        await house.slack.person("eve").types("/postroom away for 2 weeks <@U0FINN>", channel="#approvals")
        await house.finn.types("/postroom away for 2 weeks <@U0OMAR>", channel="#approvals")
        await house.finn.types("/postroom back", channel="#approvals")
        await house.tick()
        assert await house.inside.aloud.say_who_is_back() is not None
        before = len(house.slack.messages("C0APPROVALS"))

        house.clock.advance(days=14, hours=20)
        assert await house.inside.aloud.say_who_is_back() is None
        assert await house.inside.aloud.say_who_is_back() is None

        said = [message.text for message in house.slack.messages("C0APPROVALS")][before:]
        assert said == [":wave: <@U0OMAR> decides again, and <@U0FINN> no longer in their place."]
