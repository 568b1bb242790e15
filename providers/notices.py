"""What somebody should know about an account without having asked: read from the provider, nothing is changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class NoticeKind(StrEnum):
    """What a notice is about."""

    REPUTATION = "reputation"
    """A domain whose reputation suffers."""
    SENDING = "sending"
    """A mailbox that cannot send, or is not warm."""
    CREDITS = "credits"
    NAME_SERVERS = "name_servers"
    """A domain whose name servers are still to be set."""
    RENEWALS = "renewals"
    """Something that has to be paid for again soon. No provider tells: the house looks into its own books."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that is not as it should be: its `name`, and in plain text what is wrong with it."""

    kind: NoticeKind
    name: str
    note: str


Notices = Callable[[Any], Awaitable[tuple[Notice, ...]]]
"""Reads with an account's client all that is not as it should be, the worst first. Raises ProviderError."""
