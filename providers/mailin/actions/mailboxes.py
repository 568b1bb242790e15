"""What people can ask of Mailin about mailboxes.

Mailin makes up a password for every new mailbox; `mailbox credentials` shows it to those who may see it, and `mailbox
password` sets another.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

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
    Revealed,
    Table,
    Unknown,
    choices,
    from_words,
    multiline,
)
from providers.errors import BadAnswer, NotFound, OutcomeUnknown, ProviderError, Rejected
from providers.fields import EmailAddress, Kind, parse_address, problem, secret_of
from providers.files import from_file
from providers.listing import LONGEST_PART, PAGE, ListingByName, counted, listed
from providers.mailin.actions.common import (
    HOSTING_NAMES,
    KEEP_WATCHING,
    SEE_DOMAINS,
    SEE_MAILBOXES,
    facts,
    find_mailbox,
    may_send,
    read_as_one,
    some_text,
    words_into,
)
from providers.mailin.client import MailinClient
from providers.mailin.lenient import Page
from providers.mailin.mailboxes import MAILBOXES_AT_ONCE
from providers.mailin.models import (
    DomainStatus,
    Hosting,
    JobState,
    Mailbox,
    MailboxStatus,
    NewGoogleMailbox,
    NewMailbox,
)

MOST_MAILBOXES = 100
"""In one request: ten calls to Mailin, which are spaced."""

LISTING_LAG = timedelta(minutes=2)
"""How long after the jobs have ended their mailboxes may still be missing from the listing."""

LONGEST_NAME = 100
LONGEST_SIGNATURE = 3000
SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 24
"""As for a new mailbox (endpoint row 39); for a change (row 42) Mailin names no most."""

_STATES = {MailboxStatus.ACTIVE: "live", MailboxStatus.INACTIVE: "not active"}
_EXAMPLE = "ana@acme.com Ana Ruiz"
_PATTERN_WORD = re.compile(r"\{([a-z]*)\}")
_IN_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "þ": "th", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i"}
)
"""Letters that are more than one from a to z with a mark on it."""


# What is typed to create mailboxes.


def parse_mailboxes(value: Any) -> Any:
    """Each line as `address name`. A line that is a pattern makes the addresses of the names that follow it.

    Raises one error that names what is wrong with the first lines that are.
    """
    if not isinstance(value, str | list | tuple):
        return value
    lines = value.splitlines() if isinstance(value, str) else [str(line) for line in value]
    parsed: list[str] = []
    wrong: list[str] = []
    pattern = ""
    for line in filter(None, (" ".join(line.split()) for line in lines)):
        try:
            first, _, name = line.partition(" ")
            if "{" in first:
                pattern = _checked_pattern(first)
                if name:
                    parsed.append(_from_pattern(pattern, name))
            elif "@" in first:
                parsed.append(f"{parse_address(first)} {name}".strip())
            elif pattern:
                parsed.append(_from_pattern(pattern, line))
            else:
                raise problem(f"“{line[:80]}” begins with no address. A line looks like {_EXAMPLE}.")
        except PydanticCustomError as error:
            wrong.append(str(error))
    if wrong:
        raise problem(" ".join(wrong[:3]) + (f" And {len(wrong) - 3} more are wrong." if len(wrong) > 3 else ""))
    return parsed


def _checked_pattern(pattern: str) -> str:
    unknown = [word for word in _PATTERN_WORD.findall(pattern) if word not in ("first", "last", "f", "l")]
    if unknown or "@" not in pattern or "{" in _PATTERN_WORD.sub("", pattern):
        raise problem(f"“{pattern[:80]}” is no pattern. Use {{first}}, {{last}}, {{f}} and {{l}} before the @.")
    return pattern


def _from_pattern(pattern: str, name: str) -> str:
    first, _, last = name.partition(" ")
    if "@" in name:
        raise problem(f"“{name[:80]}” stands below a pattern, so it has to be a name alone.")
    if "," in name:  # as address books have it: which of the two is the first name?
        raise problem(f"“{name[:80]}” has a comma. Write the first name first, such as Ana Ruiz.")
    words = {"first": _plain(first), "last": _plain(last)}
    words |= {"f": words["first"][:1], "l": words["last"][:1]}
    if any(not words[word] for word in _PATTERN_WORD.findall(pattern)):
        raise problem(f"“{name[:80]}” does not have the names that {pattern[:80]} needs, in letters from a to z.")
    return f"{parse_address(_PATTERN_WORD.sub(lambda word: words[word[1]], pattern))} {name}"


def _plain(name: str) -> str:
    """A name as it can stand in an address: `Muñoz Díaz` becomes `munozdiaz`. Empty where a letter of it cannot: left
    out of it, the address would be another name's."""
    letters = unicodedata.normalize("NFKD", name.lower().translate(_IN_LETTERS))
    if any(letter.isalnum() and not letter.isascii() for letter in letters):
        return ""
    return "".join(letter for letter in letters if letter.isalnum())


