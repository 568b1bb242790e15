"""The documented calls, as the tables of each provider prove them, and as the actions declare them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from tests.providers.instantly import test_rows as instantly
from tests.providers.mailapi import test_rows as mailapi
from tests.providers.mailin import test_table as mailin
from tests.providers.scaledmail import test_rows as scaledmail
from tests.providers.smailor import test_rows as smailor


def rows() -> Mapping[str, Sequence[tuple[int, str]]]:
    """By provider, the rows of its table: the number of each in the inventory, and its method and path as they arrive:
    `GET /api/v1/mailboxes/dom000001`.
    """
    return {
        "mailin": [(row.number, f"{row.method} {row.prefix}{row.path}") for row in mailin.ROWS],
        "scaledmail": [(row[0], row[2]) for row in scaledmail.ROWS],
        "smailor": [(row[0], row[2]) for row in smailor.ROWS],
        "instantly": [(row[0], f"POST {row[2]}") for row in instantly.ROWS],
        "mailapi": [(row[0], f"{row[2]} /api/v1{row[3]}") for row in mailapi.ROWS],
    }


def proven() -> Mapping[str, frozenset[str]]:
    """By provider, the method and path of each row of its table."""
    return {provider: frozenset(call for _, call in table) for provider, table in rows().items()}


def declared_for(call: str, declared: Iterable[str]) -> set[str]:
    """Those of `declared` that this call, as it arrived, is one of: `{…}` stands for one part of a path."""
    return {one for one in declared if _pattern(one).fullmatch(call)}


def _pattern(declared: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(declared)))
