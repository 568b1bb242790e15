"""The tables of documented calls, taken together: every row of the inventory is proven, and by one table."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.providers.calls import rows

OF_PROVIDERS = {
    "scaledmail": range(1, 7),
    "smailor": range(7, 17),
    "mailin": range(17, 88),
    "instantly": range(88, 97),
    "mailapi": range(97, 105),
}
WITHOUT_A_PATH = {18}
"""Documented with a name alone: nobody can call it."""


def test_all_rows_are_there() -> None:
    numbers = {number for table in rows().values() for number, _ in table}

    assert numbers == set(range(1, 105)) - WITHOUT_A_PATH


@pytest.mark.parametrize("provider", OF_PROVIDERS)
def test_each_stands_once_in_its_providers_table(provider: str) -> None:
    """A row may be asked for in several ways; it is the same call each time."""
    table = rows()[provider]
    assert {number for number, _ in table} == set(OF_PROVIDERS[provider]) - WITHOUT_A_PATH

    calls = Counter(number for number, _ in set(table))
    assert {number: count for number, count in calls.items() if count > 1} == {}
