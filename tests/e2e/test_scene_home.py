"""The home tab: what stands in it for whom, what its buttons do, and when it is drawn anew."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.policy_settings import ApprovalSettings, BudgetSettings, RuleSettings
from bot.sandbox import payloads
from bot.sandbox.faults import Fault as SlackFault
from bot.sandbox.model import BOT_USER_ID, OTHER_TEAM_ID, Channel, User, View
from bot.sandbox.people import Person
from handlers import listings
from providers.mailin.sandbox import Fault
from storage.records import RequestState
from tests.e2e.crowd import many_more
from tests.house import House, Modal, open_house, reading

TWO = RuleSettings(name="a lot", action="domain *", over=Decimal(100), currency="USD", needs=2)
APPROVALS = ApprovalSettings(approvers=("U0OMAR", "U0FINN"), rules=(TWO,))
BUDGETS = (
    BudgetSettings(name="Growth", amount=Decimal(1000), currency="USD", team="S0GROWTH"),
    BudgetSettings(name="Finance's own", amount=Decimal(50), currency="USD", team="S0FINANCE"),
)
FOUR = tuple(f"acme{number}.co" for number in range(4))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Above 100 dollars both approvers have to say yes. Lena is a colleague who has nothing to do with any of it."""
    async with open_house(tmp_path, starts=False) as opened:
        opened.slack.add_user(User("U0LENA", "lena", "Lena Roth", email="lena@acme.test"), "general", "outreach")
        opened.slack.add_channel(Channel("C0SECRET", "secret-launch", ("U0ANA", BOT_USER_ID), is_private=True))
        await opened.starts(approvals=APPROVALS, budgets=BUDGETS)
        yield opened


async def opened(house: House, who: Person) -> View:
    """What stands in somebody's home tab once they have opened it."""
    assert (await who.opens_home()).ok
    await house.tick()
    assert who.home is not None
    return who.home


async def shows(house: House, who: Person) -> str:
    """The same as text."""
    return reading((await opened(house, who)).blocks)


async def refreshed(house: House) -> datetime | None:
    """One beat of the home tabs, and what it set going."""
    again = await house.inside.door.home.refresh()
    await house.tick()
    return again


def published(house: House) -> int:
    return sum(call.method == "views.publish" for call in house.slack.calls)


def now_in(who: Person) -> str:
    assert who.home is not None
    return reading(who.home.blocks)


