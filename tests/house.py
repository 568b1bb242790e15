"""A whole Postroom in one process, for scenes: who does what, what they see.

The workspace and the provider are served over real HTTP and WebSocket, the house between them is the real one, and
only time is ours: it stands still until somebody lets it pass, and the beats are called by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import sqlite3
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from pydantic import SecretStr
from structlog.testing import LogCapture

from bot import app
from bot.sandbox import payloads, server
from bot.sandbox.delivery import Ack
from bot.sandbox.modal import Modal, Submission
from bot.sandbox.model import Message
from bot.sandbox.people import Person
from bot.sandbox.workspace import Workspace, default_workspace
from bot.settings import ApprovalSettings, JobSettings, LoggingSettings, Settings, SlackSettings
from bot.socket_link import SocketLink
from handlers.slack.words import quoted
from providers.accounts import AccountSettings, PriceList
from providers.instantly import sandbox as instantly
from providers.instantly.client import InstantlySettings
from providers.mailapi import sandbox as mailapi
from providers.mailapi.client import MailApiSettings
from providers.mailin import sandbox as mailin
from providers.mailin.client import MailinSettings
from providers.provider import Provider
from providers.scaledmail import sandbox as scaledmail
from providers.scaledmail.client import ScaledMailSettings
from providers.smailor import sandbox as smailor
from providers.smailor.client import SmailorSettings
from storage.records import RequestState
from storage.sqlite import SqliteDatabase

ROUNDS = 50
"""More turns of all beats than any moment can need: a house that is still busy then is busy for ever."""

PRICES = {"domain.com": "12.50", "domain.co": "28.00", "domain.ca": "14.00", "domain.biz": "16.75"}
REASON = "New campaign for ACME"


class HandClock:
    """Time that passes only when a test says so, or while a provider's client waits for its turn."""

    def __init__(self) -> None:
        self._now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self._now

    def now(self) -> datetime:
        return self._now

    def advance(self, **span: float) -> None:
        """`advance(seconds=10)`, with the words of timedelta."""
        self._now += timedelta(**span)

    def reaches(self, moment: datetime) -> None:
        """It is `moment` now, unless it is later already."""
        self._now = max(self._now, moment)

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds=seconds)


class Calls(Counter[str]):
    """The provider's count of its calls, which also remembers when each came."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__()
        self._clock = clock
        self.times: list[tuple[str, datetime]] = []

    def __setitem__(self, operation: str, count: int) -> None:
        super().__setitem__(operation, count)
        self.times.append((operation, self._clock.now()))

    def at(self, *operations: str) -> list[datetime]:
        """When these were called, in order."""
        return [when for operation, when in self.times if operation in operations]


@dataclass(slots=True)
class Story:
    """One request as people see it: its card, its parent message, and the thread below."""

    house: House
    id: str
    channel: str
    ts: str

    @property
    def parent(self) -> Message:
        found = self.house.slack.message(self.channel, self.ts)
        assert found is not None, "the parent message is gone"
        return found

    @property
    def card(self) -> Message:
        """The newest card of this request in #approvals."""
        return [m for m in self.house.slack.messages("C0APPROVALS") if m.reads(f"`{self.id}`")][-1]

    @property
    def thread(self) -> list[str]:
        """What the thread says, a text for each reply."""
        return [reply.text for reply in self.house.slack.thread(self.channel, self.ts)[1:]]

    async def state(self) -> RequestState:
        found = await self.house.inside.store.requests.get(self.id)
        assert found is not None
        return found.state


