"""ScaledMail itself, simulated: it sells pre-warmed domains, answers in the shape of the day, and lags.

It keeps what a real provider keeps (organizations, shelves, domains, mailboxes) and what only a simulation can know
(what was really bought, how often, what was charged). Time passes by its clock alone. Everything under /sandbox/ is for
whoever drives it, from any process.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from providers.accounts import Clock
from providers.scaledmail.models import Platform
from providers.simulator import (
    REMEMBERED_CALLS,
    Arrived,
    Fault,
    Faults,
    FaultSwitches,
    Handler,
    endpoint,
    json_object,
    part,
    serving,
)

SANDBOX_KEY: Final = "sandbox-scaledmail-key"
SANDBOX_ORGANIZATION: Final = "org-sandbox"
SANDBOX_SECOND_ORGANIZATION: Final = "org-second"

_PREFIX = "/api/v1"
_NAMES = (("Nora", "Lind"), ("Mary", "Jones"), ("Linda", "Brown"), ("Paul", "Young"), ("Ruth", "Adler"))


class Operation(StrEnum):
    """The endpoints that are simulated, by the names that faults and counts go by."""

    ORGANIZATIONS = "organizations"
    STOCK = "stock"
    BUY = "buy"
    DOMAINS = "domains"
    PURCHASED = "purchased"
    MAILBOXES = "mailboxes"


@dataclass(frozen=True, slots=True)
class StockInbox:
    """A pre-warmed domain on the shelf."""

    id: str
    domain: str
    platform: Platform
    warmup_months: int
    mailbox_count: int
    one_time: Decimal
    monthly: Decimal


@dataclass(frozen=True, slots=True)
class Purchase:
    """Money that was spent: one domain, bought once more. Not `charged` is a subscription without a payment, yet."""

    domain: str
    organization: str
    tag: str
    at: datetime
    price: Decimal
    charged: bool = True


@dataclass(slots=True)
class SandboxDomain:
    """A domain of an organization: listed from `listed_at`, active from `active_at`, with its mailboxes' names."""

    id: str
    name: str
    organization: str
    platform: Platform
    tag: str
    listed_at: datetime
    active_at: datetime
    mailboxes: tuple[str, ...]
    redirect: str = ""
    in_use: bool = True
    """Whether it serves an order already, and so is not available for a new one."""
    paid: bool = True
    status: str = ""
    """A word of its own instead of what follows from the clock."""


