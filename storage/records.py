"""What is remembered, as plain records. Ids are prefixed by kind; times are aware UTC; JSON stays JSON here."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

Json = Mapping[str, Any]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no letter that is mistaken for a digit when an id is read out."""


def new_id(kind: str) -> str:
    """A fresh id such as `req_7k2m9x4qpd`: 50 random bits, short enough to read on a phone."""
    bits = secrets.randbits(50)
    return f"{kind}_{''.join(_ALPHABET[bits >> place & 31] for place in range(45, -1, -5))}"


class RequestState(StrEnum):
    """Where a request stands; the arrows between them are in docs/architecture.md."""

    DRAFT = "draft"
    AWAITING = "awaiting_approval"
    APPROVED = "approved"
    EXECUTING = "executing"
    WORKING = "working"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing can happen to the request any more."""
        return self in _FINAL


_FINAL = frozenset(
    {RequestState.SUCCEEDED, RequestState.FAILED, RequestState.DENIED, RequestState.EXPIRED, RequestState.CANCELLED}
)


@dataclass(frozen=True, slots=True)
class Request:
    """One thing somebody asked for, from draft to its end.

    `input`, `quote` and `outcome` are JSON of the action's own models; `fingerprint` binds votes to them. `view_id` is
    the form a draft lives in, `checking_since` is set while its names are being checked. `lease_until` guards
    `executing`. `asks_person` is true while only a person can settle an unknown outcome. An approved request is not
    sent before `not_before`; until then its approval can be undone if `stop_until` is set as well.

    `ruling` says who must decide it, as handlers/policy.py has it. `attempt` counts how often a person has had it sent.
    Since `waiting_since` it waits for a decision; at `attend_at` somebody is to be reminded, or it expires.
    `chooses_channel`: its form was opened from no channel, so it asks for one.
    """

    id: str
    team: str
    requester: str
    channel: str
    command: str
    created_at: datetime
    updated_at: datetime
    state: RequestState = RequestState.DRAFT
    provider: str = ""
    account: str = ""
    input: Json = field(default_factory=dict[str, Any])
    quote: Json | None = None
    reason: str = ""
    fingerprint: str = ""
    view_id: str = ""
    checking_since: datetime | None = None
    decided_by: str = ""
    decided_at: datetime | None = None
    decision_reason: str = ""
    outcome: Json | None = None
    asks_person: bool = False
    lease_until: datetime | None = None
    not_before: datetime | None = None
    stop_until: datetime | None = None
    ruling: Json | None = None
    attempt: int = 1
    waiting_since: datetime | None = None
    attend_at: datetime | None = None
    announced: bool = False
    reminded: int = 0
    escalated: bool = False
    chooses_channel: bool = False


class Verdict(StrEnum):
    """What an approver said."""

    APPROVE = "approve"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Vote:
    """One approver's word on one request, bound to the fingerprint they saw.

    `principal` is whose right it is: the voter's own, or that of somebody who handed it over. It counts once.
    """

    request_id: str
    voter: str
    verdict: Verdict
    fingerprint: str
    at: datetime
    reason: str = ""
    principal: str = ""


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a request takes from a budget's month: set apart until it has ended, then spent or free again."""

    budget: str
    period: str
    amount: Decimal
    is_spent: bool = False


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """What a budget's month has set apart and spent, by all requests together."""

    budget: str
    period: str
    reserved: Decimal
    spent: Decimal


class JobKind(StrEnum):
    """What the scheduler is to do for a request when its time comes."""

    POLL = "poll"
    RECONCILE = "reconcile"


@dataclass(frozen=True, slots=True)
class Job:
    """Something to look at later. One at most per request; `ref` is the provider's handle, opaque here."""

    request_id: str
    account: str
    kind: JobKind
    ref: Json
    due_at: datetime
    deadline_at: datetime
    started_at: datetime
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class UsualTime:
    """How long one action ("provider/command") takes at one account, learnt from the `seen` ones that went well.

    `mean` and `spread` (a standard deviation) are of the natural logarithm of the seconds; the newest count most.
    """

    action: str
    account: str
    seen: int
    mean: float
    spread: float


class MessageKind(StrEnum):
    """CARD and PARENT are surfaces: one message, shown anew whenever the request changes. A NOTE is said once.

    A CALL is said once as well, below the card of its channel: it is for those who decide.
    """

    CARD = "card"
    PARENT = "parent"
    NOTE = "note"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class Message:
    """One message owed to Slack (the outbox).

    `wanted` and `sent` count revisions: it is owed while they differ. `lane` orders delivery. `begun` is true when a
    post was started and its end was never recorded: look before posting again. `posted_in` and `ts` say where it is.
    """

    id: str
    request_id: str
    kind: MessageKind
    lane: str
    channel: str
    body: Json
    wanted: int
    sent: int
    begun: bool
    attempts: int
    created_at: datetime
    ts: str = ""
    posted_in: str = ""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be written into the outbox together with the change that causes it."""

    kind: MessageKind
    channel: str
    body: Json = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Fact:
    """What the audit is told together with a change: who did what, and the particulars. Never a secret."""

    actor: str
    what: str
    detail: Json = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Telling:
    """What is written down together with a change: the audit's fact, and the messages that it causes.

    `before` is what came about on the way to it: facts of their own, without messages.
    """

    fact: Fact
    messages: Sequence[NewMessage] = ()
    before: Sequence[Fact] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What becomes of a request that is asked, or asked again: where it goes, who decides it, what it sets apart.

    `ruling` is as handlers/policy.py has it. Of `subjects` it is about; until `not_before` nothing is sent, and if
    `stop_until` is set it can be stopped until then. At `attend_at` somebody is to be reminded; `escalated`: those to
    whom it is taken know of it already.
    """

    to: RequestState
    telling: Telling
    ruling: Json | None = None
    attend_at: datetime | None = None
    stop_until: datetime | None = None
    reservations: Sequence[Reservation] = ()
    subjects: Sequence[str] = ()
    escalated: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """What a request asks for, at which price, and the hash that votes are bound to. `out` is no longer part of it."""

    given: Json
    quote: Json | None
    fingerprint: str
    total: Decimal | None
    out: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One fact as it stands in the audit, in the order in which it was committed; `hash` covers all that is before."""

    seq: int
    at: datetime
    request_id: str
    actor: str
    what: str
    detail: Json
    hash: str


@dataclass(frozen=True, slots=True)
class Delegation:
    """For some time, `delegate` may decide in the place of `principal`. Announced in `channel`; ends by itself.

    In force from `begins_at` until just before `ends_at`, both aware UTC.
    """

    id: str
    principal: str
    delegate: str
    channel: str
    begins_at: datetime
    ends_at: datetime
