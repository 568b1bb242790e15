"""How a click is read out of the form that Slack posts."""

from __future__ import annotations

from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from bot.web import decoded

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXTS)
def test_whatever_was_encoded_is_read_as_it_was(text: str) -> None:
    assert decoded(quote(text).encode()).decode() == text
    assert decoded(quote(text, safe="").encode()).decode() == text
    assert decoded(quote_plus(text).encode()).decode() == text


def test_line_ends_blanks_and_signs_of_the_other_encoding_mean_themselves() -> None:
    text = "a=b\r\nc \t\n=3D=\n _?= %25 +"
    assert decoded(quote(text).encode()).decode() == text
    assert decoded(quote_plus(text).encode()).decode() == text


@given(st.binary())
def test_nothing_that_anybody_sends_breaks_it(value: bytes) -> None:
    decoded(value)
