"""What people can ask of Mailin about accounts elsewhere: sequencers (it calls them inbox providers) and registrars."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

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
)
from providers.errors import NotFound, Rejected
from providers.fields import problem, secret_of
from providers.listing import PAGE, Listing, counted
from providers.mailin.actions.common import some_text
from providers.mailin.client import MailinClient
from providers.mailin.lenient import Page
from providers.mailin.models import (
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


@dataclass(frozen=True, slots=True)
class _Sort:
    """Sequencers, or registrars: what they are called, and the calls about them."""

    word: str
    kinds: Mapping[str, str]
    field: str
    """The field that takes the number of one."""
    see: str
    """The command that lists them, in a sentence."""
    details: type[InboxProviderDetails] | type[RegistrarDetails]
    page: Callable[..., Awaitable[Page[InboxProvider]]] | Callable[..., Awaitable[Page[Registrar]]]
    add: Callable[[MailinClient, Any], Awaitable[int | None]]
    update: Callable[[MailinClient, int, Any], Awaitable[None]]
    remove: Callable[[MailinClient, int], Awaitable[None]]

    async def first(
        self, client: MailinClient, wanted: Callable[[InboxProvider | Registrar], bool]
    ) -> InboxProvider | Registrar | None:
        """The first that is listed and wanted."""
        page: int | None = 1
        while page is not None and page <= MOST_PAGES:
            shown = await self.page(client, page)
            found = next(filter(wanted, shown.data), None)
            if found is not None:
                return found
            page = shown.next_page
        return None

    async def numbered(self, client: MailinClient, number: int) -> InboxProvider | Registrar | None:
        """The one of this number."""
        return await self.first(client, lambda one: one.id == number)


SEQUENCER = _Sort(
    word="sequencer",
    kinds=SEQUENCERS,
    field="inbox_provider",
    see="“postroom inbox-providers”",
    details=InboxProviderDetails,
    page=MailinClient.inbox_providers,
    add=MailinClient.add_inbox_provider,
    update=MailinClient.update_inbox_provider,
    remove=MailinClient.remove_inbox_provider,
)
REGISTRAR = _Sort(
    word="registrar",
    kinds=REGISTRARS,
    field="registrar",
    see="“postroom registrars”",
    details=RegistrarDetails,
    page=MailinClient.registrars,
    add=MailinClient.add_registrar,
    update=MailinClient.update_registrar,
    remove=MailinClient.remove_registrar,
)


class _Elsewhere(Action, provider="mailin"):
    """About accounts elsewhere, of one sort."""

    sort: ClassVar[_Sort]

    def _details(self, known: InboxProvider | Registrar | None, kind: str) -> InboxProviderDetails | RegistrarDetails:
        """What Mailin is to know. What is left empty is sent as Mailin lists it: whether it would stay, nobody says."""
        given = {
            name: getattr(self, name, None) or getattr(known, name, None) for name in self.sort.details.model_fields
        }
        return self.sort.details.model_validate({**given, "provider": kind})


# The kinds of things that can be asked.


class _Listing(_Elsewhere, Listing):
    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 62 or 66, without the keys."""
        shown = await self.sort.page(client, page=self.page, per_page=PAGE)
        return self.told(
            counted(shown.total, self.sort.word),
            nothing=f"Mailin knows no {self.more}{self.sort.word}s of this account.",
            table=Table(
                columns=("Number", "Name", "Kind", "User"),
                rows=tuple(
                    ("" if one.id is None else str(one.id), one.name, one.provider, one.username or "")
                    for one in shown.data
                ),
            ),
            next_page=shown.next_page,
        )


