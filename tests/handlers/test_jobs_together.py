"""Many things at once: nobody starves, one listing tells about all, and what breaks for one breaks for no other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from handlers.jobs import CLAIMED_AHEAD, LOOKS_AT_ONCE
from providers.action import Pending
from providers.errors import NotSent, Upstream
from providers.mailin.actions.domains import AddSubdomain, TransferDomain
from providers.mailin.client import MailinClient, MailinSettings, connect
from providers.mailin.sandbox import SANDBOX_EMAIL, SANDBOX_PASSWORD, MailinSandbox, serve
from tests.handlers.jobs_stage import TIMES, Provider, Stage, Time

Open = Callable[..., Awaitable[Stage]]


@pytest.fixture
async def opens() -> AsyncIterator[Callable[..., Stage]]:
    stages: list[Stage] = []

    def open_it(*accounts: str, apart: float = 0.0, **more: Any) -> Stage:
        time = Time()
        stages.append(Stage({name: Provider(time, apart) for name in accounts}, time, **more))
        return stages[-1]

    yield open_it
    for stage in stages:
        await stage.closes()


class TestFairness:
    async def test_five_thousand_of_one_account_do_not_starve_the_one_of_another(self, opens: Any) -> None:
        stage = opens("single-full", "single-small", apart=1.0)
        await stage.things("single-full", {f"n{number}": 1e9 for number in range(5000)}, due_in=0)
        await stage.things("single-small", {"only": 60.0}, due_in=0)

        await stage.runs_for(minutes=3)

        (delay,) = await stage.delays("single-small")
        assert delay <= 30  # as if it were alone
        assert len(stage.providers["single-full"].asked) >= 3 * 60 * 0.95  # while the other's pace was used to the full

    async def test_an_accounts_looks_are_as_many_as_its_pace_allows(self, opens: Any) -> None:
        stage = opens("single-free", "single-paced")
        stage.providers["single-paced"].apart = 0.5
        for account in stage.providers:
            await stage.things(account, {f"{account} {number}": 1e9 for number in range(1000)}, due_in=0)
        await stage.restarts()  # with the pace that it has now

        await stage.runs_for(seconds=9)

        assert stage.providers["single-free"].most_under_way == LOOKS_AT_ONCE
        assert stage.providers["single-paced"].most_under_way == 4  # two seconds of its queue
        assert len(stage.providers["single-paced"].asked) >= 17
        leased = await stage.rows("SELECT COUNT(*) FROM jobs WHERE account = 'single-paced' AND lease_until <> ''")
        assert leased[0][0] <= 4 * CLAIMED_AHEAD

    async def test_what_has_waited_longest_is_asked_about_first(self, opens: Any) -> None:
        stage = opens("single-main", apart=1.0)
        for place in (3, 1, 2):
            await stage.things("single-main", {f"due {place}": 1e9}, due_in=place - 10)
        await stage.runs_for(seconds=4)
        assert [what for _, what in stage.providers["single-main"].asked] == ["due 1", "due 2", "due 3"]

    async def test_a_process_that_ends_gives_back_what_it_had_not_begun(self, opens: Any) -> None:
        stage = opens("single-main", apart=1.0)
        await stage.things("single-main", {f"n{number}": 1e9 for number in range(6)}, due_in=0)
        await stage.jobs.look()
        draining = asyncio.create_task(stage.jobs.looks.drain(5))
        await stage.runs_for(seconds=5)
        await draining

        assert stage.providers["single-main"].most_under_way == 2
        assert await stage.rows("SELECT * FROM jobs WHERE lease_until <> ''") == []
        assert len(await stage.rows("SELECT * FROM jobs WHERE attempts = 0")) == 4

    async def test_a_process_that_dies_holds_nothing_up_for_longer_than_its_lease(self, opens: Any) -> None:
        stage = opens("single-main")
        await stage.things("single-main", {f"n{number}": 5.0 for number in range(50)}, due_in=10)
        stage.providers["single-main"].thinks = 1e6
        await stage.runs_for(seconds=20)
        assert stage.providers["single-main"].under_way == 50
        await stage.restarts()
        stage.providers["single-main"].thinks = 0.05

        await stage.runs_for(seconds=71)

        assert max(await stage.delays("single-main")) <= 5 + TIMES.lease.total_seconds() + 2


class TestTogether:
    async def test_one_listing_for_all_that_are_due_or_nearly(self, opens: Any) -> None:
        stage = opens("listed-main")
        ready = {f"n{number}": 5.0 if number % 2 else 1e9 for number in range(1000)}
        dues = iter(range(1000))
        await stage.things("listed-main", ready, due_in=lambda: 10 + next(dues) % 60)

        await stage.runs_for(seconds=12)

        assert len(stage.providers["listed-main"].asked) == 10  # ten pages, once
        assert len(await stage.delays("listed-main")) == 500
        assert len(await stage.rows("SELECT DISTINCT due_at FROM jobs WHERE lease_until = ''")) < 20
        await stage.runs_for(seconds=25)
        assert len(stage.providers["listed-main"].asked) == 20

    async def test_while_a_long_listing_is_read_the_others_of_the_account_go_on(self, opens: Any) -> None:
        stage = opens("listed-main", apart=1.0)
        await stage.things("listed-main", {f"n{number}": 1e9 for number in range(2000)}, due_in=0)
        stage.providers["listed-main"].ready_at["other"] = stage.time.now() + timedelta(seconds=3)
        request = {"other": {"name": "other"}}
        await stage.runs_for(seconds=1)
        # Of another kind, in the same account: it has to be asked about by itself.
        await stage.waits_for("listed-main", request, command="thing alone", due_in=2)

        await stage.runs_for(seconds=15)

        asked = [what for _, what in stage.providers["listed-main"].asked]
        assert "other" in asked
        assert "page 20" not in asked

    async def test_a_listing_that_cannot_be_read_is_tried_again_later_for_all(self, opens: Any) -> None:
        stage = opens("listed-main")
        await stage.things("listed-main", {f"n{number}": 5.0 for number in range(300)})
        stage.providers["listed-main"].broken["listing"] = Upstream("The provider did not answer.")
        await stage.runs_for(seconds=15)
        assert len(stage.providers["listed-main"].asked) == 3
        assert await stage.delays("listed-main") == []

        stage.providers["listed-main"].broken.clear()
        await stage.runs_for(seconds=30)
        assert len(await stage.delays("listed-main")) == 300

    async def test_where_our_own_way_with_many_breaks_each_is_asked_about(self, opens: Any) -> None:
        stage = opens("listed-main")
        await stage.things("listed-main", {f"n{number}": 5.0 for number in range(30)})
        stage.providers["listed-main"].broken["listing"] = TypeError("ours")
        await stage.runs_for(minutes=1)

        assert len(await stage.delays("listed-main")) == 30
        asked = Counter(what for _, what in stage.providers["listed-main"].asked)
        assert asked["page 1"] == 1
        assert asked["n7"] == 1


class TestTheEnd:
    async def test_a_job_past_its_deadline_is_told_about_once_without_contradiction(self, opens: Any) -> None:
        stage = opens("single-main", times=replace(TIMES, deadline=timedelta(hours=1)))
        await stage.things("single-main", {"slow": 1e9})
        stage.providers["single-main"].broken["slow"] = NotSent("The provider could not be reached.")
        await stage.runs_for(hours=30)

        told = await stage.rows("SELECT body FROM messages WHERE kind = 'note'")
        assert len(told) == 1
        assert (
            "After an hour it cannot be seen whether the provider has finished, so Postroom no longer asks"
            in told[0][0]
        )
        assert "That says nothing about the order." in told[0][0]
        assert await stage.rows("SELECT state, asks_person FROM requests") == [("unknown", 1)]

    async def test_what_was_learnt_outlives_the_process_and_makes_the_next_looks_fit(self, opens: Any) -> None:
        stage = opens("single-main", "single-other")
        for number in range(8):
            await stage.things("single-main", {f"n{number}": 600.0 + number})
            await stage.runs_for(minutes=20)
        await stage.restarts()
        before = max(await stage.delays("single-main"))
        asked = len(stage.providers["single-main"].asked)

        for account in stage.providers:
            await stage.things(account, {f"last of {account}": 605.0})
        await stage.runs_for(minutes=20)

        last = min(await stage.delays("single-main"))
        assert last <= 90
        assert last < before
        assert len(stage.providers["single-main"].asked) - asked <= len(stage.providers["single-other"].asked) + 4

    async def test_a_transfer_may_wait_for_its_nameservers_for_a_week(self) -> None:
        assert TransferDomain.deadline == timedelta(days=7)
        async with at_mailin(TransferDomain) as (stage, client, sandbox):
            sandbox.job_seconds = 30 * 86400
            request_id = "req_week"
            accepted = await client.transfer_domain("acme.com")
            given = {"domain": "acme.com"}
            await stage.waits_for("mailin-main", {request_id: given}, command="domain transfer", due_in=0)
            request = await stage.store.requests.get(request_id)
            assert request is not None
            pending = Pending(ref={"name_servers": list(accepted.name_servers)}, progress="")
            await stage.outcomes.conclude(request, pending, expect=[request.state])
            (deadline,) = (row[0] for row in await stage.rows("SELECT deadline_at FROM jobs"))
            assert deadline.startswith("2026-03-09T09:00")

            stage.time.at += timedelta(days=7, seconds=1)
            await looks(stage)

            (told,) = (row[0] for row in await stage.rows("SELECT body FROM messages WHERE body LIKE '%stuck%'"))
            assert "After 7 days the provider has not finished, so Postroom no longer asks it by itself." in told
            assert accepted.name_servers[0] in told
            assert "keeps looking" not in told


@asynccontextmanager
async def at_mailin(*actions: Any) -> AsyncIterator[tuple[Stage, MailinClient, MailinSandbox]]:
    """The real client of Mailin, at a Mailin that listens on a real port."""
    time = Time()
    sandbox = MailinSandbox(time)
    async with serve(sandbox) as running:
        settings = MailinSettings(
            provider="mailin", base_url=running.url, email=SANDBOX_EMAIL, password=SecretStr(SANDBOX_PASSWORD),
            min_seconds_between_calls=0,
        )  # fmt: skip
        client = connect("mailin-main", settings, time, sleep=time.sleep)
        stage = Stage({}, time, actions=actions, clients={"mailin-main": client})
        try:
            yield stage, client, sandbox
        finally:
            await stage.closes()
            await client.aclose()


async def looks(stage: Stage) -> None:
    await stage.jobs.look()
    await stage.jobs.looks.settled()


class TestAtMailin:
    async def test_five_thousand_waiting_transfers_cost_the_pages_of_one_listing(self) -> None:
        async with at_mailin(TransferDomain) as (stage, client, sandbox):
            names = [f"acme{number}.com" for number in range(5000)]
            sandbox.own(*names)
            for name in names[::2]:
                sandbox.domains[name].active_at += timedelta(days=2)
            given = {f"req_{name}": {"domain": name} for name in names}
            await stage.waits_for("mailin-main", given, command="domain transfer", due_in=0)
            await client.find_domain("warm.up")
            before = Counter(sandbox.calls)

            await looks(stage)

            calls = Counter(sandbox.calls) - before
            assert calls.total() <= 50 + 1
            states = dict(await stage.rows("SELECT state, COUNT(*) FROM requests GROUP BY state"))
            assert states == {"succeeded": 2500, "working": 2500}

    async def test_a_few_in_a_large_account_are_looked_for_by_name(self) -> None:
        async with at_mailin(TransferDomain) as (stage, client, sandbox):
            sandbox.own(*[f"other{number}.com" for number in range(2000)], "acme-a.com", "acme-b.com")
            given = {name: {"domain": f"acme-{name}.com"} for name in ("a", "b", "missing")}
            await stage.waits_for("mailin-main", given, command="domain transfer", due_in=0)
            await client.find_domain("warm.up")
            before = Counter(sandbox.calls)

            await looks(stage)

            assert (Counter(sandbox.calls) - before).total() <= 4
            states = dict(await stage.rows("SELECT id, state FROM requests"))
            assert states == {"a": "succeeded", "b": "succeeded", "missing": "working"}

    @pytest.mark.parametrize("hosting", ["smtp", "google"])
    async def test_asked_together_or_each_alone_the_answers_are_the_same(self, hosting: Any) -> None:
        async with at_mailin(TransferDomain) as (stage, client, sandbox):
            sandbox.own("live.com", "late.com", "a.live.com", hosting=hosting)
            sandbox.domains["late.com"].active_at += timedelta(days=1)
            waiting: list[tuple[Any, dict[str, Any]]] = [
                *((TransferDomain(domain=name, hosting=hosting), {"name_servers": ["ns1.x.com"]})
                  for name in ("live.com", "late.com", "no.com")),
                *((AddSubdomain(subdomain=name), {}) for name in ("a.live.com", "b.live.com")),
            ]  # fmt: skip
            stage.time.at += timedelta(hours=1)
            for kind in (TransferDomain, AddSubdomain):
                own = [(action, ref) for action, ref in waiting if type(action) is kind]
                together = await kind.poll_many(client, own)
                alone = [await action.polled(client, ref) for action, ref in own]
                assert list(map(repr, together)) == list(map(repr, alone))
