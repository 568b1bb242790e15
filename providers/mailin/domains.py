"""Mailin's endpoints about domains: SMTP, Google and InboxKit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

from providers.action import Effect
from providers.errors import BadAnswer
from providers.mailin.lenient import Page, with_id
from providers.mailin.models import Availability, Domain, Hosting, Job, JobState, RateLimit, Transfer
from providers.mailin.session import MAX_PAGES, PER_PAGE, Session

Listing = Hosting | Literal["inboxkit"]
"""Which of the account's listings of domains: each has its own."""

_LISTINGS: Mapping[Listing, str] = {
    "smtp": "/domains",
    "google": "/domains/list/google",
    "inboxkit": "/domains/get/inboxkit-domains",
}


class DomainCalls(Session):
    """Domains: seeing, buying, moving in, forwarding, deleting."""

    # Seeing.

    async def domains(self, page: int = 1, per_page: int = PER_PAGE, name: str | None = None) -> Page[Domain]:
        """A page of the SMTP domains (endpoint row 24). `name` finds everything that contains it."""
        return await self._page(_LISTINGS["smtp"], with_id(self._domain), page, per_page, name=name)

    async def google_domains(self, page: int = 1, per_page: int = PER_PAGE, name: str | None = None) -> Page[Domain]:
        """A page of the Google domains (endpoint row 45). `name` finds everything that contains it."""
        return await self._page(_LISTINGS["google"], with_id(self._domain), page, per_page, name=name)

    async def inboxkit_domains(self, page: int = 1, per_page: int = PER_PAGE, name: str | None = None) -> Page[Domain]:
        """A page of the InboxKit domains (endpoint row 23). `name` finds everything that contains it."""
        return await self._page(_LISTINGS["inboxkit"], with_id(self._domain), page, per_page, name=name)

    async def domain(self, domain_id: int) -> Domain:
        """One domain (endpoint row 25; its path is inferred)."""
        return await self._get(f"/domains/{domain_id}", Domain)

    async def find_domain(self, name: str, hosting: Hosting = "smtp") -> Domain | None:
        """The account's domain of exactly this name, or None. "None" soon after a purchase proves nothing."""
        return await self._named(hosting, name)

    async def find_inboxkit_domain(self, name: str) -> Domain | None:
        """The account's InboxKit domain of exactly this name, or None."""
        return await self._named("inboxkit", name)

    async def find_domains(self, names: Collection[str], hosting: Listing = "smtp") -> dict[str, Domain]:
        """Those of many names that the account has, by their names in small letters, with as few calls as it takes.

        Either each is looked for, or the listing is read page by page, whichever is less. A listing that changes
        meanwhile may pass over a name: its absence proves even less than that of one which was looked for.
        """
        wanted = {name.lower() for name in names}
        found: dict[str, Domain] = {}
        page: int | None = 1 if len(wanted) > 1 else None
        while page is not None and wanted:
            if page > MAX_PAGES:
                raise BadAnswer("Mailin's list does not end.", detail=f"{MAX_PAGES} pages")
            shown = await self._also_without_id(hosting, page)
            for domain in shown.data:
                if (name := domain.name.lower()) in wanted:
                    found[name] = domain
                    wanted.discard(name)
            page = shown.next_page
            if page is None:
                return found
            if shown.last_page - shown.page > len(wanted):
                break
        for name in wanted:
            if (domain_of_name := await self._named(hosting, name)) is not None:
                found[name] = domain_of_name
        return found

    async def domain_rate_limit(self, domain_id: int) -> RateLimit:
        """How much a domain may send (endpoint row 33; its path is inferred)."""
        return await self._get(f"/domains/{domain_id}/rate-limit", RateLimit)

    # Buying.

    async def is_available(self, domain: str) -> bool:
        """Whether a name can be bought (endpoint row 26). Its "no" is a 404, but not every 404 is a "no"."""
        reply = await self._call(
            "GET",
            "/domains/check/domain-availability",
            effect=Effect.READ,
            params={"domain_name": domain},
            also_fine=frozenset({404}),
        )
        said = self._shaped(Availability, reply).available
        if said is None:
            raise BadAnswer(
                "Mailin did not say whether the name is available.", status=reply.status, detail="no `available`"
            )
        return said

    async def buy_domain(self, domain: str) -> str:
        """Buy one SMTP domain (endpoint row 27). Returns the uuid of the job."""
        return await self._begin("/domains/buy", {"domain_name": domain}, effect=Effect.SPEND)

    async def buy_domains(self, domains: Sequence[str]) -> str:
        """Buy several SMTP domains at once (endpoint row 29). Returns the uuid of the job."""
        return await self._begin("/domains/buy-multiple", {"domain_names": list(domains)}, effect=Effect.SPEND)

    async def buy_google_domain(self, domain: str) -> str:
        """Buy one Google domain (endpoint row 46). Returns the uuid of the job."""
        return await self._begin("/domains/buy/google", {"domain_name": domain}, effect=Effect.SPEND)

    async def buy_google_domains(self, domains: Sequence[str]) -> str:
        """Buy several Google domains at once (endpoint row 47). Returns the uuid of the job."""
        return await self._begin("/domains/buy-multiple/google", {"domain_names": list(domains)}, effect=Effect.SPEND)

    async def job_status(self, uuid: str) -> Job:
        """How a purchase is getting on (endpoint row 31). Raises NotFound for a job Mailin does not know."""
        job = await self._get(f"/domains/status/{quote(uuid, safe='')}", Job)
        if job.state is JobState.UNKNOWN:
            self._odd("job status", job.raw_status)
        return job

    # Moving in. None of these names a job: whether it is done is seen in the listing, after hours or days.

    async def transfer_domain(self, domain: str) -> Transfer:
        """Move a domain in for SMTP (endpoint row 30). Returns the name servers to set where it is registered."""
        return self._told(Transfer, await self._change("POST", "/domains/transfer", json={"domain_name": domain}))

    async def transfer_google_domain(self, domain: str) -> Transfer:
        """Move a domain in for Google (endpoint row 48). Returns the name servers to set where it is registered."""
        return self._told(
            Transfer, await self._change("POST", "/domains/transfer/google", json={"domain_name": domain})
        )

    async def transfer_inboxkit_domain(self, domain: str, uid: str) -> Transfer:
        """Move a domain in from InboxKit, by its uid there (endpoint row 22). Returns its id here."""
        wanted = {"domain_name": domain, "uid": uid}
        return self._told(Transfer, await self._change("POST", "/domains/transfer/inboxkit", json=wanted))

    async def add_subdomain(self, label: str, domain: str) -> None:
        """Add `label`.`domain`, of an active domain (endpoint row 28). Done when it is listed; there is no job."""
        await self._change("POST", "/domains/add/subdomain", json={"subdomain": label, "domain": domain})

    # Forwarding, and the end.

    async def forward_domain(self, domain_id: int, to: str) -> None:
        """Forward a domain's web visitors to another domain (endpoint row 34). Replaces what was set before."""
        await self._change("POST", "/domains/forward", json={"domain_id": domain_id, "forward_to": to})

    async def remove_domain_forward(self, domain_id: int) -> None:
        """Forward a domain's web visitors no longer (endpoint row 35)."""
        await self._change("POST", "/domains/remove/forward", json={"domain_id": domain_id})

    async def forward_domain_email(self, domain_id: int, to: str) -> None:
        """Forward all e-mail of a domain to an address (endpoint row 36). Mailin has no way to remove it again."""
        await self._change("POST", "/domains/email/forward", json={"domain_id": domain_id, "forward_to": to})

    async def delete_domain(self, domain_id: int) -> None:
        """Delete a domain with all its mailboxes, for ever (endpoint row 32; method and path are inferred)."""
        await self._change("DELETE", f"/domains/{domain_id}", effect=Effect.DESTROY)

    def _domain(self, said: Any) -> Domain:
        return Domain.model_validate(said, context=self._odd)

    async def _also_without_id(self, listing: Listing, page: int, name: str | None = None) -> Page[Domain]:
        """A page of the domains that are there: one without a number was bought like the others."""
        return await self._page(_LISTINGS[listing], self._domain, page, PER_PAGE, name=name)

    async def _named(self, listing: Listing, name: str) -> Domain | None:
        async for domain in self._items(lambda page: self._also_without_id(listing, page, name)):
            if domain.name.lower() == name.lower():
                return domain
        return None
