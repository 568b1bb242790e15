"""The world outside, in a process of its own: a Slack Web API that takes everything, and the provider's sandbox.

Slack here answers at once and limits no rate, so whatever the house owes is posted as fast as the house can: more work
beside the measured requests than the real Slack, at about one message a second and channel, would ever allow.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import uvicorn

from providers.mailin.sandbox import MailinSandbox, serve
from tests.bench.world import TEAM

_Scope = dict[str, Any]
_Send = Callable[[dict[str, Any]], Awaitable[None]]
_Receive = Callable[[], Awaitable[dict[str, Any]]]


class _Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Slack:
    """The Web API methods that the house calls, as a bare ASGI app, and `/seen`: what was called, and when."""

    def __init__(self) -> None:
        self._ts = itertools.count(1)
        self._opened: dict[str, float] = {}
        self._messages = 0
        self._last_message_at = 0.0

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        body = b""
        more = True
        while more:
            part = await receive()
            body += part.get("body", b"")
            more = part.get("more_body", False)
        method = str(scope["path"]).rpartition("/")[2]
        answer = json.dumps(self._seen(body) if method == "seen" else self._answer(method, body)).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": answer})

    def _answer(self, method: str, body: bytes) -> dict[str, Any]:
        match method:
            case "auth.test":
                return {
                    "ok": True, "url": "https://acme.slack.test/", "team": "Acme", "user": "postroom", "team_id": TEAM,
                    "user_id": "U0POSTROOM", "bot_id": "B0POSTROOM",
                }  # fmt: skip
            case "views.open":
                self._opened[json.loads(body)["trigger_id"]] = time.monotonic()
                return {"ok": True, "view": {"id": "V0BENCH"}}
            case "chat.postMessage" | "chat.update":
                said = json.loads(body)
                self._messages += 1
                self._last_message_at = time.monotonic()
                ts = said.get("ts") or f"1750000000.{next(self._ts):06d}"
                return {"ok": True, "channel": said["channel"], "ts": ts}
            case "users.info":
                who = parse_qs(body.decode()).get("user", [""])[0]
                return {"ok": True, "user": {"id": who, "team_id": TEAM, "real_name": who, "tz": "Europe/Berlin"}}
            case _:
                return {"ok": True}

    def _seen(self, body: bytes) -> dict[str, Any]:
        opened, self._opened = self._opened, {}
        return {"opened": opened, "messages": self._messages, "last_message_at": self._last_message_at}


async def _run() -> None:
    config = uvicorn.Config(Slack(), port=0, log_config=None, access_log=False, lifespan="off")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    async with serve(MailinSandbox(_Clock(), job_seconds=30)) as mailin:
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]
        print(json.dumps({"slack": f"http://127.0.0.1:{port}/api/", "port": port, "mailin": mailin.url}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run())
