"""Mailin.ai itself, simulated: it sells domains, forgets commas, and breaks in all the ways one asks it to.

It keeps what a real provider keeps (domains, jobs, tokens) and what only a simulation can know (what was really bought,
how often). Time passes by its clock alone. Everything under /sandbox/ is for whoever drives it, from any process.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from providers.accounts import Clock
from providers.mailin.models import Hosting, JobState

SANDBOX_EMAIL: Final = "ana@sandbox.example"
SANDBOX_PASSWORD: Final = "sandbox-password"  # noqa: S105 (opens nothing but this)

TAKEN = ("google.com", "taken.com", "example.com")
TLDS = (".com", ".co", ".ca", ".biz")
NAME_SERVERS = "ns1.mailin.ai, ns2.mailin.ai"
PER_PAGE = 15

_PREFIX = "/api/v1/public"


class Operation(StrEnum):
    """The endpoints that are simulated, by the names that faults and counts go by."""

    LOGIN = "login"
    DOMAINS = "domains"
    GOOGLE_DOMAINS = "google_domains"
    AVAILABILITY = "availability"
    BUY = "buy"
    BUY_MULTIPLE = "buy_multiple"
    BUY_GOOGLE = "buy_google"
    BUY_MULTIPLE_GOOGLE = "buy_multiple_google"
    JOB_STATUS = "job_status"


class Work(StrEnum):
    """How much of what was asked is done before a fault strikes."""

    NOTHING = "nothing"
    HALF = "half"
    """The first half of the names, rounded up."""
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

    @classmethod
    def slow(cls, seconds: float) -> Fault:
        """Everything is done at once; the answer comes so many (real) seconds later."""
        return cls(Kind.SLOW, seconds=seconds)

    @classmethod
    def answers(cls, status: int, *, work: Work = Work.NOTHING, retry_after: str | int | None = None) -> Fault:
        """This status, with everything, half or nothing done: 429, 500, 310, 313 …"""
        asked = None if retry_after is None else str(retry_after)
        return cls(Kind.STATUS, work=work, status=status, retry_after=asked)

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
        """It is done; the answer has the right status and is no JSON, not even nearly."""
        return cls(Kind.MALFORMED)

    @classmethod
    def unknown_shape(cls) -> Fault:
        """It is done; the answer has the right status and is JSON that nobody has seen before."""
        return cls(Kind.UNKNOWN_SHAPE)

    @classmethod
    def job_says(cls, word: str) -> Fault:
        """A job reports a status nobody has documented."""
        return cls(Kind.JOB_SAYS, word=word)


class Faults:
    """The faults to come, by operation, in the order in which they were added."""

    def __init__(self) -> None:
        self._waiting: dict[Operation, deque[Fault]] = {}

    def add(self, operation: Operation | str, fault: Fault, times: int = 1) -> None:
        """Let the next `times` calls of this operation go wrong."""
        self._waiting.setdefault(Operation(operation), deque()).extend([fault] * times)

    def take(self, operation: Operation) -> Fault | None:
        """The fault of this very call."""
        waiting = self._waiting.get(operation)
        return waiting.popleft() if waiting else None

    def clear(self) -> None:
        """All is well again."""
        self._waiting.clear()

    def waiting(self) -> dict[str, int]:
        """How many are still to come, by operation."""
        return {operation.value: len(faults) for operation, faults in self._waiting.items() if faults}


@dataclass(frozen=True, slots=True)
class Purchase:
    """Money that was spent: one name, bought once more."""

    domain: str
    hosting: Hosting
    at: datetime
    job: str


@dataclass(slots=True)
class SandboxJob:
    """A batch job and how it will end, name by name."""

    id: str
    domains: tuple[str, ...]
    hosting: Hosting
    begun_at: datetime
    ends_at: datetime
    failing: tuple[str, ...]

    def state(self, now: datetime) -> JobState:
        """Pending at first, processing in its second half, then what it came to."""
        if now < self.ends_at:
            half = self.begun_at + (self.ends_at - self.begun_at) / 2
            return JobState.PENDING if now < half else JobState.PROCESSING
        if len(self.failing) == len(self.domains):
            return JobState.FAILED
        return JobState.COMPLETED_WITH_ERRORS if self.failing else JobState.COMPLETED


@dataclass(slots=True)
class SandboxDomain:
    """A domain of the account: listed from `listed_at`, active from `active_at`."""

    id: int
    name: str
    hosting: Hosting
    bought_at: datetime
    listed_at: datetime
    active_at: datetime


@dataclass
class MailinSandbox:
    """The provider's state, and the switches of its behaviour. Change what you like while it runs."""

    clock: Clock
    job_seconds: float = 0.0
    """How long a job takes, by the clock."""
    listing_lag_seconds: float = 0.0
    """How long after a purchase nothing knows of it yet: no listing, no availability, no refusal of a second one."""
    faults: Faults = field(default_factory=Faults)
    taken: set[str] = field(default_factory=lambda: set(TAKEN))
    """Names that belong to somebody else."""
    failing: set[str] = field(default_factory=set)
    """Names that are accepted and then fail in their job. They are not bought."""
    token_seconds: float | None = None
    """How long a token lives, by the clock; None is for ever."""
    purchases: list[Purchase] = field(default_factory=list)
    """What was really bought, in order. A name that is here twice was paid for twice."""
    calls: Counter[str] = field(default_factory=Counter)
    """How often each operation was called, whatever came of it."""
    domains: dict[str, SandboxDomain] = field(default_factory=dict)
    jobs: dict[str, SandboxJob] = field(default_factory=dict)
    _tokens: dict[str, datetime] = field(default_factory=dict, repr=False)

    def times_bought(self, domain: str) -> int:
        """How often a name was paid for."""
        return sum(purchase.domain == domain for purchase in self.purchases)

    def expire_tokens(self) -> None:
        """Forget every log-in: the next call of anybody gets a 401."""
        self._tokens.clear()

    def own(self, *names: str, hosting: Hosting = "smtp") -> None:
        """Put domains into the account that have been there, active, since before the story begins."""
        for name in names:
            self._add(name, hosting, active_at=self.clock.now(), lag=0.0)

    # What the endpoints do.

    def log_in(self) -> str:
        """A new token."""
        token = f"{len(self._tokens) + 1}|{secrets.token_hex(20)}"
        self._tokens[token] = self.clock.now()
        return token

    def is_logged_in(self, token: str) -> bool:
        """Whether a token (still) counts."""
        issued = self._tokens.get(token)
        if issued is None:
            return False
        return self.token_seconds is None or self.clock.now() < issued + timedelta(seconds=self.token_seconds)

    def is_free(self, name: str) -> bool:
        """Whether a name can be bought, as far as is known: a purchase becomes known only after the lag."""
        now = self.clock.now()
        domain = self.domains.get(name)
        return name not in self.taken and (domain is None or now < domain.listed_at)

    def buy(self, names: Sequence[str], hosting: Hosting, ordered: Sequence[str] | None = None) -> SandboxJob:
        """Buy `names` and begin a job for all that was `ordered`."""
        now = self.clock.now()
        ordered = tuple(ordered if ordered is not None else names)
        job = SandboxJob(
            id=str(uuid.uuid4()),
            domains=ordered,
            hosting=hosting,
            begun_at=now,
            ends_at=now + timedelta(seconds=self.job_seconds),
            failing=tuple(name for name in ordered if name in self.failing or name not in names),
        )
        self.jobs[job.id] = job
        for name in names:
            if name not in self.failing:
                self.purchases.append(Purchase(domain=name, hosting=hosting, at=now, job=job.id))
                self._add(name, hosting, active_at=job.ends_at, lag=self.listing_lag_seconds)
        return job

    def listed(self, hosting: Hosting, name: str = "") -> list[SandboxDomain]:
        """The domains of a listing whose name contains `name`."""
        now = self.clock.now()
        return [
            domain
            for domain in self.domains.values()
            if domain.hosting == hosting and domain.listed_at <= now and name.lower() in domain.name
        ]

    def _add(self, name: str, hosting: Hosting, active_at: datetime, lag: float) -> None:
        if name in self.domains:
            return  # bought twice, but there is only one of it
        now = self.clock.now()
        self.domains[name] = SandboxDomain(
            id=len(self.domains) + 1,
            name=name,
            hosting=hosting,
            bought_at=now,
            listed_at=now + timedelta(seconds=lag),
            active_at=active_at,
        )


