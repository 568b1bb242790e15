"""The bot is killed at every single moment of its stories, started again, and nobody may notice more than a pause.

Two people have to say yes, and a budget counts what is asked.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from crash_books import ASKS, BOTH, FIRST, FOUND, NOTHING, TWO, ended, paths, told, was_sent_and_unheard
from crash_stage import Scene
from crash_story import LEISURELY, Money, dies_everywhere

MUST_DIE_AT = frozenset(
    f"{when}-{what}"
    for when in ("before", "after")
    for what in (
        *(
            "commit-drafts.fill",
            "commit-drafts.finish_check",
            "commit-drafts.submit",
            "commit-decisions.cast_vote",
            "commit-decisions.cast_vote#2",
        ),
        *("commit-runs.begin", "call-buy-multiple", "commit-runs.conclude", "commit-runs.conclude#2"),
        *("post-card", "post-parent", "post-note", "commit-sent-card"),
    )
)
"""The moments of `Bought` that no change of the house may rename unnoticed."""


class Bought(Money):
    """Ana asks, Omar approves, it is bought. The provider's listing lags, so a second purchase would go through."""

    shows_surfaces = True

    async def play(self, scene: Scene) -> None:
        scene.mailin.listing_lag_seconds = 0.6
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        await scene.both_approve()
        await self.comes_to_an_end(scene)

    def judge(self, scene: Scene) -> None:
        assert scene.mailin.calls["buy_multiple"] <= 1, "the order was sent twice"
        bought = scene.bought()
        if was_sent_and_unheard(scene) is False or "after-call-buy-multiple" in scene.passed:
            assert bought == BOTH
        else:
            assert bought in (BOTH, NOTHING)
        told(scene, paths(scene, heard=[["accepted", "done"]], unheard=FOUND if bought else ASKS), {"approved": TWO})
        ended(scene, "Done." if bought else "Failed.", spent="40.50" if bought else "0")
        assert scene.rows("SELECT COUNT(*) FROM intents") == [(1,)]
        votes = [("U0FINN", "approve"), ("U0OMAR", "approve")]
        assert scene.rows("SELECT voter, verdict FROM votes ORDER BY voter") == votes


class Denied(Money):
    """Omar says no, and why. One no is enough."""

    begins_after = "after-commit-sent-note-asked"

    async def play(self, scene: Scene) -> None:
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        await self._omar_denies(scene)
        await scene.ends("Denied")

    async def _omar_denies(self, scene: Scene) -> None:
        async def press() -> None:
            await scene.presses(scene.omar, "deny", lambda: scene.cards)

        await scene.sends(scene.omar, await scene.form_of(scene.omar, press), reason="Too dear")

    def judge(self, scene: Scene) -> None:
        assert scene.bought() == NOTHING
        assert scene.mailin.calls["buy_multiple"] == 0
        told(scene, [["asked", "denied"]])
        ended(scene, "Denied")
        assert scene.rows("SELECT voter, verdict, reason FROM votes") == [("U0OMAR", "deny", "Too dear")]
        assert scene.rows("SELECT COUNT(*) FROM intents") == [(0,)]


class Cancelled(Money):
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


class HalfFails(Money):
    """The provider takes the order for both, and its job can register only one."""

    begins_after = "after-commit-sent-note-accepted"
    pace = LEISURELY

    async def play(self, scene: Scene) -> None:
        scene.mailin.failing = {"acme-hq.co"}
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        await scene.both_approve()
        await scene.ends("Failed.")

    def judge(self, scene: Scene) -> None:
        assert scene.bought() == FIRST
        told(scene, paths(scene, heard=[["accepted", "failed"]]), {"approved": TWO})
        assert "1 of 2 bought" in scene.thread[-1]
        assert ":x: `acme-hq.co`" in scene.thread[-1]
        ended(scene, "Failed.", spent="12.50")
        assert scene.mailin.calls["buy_multiple"] == 1


class Refused(Money):
    """Somebody else was faster: the provider refuses the order as a whole."""

    begins_after = "after-call-buy-multiple"

    async def play(self, scene: Scene) -> None:
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        scene.mailin.taken.add("acme-hq.co")
        await scene.both_approve()
        await scene.waits(scene.reads("Failed.", "Needs a person."), "an end, or a question")
        if scene.cards[0].reads("Needs a person."):
            await scene.presses(scene.omar, "settle_did_not", lambda: scene.cards)
        await scene.ends("Failed.")

    def judge(self, scene: Scene) -> None:
        assert scene.bought() == NOTHING
        assert scene.mailin.calls["buy_multiple"] == 1
        told(scene, paths(scene, heard=[["failed"]], unheard=ASKS), {"approved": TWO})
        ended(scene, "Failed.")


class TooLong(Money):
    """The job passes its deadline, Omar says to keep watching, and then it ends well after all."""

    begins_after = "after-commit-sent-note-accepted"
    pace = replace(LEISURELY, job=3600, deadline_hours=1.2 / 3600)

    async def play(self, scene: Scene) -> None:
        await scene.ana_confirms(await scene.ana_asks())
        await scene.is_asked()
        await scene.both_approve()
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
            {"approved": TWO, "settled": ":mag: <@U0OMAR> asked Postroom to keep watching."},
        )
        ended(scene, "Done.", spent="40.50")


class Revealed(Money):
    """Omar has a code shown that opens a mailbox. Whoever may have seen one is in the audit, whatever happens."""

    async def play(self, scene: Scene) -> None:
        scene.mailin.own_mailboxes("ana@acme.com", hosting="google")
        form = await scene.opens_the_form(scene.omar, "/mailbox totp ana@acme.com")
        life = scene.lives
        if (await scene.omar.submits(form)).result == "trouble":
            await scene.back(life)
            if form.is_on_top and form.callback_id == "form":
                await scene.omar.submits(form)
        await scene.waits(lambda: form.callback_id in ("answer", "notice"), "what came of it")
        begun = "SELECT COUNT(*) FROM requests WHERE checking_since IS NOT NULL"
        await scene.until(lambda: scene.rows(begun) == [(0,)], "the end of it")
        await scene.is_over_and_quiet()

    def judge(self, scene: Scene) -> None:
        facts = scene.facts()
        assert facts in (
            ["reveal_begun", "revealed"],
            ["reveal_begun", "reveal_failed"],
            ["reveal_begun", "revealed", "reveal_failed"],
        ), facts
        assert scene.mailin.calls["totp"] <= 1, "it was asked for twice"
        if scene.mailin.calls["totp"] and scene.committed("drafts.begin_reveal") is False:
            assert facts[-1] == "revealed"  # it was sent anew, by somebody who was told that it had failed
        if not scene.has_died:
            assert facts == ["reveal_begun", "revealed"]


STORIES = (Bought, Denied, Cancelled, HalfFails, Refused, TooLong)
"""Beside those in `test_crash_money`."""


@pytest.mark.parametrize("story", [kind() for kind in STORIES], ids=[kind.__name__ for kind in STORIES])
async def test_a_death_at_any_moment_of(story: Money, nursery: Path) -> None:
    await dies_everywhere(story, nursery, must_die_at=MUST_DIE_AT if isinstance(story, Bought) else frozenset())


# What happens besides.


def end_all_jobs(scene: Scene) -> None:
    """The provider has come to the end of everything."""
    now = scene.mailin.clock.now()
    for job in scene.mailin.jobs.values():
        job.ends_at = now
    for domain in scene.mailin.domains.values():
        domain.active_at = now
