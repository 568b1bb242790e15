"""A MailAPI that listens on a real port, and accounts opened at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from providers.mailapi.client import MailApiClient, MailApiSettings, connect
from providers.mailapi.sandbox import SANDBOX_CALLER_ID, SANDBOX_KEY, MailApiSandbox, Running, serve


@pytest.fixture
def sandbox(clock: Any) -> MailApiSandbox:
    return MailApiSandbox(clock)


@pytest.fixture
async def running(sandbox: MailApiSandbox) -> AsyncIterator[Running]:
    async with serve(sandbox) as running:
        yield running


@pytest.fixture
async def open_account(running: Running, clock: Any) -> AsyncIterator[Callable[..., MailApiClient]]:
    opened: list[MailApiClient] = []

    def open_account(**changed: Any) -> MailApiClient:
        settings: dict[str, Any] = {
            "provider": "mailapi",
            "base_url": running.url,
            "key": SANDBOX_KEY,
            "caller_id": SANDBOX_CALLER_ID,
            "min_seconds_between_calls": 0,
            "timeout_seconds": 5,
        }
        opened.append(connect("main", MailApiSettings(**(settings | changed)), clock, sleep=clock.sleep))
        return opened[-1]

    yield open_account
    for client in opened:
        await client.aclose()


@pytest.fixture
def mailapi(open_account: Callable[..., MailApiClient]) -> MailApiClient:
    return open_account()
