"""The simulated Instantly, seen by somebody who speaks plain HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from providers.instantly.sandbox import (
    SANDBOX_ORGANIZATION_ID,
    SANDBOX_ORGANIZATION_TOKEN,
    SANDBOX_SESSION,
    InstantlySandbox,
    Running,
    create_app,
)
from providers.simulator import Fault, Work

HEADERS = {
    "Cookie": f"__session={SANDBOX_SESSION}",
    "X-Org-Auth": SANDBOX_ORGANIZATION_TOKEN,
    "X-Org-Id": SANDBOX_ORGANIZATION_ID,
}
DATA = "/api/campaign/get_campaign_data"
LIST = "/api/v1/account/list"
UPDATE = "/api/v1/account/update"
SEQUENCES = "/api/campaign/update/sequences"


@pytest.fixture
async def http(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=running.url, headers=HEADERS) as http:
        yield http


class TestQuirks:
    @pytest.mark.parametrize(
        ("path", "without", "status", "said"),
        [
            (LIST, "Cookie", 401, {"detail": "Authentication credentials were not provided."}),
            (LIST, "X-Org-Auth", 401, {"detail": "Authentication credentials were not provided."}),
            (LIST, "X-Org-Id", 403, {"detail": "You don't have access to this organization."}),
            (DATA, "X-Org-Auth", 401, {"error": "Missing required headers"}),
            (DATA, "X-Org-Id", 403, {"error": "Invalid organization ID"}),
        ],
    )
    async def test_headers(
        self, http: httpx.AsyncClient, path: str, without: str, status: int, said: dict[str, str]
    ) -> None:
        del http.headers[without]
        refused = await http.post(path, json={})
        assert (refused.status_code, refused.json()) == (status, said)

    async def test_keys_need_no_organization(self, http: httpx.AsyncClient, sandbox: InstantlySandbox) -> None:
        del http.headers["X-Org-Auth"], http.headers["X-Org-Id"]
        http.headers["x-workspace-id"] = SANDBOX_ORGANIZATION_ID
        path = "/backend/api/v2/api-keys"
        said = [
            (await http.post(path, json=body)).json()["message"]
            for body in ({"name": ""}, {"name": "", "scopes": ["some"]})
        ]
        assert said == [
            "body must have required property 'scopes'",
            "body/scopes/0 must be equal to one of the allowed values",
        ]
        for _ in range(2):
            assert (await http.post(path, json={"name": "", "scopes": ["all:all"]})).status_code == 200
        assert len(set(sandbox.keys)) == 2

    async def test_bad_numbers_are_taken_and_ignored(self, http: httpx.AsyncClient, sandbox: InstantlySandbox) -> None:
        sandbox.add_account("a@acme.com")
        for number in (40, "forty", "-1", None):
            answered = await http.post(UPDATE, json={"email": "a@acme.com", "daily_limit": number})
            assert answered.json() == {"status": "success"}
        assert sandbox.accounts["a@acme.com"].daily_limit == "30"
        missing = await http.post(UPDATE, json={"daily_limit": "40"})
        assert (missing.status_code, list(missing.json())) == (200, ["error"])

    @pytest.mark.parametrize(
        "sequences",
        [
            [],
            [{"steps": []}],
            [{"steps": [{"type": "email", "variants": [{"subject": "a", "body": "<p>plain space</p>"}]}]}],
            [{"steps": [{"type": "email", "variants": [{"subject": "a", "body": "x", "id": 1}]}]}],
            [{"steps": [{"type": "email", "variants": [{"subject": "a", "body": "x"}]}], "name": "main"}],
            ["steps"],
        ],
    )
    async def test_sequences_are_taken_to_the_letter_or_not_at_all(
        self, http: httpx.AsyncClient, sandbox: InstantlySandbox, sequences: Any
    ) -> None:
        campaign = sandbox.add_campaign("Spring")
        body = {"sequences": sequences, "campaignID": campaign.id, "orgID": SANDBOX_ORGANIZATION_ID}
        refused = await http.post(SEQUENCES, json=body)
        assert (refused.status_code, refused.json()) == (200, {"error": "Error I503 - please contact support"})

    async def test_ten_accounts_by_default(self, http: httpx.AsyncClient, sandbox: InstantlySandbox) -> None:
        for number in range(12):
            sandbox.add_account(f"a{number}@acme.com", tags=("sales",))
        listed = (await http.post(LIST, json={})).json()["accounts"]
        assert (len(listed), "tags" in listed[0], listed[0]["payload"]["daily_limit"]) == (10, False, "30")


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "added"),
        [
            (Fault.cut_before(), 0),
            (Fault.cut_after(), 2),
            (Fault.cut_after(work=Work.HALF), 1),
            (Fault.cut_in_answer(), 2),
        ],
    )
    async def test_a_cut_is_a_cut(
        self, http: httpx.AsyncClient, sandbox: InstantlySandbox, fault: Fault, added: int
    ) -> None:
        campaign = sandbox.add_campaign("Spring")
        sandbox.faults.add("add_leads", fault)
        body = {"campaign_id": campaign.id, "leads": [{"email": "a@x.com"}, {"email": "b@x.com"}]}
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await http.post("/backend/api/v1/lead/add", json=body)
        assert len(campaign.leads) == added

    async def test_without_a_real_connection_a_cut_is_an_error(self, sandbox: InstantlySandbox) -> None:
        sandbox.faults.add("accounts", Fault.cut_before())
        transport = httpx.ASGITransport(create_app(sandbox))
        async with httpx.AsyncClient(base_url="http://instantly.test", transport=transport, headers=HEADERS) as http:
            with pytest.raises(ConnectionAbortedError):
                await http.post(LIST, json={})


class TestDrivingItFromOutside:
    async def test_state_settings_and_faults(self, http: httpx.AsyncClient, sandbox: InstantlySandbox) -> None:
        changed = await http.post("/sandbox/settings", json={"remaining_in_plan": 1, "blocklist": ["b@x.com"]})
        assert changed.json()["remaining_in_plan"] == 1
        await http.post("/sandbox/accounts", json={"emails": ["a@acme.com"], "tags": ["sales"]})
        added = await http.post("/sandbox/faults", json={"operation": "accounts", "kind": "status", "status": 503})
        assert (added.status_code, added.json()) == (201, {"accounts": 1})
        await http.delete("/sandbox/faults")
        assert len((await http.post(LIST, json={})).json()["accounts"]) == 1
        state = (await http.get("/sandbox/state")).json()
        assert state["accounts"][0]["tags"][0]["label"] == "sales"
        assert (state["calls"], state["keys"], state["faults"]) == ({"accounts": 1}, 0, {})
        await http.post("/sandbox/settings", json={"expired": True})
        assert (await http.post(LIST, json={})).json() == {"detail": "Token has expired."}

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/sandbox/settings", {"plan": 1}),
            ("/sandbox/faults", {"operation": "sell", "kind": "cut"}),
            ("/sandbox/faults", {"operation": "accounts", "kind": "meteor"}),
            ("/sandbox/faults", {"operation": "accounts", "kind": "slow", "minutes": 1}),
        ],
    )
    async def test_slips_are_told(self, http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
        assert (await http.post(path, json=body)).status_code == 422
