"""The one HTTP transport: one account's calls, their pace and time limits, who may be asked twice, when to let be.

Nothing here knows a provider. The transport answers three questions exactly, because money hangs on them: was the call
sent, was it answered, may it be sent again. What an answer means is the client's business.
"""

from __future__ import annotations

import asyncio
import functools
import io
import json as jsonlib
import math
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib import metadata
from typing import Any

import aiohttp
import httpx
import structlog
from httpx_aiohttp import AiohttpTransport
from pydantic import JsonValue

from providers.accounts import AccountSettings, Clock
from providers.action import Effect
from providers.answers import read_json
from providers.errors import BadAnswer, NotSent, OutcomeUnknown, ProviderError, RateLimited, Upstream

MAX_TRIES = 3
MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""Ten thousand mailboxes on one page are about five."""
MAX_CONNECTIONS = 100
CONNECT_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 15.0
BACK_OFF_SECONDS = 0.5
"""Before the second try, on average; doubled before the third."""
PATIENCE_SECONDS = 15.0
"""A provider that asks for more than this is not waited for: the caller hears of it instead."""
READERS_PATIENCE_SECONDS = 5.0
"""The same for what reads: somebody may be looking at the screen."""
MAX_HOLD_SECONDS = 60.0
"""The longest a 429 holds back the account's other calls, whatever the provider asked for."""
HOLD_SECONDS = 5.0
"""How long a 429 without Retry-After holds them back."""

UPLOAD_BYTES_PER_SECOND = 256 * 1024
"""The slowest line a file is sent over: its size over this is added to the time limit of a try."""
FAILURES_IN_A_ROW = 5
"""So many calls in a row that fail on the provider's side, and the account is left alone for a while."""
FIRST_REST_SECONDS = 15.0
"""How long at first; doubled each time that the provider, asked once more, fails again."""
LONGEST_REST_SECONDS = 300.0
TRIAL_SECONDS = 5.0
"""When to look again while a call is on its way that finds out whether the rest is over."""

BUSY = frozenset({500, 502, 503, 504, 520, 521, 522, 523, 524})
"""Statuses after which a READ is asked again. 520 to 524 come from a CDN in front."""

_CHANGES_NOTHING = frozenset({Effect.READ, Effect.REVEAL})
_MAY_REPEAT = _CHANGES_NOTHING | {Effect.WRITE}

# What proves that not one byte of the request left: aiohttp raises these around getting a connection, and nowhere else.
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status. `body` is the parsed JSON, None where it was not JSON.

    `headers` has lower-case names. Only the status is shown by `repr`: the rest may carry credentials.
    """

    status: int
    body: JsonValue = field(repr=False)
    content: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced."""
        return self.content.decode("utf-8", errors="replace")


@dataclass(frozen=True, slots=True)
class File:
    """A file to be sent in a form. Neither its name nor what is in it is ever shown: both may be about people."""

    name: str = field(repr=False)
    content: bytes = field(repr=False)
    content_type: str = "application/octet-stream"


Form = Mapping[str, str | File]
"""The fields of a multipart form, in the order in which they are sent."""

Watcher = Callable[[str, Effect, str, float], None]
"""Told of each try of a call: by which account, with what effect, what came of it in a word, after how many seconds.

The words: `answered`, `refused` (4xx), `rate_limited`, `failed` (5xx); without an answer `not_sent`, `unanswered` (it
only reads), `unknown` (it may have happened), and `unreadable`.
"""


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    path: str
    effect: Effect
    json: object = field(repr=False)
    form: Form | None = field(repr=False)
    params: Mapping[str, str | int] | None = field(repr=False)
    headers: Mapping[str, str] | None = field(repr=False)
    limited_by_account: bool

    @property
    def reads(self) -> bool:
        return self.effect in _CHANGES_NOTHING

    @property
    def patience(self) -> float:
        return READERS_PATIENCE_SECONDS if self.reads else PATIENCE_SECONDS


