"""Instantly itself, simulated: it says 200 when it means no, ignores what it does not like, and breaks when asked to.

It keeps what the real one keeps (campaigns, sending accounts, leads, keys) and what only a simulation can know (what
really happened, how often, and what every call looked like). Time passes by its clock alone. Everything under /sandbox/
is for whoever drives it, from any process.
"""

from __future__ import annotations

import base64
import re
import secrets
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, Final

from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
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
    part,
    serving,
)

SANDBOX_SESSION: Final = "sandbox-session-token"
SANDBOX_ORGANIZATION_TOKEN: Final = "sandbox-organization-token"  # noqa: S105 (opens nothing but this)
SANDBOX_ORGANIZATION_ID: Final = "0b1c2d3e-0000-4000-8000-00000000000a"
SANDBOX_WORKSPACE_ID: Final = "0b1c2d3e-0000-4000-8000-00000000000b"
SANDBOX_USER_ID: Final = "0b1c2d3e-0000-4000-8000-00000000000c"

LISTED_BY_DEFAULT = 10

_SUCCESS: Mapping[str, str] = {"status": "success"}
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TEXT_SPACE = re.compile(r">[^<]*[ \u00a0][^<]*(<|$)|^[^<]*[ \u00a0]")
_SEQUENCE_FIELDS = ({"steps"}, {"type", "variants"}, {"subject", "body"})


class Operation(StrEnum):
    """The endpoints that are simulated, by the names that faults and counts go by."""

    CREATE_CAMPAIGN = "create_campaign"
    CAMPAIGN = "campaign"
    OPTIONS = "options"
    SEQUENCES = "sequences"
    ACCOUNTS = "accounts"
    UPDATE_ACCOUNT = "update_account"
    UPDATE_ACCOUNTS = "update_accounts"
    CREATE_API_KEY = "create_api_key"
    ADD_LEADS = "add_leads"


@dataclass(slots=True)
class SandboxCampaign:
    """A campaign; `foreign` ones belong to another organization."""

    id: str
    name: str
    user_id: str
    created_at: datetime
    foreign: bool = False
    status: Any = 0
    options: dict[str, Any] = field(default_factory=dict)
    sequences: list[Any] = field(default_factory=list)
    leads: list[str] = field(default_factory=list)


@dataclass(slots=True)
class SandboxAccount:
    """A sending account, its numbers as the text that Instantly keeps them as."""

    email: str
    first_name: str
    last_name: str
    created_at: datetime
    status: Any = 1
    daily_limit: str = "30"
    sending_gap: str = "10"
    warmup_limit: str = "10"
    warmup_score: Any = 100
    tags: tuple[str, ...] = ()


