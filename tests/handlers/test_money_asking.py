"""What is asked: who is to decide, what is set apart, what is asked only once, what the review says."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from handlers.approvals import NotAllowed
from handlers.policy import Conditions, Rule
from handlers.requests import SEEN
from providers.action import Effect
from providers.errors import Upstream
from storage.records import MessageKind, Reservation
from tests.handlers.money_stage import (
    DEFAULT,
    MAIN,
    MONTH,
    NO,
    UNDO,
    Burn,
    Buy,
    Core,
    Mend,
    S,
    dollars,
    policy,
    refused,
    terms,
)
from tests.handlers.stage import ANA, APPROVALS, BEA, CHANNEL, DORA, FINN, GUS, OMAR


async def test_what_is_asked_waits_for_the_rules_people_with_its_money_set_apart(core: Core) -> None:
    core.till.prices = {"cup": Decimal("12.50"), "Hat": Decimal("7.25")}
    request = await core.asked("cup", "Hat")

    assert request.state is S.AWAITING
    assert (request.waiting_since, request.attend_at) == (core.clock.now(), core.clock.now())
    assert (request.not_before, request.stop_until) == (None, None)
    ruling = core.requests.ruling_of(request)
    assert (ruling.terms, ruling.auto, ruling.rule) == (DEFAULT, False, "")
    assert await core.held(request) == [Reservation("all", MONTH, Decimal("19.75"))]
    assert await core.last(request) == (
        ANA, "asked", {"input": request.input, "quote": request.quote, "account": MAIN, "rule": ""},
    )  # fmt: skip
    messages = [(one.kind, one.channel) for one in await core.store.outbox.of(request.id)]
    assert messages == [(MessageKind.PARENT, CHANNEL), (MessageKind.CARD, APPROVALS), (MessageKind.NOTE, CHANNEL)]
    assert await core.told(request) == [{"fact": "asked"}]
    assert [one.id for one in await core.store.requests.about("hat")] == [request.id]
    assert core.woken == ["outbox", "waiting"]


async def test_what_a_rule_approves_by_itself_can_be_stopped_before_it_is_sent(core: Core) -> None:
    small = Rule("small", Conditions(action="thing *"), terms(auto_below=Decimal(20), ping=(OMAR,)))
    core.opens(policy(rules=(small,)))
    request = await core.asked("cup")

    assert request.state is S.APPROVED
    assert request.stop_until == request.not_before == core.clock.now() + UNDO
    assert (request.attend_at, request.waiting_since) == (None, None)
    assert core.requests.ruling_of(request).auto
    assert await core.money() == dollars("10", "0")
    [told] = await core.told(request)
    assert (told["fact"], told["rule"], told["why"]) == (
        "auto_approved",
        "small",
        list(core.requests.ruling_of(request).why),
    )
    assert await core.cards(request) == []
    assert [one.id for one in await core.store.requests.about("cup")] == [request.id]
    assert core.woken == ["outbox", "requests"]
    assert await core.store.runs.ready(MAIN, core.clock.now()) == []

    core.clock.passes(seconds=30)
    assert [one.id for one in await core.store.runs.ready(MAIN, core.clock.now())] == [request.id]


async def test_without_an_undo_window_it_goes_at_once(core: Core) -> None:
    small = Rule("small", Conditions(), terms(auto_below=Decimal(20)))
    core.opens(policy(rules=(small,), undo=timedelta(0)))
    request = await core.asked("cup")
    dear = await core.says(await core.asked("hat", "bag"), OMAR)

    for one in (request, dear):
        assert (one.state, one.not_before, one.stop_until) == (S.APPROVED, None, None)
        assert "closed" not in str(await refused(core.approvals.stop(one.id, FINN)))


async def test_what_is_free_runs_when_asked_and_what_costs_or_destroys_waits(core: Core) -> None:
    free = await core.asked("jug", kind=Mend)
    core.till.prices = {"cup": Decimal(3), "pot": None}
    priced = await core.asked("cup", kind=Mend)
    unknown = await core.asked("pot", kind=Mend)
    burnt = await core.asked("box", kind=Burn)

    assert (free.state, free.ruling, free.not_before, free.stop_until) == (S.APPROVED, None, None, None)
    assert await core.last(free) == (ANA, "asked", {"input": free.input, "quote": None, "account": MAIN, "rule": None})
    messages = [(one.kind, one.channel) for one in await core.store.outbox.of(free.id)]
    assert messages == [(MessageKind.PARENT, CHANNEL)]
    assert [priced.state, unknown.state, burnt.state] == [S.AWAITING] * 3
    assert await core.money() == dollars("3", "0")
    assert "Nobody knows the price" in core.requests.ruling_of(unknown).why[0]
    assert [one.id for one in await core.store.requests.about("jug")] == [free.id]


async def test_the_same_is_not_asked_twice_while_the_first_is_open(core: Core) -> None:
    first = await core.asked("cup", "hat", "bag", "pin", "pot", "jug", "box")
    drafts = (await core.reviewed(BEA, Buy(things=["Cup", "new"]), confirmable=False)).problems
    assert f"cup ({first.id})" in drafts[""]
    sorry = (await core.reviewed(BEA, Buy(things=list("abc"))), await core.reviewed(ANA, Buy(things=list("abc"))))
    second = await core.submitted(sorry[0].draft)
    before = await core.everything()

    said = str(await refused(core.submitted(sorry[1].draft)))
    assert said.startswith(f"This has been asked already and is not finished: a, b, c ({second.id}).")
    assert await core.everything() == before

    all_of_it = await core.reviewed(
        BEA, Buy(things=["cup", "hat", "bag", "pin", "pot", "jug", "box"]), confirmable=False
    )
    assert "bag, box, cup, hat, jug and 2 more (" in all_of_it.problems[""]
    five = await core.reviewed(BEA, Buy(things=["cup", "hat", "bag", "pin", "pot"]), confirmable=False)
    assert "bag, cup, hat, pin, pot (" in five.problems[""]


async def test_another_kind_of_request_about_the_same_is_no_second_one(core: Core) -> None:
    await core.asked("cup")

    assert (await core.asked("cup", kind=Burn)).state is S.AWAITING
    assert (await core.asked("cup", kind=Mend)).state is S.APPROVED
    assert (await core.asked("cup", kind=Mend)).state is S.APPROVED  # what can be repeated may be asked again
    again = await core.reviewed(BEA, Burn(things=["cup"]), confirmable=False)
    assert "asked already" in again.problems[""]


async def test_a_rule_sees_who_asks_for_what_of_whom_and_where(core: Core) -> None:
    met = (
        Conditions(account=MAIN), Conditions(effect=Effect.SPEND), Conditions(requesters=(ANA,)),
        Conditions(requesters=("S0TEAM",)), Conditions(provider="till"), Conditions(channel=CHANNEL),
        Conditions(action="thing buy"), Conditions(over=Decimal("9.99"), under=Decimal("10.01"), currency="USD"),
    )  # fmt: skip
    core.workspace.groups["S0TEAM"] = {ANA}
    for number, conditions in enumerate(met):
        core.opens(policy(rules=(Rule("it", conditions, terms(approvers=(DORA,))),)))
        request = await core.asked(f"cup {number}")
        assert core.requests.ruling_of(request).rule == "it", conditions
        await refused(core.says(request, OMAR), NotAllowed)
        core.opens(policy(rules=(Rule("it", Conditions(requesters=(BEA,)), DEFAULT),)))
        assert core.requests.ruling_of(await core.asked(f"hat {number}")).rule == ""


async def test_what_was_denied_can_be_asked_again(core: Core) -> None:
    request = await core.asked("cup")
    await core.says(request, OMAR, NO)

    assert (await core.asked("cup")).state is S.AWAITING


@pytest.mark.parametrize("seen", ["", "short", "all but one", "wrong"])
async def test_only_what_was_shown_is_confirmed(core: Core, seen: str) -> None:
    draft = (await core.reviewed(ANA, Buy(things=["cup"]))).draft
    shown = {"": "", "short": draft.fingerprint[:4], "all but one": draft.fingerprint[: SEEN - 1], "wrong": "e" * SEEN}
    before = await core.everything()

    said = await refused(core.drafts.submit(draft.id, ANA, seen=shown[seen]))
    assert "nothing was asked" in said.sentence
    assert await core.everything() == before
    assert (await core.drafts.submit(draft.id, ANA, seen=draft.fingerprint[:SEEN])).state is S.AWAITING


async def test_only_who_filled_it_in_confirms_and_only_once(core: Core) -> None:
    draft = (await core.reviewed(ANA, Buy(things=["cup"]))).draft

    await refused(core.drafts.submit(draft.id, BEA, seen=draft.fingerprint))
    await core.submitted(draft)
    before = await core.everything()
    assert "already sent" in str(await refused(core.submitted(draft)))
    assert await core.everything() == before


async def test_of_two_that_are_alike_the_one_that_is_meant_is_asked(core: Core) -> None:
    one, other = [(await core.reviewed(ANA, Mend(things=["jug"]))).draft for _ in range(2)]
    assert one.fingerprint == other.fingerprint
    await core.submitted(one)
    before, facts = await core.everything(), await core.rows("SELECT COUNT(*) FROM audit")

    await refused(core.submitted(one))
    assert await core.everything() == before
    assert await core.rows("SELECT COUNT(*) FROM audit") == facts
    assert (await core.submitted(other)).id == other.id


async def test_should_two_ever_be_alike_the_one_that_is_meant_is_decided(core: Core) -> None:
    first, second, third = [await core.asked(one) for one in ("cup", "hat", "bag")]
    assert core.database is not None
    await core.database.write(lambda db: db.execute("UPDATE requests SET fingerprint = ?", ["e" * 64]))
    await core.says(second, OMAR)
    assert [(await core.now(one)).state for one in (first, second, third)] == [S.AWAITING, S.APPROVED, S.AWAITING]
    before = await core.everything()

    await refused(core.says(second, FINN))
    assert await core.everything() == before
    denied = await core.says(third, FINN, NO)
    assert (denied.id, (await core.now(first)).state) == (third.id, S.AWAITING)
    await core.approvals.break_glass(first.id, GUS, "It burns", seen="e" * 64)
    assert (await core.now(third)).state is S.DENIED
    assert await core.money() == dollars("20", "0")


async def test_the_review_says_what_would_become_of_it(core: Core) -> None:
    review = await core.reviewed(ANA, Buy(things=["cup"]))
    assert review.asked is not None
    assert (review.asked.to, review.problems, review.cure) == (S.AWAITING, {}, "")
    assert await core.money() == dollars("0", "0")

    wrong = await core.reviewed(ANA, Buy(things=["wrong"]), confirmable=False)
    assert (wrong.problems, wrong.asked, wrong.quote) == ({"things": "There is no such thing."}, None, None)
    assert "nothing was asked" in str(await refused(core.drafts.submit(wrong.draft.id, ANA, seen="e" * SEEN)))
    core.till.broken = Upstream("The till is shut.")
    down = await core.reviewed(ANA, Buy(things=["cup"]), confirmable=False)
    assert down.problems == {"": "The till is shut. Nothing was asked."}
    assert down.cure == Upstream.cure
