"""The simulated Mailin over HTTP: all its endpoints, what can go wrong with each, and its switches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from providers.mailin.sandbox.account import AccountApi
from providers.mailin.sandbox.azure import AzureApi
from providers.mailin.sandbox.domains import DomainApi
from providers.mailin.sandbox.mailboxes import MailboxApi
from providers.mailin.sandbox.sequencers import SequencerApi
from providers.mailin.sandbox.speaking import PREFIX
from providers.mailin.sandbox.state import MailinSandbox
from providers.mailin.sandbox.verification import VerificationApi
from providers.simulator import FaultSwitches, endpoint, json_object, serving

MESSAGES: Mapping[int, str] = {
    310: "Error communicating with another API.",
    311: "The request cannot be completed because the data was not prepared.",
    312: "You do not have an active subscription.",
    313: "An error occurred mid-process.",
    404: "Not Found",
    429: "Too Many Attempts.",
}
"""What a fault says that is a status."""

_LOGIN = PREFIX + "/auth/login"

_SWITCHES: Mapping[str, Callable[[object], object]] = {
    "job_seconds": lambda value: float(str(value)),
    "listing_lag_seconds": lambda value: float(str(value)),
    "token_seconds": lambda value: None if value is None else float(str(value)),
    "taken": lambda value: {str(item) for item in value} if isinstance(value, list) else set(),
    "failing": lambda value: {str(item) for item in value} if isinstance(value, list) else set(),
    "mailbox_slots": lambda value: int(str(value)),
    "missing_mailbox": lambda value: int(str(value)),
    "order_exists": lambda value: int(str(value)),
    "upload_status_at": str,
    "verdict_at_once": bool,
    "download_is_file": bool,
}
"""What can be changed from outside, and how it is read."""


def create_app(sandbox: MailinSandbox) -> Starlette:
    """The sandbox as an ASGI application."""
    admin, verification = _Admin(sandbox), VerificationApi(sandbox)
    turned_away, switches = _door(sandbox), FaultSwitches(sandbox)
    endpoints = [
        *AccountApi(sandbox).endpoints(),
        *DomainApi(sandbox).endpoints(),
        *MailboxApi(sandbox).endpoints(),
        *SequencerApi(sandbox).endpoints(),
        *AzureApi(sandbox).endpoints(),
        *verification.endpoints(),
    ]
    return Starlette(
        routes=[
            *(
                Route(
                    path if path.startswith("/api") else PREFIX + path,
                    endpoint(sandbox, operation, handler, admit=turned_away, words=_words),
                    methods=[method],
                )
                for method, path, operation, handler in endpoints
            ),
            Route("/storage/tmp/{name}", verification.file, methods=["GET"]),
            Route("/sandbox/state", admin.state, methods=["GET"]),
            Route("/sandbox/settings", admin.change_settings, methods=["POST"]),
            Route("/sandbox/faults", switches.add, methods=["POST"]),
            Route("/sandbox/faults", switches.clear, methods=["DELETE"]),
            Route("/sandbox/expire-tokens", admin.expire_tokens, methods=["POST"]),
        ],
        exception_handlers={404: _no_such_route},
    )


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that can be called at `url`."""

    url: str
    sandbox: MailinSandbox


@asynccontextmanager
async def serve(sandbox: MailinSandbox, *, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[Running]:
    """The sandbox over real HTTP for as long as the context lasts, in this event loop; port 0 is any free one."""
    async with serving(create_app(sandbox), port=port, host=host) as url:
        yield Running(url=url, sandbox=sandbox)


def _door(sandbox: MailinSandbox) -> Callable[[Request], Awaitable[Response | None]]:
    """Lets everybody in to log in, and to the rest whoever is logged in."""

    async def turned_away(request: Request) -> Response | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if request.url.path == _LOGIN or (scheme.lower() == "bearer" and sandbox.is_logged_in(token)):
            return None
        return JSONResponse({"message": "Unauthenticated."}, 401)

    return turned_away


class _Admin:
    """What only a simulation has: a look inside, and its switches."""

    def __init__(self, sandbox: MailinSandbox) -> None:
        self._sandbox = sandbox

    async def state(self, request: Request) -> Response:
        sandbox, now = self._sandbox, self._sandbox.clock.now()
        return JSONResponse(
            {
                "settings": self._settings(),
                "purchases": [
                    {"domain": p.domain, "hosting": p.hosting, "at": p.at.isoformat(), "job": p.job}
                    for p in sandbox.purchases
                ],
                "domains": [
                    {"id": d.id, "name": d.name, "hosting": d.hosting, "active": now >= d.active_at}
                    for d in sandbox.domains.values()
                ],
                "jobs": {
                    job.id: {"domains": job.domains, "state": job.state(now).value} for job in sandbox.jobs.values()
                },
                "mailboxes": [box.username for box in sandbox.mailboxes.values()],
                "orders": [order.domain for order in sandbox.orders.values()],
                "credits": sandbox.credits,
                "calls": sandbox.calls,
                "faults": sandbox.faults.waiting(),
            }
        )

    async def change_settings(self, request: Request) -> Response:
        """Any of the switches, each optional; lists replace what was there."""
        body = await json_object(request)
        unknown = sorted(set(body) - set(_SWITCHES))
        if unknown:
            return JSONResponse({"message": f"No such setting: {', '.join(unknown)}"}, 422)
        for name, value in body.items():
            setattr(self._sandbox, name, _SWITCHES[name](value))
        return JSONResponse(self._settings())

    async def expire_tokens(self, request: Request) -> Response:
        self._sandbox.expire_tokens()
        return JSONResponse({})

    def _settings(self) -> dict[str, object]:
        values = {name: getattr(self._sandbox, name) for name in _SWITCHES}
        return {name: sorted(value) if isinstance(value, set) else value for name, value in values.items()}


def _words(status: int, word: str) -> JsonValue:
    return {"message": word or MESSAGES.get(status, "Server Error")}


async def _no_such_route(request: Request, error: Exception) -> Response:
    return JSONResponse({"message": f"The route {request.url.path.lstrip('/')} could not be found."}, 404)
