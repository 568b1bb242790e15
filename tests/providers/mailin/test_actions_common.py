"""Several listings read as one: each row is on exactly one page, whatever lies where."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.listing import PAGE
from providers.mailin.actions.common import read_as_one
from providers.mailin.lenient import Page


def listing(rows: list[str], asked: list[int], *, says_total: bool = True) -> Callable[[int], Any]:
    async def read(page: int) -> Page[str]:
        asked.append(page)
        data = tuple(rows[(page - 1) * PAGE : page * PAGE])
        if not says_total:
            last, total = page + (len(data) == PAGE), min(page * PAGE, len(rows))
        else:
            last, total = max(math.ceil(len(rows) / PAGE), 1), len(rows)
        return Page(data=data, page=page, last_page=last, total=total)

    return read


async def test_a_listing_that_does_not_say_how_long_it_is() -> None:
    rows = [str(row) for row in range(2 * PAGE + 1)]
    seen: list[str] = []
    page: int | None = 1
    while page is not None:
        shown = await read_as_one({"a": listing(rows, [], says_total=False), "b": listing([], [])}, page)
        seen += [row for row, _ in shown.rows]
        page = shown.next_page

    assert seen == rows


@given(st.lists(st.integers(0, 40), min_size=1, max_size=4))
async def test_every_row_is_on_exactly_one_page(sizes: list[int]) -> None:
    rows = {str(number): [f"{number}-{row}" for row in range(size)] for number, size in enumerate(sizes)}
    seen: list[tuple[str, str]] = []
    page: int | None = 1
    while page is not None:
        asked: list[int] = []
        shown = await read_as_one({word: listing(own, asked) for word, own in rows.items()}, page)
        assert shown.total == sum(sizes)
        assert shown.next_page in (None, page + 1)
        assert len(shown.rows) == PAGE or shown.next_page is None
        assert len(asked) <= 2 * len(sizes)
        seen += shown.rows
        page = shown.next_page

    assert seen == [(row, word) for word, own in rows.items() for row in own]


@pytest.mark.parametrize("page", [2, 3, 100_000])
async def test_beyond_the_end_is_nothing(page: int) -> None:
    shown = await read_as_one({"a": listing(["x"], []), "b": listing([], [])}, page)

    assert (shown.rows, shown.total, shown.next_page) == ((), 1, None)
