"""What people can ask of Mailin about domains."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, ValidationInfo, field_validator

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
    choices,
    from_words,
    line_items,
)
from providers.errors import NotFound, ProviderError, Rejected
from providers.fields import DomainName, EmailAddress, Kind, parse_domains, problem
from providers.files import from_file
from providers.listing import PAGE, ListingByName, counted, listed
from providers.mailin.actions.common import (
    HOSTING_NAMES,
    SEE_DOMAINS,
    SEE_EVERY_DOMAIN,
    SEE_MAILBOXES,
    LeadsElsewhere,
    OtherDomain,
    facts,
    find_domain,
    may_send,
    read_as_one,
    the_domain,
    words_into,
)
from providers.mailin.client import MailinClient
from providers.mailin.domains import Listing
from providers.mailin.models import Domain, DomainStatus, Hosting, JobState

TLDS = ("com", "co", "ca", "biz")
"""What Mailin sells (endpoint rows 27, 29, 46, 47)."""

MOST_DOMAINS = 50
"""In one request. Mailin states no limit; a person can still read a card of fifty."""

MOST_DOMAINS_OF_A_LIST = 100
"""In one request that was made for lists: more would keep whoever asks waiting for minutes, as each is looked up."""

MOST_CHECKED = 10
"""Names in one `/domain check`: each is a call, and the asker is waiting."""

_HOSTINGS: tuple[Hosting, ...] = ("smtp", "google")
_STATES = {DomainStatus.ACTIVE: "live", DomainStatus.INACTIVE: "not active yet"}
_NAME_SERVER_STATES = {DomainStatus.ACTIVE: "set", DomainStatus.INACTIVE: "not set yet"}
_HARMLESS = "Asking again does no harm."
_LOOK = "Look into its own dashboard."

LISTING_LAG = timedelta(minutes=2)
"""How long after a job has ended its domains may still be missing from the listing."""


def _sold_here(names: list[str]) -> list[str]:
    below = [name for name in names if name.count(".") > 1 and name.rsplit(".", 1)[-1] in TLDS]
    if below:
        bare = ".".join(below[0].split(".")[-2:])
        raise problem(f"{listed(below)}: name the domain itself, such as {bare}, without what stands before it.")
    wrong = [name for name in names if name.rsplit(".", 1)[-1] not in TLDS]
    if wrong:
        raise problem(f"{listed(wrong)}: Mailin sells only .com, .co, .ca and .biz.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise problem(f"{listed(twice)} is there twice. Name each domain once.")
    return names


def _at_most(most: int) -> AfterValidator:
    def check(names: list[str]) -> list[str]:
        if not names:
            raise problem("Name at least one domain.")
        if len(names) > most:
            raise problem(f"These are {len(names)} domains; at most {most} go into one request.")
        return names

    return AfterValidator(check)


def _uid(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return UUID(value.strip())
    except ValueError:
        raise problem("This is not a uid. One looks like 5d297ac4-1bf4-4f3c-935c-ec9df38d63b3.") from None


def _below(name: str) -> str:
    if name.count(".") < 2:
        raise problem(f"“{name}” is not a sub-domain. One looks like mail.{name}.")
    return name


def _servers(ref: Mapping[str, JsonValue]) -> tuple[str, ...]:
    said = ref.get("name_servers")
    return tuple(str(server) for server in said) if isinstance(said, list) else ()


DomainsToBuy = Annotated[
    list[str], BeforeValidator(parse_domains), _at_most(MOST_DOMAINS), AfterValidator(_sold_here), Kind.DOMAIN
]
ManyDomainsToBuy = Annotated[
    list[str],
    BeforeValidator(parse_domains),
    AfterValidator(lambda names: list(dict.fromkeys(names))),
    _at_most(MOST_DOMAINS_OF_A_LIST),
    AfterValidator(_sold_here),
    Kind.DOMAIN,
]
DomainsToCheck = Annotated[
    list[str], BeforeValidator(parse_domains), _at_most(MOST_CHECKED), AfterValidator(_sold_here), Kind.DOMAIN
]


class BuyDomains(
    Action,
    provider="mailin",
    command="domain buy",
    title="Buy domains",
    effect=Effect.SPEND,
    calls=(
        *SEE_DOMAINS,
        "GET /api/v1/public/domains/check/domain-availability",
        "POST /api/v1/public/domains/buy",
        "POST /api/v1/public/domains/buy-multiple",
        "GET /api/v1/public/domains/status/{job_id}",
        "POST /api/v1/public/domains/buy/google",
        "POST /api/v1/public/domains/buy-multiple/google",
    ),
):
    """Buy one or more new domains."""

    registers: ClassVar[bool] = True

    domains: DomainsToBuy = Field(
        title="Domains",
        description="One per line: .com, .co, .ca or .biz, at most 50.",
        json_schema_extra=from_words() | line_items(),
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
                (ours if await find_domain(client, name) else taken).append(name)
        told = []
        if ours:
            told.append(f"Already in this account: {listed(ours)}.")
        if taken:
            told.append(f"Already taken: {listed(taken)}.")
        if told:
            raise Refused({"domains": " ".join([*told, "Remove or replace these names."])})

    async def quote(self, client: MailinClient, prices: PriceList) -> Quote:
        return _priced(self.domains, prices)

    async def run(self, client: MailinClient, key: str) -> Outcome:
        there: Mapping[str, Domain] = {}
        with suppress(ProviderError):  # what is ours by now cannot be proof of this order, should its answer be lost
            there = await self._found(client)
        if there:
            return Failed(
                summary=f"Already in this account: {listed(list(there))}. So nothing was sent, and nothing was bought.",
                cure="Ask again without these names.",
                items=self._none_bought(there, "already in this account"),
            )
        try:
            uuid = await self._buy(client)
        except Rejected as rejected:
            gone = [name for name in self.domains if name in rejected.unavailable]
            if not gone:
                raise
            return Failed(
                summary=f"Mailin refused the order: {listed(gone)} is no longer free. Nothing was bought.",
                cure="Ask again without the taken names.",
                items=self._none_bought(gone, "taken"),
            )
        return Pending(
            ref={"uuid": uuid},
            progress="Mailin has accepted the order and is registering.",
            done=0,
            total=len(self.domains),
        )

    def _none_bought(self, because_of: Collection[str], why: str) -> tuple[Item, ...]:
        return tuple(
            Item(name=name, state=ItemState.NOT_DONE, note=why if name in because_of else "") for name in self.domains
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
                progress = f"Mailin reports a state that Postroom does not know (“{word}”)."
            case _:
                progress = "Mailin is registering."
        return Pending(ref=dict(ref), progress=progress, done=0, total=len(self.domains))

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        found = await self._by_name(client, await self._found(client))
        missing = [name for name in self.domains if name not in found]
        if missing:
            seen = f"In the account: {listed(found) or 'none of them'}. Not (yet) listed: {listed(missing)}."
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
                progress += f" Waiting to see {listed(missing)} in the account."
            items = tuple(_item(name, found.get(name), ItemState.UNKNOWN) for name in self.domains)
            return Pending(ref=ref, progress=progress, done=len(live), total=total, items=items)
        sure = await self._by_name(client, found)
        if sure.keys() != found.keys():
            return await self._settle(client, ref, ended_at, ended_as, sure)
        bought = [name for name in self.domains if name in found]
        return Failed(
            summary=f"Mailin could not register everything: {len(bought)} of {total} bought."
            if bought
            else "Mailin could not register anything, and nothing was bought.",
            cure=f"Ask again for {listed(missing)}, or for other names."
            if bought
            else "Ask again, or for other names.",
            items=tuple(_item(name, found.get(name)) for name in self.domains),
        )

    async def _found(self, client: MailinClient) -> dict[str, Domain]:
        there = await client.find_domains(self.domains, self.hosting)
        return {name: there[name] for name in self.domains if name in there}

    async def _by_name(self, client: MailinClient, found: Mapping[str, Domain]) -> dict[str, Domain]:
        """`found`, and what a listing that was read page by page has passed over: before a name is called missing."""
        missing = [name for name in self.domains if name not in found]
        looked_for = [(name, await client.find_domain(name, self.hosting)) for name in missing]
        return {**found, **{name: domain for name, domain in looked_for if domain is not None}}


class BuyManyDomains(
    BuyDomains,
    provider="mailin",
    command="domain buy-many",
    title="Buy many domains",
    effect=Effect.SPEND,
):
    """Buy the domains of a list or of a CSV or XLSX file."""

    domains: ManyDomainsToBuy = Field(
        title="Domains",
        description=f"One per line: .com, .co, .ca or .biz, at most {MOST_DOMAINS_OF_A_LIST}. "
        "What is there twice is bought once.",
        json_schema_extra=from_words() | from_file("domain") | line_items(),
    )


class CheckDomains(
    Action,
    provider="mailin",
    command="domain check",
    title="Check domains",
    effect=Effect.READ,
    calls=(*SEE_DOMAINS, "GET /api/v1/public/domains/check/domain-availability"),
):
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
            elif await find_domain(client, name):
                items.append(Item(name=name, note="already in this account"))
            else:
                items.append(Item(name=name, note="taken"))
        if len(self.domains) == 1:
            summary = f"{self.domains[0]} is {items[0].note}."
        else:
            summary = f"{len(free)} of {len(self.domains)} names {'is' if len(free) == 1 else 'are'} free."
        return Done(summary=summary, items=tuple(items))


_LISTINGS: Mapping[str, str] = {**HOSTING_NAMES, "inboxkit": "from InboxKit"}


class ListDomains(
    ListingByName,
    provider="mailin",
    command="domain list",
    title="List domains",
    effect=Effect.READ,
    calls=SEE_EVERY_DOMAIN,
):
    """List the domains of an account, or those whose name has a word in it."""

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """SMTP domains first, then Google's and InboxKit's: three listings (rows 24, 45 and 23) read as one."""
        name = self.name.strip() or None
        shown = await read_as_one(
            {
                "smtp": lambda page: client.domains(page, PAGE, name),
                "google": lambda page: client.google_domains(page, PAGE, name),
                "inboxkit": lambda page: client.inboxkit_domains(page, PAGE, name),
            },
            self.page,
        )
        return self.told(
            f"{counted(shown.total, 'domain')}{self.matching()}",
            nothing=f"There are no {self.more}domains{self.matching()} in this account.",
            items=(_listing_item(domain, hosting) for domain, hosting in shown.rows),
            next_page=shown.next_page,
        )


# One domain.


class _OfOneDomain(Action):
    """What is asked of one domain, by its name."""

    domain: DomainName = Field(
        title="Domain", description="A domain of this account, such as acme.com.", json_schema_extra=from_words()
    )

    @classmethod
    def usage(cls) -> str:
        return "name.com"

    def subjects(self) -> tuple[str, ...]:
        return (self.domain,)

    async def _checked(self, client: MailinClient) -> Domain:
        """The domain, or Refused."""
        try:
            return (await the_domain(client, self.domain))[0]
        except NotFound as missing:
            raise Refused({"domain": f"{missing.sentence} {missing.cure}"}) from None

    def _unclear(self, evidence: str) -> Unknown:
        return Unknown(
            summary=f"It is not clear whether Mailin has changed {self.domain}.",
            evidence=evidence,
            items=(Item(name=self.domain, state=ItemState.UNKNOWN),),
        )


class ShowDomain(
    _OfOneDomain,
    provider="mailin",
    command="domain show",
    title="Show a domain",
    effect=Effect.READ,
    calls=SEE_EVERY_DOMAIN,
):
    """Show what is known of a domain, such as the nameservers to set."""

    async def run(self, client: MailinClient, key: str) -> Outcome:
        domain, _ = await the_domain(client, self.domain)
        servers = _NAME_SERVER_STATES.get(domain.name_server_status, "")
        return Done(
            summary=f"{domain.name} is {_STATES.get(domain.status, 'in a state that Postroom does not know')}.",
            items=facts(
                {
                    "Nameservers": ", ".join(domain.name_servers),
                    "They are": servers,
                    "Kind": _kind(domain),
                    "Registered at": domain.domain_provider,
                    "Here since": f"{domain.created_at:%Y-%m-%d}" if domain.created_at else "",
                }
            ),
        )


class DomainRateLimit(
    _OfOneDomain,
    provider="mailin",
    command="domain rate-limit",
    title="Sending limit",
    effect=Effect.READ,
    calls=(*SEE_EVERY_DOMAIN, "GET /api/v1/public/domains/{domain_id}/rate-limit"),
):
    """Show how much a domain may send."""

    async def run(self, client: MailinClient, key: str) -> Outcome:
        _, domain_id = await the_domain(client, self.domain)
        limit = (await client.domain_rate_limit(domain_id)).rate_limit
        return Done(summary=may_send(self.domain, limit))


class TransferDomain(
    Action,
    provider="mailin",
    command="domain transfer",
    title="Transfer a domain",
    effect=Effect.WRITE,
    calls=(
        *SEE_EVERY_DOMAIN,
        "POST /api/v1/public/domains/transfer/inboxkit",
        "POST /api/v1/public/domains/transfer",
        "POST /api/v1/public/domains/transfer/google",
    ),
):
    """Move a domain that you own into the account; you will be told which nameservers to set."""

    deadline: ClassVar[timedelta | None] = timedelta(days=7)
    """Somebody has to set the nameservers first, and then the world has to hear of it."""

    domain: DomainName = Field(
        title="Domain",
        description="Such as acme.com. You keep it where it is registered.",
        json_schema_extra=from_words(),
    )
    hosting: Literal["smtp", "google", "inboxkit"] = Field(
        "smtp",
        title="For",
        description="Where its mailboxes will live, or InboxKit if it comes from there.",
        json_schema_extra=choices({**HOSTING_NAMES, "inboxkit": "From InboxKit"}),
    )
    uid: Annotated[UUID | None, BeforeValidator(_uid)] = Field(
        None,
        title="InboxKit uid",
        description="Only for a domain from InboxKit, which shows it. Otherwise leave it empty.",
        validate_default=True,
    )

    @field_validator("uid")
    @classmethod
    def _uid_fits(cls, uid: UUID | None, info: ValidationInfo) -> UUID | None:
        hosting = info.data.get("hosting")
        if hosting == "inboxkit" and uid is None:
            raise problem("InboxKit names each domain by a uid: paste it here.")
        if hosting in HOSTING_NAMES and uid is not None:
            raise problem("Leave this empty: only a domain from InboxKit has a uid.")
        return uid

    @classmethod
    def usage(cls) -> str:
        return "name.com"

    def headline(self) -> str:
        whither = "from InboxKit" if self.hosting == "inboxkit" else f"({HOSTING_NAMES[self.hosting]})"
        return f"Transfer {self.domain} {whither}"

    def subjects(self) -> tuple[str, ...]:
        return (self.domain,)

    async def check(self, client: MailinClient) -> None:
        if await find_domain(client, self.domain) or await client.find_inboxkit_domain(self.domain):
            raise Refused({"domain": f"{self.domain} is already in this account. “domain show” tells its nameservers."})

    async def run(self, client: MailinClient, key: str) -> Outcome:
        match self.hosting:
            case "smtp":
                begun = await client.transfer_domain(self.domain)
            case "google":
                begun = await client.transfer_google_domain(self.domain)
            case _:
                begun = await client.transfer_inboxkit_domain(self.domain, str(self.uid))
        return self._waiting(begun.name_servers, None)

    async def poll(self, client: MailinClient, ref: Mapping[str, JsonValue]) -> Outcome:
        return self._settled(await self._found(client), _servers(ref))

    @classmethod
    async def poll_many(
        cls, client: MailinClient, waiting: Sequence[tuple[Self, Mapping[str, JsonValue]]]
    ) -> Sequence[Outcome | ProviderError]:
        names: dict[Listing, list[str]] = {}
        for action, _ in waiting:
            names.setdefault(action.hosting, []).append(action.domain)
        found = {hosting: await _found_in(client, wanted, hosting) for hosting, wanted in names.items()}
        return [
            there
            if isinstance(there := found[action.hosting], ProviderError)
            else action._settled(there.get(action.domain), _servers(ref))
            for action, ref in waiting
        ]

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        """It was not in the account when it was asked for, so its presence proves that the transfer has begun."""
        found = await self._found(client)
        if found is not None:
            return self._settled(found, ())
        return Unknown(
            summary=f"It is not clear whether Mailin has begun to transfer {self.domain}.",
            evidence=f"{self.domain} is not (yet) listed.",
            items=(Item(name=self.domain, state=ItemState.UNKNOWN),),
        )

    async def _found(self, client: MailinClient) -> Domain | None:
        if self.hosting == "inboxkit":
            return await client.find_inboxkit_domain(self.domain)
        return await client.find_domain(self.domain, self.hosting)

    def _settled(self, found: Domain | None, servers: tuple[str, ...]) -> Outcome:
        if found is not None and found.status is DomainStatus.ACTIVE:
            return Done(summary=f"{self.domain} is live.", items=(_item(self.domain, found),))
        return self._waiting(servers or (found.name_servers if found is not None else ()), found)

    def _waiting(self, servers: tuple[str, ...], found: Domain | None) -> Pending:
        if self.hosting == "inboxkit":
            progress = "Mailin is taking it over from InboxKit."
        elif found is not None and found.name_server_status is DomainStatus.ACTIVE:
            progress = "Mailin sees its nameservers. Nothing is left to do: it goes live by itself."
        elif servers:
            progress = f"Set these nameservers where {self.domain} is registered: {', '.join(servers)}. "
            progress += "It goes live some hours after that."
        else:
            progress = f"Mailin has not said which nameservers to set; ask with “domain show {self.domain}”."
        if found is None:
            progress += f" {self.domain} is not listed in the account yet."
        return Pending(ref={"name_servers": list(servers)}, progress=progress, done=0, total=1)


class AddSubdomain(
    Action,
    provider="mailin",
    command="domain subdomain",
    title="Add a sub-domain",
    effect=Effect.WRITE,
    calls=(*SEE_DOMAINS, "POST /api/v1/public/domains/add/subdomain"),
):
    """Add a sub-domain to a domain of the account."""

    subdomain: Annotated[DomainName, AfterValidator(_below)] = Field(
        title="Sub-domain",
        description="Its whole name, such as mail.acme.com; acme.com has to be live in this account.",
        json_schema_extra=from_words(),
    )

    @classmethod
    def usage(cls) -> str:
        return "mail.name.com"

    def headline(self) -> str:
        return f"Add the sub-domain {self.subdomain}"

    def subjects(self) -> tuple[str, ...]:
        return (self.subdomain,)

    async def check(self, client: MailinClient) -> None:
        if await find_domain(client, self.subdomain):
            raise Refused({"subdomain": f"{self.subdomain} is already in this account."})
        parent = await find_domain(client, self._parent)
        if parent is None:
            raise Refused({"subdomain": f"{self._parent} is not in this account (yet): buy or transfer it first."})
        if parent.status is DomainStatus.INACTIVE:
            raise Refused({"subdomain": f"{self._parent} is not active yet: ask again when it is live."})

    async def run(self, client: MailinClient, key: str) -> Outcome:
        await client.add_subdomain(self.subdomain.partition(".")[0], self._parent)
        return Pending(ref={}, progress="Mailin has accepted it and is setting it up.", done=0, total=1)

    async def poll(self, client: MailinClient, ref: Mapping[str, JsonValue]) -> Outcome:
        return self._settled(await find_domain(client, self.subdomain), ref)

    @classmethod
    async def poll_many(
        cls, client: MailinClient, waiting: Sequence[tuple[Self, Mapping[str, JsonValue]]]
    ) -> Sequence[Outcome | ProviderError]:
        names = [action.subdomain for action, _ in waiting]
        found = await client.find_domains(names)
        missing = [name for name in names if name not in found]
        others = await _found_in(client, missing, "google") if missing else {}
        if isinstance(others, ProviderError):
            there: dict[str, Domain | ProviderError] = {**found, **dict.fromkeys(missing, others)}
        else:
            there = {**found, **others}
        return [
            seen if isinstance(seen := there.get(action.subdomain), ProviderError) else action._settled(seen, ref)
            for action, ref in waiting
        ]

    def _settled(self, found: Domain | None, ref: Mapping[str, JsonValue]) -> Outcome:
        if found is not None and found.status is DomainStatus.ACTIVE:
            return Done(summary=f"{self.subdomain} is live.", items=(_item(self.subdomain, found),))
        progress = "Mailin is setting it up." if found else f"Waiting to see {self.subdomain} in the account."
        return Pending(ref=dict(ref), progress=progress, done=0, total=1)

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        if await find_domain(client, self.subdomain):
            return await self.poll(client, {})
        return Unknown(
            summary=f"It is not clear whether Mailin has added {self.subdomain}.",
            evidence=f"{self.subdomain} is not (yet) listed. Asking again does no harm.",
            items=(Item(name=self.subdomain, state=ItemState.UNKNOWN),),
        )

    @property
    def _parent(self) -> str:
        return self.subdomain.partition(".")[2]


class ForwardDomain(
    LeadsElsewhere,
    _OfOneDomain,
    provider="mailin",
    command="domain forward",
    title="Forward a domain",
    effect=Effect.WRITE,
    calls=(*SEE_EVERY_DOMAIN, "POST /api/v1/public/domains/forward"),
):
    """Send the web visitors of a domain to another domain."""

    to: OtherDomain = Field(
        title="Forward to", description="The domain that visitors will see. Replaces what was set before."
    )

    def headline(self) -> str:
        return f"Forward the visitors of {self.domain} to {self.to}"

    async def check(self, client: MailinClient) -> None:
        await self._checked(client)

    async def run(self, client: MailinClient, key: str) -> Outcome:
        _, domain_id = await the_domain(client, self.domain)
        await client.forward_domain(domain_id, self.to)
        return Done(summary=f"Visitors of {self.domain} are sent to {self.to}. Its mail is not touched.")

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        return self._unclear(f"Mailin does not tell where a domain leads. {_LOOK} {_HARMLESS}")


class UnforwardDomain(
    _OfOneDomain,
    provider="mailin",
    command="domain unforward",
    title="Stop forwarding",
    effect=Effect.WRITE,
    calls=(*SEE_EVERY_DOMAIN, "POST /api/v1/public/domains/remove/forward"),
):
    """Send the web visitors of a domain elsewhere no longer."""

    def headline(self) -> str:
        return f"Stop forwarding the visitors of {self.domain}"

    async def check(self, client: MailinClient) -> None:
        await self._checked(client)

    async def run(self, client: MailinClient, key: str) -> Outcome:
        _, domain_id = await the_domain(client, self.domain)
        await client.remove_domain_forward(domain_id)
        return Done(summary=f"Visitors of {self.domain} are forwarded no longer. Its mail is not touched.")

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        return self._unclear(f"Mailin does not tell where a domain leads. {_LOOK} {_HARMLESS}")


class ForwardDomainEmail(
    _OfOneDomain,
    provider="mailin",
    command="domain email-forward",
    title="Forward all mail",
    effect=Effect.DESTROY,
    calls=(*SEE_EVERY_DOMAIN, "POST /api/v1/public/domains/email/forward"),
):
    """Send all mail of a domain to one address. It cannot be taken back here.

    DESTROY, although nothing is deleted: every mail that has left cannot be called back, a wrong address gets all of
    it, and Mailin knows no way to end it. So somebody else has to agree, and after an unclear answer it is not sent
    again. Mailin's own "too many calls" did nothing, so after that it is: the same address twice changes no more.
    """

    to: EmailAddress = Field(
        title="Forward to", description="The address that gets all mail of this domain, from everybody."
    )

    @classmethod
    def usage(cls) -> str:
        return "name.com [ana@other.com]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return words_into(words, "domain", "to")

    def headline(self) -> str:
        return f"Send all mail of {self.domain} to {self.to}"

    async def check(self, client: MailinClient) -> None:
        await self._checked(client)

    async def run(self, client: MailinClient, key: str) -> Outcome:
        _, domain_id = await the_domain(client, self.domain)
        await client.forward_domain_email(domain_id, self.to)
        return Done(summary=f"All mail of {self.domain} goes to {self.to}. Only Mailin's own dashboard can end that.")

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        return self._unclear(f"Mailin does not tell where the mail of a domain goes. {_LOOK}")


class DeleteDomain(
    _OfOneDomain,
    provider="mailin",
    command="domain delete",
    title="Delete a domain",
    effect=Effect.DESTROY,
    calls=(*SEE_EVERY_DOMAIN, *SEE_MAILBOXES, "DELETE /api/v1/public/domains/{domain_id}"),
):
    """Delete a domain with all its mailboxes and their mail, for ever."""

    def headline(self) -> str:
        return f"Delete {self.domain} with all its mailboxes"

    async def check(self, client: MailinClient) -> None:
        await self._checked(client)

    async def quote(self, client: MailinClient, prices: PriceList) -> Quote:
        """It costs nothing, but those who decide see how many mailboxes go with it.

        The votes are bound to that number: should it change before the domain is deleted, they are asked again.
        """
        found = [await client.mailboxes_of(self.domain, hosting) for hosting in _HOSTINGS]
        number = sum(map(len, found))
        going = counted(number, "mailbox", "mailboxes") if number else "no mailboxes"
        what = f"{self.domain}, and with it {going}"
        return Quote(lines=(QuoteLine(what=what, price=Decimal(0)),), currency=prices.currency)

    async def run(self, client: MailinClient, key: str) -> Outcome:
        _, domain_id = await the_domain(client, self.domain)
        await client.delete_domain(domain_id)
        return Done(summary=f"{self.domain} is deleted, with all its mailboxes.")

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        """It was there when it was asked for, so its absence proves that it is gone."""
        if await find_domain(client, self.domain) or await client.find_inboxkit_domain(self.domain):
            return self._unclear("It is (still) listed.")
        return Done(summary=f"{self.domain} is deleted: the account lists it no longer.")


class DomainNameServers(
    _OfOneDomain,
    provider="mailin",
    command="domain nameservers",
    title="Nameservers",
    effect=Effect.READ,
    calls=("GET /api/v1/public/azure-orders", "GET /api/v1/public/azure-orders/nameservers/{order_id}"),
):
    """Show the nameservers to set for the domain of an Azure order."""

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 71."""
        order = await client.find_azure_order(self.domain)
        if order is None or order.id is None:
            raise NotFound(
                f"There is no Azure order for {self.domain} in this account.",
                cure="For a domain that was transferred, ask with “domain show”.",
            )
        told = await client.azure_nameservers(order.id)
        if not told.name_servers:
            return Done(summary=f"There are no nameservers to set for {self.domain} yet. Ask again later.")
        return Done(
            summary=f"Set these nameservers where {self.domain} is registered, unless it was bought with the order.",
            items=tuple(Item(name=server) for server in told.name_servers),
        )


