"""Each endpoint row of Instantly as it arrives at the other end: method, path, query, headers and body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from providers.instantly.client import InstantlyClient
from providers.instantly.models import AccountStatus, CampaignOptions, Limits, Step, Variant
from providers.instantly.sandbox import (
    SANDBOX_ORGANIZATION_ID,
    SANDBOX_ORGANIZATION_TOKEN,
    SANDBOX_SESSION,
    SANDBOX_USER_ID,
    SANDBOX_WORKSPACE_ID,
    InstantlySandbox,
)

COOKIE = {"cookie": f"__session={SANDBOX_SESSION}"}
ORGANIZATION = COOKIE | {"x-org-auth": SANDBOX_ORGANIZATION_TOKEN}
EVERYTHING = ORGANIZATION | {"x-org-id": SANDBOX_ORGANIZATION_ID}
WORKSPACE = COOKIE | {"x-workspace-id": SANDBOX_WORKSPACE_ID}
IDENTIFYING = ("cookie", "x-org-auth", "x-org-id", "x-workspace-id", "authorization")

TAG = "0b1c2d3e-0000-4000-8000-0000000000ff"
CAMPAIGN = "<the campaign's id>"
IDS = {"campaignID": CAMPAIGN, "orgID": SANDBOX_ORGANIZATION_ID}
LEADS = {
    "leads": [{"email": "l@x.com"}, {"email": "m@x.com"}],
    "campaign_id": CAMPAIGN,
    "newCustomVariables": [],
    "newCoreVariables": [],
    "forLists": False,
    "verifyLeadsOnImport": False,
    "skip_if_in_campaign": True,
    "skip_if_in_list": False,
    "skip_if_in_workspace": False,
}
ALL_OPTIONS = CampaignOptions(
    email_list=("a@acme.com",),
    open_tracking=True,
    link_tracking=False,
    stop_on_reply=True,
    stop_on_auto_reply=False,
    text_only=True,
    daily_limit=50,
    email_gap=10,
    email_tag_list=(TAG,),
)
STEPS = (
    Step(variants=(Variant(subject="Hi A", body="<div>Hello there</div>"), Variant(subject="Hi B", body="Hello you"))),
    Step(variants=(Variant(subject="Again", body='<a href="https://a.co" target="_blank">a link</a>'),)),
)
SENT_STEPS = [
    {
        "type": "email",
        "variants": [
            {"subject": "Hi A", "body": "<div>Hello&nbsp;there</div>"},
            {"subject": "Hi B", "body": "Hello&nbsp;you"},
        ],
    },
    {
        "type": "email",
        "variants": [{"subject": "Again", "body": '<a href="https://a.co" target="_blank">a&nbsp;link</a>'}],
    },
]

Call = Callable[[InstantlyClient, str], Any]

# Row, what is asked for, and what arrives: path, identifying headers, body.
ROWS: list[tuple[int, Call, str, dict[str, str], dict[str, Any]]] = [
    (
        88,
        lambda c, _: c.create_campaign("Spring"),
        "/backend/api/v1/campaign/create",
        ORGANIZATION,
        {"name": "Spring", "user_id": SANDBOX_USER_ID},
    ),
    (89, lambda c, i: c.campaign(i), "/api/campaign/get_campaign_data", EVERYTHING, {"campaignID": CAMPAIGN}),
    (
        90,
        lambda c, i: c.update_options(i, ALL_OPTIONS),
        "/api/campaign/update/options",
        EVERYTHING,
        {
            **IDS,
            "emailList": ["a@acme.com"],
            "openTracking": True,
            "linkTracking": False,
            "stopOnReply": True,
            "stopOnAutoReply": False,
            "textOnly": True,
            "dailyLimit": 50,
            "emailGap": 10,
            "emailTagList": [TAG],
        },
    ),
    (
        90,
        lambda c, i: c.update_options(i, CampaignOptions(daily_limit=0)),
        "/api/campaign/update/options",
        EVERYTHING,
        {**IDS, "dailyLimit": 0},
    ),
    (
        91,
        lambda c, i: c.update_sequences(i, STEPS),
        "/api/campaign/update/sequences",
        EVERYTHING,
        {"sequences": [{"steps": SENT_STEPS}], **IDS},
    ),
    (
        92,
        lambda c, _: c.accounts(skip=20, limit=10, search="acme", status=AccountStatus.ACTIVE),
        "/api/v1/account/list",
        EVERYTHING,
        {"search": "acme", "limit": 10, "skip": 20, "include_tags": True, "filter": {"status": 1}},
    ),
    (
        92,
        lambda c, _: c.accounts(include_tags=False),
        "/api/v1/account/list",
        EVERYTHING,
        {"limit": 100, "skip": 0, "include_tags": False},
    ),
    (
        93,
        lambda c, _: c.update_account("a@acme.com", Limits(daily_limit=40, sending_gap=9, warmup_limit=5)),
        "/api/v1/account/update",
        EVERYTHING,
        {"email": "a@acme.com", "daily_limit": "40", "sending_gap": "9", "warmup_limit": "5"},
    ),
    (
        93,
        lambda c, _: c.update_account("a@acme.com", Limits(daily_limit=0)),
        "/api/v1/account/update",
        EVERYTHING,
        {"email": "a@acme.com", "daily_limit": "0"},
    ),
    (
        94,
        lambda c, _: c.create_api_key(""),
        "/backend/api/v2/api-keys",
        WORKSPACE,
        {"name": "", "scopes": ["all:all"]},
    ),
    (95, lambda c, i: c.add_leads(i, ["l@x.com", "m@x.com"]), "/backend/api/v1/lead/add", EVERYTHING, LEADS),
    (
        95,
        lambda c, i: c.add_leads(
            i, ["l@x.com"], verify=True, skip_if_in_campaign=False, skip_if_in_list=True, skip_if_in_workspace=True
        ),
        "/backend/api/v1/lead/add",
        EVERYTHING,
        LEADS
        | {
            "leads": [{"email": "l@x.com"}],
            "verifyLeadsOnImport": True,
            "skip_if_in_campaign": False,
            "skip_if_in_list": True,
            "skip_if_in_workspace": True,
        },
    ),
    (
        96,
        lambda c, _: c.update_accounts(["a@acme.com", "b@acme.com"], 222),
        "/backend/api/v1/account/update/bulk",
        EVERYTHING,
        {"payload": {"daily_limit": "222"}, "emails": ["a@acme.com", "b@acme.com"]},
    ),
]


def test_no_row_is_missing() -> None:
    assert {row for row, *_ in ROWS} == set(range(88, 97))


@pytest.mark.parametrize(("row", "call", "path", "headers", "body"), ROWS)
async def test_row(
    instantly: InstantlyClient,
    sandbox: InstantlySandbox,
    row: int,
    call: Call,
    path: str,
    headers: dict[str, str],
    body: dict[str, Any],
) -> None:
    sandbox.add_account("a@acme.com")
    campaign = sandbox.add_campaign("Spring")
    await call(instantly, campaign.id)
    [arrived] = sandbox.arrived
    assert (arrived.method, arrived.path, arrived.query) == ("POST", path, {})
    assert {name: value for name, value in arrived.headers.items() if name in IDENTIFYING} == headers
    assert arrived.headers["content-type"] == "application/json"
    assert arrived.headers["user-agent"].startswith("Postroom/")
    assert arrived.body == {name: campaign.id if value == CAMPAIGN else value for name, value in body.items()}, (
        f"endpoint row {row}"
    )


async def test_the_other_known_prefix(open_account: Callable[..., InstantlyClient], sandbox: InstantlySandbox) -> None:
    sandbox.add_account("a@acme.com")
    client = open_account(account_path_prefix="/backend/api/v1")
    await client.accounts()
    await client.update_account("a@acme.com", Limits(daily_limit=1))
    await client.update_accounts(["a@acme.com"], 2)
    assert [call.path for call in sandbox.arrived] == [
        "/backend/api/v1/account/list",
        "/backend/api/v1/account/update",
        "/backend/api/v1/account/update/bulk",
    ]


async def test_without_a_user_or_a_workspace(
    open_account: Callable[..., InstantlyClient], sandbox: InstantlySandbox
) -> None:
    client = open_account(user_id=None, workspace_id=None)
    await client.create_campaign("Spring")
    await client.create_campaign("Summer", user_id=SANDBOX_USER_ID)
    await client.create_api_key("ci")
    spring, summer, key = sandbox.arrived
    assert spring.body == {"name": "Spring"}
    assert summer.body == {"name": "Summer", "user_id": SANDBOX_USER_ID}
    assert key.headers["x-workspace-id"] == SANDBOX_ORGANIZATION_ID
