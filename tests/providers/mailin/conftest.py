"""A Mailin that listens on a real port, and accounts opened at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from providers.mailin.client import MailinClient, MailinSettings, connect
from providers.mailin.sandbox import SANDBOX_EMAIL, SANDBOX_PASSWORD, MailinSandbox, Running, serve


@pytest.fixture
def sandbox(clock: Any) -> MailinSandbox:
    return MailinSandbox(clock)


@pytest.fixture
async def running(sandbox: MailinSandbox) -> AsyncIterator[Running]:
    async with serve(sandbox) as running:
        yield running


@pytest.fixture
async def open_account(running: Running, clock: Any) -> AsyncIterator[Callable[..., MailinClient]]:
    opened: list[MailinClient] = []

    def open_account(**changed: Any) -> MailinClient:
        settings: dict[str, Any] = {
            "provider": "mailin",
            "base_url": running.url,
            "email": SANDBOX_EMAIL,
            "password": SANDBOX_PASSWORD,
            "min_seconds_between_calls": 0,
            "min_seconds_between_writes": 0,
            "timeout_seconds": 5,
        }
        opened.append(connect("main", MailinSettings(**(settings | changed)), clock, sleep=clock.sleep))
        return opened[-1]

    yield open_account
    for client in opened:
        await client.aclose()


@pytest.fixture
def mailin(open_account: Callable[..., MailinClient]) -> MailinClient:
    return open_account()
