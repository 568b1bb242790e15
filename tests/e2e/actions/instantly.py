"""What can be asked of Instantly, each as it is played."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.e2e.actions.case import Case, Names, forty, other_way


def campaign(sandbox: Any) -> Names:
    return {"campaign": sandbox.add_campaign("Spring").id}


def the_campaign(sandbox: Any) -> Any:
    [only] = sandbox.campaigns.values()
    return only


def account(sandbox: Any) -> Names:
    sandbox.add_account("ana@acme.com", tags=("spring",))
    return {}


def two_accounts(sandbox: Any) -> Names:
    sandbox.add_account("bo@acme.com")
    return account(sandbox)


def campaign_and_account(sandbox: Any) -> Names:
    return {**account(sandbox), **campaign(sandbox)}


CASES = [
    Case(
        "instantly",
        "campaign create",
        "Spring sale",
        "The campaign “Spring sale” is there, as a draft.",
        "create_campaign",
        lambda s: the_campaign(s).name == "Spring sale",
        stands={"name": "Spring sale"},
    ),
    Case(
        "instantly",
        "campaign show",
        "$campaign",
        "“Spring” is a draft.",
        "campaign",
        ready=campaign,
        stands={"campaign": "$campaign"},
    ),
    Case(
        "instantly",
        "campaign options",
        "$campaign",
        "Instantly has taken the options of the campaign.",
        "options",
        lambda s: the_campaign(s).options["dailyLimit"] == 50,
        campaign,
        {"campaign": "$campaign", "open_tracking": "keep"},
        {"daily_limit": "50", "open_tracking": "off"},
    ),
    Case(
        "instantly",
        "campaign sequences",
        "$campaign",
        "Instantly has taken 2 steps for the campaign.",
        "sequences",
        lambda s: len(the_campaign(s).sequences[0]["steps"]) == 2,
        campaign,
        {"campaign": "$campaign"},
        {"emails": "Hello\nHi there.\n---\nStill there?\nHi again."},
    ),
    Case(
        "instantly",
        "campaign leads",
        "$campaign ana@acme.com bo@acme.com",
        "2 of 2 addresses became leads of the campaign.",
        "add_leads",
        lambda s: the_campaign(s).leads == ["ana@acme.com", "bo@acme.com"],
        campaign,
        {"campaign": "$campaign", "leads": "ana@acme.com\nbo@acme.com"},
    ),
    Case(
        "instantly",
        "campaign api-key",
        "For Ana",
        "The API key “For Ana” opens the whole workspace.",
        "create_api_key",
        lambda s: len(s.keys) == 1,
        stands={"name": "For Ana"},
        secret=lambda s: s.keys[-1],
    ),
    Case(
        "instantly",
        "mailbox accounts",
        "ana",
        "ana@acme.com",
        "accounts",
        ready=account,
        stands={"search": "ana", "status": "any"},
    ),
    Case(
        "instantly",
        "mailbox limits",
        "ana@acme.com",
        "ana@acme.com has the new limits now: daily limit 40.",
        "update_account",
        lambda s: s.accounts["ana@acme.com"].daily_limit == "40",
        account,
        {"addresses": "ana@acme.com"},
        {"daily_limit": "40"},
    ),
]

OTHER_WAYS: list[Case] = [
    other_way(
        CASES,
        "instantly-campaign-options",
        "$campaign",
        "Instantly has taken the options of the campaign.",
        "accounts",
        ready=campaign_and_account,
        fills={"senders": "ana@acme.com", "tags": "spring"},
    ),
    other_way(
        CASES,
        "instantly-mailbox-limits",
        "ana@acme.com bo@acme.com",
        "All 2 sending accounts have the new limits now: daily limit 40.",
        "update_accounts",
        ready=two_accounts,
    ),
]


PAGED: Mapping[str, tuple[str, Callable[[Any], list[str]]]] = {
    "instantly-mailbox-accounts": ("acme", forty(lambda s, name: s.add_account(name), "@acme.com")),
}
