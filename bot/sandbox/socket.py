"""Socket Mode: the WebSocket over which payloads reach a bot, and its acks come back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from bot.sandbox.faults import HANDSHAKE
from bot.sandbox.model import APP_ID
from bot.sandbox.workspace import Workspace

PATH = "/link"
SECONDS_UNTIL_REFRESH = 18_000
_GOING_AWAY = 1001
_REFUSED = 4001


def route(workspace: Workspace) -> WebSocketRoute:
    """The endpoint that the url of apps.connections.open points to. Each url is good for one handshake."""

    async def link(websocket: WebSocket) -> None:
        good = workspace.tickets.spend_socket(websocket.query_params.get("ticket", ""))
        fault = workspace.faults.take(HANDSHAKE)
        if fault is not None:
            await asyncio.sleep(fault.seconds)
            good = good and fault.kind == "slow"
        if not good:
            # Closing before accepting makes it an HTTP 403, like a handshake with a url that was used before.
            await websocket.close(_REFUSED)
            return
        await websocket.accept()
        await _talk(workspace, websocket)

    return WebSocketRoute(PATH, link)


def url(workspace: Workspace) -> str:
    """A fresh url for one connection."""
    host = workspace.base_url.removeprefix("http://")
    return f"ws://{host}{PATH}?ticket={workspace.tickets.issue_socket()}&app_id={APP_ID}"


class SocketConnection:
    """One connected bot, as the delivery sees it."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def send(self, envelope: dict[str, Any]) -> None:
        """Sends one envelope. Raises ConnectionError when the socket is gone."""
        try:
            await self._websocket.send_text(json.dumps(envelope))
        except (WebSocketDisconnect, RuntimeError) as gone:
            raise ConnectionError("the bot is gone") from gone

    async def close(self) -> None:
        """Cuts the socket without a goodbye."""
        self._websocket.state.cut()


async def _talk(workspace: Workspace, websocket: WebSocket) -> None:
    connection = SocketConnection(websocket)
    try:
        workspace.delivery.joined(connection)
    except ConnectionRefusedError as refused:
        await connection.send({"type": "disconnect", "reason": str(refused), "debug_info": {"host": "sandbox"}})
        await websocket.close(_GOING_AWAY)
        return
    try:
        await connection.send(_hello(workspace.delivery.connections))
        async for raw in websocket.iter_text():
            _take(workspace, raw)
    except (ConnectionError, WebSocketDisconnect):
        pass
    finally:
        workspace.delivery.left(connection)


def _take(workspace: Workspace, raw: str) -> None:
    try:
        ack = json.loads(raw)
    except ValueError:
        return
    if isinstance(ack, dict) and "envelope_id" in ack:
        payload = ack.get("payload")
        workspace.delivery.acked(str(ack["envelope_id"]), payload if isinstance(payload, dict) else None)


def _hello(connections: int) -> dict[str, Any]:
    return {
        "type": "hello",
        "num_connections": connections,
        "connection_info": {"app_id": APP_ID},
        "debug_info": {
            "host": "sandbox",
            "build_number": 1,
            "approximate_connection_time": SECONDS_UNTIL_REFRESH,
        },
    }
