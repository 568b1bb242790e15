"""Smailor itself, simulated: mailboxes on verified domains behind its reputation guard, e-mail, and reply templates.

It keeps what a real provider keeps (domains, mailboxes, messages, templates) and what only a simulation can know (how
often each was really made or sent). Time passes by its clock alone. Everything under /sandbox/ is for whoever drives
it, from any process.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from providers.accounts import Clock
from providers.simulator import (
    REMEMBERED_CALLS,
    Arrived,
    Fault,
    Faults,
    FaultSwitches,
    Handler,
    endpoint,
    json_object,
    serving,
)
from providers.smailor.models import MOST_TEMPLATES, SHORTEST_BODY

SANDBOX_KEY: Final = "sk_smailor_sandbox"
SANDBOX_COOKIE: Final = "smailor_session=sandbox-session"

_ADVICE = {
    "healthy": "Keep it up.",
    "watch": "Send less on this domain and look at its bounces.",
    "blocked": "Stop sending on this domain until complaints go down.",
}
_TEMPLATE_FIELDS = ("name", "description", "subject", "body_html", "body_text", "is_default", "group_ids")
_ADDRESS = re.compile(r"[^@\s]+@([^@\s]+\.[^@\s]+)")


class Operation(StrEnum):
    """The endpoints that are simulated, by the names that faults and counts go by."""

    DOMAINS = "domains"
    CREATE_MAILBOX = "create_mailbox"
    SEND = "send"
    TEMPLATES = "templates"
    CREATE_TEMPLATE = "create_template"
    TEMPLATE = "template"
    UPDATE_TEMPLATE = "update_template"
    DELETE_TEMPLATE = "delete_template"
    PREVIEW = "preview"
    USE = "use"


@dataclass(slots=True)
class SandboxDomain:
    """A custom domain of the account. `reputation` may be any word."""

    name: str
    verified: bool = True
    reputation: str = "healthy"
    sends: int = 0
    bounces: int = 0
    complaints: int = 0


@dataclass(frozen=True, slots=True)
class SandboxMailbox:
    """A mailbox that was really created."""

    address: str
    display_name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SandboxMessage:
    """An e-mail that really went out."""

    to: str
    sender: str
    subject: str
    text: str
    html: str
    at: datetime


@dataclass
class SmailorSandbox:
    """The provider's state, and the switches of its behaviour. Change what you like while it runs."""

    clock: Clock
    card_verified: bool = True
    plan_allows: bool = True
    shows_passwords: bool = False
    """Answer a created mailbox with its password."""
    bare_arrays: bool = False
    """Answer a listing as an array alone rather than under its name."""
    words_under: str = "error"
    """The key under which an error's code word stands."""
    nested: bool = False
    """Put what is said of a domain's reputation into an object of its own."""
    redirects_to_login: bool = False
    """Send whoever is signed out to a page rather than answer 401."""
    remaining: int = 1000
    """E-mails left in the plan."""
    faults: Faults = field(default_factory=lambda: Faults(Operation))
    domains: dict[str, SandboxDomain] = field(default_factory=dict)
    mailboxes: list[SandboxMailbox] = field(default_factory=list)
    messages: list[SandboxMessage] = field(default_factory=list)
    templates: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By id, in the spelling of the API; `use_count` is how often each was used."""
    tickets: dict[str, dict[str, str]] = field(default_factory=dict)
    """What the placeholders stand for, by the ticket's id."""
    calls: Counter[str] = field(default_factory=Counter)
    """How often each operation was called, whatever came of it."""
    arrived: deque[Arrived] = field(default_factory=lambda: deque(maxlen=REMEMBERED_CALLS), repr=False)
    """The latest calls as they came in."""

    def own(self, *names: str, verified: bool = True, reputation: str = "healthy") -> None:
        """Put domains into the account."""
        for name in names:
            self.domains[name] = SandboxDomain(name, verified=verified, reputation=reputation)

    def has_mailbox(self, address: str) -> bool:
        """Whether an address is there."""
        return any(mailbox.address == address for mailbox in self.mailboxes)

    def add_template(self, name: str, subject: str = "Re: {{subject}}", body_html: str = "<p>Thank you.</p>") -> str:
        """Put a template into the account. Returns its id."""
        return self.keep_template({"name": name, "subject": subject, "body_html": body_html})

    def keep_template(self, wanted: Mapping[str, Any]) -> str:
        """What the endpoint does for a new template. Returns its id."""
        template_id = str(uuid.uuid4())
        html = str(wanted["body_html"])
        self.templates[template_id] = {
            "id": template_id,
            "description": None,
            "body_text": _plain(html),
            "is_default": False,
            "group_ids": [],
            **{name: wanted[name] for name in _TEMPLATE_FIELDS if name in wanted},
            "use_count": 0,
            "updated_at": self.clock.now().isoformat(),
        }
        return template_id

    def add_ticket(self, **placeholders: str) -> str:
        """A ticket that templates can be rendered for. Returns its id."""
        ticket_id = str(uuid.uuid4())
        self.tickets[ticket_id] = placeholders
        return ticket_id


