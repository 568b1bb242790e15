"""The digest: what a channel reads in the morning, once a day whatever happens, and how it is set up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.policy_settings import BudgetSettings
from bot.sandbox.faults import Fault as SlackFault
from bot.sandbox.model import BOT_USER_ID, Channel, Message
from bot.sandbox.people import Person
from handlers.slack.delivery import METADATA
from providers.mailin.sandbox import Fault
from providers.smailor.sandbox import Fault as SmailorFault
from tests.house import House, open_house, reading

BUDGETS = (
    BudgetSettings(name="Outreach", amount=Decimal(100), currency="USD", team="C0OUTREACH"),
    BudgetSettings(name="Finance", amount=Decimal(500), currency="USD", team="C0GENERAL"),
)
ACCOUNTS = ("mailin-main", "smailor-main", "instantly-main")
ZONE = "Europe/Berlin"
ALL_DAYS = [str(day) for day in range(7)]


@contextlib.asynccontextmanager
async def house_of(folder: Path, **more: Any) -> AsyncIterator[House]:
    """It is Monday, 2 March 2026, 9:00 UTC: ten o'clock in Berlin."""
    async with open_house(folder, starts=False, **more) as opened:
        opened.slack.add_channel(Channel("C0SECRET", "secret-launch", ("U0ANA", BOT_USER_ID), is_private=True))
        await opened.starts(budgets=BUDGETS)
        yield opened


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with house_of(tmp_path) as opened:
        yield opened


async def sets_up(
    house: House, who: Person, *, channel: str = "#outreach", at: str = "11:00", zone: str = ZONE, **more: Any
) -> str:
    """Fills in the window, and returns what it says when it was sent."""
    await who.types("/postroom digest setup", channel=channel)
    modal = await who.sees_modal("digest")
    await who.fills(modal, at=at, zone=zone, **{"days": ALL_DAYS, **more})
    sent = await who.submits(modal)
    if sent.result == "errors":
        return str(sent.errors)
    assert sent.result == "updated", sent
    return reading(modal.blocks)


async def beat(house: House) -> None:
    """The digest's beat, as the scheduler would call it."""
    await house.inside.digest.send()


def digests(house: House, channel: str = "C0OUTREACH") -> list[Message]:
    """The digests that were posted in a channel, oldest first."""
    found = [message for message in house.slack.messages(channel) if message.text.startswith("Digest: ")]
    assert all(message.metadata and message.metadata["event_type"] == METADATA for message in found)
    return found


def posted(house: House, *channels: str) -> int:
    """How many digests there are in these channels."""
    return sum(len(digests(house, house.slack.channel(channel).id)) for channel in channels)


def told(house: House) -> list[str]:
    """What Ana was told about digests in person."""
    return [one.text for one in house.slack.messages(house.slack.dm("ana").id) if "digest" in one.text]


def days(house: House) -> list[tuple[Any, ...]]:
    return house.on_disk("SELECT channel, local_date, state FROM digests_sent ORDER BY local_date, channel")


async def sent_within_a_day(house: House) -> list[str]:
    """Lets a day pass, a quarter of an hour at a time; the days and times (UTC) at which a digest came."""
    sent: list[str] = []
    for _ in range(24 * 4):
        house.clock.advance(minutes=15)
        before = len(digests(house))
        await beat(house)
        sent += [f"{house.clock.now():%d %H:%M}"] * (len(digests(house)) - before)
    return sent


async def preview(house: House, who: Person, channel: str = "#outreach") -> Message:
    """What `/postroom digest` shows, to its asker alone."""
    await who.types("/postroom digest", channel=channel)
    await house.tick()
    return who.ephemerals(channel)[-1]


