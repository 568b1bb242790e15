"""Mailin.ai: a typed method for each endpoint, one log-in shared by all, and what its statuses mean in one table."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, TypeVar
from urllib.parse import quote

import structlog
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, JsonValue, SecretStr, ValidationError, field_validator

from providers.accounts import AccountSettings, Clock
from providers.action import Effect
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
from providers.http import BUSY, Answer, Transport
from providers.mailin.models import (
    Accepted,
    Availability,
    Domain,
    DomainPage,
    Hosting,
    Job,
    JobState,
    Listing,
    Refusal,
)
from providers.mailin.repair import repaired_json

PER_PAGE = 100
MAX_PAGES = 1000
"""A listing that has more pages than this does not end."""
REFUSED_LOGIN_SECONDS = 60.0
"""How long the same wrong password is not tried again: many tries may lock the account."""
LONGEST_QUOTE = 300
"""Characters of Mailin's own words that are passed on."""

UPSTREAM_TROUBLE = 310
REFUSED = 311
NO_SUBSCRIPTION = 312
INCOMPLETE = 313

_PREFIX = "/api/v1/public"
_LISTINGS: Mapping[Hosting, str] = {"smtp": "/domains", "google": "/domains/list/google"}
_CHANGES_NOTHING = frozenset({Effect.READ, Effect.REVEAL})

# What the statuses mean, whichever endpoint it is. After the first two, nothing was done.
_NOTHING_DONE = frozenset({405, 406, 411, 413, 414, 415, 422, 431, REFUSED})
_NOT_BEGUN: Mapping[int, tuple[type[ProviderError], str]] = {
    401: (AuthExpired, "Mailin did not accept a fresh log-in."),
    403: (Blocked, "Mailin, or the network in front of it, refuses calls from here."),
    404: (NotFound, "Mailin does not know it, or it belongs to another account."),
    NO_SUBSCRIPTION: (NeedsSubscription, "This Mailin account has no active subscription for that."),
}
_TROUBLE = frozenset({408, 425, UPSTREAM_TROUBLE, INCOMPLETE})
_UNCLEAR: Mapping[int, str] = {
    UPSTREAM_TROUBLE: "Mailin had trouble talking to another service: the order may have gone through or not.",
    INCOMPLETE: "Mailin broke off in the middle: a part may be done.",
}
_UNCLEAR_OTHERWISE = "Mailin failed while it had the request: it may have happened or not."

_Shape = TypeVar("_Shape", bound=BaseModel)


class MailinSettings(AccountSettings):
    """`[accounts.<name>]` of an account at Mailin.ai."""

    model_config = ConfigDict(hide_input_in_errors=True)

    base_url: HttpUrl = Field(
        HttpUrl("https://api.mailin.ai"),
        description="Where the provider's API lives. May point anywhere, a test server included.",
    )
    email: SecretStr = Field(description="The e-mail address the account logs in with.")
    password: SecretStr = Field(description="The account's password.")
    device_name: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        "postroom", description="The name under which Mailin lists this program's log-ins."
    )

    @field_validator("email")
    @classmethod
    def _looks_like_an_address(cls, email: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email.get_secret_value()):
            raise ValueError("must be an e-mail address")
        return email

    @field_validator("password")
    @classmethod
    def _is_there(cls, password: SecretStr) -> SecretStr:
        if not password.get_secret_value():
            raise ValueError("must not be empty")
        return password