# Over HTTP.


def create_app(sandbox: SmailorSandbox) -> Starlette:
    """The sandbox as an ASGI application."""
    api = _Api(sandbox)
    admin = _Admin(sandbox)
    switches = FaultSwitches(sandbox)
    one = "/api/templates/{template_id}"
    endpoints: list[tuple[str, str, Operation, Handler]] = [
        ("GET", "/api/v1/domains", Operation.DOMAINS, api.domains),
        ("POST", "/api/v1/mailboxes", Operation.CREATE_MAILBOX, api.create_mailbox),
        ("POST", "/api/v1/send", Operation.SEND, api.send),
        ("GET", "/api/templates", Operation.TEMPLATES, api.templates),
        ("POST", "/api/templates", Operation.CREATE_TEMPLATE, api.create_template),
        ("GET", one, Operation.TEMPLATE, api.template),
        ("PATCH", one, Operation.UPDATE_TEMPLATE, api.update_template),
        ("DELETE", one, Operation.DELETE_TEMPLATE, api.delete_template),
        ("POST", f"{one}/preview", Operation.PREVIEW, api.preview),
        ("POST", f"{one}/use", Operation.USE, api.use),
    ]
    return Starlette(
        routes=[
            *(
                Route(
                    path,
                    endpoint(sandbox, operation, handler, admit=api.turned_away, words=api.words),
                    methods=[method],
                )
                for method, path, operation, handler in endpoints
            ),
            Route("/sandbox/state", admin.state, methods=["GET"]),
            Route("/sandbox/settings", admin.change_settings, methods=["POST"]),
            Route("/sandbox/faults", switches.add, methods=["POST"]),
            Route("/sandbox/faults", switches.clear, methods=["DELETE"]),
        ],
        exception_handlers={404: _the_app_itself},
    )


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that can be called at `url`."""

    url: str
    sandbox: SmailorSandbox


@asynccontextmanager
async def serve(sandbox: SmailorSandbox, *, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[Running]:
    """The sandbox over real HTTP for as long as the context lasts, in this event loop; port 0 is any free one."""
    async with serving(create_app(sandbox), port=port, host=host) as url:
        yield Running(url=url, sandbox=sandbox)


class _Api:
    """The documented endpoints, and what is likely of their undocumented answers."""

    def __init__(self, sandbox: SmailorSandbox) -> None:
        self._sandbox = sandbox

    async def turned_away(self, request: Request) -> Response | None:
        """The answer to whoever is not known: by the key under /api/v1, by the cookie under /api/templates."""
        if request.url.path.startswith("/api/templates"):
            if request.headers.get("cookie") == SANDBOX_COOKIE:
                return None
            if self._sandbox.redirects_to_login:
                return RedirectResponse("/login?next=templates", 302)
            return self._no(401, "unauthorized")
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        shown = key if scheme.lower() == "bearer" else request.headers.get("x-api-key")
        if shown != SANDBOX_KEY:
            return self._no(401, "unauthorized")
        return None if self._sandbox.plan_allows else self._no(403, "forbidden")

    def words(self, status: int, word: str) -> JsonValue:
        """What goes with a status of a fault."""
        usual = {429: "too_many_requests", 500: "internal_error"}.get(status, "oops")
        return {self._sandbox.words_under: word or usual}

    async def domains(self, request: Request, fault: Fault | None) -> Response:
        return self._list("domains", [self._shown(domain) for domain in self._sandbox.domains.values()])

    async def create_mailbox(self, request: Request, fault: Fault | None) -> Response:
        body = await json_object(request)
        local, domain = body.get("localPart"), self._sandbox.domains.get(str(body.get("domain")))
        if not isinstance(local, str) or not re.fullmatch(r"[A-Za-z0-9._-]+", local):
            return self._no(400, "invalid_body")
        if domain is None or not domain.verified:
            return self._no(400, "domain_not_verified")
        if not self._sandbox.card_verified:
            return self._no(403, "card_not_verified")
        if domain.reputation == "blocked":
            return self._no(409, "domain_reputation_blocked")
        address = f"{local}@{domain.name}".lower()
        if self._sandbox.has_mailbox(address):
            return self._no(409, "address_taken")
        name = str(body.get("displayName") or "")
        self._sandbox.mailboxes.append(SandboxMailbox(address, name, self._sandbox.clock.now()))
        mailbox: dict[str, JsonValue] = {"id": str(uuid.uuid4()), "address": address, "displayName": name}
        if self._sandbox.shows_passwords:
            mailbox["password"] = password_of(address)
        return JSONResponse({"mailbox": mailbox}, 201)

    async def send(self, request: Request, fault: Fault | None) -> Response:
        body = await json_object(request)
        to, sender, subject = (str(body.get(name) or "") for name in ("to", "from", "subject"))
        text, html = str(body.get("text") or ""), str(body.get("html") or "")
        from_domain = _ADDRESS.fullmatch(sender)
        if not _ADDRESS.fullmatch(to) or not from_domain or not subject or not (text or html):
            return self._no(400, "invalid_body")
        domain = self._sandbox.domains.get(from_domain[1])
        if domain is None or not domain.verified or not self._sandbox.has_mailbox(sender):
            return self._no(400, "domain_not_verified")
        if self._sandbox.remaining <= 0:
            return self._no(403, "forbidden")
        self._sandbox.remaining -= 1
        domain.sends += 1
        html = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL | re.IGNORECASE)
        self._sandbox.messages.append(SandboxMessage(to, sender, subject, text, html, self._sandbox.clock.now()))
        return JSONResponse({"id": f"msg_{len(self._sandbox.messages)}", "remaining": self._sandbox.remaining})

    async def templates(self, request: Request, fault: Fault | None) -> Response:
        group, ticket = request.query_params.get("groupId"), request.query_params.get("ticketId")
        if ticket is not None and ticket not in self._sandbox.tickets:
            return self._no(403, "forbidden")
        shown = [
            template
            for template in self._sandbox.templates.values()
            if group is None or not template["group_ids"] or group in template["group_ids"]
        ]
        return self._list("templates", list(shown))

    async def create_template(self, request: Request, fault: Fault | None) -> Response:
        body = await json_object(request)
        problems = _problems(body, ("name", "subject", "body_html"))
        if problems:
            return self._no(400, "invalid_body", errors=problems)
        if len(self._sandbox.templates) >= MOST_TEMPLATES:
            return self._no(400, "template_limit_reached")
        template = self._sandbox.templates[self._sandbox.keep_template(body)]
        return JSONResponse({"template": template}, 201)

    async def template(self, request: Request, fault: Fault | None) -> Response:
        found = self._sandbox.templates.get(request.path_params["template_id"])
        return self._no(404, "not_found") if found is None else JSONResponse({"template": found})

    async def update_template(self, request: Request, fault: Fault | None) -> Response:
        found = self._sandbox.templates.get(request.path_params["template_id"])
        if found is None:
            return self._no(404, "not_found")
        body = await json_object(request)
        problems = _problems(body, tuple(name for name in ("name", "subject", "body_html") if name in body))
        if problems:
            return self._no(400, "invalid_body", errors=problems)
        found |= {name: value for name, value in body.items() if name in _TEMPLATE_FIELDS}
        found["updated_at"] = self._sandbox.clock.now().isoformat()
        return JSONResponse({"template": found})

    async def delete_template(self, request: Request, fault: Fault | None) -> Response:
        if self._sandbox.templates.pop(request.path_params["template_id"], None) is None:
            return self._no(404, "not_found")
        return Response(status_code=204)

    async def preview(self, request: Request, fault: Fault | None) -> Response:
        found = self._sandbox.templates.get(request.path_params["template_id"])
        ticket = self._sandbox.tickets.get(str((await json_object(request)).get("ticketId")))
        if found is None or ticket is None:
            return self._no(404, "not_found")
        rendered = {
            name: re.sub(r"\{\{(\w+)\}\}", lambda match: ticket.get(match[1], match[0]), str(found[key] or ""))
            for name, key in (("subject", "subject"), ("html", "body_html"), ("text", "body_text"))
        }
        return JSONResponse(rendered)

    async def use(self, request: Request, fault: Fault | None) -> Response:
        found = self._sandbox.templates.get(request.path_params["template_id"])
        if found is None:
            return self._no(404, "not_found")
        found["use_count"] += 1
        return Response(status_code=204)

    def _shown(self, domain: SandboxDomain) -> JsonValue:
        said: dict[str, JsonValue] = {
            "status": domain.reputation,
            "recommendation": _ADVICE.get(domain.reputation, "Wait and see."),
        }
        counts: dict[str, JsonValue] = {
            "sends": domain.sends,
            "bounces": domain.bounces,
            "complaints": domain.complaints,
        }
        row: dict[str, JsonValue] = {"domain": domain.name, "verified": domain.verified}
        return row | ({"reputation": said, "stats": counts} if self._sandbox.nested else said | counts)

    def _list(self, name: str, rows: list[JsonValue]) -> Response:
        return JSONResponse(rows if self._sandbox.bare_arrays else {name: rows})

    def _no(self, status: int, word: str, **more: JsonValue) -> Response:
        return JSONResponse({self._sandbox.words_under: word, **more}, status)


class _Admin:
    """What only a simulation has: a look inside, and its switches."""

    _SWITCHES = (
        "card_verified",
        "plan_allows",
        "shows_passwords",
        "bare_arrays",
        "words_under",
        "nested",
        "redirects_to_login",
        "remaining",
    )

    def __init__(self, sandbox: SmailorSandbox) -> None:
        self._sandbox = sandbox

    async def state(self, request: Request) -> Response:
        sandbox = self._sandbox
        return JSONResponse(
            {
                "settings": self._settings(),
                "domains": [asdict(domain) for domain in sandbox.domains.values()],
                "mailboxes": [mailbox.address for mailbox in sandbox.mailboxes],
                "messages": [{"to": m.to, "from": m.sender, "subject": m.subject} for m in sandbox.messages],
                "templates": list(sandbox.templates.values()),
                "calls": sandbox.calls,
                "faults": sandbox.faults.waiting(),
            }
        )

    async def change_settings(self, request: Request) -> Response:
        """Any of the switches, by name, and `reputations` of domains by theirs."""
        body = await json_object(request)
        reputations = body.pop("reputations", {})
        unknown = sorted([*(set(body) - set(self._SWITCHES)), *(set(reputations) - set(self._sandbox.domains))])
        if unknown:
            return JSONResponse({"message": f"No such setting: {', '.join(unknown)}"}, 422)
        for name, value in body.items():
            setattr(self._sandbox, name, type(getattr(self._sandbox, name))(value))
        for name, word in reputations.items():
            self._sandbox.domains[name].reputation = str(word)
        return JSONResponse(self._settings())

    def _settings(self) -> dict[str, object]:
        return {name: getattr(self._sandbox, name) for name in self._SWITCHES}


def password_of(address: str) -> str:
    """The password of a mailbox: made up, and the same each time."""
    return f"pw-{address[::-1]}"


async def _the_app_itself(request: Request, error: Exception) -> Response:
    """Every other address is the web application, which greets with a page and a 200."""
    return Response("<!doctype html><title>Smailor</title>", media_type="text/html")


def _problems(body: Mapping[str, Any], needed: tuple[str, ...]) -> dict[str, JsonValue]:
    problems: dict[str, JsonValue] = {
        name: ["Required"] for name in needed if not isinstance(body.get(name), str) or not body[name]
    }
    html = body.get("body_html")
    if isinstance(html, str) and 0 < len(html) < SHORTEST_BODY:
        problems["body_html"] = [f"At least {SHORTEST_BODY} characters"]
    return problems


def _plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())
