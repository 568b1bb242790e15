"""Names as long as names may be: whoever confirms or decides reads all of what is asked."""

from __future__ import annotations

from tests.house import REASON, House, reading

FROM = "outreach-of-the-northern-branch-of-acme.com"
TO = f"somebody-of-the-northern-branch@{'mail-of-the-northern-branch.' * 6}example-elsewhere.com"


async def test_where_all_mail_goes_is_read_to_its_end_before_anybody_says_yes(house: House) -> None:
    house.mailin.own(FROM)
    form = await house.form(house.ana, f"/domain email-forward {FROM} {TO}")
    await house.ana.fills(form, reason=REASON)
    await house.ana.submits(form)
    review = await house.ana.sees_modal("review")

    assert TO in reading(review.blocks)

    await house.ana.submits(review)
    story = await house.story_of(house.ana)
    assert TO in reading(story.card.blocks)
    assert TO in reading([block for block in story.parent.blocks if block["type"] == "section"])

    await house.omar.clicks(story.card, "deny")
    assert TO in reading((await house.omar.sees_modal("deny")).blocks)
