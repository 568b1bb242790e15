"""A Smailor that listens on a real port, and accounts opened at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from providers.smailor.client import SmailorClient, SmailorSettings, connect
from providers.smailor.sandbox import SANDBOX_COOKIE, SANDBOX_KEY, Running, SmailorSandbox, serve


@pytest.fixture
def sandbox(clock: Any) -> SmailorSandbox:
    return SmailorSandbox(clock)


@pytest.fixture
async def running(sandbox: SmailorSandbox) -> AsyncIterator[Running]:
    async with serve(sandbox) as running:
        yield running


@pytest.fixture
async def open_account(running: Running, clock: Any) -> AsyncIterator[Callable[..., SmailorClient]]:
    opened: list[SmailorClient] = []

    def open_account(**changed: Any) -> SmailorClient:
        settings: dict[str, Any] = {
            "provider": "smailor",
            "base_url": running.url,
            "api_key": SANDBOX_KEY,
            "session_cookie": SANDBOX_COOKIE,
            "min_seconds_between_calls": 0,
            "timeout_seconds": 5,
        }
        opened.append(connect("main", SmailorSettings(**(settings | changed)), clock, sleep=clock.sleep))
        return opened[-1]

    yield open_account
    for client in opened:
        await client.aclose()


@pytest.fixture
def smailor(open_account: Callable[..., SmailorClient]) -> SmailorClient:
    return open_account()
