"""ScaledMail: a typed method for each endpoint, for one organization or several, and what its statuses mean."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, JsonValue, SecretStr, field_validator

from providers.accounts import AccountSettings, Clock
from providers.action import Effect
from providers.answers import Heard, listed, read_rows
from providers.errors import (
    AuthExpired,
    BadAnswer,
    Blocked,
    NeedsSubscription,
    NotFound,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Upstream,
)
from providers.http import Answer, Pace, Transport
from providers.provider import Client
from providers.scaledmail.models import (
    Domain,
    DomainStatus,
    Mailbox,
    MailboxPassword,
    Organization,
    PaymentStatus,
    Platform,
    Purchase,
    Refusal,
    Sequencer,
    Stock,
    WantedInbox,
    flattened_order,
    purchase,
    stock,
)

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""No listing has pages: ten thousand pre-warmed domains with their mailboxes come in one answer."""

_CHANGES_NOTHING = frozenset({Effect.READ, Effect.REVEAL})
_CREATED_BUT_NOT_CHARGED = re.compile(r"created\b.*\bunable to charge", re.IGNORECASE | re.DOTALL)

# What the statuses mean. ScaledMail documents none. For a purchase only what by its nature is said before any work
# begins counts as "nothing was done": a 400 is known to have come after a subscription was created, and a 402, 404 or
# 409 may well be about the second of several domains.
_NOTHING_DONE = frozenset({405, 406, 411, 413, 414, 415, 422, 431})
_NOT_ADMITTED: Mapping[int, tuple[type[ProviderError], str, str | None]] = {
    401: (AuthExpired, "ScaledMail did not accept this account's API key.", None),
    403: (
        Blocked,
        "ScaledMail refuses these calls: the key may not use this organization, or calls were too many of late.",
        "Wait a few minutes and ask again. If it stays like this, whoever runs Postroom: check the key's rights.",
    ),
}
_OF_A_READING: Mapping[int, tuple[type[ProviderError], str]] = {
    400: (Rejected, "ScaledMail refused the request."),
    402: (NeedsSubscription, "ScaledMail wants this account's payment to be settled first."),
    404: (NotFound, "ScaledMail does not know it, or it belongs to another organization."),
}
_TROUBLE = frozenset({408, 425})

_Row = TypeVar("_Row", bound=BaseModel)


