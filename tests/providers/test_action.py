"""The vocabulary of asking: what comes from an action's class."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, SecretStr, TypeAdapter, ValidationError

from providers.action import (
    WITHHELD,
    Action,
    Done,
    Effect,
    Failed,
    Item,
    Outcome,
    Pending,
    Quote,
    QuoteLine,
    Refused,
    Unknown,
    from_words,
    hidden,
)
from providers.fields import secret_of


class Rent(Action, provider="maker", command="boat rent", effect=Effect.SPEND):
    """Rent a boat. It is wet.

    The rest is for developers.
    """

    days: int = Field(1)
    names: list[str] = Field(default=[], json_schema_extra=from_words())
    page: int = Field(1, json_schema_extra=hidden())


class Look(Rent, command="boat look", effect=Effect.READ):
    """Look at boats."""


def test_what_people_read_comes_from_the_class() -> None:
    assert Rent.help_line() == "Rent a boat. It is wet."
    assert Rent(days=2).headline() == "Rent a boat. It is wet"
    assert (Rent.provider, Rent.command, Rent.effect) == ("maker", "boat rent", Effect.SPEND)
    assert Rent.title == "Boat rent"


def test_a_subclass_keeps_what_it_does_not_change() -> None:
    assert (Look.provider, Look.command, Look.effect) == ("maker", "boat look", Effect.READ)
    assert (Rent.command, Rent.effect) == ("boat rent", Effect.SPEND)


def test_the_words_after_the_command_go_into_the_field_that_takes_them() -> None:
    assert Rent.prefill(["a", "b"]) == {"names": "a\nb"}
    assert Rent.prefill([]) == {}
    assert Rent.is_hidden("page")
    assert not Rent.is_hidden("days")


def test_nothing_is_taken_that_the_class_does_not_have() -> None:
    with pytest.raises(ValidationError):
        Rent.model_validate({"days": 1, "wheels": 4})


QUOTE = Quote(lines=(QuoteLine(what="boat", price=Decimal("12.50")),))


def test_a_vote_is_bound_to_what_of_whom_and_for_how_much() -> None:
    voted = Rent(days=2).fingerprint("main", QUOTE)

    assert Rent(days=2).fingerprint("main", QUOTE) == voted
    others = {
        Rent(days=3).fingerprint("main", QUOTE),
        Rent(days=2, names=["x"]).fingerprint("main", QUOTE),
        Rent(days=2).fingerprint("spare", QUOTE),
        Rent(days=2).fingerprint("main", None),
        Rent(days=2).fingerprint("main", QUOTE.model_copy(update={"currency": "EUR"})),
        Rent(days=2).fingerprint("main", Quote(lines=(QuoteLine(what="boat", price=Decimal("12.51")),))),
        Rent(days=2).fingerprint("main", Quote(lines=(QuoteLine(what="boat"),))),
        Rent(days=2).fingerprint("main", Quote(lines=QUOTE.lines * 2)),
        Look(days=2).fingerprint("main", QUOTE),
    }
    assert voted not in others
    assert len(others) == 9


def test_how_long_an_offer_holds_does_not_void_a_vote() -> None:
    until = QUOTE.model_copy(update={"valid_until": datetime(2026, 3, 2, tzinfo=UTC)})

    assert Rent().fingerprint("main", QUOTE) == Rent().fingerprint("main", until)


def test_a_vote_outlives_a_restart() -> None:
    """What was stored as JSON is what was voted on."""
    stored = Rent(days=2, names=["ü"]).model_dump_json()

    assert Rent.model_validate_json(stored).fingerprint("main", QUOTE) == Rent(days=2, names=["ü"]).fingerprint(
        "main", Quote.model_validate_json(QUOTE.model_dump_json())
    )


@given(st.lists(st.none() | st.decimals(0, 10**6, places=2), max_size=20))
def test_a_total_is_exact_or_unknown(prices: list[Decimal | None]) -> None:
    quote = Quote(lines=tuple(QuoteLine(what="x", price=price) for price in prices))

    if None in prices:
        assert quote.total is None
    else:
        assert quote.total == sum((price for price in prices if price is not None), Decimal(0))


@pytest.mark.parametrize(
    "outcome",
    [
        Done(summary="Done.", items=(Item(name="a"),), next_page=2),
        Pending(ref={"uuid": "u"}, progress="half", done=1, total=2),
        Failed(summary="No.", cure="Again."),
        Unknown(summary="Perhaps.", evidence="fog", ref={"uuid": "u"}),
    ],
)
def test_outcomes_come_back_from_the_store_as_what_they_were(outcome: Outcome) -> None:
    read: TypeAdapter[Outcome] = TypeAdapter(Outcome)

    assert read.validate_python(outcome.model_dump(mode="json")) == outcome
    assert read.validate_python(outcome.model_dump(mode="json") | {"new_in_version_9": 1}) == outcome


def test_only_what_costs_or_destroys_needs_a_decision() -> None:
    assert [effect for effect in Effect if effect.needs_decision] == [Effect.SPEND, Effect.DESTROY]


def test_a_refusal_reads_as_its_sentences() -> None:
    assert str(Refused({"domains": "Taken.", "": "Closed."})) == "Taken. Closed."


async def test_an_action_that_does_not_say_how_says_so() -> None:
    with pytest.raises(TypeError):
        await Rent().run(None, "key")
    with pytest.raises(TypeError):
        await Rent().poll(None, {})
    assert isinstance(await Rent().reconcile(None, "key"), Unknown)
    assert await Rent().quote(None, None) is None  # type: ignore[arg-type]


class Lend(Action, provider="maker", command="boat lend", effect=Effect.WRITE):
    """Lend a boat."""

    to: str
    pin: SecretStr
    code: Annotated[SecretStr | None, secret_of(20, 30)] = None


def test_of_a_secret_only_that_it_was_given_is_stored_and_voted_on() -> None:
    lent = Lend(to="Bo", pin=SecretStr("1234"), code=SecretStr("x" * 25))

    assert Lend.secret_fields() == ("pin", "code")
    assert lent.stored() == {"to": "Bo", "pin": WITHHELD, "code": WITHHELD}
    assert Lend(to="Bo", pin=SecretStr("1234")).stored() == {"to": "Bo", "pin": WITHHELD, "code": None}
    other = Lend(to="Bo", pin=SecretStr("9876"), code=SecretStr("y" * 25))
    assert other.fingerprint("main", None) == lent.fingerprint("main", None)
    assert "1234" not in repr(lent)


def test_a_stored_request_gets_its_secrets_back() -> None:
    lent = Lend(to="Bo", pin=SecretStr("1234"), code=SecretStr("x" * 25))

    again = Lend.model_validate(lent.stored())  # its own validators do not mind what was withheld

    assert again.fingerprint("main", None) == lent.fingerprint("main", None)
    assert again.with_secrets(lent.secrets()) == lent


def test_what_is_wrong_does_not_repeat_what_was_typed() -> None:
    with pytest.raises(ValidationError) as refused:
        Lend.model_validate({"pin": "1234", "code": "too-short"})

    assert "1234" not in str(refused.value)
    assert "too-short" not in str(refused.value)
