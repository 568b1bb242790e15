"""What nobody sees, and what turns the order of what people read, comes in by no way: nobody decides about a mirage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import openpyxl
import pytest

from tests.house import House, open_house, reading

TURNED = "\u202e"
"""From here on right to left."""
HIDDEN = "\x07"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, accounts=("mailin-main", "instantly-main")) as house:
        yield house


async def test_words_after_a_command(house: House) -> None:
    form = await house.form(house.ana, f"/campaign create Spring{TURNED} sale{HIDDEN}")

    assert form.values["name"] == "Spring sale"


async def test_what_is_typed_into_forms(house: House) -> None:
    form = await house.form(house.ana, "/campaign create")
    await house.ana.fills(form, name=f"Spring{TURNED} sale{HIDDEN}")
    await house.ana.submits(form)
    assert "Spring sale" in (await house.story_of(house.ana)).thread[-1]

    story = await house.asks(house.ana, "acme.com", reason=f"Harmless.{TURNED}.ssenisub rof")
    assert "Harmless..ssenisub rof" in reading(story.card.blocks)
    await house.omar.clicks(story.card, "deny")
    why = await house.omar.sees_modal("deny")
    await house.omar.fills(why, reason=f"No{TURNED}pe")
    await house.omar.submits(why)
    await house.tick()
    assert any("Nope" in said for said in story.thread)

    assert TURNED not in house.everything_shown()
    assert HIDDEN not in house.everything_shown()


async def test_names_in_a_file(house: House, tmp_path: Path) -> None:
    house.mailin.own("acme.com")
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Mail", "Name"])
    sheet.append(["ana@acme.com", f"Ana{TURNED} Ruiz"])
    book.save(tmp_path / "team.xlsx")
    form = await house.form(house.ana, "/mailbox create")
    await house.ana.fills(form, reason="Two more")
    await house.ana.attaches(form, "mailboxes.file", ("team.xlsx", (tmp_path / "team.xlsx").read_bytes()))
    await house.ana.submits(form)
    await house.ana.submits(await house.ana.sees_modal("review"))
    story = await house.story_of(house.ana)
    await house.omar.clicks(story.card, "approve")
    await house.tick()

    [box] = house.mailin.mailboxes.values()
    assert box.name == "Ana Ruiz"
