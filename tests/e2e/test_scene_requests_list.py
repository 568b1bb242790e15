"""Lists of requests: whose, in what state, with which words; page by page; and a request's whole story in a window."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.policy_settings import ApprovalSettings, RuleSettings
from bot.sandbox import payloads
from bot.sandbox.faults import Fault as SlackFault
from bot.sandbox.markup import as_escaped
from bot.sandbox.model import BOT_USER_ID, Channel, Message, User
from bot.sandbox.people import Person
from handlers.slack.lists import _OLD_LIST
from storage.records import RequestState
from tests.e2e.crowd import many_more, write
from tests.house import House, Modal, Story, open_house, reading

DOMAINS = RuleSettings(name="domains", action="domain *", requesters=("S0GROWTH",), approvers=("U0OMAR", "U0FINN"))
APPROVALS = ApprovalSettings(approvers=("U0OMAR", "U0FINN"), rules=(DOMAINS,), undo_seconds=0)
NOTHING = "There is no such request that you may know about."


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Ana is in the user group of growth, which the rules know; Lena is in nothing; one channel is private."""
    async with open_house(tmp_path, starts=False) as opened:
        opened.slack.add_user(User("U0LENA", "lena", "Lena Roth", email="lena@acme.test"), "general", "outreach")
        opened.slack.add_channel(Channel("C0SECRET", "secret-launch", ("U0ANA", BOT_USER_ID), is_private=True))
        await opened.starts(approvals=APPROVALS)
        yield opened


async def listed(house: House, who: Person, words: str = "", channel: str = "#general") -> Message:
    """The private message with the list that somebody asks for."""
    before = len(who.ephemerals(channel))
    ack = await who.types(f"/postroom {as_escaped(house.slack, f'requests {words}')}".strip(), channel=channel)
    assert ack
    assert ack.ok, ack
    await house.tick()
    told = who.ephemerals(channel)[before:]
    assert len(told) == 1, [one.text for one in told]
    return told[0]


async def said(house: House, who: Person, words: str = "", channel: str = "#general") -> str:
    """The same as text."""
    message = await listed(house, who, words, channel)
    return reading(message.blocks) or message.text


async def turned(house: House, who: Person, message: Message, button: str) -> Message:
    """The list after one of its buttons was clicked; it stands in the place of the one before."""
    there = len(who.ephemerals(message.channel))
    await who.clicks(message, button)
    await house.tick()
    assert len(who.ephemerals(message.channel)) == there
    return who.ephemerals(message.channel)[-1]


async def story_in_window(house: House, who: Person, story: Story, channel: str = "#general") -> Modal:
    """The window that “Open” in a list of all requests brings."""
    await who.clicks(await listed(house, who, "all", channel), f"open:{story.id}")
    await house.tick()
    return await who.sees_modal("Request")


def headlines(text: str) -> list[str]:
    return [line.split("*")[1] for line in text.splitlines() if line.startswith("*Buy")]


