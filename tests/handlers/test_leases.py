"""Who sends something says so as long as they do; whoever no longer says it has died, whatever others are doing."""

from __future__ import annotations

from datetime import timedelta

from handlers.runs import permanent_key
from storage.records import Fact, Request
from tests.handlers.money_stage import Core, S
from tests.handlers.stage import TIMES


async def begun(core: Core, *things: str) -> Request:
    """A process has written down that it sends this, and is sending it."""
    request = await core.approved(*things)
    sent = await core.store.runs.begin(
        request.id, key=permanent_key(request), fingerprint=request.fingerprint,
        lease_until=core.clock.now() + TIMES.lease, fact=Fact("postroom", "sent"), now=core.clock.now(),
    )  # fmt: skip
    assert sent is not None
    return sent


async def test_that_one_is_being_sent_says_nothing_of_the_others(core: Core) -> None:
    dead, living = await begun(core, "cup"), await begun(core, "hat")
    core.clock.passes(seconds=40)
    held = core.clock.now() + TIMES.lease
    await core.store.runs.keep_lease(living.id, held)
    assert (await core.now(living)).lease_until == held
    assert (await core.now(dead)).lease_until == dead.lease_until
    core.clock.passes(seconds=40)
    await core.runs.settle_lapsed()

    assert [(await core.now(one)).state for one in (dead, living)] == [S.UNKNOWN, S.EXECUTING]
    assert [name for (name,) in await core.rows("SELECT request_id FROM jobs")] == [dead.id]


async def test_what_has_ended_is_held_by_nobody_any_more(core: Core) -> None:
    request = await core.sends(await core.approved("cup"))
    waits = await core.approved("hat")
    for one in (request, waits):
        await core.store.runs.keep_lease(one.id, core.clock.now() - timedelta(hours=1))
        assert (await core.now(one)).lease_until is None
    assert await core.store.runs.lapsed(core.clock.now()) == []
