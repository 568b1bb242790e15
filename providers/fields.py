"""The kinds of things people type into fields, parsed forgivingly and refused in plain sentences."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import idna
from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from providers.action import WITHHELD

_LABEL = re.compile(r"^(?!-)[a-z0-9-]{1,63}(?<!-)$")
_SLACK_LINK = re.compile(r"<(?:https?://|mailto:)?([^<|>]*)(?:\|([^<>]*))?>")
"""Without `<` inside: otherwise a long row of them takes the square of its length, and nothing else runs meanwhile."""
_UNSEEN = dict.fromkeys([0x61C, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF])
"""Which way a text runs, and spaces without width: they come along when a name is copied, and nobody sees them."""
_LONGEST_SHOWN = 80
LONGEST_NAME = 253
"""Characters of a domain name in DNS."""


class Kind(StrEnum):
    """What a field is about; it stands beside the validators in the field's type."""

    DOMAIN = "domain"
    ADDRESS = "address"


def kind_of(field: FieldInfo) -> Kind | None:
    """Whether domains or e-mail addresses are typed into this field; None for anything else."""
    return next((one for one in field.metadata if isinstance(one, Kind)), None)


def problem(sentence: str) -> PydanticCustomError:
    """An error whose text is the very sentence a person reads under the field."""
    return PydanticCustomError("sentence", "{sentence}", {"sentence": sentence})


def parse_domain(typed: str) -> str:
    """One domain name in its ASCII form: `https://Bücher.com/` becomes `xn--bcher-kva.com`.

    Raises a validation error whose text is a sentence for the person.
    """
    bare, shown = _named(typed), _as_shown(typed)
    bare = re.sub(r"^[a-z]+://", "", bare, flags=re.IGNORECASE).split("/")[0].strip().rstrip(".").lower()
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
    if any(label.startswith("xn--") and not _is_international(label) for label in labels):
        raise problem(f"“{shown}” is not a domain name: what follows its xn-- stands for nothing.")
    return name


def _named(typed: str) -> str:
    """What stands there without Slack's link around it, and without what nobody sees."""
    return _SLACK_LINK.sub(lambda link: link.group(2) or link.group(1), typed.translate(_UNSEEN).strip())


def _as_shown(typed: str) -> str:
    """What was typed, on one line, for a sentence about it."""
    return " ".join(typed.split())[:_LONGEST_SHOWN].encode(errors="replace").decode()  # half a character cannot be


def in_letters(name: str) -> str:
    """An internationalised name as people write it: `xn--bcher-kva.com` is `bücher.com`. Others as they are."""
    try:
        return idna.decode(name)
    except (idna.IDNAError, UnicodeError):
        return name


def _is_international(label: str) -> bool:
    try:
        idna.decode(label)
    except (idna.IDNAError, UnicodeError):
        return False
    return True


def split_list(value: Any) -> Any:
    """What was typed, cut into its pieces: lines, commas, semicolons and spaces all separate."""
    if isinstance(value, str):
        return value.replace(",", " ").replace(";", " ").split()
    return value


def secret_of(least: int, most: int) -> AfterValidator:
    """A secret of so many characters. What was withheld when the request was stored passes as it is."""

    def check(secret: SecretStr | None) -> SecretStr | None:
        text = WITHHELD if secret is None else secret.get_secret_value()
        if text != WITHHELD and not least <= len(text) <= most:
            raise problem(f"This has {len(text)} characters; it has to have from {least} to {most}.")
        return secret

    return AfterValidator(check)


def parse_domains(value: Any) -> Any:
    """Several domain names, in the order typed. Pieces that are wrong are named in one error."""
    return _each(parse_domain, value)


def _each(parse: Callable[[str], str], value: Any) -> Any:
    pieces = split_list(value)
    if not isinstance(pieces, (list, tuple)):
        return value
    parsed: list[str] = []
    wrong: list[str] = []
    for piece in pieces:
        try:
            parsed.append(parse(str(piece)))
        except PydanticCustomError as error:
            wrong.append(str(error))
    if wrong:
        raise problem(" ".join(wrong[:3]) + (f" And {len(wrong) - 3} more are wrong." if len(wrong) > 3 else ""))
    return parsed


DomainName = Annotated[
    str, BeforeValidator(lambda value: parse_domain(value) if isinstance(value, str) else value), Kind.DOMAIN
]
"""One domain name, ASCII, lower case."""

_LOCAL_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+'&/=~-]{0,63}")
"""What real mailboxes are called. The standard allows more, which is what markup, commands and slips are made of."""


_PLAIN_ADDRESS = re.compile(
    r"(?=[^@]{1,64}@) [A-Za-z0-9_] (?: \.? [A-Za-z0-9_+'&/=~-] )*"
    r"@ (?: (?!xn--|-) [a-z0-9-]{1,63} (?<!-) \. )+ (?!xn--) [a-z] [a-z0-9-]{0,62} (?<!-)",
    re.VERBOSE,
)
_LONGEST_PLAIN = 250
"""Characters: too few for a domain that is too long."""


def is_plain_address(typed: str) -> bool:
    """Whether this is an e-mail address as nearly all are, with nothing to correct. It takes a tenth of the time."""
    return len(typed) <= _LONGEST_PLAIN and _PLAIN_ADDRESS.fullmatch(typed) is not None


def parse_address(typed: str) -> str:
    """One e-mail address, its domain in ASCII and lower case: `Ana@Bücher.com` becomes `Ana@xn--bcher-kva.com`.

    Raises a validation error whose text is a sentence for the person.
    """
    if is_plain_address(typed):
        return typed
    shown = _as_shown(typed)
    local, at, domain = _named(typed).rpartition("@")
    local = local.replace("’", "'")  # as telephones write it
    if not at or not _LOCAL_PART.fullmatch(local) or local.endswith(".") or ".." in local:
        raise problem(f"“{shown}” is not an e-mail address. One looks like ana@acme-mail.com.")
    try:
        return f"{local}@{parse_domain(domain)}"
    except PydanticCustomError:
        raise problem(f"“{shown}” is not an e-mail address: what follows the @ is not a domain.") from None


def parse_addresses(value: Any) -> Any:
    """Several e-mail addresses, in the order typed. Pieces that are wrong are named in one error."""
    return _each(parse_address, value)


EmailAddress = Annotated[
    str, BeforeValidator(lambda value: parse_address(value) if isinstance(value, str) else value), Kind.ADDRESS
]
"""One e-mail address."""