@dataclass
class ScaledMailSandbox:
    """The provider's state, and the switches of its behaviour. Change what you like while it runs."""

    clock: Clock
    listing_lag_seconds: float = 0.0
    """How long after a purchase nothing knows of it yet: no listing shows it, and it can be bought once more."""
    setup_seconds: float = 0.0
    """How long a bought domain is being set up, by the clock."""
    bare_arrays: bool = False
    """Answer a listing as an array alone rather than under its name."""
    organizations_need_one: bool = False
    """Insist on an organization_id even where one asks which there are."""
    charge_fails: bool = False
    """Let a purchase create its subscription, fail to charge for it, and call that a 400."""
    all_or_nothing: bool = False
    """Refuse a purchase of which one domain is gone; otherwise the others are bought and the answer says nothing."""
    leaves_tags_out: bool = False
    """List domains without their tags."""
    faults: Faults = field(default_factory=lambda: Faults(Operation))
    organizations: dict[str, str] = field(
        default_factory=lambda: {SANDBOX_ORGANIZATION: "Sandbox", SANDBOX_SECOND_ORGANIZATION: "Second"}
    )
    """Names by id."""
    stock: dict[str, StockInbox] = field(default_factory=dict)
    """What is or was for sale, by id."""
    sold: dict[str, datetime] = field(default_factory=dict)
    """When what was bought is gone from the shelf, by id."""
    stated_total: int | None = None
    """The total that the stock claims to have, where it is not what it has."""
    domains: dict[str, SandboxDomain] = field(default_factory=dict)
    """What all organizations have, by id."""
    purchases: list[Purchase] = field(default_factory=list)
    """What was really bought, in order. A domain that is here twice was paid for twice."""
    sequencers: list[dict[str, Any]] = field(default_factory=list, repr=False)
    """The sequencers that came with purchases, passwords included."""
    calls: Counter[str] = field(default_factory=Counter)
    """How often each operation was called, whatever came of it."""
    arrived: deque[Arrived] = field(default_factory=lambda: deque(maxlen=REMEMBERED_CALLS), repr=False)
    """The latest calls as they came in."""

    def times_bought(self, domain: str) -> int:
        """How often a domain was paid for, or has become a subscription that will be."""
        return sum(purchase.domain == domain for purchase in self.purchases)

    def put_on_shelf(
        self,
        *domains: str,
        platform: Platform = Platform.GOOGLE,
        warmup_months: int = 1,
        mailbox_count: int = 2,
        one_time: str = "23",
        monthly: str = "8",
    ) -> list[StockInbox]:
        """Offer pre-warmed domains, each at the same price."""
        offered = [
            StockInbox(
                id=f"rec{len(self.stock) + index:014d}",
                domain=domain,
                platform=platform,
                warmup_months=warmup_months,
                mailbox_count=mailbox_count,
                one_time=Decimal(one_time),
                monthly=Decimal(monthly),
            )
            for index, domain in enumerate(domains)
        ]
        self.stock |= {inbox.id: inbox for inbox in offered}
        return offered

    def own(
        self, *names: str, organization: str = SANDBOX_ORGANIZATION, mailboxes: int = 2, in_use: bool = True
    ) -> list[SandboxDomain]:
        """Put domains into an organization that have been there since before the story begins."""
        now = self.clock.now()
        return [
            self._add(name, organization, Platform.GOOGLE, "", mailboxes, listed=now, active=now, in_use=in_use)
            for name in names
        ]

    # What the endpoints do.

    def on_shelf(self) -> list[StockInbox]:
        """What can be bought, as far as is known."""
        now = self.clock.now()
        return [inbox for inbox in self.stock.values() if inbox.id not in self.sold or now < self.sold[inbox.id]]

    def buy(self, inboxes: Sequence[StockInbox], organization: str, tag: str, redirects: Mapping[str, str]) -> None:
        """Take these from the shelf into the organization, and charge for them unless that fails today."""
        now = self.clock.now()
        listed = now + timedelta(seconds=self.listing_lag_seconds)
        for inbox in inboxes:
            self.sold.setdefault(inbox.id, listed)
            price = inbox.one_time + inbox.monthly
            self.purchases.append(Purchase(inbox.domain, organization, tag, now, price, charged=not self.charge_fails))
            domain = self._add(
                inbox.domain,
                organization,
                inbox.platform,
                tag,
                inbox.mailbox_count,
                listed=listed,
                active=now + timedelta(seconds=self.setup_seconds),
            )
            domain.paid = not self.charge_fails
            domain.redirect = redirects.get(inbox.id, "")

    def listed(self, organization: str) -> list[SandboxDomain]:
        """The domains of an organization that its listings show by now."""
        now = self.clock.now()
        return [d for d in self.domains.values() if d.organization == organization and d.listed_at <= now]

    def _add(
        self,
        name: str,
        organization: str,
        platform: Platform,
        tag: str,
        mailboxes: int,
        *,
        listed: datetime,
        active: datetime,
        in_use: bool = True,
    ) -> SandboxDomain:
        for known in self.domains.values() if tag else ():
            if (known.name, known.organization) == (name, organization):
                return known  # bought twice, but there is only one of it
        domain = SandboxDomain(
            id=f"dom{len(self.domains) + 1:06d}",
            name=name,
            organization=organization,
            platform=platform,
            tag=tag,
            listed_at=listed,
            active_at=active,
            mailboxes=tuple(f"{_alias(index)}@{name}" for index in range(mailboxes)),
            in_use=in_use,
        )
        self.domains[domain.id] = domain
        return domain


# Over HTTP.


