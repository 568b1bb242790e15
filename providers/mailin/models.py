"""Mailin's answers, read leniently: it writes the same fact in several ways, and may add new words at any time."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

Hosting = Literal["smtp", "google"]


class DomainStatus(StrEnum):
    """The status of a domain or of its name servers: "1" and "Active" are one word here, "0" and "Inactive" another."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    UNKNOWN = "unknown"


class JobState(StrEnum):
    """How a batch job is getting on. UNKNOWN is a word nobody has documented: neither success nor failure."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        """Whether asking again would be pointless."""
        return self in (JobState.COMPLETED, JobState.COMPLETED_WITH_ERRORS, JobState.FAILED)


_DOMAIN_STATUSES = {
    "1": DomainStatus.ACTIVE,
    "true": DomainStatus.ACTIVE,
    "active": DomainStatus.ACTIVE,
    "0": DomainStatus.INACTIVE,
    "false": DomainStatus.INACTIVE,
    "inactive": DomainStatus.INACTIVE,
}
_JOB_STATES = {
    **{state.value: state for state in JobState if state is not JobState.UNKNOWN},
    "1": JobState.COMPLETED,
}


def _word(value: Any) -> str:
    return "" if value is None else str(value).strip().lower()


def _domain_status(value: Any) -> DomainStatus:
    return _DOMAIN_STATUSES.get(_word(value), DomainStatus.UNKNOWN)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _text_or_none(value: Any) -> str | None:
    return None if value is None else str(value)


def _names(value: Any) -> tuple[str, ...]:
    """Names out of a string ("a, b"), a list, an object ({"domain": "a"}), or any nesting of these."""
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    if isinstance(value, dict):
        return tuple(name for key, inner in value.items() for name in _names(inner) or _names(key if inner else None))
    if isinstance(value, list | tuple):
        return tuple(name for inner in value for name in _names(inner))
    return ()


def _ids(value: Any) -> tuple[str, ...]:
    """Ids as text out of a list of strings, numbers or objects with an `id`."""
    if not isinstance(value, list):
        return ()
    ids = (inner.get("id") if isinstance(inner, dict) else inner for inner in value)
    return tuple(str(inner) for inner in ids if isinstance(inner, str | int) and not isinstance(inner, bool))


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _number_or_none(value: Any) -> int | None:
    text = _word(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _yes_or_no(value: Any) -> bool | None:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(_word(value))


def _field_errors(value: Any) -> dict[str, list[str]]:
    """Laravel's `{field: [text]}`; a bare text counts as a list of one."""
    if not isinstance(value, dict):
        return {}
    return {
        str(name): [str(text) for text in texts] if isinstance(texts, list) else [str(texts)]
        for name, texts in value.items()
    }


Text = Annotated[str, BeforeValidator(_text)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Status = Annotated[DomainStatus, BeforeValidator(_domain_status)]
Moment = Annotated[datetime | None, BeforeValidator(_moment)]
Number = Annotated[int | None, BeforeValidator(_number_or_none)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Domain(_Answer):
    """A domain of the account, from a listing or by itself (endpoint rows 23 to 25, 45)."""

    id: Number = None
    name: Annotated[str, Field(min_length=1)]
    main_domain: Annotated[str | None, BeforeValidator(_text_or_none)] = None
    """The main domain's name, or its id as text: Mailin gives either."""
    name_servers: Names = ()
    name_server_status: Status = DomainStatus.UNKNOWN
    status: Status = DomainStatus.UNKNOWN
    domain_provider: Text = ""
    provider_type: Text = ""
    created_at: Moment = None
    updated_at: Moment = None


class DomainPage(_Answer):
    """One page of a listing, by the number it was asked for.

    Where Mailin does not say how much there is, `last_page` is the next page after a full one, and `total` what has
    been listed so far.
    """

    data: tuple[Domain, ...]
    page: int
    last_page: int
    total: int

    @property
    def next_page(self) -> int | None:
        """The number to ask for next, None at the end."""
        return self.page + 1 if self.data and self.page < self.last_page else None


class Listing(_Answer):
    """A listing as Mailin writes it. Its page addresses are left out on purpose: some lead to another listing."""

    data: tuple[Domain, ...]
    last_page: Number = None
    per_page: Number = None
    total: Number = None

    def as_page(self, page: int, asked_per_page: int) -> DomainPage:
        """The page with the number `page`, which is believed rather than the number in the answer."""
        per_page = self.per_page or asked_per_page
        total, last_page = self.total, self.last_page
        if last_page is None:
            if total is not None:
                last_page = max(1, -(-total // per_page))
            else:
                last_page = page + 1 if len(self.data) >= per_page else page
        if total is None:
            total = (page - 1) * per_page + len(self.data)
        return DomainPage(data=self.data, page=page, last_page=last_page, total=total)


class Availability(_Answer):
    """Whether a name is free (endpoint row 26); None when the answer does not say."""

    available: Annotated[bool | None, BeforeValidator(_yes_or_no)] = None


class Accepted(_Answer):
    """A purchase that Mailin has begun (endpoint rows 27, 29, 46, 47): `uuid` is its job."""

    uuid: Annotated[str, BeforeValidator(_text), Field(min_length=1, max_length=100)]


class Job(_Answer):
    """A batch job (endpoint row 31). `raw_status` is Mailin's own word, `domain_ids` what the job is about."""

    id: Text = ""
    raw_status: Annotated[str, BeforeValidator(_text), Field(validation_alias=AliasChoices("status", "raw_status"))]
    report: Text = ""
    domain_ids: Annotated[
        tuple[str, ...], BeforeValidator(_ids), Field(validation_alias=AliasChoices("data", "domain_ids"))
    ] = ()

    @property
    def state(self) -> JobState:
        """The status in our vocabulary."""
        return _JOB_STATES.get(_word(self.raw_status).replace(" ", "_"), JobState.UNKNOWN)


class Refusal(_Answer):
    """The body of a "no": a sentence, reasons by field, and names that cannot be had."""

    message: Text = ""
    errors: Annotated[dict[str, list[str]], BeforeValidator(_field_errors)] = Field(default_factory=dict)
    unavailable: Names = ()
