"""One command, several providers: the form asks at which account, and opens where what was typed makes sense."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.house import House, open_house

ALL = ("mailin-main", "scaledmail-main", "smailor-main", "mailapi-main")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house with an account at each provider that has domains."""
    async with open_house(tmp_path, accounts=ALL) as house:
        yield house


@pytest.mark.parametrize(
    ("typed", "account", "filled"),
    [
        ("/domain subdomain mail.acme.com", "mailin-main", {"subdomain": "mail.acme.com"}),
        ("/domain subdomain acme.com mail team", "mailapi-main", {"domain": "acme.com", "labels": "mail\nteam"}),
        ("/mailbox credentials ana@acme.com", "mailin-main", {"mailbox": "ana@acme.com"}),
        ("/mailbox credentials acme.com", "scaledmail-main", {"domain": "acme.com"}),
    ],
)
async def test_the_form_of_the_account_opens_that_the_words_fit(
    house: House, typed: str, account: str, filled: dict[str, str]
) -> None:
    form = await house.form(house.ana, typed)

    assert form.values["account"] == account
    assert {name: form.values[name] for name in filled} == filled


@pytest.mark.parametrize("typed", ["/domain subdomain", "/domain subdomain -no- -sense-"])
async def test_words_that_fit_nowhere_stand_in_the_first_form(house: House, typed: str) -> None:
    form = await house.form(house.ana, typed)

    assert form.values["account"] == "mailin-main"
    assert (form.values["subdomain"] or "").split() == typed.split()[2:]


async def test_another_account_can_be_chosen_all_the_same(house: House) -> None:
    form = await house.form(house.ana, "/domain subdomain acme.com mail")

    await house.ana.fills(form, account="mailin-main")
    await house.tick()

    form = await house.ana.sees_modal("form")
    assert form.values["account"] == "mailin-main"
    assert "labels" not in form.fields


async def test_help_goes_by_noun_and_not_by_provider(house: House) -> None:
    await house.ana.types("/postroom help", channel="#outreach")

    said = house.privately(house.ana, "#outreach")[-1]
    nouns = re.findall(r"`/(\w+) ", said.partition("`/postroom jobs`")[0])
    assert [noun for noun, _ in itertools.groupby(nouns)] == ["domain", "mailbox", "prewarm", "verify", "postroom"]