def _box(line: str) -> tuple[str, str]:
    address, _, name = line.partition(" ")
    return address, name


class CreateMailboxes(
    Action,
    provider="mailin",
    command="mailbox create",
    title="Create mailboxes",
    effect=Effect.WRITE,
    calls=(
        *SEE_DOMAINS,
        *SEE_MAILBOXES,
        "POST /api/v1/public/mailboxes",
        "GET /api/v1/public/mailboxes/status/{job_id}",
        "POST /api/v1/public/mailboxes/add/google",
    ),
):
    """Create one or more mailboxes on domains of the account."""

    hosting: Hosting = Field(
        "smtp",
        title="Hosting",
        description="Where the domain of these mailboxes lives.",
        json_schema_extra=choices(HOSTING_NAMES),
    )
    mailboxes: Annotated[list[str], BeforeValidator(parse_mailboxes), Kind.ADDRESS] = Field(
        title="Mailboxes",
        description=f"A line each: {_EXAMPLE}. Or a pattern, such as {{first}}.{{last}}@acme.com or "
        f"{{f}}{{last}}@acme.com, and below it, or in a file, the full names. At most {MOST_MAILBOXES}.",
        json_schema_extra=from_words() | from_file("email", "name", may_lack=["email"]),
    )

    @field_validator("mailboxes")
    @classmethod
    def _mailboxes(cls, lines: list[str], info: ValidationInfo) -> list[str]:
        if not lines:
            raise problem(f"Name at least one mailbox, such as {_EXAMPLE}.")
        if len(lines) > MOST_MAILBOXES:
            raise problem(f"These are {len(lines)} mailboxes; at most {MOST_MAILBOXES} go into one request.")
        addresses = [_box(line)[0].lower() for line in lines]
        twice = sorted({address for address in addresses if addresses.count(address) > 1})
        if twice:
            raise problem(f"{listed(twice)} is there twice. Name each mailbox once.")
        nameless = [_box(line)[0] for line in lines if not _box(line)[1]]
        if nameless:
            raise problem(f"{listed(nameless)}: write the name behind the address, such as {_EXAMPLE}.")
        long = [_box(line)[0] for line in lines if len(_box(line)[1]) > LONGEST_NAME]
        if long:
            raise problem(f"{listed(long)}: a name may have at most {LONGEST_NAME} characters.")
        single = [_box(line)[0] for line in lines if " " not in _box(line)[1]]
        if info.data.get("hosting") == "google" and single:
            raise problem(f"{listed(single)}: Google needs a first and a last name, such as {_EXAMPLE}.")
        turned = [_box(line)[0] for line in lines if "," in _box(line)[1]]
        if info.data.get("hosting") == "google" and turned:
            raise problem(f"{listed(turned)}: for Google the first name comes first, without a comma: {_EXAMPLE}.")
        return lines

    @classmethod
    def usage(cls) -> str:
        return "[name@domain.com First Last …]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        """A new line begins with each address, and after a pattern the names are for the form to be put on lines."""
        lines: list[str] = []
        for word in words:
            if "@" in word or not lines:
                lines.append(word)
            else:
                lines[-1] += f" {word}"
        return {"mailboxes": "\n".join(lines)} if lines else {}

    def headline(self) -> str:
        addresses = self.subjects()
        what = addresses[0] if len(addresses) == 1 else counted(len(addresses), "mailbox", "mailboxes")
        return f"Create {what} ({HOSTING_NAMES[self.hosting]})"

    def subjects(self) -> tuple[str, ...]:
        return tuple(_box(line)[0] for line in self.mailboxes)

    async def check(self, client: MailinClient) -> None:
        told = []
        existing: list[str] = []
        for domain in self._domains():
            found = await client.find_domain(domain, self.hosting)
            other: Hosting = "google" if self.hosting == "smtp" else "smtp"
            if found is None and await client.find_domain(domain, other):
                told.append(f"{domain} is a {HOSTING_NAMES[other]} domain: choose that hosting.")
            elif found is None:
                told.append(f"{domain} is not in this account (yet): buy or transfer it first.")
            elif found.status is DomainStatus.INACTIVE:
                told.append(f"{domain} is not active yet: ask again when it is live.")
            else:
                there = {mailbox.username.lower() for mailbox in await client.mailboxes_of(domain, self.hosting)}
                existing += [address for address in self.subjects() if address.lower() in there]
        if existing:
            told.append(f"Already in this account: {listed(existing)}. Remove these lines.")
        if told:
            raise Refused({"mailboxes": " ".join(told)})

    async def quote(self, client: MailinClient, prices: PriceList) -> Quote:
        """Mailin never names a price: the operator's list does (`mailbox`, for one)."""
        price = prices.price("mailbox")
        # By their names: a pattern makes addresses that nobody has typed, and those who decide see what they will be.
        return Quote(
            lines=tuple(QuoteLine(what=address, price=price) for address in self.subjects()), currency=prices.currency
        )

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Batch after batch (endpoint row 39, for Google 51). After the first one nothing is thrown away: what Mailin
        has taken is followed to its end, and what became of the rest is told then."""
        jobs: list[JsonValue] = []
        for start in range(0, len(self.mailboxes), MAILBOXES_AT_ONCE):
            batch = self.mailboxes[start : start + MAILBOXES_AT_ONCE]
            try:
                jobs.append(await self._create(client, batch))
            except ProviderError as error:
                if not jobs:
                    raise
                unclear = isinstance(error, OutcomeUnknown)
                return self._accepted(
                    jobs,
                    stopped=error.sentence,
                    unclear=[_box(line)[0] for line in batch] if unclear else [],
                    unsent=[_box(line)[0] for line in self.mailboxes[start + (len(batch) if unclear else 0) :]],
                )
        return self._accepted(jobs)

    async def poll(self, client: MailinClient, ref: Mapping[str, JsonValue]) -> Outcome:
        jobs, ended = _texts(ref.get("jobs")), dict(_object(ref.get("ended")))
        odd, made = "", 0
        for number, uuid in enumerate(jobs):
            batch = {address.lower() for address in self._batch(number)}
            if str(number) in ended:
                made += len(batch)
                continue
            job = await client.mailbox_job(uuid)
            so_far = batch & {mailbox.username.lower() for mailbox in job.mailboxes}
            made += len(batch if job.state.is_final else so_far)
            if job.state.is_final:
                ended[str(number)] = job.state.value
            elif job.state is JobState.UNKNOWN:
                odd = f" It reports a state that Postroom does not know (“{job.raw_status[:40]}”)."
        now = client.clock.now()
        seen: dict[str, JsonValue] = {**ref, "ended": ended}
        if len(ended) == len(jobs):
            seen.setdefault("ended_at", now.isoformat())
            return await self._settle(client, seen)
        progress = f"Mailin is creating the mailboxes: {len(ended)} of {counted(len(jobs), 'batch', 'batches')} done."
        return Pending(ref=seen, progress=progress + odd, done=made, total=len(self.mailboxes))

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        there = await self._there(client)
        missing = [address for address in self.subjects() if address.lower() not in there]
        if not missing:
            return self._all_there(there)
        exist = [address for address in self.subjects() if address.lower() in there]
        return Unknown(
            summary="It is not clear whether Mailin has created all of these mailboxes.",
            evidence=f"In the account: {listed(exist) or 'none of them'}. Not (yet) listed: {listed(missing)}.",
            items=self._items(there, ItemState.UNKNOWN),
        )

    def _batch(self, number: int) -> tuple[str, ...]:
        """The addresses of what went to Mailin as one job."""
        return self.subjects()[number * MAILBOXES_AT_ONCE :][:MAILBOXES_AT_ONCE]

    async def _create(self, client: MailinClient, lines: Sequence[str]) -> str:
        boxes = [_box(line) for line in lines]
        if self.hosting == "smtp":
            return await client.create_mailboxes([NewMailbox(address, name) for address, name in boxes])
        return await client.create_google_mailboxes(
            [NewGoogleMailbox(address, *name.split(" ", 1)) for address, name in boxes]
        )

    def _accepted(
        self, jobs: list[JsonValue], *, stopped: str = "", unclear: Sequence[str] = (), unsent: Sequence[str] = ()
    ) -> Pending:
        progress = "Mailin has accepted the mailboxes and is creating them."
        if stopped:
            taken = len(self.mailboxes) - len(unclear) - len(unsent)
            progress = f"Mailin has accepted {taken} of {len(self.mailboxes)} and is creating them. {stopped}"
        ref: dict[str, JsonValue] = {"jobs": jobs, "ended": {}}
        ref |= {"stopped": stopped, "unclear": list(unclear), "unsent": list(unsent)} if stopped else {}
        return Pending(ref=ref, progress=progress, done=0, total=len(self.mailboxes))

    async def _settle(self, client: MailinClient, ref: dict[str, JsonValue]) -> Outcome:
        """The jobs have ended: what counts is what the account has. The listing may lag, so absence must age."""
        there = await self._there(client)
        missing = [address for address in self.subjects() if address.lower() not in there]
        if not missing:
            return self._all_there(there)
        exist, total = len(self.mailboxes) - len(missing), len(self.mailboxes)
        unsent, unclear, stopped = _texts(ref.get("unsent")), _texts(ref.get("unclear")), str(ref.get("stopped") or "")
        expected = [address for address in missing if address not in unsent]
        lagging = client.clock.now() - datetime.fromisoformat(str(ref["ended_at"])) < LISTING_LAG
        well = all(state == JobState.COMPLETED.value for state in _object(ref.get("ended")).values())
        doubtful = [address for address in expected if address in unclear]
        if expected and (lagging or (well and not doubtful)):
            progress = f"{exist} of {total} exist. Waiting to see {listed(expected)} in the account."
            seen = self._items(there, ItemState.NOT_DONE, expected)
            return Pending(ref=ref, progress=progress, done=exist, total=total, items=seen)
        items = self._items(there, ItemState.NOT_DONE, unclear)
        so_far = f"{exist} of {total} mailboxes {'exists' if exist == 1 else 'exist'}."
        if doubtful:
            told = f" Never sent, so not created: {listed(unsent)}." if unsent else ""
            return Unknown(
                summary=f"{so_far} Nobody knows whether {listed(doubtful)} will.{told}",
                evidence=f"{stopped} Not (yet) listed: {listed(doubtful)}.",
                items=items,
                ref=dict(ref),
            )
        nothing = "None of the mailboxes was created."
        return Failed(
            summary=" ".join(filter(None, [so_far if exist else nothing, stopped])),
            cure=f"Ask again for {listed(missing)} alone." if exist else "Ask again, or for other addresses.",
            items=items,
        )

    def _all_there(self, there: Mapping[str, Mailbox]) -> Done:
        addresses = self.subjects()
        exist = f"{addresses[0]} exists" if len(addresses) == 1 else f"All {len(addresses)} mailboxes exist"
        return Done(
            summary=f"{exist}. Mailin has made up the passwords; “mailbox credentials” shows them.",
            items=self._items(there, ItemState.NOT_DONE),
        )

    def _items(self, there: Mapping[str, Mailbox], absent: ItemState, unclear: Sequence[str] = ()) -> tuple[Item, ...]:
        def item(address: str, name: str) -> Item:
            if address.lower() in there:
                return Item(name=address, state=ItemState.LIVE, note=name)
            return Item(name=address, state=ItemState.UNKNOWN if address in unclear else absent, note=name)

        return tuple(item(*_box(line)) for line in self.mailboxes)

    async def _there(self, client: MailinClient) -> dict[str, Mailbox]:
        found: dict[str, Mailbox] = {}
        for domain in self._domains():
            found |= {box.username.lower(): box for box in await client.mailboxes_of(domain, self.hosting)}
        return found

    def _domains(self) -> list[str]:
        return list(dict.fromkeys(address.rpartition("@")[2].lower() for address in self.subjects()))


class ListMailboxes(
    ListingByName,
    provider="mailin",
    command="mailbox list",
    title="List mailboxes",
    effect=Effect.READ,
    calls=SEE_MAILBOXES,
):
    """List the mailboxes of an account, or those whose name or address has a word in it."""

    name: Annotated[str, Field(max_length=LONGEST_PART)] = Field(
        "",
        title="Name or address contains",
        description="Such as ana, or @acme.com for those of one domain. Leave empty to see all.",
        json_schema_extra=from_words(),
    )
    hosting: Literal["all", "smtp", "google"] = Field(
        "all", title="Hosting", json_schema_extra=choices({"all": "All", **HOSTING_NAMES})
    )

    @classmethod
    def usage(cls) -> str:
        return "[part of a name or address]"

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """SMTP's mailboxes first, then Google's: two listings (rows 37 and 49) read as one."""
        name = self.name.strip() or None
        kinds = "" if self.hosting == "all" else f"{HOSTING_NAMES[self.hosting]} "

        listings: dict[str, Callable[[int], Awaitable[Page[Mailbox]]]] = {
            "smtp": lambda page: client.mailboxes(page, PAGE, name),
            "google": lambda page: client.google_mailboxes(page, PAGE, name),
        }
        asked = {hosting: read for hosting, read in listings.items() if self.hosting in ("all", hosting)}
        shown = await read_as_one(asked, self.page)
        matching = self.matching("name or address")
        return self.told(
            f"{counted(shown.total, f'{kinds}mailbox', f'{kinds}mailboxes')}{matching}",
            nothing=f"There are no {self.more}{kinds}mailboxes{matching} in this account.",
            table=Table(
                columns=("Address", "Name", "Hosting", "State", "Forwards to"),
                rows=tuple(
                    (
                        box.username,
                        box.name,
                        HOSTING_NAMES[hosting],
                        _STATES.get(box.status, "not known"),
                        box.redirect_email or "",
                    )
                    for box, hosting in shown.rows
                ),
            ),
            next_page=shown.next_page,
        )


# One mailbox.


class _OfOneMailbox(Action):
    """What is asked of one mailbox, by its address."""

    mailbox: EmailAddress = Field(
        title="Mailbox", description="Its whole address, such as ana@acme.com.", json_schema_extra=from_words()
    )

    @classmethod
    def usage(cls) -> str:
        return "name@domain.com"

    def subjects(self) -> tuple[str, ...]:
        return (self.mailbox,)

    async def _found(self, client: MailinClient) -> tuple[Mailbox, Hosting, int]:
        """The mailbox, where it lives, and its id. Raises NotFound, BadAnswer if it has no id."""
        found = await find_mailbox(client, self.mailbox)
        if found is None:
            raise NotFound(f"{self.mailbox} is not among the mailboxes of this account.", cure=KEEP_WATCHING)
        if found[0].id is None:
            raise BadAnswer(f"Mailin lists {self.mailbox} without the number that it is asked for by.")
        return *found, found[0].id

    async def _checked(self, client: MailinClient, google_only: str = "") -> Mailbox:
        """The mailbox, or Refused. `google_only` completes the sentence "Mailin can … only of Google's mailboxes"."""
        found = await find_mailbox(client, self.mailbox)
        if found is None:
            raise Refused({"mailbox": f"{self.mailbox} is not among the mailboxes of this account. {KEEP_WATCHING}"})
        if google_only and found[1] != "google":
            raise Refused(
                {"mailbox": f"{self.mailbox} is an SMTP mailbox, and Mailin can {google_only} Google's only."}
            )
        return found[0]

    def _unclear(self, evidence: str) -> Unknown:
        return Unknown(
            summary=f"It is not clear whether Mailin has changed {self.mailbox}.",
            evidence=evidence,
            items=(Item(name=self.mailbox, state=ItemState.UNKNOWN),),
        )


class ShowMailbox(
    _OfOneMailbox,
    provider="mailin",
    command="mailbox show",
    title="Show a mailbox",
    effect=Effect.READ,
    calls=SEE_MAILBOXES,
):
    """Show what is known of a mailbox, without its password."""

    async def run(self, client: MailinClient, key: str) -> Outcome:
        box, hosting, _ = await self._found(client)
        return Done(
            summary=f"{box.username} is {_STATES.get(box.status, 'in a state that Postroom does not know')}.",
            items=facts(
                {
                    "Name": box.name,
                    "Hosting": HOSTING_NAMES[hosting],
                    "IMAP": _server(box.imap_host, box.imap_port),
                    "SMTP": _server(box.smtp_host, box.smtp_port),
                    "May send": box.rate_limit,
                    "Forwards to": box.redirect_email,
                    "Signature": box.signature,
                    "Created": f"{box.created_at:%Y-%m-%d}" if box.created_at else "",
                }
            ),
        )


class MailboxRateLimit(
    _OfOneMailbox,
    provider="mailin",
    command="mailbox rate-limit",
    title="Sending limit",
    effect=Effect.READ,
    calls=(*SEE_MAILBOXES, "GET /api/v1/public/mailboxes/{mailbox_id}/rate-limit"),
):
    """Show how much a mailbox may send."""

    async def run(self, client: MailinClient, key: str) -> Outcome:
        _, _, mailbox_id = await self._found(client)
        limit = (await client.mailbox_rate_limit(mailbox_id)).rate_limit
        return Done(summary=may_send(self.mailbox, limit))


class RenameMailbox(
    _OfOneMailbox,
    provider="mailin",
    command="mailbox rename",
    title="Rename a mailbox",
    effect=Effect.WRITE,
    calls=(*SEE_MAILBOXES, "POST /api/v1/public/mailboxes/{mailbox_id}/name"),
):
    """Change the name that recipients see."""

    name: Annotated[str, AfterValidator(some_text("the new name, such as Ana Ruiz", LONGEST_NAME))] = Field(
        title="New name", description="What recipients see; the address stays as it is."
    )

    @classmethod
    def usage(cls) -> str:
        return "name@domain.com [New Name]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return words_into(words, "mailbox", "name")

    def headline(self) -> str:
        return f"Rename {self.mailbox} to “{self.name}”"

    async def check(self, client: MailinClient) -> None:
        await self._checked(client)

    async def run(self, client: MailinClient, key: str) -> Outcome:
        box, _, mailbox_id = await self._found(client)
        await client.rename_mailbox(mailbox_id, self.name)
        was = f" It was “{box.name}” before." if box.name and box.name != self.name else ""
        return Done(summary=f"{self.mailbox} is now called “{self.name}”.{was}")

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        box, _, _ = await self._found(client)
        if box.name == self.name:
            return Done(summary=f"{self.mailbox} is called “{self.name}”.")
        return self._unclear(f"It is called “{box.name}” at the moment. Asking again does no harm.")


class SetPassword(
    _OfOneMailbox,
    provider="mailin",
    command="mailbox password",
    title="Change a password",
    effect=Effect.WRITE,
    calls=(*SEE_MAILBOXES, "POST /api/v1/public/mailboxes/{mailbox_id}/password"),
):
    """Give a mailbox a new password; whoever is logged in with the old one is out."""

    password: Annotated[SecretStr, secret_of(SHORTEST_PASSWORD, LONGEST_PASSWORD)] = Field(
        title="New password", description=f"From {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters."
    )

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        """Only the address: a password typed after the command is shown nowhere."""
        return {"mailbox": words[0]} if words else {}

    def headline(self) -> str:
        return f"Change the password of {self.mailbox}"

    async def check(self, client: MailinClient) -> None:
        await self._checked(client)

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 42."""
        _, _, mailbox_id = await self._found(client)
        await client.set_mailbox_password(mailbox_id, self.password)
        return Done(summary=f"{self.mailbox} has its new password. Log in anew wherever it is used.")

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        """The new password is known to nobody here any more, so it cannot be compared."""
        return self._unclear("Whether the new password opens it, only logging in tells. Asking again does no harm.")


