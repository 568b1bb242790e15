"""MailAPI.tech: a typed method for each endpoint, in both of its editions, and what its answers mean.

The classic edition wants the key in the query and in the body: it stands in URLs, so nothing here ever tells a URL, a
query or a body to anybody. The newer one wants it in a header alone.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Annotated, Literal, Self, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, JsonValue, SecretStr, ValidationError, model_validator

from providers.accounts import AccountSettings, Clock
from providers.action import Effect
from providers.answers import Heard, Reply, Rows, first_problem
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
from providers.mailapi.models import (
    MOST_SUB_DOMAINS,
    AcceptedDomain,
    AcceptedTask,
    Domain,
    DomainStatus,
    Mailbox,
    MailboxStatus,
    Refusal,
    Task,
    TaskState,
    is_label,
    parse_domains,
    parse_mailboxes,
)
from providers.provider import Client

SUB_DOMAIN_SECONDS = 3600.0
"""Between two successful requests for sub-domains of one domain by one key (endpoint row 99)."""

_CHANGES_NOTHING = frozenset({Effect.READ, Effect.REVEAL})
_SENT_ONCE = Effect.SPEND
"""For a call that costs nothing, but has one chance an hour: the transport hands it to the network exactly once."""

# What the statuses mean, whichever endpoint it is. After all of these nothing was done.
_NOTHING_DONE = frozenset({400, 405, 406, 411, 413, 414, 415, 422, 431})
_UNCLEAR_400 = frozenset({400})
"""A refusal only where MailAPI says so itself; a bare one may come from anything in between."""
_MAY_BE_A_FAILED_TASK = frozenset({400, 409, 410, 422})
"""With which status a task reports that it failed is not documented, so any of these with the error contract does."""

_Shape = TypeVar("_Shape", bound=BaseModel)
_Row = TypeVar("_Row", Domain, Mailbox)


class MailApiSettings(AccountSettings):
    """`[accounts.<name>]` of an account at MailAPI.tech."""

    model_config = ConfigDict(defer_build=True, hide_input_in_errors=True)

    base_url: HttpUrl = Field(
        HttpUrl("https://www.mailapi.tech"),
        description="Where the provider's API lives. May point anywhere, a test server included.",
    )
    min_seconds_between_calls: Annotated[float, Field(ge=0, le=3600)] = Field(
        0.5, description="Calls of this account are spaced at least this many seconds apart."
    )
    key: SecretStr = Field(description="The account's API key.")
    caller_id: Annotated[int, Field(ge=0)] | None = Field(
        None, description="The user id of the key's owner. The classic edition's listings need it."
    )
    edition: Literal["classic", "header"] = Field(
        "classic", description="How the key travels: in the query and the body, or in a header alone."
    )
    key_header: Literal["Authorization", "X-Api-Key"] = Field(
        "Authorization", description="Which header carries the key, in the edition that has it in a header."
    )
    path_prefix: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._-]+)*$")] = Field(
        "/api", description="What stands before /v1/…; some read the document as /api/api."
    )

    @model_validator(mode="after")
    def _fits_its_edition(self) -> Self:
        key = self.key.get_secret_value()
        if self.edition == "classic" and not re.fullmatch(r"[A-Za-z0-9]{32}", key):
            raise ValueError("key: must be 32 letters and digits")
        if not re.fullmatch(r"[\x21-\x7e]{1,4096}", key):
            raise ValueError("key: must be a value as it stands in the header: not empty, no spaces")
        if self.edition == "classic" and self.caller_id is None:
            raise ValueError("caller_id: must be there in the classic edition")
        return self


def connect(
    name: str,
    settings: MailApiSettings,
    clock: Clock,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> MailApiClient:
    """The client of the account `name`. Nothing is sent yet."""
    transport = Transport.for_account(name, settings, clock, sleep=sleep)
    return MailApiClient(transport, settings, clock)


class MailApiClient(Client):
    """One account at MailAPI.tech.

    Every method raises ProviderErrors only; OutcomeUnknown is the one after which something may have been made.
    """

    def __init__(self, transport: Transport, settings: MailApiSettings, clock: Clock) -> None:
        super().__init__(transport, clock)
        self._settings = settings
        self._heard = Heard("mailapi", transport.account, self._secrets)

    async def verify_credentials(self) -> None:
        """List the domains (endpoint row 97). Raises AuthExpired when the key, or the caller's id, is refused."""
        try:
            await self.domains()
        except NotFound as error:
            status = error.status
        else:
            return
        raise BadAnswer(
            "Something answers, but it knows no list of domains.",
            cure="Whoever runs Postroom: check `base_url` and `path_prefix` of this account.",
            status=status,
        )

    # Domains.

    async def domains(self) -> tuple[Domain, ...]:
        """All domains and sub-domains of the account (endpoint row 97)."""
        reply = await self._read("/list/domain", self._caller())
        domains = self._parsed(parse_domains, reply)
        self._note_unknown("domain status", (d.raw_status for d in domains if d.status is DomainStatus.UNKNOWN))
        return domains

    async def find_domain(self, name: str) -> Domain | None:
        """The account's domain of exactly this name, or None. "None" soon after a creation proves nothing."""
        return next((domain for domain in await self.domains() if domain.name.lower() == name.lower()), None)

    async def create_domain(self, domain: str) -> AcceptedDomain:
        """Have a base domain set up (endpoint row 98): it is ready when `find_domain` says that it is verified.

        Raises AlreadyExists where the account has it; after an unclear answer that means that it worked.
        """
        reply = await self._change("/create/domain", {"Domain": domain, "Params": {}})
        return self._accepted_domain(reply)

    async def create_sub_domains(self, domain: str, labels: Sequence[str]) -> AcceptedDomain:
        """Have up to ten sub-domains set up below a domain (endpoint row 99), once an hour for each domain.

        Labels are `team`, not `team.example.com`. Raises RateLimited, with the seconds to wait in `retry_after`, and
        Rejected for labels that cannot be: those are not sent, lest they use up the hour.
        """
        self._refuse_wrong_labels(labels)
        body: dict[str, JsonValue] = {"Domain": domain, "Params": {"sub_domains": list(labels)}}
        try:
            reply = await self._change("/create/sub-domain", body, effect=_SENT_ONCE, limited_by_account=False)
        except RateLimited as error:
            retry_after = error.retry_after
        else:
            return self._accepted_domain(reply)
        raise RateLimited(
            f"MailAPI takes sub-domains of {domain} once an hour, and that hour is not over.",
            retry_after=SUB_DOMAIN_SECONDS if retry_after is None else retry_after,
            cure="Nothing was changed. Ask again when that hour is over.",
            status=429,
        )

    # Mailboxes.

    async def mailboxes(self, domain: str) -> tuple[Mailbox, ...]:
        """All mailboxes of a domain (endpoint row 102). Raises NotFound for a domain that the account has not."""
        reply = await self._read("/list/mailbox", {**self._caller(), "domain": domain})
        mailboxes = self._parsed(parse_mailboxes, reply)
        self._note_unknown("mailbox status", (m.raw_status for m in mailboxes if m.status is MailboxStatus.UNKNOWN))
        return mailboxes

    async def create_mailbox(
        self, domain: str, local_part: str, *, display_name: str | None = None, quota_mb: int | None = None
    ) -> str:
        """Have one mailbox made (endpoint row 100). Returns the id of the task, for `mailbox_task`."""
        params: dict[str, JsonValue] = {}
        if display_name is not None:
            params["display_name"] = display_name
        if quota_mb is not None:
            params["quota_mb"] = quota_mb
        return await self._begin("single", domain, local_part, params)

    async def create_mailboxes(self, domain: str, prefix: str, count: int, *, quota_mb: int | None = None) -> str:
        """Have `count` mailboxes made (endpoint row 101), `prefix` with a number each: team1, team2 …

        Returns the id of the task, for `mailboxes_task`.
        """
        params: dict[str, JsonValue] = {"count": count}
        if quota_mb is not None:
            params["quota_mb"] = quota_mb
        return await self._begin("bulk", domain, prefix, params)

    async def mailbox_task(self, task_id: str) -> Task:
        """How the making of one mailbox is getting on (endpoint row 103).

        Raises NotFound for a task the key does not have, and Rejected for the task of several mailboxes.
        """
        return await self._task("single", task_id)

    async def mailboxes_task(self, task_id: str) -> Task:
        """How the making of several mailboxes is getting on (endpoint row 104), mailbox by mailbox.

        Raises NotFound for a task the key does not have.
        """
        return await self._task("bulk", task_id)

    # Details.

    def _caller(self) -> dict[str, str | int]:
        return {} if self._settings.caller_id is None else {"caller_id": self._settings.caller_id}

    def _refuse_wrong_labels(self, labels: Sequence[str]) -> None:
        if not 1 <= len(labels) <= MOST_SUB_DOMAINS:
            problem = f"From 1 to {MOST_SUB_DOMAINS} sub-domains go into one request; these are {len(labels)}."
        elif wrong := [label for label in labels if not is_label(label)]:
            problem = f"These cannot be sub-domains: {self._heard.quoted(', '.join(wrong))}."
        else:
            return
        raise Rejected(f"{problem} Nothing was sent.", fields={"sub_domains": [problem]})

    def _accepted_domain(self, reply: Reply) -> AcceptedDomain:
        accepted = self._shaped_change(AcceptedDomain, reply)
        if accepted.status.strip().lower() != "success":
            raise OutcomeUnknown(
                "MailAPI seems to have taken the request, but does not say that it succeeded.",
                status=reply.status,
                detail="status is not success",
            )
        return accepted

    async def _begin(
        self, kind: Literal["single", "bulk"], domain: str, name: str, params: Mapping[str, JsonValue]
    ) -> str:
        """Start a task, once. A yes without the id of a task may be anything."""
        body: dict[str, JsonValue] = {
            "Email_fullname": name,
            "single_bulk": kind,
            "Domain": domain,
            "Params": dict(params),
        }
        reply = await self._change(f"/create/mailbox/{kind}", body)
        return self._shaped_change(AcceptedTask, reply).task_id

    async def _task(self, kind: Literal["single", "bulk"], task_id: str) -> Task:
        """A task, whichever status its answer has: a 422 is a failed task, or a question about the wrong kind."""
        answer = await self._send("GET", f"/get/mailbox/{kind}", effect=Effect.READ, query={"task_id": task_id})
        refusal = _refusal(answer)
        if answer.status in _MAY_BE_A_FAILED_TASK and self._is_a_failed_task(kind, answer.status, refusal):
            body: dict[str, JsonValue] = {**(answer.body if isinstance(answer.body, dict) else {}), "status": "failed"}
        elif 200 <= answer.status < 300 and isinstance(answer.body, dict):
            body = answer.body
        elif 200 <= answer.status < 300:
            raise BadAnswer("MailAPI's answer could not be understood.", status=answer.status, detail="no object")
        else:
            raise self._error(answer.status, refusal, Effect.READ)
        try:
            task = Task.model_validate(body)
        except ValidationError as error:
            detail = f"Task: {first_problem(error)}"
        else:
            self._note_unknown("task status", [task.raw_status] if task.state is TaskState.UNKNOWN else [])
            said = tuple(m.model_copy(update={"said": self._heard.quoted(m.said)}) for m in task.mailboxes)
            return task.model_copy(update={"reason": self._heard.quoted(refusal.reason), "mailboxes": said})
        raise BadAnswer("MailAPI's answer could not be understood.", status=answer.status, detail=detail)

    @staticmethod
    def _is_a_failed_task(kind: Literal["single", "bulk"], status: int, refusal: Refusal) -> bool:
        """For several mailboxes a 422 is that by definition; for one it may say that the task is of the other type."""
        if kind == "bulk" and status == 422:
            return True
        return refusal.is_one and bool(refusal.reason) and "type" not in refusal.reason.lower()

    def _note_unknown(self, kind: str, words: Iterable[str]) -> None:
        for word in words:
            self._heard.note(kind, word)

    def _parsed(self, parse: Callable[[JsonValue], Rows[_Row]], reply: Reply) -> Rows[_Row]:
        try:
            rows = parse(reply.body)
        except ValueError as error:
            detail = str(error)
        else:
            self._heard.note_left_out(parse.__name__, rows.unreadable)
            return rows
        raise BadAnswer("MailAPI's answer could not be understood.", status=reply.status, detail=detail)

    def _shaped_change(self, shape: type[_Shape], reply: Reply) -> _Shape:
        """What a change began, as `shape`. Raises OutcomeUnknown: the status was a yes."""
        try:
            return shape.model_validate(reply.body)
        except ValidationError as error:
            detail = f"{shape.__name__}: {first_problem(error)}"
        raise OutcomeUnknown(
            "MailAPI seems to have taken the request, but its answer could not be understood.",
            status=reply.status,
            detail=detail,
        )

    # Asking.

    async def _read(self, path: str, query: Mapping[str, str | int]) -> Reply:
        return self._answered(await self._send("GET", path, effect=Effect.READ, query=query), Effect.READ)

    async def _change(
        self,
        path: str,
        body: Mapping[str, JsonValue],
        *,
        effect: Effect = Effect.WRITE,
        limited_by_account: bool = True,
    ) -> Reply:
        answer = await self._send("POST", path, effect=effect, body=body, limited_by_account=limited_by_account)
        return self._answered(answer, effect)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        effect: Effect,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, JsonValue] | None = None,
        limited_by_account: bool = True,
    ) -> Answer:
        """Ask, with the key where the edition wants it: in the query of a reading, in the body of a change."""
        settings = self._settings
        key = settings.key.get_secret_value()
        headers: dict[str, str] = {}
        if settings.edition == "header":
            headers[settings.key_header] = f"Bearer {key}" if settings.key_header == "Authorization" else key
        elif body is None:
            query = {"key": key, **(query or {})}
        else:
            body = {**body, "key": key}
        return await self._transport.call(
            method,
            f"{settings.path_prefix}/v1{path}",
            effect=effect,
            params=query,
            json=body,
            headers=headers,
            limited_by_account=limited_by_account,
        )

    def _answered(self, answer: Answer, effect: Effect) -> Reply:
        """Any 2xx that is not an error in disguise."""
        refusal = _refusal(answer)
        if not 200 <= answer.status < 300:
            raise self._error(answer.status, refusal, effect)
        if refusal.is_one:
            raise Rejected(f"MailAPI refused the request.{self._said(refusal)}", status=answer.status)
        return Reply(answer.status, answer.body)

    # What went wrong.

    def _error(self, status: int, refusal: Refusal, effect: Effect) -> ProviderError:
        """The error that a status stands for."""
        words = self._said(refusal)
        match status:
            case 401:
                return AuthExpired(f"MailAPI does not accept this account's key.{words}", status=status)
            case 402:
                return NeedsSubscription(f"This MailAPI account has no plan for that.{words}", status=status)
            case 403 if refusal.is_one:
                return AuthExpired(
                    f"MailAPI says that the key does not belong to this caller id.{words}", status=status
                )
            case 403:
                return Blocked("MailAPI, or the network in front of it, refuses calls from here.", status=status)
            case 404:
                return NotFound(f"MailAPI does not know it, or it belongs to another account.{words}", status=status)
            case 409:
                return AlreadyExists(f"MailAPI has that already in this account.{words}", status=status)
        if status in _NOTHING_DONE and (refusal.is_one or status not in _UNCLEAR_400):
            return Rejected(f"MailAPI refused the request.{words}", status=status)
        if effect not in _CHANGES_NOTHING:
            return OutcomeUnknown(f"MailAPI failed while it had the request.{words}", status=status)
        if status >= 500 or status in (408, 425):
            return Upstream(f"MailAPI failed to answer.{words}", status=status)
        return BadAnswer(f"MailAPI answered in a way that Postroom does not know (status {status}).", status=status)

    def _said(self, refusal: Refusal) -> str:
        words = self._heard.quoted(refusal.reason)
        return f" It says: {words}" if words else ""

    def _secrets(self) -> set[str]:
        """The key, also as it may stand in an address."""
        key = self._settings.key.get_secret_value()
        return {key, quote(key, safe=""), quote(key)}


def _refusal(answer: Answer) -> Refusal:
    return Refusal.model_validate(answer.body) if isinstance(answer.body, dict) else Refusal()