class _Adding(_Elsewhere):
    """Under a name that Mailin does not know yet: so the name tells whether it is there."""

    name: Annotated[
        str, AfterValidator(some_text("a name to know it by, such as Smartlead of sales", LONGEST_TEXT))
    ] = Field(title="Name", description="What it is called in Mailin's list.")
    kind: str

    def headline(self) -> str:
        return f"Add the {self._what()} to Mailin"

    def subjects(self) -> tuple[str, ...]:
        return (self._what(),)

    async def check(self, client: MailinClient) -> None:
        known = await self._named(client)
        if known is not None:
            raise Refused({"name": f"Mailin has one of this name already, number {known.id}. Choose another name."})

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 61 or 65."""
        return self._added(await self.sort.add(client, self._details(None, self.kind)))

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

    async def _named(self, client: MailinClient) -> InboxProvider | Registrar | None:
        return await self.sort.first(client, lambda one: one.name.lower() == self.name.lower())

    def _what(self) -> str:
        return f"{self.sort.word} “{self.name}” ({self.sort.kinds[self.kind]})"

    def _added(self, number: int | None) -> Done:
        told = f" as number {number}" if number is not None else ""
        return Done(summary=f"Mailin knows the {self._what()} now{told}.")


class _OfOne(_Elsewhere):
    """About one that Mailin knows, by its number."""

    @classmethod
    def usage(cls) -> str:
        return "number"

    def subjects(self) -> tuple[str, ...]:
        return (self._what(),)

    async def check(self, client: MailinClient) -> None:
        if await self._found(client) is None:
            raise Refused({self.sort.field: f"There is no {self.sort.word} of this number. See {self.sort.see}."})

    async def _found(self, client: MailinClient) -> InboxProvider | Registrar | None:
        return await self.sort.numbered(client, self._number)

    async def _known(self, client: MailinClient) -> InboxProvider | Registrar:
        """Raises NotFound."""
        found = await self._found(client)
        if found is None:
            raise NotFound(f"Mailin has no {self._what()} (any more).")
        return found

    @property
    def _number(self) -> int:
        return int(getattr(self, self.sort.field))

    def _what(self) -> str:
        return f"{self.sort.word} {self._number}"


class _Changing(_OfOne):
    """Gives Mailin new keys. Nothing that Mailin lists tells whether it has them."""

    def headline(self) -> str:
        return f"Change the keys of {self._what()}"

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 63 or 67."""
        known = await self._known(client)
        kind = known.provider.lower()
        if kind not in self.sort.kinds:
            raise Rejected(
                f"Mailin lists {self._what()} with a kind that Postroom does not know. Nothing was changed.",
                cure="Change it in Mailin's own dashboard.",
            )
        await self.sort.update(client, self._number, self._details(known, kind))
        return Done(summary=f"Mailin has the new keys of {self._what()}, “{known.name}”.")

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        return Unknown(
            summary=f"It is not clear whether Mailin has the new keys of {self._what()}.",
            evidence="Mailin's list does not tell. Asking again does no harm.",
            items=(Item(name=self._what(), state=ItemState.UNKNOWN),),
        )


