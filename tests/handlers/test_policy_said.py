"""What a ruling says of itself, and what it keeps of whom it was about."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from handlers.policy import Circumstances, Conditions, Policy, Rule, Terms, explain, rule
from providers.action import Effect

FREE = Terms(approvers=("U0NORA",), auto_below=Decimal(2000))
BUYING = Circumstances(
    "domain buy", Effect.SPEND, "mailin", "mailin-main", Decimal("11.50"), "USD", "C0GROWTH", "U0ANA",
    frozenset({"S0GROWTH", "S0ALL"}),
)  # fmt: skip


def of(conditions: Conditions, terms: Terms = FREE) -> Policy:
    return Policy(Terms(approvers=("U0OMAR",)), "C0APPROVALS", rules=(Rule("it", conditions, terms),))


@pytest.mark.parametrize(
    ("about", "amount"), [(BUYING, "2,000 USD"), (replace(BUYING, total=Decimal(0), currency=""), "2,000")]
)
def test_below_which_amount_nobody_is_asked_is_said_in_its_currency(about: Circumstances, amount: str) -> None:
    ruled = rule(of(Conditions()), about)
    assert (ruled.auto, ruled.why[1]) == (True, f"It costs less than {amount}, so nobody has to be asked.")
    named = rule(of(Conditions(currency="USD")), about)
    assert named.why[1] == "It costs less than 2,000 USD, so nobody has to be asked."


@pytest.mark.parametrize(
    "about",
    [BUYING, replace(BUYING, effect=Effect.DESTROY), replace(BUYING, total=None), replace(BUYING, total=Decimal(2000))],
)
@pytest.mark.parametrize("conditions", [Conditions(), Conditions(action="nothing")])
def test_the_groups_that_were_looked_at_are_kept_with_every_ruling(
    about: Circumstances, conditions: Conditions
) -> None:
    assert rule(of(conditions), about).groups == ("S0ALL", "S0GROWTH")


def test_where_nobody_is_named_that_is_said() -> None:
    told = explain(of(Conditions(), Terms(approvers=())), BUYING)
    assert told == ["The rule “it” is about this.", "One has to say yes, of: nobody."]
