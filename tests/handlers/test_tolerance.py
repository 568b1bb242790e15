"""A price that moves a little between the yes and the sending: what the rules ask for the new one is not gone round."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from handlers.policy import Conditions, Rule
from tests.handlers.money_stage import Core, S, policy, refused, terms
from tests.handlers.stage import FINANCE, OLGA, OMAR, UNDO


@pytest.mark.parametrize(
    ("small", "large", "goes"),
    [
        ({"requester_may": True}, {}, False),
        ({"requester_may": True}, {"requester_may": True}, True),
        ({}, {"requester_may": True}, True),
        ({}, {"needs": 2}, False),
        ({"needs": 2}, {}, True),
        ({"approvers": (OMAR,)}, {"approvers": (FINANCE,)}, False),
        ({"approvers": (FINANCE,)}, {"approvers": (FINANCE, OLGA)}, True),
    ],
)
async def test_what_was_enough_for_less_is_asked_again_where_it_is_not_enough_for_more(
    core: Core, small: dict[str, Any], large: dict[str, Any], goes: bool
) -> None:
    cheap = Rule("cheap", Conditions(under=Decimal("10.50"), currency="USD"), terms(**small))
    dear = Rule("dear", Conditions(), terms(**large))
    core.opens(policy(rules=(cheap, dear)))
    by = OMAR if small.get("requester_may") else "U0ANA"
    request = await core.asked("cup", by=by)
    request = await core.says(request, OMAR, reason="It is cheap")  # which does not break the glass
    if request.state is S.AWAITING:
        request = await core.says(request, OLGA)
    core.clock.passes(seconds=UNDO.total_seconds())
    core.till.prices = {"cup": Decimal("10.60")}
    await core.runs.execute(request)

    now = await core.now(request)
    assert (now.state, len(core.till.sent)) == ((S.SUCCEEDED, 1) if goes else (S.AWAITING, 0))
    if not goes and "requester_may" in small:
        await refused(core.says(request, OMAR))