class TestWhatItSays:
    async def test_what_waits_comes_first_and_then_what_has_ended(self, house: House) -> None:
        await sets_up(house, house.ana)
        await house.approved(house.ana, "first.com")
        house.mailin.faults.add("buy", Fault.answers(311))
        await house.approved(house.ana, "broken.co")
        await house.runs_for(minutes=5)
        waiting = await house.asks(house.ana, "second.co")
        await house.runs_for(minutes=55)
        await beat(house)

        [digest] = digests(house)
        assert digest.text == "Digest: 1 to decide, 1 done, 1 failed"
        told = reading(digest.blocks)
        parts = ["1 request waits for a decision", "second.co", ":x: *1 failed*", "broken.co", ":tada: *1 done*"]
        assert [told.index(part) for part in parts] == sorted(told.index(part) for part in parts)
        assert "· *$28.00* · " in told
        assert f"`{waiting.id}`\nHas waited for 55 minutes\n[Look]" in told
        assert "• *Outreach*: $12.50 of $100.00 spent, $28.00 reserved; *$59.50 left*" in told
        assert "Finance" not in told  # another channel's
        assert "<@" not in str(digest.blocks)  # nobody is pinged every morning
        chart = next(block for block in digest.blocks if block["type"] == "data_visualization")
        points = {one["name"]: [point["value"] for point in one["data"]] for one in chart["chart"]["series"]}
        assert points == {"Spent": [12], "Reserved": [28], "Left": [60]}

    async def test_a_workspace_without_charts_gets_the_figures(self, house: House) -> None:
        house.slack.accepts_new_blocks = False
        await sets_up(house, house.ana)
        await house.asks(house.ana, "first.com")
        await house.passes(hours=1)
        await beat(house)

        [digest] = digests(house)
        assert "data_visualization" not in str(digest.blocks)
        assert "*Outreach*: $0.00 of $100.00 spent, $12.50 reserved" in reading(digest.blocks)

    async def test_each_channel_reads_its_own_and_the_approvers_all_of_it(self, house: House) -> None:
        await house.asks(house.ana, "open.com")
        await house.asks(house.ana, "hidden.com", channel="#secret-launch")

        assert "hidden.com" not in reading((await preview(house, house.ana)).blocks)
        assert "open.com" not in reading((await preview(house, house.ana, "#secret-launch")).blocks)
        everything = reading((await preview(house, house.omar, "#approvals")).blocks)
        assert "open.com" in everything
        assert "hidden.com" in everything
        assert "*Finance*" in everything

    async def test_a_long_list_says_how_many_more_there_are(self, house: House) -> None:
        for number in range(11):
            await house.asks(house.ana, f"name-{number}.com", channel="#general")
        told = reading((await preview(house, house.ana, "#general")).blocks)
        assert "*11 requests wait for a decision*" in told
        assert told.count("[Look]") == 8
        assert "… and 3 more\n[All of them]" in told

    async def test_nobody_knows_what_became_of_it(self, house: House) -> None:
        house.mailin.faults.add("buy", Fault.cut_after())
        story = await house.approved(house.ana, "unclear.com")
        told = reading((await preview(house, house.ana)).blocks)
        assert "Of 1 request nobody knows what became" in told
        assert f"`{story.id}`" in told

    async def test_what_the_providers_tell(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, accounts=ACCOUNTS) as house:
            house.mailin.ledger.append(("Verified", -9_880))
            house.mailin.own("set.com")
            house.mailin.add_domain("unset.com", "smtp", active_at=house.clock.now() + timedelta(days=90))
            house.clock.advance(days=2)
            house.mailin.add_domain("fresh.com", "smtp", active_at=house.clock.now() + timedelta(days=90))
            smailor, instantly = house.sandboxes["smailor"], house.sandboxes["instantly"]
            smailor.own("fine.com")
            smailor.own("watched.com", reputation="watch")
            smailor.own("blocked.com", reputation="blocked")
            instantly.add_account("warm@acme.com", warmup_score=97)
            instantly.add_account("cold@acme.com", warmup_score=41)
            instantly.add_account("broken@acme.com", status=-1)
            for number in range(7):
                instantly.add_account(f"cool-{number}@acme.com", warmup_score=60 + number)
            told = reading((await preview(house, house.ana)).blocks)

            assert ":credit_card: *Credits running low* (1 account)\n• `credits` — 120 left" in told
            assert "*2 domains with a bad reputation*\n• `blocked.com` — blocked" in told
            assert "• `watched.com` — watch" in told
            assert "fine.com" not in told
            assert "*1 domain whose name servers are not set*\n• `unset.com` — " in told
            assert "`set.com`" not in told
            assert "fresh.com" not in told
            wrong = "*9 mailboxes in error, or not warm yet*\n• `broken@acme.com` — connection error"
            assert wrong in told
            assert "• `cold@acme.com` — warm-up score 41 of 100 · `instantly-main`" in told
            assert "… and 4 more\n[All of them]" in told
            assert "warm@acme.com`" not in told.replace("cold@acme.com", "")
            assert "could not be asked" not in told

    async def test_a_provider_that_is_down_is_named_and_the_rest_is_sent(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, accounts=ACCOUNTS) as house:
            house.sandboxes["smailor"].faults.add("domains", SmailorFault.answers(503), times=50)
            house.mailin.ledger.append(("Verified", -9_880))
            told = reading((await preview(house, house.ana)).blocks)
            assert ":speech_balloon: `smailor-main` could not be asked what to look after: " in told
            assert "120 left" in told

    async def test_what_is_not_wanted_is_not_asked(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, accounts=ACCOUNTS) as house:
            await sets_up(house, house.ana, sections=["decisions", "stuck"], more=["when_empty"])
            await house.passes(hours=1)
            await beat(house)
            [digest] = digests(house)
            assert "Nothing waits, nothing is stuck" in reading(digest.blocks)
            assert not house.calls

    async def test_it_says_nothing_of_what_it_did_not_look_at(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, accounts=ACCOUNTS) as house:
            await sets_up(house, house.ana, sections=["reputation", "ended"], more=["when_empty"])
            await house.asks(house.ana, "first.com")
            house.sandboxes["smailor"].faults.add("domains", SmailorFault.answers(503), times=50)
            await house.passes(hours=1)
            await beat(house)
            [digest] = digests(house)
            told = reading(digest.blocks)
            assert digest.text == "Digest: all quiet where it could be seen"
            assert "Nothing has ended since then.\n:speech_balloon: `smailor-main` could not be asked" in told
            assert "waits" not in told

            await sets_up(house, house.ana, sections=["renewals"])
            assert "There is nothing of what this digest is about." in reading((await preview(house, house.ana)).blocks)


