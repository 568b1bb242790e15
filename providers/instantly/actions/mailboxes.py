"""What people can ask of Instantly about sending accounts and their limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from providers.action import (
    Action,
    Done,
    Effect,
    Failed,
    Item,
    ItemState,
    Outcome,
    Pick,
    Table,
    Unknown,
    choices,
    from_words,
)
from providers.errors import OutcomeUnknown, ProviderError, Rejected
from providers.fields import problem
from providers.instantly.actions.common import (
    LONGEST_NAME,
    MOST_SENDERS,
    Addresses,
    Number,
    at_most,
    refuse_unknown_senders,
)
from providers.instantly.client import InstantlyClient
from providers.instantly.models import AccountStatus, Limits, LimitsReadBack, SendingAccount
from providers.listing import PAGE, Listing, counted

MOST_ONE_BY_ONE = 50
"""Sending accounts whose gap or warm-up limit is changed in one request: each is a call of its own."""

ACCOUNT_STATUS_WORDS: Mapping[AccountStatus, str] = {
    AccountStatus.ACTIVE: "active",
    AccountStatus.PAUSED: "paused",
    AccountStatus.MAINTENANCE: "in maintenance",
    AccountStatus.CONNECTION_ERROR: "connection error",
    AccountStatus.SOFT_BOUNCE: "soft bounces",
    AccountStatus.SENDING_ERROR: "sending error",
}
LIMIT_WORDS: Mapping[str, str] = {
    "daily_limit": "daily limit",
    "sending_gap": "sending gap",
    "warmup_limit": "warm-up limit",
}


def _some_limit(value: int | None, info: ValidationInfo) -> int | None:
    """Stands at the last field. Where another field was wrong, that is told instead."""
    if not {"addresses", "daily_limit", "sending_gap"} <= info.data.keys():
        return value
    one_by_one = value is not None or info.data["sending_gap"] is not None
    if not one_by_one and info.data["daily_limit"] is None:
        raise problem("Nothing would change. Fill in at least one of the limits.")
    if one_by_one and len(info.data["addresses"]) > MOST_ONE_BY_ONE:
        raise problem(
            f"The gap and the warm-up limit are set one account after the other, for at most {MOST_ONE_BY_ONE} in one "
            f"request; these are {len(info.data['addresses'])}. Only e-mails a day can be set for more."
        )
    return value


class ListSendingAccounts(
    Listing,
    provider="instantly",
    command="mailbox accounts",
    title="Sending accounts",
    effect=Effect.READ,
    calls=("POST /api/v1/account/list",),
):
    """List sending accounts with their warm-up score, tags and limits."""

    search: Annotated[str, Field(max_length=LONGEST_NAME)] = Field(
        "",
        title="Search for",
        description="Part of an address or a name. Leave empty to see all.",
        json_schema_extra=from_words(),
    )
    status: Literal["any", "active", "paused", "maintenance", "connection_error", "soft_bounce", "sending_error"] = (
        Field(
            "any",
            title="Status",
            json_schema_extra=choices(
                {"any": "Any", **{status.value: word.capitalize() for status, word in ACCOUNT_STATUS_WORDS.items()}}
            ),
        )
    )

    @classmethod
    def usage(cls) -> str:
        return "[part of an address]"

    @classmethod
    def prefill(cls, words: Sequence[str]) -> dict[str, Any]:
        return {"search": " ".join(words)}

    async def run(self, client: InstantlyClient, key: str) -> Outcome:
        search = self.search.strip()
        accounts: list[SendingAccount] = []
        rows = 0
        while rows <= PAGE:  # the one too many tells whether there is a next page
            piece = await client.accounts(
                skip=(self.page - 1) * PAGE + rows,
                limit=PAGE + 1 - rows,
                search=search or None,
                status=None if self.status == "any" else AccountStatus(self.status),
            )
            fresh = [account for account in piece.accounts if account not in accounts]
            if not piece.rows or (piece.accounts and not fresh):
                break
            accounts += fresh
            rows += piece.rows  # Instantly may give fewer at a time than it is asked for
        shown = accounts[:PAGE]
        matching = f" matching “{search}”" if search else ""
        if self.status != "any":
            matching += f" with the status “{ACCOUNT_STATUS_WORDS[AccountStatus(self.status)]}”"
        return self.told(
            f"{counted(len(shown), 'sending account')}{matching}",
            nothing=f"There are no {self.more}sending accounts{matching}.",
            table=Table(
                columns=("Address", "Status", "Warm-up score", "A day", "Warm-up a day", "Gap", "Tags"),
                rows=tuple(_account_row(account) for account in shown),
                pick=Pick(command=SetMailboxLimits.command, field="addresses", button="Change their limits …"),
            ),
            next_page=self.page + 1 if rows > PAGE else None,
        )


class SetMailboxLimits(
    Action,
    provider="instantly",
    command="mailbox limits",
    title="Sending limits",
    effect=Effect.WRITE,
    calls=("POST /api/v1/account/list", "POST /api/v1/account/update", "POST /backend/api/v1/account/update/bulk"),
):
    """Change the limits of one or more sending accounts."""

    addresses: Annotated[Addresses, at_most(MOST_SENDERS, "addresses")] = Field(
        title="Sending accounts", description="Their addresses, one per line.", json_schema_extra=from_words()
    )
    daily_limit: Number = Field(None, title="E-mails a day", description="Leave empty to keep it.")
    sending_gap: Number = Field(
        None,
        title="Gap between e-mails",
        description="In the unit that Instantly shows beside it. Leave empty to keep it.",
    )
    warmup_limit: Annotated[Number, AfterValidator(_some_limit)] = Field(
        None, title="Warm-up e-mails a day", description="Leave empty to keep it.", validate_default=True
    )

    @classmethod
    def usage(cls) -> str:
        return "[address …]"

    def headline(self) -> str:
        what = self.addresses[0] if len(self.addresses) == 1 else f"{len(self.addresses)} sending accounts"
        return f"Set the limits of {what}: {self._wanted()}"

    def subjects(self) -> tuple[str, ...]:
        return tuple(self.addresses)

    async def check(self, client: InstantlyClient) -> None:
        await refuse_unknown_senders(client, "addresses", self.addresses)

    async def run(self, client: InstantlyClient, key: str) -> Outcome:
        """Set, then read back: that Instantly says "success" proves nothing (endpoint rows 93 and 96)."""
        sent, stopped = await self._send(client)
        if stopped is not None and not sent:
            raise stopped
        unclear = stopped if isinstance(stopped, OutcomeUnknown) else None
        try:
            found = await client.read_back(self.addresses, self._limits())
        except ProviderError as error:
            sentence, status = error.sentence, error.status
        else:
            return self._reported(found, stopped, unclear)
        raise OutcomeUnknown(
            f"Instantly took the limits of {counted(sent, 'sending account')}, but they could not be read back. "
            f"{sentence}",
            status=status,
        )

    async def reconcile(self, client: InstantlyClient, key: str) -> Outcome:
        found = await client.read_back(self.addresses, self._limits())
        unclear = OutcomeUnknown("It is not clear whether Instantly changed all of the limits.")
        return self._reported(found, unclear, unclear)

    async def _send(self, client: InstantlyClient) -> tuple[int, ProviderError | None]:
        """How many accounts Instantly said yes for, and what went wrong. Addresses it does not know are not sent."""
        limits = self._limits()
        found = await client.find_accounts(self.addresses)
        addresses = [account.email for account in found.values()]  # in Instantly's own spelling
        sent, refused = 0, None
        try:
            if len(addresses) > 1 and limits.daily_limit is not None and limits.as_sent().keys() == {"daily_limit"}:
                await client.update_accounts(addresses, limits.daily_limit)
                return len(addresses), None
            for address in addresses:
                try:
                    await client.update_account(address, limits)
                except Rejected as error:
                    refused = error
                else:
                    sent += 1
        except ProviderError as error:
            return sent, error
        return sent, refused

    def _reported(
        self, found: LimitsReadBack, stopped: ProviderError | None, unclear: OutcomeUnknown | None
    ) -> Outcome:
        total, applied = len(self.addresses), len(found.applied)
        absent = ItemState.NOT_DONE if unclear is None else ItemState.UNKNOWN
        items = tuple(self._item(address, found, absent) for address in self.addresses)
        if applied == total:
            whose = f"{self.addresses[0]} has" if total == 1 else f"All {total} sending accounts have"
            return Done(summary=f"{whose} the new limits now: {self._wanted()}.", items=items)
        so_far = f"{applied} of {counted(total, 'sending account')} {'has' if applied == 1 else 'have'} the new limits."
        if unclear is not None:
            evidence = f"{so_far} Asking again with the same limits does no harm."
            return Unknown(summary=unclear.sentence, evidence=evidence, items=items)
        if stopped is not None:
            return Failed(summary=f"{so_far} {stopped.sentence}", cure=stopped.cure, items=items)
        return Failed(
            summary=f"{so_far} The others show something else, although Instantly did not complain.",
            cure="Check the addresses and figures below; asking again with the same limits does no harm.",
            items=items,
        )

    def _item(self, address: str, found: LimitsReadBack, absent: ItemState) -> Item:
        if address in found.differing:
            lacking = ", ".join(LIMIT_WORDS[name] for name in found.differing[address])
            return Item(name=address, state=absent, note=f"not applied: {lacking}")
        if address in found.missing:
            return Item(name=address, state=ItemState.NOT_DONE, note="not among the sending accounts")
        return Item(name=address, note=self._wanted())

    def _limits(self) -> Limits:
        return Limits(daily_limit=self.daily_limit, sending_gap=self.sending_gap, warmup_limit=self.warmup_limit)

    def _wanted(self) -> str:
        wanted = self._limits().model_dump(exclude_none=True)
        return ", ".join(f"{LIMIT_WORDS[name]} {value}" for name, value in wanted.items())


def _account_row(account: SendingAccount) -> tuple[str, ...]:
    status = ACCOUNT_STATUS_WORDS.get(account.status, f"unknown ({account.raw_status[:40] or 'nothing said'})")
    score = "–" if account.warmup_score is None else f"{account.warmup_score:g}"
    numbers = (account.daily_limit, account.warmup_limit, account.sending_gap)
    tags = ", ".join(tag.label for tag in account.tags)
    return (account.email, status, score, *("–" if number is None else str(number) for number in numbers), tags or "–")


ACTIONS: tuple[type[Action], ...] = (
    ListSendingAccounts,
    SetMailboxLimits,
)
