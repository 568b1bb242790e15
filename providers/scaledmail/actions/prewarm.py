"""What people can ask of ScaledMail about pre-warmed inboxes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, SecretStr, ValidationInfo

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
    Pick,
    Quote,
    QuoteLine,
    Refused,
    Table,
    Unknown,
    choices,
    from_words,
    line_items,
    multiline,
)
from providers.errors import ProviderError
from providers.fields import Kind, parse_domain, parse_domains, problem, secret_of
from providers.listing import LONGEST_PART, Listing, ListingByName, amount, counted, listed
from providers.scaledmail.actions.common import KINDS, STATES
from providers.scaledmail.client import ScaledMailClient
from providers.scaledmail.models import Domain, DomainStatus, PaymentStatus, PrewarmInbox, Sequencer, Stock, WantedInbox

MOST_DOMAINS = 25
"""In one purchase. ScaledMail states no limit; each makes two lines of the quote, which a person has to read."""

LISTING_LAG = timedelta(minutes=30)
"""How long after an order a domain of it may still be missing from the listings, or still be on the shelf."""

LONGEST_TAG = 50
LONGEST_LINE = 200
_PRICE = re.compile(r"(?:\d{1,9}|\d{1,3}(?:,\d{3}){1,2})(?:\.\d{1,4})?|\.\d{1,4}", re.ASCII)
_SETTLE = "Whoever pays for this account: settle the open payment at ScaledMail."


def _each_once(names: list[str]) -> list[str]:
    if not names:
        raise problem("Name at least one domain.")
    if len(names) > MOST_DOMAINS:
        raise problem(f"These are {len(names)} domains; at most {MOST_DOMAINS} go into one purchase.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise problem(f"{listed(twice)} is there twice. Name each domain once.")
    return names


def _redirect(value: str) -> str:
    """A domain without a path: cutting the path off silently would send visitors elsewhere."""
    shown = value.strip(" <>").rpartition("|")[2]
    if "/" in re.sub(r"^[a-z]+://", "", shown, flags=re.IGNORECASE).rstrip("/"):
        raise problem("Name the domain alone, such as acme.com, without what follows the slash.")
    return parse_domain(value)


def _redirects(value: Any) -> Any:
    """Where visitors go: one domain for all, or a line `from to` for each; one text, in its shortest spelling."""
    if not isinstance(value, str):
        return value
    lines = [line.replace("→", " ").replace("->", " ").split() for line in value.splitlines() if line.strip()]
    if not lines:
        return None
    if len(lines) == 1 and len(lines[0]) == 1:
        return _redirect(lines[0][0])
    pairs: dict[str, str] = {}
    for words in lines:
        if len(words) != 2:
            raise problem("Write one domain for all, or on each line a bought domain and the one its visitors go to.")
        name, target = parse_domain(words[0]), _redirect(words[1])
        if name in pairs:
            raise problem(f"{name} is there twice. Its visitors can go to one domain only.")
        pairs[name] = target
    return "\n".join(f"{name} {target}" for name, target in pairs.items())


def _of_bought(value: str | None, others: ValidationInfo) -> str | None:
    """Only what is bought can be redirected; a name that is not would otherwise be left out in silence."""
    bought = others.data.get("domains")
    if value is None or bought is None or " " not in value:
        return value
    strange = [line.split()[0] for line in value.splitlines() if line.split()[0] not in bought]
    if strange:
        raise problem(f"{listed(strange)} is not among the domains above.")
    return value


def _tag(value: str) -> str:
    tag = " ".join(value.split())
    if len(tag) > LONGEST_TAG:
        raise problem(f"This tag has {len(tag)} characters; at most {LONGEST_TAG} fit.")
    return tag


def _words(value: str) -> str:
    return " ".join(value.split())


def _with_sequencer(value: Any, others: ValidationInfo) -> Any:
    """Of a sequencer everything is needed, or nothing."""
    named = others.data.get("sequencer")
    if named and not value:
        raise problem("ScaledMail needs this to log in to the sequencer.")
    if value and named == "":
        raise problem("Say above which sequencer this is for, or leave this empty.")
    return value


def _optional_with_sequencer(value: str, others: ValidationInfo) -> str:
    return value and _with_sequencer(value, others)


def _line(what: str) -> AfterValidator:
    """One line of text, at most LONGEST_LINE characters; it may be empty."""

    def check(value: str) -> str:
        text = _words(value)
        if len(text) > LONGEST_LINE:
            raise problem(f"{what} has {len(text)} characters; at most {LONGEST_LINE} fit.")
        return text

    return AfterValidator(check)


def _dashboard(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^\s<>|]+\.[^\s<>|]+", value):
        raise problem("This is not the address of a page. One looks like https://app.instantly.ai.")
    return value


def _months(value: int) -> int:
    if not 0 <= value <= 1200:
        raise problem("This is an age in months: 0 or more.")
    return value


def _amount(value: Any) -> Any:
    """A price as people type it: 40, $40, 1,000.50. Empty is None."""
    if not isinstance(value, str):
        return value
    bare = value.strip().removeprefix("$").strip()
    if not bare:
        return None
    if not _PRICE.fullmatch(bare):  # 12,50 is not 1250
        raise problem("This is a price in US dollars, such as 40 or 12.50.")
    return Decimal(bare.replace(",", ""))


DomainsToBuy = Annotated[list[str], BeforeValidator(parse_domains), AfterValidator(_each_once), Kind.DOMAIN]


class BrowsePrewarmed(
    Listing,
    provider="scaledmail",
    command="prewarm browse",
    title="Browse pre-warmed",
    effect=Effect.READ,
    calls=("GET /api/v1/pre-warm-inboxes",),
):
    """See which pre-warmed domains are for sale, how old they are and what they cost."""

    kind: Literal["any", "google", "outlook"] = Field(
        "any",
        title="Kind of mailboxes",
        description="Whose mailboxes the domain has.",
        json_schema_extra=choices({"any": "Any", "google": "Google", "outlook": "Outlook"}),
    )
    min_months: Annotated[int, AfterValidator(_months)] = Field(
        0, title="Warmed for at least (months)", description="0 shows every age."
    )
    most_monthly: Annotated[Decimal | None, BeforeValidator(_amount)] = Field(
        None, title="Most to pay per month", description="In US dollars, for the whole domain. Leave empty to see all."
    )
    words: Annotated[str, Field(max_length=253), AfterValidator(_words)] = Field(
        "",
        title="With these words",
        description="In the domain, or in the names of its mailboxes. Leave empty to see all.",
    )

    @classmethod
    def usage(cls) -> str:
        return "[google|outlook] [months] [$per-month] [word …]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        """`outlook 3 $40 acme`: the kind, the age in months, the most to pay per month; all else are words."""
        typed: dict[str, Any] = {}
        others: list[str] = []
        for word in words:
            if word.lower() in ("any", "google", "outlook") and "kind" not in typed:
                typed["kind"] = word.lower()
            elif word.isascii() and word.isdigit() and "min_months" not in typed:
                typed["min_months"] = word
            elif word.startswith("$") and "most_monthly" not in typed:
                typed["most_monthly"] = word.removeprefix("$")
            else:
                others.append(word)
        return typed | ({"words": " ".join(others)} if others else {})

    async def run(self, client: ScaledMailClient, key: str) -> Outcome:
        """The stock of this moment (endpoint row 2): the cheapest per month first, of these the oldest."""
        stock = await client.prewarm_stock()
        found = sorted(filter(self._wanted, stock.inboxes), key=_cheapest_then_oldest)
        shown, next_page = self.part_of(found)
        everything = counted(len(stock.inboxes), "pre-warmed domain")
        told = f"{everything} {'is' if len(found) == 1 else 'are'} for sale"
        nothing = "ScaledMail has no pre-warmed domains for sale at the moment."
        if found:
            nothing = "There are no more pre-warmed domains."
        if len(found) != len(stock.inboxes):
            told = (
                f"{len(found)} of {everything} for sale {'matches' if len(found) == 1 else 'match'} what you asked for"
            )
            if not found:
                nothing = f"None of what is for sale ({everything}) is like that. Ask for less, and you will see more."
        return self.told(
            told,
            nothing=nothing,
            table=Table(
                columns=("Domain", "Kind", "Warmed", "Mailboxes", "One-time", "Per month"),
                rows=tuple(_shelf_row(inbox) for inbox in shown),
                pick=Pick(command=BuyPrewarmed.command, field="domains", button="Buy the chosen …"),
            ),
            next_page=next_page,
        )

    def _wanted(self, inbox: PrewarmInbox) -> bool:
        """What ScaledMail does not say of an inbox cannot meet a limit."""
        if self.kind not in ("any", inbox.platform.value):
            return False
        if self.min_months and (inbox.warmup_months is None or inbox.warmup_months < self.min_months):
            return False
        said = f"{inbox.domain} {' '.join(f'{m.first_name} {m.last_name} {m.alias}' for m in inbox.mailboxes)}".lower()
        if not all(word in said for word in self.words.lower().split()):
            return False
        if self.most_monthly is None:
            return True
        return inbox.monthly_price is not None and inbox.monthly_price <= self.most_monthly


class BuyPrewarmed(
    Action,
    provider="scaledmail",
    command="prewarm buy",
    title="Buy pre-warmed inboxes",
    effect=Effect.SPEND,
    calls=(
        "GET /api/v1/pre-warm-inboxes",
        "POST /api/v1/buy-pre-warm-inboxes",
        "GET /api/v1/domains",
        "GET /api/v1/purchased-domains",
    ),
):
    """Buy pre-warmed domains with their mailboxes."""

    domains: DomainsToBuy = Field(
        title="Domains",
        description=f"One per line, as “prewarm browse” names them, at most {MOST_DOMAINS}.",
        json_schema_extra=from_words() | line_items(),
    )
    redirect: Annotated[str | None, BeforeValidator(_redirects), AfterValidator(_of_bought)] = Field(
        None,
        title="Redirect to",
        description="A domain to which visitors of all of these are sent; or a line for each, such as warm-a.com "
        "acme.com. May be left empty.",
        json_schema_extra=multiline(),
    )
    tag: Annotated[str, AfterValidator(_tag)] = Field(
        "",
        title="Tag",
        description="Stands at ScaledMail behind the number of this request. May be left empty.",
    )
    sequencer: Annotated[str, _line("This name")] = Field(
        "",
        title="Sequencer",
        description="Where ScaledMail shall put the mailboxes, such as Instantly. Leave this and all below empty to do "
        "that yourself.",
    )
    sequencer_username: Annotated[str, _line("This"), AfterValidator(_with_sequencer)] = Field(
        "", title="Log-in at the sequencer", description="The account's e-mail address.", validate_default=True
    )
    sequencer_password: Annotated[SecretStr | None, secret_of(1, 200), AfterValidator(_with_sequencer)] = Field(
        None,
        title="Password at the sequencer",
        description="ScaledMail gets to know it, to log in there.",
        validate_default=True,
    )
    sequencer_link: Annotated[
        str, _line("This address"), AfterValidator(_dashboard), AfterValidator(_with_sequencer)
    ] = Field(
        "",
        title="Address of the sequencer",
        description="Of its dashboard, such as https://app.instantly.ai.",
        validate_default=True,
    )
    sequencer_workspace: Annotated[str, _line("This name"), AfterValidator(_optional_with_sequencer)] = Field(
        "", title="Workspace there", description="May be left empty."
    )
    sequencer_tag: Annotated[str, _line("This tag"), AfterValidator(_optional_with_sequencer)] = Field(
        "", title="Tag there", description="May be left empty."
    )

    @classmethod
    def usage(cls) -> str:
        return "[name.com …]"

    def headline(self) -> str:
        into = f" into {self.sequencer}" if self.sequencer else ""
        if len(self.domains) == 1:
            return f"Buy pre-warmed {self.domains[0]}{into}"
        return f"Buy {len(self.domains)} pre-warmed domains{into}"

    def subjects(self) -> tuple[str, ...]:
        return tuple(self.domains)

    def without(self, names: Collection[str]) -> Self | None:
        gone = {name.lower() for name in names}
        if self.redirect is None or " " not in self.redirect:
            return super().without(names)
        targets = "\n".join(line for line in self.redirect.splitlines() if line.split()[0] not in gone)
        return super(BuyPrewarmed, self.model_copy(update={"redirect": targets or None})).without(names)

    async def check(self, client: ScaledMailClient) -> None:
        owned = {domain.name.lower() for domain in await client.all_domains()}
        ours = [name for name in self.domains if name in owned]
        stock = await client.prewarm_stock()
        gone = [name for name in self.domains if name not in owned and stock.inbox(name) is None]
        told = []
        if ours:
            told.append(f"Already in this account: {listed(ours)}.")
        if gone:
            told.append(f"Not in stock: {listed(gone)}.")
        if told:
            cure = "Remove or replace these names; “prewarm browse” shows what there is."
            raise Refused({"domains": " ".join([*told, cure])})

    async def quote(self, client: ScaledMailClient, prices: PriceList) -> Quote:
        """ScaledMail's own prices of this moment, in US dollars: what is paid at once, one line for each part of it."""
        stock = await client.prewarm_stock()
        lines = (line for name in self.domains for line in _priced(name, self._redirect_of(name), stock))
        return Quote(lines=tuple(lines), currency="USD")

    async def run(self, client: ScaledMailClient, key: str) -> Outcome:
        stock = await client.prewarm_stock()
        wanted = [inbox for name in self.domains if (inbox := stock.inbox(name)) is not None]
        gone = [name for name in self.domains if stock.inbox(name) is None]
        if gone:
            return Failed(
                summary=f"Not in stock any more: {listed(gone)}. Nothing was ordered, and nothing was bought.",
                cure="Ask again with other names; “prewarm browse” shows what there is.",
                items=tuple(
                    Item(name=name, state=ItemState.NOT_DONE, note="not in stock" if name in gone else "")
                    for name in self.domains
                ),
            )
        taken = await client.buy_prewarm(
            [
                WantedInbox(id=inbox.id, domain=inbox.domain, redirect=self._redirect_of(inbox.domain))
                for inbox in wanted
            ],
            tag=f"{key} {self.tag}".strip(),
            sequencer=self._sequencer(),
        )
        left_out = [name for name in self.domains if name in {said.lower() for said in taken.left_out}]
        progress = "ScaledMail has taken the order and is assigning the inboxes."
        if left_out:
            progress += f" It says that it no longer has {listed(left_out)}."
        return Pending(
            ref=self._ref(client, key, left_out),
            progress=progress,
            done=0,
            total=len(self.domains),
        )

    async def poll(self, client: ScaledMailClient, ref: Mapping[str, JsonValue]) -> Outcome:
        return await self._settle(client, dict(ref), await client.all_domains())

    @classmethod
    async def poll_many(
        cls, client: ScaledMailClient, waiting: Sequence[tuple[Self, Mapping[str, JsonValue]]]
    ) -> Sequence[Outcome | ProviderError]:
        there = {domain.name.lower(): domain for domain in await client.all_domains()}
        answers: list[Outcome | ProviderError] = []
        for action, ref in waiting:
            own = [there[name] for name in action.domains if name in there]
            try:
                answers.append(await action._settle(client, dict(ref), own))
            except ProviderError as error:
                answers.append(error)
        return answers

    async def reconcile(self, client: ScaledMailClient, key: str) -> Outcome:
        everything = await client.all_domains()
        found, of_others = self._sorted_out(everything, key)
        missing = [name for name in self.domains if name not in found]
        if not missing:
            return await self._settle(client, self._ref(client, key, []), everything)
        on_shelf = await self._still_for_sale(client, missing)
        seen = [f"In the account: {listed(found) or 'none of them'}.", f"Not (yet) listed: {listed(missing)}."]
        if of_others:
            seen.append(f"In the account by another order: {listed(of_others)}.")
        if on_shelf:
            seen.append(f"Still for sale: {listed(on_shelf)}.")
        own = [domain for domain in everything if any(map(domain.was_ordered_with, _tries(key)))]
        unasked = [domain.name for domain in own if domain.name.lower() not in self.domains]
        if unasked:
            seen.append(f"Bought by this order without being asked for: {listed(unasked)}.")
        due = _due(found.values())
        if due:
            seen.append(f"Not paid yet: {listed(due)}.")
        return Unknown(
            summary="It is not clear whether ScaledMail carried out the order.",
            evidence=" ".join(seen),
            items=tuple(_item(name, found.get(name), ItemState.UNKNOWN) for name in self.domains),
        )

    def _sequencer(self) -> Sequencer | None:
        if not self.sequencer or self.sequencer_password is None:
            return None
        return Sequencer(
            provider=self.sequencer,
            username=self.sequencer_username,
            password=self.sequencer_password,
            link=self.sequencer_link,
            workspace=self.sequencer_workspace or None,
            tag=self.sequencer_tag or None,
        )

    def _redirect_of(self, name: str) -> str | None:
        """Where the visitors of one domain go: the one target of all, or its own."""
        if self.redirect is None or " " not in self.redirect:
            return self.redirect
        return dict(line.split() for line in self.redirect.splitlines()).get(name.lower())

    def _ref(self, client: ScaledMailClient, key: str, left_out: Sequence[str]) -> dict[str, JsonValue]:
        return {"key": key, "ordered_at": client.clock.now().isoformat(), "left_out": list(left_out)}

    def _sorted_out(self, everything: Iterable[Domain], key: str) -> tuple[dict[str, Domain], list[str]]:
        """What this order bought, by name; and the names that another order has bought.

        The tag decides where it is listed. Where it is not, the name does: nobody is asked for what is ours already.
        """
        found: dict[str, Domain] = {}
        of_others: list[str] = []
        tries = _tries(key)
        for domain in everything:
            name = domain.name.lower()
            if name not in self.domains:
                continue
            if any(map(domain.was_ordered_with, tries)) or not domain.tag.strip():
                found[name] = domain
            else:
                of_others.append(name)
        return found, of_others

    async def _settle(
        self, client: ScaledMailClient, ref: dict[str, JsonValue], everything: Sequence[Domain]
    ) -> Outcome:
        """What counts is what the account has. The listings lag, so absence must age, and alone it proves nothing."""
        found, of_others = self._sorted_out(everything, str(ref["key"]))
        total = len(self.domains)
        ready = [name for name in self.domains if name in found and _is_ready(found[name])]
        missing = [name for name in self.domains if name not in found]
        due = _due(found.values())
        if len(ready) == total:
            return Done(
                summary=_all_there(ready) + _payment(due),
                items=tuple(_item(name, found[name]) for name in self.domains),
            )
        said_left_out = ref.get("left_out")
        left_out = said_left_out if isinstance(said_left_out, list) else []
        lagging = client.clock.now() - datetime.fromisoformat(str(ref["ordered_at"])) < LISTING_LAG
        if missing and not lagging and len(ready) + len(missing) == total:
            unsold = await self._still_for_sale(client, missing) if ready else []
            if all(name in left_out or name in unsold or name in of_others for name in missing):
                return self._partly(ready, missing, found, due)
        progress = f"{len(ready)} of {total} there."
        if missing:
            progress += f" Waiting to see {listed(missing)} in the account."
        return Pending(
            ref=ref,
            progress=progress + _payment(due),
            done=len(ready),
            total=total,
            items=tuple(_item(name, found.get(name), ItemState.UNKNOWN) for name in self.domains),
        )

    def _partly(
        self, ready: Sequence[str], missing: Sequence[str], found: Mapping[str, Domain], due: Sequence[str]
    ) -> Failed:
        if not ready:
            return Failed(
                summary="ScaledMail had none of these for this order any more.",
                cure="See on ScaledMail's billing page whether an order was charged, then ask for other names.",
                # Not there, and yet they may be paid: nobody can tell, so the money counts as spent.
                items=tuple(
                    Item(name=name, state=ItemState.UNKNOWN, note="not delivered, perhaps charged")
                    for name in self.domains
                ),
            )
        return Failed(
            summary=f"ScaledMail could not deliver everything: {len(ready)} of {len(self.domains)} bought."
            + _payment(due),
            cure=f"Ask for other names instead of {listed(missing)}; “prewarm browse” shows what there is.",
            items=tuple(_item(name, found.get(name)) for name in self.domains),
        )

    async def _still_for_sale(self, client: ScaledMailClient, names: Sequence[str]) -> list[str]:
        stock = await client.prewarm_stock()
        return [name for name in names if stock.inbox(name) is not None]


