"""What Smailor says of itself to the contract suite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from providers.accounts import Clock
from providers.action import Effect
from providers.errors import (
    AlreadyExists,
    AuthExpired,
    BadAnswer,
    Blocked,
    NeedsSubscription,
    NotFound,
    RateLimited,
    Rejected,
)
from providers.errors import OutcomeUnknown as Unclear
from providers.simulator import Fault
from providers.smailor.models import TemplateChanges, WantedTemplate
from providers.smailor.sandbox import SANDBOX_COOKIE, SANDBOX_KEY, SandboxMailbox, SmailorSandbox, password_of, serve
from tests.providers.contract import Call, Contract, Listing, Means, Word

READ, WRITE, SPEND, DESTROY = Effect.READ, Effect.WRITE, Effect.SPEND, Effect.DESTROY
TICKET, TEMPLATE = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "tmpl-1"
NEW = WantedTemplate(name="Thanks", subject="Re: {{subject}}", body_html="<p>Thank you.</p>")


def furnished(clock: Clock) -> SmailorSandbox:
    sandbox = SmailorSandbox(clock, shows_passwords=True)
    sandbox.own("mail.acme.com")
    sandbox.mailboxes.append(SandboxMailbox("john@mail.acme.com", "John", clock.now()))
    sandbox.tickets[TICKET] = {"subject": "About a customer"}
    sandbox.templates[TEMPLATE] = sandbox.templates.pop(sandbox.add_template("Old"))
    return sandbox


def domains(sandbox: SmailorSandbox, count: int) -> None:
    sandbox.domains.clear()
    sandbox.own(*(f"acme-{number}.com" for number in range(count)))


def templates(sandbox: SmailorSandbox, count: int) -> None:
    sandbox.templates.clear()
    for number in range(count):
        sandbox.add_template(f"Template {number}")


def reputation(sandbox: SmailorSandbox, word: str) -> None:
    sandbox.domains["mail.acme.com"].reputation = word


async def reputation_read(client: Any) -> Any:
    return (await client.domains())[0].reputation


BY_KEY = (
    Call("domains", READ, lambda c: c.domains()),
    Call("create a mailbox", WRITE, lambda c: c.create_mailbox("jane", "mail.acme.com", "Jane")),
    Call("send", SPEND, lambda c: c.send("x@y.com", "john@mail.acme.com", "Hi", text="Hello")),
)
BY_SESSION = (
    Call("templates", READ, lambda c: c.templates()),
    Call("create a template", WRITE, lambda c: c.create_template(NEW)),
    Call("template", READ, lambda c: c.template(TEMPLATE)),
    Call("change a template", WRITE, lambda c: c.update_template(TEMPLATE, TemplateChanges(subject="New"))),
    Call("delete a template", DESTROY, lambda c: c.delete_template(TEMPLATE)),
    Call("preview", READ, lambda c: c.preview_template(TEMPLATE, TICKET)),
    Call("note its use", WRITE, lambda c: c.note_template_used(TEMPLATE)),
)


def same(error: Any) -> tuple[Any, Any, Any]:
    return error, error, error


DOMAINS = Listing(domains, lambda c: c.domains(), lambda domain: domain.name)


def contract(way: str, settings: Mapping[str, Any]) -> Contract:
    return Contract(
        provider="smailor",
        way=way,
        sandbox=furnished,
        serve=serve,
        settings={"api_key": SANDBOX_KEY, **settings},
        wrong=({"api_key": "Wrong-Secret-1"},),
        calls=BY_KEY,
        read="domains",
        write="create a mailbox",
        spend="send",
        done=lambda sandbox: len(sandbox.mailboxes) + len(sandbox.messages),
        hidden=lambda sandbox: [password_of(mailbox.address) for mailbox in sandbox.mailboxes],
        meanings=(
            Means(Fault.unknown_shape(), BadAnswer),
            Means(Fault.answers(200, word="address_taken"), *same(AlreadyExists)),
            Means(Fault.answers(200, word="unauthorized"), *same(AuthExpired)),
            Means(Fault.answers(200), BadAnswer, Unclear, Unclear),
            Means(Fault.answers(200, body={"success": False}), BadAnswer, Unclear, Unclear),
            Means(Fault.answers(200, body={"domains": [{"no": "name"}]}), BadAnswer),
            Means(Fault.answers(400), *same(Rejected)),
            Means(Fault.answers(400, word="domain_not_verified"), *same(Rejected)),
            Means(Fault.answers(402), *same(NeedsSubscription)),
            Means(Fault.answers(403), *same(Blocked)),
            Means(Fault.answers(403, word="forbidden"), *same(NeedsSubscription)),
            Means(Fault.answers(403, word="card_not_verified"), *same(NeedsSubscription)),
            Means(Fault.answers(403, word="too_many_requests"), *same(RateLimited)),
            Means(Fault.answers(404), *same(NotFound)),
            Means(Fault.answers(409), *same(Rejected)),
            Means(Fault.answers(409, word="address_taken"), *same(AlreadyExists)),
            Means(Fault.answers(409, body={"error": {"code": "address_taken", "message": "x"}}), *same(AlreadyExists)),
            Means(Fault.answers(409, word="domain_reputation_blocked"), *same(Blocked)),
            Means(Fault.answers(500, word="address_taken"), None, Unclear, Unclear),
        ),
        listings=(DOMAINS,),
        words=(Word("a reputation", reputation, reputation_read),),
    )


SIGNED_IN = replace(
    contract("x-api-key-and-cookie", {"key_header": "x-api-key", "session_cookie": SANDBOX_COOKIE}),
    wrong=({"api_key": "Wrong-Secret-1"}, {"session_cookie": "smailor_session=Wrong-Secret-2"}),
    calls=(*BY_KEY, *BY_SESSION),
    hidden=lambda sandbox: [
        *(password_of(mailbox.address) for mailbox in sandbox.mailboxes),
        *sandbox.tickets[TICKET].values(),
    ],
    listings=(DOMAINS, Listing(templates, lambda c: c.templates(), lambda template: template.id)),
)

CONTRACTS = (contract("bearer", {}), SIGNED_IN)
