"""The page over a local workspace: a team chat to try the bot in, without an account anywhere.

Who somebody is stands in the address (`/?as=U0ANA&in=C0OUTREACH`), so two windows are two people. There is no login:
the page answers only on this machine's own host names, and takes changes only from itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.sandbox.deeds import DEEDS, Refused
from bot.sandbox.model import Change
from bot.sandbox.screen import HERE, HOME, Region, Screens, SlashCommand, Window
from bot.sandbox.workspace import Feed, Workspace

HEARTBEAT = 15.0
"""Seconds of silence after which a stream says that it is still there."""
GATHERING = 0.02
"""Seconds that changes are collected for, so that a modal is rendered once and not for each of its fields."""
RECONNECT = 1_000
"""Milliseconds after which a browser asks for a lost stream again."""

OWN_HEADER = "x-postroom-page"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_STATIC = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}

__all__ = ["SlashCommand", "routes"]


def routes(workspace: Workspace, *, commands: Sequence[SlashCommand] = ()) -> list[BaseRoute]:
    """The routes of the page, for `server.create_app(workspace, more_routes=…)`.

    commands: what the composer offers after a slash; without any, the names of the app's commands.
    """
    screens = Screens(workspace, commands)

    async def show(request: Request) -> Response:
        window = _window(screens, request)
        if f"/?{request.url.query}" != window.url:
            return RedirectResponse(window.url, status_code=307)
        screens.read(window)
        return HTMLResponse(screens.page(window))

    async def events(request: Request) -> Response:
        return _Stream(_events(screens, _window(screens, request)), media_type="text/event-stream")

    async def do(request: Request) -> Response:
        deed = DEEDS.get(request.path_params["deed"])
        if deed is None:
            return _trouble(404, "There is no such deed.")
        try:
            body = json.loads(await request.body())
            person = workspace.person(str(body["as"]))
            return JSONResponse({"ok": True, **await deed(person, body)})
        except (ValueError, TypeError, KeyError):
            return _trouble(400, "That request was not understood.")
        except (Refused, PermissionError) as refused:
            return _trouble(409, str(refused))

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _STATIC:
            return PlainTextResponse("Not found", status_code=404)
        return FileResponse(HERE / "static" / name, media_type=_STATIC[name])

    def route(path: str, endpoint: Callable[[Request], Awaitable[Response]], method: str = "GET") -> Route:
        return Route(path, endpoint, methods=[method], middleware=[Middleware(_Guard)])

    return [
        route("/", show),
        route("/events", events),
        route("/do/{deed}", do, "POST"),
        route("/static/{name}", static),
    ]


def _window(screens: Screens, request: Request) -> Window:
    query = request.query_params
    return screens.window(query.get("as"), query.get("in"), query.get("thread"))


def _trouble(status: int, words: str) -> JSONResponse:
    return JSONResponse({"ok": False, "trouble": words}, status_code=status)


# who may ask


class _Guard:
    """Lets requests through that were meant for this machine, and changes that come from the page itself.

    A foreign page can make a browser send requests here, also under a host name of its own that it points at this
    machine. It can neither send them with our header nor read what we answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Checks Host, and for changes also Origin and our own header, then adds the protective headers."""
        request = Request(scope)
        if refused := _refusal(request):
            await PlainTextResponse(refused, status_code=403, headers=_HEADERS)(scope, receive, send)
            return

        async def send_guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message["headers"] = [*message.get("headers", ()), *extra]
            await send(message)

        await self._app(scope, receive, send_guarded)


def _refusal(request: Request) -> str | None:
    host = request.headers.get("host", "")
    with contextlib.suppress(ValueError):
        if urlsplit(f"//{host}").hostname in LOOPBACK:
            return _foreign(request, host)
    return "The local workspace answers on 127.0.0.1 and localhost only."


def _foreign(request: Request, host: str) -> str | None:
    if request.method in {"GET", "HEAD"}:
        return None
    origin = request.headers.get("origin")
    if origin is not None and origin != f"{request.url.scheme}://{host}":
        return "The local workspace takes changes from its own page only."
    if OWN_HEADER not in request.headers or request.headers.get("content-type") != "application/json":
        return "The local workspace takes changes from its own page only."
    return None


# what changes while a window is open


class _Stream(StreamingResponse):
    """A stream that never ends by itself: it ends properly when the server does."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Streams until the browser goes, or until the server stops and cancels whatever is still running."""
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _events(screens: Screens, window: Window) -> AsyncIterator[str]:
    yield f"retry: {RECONNECT}\n\n"
    with screens.workspace.subscribe() as feed:
        # Whoever connects, also after a gap, first gets everything as it is now.
        yield _all_regions(screens, window)
        async for changes in _batches(feed):
            if not changes:
                yield ": still here\n\n"
            for event in _told(screens, window, changes):
                yield event


