"""The bot is killed around everything that moves money or the right to spend it, whatever the provider did meanwhile.

Every commit of the spend path and of what decides about it has a death before it and one after it, and so has the paid
call. `make crash` has all stories die at all of their moments, also where another story has the same ones.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from crash_books import (
    ASKED_TWO,
    ASKS,
    BOTH,
    FIRST,
    FOUND,
    LINES,
    NOTHING,
    TWO,
    ended,
    paths,
    told,
    was_sent_and_unheard,
)
from crash_stage import Scene
from crash_story import Money, dies_everywhere

from bot.sandbox.model import Message
from providers.mailin.sandbox import Fault, Operation, Work

SPENDING = ("runs.begin", "call-buy", "runs.conclude", "claim-poll", "claim-reconcile", "jobs.keep_watching")
"""What follows the decision."""
NO_ANSWER = "failed because the app did not respond"
"""What Slack says to whoever types a command while the bot is dead."""
AGAIN = ":repeat: <@U0OMAR> looked and says: it did not happen. It is sent once more when 2 people have said yes"


class Unheard(Money):
    """Nobody hears the provider's answer, after it did so much of the `work`; Omar says what is true."""

    begins_after = "after-commit-decisions.cast_vote#2"
    matters = SPENDING
    work: Work
    told_alone = ""

    async def play(self, scene: Scene) -> None:
        scene.mailin.listing_lag_seconds = 0.6
        scene.mailin.faults.add(Operation.BUY_MULTIPLE, Fault.cut_after(work=self.work))
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        await scene.both_approve()
        await scene.waits(scene.reads("Done.", "Needs a person."), "an end, or a question")
        if scene.cards[0].reads("Needs a person."):
            await self.somebody_says(scene)
        await scene.ends("Done.", "Failed.")

    async def somebody_says(self, scene: Scene) -> None:
        """Nothing, or not all of it, can be found."""
        await scene.presses(scene.omar, "settle_did_not", lambda: scene.cards)

    def judge(self, scene: Scene) -> None:
        reached = scene.mailin.calls["buy_multiple"]
        assert reached == 1 or (reached == 0 and was_sent_and_unheard(scene) is not False)
        bought = scene.bought()
        assert bought == ({Work.ALL: BOTH, Work.HALF: FIRST, Work.NOTHING: NOTHING}[self.work] if reached else NOTHING)
        rest = FOUND if bought == BOTH else ASKS
        told(scene, paths(scene, heard=rest, unheard=rest), {"approved": TWO})
        spent = {0: "0", 1: "12.50", 2: "40.50"}[bought.total()]
        ended(scene, "Done." if bought == BOTH else "Failed.", spent=spent, told_alone=self.told_alone)
        assert scene.rows("SELECT COUNT(*) FROM intents") == [(1,)]


class DidIt(Unheard):
    """Both were bought."""

    work = Work.ALL


class DidNot(Unheard):
    """None was bought."""

    work = Work.NOTHING


class DidHalf(Unheard):
    """One of the two was bought. Omar would have all of it sent again, and is told why not."""

    work = Work.HALF
    matters = (*SPENDING, "note-")
    told_alone = "A part of this was seen at the provider: acme-mail.com."

    async def somebody_says(self, scene: Scene) -> None:
        if scene.bought():
            before, said = len(scene.omar.ephemerals("#approvals")), list[Message]()
            while not said:  # whoever hears nothing, because the bot has died over the answer, presses again
                await scene.presses(scene.omar, "settle_again", lambda: scene.cards)
                life = scene.lives
                await scene.waits(
                    lambda life=life: scene.omar.ephemerals("#approvals")[before:] or scene.lives > life,
                    "the reason why not",
                )
                said = scene.omar.ephemerals("#approvals")[before:]
            assert said[-1].reads(self.told_alone)
        await super().somebody_says(scene)

    def judge(self, scene: Scene) -> None:
        super().judge(scene)
        if scene.bought():
            evidence = next(line for line in scene.thread if line.startswith(LINES["asks"]))
            assert ":white_check_mark: `acme-mail.com` — live" in evidence
            assert ":grey_question: `acme-hq.co` — not known" in evidence
            assert scene.cards[0].reads(":x: `acme-hq.co`")


