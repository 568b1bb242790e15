"""Guests are told what was asked where they are, and nothing of what is the house's own: its money and its accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bot.policy_settings import BudgetSettings
from bot.sandbox import payloads
from bot.sandbox.faults import Fault as SlackFault
from bot.sandbox.model import OTHER_TEAM_ID, Message, User
from bot.sandbox.people import Person
from handlers.questions import FOR_MEMBERS
from tests.house import House, open_house, reading

BUDGETS = (BudgetSettings(name="Everybody's", amount=Decimal(500), currency="USD"),)
STANDINGS = ("guest", "single_channel_guest")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Gil is of another company and a guest in #outreach. There is a bad domain, and there are few credits."""
    async with open_house(tmp_path, starts=False, accounts=("mailin-main", "smailor-main")) as opened:
        opened.slack.add_user(User("U0GIL", "gil", "Gil Novak", email="gil@other.test", is_restricted=True), "outreach")
        opened.mailin.ledger.append(("Verified", -9_880))
        opened.sandboxes["smailor"].own("blocked.com", reputation="blocked")
        await opened.starts(budgets=BUDGETS)
        yield opened


@pytest.fixture
def gil(house: House) -> Person:
    return house.slack.person("gil")


async def typed(house: House, who: Person, words: str, channel: str = "#outreach") -> Message:
    before = len(who.ephemerals(channel))
    await who.types(words, channel=channel)
    await house.tick()
    [answer] = who.ephemerals(channel)[before:]
    return answer


def said(message: Message) -> str:
    return reading(message.blocks) or message.text


class TestTheDigest:
    @pytest.mark.parametrize("standing", STANDINGS)
    async def test_a_guest_is_shown_the_requests_and_nothing_else(
        self, house: House, gil: Person, standing: str
    ) -> None:
        house.slack.set_standing("gil", standing)
        story = await house.asks(house.ana, "acme.com")
        await house.asks(house.ana, "elsewhere.com", channel="#general")

        told = said(await typed(house, gil, "/postroom digest"))

        assert "*1 request waits for a decision*" in told
        assert story.id in told
        assert "As you are a guest, it leaves out the budgets and what the providers say about the accounts." in told
        for hidden in ("Everybody's", "blocked.com", "120 left", "smailor-main", "elsewhere.com"):
            assert hidden not in told, hidden
        members = said(await typed(house, house.ana, "/postroom digest"))
        assert "Everybody's" in members
        assert "blocked.com" in members
        assert "As you are a guest" not in members

    async def test_the_providers_are_not_even_asked_for_a_guest(self, house: House, gil: Person) -> None:
        await typed(house, gil, "/postroom digest")
        assert not house.calls

    async def test_what_is_posted_in_the_channel_a_guest_reads_and_looks_at_what_it_names(
        self, house: House, gil: Person
    ) -> None:
        await house.ana.types("/postroom digest setup", channel="#outreach")
        window = await house.ana.sees_modal("digest")
        await house.ana.fills(window, at="11:00", zone="Europe/Berlin", days=[str(day) for day in range(7)])
        assert (await house.ana.submits(window)).result == "updated"
        await house.asks(house.ana, "acme.com")
        await house.passes(hours=1)
        await house.inside.digest.send()
        [digest] = [one for one in house.slack.messages("C0OUTREACH") if one.text.startswith("Digest: ")]
        assert "blocked.com" in reading(digest.blocks)

        await gil.clicks(digest, "Look")
        await house.tick()

        assert "acme.com" in said(gil.ephemerals("#outreach")[-1])

    async def test_all_of_a_list_of_the_accounts_is_not_for_guests_whatever_they_click(
        self, house: House, gil: Person
    ) -> None:
        shown = await typed(house, house.ana, "/postroom digest")
        asked = dict(house.sandboxes["smailor"].calls)
        house.clock.advance(minutes=6)  # what the providers told Ana is not remembered
        for about in ("reputation", "sending", "credits", "name_servers"):
            action = {"type": "button", "action_id": f"all:{about}", "block_id": "b", "value": about, "action_ts": "1"}
            payload = payloads.message_action(house.slack, gil.user, shown, action)
            assert (await house.slack.deliver("interactive", payload)).ok
            await house.tick()
            assert said(gil.ephemerals("#outreach")[-1]) == FOR_MEMBERS, about
        assert house.sandboxes["smailor"].calls == asked

    async def test_a_guest_sets_up_no_digest_neither_by_typing_nor_by_sending_the_window(
        self, house: House, gil: Person
    ) -> None:
        assert said(await typed(house, gil, "/postroom digest setup")) == FOR_MEMBERS
        assert gil.modal is None

        house.slack.set_standing("gil", "member")
        await house.passes(minutes=2)
        await gil.types("/postroom digest setup", channel="#outreach")
        window = await gil.sees_modal("digest")
        house.slack.set_standing("gil", "guest")
        await house.passes(minutes=2)
        await gil.submits(window)

        assert FOR_MEMBERS in reading(window.blocks)
        assert house.on_disk("SELECT * FROM digests") == []

    async def test_whoever_became_a_guest_is_still_rid_of_what_they_set_up(self, house: House, gil: Person) -> None:
        house.slack.set_standing("gil", "member")
        await gil.types("/postroom digest setup", channel="#outreach")
        window = await gil.sees_modal("digest")
        assert (await gil.submits(window)).result == "updated"
        await gil.types("/postroom digest setup", channel="#outreach")
        window = await gil.sees_modal("digest")
        house.slack.set_standing("gil", "guest")
        await house.passes(minutes=2)

        await gil.fills(window, more=["off"])
        await gil.submits(window)

        assert house.on_disk("SELECT * FROM digests") == []


