"""Mutation testing: `make mutants` changes the rules and the money path in small ways and says what no test notices.

mutmut does the work, in a copy of the house (`mutants/`). It knows nothing of SQL, and conditions in SQL are what makes
two clicks one: here a string of SQL loses a condition, or gets another comparison. Prose is left alone; what people
read is tested by what it says, not by each of its letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import libcst as cst
from mutmut.__main__ import cli
from mutmut.mutation import mutators

_IS_SQL = re.compile(
    r"\b(SELECT|UPDATE|DELETE|INSERT|WHERE|AND|SET|JOIN|FROM|ON CONFLICT|ORDER BY)\b"
    r"|IS (NOT )?NULL|\w+ [=<>]+ ([?:'\d])"
)
_ONE = r"(?:[^()'\"]|'[^']*'|\([^()]*\))*?(?=\b(?:AND|OR|RETURNING|ORDER|LIMIT|GROUP|WHERE|ON)\b|\)|\"|$)"
_INSTEAD = (
    (rf"\bAND {_ONE}", ""), (rf"\bWHERE {_ONE}", "WHERE 1 "), (" AND ", " OR "), (" OR ", " AND "),
    (" <= ", " < "), (" >= ", " > "), (" < ", " <= "), (" > ", " >= "), (" <> ", " = "), (r" = (?=[?:'\d])", " <> "),
    (r" \+ ", " - "), ("IS NULL", "IS NOT NULL"), ("IS NOT NULL", "IS NULL"), ("= NULL", "= ''"),
    (r"'\w+', ", ""), (r", '\w+'", ""), (" DESC", ""), (r" ORDER BY [\w., ]+", ""), (r"MIN\(", "MAX("),
)  # fmt: skip


def other_sql(text: str) -> Iterator[str]:
    """`text` with one condition, comparison or order changed, in every way."""
    found = (text[: hit.start()] + new + text[hit.end() :] for old, new in _INSTEAD for hit in re.finditer(old, text))
    yield from dict.fromkeys(one for one in found if one != text)


def other_string(node: cst.BaseString) -> Iterable[cst.BaseString]:
    """A name becomes another name, SQL other SQL; prose and docstrings stay."""
    if not isinstance(node, cst.SimpleString) or node.quote not in ("'", '"'):
        return
    inside = node.raw_value
    if _IS_SQL.search(inside):
        others: Iterable[str] = other_sql(inside)
    else:
        others = [f"{inside}XX"] if re.fullmatch(r"[\w/#@:-]*", inside) else []
    for other in others:
        yield node.with_changes(value=f"{node.prefix}{node.quote}{other}{node.quote}")


def other_part(node: cst.FormattedStringText) -> Iterable[cst.FormattedStringText]:
    """The same for the SQL in an f-string."""
    if _IS_SQL.search(node.value):
        for other in other_sql(node.value):
            yield node.with_changes(value=other)


def main() -> None:
    """mutmut's own command, with these changes beside its own: `run`, `results`, `show NAME`."""
    known = mutators.mutation_operators
    ours = [(kind, change) for kind, change in known if change is not mutators.operator_string]
    known[:] = [*ours, (cst.BaseString, other_string), (cst.FormattedStringText, other_part)]
    cli()


if __name__ == "__main__":
    main()