class _Removing(_OfOne):
    """Its key is lost at Mailin, so it can be added again only by who has it."""

    def headline(self) -> str:
        return f"Remove {self._what()} from Mailin"

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 64 or 68."""
        known = await self._known(client)
        await self.sort.remove(client, self._number)
        name = f" “{known.name}”" if known.name else ""
        return Done(summary=f"Mailin knows {self._what()}{name} no longer. The account itself is not touched.")

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        """It was there when it was asked for, so its absence proves that it is gone."""
        if await self._found(client) is None:
            return Done(summary=f"Mailin knows {self._what()} no longer.")
        return Unknown(
            summary=f"It is not clear whether Mailin has removed {self._what()}.",
            evidence="It is (still) listed.",
            items=(Item(name=self._what(), state=ItemState.UNKNOWN),),
        )


# Sequencers.


class _SequencerKeys(_Elsewhere):
    """What opens a sequencer's account."""

    username: _OptionalText = Field(None, title="User name or e-mail", description="If the sequencer asks for one.")
    password: Annotated[SecretStr | None, secret_of(1, LONGEST_SECRET)] = Field(
        None, title="Password", description="Of that user, if the sequencer asks for one."
    )
    api_key: _OptionalKey = Field(
        None,
        title="API key",
        description="Needed unless there is a user name with a password.",
        validate_default=True,
    )
    oauth_url: _OptionalText = Field(None, title="OAuth address", description="If the sequencer has one.")
    workspace_id: _OptionalText = Field(None, title="Workspace id", description="For PlusVibe.")

    @field_validator("api_key")
    @classmethod
    def _api_key(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Which of them a sequencer needs, Mailin does not say; without any it cannot be. One it knows has a name."""
        user = issubclass(cls, _OfOne) or info.data.get("username")
        if key is None and not (user and info.data.get("password")):
            raise problem("Give the API key, or a user name with its password.")
        return key


class _OneSequencer(_OfOne):
    sort = SEQUENCER
    inbox_provider: int = Field(
        title="Sequencer", description=f"Its number, as {SEQUENCER.see} shows it.", json_schema_extra=from_words()
    )


class ListInboxProviders(
    _Listing,
    command="postroom inbox-providers",
    title="Sequencers",
    effect=Effect.READ,
    calls=("GET /api/v1/public/inbox-providers",),
):
    """List the sequencers' accounts that Mailin knows, with their numbers."""

    sort = SEQUENCER


class AddInboxProvider(
    _SequencerKeys,
    _Adding,
    command="postroom inbox-provider-add",
    title="Add a sequencer",
    effect=Effect.WRITE,
    calls=("POST /api/v1/public/inbox-providers/add", "GET /api/v1/public/inbox-providers"),
):
    """Give Mailin a sequencer's account, so that it can upload mailboxes there."""

    sort = SEQUENCER
    kind: SequencerKind = Field(title="Sequencer", json_schema_extra=choices(SEQUENCERS))


class UpdateInboxProvider(
    _SequencerKeys,
    _Changing,
    _OneSequencer,
    command="postroom inbox-provider-update",
    title="Change a sequencer",
    effect=Effect.WRITE,
    calls=("GET /api/v1/public/inbox-providers", "PUT /api/v1/public/inbox-providers/update/{id}"),
):
    """Give Mailin the new key or password of a sequencer's account. Its name and kind stay."""


class RemoveInboxProvider(
    _Removing,
    _OneSequencer,
    command="postroom inbox-provider-remove",
    title="Remove a sequencer",
    effect=Effect.DESTROY,
    calls=("GET /api/v1/public/inbox-providers", "DELETE /api/v1/public/inbox-providers/delete/{id}"),
):
    """Remove a sequencer's account from Mailin, which forgets its key."""


# Registrars.


class _RegistrarKeys(_Elsewhere):
    """What opens a registrar's account."""

    api_key: _Key = Field(title="API key", description="As the registrar shows it.")
    secret_api_key: _OptionalKey = Field(None, title="Secret API key", description="If the registrar gives two keys.")
    api_user: _OptionalText = Field(None, title="API user", description="For Namecheap.", validate_default=True)
    username: _OptionalText = Field(
        None, title="User name or e-mail", description="For Namecheap.", validate_default=True
    )
    whitelisted_ip: Annotated[_OptionalText, AfterValidator(_address)] = Field(
        None,
        title="Whitelisted IP",
        description="For Namecheap, which has to let Mailin's own servers in: see Mailin's page on registrars.",
    )
    customer_id: _OptionalText = Field(None, title="Customer id", description="For a reseller's account at GoDaddy.")


class _OneRegistrar(_OfOne):
    sort = REGISTRAR
    registrar: int = Field(
        title="Registrar", description=f"Its number, as {REGISTRAR.see} shows it.", json_schema_extra=from_words()
    )


class ListRegistrars(
    _Listing,
    command="postroom registrars",
    title="Registrars",
    effect=Effect.READ,
    calls=("GET /api/v1/public/domain-registrars",),
):
    """List the registrars' accounts that Mailin knows, with their numbers."""

    sort = REGISTRAR


class AddRegistrar(
    _RegistrarKeys,
    _Adding,
    command="postroom registrar-add",
    title="Add a registrar",
    effect=Effect.WRITE,
    calls=("POST /api/v1/public/domain-registrars/add", "GET /api/v1/public/domain-registrars"),
):
    """Give Mailin a registrar's account, so that it can set nameservers there."""

    sort = REGISTRAR
    kind: RegistrarKind = Field(title="Registrar", json_schema_extra=choices(REGISTRARS))

    @field_validator("api_user", "username")
    @classmethod
    def _namecheap(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("kind") == "namecheap":
            raise problem("Namecheap needs this.")
        return value


class UpdateRegistrar(
    _RegistrarKeys,
    _Changing,
    _OneRegistrar,
    command="postroom registrar-update",
    title="Change a registrar",
    effect=Effect.WRITE,
    calls=("GET /api/v1/public/domain-registrars", "PUT /api/v1/public/domain-registrars/update/{id}"),
):
    """Give Mailin the new keys of a registrar's account. Its name and kind stay."""

    api_user: _OptionalText = Field(None, title="API user", description="For Namecheap, which needs it again.")
    username: _OptionalText = Field(None, title="User name or e-mail", description="Left empty, it stays as it is.")

    async def check(self, client: MailinClient) -> None:
        await super().check(client)
        if (await self._known(client)).provider.lower() == "namecheap" and self.api_user is None:
            raise Refused({"api_user": "Namecheap needs this."})


class RemoveRegistrar(
    _Removing,
    _OneRegistrar,
    command="postroom registrar-remove",
    title="Remove a registrar",
    effect=Effect.DESTROY,
    calls=("GET /api/v1/public/domain-registrars", "DELETE /api/v1/public/domain-registrars/{id}"),
):
    """Remove a registrar's account from Mailin, which forgets its key."""


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
