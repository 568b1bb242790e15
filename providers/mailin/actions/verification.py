"""What people can ask of Mailin about verifying addresses. It is paid in credits, and quoted in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue

from providers.accounts import PriceList
from providers.action import (
    Action,
    Chart,
    Done,
    Download,
    Effect,
    Failed,
    Item,
    ItemState,
    Outcome,
    Pending,
    Quote,
    QuoteLine,
    Refused,
    Table,
    Unknown,
    choices,
    from_words,
)
from providers.errors import NotFound, ProviderError
from providers.fields import EmailAddress, Kind, parse_addresses, problem
from providers.files import from_file
from providers.http import File
from providers.listing import PAGE, Listing, amount, counted, listed
from providers.mailin.actions.common import SEE_CREDITS, some_text, words_into
from providers.mailin.client import MailinClient
from providers.mailin.models import SingleVerification, TaskState, Verdict, VerificationTask, VerificationType
from providers.mailin.verification import MOST_ADDRESSES, MOST_FILE_BYTES

CREDITS_EACH: Mapping[str, int] = {"standard": 1, "catch_all": 7}
"""What verifying an address costs. Not documented, but seen in use."""

KIND_NAMES: Mapping[str, str] = {"standard": "Standard", "catch_all": "Catch-all"}

_VERDICTS: Mapping[str, str] = {
    Verdict.DELIVERABLE: "Deliverable",
    Verdict.CATCH_ALL: "Catch-all",
    Verdict.RISKY: "Risky",
    Verdict.UNDELIVERABLE: "Undeliverable",
    Verdict.UNKNOWN: "Unknown",
    "invalid": "Invalid",
    "duplicate": "Duplicate",
}
_LAST_ENTRIES = 3


def _once_each(most: int | None, instead: str = "") -> AfterValidator:
    def check(addresses: list[str]) -> list[str]:
        once = list({address.lower(): address for address in addresses}.values())
        if not once:
            raise problem("Paste at least one address.")
        if most is not None and len(once) > most:
            raise problem(f"These are {len(once):,} addresses; at most {most:,} go into one request.{instead}")
        return once

    return AfterValidator(check)


def _as_csv(addresses: Sequence[str]) -> bytes:
    """None of them has anything in it that a CSV file or a spreadsheet would take for more than text."""
    return "\n".join(["email", *addresses]).encode()


def _fit_into_a_file(addresses: list[str]) -> list[str]:
    size, most = len(_as_csv(addresses)), MOST_FILE_BYTES // 1024 // 1024
    if size > MOST_FILE_BYTES:
        raise problem(f"These are {size / 1024 / 1024:,.1f} MB of addresses; Mailin takes at most {most} MB at once.")
    return addresses


class _Verification(Action):
    """What is paid in credits."""

    @property
    def _kind(self) -> VerificationType:
        raise NotImplementedError

    async def _priced(self, client: MailinClient, number: int, what: str, prices: PriceList, *, field: str) -> Quote:
        """In credits; what these are worth is said where the operator has told the price of one (`credit`).

        Raises Refused, with a sentence for `field`, where the balance does not cover them: before anybody is asked, and
        once more right before it is sent, because others spend of it meanwhile.
        """
        await self._can_pay(client, number, field)
        needed = CREDITS_EACH[self._kind] * number
        worth = prices.price("credit")
        about = f", worth {amount(worth * needed)} {prices.currency}" if worth is not None else ""
        return Quote(lines=(QuoteLine(what=f"{what}{about}", price=Decimal(needed)),), currency="credits")

    async def _can_pay(self, client: MailinClient, number: int, field: str) -> None:
        needed, balance = CREDITS_EACH[self._kind] * number, await client.credit_balance()
        if needed > balance:
            has = f"the account has {balance:,}" if balance else "the account has none"
            cure = "Buy credits at Mailin" + (", or verify fewer addresses." if number > 1 and balance else ".")
            raise Refused({field: f"This costs {counted(needed, 'credit')}, and {has}. {cure}"})

    async def reconcile(self, client: MailinClient, key: str) -> Outcome:
        """The ledger names neither addresses nor times, so it proves nothing; a person may recognise its entries."""
        balance, entries = await client.credit_balance(), (await client.credit_history()).data[:_LAST_ENTRIES]
        last = "; ".join(
            f"{entry.reason or 'no reason given'} ({_change(entry.credit, entry.debit)})" for entry in entries
        )
        return Unknown(
            summary="It is not clear whether Mailin has begun this verification.",
            evidence=f"The account has {counted(balance, 'credit')}. "
            + (f"The latest that came or went: {last}." if last else "None have come or gone so far."),
        )


class VerifyAddress(
    _Verification,
    provider="mailin",
    command="verify one",
    title="Verify an address",
    effect=Effect.SPEND,
    calls=(*SEE_CREDITS, "POST /api/v1/public/verify-single-email", "GET /api/v1/public/get-single-email"),
):
    """Find out whether mail to an address would arrive."""

    address: EmailAddress = Field(title="Address", description="Such as ana@acme.com.", json_schema_extra=from_words())
    kind: VerificationType = Field(
        "standard",
        title="Kind",
        description="Standard costs 1 credit. Catch-all costs 7, and also looks behind domains that take any address.",
        json_schema_extra=choices(KIND_NAMES),
    )

    @classmethod
    def usage(cls) -> str:
        return "name@domain.com"

    @property
    def _kind(self) -> VerificationType:
        return self.kind

    def headline(self) -> str:
        return f"Verify {self.address} ({KIND_NAMES[self.kind].lower()})"

    def subjects(self) -> tuple[str, ...]:
        return (self.address,)

    async def quote(self, client: MailinClient, prices: PriceList) -> Quote:
        return await self._priced(client, 1, self.address, prices, field="kind")

    async def run(self, client: MailinClient, key: str) -> Outcome:
        return self._told(await client.verify_address(self.address, self.kind), {})

    async def poll(self, client: MailinClient, ref: Mapping[str, JsonValue]) -> Outcome:
        return self._told(await client.verified_address(str(ref["task_id"])), ref)

    def _told(self, known: SingleVerification, ref: Mapping[str, JsonValue]) -> Outcome:
        if known.result is None and known.state is TaskState.FAILED:
            return Failed(
                summary=f"Mailin could not verify {self.address}.",
                cure="See with “verify credits” whether the credits came back, then ask again.",
                # Only of lists Mailin says that the credits come back.
                items=(Item(name=self.address, state=ItemState.UNKNOWN if known.credits_used else ItemState.NOT_DONE),),
            )
        at_work = known.state is TaskState.RUNNING and known.result is Verdict.UNKNOWN
        if known.result is None or at_work:
            task_id = known.task_id or str(ref.get("task_id", ""))
            return Pending(ref={"task_id": task_id}, progress=f"Mailin is verifying it (task {task_id}).")
        return Done(
            summary=_verdict_on(self.address, known), items=(Item(name=self.address, note=_verdict_word(known)),)
        )


class VerifyList(
    _Verification,
    provider="mailin",
    command="verify list",
    title="Verify a list",
    effect=Effect.SPEND,
    calls=(*SEE_CREDITS, "POST /api/v1/public/verify-bulk-emails", "GET /api/v1/public/get-task-detail"),
):
    """Find out which of many addresses mail would arrive at."""

    addresses: Annotated[
        list[str],
        BeforeValidator(parse_addresses),
        _once_each(MOST_ADDRESSES, " Ask with “verify file” instead."),
        Kind.ADDRESS,
    ] = Field(
        title="Addresses",
        description=f"One per line, at most {MOST_ADDRESSES}. What is there twice is verified once.",
        json_schema_extra=from_words() | from_file("email"),
    )
    kind: VerificationType = Field(
        "standard",
        title="Kind",
        description="Standard costs 1 credit an address. Catch-all costs 7, and also looks behind domains that take "
        "any address.",
        json_schema_extra=choices(KIND_NAMES),
    )

    @classmethod
    def usage(cls) -> str:
        return "[name@domain.com …]"

    @property
    def _kind(self) -> VerificationType:
        return self.kind

    def headline(self) -> str:
        return f"Verify {counted(len(self.addresses), 'address', 'addresses')} ({KIND_NAMES[self.kind].lower()})"

    async def quote(self, client: MailinClient, prices: PriceList) -> Quote:
        number = len(self.addresses)
        what = f"{counted(number, 'address', 'addresses')}: {listed(self.addresses, 3)}"
        return await self._priced(client, number, what, prices, field="addresses")

    async def run(self, client: MailinClient, key: str) -> Outcome:
        task_id = await client.verify_addresses(self.addresses, self.kind)
        return Pending(ref={"task_id": task_id}, progress=f"Mailin is verifying the addresses (task {task_id}).")

    async def poll(self, client: MailinClient, ref: Mapping[str, JsonValue]) -> Outcome:
        task = await client.verification_task(str(ref["task_id"]))
        match task.state:
            case TaskState.FINISHED:
                done = _counts(task, len(self.addresses))
                get = f"“verify result {task.task_id}” gives you the addresses."
                return done.model_copy(update={"summary": f"{done.summary} {get}"})
            case TaskState.FAILED:
                return Failed(
                    summary=f"Mailin could not verify the addresses: {task.reason or 'it does not say why'}.",
                    cure="Mailin gives back the credits of a failed task: see “verify credits”, then ask again.",
                )
            case TaskState.UNKNOWN:
                progress = "Mailin reports a state that Postroom does not know"
            case _:
                progress = "Mailin is verifying the addresses"
        return Pending(ref=dict(ref), progress=f"{progress} (task {task.task_id}).")


class VerifyFile(
    VerifyList,
    provider="mailin",
    command="verify file",
    title="Verify a file",
    effect=Effect.SPEND,
    calls=(*SEE_CREDITS, "POST /api/v1/public/verify-bulk-file", "GET /api/v1/public/get-task-detail"),
):
    """Find out which addresses of a CSV or XLSX file mail would arrive at."""

    addresses: Annotated[
        list[str], BeforeValidator(parse_addresses), _once_each(None), AfterValidator(_fit_into_a_file), Kind.ADDRESS
    ] = Field(
        title="Addresses",
        description="As many as you like. What is there twice is verified once.",
        json_schema_extra=from_words() | from_file("email", is_large=True),
    )

    async def run(self, client: MailinClient, key: str) -> Outcome:
        """Endpoint row 82. Mailin gets the addresses alone, and nothing else of what was in the file."""
        task_id = await client.verify_file(File("addresses.csv", _as_csv(self.addresses), "text/csv"), self.kind)
        return Pending(ref={"task_id": task_id}, progress=f"Mailin is verifying the addresses (task {task_id}).")


# Looking at what was begun.


class _OfTask(Action):
    """What is asked of a verification, by the id that Mailin gave it."""

    task: Annotated[str, AfterValidator(some_text("the task's id, such as bulk_123", 200))] = Field(
        title="Task",
        description="Its id: the thread of the verification names it.",
        json_schema_extra=from_words(),
    )

    @classmethod
    def usage(cls) -> str:
        return "task-id"

    def subjects(self) -> tuple[str, ...]:
        return (self.task,)

    async def _known(self, client: MailinClient) -> VerificationTask | SingleVerification:
        """Of a list or of one address: the ids alone do not tell which. Raises NotFound."""
        try:
            return await client.verification_task(self.task)
        except NotFound:
            pass
        try:
            return await client.verified_address(self.task)
        except NotFound:
            raise NotFound(
                f"Mailin knows no verification “{self.task}”.",
                cure="Check the id, and the account you asked for. The thread of the verification names both.",
            ) from None


class VerificationStatus(
    _OfTask,
    provider="mailin",
    command="verify status",
    title="How a verification is",
    effect=Effect.READ,
    calls=("GET /api/v1/public/get-single-email", "GET /api/v1/public/get-task-detail"),
):
    """See how far a verification has got."""

    async def run(self, client: MailinClient, key: str) -> Outcome:
        known = await self._known(client)
        reason = known.reason if isinstance(known, VerificationTask) else ""
        rows = known.total_rows if isinstance(known, VerificationTask) else 1
        of = f" with {counted(rows, 'address', 'addresses')}" if rows else ""
        if known.state is TaskState.FINISHED or getattr(known, "result", None) is not None:
            return Done(summary=f"The verification {self.task}{of} is finished. “verify result {self.task}” shows it.")
        if known.state is TaskState.FAILED:
            return Done(summary=f"The verification {self.task} has failed: {reason or 'Mailin does not say why'}.")
        if known.state is TaskState.UNKNOWN:
            return Done(summary=f"Mailin reports a state of {self.task} that Postroom does not know.")
        return Done(summary=f"The verification {self.task} is still running.")


class VerificationResult(
    _OfTask,
    provider="mailin",
    command="verify result",
    title="Result",
    effect=Effect.READ,
    calls=(
        "GET /api/v1/public/get-single-email",
        "GET /api/v1/public/get-task-detail",
        "POST /api/v1/public/download-verified-emails",
    ),
):
    """See what came of a verification, and get the addresses of a list to take away: they are given to you alone."""

    which: Annotated[str, AfterValidator(some_text("which ones, such as deliverable, or all", 50))] = Field(
        "deliverable",
        title="Addresses to take away",
        description="Such as deliverable, catch_all, invalid, risky, undeliverable, unknown or all.",
    )

    @classmethod
    def usage(cls) -> str:
        return "task-id [deliverable|all|…]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return words_into(words, "task", "which")

    async def run(self, client: MailinClient, key: str) -> Outcome:
        known = await self._known(client)
        if isinstance(known, VerificationTask) and known.state is TaskState.FINISHED:
            return await self._with_addresses(client, _counts(known, known.total_rows or 0), known)
        if isinstance(known, SingleVerification) and known.result is not None:
            return Done(summary=_verdict_on(known.email or "The address", known))
        if known.state is TaskState.FAILED:
            return Done(summary=f"The verification {self.task} has failed, so there is no result.")
        return Done(summary=f"The verification {self.task} has no result yet. Ask again later.")

    async def _with_addresses(self, client: MailinClient, done: Done, task: VerificationTask) -> Done:
        """The result with what there is to take away (endpoint row 87). That it cannot be had spoils no result."""
        which = self.which.lower().replace("-", "_").replace(" ", "_")
        if task.counts.get(which) == 0:
            return done.model_copy(update={"summary": f"{done.summary} None of them is {which.replace('_', '-')}."})
        try:
            found = await client.download_results(self.task, which)
        except ProviderError as error:
            return done.model_copy(
                update={"summary": f"{done.summary} The addresses themselves could not be had. {error.sentence}"}
            )
        name = f"{re.sub(r'[^A-Za-z0-9_-]+', '-', f'{self.task}-{which}')}.csv"
        return done.model_copy(update={"download": Download(name=name, link=found.link, content=found.csv)})


class ShowCredits(
    Action,
    provider="mailin",
    command="verify credits",
    title="Credits",
    effect=Effect.READ,
    calls=("GET /api/v1/public/get-credits",),
):
    """See how many credits are left."""

    async def run(self, client: MailinClient, key: str) -> Outcome:
        balance = await client.credit_balance()
        if not balance:
            return Done(summary="The account has no credits. Buy some at Mailin before you verify addresses.")
        each = CREDITS_EACH["catch_all"]
        return Done(
            summary=f"The account has {counted(balance, 'credit')}: enough for {balance:,} standard or "
            f"{balance // each:,} catch-all verifications."
        )


class CreditHistory(
    Listing,
    provider="mailin",
    command="verify history",
    title="Credit history",
    effect=Effect.READ,
    calls=("GET /api/v1/public/credit-history",),
):
    """See what credits were spent on, the latest first. Mailin gives no dates."""

    async def run(self, client: MailinClient, key: str) -> Outcome:
        shown = await client.credit_history(page=self.page, per_page=PAGE)
        return self.told(
            "How the credits came and went, the latest first",
            nothing="That was all." if self.page > 1 else "No credits have come or gone so far.",
            table=Table(
                columns=("What for", "Change", "Left"),
                rows=tuple(
                    (entry.reason, _change(entry.credit, entry.debit), _number(entry.total_credit))
                    for entry in shown.data
                ),
            ),
            next_page=shown.next_page,
        )


def _counts(task: VerificationTask, asked: int) -> Done:
    """The result of a list, with the shares that there are any of."""
    shares = tuple((_share(name), count) for name, count in task.counts.items() if count > 0)
    total = task.total_rows or asked or sum(count for _, count in shares)
    good = task.counts.get(Verdict.DELIVERABLE)
    of = counted(total, "address", "addresses")
    return Done(
        summary=f"{good:,} of {of} {'is' if good == 1 else 'are'} deliverable."
        if good is not None
        else f"The verification of {of} is finished, but Mailin does not say how many of them are deliverable.",
        chart=Chart(title="Verified addresses", shares=shares) if shares else None,
    )


def _share(name: str) -> str:
    return _VERDICTS.get(name, name.replace("_", " ").capitalize())


def _verdict_on(address: str, known: SingleVerification) -> str:
    told = {
        Verdict.DELIVERABLE: f"{address} is deliverable.",
        Verdict.CATCH_ALL: f"{address}: its domain takes mail for any address, so this one may not exist.",
        Verdict.RISKY: f"{address} is risky: mail to it may bounce.",
        Verdict.UNDELIVERABLE: f"{address} is not deliverable: mail to it would bounce.",
    }
    return told.get(known.result or Verdict.UNKNOWN, f"Mailin could not find out whether {address} is deliverable.")


def _verdict_word(known: SingleVerification) -> str:
    word = _VERDICTS[known.result or Verdict.UNKNOWN].lower()
    return f"{word}, score {known.score}" if known.score else word


def _change(credit: int | None, debit: int | None) -> str:
    return f"-{debit:,}" if debit else f"+{credit or 0:,}"


def _number(value: Any) -> str:
    return "" if value is None else f"{value:,}"


ACTIONS: tuple[type[Action], ...] = (
    VerifyAddress,
    VerifyList,
    VerifyFile,
    VerificationStatus,
    VerificationResult,
    ShowCredits,
    CreditHistory,
)
