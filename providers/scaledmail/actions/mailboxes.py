"""What people can ask of ScaledMail about mailboxes."""

from __future__ import annotations

from pydantic import Field

from providers.action import Action, Effect, Item, Outcome, Revealed, from_words
from providers.errors import NotFound
from providers.fields import DomainName
from providers.listing import Listing, counted
from providers.scaledmail.actions.common import STATES
from providers.scaledmail.client import ScaledMailClient


class ListMailboxes(
    Listing,
    provider="scaledmail",
    command="mailbox list",
    title="List mailboxes",
    effect=Effect.READ,
    calls=("GET /api/v1/domains", "GET /api/v1/purchased-domains", "GET /api/v1/mailboxes/{domain_id}"),
):
    """List the mailboxes of a domain, without their passwords."""

    domain: DomainName = Field(title="Domain", description="A domain of this account.", json_schema_extra=from_words())

    @classmethod
    def usage(cls) -> str:
        return "name.com"

    def subjects(self) -> tuple[str, ...]:
        return (self.domain,)

    async def run(self, client: ScaledMailClient, key: str) -> Outcome:
        """The mailboxes of one domain (endpoint row 6)."""
        found = await client.mailboxes(await _id_of(client, self.domain))
        shown, next_page = self.part_of(found)
        return self.told(
            f"{self.domain} has {counted(len(found), 'mailbox', 'mailboxes')}",
            nothing=f"{self.domain} has no {self.more}mailboxes.",
            items=(
                Item(
                    name=_address(box.email, self.domain),
                    note=" · ".join(
                        filter(None, [f"{box.first_name} {box.last_name}".strip(), STATES.get(box.status, "")])
                    ),
                )
                for box in shown
            ),
            next_page=next_page,
        )


class ShowMailboxPasswords(
    Action,
    provider="scaledmail",
    command="mailbox credentials",
    title="Mailbox passwords",
    effect=Effect.REVEAL,
    calls=("GET /api/v1/domains", "GET /api/v1/purchased-domains", "GET /api/v1/mailboxes/{domain_id}"),
):
    """Show the passwords of a domain's mailboxes, once and to you alone."""

    domain: DomainName = Field(title="Domain", description="A domain of this account.", json_schema_extra=from_words())

    @classmethod
    def usage(cls) -> str:
        return "name.com"

    def headline(self) -> str:
        return f"Show the mailbox passwords of {self.domain}"

    def subjects(self) -> tuple[str, ...]:
        return (self.domain,)

    async def reveal(self, client: ScaledMailClient) -> Revealed:
        """The passwords of one domain's mailboxes (endpoint row 6)."""
        found = await client.mailbox_passwords(await _id_of(client, self.domain))
        known = tuple((_address(box.email, self.domain), box.password) for box in found if box.password is not None)
        if not found:
            raise NotFound(f"{self.domain} has no mailboxes (yet).", cure="If it was just bought, ask again later.")
        if not known:
            raise NotFound(
                f"ScaledMail shows no password for any mailbox of {self.domain}.",
                cure="If it was just bought, ask again later. Otherwise look into ScaledMail's own dashboard.",
            )
        without = len(found) - len(known)
        missing = f" For {counted(without, 'other mailbox', 'other mailboxes')} it shows none." if without else ""
        return Revealed(
            summary=f"{counted(len(known), 'password')} of {self.domain}.{missing}",
            secrets=known,
        )


async def _id_of(client: ScaledMailClient, name: str) -> str:
    """What ScaledMail wants the mailboxes of a domain to be asked by. Raises NotFound."""
    domain = await client.find_domain(name)
    if domain is None:
        raise NotFound(
            f"{name} is not (yet) among the domains of this account.",
            cure="Check the name, and the account you asked for. What was just bought may take some minutes.",
        )
    if not domain.id:
        raise NotFound(
            f"ScaledMail lists {name} without the id that its mailboxes are asked for by.",
            cure="If it was just bought, ask again later. Otherwise look into ScaledMail's own dashboard.",
        )
    return domain.id


def _address(email: str, domain: str) -> str:
    return email if "@" in email else f"{email}@{domain}"


ACTIONS: tuple[type[Action], ...] = (
    ListMailboxes,
    ShowMailboxPasswords,
)
