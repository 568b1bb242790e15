"""What waits for a decision: reminders, escalation, the end, and other rules meanwhile."""

from __future__ import annotations

from datetime import time, timedelta
from decimal import Decimal

import pytest

from handlers.approvals import NotAllowed
from handlers.policy import Budget, Conditions, QuietHours, Rule, Terms
from storage.records import Fact, Request, Telling
from tests.handlers.money_stage import DEFAULT, Burn, Core, S, dollars, policy, refused, terms
from tests.handlers.stage import ANA, APPROVALS, BEA, CHANNEL, DORA, FINANCE, FINN, OLGA, OMAR

WAITS = terms(
    approvers=(FINANCE,), ping=(FINANCE,), remind_after=(timedelta(hours=4), timedelta(hours=8)),
    escalate_to=(OLGA, ANA), escalate_after=timedelta(hours=24), expires_after=timedelta(hours=72),
)  # fmt: skip


async def test_a_whole_wait_to_its_end(core: Core) -> None:
    core.opens(policy(default=WAITS))
    request = await core.asked("cup")
    begun = core.clock.now()
    await core.approvals.hand_over(FINN, BEA, begun + timedelta(hours=1), CHANNEL)
    core.woken.clear()
    assert await core.waiting.attend() == begun + timedelta(hours=4)
    assert await core.cards(request) == [APPROVALS, BEA, FINN, OMAR]
    assert await core.last(request) == ("postroom", "attended", {"announced": [BEA, FINN, OMAR]})
    assert core.woken == ["outbox", "waiting"]
    assert (await core.now(request)).announced

    core.woken.clear()
    core.clock.passes(hours=4)
    assert await core.waiting.attend() == begun + timedelta(hours=8)
    assert (await core.told(request))[-1] == {"fact": "reminder", "who": [FINANCE], "since": begun.isoformat()}
    assert await core.last(request) == ("postroom", "attended", {"reminded": 1})
    assert (await core.now(request)).reminded == 1
    core.clock.passes(hours=4)
    assert await core.waiting.attend() == begun + timedelta(hours=24)
    assert (await core.now(request)).reminded == 2
    await refused(core.says(request, OLGA), NotAllowed)

    core.clock.passes(hours=16)
    assert await core.waiting.attend() is not None
    assert await core.cards(request) == [APPROVALS, BEA, FINN, OMAR, OLGA]
    assert (await core.told(request))[-1] == {"fact": "escalated", "to": [OLGA, ANA], "short": None}
    assert await core.last(request) == ("postroom", "attended", {"escalated": [OLGA, ANA]})
    assert (await core.now(request)).escalated

    core.clock.passes(hours=48, microseconds=-1)
    await core.waiting.attend()
    assert (await core.now(request)).state is S.AWAITING
    core.clock.passes(microseconds=1)
    core.woken.clear()
    assert await core.waiting.attend() is None
    expired = await core.now(request)
    assert (expired.state, expired.attend_at) == (S.EXPIRED, None)
    assert await core.money() == dollars("0", "0")
    assert await core.last(request) == ("postroom", "expired", {})
    assert (await core.told(request))[-1] == {"fact": "expired", "since": begun.isoformat()}
    assert core.woken == ["outbox"]
    assert "has expired" in str(await refused(core.says(request, OMAR)))


async def test_of_two_processes_that_look_after_it_one_does(core: Core) -> None:
    core.opens(policy(default=WAITS))
    seen, other = await core.asked("cup"), await core.asked("hat")
    then = core.clock.now() + timedelta(hours=4)

    async def attends() -> Request | None:
        telling = Telling(Fact("postroom", "attended"), [])
        return await core.store.waiting.attended(
            seen, attend_at=then, announced=True, reminded=1, escalated=False, telling=telling, now=core.clock.now()
        )

    attended = await attends()
    assert attended is not None
    assert (attended.id, attended.attend_at, attended.announced, attended.reminded) == (seen.id, then, True, 1)
    before, facts = await core.everything(), await core.facts(seen)
    assert await attends() is None
    assert await core.everything() == before
    assert await core.facts(seen) == facts
    assert await core.now(other) == other


