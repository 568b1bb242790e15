"""Each endpoint row of MailAPI as it arrives at the other end, in both editions: method, path, query, headers, body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from providers.mailapi.client import MailApiClient
from providers.mailapi.sandbox import SANDBOX_CALLER_ID, SANDBOX_KEY, MailApiSandbox, serve

OpenAccount = Callable[..., MailApiClient]
Call = Callable[[MailApiClient], Any]

CALLER = {"caller_id": str(SANDBOX_CALLER_ID)}
CARRYING_A_KEY = ("authorization", "x-api-key", "cookie")

# Row, what is asked for, and what arrives, the key apart: method, path, query, body.
ROWS: list[tuple[int, Call, str, str, dict[str, str], dict[str, Any]]] = [
    (97, lambda c: c.domains(), "GET", "/list/domain", CALLER, {}),
    (98, lambda c: c.create_domain("new.com"), "POST", "/create/domain", {}, {"Domain": "new.com", "Params": {}}),
    (
        99,
        lambda c: c.create_sub_domains("acme.com", ["team", "b-2"]),
        "POST",
        "/create/sub-domain",
        {},
        {"Domain": "acme.com", "Params": {"sub_domains": ["team", "b-2"]}},
    ),
    (
        100,
        lambda c: c.create_mailbox("acme.com", "john", display_name="John Doe", quota_mb=1024),
        "POST",
        "/create/mailbox/single",
        {},
        {
            "Email_fullname": "john",
            "single_bulk": "single",
            "Domain": "acme.com",
            "Params": {"display_name": "John Doe", "quota_mb": 1024},
        },
    ),
    (
        100,
        lambda c: c.create_mailbox("acme.com", "john"),
        "POST",
        "/create/mailbox/single",
        {},
        {"Email_fullname": "john", "single_bulk": "single", "Domain": "acme.com", "Params": {}},
    ),
    (
        101,
        lambda c: c.create_mailboxes("acme.com", "team", 25, quota_mb=512),
        "POST",
        "/create/mailbox/bulk",
        {},
        {
            "Email_fullname": "team",
            "single_bulk": "bulk",
            "Domain": "acme.com",
            "Params": {"count": 25, "quota_mb": 512},
        },
    ),
    (102, lambda c: c.mailboxes("acme.com"), "GET", "/list/mailbox", CALLER | {"domain": "acme.com"}, {}),
    (103, lambda c: c.mailbox_task("123"), "GET", "/get/mailbox/single", {"task_id": "123"}, {}),
    (104, lambda c: c.mailboxes_task("124"), "GET", "/get/mailbox/bulk", {"task_id": "124"}, {}),
]


def test_no_row_is_missing() -> None:
    assert {row for row, *_ in ROWS} == set(range(97, 105))


@pytest.fixture
def settled(sandbox: MailApiSandbox) -> MailApiSandbox:
    """One that has a domain, a task for one mailbox (123) and a task for several (124)."""
    sandbox.own("acme.com")
    sandbox.begin("single", "acme.com", ["ann"], 1024, asked=["ann"])
    sandbox.begin("bulk", "acme.com", ["bob1"], 1024, asked=["bob1"])
    return sandbox


@pytest.mark.parametrize(("row", "call", "method", "path", "query", "body"), ROWS)
async def test_row_of_the_classic_edition(
    open_account: OpenAccount,
    settled: MailApiSandbox,
    row: int,
    call: Call,
    method: str,
    path: str,
    query: dict[str, str],
    body: dict[str, Any],
) -> None:
    await call(open_account())
    [arrived] = settled.arrived
    key = {"key": SANDBOX_KEY}
    assert (arrived.method, arrived.path) == (method, "/api/v1" + path), f"endpoint row {row}"
    assert arrived.query == (query | key if method == "GET" else {})
    assert arrived.body == (body | key if method == "POST" else None)
    assert not set(CARRYING_A_KEY) & set(arrived.headers)
    assert arrived.headers["user-agent"].startswith("Postroom/")
    assert arrived.headers.get("content-type") == ("application/json" if method == "POST" else None)


@pytest.mark.parametrize("key_header", ["Authorization", "X-Api-Key"])
@pytest.mark.parametrize(("row", "call", "method", "path", "query", "body"), ROWS)
async def test_row_of_the_edition_with_a_header(
    open_account: OpenAccount,
    settled: MailApiSandbox,
    key_header: str,
    row: int,
    call: Call,
    method: str,
    path: str,
    query: dict[str, str],
    body: dict[str, Any],
) -> None:
    settled.edition = "header"
    await call(open_account(edition="header", key_header=key_header))
    [arrived] = settled.arrived
    assert (arrived.method, arrived.path, arrived.query) == (method, "/api/v1" + path, query)
    assert arrived.body == (body if method == "POST" else None)
    carried = f"Bearer {SANDBOX_KEY}" if key_header == "Authorization" else SANDBOX_KEY
    got = {name: value for name, value in arrived.headers.items() if name in CARRYING_A_KEY}
    assert got == {key_header.lower(): carried}, f"endpoint row {row}"


async def test_without_a_caller_the_newer_edition_sends_none(
    open_account: OpenAccount, settled: MailApiSandbox
) -> None:
    settled.edition = "header"
    await open_account(edition="header", caller_id=None).mailboxes("acme.com")
    assert settled.arrived[0].query == {"domain": "acme.com"}


async def test_the_other_reading_of_the_prefix(open_account: OpenAccount, clock: Any) -> None:
    async with serve(MailApiSandbox(clock, path_prefix="/api/api")) as running:
        await open_account(base_url=running.url, path_prefix="/api/api").domains()
        assert running.sandbox.arrived[0].path == "/api/api/v1/list/domain"
