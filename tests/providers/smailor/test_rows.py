"""Each documented endpoint of Smailor, and what really arrives there when it is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from providers.smailor.client import SmailorClient
from providers.smailor.models import TemplateChanges, WantedTemplate
from providers.smailor.sandbox import SANDBOX_COOKIE, SANDBOX_KEY, SmailorSandbox

Ask = Callable[[SmailorClient], Awaitable[Any]]

GROUP, TICKET, TEMPLATE = "7d444840-9dc0-11d1-b245-5ffdce74fad2", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "tmpl-1"
KEY = {"authorization": f"Bearer {SANDBOX_KEY}", "cookie": None, "x-api-key": None}
COOKIE = {"cookie": SANDBOX_COOKIE, "authorization": None, "x-api-key": None}
SMALL = WantedTemplate(name="Thanks", subject="Re: {{subject}}", body_html="<p>Thank you.</p>")
FULL = SMALL.model_copy(
    update={"description": "short", "body_text": "Thank you.", "is_default": True, "group_ids": (GROUP,)}
)

# Endpoint row, how it is asked, method and path, query, body, who asks.
ROWS: list[tuple[int, Ask, str, dict[str, str], Any, dict[str, str | None]]] = [
    (7, lambda c: c.domains(), "GET /api/v1/domains", {}, None, KEY),
    (
        8,
        lambda c: c.create_mailbox("lena-k", "mail.acme.com", "Lena K"),
        "POST /api/v1/mailboxes",
        {},
        {"localPart": "lena-k", "domain": "mail.acme.com", "displayName": "Lena K"},
        KEY,
    ),
    (
        8,
        lambda c: c.create_mailbox("jane", "mail.acme.com"),
        "POST /api/v1/mailboxes",
        {},
        {"localPart": "jane", "domain": "mail.acme.com"},
        KEY,
    ),
    (
        9,
        lambda c: c.send("x@y.com", "john@mail.acme.com", "Hi", text="Hello", html="<p>Hello</p>"),
        "POST /api/v1/send",
        {},
        {"to": "x@y.com", "from": "john@mail.acme.com", "subject": "Hi", "text": "Hello", "html": "<p>Hello</p>"},
        KEY,
    ),
    (
        9,
        lambda c: c.send("x@y.com", "john@mail.acme.com", "Hi", html="<p>Hello</p>"),
        "POST /api/v1/send",
        {},
        {"to": "x@y.com", "from": "john@mail.acme.com", "subject": "Hi", "html": "<p>Hello</p>"},
        KEY,
    ),
    (10, lambda c: c.templates(), "GET /api/templates", {}, None, COOKIE),
    (10, lambda c: c.templates(group=GROUP), "GET /api/templates", {"groupId": GROUP}, None, COOKIE),
    (10, lambda c: c.templates(ticket=TICKET), "GET /api/templates", {"ticketId": TICKET}, None, COOKIE),
    (
        11,
        lambda c: c.create_template(SMALL),
        "POST /api/templates",
        {},
        {"name": "Thanks", "subject": "Re: {{subject}}", "body_html": "<p>Thank you.</p>"},
        COOKIE,
    ),
    (
        11,
        lambda c: c.create_template(FULL),
        "POST /api/templates",
        {},
        {
            "name": "Thanks",
            "subject": "Re: {{subject}}",
            "body_html": "<p>Thank you.</p>",
            "description": "short",
            "body_text": "Thank you.",
            "is_default": True,
            "group_ids": [GROUP],
        },
        COOKIE,
    ),
    (12, lambda c: c.template(TEMPLATE), f"GET /api/templates/{TEMPLATE}", {}, None, COOKIE),
    (
        13,
        lambda c: c.update_template(TEMPLATE, TemplateChanges(subject="New", description=None, group_ids=())),
        f"PATCH /api/templates/{TEMPLATE}",
        {},
        {"subject": "New", "description": None, "group_ids": []},
        COOKIE,
    ),
    (14, lambda c: c.delete_template(TEMPLATE), f"DELETE /api/templates/{TEMPLATE}", {}, None, COOKIE),
    (
        15,
        lambda c: c.preview_template(TEMPLATE, TICKET),
        f"POST /api/templates/{TEMPLATE}/preview",
        {},
        {"ticketId": TICKET},
        COOKIE,
    ),
    (16, lambda c: c.note_template_used(TEMPLATE), f"POST /api/templates/{TEMPLATE}/use", {}, None, COOKIE),
]


@pytest.fixture(autouse=True)
async def furnished(smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
    sandbox.own("mail.acme.com")
    await smailor.create_mailbox("john", "mail.acme.com")
    sandbox.tickets[TICKET] = {}
    sandbox.templates[TEMPLATE] = sandbox.templates.pop(sandbox.add_template("Old"))
    sandbox.arrived.clear()


def assert_arrived(
    sandbox: SmailorSandbox, route: str, query: dict[str, str], body: Any, asker: dict[str, str | None]
) -> None:
    [call] = sandbox.arrived
    assert f"{call.method} {call.path}" == route
    assert call.query == query
    assert call.body == body
    assert {name: call.headers.get(name) for name in asker} == asker
    assert call.headers["accept"] == "application/json"
    assert call.headers["user-agent"].startswith("Postroom/")
    if body is not None:
        assert call.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("row", "ask", "route", "query", "body", "asker"), ROWS, ids=[f"{row[0]} {row[2]}" for row in ROWS]
)
async def test_what_arrives(
    smailor: SmailorClient,
    sandbox: SmailorSandbox,
    row: int,
    ask: Ask,
    route: str,
    query: dict[str, str],
    body: Any,
    asker: dict[str, str | None],
) -> None:
    await ask(smailor)
    assert_arrived(sandbox, route, query, body, asker)


@pytest.mark.parametrize("ask", [row[1] for row in ROWS if row[5] is KEY])
async def test_the_key_may_travel_in_a_header_of_its_own(
    open_account: Callable[..., SmailorClient], sandbox: SmailorSandbox, ask: Ask
) -> None:
    await ask(open_account(key_header="x-api-key"))
    [call] = sandbox.arrived
    assert call.headers["x-api-key"] == SANDBOX_KEY
    assert "authorization" not in call.headers


def test_every_row_is_there() -> None:
    assert {row for row, *_ in ROWS} == set(range(7, 17))
