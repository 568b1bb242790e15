"""ScaledMail, put together for the catalogue."""

from __future__ import annotations

from functools import partial

from providers.provider import Provider
from providers.scaledmail.actions import ACTIONS
from providers.scaledmail.client import Paces, ScaledMailSettings, connect


def provider() -> Provider:
    """The provider whose folder this is. The accounts that are opened with the same one share a pace for each key."""
    return Provider(
        "scaledmail",
        "ScaledMail",
        ScaledMailSettings,
        partial(connect, paces=Paces()),
        ACTIONS,
        own_calls=("GET /api/v1/organizations",),
    )