@dataclass(slots=True)
class House:
    """The stage of a scene. `slack` is the workspace, `mailin` the provider's own books, `inside` the real house.

    `sandboxes` are the books of every provider that an account is at, by the provider's name.
    """

    clock: HandClock
    slack: Workspace
    mailin: mailin.MailinSandbox
    calls: Calls
    settings: Settings
    log: list[Any]
    """What Postroom logged, an entry a line."""
    sandboxes: Mapping[str, Any]
    _open: Callable[[Settings], contextlib.AbstractAsyncContextManager[app.House]]
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    _inside: app.House | None = None

    @property
    def inside(self) -> app.House:
        assert self._inside is not None, "Postroom is not running"
        return self._inside

    @property
    def ana(self) -> Person:
        return self.slack.person("ana")

    @property
    def omar(self) -> Person:
        return self.slack.person("omar")

    @property
    def finn(self) -> Person:
        return self.slack.person("finn")

    @property
    def bought(self) -> list[str]:
        """Every name that was paid for, as often as it was."""
        return [purchase.domain for purchase in self.mailin.purchases]

    # Time.

    async def tick(self) -> datetime | None:
        """Everything that is due now: answers, checks, what was approved, jobs, and the outbox, until nothing is.

        Returns when something is due again.
        """
        inside = self.inside
        for _ in range(ROUNDS):
            await inside.background.settled()
            await inside.lookups.settled()
            await inside.runs.settle_lapsed()
            await inside.waiting.attend()
            await inside.runs.run_approved()
            await inside.runs.executions.settled()
            await inside.jobs.look()
            await inside.jobs.looks.settled()
            await inside.delivery.deliver()
            now = self.clock.now()
            ready, due = await asyncio.gather(inside.store.runs.accounts_ready(now), self._next_due())
            if not ready and (due is None or due > now):
                return due
        raise AssertionError("the house does not come to rest")

    async def passes(self, **span: float) -> None:
        """Let time pass, then do what has become due. What falls due on the way is done late."""
        self.clock.advance(**span)
        await self.tick()

    async def runs_for(self, **span: float) -> None:
        """Let time pass from one due moment to the next, as the scheduler would."""
        end = self.clock.now() + timedelta(**span)
        due = await self._next_due()
        while due is not None and due <= end:
            self.clock.reaches(due)
            due = await self.tick()
        self.clock.reaches(end)
        await self.tick()

    async def _next_due(self) -> datetime | None:
        inside, now = self.inside, self.clock.now()
        moments = await asyncio.gather(
            inside.delivery.next_due(),
            inside.store.jobs.next_due(),
            inside.store.runs.next_due(now),
            inside.store.waiting.next_due(),
        )
        return min((moment for moment in moments if moment is not None), default=None)

    # The process.

    async def starts(self, **changes: Any) -> None:
        """Postroom starts, with other settings if need be, and takes up what it left."""
        self.settings = replace(self.settings, **changes)
        if not self.settings.database.exists():
            self.settings.database.write_bytes(_without_anything())
        self._inside = await self._stack.enter_async_context(self._open(self.settings))
        await self._inside.take_up_settings()
        await self._inside.asking.resume_checks(await self._inside.drafts.resume_checks(self.clock.now()))

    async def stops(self) -> None:
        """The process is gone; what was not written down is forgotten."""
        await self._stack.aclose()
        self._inside = None

    async def restarts(self, **changes: Any) -> None:
        """It stops and starts again."""
        await self.stops()
        await self.starts(**changes)

    # What people do so often that scenes would drown in it.

    async def form(self, who: Person, words: str = "/domain buy", channel: str = "#outreach") -> Modal:
        """Types a command and gets its form."""
        before = who.modal
        await who.types(words, channel=channel)
        return await who.sees_modal(lambda m: m.callback_id == "form" and (before is None or m.id != before.id))

    async def review(
        self,
        who: Person,
        *domains: str,
        channel: str = "#outreach",
        reason: str = REASON,
        hosting: str = "smtp",
        **more: Any,
    ) -> Modal:
        """Fills in the form of /domain buy and gets to the review."""
        form = await self.form(who, f"/domain buy {' '.join(domains)}", channel)
        await who.fills(form, reason=reason, hosting=hosting, **more)
        sent = await who.submits(form)
        assert sent.result == "updated", sent
        return await who.sees_modal("review")

    async def sends(self, who: Person, kind: str, **changed: Any) -> Ack:
        """Slack sends the app something that no click of this person would: `kind` says how the payload is shaped."""
        base = payloads._interaction(self.slack, kind, who.user)
        return await self.slack.deliver("interactive", base | changed)

    async def replays(self, number: int = -1) -> Ack:
        """Slack sends the app once more what it sent before: the last payload, or another one from the end."""
        delivered = self.slack.delivery.log[number]
        return await self.slack.deliver(delivered.kind, delivered.payload)

    def everything_shown(self) -> str:
        """All that anybody can see in the workspace at this moment: messages, ephemerals, modals, home tabs."""
        slack = self.slack
        messages = [message for there in slack._messages.values() for message in there.values()]
        views = list(slack.views._all())
        shown = [[m.text, m.blocks, m.metadata] for m in messages] + [[v.content] for v in views]
        return json.dumps(shown, ensure_ascii=False)

    async def asks(self, who: Person, *domains: str, channel: str = "#outreach", **more: Any) -> Story:
        """Asks for domains, and everything owed to Slack for that is there."""
        sent = await who.submits(await self.review(who, *domains, channel=channel, **more))
        assert sent.result == "cleared", sent
        return await self.story_of(who)

    async def story_of(self, who: Person) -> Story:
        """The newest request of a person, once everything owed to Slack for it is there."""
        await self.tick()
        request = (await self.inside.store.requests.of(who.id, 1))[0]
        messages = await self.inside.store.outbox.of(request.id)
        parent = next(message for message in messages if message.kind.value == "parent")
        return Story(self, request.id, parent.posted_in, parent.ts)

    async def approved(self, who: Person, *domains: str, by: Person | None = None, **more: Any) -> Story:
        """Asks for domains, and gets the yes for them; the provider has the order."""
        story = await self.asks(who, *domains, **more)
        await (by or self.omar).clicks(story.card, "approve")
        await self.tick()
        return story

    def on_disk(self, question: str) -> list[tuple[Any, ...]]:
        """What the database file says to somebody who opens it from outside."""
        with contextlib.closing(sqlite3.connect(self.settings.database)) as outside:
            return outside.execute(question).fetchall()

    def privately(self, who: Person, channel: str) -> list[str]:
        """What only this person was told in a channel, oldest first: the words of each such message."""
        return [reading(message.blocks) or message.text for message in who.ephemerals(channel)]


