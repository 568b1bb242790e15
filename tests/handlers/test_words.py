"""What is shown: escaped, cut to Slack's limits, and with no cent rounded away."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.blocks import message_problems
from bot.sandbox.markup import as_escaped
from bot.sandbox.workspace import default_workspace
from handlers.slack.messages import item_line
from handlers.slack.words import (
    SECTION_TEXT,
    built,
    clip,
    code,
    either,
    escape,
    moment,
    money,
    paragraphs,
    person,
    place,
    quoted,
    section,
    small,
    unescaped,
    whoever,
)
from providers.action import Item, ItemState

anything = st.text(max_size=400)


@given(anything)
def test_nothing_that_is_escaped_is_markup_and_all_of_it_can_be_read(text: str) -> None:
    escaped = escape(text)

    assert not re.search(r"<[^>]*>|[<>]", escaped)
    assert escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text


@given(anything)
def test_a_name_in_monospace_cannot_end_it_early(text: str) -> None:
    shown = code(text)

    assert shown.startswith("`")
    assert shown.endswith("`")
    assert "`" not in shown[1:-1]
    assert "<" not in shown


@given(anything)
def test_a_quotation_stays_a_quotation_on_every_line(text: str) -> None:
    assert all(line.startswith("> ") for line in quoted(text).split("\n"))


@pytest.mark.parametrize(
    "text",
    ["*bold* _it_ ~no~ `code` :tada:", "https://evil.example acme.com", "<!channel> &amp; <@U0ANA>", "> a\n\n*b*"],
)
def test_in_a_quotation_nothing_acts(text: str) -> None:
    before, quotation, after = built(paragraphs(["*Reason*", quoted(text), "after"]))

    assert quotation["elements"] == [{"type": "rich_text_quote", "elements": [{"type": "text", "text": text}]}]
    assert (before["text"]["text"], after["text"]["text"]) == ("*Reason*", "after")
    assert not message_problems([before, quotation, after])


def test_slack_makes_no_links_of_its_own() -> None:
    blocks = built([section("https://evil.example"), small("acme.com")])

    assert blocks[0]["text"]["verbatim"] is True
    assert blocks[1]["elements"][0]["verbatim"] is True


@pytest.mark.parametrize("text", ["", "x" * 10_000])
def test_a_quotation_within_the_limits(text: str) -> None:
    blocks = built(paragraphs([quoted(text)]))

    assert not message_problems(blocks)
    assert 0 < len(blocks[0]["elements"][0]["elements"][0]["text"]) <= SECTION_TEXT


@given(st.text(max_size=50), st.integers(1, 60))
def test_a_cut_is_never_longer_and_never_hidden(text: str, longest: int) -> None:
    cut = clip(text, longest)

    assert len(cut) <= longest
    assert cut == text or cut.endswith("…")
    assert text.startswith(cut.removesuffix("…")) or cut == text


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=4000), max_size=60))
def test_paragraphs_are_within_the_limits_and_say_what_is_missing(lines: list[str]) -> None:
    blocks = built(paragraphs([f"{number} {line}" for number, line in enumerate(lines)]))

    texts = [block["text"]["text"] for block in blocks]
    assert all(0 < len(text) <= SECTION_TEXT for text in texts)
    assert not message_problems(blocks)
    shown = "\n".join(texts)
    if lines:
        assert shown.startswith("0 ")
        assert f"{len(lines) - 1} " in shown or re.search(r"… and \d+ more$", shown)


def test_a_list_that_is_too_long_counts_what_is_missing() -> None:
    lines = [f"{number:04} {'x' * 100}" for number in range(1000)]

    texts = [block["text"]["text"] for block in built(paragraphs(lines))]

    shown = "\n".join(texts).splitlines()
    assert shown[-1] == f"… and {1000 - (len(shown) - 1)} more"
    assert shown[:-1] == lines[: len(shown) - 1]


@given(st.text(max_size=300), st.text(max_size=1000), st.sampled_from(ItemState))
def test_whatever_a_provider_writes_is_one_harmless_line(name: str, note: str, state: ItemState) -> None:
    line = item_line(Item(name=name, note=note, state=state))

    assert not re.search(r"<[!@#]", line)
    assert len(section(line).text.text) <= SECTION_TEXT


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("12.5", "USD", "$12.50"),
        ("1040.5", "USD", "$1,040.50"),
        ("0", "USD", "$0.00"),
        ("0.0375", "USD", "$0.0375"),
        ("1000000", "EUR", "€1,000,000.00"),
        ("3", "GBP", "£3.00"),
        ("1040.50", "CAD", "1,040.50 CAD"),
        ("1E+3", "USD", "$1,000.00"),
        ("12.500", "USD", "$12.50"),
        ("5", "<!>", "5.00 &lt;!&gt;"),
    ],
)
def test_money(amount: str, currency: str, shown: str) -> None:
    assert money(Decimal(amount), currency) == shown


def test_money_that_nobody_knows() -> None:
    assert money(None, "USD") == "price unknown"


@given(st.decimals(0, 10**8, places=4))
def test_no_part_of_a_price_is_rounded_away(amount: Decimal) -> None:
    assert Decimal(money(amount, "USD").removeprefix("$").replace(",", "")) == amount


def test_people_places_and_moments() -> None:
    assert [either([]), either(["A"]), either(["A", "B"]), either(["A", "B", "C"])] == ["", "A", "A or B", "A, B or C"]
    assert whoever("U0OMAR") == person("U0OMAR") == "<@U0OMAR>"
    assert whoever("S0FINANCE") == "<!subteam^S0FINANCE>"
    assert place("C0OUTREACH") == "<#C0OUTREACH>"
    assert place("D0ANA") == place("U0ANA") == "a direct message"
    shown = moment(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
    assert shown == "<!date^1772442000^{date_short_pretty} at {time}|2026-03-02 09:00 UTC>"


@pytest.mark.parametrize(
    ("sent", "typed"),
    [
        ("history <http://acme.com|acme.com>", "history acme.com"),
        ("history <https://acme.com/a?b=1&amp;c=2>", "history https://acme.com/a?b=1&c=2"),
        ("why <mailto:ana@acme.com|ana@acme.com>", "why ana@acme.com"),
        ("why <mailto:ana@acme.com>", "why ana@acme.com"),
        ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("until friday <@U0FINN|finn>", "until friday <@U0FINN|finn>"),
        ("<#C0OUTREACH|outreach> <!subteam^S0FINANCE> <!here>", "<#C0OUTREACH|outreach> <!subteam^S0FINANCE> <!here>"),
        ("< > <|> <>", "< > <|> <>"),
    ],
)
def test_links_that_slack_made_of_a_command_are_words_again(sent: str, typed: str) -> None:
    assert unescaped(sent) == typed


typed_words = st.sampled_from(
    ["acme.com", "ana@acme.com", "https://acme.com/x?a=1&b", "<b>", "&amp;", "until", "a.b", "3.5"]
)


@given(st.lists(typed_words, max_size=5).map(" ".join))
def test_what_slack_escapes_reads_as_it_was_typed(words: str) -> None:
    command = f"/postroom {words}"

    assert unescaped(as_escaped(default_workspace(), command)) == command
