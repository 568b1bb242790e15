"""The stage with a bot that can be told where to die, and people who go on as people do, whatever happens to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import crash_runner

from bot.sandbox.modal import Modal, Submission
from bot.sandbox.model import BOT_USER_ID, Message
from bot.sandbox.people import Person
from bot.sandbox.stage import Bot, BotDied, Pace, Stage, set_stage
from bot.sandbox.workspace import Workspace, default_workspace
from providers.mailin.sandbox import MailinSandbox

PATIENCE = 60.0
"""Seconds that somebody waits for what must come, Slack for an answer among them: two cores are shared by many bots.
A bot that dies hangs up, and that is noticed at once."""
HURRY = 0.7
"""Seconds instead of the minutes that are built in, so that a test need not sit them out: see `crash_runner.HURRY`."""
PACE = Pace(first_poll=0.15, max_poll=0.3, job=0.3, lease=2.5, reconcile_after=1.5)

BOOKS = {
    "requests": "id, state, attempt, asks_person, checking_since, lease_until",
    "votes": "voter, verdict",
    "intents": "key, at",
    "jobs": "kind, due_at, attempts",
    "messages": "kind, channel, wanted, sent, attempts, due_at, body",
    "reservations": "budget, reserved, spent",
}
"""What is told of a broken scene, by table."""

TOO_LATE = (
    "has already", "have already approved this", "meanwhile", "has cancelled this", "has changed since",
    "too late to stop",
)  # fmt: skip
"""What somebody may be told who pressed once more, after a click that Slack said had failed."""

APPROVERS = 'approvers = ["U0OMAR", "U0FINN"]\n'
"""The line of the settings under which more can be said about approvals."""

Seen = TypeVar("Seen")


# Processes.


class Life:
    """One process of the bot, a fork of the nursery. It looks like asyncio's own process."""

    def __init__(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._reader = reader
        self._writer = writer
        self._ended = asyncio.ensure_future(self._end())

    async def wait(self) -> int:
        """Returns how it ended: 0, or minus the signal."""
        return await asyncio.shield(self._ended)

    def send_signal(self, what: signal.Signals) -> None:
        """SIGTERM, SIGKILL …"""
        if self.returncode is None:
            os.kill(self.pid, what)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    async def _end(self) -> int:
        self.returncode = int(await self._reader.readline() or b"-9")
        self._writer.close()
        return self.returncode


@dataclass(slots=True)
class MortalBot(Bot):
    """A bot out of the nursery at `nursery`."""

    nursery: Path = field(kw_only=True)

    async def launch(self, environment: Mapping[str, str]) -> Any:
        reader, writer = await asyncio.open_unix_connection(self.nursery)
        asked = {"environment": dict(environment), "folder": str(self.folder), "log": str(self.log)}
        writer.write(json.dumps(asked).encode() + b"\n")
        return Life(int(await reader.readline()), reader, writer)

    def moments(self) -> list[list[str]]:
        """The moments of its first life: the points that each of them has."""
        _, first, *_ = Path(self.environment[crash_runner.PASSED]).read_text().split(crash_runner.NEW_LIFE)
        return [line.split() for line in first.splitlines()]


@contextlib.contextmanager
def open_nursery() -> Iterator[Path]:
    """The process that all bots of these tests are forked from; yields its socket."""
    with tempfile.TemporaryDirectory(prefix="nursery") as folder:  # pytest's own paths are too long for a socket
        path = Path(folder) / "socket"
        root = Path(__file__).resolve().parents[2]
        program = [sys.executable, crash_runner.__file__, str(path)]
        with subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root, env={"PYTHONPATH": str(root)}, text=True
        ) as nursery:
            assert nursery.stdout is not None
            assert nursery.stdin is not None
            if nursery.stdout.readline().strip() != "ready":
                raise RuntimeError("The nursery did not open.")
            yield path
            nursery.stdin.close()


# The scene.


