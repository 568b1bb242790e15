"""What no hand at a keyboard sends: other values on buttons, other forms, other people's names, the same thing twice.

Each is answered in a plain sentence, changes no row of any table, and is in the audit where somebody tried who may not.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from bot.policy_settings import ApprovalSettings, BudgetSettings
from bot.sandbox import payloads
from bot.sandbox.delivery import Ack
from bot.sandbox.model import OTHER_TEAM_ID, User
from bot.sandbox.people import Person
from handlers.requests import Sorry
from handlers.slack.front import BROKE
from providers.mailin.sandbox import Fault, Operation
from storage import audit
from storage.records import RequestState, Verdict
from tests.house import House, Modal, Story, open_house, reading

BOT, GUEST = "U0ROBOT", "U0GUEST"
FOREIGN = "You belong to another Slack workspace, so Postroom cannot take this from you. Nothing was changed."
GONE = "Slack says that you do not belong to this workspace (any more), so your click was not taken."
CHANGED = "This request has changed since that card was shown. Nothing was decided: read the new card."
NOT_AMONG = "You are not among the people who may decide this. Nothing was changed."
NOT_THERE = "Not all of what you took out is in this request. Nothing was decided: read the new card."

WITH_WHAT_WAS_SEEN = ("approve", "deny", "ask", "choose", "run_now")
WITH_AN_ID = ("stop", "cancel", "settle_happened", "settle_did_not", "settle_again", "settle_wait")
FORMS = {"deny": "deny", "ask": "question", "choose": "items", "run_now": "run_now"}
"""What each button opens."""


@contextlib.asynccontextmanager
async def house_of(folder: Path, mode: str = "socket") -> AsyncIterator[House]:
    """Omar, Finn and some who should not be named may decide; Finn may break the glass; there is a budget."""
    async with open_house(folder, mode=mode, starts=False) as opened:
        opened.slack.add_user(User(BOT, "robot", "Robot", is_bot=True), "#approvals")
        opened.slack.add_user(User(GUEST, "guest", "Guest", is_restricted=True), "#approvals")
        approvals = ApprovalSettings(
            approvers=("U0OMAR", "U0FINN", BOT, GUEST), break_glass=("U0FINN",), undo_seconds=30
        )
        budget = BudgetSettings(name="All", amount=Decimal(1000), currency="USD")
        await opened.starts(approvals=approvals, budgets=(budget,))
        yield opened


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with house_of(tmp_path) as opened:
        yield opened


def tables(house: House) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, without the audit and the beats."""
    names = house.on_disk("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '_sqlite%'")
    kept = sorted(name for (name,) in names if name not in ("audit", "audit_head", "beats"))
    return {name: house.on_disk(f'SELECT * FROM "{name}"') for name in kept}


def facts(house: House) -> list[tuple[Any, ...]]:
    return house.on_disk("SELECT actor, what FROM audit ORDER BY seq")


@contextlib.contextmanager
def nothing_changes(house: House, *refused: str, breaks: bool = False) -> Iterator[None]:
    """No table is another afterwards; the audit has a refused click of each of these people, and only refusals."""
    before, known = tables(house), facts(house)
    yield
    assert tables(house) == before
    new = facts(house)[len(known) :]
    assert {what for _, what in new} <= {"click_refused"}
    assert not Counter(refused) - Counter(who for who, _ in new)
    with audit.opened(house.settings.database) as connection:
        assert isinstance(audit.verify(connection), audit.Verified)
    assert not [entry for entry in house.log if entry["event"] in ("listener_broke", "submission_broke")] or breaks


async def clicks(house: House, user: User, story: Story, button: str, value: Any) -> None:
    """Slack sends a click on a button that says `value`."""
    action = {"type": "button", "action_id": button, "block_id": "decision", "value": value}
    ack = await house.slack.deliver("interactive", payloads.message_action(house.slack, user, story.card, action))
    assert ack.ok
    await house.tick()


async def opens(person: Person, story: Story, button: str) -> Modal:
    """The form behind a button, filled in so that it could be sent."""
    if button == "run_now":
        await person.chooses(story.card, "more", "Run now, without approval …")
    else:
        await person.clicks(story.card, button)
    modal = await person.sees_modal(FORMS[button])
    typed = {"deny": "reason", "run_now": "reason"}.get(button)
    if button == "ask":
        [typed] = [block["block_id"] for block in modal.blocks if block["type"] == "input"]
    return await person.fills(modal, **({typed: "Because"} if typed else {}))


