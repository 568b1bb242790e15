"""What people can ask of ScaledMail about domains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from providers.action import Action, Done, Effect, Item, Outcome, choices, from_words, hidden, of_pages
from providers.scaledmail.actions.common import KINDS, STATES, counted, paged
from providers.scaledmail.client import ScaledMailClient
from providers.scaledmail.models import Domain, PaymentStatus, Platform


class ListDomains(
    Action,
    provider="scaledmail",
    command="domain list",
    title="List domains",
    effect=Effect.READ,
    calls=("GET /api/v1/domains",),
):
    """List the domains of an account, or those whose name has a word in it."""

    name: Annotated[str, Field(max_length=253)] = Field(
        "",
        title="Name contains",
        description="Leave empty to see all.",
        json_schema_extra=from_words(),
    )
    page: int = Field(1, ge=1, le=100_000, json_schema_extra=hidden())

    @classmethod
    def usage(cls) -> str:
        return "[part of a name]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return {"name": " ".join(words)}

    async def run(self, client: ScaledMailClient, key: str) -> Outcome:
        """The organization's domains (endpoint row 4)."""
        part = self.name.strip().lower()
        found = [domain for domain in await client.domains() if part in domain.name.lower()]
        matching = f" with “{self.name.strip()}” in the name" if part else ""
        return _domain_listing(found, self.page, f"domains{matching} in this account")


class ListPurchased(
    Action,
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
    page: int = Field(1, ge=1, le=100_000, json_schema_extra=hidden())

    @classmethod
    def usage(cls) -> str:
        return "[all|available]"

    async def run(self, client: ScaledMailClient, key: str) -> Outcome:
        """The domains bought through ScaledMail (endpoint row 5)."""
        available = self.show == "available"
        found = await client.purchased_domains(available=available)
        what = "purchased domains free for a new order" if available else "purchased domains in this account"
        return _domain_listing(found, self.page, what)


def _domain_listing(found: Sequence[Domain], page: int, what: str) -> Done:
    shown, next_page = paged(found, page)
    if not shown:
        return Done(summary=f"There are no {'more ' if found else ''}{what}.")
    told = f"{len(found)} {what}" if len(found) != 1 else f"1 {what.replace('domains', 'domain', 1)}"
    return Done(
        summary=f"{told}{of_pages(page, next_page)}.",
        items=tuple(Item(name=domain.name, note=_described(domain)) for domain in shown),
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
