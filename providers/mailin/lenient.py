"""Reading what Mailin writes, leniently: the same fact comes in several ways, and new words may come at any time.

Kinds of fields for the shapes in `models.py`, and pages. A word that nobody has documented becomes UNKNOWN, and is
told to the reading's context, an `Odd`, if it has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, SecretStr, ValidationInfo

from providers.answers import left_out, moment

Odd = Callable[[str, str], None]
"""Is told of a word that is not in the vocabulary: of what kind it is, and the word."""

Item = TypeVar("Item")
_Meaning = TypeVar("_Meaning", bound=StrEnum)


# Plain functions, for those shapes that are read by hand.


def word(value: Any) -> str:
    """A word as it is looked up: lower case, no space around it, none inside."""
    return "" if value is None else str(value).strip().lower().replace(" ", "_").replace("-", "_")


def text(value: Any) -> str:
    """Text, also out of a list of texts; empty for what is absent, and for what no person can read."""
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, (text(inner) for inner in value if not isinstance(inner, list | tuple))))
    return "" if value is None or isinstance(value, dict) else str(value)


def text_or_none(value: Any) -> str | None:
    """Text, or None where there is none."""
    return text(value) or None


def number_or_none(value: Any) -> int | None:
    """A whole number, also where it comes as text."""
    digits = word(value)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None


def meaning(said: Any, vocabulary: Mapping[str, _Meaning], unknown: _Meaning, kind: str, odd: Odd | None) -> _Meaning:
    """What a word stands for; `unknown`, and told to `odd`, when nobody has documented it."""
    found = vocabulary.get(word(said))
    if found is None and odd is not None and word(said):
        odd(kind, text(said) or type(said).__name__)
    return unknown if found is None else found


# Kinds of fields.


def one_of(
    vocabulary: Mapping[str, _Meaning], unknown: _Meaning, kind: str, *, optional: bool = False
) -> BeforeValidator:
    """A field that is one of several words; an `optional` one is None where nothing is said."""

    def read(said: Any, info: ValidationInfo) -> _Meaning | None:
        if isinstance(said, type(unknown)):
            return said
        if optional and (not isinstance(said, str | int) or not word(said)):
            return None
        return meaning(said, vocabulary, unknown, kind, info.context)

    return BeforeValidator(read)


def _names(value: Any) -> tuple[str, ...]:
    """Names out of a string ("a, b"), a list, an object ({"domain": "a"}), or any nesting of these."""
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    if isinstance(value, dict):
        return tuple(name for key, inner in value.items() for name in _names(inner) or _names(key if inner else None))
    if isinstance(value, list | tuple):
        return tuple(name for inner in value for name in _names(inner))
    return ()


def _texts(value: Any) -> tuple[str, ...]:
    """Texts that may hold spaces, out of a list or a single one."""
    texts = value if isinstance(value, list | tuple) else (value,)
    return tuple(read for inner in texts if (read := text(inner)))


def _ids(value: Any) -> tuple[str, ...]:
    """Ids as text out of a list of strings, numbers or objects with an `id`."""
    if not isinstance(value, list):
        return ()
    ids = (inner.get("id") if isinstance(inner, dict) else inner for inner in value)
    return tuple(str(inner) for inner in ids if isinstance(inner, str | int) and not isinstance(inner, bool))


def _from_epoch(value: Any) -> datetime | None:
    seconds = number_or_none(value)
    try:
        return moment(value) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _yes_or_no(value: Any) -> bool | None:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(word(value))


def _field_errors(value: Any) -> dict[str, list[str]]:
    """Laravel's `{field: [text]}`; a bare text counts as a list of one."""
    if not isinstance(value, dict):
        return {}
    return {str(name): list(_texts(texts)) for name, texts in value.items()}


