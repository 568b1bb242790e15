"""Sending: as approved, once, and what comes of each answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from handlers.runs import permanent_key
from providers.action import Done, Failed, ItemState, Outcome, Pending, Refused
from providers.errors import OutcomeUnknown, RateLimited, Rejected
from storage.records import Fact, Job, JobKind, Request, RequestState, Reservation
from storage.sqlite import StoreUnavailable
from tests.handlers.money_stage import MAIN, MONTH, SPARE, Core, Lock, S, dollars, live, policy, refused
from tests.handlers.stage import ANA, FINN, OMAR, TIMES


async def test_what_was_approved_is_sent_once_with_its_key(core: Core) -> None:
    core.till.prices = {"cup": Decimal(20)}
    request = await core.approved("cup")
    core.woken.clear()
    done = await core.sends(request, Done(summary="Bought."))

    key = f"{request.id}#1"
    assert permanent_key(request) == key
    assert core.till.sent == [("thing buy", key, ("cup",))]
    assert (done.state, done.asks_person, done.lease_until) == (S.SUCCEEDED, False, None)
    assert (done.not_before, done.stop_until) == (None, None)
    assert done.outcome is not None
    assert done.outcome["summary"] == "Bought."
    assert await core.rows("SELECT key, request_id, account, fingerprint FROM intents") == [
        (key, request.id, MAIN, request.fingerprint)
    ]
    history = {one.what: one for one in await core.store.facts.of(request.id)}
    assert (history["sent"].actor, history["sent"].detail) == ("postroom", {"key": key, "quote": request.quote})
    assert await core.last(request) == ("postroom", "done", {"outcome": done.outcome})
    assert (await core.told(request))[-1] == {"fact": "done", "outcome": done.outcome}
    assert await core.money() == dollars("0", "20")
    assert await core.held(request) == [Reservation("all", MONTH, Decimal(20), is_spent=True)]
    assert core.woken == ["outbox", "outbox"]

    before = await core.everything()
    for stale in (request, done):
        await core.runs.execute(stale)
    assert len(core.till.sent) == 1
    assert await core.everything() == before


async def test_nothing_is_sent_before_its_time_is_there(core: Core) -> None:
    request = await core.says(await core.asked("cup"), OMAR)
    core.clock.passes(seconds=29.999999)
    await core.runs.execute(request)
    assert core.till.sent == []
    assert await core.rows("SELECT * FROM intents") == []
    core.clock.passes(seconds=0.000001)
    await core.runs.execute(request)
    assert len(core.till.sent) == 1


async def test_while_it_is_sent_it_is_held_by_this_process(core: Core) -> None:
    request = await core.approved("cup")
    seen: list[Request] = []

    async def looks() -> None:
        seen.append(await core.now(request))

    core.till.meanwhile = looks
    await core.sends(request)

    [during] = seen
    assert (during.state, during.lease_until) == (S.EXECUTING, core.clock.now() + TIMES.lease)


async def test_as_long_as_it_is_sent_it_goes_on_being_held(core: Core) -> None:
    core.opens(policy(), times=replace(TIMES, lease=timedelta(milliseconds=30)))
    request = await core.approved("cup")
    seen: list[Request] = []

    async def takes_its_time() -> None:
        core.clock.passes(seconds=45)
        for _ in range(500):
            seen.append(await core.now(request))
            if seen[-1].lease_until == core.clock.now() + timedelta(milliseconds=30):
                break
            await asyncio.sleep(0.005)

    core.till.meanwhile = takes_its_time
    await core.sends(request)
    assert seen[-1].lease_until == core.clock.now() + timedelta(milliseconds=30)


async def test_of_two_that_send_it_at_the_same_moment_one_does(core: Core) -> None:
    request = await core.approved("cup")

    await asyncio.gather(*(core.runs.execute(request) for _ in range(5)))
    assert len(core.till.sent) == 1


async def test_what_cannot_be_looked_at_again_is_not_sent(core: Core) -> None:
    for broken, cure in (
        (Rejected("It is gone.", cure="Choose another."), "Choose another. "),
        (Refused({"": "No."}), ""),
    ):
        request = await core.approved("cup")
        core.till.broken = broken
        failed = await core.sends(request)
        core.till.broken = None

        assert failed.state is S.FAILED
        assert failed.outcome is not None
        assert failed.outcome["summary"].endswith("Nothing was sent.")
        assert str(broken) in failed.outcome["summary"]
        assert failed.outcome["cure"] == f"{cure}Ask again with the command."
        assert failed.outcome["items"] == [{"name": "cup", "state": "not_done", "note": ""}]
        assert await core.money() == dollars("0", "0")
    assert core.till.sent == []


@pytest.mark.parametrize("trouble", ["dearer", "gone", "resting"])
@pytest.mark.parametrize("since", ["edited", "approved anew", "sent again"])
async def test_what_was_found_out_about_another_request_than_it_is_now_changes_nothing(
    core: Core, trouble: str, since: str
) -> None:
    """A process has read it, and was slow: meanwhile it was stopped and decided otherwise, or a person had it sent."""
    if since == "sent again":
        request = await core.unclear("cup", "hat")
        was = replace(request, state=S.APPROVED, asks_person=False)
        await core.settling.settle(request.id, OMAR, "again")
    else:
        was = request = await core.says(await core.asked("cup", "hat"), OMAR)
        await core.approvals.stop(request.id, OMAR)
        await core.says(request, FINN, without=["hat"] if since == "edited" else ())
        core.clock.passes(seconds=29 if since == "approved anew" else 30)
    before, sent = await core.everything(), list(core.till.sent)

    core.till.prices = {"cup": Decimal(20)} if trouble == "dearer" else {}
    core.till.broken = Rejected("It is gone.") if trouble == "gone" else None
    core.till.resting = core.clock.now() + timedelta(hours=1) if trouble == "resting" else None
    await core.runs.execute(was)
    assert await core.everything() == before
    assert core.till.sent == sent


@pytest.mark.parametrize("accounts", [(SPARE,), ()])
async def test_without_its_account_nothing_is_sent(core: Core, accounts: tuple[str, ...]) -> None:
    request = await core.approved("cup")
    core.opens(policy(), accounts)
    failed = await core.sends(request)

    assert failed.state is S.FAILED
    assert failed.outcome is not None
    assert failed.outcome["summary"] == f"The account {MAIN} is no longer in Postroom's settings. Nothing was done."
    assert failed.outcome["cure"] == "Ask again with the command."
    assert await core.money() == dollars("0", "0")
    assert core.till.sent == []


async def test_what_was_typed_secretly_goes_to_the_provider_and_nowhere_else(core: Core) -> None:
    request = await core.asked("box", kind=Lock)
    assert (await core.sends(request)).state is S.SUCCEEDED
    assert "sesame" not in str(await core.everything())

    lost = await core.asked("bag", kind=Lock)
    review = await core.reviewed(ANA, Lock(things=["cup"], password=SecretStr("open sesame")))
    core.opens(policy())
    failed = await core.sends(lost)
    assert failed.state is S.FAILED
    assert failed.outcome is not None
    assert "it is gone, and nothing was done" in failed.outcome["summary"]
    assert "never stores a password" in str(await refused(core.submitted(review.draft)))
    assert len(core.till.sent) == 1


HALF = (*live("cup"), *live("hat", state=ItemState.NOT_DONE), *live("bag", state=ItemState.BOUGHT),
        *live("pot", state=ItemState.UNKNOWN))  # fmt: skip


@pytest.mark.parametrize(("outcome", "state", "spent"), [
    (Done(summary="Done."), S.SUCCEEDED, "15"),
    (Done(summary="Done.", items=live("cup", "hat", "bag", "pot")), S.SUCCEEDED, "15"),
    (Done(summary="Done.", items=HALF), S.SUCCEEDED, "13"),
    (Done(summary="Done.", items=live("cup", "new")), S.SUCCEEDED, "15"),
    (Failed(summary="No.", cure="Ask again."), S.FAILED, "0"),
    (Failed(summary="Half.", cure="Ask again.", items=HALF), S.FAILED, "13"),
    (Failed(summary="No.", cure="Ask again.", items=live("cup", state=ItemState.INFO)), S.FAILED, "0"),
    (Failed(summary="Odd.", cure="Ask again.", items=live("new")), S.FAILED, "15"),
])  # fmt: skip
async def test_what_was_done_is_spent_and_what_was_not_is_free(
    core: Core, outcome: Outcome, state: RequestState, spent: str
) -> None:
    core.till.prices = {"cup": Decimal(1), "hat": Decimal(2), "bag": Decimal(4), "pot": Decimal(8)}
    after = await core.sends(await core.approved("cup", "hat", "bag", "pot"), outcome)

    assert after.state is state
    assert await core.money() == (Decimal(0), Decimal(spent))
    fact = "done" if state is S.SUCCEEDED else "failed"
    assert await core.last(after) == ("postroom", fact, {"outcome": outcome.model_dump(mode="json")})
    assert (await core.told(after))[-1] == {"fact": fact, "outcome": outcome.model_dump(mode="json")}
    assert await core.rows("SELECT * FROM jobs") == []


@pytest.mark.parametrize("outcome", [
    Done(summary="Done."), Done(summary="Done.", items=(*live("cup"), *live("pot", state=ItemState.NOT_DONE))),
    Failed(summary="No.", cure="Ask again.", items=live("cup", "pot")),
])  # fmt: skip
async def test_what_has_no_price_is_never_counted_as_if_it_had_one(core: Core, outcome: Outcome) -> None:
    core.till.prices = {"pot": None}
    request = await core.approved("cup", "pot")
    apart = (await core.money())[0]
    await core.sends(request, outcome)

    assert await core.money() == (Decimal(0), apart)


async def test_what_was_accepted_is_watched(core: Core) -> None:
    core.woken.clear()
    request = await core.approved("cup")
    core.woken.clear()
    working = await core.sends(request, Pending(ref={"id": 7}))

    assert (working.state, working.lease_until) == (S.WORKING, None)
    assert await core.money() == dollars("10", "0")
    assert core.woken == ["outbox", "outbox", "jobs"]
    assert (await core.last(request))[:2] == ("postroom", "accepted")
    now = core.clock.now()
    assert await core.job(request) == Job(
        request.id, MAIN, JobKind.POLL, {"id": 7}, now + TIMES.first_poll, now + TIMES.deadline, now
    )


@pytest.mark.parametrize("error", [OutcomeUnknown("It broke off.", detail="cut"), RuntimeError("Ours")])
async def test_what_nobody_knows_is_looked_up_and_never_repeated(core: Core, error: Exception) -> None:
    request = await core.approved("cup")
    unknown = await core.sends(request, error)

    assert (unknown.state, unknown.asks_person) == (S.UNKNOWN, False)
    assert await core.money() == dollars("10", "0")
    now = core.clock.now()
    assert await core.job(request) == Job(
        request.id, MAIN, JobKind.RECONCILE, {}, now + TIMES.first_poll, now + TIMES.reconcile_after, now
    )
    assert unknown.outcome is not None
    assert unknown.outcome["evidence"] == ("cut" if isinstance(error, OutcomeUnknown) else "")
    assert (await core.last(request))[:2] == ("postroom", "unknown")
    for _ in range(3):
        core.clock.passes(hours=9)
        await core.runs.run_approved()
        await core.runs.executions.settled()
        await core.runs.settle_lapsed()
        await core.runs.execute(unknown)
    assert len(core.till.sent) == 1


async def test_what_the_provider_refuses_has_failed_and_costs_nothing(core: Core) -> None:
    for error in (Rejected("It said no.", cure="Ask less."), RateLimited("Too often.", retry_after=5)):
        request = await core.approved("cup")
        failed = await core.sends(request, error)

        assert failed.state is S.FAILED
        assert failed.outcome == {
            "kind": "failed", "summary": error.sentence, "cure": error.cure,
            "items": [{"name": "cup", "state": "not_done", "note": ""}],
        }  # fmt: skip
        assert await core.money() == dollars("0", "0")


async def test_whose_process_died_in_between_is_unknown(core: Core) -> None:
    request = await core.approved("cup")
    began = await core.store.runs.begin(
        request.id, key=permanent_key(request), fingerprint=request.fingerprint,
        lease_until=core.clock.now() + TIMES.lease, fact=Fact("postroom", "sent"), now=core.clock.now(),
    )  # fmt: skip
    assert began is not None
    core.clock.passes(seconds=60)
    await core.runs.settle_lapsed()
    assert (await core.now(request)).state is S.EXECUTING
    core.clock.passes(seconds=0.000001)
    await core.runs.settle_lapsed()
    assert (await core.now(request)).state is S.UNKNOWN
    assert await core.money() == dollars("10", "0")
    await core.runs.execute(request)
    assert core.till.sent == []


async def test_each_account_sends_one_at_a_time_in_the_order_of_the_decisions(core: Core) -> None:
    second, first, other = await core.asked("cup"), await core.asked("hat"), await core.asked("bag", account=SPARE)
    await core.says(first, OMAR)
    core.clock.passes(seconds=1)
    await core.says(second, OMAR)
    await core.says(other, OMAR)
    assert await core.runs.run_approved() == core.clock.now() + timedelta(seconds=29)
    core.clock.passes(seconds=60)
    assert await core.runs.run_approved() is None
    await core.runs.executions.settled()

    keys = [key for _, key, _ in core.till.sent]
    assert sorted(keys) == sorted(f"{one.id}#1" for one in (first, second, other))
    assert keys.index(f"{first.id}#1") < keys.index(f"{second.id}#1")


async def test_one_that_cannot_be_run_does_not_keep_back_the_next(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await core.approved("cup"), await core.approved("hat")
    begin = core.store.runs.begin

    async def fails_for_the_first(request_id: str, **given: Any) -> Request | None:
        if request_id == first.id:
            raise StoreUnavailable("The disk is full.")
        return await begin(request_id, **given)

    monkeypatch.setattr(core.store.runs, "begin", fails_for_the_first)
    await core.runs.run_approved()
    await core.runs.executions.settled()
    assert [key for _, key, _ in core.till.sent] == [f"{second.id}#1"]
    monkeypatch.undo()
    await core.runs.run_approved()
    await core.runs.executions.settled()
    assert [key for _, key, _ in core.till.sent] == [f"{second.id}#1", f"{first.id}#1"]


async def test_one_over_whose_price_postroom_breaks_has_failed_unsent(core: Core) -> None:
    first, second = await core.approved("cup"), await core.approved("hat")
    core.till.prices = {"cup": "many"}  # type: ignore[dict-item]
    await core.runs.run_approved()
    await core.runs.executions.settled()

    assert [key for _, key, _ in core.till.sent] == [f"{second.id}#1"]
    assert (await core.now(first)).state is S.FAILED
    assert await core.money() == dollars("0", "10")
