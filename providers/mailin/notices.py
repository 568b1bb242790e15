"""What somebody should know about a Mailin account without having asked: few credits, name servers still to be set."""

from __future__ import annotations

from datetime import timedelta

from providers.mailin.client import MailinClient
from providers.mailin.models.domains import Domain, DomainStatus
from providers.notices import Notice, NoticeKind

FEW_CREDITS = 500
"""What one list of addresses takes: whoever has fewer should buy some before the next one."""
BY_ITSELF = timedelta(days=1)
_MAX_PAGES = 50
"""Of domains; an account with more is not read further for a digest."""


async def notices(client: MailinClient) -> tuple[Notice, ...]:
    """The balance where it is low (endpoint row 86), and domains whose name servers are not set (rows 24, 45).

    Those of the last day are left out: of what Mailin sells, it sets the name servers itself.
    """
    balance = await client.credit_balance()
    few = [Notice(NoticeKind.CREDITS, "credits", f"{balance:,} left to verify addresses with")]
    since = client.clock.now() - BY_ITSELF
    unset = [
        domain
        for domain in await _domains(client)
        if domain.name_server_status is DomainStatus.INACTIVE
        and (domain.created_at is None or domain.created_at < since)
    ]
    return (
        *(few if balance < FEW_CREDITS else ()),
        *(Notice(NoticeKind.NAME_SERVERS, domain.name, _to_set(domain)) for domain in unset),
    )


async def _domains(client: MailinClient) -> list[Domain]:
    found: list[Domain] = []
    for listing in (client.domains, client.google_domains):
        page: int | None = 1
        while page is not None and page <= _MAX_PAGES:
            shown = await listing(page)
            found += shown.data
            page = shown.next_page
    return found


def _to_set(domain: Domain) -> str:
    return f"set {', '.join(domain.name_servers)}" if domain.name_servers else "name servers are not set"
