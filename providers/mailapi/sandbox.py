"""MailAPI.tech itself, simulated: it queues everything, tells little, and breaks in all the ways one asks it to.

It keeps what the real one keeps (domains, mailboxes, tasks, the hour of every domain) and what only a simulation can
know (what was really made, how often, and what every call looked like). Time passes by its clock alone. Everything
under /sandbox/ is for whoever drives it, from any process.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from providers.accounts import Clock
from providers.mailapi.models import CREATED, MOST_SUB_DOMAINS, is_label

SANDBOX_KEY: Final = "SandboxKey0123456789abcdefABCDEF"
SANDBOX_CALLER_ID: Final = 123

SUB_DOMAIN_SECONDS = 3600
IMAP_PASSWORD: Final = "imap-password-of-a-mailbox"  # noqa: S105 (opens nothing)
REMEMBERED_CALLS = 1000

_SUCCESS: Mapping[str, str] = {"status": "success"}
_LOCAL_PART = re.compile(r"[A-Za-z0-9._-]+")


class Operation(StrEnum):
    """The endpoints that are simulated, by the names that faults and counts go by."""

    DOMAINS = "domains"
    CREATE_DOMAIN = "create_domain"
    CREATE_SUB_DOMAINS = "create_sub_domains"
    CREATE_MAILBOX = "create_mailbox"
    CREATE_MAILBOXES = "create_mailboxes"
    MAILBOXES = "mailboxes"
    MAILBOX_TASK = "mailbox_task"
    MAILBOXES_TASK = "mailboxes_task"


class Work(StrEnum):
    """How much of what was asked is done before a fault strikes."""

    NOTHING = "nothing"
    HALF = "half"
    """The first half of the sub-domains or mailboxes, rounded up."""
    ALL = "all"


class Kind(StrEnum):
    """What goes wrong."""

    SLOW = "slow"
    STATUS = "status"
    CUT = "cut"
    CUT_IN_ANSWER = "cut_in_answer"
    MALFORMED = "malformed"
    UNKNOWN_SHAPE = "unknown_shape"
    TASK_SAYS = "task_says"


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
    def answers(
        cls, status: int, *, work: Work = Work.NOTHING, retry_after: str | int | None = None, word: str = ""
    ) -> Fault:
        """This status, with everything, half or nothing done: 409, 429, 500 … and its reason, if it has a word."""
        asked = None if retry_after is None else str(retry_after)
        return cls(Kind.STATUS, work=work, status=status, retry_after=asked, word=word)

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
    def task_says(cls, word: str) -> Fault:
        """A task reports a status that nobody has documented."""
        return cls(Kind.TASK_SAYS, word=word)


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
class Received:
    """One call as it arrived. Header names are in lower case."""

    operation: Operation
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: Any = field(repr=False)


@dataclass(slots=True)
class SandboxDomain:
    """A domain or sub-domain of the account: listed from `listed_at`, ready from `verified_at`."""

    name: str
    created_at: datetime
    listed_at: datetime
    verified_at: datetime
    status: str = "verified"
    """What it is called once it is ready."""


@dataclass(slots=True)
class SandboxMailbox:
    """A mailbox and what it logs in with, which listings show."""

    address: str
    quota_mb: int
    created_at: datetime
    active_at: datetime
    status: str = "active"


@dataclass(slots=True)
class SandboxTask:
    """A task and how it will end, mailbox by mailbox. `refused` has the prose for those that are not made."""

    id: int
    kind: Literal["single", "bulk"]
    domain: str
    addresses: tuple[str, ...]
    ends_at: datetime
    refused: dict[str, str]

    @property
    def fails(self) -> bool:
        """Whether none of its mailboxes is made."""
        return len(self.refused) == len(self.addresses)


@dataclass
class MailApiSandbox:
    """The provider's state, and the switches of its behaviour. Change what you like while it runs."""

    clock: Clock
    edition: Literal["classic", "header"] = "classic"
    """Where it looks for the key; nowhere else."""
    path_prefix: str = "/api"
    """What stands before /v1/…, fixed when the application is made."""
    verify_seconds: float = 0.0
    """How long a domain takes until it is verified, by the clock."""
    task_seconds: float = 0.0
    """How long a task takes, by the clock."""
    listing_lag_seconds: float = 0.0
    """How long after a domain was accepted the listing does not know of it yet."""
    pending_word: str = "pending"
    """What a task says while it is at work: no document tells."""
    failed_status: int = 200
    """The HTTP status with which a failed task of one mailbox is reported: no document tells."""
    tells_when: bool = True
    """Whether the hourly 429 comes with a Retry-After."""
    faults: Faults = field(default_factory=Faults)
    failing: set[str] = field(default_factory=set)
    """Addresses that are accepted and then fail in their task. They are not made."""
    domains: dict[str, SandboxDomain] = field(default_factory=dict)
    mailboxes: dict[str, SandboxMailbox] = field(default_factory=dict)
    tasks: dict[int, SandboxTask] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    """The domains, sub-domains and mailboxes that were really made, in order. One that is here twice was made twice."""
    calls: Counter[str] = field(default_factory=Counter)
    """How often each operation was called, whatever came of it."""
    received: deque[Received] = field(default_factory=lambda: deque(maxlen=REMEMBERED_CALLS), repr=False)
    """The last calls, as they arrived."""
    _hours: dict[str, datetime] = field(default_factory=dict, repr=False)

    def own(self, domain: str, *, mailboxes: int = 0) -> None:
        """Put a domain into the account that has been there, verified, since before the story begins."""
        now = self.clock.now()
        self.domains[domain] = SandboxDomain(domain, now, listed_at=now, verified_at=now)
        for number in range(1, mailboxes + 1):
            address = f"m{number}@{domain}"
            self.mailboxes[address] = SandboxMailbox(address, 1024, now, active_at=now)

    def add_domain(self, name: str) -> None:
        """Begin to set up a domain or sub-domain."""
        now = self.clock.now()
        self.made.append(name)
        self.domains[name] = SandboxDomain(
            name,
            now,
            listed_at=now + timedelta(seconds=self.listing_lag_seconds),
            verified_at=now + timedelta(seconds=self.verify_seconds),
        )

    def begin(
        self, kind: Literal["single", "bulk"], domain: str, names: Sequence[str], quota_mb: int, asked: Sequence[str]
    ) -> SandboxTask:
        """Begin a task for all that was `asked`, which makes those of `names` that can be made."""
        now = self.clock.now()
        ends_at = now + timedelta(seconds=self.task_seconds)
        refused: dict[str, str] = {}
        for name in asked:
            address = f"{name}@{domain}"
            if address in self.mailboxes:
                refused[address] = "Mailbox already exists."
            elif name not in names or address in self.failing:
                refused[address] = "Could not be created."
            else:
                self.made.append(address)
                self.mailboxes[address] = SandboxMailbox(address, quota_mb, now, active_at=ends_at)
        addresses = tuple(f"{name}@{domain}" for name in asked)
        task = SandboxTask(len(self.tasks) + 123, kind, domain, addresses, ends_at, refused)
        self.tasks[task.id] = task
        return task

    def seconds_to_wait(self, domain: str) -> float:
        """How long until sub-domains of this domain may be asked for again."""
        used_at = self._hours.get(domain)
        if used_at is None:
            return 0.0
        return max(0.0, SUB_DOMAIN_SECONDS - (self.clock.now() - used_at).total_seconds())

    def use_hour(self, domain: str) -> None:
        """Remember that sub-domains of this domain were asked for, with success."""
        self._hours[domain] = self.clock.now()


