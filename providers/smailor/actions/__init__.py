"""What people can ask of Smailor, a class each, by noun."""

from __future__ import annotations

from providers.action import Action
from providers.smailor.actions import domains, mailboxes, templates
from providers.smailor.actions.domains import ListDomains, ShowReputation
from providers.smailor.actions.mailboxes import CreateMailbox, SendTest
from providers.smailor.actions.templates import (
    AddTemplate,
    ChangeTemplate,
    DeleteTemplate,
    ListTemplates,
    NoteTemplateUsed,
    PreviewTemplate,
    ShowTemplate,
)

__all__ = [
    "ACTIONS",
    "AddTemplate",
    "ChangeTemplate",
    "CreateMailbox",
    "DeleteTemplate",
    "ListDomains",
    "ListTemplates",
    "NoteTemplateUsed",
    "PreviewTemplate",
    "SendTest",
    "ShowReputation",
    "ShowTemplate",
]

ACTIONS: tuple[type[Action], ...] = (
    *domains.ACTIONS,
    *mailboxes.ACTIONS,
    *templates.ACTIONS,
)
"""What `providers/catalogue.py` offers of Smailor, in the order of the help text."""
