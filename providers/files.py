"""How a CSV or XLSX file becomes the value of a field: each row one line, as a person would have typed it.

A field marked with `from_file("email")` takes a file beside what is typed into it. What its own validator says of typed
lines, it says of those of a file; here only that is refused which can be said better with the number of a row.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal, cast

from pydantic import JsonValue
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from providers.answers import seen
from providers.fields import is_plain_address, parse_address, parse_domain, problem
from providers.xlsx import MOST_ROWS, TOO_MANY_ROWS, Unreadable, xlsx_rows

Column = Literal["email", "domain", "name"]

MOST_BYTES = 5 * 1024 * 1024
MOST_BYTES_OF_A_LARGE_ONE = 10 * 1024 * 1024
"""All that Slack's forms let through."""
FILE_TYPES = ("csv", "xlsx")
MOST_TOLD = 5
LONGEST_PART = 500
"""Characters of an address, a domain or a name: far more than any has."""
"""Rows that are named when more of them are wrong."""
_LONGEST_SHOWN = 80

_CALLED: Mapping[Column, Sequence[str]] = {
    "email": ("email", "emailaddress", "emails", "mail", "mailaddress", "mailbox", "address", "addresses", "username"),
    "domain": ("domain", "domainname", "domains", "website", "url", "name"),
    "name": ("name", "fullname", "displayname", "sendername", "contact"),
}
"""What the columns of a file may be called, the surest word first; without capitals, spaces and signs."""
_FIRST_NAME = ("firstname", "first", "givenname", "forename")
_LAST_NAME = ("lastname", "last", "surname", "familyname")

