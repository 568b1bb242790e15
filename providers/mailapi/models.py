"""MailAPI's answers, read leniently: maps instead of lists, numbers as text, dates with the day in front.

The rows of listings are named tuples rather than validated models, for their speed: all mailboxes of a domain come in
one answer, however many there are. What a mailbox logs in with is never kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

from pydantic import AliasChoices, BeforeValidator, Field

from providers.answers import Number, Rows, Shape, Text, domain_name, left_out, text, whole

CREATED = "Created successfully."
"""What a task says of a mailbox that was made, to the letter. Anything else is something to look at."""
MOST_SUB_DOMAINS = 10
"""In one request (endpoint row 99)."""


class DomainStatus(StrEnum):
    """How far a domain is. Only "verified" is documented; UNKNOWN is a word that nobody has seen."""

    VERIFIED = "verified"
    PENDING = "pending"
    FAILED = "failed"
    UNKNOWN = "unknown"


class MailboxStatus(StrEnum):
    """How far a mailbox is. Only "active" is documented; UNKNOWN is a word that nobody has seen."""

    ACTIVE = "active"
    PENDING = "pending"
    FAILED = "failed"
    UNKNOWN = "unknown"


class TaskState(StrEnum):
    """How a task is getting on. UNKNOWN is a word that nobody has documented: it is still at work, then."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        """Whether asking again would be pointless."""
        return self in (TaskState.COMPLETED, TaskState.FAILED)


_AT_WORK = ("pending", "queued", "processing", "provisioning", "in_progress", "running")
_DOMAIN_STATUSES: Mapping[str, DomainStatus] = {
    "verified": DomainStatus.VERIFIED,
    **dict.fromkeys(_AT_WORK, DomainStatus.PENDING),
    "failed": DomainStatus.FAILED,
    "error": DomainStatus.FAILED,
}
_MAILBOX_STATUSES: Mapping[str, MailboxStatus] = {
    "active": MailboxStatus.ACTIVE,
    **dict.fromkeys(_AT_WORK, MailboxStatus.PENDING),
    "failed": MailboxStatus.FAILED,
    "error": MailboxStatus.FAILED,
}
# "success" is missing on purpose: it says that the question was answered, not that the work is done.
_TASK_STATES: Mapping[str, TaskState] = {
    "completed": TaskState.COMPLETED,
    **dict.fromkeys(_AT_WORK, TaskState.PENDING),
    "failed": TaskState.FAILED,
    "error": TaskState.FAILED,
}

_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)", re.ASCII)
_TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})-(\d{1,2})-(\d{4})", re.ASCII)


def is_label(text: str) -> bool:
    """Whether this can be the name of a sub-domain: letters, digits and hyphens, none of these at an end."""
    return _LABEL.fullmatch(text) is not None


def _word(text: str) -> str:
    return text.strip().lower().replace(" ", "_")


@lru_cache(maxsize=1024)
def _day(text: str) -> date | None:
    """14-04-2026 is a day in April; 2026-04-14 is taken as well."""
    try:
        if match := _DAY_FIRST.fullmatch(text.strip()):
            day, month, year = map(int, match.groups())
            return date(year, month, day)
        return date.fromisoformat(text.strip()[:10])
    except ValueError:
        return None


def _date(value: Any) -> date | None:
    return _day(value) if type(value) is str else None


class Domain(NamedTuple):
    """A domain or sub-domain of the account (endpoint row 97). `raw_status` and `quota` are MailAPI's own words."""

    name: str
    raw_status: str = ""
    quota: str = ""
    mailbox_count: int | None = None
    created_at: date | None = None

    @property
    def status(self) -> DomainStatus:
        """The status in our vocabulary."""
        return _DOMAIN_STATUSES.get(_word(self.raw_status), DomainStatus.UNKNOWN)


class Mailbox(NamedTuple):
    """A mailbox (endpoint row 102), without what it logs in with. `raw_status` and `quota` are MailAPI's own words."""

    address: str
    raw_status: str = ""
    quota: str = ""
    created_at: date | None = None

    @property
    def status(self) -> MailboxStatus:
        """The status in our vocabulary."""
        return _MAILBOX_STATUSES.get(_word(self.raw_status), MailboxStatus.UNKNOWN)


