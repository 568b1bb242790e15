"""A sixth provider: what a newcomer writes for it, and that nothing else needs to be told of it but one line.

Roost sells addresses that forward mail. Its folder is `tests/providers/roost`, with all that a provider's folder has;
here it is put beside the others, and the one line is added. `docs/adding-a-provider.md` quotes both.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import HttpUrl, SecretStr

import providers
from bot.reference import actions_page
from bot.settings import load_settings
from providers import catalogue
from providers.accounts import PriceList
from providers.catalogue import account_types, built_in, registered
from providers.simulator import serving
from tests.house import House, open_house, reading
from tests.providers.roost.actions import BuyAlias
from tests.providers.roost.client import RoostSettings
from tests.providers.roost.sandbox import KEY, RoostSandbox

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "adding-a-provider.md"


@pytest.fixture(autouse=True)
def registration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder lies in `providers/`, and the line is there: all that makes it a provider."""
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(HERE)])
    monkeypatch.setattr(catalogue, "PROVIDERS", (*catalogue.PROVIDERS, "roost"))


@pytest.fixture
def books() -> RoostSandbox:
    return RoostSandbox()


@pytest.fixture
async def house(tmp_path: Path, books: RoostSandbox) -> AsyncIterator[House]:
    """A house with an account at Mailin and one at Roost."""
    async with serving(books.app()) as url:
        account = RoostSettings(
            provider="roost", base_url=HttpUrl(url), api_key=SecretStr(KEY), min_seconds_between_calls=0
        )
        async with open_house(tmp_path, elsewhere={"roost": account}, starts=False) as house:
            await house.starts(prices={"roost": PriceList(prices={"alias": Decimal("4.50")})})
            yield house


def test_it_is_one_of_the_providers() -> None:
    assert [provider.name for provider in registered()][-1] == "roost"
    assert built_in().action("mailbox alias-buy", "roost") is BuyAlias
    assert set(built_in().variants("domain list")) >= {"mailin", "roost"}


def test_without_the_line_it_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "PROVIDERS", catalogue.PROVIDERS[:-1])

    assert built_in().action("mailbox alias-buy", "roost") is None
    assert "roost" not in account_types()


def test_the_operator_can_have_an_account_there(tmp_path: Path) -> None:
    written = tmp_path / "postroom.toml"
    written.write_text(
        '[slack]\napprovals_channel = "C0APPROVALS"\n[approvals]\napprovers = ["U0OMAR"]\n[jobs]\n[logging]\n'
        '[accounts.nest]\nprovider = "roost"\napi_key = "env:ROOST_KEY"\n[prices.roost]\nalias = "4.50"\n'
    )
    environ = {"SLACK_BOT_TOKEN": "xoxb-1-a", "SLACK_APP_TOKEN": "xapp-1-a", "ROOST_KEY": KEY}

    settings = load_settings(environ, written, account_types=account_types())

    nest = settings.accounts["nest"]
    assert isinstance(nest, RoostSettings)
    assert nest.api_key.get_secret_value() == KEY


def test_its_page_of_the_reference_writes_itself() -> None:
    page = actions_page(registered())

    assert "### `/mailbox alias-buy [hi@name.com]` at Roost" in page
    assert "Buy an address that forwards mail. *SPEND: costs money or credits: waits for a decision.*" in page
    assert "| Alias | required | Such as hi@acme.com. |" in page
    assert "Calls: `GET /aliases`, `POST /aliases`" in page


async def test_help_finds_it(house: House) -> None:
    ack = await house.ana.types("/postroom help forwards buy", channel="#outreach")

    assert ack is not None
    told = reading(ack.payload["blocks"])
    assert "`/mailbox alias-buy [hi@name.com]` Buy an address that forwards mail." in told
    assert "/domain buy" not in told


async def test_the_picker_opens_its_form(house: House) -> None:
    await house.ana.types("/mailbox", channel="#outreach")
    picker = await house.ana.sees_modal("picker")

    await house.ana.clicks(picker, "pick", value="mailbox alias-delete")

    form = await house.ana.sees_modal("form")
    assert (form.title, form.fields) == ("Delete an alias", ["account", "alias", "reason"])


async def test_a_purchase_from_the_command_to_the_last_line_of_the_thread(house: House, books: RoostSandbox) -> None:
    form = await house.form(house.ana, "/mailbox alias-buy hi@acme")
    await house.ana.fills(form, reason="For ACME")
    assert (await house.ana.submits(form)).errors == {
        "alias": "“hi@acme” is not an e-mail address: what follows the @ is not a domain."
    }
    await house.ana.fills(form, alias="hi@acme.com")
    await house.ana.submits(form)
    review = await house.ana.sees_modal("review")
    assert review.reads("*Total: $4.50*")
    await house.ana.submits(review)
    story = await house.story_of(house.ana)
    assert not books.bought

    await house.omar.clicks(story.card, "approve")
    await house.tick()
    assert await story.state() == "working"
    assert story.parent.reads("0 of 1")
    books.setting_up.clear()
    await house.runs_for(minutes=10)

    assert await story.state() == "succeeded"
    assert books.bought == ["hi@acme.com"]
    assert story.thread[-1].startswith(":tada: <@U0ANA> hi@acme.com is live. Cost: $4.50.")


