"""Times as the tables have them: text in UTC with microseconds, which sorts as time does."""

from __future__ import annotations

from datetime import UTC, datetime


def as_text(moment: datetime) -> str:
    """A time for the tables. Raises ValueError for one without a zone."""
    if moment.tzinfo is None:
        raise ValueError(f"A time without a zone cannot be stored: {moment!r}")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def as_time(text: str) -> datetime:
    """A time from the tables, aware, in UTC."""
    return datetime.fromisoformat(text)


def maybe_text(moment: datetime | None) -> str | None:
    """A time that need not be there, for the tables."""
    return None if moment is None else as_text(moment)


def maybe_time(text: str | None) -> datetime | None:
    """A time that need not be there, from the tables."""
    return None if text is None else as_time(text)
