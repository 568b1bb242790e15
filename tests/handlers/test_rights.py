"""Whose right a click uses when people come, go, stand in for each other, or are late: exactly whose yes is needed."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal

import pytest

from handlers.policy import Budget
from handlers.requests import NotAllowed
from handlers.who import DirectoryUnavailable
from storage.records import Request
from tests.handlers.money_stage import NO, YES, Core, S, dollars, policy, refused, terms
from tests.handlers.stage import ANA, BEA, CHANNEL, DORA, FINANCE, FINN, GUS, OLGA, OMAR

HOUR = timedelta(hours=1)
SHOP = Budget("shop", Decimal(5), "USD", over="owner", owners=(GUS,))
VOTED = "You have already approved this; it waits for somebody else. Nothing was changed."


# Votes that no longer count.


async def test_a_yes_of_somebody_who_has_left_leaves_room_for_another(core: Core) -> None:
    core.opens(policy(budgets=(SHOP,)))
    request = await core.asked("cup")
    await core.says(request, OMAR)
    core.workspace.gone = {OMAR}

    assert (await core.says(request, FINN)).state is S.AWAITING
    detail = (await core.last(request))[2]
    assert (detail["void"], detail["given"], detail["lacks"]) == (
        [OMAR],
        1,
        [{"of": [GUS], "more": 1, "budget": "shop"}],
    )
    assert (await core.told(request))[-1]["void"] == [OMAR]
    assert (await core.says(request, GUS)).state is S.APPROVED
    assert "void" not in (await core.last(request))[2]


async def test_only_the_votes_of_who_has_left_and_only_there_stop_counting(core: Core) -> None:
    core.opens(policy(default=terms(needs=3)))
    request, other = await core.asked("cup"), await core.asked("hat")
    for one in (request, other):
        await core.says(one, OMAR)
        await core.says(one, FINN)
    core.workspace.groups[FINANCE] = {OMAR, DORA}

    assert (await core.says(request, OLGA)).state is S.AWAITING
    assert (await core.last(request))[2]["given"] == 2
    votes = "SELECT voter FROM votes WHERE request_id = ? ORDER BY 1"
    assert await core.rows(votes, request.id) == [(OLGA,), (OMAR,)]
    assert await core.rows(votes, other.id) == [(FINN,), (OMAR,)]
    assert (await core.says(request, DORA)).state is S.APPROVED


async def test_who_said_yes_for_somebody_who_may_no_longer_decide_says_it_for_themselves(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup")
    await core.approvals.hand_over(OMAR, BEA, core.clock.now() + HOUR, CHANNEL)
    await core.says(request, BEA)
    core.workspace.groups[FINANCE] = {FINN, BEA}

    assert (await core.says(request, BEA)).state is S.AWAITING
    assert (await core.last(request))[2].get("for") is None
    votes = await core.store.look(lambda books: books.votes(request.id, request.fingerprint))
    assert [(one.voter, one.principal) for one in votes] == [(BEA, BEA)]
    assert (await core.says(request, FINN)).state is S.APPROVED


async def test_who_has_said_yes_stops_it_also_where_others_who_did_may_no_longer_decide(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup")
    await core.says(request, OMAR)
    await core.says(request, FINN)
    core.workspace.groups[FINANCE] = {OMAR}

    assert (await core.approvals.stop(request.id, OMAR)).state is S.AWAITING


# One yes for two parts.


async def test_where_an_owners_part_is_met_in_their_place_their_own_yes_is_not_needed(core: Core) -> None:
    core.opens(policy(default=terms(needs=2), budgets=(SHOP,)))
    await core.approvals.hand_over(GUS, OMAR, core.clock.now() + HOUR, CHANNEL)
    request = await core.asked("cup")
    await core.says(request, OMAR)
    assert (await core.last(request))[2]["also_for"] == [GUS]
    assert (await core.last(request))[2]["lacks"] == [{"of": [FINANCE, OLGA], "more": 1, "budget": ""}]

    assert await core.approvals.open_to([await core.now(request)], GUS) == set()
    assert "have said yes already" in str(await refused(core.says(request, GUS), NotAllowed))
    assert (await core.says(request, FINN)).state is S.APPROVED


async def test_what_is_still_missing_is_told_in_the_thread_where_owners_have_to_say_yes_too(core: Core) -> None:
    core.opens(policy(default=terms(needs=2), budgets=(SHOP,)))
    request = await core.asked("cup")
    await core.says(request, OMAR)

    lacks = [{"of": ["S0FINANCE", "U0OLGA"], "more": 1, "budget": ""}, {"of": [GUS], "more": 1, "budget": "shop"}]
    assert (await core.told(request))[-1]["lacks"] == lacks


async def test_an_owner_who_stands_in_for_one_of_the_rules_people_says_yes_as_the_owner_alone(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(OMAR, FINN)), budgets=(SHOP,)))
    await core.approvals.hand_over(OMAR, GUS, core.clock.now() + HOUR, CHANNEL)
    request = await core.asked("cup")

    assert (await core.says(request, GUS)).state is S.AWAITING
    assert (await core.last(request))[2] == {
        "fingerprint": request.fingerprint, "reason": "", "given": 1, "needs": 1,
        "lacks": [{"of": [OMAR, FINN], "more": 1, "budget": ""}],
    }  # fmt: skip
    assert (await core.says(request, FINN)).state is S.APPROVED


async def test_a_no_is_said_in_nobody_elses_place(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(OMAR,)), budgets=(SHOP,)))
    await core.approvals.hand_over(GUS, OMAR, core.clock.now() + HOUR, CHANNEL)
    request = await core.asked("cup")

    assert (await core.says(request, OMAR, NO)).state is S.DENIED
    assert "also_for" not in (await core.last(request))[2]
    assert "also_for" not in (await core.told(request))[-1]


async def test_a_yes_to_all_of_it_is_a_yes_also_where_its_budget_has_room_by_now(core: Core) -> None:
    core.opens(policy(budgets=(Budget("shop", Decimal(15), "USD", over="owner", owners=(GUS,)),)))
    first = await core.asked("hat")
    request = await core.asked("cup")
    assert core.requests.ruling_of(request).over == ("shop",)
    await core.says(first, OMAR, NO)

    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert (await core.last(request))[:2] == (OMAR, "approved")
    assert (await core.says(request, GUS)).state is S.APPROVED


# Clicks that come to nothing.


async def test_who_has_said_yes_is_told_before_they_choose_what_to_take_out(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup", "hat")
    await core.says(request, OMAR)
    deciding = core.approvals.deciding

    assert str(await refused(deciding(request.id, OMAR, seen=request.fingerprint, says_yes=True), NotAllowed)) == VOTED
    assert await core.last(request) == (OMAR, "click_refused", {"wanted": "decide", "why": VOTED})
    assert (await deciding(request.id, FINN, seen=request.fingerprint, says_yes=True)).id == request.id
    assert (await deciding(request.id, OMAR, seen=request.fingerprint)).id == request.id


async def test_a_click_after_its_time_ends_it_although_nobody_had_noticed(core: Core) -> None:
    core.opens(policy(default=terms(expires_after=HOUR)))
    request, other = await core.asked("cup"), await core.asked("hat")
    begun = core.clock.now()
    core.clock.passes(hours=1, microseconds=-1)
    assert (await core.says(other, OMAR)).state is S.APPROVED
    core.clock.passes(microseconds=1)
    assert await core.approvals.open_to([await core.now(request)], OMAR) == set()
    core.woken.clear()

    said = await refused(core.says(request, OMAR))
    assert str(said) == "This request has expired. Nothing was changed: ask again if it is still wanted."
    assert (await core.now(request)).state is S.EXPIRED
    assert (await core.told(request))[-1] == {"fact": "expired", "since": begun.isoformat()}
    assert await core.money() == dollars("10", "0")
    assert core.woken == ["outbox"]
    assert await core.rows("SELECT request_id FROM votes") == [(other.id,)]


async def test_when_slack_takes_too_long_the_click_is_not_taken_and_its_owner_told(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handlers.approvals._PATIENCE", 0.01)
    request = await core.asked("cup")
    core.workspace.held[OMAR] = asyncio.Event()
    before = await core.everything()

    said = "Slack did not say who may decide, so your click was not taken. Try again in a minute."
    assert str(await refused(asyncio.wait_for(core.says(request, OMAR), 1))) == said
    assert await core.everything() == before


@pytest.mark.parametrize(
    ("left", "looked_after"), [(set[str](), True), ({ANA}, True), ({FINN}, False), ({ANA, FINN}, False)]
)
async def test_a_click_of_somebody_who_may_not_shows_whether_anybody_may(
    core: Core, left: set[str], looked_after: bool
) -> None:
    core.opens(policy(default=terms(approvers=(FINANCE,))))
    request, other = await core.asked("cup"), await core.asked("hat")
    await core.waiting.attend()
    then = (await core.now(request)).attend_at
    core.clock.passes(minutes=5)
    core.workspace.groups[FINANCE] = left
    core.woken.clear()
    await refused(core.says(request, OMAR), NotAllowed)

    assert (await core.now(request)).attend_at == (core.clock.now() if looked_after else then)
    assert (await core.now(other)).attend_at == then
    assert core.woken == (["outbox", "waiting"] if looked_after else [])
    if looked_after:
        await core.waiting.attend()
        assert core.requests.ruling_of(await core.now(request)).short
        then = (await core.now(request)).attend_at
        await refused(core.says(request, OMAR), NotAllowed)
        assert (await core.now(request)).attend_at == then  # that is known already


# Handing over.


async def cards(core: Core, request: Request) -> list[str]:
    return (await core.cards(request))[1:]


async def test_who_stands_in_gets_a_card_of_each_request_that_waits_for_that_right(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(FINANCE,))))
    theirs, own = await core.asked("cup"), await core.asked("hat", by=DORA)
    absent = await core.asked("bag", by=OMAR)
    decided = await core.says(await core.asked("pin"), FINN)
    core.woken.clear()
    await core.approvals.hand_over(OMAR, DORA, core.clock.now() + HOUR, CHANNEL)

    assert await cards(core, theirs) == [DORA]
    assert await core.last(theirs) == (OMAR, "shown_to", {"to": DORA})
    await core.approvals.hand_over(OMAR, DORA, core.clock.now() + 2 * HOUR, CHANNEL)
    assert await cards(core, theirs) == [DORA]  # where it is already it is shown anew
    for one in (own, absent, decided):
        assert await cards(core, one) == []
    assert core.woken == ["outbox", "waiting"] * 2
    assert (await core.approvals.decide(theirs.id, DORA, YES, seen=theirs.fingerprint)).state is S.APPROVED


async def test_for_whom_somebody_has_said_yes_is_not_told_that_they_did(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup")
    await core.approvals.hand_over(OLGA, DORA, core.clock.now() + HOUR, CHANNEL)
    await core.says(request, DORA)

    assert str(await refused(core.says(request, DORA), NotAllowed)) == VOTED
    assert str(await refused(core.says(request, OLGA), NotAllowed)) == (
        "Whoever decides in your place has already approved this for you; it waits for somebody else. "
        "Nothing was changed."
    )
    assert (await core.says(request, FINN)).state is S.APPROVED


async def test_whose_own_click_would_not_be_taken_hands_nothing_over(core: Core) -> None:
    core.workspace.gone = {OLGA}  # or a guest by now, whom the settings name all the same
    said = await refused(core.approvals.hand_over(OLGA, DORA, core.clock.now() + HOUR, CHANNEL))

    assert str(said) == "You have no approvals that could be handed over. Nothing was changed."
    assert await core.approvals.delegations() == []


async def test_what_was_handed_over_is_said_to_have_ended_once(core: Core) -> None:
    now = core.clock.now()
    first = await core.approvals.hand_over(OMAR, BEA, now + HOUR, CHANNEL)
    second = await core.approvals.hand_over(OLGA, DORA, now + 2 * HOUR, CHANNEL)
    assert first.id != second.id
    house = "SELECT actor, what, json(detail) FROM audit WHERE request_id = '' ORDER BY seq"
    assert [json.loads(detail) for _, _, detail in await core.rows(house)] == [
        {"to": one.delegate, "until": one.ends_at.isoformat()} for one in (first, second)
    ]
    assert await core.approvals.ended() == ([], first.ends_at)
    core.clock.passes(hours=1)
    assert await core.approvals.ended() == ([first], second.ends_at)
    actor, what, detail = (await core.rows(house))[-1]
    assert (actor, what) == ("postroom", "hand_over_ended")
    assert json.loads(detail) == {"id": first.id, "principal": OMAR, "delegate": BEA}
    assert await core.approvals.ended() == ([], second.ends_at)
    core.clock.passes(hours=2)
    assert await core.approvals.ended() == ([second], None)
    assert await core.approvals.ended() == ([], None)
    assert len(await core.rows(house)) == 4


# Those who were asked later, and whoever asked.


async def test_those_to_whom_it_was_escalated_decide_run_it_at_once_and_hand_over_like_the_others(core: Core) -> None:
    core.workspace.groups |= {"S0BOSSES": {DORA}}
    later = terms(approvers=(OMAR,), escalate_to=("S0BOSSES",), escalate_after=HOUR)
    core.opens(policy(default=later))
    request, other = await core.asked("cup"), await core.asked("hat")
    assert await core.approvals.open_to([request, other], DORA) == set()
    core.clock.passes(hours=1)
    await core.waiting.attend()
    both = [await core.now(one) for one in (request, other)]

    assert await core.approvals.open_to(both, DORA) == {request.id, other.id}
    assert (await core.approvals.breaking_glass(request.id, GUS, seen=request.fingerprint)).id == request.id
    core.workspace.groups["S0BOSSES"] = {DORA, FINN}  # Finn is new among them, and has no card yet
    await core.approvals.break_glass(request.id, GUS, "It burns", seen=request.fingerprint)
    assert (await core.told(request))[-1]["instead"] == [OMAR, "S0BOSSES"]
    assert sorted((await core.cards(request))[1:]) == [DORA, FINN, OMAR]
    await core.approvals.hand_over(DORA, BEA, core.clock.now() + HOUR, CHANNEL)
    assert (await core.cards(other))[1:] == [DORA, BEA]
    assert (await core.says(other, BEA)).state is S.APPROVED
    assert (await core.last(other))[2]["for"] == DORA


async def test_the_yes_of_whoever_asked_no_longer_counts_where_they_may_not_decide_any_more(core: Core) -> None:
    among = terms(approvers=(FINANCE, ANA), needs=2)
    core.opens(policy(default=terms(approvers=(FINANCE, ANA), needs=2, requester_may=True)))
    request = await core.asked("cup")
    assert (await core.says(request, ANA)).state is S.AWAITING
    core.opens(policy(default=among))
    assert await core.waiting.rule_anew() == 1

    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert (await core.last(request))[2]["void"] == [ANA]
    assert (await core.says(request, FINN)).state is S.APPROVED


async def test_for_whom_a_card_is_open_are_those_whose_yes_would_be_taken(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    requests = [await core.asked(one) for one in ("cup", "hat", "bag")]
    await core.says(requests[0], OMAR)
    await core.says(requests[1], FINN)
    await core.says(requests[2], FINN, NO)
    every = [await core.now(one) for one in requests]
    facts = len(await core.rows("SELECT * FROM audit"))

    ids = [one.id for one in requests]
    expected = {OMAR: {ids[1]}, FINN: {ids[0]}, OLGA: {ids[0], ids[1]}, ANA: set[str](), BEA: set[str]()}
    assert {who: await core.approvals.open_to(every, who) for who in expected} == expected
    core.workspace.gone = {OLGA, FINN}
    assert await core.approvals.open_to(every, OLGA) == set()
    assert await core.approvals.open_to(every, OMAR) == {ids[1]}
    core.workspace.is_silent = True
    with pytest.raises(DirectoryUnavailable):
        await core.approvals.open_to(every, OMAR)
    assert len(await core.rows("SELECT * FROM audit")) == facts


async def test_where_whoever_asks_may_be_one_of_two_their_yes_goes_on_counting(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(FINANCE, ANA), needs=2, requester_may=True)))
    request = await core.asked("cup")
    assert (await core.says(request, ANA)).state is S.AWAITING

    assert (await core.says(request, OMAR)).state is S.APPROVED
    assert (await core.last(request))[2]["given"] == 2
