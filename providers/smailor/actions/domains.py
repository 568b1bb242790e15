"""What people can ask of Smailor about domains and their reputation."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from providers.action import Action, Done, Effect, Item, Outcome, Table, from_words
from providers.errors import NotFound
from providers.fields import Kind, parse_domain
from providers.listing import Listing, ListingByName, counted
from providers.smailor.actions.common import advice_on
from providers.smailor.client import SmailorClient
from providers.smailor.models import Domain, Reputation

_REPUTATIONS = {
    Reputation.BLOCKED: "blocked",
    Reputation.WATCH: "on watch",
    Reputation.UNKNOWN: "not said",
    Reputation.HEALTHY: "healthy",
}
"""In the order in which they want attention."""


def _domain_or_nothing(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return parse_domain(value) if value.strip() else None


OptionalDomain = Annotated[str | None, BeforeValidator(_domain_or_nothing), Kind.DOMAIN]


class ListDomains(
    ListingByName,
    provider="smailor",
    command="domain list",
    title="List domains",
    effect=Effect.READ,
    calls=("GET /api/v1/domains",),
):
    """List the domains of an account, or those whose name has a word in it."""

    async def run(self, client: SmailorClient, key: str) -> Outcome:
        """The account's own domains (endpoint row 7)."""
        found = [domain for domain in await client.domains() if self.matches(domain.name)]
        shown, next_page = self.part_of(found)
        return self.told(
            f"{counted(len(found), 'domain')}{self.matching()}",
            nothing=f"There are no {self.more}domains{self.matching()} in this account.",
            items=(
                Item(name=domain.name, note=" · ".join([_verification(domain), _reputation(domain)]))
                for domain in shown
            ),
            next_page=next_page,
        )


class ShowReputation(
    Listing,
    provider="smailor",
    command="domain reputation",
    title="Domain reputation",
    effect=Effect.READ,
    calls=("GET /api/v1/domains",),
):
    """See how a domain's reputation is, with the provider's advice."""

    domain: OptionalDomain = Field(
        None,
        title="Domain",
        description="Leave empty to see all, the worst first.",
        json_schema_extra=from_words(),
    )

    @classmethod
    def usage(cls) -> str:
        return "[name.com]"

    def subjects(self) -> tuple[str, ...]:
        return (self.domain,) if self.domain else ()

    async def run(self, client: SmailorClient, key: str) -> Outcome:
        """How the domains did over the last 30 days (endpoint row 7)."""
        if self.domain is not None:
            return _judged(self.domain, await client.find_domain(self.domain))
        order = list(_REPUTATIONS)
        found = sorted(await client.domains(), key=lambda domain: (order.index(domain.reputation), domain.name))
        shown, next_page = self.part_of(found)
        counts = [
            f"{number} {word}"
            for reputation, word in _REPUTATIONS.items()
            if (number := sum(domain.reputation is reputation for domain in found))
        ]
        return self.told(
            f"{counted(len(found), 'domain')}: {', '.join(counts)}",
            nothing=f"There are no {self.more}domains in this account.",
            items=(
                Item(
                    name=domain.name,
                    note=" · ".join(filter(None, [_reputation(domain), _last_30_days(domain), advice_on(domain)])),
                )
                for domain in shown
            ),
            next_page=next_page,
        )


# Details.


def _judged(name: str, domain: Domain | None) -> Done:
    if domain is None:
        raise NotFound(f"{name} is not among the domains of this Smailor account.")
    advice = advice_on(domain)
    told = {
        Reputation.HEALTHY: f"{name} is healthy.",
        Reputation.WATCH: f"{name} is on watch.",
        Reputation.BLOCKED: f"{name} is blocked: no mailbox can be created on it.",
        Reputation.UNKNOWN: f"Smailor does not say what the reputation of {name} is.",
    }[domain.reputation]
    row = (
        _verification(domain),
        _figure(domain.sends),
        _share(domain.bounces, domain.sends),
        _share(domain.complaints, domain.sends),
    )
    return Done(
        summary=f"{told} {advice}".strip(),
        table=Table(columns=("Domain", "Sent in 30 days", "Bounced", "Complained of"), rows=(row,)),
    )


def _verification(domain: Domain) -> str:
    if domain.verified is None:
        return "verification not said"
    return "verified" if domain.verified else "not verified"


def _reputation(domain: Domain) -> str:
    if domain.reputation is Reputation.UNKNOWN:
        return "reputation not said"
    return _REPUTATIONS[domain.reputation]


def _last_30_days(domain: Domain) -> str:
    if domain.sends is None:
        return ""
    bounced, complained = _share(domain.bounces, domain.sends), _share(domain.complaints, domain.sends)
    return f"{domain.sends} sent in 30 days, bounced: {bounced}, complained of: {complained}"


def _share(part: int | None, whole: int | None) -> str:
    if part is None or not whole:
        return _figure(part)
    return f"{part} ({100 * part / whole:.1f} %)"


def _figure(number: int | None) -> str:
    return "not said" if number is None else str(number)


ACTIONS: tuple[type[Action], ...] = (
    ListDomains,
    ShowReputation,
)
