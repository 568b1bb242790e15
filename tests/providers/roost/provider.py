"""Roost, put together for the catalogue."""

from __future__ import annotations

from providers.provider import Provider
from tests.providers.roost.actions import ACTIONS
from tests.providers.roost.client import RoostSettings, connect


def provider() -> Provider:
    """The provider whose folder this is."""
    return Provider("roost", "Roost", RoostSettings, connect, ACTIONS)
