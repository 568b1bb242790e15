"""The main scene, told from outside: from `/domain buy` to the finished thread."""

from __future__ import annotations

from tests.house import House, reading


async def test_ana_asks_omar_says_yes_and_two_domains_are_bought_once(house: House) -> None:
    ana, omar = house.ana, house.omar

    form = await house.form(ana, "/domain buy acme-mail.com acme-hq.co")
    assert form.fields == ["account", "domains", "hosting", "reason"]
    assert form.values == {
        "account": "mailin-main",
        "domains": "acme-mail.com\nacme-hq.co",
        "hosting": "smtp",
        "reason": None,
    }

    await ana.fills(form, reason="New campaign for ACME")
    sent = await ana.submits(form)
    assert sent.modal is not None
    assert sent.modal.reads("Asking the provider about these 2 names …")

    review = await ana.sees_modal("review")
    said = reading(review.blocks)
    assert "`acme-mail.com` — $12.50" in said
    assert "`acme-hq.co` — $28.00" in said
    assert "Total: $40.50" in said
    assert "<@U0OMAR> or <@U0FINN> decides" in said
    assert not ana.messages("#approvals")

    confirmed = await ana.submits(review)
    assert confirmed.result == "cleared"
    story = await house.story_of(ana)
    card = reading(story.card.blocks)
    assert "Buy 2 domains (SMTP)" in card
    assert "<@U0ANA> asks in <#C0OUTREACH> · *$40.50* · account `mailin-main`" in card
    assert "> New campaign for ACME" in card
    assert "[Approve]\n[Deny]" in card
    assert "Waiting for approval" in reading(story.parent.blocks)
    assert story.thread == [
        ":raised_hand: Sent to <#C0APPROVALS> for approval. Nothing is bought before somebody there says yes."
    ]
    assert house.bought == []

    await ana.clicks(story.card, "approve")
    await house.tick()
    assert house.privately(ana, "#approvals") == [
        "This is your own request, so somebody else has to decide it. Nothing was changed."
    ]
    assert house.bought == []

    await omar.clicks(story.card, "approve")
    await house.tick()
    assert house.bought == ["acme-mail.com", "acme-hq.co"]
    assert house.calls["buy_multiple"] == 1
    card = reading(story.card.blocks)
    assert "[Approve]" not in card
    assert "In progress" in card
    assert "<@U0OMAR>" in card
    assert story.thread[1] == ":white_check_mark: <@U0OMAR> approved this. It is being sent to the provider, once."
    assert "0 of 2" in reading(story.parent.blocks)

    await house.runs_for(minutes=5)
    assert story.thread[-1].splitlines() == [
        ":tada: <@U0ANA> Both domains are live. Cost: $40.50.",
        ":white_check_mark: `acme-mail.com` — live, nameservers ns1.mailin.ai, ns2.mailin.ai",
        ":white_check_mark: `acme-hq.co` — live, nameservers ns1.mailin.ai, ns2.mailin.ai",
    ]
    assert "*Done.*" in reading(story.card.blocks)
    assert "*Done.*" in reading(story.parent.blocks)
    assert house.bought == ["acme-mail.com", "acme-hq.co"]
    assert len(ana.messages("#outreach")) == 1
    assert len(omar.messages("#approvals")) == 1


async def test_what_was_confirmed_is_on_disk_when_slack_is_answered(house: House) -> None:
    review = await house.review(house.ana, "acme-mail.com")

    await house.ana.submits(review)

    assert house.on_disk("SELECT state, requester FROM requests") == [("awaiting_approval", "U0ANA")]
    assert house.on_disk("SELECT kind FROM messages ORDER BY seq") == [("parent",), ("card",), ("note",)]


async def test_a_click_is_on_disk_when_slack_is_answered(house: House) -> None:
    story = await house.asks(house.ana, "acme-mail.com")

    await house.omar.clicks(story.card, "approve")

    assert house.on_disk("SELECT state, decided_by FROM requests") == [("approved", "U0OMAR")]


async def test_the_card_keeps_who_said_yes_and_when_to_the_end(house: House) -> None:
    story = await house.asks(house.ana, "acme-mail.com")
    house.clock.advance(minutes=7)
    when = f"<!date^{int(house.clock.now().timestamp())}^"

    await house.omar.clicks(story.card, "approve")
    await house.inside.delivery.deliver()
    assert f"*Approved* by <@U0OMAR>, {when}" in reading(story.card.blocks)

    await house.tick()
    assert "In progress" in reading(story.card.blocks)
    assert f"approved by <@U0OMAR> {when}" in reading(story.card.blocks)

    await house.runs_for(minutes=5)
    assert "*Done.*" in reading(story.card.blocks)
    assert f"approved by <@U0OMAR> {when}" in reading(story.card.blocks)


async def test_somebody_asks_in_a_direct_message(house: House) -> None:
    """The app's own direct message is a place to ask in, too: its thread tells the story there."""
    story = await house.approved(house.ana, "acme-mail.com", channel="dm")
    await house.runs_for(minutes=5)

    assert story.channel == house.slack.dm("ana").id
    assert "acme-mail.com is live." in story.thread[-1]
    assert "in a direct message" in reading(story.card.blocks)
