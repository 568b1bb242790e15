"""In which channel a request is told, where its form asks for that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage.records import Request, RequestState, new_id
from tests.storage.scenes import ANA, FINGERPRINT, OMAR, Scene


async def choosing(scene: Scene, channel: str = "") -> Request:
    """A draft whose form asks for the channel."""
    now = scene.clock.now
    draft = Request(new_id("req"), "T0ACME", ANA, channel, "domain buy", now, now, chooses_channel=True)
    await scene.store.drafts.create(draft)
    return draft


async def place(scene: Scene, draft: Request, channel: str, by: str = ANA) -> Request | None:
    return await scene.store.drafts.place(draft.id, by=by, channel=channel, now=scene.clock.now)


async def checked(scene: Scene, channel: str) -> Request:
    """Placed, filled in, and checked."""
    placed = await place(scene, await choosing(scene), channel)
    assert placed is not None
    filled = await scene.fill(placed)
    assert filled is not None
    assert filled.checking_since is not None
    done = await scene.finish_check(filled, filled.checking_since)
    assert done is not None
    return done


async def test_the_channel_that_was_chosen_is_kept(scene: Scene) -> None:
    placed = await place(scene, await choosing(scene), "C0OUTREACH")

    assert placed is not None
    assert (placed.channel, placed.chooses_channel) == ("C0OUTREACH", True)
    assert await scene.store.requests.get(placed.id) == placed


async def test_what_was_shown_for_another_channel_cannot_be_confirmed(scene: Scene) -> None:
    shown = await checked(scene, "C0OUTREACH")

    moved = await place(scene, shown, "C0GENERAL")

    assert moved == replace(shown, channel="C0GENERAL", quote=None, fingerprint="", updated_at=scene.clock.now)
    assert await scene.submit(shown) is None


async def test_the_same_channel_again_leaves_what_was_shown_as_it_is(scene: Scene) -> None:
    shown = await checked(scene, "C0OUTREACH")

    assert await place(scene, shown, "C0OUTREACH") == shown
    asked = await scene.submit(shown)

    assert asked is not None
    assert (asked.state, asked.channel, asked.fingerprint) == (RequestState.AWAITING, "C0OUTREACH", FINGERPRINT)


@pytest.mark.parametrize("what", ["somebody_elses", "asked_in_a_channel", "sent", "unknown"])
async def test_nothing_else_is_moved(scene: Scene, what: str) -> None:
    by, draft = ANA, await choosing(scene, "C0OUTREACH")
    match what:
        case "somebody_elses":
            by = OMAR
        case "asked_in_a_channel":
            draft = await scene.draft()
        case "sent":
            draft = await checked(scene, "C0OUTREACH")
            assert await scene.submit(draft) is not None
        case _:
            draft = replace(draft, id=new_id("req"))
    before = await scene.store.requests.get(draft.id)

    assert await place(scene, draft, "C0GENERAL", by) is None

    assert await scene.store.requests.get(draft.id) == before