def create_app(sandbox: ScaledMailSandbox) -> Starlette:
    """The sandbox as an ASGI application."""
    api = _Api(sandbox)
    admin = _Admin(sandbox)
    switches = FaultSwitches(sandbox)
    endpoints: list[tuple[str, str, Operation, Handler]] = [
        ("GET", "/organizations", Operation.ORGANIZATIONS, api.organizations),
        ("GET", "/pre-warm-inboxes", Operation.STOCK, api.stock),
        ("POST", "/buy-pre-warm-inboxes", Operation.BUY, api.buy),
        ("GET", "/domains", Operation.DOMAINS, api.domains),
        ("GET", "/purchased-domains", Operation.PURCHASED, api.purchased),
        ("GET", "/mailboxes/{domain_id}", Operation.MAILBOXES, api.mailboxes),
    ]
    return Starlette(
        routes=[
            *(
                Route(
                    _PREFIX + path,
                    endpoint(sandbox, operation, handler, admit=api.turned_away, words=_words),
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
    """A sandbox that can be called at `url`, which is a base URL for the client: its version is part of it."""

    url: str
    root: str
    sandbox: ScaledMailSandbox


@asynccontextmanager
async def serve(sandbox: ScaledMailSandbox, *, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[Running]:
    """The sandbox over real HTTP for as long as the context lasts, in this event loop; port 0 is any free one."""
    async with serving(create_app(sandbox), port=port, host=host) as root:
        yield Running(url=root + _PREFIX, root=root, sandbox=sandbox)


class _Api:
    """The documented endpoints, and what is likely of their undocumented answers."""

    def __init__(self, sandbox: ScaledMailSandbox) -> None:
        self._sandbox = sandbox

    async def turned_away(self, request: Request) -> Response | None:
        """The answer to whoever has no key, or names no organization or a wrong one; None for all others."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or key != SANDBOX_KEY:
            return JSONResponse({"message": "Unauthorized"}, 401)
        organization = request.query_params.get("organization_id")
        free = request.url.path.endswith("/organizations") and not self._sandbox.organizations_need_one
        if organization is None and not free:
            return JSONResponse({"message": "organization_id is required"}, 400)
        if organization is not None and organization not in self._sandbox.organizations:
            return JSONResponse({"message": "Organization not found"}, 404)
        return None

    async def organizations(self, request: Request, fault: Fault | None) -> Response:
        known = self._sandbox.organizations
        return self._list("organizations", [{"id": key, "name": name} for key, name in known.items()])

    async def stock(self, request: Request, fault: Fault | None) -> Response:
        shelves: dict[str, list[JsonValue]] = {"google": [], "outlook": []}
        on_shelf = self._sandbox.on_shelf()
        for inbox in on_shelf:
            shelves.setdefault(inbox.platform.value, []).append(_offered(inbox))
        total = self._sandbox.stated_total
        return JSONResponse({"total": len(on_shelf) if total is None else total, **shelves})

    async def buy(self, request: Request, fault: Fault | None) -> Response:
        body = await json_object(request)
        wanted = body.get("domains")
        if not isinstance(wanted, list) or not wanted or not all(isinstance(item, dict) for item in wanted):
            return JSONResponse({"message": "domains is required"}, 400)
        sequencer = body.get("sequencer")
        needed = ("provider", "username", "password", "link")
        if sequencer is not None and not all(sequencer.get(name) for name in needed):
            return JSONResponse({"message": "sequencer is incomplete"}, 400)
        on_shelf = {(inbox.id, inbox.domain): inbox for inbox in self._sandbox.on_shelf()}
        asked = [(item.get("id"), item.get("domain")) for item in wanted]
        there = [on_shelf[one] for one in asked if one in on_shelf]
        if not there or (self._sandbox.all_or_nothing and len(there) < len(wanted)):
            return JSONResponse({"message": "Not enough pre-warm inboxes available"}, 400)
        if sequencer is not None:
            self._sandbox.sequencers.append(sequencer)
        tag = str(body.get("tag") or "")
        redirects = {str(item.get("id")): str(item.get("redirect") or "") for item in wanted}
        self._sandbox.buy(part(there, fault), request.query_params["organization_id"], tag, redirects)
        if self._sandbox.charge_fails:
            return JSONResponse({"message": "Subscription created but unable to charge"}, 400)
        return JSONResponse({"message": "Pre-warm inboxes are being assigned.", "tag": tag})

    async def domains(self, request: Request, fault: Fault | None) -> Response:
        """Those that serve an order."""
        found = self._sandbox.listed(request.query_params["organization_id"])
        return self._list("domains", [self._shown(domain) for domain in found if domain.in_use])

    async def purchased(self, request: Request, fault: Fault | None) -> Response:
        found = self._sandbox.listed(request.query_params["organization_id"])
        only_available = request.query_params.get("available") == "true"
        shown = [self._shown(domain) for domain in found if not only_available or not domain.in_use]
        return self._list("domains", shown)

    async def mailboxes(self, request: Request, fault: Fault | None) -> Response:
        domain = self._sandbox.domains.get(request.path_params["domain_id"])
        if domain is None or domain.organization != request.query_params["organization_id"]:
            return JSONResponse({"message": "Domain not found"}, 404)
        with_passwords = request.query_params.get("password") == "true"
        rows: list[JsonValue] = []
        for index, address in enumerate(domain.mailboxes):
            first, last = _NAMES[index % len(_NAMES)]
            row: dict[str, JsonValue] = {
                "id": f"{domain.id}-{index}",
                "email": address,
                "first_name": first,
                "last_name": last,
                "status": "Active",
            }
            rows.append(row | {"password": password_of(address)} if with_passwords else row)
        return self._list("mailboxes", rows)

    def _shown(self, domain: SandboxDomain) -> JsonValue:
        """Active says nothing about the payment, as in life."""
        active = self._sandbox.clock.now() >= domain.active_at
        row: dict[str, JsonValue] = {
            "id": domain.id,
            "domain": domain.name,
            "status": domain.status or ("Active" if active else "Pending"),
            "provider": domain.platform.value,
            "redirect": domain.redirect,
            "emailMailboxCount": len(domain.mailboxes),
            "payment_status": "paid" if domain.paid else "requires_confirmation",
        }
        return row if self._sandbox.leaves_tags_out else row | {"tag": domain.tag}

    def _list(self, name: str, rows: list[JsonValue]) -> Response:
        return JSONResponse(rows if self._sandbox.bare_arrays else {name: rows})


class _Admin:
    """What only a simulation has: a look inside, and its switches."""

    _SWITCHES = (
        "listing_lag_seconds",
        "setup_seconds",
        "bare_arrays",
        "organizations_need_one",
        "charge_fails",
        "all_or_nothing",
        "leaves_tags_out",
    )

    def __init__(self, sandbox: ScaledMailSandbox) -> None:
        self._sandbox = sandbox

    async def state(self, request: Request) -> Response:
        sandbox = self._sandbox
        return JSONResponse(
            {
                "settings": self._settings(),
                "stock": [inbox.domain for inbox in sandbox.on_shelf()],
                "purchases": [
                    {
                        "domain": p.domain,
                        "organization": p.organization,
                        "tag": p.tag,
                        "at": p.at.isoformat(),
                        "price": str(p.price),
                        "charged": p.charged,
                    }
                    for p in sandbox.purchases
                ],
                "domains": [
                    {"id": d.id, "name": d.name, "organization": d.organization} for d in sandbox.domains.values()
                ],
                "calls": sandbox.calls,
                "faults": sandbox.faults.waiting(),
            }
        )

    async def change_settings(self, request: Request) -> Response:
        """Any of the switches, by name."""
        body = await json_object(request)
        unknown = sorted(set(body) - set(self._SWITCHES))
        if unknown:
            return JSONResponse({"message": f"No such setting: {', '.join(unknown)}"}, 422)
        for name, value in body.items():
            setattr(self._sandbox, name, type(getattr(self._sandbox, name))(value))
        return JSONResponse(self._settings())

    def _settings(self) -> dict[str, object]:
        return {name: getattr(self._sandbox, name) for name in self._SWITCHES}


def password_of(address: str) -> str:
    """The password of a mailbox: made up, and the same each time."""
    return f"pw-{address[::-1]}"


def _alias(index: int) -> str:
    first, last = _NAMES[index % len(_NAMES)]
    number = index // len(_NAMES)
    return f"{first}.{last}{number or ''}".lower()


def _offered(inbox: StockInbox) -> JsonValue:
    """An inbox as it is listed: fewer mailboxes than its count, and of Outlook none, as in the documentation."""
    row: dict[str, JsonValue] = {
        "warmup_age": inbox.warmup_months,
        "id": inbox.id,
        "domain": inbox.domain,
        "emailMailboxCount": inbox.mailbox_count,
        "pricing": {"oneTimePrice": _number(inbox.one_time), "monthlyPrice": _number(inbox.monthly)},
    }
    if inbox.platform is Platform.GOOGLE:
        first, last = _NAMES[0]
        row["emailMailbox"] = [{"first_name": first, "last_name": last, "alias": _alias(0)}]
    return row


def _number(price: Decimal) -> JsonValue:
    number: JsonValue = json.loads(str(price))
    return number


def _words(status: int, word: str) -> JsonValue:
    return {"message": word or ("Too Many Requests" if status == 429 else "Something went wrong")}


async def _no_such_route(request: Request, error: Exception) -> Response:
    return JSONResponse({"message": f"Cannot {request.method} {request.url.path}"}, 404)
