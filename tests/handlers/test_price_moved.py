"""A price that moves between the yes and the sending, where the yes was not of the usual kind."""

from __future__ import annotations

from decimal import Decimal

import pytest

from handlers.policy import Conditions, Rule
from providers.action import Done
from tests.handlers.money_stage import Core, S, dollars, policy, terms
from tests.handlers.stage import DORA, GUS


@pytest.mark.parametrize(("price", "goes"), [("110", True), ("110.01", False)])
async def test_what_was_run_at_once_goes_at_a_price_within_the_tolerance_whatever_the_rules_say(
    core: Core, price: str, goes: bool
) -> None:
    dear = Rule("dear", Conditions(over=Decimal(100)), terms(needs=2, approvers=(DORA, GUS)))
    core.opens(policy(rules=(dear,)))
    core.till.prices = {"car": Decimal(100)}
    request = await core.asked("car")
    broken = await core.approvals.break_glass(request.id, GUS, "It burns", seen=request.fingerprint)
    core.till.prices = {"car": Decimal(price)}
    after = await core.sends(broken, *([Done(summary="Done.")] if goes else []))

    assert (after.state, len(core.till.sent)) == ((S.SUCCEEDED, 1) if goes else (S.AWAITING, 0))
    assert await core.money() == (dollars("0", price) if goes else dollars(price, "0"))
