"""What people can ask of Mailin about Azure orders: a hundred Microsoft mailboxes on one domain, bought together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

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
    Revealed,
    Table,
    Unknown,
    choices,
    from_words,
)
from providers.errors import BadAnswer, NotFound, ProviderError
from providers.fields import DomainName, problem
from providers.files import from_file
from providers.listing import PAGE, Listing, counted, listed
from providers.mailin.actions.common import KEEP_WATCHING, LeadsElsewhere, OtherDomain, facts, words_into
from providers.mailin.actions.mailboxes import parse_mailboxes
from providers.mailin.actions.sequencers import REGISTRAR, SEQUENCER
from providers.mailin.azure import MAILBOXES_OF_AN_ORDER
from providers.mailin.client import MailinClient
from providers.mailin.models import AzureOrder, AzureState, NewAzureMailbox, UploadStatus

TLDS = ("com", "co", "biz", "ca")
"""What an order can buy (endpoint row 69)."""

UPLOAD_LAG = timedelta(minutes=1)
"""How long after an upload was asked for its counters may still be those of the one before."""

MOST_NAMES = 100

_STATES: Mapping[AzureState, str] = {
    AzureState.READY: "ready",
    AzureState.PENDING: "being set up",
    AzureState.FAILED: "failed",
}


def _parse_names(value: Any) -> Any:
    """Full names, one per line or separated by commas: they have spaces inside."""
    if not isinstance(value, str):
        return value
    pieces = (" ".join(piece.split()) for line in value.splitlines() for piece in line.replace(";", ",").split(","))
    return [piece for piece in pieces if piece]


def _full_names(names: list[str]) -> list[str]:
    if len(names) > MOST_NAMES:
        raise problem(f"These are {len(names)} names; at most {MOST_NAMES} fit, one for each mailbox.")
    single = [name for name in names if " " not in name]
    if single:
        raise problem(f"“{single[0][:80]}” is not a full name. Give first and last name, such as Ana Ruiz.")
    return names


class ListOrders(
    Listing,
    provider="mailin",
    command="postroom orders",
    title="Azure orders",
    effect=Effect.READ,
    calls=("GET /api/v1/public/azure-orders",),
):
    """List the Azure orders of an account."""

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 70."""
        shown = await client.azure_orders(page=self.page, per_page=PAGE)
        return self.told(
            counted(shown.total, "Azure order"),
            nothing=f"There are no {self.more}Azure orders in this account.",
            table=Table(
                columns=("Domain", "Number", "Domain was", "Mailboxes", "Sequencer"),
                rows=tuple(
                    (
                        order.domain,
                        "" if order.id is None else str(order.id),
                        "" if order.is_purchase is None else ("bought" if order.is_purchase else "transferred"),
                        str(len(order.mailboxes)),
                        order.provider.name if order.provider else "",
                    )
                    for order in shown.data
                ),
            ),
            next_page=shown.next_page,
        )