class SentAgain(Money):
    """The provider took nothing, Omar has it asked again, and two say yes: one more order, whatever dies around it."""

    begins_after = "after-commit-sent-note-asks"
    matters = ("runs.ask_again", "note-settled", *SPENDING)

    async def play(self, scene: Scene) -> None:
        scene.mailin.listing_lag_seconds = 0.6
        scene.mailin.faults.add(Operation.BUY_MULTIPLE, Fault.cut_before())
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        await scene.both_approve()
        await scene.waits(scene.reads("Needs a person."), "the question")
        await scene.is_quiet()
        await scene.presses(scene.omar, "settle_again", lambda: scene.cards)
        await scene.waits(scene.reads("Waiting for approval"), "the question to both")
        await scene.both_approve()
        ended_or_asked = "SELECT 1 FROM requests WHERE attempt = 2 AND (state = 'succeeded' OR asks_person)"
        await scene.until(lambda: bool(scene.rows(ended_or_asked)), "the end of the second attempt")
        if not scene.bought():
            await scene.is_quiet()
            await scene.presses(scene.omar, "settle_did_not", lambda: scene.cards)
        await scene.ends("Done.", "Failed.")

    def judge(self, scene: Scene) -> None:
        assert scene.mailin.calls["buy_multiple"] <= 2
        second = {"sent_as": "runs.begin#2", "heard_as": "runs.conclude#3"}
        bought = scene.bought()
        assert bought in (BOTH, NOTHING)
        assert bought == BOTH or was_sent_and_unheard(scene, *second.values()) is not False
        story = paths(
            scene,
            heard=[["accepted", "done"]],
            unheard=FOUND if bought else ASKS,
            begins=[*ASKED_TWO, "unknown", "asks", "settled", "approved", "approved", "sent"],
            **second,
        )
        told(scene, story, {"approved": (*TWO, *TWO), "settled": (AGAIN, LINES["settled"])})
        ended(scene, "Done." if bought else "Failed.", spent="40.50" if bought else "0")
        assert [key[-2:] for (key,) in scene.rows("SELECT key FROM intents ORDER BY at")] == ["#1", "#2"]


class Stopped(Money):
    """Two have said yes, and before it is sent Omar stops it; then he says no."""

    approvals = f"{Money.approvals}undo_seconds = 600\n"
    begins_after = "before-commit-decisions.cast_vote#2"
    matters = ("decisions.cast_vote#2", "decisions.stop", "note-stopped", "decisions.cast_vote#3")

    async def play(self, scene: Scene) -> None:
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        await scene.both_approve()
        await scene.presses(scene.omar, "stop", lambda: scene.cards)

        async def press() -> None:
            await scene.presses(scene.omar, "deny", lambda: scene.cards)

        await scene.sends(scene.omar, await scene.form_of(scene.omar, press), reason="Too dear")
        await scene.ends("Denied")

    def judge(self, scene: Scene) -> None:
        assert scene.mailin.calls["buy_multiple"] == 0
        stopped = ":octagonal_sign: <@U0OMAR> stopped this before it was sent. Nothing was bought."
        told(scene, [["asked", "approved", "approved", "stopped", "denied"]], {"approved": TWO, "stopped": stopped})
        ended(scene, "Denied")
        assert scene.rows("SELECT voter, verdict FROM votes") == [("U0OMAR", "deny")]
        assert scene.rows("SELECT COUNT(*) FROM intents") == [(0,)]