async def test_an_unclear_answer_is_looked_up_and_never_repeated(house: House, books: RoostSandbox) -> None:
    books.breaks_after.add("POST")
    story = await bought(house)
    books.setting_up.clear()
    await house.runs_for(hours=1)

    assert await story.state() == "succeeded"
    assert books.bought == ["hi@acme.com"]
    assert any("It may or may not have happened" in said for said in story.thread)


async def test_a_no_is_told_in_the_thread(house: House, books: RoostSandbox) -> None:
    books.refuses.add("POST")
    story = await bought(house)

    assert await story.state() == "failed"
    assert story.thread[-1] == (
        ":x: <@U0ANA> Roost refused the request. Nothing was changed.\n:x: `hi@acme.com` — not bought\n"
        "*What to do now:* Change the request and ask again."
    )


async def test_it_is_refused_before_anybody_is_asked(house: House, books: RoostSandbox) -> None:
    books.aliases["hi@acme.com"] = ""
    form = await house.form(house.ana, "/mailbox alias-buy hi@acme.com")
    await house.ana.fills(form, reason="For ACME")
    await house.ana.submits(form)
    await house.tick()

    again = await house.ana.sees_modal("form")
    assert again.reads("hi@acme.com is in this account already.")
    assert again.values["alias"] == "hi@acme.com"


async def test_a_change_runs_when_asked(house: House, books: RoostSandbox) -> None:
    books.aliases["hi@acme.com"] = ""
    form = await house.form(house.ana, "/mailbox alias-forward hi@acme.com ana@other.com")
    await house.ana.submits(form)
    story = await house.story_of(house.ana)

    assert books.aliases == {"hi@acme.com": "ana@other.com"}
    assert story.thread == [":tada: <@U0ANA> Mail to hi@acme.com goes to ana@other.com."]


async def test_what_cannot_be_undone_waits_for_a_yes(house: House, books: RoostSandbox) -> None:
    books.aliases["hi@acme.com"] = ""
    form = await house.form(house.ana, "/mailbox alias-delete hi@acme.com")
    await house.ana.fills(form, reason="Not needed")
    await house.ana.submits(form)
    await house.ana.submits(await house.ana.sees_modal("review"))
    story = await house.story_of(house.ana)
    assert books.aliases

    await house.omar.clicks(story.card, "approve")
    await house.tick()

    assert not books.aliases
    assert story.thread[-1] == ":tada: <@U0ANA> hi@acme.com is gone."


async def test_a_credential_is_shown_to_an_approver_alone(house: House, books: RoostSandbox) -> None:
    books.aliases["hi@acme.com"] = ""
    form = await house.form(house.omar, "/mailbox alias-password hi@acme.com")
    await house.omar.submits(form)
    await house.tick()

    shown = await house.omar.sees_modal("answer")
    assert shown.reads("pw-of-hi@acme.com")
    await house.omar.closes(shown)
    assert "pw-of-hi@acme.com" not in house.everything_shown()


async def test_a_question_is_answered_at_once(house: House, books: RoostSandbox) -> None:
    books.aliases["hi@acme.com"] = ""
    await house.ana.types("/mailbox aliases", channel="#outreach")
    await house.tick()

    assert "*1 aliases.*\n• `hi@acme.com` — active" in house.privately(house.ana, "#outreach")[-1]


async def test_where_two_providers_can_do_it_the_form_asks_which(house: House, books: RoostSandbox) -> None:
    books.aliases["hi@acme.com"] = ""
    form = await house.form(house.ana, "/domain list")
    assert form.fields == ["account", "name"]

    await house.ana.chooses(form, "account", "roost")
    await house.tick()
    assert form.fields == ["account"]
    await house.ana.submits(form)
    await house.tick()

    assert (await house.ana.sees_modal("answer")).reads("`acme.com`")


def test_the_guide_shows_what_is_here() -> None:
    """Every Python block of the guide is a piece of the folder, or of the catalogue."""
    files = [*sorted((HERE / "roost").glob("*.py")), Path(catalogue.__file__)]
    here = "".join(file.read_text() for file in files)
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)

    assert len(blocks) >= 6
    for block in blocks:
        assert block.strip() in here, block


async def bought(house: House) -> Any:
    """The alias is asked for and approved."""
    form = await house.form(house.ana, "/mailbox alias-buy hi@acme.com")
    await house.ana.fills(form, reason="For ACME")
    await house.ana.submits(form)
    await house.ana.submits(await house.ana.sees_modal("review"))
    story = await house.story_of(house.ana)
    await house.omar.clicks(story.card, "approve")
    await house.tick()
    return story