class TestAllOfThem:
    async def test_of_requests_there_is_a_list_page_by_page(self, house: House) -> None:
        await sets_up(house, house.ana, channel="#general")
        for number in range(11):
            await house.asks(house.ana, f"name-{number}.com", channel="#general")
        await house.asks(house.ana, "elsewhere.com")
        await house.passes(hours=1)
        await beat(house)
        [digest] = digests(house, "C0GENERAL")
        await house.finn.clicks(digest, "All of them")
        await house.tick()
        told = reading(house.finn.ephemerals("#general")[-1].blocks)
        assert told.startswith("*All requests: 11* · waiting")
        assert told.count("[Open]") == 10
        assert "elsewhere.com" not in told
        assert digests(house, "C0GENERAL")[0].blocks == digest.blocks
        assert house.ana.ephemerals("#general") == []

    async def test_where_all_is_told_all_is_listed(self, house: House) -> None:
        for number in range(9):
            await house.asks(house.ana, f"name-{number}.com", channel="#general" if number % 2 else "#outreach")
        await house.omar.clicks(await preview(house, house.omar, "#approvals"), "All of them")
        await house.tick()
        assert reading(house.omar.ephemerals("#approvals")[-1].blocks).startswith("*All requests: 9* · waiting")

    async def test_of_what_the_providers_tell_every_line(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, accounts=ACCOUNTS) as house:
            for number in range(63):
                house.sandboxes["instantly"].add_account(f"cool-{number}@acme.com", warmup_score=10 + number)
            house.sandboxes["smailor"].own("blocked.com", reputation="blocked")
            shown = await preview(house, house.omar)
            await house.omar.clicks(shown, "All of them")
            await house.tick()
            told = reading(house.omar.ephemerals("#outreach")[-1].blocks)
            assert "*63 mailboxes in error, or not warm yet*" in told
            assert told.count("warm-up score") == 60
            assert "… and 3 more: `/mailbox accounts`" in told
            assert "blocked.com" not in told

            for name in list(house.sandboxes["instantly"].accounts):
                del house.sandboxes["instantly"].accounts[name]
            house.clock.advance(minutes=6)
            await house.omar.clicks(shown, "All of them")
            await house.tick()
            told = reading(house.omar.ephemerals("#outreach")[-1].blocks)
            assert told == "There is nothing of the kind any more."

    async def test_that_a_provider_is_down_is_not_taken_for_that_all_is_well(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, accounts=ACCOUNTS) as house:
            for number in range(6):
                house.sandboxes["smailor"].own(f"blocked-{number}.com", reputation="blocked")
            shown = await preview(house, house.omar)
            house.sandboxes["smailor"].faults.add("domains", SmailorFault.answers(503), times=50)
            house.clock.advance(minutes=6)
            await house.omar.clicks(shown, "All of them")
            await house.tick()
            told = reading(house.omar.ephemerals("#outreach")[-1].blocks)
            assert told.startswith(
                "The accounts that answered tell of nothing of the kind any more.\n:speech_balloon: "
            )
            assert "`smailor-main` could not be asked" in told

    async def test_a_button_of_another_version_changes_nothing_and_says_so(self, house: House) -> None:
        await house.sends(
            house.omar, "block_actions", channel={"id": "C0OUTREACH"}, response_url="",
            actions=[{"type": "button", "action_id": "all:x", "value": "of nobody", "action_ts": "1.0"}],
        )  # fmt: skip
        await house.tick()
        assert "from another version of Postroom" in house.privately(house.omar, "#outreach")[-1]


