"""Prints what people do and what the bot says, like the log of a chat."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table

from bot.sandbox.markup import EMOJI
from bot.sandbox.modal import Modal
from bot.sandbox.model import BOT_USER_ID, Change, Message
from bot.sandbox.people import Person
from bot.sandbox.workspace import Workspace

QUIET = 0.25
"""Seconds without a word after which the next person speaks."""
INDENT = 29
"""Columns before what is said: where, and by whom."""
OF_A_TABLE = 4
"""Columns before a table, which needs the room."""

_MENTION = re.compile(r"<([@#!])([^>|]*)(?:\|([^>]*))?>")
_LINK = re.compile(r"<(?:https?|mailto):[^|>]*\|([^>]*)>")
_SHORTCODE = re.compile(r":([a-z0-9_+-]+):")


class Transcript:
    """Prints what is said in the workspace, as it happens."""

    def __init__(self, console: Console, workspace: Workspace) -> None:
        self._console = console
        self._workspace = workspace
        self._said: dict[str, list[str]] = {}
        self._seen = asyncio.Event()
        self._told_once: set[str] = set()
        self.brief = False
        """Leave out how cards and parents change, which their threads tell as well, and what was said word for word."""

    def act(self, title: str) -> None:
        """A new part of the story."""
        self._console.print()
        self._console.print(Rule(f"[bold]{title}[/bold]", style="dim", align="left"))

    def person(self, who: Person, text: str, channel: str, *, click: bool = False) -> None:
        """Somebody types or clicks."""
        style = "bold cyan" if click else "bold"
        self._line(first_name(who), "bold", f"[{style}]{escape(text)}[/{style}]", channel)

    def modal(self, who: Person, modal: Modal) -> None:
        """What a modal says, beside its fields."""
        lines = self.texts_of(modal)
        lines += [f"{block['label']['text']}: ▁▁▁▁" for block in modal.blocks if block["type"] == "input"]
        box = Panel(
            escape("\n".join(lines)), title=f"{first_name(who)} sees: {modal.title}", title_align="left",
            border_style="dim", expand=False,
        )  # fmt: skip
        self._console.print(Padding(box, (0, 0, 0, INDENT)))

    def texts_of(self, shown: Modal | Message) -> list[str]:
        """What a modal says beside its fields, or what a message says: a text for each section."""
        texts = []
        for block in shown.blocks:
            text = block.get("text")
            if block["type"] in ("section", "header") and isinstance(text, dict):
                texts.append(self._spoken(str(text["text"])))
            elif block["type"] == "rich_text":
                texts.extend(_to_the_letter(part) for part in block["elements"])
        return texts

    def aside(self, text: str) -> None:
        """Something that is not said in a channel."""
        self._console.print(Padding(f"[dim]{escape(text)}[/dim]", (0, 0, 0, INDENT)))

    def aside_once(self, text: str) -> None:
        """An aside that is left out where it was told before."""
        if text not in self._told_once:
            self._told_once.add(text)
            self.aside(text)

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
            if task.done():  # it ended before it was cancelled, so something could not be printed
                task.result()

    def _heard(self, change: Change) -> None:
        self._seen.set()
        if change.ts is None or change.channel is None:
            return
        message = self._workspace.message(change.channel, change.ts)
        if message is None or message.user != BOT_USER_ID:
            return
        said = self.texts_of(message) or [self._spoken(message.text)]
        before = self._said.get(message.ts, [])
        self._said[message.ts] = said
        news = [text for text in said if text not in before]
        edited, text = bool(before), "\n".join(news)
        if not news or (self.brief and not message.is_ephemeral and (edited or text in self._told_once)):
            return
        self._told_once.add(text)
        self._line("Postroom", "bold green", escape(text), self._place(message, edited=edited))
        for table in _tables(message.blocks):
            self._console.print(Padding(table, (0, 0, 0, OF_A_TABLE)))

    def _place(self, message: Message, *, edited: bool) -> str:
        where = f"#{self._workspace.channel(message.channel).name}"
        if message.ephemeral_to:
            return f"{where}\nonly {self._workspace.users[message.ephemeral_to].real_name.split()[0]} sees it"
        if message.is_reply:
            return f"{where} thread"
        return f"{where} (edited)" if edited else where

    def _line(self, name: str, style: str, text: str, where: str) -> None:
        line = Table.grid(padding=(0, 1))
        line.add_column(width=19, style="dim", no_wrap=False)
        line.add_column(width=8, style=style)
        line.add_column(ratio=1, overflow="fold")
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
            group = self._workspace.groups.get(what.removeprefix("subteam^"))
            return f"@{group.handle}" if group else label or what

        text = _LINK.sub(r"\1", _MENTION.sub(named, text))
        text = _SHORTCODE.sub(lambda code: EMOJI.get(code.group(1), code.group(0)), text)
        text = re.sub(r"(?<!\w)\*([^*\n]+)\*(?!\w)", r"\1", text).replace("`", "")
        return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def first_name(who: Person) -> str:
    """What colleagues call a person."""
    return who.user.real_name.split()[0]


def _to_the_letter(part: Mapping[str, Any]) -> str:
    """A part of rich text, in which nothing is markup; a quotation as people write one."""
    text = "".join(str(element.get("text", "")) for element in part["elements"])
    if part["type"] != "rich_text_quote":
        return text
    return "\n".join(f"> {line}" for line in text.splitlines())


def _tables(blocks: Sequence[Mapping[str, Any]]) -> list[Table]:
    """The `data_table`s among the blocks."""
    drawn = []
    for block in blocks:
        if block["type"] != "data_table":
            continue
        head, *rows = [[cell["text"] for cell in row] for row in block["rows"]]
        table = Table(*map(escape, head), box=SIMPLE_HEAD, header_style="dim", pad_edge=False)
        for row in rows:
            table.add_row(*map(escape, row))
        drawn.append(table)
    return drawn
