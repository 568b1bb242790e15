"""The command itself, as somebody types it for the first time."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from bot.cli import _cli


@pytest.mark.parametrize("words", [["--version"], ["--version", "run"]])
def test_it_says_its_version_and_does_nothing_else(words: list[str]) -> None:
    said = CliRunner().invoke(_cli(), words)

    assert said.output == f"postroom {version('postroom')}\n"
    assert said.exit_code == 0
