"""What people can ask of Instantly, a class each, by noun."""

from __future__ import annotations

from providers.action import Action
from providers.instantly.actions import campaigns, keys, leads, mailboxes
from providers.instantly.actions.campaigns import (
    CreateCampaign,
    SetCampaignOptions,
    SetCampaignSequences,
    ShowCampaign,
    parse_sequence,
    to_html,
)
from providers.instantly.actions.keys import CreateApiKey
from providers.instantly.actions.leads import AddLeads
from providers.instantly.actions.mailboxes import ListSendingAccounts, SetMailboxLimits

__all__ = [
    "ACTIONS",
    "AddLeads",
    "CreateApiKey",
    "CreateCampaign",
    "ListSendingAccounts",
    "SetCampaignOptions",
    "SetCampaignSequences",
    "SetMailboxLimits",
    "ShowCampaign",
    "parse_sequence",
    "to_html",
]

ACTIONS: tuple[type[Action], ...] = (
    *campaigns.ACTIONS,
    *leads.ACTIONS,
    *keys.ACTIONS,
    *mailboxes.ACTIONS,
)
"""What `providers/catalogue.py` offers of Instantly, in the order of the help text."""