@dataclass
class InstantlySandbox:
    """The provider's state, and the switches of its behaviour. Change what you like while it runs."""

    clock: Clock
    faults: Faults = field(default_factory=lambda: Faults(Operation))
    expired: bool = False
    """Whether the session has ended: every call is a 401."""
    has_plan: bool = True
    """Without a plan, whatever would change something is a 402."""
    remaining_in_plan: int = 100_000
    """How many more leads fit in."""
    most_per_page: int = 1000
    """So many accounts it lists at a time, however many it is asked for."""
    skips: bool = True
    """Whether it heeds how many of the accounts are to be skipped."""
    blocklist: set[str] = field(default_factory=set)
    """Addresses that never become leads."""
    campaigns: dict[str, SandboxCampaign] = field(default_factory=dict)
    accounts: dict[str, SandboxAccount] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list, repr=False)
    """The API keys that were really made, in order."""
    verified: list[str] = field(default_factory=list)
    """The leads whose verification was paid for, in order. One that is here twice was paid for twice."""
    changes: Counter[str] = field(default_factory=Counter)
    """How often each operation really changed something, or would have had it been new."""
    calls: Counter[str] = field(default_factory=Counter)
    """How often each operation was called, whatever came of it."""
    arrived: deque[Arrived] = field(default_factory=lambda: deque(maxlen=REMEMBERED_CALLS), repr=False)
    """The latest calls as they came in."""

    def add_account(self, email: str, **facts: Any) -> SandboxAccount:
        """Put a sending account into the workspace."""
        first, _, last = email.partition("@")[0].partition(".")
        names: dict[str, Any] = {"first_name": first.capitalize(), "last_name": last.capitalize()}
        self.accounts[email] = SandboxAccount(email=email, created_at=self.clock.now(), **(names | facts))
        return self.accounts[email]

    def add_campaign(self, name: str, *, user_id: str = SANDBOX_USER_ID, foreign: bool = False) -> SandboxCampaign:
        """Put a campaign into the workspace, or into somebody else's."""
        campaign = SandboxCampaign(str(uuid.uuid4()), name, user_id, self.clock.now(), foreign)
        self.campaigns[campaign.id] = campaign
        return campaign

    def campaign(self, campaign_id: Any) -> SandboxCampaign | None:
        """The workspace's own campaign of this id."""
        campaign = self.campaigns.get(str(campaign_id))
        return None if campaign is None or campaign.foreign else campaign

    def set_limits(self, account: SandboxAccount, wanted: Mapping[str, Any]) -> None:
        """Set those limits that are written as Instantly wants them, as text; the others stay, without a word."""
        for name in ("daily_limit", "sending_gap", "warmup_limit"):
            value = wanted.get(name)
            if isinstance(value, str) and value.isascii() and value.isdigit():
                setattr(account, name, value)

    def import_leads(self, campaign: SandboxCampaign, emails: Sequence[str], body: Mapping[str, Any]) -> dict[str, int]:
        """Add what can be added, and count the rest."""
        told = Counter[str]()
        seen: set[str] = set()
        elsewhere = {lead for other in self.campaigns.values() if other is not campaign for lead in other.leads}
        for email in emails:
            if not _ADDRESS.fullmatch(email):
                told["invalid_email_count"] += 1
            elif email.lower() in seen:
                told["duplicate_email_count"] += 1
            elif email in self.blocklist:
                told["in_blocklist"] += 1
            elif body.get("skip_if_in_campaign") and email in campaign.leads:
                told["already_in_campaign"] += 1
                told["skipped_count"] += 1
            elif (body.get("skip_if_in_workspace") and email in elsewhere) or self.remaining_in_plan < 1:
                told["skipped_count"] += 1
            else:
                told["leads_uploaded"] += 1
                self.remaining_in_plan -= 1
                campaign.leads.append(email)
                if body.get("verifyLeadsOnImport"):
                    self.verified.append(email)
            seen.add(email.lower())
        return dict(told)


# Over HTTP.