_SAID: Mapping[Column, str] = {"email": "an e-mail address", "domain": "a domain name", "name": "a name"}
_BINARY = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f]")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_SEPARATOR = re.compile(r"sep=([,;|\t])(?=[\r\n])", re.IGNORECASE)
"""The first line with which some programs tell Excel what separates the columns."""
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which columns a field takes from a file, in the order in which they make a line; what is left out may lack."""

    columns: tuple[Column, ...]
    may_lack: frozenset[Column]
    is_large: bool = False
    """Whether the file may have any number of rows."""

    @property
    def most_bytes(self) -> int:
        """How large the file may be."""
        return MOST_BYTES_OF_A_LARGE_ONE if self.is_large else MOST_BYTES

    @property
    def most_rows(self) -> int | None:
        """How many rows it may have, the first with its names included."""
        return None if self.is_large else MOST_ROWS

    @property
    def hint(self) -> str:
        """What a person has to know before they attach a file."""
        called = " and ".join(self.columns)
        if "name" in self.columns:
            called += " (or first name and last name)"
        many = "columns" if len(self.columns) > 1 or "name" in self.columns else "a column"
        limits = f"CSV or XLSX, at most {self.most_bytes // 1024 // 1024} MB"
        limits += f" and {self.most_rows:,} rows" if self.most_rows else ""
        return f"{limits}, with {many} called {called}, or a bare list. Of a workbook, the first sheet is read."


def from_file(*columns: Column, may_lack: Collection[Column] = (), is_large: bool = False) -> dict[str, JsonValue]:
    """Mark a field of several lines (`json_schema_extra=`) as one that also takes a file.

    Each row becomes one line: these columns, with a space in between. Those in `may_lack` need not be in the file. One
    that `is_large` may have any number of rows.
    """
    return {"from_file": {"columns": [*columns], "may_lack": [*may_lack], "is_large": is_large}}


def wanted_of(field: FieldInfo) -> Wanted | None:
    """What a field takes from a file; None for a field that takes none."""
    extra = field.json_schema_extra
    marked = extra.get("from_file") if isinstance(extra, dict) else None
    if not isinstance(marked, dict):
        return None
    columns, may_lack = (cast(list[Column], marked[key]) for key in ("columns", "may_lack"))
    return Wanted(tuple(columns), frozenset(may_lack), bool(marked["is_large"]))


def lines_of(content: bytes, wanted: Wanted) -> list[str]:
    """The lines that a file stands for. What it is, its content says and not its name.

    Raises Unreadable, whose sentence names the first rows that are wrong.
    """
    if len(content) > wanted.most_bytes:
        raise too_big(len(content), wanted)
    is_workbook = content.startswith(b"PK\x03\x04")
    # One after the other, so that of a large file no more is kept than the lines that it stands for.
    rows = iter(xlsx_rows(content, wanted.most_rows)) if is_workbook else _csv_rows(content, wanted.most_rows)
    first = next(rows, None)
    if first is None:
        raise Unreadable("The file is empty.")
    places = _by_names(first[1], wanted)
    if not places:
        places, rows = _by_looks(first[1], wanted), chain([first], rows)
    lines: list[str] = []
    wrong: list[str] = []
    more = 0
    addresses = places["email"][0] if places.keys() == {"email"} else None
    for number, cells in rows:
        if addresses is not None and addresses < len(cells) and is_plain_address(cells[addresses]):
            lines.append(cells[addresses])  # of which there may be hundreds of thousands
            continue
        try:
            lines.append(" ".join([_taken(column, cells, at) for column, at in places.items()]))
        except PydanticCustomError as error:
            if len(wrong) < MOST_TOLD:
                wrong.append(f"Row {number}{error}")
            else:
                more += 1
    if wrong:
        raise Unreadable(" ".join(wrong) + (f" And {more:,} more rows are wrong." if more else ""))
    if not lines:
        raise Unreadable("The file has the names of its columns, but no rows below them.")
    return lines


def too_big(size: int, wanted: Wanted) -> Unreadable:
    """What is said of a file of so many bytes."""
    return Unreadable(
        f"The file has {size / 1024 / 1024:,.1f} MB; at most {wanted.most_bytes // 1024 // 1024} MB can be read here."
    )


# Which columns are meant.


def _by_names(first: Sequence[str], wanted: Wanted) -> dict[Column, tuple[int, ...]]:
    """Where each column is, if the first row holds the names of columns; empty if it does not."""
    names: dict[str, int] = {}
    for index, cell in enumerate(first):
        names.setdefault(re.sub(r"[^a-z0-9]", "", cell.lower()), index)
    at = {column: _places(column, names) for column in wanted.columns}
    found = {column: places for column, places in at.items() if places}
    missing = [column for column in wanted.columns if column not in found and column not in wanted.may_lack]
    if found and missing:
        has = ", ".join(filter(None, (cell.strip()[:_LONGEST_SHOWN] for cell in first[:10])))
        raise Unreadable(f"The file has no column called {' or '.join(missing)}. Its columns are: {has}.")
    return found


def _places(column: Column, names: Mapping[str, int]) -> tuple[int, ...]:
    """The column of this kind; a name may also be in two."""

    def called(words: Sequence[str]) -> tuple[int, ...]:
        return tuple(names[word] for word in words if word in names)[:1]

    halves = called(_FIRST_NAME) + called(_LAST_NAME) if column == "name" else ()
    return halves if len(halves) == 2 else called(_CALLED[column]) or halves


def _by_looks(first: Sequence[str], wanted: Wanted) -> dict[Column, tuple[int, ...]]:
    """Where each column is in a file without names of columns, by the looks of its first row."""
    found: dict[Column, tuple[int, ...]] = {}
    rest = [index for index, cell in enumerate(first) if cell.strip()]
    for column in wanted.columns:
        if column == "name":
            continue
        like = [index for index in rest if _is(column, first[index])]
        if len(like) > 1:
            raise Unreadable(
                f"More than one column holds what is {_SAID[column]}. Put them below each other, or write into the "
                f"first row which column is the {column}."
            )
        if like:
            found[column] = (like[0],)
            rest.remove(like[0])
        elif column not in wanted.may_lack:
            raise Unreadable(
                f"No column of the file is called {column}, and its first row holds nothing that is {_SAID[column]}."
            )
    if "name" in wanted.columns and 1 <= len(rest) <= 2:
        found["name"] = tuple(rest)
    elif "name" in wanted.columns and (rest or "name" not in wanted.may_lack):
        raise Unreadable(f"Write into the first row what the columns are called: {' and '.join(wanted.columns)}.")
    return found


# What stands in them.


def _taken(column: Column, cells: Sequence[str], at: Sequence[int]) -> str:
    text = " ".join(" ".join(cells[index] for index in at if index < len(cells)).split())
    if not text:
        raise problem(f" has no {column}.")
    if len(text) > LONGEST_PART:
        raise problem(f": “{text[:_LONGEST_SHOWN]}…” has {len(text):,} characters, so it is not {_SAID[column]}.")
    try:
        return _PARSED[column](text)
    except PydanticCustomError:
        raise problem(f": “{text[:_LONGEST_SHOWN]}” is not {_SAID[column]}.") from None


def _is(column: Column, text: str) -> bool:
    if len(text) > LONGEST_PART:
        return False
    try:
        _PARSED[column](text)
    except PydanticCustomError:
        return False
    return True


def _parse_name(text: str) -> str:
    """A name has letters; what a spreadsheet leaves of a formula (`=A1`, `#REF!`) is none."""
    if text[0] in "=#@" or _BINARY.search(text) or not any(letter.isalpha() for letter in text):
        raise problem("")
    return str(seen(text))


_PARSED: Mapping[Column, Callable[[str], str]] = {"email": parse_address, "domain": parse_domain, "name": _parse_name}


# CSV.


def _csv_rows(content: bytes, most_rows: int | None) -> Iterator[tuple[int, list[str]]]:
    if content.startswith(_OLD_EXCEL):
        raise Unreadable("This is a workbook of the old kind, or one with a password. Save it as .xlsx without one.")
    text = _decoded(content).removesuffix("\x1a")
    if _BINARY.search(text):
        raise Unreadable("This is neither CSV nor XLSX. Save the list as one of them, and attach that.")
    named = _SEPARATOR.match(text)
    delimiter = named[1] if named else _delimiter(text)
    text = text[named.end() :] if named else text  # the row stays, empty: the others keep their numbers
    number = 0
    lines = io.TextIOWrapper(io.BytesIO(text.encode(errors="surrogatepass")), "utf-8", "surrogatepass", newline="")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for number, cells in enumerate(reader, 1):
            if any(map(str.strip, cells)):
                if most_rows is not None and number > most_rows:
                    raise Unreadable(TOO_MANY_ROWS)
                yield number, cells
    except csv.Error:
        longest = csv.field_size_limit()
        line = next(islice(_LINE.finditer(text), reader.line_num - 1, None), None)
        if line and line.end() - line.start() > longest:  # one over many lines has rather a mark that was forgotten
            raise Unreadable(
                f"Row {number + 1} has a cell of more than {longest:,} characters. Shorten it, or leave the row out."
            ) from None
        raise Unreadable(f"Row {number + 1} cannot be read: is there a quotation mark too many or too few?") from None


def _decoded(content: bytes) -> str:
    """As Excel writes it: UTF-8 with or without a mark, UTF-16 with one, or else what Windows calls ANSI.

    What is UTF-8 but for a place or two is not read as ANSI: all its other names would become other names.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    lossy = content.decode("utf-8-sig", errors="replace")
    broken = lossy.count("\ufffd")
    if 0 < broken < len(_BEYOND_ASCII.findall(lossy)) - broken:
        before, unread, _ = lossy.partition("\ufffd")
        row = len((before + unread).splitlines())
        raise Unreadable(
            f"Row {row} has a character that cannot be read, although the others can. Correct it, save the list as "
            "“CSV UTF-8”, and attach that."
        )
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def _delimiter(text: str) -> str:
    """What separates the columns of the first line that has something in it."""
    first = text.lstrip().partition("\n")[0]
    unquoted = re.sub(r'"[^"]*"', "", first)
    return max((",", ";", "\t"), key=unquoted.count)
