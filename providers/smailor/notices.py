"""What somebody should know about a Smailor account without having asked: domains with a bad reputation."""

from __future__ import annotations

from providers.notices import Notice, NoticeKind
from providers.smailor.client import SmailorClient
from providers.smailor.models import Domain, Reputation

_SUFFERS = (Reputation.BLOCKED, Reputation.WATCH)


async def notices(client: SmailorClient) -> tuple[Notice, ...]:
    """The domains whose reputation is "blocked" or "watch" (endpoint row 7), the blocked ones first."""
    bad = [domain for domain in await client.domains() if domain.reputation in _SUFFERS]
    bad.sort(key=lambda domain: _SUFFERS.index(domain.reputation))
    return tuple(Notice(NoticeKind.REPUTATION, domain.name, _note(domain)) for domain in bad)


def _note(domain: Domain) -> str:
    figures = (
        f"{domain.bounces} bounces" if domain.bounces else "",
        f"{domain.complaints} complaints" if domain.complaints else "",
    )
    told = ", ".join(filter(None, [domain.reputation.value, *figures]))
    return f"{told}. {domain.advice}" if domain.advice else told
