"""Whom Postroom asks what became of something, when and how often, and what each of their answers leaves behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from handlers.policy import Conditions, QuietHours, Rule
from handlers.requests import NotAllowed
from handlers.settling import asked_about
from handlers.who import DirectoryUnavailable
from providers.action import ItemState, Unknown
from providers.errors import OutcomeUnknown
from storage.records import JobKind, MessageKind, Request
from tests.handlers.money_stage import UNDO, Core, S, dollars, live, policy, refused, terms
from tests.handlers.stage import ANA, APPROVALS, BEA, CHANNEL, DORA, FINANCE, FINN, GUS, OLGA, OMAR

SETTLED = "This has been settled meanwhile, so your answer was not needed. Its thread tells how it went."
OLD = (
    "This was looked at once more since that card was shown. Nothing was changed: read the new card, then answer that."
)
HOUR = timedelta(hours=1)


async def calls(core: Core, request: Request) -> list[dict[str, Any]]:
    """What those who decide are told below the card."""
    owed = [one for one in await core.store.outbox.of(request.id) if one.kind is MessageKind.CALL]
    assert {one.channel for one in owed} <= {APPROVALS}
    return [dict(one.body) for one in owed]


async def forgets_outcome(core: Core, request: Request) -> None:
    """What is known of it was written by another version, and this one cannot read it."""
    assert core.database is not None
    odd = 'UPDATE requests SET outcome = \'{"kind": "odd"}\' WHERE id = ?'
    await core.database.write(lambda db: db.execute(odd, [request.id]))


# Being asked, and reminded.


async def test_those_who_may_say_are_called_below_the_card(core: Core) -> None:
    core.opens(policy(rules=(Rule("all", Conditions(), terms(approvers=(DORA, ANA, OLGA))),)))
    core.till.answers = []
    request = await core.asked("cup")
    await core.says(request, DORA)
    core.clock.passes(seconds=UNDO.total_seconds())
    await core.sends(request, OutcomeUnknown("It broke off."))
    core.woken.clear()
    await core.settling.ask_person(await core.now(request), Unknown(summary="Nobody can tell."), "asks")

    assert await calls(core, request) == [{"fact": "asks", "who": [DORA, OLGA, FINANCE]}]
    assert await core.cards(request) == [APPROVALS]
    lanes = "SELECT DISTINCT lane FROM messages WHERE request_id = ? AND kind IN ('card', 'call')"
    [below_the_card] = await core.rows(lanes, request.id)  # so a call is never posted before its card
    [in_the_thread] = await core.rows(lanes.replace(" IN ", " NOT IN "), request.id)
    assert below_the_card != in_the_thread
    assert core.woken == ["outbox", "waiting"]
    await core.settling.ask_person(await core.now(request), Unknown(summary="Nobody can tell."), "asks")
    assert len(await calls(core, request)) == 1
    assert core.woken == ["outbox", "waiting"]


async def test_they_are_reminded_at_the_ages_of_their_terms_and_then_once_a_day(core: Core) -> None:
    core.opens(policy(default=terms(remind_after=(HOUR, 4 * HOUR))))
    request = await core.unclear("cup")
    asked = core.clock.now()
    assert (request.attend_at, request.reminded) == (asked + HOUR, 0)
    core.clock.passes(hours=1, microseconds=-1)
    assert await core.waiting.attend() == asked + HOUR
    assert len(await calls(core, request)) == 1

    core.clock.passes(microseconds=1)
    core.woken.clear()
    assert await core.waiting.attend() == asked + 4 * HOUR
    told = {"fact": "reminder", "who": [FINANCE, OLGA], "since": asked.isoformat()}
    assert (await calls(core, request))[1:] == [told]
    assert await core.last(request) == ("postroom", "attended", {"reminded": 1})
    assert core.woken == ["outbox"]
    core.clock.passes(hours=3)
    assert await core.waiting.attend() == core.clock.now() + timedelta(days=1)
    core.clock.passes(days=1)
    assert await core.waiting.attend() == core.clock.now() + timedelta(days=1)
    now = await core.now(request)
    assert (now.reminded, now.state, now.asks_person) == (3, S.UNKNOWN, True)
    assert await core.last(request) == ("postroom", "attended", {"reminded": 3})
    assert (await calls(core, request))[1:] == [told] * 3
    await core.settling.settle(request.id, OMAR, "happened")
    assert await core.waiting.attend() is None


async def test_without_such_ages_it_is_once_a_day_and_never_in_quiet_hours(core: Core) -> None:
    quiet = {CHANNEL: QuietHours(time(9, 0), time(15, 0), "UTC")}
    core.opens(policy(quiet=quiet))
    request = await core.unclear("cup")
    begun = core.clock.now()
    assert request.attend_at == begun + timedelta(days=1)
    core.clock.passes(days=1)
    core.woken.clear()
    ends = core.clock.at.replace(hour=15, minute=0, second=0)
    assert await core.waiting.attend() == ends
    assert (len(await calls(core, request)), core.woken) == (1, ["outbox"])
    assert (await core.last(request))[:2] == ("postroom", "asks")
    assert (await core.now(request)).reminded == 0

    core.clock.at = ends
    assert await core.waiting.attend() == ends + timedelta(days=1)
    assert [one["fact"] for one in await calls(core, request)] == ["asks", "reminder"]
    assert (await core.now(request)).reminded == 1


async def test_of_two_processes_that_remind_one_does(core: Core) -> None:
    request = await core.unclear("cup")
    core.clock.passes(days=1)
    await core.settling.remind(request)
    core.woken.clear()
    await core.settling.remind(request)

    assert [one["fact"] for one in await calls(core, request)] == ["asks", "reminder"]
    assert core.woken == []


async def test_who_was_asked_by_escalation_is_asked_what_became_of_it_as_well(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(OMAR,), escalate_to=(DORA,), escalate_after=HOUR)))
    request = await core.asked("cup")
    core.clock.passes(hours=1)
    await core.waiting.attend()
    await core.says(request, DORA)
    core.clock.passes(seconds=UNDO.total_seconds())
    await core.breaks_off(request)

    assert (await calls(core, request))[-1]["who"] == [OMAR, DORA]
    again = await core.settling.settle(request.id, DORA, "again")
    assert (again.state, again.attempt, again.decided_by) == (S.APPROVED, 2, DORA)
    assert (again.decision_reason, again.reminded) == ("", 0)


# Who may say what.


async def test_the_default_approvers_may_say_what_they_see_but_not_have_it_sent_again(core: Core) -> None:
    core.opens(policy(rules=(Rule("dear", Conditions(), terms(approvers=(DORA, GUS))),)))
    requests = []
    for name in ("cup", "hat", "bag", "pin"):
        request = await core.asked(name)
        await core.says(request, DORA)
        core.clock.passes(seconds=UNDO.total_seconds())
        requests.append(await core.breaks_off(request))
    happened, did_not, wait, again = requests
    assert await core.settling.open_to(requests, OMAR) == {one.id for one in requests}

    said = await refused(core.settling.settle(again.id, OMAR, "again"), NotAllowed)
    assert said.sentence == "You are not among the people who may decide this. Nothing was changed."
    assert (await core.settling.settle(happened.id, OMAR, "happened")).state is S.SUCCEEDED
    assert (await core.settling.settle(did_not.id, FINN, "did_not")).state is S.FAILED
    assert (await core.settling.settle(wait.id, OLGA, "wait")).state is S.UNKNOWN
    assert (await core.settling.settle(again.id, GUS, "again")).state is S.APPROVED
    assert await core.settling.open_to([await core.now(one) for one in requests], OMAR) == set()


async def test_for_whom_it_waits_are_those_whose_answer_would_be_taken(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(FINANCE, ANA))))
    one, other = await core.unclear("cup"), await core.unclear("hat")
    waits = await core.asked("bag")
    watched = await core.sends(await core.approved("pin"), OutcomeUnknown("It broke off."))
    every = [one, other, await core.now(waits), watched]

    assert await core.settling.open_to(every, OMAR) == {one.id, other.id}
    for nobody in (ANA, BEA, OLGA):
        assert await core.settling.open_to(every, nobody) == set()
    core.workspace.groups[FINANCE] = {BEA}
    assert await core.settling.open_to(every, OMAR) == set()
    assert await core.settling.open_to(every, BEA) == {one.id, other.id}
    await core.approvals.hand_over(BEA, DORA, core.clock.now() + HOUR, CHANNEL)
    assert await core.settling.open_to(every, DORA) == {one.id, other.id}
    core.workspace.gone = {BEA}
    for nobody in (BEA, DORA):
        assert await core.settling.open_to(every, nobody) == set()
    core.workspace.gone, core.workspace.is_silent = set(), True
    with pytest.raises(DirectoryUnavailable):
        await core.settling.open_to(every, BEA)
    assert await core.rows("SELECT * FROM audit WHERE what = 'click_refused'") == []


# What their answer is about.


async def test_an_answer_is_about_the_evidence_and_the_attempt_that_its_reader_saw(core: Core) -> None:
    was = await core.unclear("cup")
    seen = asked_about(was)
    assert seen.startswith("1.")
    await core.settling.settle(was.id, FINN, "wait", seen=seen)
    core.clock.passes(seconds=1)
    await core.settling.ask_person(await core.now(was), Unknown(summary="Nobody can tell."), "asks")
    now = await core.now(was)
    assert asked_about(now) != seen
    assert asked_about(replace(now, outcome=None)) != asked_about(now)
    before = await core.rows("SELECT * FROM requests")
    wanted = "SELECT wanted FROM messages WHERE kind = 'card' AND request_id = ?"
    [(shown,)] = await core.rows(wanted, was.id)

    for number, old in enumerate((seen, "", "1"), 1):
        core.woken.clear()
        assert str(await refused(core.settling.settle(was.id, OMAR, "did_not", seen=old))) == OLD
        assert await core.rows(wanted, was.id) == [(shown + number,)]
        assert core.woken == ["outbox"]
    for other in ("2", "2.abc", seen.replace("1.", "0.", 1)):
        assert str(await refused(core.settling.settle(was.id, OMAR, "did_not", seen=other))) == SETTLED
    assert await core.rows("SELECT * FROM requests") == before
    assert (await core.settling.settle(was.id, OMAR, "did_not", seen=asked_about(now))).state is S.FAILED
    assert str(await refused(core.settling.settle(was.id, OMAR, "did_not", seen=asked_about(now)))) == SETTLED


@pytest.mark.parametrize("answer", ["happened", "did_not", "wait", "again"])
async def test_a_slow_answer_about_the_first_attempt_says_nothing_of_the_second(core: Core, answer: str) -> None:
    was = await core.unclear("cup")
    core.workspace.held[OMAR] = asyncio.Event()
    slow = asyncio.create_task(core.settling.settle(was.id, OMAR, answer))
    while OMAR not in core.workspace.asked_about:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    again = await core.settling.settle(was.id, FINN, "again")
    core.clock.passes(seconds=UNDO.total_seconds())
    asks = await core.breaks_off(again)
    before = await core.everything()

    core.workspace.held[OMAR].set()
    assert str(await refused(slow)) == SETTLED
    assert await core.everything() == before
    assert (asks.state, asks.attempt, asks.asks_person) == (S.UNKNOWN, 2, True)


# What is left behind.


ITEMS = (
    *live("cup", state=ItemState.BOUGHT),
    *live("hat", state=ItemState.UNKNOWN),
    *live("bag", state=ItemState.INFO),
)


async def test_that_it_happened_is_said_of_everything_that_had_not_been_seen(core: Core) -> None:
    core.till.prices = {"hat": Decimal(20)}
    settled = await core.settling.settle((await core.unclear("cup", "hat", "bag", items=ITEMS)).id, OMAR, "happened")
    assert settled.outcome is not None
    assert settled.outcome["summary"] == "A person looked and says that all of it happened."
    assert settled.outcome["items"] == [
        {"name": "cup", "state": "bought", "note": ""},
        {"name": "hat", "state": "bought", "note": "by a person's word"},
        {"name": "bag", "state": "bought", "note": "by a person's word"},
    ]
    assert await core.money() == dollars("0", "40")

    one = await core.settling.settle(
        (await core.unclear("pin", items=live("pin", state=ItemState.UNKNOWN))).id, OMAR, "happened"
    )
    assert one.outcome is not None
    assert one.outcome["summary"] == "A person looked and says that it happened."
    two = await core.settling.settle((await core.unclear("pot", "jug", items=live("pot", "jug"))).id, OMAR, "happened")
    assert two.outcome is not None
    assert two.outcome["summary"] == "A person looked and says that all of it happened."


@pytest.mark.parametrize("ref", [None, {"id": 3}])
async def test_what_was_seen_stays_known_while_it_is_looked_at_longer(core: Core, ref: dict[str, Any] | None) -> None:
    request = await core.unclear("cup", "hat", "bag", items=ITEMS, ref=ref)
    waits = await core.settling.settle(request.id, OMAR, "wait")

    assert request.outcome is not None
    assert waits.outcome is not None
    assert waits.outcome["items"] == request.outcome["items"]
    if ref:
        assert (waits.outcome["kind"], waits.outcome["progress"]) == ("pending", "Watching it again.")
    else:
        assert (waits.outcome["summary"], waits.outcome["evidence"]) == ("Looking again.", "Not in the list.")
    await core.settling.ask_person(waits, Unknown(summary="Nobody can tell."), "asks")
    assert "seen at the provider: cup." in str(await refused(core.settling.settle(request.id, OMAR, "again")))


@pytest.mark.parametrize(
    ("answer", "state", "money"),
    [
        ("happened", S.SUCCEEDED, ("0", "10")),
        ("did_not", S.FAILED, ("0", "0")),
        ("wait", S.UNKNOWN, ("10", "0")),
        ("again", S.APPROVED, ("10", "0")),
    ],
)
async def test_where_this_version_cannot_read_what_was_seen_a_person_can_say_it_all_the_same(
    core: Core, answer: str, state: S, money: tuple[str, str]
) -> None:
    request = await core.unclear("cup")
    await forgets_outcome(core, request)
    settled = await core.settling.settle(request.id, OMAR, answer)

    assert (settled.state, await core.money()) == (state, dollars(*money))
    if answer == "wait":
        assert settled.outcome is not None
        assert (settled.outcome["evidence"], settled.outcome["items"]) == ("", [])
        assert (await core.job(request)).kind is JobKind.RECONCILE


async def test_a_part_that_was_seen_is_named_and_never_sent_again(core: Core) -> None:
    names = ["pot", "jug", "pin", "hat", "bag"]
    five = await core.unclear(*names, "cup", items=live(*names))
    said = str(await refused(core.settling.settle(five.id, OMAR, "again")))
    assert "at the provider: pot, jug, pin, hat, bag. Sending" in said
    await core.settling.settle(five.id, OMAR, "did_not")

    seven = await core.unclear(*names, "cup", "box", items=live(*names, "cup", "box"))
    said = str(await refused(core.settling.settle(seven.id, OMAR, "again")))
    assert "at the provider: pot, jug, pin, hat, bag and 2 more. Sending" in said
    assert len(core.till.sent) == 2


# Sent once more.


async def test_where_one_word_is_not_enough_the_card_asks_all_of_them_again(core: Core) -> None:
    small = Rule("small", Conditions(), terms(needs=2, auto_below=Decimal(99)))
    core.opens(policy(rules=(small,)))
    request = await core.unclear("cup")
    assert core.requests.ruling_of(request).auto
    core.clock.passes(minutes=5)
    core.woken.clear()
    again = await core.settling.settle(request.id, OMAR, "again")

    assert (again.state, again.attempt, again.fingerprint) == (S.AWAITING, 2, request.fingerprint)
    assert again.waiting_since == again.attend_at == core.clock.now()
    assert (again.decision_reason, again.reminded) == ("", 0)
    ruling = core.requests.ruling_of(again)
    assert (ruling.auto, ruling.rule, ruling.terms) == (False, "small", small.terms)
    assert (await core.told(request))[-1] == {"fact": "settled", "by": OMAR, "answer": "again", "needs": 2}
    assert await core.last(request) == (
        OMAR, "settled", {"answer": "again", "evidence": request.outcome, "attempt": 2},
    )  # fmt: skip
    assert await core.cards(request) == [APPROVALS]
    assert core.woken == ["outbox", "waiting"]
    assert await core.money() == dollars("10", "0")


async def test_without_an_undo_window_it_is_sent_once_more_at_once(core: Core) -> None:
    core.opens(policy(undo=timedelta(0)))
    again = await core.settling.settle((await core.unclear("cup")).id, OMAR, "again")

    assert (again.state, again.not_before, again.stop_until) == (S.APPROVED, None, None)
    assert (await core.told(again))[-1] == {"fact": "settled", "by": OMAR, "answer": "again"}