# Over HTTP.


def create_app(sandbox: MailApiSandbox) -> Starlette:
    """The sandbox as an ASGI application."""
    api = _Api(sandbox)
    admin = _Admin(sandbox)
    endpoints: list[tuple[str, str, Operation, _Handler]] = [
        ("GET", "/list/domain", Operation.DOMAINS, api.domains),
        ("POST", "/create/domain", Operation.CREATE_DOMAIN, api.create_domain),
        ("POST", "/create/sub-domain", Operation.CREATE_SUB_DOMAINS, api.create_sub_domains),
        ("POST", "/create/mailbox/single", Operation.CREATE_MAILBOX, api.create_mailbox),
        ("POST", "/create/mailbox/bulk", Operation.CREATE_MAILBOXES, api.create_mailboxes),
        ("GET", "/list/mailbox", Operation.MAILBOXES, api.mailboxes),
        ("GET", "/get/mailbox/single", Operation.MAILBOX_TASK, api.mailbox_task),
        ("GET", "/get/mailbox/bulk", Operation.MAILBOXES_TASK, api.mailboxes_task),
    ]
    return Starlette(
        routes=[
            *(
                Route(f"{sandbox.path_prefix}/v1{path}", api.endpoint(operation, handler), methods=[method])
                for method, path, operation, handler in endpoints
            ),
            Route("/sandbox/state", admin.state, methods=["GET"]),
            Route("/sandbox/settings", admin.change_settings, methods=["POST"]),
            Route("/sandbox/faults", admin.add_fault, methods=["POST"]),
            Route("/sandbox/faults", admin.clear_faults, methods=["DELETE"]),
        ],
        exception_handlers={404: _no_such_route},
    )


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that can be called at `url`."""

    url: str
    sandbox: MailApiSandbox


@asynccontextmanager
async def serve(sandbox: MailApiSandbox, *, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[Running]:
    """The sandbox over real HTTP for as long as the context lasts, in this event loop; port 0 is any free one.

    It takes no signals: whoever runs the loop decides when to stop.
    """
    async with _listening(create_app(sandbox), host, port) as url:
        yield Running(url=url, sandbox=sandbox)


_Handler = Callable[[Mapping[str, Any], "Fault | None"], Response]


class _Api:
    """The documented endpoints, their quirks included. A handler is given the query of a GET, the body of a POST."""

    def __init__(self, sandbox: MailApiSandbox) -> None:
        self._sandbox = sandbox

    def endpoint(self, operation: Operation, handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            body = await _json_object(request)
            asked: Mapping[str, Any] = request.query_params if request.method == "GET" else body
            self._sandbox.calls[operation.value] += 1
            self._sandbox.received.append(_received(operation, request, body))
            if self._key(request, asked) != SANDBOX_KEY:
                return _error("Invalid API key.", 401)
            if operation in (Operation.DOMAINS, Operation.MAILBOXES) and not self._is_its_owner(asked):
                return _error("Unauthorized caller.", 403)
            fault = self._sandbox.faults.take(operation)
            nothing_done = fault is not None and fault.work is Work.NOTHING
            answered = Response() if nothing_done else handler(asked, fault)
            return answered if fault is None else await _spoilt(request, answered, fault)

        return answer

    def domains(self, asked: Mapping[str, Any], fault: Fault | None) -> Response:
        now = self._sandbox.clock.now()
        counts = Counter(address.partition("@")[2] for address in self._sandbox.mailboxes)
        results = {
            domain.name: {
                "status": domain.status if now >= domain.verified_at else "pending",
                "domain_quota": "10GB",
                "mailbox_count": str(counts[domain.name]),
                "created_at": _day(domain.created_at),
            }
            for domain in self._sandbox.domains.values()
            if domain.listed_at <= now
        }
        return _listing({"total_domain": len(results)}, results)

    def create_domain(self, asked: Mapping[str, Any], fault: Fault | None) -> Response:
        name = asked.get("Domain")
        if not isinstance(name, str) or "." not in name:
            return _error("The Domain field is required.", 422)
        if name in self._sandbox.domains:
            return _error("Domain already exists for this account.", 409)
        self._sandbox.add_domain(name)
        return JSONResponse({**_SUCCESS, "domain": name, **self._task_of_the_newer_edition()})

    def create_sub_domains(self, asked: Mapping[str, Any], fault: Fault | None) -> Response:
        """Only what succeeds uses up the hour."""
        parent, params = str(asked.get("Domain")), asked.get("Params")
        labels = params.get("sub_domains") if isinstance(params, dict) else None
        if parent not in self._sandbox.domains:
            return _error("Parent domain was not found.", 404)
        if not isinstance(labels, list) or not labels or not all(is_label(str(label)) for label in labels):
            return _error("The sub domains are invalid.", 422)
        if len(labels) > MOST_SUB_DOMAINS:
            return _error("Maximum 10 sub-domains are allowed per request.", 422)
        wait = self._sandbox.seconds_to_wait(parent)
        if wait > 0:
            text = "Sub-domain requests are limited to once per hour for this domain and API key."
            headers = {"Retry-After": str(-int(-wait // 1))} if self._sandbox.tells_when else None
            return JSONResponse({"status": "error", "reason": text}, 429, headers)
        self._sandbox.use_hour(parent)
        for label in _part(labels, fault):
            self._sandbox.add_domain(f"{label}.{parent}")
        return JSONResponse({**_SUCCESS, "domain": parent})

    def create_mailbox(self, asked: Mapping[str, Any], fault: Fault | None) -> Response:
        name = str(asked.get("Email_fullname", "")).partition("@")[0]
        return self._begin("single", asked, [name], fault)

    def create_mailboxes(self, asked: Mapping[str, Any], fault: Fault | None) -> Response:
        params = asked.get("Params")
        count = params.get("count") if isinstance(params, dict) else None
        if not isinstance(count, int) or count < 1:
            return _error("The Params.count field is required.", 422)
        prefix = str(asked.get("Email_fullname", ""))
        return self._begin("bulk", asked, [f"{prefix}{number}" for number in range(1, count + 1)], fault)

    def mailboxes(self, asked: Mapping[str, Any], fault: Fault | None) -> Response:
        """What a mailbox logs in with is there as soon as it is active."""
        now, domain = self._sandbox.clock.now(), str(asked.get("domain"))
        if domain not in self._sandbox.domains:
            return _error("Domain not found for this account.", 404)
        results = {}
        for mailbox in self._sandbox.mailboxes.values():
            if mailbox.address.endswith(f"@{domain}"):
                is_active = now >= mailbox.active_at
                results[mailbox.address] = {
                    "provisioning_status": mailbox.status if is_active else "pending",
                    "mailbox_quota": f"{mailbox.quota_mb}MB",
                    "imap_credentials": {"user": mailbox.address, "password": IMAP_PASSWORD} if is_active else None,
                    "created_at": _day(mailbox.created_at),
                }
        return _listing({"domain": domain}, results)

    def mailbox_task(self, asked: Mapping[str, Any], fault: Fault | None) -> Response:
        return self._task("single", asked, fault)

    def mailboxes_task(self, asked: Mapping[str, Any], fault: Fault | None) -> Response:
        return self._task("bulk", asked, fault)

    def _begin(
        self, kind: Literal["single", "bulk"], asked: Mapping[str, Any], names: Sequence[str], fault: Fault | None
    ) -> Response:
        domain, params = str(asked.get("Domain")), asked.get("Params")
        if domain not in self._sandbox.domains:
            return _error("Domain not found for this account.", 404)
        if asked.get("single_bulk") != kind or not isinstance(params, dict):
            return _error("The single bulk and params fields are required.", 422)
        if not all(_LOCAL_PART.fullmatch(name) for name in names):
            return _error("The email fullname is invalid.", 422)
        quota_mb = int(params.get("quota_mb", 1024))
        task = self._sandbox.begin(kind, domain, _part(names, fault), quota_mb, asked=names)
        return JSONResponse({**_SUCCESS, "task_id": task.id})

    def _task(self, kind: Literal["single", "bulk"], asked: Mapping[str, Any], fault: Fault | None) -> Response:
        """A 422 is the wrong type of task at one endpoint, and a failed task at the other."""
        said = str(asked.get("task_id"))
        task = self._sandbox.tasks.get(int(said)) if said.isascii() and said.isdigit() else None
        if task is None or (task.kind != kind and kind == "bulk"):
            return _error("Task ID was not found for this API key.", 404)
        if task.kind != kind:
            return _error("Task type does not match this endpoint.", 422)
        is_over = self._sandbox.clock.now() >= task.ends_at
        if is_over and task.fails:
            if kind == "bulk":
                return _error("Task processing failed.", 422)
            return _error(next(iter(task.refused.values())), self._sandbox.failed_status)
        results = {address: {"status": task.refused.get(address, CREATED)} for address in task.addresses}
        word = "completed" if is_over else self._sandbox.pending_word
        return JSONResponse(
            {
                "Task_id": task.id,
                "total_email": len(task.addresses),
                "domain": task.domain,
                "results": results if is_over else [],
                "status": fault.word if fault is not None and fault.kind is Kind.TASK_SAYS else word,
                "task_id": str(task.id),
            }
        )

    def _task_of_the_newer_edition(self) -> dict[str, int]:
        return {"task_id": 9000 + len(self._sandbox.domains)} if self._sandbox.edition == "header" else {}

    def _key(self, request: Request, asked: Mapping[str, Any]) -> str:
        if self._sandbox.edition == "classic":
            return str(asked.get("key"))
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")

    def _is_its_owner(self, asked: Mapping[str, Any]) -> bool:
        caller = asked.get("caller_id")
        return caller == str(SANDBOX_CALLER_ID) or (caller is None and self._sandbox.edition == "header")


class _Admin:
    """What only a simulation has: a look inside, and its switches."""

    def __init__(self, sandbox: MailApiSandbox) -> None:
        self._sandbox = sandbox

    async def state(self, request: Request) -> Response:
        sandbox, now = self._sandbox, self._sandbox.clock.now()
        return JSONResponse(
            {
                "settings": self._settings(),
                "made": sandbox.made,
                "domains": [
                    {"name": domain.name, "verified": now >= domain.verified_at} for domain in sandbox.domains.values()
                ],
                "mailboxes": list(sandbox.mailboxes),
                "tasks": {
                    task.id: {"kind": task.kind, "mailboxes": task.addresses, "over": now >= task.ends_at}
                    for task in sandbox.tasks.values()
                },
                "seconds_to_wait": {name: sandbox.seconds_to_wait(name) for name in sandbox.domains},
                "calls": sandbox.calls,
                "faults": sandbox.faults.waiting(),
            }
        )

    async def change_settings(self, request: Request) -> Response:
        """The switches of `MailApiSandbox`, each optional, and `own`: domains that are there from now on."""
        body = await _json_object(request)
        owned = body.pop("own", [])
        settings = self._settings()
        unknown = sorted(set(body) - set(settings))
        if unknown:
            return _error(f"No such setting: {', '.join(unknown)}", 422)
        for name, value in body.items():
            if name == "failing":
                self._sandbox.failing = {str(item) for item in value}
            else:
                setattr(self._sandbox, name, type(settings[name])(value))
        for name in owned:
            self._sandbox.own(str(name))
        return JSONResponse(self._settings())

    async def add_fault(self, request: Request) -> Response:
        """`{operation, kind, times, …}` with the fields of Fault."""
        body = await _json_object(request)
        try:
            operation, times = Operation(body.pop("operation", "")), int(body.pop("times", 1))
            kind, work = Kind(body.pop("kind", "")), Work(body.pop("work", Work.ALL))
            fault = Fault(kind=kind, work=work, **body)
        except (ValueError, TypeError) as error:
            return _error(str(error), 422)
        self._sandbox.faults.add(operation, fault, times)
        return JSONResponse(self._sandbox.faults.waiting(), 201)

    async def clear_faults(self, request: Request) -> Response:
        self._sandbox.faults.clear()
        return JSONResponse({})

    def _settings(self) -> dict[str, Any]:
        sandbox = self._sandbox
        return {
            "verify_seconds": sandbox.verify_seconds,
            "task_seconds": sandbox.task_seconds,
            "listing_lag_seconds": sandbox.listing_lag_seconds,
            "pending_word": sandbox.pending_word,
            "failed_status": sandbox.failed_status,
            "tells_when": sandbox.tells_when,
            "failing": sorted(sandbox.failing),
        }


_MESSAGES: Mapping[int, str] = {
    404: "Not Found",
    429: "Too Many Attempts.",
}


async def _spoilt(request: Request, answered: Response, fault: Fault) -> Response:
    match fault.kind:
        case Kind.SLOW:
            await asyncio.sleep(fault.seconds)
        case Kind.STATUS:
            headers = None if fault.retry_after is None else {"Retry-After": fault.retry_after}
            said = {"status": "error", "reason": fault.word or _MESSAGES.get(fault.status, "Server Error")}
            answered = JSONResponse(said, fault.status, headers)
        case Kind.CUT:
            answered = _Cut(request)
        case Kind.CUT_IN_ANSWER:
            answered = _Cut(request, answered)
        case Kind.MALFORMED:
            answered = Response("<html>Whoops, looks like something went wrong.", answered.status_code)
        case Kind.UNKNOWN_SHAPE:
            answered = JSONResponse({"result": {"ok": 1}}, answered.status_code)
        case Kind.TASK_SAYS:
            pass  # the task has said it already
    return answered


def _error(reason: str, status: int) -> Response:
    return JSONResponse({"status": "error", "reason": reason}, status)


def _listing(about: Mapping[str, object], results: Mapping[str, object]) -> Response:
    """A map of results, which is a list when it is empty: so does the language that the real one is written in."""
    return JSONResponse({"user_id": str(SANDBOX_CALLER_ID), **about, "results": dict(results) or [], **_SUCCESS})


def _part(items: Sequence[Any], fault: Fault | None) -> Sequence[Any]:
    return items[: -(-len(items) // 2)] if fault is not None and fault.work is Work.HALF else items


def _day(moment: datetime) -> str:
    return moment.strftime("%d-%m-%Y")


def _received(operation: Operation, request: Request, body: Any) -> Received:
    return Received(
        operation=operation,
        method=request.method,
        path=request.url.path,
        query=dict(request.query_params),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
    )


async def _no_such_route(request: Request, error: Exception) -> Response:
    return _error("Not Found", 404)


# How every simulated provider listens, and how a connection of it is cut.


@asynccontextmanager
async def _listening(app: Starlette, host: str, port: int) -> AsyncIterator[str]:
    """The application on a real port; what is given is its URL. No call is written to a log: URLs may hold keys."""
    # Said to be TCP outright: asyncio switches Nagle's algorithm off, at 40 ms an answer, only where it is told so.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
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


async def _json_object(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
