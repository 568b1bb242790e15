"""What MailAPI says of itself to the contract suite."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from providers.accounts import Clock
from providers.action import Effect
from providers.errors import AlreadyExists, AuthExpired, BadAnswer, Blocked, NeedsSubscription, NotFound, Rejected
from providers.errors import OutcomeUnknown as Unclear
from providers.mailapi.sandbox import IMAP_PASSWORD, SANDBOX_CALLER_ID, SANDBOX_KEY, MailApiSandbox, serve
from providers.simulator import Fault, Work
from tests.providers.contract import Call, Contract, Listing, Means, Word

READ, WRITE, SPEND = Effect.READ, Effect.WRITE, Effect.SPEND
OTHER_KEY = SANDBOX_KEY[::-1]


def furnished(clock: Clock, *, edition: Literal["classic", "header"]) -> MailApiSandbox:
    """One that has a domain, a task for one mailbox (123) and a task for several (124)."""
    sandbox = MailApiSandbox(clock, edition=edition)
    sandbox.own("acme.com", mailboxes=1)
    sandbox.begin("single", "acme.com", ["ann"], 1024, asked=["ann"])
    sandbox.begin("bulk", "acme.com", ["bob1"], 1024, asked=["bob1"])
    return sandbox


def domains(sandbox: MailApiSandbox, count: int) -> None:
    sandbox.domains.clear()
    for number in range(count):
        sandbox.own(f"acme-{number}.com")


def mailboxes(sandbox: MailApiSandbox, count: int) -> None:
    sandbox.mailboxes.clear()
    sandbox.own("huge.com", mailboxes=count)


def domain_says(sandbox: MailApiSandbox, word: str) -> None:
    sandbox.domains["acme.com"].status = word


def mailbox_says(sandbox: MailApiSandbox, word: str) -> None:
    sandbox.mailboxes["m1@acme.com"].status = word


async def domain_status(client: Any) -> Any:
    return (await client.domains())[0].status


async def mailbox_status(client: Any) -> Any:
    return (await client.mailboxes("acme.com"))[0].status


async def task_state(answer: Any) -> Any:
    return (await answer).state


def task(operation: str) -> Any:
    return lambda sandbox, word: sandbox.faults.add(operation, Fault.job_says(word), times=3)


def same(error: Any) -> tuple[Any, Any, Any]:
    return error, error, error


def contract(way: str, edition: Literal["classic", "header"], settings: Mapping[str, Any]) -> Contract:
    return Contract(
        provider="mailapi",
        way=way,
        sandbox=partial(furnished, edition=edition),
        serve=serve,
        settings={"key": SANDBOX_KEY, "edition": edition, **settings},
        wrong=({"key": OTHER_KEY}, {"caller_id": 7}),
        calls=(
            Call("domains", READ, lambda c: c.domains()),
            Call("create a domain", WRITE, lambda c: c.create_domain("new.com")),
            Call("create sub-domains", SPEND, lambda c: c.create_sub_domains("acme.com", ["team", "b-2"])),
            Call("create a mailbox", WRITE, lambda c: c.create_mailbox("acme.com", "john", display_name="John")),
            Call("create mailboxes", WRITE, lambda c: c.create_mailboxes("acme.com", "team", 4)),
            Call("mailboxes", READ, lambda c: c.mailboxes("acme.com")),
            Call("task of one", READ, lambda c: c.mailbox_task("123")),
            Call("task of several", READ, lambda c: c.mailboxes_task("124")),
        ),
        read="domains",
        write="create mailboxes",
        spend="create sub-domains",
        limited_apart=frozenset({"create sub-domains"}),
        done=lambda sandbox: len(sandbox.made),
        hidden=lambda sandbox: [IMAP_PASSWORD],
        meanings=(
            Means(Fault.cut_after(work=Work.HALF), None, Unclear, Unclear),
            Means(Fault.unknown_shape(), BadAnswer, Unclear, Unclear),
            Means(Fault.answers(200), *same(Rejected)),
            Means(Fault.answers(400), *same(Rejected)),
            Means(Fault.answers(400, body={}), BadAnswer, Unclear, Unclear),
            Means(Fault.answers(402), *same(NeedsSubscription)),
            Means(Fault.answers(403), *same(AuthExpired)),
            Means(Fault.answers(403, body={}), *same(Blocked)),
            Means(Fault.answers(404), *same(NotFound)),
            Means(Fault.answers(409), *same(AlreadyExists)),
        ),
        listings=(
            Listing(mailboxes, lambda c: c.mailboxes("huge.com"), lambda mailbox: mailbox.address),
            Listing(domains, lambda c: c.domains(), lambda domain: domain.name),
        ),
        words=(
            Word("a domain", domain_says, domain_status),
            Word("a mailbox", mailbox_says, mailbox_status),
            Word("the task of one", task("mailbox_task"), lambda c: task_state(c.mailbox_task("123"))),
            Word("the task of several", task("mailboxes_task"), lambda c: task_state(c.mailboxes_task("124"))),
        ),
    )


CONTRACTS = (
    contract("classic", "classic", {"caller_id": SANDBOX_CALLER_ID}),
    contract("bearer", "header", {"caller_id": SANDBOX_CALLER_ID}),
    contract("x-api-key", "header", {"key_header": "X-Api-Key"}),
)
