"""What the actions of all providers share that answer with a list: its pages, its filter, and how a list is counted.

Nothing here knows a provider.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import Field

from providers.action import Action, Done, Item, Table, from_words, hidden

PAGE = 15
"""Rows of one page of an answer, whatever a provider's own pages are."""
LONGEST_PART = 253
"""Characters of what is looked for in a name: no name is longer."""

_Row = TypeVar("_Row")


class Listing(Action):
    """A question that is answered with a list, a page at a time."""

    page: int = Field(1, ge=1, le=100_000, json_schema_extra=hidden())

    @property
    def more(self) -> str:
        """`more `, where what is not there would have been behind other pages."""
        return "more " if self.page > 1 else ""

    def part_of(self, rows: Sequence[_Row]) -> tuple[Sequence[_Row], int | None]:
        """The rows of this page, of a list that the provider tells whole, and the number of the next page if any."""
        return rows[(self.page - 1) * PAGE : self.page * PAGE], self.page + 1 if self.page * PAGE < len(rows) else None

    def told(
        self,
        said: str,
        *,
        nothing: str,
        items: Iterable[Item] = (),
        table: Table | None = None,
        next_page: int | None = None,
        besides: str = "",
    ) -> Done:
        """The answer: `items` or `table` are this page's rows. `said` counts them all, without a full stop; `nothing`
        is the sentence for a page without rows, `besides` another one behind what was said."""
        rows = tuple(items)
        if not rows and not (table and table.rows):
            return Done(summary=nothing)
        of_pages = f", page {self.page}" if self.page > 1 or next_page is not None else ""
        summary = f"{said}{of_pages}. {besides}".rstrip()
        return Done(summary=summary, items=rows, table=table, next_page=next_page)


class ListingByName(Listing):
    """A list of which only those can be asked for that have some word in their name."""

    name: Annotated[str, Field(max_length=LONGEST_PART)] = Field(
        "", title="Name contains", description="Leave empty to see all.", json_schema_extra=from_words()
    )

    @classmethod
    def usage(cls) -> str:
        return "[part of a name]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return {"name": " ".join(words)}

    def matching(self, what: str = "name") -> str:
        """` with “acme” in the name`, where a part of a name was given."""
        return f" with “{self.name.strip()}” in the {what}" if self.name.strip() else ""

    def matches(self, *names: str) -> bool:
        """Whether one of the names has in it what was asked for."""
        part = self.name.strip().lower()
        return any(part in name.lower() for name in names)


def counted(number: int, one: str, many: str = "") -> str:
    """`1 mailbox`, `1,200 mailboxes`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def amount(value: Decimal) -> str:
    """`40.00`, `1,040.50`, `0.004`: what is less than a cent is not rounded away."""
    return f"{value:,.{max(2, -int(value.normalize().as_tuple().exponent))}f}"


def listed(names: Iterable[str], most: int = 5) -> str:
    """Names in a sentence; what is too much is counted."""
    shown = list(names)
    return ", ".join(shown[:most]) + (f" and {len(shown) - most:,} more" if len(shown) > most else "")
