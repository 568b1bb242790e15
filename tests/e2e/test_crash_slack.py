"""Slack fails in every way it has while messages are posted, and still each is there once, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from crash_books import ASKED, BOTH, ended, together, told
from crash_stage import Scene, set_scene

from bot.sandbox.faults import Fault

POST, UPDATE, HISTORY, REPLIES = "chat.postMessage", "chat.update", "conversations.history", "conversations.replies"
SHOW = "views.update"
FINE = Fault.slow(0)
LOST = Fault.cut_after()
MANY = 12

Trouble = Mapping[str, Sequence[Fault]]

TROUBLES: Mapping[str, Trouble] = {
    "no post is ever answered": {POST: [LOST] * MANY},
    "every other post is lost on the way": {POST: [Fault.cut_before(), FINE] * MANY},
    "every other post gets a 500": {POST: [Fault.server_error(), FINE] * MANY},
    "every other post gets a 429": {POST: [Fault.rate_limited(0.5), FINE] * 6},
    "every other post gets an internal error": {POST: [Fault.error("internal_error"), FINE] * MANY},
    "posts are answered too late or never": {POST: [Fault.slow(0.3), LOST, Fault.rate_limited(1), LOST]},
    "updates fail in every way": {
        UPDATE: [LOST, Fault.cut_before(), FINE, Fault.server_error(), Fault.rate_limited(1), FINE, LOST, FINE]
    },
    "nothing can be looked up at first": {
        POST: [LOST] * MANY,
        HISTORY: [Fault.server_error(), Fault.rate_limited(1), Fault.cut_before()],
        REPLIES: [Fault.cut_before(), FINE, Fault.server_error(), Fault.rate_limited(1)],
    },
}

DEATHS: Mapping[str, Trouble] = {
    "after-post-card": {POST: [LOST] * MANY},
    "after-post-parent": {POST: [LOST] * MANY},
    "after-commit-postponed-card": {POST: [LOST] * MANY},
    "before-commit-postponed-parent": {POST: [Fault.server_error()] * 2 + [LOST] * MANY},
    "after-commit-postponed-parent": {POST: [Fault.rate_limited(1)] * 2 + [LOST] * MANY},
    "before-commit-postponed-note-asked": {POST: [FINE, FINE] + [LOST] * MANY},
    "after-commit-claim-note-asked#2": {POST: [FINE, FINE] + [LOST] * MANY},
    "after-commit-sent-note-asked": {POST: [FINE, FINE] + [LOST] * MANY},
    "after-post-note": {POST: [FINE, FINE] + [LOST] * MANY, REPLIES: [Fault.server_error(), Fault.cut_before()]},
}
"""Where the bot dies besides."""


async def test_whatever_slack_does_each_message_is_posted_once(nursery: Path) -> None:
    await together({name: bought_under(trouble, nursery) for name, trouble in TROUBLES.items()})


async def test_a_death_amid_slacks_troubles_loses_and_repeats_no_message(nursery: Path) -> None:
    await together({point: bought_under(trouble, nursery, dies_at=point) for point, trouble in DEATHS.items()})


async def test_a_review_is_confirmed_while_it_is_shown_once_more(nursery: Path) -> None:
    async with set_scene(nursery, dies_at="before-commit-drafts.check_shown") as scene:
        for fault in (FINE, Fault.slow(0.5)):
            scene.workspace.faults.add(SHOW, fault)
        review = await scene.ana_asks()
        await scene.back(life=1)
        await scene.until(lambda: [call.method for call in scene.workspace.calls].count(SHOW) == 2, "the second look")
        assert (await scene.ana.submits(review)).result == "cleared"
        await scene.is_asked()
        await scene.omar_approves()
        await scene.ends("Done.")
        assert scene.ana.ephemerals("#outreach") == []
        judged(scene)


async def bought_under(trouble: Trouble, nursery: Path, *, dies_at: str = "") -> None:
    """The whole story while Slack has this trouble."""
    async with set_scene(nursery, dies_at=dies_at) as scene:
        for method, faults in trouble.items():
            for fault in faults:
                scene.workspace.faults.add(method, fault)
        await scene.ana_confirms(await scene.ana_asks())
        if dies_at:
            await scene.back(life=1)
        await scene.omar_approves()
        await scene.ends("Done.")
        assert scene.has_died == bool(dies_at)
        judged(scene)


def judged(scene: Scene) -> None:
    """Bought once, told once."""
    assert scene.bought() == BOTH
    assert scene.mailin.calls["buy_multiple"] == 1
    told(scene, [[*ASKED, "accepted", "done"]])
    ended(scene, "Done.")
