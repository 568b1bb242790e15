"""What people can ask of ScaledMail, a class each, by noun."""

from __future__ import annotations

from providers.action import Action
from providers.scaledmail.actions import domains, mailboxes, organizations, prewarm
from providers.scaledmail.actions.domains import ListDomains, ListPurchased
from providers.scaledmail.actions.mailboxes import ListMailboxes, ShowMailboxPasswords
from providers.scaledmail.actions.organizations import ListOrganizations
from providers.scaledmail.actions.prewarm import LISTING_LAG, MOST_DOMAINS, BrowsePrewarmed, BuyPrewarmed, ListPrewarmed

__all__ = [
    "ACTIONS",
    "LISTING_LAG",
    "MOST_DOMAINS",
    "BrowsePrewarmed",
    "BuyPrewarmed",
    "ListDomains",
    "ListMailboxes",
    "ListOrganizations",
    "ListPrewarmed",
    "ListPurchased",
    "ShowMailboxPasswords",
]

ACTIONS: tuple[type[Action], ...] = (
    *prewarm.ACTIONS,
    *domains.ACTIONS,
    *mailboxes.ACTIONS,
    *organizations.ACTIONS,
)
"""What `providers/catalogue.py` offers of ScaledMail, in the order of the help text."""