class Transport:
    """All calls of one account: at `base_url`, at most one every `min_seconds_between_calls`.

    Of those that change something, at most one every `min_seconds_between_writes`; what reads does not wait with them.

    `timeout_seconds` is for a whole try, from connecting to the last byte of the answer. `account` is the name in the
    log. `busy` are the statuses after which a READ is asked again, unless `is_plain` says that this answer is to be
    taken as it is. Waiting is done by `sleep`, by the time of `clock`.

    When FAILURES_IN_A_ROW calls have failed on the provider's side, the account rests: every call is NotSent. When the
    rest is over, one call tries, whichever comes first; from its answer on, all is as before, and without one the next
    rest is longer. `resting_until` says so beforehand, to those who would rather wait.

    Accounts that the provider counts as one share a `pace`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        account: str,
        clock: Clock,
        min_seconds_between_calls: float = 0.0,
        min_seconds_between_writes: float = 0.0,
        timeout_seconds: float = 30.0,
        user_agent: str | None = None,
        busy: frozenset[int] = BUSY,
        is_plain: Callable[[Answer], bool] = lambda _: False,
        max_connections: int = MAX_CONNECTIONS,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        pace: Pace | None = None,
    ) -> None:
        self.account = account
        self._base_url = base_url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        # Well under the limit for the whole try, so that a slow connect is recognised as what it is: not sent.
        connect = min(CONNECT_SECONDS, timeout_seconds / 2)
        self._timeouts = {"connect": connect, "pool": connect}
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": user_agent or default_user_agent(),
        }
        self._busy = busy
        self._is_plain = is_plain
        self._max_connections = max_connections
        self._max_answer_bytes = max_answer_bytes
        self._sleep = sleep
        self._jitter = jitter
        self._clock = clock
        self._pace = pace or Pace(clock, min_seconds_between_calls, min_seconds_between_writes, sleep)
        self._rest = _Rest(clock)
        self._lines: dict[bool, AiohttpTransport] = {}
        self._closed = False
        self.watcher: Watcher | None = None
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger("providers.http", account=account)

    @classmethod
    def for_account(
        cls,
        name: str,
        settings: AccountSettings,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]],
        busy: frozenset[int] = BUSY,
        is_plain: Callable[[Answer], bool] = lambda _: False,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        pace: Pace | None = None,
    ) -> Transport:
        """The transport of an account as its settings have it."""
        return cls(
            str(settings.base_url),
            account=name,
            clock=clock,
            min_seconds_between_calls=settings.min_seconds_between_calls,
            min_seconds_between_writes=settings.min_seconds_between_writes,
            timeout_seconds=settings.timeout_seconds,
            busy=busy,
            is_plain=is_plain,
            max_answer_bytes=max_answer_bytes,
            sleep=sleep,
            pace=pace,
        )

    def __repr__(self) -> str:
        return f"<Transport account={self.account!r}>"

    async def call(
        self,
        method: str,
        path: str,
        *,
        effect: Effect,
        json: object = None,
        form: Form | None = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        limited_by_account: bool = True,
    ) -> Answer:
        """Send one call, with a body of `json` or a multipart `form`, and return its answer, of any status but 429.

        A READ or REVEAL is tried up to three times; a WRITE again only when it provably was not sent, or after a 429;
        a SPEND or DESTROY is handed to the network exactly once. `path` is logged and must carry no secret; `params`,
        `headers` and bodies never are. A 429 holds back the account's other calls as well, unless this one is
        not `limited_by_account` but by what it is about.

        Raises NotSent (the account's rest included), RateLimited, OutcomeUnknown (a change, sent, without a readable
        answer), Upstream or BadAnswer (the same of a reading).
        """
        if json is not None and form is not None:
            raise TypeError("a call has one body: json or form")
        call = _Call(method, path, effect, json, form, params, headers, limited_by_account)
        if self._rest.until() is not None:
            raise self._rest.refusal()
        with self._rest.trying() as is_trial:
            result = await self._tries(call, is_trial=is_trial)
        if isinstance(result, ProviderError):
            raise result
        if result.status == 429:
            raise RateLimited(
                "The provider says that there were too many calls, and took no notice of this one.",
                retry_after=self._retry_after(result),
                status=429,
            )
        return result

    def resting_until(self) -> datetime | None:
        """The moment until which every call would be NotSent because the account rests; None when one may be sent."""
        return self._rest.until()

    async def aclose(self) -> None:
        """Close the connections. Calls made afterwards are NotSent."""
        self._closed = True
        for line in self._lines.values():
            await line.aclose()
        self._lines.clear()

    # Once more, or not?

    async def _tries(self, call: _Call, *, is_trial: bool) -> Answer | ProviderError:
        """The result that stands, after as many tries as there may be."""
        result: Answer | ProviderError | None = None
        tries = 0
        while True:
            await self._pace.turn(is_change=not call.reads, patience=READERS_PATIENCE_SECONDS if call.reads else None)
            if self._rest.is_on and not is_trial:  # it began while this call was waiting
                return result or self._rest.refusal()
            tries += 1
            started = time.perf_counter()
            result = await self._try(call)
            well = self._went_well(call, result)
            wait = self._wait_before_repeating(result, call, tries)
            if well is False and self._rest.is_on:
                wait = None
            self._note(call, result, time.perf_counter() - started, tries=tries, repeating=wait is not None)
            if wait is None:
                break
            if wait > 0:
                await self._sleep(wait)
        if well is not None:
            self._learn(well, is_trial=is_trial)
        return result

    def _went_well(self, call: _Call, result: Answer | ProviderError) -> bool | None:
        """Whether this shows the provider alive (True) or in trouble of its own (False); None shows neither.

        Of a change only a connection that cannot be had counts as trouble: a 5xx may be about what it asked for.
        """
        if isinstance(result, NotSent):
            return None if self._closed else False
        if isinstance(result, Upstream):
            return False
        if isinstance(result, ProviderError):
            return True if isinstance(result, BadAnswer) else None
        if not self._is_busy(result):
            return True if result.status < 500 or self._is_plain(result) else None
        return False if call.reads else None

    def _is_busy(self, answer: Answer) -> bool:
        return answer.status in self._busy and not self._is_plain(answer)

    def _learn(self, well: bool, *, is_trial: bool) -> None:
        if well and self._rest.lift():
            self._log.info("provider answers again")
        elif not well and (seconds := self._rest.after_failure(is_trial=is_trial)):
            self._log.warning("provider left alone", seconds=seconds)

    def _wait_before_repeating(self, result: Answer | ProviderError, call: _Call, tries: int) -> float | None:
        """Seconds until the next try; None when this result stands."""
        if isinstance(result, Answer) and result.status == 429:
            asked = self._retry_after(result)
            hold = HOLD_SECONDS if asked is None else asked
            if call.limited_by_account:
                self._pace.hold(hold)
            if call.effect in _MAY_REPEAT and tries < MAX_TRIES and hold <= call.patience:
                return 0.0 if call.limited_by_account else hold  # the pace makes this call wait, as it does all others
            return None
        if tries >= MAX_TRIES or not self._worth_repeating(result, call.effect):
            return None
        back_off = BACK_OFF_SECONDS * 2.0 ** (tries - 1) * (0.5 + self._jitter())
        asked = self._retry_after(result) if isinstance(result, Answer) else None
        if asked is not None and asked > call.patience:
            return None
        return max(back_off, asked or 0.0)

    def _worth_repeating(self, result: Answer | ProviderError, effect: Effect) -> bool:
        if isinstance(result, NotSent):
            return effect in _MAY_REPEAT and not self._closed
        if effect not in _CHANGES_NOTHING:
            return False
        return isinstance(result, Upstream) or (isinstance(result, Answer) and self._is_busy(result))

    def _retry_after(self, answer: Answer) -> float | None:
        return seconds_from_retry_after(answer.headers.get("retry-after"), self._clock.now())

    # One try.

    async def _try(self, call: _Call) -> Answer | ProviderError:
        if self._closed:
            return NotSent("The call was not sent: Postroom is closing its connections.", detail="closed")
        limit = self._timeout_seconds + _bytes_of_files(call.form) / UPLOAD_BYTES_PER_SECOND
        request = httpx.Request(
            call.method,
            self._base_url + call.path,
            params=call.params,
            headers={**self._headers, **call.headers} if call.headers else self._headers,
            json=call.json,
            files=_parts(call.form) if call.form is not None else None,
            extensions={"timeout": {**self._timeouts, "read": limit}},
        )
        # The errors are built after the except clauses: the ones from below name the URL, and must not travel along as
        # anybody's context.
        try:
            async with asyncio.timeout(limit):
                response = await self._line(call.effect).handle_async_request(request)
                try:
                    content = await self._read(response)
                finally:
                    await response.aclose()
        except _NeverSent as failure:
            not_sent, reason = True, failure.reason
        except Exception as failure:  # whatever breaks below: when in doubt, it was sent
            not_sent, reason = False, failure.reason if isinstance(failure, _Unanswered) else type(failure).__name__
        else:
            if content is None:
                return self._too_large(call.effect, response.status_code)
            return Answer(
                status=response.status_code,
                body=_parsed(content),
                content=content,
                headers={name.lower(): value for name, value in response.headers.items()},
            )
        if not_sent:
            return NotSent("The provider could not be reached, so nothing was sent.", detail=reason)
        if call.effect in _CHANGES_NOTHING:
            return Upstream("The provider did not answer.", detail=reason)
        return OutcomeUnknown("It was sent, but no answer came back.", detail=reason)

    async def _read(self, response: httpx.Response) -> bytes | None:
        """The whole body, or None if it is larger than allowed."""
        pieces: list[bytes] = []
        size = 0
        async for piece in response.aiter_bytes():
            size += len(piece)
            if size > self._max_answer_bytes:
                return None
            pieces.append(piece)
        return b"".join(pieces)

    def _too_large(self, effect: Effect, status: int) -> ProviderError:
        detail = f"more than {self._max_answer_bytes} bytes"
        if effect in _CHANGES_NOTHING:
            return BadAnswer("The provider's answer was far too long to read.", status=status, detail=detail)
        return OutcomeUnknown(
            "It was sent, but the answer was far too long to read.",
            status=status,
            detail=detail,
        )

    def _line(self, effect: Effect) -> AiohttpTransport:
        """The connections for this effect: readings keep theirs, every change gets a fresh one.

        A kept connection may have died unnoticed, and a change sent into it would have an unknown outcome for nothing.
        """
        keep = effect in _CHANGES_NOTHING
        line = self._lines.get(keep)
        if line is None:
            # httpx's client is left out on purpose: it writes every URL, query and all, to its log, and keeps cookies.
            context = self._ssl_context()
            line = AiohttpTransport(verify=context, client=lambda: self._session(context, keep=keep))
            self._lines[keep] = line
        return line

    def _ssl_context(self) -> ssl.SSLContext:
        if self._lines:
            return next(iter(self._lines.values())).ssl_context
        if self._base_url.startswith("https:"):
            return httpx.create_ssl_context()
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody; plain http has no use for the real one

    def _session(self, context: ssl.SSLContext, *, keep: bool) -> aiohttp.ClientSession:
        connector = (
            aiohttp.TCPConnector(limit=self._max_connections, ssl=context, keepalive_timeout=KEEP_ALIVE_SECONDS)
            if keep
            else aiohttp.TCPConnector(limit=self._max_connections, ssl=context, force_close=True)
        )
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), middlewares=(_send_once,), trust_env=False
        )

    def _note(
        self, call: _Call, result: Answer | ProviderError, seconds: float, *, tries: int, repeating: bool
    ) -> None:
        if self.watcher is not None:
            self.watcher(self.account, call.effect, _in_a_word(result), seconds)
        facts: dict[str, Any] = {"method": call.method, "path": call.path, "effect": call.effect.value}
        facts |= {"status": result.status, "ms": round(seconds * 1000, 1)}
        if tries > 1 or repeating:
            facts |= {"tries": tries, "repeating": repeating}
        if isinstance(result, ProviderError):
            self._log.warning("provider call", failed=type(result).__name__, detail=result.detail, **facts)
        elif call.effect in _CHANGES_NOTHING:
            self._log.debug("provider call", **facts)
        else:
            self._log.info("provider call", **facts)


@functools.cache  # the metadata hold all of the README, and are read as a mail would be
def default_user_agent() -> str:
    """How Postroom names itself: a provider's CDN may refuse the names of plain HTTP libraries."""
    try:
        version = metadata.version("postroom")
    except metadata.PackageNotFoundError:
        version = "0"
    return f"Postroom/{version} (+chat-ops bot; calls on behalf of the account's owner)"


