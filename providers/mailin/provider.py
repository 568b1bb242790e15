"""Mailin.ai, put together for the catalogue."""

from __future__ import annotations

from providers.mailin.actions import ACTIONS
from providers.mailin.client import connect
from providers.mailin.notices import notices
from providers.mailin.settings import MailinSettings
from providers.provider import Provider


def provider() -> Provider:
    """The provider whose folder this is."""
    return Provider(
        "mailin",
        "Mailin.ai",
        MailinSettings,
        connect,
        ACTIONS,
        own_calls=("POST /api/v1/public/auth/login",),
        notices=notices,
    )
