"""Instantly, put together for the catalogue."""

from __future__ import annotations

from providers.instantly.actions import ACTIONS
from providers.instantly.client import InstantlySettings, connect
from providers.instantly.notices import notices
from providers.provider import Provider


def provider() -> Provider:
    """The provider whose folder this is."""
    return Provider("instantly", "Instantly", InstantlySettings, connect, ACTIONS, notices=notices)