class Strayed(Exception):
    """The bot died too early for its story: what happens at the same time has happened in another order."""


@dataclass(slots=True)
class Scene:
    """One played story. The bot dies at `dies_at`, if it ever gets there, and is started again by `watching`."""

    workspace: Workspace
    mailin: MailinSandbox
    bot: Bot
    dies_at: str = ""
    not_before: str = ""
    lives: int = 0
    is_over: bool = False
    processes: int = 1
    """How many bots there are at the same time."""
    starts_with_other_settings: int = 0
    """How often the settings were changed between two of its lives."""

    @property
    def ana(self) -> Person:
        """Who asks."""
        return self.workspace.person("ana")

    @property
    def omar(self) -> Person:
        """Who decides."""
        return self.workspace.person("omar")

    @property
    def finn(self) -> Person:
        """Who decides as well."""
        return self.workspace.person("finn")

    def is_killed(self) -> None:
        """SIGKILL from outside, now. Whoever watches starts it again."""
        assert self.bot.process is not None
        os.kill(self.bot.process.pid, signal.SIGKILL)

    async def begin(self) -> None:
        """The first life, the one that may end early. From now on somebody is there to start it again."""
        self.lives = 1
        try:
            await self.bot.start(more_environment={crash_runner.KILL_AT: self.dies_at})
        except BotDied:
            if not self.has_died:
                raise
            await self.back(life=1)

    async def watching(self) -> None:
        """What a supervisor does: start it again when it has died."""
        while not self.is_over:
            process = self.bot.process
            if process is None:
                await asyncio.sleep(0.01)
                continue
            await process.wait()
            if self.is_over:
                return
            await self.bot.died()
            await self.bot.start()
            self.lives += 1
            self.workspace.tell(BOT_USER_ID, "started again")  # a change, so that whoever waits looks again

    @property
    def passed(self) -> list[str]:
        """The points the first life passed, those of its last moment included."""
        return [point for moment in self.moments for point in moment]

    @property
    def has_died(self) -> bool:
        """Whether the bot got to where it was to die."""
        return bool(self.dies_at) and self.dies_at in self.passed

    def committed(self, change: str) -> bool | None:
        """Whether the first life has committed this. None when nobody can tell: its writer was just at it."""
        moments = self.moments
        if any(f"after-commit-{change}" in moment for moment in moments):
            return True
        begun = [moment for moment in moments if f"before-commit-{change}" in moment]
        return None if begun and self.dies_at not in begun[-1] else False

    @property
    def has_strayed(self) -> bool:
        """Whether the bot died before the part of the story that its death was meant for."""
        return self.has_died and self.not_before not in ("", *self.passed)

    @property
    def moments(self) -> list[list[str]]:
        """The moments of the first life: the points that each of them has."""
        assert isinstance(self.bot, MortalBot)
        return self.bot.moments()

    async def waits(self, look: Callable[[], Seen | None], what: str, *, patience: float = PATIENCE) -> Seen:
        """Waits until `look` finds something. Whoever waits looks again at every change."""
        with self.workspace.subscribe() as changes:
            try:
                async with asyncio.timeout(patience):
                    while not (found := look()):
                        if self.lives > 1 and self.has_strayed:
                            raise Strayed
                        await anext(changes)
            except TimeoutError:
                raise AssertionError(f"Nobody saw {what}. {self.shown()}") from None
        return found

    async def back(self, life: int) -> None:
        """Waits until the bot is there again after its death in `life`."""
        await self.waits(lambda: self.lives > life, "the bot come back")

    def shown(self) -> str:
        """What everybody can see now."""
        lines = [f"  {message.channel} {message.thread_ts or ''} {message.text!r}" for message in self.said()]
        told = [f"  to {notice.user}: {notice.text}" for notice in self.workspace.notices]
        return "\n".join(["There is:", *lines, *told, f"  before Ana: {self.ana.modal!r}"])

    def evidence(self) -> str:
        """What helps to understand what went wrong: the death, what everybody saw, the books, the end of the log."""
        moments: list[list[str]] = []
        with contextlib.suppress(OSError, ValueError):  # it has not even begun
            moments = self.moments if isinstance(self.bot, MortalBot) else []
        died = "was there" if any(self.dies_at in moment for moment in moments) else "never got there"
        lines = [
            f"It was to die at {self.dies_at or 'no moment'}, and {died}; lives: {self.lives}. The end of the first:",
            *(f"  {' '.join(moment)}" for moment in moments[-8:]),
            f"paid for: {dict(self.bought())}; calls of the provider: {dict(self.mailin.calls)}",
            self.shown(),
            *(
                f"  only {who.id} in {channel}: {message.text!r}"
                for who, channel in ((self.ana, "#outreach"), (self.omar, "#approvals"), (self.finn, "#approvals"))
                for message in who.ephemerals(channel)
            ),
        ]
        try:
            lines += [f"{table}: {self.rows(f'SELECT {columns} FROM {table}')}" for table, columns in BOOKS.items()]
            lines.append(f"audit: {self.rows('SELECT seq, at, actor, what FROM audit ORDER BY seq')}")
        except sqlite3.Error as error:
            lines.append(f"The database does not say more: {error}")
        return "\n".join([*lines, self.bot.last_words(60)])

    def said(self) -> list[Message]:
        """Everything the bot has said to everybody, anywhere."""
        return [
            message
            for channel in self.workspace.channels
            for message in self.workspace.messages(channel)
            if message.user == BOT_USER_ID
        ]

    @property
    def cards(self) -> list[Message]:
        """The cards in #approvals."""
        there = self.omar.messages("#approvals")
        return [message for message in there if message.blocks and message.blocks[0]["type"] == "header"]

    @property
    def parents(self) -> list[Message]:
        """What the bot has put into #outreach itself, threads left out."""
        return [message for message in self.ana.messages("#outreach") if message.user == BOT_USER_ID]

    @property
    def thread(self) -> list[str]:
        """The lines of the thread under the only parent, without it."""
        return [message.text for message in self.ana.thread(self.parents[0])[1:]] if self.parents else []

    def reads(self, *words: str) -> Callable[[], bool]:
        """Whether one of the words stands on both the parent and the card."""

        def look() -> bool:
            return any(
                bool(self.parents and self.cards) and self.parents[-1].reads(word) and self.cards[-1].reads(word)
                for word in words
            )

        return look

    # What is in the books.

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the database says."""
        with contextlib.closing(sqlite3.connect(self.bot.database)) as database:
            return database.execute(sql).fetchall()

    def facts(self) -> list[str]:
        """What the audit says happened to requests, in order; what it says about the house itself is left out.

        As are the prices that somebody was shown before: a check that was cut off is made again.
        """
        return [
            row[0]
            for row in self.rows("SELECT what FROM audit WHERE request_id <> '' AND what <> 'quoted' ORDER BY seq")
        ]

    def bought(self) -> Counter[str]:
        """What the provider was paid for, how often each."""
        return Counter(purchase.domain for purchase in self.mailin.purchases)

    # What people do, whatever happens to the bot.

    async def ana_opens_the_form(self, words: str = "/domain buy acme-mail.com acme-hq.co") -> Modal:
        """She types the command, and again if the bot died before she saw the form."""
        return await self.opens_the_form(self.ana, words)

    async def opens_the_form(self, who: Person, words: str) -> Modal:
        """Somebody types a command, and again if the bot died before they saw the form."""

        def form() -> Modal | None:
            return who.modal if who.modal is not None and who.modal.callback_id == "form" else None

        while True:
            life = self.lives
            await who.types(words, channel="#outreach")
            await self.waits(lambda life=life: form() or self.lives > life, "the form")
            if opened := form():
                return opened

    async def ana_asks(self, words: str = "/domain buy acme-mail.com acme-hq.co") -> Modal:
        """She fills in the form, and sees the review. If her form was taken she need do nothing more to see it."""
        form = await self.ana_opens_the_form(words)
        await self.ana.fills(form, reason="New campaign")
        while self.modal("form"):
            life = self.lives
            sent = await self.ana.submits(form)
            if sent.result == "updated":
                break
            assert sent.result == "trouble", sent
            await self.back(life)
        return await self.waits(lambda: self.modal("review"), "the review")

    async def ana_confirms(self, review: Modal) -> None:
        """She asks for approval, and presses again if Slack says that it did not get through."""
        sent = await self.confirms_once(review)
        if sent.result == "cleared":
            return
        asked = "SELECT COUNT(*) FROM requests WHERE state <> 'draft'"
        [(there,)] = self.rows(asked)
        assert there in (0, 1)
        again = await self.ana.submits(review)
        if there:
            assert again.result == "updated", again
            assert review.reads("already sent this request; it was not sent again")
        else:
            assert again.result == "cleared", again
        assert self.rows(asked) == [(1,)]

    async def confirms_once(self, review: Modal) -> Submission:
        """She presses the button of the review. If that met a death, the bot is back when this returns."""
        life = self.lives
        sent = await self.ana.submits(review)
        assert sent.result in ("cleared", "trouble"), sent
        if sent.result == "trouble":
            await self.back(life)
        return sent

    async def presses(self, person: Person, button: str, find: Callable[[], list[Message]]) -> None:
        """Somebody presses a button of a message as soon as it is there, again if Slack says that it failed.

        If the button has gone meanwhile, the first click was taken after all, and there is nothing to press.
        """
        message = await self.waits(lambda: next((one for one in find() if has(one, button)), None), f"the {button}")
        while has(message, button):
            life = self.lives
            ack = await person.clicks(message, button)
            if ack is None or ack.ok:
                return
            await self.back(life)
            now = self.workspace.message(message.channel, message.ts)
            assert now is not None
            message = now

    async def omar_approves(self) -> None:
        """He presses Approve on the card."""
        await self.presses(self.omar, "approve", lambda: self.cards)

    async def both_approve(self) -> None:
        """Omar says yes, and then Finn does, which makes two."""
        await self.omar_approves()
        await self.presses(self.finn, "approve", lambda: self.cards)

    async def sends(self, person: Person, modal: Modal, **values: Any) -> None:
        """Somebody fills in a form of the card's and sends it, again if Slack says that it failed."""
        await person.fills(modal, **values)
        life = self.lives
        sent = await person.submits(modal)
        if sent.result == "trouble":
            await self.back(life)
            sent = await person.submits(modal)
            assert sent.result in ("closed", "updated"), sent
            assert sent.result == "closed" or any(map(modal.reads, TOO_LATE))
        else:
            assert sent.result == "closed", sent

    async def form_of(self, person: Person, opens: Callable[[], Awaitable[object]]) -> Modal:
        """The form that somebody gets by `opens`, which they do again if the bot died before they saw it."""
        while not person.modal:
            life = self.lives
            await opens()
            await self.waits(lambda life=life: person.modal or self.lives > life, "the form")
        return person.modal

    def restarts_with(self, before: str, after: str) -> None:
        """Other settings, from the next life on: `after` stands where `before` did."""
        path = self.bot.folder / "postroom.toml"
        said = path.read_text()
        assert before in said
        path.write_text(said.replace(before, after))
        self.starts_with_other_settings += 1

    def modal(self, callback_id: str) -> Modal | None:
        """What Ana has before her, if it is this."""
        modal = self.ana.modal
        return modal if modal is not None and modal.callback_id == callback_id else None

    async def ends(self, *words: str) -> None:
        """Waits until card and parent say how it ended and nothing is owed any more, then stops the bot."""
        await self.waits(self.reads(*words), " or ".join(words))
        await self.is_over_and_quiet()

    async def is_over_and_quiet(self) -> None:
        """Waits until nothing is owed any more, then stops the bot."""
        await self.is_quiet()
        await asyncio.sleep(0.05)  # a death that comes right after the last commit has come by now
        await self.is_quiet()
        self.is_over = True
        await self.bot.stop()

    async def is_asked(self) -> None:
        """Waits until the request is in both channels, and the bot knows that it is."""
        await self.waits(lambda: self.thread and self.cards, "the request in both channels")
        await self.is_quiet()

    async def is_quiet(self) -> None:
        """Waits until the bot is alive and owes nothing to anybody."""
        owed = "SELECT id FROM messages WHERE sent < wanted"
        await self.until(lambda: self.bot.is_running and not self.rows(owed), "the outbox empty")

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Waits until something holds in the database or at the provider, which tell nobody when they change."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not holds():  # noqa: ASYNC110 - see above
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"Nobody found {what}. {self.evidence()}") from None