class ListPrewarmed(
    ListingByName,
    provider="scaledmail",
    command="prewarm list",
    title="List pre-warmed",
    effect=Effect.READ,
    calls=("GET /api/v1/purchased-domains",),
):
    """List the domains that were bought ready to send, with their mailboxes and tags."""

    name: Annotated[str, Field(max_length=LONGEST_PART)] = Field(
        "",
        title="Name or tag contains",
        description="Leave empty to see all.",
        json_schema_extra=from_words(),
    )

    @classmethod
    def usage(cls) -> str:
        return "[part of a name or tag]"

    async def run(self, client: ScaledMailClient, key: str) -> Outcome:
        """What was bought through ScaledMail and serves an order. Which of it was pre-warmed, no listing says."""
        unused = {domain.name.lower() for domain in await client.purchased_domains(available=True)}
        owned = [domain for domain in await client.purchased_domains() if domain.name.lower() not in unused]
        found = [domain for domain in owned if self.matches(domain.name, domain.tag)]
        shown, next_page = self.part_of(found)
        matching = self.matching("name or tag")
        return self.told(
            f"{counted(len(found), 'domain')}{matching} bought and in use",
            besides="ScaledMail does not say which of them came pre-warmed.",
            nothing=f"There are no {self.more}domains{matching} that were bought with their mailboxes.",
            table=Table(
                columns=("Domain", "Kind", "Mailboxes", "State", "Payment", "Tag"),
                rows=tuple(
                    (
                        domain.name,
                        KINDS[domain.platform],
                        _number(domain.mailbox_count),
                        STATES.get(domain.status, "not said"),
                        domain.payment.value if domain.payment is not PaymentStatus.UNKNOWN else "not said",
                        domain.tag,
                    )
                    for domain in shown
                ),
            ),
            next_page=next_page,
        )


