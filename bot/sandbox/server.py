"""The workspace on the network: one Starlette app, served by uvicorn inside the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from bot.sandbox import api, uploads
from bot.sandbox import socket as socket_mode
from bot.sandbox.workspace import Workspace

FAREWELL = 0.5
"""Seconds that requests under way get to end when the server stops."""


@dataclass(frozen=True, slots=True)
class Running:
    """A served workspace.

    url: `http://127.0.0.1:PORT`; api_url: what goes into `AsyncWebClient(base_url=…)`, with its trailing slash.
    """

    workspace: Workspace
    url: str
    api_url: str


def create_app(workspace: Workspace, *, more_routes: Sequence[BaseRoute] = ()) -> Starlette:
    """The Web API under /api/, response_urls under /response/, Socket Mode under /link, files, then `more_routes`."""
    own = [*api.routes(workspace), socket_mode.route(workspace), *uploads.routes(workspace)]
    return Starlette(routes=[*own, *more_routes])


@contextlib.asynccontextmanager
async def serve(
    workspace: Workspace,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    app: Starlette | None = None,
) -> AsyncIterator[Running]:
    """Serves the workspace until the block is left. Port 0 takes a free one. Signal handlers stay untouched.

    Stopping is abrupt: sockets are closed and connections cut, as a bot would see Slack vanish. Raises OSError when the
    port is taken.
    """
    server = uvicorn.Server(_config(app or create_app(workspace)))
    server.lifespan = server.config.lifespan_class(server.config)
    listening = _listen(host, port)
    try:
        await server.startup(sockets=[listening])
    except BaseException:
        listening.close()
        raise
    url = f"http://{host}:{listening.getsockname()[1]}"
    workspace.base_url = url
    try:
        yield Running(workspace, url, f"{url}/api/")
    finally:
        await _stop(server, workspace)


class _CuttableProtocol(H11Protocol):
    """HTTP that a handler can cut off in the middle: `request.state.cut()`."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, "cut": self._cut}, _loop)

    def _cut(self) -> None:
        self.transport.abort()


def _config(app: Starlette) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=_CuttableProtocol,
        ws="websockets-sansio",
        lifespan="off",
        log_config=None,
        access_log=False,
        # Longer than any client keeps an idle connection, so that none is closed under a request just being sent.
        timeout_keep_alive=75,
    )
    config.load()
    return config


def _listen(host: str, port: int) -> socket.socket:
    # Said to be TCP outright: asyncio switches Nagle's algorithm off, at 40 ms an answer, only where it is told so.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # A port that a demo has just left must be free for the next one.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening


async def _stop(server: uvicorn.Server, workspace: Workspace) -> None:
    for listener in server.servers:
        listener.close()
    await workspace.delivery.drop()
    await workspace.delivery.aclose()
    tasks = set(server.server_state.tasks)
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=FAREWELL)
        for task in late:
            task.cancel()
    for connection in tuple(server.server_state.connections):
        connection.transport.abort()
    # One turn of the loop lets the transports close for good.
    await asyncio.sleep(0)
