"""ScaledMail's requests and answers. Five of its six answers are undocumented: any likely spelling is understood."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
)

from providers.answers import Count, Listed, Name, Shape, Text, domain_name, how_many, read_rows, secret

CURRENCY = "USD"
"""What ScaledMail's prices are in; its answers do not say."""


class Platform(StrEnum):
    """Whose mailboxes they are."""

    GOOGLE = "google"
    OUTLOOK = "outlook"
    SMTP = "smtp"
    UNKNOWN = "unknown"


class DomainStatus(StrEnum):
    """How far a domain is. ACTIVE says nothing about its payment."""

    ACTIVE = "active"
    PENDING = "pending"
    INACTIVE = "inactive"
    UNKNOWN = "unknown"


class PaymentStatus(StrEnum):
    """Whether what a domain belongs to is paid. Most answers do not say: UNKNOWN."""

    PAID = "paid"
    DUE = "due"
    """Not paid yet: the charge failed, or somebody has to confirm it."""
    UNKNOWN = "unknown"


_PLATFORMS = {
    "google": Platform.GOOGLE,
    "google_workspace": Platform.GOOGLE,
    "gmail": Platform.GOOGLE,
    "outlook": Platform.OUTLOOK,
    "microsoft": Platform.OUTLOOK,
    "microsoft_365": Platform.OUTLOOK,
    "office365": Platform.OUTLOOK,
    "azure": Platform.OUTLOOK,
    "smtp": Platform.SMTP,
}
_STATUSES = {
    **dict.fromkeys(("active", "live", "ready", "completed", "in_use", "used", "true", "1"), DomainStatus.ACTIVE),
    **dict.fromkeys(
        ("pending", "processing", "in_progress", "provisioning", "setting_up", "queued", "new"), DomainStatus.PENDING
    ),
    **dict.fromkeys(
        ("inactive", "cancelled", "canceled", "expired", "suspended", "deleted", "false", "0"), DomainStatus.INACTIVE
    ),
}
_PAYMENTS = {
    **dict.fromkeys(("paid", "succeeded", "success", "complete", "completed", "true"), PaymentStatus.PAID),
    **dict.fromkeys(
        (
            "due",
            "unpaid",
            "failed",
            "incomplete",
            "past_due",
            "open",
            "pending",
            "requires_action",
            "requires_confirmation",
            "requires_payment_method",
            "unable_to_charge",
            "false",
        ),
        PaymentStatus.DUE,
    ),
}


def _word(value: Any) -> str:
    return "" if value is None else "_".join(str(value).lower().replace("-", " ").replace("_", " ").split())


def _price(value: Any) -> Decimal | None:
    """A price out of 23, 23.5 or "$1,023.50"; None for whatever is not a finite amount of zero or more."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        price = Decimal(str(value).strip().removeprefix("$").replace(",", ""))
    except InvalidOperation:
        return None
    return price if price.is_finite() and 0 <= price < 10**8 else None


def _names(value: Any) -> tuple[str, ...]:
    """Domain names out of a name, an object that has one, or a list of either."""
    if isinstance(value, str):
        return (value,) if value else ()
    if isinstance(value, dict):
        return _names(next((value[key] for key in ("domain", "name", "domain_name") if value.get(key)), None))
    if isinstance(value, list):
        return tuple(name for inner in value for name in _names(inner))
    return ()


Price = Annotated[Decimal | None, BeforeValidator(_price)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


class _Answer(Shape):
    model_config = ConfigDict(validate_by_name=True)


class _Wanted(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class Organization(_Answer):
    """One of the account's organizations (endpoint row 1)."""

    id: Annotated[Name, Field(validation_alias=AliasChoices("id", "organization_id", "organizationId", "_id"))]
    name: Annotated[Text, Field(validation_alias=AliasChoices("name", "organization_name", "title"))] = ""


class PrewarmMailbox(_Answer):
    """A mailbox of a pre-warmed domain: who it says it is, and the part before the @."""

    first_name: Text = ""
    last_name: Text = ""
    alias: Text = ""


class PrewarmInbox(_Answer):
    """A pre-warmed domain on the shelf (endpoint row 2), at its price in USD for the whole domain.

    `mailboxes` may hold fewer than `mailbox_count`, or none: the count is what is sold.
    """

    id: Name
    domain: Name
    platform: Platform = Platform.UNKNOWN
    warmup_months: Annotated[Count, Field(validation_alias="warmup_age")] = None
    mailbox_count: Annotated[Count, Field(validation_alias="emailMailboxCount")] = None
    one_time_price: Price = None
    monthly_price: Price = None
    mailboxes: Annotated[tuple[PrewarmMailbox, ...], Field(validation_alias="emailMailbox")] = ()


