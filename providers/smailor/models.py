"""Smailor's requests and answers. Not one answer is documented in full: any likely spelling is understood."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    model_validator,
)

from providers.answers import Count, Listed, Name, Secret, Shape, Text, moment, text

MOST_TEMPLATES = 50
"""In one account (endpoint row 11)."""
SHORTEST_BODY = 10
"""Characters of a template's HTML (endpoint row 11)."""


class Reputation(StrEnum):
    """What Smailor thinks of a domain. BLOCKED means that no mailbox can be created on it."""

    HEALTHY = "healthy"
    WATCH = "watch"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


_REPUTATIONS = {reputation.value: reputation for reputation in Reputation if reputation is not Reputation.UNKNOWN}
_INNER_OBJECTS = ("reputation", "stats", "stats30d", "stats_30d", "last30Days", "last_30_days", "metrics")
_REPUTATION_KEYS = ("reputationStatus", "reputation_status", "reputation", "status")


def _word(value: Any) -> str:
    return "" if value is None else str(value).strip().lower()


def _text_or_none(value: Any) -> str | None:
    return text(value) or None


def _yes_or_no(value: Any) -> bool | None:
    yes, no = ("true", "1", "yes", "verified", "active"), ("false", "0", "no", "unverified", "pending", "failed")
    return True if _word(value) in yes else False if _word(value) in no else None


def _texts(value: Any) -> tuple[str, ...]:
    """Ids out of a list of ids or of objects with an `id`; one alone counts as a list of one."""
    found = value if isinstance(value, list) else [value]
    texts = (text(inner.get("id") if isinstance(inner, dict) else inner) for inner in found)
    return tuple(text for text in texts if text)


Maybe = Annotated[bool | None, BeforeValidator(_yes_or_no)]


class _Answer(Shape):
    model_config = ConfigDict(validate_by_name=True)


