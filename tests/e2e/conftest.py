"""What the scenes of a crash stand on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # so that the tests here can share `crash_stage` and `crash_books`
pytest.register_assert_rewrite("crash_stage", "crash_books", "crash_story", "tests.e2e.actions")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A scene of `actions.scenes` for which a provider has no action is none, rather than one that is skipped."""
    items[:] = [
        item
        for item in items
        if not (item.name.endswith("[NOTSET]") and hasattr(getattr(item, "function", None), "played_with"))
    ]


@pytest.fixture(scope="session")
def nursery() -> Iterator[Path]:
    """The process that mortal bots are forked from."""
    from crash_stage import open_nursery  # noqa: PLC0415

    with open_nursery() as path:
        yield path
