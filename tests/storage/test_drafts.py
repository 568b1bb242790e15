"""A form that is read while it may be sent anew."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from storage.records import Request
from tests.storage.scenes import ANA, FINN, Scene


async def read(scene: Scene, request: Request, since: datetime | None, by: str = ANA, **given: Any) -> Request | None:
    return await scene.store.drafts.fill(
        request.id, by=by, provider="mailin", account="mailin-main", given=given, reason="A campaign", view_id="V1",
        now=scene.clock.now, since=since,
    )  # fmt: skip


async def test_what_was_read_takes_the_place_of_what_was_sent(scene: Scene) -> None:
    sent = await scene.fill(await scene.draft())
    assert sent is not None
    scene.clock.passes(seconds=3)

    filled = await read(scene, sent, sent.checking_since, names=["acme.com"])

    assert filled is not None
    assert filled.input == {"names": ["acme.com"]}
    assert filled.checking_since == scene.clock.now
    assert await read(scene, sent, filled.checking_since, by=FINN) is None


async def test_what_was_sent_anew_meanwhile_stays(scene: Scene) -> None:
    first = await scene.fill(await scene.draft())
    assert first is not None
    scene.clock.passes(seconds=3)
    second = await scene.fill(first, domains=["acme.co"])
    assert second is not None

    assert await read(scene, first, first.checking_since, names=["acme.com"]) is None
    assert await scene.store.requests.get(first.id) == second


async def test_what_was_shown_already_stays(scene: Scene) -> None:
    checked = await scene.checked()

    assert await read(scene, checked, scene.clock.now, names=["acme.com"]) is None
    assert await scene.store.requests.get(checked.id) == checked