class DeleteMailbox(
    _OfOneMailbox,
    provider="mailin",
    command="mailbox delete",
    title="Delete a mailbox",
    effect=Effect.DESTROY,
    calls=(*SEE_MAILBOXES, "DELETE /api/v1/public/mailboxes/{mailbox_id}"),
):
    """Delete a mailbox with all its mail, for ever."""

    def headline(self) -> str:
        return f"Delete {self.mailbox} with all its mail"

    async def check(self, client: MailinClient) -> None:
        await self._checked(client)

    async def run(self, client: MailinClient, key: str) -> Outcome:
        _, _, mailbox_id = await self._found(client)
        await client.delete_mailbox(mailbox_id)
        return Done(summary=f"{self.mailbox} is deleted.")

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        """It was there when it was asked for, so its absence proves that it is gone."""
        if await find_mailbox(client, self.mailbox) is None:
            return Done(summary=f"{self.mailbox} is deleted: the account lists it no longer.")
        return self._unclear("It is (still) listed.")


class SetSignature(
    _OfOneMailbox,
    provider="mailin",
    command="mailbox signature",
    title="Set a signature",
    effect=Effect.WRITE,
    calls=(*SEE_MAILBOXES, "POST /api/v1/public/mailboxes/{mailbox_id}/add-signature"),
):
    """Set the signature of a Google mailbox."""

    signature: Annotated[str, AfterValidator(some_text("the signature", LONGEST_SIGNATURE))] = Field(
        title="Signature",
        description="Replaces the one it has. Only Google mailboxes have one.",
        json_schema_extra=multiline(),
    )

    @classmethod
    def usage(cls) -> str:
        return "name@domain.com [text]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return words_into(words, "mailbox", "signature")

    def headline(self) -> str:
        return f"Set the signature of {self.mailbox}"

    async def check(self, client: MailinClient) -> None:
        await self._checked(client, "set a signature for")

    async def run(self, client: MailinClient, key: str) -> Outcome:
        box, _, mailbox_id = await self._found(client)
        await client.set_signature(mailbox_id, self.signature)
        return Done(summary=f"{self.mailbox} has the new signature.", items=facts({"Before": box.signature}))

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        box, _, _ = await self._found(client)
        if (box.signature or "").strip() == self.signature:
            return Done(summary=f"{self.mailbox} has the new signature.")
        return self._unclear("Mailin does not list the new signature (yet). Asking again does no harm.")


