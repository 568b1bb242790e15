"""Credentials are shown once: what was begun is on disk before the provider is asked, whatever becomes of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.faults import Fault as SlackFault
from bot.sandbox.modal import Modal
from providers.instantly.sandbox import InstantlySandbox
from providers.simulator import Fault
from tests.house import House, open_house

OPERATION = "create_api_key"
ALREADY = "You have already sent this form, and it was not sent again: what it shows is shown once."


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house with an account at which a key can be made that opens everything."""
    async with open_house(tmp_path, accounts=("instantly-main",)) as house:
        yield house


def books(house: House) -> InstantlySandbox:
    found = house.sandboxes["instantly"]
    assert isinstance(found, InstantlySandbox)
    return found


def facts(house: House) -> list[str]:
    """What the audit says of what was shown, in order."""
    return [what for (what,) in house.on_disk("SELECT what FROM audit WHERE what LIKE 'reveal%' ORDER BY seq")]


def why(house: House) -> str:
    """Why it was not shown, as the audit has it."""
    [(detail,)] = house.on_disk("SELECT detail FROM audit WHERE what = 'reveal_failed'")
    return str(json.loads(detail)["why"])


async def sends(house: House) -> Modal:
    """Omar asks for a key, and sends the form."""
    form = await house.form(house.omar, "/campaign api-key ci")
    sent = await house.omar.submits(form)
    assert sent.result == "updated", sent
    assert sent.modal is not None
    return sent.modal


async def test_what_was_shown_is_in_the_audit_step_by_step(house: House) -> None:
    await sends(house)
    await house.tick()

    [key] = books(house).keys
    assert (await house.omar.sees_modal("answer")).reads(key)
    rows = house.on_disk("SELECT request_id, actor, what, detail FROM audit WHERE what LIKE 'reveal%' ORDER BY seq")
    assert [row[2] for row in rows] == ["reveal_begun", "revealed"]
    assert {row[:2] for row in rows} == {(rows[0][0], "U0OMAR")}
    told = {"command": "campaign api-key", "account": "instantly-main", "of": ["ci"]}
    assert [json.loads(row[3]) for row in rows] == [told, told]


