"""What the actions of several nouns share: kinds of fields, listings, words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from providers.scaledmail.models import DomainStatus, Platform

PAGE = 15
"""Rows of one page of an answer. ScaledMail itself knows no pages."""

# How ScaledMail's words read.

KINDS: Mapping[Platform, str] = {
    Platform.GOOGLE: "Google",
    Platform.OUTLOOK: "Outlook",
    Platform.SMTP: "SMTP",
    Platform.UNKNOWN: "not said",
}
STATES: Mapping[DomainStatus, str] = {
    DomainStatus.ACTIVE: "live",
    DomainStatus.PENDING: "being set up",
    DomainStatus.INACTIVE: "not active",
}

_Row = TypeVar("_Row")


# Words and figures.


def paged(rows: Sequence[_Row], page: int) -> tuple[Sequence[_Row], int | None]:
    """The rows of a page, and the number of the next one, if there is one."""
    return rows[(page - 1) * PAGE : page * PAGE], page + 1 if page * PAGE < len(rows) else None


def counted(count: int, one: str, many: str = "") -> str:
    """`1 mailbox`, `12 mailboxes`."""
    return f"{count} {one}" if count == 1 else f"{count} {many or one + 's'}"