async def test_what_asks_again_does_not_expire_by_the_clock_of_before(core: Core) -> None:
    core.opens(policy(default=WAITS))
    was = await core.asked("cup")
    core.clock.passes(hours=71)
    await core.says(was, OMAR)
    await core.approvals.stop(was.id, FINN)
    before = await core.everything()

    assert await core.store.waiting.expire(was, Telling(Fact("postroom", "expired")), core.clock.now()) is None
    assert await core.everything() == before
    core.clock.passes(hours=2)
    await core.waiting.attend()
    assert (await core.now(was)).state is S.AWAITING


async def test_when_slack_does_not_say_it_is_looked_after_in_a_minute(core: Core) -> None:
    core.opens(policy(default=WAITS))
    request = await core.asked("cup")
    core.workspace.is_silent = True
    assert await core.waiting.attend() == core.clock.now() + timedelta(minutes=1)
    after = await core.now(request)
    assert (after.announced, after.reminded, after.escalated) == (False, 0, False)
    assert await core.cards(request) == [APPROVALS]
    core.workspace.is_silent = False
    core.clock.passes(minutes=1)
    await core.waiting.attend()
    assert await core.cards(request) == [APPROVALS, FINN, OMAR]


async def test_an_empty_group_is_said_and_the_next_are_asked(core: Core) -> None:
    core.opens(policy(default=WAITS))
    core.workspace.groups[FINANCE] = set()
    request = await core.asked("cup")
    await core.waiting.attend()

    short = "There is nobody who may decide this."
    assert (await core.told(request))[-1] == {"fact": "escalated", "to": [OLGA, ANA], "short": short}
    actor, what, detail = await core.last(request)
    assert (actor, what, detail["short"], detail["escalated"]) == ("postroom", "attended", short, [OLGA, ANA])
    assert await core.cards(request) == [APPROVALS, OLGA]
    assert (await core.says(request, OLGA)).state is S.APPROVED


async def test_a_rule_whose_people_are_gone_falls_back_on_the_default_approvers(core: Core) -> None:
    rule = Rule("odd", Conditions(), terms(approvers=("S0EMPTY",)))
    core.opens(policy(rules=(rule,)))
    request = await core.asked("cup")
    await refused(core.says(request, OMAR), NotAllowed)
    await core.waiting.attend()

    assert (await core.told(request))[-1]["to"] == [FINANCE, OLGA]
    assert (await core.now(request)).escalated
    assert core.requests.ruling_of(await core.now(request)).terms.approvers == ("S0EMPTY",)
    assert (await core.says(request, OMAR)).state is S.APPROVED


async def test_who_owns_a_budget_is_stood_in_for_only_where_nobody_is_left(core: Core) -> None:
    core.opens(policy(budgets=(Budget("shop", Decimal(1), "USD", over="owner", owners=("S0OWNERS",)),)))
    core.workspace.groups["S0OWNERS"] = {DORA}
    request = await core.asked("cup")
    await core.waiting.attend()
    assert (await core.says(request, OMAR)).state is S.AWAITING
    await refused(core.says(request, OLGA), NotAllowed)
    core.workspace.groups["S0OWNERS"] = set()
    core.clock.passes(days=1)
    await core.waiting.attend()

    assert (await core.told(request))[-1] == {
        "fact": "escalated", "to": [FINANCE, OLGA],
        "short": "There is nobody who may decide about more than the budget “shop” has.",
    }  # fmt: skip
    core.workspace.groups["S0OWNERS"] = {DORA}
    core.clock.passes(days=1)
    await core.waiting.attend()
    assert "enough_again" in {one["fact"] for one in await core.told(request)}
    await refused(core.says(request, OLGA), NotAllowed)
    core.workspace.groups["S0OWNERS"] = set()
    core.clock.passes(days=1)
    await core.waiting.attend()
    assert (await core.says(request, OLGA)).state is S.APPROVED


