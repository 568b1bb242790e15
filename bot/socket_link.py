"""Socket Mode, supervised: the SDK's aiohttp client can wedge on a used-up address, and a deaf socket must be seen."""

from __future__ import annotations

import time
from datetime import datetime

import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.web.async_client import AsyncWebClient

log = structlog.get_logger(__name__)

PING_SECONDS = 5.0
"""How often the connection is pinged; also how long the SDK waits before it tries to connect again."""


class SocketLink:
    """The connection through which Slack talks to us."""

    def __init__(self, app: AsyncApp, app_token: str, client: AsyncWebClient) -> None:
        self._handler = AsyncSocketModeHandler(app, app_token, web_client=client, ping_interval=PING_SECONDS)

    async def connect(self) -> None:
        """Connect; returns when connected. Goes on trying while Slack is away."""
        await self._client.connect()  # type: ignore[no-untyped-call]

    async def supervise(self) -> datetime | None:
        """A beat: free a client that retries an address Slack accepts only once."""
        client = self._client
        if not await client.is_connected() and client.wss_uri is not None:
            # One failed handshake leaves the used address in place, and it would be tried for ever.
            log.warning("socket_deaf", cure="asking Slack for a fresh address")
            client.wss_uri = None
        return None

    async def is_connected(self) -> bool:
        """Whether Slack can reach us at this moment."""
        return await self._client.is_connected()

    def silent_for(self) -> float | None:
        """Seconds since Slack last answered a ping; None where it has not been pinged yet."""
        heard = self._client.last_ping_pong_time
        return None if heard is None else max(0.0, time.time() - heard)

    async def close(self) -> None:
        """Hang up; Slack sends what comes now to another connection, or tells the person that nobody is there."""
        await self._client.close()  # type: ignore[no-untyped-call]

    @property
    def _client(self) -> SocketModeClient:
        return self._handler.client
