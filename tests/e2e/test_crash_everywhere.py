"""The bot is killed at every single moment of its stories, started again, and nobody may notice more than a pause.

Each story is played once without a death, to learn the moments its bot passes. Then it is played once for every moment,
with a bot that dies there: SIGKILL, from within, between two lines. People go on as people do: they press again only
what Slack told them had failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from crash_books import ASKS, BOTH, FIRST, FOUND, LINES, NOTHING, ended, paths, told, was_sent_and_unheard
from crash_stage import PACE, Scene, Strayed, set_scene

from bot.sandbox.stage import Pace
from providers.mailin.sandbox import Fault, Operation, Work

AT_ONCE = 20
"""Scenes played at the same time. They mostly wait."""
TRIES = 3
"""How often a moment is looked for. What happens at the same time does not pass in the same order every time."""


LEISURELY = replace(PACE, first_poll=0.5, max_poll=0.5)
"""The thread is up to date before anybody looks at the provider: so things pass in the same order every time."""

MUST_DIE_AT = frozenset(
    f"{when}-{what}"
    for when in ("before", "after")
    for what in (
        *("commit-fill_draft", "commit-finish_check", "commit-submit", "commit-cast_vote", "commit-begin_execution"),
        *("call-buy-multiple", "commit-conclude", "post-card", "post-parent", "post-note", "commit-sent-card"),
    )
)
"""The moments of `Bought` that no change of the house may rename unnoticed."""


class Story:
    """What people do, from the first word to the last, and what must be true afterwards.

    `begins_after` is the last moment at which a death is another story's business. Redrawing card and parent is the
    same everywhere, so only a story that `shows_surfaces` has deaths there.
    """

    begins_after = ""
    shows_surfaces = False
    pace: Pace | None = None

    async def play(self, scene: Scene) -> None:
        """Everything that people do."""
        raise NotImplementedError

    def judge(self, scene: Scene) -> None:
        """What must be true in the end, wherever the bot died."""
        raise NotImplementedError


class Bought(Story):
    """Ana asks, Omar approves, it is bought. The provider's listing lags, so a second purchase would go through."""

    shows_surfaces = True

    async def play(self, scene: Scene) -> None:
        scene.mailin.listing_lag_seconds = 0.6
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        await scene.omar_approves()
        await scene.waits(scene.reads("Done.", "Needs a person."), "an end, or a question")
        if scene.cards[0].reads("Needs a person."):
            await scene.presses(scene.omar, "settle_did_not", lambda: scene.cards)
        await scene.ends("Done.", "Failed.")

    def judge(self, scene: Scene) -> None:
        assert scene.mailin.calls["buy_multiple"] <= 1, "the order was sent twice"
        bought = scene.bought()
        if was_sent_and_unheard(scene) is False or "after-call-buy-multiple" in scene.passed:
            assert bought == BOTH
        else:
            assert bought in (BOTH, NOTHING)
        told(scene, paths(scene, heard=[["accepted", "done"]], unheard=FOUND if bought else ASKS))
        ended(scene, "Done." if bought else "Failed.")
        assert scene.rows("SELECT COUNT(*) FROM intents") == [(1,)]
        assert scene.rows("SELECT voter, verdict FROM votes") == [("U0OMAR", "approve")]


class Denied(Story):
    """Omar says no, and why."""

    begins_after = "after-commit-sent-note-asked"

    async def play(self, scene: Scene) -> None:
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        await self._omar_denies(scene)
        await scene.ends("Denied")

    async def _omar_denies(self, scene: Scene) -> None:
        while not scene.omar.modal:
            life = scene.lives
            await scene.presses(scene.omar, "deny", lambda: scene.cards)
            await scene.waits(lambda life=life: scene.omar.modal or scene.lives > life, "the question why not")
        modal = scene.omar.modal
        await scene.omar.fills(modal, reason="Too dear")
        life = scene.lives
        sent = await scene.omar.submits(modal)
        if sent.result == "trouble":
            await scene.back(life)
            again = await scene.omar.submits(modal)
            assert again.result in ("closed", "updated"), again
            assert again.result == "closed" or modal.reads("has already denied this")
        else:
            assert sent.result == "closed", sent

    def judge(self, scene: Scene) -> None:
        assert scene.bought() == NOTHING
        assert scene.mailin.calls["buy_multiple"] == 0
        told(scene, [["asked", "denied"]])
        ended(scene, "Denied")
        assert scene.rows("SELECT voter, verdict, reason FROM votes") == [("U0OMAR", "deny", "Too dear")]
        assert scene.rows("SELECT COUNT(*) FROM intents") == [(0,)]


