"""What is approved and waits, because its provider is left alone or says when: who may still stop it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from providers.action import Later
from storage.records import Request
from tests.handlers.money_stage import Core, Mend, S, dollars, refused
from tests.handlers.stage import FINN, OMAR

HOUR = timedelta(hours=1)


async def kept_back(core: Core, request: Request) -> Request:
    core.till.resting = core.clock.now() + HOUR
    kept = await core.sends(request)
    assert (kept.state, kept.not_before, kept.stop_until) == (S.APPROVED, core.till.resting, None)
    core.till.resting = None
    return kept


async def test_what_a_person_approved_is_stopped_as_long_as_it_was_not_sent(core: Core) -> None:
    await core.sends(await core.approved("hat"))
    kept = await kept_back(core, await core.approved("cup"))

    assert (await core.approvals.stop(kept.id, FINN)).state is S.AWAITING
    assert await core.money() == dollars("10", "10")
    core.clock.passes(hours=2)
    await core.runs.execute(kept)
    assert len(core.till.sent) == 1


async def test_what_is_to_be_sent_once_more_is_stopped_as_long_as_that_was_not_sent(core: Core) -> None:
    request = await core.unclear("cup")
    await core.settling.settle(request.id, OMAR, "again")
    core.clock.passes(minutes=1)
    kept = await kept_back(core, request)

    assert (await core.approvals.stop(kept.id, FINN)).state is S.AWAITING
    assert len(core.till.sent) == 1


async def test_what_was_begun_is_not_stopped_any_more(core: Core) -> None:
    core.till.prices = {"cup": Decimal(1), "hat": Decimal(1)}
    request = await core.approved("cup", "hat", kind=Mend)
    left = Later(core.clock.now() + HOUR, "Half of it.", left=Mend(things=["hat"]))
    waits = await core.sends(request, left)
    assert (waits.state, waits.not_before) == (S.APPROVED, left.until)
    before = await core.everything()

    assert "already approved" in str(await refused(core.approvals.stop(request.id, FINN)))
    assert await core.everything() == before


async def test_what_nobody_had_to_approve_is_not_stopped_by_those_who_would_have(core: Core) -> None:
    free = await kept_back(core, await core.approved("cup", kind=Mend))
    before = await core.everything()

    assert "already under way" in str(await refused(core.approvals.stop(free.id, FINN)))
    assert await core.everything() == before
    assert (await core.approvals.stop(free.id, "U0ANA")).state is S.CANCELLED


async def test_what_this_version_does_not_know_any_more_is_stopped_all_the_same(core: Core) -> None:
    request = await core.says(await core.asked("cup"), OMAR)
    assert core.database is not None
    await core.database.write(lambda db: db.execute("UPDATE requests SET command = 'thing of before'"))

    assert (await core.approvals.stop(request.id, FINN)).state is S.AWAITING
    assert await core.money() == dollars("10", "0")
    assert await core.rows("SELECT * FROM votes") == []