class TestWhen:
    async def test_once_a_day_whatever_is_restarted(self, house: House) -> None:
        assert "Monday 2 March at 11:00 (Europe/Berlin)" in await sets_up(house, house.ana, more=["when_empty"])
        await beat(house)
        assert digests(house) == []
        await house.passes(hours=1)
        await beat(house)
        await house.restarts()
        await beat(house)
        await asyncio.gather(beat(house), beat(house))
        assert len(digests(house)) == 1

        await house.passes(hours=24)
        await asyncio.gather(beat(house), beat(house))
        assert len(digests(house)) == 2
        assert days(house) == [("C0OUTREACH", "2026-03-02", "sent"), ("C0OUTREACH", "2026-03-03", "sent")]

    async def test_nothing_on_an_empty_day_and_nothing_is_lost_by_it(self, house: House) -> None:
        await sets_up(house, house.ana, sections=["ended", "decisions"])
        await house.passes(hours=1)
        await beat(house)
        assert digests(house) == []
        assert days(house) == [("C0OUTREACH", "2026-03-02", "empty")]

        await house.approved(house.ana, "first.com")
        await house.runs_for(minutes=5)
        await house.passes(hours=24)
        await beat(house)
        assert [one.text for one in digests(house)] == ["Digest: 1 done"]
        await house.passes(hours=24)
        await beat(house)
        assert len(digests(house)) == 1  # what was told is not told again

    async def test_silence_does_not_mean_that_all_is_well_where_nobody_could_ask(self, tmp_path: Path) -> None:
        async with house_of(tmp_path, accounts=ACCOUNTS) as house:
            await sets_up(house, house.ana, sections=["reputation"])
            await house.passes(hours=1)
            await beat(house)
            assert digests(house) == []
            house.sandboxes["smailor"].faults.add("domains", SmailorFault.answers(503), times=50)
            await house.passes(hours=24)
            await beat(house)
            [digest] = digests(house)
            assert "`smailor-main` could not be asked what to look after" in reading(digest.blocks)
            assert days(house)[-1] == ("C0OUTREACH", "2026-03-03", "sent")

    async def test_after_a_long_stop_there_is_one_or_none(self, house: House) -> None:
        await sets_up(house, house.ana, more=["when_empty"])
        await house.stops()
        house.clock.advance(days=5, hours=7)  # Saturday, 17:00 in Berlin: six hours late
        await house.starts()
        await beat(house)
        assert len(digests(house)) == 1

        await house.stops()
        house.clock.advance(hours=24, seconds=1)
        await house.starts()
        await beat(house)
        await beat(house)
        assert len(digests(house)) == 1
        assert days(house)[-1] == ("C0OUTREACH", "2026-03-08", "missed")

    async def test_a_night_without_half_past_two_and_one_with_two_of_them(self, house: House) -> None:
        await sets_up(house, house.ana, at="02:30", more=["when_empty"])
        house.clock.advance(days=25, hours=15)  # 28 March, midnight UTC; the clocks leap the night after
        assert await sent_within_a_day(house) == ["28 01:30"]
        assert await sent_within_a_day(house) == ["29 01:30"]

        house.clock.advance(days=209)  # 25 October: 02:30 comes twice
        assert await sent_within_a_day(house) == ["25 00:30"]

    async def test_slack_takes_it_and_the_answer_is_lost(self, house: House) -> None:
        await sets_up(house, house.ana, more=["when_empty"])
        await house.passes(hours=1)
        house.slack.faults.add("chat.postMessage", SlackFault.cut_after())
        await beat(house)
        assert len(digests(house)) == 1
        assert days(house)[0][2] == "owed"
        await house.restarts()
        house.clock.advance(minutes=10)
        await beat(house)
        assert len(digests(house)) == 1
        assert days(house)[0][2] == "sent"

    async def test_nobody_knows_whether_slack_took_it_and_it_did_not(self, house: House) -> None:
        await sets_up(house, house.ana, more=["when_empty"])
        await house.passes(hours=1)
        house.slack.faults.add("chat.postMessage", SlackFault.cut_before())
        await beat(house)
        await house.restarts()
        house.clock.advance(minutes=10)
        house.slack.faults.add("conversations.history", SlackFault.server_error())
        await beat(house)
        assert digests(house) == []  # before it was looked for, it is not posted again
        house.clock.advance(minutes=10)
        await beat(house)
        assert len(digests(house)) == 1

    async def test_slack_is_away_for_a_while(self, house: House) -> None:
        await sets_up(house, house.ana, more=["when_empty"])
        await house.passes(hours=1)
        house.slack.faults.add("chat.postMessage", SlackFault.server_error(), times=3)
        for _ in range(40):
            await beat(house)
            house.clock.advance(seconds=15)
        assert len(digests(house)) == 1

    async def test_it_is_not_posted_where_postroom_was_thrown_out(self, house: House) -> None:
        await sets_up(house, house.ana, more=["when_empty"])
        house.slack.remove("outreach", BOT_USER_ID)
        await house.passes(hours=1)
        await beat(house)
        assert digests(house) == []
        assert "/invite" in told(house)[-1]
        house.slack.invite("outreach", BOT_USER_ID)
        house.clock.advance(minutes=1)
        await beat(house)
        assert len(digests(house)) == 1

    async def test_it_is_said_what_opens_a_channel_where_only_some_may_post(self, house: House) -> None:
        await sets_up(house, house.ana, more=["when_empty"])
        await house.passes(hours=1)
        house.slack.faults.add("chat.postMessage", SlackFault.error("restricted_action_read_only_channel"))
        await beat(house)
        assert "(restricted_action_read_only_channel). Let Postroom post in that channel" in told(house)[-1]
        assert "/invite" not in told(house)[-1]
        house.clock.advance(minutes=1)
        await beat(house)
        assert len(digests(house)) == 1

    async def test_whoever_set_it_up_is_told_once_however_long_it_lasts(self, house: House) -> None:
        await sets_up(house, house.ana, more=["when_empty"])
        house.slack.remove("outreach", BOT_USER_ID)
        for _ in range(3):
            assert await sent_within_a_day(house) == []
        await house.restarts()
        assert await sent_within_a_day(house) == []
        assert len(told(house)) == 1
        assert {state for _, _, state in days(house)} == {"missed"}

        house.slack.invite("outreach", BOT_USER_ID)
        assert len(await sent_within_a_day(house)) == 1
        house.slack.remove("outreach", BOT_USER_ID)
        assert await sent_within_a_day(house) == []
        assert len(told(house)) == 2

    async def test_nobody_is_woken_because_a_channel_takes_none(self, house: House) -> None:
        await sets_up(house, house.ana, more=["when_empty"])
        house.slack.remove("outreach", BOT_USER_ID)
        await house.passes(hours=1, minutes=20)
        await beat(house)
        assert "postroom_outbox_waiting 0.0" in (await house.inside._page())[0].decode()

    @pytest.mark.parametrize(
        ("closed", "says"), [("not_in_channel", "was not posted"), ("is_archived", "is archived, so its digest")]
    )
    async def test_where_whoever_set_it_up_has_left_those_who_decide_are_told(
        self, house: House, closed: str, says: str
    ) -> None:
        await sets_up(house, house.ana, more=["when_empty"])
        for word in (closed, "user_disabled"):
            house.slack.faults.add("chat.postMessage", SlackFault.error(word))
        await house.passes(hours=1)
        await beat(house)
        [text] = [one.text for one in house.slack.messages("C0APPROVALS") if "digest" in one.text]
        assert says in text
        assert "<@U0ANA> set up" in text or "<@U0ANA> had set up" in text
        assert "postroom_outbox_waiting 0.0" in (await house.inside._page())[0].decode()

    async def test_whether_it_was_posted_cannot_be_looked_up_there_and_it_ends_all_the_same(self, house: House) -> None:
        await sets_up(house, house.ana, more=["when_empty"])
        await house.passes(hours=1)
        house.slack.faults.add("chat.postMessage", SlackFault.server_error(), times=1)
        await beat(house)
        house.slack.remove("outreach", BOT_USER_ID)
        assert await sent_within_a_day(house) == []
        assert days(house)[0] == ("C0OUTREACH", "2026-03-02", "missed")
        assert len(told(house)) == 1

    async def test_of_an_archived_channel_it_is_turned_off(self, house: House) -> None:
        await sets_up(house, house.ana, more=["when_empty"])
        place = house.slack.channel("outreach")
        house.slack.add_channel(replace(place, is_archived=True))
        await house.passes(hours=1)
        await beat(house)
        assert "turned off" in told(house)[-1]
        assert house.on_disk("SELECT channel FROM digests") == []
        assert await sent_within_a_day(house) == []
        assert len(told(house)) == 1

    async def test_whoever_set_it_up_is_rid_of_it_also_where_postroom_was_thrown_out(self, house: House) -> None:
        await sets_up(house, house.ana)
        house.slack.remove("outreach", BOT_USER_ID)
        assert "not in this channel" in await sets_up(house, house.omar, more=["off"])
        assert "No digest is posted there any more" in await sets_up(house, house.ana, more=["off"])

    async def test_what_is_owed_ends_when_it_is_set_up_anew(self, house: House) -> None:
        await sets_up(house, house.ana, more=["when_empty"])
        house.slack.faults.add("chat.postMessage", SlackFault.server_error(), times=1)
        await house.passes(hours=1)
        await beat(house)
        assert days(house) == [("C0OUTREACH", "2026-03-02", "owed")]
        assert "Tuesday 3 March at 10:00" in await sets_up(house, house.ana, at="10:00", more=["when_empty"])
        assert "postroom_outbox_waiting 0.0" in (await house.inside._page())[0].decode()
        assert await sent_within_a_day(house) == ["03 09:00"]

    async def test_a_day_that_had_its_digest_gets_no_other_when_the_time_is_changed(self, house: House) -> None:
        await sets_up(house, house.ana, more=["when_empty"])
        await house.passes(hours=1)
        await beat(house)
        assert "Tuesday 3 March at 15:00" in await sets_up(house, house.ana, at="15:00", more=["when_empty"])
        await house.passes(hours=5)
        await beat(house)
        assert len(digests(house)) == 1
        await house.passes(hours=24)
        await beat(house)
        assert len(digests(house)) == 2


