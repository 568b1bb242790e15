"""The peers, each the whole of a process: `python -m tests.bench.servers bolt|prompt-bolt PORT`.

And houses that are a little different: `… catalogue SIZE` has another number of actions, `… watching` knows one
provider more. The house itself is measured as it is run: `postroom run`.
"""

from __future__ import annotations

import os
import sys

import uvicorn
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.bench.world import BOT_TOKEN, SIGNING_SECRET


def _bare(port: int, *, prompt: bool) -> None:
    """A Bolt app whose handler only acks, behind Bolt's own adapter for Starlette, with uvicorn set as in the house."""
    app = AsyncApp(
        client=AsyncWebClient(BOT_TOKEN, base_url=os.environ["SLACK_API_URL"]),
        signing_secret=SIGNING_SECRET,
        process_before_response=prompt,
    )

    @app.command("/domain")
    @app.view("review")
    @app.action("approve")
    async def only_ack(ack: AsyncAck) -> None:
        await ack()

    handler = AsyncSlackRequestHandler(app)

    async def events(request: Request) -> Response:
        return await handler.handle(request)

    async def ready(request: Request) -> Response:
        return JSONResponse({"ready": True})

    web = Starlette(routes=[Route("/slack/events", events, methods=["POST"]), Route("/readyz", ready)])
    uvicorn.run(
        web, host="127.0.0.1", port=port, log_config=None, access_log=False, lifespan="off", proxy_headers=False
    )


def _with_catalogue(size: int) -> None:
    """The house, with `size` actions in its catalogue: the first is the one that is asked for."""
    from bot import app, cli  # noqa: PLC0415
    from providers.catalogue import Catalogue  # noqa: PLC0415
    from providers.mailin.actions import BuyDomains  # noqa: PLC0415

    def another(number: int) -> type[BuyDomains]:
        class Another(BuyDomains, provider="mailin", command=f"domain buy{number}"):
            """Buy one or more new domains, in yet another way."""

        return Another

    actions = [BuyDomains, *(another(number) for number in range(1, size))]
    app.built_in = lambda providers: Catalogue(actions)
    sys.argv = ["postroom", "run"]
    cli.main()


def _watching() -> None:
    """The house, with the provider of `tests.bench.watched` among those that it knows."""
    from providers import catalogue  # noqa: PLC0415
    from tests.bench.watched import provider  # noqa: PLC0415

    known = (*catalogue.registered(), provider())
    catalogue.registered = lambda: known
    from bot import cli  # noqa: PLC0415 (what it imports takes the names that are there by now)

    sys.argv = ["postroom", "run"]
    cli.main()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["bolt", port]:
            _bare(int(port), prompt=False)
        case ["prompt-bolt", port]:
            _bare(int(port), prompt=True)
        case ["catalogue", size]:
            _with_catalogue(int(size))
        case ["watching"]:
            _watching()
        case _:
            sys.exit(__doc__)
