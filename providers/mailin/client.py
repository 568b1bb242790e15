"""Mailin.ai: a typed method for each endpoint. What they share is in `session.py`, each noun has a file of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from providers.accounts import Clock
from providers.http import BUSY, Transport
from providers.mailin.account import AccountCalls
from providers.mailin.azure import AzureCalls
from providers.mailin.domains import DomainCalls
from providers.mailin.mailboxes import MailboxCalls
from providers.mailin.sequencers import SequencerCalls
from providers.mailin.session import UPSTREAM_TROUBLE, has_no_such_thing
from providers.mailin.settings import MailinSettings
from providers.mailin.verification import VerificationCalls

__all__ = ["MailinClient", "MailinSettings", "connect"]


class MailinClient(AccountCalls, DomainCalls, MailboxCalls, SequencerCalls, AzureCalls, VerificationCalls):
    """One account at Mailin.ai.

    Every method raises ProviderErrors only. Of a change, OutcomeUnknown is the one error after which something may have
    happened; after any other, nothing did.
    """

    def __repr__(self) -> str:
        return f"<MailinClient account={self._transport.account!r}>"


def connect(
    name: str,
    settings: MailinSettings,
    clock: Clock,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> MailinClient:
    """The client of the account `name`. Nothing is sent yet."""
    transport = Transport.for_account(
        name, settings, clock, sleep=sleep, busy=BUSY | {UPSTREAM_TROUBLE}, is_plain=has_no_such_thing
    )
    return MailinClient(transport, settings, clock)
