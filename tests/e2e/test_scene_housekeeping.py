"""A year later: what people and the money need is there, what nobody needs is not."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from bot.policy_settings import BudgetSettings
from bot.settings import HousekeepingSettings
from handlers import housekeeping
from storage import audit
from storage.audit import Verified
from storage.records import RequestState
from tests.house import House, Story, open_house, reading


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    budget = BudgetSettings(name="Sales", amount=Decimal(100), currency="USD", team="C0OUTREACH")
    async with open_house(tmp_path, starts=False) as opened:
        await opened.starts(budgets=(budget,))
        yield opened


async def tidied(house: House) -> None:
    """The beat runs, until a round of it is over."""
    async with asyncio.timeout(60):
        while await house.inside.housekeeping.tidy() is not None:
            pass


def kinds(house: House, story: Story) -> list[str]:
    """The messages that are still known of a request."""
    return [
        kind for (kind,) in house.on_disk(f"SELECT kind FROM messages WHERE request_id = '{story.id}' ORDER BY seq")
    ]


async def test_a_purchase_of_long_ago(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its money, its audit and its story stay; that it was bought once is remembered for ever."""
    monkeypatch.setattr(housekeeping, "BREATH_SECONDS", 0)
    story = await house.asks(house.ana, "acme.com")
    as_it_was = story.card
    await house.omar.clicks(as_it_was, "approve")
    await house.runs_for(minutes=5)
    card, thread = reading(story.card.blocks), story.thread
    money = house.on_disk("SELECT * FROM budget_months"), house.on_disk("SELECT * FROM reservations")
    facts = house.on_disk("SELECT seq, hash FROM audit ORDER BY seq")
    kept = [house.on_disk(f"SELECT * FROM {table}") for table in ("requests", "votes", "intents", "subjects")]
    open_one = await house.asks(house.ana, "open.com")

    house.clock.advance(days=400)
    await tidied(house)

    assert kinds(house, story) == ["parent"]
    assert {"parent", "card", "note"} <= set(kinds(house, open_one))
    assert facts == house.on_disk("SELECT seq, hash FROM audit ORDER BY seq")[: len(facts)]
    with audit.opened(house.settings.database) as connection:
        assert isinstance(audit.verify(connection), Verified)
    assert money[1] == house.on_disk(f"SELECT * FROM reservations WHERE request_id = '{story.id}'")
    [(_, spent)] = house.on_disk("SELECT reserved, spent FROM budget_months")
    assert spent == 12_500_000
    for table, rows in zip(("requests", "votes", "intents", "subjects"), kept, strict=True):
        assert set(rows) <= set(house.on_disk(f"SELECT * FROM {table}")), table

    # In Slack nothing has changed, and whoever presses an old button is answered.
    assert (reading(story.card.blocks), story.thread) == (card, thread)
    await house.ana.types("/postroom history acme.com", channel="#outreach")
    await house.tick()
    assert story.id in house.privately(house.ana, "outreach")[-1]
    await house.finn.clicks(as_it_was, "approve")
    await house.tick()
    assert house.privately(house.finn, "#approvals")[-1].startswith("<@U0OMAR> has already approved this.")
    assert await story.state() is RequestState.SUCCEEDED
    assert house.bought == ["acme.com"]
    # Even if something put it back: its key is used up.
    [(key, account, fingerprint, at)] = house.on_disk("SELECT key, account, fingerprint, at FROM intents")
    with closing(sqlite3.connect(house.settings.database)) as outside, pytest.raises(sqlite3.IntegrityError):
        outside.execute("INSERT INTO intents VALUES (?, ?, ?, ?, ?)", [key, story.id, account, fingerprint, at])


async def test_as_long_as_the_settings_say_a_card_can_be_drawn_again(house: House) -> None:
    await house.restarts(housekeeping=HousekeepingSettings(messages_days=400))
    story = await house.approved(house.ana, "acme.com")
    await house.runs_for(minutes=5)
    house.clock.advance(days=399)
    await tidied(house)
    drawn = "SELECT sent FROM messages WHERE kind = 'card'"
    [(before,)] = house.on_disk(drawn)
    await house.inside.store.outbox.show_anew(story.id, house.clock.now())
    await house.tick()
    assert house.on_disk(drawn) == [(before + 1,)]
    assert "acme.com" in reading(story.card.blocks)

    house.clock.advance(days=2)
    await tidied(house)
    assert kinds(house, story) == ["parent"]


async def test_forms_that_nobody_sent_are_forgotten_by_the_beat_and_the_others_are_not(house: House) -> None:
    await house.form(house.ana, "/domain buy first.com")
    house.clock.advance(hours=23)
    await house.form(house.omar, "/domain buy second.com")
    house.clock.advance(hours=2)
    house.inside._set_beats()
    house.inside.beats.start()
    async with asyncio.timeout(30):
        while len(house.on_disk("SELECT id FROM requests")) > 1:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    await house.inside.beats.stop(5)
    assert house.on_disk("SELECT requester FROM requests") == [(house.omar.id,)]


class TestRounds:
    async def test_there_is_one_an_hour(self, house: House) -> None:
        await tidied(house)
        await house.form(house.ana, "/domain buy first.com")
        house.clock.advance(minutes=59)
        with closing(sqlite3.connect(house.settings.database)) as outside, outside:
            outside.execute("UPDATE requests SET updated_at = '2020'")
        await tidied(house)
        assert len(house.on_disk("SELECT id FROM requests")) == 1
        house.clock.advance(minutes=1)
        await tidied(house)
        assert house.on_disk("SELECT id FROM requests") == []

    async def test_a_clock_that_was_set_back_does_not_keep_it_from_working(self, house: House) -> None:
        await tidied(house)
        house.clock.advance(days=-30)
        await house.form(house.ana, "/domain buy first.com")
        house.clock.advance(days=2)
        await tidied(house)
        assert house.on_disk("SELECT id FROM requests") == []

    async def test_it_takes_few_bites_at_a_time_and_then_goes_on(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(housekeeping, "BITES_AT_ONCE", 2)
        again = await house.inside.housekeeping.tidy()
        assert again == house.clock.now()
        assert await house.inside.housekeeping.tidy() is not None
        assert await house.inside.housekeeping.tidy() is None

    async def test_what_breaks_is_taken_up_where_it_was(self, house: House) -> None:
        story = await house.approved(house.ana, "acme.com")
        await house.runs_for(minutes=5)
        house.clock.advance(days=100)
        with closing(sqlite3.connect(house.settings.database)) as outside:
            outside.execute("ALTER TABLE delegations RENAME TO gone")
        with pytest.raises(sqlite3.OperationalError, match="no such table: delegations"):
            await tidied(house)
        with closing(sqlite3.connect(house.settings.database)) as outside:
            outside.execute("ALTER TABLE gone RENAME TO delegations")
        await tidied(house)
        assert kinds(house, story) == ["parent"]
