"""An open story follows its request: for a while, at a cost that has a bound, and never over another answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.sandbox.faults import Fault as SlackFault
from bot.sandbox.model import BOT_USER_ID, Channel, User
from bot.sandbox.payloads import message_action
from bot.sandbox.people import Person
from handlers.slack.lists import FOLLOWED, MOST_AT_ONCE, MOST_OPEN
from tests.house import House, Modal, Story, open_house, reading


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Lena decides nothing; Ana and she are in a private channel."""
    async with open_house(tmp_path, starts=False) as opened:
        opened.slack.add_user(User("U0LENA", "lena", "Lena Roth", email="lena@acme.test"), "general", "outreach")
        opened.slack.add_channel(Channel("C0QUIET", "quiet", ("U0ANA", "U0LENA", BOT_USER_ID), is_private=True))
        await opened.starts()
        yield opened


async def opens(house: House, who: Person, story: Story, channel: str = "#general") -> Modal:
    """The story in a window, out of a list."""
    await who.types("/postroom requests all", channel=channel)
    await house.tick()
    await who.clicks(who.ephemerals(channel)[-1], f"open:{story.id}")
    await house.tick()
    return await who.sees_modal("Request")


async def beat(house: House) -> datetime | None:
    """The beat of what people have open, and what it set going."""
    again = await house.inside.door.home.refresh()
    await house.tick()
    return again


def updates(house: House, window: Modal) -> int:
    return sum(
        call.method == "views.update" and call.arguments.get("view_id") == window.id for call in house.slack.calls
    )


def told(window: Modal) -> str:
    return reading(window.blocks)


