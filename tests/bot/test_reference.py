"""docs/actions.md says what the catalogue says."""

from __future__ import annotations

from pathlib import Path

from bot.reference import actions_page
from providers.catalogue import built_in


def test_the_reference_is_not_stale() -> None:
    written = Path(__file__).resolve().parents[2] / "docs" / "actions.md"

    assert written.read_text() == actions_page(built_in()), "run `make docs`"
