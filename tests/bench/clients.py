"""What a provider's client costs beside bare httpx and bare JSON, and what drawing a form costs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from pydantic import HttpUrl, SecretStr

from handlers.slack import forms
from providers.accounts import Account, PriceList
from providers.catalogue import built_in
from providers.mailin.client import connect
from providers.mailin.lenient import read_page
from providers.mailin.models import Mailbox
from providers.mailin.settings import MailinSettings
from tests.bench.canned import PER_PAGE, TOKEN, page_of_mailboxes
from tests.bench.processes import printing
from tests.bench.watched import Clock

AT_ONCE = (1, 16)
MAILBOXES = 10_000


@dataclass(slots=True)
class Clients:
    """Calls a second by how many at a time, a value for each round; seconds for the rest."""

    ours: dict[int, list[float]] = field(default_factory=dict)
    httpx: dict[int, list[float]] = field(default_factory=dict)
    listing: list[float] = field(default_factory=list)
    """10,000 mailboxes, from the answer's bytes to records."""
    loads: list[float] = field(default_factory=list)
    """`json.loads` of the same bytes."""
    forms: dict[str, float] = field(default_factory=dict)
    """The median for each command and provider."""

    def throughput(self, at_once: int) -> float:
        """The median of the rounds' ratios."""
        return statistics.median(a / b for a, b in zip(self.ours[at_once], self.httpx[at_once], strict=True))

    def parsing(self) -> float:
        """The median of the rounds' ratios."""
        return statistics.median(a / b for a, b in zip(self.listing, self.loads, strict=True))

    def slowest_form(self) -> tuple[str, float]:
        """Which, and its seconds."""
        return max(self.forms.items(), key=lambda one: one[1])


async def measure_clients(rounds: int, calls: int, say: Callable[[str], None]) -> Clients:
    """Both clients against one server that answers at once, pacing off, both reading each answer; then the rest."""
    measured = Clients({number: [] for number in AT_ONCE}, {number: [] for number in AT_ONCE})
    with TemporaryDirectory(prefix="postroom-bench-") as name:
        async with contextlib.AsyncExitStack() as stack:
            server = await stack.enter_async_context(printing("tests.bench.canned", Path(name) / "canned.log"))
            settings = MailinSettings(
                provider="mailin",
                base_url=HttpUrl(server["url"]),
                email=SecretStr("bench@acme.test"),
                password=SecretStr("bench-password"),
                min_seconds_between_calls=0,
            )
            ours = connect("bench", settings, Clock())
            stack.push_async_callback(ours.aclose)
            bare = await stack.enter_async_context(
                httpx.AsyncClient(base_url=server["url"], headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False)
            )

            async def ask_ours() -> None:
                assert len((await ours.mailboxes()).data) == PER_PAGE

            async def ask_bare() -> None:
                answer = await bare.get("/api/v1/public/mailboxes", params={"page": 1, "per_page": PER_PAGE})
                assert len(answer.raise_for_status().json()["data"]) == PER_PAGE

            await _rate(ask_ours, 20, 4)
            await _rate(ask_bare, 20, 4)
            for number in range(rounds):
                for at_once in AT_ONCE:
                    say(f"round {number + 1} of {rounds}: clients, {at_once} at a time")
                    measured.ours[at_once].append(await _rate(ask_ours, calls, at_once))
                    measured.httpx[at_once].append(await _rate(ask_bare, calls, at_once))
    listing = json.dumps(page_of_mailboxes(MAILBOXES)).encode()
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}: a listing of {MAILBOXES:,}")
        measured.loads.append(_seconds(lambda: json.loads(listing)))
        measured.listing.append(_seconds(lambda: read_page(json.loads(listing), Mailbox.read, 1, MAILBOXES)))
    measured.forms = _forms(say)
    return measured


async def _rate(ask: Callable[[], Awaitable[None]], calls: int, at_once: int) -> float:
    left = iter(range(calls))

    async def caller() -> None:
        for _ in left:
            await ask()

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    return calls / (time.perf_counter() - began)


def _forms(say: Callable[[str], None], times: int = 15) -> dict[str, float]:
    catalogue = built_in()
    took: dict[str, float] = {}
    for command in catalogue.commands():
        for provider, action in catalogue.variants(command).items():
            say(f"the form of {command}")
            accounts = [Account(f"{provider}-main", provider, None, PriceList())]
            drawn = [_seconds(lambda: forms.form(action, "req_bench", accounts)) for _ in range(times)]  # noqa: B023
            took[f"/{command} at {provider}"] = statistics.median(drawn)
    return took


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