class RemoveSignature(
    _OfOneMailbox,
    provider="mailin",
    command="mailbox unsignature",
    title="Remove a signature",
    effect=Effect.WRITE,
    calls=(*SEE_MAILBOXES, "DELETE /api/v1/public/mailboxes/{mailbox_id}/delete-signature"),
):
    """Remove the signature of a Google mailbox.

    A WRITE, although Mailin forgets the text: the answer repeats it, so that it can be set again.
    """

    def headline(self) -> str:
        return f"Remove the signature of {self.mailbox}"

    async def check(self, client: MailinClient) -> None:
        await self._checked(client, "remove a signature of")

    async def run(self, client: MailinClient, key: str) -> Outcome:
        box, _, mailbox_id = await self._found(client)
        await client.remove_signature(mailbox_id)
        return Done(summary=f"{self.mailbox} has no signature any more.", items=facts({"Before": box.signature}))

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        box, _, _ = await self._found(client)
        if not box.signature:
            return Done(summary=f"{self.mailbox} has no signature any more.")
        return self._unclear("Mailin (still) lists a signature. Asking again does no harm.")


class ForwardMailbox(
    _OfOneMailbox,
    provider="mailin",
    command="mailbox forward",
    title="Forward a mailbox",
    effect=Effect.DESTROY,
    calls=(
        *SEE_MAILBOXES,
        "POST /api/v1/public/mailboxes/{mailbox_id}/forwarding/setup",
        "POST /api/v1/public/mailboxes/{mailbox_id}/forwarding/update",
        "POST /api/v1/public/mailboxes/{mailbox_id}/google/forwarding",
    ),
):
    """Forward the mail of a Google mailbox to an address, or stop that.

    DESTROY, because it sends other people's mail elsewhere: what has left cannot be called back, so somebody else has
    to agree, and after an unclear answer it is not sent again. Mailin's own "too many calls" did nothing, so after that
    it is: the same address twice changes no more.
    """

    what: Literal["set", "change", "remove"] = Field(
        "set",
        title="What to do",
        json_schema_extra=choices({"set": "Begin to forward", "change": "Forward elsewhere", "remove": "Stop"}),
    )
    to: EmailAddress | None = Field(
        None,
        title="Forward to",
        description="The address that gets all its mail. Leave empty to stop.",
        validate_default=True,
    )

    @field_validator("to", mode="before")
    @classmethod
    def _empty(cls, to: Any) -> Any:
        return None if isinstance(to, str) and not to.strip() else to

    @field_validator("to")
    @classmethod
    def _to(cls, to: str | None, info: ValidationInfo) -> str | None:
        what = info.data.get("what")
        if what == "remove" and to:
            raise problem("Leave this empty: forwarding is stopped, wherever it goes.")
        if what in ("set", "change") and not to:
            raise problem("Name the address to forward to.")
        if to and to.lower() == str(info.data.get("mailbox", "")).lower():
            raise problem("This is the mailbox itself: name another address.")
        return to

    @classmethod
    def usage(cls) -> str:
        return "name@domain.com [other@domain.com]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return words_into(words, "mailbox", "to")

    def headline(self) -> str:
        if self.what == "remove":
            return f"Stop forwarding the mail of {self.mailbox}"
        return f"Forward all mail of {self.mailbox} to {self.to}"

    async def check(self, client: MailinClient) -> None:
        box = await self._checked(client, "forward the mail of")
        if self.what == "set" and box.redirect_email:
            now = f"{self.mailbox} already forwards to {box.redirect_email}."
            raise Refused({"what": f"{now} Choose “Forward elsewhere” to change that."})

    async def run(self, client: MailinClient, key: str) -> Outcome:
        box, _, mailbox_id = await self._found(client)
        match self.what:
            case "remove":
                await client.remove_forwarding(mailbox_id)
            case "change":
                await client.change_forwarding(mailbox_id, str(self.to))
            case _:
                await client.set_forwarding(mailbox_id, str(self.to))
        return self._done(box.redirect_email)

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        box, _, _ = await self._found(client)
        if (box.redirect_email or "").lower() == (self.to or "").lower():
            return self._done()
        where = f"to {box.redirect_email}" if box.redirect_email else "nowhere"
        return self._unclear(f"Mailin says that it forwards {where} at the moment.")

    def _done(self, before: str | None = None) -> Done:
        was = f" Before, it went to {before}." if before and before != self.to else ""
        if self.what == "remove":
            return Done(summary=f"The mail of {self.mailbox} is forwarded no longer.{was}")
        return Done(summary=f"All mail of {self.mailbox} goes to {self.to}.{was}")