def has(message: Message, button: str) -> bool:
    """Whether there is such a button on the message."""
    return any(element.get("action_id") == button for block in message.blocks for element in block.get("elements", ()))


@contextlib.asynccontextmanager
async def set_scene(
    nursery: Path,
    *,
    dies_at: str = "",
    not_before: str = "",
    pace: Pace | None = None,
    approvals: str = "",
    budgets: str = "",
    before: Callable[[Scene], Awaitable[None]] | None = None,
) -> AsyncIterator[Scene]:
    """A fresh workspace, a fresh provider and a bot, already running, that dies at `dies_at` and is started again.

    `approvals` and `budgets` are more lines of its settings; `before` is what happened in lives that are over.
    Raises Strayed when it died before it had passed the point `not_before`.
    """
    async with set_bare_stage(pace or PACE) as stage:
        bot = mortal(stage, nursery)
        scene = Scene(stage.workspace, stage.mailin, bot, dies_at, not_before)
        path = bot.folder / "postroom.toml"
        own = {line.partition(" =")[0] for line in approvals.splitlines()}
        lines = [line for line in path.read_text().splitlines(keepends=True) if line.partition(" =")[0] not in own]
        path.write_text("".join(lines).replace(APPROVERS, APPROVERS + approvals) + budgets)
        if before is not None:
            await before(scene)
        async with watched(scene):
            yield scene


