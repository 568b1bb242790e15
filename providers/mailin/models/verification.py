"""Verifying addresses, and the credits it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field, SecretBytes, SecretStr

from providers.answers import moment
from providers.mailin.lenient import (
    Number,
    Odd,
    OptionalText,
    Shape,
    Text,
    meaning,
    number_or_none,
    one_of,
    text,
)

VerificationType = Literal["standard", "catch_all"]


class Verdict(StrEnum):
    """What is known of an address. UNKNOWN is also one of Mailin's own verdicts."""

    DELIVERABLE = "deliverable"
    CATCH_ALL = "catch_all"
    RISKY = "risky"
    UNDELIVERABLE = "undeliverable"
    UNKNOWN = "unknown"


_VERDICTS = {
    **{verdict.value: verdict for verdict in Verdict},
    "ok": Verdict.DELIVERABLE,
    "valid": Verdict.DELIVERABLE,
    "invalid": Verdict.UNDELIVERABLE,
    "catchall": Verdict.CATCH_ALL,
}


class TaskState(StrEnum):
    """How a verification is getting on."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    """Its credits come back (endpoint row 84)."""
    UNKNOWN = "unknown"


_TASK_STATES = {
    "verifying": TaskState.RUNNING,
    "pending": TaskState.RUNNING,
    "processing": TaskState.RUNNING,
    "in_progress": TaskState.RUNNING,
    "success": TaskState.FINISHED,
    "finished": TaskState.FINISHED,
    "completed": TaskState.FINISHED,
    "failed": TaskState.FAILED,
}
_TaskWord = Annotated[TaskState, one_of(_TASK_STATES, TaskState.UNKNOWN, "verification status")]


class SingleVerification(Shape):
    """The verification of one address (endpoint rows 80, 81). `result` is None while there is none."""

    task_id: Text = ""
    email: Text = Field("", repr=False)
    state: Annotated[_TaskWord, Field(validation_alias=AliasChoices("status", "state"))] = TaskState.UNKNOWN
    result: Annotated[Verdict | None, one_of(_VERDICTS, Verdict.UNKNOWN, "verification result", optional=True)] = None
    score: OptionalText = None
    """A number or a word ("good"), as Mailin gives it."""
    credits_used: Annotated[Number, Field(validation_alias=AliasChoices("credits_used", "credit_used"))] = None


class StartedTask(Shape):
    """A bulk verification that has begun (endpoint rows 82, 83)."""

    task_id: Annotated[str, BeforeValidator(text), Field(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True)
class VerificationTask:
    """A bulk verification (endpoint row 84). Its three shapes are told apart by what is in them.

    `counts` has the words of the type that was asked for: deliverable, catch_all, unknown, and either risky and
    undeliverable, or invalid and duplicate.
    """

    task_id: str
    state: TaskState
    total_rows: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""
    """Why it failed, in Mailin's words."""
    created_at: datetime | None = None

    @classmethod
    def read(cls, task_id: str, said: Any, odd: Odd | None = None) -> VerificationTask:
        """A task out of an answer. Raises ValueError for an answer that says nothing."""
        if not isinstance(said, dict) or not said.keys() & {"status", "reason", "message"}:
            raise ValueError("nothing about a task")
        if "status" in said:
            state = meaning(said["status"], _TASK_STATES, TaskState.UNKNOWN, "verification status", odd)
        else:
            state = TaskState.FAILED if said.get("reason") else TaskState.RUNNING
        return cls(
            task_id=task_id,
            state=state,
            total_rows=number_or_none(said.get("total_rows")),
            counts={
                str(name): count
                for name, said_count in said.items()
                if name not in _NOT_COUNTED and (count := number_or_none(said_count)) is not None
            },
            reason=text(said.get("reason")),
            created_at=moment(said.get("created_at")),
        )


_NOT_COUNTED = frozenset(
    {"task_id", "created_at", "total_rows", "status", "reason", "message", "id", "error", "credits_used", "credit_used"}
)


@dataclass(frozen=True, slots=True)
class Download:
    """The results of a task (endpoint row 87): a link that opens for whoever has it, or the file itself.

    It is about people's addresses: for the asker alone, never for a channel or a log.
    """

    link: SecretStr | None = None
    csv: SecretBytes | None = None


class Credits(Shape):
    """The balance (endpoint row 86)."""

    total_credits: int


class CreditEntry(Shape):
    """A line of the credits' ledger (endpoint row 85), newest first. Mailin gives no time."""

    id: Number = None
    reason: Text = ""
    credit: Number = None
    debit: Number = None
    total_credit: Number = None