class TestWhatIsListed:
    async def test_mine_is_what_i_asked_the_newest_first(self, house: House) -> None:
        await house.asks(house.ana, "first.com")
        house.clock.advance(minutes=1)
        story = await house.asks(house.ana, "second.com")
        await house.asks(house.omar, "other.com", channel="#approvals")

        told = await said(house, house.ana)

        assert told.startswith("*Your requests: 2* · the newest first")
        assert headlines(told) == ["Buy second.com (SMTP)", "Buy first.com (SMTP)"]
        assert ":hourglass_flowing_sand: *Waiting for approval*" in told
        assert f"archives/C0OUTREACH/p{story.ts.replace('.', '')}|Thread>" in told
        assert "$12.50" in told
        assert told == await said(house, house.ana, "mine") == await said(house, house.ana, "MY")

    async def test_scope_status_and_words_come_in_any_order(self, house: House) -> None:
        await house.asks(house.ana, "acme.com", reason="Spring campaign")
        await house.asks(house.ana, "acme.co", reason="Summer")
        await house.approved(house.omar, "acme.ca", by=house.finn, channel="#approvals")

        for words in ("all waiting spring", "spring all WAITING", "waiting Spring ALL", "pending all camp spr"):
            assert headlines(await said(house, house.ana, words)) == ["Buy acme.com (SMTP)"], words
        assert headlines(await said(house, house.ana, "all running")) == ["Buy acme.ca (SMTP)"]
        assert headlines(await said(house, house.ana, "all working acme.ca smtp buy")) == ["Buy acme.ca (SMTP)"]
        assert len(headlines(await said(house, house.ana, "all open acme"))) == 3
        assert "Nothing was found." in await said(house, house.ana, "all failed")
        assert "Nothing was found." in await said(house, house.ana, "domains")  # the name of a field is no word of it

    async def test_every_state_has_its_word(self, house: House) -> None:
        stories = [await house.asks(house.ana, f"acme{number}.com") for number in range(11)]
        words = ("waiting", "running", "running", "running", "unclear", "done", "failed", "denied", "expired",
                 "cancelled")  # fmt: skip
        states = [state for state in RequestState if state is not RequestState.DRAFT]
        for story, state in zip(stories, states, strict=False):
            write(house, "UPDATE requests SET state = ? WHERE id = ?", state.value, story.id)
        for number, word in enumerate(words):
            assert f"acme{number}.com" in "".join(headlines(await said(house, house.ana, word))), word
        assert len(headlines(await said(house, house.ana, "open"))) == 6
        assert len(headlines(await said(house, house.ana, "ended"))) == 5

    async def test_capitals_and_letters_of_other_languages_do_not_matter(self, house: House) -> None:
        await house.asks(house.ana, "acme.com", reason="ÜBER die Brücke")

        assert headlines(await said(house, house.ana, "über BRÜCKE")) == ["Buy acme.com (SMTP)"]

    async def test_nothing_that_was_typed_or_asked_acts(self, house: House) -> None:
        await house.asks(house.ana, "acme.com", reason="<!channel> *now* <https://evil.test|here>")

        for words in ("<!channel>", "<!channel> *now*", "<https://evil.test|here>"):
            message = await listed(house, house.ana, words)
            assert headlines(reading(message.blocks)) == ["Buy acme.com (SMTP)"], words
            assert "<!channel>" not in reading(message.blocks)
            assert "<https://evil" not in reading(message.blocks)
            assert "<!channel>" not in message.text

    async def test_somebodys_and_a_channels(self, house: House) -> None:
        await house.asks(house.ana, "acme.com")
        await house.asks(house.omar, "other.com", channel="#approvals")

        told = await said(house, house.finn, "@omar")
        assert headlines(told) == ["Buy other.com (SMTP)"]
        assert told.startswith("*All requests: 1* · of <@U0OMAR> · the newest first")
        assert headlines(await said(house, house.finn, "#outreach waiting")) == ["Buy acme.com (SMTP)"]
        assert await said(house, house.finn, "mine @omar") == (
            "What is yours was not asked by somebody else: leave out “mine”, or the name."
        )

    async def test_the_team_is_the_channel_and_the_groups_that_the_rules_know(self, house: House) -> None:
        house.slack.add_user(User("U0MAX", "max", "Max Lind", email="max@acme.test"), "general", "outreach")
        max_ = house.slack.person("max")
        growth = house.slack.groups["S0GROWTH"]
        house.slack.groups["S0GROWTH"] = replace(growth, members=(*growth.members, "U0MAX"))
        await house.asks(max_, "max.com", channel="#general")
        await house.asks(house.omar, "other.com", channel="#approvals")

        assert headlines(await said(house, house.ana, "team")) == ["Buy max.com (SMTP)"]
        lena = house.slack.person("lena")
        assert headlines(await said(house, lena, "team")) == ["Buy max.com (SMTP)"]  # it was asked there
        assert "Nothing was found." in await said(house, lena, "team", "#outreach")
        assert headlines(await said(house, house.omar, "team", "#approvals")) == ["Buy other.com (SMTP)"]


