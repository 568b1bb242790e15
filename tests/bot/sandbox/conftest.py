"""A workspace on the network and a real Bolt app that talks to it, in each of the three ways an app can."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import uvicorn
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler as AiohttpHandler
from slack_bolt.adapter.socket_mode.websockets import AsyncSocketModeHandler as WebsocketsHandler
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.sandbox.model import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET
from bot.sandbox.people import Person
from bot.sandbox.server import Running, serve
from bot.sandbox.workspace import Workspace, default_workspace


class HandClock:
    """A clock that only moves when told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def workspace(clock: HandClock) -> Workspace:
    return default_workspace(clock=clock)


@pytest.fixture
async def running(workspace: Workspace) -> AsyncIterator[Running]:
    async with serve(workspace) as served:
        yield served


@pytest.fixture
def ana(workspace: Workspace) -> Person:
    return workspace.person("ana")


@pytest.fixture
def omar(workspace: Workspace) -> Person:
    return workspace.person("omar")


@pytest.fixture
def client(running: Running) -> AsyncWebClient:
    return AsyncWebClient(BOT_TOKEN, base_url=running.api_url, retry_handlers=[])


@pytest.fixture
def new_app(running: Running) -> Callable[[], AsyncApp]:
    def build() -> AsyncApp:
        client = AsyncWebClient(BOT_TOKEN, base_url=running.api_url, retry_handlers=[])
        return AsyncApp(client=client, signing_secret=SIGNING_SECRET, process_before_response=True)

    return build


@contextlib.asynccontextmanager
async def over_socket(app: AsyncApp, workspace: Workspace, handler: Any = AiohttpHandler) -> AsyncIterator[Any]:
    connected = handler(app, APP_TOKEN, ping_interval=0.05)
    await connected.connect_async()
    await workspace.wait_for_bot()
    try:
        yield connected
    finally:
        await connected.close_async()


@contextlib.asynccontextmanager
async def over_http(app: AsyncApp, workspace: Workspace) -> AsyncIterator[None]:
    handler = AsyncSlackRequestHandler(app)

    async def endpoint(request: Request) -> Response:
        return await handler.handle(request)

    routes = [Route("/slack/events", endpoint, methods=["POST"])]
    config = uvicorn.Config(Starlette(routes=routes), lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    listening = socket.create_server(("127.0.0.1", 0))
    await server.startup(sockets=[listening])
    workspace.app.request_url = f"http://127.0.0.1:{listening.getsockname()[1]}/slack/events"
    try:
        yield
    finally:
        for one in server.servers:
            one.close()
        for connection in tuple(server.server_state.connections):
            connection.transport.abort()


@pytest.fixture
async def bot(new_app: Callable[[], AsyncApp], workspace: Workspace) -> AsyncIterator[AsyncApp]:
    """A connected bot without listeners yet."""
    app = new_app()
    async with over_socket(app, workspace):
        yield app


@pytest.fixture
def connect(workspace: Workspace) -> Callable[..., contextlib.AbstractAsyncContextManager[Any]]:
    """`async with connect(app)` connects one more bot over Socket Mode."""

    def connecting(app: AsyncApp, kind: str = "aiohttp") -> contextlib.AbstractAsyncContextManager[Any]:
        return over_socket(app, workspace, {"aiohttp": AiohttpHandler, "websockets": WebsocketsHandler}[kind])

    return connecting


@pytest.fixture(params=["aiohttp", "websockets", "http"])
async def any_bot(
    request: pytest.FixtureRequest, new_app: Callable[[], AsyncApp], workspace: Workspace
) -> AsyncIterator[AsyncApp]:
    """The same scene in every way an app can be connected."""
    app = new_app()
    ways = {
        "aiohttp": lambda: over_socket(app, workspace),
        "websockets": lambda: over_socket(app, workspace, WebsocketsHandler),
        "http": lambda: over_http(app, workspace),
    }
    async with ways[request.param]():
        yield app


@pytest.fixture
async def http_bot(new_app: Callable[[], AsyncApp], workspace: Workspace) -> AsyncIterator[AsyncApp]:
    """A bot that is reached over HTTP."""
    app = new_app()
    async with over_http(app, workspace):
        yield app


@pytest.fixture
def view() -> Callable[..., dict[str, Any]]:
    """Builds a modal: `view("Buy", blocks, callback_id=…)`."""

    def build(title: str, blocks: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
        frame = {"type": "modal", "title": plain(title), "submit": plain("Send"), "callback_id": title.lower()}
        return {**frame, "blocks": blocks, **fields}

    return build


@pytest.fixture
def text_input() -> Callable[..., dict[str, Any]]:
    """Builds an input block with a text element: `text_input("domains", multiline=True)`."""

    def build(block_id: str, *, optional: bool = False, **element: Any) -> dict[str, Any]:
        field = {"type": "plain_text_input", "action_id": "value", **element}
        return {
            "type": "input",
            "block_id": block_id,
            "label": plain(block_id),
            "element": field,
            "optional": optional,
        }

    return build


def plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}
