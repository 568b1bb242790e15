"""Deciding: who may, who may not, who was first, and what everybody else is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.sandbox.faults import Fault as SlackFault
from bot.sandbox.model import User
from bot.sandbox.witness import NotSeen
from storage.records import RequestState
from tests.house import House, open_house, reading

OWN = "This is your own request, so somebody else has to decide it. Nothing was changed."
NOT_ENTITLED = "You are not among the people who may decide this. Nothing was changed."
OMAR_WAS_FIRST = "<@U0OMAR> has already approved this. Nothing was changed; its thread tells how it goes."


class TestYes:
    async def test_a_second_click_of_the_same_person(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        as_it_was = story.card

        await house.omar.clicks(as_it_was, "approve")
        await house.omar.clicks(as_it_was, "approve")
        await house.tick()

        assert house.privately(house.omar, "#approvals") == [OMAR_WAS_FIRST]
        assert house.bought == ["acme.com"]

    async def test_a_click_of_somebody_else_after_it(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        as_finn_still_sees_it = story.card
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=5)

        await house.finn.clicks(as_finn_still_sees_it, "approve")
        await house.finn.clicks(as_finn_still_sees_it, "deny")
        await house.tick()

        assert house.privately(house.finn, "#approvals") == [OMAR_WAS_FIRST] * 2
        assert house.finn.modal is None
        assert house.bought == ["acme.com"]
        assert await story.state() is RequestState.SUCCEEDED

    async def test_the_buttons_are_gone_from_a_decided_card(self, house: House) -> None:
        story = await house.approved(house.ana, "acme.com")

        with pytest.raises(NotSeen):
            await house.finn.clicks(story.card, "approve")
        with pytest.raises(NotSeen):
            await house.ana.clicks(story.parent, "cancel")

    async def test_saying_no_to_the_question_changes_nothing(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")

        for button in ("approve", "deny"):
            assert await house.omar.clicks(story.card, button, confirm=False) is None
        assert await house.ana.clicks(story.parent, "cancel", confirm=False) is None
        await house.tick()

        assert await story.state() is RequestState.AWAITING

    async def test_the_dialog_says_what_is_bought_and_for_how_much(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com", "acme.co")

        [approve] = [e for b in story.card.blocks if b["type"] == "actions" for e in b["elements"]][:1]
        assert approve["confirm"]["text"]["text"] == "Buy 2 domains (SMTP) for $40.50, from mailin-main."


class TestWhoMayNot:
    @pytest.fixture
    async def house(self, tmp_path: Path) -> AsyncIterator[House]:
        async with open_house(tmp_path, approvers=("U0OMAR", "U0ANA")) as opened:
            yield opened

    @pytest.mark.parametrize("button", ["approve", "deny"])
    async def test_an_approver_cannot_decide_their_own_request(self, house: House, button: str) -> None:
        story = await house.asks(house.ana, "acme.com")

        await house.ana.clicks(story.card, button)
        await house.tick()

        assert house.privately(house.ana, "#approvals") == [OWN]
        assert house.ana.modal is None
        assert await story.state() is RequestState.AWAITING

    @pytest.mark.parametrize("button", ["approve", "deny"])
    async def test_somebody_who_is_not_an_approver(self, house: House, button: str) -> None:
        story = await house.asks(house.ana, "acme.com")

        await house.finn.clicks(story.card, button)
        await house.tick()

        assert house.privately(house.finn, "#approvals") == [NOT_ENTITLED]
        assert not house.omar.ephemerals("#approvals")
        assert house.finn.modal is None
        assert await story.state() is RequestState.AWAITING
        history = [(entry.actor, entry.what) for entry in await house.inside.store.facts.of(story.id)]
        assert ("U0FINN", "click_refused") in history


class TestUserGroups:
    @pytest.fixture
    async def house(self, tmp_path: Path) -> AsyncIterator[House]:
        async with open_house(tmp_path, approvers=("S0FINANCE",)) as opened:
            yield opened

    async def test_a_member_of_the_group_decides(self, house: House) -> None:
        review = await house.review(house.ana, "acme.com")
        assert "<!subteam^S0FINANCE> decides" in reading(review.blocks)
        await house.ana.submits(review)
        story = await house.story_of(house.ana)
        assert "<!subteam^S0FINANCE> can decide." in reading(story.card.blocks)

        await house.finn.clicks(story.card, "approve")
        await house.tick()
        assert house.privately(house.finn, "#approvals") == [NOT_ENTITLED]

        await house.omar.clicks(story.card, "approve")
        await house.tick()
        assert house.bought == ["acme.com"]

    async def test_a_change_of_the_group_counts_after_a_minute_at_most(self, house: House) -> None:
        one, other = await house.asks(house.ana, "one.com"), await house.asks(house.ana, "other.com")
        await house.finn.clicks(one.card, "approve")
        house.slack.set_group("finance", ["finn"])

        house.clock.advance(seconds=59)
        await house.finn.clicks(one.card, "approve")
        await house.tick()
        assert house.privately(house.finn, "#approvals") == [NOT_ENTITLED] * 2
        asked = [call for call in house.slack.calls if call.method == "usergroups.users.list"]
        assert len(asked) == 1

        house.clock.advance(seconds=1)
        await house.omar.clicks(other.card, "approve")
        await house.finn.clicks(one.card, "approve")
        await house.tick()
        assert house.privately(house.omar, "#approvals") == [NOT_ENTITLED]
        assert house.bought == ["one.com"]

    async def test_when_slack_does_not_say_who_is_in_it_a_typed_reason_is_kept(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.omar.clicks(story.card, "deny")
        form = await house.omar.sees_modal("deny")
        await house.omar.fills(form, reason="Too dear, and we have three of these.")
        await house.passes(minutes=2)
        house.slack.faults.add("usergroups.users.list", SlackFault.rate_limited())

        sent = await house.omar.submits(form)

        assert sent.errors == {
            "reason": "Slack did not say who may decide, so your click was not taken. Try again in a minute."
        }
        assert form.values["reason"] == "Too dear, and we have three of these."
        assert (await house.omar.submits(form)).result == "closed"
        assert await story.state() is RequestState.DENIED

    @pytest.mark.parametrize(
        "fault",
        [
            SlackFault.server_error(),
            SlackFault.cut_before(),
            SlackFault.rate_limited(),
            SlackFault.error("internal_error"),
        ],
        ids=lambda fault: fault.kind,
    )
    async def test_when_slack_does_not_say_who_is_in_it_nothing_is_decided(
        self, house: House, fault: SlackFault
    ) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.passes(minutes=2)  # what Slack said when it was asked is too old by now
        # A reading whose connection is cut is asked once more by aiohttp itself.
        house.slack.faults.add("usergroups.users.list", fault, times=2 if fault.kind == "cut_before" else 1)

        await house.omar.clicks(story.card, "approve")
        await house.tick()

        assert house.privately(house.omar, "#approvals") == [
            "Slack did not say who may decide, so your click was not taken. Try again in a minute."
        ]
        assert await story.state() is RequestState.AWAITING

        await house.omar.clicks(story.card, "approve")
        await house.tick()
        assert house.bought == ["acme.com"]


class TestNo:
    async def test_a_denial_has_a_reason_and_the_thread_shows_it(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")

        await house.omar.clicks(story.card, "deny")
        modal = await house.omar.sees_modal("deny")
        assert modal.reads("Buy acme.com (SMTP)")
        await house.omar.fills(modal, reason="Budget is spent.\nAsk in May.")
        sent = await house.omar.submits(modal)
        await house.tick()

        assert sent.result == "closed"
        assert story.thread[-1].splitlines() == [
            ":no_entry: <@U0ANA>, <@U0OMAR> denied this. Nothing was bought.",
            "> Budget is spent.",
            "> Ask in May.",
        ]
        for message in (story.card, story.parent):
            assert "*Denied* by <@U0OMAR>" in reading(message.blocks)
        assert "> Budget is spent." in reading(story.card.blocks)
        assert "[Approve]" not in reading(story.card.blocks)
        assert house.bought == []

    async def test_without_a_reason_it_is_not_taken(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.omar.clicks(story.card, "deny")
        modal = await house.omar.sees_modal("deny")
        await house.omar.fills(modal, reason="  \n ")

        sent = await house.omar.submits(modal)

        assert sent.errors == {"reason": "Say why, so that the person who asked knows what to do."}
        assert await story.state() is RequestState.AWAITING

    async def test_after_somebody_else_has_approved(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.finn.clicks(story.card, "deny")
        modal = await house.finn.sees_modal("deny")
        await house.finn.fills(modal, reason="No")
        await house.omar.clicks(story.card, "approve")

        sent = await house.finn.submits(modal)

        assert sent.modal is not None
        assert sent.modal.title == "Not denied"
        assert sent.modal.reads(
            "Omar Haddad has already approved this. Nothing was changed; its thread tells how it goes."
        )
        await house.tick()
        assert house.bought == ["acme.com"]

    async def test_a_click_after_a_denial(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        old = story.card
        await house.omar.clicks(old, "deny")
        modal = await house.omar.sees_modal("deny")
        await house.omar.fills(modal, reason="No")
        await house.omar.submits(modal)

        await house.finn.clicks(old, "approve")
        await house.ana.clicks(story.parent, "cancel")
        await house.tick()

        said = "<@U0OMAR> has already denied this. Nothing was changed."
        assert house.privately(house.finn, "#approvals") == [said]
        assert house.privately(house.ana, "#outreach") == [said]
        assert await story.state() is RequestState.DENIED


class TestCancelling:
    async def test_ana_takes_her_request_back_while_it_waits(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        old = story.card

        await house.ana.clicks(story.parent, "cancel")
        await house.tick()

        assert story.thread[-1] == ":heavy_minus_sign: <@U0ANA> cancelled this. Nothing was bought."
        assert "*Cancelled* by <@U0ANA>" in reading(story.card.blocks)
        assert "[Cancel request]" not in reading(story.parent.blocks)

        await house.omar.clicks(old, "approve")
        await house.tick()
        assert house.privately(house.omar, "#approvals") == [
            "<@U0ANA> has cancelled this request. Nothing was changed."
        ]
        assert house.bought == []

    async def test_somebody_else_cannot(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")

        await house.omar.clicks(story.parent, "cancel")
        await house.tick()

        assert house.privately(house.omar, "#outreach") == [
            "Only <@U0ANA>, who asked for this, can cancel it. Nothing was changed."
        ]
        assert await story.state() is RequestState.AWAITING

    async def test_not_after_it_was_approved(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        old = story.parent
        await house.omar.clicks(story.card, "approve")

        await house.ana.clicks(old, "cancel")
        await house.tick()

        assert house.privately(house.ana, "#outreach") == [OMAR_WAS_FIRST]
        assert house.bought == ["acme.com"]


class TestThirtyAtOnce:
    """One card, thirty clicks in the air together: one of them decides, and the others are told."""

    TEN = tuple(f"U0BOSS{n}" for n in range(10))

    @pytest.fixture
    async def house(self, tmp_path: Path) -> AsyncIterator[House]:
        async with open_house(tmp_path, approvers=self.TEN) as opened:
            for n, who in enumerate(self.TEN):
                opened.slack.add_user(User(who, f"boss{n}", f"Boss {n}"), "#approvals", "#outreach")
            yield opened

    @pytest.mark.parametrize("first", ["approve", "deny", "cancel"])
    async def test_one_of_thirty_clicks_decides(self, house: House, first: str) -> None:
        story = await house.asks(house.ana, "acme.com")
        bosses = [house.slack.person(who) for who in self.TEN]
        card, parent = story.card, story.parent
        modals = []
        for boss in bosses:
            await boss.clicks(card, "deny")
            modals.append(await boss.sees_modal("deny"))
            await boss.fills(modals[-1], reason=f"{boss.user.name} says no")

        ways = {
            "approve": [boss.clicks(card, "approve") for boss in bosses],
            "deny": [boss.submits(modal) for boss, modal in zip(bosses, modals, strict=True)],
            "cancel": [house.ana.clicks(parent, "cancel") for _ in range(10)],
        }
        await asyncio.gather(*ways.pop(first), *(one for way in ways.values() for one in way))
        await house.tick()

        history = [entry.what for entry in await house.inside.store.facts.of(story.id)]
        decisions = [what for what in history if what in ("approved", "denied", "cancelled")]
        assert len(decisions) == 1
        notices = sum(modal.title == "Not denied" for modal in modals)
        answers = sum(len(boss.ephemerals("#approvals")) for boss in bosses) + len(house.ana.ephemerals("#outreach"))
        assert notices + answers == 29
        assert house.bought == (["acme.com"] if decisions == ["approved"] else [])
        assert house.calls["buy"] == len(house.bought)
        assert len([line for line in story.thread if "this." in line and ("approved" in line or "denied" in line)]) <= 1