class TestWhatIsNotUnderstood:
    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            ("mine all", "“mine” and “all” do not go together, so nothing was listed. Say one of them."),
            ("failed all done", "“failed” and “done” do not go together, so nothing was listed. Say one of them."),
            ("@ana @omar", "One person and one channel at a time, please. Nothing was listed."),
            ("a b c d e f g h i", "At most 8 words of 100 characters fit. Nothing was listed: leave some out."),
            ("x" * 101, "At most 8 words of 100 characters fit. Nothing was listed: leave some out."),
            (" ".join(["𝔸" * 100] * 8), "These words are too long to look for. Nothing was listed: leave some out."),
        ],
    )
    async def test_it_is_said_and_nothing_is_listed(self, house: House, words: str, sentence: str) -> None:
        ack = await house.ana.types(f"/postroom {as_escaped(house.slack, f'requests {words}')}")

        assert ack
        assert ack.payload["text"] == sentence

    async def test_a_slip_of_the_finger_is_noticed_where_nothing_is_found(self, house: House) -> None:
        await house.asks(house.ana, "acme.com")

        assert "Did you mean “waiting” instead of “wating”?" in await said(house, house.ana, "wating")
        assert "Did you mean" not in await said(house, house.ana, "zebra")
        assert "/postroom requests [mine|team|all] [status] [words]" in await said(house, house.ana, "zebra")

    async def test_whoever_has_asked_nothing_is_told_where_to_begin(self, house: House) -> None:
        assert await said(house, house.slack.person("lena")) == (
            "You have not asked for anything yet. /postroom help shows what you can ask."
        )
        # Quotation marks, an odd apostrophe and what nobody would type are words as well.
        for words in ("it's", '"', "''", "\\", "% _", "'; DROP TABLE requests; --", "--all"):
            assert "Nothing was found." in await said(house, house.slack.person("lena"), words) or words == "''"

    async def test_the_team_of_somebody_who_has_none(self, house: House) -> None:
        assert "You are in no user group" not in await said(house, house.slack.person("lena"), "team")
        await house.slack.person("lena").opens_home()
        await house.tick()

    async def test_slack_does_not_say_who_is_in_the_groups(self, house: House) -> None:
        house.slack.faults.add("usergroups.users.list", SlackFault.error("internal_error"), times=None)

        assert await said(house, house.ana, "team") == (
            "Slack did not say which teams you belong to. Try again in a minute."
        )


class TestWhoMayKnow:
    async def test_a_private_channels_requests_are_listed_there_and_for_those_who_decide(self, house: House) -> None:
        await house.asks(house.ana, "launch.com", channel="C0SECRET")
        await house.asks(house.ana, "open.com")
        lena = house.slack.person("lena")

        assert headlines(await said(house, lena, "all")) == ["Buy open.com (SMTP)"]
        for words in ("all launch.com", "all launch", "@ana launch", "all #secret-launch", "team launch"):
            told = await said(house, lena, words)
            assert "Nothing was found." in told, words
            assert "Buy" not in told
        assert len(headlines(await said(house, house.omar, "all"))) == 2
        assert len(headlines(await said(house, house.ana, "all", "C0SECRET"))) == 2

    async def test_nothing_on_a_button_tells_of_it_either(self, house: House) -> None:
        secret = await house.asks(house.ana, "launch.com", channel="C0SECRET")
        many_more(house, 30)
        await house.asks(house.ana, "open.com")

        message = await listed(house, house.slack.person("lena"), "all")

        assert secret.id not in json.dumps(message.blocks)
        assert "req_0000" not in json.dumps(message.blocks)
        assert headlines(reading(message.blocks)) == ["Buy open.com (SMTP)"]

    async def test_behind_much_that_is_private_it_is_said_that_there_may_be_more(self, house: House) -> None:
        await house.asks(house.ana, "open.com")
        house.clock.advance(hours=1)
        await house.asks(house.ana, "launch.com", channel="C0SECRET")
        many_more(house, 3000)
        lena = house.slack.person("lena")

        message = await listed(house, lena, "all")
        assert "Nothing like that so far: there is more to look through." in reading(message.blocks)
        for _ in range(5):
            if "open.com" in reading(message.blocks):
                break
            message = await turned(house, lena, message, "Look further back")

        assert headlines(reading(message.blocks)) == ["Buy open.com (SMTP)"]

    async def test_whoever_has_left_knows_nothing(self, house: House) -> None:
        await house.asks(house.ana, "acme.com")
        lena = house.slack.person("lena")
        message = await listed(house, lena, "all")
        house.slack.users["U0LENA"] = replace(house.slack.users["U0LENA"], is_restricted=True)
        await house.passes(minutes=2)

        assert "Nothing was found." in await said(house, lena, "all")
        await lena.clicks(message, "Open")
        await house.tick()
        assert (await lena.sees_modal("Request")).reads(NOTHING)


