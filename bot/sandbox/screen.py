"""What one person's window shows, rendered: the whole page, and the regions of it that change while it is open."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bot.sandbox.forms import Element, State, Typed, initial_state, options_of, values_of
from bot.sandbox.markup import Words
from bot.sandbox.model import BOT_USER_ID, Channel, Message, Standing, User
from bot.sandbox.workspace import Workspace

HERE = Path(__file__).parent
HOME = "home"
ROSTER = "people"
"""Where the people and user groups of the workspace are looked after."""
NO_CHANNELS = frozenset({HOME, ROSTER})
SHOWN_MOST = 300
"""Messages of a channel that are on the page; older ones are not reachable there."""
TOGETHER = timedelta(minutes=5)
"""Messages of one author within this time stand under one name."""

STANDINGS: Mapping[Standing, str] = {
    "member": "Full member",
    "guest": "Guest",
    "single_channel_guest": "Single-channel guest",
    "stranger": "Of another workspace",
    "deactivated": "Deactivated",
}
Region = Literal["sidebar", "banner", "place", "thread", "modal"]


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """What the composer offers after a slash: such as "/domain buy", "<names>", "Buy one or more domains"."""

    name: str
    usage: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """Who is looking, and where: `place` is a channel's id, `home` or `people`; `thread` the ts of the open thread."""

    viewer: User
    place: str
    thread: str | None = None

    @property
    def url(self) -> str:
        """The address that shows this again."""
        query = {"as": self.viewer.id, "in": self.place} | ({"thread": self.thread} if self.thread else {})
        return "/?" + urlencode(query)

    def at(self, place: str, thread: str | None = None) -> Window:
        """The same person somewhere else."""
        return replace(self, place=place, thread=thread)

    def by(self, viewer: User) -> Window:
        """Somebody else in the same place."""
        return replace(self, viewer=viewer, thread=None)


class Entry(NamedTuple):
    """A message in its list: what stands above it decides about the day line and whether the author is named again."""

    message: Message
    day: date | None
    follows: bool
    replies: Sequence[Message]