class AddOrder(
    Action,
    provider="mailin",
    command="postroom order-add",
    title="Order Azure",
    effect=Effect.SPEND,
    calls=(
        "GET /api/v1/public/domains/check/domain-availability",
        "GET /api/v1/public/inbox-providers",
        "GET /api/v1/public/domain-registrars",
        "POST /api/v1/public/azure-orders/add",
        "GET /api/v1/public/azure-orders",
        "GET /api/v1/public/azure-orders/nameservers/{order_id}",
        "GET /api/v1/public/azure-orders/status/{order_id}",
    ),
):
    """Order a hundred Microsoft mailboxes on one domain: made by Mailin out of names, or given one by one."""

    domain: DomainName = Field(
        title="Domain", description="To buy: .com, .co, .biz or .ca.", json_schema_extra=from_words()
    )
    way: Literal["buy", "transfer"] = Field(
        "buy",
        title="The domain",
        validate_default=True,
        json_schema_extra=choices({"buy": "Is bought with the order", "transfer": "Is ours and moves to Mailin"}),
    )
    names: Annotated[list[str], BeforeValidator(_parse_names), AfterValidator(_full_names)] = Field(
        default=[],
        title="Full names",
        description=f"One per line, such as Ana Ruiz. Mailin makes the {MAILBOXES_OF_AN_ORDER} mailboxes out of them. "
        "Leave empty to give the mailboxes yourself.",
        json_schema_extra=from_file("name"),
    )
    mailboxes: Annotated[list[str], BeforeValidator(parse_mailboxes)] = Field(
        default=[],
        title="Mailboxes",
        description=f"Instead of the names: all {MAILBOXES_OF_AN_ORDER}, a line each, such as ana@acme.com Ana Ruiz. "
        f"Or a pattern, such as {{first}}.{{last}}@acme.com, and {MAILBOXES_OF_AN_ORDER} full names in a file.",
        validate_default=True,
        json_schema_extra=from_file("email", "name", may_lack=["email"]),
    )
    inbox_provider: int | None = Field(
        None, title="Sequencer", description="Its number, as “postroom inbox-providers” shows it. May be left empty."
    )
    registrar: int | None = Field(
        None, title="Registrar", description="Its number, as “postroom registrars” shows it. May be left empty."
    )

    @field_validator("mailboxes")
    @classmethod
    def _mailboxes(cls, lines: list[str], info: ValidationInfo) -> list[str]:
        names, domain = info.data.get("names"), str(info.data.get("domain") or "")
        if names and lines:
            raise problem("Leave this empty: the mailboxes are made out of the full names above.")
        if names == [] and not lines:
            raise problem(f"Give the full names above, or all {MAILBOXES_OF_AN_ORDER} mailboxes here.")
        if not lines:
            return lines
        if len(lines) != MAILBOXES_OF_AN_ORDER:
            raise problem(f"These are {counted(len(lines), 'mailbox', 'mailboxes')}; an order has exactly 100.")
        addresses = [line.partition(" ")[0] for line in lines]
        elsewhere = [address for address in addresses if domain and address.rpartition("@")[2] != domain]
        if elsewhere:
            raise problem(f"{listed(elsewhere)}: all mailboxes of an order have to be on {domain}.")
        twice = sorted(address for address, times in Counter(map(str.lower, addresses)).items() if times > 1)
        if twice:
            raise problem(f"{listed(twice)} is there twice. Name each mailbox once.")
        nameless = [line for line in lines if " " not in line]
        if nameless:
            raise problem(f"{listed(nameless)}: write the name behind the address, such as ana@acme.com Ana Ruiz.")
        return lines

    @field_validator("way")
    @classmethod
    def _sold(cls, way: str, info: ValidationInfo) -> str:
        domain = str(info.data.get("domain") or "")
        if way == "buy" and domain and domain.rsplit(".", 1)[-1] not in TLDS:
            raise problem(f"{domain} cannot be bought with an order: that goes for .com, .co, .biz and .ca only.")
        return way

    @classmethod
    def usage(cls) -> str:
        return "[name.com]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return words_into(words, "domain", "names")

    def headline(self) -> str:
        with_it = " with the domain" if self.way == "buy" else ""
        return f"Order {MAILBOXES_OF_AN_ORDER} Microsoft mailboxes on {self.domain}{with_it}"

    def subjects(self) -> tuple[str, ...]:
        return (self.domain,)

    async def check(self, client: MailinClient) -> None:
        wrong = {}
        if await client.find_azure_order(self.domain):
            wrong["domain"] = f"There is an order for {self.domain} already. “postroom order-status” shows it."
        elif self.way == "buy" and not await client.is_available(self.domain):
            wrong["domain"] = f"{self.domain} is taken. If it is ours, choose that it moves; or take another name."
        if self.inbox_provider is not None and await SEQUENCER.numbered(client, self.inbox_provider) is None:
            wrong["inbox_provider"] = "There is no sequencer of this number. See “postroom inbox-providers”."
        if self.registrar is not None and await REGISTRAR.numbered(client, self.registrar) is None:
            wrong["registrar"] = "There is no registrar of this number. See “postroom registrars”."
        if wrong:
            raise Refused(wrong)

    async def quote(self, client: MailinClient, prices: PriceList) -> Quote:
        """Mailin never names a price: the operator's list does (`azure.order`)."""
        what = f"{MAILBOXES_OF_AN_ORDER} Microsoft mailboxes on {self.domain}"
        if self.mailboxes:
            what += f": {listed([line.partition(' ')[0] for line in self.mailboxes], 3)}"
        return Quote(lines=(QuoteLine(what=what, price=prices.price("azure.order")),), currency=prices.currency)

    async def run(self, client: MailinClient, key: str) -> Outcome:
        there: AzureOrder | None = None
        with suppress(ProviderError):  # what is there by now cannot be proof of this order, should its answer be lost
            there = await client.find_azure_order(self.domain)
        if there is not None:
            return Failed(
                summary=f"There is an order for {self.domain} already. So nothing was sent, and nothing was bought.",
                cure="“postroom order-status” shows it.",
                items=(Item(name=self.domain, state=ItemState.NOT_DONE, note="ordered already"),),
            )
        await client.add_azure_order(
            self.domain,
            purchase=self.way == "buy",
            full_names=self.names,
            mailboxes=[
                NewAzureMailbox(name=name, email=address)
                for address, _, name in (line.partition(" ") for line in self.mailboxes)
            ],
            provider_id=self.inbox_provider,
            registrar_id=self.registrar,
        )
        return Pending(ref={}, progress="Mailin has accepted the order.", done=0, total=1)

    async def poll(self, client: MailinClient, ref: Mapping[str, JsonValue]) -> Outcome:
        order_id = ref.get("order_id")
        if not isinstance(order_id, int):
            order = await client.find_azure_order(self.domain)
            if order is None or order.id is None:
                return Pending(ref=dict(ref), progress="Waiting to see the order in the account.", done=0, total=1)
            order_id = order.id
        return await self._settled(client, order_id)

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        """There was no order for the domain when it was asked for, so its presence proves that it was placed."""
        order = await client.find_azure_order(self.domain)
        if order is not None and order.id is not None:
            return await self._settled(client, order.id)
        return Unknown(
            summary="It is not clear whether Mailin has taken the order.",
            evidence=f"There is no order for {self.domain} in the account (yet).",
            items=(Item(name=self.domain, state=ItemState.UNKNOWN),),
        )

    async def _settled(self, client: MailinClient, order_id: int) -> Outcome:
        status = await client.azure_order_status(order_id)
        match status.state:
            case AzureState.READY:
                item = Item(name=self.domain, state=ItemState.LIVE)
                told = f"The order for {self.domain} is ready. “postroom order-mailboxes” lists its mailboxes."
                return Done(summary=told, items=(item,))
            case AzureState.FAILED:
                return Failed(
                    summary=f"Mailin could not carry out the order for {self.domain}, which it may have charged.",
                    cure="Look at Mailin's billing page, then “postroom order-delete” it before you ask again.",
                    # Not there, and yet it may be paid: nobody can tell, so the money counts as spent.
                    items=(Item(name=self.domain, state=ItemState.UNKNOWN, note="not carried out, perhaps charged"),),
                )
            case AzureState.UNKNOWN:
                word = status.raw_status[:40]
                progress = f"Mailin reports a state that Postroom does not know (“{word}”)."
            case _:
                progress = "Mailin is setting the order up."
        if self.way == "transfer":
            servers = (await client.azure_nameservers(order_id)).name_servers
            if servers:
                progress += f" Set these nameservers where {self.domain} is registered: {', '.join(servers)}."
        return Pending(ref={"order_id": order_id}, progress=progress, done=0, total=1)


