"""What every provider must say of itself for the contract suite, and how its accounts are opened there.

Each provider has an entry of its own, `CONTRACTS` in `tests/providers/<name>/contract.py`: one for each way in which
an account of it can be set up. `test_contract.py` asks the catalogue which providers there are, and then for theirs.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import SecretStr

from providers.accounts import AccountSettings, Clock
from providers.action import Effect
from providers.catalogue import registered
from providers.errors import ProviderError
from providers.http import PATIENCE_SECONDS
from providers.provider import Provider
from providers.simulator import Fault, Kind

CHANGES_NOTHING = (Effect.READ, Effect.REVEAL)
SENT_ONCE = (Effect.SPEND, Effect.DESTROY)


@dataclass(frozen=True)
class Call:
    """One documented call, as a client makes it of the furnished sandbox. A SPEND here is what must be sent once."""

    name: str
    effect: Effect
    do: Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True)
class Means:
    """What a client concludes from a fault, by the effect of the call; None where that is no concern of this provider.

    `again` is whether a reading is tried three times.
    """

    fault: Fault
    read: type[ProviderError] | None = None
    write: type[ProviderError] | None = None
    spend: type[ProviderError] | None = None
    again: bool = False

    def of(self, effect: Effect) -> type[ProviderError] | None:
        """The class of error after a call of this effect."""
        return self.read if effect in CHANGES_NOTHING else self.write if effect is Effect.WRITE else self.spend


@dataclass(frozen=True)
class Listing:
    """A listing: how so many rows get into the sandbox, how all are read, and by what one of them is asked about."""

    fill: Callable[[Any, int], object]
    read: Callable[[Any], Awaitable[Sequence[Any]]]
    handle: Callable[[Any], str | int | None]


@dataclass(frozen=True)
class Word:
    """A fact with a vocabulary: how it comes to be told as some word, and what the client then makes of it."""

    of: str
    say: Callable[[Any, str], object]
    read: Callable[[Any], Awaitable[StrEnum]]


@dataclass(frozen=True)
class Contract:
    """One way of having an account at a provider.

    `sandbox` is furnished with all that `calls` are about. `wrong` are settings with one credential wrong each. `read`,
    `write` and `spend` name the calls that are tried with every fault; what the changes among them really did is told
    by `done`, which counts. `hidden` are secrets that the provider itself tells in its answers. `never` are errors that
    this provider cannot cause, with the reason.
    """

    provider: str
    way: str
    sandbox: Callable[[Clock], Any]
    serve: Callable[..., AbstractAsyncContextManager[Any]]
    settings: Mapping[str, Any]
    wrong: tuple[Mapping[str, Any], ...]
    calls: tuple[Call, ...]
    read: str
    write: str | None
    spend: str
    done: Callable[[Any], int]
    meanings: tuple[Means, ...]
    listings: tuple[Listing, ...]
    words: tuple[Word, ...]
    never: Mapping[type[ProviderError], str] = field(default_factory=dict)
    shown: frozenset[str] = frozenset()
    """Of what the settings keep secret, that which an answer tells on purpose, to whoever has asked for it."""
    hidden: Callable[[Any], Iterable[str]] = lambda _: ()
    limited_apart: frozenset[str] = frozenset()
    """The calls that are limited by what they are about, and not with all others of the account."""
    log_in: str | None = None
    """The sandbox's operation for logging in, where there is one: then a 401 is answered with a fresh log-in and the
    same call once more, the one case of a spend that is sent twice."""

    def __str__(self) -> str:
        return f"{self.provider}-{self.way}"

    def call(self, name: str) -> Call:
        """The call of this name. Raises KeyError."""
        return {call.name: call for call in self.calls}[name]

    def tried(self) -> list[Call]:
        """The calls that are tried with every fault, the reading first."""
        return [self.call(name) for name in (self.read, self.write, self.spend) if name is not None]

    def secrets(self, **changed: Any) -> list[str]:
        """What is secret in the settings of this account: whatever they keep as such."""
        return secrets_in(self.account_settings("http://127.0.0.1:1", **changed))

    def account_settings(self, url: str, **changed: Any) -> AccountSettings:
        """The settings of an account at `url`, without any pacing unless it is asked for."""
        said = {"provider": self.provider, "base_url": url, "timeout_seconds": 5}
        paces = {"min_seconds_between_calls": 0, "min_seconds_between_writes": 0}
        return provider_named(self.provider).settings(**(said | paces | dict(self.settings) | changed))


def secrets_in(settings: AccountSettings) -> list[str]:
    """Every secret that settings hold."""
    values = (getattr(settings, name) for name in type(settings).model_fields)
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


def provider_named(name: str) -> Provider:
    """The registered provider of this name."""
    return next(provider for provider in registered() if provider.name == name)


def contracts() -> list[Contract]:
    """The entries of all registered providers. Raises LookupError, saying what to write, where one has none."""
    found: list[Contract] = []
    for provider in registered():
        module = f"tests.providers.{provider.name}.contract"
        try:
            entries: tuple[Contract, ...] = importlib.import_module(module).CONTRACTS
        except (ModuleNotFoundError, AttributeError) as missing:
            path = module.replace(".", "/") + ".py"
            raise LookupError(
                f"The provider {provider.name!r} is registered, but says nothing of itself to the contract suite: "
                f"write {path} with a tuple CONTRACTS of Contract, one for each way of having an account."
            ) from missing
        found += entries
    return found


class Stage:
    """A furnished sandbox that listens, and accounts opened at it."""

    def __init__(self, contract: Contract, sandbox: Any, url: str, clock: Any) -> None:
        self.contract = contract
        self.sandbox = sandbox
        self.url = url
        self.clock = clock
        self.opened: list[Any] = []

    def open(self, *, sleep: Callable[[float], Awaitable[None]] | None = None, **changed: Any) -> Any:
        """The client of an account, with some settings changed. Nothing is sent yet."""
        settings = self.contract.account_settings(changed.pop("base_url", self.url), **changed)
        connect = provider_named(self.contract.provider).connect
        client = connect("main", settings, self.clock, sleep=sleep or self.clock.sleep)
        self.opened.append(client)
        return client

    async def warm(self, **changed: Any) -> Any:
        """A client that has made one reading, and so has logged in, or found out whatever it has to find out."""
        client = self.open(**changed)
        await self.contract.call(self.contract.read).do(client)
        self.sandbox.arrived.clear()
        return client

    def spoil(self, fault: Fault, times: int = 5) -> None:
        """Let the next calls go wrong, whichever they are."""
        self.sandbox.faults.clear()
        for operation in self.sandbox.faults.operations:
            if operation != self.contract.log_in:
                self.sandbox.faults.add(operation, fault, times)

    def arrived(self) -> int:
        """How often the first call since the client was warm has arrived, log-ins apart."""
        came = [call.operation for call in self.sandbox.arrived if call.operation != self.contract.log_in]
        return came.count(came[0]) if came else 0


@asynccontextmanager
async def staged(contract: Contract, clock: Any) -> AsyncIterator[Stage]:
    """A stage of its own, closed in the end."""
    sandbox = contract.sandbox(clock)
    async with contract.serve(sandbox) as running:
        stage = Stage(contract, sandbox, running.url, clock)
        try:
            yield stage
        finally:
            for client in stage.opened:
                await client.aclose()


def times_sent(fault: Fault, effect: Effect, *, again: bool, renews_log_in: bool) -> int:
    """How often a call of this effect may arrive when it meets the same fault every time."""
    if fault.status == 401 and fault.kind is Kind.STATUS:
        return 2 if renews_log_in else 1
    if fault.status == 429 and fault.kind is Kind.STATUS:
        waits = fault.retry_after is None or int(fault.retry_after) <= PATIENCE_SECONDS
        return 3 if waits and effect not in SENT_ONCE else 1
    return 3 if again and effect in CHANGES_NOTHING else 1


def told_by(thing: object) -> str:
    """All that somebody might write down of a thing, or of an exception."""
    texts = [repr(thing), str(thing)]
    if isinstance(thing, BaseException):
        texts += [*traceback.format_exception(thing), repr(vars(thing))]
        assert thing.__context__ is None, "errors drag nothing along that a log might unfold"
    if hasattr(thing, "model_dump_json"):
        texts.append(thing.model_dump_json())
    return "".join(texts)
