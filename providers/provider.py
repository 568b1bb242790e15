"""What a provider is to the rest of the house: a name, the shape of its settings, how to connect, what can be asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from providers.accounts import AccountSettings, Clock
from providers.action import Action
from providers.notices import Notices


class Connect(Protocol):
    """Opens a provider's client for one account. Nothing is sent yet; `sleep` is how it waits."""

    def __call__(
        self, name: str, settings: Any, clock: Clock, *, sleep: Callable[[float], Awaitable[None]] = ...
    ) -> Any:
        """The client: it has `clock`, `verify_credentials()`, `resting_until()`, `watch_calls()` and `aclose()` beside
        its methods."""
        ...


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
