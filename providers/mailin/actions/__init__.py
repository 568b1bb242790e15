"""What people can ask of Mailin.ai, a class each, by noun."""

from __future__ import annotations

from providers.action import Action
from providers.mailin.actions import account, domains, mailboxes, orders, sequencers, verification
from providers.mailin.actions.domains import (
    LISTING_LAG,
    MOST_CHECKED,
    MOST_DOMAINS,
    TLDS,
    BuyDomains,
    CheckDomains,
    ListDomains,
)

__all__ = [
    "ACTIONS",
    "LISTING_LAG",
    "MOST_CHECKED",
    "MOST_DOMAINS",
    "TLDS",
    "BuyDomains",
    "CheckDomains",
    "ListDomains",
]

ACTIONS: tuple[type[Action], ...] = (
    *domains.ACTIONS,
    *mailboxes.ACTIONS,
    *verification.ACTIONS,
    *account.ACTIONS,
    *orders.ACTIONS,
    *sequencers.ACTIONS,
)
"""What `providers/catalogue.py` offers of Mailin, in the order of the help text."""
