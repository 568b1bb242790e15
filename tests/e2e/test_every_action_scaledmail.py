"""Every action of ScaledMail, played through Slack."""

from __future__ import annotations

from tests.e2e.actions import scaledmail
from tests.e2e.actions.scenes import *  # noqa: F403 - its scenes are played here

TABLE = scaledmail
