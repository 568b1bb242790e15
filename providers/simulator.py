"""What every simulated provider is made of: faults that wait their turn, connections that can be cut, a look inside.

Nothing here knows a provider. A sandbox holds the state and the handlers; this serves them over real HTTP, counts and
records what arrives, and spoils the answers that it was told to spoil.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import uvicorn
from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from providers.accounts import Clock

REMEMBERED_CALLS = 1000
"""How many of the latest calls a sandbox can show."""
LONGEST_TEXT = 10_000
"""Characters that are remembered of a body that is no JSON: files are sent as well."""


class Work(StrEnum):
    """How much of what was asked is done before a fault strikes."""

    NOTHING = "nothing"
    HALF = "half"
    """The first half, rounded up, of what several things can be done of."""
    ALL = "all"


class Kind(StrEnum):
    """What goes wrong."""

    SLOW = "slow"
    STATUS = "status"
    CUT = "cut"
    CUT_IN_ANSWER = "cut_in_answer"
    MALFORMED = "malformed"
    UNKNOWN_SHAPE = "unknown_shape"
    JOB_SAYS = "job_says"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, once or more. Made with the functions below."""

    kind: Kind
    work: Work = Work.ALL
    status: int = 500
    seconds: float = 0.0
    retry_after: str | None = None
    word: str = ""
    body: JsonValue = None

    @classmethod
    def slow(cls, seconds: float) -> Fault:
        """Everything is done at once; the answer comes so many (real) seconds later."""
        return cls(Kind.SLOW, seconds=seconds)

    @classmethod
    def answers(
        cls,
        status: int,
        *,
        work: Work = Work.NOTHING,
        retry_after: str | int | None = None,
        word: str = "",
        body: JsonValue = None,
    ) -> Fault:
        """This status, with everything, half or nothing done.

        Its body is that of the sandbox's own errors, with `word` in it where there is one, unless a `body` is given.
        """
        asked = None if retry_after is None else str(retry_after)
        return cls(Kind.STATUS, work=work, status=status, retry_after=asked, word=word, body=body)

    @classmethod
    def cut_before(cls) -> Fault:
        """The connection is cut; nothing was done."""
        return cls(Kind.CUT, work=Work.NOTHING)

    @classmethod
    def cut_after(cls, *, work: Work = Work.ALL) -> Fault:
        """It is done, and the connection cut instead of an answer."""
        return cls(Kind.CUT, work=work)

    @classmethod
    def cut_in_answer(cls) -> Fault:
        """It is done, and the connection cut in the middle of the answer."""
        return cls(Kind.CUT_IN_ANSWER)

    @classmethod
    def malformed(cls) -> Fault:
        """It is done; the answer has the right status and is no JSON."""
        return cls(Kind.MALFORMED)

    @classmethod
    def unknown_shape(cls) -> Fault:
        """It is done; the answer has the right status and is JSON that nobody has seen before."""
        return cls(Kind.UNKNOWN_SHAPE)

    @classmethod
    def job_says(cls, word: str) -> Fault:
        """What takes its time (a job, a task, an order) reports a status that nobody has documented."""
        return cls(Kind.JOB_SAYS, word=word)


class Faults:
    """The faults to come, by operation, in the order in which they were added."""

    def __init__(self, operations: type[StrEnum]) -> None:
        self.operations = operations
        self._waiting: dict[str, deque[Fault]] = {}

    def add(self, operation: str, fault: Fault, times: int = 1) -> None:
        """Let the next `times` calls of this operation go wrong. Raises ValueError for an operation there is not."""
        self._waiting.setdefault(self.operations(operation).value, deque()).extend([fault] * times)

    def take(self, operation: str) -> Fault | None:
        """The fault of this very call."""
        waiting = self._waiting.get(operation)
        return waiting.popleft() if waiting else None

    def clear(self) -> None:
        """All is well again."""
        self._waiting.clear()

    def waiting(self) -> dict[str, int]:
        """How many are still to come, by operation."""
        return {operation: len(faults) for operation, faults in self._waiting.items() if faults}


@dataclass(frozen=True, slots=True)
class Arrived:
    """One call as it came in. `path` is as on the wire; header names are lower case; an absent body is None.

    `at` is by the sandbox's clock.
    """

    operation: str
    method: str
    path: str
    query: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: JsonValue = field(repr=False)
    at: datetime


class Simulated(Protocol):
    """What a sandbox has, whichever provider it is."""

    clock: Clock
    faults: Faults
    calls: Counter[str]
    arrived: deque[Arrived]