def _secret_or_none(value: Any) -> SecretStr | None:
    """A secret; None for what is absent, or shown as nothing but asterisks."""
    if isinstance(value, SecretStr):
        return value
    bare = text(value).strip()
    return SecretStr(bare) if bare.strip("*•") else None


def _object_or_none(value: Any) -> Any:
    return value if isinstance(value, dict | BaseModel) else None


def _objects(value: Any) -> tuple[Any, ...]:
    return tuple(inner for inner in value if isinstance(inner, dict | BaseModel)) if isinstance(value, list) else ()


Text = Annotated[str, BeforeValidator(text)]
OptionalText = Annotated[str | None, BeforeValidator(text_or_none)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Ids = Annotated[tuple[str, ...], BeforeValidator(_ids)]
Moment = Annotated[datetime | None, BeforeValidator(moment)]
Epoch = Annotated[datetime | None, BeforeValidator(_from_epoch)]
Number = Annotated[int | None, BeforeValidator(number_or_none)]
YesOrNo = Annotated[bool | None, BeforeValidator(_yes_or_no)]
FieldErrors = Annotated[dict[str, list[str]], BeforeValidator(_field_errors)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_secret_or_none)]
RAW_STATUS = AliasChoices("status", "raw_status")
"""Where the word stands that is kept as Mailin wrote it."""
OBJECT_OR_NONE = BeforeValidator(_object_or_none)
"""Marks an object that may be missing, or be something that is no object."""
OBJECTS = BeforeValidator(_objects)
"""Marks a list of objects; what is none of these is passed over."""


class Shape(BaseModel):
    """Base of all shapes that are read: what is not named in them is not kept, and their errors show no values."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", hide_input_in_errors=True)


# Pages.


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a listing, by the number it was asked for.

    Where Mailin does not say how much there is, `last_page` is the next page after a full one, and `total` what has
    been listed so far.
    """

    data: tuple[Item, ...]
    page: int
    last_page: int
    total: int
    unreadable: int = 0
    """Items that were left out, because they could not be read."""

    @property
    def next_page(self) -> int | None:
        """The number to ask for next, None at the end."""
        return self.page + 1 if self.data and self.page < self.last_page else None


class _Counts(Shape):
    last_page: Number = None
    per_page: Number = None
    total: Number = None


def read_page(said: Any, read: Callable[[Any], Item], page: int, asked_per_page: int) -> Page[Item]:
    """A listing as Mailin writes it, with the number `page`, which is believed rather than the one in the answer.

    Its page addresses are passed over on purpose: some lead to another listing. A bare list is a listing of one page.
    Each item is given to `read`; one of which it raises a ValueError is left out. Raises ValueError for what is no
    listing, and where nothing on a page can be read.
    """
    items = said.get("data") if isinstance(said, dict) else said
    if not isinstance(items, list):
        raise ValueError("no listing")
    data = left_out(items, _readable(read, items))
    if said is items:
        return Page(data=data, page=page, last_page=page, total=len(items), unreadable=data.unreadable)
    counts = _Counts.model_validate(said)
    per_page = counts.per_page or asked_per_page
    total, last_page = counts.total, counts.last_page
    if last_page is None and total is not None:
        last_page = max(1, -(-total // per_page))
    elif last_page is None:
        last_page = page + 1 if len(items) >= per_page else page
    if total is None:
        total = (page - 1) * per_page + len(items)
    return Page(data=data, page=page, last_page=last_page, total=total, unreadable=data.unreadable)


def with_id(read: Callable[[Any], Item]) -> Callable[[Any], Item]:
    """`read`, raising ValueError also for what has no number: nothing more can be asked about it."""

    def read_with_id(said: Any) -> Item:
        item = read(said)
        if getattr(item, "id", None) is None:
            raise ValueError("no number")
        return item

    return read_with_id


def _readable(read: Callable[[Any], Item], items: Iterable[Any]) -> Iterator[Item]:
    for item in items:
        try:
            yield read(item)
        except ValueError:
            continue
