"""What the actions of several nouns share: finding things by the names people use, listings, and words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, ValidationInfo

from providers.action import Action, Item, ItemState
from providers.answers import how_many
from providers.errors import BadAnswer, NotFound
from providers.fields import DomainName, problem
from providers.listing import PAGE
from providers.mailin.client import MailinClient
from providers.mailin.lenient import Page
from providers.mailin.models import Domain, Hosting, Mailbox

HOSTING_NAMES: Mapping[str, str] = {"smtp": "SMTP", "google": "Google"}

KEEP_WATCHING = "Check the name, and the account you asked for. What was just made may take some minutes to be listed."

# The calls by which several actions find things.

SEE_DOMAINS = ("GET /api/v1/public/domains", "GET /api/v1/public/domains/list/google")
SEE_EVERY_DOMAIN = (*SEE_DOMAINS, "GET /api/v1/public/domains/get/inboxkit-domains")
SEE_MAILBOXES = ("GET /api/v1/public/mailboxes", "GET /api/v1/public/mailboxes/list/google")
SEE_CREDITS = ("GET /api/v1/public/get-credits", "GET /api/v1/public/credit-history")

_Row = TypeVar("_Row")


# Finding.


async def find_domain(client: MailinClient, name: str) -> Domain | None:
    """The account's domain of exactly this name, SMTP or Google."""
    return await client.find_domain(name, "smtp") or await client.find_domain(name, "google")


async def the_domain(client: MailinClient, name: str) -> tuple[Domain, int]:
    """A domain of the account, InboxKit's included, and its id. Raises NotFound, BadAnswer if it has no id."""
    found = await find_domain(client, name) or await client.find_inboxkit_domain(name)
    if found is None:
        raise NotFound(f"{name} is not among the domains of this account.", cure=KEEP_WATCHING)
    if found.id is None:
        raise BadAnswer(f"Mailin lists {name} without the number that it is asked for by.")
    return found, found.id


async def find_mailbox(client: MailinClient, address: str) -> tuple[Mailbox, Hosting] | None:
    """The account's mailbox of exactly this address, and where it lives."""
    hostings: tuple[Hosting, ...] = ("smtp", "google")
    for hosting in hostings:
        found = await client.find_mailbox(address, hosting)
        if found is not None:
            return found, hosting
    return None


# Listings.


@dataclass(frozen=True, slots=True)
class Shown(Generic[_Row]):
    """A page of several listings read as one: its rows, each with the word of its listing; `total` counts them all."""

    rows: tuple[tuple[_Row, str], ...]
    total: int
    next_page: int | None


async def read_as_one(listings: Mapping[str, Callable[[int], Awaitable[Page[_Row]]]], page: int) -> Shown[_Row]:
    """The listings one behind the other, PAGE rows to a page; `listings` read a page of PAGE rows each."""
    wanted, before = (page - 1) * PAGE, 0
    rows: list[tuple[_Row, str]] = []
    goes_on = False
    for word, read in listings.items():
        skipped = max(wanted - before, 0)
        number, within = skipped // PAGE + 1, skipped % PAGE
        found = await read(number)
        own = list(found.data)[within:]
        if within and len(own) < PAGE - len(rows) and found.next_page is not None:
            found = await read(found.next_page)
            own += found.data
        rows += [(row, word) for row in own[: PAGE - len(rows)]]
        before += found.total
        goes_on |= found.next_page is not None  # where Mailin does not say how much there is, the total tells less
    return Shown(tuple(rows), before, page + 1 if rows and (goes_on or wanted + PAGE < before) else None)


# Words.


def may_send(whose: str, limit: str | None) -> str:
    """How much a domain or a mailbox may send, in a sentence. Mailin's words are `500 / d`, `500 / 1h` and `50`."""
    if not limit:
        return f"No limit is set for {whose}."
    number, _, span = limit.partition("/")
    spans = {"d": " a day", "h": " an hour", "m": " a minute", "": ""}
    said = spans.get(span.strip().removeprefix("1").strip().lower())
    many = how_many(number)
    if said is None or many is None:
        return f"{whose} may send {limit}."
    return f"{whose} may send {many:,} e-mails{said}."


def facts(told: Mapping[str, object]) -> tuple[Item, ...]:
    """What is known of a thing, a line each; what is not known has no line."""
    return tuple(Item(name=name, note=str(value)) for name, value in told.items() if value not in (None, "", ()))


def not_done(names: Sequence[str], note: str = "") -> tuple[Item, ...]:
    """Items that nothing happened to."""
    return tuple(Item(name=name, state=ItemState.NOT_DONE, note=note) for name in names)


def words_into(words: Sequence[str], first: str, rest: str) -> dict[str, Any]:
    """Field values from the words after a command: the first word for one field, all others for another."""
    typed: dict[str, Any] = {first: words[0]} if words else {}
    return typed | ({rest: " ".join(words[1:])} if len(words) > 1 else {})


def some_text(what: str, longest: int) -> Callable[[str], str]:
    """A validator of text that has to be there; `what` completes "Write …"."""

    def check(value: str) -> str:
        text = value.strip()
        if not text:
            raise problem(f"Write {what}.")
        if len(text) > longest:
            raise problem(f"This has {len(text)} characters; at most {longest} fit.")
        return text

    return check


# A domain that is to lead to another one.


def _another(to: str, info: ValidationInfo) -> str:
    if to == info.data.get("domain"):
        raise problem("This is the domain itself: name another one.")
    return to


OtherDomain = Annotated[DomainName, AfterValidator(_another)]


class LeadsElsewhere(Action):
    """Has a `domain`, and another one in `to`."""

    @classmethod
    def usage(cls) -> str:
        return "name.com [other.com]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return words_into(words, "domain", "to")
