"""The stage on which everything can be played: a workspace, a simulated provider, and the bot as a process of its own.

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
from bot.sandbox.workspace import App, Workspace
from providers.catalogue import NOUNS
from providers.mailin import sandbox as mailin

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

[logging]
level = "{log_level}"
format = "json"
"""


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
    """The machine's own clock, for the simulated provider."""

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
    """Everything at hand: who plays (`workspace.person("ana")`), the provider's own books, and the bot's process."""

    url: str
    workspace: Workspace
    mailin: mailin.MailinSandbox
    bot: Bot


def installed() -> App:
    """The app as manifest.yml installs it: its scopes and its slash commands, no more."""
    return App(scopes=frozenset(SCOPES), commands=frozenset(f"/{noun}" for noun in NOUNS))


@contextlib.asynccontextmanager
async def set_stage(
    workspace: Workspace,
    folder: Path,
    *,
    pace: Pace | None = None,
    port: int = 0,
    more_routes: Sequence[BaseRoute] = (),
) -> AsyncIterator[Stage]:
    """Serve the workspace and the provider on loopback; the bot is ready to be started in `folder`."""
    pace = pace or Pace()
    provider = mailin.MailinSandbox(clock=RealClock(), job_seconds=pace.job)
    app = server.create_app(workspace, more_routes=more_routes)
    async with mailin.serve(provider) as at_mailin, server.serve(workspace, port=port, app=app) as at_slack:
        (folder / "postroom.toml").write_text(
            SETTINGS.format(
                mailin_url=at_mailin.url,
                spacing=pace.spacing,
                first_poll=pace.first_poll,
                max_poll=pace.max_poll,
                deadline_hours=pace.deadline_hours,
                lease=pace.lease,
                reconcile_after=pace.reconcile_after,
                log_level=pace.log_level,
                prices="\n".join(f'"domain.{tld}" = "{price}"' for tld, price in PRICES.items()),
            )
        )
        bot = Bot(folder, workspace, _environment(workspace, at_slack.api_url, folder))
        try:
            yield Stage(at_slack.url, workspace, provider, bot)
        finally:
            await bot.stop()


def _environment(workspace: Workspace, api_url: str, folder: Path) -> dict[str, str]:
    """The bot's whole environment: nothing of a real installation that may be set on this machine gets in."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("SLACK_", "POSTROOM_", "MAILIN_")) and not name.upper().endswith("_PROXY")
    }
    root = str(Path(__file__).resolve().parents[2])
    return kept | {
        "PYTHONPATH": root,
        "PYTHONUNBUFFERED": "1",
        "SLACK_BOT_TOKEN": workspace.app.bot_token,
        "SLACK_APP_TOKEN": workspace.app.app_token,
        "SLACK_SIGNING_SECRET": workspace.app.signing_secret,
        "SLACK_API_URL": api_url,
        "MAILIN_EMAIL": mailin.SANDBOX_EMAIL,
        "MAILIN_PASSWORD": mailin.SANDBOX_PASSWORD,
        "POSTROOM_CONFIG": str(folder / "postroom.toml"),
        "POSTROOM_DATABASE": str(folder / "postroom.db"),
        "POSTROOM_PORT": "0",
    }
