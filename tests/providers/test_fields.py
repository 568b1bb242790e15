"""What people type into fields: read forgivingly, refused in plain sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from providers.fields import DomainName, parse_domain, parse_domains, split_list


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("acme.com", "acme.com"),
        ("  ACME.Com. ", "acme.com"),
        ("https://acme.com/path?x=1", "acme.com"),
        ("HTTP://acme.com", "acme.com"),
        ("<http://acme.com|acme.com>", "acme.com"),
        ("<https://acme.com/x>", "acme.com"),
        ("<http://acme.com|ACME.com>", "acme.com"),
        ("mail.acme.co.uk", "mail.acme.co.uk"),
        ("bücher.com", "xn--bcher-kva.com"),
        ("Bücher.COM", "xn--bcher-kva.com"),
        ("bu\u0308cher.com", "xn--bcher-kva.com"),
        ("例え.com", "xn--r8jz45g.com"),
        ("acme。com", "acme.com"),
        ("xn--bcher-kva.com", "xn--bcher-kva.com"),
        ("a--b.com", "a--b.com"),
        ("1.com", "1.com"),
        (f"{'a' * 63}.com", f"{'a' * 63}.com"),
    ],
)
def test_a_domain_name_however_it_was_typed(typed: str, name: str) -> None:
    assert parse_domain(typed) == name


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        ".",
        "acme",
        "acme.",
        ".com",
        "acme..com",
        "-acme.com",
        "acme-.com",
        "ac_me.com",
        "acme.com:8080",
        "acme com",
        "ana@acme.com",
        "<mailto:ana@acme.com|ana@acme.com>",
        "192.168.0.1",
        "acme.123",
        f"{'a' * 64}.com",
        f"{'a.' * 130}com",
        "<!channel>",
        "<@U0OMAR>",
        "acme.com\x00",
        "\ud800.com",
        "☃️.com\u200d",
        "https://",
        "ac\nme.com",
    ],
)
def test_what_is_no_domain_name(typed: str) -> None:
    with pytest.raises(PydanticCustomError) as refused:
        parse_domain(typed)

    assert len(str(refused.value)) < 300
    assert "is not a domain name" in str(refused.value) or "only the part after the @" in str(refused.value)


@given(st.text() | st.from_regex(r"[a-z0-9.\-üß<>|:/@]{1,40}\.(com|co)", fullmatch=True))
def test_anything_is_a_name_or_a_sentence_and_a_name_stays_what_it_is(typed: str) -> None:
    try:
        name = parse_domain(typed)
    except PydanticCustomError:
        return

    assert name.isascii()
    assert name == name.lower()
    assert len(name) <= 253
    assert parse_domain(name) == name


@given(st.text())
def test_a_list_is_names_or_one_sentence(typed: str) -> None:
    try:
        names = parse_domains(typed)
    except PydanticCustomError as refused:
        sentence, names = str(refused), []
    else:
        sentence = ""
    assert len(sentence) < 1000
    assert parse_domains("\n".join(names)) == names


def test_lines_commas_semicolons_and_spaces_all_separate() -> None:
    assert parse_domains("a.com, b.co;c.ca\n\nd.biz   e.com,") == ["a.com", "b.co", "c.ca", "d.biz", "e.com"]
    assert split_list(["as", "it is"]) == ["as", "it is"]
    assert parse_domains(7) == 7


def test_every_wrong_piece_is_named_up_to_three() -> None:
    with pytest.raises(PydanticCustomError) as refused:
        parse_domains("good.com one two three four five")

    said = str(refused.value)
    assert "“one”" in said
    assert "“three”" in said
    assert "“four”" not in said
    assert said.endswith("And 2 more are wrong.")


def test_as_a_field_of_a_form() -> None:
    field: TypeAdapter[str] = TypeAdapter(DomainName)

    assert field.validate_python("ACME.com") == "acme.com"
    with pytest.raises(ValidationError):
        field.validate_python(7)
