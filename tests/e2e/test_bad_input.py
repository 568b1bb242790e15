"""What nobody should send, and what comes of it: a plain message, and nothing lost."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from bot.sandbox import payloads
from bot.sandbox.delivery import Ack
from bot.sandbox.faults import RESPONSE_URL
from bot.sandbox.faults import Fault as SlackFault
from bot.sandbox.model import BOT_USER_ID, User
from bot.settings import JobSettings
from handlers.requests import Sorry
from handlers.slack.front import NOT_SHOWN
from providers.mailin.sandbox import Fault
from storage.records import MessageKind, NewMessage, RequestState
from tests.house import House, Story, open_house, prices, reading

NASTY = "<!channel> <!here> <@U0FINN> <https://evil.example|pay> *bold* `code` & > &lt; {who} %s"
FOREIGN = "You belong to another Slack workspace, so Postroom cannot take this from you. Nothing was changed."
EXPIRED = "This form has expired, so nothing was asked. Type the command again to get a fresh one."
SENT = "You have already sent this request; it was not sent again. Its thread tells how it goes."
OLD_BUTTON = "This button is from another version of Postroom and does nothing any more. Nothing was changed."
UNREADABLE = "This was asked from another version of Postroom, which this one cannot read. Nothing was done."


def markup(text: str) -> set[str]:
    """Everything in the text that Slack would turn into a mention, a link or a broadcast."""
    return {found for found in re.findall(r"<[^>]*>", text) if not found.startswith("<!date^")}


def view_said(ack: Ack) -> str:
    """The words of the modal that an ack shows."""
    return reading(ack.payload["view"]["blocks"])


class TestEscaping:
    async def test_a_reason_pings_nobody_wherever_it_is_shown(self, house: House) -> None:
        review = await house.review(house.ana, "acme.com", reason=NASTY)
        assert markup(reading(review.blocks)) == {"<@U0OMAR>", "<@U0FINN>"}
        await house.ana.submits(review)
        story = await house.story_of(house.ana)

        card = reading(story.card.blocks)
        assert markup(card) == {"<@U0ANA>", "<#C0OUTREACH>", "<@U0OMAR>", "<@U0FINN>"}
        assert "&lt;!channel&gt; &lt;!here&gt; &lt;@U0FINN&gt;" in card
        [quotation] = [block for block in story.card.blocks if block["type"] == "rich_text"]
        assert quotation["elements"][0]["elements"] == [{"type": "text", "text": NASTY}]
        assert markup(story.card.text) == {"<@U0ANA>", "<#C0OUTREACH>"}

        await house.omar.clicks(story.card, "deny")
        modal = await house.omar.sees_modal("deny")
        await house.omar.fills(modal, reason=f"{NASTY}\n{NASTY}")
        await house.omar.submits(modal)
        await house.tick()
        assert markup(story.thread[-1]) == {"<@U0ANA>", "<@U0OMAR>"}
        assert story.thread[-1].count("\n> &lt;!channel&gt;") == 2
        assert markup(reading(story.card.blocks)) == {"<@U0ANA>", "<#C0OUTREACH>", "<@U0OMAR>"}

    @pytest.mark.parametrize("words", ["<!channel>", "<@U0OMAR>", "*bold*", "a&b", "`x`", "{who}"])
    async def test_words_after_a_command(self, house: House, words: str) -> None:
        for command in (f"/domain {words}", f"/domain check {words}", f"/domain list {words}", f"/postroom {words}"):
            await house.ana.types(command, channel="#outreach")
        await house.tick()

        told = house.ana.ephemerals("#outreach")
        assert len(told) == 4
        for message in told:
            assert not markup(message.text + reading(message.blocks)), message

    async def test_a_domain_that_a_provider_lists(self, house: House) -> None:
        house.mailin.own("<!channel>.com", "a`b*c*.com", "&amp;.com")

        await house.ana.types("/domain list", channel="#outreach")
        await house.tick()

        said = house.privately(house.ana, "#outreach")[0]
        assert not markup(said)
        assert "`&lt;!channel&gt;.com`" in said
        assert "`aˋb*c*.com`" in said
        assert "`&amp;amp;.com`" in said

    async def test_what_a_provider_says_of_a_job(self, house: House) -> None:
        house.mailin.faults.add("job_status", Fault.job_says(NASTY), times=100)
        story = await house.approved(house.ana, "acme.com")
        await house.runs_for(minutes=5)

        for message in (story.card, story.parent):
            assert "&lt;!channel&gt;" in reading(message.blocks)
            assert "<!channel>" not in reading(message.blocks) + message.text

    async def test_a_name_in_a_notice(self, house: House) -> None:
        house.slack.add_user(User("U0OMAR", "omar", "<!channel> *Omar*"), "#approvals")
        story = await house.asks(house.ana, "acme.com")
        await house.finn.clicks(story.card, "deny")
        modal = await house.finn.sees_modal("deny")
        await house.finn.fills(modal, reason="No")
        await house.omar.clicks(story.card, "approve")

        await house.finn.submits(modal)

        assert "&lt;!channel&gt; *Omar* has already approved this." in reading(modal.blocks)


class TestTooMuch:
    async def test_ten_thousand_characters_after_a_command(self, house: House) -> None:
        """Cut off in the middle, `acme.com` would be `acme.co`: another name, and it could be bought."""
        names = " ".join(f"acme-number-{n:04}.com" for n in range(10_000 // 21))

        await house.ana.types(f"/domain buy {names}", channel="#outreach")
        await house.tick()

        assert house.ana.modal is None
        [said] = house.privately(house.ana, "#outreach")
        assert "at most 3000 fit" in said
        assert "Nothing was asked." in said

    @pytest.mark.parametrize("command", ["/domain check", "/domain list", "/domain", "/postroom", "/mailbox"])
    async def test_the_same_after_any_command(self, house: House, command: str) -> None:
        await house.ana.types(f"{command} {'x' * 10_000}", channel="#outreach")
        await house.tick()

        [said] = house.privately(house.ana, "#outreach")
        assert len(said) < 3000

    async def test_three_thousand_characters_after_a_command_are_all_there(self, house: House) -> None:
        names = "\n".join(["a" * 45 + ".com"] * 60)[:2980]

        form = await house.form(house.ana, f"/domain buy {names}")

        assert form.values["domains"] == names

    async def test_a_reason_of_three_thousand_characters(self, house: House) -> None:
        form = await house.form(house.ana, "/domain buy acme.com")
        await house.ana.fills(form, reason="x" * 3000)
        assert (await house.ana.submits(form)).errors == {"reason": "Please enter no more than 500 characters."}

        state = form.view.to_slack()["state"]
        ack = await house.sends(house.ana, "view_submission", view=form.view.to_slack() | {"state": state})

        assert ack.payload["errors"] == {"reason": "This has 3000 characters; at most 500 fit."}

    @pytest.mark.parametrize("filling", ["&", "<", "\n", "*", "`", "ß", "👍"])
    async def test_the_longest_reason_of_the_worst_characters(self, house: House, filling: str) -> None:
        story = await house.asks(house.ana, "acme.com", reason="." + filling * 498 + ".")
        await house.omar.clicks(story.card, "deny")
        modal = await house.omar.sees_modal("deny")
        await house.omar.fills(modal, reason="." + filling * 498 + ".")
        await house.omar.submits(modal)
        await house.tick()

        assert await story.state() is RequestState.DENIED
        assert story.thread[-1].endswith(".")
        assert reading(story.card.blocks)

    async def test_fifty_long_names_to_the_very_end(self, house: House) -> None:
        """The workspace refuses blocks beyond Slack's limits, so everything that arrives is within them."""
        names = [f"{'long-' * 10}{n:02}.com" for n in range(50)]
        house.mailin.failing = set(names[25:])

        story = await house.asks(house.ana, *names)
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=10)

        said = story.thread[-1]
        assert "25 of 50 bought" in said
        card = reading(story.card.blocks)
        assert f"`{names[0]}` — live" in card
        refused = [call for call in house.slack.calls if call.outcome not in ("ok", "")]
        assert refused == []

    async def test_fifty_names_that_are_taken(self, house: House) -> None:
        names = [f"{'long-' * 9}{n:02}.com" for n in range(50)]
        house.mailin.taken.update(names)
        form = await house.form(house.ana, "/domain buy")
        await house.ana.fills(form, domains=names, reason="Because")
        await house.ana.submits(form)

        again = await house.ana.sees_modal("form")

        assert "and 45 more" in reading(again.blocks[:1])
        assert again.values["domains"] == "\n".join(names)

    async def test_many_open_requests(self, house: House) -> None:
        for n in range(15):
            await house.asks(house.ana, f"acme-{n:02}.com")

        await house.ana.types("/postroom jobs", channel="#outreach")
        await house.tick()

        assert "*15 requests are not finished.*" in house.privately(house.ana, "#outreach")[-1]


