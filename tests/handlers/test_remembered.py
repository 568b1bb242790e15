"""What was seen to be there once stays so, whatever is heard later; and for how long something is watched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from handlers.outcomes import remembering
from handlers.policy import Conditions, Rule
from providers.action import Done, Effect, Failed, Item, ItemState, Later, Outcome, Pending, Unknown
from storage.records import JobKind, Request
from tests.handlers.money_stage import NO, Buy, Core, Lock, Mend, S, dollars, live, policy, terms
from tests.handlers.stage import OMAR, TIMES

LIVE, BOUGHT, UNKNOWN, NOT_DONE = ItemState.LIVE, ItemState.BOUGHT, ItemState.UNKNOWN, ItemState.NOT_DONE
NOW = datetime(2026, 3, 30, 9, 0, tzinfo=UTC)
KNOWN = (
    Item(name="cup", state=BOUGHT, note="seen"),
    Item(name="hat", state=UNKNOWN, note="queued"),
    Item(name="bag", state=LIVE),
)


def request(known: Outcome | None) -> Request:
    outcome = None if known is None else known.model_dump(mode="json")
    return Request("req_1", "T0ACME", "U0ANA", "C0OUTREACH", "thing buy", NOW, NOW, outcome=outcome)


def failed(*items: Item) -> Failed:
    return Failed(summary="No.", cure="Ask again.", items=items)


@pytest.mark.parametrize("known", [None, Pending(ref={"id": 1}), Unknown(summary="Nobody can tell.")])
@pytest.mark.parametrize("heard", [Done(summary="Done."), failed(*live("cup")), Unknown(summary="Nobody can tell.")])
def test_where_nothing_is_known_of_single_things_what_is_heard_is_all(known: Outcome | None, heard: Outcome) -> None:
    assert remembering(request(known), heard) == heard


def test_all_of_it_is_all_of_it() -> None:
    assert remembering(request(Unknown(summary="?", items=KNOWN)), Done(summary="Done.")).items == ()


CUP, HAT, BAG = KNOWN
NO_HAT = Item(name="hat", state=NOT_DONE)


@pytest.mark.parametrize("known", [Unknown(summary="?", items=KNOWN), Pending(ref={"id": 1}, items=KNOWN)])
@pytest.mark.parametrize(
    ("heard", "items"),
    [
        (Unknown(summary="Nobody can tell."), KNOWN),
        (Pending(ref={"id": 2}), KNOWN),
        (failed(), (CUP, NO_HAT, BAG)),
        (failed(*live("cup", "hat", "bag", state=NOT_DONE)), (CUP, NO_HAT, BAG)),
        (failed(*live("bag", state=UNKNOWN)), (BAG, CUP, NO_HAT)),
        (failed(*live("pin")), (*live("pin"), CUP, NO_HAT, BAG)),
        (Unknown(summary="?", items=live("hat", "cup")), (*live("hat", "cup"), BAG)),
        (Unknown(summary="?", items=live("cup", state=UNKNOWN)), KNOWN),
        (Done(summary="Done.", items=live("cup", "hat", state=NOT_DONE)), (CUP, NO_HAT, BAG)),
    ],
)
def test_what_was_seen_there_is_never_unseen(known: Outcome, heard: Outcome, items: tuple[Item, ...]) -> None:
    remembered = remembering(request(known), heard)
    assert remembered.items == items
    assert remembered == heard.model_copy(update={"items": items})


async def test_what_was_seen_there_is_paid_also_where_the_end_says_nothing_of_it(core: Core) -> None:
    core.till.prices = {"hat": Decimal(20), "bag": Decimal(40)}
    asks = await core.unclear("cup", "hat", "bag", items=KNOWN)
    waits = await core.settling.settle(asks.id, OMAR, "wait")
    await core.runs._outcomes.conclude(waits, failed(), expect=[S.UNKNOWN])

    assert (await core.now(asks)).state is S.FAILED
    assert await core.money() == dollars("0", "50")


# For how long.


@pytest.mark.parametrize("its_own", [None, timedelta(hours=5)])
async def test_it_is_watched_as_long_as_its_action_says_or_else_the_settings(
    core: Core, monkeypatch: pytest.MonkeyPatch, its_own: timedelta | None
) -> None:
    monkeypatch.setattr(Buy, "deadline", its_own)
    request = await core.sends(await core.approved("cup"), Pending(ref={"id": 7}))

    assert (await core.job(request)).deadline_at == core.clock.now() + (its_own or TIMES.deadline)


async def test_what_this_version_does_not_know_any_more_is_watched_on_if_a_person_wants(core: Core) -> None:
    request = await core.unclear("cup", ref={"id": 7})
    assert core.database is not None
    await core.database.write(lambda db: db.execute("UPDATE requests SET command = 'thing of before'"))

    assert (await core.settling.settle(request.id, OMAR, "wait")).state is S.WORKING
    job = await core.job(request)
    assert (job.kind, job.deadline_at) == (JobKind.POLL, core.clock.now() + TIMES.deadline)


# Later.


async def test_what_was_approved_at_a_price_and_is_too_early_goes_later_as_it_was_approved(core: Core) -> None:
    core.till.prices = {"cup": Decimal(3)}
    request = await core.approved("cup", kind=Mend)
    assert request.decided_by == OMAR
    waits = await core.sends(request, Later(core.clock.now() + timedelta(hours=1), "Not yet."))
    assert (waits.state, waits.fingerprint, waits.input) == (S.APPROVED, request.fingerprint, request.input)
    core.clock.passes(hours=1)

    assert (await core.sends(waits, Done(summary="Done."))).state is S.SUCCEEDED
    assert await core.money() == dollars("0", "3")


@pytest.mark.parametrize("left", [None, ["hat"]])
async def test_what_is_given_up_says_of_nothing_that_it_was_not_done_where_a_part_was(
    core: Core, left: list[str] | None
) -> None:
    request = await core.asked("cup", "hat", kind=Mend)
    until = core.clock.now() + timedelta(days=3)
    given_up = await core.sends(request, Later(until, "Not yet.", left=None if left is None else Mend(things=left)))

    assert given_up.state is S.FAILED
    assert given_up.outcome is not None
    names: list[Any] = [one["name"] for one in given_up.outcome["items"]]
    assert names == ([] if left else ["cup", "hat"])


async def test_what_was_typed_secretly_is_forgotten_when_it_was_used(core: Core) -> None:
    request, other = await core.asked("box", kind=Lock), await core.asked("jug", kind=Lock)
    assert sorted(core.requests.vault.requests()) == sorted([request.id, other.id])
    await core.sends(request, Pending(ref={"id": 7}))
    assert list(core.requests.vault.requests()) == [other.id]
    await core.sends(other)
    assert list(core.requests.vault.requests()) == []


async def test_what_was_typed_secretly_is_forgotten_when_it_is_not_wanted_any_more(core: Core) -> None:
    core.opens(policy(rules=(Rule("changes", Conditions(effect=Effect.WRITE), terms()),)))
    denied, cancelled = await core.asked("box", kind=Lock), await core.asked("jug", kind=Lock)
    await core.says(denied, OMAR, NO)
    assert list(core.requests.vault.requests()) == [cancelled.id]
    await core.approvals.cancel(cancelled.id, "U0ANA")
    assert list(core.requests.vault.requests()) == []
