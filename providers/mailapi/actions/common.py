"""What the actions of several nouns share: kinds of fields, listings, words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

_Row = TypeVar("_Row")

PAGE = 15
"""Rows of one page of an answer. MailAPI itself sends everything at once."""


def paged(rows: Sequence[_Row], page: int) -> tuple[Sequence[_Row], int | None]:
    """The rows of a page, and the number of the next one, if there is one."""
    return rows[(page - 1) * PAGE : page * PAGE], page + 1 if page * PAGE < len(rows) else None


def count_of(number: int, one: str, many: str = "") -> str:
    """`1 mailbox`, `12 mailboxes`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