class TestForged:
    @pytest.mark.parametrize("metadata", ["", "req_unknown000", "'; DROP TABLE requests; --", "x" * 3000, None])
    @pytest.mark.parametrize("callback", ["form", "review"])
    async def test_a_form_of_no_draft(self, house: House, callback: str, metadata: str | None) -> None:
        form = await house.form(house.ana)

        ack = await house.sends(
            house.ana,
            "view_submission",
            view=form.view.to_slack() | {"callback_id": callback, "private_metadata": metadata},
        )

        assert view_said(ack) == EXPIRED
        assert house.on_disk("SELECT count(*) FROM requests WHERE state <> 'draft'") == [(0,)]

    @pytest.mark.parametrize("callback", ["form", "review"])
    async def test_somebody_elses_draft(self, house: House, callback: str) -> None:
        review = await house.review(house.ana, "acme.com")

        ack = await house.sends(house.omar, "view_submission", view=review.view.to_slack() | {"callback_id": callback})

        assert view_said(ack) == EXPIRED
        assert (await house.ana.submits(review)).result == "cleared"

    async def test_a_form_without_anything_in_it(self, house: House) -> None:
        form = await house.form(house.ana)
        for state in ({"values": {}}, {}, None, {"values": None}):
            ack = await house.sends(house.ana, "view_submission", view=form.view.to_slack() | {"state": state})
            assert set(ack.payload["errors"]) == {"domains", "reason"}

    @pytest.mark.parametrize(
        "state",
        [
            {"type": "plain_text_input", "value": {"a": 1}},
            {"type": "plain_text_input", "value": 7},
            {"type": "plain_text_input", "value": [["x"]]},
            {"type": "checkboxes", "selected_options": "abc"},
            {"type": "checkboxes", "selected_options": 7},
            {"type": "static_select", "selected_option": "abc"},
            {"type": "who knows"},
            {"type": ["x"]},
            [],
            None,
        ],
        ids=str,
    )
    @pytest.mark.parametrize("field", ["account", "domains", "hosting", "reason"])
    async def test_values_of_another_shape(self, house: House, field: str, state: Any) -> None:
        form = await house.form(house.ana, "/domain buy acme.com")
        await house.ana.fills(form, reason="Because")
        view = form.view.to_slack()
        view["state"]["values"][field] = {"value": state}

        ack = await house.sends(house.ana, "view_submission", view=view)

        action = ack.payload["response_action"]
        assert action == "errors" or view_said(ack).startswith(":hourglass_flowing_sand:")
        assert set(ack.payload.get("errors", {})) <= {field}

    @pytest.mark.parametrize(
        ("button", "value"),
        [
            ("approve", ""),
            ("approve", "req_unknown000:0123456789abcdef"),
            ("deny", "nonsense"),
            ("cancel", "req_unknown000"),
            ("settle_happened", "req_unknown000"),
            ("settle_wait", ""),
            ("edit", "req_unknown000"),
            ("resume", "req_unknown000"),
            ("page", "domain list\nmailin-main\n{}\n{}"),
            ("page", "domain list\nmailin-main\n{"),
            ("page", "domain buy\nmailin-main\n{}"),
            ("page", "domain list\nnobody\n{}"),
            ("page", ""),
            ("pick", "domain buy"),
            ("pick", ""),
            ("frobnicate", "x"),
            ("", "x"),
        ],
    )
    async def test_a_button_that_was_never_there(self, house: House, button: str, value: str) -> None:
        story = await house.asks(house.ana, "acme.com")

        await self._clicks(house, story, button, value)

        told = house.privately(house.omar, "#approvals")
        assert len(told) == 1
        assert "Nothing was" in told[0] or "Type the command again" in told[0]
        assert await story.state() is RequestState.AWAITING
        assert not house.omar.modal

    @pytest.mark.parametrize("value", [None, 7, ["x"], {"a": 1}])
    async def test_a_value_that_is_no_text(self, house: House, value: Any) -> None:
        story = await house.asks(house.ana, "acme.com")

        await self._clicks(house, story, "approve", value)

        assert house.privately(house.omar, "#approvals") == [OLD_BUTTON]

    @pytest.mark.parametrize("seen", ["", ":", ":0", ":0123456789abcdef", ":" + "f" * 64])
    async def test_a_card_that_shows_something_else(self, house: House, seen: str) -> None:
        story = await house.asks(house.ana, "acme.com")

        await self._clicks(house, story, "approve", f"{story.id}{seen}")

        assert "Nothing was decided: read the new card." in house.privately(house.omar, "#approvals")[0]
        assert await story.state() is RequestState.AWAITING

    async def test_a_draft_cannot_be_approved_or_cancelled(self, house: House) -> None:
        review = await house.review(house.ana, "acme.com")
        [(draft, fingerprint)] = house.on_disk("SELECT id, fingerprint FROM requests")
        other = await house.asks(house.finn, "other.com")

        await self._clicks(house, other, "approve", f"{draft}:{fingerprint[:16]}")
        await self._clicks(house, other, "cancel", draft, who="ana")

        assert len(house.privately(house.omar, "#approvals")) == 1
        assert (await house.ana.submits(review)).result == "cleared"

    async def test_a_deny_form_for_no_request(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.omar.clicks(story.card, "deny")
        modal = await house.omar.sees_modal("deny")
        await house.omar.fills(modal, reason="No")

        for metadata in ("", "req_unknown000", f"{story.id}:", f"{story.id}:ffff", ":::"):
            view = modal.view.to_slack() | {"private_metadata": metadata}
            ack = await house.sends(house.omar, "view_submission", view=view)
            assert "Nothing was" in view_said(ack)
        assert await story.state() is RequestState.AWAITING

    async def test_a_deny_form_sent_by_somebody_who_may_not(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.omar.clicks(story.card, "deny")
        modal = await house.omar.sees_modal("deny")
        await house.omar.fills(modal, reason="No")

        ack = await house.sends(house.ana, "view_submission", view=modal.view.to_slack())

        assert "This is your own request" in view_said(ack)
        assert await story.state() is RequestState.AWAITING

    async def test_a_view_that_this_version_does_not_know(self, house: House) -> None:
        form = await house.form(house.ana)

        ack = await house.sends(house.ana, "view_submission", view=form.view.to_slack() | {"callback_id": "old"})

        assert "This form is from an older version of Postroom. Nothing was asked." in view_said(ack)

    async def test_a_click_in_a_window_that_is_gone_is_answered_all_the_same(self, house: House) -> None:
        review = await house.review(house.ana, "acme.com")
        await house.ana.submits(review)
        action = {"type": "button", "action_id": "edit", "block_id": "review", "value": "req_unknown000"}

        await house.sends(house.ana, "block_actions", view=review.view.to_slack(), actions=[action])
        await house.tick()

        assert house.ana.messages("dm")[-1].text == EXPIRED

    async def _clicks(self, house: House, story: Story, button: str, value: Any, who: str = "omar") -> None:
        person = house.slack.person(who)
        action = {"type": "button", "action_id": button, "block_id": "b", "value": value}
        if value is None:
            del action["value"]
        ack = await house.slack.deliver(
            "interactive", payloads.message_action(house.slack, person.user, story.card, action)
        )
        assert ack.ok
        await house.tick()


class TestReplayed:
    async def test_the_form(self, house: House) -> None:
        await house.review(house.ana, "acme.com")
        submission = next(d for d in house.slack.delivery.log if d.payload.get("type") == "view_submission")

        await house.slack.deliver(submission.kind, submission.payload)
        await house.tick()
        review = await house.ana.sees_modal("review")
        assert (await house.ana.submits(review)).result == "cleared"

        ack = await house.slack.deliver(submission.kind, submission.payload)
        assert view_said(ack) == SENT
        await house.tick()
        assert len(house.ana.messages("#outreach")) == 1

    async def test_the_review(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")

        ack = await house.replays()
        await house.tick()

        assert view_said(ack) == SENT
        assert len(house.ana.messages("#outreach")) == 1
        assert len(house.ana.messages("#approvals")) == 1
        assert len(story.thread) == 1

    async def test_the_review_ten_times_at_once(self, house: House) -> None:
        review = await house.review(house.ana, "acme.com")
        view = review.view.to_slack()

        acks = await asyncio.gather(*(house.sends(house.ana, "view_submission", view=view) for _ in range(10)))
        await house.tick()

        assert sorted(ack.payload["response_action"] for ack in acks) == ["clear"] + ["update"] * 9
        assert len(house.ana.messages("#approvals")) == 1

    async def test_a_review_of_a_form_that_was_changed_meanwhile(self, house: House) -> None:
        review = await house.review(house.ana, "acme.com")
        as_it_was = review.view.to_slack()
        await house.ana.clicks(review, "edit")
        form = await house.ana.sees_modal("form")
        house.mailin.taken.add("other.com")
        await house.ana.fills(form, domains="other.com")
        await house.ana.submits(form)
        await house.ana.sees_modal("form")

        ack = await house.sends(house.ana, "view_submission", view=as_it_was)

        assert "so nothing was asked. Open a fresh one." in view_said(ack)
        await house.tick()
        assert not house.ana.messages("#approvals")

    async def test_a_denial(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.omar.clicks(story.card, "deny")
        modal = await house.omar.sees_modal("deny")
        await house.omar.fills(modal, reason="No")
        await house.omar.submits(modal)

        ack = await house.replays()
        await house.tick()

        assert view_said(ack) == "Omar Haddad has already denied this. Nothing was changed."
        assert len(story.thread) == 2

    async def test_a_click(self, house: House) -> None:
        story = await house.approved(house.ana, "acme.com")

        await house.replays()
        await house.runs_for(minutes=5)

        assert house.bought == ["acme.com"]
        assert house.privately(house.omar, "#approvals") == [
            "<@U0OMAR> has already approved this. Nothing was changed; its thread tells how it goes."
        ]
        assert len(story.thread) == 4


class TestFromBefore:
    async def test_a_card_from_before_a_restart(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.restarts()

        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=5)

        assert "*Done.*" in reading(story.parent.blocks)

    async def test_a_form_and_a_review_from_before_a_restart(self, house: House) -> None:
        form = await house.form(house.ana, "/domain buy acme.com")
        await house.restarts()
        await house.ana.fills(form, reason="Because")
        await house.ana.submits(form)
        review = await house.ana.sees_modal("review")
        await house.restarts()

        assert (await house.ana.submits(review)).result == "cleared"

    async def test_a_check_that_was_under_way_goes_on(self, house: House) -> None:
        house.mailin.faults.add("availability", Fault.slow(0.05))
        form = await house.form(house.ana, "/domain buy acme.com")
        await house.ana.fills(form, reason="Because")
        await house.ana.submits(form)

        house.clock.advance(seconds=1)
        await house.restarts()

        assert (await house.ana.sees_modal("review")).reads("$12.50")

    async def test_a_check_that_was_under_way_for_an_account_that_has_gone(self, house: House) -> None:
        house.mailin.faults.add("availability", Fault.slow(0.05))
        form = await house.form(house.ana, "/domain buy acme.com")
        await house.ana.fills(form, reason="Because")
        await house.ana.submits(form)

        house.clock.advance(seconds=1)
        await house.restarts(accounts={})

        notice = await house.ana.sees_modal("notice")
        assert notice.reads("The account mailin-main is no longer in Postroom's settings. Nothing was done.")

    @pytest.mark.parametrize("given", ['{"names": ["acme.com"]}', "{}", '{"domains": "x", "more": 1}', "[1]", '"x"'])
    async def test_a_request_that_this_version_cannot_read(self, house: House, given: str) -> None:
        story = await house.asks(house.ana, "acme.com")
        await self._rewritten(house, "input", given)

        await house.omar.clicks(story.card, "approve")
        await house.tick()

        assert await story.state() is RequestState.FAILED
        assert UNREADABLE in story.thread[-1]
        assert "Ask again with the command." in story.thread[-1]
        assert "/domain buy" in reading(story.card.blocks)
        assert house.bought == []

    async def test_the_others_go_on_beside_it(self, house: House) -> None:
        broken = await house.asks(house.ana, "broken.com")
        await self._rewritten(house, "input", "[1]")
        fine = await house.asks(house.ana, "fine.com")

        await house.omar.clicks(broken.card, "approve")
        await house.omar.clicks(fine.card, "approve")
        await house.tick()

        assert house.bought == ["fine.com"]

    async def test_a_price_that_this_version_cannot_read(self, house: House) -> None:
        """It cannot be shown any more; that it still is the price that was approved, the fingerprint tells."""
        story = await house.asks(house.ana, "acme.com")
        await self._rewritten(house, "quote", '{"sum": "12 dollars"}')
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=5)

        assert house.bought == ["acme.com"]
        assert "*price unknown*" in reading(story.card.blocks)
        assert "*Done.*" in reading(story.parent.blocks)

    async def test_a_price_that_this_version_cannot_read_and_that_has_changed(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await self._rewritten(house, "quote", "[]")
        await house.omar.clicks(story.card, "approve")
        await house.restarts(prices=prices(domain_com="13.75"))
        await house.tick()

        assert house.bought == []
        assert "from price unknown to $13.75" in story.thread[-1]
        assert "[Approve]" in reading(story.card.blocks)

    async def test_an_outcome_that_this_version_cannot_read_can_still_be_settled(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.mailin.faults.add("buy", Fault.cut_before())
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=10)
        await self._rewritten(house, "outcome", '{"kind": "quantum"}')

        await house.omar.clicks(story.card, "settle_did_not")
        await house.tick()
        assert "read the new card" in house.privately(house.omar, "#approvals")[-1]  # it shows other evidence
        await house.omar.clicks(story.card, "settle_did_not")
        await house.tick()

        assert await story.state() is RequestState.FAILED

    async def test_a_job_that_this_version_cannot_read(self, house: House) -> None:
        await house.restarts(jobs=JobSettings(deadline_hours=1))
        house.mailin.listing_lag_seconds = 36_000  # nor does the account show what became of it
        story = await house.approved(house.ana, "acme.com")
        await house.inside.store._database.write(lambda db: db.execute("UPDATE jobs SET ref = '{\"id\": 1}'") and None)

        await house.runs_for(minutes=5)
        assert "In progress" in reading(story.parent.blocks)
        await house.runs_for(hours=1)

        assert "Postroom no longer asks it by itself" in story.thread[-1]
        assert "[Keep watching]" in reading(story.card.blocks)

    async def test_a_fact_that_this_version_has_no_words_for(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        note = NewMessage(MessageKind.NOTE, "C0OUTREACH", {"fact": "<!channel>"})
        await house.inside.store.outbox.owe(story.id, note, house.clock.now())
        await house.tick()

        assert story.thread[-1] == (
            "Something happened that this version of Postroom has no words for (`&lt;!channel&gt;`)."
        )

    async def test_a_command_that_this_version_does_not_know(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        await self._rewritten(house, "command", "domain teleport")

        await house.omar.clicks(story.card, "approve")
        await house.tick()

        assert UNREADABLE in story.thread[-1]
        assert "/domain teleport" in reading(story.card.blocks)

    async def _rewritten(self, house: House, column: str, value: str) -> None:
        """As if another version had written it: the newest request's column says something else."""
        sql = f"UPDATE requests SET {column} = ? WHERE rowid = (SELECT max(rowid) FROM requests)"
        await house.inside.store._database.write(lambda db: db.execute(sql, [value]) and None)


class TestFromAnotherWorkspace:
    @pytest.fixture
    async def house(self, tmp_path: Path) -> AsyncIterator[House]:
        async with open_house(tmp_path, approvers=("U0OMAR", "U0EVE")) as opened:
            eve = User("U0EVE", "eve", "Eve Elsewhere", team_id="T0OTHER")
            opened.slack.add_user(eve, "#outreach", "#approvals")
            yield opened

    @pytest.mark.parametrize("words", ["/domain buy acme.com", "/domain", "/domain list", "/postroom jobs", "/mailbox"])
    async def test_a_command(self, house: House, words: str) -> None:
        eve = house.slack.person("eve")

        await eve.types(words, channel="#outreach")
        await house.tick()

        assert house.privately(eve, "#outreach") == [FOREIGN]
        assert eve.modal is None
        assert house.on_disk("SELECT count(*) FROM requests") == [(0,)]

    @pytest.mark.parametrize("button", ["approve", "deny"])
    async def test_a_click(self, house: House, button: str) -> None:
        story = await house.asks(house.ana, "acme.com")
        eve = house.slack.person("eve")

        await eve.clicks(story.card, button)
        await house.tick()

        assert house.privately(eve, "#approvals") == [FOREIGN]
        assert await story.state() is RequestState.AWAITING

    async def test_a_form(self, house: House) -> None:
        form = await house.form(house.ana, "/domain buy acme.com")
        await house.ana.fills(form, reason="Because")
        review = await house.review(house.finn, "other.com")
        eve = house.slack.person("eve")

        for view in (form.view.to_slack(), review.view.to_slack(), review.view.to_slack() | {"callback_id": "deny"}):
            if view["callback_id"] == "deny":
                view["state"] = {"values": {"reason": {"value": {"type": "plain_text_input", "value": "No"}}}}
            ack = await house.sends(eve, "view_submission", view=view)
            assert view_said(ack) == FOREIGN


class TestPlacesAndMessages:
    async def test_an_approvals_channel_that_the_bot_is_not_in(self, house: House) -> None:
        house.slack.remove("#approvals", BOT_USER_ID)
        story = await house.asks(house.ana, "acme.com")

        assert story.thread[-1] == (
            ":warning: The card could not be posted in <#C0APPROVALS> (`not_in_channel`), so nobody can approve this "
            "yet. Invite Postroom to that channel; it keeps trying by itself."
        )
        await house.runs_for(minutes=10)
        assert len(story.thread) == 2
        assert not house.slack.messages("C0APPROVALS")

        house.slack.invite("#approvals", BOT_USER_ID)
        await house.runs_for(minutes=6)
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=5)
        assert house.bought == ["acme.com"]
        assert len(house.slack.messages("C0APPROVALS")) == 1

    @pytest.mark.parametrize("which", ["read_only_channel", "thread_only_channel"])
    async def test_where_only_some_may_post_the_story_is_told_in_person(
        self, house: House, monkeypatch: pytest.MonkeyPatch, which: str
    ) -> None:
        post = house.inside.client.chat_postMessage

        async def limited(**arguments: Any) -> Any:
            if arguments["channel"] == "C0OUTREACH":
                answer = SimpleNamespace(data={"error": f"restricted_action_{which}"}, status_code=200, headers={})
                raise SlackApiError("refused", answer)
            return await post(**arguments)

        monkeypatch.setattr(house.inside.client, "chat_postMessage", limited)
        story = await house.approved(house.ana, "acme.com")
        await house.runs_for(minutes=5)

        assert story.channel == house.slack.dm("ana").id
        assert "approved this" in "\n".join(story.thread)
        assert "*Done.* acme.com is live." in reading(story.parent.blocks)

    @pytest.mark.parametrize(
        ("error", "cure"),
        [
            ("is_archived", "Unarchive that channel, or ask whoever runs Postroom for another one;"),
            ("restricted_action_read_only_channel", "That channel has to let Postroom write:"),
            ("ekm_access_denied", "Tell whoever runs Postroom;"),
        ],
    )
    async def test_a_card_that_an_invitation_would_not_help(self, house: House, error: str, cure: str) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.slack.delete(story.card)
        house.slack.faults.add("chat.postMessage", SlackFault.error(error))
        await house.inside.store.outbox.show_anew(story.id, house.clock.now())
        await house.tick()

        assert f"(`{error}`), so nobody can approve this yet. {cure}" in story.thread[-1]

    @pytest.mark.parametrize(
        "error",
        [
            "restricted_action",
            "restricted_action_read_only_channel",
            "restricted_action_thread_only_channel",
            "restricted_action_non_threadable_channel",
        ],
    )
    async def test_asked_in_a_channel_where_apps_may_not_write(self, house: House, error: str) -> None:
        review = await house.review(house.ana, "acme.com")
        house.slack.faults.add("chat.postMessage", SlackFault.error(error), times=2)  # the story and the card
        await house.ana.submits(review)
        await house.tick()

        [told] = house.ana.messages("dm")
        assert told.reads("Buy acme.com")
        assert not house.slack.messages("C0OUTREACH")

    async def test_a_story_in_person_that_nobody_is_left_to_read(self, house: House) -> None:
        house.slack.remove("#outreach", BOT_USER_ID)
        story = await house.asks(house.ana, "acme.com")
        house.slack.faults.add("chat.postMessage", SlackFault.error("channel_not_found"), times=None)

        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=30)

        assert house.bought == ["acme.com"]
        assert house.on_disk("SELECT COUNT(*) FROM messages WHERE sent < wanted") == [(0,)]

    async def test_another_channel_for_cards_gets_those_that_could_not_be_posted(self, house: House) -> None:
        house.slack.remove("#approvals", BOT_USER_ID)
        story = await house.asks(house.ana, "acme.com")
        await house.runs_for(minutes=5)

        await house.restarts(slack=house.settings.slack.model_copy(update={"approvals_channel": "C0GENERAL"}))
        await house.runs_for(minutes=5)

        [card] = house.slack.messages("C0GENERAL")
        await house.omar.clicks(card, "approve")
        await house.runs_for(minutes=30)
        assert house.bought == ["acme.com"]
        assert len(house.slack.messages("C0GENERAL")) == 1
        assert len([line for line in story.thread if "could not be posted" in line]) == 1
        assert house.on_disk("SELECT COUNT(*) FROM messages WHERE sent < wanted") == [(0,)]

    async def test_the_former_channel_for_cards_takes_them_again_and_is_set_again(self, house: House) -> None:
        house.slack.remove("#approvals", BOT_USER_ID)
        await house.asks(house.ana, "acme.com")
        for channel in ("C0GENERAL", "C0APPROVALS"):
            slack = house.settings.slack.model_copy(update={"approvals_channel": channel})
            await house.restarts(slack=slack)
            await house.runs_for(minutes=5)
            house.slack.invite("#approvals", BOT_USER_ID)

        [card] = house.slack.messages("C0APPROVALS")
        await house.omar.clicks(card, "approve")
        await house.runs_for(minutes=30)
        assert house.bought == ["acme.com"]
        assert house.on_disk("SELECT COUNT(*) FROM messages WHERE sent < wanted") == [(0,)]

    async def test_another_channel_for_cards_because_the_old_one_was_archived(self, house: House) -> None:
        ended = await house.asks(house.ana, "acme.com")
        waits = await house.asks(house.ana, "acme.co")
        house.slack.add_channel(replace(house.slack.channel("#approvals"), is_archived=True))
        await house.omar.clicks(ended.card, "approve")
        await house.runs_for(minutes=30)

        await house.restarts(slack=house.settings.slack.model_copy(update={"approvals_channel": "C0GENERAL"}))
        await house.restarts()
        await house.runs_for(minutes=5)

        [card] = house.slack.messages("C0GENERAL")
        assert card.reads(f"`{waits.id}`")
        assert house.on_disk("SELECT COUNT(*) FROM messages WHERE sent < wanted") == [(0,)]
        await house.omar.clicks(card, "approve")
        await house.runs_for(minutes=30)
        assert house.bought == ["acme.com", "acme.co"]
        assert house.on_disk("SELECT COUNT(*) FROM messages WHERE sent < wanted") == [(0,)]

    async def test_the_thread_hears_of_it_also_when_slack_was_away_first(self, house: House) -> None:
        house.slack.remove("#approvals", BOT_USER_ID)
        house.slack.faults.add("chat.postMessage", SlackFault.server_error(), times=2)

        await house.ana.submits(await house.review(house.ana, "acme.com"))
        await house.runs_for(minutes=10)

        story = await house.story_of(house.ana)
        assert len([line for line in story.thread if "could not be posted" in line]) == 1

    @pytest.mark.parametrize("private", [False, True])
    async def test_asked_in_a_channel_that_the_bot_is_not_in(self, house: House, private: bool) -> None:
        house.slack.add_channel(replace(house.slack.channel("#outreach"), is_private=private))
        house.slack.remove("#outreach", BOT_USER_ID)

        story = await house.approved(house.ana, "acme.com")
        await house.runs_for(minutes=5)

        assert story.channel == house.slack.dm("ana").id
        assert len(story.thread) == 4
        assert "*Done.*" in reading(story.parent.blocks)
        assert not house.slack.messages("C0OUTREACH")
        assert len(house.slack.messages(story.channel)) == 5

    async def test_a_window_closed_during_the_check_in_a_channel_that_the_bot_is_not_in(self, house: House) -> None:
        house.slack.remove("#outreach", BOT_USER_ID)
        house.mailin.faults.add("availability", Fault.slow(0.05))
        form = await house.form(house.ana, "/domain buy acme.com")
        await house.ana.fills(form, reason="Because")
        await house.ana.submits(form)
        await house.ana.closes(form)
        await house.tick()

        offer = house.ana.messages("dm")[-1]
        assert "the window was closed. Nothing was asked." in reading(offer.blocks)
        await house.ana.clicks(offer, "Continue")
        assert (await house.ana.sees_modal("form")).values["domains"] == "acme.com"

    async def test_a_window_closed_before_its_answer_is_no_mishap(self, house: House) -> None:
        form = await house.form(house.ana, "/domain check")
        await house.ana.fills(form, domains="acme.com")
        house.mailin.faults.add("availability", Fault.slow(0.05))
        await house.ana.submits(form)
        await house.ana.closes(form)
        await house.tick()

        assert house.ana.messages("dm") == []

    @pytest.mark.parametrize(
        "fault", [SlackFault.cut_before(), SlackFault.server_error(), SlackFault.error("used_url")]
    )
    async def test_a_click_is_answered_where_its_response_url_is_out_of_reach(
        self, house: House, fault: SlackFault
    ) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.slack.invite("#approvals", "ana")
        house.slack.faults.add(RESPONSE_URL, fault)

        await house.ana.clicks(story.card, "approve")
        await house.tick()

        [told] = house.privately(house.ana, "#approvals")
        assert told.startswith("This is your own request, so somebody else has to decide it.")

    async def test_somebody_deletes_the_card(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        old = story.card
        house.slack.delete(old)

        await house.omar.clicks(old, "approve")
        await house.runs_for(minutes=5)

        assert story.card.ts != old.ts
        assert "*Done.*" in reading(story.card.blocks)
        assert len(house.slack.messages("C0APPROVALS")) == 1

    async def test_somebody_deletes_the_thread_and_a_question_is_asked_in_it(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        for message in reversed(house.slack.thread(story.channel, story.ts)):
            house.slack.delete(message)

        await house.omar.clicks(story.card, "ask")
        form = await house.omar.sees_modal("question")
        await house.omar.fills(form, question="Why this one?")
        await house.omar.submits(form)
        await house.runs_for(seconds=10)

        anew = await house.story_of(house.ana)
        assert anew.ts != story.ts
        assert [line.split()[0] for line in anew.thread] == [":question:"]

    async def test_somebody_deletes_the_parent(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.slack.delete(story.parent)

        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=5)

        anew = await house.story_of(house.ana)
        assert anew.ts != story.ts
        assert "*Done.*" in reading(anew.parent.blocks)
        assert [line.split()[0] for line in anew.thread] == [":white_check_mark:", ":package:", ":tada:"]

    @pytest.mark.parametrize(
        "fault",
        [
            SlackFault.rate_limited(30),
            SlackFault.server_error(),
            SlackFault.cut_before(),
            SlackFault.cut_after(),
            SlackFault.error("internal_error"),
            SlackFault.error("fatal_error"),
        ],
        ids=lambda fault: fault.code or fault.kind,
    )
    @pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
    async def test_slack_stumbles_and_every_message_is_there_once(
        self, house: House, method: str, fault: SlackFault
    ) -> None:
        house.slack.faults.add(method, fault, times=3)
        await house.ana.submits(await house.review(house.ana, "acme.com"))
        await house.runs_for(minutes=2)
        story = await house.story_of(house.ana)
        await house.omar.clicks(story.card, "approve")
        house.slack.faults.add(method, fault, times=3)
        await house.runs_for(minutes=15)

        assert [line.split()[0] for line in story.thread] == [
            ":raised_hand:",
            ":white_check_mark:",
            ":package:",
            ":tada:",
        ]
        assert "*Done.*" in reading(story.card.blocks)
        assert "*Done.*" in reading(story.parent.blocks)
        assert len(house.slack.messages("C0APPROVALS")) == 1
        assert len(house.ana.messages("#outreach")) == 1

    async def test_nothing_is_posted_before_slack_allows_it(self, house: House) -> None:
        house.slack.faults.add("chat.postMessage", SlackFault.rate_limited(30), times=2)
        await house.ana.submits(await house.review(house.ana, "acme.com"))
        await house.tick()
        refused = house.clock.now()
        calls = len(house.slack.calls)

        await house.runs_for(seconds=29)
        assert len(house.slack.calls) == calls

        await house.runs_for(seconds=1)
        posted = [call for call in house.slack.calls if call.method == "chat.postMessage" and call.outcome == "ok"]
        assert len(posted) == 3
        assert all((call.at - refused).total_seconds() >= 30 for call in posted)


class TestTheStoreIsGone:
    async def test_a_click_that_cannot_be_kept_is_not_taken(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com")
        house.inside.store.close()

        ack = await house.omar.clicks(story.card, "approve")
        await house.inside.background.settled()

        assert ack is not None
        assert ack.ok
        assert house.privately(house.omar, "#approvals") == [
            "Postroom could not write this down, so nothing was stored and nothing was done. Try again in a few "
            "minutes; if it stays like this, tell whoever runs it: the disk may be full."
        ]
        await house.restarts()
        assert await story.state() is RequestState.AWAITING

    async def test_a_submission_that_cannot_be_kept_does_not_look_sent(self, house: House) -> None:
        review = await house.review(house.ana, "acme.com")
        house.inside.store.close()

        sent = await house.ana.submits(review)

        assert sent.modal is not None
        assert sent.modal.reads("Something broke in Postroom, so this was not done.")

    async def test_a_command_that_breaks_before_its_answer_says_so(self, house: House) -> None:
        """No command does so by itself; this one comes in a shape that Slack has never sent."""
        command = payloads.command(house.slack, house.ana.user, house.slack.channel("#outreach"), "/domain", "buy")

        ack = await house.slack.deliver("slash_commands", command | {"user": {"id": "U0ANA"}, "team": "T0ACME"})

        assert ack.ok
        assert "Something broke in Postroom" in str(ack.payload["text"])

    async def test_a_command_says_so(self, house: House) -> None:
        house.inside.store.close()

        await house.ana.types("/domain buy acme.com", channel="#outreach")
        await house.inside.background.settled()

        assert "so nothing was stored and nothing was done" in house.privately(house.ana, "#outreach")[0]


class TestTwoWindowsOfOneForm:
    async def test_a_review_confirms_what_it_showed_and_nothing_else(self, house: House) -> None:
        form = await house.form(house.ana, "/domain buy acme-one.com")
        await house.ana.fills(form, reason="Spring")
        await house.ana.submits(form)
        shown = await house.ana.sees_modal("review")
        confirmation = {
            "id": shown.id,
            "type": "modal",
            "callback_id": "review",
            "private_metadata": shown.private_metadata,
            "state": {"values": {}},
        }
        await house.ana.clicks(shown, "Change something")
        form = await house.ana.sees_modal("form")
        await house.ana.fills(form, domains="other-name.co")
        await house.ana.submits(form)
        await house.ana.sees_modal("review")

        ack = await house.sends(house.ana, "view_submission", view=confirmation)
        await house.tick()

        assert "was changed or sent from another window" in str(ack.payload)
        assert house.ana.messages("#outreach") == []
        assert house.omar.messages("#approvals") == []


class TestAWindowThatSlackDoesNotDraw:
    @pytest.mark.parametrize(
        "fault", [SlackFault.rate_limited(30), SlackFault.server_error(), SlackFault.error("internal_error"),
                  SlackFault.cut_before()],
    )  # fmt: skip
    async def test_the_review(self, house: House, fault: SlackFault) -> None:
        """The window says "checking", and would say so for ever."""
        form = await house.form(house.ana, "/domain buy acme.com")
        await house.ana.fills(form, reason="Because", hosting="smtp")
        house.slack.faults.add("views.update", fault)
        await house.ana.submits(form)
        await house.tick()

        [offer] = house.ana.ephemerals("#outreach")
        assert "the check is done, but Slack may not show it. Nothing was asked." in reading(offer.blocks)
        await house.ana.clicks(offer, "Continue")
        await house.tick()
        form = await house.ana.sees_modal("form")
        assert form.values["domains"] == "acme.com"
        await house.ana.submits(form)
        await house.ana.submits(await house.ana.sees_modal("review"))
        assert (await house.story_of(house.ana)).parent.reads("Buy acme.com")

    @pytest.mark.parametrize("fault", [SlackFault.rate_limited(30), SlackFault.server_error(), SlackFault.cut_before()])
    async def test_why_a_click_in_it_was_not_taken(self, house: House, fault: SlackFault) -> None:
        review = await house.review(house.ana, "acme.com")
        action = {"type": "button", "action_id": "edit", "block_id": "review", "value": "req_unknown000"}
        house.slack.faults.add("views.update", fault)

        await house.sends(house.ana, "block_actions", view=review.view.to_slack(), actions=[action])
        await house.tick()

        assert house.ana.messages("dm")[-1].text == EXPIRED

    @pytest.mark.parametrize(
        "fault", [SlackFault.rate_limited(30), SlackFault.server_error(), SlackFault.error("internal_error"),
                  SlackFault.cut_before()],
    )  # fmt: skip
    async def test_what_came_of_a_click_that_was_taken(self, house: House, fault: SlackFault) -> None:
        """Whoever said yes may not read that nothing was done."""
        story = await house.asks(house.ana, "acme.com")
        await house.omar.opens_home()
        await house.tick()
        assert house.omar.home is not None
        await house.omar.clicks(house.omar.home, "Open")
        window = await house.omar.sees_modal(lambda one: one.reads("asked: $12.50"))
        house.slack.faults.add("views.update", fault)

        await house.omar.clicks(window, "approve")
        await house.tick()

        assert house.bought == ["acme.com"]
        assert await story.state() is RequestState.WORKING
        assert [message.text for message in house.omar.messages("dm")] == [NOT_SHOWN]

    async def test_that_it_cannot_be_checked(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        def gone(*_: Any) -> None:
            raise Sorry("There is no such account any more. Nothing was asked.")

        form = await house.form(house.ana, "/domain buy acme.com")
        await house.ana.fills(form, reason="Because", hosting="smtp")
        monkeypatch.setattr(house.inside.requests, "account_of", gone)
        house.slack.faults.add("views.update", SlackFault.server_error())
        await house.ana.submits(form)
        await house.tick()

        assert house.privately(house.ana, "#outreach") == ["There is no such account any more. Nothing was asked."]

    async def test_that_it_is_being_done(self, tmp_path: Path) -> None:
        """Nobody may read that it was not done."""
        async with open_house(tmp_path, accounts=("mailapi-main",)) as house:
            house.sandboxes["mailapi"].add_domain("acme.com")
            form = await house.form(house.ana, "/domain subdomain mail.acme.com")
            await house.ana.fills(form, domain="acme.com", labels="team")
            house.slack.faults.add("views.update", SlackFault.cut_before())
            await house.ana.submits(form)
            story = await house.story_of(house.ana)

            assert "*In progress*" in reading(story.parent.blocks)
            assert house.privately(house.ana, "#outreach") == []
            assert house.ana.messages("dm") == []


class TestThrownOut:
    async def test_the_story_goes_on_in_person_when_the_bot_is_removed_from_the_channel(self, house: House) -> None:
        story = await house.asks(house.ana, "acme-mail.com")
        house.slack.remove("C0OUTREACH", BOT_USER_ID)

        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=30)

        assert house.bought == ["acme-mail.com"]
        [parent] = [message for message in house.ana.messages("dm") if message.reads("Buy acme-mail.com")]
        said = [message.text for message in house.ana.thread(parent)][1:]
        assert any("approved this" in text for text in said)
        assert any("acme-mail.com is live." in text for text in said)
        assert house.on_disk("SELECT COUNT(*) FROM messages WHERE sent < wanted") == [(0,)]

    async def test_the_story_goes_on_in_person_when_the_channel_is_archived(self, house: House) -> None:
        story = await house.asks(house.ana, "acme-mail.com")
        house.slack.add_channel(replace(house.slack.channel("#outreach"), is_archived=True))

        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=30)

        [parent] = [message for message in house.ana.messages("dm") if message.reads("Buy acme-mail.com")]
        assert any("acme-mail.com is live." in message.text for message in house.ana.thread(parent))
        assert house.on_disk("SELECT COUNT(*) FROM messages WHERE sent < wanted") == [(0,)]


class TestManyLookups:
    async def test_a_form_opens_while_the_provider_is_being_asked_for_a_long_time(self, house: House) -> None:
        house.mailin.faults.add("availability", Fault.slow(0.5), times=20)
        for _ in range(9):
            await house.finn.types("/domain check acme-mail.com", channel="#outreach")

        form = await house.form(house.ana, "/domain buy acme-hq.com")

        assert form.values["domains"] == "acme-hq.com"


@pytest.mark.parametrize("typed", ["www.acme.com", "https://sub.acme.co/", "xn--zzzzzz-.com", "xn--zzzz.com"])
async def test_only_a_domain_that_can_be_bought_is_one(house: House, typed: str) -> None:
    form = await house.form(house.ana, f"/domain buy {typed}")
    await house.ana.fills(form, reason="Spring")

    refused = await house.ana.submits(form)

    assert set(refused.errors) == {"domains"}
