"""What the process serves over HTTP: Slack's requests in HTTP mode, and its own health in either mode."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.app.async_app import AsyncApp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

Health = Callable[[], Awaitable[Mapping[str, str]]]
"""What is wrong, by name; empty when all is well."""


LARGEST_BODY = 2**20
"""Bytes of one request from Slack; a view with its state is at most a quarter of this."""


def create_web(health: Health, slack: AsyncApp | None = None) -> Starlette:
    """`/healthz` (the process runs), `/readyz` (it can do its work; 503 and why when not), and with `slack` the path
    `/slack/events`, where Bolt verifies signature and age of every request."""

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        wrong = await health()
        return JSONResponse({"ready": not wrong, "wrong": dict(wrong)}, status_code=503 if wrong else 200)

    routes: list[BaseRoute] = [Route("/healthz", healthz), Route("/readyz", readyz)]
    if slack is not None:
        handler = AsyncSlackRequestHandler(slack)

        async def events(request: Request) -> Response:
            # Before the signature can be checked the body has to be read, so nobody may send more than Slack would.
            length = request.headers.get("content-length", "")
            if not length.isdecimal() or int(length) > LARGEST_BODY:
                return PlainTextResponse("too large, or of unknown length\n", status_code=413)
            return await handler.handle(request)

        routes.append(Route("/slack/events", events, methods=["POST"]))
    return Starlette(routes=routes)
