"""What can be asked of MailAPI, each as it is played."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.e2e.actions.case import Case, forty, other_way, own, own_with_forty

CASES = [
    Case("mailapi", "domain list", "acme", "acme.com", "domains", ready=own("acme.com"), stands={"name": "acme"}),
    Case(
        "mailapi",
        "domain add",
        "acme.com",
        "acme.com is verified.",
        "create_domain",
        lambda s: s.made == ["acme.com"],
        stands={"domain": "acme.com"},
    ),
    Case(
        "mailapi",
        "domain subdomain",
        "acme.com team sales",
        "All 2 sub-domains are verified.",
        "create_sub_domains",
        lambda s: s.made == ["team.acme.com", "sales.acme.com"],
        own("acme.com"),
        {"domain": "acme.com", "labels": "team\nsales"},
    ),
    Case(
        "mailapi",
        "mailbox list",
        "acme.com",
        "m1@acme.com",
        "mailboxes",
        ready=own("acme.com", mailboxes=2),
        stands={"domain": "acme.com"},
    ),
    Case(
        "mailapi",
        "mailbox create",
        "team@acme.com 3",
        "All 3 mailboxes are live.",
        "create_mailboxes",
        lambda s: s.made == [f"team{n}@acme.com" for n in (1, 2, 3)],
        own("acme.com"),
        {"address": "team@acme.com", "count": "3"},
    ),
]

OTHER_WAYS: list[Case] = [
    other_way(
        CASES,
        "mailapi-mailbox-create",
        "team@acme.com",
        "team@acme.com is live.",
        "create_mailbox",
        ready=own("acme.com"),
    ),
]


PAGED: Mapping[str, tuple[str, Callable[[Any], list[str]]]] = {
    "mailapi-domain-list": ("acme", forty(lambda s, name: s.own(name), ".com")),
    "mailapi-mailbox-list": ("acme.com", own_with_forty),
}
