"""The simulated Mailin's log-in, user and servers."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from providers.mailin.sandbox.operations import Operation
from providers.mailin.sandbox.speaking import Api, Endpoint, required, said, stamp
from providers.mailin.sandbox.state import SANDBOX_EMAIL, SANDBOX_PASSWORD, USER_ID
from providers.simulator import Fault, json_object

_SERVERS = (
    {"id": 201, "public_ip": "192.0.2.1", "hostname": "in-1.sandbox.example", "state": "Running", "active": 1}
    | {"server_type": "inbound"},
    {"id": 202, "public_ip": "198.51.100.5", "hostname": "out-1.sandbox.example", "state": "Stopped", "active": 0}
    | {"server_type": "outbound"},
)


class AccountApi(Api):
    """Endpoint rows 17, 19 to 21."""

    def endpoints(self) -> list[Endpoint]:
        """What is answered here."""
        return [
            ("POST", "/auth/login", Operation.LOGIN, self.login),
            ("GET", "/users/{user_id:int}", Operation.USER, self.user),
            ("GET", "/servers", Operation.SERVERS, self.servers),
            ("GET", "/servers/{server_id:int}", Operation.SERVER, self.server),
        ]

    async def login(self, request: Request, fault: Fault | None) -> Response:
        """A token for the right e-mail and password."""
        body = await json_object(request)
        if refused := required(body, "email", "password", "device_name"):
            return refused
        if (body["email"], body["password"]) != (SANDBOX_EMAIL, SANDBOX_PASSWORD):
            return said("Invalid credentials.", 401)
        return JSONResponse({"user_id": USER_ID, "token": self._sandbox.log_in()})

    async def user(self, request: Request, fault: Fault | None) -> Response:
        """Oneself, and nobody else."""
        if request.path_params["user_id"] != USER_ID:
            return said("Not Found", 404)
        return JSONResponse(
            {
                "id": USER_ID,
                "username": "ana",
                "phone_no": "+1 555 0100",
                "first_name": "Ana",
                "last_name": "Sand",
                "email": SANDBOX_EMAIL,
                "org_name": "Sandbox Inc.",
                "country_name": "Sandland",
                "city_name": "Boxton",
                "address": "1 Beach Road",
                "postal_code": "10001",
                "region": "SL",
                "mailboxes_slots": self._sandbox.mailbox_slots,
                "created_at": stamp(self.now),
            }
        )

    async def servers(self, request: Request, fault: Fault | None) -> Response:
        """All of them: a bare list."""
        return JSONResponse(_SERVERS)

    async def server(self, request: Request, fault: Fault | None) -> Response:
        """One of them."""
        found = [server for server in _SERVERS if server["id"] == request.path_params["server_id"]]
        return JSONResponse(found[0]) if found else said("Not Found", 404)
