"""Two processes on one database: whoever gets the click, it is bought once and told once."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from crash_books import ASKED, BOTH, FOUND, ended, told
from crash_stage import MortalBot, Scene, mortal, set_bare_stage

from bot.sandbox.stage import Pace
from providers.mailin.sandbox import Fault, Operation
from storage.sqlite import SqliteDatabase

PATIENT = Pace(first_poll=0.15, max_poll=0.3, job=0.3, lease=10, reconcile_after=1.5)
"""Nobody dies here, so nobody may think so, however busy the machine."""
HASTY = Pace(first_poll=0.15, max_poll=0.3, job=0.3, lease=2, reconcile_after=1.5)


@asynccontextmanager
async def two_bots(nursery: Path, pace: Pace) -> AsyncIterator[tuple[Scene, list[MortalBot]]]:
    """Both started at the same moment on a database that is not there yet, and both connected."""
    async with set_bare_stage(pace) as stage:
        bots = [mortal(stage, nursery, name=name, hurry=False) for name in ("one", "other")]
        scene = Scene(stage.workspace, stage.mailin, bots[0], processes=2)
        try:
            await asyncio.gather(*(bot.start() for bot in bots))
            await scene.waits(lambda: scene.workspace.delivery.connections == 2, "two bots")
            yield scene, bots
        except Exception as error:
            error.add_note(scene.evidence())
            raise
        finally:
            await ends_both(bots)


async def ends_both(bots: list[MortalBot], how: signal.Signals = signal.SIGTERM) -> None:
    """Ends them together, so that none waits until the workspace is left by the other."""
    living = [bot for bot in bots if bot.is_running]
    for bot in living:
        assert bot.process is not None
        os.kill(bot.process.pid, how)
    await asyncio.gather(*(bot.process.wait() for bot in living if bot.process is not None))


async def test_a_start_waits_for_another_that_is_making_the_database(tmp_path: Path) -> None:
    path = tmp_path / "postroom.db"
    maker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    maker.execute("BEGIN IMMEDIATE")
    maker.execute("CREATE TABLE half_made (id)")
    done = threading.Timer(0.3, maker.execute, ["ROLLBACK"])
    done.start()
    SqliteDatabase(path).close()
    done.join()
    maker.close()
    assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_the_whole_story_is_told_once(nursery: Path) -> None:
    async with two_bots(nursery, PATIENT) as (scene, bots):
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        await scene.omar_approves()
        await over(scene, bots)
        told(scene, [[*ASKED, "accepted", "done"]])
        bought_once(scene)


async def test_two_people_click_at_the_same_moment(nursery: Path) -> None:
    async with two_bots(nursery, PATIENT) as (scene, bots):
        finn = scene.workspace.person("finn")
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        [card] = scene.cards
        taken = await asyncio.gather(
            *(person.clicks(card, "approve") for person in (scene.omar, finn)), scene.omar.clicks(card, "approve")
        )
        assert all(ack is not None and ack.ok for ack in taken)
        await over(scene, bots)
        [(voter,)] = scene.rows("SELECT voter FROM votes")
        assert voter in (scene.omar.id, finn.id)
        told(
            scene,
            [[*ASKED, "accepted", "done"]],
            {"approved": f":white_check_mark: <@{voter}> approved this."},
        )
        late = [*scene.omar.ephemerals("#approvals"), *finn.ephemerals("#approvals")]
        assert [one.reads("has already approved this") for one in late] == [True, True]
        bought_once(scene)


async def test_one_dies_while_it_buys_and_the_other_finds_out(nursery: Path) -> None:
    async with two_bots(nursery, HASTY) as (scene, bots):
        scene.mailin.faults.add(Operation.BUY_MULTIPLE, Fault.slow(20))
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        await scene.omar_approves()
        await scene.until(lambda: scene.mailin.calls["buy_multiple"] == 1, "the order at the provider")
        await scene.is_quiet()
        [buyer] = [bot for bot in bots if ["before-call-buy-multiple"] in bot.moments()]
        await ends_both([buyer], signal.SIGKILL)
        await scene.waits(scene.reads("Done."), "the end")
        await over(scene, bots)
        told(scene, [ASKED + path for path in FOUND])
        bought_once(scene)


async def over(scene: Scene, bots: list[MortalBot]) -> None:
    """Waits until everything is said."""
    await scene.waits(scene.reads("Done."), "the end")
    scene.bot = next(bot for bot in bots if bot.is_running)
    await scene.is_quiet()
    await ends_both(bots)


def bought_once(scene: Scene) -> None:
    """One order, one intent, one of everything."""
    assert scene.bought() == BOTH
    assert scene.mailin.calls["buy_multiple"] == 1
    assert scene.rows("SELECT COUNT(*) FROM intents") == [(1,)]
    ended(scene, "Done.")