def create_app(sandbox: InstantlySandbox) -> Starlette:
    """The sandbox as an ASGI application. The list of accounts and their update answer under both known prefixes."""
    api = _Api(sandbox)
    admin = _Admin(sandbox)
    switches = FaultSwitches(sandbox)
    endpoints: list[tuple[str, Operation, _Handler]] = [
        ("/backend/api/v1/campaign/create", Operation.CREATE_CAMPAIGN, api.create_campaign),
        ("/api/campaign/get_campaign_data", Operation.CAMPAIGN, api.campaign),
        ("/api/campaign/update/options", Operation.OPTIONS, api.options),
        ("/api/campaign/update/sequences", Operation.SEQUENCES, api.sequences),
        ("/api/v1/account/list", Operation.ACCOUNTS, api.accounts),
        ("/backend/api/v1/account/list", Operation.ACCOUNTS, api.accounts),
        ("/api/v1/account/update", Operation.UPDATE_ACCOUNT, api.update_account),
        ("/backend/api/v1/account/update", Operation.UPDATE_ACCOUNT, api.update_account),
        ("/backend/api/v1/account/update/bulk", Operation.UPDATE_ACCOUNTS, api.update_accounts),
        ("/backend/api/v2/api-keys", Operation.CREATE_API_KEY, api.create_api_key),
        ("/backend/api/v1/lead/add", Operation.ADD_LEADS, api.add_leads),
    ]
    return Starlette(
        routes=[
            *(
                Route(
                    path,
                    endpoint(
                        sandbox,
                        operation,
                        _with_its_body(handler),
                        admit=partial(api.turned_away, operation),
                        words=_words,
                    ),
                    methods=["POST"],
                )
                for path, operation, handler in endpoints
            ),
            Route("/sandbox/state", admin.state, methods=["GET"]),
            Route("/sandbox/settings", admin.change_settings, methods=["POST"]),
            Route("/sandbox/accounts", admin.add_accounts, methods=["POST"]),
            Route("/sandbox/faults", switches.add, methods=["POST"]),
            Route("/sandbox/faults", switches.clear, methods=["DELETE"]),
        ],
        exception_handlers={404: _no_such_route},
    )


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that can be called at `url`."""

    url: str
    sandbox: InstantlySandbox


@asynccontextmanager
async def serve(sandbox: InstantlySandbox, *, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[Running]:
    """The sandbox over real HTTP for as long as the context lasts, in this event loop; port 0 is any free one."""
    async with serving(create_app(sandbox), port=port, host=host) as url:
        yield Running(url=url, sandbox=sandbox)


_Handler = Callable[[dict[str, Any], "Fault | None"], Response]


def _with_its_body(handler: _Handler) -> Handler:
    async def answer(request: Request, fault: Fault | None) -> Response:
        return handler(await json_object(request), fault)

    return answer


class _Api:
    """The documented endpoints, their quirks included. All are POSTs."""

    def __init__(self, sandbox: InstantlySandbox) -> None:
        self._sandbox = sandbox

    async def turned_away(self, operation: Operation, request: Request) -> Response | None:
        """The answer to whoever does not get in, None for all others.

        The keys go by cookie and workspace alone, and ask for no other header.
        """
        headers, session = request.headers, request.cookies.get("__session")
        for_keys = operation is Operation.CREATE_API_KEY
        token = None if for_keys else headers.get("x-org-auth")
        if not session or (not for_keys and not token):
            if operation is Operation.CAMPAIGN:
                return _error("Missing required headers", 401)
            return JSONResponse({"detail": "Authentication credentials were not provided."}, 401)
        if session != SANDBOX_SESSION or (not for_keys and token != SANDBOX_ORGANIZATION_TOKEN):
            return JSONResponse({"detail": "Invalid token."}, 401)
        if self._sandbox.expired:
            return JSONResponse({"detail": "Token has expired."}, 401)
        if for_keys:
            allowed = headers.get("x-workspace-id") in (SANDBOX_WORKSPACE_ID, SANDBOX_ORGANIZATION_ID)
        else:
            allowed = operation is Operation.CREATE_CAMPAIGN or headers.get("x-org-id") == SANDBOX_ORGANIZATION_ID
        if not allowed and operation is Operation.CAMPAIGN:
            return _error("Invalid organization ID", 403)
        if not allowed:
            return JSONResponse({"detail": "You don't have access to this organization."}, 403)
        if not self._sandbox.has_plan and operation not in (Operation.CAMPAIGN, Operation.ACCOUNTS):
            return _error("This workspace has no active plan", 402)
        return None

    def create_campaign(self, body: dict[str, Any], fault: Fault | None) -> Response:
        name, user_id = body.get("name"), body.get("user_id", SANDBOX_USER_ID)
        if not isinstance(name, str) or not name:
            return _error("Could not create campaign - invalid name", 400)
        if user_id != SANDBOX_USER_ID:
            return _error("Could not create campaign - please try again", 500)
        self._sandbox.changes[Operation.CREATE_CAMPAIGN] += 1
        campaign = self._sandbox.add_campaign(name, user_id=user_id)
        stamp = campaign.created_at.isoformat()
        return JSONResponse(
            {
                "id": campaign.id,
                "timestamp_created": stamp,
                "timestamp_updated": stamp,
                "payload": {"name": name, "added_by": user_id, "updated_by": user_id},
                "organization": SANDBOX_ORGANIZATION_ID,
                "status": campaign.status,
                "timestamp_leads_updated": stamp,
                "pl_value": 1000,
                "campaign_schedule": None,
                "is_evergreen": None,
                "created_by": user_id,
                "owned_by": user_id,
            }
        )

    def campaign(self, body: dict[str, Any], fault: Fault | None) -> Response:
        malformed = _malformed(body.get("campaignID"))
        if malformed is not None:
            return malformed
        campaign = self._sandbox.campaigns.get(str(body.get("campaignID")))
        if campaign is None:
            return _error("Campaign not found", 404)
        if campaign.foreign:
            return _error("Access Denied: No access to this campaign", 403)
        return JSONResponse(
            {
                "campaign": {
                    "payload": {"name": campaign.name, "added_by": campaign.user_id, "updated_by": campaign.user_id},
                    "status": campaign.status,
                    "pl_value": 1000,
                    "campaign_schedule": None,
                    "timestamp_created": campaign.created_at.isoformat(),
                    "owned_by": campaign.user_id,
                    "not_sending_status": None,
                }
            }
        )

    def options(self, body: dict[str, Any], fault: Fault | None) -> Response:
        malformed = _malformed(body.get("campaignID"), body.get("orgID"), *body.get("emailTagList", []))
        if malformed is not None:
            return malformed
        campaign = self._sandbox.campaign(body.get("campaignID"))
        if campaign is None or not body.get("orgID"):
            return _error("Access Denied: No access to this campaign", 403)  # also for a field that is missing
        self._sandbox.changes[Operation.OPTIONS] += 1
        campaign.options |= {name: value for name, value in body.items() if name not in ("campaignID", "orgID")}
        return JSONResponse(_SUCCESS)

    def sequences(self, body: dict[str, Any], fault: Fault | None) -> Response:
        malformed = _malformed(body.get("campaignID"), body.get("orgID"))
        if malformed is not None:
            return malformed
        campaign = self._sandbox.campaign(body.get("campaignID"))
        if campaign is None:
            return _error("Access Denied: No access to this campaign", 403)
        if set(body) != {"sequences", "campaignID", "orgID"} or not _is_well_written(body["sequences"]):
            return _error("Error I503 - please contact support", 200)
        self._sandbox.changes[Operation.SEQUENCES] += 1
        campaign.sequences = body["sequences"]
        return JSONResponse(_SUCCESS)

    def accounts(self, body: dict[str, Any], fault: Fault | None) -> Response:
        search = str(body.get("search") or "").lower()
        status = body.get("filter", {}).get("status")
        found = [
            account
            for account in self._sandbox.accounts.values()
            if (not search or search in f"{account.email} {account.first_name} {account.last_name}".lower())
            and (status is None or account.status == status)
        ]
        skip = int(body.get("skip", 0)) if self._sandbox.skips else 0
        limit = min(int(body.get("limit", LISTED_BY_DEFAULT)), self._sandbox.most_per_page)
        with_tags = bool(body.get("include_tags"))
        return JSONResponse({"accounts": [_listed(account, with_tags) for account in found[skip : skip + limit]]})

    def update_account(self, body: dict[str, Any], fault: Fault | None) -> Response:
        account = self._sandbox.accounts.get(str(body.get("email")))
        if account is None:
            return _error("Error UA404 - Please contact support", 200)
        self._sandbox.changes[Operation.UPDATE_ACCOUNT] += 1
        self._sandbox.set_limits(account, body)
        return JSONResponse(_SUCCESS)

    def update_accounts(self, body: dict[str, Any], fault: Fault | None) -> Response:
        payload = body.get("payload", {})
        self._sandbox.changes[Operation.UPDATE_ACCOUNTS] += 1
        for email in part(body.get("emails", []), fault):
            account = self._sandbox.accounts.get(str(email))
            if account is not None:
                self._sandbox.set_limits(account, {"daily_limit": payload.get("daily_limit")})
        return JSONResponse(_SUCCESS)

    def create_api_key(self, body: dict[str, Any], fault: Fault | None) -> Response:
        for name in ("name", "scopes"):
            if name not in body:
                return _bad_request(f"body must have required property '{name}'")
        if any(scope != "all:all" for scope in body["scopes"]):
            return _bad_request("body/scopes/0 must be equal to one of the allowed values")
        key = base64.b64encode(secrets.token_bytes(36)).decode()
        self._sandbox.keys.append(key)
        self._sandbox.changes[Operation.CREATE_API_KEY] += 1
        stamp = self._sandbox.clock.now().isoformat()
        return JSONResponse(
            {
                "name": body["name"],
                "scopes": body["scopes"],
                "id": str(uuid.uuid4()),
                "key": key,
                "organization_id": SANDBOX_ORGANIZATION_ID,
                "timestamp_created": stamp,
                "timestamp_updated": stamp,
            }
        )

    def add_leads(self, body: dict[str, Any], fault: Fault | None) -> Response:
        campaign = self._sandbox.campaign(body.get("campaign_id"))
        if campaign is None:
            return _error("Internal Server Error", 500)
        emails = [str(lead.get("email")) for lead in body.get("leads", [])]
        self._sandbox.changes[Operation.ADD_LEADS] += 1
        told = self._sandbox.import_leads(campaign, part(emails, fault), body)
        names = ("leads_uploaded", "in_blocklist", "already_in_campaign", "skipped_count", "invalid_email_count")
        return JSONResponse(
            {
                **_SUCCESS,
                "total_sent": len(emails),
                **{name: told.get(name, 0) for name in names},
                "blocklist_used": str(uuid.uuid4()),
                "duplicate_email_count": told.get("duplicate_email_count", 0),
                "remaining_in_plan": self._sandbox.remaining_in_plan,
                "custom_variables": {},
                "core_variables": {},
            }
        )


class _Admin:
    """What only a simulation has: a look inside, and its switches."""

    def __init__(self, sandbox: InstantlySandbox) -> None:
        self._sandbox = sandbox

    async def state(self, request: Request) -> Response:
        sandbox = self._sandbox
        return JSONResponse(
            {
                "settings": self._settings(),
                "campaigns": [
                    {
                        "id": campaign.id,
                        "name": campaign.name,
                        "foreign": campaign.foreign,
                        "options": campaign.options,
                        "sequences": campaign.sequences,
                        "leads": campaign.leads,
                    }
                    for campaign in sandbox.campaigns.values()
                ],
                "accounts": [_listed(account, with_tags=True) for account in sandbox.accounts.values()],
                "keys": len(sandbox.keys),
                "verified": sandbox.verified,
                "changes": sandbox.changes,
                "calls": sandbox.calls,
                "faults": sandbox.faults.waiting(),
            }
        )

    async def change_settings(self, request: Request) -> Response:
        """`{expired, has_plan, remaining_in_plan, blocklist}`, each optional; the list replaces."""
        body = await json_object(request)
        unknown = sorted(set(body) - set(self._settings()))
        if unknown:
            return _error(f"No such setting: {', '.join(unknown)}", 422)
        for name, value in body.items():
            match name:
                case "blocklist":
                    self._sandbox.blocklist = {str(item) for item in value}
                case "remaining_in_plan":
                    self._sandbox.remaining_in_plan = int(value)
                case _:
                    setattr(self._sandbox, name, bool(value))
        return JSONResponse(self._settings())

    async def add_accounts(self, request: Request) -> Response:
        """`{emails: [...], tags: [...]}`: sending accounts that are there from now on."""
        body = await json_object(request)
        for email in body.get("emails", []):
            self._sandbox.add_account(str(email), tags=tuple(body.get("tags", ())))
        return JSONResponse({"accounts": len(self._sandbox.accounts)}, 201)

    def _settings(self) -> dict[str, object]:
        sandbox = self._sandbox
        return {
            "expired": sandbox.expired,
            "has_plan": sandbox.has_plan,
            "remaining_in_plan": sandbox.remaining_in_plan,
            "blocklist": sorted(sandbox.blocklist),
        }


_MESSAGES: Mapping[int, str] = {
    402: "This workspace has no active plan",
    404: "Not Found",
    429: "Too Many Requests",
}


def _words(status: int, word: str) -> JsonValue:
    return {"error": word or _MESSAGES.get(status, "Internal Server Error")}


def _error(text: str, status: int) -> Response:
    return JSONResponse({"error": text}, status)


def _bad_request(text: str) -> Response:
    return JSONResponse({"statusCode": 400, "error": "Bad Request", "message": text}, 400)


def _malformed(*ids: Any) -> Response | None:
    """The database's complaint about the first id that is there and is no uuid."""
    for value in ids:
        if value and not _UUID.fullmatch(str(value)):
            message = f'invalid input syntax for type uuid: "{value}"'
            said = {"statusCode": 500, "code": "22P02", "error": "Internal Server Error", "message": message}
            return JSONResponse(said, 500)
    return None


