"""Renewals in the digest: no provider tells when a domain ends, so what was bought through Postroom is told by it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.sandbox.people import Person
from tests.house import House, open_house, reading

TITLE = "due for renewal within 30 days*, by Postroom's own books"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """It is 2 March 2026."""
    async with open_house(tmp_path) as opened:
        yield opened


async def preview(house: House, who: Person, channel: str = "#outreach") -> str:
    """What `/postroom digest` shows."""
    await who.types("/postroom digest", channel=channel)
    await house.tick()
    return reading(who.ephemerals(channel)[-1].blocks)


async def bought(house: House, *domains: str, channel: str = "#outreach") -> None:
    story = await house.approved(house.ana, *domains, channel=channel)
    await house.runs_for(minutes=5)
    assert (await story.state()).is_final


async def test_a_domain_is_named_in_the_month_before_each_of_its_anniversaries(house: House) -> None:
    await bought(house, "acme.com")
    told = []
    for days in (1, 334, 1, 28, 1, 2, 332, 30, 10):
        house.clock.advance(days=days)
        told.append((house.clock.now().date().isoformat(), TITLE in await preview(house, house.ana)))
    assert told == [
        ("2026-03-03", False),
        ("2027-01-31", True),
        ("2027-02-01", True),
        ("2027-03-01", True),
        ("2027-03-02", False),
        ("2027-03-04", False),
        ("2028-01-30", False),
        ("2028-02-29", True),
        ("2028-03-10", False),
    ]
    house.clock.advance(days=340)
    said = await preview(house, house.ana)
    assert f":calendar: *1 domain {TITLE}: bought through it, for a year at a time." in said
    assert "• `acme.com` — due on 2 March 2029; registered on 2 March 2026 · `mailin-main`" in said


async def test_on_a_leap_day_nothing_is_due_that_was_due_the_day_before(house: House) -> None:
    house.clock.advance(days=363, hours=6)  # 28 February 2027, in the afternoon
    await bought(house, "acme.com")
    house.clock.reaches(datetime(2028, 2, 28, 9, tzinfo=UTC))
    assert "• `acme.com` — due on 28 February 2028" in await preview(house, house.ana)
    house.clock.advance(days=1)
    said = await preview(house, house.ana)
    assert "acme.com" not in said
    assert "look after" not in said


async def test_the_next_one_comes_first_and_of_many_the_rest_is_counted(house: House) -> None:
    await bought(house, *(f"sooner-{number}.com" for number in range(7)))
    house.clock.advance(days=3)
    await bought(house, "later.com")
    house.clock.advance(days=340)
    said = await preview(house, house.ana)
    assert f"*8 domains {TITLE}" in said
    assert said.count("due on 2 March 2027") == 5
    assert "later.com" not in said
    assert "… and 3 more\n[All of them]" in said

    await house.ana.clicks(house.ana.ephemerals("#outreach")[-1], "All of them")
    await house.tick()
    said = reading(house.ana.ephemerals("#outreach")[-1].blocks)
    assert said.count("due on 2 March 2027") == 7
    assert "• `later.com` — due on 5 March 2027; registered on 5 March 2026" in said


async def test_what_was_deleted_since_is_no_longer_paid_for(house: House) -> None:
    await bought(house, "kept.com", "gone.com")
    house.clock.advance(days=100)
    form = await house.form(house.ana, "/domain delete gone.com")
    await house.ana.fills(form, reason="Not needed")
    await house.ana.submits(form)
    await house.tick()
    await house.ana.submits(await house.ana.sees_modal("review"))
    story = await house.story_of(house.ana)
    await house.omar.clicks(story.card, "approve")
    await house.runs_for(minutes=5)
    assert (await story.state()).value == "succeeded"

    house.clock.advance(days=250)
    said = await preview(house, house.ana)
    assert "• `kept.com` — due on" in said
    assert "gone.com" not in said


async def test_what_was_not_bought_is_not_renewed(house: House) -> None:
    denied = await house.asks(house.ana, "denied.com")
    await house.omar.clicks(denied.card, "deny")
    modal = await house.omar.sees_modal("deny")
    await house.omar.fills(modal, reason="No")
    await house.omar.submits(modal)
    house.mailin.own("older.com")  # not bought through Postroom: nobody knows when
    house.mailin.failing.add("broken.com")
    await house.approved(house.ana, "acme.com", "broken.com")
    await house.runs_for(hours=3)
    assert house.bought == ["acme.com"]
    house.clock.advance(days=350)
    said = await preview(house, house.ana)
    assert f"*1 domain {TITLE}" in said
    assert "broken.com" not in said
    assert "denied.com" not in said
    assert "older.com" not in said


async def test_each_channel_reads_its_own_and_the_approvers_all_of_it(house: House) -> None:
    await bought(house, "open.com")
    await bought(house, "elsewhere.com", channel="#general")
    house.clock.advance(days=350)
    assert "elsewhere.com" not in await preview(house, house.ana)
    said = await preview(house, house.omar, "#approvals")
    assert "`open.com`" in said
    assert "`elsewhere.com`" in said


async def test_on_days_with_nothing_else_it_is_told_when_it_comes_into_sight_and_when_it_is_near(house: House) -> None:
    await bought(house, "acme.com")
    await house.ana.types("/postroom digest setup", channel="#outreach")
    modal = await house.ana.sees_modal("digest")
    await house.ana.fills(modal, at="09:30", zone="UTC", days=[str(day) for day in range(7)])
    await house.ana.submits(modal)
    house.clock.advance(minutes=30)
    await house.inside.digest.send()  # of today: what has ended
    posted = []
    for _ in range(370):
        house.clock.advance(days=1)
        before = len(house.slack.messages("C0OUTREACH"))
        await house.inside.digest.send()
        posted += [f"{house.clock.now():%d.%m.}"] * (len(house.slack.messages("C0OUTREACH")) - before)
    assert posted == ["31.01.", "23.02.", "24.02.", "25.02.", "26.02.", "27.02.", "28.02.", "01.03."]


async def test_who_does_not_want_it_does_not_get_it(house: House) -> None:
    await bought(house, "acme.com")
    await house.ana.types("/postroom digest setup", channel="#outreach")
    modal = await house.ana.sees_modal("digest")
    assert "renewals" in modal.values["sections"]
    await house.ana.fills(modal, at="09:00", zone="UTC", days=["0"], sections=["stuck", "ended"])
    await house.ana.submits(modal)
    house.clock.advance(days=350)
    assert "due for renewal" not in await preview(house, house.ana)