class TestManyAtOnce:
    CHANNELS = ("#outreach", "#general", "#approvals")

    async def test_a_channel_that_slack_is_slow_about_keeps_back_no_other(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for channel in self.CHANNELS:
            await sets_up(house, house.omar, channel=channel, more=["when_empty"])
        await house.passes(hours=1)
        answers, post = asyncio.Event(), house.inside.client.chat_postMessage

        async def slow(**arguments: Any) -> Any:
            if arguments["channel"] == "C0GENERAL":
                await answers.wait()
            return await post(**arguments)

        monkeypatch.setattr(house.inside.client, "chat_postMessage", slow)
        sending = asyncio.create_task(house.inside.digest.send())
        await asyncio.gather(*(house.omar.sees("Digest: ", in_=one) for one in ("#outreach", "#approvals")))
        assert not sending.done()
        assert posted(house, *self.CHANNELS) == 2

        answers.set()
        await sending
        assert posted(house, *self.CHANNELS) == 3
        await beat(house)
        assert posted(house, *self.CHANNELS) == 3

    async def test_a_slow_provider_keeps_back_only_those_who_want_to_hear_of_it_and_is_asked_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with house_of(tmp_path, accounts=("mailin-main", "smailor-main")) as house:
            smailor, answers = house.sandboxes["smailor"], asyncio.Event()
            smailor.own("blocked.com", reputation="blocked")
            notices = house.inside.digest._digests._notices
            asked = notices["smailor"]

            async def slow(client: Any) -> Any:
                await answers.wait()
                return await asked(client)

            monkeypatch.setitem(notices, "smailor", slow)
            await sets_up(house, house.omar, channel="#approvals", sections=["decisions"], more=["when_empty"])
            for channel in ("#outreach", "#general"):
                await sets_up(house, house.omar, channel=channel, sections=["reputation"])
            await house.passes(hours=1)
            sending = asyncio.create_task(house.inside.digest.send())
            await house.omar.sees("Digest: ", in_="#approvals")
            assert posted(house, *self.CHANNELS) == 1

            answers.set()
            await sending
            assert posted(house, *self.CHANNELS) == 3
            assert smailor.calls["domains"] == 1

    @pytest.mark.parametrize("more", ["off", "when_empty"])
    async def test_what_is_turned_off_or_set_up_anew_meanwhile_is_not_posted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str
    ) -> None:
        async with house_of(tmp_path, accounts=("smailor-main",)) as house:
            asked, answers = asyncio.Event(), asyncio.Event()

            async def slow(client: Any) -> Any:
                asked.set()
                await answers.wait()
                return ()

            monkeypatch.setitem(house.inside.digest._digests._notices, "smailor", slow)
            await sets_up(house, house.ana, more=["when_empty"])
            await house.passes(hours=1)
            sending = asyncio.create_task(house.inside.digest.send())
            await asked.wait()
            await sets_up(house, house.ana, at="08:00", more=[more])
            answers.set()
            await sending
            await beat(house)
            assert digests(house) == []
            house.clock.advance(days=1)
            await beat(house)
            assert len(digests(house)) == (more == "when_empty")

    async def test_only_so_many_are_sent_at_a_time_and_all_of_them_once(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("handlers.slack.digest.MOST_AT_ONCE", 2)
        names = [f"team-{number:02}" for number in range(9)]
        for name in names:
            house.slack.add_channel(Channel(f"C0{name[-2:]}", name, ("U0OMAR", BOT_USER_ID)))
            await sets_up(house, house.omar, channel=f"C0{name[-2:]}", more=["when_empty"])
        await house.passes(hours=1)
        house.slack.faults.add("chat.postMessage", SlackFault.slow(0.05), times=None)
        under_way = most = 0
        post = house.inside.client.chat_postMessage

        async def counted(**arguments: Any) -> Any:
            nonlocal under_way, most
            under_way, most = under_way + 1, max(most, under_way + 1)
            try:
                return await post(**arguments)
            finally:
                under_way -= 1

        monkeypatch.setattr(house.inside.client, "chat_postMessage", counted)
        await asyncio.gather(beat(house), beat(house))

        assert most == 4  # two by each of the two beats
        assert [posted(house, f"C0{name[-2:]}") for name in names] == [1] * 9

    async def test_one_that_breaks_keeps_back_no_other_and_the_beat_knows(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for channel in self.CHANNELS:
            await sets_up(house, house.omar, channel=channel, more=["when_empty"])
        await house.passes(hours=1)
        claim, digests_of = house.inside.digest._digests.claim, house.inside.digest._digests

        async def broken(setup: Any, day: Any) -> Any:
            if setup.channel == "C0GENERAL":
                raise OSError("the disk is gone")
            return await claim(setup, day)

        monkeypatch.setattr(digests_of, "claim", broken)
        with pytest.raises(OSError, match="the disk is gone"):
            await beat(house)
        assert posted(house, "#outreach", "#approvals") == 2
        monkeypatch.undo()
        await beat(house)
        assert posted(house, *self.CHANNELS) == 3


class TestLooking:
    async def test_a_button_shows_the_card_as_it_is_now_and_it_can_be_decided(self, house: House) -> None:
        await sets_up(house, house.ana)
        story = await house.asks(house.ana, "first.com")
        await house.passes(hours=1)
        await beat(house)
        [digest] = digests(house)
        await house.omar.clicks(digest, "Look")
        await house.tick()
        card = house.omar.ephemerals("outreach")[-1]
        assert "[Approve]" in reading(card.blocks)
        assert house.ana.ephemerals("outreach")[-1:] != [card]

        await house.omar.clicks(card, "approve")
        await house.runs_for(minutes=5)
        assert house.bought == ["first.com"]
        again = house.slack.message(card.channel, card.ts)
        assert again is not None
        assert "[Approve]" not in reading(again.blocks)
        assert "Approved" in reading(again.blocks)
        assert (await story.state()).is_final

        await house.omar.clicks(digest, "Look")  # the old digest
        await house.tick()
        assert "[Approve]" not in reading(house.omar.ephemerals("outreach")[-1].blocks)

    async def test_who_may_not_decide_learns_it_from_the_card(self, house: House) -> None:
        await house.asks(house.ana, "first.com")
        await house.ana.clicks(await preview(house, house.ana), "Look")
        await house.tick()
        await house.ana.clicks(house.ana.ephemerals("outreach")[-1], "approve")
        await house.tick()
        assert "This is your own request" in house.privately(house.ana, "outreach")[-1]


class TestSetup:
    async def test_what_was_set_up_is_shown_again_and_can_be_turned_off(self, house: House) -> None:
        await sets_up(house, house.ana, at="07:15", zone="america/new_york", days=["0", "4"], sections=["stuck"])
        await house.omar.types("/postroom digest setup", channel="#outreach")
        modal = await house.omar.sees_modal("digest")
        assert modal.values["at"] == "07:15"
        assert modal.values["zone"] == "America/New_York"
        assert modal.values["days"] == ["0", "4"]
        assert modal.values["sections"] == ["stuck"]
        assert modal.values["channel"] == "C0OUTREACH"

        await house.omar.fills(modal, more=["off"])
        await house.omar.submits(modal)
        assert "No digest is posted there any more." in reading(modal.blocks)
        assert house.on_disk("SELECT * FROM digests") == []
        facts = house.on_disk("SELECT what, actor FROM audit WHERE what LIKE 'digest_%' ORDER BY seq")
        assert facts == [("digest_set_up", "U0ANA"), ("digest_off", "U0OMAR")]

    async def test_mistakes_stand_under_their_fields(self, house: House) -> None:
        said = await sets_up(house, house.ana, zone="Berlin")
        assert "There is no such time zone. Is it Europe/Berlin?" in said
        said = await sets_up(house, house.ana, zone="nowhere at all")
        assert "Name it by a city, such as Europe/Berlin." in said
        assert house.on_disk("SELECT * FROM digests") == []

    async def test_what_would_never_be_posted_is_said_and_what_was_asked_for_comes(self, house: House) -> None:
        said = await sets_up(house, house.ana, sections=["money"])
        assert "{'more': 'What the budgets have left is no news by itself: tick the first of these" in said
        assert house.on_disk("SELECT * FROM digests") == []

        modal = house.ana.modal
        assert modal is not None
        await house.ana.fills(modal, more=["when_empty"])
        assert (await house.ana.submits(modal)).result == "updated"
        await house.passes(hours=1)
        await beat(house)
        assert "*Outreach*: $0.00 of $100.00 spent" in reading(digests(house)[0].blocks)

    async def test_whoever_sets_up_what_somebody_else_has_reads_what_they_replace(self, house: House) -> None:
        first = await sets_up(house, house.ana, at="09:30")
        again = await sets_up(house, house.ana, at="10:00")
        assert "instead of" not in first + again

        await house.omar.types("/postroom digest setup", channel="#general")
        modal = await house.omar.sees_modal("digest")
        await house.omar.fills(modal, channel="C0OUTREACH", at="11:00", zone=ZONE, days=ALL_DAYS)
        await house.omar.submits(modal)
        said = reading(modal.blocks)
        assert f"It comes instead of the one that somebody else had set up there, at 10:00 ({ZONE})." in said

    async def test_only_members_set_it_up(self, house: House) -> None:
        house.slack.remove("outreach", "finn")
        said = await sets_up(house, house.finn, channel="#general")
        assert "The next digest comes on Monday 2 March at 11:00" in said
        await house.finn.types("/postroom digest setup", channel="#general")
        modal = await house.finn.sees_modal("digest")
        await house.finn.fills(modal, channel="C0OUTREACH")
        sent = await house.finn.submits(modal)
        assert sent.errors == {"channel": "You are not in this channel: its members decide about this."}

    async def test_what_is_mistyped_is_told(self, house: House) -> None:
        await house.ana.types("/postroom digest tomorrow", channel="#outreach")
        await house.tick()
        assert "/postroom digest setup" in house.privately(house.ana, "outreach")[-1]
