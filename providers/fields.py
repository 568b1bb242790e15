"""The kinds of things people type into fields, parsed forgivingly and refused in plain sentences."""

from __future__ import annotations

import re
from typing import Annotated, Any

import idna
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_LABEL = re.compile(r"^(?!-)[a-z0-9-]{1,63}(?<!-)$")
_SLACK_LINK = re.compile(r"<(?:https?://|mailto:)?([^|>]*)(?:\|([^>]*))?>")
_LONGEST_SHOWN = 80
LONGEST_NAME = 253
"""Characters of a domain name in DNS."""


def problem(sentence: str) -> PydanticCustomError:
    """An error whose text is the very sentence a person reads under the field."""
    return PydanticCustomError("sentence", "{sentence}", {"sentence": sentence})


def parse_domain(typed: str) -> str:
    """One domain name in its ASCII form: `https://Bücher.com/` becomes `xn--bcher-kva.com`.

    Raises a validation error whose text is a sentence for the person.
    """
    bare = _SLACK_LINK.sub(lambda link: link.group(2) or link.group(1), typed.strip())
    bare = re.sub(r"^[a-z]+://", "", bare, flags=re.IGNORECASE).split("/")[0].strip().rstrip(".").lower()
    shown = typed.strip()[:_LONGEST_SHOWN].encode(errors="replace").decode()  # half a character cannot be shown
    if not bare or len(bare) > LONGEST_NAME:
        raise problem(f"“{shown}” is not a domain name.")
    if "@" in bare:
        raise problem(f"“{shown}” is an e-mail address; only the part after the @ is a domain name.")
    try:
        name = bare if bare.isascii() else idna.encode(bare, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise problem(f"“{shown}” is not a domain name: it has characters that no domain can have.") from None
    labels = name.split(".")
    if len(labels) < 2 or not all(_LABEL.match(label) for label in labels) or labels[-1].isdigit():
        raise problem(f"“{shown}” is not a domain name. A domain looks like acme-mail.com.")
    return name


def split_list(value: Any) -> Any:
    """What was typed, cut into its pieces: lines, commas, semicolons and spaces all separate."""
    if isinstance(value, str):
        return [piece for piece in re.split(r"[\s,;]+", value) if piece]
    return value


def parse_domains(value: Any) -> Any:
    """Several domain names, in the order typed. Every piece that is wrong is named in one error."""
    pieces = split_list(value)
    if not isinstance(pieces, (list, tuple)):
        return value
    names: list[str] = []
    wrong: list[str] = []
    for piece in pieces:
        try:
            names.append(parse_domain(str(piece)))
        except PydanticCustomError as error:
            wrong.append(str(error))
    if wrong:
        raise problem(" ".join(wrong[:3]) + (f" And {len(wrong) - 3} more are wrong." if len(wrong) > 3 else ""))
    return names


DomainName = Annotated[str, BeforeValidator(lambda value: parse_domain(value) if isinstance(value, str) else value)]
"""One domain name, ASCII, lower case."""
