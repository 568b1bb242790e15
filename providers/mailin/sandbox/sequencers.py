"""The simulated Mailin's accounts elsewhere: sequencers and registrars. Their keys come back in clear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from providers.mailin.models import REGISTRAR_KINDS, SEQUENCER_KINDS
from providers.mailin.sandbox.operations import Operation
from providers.mailin.sandbox.speaking import Api, Endpoint, invalid, page_of, required, said
from providers.simulator import Fault, json_object

_PROVIDER_FIELDS = ("name", "provider", "api_key", "oauth_url", "username", "workspace_id")
_REGISTRAR_FIELDS = ("name", "provider", "api_key", "username")


class SequencerApi(Api):
    """Endpoint rows 61 to 68."""

    def endpoints(self) -> list[Endpoint]:
        """What is answered here."""
        return [
            ("POST", "/inbox-providers/add", Operation.ADD_INBOX_PROVIDER, self.add_provider),
            ("GET", "/inbox-providers", Operation.INBOX_PROVIDERS, self.providers),
            ("PUT", "/inbox-providers/update/{id:int}", Operation.UPDATE_INBOX_PROVIDER, self.update_provider),
            ("DELETE", "/inbox-providers/delete/{id:int}", Operation.REMOVE_INBOX_PROVIDER, self.remove_provider),
            ("POST", "/domain-registrars/add", Operation.ADD_REGISTRAR, self.add_registrar),
            ("GET", "/domain-registrars", Operation.REGISTRARS, self.registrars),
            ("PUT", "/domain-registrars/update/{id:int}", Operation.UPDATE_REGISTRAR, self.update_registrar),
            ("DELETE", "/domain-registrars/{id:int}", Operation.REMOVE_REGISTRAR, self.remove_registrar),
        ]

    async def add_provider(self, request: Request, fault: Fault | None) -> Response:
        """Its id is called `provider_id`."""
        body = await json_object(request)
        if refused := required(body, "name") or _kind_problem(body, SEQUENCER_KINDS):
            return refused
        new_id = self._sandbox.next_id("inbox_provider")
        self._sandbox.inbox_providers[new_id] = _texts(body)
        return said("Provider has been successfully created.", 201, provider_id=new_id)

    async def providers(self, request: Request, fault: Fault | None) -> Response:
        """All."""
        return self._listing(request, self._sandbox.inbox_providers, _PROVIDER_FIELDS, 15)

    async def update_provider(self, request: Request, fault: Fault | None) -> Response:
        """What is sent replaces what was known."""
        return await self._update(request, self._sandbox.inbox_providers, SEQUENCER_KINDS, "Provider")

    async def remove_provider(self, request: Request, fault: Fault | None) -> Response:
        """One."""
        return self._remove(request, self._sandbox.inbox_providers, "Provider")

    async def add_registrar(self, request: Request, fault: Fault | None) -> Response:
        """Its id is called `id`."""
        body = await json_object(request)
        if refused := required(body, "name") or _kind_problem(body, REGISTRAR_KINDS):
            return refused
        new_id = self._sandbox.next_id("registrar")
        self._sandbox.registrars[new_id] = _texts(body)
        return said("Domain registrar created successfully.", 201, id=new_id)

    async def registrars(self, request: Request, fault: Fault | None) -> Response:
        """All."""
        return self._listing(request, self._sandbox.registrars, _REGISTRAR_FIELDS, 10)

    async def update_registrar(self, request: Request, fault: Fault | None) -> Response:
        """What is sent replaces what was known."""
        return await self._update(request, self._sandbox.registrars, REGISTRAR_KINDS, "Registrar")

    async def remove_registrar(self, request: Request, fault: Fault | None) -> Response:
        """One."""
        return self._remove(request, self._sandbox.registrars, "Registrar")

    def _listing(
        self, request: Request, known: dict[int, dict[str, str]], fields: Sequence[str], per_page: int
    ) -> Response:
        rows = [
            {"id": id_, "user_id": 1, **{name: details.get(name) for name in fields}} for id_, details in known.items()
        ]
        return JSONResponse(page_of(request, rows, per_page))

    async def _update(
        self, request: Request, known: dict[int, dict[str, str]], kinds: Sequence[str], what: str
    ) -> Response:
        details, body = known.get(request.path_params["id"]), await json_object(request)
        if details is None:
            return said("Not Found", 404)
        if refused := _kind_problem(body, kinds):
            return refused
        details.update(_texts(body))
        return said(f"{what} updated successfully.")

    def _remove(self, request: Request, known: dict[int, dict[str, str]], what: str) -> Response:
        if known.pop(request.path_params["id"], None) is None:
            return said("Not Found", 404)
        return said(f"{what} deleted successfully.")


def _kind_problem(body: dict[str, Any], kinds: Sequence[str]) -> Response | None:
    return None if body.get("provider") in kinds else invalid({"provider": "The selected provider is invalid."})


def _texts(body: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in body.items() if value is not None}