class Screens:
    """Renders windows onto one workspace, and remembers how far each person has read each channel."""

    def __init__(self, workspace: Workspace, commands: Sequence[SlashCommand] = ()) -> None:
        self.workspace = workspace
        self._commands = commands
        self._read: dict[tuple[str, str], str] = {}
        self._env = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.filters |= {"hue": _hue, "initials": _initials}

    # where people can be

    def window(self, viewer: str | None, place: str | None, thread: str | None) -> Window:
        """The window asked for, or the nearest one there is: unknown people and places become the first ones."""
        people = self.people()
        who = next((user for user in people if viewer in {user.id, user.name}), people[0])
        here = place if place in NO_CHANNELS or place in {one.id for one in self.places(who)} else None
        window = Window(who, here or next((one.id for one in self.places(who)), HOME))
        if thread and here and here not in NO_CHANNELS and self.workspace.message(here, thread):
            return window.at(here, thread)
        return window

    def people(self) -> list[User]:
        """Everybody one can act as."""
        return [user for user in self.workspace.users.values() if not user.is_bot and not user.deleted]

    def places(self, viewer: User) -> list[Channel]:
        """The channels somebody is in, then their direct message with the app."""
        own = [one for one in self.workspace.channels.values() if viewer.id in one.members and not one.is_im]
        return [*own, self.workspace.dm(viewer.id)]

    def everybody(self) -> list[User]:
        """All people, also those who cannot do anything any more."""
        return [user for user in self.workspace.users.values() if not user.is_bot]

    # rendering

    def page(self, window: Window) -> str:
        """The whole document."""
        return self._render("page.html", window)

    def region(self, name: Region, window: Window) -> str:
        """One region as it is now, its own element included."""
        return self._render(f"{name}.html", window)

    def entry(self, window: Window, message: Message) -> str | None:
        """One message of the channel's list; None when it does not stand there."""
        for entry in self._entries(window):
            if entry.message.ts == message.ts:
                return self._render("entry.html", window, entry=entry, pane="m")
        return None

    def after(self, window: Window, ts: str) -> Message | None:
        """The first message of the channel's list below this moment: its look depends on what stands above."""
        return next((entry.message for entry in self._entries(window) if entry.message.ts > ts), None)

    def read(self, window: Window) -> None:
        """The person has seen everything in the place they look at."""
        if window.place not in NO_CHANNELS and (entries := self._entries(window)):
            self._read[window.viewer.id, window.place] = entries[-1].message.ts

    def unread(self, viewer: User, place: str) -> int:
        """How many messages of others have come since they last looked."""
        seen = self._read.get((viewer.id, place), "")
        listed = self._listed(viewer, place)
        return sum(1 for message in listed if message.ts > seen and message.user != viewer.id)

    def _render(self, template: str, window: Window, **more: Any) -> str:
        words = Words(self.workspace, window.viewer.id)
        return self._env.get_template(template).render(
            screens=self,
            workspace=self.workspace,
            window=window,
            words=words,
            form=_Form(self, window, words),
            bot=self.workspace.users[BOT_USER_ID],
            connected=self.workspace.delivery.reachable,
            HOME=HOME,
            ROSTER=ROSTER,
            STANDINGS=STANDINGS,
            **more,
        )

    # asked by the templates

    def commands(self) -> list[SlashCommand]:
        """What the composer offers."""
        named = [SlashCommand(name) for name in sorted(self.workspace.app.commands or ())]
        return list(self._commands) or named

    def channel(self, window: Window) -> Channel:
        """The channel looked at."""
        return self.workspace.channels[window.place]

    def entries(self, window: Window) -> list[Entry]:
        """The channel's list, oldest first."""
        return self._entries(window)

    def thread(self, window: Window) -> list[Entry]:
        """The open thread: its root, then the replies. Empty when there is none, or it is gone."""
        if window.thread is None or window.place in NO_CHANNELS:
            return []
        shown = self.workspace.thread(window.place, window.thread)
        own = self.workspace.ephemerals(window.place, window.viewer.id)
        shown += [message for message in own if message.thread_ts == window.thread]
        return [Entry(message, None, False, ()) for message in sorted(shown, key=lambda one: one.ts)]

    def view_states(self, typed: Typed, blocks: Sequence[dict[str, Any]]) -> dict[str, dict[str, State]]:
        """What stands in every element."""
        return values_of(blocks, typed)

    def _listed(self, viewer: User, place: str) -> list[Message]:
        shown = [one for one in self.workspace.messages(place) if not one.is_reply or one.broadcast]
        shown += [one for one in self.workspace.ephemerals(place, viewer.id) if not one.is_reply]
        return sorted(shown, key=lambda one: one.ts)[-SHOWN_MOST:]

    def _entries(self, window: Window) -> list[Entry]:
        words = Words(self.workspace, window.viewer.id)
        replies: dict[str, list[Message]] = {}
        for message in self.workspace.messages(window.place):
            if message.is_reply and message.thread_ts:
                replies.setdefault(message.thread_ts, []).append(message)
        entries: list[Entry] = []
        before: Message | None = None
        for message in self._listed(window.viewer, window.place):
            moment = words.moment(message.ts)
            above = words.moment(before.ts) if before else None
            new_day = above is None or above.date() != moment.date()
            follows = (
                not new_day
                and before is not None
                and above is not None
                and (before.user, before.ephemeral_to) == (message.user, message.ephemeral_to)
                and before.ts not in replies
                and moment - above < TOGETHER
            )
            day = moment.date() if new_day else None
            entries.append(Entry(message, day, follows, replies.get(message.ts, ())))
            before = message
        return entries


