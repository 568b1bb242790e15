"""A story with people in it, told once for every moment at which its bot may die.

Each story is played once without a death, to learn the moments its bot passes. Then it is played once for every moment,
with a bot that dies there: SIGKILL, from within, between two lines. People go on as people do: they press again only
what Slack told them had failed.
"""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crash_stage import PACE, Scene, Strayed, set_scene

from bot.sandbox.stage import Pace

HERE = Path(__file__).parent
AT_ONCE = 10
"""Scenes played at the same time. They mostly wait, but a bot that starts needs a core for itself."""
TRIES = 3
"""How often a moment is looked for. What happens at the same time does not pass in the same order every time."""
EVERYWHERE = bool(os.environ.get("POSTROOM_CRASH_EVERYWHERE"))
"""Whether stories have their deaths also where another story has them already (`make crash`)."""

LEISURELY = replace(PACE, first_poll=0.5, max_poll=0.5)
"""The thread is up to date before anybody looks at the provider: so things pass in the same order every time."""


class Story:
    """What people do, from the first word to the last, and what must be true afterwards.

    `begins_after` is the last moment at which a death is another story's business. If `matters` names any, only moments
    with one of these words in them count. Redrawing card and parent is the same everywhere, so only a story that
    `shows_surfaces` has deaths there. `approvals` and `budgets` are more lines of the settings.
    """

    begins_after = ""
    matters: Sequence[str] = ()
    shows_surfaces = False
    pace: Pace | None = None
    approvals = ""
    budgets = ""

    async def before(self, scene: Scene) -> None:
        """What happened in a life before the one that may end early."""

    async def play(self, scene: Scene) -> None:
        """Everything that people do."""
        raise NotImplementedError

    def judge(self, scene: Scene) -> None:
        """What must be true in the end, wherever the bot died."""
        raise NotImplementedError


class Money(Story):
    """A story in which two people have to say yes, and a budget of 100 dollars counts what is asked."""

    approvals = "needs = 2\n"
    budgets = '[[budgets]]\nname = "Sales"\namount = "100"\ncurrency = "USD"\nteam = "C0OUTREACH"\n'

    async def comes_to_an_end(self, scene: Scene) -> None:
        """It is done, or nobody can find it; then Omar says that it did not happen."""
        await scene.waits(scene.reads("Done.", "Needs a person."), "an end, or a question")
        if scene.cards[0].reads("Needs a person."):
            await scene.presses(scene.omar, "settle_did_not", lambda: scene.cards)
        await scene.ends("Done.", "Failed.")


@dataclass(frozen=True, slots=True)
class Death:
    """One scene with a death in it. `broke` is what was not as it must be, None if all was well."""

    point: str
    died: bool
    broke: BaseException | None


async def dies_everywhere(story: Story, nursery: Path, *, must_die_at: frozenset[str] = frozenset()) -> None:
    """Plays the story with a death at every moment that is its business, those of `must_die_at` among them."""
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
    assert {death.point for death in deaths if death.died} >= must_die_at


async def moments(story: Story, nursery: Path) -> list[str]:
    """Every moment the bot passes in this story, told without a death, once each."""
    async with set_scene(nursery, **stage_of(story)) as scene:
        await story.play(scene)
        story.judge(scene)
        assert not scene.has_died
        passed = scene.passed
    if story.begins_after and not EVERYWHERE:
        passed = passed[passed.index(story.begins_after) + 1 :]
    return [point for point in passed if is_of_interest(point) and is_business_of(story, point)]


def is_business_of(story: Story, point: str) -> bool:
    """Whether a story has a death there."""
    if EVERYWHERE:
        return True
    if story.matters:
        return any(word in point for word in story.matters)
    return story.shows_surfaces or not redraws(point)


def stage_of(story: Story) -> dict[str, object]:
    """What a story wants its scene to be like."""
    return {"pace": story.pace, "approvals": story.approvals, "budgets": story.budgets, "before": story.before}


def is_of_interest(point: str) -> bool:
    """Leaves out what is as if it had been another moment.

    Later looks at the provider and later redrawings are like the second; before a claim nothing has changed since the
    commit that it follows. Nothing happens between a claim and the post, nor between the post and its record: one death
    in each of these gaps is enough, where it is not the first of its kind.
    """
    name, _, number = point.partition("#")
    looks = ("claim-poll", "claim-reconcile", "jobs.keep_watching", "call-status", "call-domains")
    recurs = number.isdigit() and int(number) > 2 and (name.endswith(looks) or redraws(name))
    has_twin = name.startswith(_TWINS) and point not in ("before-post-note", "before-commit-sent-note-asked")
    return not recurs and not name.startswith("before-commit-claim-") and (EVERYWHERE or not has_twin)


_TWINS = (
    "before-post-note", "before-update-", "before-commit-sent-note-", "before-commit-sent-card-again",
    "before-commit-sent-parent-again",
)  # fmt: skip


def redraws(point: str) -> bool:
    """Whether this belongs to showing the card or the parent anew."""
    return "-again" in point or "-update-" in point


async def played(story: Story, nursery: Path, point: str) -> Death:
    """The story with a bot that dies at `point`."""
    try:
        not_before = "" if EVERYWHERE else story.begins_after
        async with set_scene(nursery, dies_at=point, not_before=not_before, **stage_of(story)) as scene:
            await story.play(scene)
            story.judge(scene)
            return Death(point, scene.has_died and not scene.has_strayed, None)
    except Strayed:
        return Death(point, False, None)
    except Exception as error:
        return Death(point, True, error)


def report(broken: Sequence[Death]) -> str:
    """Every moment at which a death was noticed, how, and where in the story."""
    lines = [f"{len(broken)} moments at which the bot must not die:"]
    for death in broken:
        assert death.broke is not None
        steps = [step for step in traceback.extract_tb(death.broke.__traceback__) if Path(step.filename).parent == HERE]
        where = "\n".join(f"  {Path(step.filename).name}:{step.lineno} {step.name}: {step.line}" for step in steps)
        notes = "\n".join(getattr(death.broke, "__notes__", ()))
        lines.append(f"\n=== {death.point}\n{type(death.broke).__name__}: {death.broke}\n{where}\n{notes}")
    return "\n".join(lines)
