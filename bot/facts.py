"""What happened, for the log: a line for each fact of the audit, when it is on disk.

Read from there a little later and not written by whoever clicks: nobody waits for a line, and none tells what was
undone. What people wrote and what things are called stays in the audit.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from storage.facts import Facts

log = structlog.get_logger(__name__)

AT_ONCE = 200


class FactLog:
    """Tells the log about each fact once, in their order."""

    def __init__(self, facts: Facts, *, after: int) -> None:
        """`after` is the last entry of the audit that is not to be told any more."""
        self._facts = facts
        self._told = after

    async def tell(self) -> datetime | None:
        """A beat: tell what is new."""
        while entries := await self._facts.after(self._told, AT_ONCE):
            for entry in entries:
                about = {"request_id": entry.request_id} if entry.request_id else {}
                log.info("fact", what=entry.what, by=entry.actor, entry=entry.seq, at=entry.at.isoformat(), **about)
            self._told = entries[-1].seq
        return None