class ScaledMailSettings(AccountSettings):
    """`[accounts.<name>]` of an account at ScaledMail. Several organizations are several accounts with one key."""

    model_config = ConfigDict(defer_build=True, hide_input_in_errors=True)

    base_url: HttpUrl = Field(
        HttpUrl("https://server.scaledmail.com/api/v1"),
        description="Where the provider's API lives, version included. May point anywhere, a test server included.",
    )
    api_key: SecretStr = Field(description="The account's API key.")
    organization_id: Annotated[str | None, Field(min_length=1, max_length=200)] = Field(
        None, description="The organization to work in. May be left out while the account has only one."
    )
    min_seconds_between_calls: Annotated[float, Field(ge=0, le=3600)] = Field(
        0.2,
        description="Calls of this account, and of all that share its key, are spaced at least this many seconds "
        "apart; ScaledMail allows five a second.",
    )

    @field_validator("api_key")
    @classmethod
    def _fits_a_header(cls, key: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[\x21-\x7e]{1,4096}", key.get_secret_value()):
            raise ValueError("must be one word of plain characters")
        return key


class Paces:
    """One pace for each key, of all the accounts that are opened with these: ScaledMail counts calls by key."""

    def __init__(self) -> None:
        self._of_keys: dict[tuple[str, str], Pace] = {}

    def pace(self, settings: ScaledMailSettings, clock: Clock, sleep: Callable[[float], Awaitable[None]]) -> Pace:
        """The pace of an account with these settings; the slowest of those that share it says how fast."""
        spacings = settings.min_seconds_between_calls, settings.min_seconds_between_writes
        key = str(settings.base_url), settings.api_key.get_secret_value()
        pace = self._of_keys.setdefault(key, Pace(clock, *spacings, sleep))
        pace.widen(*spacings)
        return pace


def connect(
    name: str,
    settings: ScaledMailSettings,
    clock: Clock,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    paces: Paces | None = None,
) -> ScaledMailClient:
    """The client of the account `name`, at the pace that its key has among `paces`. Nothing is sent yet."""
    pace = (paces or Paces()).pace(settings, clock, sleep)
    transport = Transport.for_account(name, settings, clock, sleep=sleep, max_answer_bytes=MAX_ANSWER_BYTES, pace=pace)
    return ScaledMailClient(transport, settings, clock)


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer that was not an error. `readable` is False for a body that is neither empty nor JSON."""

    status: int
    body: JsonValue = field(repr=False)
    readable: bool


class ScaledMailClient(Client):
    """One account at ScaledMail, working in one of its organizations.

    Every method raises ProviderErrors only. Of a purchase, OutcomeUnknown is the one error after which something may
    have been bought; after any other, nothing was.
    """

    def __init__(self, transport: Transport, settings: ScaledMailSettings, clock: Clock) -> None:
        super().__init__(transport, clock)
        self._settings = settings
        self._organization_id = settings.organization_id
        self._finding_out = asyncio.Lock()
        self._heard = Heard("scaledmail", transport.account, self._secrets)

    def __repr__(self) -> str:
        return f"<ScaledMailClient account={self._transport.account!r} organization={self._organization_id!r}>"

    @property
    def organization_id(self) -> str | None:
        """The organization it works in; None until the account's only one has been found out."""
        return self._organization_id

    # The account.

    async def verify_credentials(self) -> None:
        """Read the organizations (endpoint row 1). Raises AuthExpired when ScaledMail refuses the key, NotFound when
        the configured organization is not one of them."""
        organizations = await self.organizations()
        if self._organization_id and self._organization_id not in {found.id for found in organizations}:
            raise NotFound(
                f"This ScaledMail account has no organization “{self._organization_id}”.",
                cure=f"Whoever runs Postroom: set `organization_id` to one of these. {_named(organizations)}",
            )

    async def organizations(self) -> tuple[Organization, ...]:
        """All organizations of the account (endpoint row 1), whichever this one works in.

        Asked without an organization first. Should ScaledMail insist on one here, too, it is given the configured one.
        """
        try:
            return await self._rows(Organization, "/organizations", "organizations", anywhere=True)
        except Rejected:
            if self._organization_id is None:
                raise
        return await self._rows(Organization, "/organizations", "organizations")

    # Pre-warmed inboxes.

    async def prewarm_stock(self) -> Stock:
        """All pre-warmed domains that are for sale, with their prices in USD (endpoint row 2)."""
        reply = await self._call("GET", "/pre-warm-inboxes", effect=Effect.READ)
        found = stock(reply.body)
        if found is None or (found.unreadable and not found.inboxes):
            raise self._not_understood(reply, "no shelf")
        for word in found.unknown_platforms:
            self._heard.note("platform", word)
        self._heard.note_left_out("/pre-warm-inboxes", found.unreadable)
        return found

    async def buy_prewarm(
        self, inboxes: Sequence[WantedInbox], *, tag: str, sequencer: Sequencer | None = None
    ) -> Purchase:
        """Buy pre-warmed domains (endpoint row 3). Sent once. The first word of `tag` is what `tagged` finds the
        purchase by later; keep that word to 20 characters, more may be cut off.

        A Purchase is a yes to the order, not to each of its domains: ScaledMail assigns what is still available.
        """
        wanted: dict[str, JsonValue] = {
            "tag": tag,
            "domains": [inbox.model_dump(mode="json", exclude_none=True) for inbox in inboxes],
        }
        if sequencer is not None:
            wanted["sequencer"] = sequencer.for_sending()
        hidden = () if sequencer is None else (sequencer.password,)
        reply = await self._call("POST", "/buy-pre-warm-inboxes", effect=Effect.SPEND, json=wanted, hidden=hidden)
        if not reply.readable:
            raise OutcomeUnknown(
                "ScaledMail seems to have taken the order, but its answer cannot be read.",
                status=reply.status,
                detail="not JSON",
            )
        if _says_no(reply.body):
            raise OutcomeUnknown(
                f"ScaledMail took the order and names an error at the same time.{self._words(reply.body, hidden)}",
                status=reply.status,
                detail="2xx with an error",
            )
        taken = purchase(reply.body)
        return taken.model_copy(update={"message": self._heard.quoted(taken.message, hidden)})

    # Domains.

    async def domains(self) -> tuple[Domain, ...]:
        """All domains of the organization (endpoint row 4). A purchase of a moment ago may be missing."""
        return self._noted_domains(await self._rows(Domain, "/domains", "domains", each=flattened_order))

    async def purchased_domains(self, *, available: bool = False) -> tuple[Domain, ...]:
        """The domains bought through ScaledMail (endpoint row 5): all, or those `available` for new orders alone."""
        return self._noted_domains(
            await self._rows(
                Domain,
                "/purchased-domains",
                "domains",
                "purchasedDomains",
                "purchased_domains",
                params={"available": "true" if available else "false"},
                each=flattened_order,
            )
        )

    async def all_domains(self) -> tuple[Domain, ...]:
        """Both listings as one. Of a domain in both, what either says: the tag may be in one of them alone."""
        found: dict[str, Domain] = {}
        for domain in (*await self.purchased_domains(), *await self.domains()):
            before = found.get(domain.name.lower())
            if before is not None:
                known = {name: value for name, value in before if value not in ("", None)}
                domain = domain.model_copy(update={n: v for n, v in known.items() if not getattr(domain, n)})  # noqa: PLW2901
            found[domain.name.lower()] = domain
        return tuple(found.values())

    async def find_domain(self, name: str) -> Domain | None:
        """The organization's domain of exactly this name, from either listing, or None.

        "None" soon after a purchase proves nothing: the listings lag.
        """
        wanted = name.lower()
        return next((domain for domain in await self.all_domains() if domain.name.lower() == wanted), None)

    async def tagged(self, tag: str) -> tuple[Domain, ...]:
        """The domains that were ordered with this tag, from both listings. None soon after a purchase proves nothing.

        A domain that has the tag was bought by the order that had it. One without may be part of it, too, until
        ScaledMail has set it up: compare names as well.
        """
        return tuple(domain for domain in await self.all_domains() if domain.was_ordered_with(tag))

    # Mailboxes.

    async def mailboxes(self, domain_id: str) -> tuple[Mailbox, ...]:
        """The mailboxes of one domain (endpoint row 6). Passwords are neither asked for nor kept."""
        boxes = await self._rows(Mailbox, f"/mailboxes/{_piece(domain_id)}", "mailboxes")
        for word in {box.raw_status for box in boxes if box.raw_status}:
            if Mailbox(email="x", raw_status=word).status is DomainStatus.UNKNOWN:
                self._heard.note("mailbox status", word)
        return boxes

    async def mailbox_passwords(self, domain_id: str) -> tuple[MailboxPassword, ...]:
        """The mailboxes of one domain with their passwords (endpoint row 6, asked with `password=true`): a REVEAL."""
        return await self._rows(
            MailboxPassword,
            f"/mailboxes/{_piece(domain_id)}",
            "mailboxes",
            effect=Effect.REVEAL,
            params={"password": "true"},
        )

    # Details.

    async def _rows(
        self,
        shape: type[_Row],
        path: str,
        *names: str,
        effect: Effect = Effect.READ,
        params: Mapping[str, str] | None = None,
        anywhere: bool = False,
        each: Callable[[JsonValue], JsonValue] | None = None,
    ) -> tuple[_Row, ...]:
        """A listing as rows of `shape`. Raises BadAnswer when there is none, or when no row of it can be read."""
        reply = await self._call("GET", path, effect=effect, params=params, anywhere=anywhere)
        rows = listed(reply.body, *names)
        if rows is None:
            raise self._not_understood(reply, f"no list of {names[0]}")
        read = read_rows(shape, rows if each is None else [each(row) for row in rows])
        if read.unreadable and not read:
            raise self._not_understood(reply, f"no readable {shape.__name__}")
        self._heard.note_left_out(path, read.unreadable)
        return read

    def _noted_domains(self, domains: tuple[Domain, ...]) -> tuple[Domain, ...]:
        for word in {domain.raw_status for domain in domains if domain.raw_status}:
            if Domain(name="x", raw_status=word).status is DomainStatus.UNKNOWN:
                self._heard.note("domain status", word)
        for word in {domain.raw_payment for domain in domains if domain.raw_payment}:
            if Domain(name="x", raw_payment=word).payment is PaymentStatus.UNKNOWN:
                self._heard.note("payment status", word)
        for word in {domain.raw_platform for domain in domains if domain.raw_platform}:
            if Domain(name="x", raw_platform=word).platform is Platform.UNKNOWN:
                self._heard.note("platform", word)
        return domains

    def _not_understood(self, reply: _Reply, detail: str) -> BadAnswer:
        return BadAnswer("ScaledMail's answer could not be understood.", status=reply.status, detail=detail)

    # Asking, and the organization it needs.

    async def _call(
        self,
        method: str,
        path: str,
        *,
        effect: Effect,
        json: object = None,
        params: Mapping[str, str] | None = None,
        anywhere: bool = False,
        hidden: Sequence[SecretStr] = (),
    ) -> _Reply:
        """Ask, in the organization unless `anywhere`. Returns any 2xx; raises for the rest what the tables above say.

        `hidden` are secrets in this request that must not come back in an error.
        """
        query = dict(params or {})
        if not anywhere:
            query = {"organization_id": await self._organization(effect), **query}
        answer = await self._transport.call(
            method,
            path,
            effect=effect,
            json=json,
            params=query or None,
            headers={"Authorization": f"Bearer {self._settings.api_key.get_secret_value()}"},
        )
        if 200 <= answer.status < 300:
            return _Reply(answer.status, answer.body, readable=_is_readable(answer))
        raise self._error(answer, effect, hidden)

    async def _organization(self, effect: Effect) -> str:
        """The organization to work in: the configured one, or the only one there is. Found out once."""
        if self._organization_id is not None:
            return self._organization_id
        async with self._finding_out:
            if self._organization_id is not None:
                return self._organization_id
            try:
                found = await self.organizations()
            except (Upstream, BadAnswer) as error:
                if effect in _CHANGES_NOTHING:
                    raise
                failed = error
            else:
                if len(found) != 1:
                    raise Rejected(
                        "Postroom does not know in which of this ScaledMail account's organizations to work.",
                        cure=f"Whoever runs Postroom: set `organization_id` in the account's settings. {_named(found)}",
                    )
                self._organization_id = found[0].id
                return self._organization_id
        raise NotSent(
            "ScaledMail did not say which organizations there are, so the request itself was not sent.",
            status=failed.status,
            detail=failed.detail,
        )

    # What went wrong.

    def _error(self, answer: Answer, effect: Effect, hidden: Sequence[SecretStr]) -> ProviderError:
        """The error that a status stands for."""
        status = answer.status
        words = self._words(answer.body, hidden)
        if status in _NOT_ADMITTED:
            kind, sentence, cure = _NOT_ADMITTED[status]
            return kind(sentence + words, cure=cure, status=status)
        if status in _NOTHING_DONE:
            return Rejected(f"ScaledMail refused the request.{words}", status=status)
        if effect not in _CHANGES_NOTHING:
            if _CREATED_BUT_NOT_CHARGED.search(words):
                return OutcomeUnknown(
                    f"ScaledMail has created the subscription, but could not charge for it.{words}",
                    cure="Do not repeat it. Whoever pays for this account: settle the open payment at ScaledMail, or "
                    "cancel that subscription there.",
                    status=status,
                    detail="created but not charged",
                )
            return OutcomeUnknown(
                f"ScaledMail failed while it had the order: something may have been bought or not.{words}",
                status=status,
            )
        if status in _OF_A_READING:
            of_a_reading, sentence = _OF_A_READING[status]
            return of_a_reading(sentence + words, status=status)
        if status >= 500 or status in _TROUBLE:
            return Upstream(f"ScaledMail failed to answer.{words}", status=status)
        return BadAnswer(f"ScaledMail answered in a way that Postroom does not know (status {status}).", status=status)

    def _words(self, body: JsonValue, hidden: Sequence[SecretStr] = ()) -> str:
        refusal = Refusal.model_validate(body) if isinstance(body, dict) else Refusal()
        said = self._heard.quoted(refusal.message, hidden)
        return f" It says: {said}" if said else ""

    def _secrets(self) -> tuple[str, ...]:
        return (self._settings.api_key.get_secret_value(),)


def _piece(text: str) -> str:
    """One piece of a path, whatever it holds. Raises NotFound for what would lead to another path."""
    if text.strip(". ") == "":
        raise NotFound("That is not the id of a domain at ScaledMail.")
    return quote(text, safe="")


def _named(organizations: Sequence[Organization]) -> str:
    if not organizations:
        return "It has none."
    return "It has: " + ", ".join(f"{found.id} ({found.name})" if found.name else found.id for found in organizations)


def _is_readable(answer: Answer) -> bool:
    return not answer.content.strip() or answer.body is not None or answer.content.strip() == b"null"


def _says_no(body: JsonValue) -> bool:
    """Whether a body denies what its status says."""
    if not isinstance(body, dict):
        return False
    denied = body.get("success") is False or body.get("ok") is False
    return denied or bool(body.get("error")) or str(body.get("status", "")).lower() in ("error", "failed")
