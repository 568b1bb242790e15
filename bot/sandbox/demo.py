"""`postroom demo`: the whole story, played by itself and printed like a chat, then a page to click in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table

from bot.sandbox import page as web_page
from bot.sandbox.markup import EMOJI
from bot.sandbox.modal import Modal
from bot.sandbox.model import BOT_USER_ID, Change, Message
from bot.sandbox.people import Person
from bot.sandbox.screen import SlashCommand
from bot.sandbox.stage import PRICES, BotDied, Pace, Stage, installed, set_stage
from bot.sandbox.witness import NotSeen
from bot.sandbox.workspace import Workspace, default_workspace
from providers.catalogue import NOUNS, built_in

OUTREACH = "#outreach"
APPROVALS = "#approvals"
OWNED = ("acme-news.com", "acme-team.co")
"""Domains that the simulated account has from the start."""
PLAYED = Pace(spacing=0.05, first_poll=0.4, max_poll=1.0, job=4.0, lease=2.0)
CLICKED = Pace(spacing=0.3, first_poll=1.0, max_poll=3.0, job=12.0, lease=10.0, reconcile_after=10.0)
PATIENCE = 20.0
RESTART_SECONDS = 2.0
QUIET = 0.25
"""Seconds without a word after which the next person speaks."""
INDENT = 29
"""Columns before what is said: where, and by whom."""

_MENTION = re.compile(r"<([@#!])([^>|]*)(?:\|([^>]*))?>")
_SHORTCODE = re.compile(r":([a-z0-9_+-]+):")


def demo(*, page: bool, port: int) -> int:
    """Play the story, or with `page` go straight to clicking. Returns the process's exit code."""
    console = Console(highlight=False)
    logging.disable(logging.CRITICAL)  # of the servers played here; the bot is a process of its own, with its own log
    stay = page or (sys.stdin.isatty() and console.is_terminal)
    try:
        return asyncio.run(_until_told(_demo(console, page=page, port=port if stay else 0, stay=stay)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("\nGoodbye. Nothing is left running, and nothing was bought anywhere.")
        return 0
    except OSError as error:
        console.print(f"The page cannot be served on port {port}: {error.strerror}. Try: postroom demo --port 8066")
        return 1


def slash_commands() -> list[SlashCommand]:
    """What the page's composer offers after a slash: the commands of the manifest, with what may follow."""
    catalogue = built_in()
    house = {"postroom": ["help", "jobs"]}
    return [
        SlashCommand(
            f"/{noun}", "|".join([*house.get(noun, []), *(c.split()[1] for c in catalogue.commands(noun))]), about
        )
        for noun, about in NOUNS.items()
    ]


async def _until_told(played: Coroutine[Any, Any, int]) -> int:
    """A SIGTERM ends it like Ctrl-C: the bot's process and its folder must not stay behind."""
    playing = asyncio.ensure_future(played)
    with contextlib.suppress(NotImplementedError):  # Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)
    return await playing


async def _demo(console: Console, *, page: bool, port: int, stay: bool) -> int:
    workspace = default_workspace(app=installed())
    with tempfile.TemporaryDirectory(prefix="postroom-demo-") as folder:
        pace = CLICKED if page else PLAYED
        async with set_stage(
            workspace,
            Path(folder),
            pace=pace,
            port=port,
            more_routes=web_page.routes(workspace, commands=slash_commands()),
        ) as stage:
            stage.mailin.own(*OWNED)
            stage.mailin.own("acme-hello.com", hosting="google")
            if not page:
                code = await _play(console, stage)
                if code or not stay:
                    return code
            elif not await _started(console, stage):
                return 1
            _invite(console, stage, page=page)
            await _kept_running(console, stage)
    return 0


async def _kept_running(console: Console, stage: Stage) -> NoReturn:
    """Whoever kills the bot to see what happens shall see it: it is started again, with what it remembers."""
    while True:
        await stage.bot.died()
        console.print("The bot's process has ended. Starting it again, on the same database …")
        await asyncio.sleep(RESTART_SECONDS)
        await stage.bot.start()


def _invite(console: Console, stage: Stage, *, page: bool) -> None:
    more = "" if page else " The story above is in it."
    console.print()
    console.print(
        Panel(
            f"[bold]{stage.url}[/bold]\n\n"
            f"The local workspace, live.{more} Act as Ana and type [bold]/domain buy acme-shop.com[/bold]\n"
            "in #outreach, then act as Omar in #approvals. Ctrl-C ends it.",
            title="Click for yourself",
            border_style="green",
            expand=False,
        )
    )


async def _started(console: Console, stage: Stage) -> bool:
    try:
        await stage.bot.start()
    except BotDied as died:
        console.print(f"[red]The bot did not start.[/red] The end of its log:\n{escape(str(died))}")
        return False
    return True


async def _play(console: Console, stage: Stage) -> int:
    console.print(
        "[bold]Postroom demo[/bold]: a local Slack workspace, a simulated provider, and the real bot over real Socket "
        "Mode.\nNothing leaves this machine, and no money is spent.\n"
    )
    transcript = Transcript(console, stage.workspace)
    if not await _started(console, stage):
        return 1
    try:
        async with transcript.following():
            await Story(stage, transcript).play()
    except (NotSeen, BotDied, AssertionError, TimeoutError) as failed:
        console.print(f"\n[red bold]The demo failed:[/red bold] {escape(str(failed) or type(failed).__name__)}")
        console.print(f"The end of the bot's log:\n{escape(stage.bot.last_words())}")
        return 1
    return _tell_books(console, stage)


def _tell_books(console: Console, stage: Stage) -> int:
    """What the provider says was bought; it is the provider's word that counts, not the bot's."""
    bought = [purchase.domain for purchase in stage.mailin.purchases]
    cost = sum((PRICES[name.rsplit(".", 1)[-1]] for name in bought), Decimal(0))
    console.print()
    console.print(Rule("The provider's books", style="dim"))
    for name in bought:
        console.print(f"  {name:<24} ${PRICES[name.rsplit('.', 1)[-1]]:>7.2f}")
    console.print(f"  {'Bought ' + str(len(bought)) + ', cost together':<24} [bold]${cost:>7.2f}[/bold]")
    if sorted(bought) != sorted(Story.WANTED):
        console.print(
            f"[red bold]The demo failed:[/red bold] it should have been {', '.join(Story.WANTED)}, once each."
        )
        return 1
    console.print("\nEach was bought once, although the bot was killed in the middle of it.")
    return 0


class Story:
    """The scene of the README, act by act; whatever does not come to pass raises."""

    WANTED = ("acme-mail.com", "acme-hq.co")

    def __init__(self, stage: Stage, transcript: Transcript) -> None:
        self._stage = stage
        self._say = transcript
        self._ana: Person = stage.workspace.person("ana")
        self._omar: Person = stage.workspace.person("omar")
        self._finn: Person = stage.workspace.person("finn")

    async def play(self) -> None:
        """Everything, in order."""
        acts: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("Ana looks first", self._look),
            ("Ana asks for two domains", self._ask),
            ("The card in #approvals", self._decide),
            ("Killed in the middle (SIGKILL), and started again", self._crash),
            ("A denial, and a change of mind", self._deny_and_cancel),
        ]
        for title, act in acts:
            self._say.act(title)
            await act()
            await self._say.quiet()

    async def _look(self) -> None:
        await self._types(self._ana, "/domain check acme-mail.com google.com")
        await self._ana.sees("names are free", in_=OUTREACH, timeout=PATIENCE)
        await self._types(self._ana, "/domain by")
        await self._ana.sees("Did you mean", in_=OUTREACH, timeout=PATIENCE)

    async def _ask(self) -> None:
        ana = self._ana
        await self._types(ana, "/domain buy acme-mail.com acme-hq.xyz")
        form = await ana.sees_modal("form", timeout=PATIENCE)
        self._say.modal(ana, form)
        await self._fills(ana, form, reason="Spring campaign for ACME")
        errors = (await ana.submits(form)).errors
        assert "acme-hq.xyz" in errors["domains"], errors
        self._say.aside(f"under Domains: {errors['domains']}")
        await self._fills(ana, form, domains="acme-mail.com\ngoogle.com")
        await self._submits(ana, form)
        form = await ana.sees_modal(lambda modal: modal.reads("Already taken"), timeout=PATIENCE)
        self._say.modal(ana, form)
        await self._fills(ana, form, domains="acme-mail.com\nacme-hq.co")
        await self._submits(ana, form)
        review = await ana.sees_modal("review", timeout=PATIENCE)
        self._say.modal(ana, review)
        await self._submits(ana, review)

    async def _decide(self) -> None:
        card = await self._omar.sees(_has("approve"), in_=APPROVALS, timeout=PATIENCE)
        await self._clicks(self._ana, card, "Approve")
        await self._ana.sees("your own request", in_=APPROVALS, timeout=PATIENCE)
        await self._clicks(self._omar, card, "Approve")
        parent = self._parent("Buy 2 domains")
        await self._ana.sees("accepted the order", in_=OUTREACH, thread_of=parent, timeout=PATIENCE)
        await self._clicks(self._finn, card, "Approve")
        await self._finn.sees("already approved", in_=APPROVALS, timeout=PATIENCE)

    async def _crash(self) -> None:
        await self._stage.bot.kill()
        self._say.aside("the bot's process is gone: kill -9")
        await self._stage.bot.start()
        self._say.aside("a new process, the same database")
        parent = self._parent("Buy 2 domains")
        await self._ana.sees("Both domains are live", in_=OUTREACH, thread_of=parent, timeout=PATIENCE)
        await self._omar.sees(
            lambda m: m.reads("*Done.*") and m.reads("Buy 2 domains"), in_=APPROVALS, timeout=PATIENCE
        )

    async def _deny_and_cancel(self) -> None:
        card = await self._asked("acme-extra.biz", "One more for the road")
        await self._clicks(self._omar, card, "Deny")
        why = await self._omar.sees_modal("deny", timeout=PATIENCE)
        self._say.modal(self._omar, why)
        await self._fills(self._omar, why, reason="We have enough for this quarter.")
        await self._submits(self._omar, why)
        parent = self._parent("Buy acme-extra.biz")
        await self._ana.sees("denied this", in_=OUTREACH, thread_of=parent, timeout=PATIENCE)
        await self._asked("acme-later.com", "Perhaps")
        parent = self._parent("Buy acme-later.com")
        await self._clicks(self._ana, parent, "Cancel request")
        await self._ana.sees("cancelled this", in_=OUTREACH, thread_of=parent, timeout=PATIENCE)

    async def _asked(self, domain: str, reason: str) -> Message:
        await self._types(self._ana, f"/domain buy {domain}")
        form = await self._ana.sees_modal("form", timeout=PATIENCE)
        await self._fills(self._ana, form, reason=reason)
        await self._submits(self._ana, form)
        review = await self._ana.sees_modal("review", timeout=PATIENCE)
        await self._submits(self._ana, review)
        await self._ana.sees(lambda m: m.reads(domain) and _has("cancel")(m), in_=OUTREACH, timeout=PATIENCE)
        return await self._omar.sees(lambda m: m.reads(domain) and _has("approve")(m), in_=APPROVALS, timeout=PATIENCE)

    def _parent(self, headline: str) -> Message:
        for message in reversed(self._ana.messages(OUTREACH)):
            if message.reads(headline) and not message.is_ephemeral:
                return message
        raise NotSeen(f"There is no message about {headline!r} in {OUTREACH}.")

    async def _types(self, who: Person, text: str) -> None:
        await self._say.quiet()
        self._say.person(who, text, OUTREACH)
        await who.types(text, channel=OUTREACH)

    async def _clicks(self, who: Person, message: Message, what: str) -> None:
        await self._say.quiet()
        self._say.person(who, f"[{what}]", APPROVALS if message.channel == "C0APPROVALS" else OUTREACH, click=True)
        await who.clicks(message, what)

    async def _fills(self, who: Person, modal: Modal, **values: str) -> None:
        await who.fills(modal, **values)
        for name, value in values.items():
            self._say.aside(f"{who.user.real_name.split()[0]} fills in {name}: {', '.join(value.splitlines())}")

    async def _submits(self, who: Person, modal: Modal) -> None:
        self._say.aside(f"{who.user.real_name.split()[0]} presses “{modal.submit}”")
        done = await who.submits(modal)
        assert done.ok, f"the form was refused: {done.errors or done.trouble}"


class Transcript:
    """Prints what is said in the workspace, as it happens."""

    def __init__(self, console: Console, workspace: Workspace) -> None:
        self._console = console
        self._workspace = workspace
        self._said: dict[str, list[str]] = {}
        self._seen = asyncio.Event()

    def act(self, title: str) -> None:
        """A new part of the story."""
        self._console.print()
        self._console.print(Rule(f"[bold]{title}[/bold]", style="dim", align="left"))

    def person(self, who: Person, text: str, channel: str, *, click: bool = False) -> None:
        """Somebody types or clicks."""
        style = "bold cyan" if click else "bold"
        self._line(who.user.real_name.split()[0], "bold", f"[{style}]{escape(text)}[/{style}]", channel)

    def modal(self, who: Person, modal: Modal) -> None:
        """What a modal says, beside its fields."""
        lines = [self._spoken(text) for text in _section_texts(modal.blocks)]
        lines += [f"{block['label']['text']}: ▁▁▁▁" for block in modal.blocks if block["type"] == "input"]
        box = Panel(
            escape("\n".join(lines)), title=f"{who.user.real_name.split()[0]} sees: {modal.title}", title_align="left",
            border_style="dim", expand=False,
        )  # fmt: skip
        self._console.print(Padding(box, (0, 0, 0, INDENT)))

    def aside(self, text: str) -> None:
        """Something that is not said in a channel."""
        self._console.print(Padding(f"[dim]{escape(text)}[/dim]", (0, 0, 0, INDENT)))

    async def quiet(self) -> None:
        """Wait until nothing has been said for a moment, so that the acts do not run into each other."""
        while True:
            self._seen.clear()
            try:
                async with asyncio.timeout(QUIET):
                    await self._seen.wait()
            except TimeoutError:
                return

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Print everything the bot says from now on."""
        with self._workspace.subscribe() as feed:

            async def follow() -> None:
                async for change in feed:
                    self._heard(change)

            task = asyncio.create_task(follow())
            try:
                yield
            finally:
                task.cancel()

    def _heard(self, change: Change) -> None:
        self._seen.set()
        if change.ts is None or change.channel is None:
            return
        message = self._workspace.message(change.channel, change.ts)
        if message is None or message.user != BOT_USER_ID:
            return
        said = [self._spoken(text) for text in _section_texts(message.blocks) or [message.text]]
        before = self._said.get(message.ts, [])
        self._said[message.ts] = said
        news = [text for text in said if text not in before]
        if not news:
            return
        where = f"#{self._workspace.channel(message.channel).name}"
        if message.ephemeral_to:
            where += f"\nonly {self._workspace.users[message.ephemeral_to].real_name.split()[0]} sees it"
        elif message.is_reply:
            where += " thread"
        elif before:
            where += " (edited)"
        self._line("Postroom", "bold green", escape("\n".join(news)), where)

    def _line(self, name: str, style: str, text: str, where: str) -> None:
        line = Table.grid(padding=(0, 1))
        line.add_column(width=19, style="dim", no_wrap=False)
        line.add_column(width=8, style=style)
        line.add_column(ratio=1)
        line.add_row(where, name, text)
        self._console.print(line)

    def _spoken(self, text: str) -> str:
        """Slack's markup as plain text."""

        def named(match: re.Match[str]) -> str:
            kind, what, label = match.groups()
            if kind == "@":
                user = self._workspace.users.get(what)
                return f"@{user.real_name.split()[0]}" if user else what
            if kind == "#":
                return f"#{self._workspace.channel(what).name}"
            return label or what

        text = _MENTION.sub(named, text)
        text = _SHORTCODE.sub(lambda code: EMOJI.get(code.group(1), code.group(0)), text)
        text = re.sub(r"(?<!\w)\*([^*\n]+)\*(?!\w)", r"\1", text).replace("`", "")
        return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _section_texts(blocks: Sequence[Mapping[str, object]]) -> list[str]:
    texts = []
    for block in blocks:
        text = block.get("text")
        if block["type"] in ("section", "header") and isinstance(text, dict):
            texts.append(str(text["text"]))
    return texts


def _has(action_id: str) -> Callable[[Message], bool]:
    def holds(message: Message) -> bool:
        return any(
            element.get("action_id") == action_id
            for block in message.blocks
            if block["type"] == "actions"
            for element in block["elements"]
        )

    return holds
