"""Another process, for scenes with two of them: `python -m tests.storage.child DATABASE store|vote|note [ID …]`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from storage.records import Fact, Request
from storage.sqlite import SqliteDatabase
from tests.storage.scenes import FINN, Clock, Scene


async def _store(scene: Scene) -> None:
    """Store one request after the other for ever, and say so of each once it is stored."""
    while True:
        request = await scene.waiting()
        print("stored", request.id, flush=True)


async def _vote(scene: Scene, *ids: str) -> None:
    """Vote on each as soon as the word comes; say which votes counted."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    known = [await scene.store.requests.get(one) for one in ids]
    votes = await asyncio.gather(*(scene.vote(request, by=FINN) for request in known if isinstance(request, Request)))
    print("won", *(vote.id for vote in votes if vote is not None), flush=True)


async def _note(scene: Scene, name: str) -> None:
    """Put facts into the audit for ever, a few at a time, and say of each how many it is once it is there."""
    done = 0
    while True:
        numbers = range(done, done + 3)
        await asyncio.gather(
            *(scene.store.facts.note("", Fact(name, "noted", {"number": n}), scene.clock.now) for n in numbers)
        )
        done += 3
        print("noted", done, flush=True)


def main() -> None:
    path, what, *ids = sys.argv[1:]
    scene = Scene(SqliteDatabase(Path(path)), Clock())
    asyncio.run({"store": _store, "vote": _vote, "note": _note}[what](scene, *ids))


if __name__ == "__main__":
    main()
