"""What all clients do with what a provider says, whichever provider it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from providers.answers import (
    LONGEST_QUOTE,
    MOST_ODD_WORDS,
    Heard,
    first_problem,
    how_many,
    listed,
    moment,
    read_json,
    read_rows,
    secret,
    text,
    whole,
)


class Row(BaseModel):
    name: str
    number: int = 0


def heard(*secrets: str) -> Heard:
    return Heard("harbour", "main", lambda: secrets)


class TestQuoting:
    def test_one_line_and_not_too_long(self) -> None:
        said = heard().quoted("Sorry,\x1b[31m\n\tno.\u2028 " + "x" * 1000)
        assert said.startswith("Sorry, [31m no. xxx")
        assert len(said) == LONGEST_QUOTE
        assert said.endswith("…")

    def test_no_secret_however_it_is_written(self) -> None:
        assert heard("S3cret").quoted("s3cret S3CRET xs3cretx", [SecretStr("of this call")]) == (
            "[redacted] [redacted] x[redacted]x"
        )
        assert heard().quoted("Of This CALL", [SecretStr("of this call")]) == "[redacted]"

    @pytest.mark.parametrize("secrets", [("key", "key-of-the-key"), ("key-of-the-key", "key")])
    def test_one_secret_may_be_a_part_of_another(self, secrets: tuple[str, ...]) -> None:
        assert heard(*secrets).quoted("No key-of-the-key, no key.") == "No [redacted], no [redacted]."

    def test_an_empty_secret_is_none(self) -> None:
        assert heard("", "x").quoted("a b", [SecretStr("")]) == "a b"

    def test_secrets_are_asked_for_each_time(self) -> None:
        known = ["old"]
        hearing = Heard("harbour", "main", lambda: known)
        known.append("new")
        assert hearing.quoted("old new") == "[redacted] [redacted]"

    def test_half_a_character_is_none(self) -> None:
        assert heard().quoted("Broken \ud83d emoji").encode() == b"Broken emoji"


class TestNoting:
    def test_each_word_once_and_not_for_ever(self, logged: Any) -> None:
        hearing = heard("s3cret")
        for number in range(MOST_ODD_WORDS * 2):
            for _ in range(2):
                hearing.note("boat status", f"s3cret {number}")
        assert [(line["of"], line["said"]) for line in logged] == [
            ("boat status", f"[redacted] {number}") for number in range(MOST_ODD_WORDS)
        ]

    def test_rows_that_are_left_out(self, logged: Any) -> None:
        hearing = heard()
        for rows in (0, 2, 3):
            hearing.note_left_out("/boats", rows)
        assert [(line["path"], line["rows"]) for line in logged] == [("/boats", 2)]


class TestRows:
    @pytest.mark.parametrize(
        ("body", "rows"),
        [
            ([{"a": 1}], [{"a": 1}]),
            ({"boats": []}, []),
            ({"data": {"boats": [1]}}, [1]),
            ({"items": [1]}, [1]),
            ({"result": {"ok": 1}}, None),
            ({"boats": "none"}, None),
            ("boats", None),
            (None, None),
        ],
    )
    def test_where_a_listing_stands(self, body: Any, rows: Any) -> None:
        assert listed(body, "boats") == rows

    def test_a_bad_row_is_left_out(self) -> None:
        rows = read_rows(Row, [{"name": "a"}, {"number": 1}, "b", {"name": "c", "number": "x"}, {"name": "d"}])
        assert ([row.name for row in rows], rows.unreadable) == (["a", "d"], 3)
        assert read_rows(Row, [{"name": "a"}]).unreadable == 0

    def test_what_is_wrong_is_told_without_the_value(self) -> None:
        with pytest.raises(ValidationError) as wrong:
            Row.model_validate({"name": ["s3cret"]})
        assert first_problem(wrong.value) == "name: string_type"
        with pytest.raises(ValidationError) as whole:
            Row.model_validate("s3cret")
        assert first_problem(whole.value) == "the whole: model_type"


class TestJson:
    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            (r'{"a": "\ud83d\ude00"}', {"a": "😀"}),
            (r'{"a": "\ud83d"}', {"a": "?"}),
            (r'["\uDE00 x", "\ud83d\ud83d\ude00"]', ["? x", "?😀"]),
            (r'["\u00e9", "\\ud83d"]', ["é", "\\ud83d"]),
            ("1", 1),
        ],
    )
    def test_half_a_character_is_a_question_mark(self, text: str, meant: Any) -> None:
        read = read_json(text)
        assert read == meant
        assert json.dumps(read, ensure_ascii=False).encode()

    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            (r'{"a": "x\u0000y", "b\u0001": ["\b\f\u001b[31m"]}', {"a": "xy", "b": ["[31m"]}),
            (r'["\u202eevil.com", "\u2066a\u2069", "\u007F\u009f"]', ["evil.com", "a", ""]),
            ('["\u202eevil.com", "a\x7f\x85\u2067b"]', ["evil.com", "ab"]),
            (r'["two\nlines\tand \\u0000 and \\b"]', ["two\nlines\tand \\u0000 and \\b"]),
            ('["\u200fשלום", "👩\u200d💻", "é"]', ["\u200fשלום", "👩\u200d💻", "é"]),
            (r'{"a": [1, null, true, {"\u0000": 1.5}]}', {"a": [1, None, True, {"": 1.5}]}),
        ],
    )
    def test_what_nobody_sees_is_left_out(self, text: str, meant: Any) -> None:
        assert read_json(text) == meant

    @pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "9" * 5000])
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(ValueError):
            read_json(text)


class TestMoments:
    @pytest.mark.parametrize(
        ("said", "meant"),
        [
            ("2026-03-02T09:00:00Z", datetime(2026, 3, 2, 9, tzinfo=UTC)),
            ("2026-03-02T11:00:00+02:00", datetime(2026, 3, 2, 9, tzinfo=UTC)),
            ("2026-03-02 09:00:00", datetime(2026, 3, 2, 9, tzinfo=UTC)),
            ("0001-01-01T00:00:00+02:00", None),
            ("9999-12-31T23:59:59-02:00", None),
            ("yesterday", None),
            ("", None),
            (0, None),
            (None, None),
        ],
    )
    def test_in_utc_or_none(self, said: Any, meant: datetime | None) -> None:
        assert moment(said) == meant


@pytest.mark.parametrize(
    ("value", "as_text", "number", "count"),
    [
        ("Ana", "Ana", None, None),
        ("", "", None, None),
        (None, "", None, None),
        (30, "30", 30, 30),
        ("30", "30", 30, 30),
        (" 30 ", " 30 ", 30, 30),
        (30.0, "30.0", 30, 30),
        ("30.5", "30.5", None, None),
        (-2, "-2", -2, None),
        ("-2", "-2", -2, None),
        (True, "True", None, None),
        ("9" * 30, "9" * 30, None, None),
        ("٣", "٣", None, None),
        ([1], "", None, None),
        ({"a": 1}, "", None, None),
        (float("nan"), "nan", None, None),
    ],
)
def test_scalars_are_read_however_they_come(value: object, as_text: str, number: int | None, count: int | None) -> None:
    assert (text(value), whole(value), how_many(value)) == (as_text, number, count)


def test_a_secret_is_a_text_that_shows_nothing() -> None:
    found = secret("swordfish")

    assert found is not None
    assert found.get_secret_value() == "swordfish"
    assert "swordfish" not in repr(found)
    assert [secret(value) for value in (None, "", 7, ["x"])] == [None] * 4