# One order.


class _OfOneOrder(Action):
    """What is asked of one order, by its domain: nobody knows it by its number."""

    domain: DomainName = Field(
        title="Domain of the order", description="Such as acme.com.", json_schema_extra=from_words()
    )

    @classmethod
    def usage(cls) -> str:
        return "name.com"

    def subjects(self) -> tuple[str, ...]:
        return (self.domain,)

    async def _found(self, client: MailinClient) -> tuple[AzureOrder, int]:
        """The order and its number. Raises NotFound, BadAnswer if it has no number."""
        order = await client.find_azure_order(self.domain)
        if order is None:
            raise NotFound(f"There is no Azure order for {self.domain} in this account.", cure=KEEP_WATCHING)
        if order.id is None:
            raise BadAnswer(f"Mailin lists the order for {self.domain} without the number that it is asked for by.")
        return order, order.id

    async def _checked(self, client: MailinClient) -> AzureOrder:
        """The order, or Refused."""
        try:
            return (await self._found(client))[0]
        except NotFound as missing:
            raise Refused({"domain": f"{missing.sentence} {missing.cure}"}) from None

    def _unclear(self, evidence: str) -> Unknown:
        return Unknown(
            summary=f"It is not clear whether Mailin has changed the order for {self.domain}.",
            evidence=evidence,
            items=(Item(name=self.domain, state=ItemState.UNKNOWN),),
        )


