"""What every scene begins with: a house that is open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.house import House, open_house


@pytest.fixture(autouse=True, scope="session")
def _no_logger_is_kept() -> Iterator[None]:
    """A logger that is kept would go on for all other tests as the first one had set it up."""
    configure = structlog.configure

    def configure_anew(**given: Any) -> None:
        configure(**given | {"cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(structlog, "configure", configure_anew)
        yield


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A running Postroom with one Mailin account; Omar and Finn may approve, Ana may not."""
    async with open_house(tmp_path) as opened:
        yield opened