class Stock(_Answer):
    """All that can be bought pre-warmed at this moment. ScaledMail's own total may differ from what it lists."""

    inboxes: tuple[PrewarmInbox, ...]
    stated_total: int | None = None
    unknown_platforms: tuple[str, ...] = ()
    """ScaledMail's words for shelves that Postroom does not know."""
    unreadable: int = 0

    def inbox(self, domain: str) -> PrewarmInbox | None:
        """The one of this name, None when it is not (or no longer) for sale."""
        wanted = domain.lower()
        return next((inbox for inbox in self.inboxes if str(domain_name(inbox.domain)).lower() == wanted), None)


class Domain(_Answer):
    """A domain of an organization, from either listing (endpoint rows 4 and 5).

    `tag` is what was sent with its order. `id` is what its mailboxes are asked for by.
    """

    id: Annotated[Text, Field(validation_alias=AliasChoices("id", "domain_id", "domainId", "_id"))] = ""
    name: Annotated[Listed, Field(validation_alias=AliasChoices("domain", "name", "domain_name", "domainName"))]
    tag: Annotated[Text, Field(validation_alias=AliasChoices("tag", "order_tag", "orderTag"))] = ""
    order_id: Annotated[
        Text, Field(validation_alias=AliasChoices("order_id", "orderId", "payment_id", "paymentId"))
    ] = ""
    raw_status: Annotated[Text, Field(validation_alias=AliasChoices("status", "state"))] = ""
    raw_payment: Annotated[Text, Field(validation_alias=AliasChoices("payment_status", "paymentStatus", "payment"))] = (
        ""
    )
    raw_platform: Annotated[Text, Field(validation_alias=AliasChoices("provider", "type", "service"))] = ""
    redirect: Annotated[Text, Field(validation_alias=AliasChoices("redirect", "redirect_url", "redirectUrl"))] = ""
    mailbox_count: Annotated[
        Count, Field(validation_alias=AliasChoices("emailMailboxCount", "mailbox_count", "mailboxCount"))
    ] = None

    @property
    def status(self) -> DomainStatus:
        """The status in our vocabulary."""
        return _STATUSES.get(_word(self.raw_status), DomainStatus.UNKNOWN)

    @property
    def payment(self) -> PaymentStatus:
        """Whether it is paid, as far as the answer says."""
        return _PAYMENTS.get(_word(self.raw_payment), PaymentStatus.UNKNOWN)

    @property
    def platform(self) -> Platform:
        """Whose mailboxes it has."""
        return _PLATFORMS.get(_word(self.raw_platform), Platform.UNKNOWN)

    def was_ordered_with(self, tag: str) -> bool:
        """Whether `tag` is the tag of its order, or the first words of it."""
        said, wanted = self.tag.strip().lower(), tag.strip().lower()
        return bool(wanted) and (said == wanted or said.startswith(f"{wanted} "))


class Mailbox(_Answer):
    """A mailbox of a domain (endpoint row 6), without its password even where the answer carries one.

    `email` is the part before the @ alone where ScaledMail gives no more.
    """

    id: Annotated[Text, Field(validation_alias=AliasChoices("id", "mailbox_id", "mailboxId", "_id"))] = ""
    email: Annotated[
        Name, Field(validation_alias=AliasChoices("email", "email_address", "address", "username", "alias"))
    ]
    first_name: Annotated[Text, Field(validation_alias=AliasChoices("first_name", "firstName"))] = ""
    last_name: Annotated[Text, Field(validation_alias=AliasChoices("last_name", "lastName"))] = ""
    raw_status: Annotated[Text, Field(validation_alias=AliasChoices("status", "state"))] = ""

    @property
    def status(self) -> DomainStatus:
        """The status in our vocabulary."""
        return _STATUSES.get(_word(self.raw_status), DomainStatus.UNKNOWN)


class MailboxPassword(_Answer):
    """A mailbox with its password, to be shown once; None where ScaledMail has set none yet."""

    email: Annotated[
        Name, Field(validation_alias=AliasChoices("email", "email_address", "address", "username", "alias"))
    ]
    password: Annotated[
        SecretStr | None,
        BeforeValidator(secret),
        Field(
            validation_alias=AliasChoices("password", "app_password", "appPassword", "smtp_password", "smtpPassword")
        ),
    ] = None


