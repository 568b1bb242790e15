"""What waits while people leave and come back: who is asked instead, who may decide, how often it is looked at."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest

from handlers.policy import Budget, Conditions, QuietHours, Rule
from handlers.requests import NotAllowed
from storage.records import Request, Reservation
from tests.handlers.money_stage import Buy, Core, S, policy, refused, terms
from tests.handlers.stage import ANA, CHANNEL, DORA, FINANCE, FINN, GUS, OLGA, OMAR

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOBODY = "There is nobody who may decide this."
LATER = terms(approvers=(FINANCE,), escalate_to=(DORA,), escalate_after=DAY)


# Escalated.


async def test_those_to_whom_it_was_escalated_may_decide_as_long_as_it_waits(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(FINANCE,), needs=2, escalate_to=(DORA,), escalate_after=DAY)))
    request = await core.asked("cup")
    await core.waiting.attend()
    core.clock.passes(days=1)
    assert await core.waiting.attend() == core.clock.now() + DAY
    assert (await core.says(request, DORA)).state is S.AWAITING
    facts = await core.facts(request)
    for _ in range(3):
        core.woken.clear()
        core.clock.passes(days=1)
        assert await core.waiting.attend() == core.clock.now() + DAY
        assert core.woken == []
    assert await core.facts(request) == facts
    assert (await core.now(request)).escalated

    assert await core.rows("SELECT voter FROM votes") == [(DORA,)]
    assert (await core.says(request, OMAR)).state is S.APPROVED


async def test_a_reminder_is_for_those_as_well_to_whom_it_was_escalated(core: Core) -> None:
    core.opens(
        policy(default=terms(approvers=(OMAR,), remind_after=(2 * DAY,), escalate_to=(DORA,), escalate_after=DAY))
    )
    request = await core.asked("cup")
    for _ in range(2):
        core.clock.passes(days=1)
        await core.waiting.attend()

    assert (await core.told(request))[-1]["fact"] == "reminder"
    assert (await core.told(request))[-1]["who"] == [OMAR, DORA]


async def test_a_rules_own_next_are_asked_and_not_the_default_approvers(core: Core) -> None:
    board = Rule("board", Conditions(), terms(approvers=("S0BOARD",), escalate_to=(GUS,), escalate_after=DAY))
    core.opens(policy(rules=(board,)))
    request = await core.asked("cup")
    await core.waiting.attend()

    assert (await core.told(request))[-1] == {"fact": "escalated", "to": [GUS], "short": NOBODY}
    await refused(core.says(request, OMAR), NotAllowed)
    assert (await core.says(request, GUS)).state is S.APPROVED


@pytest.mark.parametrize("nexts", [("S0NEXT",), (ANA,)])
async def test_where_a_rules_own_next_are_nobody_either_the_default_approvers_stand_in(
    core: Core, nexts: tuple[str, ...]
) -> None:
    board = Rule("board", Conditions(), terms(approvers=("S0BOARD",), escalate_to=nexts, escalate_after=DAY))
    core.opens(policy(rules=(board,)))
    request = await core.asked("cup")
    assert await core.waiting.attend() == core.clock.now() + HOUR

    assert (await core.told(request))[1:] == [{"fact": "escalated", "to": [FINANCE, OLGA], "short": NOBODY}]
    detail = (await core.last(request))[2]
    assert (detail["escalated"], detail["short"]) == ([*nexts, FINANCE, OLGA], NOBODY)
    facts = await core.facts(request)
    core.clock.passes(hours=1)
    assert await core.waiting.attend() == core.clock.now() + HOUR
    core.opens(policy(rules=(board,)))
    assert await core.waiting.rule_anew() == 0
    assert await core.facts(request) == facts
    assert [one.id for one in await core.store.waiting.all()] == [request.id]

    core.workspace.groups["S0BOARD"] = {GUS}
    core.clock.passes(hours=1)
    assert await core.waiting.attend() == core.clock.now() + DAY
    told = {"fact": "enough_again", "who": ["S0BOARD", *nexts], "alone": True}
    assert (await core.told(request))[-1] == told
    ruling = core.requests.ruling_of(await core.now(request))
    assert (ruling.terms, ruling.stands_in, (await core.now(request)).escalated) == (board.terms, False, True)
    await refused(core.says(request, OMAR), NotAllowed)
    assert (await core.says(request, GUS)).state is S.APPROVED


async def test_who_stands_in_where_a_rules_own_next_are_nobody_decides(core: Core) -> None:
    two = terms(approvers=("S0BOARD",), needs=2, escalate_to=(GUS,), escalate_after=DAY)
    core.opens(policy(rules=(Rule("board", Conditions(), two),)))
    request = await core.asked("cup")
    await core.waiting.attend()

    only = "This needs 2 different people, and there is only one who may decide it."
    nobody = NOBODY.replace("There is nobody", "This needs 2 different people, and there is nobody")
    assert (await core.told(request))[1:] == [
        {"fact": "escalated", "to": [GUS], "short": nobody.replace("decide this", "decide it")},
        {"fact": "escalated", "to": [FINANCE, OLGA], "short": only},
    ]
    assert (await core.says(request, GUS)).state is S.AWAITING
    assert (await core.says(request, OMAR)).state is S.APPROVED


# Nobody is left.


async def test_where_nobody_can_be_asked_that_is_said_and_it_is_looked_at_each_hour(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(FINANCE,))))
    core.workspace.groups[FINANCE] = {ANA}
    request = await core.asked("cup")
    assert await core.waiting.attend() == core.clock.now() + HOUR
    assert (await core.told(request))[-1] == {"fact": "nobody_to_ask", "short": NOBODY, "approvers": [FINANCE]}
    assert await core.last(request) == ("postroom", "attended", {"short": NOBODY})
    ruling = core.requests.ruling_of(await core.now(request))
    assert (ruling.short, ruling.stands_in, ruling.terms.escalate_to) == (NOBODY, False, ())
    told = len(await core.told(request))
    core.clock.passes(hours=1)
    assert await core.waiting.attend() == core.clock.now() + HOUR
    assert len(await core.told(request)) == told

    core.workspace.groups[FINANCE] = {ANA, FINN}
    core.clock.passes(hours=1)
    assert await core.waiting.attend() == core.clock.now() + DAY
    assert (await core.told(request))[-1] == {"fact": "enough_again", "who": [FINANCE]}
    assert await core.last(request) == ("postroom", "attended", {"short": ""})
    assert (await core.says(request, FINN)).state is S.APPROVED


@pytest.mark.parametrize(("longest", "until"), [(None, "changes: tell"), (3 * DAY, "changes, or expires <!date^")])
async def test_whoever_asked_is_told_that_it_may_end_before_anybody_can_be_asked(
    core: Core, longest: timedelta | None, until: str
) -> None:
    core.opens(policy(default=terms(approvers=("S0BOARD",), expires_after=longest)))
    request = await core.asked("cup")
    await core.waiting.attend()

    told = await core.says_in_thread(request)
    assert f"It waits until that {until}" in told
    assert told.endswith("tell whoever runs Postroom.")


async def test_those_who_are_pinged_are_told_that_there_are_enough_again(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(FINANCE,), ping=(OLGA,), escalate_to=(DORA,), escalate_after=DAY)))
    core.workspace.groups[FINANCE] = set()
    core.workspace.gone = {DORA}
    request = await core.asked("cup")
    await core.waiting.attend()
    nobody = {"fact": "nobody_to_ask", "short": NOBODY, "approvers": [FINANCE]}
    assert [one for one in await core.told(request) if one["fact"] != "asked"] == [nobody]
    core.workspace.gone = set()
    core.clock.passes(hours=1)
    await core.waiting.attend()

    assert (await core.told(request))[-1] == {"fact": "enough_again", "who": [OLGA]}
    assert (await core.says(request, DORA)).state is S.APPROVED


async def test_quiet_hours_are_quiet_however_often_it_is_looked_at(core: Core) -> None:
    quiet = {CHANNEL: QuietHours(time(12, 0), time(15, 0), "UTC")}
    core.opens(policy(default=terms(approvers=(FINANCE,), remind_after=(4 * HOUR,)), quiet=quiet))
    core.workspace.groups[FINANCE] = set()
    request = await core.asked("cup")
    await core.waiting.attend()
    looked = []
    for _ in range(6):
        core.clock.passes(hours=1)
        await core.waiting.attend()
        looked.append([one["fact"] for one in await core.told(request)].count("reminder"))
    assert looked == [0, 0, 0, 0, 0, 1]


# Others in their place.


@pytest.mark.parametrize("escalate_to", [(), (DORA,)])
async def test_the_default_approvers_stand_in_first(core: Core, escalate_to: tuple[str, ...]) -> None:
    board = Rule("board", Conditions(), terms(approvers=("S0BOARD",)))
    core.opens(policy(rules=(board,), default=terms(escalate_to=escalate_to, escalate_after=DAY)))
    request = await core.asked("cup")
    assert await core.waiting.attend() == core.clock.now() + HOUR

    detail = (await core.last(request))[2]
    assert (detail["escalated"], detail["short"]) == ([FINANCE, OLGA], NOBODY)
    ruling = core.requests.ruling_of(await core.now(request))
    assert (ruling.stands_in, ruling.instead_of, ruling.terms.escalate_to) == (True, ("",), (FINANCE, OLGA))
    core.workspace.groups["S0BOARD"] = {GUS}
    core.clock.passes(hours=1)
    assert await core.waiting.attend() == core.clock.now() + DAY
    assert await core.last(request) == ("postroom", "attended", {"own_again": ["S0BOARD"]})
    assert (await core.told(request))[-1] == {"fact": "enough_again", "who": ["S0BOARD"], "alone": True}
    await refused(core.says(request, OMAR), NotAllowed)
    assert (await core.says(request, GUS)).state is S.APPROVED


async def test_of_a_rules_own_people_who_are_back_it_is_said_once_also_where_nobody_stood_in(core: Core) -> None:
    board = Rule("board", Conditions(), terms(approvers=("S0BOARD",)))
    core.opens(policy(rules=(board,), default=terms(approvers=(FINANCE,))))
    core.workspace.groups[FINANCE] = set()
    request = await core.asked("cup")
    await core.waiting.attend()
    assert (await core.told(request))[-1]["fact"] == "nobody_to_ask"
    core.workspace.groups["S0BOARD"] = {GUS}
    core.clock.passes(hours=1)
    await core.waiting.attend()

    assert [one["fact"] for one in await core.told(request)] == ["asked", "nobody_to_ask", "enough_again"]
    assert await core.last(request) == ("postroom", "attended", {"own_again": ["S0BOARD"], "short": ""})


async def test_where_none_of_them_helps_all_who_lack_people_all_of_them_stand_in(core: Core) -> None:
    owned = Budget("shop", Decimal(5), "USD", over="owner", owners=("S0OWNERS",))
    plain = Rule("plain", Conditions(), terms(approvers=(FINANCE,)))
    core.opens(policy(rules=(plain,), budgets=(owned,), default=terms(approvers=(FINANCE,), escalate_to=("S0OWNERS",))))
    core.workspace.groups[FINANCE] = set()
    request = await core.asked("cup")
    await core.waiting.attend()

    assert (await core.last(request))[2]["escalated"] == [FINANCE, "S0OWNERS"]
    assert core.requests.ruling_of(await core.now(request)).instead_of == ("", "shop")


# Other rules.


async def test_the_yes_of_whoever_asked_is_taken_away_where_they_may_not_decide_any_more(core: Core) -> None:
    core.opens(policy(default=terms(approvers=(FINANCE, ANA), needs=2, requester_may=True)))
    request = await core.asked("cup")
    await core.says(request, ANA)
    core.opens(policy(default=terms(approvers=(FINANCE, ANA), needs=2)))
    await core.waiting.rule_anew()
    await core.waiting.attend()

    assert (await core.told(request))[-1] == {"fact": "votes_void", "who": [ANA]}
    assert await core.rows("SELECT * FROM votes") == []


async def test_a_new_rule_about_a_team_is_about_what_its_members_have_asked(core: Core) -> None:
    requests = [await core.asked("cup"), await core.asked("hat", by=OMAR)]
    core.workspace.groups["S0TEAM"] = {ANA}
    team = Rule("team", Conditions(requesters=("S0TEAM",)), terms(approvers=(DORA,)))
    core.opens(policy(rules=(team,)))

    assert await core.waiting.rule_anew() == 1
    assert [core.requests.ruling_of(await core.now(one)).rule for one in requests] == ["team", ""]


async def test_what_is_ruled_anew_stays_in_its_month_with_what_is_known_of_its_price(core: Core) -> None:
    core.clock.at = datetime(2026, 3, 31, 23, 0, tzinfo=UTC)
    core.till.prices = {"pot": None}
    review = await core.reviewed(ANA, Buy(things=["pot", "cup"]))
    core.clock.at = datetime(2026, 4, 1, tzinfo=UTC)
    request = await core.submitted(review.draft)
    held = [Reservation("all", "2026-04", Decimal(10))]
    assert await core.held(request) == held
    core.clock.at = datetime(2026, 5, 1, tzinfo=UTC)
    assert await core.waiting.rule_anew() == 0
    core.opens(policy(default=terms(needs=2)))
    assert await core.waiting.rule_anew() == 1
    assert await core.held(request) == held


async def test_one_that_cannot_be_looked_after_does_not_keep_back_the_others(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    core.opens(policy(default=terms(expires_after=DAY)))
    broken, other = await core.asked("cup"), await core.asked("hat")
    await core.waiting.attend()
    expire = core.requests.expire

    async def breaks(request: Request) -> None:
        if request.id == broken.id:
            raise RuntimeError("Ours.")
        await expire(request)

    monkeypatch.setattr(core.requests, "expire", breaks)
    core.clock.passes(days=1)
    assert await core.waiting.attend() == core.clock.now() + timedelta(minutes=1)
    assert [(await core.now(one)).state for one in (broken, other)] == [S.AWAITING, S.EXPIRED]
    monkeypatch.undo()
    core.clock.passes(minutes=1)
    await core.waiting.attend()
    assert (await core.now(broken)).state is S.EXPIRED


async def test_others_stand_in_once_the_settings_name_others_although_nothing_is_said(core: Core) -> None:
    board = Rule("board", Conditions(), terms(approvers=("S0BOARD",), escalate_to=(), escalate_after=None))
    core.opens(policy(rules=(board,), default=terms(approvers=(OMAR,), escalate_to=())))
    request = await core.asked("cup")
    await core.waiting.attend()
    assert core.requests.ruling_of(await core.now(request)).stands_in
    facts = await core.facts(request)

    core.opens(policy(rules=(board,), default=terms(approvers=(DORA,), escalate_to=())))
    core.clock.passes(hours=1)
    await core.waiting.attend()

    assert await core.facts(request) == facts
    await refused(core.says(request, OMAR), NotAllowed)
    assert (await core.says(request, DORA)).state is S.APPROVED
