"""What people can ask of Mailin.ai, a class each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue

from providers.accounts import PriceList
from providers.action import (
    Action,
    Done,
    Effect,
    Failed,
    Item,
    ItemState,
    Outcome,
    Pending,
    Quote,
    QuoteLine,
    Refused,
    Unknown,
    from_words,
    hidden,
)
from providers.errors import Rejected
from providers.fields import parse_domains, problem
from providers.mailin.client import MailinClient
from providers.mailin.models import Domain, DomainStatus, Hosting, JobState

TLDS = ("com", "co", "ca", "biz")
"""What Mailin sells (endpoint rows 27, 29, 46, 47)."""

MOST_DOMAINS = 50
"""In one request. Mailin states no limit; a person can still read a card of fifty."""

MOST_CHECKED = 10
"""Names in one `/domain check`: each is a call, and the asker is waiting."""

LISTING_LAG = timedelta(minutes=2)
"""How long after a job has ended its domains may still be missing from the listing."""

PAGE = 15
"""Rows of one page of an answer; also Mailin's own default."""

HOSTING_NAMES: Mapping[str, str] = {"smtp": "SMTP", "google": "Google"}


def _sold_here(names: list[str]) -> list[str]:
    wrong = [name for name in names if name.rsplit(".", 1)[-1] not in TLDS]
    if wrong:
        raise problem(f"{_listed(wrong)}: Mailin sells only .com, .co, .ca and .biz.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise problem(f"{_listed(twice)} is there twice. Name each domain once.")
    return names


def _at_most(most: int) -> AfterValidator:
    def check(names: list[str]) -> list[str]:
        if not names:
            raise problem("Name at least one domain.")
        if len(names) > most:
            raise problem(f"These are {len(names)} domains; at most {most} go into one request.")
        return names

    return AfterValidator(check)


DomainsToBuy = Annotated[list[str], BeforeValidator(parse_domains), _at_most(MOST_DOMAINS), AfterValidator(_sold_here)]
DomainsToCheck = Annotated[
    list[str], BeforeValidator(parse_domains), _at_most(MOST_CHECKED), AfterValidator(_sold_here)
]


class BuyDomains(Action, provider="mailin", command="domain buy", title="Buy domains", effect=Effect.SPEND):
    """Buy one or more new domains."""

    domains: DomainsToBuy = Field(
        title="Domains",
        description="One per line: .com, .co, .ca or .biz, at most 50.",
        json_schema_extra=from_words(),
    )
    hosting: Hosting = Field(
        "smtp",
        title="Hosting",
        description="Where the mailboxes of these domains will live.",
        json_schema_extra={"choices": dict(HOSTING_NAMES)},
    )

    @classmethod
    def usage(cls) -> str:
        return "[name.com …]"

    def headline(self) -> str:
        what = f"Buy {self.domains[0]}" if len(self.domains) == 1 else f"Buy {len(self.domains)} domains"
        return f"{what} ({HOSTING_NAMES[self.hosting]})"

    def subjects(self) -> tuple[str, ...]:
        return tuple(self.domains)

    async def check(self, client: MailinClient) -> None:
        taken: list[str] = []
        ours: list[str] = []
        for name in self.domains:
            if not await client.is_available(name):
                (ours if await _find_anywhere(client, name) else taken).append(name)
        told = []
        if ours:
            told.append(f"Already in this account: {_listed(ours)}.")
        if taken:
            told.append(f"Already taken: {_listed(taken)}.")
        if told:
            raise Refused({"domains": " ".join([*told, "Remove or replace these names."])})

    async def quote(self, client: MailinClient, prices: PriceList) -> Quote:
        return _priced(self.domains, prices)

    async def run(self, client: MailinClient, key: str) -> Outcome:
        try:
            uuid = await self._buy(client)
        except Rejected as rejected:
            gone = [name for name in self.domains if name in rejected.unavailable]
            if not gone:
                raise
            return Failed(
                summary=f"Mailin refused the order: {_listed(gone)} is no longer free. Nothing was bought.",
                cure="Ask again without the taken names.",
                items=tuple(
                    Item(name=name, state=ItemState.NOT_DONE, note="taken" if name in gone else "")
                    for name in self.domains
                ),
            )
        return Pending(
            ref={"uuid": uuid},
            progress="Mailin has accepted the order and is registering.",
            done=0,
            total=len(self.domains),
        )

    async def poll(self, client: MailinClient, ref: Mapping[str, JsonValue]) -> Outcome:
        ended_at = ref.get("ended_at")
        if isinstance(ended_at, str):
            return await self._settle(client, dict(ref), datetime.fromisoformat(ended_at), str(ref.get("ended_as", "")))
        job = await client.job_status(str(ref["uuid"]))
        match job.state:
            case JobState.COMPLETED | JobState.COMPLETED_WITH_ERRORS | JobState.FAILED:
                now = client.clock.now()
                ended = {**ref, "ended_at": now.isoformat(), "ended_as": job.state.value}
                return await self._settle(client, ended, now, job.state.value)
            case JobState.UNKNOWN:
                word = job.raw_status[:40]
                progress = f"Mailin reports a state that Postroom does not know (“{word}”); still watching."
            case _:
                progress = "Mailin is registering."
        return Pending(ref=dict(ref), progress=progress, done=0, total=len(self.domains))

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        found = await self._found(client)
        missing = [name for name in self.domains if name not in found]
        if missing:
            seen = f"In the account: {_listed(found) or 'none of them'}. Not (yet) listed: {_listed(missing)}."
            return Unknown(
                summary="It is not clear whether Mailin carried out the order.",
                evidence=seen,
                items=tuple(_item(name, found.get(name), ItemState.UNKNOWN) for name in self.domains),
            )
        # All are there. Whether they are live yet is for the polls to see: there is no job to ask, only the listing.
        now = client.clock.now()
        return await self._settle(client, {"ended_at": now.isoformat(), "ended_as": ""}, now, "", found)

    async def _buy(self, client: MailinClient) -> str:
        """The one paid call: endpoint row 27 or 29, for Google 46 or 47. Returns the job's uuid."""
        match self.hosting, self.domains:
            case "smtp", [name]:
                return await client.buy_domain(name)
            case "smtp", names:
                return await client.buy_domains(names)
            case _, [name]:
                return await client.buy_google_domain(name)
            case _, names:
                return await client.buy_google_domains(names)

    async def _settle(
        self,
        client: MailinClient,
        ref: dict[str, JsonValue],
        ended_at: datetime,
        ended_as: str,
        found: Mapping[str, Domain] | None = None,
    ) -> Outcome:
        """The job has ended: what counts is what the account has. The listing may lag behind, so absence must age."""
        found = found if found is not None else await self._found(client)
        live = [name for name in self.domains if name in found and found[name].status is DomainStatus.ACTIVE]
        total = len(self.domains)
        if len(live) == total:
            return Done(summary=_all_live(live), items=tuple(_item(name, found[name]) for name in self.domains))
        well = ended_as in ("", JobState.COMPLETED.value)
        lagging = client.clock.now() - ended_at < LISTING_LAG
        missing = [name for name in self.domains if name not in found]
        if well or (missing and lagging) or len(found) == total:
            progress = f"{len(live)} of {total} live."
            if missing:
                progress += f" Waiting to see {_listed(missing)} in the account."
            return Pending(ref=ref, progress=progress, done=len(live), total=total)
        bought = [name for name in self.domains if name in found]
        return Failed(
            summary=f"Mailin could not register everything: {len(bought)} of {total} bought."
            if bought
            else "Mailin could not register anything, and nothing was bought.",
            cure=f"Ask again for {_listed(missing)}, or for other names."
            if bought
            else "Ask again, or for other names.",
            items=tuple(_item(name, found.get(name)) for name in self.domains),
        )

    async def _found(self, client: MailinClient) -> dict[str, Domain]:
        found = {}
        for name in self.domains:
            domain = await client.find_domain(name, self.hosting)
            if domain is not None:
                found[name] = domain
        return found


class CheckDomains(Action, provider="mailin", command="domain check", title="Check domains", effect=Effect.READ):
    """See which names are free, and what they would cost."""

    domains: DomainsToCheck = Field(
        title="Domains",
        description="Up to 10 names: .com, .co, .ca or .biz.",
        json_schema_extra=from_words(),
    )

    @classmethod
    def usage(cls) -> str:
        return "name.com …"

    async def quote(self, client: MailinClient, prices: PriceList) -> Quote:
        return _priced(self.domains, prices)

    async def run(self, client: MailinClient, key: str) -> Outcome:
        items, free = [], []
        for name in self.domains:
            if await client.is_available(name):
                free.append(name)
                items.append(Item(name=name, note="free"))
            elif await _find_anywhere(client, name):
                items.append(Item(name=name, note="already in this account"))
            else:
                items.append(Item(name=name, note="taken"))
        if len(self.domains) == 1:
            summary = f"{self.domains[0]} is {items[0].note}."
        else:
            summary = f"{len(free)} of {len(self.domains)} names are free."
        return Done(summary=summary, items=tuple(items))


class ListDomains(Action, provider="mailin", command="domain list", title="List domains", effect=Effect.READ):
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

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """SMTP domains first, then Google's: two listings (rows 24 and 45) read as one."""
        name = self.name.strip() or None
        smtp = await client.domains(page=self.page, per_page=PAGE, name=name)
        if self.page <= smtp.last_page and smtp.data:
            shown, more = list(smtp.data), self.page < smtp.last_page
            google_page, hosting = 1, "smtp"
        else:
            shown, more = [], False
            google_page, hosting = max(self.page - (smtp.last_page if smtp.total else 0), 1), "google"
        google = None if more else await client.google_domains(page=google_page, per_page=PAGE, name=name)
        if google is not None and hosting == "google":
            shown, more = list(google.data), google_page < google.last_page
        elif google is not None:
            more = google.total > 0
        total = smtp.total + (google.total if google is not None else 0)
        matching = f" with “{name}” in the name" if name else ""
        if not shown:
            return Done(summary=f"There are no {'more ' if self.page > 1 else ''}domains{matching} in this account.")
        counted = f"{total} domain{'' if total == 1 else 's'}" if google is not None else f"{total} SMTP domains"
        return Done(
            summary=f"{counted}{matching}, page {self.page}.",
            items=tuple(_listing_item(domain, hosting) for domain in shown),
            next_page=self.page + 1 if more else None,
        )


ACTIONS: tuple[type[Action], ...] = (BuyDomains, CheckDomains, ListDomains)
"""What `providers/catalogue.py` offers of Mailin, in the order of the help text."""


def _priced(names: Sequence[str], prices: PriceList) -> Quote:
    """Mailin never names a price: the operator's list does, per top-level domain (`domain.com`)."""
    return Quote(
        lines=tuple(QuoteLine(what=name, price=prices.price(f"domain.{name.rsplit('.', 1)[-1]}")) for name in names),
        currency=prices.currency,
    )


async def _find_anywhere(client: MailinClient, name: str) -> Domain | None:
    return await client.find_domain(name, "smtp") or await client.find_domain(name, "google")


def _all_live(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} is live."
    return "Both domains are live." if len(names) == 2 else f"All {len(names)} domains are live."


def _item(name: str, domain: Domain | None, absent: ItemState = ItemState.NOT_DONE) -> Item:
    if domain is None:
        return Item(name=name, state=absent)
    if domain.status is DomainStatus.ACTIVE:
        servers = ", ".join(domain.name_servers)
        return Item(name=name, state=ItemState.LIVE, note=f"nameservers {servers}" if servers else "")
    return Item(name=name, state=ItemState.BOUGHT, note="being set up")


def _listing_item(domain: Domain, hosting: str) -> Item:
    state = {DomainStatus.ACTIVE: "live", DomainStatus.INACTIVE: "not active yet"}.get(domain.status, "state unknown")
    return Item(name=domain.name, note=f"{state} · {HOSTING_NAMES[hosting]}")


def _listed(names: Sequence[str] | Mapping[str, Domain], most: int = 5) -> str:
    shown = list(names)
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
