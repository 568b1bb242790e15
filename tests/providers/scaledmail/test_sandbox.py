"""The simulated ScaledMail, seen by somebody who speaks plain HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from providers.scaledmail.sandbox import (
    SANDBOX_KEY,
    SANDBOX_ORGANIZATION,
    SANDBOX_SECOND_ORGANIZATION,
    Running,
    ScaledMailSandbox,
    create_app,
    serve,
)
from providers.simulator import Fault, Work

HERE = {"organization_id": SANDBOX_ORGANIZATION}


@pytest.fixture
async def http(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {SANDBOX_KEY}"}
    async with httpx.AsyncClient(base_url=running.root, headers=headers) as http:
        yield http


async def get(http: httpx.AsyncClient, path: str, **query: str) -> httpx.Response:
    return await http.get(f"/api/v1{path}", params={**HERE, **query})


async def buy(http: httpx.AsyncClient, sandbox: ScaledMailSandbox, *names: str) -> httpx.Response:
    ids = {inbox.domain: inbox.id for inbox in sandbox.stock.values()}
    body = {"tag": "t", "domains": [{"id": ids.get(name, "rec-none"), "domain": name} for name in names]}
    return await http.post("/api/v1/buy-pre-warm-inboxes", params=HERE, json=body)


class TestWhoMayAsk:
    @pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer no"}, {"Authorization": f"Basic {SANDBOX_KEY}"}])
    async def test_without_the_key_nothing(self, running: Running, header: dict[str, str]) -> None:
        async with httpx.AsyncClient(headers=header) as http:
            assert (await http.get(f"{running.url}/organizations")).status_code == 401

    async def test_everything_but_the_organizations_needs_one(
        self, http: httpx.AsyncClient, sandbox: ScaledMailSandbox
    ) -> None:
        assert (await http.get("/api/v1/organizations")).status_code == 200
        assert (await http.get("/api/v1/domains")).status_code == 400
        assert (await get(http, "/domains", organization_id="typo")).status_code == 404
        sandbox.organizations_need_one = True
        assert (await http.get("/api/v1/organizations")).status_code == 400


class TestBuying:
    async def test_listed_after_the_lag_active_after_that(
        self, http: httpx.AsyncClient, sandbox: ScaledMailSandbox, clock: Any
    ) -> None:
        sandbox.listing_lag_seconds, sandbox.setup_seconds = 10, 20
        sandbox.put_on_shelf("warm.com")
        assert (await buy(http, sandbox, "warm.com")).status_code == 200
        assert (await get(http, "/purchased-domains")).json() == {"domains": []}
        clock.advance(10)
        words = []
        for _ in range(2):
            [row] = (await get(http, "/domains")).json()["domains"]
            words.append((row["status"], row["tag"]))
            clock.advance(10)
        assert words == [("Pending", "t"), ("Active", "t")]
        assert (await get(http, "/domains", organization_id=SANDBOX_SECOND_ORGANIZATION)).json() == {"domains": []}

    async def test_twice_is_paid_twice_while_nobody_knows_yet(
        self, http: httpx.AsyncClient, sandbox: ScaledMailSandbox, clock: Any
    ) -> None:
        sandbox.listing_lag_seconds = 10
        sandbox.put_on_shelf("warm.com")
        assert [(await buy(http, sandbox, "warm.com")).status_code for _ in range(2)] == [200, 200]
        clock.advance(10)
        assert (await buy(http, sandbox, "warm.com")).status_code == 400
        assert sandbox.times_bought("warm.com") == 2
        assert len((await get(http, "/domains")).json()["domains"]) == 1
        assert (await get(http, "/pre-warm-inboxes")).json()["google"] == []

    async def test_a_charge_that_fails_has_bought_all_the_same(
        self, http: httpx.AsyncClient, sandbox: ScaledMailSandbox
    ) -> None:
        sandbox.charge_fails = True
        sandbox.put_on_shelf("warm.com")
        answered = await buy(http, sandbox, "warm.com")
        assert (answered.status_code, answered.json()["message"]) == (400, "Subscription created but unable to charge")
        assert [purchase.charged for purchase in sandbox.purchases] == [False]
        [row] = (await get(http, "/domains")).json()["domains"]
        assert (row["status"], row["payment_status"]) == ("Active", "requires_confirmation")

    async def test_what_is_not_there(self, http: httpx.AsyncClient, sandbox: ScaledMailSandbox) -> None:
        sandbox.put_on_shelf("warm.com")
        assert (await buy(http, sandbox, "none.com")).status_code == 400
        assert (await buy(http, sandbox, "warm.com", "none.com")).status_code == 200
        assert [purchase.domain for purchase in sandbox.purchases] == ["warm.com"]

    @pytest.mark.parametrize(
        "body", [{}, {"domains": []}, {"domains": ["warm.com"]}, {"domains": [{}], "sequencer": {"provider": "x"}}]
    )
    async def test_a_body_that_is_none(self, http: httpx.AsyncClient, body: dict[str, Any]) -> None:
        assert (await http.post("/api/v1/buy-pre-warm-inboxes", params=HERE, json=body)).status_code == 400


class TestMailboxes:
    async def test_passwords_only_for_whoever_asks(self, http: httpx.AsyncClient, sandbox: ScaledMailSandbox) -> None:
        [domain] = sandbox.own("acme.com", mailboxes=7)
        sandbox.bare_arrays = True
        rows = (await get(http, f"/mailboxes/{domain.id}")).json()
        assert (len({row["email"] for row in rows}), "password" in rows[0]) == (7, False)
        assert (await get(http, f"/mailboxes/{domain.id}", password="true")).json()[0]["password"]
        assert (await get(http, "/mailboxes/none")).status_code == 404


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
        self, http: httpx.AsyncClient, sandbox: ScaledMailSandbox, fault: Fault, bought: int
    ) -> None:
        sandbox.put_on_shelf("a.com", "b.com")
        sandbox.faults.add("buy", fault)
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await buy(http, sandbox, "a.com", "b.com")
        assert len(sandbox.purchases) == bought
        assert (await get(http, "/domains")).status_code == 200

    async def test_without_a_real_connection_a_cut_is_an_error(self, sandbox: ScaledMailSandbox) -> None:
        sandbox.faults.add("organizations", Fault.cut_before())
        transport = httpx.ASGITransport(create_app(sandbox))
        headers = {"Authorization": f"Bearer {SANDBOX_KEY}"}
        async with httpx.AsyncClient(base_url="http://sm.test/api/v1", transport=transport, headers=headers) as http:
            with pytest.raises(ConnectionAbortedError):
                await http.get("/organizations")
            assert (await http.get("/organizations")).status_code == 200

    async def test_an_operation_there_is_not(self, sandbox: ScaledMailSandbox) -> None:
        with pytest.raises(ValueError):
            sandbox.faults.add("sell", Fault.cut_before())


class TestDrivingItFromOutside:
    async def test_state_settings_and_faults(self, http: httpx.AsyncClient, sandbox: ScaledMailSandbox) -> None:
        sandbox.put_on_shelf("a.com", "b.com")
        changed = await http.post("/sandbox/settings", json={"setup_seconds": 5, "charge_fails": True})
        assert (changed.json()["setup_seconds"], sandbox.charge_fails) == (5.0, True)

        fault = {"operation": "buy", "kind": "status", "status": 429, "retry_after": "9", "work": "nothing", "times": 2}
        added = await http.post("/sandbox/faults", json=fault)
        assert (added.status_code, added.json()) == (201, {"buy": 2})
        refused = await buy(http, sandbox, "a.com")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "9")
        await http.delete("/sandbox/faults")
        assert (await buy(http, sandbox, "a.com")).status_code == 400

        state = (await http.get("/sandbox/state")).json()
        assert [(p["domain"], p["charged"], p["price"]) for p in state["purchases"]] == [("a.com", False, "31")]
        assert (state["calls"], state["faults"], state["stock"]) == ({"buy": 2}, {}, ["b.com"])

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

    async def test_a_port_that_is_in_use(self, sandbox: ScaledMailSandbox, running: Running) -> None:
        with pytest.raises(OSError):
            async with serve(sandbox, port=int(running.root.rsplit(":", 1)[1])):
                pass
