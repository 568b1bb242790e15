"""The simulated Mailin, seen by somebody who speaks plain HTTP."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from providers.mailin.sandbox import (
    SANDBOX_EMAIL,
    SANDBOX_PASSWORD,
    Fault,
    MailinSandbox,
    Running,
    Work,
    create_app,
    serve,
)

API = "/api/v1/public"


@pytest.fixture
async def anonymous(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=running.url) as http:
        yield http


@pytest.fixture
async def http(anonymous: httpx.AsyncClient, sandbox: MailinSandbox) -> httpx.AsyncClient:
    anonymous.headers["Authorization"] = f"Bearer {sandbox.log_in()}"
    return anonymous


async def log_in(http: httpx.AsyncClient, **changed: Any) -> httpx.Response:
    body = {"email": SANDBOX_EMAIL, "password": SANDBOX_PASSWORD, "device_name": "test"} | changed
    return await http.post(f"{API}/auth/login", json=body)


async def buy(http: httpx.AsyncClient, *names: str, google: bool = False) -> httpx.Response:
    end = "/google" if google else ""
    if len(names) == 1:
        return await http.post(f"{API}/domains/buy{end}", json={"domain_name": names[0]})
    return await http.post(f"{API}/domains/buy-multiple{end}", json={"domain_names": names})


class TestLoggingIn:
    async def test_a_token_opens_the_rest(self, anonymous: httpx.AsyncClient) -> None:
        assert (await anonymous.get(f"{API}/domains")).status_code == 401
        answered = (await log_in(anonymous)).json()
        assert answered["token"].startswith("1|")
        header = {"Authorization": f"Bearer {answered['token']}"}
        assert (await anonymous.get(f"{API}/domains", headers=header)).status_code == 200

    async def test_the_device_name_is_required(self, anonymous: httpx.AsyncClient) -> None:
        refused = await log_in(anonymous, device_name="")
        assert refused.status_code == 422
        assert refused.json()["errors"] == {"device_name": ["The device name field is required."]}

    async def test_the_wrong_password(self, anonymous: httpx.AsyncClient) -> None:
        assert (await log_in(anonymous, password="guess")).status_code == 401

    async def test_tokens_end(self, http: httpx.AsyncClient, sandbox: MailinSandbox, clock: Any) -> None:
        sandbox.token_seconds = 60
        assert (await http.get(f"{API}/domains")).status_code == 200
        clock.advance(60)
        assert (await http.get(f"{API}/domains")).status_code == 401
        http.headers["Authorization"] = f"Bearer {sandbox.log_in()}"
        sandbox.expire_tokens()
        assert (await http.get(f"{API}/domains")).status_code == 401


class TestBuying:
    async def test_one_domain_from_free_to_live(
        self, http: httpx.AsyncClient, sandbox: MailinSandbox, clock: Any
    ) -> None:
        sandbox.job_seconds = 20
        available = f"{API}/domains/check/domain-availability?domain_name=acme.com"
        assert (await http.get(available)).json()["available"] is True

        accepted = await buy(http, "acme.com")
        assert accepted.status_code == 210
        job = accepted.json()["uuid"]
        assert sandbox.times_bought("acme.com") == 1
        taken = await http.get(available)
        assert (taken.status_code, taken.json()["available"]) == (404, False)

        words = []
        for _ in range(3):
            text = (await http.get(f"{API}/domains/status/{job}")).text
            with pytest.raises(ValueError):
                json.loads(text)  # as documented: its id has no quotes
            words.append(text.split('"status": "')[1].split('"')[0])
            clock.advance(10)
        assert words == ["pending", "processing", "completed"]
        [domain] = (await http.get(f"{API}/domains")).json()["data"]
        assert (domain["name"], domain["status"], domain["name_servers"]) == (
            "acme.com",
            "1",
            "ns1.mailin.ai, ns2.mailin.ai",
        )

    async def test_several_and_the_forgotten_comma(self, http: httpx.AsyncClient, sandbox: MailinSandbox) -> None:
        accepted = await buy(http, "a.com", "b.co", google=True)
        assert accepted.status_code == 210
        with pytest.raises(ValueError):
            accepted.json()
        assert [purchase.hosting for purchase in sandbox.purchases] == ["google", "google"]
        assert (await http.get(f"{API}/domains")).json()["total"] == 0
        google = (await http.get(f"{API}/domains/list/google")).json()
        assert google["data"][0]["provider_type"] == "google"

    async def test_what_is_taken(self, http: httpx.AsyncClient, sandbox: MailinSandbox) -> None:
        one, several = await buy(http, "taken.com"), await buy(http, "free.com", "google.com")
        assert (one.status_code, one.json()["unavailable"]) == (422, {"domain": "taken.com"})
        assert (several.status_code, several.json()["unavailable"]) == (422, ["google.com"])
        assert sandbox.purchases == []

    @pytest.mark.parametrize("names", [("acme.net",), ("",), ("a.com", "acme.net")])
    async def test_what_is_not_sold(self, http: httpx.AsyncClient, names: tuple[str, ...]) -> None:
        refused = await buy(http, *names)
        assert refused.status_code == 422
        assert list(refused.json()) == ["message", "errors"]

    async def test_twice_is_paid_twice_while_nobody_knows_yet(
        self, http: httpx.AsyncClient, sandbox: MailinSandbox, clock: Any
    ) -> None:
        sandbox.listing_lag_seconds = 30
        assert [(await buy(http, "acme.com")).status_code for _ in range(2)] == [210, 210]
        assert (await http.get(f"{API}/domains")).json()["data"] == []
        clock.advance(30)
        assert (await buy(http, "acme.com")).status_code == 422
        assert sandbox.times_bought("acme.com") == 2
        assert (await http.get(f"{API}/domains")).json()["total"] == 1

    async def test_a_job_that_fails_wholly_or_in_part(self, http: httpx.AsyncClient, sandbox: MailinSandbox) -> None:
        sandbox.failing = {"bad.com", "worse.com"}
        for names, word in ((("bad.com", "worse.com"), "failed"), (("good.com", "bad.com"), "completed_with_errors")):
            await buy(http, *names)
            job = list(sandbox.jobs)[-1]
            assert f'"status": "{word}"' in (await http.get(f"{API}/domains/status/{job}")).text
        assert [purchase.domain for purchase in sandbox.purchases] == ["good.com"]

    async def test_an_unknown_job(self, http: httpx.AsyncClient) -> None:
        answered = await http.get(f"{API}/domains/status/nope")
        assert (answered.status_code, answered.json()) == (404, {"message": "Domain not found."})


class TestListing:
    async def test_pages_of_fifteen_and_a_wildcard(self, http: httpx.AsyncClient, sandbox: MailinSandbox) -> None:
        sandbox.own(*(f"acme{n}.com" for n in range(17)), "other.com")
        first = (await http.get(f"{API}/domains?name=ACME")).json()
        assert (len(first["data"]), first["per_page"], first["last_page"], first["total"]) == (15, 15, 2, 17)
        assert first["next_page_url"] == f"https://api.mailin.ai{API}/domains?page=2"
        second = (await http.get(f"{API}/domains?name=acme&page=2")).json()
        assert (len(second["data"]), second["next_page_url"], second["from"], second["to"]) == (2, None, 16, 17)


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "bought"),
        [
            (Fault.cut_before(), 0),
            (Fault.cut_after(), 2),
            (Fault.cut_after(work=Work.HALF), 1),
            (Fault.cut_in_answer(), 2),
        ],
    )
    async def test_a_cut_is_a_cut(
        self, http: httpx.AsyncClient, sandbox: MailinSandbox, fault: Fault, bought: int
    ) -> None:
        sandbox.faults.add("buy_multiple", fault)
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await buy(http, "a.com", "b.com")
        assert len(sandbox.purchases) == bought
        assert (await http.get(f"{API}/domains")).status_code == 200

    @pytest.mark.parametrize(
        ("status", "work", "bought"),
        [
            (500, "nothing", 0),
            (500, "all", 2),
            (310, "nothing", 0),
            (310, "all", 2),
            (313, "half", 1),
            (429, "nothing", 0),
        ],
    )
    async def test_a_status_with_all_half_or_nothing_done(
        self, http: httpx.AsyncClient, sandbox: MailinSandbox, status: int, work: str, bought: int
    ) -> None:
        sandbox.faults.add("buy_multiple", Fault.answers(status, work=Work(work), retry_after=9))
        answered = await buy(http, "a.com", "b.com")
        assert (answered.status_code, answered.headers["retry-after"]) == (status, "9")
        assert len(sandbox.purchases) == bought

    async def test_answers_nobody_can_read(self, http: httpx.AsyncClient, sandbox: MailinSandbox) -> None:
        sandbox.faults.add("buy", Fault.malformed())
        sandbox.faults.add("buy", Fault.unknown_shape())
        assert "uuid" not in (await buy(http, "a.com")).text
        assert (await buy(http, "b.com")).json() == {"result": {"ok": 1}}
        assert (await buy(http, "c.com")).json()["uuid"]
        assert len(sandbox.purchases) == 3

    async def test_slow_but_done(self, http: httpx.AsyncClient, sandbox: MailinSandbox) -> None:
        sandbox.faults.add("buy", Fault.slow(10))
        with pytest.raises(httpx.ReadTimeout):
            await http.post(f"{API}/domains/buy", json={"domain_name": "a.com"}, timeout=0.03)
        assert sandbox.times_bought("a.com") == 1

    async def test_without_a_real_connection_a_cut_is_an_error(self, sandbox: MailinSandbox) -> None:
        sandbox.faults.add("login", Fault.cut_before())
        transport = httpx.ASGITransport(create_app(sandbox))
        async with httpx.AsyncClient(base_url="http://mailin.test", transport=transport) as http:
            with pytest.raises(ConnectionAbortedError):
                await log_in(http)
            assert (await log_in(http)).status_code == 200


class TestDrivingItFromOutside:
    async def test_state_settings_and_faults(self, http: httpx.AsyncClient, sandbox: MailinSandbox) -> None:
        changed = await http.post(
            "/sandbox/settings", json={"job_seconds": 5, "listing_lag_seconds": 1, "taken": ["mine.com"]}
        )
        assert changed.json()["job_seconds"] == 5.0
        assert sandbox.taken == {"mine.com"}

        added = await http.post(
            "/sandbox/faults", json={"operation": "buy", "kind": "status", "status": 313, "times": 2}
        )
        assert (added.status_code, added.json()) == (201, {"buy": 2})
        assert (await buy(http, "a.com")).status_code == 313
        await http.delete("/sandbox/faults")
        assert (await buy(http, "b.com")).status_code == 210

        state = (await http.get("/sandbox/state")).json()
        assert [purchase["domain"] for purchase in state["purchases"]] == ["a.com", "b.com"]
        assert [job["state"] for job in state["jobs"].values()] == ["pending", "pending"]
        assert state["calls"] == {"buy": 2}

        await http.post("/sandbox/expire-tokens")
        assert (await buy(http, "c.com")).status_code == 401

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/sandbox/settings", {"jobseconds": 1}),
            ("/sandbox/faults", {"operation": "sell", "kind": "cut"}),
            ("/sandbox/faults", {"operation": "buy", "kind": "meteor"}),
            ("/sandbox/faults", {"operation": "buy", "kind": "slow", "minutes": 1}),
        ],
    )
    async def test_slips_are_told(self, http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
        assert (await http.post(path, json=body)).status_code == 422


class TestServing:
    async def test_signals_stay_with_whoever_runs_the_loop(self, sandbox: MailinSandbox) -> None:
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        async with serve(sandbox):
            assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

    async def test_when_it_stops_it_is_gone(self, sandbox: MailinSandbox) -> None:
        async with httpx.AsyncClient() as http:
            async with serve(sandbox) as running:
                await http.get(f"{running.url}/sandbox/state")
                sandbox.faults.add("login", Fault.slow(60))
                waiting = asyncio.create_task(log_in(httpx.AsyncClient(base_url=running.url)))
                await asyncio.sleep(0.02)
            with pytest.raises(httpx.TransportError):
                await waiting
            with pytest.raises(httpx.ConnectError):
                await http.get(f"{running.url}/sandbox/state")

    async def test_a_port_that_is_in_use(self, sandbox: MailinSandbox, running: Running) -> None:
        with pytest.raises(OSError):
            async with serve(sandbox, port=int(running.url.rsplit(":", 1)[1])):
                pass
