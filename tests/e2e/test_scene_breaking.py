"""Postroom itself breaks over what a provider says: nobody is left with a window that says it goes on by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from providers.mailin.actions.domains import BuyDomains, ListDomains
from tests.house import House, open_house, reading


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """With two accounts, so that a question asks in its window which is meant."""
    async with open_house(tmp_path, accounts=("mailin-main", "mailin-spare")) as house:
        yield house


async def breaks(*_: Any) -> Any:
    raise ValueError("no such thing: S3CRET")


@pytest.mark.parametrize("where", ["check", "quote"])
async def test_a_check_that_breaks_gives_the_form_back(
    house: House, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    form = await house.form(house.ana, "/domain buy acme.com")
    await house.ana.fills(form, account="mailin-main", reason="For ACME", hosting="google")
    with monkeypatch.context() as broken:
        broken.setattr(BuyDomains, where, breaks)
        await house.ana.submits(form)
        await house.tick()

    form = await house.ana.sees_modal("form")
    assert form.reads("Something broke in Postroom while it was checking this. Nothing was asked.")
    assert (form.values["domains"], form.values["hosting"], form.values["reason"]) == ("acme.com", "google", "For ACME")
    assert "S3CRET" not in house.everything_shown()
    await house.ana.submits(form)
    await house.tick()
    assert "Buy acme.com (Google)" in reading((await house.ana.sees_modal("review")).blocks)


async def test_a_question_that_breaks_says_so_in_its_window(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    form = await house.form(house.ana, "/domain list")
    await house.ana.fills(form, account="mailin-main")
    monkeypatch.setattr(ListDomains, "run", breaks)
    await house.ana.submits(form)
    await house.tick()

    window = await house.ana.sees_modal()
    assert window.reads("Something broke in Postroom while it was asking for this, so nothing is shown. Try again")
    assert "S3CRET" not in house.everything_shown()


async def test_a_question_that_was_typed_and_breaks_is_answered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ListDomains, "run", breaks)
    await house.ana.types("/domain list mailin-main", channel="#outreach")
    await house.tick()

    [told] = house.privately(house.ana, "#outreach")
    assert told.startswith("Something broke in Postroom while it was asking for this, so nothing is shown. Try again")


async def test_a_last_look_that_breaks_ends_the_request(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left approved, its thread would say for ever that it is being sent."""
    story = await house.asks(house.ana, "acme.com", account="mailin-main")
    with monkeypatch.context() as broken:
        broken.setattr(BuyDomains, "quote", breaks)
        await house.omar.clicks(story.card, "approve")
        await house.tick()

    assert await story.state() == "failed"
    assert "Before this was sent, it was looked at once more. Postroom itself broke over that" in story.thread[-1]
    assert house.bought == []
