"""What people can ask of Mailin about accounts elsewhere: sequencers (it calls them inbox providers) and registrars."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from providers.action import (
    Action,
    Done,
    Effect,
    Item,
    ItemState,
    Outcome,
    Refused,
    Table,
    Unknown,
    choices,
    from_words,
    hidden,
    of_pages,
)
from providers.errors import NotFound, Rejected
from providers.fields import problem, secret_of
from providers.mailin.actions.common import PAGE, counted, some_text
from providers.mailin.client import MailinClient
from providers.mailin.lenient import Page
from providers.mailin.models import (
    REGISTRAR_KINDS,
    SEQUENCER_KINDS,
    InboxProvider,
    InboxProviderDetails,
    Registrar,
    RegistrarDetails,
)
from providers.mailin.models.sequencers import RegistrarKind, SequencerKind

MOST_PAGES = 100
"""Of a listing that is searched: nobody has ten thousand sequencers, so one that is longer does not end."""

LONGEST_TEXT = 255
LONGEST_SECRET = 1000

SEQUENCERS: dict[str, str] = {
    "reachinbox": "ReachInbox",
    "plusvibe": "PlusVibe",
    "instantly": "Instantly",
    "manyreach": "ManyReach",
    "smartlead": "Smartlead",
}
REGISTRARS: dict[str, str] = {
    "porkbun": "Porkbun",
    "namecheap": "Namecheap",
    "godaddy": "GoDaddy",
    "spaceship": "Spaceship",
}

_Account = TypeVar("_Account", InboxProvider, Registrar)


def _stripped(value: Any) -> Any:
    """What was pasted with spaces around it; nothing but spaces is nothing."""
    return (value.strip() or None) if isinstance(value, str) else value


def _short(value: str | None) -> str | None:
    if value is not None and len(value) > LONGEST_TEXT:
        raise problem(f"This has {len(value)} characters; at most {LONGEST_TEXT} fit.")
    return value


def _address(value: str | None) -> str | None:
    try:
        return None if value is None else str(ipaddress.ip_address(value))
    except ValueError:
        raise problem("This is not an IP address. One looks like 203.0.113.7.") from None


_NAME = AfterValidator(some_text("a name to know it by, such as Smartlead of sales", LONGEST_TEXT))
_OptionalText = Annotated[str | None, BeforeValidator(_stripped), AfterValidator(_short)]
_Key = Annotated[SecretStr, BeforeValidator(_stripped), secret_of(1, LONGEST_SECRET)]
_OptionalKey = Annotated[SecretStr | None, BeforeValidator(_stripped), secret_of(1, LONGEST_SECRET)]
_Password = Annotated[SecretStr | None, secret_of(1, LONGEST_SECRET)]

_USERNAME: Any = Field(None, title="User name or e-mail", description="If the sequencer asks for one.")
_PASSWORD: Any = Field(None, title="Password", description="Of that user, if the sequencer asks for one.")
_OAUTH_URL: Any = Field(None, title="OAuth address", description="If the sequencer has one.")
_WORKSPACE: Any = Field(None, title="Workspace id", description="For PlusVibe.")
_API_KEY: Any = Field(
    None,
    title="API key",
    description="Needed unless there is a user name with a password.",
    validate_default=True,
)
_REGISTRAR_KEY: Any = Field(title="API key", description="As the registrar shows it.")
_SECRET_KEY: Any = Field(None, title="Secret API key", description="If the registrar gives two keys.")
_API_USER: Any = Field(None, title="API user", description="For Namecheap.", validate_default=True)
_REGISTRAR_USER: Any = Field(None, title="User name or e-mail", description="For Namecheap.", validate_default=True)
_IP: Any = Field(
    None,
    title="Whitelisted IP",
    description="For Namecheap, which has to let Mailin's own servers in: see Mailin's page on registrars.",
)
_CUSTOMER: Any = Field(None, title="Customer id", description="For a reseller's account at GoDaddy.")


async def find_inbox_provider(client: MailinClient, number: int) -> InboxProvider | None:
    """The sequencer's account of this number, or None."""
    return await _numbered(client.inbox_providers, number)


