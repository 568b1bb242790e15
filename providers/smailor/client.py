"""Smailor: a typed method for each endpoint, its two ways of knowing who asks, and what its code words mean."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, JsonValue, SecretStr, ValidationError, field_validator

from providers.accounts import AccountSettings, Clock
from providers.action import Effect
from providers.answers import Heard, Reply, listed, read_rows
from providers.errors import (
    AlreadyExists,
    AuthExpired,
    BadAnswer,
    Blocked,
    NeedsSubscription,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    RateLimited,
    Rejected,
    Upstream,
)
from providers.http import Answer, Transport
from providers.provider import Client
from providers.smailor.models import (
    Domain,
    ListedTemplate,
    NewMailbox,
    Refusal,
    Rendered,
    Reputation,
    SentMessage,
    Template,
    TemplateChanges,
    WantedTemplate,
    refusal,
    unwrapped,
)

KeyHeader = Literal["authorization", "x-api-key"]
World = Literal["key", "session"]
"""Smailor's two halves: /api/v1 knows who asks by the API key, /api/templates by the cookie of a signed-in browser."""

_TEMPLATES = "/api/templates"
_CHANGES_NOTHING = frozenset({Effect.READ, Effect.REVEAL})

_VERIFY_THE_DOMAIN = "Verify the domain at Smailor first (DNS with DKIM, SPF and DMARC), then ask again."
_SIGN_IN_AGAIN = (
    "Whoever runs Postroom: sign in to Smailor in a browser and put the session's cookie into this account's "
    "`session_cookie`."
)
_CODES: Mapping[str, tuple[type[ProviderError], str, str | None]] = {
    "invalid_body": (Rejected, "Smailor refused the request: something in it is not as it should be.", None),
    "domain_not_verified": (Rejected, "Smailor has not verified that domain.", _VERIFY_THE_DOMAIN),
    "unauthorized": (AuthExpired, "Smailor did not accept this account's API key.", None),
    # Smailor explains both 403s by plan and billing, not by anything that the asker did: somebody has to pay or to
    # confirm a card, and nothing about the request would help. Hence not Blocked, whose cure is a better reputation.
    "forbidden": (NeedsSubscription, "This Smailor account's plan does not allow that.", None),
    "card_not_verified": (
        NeedsSubscription,
        "Smailor wants this account's payment card to be verified first.",
        "Whoever pays for this account: verify the card at Smailor, then ask again.",
    ),
    "address_taken": (
        AlreadyExists,
        "There is a mailbox of that address already.",
        "If an earlier try of the same mailbox had no clear answer, that try has worked. Otherwise choose another "
        "address.",
    ),
    "domain_reputation_blocked": (
        Blocked,
        "Smailor lets nobody create mailboxes on that domain while its reputation is this bad.",
        None,
    ),
    "too_many_requests": (RateLimited, "Smailor says that there were too many calls.", None),
}
"""The documented code words. After any of them, nothing was done."""

# What a status means by itself, where no known word comes with it. Nothing was done after these either.
_STATUSES: Mapping[int, tuple[type[ProviderError], str]] = {
    400: (Rejected, "Smailor refused the request."),
    401: (AuthExpired, "Smailor did not accept this account's API key."),
    402: (NeedsSubscription, "This Smailor account's plan does not allow that."),
    403: (Blocked, "Smailor, or the network in front of it, refuses calls from here."),
    404: (NotFound, "Smailor does not know it, or it belongs to another account."),
    409: (Rejected, "Smailor refused the request, because it clashes with what is there."),
    **dict.fromkeys((405, 406, 411, 413, 414, 415, 422, 431), (Rejected, "Smailor refused the request.")),
}
_TROUBLE = frozenset({408, 425})
_TO_A_SIGN_IN_PAGE = re.compile(r"log-?in|sign-?in|/auth", re.IGNORECASE)
_QUOTA = re.compile(r"quota|limit|maximum|at most|too many|\bmax\b", re.IGNORECASE)

_Shape = TypeVar("_Shape", bound=BaseModel)