def parse_domains(body: Any) -> Rows[Domain]:
    """The domains of endpoint row 97. Raises ValueError where the answer has no `results`."""
    results = _results(body)
    domains = (
        Domain(
            str(domain_name(name)),
            text(facts.get("status")),
            text(facts.get("domain_quota")),
            whole(facts.get("mailbox_count")),
            _date(facts.get("created_at")),
        )
        if isinstance(facts, dict)
        else Domain(str(domain_name(name)))
        for name, facts in results.items()
        if name.strip()
    )
    return left_out(results, domains)


def parse_mailboxes(body: Any) -> Rows[Mailbox]:
    """The mailboxes of endpoint row 102. Raises ValueError where the answer has no `results`."""
    results = _results(body)
    mailboxes = (
        Mailbox(
            address,
            text(facts.get("provisioning_status")),
            text(facts.get("mailbox_quota")),
            _date(facts.get("created_at")),
        )
        if isinstance(facts, dict)
        else Mailbox(address)
        for address, facts in results.items()
        if address.strip()
    )
    return left_out(results, mailboxes)


def _results(body: Any) -> Mapping[str, Any]:
    """The map of a listing. An empty map arrives as an empty list: that is how its language writes it."""
    results = body.get("results") if isinstance(body, dict) else None
    if isinstance(results, dict):
        return results
    if results == []:
        return {}
    raise ValueError("no results")


def _outcomes(value: Any) -> Any:
    """`{address: {status: prose}}`, or the prose alone, as outcomes."""
    if not isinstance(value, dict):
        return ()
    return tuple(
        MailboxOutcome(address=address, said=text(said.get("status") if isinstance(said, dict) else said))
        for address, said in value.items()
    )


def _task_id_text(value: Any) -> Any:
    """123 and "123" are the same id; true, 1.5 and "../1" are none."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value).strip()
    return text if _TASK_ID.fullmatch(text) else None


class MailboxOutcome(Shape):
    """What a task says of one mailbox, in its own prose."""

    address: str
    said: str = ""

    @property
    def created(self) -> bool:
        """Whether it was made, beyond doubt. False means: look at what was `said`."""
        return self.said == CREATED


class Task(Shape):
    """A task that makes mailboxes (endpoint rows 103 and 104). `raw_status` is MailAPI's own word."""

    id: Annotated[str | None, BeforeValidator(_task_id_text)] = Field(
        None, validation_alias=AliasChoices("task_id", "Task_id", "id")
    )
    raw_status: Text = Field(validation_alias=AliasChoices("status", "raw_status"))
    reason: Text = ""
    """Why it failed, if it did and MailAPI says so; quoted by the client, free of secrets."""
    domain: Text = ""
    total: Number = Field(None, validation_alias=AliasChoices("total_email", "total"))
    mailboxes: Annotated[tuple[MailboxOutcome, ...], BeforeValidator(_outcomes)] = Field(
        (), validation_alias=AliasChoices("results", "mailboxes")
    )

    @property
    def state(self) -> TaskState:
        """The status in our vocabulary."""
        return _TASK_STATES.get(_word(self.raw_status), TaskState.UNKNOWN)


class AcceptedTask(Shape):
    """Mailboxes that MailAPI will make (endpoint rows 100 and 101)."""

    task_id: Annotated[str, BeforeValidator(_task_id_text)]


class AcceptedDomain(Shape):
    """Domains that MailAPI will make (endpoint rows 98 and 99). Only the newer edition names a task."""

    status: Text
    domain: Text = ""
    task_id: Annotated[str | None, BeforeValidator(_task_id_text)] = None


class Refusal(Shape):
    """The error contract: `{status: "error", reason}`. The reason may be missing."""

    status: Text = ""
    reason: Text = Field("", validation_alias=AliasChoices("reason", "message"))

    @property
    def is_one(self) -> bool:
        """Whether the body says itself that it is an error."""
        return _word(self.status) in ("error", "failed")
