"""Files, as people and their spreadsheets make them, and as nobody should."""

from __future__ import annotations

import csv
import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from providers.fields import parse_domain
from providers.files import MOST_BYTES, MOST_BYTES_OF_A_LARGE_ONE, Wanted, from_file, lines_of, wanted_of
from providers.xlsx import LONGEST_CELL, MOST_COLUMNS, MOST_ROWS, MOST_UNPACKED, Unreadable, xlsx_rows

EMAIL = Wanted(("email",), frozenset())
LARGE = Wanted(("email",), frozenset(), is_large=True)
DOMAIN = Wanted(("domain",), frozenset())
BOXES = Wanted(("email", "name"), frozenset({"email"}))
NAMES = Wanted(("name",), frozenset())

SHEET = "xl/worksheets/sheet1.xml"


def as_csv(rows: Iterable[Sequence[object]], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter).writerows(rows)
    return written.getvalue().encode(encoding)


def refused_domain(typed: str) -> PydanticCustomError:
    with pytest.raises(PydanticCustomError) as caught:
        parse_domain(typed)
    return caught.value


def as_xlsx(rows: Iterable[Sequence[object]]) -> bytes:
    """As another program makes it."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    return saved(book)


def saved(book: Any) -> bytes:
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def with_part(content: bytes, name: str, part: bytes, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The workbook with one of its parts replaced."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        for info in old.infolist():
            if info.filename != name:
                new.writestr(info.filename, old.read(info), zipfile.ZIP_DEFLATED)
        new.writestr(name, part, compression)
    return made.getvalue()


def with_rows(rows: str) -> bytes:
    """A workbook whose sheet holds this XML."""
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = f'<worksheet xmlns="{space}"><sheetData>{rows}</sheetData></worksheet>'
    return with_part(as_xlsx([["email"]]), SHEET, sheet.encode())


def with_texts(rows: str, texts: bytes) -> bytes:
    """A workbook whose sheet holds these rows, and whose table of texts is this."""
    relations = b'<Relationships><Relationship Id="rId1" Type="x/worksheet" Target="worksheets/sheet1.xml"/>'
    relations += b'<Relationship Id="rId9" Type="x/sharedStrings" Target="sharedStrings.xml"/></Relationships>'
    content = with_part(with_rows(rows), "xl/sharedStrings.xml", texts)
    return with_part(content, "xl/_rels/workbook.xml.rels", relations)


def refused(content: bytes, wanted: Wanted = EMAIL) -> str:
    with pytest.raises(Unreadable) as told:
        lines_of(content, wanted)
    return told.value.sentence


BOTH = pytest.mark.parametrize("made", [as_csv, as_xlsx])
Made = Callable[[Iterable[Sequence[object]]], bytes]


class TestColumns:
    @BOTH
    @pytest.mark.parametrize("called", ["email", "E-Mail", " EMAIL address ", "e_mail", "Address", "Mailbox"])
    def test_the_column_is_found_by_what_it_is_called(self, made: Made, called: str) -> None:
        content = made([["Company", called, "Notes"], ["ACME", "ana@ACME.com", "x"], ["", "bo@acme.com", ""]])

        assert lines_of(content, EMAIL) == ["ana@acme.com", "bo@acme.com"]

    @BOTH
    def test_the_surest_name_is_taken(self, made: Made) -> None:
        """An address may be one of a street."""
        content = made([["Address", "Name", "Email"], ["5 High Street", "Ana", "ana@acme.com"]])

        assert lines_of(content, EMAIL) == ["ana@acme.com"]

    @BOTH
    def test_a_name_may_be_in_two_columns(self, made: Made) -> None:
        halves = made([["Last name", "email", "First-Name"], ["Ruiz", "ana@acme.com", "Ana"]])
        whole = made([["Display name", "email"], ["Ana  Ruiz", "ana@acme.com"]])
        everything = made([["Name", "First", "Last", "email"], ["ACME", "Ana", "Ruiz", "ana@acme.com"]])

        for content in (halves, whole, everything):
            assert lines_of(content, BOXES) == ["ana@acme.com Ana Ruiz"]

    @BOTH
    def test_what_may_lack(self, made: Made) -> None:
        content = made([["First name", "Last name"], ["Ana", "Ruiz"], ["Bo", "Li"]])

        assert lines_of(content, BOXES) == ["Ana Ruiz", "Bo Li"]
        assert lines_of(content, NAMES) == ["Ana Ruiz", "Bo Li"]

    @BOTH
    @pytest.mark.parametrize(
        ("rows", "wanted", "lines"),
        [
            ([["ana@acme.com"], ["bo@acme.com"]], EMAIL, ["ana@acme.com", "bo@acme.com"]),
            ([["Ana", "ana@acme.com"], ["Bo", "bo@acme.com"]], EMAIL, ["ana@acme.com", "bo@acme.com"]),
            ([["https://Acme.com/"], ["bücher.de"]], DOMAIN, ["acme.com", "xn--bcher-kva.de"]),
            ([["ana@acme.com", "Ana Ruiz"]], BOXES, ["ana@acme.com Ana Ruiz"]),
            ([["Ana", "Ruiz", "ana@acme.com"]], BOXES, ["ana@acme.com Ana Ruiz"]),
            ([["Ana Ruiz"], ["Bo Li"]], BOXES, ["Ana Ruiz", "Bo Li"]),
        ],
    )
    def test_without_names_of_columns(
        self, made: Made, rows: list[list[str]], wanted: Wanted, lines: list[str]
    ) -> None:
        assert lines_of(made(rows), wanted) == lines

    @BOTH
    @pytest.mark.parametrize(
        ("rows", "wanted", "sentence"),
        [
            ([["Company"], ["ACME"]], EMAIL, "No column of the file is called email, and its first row holds nothing"),
            ([["ana@acme.com", "a", "b", "c"]], BOXES, "Write into the first row what the columns are called: email"),
            ([["ana@acme.com"]], BOXES, "Write into the first row what the columns are called: email and name."),
            ([["email", "Company"]], BOXES, "The file has no column called name. Its columns are: email, Company."),
            ([["email"]], EMAIL, "The file has the names of its columns, but no rows below them."),
            ([[""], ["", " "]], EMAIL, "The file is empty."),
        ],
    )
    def test_what_cannot_be_guessed_is_asked_for(
        self, made: Made, rows: list[list[str]], wanted: Wanted, sentence: str
    ) -> None:
        assert refused(made(rows), wanted).startswith(sentence)

    def test_what_a_field_says_of_it(self) -> None:
        marked = FieldInfo(json_schema_extra=from_file("email", "name", may_lack=["email"]))

        assert wanted_of(marked) == BOXES
        assert wanted_of(FieldInfo(json_schema_extra=from_file("email", is_large=True))) == LARGE
        assert "columns called email and name (or first name and last name)" in BOXES.hint
        assert wanted_of(Field()) is None


class TestRows:
    @BOTH
    def test_each_bad_row_is_named(self, made: Made) -> None:
        rows = [["email"], ["ana@acme.com"], ["foo"], [""], ["bo@acme.com"], ["<x>@y"]]

        assert refused(made(rows)) == (
            "Row 3: “foo” is not an e-mail address. Row 6: “<x>@y” is not an e-mail address."
        )

    @BOTH
    def test_many_bad_rows_are_counted(self, made: Made) -> None:
        said = refused(made([["email"], *([f"bad-{n}"] for n in range(17))]))

        assert said.count("Row ") == 5
        assert said.endswith("And 12 more rows are wrong.")
        assert len(refused(made([["domain"], *(["x" * 9000] for _ in range(40))]), DOMAIN)) < 1000

    @BOTH
    def test_a_row_without_what_is_wanted(self, made: Made) -> None:
        rows = [["email", "name"], ["ana@acme.com", ""], ["", "Bo Li"]]

        assert refused(made(rows), BOXES) == "Row 2 has no name. Row 3 has no email."

    @BOTH
    def test_as_many_rows_as_there_may_be(self, made: Made) -> None:
        rows = [["email"], *([f"a{n}@acme.com"] for n in range(MOST_ROWS))]

        assert len(lines_of(made(rows[:MOST_ROWS]), EMAIL)) == MOST_ROWS - 1
        assert refused(made(rows)).startswith("The file has more than 5,000 rows.")

    @BOTH
    def test_of_a_large_one_any_number(self, made: Made) -> None:
        rows = [["name", "email"], *(["Ann", f"a{n}@acme.com"] for n in range(MOST_ROWS + 1))]

        assert len(lines_of(made(rows), LARGE)) == MOST_ROWS + 1
        assert "5,000 rows" in EMAIL.hint
        assert LARGE.hint.startswith("CSV or XLSX, at most 10 MB, with a column called email")

    def test_a_large_one_is_read_up_to_what_slack_lets_through(self) -> None:
        """And little more of it is kept than the lines: a third of what all its rows would take."""
        content = b"email,name\n" + b"".join(b"person%06d@acme.com,Ann Lee of ACME\n" % n for n in range(250_000))
        assert 5 * 1024 * 1024 < MOST_BYTES + 1 < len(content) < MOST_BYTES_OF_A_LARGE_ONE
        tracemalloc.start()
        try:
            assert len(lines_of(content, LARGE)) == 250_000
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < 48 * 1024 * 1024
        assert refused(content).startswith("The file has 9.1 MB; at most 5 MB")
        assert refused(b"x" * (MOST_BYTES_OF_A_LARGE_ONE + 1), LARGE).startswith("The file has 10.0 MB; at most 10 MB")

    @given(
        st.lists(
            st.tuples(
                st.from_regex(r"[a-z0-9]{1,20}@[a-z0-9]{1,20}\.(com|co)", fullmatch=True),
                st.from_regex(r"[A-Za-zñçü'’.-]{0,10}[a-z]( [A-Z][a-z,;\"]{1,10})?", fullmatch=True),
                st.text(st.characters(exclude_categories=["C"]), max_size=20),
            ),
            min_size=1,
            max_size=20,
        ),
        st.sampled_from([",", ";", "\t"]),
        st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
        st.booleans(),
    )
    def test_what_a_spreadsheet_wrote_is_what_is_read(
        self, rows: list[tuple[str, str, str]], delimiter: str, encoding: str, other_program: bool
    ) -> None:
        table: list[Sequence[object]] = [("Notes", "E-mail", "Full name")]
        table += [(note, email, name) for email, name, note in rows]
        content = as_xlsx(table) if other_program else as_csv(table, delimiter, encoding)

        assert lines_of(content, BOXES) == [f"{email} {name}" for email, name, _ in rows]

    @given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
    def test_anything_is_read_or_refused_in_a_sentence(self, content: bytes) -> None:
        for start in (b"", b"PK\x03\x04", b"email\n"):
            for wanted in (EMAIL, DOMAIN, BOXES, NAMES):
                try:
                    lines = lines_of(start + content, wanted)
                except Unreadable as unreadable:
                    lines = [unreadable.sentence]
                    ends = unreadable.sentence[-1]
                else:
                    ends = "."
                assert all(lines)
                assert ends in ".?"


class TestCsv:
    @pytest.mark.parametrize("sign", [",", ";", "|"])
    def test_the_line_that_tells_excel_what_separates_columns(self, sign: str) -> None:
        content = f"\ufeffsep={sign}\r\nemail{sign}name\r\nana@acme.com{sign}Ana\r\n".encode()
        assert lines_of(content, EMAIL) == ["ana@acme.com"]
        with pytest.raises(Unreadable) as refused:
            lines_of(f"sep={sign}\nemail\nana\n".encode(), EMAIL)
        assert refused.value.sentence.startswith("Row 3: “ana”")

    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
    def test_a_stray_byte_does_not_make_other_names_of_all_others(self, mark: bytes) -> None:
        """Read as ANSI, José León would be JosÃ© LeÃ³n, and get the mailbox josa.lea3n@acme.com."""
        content = mark + "name\nAna Muñoz\nJosé León\n".encode() + b"\xcd\xf1igo Ruiz\n"
        with pytest.raises(Unreadable) as refused:
            lines_of(content, NAMES)
        assert refused.value.sentence.startswith("Row 4 has a character that cannot be read")

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
    def test_encodings(self, encoding: str) -> None:
        content = as_csv([["email", "name"], ["ana@acme.com", "Ana Muñoz"]], ";", encoding)

        assert lines_of(content, BOXES) == ["ana@acme.com Ana Muñoz"]

    def test_what_windows_puts_into_names(self) -> None:
        assert lines_of("name\nPat O’Brien\n".encode("cp1252"), NAMES) == ["Pat O’Brien"]

    def test_commas_in_quotation_marks_separate_nothing(self) -> None:
        assert lines_of(b'"Name, with, commas";"email"\n"Ruiz, Ana";ana@acme.com\n', EMAIL) == ["ana@acme.com"]

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_ends_of_lines(self, end: str) -> None:
        assert lines_of(end.join(["", "email", "", "ana@acme.com", ""]).encode(), EMAIL) == ["ana@acme.com"]

    def test_half_links_without_end(self) -> None:
        """A row of 90 KB stopped the whole process for a quarter of a minute: each `<` met all the others."""
        half = "<" * 30_000
        assert "30,000 characters" in refused(as_csv([["email"], [half], [half]]))
        assert "is not a domain name" in str(refused_domain("<" * 130_000))

    def test_a_quotation_mark_that_nothing_closes_swallows_no_rows(self) -> None:
        said = refused(b'email,note\nana@acme.com,x\nbo@acme.com,"oops\ncy@acme.com,y\n')

        assert said == "Row 3 cannot be read: is there a quotation mark too many or too few?"

    def test_a_row_is_counted_as_a_spreadsheet_counts_it(self) -> None:
        assert refused(b'note,email\n"two\nlines",ana@acme.com\nx,bad\n').startswith("Row 3: “bad”")

    @pytest.mark.parametrize("cell", ['=HYPERLINK("http://evil.example")', "+1", "@SUM(A1)", "-", "=A1"])
    def test_formulas_are_no_names_and_no_addresses(self, cell: str) -> None:
        content = as_csv([["email", "name"], ["ana@acme.com", cell]])

        assert refused(content, BOXES).endswith("is not a name.")
        assert refused(as_csv([["email"], [cell]])).endswith("is not an e-mail address.")

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"", "The file is empty."),
            (b"\xef\xbb\xbf", "The file is empty."),
            (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "This is neither CSV nor XLSX."),
            (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\x00", "This is neither CSV nor XLSX."),
            (bytes(range(256)) * 40, "This is neither CSV nor XLSX."),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "This is a workbook of the old kind"),
            (b"a@acme.com\n" * (MOST_BYTES // 11 + 1), "The file has 5.0 MB; at most 5 MB"),
            (b"x" * 200_000, "Row 1 has a cell of more than 131,072 characters. Shorten it,"),
            (b"email\nana@acme.com\n" + b"a" * 200_000 + b"@acme.com\n", "Row 3 has a cell of more than 131,072"),
            (b'email\n"ana@acme.com\n' + b"bo@acme.com\n" * 20_000, "Row 2 cannot be read: is there a quotation mark"),
            (b'email\n"ana@acme.com\n', "Row 2 cannot be read: is there a quotation mark"),
            (b"email\n=1+1@acme.com\n|cmd@acme.com\n", "Row 2: “=1+1@acme.com” is not an e-mail address. Row 3: “|cmd"),
            (b'{"email": "ana@acme.com"}', "No column of the file is called email"),
        ],
    )
    def test_what_is_no_list(self, content: bytes, sentence: str) -> None:
        assert refused(content).startswith(sentence)


class TestXlsx:
    def test_what_it_is_its_content_says(self) -> None:
        """The name is not even asked: people rename files."""
        assert lines_of(as_xlsx([["email"], ["ana@acme.com"]]), EMAIL) == ["ana@acme.com"]

    def test_the_first_sheet_that_can_be_seen(self) -> None:
        book = openpyxl.Workbook()
        book.active.title = "Secret"  # type: ignore[union-attr]
        book.active.append(["email"])  # type: ignore[union-attr]
        for name in ("Seen", "Later"):
            book.create_sheet(name).append([f"{name}@acme.com"])
        book["Secret"].sheet_state = "hidden"

        assert lines_of(saved(book), EMAIL) == ["Seen@acme.com"]

    def test_cells_of_every_kind(self) -> None:
        content = with_rows(
            '<row r="2"><c r="B2" t="inlineStr"><is><r><t>E-</t></r> <r><t>mail</t></r><rPh><t>no</t></rPh></is></c>'
            '<c r="C2" t="str"><f>1</f><v>x</v></c></row>'
            '<row r="4"><c r="AB4"><v>7</v></c><c r="B4" t="str"><f>A1</f><v>ana@acme.com</v></c></row>'
            '<row><c t="b"><v>1</v></c><c t="str"><v> bo@acme.com_x000D_</v></c></row>'
        )

        rows = xlsx_rows(content)

        assert [number for number, _ in rows] == [2, 4, 5]
        assert rows[0][1] == ["", "E-mail", "x"]
        assert rows[1][1] == ["", "ana@acme.com", *[""] * 25, "7"]
        assert lines_of(content, EMAIL) == ["ana@acme.com", "bo@acme.com"]

    def test_a_formula_that_was_never_worked_out(self) -> None:
        """Such a cell is empty to most readers, and its row would be lost without a word."""
        said = refused(as_xlsx([["email"], ["ana@acme.com"], ['="bo"&"@acme.com"']]))

        assert said == 'Row 3: “="bo"&"@acme.com"” is not an e-mail address.'

    def test_errors_are_no_names(self) -> None:
        content = with_rows('<row><c t="str"><v>name</v></c></row><row><c t="e"><f>A1</f><v>#REF!</v></c></row>')

        assert refused(content, NAMES) == "Row 2: “#REF!” is not a name."

    def test_characters_that_xml_cannot_hold(self) -> None:
        def named(name: str) -> bytes:
            return with_rows(f'<row><c t="str"><v>name</v></c></row><row><c t="str"><v>{name}</v></c></row>')

        assert lines_of(named("Ana_x000D__x000a_Ru_x0069_z"), NAMES) == ["Ana Ruiz"]
        assert lines_of(named("Ana _xD83D_"), NAMES) == ["Ana _xD83D_"]
        assert refused(named("Ana_x0000_"), NAMES).endswith("is not a name.")

    def test_rows_far_below(self) -> None:
        assert refused(with_rows('<row r="1048576"><c t="str"><v>a@b.co</v></c></row>')).startswith("The file has more")
        assert refused(with_rows('<row r="1"><c t="str"><v>a@b.co</v></c></row>' * 6000)).startswith(
            "The file has more"
        )

    def test_empty_rows_to_the_very_bottom(self) -> None:
        """As spreadsheets write them when a whole column was given a colour."""
        rows = "".join(f'<row r="{n}"><c r="A{n}" s="1"/></row>' for n in range(2, 300_000))
        content = with_rows(f'<row r="1"><c t="str"><v>ana@acme.com</v></c></row>{rows}')

        assert lines_of(content, EMAIL) == ["ana@acme.com"]

    def test_a_million_rows(self) -> None:
        row = '<row r="1"><c t="str"><v>ana@acme.com</v></c></row>'
        content = with_rows(row * 1_000_000)
        assert len(content) < MOST_BYTES

        assert "unpacks to more than 32 MB" in refused(content)

    @pytest.mark.parametrize(
        "hostile",
        [
            lambda: with_rows("<row>" + '<c t="str"><v>x</v></c>' * 200_000 + "</row>"),
            lambda: with_rows("<row><c t='str'><v>" + "x" * 30_000_000 + "</v></c></row>"),
            lambda: with_texts("<row/>", b"<sst>" + b"<si/>" * 6_000_000 + b"</sst>"),
            lambda: with_texts("<row/>", bytes(MOST_UNPACKED + 1)),
        ],
        ids=["row", "cell", "strings", "unpacked"],
    )
    def test_what_unfolds_eats_no_memory(self, hostile: Callable[[], bytes]) -> None:
        content = hostile()
        assert len(content) < MOST_BYTES

        tracemalloc.start()
        try:
            refused(content)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < 24 * 1024 * 1024

    def test_nor_do_many_rows_that_are_nearly_empty(self) -> None:
        content = with_rows('<row><c r="CV1" t="str"><v>x</v></c></row>' * 100_000)
        assert len(content) < MOST_BYTES

        tracemalloc.start()
        try:
            assert refused(content, LARGE).startswith("The workbook has too many cells")
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < 24 * 1024 * 1024

    @pytest.mark.parametrize("hostile", ["<c/>" * 7_000_000, "</row><row>" * 2_900_000], ids=["cells", "rows"])
    def test_what_unfolds_eats_no_time(self, hostile: str) -> None:
        content = with_rows(f"<row>{hostile}</row>")
        assert len(content) < MOST_BYTES

        assert refused(content).startswith("The workbook has too many cells, even if they are empty.")

    def test_an_entity_that_unfolds_for_ever(self) -> None:
        entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
        evil = f'<!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><worksheet><row><c t="str"><v>&e9;</v></c></row></worksheet>'

        assert refused(with_part(as_xlsx([["x"]]), SHEET, evil.encode())).startswith("The file is called a workbook")

    def test_a_text_that_all_cells_share_is_worked_out_once(self) -> None:
        """A workbook of 24 KB kept a core busy for minutes: once for each cell."""
        text = f"<sst><si><t>{'_x0041_' * 4_500}</t></si></sst>".encode()
        cells = "".join("<row>" + '<c t="s"><v>0</v></c>' * 60 + "</row>" for _ in range(4_900))

        assert "first row holds nothing that is" in refused(with_texts(cells, text))

    def test_more_texts_than_so_many_rows_can_have(self) -> None:
        """Empty ones take next to nothing in the file, and a place each in memory."""
        texts = "<si><t>email</t></si><si><t>ana@acme.com</t></si>" + "<si/>" * (MOST_ROWS * MOST_COLUMNS)
        rows = "".join(f'<row><c t="s"><v>{number}</v></c></row>' for number in (0, 1))
        content = with_texts(rows, f"<sst>{texts}</sst>".encode())

        assert refused(content).startswith("The file has more than 5,000 rows.")
        assert lines_of(content, LARGE) == ["ana@acme.com"]

    def test_a_cell_longer_than_excel_allows(self) -> None:
        assert "more than 32,767 characters" in refused(
            with_rows(f"<row><c><v>{'x' * (LONGEST_CELL + 1)}</v></c></row>")
        )

    @pytest.mark.parametrize(
        "broken",
        [
            lambda: as_xlsx([["email"]])[:-100],
            lambda: b"PK\x03\x04" + b"rubbish" * 50,
            lambda: with_part(as_xlsx([["email"]]), "xl/workbook.xml", b"<workbook"),
            lambda: with_part(as_xlsx([["email"]]), SHEET, b"<worksheet><row r='x'/></worksheet>"),
            lambda: with_part(as_xlsx([["email"]]), SHEET, b"<w><row><c t='s'><v>99</v></c></row></w>"),
            lambda: with_part(as_xlsx([["email"]]), SHEET, b"<w><row><c r='!1'/></row></w>"),
            lambda: with_part(as_xlsx([["email"]]), SHEET, b"<w/>", zipfile.ZIP_LZMA),
            lambda: zipped("notes.txt"),
        ],
        ids=["cut", "rubbish", "xml", "row", "string", "column", "lzma", "other"],
    )
    def test_what_is_no_workbook(self, broken: Callable[[], bytes]) -> None:
        assert refused(broken()).startswith("The file is called a workbook, but cannot be read as one.")

    def test_a_locked_one(self) -> None:
        content = bytearray(zipped("xl/workbook.xml"))
        for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):  # the bit that says: encrypted
            struct.pack_into("<H", content, content.index(mark) + at, 1)

        assert refused(bytes(content)) == "The workbook is locked with a password. Save it without one."

    def test_a_workbook_of_charts_alone(self) -> None:
        empty = with_part(as_xlsx([["x"]]), "xl/workbook.xml", b"<workbook><sheets/></workbook>")

        assert refused(empty) == "The workbook has no sheet with rows in it."


def zipped(name: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as box:
        box.writestr(name, "<x/>")
    return made.getvalue()