class TestPaging:
    async def test_older_and_newer_keep_the_filter(self, house: House) -> None:
        for number in range(23):
            await house.asks(house.ana, f"acme{number:02}.com")
            house.clock.advance(minutes=1)
        await house.asks(house.ana, "zebra.com", reason="Another one")

        first = await listed(house, house.ana, "acme waiting")
        assert reading(first.blocks).startswith("*Your requests: 23* · waiting · with “acme” · the newest first")
        assert _numbers(first) == list(range(22, 12, -1))
        assert "[← Newer]" not in reading(first.blocks)

        second = await turned(house, house.ana, first, "Older →")
        assert _numbers(second) == list(range(12, 2, -1))
        assert "23" not in reading(second.blocks).splitlines()[0]
        third = await turned(house, house.ana, second, "Older →")
        assert _numbers(third) == [2, 1, 0]
        assert "[Older →]" not in reading(third.blocks)

        again = await turned(house, house.ana, third, "← Newer")
        assert _numbers(again) == list(range(12, 2, -1))
        again = await turned(house, house.ana, again, "← Newer")
        assert reading(again.blocks) == reading(first.blocks)

    async def test_what_is_asked_meanwhile_moves_no_page(self, house: House) -> None:
        for number in range(12):
            await house.asks(house.ana, f"acme{number:02}.com")
        first = await listed(house, house.ana)  # all of them were asked at the same moment
        house.clock.advance(minutes=1)
        await house.asks(house.ana, "zebra.com")

        second = await turned(house, house.ana, first, "Older →")

        assert sorted(_numbers(first) + _numbers(second)) == list(range(12))
        newest = await turned(house, house.ana, second, "← Newer")
        assert "zebra.com" not in reading(newest.blocks)
        assert "zebra.com" in reading((await turned(house, house.ana, newest, "← Newer")).blocks)

    async def test_jobs_are_paged_as_well(self, house: House) -> None:
        for number in range(15):
            await house.asks(house.ana, f"acme{number:02}.com")
            house.clock.advance(minutes=1)
        await house.ana.types("/postroom jobs", channel="#general")
        await house.tick()
        first = house.ana.ephemerals("#general")[-1]
        assert reading(first.blocks).startswith("*15 requests are not finished.*")

        second = await turned(house, house.ana, first, "Older →")

        assert _numbers(first) + _numbers(second) == list(range(14, -1, -1))
        assert reading(second.blocks).startswith("*What is not finished, further on.*")

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "x",
            "!" * 2500,
            "ÄÖ",
            base64.urlsafe_b64encode(b"\xff\xfe").decode(),
            *(
                base64.urlsafe_b64encode(json.dumps(one).encode()).decode()
                for one in (
                    [], {"scope": "everything"}, {"status": "draft"}, {"spot": "1.2.3"}, {"spot": "-1.2"},
                    {"spot": "99999999999999999.1"}, {"words": "abc"}, {"words": [""]}, {"words": ["x" * 101]},
                    {"requester": "u'; --"}, {"channel": "<!channel>"}, {"newer": "x"}, {"more": 1},
                )
            ),
        ],
    )  # fmt: skip
    async def test_a_forged_page_is_refused_in_a_sentence(self, house: House, value: str) -> None:
        await house.asks(house.ana, "acme.com")
        many_more(house, 12)
        message = await listed(house, house.ana)
        before = house.on_disk("SELECT COUNT(*) FROM audit")

        ack = await _forged(house, house.ana, message, "turn:older", value)

        assert ack.ok
        assert house.ana.ephemerals("#general")[-1].text == _OLD_LIST
        assert house.on_disk("SELECT COUNT(*) FROM audit") == before

    async def test_a_forged_page_that_reads_well_shows_no_more_than_typing_would(self, house: House) -> None:
        await house.asks(house.ana, "launch.com", channel="C0SECRET")
        for number in range(12):
            await house.asks(house.ana, f"acme{number:02}.com")
        lena = house.slack.person("lena")
        message = await listed(house, lena, "all")
        for carried in (
            {"scope": "all", "channel": "C0SECRET"},
            {"scope": "all", "requester": "U0ANA", "words": ["launch"]},
            {"scope": "mine", "requester": "U0ANA"},
            {"scope": "all", "spot": "9999999999999999.1"},
            {"scope": "all", "spot": "0.0", "newer": True},
        ):
            value = base64.urlsafe_b64encode(json.dumps(carried).encode()).decode()
            ack = await _forged(house, lena, message, "turn:older", value)
            assert ack.ok
            assert "launch.com" not in reading(lena.ephemerals("#general")[-1].blocks)

    async def test_ten_thousand_are_paged_within_slacks_limits(self, house: House) -> None:
        await house.asks(house.ana, *(f"{'a' * 50}{number}.com" for number in range(30)), reason="&" * 500)
        many_more(house, 10_000)

        message = await listed(house, house.ana)
        assert reading(message.blocks).startswith("*Your requests: more than 50* · the newest first")
        for _ in range(3):
            message = await turned(house, house.ana, message, "Older →")
        assert len(headlines(reading(message.blocks))) == 10
        refused = [call for call in house.slack.calls if call.outcome not in ("ok", "")]
        assert not refused


