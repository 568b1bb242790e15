"""docs/actions.md says what the catalogue says."""

from __future__ import annotations

from pathlib import Path

from bot.reference import actions_page
from providers.action import choices_of
from providers.catalogue import registered


def test_the_reference_is_not_stale() -> None:
    written = Path(__file__).resolve().parents[2] / "docs" / "actions.md"

    assert written.read_text() == actions_page(registered()), "run `make docs`"


def test_every_field_is_described_and_every_menu_has_its_choices() -> None:
    page = actions_page(registered())
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    assert len(rows) > 100
    assert [row for row in rows if not row[-1].strip(" |")] == []

    # In short, what each menu offers and which of it is chosen beforehand.
    assert "| Hosting | optional | One of: All (preset), SMTP, Google. |" in page
    assert "| Registrar | required | One of: Porkbun, Namecheap, GoDaddy, Spaceship. |" in page
    for action in (action for provider in registered() for action in provider.actions):
        for name, field in action.model_fields.items():
            if not action.is_hidden(name):
                titled = [row[-1] for row in rows if row[0] == f"| {field.title}"]
                offered = choices_of(field).values()
                assert any(all(word in about for word in offered) for about in titled), (action.command, name)