async def sends(house: House, user: User, modal: Modal, **changed: Any) -> Ack:
    """Slack sends a form as somebody filled it in, with something changed."""
    view = modal.view.to_slack() | changed
    payload = payloads._interaction(house.slack, "view_submission", user) | {"view": view}
    ack = await house.slack.deliver("interactive", payload)
    await house.tick()
    return ack


def said(ack: Ack) -> str:
    """What the form says afterwards."""
    assert ack.payload["response_action"] == "update"
    sentence: str = reading(ack.payload["view"]["blocks"])
    return sentence


async def seen_of(story: Story) -> str:
    found = await story.house.inside.store.requests.get(story.id)
    assert found is not None
    return found.fingerprint


def junk(story: Story, seen: str, other: Story, other_seen: str) -> list[str]:
    """Values that no button of this card has."""
    return [
        "",
        ":",
        ":::",
        f"{other.id}:{seen[:16]}",
        f"{story.id}:{other_seen[:16]}",
        f"{story.id}",
        f"{story.id}:{seen[:15]}",
        f"{story.id}:{seen}0",
        f"{story.id}:{seen[:16].upper()}x",
        f"{story.id}:{'_' * 16}",
        f"{story.id}:{'%' * 16}",
        f"{story.id.upper()}:{seen[:16]}",
        f" {story.id}:{seen[:16]}",
        f"{story.id}\x00:{seen[:16]}",
        f"' OR 1=1 --:{seen[:16]}",
        "req_{who}:%s<!channel>",
        "🪙" * 700,
        "x" * 100_000,
        "\u202eqer:\u0660\u0661" * 10,
    ]


class TestButtons:
    @pytest.mark.parametrize("button", WITH_WHAT_WAS_SEEN)
    async def test_other_values(self, house: House, button: str) -> None:
        story, other = await house.asks(house.ana, "acme.com", "acme.co"), await house.asks(house.ana, "other.com")
        values = junk(story, await seen_of(story), other, await seen_of(other))
        with nothing_changes(house):
            for number, value in enumerate(values):
                await clicks(house, house.finn.user, story, button, value)
                told = house.privately(house.finn, "#approvals")
                assert len(told) == number + 1, value[:80]
                assert "Nothing was" in told[-1], (value[:80], told[-1])
            assert house.finn.modal is None

    @pytest.mark.parametrize("button", WITH_AN_ID)
    async def test_other_ids(self, house: House, button: str) -> None:
        """Also the right one, of a request with which that cannot be done now."""
        story, other = await house.asks(house.ana, "acme.com", "acme.co"), await house.asks(house.ana, "other.com")
        seen = await seen_of(story)
        values = [one for one in junk(story, seen, other, seen) if one != story.id]
        values += [] if button == "cancel" else [story.id]
        who = house.ana if button == "cancel" else house.finn
        with nothing_changes(house):
            for number, value in enumerate(values):
                await clicks(house, who.user, story, button, value)
                told = house.privately(who, "#approvals")
                assert len(told) == number + 1, value[:80]
                assert "Nothing was" in told[-1] or "so your answer was not needed" in told[-1], (value[:80], told[-1])

    @pytest.mark.parametrize("button", ["approve", "stop"])
    async def test_half_a_character(self, house: House, button: str) -> None:
        """Valid JSON that no database can keep: the person learns that it was not done."""
        story = await house.asks(house.ana, "acme.com")
        with nothing_changes(house, breaks=True):
            await clicks(house, house.finn.user, story, button, f"{story.id}\ud800:{(await seen_of(story))[:16]}")
        assert house.privately(house.finn, "#approvals") == [BROKE]

    @pytest.mark.parametrize("button", [*WITH_WHAT_WAS_SEEN, *WITH_AN_ID])
    async def test_the_right_value_in_the_wrong_hands(self, house: House, button: str) -> None:
        story = await house.asks(house.finn, "acme.com", "acme.co")
        value = f"{story.id}:{(await seen_of(story))[:16]}" if button in WITH_WHAT_WAS_SEEN else story.id
        with nothing_changes(house, "U0ANA"):
            await clicks(house, house.ana.user, story, button, value)
        [told] = house.privately(house.ana, "#approvals")
        assert told.endswith("Nothing was changed.")
        assert house.ana.modal is None


