"""A real SQLite file for each scene, opened once, or twice as two processes would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.sqlite import SqliteDatabase
from tests.storage.scenes import Clock, Scene


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "postroom.db"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[[], SqliteDatabase]]:
    """Opens the same file as often as it is called; all are closed at the end."""
    databases: list[SqliteDatabase] = []

    def open_it() -> SqliteDatabase:
        databases.append(SqliteDatabase(path))
        return databases[-1]

    yield open_it
    for database in databases:
        database.close()


@pytest.fixture
def scene(opened: Callable[[], SqliteDatabase], clock: Clock) -> Scene:
    return Scene(opened(), clock)


@pytest.fixture
def elsewhere(scene: Scene, opened: Callable[[], SqliteDatabase], clock: Clock) -> Scene:
    """Another process's view of the same file."""
    return Scene(opened(), clock)
