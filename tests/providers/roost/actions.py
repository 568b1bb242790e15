"""What people can ask of Roost: one action of each effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, JsonValue

from providers.accounts import PriceList
from providers.action import (
    Action,
    Done,
    Effect,
    Item,
    ItemState,
    Outcome,
    Pending,
    Quote,
    QuoteLine,
    Refused,
    Revealed,
    Unknown,
    from_words,
)
from providers.fields import EmailAddress
from tests.providers.roost.client import RoostClient


class ListAliases(
    Action,
    provider="roost",
    command="mailbox aliases",
    title="Aliases",
    effect=Effect.READ,
    calls=("GET /aliases",),
):
    """List the addresses that forward mail."""

    async def run(self, client: RoostClient, key: str) -> Outcome:
        found = await client.aliases()
        if not found:
            return Done(summary="This account has no aliases.")
        return Done(
            summary=f"{len(found)} aliases.",
            items=tuple(Item(name=address, note=state) for address, state in found.items()),
        )


class BuyAlias(
    Action,
    provider="roost",
    command="mailbox alias-buy",
    title="Buy an alias",
    effect=Effect.SPEND,
    calls=("GET /aliases", "POST /aliases"),
):
    """Buy an address that forwards mail."""

    alias: EmailAddress = Field(title="Alias", description="Such as hi@acme.com.", json_schema_extra=from_words())

    @classmethod
    def usage(cls) -> str:
        return "[hi@name.com]"

    def headline(self) -> str:
        return f"Buy the alias {self.alias}"

    def subjects(self) -> tuple[str, ...]:
        return (self.alias,)

    async def check(self, client: RoostClient) -> None:
        if self.alias in await client.aliases():
            raise Refused({"alias": f"{self.alias} is in this account already."})

    async def quote(self, client: RoostClient, prices: PriceList) -> Quote:
        return Quote(lines=(QuoteLine(what=self.alias, price=prices.price("alias")),), currency=prices.currency)

    async def run(self, client: RoostClient, key: str) -> Outcome:
        await client.buy(self.alias)
        return Pending(ref={}, progress="Roost has taken the order.", done=0, total=1)

    async def poll(self, client: RoostClient, ref: Mapping[str, JsonValue]) -> Outcome:
        state = (await client.aliases()).get(self.alias)
        if state == "active":
            return Done(summary=f"{self.alias} is live.", items=(Item(name=self.alias, state=ItemState.LIVE),))
        return Pending(ref=dict(ref), progress="Roost is setting it up.", done=0, total=1)

    async def reconcile(self, client: RoostClient, key: str) -> Outcome:
        """It was not there when it was asked for, so its presence proves that it was bought."""
        if self.alias in await client.aliases():
            return await self.poll(client, {})
        return Unknown(summary="It is not clear whether it was bought.", evidence=f"{self.alias} is not listed (yet).")


# One of each other effect.


class _OfOneAlias(Action, provider="roost"):
    """What is asked of one alias."""

    alias: EmailAddress = Field(title="Alias", description="One that is there.", json_schema_extra=from_words())

    def subjects(self) -> tuple[str, ...]:
        return (self.alias,)


class ForwardAlias(_OfOneAlias, command="mailbox alias-forward", title="Forward an alias", effect=Effect.WRITE):
    """Forward an alias to another address."""

    to: EmailAddress = Field(title="To", description="Who gets its mail.")

    def headline(self) -> str:
        return f"Forward {self.alias} to {self.to}"

    @classmethod
    def prefill(cls, words: Any) -> dict[str, Any]:
        return dict(zip(("alias", "to"), words, strict=False))

    async def run(self, client: RoostClient, key: str) -> Outcome:
        await client.forward(self.alias, self.to)
        return Done(summary=f"Mail to {self.alias} goes to {self.to}.")


class DeleteAlias(_OfOneAlias, command="mailbox alias-delete", title="Delete an alias", effect=Effect.DESTROY):
    """Delete an alias for good."""

    async def run(self, client: RoostClient, key: str) -> Outcome:
        await client.delete(self.alias)
        return Done(summary=f"{self.alias} is gone.")


class ShowAliasPassword(_OfOneAlias, command="mailbox alias-password", title="Password", effect=Effect.REVEAL):
    """Show the password of an alias, once and to you alone."""

    async def reveal(self, client: RoostClient) -> Revealed:
        return Revealed(f"The password of {self.alias}.", (("Password", await client.password(self.alias)),))


class ListDomains(Action, provider="roost", command="domain list", title="List domains", effect=Effect.READ):
    """List the domains of an account, or those whose name has a word in it."""

    async def run(self, client: RoostClient, key: str) -> Outcome:
        names = sorted({address.partition("@")[2] for address in await client.aliases()})
        return Done(summary="The domains of the aliases.", items=tuple(Item(name=name) for name in names))


ACTIONS: tuple[type[Action], ...] = (
    ListAliases,
    BuyAlias,
    ForwardAlias,
    DeleteAlias,
    ShowAliasPassword,
    ListDomains,
)
