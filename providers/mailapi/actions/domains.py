"""What people can ask of MailAPI about domains and sub-domains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, ValidationInfo

from providers.action import (
    Action,
    Done,
    Effect,
    Failed,
    Item,
    ItemState,
    Later,
    Outcome,
    Pending,
    Refused,
    Turn,
    Unknown,
    from_words,
    hidden,
)
from providers.errors import OutcomeUnknown, ProviderError, RateLimited
from providers.fields import DomainName, problem, split_list
from providers.listing import ListingByName, counted, listed
from providers.mailapi.client import SUB_DOMAIN_SECONDS, MailApiClient
from providers.mailapi.models import MOST_SUB_DOMAINS, Domain, DomainStatus, is_label

MOST_LABELS = 100
"""Sub-domains in one request: the last of them go nine hours after the first."""
LONGEST_DOMAIN = 253
TOO_MANY_CALLS_SECONDS = 60.0
"""How long sub-domains wait after one call too many, where MailAPI does not say how long."""

_DOMAIN_WORDS: Mapping[DomainStatus, str] = {
    DomainStatus.VERIFIED: "verified",
    DomainStatus.PENDING: "being set up",
    DomainStatus.FAILED: "failed",
}


def _labels(value: Any, info: ValidationInfo) -> Any:
    """`team`, or `team.example.com` where example.com is the domain: both are the label `team`."""
    pieces = split_list(value)
    if not isinstance(pieces, list | tuple):
        return value
    ending = f".{info.data.get('domain') or '.'}"
    return list(dict.fromkeys(str(piece).lower().rstrip(".").removesuffix(ending) for piece in pieces))


def _check_labels(labels: list[str], info: ValidationInfo) -> list[str]:
    if not labels:
        raise problem("Name at least one sub-domain.")
    wrong = [label for label in labels if not is_label(label)]
    if wrong:
        raise problem(
            f"{listed([label[:80] for label in wrong])}: not the name of a sub-domain. One looks like team, with "
            "letters, digits and hyphens only."
        )
    if len(labels) > MOST_LABELS:
        raise problem(
            f"These are {len(labels)} sub-domains; at most {MOST_LABELS} go into one request, because MailAPI takes "
            f"{MOST_SUB_DOMAINS} of a domain an hour."
        )
    longest = max(len(label) for label in labels)
    if longest + 1 + len(info.data.get("domain", "")) > LONGEST_DOMAIN:
        raise problem(f"Together with the domain this is longer than {LONGEST_DOMAIN} characters. Shorten it.")
    return labels


class ListDomains(
    ListingByName,
    provider="mailapi",
    command="domain list",
    title="List domains",
    effect=Effect.READ,
    calls=("GET /api/v1/list/domain",),
):
    """List the domains of an account, or those whose name has a word in it."""

    async def run(self, client: MailApiClient, key: str) -> Outcome:
        found = [domain for domain in await client.domains() if self.matches(domain.name)]
        shown, next_page = self.part_of(found)
        return self.told(
            f"{counted(len(found), 'domain')}{self.matching()}",
            nothing=f"There are no {self.more}domains{self.matching()} in this account.",
            items=(Item(name=domain.name, note=_about_domain(domain)) for domain in shown),
            next_page=next_page,
        )


class AddDomain(
    Action,
    provider="mailapi",
    command="domain add",
    title="Add a domain",
    effect=Effect.WRITE,
    calls=("GET /api/v1/list/domain", "POST /api/v1/create/domain"),
):
    """Add a domain that you own already, so that it can have mailboxes."""

    deadline: ClassVar[timedelta | None] = timedelta(days=7)
    """Somebody has to set its DNS records first."""

    domain: DomainName = Field(
        title="Domain", description="The whole name, such as acme-mail.com.", json_schema_extra=from_words()
    )

    @classmethod
    def usage(cls) -> str:
        return "[name.com]"

    def headline(self) -> str:
        return f"Add {self.domain}"

    def subjects(self) -> tuple[str, ...]:
        return (self.domain,)

    async def check(self, client: MailApiClient) -> None:
        if await client.find_domain(self.domain) is not None:
            raise Refused({"domain": f"{self.domain} is in this account already."})

    async def run(self, client: MailApiClient, key: str) -> Outcome:
        await client.create_domain(self.domain)
        return Pending(
            ref={"domain": self.domain},
            progress="MailAPI has taken the domain and is setting it up. Which DNS records it needs, MailAPI's "
            "own page says.",
            done=0,
            total=1,
        )

    async def poll(self, client: MailApiClient, ref: Mapping[str, JsonValue]) -> Outcome:
        return _domains_so_far([self.domain], _by_name(await client.domains()), ref)

    @classmethod
    async def poll_many(
        cls, client: MailApiClient, waiting: Sequence[tuple[Self, Mapping[str, JsonValue]]]
    ) -> Sequence[Outcome]:
        there = _by_name(await client.domains())
        return [_domains_so_far([action.domain], there, ref) for action, ref in waiting]

    async def reconcile(self, client: MailApiClient, key: str) -> Outcome:
        return _domains_found([self.domain], _by_name(await client.domains()), {"domain": self.domain})


class AddSubDomains(
    Action,
    provider="mailapi",
    command="domain subdomain",
    title="Add sub-domains",
    effect=Effect.WRITE,
    calls=("GET /api/v1/list/domain", "POST /api/v1/create/sub-domain"),
):
    """Add sub-domains to a domain: ten at once, and of a longer list ten more every hour."""

    domain: DomainName = Field(
        title="Domain", description="The domain that they will be below; it has to be in the account."
    )
    labels: Annotated[list[str], BeforeValidator(_labels), AfterValidator(_check_labels)] = Field(
        title="Sub-domains",
        description="One per line, at most 100: team for team.acme-mail.com. MailAPI takes ten an hour for each "
        "domain: the first go now, the others by themselves.",
    )
    sent: int = Field(0, ge=0, json_schema_extra=hidden())
    """How many of the labels MailAPI has taken already."""

    @classmethod
    def usage(cls) -> str:
        return "[name.com] [label …]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        filled = {"domain": words[0]} if words else {}
        return filled | ({"labels": "\n".join(words[1:])} if len(words) > 1 else {})

    def headline(self) -> str:
        names = self.subjects()
        return f"Add {names[0]}" if len(names) == 1 else f"Add {len(names)} sub-domains to {self.domain}"

    def subjects(self) -> tuple[str, ...]:
        return tuple(f"{label}.{self.domain}" for label in self.labels)

    def turn(self) -> Turn:
        return Turn(self.domain, timedelta(seconds=SUB_DOMAIN_SECONDS), needed=len(self._parts()))

    async def check(self, client: MailApiClient) -> None:
        """The hour is not to be spent on what cannot work."""
        there = {domain.name.lower() for domain in await client.domains()}
        if self.domain not in there:
            raise Refused({"domain": f"{self.domain} is not in this account. Add it with /domain add, or correct it."})
        known = [name for name in self.subjects() if name in there]
        if known:
            raise Refused({"labels": f"Already in this account: {listed(known)}. Remove or replace these."})

    async def run(self, client: MailApiClient, key: str) -> Outcome | Later:
        """The next ten at most (endpoint row 99); what is left waits for its hour.

        What others have had made meanwhile is not sent again. It is counted as taken first, in a step of its own, so
        that after an unclear answer those that were sent last are known exactly.
        """
        try:
            domains = await client.domains()
            there = {domain.name.lower() for domain in domains}
            known = [label for label in self.labels[self.sent :] if f"{label}.{self.domain}" in there]
            if known:
                return self._without(known, domains, client.clock.now())
            await client.create_sub_domains(self.domain, self._next())
        except RateLimited as error:
            # Of the hour, what creates them tells; the reading before it may be one call too many like any other.
            wait = TOO_MANY_CALLS_SECONDS if error.retry_after is None else max(error.retry_after, 1.0)
            return self._later(client.clock.now() + timedelta(seconds=wait), f"{error.sentence} Nothing was sent now.")
        except OutcomeUnknown:
            raise
        except ProviderError as error:
            if not self.sent:
                raise
            return Failed(
                summary=f"MailAPI has taken {self.sent} of {self._all()}, and then no more. {error.sentence}",
                cure=error.cure,
                items=tuple(
                    Item(name=name, state=ItemState.BOUGHT if place < self.sent else ItemState.NOT_DONE)
                    for place, name in enumerate(self.subjects())
                ),
            )
        return self._taken(client.clock.now() + timedelta(seconds=SUB_DOMAIN_SECONDS))

    async def poll(self, client: MailApiClient, ref: Mapping[str, JsonValue]) -> Outcome:
        return self._so_far(_by_name(await client.domains()), ref)

    @classmethod
    async def poll_many(
        cls, client: MailApiClient, waiting: Sequence[tuple[Self, Mapping[str, JsonValue]]]
    ) -> Sequence[Outcome]:
        there = _by_name(await client.domains())
        return [action._so_far(there, ref) for action, ref in waiting]

    async def reconcile(self, client: MailApiClient, key: str) -> Outcome | Later:
        """Those that were sent last are the next ones: all of them listed, it goes on with what is left."""
        sent = self.sent + len(self._next())
        names, never_sent = self.subjects()[:sent], self.subjects()[sent:]
        found = _domains_found(names, _by_name(await client.domains()), {"domain": self.domain})
        if not never_sent:
            return found
        if not isinstance(found, Unknown):
            # When the hour has begun, nobody heard. To be too early costs nothing, and then MailAPI says it.
            return self._taken(client.clock.now())
        return found.model_copy(
            update={
                "evidence": f"{found.evidence} Never sent: {listed(never_sent)}; ask for them again.",
                "items": found.items + tuple(Item(name=name, state=ItemState.NOT_DONE) for name in never_sent),
            }
        )

    def _without(self, known: Sequence[str], domains: Sequence[Domain], now: datetime) -> Outcome | Later:
        """What is left when these are in the account already."""
        one = len(known) == 1
        told = (
            f"{listed([f'{label}.{self.domain}' for label in known])} {'is' if one else 'are'} in the account "
            f"already: somebody has had {'it' if one else 'them'} added meanwhile. "
            f"{'It was' if one else 'They were'} not sent again."
        )
        taken = [*self.labels[: self.sent], *known]
        left = self.model_copy(
            update={"labels": [*taken, *(label for label in self.labels if label not in taken)], "sent": len(taken)}
        )
        if len(taken) < len(self.labels):
            return left._later(now, told)
        return left._so_far(_by_name(domains), {"domain": self.domain, "told": told})

    def _so_far(self, there: Mapping[str, Domain], ref: Mapping[str, JsonValue]) -> Outcome:
        outcome = _domains_so_far(self.subjects(), there, ref)
        if "told" not in ref:
            return outcome
        said = "progress" if isinstance(outcome, Pending) else "summary"
        return outcome.model_copy(update={said: f"{ref['told']} {getattr(outcome, said)}"})

    def _next(self) -> list[str]:
        return self.labels[self.sent : self.sent + MOST_SUB_DOMAINS]

    def _all(self) -> str:
        return f"{counted(len(self.labels), 'sub-domain')} of {self.domain}"

    def _taken(self, next_at: datetime) -> Outcome | Later:
        """MailAPI has taken the next ones; others may go at `next_at`."""
        sent = self.sent + len(self._next())
        if sent < len(self.labels):
            left = self.model_copy(update={"sent": sent})
            return left._later(next_at, f"MailAPI has taken {sent} of {self._all()}; it takes at most 10 an hour.")
        return Pending(
            ref={"domain": self.domain},
            progress=f"MailAPI has taken {counted(len(self.labels), 'sub-domain')} and is setting them up.",
            done=0,
            total=len(self.labels),
        )

    def _later(self, at: datetime, why: str) -> Later:
        """Ten at `at`, and ten an hour from then on."""
        hour = timedelta(seconds=SUB_DOMAIN_SECONDS)
        plan = tuple((at + number * hour, listed(part, MOST_SUB_DOMAINS)) for number, part in enumerate(self._parts()))
        return Later(until=at, summary=why, plan=plan, left=self)

    def _parts(self) -> list[tuple[str, ...]]:
        """What MailAPI has not taken yet, as it is sent: ten names at once."""
        names = self.subjects()[self.sent :]
        return [names[start : start + MOST_SUB_DOMAINS] for start in range(0, len(names), MOST_SUB_DOMAINS)]


def _by_name(domains: Sequence[Domain]) -> dict[str, Domain]:
    return {domain.name.lower(): domain for domain in domains}


def _domains_so_far(names: Sequence[str], there: Mapping[str, Domain], ref: Mapping[str, JsonValue]) -> Outcome:
    """MailAPI has taken them: what counts is what it lists. That one is not listed yet proves nothing."""
    found = {name: there[name] for name in names if name in there}
    ready = [name for name, domain in found.items() if domain.status is DomainStatus.VERIFIED]
    failed = [name for name, domain in found.items() if domain.status is DomainStatus.FAILED]
    items = tuple(_domain_item(name, found.get(name)) for name in names)
    if len(ready) == len(names):
        summary = f"{names[0]} is verified." if len(names) == 1 else f"All {len(names)} sub-domains are verified."
        return Done(summary=summary, items=items)
    if len(ready) + len(failed) == len(names):
        return Failed(
            summary=f"MailAPI could not set up {listed(failed)}.",
            cure="Look at the DNS records that MailAPI's own page asks for. Whoever runs that account can set it up "
            "again there.",
            items=items,
        )
    progress = _progress(names, found, ready)
    return Pending(ref=dict(ref), progress=progress, done=len(ready), total=len(names), items=items)


def _progress(names: Sequence[str], found: Mapping[str, Domain], ready: Sequence[str]) -> str:
    missing = [name for name in names if name not in found]
    odd = sorted({domain.raw_status[:40] for domain in found.values() if domain.status is DomainStatus.UNKNOWN})
    told = [f"{len(ready)} of {len(names)} verified."]
    if missing:
        told.append(f"Waiting to see {listed(missing)} in the account.")
    if odd:
        told.append(f"MailAPI reports a state that Postroom does not know (“{listed(odd)}”).")
    return " ".join(told)


def _domains_found(names: Sequence[str], there: Mapping[str, Domain], ref: Mapping[str, JsonValue]) -> Outcome:
    """After an unclear answer. All there: it was taken. None of them was there when it was asked."""
    missing = [name for name in names if name not in there]
    if not missing:
        return _domains_so_far(names, there, ref)
    seen = listed([name for name in names if name in there]) or "none of them"
    return Unknown(
        summary="It is not clear whether MailAPI took the request.",
        evidence=f"In the account: {seen}. Not (yet) listed: {listed(missing)}.",
        items=tuple(
            Item(name=name, state=ItemState.UNKNOWN, note="not listed" if name in missing else "listed")
            for name in names
        ),
    )


def _domain_item(name: str, domain: Domain | None) -> Item:
    if domain is None:
        return Item(name=name, state=ItemState.UNKNOWN, note="not listed yet")
    match domain.status:
        case DomainStatus.VERIFIED:
            return Item(name=name, state=ItemState.LIVE)
        case DomainStatus.FAILED:
            return Item(name=name, state=ItemState.NOT_DONE, note="failed")
    return Item(name=name, state=ItemState.UNKNOWN, note=_domain_word(domain))


def _about_domain(domain: Domain) -> str:
    facts = [_domain_word(domain)]
    if domain.mailbox_count is not None:
        facts.append(counted(domain.mailbox_count, "mailbox", "mailboxes"))
    if domain.quota:
        facts.append(domain.quota)
    if domain.created_at is not None:
        facts.append(f"since {domain.created_at}")
    return " · ".join(facts)


def _domain_word(domain: Domain) -> str:
    return _DOMAIN_WORDS.get(domain.status, f"state unknown ({domain.raw_status[:40] or 'nothing said'})")


ACTIONS: tuple[type[Action], ...] = (
    ListDomains,
    AddDomain,
    AddSubDomains,
)
