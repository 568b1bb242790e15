"""Instantly's answers, read leniently (numbers come as text, statuses as numbers), and what is sent to it, exactly.

Nothing here keeps a credential, except `ApiKey`, whose very purpose it is. Accounts are named tuples rather than
validated models, for their speed: a workspace may have ten thousand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import AliasPath, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, SecretStr
from pydantic.alias_generators import to_camel

from providers.answers import Number, Rows, Shape, Text, left_out, moment, text, whole


class AccountStatus(StrEnum):
    """How a sending account is doing. UNKNOWN is a number that nobody has documented."""

    ACTIVE = "active"
    PAUSED = "paused"
    MAINTENANCE = "maintenance"
    CONNECTION_ERROR = "connection_error"
    SOFT_BOUNCE = "soft_bounce"
    SENDING_ERROR = "sending_error"
    UNKNOWN = "unknown"


class CampaignStatus(StrEnum):
    """How a campaign is doing. UNKNOWN is a number that nobody has documented."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    RUNNING_SUBSEQUENCES = "running_subsequences"
    ACCOUNTS_UNHEALTHY = "accounts_unhealthy"
    BOUNCE_PROTECT = "bounce_protect"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"


_ACCOUNT_STATUSES: Mapping[int, AccountStatus] = {
    1: AccountStatus.ACTIVE,
    2: AccountStatus.PAUSED,
    3: AccountStatus.MAINTENANCE,
    -1: AccountStatus.CONNECTION_ERROR,
    -2: AccountStatus.SOFT_BOUNCE,
    -3: AccountStatus.SENDING_ERROR,
}
ACCOUNT_STATUS_NUMBERS: Mapping[AccountStatus, int] = {status: number for number, status in _ACCOUNT_STATUSES.items()}
"""The number by which Instantly filters for a status (endpoint row 92). UNKNOWN has none."""
_CAMPAIGN_STATUSES: Mapping[int, CampaignStatus] = {
    0: CampaignStatus.DRAFT,
    1: CampaignStatus.ACTIVE,
    2: CampaignStatus.PAUSED,
    3: CampaignStatus.COMPLETED,
    4: CampaignStatus.RUNNING_SUBSEQUENCES,
    -1: CampaignStatus.ACCOUNTS_UNHEALTHY,
    -2: CampaignStatus.BOUNCE_PROTECT,
    -99: CampaignStatus.SUSPENDED,
}

_NOTHING: Mapping[str, Any] = {}
_MALFORMED_ID = "22P02"
_COULD_NOT_CREATE = "could not create campaign"


def _word(value: Any) -> str:
    """A word as it was said, so that one that nobody has documented is noted; of what is no word, what it is."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return "" if value is None else str(value)


def _score_or_none(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        score = float(value)
    except (ValueError, OverflowError):
        return None
    return score if abs(score) < 1e9 else None  # neither infinity nor "not a number"


def _count(value: Any) -> int:
    return max(0, whole(value) or 0)


def _object(value: Any) -> Mapping[str, Any]:
    return value if type(value) is dict else _NOTHING


def _complaint(value: Any) -> str:
    """The text of an `error`; null, false and all that is empty are none."""
    return str(value) if value else ""


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(inner for inner in value if isinstance(inner, str)) if isinstance(value, list) else ()


Count = Annotated[int, BeforeValidator(_count)]
Moment = Annotated[datetime | None, BeforeValidator(moment)]
Id = Annotated[str, BeforeValidator(text), Field(min_length=1, max_length=100)]


class Campaign(Shape):
    """A campaign (endpoint rows 88 and 89). `raw_status` is Instantly's own number, as text."""

    id: Id
    name: Text = Field("", validation_alias=AliasPath("payload", "name"))
    raw_status: Annotated[str, BeforeValidator(_word)] = Field("", validation_alias="status")
    created_at: Moment = Field(None, validation_alias="timestamp_created")
    owned_by: Text = ""
    not_sending_status: Text = ""
    """Why it is not sending, in Instantly's own word or number; empty when it is."""
    schedule: JsonValue = Field(None, validation_alias="campaign_schedule")
    """When it may send, as Instantly writes it; None as long as nobody has set it."""

    @property
    def status(self) -> CampaignStatus:
        """The status in our vocabulary."""
        number = whole(self.raw_status)
        return CampaignStatus.UNKNOWN if number is None else _CAMPAIGN_STATUSES.get(number, CampaignStatus.UNKNOWN)