def _is_well_written(sequences: Any) -> bool:
    """Whether a sequence has exactly the documented fields, and no plain space in the text of its e-mails."""
    of_sequence, of_step, of_variant = _SEQUENCE_FIELDS
    try:
        steps = [step for sequence in sequences if set(sequence) == of_sequence for step in sequence["steps"]]
        variants = [variant for step in steps for variant in step["variants"]]
        return (
            all(set(sequence) == of_sequence for sequence in sequences)
            and all(set(step) == of_step and step["type"] == "email" and step["variants"] for step in steps)
            and all(set(variant) == of_variant and not _TEXT_SPACE.search(variant["body"]) for variant in variants)
            and bool(variants)
        )
    except (TypeError, KeyError):
        return False


def _listed(account: SandboxAccount, with_tags: bool) -> dict[str, object]:
    listed: dict[str, object] = {
        "email": account.email,
        "timestamp_created": account.created_at.isoformat(),
        "timestamp_updated": account.created_at.isoformat(),
        "payload": {
            "name": {"last": account.last_name, "first": account.first_name},
            "warmup": {
                "limit": account.warmup_limit,
                "advanced": {"warm_ctd": False, "open_rate": 0.9, "random_range": {"max": "5", "min": 1}},
                "increment": "1",
                "reply_rate": "30",
            },
            "provider": "google",
            "daily_limit": account.daily_limit,
            "sending_gap": account.sending_gap,
            "enable_slow_ramp": False,
        },
        "organization": SANDBOX_ORGANIZATION_ID,
        "status": account.status,
        "warmup_status": 1,
        "provider_code": 2,
        "stat_warmup_score": account.warmup_score,
    }
    if with_tags:
        listed["tags"] = [
            {"id": str(uuid.uuid5(uuid.NAMESPACE_DNS, tag)), "label": tag, "description": "", "resource_id": tag}
            for tag in account.tags
        ]
    return listed


async def _no_such_route(request: Request, error: Exception) -> Response:
    return _error("Not Found", 404)
