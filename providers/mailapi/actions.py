"""What people can ask of MailAPI.tech, a class each.

MailAPI only ever says that it has taken a request. What counts is what its listings show, or the task of a mailbox.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

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
    Table,
    Unknown,
    from_words,
    hidden,
    of_pages,
)
from providers.errors import NotFound, OutcomeUnknown, ProviderError, RateLimited
from providers.fields import DomainName, EmailAddress, problem, split_list
from providers.mailapi.client import SUB_DOMAIN_SECONDS, MailApiClient
from providers.mailapi.models import (
    MOST_SUB_DOMAINS,
    Domain,
    DomainStatus,
    Mailbox,
    MailboxStatus,
    Task,
    TaskState,
    is_label,
)

_Row = TypeVar("_Row")

PAGE = 15
"""Rows of one page of an answer. MailAPI itself sends everything at once."""
MOST_MAILBOXES = 100
"""In one request. MailAPI states no limit; a hundred can still be looked through."""
MOST_LABELS = 100
"""Sub-domains in one request: the last of them go nine hours after the first."""
LARGEST_QUOTA_MB = 1_000_000
"""A terabyte; more is a slip of the finger."""
LONGEST_NAME = 100
"""Characters of the name that stands in front of an address."""
LONGEST_DOMAIN = 253

_DOMAIN_WORDS: Mapping[DomainStatus, str] = {
    DomainStatus.VERIFIED: "verified",
    DomainStatus.PENDING: "being set up",
    DomainStatus.FAILED: "failed",
}
_MAILBOX_WORDS: Mapping[MailboxStatus, str] = {
    MailboxStatus.ACTIVE: "active",
    MailboxStatus.PENDING: "being made",
    MailboxStatus.FAILED: "failed",
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
            f"{_listed([label[:80] for label in wrong])}: not the name of a sub-domain. One looks like team, with "
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


def _check_count(count: int) -> int:
    if not 1 <= count <= MOST_MAILBOXES:
        raise problem(f"From 1 to {MOST_MAILBOXES} mailboxes go into one request.")
    return count


def _check_quota(quota: int | None) -> int | None:
    if quota is not None and not 1 <= quota <= LARGEST_QUOTA_MB:
        raise problem(f"This has to be a number from 1 to {LARGEST_QUOTA_MB}.")
    return quota


def _check_display_name(name: str, info: ValidationInfo) -> str:
    name = " ".join(name.split())
    if len(name) > LONGEST_NAME:
        raise problem(f"This has {len(name)} characters; at most {LONGEST_NAME} fit.")
    if name and info.data.get("count", 1) > 1:
        raise problem("Leave this empty: MailAPI takes a name for a single mailbox only.")
    return name


class ListDomains(Action, provider="mailapi", command="domain list", title="List domains", effect=Effect.READ):
    """List the domains of an account, or those whose name has a word in it."""

    name: Annotated[str, Field(max_length=LONGEST_DOMAIN)] = Field(
        "", title="Name contains", description="Leave empty to see all.", json_schema_extra=from_words()
    )
    page: int = Field(1, ge=1, le=100_000, json_schema_extra=hidden())

    @classmethod
    def usage(cls) -> str:
        return "[part of a name]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return {"name": " ".join(words)}

    async def run(self, client: MailApiClient, key: str) -> Outcome:
        name = self.name.strip()
        found = [domain for domain in await client.domains() if name.lower() in domain.name.lower()]
        matching = f" with “{name}” in the name" if name else ""
        shown, next_page = _page(found, self.page)
        if not shown:
            return Done(summary=f"There are no {'more ' if self.page > 1 else ''}domains{matching} in this account.")
        return Done(
            summary=f"{_count(len(found), 'domain')}{matching}{of_pages(self.page, next_page)}.",
            items=tuple(Item(name=domain.name, note=_about_domain(domain)) for domain in shown),
            next_page=next_page,
        )


class AddDomain(Action, provider="mailapi", command="domain add", title="Add a domain", effect=Effect.WRITE):
    """Add a domain that you own already, so that it can have mailboxes."""

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
        return _domains_so_far([self.domain], await client.domains(), ref)

    async def reconcile(self, client: MailApiClient, key: str) -> Outcome:
        return _domains_found([self.domain], await client.domains(), {"domain": self.domain})


class AddSubDomains(
    Action, provider="mailapi", command="domain subdomain", title="Add sub-domains", effect=Effect.WRITE
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

    async def check(self, client: MailApiClient) -> None:
        """The hour is not to be spent on what cannot work."""
        there = {domain.name.lower() for domain in await client.domains()}
        if self.domain not in there:
            raise Refused({"domain": f"{self.domain} is not in this account. Add it with /domain add, or correct it."})
        known = [name for name in self.subjects() if name in there]
        if known:
            raise Refused({"labels": f"Already in this account: {_listed(known)}. Remove or replace these."})

    async def run(self, client: MailApiClient, key: str) -> Outcome | Later:
        """The next ten at most (endpoint row 99); what is left waits for its hour."""
        try:
            await client.create_sub_domains(self.domain, self._next())
        except RateLimited as error:
            wait = SUB_DOMAIN_SECONDS if error.retry_after is None else max(error.retry_after, 1.0)
            why = f"MailAPI takes sub-domains of {self.domain} once an hour, and that hour is not over."
            return self._later(client.clock.now() + timedelta(seconds=wait), f"{why} Nothing was sent now.")
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
        return _domains_so_far(self.subjects(), await client.domains(), ref)

    async def reconcile(self, client: MailApiClient, key: str) -> Outcome | Later:
        """Those that were sent last are the next ones: all of them listed, it goes on with what is left."""
        sent = self.sent + len(self._next())
        names, never_sent = self.subjects()[:sent], self.subjects()[sent:]
        found = _domains_found(names, await client.domains(), {"domain": self.domain})
        if not never_sent:
            return found
        if not isinstance(found, Unknown):
            # When the hour has begun, nobody heard. To be too early costs nothing, and then MailAPI says it.
            return self._taken(client.clock.now())
        return found.model_copy(
            update={
                "evidence": f"{found.evidence} Never sent: {_listed(never_sent)}; ask for them again.",
                "items": found.items + tuple(Item(name=name, state=ItemState.NOT_DONE) for name in never_sent),
            }
        )

    def _next(self) -> list[str]:
        return self.labels[self.sent : self.sent + MOST_SUB_DOMAINS]

    def _all(self) -> str:
        return f"{_count(len(self.labels), 'sub-domain')} of {self.domain}"

    def _taken(self, next_at: datetime) -> Outcome | Later:
        """MailAPI has taken the next ones; others may go at `next_at`."""
        sent = self.sent + len(self._next())
        if sent < len(self.labels):
            left = self.model_copy(update={"sent": sent})
            return left._later(next_at, f"MailAPI has taken {sent} of {self._all()}; it takes at most 10 an hour.")
        return Pending(
            ref={"domain": self.domain},
            progress=f"MailAPI has taken {_count(len(self.labels), 'sub-domain')} and is setting them up.",
            done=0,
            total=len(self.labels),
        )

    def _later(self, at: datetime, why: str) -> Later:
        """Ten at `at`, and ten an hour from then on."""
        names = self.subjects()[self.sent :]
        parts = [names[start : start + MOST_SUB_DOMAINS] for start in range(0, len(names), MOST_SUB_DOMAINS)]
        hour = timedelta(seconds=SUB_DOMAIN_SECONDS)
        plan = tuple((at + number * hour, _listed(part, MOST_SUB_DOMAINS)) for number, part in enumerate(parts))
        return Later(until=at, summary=why, plan=plan, left=self)


class ListMailboxes(Action, provider="mailapi", command="mailbox list", title="List mailboxes", effect=Effect.READ):
    """List the mailboxes of a domain."""

    domain: DomainName = Field(
        title="Domain", description="A domain or sub-domain of the account.", json_schema_extra=from_words()
    )
    page: int = Field(1, ge=1, le=100_000, json_schema_extra=hidden())

    @classmethod
    def usage(cls) -> str:
        return "[name.com]"

    def headline(self) -> str:
        return f"List the mailboxes of {self.domain}"

    def subjects(self) -> tuple[str, ...]:
        return (self.domain,)

    async def run(self, client: MailApiClient, key: str) -> Outcome:
        mailboxes = await client.mailboxes(self.domain)
        shown, next_page = _page(mailboxes, self.page)
        if not shown:
            return Done(summary=f"{self.domain} has no {'more ' if self.page > 1 else ''}mailboxes.")
        return Done(
            summary=f"{self.domain} has {_count(len(mailboxes), 'mailbox', 'mailboxes')}"
            f"{of_pages(self.page, next_page)}.",
            table=Table(
                columns=("Address", "Status", "Size", "Since"),
                rows=tuple(
                    (mailbox.address, _mailbox_word(mailbox), mailbox.quota or "–", str(mailbox.created_at or "–"))
                    for mailbox in shown
                ),
            ),
            next_page=next_page,
        )


class CreateMailboxes(
    Action, provider="mailapi", command="mailbox create", title="Create mailboxes", effect=Effect.WRITE
):
    """Create a mailbox, or several with a number each."""

    address: Annotated[EmailAddress, AfterValidator(str.lower)] = Field(
        title="Address",
        description="For several mailboxes the numbers go in front of the @: team@acme-mail.com becomes "
        "team1@acme-mail.com, team2@acme-mail.com and so on.",
        json_schema_extra=from_words(),
    )
    count: Annotated[int, AfterValidator(_check_count)] = Field(
        1, title="How many", description=f"From 1 to {MOST_MAILBOXES}."
    )
    display_name: Annotated[str, AfterValidator(_check_display_name)] = Field(
        "", title="Name", description="Stands in front of the address. For a single mailbox only."
    )
    quota_mb: Annotated[int | None, AfterValidator(_check_quota)] = Field(
        None, title="Size in MB", description="Of each mailbox. Leave empty for MailAPI's own size."
    )

    @classmethod
    def usage(cls) -> str:
        return "[address] [how many]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        match list(words):
            case []:
                return {}
            case [address, number] if number.isascii() and number.isdigit():
                return {"address": address, "count": number}
            case _:
                return {"address": " ".join(words)}

    def headline(self) -> str:
        names = self.subjects()
        return f"Create {names[0]}" if len(names) == 1 else f"Create {len(names)} mailboxes: {names[0]} to {names[-1]}"

    def subjects(self) -> tuple[str, ...]:
        """For several, the addresses that MailAPI is expected to make: its document shows the pattern, no more."""
        if self.count == 1:
            return (self.address,)
        return tuple(f"{self._local_part}{number}@{self._domain}" for number in range(1, self.count + 1))

    async def check(self, client: MailApiClient) -> None:
        try:
            there = {mailbox.address.lower() for mailbox in await client.mailboxes(self._domain)}
        except NotFound:
            there = None
        if there is None:
            raise Refused(
                {"address": f"{self._domain} is not in this account. Add it with /domain add, or correct it."}
            )
        known = [name for name in self.subjects() if name in there]
        if known:
            raise Refused({"address": f"Already in this account: {_listed(known)}. Choose another address."})

    async def run(self, client: MailApiClient, key: str) -> Outcome:
        if self.count == 1:
            kind = "single"
            task_id = await client.create_mailbox(
                self._domain, self._local_part, display_name=self.display_name or None, quota_mb=self.quota_mb
            )
        else:
            kind = "bulk"
            task_id = await client.create_mailboxes(self._domain, self._local_part, self.count, quota_mb=self.quota_mb)
        return Pending(
            ref={"task_id": task_id, "kind": kind},
            progress=f"MailAPI has taken {_count(self.count, 'mailbox', 'mailboxes')} and is at work.",
            done=0,
            total=self.count,
        )

    async def poll(self, client: MailApiClient, ref: Mapping[str, JsonValue]) -> Outcome:
        if "task_id" not in ref:
            return self._listed_so_far(await client.mailboxes(self._domain), ref)
        ask = client.mailboxes_task if ref.get("kind") == "bulk" else client.mailbox_task
        task = await ask(str(ref["task_id"]))
        match task.state:
            case TaskState.COMPLETED:
                return self._settled(task)
            case TaskState.FAILED:
                return self._given_up(task)
            case TaskState.UNKNOWN:
                word = task.raw_status[:40]
                progress = f"MailAPI reports a state that Postroom does not know (“{word}”); still watching."
            case _:
                progress = "MailAPI is at work."
        made = sum(mailbox.created for mailbox in task.mailboxes)
        return Pending(ref=dict(ref), progress=progress, done=min(made, self.count), total=self.count)

    async def reconcile(self, client: MailApiClient, key: str) -> Outcome:
        """The id of the task is lost, so only the listing can tell. None of these were there when it was asked."""
        mailboxes = await client.mailboxes(self._domain)
        there = {mailbox.address.lower() for mailbox in mailboxes}
        missing = [name for name in self.subjects() if name not in there]
        if not missing:
            return self._listed_so_far(mailboxes, {"domain": self._domain})
        return Unknown(
            summary="It is not clear whether MailAPI makes the mailboxes.",
            evidence=f"{self.count - len(missing)} of {self.count} are in the account. Not (yet) listed: "
            f"{_listed(missing)}.",
            items=tuple(
                Item(name=name, state=ItemState.UNKNOWN, note="not listed" if name in missing else "listed")
                for name in self.subjects()
            ),
        )

    @property
    def _local_part(self) -> str:
        return self.address.rpartition("@")[0]

    @property
    def _domain(self) -> str:
        return self.address.rpartition("@")[2]

    def _settled(self, task: Task) -> Outcome:
        """The task has ended. Only its "Created successfully." counts; whatever else it says, a person looks at."""
        if not task.mailboxes:
            return Unknown(
                summary="MailAPI says that it is done, but names no mailbox.",
                evidence=f"Look with /mailbox list {self._domain}.",
                items=tuple(Item(name=name, state=ItemState.UNKNOWN) for name in self.subjects()),
            )
        made = sum(mailbox.created for mailbox in task.mailboxes)
        items = tuple(
            Item(name=mailbox.address, state=ItemState.LIVE)
            if mailbox.created
            else Item(name=mailbox.address, state=ItemState.UNKNOWN, note=f"MailAPI says: {mailbox.said or 'nothing'}")
            for mailbox in task.mailboxes
        )
        if made == len(task.mailboxes) and made >= self.count:
            summary = f"{items[0].name} is live." if made == 1 else f"All {made} mailboxes are live."
            return Done(summary=summary, items=items)
        return Failed(
            summary=f"{made} of {_count(self.count, 'mailbox', 'mailboxes')} {'is' if made == 1 else 'are'} live.",
            cure=f"See with /mailbox list {self._domain} what is there, and ask again only for what is missing.",
            items=items,
        )

    def _given_up(self, task: Task) -> Failed:
        says = f" It says: {task.reason}" if task.reason else ""
        several = self.count > 1
        return Failed(
            summary=f"MailAPI could not make the {'mailboxes' if several else 'mailbox'}.{says}",
            cure=f"See with /mailbox list {self._domain} whether some of them are there, and ask again for the others."
            if several
            else "Ask again, or for another address.",
            items=tuple(
                Item(name=name, state=ItemState.UNKNOWN if several else ItemState.NOT_DONE) for name in self.subjects()
            ),
        )

    def _listed_so_far(self, mailboxes: Sequence[Mailbox], ref: Mapping[str, JsonValue]) -> Outcome:
        there = {mailbox.address.lower(): mailbox for mailbox in mailboxes}
        found = [there.get(name) for name in self.subjects()]
        live = sum(mailbox is not None and mailbox.status is MailboxStatus.ACTIVE for mailbox in found)
        failed = sum(mailbox is not None and mailbox.status is MailboxStatus.FAILED for mailbox in found)
        items = tuple(_mailbox_item(name, there.get(name)) for name in self.subjects())
        if live == self.count:
            return Done(
                summary=f"{self.address} is live." if live == 1 else f"All {live} mailboxes are live.", items=items
            )
        if live + failed == self.count:
            return Failed(
                summary=f"MailAPI could not make everything: {live} of {self.count} mailboxes live.",
                cure="Look at the others on MailAPI's own page, or ask for other addresses.",
                items=items,
            )
        return Pending(ref=dict(ref), progress=f"{live} of {self.count} live.", done=live, total=self.count)


ACTIONS: tuple[type[Action], ...] = (ListDomains, AddDomain, AddSubDomains, ListMailboxes, CreateMailboxes)
"""What `providers/catalogue.py` offers of MailAPI, in the order of the help text."""


# What several of them need.


def _domains_so_far(names: Sequence[str], domains: Sequence[Domain], ref: Mapping[str, JsonValue]) -> Outcome:
    """MailAPI has taken them: what counts is what it lists. That one is not listed yet proves nothing."""
    there = {domain.name.lower(): domain for domain in domains}
    found = {name: there[name] for name in names if name in there}
    ready = [name for name, domain in found.items() if domain.status is DomainStatus.VERIFIED]
    failed = [name for name, domain in found.items() if domain.status is DomainStatus.FAILED]
    items = tuple(_domain_item(name, found.get(name)) for name in names)
    if len(ready) == len(names):
        summary = f"{names[0]} is verified." if len(names) == 1 else f"All {len(names)} sub-domains are verified."
        return Done(summary=summary, items=items)
    if len(ready) + len(failed) == len(names):
        return Failed(
            summary=f"MailAPI could not set up {_listed(failed)}.",
            cure="Look at the DNS records that MailAPI's own page asks for. Whoever runs that account can set it up "
            "again there.",
            items=items,
        )
    return Pending(ref=dict(ref), progress=_progress(names, found, ready), done=len(ready), total=len(names))


def _progress(names: Sequence[str], found: Mapping[str, Domain], ready: Sequence[str]) -> str:
    missing = [name for name in names if name not in found]
    odd = sorted({domain.raw_status[:40] for domain in found.values() if domain.status is DomainStatus.UNKNOWN})
    told = [f"{len(ready)} of {len(names)} verified."]
    if missing:
        told.append(f"Waiting to see {_listed(missing)} in the account.")
    if odd:
        told.append(f"MailAPI reports a state that Postroom does not know (“{_listed(odd)}”); still watching.")
    return " ".join(told)


def _domains_found(names: Sequence[str], domains: Sequence[Domain], ref: Mapping[str, JsonValue]) -> Outcome:
    """After an unclear answer. All there: it was taken. None of them was there when it was asked."""
    there = {domain.name.lower() for domain in domains}
    missing = [name for name in names if name not in there]
    if not missing:
        return _domains_so_far(names, domains, ref)
    seen = _listed([name for name in names if name in there]) or "none of them"
    return Unknown(
        summary="It is not clear whether MailAPI took the request.",
        evidence=f"In the account: {seen}. Not (yet) listed: {_listed(missing)}.",
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


def _mailbox_item(name: str, mailbox: Mailbox | None) -> Item:
    if mailbox is None:
        return Item(name=name, state=ItemState.UNKNOWN, note="not listed yet")
    match mailbox.status:
        case MailboxStatus.ACTIVE:
            return Item(name=name, state=ItemState.LIVE)
        case MailboxStatus.FAILED:
            return Item(name=name, state=ItemState.NOT_DONE, note="failed")
    return Item(name=name, state=ItemState.UNKNOWN, note=_mailbox_word(mailbox))


def _about_domain(domain: Domain) -> str:
    facts = [_domain_word(domain)]
    if domain.mailbox_count is not None:
        facts.append(_count(domain.mailbox_count, "mailbox", "mailboxes"))
    if domain.quota:
        facts.append(domain.quota)
    if domain.created_at is not None:
        facts.append(f"since {domain.created_at}")
    return " · ".join(facts)


def _domain_word(domain: Domain) -> str:
    return _DOMAIN_WORDS.get(domain.status, f"state unknown ({domain.raw_status[:40] or 'nothing said'})")


def _mailbox_word(mailbox: Mailbox) -> str:
    return _MAILBOX_WORDS.get(mailbox.status, f"state unknown ({mailbox.raw_status[:40] or 'nothing said'})")


def _page(rows: Sequence[_Row], page: int) -> tuple[Sequence[_Row], int | None]:
    """The rows of a page, and the number of the next one, if there is one."""
    return rows[(page - 1) * PAGE : page * PAGE], page + 1 if page * PAGE < len(rows) else None


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _listed(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