async def test_nobody_is_reminded_in_quiet_hours(core: Core) -> None:
    quiet = {CHANNEL: QuietHours(time(12, 0), time(15, 0), "UTC")}
    core.opens(policy(default=terms(remind_after=(timedelta(hours=4),)), quiet=quiet))
    request = await core.asked("cup")
    await core.waiting.attend()
    core.clock.passes(hours=4)
    assert await core.waiting.attend() == core.clock.at.replace(hour=15)
    assert (await core.now(request)).reminded == 0
    core.clock.passes(hours=2)
    await core.waiting.attend()
    assert (await core.told(request))[-1] == {
        "fact": "reminder", "who": [FINANCE, OLGA], "since": request.created_at.isoformat(),
    }  # fmt: skip


async def test_other_rules_hold_for_what_waits_and_votes_stay(core: Core) -> None:
    core.opens(policy(default=terms(needs=2)))
    request, same = await core.asked("cup"), await core.asked("hat", kind=Burn)
    await core.says(request, OMAR)
    two = terms(approvers=(OMAR, DORA, BEA), needs=2, auto_below=Decimal(99))
    core.opens(policy(rules=(Rule("new", Conditions(action="thing buy"), two),), default=terms(needs=2)))
    core.clock.passes(hours=1)

    assert await core.waiting.rule_anew() == 1
    after = await core.now(request)
    ruling = core.requests.ruling_of(after)
    assert (after.state, ruling.auto, ruling.rule, ruling.terms) == (S.AWAITING, False, "new", two)
    assert (after.attend_at, after.announced) == (core.clock.now(), False)
    assert await core.last(request) == ("postroom", "ruled_anew", {"rule": "new", "before": ""})
    assert (await core.facts(same))[-1] == (ANA, "asked")
    await refused(core.says(request, FINN), NotAllowed)
    assert (await core.says(request, DORA)).state is S.APPROVED
    assert await core.waiting.rule_anew() == 0


async def test_rules_that_ask_for_fewer_let_anybody_say_the_last_word(core: Core) -> None:
    core.opens(policy(default=terms(needs=3)))
    request = await core.asked("cup")
    await core.says(request, OMAR)
    await core.says(request, FINN)
    core.opens(policy(default=terms(needs=2)))
    await core.waiting.rule_anew()

    assert (await core.says(request, OMAR)).state is S.APPROVED
    assert (await core.told(request))[-1]["given"] == 2


async def test_who_was_asked_by_escalation_stays_unless_they_are_others_now(core: Core) -> None:
    core.opens(policy(default=WAITS))
    request = await core.asked("cup")
    core.clock.passes(hours=24)
    await core.waiting.attend()
    same = {name: getattr(WAITS, name) for name in Terms.__slots__}
    core.opens(policy(default=Terms(**same | {"needs": 2})))
    assert await core.waiting.rule_anew() == 1
    assert (await core.now(request)).escalated
    core.opens(policy(default=Terms(**same | {"escalate_to": (DORA,)})))
    assert await core.waiting.rule_anew() == 1
    assert not (await core.now(request)).escalated


@pytest.mark.parametrize(("limit", "over"), [("10", ()), ("9.99", ("shop",))])
async def test_a_budget_that_was_cut_is_seen_with_what_it_has_set_apart(
    core: Core, limit: str, over: tuple[str, ...]
) -> None:
    request = await core.asked("cup")
    owned = Budget("all", Decimal(limit), "USD", over="owner", owners=(DORA,))
    core.opens(policy(budgets=(owned,)))

    assert await core.waiting.rule_anew() == bool(over)
    ruling = core.requests.ruling_of(await core.now(request))
    assert ruling.over == (("all",) if over else ())
    assert (ruling.terms.approvers, ruling.terms.owners) == (DEFAULT.approvers, ((DORA,),) if over else ())
