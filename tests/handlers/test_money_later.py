"""What was too early: it runs again when it may, and is told once."""

from __future__ import annotations

from datetime import timedelta

from providers.action import Done, Later
from providers.errors import RateLimited
from tests.handlers.money_stage import MAIN, Core, Mend, S, dollars
from tests.handlers.stage import ANA, TIMES


async def test_what_was_too_early_runs_again_with_an_intent_of_its_own(core: Core) -> None:
    request = await core.asked("cup", "hat", kind=Mend)
    until = core.clock.now() + timedelta(hours=1)
    left = Mend(things=["hat"])
    core.woken.clear()
    waits = await core.sends(request, Later(until, "Half of it.", ((until, "hat"),), left))

    assert (waits.state, waits.not_before, waits.stop_until, waits.input) == (
        S.APPROVED,
        until,
        None,
        {"things": ["hat"]},
    )
    assert (waits.outcome, waits.lease_until, waits.fingerprint) == (None, None, left.fingerprint(MAIN, None))
    told = {"until": until.isoformat(), "summary": "Half of it.", "plan": [[until.isoformat(), "hat"]]}
    assert await core.last(request) == ("postroom", "postponed", told)
    assert (await core.told(request))[-1] == {"fact": "later", **told}
    assert core.woken == ["outbox", "outbox", "requests"]
    await core.runs.execute(waits)
    assert len(core.till.sent) == 1
    core.clock.passes(hours=1)
    assert (await core.sends(request)).state is S.SUCCEEDED
    assert core.till.sent == [
        ("thing mend", f"{request.id}#1", ("cup", "hat")), ("thing mend", f"{request.id}#1", ("hat",)),
    ]  # fmt: skip
    assert await core.rows("SELECT key FROM intents ORDER BY key") == [(f"{request.id}#1",), (f"{request.id}#2",)]


async def test_as_long_as_more_of_it_is_done_it_goes_at_the_providers_own_time(core: Core) -> None:
    request = await core.asked("cup", "hat", "bag", kind=Mend)
    for left in (["hat", "bag"], ["bag"]):
        until = core.clock.now() + timedelta(seconds=1)
        waits = await core.sends(request, Later(until, "A part.", left=Mend(things=left)))
        assert (waits.not_before, waits.input) == (until, {"things": left})
        assert len(await core.told(request)) == 3 - len(left)
        core.clock.passes(seconds=1)
    now = core.clock.now()
    assert (await core.sends(request, Later(now, "Not yet."))).not_before == now + timedelta(seconds=22.5)


async def test_at_first_it_waits_no_longer_than_it_was_told(core: Core) -> None:
    request = await core.asked("cup", kind=Mend)
    assert (await core.sends(request, Later(core.clock.now(), "Not yet."))).not_before == core.clock.now()


async def test_what_was_too_early_after_all_is_no_longer_looked_for(core: Core) -> None:
    request = await core.asked("cup", kind=Mend)

    async def lapses() -> None:
        core.till.meanwhile = None
        core.clock.passes(seconds=61)
        await core.runs.settle_lapsed()
        assert len(await core.rows("SELECT * FROM jobs")) == 1

    core.till.meanwhile = lapses
    waits = await core.sends(request, Later(core.clock.now() + timedelta(hours=1), "Not yet."))
    assert (waits.state, waits.asks_person, waits.lease_until, waits.outcome) == (S.APPROVED, False, None, None)
    assert await core.rows("SELECT * FROM jobs") == []


async def test_what_stays_too_early_is_asked_ever_more_patiently_and_told_once(core: Core) -> None:
    request = await core.asked("cup", kind=Mend)
    await core.sends(request, RateLimited("Too often.", retry_after=1))
    now = core.clock.now()
    assert (await core.now(request)).not_before == now + TIMES.first_poll
    assert len(await core.told(request)) == 1
    core.clock.passes(seconds=10)
    again = await core.sends(request, Later(core.clock.now(), "Not yet."))
    assert again.not_before == core.clock.now() + timedelta(seconds=15)
    assert len(await core.told(request)) == 1
    core.clock.passes(seconds=15)
    third = await core.sends(request, RateLimited("Too often.", retry_after=600))
    assert third.not_before == core.clock.now() + timedelta(seconds=600)
    assert len(await core.told(request)) == 1
    cancelled = await core.approvals.cancel(request.id, ANA)
    assert cancelled.state is S.CANCELLED


async def test_what_is_too_early_for_two_days_has_failed(core: Core) -> None:
    request = await core.asked("cup", kind=Mend)
    until = core.clock.now() + timedelta(days=2)
    assert (await core.sends(request, Later(until, "Not yet."))).state is S.APPROVED
    core.clock.passes(days=2)
    failed = await core.sends(request, Later(core.clock.now() + timedelta(seconds=1), "Not yet."))

    assert failed.state is S.FAILED
    assert failed.outcome == {
        "kind": "failed", "summary": "Not yet.", "cure": "Ask again later.",
        "items": [{"name": "cup", "state": "not_done", "note": ""}],
    }  # fmt: skip


async def test_a_spend_is_never_run_again_because_it_was_too_early(core: Core) -> None:
    failed = await core.sends(await core.approved("cup"), Later(core.clock.now() + timedelta(minutes=9), "Not yet."))

    assert failed.state is S.FAILED
    assert await core.money() == dollars("0", "0")


async def test_a_wait_that_nobody_names_or_that_is_endless(core: Core) -> None:
    request = await core.asked("cup", kind=Mend)
    assert (await core.sends(request, RateLimited("Too often."))).state is S.FAILED
    request = await core.asked("cup", kind=Mend)
    waits = await core.sends(request, RateLimited("Too often.", retry_after=1e12))
    assert (waits.state, waits.not_before) == (S.APPROVED, core.clock.now() + timedelta(days=2))
    assert (await core.told(request))[-1]["summary"] == "Too often. Nothing was changed yet."


async def test_what_nobody_decided_waits_for_a_provider_that_keeps_failing_as_well(core: Core) -> None:
    request = await core.asked("cup", kind=Mend)
    core.till.resting = core.clock.now() + timedelta(minutes=5)
    kept = await core.sends(request)

    assert (kept.state, kept.not_before, core.till.sent) == (S.APPROVED, core.till.resting, [])


async def test_a_provider_that_keeps_failing_is_left_alone_and_nothing_is_lost(core: Core) -> None:
    request = await core.approved("cup")
    core.till.resting = core.clock.now() + timedelta(minutes=5)
    core.woken.clear()
    kept = await core.sends(request)

    assert core.till.sent == []
    assert (kept.state, kept.not_before, kept.stop_until) == (S.APPROVED, core.till.resting, None)
    assert (kept.fingerprint, kept.input) == (request.fingerprint, request.input)
    assert await core.money() == dollars("10", "0")
    said = {
        "until": core.till.resting.isoformat(), "summary": "The provider keeps failing, so nothing was sent to it yet.",
    }  # fmt: skip
    assert await core.last(request) == ("postroom", "kept_back", said)
    assert (await core.told(request))[-1] == {"fact": "later", **said}
    assert core.woken == ["outbox", "requests"]
    told = len(await core.told(request))
    core.clock.passes(minutes=5)
    core.till.resting += timedelta(minutes=5)
    await core.sends(request)
    assert len(await core.told(request)) == told
    assert kept.decided_at is not None
    core.till.resting = kept.decided_at + timedelta(days=2, microseconds=1)
    core.clock.passes(minutes=5)
    assert (await core.sends(request, Done(summary="Done."))).state is S.SUCCEEDED
