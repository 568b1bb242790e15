"""What the scenes about money begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

pytest.register_assert_rewrite("tests.handlers.money_stage")

from tests.handlers.money_stage import Core  # noqa: E402


@pytest.fixture
async def core() -> AsyncIterator[Core]:
    """A process over a new file; Omar, Finn and Olga decide, and everybody has USD 500 a month."""
    opened = Core()
    yield opened
    opened.closes()
