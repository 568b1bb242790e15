"""What people can ask of ScaledMail about domains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from providers.action import Action, Done, Effect, Item, Outcome, choices, from_words
from providers.listing import Listing, ListingByName, counted
from providers.scaledmail.actions.common import KINDS, STATES
from providers.scaledmail.client import ScaledMailClient
from providers.scaledmail.models import Domain, PaymentStatus, Platform


class ListDomains(
    ListingByName,
    provider="scaledmail",
    command="domain list",
    title="List domains",
    effect=Effect.READ,
    calls=("GET /api/v1/domains",),
):
    """List the domains of an account, or those whose name has a word in it."""

    async def run(self, client: ScaledMailClient, key: str) -> Outcome:
        """The organization's domains (endpoint row 4)."""
        found = [domain for domain in await client.domains() if self.matches(domain.name)]
        return _domain_listing(self, found, f"domains{self.matching()} in this account")


class ListPurchased(
    Listing,
    provider="scaledmail",
    command="domain purchased",
    title="Purchased domains",
    effect=Effect.READ,
    calls=("GET /api/v1/purchased-domains",),
):
    """List the domains that were bought here: all, or those still free for a new order."""

    show: Literal["all", "available"] = Field(
        "all",
        title="Show",
        description="A domain is free for a new order while nothing has been set up on it.",
        json_schema_extra={
            **choices({"all": "All of them", "available": "Only those free for a new order"}),
            **from_words(),
        },
    )

    @classmethod
    def usage(cls) -> str:
        return "[all|available]"

    async def run(self, client: ScaledMailClient, key: str) -> Outcome:
        """The domains bought through ScaledMail (endpoint row 5)."""
        available = self.show == "available"
        found = await client.purchased_domains(available=available)
        what = "purchased domains free for a new order" if available else "purchased domains in this account"
        return _domain_listing(self, found, what)


def _domain_listing(asked: Listing, found: Sequence[Domain], what: str) -> Done:
    shown, next_page = asked.part_of(found)
    return asked.told(
        counted(len(found), what.replace("domains", "domain", 1), what),
        nothing=f"There are no {asked.more}{what}.",
        items=(Item(name=domain.name, note=_described(domain)) for domain in shown),
        next_page=next_page,
    )


def _described(domain: Domain) -> str:
    mailboxes = domain.mailbox_count
    told = [
        STATES.get(domain.status, "state unknown"),
        KINDS[domain.platform] if domain.platform is not Platform.UNKNOWN else "",
        counted(mailboxes, "mailbox", "mailboxes") if mailboxes is not None else "",
        f"redirects to {domain.redirect}" if domain.redirect else "",
        "payment due" if domain.payment is PaymentStatus.DUE else "",
        f"tag {domain.tag}" if domain.tag else "",
    ]
    return " · ".join(filter(None, told))


ACTIONS: tuple[type[Action], ...] = (
    ListDomains,
    ListPurchased,
)
