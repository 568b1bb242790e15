"""Deciding: who may, how many it takes, what of it, and what each click counts for."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from handlers.approvals import NotAllowed
from handlers.policy import Budget, Conditions, Rule
from handlers.requests import SEEN
from providers.action import Done
from storage.records import Request, Reservation, Verdict
from tests.handlers.money_stage import MONTH, NO, UNDO, YES, Burn, Core, S, dollars, policy, refused, terms
from tests.handlers.stage import ANA, BEA, CHANNEL, DORA, FINANCE, FINN, GUS, OLGA, OMAR


async def test_one_yes_is_enough_where_one_is_needed(core: Core) -> None:
    request = await core.asked("cup")
    core.clock.passes(minutes=3)
    core.woken.clear()
    decided = await core.says(request, OMAR, reason="Go on")

    assert decided.state is S.APPROVED
    # The reason of a yes is in the vote, the audit and the thread; on the request it would be that of a broken glass.
    assert (decided.decided_by, decided.decided_at, decided.decision_reason) == (OMAR, core.clock.now(), "")
    assert decided.not_before == decided.stop_until == core.clock.now() + UNDO
    assert decided.attend_at is None
    assert await core.last(request) == (
        OMAR, "approved", {"fingerprint": request.fingerprint, "reason": "Go on", "given": 1, "needs": 1},
    )  # fmt: skip
    assert (await core.told(request))[-1] == {
        "fact": "approved", "by": OMAR, "reason": "Go on", "given": 1, "needs": 1,
        "stop_until": decided.stop_until.isoformat(),
    }  # fmt: skip
    assert core.woken == ["outbox", "requests"]
    assert await core.money() == dollars("10", "0")
    said = await refused(core.says(request, FINN))
    assert (said.sentence, said.who) == (
        "{who} has already approved this. Nothing was changed; its thread tells how it goes.", OMAR,
    )  # fmt: skip


async def test_two_are_two_different_people(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup")
    core.woken.clear()
    after_one = await core.says(request, OMAR)

    assert (after_one.state, after_one.decided_by, after_one.decided_at) == (S.AWAITING, "", None)
    assert (after_one.attend_at, after_one.not_before) == (request.attend_at, None)
    assert (await core.told(request))[-1] == {
        "fact": "approved_by_one", "by": OMAR, "reason": "", "given": 1, "needs": 2,
    }  # fmt: skip
    assert await core.last(request) == (
        OMAR, "approved", {"fingerprint": request.fingerprint, "reason": "", "given": 1, "needs": 2},
    )  # fmt: skip
    assert core.woken == ["outbox", "waiting"]
    said = await refused(core.says(request, OMAR), NotAllowed)
    assert said.sentence == "You have already approved this; it waits for somebody else. Nothing was changed."
    assert await core.last(request) == (OMAR, "click_refused", {"wanted": "approve", "why": said.sentence})
    assert (await core.says(request, OLGA)).state is S.APPROVED
    assert (await core.told(request))[-1]["given"] == 2


@pytest.mark.parametrize("nobody", [ANA, BEA, GUS])
@pytest.mark.parametrize("verdict", [YES, NO])
async def test_whoever_may_not_decides_nothing_and_the_audit_knows(core: Core, nobody: str, verdict: Verdict) -> None:
    request = await core.asked("cup")
    before = await core.everything()

    said = await refused(core.says(request, nobody, verdict), NotAllowed)
    own = "This is your own request, so somebody else has to decide it. Nothing was changed."
    other = "You are not among the people who may decide this. Nothing was changed."
    assert said.sentence == (own if nobody == ANA else other)
    assert await core.everything() == before
    assert await core.last(request) == (nobody, "click_refused", {"wanted": verdict.value, "why": said.sentence})


async def test_who_may_is_asked_of_the_workspace_at_the_click(core: Core) -> None:
    request = await core.asked("cup")
    core.workspace.groups[FINANCE] = {DORA}
    await refused(core.says(request, OMAR), NotAllowed)
    core.workspace.gone = {DORA}
    said = await refused(core.says(request, DORA), NotAllowed)
    assert "do not belong to this workspace" in said.sentence
    assert await core.last(request) == (DORA, "click_refused", {"wanted": "approve", "why": said.sentence})
    core.workspace.gone = set()
    core.workspace.is_silent = True
    before = await core.everything()
    assert "Slack did not say who may decide" in str(await refused(core.says(request, DORA)))
    assert await core.everything() == before
    core.workspace.is_silent = False

    assert (await core.says(request, DORA)).state is S.APPROVED


async def test_the_yes_of_somebody_who_may_no_longer_decide_does_not_count(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request, other = await core.asked("cup"), await core.asked("hat")
    await core.says(request, OMAR)
    await core.says(other, OMAR)
    core.workspace.groups[FINANCE] = {FINN}
    assert (await core.says(request, FINN)).state is S.AWAITING
    assert (await core.says(request, OLGA)).state is S.APPROVED
    core.workspace.groups[FINANCE] = {FINN, OMAR}
    core.workspace.gone = {OMAR}
    assert (await core.says(other, OLGA)).state is S.AWAITING
    assert (await core.says(other, FINN)).state is S.APPROVED


async def test_a_no_decides_alone_and_frees_the_money(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup")
    await core.says(request, OMAR)
    core.woken.clear()
    denied = await core.says(request, OMAR, NO, reason="Too dear")  # who said yes may say no after all

    assert (denied.state, denied.decided_by, denied.decision_reason) == (S.DENIED, OMAR, "Too dear")
    assert (denied.decided_at, denied.attend_at, denied.not_before) == (core.clock.now(), None, None)
    assert await core.money() == dollars("0", "0")
    assert await core.held(request) == []
    assert await core.last(request) == (
        OMAR, "denied", {"fingerprint": request.fingerprint, "reason": "Too dear", "given": 0, "needs": 2},
    )  # fmt: skip
    assert (await core.told(request))[-1] == {
        "fact": "denied",
        "by": OMAR,
        "reason": "Too dear",
        "given": 0,
        "needs": 2,
    }
    assert core.woken == ["outbox"]
    said = await refused(core.says(request, FINN))
    assert (said.sentence, said.who) == ("{who} has already denied this. Nothing was changed.", OMAR)


@pytest.mark.parametrize("seen", ["", "short", "another"])
@pytest.mark.parametrize("verdict", [YES, NO])
async def test_a_click_counts_only_for_what_its_card_showed(core: Core, seen: str, verdict: Verdict) -> None:
    request = await core.asked("cup")
    shown = {"": "", "short": request.fingerprint[: SEEN - 1], "another": "e" * SEEN}[seen]
    before = await core.everything()

    said = await refused(core.approvals.decide(request.id, OMAR, verdict, seen=shown))
    assert "changed since that card was shown" in said.sentence
    assert await core.everything() == before
    assert await core.store.look(lambda books: books.votes(request.id, request.fingerprint)) == []


async def test_somebody_decides_for_who_is_away_and_the_right_counts_once(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup")
    until = core.clock.now() + timedelta(days=2)
    handed = await core.approvals.hand_over(OMAR, BEA, until, CHANNEL)
    assert (handed.principal, handed.delegate, handed.channel) == (OMAR, BEA, CHANNEL)
    assert (handed.begins_at, handed.ends_at) == (core.clock.now(), until)
    assert await core.approvals.delegations() == [handed]
    house = await core.rows("SELECT actor, what, detail FROM audit WHERE request_id = '' ORDER BY seq")
    assert house[-1][:2] == (OMAR, "handed_over")
    assert BEA in house[-1][2]
    assert until.isoformat() in house[-1][2]

    await core.says(request, BEA)
    assert await core.last(request) == (
        BEA, "approved",
        {"fingerprint": request.fingerprint, "reason": "", "given": 1, "needs": 2, "for": OMAR},
    )  # fmt: skip
    assert (await core.told(request))[-1]["for"] == OMAR
    for again in (BEA, OMAR):
        assert "already approved" in str(await refused(core.says(request, again), NotAllowed))
    assert (await core.says(request, FINN)).state is S.APPROVED


async def test_the_last_word_of_a_right_is_what_counts_whoever_said_it(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    first, second = await core.asked("cup"), await core.asked("hat")
    await core.approvals.hand_over(OMAR, BEA, core.clock.now() + timedelta(hours=1), CHANNEL)
    for one in (first, second):
        await core.says(one, BEA)

    assert (await core.says(first, OMAR, NO)).state is S.DENIED  # whose yes Bea has said
    core.workspace.groups[FINANCE].add(BEA)
    assert (await core.says(second, BEA, NO)).state is S.DENIED  # now by a right of her own
    assert await core.rows("SELECT request_id, voter, principal, verdict FROM votes ORDER BY rowid") == [
        (first.id, OMAR, OMAR, "deny"), (second.id, BEA, BEA, "deny"),
    ]  # fmt: skip


async def test_a_click_that_comes_again_after_things_went_on_decides_nothing(core: Core) -> None:
    request = await core.asked("cup")
    seen = request.fingerprint[:SEEN]
    approved = await core.approvals.decide(request.id, OMAR, YES, seen=seen, click="trigger.1")
    assert (approved.state, approved.decision_reason) == (S.APPROVED, "")
    assert (await core.last(request))[2]["click"] == "trigger.1"
    await core.approvals.stop(request.id, FINN)
    before = await core.everything()

    said = await refused(core.approvals.decide(request.id, OMAR, YES, seen=seen, click="trigger.1"))
    assert said.sentence == "Slack has sent this click before, and it was taken then. Nothing was changed."
    assert await core.everything() == before
    again = await core.approvals.decide(request.id, OMAR, YES, seen=seen, click="trigger.2")
    assert again.state is S.APPROVED


async def test_each_change_shows_its_own_card_and_parent_anew_and_nothing_else(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request, other = await core.asked("cup"), await core.asked("hat")
    core.clock.passes(minutes=1)
    await core.says(request, OMAR)
    core.clock.passes(minutes=1)
    await core.says(request, FINN)

    async def wanted(of: Request) -> list[tuple[Any, ...]]:
        rows = "SELECT kind, wanted, due_at FROM messages WHERE request_id = ? ORDER BY seq"
        return [(kind, n, datetime.fromisoformat(due)) for kind, n, due in await core.rows(rows, of.id)]

    now, minute = core.clock.now(), timedelta(minutes=1)
    begun = now - 2 * minute
    assert await wanted(request) == [
        ("parent", 3, now), ("card", 3, now), ("note", 1, begun), ("note", 1, now - minute), ("note", 1, now),
    ]  # fmt: skip
    assert await wanted(other) == [("parent", 1, begun), ("card", 1, begun), ("note", 1, begun)]


async def test_what_was_handed_over_ends_by_itself_and_by_a_word(core: Core) -> None:
    request = await core.asked("cup")
    await core.approvals.hand_over(OMAR, BEA, core.clock.now() + timedelta(hours=1), CHANNEL)
    core.clock.passes(hours=1)
    await refused(core.says(request, BEA), NotAllowed)
    assert await core.approvals.take_back(OMAR) is False

    await core.approvals.hand_over(OMAR, BEA, core.clock.now() + timedelta(hours=1), CHANNEL)
    await core.approvals.hand_over(OMAR, DORA, core.clock.now() + timedelta(hours=1), CHANNEL)
    await refused(core.says(request, BEA), NotAllowed)
    assert await core.approvals.take_back(OMAR) is True
    assert (await core.rows("SELECT actor, what FROM audit WHERE request_id = '' ORDER BY seq"))[-1] == (
        OMAR,
        "took_back",
    )
    await refused(core.says(request, DORA), NotAllowed)


async def test_only_who_decides_something_hands_it_over_to_somebody_who_can(core: Core) -> None:
    rule = Rule("dear", Conditions(), terms(approvers=(DORA,), escalate_to=(GUS,)))
    core.opens(policy(rules=(rule,), budgets=(Budget("b", Decimal(1), "USD", over="owner", owners=(BEA,)),)))
    now = core.clock.now()
    year = timedelta(days=366)

    for by in (OMAR, DORA, GUS, BEA):
        await core.approvals.hand_over(by, FINN if by != FINN else OMAR, now + year, CHANNEL)
    before = await core.everything()
    hand_over = core.approvals.hand_over
    assert "no approvals that could be" in str(await refused(hand_over(ANA, FINN, now + year, CHANNEL)))
    assert "to yourself" in str(await refused(hand_over(OMAR, OMAR, now + year, CHANNEL)))
    for until in (now, now - year, now + year + timedelta(microseconds=1)):
        assert "name another one" in str(await refused(hand_over(OMAR, FINN, until, CHANNEL)))
    core.workspace.gone = {FINN}
    said = await refused(hand_over(OMAR, FINN, now + year, CHANNEL))
    assert (said.sentence, said.who) == ("{who} cannot decide anything in this workspace. Nothing was changed.", FINN)
    core.workspace.is_silent = True
    assert "Slack did not say" in str(await refused(hand_over(OMAR, DORA, now + year, CHANNEL)))
    assert await core.everything() == before


async def test_what_is_taken_out_is_not_bought_and_its_money_is_free(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    core.till.prices = {"cup": Decimal(20), "Hat": Decimal(30), "bag": Decimal(5)}
    request = await core.asked("cup", "Hat", "bag")
    await core.says(request, OMAR)

    less = await core.says(request, FINN, without=["hat"])
    assert less.state is S.AWAITING  # what Omar said yes to is no longer what is asked
    assert less.input == {"things": ["cup", "bag"]}
    assert less.fingerprint not in ("", request.fingerprint)
    assert less.quote is not None
    assert [one["what"] for one in less.quote["lines"]] == ["cup, a year", "bag, a year"]
    assert await core.held(request) == [Reservation("all", MONTH, Decimal(25))]
    assert await core.money() == dollars("25", "0")
    assert await core.last(request) == (FINN, "approved", {
        "fingerprint": request.fingerprint, "reason": "", "given": 1, "needs": 2, "without": ["hat"],
        "fingerprint_left": less.fingerprint,
    })  # fmt: skip
    assert (await core.told(request))[-1] == {
        "fact": "approved_by_one", "by": FINN, "reason": "", "given": 1, "needs": 2, "without": ["hat"],
    }  # fmt: skip
    votes = await core.store.look(lambda books: books.votes(request.id, less.fingerprint))
    assert [(one.voter, one.principal, one.verdict) for one in votes] == [(FINN, FINN, YES)]
    assert (await core.asked("hat", by=BEA)).state is S.AWAITING

    await core.says(request, OMAR)
    core.clock.passes(seconds=30)
    done = await core.sends(request, Done(summary="Done."))
    assert core.till.sent == [("thing buy", f"{request.id}#1", ("cup", "bag"))]
    assert done.state is S.SUCCEEDED
    assert await core.money() == dollars("10", "25")


@pytest.mark.parametrize(("without", "why"), [
    (["cup", "hat"], "takes out everything"), (["cup", "spoon"], "Not all of what you took out"),
    (["CUP", "Hat"], "takes out everything"),
])  # fmt: skip
async def test_what_cannot_be_taken_out_decides_nothing(core: Core, without: list[str], why: str) -> None:
    request = await core.asked("cup", "hat")
    before = await core.everything()

    assert why in str(await refused(core.says(request, OMAR, without=without)))
    assert await core.everything() == before


async def test_what_has_no_price_can_be_taken_apart_as_well(core: Core) -> None:
    request = await core.asked("cup", "hat", kind=Burn)
    less = await core.says(request, OMAR, without=["cup"])

    assert (less.state, less.input, less.quote) == (S.APPROVED, {"things": ["hat"]}, None)
    core.till.prices = {"pot": None}
    unknown = await core.asked("pot", "pin")
    left = await core.says(unknown, OMAR, without=["pot"])
    assert left.quote is not None
    assert [one["price"] for one in left.quote["lines"]] == ["10"]


async def test_a_group_that_only_the_requests_own_ruling_names_is_looked_up(core: Core) -> None:
    core.opens(policy(default=terms(approvers=("S0OLD",))))
    core.workspace.groups["S0OLD"] = {DORA}
    request = await core.asked("cup")
    core.opens(policy(default=terms(approvers=(OLGA,))))

    await core.approvals.ask_back(request.id, DORA, "Why?", seen=request.fingerprint)
    assert (await core.told(request))[-1] == {"fact": "question", "by": DORA, "text": "Why?"}
    await refused(core.says(request, OLGA), NotAllowed)
    await refused(core.approvals.ask_back(request.id, OLGA, "Why?", seen=request.fingerprint), NotAllowed)
    assert (await core.says(request, DORA)).state is S.APPROVED


async def test_once_it_was_escalated_others_may_as_well_and_not_before(core: Core) -> None:
    later = terms(approvers=(OMAR,), escalate_to=(DORA,), escalate_after=timedelta(hours=1), ping=(OMAR,))
    core.opens(policy(default=later))
    request = await core.asked("cup")
    await core.waiting.attend()
    await refused(core.says(request, DORA), NotAllowed)
    core.clock.passes(hours=1)
    await core.waiting.attend()

    assert (await core.says(request, DORA)).state is S.APPROVED


async def test_a_question_leaves_the_card_as_it_is(core: Core) -> None:
    request = await core.asked("cup")
    before = await core.now(request)
    core.woken.clear()
    await core.approvals.ask_back(request.id, OMAR, "What for?", seen=request.fingerprint[:SEEN])

    assert await core.now(request) == before
    assert await core.last(request) == (OMAR, "question", {"text": "What for?"})
    assert (await core.told(request))[-1] == {"fact": "question", "by": OMAR, "text": "What for?"}
    assert "outbox" in core.woken
    said = await refused(core.approvals.ask_back(request.id, BEA, "?", seen=request.fingerprint), NotAllowed)
    assert await core.last(request) == (BEA, "click_refused", {"wanted": "ask", "why": said.sentence})
    for seen in ("", request.fingerprint[: SEEN - 1], "e" * SEEN):
        await refused(core.approvals.ask_back(request.id, OMAR, "?", seen=seen))
    assert len(await core.told(request)) == 2


async def test_who_has_said_yes_may_still_ask(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup")
    await core.says(request, OMAR)

    await core.approvals.ask_back(request.id, OMAR, "And then?", seen=request.fingerprint)
    assert (await core.told(request))[-1]["text"] == "And then?"
