"""What people can ask of Mailin about accounts elsewhere: sequencers, which it calls inbox providers, and registrars.

Adding or changing one needs its key, which must not be stored as what was asked is: that is done at Mailin itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import Field

from providers.action import Action, Done, Effect, Item, ItemState, Outcome, Refused, Table, Unknown, from_words, hidden
from providers.errors import NotFound
from providers.mailin.actions.common import PAGE, counted
from providers.mailin.client import MailinClient
from providers.mailin.lenient import Page
from providers.mailin.models import InboxProvider, Registrar

MOST_PAGES = 100
"""Of a listing that is searched: nobody has ten thousand sequencers, so one that is longer does not end."""

_Account = TypeVar("_Account", InboxProvider, Registrar)


async def find_inbox_provider(client: MailinClient, number: int) -> InboxProvider | None:
    """The sequencer's account of this number, or None."""
    return await _numbered(client.inbox_providers, number)


async def find_registrar(client: MailinClient, number: int) -> Registrar | None:
    """The registrar's account of this number, or None."""
    return await _numbered(client.registrars, number)


class ListInboxProviders(
    Action, provider="mailin", command="postroom inbox-providers", title="Sequencers", effect=Effect.READ
):
    """List the sequencers' accounts that Mailin knows, with their numbers."""

    page: int = Field(1, ge=1, le=100_000, json_schema_extra=hidden())

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 62, without the keys."""
        shown = await client.inbox_providers(page=self.page, per_page=PAGE)
        return _listing(shown, self.page, "sequencer")


class ListRegistrars(Action, provider="mailin", command="postroom registrars", title="Registrars", effect=Effect.READ):
    """List the registrars' accounts that Mailin knows, with their numbers."""

    page: int = Field(1, ge=1, le=100_000, json_schema_extra=hidden())

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 66, without the keys."""
        shown = await client.registrars(page=self.page, per_page=PAGE)
        return _listing(shown, self.page, "registrar")


class _Removal(Action):
    """Removes one account elsewhere. Its key is lost at Mailin, so it can be added again only by who has it."""

    async def _found(self, client: MailinClient) -> InboxProvider | Registrar | None:
        raise NotImplementedError

    async def _remove(self, client: MailinClient) -> None:
        raise NotImplementedError

    def _named(self) -> str:
        raise NotImplementedError

    def headline(self) -> str:
        return f"Remove {self._named()} from Mailin"

    def subjects(self) -> tuple[str, ...]:
        return (self._named(),)

    async def run(self, client: MailinClient, key: str) -> Outcome:
        account = await self._found(client)
        if account is None:
            raise NotFound(f"Mailin has no {self._named()} (any more).")
        await self._remove(client)
        name = f" “{account.name}”" if account.name else ""
        return Done(summary=f"Mailin knows {self._named()}{name} no longer. The account itself is not touched.")

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        """It was there when it was asked for, so its absence proves that it is gone."""
        if await self._found(client) is None:
            return Done(summary=f"Mailin knows {self._named()} no longer.")
        return Unknown(
            summary=f"It is not clear whether Mailin has removed {self._named()}.",
            evidence="It is (still) listed.",
            items=(Item(name=self._named(), state=ItemState.UNKNOWN),),
        )


class RemoveInboxProvider(
    _Removal,
    provider="mailin",
    command="postroom inbox-provider-remove",
    title="Remove a sequencer",
    effect=Effect.DESTROY,
):
    """Remove a sequencer's account from Mailin, which forgets its key."""

    inbox_provider: int = Field(
        title="Sequencer",
        description="Its number, as “postroom inbox-providers” shows it.",
        json_schema_extra=from_words(),
    )

    @classmethod
    def usage(cls) -> str:
        return "number"

    async def check(self, client: MailinClient) -> None:
        if await self._found(client) is None:
            raise Refused({"inbox_provider": "There is no sequencer of this number. See “postroom inbox-providers”."})

    async def _found(self, client: MailinClient) -> InboxProvider | None:
        return await find_inbox_provider(client, self.inbox_provider)

    async def _remove(self, client: MailinClient) -> None:
        await client.remove_inbox_provider(self.inbox_provider)

    def _named(self) -> str:
        return f"sequencer {self.inbox_provider}"


class RemoveRegistrar(
    _Removal,
    provider="mailin",
    command="postroom registrar-remove",
    title="Remove a registrar",
    effect=Effect.DESTROY,
):
    """Remove a registrar's account from Mailin, which forgets its key."""

    registrar: int = Field(
        title="Registrar", description="Its number, as “postroom registrars” shows it.", json_schema_extra=from_words()
    )

    @classmethod
    def usage(cls) -> str:
        return "number"

    async def check(self, client: MailinClient) -> None:
        if await self._found(client) is None:
            raise Refused({"registrar": "There is no registrar of this number. See “postroom registrars”."})

    async def _found(self, client: MailinClient) -> Registrar | None:
        return await find_registrar(client, self.registrar)

    async def _remove(self, client: MailinClient) -> None:
        await client.remove_registrar(self.registrar)

    def _named(self) -> str:
        return f"registrar {self.registrar}"


ACTIONS: tuple[type[Action], ...] = (ListInboxProviders, RemoveInboxProvider, ListRegistrars, RemoveRegistrar)


def _listing(shown: Page[_Account], page: int, what: str) -> Done:
    if not shown.data:
        return Done(summary=f"Mailin knows no {'more ' if page > 1 else ''}{what}s of this account.")
    return Done(
        summary=f"{counted(shown.total, what)}, page {page}.",
        table=Table(
            columns=("Number", "Name", "Kind", "User"),
            rows=tuple(
                ("" if one.id is None else str(one.id), one.name, one.provider, one.username or "")
                for one in shown.data
            ),
        ),
        next_page=shown.next_page,
    )


async def _numbered(listing: Callable[[int], Awaitable[Page[_Account]]], number: int) -> _Account | None:
    page: int | None = 1
    while page is not None and page <= MOST_PAGES:
        shown = await listing(page)
        for account in shown.data:
            if account.id == number:
                return account
        page = shown.next_page
    return None
