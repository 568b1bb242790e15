"""A price that moves between the yes and the sending, where the yes was not of the usual kind."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from handlers.policy import Conditions, Rule
from providers.action import Done
from tests.handlers.money_stage import Core, S, dollars, policy, refused, terms
from tests.handlers.stage import DORA, GUS, OMAR


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


async def test_what_asks_anew_knows_nothing_of_its_wait_and_its_decision_before(core: Core) -> None:
    hours = [timedelta(hours=one) for one in (4, 8, 24)]
    core.opens(
        policy(
            default=terms(
                approvers=(OMAR,), ping=(OMAR,), remind_after=tuple(hours[:2]), escalate_to=(DORA,),
                escalate_after=hours[2],
            )
        )
    )  # fmt: skip
    request = await core.asked("cup")
    for wait in (0, 4, 4, 16):
        core.clock.passes(hours=wait)
        await core.waiting.attend()
    before = await core.now(request)
    assert (before.announced, before.reminded, before.escalated) == (True, 2, True)
    broken = await core.approvals.break_glass(request.id, GUS, "It burns", seen=request.fingerprint)
    core.till.prices = {"cup": Decimal(99)}
    anew = await core.sends(broken)

    assert (anew.state, anew.decided_by, anew.decided_at, anew.decision_reason) == (S.AWAITING, "", None, "")
    assert (anew.announced, anew.reminded, anew.escalated, anew.outcome) == (False, 0, False, None)
    await refused(core.says(request, DORA))
    await core.waiting.attend()
    assert await core.last(request) == ("postroom", "attended", {"announced": [OMAR]})
    core.clock.passes(hours=4)
    await core.waiting.attend()
    assert await core.last(request) == ("postroom", "attended", {"reminded": 1})
