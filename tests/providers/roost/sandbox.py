"""Roost itself, simulated."""

from __future__ import annotations

from collections import Counter

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

KEY = "roost-key-1234"


class RoostSandbox:
    """The provider's books: each address with where it leads, and what was called how often."""

    def __init__(self) -> None:
        self.aliases: dict[str, str] = {}
        self.bought: list[str] = []
        self.setting_up: set[str] = set()
        self.calls = Counter[str]()
        self.breaks_after: set[str] = set()
        """Methods that are carried out and answered with a 500."""
        self.refuses: set[str] = set()

    def app(self) -> Starlette:
        """Over HTTP."""
        return Starlette(
            routes=[
                Route("/aliases", self._answer, methods=["GET", "POST"]),
                Route("/aliases/{address}", self._answer, methods=["PUT", "DELETE"]),
                Route("/aliases/{address}/password", self._answer, methods=["GET"]),
            ]
        )

    async def _answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return JSONResponse({}, 401)
        method, address = request.method, request.path_params.get("address", "")
        self.calls[method] += 1
        if method in self.refuses:
            return JSONResponse({"detail": "no"}, 422)
        if address and address not in self.aliases:
            return JSONResponse({}, 404)
        answer = await self._done(request, method, address)
        return JSONResponse({}, 500) if method in self.breaks_after else JSONResponse(answer)

    async def _done(self, request: Request, method: str, address: str) -> dict[str, str]:
        match method:
            case "POST":
                wanted = str((await request.json())["address"])
                self.bought.append(wanted)
                self.aliases[wanted] = ""
                self.setting_up.add(wanted)
            case "PUT":
                self.aliases[address] = str((await request.json())["to"])
            case "DELETE":
                del self.aliases[address]
            case _ if address:
                return {"password": f"pw-of-{address}"}
            case _:
                return {one: "new" if one in self.setting_up else "active" for one in self.aliases}
        return {}
