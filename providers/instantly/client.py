"""Instantly: a typed method for each endpoint, and what its answers mean, whatever status they come with.

This is the API behind Instantly's own page: it answers 200 to what it refuses, 403 to what is incomplete, and 500 to
what is misspelt. Nothing in it is promised to stay.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, JsonValue, SecretStr, ValidationError, field_validator

from providers.accounts import AccountSettings, Clock
from providers.action import Effect
from providers.answers import Heard, Reply, Rows, first_problem
from providers.errors import (
    AuthExpired,
    BadAnswer,
    Blocked,
    NeedsSubscription,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Upstream,
)
from providers.http import Answer, Transport
from providers.instantly.models import (
    ACCOUNT_STATUS_NUMBERS,
    AccountPage,
    AccountStatus,
    ApiKey,
    Campaign,
    CampaignData,
    CampaignOptions,
    CampaignStatus,
    LeadImport,
    Limits,
    LimitsReadBack,
    Refusal,
    SendingAccount,
    Step,
    parse_accounts,
)
from providers.provider import Client

PER_PAGE = 100
MAX_PAGES = 1000
"""A listing that has more pages than this does not end."""
LOOKED_UP_SINGLY = 3
"""So many accounts are searched for one by one; for more, the whole list is read."""

DOCUMENTED_ACCOUNT_PREFIX = "/api/v1"
ALL_SCOPES = ("all:all",)
"""The one scope there is (endpoint row 94)."""

_CHANGES_NOTHING = frozenset({Effect.READ, Effect.REVEAL})
_SENT_ONCE = Effect.SPEND
"""For a call that costs nothing, but of which every try counts: the transport hands it to the network exactly once."""

# What the statuses mean, whichever endpoint it is. After all of these nothing was done.
_NOTHING_DONE = frozenset({400, 405, 406, 411, 413, 414, 415, 422, 431})
_UNCLEAR_400 = frozenset({400})
"""A refusal only where Instantly says why; a bare one may come from anything in between."""
_ABOUT_CREDENTIALS = re.compile(r"organi[sz]ation|workspace|token|credential", re.IGNORECASE)
_CONFIRMED = frozenset({"success", "ok", "true"})

_Shape = TypeVar("_Shape", bound=BaseModel)


class InstantlySettings(AccountSettings):
    """`[accounts.<name>]` of an account at Instantly: what its web page sends along once somebody has logged in."""

    model_config = ConfigDict(defer_build=True, hide_input_in_errors=True)

    base_url: HttpUrl = Field(
        HttpUrl("https://app.instantly.ai"),
        description="Where the provider's API lives. May point anywhere, a test server included.",
    )
    min_seconds_between_calls: Annotated[float, Field(ge=0, le=3600)] = Field(
        0.1, description="Calls of this account are spaced at least this many seconds apart."
    )
    session: SecretStr = Field(description="The value of the cookie `__session`: the user's token.")
    organization_token: SecretStr = Field(description="The organization's token, sent as X-Org-Auth.")
    organization_id: SecretStr = Field(description="The organization's uuid, sent as X-Org-Id.")
    workspace_id: SecretStr | None = Field(
        None, description="The workspace's uuid, for making API keys. Without it: the organization's."
    )
    user_id: str | None = Field(
        None, description="The uuid of the user that campaigns are created for. Without it, none is sent."
    )
    account_path_prefix: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._-]+)*$")] = Field(
        DOCUMENTED_ACCOUNT_PREFIX,
        description="What stands before /account/list and /account/update: /api/v1, or else /backend/api/v1.",
    )

    @field_validator("session", "organization_token", "organization_id", "workspace_id")
    @classmethod
    def _fits_into_a_header(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not re.fullmatch(r"[\x21-\x3a\x3c-\x7e]{1,8192}", secret.get_secret_value()):
            raise ValueError("must be a value as it stands in the header: not empty, no spaces, no semicolons")
        return secret


def connect(
    name: str,
    settings: InstantlySettings,
    clock: Clock,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> InstantlyClient:
    """The client of the account `name`. Nothing is sent yet."""
    transport = Transport.for_account(name, settings, clock, sleep=sleep, is_plain=_is_a_plain_no)
    return InstantlyClient(transport, settings, clock)


class InstantlyClient(Client):
    """One account at Instantly.

    Every method raises ProviderErrors only; OutcomeUnknown is the one after which something may have been changed.
    """

    def __init__(self, transport: Transport, settings: InstantlySettings, clock: Clock) -> None:
        super().__init__(transport, clock)
        self._settings = settings
        self._heard = Heard("instantly", transport.account, self._secrets)

    async def verify_credentials(self) -> None:
        """List one account (endpoint row 92). Raises AuthExpired when Instantly refuses the cookie or the tokens."""
        try:
            await self.accounts(limit=1)
        except NotFound as error:
            status = error.status
        else:
            return
        raise BadAnswer(
            "Something answers, but it knows no list of accounts.",
            cure="Whoever runs Postroom: check `base_url` and `account_path_prefix` of this account.",
            status=status,
        )

    # Campaigns.

    async def create_campaign(self, name: str, *, user_id: str | None = None) -> Campaign:
        """Create a campaign, as a draft (endpoint row 88), for `user_id` or else the user of the settings.

        Instantly takes the same name twice: after OutcomeUnknown there may be one that nobody knows the id of.
        """
        body: dict[str, JsonValue] = {"name": name}
        if user := user_id or self._settings.user_id:
            body["user_id"] = user
        reply = await self._call(
            "/backend/api/v1/campaign/create", effect=Effect.WRITE, json=body, headers=self._headers(org_id=False)
        )
        return self._noted_campaign(self._shaped_change(Campaign, reply))

    async def campaign(self, campaign_id: str) -> Campaign:
        """A campaign (endpoint row 89). Raises NotFound, or Rejected for one that belongs to somebody else."""
        reply = await self._call(
            "/api/campaign/get_campaign_data", effect=Effect.READ, json={"campaignID": campaign_id}
        )
        data = self._shaped(CampaignData, reply.body, reply.status)
        return self._noted_campaign(self._shaped(Campaign, {**data.campaign, "id": campaign_id}, reply.status))

    async def update_options(self, campaign_id: str, options: CampaignOptions) -> None:
        """Change the options of a campaign (endpoint row 90). Those that are None stay as they are."""
        await self._change("/api/campaign/update/options", {**self._ids(campaign_id), **options.as_sent()})

    async def update_sequences(self, campaign_id: str, steps: Sequence[Step]) -> None:
        """Replace the e-mails of a campaign (endpoint row 91). Without any step it is Rejected."""
        sequences: list[JsonValue] = [{"steps": [step.as_sent() for step in steps]}] if steps else []
        await self._change("/api/campaign/update/sequences", {"sequences": sequences, **self._ids(campaign_id)})

    async def add_leads(
        self,
        campaign_id: str,
        emails: Sequence[str],
        *,
        verify: bool = False,
        skip_if_in_campaign: bool = True,
        skip_if_in_list: bool = False,
        skip_if_in_workspace: bool = False,
    ) -> LeadImport:
        """Add leads to a campaign (endpoint row 95), and say what came of each kind of them.

        To `verify` them is a spend: it may cost credits, is sent once, and after OutcomeUnknown must not be repeated.
        """
        effect = Effect.SPEND if verify else Effect.WRITE
        body: dict[str, JsonValue] = {
            "leads": [{"email": email} for email in emails],
            "campaign_id": campaign_id,
            "newCustomVariables": [],
            "newCoreVariables": [],
            "forLists": False,
            "verifyLeadsOnImport": verify,
            "skip_if_in_campaign": skip_if_in_campaign,
            "skip_if_in_list": skip_if_in_list,
            "skip_if_in_workspace": skip_if_in_workspace,
        }
        try:
            reply = await self._call("/backend/api/v1/lead/add", effect=effect, json=body)
        except OutcomeUnknown as error:
            if error.status != 500 or not await self._has_no_campaign(campaign_id):
                raise
        else:
            return self._shaped_change(LeadImport, reply)
        raise Rejected("Instantly has no such campaign in this organization, so no lead was added.", status=500)

    # The accounts that send.

    async def accounts(
        self,
        *,
        skip: int = 0,
        limit: int = PER_PAGE,
        search: str | None = None,
        status: AccountStatus | None = None,
        include_tags: bool = True,
    ) -> AccountPage:
        """A piece of the list of sending accounts (endpoint row 92). `search` finds more than the exact address."""
        body: dict[str, JsonValue] = {"limit": limit, "skip": skip, "include_tags": include_tags}
        if search:
            body["search"] = search
        if status is not None and status in ACCOUNT_STATUS_NUMBERS:
            body["filter"] = {"status": ACCOUNT_STATUS_NUMBERS[status]}
        reply = await self._call(self._account_path("list"), effect=Effect.READ, json=body)
        accounts = self._parsed_accounts(reply)
        for account in accounts:
            if account.status is AccountStatus.UNKNOWN:
                self._heard.note("account status", account.raw_status)
        self._heard.note_left_out(self._account_path("list"), accounts.unreadable)
        return AccountPage(accounts=accounts, skip=skip, limit=limit, rows=len(accounts) + accounts.unreadable)

    async def all_accounts(
        self, *, search: str | None = None, status: AccountStatus | None = None, include_tags: bool = True
    ) -> tuple[SendingAccount, ...]:
        """All sending accounts, each once, piece by piece until the end. Raises BadAnswer if there is none."""
        return tuple((await self._listed(search=search, status=status, include_tags=include_tags)).values())

    async def find_accounts(self, emails: Iterable[str]) -> dict[str, SendingAccount]:
        """The accounts of exactly these addresses, by the address as it was asked for; those that exist."""
        asked = {email: email.lower() for email in emails}
        wanted = frozenset(asked.values())
        found: dict[str, SendingAccount] = {}
        if len(wanted) > LOOKED_UP_SINGLY:
            found = await self._listed(wanted=wanted)
        missing = wanted - found.keys()
        if len(missing) <= LOOKED_UP_SINGLY:  # also those that a list which changed while it was read has passed over
            for address in sorted(missing):
                found |= await self._listed(search=address, wanted=frozenset({address}))
        return {email: found[address] for email, address in asked.items() if address in found}

    async def update_account(self, email: str, limits: Limits) -> None:
        """Change the limits of one account (endpoint row 93). Raises Rejected for an address it does not know.

        That it worked proves little: see `read_back`.
        """
        await self._change(self._account_path("update"), {"email": email, **limits.as_sent()})

    async def update_accounts(self, emails: Sequence[str], daily_limit: int) -> None:
        """Change the daily limit of several accounts (endpoint row 96). Unknown addresses are passed over silently.

        That it worked proves nothing: see `read_back`.
        """
        await self._change(
            "/backend/api/v1/account/update/bulk",
            {"payload": Limits(daily_limit=daily_limit).as_sent(), "emails": list(emails)},
        )

    async def read_back(self, emails: Sequence[str], limits: Limits) -> LimitsReadBack:
        """Which of the accounts really have these limits now (endpoint row 92)."""
        found = await self.find_accounts(emails)
        lacking = {email: limits.not_applied_to(found[email]) for email in emails if email in found}
        return LimitsReadBack(
            applied=tuple(email for email, names in lacking.items() if not names),
            differing={email: names for email, names in lacking.items() if names},
            missing=tuple(email for email in emails if email not in found),
        )

    # Keys.

    async def create_api_key(self, name: str) -> ApiKey:
        """Make an API key that opens the whole workspace (endpoint row 94). Sent once: every try makes another.

        After OutcomeUnknown there may be a key that nobody has seen; it can only be found on Instantly's own page.
        """
        workspace = self._settings.workspace_id or self._settings.organization_id
        reply = await self._call(
            "/backend/api/v2/api-keys",
            effect=_SENT_ONCE,
            json={"name": name, "scopes": list(ALL_SCOPES)},
            headers={"Cookie": self._cookie(), "x-workspace-id": workspace.get_secret_value()},
        )
        return self._shaped_change(ApiKey, reply)

    # Details.

    def _account_path(self, verb: str) -> str:
        return f"{self._settings.account_path_prefix}/account/{verb}"

    def _ids(self, campaign_id: str) -> dict[str, JsonValue]:
        return {"campaignID": campaign_id, "orgID": self._settings.organization_id.get_secret_value()}

    async def _listed(
        self,
        *,
        search: str | None = None,
        status: AccountStatus | None = None,
        include_tags: bool = True,
        wanted: frozenset[str] | None = None,
    ) -> dict[str, SendingAccount]:
        """The accounts by address in lower case: all, or those that are `wanted`, reading no further than needed.

        How many Instantly gives at a time is its own affair: the last piece is empty, or shorter than the first.
        """
        found: dict[str, SendingAccount] = {}
        skip = usual = 0
        before: tuple[SendingAccount, ...] = ()
        for _ in range(MAX_PAGES):
            page = await self.accounts(skip=skip, search=search, status=status, include_tags=include_tags)
            for account in page.accounts:
                address = account.email.lower()
                if wanted is None or address in wanted:
                    found.setdefault(address, account)
            usual = usual or page.rows
            if page.rows < max(usual, 1) or (wanted is not None and len(found) == len(wanted)):
                return found
            if page.accounts == before:
                raise BadAnswer("Instantly's list of accounts shows the same again and again.", detail=f"skip {skip}")
            before, skip = page.accounts, skip + page.rows
        raise BadAnswer("Instantly's list of accounts does not end.", detail=f"{MAX_PAGES} pages")

    async def _change(self, path: str, body: Mapping[str, JsonValue]) -> None:
        """Send a change whose answer is nothing but "success". Anything else is unclear."""
        reply = await self._call(path, effect=Effect.WRITE, json=body)
        said = reply.body.get("status") if isinstance(reply.body, dict) else None
        if str(said).strip().lower() not in _CONFIRMED:
            raise OutcomeUnknown(
                "Instantly seems to have taken the change, but does not say that it succeeded.",
                status=reply.status,
                detail="no readable status",
            )

    async def _has_no_campaign(self, campaign_id: str) -> bool:
        """Whether Instantly says that a campaign is not there: it answers 500 to leads for a wrong id, as to all else.

        That, and only that, proves of such a 500 that no lead was added.
        """
        try:
            await self.campaign(campaign_id)
        except (NotFound, Rejected):
            return True
        except ProviderError:
            return False
        return False

    def _noted_campaign(self, campaign: Campaign) -> Campaign:
        if campaign.status is CampaignStatus.UNKNOWN:
            self._heard.note("campaign status", campaign.raw_status)
        return campaign

    def _shaped(self, shape: type[_Shape], body: Any, status: int) -> _Shape:
        """What was read, as `shape`. Raises BadAnswer."""
        try:
            return shape.model_validate(body)
        except ValidationError as error:
            detail = f"{shape.__name__}: {first_problem(error)}"
        raise BadAnswer("Instantly's answer could not be understood.", status=status, detail=detail)

    def _parsed_accounts(self, reply: Reply) -> Rows[SendingAccount]:
        try:
            return parse_accounts(reply.body)
        except ValueError as error:
            detail = str(error)
        raise BadAnswer("Instantly's answer could not be understood.", status=reply.status, detail=detail)

    def _shaped_change(self, shape: type[_Shape], reply: Reply) -> _Shape:
        """What a change made, as `shape`. Raises OutcomeUnknown: the status was a yes."""
        try:
            return shape.model_validate(reply.body)
        except ValidationError as error:
            detail = f"{shape.__name__}: {first_problem(error)}"
        raise OutcomeUnknown(
            "Instantly seems to have done it, but its answer could not be understood.",
            status=reply.status,
            detail=detail,
        )

    # Asking.

    def _cookie(self) -> str:
        return f"__session={self._settings.session.get_secret_value()}"

    def _headers(self, *, org_id: bool = True) -> dict[str, str]:
        headers = {
            "Cookie": self._cookie(),
            "X-Org-Auth": self._settings.organization_token.get_secret_value(),
        }
        if org_id:
            headers["X-Org-Id"] = self._settings.organization_id.get_secret_value()
        return headers

    async def _call(
        self, path: str, *, effect: Effect, json: Mapping[str, JsonValue], headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Ask. Everything is a POST, readings as well. Returns any 2xx that is not an {error} in disguise."""
        answer = await self._transport.call("POST", path, effect=effect, json=json, headers=headers or self._headers())
        if 200 <= answer.status < 300:
            refusal = _refusal(answer)
            if not refusal.error:
                return Reply(answer.status, answer.body)
            raise self._disguised_error(answer.status, refusal, effect)
        raise self._error(answer.status, _refusal(answer), effect)

    def _disguised_error(self, status: int, refusal: Refusal, effect: Effect) -> ProviderError:
        """A 200 with {error}: a "no" (endpoint rows 91 and 93), which is not documented for anything that costs."""
        words = self._said(refusal)
        if effect is Effect.SPEND:
            return OutcomeUnknown(f"Instantly took the request and reported an error.{words}", status=status)
        return Rejected(f"Instantly refused the request.{words}", status=status)

    def _error(self, status: int, refusal: Refusal, effect: Effect) -> ProviderError:
        """The error that an answer stands for; its text counts for more than its status."""
        words = self._said(refusal)
        if refusal.has_malformed_id:
            return Rejected(f"Instantly refused the request: one of the ids in it is not a uuid.{words}", status=status)
        if refusal.is_about_the_question:
            return Rejected(
                f"Instantly did not create the campaign; the user id may be wrong.{words}",
                cure="Check `user_id` in this account's settings, and the campaign's name.",
                status=status,
            )
        match status:
            case 401:
                return AuthExpired(f"Instantly does not accept this account's session or tokens.{words}", status=status)
            case 402:
                return NeedsSubscription(f"This Instantly account has no plan for that.{words}", status=status)
            case 403:
                return self._denied(refusal, words)
            case 404:
                return NotFound(f"Instantly does not know it.{words}", status=status)
        if status in _NOTHING_DONE and (refusal.words or status not in _UNCLEAR_400):
            return Rejected(f"Instantly refused the request.{words}", status=status)
        if effect not in _CHANGES_NOTHING:
            return OutcomeUnknown(f"Instantly failed while it had the request.{words}", status=status)
        if status >= 500 or status in (408, 425):
            return Upstream(f"Instantly failed to answer.{words}", status=status)
        return BadAnswer(f"Instantly answered in a way that Postroom does not know (status {status}).", status=status)

    def _denied(self, refusal: Refusal, words: str) -> ProviderError:
        """A 403: a wrong organization, somebody else's campaign, a missing field, or the network in front."""
        if not refusal.words:
            return Blocked("Instantly, or the network in front of it, refuses calls from here.", status=403)
        if _ABOUT_CREDENTIALS.search(refusal.words):
            return AuthExpired(f"Instantly does not let this account into its organization.{words}", status=403)
        return Rejected(
            f"Instantly gives no access: it belongs to another organization, or something is missing.{words}",
            status=403,
        )

    def _said(self, refusal: Refusal) -> str:
        words = self._heard.quoted(refusal.words)
        return f" It says: {words}" if words else ""

    def _secrets(self) -> list[str]:
        settings = self._settings
        secrets = (settings.session, settings.organization_token, settings.organization_id, settings.workspace_id)
        return [secret.get_secret_value() for secret in secrets if secret is not None]


def _is_a_plain_no(answer: Answer) -> bool:
    """Whether a 500 is an answer to a wrong question: asking again does not better it, and Instantly is well."""
    return answer.status == 500 and _refusal(answer).is_about_the_question


def _refusal(answer: Answer) -> Refusal:
    return Refusal.model_validate(answer.body) if isinstance(answer.body, dict) else Refusal()
