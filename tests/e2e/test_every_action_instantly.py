"""Every action of Instantly, played through Slack."""

from __future__ import annotations

from tests.e2e.actions import instantly
from tests.e2e.actions.scenes import *  # noqa: F403 - its scenes are played here

TABLE = instantly
