"""What a provider is to the rest of the house: a name, the shape of its settings, a client, what can be asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from providers.accounts import AccountSettings, Clock
from providers.action import Action
from providers.http import Transport, Watcher
from providers.notices import Notices


class Client:
    """One account at a provider: what the house asks of it beside the provider's own endpoints."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self.clock = clock
        self._transport = transport

    def __repr__(self) -> str:
        return f"<{type(self).__name__} account={self._transport.account!r}>"

    async def verify_credentials(self) -> None:
        """Ask the provider for something harmless. Raises AuthExpired when it refuses this account."""
        raise NotImplementedError

    def resting_until(self) -> datetime | None:
        """Until when the account is left alone, so that every call would be NotSent; None when one may be sent."""
        return self._transport.resting_until()

    def watch_calls(self, watcher: Watcher) -> None:
        """Tell `watcher` of each try of a call from now on."""
        self._transport.watcher = watcher

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


class Connect(Protocol):
    """Opens a provider's client for one account. Nothing is sent yet; `sleep` is how it waits."""

    def __call__(
        self, name: str, settings: Any, clock: Clock, *, sleep: Callable[[float], Awaitable[None]] = ...
    ) -> Client: ...


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider, as `providers/catalogue.py` registers it.

    `name` is the word in `[accounts.<name>] provider = …`, `title` what people read.
    """

    name: str
    title: str
    settings: type[AccountSettings]
    connect: Connect
    actions: tuple[type[Action], ...]
    own_calls: tuple[str, ...] = ()
    """The documented calls that its client makes by itself, whatever was asked: to log in, to find its way."""
    notices: Notices | None = None
    """What of an account is worth knowing without having asked; None where its answers tell nothing of the kind."""