class SmailorSettings(AccountSettings):
    """`[accounts.<name>]` of an account at Smailor."""

    model_config = ConfigDict(defer_build=True, hide_input_in_errors=True)

    base_url: HttpUrl = Field(
        HttpUrl("https://smailor.com"),
        description="Where Smailor is; its newer pages say https://app.smailor.com. May point at a test server.",
    )
    api_key: SecretStr = Field(description="The account's API key. Smailor shows it once, when it is made.")
    key_header: KeyHeader = Field(
        "authorization", description='How the key travels: "authorization" (as a bearer token) or "x-api-key".'
    )
    session_cookie: SecretStr | None = Field(
        None,
        description="The Cookie header of a browser that is signed in (name=value; …). Only the reply templates need "
        "it.",
    )
    min_seconds_between_calls: Annotated[float, Field(ge=0, le=3600)] = Field(
        1.0, description="Calls of this account are spaced at least this many seconds apart."
    )

    @field_validator("api_key")
    @classmethod
    def _fits_a_header(cls, key: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[\x21-\x7e]{1,4096}", key.get_secret_value()):
            raise ValueError("must be one word of plain characters")
        return key

    @field_validator("session_cookie")
    @classmethod
    def _is_a_cookie(cls, cookie: SecretStr | None) -> SecretStr | None:
        if cookie is None or re.fullmatch(r"[!-:<>-~]+=[ -~]{1,8192}", cookie.get_secret_value()):
            return cookie
        raise ValueError("must look like name=value")


def connect(
    name: str,
    settings: SmailorSettings,
    clock: Clock,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> SmailorClient:
    """The client of the account `name`. Nothing is sent yet."""
    transport = Transport.for_account(name, settings, clock, sleep=sleep)
    return SmailorClient(transport, settings, clock)


class SmailorClient(Client):
    """One account at Smailor.

    Every method raises ProviderErrors only. After OutcomeUnknown a change may have happened; after any other, it has
    not.
    """

    def __init__(self, transport: Transport, settings: SmailorSettings, clock: Clock) -> None:
        super().__init__(transport, clock)
        self._settings = settings
        self._heard = Heard("smailor", transport.account, self._secrets)

    # The account.

    @property
    def has_session(self) -> bool:
        """Whether templates can be asked for at all."""
        return self._settings.session_cookie is not None

    async def verify_credentials(self) -> None:
        """Read the domains with the key, and the templates with the cookie if there is one (endpoint rows 7, 10).

        Raises AuthExpired for whichever of the two Smailor refuses.
        """
        await self.domains()
        if self.has_session:
            await self.templates()

    # Domains, mailboxes, messages.

    async def domains(self) -> tuple[Domain, ...]:
        """The account's own domains with their 30 days and Smailor's advice (endpoint row 7)."""
        domains = await self._rows(Domain, "/api/v1/domains", "domains", world="key")
        for word in {domain.raw_reputation for domain in domains if domain.reputation is Reputation.UNKNOWN}:
            if word:
                self._heard.note("reputation", word)
        return domains

    async def find_domain(self, name: str) -> Domain | None:
        """The account's domain of exactly this name, or None."""
        return next((domain for domain in await self.domains() if domain.name.lower() == name.lower()), None)

    async def create_mailbox(self, local_part: str, domain: str, display_name: str | None = None) -> NewMailbox:
        """Create a mailbox (endpoint row 8).

        After OutcomeUnknown nothing can be read back: there is no listing. AlreadyExists, if it follows on one, is the
        answer "it had worked". Raises Blocked while the domain's reputation is too bad.
        """
        wanted: dict[str, JsonValue] = {"localPart": local_part, "domain": domain}
        if display_name:
            wanted["displayName"] = display_name
        reply = await self._call("POST", "/api/v1/mailboxes", effect=Effect.WRITE, json=wanted)
        said = unwrapped(reply.body, "mailbox")
        try:
            created = NewMailbox.model_validate(said)
        except ValidationError:
            created = NewMailbox.model_validate({**said, "address": f"{local_part}@{domain}"})
        return created if "@" in created.address else created.model_copy(update={"address": f"{local_part}@{domain}"})

    async def send(
        self, to: str, sender: str, subject: str, *, text: str | None = None, html: str | None = None
    ) -> SentMessage:
        """Send one e-mail (endpoint row 9), from an active address on a verified domain, as text, HTML or both.

        Handed to the network once, whatever happens: it cannot be called back, and it uses up the plan.
        """
        if not (text or html):
            raise Rejected("The message is empty, so it was not sent.", fields={"text": ["Write something."]})
        wanted: dict[str, JsonValue] = {"to": to, "from": sender, "subject": subject}
        wanted |= {name: body for name, body in (("text", text), ("html", html)) if body}
        reply = await self._call("POST", "/api/v1/send", effect=Effect.SPEND, json=wanted)
        return SentMessage.model_validate(unwrapped(reply.body, "message"))

    # Reply templates. Without a session cookie, all of these raise AuthExpired and send nothing.

    async def templates(self, *, group: str | None = None, ticket: str | None = None) -> tuple[Template, ...]:
        """The templates (endpoint row 10): all, or those that suit a group or a ticket. NotFound for a ticket that
        the signed-in person may not see."""
        if group and ticket:
            raise Rejected("Templates can be listed for a group or for a ticket, not for both.")
        params = {"groupId": group} if group else {"ticketId": ticket} if ticket else None
        return await self._rows(ListedTemplate, _TEMPLATES, "templates", world="session", params=params)

    async def create_template(self, wanted: WantedTemplate) -> Template:
        """Create a template (endpoint row 11). `id` is empty where Smailor does not name it: look in the list then."""
        sent = wanted.model_dump(mode="json", exclude_none=True)
        reply = await self._call("POST", _TEMPLATES, effect=Effect.WRITE, json=sent, world="session")
        said = unwrapped(reply.body, "template")
        return Template.model_validate({**sent, **{name: value for name, value in said.items() if value is not None}})

    async def template(self, template_id: str) -> Template:
        """One template (endpoint row 12)."""
        reply = await self._call("GET", _of(template_id), effect=Effect.READ, world="session")
        return self._shaped(Template, unwrapped(reply.body, "template"), reply)

    async def update_template(self, template_id: str, changes: TemplateChanges) -> None:
        """Change what `changes` was given, and nothing else (endpoint row 13)."""
        sent = changes.model_dump(mode="json", exclude_unset=True)
        if not sent:
            raise Rejected("There is nothing to change in the template, so nothing was sent.")
        await self._call("PATCH", _of(template_id), effect=Effect.WRITE, json=sent, world="session")

    async def delete_template(self, template_id: str) -> None:
        """Delete a template for good (endpoint row 14)."""
        await self._call("DELETE", _of(template_id), effect=Effect.DESTROY, world="session")

    async def preview_template(self, template_id: str, ticket: str) -> Rendered:
        """A template as it would read for a ticket (endpoint row 15): about a customer, for the asker's eyes alone.

        A POST that changes nothing.
        """
        reply = await self._call(
            "POST", _of(template_id, "/preview"), effect=Effect.READ, json={"ticketId": ticket}, world="session"
        )
        said = unwrapped(reply.body, "preview")
        return self._shaped(Rendered, unwrapped(said, "rendered"), reply)

    async def note_template_used(self, template_id: str) -> None:
        """Count one more use of a template (endpoint row 16). Counted twice, it does no harm."""
        await self._call("POST", _of(template_id, "/use"), effect=Effect.WRITE, world="session")

    # Details.

    async def _rows(
        self, shape: type[_Shape], path: str, name: str, *, world: World, params: Mapping[str, str] | None = None
    ) -> tuple[_Shape, ...]:
        """A listing as rows of `shape`. Raises BadAnswer when there is none, or when no row of it can be read."""
        reply = await self._call("GET", path, effect=Effect.READ, params=params, world=world)
        rows = listed(reply.body, name)
        if rows is None:
            raise self._not_understood(reply, f"no list of {name}")
        read = read_rows(shape, rows)
        if read.unreadable and not read:
            raise self._not_understood(reply, f"no readable {shape.__name__}")
        self._heard.note_left_out(path, read.unreadable)
        return read

    def _shaped(self, shape: type[_Shape], said: Mapping[str, JsonValue], reply: Reply) -> _Shape:
        with contextlib.suppress(ValidationError):
            return shape.model_validate(said)
        raise self._not_understood(reply, f"no readable {shape.__name__}")

    def _not_understood(self, reply: Reply, detail: str) -> BadAnswer:
        return BadAnswer("Smailor's answer could not be understood.", status=reply.status, detail=detail)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        effect: Effect,
        json: object = None,
        params: Mapping[str, str] | None = None,
        world: World = "key",
    ) -> Reply:
        """Ask, as `world` wants it. Returns any 2xx that means it; raises for the rest what the tables above say."""
        answer = await self._transport.call(
            method, path, effect=effect, json=json, params=params, headers=self._identification(world)
        )
        if not 200 <= answer.status < 300 or _denies(answer.body):
            raise self._error(answer, effect, world)
        # A web page instead of an answer: this is not where the API lives.
        if answer.body is None and answer.content.strip() not in (b"", b"null"):
            if effect in _CHANGES_NOTHING:
                raise BadAnswer("Smailor answered with something else than data.", status=answer.status, detail="text")
            raise OutcomeUnknown(
                "Smailor answered with something else than data.",
                status=answer.status,
                detail="not JSON",
            )
        return Reply(answer.status, answer.body)

    def _identification(self, world: World) -> dict[str, str]:
        if world == "session":
            if self._settings.session_cookie is None:
                raise AuthExpired(
                    "This Smailor account has no session cookie, and without one its reply templates cannot be "
                    "reached. Nothing was sent.",
                    cure=_SIGN_IN_AGAIN,
                )
            return {"Cookie": self._settings.session_cookie.get_secret_value()}
        key = self._settings.api_key.get_secret_value()
        return {"X-API-Key": key} if self._settings.key_header == "x-api-key" else {"Authorization": f"Bearer {key}"}

    # What went wrong.

    def _error(self, answer: Answer, effect: Effect, world: World) -> ProviderError:
        """The error that an answer stands for: by its code word where there is a known one, else by its status.

        A 5xx is never taken at its word: a change may have happened before it broke.
        """
        status = answer.status
        said = refusal(answer.body, _CODES)
        words = self._words(said)
        if status < 500:
            if world == "session" and (of_the_session := self._of_the_session(answer, said, words)) is not None:
                return of_the_session
            if said.code in _CODES:
                kind, sentence, cure = _CODES[said.code]
                return self._made(kind, sentence + words, cure, status, said)
            if status in _STATUSES:
                kind, sentence = _STATUSES[status]
                return self._made(kind, sentence + words, None, status, said)
        if effect not in _CHANGES_NOTHING:
            return OutcomeUnknown(f"Smailor failed while it had the request.{words}", status=status)
        if status >= 500 or status in _TROUBLE:
            return Upstream(f"Smailor failed to answer.{words}", status=status)
        return BadAnswer(f"Smailor answered in a way that Postroom does not know (status {status}).", status=status)

    def _of_the_session(self, answer: Answer, said: Refusal, words: str) -> ProviderError | None:
        """What means something else for templates than for the rest."""
        status = answer.status
        signed_out = 300 <= status < 400 and bool(_TO_A_SIGN_IN_PAGE.search(answer.headers.get("location", "")))
        if status == 401 or signed_out or said.code == "unauthorized":
            return AuthExpired(
                f"Smailor takes this account's session for signed out.{words}", cure=_SIGN_IN_AGAIN, status=status
            )
        if status == 403 and said.code != "card_not_verified":
            return NotFound(f"Smailor does not let this account see that.{words}", status=status)
        if status == 400 and _QUOTA.search(f"{said.code.replace('_', ' ')} {said.message}"):
            return Rejected(
                f"Smailor holds no more templates for this account.{words}",
                cure="Delete a template first, then ask again.",
                status=status,
            )
        return None

    def _made(
        self, kind: type[ProviderError], sentence: str, cure: str | None, status: int, said: Refusal
    ) -> ProviderError:
        if kind is Rejected:
            fields = {name: [self._heard.quoted(text) for text in texts] for name, texts in said.fields.items()}
            return Rejected(sentence, fields=fields, cure=cure, status=status, detail=self._heard.quoted(said.code))
        return kind(sentence, cure=cure, status=status, detail=self._heard.quoted(said.code))

    def _words(self, said: Refusal) -> str:
        text = self._heard.quoted(said.message or ("" if said.code in _CODES else said.code.replace("_", " ")))
        return f" It says: {text}" if text else ""

    def _secrets(self) -> list[str]:
        """The key, the cookies, and what each of these cookies holds."""
        secrets = [self._settings.api_key.get_secret_value()]
        if self._settings.session_cookie is not None:
            header = self._settings.session_cookie.get_secret_value()
            values = (cookie.partition("=")[2].strip() for cookie in header.split(";"))
            secrets += [header, *(value for value in values if len(value) >= 6)]
        return secrets


def _of(template_id: str, what: str = "") -> str:
    """The path of a template. Raises NotFound for an id that would lead to another path."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", template_id):
        raise NotFound("That is not the id of a template at Smailor.")
    return f"{_TEMPLATES}/{template_id}{what}"


def _denies(body: JsonValue) -> bool:
    """Whether a body says no although its status says yes."""
    if not isinstance(body, dict):
        return False
    denied = body.get("success") is False or body.get("ok") is False
    return denied or bool(body.get("error")) or str(body.get("status", "")).lower() in ("error", "failed")
