"""The names that a message of Slack has in it: what is found, what is not, and that no text does any harm."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from handlers.slack.finding import LONGEST_FOUND, MOST_FOUND, MOST_READ, Found, names_in, names_in_text
from providers.fields import parse_address, parse_domain

WRITTEN = (
    *("acme.com", "<http://acme.com|acme.com>", "<mailto:a@b.co|a@b.co>", "<@U0ANA>", "bücher.com", "ﬁ.com", "İ.com"),
    *("`", "```", "<", ">", "|", "@", "http://", "https://", "www.", ".", " ", "\n", "&lt;", "xn--", "\udc80", "_"),
)
LINES = st.lists(st.sampled_from(WRITTEN) | st.text(max_size=12), max_size=30).map("".join)
SHAPES = st.recursive(
    st.none() | st.integers() | st.text(max_size=9) | st.just("link"),
    lambda deeper: (
        st.lists(deeper, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "blocks", "type", "url", "files", "title"]), deeper, max_size=4)
    ),
    max_leaves=20,
)


def domains(text: str) -> tuple[str, ...]:
    return names_in_text(text).domains


def addresses(text: str) -> tuple[str, ...]:
    return names_in_text(text).addresses


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Please buy acme-mail.com, acme-hq.co; and acme.biz.", ("acme-mail.com", "acme-hq.co", "acme.biz")),
        ("<http://acme.com|acme.com> and <https://www.acme.de/prices?x=1#y>", ("acme.com", "acme.de")),
        ("<https://shop.acme.com:8443/a|our shop>", ("shop.acme.com",)),
        ("<https://acme.com|acme.net>", ("acme.net", "acme.com")),
        ("`acme.com` ```acme.co\nacme.ca``` *acme.biz* _acme.io_ ~acme.org~", None),
        ("(acme.com) “acme.co” 'acme.ca' [acme.biz] acme.io! acme.org?", None),
        ("domains:acme.com name=acme.co acme.ca/path acme.biz:8080 acme.io?x acme.org#y", None),
        ("ACME.com Acme.COM acme.com", ("acme.com",)),
        ("bücher.com BÜCHER.com xn--bcher-kva.com", ("xn--bcher-kva.com",)),
        ("&lt;acme.com&gt; a &amp; b.com", ("acme.com", "b.com")),
        ("https://user:secret@acme.com/x", ("acme.com",)),
        ("https://pad.md/abc", ("pad.md",)),
        ("acme.com's records, and ACME.CO’s", ("acme.com", "acme.co")),
        ("\u200facme.com\u200f \u2068acme.co\u2069، ثم acme.ca؟ acme.biz؛acme.io acme.org।", None),
        ("acme.com、acme.co。acme.caを買う（acme.biz）「acme.io」acme.org！", None),
        ("🎉acme.com🎉 acme.co👍🏽 ✅acme.ca acme.biz→acme.io ☎️acme.org", None),
        ("佐々木.jp x.brücher.com", ("xn--u6jy55gilq.jp", "x.xn--brcher-4ya.com")),
    ],
)
def test_domains_are_found_however_they_are_written(text: str, found: tuple[str, ...] | None) -> None:
    assert domains(text) == (found or ("acme.com", "acme.co", "acme.ca", "acme.biz", "acme.io", "acme.org"))
    assert addresses(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "Nothing in here.",
        "See README.md, leads.csv and <http://setup.py|setup.py>",
        "It is done.Then we go on, e.g. at 10.30, i.e. v1.2.3 of the U.S. one",
        "<@U0ANA|ana.ruiz.com> <#C0OUTREACH|out.reach.com> <!subteam^S0|@a.com> <!date^1^{date}|a.com>",
        "ana@ @ana ana@acme http:// https://localhost ftp://acme.com acme..com -acme-.com 10.0.0.1 acme.c0m",
    ],
)
def test_what_is_no_name_is_not_found(text: str) -> None:
    assert names_in_text(text) == Found()


def test_addresses_are_found_and_their_domains_are_not_found_once_more() -> None:
    text = "<mailto:Ana@Acme.com|Ana@Acme.com> `bo.b+x@acme.co`, e-mail:o'hara@bücher.com. <mailto:z@acme.io|write Zed>"

    assert names_in_text(text) == Found(
        (), ("Ana@acme.com", "bo.b+x@acme.co", "o'hara@xn--bcher-kva.com", "z@acme.io"), 0
    )


def test_addresses_in_texts_of_other_scripts() -> None:
    assert names_in_text("\u2067ana@acme.com\u2069، omar@acme.co、zed@acme.ioに👋bo@acme.ca") == Found(
        (), ("ana@acme.com", "omar@acme.co", "zed@acme.io", "bo@acme.ca")
    )


def test_an_address_within_a_link_or_with_something_that_is_its_own() -> None:
    assert names_in_text("https-form?from=zed@acme.com&to=ana@acme.co omar@acme.ca's box") == Found(
        (), ("zed@acme.com", "ana@acme.co", "omar@acme.ca")
    )


def test_the_fields_of_another_apps_card_are_read_and_what_its_buttons_carry_is_not() -> None:
    card = {
        "pretext": "New at acme.io",
        "fields": [{"title": "Domain", "value": "acme.com", "short": True}],
        "actions": [{"type": "button", "text": "Buy", "value": "acme.org", "title": "x"}],
        "blocks": [{"type": "actions", "elements": [{"type": "static_select", "options": [_option("acme.net")]}]}],
    }
    assert names_in({"text": "", "attachments": [card]}).domains == ("acme.io", "acme.com")


def _option(value: str) -> dict[str, Any]:
    return {"text": {"type": "plain_text", "text": "One"}, "value": value}


def test_a_message_is_read_as_people_see_it() -> None:
    link = {"type": "link", "url": "https://acme.co/x", "text": "our site"}
    said = {"type": "rich_text_section", "elements": [{"type": "text", "text": "acme.ca "}, link]}
    message: dict[str, Any] = {
        "type": "message",
        "text": "<http://acme.com|acme.com>",
        "blocks": [
            {"type": "rich_text", "elements": [said]},
            {"type": "section", "text": {"type": "mrkdwn", "text": "`acme.biz`"}, "fields": [{"text": "ana@acme.com"}]},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "acme.org"}]},
        ],
        "attachments": [{"fallback": "acme.io", "title": "acme.net"}],
        "files": [{"name": "acme.de", "title": "acme.fr", "url_private": "https://files.slack.com/x"}],
        "metadata": {"event_payload": {"text": "acme.es"}},
        "permalink": "https://acme.slack.com/x",
    }

    found = names_in(message)

    assert set(found.domains) == {
        "acme.com", "acme.ca", "acme.co", "acme.biz", "acme.org", "acme.net", "acme.io"
    }  # fmt: skip
    assert found.addresses == ("ana@acme.com",)


def test_what_is_too_much_is_counted() -> None:
    found = names_in_text(" ".join(f"acme-{n}.com" for n in range(MOST_FOUND + 7)))

    assert (len(found.domains), found.domains[0], found.more) == (MOST_FOUND, "acme-0.com", 7)


@settings(max_examples=400, deadline=None)
@given(LINES)
@example("<http://ﬁ.com|ﬁ.com>")
def test_whatever_is_found_is_in_the_text_and_is_a_name(text: str) -> None:
    found = names_in_text(text)

    for name in (*found.domains, *found.addresses):
        assert len(name) <= LONGEST_FOUND
        assert name == (parse_address(name) if "@" in name else parse_domain(name))
        assert _stands_in(name, text)
    assert len(set(found.domains)) == len(found.domains) <= MOST_FOUND
    assert len(set(found.addresses)) == len(found.addresses) <= MOST_FOUND


def _stands_in(name: str, text: str) -> bool:
    """Whether some part of the text is this name, as people may write it."""
    parse = parse_address if "@" in name else parse_domain
    if name.lower() in text.lower():
        return True
    for start in range(len(text)):
        for end in range(start + 3, min(len(text), start + LONGEST_FOUND) + 1):
            try:
                if parse(text[start:end]) == name:
                    return True
            except PydanticCustomError:
                continue
    return False


@settings(max_examples=200, deadline=None)
@given(SHAPES)
def test_a_message_of_any_shape_does_no_harm(shape: Any) -> None:
    assert isinstance(names_in({"text": shape, "blocks": shape}), Found)


@pytest.mark.parametrize(
    "unit", ["<", "a.", "ä.bc ", "a@", "@.", "xn--", "<a|", "é", "a@b.com ", "http://", "_.", "<mailto:", "&lt;", "."]
)
def test_the_longest_message_takes_no_time_to_speak_of(unit: str) -> None:
    text = unit * (2 * MOST_READ // len(unit))

    began = time.perf_counter()
    names_in_text(text)

    assert time.perf_counter() - began < 20  # a twentieth of a second here; what grows with the square takes minutes