async def _batches(feed: Feed) -> AsyncIterator[list[Change]]:
    """Changes that come close together, in order; nothing when there were none for a while."""
    following: asyncio.Task[Change] = asyncio.ensure_future(_next(feed))
    try:
        while True:
            changes: list[Change] = []
            patience = HEARTBEAT
            while (await asyncio.wait({following}, timeout=patience))[0]:
                changes.append(following.result())
                following = asyncio.ensure_future(_next(feed))
                patience = GATHERING
            yield changes
    except StopAsyncIteration:
        return
    finally:
        following.cancel()


async def _next(feed: Feed) -> Change:
    return await anext(feed)


def _all_regions(screens: Screens, window: Window) -> str:
    screens.read(window)
    names: tuple[Region, ...] = ("sidebar", "banner", "place", "thread", "modal")
    return _event("regions", {name: screens.region(name, window) for name in names})


def _told(screens: Screens, window: Window, changes: Sequence[Change]) -> Iterator[str]:
    """The events for one window: nothing that only somebody else may see."""
    seen = [change for change in changes if change.user in {None, window.viewer.id}]
    own_places = {channel.id for channel in screens.places(window.viewer)}
    messages = [one for one in seen if one.ts is not None and one.channel in own_places]
    here = [one for one in messages if one.channel == window.place]
    stale: dict[Region, None] = {}
    if len(here) < len(messages):
        stale["sidebar"] = None
    for ts in dict.fromkeys(one.ts or "" for one in here):
        yield from _message_told(screens, window, ts)
    if here:
        screens.read(window)
        if window.thread:
            stale["thread"] = None
    for one in seen:
        if one.kind == "notice":
            yield _event("notice", {"text": one.text})
        stale |= dict.fromkeys(_stale(screens, window, one))
    if stale:
        yield _event("regions", {name: screens.region(name, window) for name in stale})


def _message_told(screens: Screens, window: Window, ts: str) -> Iterator[str]:
    message = screens.workspace.message(window.place, ts)
    if message is None:
        yield _event("removed", {"ts": ts})
    touched = [message] if message else []
    if message and message.is_reply and message.thread_ts:
        root = screens.workspace.message(window.place, message.thread_ts)
        touched += [root] if root else []
    # What stands below may have to name its author again, or no longer.
    if below := screens.after(window, ts):
        touched.append(below)
    for one in touched:
        if html := screens.entry(window, one):
            yield _event("message", {"ts": one.ts, "html": html})


def _stale(screens: Screens, window: Window, change: Change) -> tuple[Region, ...]:
    match change.kind:
        case "view_opened" | "view_updated" | "view_closed":
            home = screens.workspace.views.home(window.viewer.id)
            return ("place",) if home and home.id == change.view_id and window.place == HOME else ("modal",)
        case "home_published":
            return ("place",) if window.place == HOME else ()
        case "people_changed":
            return ("sidebar", "banner", "place")
        case "bot_connected" | "bot_disconnected":
            return ("sidebar", "banner")
        case _:
            return ()


def _event(name: str, data: Mapping[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
