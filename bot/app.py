"""The composition root: from settings to a running house, in one readable place."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import structlog
import uvicorn
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot import in_force
from bot.facts import FactLog
from bot.memory import keep_what_is_here
from bot.metrics import Metrics
from bot.scheduler import Beats
from bot.settings import HousekeepingSettings, Settings
from bot.socket_link import SocketLink
from bot.web import SlackEvents, Web, create_web
from handlers.approvals import Approvals
from handlers.background import Background
from handlers.digest import Digests
from handlers.drafts import Drafts
from handlers.housekeeping import Housekeeping, Kept
from handlers.jobs import Jobs
from handlers.life import Life
from handlers.listings import Listings
from handlers.policy import JobTimes
from handlers.questions import Questions
from handlers.requests import Requests
from handlers.runs import Runs
from handlers.slack.asking import Asking
from handlers.slack.delivery import Delivery, Pace
from handlers.slack.digest import DigestPost
from handlers.slack.front import Front, slack_error
from handlers.slack.house import HouseCommands
from handlers.slack.listeners import Door
from handlers.slack.messages import Messages
from handlers.slack.people import SlackDirectory
from handlers.waiting import Waiting
from providers.accounts import Account, Clock, PriceList
from providers.catalogue import Catalogue, built_in, open_account, registered
from providers.notices import Notices
from providers.provider import Provider
from storage.digests import DigestBooks
from storage.figures import Figures
from storage.housekeeping import Attic
from storage.sqlite import SqliteDatabase
from storage.store import Store

log = structlog.get_logger(__name__)

OFTEN = timedelta(seconds=5)
"""The interval of beats that are woken when there is work: a safety net, not the way work is found."""
DRAIN_SECONDS = 35.0
"""At shutdown: longer than a provider's call may take, so that an orderly stop leaves no unclear outcome."""
CHECKS_TAKE_AT_MOST = timedelta(minutes=10)
LOOKUPS_AT_ONCE = 1000
"""Checks and answers that wait for a provider; each account's own pace is what holds them back."""
SLACK_SECONDS = 10
_WRONG_TOKEN = frozenset(
    {
        "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type",
        "missing_scope", "no_permission",
    }
)  # fmt: skip
"""Slack would say these again however long it is asked."""


class CannotStart(Exception):
    """Why the house does not open, in a sentence with its cure."""


