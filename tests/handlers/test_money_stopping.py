"""Taking back, stopping, breaking the glass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from handlers.approvals import NotAllowed
from handlers.policy import Conditions, Rule
from handlers.requests import SEEN
from handlers.slack.happened import in_words
from providers.action import Failed, Pending
from storage.records import Fact, Reservation
from tests.handlers.money_stage import NO, Core, S, dollars, policy, refused, terms
from tests.handlers.stage import ANA, APPROVALS, BEA, CHANNEL, DORA, FINANCE, FINN, GUS, OLGA, OMAR

TOO_LATE = (
    "It is too late to stop this: it has been sent to the provider, or is just being sent. Nothing was changed; its "
    "thread tells how it goes."
)


async def test_the_requester_cancels_what_waits(core: Core) -> None:
    request = await core.asked("cup")
    said = await refused(core.approvals.cancel(request.id, OMAR))
    assert (said.sentence, said.who) == ("Only {who}, who asked for this, can cancel it. Nothing was changed.", ANA)
    why = said.sentence.replace("{who}", ANA)
    assert await core.last(request) == (OMAR, "click_refused", {"wanted": "cancel", "why": why, "who": ANA})
    core.woken.clear()
    cancelled = await core.approvals.cancel(request.id, ANA)

    assert (cancelled.state, cancelled.decided_by, cancelled.decided_at) == (S.CANCELLED, ANA, core.clock.now())
    assert cancelled.attend_at is None
    assert await core.money() == dollars("0", "0")
    assert await core.last(request) == (ANA, "cancelled", {})
    assert (await core.told(request))[-1] == {"fact": "cancelled", "by": ANA, "waited": False}
    assert core.woken == ["outbox"]
    said = await refused(core.approvals.cancel(request.id, ANA))
    assert (said.sentence, said.who) == ("{who} has cancelled this request. Nothing was changed.", ANA)
    await core.waiting.attend()
    assert (await core.now(request)).state is S.CANCELLED


async def test_the_requester_cancels_what_is_approved_as_long_as_it_waits_for_its_time(core: Core) -> None:
    request = await core.says(await core.asked("cup"), OMAR)
    cancelled = await core.approvals.stop(request.id, ANA)

    assert (cancelled.state, cancelled.not_before, cancelled.stop_until) == (S.CANCELLED, None, None)
    assert (await core.told(request))[-1] == {"fact": "cancelled", "by": ANA, "waited": True}
    assert await core.money() == dollars("0", "0")
    core.clock.passes(minutes=1)
    await core.runs.execute(request)
    assert core.till.sent == []

    core.opens(policy(undo=timedelta(0)))
    soon = await core.says(await core.asked("hat"), OMAR)
    said = await refused(core.approvals.cancel(soon.id, ANA))
    assert (said.sentence, said.who) == (
        "{who} has already approved this. Nothing was changed; its thread tells how it goes.", OMAR,
    )  # fmt: skip


async def test_what_is_stopped_asks_by_the_rules_that_hold_by_then(core: Core) -> None:
    request = await core.says(await core.asked("cup"), OMAR)
    same = await core.says(await core.asked("hat"), OMAR)
    two = terms(approvers=(DORA, BEA), needs=2)
    core.opens(policy(rules=(Rule("new", Conditions(over=Decimal("9.99")), two),)))
    assert await core.waiting.rule_anew() == 0  # neither waits

    stopped = await core.approvals.stop(request.id, OMAR)
    ruling = core.requests.ruling_of(stopped)
    assert (stopped.state, ruling.rule, ruling.terms, stopped.attend_at) == (S.AWAITING, "new", two, core.clock.now())
    assert (await core.facts(request))[-2:] == [(OMAR, "stopped"), ("postroom", "ruled_anew")]
    await refused(core.says(request, OMAR), NotAllowed)
    assert (await core.says(request, DORA)).state is S.AWAITING
    assert (await core.says(request, BEA)).state is S.APPROVED

    core.opens(policy())
    await core.approvals.stop(same.id, OMAR)
    assert (await core.facts(same))[-1] == (OMAR, "stopped")  # the rules are those by which it was asked


async def test_whoever_may_decide_stops_what_was_not_sent_and_it_asks_again(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup")
    await core.says(request, OMAR)
    await core.says(request, FINN)
    said = await refused(core.approvals.stop(request.id, BEA), NotAllowed)
    assert await core.last(request) == (BEA, "click_refused", {"wanted": "stop", "why": said.sentence})
    core.clock.passes(seconds=29)
    core.woken.clear()
    stopped = await core.approvals.stop(request.id, OLGA)

    assert (stopped.state, stopped.decided_by, stopped.decided_at) == (S.AWAITING, "", None)
    assert (stopped.not_before, stopped.stop_until, stopped.decision_reason) == (None, None, "")
    assert stopped.waiting_since == stopped.attend_at == core.clock.now()
    assert (stopped.announced, stopped.reminded, stopped.escalated) == (False, 0, False)
    assert await core.rows("SELECT * FROM votes") == []
    assert await core.money() == dollars("10", "0")
    assert await core.last(request) == (OLGA, "stopped", {})
    assert (await core.told(request))[-1] == {"fact": "stopped", "by": OLGA, "decided": True}
    assert await core.cards(request) == [APPROVALS]
    assert core.woken == ["outbox", "waiting"]
    core.clock.passes(minutes=5)
    await core.runs.execute(request)
    assert core.till.sent == []
    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert (await core.says(request, FINN)).state is S.APPROVED


@pytest.mark.parametrize("channel", [CHANNEL, APPROVALS])
async def test_what_nobody_approved_gets_a_card_when_it_is_stopped(core: Core, channel: str) -> None:
    core.opens(policy(rules=(Rule("small", Conditions(), terms(auto_below=Decimal(99))),)))
    request = await core.asked("cup", channel=channel)
    await core.approvals.stop(request.id, OMAR)

    assert await core.cards(request) == [APPROVALS]
    assert (await core.says(request, FINN)).state is S.APPROVED


async def test_what_was_sent_cannot_be_stopped(core: Core) -> None:
    request = await core.sends(await core.approved("cup"), Pending(ref={"id": 1}))
    before = await core.everything()

    await refused(core.approvals.stop(request.id, FINN))
    await refused(core.approvals.cancel(request.id, ANA))
    assert await core.everything() == before


async def test_a_named_few_run_it_at_once_and_everybody_is_told(core: Core) -> None:
    core.opens(policy(default=terms(needs=2, approvers=(FINANCE, OLGA, ANA, GUS))))
    request = await core.asked("cup")
    core.woken.clear()
    approved = await core.approvals.break_glass(request.id, GUS, "It burns", seen=request.fingerprint[:SEEN])

    assert approved.state is S.APPROVED
    assert (approved.decided_by, approved.decision_reason, approved.decided_at) == (GUS, "It burns", core.clock.now())
    assert (approved.not_before, approved.stop_until, approved.attend_at) == (None, None, None)
    assert await core.last(request) == (GUS, "broke_glass", {"reason": "It burns", "fingerprint": request.fingerprint})
    assert (await core.told(request))[-1] == {
        "fact": "broke_glass", "by": GUS, "reason": "It burns", "instead": [FINANCE, OLGA, ANA, GUS],
    }  # fmt: skip
    assert await core.cards(request) == [APPROVALS, FINN, OLGA, OMAR]
    assert core.woken == ["outbox", "requests"]
    assert await core.money() == dollars("10", "0")


@pytest.mark.parametrize(("by", "reason", "seen", "why"), [
    (OMAR, "It burns", SEEN, "not among the people who may run"), (ANA, "It burns", SEEN, "not among"),
    (GUS, "  ", SEEN, "Say why"), (GUS, "It burns", SEEN - 1, "changed since that card"),
    (GUS, "It burns", 0, "changed since that card"),
])  # fmt: skip
async def test_nobody_else_breaks_the_glass(core: Core, by: str, reason: str, seen: int, why: str) -> None:
    request = await core.asked("cup")
    before = await core.everything()

    said = await refused(core.approvals.break_glass(request.id, by, reason, seen=request.fingerprint[:seen]))
    assert why in said.sentence
    assert await core.everything() == before
    if by != GUS:
        assert await core.last(request) == (by, "click_refused", {"wanted": "break_glass", "why": said.sentence})


async def test_the_glass_is_broken_for_what_was_seen_and_nothing_else(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup", "hat")
    changed = await core.says(request, OMAR, without=["hat"])
    before = await core.everything()

    for fingerprint in (request.fingerprint, "", changed.fingerprint[:SEEN]):
        approved = await core.store.decisions.approve_at_once(
            request.id, fingerprint=fingerprint, by=GUS, reason="It burns", fact=Fact(GUS, "broke_glass"), messages=[],
            now=core.clock.now(),
        )  # fmt: skip
        assert approved is None
    assert await core.everything() == before


async def test_the_glass_is_broken_only_for_what_waits_by_somebody_who_is_there(core: Core) -> None:
    request = await core.asked("cup")
    core.workspace.gone = {GUS}
    said = await refused(core.approvals.break_glass(request.id, GUS, "It burns", seen=request.fingerprint), NotAllowed)
    assert await core.last(request) == (GUS, "click_refused", {"wanted": "break_glass", "why": said.sentence})
    core.workspace.gone, core.workspace.is_silent = set(), True
    assert "Slack did not say" in str(
        await refused(core.approvals.break_glass(request.id, GUS, "It burns", seen=request.fingerprint))
    )
    core.workspace.is_silent = False
    await refused(core.approvals.break_glass(request.id, GUS, "It burns", seen="e" * SEEN))
    await core.says(request, OMAR, NO)
    said = await refused(core.approvals.break_glass(request.id, GUS, "It burns", seen=request.fingerprint))
    assert said.sentence == "{who} has already denied this. Nothing was changed."


async def test_what_was_approved_by_itself_and_is_stopped_is_told_to_ask_people(core: Core) -> None:
    small = Rule("small", Conditions(currency="USD"), terms(auto_below=Decimal(20)))
    core.opens(policy(rules=(small,)))
    request = await core.asked("cup")
    stopped = await core.approvals.stop(request.id, OMAR)

    ruling = core.requests.ruling_of(stopped)
    assert (stopped.state, ruling.auto, ruling.terms) == (S.AWAITING, False, small.terms)
    assert ruling.why == (
        "The rule “small” is about this.",
        "What asks anew is not approved by itself, however little it costs.",
        f"One has to say yes, of: {FINANCE} or {OLGA}.",
    )
    assert (await core.told(request))[-1] == {"fact": "stopped", "by": OMAR, "decided": False}
    assert (await core.says(request, FINN)).state is S.APPROVED


async def test_who_stops_it_too_late_is_told_that_it_was_sent_and_not_who_had_approved_it(core: Core) -> None:
    done, failed, denied = await core.approved("cup"), await core.approved("hat"), await core.asked("pot")
    await core.sends(done)
    await core.sends(failed, Failed(summary="No.", cure="Ask."))
    await core.says(denied, OMAR, NO)

    assert (await refused(core.approvals.stop(done.id, FINN))).sentence == TOO_LATE
    assert (await refused(core.approvals.stop(done.id, ANA))).sentence == TOO_LATE
    assert (await refused(core.approvals.stop(failed.id, FINN))).sentence == (
        "This has failed already, so nothing is left to stop. Its thread tells why."
    )
    assert (await refused(core.approvals.stop(denied.id, FINN))).sentence == (
        "{who} has already denied this. Nothing was changed."
    )


async def test_what_is_stopped_in_the_next_month_is_not_said_to_have_met_other_settings(core: Core) -> None:
    core.clock.at = datetime(2026, 3, 31, 23, 59, 50, tzinfo=UTC)
    request = await core.says(await core.asked("cup"), OMAR)
    core.clock.passes(seconds=20)
    await core.approvals.stop(request.id, OMAR)

    assert await core.held(request) == [Reservation("all", "2026-04", Decimal(10))]
    told = [in_words(one) for one in await core.store.facts.of(request.id)][-1]
    assert told == ":scroll: By the rules as they are now, it is decided by the defaults"
