"""What all clients do with what a provider says: find the rows of a listing, quote its words, note what is odd.

Nothing here knows a provider.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import idna
import structlog
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    TypeAdapter,
    ValidationError,
)

LONGEST_QUOTE = 300
"""Characters of a provider's own words that are passed on."""
MOST_ODD_WORDS = 100
"""Words nobody has documented that are logged, once each; after that they pass in silence."""

_WHOLE = re.compile(r"[+-]?\d{1,18}(?:\.0{1,9})?", re.ASCII)
_HALF_A_CHARACTER = re.compile(
    r"""
      \\u[dD][89abAB][0-9a-fA-F]{2} (?! \\u[dD][c-fC-F] )     # a first half without a second
    | (?<! \\u[dD][89abAB][0-9a-fA-F]{2} ) \\u[dD][c-fC-F]    # or the other way round
    """,
    re.VERBOSE,
)

_UNSEEN = dict.fromkeys(
    (*(set(range(0x20)) - set(map(ord, "\t\n\r"))), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
)
"""Control characters, and the marks that turn the direction of all that follows."""
_UNSEEN_BEYOND_ASCII = "".join(map(chr, sorted(code for code in _UNSEEN if code > 0x7F)))
_WRITTEN_UNSEEN = re.compile(r"\\[bf] | \\u(?: 00[0189] | 007[fF] | 202[a-eA-E] | 206[6-9] )", re.VERBOSE)

_Row = TypeVar("_Row", bound=BaseModel)
_Any = TypeVar("_Any")


class Heard:
    """What one account hears: its provider's own words, quoted without its secrets, and odd ones noted once.

    `secrets` says what must never be passed on; it is asked each time, because a log-in brings new ones.
    """

    def __init__(self, provider: str, account: str, secrets: Callable[[], Iterable[str]]) -> None:
        self._secrets = secrets
        self._noted: set[tuple[str, str]] = set()
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger(
            f"providers.{provider}", account=account
        )

    def quoted(self, text: str, hidden: Iterable[SecretStr] = ()) -> str:
        """The provider's words, fit to be shown: one line, not too long, and without secrets.

        `hidden` are those of this very call.
        """
        secrets = {secret for secret in (*self._secrets(), *(one.get_secret_value() for one in hidden)) if secret}
        for secret in sorted(secrets, key=len, reverse=True):  # one may be a part of another
            text = re.sub(re.escape(secret), "[redacted]", text, flags=re.IGNORECASE)
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"

    def note(self, kind: str, word: str) -> None:
        """Log a word that nobody has documented, the first time that it comes. `kind` is what it is the status of."""
        if self._is_news(kind, word):
            self._log.warning("unknown word", of=kind, said=self.quoted(word))

    def note_left_out(self, path: str, rows: int) -> None:
        """Log that so many rows of a listing could not be read, the first time."""
        if rows and self._is_news("unreadable", path):
            self._log.warning("rows left out of a listing, because they cannot be read", path=path, rows=rows)

    def _is_news(self, kind: str, word: str) -> bool:
        if (kind, word) in self._noted or len(self._noted) >= MOST_ODD_WORDS:
            return False
        self._noted.add((kind, word))
        return True


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that was not an error. `body` may be None: the status was fine, and there was nothing, or nonsense."""

    status: int
    body: JsonValue = field(repr=False)


class Shape(BaseModel):
    """Base of what is read of answers: what is not named in it is not kept, and its errors show no values."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", hide_input_in_errors=True)


def text(value: Any) -> str:
    """Text, also where it comes as a number; empty for what is neither."""
    if type(value) is str:
        return value
    return str(value) if isinstance(value, int | float) else ""


def whole(value: Any) -> int | None:
    """A whole number out of 30, 30.0, "30" or " 30 "; None for all else, true and false included."""
    if type(value) is int:
        return value
    if type(value) is str and len(value) < 19 and value.isascii() and value.isdigit():
        return int(value)
    if value is None or isinstance(value, bool):
        return None
    digits = str(value).strip()
    return int(digits.partition(".")[0]) if _WHOLE.fullmatch(digits) else None


def how_many(value: Any) -> int | None:
    """A whole number of zero or more; None for all else."""
    number = whole(value)
    return number if number is not None and number >= 0 else None


def secret(value: Any) -> SecretStr | None:
    """A text that nobody may see; None for what is none."""
    return SecretStr(value) if isinstance(value, str) and value else None


