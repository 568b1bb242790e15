"""The process ends, well or badly, while the provider has the order in hand. It is `bot.cli run`, nothing around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from crash_books import ASKED, ASKS, BOTH, FIRST, FOUND, NOTHING, ended, together, told
from crash_stage import Scene, set_bare_stage, watched

from bot.sandbox.stage import Pace
from providers.mailin.sandbox import Fault, Kind, Operation, Work

PACE = Pace(first_poll=0.15, max_poll=0.3, job=0.3, lease=1, reconcile_after=0.8)
PATIENT = replace(PACE, lease=30)
"""Nobody dies here, so nobody may think so, however busy the machine."""
SLOW = 20.0
"""Seconds that the provider takes to answer: nobody is there any more when it does."""
SOON = 4.0
"""Seconds that it takes while the bot is told to stop: it is told well before."""


@asynccontextmanager
async def real_scene(pace: Pace = PACE) -> AsyncIterator[Scene]:
    """A scene with `bot.cli run` itself."""
    async with set_bare_stage(pace) as stage:
        scene = Scene(stage.workspace, stage.mailin, stage.bot)
        async with watched(scene):
            yield scene


async def approved(scene: Scene) -> None:
    """Ana has asked, Omar has approved, and the provider has the order."""
    await scene.ana_confirms(await scene.ana_asks())
    await scene.is_asked()
    await scene.omar_approves()
    await has_the_order(scene, 1)


async def has_the_order(scene: Scene, count: int) -> None:
    """Waits until so many orders have reached the provider, and the thread is up to date."""
    await scene.until(lambda: scene.mailin.calls["buy_multiple"] >= count, "the order at the provider")
    await scene.is_quiet()


async def test_killed_while_the_provider_works() -> None:
    await together(
        {
            "it did it": killed_in_the_call(Work.ALL, BOTH, FOUND),
            "it did not": killed_in_the_call(Work.NOTHING, NOTHING, ASKS),
            "it did half": killed_in_the_call(Work.HALF, FIRST, ASKS),
        }
    )


async def killed_in_the_call(work: Work, bought: Counter[str], rest: Sequence[list[str]]) -> None:
    """The provider does so much of the `work` and never gets to answer; the audit goes on with one of `rest`."""
    async with real_scene() as scene:
        scene.mailin.faults.add(Operation.BUY_MULTIPLE, Fault(Kind.SLOW, work=work, seconds=SLOW))
        await approved(scene)
        scene.is_killed()
        await scene.back(life=1)
        if rest is ASKS:
            await scene.waits(scene.reads("Needs a person."), "the question")
            await scene.is_quiet()
            for name in ("acme-mail.com", "acme-hq.co"):
                seen = ":white_check_mark:" if name in bought else ":grey_question:"
                assert f"{seen} `{name}`" in scene.thread[-1]
            await scene.presses(scene.omar, "settle_did_not", lambda: scene.cards)
        await scene.ends("Done.", "Failed.")
        assert scene.bought() == bought
        assert scene.mailin.calls["buy_multiple"] == 1
        assert scene.rows("SELECT COUNT(*) FROM intents") == [(1,)]
        told(scene, [ASKED + path for path in rest])
        ended(scene, "Failed." if rest is ASKS else "Done.")


async def test_an_orderly_stop_waits_for_the_answer() -> None:
    async with real_scene(PATIENT) as scene:
        scene.mailin.faults.add(Operation.BUY_MULTIPLE, Fault.slow(SOON))
        await approved(scene)
        scene.is_over = True
        await scene.bot.stop()
        assert scene.facts() == [*ASKED, "accepted"]
        assert scene.rows("SELECT state FROM requests") == [("working",)]
        assert scene.rows("SELECT kind FROM messages WHERE sent < wanted") == []
        assert len(scene.thread) == 3
        await scene.bot.start()
        await scene.ends("Done.")
        told(scene, [[*ASKED, "accepted", "done"]])
        assert scene.bought() == BOTH
        assert scene.mailin.calls["buy_multiple"] == 1
        ended(scene, "Done.")


async def test_an_orderly_stop_begins_nothing_new() -> None:
    async with real_scene(PATIENT) as scene:
        for seconds in (0.5, SOON):
            scene.mailin.faults.add(Operation.BUY_MULTIPLE, Fault.slow(seconds))
        for count, name in enumerate(("one", "two", "three"), start=1):
            review = await scene.ana_asks(f"/domain buy {name}-mail.com {name}-hq.co")
            assert (await scene.confirms_once(review)).result == "cleared"
            await scene.waits(lambda count=count: len(scene.cards) == count, "the card")
        for card in scene.cards:
            await scene.omar.clicks(card, "approve")
        await has_the_order(scene, 2)  # the third waits its turn behind it
        scene.is_over = True
        await scene.bot.stop()
        assert scene.mailin.calls["buy_multiple"] == 2
        assert len(scene.rows("SELECT id FROM requests WHERE state = 'approved'")) == 1
        await scene.bot.start()
        await scene.until(lambda: not scene.rows("SELECT id FROM requests WHERE state <> 'succeeded'"), "three ends")
        await scene.is_quiet()
        assert scene.mailin.calls["buy_multiple"] == 3
        assert set(scene.bought().values()) == {1}
        assert "unknown" not in scene.facts()