class Cancelled(Story):
    """Ana takes it back."""

    begins_after = "after-commit-sent-note-asked"

    async def play(self, scene: Scene) -> None:
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        await scene.presses(scene.ana, "cancel", lambda: scene.parents)
        await scene.ends("Cancelled")

    def judge(self, scene: Scene) -> None:
        assert scene.bought() == NOTHING
        assert scene.mailin.calls["buy_multiple"] == 0
        told(scene, [["asked", "cancelled"]])
        ended(scene, "Cancelled")
        assert scene.rows("SELECT COUNT(*) FROM votes") == [(0,)]


class HalfFails(Story):
    """The provider takes the order for both, and its job can register only one."""

    begins_after = "after-commit-sent-note-accepted"
    pace = LEISURELY

    async def play(self, scene: Scene) -> None:
        scene.mailin.failing = {"acme-hq.co"}
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        await scene.omar_approves()
        await scene.ends("Failed.")

    def judge(self, scene: Scene) -> None:
        assert scene.bought() == FIRST
        told(scene, paths(scene, heard=[["accepted", "failed"]]))
        assert "1 of 2 bought" in scene.thread[-1]
        assert ":x: `acme-hq.co`" in scene.thread[-1]
        ended(scene, "Failed.")
        assert scene.mailin.calls["buy_multiple"] == 1


class Refused(Story):
    """Somebody else was faster: the provider refuses the order as a whole."""

    begins_after = "after-call-buy-multiple"

    async def play(self, scene: Scene) -> None:
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        scene.mailin.taken.add("acme-hq.co")
        await scene.omar_approves()
        await scene.waits(scene.reads("Failed.", "Needs a person."), "an end, or a question")
        if scene.cards[0].reads("Needs a person."):
            await scene.presses(scene.omar, "settle_did_not", lambda: scene.cards)
        await scene.ends("Failed.")

    def judge(self, scene: Scene) -> None:
        assert scene.bought() == NOTHING
        assert scene.mailin.calls["buy_multiple"] == 1
        told(scene, paths(scene, heard=[["failed"]], unheard=ASKS))
        ended(scene, "Failed.")


class HalfDone(Story):
    """The provider buys one of the two and cuts the line; Postroom says which it found, and Omar says what is true."""

    begins_after = "after-call-buy-multiple"

    async def play(self, scene: Scene) -> None:
        scene.mailin.faults.add(Operation.BUY_MULTIPLE, Fault.cut_after(work=Work.HALF))
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        await scene.omar_approves()
        await scene.presses(scene.omar, "settle_did_not", lambda: scene.cards)
        await scene.ends("Failed.")

    def judge(self, scene: Scene) -> None:
        assert scene.bought() == FIRST
        assert scene.mailin.calls["buy_multiple"] == 1
        told(scene, paths(scene, heard=ASKS, unheard=ASKS))
        evidence = next(line for line in scene.thread if line.startswith(LINES["asks"]))
        assert ":white_check_mark: `acme-mail.com` — live" in evidence
        assert ":grey_question: `acme-hq.co` — not known" in evidence
        ended(scene, "Failed.")


class LineCut(Story):
    """The provider buys both and cuts the line; Postroom finds out by looking, and nobody need be asked."""

    begins_after = "after-commit-sent-note-unknown"
    pace = LEISURELY

    async def play(self, scene: Scene) -> None:
        scene.mailin.listing_lag_seconds = 0.6
        scene.mailin.faults.add(Operation.BUY_MULTIPLE, Fault.cut_after())
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        await scene.omar_approves()
        await scene.ends("Done.")

    def judge(self, scene: Scene) -> None:
        assert scene.bought() == BOTH
        assert scene.mailin.calls["buy_multiple"] == 1
        told(scene, paths(scene, heard=FOUND, unheard=FOUND))
        ended(scene, "Done.")


