"""The memory of the house: a room for each noun, over one database.

Each change of a request is one compare-and-set in one transaction, together with its audit entry and the messages it
causes: it returns the request as it now is, or None when somebody else was first (or it is not theirs to change).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from storage.beats import Beats
from storage.books import Books
from storage.decisions import Decisions
from storage.delegations import Delegations
from storage.drafts import Drafts
from storage.facts import Facts
from storage.jobs import Jobs
from storage.lists import Lists
from storage.outbox import Outbox
from storage.requests import Requests
from storage.runs import Runs
from storage.sqlite import SqliteDatabase
from storage.waiting import Waiting

T = TypeVar("T")


class Store:
    """What must not be forgotten, each in its room: `store.drafts.fill(…)`, `store.runs.begin(…)`."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self.drafts = Drafts(database)
        self.decisions = Decisions(database)
        self.waiting = Waiting(database)
        self.delegations = Delegations(database)
        self.runs = Runs(database)
        self.jobs = Jobs(database)
        self.outbox = Outbox(database)
        self.requests = Requests(database)
        self.lists = Lists(database)
        self.facts = Facts(database)
        self.beats = Beats(database)

    def close(self) -> None:
        """Finish what is queued and close the database."""
        self._database.close()

    async def look(self, question: Callable[[Books], T]) -> T:
        """What the books say at this moment; it may be otherwise in the next."""
        return await self._database.read(lambda db: question(Books(db)))