# Over HTTP.


def create_app(sandbox: MailinSandbox) -> Starlette:
    """The sandbox as an ASGI application."""
    api = _Api(sandbox)
    admin = _Admin(sandbox)
    endpoints: list[tuple[str, str, Operation, _Handler]] = [
        ("POST", "/auth/login", Operation.LOGIN, api.login),
        ("GET", "/domains", Operation.DOMAINS, api.domains),
        ("GET", "/domains/list/google", Operation.GOOGLE_DOMAINS, api.google_domains),
        ("GET", "/domains/check/domain-availability", Operation.AVAILABILITY, api.availability),
        ("POST", "/domains/buy", Operation.BUY, api.buy),
        ("POST", "/domains/buy-multiple", Operation.BUY_MULTIPLE, api.buy_multiple),
        ("POST", "/domains/buy/google", Operation.BUY_GOOGLE, api.buy_google),
        ("POST", "/domains/buy-multiple/google", Operation.BUY_MULTIPLE_GOOGLE, api.buy_multiple_google),
        ("GET", "/domains/status/{job_id}", Operation.JOB_STATUS, api.job_status),
    ]
    return Starlette(
        routes=[
            *(
                Route(_PREFIX + path, api.endpoint(operation, handler), methods=[method])
                for method, path, operation, handler in endpoints
            ),
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


_Handler = Callable[[Request, "Fault | None"], Awaitable[Response]]


class _Api:
    """The documented endpoints, their quirks included."""

    def __init__(self, sandbox: MailinSandbox) -> None:
        self._sandbox = sandbox

    def endpoint(self, operation: Operation, handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            self._sandbox.calls[operation.value] += 1
            if operation is not Operation.LOGIN and not self._is_authorised(request):
                return JSONResponse({"message": "Unauthenticated."}, 401)
            fault = self._sandbox.faults.take(operation)
            if fault is None or fault.work is not Work.NOTHING:
                answered = await handler(request, fault)
            else:
                answered = Response()
            return answered if fault is None else await _spoilt(request, answered, fault)

        return answer

    async def login(self, request: Request, fault: Fault | None) -> Response:
        body = await _json_object(request)
        missing = [name for name in ("email", "password", "device_name") if not body.get(name)]
        if missing:
            return _invalid({name: f"The {name.replace('_', ' ')} field is required." for name in missing})
        if (body["email"], body["password"]) != (SANDBOX_EMAIL, SANDBOX_PASSWORD):
            return JSONResponse({"message": "Invalid credentials."}, 401)
        return JSONResponse({"user_id": 1, "token": self._sandbox.log_in()})

    async def domains(self, request: Request, fault: Fault | None) -> Response:
        return self._listing(request, "smtp")

    async def google_domains(self, request: Request, fault: Fault | None) -> Response:
        return self._listing(request, "google")

    async def availability(self, request: Request, fault: Fault | None) -> Response:
        name = request.query_params.get("domain_name", "").lower()
        if not name:
            return _invalid({"domain_name": "The domain name field is required."})
        if self._sandbox.is_free(name):
            return JSONResponse({"available": True, "message": "Domain is available"})
        return JSONResponse({"available": False, "message": "Domain is unavailable"}, 404)

    async def buy(self, request: Request, fault: Fault | None) -> Response:
        return await self._buy_one(request, fault, "smtp")

    async def buy_google(self, request: Request, fault: Fault | None) -> Response:
        return await self._buy_one(request, fault, "google")

    async def buy_multiple(self, request: Request, fault: Fault | None) -> Response:
        return await self._buy_several(request, fault, "smtp")

    async def buy_multiple_google(self, request: Request, fault: Fault | None) -> Response:
        return await self._buy_several(request, fault, "google")

    async def job_status(self, request: Request, fault: Fault | None) -> Response:
        """Its `id` is not quoted, as in the documentation: this is not JSON."""
        job = self._sandbox.jobs.get(request.path_params["job_id"])
        if job is None:
            return JSONResponse({"message": "Domain not found."}, 404)
        state = job.state(self._sandbox.clock.now()).value
        said = fault.word if fault is not None and fault.kind is Kind.JOB_SAYS else state
        known = self._sandbox.domains
        ids = [str(known[name].id) for name in job.domains if name in known]
        report = f"Job Created - BatchAddDomain {said}"
        if job.failing and state in (JobState.FAILED, JobState.COMPLETED_WITH_ERRORS):
            report += f"; could not register: {', '.join(job.failing)}"
        body = (
            f'{{\n"id": {job.id},\n"status": {json.dumps(said)},\n"report": {json.dumps(report)},\n'
            f'"data": {json.dumps(ids)}\n}}'
        )
        return Response(body, media_type="application/json")

    async def _buy_one(self, request: Request, fault: Fault | None, hosting: Hosting) -> Response:
        name = (await _json_object(request)).get("domain_name")
        if not isinstance(name, str) or not name:
            return _invalid({"domain_name": "The domain name field is required."})
        if not _is_sold(name):
            return _invalid({"domain_name": "The domain name must end with one of: .com, .co, .ca, .biz."})
        if not self._sandbox.is_free(name):
            return _unavailable({"domain": name})
        job = self._sandbox.buy(_part([name], fault), hosting, ordered=[name])
        return _accepted(job, comma=True)

    async def _buy_several(self, request: Request, fault: Fault | None, hosting: Hosting) -> Response:
        names = (await _json_object(request)).get("domain_names")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            return _invalid({"domain_names": "The domain names field is required."})
        problems = {
            f"domain_names.{index}": "The domain name must end with one of: .com, .co, .ca, .biz."
            for index, name in enumerate(names)
            if not _is_sold(name)
        }
        if problems:
            return _invalid(problems)
        unavailable = [name for name in names if not self._sandbox.is_free(name)]
        if unavailable:
            return _unavailable(unavailable)
        job = self._sandbox.buy(_part(names, fault), hosting, ordered=names)
        return _accepted(job, comma=False)

    def _listing(self, request: Request, hosting: Hosting) -> Response:
        page = _number(request.query_params.get("page"), 1)
        per_page = _number(request.query_params.get("per_page"), PER_PAGE)
        found = self._sandbox.listed(hosting, request.query_params.get("name", ""))
        shown = found[(page - 1) * per_page : page * per_page]
        last_page = max(1, -(-len(found) // per_page))
        # Mailin's own address, wherever this runs: whoever follows these instead of counting leaves the account.
        here = "https://api.mailin.ai" + request.url.path
        return JSONResponse(
            {
                "current_page": page,
                "data": [self._listed(domain) for domain in shown],
                "first_page_url": f"{here}?page=1",
                "from": (page - 1) * per_page + 1 if shown else None,
                "last_page": last_page,
                "last_page_url": f"{here}?page={last_page}",
                "next_page_url": f"{here}?page={page + 1}" if page < last_page else None,
                "path": here,
                "per_page": per_page,
                "prev_page_url": f"{here}?page={page - 1}" if page > 1 else None,
                "to": (page - 1) * per_page + len(shown) if shown else None,
                "total": len(found),
            }
        )

    def _listed(self, domain: SandboxDomain) -> dict[str, object]:
        active = self._sandbox.clock.now() >= domain.active_at
        item: dict[str, object] = {
            "id": domain.id,
            "name": domain.name,
            "main_domain": domain.name,
            "name_servers": NAME_SERVERS if active else None,
            "name_server_status": "1" if active else "0",
            "status": "1" if active else "0",
            "domain_provider": "dynadot",
            "created_at": _stamp(domain.bought_at),
            "updated_at": _stamp(domain.active_at if active else domain.bought_at),
        }
        return item | {"provider_type": "google"} if domain.hosting == "google" else item

    def _is_authorised(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self._sandbox.is_logged_in(token)


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
                "calls": sandbox.calls,
                "faults": sandbox.faults.waiting(),
            }
        )

    async def change_settings(self, request: Request) -> Response:
        """`{job_seconds, listing_lag_seconds, token_seconds, taken, failing}`, each optional; the lists replace."""
        body = await _json_object(request)
        unknown = sorted(set(body) - set(self._settings()))
        if unknown:
            return JSONResponse({"message": f"No such setting: {', '.join(unknown)}"}, 422)
        for name, value in body.items():
            if name in ("taken", "failing"):
                setattr(self._sandbox, name, {str(item) for item in value})
            else:
                setattr(self._sandbox, name, None if value is None else float(value))
        return JSONResponse(self._settings())

    async def add_fault(self, request: Request) -> Response:
        """`{operation, kind, times, …}` with the fields of Fault."""
        body = await _json_object(request)
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
        sandbox = self._sandbox
        return {
            "job_seconds": sandbox.job_seconds,
            "listing_lag_seconds": sandbox.listing_lag_seconds,
            "token_seconds": sandbox.token_seconds,
            "taken": sorted(sandbox.taken),
            "failing": sorted(sandbox.failing),
        }


_MESSAGES: Mapping[int, str] = {
    310: "Error communicating with another API.",
    311: "The request cannot be completed because the data was not prepared.",
    312: "You do not have an active subscription.",
    313: "An error occurred mid-process.",
    404: "Not Found",
    429: "Too Many Attempts.",
}


async def _spoilt(request: Request, answered: Response, fault: Fault) -> Response:
    match fault.kind:
        case Kind.SLOW:
            await asyncio.sleep(fault.seconds)
        case Kind.STATUS:
            headers = None if fault.retry_after is None else {"Retry-After": fault.retry_after}
            answered = JSONResponse({"message": _MESSAGES.get(fault.status, "Server Error")}, fault.status, headers)
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


async def _json_object(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _accepted(job: SandboxJob, *, comma: bool) -> Response:
    """The 210. Without the comma it is what the documentation shows for several domains, and not JSON."""
    message = "Your request has been received and will be processed as soon as possible."
    body = f'{{\n"message": "{message}"{"," if comma else ""}\n"uuid" : "{job.id}"\n}}'
    return Response(body, 210, media_type="application/json")


def _unavailable(names: dict[str, str] | list[str]) -> Response:
    return JSONResponse({"message": "The requested domain(s) are unavailable.", "unavailable": names}, 422)


def _invalid(problems: Mapping[str, str]) -> Response:
    first, more = next(iter(problems.values())), len(problems) - 1
    message = first if not more else f"{first} (and {more} more error{'s' if more > 1 else ''})"
    return JSONResponse({"message": message, "errors": {name: [text] for name, text in problems.items()}}, 422)


def _is_sold(name: str) -> bool:
    return name.endswith(TLDS)


def _part(names: Sequence[str], fault: Fault | None) -> Sequence[str]:
    return names[: -(-len(names) // 2)] if fault is not None and fault.work is Work.HALF else names


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and int(text) > 0 else default


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