def seconds_from_retry_after(value: str | None, now: datetime) -> float | None:
    """Retry-After, as seconds or as an HTTP date, in seconds from `now`; None if absent or nonsense."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


class Pace:
    """One account's turn-taking: a call at a time, so far apart, and later if the provider asked for a pause.

    Changes are kept further apart in a queue of their own, before they stand in that of all calls. What reads is told
    of a pause that is longer than its patience.
    """

    def __init__(
        self, clock: Clock, spacing: float, spacing_of_changes: float, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._clock = clock
        self._spacing = spacing
        self._spacing_of_changes = spacing_of_changes
        self._sleep = sleep
        self._queue = asyncio.Lock()
        self._queue_of_changes = asyncio.Lock()
        self._last: datetime | None = None
        self._last_change: datetime | None = None
        self._held_until: datetime | None = None

    def widen(self, spacing: float, spacing_of_changes: float) -> None:
        """Keep calls at least so far apart from now on: of those who share a pace, the slowest says how far."""
        self._spacing = max(self._spacing, spacing)
        self._spacing_of_changes = max(self._spacing_of_changes, spacing_of_changes)

    async def turn(self, *, is_change: bool, patience: float | None) -> None:
        """Return when it is this call's turn. Each kind gets its turns in the order in which they were asked for.

        Raises RateLimited where the provider asked for a pause that goes on for longer than `patience`, in seconds.
        """
        if not is_change or self._spacing_of_changes <= self._spacing:
            await self._any_turn(patience)
            return
        async with self._queue_of_changes:
            await self._apart(self._spacing_of_changes, self._last_change)
            await self._any_turn(patience)
            self._last_change = self._clock.now()

    async def _any_turn(self, patience: float | None) -> None:
        if not self._spacing and self._held_until is None:
            return
        while True:
            async with self._queue:
                await self._apart(self._spacing, self._last)
                held_until = self._held_until
                wait = 0.0 if held_until is None else (held_until - self._clock.now()).total_seconds()
                if wait <= 0:
                    self._last, self._held_until = self._clock.now(), None
                    return
            # Waited for outside the queue, so that those behind who have less patience need not wait to be told.
            if patience is not None and wait > patience:
                raise RateLimited(
                    "The provider asked for a pause, so this was not sent.",
                    retry_after=wait,
                    cure=f"Try again in {_in_words(wait)}.",
                    detail="held",
                )
            await self._sleep(min(wait, MAX_HOLD_SECONDS))
            if self._held_until is held_until:  # whatever the clock did in the meantime
                self._held_until = None

    async def _apart(self, spacing: float, last: datetime | None) -> None:
        if not spacing or last is None:
            return
        # Never longer than the spacing, whatever the clock did in the meantime.
        wait = spacing - (self._clock.now() - last).total_seconds()
        if wait > 0:
            await self._sleep(min(wait, spacing))

    def hold(self, seconds: float) -> None:
        """Give no turn for so long; an earlier, longer pause stays."""
        until = self._clock.now() + timedelta(seconds=min(seconds, MAX_HOLD_SECONDS))
        if self._held_until is None or until > self._held_until:
            self._held_until = until


class _Rest:
    """One account's rest from a provider that keeps failing: growing pauses, and after each one call that tries.

    Any call may be that one, a spend as well: it is as likely to be answered as the next. Calls are counted, not tries,
    so that what repeating mends is no failure. Whatever the provider answers properly, to whichever call, ends the
    rest.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._seconds = 0.0
        self._until: datetime | None = None
        self._is_tried = False

    @property
    def is_on(self) -> bool:
        """Whether the provider is being left alone, or has not yet answered the call that tries."""
        return self._until is not None

    def until(self) -> datetime | None:
        """When it is worth asking again: the end of the pause, or soon, while a call tries. None for now."""
        if self._until is None:
            return None
        now = self._clock.now()
        if self._is_tried:
            return now + timedelta(seconds=TRIAL_SECONDS)
        # If it is further away than it has ever been, somebody has set the clock back.
        return self._until if 0 < (self._until - now).total_seconds() <= self._seconds else None

    @contextmanager
    def trying(self) -> Iterator[bool]:
        """Around an admitted call. Yields whether it is the one that tries."""
        is_trial = self.is_on
        self._is_tried = self._is_tried or is_trial
        try:
            yield is_trial
        finally:
            if is_trial:
                self._is_tried = False

    def refusal(self) -> NotSent:
        """What a call is told that is not sent."""
        until = None if self._is_tried else self.until()
        left = 0.0 if until is None else (until - self._clock.now()).total_seconds()
        return NotSent(
            "The provider keeps failing, so Postroom leaves it alone for a while. Nothing was sent.",
            cure=f"Try again in {_in_words(left)}." if left else "Try again in a moment.",
            detail="resting",
        )

    def lift(self) -> bool:
        """All is well. Says whether that is news."""
        was_on = self.is_on
        self._failures, self._seconds, self._until = 0, 0.0, None
        return was_on

    def after_failure(self, *, is_trial: bool) -> float:
        """A call has failed. The seconds of the rest that begins with it, 0 if none does."""
        if self.is_on and not is_trial:
            return 0.0  # it was sent before the rest began
        self._failures += 1
        if not self.is_on and self._failures < FAILURES_IN_A_ROW:
            return 0.0
        self._seconds = min(self._seconds * 2 or FIRST_REST_SECONDS, LONGEST_REST_SECONDS)
        self._until = self._clock.now() + timedelta(seconds=self._seconds)
        return self._seconds