class OrderStatus(
    _OfOneOrder,
    provider="mailin",
    command="postroom order-status",
    title="Order status",
    effect=Effect.READ,
    calls=(
        "GET /api/v1/public/azure-orders",
        "GET /api/v1/public/azure-orders/status/{order_id}",
        "GET /api/v1/azure-orders/get-inbox-provider-status/{order_id}",
    ),
):
    """See how an Azure order is getting on, and how far its upload to the sequencer is."""

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint rows 72 and 79."""
        order, order_id = await self._found(client)
        status = await client.azure_order_status(order_id)
        state = _STATES.get(status.state, f"in a state that Postroom does not know (“{status.raw_status[:40]}”)")
        told: dict[str, object] = {"Mailboxes": len(order.mailboxes), "Number": order_id}
        if order.provider_id is not None:
            upload = await client.azure_upload_status(order_id)
            told |= {"Sequencer": order.provider.name if order.provider else order.provider_id}
            told |= {"Upload": _counters(upload)}
        return Done(summary=f"The order for {self.domain} is {state}.", items=facts(told))


class OrderMailboxes(
    _OfOneOrder,
    Listing,
    provider="mailin",
    command="postroom order-mailboxes",
    title="Order mailboxes",
    effect=Effect.READ,
    calls=("GET /api/v1/public/azure-orders", "GET /api/v1/public/azure-orders/get-mailboxes/{order_id}"),
):
    """List the mailboxes of an Azure order, without their passwords."""

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 73, which knows no pages."""
        _, order_id = await self._found(client)
        boxes = await client.azure_mailboxes(order_id)
        shown, next_page = self.part_of(boxes)
        return self.told(
            f"{counted(len(boxes), 'mailbox', 'mailboxes')} of {self.domain}",
            nothing=f"The order for {self.domain} has no {self.more}mailboxes.",
            table=Table(columns=("Address", "Name"), rows=tuple((box.username, box.name) for box in shown)),
            next_page=next_page,
        )


class OrderCredentials(
    _OfOneOrder,
    provider="mailin",
    command="postroom order-credentials",
    title="Order passwords",
    effect=Effect.REVEAL,
    calls=("GET /api/v1/public/azure-orders", "GET /api/v1/public/azure-orders/get-mailboxes/{order_id}"),
):
    """Show the passwords of an Azure order's mailboxes, once and to you alone."""

    def headline(self) -> str:
        return f"Show the mailbox passwords of the Azure order for {self.domain}"

    async def reveal(self, client: MailinClient) -> Revealed:
        """Endpoint row 73, which may show asterisks instead."""
        _, order_id = await self._found(client)
        boxes = await client.azure_logins(order_id)
        known = tuple((box.username, box.password) for box in boxes if box.password is not None)
        if not known:
            raise NotFound(
                f"Mailin shows no passwords of the mailboxes of {self.domain}.",
                cure="Look into Mailin's own dashboard, or into the sequencer that they were uploaded to.",
            )
        return Revealed(summary=f"{counted(len(known), 'password')} of {self.domain}.", secrets=known)


