"""Mailin's endpoints about accounts elsewhere: sequencers, which it calls inbox providers, and registrars.

Their keys are sent, and never kept of what Mailin lists.
"""

from __future__ import annotations

from typing import Any

from pydantic import AliasChoices, Field

from providers.action import Effect
from providers.mailin.lenient import Number, Page, Shape, with_id
from providers.mailin.models import InboxProvider, InboxProviderDetails, Registrar, RegistrarDetails
from providers.mailin.session import PER_PAGE, Session

_NAME = frozenset({"name"})


class SequencerCalls(Session):
    """Sequencers' and registrars' accounts: listing, adding, changing, removing."""

    async def inbox_providers(self, page: int = 1, per_page: int = PER_PAGE) -> Page[InboxProvider]:
        """A page of the sequencers' accounts (endpoint row 62)."""
        return await self._page("/inbox-providers", with_id(self._inbox_provider), page, per_page, says_page=False)

    async def add_inbox_provider(self, details: InboxProviderDetails) -> int | None:
        """Add a sequencer's account (endpoint row 61). Returns its id, None where Mailin does not tell it."""
        reply = await self._change("POST", "/inbox-providers/add", json=details.as_sent(), secrets=details.secrets())
        return self._told(_Added, reply).id

    async def update_inbox_provider(self, provider_id: int, details: InboxProviderDetails) -> None:
        """Change a sequencer's account (endpoint row 63), all but its name.

        Whether what is not sent stays as it was, Mailin does not say: send everything that it needs.
        """
        sent = details.as_sent(without=_NAME)
        await self._change("PUT", f"/inbox-providers/update/{provider_id}", json=sent, secrets=details.secrets())

    async def remove_inbox_provider(self, provider_id: int) -> None:
        """Remove a sequencer's account from Mailin (endpoint row 64)."""
        await self._change("DELETE", f"/inbox-providers/delete/{provider_id}", effect=Effect.DESTROY)

    async def registrars(self, page: int = 1, per_page: int = PER_PAGE) -> Page[Registrar]:
        """A page of the registrars' accounts (endpoint row 66)."""
        return await self._page("/domain-registrars", with_id(self._registrar), page, per_page, says_page=False)

    async def add_registrar(self, details: RegistrarDetails) -> int | None:
        """Add a registrar's account (endpoint row 65). Returns its id, None where Mailin does not tell it."""
        reply = await self._change("POST", "/domain-registrars/add", json=details.as_sent(), secrets=details.secrets())
        return self._told(_Added, reply).id

    async def update_registrar(self, registrar_id: int, details: RegistrarDetails) -> None:
        """Change a registrar's account (endpoint row 67), all but its name. Send everything that it needs."""
        sent = details.as_sent(without=_NAME)
        await self._change("PUT", f"/domain-registrars/update/{registrar_id}", json=sent, secrets=details.secrets())

    async def remove_registrar(self, registrar_id: int) -> None:
        """Remove a registrar's account from Mailin (endpoint row 68)."""
        await self._change("DELETE", f"/domain-registrars/{registrar_id}", effect=Effect.DESTROY)

    def _inbox_provider(self, said: Any) -> InboxProvider:
        return InboxProvider.model_validate(said, context=self._odd)

    def _registrar(self, said: Any) -> Registrar:
        return Registrar.model_validate(said, context=self._odd)


class _Added(Shape):
    id: Number = Field(None, validation_alias=AliasChoices("provider_id", "id"))