class _NeverSent(Exception):
    """Below, for sure: no connection, so not one byte of the request left."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Unanswered(Exception):
    """Below: the request left, or may have."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep two things below from blurring what happened.

    aiohttp sends GET, PUT and DELETE a second time, silently, when a connection is cut: not for an exception it does
    not know. And httpx-aiohttp reports a connection cut after sending as httpx.ConnectTimeout, as if it had never been
    sent: it, too, passes on what it does not know.
    """
    try:
        return await handler(request)
    except _NOT_SENT as failure:
        raise _NeverSent(_name(failure)) from None
    except (aiohttp.ClientError, OSError) as failure:
        raise _Unanswered(_name(failure)) from None


def _name(failure: Exception) -> str:
    """The class and the system's error number; never its text, which may hold the URL."""
    number = getattr(failure, "errno", None)
    return type(failure).__name__ + (f" errno={number}" if isinstance(number, int) else "")


def _parts(form: Form) -> list[tuple[str, tuple[str | None, str] | tuple[str, io.BytesIO, str]]]:
    """A form for httpx, which sends it as multipart, a file in pieces and from where it lies in memory."""
    return [(name, (None, value) if isinstance(value, str) else _part(value)) for name, value in form.items()]


def _part(file: File) -> tuple[str, io.BytesIO, str]:
    return file.name, io.BytesIO(file.content), file.content_type


def _bytes_of_files(form: Form | None) -> int:
    return sum(len(value.content) for value in (form or {}).values() if isinstance(value, File))


def _in_a_word(result: Answer | ProviderError) -> str:
    match result:
        case Answer(status=429):
            return "rate_limited"
        case Answer():
            return "answered" if result.status < 400 else "refused" if result.status < 500 else "failed"
        case NotSent():
            return "not_sent"
        case OutcomeUnknown():
            return "unknown"
        case BadAnswer():
            return "unreadable"
    return "unanswered"


def _in_words(seconds: float) -> str:
    whole = math.ceil(seconds)
    return f"{whole} second{'' if whole == 1 else 's'}" if whole < 90 else f"{math.ceil(whole / 60)} minutes"


def _parsed(content: bytes) -> JsonValue:
    if not content:
        return None
    try:
        return read_json(content.decode(jsonlib.detect_encoding(content)))
    except ValueError:
        return None