async def find_registrar(client: MailinClient, number: int) -> Registrar | None:
    """The registrar's account of this number, or None."""
    return await _numbered(client.registrars, number)


class ListInboxProviders(
    Action,
    provider="mailin",
    command="postroom inbox-providers",
    title="Sequencers",
    effect=Effect.READ,
    calls=("GET /api/v1/public/inbox-providers",),
):
    """List the sequencers' accounts that Mailin knows, with their numbers."""

    page: int = Field(1, ge=1, le=100_000, json_schema_extra=hidden())

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 62, without the keys."""
        shown = await client.inbox_providers(page=self.page, per_page=PAGE)
        return _listing(shown, self.page, "sequencer")


class ListRegistrars(
    Action,
    provider="mailin",
    command="postroom registrars",
    title="Registrars",
    effect=Effect.READ,
    calls=("GET /api/v1/public/domain-registrars",),
):
    """List the registrars' accounts that Mailin knows, with their numbers."""

    page: int = Field(1, ge=1, le=100_000, json_schema_extra=hidden())

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 66, without the keys."""
        shown = await client.registrars(page=self.page, per_page=PAGE)
        return _listing(shown, self.page, "registrar")


class _AddingOne(Action):
    """Adds one account elsewhere, under a name that Mailin does not know yet: so the name tells whether it is there."""

    async def _named(self, client: MailinClient) -> InboxProvider | Registrar | None:
        raise NotImplementedError

    def _what(self) -> str:
        raise NotImplementedError

    def headline(self) -> str:
        return f"Add the {self._what()} to Mailin"

    def subjects(self) -> tuple[str, ...]:
        return (self._what(),)

    async def check(self, client: MailinClient) -> None:
        known = await self._named(client)
        if known is not None:
            raise Refused({"name": f"Mailin has one of this name already, number {known.id}. Choose another name."})

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        """There was none of this name when it was asked for."""
        known = await self._named(client)
        if known is not None:
            return self._added(known.id)
        return Unknown(
            summary=f"It is not clear whether Mailin has added the {self._what()}.",
            evidence="It is not (yet) listed.",
            items=(Item(name=self._what(), state=ItemState.UNKNOWN),),
        )

    def _added(self, number: int | None) -> Done:
        told = f" as number {number}" if number is not None else ""
        return Done(summary=f"Mailin knows the {self._what()} now{told}.")


class AddInboxProvider(
    _AddingOne,
    provider="mailin",
    command="postroom inbox-provider-add",
    title="Add a sequencer",
    effect=Effect.WRITE,
    calls=("POST /api/v1/public/inbox-providers/add", "GET /api/v1/public/inbox-providers"),
):
    """Give Mailin a sequencer's account, so that it can upload mailboxes there."""

    name: Annotated[str, _NAME] = Field(title="Name", description="What it is called in Mailin's list.")
    kind: SequencerKind = Field(title="Sequencer", json_schema_extra=choices(SEQUENCERS))
    username: _OptionalText = _USERNAME
    password: _Password = _PASSWORD
    api_key: _OptionalKey = _API_KEY
    oauth_url: _OptionalText = _OAUTH_URL
    workspace_id: _OptionalText = _WORKSPACE

    @field_validator("api_key")
    @classmethod
    def _api_key(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        return _key_or_password(key, info)

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 61."""
        details = InboxProviderDetails(
            name=self.name,
            provider=self.kind,
            api_key=self.api_key,
            oauth_url=self.oauth_url,
            username=self.username,
            password=self.password,
            workspace_id=self.workspace_id,
        )
        return self._added(await client.add_inbox_provider(details))

    async def _named(self, client: MailinClient) -> InboxProvider | None:
        return await _first(client.inbox_providers, lambda one: one.name.lower() == self.name.lower())

    def _what(self) -> str:
        return f"sequencer “{self.name}” ({SEQUENCERS[self.kind]})"


class AddRegistrar(
    _AddingOne,
    provider="mailin",
    command="postroom registrar-add",
    title="Add a registrar",
    effect=Effect.WRITE,
    calls=("POST /api/v1/public/domain-registrars/add", "GET /api/v1/public/domain-registrars"),
):
    """Give Mailin a registrar's account, so that it can set nameservers there."""

    name: Annotated[str, _NAME] = Field(title="Name", description="What it is called in Mailin's list.")
    kind: RegistrarKind = Field(title="Registrar", json_schema_extra=choices(REGISTRARS))
    api_key: _Key = _REGISTRAR_KEY
    secret_api_key: _OptionalKey = _SECRET_KEY
    api_user: _OptionalText = _API_USER
    username: _OptionalText = _REGISTRAR_USER
    whitelisted_ip: Annotated[_OptionalText, AfterValidator(_address)] = _IP
    customer_id: _OptionalText = _CUSTOMER

    @field_validator("api_user", "username")
    @classmethod
    def _namecheap(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("kind") == "namecheap":
            raise problem("Namecheap needs this.")
        return value

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 65."""
        details = RegistrarDetails(
            name=self.name,
            provider=self.kind,
            api_key=self.api_key,
            secret_api_key=self.secret_api_key,
            api_user=self.api_user,
            username=self.username,
            whitelisted_ip=self.whitelisted_ip,
            customer_id=self.customer_id,
        )
        return self._added(await client.add_registrar(details))

    async def _named(self, client: MailinClient) -> Registrar | None:
        return await _first(client.registrars, lambda one: one.name.lower() == self.name.lower())

    def _what(self) -> str:
        return f"registrar “{self.name}” ({REGISTRARS[self.kind]})"


class _Changing(Action):
    """Gives Mailin the new keys of one account elsewhere. Nothing that Mailin lists tells whether it has them."""

    def _what(self) -> str:
        raise NotImplementedError

    def headline(self) -> str:
        return f"Change the keys of {self._what()}"

    def subjects(self) -> tuple[str, ...]:
        return (self._what(),)

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        return Unknown(
            summary=f"It is not clear whether Mailin has the new keys of {self._what()}.",
            evidence="Mailin's list does not tell. Asking again does no harm.",
            items=(Item(name=self._what(), state=ItemState.UNKNOWN),),
        )


class UpdateInboxProvider(
    _Changing,
    provider="mailin",
    command="postroom inbox-provider-update",
    title="Change a sequencer",
    effect=Effect.WRITE,
    calls=("GET /api/v1/public/inbox-providers", "PUT /api/v1/public/inbox-providers/update/{id}"),
):
    """Give Mailin the new key or password of a sequencer's account. Its name and kind stay."""

    inbox_provider: int = Field(
        title="Sequencer",
        description="Its number, as “postroom inbox-providers” shows it.",
        json_schema_extra=from_words(),
    )
    username: _OptionalText = _USERNAME
    password: _Password = _PASSWORD
    api_key: _OptionalKey = _API_KEY
    oauth_url: _OptionalText = _OAUTH_URL
    workspace_id: _OptionalText = _WORKSPACE

    @field_validator("api_key")
    @classmethod
    def _api_key(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        return _key_or_password(key, info, known_user=True)

    @classmethod
    def usage(cls) -> str:
        return "number"

    async def check(self, client: MailinClient) -> None:
        if await find_inbox_provider(client, self.inbox_provider) is None:
            raise Refused({"inbox_provider": "There is no sequencer of this number. See “postroom inbox-providers”."})

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 63. What is left empty is sent as Mailin lists it: whether it would stay, nobody says."""
        known = await find_inbox_provider(client, self.inbox_provider)
        if known is None:
            raise NotFound(f"Mailin has no {self._what()} (any more).")
        kind = next((one for one in SEQUENCER_KINDS if one == known.provider.lower()), None)
        if kind is None:
            raise _of_no_known_kind(self._what())
        details = InboxProviderDetails(
            provider=kind,
            api_key=self.api_key,
            oauth_url=self.oauth_url or known.oauth_url,
            username=self.username or known.username,
            password=self.password,
            workspace_id=self.workspace_id or known.workspace_id,
        )
        await client.update_inbox_provider(self.inbox_provider, details)
        return Done(summary=f"Mailin has the new keys of {self._what()}, “{known.name}”.")

    def _what(self) -> str:
        return f"sequencer {self.inbox_provider}"


class UpdateRegistrar(
    _Changing,
    provider="mailin",
    command="postroom registrar-update",
    title="Change a registrar",
    effect=Effect.WRITE,
    calls=("GET /api/v1/public/domain-registrars", "PUT /api/v1/public/domain-registrars/update/{id}"),
):
    """Give Mailin the new keys of a registrar's account. Its name and kind stay."""

    registrar: int = Field(
        title="Registrar", description="Its number, as “postroom registrars” shows it.", json_schema_extra=from_words()
    )
    api_key: _Key = _REGISTRAR_KEY
    secret_api_key: _OptionalKey = _SECRET_KEY
    api_user: _OptionalText = Field(None, title="API user", description="For Namecheap, which needs it again.")
    username: _OptionalText = Field(None, title="User name or e-mail", description="Left empty, it stays as it is.")
    whitelisted_ip: Annotated[_OptionalText, AfterValidator(_address)] = _IP
    customer_id: _OptionalText = _CUSTOMER

    @classmethod
    def usage(cls) -> str:
        return "number"

    async def check(self, client: MailinClient) -> None:
        known = await find_registrar(client, self.registrar)
        if known is None:
            raise Refused({"registrar": "There is no registrar of this number. See “postroom registrars”."})
        if known.provider.lower() == "namecheap" and self.api_user is None:
            raise Refused({"api_user": "Namecheap needs this."})

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 67."""
        known = await find_registrar(client, self.registrar)
        if known is None:
            raise NotFound(f"Mailin has no {self._what()} (any more).")
        kind = next((one for one in REGISTRAR_KINDS if one == known.provider.lower()), None)
        if kind is None:
            raise _of_no_known_kind(self._what())
        details = RegistrarDetails(
            provider=kind,
            api_key=self.api_key,
            secret_api_key=self.secret_api_key,
            api_user=self.api_user,
            username=self.username or known.username,
            whitelisted_ip=self.whitelisted_ip,
            customer_id=self.customer_id,
        )
        await client.update_registrar(self.registrar, details)
        return Done(summary=f"Mailin has the new keys of {self._what()}, “{known.name}”.")

    def _what(self) -> str:
        return f"registrar {self.registrar}"


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
    calls=("GET /api/v1/public/inbox-providers", "DELETE /api/v1/public/inbox-providers/delete/{id}"),
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
    calls=("GET /api/v1/public/domain-registrars", "DELETE /api/v1/public/domain-registrars/{id}"),
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


ACTIONS: tuple[type[Action], ...] = (
    ListInboxProviders,
    AddInboxProvider,
    UpdateInboxProvider,
    RemoveInboxProvider,
    ListRegistrars,
    AddRegistrar,
    UpdateRegistrar,
    RemoveRegistrar,
)


def _key_or_password(key: SecretStr | None, info: ValidationInfo, *, known_user: bool = False) -> SecretStr | None:
    """Which of them a sequencer needs, Mailin does not say; without any it cannot be. `known_user`: it has a name."""
    user = known_user or info.data.get("username")
    if key is None and not (user and info.data.get("password")):
        raise problem("Give the API key, or a user name with its password.")
    return key


def _of_no_known_kind(what: str) -> Rejected:
    return Rejected(
        f"Mailin lists {what} with a kind that Postroom does not know. Nothing was changed.",
        cure="Change it in Mailin's own dashboard.",
    )


def _listing(shown: Page[_Account], page: int, what: str) -> Done:
    if not shown.data:
        return Done(summary=f"Mailin knows no {'more ' if page > 1 else ''}{what}s of this account.")
    return Done(
        summary=f"{counted(shown.total, what)}{of_pages(page, shown.next_page)}.",
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
    return await _first(listing, lambda account: account.id == number)


async def _first(
    listing: Callable[[int], Awaitable[Page[_Account]]], wanted: Callable[[_Account], bool]
) -> _Account | None:
    page: int | None = 1
    while page is not None and page <= MOST_PAGES:
        shown = await listing(page)
        for account in shown.data:
            if wanted(account):
                return account
        page = shown.next_page
    return None
