"""Roost: a method per endpoint, and what its answers mean."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pydantic import Field, HttpUrl, JsonValue, SecretStr

from providers.accounts import AccountSettings, Clock
from providers.action import Effect
from providers.errors import AuthExpired, BadAnswer, NotFound, OutcomeUnknown, ProviderError, Rejected, Upstream
from providers.http import Transport
from providers.provider import Client


class RoostSettings(AccountSettings):
    """`[accounts.<name>]` of an account at Roost."""

    base_url: HttpUrl = Field(HttpUrl("https://api.roost.example"), description="Where Roost's API lives.")
    api_key: SecretStr = Field(description="The account's API key.")


class RoostClient(Client):
    """One account at Roost."""

    def __init__(self, transport: Transport, settings: RoostSettings, clock: Clock) -> None:
        super().__init__(transport, clock)
        self._key = settings.api_key

    async def verify_credentials(self) -> None:
        """Raises AuthExpired when Roost refuses the key."""
        await self.aliases()

    async def aliases(self) -> dict[str, str]:
        """The state of each address: `active`, or another word while it is being set up."""
        body = await self._call("GET", "/aliases", Effect.READ)
        return {str(address): str(state) for address, state in body.items()}

    async def buy(self, address: str) -> None:
        """Buy an address. It is active some time later."""
        await self._call("POST", "/aliases", Effect.SPEND, {"address": address})

    async def forward(self, address: str, to: str) -> None:
        """Forward an address elsewhere."""
        await self._call("PUT", f"/aliases/{address}", Effect.WRITE, {"to": to})

    async def delete(self, address: str) -> None:
        """Give an address up."""
        await self._call("DELETE", f"/aliases/{address}", Effect.DESTROY)

    async def password(self, address: str) -> SecretStr:
        """What opens an address."""
        body = await self._call("GET", f"/aliases/{address}/password", Effect.REVEAL)
        return SecretStr(str(body.get("password", "")))

    async def _call(self, method: str, path: str, effect: Effect, json: object = None) -> dict[str, JsonValue]:
        """The transport paces, limits and repeats by `effect`; what a status means is said here."""
        headers = {"Authorization": f"Bearer {self._key.get_secret_value()}"}
        answer = await self._transport.call(method, path, effect=effect, json=json, headers=headers)
        if 200 <= answer.status < 300 and isinstance(answer.body, dict):
            return answer.body
        raise _error(answer.status, effect)


def _error(status: int, effect: Effect) -> ProviderError:
    reads = effect in (Effect.READ, Effect.REVEAL)
    if status in (401, 403):
        return AuthExpired("Roost refuses this account's key. Nothing was changed.", status=status)
    if status == 404:
        return NotFound("Roost has no such address.", status=status)
    if 400 <= status < 500:
        return Rejected("Roost refused the request. Nothing was changed.", status=status)
    if not reads:  # it may have happened before it broke: never taken at its word, never repeated
        return OutcomeUnknown("Roost did not say clearly whether it happened.", status=status)
    return Upstream("Roost is in trouble.", status=status) if status >= 500 else BadAnswer("Roost spoke in riddles.")


def connect(
    name: str,
    settings: RoostSettings,
    clock: Clock,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> RoostClient:
    """The client of the account `name`. Nothing is sent yet."""
    return RoostClient(Transport.for_account(name, settings, clock, sleep=sleep), settings, clock)
