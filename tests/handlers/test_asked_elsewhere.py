"""What one account was asked for stands in the way of another only where there is one of it in the world."""

from __future__ import annotations

import pytest

from tests.handlers.money_stage import SPARE, Burn, Buy, Core, Mend, S
from tests.handlers.stage import BEA


@pytest.mark.parametrize(
    ("name", "is_one_of_its_kind"), [("acme.com", True), ("ACME.com", True), ("ana@acme.com", False), ("cup", False)]
)
async def test_only_a_domain_is_bought_once_wherever(core: Core, name: str, is_one_of_its_kind: bool) -> None:
    first = await core.asked(name.lower())
    elsewhere = await core.reviewed(BEA, Buy(things=[name]), account=SPARE, confirmable=not is_one_of_its_kind)
    assert (first.id in elsewhere.problems.get("", "")) is is_one_of_its_kind
    here = await core.reviewed(BEA, Buy(things=[name]), confirmable=False)
    assert first.id in here.problems[""]


async def test_what_is_no_purchase_stands_in_nobodys_way_elsewhere(core: Core) -> None:
    await core.asked("acme.com", kind=Mend)
    assert (await core.asked("acme.com")).state is S.AWAITING
    assert (await core.asked("acme.com", kind=Mend, account=SPARE)).state is S.APPROVED


async def test_a_purchase_stands_in_the_way_of_purchases_alone(core: Core) -> None:
    await core.asked("acme.com")
    for kind, state in ((Burn, S.AWAITING), (Mend, S.APPROVED)):
        assert (await core.asked("acme.com", kind=kind)).state is state
        assert (await core.asked("acme.com", kind=kind, account=SPARE)).state is state
