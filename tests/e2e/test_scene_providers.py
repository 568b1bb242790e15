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
    ("typed", "there", "account", "filled"),
    [
        (
            "/domain subdomain mail.acme.com",
            {"subdomain": "mail.acme.com"},
            "mailapi-main",
            {"domain": "mail.acme.com", "labels": None},
        ),
        (
            "/domain subdomain acme.com mail team",
            {"subdomain": "acme.com mail team"},
            "mailapi-main",
            {"domain": "acme.com", "labels": "mail\nteam"},
        ),
        ("/mailbox credentials acme.com", {"mailbox": "acme.com"}, "scaledmail-main", {"domain": "acme.com"}),
        ("/mailbox create ana@acme.com", {"mailboxes": "ana@acme.com"}, "smailor-main", {"address": "ana@acme.com"}),
        ("/domain list acme", {"name": "acme"}, "smailor-main", {"name": "acme"}),
    ],
)
async def test_what_was_typed_chooses_no_account_and_is_there_for_each(
    house: House, typed: str, there: dict[str, str], account: str, filled: dict[str, str | None]
) -> None:
    form = await house.form(house.ana, typed)
    assert form.values["account"] is None
    assert form.reads("Choose this first: what the form asks for depends on it.")
    assert {name: form.values[name] for name in there} == there
    assert set((await house.ana.submits(form)).errors) >= {"account"}

    form = await chosen(house, account)
    assert {name: form.values[name] for name in filled} == filled
    assert not form.reads("Choose this first")

    form = await chosen(house, "mailin-main")
    assert {name: form.values[name] for name in there} == there


async def test_an_address_that_is_a_pattern_makes_no_mailbox_of_that_name(house: House) -> None:
    """Of the providers that make mailboxes only one knows patterns, and it has a field more: it is not passed over."""
    smailor = house.sandboxes["smailor"]
    before = list(smailor.mailboxes)
    form = await house.form(house.ana, "/mailbox create {first}.{last}@acme.com")
    assert form.values["account"] is None
    await house.ana.submits(form)

    form = await chosen(house, "smailor-main")
    assert set((await house.ana.submits(form)).errors) == {"address"}
    await house.tick()

    assert smailor.mailboxes == before


@pytest.mark.parametrize(
    ("typed", "account", "filled"),
    [
        ("/domain subdomain acme.com mail mailapi-main", "mailapi-main", {"domain": "acme.com", "labels": "mail"}),
        ("/mailbox create Smailor-Main ana@acme.com", "smailor-main", {"address": "ana@acme.com"}),
        ("/domain subdomain mailin-main mailapi-main", None, {"subdomain": "mailin-main mailapi-main"}),
    ],
)
async def test_a_word_that_names_an_account_chooses_it(
    house: House, typed: str, account: str | None, filled: dict[str, str]
) -> None:
    form = await house.form(house.ana, typed)

    assert form.values["account"] == account
    assert {name: form.values[name] for name in filled} == filled


async def test_a_question_that_names_its_account_is_answered_at_once(house: House) -> None:
    house.sandboxes["mailapi"].add_domain("acme-three.com")

    await house.ana.types("/domain list mailapi-main acme", channel="#outreach")
    await house.tick()

    said = house.privately(house.ana, "#outreach")[-1]
    assert "`acme-three.com`" in said
    assert "Account `mailapi-main`" in said


async def test_nothing_is_chosen_in_a_form_out_of_the_list_either(house: House) -> None:
    await house.ana.types("/mailbox", channel="#outreach")
    await house.ana.clicks(await house.ana.sees_modal("picker"), "pick", value="mailbox create")

    form = await house.ana.sees_modal("form")
    assert form.values["account"] is None


@pytest.mark.parametrize("typed", ["/domain subdomain", "/domain subdomain -no- -sense-"])
async def test_the_form_of_the_first_is_shown_until_one_is_chosen(house: House, typed: str) -> None:
    form = await house.form(house.ana, typed)

    assert form.values["account"] is None
    assert (form.values["subdomain"] or "").split() == typed.split()[2:]


async def test_a_form_sent_without_an_account_is_judged_as_it_was_drawn(tmp_path: Path) -> None:
    """Slack lets nobody send it so, but what Slack delivers is not trusted."""
    async with open_house(tmp_path, accounts=("smailor-main", "mailin-main")) as house:
        form = await house.form(house.ana, "/mailbox create")
        assert form.fields == ["account", "address", "display_name"]
        view = {"id": form.id, "type": "modal", "callback_id": "form", "private_metadata": form.private_metadata}
        sent = {**view, "blocks": form.blocks, "state": {"values": {}}}

        ack = await house.sends(house.ana, "view_submission", view=sent)

        assert ack.payload == {
            "response_action": "errors",
            "errors": {"account": "Choose one of the accounts.", "address": "Fill this in."},
        }


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
