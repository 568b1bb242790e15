"""An answer that comes after a person's word: what it says was bought is told and counted, and never sent again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from handlers.policy import Budget
from providers.action import Done, Failed, ItemState, Outcome, Pending, Unknown
from providers.errors import Rejected
from storage.records import JobKind, MessageKind, Request
from tests.handlers.money_stage import UNDO, Buy, Core, S, dollars, live, policy
from tests.handlers.stage import APPROVALS, FINANCE, FINN, OLGA, OMAR

LIVE, UNKNOWN, NOT_DONE = ItemState.LIVE, ItemState.UNKNOWN, ItemState.NOT_DONE
DONE, TAKEN = Done(summary="Bought."), Pending(ref={"id": 7})
SEEN = Unknown(summary="It broke off.", items=(*live("cup"), *live("hat", state=NOT_DONE)))
HALF = Failed(summary="Only half.", cure="Ask again.", items=(*live("cup"), *live("hat", state=NOT_DONE)))
NOTHING = Failed(summary="No.", cure="Ask again.", items=live("cup", "hat", state=NOT_DONE))


async def answered_late(
    core: Core, request: Request, answer: Outcome | Exception, since: Callable[[Request], Awaitable[object]]
) -> Request:
    """The call takes so long that a person is asked; after what happens `since`, the provider answers."""

    async def meanwhile() -> None:
        core.till.meanwhile = None
        core.clock.passes(seconds=61)
        await core.runs.settle_lapsed()
        await core.settling.ask_person(await core.now(request), Unknown(summary="Nobody can tell."), "asks")
        told = core.till.answers
        core.till.answers = []
        await since(request)
        core.till.answers = told
        core.woken.clear()

    core.till.meanwhile = meanwhile
    return await core.sends(request, answer)


def says(core: Core, *answers: str) -> Callable[[Request], Awaitable[object]]:
    async def said(request: Request) -> None:
        for answer in answers:
            await core.settling.settle(request.id, OMAR, answer)

    return said


async def calls(core: Core, request: Request) -> list[tuple[str, str, list[str]]]:
    """The calls below the card about what was heard late: where, of what, for whom."""
    owed = [one for one in await core.store.outbox.of(request.id) if one.kind is MessageKind.CALL]
    return [(one.channel, one.body["fact"], one.body["who"]) for one in owed if one.body["fact"] != "asks"]


CALLED = [(APPROVALS, "heard_late", [FINANCE, OLGA])]


@pytest.mark.parametrize(
    ("answer", "spent"), [(DONE, "30"), (TAKEN, "30"), (SEEN, "10"), (HALF, "10"), (NOTHING, None)]
)
async def test_what_was_bought_although_a_person_said_otherwise_is_told_and_counted(
    core: Core, answer: Outcome, spent: str | None
) -> None:
    core.till.prices = {"hat": Decimal(20)}
    after = await answered_late(core, await core.approved("cup", "hat"), answer, says(core, "did_not"))

    assert (after.state, after.attempt, after.asks_person) == (S.FAILED, 1, False)
    actor, what, detail = await core.last(after)
    assert (actor, what) == ("postroom", "heard_late")
    assert detail == {"outcome": answer.model_dump(mode="json"), "key": f"{after.id}#1"}
    told = {"fact": "heard_late", "outcome": answer.model_dump(mode="json")}
    assert ((await core.told(after))[-1] == told) is (spent is not None)
    assert await calls(core, after) == (CALLED if spent else [])
    assert await core.money() == dollars("0", spent or "0")
    assert core.woken == (["outbox"] if spent else [])
    assert await core.rows("SELECT * FROM jobs") == []


@pytest.mark.parametrize("answer", [DONE, TAKEN, SEEN, HALF])
async def test_where_the_person_said_that_it_happened_nothing_is_news(core: Core, answer: Outcome) -> None:
    after = await answered_late(core, await core.approved("cup", "hat"), answer, says(core, "happened"))

    assert after.state is S.SUCCEEDED
    assert (await core.last(after))[:2] == ("postroom", "heard_late")
    assert (await core.told(after))[-1] == {"fact": "settled", "by": OMAR, "answer": "happened"}
    assert await core.money() == dollars("0", "20")
    assert await calls(core, after) == []


@pytest.mark.parametrize(
    ("answer", "state", "fact", "money"),
    [
        (DONE, S.SUCCEEDED, "done", ("0", "20")),
        (HALF, S.FAILED, "failed", ("0", "10")),
        (TAKEN, S.WORKING, "accepted", ("20", "0")),
        (SEEN, S.UNKNOWN, "unknown", ("20", "0")),
    ],
)
@pytest.mark.parametrize("stopped", [False, True])
async def test_what_was_to_be_sent_again_and_was_not_is_not_sent_any_more(
    core: Core, answer: Outcome, state: S, fact: str, money: tuple[str, str], stopped: bool
) -> None:
    async def sent_again(request: Request) -> None:
        await says(core, "again")(request)
        if stopped:
            await core.approvals.stop(request.id, FINN)

    request = await core.approved("cup", "hat")
    after = await answered_late(core, request, answer, sent_again)

    assert (after.state, after.attempt) == (state, 2)
    assert (after.not_before, after.stop_until, after.attend_at) == (None, None, None)
    assert [what for _, what in await core.facts(request)][-2:] == ["heard_late", fact]
    assert [one["fact"] for one in await core.told(request)][-2:] == ["heard_late", fact]
    assert await calls(core, after) == CALLED
    assert await core.money() == dollars(*money)
    if not state.is_final:
        job = await core.job(request)
        looks = (JobKind.POLL, {"id": 7}) if state is S.WORKING else (JobKind.RECONCILE, {})
        assert (job.kind, job.ref) == looks
    core.clock.passes(days=1)
    await core.runs.execute(after)
    assert len(core.till.sent) == 1


@pytest.mark.parametrize(
    ("answer", "spent"), [(DONE, "40"), (TAKEN, "40"), (SEEN, "30"), (HALF, "30"), (NOTHING, "20")]
)
async def test_what_two_attempts_have_bought_is_counted_twice(core: Core, answer: Outcome, spent: str) -> None:
    async def sent_again(request: Request) -> None:
        await says(core, "again")(request)
        core.clock.passes(seconds=UNDO.total_seconds())
        await core.runs.execute(await core.now(request))

    request = await core.approved("cup", "hat")
    after = await answered_late(core, request, answer, sent_again)

    assert (after.state, after.attempt) == (S.SUCCEEDED, 2)
    assert [key for _, key, _ in core.till.sent] == [f"{request.id}#1", f"{request.id}#2"]
    assert (await core.last(request))[2]["key"] == f"{request.id}#1"
    assert await core.money() == dollars("0", spent)
    assert await calls(core, after) == ([] if answer is NOTHING else CALLED)


@pytest.mark.parametrize("answer", [DONE, TAKEN, Done(summary="Bought.", items=live("pot"))])
async def test_what_has_no_price_is_told_and_counts_as_nothing(core: Core, answer: Outcome) -> None:
    core.till.prices = {"pot": None}
    after = await answered_late(core, await core.approved("pot"), answer, says(core, "did_not"))

    assert (await core.told(after))[-1]["fact"] == "heard_late"
    assert await core.money() == dollars("0", "0")


async def test_a_refusal_that_is_heard_late_changes_nothing(core: Core) -> None:
    after = await answered_late(core, await core.approved("cup"), Rejected("It said no."), says(core, "again"))

    assert (after.state, after.attempt) == (S.APPROVED, 2)
    assert (await core.last(after))[:2] == ("postroom", "heard_late")
    assert (await core.told(after))[-1]["fact"] == "settled"
    assert await core.money() == dollars("10", "0")


# In which month.


@pytest.mark.parametrize("since", ["opened", "asked", "edited", "reopened"])
async def test_it_is_counted_in_the_month_in_which_it_was_asked_or_asked_anew(core: Core, since: str) -> None:
    core.opens(policy(budgets=(Budget("all", Decimal(500), "USD"), Budget("team", Decimal(500), "USD", team="S0TEAM"))))
    core.workspace.groups["S0TEAM"] = {"U0ANA"}
    march, april = datetime(2026, 3, 31, 23, 0, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
    core.clock.at = march
    core.till.prices = {"pot": None, "cup": Decimal(10)}
    if since == "opened":
        review = await core.reviewed("U0ANA", Buy(things=["cup"]))
        core.clock.at = april
        request = await core.submitted(review.draft)
    elif since == "edited":
        request = await core.asked("cup", "pot")
        core.clock.at = april
        request = await core.says(request, OMAR, without=["pot"])
    else:
        request = await core.asked("cup")
    if since == "reopened":
        await core.says(request, OMAR)
        core.clock.at = april
        core.till.prices = {"cup": Decimal(20)}
        await core.sends(request)
    await core.says(request, OMAR)
    core.clock.passes(seconds=UNDO.total_seconds())
    if since == "asked":
        core.clock.at = april
    after = await answered_late(core, await core.now(request), DONE, says(core, "did_not"))

    assert after.state is S.FAILED
    month = "2026-03" if since == "asked" else "2026-04"
    price = "20" if since == "reopened" else "10"
    used = await core.rows(
        "SELECT budget, period, reserved, spent FROM budget_months WHERE reserved OR spent ORDER BY 1"
    )
    assert used == [(budget, month, 0, int(price) * 1_000_000) for budget in ("all", "team")]