class TestFollowing:
    async def test_what_others_do_shows_by_itself_as_far_as_it_has_come(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com", "acme.co")
        window = await opens(house, house.slack.person("lena"), story)
        assert "*Waiting for approval*" in told(window)

        await house.omar.clicks(story.card, "approve")
        await house.tick()
        await beat(house)
        assert "*In progress* `░░░░░░░░░░` 0 of 2" in told(window)
        assert "• <@U0OMAR> said yes" in told(window)

        house.mailin.listing_lag_seconds = 0
        house.mailin.domains["acme.co"].active_at += timedelta(seconds=60)
        before = house.on_disk("SELECT MAX(seq) FROM audit")
        await house.runs_for(seconds=90)
        assert house.on_disk("SELECT MAX(seq) FROM audit") == before  # progress is no fact of the audit
        await beat(house)
        assert "1 of 2" in told(window)

        await house.runs_for(minutes=5)
        await beat(house)
        assert "*Done.*" in told(window)
        assert f"As of <!date^{int(house.clock.now().timestamp())}^" in told(window)

    async def test_whoever_may_decide_gets_the_buttons_when_it_asks_them(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        window = await opens(house, house.omar, story)
        assert "[Approve]" in told(window)
        await house.finn.clicks(story.card, "approve")
        await house.tick()
        await beat(house)
        assert "[Approve]" not in told(window)

    async def test_nothing_is_drawn_where_nothing_has_changed(self, house: House) -> None:
        assert await beat(house) is None
        story = await house.asks(house.ana, "acme.com")
        window = await opens(house, house.omar, story)
        before = updates(house, window)

        for _ in range(5):
            house.clock.advance(seconds=3)
            assert await beat(house) is not None
            await house.asks(house.ana, f"other-{house.clock.now():%S}.com")  # another one

        assert updates(house, window) == before

    @pytest.mark.parametrize("value", ["", "bare"])
    async def test_a_forged_button_follows_the_one_request_that_it_showed(self, house: House, value: str) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.ana.types("/postroom requests", channel="#general")
        await house.tick()
        said = story.id.removeprefix("req_") if value else ""
        action = {"type": "button", "action_id": "open:x", "block_id": "b", "value": said, "action_ts": "1.1"}
        shown = house.ana.ephemerals("#general")[-1]
        assert (await house.slack.deliver("interactive", message_action(house.slack, house.ana.user, shown, action))).ok
        await house.tick()
        window = await house.ana.sees_modal("Request")
        before = updates(house, window)

        await beat(house)
        assert updates(house, window) == before
        await house.asks(house.ana, "newer.com")
        await beat(house)

        assert updates(house, window) == before
        assert "Buy acme.com" in told(window)

    async def test_a_page_of_what_was_earlier_stays_that_page(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        for number in range(40):
            await house.inside.requests.refused_click(story.id, "U0LENA", "approve", f"No, said {number:02}.")
        window = await opens(house, house.omar, story)
        await house.omar.clicks(window, "← Earlier")
        await house.tick()

        await house.ana.clicks(story.parent, "cancel")
        await house.tick()
        await beat(house)

        assert "*Cancelled*" in told(window)
        assert "[Later →]" in told(window)
        assert "said 39." not in told(window)

    async def test_a_story_below_another_window_follows_as_well(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        window = await opens(house, house.omar, story)
        await house.omar.clicks(window, "deny")
        form = await house.omar.sees_modal("deny")
        await house.finn.clicks(story.card, "approve")
        await house.tick()

        await beat(house)

        assert form.is_on_top
        assert "*Approved* by <@U0FINN>" in told(window) or "*In progress*" in told(window)


class TestItsEnd:
    async def test_after_a_while_it_follows_no_more_and_a_click_makes_it(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        window = await opens(house, house.omar, story)
        house.clock.advance(seconds=FOLLOWED.total_seconds())
        await house.ana.clicks(story.parent, "cancel")
        await house.tick()
        assert await beat(house) is None
        assert "*Waiting for approval*" in told(window)

        await house.omar.clicks(window, "Refresh")
        await house.tick()

        assert "*Cancelled*" in told(window)
        assert await beat(house) is not None

    async def test_after_a_restart_a_click_makes_it_follow_again(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        window = await opens(house, house.omar, story)
        await house.restarts()
        assert await beat(house) is None

        await house.omar.clicks(window, "Refresh")
        await house.tick()
        await house.ana.clicks(story.parent, "cancel")
        await house.tick()
        await beat(house)

        assert "*Cancelled*" in told(window)

    async def test_a_window_that_was_closed_is_forgotten_when_slack_says_so(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        window = await opens(house, house.omar, story)
        await house.omar.closes(window, everything=True)
        await house.ana.clicks(story.parent, "cancel")
        await house.tick()
        before = updates(house, window)

        assert await beat(house) is not None
        assert updates(house, window) == before + 1
        assert await beat(house) is None
        assert not [one for one in house.log if one["log_level"] in ("error", "critical")]

    @pytest.mark.parametrize("fault", [SlackFault.rate_limited(3), SlackFault.server_error(), SlackFault.cut_before()])
    async def test_slack_in_trouble_is_tried_again(self, house: House, fault: SlackFault) -> None:
        story = await house.asks(house.ana, "acme.com")
        window = await opens(house, house.omar, story)
        await house.ana.clicks(story.parent, "cancel")
        await house.tick()
        house.slack.faults.add("views.update", fault)

        await beat(house)
        assert "*Waiting for approval*" in told(window)
        await beat(house)

        assert "*Cancelled*" in told(window)

    async def test_what_a_click_was_told_instead_is_not_drawn_over(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        window = await opens(house, house.omar, story)
        await house.finn.clicks(story.card, "approve")
        await house.tick()
        await house.omar.clicks(window, "approve")
        await house.tick()

        assert await beat(house) is None

        assert (await house.omar.sees_modal("Postroom")).reads("has already approved this")

    async def test_whoever_was_shown_out_of_the_channel_learns_nothing_new(self, house: House) -> None:
        secret = await house.asks(house.ana, "launch.com", channel="C0QUIET")
        lena = house.slack.person("lena")
        window = await opens(house, lena, secret, "C0QUIET")
        house.slack.remove("C0QUIET", "U0LENA")
        await house.passes(minutes=2)
        await house.omar.clicks(secret.card, "approve")
        await house.tick()

        await beat(house)
        assert "*Waiting for approval*" in told(window)
        assert await beat(house) is None
        await lena.clicks(window, "Refresh")
        await house.tick()

        assert (await lena.sees_modal("Request")).reads("There is no such request that you may know about.")


class TestItsBound:
    async def test_many_open_stories_are_drawn_a_few_at_a_time_each_in_its_turn(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        people = []
        for number in range(MOST_AT_ONCE * 2):
            house.slack.add_user(User(f"U0P{number}", f"p{number}", f"P {number}"), "general")
            people.append(house.slack.person(f"p{number}"))
        windows = [await opens(house, who, story) for who in people]
        await house.ana.clicks(story.parent, "cancel")
        await house.tick()

        await beat(house)
        assert sum("*Cancelled*" in told(one) for one in windows) == MOST_AT_ONCE
        await beat(house)
        assert sum("*Cancelled*" in told(one) for one in windows) == MOST_AT_ONCE * 2

    async def test_no_more_are_followed_than_that(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        assert MOST_OPEN >= MOST_AT_ONCE
        monkeypatch.setattr("handlers.slack.lists.MOST_OPEN", 1)
        story = await house.asks(house.ana, "acme.com")
        first, second = await opens(house, house.omar, story), await opens(house, house.finn, story)
        await house.ana.clicks(story.parent, "cancel")
        await house.tick()

        await beat(house)

        assert "*Waiting for approval*" in told(first)
        assert "*Cancelled*" in told(second)