class TestMoneyAndAccounts:
    @pytest.mark.parametrize("words", ["/postroom budget", "/postroom budget all", "/domain list", "/verify credits"])
    async def test_what_is_the_houses_own_is_for_members(self, house: House, gil: Person, words: str) -> None:
        house.mailin.own("acme-own.com")
        words = f"{words} mailin-main" if words.startswith("/domain") else words

        assert said(await typed(house, gil, words)) == FOR_MEMBERS
        assert not house.calls
        assert said(await typed(house, house.ana, words)) != FOR_MEMBERS

    async def test_nor_does_a_form_or_a_page_tell_a_guest(self, house: House, gil: Person) -> None:
        house.mailin.own(*(f"acme-{number}.com" for number in range(300)))
        await gil.types("/domain list", channel="#outreach")
        form = await gil.sees_modal("form")
        await gil.fills(form, account="mailin-main")
        await gil.submits(form)
        await house.tick()
        assert FOR_MEMBERS in reading(form.blocks)

        listed = await typed(house, house.ana, "/domain list mailin-main")
        block = next(one for one in listed.blocks if one["type"] == "actions")
        button = next(one for one in block["elements"] if one["action_id"].startswith("page:"))
        action = {**button, "block_id": block["block_id"], "action_ts": "1"}
        before, calls = len(gil.ephemerals("#outreach")), sum(house.calls.values())
        payload = payloads.message_action(house.slack, gil.user, listed, action)
        assert (await house.slack.deliver("interactive", payload)).ok
        await house.tick()
        assert said(gil.ephemerals("#outreach")[before:][-1]) == FOR_MEMBERS
        assert sum(house.calls.values()) == calls

    async def test_the_home_tab_of_a_guest_has_what_they_asked_and_no_budget(self, house: House, gil: Person) -> None:
        await house.asks(gil, "acme.com")
        await gil.opens_home()
        await house.tick()
        assert gil.home
        told = reading(gil.home.blocks)
        assert "My requests" in told
        assert "acme.com" in told
        assert "What is left this month" not in told
        assert "Everybody's" not in told

    async def test_slack_does_not_say_who_asks_and_nothing_is_shown(self, house: House) -> None:
        house.slack.faults.add("users.info", SlackFault.error("internal_error"), times=None)
        for words in ("/postroom budget", "/postroom digest", "/verify credits"):
            told = said(await typed(house, house.ana, words))
            assert told == "Slack did not say who may know about this, so nothing is shown. Try again in a minute."


class TestAnotherWorkspace:
    async def test_in_a_shared_channel_its_people_get_nothing_but_what_is_posted(self, house: House) -> None:
        house.slack.add_user(User("U0EVE", "eve", "Eve Stone", team_id=OTHER_TEAM_ID), "outreach")
        eve = house.slack.person("eve")
        await house.asks(house.ana, "acme.com")
        house.clock.advance(seconds=timedelta(minutes=2).total_seconds())

        for words in ("/postroom digest", "/postroom digest setup", "/postroom budget", "/postroom requests all"):
            told = said(await typed(house, eve, words))
            assert told.startswith("You belong to another Slack workspace"), words
            assert eve.modal is None
