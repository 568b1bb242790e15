"""Smailor, put together for the catalogue."""

from __future__ import annotations

from providers.provider import Provider
from providers.smailor.actions import ACTIONS
from providers.smailor.client import SmailorSettings, connect
from providers.smailor.notices import notices


def provider() -> Provider:
    """The provider whose folder this is."""
    return Provider("smailor", "Smailor", SmailorSettings, connect, ACTIONS, notices=notices)
