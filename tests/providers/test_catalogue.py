"""All actions, found by what people typed."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import Field, SecretStr

from providers.accounts import AccountSettings, PriceList
from providers.action import Action, Effect, choices, hidden
from providers.catalogue import NOUNS, RESERVED_FIELDS, Catalogue, account_types, built_in, open_account
from providers.files import from_file
from providers.mailin.client import MailinClient, MailinSettings


class Rent(Action, provider="harbour", command="boat rent", effect=Effect.SPEND):
    """Rent a boat."""


class RentElsewhere(Action, provider="marina", command="boat rent", effect=Effect.SPEND):
    """Rent a boat somewhere else."""


class Return(Action, provider="harbour", command="boat return", effect=Effect.WRITE):
    """Return a boat."""


class Wash(Action, provider="harbour", command="car wash", effect=Effect.WRITE):
    """Wash a car."""


FLEET = Catalogue([Rent, RentElsewhere, Return, Wash])


def test_by_noun_in_the_order_of_declaration() -> None:
    assert FLEET.commands("boat") == ["boat rent", "boat return"]
    assert FLEET.commands() == ["boat rent", "boat return", "car wash"]
    assert FLEET.commands("plane") == []


def test_by_command_and_provider() -> None:
    assert FLEET.variants("boat rent") == {"harbour": Rent, "marina": RentElsewhere}
    assert FLEET.any_variant("boat rent") is Rent
    assert FLEET.action("boat rent", "marina") is RentElsewhere
    assert FLEET.action("boat return", "marina") is None
    assert FLEET.any_variant("boat sink") is None
    assert FLEET.variants("") == {}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("rnet", ["boat rent"]), ("RENT", ["boat rent"]), ("retrun", ["boat return"]), ("xyz", []), ("", [])],
)
def test_the_nearest_to_a_typo(typed: str, meant: list[str]) -> None:
    assert FLEET.nearest("boat", typed)[:1] == meant


def test_the_same_thing_twice_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="is there twice"):
        Catalogue([Rent, Rent])


class Sail(Action, provider="marina", command="boat return", title="Bring it back", effect=Effect.WRITE):
    """Return a boat.

    Under sail, if there is wind.
    """

    berth: Literal["north_pier", "south"] = Field(
        "south", title="Berth", description="Where it lies.", json_schema_extra=choices({"south": "By the lighthouse"})
    )
    crew: tuple[Literal["skipper", "deckhand"], ...] = Field((), title="With whom")
    names: list[str] = Field([], title="Names", json_schema_extra=from_file("name"))
    page: int = Field(1, title="Leaf", json_schema_extra=hidden())


MARINA = Catalogue([Rent, Return, Sail, Wash], {"harbour": "Old Harbour", "marina": "Yacht Haven"})


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("rent", [Rent]),
        ("BOAT", [Rent, Return]),  # one of each command
        ("wind", [Sail]),  # the whole docstring, of any variant
        ("bring", [Sail]),  # what stands above its form
        ("berth lies", [Sail]),
        ("north pier", [Sail]),  # a choice, in the words that people read
        ("lighthouse", [Sail]),
        ("deckhand", [Sail]),
        ("xlsx", [Sail]),  # what is said where a file is attached
        ("haven", [Sail]),  # its provider
        ("marina", [Sail]),
        ("harbour wash", [Wash]),
        ("harbour wind", []),  # not of one variant together
        ("leaf", []),  # nobody sees it
        ("", [Rent, Return, Wash]),
    ],
)
def test_words_are_looked_for_in_all_that_people_read(words: str, found: list[type[Action]]) -> None:
    assert MARINA.search(words.split()) == found


def test_only_where_there_is_an_account() -> None:
    assert MARINA.search(["boat"], {"marina"}) == [Sail]
    assert MARINA.search(["wind"], {"harbour"}) == []
    assert MARINA.corrected(["lighthuose"], {"marina"}) == ["lighthouse"]
    assert MARINA.corrected(["lighthuose"], {"harbour"}) == []
    assert MARINA.corrected(["lighthuose"], {"harbour"}, ["a lighthouse"]) == ["lighthouse"]
    assert MARINA.corrected(["lighthouse"], {"harbour"}, ["a lighthouse"]) == []


@pytest.mark.parametrize("name", sorted(RESERVED_FIELDS))
def test_a_field_that_every_form_has_already(name: str) -> None:
    fields: dict[str, Any] = {"__annotations__": {name: str}, name: Field(""), "__doc__": "Clash."}
    clash = type(Action)("Clash", (Action,), fields, provider="harbour", command="boat clash")

    with pytest.raises(ValueError, match=name):
        Catalogue([clash])


@pytest.mark.parametrize("effect", list(Effect))
def test_a_file_where_the_answer_cannot_wait_for_it(effect: Effect) -> None:
    extra = from_file("email")
    fields: dict[str, Any] = {
        "__annotations__": {"names": list[str]}, "names": Field([], json_schema_extra=extra), "__doc__": "Load.",
    }  # fmt: skip
    load = type(Action)("Load", (Action,), fields, provider="harbour", command="boat load", effect=effect)

    if effect in (Effect.READ, Effect.REVEAL):
        with pytest.raises(ValueError, match="Load answers at once, so it cannot take a file"):
            Catalogue([load])
    else:
        assert Catalogue([load]).commands() == ["boat load"]


class TestBuiltIn:
    def test_every_action_can_be_asked_for(self) -> None:
        """What Slack and people need of each: a noun that is a slash command, a short title, a sentence of help."""
        catalogue = built_in()
        for command in catalogue.commands():
            noun, verb = command.split()
            assert noun in NOUNS
            assert verb == verb.lower()
            for provider, action in catalogue.variants(command).items():
                assert provider in account_types()
                assert 0 < len(action.title) <= 24
                assert action.help_line().endswith(".")
                assert all(field.title for name, field in action.model_fields.items() if not action.is_hidden(name))

    def test_all_ways_of_one_command_have_the_same_effect(self) -> None:
        catalogue = built_in()
        for command in catalogue.commands():
            assert len({action.effect for action in catalogue.variants(command).values()}) == 1

    async def test_an_account_is_opened_and_nothing_is_sent(self, clock: Any) -> None:
        settings = MailinSettings(
            provider="mailin", base_url="http://127.0.0.1:1", email=SecretStr("a@b.co"), password=SecretStr("x1y2")
        )
        account = open_account("main", settings, PriceList(), clock)

        assert (account.name, account.provider) == ("main", "mailin")
        assert isinstance(account.client, MailinClient)
        assert "x1y2" not in repr(account)
        await account.client.aclose()

    def test_an_account_of_a_provider_without_a_client(self, clock: Any) -> None:
        settings = AccountSettings(provider="nobody", base_url="http://127.0.0.1:1")

        with pytest.raises(TypeError, match="nobody"):
            open_account("main", settings, PriceList(), clock)
