"""How far it is: what a provider shows of its work stands in the thread's first message, one message for all of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.house import House, Story, open_house, reading


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def asks(house: House, words: str, *, is_reviewed: bool = True, **values: str) -> Story:
    """Ana asks, and says yes to the review where there is one: what is free runs at once."""
    form = await house.form(house.ana, words)
    await house.ana.fills(form, **values)
    await house.ana.submits(form)
    await house.tick()
    if is_reviewed:
        await house.ana.submits(await house.ana.sees_modal("review"))
    return await house.story_of(house.ana)


def shown(story: Story) -> str:
    return reading(story.parent.blocks)


async def test_nameservers_that_the_provider_sees(house: House) -> None:
    house.mailin.job_seconds = 24 * 3600
    story = await asks(house, "/domain transfer acme.com", is_reviewed=False, hosting="smtp")
    await house.runs_for(minutes=10)
    assert "Set these nameservers where acme.com is registered: " in shown(story)
    assert "Mailin sees its nameservers" not in shown(story)

    house.mailin.domains["acme.com"].name_servers_at = house.clock.now()
    replies = len(story.thread)
    await house.runs_for(minutes=10)
    assert "Mailin sees its nameservers. Nothing is left to do: it goes live by itself." in shown(story)
    assert "Set these nameservers" not in shown(story)
    assert len(story.thread) == replies  # it is one message that changes

    await house.runs_for(hours=24)
    assert "acme.com is live." in shown(story)


async def test_mailboxes_as_they_are_created(house: House) -> None:
    house.mailin.own("acme.com")
    lines = "\n".join(f"m{number}@acme.com Ana Name{number}" for number in range(25))
    house.mailin.job_seconds = 3600
    story = await asks(house, "/mailbox create", reason="New campaign", mailboxes=lines)
    await house.omar.clicks(story.card, "approve")
    await house.tick()
    assert " 0 of 25" in shown(story)
    first, second, third = house.mailin.mailbox_jobs.values()
    second.ends_at += timedelta(hours=2)
    third.ends_at += timedelta(hours=5)
    replies = len(story.thread)

    counts = []
    for _ in range(6):
        await house.runs_for(minutes=30)
        counts.append(int(re.search(r" (\d+) of 25", shown(story))[1]))  # type: ignore[index]
    assert counts == sorted(counts)
    assert 4 <= counts[0] <= 6  # half of the first batch, and a little of the others
    assert counts[-1] > 20 > counts[2] > 10
    assert len(story.thread) == replies
    await house.runs_for(hours=6)
    assert "All 25 mailboxes exist" in shown(story)
    assert first.share(house.clock.now()) == 1.0