class TestWhatStandsThere:
    async def test_a_newcomer_is_welcomed_and_offered_where_to_begin(self, house: House) -> None:
        said = await shows(house, house.slack.person("lena"))

        assert "*Welcome, <@U0LENA>.* You have not asked for anything yet." in said
        assert "My requests" not in said
        assert "Waiting for you" not in said
        assert "What is left this month" not in said
        assert said.index("[Buy domains]") < said.index("[Check domains]") < said.index("[Everything you can ask]")

    async def test_what_i_asked_comes_unfinished_first_with_its_state_and_its_thread(self, house: House) -> None:
        done = [await house.approved(house.ana, f"done{number}.com") for number in range(5)]
        house.clock.advance(minutes=1)
        await house.runs_for(minutes=5)
        waiting = await house.asks(house.ana, "waiting.com")
        for number in range(5):
            house.clock.advance(minutes=1)
            await house.approved(house.ana, f"later{number}.com")
            await house.runs_for(minutes=5)

        said = await shows(house, house.ana)

        listed = said[said.index("My requests") :]
        assert listed.index("waiting.com") < listed.index("later4.com") < listed.index("later3.com")
        assert "done0.com" not in listed
        assert ":hourglass_flowing_sand: *Waiting for approval*" in listed
        assert f"archives/C0OUTREACH/p{waiting.ts.replace('.', '')}|Thread>" in listed
        assert len([line for line in listed.splitlines() if line == "[Open]"]) == 5
        assert done[0].id not in json.dumps(house.ana.home.blocks if house.ana.home else [])

    async def test_what_is_under_way_for_others_shows_its_progress(self, house: House) -> None:
        await house.approved(house.ana, "acme.com", "acme.co")
        await house.asks(house.ana, "launch.com", channel="C0SECRET")

        said = await shows(house, house.slack.person("lena"))

        assert "Under way for others" in said
        assert "`░░░░░░░░░░` 0 of 2 · Mailin" in said
        assert "launch.com" not in said
        assert "Under way for others" not in await shows(house, house.ana)

    async def test_what_is_under_way_in_a_private_channel_is_for_those_who_may_know(self, house: House) -> None:
        await house.approved(house.ana, "launch.com", channel="C0SECRET")

        assert "launch.com" in await shows(house, house.finn)
        assert "launch.com" not in await shows(house, house.slack.person("lena"))

    async def test_the_budgets_are_my_teams_and_drawn_as_the_command_draws_them(self, house: House) -> None:
        await house.approved(house.ana, "acme.com")

        said = await shows(house, house.ana)
        await house.ana.types("/postroom budget")
        await house.tick()

        typed = house.privately(house.ana, "#general")[-1]
        bars = [line for line in typed.splitlines() if line.startswith("`")]
        assert len(bars) == 1
        assert bars[0] in said
        assert "Finance" not in said
        assert "Finance's own" in await shows(house, house.omar)

    async def test_what_slack_does_not_say_is_said_and_the_rest_is_shown(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.passes(minutes=2)  # what Slack said before is forgotten
        house.slack.faults.add("usergroups.users.list", SlackFault.error("internal_error"), times=None)

        said = await shows(house, house.ana)

        assert ":warning: Slack did not say which teams you belong to." in said
        assert "acme.com" in said
        assert story.id in json.dumps(house.ana.home.blocks if house.ana.home else [])
        house.slack.faults.add("users.info", SlackFault.error("internal_error"), times=None)
        await house.passes(minutes=2)
        said = await shows(house, house.omar)
        assert ":warning: Slack did not say who may decide, so what waits for you is not shown." in said
        assert "[Everything you can ask]" in said

    async def test_nothing_that_was_written_acts(self, house: House) -> None:
        await house.asks(house.ana, "acme.com", reason="<!channel> *now* <https://evil.test|here>\n> `x`")

        said = await shows(house, house.omar)

        assert "&lt;!channel&gt; *now* &lt;https://evil.test|here&gt;" in said
        rich = [one for one in house.omar.home.blocks if one["type"] == "rich_text"] if house.omar.home else []
        assert "<!channel> *now*" in json.dumps(rich)


class TestDeciding:
    async def test_yes_in_the_home_is_a_yes_and_the_home_shows_it(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        home = await opened(house, house.omar)
        assert "Waiting for you: 1" in now_in(house.omar)

        ack = await house.omar.clicks(home, "approve")
        await house.tick()

        assert ack
        assert ack.ok
        assert await story.state() is RequestState.WORKING
        assert any("<@U0OMAR> approved this" in line for line in story.thread)
        assert "Waiting for you" not in now_in(house.omar)
        assert "Under way for others" in now_in(house.omar)
        assert house.bought == ["acme.com"]

    async def test_no_in_the_home_asks_for_the_reason_and_the_home_shows_it_at_once(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.omar.clicks(await opened(house, house.omar), "deny")
        form = await house.omar.sees_modal("deny")
        await house.omar.fills(form, reason="Not this quarter.")

        assert (await house.omar.submits(form)).result == "closed"
        await house.tick()

        assert await story.state() is RequestState.DENIED
        assert "Waiting for you" not in now_in(house.omar)
        assert "Not this quarter." in "\n".join(story.thread)

    async def test_a_question_and_a_part_of_it(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com", "acme.co")
        home = await opened(house, house.omar)
        await house.omar.clicks(home, "ask")
        form = await house.omar.sees_modal("question")
        await house.omar.fills(form, question="Both?")
        await house.omar.submits(form)
        await house.tick()
        assert "Both?" in "\n".join(story.thread)

        await house.omar.clicks(home, "choose")
        form = await house.omar.sees_modal("items")
        await house.omar.fills(form, **{"items:0": ["0"]})
        await house.omar.submits(form)
        await house.tick()

        assert house.bought == ["acme.com"]

    async def test_what_is_decided_there_is_shown_there(self, house: House) -> None:
        await house.asks(house.ana, "acme.com", "acme.co")
        said = await shows(house, house.omar)
        assert "• `acme.com` — $12.50\n• `acme.co` — $28.00" in said

    async def test_what_is_too_long_to_be_shown_there_is_read_first(self, house: House) -> None:
        story = await house.asks(house.ana, *(f"acme{number}.com" for number in range(7)))
        home = await opened(house, house.omar)
        assert "… 7 lines in all" in now_in(house.omar)
        assert "[Approve]" not in now_in(house.omar)

        await house.omar.clicks(home, "Read all of it and decide")
        await house.tick()
        window = await house.omar.sees_modal("Request")
        assert window.reads("`acme6.com` — $12.50")
        await house.omar.clicks(window, "approve")
        await house.tick()

        assert await story.state() is RequestState.WORKING

    async def test_what_was_sent_before_says_so(self, house: House) -> None:
        house.mailin.faults.add("buy_multiple", Fault.cut_before())
        story = await house.asks(house.ana, *FOUR)
        for who in (house.omar, house.finn):
            await who.clicks(story.card, "approve")
        await house.runs_for(hours=3)
        await house.finn.clicks(story.card, "settle_again")
        await house.tick()

        assert await story.state() is RequestState.AWAITING
        assert "*This was sent before. Somebody has looked and says that it did not happen" in await shows(
            house, house.omar
        )

    async def test_it_waits_for_those_alone_whose_yes_is_missing(self, house: House) -> None:
        await house.asks(house.ana, *FOUR)
        assert "Waiting for you: 1" in await shows(house, house.finn)
        await house.omar.clicks(await opened(house, house.omar), "approve")
        await house.tick()

        assert "Waiting for you" not in now_in(house.omar)
        assert "Waiting for you: 1" in await shows(house, house.finn)
        assert "Waiting for you" not in await shows(house, house.ana)
        assert "Waiting for you" not in await shows(house, house.slack.person("lena"))

    async def test_it_waits_for_whoever_decides_in_somebodys_place(self, house: House) -> None:
        await house.finn.types("/postroom away until friday <@U0LENA|lena>")
        await house.tick()
        story = await house.asks(house.ana, "acme.com")
        lena = house.slack.person("lena")
        assert "Waiting for you: 1" in await shows(house, lena)

        await lena.clicks(await opened(house, lena), "approve")
        await house.tick()

        assert await story.state() is RequestState.WORKING
        assert any("<@U0LENA> (for <@U0FINN>) approved this" in line for line in story.thread)

    async def test_what_others_hold_up_hides_nothing(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(listings, "MOST_TO_DECIDE", 2)
        for number in range(2):
            await house.asks(house.ana, *(f"{number}{name}" for name in FOUR))
            await house.omar.clicks(await opened(house, house.omar), "approve")
            await house.tick()
        await house.asks(house.ana, "acme.com")
        assert "Waiting for you: 1" in await shows(house, house.omar)

    async def test_it_waits_again_for_those_whose_yes_no_longer_counts(self, house: House) -> None:
        await house.finn.types("/postroom away until friday <@U0LENA|lena>")
        await house.tick()
        await house.asks(house.ana, *FOUR)
        lena = house.slack.person("lena")
        await lena.clicks(await opened(house, lena), "approve")
        await house.tick()
        assert "Waiting for you" not in await shows(house, house.finn)

        house.slack.users["U0LENA"] = replace(house.slack.users["U0LENA"], deleted=True)
        house.clock.advance(minutes=2)  # for so long it is remembered who she was
        assert "Waiting for you: 1" in await shows(house, house.finn)
        await house.finn.clicks(await opened(house, house.finn), "approve")
        await house.tick()

        assert "Waiting for you" not in now_in(house.finn)
        assert "Waiting for you: 1" in await shows(house, house.omar)

    async def test_it_waits_for_the_owner_of_an_overdrawn_budget_as_well(self, house: House) -> None:
        tight = BudgetSettings(
            name="Tight", amount=Decimal(5), currency="USD", team="S0GROWTH", over="owner", owners=("U0LENA",)
        )
        await house.restarts(budgets=(tight,))
        story, lena = await house.asks(house.ana, "acme.com"), house.slack.person("lena")
        await house.omar.clicks(await opened(house, house.omar), "approve")
        await house.tick()
        assert await story.state() is RequestState.AWAITING
        assert "Waiting for you" not in now_in(house.omar)
        assert "Waiting for you" not in await shows(house, house.finn)

        await lena.clicks(await opened(house, lena), "approve")
        await house.tick()

        assert await story.state() is RequestState.WORKING

    async def test_it_waits_neither_for_a_guest_nor_when_its_time_is_over(self, house: House) -> None:
        hasty = ApprovalSettings(approvers=("U0OMAR", "U0LENA"), wait_hours=2)
        house.slack.users["U0LENA"] = replace(house.slack.users["U0LENA"], is_restricted=True)
        await house.restarts(approvals=hasty)
        await house.asks(house.ana, "acme.com")
        assert "Waiting for you" not in await shows(house, house.slack.person("lena"))
        assert "Waiting for you: 1" in await shows(house, house.omar)

        house.clock.advance(hours=3)
        await house.omar.opens_home()
        await house.inside.background.settled()

        assert "Waiting for you" not in now_in(house.omar)

    async def test_an_approvers_own_request_does_not_wait_for_them(self, house: House) -> None:
        await house.asks(house.omar, "acme.com", channel="#approvals")

        said = await shows(house, house.omar)

        assert "Waiting for you" not in said
        assert "My requests" in said
        assert "Waiting for you: 1" in await shows(house, house.finn)

    async def test_an_old_button_says_who_was_first_and_the_home_is_true_again(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        before = await opened(house, house.omar)
        await house.finn.clicks(story.card, "deny")
        form = await house.finn.sees_modal("deny")
        await house.finn.fills(form, reason="No.")
        await house.finn.submits(form)
        await house.tick()

        await house.omar.clicks(before, "approve")
        await house.tick()

        assert await story.state() is RequestState.DENIED
        told = await house.omar.sees_modal("Postroom")
        assert told.reads("Finn Berg has already denied this.") or told.reads("has already denied this")
        assert "Waiting for you" not in now_in(house.omar)
        assert not house.bought

    async def test_whoever_may_not_gets_a_sentence_and_the_audit_knows(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        theirs = await opened(house, house.omar)
        lena = house.slack.person("lena")
        mine = await opened(house, lena)
        action = _button(house, theirs, "approve")

        forged = payloads.view_action(house.slack, lena.user, mine, action)
        ack = await house.slack.deliver("interactive", forged)
        await house.tick()

        assert ack.ok
        assert await story.state() is RequestState.AWAITING
        told = await lena.sees_modal("Postroom")
        assert told.reads("You are not among the people who may decide this. Nothing was changed.")
        refused = house.on_disk("SELECT actor FROM audit WHERE what = 'click_refused'")
        assert refused == [("U0LENA",)]

    async def test_a_trigger_that_is_too_old_still_brings_the_sentence(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        home = await opened(house, house.omar)
        await house.finn.clicks(story.card, "approve")
        await house.tick()
        house.slack.faults.add("views.open", SlackFault.error("expired_trigger_id"))

        await house.omar.clicks(home, "approve")
        await house.tick()

        assert any("has already approved this" in one.text for one in house.slack.messages(house.slack.dm("U0OMAR").id))

    async def test_what_nobody_knows_the_end_of_waits_for_a_word(self, house: House) -> None:
        house.mailin.faults.add("buy", Fault.cut_before())
        story = await house.approved(house.ana, "acme.com")
        await house.runs_for(hours=3)
        assert await story.state() is RequestState.UNKNOWN
        home = await opened(house, house.omar)
        assert "Waiting for you: 1" in now_in(house.omar)
        assert ":warning: *Needs a person.*" in now_in(house.omar)

        await house.omar.clicks(home, f"open:{story.id}")
        await house.tick()
        told = await house.omar.sees_modal("story")
        await house.omar.clicks(told, "settle_did_not")
        await house.tick()
        await refreshed(house)

        assert await story.state() is RequestState.FAILED
        assert (await house.omar.sees_modal("story")).reads("<@U0OMAR> looked and says that it did not happen")
        assert "Waiting for you" not in now_in(house.omar)


def _button(house: House, view: View, name: str) -> dict[str, Any]:
    """A button of a view as a click on it is sent."""
    for block in view.blocks:
        for element in block.get("elements", ()):
            if element.get("action_id") == name:
                return payloads.action_of(house.slack, block, element)
    raise AssertionError(f"no {name} here")


class TestAsking:
    async def test_what_i_ask_most_comes_first_and_opens_its_form(self, house: House) -> None:
        for number in range(3):
            house.mailin.own(f"acme{number}.com")
            form = await house.form(house.ana, f"/domain forward acme{number}.com")
            await house.ana.fills(form, to="https://acme.test")
            await house.ana.submits(form)
            await house.tick()
        await house.asks(house.ana, "acme.com")
        said = await shows(house, house.ana)

        assert said.index("[Forward") < said.index("[Buy domains]") < said.index("[Check domains]")
        home = house.ana.home
        assert home is not None
        house.clock.advance(minutes=1)
        await house.ana.clicks(home, "Buy domains")
        form = await house.ana.sees_modal("form")
        assert form.title == "Buy domains"
        await house.ana.fills(form, domains="from-home.com", reason="From the home tab", channel="C0OUTREACH")
        assert (await house.ana.submits(form)).result == "updated"
        review = await house.ana.sees_modal("review")
        assert (await house.ana.submits(review)).result == "cleared"
        story = await house.story_of(house.ana)
        assert story.channel == "C0OUTREACH"
        assert "from-home.com" in now_in(house.ana)

    async def test_everything_is_one_click_away(self, house: House) -> None:
        await house.ana.clicks(await opened(house, house.ana), "Everything you can ask")
        await house.tick()

        shown = await house.ana.sees_modal("Ask Postroom")
        assert shown.reads("*/domain*")
        assert shown.reads("*/verify*")


class TestDrawingAnew:
    async def test_a_home_that_was_opened_lately_follows_what_others_do(self, house: House) -> None:
        await opened(house, house.ana)
        story = await house.asks(house.ana, "acme.com")
        await refreshed(house)
        assert "*Waiting for approval*" in now_in(house.ana)

        await house.omar.clicks(story.card, "approve")
        await house.tick()
        await refreshed(house)

        assert "*In progress*" in now_in(house.ana)
        assert house.omar.home is None

    async def test_nothing_is_published_where_nothing_has_changed(self, house: House) -> None:
        assert await refreshed(house) is None
        await opened(house, house.ana)
        before = published(house)

        assert await refreshed(house) is not None
        house.clock.advance(minutes=2)
        await refreshed(house)

        assert published(house) == before

    async def test_progress_shows_within_a_minute_though_the_audit_has_none_of_it(self, house: House) -> None:
        await house.approved(house.ana, "acme.com", "acme.co")
        await opened(house, house.ana)
        assert "0 of 2" in now_in(house.ana)
        before = house.on_disk("SELECT MAX(seq) FROM audit")
        house.mailin.listing_lag_seconds = 0
        house.mailin.domains["acme.co"].active_at += timedelta(seconds=60)
        await house.runs_for(seconds=90)
        assert house.on_disk("SELECT MAX(seq) FROM audit") == before

        await refreshed(house)

        assert "1 of 2" in now_in(house.ana)

    async def test_after_a_while_nobody_follows_any_more(self, house: House) -> None:
        await opened(house, house.ana)
        await house.passes(minutes=16)
        before = published(house)
        await house.asks(house.omar, "acme.com", channel="#approvals")

        assert await refreshed(house) is None
        assert published(house) == before

    async def test_opened_many_times_at_once_it_is_drawn_once_or_twice(self, house: House) -> None:
        before = published(house)

        await asyncio.gather(*(house.ana.opens_home() for _ in range(20)))
        await house.tick()

        assert 1 <= published(house) - before <= 3

    async def test_slack_refuses_and_nothing_else_comes_of_it(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.slack.faults.add("views.publish", SlackFault.rate_limited(30))
        await house.omar.opens_home()
        await house.tick()
        assert house.omar.home is None
        home = await opened(house, house.omar)

        house.slack.faults.add("views.publish", SlackFault.server_error())
        await house.omar.clicks(home, "approve")
        await house.tick()

        assert await story.state() is RequestState.WORKING
        assert "Waiting for you" in now_in(house.omar)
        house.clock.advance(minutes=2)
        await refreshed(house)
        assert "Waiting for you" not in now_in(house.omar)

    async def test_after_a_restart_a_click_in_an_old_home_still_counts_and_draws_it(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        home = await opened(house, house.omar)
        await house.restarts()

        await house.omar.clicks(home, "approve")
        await house.tick()

        assert await story.state() is RequestState.WORKING
        assert "Waiting for you" not in now_in(house.omar)

    async def test_people_of_other_workspaces_get_none(self, house: House) -> None:
        event = payloads.home_opened(house.slack, house.ana.user) | {"team_id": OTHER_TEAM_ID}

        assert (await house.slack.deliver("events_api", event)).ok
        await house.tick()

        assert house.ana.home is None
        assert not published(house)


async def test_over_http_as_over_the_socket(tmp_path: Path) -> None:
    async with open_house(tmp_path, mode="http") as house:
        story = await house.asks(house.ana, "acme.com")
        home = await opened(house, house.omar)
        assert "Waiting for you: 1" in now_in(house.omar)

        await house.omar.clicks(home, f"open:{story.id}")
        await house.tick()
        await house.omar.clicks(await house.omar.sees_modal("Request"), "approve")
        await house.tick()
        await refreshed(house)

        assert await story.state() is RequestState.WORKING
        assert "Waiting for you" not in now_in(house.omar)


async def test_ten_thousand_of_everything_fit_on_one_home(house: House) -> None:
    """Slack takes a hundred blocks, and the local workspace refuses more."""
    await house.asks(house.ana, *FOUR, reason="r" * 500)
    many_more(house, 10_000)

    said = await shows(house, house.omar)

    assert "Waiting for you: 100 or more" in said
    assert said.count("[Approve]") == 5
    assert "… and at least 95 more\n[All that wait]" in said
    await house.omar.clicks(house.omar.home, "All that wait")  # type: ignore[arg-type]
    await house.tick()
    listed: Modal = await house.omar.sees_modal("Requests")
    assert listed.reads("*All requests: more than 50* · waiting")
    assert len([one for one in listed.blocks if one["type"] == "section"]) == 11
    said = await shows(house, house.ana)
    assert "What is left this month" in said
    assert "[All my requests]" in said