def domain_name(value: Any) -> Any:
    """A domain as people ask for it, however it is listed: in ASCII, without the dot that may stand behind it."""
    if not isinstance(value, str):
        return value
    bare = value.strip().rstrip(".")
    if not bare.isascii():
        try:
            return idna.encode(bare, uts46=True).decode("ascii")
        except idna.IDNAError:
            return value
    return bare


Text = Annotated[str, BeforeValidator(text)]
Name = Annotated[str, BeforeValidator(text), Field(min_length=1)]
Listed = Annotated[str, BeforeValidator(text), BeforeValidator(domain_name), Field(min_length=1)]
Number = Annotated[int | None, BeforeValidator(whole)]
Count = Annotated[int | None, BeforeValidator(how_many)]
Secret = Annotated[SecretStr | None, BeforeValidator(secret)]


class Rows(tuple[_Any, ...]):
    """The rows of a listing that could be read, and how many could not."""

    unreadable: int = 0


def left_out(rows: Collection[Any], read: Iterable[_Any]) -> Rows[_Any]:
    """What could be read of `rows`. Raises ValueError where nothing could, although there is something."""
    found = Rows(read)
    found.unreadable = len(rows) - len(found)
    if found.unreadable and not found:
        raise ValueError("no row of the listing can be read")
    return found


def read_rows(shape: type[_Row], rows: list[JsonValue]) -> Rows[_Row]:
    """All rows as `shape`. One that cannot be read is left out rather than spoiling the listing."""
    try:
        return Rows(_adapter(shape).validate_python(rows))
    except ValidationError:
        read = Rows(_readable(shape, rows))
        read.unreadable = len(rows) - len(read)
        return read


def listed(body: JsonValue, *names: str) -> list[JsonValue] | None:
    """The rows of a listing: under one of `names`, under a usual wrapper, or as a bare array. None if there are none.

    An object of another kind is no empty listing.
    """
    if isinstance(body, list):
        return body
    if not isinstance(body, dict):
        return None
    for name in (*names, "data", "items", "results"):
        inner = body.get(name)
        if isinstance(inner, list):
            return inner
        if isinstance(inner, dict) and (found := listed(inner, *names)) is not None:
            return found
    return None


def read_json(text: str) -> JsonValue:
    """The JSON that a text is. Half a character, which JSON can write and nothing can store, becomes a question mark.

    What nobody sees, and what turns the order of what people see, is left out: control characters, NUL first of all,
    and the marks of writing direction that reach over more than one character. Raises ValueError.
    """
    try:
        read: JsonValue = json.loads(text)
        if "\\u" in text and _HALF_A_CHARACTER.search(text):
            read = json.loads(json.dumps(read, ensure_ascii=False).encode(errors="replace"))
        if _may_have_unseen(text):
            read = seen(read)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return read


def moment(value: Any) -> datetime | None:
    """A time in UTC; one without a zone is taken for UTC. None for what is not one."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
        if read.tzinfo is UTC:
            return read
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter for the year 1 in a zone east of here
        return None


def first_problem(error: ValidationError) -> str:
    """Where the reading of an answer first went wrong, and how; never with what."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['type']}"


def _may_have_unseen(text: str) -> bool:
    """Quickly, because nearly no answer has any. JSON itself has no control characters below the space."""
    if "\\" in text and _WRITTEN_UNSEEN.search(text):
        return True
    return "\x7f" in text or (not text.isascii() and any(character in text for character in _UNSEEN_BEYOND_ASCII))


def seen(said: Any) -> Any:
    """A text, or what holds texts, without the characters that nobody sees and those that turn the order of what people
    read: with them a name could show itself as another one."""
    if isinstance(said, str):
        return said.translate(_UNSEEN)
    if isinstance(said, list):
        return [seen(inner) for inner in said]
    return {seen(name): seen(inner) for name, inner in said.items()} if isinstance(said, dict) else said


def _readable(shape: type[_Row], rows: list[JsonValue]) -> Iterator[_Row]:
    for row in rows:
        try:
            yield shape.model_validate(row)
        except ValidationError:
            continue


def _adapter(shape: type[_Row]) -> TypeAdapter[tuple[_Row, ...]]:
    return TypeAdapter(tuple[shape, ...])  # type: ignore[valid-type]