class _Stopped(Exception):
    """Told to stop while still waiting for Slack at the start."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.now(UTC)


@dataclass(slots=True)
class House:
    """Everything that was put together. `start` sets time going; without it, tests call the beats by hand."""

    settings: Settings
    clock: Clock
    store: Store
    client: AsyncWebClient
    requests: Requests
    drafts: Drafts
    runs: Runs
    approvals: Approvals
    waiting: Waiting
    jobs: Jobs
    delivery: Delivery
    digest: DigestPost
    housekeeping: Housekeeping
    aloud: HouseCommands
    asking: Asking
    door: Door
    bolt: AsyncApp
    background: Background
    lookups: Background
    beats: Beats
    accounts: Mapping[str, Account]
    metrics: Metrics
    facts: FactLog
    link: SocketLink | None = field(default=None)
    settings_taken_up: bool = False

    def web(self) -> Web:
        """The ASGI app: health, and Slack's requests in HTTP mode."""
        secret = self.settings.slack.signing_secret
        if self.settings.slack.mode != "http" or secret is None:
            return create_web(self.health, self._page)
        return create_web(self.health, self._page, SlackEvents(self.door.answer, self.bolt, secret.get_secret_value()))

    async def start(self) -> None:
        """Take up what a former process left, set the beats going, and open the line to Slack."""
        await self.take_up_settings()
        self._set_beats()
        self.beats.start()
        await self._resume_checks(self.clock.now())
        if self.settings.slack.mode == "socket":
            token = self.settings.slack.app_token
            assert token is not None  # the settings hold it
            await _try_app_token(self.client, token.get_secret_value())
            self.link = SocketLink(self.bolt, token.get_secret_value(), self.client)
            self.beats.add("socket", self.link.supervise, intervals(self.settings)["socket"])
            await self.link.connect()
        log.info("ready", mode=self.settings.slack.mode, accounts=sorted(self.accounts))

    async def take_up_settings(self) -> None:
        """Rules that are others than at the last start hold from now on; the audit knows. Done once, then for good."""
        if not self.settings_taken_up:
            self.settings_taken_up = await in_force.take_up(
                self.settings, self.requests.policy, self.store, self.waiting, self.clock
            )

    async def health(self) -> dict[str, str]:
        """What is wrong now, in words; empty when the house can do its work."""
        wrong: dict[str, str] = {}
        if self.link is not None and not await self.link.is_connected():
            wrong["socket"] = "not connected to Slack"
        elif self.link is None and self.settings.slack.mode == "socket":
            wrong["socket"] = "not connected to Slack yet"
        if late := self.beats.late():
            wrong["beats"] = f"late: {', '.join(late)}"
        try:
            async with asyncio.timeout(5):
                await self.store.beats.ran("health", self.clock.now())
        except Exception as error:
            wrong["store"] = f"cannot be written ({type(error).__name__})"
        return wrong

    async def _page(self) -> tuple[bytes, str]:
        return await self.metrics.page(self.link)

    async def stop(self) -> None:
        """Stop listening, finish what was begun, keep the rest for the next start."""
        if self.link is not None:
            with contextlib.suppress(Exception):  # a line that is dead needs no goodbye
                async with asyncio.timeout(5):
                    await self.link.close()
        await asyncio.gather(self.background.drain(5), self.lookups.drain(5))
        await self.beats.stop(5)
        await asyncio.gather(self.runs.executions.drain(DRAIN_SECONDS), self.jobs.looks.drain(DRAIN_SECONDS))
        with contextlib.suppress(Exception):
            async with asyncio.timeout(5):
                await self.delivery.deliver()
                await self.facts.tell()

    def _set_beats(self) -> None:
        async def run_approved() -> datetime | None:
            await self.runs.settle_lapsed()
            return await self.runs.run_approved()

        async def housekeeping() -> datetime | None:
            await self._resume_checks(self.clock.now() - CHECKS_TAKE_AT_MOST)
            again = await self.housekeeping.tidy()
            await self.drafts.forget_secrets()
            return again

        async def look_after_waiting() -> datetime | None:
            await self.take_up_settings()  # once more, where Slack had not answered at the start
            moments = (await self.waiting.attend(), await self.aloud.say_who_is_back())
            return min((one for one in moments if one is not None), default=None)

        every = intervals(self.settings)
        self.beats.add("outbox", self.delivery.deliver, every["outbox"])
        self.beats.add("requests", run_approved, every["requests"])
        self.beats.add("jobs", self.jobs.look, every["jobs"])
        self.beats.add("waiting", look_after_waiting, every["waiting"])
        self.beats.add("home", self.door.home.refresh, every["home"])
        self.beats.add("facts", self.facts.tell, every["facts"])
        self.beats.add("digest", self.digest.send, every["digest"])
        self.beats.add("housekeeping", housekeeping, every["housekeeping"])

    async def _resume_checks(self, before: datetime) -> None:
        await self.asking.resume_checks(await self.drafts.resume_checks(before))


def intervals(settings: Settings) -> dict[str, timedelta]:
    """The beats of a house with these settings, each with how often it beats."""
    lease = timedelta(seconds=settings.jobs.lease_seconds)
    socket = {"socket": OFTEN} if settings.slack.mode == "socket" else {}
    return {
        "outbox": OFTEN,
        "requests": min(OFTEN, lease / 2),
        "jobs": OFTEN,
        "home": OFTEN,
        "facts": OFTEN,
        **socket,
        "waiting": timedelta(minutes=1),
        "digest": timedelta(minutes=1),
        "housekeeping": timedelta(minutes=10),
    }


@contextlib.asynccontextmanager
async def build(
    settings: Settings,
    clock: Clock,
    chance: Callable[[], float] = random.random,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    stopping: asyncio.Event | None = None,
    *,
    providers: Sequence[Provider] | None = None,
) -> AsyncIterator[House]:
    """Put the house together and take it apart again. Raises CannotStart, or ends the wait for Slack at `stopping`.

    `clock`, `chance` (a random number in [0, 1)) and `sleep` (how providers' calls wait for their turn) are passed in
    so that tests need neither luck nor patience. `providers` are those that there are; all registered ones if None.
    """
    providers = registered() if providers is None else providers
    accounts = {
        name: open_account(name, its, settings.prices.get(its.provider, PriceList()), clock, sleep, providers=providers)
        for name, its in settings.accounts.items()
    }
    async with contextlib.AsyncExitStack() as stack:
        for account in accounts.values():
            stack.push_async_callback(account.client.aclose)
        database = _opened(settings.database)
        store = Store(database)
        stack.callback(store.close)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        token = settings.slack.bot_token.get_secret_value()
        # No retries of its own: a lost answer may be a message posted, and the outbox decides about that.
        client = AsyncWebClient(
            token=token, base_url=settings.slack.api_url, session=session, timeout=SLACK_SECONDS, retry_handlers=[]
        )
        me = await _who_am_i(client, stopping or asyncio.Event())
        catalogue = built_in(providers)
        figures = Figures(database)
        audited = await figures.end_of_audit()
        yield _assemble(
            settings,
            clock=clock,
            chance=chance,
            accounts=accounts,
            catalogue=catalogue,
            store=store,
            digest_books=DigestBooks(database),
            attic=Attic(database),
            figures=figures,
            audited=audited,
            notices={one.name: one.notices for one in providers if one.notices is not None},
            client=client,
            me=me,
        )