class TestTheStory:
    async def test_it_has_everything_from_the_question_to_the_end(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com", reason="Spring campaign")
        await house.ana.clicks(story.card, "approve")  # refused: it is her own
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=10)
        assert await story.state() is RequestState.SUCCEEDED

        told = reading((await story_in_window(house, house.finn, story)).blocks)

        for words in (
            "Buy acme.com (SMTP)", "<@U0ANA> asks in <#C0OUTREACH> · *$12.50* · account `mailin-main`",
            "`acme.com` — live", "> Spring campaign", ":tada: *Done.*", f"`{story.id}`",
            f"archives/C0OUTREACH/p{story.ts.replace('.', '')}|Open the thread>",
            "• The rule “domains” is about this.", "*Who decided it*\n• <@U0OMAR> said yes",
            ":raised_hand: <@U0ANA> asked: $12.50", ":lock: <@U0ANA> wanted to say yes, and it was not taken",
            ":white_check_mark: <@U0OMAR> said yes", ":outbox_tray: Sent to the provider", ":package:", ":tada:",
        ):  # fmt: skip
            assert words in told, words
        assert "[Approve]" not in told

    async def test_it_has_the_buttons_that_are_its_readers(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")

        assert (await story_in_window(house, house.omar, story)).reads("Approve")
        own = reading((await story_in_window(house, house.ana, story)).blocks)
        assert "[Cancel request]" in own
        assert "[Approve]" not in own
        theirs = reading((await story_in_window(house, house.slack.person("lena"), story)).blocks)
        assert theirs.count("[") == theirs.count("[Refresh]") == 1

    async def test_a_yes_in_the_window_is_a_yes_and_the_window_shows_it(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        window = await story_in_window(house, house.omar, story)

        await house.omar.clicks(window, "approve")
        await house.tick()

        assert house.bought == ["acme.com"]
        told = reading((await house.omar.sees_modal("Request")).blocks)
        assert "[Approve]" not in told
        assert "• <@U0OMAR> said yes" in told

    async def test_a_no_opens_above_the_window_and_comes_back_to_it(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        window = await story_in_window(house, house.omar, story)
        await house.omar.clicks(window, "deny")
        form = await house.omar.sees_modal("deny")
        await house.omar.fills(form, reason="Not now.")

        assert (await house.omar.submits(form)).result == "closed"
        await house.tick()

        assert await story.state() is RequestState.DENIED
        assert "said no: Not now." in reading((await house.omar.sees_modal("Request")).blocks)

    async def test_whoever_asked_takes_it_back_in_the_window(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")

        await house.ana.clicks(await story_in_window(house, house.ana, story), "cancel")
        await house.tick()

        assert await story.state() is RequestState.CANCELLED
        assert (await house.ana.sees_modal("Request")).reads("<@U0ANA> cancelled it")

    async def test_too_late_is_said_in_the_window(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        window = await story_in_window(house, house.omar, story)
        await house.finn.clicks(story.card, "approve")
        await house.tick()

        await house.omar.clicks(window, "approve")
        await house.tick()

        assert (await house.omar.sees_modal("Postroom")).reads("has already approved this")

    async def test_a_long_one_is_told_page_by_page(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        for number in range(70):
            await house.inside.requests.refused_click(
                story.id, "U0LENA", "approve", f"No, said {number:02}. <!channel>"
            )

        newest = await story_in_window(house, house.omar, story)
        assert newest.reads("said 69.")
        [(facts,)] = house.on_disk(f"SELECT COUNT(*) FROM audit WHERE request_id = '{story.id}'")
        assert newest.reads(f"… and {facts - 30} earlier")
        assert not newest.reads("Later →")
        assert "<!channel>" not in reading(newest.blocks)

        await house.omar.clicks(newest, "← Earlier")
        await house.tick()
        middle = await house.omar.sees_modal("Request")
        assert middle.reads("said 39.")
        assert not middle.reads("said 40.")
        await house.omar.clicks(middle, "← Earlier")
        await house.tick()
        oldest = await house.omar.sees_modal("Request")
        assert oldest.reads(":raised_hand: <@U0ANA> asked")
        assert not oldest.reads("← Earlier")
        await house.omar.clicks(oldest, "Later →")
        await house.tick()
        assert (await house.omar.sees_modal("Request")).reads("said 39.")

    async def test_the_largest_request_with_the_longest_story_fits(self, house: House) -> None:
        story = await house.asks(house.ana, *(f"{'a' * 50}{number}.com" for number in range(45)), reason="<&>" * 160)
        for _ in range(40):
            await house.inside.requests.refused_click(story.id, "U0LENA", "approve", "<&>" * 300)

        window = await story_in_window(house, house.omar, story)

        assert len(window.blocks) <= 100
        assert window.reads("*What happened*")

    async def test_who_may_not_know_is_told_that_there_is_none(self, house: House) -> None:
        await house.asks(house.ana, "open.com")
        secret = await house.asks(house.ana, "launch.com", channel="C0SECRET")
        lena = house.slack.person("lena")
        message = await listed(house, lena, "all")

        for value in (secret.id, secret.id.removeprefix("req_"), "req_0000000000", "x" * 2000, "<!channel>"):
            assert (await _forged(house, lena, message, f"open:{secret.id}", value)).ok
            shown = await lena.sees_modal("Request")
            assert shown.reads(NOTHING)
            assert not shown.reads("launch.com")

    async def test_a_forged_page_of_a_story(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        secret = await house.asks(house.ana, "launch.com", channel="C0SECRET")
        lena = house.slack.person("lena")
        window = await story_in_window(house, lena, story)
        carried = window.view.content | {"private_metadata": "C0SECRET"}

        for value in ("", ":", f"{story.id}:-1", f"{story.id}:1e9", f"{story.id}:9999999"):
            await _forged_in(house, lena, window, "read_on:x", value)
            assert (await lena.sees_modal("Postroom")).reads(_OLD_LIST)
            window = await story_in_window(house, lena, story)
        await _forged_in(house, lena, window, "read_on:x", f"{story.id}:999999")
        assert (await lena.sees_modal("Request")).reads(":raised_hand: <@U0ANA> asked")
        await _forged_in(house, lena, await lena.sees_modal("Request"), "read_on:x", f"{secret.id}:0", view=carried)
        assert (await lena.sees_modal("Request")).reads(NOTHING)

    async def test_a_window_that_is_not_there_any_more(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        window = await story_in_window(house, house.omar, story)
        gone = window.view.content | {"id": "V0NOWHERE", "callback_id": "story"}
        before = len(house.log)

        for action_id, value in (("read_on:x", f"{story.id}:0"), ("turn:older", ""), ("approve", "x")):
            await _forged_in(house, house.omar, window, action_id, value, view=gone)
        await house.omar.closes(window)
        await _forged_in(house, house.omar, window, "open:x", story.id, view=gone)

        broken = [one for one in house.log[before:] if one["log_level"] in ("error", "critical")]
        assert not broken
        assert await story.state() is RequestState.AWAITING

    async def test_out_of_a_private_channel_its_people_read_on(self, house: House) -> None:
        house.slack.add_channel(Channel("C0QUIET", "quiet", ("U0ANA", "U0LENA", BOT_USER_ID), is_private=True))
        secret = await house.asks(house.ana, "launch.com", channel="C0QUIET")
        for number in range(40):
            await house.inside.requests.refused_click(secret.id, "U0LENA", "approve", f"No, said {number:02}.")
        lena = house.slack.person("lena")

        window = await story_in_window(house, lena, secret, "C0QUIET")
        await lena.clicks(window, "← Earlier")
        await house.tick()

        assert (await lena.sees_modal("Request")).reads("said 05.")

    async def test_what_an_older_version_wrote_is_shown_as_far_as_it_can_be_read(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        write(house, "UPDATE requests SET input = '{}', quote = '{\"x\": 1}', ruling = '[]' WHERE id = ?", story.id)

        assert "/domain buy" in await said(house, house.ana)
        assert (await story_in_window(house, house.omar, story)).reads("/domain buy")


class TestOutOfTheHome:
    async def test_all_my_requests_open_in_a_window_with_pages_and_stories_above(self, house: House) -> None:
        for number in range(12):
            await house.asks(house.ana, f"acme{number:02}.com")
            house.clock.advance(minutes=1)
        await house.ana.opens_home()
        await house.tick()
        assert house.ana.home
        await house.ana.clicks(house.ana.home, "All my requests")
        await house.tick()
        window = await house.ana.sees_modal("Requests")
        assert window.reads("*Your requests: 12* · the newest first")

        await house.ana.clicks(window, "Older →")
        await house.tick()
        window = await house.ana.sees_modal("Requests")
        assert window.reads("acme00.com")
        [open_first, _] = [one for one in window.blocks if one.get("accessory")]
        await house.ana.clicks(window, open_first["accessory"]["action_id"])
        await house.tick()
        story = await house.ana.sees_modal("Request")
        assert story.reads("Cancel request")

        assert await house.ana.closes(story)
        assert (await house.ana.sees_modal("Requests")).reads("acme00.com")


def _numbers(message: Message) -> list[int]:
    return [int(one.split("acme")[1][:2]) for one in headlines(reading(message.blocks))]


async def _forged(house: House, who: Person, message: Message, action_id: str, value: str) -> Any:
    """A click on a button of this list that carries something else."""
    action = {"type": "button", "action_id": action_id, "block_id": "b", "value": value, "action_ts": "1.1"}
    ack = await house.slack.deliver("interactive", payloads.message_action(house.slack, who.user, message, action))
    await house.tick()
    return ack


async def _forged_in(
    house: House, who: Person, window: Modal, action_id: str, value: str, view: Mapping[str, Any] | None = None
) -> None:
    action = {"type": "button", "action_id": action_id, "block_id": "b", "value": value, "action_ts": "1.1"}
    payload = payloads.view_action(house.slack, who.user, window.view, action)
    payload["view"] = {**payload["view"], **(view or {})}
    assert (await house.slack.deliver("interactive", payload)).ok
    await house.tick()
