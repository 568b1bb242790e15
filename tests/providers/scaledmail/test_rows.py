"""Each documented endpoint of ScaledMail, and what really arrives there when it is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from providers.scaledmail.client import ScaledMailClient
from providers.scaledmail.models import Sequencer, WantedInbox
from providers.scaledmail.sandbox import SANDBOX_KEY, SANDBOX_ORGANIZATION, ScaledMailSandbox

Ask = Callable[[ScaledMailClient], Awaitable[Any]]

IN_THE_ORGANIZATION = {"organization_id": SANDBOX_ORGANIZATION}
SEQUENCER = Sequencer(
    provider="Instantly",
    username="ana@acme.com",
    password="sequencer-secret",
    link="https://app.instantly.ai",
    workspace="acme",
    tag="warm",
)
FULL_ORDER = {
    "tag": "req_1",
    "domains": [
        {"id": "rec00000000000000", "domain": "warm-a.com", "redirect": "acme.com"},
        {"id": "rec00000000000001", "domain": "warm-b.com"},
    ],
    "sequencer": {
        "provider": "Instantly",
        "username": "ana@acme.com",
        "password": "sequencer-secret",
        "link": "https://app.instantly.ai",
        "workspace": "acme",
        "tag": "warm",
    },
}


async def buy_all(client: ScaledMailClient) -> None:
    wanted = [
        WantedInbox(id="rec00000000000000", domain="warm-a.com", redirect="acme.com"),
        WantedInbox(id="rec00000000000001", domain="warm-b.com"),
    ]
    await client.buy_prewarm(wanted, tag="req_1", sequencer=SEQUENCER)


async def buy_one(client: ScaledMailClient) -> None:
    await client.buy_prewarm([WantedInbox(id="rec00000000000000", domain="warm-a.com")], tag="req_2")


# Endpoint row, how it is asked, method and path, query, body.
ROWS: list[tuple[int, Ask, str, dict[str, str], Any]] = [
    (1, lambda c: c.organizations(), "GET /api/v1/organizations", {}, None),
    (2, lambda c: c.prewarm_stock(), "GET /api/v1/pre-warm-inboxes", IN_THE_ORGANIZATION, None),
    (3, buy_all, "POST /api/v1/buy-pre-warm-inboxes", IN_THE_ORGANIZATION, FULL_ORDER),
    (
        3,
        buy_one,
        "POST /api/v1/buy-pre-warm-inboxes",
        IN_THE_ORGANIZATION,
        {"tag": "req_2", "domains": [{"id": "rec00000000000000", "domain": "warm-a.com"}]},
    ),
    (4, lambda c: c.domains(), "GET /api/v1/domains", IN_THE_ORGANIZATION, None),
    (
        5,
        lambda c: c.purchased_domains(),
        "GET /api/v1/purchased-domains",
        {**IN_THE_ORGANIZATION, "available": "false"},
        None,
    ),
    (
        5,
        lambda c: c.purchased_domains(available=True),
        "GET /api/v1/purchased-domains",
        {**IN_THE_ORGANIZATION, "available": "true"},
        None,
    ),
    (6, lambda c: c.mailboxes("dom000001"), "GET /api/v1/mailboxes/dom000001", IN_THE_ORGANIZATION, None),
    (
        6,
        lambda c: c.mailbox_passwords("dom000001"),
        "GET /api/v1/mailboxes/dom000001",
        {**IN_THE_ORGANIZATION, "password": "true"},
        None,
    ),
]


@pytest.mark.parametrize(("row", "ask", "route", "query", "body"), ROWS, ids=[f"{r[0]} {r[2]}" for r in ROWS])
async def test_what_arrives(
    scaledmail: ScaledMailClient,
    sandbox: ScaledMailSandbox,
    row: int,
    ask: Ask,
    route: str,
    query: dict[str, str],
    body: Any,
) -> None:
    sandbox.put_on_shelf("warm-a.com", "warm-b.com")
    sandbox.own("acme.com")
    await ask(scaledmail)
    [call] = sandbox.arrived
    assert f"{call.method} {call.path}" == route
    assert call.query == query
    assert call.body == body
    assert call.headers["authorization"] == f"Bearer {SANDBOX_KEY}"
    assert call.headers["accept"] == "application/json"
    assert call.headers["user-agent"].startswith("Postroom/")
    if body is not None:
        assert call.headers["content-type"] == "application/json"


def test_every_row_is_there() -> None:
    assert {row for row, *_ in ROWS} == set(range(1, 7))