def _tries(key: str) -> list[str]:
    """The tags of a request's orders, this one's and those before it: `req_1#2` was `req_1#1` before."""
    request, _, number = key.rpartition("#")
    return [f"{request}#{one}" for one in range(1, int(number) + 1)] if number.isdecimal() else [key]


# The shelf.


def _cheapest_then_oldest(inbox: PrewarmInbox) -> tuple[bool, Decimal, int, str]:
    price = inbox.monthly_price
    return price is None, price or Decimal(0), -(inbox.warmup_months or 0), inbox.domain


def _shelf_row(inbox: PrewarmInbox) -> tuple[str, ...]:
    months = inbox.warmup_months
    return (
        inbox.domain,
        KINDS[inbox.platform],
        "not said" if months is None else counted(months, "month"),
        _number(inbox.mailbox_count),
        _dollars(inbox.one_time_price),
        _dollars(inbox.monthly_price),
    )


def _priced(name: str, redirect: str | None, stock: Stock) -> tuple[QuoteLine, ...]:
    inbox = stock.inbox(name)
    if inbox is None:
        raise Refused({"domains": f"{name} is no longer in stock."})
    to = f" (visitors go to {redirect})" if redirect else ""
    return (
        QuoteLine(what=f"{name}, one-time{to}", price=inbox.one_time_price),
        QuoteLine(what=f"{name}, first month, then every month", price=inbox.monthly_price),
    )


