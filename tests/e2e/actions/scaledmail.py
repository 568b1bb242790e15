"""What can be asked of ScaledMail, each as it is played."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from providers.scaledmail.sandbox import password_of
from tests.e2e.actions.case import Case, Names, forty, own, own_with_forty


def shelf(sandbox: Any) -> Names:
    sandbox.put_on_shelf("warm-one.com", "warm-two.com")
    return {}


CASES = [
    Case(
        "scaledmail",
        "prewarm browse",
        "google 1 $40",
        "warm-one.com",
        "stock",
        ready=shelf,
        stands={"kind": "google", "min_months": "1", "most_monthly": "40"},
    ),
    Case(
        "scaledmail",
        "prewarm buy",
        "warm-one.com warm-two.com",
        "Both domains are there, with their mailboxes.",
        "buy",
        lambda s: s.times_bought("warm-one.com") == s.times_bought("warm-two.com") == 1,
        shelf,
        {"domains": "warm-one.com\nwarm-two.com"},
        {"redirect": "acme.com", "tag": "spring"},
    ),
    Case(
        "scaledmail",
        "prewarm list",
        "acme",
        "acme.com",
        "purchased",
        ready=own("acme.com"),
        stands={"name": "acme"},
    ),
    Case("scaledmail", "domain list", "acme", "acme.com", "domains", ready=own("acme.com"), stands={"name": "acme"}),
    Case(
        "scaledmail",
        "domain purchased",
        "available",
        "1 purchased domain free for a new order",
        "purchased",
        ready=own("acme.com", in_use=False),
        stands={"show": "available"},
    ),
    Case(
        "scaledmail",
        "mailbox list",
        "acme.com",
        "acme.com has 2 mailboxes",
        "mailboxes",
        ready=own("acme.com"),
        stands={"domain": "acme.com"},
    ),
    Case(
        "scaledmail",
        "mailbox credentials",
        "acme.com",
        "2 passwords of acme.com.",
        "mailboxes",
        ready=own("acme.com"),
        stands={"domain": "acme.com"},
        secret=lambda s: password_of(next(iter(s.domains.values())).mailboxes[0]),
    ),
    Case("scaledmail", "postroom organizations", "", "org-sandbox", "organizations", status=403),
]

OTHER_WAYS: list[Case] = []


PAGED: Mapping[str, tuple[str, Callable[[Any], list[str]]]] = {
    "scaledmail-prewarm-browse": ("google $40", forty(lambda s, name: s.put_on_shelf(name), ".com")),
    "scaledmail-prewarm-list": ("acme", forty(lambda s, name: s.own(name), ".com")),
    "scaledmail-domain-list": ("acme", forty(lambda s, name: s.own(name), ".com")),
    "scaledmail-domain-purchased": ("available", forty(lambda s, name: s.own(name, in_use=False), ".com")),
    "scaledmail-mailbox-list": ("acme.com", own_with_forty),
    "scaledmail-postroom-organizations": ("", forty(lambda s, name: s.organizations.update({name: "Org"}))),
}
