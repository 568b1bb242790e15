"""The simulated Mailin's Azure orders: a hundred mailboxes each, and a GET that deletes."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from providers.mailin.sandbox.domains import TLDS
from providers.mailin.sandbox.operations import Operation
from providers.mailin.sandbox.speaking import Api, Endpoint, invalid, page_of, required, said, stamp, word_of
from providers.mailin.sandbox.state import Purchase, SandboxOrder
from providers.simulator import Fault, json_object, part

MAILBOXES = 100
_ONE = "{order_id:int}"


def azure_password(address: str) -> str:
    """The password of an order's mailbox: always the same one."""
    return f"Azure-{address.partition('@')[0]}!"


class AzureApi(Api):
    """Endpoint rows 69 to 79."""

    def endpoints(self) -> list[Endpoint]:
        """What is answered here. The upload's status has two addresses, of which one may be switched off."""
        upload = f"azure-orders/get-inbox-provider-status/{_ONE}"
        return [
            ("POST", "/azure-orders/add", Operation.ADD_ORDER, self.add),
            ("GET", "/azure-orders", Operation.ORDERS, self.orders),
            ("GET", f"/azure-orders/nameservers/{_ONE}", Operation.ORDER_NAMESERVERS, self.nameservers),
            ("GET", f"/azure-orders/status/{_ONE}", Operation.ORDER_STATUS, self.status),
            ("GET", f"/azure-orders/get-mailboxes/{_ONE}", Operation.ORDER_MAILBOXES, self.mailboxes),
            ("GET", f"/azure-orders/remove/{_ONE}", Operation.REMOVE_ORDER, self.remove),
            ("POST", f"/azure-orders/set-redirect-domain/{_ONE}", Operation.ORDER_REDIRECT, self.redirect),
            ("POST", f"/azure-orders/set-inbox-provider/{_ONE}", Operation.ORDER_PROVIDER, self.set_provider),
            (
                "POST",
                f"/azure-orders/remove-inbox-provider/{_ONE}",
                Operation.REMOVE_ORDER_PROVIDER,
                self.remove_provider,
            ),
            ("POST", f"/azure-orders/trigger-re-upload/{_ONE}", Operation.REUPLOAD, self.reupload),
            ("GET", f"/{upload}", Operation.UPLOAD_STATUS, self.upload_status_in_public),
            ("GET", f"/api/v1/{upload}", Operation.UPLOAD_STATUS, self.upload_status_as_documented),
        ]

    async def add(self, request: Request, fault: Fault | None) -> Response:
        """An order, whose id nobody is told."""
        body = await json_object(request)
        if refused := required(body, "mailbox_mode", "domain") or self._order_problem(body):
            return refused
        domain = str(body["domain"])
        if any(order.domain == domain for order in self._sandbox.known_orders().values()):
            return said("Order already exists in your account.", self._sandbox.order_exists)
        mode, names = str(body["mailbox_mode"]), [str(name) for name in body.get("full_name") or ()]
        mailboxes = body.get("mailboxes") or [
            {"name": names[number % len(names)], "email": f"box{number + 1}@{domain}"} for number in range(MAILBOXES)
        ]
        order = SandboxOrder(
            id=self._sandbox.next_id("order"),
            domain=domain,
            mode=mode,
            full_names=names,
            mailboxes=[{"name": str(box["name"]), "username": str(box["email"])} for box in part(mailboxes, fault)],
            is_purchase=body.get("is_purchase") == 1,
            provider_id=body.get("provider_id"),
            registrar_id=body.get("domain_registrar_id"),
            placed_at=self.now,
            listed_at=self._sandbox.later(self._sandbox.listing_lag_seconds),
            ready_at=self._sandbox.later(),
            upload_ends_at=self._sandbox.later() if body.get("provider_id") else None,
        )
        self._sandbox.orders[order.id] = order
        self._sandbox.purchases.append(Purchase(domain=domain, hosting="azure", at=self.now, job=str(order.id)))
        return said("Order processed successfully.", 201)

    async def orders(self, request: Request, fault: Fault | None) -> Response:
        """All, without saying which page is the last."""
        page = page_of(request, list(self._sandbox.known_orders().values()), 10, show=self._shown)
        return JSONResponse({name: page[name] for name in ("current_page", "data", "per_page", "total")})

    async def nameservers(self, request: Request, fault: Fault | None) -> Response:
        """Those to set."""
        order = self._asked_for(request)
        if order is None:
            return said("Not Found", 404)
        state = self._state(order)
        servers = [f"ns{number}.{order.domain}" for number in (1, 2)] if state == "ready" else []
        return JSONResponse({"status": word_of(state, fault), "nameservers": servers})

    async def status(self, request: Request, fault: Fault | None) -> Response:
        """How it is getting on."""
        order = self._asked_for(request)
        if order is None:
            return said("Not Found", 404)
        return JSONResponse({"data": {"id": order.id, "status": word_of(self._state(order), fault)}})

    async def mailboxes(self, request: Request, fault: Fault | None) -> Response:
        """Its mailboxes, with asterisks for passwords unless that is switched off."""
        order = self._asked_for(request)
        if order is None:
            return said("Not Found", 404)
        if self._sandbox.azure_shows_passwords:
            shown = [box | {"password": azure_password(box["username"])} for box in order.mailboxes]
            return JSONResponse({"mailboxes": shown})
        return JSONResponse({"mailboxes": self._shown(order)["mailboxes"]})

    async def remove(self, request: Request, fault: Fault | None) -> Response:
        """For ever, by a GET."""
        order = self._asked_for(request)
        if order is None:
            return said("Not Found", 404)
        del self._sandbox.orders[order.id]
        return said("Order deleted successfully.")

    async def redirect(self, request: Request, fault: Fault | None) -> Response:
        """Where its domain leads."""
        order, body = self._asked_for(request), await json_object(request)
        if order is None:
            return said("Not Found", 404)
        if refused := required(body, "forward_to"):
            return refused
        order.redirect_to = str(body["forward_to"])
        return said("Master domain set successfully.")

    async def set_provider(self, request: Request, fault: Fault | None) -> Response:
        """Its upload begins."""
        order, body = self._asked_for(request), await json_object(request)
        if order is None:
            return said("Not Found", 404)
        if body.get("provider_id") not in self._sandbox.inbox_providers:
            return invalid({"provider_id": "The selected provider id is invalid."})
        order.provider_id, order.upload_ends_at = body["provider_id"], self._sandbox.later()
        return said("Inbox Provider set successfully.")

    async def remove_provider(self, request: Request, fault: Fault | None) -> Response:
        """No sequencer any more."""
        order = self._asked_for(request)
        if order is None:
            return said("Not Found", 404)
        order.provider_id = order.upload_ends_at = None
        return said("Inbox Provider removed successfully.")

    async def reupload(self, request: Request, fault: Fault | None) -> Response:
        """Once more, if there is a sequencer."""
        order = self._asked_for(request)
        if order is None:
            return said("Not Found", 404)
        if order.provider_id is None:
            return said("The request cannot be completed because the data was not prepared.", 311)
        order.upload_ends_at = self._sandbox.later()
        return said("Reupload triggered successfully.")

    async def upload_status_as_documented(self, request: Request, fault: Fault | None) -> Response:
        """How far the upload has got."""
        return self._upload_status(request, here=self._sandbox.upload_status_at != "public")

    async def upload_status_in_public(self, request: Request, fault: Fault | None) -> Response:
        """The same at the address that all others would lead one to expect."""
        return self._upload_status(request, here=self._sandbox.upload_status_at != "documented")

    def _upload_status(self, request: Request, *, here: bool) -> Response:
        order = self._asked_for(request)
        if not here or order is None:
            return said("Not Found", 404)
        ends = order.upload_ends_at
        total = len(order.mailboxes) if ends is not None else 0
        uploaded = total if ends is not None and self.now >= ends else 0
        counts = {"total": total, "uploaded": uploaded, "alreadyExistsOtherAccount": 0}
        return JSONResponse({"upload_status_summary": counts | {"pending": total - uploaded, "failed": 0}})

    def _order_problem(self, body: dict[str, Any]) -> Response | None:
        domain, mailboxes = str(body["domain"]), body.get("mailboxes")
        if body["mailbox_mode"] == "auto":
            if not body.get("full_name"):
                return invalid({"full_name": "The full name field is required when mailbox mode is auto."})
        elif body["mailbox_mode"] != "manual":
            return invalid({"mailbox_mode": "The selected mailbox mode is invalid."})
        elif not isinstance(mailboxes, list) or len(mailboxes) != MAILBOXES:
            return invalid({"mailboxes": "The mailboxes must contain 100 items."})
        elif not all(str(box.get("email", "")).endswith(f"@{domain}") for box in mailboxes):
            return invalid({"mailboxes": "All emails must belong to the domain."})
        if body.get("is_purchase") == 1 and not domain.endswith(TLDS):
            return invalid({"domain": "The domain must end with one of: .com, .co, .biz, .ca."})
        if body.get("is_purchase") == 1 and not self._sandbox.is_free(domain):
            return said("The requested domain(s) are unavailable.", 422, unavailable={"domain": domain})
        return None

    def _asked_for(self, request: Request) -> SandboxOrder | None:
        return self._sandbox.known_orders().get(request.path_params["order_id"])

    def _state(self, order: SandboxOrder) -> str:
        if self.now < order.ready_at:
            return "pending"
        return "failed" if order.domain in self._sandbox.failing else "ready"

    def _shown(self, order: SandboxOrder) -> dict[str, object]:
        provider = self._sandbox.inbox_providers.get(order.provider_id or 0)
        registrar = self._sandbox.registrars.get(order.registrar_id or 0)
        return {
            "id": order.id,
            "user_id": 1,
            "full_name": order.full_names,
            "domain": order.domain,
            "mailbox_mode": order.mode,
            "provider_id": order.provider_id,
            "domain_registrar_id": order.registrar_id,
            "is_purchase": int(order.is_purchase),
            "created_at": stamp(order.placed_at),
            "updated_at": stamp(order.placed_at),
            "provider": None if provider is None else {"id": order.provider_id, **provider},
            "registrar": None if registrar is None else {"id": order.registrar_id, **registrar},
            "mailboxes": [box | {"password": "******"} for box in order.mailboxes],
        }
