"""What the process serves over HTTP: Slack's requests in HTTP mode, and its own health in either mode."""

from __future__ import annotations

import binascii
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import structlog
from pydantic_core import from_json
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.signature import SignatureVerifier
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

log = structlog.get_logger(__name__)

Health = Callable[[], Awaitable[Mapping[str, str]]]
"""What is wrong, by name; empty when all is well."""

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Web = Callable[[Any, Receive, Send], Awaitable[None]]
"""An ASGI application."""
Page = Callable[[], Awaitable[tuple[bytes, str]]]
"""A page and its content type."""
Answer = Callable[[dict[str, Any]], Awaitable[BoltResponse | None]]
"""What to answer to what Slack sent; None for what only Bolt knows."""

EVENTS_PATH = "/slack/events"
LARGEST_BODY = 2**20
"""Bytes of one request from Slack; a view with its state is at most a quarter of this."""


def create_web(health: Health, metrics: Page, events: Web | None = None) -> Web:
    """`/healthz` (the process runs), `/readyz` (it can do its work; 503 and why when not), `/metrics` (for Prometheus),
    and with `events` the path `/slack/events`."""

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        wrong = await health()
        return JSONResponse({"ready": not wrong, "wrong": dict(wrong)}, status_code=503 if wrong else 200)

    async def figures(request: Request) -> Response:
        page, content_type = await metrics()
        return Response(page, headers={"content-type": content_type})

    pages = Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", figures)])
    if events is None:
        return pages

    async def web(scope: Any, receive: Receive, send: Send) -> None:
        # Slack's requests pass by the router and its middleware: that would be a quarter of what a click costs.
        if scope["type"] == "http" and scope["path"] == EVENTS_PATH:
            await events(scope, receive, send)
        else:
            await pages(scope, receive, send)

    return web


class SlackEvents:
    """The path that Slack posts to, as an ASGI application.

    The signature is verified here, over the bytes as they came; what is not from Slack is not even parsed. What was
    read is asked of `answer` at once, and of Bolt only what that does not know: Bolt's own way of decoding the JSON of
    a click takes ten times as long, and it builds a client and a context for every request.
    """

    def __init__(self, answer: Answer, slack: AsyncApp, signing_secret: str) -> None:
        self._known = answer
        self._slack = slack
        self._verifier = SignatureVerifier(signing_secret)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """One request of Slack."""
        if scope["method"] != "POST":
            await _respond(send, BoltResponse(status=405, headers={"allow": "POST"}))
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        await _respond(send, await self._answer(headers, receive))

    async def _answer(self, headers: Mapping[bytes, str], receive: Receive) -> BoltResponse:
        length = headers.get(b"content-length", "")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            # Before the signature can be checked the body has to be read, so nobody may send more than Slack would.
            return BoltResponse(status=413, body="too large, or of unknown length\n")
        body = await _body(receive)
        if body is None:
            return BoltResponse(status=400, body="cut short\n")
        if not self._is_from_slack(body, headers):
            log.warning("request_refused", why="signature or age")
            return BoltResponse(status=401, body={"error": "invalid request"})
        try:
            given = _read(body)
        except ValueError:
            log.warning("request_refused", why="unreadable")
            return BoltResponse(status=400, body={"error": "unreadable request"})
        # Bolt's other "mode" is how it takes a body that has been read already.
        return await self._known(given) or await self._slack.async_dispatch(
            AsyncBoltRequest(body=given, mode="socket_mode")
        )

    def _is_from_slack(self, body: bytes, headers: Mapping[bytes, str]) -> bool:
        at, signature = headers.get(b"x-slack-request-timestamp"), headers.get(b"x-slack-signature")
        try:
            return self._verifier.is_valid(body, at, signature)
        except (ValueError, TypeError):  # a time that is no number, a body or a signature that is no text
            return False


def _read(body: bytes) -> dict[str, Any]:
    """What Slack sent: an event's JSON, a form with JSON in its `payload`, or a slash command's form. Raises ValueError
    when it is none of these."""
    if body.startswith(b"{"):
        given = from_json(body)
    elif body.startswith(b"payload="):
        given = from_json(decoded(body.removeprefix(b"payload=").partition(b"&")[0]))
    else:
        given = dict(parse_qsl(body.decode(), keep_blank_values=True))
    if not isinstance(given, dict):
        raise ValueError("not an object")
    return given


def decoded(value: bytes) -> bytes:
    """A value of a posted form, decoded.

    Percent-encoding is quoted-printable with another sign, and Python has the latter in C: nearly all of a click's JSON
    is encoded, and `urllib` takes thirty times as long over its several kilobytes.
    """
    return binascii.a2b_qp(value.replace(b"+", b" ").replace(b"=", b"=3D").replace(b"%", b"="))


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when the caller went away."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _respond(send: Send, answer: BoltResponse) -> None:
    body = answer.body.encode()
    headers = [(b"content-length", str(len(body)).encode())]
    headers += [
        (name.encode(), value.encode())
        for name, values in answer.headers.items()
        for value in values
        if name != "content-length"
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