class WantedInbox(_Wanted):
    """One pre-warmed domain of a purchase: `id` and `domain` as they are on the shelf, `redirect` a URL or domain."""

    id: Annotated[str, Field(min_length=1)]
    domain: Annotated[str, Field(min_length=1)]
    redirect: str | None = None


class Sequencer(_Wanted):
    """The sending tool into which ScaledMail logs in to put the new mailboxes there. The password leaves in clear."""

    provider: Annotated[str, Field(min_length=1)]
    """Its name in ScaledMail's words, such as Instantly."""
    username: Annotated[str, Field(min_length=1)]
    password: SecretStr
    link: Annotated[str, Field(min_length=1)]
    workspace: str | None = None
    tag: str | None = None

    def for_sending(self) -> dict[str, JsonValue]:
        """As it travels, password included: to be handed to the transport and nowhere else."""
        sent: dict[str, JsonValue] = self.model_dump(exclude_none=True, exclude={"password"})
        return {**sent, "password": self.password.get_secret_value()}


class Purchase(_Answer):
    """What ScaledMail says of a purchase that it has taken (endpoint row 3). Every field may be empty.

    That a name is not in `left_out` proves nothing: the listings decide what was bought.
    """

    order_id: Annotated[
        Text,
        Field(validation_alias=AliasChoices("order_id", "orderId", "payment_id", "paymentId", "subscription_id", "id")),
    ] = ""
    raw_status: Annotated[Text, Field(validation_alias=AliasChoices("status", "state"))] = ""
    message: Text = ""
    left_out: Annotated[
        Names, Field(validation_alias=AliasChoices("unavailable", "failed", "skipped", "not_available"))
    ] = ()
    """Domains that it says it did not have any more."""


class Refusal(_Answer):
    """The body of a "no": its sentence, wherever it stands."""

    message: Annotated[Text, Field(validation_alias=AliasChoices("message", "error", "detail"))] = ""


def stock(body: JsonValue) -> Stock | None:
    """The shelves (endpoint row 2), also ones that are not documented. None if there is no shelf at all."""
    if isinstance(body, dict) and isinstance(body.get("data"), dict | list):
        body = body["data"]
    if isinstance(body, list):
        body = {"": body}
    if not isinstance(body, dict):
        return None
    shelves = {name: rows for name, rows in body.items() if isinstance(rows, list)}
    if not shelves:
        return None
    inboxes: list[PrewarmInbox] = []
    unreadable = 0
    for name, rows in shelves.items():
        platform = _PLATFORMS.get(_word(name), Platform.UNKNOWN)
        read = read_rows(PrewarmInbox, [_flat(row, platform) for row in rows])
        inboxes += read
        unreadable += read.unreadable
    return Stock(
        inboxes=tuple(inboxes),
        stated_total=how_many(body.get("total")),
        unknown_platforms=tuple(name for name in shelves if name and _word(name) not in _PLATFORMS),
        unreadable=unreadable,
    )


def purchase(body: JsonValue) -> Purchase:
    """What an accepted purchase says (endpoint row 3), wherever it says it. Never fails: nothing of it is required."""
    said: dict[str, JsonValue] = {}
    if isinstance(body, dict):
        for name in ("data", "order", "payment", "subscription"):
            inner = body.get(name)
            if isinstance(inner, dict):
                said |= inner
        said |= body
    return Purchase.model_validate(said)


def flattened_order(row: JsonValue) -> JsonValue:
    """A domain's row with what its order says (tag, id, payment) beside the rest, where it stands in an object."""
    order = row.get("order") if isinstance(row, dict) else None
    if not isinstance(row, dict) or not isinstance(order, dict):
        return row
    of_order = {"tag": order.get("tag"), "order_id": order.get("id"), "payment_status": order.get("payment_status")}
    return {**{name: value for name, value in of_order.items() if value is not None}, **row}


def _flat(row: JsonValue, platform: Platform) -> JsonValue:
    if not isinstance(row, dict):
        return row
    if platform is Platform.UNKNOWN:
        platform = _PLATFORMS.get(_word(row.get("provider") or row.get("type")), Platform.UNKNOWN)
    pricing = row.get("pricing")
    mailboxes = row.get("emailMailbox")
    flat: dict[str, JsonValue] = {
        **row,
        "platform": platform.value,
        "emailMailbox": [box for box in mailboxes if isinstance(box, dict)] if isinstance(mailboxes, list) else [],
    }
    if isinstance(pricing, Mapping):
        flat |= {"one_time_price": pricing.get("oneTimePrice"), "monthly_price": pricing.get("monthlyPrice")}
    return flat