async def _found_in(
    client: MailinClient, names: Collection[str], hosting: Listing
) -> Mapping[str, Domain] | ProviderError:
    """Those of these domains that one listing has. Why it cannot be read is a value: what another tells counts."""
    try:
        return await client.find_domains(names, hosting)
    except ProviderError as error:
        return error


def _priced(names: Sequence[str], prices: PriceList) -> Quote:
    """Mailin never names a price: the operator's list does, per top-level domain (`domain.com`)."""
    return Quote(
        lines=tuple(QuoteLine(what=name, price=prices.price(f"domain.{name.rsplit('.', 1)[-1]}")) for name in names),
        currency=prices.currency,
    )


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
    state = _STATES.get(domain.status, "state unknown")
    return Item(name=domain.name, note=f"{state} · {_LISTINGS[hosting]}")


def _kind(domain: Domain) -> str:
    if domain.domain_provider == "inboxkit":
        return _LISTINGS["inboxkit"]
    return _LISTINGS["google" if domain.provider_type.lower() == "google" else "smtp"]


ACTIONS: tuple[type[Action], ...] = (
    BuyDomains,
    BuyManyDomains,
    CheckDomains,
    ListDomains,
    ShowDomain,
    TransferDomain,
    AddSubdomain,
    ForwardDomain,
    UnforwardDomain,
    ForwardDomainEmail,
    DomainRateLimit,
    DomainNameServers,
    DeleteDomain,
)
