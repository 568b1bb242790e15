"""What the actions of several nouns share: kinds of fields, listings, words."""

from __future__ import annotations

from collections.abc import Mapping

from providers.scaledmail.models import DomainStatus, Platform

# How ScaledMail's words read.

KINDS: Mapping[Platform, str] = {
    Platform.GOOGLE: "Google",
    Platform.OUTLOOK: "Outlook",
    Platform.SMTP: "SMTP",
    Platform.UNKNOWN: "not said",
}
STATES: Mapping[DomainStatus, str] = {
    DomainStatus.ACTIVE: "live",
    DomainStatus.PENDING: "being set up",
    DomainStatus.INACTIVE: "not active",
}
