"""The home tab, the list of requests and a request's story, looked at and clicked in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.async_api import expect

from tests.browser import PATIENCE, SLOW, Window, needs_browser, site

BUDGETS = """
[[budgets]]
name = "Growth"
amount = "500"
currency = "USD"
team = "S0GROWTH"

[[budgets]]
name = "Finance"
amount = "120"
currency = "USD"
team = "S0FINANCE"
"""


@needs_browser
async def test_omar_decides_in_his_home_and_ana_looks_through_what_she_asked(tmp_path: Path) -> None:
    async with site(tmp_path, rules=BUDGETS) as opened:
        ana = await opened.window("U0ANA", "home")
        home = ana.page.get_by_test_id("home")
        await expect(home).to_contain_text("You have not asked for anything yet", timeout=PATIENCE)
        await ana.picture("home-first")
        await ana.opens("C0OUTREACH")
        await _asks(ana, "acme-mail.com", "Spring campaign for ACME")
        watching = (await opened.window("U0ANA", "home")).page.get_by_test_id("home")
        await expect(watching).to_contain_text("Waiting for approval", timeout=PATIENCE)
        omar = await opened.window("U0OMAR", "home")
        await _decides(omar, left=0)
        await _asks(ana, "acme-hq.co", "The campaign's landing page")
        await _asks(ana, "acme-news.ca", "The newsletter moves")
        await _asks(omar, "acme-labs.com", "Omar's own test", place="C0APPROVALS")
        await omar.opens("home")
        opened.stage.mailin.job_seconds = 8  # long enough to be looked at
        await _decides(omar, left=1)
        await expect(omar.page.get_by_test_id("home")).to_contain_text("In progress", timeout=SLOW)
        await omar.picture("home", wide=1000, narrow=1240)
        # Nobody has opened this one again.
        await expect(watching).to_contain_text("Done. acme-mail.com is live.", timeout=SLOW)
        await _looks_through(ana)


async def _asks(who: Window, name: str, reason: str, place: str = "C0OUTREACH") -> None:
    await who.opens(place)
    await who.types(f"/domain buy {name}")
    modal = who.modal
    await modal.get_by_label("Reason").fill(reason)
    await modal.get_by_role("button", name="Review").click()
    await modal.get_by_role("button", name="Ask for approval").click(timeout=SLOW)
    await expect(modal).to_be_hidden()
    await expect(who.message(re.compile("Waiting for approval")).last).to_be_visible(timeout=PATIENCE)


async def _decides(omar: Window, *, left: int) -> None:
    home = omar.page.get_by_test_id("home")
    await expect(home).to_contain_text(f"Waiting for you: {left + 1}", timeout=PATIENCE)
    await home.get_by_role("button", name="Approve", exact=True).first.click()
    await omar.page.get_by_test_id("confirm").get_by_role("button", name="Approve").click()
    await expect(home).not_to_contain_text(f"Waiting for you: {left + 1}", timeout=PATIENCE)
    await expect(home).to_contain_text("Under way for others", timeout=PATIENCE)


async def _looks_through(ana: Window) -> None:
    await ana.opens("home")
    home = ana.page.get_by_test_id("home")
    await expect(home).to_contain_text("My requests", timeout=PATIENCE)
    await ana.opens("C0OUTREACH")
    await ana.types("/postroom requests all acme")
    listed = ana.message("All requests: 4")
    await expect(listed).to_be_visible(timeout=PATIENCE)
    await listed.scroll_into_view_if_needed()
    await ana.picture("requests")
    await listed.get_by_role("button", name="Open").nth(2).click()
    story = ana.modal
    await expect(story).to_contain_text("What happened", timeout=PATIENCE)
    await expect(story).to_contain_text("said yes")
    await expect(story).to_contain_text("Done. acme-hq.co is live.", timeout=SLOW)  # by itself
    await ana.picture("story", narrow=1330)
    await story.get_by_role("link", name="Open the thread").click()
    await expect(ana.page.get_by_test_id("thread")).to_contain_text("approved this", timeout=PATIENCE)
