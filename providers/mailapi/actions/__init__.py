"""What people can ask of MailAPI, a class each, by noun."""

from __future__ import annotations

from providers.action import Action
from providers.mailapi.actions import domains, mailboxes
from providers.mailapi.actions.domains import AddDomain, AddSubDomains, ListDomains
from providers.mailapi.actions.mailboxes import CreateMailboxes, ListMailboxes

__all__ = [
    "ACTIONS",
    "AddDomain",
    "AddSubDomains",
    "CreateMailboxes",
    "ListDomains",
    "ListMailboxes",
]

ACTIONS: tuple[type[Action], ...] = (
    *domains.ACTIONS,
    *mailboxes.ACTIONS,
)
"""What `providers/catalogue.py` offers of MailAPI, in the order of the help text."""
