"""What Mailin says of itself to the contract suite."""

from __future__ import annotations

from typing import Any

from providers.accounts import Clock
from providers.errors import AlreadyExists, BadAnswer, Blocked, NeedsSubscription, NotFound, Rejected, Upstream
from providers.errors import OutcomeUnknown as Unclear
from providers.mailin.sandbox import SANDBOX_EMAIL, SANDBOX_PASSWORD, MailinSandbox, SandboxOrder, Work, serve
from providers.simulator import Fault
from tests.providers.contract import Call, Contract, Listing, Means, Word
from tests.providers.mailin.test_table import ROWS, UUID, furnished


def with_an_order(clock: Clock) -> MailinSandbox:
    sandbox, now = furnished(clock), clock.now()
    boxes = [{"name": "Ann Lee", "username": f"box{number}@azure.com"} for number in range(100)]
    sandbox.orders[sandbox.next_id("order")] = SandboxOrder(
        1, "azure.com", "auto", ["Ann Lee"], boxes, True, 1, None, now, now, now, upload_ends_at=now
    )
    return sandbox


def done(sandbox: MailinSandbox) -> int:
    subdomains = sum(domain.parent != domain.name for domain in sandbox.domains.values())
    return len(sandbox.purchases) + subdomains


def hidden(sandbox: MailinSandbox) -> list[str]:
    tokens = [part for token in sandbox._tokens for part in (token, token.split("|")[1])]
    boxes = sandbox.mailboxes.values()
    return [*tokens, *(secret for box in boxes for secret in (box.password, box.totp_secret, box.app_password))]


def job(operation: str) -> Any:
    return lambda sandbox, word: sandbox.faults.add(operation, Fault.job_says(word), times=3)


def domain(**said: object) -> Any:
    def say(sandbox: MailinSandbox, word: str) -> None:
        row = {"id": 1, "name": "acme.com", "status": "1", "name_server_status": "1"}
        body = row | {name: word if value is ... else value for name, value in said.items()}
        sandbox.faults.add("domain", Fault.answers(200, body=body), times=3)

    return say


async def _state(answer: Any) -> Any:
    return (await answer).state


async def _status(answer: Any) -> Any:
    return (await answer).status


def fill(sandbox: MailinSandbox, count: int) -> None:
    sandbox.mailboxes.clear()
    sandbox.own("huge.com")
    sandbox.own_mailboxes(*(f"box{number}@huge.com" for number in range(count)))


CONTRACTS = (
    Contract(
        provider="mailin",
        way="password",
        sandbox=with_an_order,
        serve=serve,
        settings={"email": SANDBOX_EMAIL, "password": SANDBOX_PASSWORD},
        wrong=({"email": "somebody.else@sandbox.example"}, {"password": "Wrong-Secret-1"}),
        calls=tuple(Call(f"row {row.number}", row.effect, row.call) for row in ROWS if row.number != 17),
        read="row 24",
        write="row 28",
        spend="row 29",
        done=done,
        log_in="login",
        shown=frozenset({SANDBOX_EMAIL}),
        hidden=hidden,
        meanings=(
            Means(Fault.cut_after(work=Work.HALF), spend=Unclear),
            Means(Fault.unknown_shape(), BadAnswer, spend=Unclear),
            Means(Fault.answers(200, work=Work.ALL), spend=Unclear),
            Means(Fault.answers(200, body={"error": True, "message": "No."}), Rejected, Rejected, Unclear),
            Means(Fault.answers(200, body={"success": False}), Rejected, Rejected, Unclear),
            Means(Fault.answers(310), Upstream, Unclear, Unclear, again=True),
            Means(Fault.answers(310, work=Work.ALL), None, Unclear, Unclear),
            Means(Fault.answers(311), Rejected, Rejected, Rejected),
            Means(Fault.answers(312), NeedsSubscription, NeedsSubscription, NeedsSubscription),
            Means(Fault.answers(313), Upstream, Unclear, Unclear),
            Means(Fault.answers(313, work=Work.HALF), None, Unclear, Unclear),
            Means(Fault.answers(313, work=Work.ALL), None, Unclear, Unclear),
            Means(Fault.answers(400), BadAnswer, Unclear, Unclear),
            Means(Fault.answers(403), Blocked, Blocked, Blocked),
            Means(Fault.answers(404), NotFound, NotFound, NotFound),
            Means(Fault.answers(409), BadAnswer, Unclear, Unclear),
            Means(Fault.answers(409, word="It already exists."), AlreadyExists, AlreadyExists, AlreadyExists),
            Means(Fault.answers(500, word="No query results for model."), NotFound, Unclear, Unclear),
        ),
        listings=(Listing(fill, lambda c: c.mailboxes_of("huge.com"), lambda mailbox: mailbox.username),),
        words=(
            Word("a batch of domains", job("job_status"), lambda c: _state(c.job_status(UUID))),
            Word("a batch of mailboxes", job("mailbox_job"), lambda c: _state(c.mailbox_job(UUID))),
            Word("an order", job("order_status"), lambda c: _state(c.azure_order_status(1))),
            Word("a verification", job("task"), lambda c: _state(c.verification_task("bulk_1"))),
            Word("a domain", domain(status=...), lambda c: _status(c.domain(1))),
        ),
    ),
)
