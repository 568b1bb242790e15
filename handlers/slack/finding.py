"""The domains and e-mail addresses that a message of Slack names, in the order in which they stand there.

It reads what people see: the text, blocks and attachments, with Slack's own markup of links and mentions taken away.
The names of files that were sent along are no part of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError

from providers.fields import Kind, parse_address, parse_domain

MOST_FOUND = 100
"""Of each kind: as many as one menu can offer."""
LONGEST_FOUND = 150
"""Characters of a name: a menu takes no longer ones."""
MOST_READ = 40_000
"""Characters of one message: Slack cuts its text there."""
MOST_TRIED = 1_000
"""Pieces of it that are looked at as names: whoever sends a message must not keep everybody else waiting."""
DEEPEST = 12
"""Blocks within blocks."""

_MARKED = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")
"""A link or a mention. Without `<` inside: otherwise a long row of them takes the square of its length."""
_BETWEEN = re.compile(
    r"[\s,;<>()\[\]{}|`*\"“”„«»"
    r"،؛؟۔।॥־、。〈-】〔-〟！（），：；？［］｛｝"  # as other scripts write them
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # which way a text runs: nobody sees these
    r"•\u2190-\u21ff\u2600-\u27bf\U0001f000-\U0001faff\ufe0f]+"  # arrows and emoji
)
_AROUND = ".:!?'’‘…~_-–—/&=+#@"
_GLUED = re.compile(r"(?<=\.)([A-Za-z]{2,})[^\x00-\x7f][^.]*$")
"""A name with the next word at its end, as where no spaces are written: no domain ends in letters of two scripts."""
_OWNED = re.compile(r"['’]s$", re.IGNORECASE)
_FILE = re.compile(
    "csv|css|docx?|eml|exe|gif|html?|jpe?g|js(on)?|log|md|od[st]|pdf|png|pptx?|py|sh|svg|toml|tsv|txt|xlsx?|xml|ya?ml",
    re.IGNORECASE,
)
"""What stands at the end of a file's name. Some are countries as well: with `https://` before it, it is a domain."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, each once, as `providers.fields` writes it. `more` counts what is too much to be offered."""

    domains: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    more: int = 0

    def of(self, kind: Kind) -> tuple[str, ...]:
        """What was found of one kind."""
        return self.domains if kind is Kind.DOMAIN else self.addresses


def names_in(message: Mapping[str, Any]) -> Found:
    """What a message names, given as Slack shows it to apps. Takes anything; what is of no known shape is not read."""
    return names_in_text("\n".join(_texts(message)))


def names_in_text(text: str) -> Found:
    """What a text in Slack's markup names."""
    found: dict[Kind, dict[str, None]] = {kind: {} for kind in Kind}
    for tried, piece in enumerate(_pieces(text[:MOST_READ])):
        if tried == MOST_TRIED:
            break
        if (named := _named(piece)) is not None:
            kind, name = named
            found[kind].setdefault(name)
    domains, addresses = (tuple(found[kind]) for kind in (Kind.DOMAIN, Kind.ADDRESS))
    more = max(0, len(domains) - MOST_FOUND) + max(0, len(addresses) - MOST_FOUND)
    return Found(domains[:MOST_FOUND], addresses[:MOST_FOUND], more)


def _texts(shape: Any, depth: int = 0) -> Iterator[str]:
    """Every text that people read, with the addresses behind links; not what was attached as a file."""
    if depth > DEEPEST:
        return
    if isinstance(shape, list):
        for one in shape:
            yield from _texts(one, depth + 1)
    elif isinstance(shape, dict):
        if shape.get("type") == "link" and isinstance(shape.get("url"), str):
            yield f"<{shape['url']}|{shape.get('text') or ''}>"
            return
        # A field of another app's card has a title and a value; the values of buttons and menus nobody sees.
        is_field = isinstance(shape.get("title"), str) and "type" not in shape
        for key in ("pretext", "text", "title", "fallback", *(["value"] if is_field else [])):
            if isinstance(shape.get(key), str):
                yield shape[key]
        for key, one in shape.items():
            if key not in ("files", "metadata") and isinstance(one, list | dict):
                yield from _texts(one, depth + 1)


def _pieces(text: str) -> Iterator[str]:
    """What may be a name: the words of a text without what stands around them."""
    said = _MARKED.sub(_said, text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    for word in _BETWEEN.split(said):
        scheme, there, rest = word.rpartition("://")
        if there:
            host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
            yield f"{scheme[-5:]}://{host.partition(':')[0]}"
        elif "@" in word:
            pieces = (_OWNED.sub("", piece.rstrip(_AROUND)) for piece in re.split(r"[:?#&=]", word))
            yield from (piece.lstrip(_AROUND.replace("_", "")) for piece in pieces)
        elif "." in word:
            shown = re.split(r"[/?#&]", word, maxsplit=1)[0]
            yield from (_OWNED.sub("", piece.strip(_AROUND)) for piece in re.split(r"[:=]", shown))


def _said(marked: re.Match[str]) -> str:
    """A link as the words and the address it has, once where they are the same; nothing for a mention."""
    target, label = marked[1], marked[2] or ""
    if target.startswith(("@", "#", "!")):
        return " "
    if target.startswith("mailto:"):
        target = target.removeprefix("mailto:")
    elif label and target.partition("://")[2].rstrip("/") == label.rstrip("/"):
        target = ""  # Slack made the link of the words: then it is no surer than they are
    return f" {label} {target} "


def _named(piece: str) -> tuple[Kind, str] | None:
    """What a piece of text names, if it is a domain or an address."""
    scheme, there, bare = _GLUED.sub(r"\1", piece).rpartition("://")
    if not 3 < len(bare) <= LONGEST_FOUND:
        return None
    try:
        if "@" in bare:
            return _fits(Kind.ADDRESS, parse_address(bare))
        if not there and not _looks_like_one(bare):
            return None
        host = bare[4:] if bare[:4].lower() == "www." and bare.count(".") > 1 else bare
        return _fits(Kind.DOMAIN, parse_domain(host)) if not there or scheme.endswith(("http", "https")) else None
    except PydanticCustomError:
        return None


def _fits(kind: Kind, name: str) -> tuple[Kind, str] | None:
    last = name.rpartition(".")[2]
    is_usual = len(last) > 1 and (last.isalpha() or last.startswith("xn--"))
    return (kind, name) if is_usual and len(name) <= LONGEST_FOUND else None


def _looks_like_one(bare: str) -> bool:
    """Whether it is rather a domain than a file's name, or the end of one sentence and the beginning of the next."""
    last = bare.rpartition(".")[2]
    return not _FILE.fullmatch(last) and last in (last.lower(), last.upper())
