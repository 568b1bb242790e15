"""What nobody could tell: a person says what came of it, once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from handlers.requests import SEEN, Sorry
from providers.action import Done, ItemState, Unknown
from providers.errors import OutcomeUnknown
from storage.records import Fact, Job, JobKind, Request, RequestState
from tests.handlers.money_stage import DEFAULT, MAIN, UNDO, Buy, Core, Mend, S, dollars, live, policy, refused, terms
from tests.handlers.stage import ANA, BEA, CHANNEL, FINANCE, FINN, GUS, OLGA, OMAR, TIMES


async def test_a_person_is_asked_with_the_evidence(core: Core) -> None:
    request = await core.unclear("cup")

    assert (request.state, request.asks_person) == (S.UNKNOWN, True)
    assert await core.last(request) == ("postroom", "asks", {"evidence": "Not in the list."})
    assert (await core.told(request))[-1] == {"fact": "asks", "outcome": request.outcome}
    assert await core.rows("SELECT * FROM jobs") == []
    assert await core.money() == dollars("10", "0")
    told = await core.told(request)
    await core.settling.ask_person(request, Unknown(summary="Nobody can tell."), "asks")
    assert await core.told(request) == told


@pytest.mark.parametrize(("answer", "state", "spent"), [("happened", S.SUCCEEDED, "10"), ("did_not", S.FAILED, "0")])
async def test_what_a_person_says_is_the_end(core: Core, answer: str, state: RequestState, spent: str) -> None:
    request = await core.unclear("cup")
    core.woken.clear()
    settled = await core.settling.settle(request.id, OMAR, answer)

    assert (settled.state, settled.asks_person) == (state, False)
    assert await core.money() == (Decimal(0), Decimal(spent))
    assert await core.last(request) == (OMAR, "settled", {"answer": answer})
    assert (await core.told(request))[-1] == {"fact": "settled", "by": OMAR, "answer": answer}
    assert core.woken == ["outbox"]
    before = await core.everything()
    for other in ("happened", "did_not", "again", "wait"):
        said = await refused(core.settling.settle(request.id, FINN, other))
        assert said.sentence.startswith("This has been settled meanwhile")
    assert await core.everything() == before
    await core.runs.execute(request)
    assert len(core.till.sent) == 1


async def test_what_was_seen_there_was_paid_whatever_a_person_says_of_the_rest(core: Core) -> None:
    core.till.prices = {"cup": Decimal(1), "hat": Decimal(2), "bag": Decimal(4)}
    items = (*live("cup", state=ItemState.BOUGHT), *live("hat", state=ItemState.UNKNOWN), *live("bag"))
    request = await core.unclear("cup", "hat", "bag", items=items)
    before = await core.everything()

    said = await refused(core.settling.settle(request.id, OMAR, "again"))
    assert "seen at the provider: cup, bag." in said.sentence
    assert await core.everything() == before
    settled = await core.settling.settle(request.id, OMAR, "did_not")
    assert await core.money() == dollars("0", "5")
    assert settled.outcome is not None
    assert [one["state"] for one in settled.outcome["items"]] == ["bought", "not_done", "live"]


async def test_whoever_asked_can_only_have_it_watched_and_that_only_where_they_decide(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(FINANCE, ANA))))
    request = await core.unclear("cup")
    before = await core.everything()

    said = await refused(core.settling.settle(request.id, BEA, "happened"))
    assert await core.last(request) == (BEA, "click_refused", {"wanted": "settle", "why": said.sentence})
    for answer in ("happened", "did_not", "again"):
        said = await refused(core.settling.settle(request.id, ANA, answer))
    assert said.sentence.startswith("This is your own request")
    assert await core.last(request) == (ANA, "click_refused", {"wanted": "settle", "why": said.sentence})
    core.workspace.gone = {OMAR}
    said = await refused(core.settling.settle(request.id, OMAR, "happened"))
    assert "do not belong" in said.sentence
    assert await core.last(request) == (OMAR, "click_refused", {"wanted": "settle", "why": said.sentence})
    core.workspace.is_silent = True
    assert "Slack did not say" in str(await refused(core.settling.settle(request.id, FINN, "happened")))
    core.workspace.is_silent = False
    assert await core.everything() == before
    assert (await core.settling.settle(request.id, ANA, "wait")).state is S.UNKNOWN


async def test_what_ran_without_a_decision_is_settled_by_the_default_approvers(core: Core) -> None:
    request = await core.asked("cup", kind=Mend)
    await core.sends(request, OutcomeUnknown("It broke off."))
    await core.settling.ask_person(await core.now(request), Unknown(summary="Nobody can tell."), "asks")

    ruling = core.requests.ruling_of(request)
    assert (ruling.rule, ruling.why, ruling.auto, ruling.terms) == ("", (), False, DEFAULT)
    assert "not among" in str(await refused(core.settling.settle(request.id, BEA, "happened")))
    assert (await core.settling.settle(request.id, OMAR, "happened")).state is S.SUCCEEDED


@pytest.mark.parametrize("answers", [("happened", "did_not"), ("wait", "wait"), ("wait", "did_not")])
async def test_of_two_answers_one_counts(core: Core, answers: tuple[str, str]) -> None:
    request = await core.unclear("cup")
    said = await asyncio.gather(
        *(core.settling.settle(request.id, by, answer) for by, answer in zip((OMAR, FINN), answers, strict=True)),
        return_exceptions=True,
    )

    assert sorted(type(one).__name__ for one in said) == ["Request", "Sorry"]
    assert [what for _, what in await core.facts(request)].count("settled") == 1


async def test_who_settles_for_somebody_who_is_away(core: Core) -> None:
    request = await core.unclear("cup")
    await core.approvals.hand_over(OMAR, BEA, core.clock.now() + timedelta(hours=1), CHANNEL)

    assert (await core.settling.settle(request.id, BEA, "again")).state is S.APPROVED


async def test_a_person_has_it_sent_once_more_with_another_key(core: Core) -> None:
    request = await core.unclear("cup")
    core.clock.passes(hours=1)
    core.woken.clear()
    again = await core.settling.settle(request.id, OMAR, "again")

    assert (again.state, again.attempt, again.asks_person) == (S.APPROVED, 2, False)
    assert (again.decided_by, again.decided_at) == (OMAR, core.clock.now())
    assert again.not_before == again.stop_until == core.clock.now() + UNDO
    assert (again.outcome, again.lease_until) == (None, None)
    assert await core.last(request) == (
        OMAR, "settled", {"answer": "again", "evidence": request.outcome, "attempt": 2},
    )  # fmt: skip
    assert (await core.told(request))[-1] == {
        "fact": "settled", "by": OMAR, "answer": "again", "stop_until": again.not_before.isoformat(),
    }  # fmt: skip
    assert core.woken == ["outbox", "requests"]
    await refused(core.settling.settle(request.id, FINN, "again"))
    await core.runs.execute(again)
    assert len(core.till.sent) == 1
    core.clock.passes(seconds=30)
    done = await core.sends(request, Done(summary="Done."))
    assert done.state is S.SUCCEEDED
    assert [key for _, key, _ in core.till.sent] == [f"{request.id}#1", f"{request.id}#2"]
    assert await core.rows("SELECT key FROM intents ORDER BY key") == [(f"{request.id}#1",), (f"{request.id}#2",)]
    assert await core.money() == dollars("0", "10")
    assert (await core.now(request)).attempt == 2


async def test_where_two_have_to_say_yes_one_cannot_have_it_sent_again(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request = await core.asked("cup")
    await core.says(request, OMAR)
    await core.says(request, FINN)
    core.clock.passes(seconds=30)
    await core.sends(request, OutcomeUnknown("It broke off."))
    await core.settling.ask_person(await core.now(request), Unknown(summary="Nobody can tell."), "asks")
    again = await core.settling.settle(request.id, OMAR, "again")

    assert (again.state, again.attempt, again.not_before, again.asks_person) == (S.AWAITING, 2, None, False)
    assert await core.rows("SELECT * FROM votes") == []
    core.clock.passes(minutes=1)
    await core.runs.execute(again)
    assert (await core.says(request, OMAR)).state is S.AWAITING
    assert (await core.says(request, OLGA)).state is S.APPROVED
    assert len(core.till.sent) == 1
    core.clock.passes(seconds=30)
    assert (await core.sends(request, Done(summary="Done."))).state is S.SUCCEEDED
    assert [key for _, key, _ in core.till.sent] == [f"{request.id}#1", f"{request.id}#2"]
    assert await core.money() == dollars("0", "10")


async def test_two_words_of_two_people_are_one_attempt(core: Core) -> None:
    request = await core.unclear("cup")
    answers = await asyncio.gather(
        *(core.settling.settle(request.id, by, "again") for by in (OMAR, FINN, OLGA)), return_exceptions=True
    )

    assert sum(isinstance(one, Request) for one in answers) == 1
    assert sum(isinstance(one, Sorry) for one in answers) == 2
    assert (await core.now(request)).attempt == 2


@pytest.mark.parametrize("since", ["sent again", "looked at longer"])
async def test_a_word_counts_for_the_attempt_that_it_is_about(core: Core, since: str) -> None:
    was = await core.unclear("cup")
    if since == "sent again":
        await core.settling.settle(was.id, FINN, "again")
        core.clock.passes(seconds=30)
        await core.sends(was, OutcomeUnknown("It broke off."))
        await core.settling.ask_person(await core.now(was), Unknown(summary="Nobody can tell."), "asks")
    else:
        await core.settling.settle(was.id, FINN, "wait")
    before = await core.everything()

    now, fact = core.clock.now(), Fact(OMAR, "settled")
    again = await core.store.runs.try_again(
        was, fact=fact, messages=[], by=OMAR, fingerprint=was.fingerprint, stop_until=None, now=now
    )
    assert again is None
    for to in (S.SUCCEEDED, S.FAILED, S.UNKNOWN):
        settled = await core.store.runs.conclude(
            was.id, expect=[S.UNKNOWN], to=to, outcome={}, fact=fact, messages=[], now=now, read=was, was_asked=True
        )
        assert settled is None
    assert await core.everything() == before


@pytest.mark.parametrize("ref", [None, {"id": 3}])
async def test_a_person_has_it_looked_at_longer(core: Core, ref: dict[str, Any] | None) -> None:
    request = await core.unclear("cup", ref=ref)
    core.clock.passes(hours=1)
    core.woken.clear()
    waits = await core.settling.settle(request.id, OMAR, "wait")

    now = core.clock.now()
    kind, patience = (JobKind.POLL, TIMES.deadline) if ref else (JobKind.RECONCILE, TIMES.reconcile_after)
    assert (waits.state, waits.asks_person) == (S.WORKING if ref else S.UNKNOWN, False)
    assert await core.job(request) == Job(
        request.id, MAIN, kind, ref or {}, now + TIMES.first_poll, now + patience, now
    )
    assert await core.money() == dollars("10", "0")
    assert await core.last(request) == (OMAR, "settled", {"answer": "wait"})
    assert core.woken == ["outbox", "jobs"]


async def test_what_is_heard_after_a_person_settled_it_is_only_noted(core: Core) -> None:
    request = await core.approved("cup")

    async def settled_meanwhile() -> None:
        core.till.meanwhile = None
        core.clock.passes(seconds=61)
        await core.runs.settle_lapsed()
        await core.settling.ask_person(await core.now(request), Unknown(summary="Nobody can tell."), "asks")
        await core.settling.settle(request.id, OMAR, "did_not")

    core.till.meanwhile = settled_meanwhile
    after = await core.sends(request, Done(summary="Bought."))

    assert (after.state, after.attempt) == (S.FAILED, 1)
    actor, what, detail = await core.last(request)
    assert (actor, what, detail["key"]) == ("postroom", "heard_late", f"{request.id}#1")
    assert detail["outcome"]["summary"] == "Bought."


async def test_what_is_heard_while_it_counts_as_unknown_is_the_truth(core: Core) -> None:
    request = await core.approved("cup")

    async def lapses() -> None:
        core.clock.passes(seconds=61)
        await core.runs.settle_lapsed()

    core.till.meanwhile = lapses
    after = await core.sends(request, Done(summary="Bought."))

    assert after.state is S.SUCCEEDED
    assert await core.rows("SELECT * FROM jobs") == []
    assert await core.money() == dollars("0", "10")


async def test_what_was_not_asked_is_not_known(core: Core) -> None:
    draft = (await core.reviewed(ANA, Buy(things=["cup"]))).draft
    for step in (
        core.settling.settle(draft.id, OMAR, "happened"), core.approvals.cancel(draft.id, ANA),
        core.approvals.stop("req_none", OMAR), core.approvals.break_glass("req_none", GUS, "It burns", seen="e" * SEEN),
    ):  # fmt: skip
        assert "does not know this request" in str(await refused(step))
