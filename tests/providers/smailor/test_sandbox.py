"""The simulated Smailor, seen by somebody who speaks plain HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from providers.smailor.sandbox import SANDBOX_COOKIE, SANDBOX_KEY, Fault, Running, SmailorSandbox

BEARER = {"Authorization": f"Bearer {SANDBOX_KEY}"}
MAILBOX = {"localPart": "john", "domain": "acme.com"}
TEMPLATE = {"name": "Thanks", "subject": "Hi", "body_html": "<p>Thank you.</p>"}


@pytest.fixture(autouse=True)
def acme(sandbox: SmailorSandbox) -> None:
    sandbox.own("acme.com")


@pytest.fixture
async def http(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=running.url, headers=BEARER | {"Cookie": SANDBOX_COOKIE}) as http:
        yield http


class TestWhoMayAsk:
    @pytest.mark.parametrize(
        ("headers", "domains", "templates"),
        [
            ({}, 401, 401),
            (BEARER, 200, 401),
            ({"X-API-Key": SANDBOX_KEY}, 200, 401),
            ({"X-API-Key": "no"}, 401, 401),
            ({"Cookie": SANDBOX_COOKIE}, 401, 200),
        ],
    )
    async def test_the_key_for_one_half_the_cookie_for_the_other(
        self, running: Running, headers: dict[str, str], domains: int, templates: int
    ) -> None:
        async with httpx.AsyncClient(base_url=running.url, headers=headers) as http:
            assert (await http.get("/api/v1/domains")).status_code == domains
            assert (await http.get("/api/templates")).status_code == templates

    async def test_every_other_address_is_the_application(self, http: httpx.AsyncClient) -> None:
        page = await http.post("/v1/mailboxes", json=MAILBOX)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")


class TestMailboxes:
    async def test_once_then_taken(self, http: httpx.AsyncClient, sandbox: SmailorSandbox) -> None:
        created = await http.post("/api/v1/mailboxes", json=MAILBOX)
        assert (created.status_code, created.json()["mailbox"]["address"]) == (201, "john@acme.com")
        taken = await http.post("/api/v1/mailboxes", json=MAILBOX)
        assert (taken.status_code, taken.json()) == (409, {"error": "address_taken"})
        assert len(sandbox.mailboxes) == 1

    async def test_the_guard(self, http: httpx.AsyncClient, sandbox: SmailorSandbox) -> None:
        sandbox.domains["acme.com"].reputation = "blocked"
        refused = await http.post("/api/v1/mailboxes", json=MAILBOX)
        assert (refused.status_code, refused.json()) == (409, {"error": "domain_reputation_blocked"})

    async def test_a_plan_that_is_used_up(self, http: httpx.AsyncClient, sandbox: SmailorSandbox) -> None:
        sandbox.remaining = 1
        await http.post("/api/v1/mailboxes", json=MAILBOX)
        message = {"to": "x@y.com", "from": "john@acme.com", "subject": "Hi", "text": "Hi"}
        answers = [await http.post("/api/v1/send", json=message) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 403]
        assert (len(sandbox.messages), sandbox.domains["acme.com"].sends) == (1, 1)


class TestTemplates:
    async def test_fifty_and_no_more(self, http: httpx.AsyncClient) -> None:
        answers = [(await http.post("/api/templates", json=TEMPLATE)).status_code for _ in range(51)]
        assert answers == [201] * 50 + [400]

    async def test_changes_keep_the_rest(self, http: httpx.AsyncClient, sandbox: SmailorSandbox) -> None:
        path = f"/api/templates/{sandbox.keep_template(TEMPLATE)}"
        assert (await http.patch(path, json={"subject": "Ho", "use_count": 99})).status_code == 200
        assert (await http.post(f"{path}/use")).status_code == 204
        found = (await http.get(path)).json()["template"]
        assert (found["subject"], found["name"], found["body_text"], found["use_count"]) == (
            "Ho",
            "Thanks",
            "Thank you.",
            1,
        )
        assert (await http.patch(path, json={"body_html": "short"})).status_code == 400
        assert (await http.delete(path)).status_code == 204
        for method in ("GET", "PATCH", "DELETE"):
            assert (await http.request(method, path, json={})).status_code == 404


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "made"), [(Fault.cut_before(), 0), (Fault.cut_after(), 1), (Fault.cut_in_answer(), 1)]
    )
    async def test_a_cut_is_a_cut(
        self, http: httpx.AsyncClient, sandbox: SmailorSandbox, fault: Fault, made: int
    ) -> None:
        sandbox.faults.add("create_mailbox", fault)
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await http.post("/api/v1/mailboxes", json=MAILBOX)
        assert len(sandbox.mailboxes) == made


class TestDrivingItFromOutside:
    async def test_state_settings_and_faults(self, http: httpx.AsyncClient, sandbox: SmailorSandbox) -> None:
        changed = await http.post("/sandbox/settings", json={"remaining": 5, "reputations": {"acme.com": "watch"}})
        assert (changed.json()["remaining"], sandbox.domains["acme.com"].reputation) == (5, "watch")
        fault = {"operation": "create_mailbox", "kind": "status", "status": 500, "work": "nothing"}
        assert (await http.post("/sandbox/faults", json=fault)).json() == {"create_mailbox": 1}
        failed = await http.post("/api/v1/mailboxes", json=MAILBOX)
        assert (failed.status_code, failed.json()) == (500, {"error": "internal_error"})
        state = (await http.get("/sandbox/state")).json()
        assert (state["mailboxes"], state["calls"]) == ([], {"create_mailbox": 1})
        assert (await http.delete("/sandbox/faults")).status_code == 200

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/sandbox/settings", {"remains": 1}),
            ("/sandbox/settings", {"reputations": {"none.com": "watch"}}),
            ("/sandbox/faults", {"operation": "receive", "kind": "cut"}),
        ],
    )
    async def test_slips_are_told(self, http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
        assert (await http.post(path, json=body)).status_code == 422