class _Wanted(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class Domain(_Answer):
    """A custom domain with how it did over the last 30 days (endpoint row 7). None is "Smailor does not say"."""

    name: Annotated[Listed, Field(validation_alias=AliasChoices("domain", "name", "domainName", "hostname"))]
    verified: Annotated[Maybe, Field(validation_alias=AliasChoices("verified", "isVerified", "is_verified"))] = None
    sends: Annotated[
        Count,
        Field(validation_alias=AliasChoices("sends", "sends30d", "sends_30d", "sent", "sent30d", "sent_30d")),
    ] = None
    bounces: Annotated[Count, Field(validation_alias=AliasChoices("bounces", "bounces30d", "bounces_30d"))] = None
    complaints: Annotated[
        Count, Field(validation_alias=AliasChoices("complaints", "complaints30d", "complaints_30d"))
    ] = None
    raw_reputation: Text = ""
    advice: Annotated[
        Text, Field(validation_alias=AliasChoices("recommendation", "recommendationMessage", "advice", "message"))
    ] = ""
    """Smailor's own recommendation."""

    @property
    def reputation(self) -> Reputation:
        """The reputation in our vocabulary."""
        return _REPUTATIONS.get(_word(self.raw_reputation), Reputation.UNKNOWN)

    @property
    def takes_mailboxes(self) -> bool:
        """Whether creating a mailbox may work. Only what is certain to be refused is a no: an unknown word is not."""
        return self.verified is not False and self.reputation is not Reputation.BLOCKED

    @model_validator(mode="before")
    @classmethod
    def _flatten(cls, row: Any) -> Any:
        if not isinstance(row, dict):
            return row
        flat: dict[str, Any] = {}
        for name in _INNER_OBJECTS:
            inner = row.get(name)
            if isinstance(inner, dict):
                flat |= inner
        inner_status = flat.get("status")
        flat |= {name: value for name, value in row.items() if not isinstance(value, dict)}
        words = [inner_status, *(flat.get(name) for name in _REPUTATION_KEYS)]
        said = [word for word in words if isinstance(word, str) and word]
        known = [word for word in said if _word(word) in _REPUTATIONS]
        # `status` may be about the verification: then it is a reputation only if it sounds like one.
        states = [word for word in said if _yes_or_no(word) is None]
        flat.setdefault("raw_reputation", next(iter(known or states), ""))
        if "verified" not in flat and _word(flat.get("status")) in ("verified", "unverified", "pending", "failed"):
            flat["verified"] = flat["status"]
        return flat


class NewMailbox(_Answer):
    """A mailbox that was created (endpoint row 8).

    `password` is there only if Smailor sent one, and cannot be asked for later: show it once, privately, and keep it
    nowhere. `remaining` is what is left of the plan, if said.
    """

    id: Text = ""
    address: Annotated[Name, Field(validation_alias=AliasChoices("address", "email", "emailAddress", "email_address"))]
    display_name: Annotated[Text, Field(validation_alias=AliasChoices("displayName", "display_name"))] = ""
    password: Secret = None
    remaining: Count = None


class SentMessage(_Answer):
    """An e-mail that Smailor has taken (endpoint row 9). `remaining` is what is left of the plan, if said."""

    id: Annotated[Text, Field(validation_alias=AliasChoices("id", "messageId", "message_id"))] = ""
    remaining: Count = None


class Template(_Answer):
    """A reply template (endpoint rows 10 to 13). No groups means all groups."""

    id: Text = ""
    name: Text = ""
    description: Text = ""
    subject: Text = ""
    body_html: Annotated[Text, Field(validation_alias=AliasChoices("body_html", "bodyHtml", "html"))] = ""
    body_text: Annotated[Text, Field(validation_alias=AliasChoices("body_text", "bodyText", "text"))] = ""
    is_default: Annotated[Maybe, Field(validation_alias=AliasChoices("is_default", "isDefault"))] = None
    group_ids: Annotated[
        tuple[str, ...],
        BeforeValidator(_texts),
        Field(validation_alias=AliasChoices("group_ids", "groupIds", "groups")),
    ] = ()
    times_used: Annotated[
        Count,
        Field(validation_alias=AliasChoices("use_count", "usage_count", "times_used", "useCount", "usageCount")),
    ] = None
    updated_at: Annotated[
        datetime | None,
        BeforeValidator(moment),
        Field(validation_alias=AliasChoices("updated_at", "updatedAt")),
    ] = None

    @model_validator(mode="after")
    def _is_a_template(self) -> Template:
        if not self.id and not self.name:
            raise ValueError("neither an id nor a name")
        return self


class ListedTemplate(Template):
    """A template of the list, which can be asked about."""

    id: Annotated[Text, Field(min_length=1)]


class WantedTemplate(_Wanted):
    """A template to be created (endpoint row 11). What is None is not sent."""

    name: Annotated[str, Field(min_length=1)]
    subject: Annotated[str, Field(min_length=1)]
    body_html: Annotated[str, Field(min_length=SHORTEST_BODY)]
    description: str | None = None
    body_text: str | None = None
    is_default: bool | None = None
    group_ids: tuple[str, ...] | None = None


class TemplateChanges(_Wanted):
    """What is to be different (endpoint row 13). Only what was given is sent: `group_ids=()` asks for all groups."""

    name: Annotated[str, Field(min_length=1)] | None = None
    description: str | None = None
    subject: Annotated[str, Field(min_length=1)] | None = None
    body_html: Annotated[str, Field(min_length=SHORTEST_BODY)] | None = None
    body_text: str | None = None
    is_default: bool | None = None
    group_ids: tuple[str, ...] | None = None


class Rendered(_Answer):
    """A template filled in for a ticket (endpoint row 15). It is about a customer: not shown by `repr`, not to be kept.

    Placeholders that Smailor does not know are still in it.
    """

    subject: Annotated[Text, Field(repr=False)] = ""
    html: Annotated[Text, Field(repr=False, validation_alias=AliasChoices("html", "body_html"))] = ""
    text: Annotated[Text, Field(repr=False, validation_alias=AliasChoices("text", "body_text"))] = ""

    @model_validator(mode="after")
    def _says_something(self) -> Rendered:
        if not (self.subject or self.html or self.text):
            raise ValueError("nothing was rendered")
        return self


class Refusal(_Answer):
    """The body of a "no": its code word, a sentence, and reasons by field; each empty where there is none."""

    code: str = ""
    message: str = ""
    fields: dict[str, list[str]] = Field(default_factory=dict)


def unwrapped(body: JsonValue, name: str) -> dict[str, JsonValue]:
    """The one thing an answer is about, by itself or under its name, with what stands beside it."""
    if not isinstance(body, dict):
        return {}
    for key in (name, "data"):
        inner = body.get(key)
        if isinstance(inner, dict):
            return {**body, **unwrapped(inner, name)}
    return body


def refusal(body: JsonValue, known: Mapping[str, object]) -> Refusal:
    """What a "no" says, under whichever key. A word that is `known` is its code before any other."""
    if not isinstance(body, dict):
        return Refusal()
    inner = body.get("error")
    said = {**body, **inner} if isinstance(inner, dict) else body
    texts = [text for key in ("error", "code", "message", "detail") if isinstance(text := said.get(key), str) and text]
    code = next((text for text in texts if _word(text) in known), "") or next((t for t in texts if " " not in t), "")
    message = next((text for text in reversed(texts) if text != code), "")
    return Refusal(code=_word(code), message=message, fields=_reasons(said))


def _reasons(said: Mapping[str, JsonValue]) -> dict[str, list[str]]:
    """Reasons by field out of `{field: text or [text]}`, or `[{path, message}]`, wherever validators put them."""
    details = said.get("details")
    places = [said.get("errors"), said.get("fieldErrors"), said.get("issues"), details]
    if isinstance(details, dict):
        places.insert(0, details.get("fieldErrors"))
    for place in places:
        if isinstance(place, dict) and place:
            return {str(name): list(_texts(texts)) for name, texts in place.items() if _texts(texts)}
        if isinstance(place, list):
            found: dict[str, list[str]] = {}
            for issue in place:
                if isinstance(issue, dict):
                    path = issue.get("path") or issue.get("field") or ""
                    name = ".".join(map(str, path)) if isinstance(path, list) else str(path)
                    found.setdefault(name, []).append(text(issue.get("message")))
            if found:
                return found
    return {}
