"""MailAPI.tech itself, simulated: it queues everything, tells little, and breaks in all the ways one asks it to.

It keeps what the real one keeps (domains, mailboxes, tasks, the hour of every domain) and what only a simulation can
know (what was really made, how often, and what every call looked like). Time passes by its clock alone. Everything
under /sandbox/ is for whoever drives it, from any process.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final, Literal

from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from providers.accounts import Clock
from providers.mailapi.models import CREATED, MOST_SUB_DOMAINS, is_label
from providers.simulator import (
    REMEMBERED_CALLS,
    Arrived,
    Fault,
    Faults,
    FaultSwitches,
    Handler,
    Kind,
    endpoint,
    json_object,
    part,
    serving,
)

SANDBOX_KEY: Final = "SandboxKey0123456789abcdefABCDEF"
SANDBOX_CALLER_ID: Final = 123

SUB_DOMAIN_SECONDS = 3600
IMAP_PASSWORD: Final = "imap-password-of-a-mailbox"  # noqa: S105 (opens nothing)

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
    faults: Faults = field(default_factory=lambda: Faults(Operation))
    failing: set[str] = field(default_factory=set)
    """Addresses that are accepted and then fail in their task. They are not made."""
    domains: dict[str, SandboxDomain] = field(default_factory=dict)
    mailboxes: dict[str, SandboxMailbox] = field(default_factory=dict)
    tasks: dict[int, SandboxTask] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    """The domains, sub-domains and mailboxes that were really made, in order. One that is here twice was made twice."""
    calls: Counter[str] = field(default_factory=Counter)
    """How often each operation was called, whatever came of it."""
    arrived: deque[Arrived] = field(default_factory=lambda: deque(maxlen=REMEMBERED_CALLS), repr=False)
    """The latest calls as they came in."""
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
    switches = FaultSwitches(sandbox)
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
                Route(
                    f"{sandbox.path_prefix}/v1{path}",
                    endpoint(
                        sandbox,
                        operation,
                        _with_what_is_asked(handler),
                        admit=partial(api.turned_away, operation),
                        words=_words,
                    ),
                    methods=[method],
                )
                for method, path, operation, handler in endpoints
            ),
            Route("/sandbox/state", admin.state, methods=["GET"]),
            Route("/sandbox/settings", admin.change_settings, methods=["POST"]),
            Route("/sandbox/faults", switches.add, methods=["POST"]),
            Route("/sandbox/faults", switches.clear, methods=["DELETE"]),
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
    """The sandbox over real HTTP for as long as the context lasts, in this event loop; port 0 is any free one."""
    async with serving(create_app(sandbox), port=port, host=host) as url:
        yield Running(url=url, sandbox=sandbox)


_Handler = Callable[[Mapping[str, Any], "Fault | None"], Response]


def _with_what_is_asked(handler: _Handler) -> Handler:
    async def answer(request: Request, fault: Fault | None) -> Response:
        return handler(await _asked(request), fault)

    return answer


async def _asked(request: Request) -> Mapping[str, Any]:
    return request.query_params if request.method == "GET" else await json_object(request)


class _Api:
    """The documented endpoints, their quirks included. A handler is given the query of a GET, the body of a POST."""

    def __init__(self, sandbox: MailApiSandbox) -> None:
        self._sandbox = sandbox

    async def turned_away(self, operation: Operation, request: Request) -> Response | None:
        """The answer to whoever has not the key or is not its owner, None for all others."""
        asked = await _asked(request)
        if self._key(request, asked) != SANDBOX_KEY:
            return _error("Invalid API key.", 401)
        if operation in (Operation.DOMAINS, Operation.MAILBOXES) and not self._is_its_owner(asked):
            return _error("Unauthorized caller.", 403)
        return None

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
        for label in part(labels, fault):
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
        task = self._sandbox.begin(kind, domain, part(names, fault), quota_mb, asked=names)
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
                "status": fault.word if fault is not None and fault.kind is Kind.JOB_SAYS else word,
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
        body = await json_object(request)
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


def _words(status: int, word: str) -> JsonValue:
    return {"status": "error", "reason": word or _MESSAGES.get(status, "Server Error")}


def _error(reason: str, status: int) -> Response:
    return JSONResponse({"status": "error", "reason": reason}, status)


def _listing(about: Mapping[str, object], results: Mapping[str, object]) -> Response:
    """A map of results, which is a list when it is empty: so does the language that the real one is written in."""
    return JSONResponse({"user_id": str(SANDBOX_CALLER_ID), **about, "results": dict(results) or [], **_SUCCESS})


def _day(moment: datetime) -> str:
    return moment.strftime("%d-%m-%Y")


async def _no_such_route(request: Request, error: Exception) -> Response:
    return _error("Not Found", 404)