@contextlib.asynccontextmanager
async def set_bare_stage(pace: Pace) -> AsyncIterator[Stage]:
    """A fresh workspace and a fresh provider; its bot is the real program, not yet started."""
    with tempfile.TemporaryDirectory(prefix="crash") as folder:
        workspace = default_workspace()
        workspace.app.ack_timeout = PATIENCE
        workspace.tickets.trigger_lifetime = timedelta(seconds=PATIENCE)
        async with set_stage(workspace, Path(folder), pace=pace) as stage:
            yield stage


def mortal(stage: Stage, nursery: Path, *, name: str = "bot", hurry: bool = True) -> MortalBot:
    """A bot out of the nursery for this stage, not yet started. Several of them share a database, but not a name."""
    folder = stage.bot.folder
    extra = {crash_runner.PASSED: str(folder / f"{name}.passed"), crash_runner.CARDS: "C0APPROVALS"}
    if hurry:
        extra[crash_runner.HURRY] = str(HURRY)
    return MortalBot(folder, stage.workspace, {**stage.bot.environment, **extra}, nursery=nursery)


@contextlib.asynccontextmanager
async def watched(scene: Scene) -> AsyncIterator[None]:
    """The bot runs, and is started again when it dies. What breaks is told with what was to be seen."""
    supervisor = asyncio.ensure_future(scene.watching())
    try:
        await scene.begin()
        yield
    except Exception as error:
        if scene.has_strayed:
            raise Strayed from error
        error.add_note(scene.evidence())
        raise
    finally:
        scene.is_over = True
        supervisor.cancel()
        await asyncio.gather(supervisor, return_exceptions=True)
        await scene.bot.kill()
