"""A real browser for tests that look at a page: where Chromium is, how it is started, when such tests are skipped."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--headless=new",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PATIENCE = 5_000
"""Milliseconds that an expectation waits."""


def chromium_path() -> str | None:
    """The Chromium of this machine: the one named in CHROMIUM, or else one that is installed."""
    named = os.environ.get("CHROMIUM")
    return named or next((found for name in NAMES if (found := shutil.which(name))), None)


needs_browser = pytest.mark.skipif(
    chromium_path() is None and not os.environ.get("CI"),
    reason="There is no Chromium on this machine, so nobody can look at the page.",
)
"""Marks a test that looks at a page. Without Chromium it is skipped on a desk, and fails where CI is set."""


@contextlib.asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """Chromium without a window, until the block is left."""
    path = chromium_path()
    assert path, "CI is set, but there is no Chromium: install it, or name it in the environment variable CHROMIUM."
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()
