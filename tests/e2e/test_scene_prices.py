"""What a change costs decides whether it waits: only what is known to be free runs when asked."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.sandbox.modal import Modal
from providers.accounts import PriceList
from providers.simulator import Fault
from tests.house import REASON, House, Story, reading


def priced(mailbox: str | None) -> dict[str, PriceList]:
    """The operator's price list: what a mailbox costs, if that stands there."""
    return {"mailin": PriceList(prices={} if mailbox is None else {"mailbox": Decimal(mailbox)})}


async def review(house: House) -> Modal:
    """Ana asks for two mailboxes, and gets to the review."""
    house.mailin.own("acme.com")
    form = await house.form(house.ana, "/mailbox create ana@acme.com Ana Ruiz bo@acme.com Bo Li")
    await house.ana.fills(form, reason=REASON)
    await house.ana.submits(form)
    return await house.ana.sees_modal("review")


async def asked(house: House) -> Story:
    assert (await house.ana.submits(await review(house))).result == "cleared"
    return await house.story_of(house.ana)


@pytest.mark.parametrize(("price", "shown"), [(None, "price unknown"), ("3.00", "$6.00")])
async def test_what_costs_something_or_nobody_knows_what_waits_for_a_decision(
    house: House, price: str | None, shown: str
) -> None:
    await house.restarts(prices=priced(price))
    seen = await review(house)
    assert seen.submit == "Ask for approval"
    assert f"Total: {shown}" in reading(seen.blocks)
    assert "<@U0OMAR> or <@U0FINN> decides" in reading(seen.blocks)
    await house.ana.submits(seen)
    story = await house.story_of(house.ana)

    await house.runs_for(hours=1)
    assert await story.state() == "awaiting_approval"
    card = reading(story.card.blocks)
    assert shown in card
    assert f"> {REASON}" in card
    assert house.calls["create_mailboxes"] == 0

    await house.omar.clicks(story.card, "approve")
    await house.runs_for(hours=1)
    assert await story.state() == "succeeded"
    assert house.calls["create_mailboxes"] == 1


async def test_what_is_known_to_be_free_is_done_when_it_is_confirmed(house: House) -> None:
    await house.restarts(prices=priced("0"))
    seen = await review(house)
    assert seen.submit == "Do it"
    assert "decides" not in reading(seen.blocks)
    await house.ana.submits(seen)
    story = await house.story_of(house.ana)
    await house.runs_for(hours=1)

    assert await story.state() == "succeeded"
    assert not house.omar.messages("#approvals")


async def test_what_was_free_when_it_was_asked_and_is_not_any_more_gets_a_card(house: House) -> None:
    await house.restarts(prices=priced("0"))
    await house.ana.submits(await review(house))
    assert house.on_disk("SELECT state FROM requests") == [("approved",)]

    await house.restarts(prices=priced("3.00"))
    story = await house.story_of(house.ana)
    assert await story.state() == "awaiting_approval"
    assert story.thread[-1] == (
        ":warning: The price changed after it was asked, from no cost to $6.00. Nothing was bought; the card in "
        "<#C0APPROVALS> asks for approval.\n"
        "• `ana@acme.com` — $0.00 → *$3.00*\n• `bo@acme.com` — $0.00 → *$3.00*\nTotal: no cost → *$6.00*"
    )
    assert house.calls["create_mailboxes"] == 0

    await house.finn.clicks(story.card, "approve")
    await house.runs_for(hours=1)
    assert await story.state() == "succeeded"


async def test_what_cannot_be_looked_at_again_before_it_is_sent_has_failed_and_says_so(house: House) -> None:
    """Otherwise it would say for ever that it is being sent, and might run when nobody expects it any more."""
    house.mailin.own("acme.com")
    form = await house.form(house.ana, "/domain delete acme.com")
    await house.ana.fills(form, reason=REASON)
    await house.ana.submits(form)
    await house.ana.submits(await house.ana.sees_modal("review"))
    story = await house.story_of(house.ana)
    house.mailin.faults.add("mailboxes", Fault.answers(500), times=1000)
    house.mailin.faults.add("google_mailboxes", Fault.answers(500), times=1000)

    await house.omar.clicks(story.card, "approve")
    await house.runs_for(hours=2)

    assert await story.state() == "failed"
    assert "Nothing was sent." in story.thread[-1]
    assert "Ask again with the command." in story.thread[-1]
    house.mailin.faults.clear()
    await house.runs_for(days=1)
    assert house.calls["delete_domain"] == 0
