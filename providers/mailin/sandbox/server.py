"""The simulated Mailin over HTTP: all its endpoints, what can go wrong with each, and its switches."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from providers.mailin.sandbox.account import AccountApi
from providers.mailin.sandbox.azure import AzureApi
from providers.mailin.sandbox.domains import DomainApi
from providers.mailin.sandbox.faults import Fault, Kind, Operation, Work
from providers.mailin.sandbox.mailboxes import MailboxApi
from providers.mailin.sandbox.sequencers import SequencerApi
from providers.mailin.sandbox.speaking import PREFIX, Handler, json_object
from providers.mailin.sandbox.state import MailinSandbox
from providers.mailin.sandbox.verification import VerificationApi

MESSAGES: Mapping[int, str] = {
    310: "Error communicating with another API.",
    311: "The request cannot be completed because the data was not prepared.",
    312: "You do not have an active subscription.",
    313: "An error occurred mid-process.",
    404: "Not Found",
    429: "Too Many Attempts.",
}
"""What a fault says that is a status."""

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
                    _endpoint(sandbox, operation, handler),
                    methods=[method],
                )
                for method, path, operation, handler in endpoints
            ),
            Route("/storage/tmp/{name}", verification.file, methods=["GET"]),
            Route("/sandbox/state", admin.state, methods=["GET"]),
            Route("/sandbox/settings", admin.change_settings, methods=["POST"]),
            Route("/sandbox/faults", admin.add_fault, methods=["POST"]),
            Route("/sandbox/faults", admin.clear_faults, methods=["DELETE"]),
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
    """The sandbox over real HTTP for as long as the context lasts, in this event loop; port 0 is any free one.

    It takes no signals: whoever runs the loop decides when to stop.
    """
    # Said to be TCP outright: asyncio switches Nagle's algorithm off, at 40 ms an answer, only where it is told so.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    config = uvicorn.Config(create_app(sandbox), http=_CuttableProtocol, ws="none", lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield Running(url=f"http://{host}:{listener.getsockname()[1]}", sandbox=sandbox)
    finally:
        for listening in server.servers:
            listening.close()
        for task in list(server.server_state.tasks):
            task.cancel()
        for connection in list(server.server_state.connections):
            if isinstance(connection, _CuttableProtocol):
                connection.transport.abort()
        await asyncio.sleep(0)


def _endpoint(
    sandbox: MailinSandbox, operation: Operation, handler: Handler
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint as it is called: counted, for those who are logged in, and with the fault that is due."""

    async def answer(request: Request) -> Response:
        sandbox.calls[operation.value] += 1
        if operation is not Operation.LOGIN and not _is_authorised(sandbox, request):
            return JSONResponse({"message": "Unauthenticated."}, 401)
        fault = sandbox.faults.take(operation)
        if fault is None or fault.work is not Work.NOTHING:
            answered = await handler(request, fault)
        else:
            answered = Response()
        return answered if fault is None else await _spoilt(request, answered, fault)

    return answer


def _is_authorised(sandbox: MailinSandbox, request: Request) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and sandbox.is_logged_in(token)


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

    async def add_fault(self, request: Request) -> Response:
        """`{operation, kind, times, …}` with the fields of Fault."""
        body = await json_object(request)
        try:
            operation, times = Operation(body.pop("operation", "")), int(body.pop("times", 1))
            kind, work = Kind(body.pop("kind", "")), Work(body.pop("work", Work.ALL))
            fault = Fault(kind=kind, work=work, **body)
        except (ValueError, TypeError) as error:
            return JSONResponse({"message": str(error)}, 422)
        self._sandbox.faults.add(operation, fault, times)
        return JSONResponse(self._sandbox.faults.waiting(), 201)

    async def clear_faults(self, request: Request) -> Response:
        self._sandbox.faults.clear()
        return JSONResponse({})

    async def expire_tokens(self, request: Request) -> Response:
        self._sandbox.expire_tokens()
        return JSONResponse({})

    def _settings(self) -> dict[str, object]:
        values = {name: getattr(self._sandbox, name) for name in _SWITCHES}
        return {name: sorted(value) if isinstance(value, set) else value for name, value in values.items()}


async def _spoilt(request: Request, answered: Response, fault: Fault) -> Response:
    match fault.kind:
        case Kind.SLOW:
            await asyncio.sleep(fault.seconds)
        case Kind.STATUS:
            headers = None if fault.retry_after is None else {"Retry-After": fault.retry_after}
            answered = JSONResponse({"message": MESSAGES.get(fault.status, "Server Error")}, fault.status, headers)
        case Kind.CUT:
            answered = _Cut(request)
        case Kind.CUT_IN_ANSWER:
            answered = _Cut(request, answered)
        case Kind.MALFORMED:
            answered = Response("<html>Whoops, looks like something went wrong.", answered.status_code)
        case Kind.UNKNOWN_SHAPE:
            answered = JSONResponse({"result": {"ok": 1}}, answered.status_code)
        case Kind.JOB_SAYS:
            pass  # the job has said it already
    return answered


async def _no_such_route(request: Request, error: Exception) -> Response:
    return JSONResponse({"message": f"The route {request.url.path.lstrip('/')} could not be found."}, 404)


class _CuttableProtocol(H11Protocol):
    """uvicorn's HTTP, which lets the application get at the connection, so that it can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "connection": transport}


class _Cut(Response):
    """No answer, or half of one: then the TCP connection is gone."""

    def __init__(self, request: Request, started: Response | None = None) -> None:
        super().__init__()
        self._connection: asyncio.Transport | None = getattr(request.state, "connection", None)
        self._started = started

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._connection is None:
            raise ConnectionAbortedError("cut, as asked; only under serve() is it really the connection")
        if self._started is not None:
            body = bytes(self._started.body)
            await send(
                {
                    "type": "http.response.start",
                    "status": self._started.status_code,
                    "headers": self._started.raw_headers,
                }
            )
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            self._connection.close()  # after what was written, unlike abort()
        else:
            self._connection.abort()
        while (await receive())["type"] != "http.disconnect":
            pass