class Dearer(Money):
    """It has become dearer by the time it is approved: nothing is sent before both have said yes to the new price."""

    begins_after = "before-commit-decisions.cast_vote#2"
    matters = ("decisions.reopen", "decisions.cast_vote#3", "decisions.cast_vote#4", "runs.begin", "call-buy")

    async def before(self, scene: Scene) -> None:
        await is_asked_in_a_life_before(scene)
        scene.restarts_with('"domain.co" = "28.00"', '"domain.co" = "31.00"')

    async def play(self, scene: Scene) -> None:
        await scene.both_approve()
        await scene.until(lambda: "reopened" in scene.facts(), "the new price")
        await scene.is_quiet()
        while missing := [one for one in (scene.omar, scene.finn) if not self._has_decided(scene, one.id)]:
            await scene.presses(missing[0], "approve", lambda: scene.cards)
        await self.comes_to_an_end(scene)

    @staticmethod
    def _has_decided(scene: Scene, who: str) -> bool:
        decided = scene.rows("SELECT 1 FROM requests WHERE state NOT IN ('draft', 'awaiting_approval')")
        return bool(decided or scene.rows(f"SELECT 1 FROM votes WHERE voter = '{who}'"))

    def judge(self, scene: Scene) -> None:
        bought = scene.bought()
        assert bought == BOTH or (bought == NOTHING and was_sent_and_unheard(scene) is not False)
        assert scene.mailin.calls["buy_multiple"] <= 1
        # Who pressed again what Slack said had failed may have been the first, not the second, to approve the new card.
        voters = [actor for (actor,) in scene.rows("SELECT actor FROM audit WHERE what = 'approved' ORDER BY seq")]
        said = [
            f":ballot_box_with_check: <@{who}> said yes."
            if number % 2 == 0
            else f":white_check_mark: <@{who}> approved"
            for number, who in enumerate(voters)
        ]
        story = paths(
            scene,
            heard=[["accepted", "done"]],
            unheard=FOUND if bought else ASKS,
            begins=["asked", "approved", "approved", "reopened", *ASKED_TWO[1:]],
        )
        changed = ":warning: The price changed after the approval, from $40.50 to $43.50. Nothing was bought;"
        done = ":tada: <@U0ANA> Both domains are live. Cost: $43.50."
        told(scene, story, {"approved": said, "reopened": changed, "done": done})
        ended(scene, "Done." if bought else "Failed.", spent="43.50" if bought else "0")
        assert scene.rows("SELECT COUNT(*) FROM intents") == [(1,)]


class OtherRules(Money):
    """While it waits, the rules change: from now on one person is enough."""

    matters = ("waiting.rule_anew", "fact-")

    async def before(self, scene: Scene) -> None:
        await is_asked_in_a_life_before(scene)
        scene.restarts_with("needs = 2", "needs = 1")

    async def play(self, scene: Scene) -> None:
        await scene.omar_approves()
        await scene.ends("Done.")

    def judge(self, scene: Scene) -> None:
        assert scene.bought() == BOTH
        rest = ["approved", "sent", "accepted", "done"]
        told(scene, [["asked", "ruled_anew", *attended, *rest] for attended in ([], ["attended"])])
        ended(scene, "Done.", spent="40.50")


class NobodyDecides(Money):
    """Omar gets a card of his own, the thread is reminded, and then it has waited long enough."""

    approvals = f'{Money.approvals}ping = ["U0OMAR"]\nwait_hours = {2.5 / 3600}\nremind_after_hours = [{1 / 3600}]\n'
    matters = ("waiting.attended", "waiting.expire", "note-reminder")

    async def play(self, scene: Scene) -> None:
        await scene.ana_confirms(await scene.ana_asks())
        await scene.ends("Expired")

    def judge(self, scene: Scene) -> None:
        [(announced, reminded)] = scene.rows("SELECT announced, reminded FROM requests WHERE state = 'expired'")
        facts = scene.facts()
        assert facts in [["asked", *["attended"] * times, "expired"] for times in range(3)]
        assert facts.count("attended") >= max(announced, reminded)
        reminder = [":alarm_clock: <@U0OMAR> This has been waiting for a decision"] if reminded else []
        expected = [LINES["asked"], *reminder, ":alarm_clock: <@U0ANA> Nobody decided this, so it has expired."]
        assert len(scene.thread) == len(expected), scene.thread
        assert all(line.startswith(beginning) for line, beginning in zip(scene.thread, expected, strict=True))
        ended(scene, "Expired", copies=announced)


class GlassBroken(Money):
    """It cannot wait: Omar runs it without anybody's yes."""

    approvals = f'{Money.approvals}break_glass = ["U0OMAR"]\n'
    matters = ("decisions.approve_at_once", "note-broke_glass")

    async def play(self, scene: Scene) -> None:
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()

        async def choose() -> None:
            await scene.omar.chooses(scene.cards[0], "more", "Run now, without approval …")

        await scene.sends(scene.omar, await scene.form_of(scene.omar, choose), reason="The launch is today")
        await self.comes_to_an_end(scene)

    def judge(self, scene: Scene) -> None:
        bought = (
            scene.bought()
        )  # it is sent while the thread is told of it, so a death over the one may be amid the other
        assert bought == BOTH or (bought == NOTHING and was_sent_and_unheard(scene) is not False)
        assert scene.mailin.calls["buy_multiple"] <= 1
        story = paths(
            scene,
            heard=[["accepted", "done"]],
            unheard=FOUND if bought else ASKS,
            begins=["asked", "broke_glass", "sent"],
        )
        ran = ":rotating_light: <@U0OMAR> <@U0FINN> <@U0OMAR> runs this at once"
        told(scene, story, {"broke_glass": ran})
        ended(scene, "Done." if bought else "Failed.", spent="40.50" if bought else "0", copies=1)
        assert scene.rows("SELECT COUNT(*) FROM intents") == [(1,)]