class CampaignData(Shape):
    """The answer of endpoint row 89, which holds all of a campaign but its id."""

    campaign: dict[str, Any]


class Tag(NamedTuple):
    """A label that people have put on sending accounts."""

    id: str
    label: str


class SendingAccount(NamedTuple):
    """A mailbox that campaigns send from (endpoint row 92). The limits are numbers here, text at Instantly.

    `sending_gap` is in the unit of the account's own page: the documents disagree whether it is seconds or minutes.
    """

    email: str
    first_name: str = ""
    last_name: str = ""
    raw_status: str = ""
    """Instantly's own number, as text."""
    warmup_status: int | None = None
    warmup_score: float | None = None
    """0 to 100; None where Instantly has none yet."""
    provider_code: int | None = None
    daily_limit: int | None = None
    sending_gap: int | None = None
    warmup_limit: int | None = None
    tags: tuple[Tag, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def status(self) -> AccountStatus:
        """The status in our vocabulary."""
        number = whole(self.raw_status)
        return AccountStatus.UNKNOWN if number is None else _ACCOUNT_STATUSES.get(number, AccountStatus.UNKNOWN)


def parse_accounts(body: Any) -> Rows[SendingAccount]:
    """The accounts of endpoint row 92; those without an address are left out. Raises ValueError where there is none."""
    accounts = body.get("accounts") if isinstance(body, dict) else None
    if not isinstance(accounts, list):
        raise ValueError("no accounts")
    return left_out(accounts, [account for account in map(_account, accounts) if account is not None])


def _account(facts: Any) -> SendingAccount | None:
    email = facts.get("email") if isinstance(facts, dict) else None
    if not isinstance(email, str) or not email.strip():
        return None
    payload = _object(facts.get("payload"))
    name = _object(payload.get("name"))
    tags = facts.get("tags")
    return SendingAccount(  # by position, which takes half the time: in the order in which they are declared
        email,
        text(name.get("first")),
        text(name.get("last")),
        _word(facts.get("status")),
        whole(facts.get("warmup_status")),
        _score_or_none(facts.get("stat_warmup_score")),
        whole(facts.get("provider_code")),
        whole(payload.get("daily_limit")),
        whole(payload.get("sending_gap")),
        whole(_object(payload.get("warmup")).get("limit")),
        tuple([Tag(text(tag.get("id")), text(tag.get("label"))) for tag in tags if isinstance(tag, dict)])
        if isinstance(tags, list)
        else (),
        moment(facts.get("timestamp_created")),
        moment(facts.get("timestamp_updated")),
    )


@dataclass(frozen=True, slots=True)
class AccountPage:
    """A piece of the list of accounts, by what was asked for."""

    accounts: tuple[SendingAccount, ...]
    skip: int
    limit: int
    rows: int
    """How many it had: some may have been left out, and Instantly may give fewer than the limit at a time."""


class LeadImport(Shape):
    """What came of the leads that were added (endpoint row 95): a success may be a success in part."""

    total_sent: Count = 0
    leads_uploaded: Annotated[int, BeforeValidator(_count)]
    in_blocklist: Count = 0
    already_in_campaign: Count = 0
    skipped_count: Count = 0
    invalid_email_count: Count = 0
    duplicate_email_count: Count = 0
    remaining_in_plan: Number = None
    """How many more leads the plan has room for; None where Instantly does not say."""


class ApiKey(Shape):
    """A key that was just made (endpoint row 94). `key` opens everything in the workspace, and is told only once."""

    id: Text = ""
    name: Text = ""
    scopes: Annotated[tuple[str, ...], BeforeValidator(_texts)] = ()
    key: Annotated[SecretStr, Field(min_length=1)]
    created_at: Moment = Field(None, validation_alias="timestamp_created")


class Refusal(Shape):
    """A "no" in any of the three shapes: `{error}`, `{detail}` and `{statusCode, code, error, message}`."""

    error: Annotated[str, BeforeValidator(_complaint)] = ""
    detail: Annotated[str, BeforeValidator(_complaint)] = ""
    message: Annotated[str, BeforeValidator(_complaint)] = ""
    code: Text = ""

    @property
    def has_malformed_id(self) -> bool:
        """Whether it is the database's complaint about a text that is no uuid, which comes as a 500."""
        return self.code == _MALFORMED_ID

    @property
    def is_about_the_question(self) -> bool:
        """Whether it is one of the refusals that come as a 500, although the mistake is the asker's."""
        return self.has_malformed_id or self.error.lower().startswith(_COULD_NOT_CREATE)

    @property
    def words(self) -> str:
        """Instantly's own sentence, as good as it is; empty if it said nothing."""
        return self.message or self.detail or self.error


# What is sent.


class CampaignOptions(BaseModel):
    """The options of a campaign to change (endpoint row 90). What is None stays as it is, and is not sent.

    `email_gap` is passed on as it is: the document calls it seconds, the official API minutes.
    """

    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )

    email_list: tuple[str, ...] | None = None
    """The accounts that it sends from."""
    open_tracking: bool | None = None
    link_tracking: bool | None = None
    stop_on_reply: bool | None = None
    stop_on_auto_reply: bool | None = None
    text_only: bool | None = None
    daily_limit: Annotated[int, Field(ge=0)] | None = None
    email_gap: Annotated[int, Field(ge=0)] | None = None
    email_tag_list: tuple[str, ...] | None = None
    """The uuids of the tags whose accounts it sends from."""

    def as_sent(self) -> dict[str, JsonValue]:
        """The part of the body that these are, in Instantly's spelling."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Variant(BaseModel):
    """One way of writing an e-mail. `body` is HTML as people write it; see `with_hard_spaces`."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    subject: str
    body: str


