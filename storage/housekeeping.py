"""What is thrown away in the end: forms that nobody sent, messages that nobody needs again, settled days of digests.

Nothing else is. What was asked, decided, sent and spent stays for good: requests, votes, intents with their permanent
keys, reservations and the audit. All is done in small bites: a change that waits behind one waits for a few
milliseconds. What is only looked for is looked for on a reader's connection.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlite_utils import Database

from storage.moments import as_text
from storage.sqlite import SqliteDatabase

BITE = 200
"""Rows that are thrown away in one transaction."""
SLICE = 5_000
"""Messages that are looked at in one go."""
_ENDED = "state IN ('succeeded', 'failed', 'denied', 'expired', 'cancelled')"


class Attic:
    """The old part of one database. Each `forget_…` takes a bite, and says whether there may be more."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._seen = 0
        """Up to which message all have been looked at in this round."""
        self._found: list[int] = []
        """Messages that were found and are not thrown away yet."""

    async def forget_drafts(self, before: datetime) -> bool:
        """Forms that nobody finished and nobody touched since `before`."""
        return await self._bite(
            "requests", "id", "FROM requests WHERE state = 'draft' AND updated_at < ?", as_text(before)
        )

    async def forget_messages(self, before: datetime) -> bool:
        """What Slack has got about requests that ended before `before`; False at the end of a round over all of them.

        From then on their cards are not drawn anew. What is still owed stays, and so does the first message of each
        thread: it is where the request's story is.
        """
        if not self._found and not await self._look_on(before):
            self._seen = 0
            return False
        bite, self._found = self._found[:BITE], self._found[BITE:]
        if bite:
            marks = ", ".join("?" * len(bite))

            def change(db: Database) -> None:
                # Meanwhile one of them may have been asked to be drawn once more.
                db.execute(f"DELETE FROM messages WHERE seq IN ({marks}) AND sent >= wanted", bite)  # noqa: S608

            await self._database.write(change)
        return True

    async def forget_digests(self, before: date) -> bool:
        """What became of digests of local dates before `before`, but for the last one that each channel has had."""
        return await self._bite(
            "digests_sent",
            "rowid",
            "FROM digests_sent AS old WHERE local_date < ?"
            " AND (state NOT IN ('sent', 'empty') OR EXISTS (SELECT 1 FROM digests_sent AS later"
            "  WHERE later.channel = old.channel AND later.local_date > old.local_date"
            "  AND later.composed_at >= old.composed_at AND later.state IN ('sent', 'empty')))",
            before.isoformat(),
        )

    async def forget_hand_overs(self, before: datetime) -> bool:
        """Approvals that were handed over and have been with their owners again since before `before`."""
        return await self._bite("delegations", "id", "FROM delegations WHERE ends_at < ?", as_text(before))

    async def forget_heartbeats(self, before: datetime) -> bool:
        """Beats that have not run since `before`: this version, or these settings, no longer have them."""
        return await self._bite("beats", "name", "FROM beats WHERE at < ?", as_text(before))

    async def _bite(self, table: str, key: str, old: str, before: str) -> bool:
        """Throw away the first few of what `old` finds; nobody waits for that where there is nothing."""
        found = f"SELECT {key} {old} LIMIT ?"
        if not await self._database.read(lambda db: db.execute(found, [before, 1]).fetchall()):
            return False
        gone = f"DELETE FROM {table} WHERE {key} IN ({found})"  # noqa: S608
        return await self._database.write(lambda db: db.execute(gone, [before, BITE]).rowcount) == BITE

    async def _look_on(self, before: datetime) -> bool:
        """Look at the next messages; False where there are no more that are old enough."""

        def question(db: Database) -> tuple[int | None, list[int]]:
            row = db.execute(
                "SELECT MAX(seq) AS last, MIN(created_at) AS first FROM"
                " (SELECT seq, created_at FROM messages WHERE seq > ? ORDER BY seq LIMIT ?)",
                [self._seen, SLICE],
            ).fetchone()
            if row["last"] is None or row["first"] >= as_text(before):
                return None, []
            found = db.execute(
                "SELECT seq FROM messages WHERE seq > ? AND seq <= ? AND kind <> 'parent' AND sent >= wanted"  # noqa: S608
                " AND EXISTS (SELECT 1 FROM requests WHERE requests.id = messages.request_id"
                f" AND {_ENDED} AND updated_at < ?) ORDER BY seq",
                [self._seen, row["last"], as_text(before)],
            )
            return int(row["last"]), [int(one["seq"]) for one in found]

        last, self._found = await self._database.read(question)
        if last is None:
            return False
        self._seen = last
        return True
