"""MailAPI.tech, put together for the catalogue."""

from __future__ import annotations

from providers.mailapi.actions import ACTIONS
from providers.mailapi.client import MailApiSettings, connect
from providers.provider import Provider


def provider() -> Provider:
    """The provider whose folder this is."""
    return Provider("mailapi", "MailAPI.tech", MailApiSettings, connect, ACTIONS)
