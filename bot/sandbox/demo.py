"""`postroom demo`: the whole story, played by itself and printed like a chat, then a page to click in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import sys
import tempfile
from collections.abc import Coroutine, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table

from bot.sandbox import page as web_page
from bot.sandbox.safety import RULES, UNDO_SECONDS, Safety
from bot.sandbox.screen import SlashCommand
from bot.sandbox.stage import PRICES, BotDied, Pace, Stage, installed, set_stage
from bot.sandbox.story import Story
from bot.sandbox.tour import Deed, Tour, furnish
from bot.sandbox.transcript import Transcript
from bot.sandbox.witness import NotSeen
from bot.sandbox.workspace import default_workspace
from providers.catalogue import NOUNS, built_in

PLAYED = Pace(spacing=0.02, first_poll=0.4, max_poll=0.8, job=4.0, lease=2.0)
CLICKED = Pace(spacing=0.3, first_poll=1.0, max_poll=3.0, job=12.0, lease=10.0, reconcile_after=10.0)
HOUSE = ("help", "requests", "jobs", "why", "history", "budget", "digest", "away", "back", "break-glass")
"""What follows /postroom and is no provider's."""
RESTART_SECONDS = 2.0
PAGE_UNDO_SECONDS = 5.0
"""Long enough to find the Stop button."""


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
    house = {"postroom": HOUSE}
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
            undo_seconds=PAGE_UNDO_SECONDS if page else UNDO_SECONDS,
            rules=RULES,
        ) as stage:
            furnish(stage)
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
            f"The local workspace, live.{more} All five providers have an account.\n"
            "Act as Ana and type [bold]/domain buy acme-shop.com[/bold] in #outreach, then act as Omar in\n"
            "#approvals. [bold]/prewarm browse[/bold] and [bold]/domain reputation[/bold] answer at once; "
            "[bold]/postroom help[/bold] shows all\nthat can be asked, and so does the bolt beside the message box; "
            "the menu of a message asks with what\nstands in it. More than $100 needs two people, and "
            "[bold]/postroom budget[/bold] shows what #outreach\nhas left this month. Ctrl-C ends it.",
            title="Click for yourself",
            border_style="green",
            expand=False,
        )
    )


async def _started(console: Console, stage: Stage) -> bool:
    try:
        await stage.bot.start()
    except BotDied as died:
        console.print(f"[red]The bot did not start.[/red] The end of its log:\n{escape(_readable(str(died)))}")
        return False
    return True


async def _play(console: Console, stage: Stage) -> int:
    console.print(
        "[bold]Postroom demo[/bold]: a local Slack workspace, five simulated providers, and the real bot over real "
        "Socket Mode.\nNothing leaves this machine, and no money is spent.\n"
    )
    transcript = Transcript(console, stage.workspace)
    if not await _started(console, stage):
        return 1
    tour, safety = Tour(stage, transcript), Safety(stage, transcript)
    try:
        async with transcript.following():
            await Story(stage, transcript).play()
            bought = _bought(stage)
            await tour.play()
            await safety.play()
    except (NotSeen, BotDied, TimeoutError) as failed:
        console.print(f"\n[red bold]The demo failed:[/red bold] {escape(str(failed) or type(failed).__name__)}")
        console.print(f"The end of the bot's log:\n{escape(_readable(stage.bot.last_words()))}")
        return 1
    _tell_books(console, [bought, *tour.deeds, *safety.deeds])
    return 0


def _readable(log: str) -> str:
    """Lines of the bot's log as people read them: what happened, and of an exception what it says."""
    told = []
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            told.append(line)
            continue
        said = [str(entry.get("event", "")), *str(entry.get("exception") or entry.get("error") or "").splitlines()[-1:]]
        told.append(": ".join(filter(None, said)))
    return "\n".join(dict.fromkeys(f"  {line}" for line in told))


def _bought(stage: Stage) -> Deed:
    """What the main scene came to. Raises NotSeen unless each name was bought exactly once."""
    names = [purchase.domain for purchase in stage.mailin.purchases]
    if sorted(names) != sorted(Story.WANTED):
        raise NotSeen(
            f"By Mailin's books this was bought: {', '.join(names) or 'nothing'}. It should have been "
            f"{', '.join(Story.WANTED)}, once each."
        )
    cost = sum((PRICES[name.rsplit(".", 1)[-1]] for name in names), Decimal(0))
    return Deed("Mailin.ai", f"Bought {', '.join(names)}", cost)


def _tell_books(console: Console, deeds: Sequence[Deed]) -> None:
    """What the providers say was done; it is their word that counts, not the bot's."""
    providers = [deed.provider for deed in deeds]
    table = Table("Provider", "What was done there", box=SIMPLE_HEAD, header_style="dim", pad_edge=False)
    table.add_column("Cost", justify="right")
    before = ""
    for deed in sorted(deeds, key=lambda one: providers.index(one.provider)):
        table.add_row(deed.provider if deed.provider != before else "", escape(deed.what), _cost(deed))
        before = deed.provider
    together = Deed(
        "",
        "Together",
        sum((deed.dollars for deed in deeds), Decimal(0)),
        sum((deed.monthly for deed in deeds), Decimal(0)),
        sum(deed.credits for deed in deeds),
    )
    table.add_section()
    table.add_row("", together.what, f"[bold]{_cost(together)}[/bold]")
    console.print()
    console.print(Rule("The providers' books", style="dim"))
    console.print(table)
    console.print("Each purchase was made once, although the bot was killed in the middle of one.")


def _cost(deed: Deed) -> str:
    told = [f"${deed.dollars:,.2f}" if deed.dollars else "", f"{deed.credits} credits" if deed.credits else ""]
    cost = " and ".join(filter(None, told)) or "no cost"
    return f"{cost}\n(${deed.monthly:,.2f} of it every month)" if deed.monthly else cost
