"""When each beat of the scheduler last ran to its end."""

from __future__ import annotations

from datetime import datetime

from sqlite_utils import Database

from storage.moments import as_text, as_time
from storage.sqlite import SqliteDatabase


class Beats:
    """A moment for each beat."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def ran(self, name: str, now: datetime) -> None:
        """This beat has just run to its end."""

        def change(db: Database) -> None:
            db.execute(
                "INSERT INTO beats (name, at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at",
                [name, as_text(now)],
            )

        await self._database.write(change)

    async def last(self) -> dict[str, datetime]:
        """When each beat last ran to its end."""
        return await self._database.read(
            lambda db: {row["name"]: as_time(row["at"]) for row in db.execute("SELECT name, at FROM beats")}
        )