class TestForms:
    @pytest.mark.parametrize("button", FORMS)
    async def test_other_metadata(self, house: House, button: str) -> None:
        story, other = await house.asks(house.ana, "acme.com", "acme.co"), await house.asks(house.ana, "other.com")
        modal = await opens(house.finn, story, button)
        with nothing_changes(house):
            for value in [*junk(story, await seen_of(story), other, await seen_of(other)), None, 7, ["x"], {"a": 1}]:
                ack = await sends(house, house.finn.user, modal, private_metadata=value)
                assert "Nothing was" in said(ack), (value, said(ack))

    @pytest.mark.parametrize("button", FORMS)
    async def test_a_form_of_somebody_else(self, house: House, button: str) -> None:
        story = await house.asks(house.ana, "acme.com", "acme.co")
        modal = await opens(house.finn, story, button)
        with nothing_changes(house, "U0ANA"):
            ack = await sends(house, house.ana.user, modal)
        assert said(ack).endswith("Nothing was changed.")

    @pytest.mark.parametrize("button", ["deny", "ask", "choose"])
    async def test_a_form_that_says_it_is_another_one(self, house: House, button: str) -> None:
        """Omar may send what he has before him; as the form for which he would need more rights, he may not."""
        story = await house.asks(house.ana, "acme.com", "acme.co")
        modal = await opens(house.omar, story, button)
        with nothing_changes(house):
            ack = await sends(house, house.omar.user, modal, callback_id="no such form")
            assert "Nothing was" in said(ack)
        reason = {"reason": {"value": {"type": "plain_text_input", "value": "At once"}}}
        with nothing_changes(house, "U0OMAR"):
            ack = await sends(house, house.omar.user, modal, callback_id="run_now", state={"values": reason})
        assert said(ack).endswith("Nothing was changed.")

    @pytest.mark.parametrize(
        "chosen",
        [["2"], ["-1"], ["0", "99"], ["٠"], [""], ["x" * 5000], ["0.0"], [7], [None], "0", {"0": 1}, [{"value": {}}]],
        ids=str,
    )
    async def test_items_that_are_not_in_it(self, house: House, chosen: Any) -> None:
        story = await house.asks(house.ana, "acme.com", "acme.co")
        modal = await opens(house.omar, story, "choose")
        options = [{"value": one} for one in chosen] if isinstance(chosen, list) else chosen
        values = {"items:0": {"value": {"type": "checkboxes", "selected_options": options}}}
        with nothing_changes(house):
            ack = await sends(house, house.omar.user, modal, state={"values": values})
        told = ack.payload.get("errors", {}).values() or [said(ack)]
        assert all(isinstance(one, str) and one.endswith(".") for one in told), told

    async def test_names_to_take_out_that_are_not_in_it(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com", "acme.co")
        seen = await seen_of(story)
        for out in (["other.com"], ["acme.com", "other.com"], [""], ["acme.com "]):
            with nothing_changes(house), pytest.raises(Sorry, match="Nothing was decided"):
                await house.inside.approvals.decide(story.id, "U0OMAR", Verdict.APPROVE, seen=seen, without=out)


class TestPeople:
    @pytest.mark.parametrize("button", [*WITH_WHAT_WAS_SEEN, *WITH_AN_ID])
    async def test_of_another_workspace(self, house: House, button: str) -> None:
        """Also under the name of somebody here."""
        story = await house.asks(house.ana, "acme.com", "acme.co")
        value = f"{story.id}:{(await seen_of(story))[:16]}" if button in WITH_WHAT_WAS_SEEN else story.id
        for who in (house.finn, house.ana):
            with nothing_changes(house):
                await clicks(house, replace(who.user, team_id=OTHER_TEAM_ID), story, button, value)
            assert house.privately(who, "#approvals") == [FOREIGN]

    @pytest.mark.parametrize("button", FORMS)
    async def test_a_form_of_another_workspace(self, house: House, button: str) -> None:
        story = await house.asks(house.ana, "acme.com", "acme.co")
        modal = await opens(house.finn, story, button)
        stranger = replace(house.finn.user, team_id=OTHER_TEAM_ID)
        with nothing_changes(house):
            for view in ({}, {"team_id": OTHER_TEAM_ID, "app_installed_team_id": OTHER_TEAM_ID}):
                assert said(await sends(house, stranger, modal, **view)) == FOREIGN

    @pytest.mark.parametrize("button", ["approve", "choose", "stop"])
    @pytest.mark.parametrize(
        "who", ["deactivated", "guest", "single_channel_guest", "stranger", BOT, GUEST, "USLACKBOT"]
    )
    async def test_who_may_not_act_here_although_the_settings_name_them(
        self, house: House, who: str, button: str
    ) -> None:
        story = await house.asks(house.ana, "acme.com", "acme.co")
        value = f"{story.id}:{(await seen_of(story))[:16]}" if button != "stop" else story.id
        user = house.omar.user if who not in (BOT, GUEST, "USLACKBOT") else house.slack.users[who]
        if user.id == "U0OMAR":
            house.slack.set_standing("omar", who)  # type: ignore[arg-type]
            await house.passes(minutes=2)  # nobody remembers him as he was, and others are asked if need be
        with nothing_changes(house, user.id):
            await clicks(house, user, story, button, value)
        assert await story.state() is RequestState.AWAITING

    async def test_who_was_deactivated_while_the_form_was_open(self, house: House) -> None:
        story = await house.asks(house.ana, "acme.com", "acme.co")
        modal = await opens(house.omar, story, "deny")
        house.slack.set_standing("omar", "deactivated")
        await house.passes(seconds=61)  # longer than what Slack said is remembered
        with nothing_changes(house, "U0OMAR"):
            assert said(await sends(house, house.omar.user, modal)) == GONE


class TestReplays:
    """The same body once more, with a signature that is as good as the first time."""

    @pytest.fixture
    async def house(self, tmp_path: Path) -> AsyncIterator[House]:
        async with house_of(tmp_path, mode="http") as opened:
            yield opened

    @pytest.fixture
    async def http(self) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(trust_env=False) as client:
            yield client

    async def posts(self, house: House, http: httpx.AsyncClient, payload: Any, *, age: float = 0) -> int:
        """Posts it as Slack would have so many seconds ago; returns the status."""
        body = urlencode({"payload": json.dumps(payload)})
        at = str(int(time.time() - age))
        key = house.slack.app.signing_secret.encode()
        digest = hmac.new(key, f"v0:{at}:{body}".encode(), hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-slack-request-timestamp": at,
            "x-slack-signature": f"v0={digest}",
        }
        assert house.slack.app.request_url is not None
        answer = await http.post(house.slack.app.request_url, content=body, headers=headers)
        await house.inside.background.settled()
        return answer.status_code

    @pytest.mark.parametrize("button", ["deny", "choose", "run_now"])
    async def test_a_form(self, house: House, http: httpx.AsyncClient, button: str) -> None:
        story = await house.asks(house.ana, "acme.com", "acme.co")
        modal = await opens(house.finn, story, button)
        view = {"view": modal.view.to_slack()}
        payload = payloads._interaction(house.slack, "view_submission", house.finn.user) | view
        assert await self.posts(house, http, payload) == 200
        await house.tick()
        decided = await story.state()
        with nothing_changes(house):
            for _ in range(3):
                assert await self.posts(house, http, payload) == 200
            await house.tick()
        assert await story.state() is decided
        await house.runs_for(minutes=5)
        assert sorted(house.bought) == ([] if button == "deny" else ["acme.co", "acme.com"])

    @pytest.mark.parametrize("button", ["approve", "cancel"])
    async def test_a_click(self, house: House, http: httpx.AsyncClient, button: str) -> None:
        story = await house.asks(house.ana, "acme.com", "acme.co")
        who = house.ana if button == "cancel" else house.omar
        value = story.id if button == "cancel" else f"{story.id}:{(await seen_of(story))[:16]}"
        action = {"type": "button", "action_id": button, "block_id": "decision", "value": value}
        payload = payloads.message_action(house.slack, who.user, story.card, action)
        assert await self.posts(house, http, payload) == 200
        await house.tick()
        with nothing_changes(house):
            for _ in range(3):
                assert await self.posts(house, http, payload) == 200
            await house.tick()
        assert len(house.privately(who, "#approvals")) == 3
        assert facts(house).count((who.id, "approved" if button == "approve" else "cancelled")) == 1

    async def test_a_yes_that_comes_once_more_after_it_was_stopped(self, house: House, http: httpx.AsyncClient) -> None:
        """The card asks for the very same again, and Omar has not clicked on it."""
        story = await house.asks(house.ana, "acme.com", "acme.co")
        before = story.card
        action = {"type": "button", "action_id": "approve", "block_id": "decision"}
        action["value"] = f"{story.id}:{(await seen_of(story))[:16]}"
        payload = payloads.message_action(house.slack, house.omar.user, before, action)
        assert await self.posts(house, http, payload) == 200
        await house.tick()
        await house.finn.clicks(story.parent, "stop")
        await house.tick()

        with nothing_changes(house):
            assert await self.posts(house, http, payload) == 200
            await house.tick()
        assert house.privately(house.omar, "#approvals") == [
            "Slack has sent this click before, and it was taken then. Nothing was changed."
        ]
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=5)
        assert sorted(house.bought) == ["acme.co", "acme.com"]

    async def test_a_stop_that_comes_once_more_after_it_was_approved_again(
        self, house: House, http: httpx.AsyncClient
    ) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.omar.clicks(story.card, "approve")
        await house.tick()
        action = {"type": "button", "action_id": "stop", "block_id": "stop", "value": story.id}
        payload = payloads.message_action(house.slack, house.omar.user, story.parent, action)
        assert await self.posts(house, http, payload) == 200
        await house.tick()
        await house.finn.clicks(story.card, "approve")
        await house.tick()

        with nothing_changes(house):
            assert await self.posts(house, http, payload) == 200
            await house.tick()
        assert house.privately(house.omar, "#outreach") == [
            "Slack has sent this click before, and it was taken then. Nothing was changed."
        ]
        await house.runs_for(minutes=5)
        assert house.bought == ["acme.com"]

    async def test_a_question_once_more(self, house: House, http: httpx.AsyncClient) -> None:
        story = await house.asks(house.ana, "acme.com")
        await house.omar.clicks(story.card, "ask")
        modal = await house.omar.sees_modal("question")
        await house.omar.fills(modal, question="What for?")
        await house.omar.submits(modal)
        await house.tick()

        with nothing_changes(house):
            await house.replays()
            await house.tick()
        assert sum("What for?" in line for line in story.thread) == 1

    async def test_the_word_for_another_attempt_once_more(self, house: House, http: httpx.AsyncClient) -> None:
        """The second attempt is unclear as well, and nobody has said a word about it."""
        house.mailin.faults.add(Operation.BUY, Fault.cut_before(), times=2)
        story = await house.asks(house.ana, "acme.com")
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(hours=3)
        [block] = [one for one in story.card.blocks if one["type"] == "actions"]
        [again] = [one for one in block["elements"] if one["action_id"] == "settle_again"]
        payload = payloads.message_action(
            house.slack, house.omar.user, story.card, payloads.action_of(house.slack, block, again)
        )
        assert await self.posts(house, http, payload) == 200
        await house.runs_for(hours=3)
        assert house.on_disk("SELECT state, asks_person, attempt FROM requests") == [("unknown", 1, 2)]

        with nothing_changes(house):
            assert await self.posts(house, http, payload) == 200
            await house.tick()
        assert "settled meanwhile" in house.privately(house.omar, "#approvals")[-1]
        assert house.calls["buy"] == 2

    async def test_a_confirmed_review(self, house: House, http: httpx.AsyncClient) -> None:
        review = await house.review(house.ana, "acme.com")
        view = {"view": review.view.to_slack()}
        payload = payloads._interaction(house.slack, "view_submission", house.ana.user) | view
        assert await self.posts(house, http, payload) == 200
        await house.tick()
        with nothing_changes(house):
            assert [await self.posts(house, http, payload) for _ in range(3)] == [200] * 3
            await house.tick()
        assert house.on_disk("SELECT COUNT(*), SUM(reserved) FROM reservations") == [(1, 12_500_000)]

    async def test_what_was_signed_too_long_ago(self, house: House, http: httpx.AsyncClient) -> None:
        story = await house.asks(house.ana, "acme.com")
        action = {"type": "button", "action_id": "approve", "block_id": "decision"}
        action["value"] = f"{story.id}:{(await seen_of(story))[:16]}"
        payload = payloads.message_action(house.slack, house.omar.user, story.card, action)
        with nothing_changes(house):
            assert [await self.posts(house, http, payload, age=age) for age in (301, 3600, -301)] == [401] * 3
        assert not house.omar.ephemerals("#approvals")
