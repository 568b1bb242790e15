"""One command, several providers: the form asks at which account, and opens where what was typed makes sense."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.sandbox.modal import Modal
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


async def chosen(house: House, account: str) -> Modal:
    """The form on top, after another account was chosen in it."""
    await house.ana.fills(await house.ana.sees_modal("form"), account=account)
    await house.tick()
    return await house.ana.sees_modal("form")


async def test_what_was_typed_comes_back_with_its_account(house: House) -> None:
    typed = "ana@acme.com Ana Anders\nomar@acme.com Omar Olsen"
    form = await house.form(house.ana, "/mailbox create")
    await house.ana.fills(form, hosting="google", mailboxes=typed, reason="For ACME")

    form = await chosen(house, "smailor-main")
    assert form.fields == ["account", "address", "display_name"]
    await house.ana.fills(form, address="Ana@acme.com")
    form = await chosen(house, "mailapi-main")
    assert form.values["address"] == "Ana@acme.com"  # both ask for it
    await house.ana.fills(form, count="3")

    form = await chosen(house, "mailin-main")
    assert {name: form.values[name] for name in ("hosting", "mailboxes", "reason")} == {
        "hosting": "google",
        "mailboxes": typed,
        "reason": "For ACME",
    }
    await house.ana.fills(form, reason=None)
    form = await chosen(house, "mailapi-main")
    assert (form.values["address"], form.values["count"]) == ("Ana@acme.com", "3")
    form = await chosen(house, "mailin-main")
    assert form.values["mailboxes"] == typed
    assert not form.values["reason"]  # it was emptied, so it stays so


async def test_a_form_that_carries_words_for_another_can_be_sent(house: House) -> None:
    house.sandboxes["mailapi"].add_domain("acme.com")
    await house.form(house.ana, "/domain subdomain mail.acme.com")
    form = await chosen(house, "mailapi-main")
    await house.ana.fills(form, domain="acme.com", labels="-no-")

    assert set((await house.ana.submits(form)).errors) == {"labels"}
    await house.ana.fills(form, labels="team")
    await house.ana.submits(form)
    await house.tick()

    assert (await house.ana.sees_modal()).reads("It is being done.")


async def test_what_cannot_be_carried_along_is_said(house: House) -> None:
    form = await house.form(house.ana, "/mailbox create")
    await house.ana.fills(form, mailboxes="\n".join(f"ana{number:03}@acme.com Ana Anders" for number in range(112)))

    form = await chosen(house, "smailor-main")

    assert form.reads("This form does not ask for: Mailboxes. What was there is not kept.")
    form = await chosen(house, "mailin-main")
    assert not form.values["mailboxes"]


async def test_help_goes_by_noun_and_not_by_provider(house: House) -> None:
    await house.ana.types("/postroom help", channel="#outreach")

    said = house.privately(house.ana, "#outreach")[-1]
    assert re.findall(r"\*/(\w+)\*", said) == ["domain", "mailbox", "prewarm", "verify", "postroom"]


async def test_help_tells_what_each_provider_asks_for(house: House) -> None:
    await house.ana.types("/postroom help domain subdomain", channel="#outreach")

    said = house.privately(house.ana, "#outreach")[-1]
    at_mailin, at_mailapi = said.partition("At Mailin.ai:")[2].split("At MailAPI")
    assert "• *Sub-domains*" not in at_mailin
    assert "• *Sub-domains*" in at_mailapi