def reading(blocks: Iterable[dict[str, Any]]) -> str:
    """What blocks say, a line for each text in them, in reading order; buttons in brackets.

    A quotation in rich text, where nothing is markup, is read as mrkdwn would have to write it.
    """

    def texts(shape: Any) -> Iterable[str]:
        if isinstance(shape, list | tuple):
            for one in shape:
                yield from texts(one)
        elif isinstance(shape, dict):
            if shape.get("type") == "button":
                yield f"[{shape['text']['text']}]"
                return
            if shape.get("type") == "rich_text_quote":
                yield quoted("".join(one["text"] for one in shape["elements"]))
                return
            if isinstance(shape.get("text"), str):
                yield shape["text"]
            for key in ("text", "fields", "label", "hint", "element", "elements", "accessory"):
                if not isinstance(shape.get(key), str):
                    yield from texts(shape.get(key))

    return "\n".join(texts(list(blocks)))


def prices(**changed: str | None) -> dict[str, PriceList]:
    """The operator's price list; `domain_com="13.00"` changes a price, None takes it away."""
    listed: dict[str, str | None] = {**PRICES, **{key.replace("_", "."): price for key, price in changed.items()}}
    known = {key: Decimal(price) for key, price in listed.items() if price is not None}
    return {"mailin": PriceList(currency="USD", prices=known)}


@contextlib.asynccontextmanager
async def open_house(
    folder: Path,
    *,
    mode: str = "socket",
    approvers: tuple[str, ...] = ("U0OMAR", "U0FINN"),
    accounts: tuple[str, ...] = ("mailin-main",),
    elsewhere: Mapping[str, AccountSettings] | None = None,
    providers: Sequence[Provider] | None = None,
    job_seconds: float = 60.0,
    spacing: float = 0.0,
    starts: bool = True,
    quiet: bool = True,
) -> AsyncIterator[House]:
    """A house for one scene; its database is in `folder`. With `quiet=False` logging is left as it is set up.

    The first word of an account's name says at which provider's sandbox it is; `elsewhere` are accounts at providers
    that the scene runs itself. `providers` are those that the house knows, all registered ones if None.
    """
    clock = HandClock()
    slack = default_workspace(clock=clock)
    calls, log = Calls(clock), list[Any]()
    provider = mailin.MailinSandbox(clock, job_seconds=job_seconds, calls=calls)
    async with contextlib.AsyncExitStack() as stack:
        at_slack = await stack.enter_async_context(server.serve(slack))
        sandboxes: dict[str, Any] = {"mailin": provider}
        urls = {"mailin": (await stack.enter_async_context(mailin.serve(provider))).url}
        for name in {account.partition("-")[0] for account in accounts} - {"mailin"}:
            simulated, serve = _SIMULATED[name]
            sandboxes[name] = simulated(clock)
            urls[name] = (await stack.enter_async_context(serve(sandboxes[name]))).url
        settings = Settings(
            slack=SlackSettings(
                mode=mode,
                approvals_channel="C0APPROVALS",
                messages_at_once=1000,
                bot_token=SecretStr(slack.app.bot_token),
                app_token=SecretStr(slack.app.app_token),
                signing_secret=SecretStr(slack.app.signing_secret),
                api_url=at_slack.api_url,
            ),
            accounts={
                **{name: _account(name.partition("-")[0], urls, spacing) for name in accounts},
                **(elsewhere or {}),
            },
            approvals=ApprovalSettings(approvers=approvers),
            prices=prices(),
            jobs=JobSettings(),
            logging=LoggingSettings(),
            database=folder / "postroom.db",
            port=0,
            path=folder / "postroom.toml",
        )
        house = House(
            clock, slack, provider, calls, settings, log, sandboxes, lambda its: _running(its, clock, slack, providers)
        )
        with _quietly(log) if quiet else contextlib.nullcontext():
            if starts:
                await house.starts()
            try:
                yield house
            finally:
                await house.stops()


