"""Time that passes only when somebody waits, and a log to look into."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog


class FakeClock:
    """A clock that stands still, except while somebody sleeps by it: then it jumps."""

    def __init__(self) -> None:
        self._now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.advance(seconds)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """What Postroom itself logged, an entry a line."""
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.fixture
def everything_logged(logged: list[MutableMapping[str, Any]]) -> Iterator[io.StringIO]:
    """All that anybody logs, libraries included, at the most talkative level. Read it at the end."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    original = text.getvalue
    text.getvalue = lambda: original() + repr(logged)  # type: ignore[method-assign]
    yield text
    root.removeHandler(handler)
    root.setLevel(level)