class Step(BaseModel):
    """One e-mail of a sequence; with several variants they are tried against each other."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    variants: Annotated[tuple[Variant, ...], Field(min_length=1)]

    def as_sent(self) -> dict[str, JsonValue]:
        """Exactly the documented fields: Instantly takes no others."""
        return {
            "type": "email",
            "variants": [
                {"subject": variant.subject, "body": with_hard_spaces(variant.body)} for variant in self.variants
            ],
        }


class Limits(BaseModel):
    """The limits of a sending account to change (endpoint rows 93 and 96). What is None stays as it is."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    daily_limit: Annotated[int, Field(ge=0)] | None = None
    sending_gap: Annotated[int, Field(ge=0)] | None = None
    warmup_limit: Annotated[int, Field(ge=0)] | None = None

    def as_sent(self) -> dict[str, JsonValue]:
        """All numbers as text: Instantly ignores them otherwise, without a word."""
        return {name: str(value) for name, value in self.model_dump(exclude_none=True).items()}

    def not_applied_to(self, account: SendingAccount) -> tuple[str, ...]:
        """The names of those limits that the account does not have."""
        wanted = self.model_dump(exclude_none=True)
        return tuple(name for name, value in wanted.items() if getattr(account, name) != value)


class LimitsReadBack(BaseModel):
    """What the accounts say after their limits were changed. Every address asked for is in one of the three."""

    model_config = ConfigDict(defer_build=True, frozen=True)

    applied: tuple[str, ...]
    differing: Mapping[str, tuple[str, ...]]
    """By address, the names of the limits that are not what was asked for."""
    missing: tuple[str, ...]
    """Not among the accounts: Instantly passes over such addresses without a word."""


_TAG = re.compile(r"""<[a-zA-Z/!](?:"[^"]*"|'[^']*'|[^'"<>])*>""")


def with_hard_spaces(html: str) -> str:
    """The HTML with every space of its text written as `&nbsp;`, as sequences need it; those inside tags stay."""
    pieces: list[str] = []
    end = 0
    for tag in _TAG.finditer(html):
        pieces += [_hardened(html[end : tag.start()]), tag.group()]
        end = tag.end()
    return "".join([*pieces, _hardened(html[end:])])


def _hardened(text: str) -> str:
    return text.replace(" ", "&nbsp;").replace("\N{NO-BREAK SPACE}", "&nbsp;")
