"""A ScaledMail that listens on a real port, and accounts opened at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from providers.scaledmail.client import Paces, ScaledMailClient, ScaledMailSettings, connect
from providers.scaledmail.sandbox import SANDBOX_KEY, SANDBOX_ORGANIZATION, Running, ScaledMailSandbox, serve


@pytest.fixture
def sandbox(clock: Any) -> ScaledMailSandbox:
    return ScaledMailSandbox(clock)


@pytest.fixture
async def running(sandbox: ScaledMailSandbox) -> AsyncIterator[Running]:
    async with serve(sandbox) as running:
        yield running


@pytest.fixture
async def open_account(running: Running, clock: Any) -> AsyncIterator[Callable[..., ScaledMailClient]]:
    opened: list[ScaledMailClient] = []

    def open_account(paces: Paces | None = None, **changed: Any) -> ScaledMailClient:
        settings: dict[str, Any] = {
            "provider": "scaledmail",
            "base_url": running.url,
            "api_key": SANDBOX_KEY,
            "organization_id": SANDBOX_ORGANIZATION,
            "min_seconds_between_calls": 0,
            "timeout_seconds": 5,
        }
        its = ScaledMailSettings(**(settings | changed))
        opened.append(connect("main", its, clock, sleep=clock.sleep, paces=paces))
        return opened[-1]

    yield open_account
    for client in opened:
        await client.aclose()


@pytest.fixture
def scaledmail(open_account: Callable[..., ScaledMailClient]) -> ScaledMailClient:
    return open_account()
