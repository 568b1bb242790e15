"""ScaledMail, put together for the catalogue."""

from __future__ import annotations

from providers.provider import Provider
from providers.scaledmail.actions import ACTIONS
from providers.scaledmail.client import ScaledMailSettings, connect


def scaledmail() -> Provider:
    """The provider whose folder this is."""
    return Provider("scaledmail", "ScaledMail", ScaledMailSettings, connect, ACTIONS)
