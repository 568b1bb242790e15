"""Batch jobs: what has been begun, and how it is getting on."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field

from providers.mailin.lenient import RAW_STATUS, Ids, Shape, Text, text, word


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


_JOB_STATES: Mapping[str, JobState] = {
    **{state.value: state for state in JobState if state is not JobState.UNKNOWN},
    "1": JobState.COMPLETED,
}


class Accepted(Shape):
    """A batch that Mailin has begun (endpoint rows 27, 29, 39, 46, 47, 51): `uuid` is its job."""

    uuid: Annotated[str, BeforeValidator(text), Field(min_length=1, max_length=100)]


class AnyJob(Shape):
    """What all batch jobs have. `raw_status` is Mailin's own word."""

    id: Text = ""
    raw_status: Annotated[Text, Field(validation_alias=RAW_STATUS)]
    report: Text = ""

    @property
    def state(self) -> JobState:
        """The status in our vocabulary."""
        return _JOB_STATES.get(word(self.raw_status), JobState.UNKNOWN)


class Job(AnyJob):
    """A batch of domains (endpoint row 31). `domain_ids` is what it is about."""

    domain_ids: Annotated[Ids, Field(validation_alias=AliasChoices("data", "domain_ids"))] = ()
