"""Mailboxes. Their passwords come with every listing and are no field here: not kept."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import AliasChoices, BeforeValidator, Field, InstanceOf, JsonValue, SecretStr, ValidationInfo

from providers.answers import moment
from providers.mailin.lenient import (
    Epoch,
    Odd,
    OptionalSecret,
    Shape,
    meaning,
    number_or_none,
    text,
    text_or_none,
    word,
)
from providers.mailin.models.domains import Hosting
from providers.mailin.models.jobs import AnyJob


class MailboxStatus(StrEnum):
    """The status of a mailbox, in one word for "1" and "Active"."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    UNKNOWN = "unknown"


_STATUSES = {
    "Active": MailboxStatus.ACTIVE,  # as it is usually written: found without being put into lower case first
    "active": MailboxStatus.ACTIVE,
    "1": MailboxStatus.ACTIVE,
    "true": MailboxStatus.ACTIVE,
    "inactive": MailboxStatus.INACTIVE,
    "0": MailboxStatus.INACTIVE,
    "false": MailboxStatus.INACTIVE,
}


class Mailbox(NamedTuple):
    """A mailbox, SMTP or Google's (endpoint rows 37, 38, 40, 49, 50, 52), without its password.

    Mailboxes come by the ten thousand, so they are plain tuples, read by hand rather than by pydantic.
    """

    username: str
    """The whole address."""
    name: str = ""
    id: int | None = None
    domain_id: int | None = None
    status: MailboxStatus = MailboxStatus.UNKNOWN
    provider_type: str = ""
    redirect_email: str | None = None
    rate_limit: str | None = None
    signature: str | None = None
    imap_host: str = ""
    imap_port: int | None = None
    smtp_host: str = ""
    smtp_port: int | None = None
    created_at: datetime | None = None

    @property
    def hosting(self) -> Hosting:
        """Where it lives, as far as it says so: only Google's do."""
        return "google" if word(self.provider_type) == "google" else "smtp"

    @classmethod
    def read(cls, said: Any, odd: Odd | None = None) -> Mailbox:
        """A mailbox out of an answer. Raises ValueError for what has no address."""
        username = said.get("username") if isinstance(said, dict) else None
        if not isinstance(username, str) or not username:
            raise ValueError("a mailbox without an address")
        # What it nearly always is, first: this runs ten thousand times for one listing.
        get = said.get
        name, number, domain_id, status = get("name"), get("id"), get("domain_id"), get("status")
        redirect, limit, signature = get("redirect_email"), get("rate_limit"), get("signature")
        imap_host, imap_port, smtp_host, smtp_port = (
            get("imap_host"),
            get("imap_port"),
            get("smtp_host"),
            get("smtp_port"),
        )
        return cls(
            username,
            name if type(name) is str else text(name),
            number if type(number) is int else number_or_none(number),
            domain_id if type(domain_id) is int else number_or_none(domain_id),
            _STATUSES[status]
            if type(status) is str and status in _STATUSES
            else meaning(status, _STATUSES, MailboxStatus.UNKNOWN, "mailbox status", odd),
            text(get("provider_type")),
            None if redirect is None else text_or_none(redirect),
            None if limit is None else text_or_none(limit),
            None if signature is None else text_or_none(signature),
            imap_host if type(imap_host) is str else text(imap_host),
            imap_port if type(imap_port) is int else number_or_none(imap_port),
            smtp_host if type(smtp_host) is str else text(smtp_host),
            smtp_port if type(smtp_port) is int else number_or_none(smtp_port),
            moment(get("created_at")),
        )


def _mailboxes(said: Any, info: ValidationInfo) -> tuple[Mailbox, ...]:
    found = []
    for item in said if isinstance(said, list | tuple) else ():
        with suppress(ValueError):  # a job may also name ids, or nothing yet
            found.append(item if isinstance(item, Mailbox) else Mailbox.read(item, info.context))
    return tuple(found)


class MailboxJob(AnyJob):
    """A batch of mailboxes (endpoint rows 40, 52), and those that it has made so far."""

    mailboxes: Annotated[
        tuple[InstanceOf[Mailbox], ...],
        BeforeValidator(_mailboxes),
        Field(validation_alias=AliasChoices("data", "mailboxes")),
    ] = ()


@dataclass(frozen=True, slots=True)
class NewMailbox:
    """An SMTP mailbox to be made (endpoint row 39). Without a password (8 to 24 characters) Mailin makes one up."""

    username: str
    name: str
    password: SecretStr | None = None

    def as_sent(self) -> dict[str, JsonValue]:
        """Its JSON."""
        sent: dict[str, JsonValue] = {"username": self.username, "name": self.name}
        return sent if self.password is None else sent | {"password": self.password.get_secret_value()}


@dataclass(frozen=True, slots=True)
class NewGoogleMailbox:
    """A Google mailbox to be made (endpoint row 51)."""

    username: str
    first_name: str
    last_name: str

    def as_sent(self) -> dict[str, JsonValue]:
        """Its JSON."""
        return {"username": self.username, "first_name": self.first_name, "last_name": self.last_name}


class Totp(Shape):
    """A one-time log-in code of a Google mailbox (endpoint row 54)."""

    code: Annotated[OptionalSecret, Field(validation_alias=AliasChoices("totp", "code"))] = None
    expires_at: Epoch = None


class Credentials(Shape):
    """What opens a Google mailbox (endpoint row 55). None where Mailin does not tell."""

    password: OptionalSecret = None
    totp_secret: Annotated[OptionalSecret, Field(validation_alias=AliasChoices("secret", "totp_secret"))] = None
    app_password: OptionalSecret = None
    """In groups, as Google writes it; the spaces may be left out when typing it."""