def _assemble(
    settings: Settings,
    *,
    clock: Clock,
    chance: Callable[[], float],
    accounts: Mapping[str, Account],
    catalogue: Catalogue,
    store: Store,
    digest_books: DigestBooks,
    attic: Attic,
    figures: Figures,
    audited: int,
    notices: Mapping[str, Notices],
    client: AsyncWebClient,
    me: AuthorizeResult,
) -> House:
    times = JobTimes(
        first_poll=timedelta(seconds=settings.jobs.first_poll_seconds),
        max_poll=timedelta(seconds=settings.jobs.max_poll_seconds),
        deadline=timedelta(hours=settings.jobs.deadline_hours),
        lease=timedelta(seconds=settings.jobs.lease_seconds),
        reconcile_after=timedelta(seconds=settings.jobs.reconcile_after_seconds),
    )
    beats = Beats(store, clock)
    life = Life(
        store=store,
        catalogue=catalogue,
        accounts=accounts,
        policy=settings.policy(),
        times=times,
        directory=SlackDirectory(client, clock, str(me.team_id)),
        clock=clock,
        chance=chance,
        changed=beats.wake,
    )
    requests = life.requests
    approvals = Approvals(store, requests, life.rulings, clock)
    jobs = Jobs(
        store=store,
        requests=requests,
        outcomes=life.outcomes,
        settling=life.settling,
        times=times,
        clock=clock,
        chance=chance,
        changed=beats.wake,
    )
    messages = Messages(requests)
    background, lookups = Background(), Background(at_once=LOOKUPS_AT_ONCE)
    questions = Questions(store, requests, clock)
    digests = Digests(digest_books, requests, questions, accounts, notices, catalogue=catalogue, clock=clock)
    front = Front(
        requests, life.drafts, life.settling, approvals, questions, catalogue, accounts, messages, background, lookups,
        client, str(me.team_id),
        digests, Listings(store, requests, questions, approvals=approvals, settling=life.settling, clock=clock),
        me.url or "",
    )  # fmt: skip
    metrics = Metrics(
        figures=figures, beats=beats, accounts=accounts, catalogue=catalogue, clock=clock, counted_until=audited
    )
    for account in accounts.values():
        if (watch := getattr(account.client, "watch_calls", None)) is not None:
            watch(metrics.called)
    door = Door(front, metrics.acked)
    return House(
        settings=settings,
        clock=clock,
        store=store,
        client=client,
        requests=requests,
        drafts=life.drafts,
        runs=life.runs,
        approvals=approvals,
        waiting=Waiting(store, requests, life.rulings, life.settling, clock),
        jobs=jobs,
        delivery=Delivery(
            store,
            client,
            messages,
            clock,
            Pace(settings.slack.messages_per_second, settings.slack.messages_at_once),
        ),
        digest=DigestPost(digests, client, messages),
        housekeeping=Housekeeping(attic, _kept(settings.housekeeping), clock),
        aloud=HouseCommands(front),
        asking=door.asking,
        door=door,
        bolt=_bolt(settings, client, me, door),
        background=background,
        lookups=lookups,
        beats=beats,
        accounts=accounts,
        metrics=metrics,
        facts=FactLog(store.facts, after=audited),
    )


def _kept(settings: HousekeepingSettings) -> Kept:
    return Kept(
        drafts=timedelta(days=settings.drafts_days),
        messages=timedelta(days=settings.messages_days),
        digests=timedelta(days=settings.digests_days),
        hand_overs=timedelta(days=settings.hand_overs_days),
        heartbeats=timedelta(days=settings.heartbeats_days),
    )


def _bolt(settings: Settings, client: AsyncWebClient, me: AuthorizeResult, door: Door) -> AsyncApp:
    async def authorize() -> AuthorizeResult:
        return me  # asked once at the start: Bolt's own way asks Slack at every request

    async def stumbled(error: Exception) -> BoltResponse:
        # Bolt could not even look at it, so Slack has not sent it.
        log.warning("request_refused", kind=type(error).__name__)
        return BoltResponse(status=401)

    logging.getLogger("slack_bolt.AsyncApp").addFilter(_not_about_our_own_way)
    bolt = AsyncApp(
        name="postroom",  # otherwise it searches all modules for who calls it
        client=client,
        authorize=authorize,
        before_authorize=door,
        process_before_response=True,  # the listener returns soon by itself, and the answer need not be polled for
        request_verification_enabled=False,  # bot/web.py verifies, before it parses
        ssl_check_enabled=False,
        url_verification_enabled=settings.slack.mode == "http",
        attaching_function_token_enabled=False,
        raise_error_for_unhandled_request=False,
    )
    bolt.error(stumbled)
    return bolt


