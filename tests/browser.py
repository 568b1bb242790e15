"""A real browser for tests that look at a page: where Chromium is, when such tests are skipped, people's windows.

With POSTROOM_PICTURES set to a folder, the pictures of README and docs are put there.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser, Locator, Page, ViewportSize, async_playwright

from bot.sandbox import page as web_page
from bot.sandbox.demo import slash_commands
from bot.sandbox.stage import Pace, Stage, installed, set_stage
from bot.sandbox.workspace import default_workspace

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
PATIENCE = 20_000
"""Milliseconds that an expectation waits."""
SLOW = PATIENCE * 3
"""For what waits for a provider."""
WIDE: ViewportSize = {"width": 1280, "height": 800}
NARROW: ViewportSize = {"width": 390, "height": 844}
PACE = Pace(spacing=0.02, first_poll=0.3, max_poll=0.6, job=2.5)


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


class Window:
    """One person's browser window."""

    def __init__(self, page: Page, url: str, user: str, pictures: Path | None) -> None:
        self.page = page
        self._url = url
        self._user = user
        self._pictures = pictures

    async def opens(self, place: str) -> None:
        """Goes to a channel, or to `home`."""
        await self.page.goto(f"{self._url}/?as={self._user}&in={place}")

    async def types(self, text: str) -> None:
        """Types into the channel that is shown."""
        box = self.page.get_by_test_id("composer").get_by_role("combobox")
        await box.fill(text)
        await box.press("Enter")
        if await box.input_value():  # the first Enter took the command from the list
            await box.press("Enter")

    def message(self, words: str | re.Pattern[str]) -> Locator:
        """The messages with these words."""
        return self.page.get_by_test_id("message").filter(has_text=words)

    @property
    def modal(self) -> Locator:
        """The window of the app that is open."""
        return self.page.get_by_test_id("modal")

    async def clicks(self, message: Locator, button: str, *, confirm: str) -> None:
        """Presses a button, and says yes to the question whether it is meant."""
        await message.get_by_role("button", name=button, exact=True).click()
        await self.page.get_by_test_id("confirm").get_by_role("button", name=confirm).click()

    async def picture(self, name: str, *, wide: int = WIDE["height"], narrow: int = NARROW["height"]) -> None:
        """Looks whether what this person sees fits, also on a telephone; with a folder, it is kept as pictures.

        Each picture is so many pixels high.
        """
        await self.page.mouse.move(0, 0)
        for suffix, width, height in (("", WIDE["width"], wide), ("-narrow", NARROW["width"], narrow)):
            await self.page.set_viewport_size({"width": width, "height": height})
            shown = await self.page.evaluate("document.documentElement.scrollWidth")
            assert shown <= width, f"{name}{suffix} is {shown} pixels wide"
            if self._pictures is not None:
                await self.page.wait_for_timeout(100)  # for what is drawn anew
                _kept_small(await self.page.screenshot(), self._pictures / f"{name}{suffix}.png")
        await self.page.set_viewport_size(WIDE)


def _kept_small(taken: bytes, path: Path) -> None:
    """A page has few colours: with a palette its picture is a third as large, and looks the same."""
    with Image.open(io.BytesIO(taken)) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


@dataclass(frozen=True, slots=True)
class Site:
    """The local workspace with the bot's own process behind it, and a browser in front."""

    stage: Stage
    browser: Browser
    pictures: Path | None

    async def window(self, user: str, place: str) -> Window:
        """A window of its own for somebody, who looks at this place."""
        page = await self.browser.new_page(viewport=WIDE, reduced_motion="reduce")
        page.set_default_timeout(PATIENCE)
        window = Window(page, self.stage.url, user, self.pictures)
        await window.opens(place)
        return window


@contextlib.asynccontextmanager
async def site(folder: Path, *, rules: str = "", starts: bool = True) -> AsyncIterator[Site]:
    """Everything is served, and the bot runs unless it is not to start yet. `rules` are more of its settings."""
    workspace = default_workspace(app=installed())
    workspace.app.ack_timeout = PATIENCE / 1000
    workspace.tickets.trigger_lifetime = timedelta(milliseconds=PATIENCE)
    routes = web_page.routes(workspace, commands=slash_commands())
    kept = os.environ.get("POSTROOM_PICTURES")
    async with (
        set_stage(workspace, folder, pace=PACE, more_routes=routes, rules=rules) as stage,
        launched() as browser,
    ):
        if starts:
            await stage.bot.start()
        yield Site(stage, browser, Path(kept) if kept else None)
