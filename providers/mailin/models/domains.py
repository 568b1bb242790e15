"""Domains, and what Mailin says of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AliasChoices, BeforeValidator, Field

from providers.answers import domain_name
from providers.mailin.lenient import Moment, Names, Number, OptionalText, Shape, Text, YesOrNo, one_of

Hosting = Literal["smtp", "google"]


class DomainStatus(StrEnum):
    """The status of a domain or of its name servers: "1" and "Active" are one word here, "0" and "Inactive" another."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    UNKNOWN = "unknown"


_DOMAIN_STATUSES = {
    "1": DomainStatus.ACTIVE,
    "true": DomainStatus.ACTIVE,
    "active": DomainStatus.ACTIVE,
    "0": DomainStatus.INACTIVE,
    "false": DomainStatus.INACTIVE,
    "inactive": DomainStatus.INACTIVE,
}
Status = Annotated[DomainStatus, one_of(_DOMAIN_STATUSES, DomainStatus.UNKNOWN, "domain status")]


class Domain(Shape):
    """A domain of the account, from a listing or by itself (endpoint rows 23 to 25, 45)."""

    id: Number = None
    name: Annotated[str, BeforeValidator(domain_name), Field(min_length=1)]
    main_domain: OptionalText = None
    """The main domain's name, or its id as text: Mailin gives either."""
    name_servers: Names = ()
    name_server_status: Status = DomainStatus.UNKNOWN
    status: Status = DomainStatus.UNKNOWN
    domain_provider: Text = ""
    provider_type: Text = ""
    created_at: Moment = None
    updated_at: Moment = None


class Availability(Shape):
    """Whether a name is free (endpoint row 26); None when the answer does not say."""

    available: YesOrNo = None


class Transfer(Shape):
    """A transfer that Mailin has begun (endpoint rows 22, 30, 48).

    `name_servers` are to be set at the registrar, and come with the transfers of SMTP and Google domains; `domain_id`
    comes with one from InboxKit.
    """

    name_servers: Annotated[Names, Field(validation_alias=AliasChoices("name_servers", "nameservers"))] = ()
    domain_id: Number = None


class RateLimit(Shape):
    """How much a domain or a mailbox may send (endpoint rows 33, 44): `500 / d`, `50`, `500 / 1h`, None if not said."""

    id: Number
    name: Annotated[Text, Field(validation_alias=AliasChoices("username", "name"))] = ""
    rate_limit: OptionalText = None
