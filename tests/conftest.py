"""What every scene begins with: a house that is open."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.house import House, open_house

MEMORY = Path("/dev/shm")
ROOM = 2**30
"""Bytes that must be free there. A whole run, with what is kept of tests that failed, takes far less."""


def pytest_configure() -> None:
    """The files of all tests are in memory where there is room: thousands of databases flush to a disk at each commit.

    No test cuts the power, so none would notice the difference; what is killed here is processes.
    """
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        tempfile.tempdir = str(MEMORY)
    # A busy machine takes its time, over an example and over making one up: no test fails of that.
    settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")


LONG = (
    "test_crash_everywhere.py", "test_crash_money.py", "test_demo.py", "test_page.py", "test_jobs_hour.py",
    "test_browser.py", "test_outages.py", "test_scene_renewals.py", "test_crash_provider.py", "test_stopping.py",
    "test_roster.py", "test_scheduler.py", "test_crash_slack.py", "test_browser_home.py", "test_browser_digest.py",
    "test_files.py", "test_odd_answers.py", "test_scene_settling.py",
)  # fmt: skip
"""Where few tests take long, the longest first. They begin first, so that all workers come to their end together."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in the order in which they are played, each as it is."""
    sizes = Counter(item.path for item in items)
    rank = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: (rank.get(item.path.name, len(LONG)), -sizes[item.path], str(item.path)))


def pytest_collection_finish() -> None:
    """What is here now stays: the collector need not walk through it again and again, which took a sixth of the time.

    The numbers are those with which Postroom runs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True, scope="session")
def _no_logger_is_kept() -> Iterator[None]:
    """A logger that is kept would go on for all other tests as the first one had set it up."""
    configure = structlog.configure

    def configure_anew(**given: Any) -> None:
        configure(**given | {"cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(structlog, "configure", configure_anew)
        yield


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A running Postroom with one Mailin account; Omar and Finn may approve, Ana may not."""
    async with open_house(tmp_path) as opened:
        yield opened
