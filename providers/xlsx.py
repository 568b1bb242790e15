"""The rows of a workbook's first sheet, read within fixed bounds: no file, however it was made, can eat our memory.

It is read element by element, and nothing is kept but the texts of cells. Libraries for spreadsheets build the whole
table of texts, and each row as a tree, before anybody can say that it is too much.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from typing import IO
from xml.parsers import expat

MOST_ROWS = 5000
"""Rows of a file, the first with its names included. What is left below them empty does not count."""
MOST_COLUMNS = 100
"""Columns further to the right are not looked at."""
MOST_UNPACKED = 32 * 1024 * 1024
"""Bytes of one part of a workbook: a real one with MOST_ROWS rows has a tenth of it, one of 10 MB about all."""
MOST_ELEMENTS = 1_200_000
"""Of one part: more than MOST_ROWS full rows have, and what can be looked through in a second or two."""
LONGEST_CELL = 32_767
"""Characters in one cell, which is also Excel's own limit."""

_CHUNK = 64 * 1024
_ESCAPED = re.compile(r"_x(?![Dd][89A-Fa-f])([0-9A-Fa-f]{4})_")
"""How a workbook writes what XML cannot, such as `_x000D_` for the end of a line. Half a character is left as it is."""
_LETTERS = {letter: number for number, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", start=1)}

Rows = list[tuple[int, list[str]]]
"""Each row that is not empty, with its number as a spreadsheet shows it: from 1."""


class Unreadable(Exception):
    """The file cannot be taken; `sentence` says why, and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


TOO_MANY_ROWS = f"The file has more than {MOST_ROWS:,} rows. Split it, and ask for one part after the other."
_TOO_MANY_CELLS = (
    "The workbook has too many cells, even if they are empty. "
    "Copy the columns that are needed into a new one, or save the sheet as CSV."
)
_BROKEN = "The file is called a workbook, but cannot be read as one. Save it once more as .xlsx or .csv."


def xlsx_rows(content: bytes, most_rows: int | None = MOST_ROWS) -> Rows:
    """What stands in the first visible sheet. Of a formula it is the result, or `=…` where no result was saved.

    Where `most_rows` is None, the bounds of a part are the only ones. Raises Unreadable.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as box:
            workbook = _Workbook(box)
            relations = _Relations(box)
            sheet = next((target for of in workbook.sheets if (target := relations.worksheets.get(of))), None)
            if sheet is None:
                raise Unreadable("The workbook has no sheet with rows in it.")
            texts = _Texts(box, relations.texts, most_rows).texts if relations.texts else []
            return _Sheet(box, sheet, texts, most_rows).rows
    except (zipfile.BadZipFile, zlib.error, expat.ExpatError, KeyError, ValueError, IndexError, EOFError, OSError):
        raise Unreadable(_BROKEN) from None
    except RuntimeError:  # what zipfile says of a password
        raise Unreadable("The workbook is locked with a password. Save it without one.") from None


class _Part:
    """One file inside the workbook. Its elements come one by one; names are without their prefixes."""

    def __init__(self, box: zipfile.ZipFile, name: str) -> None:
        info = box.getinfo(name)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise zipfile.BadZipFile  # others unpack more at a time than was asked for
        if info.file_size > MOST_UNPACKED:
            raise Unreadable(
                f"The workbook unpacks to more than {MOST_UNPACKED // 1024 // 1024} MB. "
                "Copy the columns that are needed into a new one, or save the sheet as CSV."
            )
        self._text: list[str] = []
        self._length = 0
        self._listening = False
        self._elements = 0
        with box.open(info) as part:
            self._read(part)

    def begins(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def ends(self, name: str) -> None:
        """An element ends."""

    def heard(self) -> str:
        """The text of the elements that were listened to since the last time."""
        text, self._text, self._length = "".join(self._text), [], 0
        return text

    def _read(self, part: IO[bytes]) -> None:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._starts
        parser.EndElementHandler = lambda name: self.ends(name.rpartition(":")[2])
        parser.CharacterDataHandler = self._says
        parser.StartDoctypeDeclHandler = _no_doctype
        while chunk := part.read(_CHUNK):
            parser.Parse(chunk)
        parser.Parse(b"", True)

    def _starts(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise Unreadable(_TOO_MANY_CELLS)
        self.begins(name.rpartition(":")[2], attributes)

    def _says(self, text: str) -> None:
        if not self._listening:
            return
        self._length += len(text)
        if self._length > LONGEST_CELL:
            raise Unreadable(f"A cell of the workbook holds more than {LONGEST_CELL:,} characters.")
        self._text.append(text)


def _no_doctype(*_: object) -> None:
    """No workbook has one; entities that unfold for ever need one."""
    raise expat.ExpatError


class _Workbook(_Part):
    """Which sheets there are, in order, by the ids of their relations."""

    def __init__(self, box: zipfile.ZipFile) -> None:
        self.sheets: list[str] = []
        super().__init__(box, "xl/workbook.xml")

    def begins(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sheet" and attributes.get("state", "visible") == "visible":
            self.sheets += [value for key, value in attributes.items() if key.endswith(":id")]


class _Relations(_Part):
    """Where the sheets and the table of texts are."""

    def __init__(self, box: zipfile.ZipFile) -> None:
        self.worksheets: dict[str, str] = {}
        self.texts = ""
        super().__init__(box, "xl/_rels/workbook.xml.rels")

    def begins(self, name: str, attributes: dict[str, str]) -> None:
        kind = attributes.get("Type", "").rpartition("/")[2]
        target = posixpath.normpath(posixpath.join("/xl", attributes.get("Target", ""))).lstrip("/")
        if kind == "worksheet":
            self.worksheets[attributes["Id"]] = target
        elif kind == "sharedStrings":
            self.texts = target


class _Spoken(_Part):
    """Texts (`t`, `f`, `v`), without how they are pronounced (`rPh`)."""

    _phonetic = False

    def begins(self, name: str, attributes: dict[str, str]) -> None:
        if name == "rPh":
            self._phonetic = True
        self._listening = name in ("t", "f", "v") and not self._phonetic

    def ends(self, name: str) -> None:
        if name == "rPh":
            self._phonetic = False
        self._listening = False


class _Texts(_Spoken):
    """The table of texts that the cells refer to."""

    def __init__(self, box: zipfile.ZipFile, name: str, most_rows: int | None) -> None:
        self.texts: list[str] = []
        self._most = None if most_rows is None else most_rows * MOST_COLUMNS
        super().__init__(box, name)

    def ends(self, name: str) -> None:
        super().ends(name)
        if name == "si":
            if self._most is not None and len(self.texts) >= self._most:
                raise Unreadable(TOO_MANY_ROWS)
            self.texts.append(_unescaped(self.heard()))


class _Sheet(_Spoken):
    """The rows of one sheet."""

    def __init__(self, box: zipfile.ZipFile, name: str, texts: list[str], most_rows: int | None) -> None:
        self.rows: Rows = []
        self._most_rows = most_rows
        self._places = 0  # of cells in `rows`, which may be more than there are elements
        self._texts = texts
        self._row = self._column = 0
        self._kind = self._formula = self._value = ""
        self._cells: dict[int, str] = {}
        super().__init__(box, name)

    def begins(self, name: str, attributes: dict[str, str]) -> None:
        super().begins(name, attributes)
        match name:
            case "row":
                self._row, self._column = int(attributes.get("r", self._row + 1)), 0
            case "c":
                self._column = _column(attributes["r"]) if "r" in attributes else self._column + 1
                self._kind, self._formula, self._value = attributes.get("t", "n"), "", ""

    def ends(self, name: str) -> None:
        super().ends(name)
        match name:
            case "f":
                self._formula = f"={self.heard()}"
            case "v" | "is":
                self._value = self.heard()
            case "c" if self._column <= MOST_COLUMNS and (text := self._shown().strip()):
                self._cells[self._column] = text
            case "row" if self._cells:
                if self._most_rows is not None and max(self._row, len(self.rows) + 1) > self._most_rows:
                    raise Unreadable(TOO_MANY_ROWS)
                width = max(self._cells)
                self._places += width
                if self._places > MOST_ELEMENTS:
                    raise Unreadable(_TOO_MANY_CELLS)
                self.rows.append((self._row, [self._cells.get(column, "") for column in range(1, width + 1)]))
                self._cells = {}

    def _shown(self) -> str:
        if not self._value:
            return self._formula
        return self._texts[int(self._value)] if self._kind == "s" else _unescaped(self._value)


def _unescaped(text: str) -> str:
    """Once for each text, however many cells refer to it."""
    return _ESCAPED.sub(lambda code: chr(int(code[1], 16)), text)


def _column(reference: str) -> int:
    """`AB12` is in column 28."""
    number = 0
    for letter in reference.rstrip("0123456789").upper():
        number = 26 * number + _LETTERS[letter]
    return number