class DeleteOrder(
    _OfOneOrder,
    provider="mailin",
    command="postroom order-delete",
    title="Delete an order",
    effect=Effect.DESTROY,
    calls=("GET /api/v1/public/azure-orders", "GET /api/v1/public/azure-orders/remove/{order_id}"),
):
    """Delete an Azure order with its domain, its mailboxes and their mail, for ever."""

    def headline(self) -> str:
        return f"Delete the Azure order for {self.domain}, with domain and mailboxes"

    async def check(self, client: MailinClient) -> None:
        await self._checked(client)

    async def quote(self, client: MailinClient, prices: PriceList) -> Quote:
        """It costs nothing, but those who decide see how many mailboxes go with it, and are bound to that number."""
        order = await client.find_azure_order(self.domain)
        number = 0 if order is None else len(order.mailboxes)
        what = f"{self.domain}, and with it {counted(number, 'mailbox', 'mailboxes')}"
        return Quote(lines=(QuoteLine(what=what, price=Decimal(0)),), currency=prices.currency)

    async def run(self, client: MailinClient, key: str) -> Outcome:
        _, order_id = await self._found(client)
        await client.remove_azure_order(order_id)
        return Done(summary=f"The order for {self.domain} is deleted, with its domain and mailboxes.")

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        """It was there when it was asked for, so its absence proves that it is gone."""
        if await client.find_azure_order(self.domain) is None:
            return Done(summary=f"The order for {self.domain} is deleted: the account lists it no longer.")
        return self._unclear("It is (still) listed.")


class RedirectOrder(
    LeadsElsewhere,
    _OfOneOrder,
    provider="mailin",
    command="postroom order-redirect",
    title="Redirect an order",
    effect=Effect.WRITE,
    calls=("GET /api/v1/public/azure-orders", "POST /api/v1/public/azure-orders/set-redirect-domain/{order_id}"),
):
    """Set the domain to which the domain of an Azure order leads."""

    to: OtherDomain = Field(
        title="Redirect to", description="Mailin calls it the master domain. Replaces what was set before."
    )

    def headline(self) -> str:
        return f"Redirect the order for {self.domain} to {self.to}"

    async def check(self, client: MailinClient) -> None:
        await self._checked(client)

    async def run(self, client: MailinClient, key: str) -> Outcome:
        _, order_id = await self._found(client)
        await client.set_azure_redirect(order_id, self.to)
        return Done(summary=f"The domain of the order for {self.domain} leads to {self.to}.")

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        return self._unclear("Mailin does not tell where an order's domain leads. Asking again does no harm.")


class _Uploading(_OfOneOrder):
    """What makes Mailin upload the mailboxes of an order to a sequencer."""

    def _begun(self, client: MailinClient) -> Pending:
        return Pending(
            ref={"begun_at": client.clock.now().isoformat()},
            progress="Mailin is uploading the mailboxes to the sequencer.",
            done=0,
            total=None,
        )

    async def poll(self, client: MailinClient, ref: Mapping[str, JsonValue]) -> Outcome:
        """Endpoint row 79. Counters read too early may be those of the upload before, so they must age."""
        _, order_id = await self._found(client)
        upload = await client.azure_upload_status(order_id)
        too_early = client.clock.now() - datetime.fromisoformat(str(ref["begun_at"])) < UPLOAD_LAG
        if too_early or not upload.is_finished:
            return Pending(
                ref=dict(ref), progress=f"Uploading: {_counters(upload)}.", done=upload.uploaded, total=upload.total
            )
        if upload.is_complete:
            return Done(summary=f"All {upload.total} mailboxes of {self.domain} are in the sequencer.")
        return Failed(
            summary=f"Not all mailboxes of {self.domain} got into the sequencer: {_counters(upload)}.",
            cure="Remove those in another account there. For the others, ask for “postroom order-reupload”.",
        )


