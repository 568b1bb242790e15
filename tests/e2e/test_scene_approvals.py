"""Who has to say yes, who is asked, what they can do instead: rules as people meet them, on cards and in threads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.policy_settings import ApprovalSettings, ChannelSettings, RuleSettings
from bot.sandbox.faults import Fault as SlackFault
from bot.sandbox.model import Message, User, UserGroup
from bot.sandbox.payloads import message_action
from bot.sandbox.people import Person
from storage.records import RequestState
from tests.house import House, Modal, Story, open_house, prices, reading

NOT_AMONG = "You are not among the people who may decide this. Nothing was changed."
OWN = "This is your own request, so somebody else has to decide it. Nothing was changed."
CHANGED = "This request has changed since that card was shown. Nothing was decided: read the new card."


@contextlib.asynccontextmanager
async def house_of(folder: Path, *, channels: Any = None, **said: Any) -> AsyncIterator[House]:
    """A house whose `[approvals]` say this; Gina, of another edition of Slack, is there as well."""
    async with open_house(folder, starts=False) as opened:
        opened.slack.add_user(User("W0GINA", "gina", "Gina Moss"), "#approvals", "#outreach")
        said = {"approvers": ("U0OMAR", "U0FINN"), **said}
        await opened.starts(approvals=ApprovalSettings(**said), channels=channels or {})
        yield opened


def buttons(message: Message) -> list[str]:
    """What can be pressed, in order; a menu by its entries."""
    found: list[str] = []
    for block in message.blocks:
        for element in block.get("elements", ()) if block["type"] == "actions" else ():
            if element["type"] == "overflow":
                found += [option["text"]["text"] for option in element["options"]]
            else:
                found.append(element["text"]["text"])
    return found


def in_person(person: Person) -> list[Message]:
    """The cards that somebody got for themselves."""
    return [message for message in person.messages("dm") if message.reads("asks in")]


def said_in(ack: Any) -> str:
    """What the modal says that came as an answer."""
    return reading(ack.payload["view"]["blocks"])


class TestTwoPeople:
    @pytest.fixture
    async def house(self, tmp_path: Path) -> AsyncIterator[House]:
        async with house_of(tmp_path, needs=2, approvers=("U0OMAR", "U0FINN", "W0GINA")) as opened:
            yield opened

    async def test_two_different_people_say_yes_and_it_is_bought_once(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        everybody = "<@U0OMAR>, <@U0FINN> or <@W0GINA> can decide."
        assert f"*Needs 2 people.* {everybody}" in reading(story.card.blocks)

        await house.omar.clicks(story.card, "approve")
        await house.tick()
        assert house.bought == []
        assert await story.state() is RequestState.AWAITING
        assert f"*Needs 2 people:* <@U0OMAR> has said yes, 1 more. {everybody}" in reading(story.card.blocks)
        assert story.thread[-1] == (
            ":ballot_box_with_check: <@U0OMAR> said yes. One more person has to; the card in <#C0APPROVALS> shows who "
            "may."
        )

        await house.finn.clicks(story.card, "approve")
        await house.runs_for(minutes=5)
        assert house.bought == ["acme.com"]
        assert any("<@U0FINN> approved this. With that, 2 people have said yes." in line for line in story.thread)
        assert "approved by <@U0OMAR> and <@U0FINN>" in reading(story.card.blocks)

    async def test_the_same_person_counts_once(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.omar.clicks(story.card, "approve")
        await house.omar.clicks(story.card, "approve")
        await house.tick()

        assert house.privately(house.omar, "#approvals") == [
            "You have already approved this; it waits for somebody else. Nothing was changed."
        ]
        assert await story.state() is RequestState.AWAITING

    async def test_one_no_is_enough_after_a_yes(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        old = story.card
        await house.omar.clicks(old, "approve")
        await house.finn.clicks(old, "deny")
        await house.finn.fills(await house.finn.sees_modal("deny"), reason="Not this month")
        await house.finn.submits(await house.finn.sees_modal("deny"))
        await house.slack.person("gina").clicks(old, "approve")
        await house.tick()

        assert await story.state() is RequestState.DENIED
        assert "*Denied* by <@U0FINN>" in reading(story.card.blocks)
        assert house.privately(house.slack.person("gina"), "#approvals") == [
            "<@U0FINN> has already denied this. Nothing was changed."
        ]
        assert house.bought == []

    async def test_what_was_handed_over_counts_once(self, house: House) -> None:
        """Finn decides for Omar as well: that is two rights and one person, and Omar's is used up by it."""
        house.slack.add_user(User("U0HANA", "hana", "Hana Ito"), "#approvals")
        hana, until = house.slack.person("hana"), house.clock.now() + timedelta(days=2)
        await house.inside.approvals.hand_over("U0OMAR", "U0HANA", until, "C0APPROVALS")
        story = await house.asks(house.ana, "acme.com")

        await hana.clicks(story.card, "approve")
        await house.omar.clicks(story.card, "approve")
        await hana.clicks(story.card, "approve")
        await house.tick()
        assert "<@U0HANA> for <@U0OMAR> has said yes, 1 more." in reading(story.card.blocks)
        assert "<@U0HANA> (for <@U0OMAR>) said yes." in story.thread[-1]
        assert len(house.privately(house.omar, "#approvals")) == len(house.privately(hana, "#approvals")) == 1
        assert await story.state() is RequestState.AWAITING

        await house.finn.clicks(story.card, "approve")
        await house.tick()
        assert house.bought == ["acme.com"]

    async def test_it_ends_by_itself(self, house: House) -> None:
        house.slack.add_user(User("U0HANA", "hana", "Hana Ito"), "#approvals")
        hana, until = house.slack.person("hana"), house.clock.now() + timedelta(hours=1)
        await house.inside.approvals.hand_over("U0OMAR", "U0HANA", until, "C0APPROVALS")
        story = await house.asks(house.ana, "acme.com")
        await house.passes(hours=1)

        await hana.clicks(story.card, "approve")
        await house.tick()
        assert house.privately(hana, "#approvals") == [NOT_AMONG]


