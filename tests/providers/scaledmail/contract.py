"""What ScaledMail says of itself to the contract suite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from providers.accounts import Clock
from providers.action import Effect
from providers.errors import AlreadyExists, BadAnswer, Blocked, NeedsSubscription, NotFound, Rejected
from providers.errors import OutcomeUnknown as Unclear
from providers.scaledmail.models import Sequencer, WantedInbox
from providers.scaledmail.sandbox import (
    SANDBOX_KEY,
    SANDBOX_ORGANIZATION,
    SANDBOX_SECOND_ORGANIZATION,
    ScaledMailSandbox,
    password_of,
    serve,
)
from providers.simulator import Fault, Work
from tests.providers.contract import Call, Contract, Listing, Means, Word

READ, REVEAL, SPEND = Effect.READ, Effect.REVEAL, Effect.SPEND
SEQUENCER_SECRET = "S3CRET-of-the-sequencer"
WANTED = [WantedInbox(id=f"rec{number:014d}", domain=f"warm-{number}.com") for number in range(2)]
SEQUENCER = Sequencer(
    provider="Instantly",
    username="ana@acme.com",
    password=SecretStr(SEQUENCER_SECRET),
    link="https://app.instantly.ai",
)


def furnished(clock: Clock) -> ScaledMailSandbox:
    sandbox = ScaledMailSandbox(clock)
    sandbox.own("acme.com")
    sandbox.put_on_shelf("warm-0.com", "warm-1.com")
    return sandbox


def with_one_organization(clock: Clock) -> ScaledMailSandbox:
    sandbox = furnished(clock)
    del sandbox.organizations[SANDBOX_SECOND_ORGANIZATION]
    return sandbox


def shelf(sandbox: ScaledMailSandbox, count: int) -> None:
    sandbox.stock.clear()
    sandbox.put_on_shelf(*(f"warm-{number}.com" for number in range(count)))


def domains(sandbox: ScaledMailSandbox, count: int) -> None:
    sandbox.domains.clear()
    sandbox.own(*(f"acme-{number}.com" for number in range(count)))


def mailboxes(sandbox: ScaledMailSandbox, count: int) -> None:
    sandbox.domains.clear()
    sandbox.own("huge.com", mailboxes=count)


async def inboxes(client: Any) -> Any:
    return (await client.prewarm_stock()).inboxes


def row(operation: str, listing: str, key: str, **others: str) -> Any:
    """Rows of a listing that say a word under a key."""

    def say(sandbox: ScaledMailSandbox, word: str) -> None:
        body = {listing: [{**others, key: word}]}
        sandbox.faults.add(operation, Fault.answers(200, body=body), times=3)

    return say


def shelf_named(sandbox: ScaledMailSandbox, word: str) -> None:
    body = {"total": 1, word: [{"id": "rec1", "domain": "proton.com"}]}
    sandbox.faults.add("stock", Fault.answers(200, body=body), times=3)


async def first(answer: Any, fact: str) -> Any:
    return getattr((await answer)[0], fact)


def contract(way: str, sandbox: Any, settings: Mapping[str, Any]) -> Contract:
    return Contract(
        provider="scaledmail",
        way=way,
        sandbox=sandbox,
        serve=serve,
        settings={"api_key": SANDBOX_KEY, **settings},
        wrong=({"api_key": "Wrong-Secret-1"},),
        calls=(
            Call("organizations", READ, lambda c: c.organizations()),
            Call("stock", READ, lambda c: c.prewarm_stock()),
            Call("buy", SPEND, lambda c: c.buy_prewarm(WANTED, tag="req_1")),
            Call("buy with a sequencer", SPEND, lambda c: c.buy_prewarm(WANTED, tag="req_1", sequencer=SEQUENCER)),
            Call("domains", READ, lambda c: c.domains()),
            Call("purchased", READ, lambda c: c.purchased_domains(available=True)),
            Call("mailboxes", READ, lambda c: c.mailboxes("dom000001")),
            Call("passwords", REVEAL, lambda c: c.mailbox_passwords("dom000001")),
        ),
        read="domains",
        write=None,
        spend="buy with a sequencer",
        done=lambda sandbox: len(sandbox.purchases),
        hidden=lambda sandbox: [
            SEQUENCER_SECRET,
            *(password_of(box) for domain in sandbox.domains.values() for box in domain.mailboxes),
        ],
        meanings=(
            Means(Fault.cut_after(work=Work.HALF), spend=Unclear),
            Means(Fault.unknown_shape(), BadAnswer),
            Means(Fault.answers(200, body={"domains": [{"no": "name"}, 7]}), BadAnswer),
            Means(Fault.answers(200, work=Work.ALL, body={"success": False}), BadAnswer, spend=Unclear),
            Means(Fault.answers(400), Rejected, spend=Unclear),
            Means(Fault.answers(400, work=Work.ALL, word="created but unable to charge"), spend=Unclear),
            Means(Fault.answers(402), NeedsSubscription, spend=Unclear),
            Means(Fault.answers(402, work=Work.ALL), spend=Unclear),
            Means(Fault.answers(403), Blocked, spend=Blocked),
            Means(Fault.answers(404, work=Work.HALF), NotFound, spend=Unclear),
            Means(Fault.answers(409, work=Work.HALF), BadAnswer, spend=Unclear),
        ),
        never={AlreadyExists: "no answer says so: a 409 may be about the second of several domains"},
        listings=(
            Listing(shelf, inboxes, lambda inbox: inbox.id),
            Listing(domains, lambda c: c.all_domains(), lambda domain: domain.name),
            Listing(mailboxes, lambda c: c.mailboxes("dom000001"), lambda mailbox: mailbox.email),
        ),
        words=(
            Word("a domain", row("domains", "domains", "status", name="a.co"), lambda c: first(c.domains(), "status")),
            Word(
                "a payment",
                row("domains", "domains", "payment_status", name="a.co"),
                lambda c: first(c.domains(), "payment"),
            ),
            Word(
                "a platform",
                row("domains", "domains", "provider", name="a.co"),
                lambda c: first(c.domains(), "platform"),
            ),
            Word(
                "a mailbox",
                row("mailboxes", "mailboxes", "status", email="a@a.co"),
                lambda c: first(c.mailboxes("dom000001"), "status"),
            ),
            Word("a shelf", shelf_named, lambda c: first(inboxes(c), "platform")),
        ),
    )


CONTRACTS = (
    contract("in-an-organization", furnished, {"organization_id": SANDBOX_ORGANIZATION}),
    contract("in-its-only-one", with_one_organization, {}),
)
