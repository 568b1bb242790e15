"""An Instantly that listens on a real port, and accounts opened at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from providers.instantly.client import InstantlyClient, InstantlySettings, connect
from providers.instantly.sandbox import (
    SANDBOX_ORGANIZATION_ID,
    SANDBOX_ORGANIZATION_TOKEN,
    SANDBOX_SESSION,
    SANDBOX_USER_ID,
    SANDBOX_WORKSPACE_ID,
    InstantlySandbox,
    Running,
    serve,
)


@pytest.fixture
def sandbox(clock: Any) -> InstantlySandbox:
    return InstantlySandbox(clock)


@pytest.fixture
async def running(sandbox: InstantlySandbox) -> AsyncIterator[Running]:
    async with serve(sandbox) as running:
        yield running


@pytest.fixture
async def open_account(running: Running, clock: Any) -> AsyncIterator[Callable[..., InstantlyClient]]:
    opened: list[InstantlyClient] = []

    def open_account(**changed: Any) -> InstantlyClient:
        settings: dict[str, Any] = {
            "provider": "instantly",
            "base_url": running.url,
            "session": SANDBOX_SESSION,
            "organization_token": SANDBOX_ORGANIZATION_TOKEN,
            "organization_id": SANDBOX_ORGANIZATION_ID,
            "workspace_id": SANDBOX_WORKSPACE_ID,
            "user_id": SANDBOX_USER_ID,
            "min_seconds_between_calls": 0,
            "timeout_seconds": 5,
        }
        opened.append(connect("main", InstantlySettings(**(settings | changed)), clock, sleep=clock.sleep))
        return opened[-1]

    yield open_account
    for client in opened:
        await client.aclose()


@pytest.fixture
def instantly(open_account: Callable[..., InstantlyClient]) -> InstantlyClient:
    return open_account()
