"""A provider that answers at once and always the same: Mailin's log-in and a page of its mailboxes, as a bare ASGI app
in a process of its own (`python -m tests.bench.canned`). It prints its address."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

TOKEN = "bench-token"
PER_PAGE = 100


def page_of_mailboxes(count: int) -> dict[str, Any]:
    """A listing as Mailin documents it, passwords and all."""
    return {
        "current_page": 1,
        "data": [
            {
                "id": number,
                "domain_id": number // 3,
                "username": f"first.last{number}@domain{number // 3}.com",
                "name": f"First Last {number}",
                "password": f"pass-{number}",
                "status": "1",
                "provider_type": "SMTP",
                "redirect_email": None,
                "rate_limit": "50",
                "signature": None,
                "imap_host": "imap.mailin.test",
                "imap_port": 993,
                "smtp_host": "smtp.mailin.test",
                "smtp_port": 587,
                "created_at": "2026-01-05T10:00:00.000000Z",
            }
            for number in range(count)
        ],
        "last_page": 1,
        "per_page": count,
        "total": count,
    }


class Canned:
    """The two answers."""

    def __init__(self) -> None:
        self._login = json.dumps({"token": TOKEN, "user_id": 1}).encode()
        self._page = json.dumps(page_of_mailboxes(PER_PAGE)).encode()

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        while (await receive()).get("more_body", False):
            pass
        answer = self._login if str(scope["path"]).endswith("/login") else self._page
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": answer})


async def _run() -> None:
    config = uvicorn.Config(Canned(), port=0, log_config=None, access_log=False, lifespan="off", ws="none")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run())
