"""What Instantly says of itself to the contract suite."""

from __future__ import annotations

from typing import Any

from providers.accounts import Clock
from providers.action import Effect
from providers.errors import AlreadyExists, AuthExpired, BadAnswer, Blocked, NeedsSubscription, NotFound, Rejected
from providers.errors import OutcomeUnknown as Unclear
from providers.instantly.models import CampaignOptions, Limits, Step, Variant
from providers.instantly.sandbox import (
    SANDBOX_ORGANIZATION_ID,
    SANDBOX_ORGANIZATION_TOKEN,
    SANDBOX_SESSION,
    SANDBOX_USER_ID,
    SANDBOX_WORKSPACE_ID,
    InstantlySandbox,
    SandboxCampaign,
    serve,
)
from providers.simulator import Fault, Work
from tests.providers.contract import Call, Contract, Listing, Means, Word

READ, WRITE, SPEND = Effect.READ, Effect.WRITE, Effect.SPEND
CAMPAIGN = "0b1c2d3e-0000-4000-8000-0000000000cc"
SOMEBODY = "0b1c2d3e-0000-4000-8000-0000000000ee"
STEP = Step(variants=(Variant(subject="Hi", body="<p>Hello there</p>"),))
MALFORMED_ID = {
    "statusCode": 500,
    "code": "22P02",
    "error": "Internal Server Error",
    "message": 'invalid input syntax for type uuid: "no-uuid"',
}


def furnished(clock: Clock) -> InstantlySandbox:
    sandbox = InstantlySandbox(clock)
    sandbox.add_account("a@acme.com")
    sandbox.campaigns[CAMPAIGN] = SandboxCampaign(CAMPAIGN, "Spring", SANDBOX_USER_ID, clock.now())
    return sandbox


def accounts(sandbox: InstantlySandbox, count: int) -> None:
    sandbox.accounts.clear()
    for number in range(count):
        sandbox.add_account(f"box{number}@acme.com")


def account_says(sandbox: InstantlySandbox, word: str) -> None:
    sandbox.accounts["a@acme.com"].status = word


def campaign_says(sandbox: InstantlySandbox, word: str) -> None:
    sandbox.campaigns[CAMPAIGN].status = word


async def account_status(client: Any) -> Any:
    return (await client.accounts()).accounts[0].status


async def campaign_status(client: Any) -> Any:
    return (await client.campaign(CAMPAIGN)).status


def same(error: Any) -> tuple[Any, Any, Any]:
    return error, error, error


CONTRACTS = (
    Contract(
        provider="instantly",
        way="session",
        sandbox=furnished,
        serve=serve,
        settings={
            "session": SANDBOX_SESSION,
            "organization_token": SANDBOX_ORGANIZATION_TOKEN,
            "organization_id": SANDBOX_ORGANIZATION_ID,
            "workspace_id": SANDBOX_WORKSPACE_ID,
            "user_id": SANDBOX_USER_ID,
        },
        wrong=({"session": "Wrong-Secret-1"}, {"organization_token": "Wrong-Secret-2"}, {"organization_id": SOMEBODY}),
        calls=(
            Call("create a campaign", WRITE, lambda c: c.create_campaign("Spring")),
            Call("campaign", READ, lambda c: c.campaign(CAMPAIGN)),
            Call("options", WRITE, lambda c: c.update_options(CAMPAIGN, CampaignOptions(daily_limit=5))),
            Call("sequences", WRITE, lambda c: c.update_sequences(CAMPAIGN, [STEP])),
            Call("accounts", READ, lambda c: c.accounts()),
            Call("limits of one", WRITE, lambda c: c.update_account("a@acme.com", Limits(daily_limit=40))),
            Call("limits of several", WRITE, lambda c: c.update_accounts(["a@acme.com"], 40)),
            Call("create a key", SPEND, lambda c: c.create_api_key("ci")),
            Call("leads", WRITE, lambda c: c.add_leads(CAMPAIGN, ["l@x.com", "m@x.com"])),
            Call("verified leads", SPEND, lambda c: c.add_leads(CAMPAIGN, ["l@x.com", "m@x.com"], verify=True)),
        ),
        read="accounts",
        write="options",
        spend="verified leads",
        done=lambda sandbox: sandbox.changes["options"] + sandbox.changes["add_leads"],
        hidden=lambda sandbox: list(sandbox.keys),
        meanings=(
            Means(Fault.cut_after(work=Work.HALF), spend=Unclear),
            Means(Fault.unknown_shape(), BadAnswer, Unclear, Unclear),
            Means(Fault.answers(200, word="Error X1 - please contact support"), Rejected, Rejected, Unclear),
            Means(Fault.answers(200, word="Error X1", work=Work.HALF), spend=Unclear),
            Means(Fault.answers(400), *same(Rejected)),
            Means(Fault.answers(400, body={}), BadAnswer, Unclear, Unclear),
            Means(Fault.answers(402), *same(NeedsSubscription)),
            Means(Fault.answers(403, word="Access Denied"), *same(Rejected)),
            Means(Fault.answers(403, word="Invalid organization ID"), *same(AuthExpired)),
            Means(Fault.answers(403, body={}), *same(Blocked)),
            Means(Fault.answers(404), *same(NotFound)),
            Means(Fault.answers(409), BadAnswer, Unclear, Unclear),
            Means(Fault.answers(500, body=MALFORMED_ID), *same(Rejected)),
        ),
        never={AlreadyExists: "it makes everything twice without a word"},
        listings=(Listing(accounts, lambda c: c.all_accounts(), lambda account: account.email),),
        words=(
            Word("an account", account_says, account_status),
            Word("a campaign", campaign_says, campaign_status),
        ),
    ),
)
