"""Slack's own text formats as safe HTML: mrkdwn, plain text and rich text.

Nothing an author wrote reaches the page unescaped: every piece goes through `escape`, and only http, https, mailto and
tel addresses become links.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from bot.sandbox.workspace import Workspace

EMOJI: Mapping[str, str] = {
    "+1": "👍", "-1": "👎", "alarm_clock": "⏰", "arrow_forward": "▶️", "arrow_right": "➡️",
    "arrows_counterclockwise": "🔄", "ballot_box": "🗳️", "ballot_box_with_check": "☑️", "bank": "🏦",
    "bar_chart": "📊", "bell": "🔔", "bug": "🐛", "bulb": "💡",
    "calendar": "📅", "chart_with_upwards_trend": "📈", "clipboard": "📋", "clock1": "🕐", "construction": "🚧",
    "credit_card": "💳", "envelope": "✉️", "envelope_with_arrow": "📩", "exclamation": "❗", "eyes": "👀",
    "fire": "🔥", "globe_with_meridians": "🌐", "gear": "⚙️", "grey_question": "❔", "hammer_and_wrench": "🛠️",
    "heavy_check_mark": "✔️", "heavy_minus_sign": "➖", "heavy_plus_sign": "➕",
    "hourglass": "⌛", "hourglass_flowing_sand": "⏳",
    "house": "🏠", "label": "🏷️", "inbox_tray": "📥", "incoming_envelope": "📨", "information_source": "ℹ️", "key": "🔑",
    "large_blue_circle": "🔵", "large_green_circle": "🟢", "large_orange_circle": "🟠",
    "large_red_circle": "🔴", "large_yellow_circle": "🟡", "link": "🔗", "lock": "🔒", "mag": "🔍",
    "mailbox": "📫", "mailbox_with_mail": "📬", "mega": "📣", "memo": "📝", "moneybag": "💰",
    "money_with_wings": "💸", "no_entry": "⛔", "no_entry_sign": "🚫", "octagonal_sign": "🛑", "ok_hand": "👌",
    "outbox_tray": "📤", "package": "📦", "page_facing_up": "📄", "palm_tree": "🌴",
    "partying_face": "🥳", "pencil2": "✏️", "postbox": "📮",
    "postal_horn": "📯", "pray": "🙏", "pushpin": "📌", "question": "❓", "raised_hand": "✋", "receipt": "🧾",
    "recycle": "♻️", "red_circle": "🔴", "repeat": "🔁", "robot_face": "🤖", "rocket": "🚀",
    "rotating_light": "🚨", "scroll": "📜", "shield": "🛡️", "shopping_trolley": "🛒", "slightly_smiling_face": "🙂",
    "sparkles": "✨", "speech_balloon": "💬", "stopwatch": "⏱️", "sunny": "☀️", "tada": "🎉",
    "thinking_face": "🤔", "thumbsdown": "👎", "thumbsup": "👍", "timer_clock": "⏲️", "underage": "🔞",
    "unlock": "🔓", "warning": "⚠️", "wastebasket": "🗑️", "wave": "👋", "white_check_mark": "✅",
    "white_circle": "⚪", "wrench": "🔧", "x": "❌", "zap": "⚡",
}  # fmt: skip

_FENCE = re.compile(r"```\n?(.*?)\n?```", re.DOTALL)
_QUOTE = re.compile(r"^(?:&gt;|>) ?")
_BULLET = re.compile(r"^(\s*)(?:[•◦▪]|-) (?=\S)")
_INLINE = re.compile(
    r"`(?P<code>[^`\n]+)`"
    r"|<(?P<angle>[^<>\n]+)>"
    r"|(?<![\w*])\*(?P<bold>(?=\S)[^*\n]+?(?<=\S))\*(?![\w*])"
    r"|(?<![\w_])_(?P<italic>(?=\S)[^\n]+?(?<=\S))_(?![\w_])"
    r"|(?<![\w~])~(?P<strike>(?=\S)[^~\n]+?(?<=\S))~(?![\w~])"
    r"|:(?P<emoji>[a-z0-9_+-]+):"
    r"|(?P<url>https?://[^\s<>|]*[^\s<>|.,;:!?)'\"])"
)
_PERMALINK = re.compile(r"archives/(?P<place>[A-Z0-9]+)/p(?P<seconds>\d+)(?P<rest>\d{6})")
_EMOJI_CODE = re.compile(r":([a-z0-9_+-]+):")
_SAFE_SCHEMES = ("http://", "https://", "mailto:", "tel:")
_DATE_TOKEN = re.compile(r"\{(\w+)\}")
_MENTION = re.compile(r"(?<![\w.@])@([a-z0-9][a-z0-9._-]*)", re.IGNORECASE)
_CHANNEL = re.compile(r"(?<![\w&#])#([a-z0-9][a-z0-9_-]*)", re.IGNORECASE)
_LINKED = re.compile(
    r"<[^>]*>|```.*?```|`[^`\n]+`"
    r"|(?P<url>https?://[^\s<>|]+)"
    r"|(?P<mail>[\w.+-]+@(?:[a-z0-9-]+\.)+[a-z]{2,})"
    r"|(?P<domain>(?<![\w@])(?:[a-z0-9-]+\.)+[a-z]{2,}(?![\w.]))",
    re.IGNORECASE | re.DOTALL,
)
_NEWLINE = Markup("<br>\n")


@dataclass(frozen=True, slots=True)
class Words:
    """Turns what was written into HTML, as one person sees it: their names, their time zone, their mentions.

    makes_links: whether bare addresses become links; not in text that says `verbatim`.
    """

    workspace: Workspace
    viewer: str
    makes_links: bool = True

    def mrkdwn(self, text: str) -> Markup:
        """Slack's mrkdwn: emphasis, code, quotes, links, mentions, dates and emoji."""
        parts: list[Markup] = []
        for index, piece in enumerate(_FENCE.split(text)):
            if index % 2:
                parts.append(Markup("<pre>{}</pre>").format(_unescaped(piece)))
            elif stripped := piece.strip("\n"):
                parts.append(self._lines(stripped))
        return Markup("").join(parts)

    def plain(self, text: str, *, emoji: bool = True) -> Markup:
        """Text as it stands; only emoji codes turn into pictures."""
        shown = _EMOJI_CODE.sub(lambda code: EMOJI.get(code[1], code[0]), text) if emoji else text
        return _NEWLINE.join(escape(line) for line in shown.split("\n"))

    def text(self, shape: Mapping[str, Any] | None) -> Markup:
        """A text object of either type."""
        if not shape:
            return Markup("")
        if shape.get("type") == "mrkdwn":
            return replace(self, makes_links=not shape.get("verbatim")).mrkdwn(str(shape["text"]))
        return self.plain(str(shape["text"]), emoji=bool(shape.get("emoji", True)))

    def rich_text(self, block: Mapping[str, Any]) -> Markup:
        """A rich_text block: sections, lists, quotes and preformatted text."""
        return Markup("").join(self._rich_part(part) for part in block.get("elements", ()))

    def name(self, user_id: str) -> str:
        """How a person is called among messages."""
        user = self.workspace.users.get(user_id)
        return user.real_name if user else user_id

    def moment(self, ts: str | float) -> datetime:
        """A message's ts or an epoch as the viewer's local time."""
        return datetime.fromtimestamp(float(ts), UTC).astimezone(self._zone())

    def now(self) -> datetime:
        """This moment, in the viewer's time zone."""
        return self.workspace.clock().astimezone(self._zone())

    def day(self, day: date) -> str:
        """A day as people call it: Today, Yesterday, or Monday, 3 March."""
        match (self.now().date() - day).days:
            case 0:
                return "Today"
            case 1:
                return "Yesterday"
            case _:
                return f"{day:%A}, {day.day} {day:%B}" + (f" {day.year}" if day.year != self.now().year else "")

    def _zone(self) -> ZoneInfo:
        user = self.workspace.users.get(self.viewer)
        return ZoneInfo(user.tz if user else "UTC")

    # mrkdwn

    def _lines(self, text: str) -> Markup:
        parts: list[Markup] = []
        quoted: list[str] = []
        plain: list[str] = []

        def settle() -> None:
            if quoted:
                inner = _NEWLINE.join(self._inline(line) for line in quoted)
                parts.append(Markup("<blockquote>{}</blockquote>").format(inner))
            if plain:
                parts.append(_NEWLINE.join(self._line(line) for line in plain))
            quoted.clear()
            plain.clear()

        for line in text.split("\n"):
            bare, quotes = _QUOTE.subn("", line)
            if (quotes and plain) or (not quotes and quoted):
                settle()
            (quoted if quotes else plain).append(bare)
        settle()
        return Markup("").join(parts)

    def _line(self, line: str) -> Markup:
        # A hand-made bullet hangs in front of its text, so that a long line wraps below the words.
        bullet = _BULLET.match(line)
        if bullet is None:
            return self._inline(line)
        rest = self._inline(line[bullet.end() :])
        return Markup('<span class="bullet"><span aria-hidden="true">•</span><span>{}</span></span>').format(rest)

    def _inline(self, text: str) -> Markup:
        parts: list[Markup] = []
        end = 0
        for found in _INLINE.finditer(text):
            parts += [escape(_unescaped(text[end : found.start()])), self._token(found)]
            end = found.end()
        parts.append(escape(_unescaped(text[end:])))
        return Markup("").join(parts)

    def _token(self, found: re.Match[str]) -> Markup:
        value = found[found.lastgroup or 0]
        match found.lastgroup:
            case "code":
                return Markup("<code>{}</code>").format(_unescaped(value))
            case "angle":
                return self._angle(value)
            case "bold":
                return Markup("<strong>{}</strong>").format(self._inline(value))
            case "italic":
                return Markup("<em>{}</em>").format(self._inline(value))
            case "strike":
                return Markup("<s>{}</s>").format(self._inline(value))
            case "url" if self.makes_links:
                return _link(_unescaped(value), escape(_unescaped(value)))
            case "url":
                return escape(_unescaped(value))
            case _:
                return escape(EMOJI.get(value, found[0]))

    def _angle(self, inner: str) -> Markup:
        target, _, label = inner.partition("|")
        match target[:1], target[1:]:
            case "@", user_id:
                return self._mention(user_id, label)
            case "#", channel_id:
                return self._channel(channel_id, label)
            case "!", command:
                return self._special(command, label)
            case _:
                shown = self._inline(label) if label else escape(_unescaped(target.removeprefix("mailto:")))
                inside = self._permalink(_unescaped(target), shown)
                return inside or _link(_unescaped(target), shown, otherwise=f"<{_unescaped(inner)}>")

    def _permalink(self, address: str, shown: Markup) -> Markup | None:
        """A link to a message of this workspace leads to it on the page; None for every other address."""
        found = _PERMALINK.fullmatch(address.removeprefix(self.workspace.team_url))
        if found is None or not address.startswith(self.workspace.team_url):
            return None
        query = urlencode({"as": self.viewer, "in": found["place"], "thread": f"{found['seconds']}.{found['rest']}"})
        return Markup('<a href="/?{}" data-nav>{}</a>').format(query, shown)

    def _mention(self, user_id: str, label: str = "") -> Markup:
        known = self.workspace.users.get(user_id)
        shown = known.real_name if known else label or user_id
        you = " you" if user_id == self.viewer else ""
        return Markup('<span class="mention{}">@{}</span>').format(you, _unescaped(shown))

    def _channel(self, channel_id: str, label: str = "") -> Markup:
        known = self.workspace.channels.get(channel_id)
        shown = known.name if known else label or channel_id
        return Markup('<span class="mention">#{}</span>').format(_unescaped(shown))

    def _group(self, group_id: str, label: str = "") -> Markup:
        known = self.workspace.groups.get(group_id)
        shown = known.handle if known else label.removeprefix("@") or group_id
        you = " you" if known and self.viewer in known.members else ""
        return Markup('<span class="mention{}">@{}</span>').format(you, _unescaped(shown))

    def _special(self, command: str, label: str) -> Markup:
        kind, *rest = command.split("^")
        if kind == "subteam" and rest:
            return self._group(rest[0], label)
        if kind == "date" and len(rest) >= 2:
            return self._date(rest[0], rest[1], rest[2] if len(rest) > 2 else "", label)
        return Markup('<span class="mention you">@{}</span>').format(_unescaped(label.removeprefix("@") or kind))

    def _date(self, epoch: str, form: str, address: str, fallback: str) -> Markup:
        try:
            moment = self.moment(float(epoch))
        except (ValueError, OverflowError, OSError):
            return escape(_unescaped(fallback))
        shown = _DATE_TOKEN.sub(lambda token: self._date_part(moment, token[1]) or token[0], _unescaped(form))
        html = Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), shown)
        return _link(_unescaped(address), html) if address else html

    def _date_part(self, moment: datetime, name: str) -> str | None:
        month_day = f"{moment:%b} {moment.day}, {moment.year}"
        long = f"{moment:%A}, {moment:%B} {moment.day}, {moment.year}"
        near = self.day(moment.date()).lower()
        pretty = near if near in {"today", "yesterday"} else None
        return {
            "date_num": f"{moment:%Y-%m-%d}",
            "date_slash": f"{moment:%m/%d/%Y}",
            "date": f"{moment:%B} {moment.day}, {moment.year}",
            "date_short": month_day,
            "date_long": long,
            "date_pretty": pretty or f"{moment:%B} {moment.day}, {moment.year}",
            "date_short_pretty": pretty or month_day,
            "date_long_pretty": pretty or long,
            "time": f"{moment:%H:%M}",
            "time_secs": f"{moment:%H:%M:%S}",
            "day_divider_pretty": self.day(moment.date()),
            "ago": _ago((self.now() - moment).total_seconds()),
        }.get(name)

    # rich text

    def _rich_part(self, part: Mapping[str, Any]) -> Markup:
        inner = part.get("elements", ())
        match part.get("type"):
            case "rich_text_list":
                tag = Markup("ol") if part.get("style") == "ordered" else Markup("ul")
                items = Markup("").join(Markup("<li>{}</li>").format(self._rich_inline(one)) for one in inner)
                depth = min(int(part.get("indent", 0)), 5)
                return Markup('<{} class="indent-{}">{}</{}>').format(tag, depth, items, tag)
            case "rich_text_quote":
                return Markup("<blockquote>{}</blockquote>").format(self._rich_inline(part))
            case "rich_text_preformatted":
                words = "".join(str(one.get("text", one.get("url", ""))) for one in inner)
                return Markup("<pre>{}</pre>").format(words)
            case _:
                return Markup("<p>{}</p>").format(self._rich_inline(part))

    def _rich_inline(self, part: Mapping[str, Any]) -> Markup:
        return Markup("").join(self._styled(one) for one in part.get("elements", ()))

    def _styled(self, element: Mapping[str, Any]) -> Markup:
        html = self._rich_element(element)
        styles = element.get("style") or {}
        for style, tag in (("code", "code"), ("bold", "strong"), ("italic", "em"), ("strike", "s")):
            if isinstance(styles, Mapping) and styles.get(style):
                html = Markup("<{}>{}</{}>").format(Markup(tag), html, Markup(tag))  # noqa: S704 - from the line above
        return html

    def _rich_element(self, element: Mapping[str, Any]) -> Markup:
        match element.get("type"):
            case "text":
                return self.plain(str(element["text"]), emoji=False)
            case "link":
                address = str(element["url"])
                return _link(address, escape(str(element.get("text") or address)))
            case "user":
                return self._mention(str(element["user_id"]))
            case "channel":
                return self._channel(str(element["channel_id"]))
            case "usergroup":
                return self._group(str(element["usergroup_id"]))
            case "broadcast":
                return Markup('<span class="mention you">@{}</span>').format(element.get("range", "channel"))
            case "emoji":
                name = str(element["name"])
                return escape(EMOJI.get(name, f":{name}:"))
            case "date":
                form = str(element.get("format", "{date_short} {time}"))
                return self._date(str(element["timestamp"]), form, "", str(element.get("fallback", "")))
            case _:
                return escape(str(element.get("text") or element.get("value") or ""))


