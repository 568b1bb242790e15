"""Talking to Mailin: one log-in shared by all calls, and what its statuses mean in one table."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, JsonValue, SecretStr, ValidationError

from providers.accounts import Clock
from providers.action import Effect
from providers.answers import Heard, first_problem
from providers.errors import (
    AlreadyExists,
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
from providers.http import Answer, Form, Transport
from providers.mailin.lenient import Page, number_or_none, read_page, word
from providers.mailin.models import Accepted, Refusal
from providers.mailin.repair import repaired_json
from providers.mailin.settings import MailinSettings
from providers.provider import Client

PER_PAGE = 100
MAX_PAGES = 1000
"""A listing that has more pages than this does not end."""
REFUSED_LOGIN_SECONDS = 60.0
"""How long the same wrong password is not tried again: many tries may lock the account."""

UPSTREAM_TROUBLE = 310
REFUSED = 311
NO_SUBSCRIPTION = 312
INCOMPLETE = 313

PREFIX = "/api/v1/public"

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
_UNCLEAR_OTHERWISE = "Mailin failed while it had the request."
_ALREADY_THERE = frozenset({400, 409, 422})
"""Statuses with which Mailin may say that something exists already. Which one it is, is not always documented."""

_Shape = TypeVar("_Shape", bound=BaseModel)
_Item = TypeVar("_Item")
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that was not an error. `body` may be None: the status was fine, the text unreadable."""

    status: int
    body: JsonValue = field(repr=False)
    answer: Answer = field(repr=False)


