"""The simulated Mailin's domains: bought, moved in, forwarded, deleted."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from providers.mailin.sandbox.operations import Operation
from providers.mailin.sandbox.speaking import (
    PREFIX,
    Api,
    Endpoint,
    accepted,
    invalid,
    page_of,
    required,
    said,
    stamp,
    word_of,
)
from providers.mailin.sandbox.state import SandboxDomain, SandboxHosting
from providers.simulator import Fault, json_object, part

TLDS = (".com", ".co", ".ca", ".biz")
NAME_SERVERS = "ns1.mailin.ai, ns2.mailin.ai"
TRANSFER_NAME_SERVERS = [f"ns-{number}.sandbox.example" for number in (123, 234, 345, 456)]

_NOT_SOLD = "The domain name must end with one of: .com, .co, .ca, .biz."


class DomainApi(Api):
    """Endpoint rows 22 to 36, 45 to 48."""

    def endpoints(self) -> list[Endpoint]:
        """What is answered here."""
        return [
            ("GET", "/domains", Operation.DOMAINS, self.domains),
            ("GET", "/domains/list/google", Operation.GOOGLE_DOMAINS, self.google_domains),
            ("GET", "/domains/get/inboxkit-domains", Operation.INBOXKIT_DOMAINS, self.inboxkit_domains),
            ("GET", "/domains/check/domain-availability", Operation.AVAILABILITY, self.availability),
            ("POST", "/domains/buy", Operation.BUY, self.buy),
            ("POST", "/domains/buy-multiple", Operation.BUY_MULTIPLE, self.buy_multiple),
            ("POST", "/domains/buy/google", Operation.BUY_GOOGLE, self.buy_google),
            ("POST", "/domains/buy-multiple/google", Operation.BUY_MULTIPLE_GOOGLE, self.buy_multiple_google),
            ("GET", "/domains/status/{job_id}", Operation.JOB_STATUS, self.job_status),
            ("POST", "/domains/transfer", Operation.TRANSFER, self.transfer),
            ("POST", "/domains/transfer/google", Operation.TRANSFER_GOOGLE, self.transfer_google),
            ("POST", "/domains/transfer/inboxkit", Operation.TRANSFER_INBOXKIT, self.transfer_inboxkit),
            ("POST", "/domains/add/subdomain", Operation.ADD_SUBDOMAIN, self.add_subdomain),
            ("POST", "/domains/forward", Operation.FORWARD, self.forward),
            ("POST", "/domains/remove/forward", Operation.REMOVE_FORWARD, self.remove_forward),
            ("POST", "/domains/email/forward", Operation.FORWARD_EMAIL, self.forward_email),
            ("GET", "/domains/{domain_id:int}", Operation.DOMAIN, self.domain),
            ("DELETE", "/domains/{domain_id:int}", Operation.DELETE_DOMAIN, self.delete),
            ("GET", "/domains/{domain_id:int}/rate-limit", Operation.DOMAIN_RATE_LIMIT, self.rate_limit),
        ]

    # Seeing.

    async def domains(self, request: Request, fault: Fault | None) -> Response:
        """Those for SMTP."""
        return self._listing(request, "smtp")

    async def google_domains(self, request: Request, fault: Fault | None) -> Response:
        """Those for Google."""
        return self._listing(request, "google")

    async def inboxkit_domains(self, request: Request, fault: Fault | None) -> Response:
        """Those from InboxKit, whose page addresses lead to the others."""
        found = self._sandbox.listed("inboxkit", request.query_params.get("name", ""))
        kept = ("id", "name", "status", "domain_provider", "created_at", "updated_at")

        def show(domain: SandboxDomain) -> object:
            shown = self._listed(domain)
            return {name: shown[name] for name in kept}

        return JSONResponse(page_of(request, found, show=show, address=f"{PREFIX}/domains"))

    async def domain(self, request: Request, fault: Fault | None) -> Response:
        """One: the same facts as in the listing, in other words."""
        domain = self._sandbox.domain_by_id(request.path_params["domain_id"])
        if domain is None:
            return said("Not Found", 404)
        state, servers = (
            "Active" if yes else "Inactive" for yes in (self._is_active(domain), self._has_name_servers(domain))
        )
        return JSONResponse(
            self._listed(domain)
            | {
                "main_domain": self._sandbox.domains[domain.parent].id
                if domain.parent in self._sandbox.domains
                else None,
                "name_server_status": servers,
                "status": state,
                "provider_type": domain.hosting,
            }
        )

    async def availability(self, request: Request, fault: Fault | None) -> Response:
        """Its "no" is a 404."""
        name = request.query_params.get("domain_name", "").lower()
        if not name:
            return invalid({"domain_name": "The domain name field is required."})
        if self._sandbox.is_free(name):
            return JSONResponse({"available": True, "message": "Domain is available"})
        return JSONResponse({"available": False, "message": "Domain is unavailable"}, 404)

    async def rate_limit(self, request: Request, fault: Fault | None) -> Response:
        """How much it may send."""
        domain = self._sandbox.domain_by_id(request.path_params["domain_id"])
        if domain is None:
            return said("Not Found", 404)
        return JSONResponse({"id": domain.id, "name": domain.name, "rate_limit": "500 / d"})

    # Buying.

    async def buy(self, request: Request, fault: Fault | None) -> Response:
        """One, for SMTP."""
        return await self._buy_one(request, fault, "smtp")

    async def buy_google(self, request: Request, fault: Fault | None) -> Response:
        """One, for Google."""
        return await self._buy_one(request, fault, "google")

    async def buy_multiple(self, request: Request, fault: Fault | None) -> Response:
        """Several, for SMTP."""
        return await self._buy_several(request, fault, "smtp")

    async def buy_multiple_google(self, request: Request, fault: Fault | None) -> Response:
        """Several, for Google."""
        return await self._buy_several(request, fault, "google")

    async def job_status(self, request: Request, fault: Fault | None) -> Response:
        """Its `id` is not quoted, as in the documentation: this is not JSON."""
        job = self._sandbox.jobs.get(request.path_params["job_id"])
        if job is None:
            return said("Domain not found.", 404)
        state = word_of(job.state(self.now).value, fault)
        known = self._sandbox.domains
        ids = [str(known[name].id) for name in job.domains if name in known]
        report = job.report("BatchAddDomain", state, self.now)
        body = (
            f'{{\n"id": {job.id},\n"status": {json.dumps(state)},\n"report": {json.dumps(report)},\n'
            f'"data": {json.dumps(ids)}\n}}'
        )
        return Response(body, media_type="application/json")

    # Moving in.

    async def transfer(self, request: Request, fault: Fault | None) -> Response:
        """One, for SMTP."""
        return await self._transfer(request, "smtp")

    async def transfer_google(self, request: Request, fault: Fault | None) -> Response:
        """One, for Google."""
        return await self._transfer(request, "google")

    async def transfer_inboxkit(self, request: Request, fault: Fault | None) -> Response:
        """One from InboxKit. Its id is text here."""
        body = await json_object(request)
        if refused := required(body, "domain_name", "uid"):
            return refused
        if self._sandbox.knows(str(body["domain_name"])):
            return said("Domain already exists in your account.", 422)
        domain = self._sandbox.add_domain(str(body["domain_name"]), "inboxkit", active_at=self._sandbox.later())
        return said("The transfer process has been started.", 210, domain_id=str(domain.id))

    async def add_subdomain(self, request: Request, fault: Fault | None) -> Response:
        """One of a domain that is active. It takes a while, although the status is 201."""
        body = await json_object(request)
        if refused := required(body, "subdomain", "domain"):
            return refused
        parent, name = self._sandbox.domains.get(str(body["domain"])), f"{body['subdomain']}.{body['domain']}"
        if parent is None or not self._is_active(parent):
            return said(f"The specified domain '{body['domain']}' does not exist or is not active.", 422)
        if self._sandbox.knows(name):
            return said("Subdomain already exists.", 422)
        self._sandbox.add_domain(name, parent.hosting, active_at=self._sandbox.later(), parent=parent.name)
        return said("Your request has been received and will be processed as soon as possible.", 201)

    # Forwarding, and the end.

    async def forward(self, request: Request, fault: Fault | None) -> Response:
        """The web, to another domain."""
        body = await json_object(request)
        domain = self._sandbox.domain_by_id(body.get("domain_id"))
        if refused := required(body, "domain_id", "forward_to"):
            return refused
        if domain is None:
            return said("Not Found", 404)
        domain.forward_to = str(body["forward_to"])
        return said("Domain forwarding has been successfully updated.")

    async def remove_forward(self, request: Request, fault: Fault | None) -> Response:
        """The web, no longer."""
        body = await json_object(request)
        domain = self._sandbox.domain_by_id(body.get("domain_id"))
        if refused := required(body, "domain_id"):
            return refused
        if domain is None:
            return said("Not Found", 404)
        domain.forward_to = None
        return said("Domain forwarding has been successfully removed.")

    async def forward_email(self, request: Request, fault: Fault | None) -> Response:
        """All mail, to an address."""
        body = await json_object(request)
        domain = self._sandbox.domain_by_id(body.get("domain_id"))
        if refused := required(body, "domain_id", "forward_to"):
            return refused
        if domain is None:
            return said("Not Found", 404)
        if "@" not in str(body["forward_to"]):
            return invalid({"forward_to": "The forward to must be a valid email address."})
        domain.email_forward_to = str(body["forward_to"])
        return said("Email forwarding has been successfully updated.")

    async def delete(self, request: Request, fault: Fault | None) -> Response:
        """With all its mailboxes."""
        domain = self._sandbox.domain_by_id(request.path_params["domain_id"])
        if domain is None:
            return said("Not Found", 404)
        self._sandbox.remove_domain(domain)
        return said("Domain and related mailboxes has been removed.")

    # Details.

    async def _buy_one(self, request: Request, fault: Fault | None, hosting: SandboxHosting) -> Response:
        name = (await json_object(request)).get("domain_name")
        if not isinstance(name, str) or not name:
            return invalid({"domain_name": "The domain name field is required."})
        if not name.endswith(TLDS):
            return invalid({"domain_name": _NOT_SOLD})
        if not self._sandbox.is_free(name):
            return _unavailable({"domain": name})
        return accepted(self._sandbox.buy(part([name], fault), hosting, ordered=[name]).id)

    async def _buy_several(self, request: Request, fault: Fault | None, hosting: SandboxHosting) -> Response:
        names = (await json_object(request)).get("domain_names")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            return invalid({"domain_names": "The domain names field is required."})
        problems = {f"domain_names.{n}": _NOT_SOLD for n, name in enumerate(names) if not name.endswith(TLDS)}
        if problems:
            return invalid(problems)
        unavailable = [name for name in names if not self._sandbox.is_free(name)]
        if unavailable:
            return _unavailable(unavailable)
        return accepted(self._sandbox.buy(part(names, fault), hosting, ordered=names).id, comma=False)

    async def _transfer(self, request: Request, hosting: SandboxHosting) -> Response:
        body = await json_object(request)
        if refused := required(body, "domain_name"):
            return refused
        if self._sandbox.knows(str(body["domain_name"])):
            return said("Domain already exists in your account.", 422)
        self._sandbox.add_domain(str(body["domain_name"]), hosting, active_at=self._sandbox.later())
        return said("The transfer process has been started.", 210, name_servers=TRANSFER_NAME_SERVERS)

    def _listing(self, request: Request, hosting: SandboxHosting) -> Response:
        found = self._sandbox.listed(hosting, request.query_params.get("name", ""))
        return JSONResponse(page_of(request, found, show=self._listed))

    def _listed(self, domain: SandboxDomain) -> dict[str, object]:
        active = self._is_active(domain)
        item: dict[str, object] = {
            "id": domain.id,
            "name": domain.name,
            "main_domain": domain.parent,
            "name_servers": NAME_SERVERS if active else None,
            "name_server_status": "1" if self._has_name_servers(domain) else "0",
            "status": "1" if active else "0",
            "domain_provider": "inboxkit" if domain.hosting == "inboxkit" else "dynadot",
            "created_at": stamp(domain.bought_at),
            "updated_at": stamp(domain.active_at if active else domain.bought_at),
        }
        return item | {"provider_type": "google"} if domain.hosting == "google" else item

    def _has_name_servers(self, domain: SandboxDomain) -> bool:
        return self.now >= (domain.name_servers_at or domain.active_at)

    def _is_active(self, domain: SandboxDomain) -> bool:
        return self.now >= domain.active_at


def _unavailable(names: dict[str, str] | list[str]) -> Response:
    return said("The requested domain(s) are unavailable.", 422, unavailable=names)
