"""Requests that take turns: the same is not asked twice, and a review says after whom and when it is likely to go."""

from __future__ import annotations

from datetime import timedelta

import pytest

from handlers.drafts import Queue
from providers.action import Pending, Turn
from tests.handlers.money_stage import SPARE, Core, Mend, S
from tests.handlers.stage import ANA, BEA, CHANNEL, OWN

HOUR = timedelta(hours=1)
MOVES = Turn(about="Moves", every=HOUR, needed=2)


async def queue(
    core: Core, *things: str, by: str = BEA, channel: str = CHANNEL, account: str | None = None
) -> Queue | None:
    where = {} if account is None else {"account": account}
    return (await core.reviewed(by, Mend(things=list(things)), channel=channel, **where)).queue


async def test_those_who_wait_go_one_after_the_other(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mend, "turn", lambda action: MOVES)
    now = core.clock.now()
    assert await queue(core, "jug") is None
    first = await core.asked("jug", kind=Mend)
    assert first.state is S.APPROVED
    assert [one.id for one in await core.store.requests.about("jug")] == [first.id]
    same = await core.reviewed(BEA, Mend(things=["jug"]), confirmable=False)
    assert f"jug ({first.id})" in same.problems[""]

    assert await queue(core, "pin") == Queue(MOVES, now + 2 * HOUR, (ANA,))
    assert await queue(core, "pin", channel=OWN) == Queue(MOVES, now + 2 * HOUR, ("",))
    assert await queue(core, "pin", account=SPARE) is None
    await core.asked("cup", by=BEA, kind=Mend)
    assert await queue(core, "pin") == Queue(MOVES, now + 4 * HOUR, (ANA, BEA))

    await core.sends(first, Pending(ref={"id": 7}))
    core.clock.passes(minutes=10)
    assert await queue(core, "pin") == Queue(MOVES, now + 3 * HOUR, (BEA,))
    core.clock.passes(hours=1)
    assert await queue(core, "pin") == Queue(MOVES, core.clock.now() + 2 * HOUR, (BEA,))


async def test_what_waits_for_its_own_time_keeps_the_others_behind_it(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mend, "turn", lambda action: MOVES)
    first = await core.asked("jug", kind=Mend)
    core.till.resting = core.clock.now() + 5 * HOUR
    await core.sends(first)

    assert await queue(core, "pin") == Queue(MOVES, core.till.resting + 2 * HOUR, (ANA,))