class _Form:
    """What the templates ask about the elements of Block Kit."""

    def __init__(self, screens: Screens, window: Window, words: Words) -> None:
        self._screens = screens
        self._window = window
        self._words = words

    def slug(self, *names: str) -> str:
        """An id made of names that may hold anything."""
        return "-".join(re.sub(r"[^A-Za-z0-9]", lambda odd: f"_{ord(odd[0]):x}_", name) for name in names)

    def state(self, states: dict[str, dict[str, State]], block: dict[str, Any], element: Element) -> State:
        """The state of one element."""
        kept = states.get(block.get("block_id", ""), {}).get(element.get("action_id", ""))
        return kept or initial_state(element)

    def value(self, state: State) -> Any:
        """A state as the control shows it: words, an id, or a list of them."""
        kind = state["type"]
        if kind == "file_input":
            return ""
        [(_, value)] = [(key, value) for key, value in state.items() if key != "type"]
        if kind == "rich_text_input":
            return _rich_words(value)
        if kind == "datetimepicker" and value is not None:
            return f"{self._words.moment(value):%Y-%m-%dT%H:%M}"
        if isinstance(value, list):
            return [one["value"] if isinstance(one, dict) else one for one in value]
        if isinstance(value, dict):
            return value.get("value", "")
        return "" if value is None else value

    def chosen(self, state: State) -> list[dict[str, Any]]:
        """The chosen options of an external select, one or several."""
        found = state.get("selected_options", state.get("selected_option")) or []
        return found if isinstance(found, list) else [found]

    def groups(self, element: Element) -> list[tuple[str, list[tuple[str, Markup]]]]:
        """What a menu offers: (label of the group, [(value, words)]). Without groups there is one without a label."""
        kind = element["type"].removeprefix("multi_")
        if kind == "users_select":
            users = [user for user in self._screens.workspace.users.values() if not user.deleted]
            return [("", [(user.id, self._words.plain(user.real_name, emoji=False)) for user in users])]
        if kind in {"conversations_select", "channels_select"}:
            wanted = element.get("filter", {}).get("include") or ("public", "private", "im")
            kinds = ("public",) if kind == "channels_select" else wanted
            places = [one for one in self._screens.places(self._window.viewer) if _kind(one) in kinds]
            return [("", [(one.id, self._words.plain(_place_name(one), emoji=False)) for one in places])]
        if "option_groups" in element:
            return [(one["label"]["text"], self._options(options_of(one))) for one in element["option_groups"]]
        return [("", self._options(options_of(element)))]

    def most(self, values: Sequence[float]) -> float:
        """The longest bar of a chart."""
        return max([*values, 0]) or 1

    def number(self, value: float) -> str:
        """A figure of a chart or table."""
        return f"{value:,.2f}".rstrip("0").rstrip(".")

    def markdown(self, text: str) -> Markup:
        """A markdown block, near enough: its headings and bold text in terms of mrkdwn."""
        text = re.sub(r"^#{1,6}\s+(.+)$", r"*\1*", text, flags=re.MULTILINE)
        text = re.sub(r"\*\*(.+?)\*\*", r"*\1*", text)
        text = re.sub(r"\[([^\]\n]+)\]\(([^)\s]+)\)", r"<\2|\1>", text)
        return self._words.mrkdwn(re.sub(r"^(\s*)[*+] ", r"\1- ", text, flags=re.MULTILINE))

    def is_web(self, address: str) -> bool:
        """Whether a button may open this."""
        return address.lower().startswith(("http://", "https://"))

    def _options(self, options: Sequence[dict[str, Any]]) -> list[tuple[str, Markup]]:
        return [(str(option.get("value", "")), self._words.text(option["text"])) for option in options]


def _hue(user_id: str) -> int:
    """Which of six colours somebody's avatar has."""
    return sum(map(ord, user_id)) % 6


def _initials(name: str) -> str:
    """Ana Ruiz: AR."""
    parts = name.split()
    return (parts[0][:1] + (parts[-1][:1] if len(parts) > 1 else "")).upper() if parts else "?"


def _kind(channel: Channel) -> str:
    return "im" if channel.is_im else "private" if channel.is_private else "public"


def _place_name(channel: Channel) -> str:
    return "Postroom" if channel.is_im else f"#{channel.name}"


def _rich_words(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    parts = [str(one.get("text", "")) for section in value.get("elements", ()) for one in section.get("elements", ())]
    return "".join(parts)
