"""A sixth provider: what a newcomer writes for it, and that Slack needs to be told nothing.

Roost sells addresses that forward mail. Everything a provider's folder has is here in one file: settings, client,
actions (one of each effect), the provider, and its simulated self. `docs/adding-a-provider.md` quotes this file.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, HttpUrl, JsonValue, SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.reference import actions_page
from providers.accounts import AccountSettings, Clock, PriceList
from providers.action import (
    Action,
    Done,
    Effect,
    Item,
    ItemState,
    Outcome,
    Pending,
    Quote,
    QuoteLine,
    Refused,
    Revealed,
    Unknown,
    from_words,
)
from providers.catalogue import account_types, built_in, registered
from providers.errors import AuthExpired, BadAnswer, NotFound, OutcomeUnknown, ProviderError, Rejected, Upstream
from providers.fields import EmailAddress
from providers.http import Transport, Watcher
from providers.provider import Provider
from providers.simulator import serving
from tests.house import House, open_house, reading

DOCS = Path(__file__).parents[2] / "docs" / "adding-a-provider.md"
KEY = "roost-key-1234"


# The client: a method per endpoint, and the one error taxonomy.


class RoostSettings(AccountSettings):
    """`[accounts.<name>]` of an account at Roost."""

    base_url: HttpUrl = Field(HttpUrl("https://api.roost.example"), description="Where Roost's API lives.")
    api_key: SecretStr = Field(description="The account's API key.")


class RoostClient:
    """One account at Roost."""

    def __init__(self, transport: Transport, settings: RoostSettings, clock: Clock) -> None:
        self.clock = clock
        self._transport = transport
        self._key = settings.api_key

    def resting_until(self) -> datetime | None:
        """Until when the account is left alone, because Roost keeps failing; None when it may be called."""
        return self._transport.resting_until()

    def watch_calls(self, watcher: Watcher) -> None:
        """Tell `watcher` of each try of a call from now on: the meters count them."""
        self._transport.watcher = watcher

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

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


# The actions: a class per thing people can ask.


class ListAliases(
    Action,
    provider="roost",
    command="mailbox aliases",
    title="Aliases",
    effect=Effect.READ,
    calls=("GET /aliases",),
):
    """List the addresses that forward mail."""

    async def run(self, client: RoostClient, key: str) -> Outcome:
        found = await client.aliases()
        if not found:
            return Done(summary="This account has no aliases.")
        return Done(
            summary=f"{len(found)} aliases.",
            items=tuple(Item(name=address, note=state) for address, state in found.items()),
        )


class BuyAlias(
    Action,
    provider="roost",
    command="mailbox alias-buy",
    title="Buy an alias",
    effect=Effect.SPEND,
    calls=("GET /aliases", "POST /aliases"),
):
    """Buy an address that forwards mail."""

    alias: EmailAddress = Field(title="Alias", description="Such as hi@acme.com.", json_schema_extra=from_words())

    @classmethod
    def usage(cls) -> str:
        return "[hi@name.com]"

    def headline(self) -> str:
        return f"Buy the alias {self.alias}"

    def subjects(self) -> tuple[str, ...]:
        return (self.alias,)

    async def check(self, client: RoostClient) -> None:
        if self.alias in await client.aliases():
            raise Refused({"alias": f"{self.alias} is in this account already."})

    async def quote(self, client: RoostClient, prices: PriceList) -> Quote:
        return Quote(lines=(QuoteLine(what=self.alias, price=prices.price("alias")),), currency=prices.currency)

    async def run(self, client: RoostClient, key: str) -> Outcome:
        await client.buy(self.alias)
        return Pending(ref={}, progress="Roost has taken the order.", done=0, total=1)

    async def poll(self, client: RoostClient, ref: Mapping[str, JsonValue]) -> Outcome:
        state = (await client.aliases()).get(self.alias)
        if state == "active":
            return Done(summary=f"{self.alias} is live.", items=(Item(name=self.alias, state=ItemState.LIVE),))
        return Pending(ref=dict(ref), progress="Roost is setting it up.", done=0, total=1)

    async def reconcile(self, client: RoostClient, key: str) -> Outcome:
        """It was not there when it was asked for, so its presence proves that it was bought."""
        if self.alias in await client.aliases():
            return await self.poll(client, {})
        return Unknown(summary="It is not clear whether it was bought.", evidence=f"{self.alias} is not listed (yet).")


# One of each other effect.


class _OfOneAlias(Action, provider="roost"):
    """What is asked of one alias."""

    alias: EmailAddress = Field(title="Alias", description="One that is there.", json_schema_extra=from_words())

    def subjects(self) -> tuple[str, ...]:
        return (self.alias,)


class ForwardAlias(_OfOneAlias, command="mailbox alias-forward", title="Forward an alias", effect=Effect.WRITE):
    """Forward an alias to another address."""

    to: EmailAddress = Field(title="To", description="Who gets its mail.")

    def headline(self) -> str:
        return f"Forward {self.alias} to {self.to}"

    @classmethod
    def prefill(cls, words: Any) -> dict[str, Any]:
        return dict(zip(("alias", "to"), words, strict=False))

    async def run(self, client: RoostClient, key: str) -> Outcome:
        await client.forward(self.alias, self.to)
        return Done(summary=f"Mail to {self.alias} goes to {self.to}.")


class DeleteAlias(_OfOneAlias, command="mailbox alias-delete", title="Delete an alias", effect=Effect.DESTROY):
    """Delete an alias for good."""

    async def run(self, client: RoostClient, key: str) -> Outcome:
        await client.delete(self.alias)
        return Done(summary=f"{self.alias} is gone.")


class ShowAliasPassword(_OfOneAlias, command="mailbox alias-password", title="Password", effect=Effect.REVEAL):
    """Show the password of an alias, once and to you alone."""

    async def reveal(self, client: RoostClient) -> Revealed:
        return Revealed(f"The password of {self.alias}.", (("Password", await client.password(self.alias)),))


class ListDomains(Action, provider="roost", command="domain list", title="List domains", effect=Effect.READ):
    """List the domains of an account, or those whose name has a word in it."""

    async def run(self, client: RoostClient, key: str) -> Outcome:
        names = sorted({address.partition("@")[2] for address in await client.aliases()})
        return Done(summary="The domains of the aliases.", items=tuple(Item(name=name) for name in names))


# The provider, put together for the catalogue.


ACTIONS: tuple[type[Action], ...] = (
    ListAliases,
    BuyAlias,
    ForwardAlias,
    DeleteAlias,
    ShowAliasPassword,
    ListDomains,
)


def roost() -> Provider:
    """The provider whose folder this is."""
    return Provider("roost", "Roost", RoostSettings, connect, ACTIONS)


# Its simulated self.


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


# Registered like any other, and asked for in Slack.


@pytest.fixture
def books() -> RoostSandbox:
    return RoostSandbox()


@pytest.fixture
async def house(tmp_path: Path, books: RoostSandbox) -> AsyncIterator[House]:
    """A house with an account at Mailin and one at Roost."""
    async with serving(books.app()) as url:
        account = RoostSettings(
            provider="roost", base_url=HttpUrl(url), api_key=SecretStr(KEY), min_seconds_between_calls=0
        )
        providers = (*registered(), roost())
        async with open_house(tmp_path, elsewhere={"roost": account}, providers=providers, starts=False) as house:
            await house.starts(prices={"roost": PriceList(prices={"alias": Decimal("4.50")})})
            yield house


def test_it_is_one_of_the_providers() -> None:
    providers = (*registered(), roost())

    assert built_in(providers).action("mailbox alias-buy", "roost") is BuyAlias
    assert set(built_in(providers).variants("domain list")) >= {"mailin", "roost"}
    assert account_types(providers)["roost"] is RoostSettings
    assert built_in().action("mailbox alias-buy", "roost") is None


def test_its_page_of_the_reference_writes_itself() -> None:
    page = actions_page((roost(),))

    assert "### `/mailbox alias-buy [hi@name.com]` at Roost" in page
    assert "Buy an address that forwards mail. *SPEND: costs money or credits: waits for a decision.*" in page
    assert "| Alias | required | Such as hi@acme.com. |" in page
    assert "Calls: `GET /aliases`, `POST /aliases`" in page


async def test_help_finds_it(house: House) -> None:
    ack = await house.ana.types("/postroom help forwards buy", channel="#outreach")

    assert ack is not None
    told = reading(ack.payload["blocks"])
    assert "`/mailbox alias-buy [hi@name.com]` Buy an address that forwards mail." in told
    assert "/domain buy" not in told


async def test_the_picker_opens_its_form(house: House) -> None:
    await house.ana.types("/mailbox", channel="#outreach")
    picker = await house.ana.sees_modal("picker")

    await house.ana.clicks(picker, "pick", value="mailbox alias-delete")

    form = await house.ana.sees_modal("form")
    assert (form.title, form.fields) == ("Delete an alias", ["account", "alias", "reason"])


async def test_a_purchase_from_the_command_to_the_last_line_of_the_thread(house: House, books: RoostSandbox) -> None:
    form = await house.form(house.ana, "/mailbox alias-buy hi@acme")
    await house.ana.fills(form, reason="For ACME")
    assert (await house.ana.submits(form)).errors == {
        "alias": "“hi@acme” is not an e-mail address: what follows the @ is not a domain."
    }
    await house.ana.fills(form, alias="hi@acme.com")
    await house.ana.submits(form)
    review = await house.ana.sees_modal("review")
    assert review.reads("*Total: $4.50*")
    await house.ana.submits(review)
    story = await house.story_of(house.ana)
    assert not books.bought

    await house.omar.clicks(story.card, "approve")
    await house.tick()
    assert await story.state() == "working"
    assert story.parent.reads("0 of 1")
    books.setting_up.clear()
    await house.runs_for(minutes=10)

    assert await story.state() == "succeeded"
    assert books.bought == ["hi@acme.com"]
    assert story.thread[-1].startswith(":tada: <@U0ANA> hi@acme.com is live. Cost: $4.50.")


async def test_an_unclear_answer_is_looked_up_and_never_repeated(house: House, books: RoostSandbox) -> None:
    books.breaks_after.add("POST")
    story = await bought(house)
    books.setting_up.clear()
    await house.runs_for(hours=1)

    assert await story.state() == "succeeded"
    assert books.bought == ["hi@acme.com"]
    assert any("It may or may not have happened" in said for said in story.thread)


async def test_a_no_is_told_in_the_thread(house: House, books: RoostSandbox) -> None:
    books.refuses.add("POST")
    story = await bought(house)

    assert await story.state() == "failed"
    assert story.thread[-1] == (
        ":x: <@U0ANA> Roost refused the request. Nothing was changed.\n:x: `hi@acme.com` — not bought\n"
        "*What to do now:* Change the request and ask again."
    )


async def test_it_is_refused_before_anybody_is_asked(house: House, books: RoostSandbox) -> None:
    books.aliases["hi@acme.com"] = ""
    form = await house.form(house.ana, "/mailbox alias-buy hi@acme.com")
    await house.ana.fills(form, reason="For ACME")
    await house.ana.submits(form)
    await house.tick()

    again = await house.ana.sees_modal("form")
    assert again.reads("hi@acme.com is in this account already.")
    assert again.values["alias"] == "hi@acme.com"


async def test_a_change_runs_when_asked(house: House, books: RoostSandbox) -> None:
    books.aliases["hi@acme.com"] = ""
    form = await house.form(house.ana, "/mailbox alias-forward hi@acme.com ana@other.com")
    await house.ana.submits(form)
    story = await house.story_of(house.ana)

    assert books.aliases == {"hi@acme.com": "ana@other.com"}
    assert story.thread == [":tada: <@U0ANA> Mail to hi@acme.com goes to ana@other.com."]


async def test_what_cannot_be_undone_waits_for_a_yes(house: House, books: RoostSandbox) -> None:
    books.aliases["hi@acme.com"] = ""
    form = await house.form(house.ana, "/mailbox alias-delete hi@acme.com")
    await house.ana.fills(form, reason="Not needed")
    await house.ana.submits(form)
    await house.ana.submits(await house.ana.sees_modal("review"))
    story = await house.story_of(house.ana)
    assert books.aliases

    await house.omar.clicks(story.card, "approve")
    await house.tick()

    assert not books.aliases
    assert story.thread[-1] == ":tada: <@U0ANA> hi@acme.com is gone."


async def test_a_credential_is_shown_to_an_approver_alone(house: House, books: RoostSandbox) -> None:
    books.aliases["hi@acme.com"] = ""
    form = await house.form(house.omar, "/mailbox alias-password hi@acme.com")
    await house.omar.submits(form)
    await house.tick()

    shown = await house.omar.sees_modal("answer")
    assert shown.reads("pw-of-hi@acme.com")
    await house.omar.closes(shown)
    assert "pw-of-hi@acme.com" not in house.everything_shown()


async def test_a_question_is_answered_at_once(house: House, books: RoostSandbox) -> None:
    books.aliases["hi@acme.com"] = ""
    await house.ana.types("/mailbox aliases", channel="#outreach")
    await house.tick()

    assert "*1 aliases.*\n• `hi@acme.com` — active" in house.privately(house.ana, "#outreach")[-1]


async def test_where_two_providers_can_do_it_the_form_asks_which(house: House, books: RoostSandbox) -> None:
    books.aliases["hi@acme.com"] = ""
    form = await house.form(house.ana, "/domain list")
    assert form.fields == ["account", "name"]

    await house.ana.chooses(form, "account", "roost")
    await house.tick()
    assert form.fields == ["account"]
    await house.ana.submits(form)
    await house.tick()

    assert (await house.ana.sees_modal("answer")).reads("`acme.com`")


def test_the_guide_shows_what_is_here() -> None:
    """Every Python block of the guide is a piece of this file, or of the catalogue."""
    here = Path(__file__).read_text() + (DOCS.parents[1] / "providers" / "catalogue.py").read_text()
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)

    assert len(blocks) >= 4
    for block in blocks:
        assert block.strip() in here, block


async def bought(house: House) -> Any:
    """The alias is asked for and approved."""
    form = await house.form(house.ana, "/mailbox alias-buy hi@acme.com")
    await house.ana.fills(form, reason="For ACME")
    await house.ana.submits(form)
    await house.ana.submits(await house.ana.sees_modal("review"))
    story = await house.story_of(house.ana)
    await house.omar.clicks(story.card, "approve")
    await house.tick()
    return story
