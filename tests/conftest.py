"""What every scene begins with: a house that is open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A running Postroom with one Mailin account; Omar and Finn may approve, Ana may not."""
    async with open_house(tmp_path) as opened:
        yield opened