class OrderInboxProvider(
    _Uploading,
    provider="mailin",
    command="postroom order-inbox-provider",
    title="Sequencer of an order",
    effect=Effect.WRITE,
    calls=(
        "GET /api/v1/public/inbox-providers",
        "GET /api/v1/public/azure-orders",
        "POST /api/v1/public/azure-orders/set-inbox-provider/{order_id}",
        "POST /api/v1/public/azure-orders/remove-inbox-provider/{order_id}",
        "GET /api/v1/azure-orders/get-inbox-provider-status/{order_id}",
    ),
):
    """Give the mailboxes of an Azure order to a sequencer, or take them from it."""

    what: Literal["set", "remove"] = Field(
        "set", title="What to do", json_schema_extra=choices({"set": "Give to a sequencer", "remove": "Take from it"})
    )
    inbox_provider: int | None = Field(
        None,
        title="Sequencer",
        description="Its number, as “postroom inbox-providers” shows it. Leave empty to take the mailboxes away.",
        validate_default=True,
    )

    @field_validator("inbox_provider")
    @classmethod
    def _fits(cls, number: int | None, info: ValidationInfo) -> int | None:
        what = info.data.get("what")
        if what == "set" and number is None:
            raise problem("Name the sequencer by its number; “postroom inbox-providers” shows it.")
        if what == "remove" and number is not None:
            raise problem("Leave this empty: the mailboxes are taken from whichever sequencer has them.")
        return number

    @classmethod
    def usage(cls) -> str:
        return "name.com [number]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return words_into(words, "domain", "inbox_provider")

    def headline(self) -> str:
        if self.what == "remove":
            return f"Take the mailboxes of {self.domain} from their sequencer"
        return f"Give the mailboxes of {self.domain} to sequencer {self.inbox_provider}"

    async def check(self, client: MailinClient) -> None:
        order = await self._checked(client)
        if self.what == "remove" and order.provider_id is None and order.provider is None:
            raise Refused({"domain": f"The order for {self.domain} has no sequencer."})
        if self.inbox_provider is not None and await SEQUENCER.numbered(client, self.inbox_provider) is None:
            raise Refused({"inbox_provider": "There is no sequencer of this number. See “postroom inbox-providers”."})

    async def run(self, client: MailinClient, key: str) -> Outcome:
        _, order_id = await self._found(client)
        if self.inbox_provider is None:
            await client.remove_azure_inbox_provider(order_id)
            return Done(summary=f"The order for {self.domain} has no sequencer any more.")
        await client.set_azure_inbox_provider(order_id, self.inbox_provider)
        return self._begun(client)

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        order, _ = await self._found(client)
        if order.provider_id != self.inbox_provider:
            has = f"sequencer {order.provider_id}" if order.provider_id is not None else "no sequencer"
            return self._unclear(f"The order has {has} at the moment. Asking again does no harm.")
        if self.inbox_provider is None:
            return Done(summary=f"The order for {self.domain} has no sequencer any more.")
        return self._begun(client)


class ReuploadOrder(
    _Uploading,
    provider="mailin",
    command="postroom order-reupload",
    title="Upload once more",
    effect=Effect.WRITE,
    calls=(
        "GET /api/v1/public/azure-orders",
        "POST /api/v1/public/azure-orders/trigger-re-upload/{order_id}",
        "GET /api/v1/azure-orders/get-inbox-provider-status/{order_id}",
    ),
):
    """Upload the mailboxes of an Azure order to its sequencer once more."""

    def headline(self) -> str:
        return f"Upload the mailboxes of {self.domain} once more"

    async def check(self, client: MailinClient) -> None:
        order = await self._checked(client)
        if order.provider_id is None and order.provider is None:
            cure = "Give it one first: “postroom order-inbox-provider”."
            raise Refused({"domain": f"The order for {self.domain} has no sequencer. {cure}"})

    async def run(self, client: MailinClient, key: str) -> Outcome:
        _, order_id = await self._found(client)
        await client.reupload_azure_mailboxes(order_id)
        return self._begun(client)

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        """The counters are the same before and after an upload that changed nothing, so they prove nothing."""
        _, order_id = await self._found(client)
        upload = await client.azure_upload_status(order_id)
        return self._unclear(f"The upload stands at: {_counters(upload)}. Asking again may list accounts twice.")


def _counters(upload: UploadStatus) -> str:
    told = f"{upload.uploaded or 0} of {upload.total or 0} uploaded"
    rest = {"waiting": upload.pending, "already in another account": upload.already_elsewhere, "failed": upload.failed}
    return ", ".join([told, *(f"{number} {what}" for what, number in rest.items() if number)])


ACTIONS: tuple[type[Action], ...] = (
    ListOrders,
    AddOrder,
    OrderStatus,
    OrderMailboxes,
    OrderCredentials,
    RedirectOrder,
    OrderInboxProvider,
    ReuploadOrder,
    DeleteOrder,
)
