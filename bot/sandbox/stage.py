"""The stage on which everything can be played: a workspace, five simulated providers, and the bot's own process.

The demo, the page and the tests use the same one. The bot is the real `postroom run`: it can be killed and started
again, and finds out only what its database, the workspace and the provider tell it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from starlette.routing import BaseRoute

from bot.doctor import SCOPES
from bot.sandbox import server
from bot.sandbox.model import Shortcut
from bot.sandbox.workspace import App, Workspace
from providers.catalogue import NOUNS
from providers.instantly import sandbox as instantly
from providers.mailapi import sandbox as mailapi
from providers.mailin import sandbox as mailin
from providers.scaledmail import sandbox as scaledmail
from providers.smailor import sandbox as smailor

LEAVE_SECONDS = 10.0
READY_SECONDS = 30.0

PRICES: Mapping[str, Decimal] = {
    "com": Decimal("12.50"),
    "co": Decimal("28.00"),
    "ca": Decimal("14.00"),
    "biz": Decimal("16.75"),
}
"""What a domain costs on this stage, in US dollars, by its top-level domain."""

SETTINGS = """\
[slack]
mode = "socket"
approvals_channel = "C0APPROVALS"
messages_at_once = 200

[accounts.mailin-main]
provider = "mailin"
base_url = "{mailin_url}"
email = "env:MAILIN_EMAIL"
password = "env:MAILIN_PASSWORD"
min_seconds_between_calls = {spacing}
min_seconds_between_writes = {spacing}

[accounts.scaledmail-main]
provider = "scaledmail"
base_url = "{scaledmail_url}"
api_key = "env:SCALEDMAIL_API_KEY"
organization_id = "{scaledmail_organization}"
min_seconds_between_calls = {spacing}

[accounts.smailor-main]
provider = "smailor"
base_url = "{smailor_url}"
api_key = "env:SMAILOR_API_KEY"
session_cookie = "env:SMAILOR_SESSION_COOKIE"
min_seconds_between_calls = {spacing}

[accounts.instantly-main]
provider = "instantly"
base_url = "{instantly_url}"
session = "env:INSTANTLY_SESSION"
organization_token = "env:INSTANTLY_ORGANIZATION_TOKEN"
organization_id = "env:INSTANTLY_ORGANIZATION_ID"
min_seconds_between_calls = {spacing}

[accounts.mailapi-main]
provider = "mailapi"
base_url = "{mailapi_url}"
key = "env:MAILAPI_KEY"
caller_id = {mailapi_caller}
min_seconds_between_calls = {spacing}

[jobs]
first_poll_seconds = {first_poll}
max_poll_seconds = {max_poll}
deadline_hours = {deadline_hours}
lease_seconds = {lease}
reconcile_after_seconds = {reconcile_after}

[prices.mailin]
currency = "USD"
{prices}

[approvals]
approvers = ["U0OMAR", "U0FINN"]
undo_seconds = {undo}
{rules}
[logging]
level = "{log_level}"
format = "json"
"""

SECRETS: Mapping[str, str] = {
    "MAILIN_EMAIL": mailin.SANDBOX_EMAIL,
    "MAILIN_PASSWORD": mailin.SANDBOX_PASSWORD,
    "SCALEDMAIL_API_KEY": scaledmail.SANDBOX_KEY,
    "SMAILOR_API_KEY": smailor.SANDBOX_KEY,
    "SMAILOR_SESSION_COOKIE": smailor.SANDBOX_COOKIE,
    "INSTANTLY_SESSION": instantly.SANDBOX_SESSION,
    "INSTANTLY_ORGANIZATION_TOKEN": instantly.SANDBOX_ORGANIZATION_TOKEN,
    "INSTANTLY_ORGANIZATION_ID": instantly.SANDBOX_ORGANIZATION_ID,
    "MAILAPI_KEY": mailapi.SANDBOX_KEY,
}
"""What opens the accounts of the settings above: environment variables of the bot. They open nothing else."""


class BotDied(Exception):
    """The bot's process ended by itself; the text is the end of its log."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the played world is: seconds, but for `deadline_hours`."""

    spacing: float = 0.0
    first_poll: float = 0.3
    max_poll: float = 1.0
    deadline_hours: float = 48
    lease: float = 2.0
    reconcile_after: float = 1.0
    job: float = 1.0
    log_level: str = "info"


class RealClock:
    """The machine's own clock, for the simulated providers."""

    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.now(UTC)