def connect(
    name: str,
    settings: MailinSettings,
    clock: Clock,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> MailinClient:
    """The client of the account `name`. Nothing is sent yet."""
    transport = Transport(
        str(settings.base_url),
        account=name,
        clock=clock,
        min_seconds_between_calls=settings.min_seconds_between_calls,
        timeout_seconds=settings.timeout_seconds,
        busy=BUSY | {UPSTREAM_TROUBLE},
        sleep=sleep,
    )
    return MailinClient(transport, settings, clock)


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer that was not an error. `body` may be None: the status was fine, the text unreadable."""

    status: int
    body: JsonValue = field(repr=False)


class MailinClient:
    """One account at Mailin.ai.

    Every method raises ProviderErrors only. Of a purchase, OutcomeUnknown is the one error after which something may
    have been bought; after any other, nothing was.
    """

    def __init__(self, transport: Transport, settings: MailinSettings, clock: Clock) -> None:
        self.clock = clock
        self._transport = transport
        self._settings = settings
        self._token: SecretStr | None = None
        self._login_turn = asyncio.Lock()
        self._no_login_before: datetime | None = None
        self._odd_words: set[str] = set()
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger(
            "providers.mailin", account=transport.account
        )

    def __repr__(self) -> str:
        return f"<MailinClient account={self._transport.account!r}>"

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    # The account.

    async def verify_credentials(self) -> None:
        """Log in afresh (endpoint row 17). Raises AuthExpired when Mailin refuses."""
        async with self._login_turn:
            self._no_login_before = None
            self._token = await self._login()

    # Domains.

    async def domains(self, page: int = 1, per_page: int = PER_PAGE, name: str | None = None) -> DomainPage:
        """A page of the SMTP domains (endpoint row 24). `name` finds everything that contains it."""
        return await self._listing("smtp", page, per_page, name)

    async def google_domains(self, page: int = 1, per_page: int = PER_PAGE, name: str | None = None) -> DomainPage:
        """A page of the Google domains (endpoint row 45). `name` finds everything that contains it."""
        return await self._listing("google", page, per_page, name)

    async def find_domain(self, name: str, hosting: Hosting = "smtp") -> Domain | None:
        """The account's domain of exactly this name, or None. "None" soon after a purchase proves nothing."""
        page: int | None = 1
        while page is not None:
            if page > MAX_PAGES:
                raise BadAnswer("Mailin's list of domains does not end.", detail=f"{MAX_PAGES} pages")
            listing = await self._listing(hosting, page, PER_PAGE, name)
            for domain in listing.data:
                if domain.name.lower() == name.lower():
                    return domain
            page = listing.next_page
        return None

    async def is_available(self, domain: str) -> bool:
        """Whether a name can be bought (endpoint row 26). Its "no" is a 404, but not every 404 is a "no"."""
        reply = await self._call(
            "GET",
            "/domains/check/domain-availability",
            effect=Effect.READ,
            params={"domain_name": domain},
            also_fine=frozenset({404}),
        )
        said = self._shaped(Availability, reply).available
        if said is None:
            raise BadAnswer(
                "Mailin did not say whether the name is available.", status=reply.status, detail="no `available`"
            )
        return said

    async def buy_domain(self, domain: str) -> str:
        """Buy one SMTP domain (endpoint row 27). Returns the uuid of the job."""
        return await self._buy("/domains/buy", {"domain_name": domain})

    async def buy_domains(self, domains: Sequence[str]) -> str:
        """Buy several SMTP domains at once (endpoint row 29). Returns the uuid of the job."""
        return await self._buy("/domains/buy-multiple", {"domain_names": list(domains)})

    async def buy_google_domain(self, domain: str) -> str:
        """Buy one Google domain (endpoint row 46). Returns the uuid of the job."""
        return await self._buy("/domains/buy/google", {"domain_name": domain})

    async def buy_google_domains(self, domains: Sequence[str]) -> str:
        """Buy several Google domains at once (endpoint row 47). Returns the uuid of the job."""
        return await self._buy("/domains/buy-multiple/google", {"domain_names": list(domains)})

    async def job_status(self, uuid: str) -> Job:
        """How a purchase is getting on (endpoint row 31). Raises NotFound for a job Mailin does not know."""
        reply = await self._call("GET", f"/domains/status/{quote(uuid, safe='')}", effect=Effect.READ)
        job = self._shaped(Job, reply)
        if job.state is JobState.UNKNOWN and job.raw_status not in self._odd_words and len(self._odd_words) < 100:
            self._odd_words.add(job.raw_status)
            self._log.warning("unknown job status", said=self._quoted(job.raw_status), job=uuid)
        return job

    # Details.

    async def _listing(self, hosting: Hosting, page: int, per_page: int, name: str | None) -> DomainPage:
        params: dict[str, str | int] = {"page": page, "per_page": per_page}
        if name:
            params["name"] = name
        reply = await self._call("GET", _LISTINGS[hosting], effect=Effect.READ, params=params)
        return self._shaped(Listing, reply).as_page(page, per_page)

    async def _buy(self, path: str, wanted: Mapping[str, JsonValue]) -> str:
        """Send a purchase, once. Any 2xx with a job's uuid is a yes; one without may be anything."""
        reply = await self._call("POST", path, effect=Effect.SPEND, json=wanted)
        try:
            return Accepted.model_validate(reply.body).uuid
        except ValidationError:
            raise OutcomeUnknown(
                "Mailin seems to have taken the order, but its answer names no job to follow.",
                status=reply.status,
                detail="no readable uuid",
            ) from None

    def _shaped(self, shape: type[_Shape], reply: _Reply) -> _Shape:
        """The body of a reading as `shape`. Raises BadAnswer."""
        try:
            return shape.model_validate(reply.body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise BadAnswer(
                "Mailin's answer could not be understood.",
                status=reply.status,
                detail=f"{shape.__name__}: {where}: {first['type']}",
            ) from None

    # Asking, and the log-in it needs.

    async def _call(
        self,
        method: str,
        path: str,
        *,
        effect: Effect,
        json: object = None,
        params: Mapping[str, str | int] | None = None,
        also_fine: frozenset[int] = frozenset(),
    ) -> _Reply:
        """Ask, logged in. A 401 is answered with one fresh log-in: it proves that nothing was done, even of a SPEND.

        Returns any 2xx, and what is `also_fine`; raises for the rest what the tables above say.
        """
        token = await self._token_for(effect)
        for last_try in (False, True):
            answer = await self._transport.call(
                method,
                _PREFIX + path,
                effect=effect,
                json=json,
                params=params,
                headers={"Authorization": f"Bearer {token.get_secret_value()}"},
            )
            if answer.status != 401 or last_try:
                break
            token = await self._token_for(effect, refused=token)
        body = _body(answer)
        if 200 <= answer.status < 300 or answer.status in also_fine:
            return _Reply(answer.status, body)
        raise self._error(answer.status, body, effect)

    async def _token_for(self, effect: Effect, refused: SecretStr | None = None) -> SecretStr:
        """The token, from a log-in if there is none yet or it is the `refused` one. One log-in serves all who wait."""
        if self._token is not None and self._token is not refused:
            return self._token
        async with self._login_turn:
            if self._token is None or self._token is refused:
                self._token = None
                try:
                    self._token = await self._login()
                except (Upstream, BadAnswer) as error:
                    if effect in _CHANGES_NOTHING:
                        raise
                    raise NotSent(
                        "Mailin did not let Postroom log in, so the request itself was not sent.",
                        status=error.status,
                        detail=error.detail,
                    ) from None
            return self._token

    async def _login(self) -> SecretStr:
        """Endpoint row 17. Raises AuthExpired when the e-mail and password are refused."""
        if self._no_login_before is not None and self.clock.now() < self._no_login_before:
            raise AuthExpired("Mailin refused this account's e-mail and password.", detail="refused a moment ago")
        answer = await self._transport.call(
            "POST",
            f"{_PREFIX}/auth/login",
            effect=Effect.REVEAL,
            json={
                "email": self._settings.email.get_secret_value(),
                "password": self._settings.password.get_secret_value(),
                "device_name": self._settings.device_name,
            },
        )
        if answer.status in (400, 401, 422):
            self._no_login_before = self.clock.now() + timedelta(seconds=REFUSED_LOGIN_SECONDS)
            raise AuthExpired("Mailin refused this account's e-mail and password.", status=answer.status)
        body = _body(answer)
        if not 200 <= answer.status < 300:
            raise self._error(answer.status, body, Effect.READ)
        token = body.get("token") if isinstance(body, dict) else None
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]{1,4096}", token):
            raise BadAnswer("Mailin's answer to the log-in held no token.", status=answer.status, detail="no token")
        self._no_login_before = None
        return SecretStr(token)

    # What went wrong.

    def _error(self, status: int, body: JsonValue, effect: Effect) -> ProviderError:
        """The error that a status stands for.

        311, 312 and these 4xx are documented as, or by their nature are, answers to something that was not begun. All
        that is left is unclear for a change, a plain 400 included. So is 310, although Mailin says that one may try
        again: for a purchase the other API is the registrar, trouble in talking to it does not mean that it has not
        registered the name, and there is no idempotency key that would make trying again safe.
        """
        refusal = _refusal(body)
        said = self._quoted(refusal.message)
        words = f" It says: {said}" if said else ""
        if status in _NOTHING_DONE:
            return Rejected(
                f"Mailin refused the request.{words}",
                fields={name: [self._quoted(text) for text in texts] for name, texts in refusal.errors.items()},
                unavailable=tuple(self._quoted(name) for name in refusal.unavailable),
                status=status,
            )
        if status in _NOT_BEGUN:
            kind, sentence = _NOT_BEGUN[status]
            return kind(sentence + words, status=status)
        if effect not in _CHANGES_NOTHING:
            return OutcomeUnknown(_UNCLEAR.get(status, _UNCLEAR_OTHERWISE) + words, status=status)
        if status >= 500 or status in _TROUBLE:
            return Upstream(f"Mailin failed to answer.{words}", status=status)
        return BadAnswer(f"Mailin answered in a way that Postroom does not know (status {status}).", status=status)

    def _quoted(self, text: str) -> str:
        """Mailin's own words, fit to be shown: one line, not too long, and without this account's secrets."""
        for secret in (self._settings.email, self._settings.password, self._token):
            if secret is not None:
                text = re.sub(re.escape(secret.get_secret_value()), "[redacted]", text, flags=re.IGNORECASE)
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"


def _body(answer: Answer) -> JsonValue:
    if answer.body is not None or not answer.content:
        return answer.body
    try:
        return repaired_json(answer.text)
    except ValueError:
        return None


def _refusal(body: JsonValue) -> Refusal:
    return Refusal.model_validate(body) if isinstance(body, dict) else Refusal()