class TestWhoIsAsked:
    async def test_an_empty_group_is_said_and_escalated(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, approvers=("S0LEGAL",), escalate_to=("U0FINN",)) as house:
            house.slack.add_group(UserGroup("S0LEGAL", "legal", "Legal"))
            story = await house.asks(house.ana, "acme.com")

            assert story.thread[-1] == (
                ":mega: <@U0FINN> There is nobody who may decide this. You may decide it as well now: the "
                "card is in <#C0APPROVALS>."
            )
            [own] = in_person(house.finn)
            await house.finn.clicks(own, "approve")
            await house.runs_for(minutes=5)

            assert house.bought == ["acme.com"]
            assert "*Done.*" in reading(story.card.blocks)
            assert "*Done.*" in reading(in_person(house.finn)[0].blocks)

    async def test_where_nobody_is_left_at_all_it_says_so_once(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, approvers=("S0LEGAL",)) as house:
            house.slack.add_group(UserGroup("S0LEGAL", "legal", "Legal"))
            story = await house.asks(house.ana, "acme.com")
            await house.runs_for(hours=12)

            told = [line for line in story.thread if "There is nobody who may decide this." in line]
            assert told == [
                ":warning: <@U0ANA> There is nobody who may decide this. Nothing was bought. It waits until that "
                "changes: tell whoever runs Postroom."
            ]

    async def test_after_its_time_others_may_decide_as_well(self, tmp_path: Path) -> None:
        said = {"approvers": ("U0OMAR",), "escalate_to": ("S0GROWTH",), "escalate_after_hours": 4}
        async with house_of(tmp_path, **said) as house:
            story = await house.asks(house.ana, "acme.com")
            await house.finn.clicks(story.card, "approve")
            await house.runs_for(hours=4)
            assert house.privately(house.finn, "#approvals") == [NOT_AMONG]
            assert story.thread[-1].startswith(":mega: <!subteam^S0GROWTH> Nobody has decided this so far.")
            assert len(in_person(house.finn)) == 1
            assert in_person(house.ana) == []  # she is of that group, and it is her own

            await house.finn.clicks(story.card, "approve")
            await house.tick()
            assert house.bought == ["acme.com"]

    async def test_those_who_are_pinged_get_a_card_and_the_others_may_decide(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, ping=("U0OMAR",)) as house:
            story = await house.asks(house.ana, "acme.com")

            assert f"<@U0OMAR> is asked. Others may decide as well: `/postroom why {story.id}` says who." in reading(
                story.card.blocks
            )
            assert len(in_person(house.omar)) == 1
            assert in_person(house.finn) == []
            await house.finn.clicks(story.card, "approve")
            await house.tick()
            assert house.bought == ["acme.com"]

    async def test_copies_change_with_the_card_after_a_restart(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, ping=("U0OMAR", "W0GINA"), approvers=("U0OMAR", "W0GINA")) as house:
            story = await house.asks(house.ana, "acme.com")
            gina = house.slack.person("gina")
            house.slack.faults.add("chat.update", SlackFault.server_error(), times=50)
            await gina.clicks(in_person(gina)[0], "deny")
            await gina.fills(await gina.sees_modal("deny"), reason="No budget")
            await gina.submits(await gina.sees_modal("deny"))
            await house.restarts()
            house.slack.faults.clear()
            await house.runs_for(minutes=5)

            for copy in (story.card, *in_person(house.omar), *in_person(gina)):
                assert "*Denied* by <@W0GINA>" in reading(copy.blocks)
                assert buttons(copy) == []
            assert len(in_person(house.omar)) == len(in_person(gina)) == 1

    async def test_a_copy_that_cannot_be_posted_is_given_up_quietly(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, ping=("W0GINA", "U0OMAR"), approvers=("W0GINA", "U0OMAR")) as house:
            await house.asks(house.ana, "other.com")
            del house.slack.users["W0GINA"]  # which is known after a minute
            story = await house.asks(house.ana, "acme.com")
            await house.runs_for(hours=1)
            to_her = [call for call in house.slack.calls if call.arguments.get("channel") == "W0GINA"]

            assert len([call for call in to_her if story.id in str(call.arguments)]) == 3, to_her
            assert not any("could not be posted" in line for line in story.thread)
            await house.omar.clicks(in_person(house.omar)[-1], "approve")
            await house.runs_for(minutes=5)
            assert "*Done.*" in reading(story.card.blocks)
        assert len([entry for entry in house.log if entry["event"] == "person_not_reached"]) >= 1

    async def test_a_rule_says_who_and_the_card_names_it(self, tmp_path: Path) -> None:
        rule = RuleSettings(name="Big purchases", over=20, currency="USD", approvers=("U0FINN",))
        async with house_of(tmp_path, rules=(rule,)) as house:
            review = await house.review(house.ana, "acme.com", "acme.co")
            assert "<@U0FINN> decides; if that is you, somebody else has to." in reading(review.blocks)
            assert "By the rule “Big purchases”." in reading(review.blocks)
            await house.ana.submits(review)
            story = await house.story_of(house.ana)
            assert "<@U0FINN> can decide. By the rule “Big purchases”." in reading(story.card.blocks)

            await house.omar.clicks(story.card, "approve")
            await house.tick()
            assert house.privately(house.omar, "#approvals") == [NOT_AMONG]

    async def test_what_is_small_needs_nobody_and_says_why(self, tmp_path: Path) -> None:
        rule = RuleSettings(name="Small things", auto_below=20, currency="USD")
        async with house_of(tmp_path, rules=(rule,)) as house:
            review = await house.review(house.ana, "acme.com")
            assert "Nobody has to be asked. The rule “Small things” is about this." in reading(review.blocks)
            assert review.submit == "Do it"
            await house.ana.submits(review)
            story = await house.story_of(house.ana)

            assert house.bought == ["acme.com"]
            assert story.thread[0] == (
                ":white_check_mark: The rule “Small things” is about this. It costs less than 20 USD, so nobody has to "
                "be asked. It is being sent to the provider, once."
            )

    async def test_who_has_left_cannot_decide(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        card = story.card
        house.slack.deactivate("omar")
        await house.passes(minutes=2)  # what Slack said of him before is too old by now
        element = {"type": "button", "action_id": "approve", "block_id": "decision"}
        value = next(
            one["value"]
            for block in card.blocks
            for one in block.get("elements", ())
            if one.get("action_id") == "approve"
        )
        click = message_action(house.slack, house.omar.user, card, {**element, "value": value})
        await house.slack.deliver("interactive", click)
        await house.tick()

        assert await story.state() is RequestState.AWAITING
        assert house.privately(house.omar, "#approvals") == [
            "Slack says that you do not belong to this workspace (any more), so your click was not taken."
        ]
        assert ("click_refused",) in house.on_disk("SELECT what FROM audit")


class TestWaiting:
    async def test_reminders_come_at_their_age_and_never_in_quiet_hours(self, tmp_path: Path) -> None:
        quiet = {"C0OUTREACH": ChannelSettings(time_zone="Europe/Berlin", quiet_hours="18:00-08:00")}
        async with house_of(tmp_path, remind_after_hours=(2, 5, 20), channels=quiet) as house:
            story = await house.asks(house.ana, "acme.com")  # at ten in the morning in Berlin

            def reminders() -> list[str]:
                return [line for line in story.thread if line.startswith(":alarm_clock:")]

            await house.runs_for(hours=2)
            assert reminders() == [
                ":alarm_clock: <@U0OMAR> <@U0FINN> This has been waiting for a decision for 2 hours. The card is in "
                "<#C0APPROVALS>."
            ]
            await house.runs_for(hours=3)
            assert len(reminders()) == 2
            await house.runs_for(hours=16)  # six in the morning comes and goes
            assert len(reminders()) == 2
            await house.runs_for(hours=1)
            assert "for 22 hours" in reminders()[-1]
            await house.runs_for(days=3)
            assert len(reminders()) == 3

    async def test_it_expires_and_a_late_click_is_answered(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, wait_hours=72) as house:
            story = await house.asks(house.ana, "acme.com")
            old = story.card
            await house.runs_for(hours=72)

            assert story.thread[-1] == (
                ":alarm_clock: <@U0ANA> Nobody decided this in 3 days, so it has expired. Nothing was bought. Ask "
                "again if it is still wanted."
            )
            assert "*Expired* without a decision" in reading(story.card.blocks)
            assert buttons(story.card) == buttons(story.parent) == []
            await house.omar.clicks(old, "approve")
            await house.tick()
            assert house.privately(house.omar, "#approvals") == [
                "This request has expired. Nothing was changed: ask again if it is still wanted."
            ]
            assert house.bought == []


class TestTakingItemsOut:
    async def _choosing(self, house: House, story: Story) -> Modal:
        await house.omar.clicks(story.card, "choose")
        return await house.omar.sees_modal("items")

    async def test_two_of_three_are_bought_and_everybody_reads_which(self, house: House) -> None:
        story = await house.asks(house.ana, "one.com", "two.co", "three.com")
        modal = await self._choosing(house, story)
        assert modal.reads("one.com · $12.50")
        assert modal.reads("two.co · $28.00")
        await house.omar.fills(modal, **{"items:0": ["0", "2"]})
        sent = await house.omar.submits(modal)
        await house.runs_for(minutes=5)

        assert sent.result == "closed"
        assert house.bought == ["one.com", "three.com"]
        approved = next(line for line in story.thread if "took out" in line)
        assert approved.splitlines() == [
            ":wastebasket: <@U0OMAR> took out `two.co`. What is left costs $25.00.",
            ":white_check_mark: <@U0OMAR> approved this. It is being sent to the provider, once.",
        ]
        assert "Cost: $25.00." in story.thread[-1]
        assert "two.co" not in reading(story.card.blocks)

    async def test_all_of_them_is_a_plain_yes(self, house: House) -> None:
        story = await house.asks(house.ana, "one.com", "two.co")
        await house.omar.submits(await self._choosing(house, story))
        await house.tick()

        assert sorted(house.bought) == ["one.com", "two.co"]
        assert not any("took out" in line for line in story.thread)

    async def test_none_of_them_is_a_mistake(self, house: House) -> None:
        story = await house.asks(house.ana, "one.com", "two.co")
        modal = await self._choosing(house, story)
        await house.omar.fills(modal, **{"items:0": []})
        sent = await house.omar.submits(modal)

        assert sent.errors == {"items:0": "Choose at least one. To refuse all of it, deny the request instead."}
        assert await story.state() is RequestState.AWAITING

    async def test_a_long_list_is_shown_ten_by_ten(self, house: House) -> None:
        names = [f"name-{number}.com" for number in range(25)]
        story = await house.asks(house.ana, *names)
        modal = await self._choosing(house, story)
        assert modal.reads("Approved, 21 to 25")
        await house.omar.fills(modal, **{"items:0": [], "items:1": [], "items:2": ["21"]})
        await house.omar.submits(modal)
        await house.tick()

        assert house.bought == ["name-21.com"]
        assert "and 4 more. What is left costs $12.50." in next(line for line in story.thread if "took out" in line)

    async def test_of_two_who_are_needed_the_second_has_to_agree_to_the_same(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, needs=2, approvers=("U0OMAR", "U0FINN", "W0GINA")) as house:
            story = await house.asks(house.ana, "one.com", "two.co")
            await house.finn.clicks(story.card, "approve")
            as_it_was = story.card
            modal = await self._choosing(house, story)
            await house.omar.fills(modal, **{"items:0": ["0"]})
            await house.omar.submits(modal)
            await house.tick()
            assert "<@U0OMAR> has said yes, 1 more." in reading(story.card.blocks)

            gina = house.slack.person("gina")
            await gina.clicks(as_it_was, "approve")
            await house.tick()
            assert house.privately(gina, "#approvals") == [CHANGED]
            await house.finn.clicks(story.card, "approve")
            await house.tick()
            assert house.bought == ["one.com"]

    @pytest.mark.parametrize("first", ["all", "some"])
    async def test_all_and_some_at_once_is_one_of_them(self, house: House, first: str) -> None:
        story = await house.asks(house.ana, "one.com", "two.co")
        modal = await self._choosing(house, story)
        await house.omar.fills(modal, **{"items:0": ["0"]})
        card = story.card
        deeds = {"all": house.finn.clicks(card, "approve"), "some": house.omar.submits(modal)}
        await asyncio.gather(deeds.pop(first), *deeds.values())
        await house.runs_for(minutes=5)

        decided = [detail for (detail,) in house.on_disk("SELECT detail FROM audit WHERE what = 'approved'")]
        assert len(decided) == 1
        if "without" in decided[0]:
            assert house.bought == ["one.com"]
            assert len(house.privately(house.finn, "#approvals")) == 1
        else:
            assert sorted(house.bought) == ["one.com", "two.co"]
            assert modal.title == "Not approved"

    async def test_both_lines_of_a_price_go_with_the_domain_that_is_taken_out(self, tmp_path: Path) -> None:
        async with open_house(tmp_path / "..", accounts=("scaledmail-one",)) as house:
            house.sandboxes["scaledmail"].put_on_shelf("warm-a.com", "warm-b.com", one_time="23", monthly="8")
            form = await house.form(house.ana, "/prewarm buy warm-a.com warm-b.com")
            await house.ana.fills(form, reason="Spring", redirect="warm-a.com acme.com\nwarm-b.com acme.io")
            await house.ana.submits(form)
            await house.ana.submits(await house.ana.sees_modal("review"))
            story = await house.story_of(house.ana)
            modal = await self._choosing(house, story)
            assert modal.reads("warm-b.com · $31.00")
            await house.omar.fills(modal, **{"items:0": ["1"]})
            await house.omar.submits(modal)
            await house.runs_for(hours=2)

            assert [domain.name for domain in house.sandboxes["scaledmail"].domains.values()] == ["warm-b.com"]
            assert "What is left costs $31.00." in next(line for line in story.thread if "took out" in line)

    async def test_what_cannot_be_taken_apart_has_no_such_button(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        assert buttons(story.card) == ["Approve", "Deny", "Ask …"]

    async def test_forged_stale_and_foreign_choices_are_answered(self, house: House) -> None:
        story = await house.asks(house.ana, "one.com", "two.co")
        modal = await self._choosing(house, story)
        view = modal.view.to_slack()

        ack = await house.sends(house.ana, "view_submission", view=view)
        assert said_in(ack) == OWN
        for metadata in ("", "req_unknown000:0123456789abcdef", f"{story.id}:", f"{story.id}:ffffffffffffffff", ":"):
            ack = await house.sends(house.omar, "view_submission", view=view | {"private_metadata": metadata})
            assert "Nothing was" in said_in(ack)
        for forged in ("7", "-1", "x", None, {"a": 1}):
            chosen = {"type": "checkboxes", "selected_options": [{"value": forged}]}
            state = {"values": {"items:0": {"value": chosen}}}
            ack = await house.sends(house.omar, "view_submission", view=view | {"state": state})
            assert set(ack.payload["errors"]) == {"items:0"}
        stranger = house.omar.user.id
        house.slack.set_standing(stranger, "stranger")
        ack = await house.sends(house.omar, "view_submission", view=view)
        assert "another Slack workspace" in said_in(ack)

        assert await story.state() is RequestState.AWAITING
        assert house.bought == []


class TestQuestion:
    async def test_it_stands_in_the_thread_and_the_card_waits(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.omar.clicks(story.card, "ask")
        modal = await house.omar.sees_modal("question")
        assert (await house.omar.submits(modal)).errors
        await house.omar.fills(modal, question="Why <!channel> *this* one?")
        assert (await house.omar.submits(modal)).result == "closed"
        await house.tick()

        assert story.thread[-1].splitlines() == [
            ":question: <@U0ANA>, <@U0OMAR> asks before deciding:",
            "> Why &lt;!channel&gt; *this* one?",
            "Answer here; the card in <#C0APPROVALS> waits meanwhile.",
        ]
        assert await story.state() is RequestState.AWAITING
        await house.finn.clicks(story.card, "approve")
        await house.tick()
        assert house.bought == ["acme.com"]

    async def test_only_who_may_decide_asks(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.ana.clicks(story.card, "ask")
        await house.tick()
        assert house.ana.modal is None
        assert house.privately(house.ana, "#approvals") == [OWN]

    async def test_after_somebody_has_decided_it_is_not_asked(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.omar.clicks(story.card, "ask")
        modal = await house.omar.sees_modal("question")
        await house.omar.fills(modal, question="Why?")
        await house.finn.clicks(story.card, "approve")
        sent = await house.omar.submits(modal)
        await house.tick()

        assert sent.modal is not None
        assert sent.modal.title == "Not asked"
        assert not any(line.startswith(":question:") for line in story.thread)


class TestUndoing:
    @pytest.fixture
    async def house(self, tmp_path: Path) -> AsyncIterator[House]:
        async with house_of(tmp_path, undo_seconds=60) as opened:
            yield opened

    async def test_an_approver_stops_it_and_the_card_asks_again(self, house: House) -> None:
        story = await house.approved(house.ana, "acme.com")
        assert "until then “Stop” on the first message stops it." in story.thread[-1]
        assert buttons(story.card) == buttons(story.parent) == ["Stop"]
        assert "until then it can be stopped." in reading(story.card.blocks)

        await house.finn.clicks(story.card, "stop")
        await house.runs_for(minutes=5)
        assert house.bought == []
        assert story.thread[-1] == (
            ":octagonal_sign: <@U0FINN> stopped this before it was sent. Nothing was bought. The card in "
            "<#C0APPROVALS> asks again, and who said yes before has to say it again."
        )
        assert "[Approve]" in reading(story.card.blocks)

        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=5)
        assert house.bought == ["acme.com"]

    async def test_whoever_asked_stops_it_and_it_is_cancelled(self, house: House) -> None:
        story = await house.approved(house.ana, "acme.com")
        await house.ana.clicks(story.parent, "stop")
        await house.runs_for(minutes=5)

        assert await story.state() is RequestState.CANCELLED
        assert story.thread[-1] == ":heavy_minus_sign: <@U0ANA> cancelled this. Nothing was bought."
        assert house.bought == []

    async def test_others_cannot_stop_it(self, house: House) -> None:
        story = await house.approved(house.ana, "acme.com")
        gina = house.slack.person("gina")
        await gina.clicks(story.parent, "stop")
        await house.runs_for(minutes=5)

        assert house.privately(gina, "#outreach") == [NOT_AMONG]
        assert house.bought == ["acme.com"]

    async def test_too_late(self, house: House) -> None:
        story = await house.approved(house.ana, "acme.com")
        old = story.card
        await house.runs_for(seconds=61)
        await house.finn.clicks(old, "stop")
        await house.tick()

        assert house.bought == ["acme.com"]
        assert house.privately(house.finn, "#approvals") == [
            "It is too late to stop this: it has been sent to the provider, or is just being sent. Nothing was "
            "changed; its thread tells how it goes."
        ]
        assert buttons(story.card) == buttons(story.parent) == []

    async def test_what_nobody_had_to_approve_can_be_stopped_and_then_has_a_card(self, tmp_path: Path) -> None:
        rule = RuleSettings(name="Small things", auto_below=20, currency="USD")
        async with house_of(tmp_path / "..", undo_seconds=60, rules=(rule,)) as house:
            story = await house.asks(house.ana, "acme.com")
            assert "*No approval was needed.* :hourglass: It is sent" in reading(story.parent.blocks)
            await house.omar.clicks(story.parent, "stop")
            await house.runs_for(minutes=5)
            assert house.bought == []
            assert story.thread[-1] == (
                ":octagonal_sign: <@U0OMAR> stopped this before it was sent. Nothing was bought. The card in "
                "<#C0APPROVALS> asks for approval."
            )
            await house.ana.types(f"/postroom why {story.id}", channel="#outreach")
            await house.tick()
            [why] = house.privately(house.ana, "#outreach")
            assert "nobody has to be asked" not in why
            assert "What asks anew is not approved by itself, however little it costs." in why

            await house.finn.clicks(story.card, "approve")
            await house.runs_for(minutes=5)
            assert house.bought == ["acme.com"]


class TestBreakingTheGlass:
    @pytest.fixture
    async def house(self, tmp_path: Path) -> AsyncIterator[House]:
        async with house_of(tmp_path, approvers=("S0FINANCE", "U0FINN"), break_glass=("W0GINA",)) as opened:
            yield opened

    async def test_whoever_is_named_runs_it_and_everybody_is_told(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        gina = house.slack.person("gina")
        await gina.chooses(story.card, "more", "Run now, without approval …")
        modal = await gina.sees_modal("run_now")
        assert (await gina.submits(modal)).errors
        await gina.fills(modal, reason="The campaign starts at noon.")
        assert (await gina.submits(modal)).result == "closed"
        await house.runs_for(minutes=5)

        assert house.bought == ["acme.com"]
        told = next(line for line in story.thread if line.startswith(":rotating_light:"))
        assert told.splitlines() == [
            ":rotating_light: <!subteam^S0FINANCE> <@U0FINN> <@W0GINA> runs this at once, without the approval it "
            "waited for. It is being sent to the provider, once. The reason:",
            "> The campaign starts at noon.",
        ]
        for copy in (story.card, *in_person(house.omar), *in_person(house.finn)):
            assert "run without approval by <@W0GINA>" in reading(copy.blocks)
            assert "*Why it could not wait*\n> The campaign starts at noon." in reading(copy.blocks)
        assert len(in_person(house.omar)) == len(in_person(house.finn)) == 1

    @pytest.mark.parametrize("who", ["ana", "omar"])
    async def test_nobody_else(self, house: House, who: str) -> None:
        story = await house.asks(house.ana, "acme.com")
        person = house.slack.person(who)
        await person.chooses(story.card, "more", "Run now, without approval …")
        await house.tick()

        assert person.modal is None
        assert house.privately(person, "#approvals") == [
            "You are not among the people who may run a request without its approval. Nothing was changed."
        ]
        assert ("break_glass",) in house.on_disk(
            "SELECT json_extract(detail, '$.wanted') FROM audit WHERE what = 'click_refused'"
        )

    @pytest.mark.parametrize("option", [None, "abc", {}, {"value": 7}, {"value": "run_now"}, {"value": "run_now:x:y"}])
    async def test_forged_choices_of_the_menu_are_answered(self, house: House, option: Any) -> None:
        story = await house.asks(house.ana, "acme.com")
        gina = house.slack.person("gina")
        action = {"type": "overflow", "action_id": "more", "block_id": "decision", "selected_option": option}
        await house.slack.deliver("interactive", message_action(house.slack, gina.user, story.card, action))
        await house.tick()

        [said] = house.privately(gina, "#approvals")
        assert said.endswith("Nothing was changed.")
        assert await story.state() is RequestState.AWAITING

    async def test_what_has_changed_since_is_not_run(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        gina = house.slack.person("gina")
        await gina.chooses(story.card, "more", "Run now, without approval …")
        modal = await gina.sees_modal("run_now")
        await gina.fills(modal, reason="At once")
        await house.omar.clicks(story.card, "approve")
        await house.restarts(prices=prices(domain_com="13.75"))
        await house.tick()
        assert await story.state() is RequestState.AWAITING

        sent = await gina.submits(modal)
        await house.tick()
        assert sent.modal is not None
        assert sent.modal.title == "Not run"
        assert sent.modal.reads(CHANGED)
        assert house.bought == []
