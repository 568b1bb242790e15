"""Mailin's endpoints about Azure orders: a hundred Microsoft mailboxes on one domain, bought together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

from pydantic import JsonValue

from providers.action import Effect
from providers.errors import AlreadyExists, BadAnswer, NotFound, OutcomeUnknown
from providers.mailin.lenient import OBJECTS, Page, Shape, with_id
from providers.mailin.models import (
    AzureLogin,
    AzureMailbox,
    AzureNameServers,
    AzureOrder,
    AzureStatus,
    NewAzureMailbox,
    UploadStatus,
)
from providers.mailin.session import PER_PAGE, PREFIX, Session, as_refusal, says_already_there

MAILBOXES_OF_AN_ORDER = 100
"""An order whose mailboxes are given has to give exactly so many."""

_UPLOAD_PREFIXES = {"documented": ("/api/v1",), "public": (PREFIX,), "both": ("/api/v1", PREFIX)}
"""By `upload_status_path`. Endpoint row 79 alone is documented without the /public/, which may be a slip."""


class AzureCalls(Session):
    """Azure orders: placing, following, changing, deleting."""

    _upload_prefix = ""
    """The address that has answered for endpoint row 79."""

    async def add_azure_order(
        self,
        domain: str,
        *,
        purchase: bool,
        full_names: Sequence[str] = (),
        mailboxes: Sequence[NewAzureMailbox] = (),
        provider_id: int | None = None,
        registrar_id: int | None = None,
    ) -> None:
        """Order a hundred mailboxes on a domain that is bought with them, or moved in (endpoint row 69).

        Either `full_names`, out of which Mailin makes the mailboxes, or the MAILBOXES_OF_AN_ORDER `mailboxes`
        themselves. Mailin names no order: `find_azure_order` does. Raises AlreadyExists when there is one for the
        domain, which after an unclear answer means that the first try worked.
        """
        wanted: dict[str, JsonValue] = {"mailbox_mode": "manual" if mailboxes else "auto"}
        if mailboxes:
            wanted["mailboxes"] = [mailbox.as_sent() for mailbox in mailboxes]
        else:
            wanted["full_name"] = list(full_names)
        wanted |= {"domain": domain, "is_purchase": 1 if purchase else 0}
        if provider_id is not None:
            wanted["provider_id"] = provider_id
        if registrar_id is not None:
            wanted["domain_registrar_id"] = registrar_id
        reply = await self._change("POST", "/azure-orders/add", effect=Effect.SPEND, json=wanted)
        said = as_refusal(reply.body)
        if says_already_there(said):  # with which status is not documented, so it may be a 2xx
            raise AlreadyExists("Mailin has an order for this domain already.", status=reply.status)
        if not said.message:
            raise OutcomeUnknown(
                "Mailin seems to have taken the order, but its answer cannot be read.",
                status=reply.status,
                detail="no message",
            )

    async def azure_orders(self, page: int = 1, per_page: int = PER_PAGE) -> Page[AzureOrder]:
        """A page of the orders (endpoint row 70)."""
        return await self._page("/azure-orders", with_id(self._order), page, per_page, says_page=False)

    async def find_azure_order(self, domain: str) -> AzureOrder | None:
        """The account's order for exactly this domain, or None. "None" soon after it was placed proves nothing."""
        async for order in self._items(self._also_orders_without_id):
            if order.domain.lower() == domain.lower():
                return order
        return None

    async def _also_orders_without_id(self, page: int) -> Page[AzureOrder]:
        return await self._page("/azure-orders", self._order, page, PER_PAGE, says_page=False)

    async def azure_order_status(self, order_id: int) -> AzureStatus:
        """How an order is getting on (endpoint row 72)."""
        reply = await self._call("GET", f"/azure-orders/status/{order_id}", effect=Effect.READ)
        return self._understood(
            reply, "an order's status", lambda body: AzureStatus.model_validate(_inner(body, "data"), context=self._odd)
        )

    async def azure_nameservers(self, order_id: int) -> AzureNameServers:
        """The name servers to set for an order's domain (endpoint row 71)."""
        return await self._get(f"/azure-orders/nameservers/{order_id}", AzureNameServers)

    async def azure_mailboxes(self, order_id: int) -> tuple[AzureMailbox, ...]:
        """The mailboxes of an order, without their passwords (endpoint row 73)."""
        return (await self._get(f"/azure-orders/get-mailboxes/{order_id}", _Mailboxes)).mailboxes

    async def azure_logins(self, order_id: int) -> tuple[AzureLogin, ...]:
        """The mailboxes of an order with their passwords, as far as Mailin shows them (endpoint row 73)."""
        return (await self._get(f"/azure-orders/get-mailboxes/{order_id}", _Logins, effect=Effect.REVEAL)).mailboxes

    async def remove_azure_order(self, order_id: int) -> None:
        """Delete an order and its domain, for ever (endpoint row 74). It is a GET, and no reading for all that."""
        await self._change("GET", f"/azure-orders/remove/{order_id}", effect=Effect.DESTROY)

    async def set_azure_redirect(self, order_id: int, to: str) -> None:
        """Set the domain to which an order's domain leads (endpoint row 75). Mailin also calls it master domain."""
        await self._change("POST", f"/azure-orders/set-redirect-domain/{order_id}", json={"forward_to": to})

    async def set_azure_inbox_provider(self, order_id: int, provider_id: int) -> None:
        """Give an order's mailboxes to a sequencer's account (endpoint row 76); its upload begins."""
        await self._change("POST", f"/azure-orders/set-inbox-provider/{order_id}", json={"provider_id": provider_id})

    async def remove_azure_inbox_provider(self, order_id: int) -> None:
        """Take an order's mailboxes from its sequencer's account (endpoint row 77)."""
        await self._change("POST", f"/azure-orders/remove-inbox-provider/{order_id}")

    async def reupload_azure_mailboxes(self, order_id: int) -> None:
        """Upload an order's mailboxes to its sequencer once more (endpoint row 78)."""
        await self._change("POST", f"/azure-orders/trigger-re-upload/{order_id}")

    async def azure_upload_status(self, order_id: int) -> UploadStatus:
        """How far that upload has got (endpoint row 79).

        The documented address lacks the /public/ that all others have, so the other one is asked as well where the
        settings do not say which is right (`upload_status_path`). The one that answers is remembered.
        """
        *others, last = self._upload_prefixes()
        for prefix in others:
            with suppress(NotFound, BadAnswer):
                return await self._upload_status(order_id, prefix)
        return await self._upload_status(order_id, last)

    async def _upload_status(self, order_id: int, prefix: str) -> UploadStatus:
        path = f"/azure-orders/get-inbox-provider-status/{order_id}"
        reply = await self._call("GET", path, effect=Effect.READ, prefix=prefix)
        said = _inner(reply.body, "upload_status_summary")
        status = self._understood(reply, "an upload's status", lambda _: UploadStatus.model_validate(said))
        self._upload_prefix = prefix
        return status

    def _upload_prefixes(self) -> tuple[str, ...]:
        if self._upload_prefix:
            return (self._upload_prefix,)
        return _UPLOAD_PREFIXES[self._settings.upload_status_path]

    def _order(self, said: Any) -> AzureOrder:
        return AzureOrder.model_validate(said, context=self._odd)


class _Mailboxes(Shape):
    mailboxes: Annotated[tuple[AzureMailbox, ...], OBJECTS]


class _Logins(Shape):
    mailboxes: Annotated[tuple[AzureLogin, ...], OBJECTS]


def _inner(body: JsonValue, name: str) -> JsonValue:
    """What is wrapped under `name`, or the body itself where it is not wrapped."""
    return body[name] if isinstance(body, dict) and isinstance(body.get(name), dict) else body