Handler = Callable[[Request, "Fault | None"], Awaitable[Response]]
"""What an endpoint does. It is given the fault that will strike, for half the work and for jobs that say odd things."""

Words = Callable[[int, str], JsonValue]
"""The body that a provider sends with a status of its own accord; with these words in it, unless they are empty."""


def endpoint(
    sandbox: Simulated,
    operation: StrEnum,
    handler: Handler,
    *,
    admit: Callable[[Request], Awaitable[Response | None]],
    words: Words,
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that counts, records, turns away whom `admit` has an answer for, works, and then goes wrong."""

    async def answer(request: Request) -> Response:
        sandbox.calls[operation.value] += 1
        sandbox.arrived.append(await _arrived(request, operation, sandbox.clock.now()))
        refused = await admit(request)
        if refused is not None:
            return refused
        fault = sandbox.faults.take(operation.value)
        if fault is None:
            return await handler(request, None)
        answered = Response() if fault.work is Work.NOTHING else await handler(request, fault)
        return await _spoilt(request, answered, fault, words)

    return answer


def part(things: Sequence[Any], fault: Fault | None) -> Sequence[Any]:
    """As much of it as a fault lets be done."""
    return things[: -(-len(things) // 2)] if fault is not None and fault.work is Work.HALF else things


async def json_object(request: Request) -> dict[str, Any]:
    """The body, if it is a JSON object; else an empty one."""
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


@asynccontextmanager
async def serving(app: Starlette, *, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """The URL at which `app` is served over real HTTP while the context lasts, in this event loop; port 0 is any.

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
    # No access log: a provider's key may stand in the address.
    config = uvicorn.Config(app, http=_CuttableProtocol, ws="none", lifespan="off", log_config=None, access_log=False)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        for listening in server.servers:
            listening.close()
        for task in list(server.server_state.tasks):
            task.cancel()
        for connection in list(server.server_state.connections):
            if isinstance(connection, _CuttableProtocol):
                connection.transport.abort()
        await asyncio.sleep(0)


class FaultSwitches:
    """The handlers behind `/sandbox/faults`, for whoever drives a sandbox from another process."""

    def __init__(self, sandbox: Simulated) -> None:
        self._sandbox = sandbox

    async def add(self, request: Request) -> Response:
        """`{operation, kind, times, …}` with the fields of Fault."""
        body = await json_object(request)
        try:
            operation, times = str(body.pop("operation", "")), int(body.pop("times", 1))
            kind, work = Kind(body.pop("kind", "")), Work(body.pop("work", Work.ALL))
            self._sandbox.faults.add(operation, Fault(kind=kind, work=work, **body), times)
        except (ValueError, TypeError) as error:
            return JSONResponse({"message": str(error)}, 422)
        return JSONResponse(self._sandbox.faults.waiting(), 201)

    async def clear(self, request: Request) -> Response:
        """All is well again."""
        self._sandbox.faults.clear()
        return JSONResponse({})


async def _arrived(request: Request, operation: StrEnum, now: datetime) -> Arrived:
    body: JsonValue = None
    if content := await request.body():
        try:
            body = await request.json()
        except ValueError:
            body = content[:LONGEST_TEXT].decode("utf-8", errors="replace")
    return Arrived(
        operation=operation.value,
        method=request.method,
        path=request.scope.get("raw_path", b"").decode("ascii", errors="replace") or request.url.path,
        query=dict(request.query_params),
        headers=dict(request.headers),
        body=body,
        at=now,
    )


async def _spoilt(request: Request, answered: Response, fault: Fault, words: Words) -> Response:
    match fault.kind:
        case Kind.SLOW:
            await asyncio.sleep(fault.seconds)
        case Kind.STATUS:
            headers = None if fault.retry_after is None else {"Retry-After": fault.retry_after}
            body = words(fault.status, fault.word) if fault.body is None else fault.body
            answered = JSONResponse(body, fault.status, headers)
        case Kind.CUT:
            answered = _Cut(request)
        case Kind.CUT_IN_ANSWER:
            answered = _Cut(request, answered)
        case Kind.MALFORMED:
            answered = Response("<html>Something went wrong.", answered.status_code, media_type="text/html")
        case Kind.UNKNOWN_SHAPE:
            answered = JSONResponse({"result": {"ok": 1}}, answered.status_code)
        case Kind.JOB_SAYS:
            pass  # it has said so already
    return answered


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
            raise ConnectionAbortedError("cut, as asked; only a served sandbox has a real connection")
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
