"""A database with very many requests in it, for scenes that look through them."""

from __future__ import annotations

import contextlib
import sqlite3

from tests.house import House


def many_more(house: House, count: int) -> None:
    """The newest request so often again, each asked a second before the one before."""
    columns = [row[1] for row in house.on_disk("PRAGMA table_info(requests)")]
    earlier = "strftime('%Y-%m-%dT%H:%M:%f000+00:00', julianday(created_at) - n / 86400.0)"
    copied = {"id": "'req_' || printf('%010d', n)", "created_at": earlier, "waiting_since": earlier}
    write(
        house,
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)"
        f" INSERT INTO requests ({', '.join(columns)})"
        f" SELECT {', '.join(copied.get(name, name) for name in columns)}"
        " FROM numbers, (SELECT * FROM requests ORDER BY created_at DESC LIMIT 1)",
        count,
    )


def write(house: House, change: str, *values: str | int) -> None:
    """Change the database from outside."""
    with contextlib.closing(sqlite3.connect(house.settings.database)) as outside, outside:
        outside.execute(change, values)