# What the account has.


def _is_ready(domain: Domain) -> bool:
    """Listed and, as far as the listing has a word for it, active."""
    return domain.status is DomainStatus.ACTIVE or not domain.raw_status.strip()


def _due(domains: Iterable[Domain]) -> list[str]:
    return [domain.name for domain in domains if domain.payment is PaymentStatus.DUE]


def _payment(due: Sequence[str]) -> str:
    return f" The payment for {listed(due)} is still due. {_SETTLE}" if due else ""


def _all_there(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} is there, with its mailboxes."
    return f"{'Both' if len(names) == 2 else f'All {len(names)}'} domains are there, with their mailboxes."


def _item(name: str, domain: Domain | None, absent: ItemState = ItemState.NOT_DONE) -> Item:
    if domain is None:
        return Item(name=name, state=absent)
    mailboxes = domain.mailbox_count
    told = [
        counted(mailboxes, "mailbox", "mailboxes") if mailboxes is not None else "",
        "payment due" if domain.payment is PaymentStatus.DUE else "",
    ]
    if _is_ready(domain):
        return Item(name=name, state=ItemState.LIVE, note=", ".join(filter(None, told)))
    state = STATES.get(domain.status, "state unknown")
    return Item(name=name, state=ItemState.BOUGHT, note=", ".join(filter(None, [state, *told])))


def _dollars(price: Decimal | None) -> str:
    return "not said" if price is None else f"${amount(price)}"


def _number(count: int | None) -> str:
    return "not said" if count is None else str(count)


ACTIONS: tuple[type[Action], ...] = (
    BrowsePrewarmed,
    BuyPrewarmed,
    ListPrewarmed,
)