class HandedOver(Money):
    """Only Omar may decide; he is away, and Finn decides in his place."""

    budgets = f'{Money.budgets}[[approvals.rules]]\nname = "Only Omar"\napprovers = ["U0OMAR"]\nneeds = 1\n'
    matters = ("delegations.hand_over", "decisions.cast_vote")

    async def play(self, scene: Scene) -> None:
        while not scene.rows("SELECT 1 FROM delegations"):
            life = scene.lives
            ack = await scene.omar.types("/postroom away for 2 weeks <@U0FINN|finn>", channel="#general")
            if ack is None or not ack.ok:
                await scene.back(life)
            else:
                await scene.until(
                    lambda life=life: scene.lives > life or bool(scene.rows("SELECT 1 FROM delegations")),
                    "the hand-over",
                )
        await scene.until(lambda: scene.bot.is_running, "the bot")
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        await scene.presses(scene.finn, "approve", lambda: scene.cards)
        await scene.ends("Done.")

    def judge(self, scene: Scene) -> None:
        assert scene.bought() == BOTH
        told(
            scene,
            [["asked", "approved", "sent", "accepted", "done"]],
            {"approved": ":white_check_mark: <@U0FINN> (for <@U0OMAR>) approved this."},
        )
        assert scene.rows("SELECT voter, principal FROM votes") == [("U0FINN", "U0OMAR")]
        handed = "SELECT COUNT(*) FROM {} WHERE {}"
        assert scene.rows(handed.format("delegations", "ends_at > begins_at")) == [(1,)]
        assert scene.rows(handed.format("audit", "what = 'handed_over'")) == [(1,)]
        said = [one for one in scene.said() if one.text.startswith(":palm_tree:")]
        assert len(said) <= 1
        ended(scene, "Done.", spent="40.50", copies=len(said), of_the_house=("handed_over",), told_alone=NO_ANSWER)


STORIES = (
    DidIt, DidNot, DidHalf, SentAgain, Stopped, Dearer, OtherRules, NobodyDecides, GlassBroken, HandedOver,
)  # fmt: skip
"""Beside those in `test_crash_everywhere`."""

MUST_DIE_AT = {
    DidIt: ("commit-runs.begin", "call-buy-multiple", "commit-runs.conclude", "commit-runs.conclude#2"),
    DidNot: (
        "commit-runs.begin",
        "call-buy-multiple",
        "commit-runs.conclude",
        "commit-runs.conclude#2",
        "commit-runs.conclude#3",
    ),
    DidHalf: ("commit-runs.begin", "call-buy-multiple", "commit-runs.conclude", "commit-runs.conclude#2"),
    SentAgain: ("commit-runs.ask_again", "commit-runs.begin#2", "call-buy-multiple#2", "commit-runs.conclude#3"),
    Stopped: ("commit-decisions.stop",),
    Dearer: ("commit-decisions.reopen", "commit-decisions.cast_vote#4", "commit-runs.begin", "call-buy-multiple"),
    OtherRules: ("commit-waiting.rule_anew", "commit-fact-policy_in_force"),
    NobodyDecides: ("commit-waiting.attended", "commit-waiting.expire"),
    GlassBroken: ("commit-decisions.approve_at_once",),
    HandedOver: ("commit-delegations.hand_over",),
}
"""The moments, before and after, that no change of the house may rename unnoticed."""


@pytest.mark.parametrize("kind", STORIES, ids=[kind.__name__ for kind in STORIES])
async def test_a_death_around_money_in(kind: type[Money], nursery: Path) -> None:
    must = frozenset(f"{when}-{what}" for what in MUST_DIE_AT[kind] for when in ("before", "after"))
    await dies_everywhere(kind(), nursery, must_die_at=must)


async def is_asked_in_a_life_before(scene: Scene) -> None:
    """Ana has asked, her request waits in both channels, and the bot is killed."""
    await scene.bot.start(more_environment={"POSTROOM_CRASH_PASSED": ""})
    await scene.ana_confirms(await scene.ana_asks())
    await scene.is_asked()
    await scene.bot.kill()