async def test_it_is_on_disk_before_the_provider_is_asked(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    arrived = books(house).calls

    class Watching(type(arrived)):  # type: ignore[misc]
        def __setitem__(self, operation: str, count: int) -> None:
            super().__setitem__(operation, count)
            seen.append(facts(house))

    monkeypatch.setattr(books(house), "calls", Watching())
    await sends(house)
    await house.tick()

    assert seen == [["reveal_begun"]]


@pytest.mark.parametrize(
    ("fault", "made", "told"),
    [
        (Fault.cut_after(), 1, "If a key was made, nobody has seen it."),
        (Fault.cut_before(), 0, "If a key was made, nobody has seen it."),
        (Fault.answers(500), 0, "If a key was made, nobody has seen it."),
    ],
)
async def test_no_clear_answer_is_in_the_audit(house: House, fault: Fault, made: int, told: str) -> None:
    books(house).faults.add(OPERATION, fault)

    await sends(house)
    await house.tick()

    assert (await house.omar.sees_modal("notice")).reads(told)
    assert facts(house) == ["reveal_begun", "reveal_failed"]
    assert told in why(house)
    assert len(books(house).keys) == made


async def test_the_same_form_delivered_twice_makes_one_key(house: House) -> None:
    books(house).faults.add(OPERATION, Fault.slow(0.2))
    await sends(house)

    again = await house.replays()

    assert again.payload is not None
    assert ALREADY in json.dumps(again.payload["view"])
    await house.tick()
    assert ALREADY in json.dumps((await house.replays(-1)).payload)
    assert len(books(house).keys) == 1
    assert facts(house) == ["reveal_begun", "revealed"]


async def test_delivered_twice_at_the_same_moment(house: House) -> None:
    form = await house.form(house.omar, "/campaign api-key ci")
    state = {"values": {"account": chosen("instantly-main"), "name": typed("ci")}}
    view = {"id": form.id, "type": "modal", "callback_id": "form", "private_metadata": form.private_metadata}
    payload: dict[str, Any] = {"view": {**view, "blocks": form.blocks, "state": state}}

    acks = [await house.sends(house.omar, "view_submission", **payload) for _ in range(3)]
    await house.tick()

    assert [ALREADY in json.dumps(ack.payload) for ack in acks] == [False, True, True]
    assert len(books(house).keys) == 1


def chosen(value: str) -> dict[str, Any]:
    """A menu's state, as Slack sends it."""
    return {"value": {"type": "static_select", "selected_option": {"value": value}}}


def typed(value: str) -> dict[str, Any]:
    """A text's state, as Slack sends it."""
    return {"value": {"type": "plain_text_input", "value": value}}


async def test_the_process_ends_before_anything_was_heard(house: House) -> None:
    """The provider makes the key; the process that asked for it is gone when the answer comes."""
    books(house).faults.add(OPERATION, Fault.slow(30))
    await sends(house)
    assert facts(house) == ["reveal_begun"]

    house.clock.advance(seconds=1)
    await house.restarts()
    await house.tick()

    notice = await house.omar.sees_modal("notice")
    assert notice.reads("Postroom was stopped while it was asking for this")
    assert notice.reads("If something was made just now, such as a key, it is at the provider all the same")
    assert facts(house) == ["reveal_begun", "reveal_failed"]
    assert "was stopped" in why(house)
    assert books(house).calls[OPERATION] <= 1

    await house.restarts()
    await house.tick()
    assert facts(house) == ["reveal_begun", "reveal_failed"]  # it is told once


async def test_the_process_ends_and_the_window_is_closed_meanwhile(house: House) -> None:
    books(house).faults.add(OPERATION, Fault.slow(30))
    waiting = await sends(house)
    house.clock.advance(seconds=1)
    await house.stops()
    await house.omar.closes(waiting)

    await house.starts()
    await house.tick()

    assert "Postroom was stopped while it was asking for this" in house.privately(house.omar, "#outreach")[-1]


async def test_a_form_that_was_used_up_is_so_after_a_restart_too(house: House) -> None:
    await sends(house)
    sent = house.slack.delivery.log[-1]
    await house.tick()
    house.clock.advance(seconds=1)
    await house.restarts()
    await house.tick()
    assert (await house.omar.sees_modal("answer")).reads(books(house).keys[0])  # what was shown is left alone

    again = await house.slack.deliver(sent.kind, sent.payload)

    assert ALREADY in json.dumps(again.payload)
    assert len(books(house).keys) == 1
    assert facts(house) == ["reveal_begun", "revealed"]


async def test_what_could_not_be_shown_is_said_and_in_the_audit(house: House) -> None:
    house.slack.faults.add("views.update", SlackFault.error("not_found"))

    await sends(house)
    await house.tick()

    assert "It could not be shown" in house.privately(house.omar, "#outreach")[-1]
    assert books(house).keys[0] not in house.everything_shown()
    assert facts(house) == ["reveal_begun", "revealed", "reveal_failed"]


async def test_whoever_may_not_see_it_uses_nothing_up(house: House) -> None:
    form = await house.form(house.ana, "/campaign api-key ci")
    await house.ana.submits(form)
    await house.tick()

    assert facts(house) == ["reveal_refused"]
    assert books(house).keys == []


@pytest.mark.parametrize("standing", ["guest", "single_channel_guest"])
async def test_whoever_has_become_a_guest_is_shown_none_although_the_settings_name_them(
    house: House, standing: str
) -> None:
    house.slack.set_standing("omar", standing)
    house.clock.advance(minutes=5)
    form = await house.form(house.omar, "/campaign api-key ci")
    sent = await house.omar.submits(form)
    await house.tick()

    assert sent.modal is not None
    assert sent.modal.reads("Credentials are shown only to members of this workspace. Nothing was shown.")
    assert facts(house) == ["reveal_refused"]
    assert books(house).keys == []
