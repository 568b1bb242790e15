"""Fifty clicks in the air at once: one of them decides, the money is right, and everybody else is told why not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from crash_books import ASKED
from crash_stage import Scene
from test_crash_two import PATIENT, bought_once, over, two_bots

from bot.policy_settings import ApprovalSettings, BudgetSettings
from bot.sandbox import payloads
from bot.sandbox.modal import Modal, Submission
from bot.sandbox.model import User
from bot.sandbox.people import Person
from storage.records import RequestState
from tests.house import House, Story, open_house, reading

BOSSES = tuple(f"U0BOSS{n}" for n in range(10))
DECISIONS = {"approved", "denied", "cancelled"}
NAMES = ("acme.com", "acme.co", "acme.biz")


@contextlib.asynccontextmanager
async def house_of(
    folder: Path, people: tuple[str, ...], *budgets: BudgetSettings, undo: float = 0
) -> AsyncIterator[House]:
    """A house where all of these may decide, with as many seconds to stop it again."""
    async with open_house(folder, starts=False) as opened:
        for who in people:
            opened.slack.add_user(User(who, who.lower(), f"{who[2:].title()} Moss"), "#approvals", "#outreach")
        approvals = ApprovalSettings(approvers=("U0OMAR", *people), undo_seconds=undo)
        await opened.starts(approvals=approvals, budgets=budgets)
        yield opened


async def opens(boss: Person, story: Story, button: str, callback_id: str, **values: object) -> Modal:
    """Somebody has a form of the card before them, filled in."""
    await boss.clicks(story.card, button)
    modal = await boss.sees_modal(callback_id)
    return await boss.fills(modal, **values)


async def stops(house: House, boss: Person, story: Story) -> None:
    """A click on the Stop button, which is there only while it can be stopped: whoever sees it late, clicks late."""
    action = {"type": "button", "action_id": "stop", "block_id": "b", "value": story.id}
    click = payloads.message_action(house.slack, boss.user, story.parent, action)
    assert (await house.slack.deliver("interactive", click)).ok


class TestOneCard:
    @pytest.mark.parametrize(
        ("first", "undo"),
        [("approve", 0), ("deny", 0), ("items", 0), ("cancel", 0), ("approve", 30), ("items", 30)],
    )
    async def test_fifty_clicks(self, tmp_path: Path, first: str, undo: float) -> None:
        async with house_of(tmp_path, BOSSES, undo=undo) as house:
            story = await house.asks(house.ana, *NAMES)
            card, parent = story.card, story.parent
            bosses = [house.slack.person(who) for who in BOSSES]
            noes = [await opens(boss, story, "deny", "deny", reason="Too dear") for boss in bosses[:5]]
            parts = [await opens(boss, story, "choose", "items", **{"items:0": ["0", "1"]}) for boss in bosses[5:]]

            ways = {
                "approve": [boss.clicks(card, "approve") for boss in bosses * 2],
                "deny": [boss.submits(modal) for boss, modal in zip(bosses[:5], noes, strict=True)],
                "items": [boss.submits(modal) for boss, modal in zip(bosses[5:], parts, strict=True)],
                "cancel": [house.ana.clicks(parent, "cancel") for _ in range(10)],
                "stop": [stops(house, boss, story) for boss in bosses],
            }
            taken = await asyncio.gather(*ways.pop(first), *(one for way in ways.values() for one in way))
            await house.inside.background.settled()

            history = [entry.what for entry in await house.inside.store.facts.of(story.id)]
            facts = [what for what in history if what in ("approved", "denied", "cancelled", "stopped")]
            assert undo or len(facts) == 1
            # What was approved can be undone while there is time; after anything else there is nothing to decide.
            ways_on = {"asked": DECISIONS, "stopped": DECISIONS, "approved": {"stopped", "cancelled"}}
            assert all(then in ways_on.get(what, ()) for what, then in pairwise(["asked", *facts]))
            sent = [one for one in taken if isinstance(one, Submission)]
            closed = [one for one in sent if one.result == "closed"]
            told = [reading(one.modal.blocks) for one in sent if one.modal is not None]
            assert len(closed) + len(told) == 10
            for who in bosses:
                told += house.privately(who, "#approvals") + house.privately(who, "#outreach")
            told += house.privately(house.ana, "#outreach")
            assert len(facts) + len(told) == 50
            assert all(sentence.endswith(".") and "Nothing was" in sentence for sentence in told), set(told)

            await house.runs_for(minutes=5)
            state = await story.state()
            assert len(house.bought) == len(set(house.bought))
            assert bool(house.bought) == (state is RequestState.SUCCEEDED)
            assert house.calls["buy_multiple"] == (1 if house.bought else 0)
            assert bool(house.bought) == (facts[-1] == "approved")
            assert tuple(house.bought) in (NAMES, NAMES[:2], ())


class TestOneBudget:
    async def test_fifty_requests_at_once_never_take_more_than_there_is(self, tmp_path: Path) -> None:
        """Each costs $12.50, and there are $100: eight fit, whoever they are."""
        everybody = tuple(f"U0ASKS{n}" for n in range(50))
        budget = BudgetSettings(name="Sales", amount=Decimal(100), currency="USD")
        async with house_of(tmp_path, everybody, budget) as house:
            people = [house.slack.person(who) for who in everybody]
            reviews = [await house.review(who, f"acme-{n}.com") for n, who in enumerate(people)]

            sent = await asyncio.gather(*(who.submits(review) for who, review in zip(people, reviews, strict=True)))
            await house.inside.background.settled()

            assert [one.result for one in sent].count("cleared") == 8
            refused = [reading(one.modal.blocks) for one in sent if one.modal is not None]
            assert len(refused) == 42
            assert all("of the budget “Sales” 0.00 USD are left" in one for one in refused), refused[:2]
            assert house.on_disk("SELECT SUM(reserved), SUM(spent) FROM budget_months") == [(100_000_000, 0)]
            assert house.on_disk("SELECT COUNT(*) FROM requests WHERE state = 'awaiting_approval'") == [(8,)]


class TestTwoProcesses:
    async def test_fifty_clicks_reach_one_or_the_other(self, nursery: Path) -> None:
        async with two_bots(nursery, PATIENT) as (scene, bots):
            finn = scene.workspace.person("finn")
            await scene.ana_confirms(await scene.ana_asks())
            await scene.is_asked()
            [card], [parent] = scene.cards, scene.parents

            taken = await asyncio.gather(
                *(who.clicks(card, "approve") for _ in range(20) for who in (scene.omar, finn)),
                *(scene.ana.clicks(parent, "cancel") for _ in range(10)),
            )

            assert all(ack is not None and ack.ok for ack in taken)
            await scene.until(lambda: len(answered(scene)) == 49, "an answer to every other click")
            decided = [fact for fact in scene.facts() if fact in ("approved", "cancelled")]
            assert len(decided) == 1
            if decided == ["approved"]:
                await over(scene, bots)
                assert [fact for fact in scene.facts() if fact != "click_refused"] == [*ASKED, "accepted", "done"]
                assert scene.facts().count("click_refused") == 49
                bought_once(scene)
            else:
                assert not scene.bought()


def answered(scene: Scene) -> list[str]:
    """What people were told alone, each time in a whole sentence."""
    people = [(scene.omar, "#approvals"), (scene.workspace.person("finn"), "#approvals"), (scene.ana, "#outreach")]
    told = [one.text for who, where in people for one in who.ephemerals(where)]
    assert all("Nothing was changed" in sentence for sentence in told), told
    return told