class TooLong(Story):
    """The job passes its deadline, Omar says to keep watching, and then it ends well after all."""

    begins_after = "after-commit-sent-note-accepted"
    pace = replace(LEISURELY, job=3600, deadline_hours=1.2 / 3600)

    async def play(self, scene: Scene) -> None:
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        await scene.omar_approves()
        await scene.waits(scene.reads("Needs a person."), "the question")
        end_all_jobs(scene)
        await scene.presses(scene.omar, "settle_wait", lambda: scene.cards)
        await scene.ends("Done.")

    def judge(self, scene: Scene) -> None:
        assert scene.bought() == BOTH
        assert scene.mailin.calls["buy_multiple"] == 1
        told(
            scene,
            paths(scene, heard=[["accepted", "stuck", "settled", "done"]]),
            {"settled": ":mag: <@U0OMAR> asked Postroom to keep watching."},
        )
        ended(scene, "Done.")


STORIES = (Bought, Denied, Cancelled, HalfFails, Refused, HalfDone, LineCut, TooLong)


@dataclass(frozen=True, slots=True)
class Death:
    """One scene with a death in it. `broke` is what was not as it must be, None if all was well."""

    point: str
    died: bool
    broke: BaseException | None


@pytest.mark.parametrize("story", [kind() for kind in STORIES], ids=[kind.__name__ for kind in STORIES])
async def test_a_death_at_any_moment_of(story: Story, nursery: Path) -> None:
    points = await moments(story, nursery)
    turn = asyncio.Semaphore(AT_ONCE)

    async def with_death_at(point: str) -> Death:
        death = Death(point, False, None)
        for _ in range(TRIES):
            async with turn:
                death = await played(story, nursery, point)
            if death.died or death.broke:
                break
        return death

    deaths = await asyncio.gather(*map(with_death_at, points))
    broken = [death for death in deaths if death.broke is not None]
    assert not broken, report(broken)
    # What happens at the same time as something else may not come by in the same order again.
    missed = [death.point for death in deaths if not death.died]
    assert len(missed) * 5 <= len(points), missed
    if isinstance(story, Bought):
        assert {death.point for death in deaths if death.died} >= MUST_DIE_AT


async def moments(story: Story, nursery: Path) -> list[str]:
    """Every moment the bot passes in this story, told without a death, once each."""
    async with set_scene(nursery, pace=story.pace) as scene:
        await story.play(scene)
        story.judge(scene)
        assert not scene.has_died
        passed = scene.passed
    if story.begins_after:
        passed = passed[passed.index(story.begins_after) + 1 :]
    return [point for point in passed if is_of_interest(point) and (story.shows_surfaces or not redraws(point))]


def is_of_interest(point: str) -> bool:
    """Leaves out what is as if it had been another moment.

    Later looks at the provider and later redrawings are like the second; before a claim nothing has changed since the
    commit that it follows.
    """
    name, _, number = point.partition("#")
    looks = ("claim-poll", "claim-reconcile", "keep_watching", "call-status", "call-domains")
    recurs = number.isdigit() and int(number) > 2 and (name.endswith(looks) or redraws(name))
    return not recurs and not name.startswith("before-commit-claim-")


def redraws(point: str) -> bool:
    """Whether this belongs to showing the card or the parent anew."""
    return "-again" in point or "-update-" in point


async def played(story: Story, nursery: Path, point: str) -> Death:
    """The story with a bot that dies at `point`."""
    try:
        async with set_scene(nursery, dies_at=point, not_before=story.begins_after, pace=story.pace) as scene:
            await story.play(scene)
            story.judge(scene)
            return Death(point, scene.has_died and not scene.has_strayed, None)
    except Strayed:
        return Death(point, False, None)
    except Exception as error:
        return Death(point, True, error)


def report(broken: Sequence[Death]) -> str:
    """Every moment at which a death was noticed, and how."""
    lines = [f"{len(broken)} moments at which the bot must not die:"]
    for death in broken:
        notes = "\n".join(getattr(death.broke, "__notes__", ()))
        lines.append(f"\n=== {death.point}\n{type(death.broke).__name__}: {death.broke}\n{notes}")
    return "\n".join(lines)


# What happens besides.


def end_all_jobs(scene: Scene) -> None:
    """The provider has come to the end of everything."""
    now = scene.mailin.clock.now()
    for job in scene.mailin.jobs.values():
        job.ends_at = now
    for domain in scene.mailin.domains.values():
        domain.active_at = now
