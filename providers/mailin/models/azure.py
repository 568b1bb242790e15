"""Azure orders: a hundred Microsoft mailboxes on one domain."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field, JsonValue

from providers.answers import domain_name
from providers.mailin.lenient import (
    OBJECT_OR_NONE,
    OBJECTS,
    RAW_STATUS,
    Moment,
    Names,
    Number,
    OptionalSecret,
    Shape,
    Text,
    Texts,
    YesOrNo,
    one_of,
)
from providers.mailin.models.sequencers import InboxProvider, Registrar


class AzureState(StrEnum):
    """How an order, or its name servers, are getting on. Only "ready" is documented."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
    UNKNOWN = "unknown"


_AZURE_STATES = {
    "ready": AzureState.READY,
    "pending": AzureState.PENDING,
    "processing": AzureState.PENDING,
    "in_progress": AzureState.PENDING,
    "failed": AzureState.FAILED,
}
_AzureWord = Annotated[AzureState, one_of(_AZURE_STATES, AzureState.UNKNOWN, "azure status")]


@dataclass(frozen=True, slots=True)
class NewAzureMailbox:
    """One of the hundred mailboxes of an order whose mailboxes are given."""

    name: str
    email: str

    def as_sent(self) -> dict[str, JsonValue]:
        """Its JSON."""
        return {"name": self.name, "email": self.email}


class AzureMailbox(Shape):
    """A mailbox of an order (endpoint rows 70, 73), without its password."""

    name: Text = ""
    username: Text = ""


class AzureLogin(Shape):
    """A mailbox of an order with its password, None where Mailin shows asterisks (endpoint row 73)."""

    name: Text = ""
    username: Text = ""
    password: OptionalSecret = None


class AzureOrder(Shape):
    """An order (endpoint row 70)."""

    id: Number = None
    domain: Annotated[str, BeforeValidator(domain_name), Field(min_length=1)]
    mailbox_mode: Text = ""
    full_name: Texts = ()
    is_purchase: YesOrNo = None
    provider_id: Number = None
    domain_registrar_id: Number = None
    provider: Annotated[InboxProvider | None, OBJECT_OR_NONE] = None
    registrar: Annotated[Registrar | None, OBJECT_OR_NONE] = None
    mailboxes: Annotated[tuple[AzureMailbox, ...], OBJECTS] = ()
    created_at: Moment = None


class AzureStatus(Shape):
    """How an order is getting on (endpoint row 72). `raw_status` is Mailin's own word."""

    id: Number = None
    state: Annotated[_AzureWord, Field(validation_alias=AliasChoices("status", "state"))]
    raw_status: Annotated[Text, Field(validation_alias=RAW_STATUS)] = ""


class AzureNameServers(Shape):
    """The name servers to set for an order's domain (endpoint row 71)."""

    state: Annotated[_AzureWord, Field(validation_alias=AliasChoices("status", "state"))]
    raw_status: Annotated[Text, Field(validation_alias=RAW_STATUS)] = ""
    name_servers: Annotated[Names, Field(validation_alias=AliasChoices("nameservers", "name_servers"))] = ()


class UploadStatus(Shape):
    """How far an order's mailboxes have got into the sequencer (endpoint row 79)."""

    total: Number
    uploaded: Number = None
    already_elsewhere: Annotated[
        Number, Field(validation_alias=AliasChoices("alreadyExistsOtherAccount", "already_elsewhere"))
    ] = None
    pending: Number = None
    failed: Number = None

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to be tried. Before anything was begun (a total of 0) nothing is finished."""
        return bool(self.total) and self.pending == 0

    @property
    def is_complete(self) -> bool:
        """Whether all of it arrived."""
        return self.is_finished and not self.failed and not self.already_elsewhere
