"""What people type into fields: read forgivingly, refused in plain sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from providers.fields import DomainName, is_plain_address, parse_address, parse_domain, parse_domains, split_list


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
        ("\u202aacme.com\u202c", "acme.com"),
        ("\u200f \u2068bücher.com\u2069", "xn--bcher-kva.com"),
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


# Addresses.


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("ana@acme.com", "ana@acme.com"),
        ("  Ana.Ruiz@ACME.com ", "Ana.Ruiz@acme.com"),
        ("ana+spring.2026@acme.com", "ana+spring.2026@acme.com"),
        ("ana-maria_ruiz@acme-mail.co", "ana-maria_ruiz@acme-mail.co"),
        ("o'brien@acme.com", "o'brien@acme.com"),
        ("o’brien@acme.com", "o'brien@acme.com"),
        ("_service@acme.com", "_service@acme.com"),
        ("7@acme.com", "7@acme.com"),
        ("ana-@acme.com", "ana-@acme.com"),
        ("r&d@acme.com", "r&d@acme.com"),
        ("bounce+17=ana/acme.com@mail.acme.com", "bounce+17=ana/acme.com@mail.acme.com"),
        ("ana@Bücher.com", "ana@xn--bcher-kva.com"),
        ("<mailto:ana@acme.com|ana@acme.com>", "ana@acme.com"),
        ("\u200fana@acme.com\u200f", "ana@acme.com"),
        ("a" * 64 + "@acme.com", "a" * 64 + "@acme.com"),
    ],
)
def test_what_people_are_called_is_an_address(typed: str, address: str) -> None:
    assert parse_address(typed) == address


@pytest.mark.parametrize(
    "typed",
    [
        "!channel@b.com",
        "=cmd@c.com",
        "+ana@acme.com",
        "-ana@acme.com",
        "'ana@acme.com",
        ".ana@acme.com",
        "ana.@acme.com",
        "a..na@acme.com",
        "{first}@acme.com",
        "*@acme.com",
        "`ana`@acme.com",
        "ana!here@acme.com",
        "ana|bo@acme.com",
        "50%@acme.com",
        "who?@acme.com",
        "@acme.com",
        "ana@",
        "ana@bo@acme.com",
        "ana \t@acme.com",
        "añá@acme.com",
        "a" * 65 + "@acme.com",
    ],
)
def test_what_nobody_is_called_is_refused_in_a_sentence(typed: str) -> None:
    with pytest.raises(PydanticCustomError, match=r"^“.+” is not an e-mail address[:.] [^“”]+\.$"):
        parse_address(typed)


@given(
    st.from_regex(r"[A-Za-z0-9_]+([.+'’-][A-Za-z0-9_]+){0,3}", fullmatch=True).filter(lambda local: len(local) <= 64)
)
def test_letters_and_digits_with_one_sign_between_them_are_always_taken(local: str) -> None:
    assert parse_address(f"{local}@acme.com") == f"{local.replace('’', chr(39))}@acme.com"


@given(st.text() | st.from_regex(r"[!=+'’.<>|*`a-z0-9@-]{1,30}@[a-z0-9.-]{1,20}\.com", fullmatch=True))
def test_anything_is_an_address_or_a_sentence_and_an_address_stays_what_it_is(typed: str) -> None:
    try:
        address = parse_address(typed)
    except PydanticCustomError:
        return

    assert address[0].isalnum() or address[0] == "_"
    assert not set(address) & set(' <>!*`|"\n\t')
    assert address.count("@") == 1
    assert parse_address(address) == address


@given(st.from_regex(r"[aZ0_.+'&/=~|-]{1,66}@([aZ0-]{1,64}\.){1,4}[aZ0-]{1,4}", fullmatch=True) | st.text(max_size=30))
def test_a_plain_address_is_what_a_closer_look_makes_of_it(typed: str) -> None:
    if is_plain_address(typed):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("providers.fields.is_plain_address", lambda _: False)
            assert parse_address(typed) == typed


@pytest.mark.parametrize(
    ("typed", "plain"),
    [
        ("Ana.Lee+x@mail.acme-mail.co", True),
        ("_x'y&z/=~-@a.b1", True),
        ("a" * 64 + "@a.com", True),
        ("a" * 65 + "@a.com", False),
        ("a@" + "b." * 124 + "com", False),
        ("=1+1@a.com", False),
        ("|cmd@a.com", False),
        ("a.@a.com", False),
        ("a..b@a.com", False),
        ("a@A.com", False),
        ("a@-a.com", False),
        ("a@a-.com", False),
        ("a@a.1", False),
        ("a@com", False),
        ("a@xn--bcher-kva.com", False),
        ("a@a.com\n", False),
        ("a@a.com@b.com", False),
    ],
)
def test_what_a_plain_address_is(typed: str, plain: bool) -> None:
    assert is_plain_address(typed) is plain