class Session(Client):
    """Logged in at Mailin, for the classes that know its endpoints: they share it by deriving from it."""

    def __init__(self, transport: Transport, settings: MailinSettings, clock: Clock) -> None:
        super().__init__(transport, clock)
        self._settings = settings
        self._token: SecretStr | None = None
        self._user_id: int | None = None
        self._login_turn = asyncio.Lock()
        self._no_login_before: datetime | None = None
        self._heard = Heard("mailin", transport.account, self._secrets)
        self._odd = self._heard.note

    async def verify_credentials(self) -> None:
        """Log in afresh (endpoint row 17). Raises AuthExpired when Mailin refuses."""
        async with self._login_turn:
            self._no_login_before = None
            self._token = await self._login()

    # Kinds of calls.

    async def _get(
        self,
        path: str,
        shape: type[_Shape],
        *,
        params: Mapping[str, str | int] | None = None,
        effect: Effect = Effect.READ,
    ) -> _Shape:
        """Read one thing."""
        return self._shaped(shape, await self._call("GET", path, effect=effect, params=params))

    async def _page(
        self,
        path: str,
        read: Callable[[Any], _Item],
        page: int,
        per_page: int,
        *,
        name: str | None = None,
        says_page: bool = True,
    ) -> Page[_Item]:
        """Read a page of a listing. Where `page` is no documented parameter (`says_page`), the first goes without.

        What `read` raises a ValueError of is left out.
        """
        params: dict[str, str | int] = {"page": page} if says_page or page > 1 else {}
        params["per_page"] = per_page
        if name:
            params["name"] = name
        reply = await self._call("GET", path, effect=Effect.READ, params=params)
        return self._page_of(path, reply, read, page, per_page)

    def _page_of(
        self, path: str, reply: Reply, read: Callable[[Any], _Item], page: int = 1, per_page: int = PER_PAGE
    ) -> Page[_Item]:
        """What a page of a listing says."""
        shown = self._understood(reply, "a listing", lambda body: read_page(body, read, page, per_page))
        self._heard.note_left_out(path, shown.unreadable)
        return shown

    async def _items(self, listing: Callable[[int], Awaitable[Page[_Item]]]) -> AsyncIterator[_Item]:
        """What is on all pages of a listing, one after the other. Raises BadAnswer for one without an end."""
        before: tuple[_Item, ...] = ()
        page: int | None = 1
        while page is not None:
            if page > MAX_PAGES:
                raise BadAnswer("Mailin's list does not end.", detail=f"{MAX_PAGES} pages")
            shown = await listing(page)
            if shown.data and shown.data == before:
                raise BadAnswer("Mailin's list shows the same page again and again.", detail=f"page {page}")
            for item in shown.data:
                yield item
            before, page = shown.data, shown.next_page

    async def _change(
        self,
        method: str,
        path: str,
        *,
        effect: Effect = Effect.WRITE,
        json: object = None,
        secrets: Sequence[SecretStr] = (),
    ) -> Reply:
        """Change something. Any 2xx that does not say no is a yes: some are documented that are not JSON at all."""
        reply = await self._call(method, path, effect=effect, json=json, secrets=secrets)
        said = reply.body.get("status") if isinstance(reply.body, dict) else None
        if said is False or word(said) in ("error", "fail", "failed"):
            raise self._error_inside(reply.status, reply.body, effect, secrets)
        return reply

    async def _begin(
        self, path: str, wanted: Mapping[str, JsonValue], *, effect: Effect, secrets: Sequence[SecretStr] = ()
    ) -> str:
        """Begin a batch. Any 2xx with a job's uuid is a yes; one without may be anything."""
        reply = await self._call("POST", path, effect=effect, json=wanted, secrets=secrets)
        return self._promised(Accepted, reply).uuid

    # What was answered.

    def _shaped(self, shape: type[_Shape], reply: Reply) -> _Shape:
        """The body of a reading as `shape`. Raises BadAnswer."""
        return self._understood(reply, shape.__name__, lambda body: shape.model_validate(body, context=self._odd))

    def _promised(self, shape: type[_Shape], reply: Reply) -> _Shape:
        """The body of an accepted change as `shape`. Raises OutcomeUnknown: it was taken, but there is no handle."""
        with contextlib.suppress(ValidationError):
            return shape.model_validate(reply.body, context=self._odd)
        raise OutcomeUnknown(
            "Mailin seems to have taken the order, but its answer names nothing to follow it by.",
            status=reply.status,
            detail=f"no readable {shape.__name__}",
        )

    def _told(self, shape: type[_Shape], reply: Reply) -> _Shape:
        """What an accepted change says beyond "yes", as `shape`; an empty one where that cannot be read."""
        try:
            return shape.model_validate(reply.body, context=self._odd)
        except ValidationError:
            return shape()

    def _understood(self, reply: Reply, what: str, read: Callable[[JsonValue], _Read]) -> _Read:
        """The body of a reading, read. Raises BadAnswer, which says where it went wrong and never with what."""
        try:
            return read(reply.body)
        except ValidationError as error:
            detail = f"{what}: {first_problem(error)}"
        except ValueError as error:
            detail = f"{what}: {error}"
        raise BadAnswer("Mailin's answer could not be understood.", status=reply.status, detail=detail)

    # Asking, and the log-in it needs.

    async def _call(
        self,
        method: str,
        path: str,
        *,
        effect: Effect,
        json: object = None,
        form: Form | None = None,
        params: Mapping[str, str | int] | None = None,
        prefix: str = PREFIX,
        also_fine: frozenset[int] = frozenset(),
        secrets: Sequence[SecretStr] = (),
    ) -> Reply:
        """Ask, logged in. A 401 is answered with one fresh log-in: it proves that nothing was done, even of a SPEND.

        `secrets` are those that the call carries: should Mailin repeat them, nobody else does. Returns any 2xx without
        an `error` in it, and what is `also_fine`; raises for the rest what the tables above say.
        """
        token = await self._token_for(effect)
        for last_try in (False, True):
            answer = await self._transport.call(
                method,
                prefix + path,
                effect=effect,
                json=json,
                form=form,
                params=params,
                headers={"Authorization": f"Bearer {token.get_secret_value()}"},
            )
            if answer.status != 401 or last_try:
                break
            token = await self._token_for(effect, refused=token)
        body = _body(answer)
        if 200 <= answer.status < 300:
            if _says_error(body):
                raise self._error_inside(answer.status, body, effect, secrets)
            return Reply(answer.status, body, answer)
        if answer.status in also_fine:
            return Reply(answer.status, body, answer)
        if has_no_such_thing(answer) and (effect in _CHANGES_NOTHING or method == "DELETE"):
            # Mailin looks up what a path names before anything else. A DELETE names one thing only, so not finding it
            # means that it is not there. Another change may fail to find a second thing after it has begun with the
            # first (a sequencer for an order, an order's domain): its outcome is unknown, like that of any other 500.
            raise NotFound(_NOT_BEGUN[404][1], status=answer.status)
        raise self._error(answer.status, body, effect, secrets)

    async def _token_for(self, effect: Effect, refused: SecretStr | None = None) -> SecretStr:
        """The token, from a log-in if there is none yet or it is the `refused` one. One log-in serves all who wait."""
        if self._token is not None and self._token is not refused:
            return self._token
        async with self._login_turn:
            if self._token is not None and self._token is not refused:
                return self._token
            self._token = None
            try:
                self._token = await self._login()
            except (Upstream, BadAnswer) as error:
                if effect in _CHANGES_NOTHING:
                    raise
                failed = error
            else:
                return self._token
        raise NotSent(
            "Mailin did not let Postroom log in, so the request itself was not sent.",
            status=failed.status,
            detail=failed.detail,
        )

    async def _login(self) -> SecretStr:
        """Endpoint row 17. Raises AuthExpired when the e-mail and password are refused."""
        if self._no_login_before is not None and self.clock.now() < self._no_login_before:
            raise AuthExpired("Mailin refused this account's e-mail and password.", detail="refused a moment ago")
        answer = await self._transport.call(
            "POST",
            f"{PREFIX}/auth/login",
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
        said = body if isinstance(body, dict) else {}
        token, user_id = said.get("token"), said.get("user_id")
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]{1,4096}", token):
            raise BadAnswer("Mailin's answer to the log-in held no token.", status=answer.status, detail="no token")
        self._no_login_before = None
        self._user_id = number_or_none(user_id)
        return SecretStr(token)

    # What went wrong.

    def _error(self, status: int, body: JsonValue, effect: Effect, secrets: Sequence[SecretStr] = ()) -> ProviderError:
        """The error that a status stands for.

        311, 312 and these 4xx are documented as, or by their nature are, answers to something that was not begun. All
        that is left is unclear for a change, a plain 400 included. So is 310, although Mailin says that one may try
        again: for a purchase the other API is the registrar, trouble in talking to it does not mean that it has not
        registered the name, and there is no idempotency key that would make trying again safe.
        """
        refusal = as_refusal(body)
        said = self._heard.quoted(refusal.message, secrets)
        words = f" It says: {said}" if said else ""
        if status in _ALREADY_THERE and says_already_there(refusal) and len(refusal.errors) <= 1:
            return AlreadyExists(f"Mailin has it already.{words}", status=status)
        if status in _NOTHING_DONE:
            return self._rejected(refusal, status, secrets)
        if status in _NOT_BEGUN:
            kind, sentence = _NOT_BEGUN[status]
            return kind(sentence + words, status=status)
        if effect not in _CHANGES_NOTHING:
            return OutcomeUnknown(_UNCLEAR.get(status, _UNCLEAR_OTHERWISE) + words, status=status)
        if status >= 500 or status in _TROUBLE:
            return Upstream(f"Mailin failed to answer.{words}", status=status)
        return BadAnswer(f"Mailin answered in a way that Postroom does not know (status {status}).", status=status)

    def _error_inside(
        self, status: int, body: JsonValue, effect: Effect, secrets: Sequence[SecretStr]
    ) -> ProviderError:
        """The error of a 2xx that has `error: true` in it: a "no", documented for readings and harmless changes.

        Nobody has documented it of what costs money or cannot be undone, so there it proves nothing.
        """
        refusal = as_refusal(body)
        if effect in (Effect.SPEND, Effect.DESTROY):
            said = self._heard.quoted(refusal.message, secrets)
            return OutcomeUnknown(_UNCLEAR_OTHERWISE + (f" It says: {said}" if said else ""), status=status)
        return self._rejected(refusal, status, secrets)

    def _rejected(self, refusal: Refusal, status: int, secrets: Sequence[SecretStr] = ()) -> Rejected:
        said = self._heard.quoted(refusal.message, secrets)
        return Rejected(
            f"Mailin refused the request.{f' It says: {said}' if said else ''}",
            fields={
                name: [self._heard.quoted(text, secrets) for text in texts] for name, texts in refusal.errors.items()
            },
            unavailable=tuple(self._heard.quoted(name, secrets) for name in refusal.unavailable),
            status=status,
        )

    def _secrets(self) -> list[str]:
        """What it logs in with, and the token, of which the part behind the bar opens as much as the whole."""
        secrets = [self._settings.email.get_secret_value(), self._settings.password.get_secret_value()]
        if self._token is not None:
            token = self._token.get_secret_value()
            secrets += [token, token.rpartition("|")[2]]
        return secrets


def has_no_such_thing(answer: Answer) -> bool:
    """Whether a 500 is Laravel's way of not finding what was named: no failure, and no use in asking again."""
    return answer.status == 500 and b"no query results" in answer.content[:10_000].lower()


def says_already_there(refusal: Refusal) -> bool:
    """Whether the words of a refusal are that the thing exists already."""
    return "already exists" in refusal.message.lower()


def as_refusal(body: JsonValue) -> Refusal:
    """The body of a "no", or an empty one."""
    return Refusal.model_validate(body) if isinstance(body, dict) else Refusal()


def _says_error(body: JsonValue) -> bool:
    """`error: true`, in any of the ways in which that can be written; texts other than a "no" are errors as well.

    `success: false` says the same.
    """
    if not isinstance(body, dict):
        return False
    said = body.get("error")
    return body.get("success") is False or said not in (None, False, 0, "", "0", "false", "False", [], {})


def _body(answer: Answer) -> JsonValue:
    if answer.body is not None or not answer.content:
        return answer.body
    try:
        return repaired_json(answer.text)
    except ValueError:
        return None
