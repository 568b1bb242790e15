"""Small words of Slack's markup: everything a person or a provider wrote is escaped here before it is shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import slackblocks as sb

from handlers.requests import Sorry
from providers.fields import in_letters

SECTION_TEXT = 3000
"""Slack's limit on the text of one section."""
LONGEST_HEADLINE = 1000
"""Characters of what is asked, where somebody confirms or decides it: two of the longest names are fewer."""
LIST_TEXT = 8000
"""Characters of a list within one message: Slack refuses messages of more than about 13,000 in all their blocks."""
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}
_LONGEST_WORD = 300
_LINK = re.compile(r"<(?:mailto:)?(?P<address>(?:https?://)?[^<>|@#!\s][^<>|\s]*)(?:\|(?P<shown>[^<>]*))?>")


def escape(text: str) -> str:
    """Text as text: `<!channel>` in a reason must not ping anybody, and no markup of a link or mention is taken."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescaped(text: str) -> str:
    """What a person typed after a command that Slack escapes: `<http://acme.com|acme.com>` is `acme.com` again.

    Mentions of people, groups and channels stay: what they stand for was not typed.
    """
    plain_links = _LINK.sub(lambda link: link["shown"] or link["address"], text)
    return plain_links.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def code(text: str) -> str:
    """A name in monospace; its own backticks cannot end it early, and Slack makes no link of it."""
    return f"`{escape(clip(text, _LONGEST_WORD)).replace('`', 'ˋ')}`"


def named(name: str) -> str:
    """A thing's name in monospace; an internationalised domain also as people write it."""
    letters = in_letters(name) if "xn--" in name else name
    return code(name) if letters == name else f"{code(name)} ({escape(letters)})"


class Quoted(str):
    """What somebody wrote, as a line of `paragraphs`: there it is shown to the letter. As text it is a block quote."""

    said: str


def quoted(text: str) -> Quoted:
    """What somebody wrote, as a quotation in which no `*star*`, no address and no `:emoji:` acts."""
    line = Quoted("\n".join(f"> {escape(line)}" for line in text.splitlines() or [""]))
    line.said = text
    return line


def clip(text: str, longest: int) -> str:
    """At most `longest` characters, the cut shown by an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def person(user: str) -> str:
    """A mention. Pings in messages, only names in modals."""
    return f"<@{user}>"


def is_person(where: str) -> bool:
    """Whether an id is a person's, so that a message to it is a direct one."""
    return where.startswith(("U", "W"))


def whoever(who: str) -> str:
    """A mention of a person or of a user group, by its id."""
    return f"<!subteam^{who}>" if who.startswith("S") else person(who)


def either(everybody: Sequence[str]) -> str:
    """`A`, `A or B`, `A, B or C`."""
    return " or ".join(filter(None, [", ".join(everybody[:-1]), everybody[-1]])) if everybody else ""


def place(channel: str) -> str:
    """A link to a channel; a direct message, whosever it is, is called so."""
    return f"<#{channel}>" if channel[:1] in "CG" else "a direct message"


def moment(when: datetime) -> str:
    """A time in the reader's own zone."""
    return f"<!date^{int(when.timestamp())}^{{date_short_pretty}} at {{time}}|{when:%Y-%m-%d %H:%M} UTC>"


def told(said: str | Sorry) -> str:
    """A sentence for people; a Sorry's with the mention and the times that it speaks of."""
    if isinstance(said, str):
        return escape(said)
    text = escape(said.sentence).replace("{who}", person(said.who) if said.who else "somebody")
    for name, when in said.times.items():
        text = text.replace(f"{{{name}}}", moment(when))
    return text


def money(amount: Decimal | None, currency: str) -> str:
    """`$1,040.50`, `1,040.50 CAD`, or that nobody knows. Cents are never rounded away."""
    if amount is None:
        return "price unknown"
    if currency == "credits":
        return f"{amount:,f} credit{'' if amount == 1 else 's'}"
    digits = max(2, -int(amount.normalize().as_tuple().exponent))
    symbol = _SYMBOLS.get(currency)
    return f"{symbol}{amount:,.{digits}f}" if symbol else f"{amount:,.{digits}f} {escape(currency)}"


def paragraphs(lines: Sequence[str]) -> list[sb.Block]:
    """Lines of mrkdwn in as few sections as Slack's limit on a section allows; what is too much is counted."""
    blocks: list[sb.Block] = []
    chunk = ""
    for line in _within([line if isinstance(line, Quoted) else clip(line, SECTION_TEXT) for line in lines]):
        if chunk and (isinstance(line, Quoted) or len(chunk) + 1 + len(line) > SECTION_TEXT):
            blocks.append(section(chunk))
            chunk = ""
        if isinstance(line, Quoted):
            blocks.append(_quotation(line.said))
        else:
            chunk = f"{chunk}\n{line}" if chunk else line
    if chunk:
        blocks.append(section(chunk))
    return blocks


def _quotation(text: str) -> sb.RichTextBlock:
    """Rich text knows no markup: its text is shown as it is."""
    said = sb.RichText(clip(text, SECTION_TEXT) or " ")
    return sb.RichTextBlock([sb.RichTextQuote([said])])


def _within(lines: Sequence[str]) -> Sequence[str]:
    """As many lines as `LIST_TEXT` allows, and how many more there are."""
    room = LIST_TEXT
    for count, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0 and count:
            return [*lines[:count], f"… and {len(lines) - count} more"]
    return lines


def length(lines: Sequence[str]) -> int:
    """The characters of lines below each other."""
    return sum(len(line) + 1 for line in lines)


def section(text: str, *, accessory: sb.Element | None = None, block_id: str | None = None) -> sb.SectionBlock:
    """A section of mrkdwn, already escaped by the caller. Slack makes no links of its own in it (`verbatim`)."""
    return sb.SectionBlock(sb.Text(clip(text, SECTION_TEXT), verbatim=True), accessory=accessory, block_id=block_id)


def small(text: str) -> sb.ContextBlock:
    """A line in small grey type, mrkdwn."""
    return sb.ContextBlock([sb.Text(clip(text, SECTION_TEXT), verbatim=True)])


def plain(text: str, longest: int) -> sb.Text:
    """Plain text for labels, titles and buttons, cut to Slack's limit."""
    return sb.Text(clip(text, longest), type_=sb.TextType.PLAINTEXT)


def built(blocks: Sequence[sb.Block]) -> list[dict[str, Any]]:
    """The blocks as the JSON that the Web API takes."""
    return list(sb.Message(channel="-", blocks=list(blocks)).to_dict().get("blocks", []))