_SIMULATED: Mapping[str, tuple[Callable[[HandClock], Any], Callable[[Any], Any]]] = {
    "scaledmail": (scaledmail.ScaledMailSandbox, scaledmail.serve),
    "smailor": (smailor.SmailorSandbox, smailor.serve),
    "instantly": (instantly.InstantlySandbox, instantly.serve),
    "mailapi": (mailapi.MailApiSandbox, mailapi.serve),
}
"""Each other provider's simulated self, and what serves it."""


def _account(provider: str, urls: Mapping[str, str], spacing: float) -> AccountSettings:
    """An account at a provider's sandbox."""
    base: dict[str, Any] = {
        "provider": provider,
        "base_url": urls[provider],
        "min_seconds_between_calls": spacing,
        "min_seconds_between_writes": spacing,
    }
    match provider:
        case "mailin":
            return MailinSettings(**base, email=mailin.SANDBOX_EMAIL, password=mailin.SANDBOX_PASSWORD)
        case "scaledmail":
            return ScaledMailSettings(
                **base, api_key=scaledmail.SANDBOX_KEY, organization_id=scaledmail.SANDBOX_ORGANIZATION
            )
        case "smailor":
            return SmailorSettings(**base, api_key=smailor.SANDBOX_KEY, session_cookie=smailor.SANDBOX_COOKIE)
        case "instantly":
            return InstantlySettings(
                **base,
                session=instantly.SANDBOX_SESSION,
                organization_token=instantly.SANDBOX_ORGANIZATION_TOKEN,
                organization_id=instantly.SANDBOX_ORGANIZATION_ID,
                workspace_id=instantly.SANDBOX_WORKSPACE_ID,
                user_id=instantly.SANDBOX_USER_ID,
            )
        case "mailapi":
            return MailApiSettings(**base, key=mailapi.SANDBOX_KEY, caller_id=mailapi.SANDBOX_CALLER_ID)
    raise LookupError(f"no simulated {provider!r}")


@functools.cache
def _without_anything() -> bytes:
    """A database with all tables and nothing in them: making it takes as long as a tenth of a scene."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "postroom.db"
        SqliteDatabase(path).close()
        return path.read_bytes()


@contextlib.contextmanager
def _quietly(log: list[Any]) -> Iterator[None]:
    """Keep what Postroom logs: the default of the library draws every traceback, and takes seconds for it."""
    with structlog.testing.capture_logs():
        [capture] = [one for one in structlog.get_config()["processors"] if isinstance(one, LogCapture)]
        capture.entries = log  # so that a scene sees what was logged while it plays
        yield


@contextlib.asynccontextmanager
async def _running(
    settings: Settings, clock: HandClock, slack: Workspace, providers: Sequence[Provider] | None
) -> AsyncIterator[app.House]:
    """The house in between, reachable for Slack, without beats of its own."""
    async with app.build(settings, clock, chance=lambda: 0.5, sleep=clock.sleep, providers=providers) as inside:
        if settings.slack.mode == "http":
            async with served(inside) as url:
                slack.app.request_url = f"{url}/slack/events"
                yield inside
                slack.app.request_url = None
            return
        inside.link = SocketLink(inside.bolt, slack.app.app_token, inside.client)
        await inside.link.connect()
        await slack.wait_for_bot()
        try:
            yield inside
        finally:
            await inside.link.close()
            await inside.background.drain(0)
            await inside.lookups.drain(0)


@contextlib.asynccontextmanager
async def served(inside: app.House) -> AsyncIterator[str]:
    """What the house serves over HTTP, on a free port of loopback; gives its address."""
    config = uvicorn.Config(inside.web(), lifespan="off", log_config=None)
    config.load()
    listening = uvicorn.Server(config)
    listening.lifespan = config.lifespan_class(config)
    at = app._listen(0)
    await listening.startup(sockets=[at])
    try:
        yield f"http://127.0.0.1:{at.getsockname()[1]}"
    finally:
        for one in listening.servers:
            one.close()
        for connection in tuple(listening.server_state.connections):
            connection.transport.abort()


__all__ = ["Calls", "HandClock", "House", "Modal", "Person", "Story", "Submission", "open_house", "prices", "reading"]