@dataclass(slots=True)
class Bot:
    """The bot's process. Its database and its log are in `folder` and outlive it."""

    folder: Path
    workspace: Workspace
    environment: Mapping[str, str]
    process: asyncio.subprocess.Process | None = field(default=None)

    @property
    def log(self) -> Path:
        """Everything all its lives have logged."""
        return self.folder / "postroom.log"

    @property
    def database(self) -> Path:
        """Its memory."""
        return self.folder / "postroom.db"

    @property
    def is_running(self) -> bool:
        """Whether there is a living process."""
        return self.process is not None and self.process.returncode is None

    async def start(self, *, more_environment: Mapping[str, str] | None = None) -> None:
        """Start it and wait until it is connected to the workspace. Raises BotDied."""
        self.process = await self.launch({**self.environment, **(more_environment or {})})
        ended = asyncio.ensure_future(self.process.wait())
        connected = asyncio.ensure_future(self.workspace.wait_for_bot(READY_SECONDS))
        done, pending = await asyncio.wait([ended, connected], return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if connected not in done:
            connected.cancel()
            raise BotDied(self.last_words())
        connected.result()

    async def launch(self, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
        """A new process, not yet connected. A kind of bot that dies where it is told to begins here."""
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bot.cli",
                "run",
                env=environment,
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def kill(self) -> None:
        """SIGKILL: no goodbye, no flush, no handler runs."""
        await self._end(signal.SIGKILL)

    async def died(self) -> None:
        """Wait until it has ended by itself."""
        if self.process is not None:
            await self.process.wait()
            self.process = None
            await self._hung_up()

    async def stop(self) -> None:
        """SIGTERM: an orderly stop."""
        await self._end(signal.SIGTERM)

    def last_words(self, lines: int = 20) -> str:
        """The end of its log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    async def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(how)
            try:
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        self.process = None
        await self._hung_up()

    async def _hung_up(self) -> None:
        """Wait until the workspace, too, has seen that the bot is gone."""
        with self.workspace.subscribe() as changes, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                while self.workspace.delivery.connections:
                    await anext(changes)


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything at hand: who plays (`workspace.person("ana")`), the providers' own books, and the bot's process."""

    url: str
    workspace: Workspace
    mailin: mailin.MailinSandbox
    scaledmail: scaledmail.ScaledMailSandbox
    smailor: smailor.SmailorSandbox
    instantly: instantly.InstantlySandbox
    mailapi: mailapi.MailApiSandbox
    bot: Bot


SHORTCUTS = (
    Shortcut("global", "ask", "Ask Postroom", "Find what can be asked, and ask it"),
    Shortcut("message", "from_message", "Request from message", "Ask for something with the names in this message"),
)


def installed() -> App:
    """The app as manifest.yml installs it: its scopes, its slash commands and its shortcuts, no more."""
    commands = frozenset(f"/{noun}" for noun in NOUNS)
    return App(scopes=frozenset(SCOPES), commands=commands, escaped=frozenset({"/postroom"}), shortcuts=SHORTCUTS)


@contextlib.asynccontextmanager
async def set_stage(
    workspace: Workspace,
    folder: Path,
    *,
    pace: Pace | None = None,
    port: int = 0,
    more_routes: Sequence[BaseRoute] = (),
    undo_seconds: float = 0,
    rules: str = "",
) -> AsyncIterator[Stage]:
    """Serve the workspace and all providers on loopback; the bot is ready to be started in `folder`.

    `undo_seconds` and `rules` (TOML, whole tables) are put into its settings.
    """
    pace, clock = pace or Pace(), RealClock()
    at_mailin = mailin.MailinSandbox(clock=clock, job_seconds=pace.job)
    at_scaledmail = scaledmail.ScaledMailSandbox(clock=clock, setup_seconds=pace.job)
    at_smailor = smailor.SmailorSandbox(clock=clock)
    at_instantly = instantly.InstantlySandbox(clock=clock)
    at_mailapi = mailapi.MailApiSandbox(clock=clock, verify_seconds=pace.job, task_seconds=pace.job)
    async with contextlib.AsyncExitStack() as serving:
        served = serving.enter_async_context
        (folder / "postroom.toml").write_text(
            SETTINGS.format(
                mailin_url=(await served(mailin.serve(at_mailin))).url,
                scaledmail_url=(await served(scaledmail.serve(at_scaledmail))).url,
                scaledmail_organization=scaledmail.SANDBOX_ORGANIZATION,
                smailor_url=(await served(smailor.serve(at_smailor))).url,
                instantly_url=(await served(instantly.serve(at_instantly))).url,
                mailapi_url=(await served(mailapi.serve(at_mailapi))).url,
                mailapi_caller=mailapi.SANDBOX_CALLER_ID,
                spacing=pace.spacing,
                first_poll=pace.first_poll,
                max_poll=pace.max_poll,
                deadline_hours=pace.deadline_hours,
                lease=pace.lease,
                reconcile_after=pace.reconcile_after,
                log_level=pace.log_level,
                undo=undo_seconds,
                rules=rules,
                prices="\n".join(f'"domain.{tld}" = "{price}"' for tld, price in PRICES.items()),
            )
        )
        app = server.create_app(workspace, more_routes=more_routes)
        at_slack = await served(server.serve(workspace, port=port, app=app))
        bot = Bot(folder, workspace, _environment(workspace, at_slack.api_url, folder))
        try:
            yield Stage(at_slack.url, workspace, at_mailin, at_scaledmail, at_smailor, at_instantly, at_mailapi, bot)
        finally:
            await bot.stop()


def _environment(workspace: Workspace, api_url: str, folder: Path) -> dict[str, str]:
    """The bot's whole environment: nothing of a real installation that may be set on this machine gets in."""
    foreign = ("SLACK_", "POSTROOM_", *{f"{name.partition('_')[0]}_" for name in SECRETS})
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(foreign) and not name.upper().endswith("_PROXY")
    }
    root = str(Path(__file__).resolve().parents[2])
    return {
        **kept,
        **SECRETS,
        "PYTHONPATH": root,
        "PYTHONUNBUFFERED": "1",
        "SLACK_BOT_TOKEN": workspace.app.bot_token,
        "SLACK_APP_TOKEN": workspace.app.app_token,
        "SLACK_SIGNING_SECRET": workspace.app.signing_secret,
        "SLACK_API_URL": api_url,
        "POSTROOM_CONFIG": str(folder / "postroom.toml"),
        "POSTROOM_DATABASE": str(folder / "postroom.db"),
        "POSTROOM_PORT": "0",
    }