def as_typed(workspace: Workspace, text: str) -> str:
    """What a client sends when a person typed this: `& < >` escaped, @names and #channels turned into references."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    users = {user.name.lower(): user.id for user in workspace.users.values()}
    groups = {group.handle.lower(): group.id for group in workspace.groups.values()}
    channels = {channel.name.lower(): channel for channel in workspace.channels.values() if not channel.is_im}

    def person(found: re.Match[str]) -> str:
        name = found[1].lower()
        bare = name.rstrip(".-_")
        end = found[1][len(bare) :]
        if bare in users:
            return f"<@{users[bare]}>{end}"
        if bare in groups:
            return f"<!subteam^{groups[bare]}>{end}"
        return f"<!{bare}>{end}" if bare in {"here", "channel", "everyone"} else found[0]

    def place(found: re.Match[str]) -> str:
        channel = channels.get(found[1].lower())
        return f"<#{channel.id}|{channel.name}>" if channel else found[0]

    return _CHANNEL.sub(place, _MENTION.sub(person, escaped))


def as_escaped(workspace: Workspace, text: str) -> str:
    """What an app with should_escape gets of a command: its words as in a message."""
    name, gap, rest = text.partition(" ")
    return name + gap + as_sent(workspace, rest)


def as_sent(workspace: Workspace, text: str) -> str:
    """What Slack makes of a message: as a client sends it, with addresses and domains as links, but not in code."""

    def link(found: re.Match[str]) -> str:
        word = found[0]
        match found.lastgroup:
            case "mail":
                return f"<mailto:{word}|{word}>"
            case "url":
                return f"<{word}>"
            case "domain":
                return f"<http://{word}|{word}>"
            case _:
                return word

    return _LINKED.sub(link, as_typed(workspace, text))


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _link(address: str, shown: Markup, otherwise: str | None = None) -> Markup:
    if not address.lower().startswith(_SAFE_SCHEMES):
        return shown if otherwise is None else escape(otherwise)
    return Markup('<a href="{}" target="_blank" rel="noopener noreferrer nofollow">{}</a>').format(address, shown)


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if abs(seconds) >= size:
            count = int(abs(seconds) // size)
            words = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return "just now" if seconds >= 0 else "in a moment"
