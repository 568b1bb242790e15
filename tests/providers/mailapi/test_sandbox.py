"""The simulated MailAPI, seen by somebody who speaks plain HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from providers.mailapi.sandbox import SANDBOX_KEY, MailApiSandbox, Running, create_app
from providers.simulator import Fault, Work

API = "/api/v1"
KEY = {"key": SANDBOX_KEY}
CALLER = KEY | {"caller_id": "123"}


@pytest.fixture
async def http(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=running.url) as http:
        yield http


class TestQuirks:
    @pytest.mark.parametrize(
        ("query", "status"),
        [({}, 401), ({"key": "x"}, 401), (KEY, 403), (KEY | {"caller_id": "7"}, 403), (CALLER, 200)],
    )
    async def test_who_is_let_in(self, http: httpx.AsyncClient, query: dict[str, str], status: int) -> None:
        assert (await http.get(f"{API}/list/domain", params=query)).status_code == status

    async def test_each_edition_looks_in_its_own_place(self, http: httpx.AsyncClient, sandbox: MailApiSandbox) -> None:
        header = {"X-Api-Key": SANDBOX_KEY}
        body = {"Domain": "acme.com", "Params": {}}
        assert (await http.post(f"{API}/create/domain", json=body, headers=header, params=KEY)).status_code == 401
        sandbox.edition = "header"
        assert (await http.post(f"{API}/create/domain", json=body | KEY)).status_code == 401
        assert (await http.post(f"{API}/create/domain", json=body, headers=header)).json()["task_id"]

    async def test_nothing_is_a_list_and_something_a_map(
        self, http: httpx.AsyncClient, sandbox: MailApiSandbox
    ) -> None:
        assert (await http.get(f"{API}/list/domain", params=CALLER)).json()["results"] == []
        sandbox.own("acme.com", mailboxes=3)
        listed = (await http.get(f"{API}/list/domain", params=CALLER)).json()
        assert (listed["user_id"], listed["total_domain"]) == ("123", 1)
        facts = {"status": "verified", "domain_quota": "10GB", "mailbox_count": "3", "created_at": "02-03-2026"}
        assert listed["results"] == {"acme.com": facts}

    @pytest.mark.parametrize(
        ("labels", "status"), [([f"a{n}" for n in range(11)], 422), (["a_b"], 422), (None, 422), (["a"], 200)]
    )
    async def test_only_success_uses_up_the_hour(
        self, http: httpx.AsyncClient, sandbox: MailApiSandbox, labels: Any, status: int
    ) -> None:
        sandbox.own("acme.com")
        body = {"Domain": "acme.com", "Params": {"sub_domains": labels}} | KEY
        assert (await http.post(f"{API}/create/sub-domain", json=body)).status_code == status
        assert sandbox.seconds_to_wait("acme.com") == (3600 if status == 200 else 0)

    async def test_the_number_twice(self, http: httpx.AsyncClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com")
        body = {"Email_fullname": "john", "single_bulk": "single", "Domain": "acme.com", "Params": {}} | KEY
        task_id = (await http.post(f"{API}/create/mailbox/single", json=body)).json()["task_id"]
        task = (await http.get(f"{API}/get/mailbox/single", params=KEY | {"task_id": task_id})).json()
        assert (task["Task_id"], task["task_id"], task["status"]) == (task_id, str(task_id), "completed")
        wrong = await http.post(f"{API}/create/mailbox/bulk", json=body | {"Params": {"count": 1}})
        assert wrong.status_code == 422


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "made"),
        [
            (Fault.cut_before(), 0),
            (Fault.cut_after(), 4),
            (Fault.cut_after(work=Work.HALF), 2),
            (Fault.cut_in_answer(), 4),
        ],
    )
    async def test_a_cut_is_a_cut(
        self, http: httpx.AsyncClient, sandbox: MailApiSandbox, fault: Fault, made: int
    ) -> None:
        sandbox.own("acme.com")
        sandbox.faults.add("create_mailboxes", fault)
        body = {"Email_fullname": "t", "single_bulk": "bulk", "Domain": "acme.com", "Params": {"count": 4}} | KEY
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await http.post(f"{API}/create/mailbox/bulk", json=body)
        assert len(sandbox.made) == made

    async def test_without_a_real_connection_a_cut_is_an_error(self, sandbox: MailApiSandbox) -> None:
        sandbox.faults.add("domains", Fault.cut_before())
        transport = httpx.ASGITransport(create_app(sandbox))
        async with httpx.AsyncClient(base_url="http://mailapi.test", transport=transport) as http:
            with pytest.raises(ConnectionAbortedError):
                await http.get(f"{API}/list/domain", params=CALLER)


class TestDrivingItFromOutside:
    async def test_state_settings_and_faults(self, http: httpx.AsyncClient, sandbox: MailApiSandbox) -> None:
        changed = await http.post(
            "/sandbox/settings",
            json={"task_seconds": 5, "tells_when": False, "failing": ["a@b.co"], "own": ["acme.com"]},
        )
        assert (changed.json()["task_seconds"], changed.json()["failing"]) == (5.0, ["a@b.co"])
        added = await http.post("/sandbox/faults", json={"operation": "domains", "kind": "status", "status": 503})
        assert (added.status_code, added.json()) == (201, {"domains": 1})
        assert (await http.get(f"{API}/list/domain", params=CALLER)).status_code == 503
        await http.delete("/sandbox/faults")
        sandbox.begin("bulk", "acme.com", ["a"], 1, asked=["a"])
        state = (await http.get("/sandbox/state")).json()
        assert (state["made"], state["domains"]) == (["a@acme.com"], [{"name": "acme.com", "verified": True}])
        assert state["tasks"] == {"123": {"kind": "bulk", "mailboxes": ["a@acme.com"], "over": False}}
        assert (state["calls"], state["seconds_to_wait"]) == ({"domains": 1}, {"acme.com": 0})

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/sandbox/settings", {"edition": "header"}),
            ("/sandbox/faults", {"operation": "sell", "kind": "cut"}),
            ("/sandbox/faults", {"operation": "domains", "kind": "meteor"}),
            ("/sandbox/faults", {"operation": "domains", "kind": "slow", "minutes": 1}),
        ],
    )
    async def test_slips_are_told(self, http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
        assert (await http.post(path, json=body)).status_code == 422
