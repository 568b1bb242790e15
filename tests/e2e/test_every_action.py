"""The whole catalogue: nothing of it is missing in the tables, and all providers stand side by side in one house."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from handlers.slack import entered
from providers.catalogue import NOUNS
from tests.e2e.actions.case import CATALOGUE
from tests.e2e.actions.scenes import CHANNEL, content
from tests.e2e.actions.tables import CASES
from tests.house import House, open_house

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_every_action_of_the_catalogue_is_in_the_table() -> None:
    there = {(provider, command) for command in CATALOGUE.commands() for provider in CATALOGUE.variants(command)}
    assert sorted((case.provider, case.command) for case in CASES) == sorted(there)


PROVIDERS = ("mailin", "scaledmail", "smailor", "instantly", "mailapi")
SHARED = [command for command in CATALOGUE.commands() if len(CATALOGUE.variants(command)) > 1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def together(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house with an account at each of them."""
    folder = tmp_path_factory.mktemp("together")
    async with open_house(folder, accounts=tuple(f"{name}-main" for name in PROVIDERS), quiet=False) as house:
        yield house


class TestTogether:
    async def test_the_help_names_every_command(self, together: House) -> None:
        await together.ana.types("/postroom help", channel=CHANNEL)
        await together.tick()

        told = dict(re.findall(r"^\*/(\w+)\* .*\n(.*)$", content(together.ana.ephemerals(CHANNEL)[-1].blocks), re.M))
        assert [f"{noun} {verb}" for noun in NOUNS for verb in told[noun].split(" · ")] == [
            command for noun in NOUNS for command in CATALOGUE.commands(noun)
        ]

    @pytest.mark.parametrize("noun", NOUNS)
    async def test_the_picker_offers_every_command_of_its_noun(self, together: House, noun: str) -> None:
        ana = together.ana
        if ana.modal is not None:
            await ana.closes(ana.modal, everything=True)
        await ana.types("/postroom help", channel=CHANNEL)
        await ana.clicks(ana.ephemerals(CHANNEL)[-1], f"catalogue:{noun}")

        picker = await ana.sees_modal("picker")

        offered = [block["accessory"]["value"] for block in picker.blocks if "accessory" in block]
        assert offered == CATALOGUE.commands(noun)

    @pytest.mark.parametrize("command", SHARED)
    async def test_the_form_follows_the_account(self, together: House, command: str) -> None:
        ana = together.ana
        if ana.modal is not None:
            await ana.closes(ana.modal, everything=True)
        form = await together.form(ana, f"/{command} acme.com", CHANNEL)

        for provider, action in [*CATALOGUE.variants(command).items()] * 2:
            await ana.chooses(form, "account", f"{provider}-main")
            await together.tick()
            inputs = [name for name in form.fields if not name.endswith(".file")]
            asked_for = [name for name, _ in entered.fields_of(action)]
            assert inputs == ["account", *asked_for, *(["reason"] if action.may_need_decision() else [])]
            assert form.title == action.title
