"""What people can ask of MailAPI about mailboxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue, ValidationInfo

from providers.action import (
    Action,
    Done,
    Effect,
    Failed,
    Item,
    ItemState,
    Outcome,
    Pending,
    Refused,
    Table,
    Unknown,
    from_words,
)
from providers.errors import NotFound
from providers.fields import DomainName, EmailAddress, problem
from providers.listing import Listing, counted, listed
from providers.mailapi.client import MailApiClient
from providers.mailapi.models import Mailbox, MailboxStatus, Task, TaskState

MOST_MAILBOXES = 100
"""In one request. MailAPI states no limit; a hundred can still be looked through."""
LARGEST_QUOTA_MB = 1_000_000
"""A terabyte; more is a slip of the finger."""
LONGEST_NAME = 100
"""Characters of the name that stands in front of an address."""
_MAILBOX_WORDS: Mapping[MailboxStatus, str] = {
    MailboxStatus.ACTIVE: "active",
    MailboxStatus.PENDING: "being made",
    MailboxStatus.FAILED: "failed",
}


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


class ListMailboxes(
    Listing,
    provider="mailapi",
    command="mailbox list",
    title="List mailboxes",
    effect=Effect.READ,
    calls=("GET /api/v1/list/mailbox",),
):
    """List the mailboxes of a domain."""

    domain: DomainName = Field(
        title="Domain", description="A domain or sub-domain of the account.", json_schema_extra=from_words()
    )

    @classmethod
    def usage(cls) -> str:
        return "[name.com]"

    def headline(self) -> str:
        return f"List the mailboxes of {self.domain}"

    def subjects(self) -> tuple[str, ...]:
        return (self.domain,)

    async def run(self, client: MailApiClient, key: str) -> Outcome:
        mailboxes = await client.mailboxes(self.domain)
        shown, next_page = self.part_of(mailboxes)
        return self.told(
            f"{self.domain} has {counted(len(mailboxes), 'mailbox', 'mailboxes')}",
            nothing=f"{self.domain} has no {self.more}mailboxes.",
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
    Action,
    provider="mailapi",
    command="mailbox create",
    title="Create mailboxes",
    effect=Effect.WRITE,
    calls=(
        "POST /api/v1/create/mailbox/single",
        "POST /api/v1/create/mailbox/bulk",
        "GET /api/v1/list/mailbox",
        "GET /api/v1/get/mailbox/single",
        "GET /api/v1/get/mailbox/bulk",
    ),
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
            raise Refused({"address": f"Already in this account: {listed(known)}. Choose another address."})

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
            progress=f"MailAPI has taken {counted(self.count, 'mailbox', 'mailboxes')} and is at work.",
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
                progress = f"MailAPI reports a state that Postroom does not know (“{word}”)."
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
            f"{listed(missing)}.",
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
            summary=f"{made} of {counted(self.count, 'mailbox', 'mailboxes')} {'is' if made == 1 else 'are'} live.",
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
        progress = f"{live} of {self.count} live."
        return Pending(ref=dict(ref), progress=progress, done=live, total=self.count, items=items)


def _mailbox_item(name: str, mailbox: Mailbox | None) -> Item:
    if mailbox is None:
        return Item(name=name, state=ItemState.UNKNOWN, note="not listed yet")
    match mailbox.status:
        case MailboxStatus.ACTIVE:
            return Item(name=name, state=ItemState.LIVE)
        case MailboxStatus.FAILED:
            return Item(name=name, state=ItemState.NOT_DONE, note="failed")
    return Item(name=name, state=ItemState.UNKNOWN, note=_mailbox_word(mailbox))


def _mailbox_word(mailbox: Mailbox) -> str:
    return _MAILBOX_WORDS.get(mailbox.status, f"state unknown ({mailbox.raw_status[:40] or 'nothing said'})")


ACTIONS: tuple[type[Action], ...] = (
    ListMailboxes,
    CreateMailboxes,
)