def _opened(path: Path) -> SqliteDatabase:
    try:
        return SqliteDatabase(path)
    except (sqlite3.Error, OSError) as error:
        raise CannotStart(
            f"The database {path} cannot be opened ({error}), so Postroom did not start. "
            "Set POSTROOM_DATABASE to a file in a folder that Postroom may write to."
        ) from None


def _not_about_our_own_way(record: logging.LogRecord) -> bool:
    """Bolt warns that it will not use the token it finds in the environment. It is not meant to."""
    return "will be unused" not in record.getMessage() and "will be ignored" not in record.getMessage()


async def _who_am_i(client: AsyncWebClient, stopping: asyncio.Event) -> AuthorizeResult:
    """`auth.test`, patiently while Slack is away. Raises CannotStart when the token is refused."""
    wait = 1.0
    while True:
        try:
            answer = await client.auth_test()
        except SlackApiError as error:
            if slack_error(error) in _WRONG_TOKEN:
                raise CannotStart(
                    f"Slack refuses the bot token ({slack_error(error)}), so Postroom did not start. "
                    "Set SLACK_BOT_TOKEN to the token under “OAuth & Permissions”; `postroom doctor` tells more."
                ) from None
            log.warning("slack_away", error=slack_error(error), again_in_seconds=wait)
        except (SlackClientError, aiohttp.ClientError, TimeoutError) as error:
            log.warning("slack_away", error=slack_error(error), again_in_seconds=wait)
        else:
            return AuthorizeResult.from_auth_test_response(auth_test_response=answer, bot_token=client.token)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), wait)
            raise _Stopped
        wait = min(wait * 2, 60)


async def _try_app_token(client: AsyncWebClient, token: str) -> None:
    """`apps.connections.open` once: with a wrong token the socket client would try for ever and say nothing plain."""
    try:
        await client.apps_connections_open(app_token=token)
    except SlackApiError as error:
        if slack_error(error) in _WRONG_TOKEN:
            raise CannotStart(
                f"Slack refuses the app token ({slack_error(error)}), so Postroom did not start. Set SLACK_APP_TOKEN "
                "to an app-level token with connections:write; `postroom doctor` tells more."
            ) from None
        log.warning("slack_away", error=slack_error(error))
    except (SlackClientError, aiohttp.ClientError, TimeoutError) as error:
        log.warning("slack_away", error=slack_error(error))


async def run(settings: Settings, stopping: asyncio.Event, *, clock: Clock | None = None) -> None:
    """Run until `stopping` is set. Raises CannotStart."""
    with contextlib.suppress(_Stopped):
        async with build(settings, clock or SystemClock(), stopping=stopping) as house:
            async with _serving(house):
                starting = asyncio.create_task(house.start())
                waiting = asyncio.create_task(stopping.wait())
                await asyncio.wait([starting, waiting], return_when=asyncio.FIRST_COMPLETED)
                if starting.done():
                    if (broken := starting.exception()) is not None:
                        await house.stop()  # the beats may have begun something before it broke
                        raise broken
                    keep_what_is_here()
                    await waiting
                starting.cancel()
                waiting.cancel()
            await house.stop()


@contextlib.asynccontextmanager
async def _serving(house: House) -> AsyncIterator[None]:
    settings = house.settings
    try:
        listening = _listen(settings.port)
    except OSError as error:
        if settings.slack.mode == "http":
            raise CannotStart(
                f"Port {settings.port} cannot be used ({error.strerror}), so Slack could not reach Postroom. "
                "Set POSTROOM_PORT to a free port."
            ) from None
        log.warning(
            "health_not_served", port=settings.port, why=error.strerror, cure="set POSTROOM_PORT to a free port"
        )
        yield
        return
    config = uvicorn.Config(
        house.web(),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,  # nobody asks where a request came from
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    # The process handles its signals itself: uvicorn would take them over and raise them again at its end.
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(listening))
        serving = asyncio.create_task(server._serve([listening]))
        try:
            yield
        finally:
            server.should_exit = True
            await serving


def _listen(port: int) -> socket.socket:
    # Said to be TCP outright: asyncio switches Nagle's algorithm off, at 40 ms an answer, only where it is told so.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("0.0.0.0" if port else "127.0.0.1", port))  # noqa: S104 (a proxy in front reaches it)
        listening.listen(512)
    except OSError:
        listening.close()
        raise
    return listening