# What opens a mailbox.


class ShowTotp(
    _OfOneMailbox,
    provider="mailin",
    command="mailbox totp",
    title="Log-in code",
    effect=Effect.REVEAL,
    calls=(*SEE_MAILBOXES, "POST /api/v1/public/mailboxes/{mailbox_id}/generate-totp"),
):
    """Show a one-time log-in code of a Google mailbox, once and to you alone."""

    def headline(self) -> str:
        return f"Show a log-in code of {self.mailbox}"

    async def reveal(self, client: MailinClient) -> Revealed:
        _, hosting, mailbox_id = await self._found(client)
        if hosting != "google":
            raise Rejected(
                f"{self.mailbox} is an SMTP mailbox, which has no one-time codes.",
                cure="Log in with its password; “mailbox credentials” shows it.",
            )
        totp = await client.mailbox_totp(mailbox_id)
        assert totp.code is not None
        until = f", good until {totp.expires_at:%H:%M:%S} UTC" if totp.expires_at else ""
        return Revealed(summary=f"A log-in code of {self.mailbox}{until}.", secrets=(("Code", totp.code),))


class ShowCredentials(
    _OfOneMailbox,
    provider="mailin",
    command="mailbox credentials",
    title="Mailbox credentials",
    effect=Effect.REVEAL,
    calls=(*SEE_MAILBOXES, "GET /api/v1/public/mailboxes/{mailbox_id}/show-credentials"),
):
    """Show what opens a mailbox, once and to you alone: its password, and Google's TOTP secret and app password."""

    def headline(self) -> str:
        return f"Show the credentials of {self.mailbox}"

    async def reveal(self, client: MailinClient) -> Revealed:
        """Endpoint row 55 for Google's. SMTP's password is in the listing alone (row 37)."""
        box, hosting, mailbox_id = await self._found(client)
        named: tuple[tuple[str, SecretStr | None], ...]
        if hosting == "google":
            shown = await client.mailbox_credentials(mailbox_id)
            named = (
                ("Password", shown.password),
                ("TOTP secret", shown.totp_secret),
                ("App password", shown.app_password),
            )
        else:
            named = (("Password", await client.mailbox_password(box.username, hosting)),)
        secrets = tuple((name, secret) for name, secret in named if secret is not None)
        if not secrets:
            raise NotFound(
                f"Mailin shows no password of {self.mailbox}.",
                cure="If it was just created, ask again later. Otherwise look into Mailin's own dashboard.",
            )
        return Revealed(summary=f"The credentials of {self.mailbox}.", secrets=secrets)


def _server(host: str, port: int | None) -> str:
    """Where to log in, as `host:port`; empty as long as Mailin does not say."""
    return f"{host}:{port}" if host and port else host


def _texts(value: JsonValue) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _object(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


ACTIONS: tuple[type[Action], ...] = (
    ListMailboxes,
    ShowMailbox,
    CreateMailboxes,
    RenameMailbox,
    SetPassword,
    DeleteMailbox,
    MailboxRateLimit,
    SetSignature,
    RemoveSignature,
    ForwardMailbox,
    ShowTotp,
    ShowCredentials,
)
