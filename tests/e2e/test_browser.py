"""The main scene, clicked through in a real browser: two people in two windows, the real bot in its own process.

With POSTROOM_PICTURES set to a folder, the pictures of the README are put there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from playwright.async_api import Browser, Locator, Page, expect

from bot.sandbox import page as web_page
from bot.sandbox.demo import slash_commands
from bot.sandbox.stage import Pace, Stage, installed, set_stage
from bot.sandbox.workspace import default_workspace
from tests.browser import PATIENCE, launched, needs_browser

WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
SLOW = PATIENCE * 3
PACE = Pace(spacing=0.02, first_poll=0.3, max_poll=0.6, job=2.5)


class Window:
    """One person's browser window."""

    def __init__(self, page: Page, url: str, user: str, pictures: Path) -> None:
        self.page = page
        self._url = url
        self._user = user
        self._pictures = pictures

    @property
    def place(self) -> tuple[str, str, Path]:
        return self._url, self._user, self._pictures

    async def opens(self, channel: str) -> None:
        await self.page.goto(f"{self._url}/?as={self._user}&in={channel}")

    async def types(self, text: str) -> None:
        box = self.page.get_by_test_id("composer").get_by_role("combobox")
        await box.fill(text)
        await box.press("Enter")
        if await box.input_value():  # the first Enter took the command from the list
            await box.press("Enter")

    def message(self, words: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_test_id("message").filter(has_text=words)

    @property
    def modal(self) -> Locator:
        return self.page.get_by_test_id("modal")

    async def clicks(self, message: Locator, button: str, *, confirm: str) -> None:
        await message.get_by_role("button", name=button, exact=True).click()
        await self.page.get_by_test_id("confirm").get_by_role("button", name=confirm).click()

    async def picture(self, name: str) -> None:
        await self.page.wait_for_timeout(250)  # for what fades in
        await self.page.screenshot(path=self._pictures / f"{name}.png")


@needs_browser
async def test_ana_buys_two_domains_and_omar_approves_by_clicking(tmp_path: Path) -> None:
    pictures = Path(os.environ.get("POSTROOM_PICTURES") or tmp_path)
    workspace = default_workspace(app=installed())
    routes = web_page.routes(workspace, commands=slash_commands())
    async with set_stage(workspace, tmp_path, pace=PACE, more_routes=routes) as stage, launched() as browser:
        stage.mailin.own("acme-news.com")
        await stage.bot.start()
        ana = await _window(browser, stage, "U0ANA", pictures, WIDE)
        omar = await _window(browser, stage, "U0OMAR", pictures, WIDE)
        await ana.opens("C0OUTREACH")
        await omar.opens("C0APPROVALS")

        await _asks(ana)
        await _is_refused_her_own(ana)
        await _approves(omar)
        await _sees_it_live(ana, omar)
        await _denies(ana, omar)
        await _on_a_phone(browser, stage, pictures)

        assert [purchase.domain for purchase in stage.mailin.purchases] == ["acme-mail.com", "acme-hq.co"]


@needs_browser
async def test_ana_attaches_a_list_of_addresses_and_omar_approves(tmp_path: Path) -> None:
    workspace = default_workspace(app=installed())
    routes = web_page.routes(workspace, commands=slash_commands())
    async with set_stage(workspace, tmp_path, pace=PACE, more_routes=routes) as stage, launched() as browser:
        await stage.bot.start()
        ana = await _window(browser, stage, "U0ANA", tmp_path, WIDE)
        omar = await _window(browser, stage, "U0OMAR", tmp_path, WIDE)
        await ana.opens("C0OUTREACH")
        await omar.opens("C0APPROVALS")

        await ana.types("/verify list")
        modal = ana.modal
        await modal.get_by_label("Reason").fill("Spring campaign for ACME")
        file = modal.get_by_label("Addresses, from a file (optional)", exact=True)
        await file.set_input_files({"name": "leads.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"})
        await expect(ana.page.get_by_test_id("notices")).to_contain_text("You can attach: csv, xlsx.")
        await file.set_input_files({"name": "leads.csv", "mimeType": "text/csv", "buffer": b"E-mail\nfoo\n"})
        await expect(modal.get_by_role("button", name="Remove leads.csv")).to_be_visible()
        await modal.get_by_role("button", name="Review").click()
        await expect(modal.get_by_text("Row 2: “foo” is not an e-mail address.")).to_be_visible(timeout=PATIENCE)
        listed = "".join(f"person-{n}@acme.com\n" for n in range(400))
        await file.set_input_files({"name": "good.csv", "mimeType": "text/csv", "buffer": f"E-mail\n{listed}".encode()})
        await modal.get_by_role("button", name="Review").click()  # it waits for what is being attached
        await expect(modal.get_by_text("Total: 400 credits")).to_be_visible(timeout=SLOW)
        await modal.get_by_role("button", name="Ask for approval").click()
        card = omar.message("Spring campaign for ACME")
        await omar.clicks(card, "Approve", confirm="Approve")
        await expect(card).to_contain_text("400 of 400 addresses are deliverable.", timeout=SLOW)

        [task] = stage.mailin.tasks.values()
        assert "\n".join(task.addresses) + "\n" == listed


async def _asks(ana: Window) -> None:
    await ana.types("/domain buy acme-mail.com acme-hq.xyz")
    modal = ana.modal
    await expect(modal.get_by_role("heading", name="Buy domains")).to_be_visible(timeout=PATIENCE)
    await modal.get_by_label("Reason").fill("Spring campaign for ACME")
    await modal.get_by_role("button", name="Review").click()
    await expect(modal.get_by_text("acme-hq.xyz: Mailin sells only .com, .co, .ca and .biz.")).to_be_visible()
    await ana.picture("form")
    await modal.get_by_label("Domains").fill("acme-mail.com\ntaken.com")
    await modal.get_by_role("button", name="Review").click()
    await expect(modal.get_by_text("Already taken: taken.com.")).to_be_visible(timeout=SLOW)
    await expect(modal.get_by_label("Reason")).to_have_value("Spring campaign for ACME")
    await modal.get_by_label("Domains").fill("acme-mail.com\nacme-hq.co")
    await modal.get_by_role("button", name="Review").click()
    await expect(modal.get_by_text("Total: $40.50")).to_be_visible(timeout=SLOW)
    await ana.picture("review")
    await modal.get_by_role("button", name="Ask for approval").click()
    await expect(modal).to_be_hidden()
    await expect(ana.message("Waiting for approval")).to_be_visible(timeout=PATIENCE)


async def _is_refused_her_own(ana: Window) -> None:
    await ana.opens("C0APPROVALS")
    card = ana.message("Spring campaign for ACME")
    await ana.clicks(card, "Approve", confirm="Approve")
    await expect(ana.message("This is your own request")).to_contain_text("Only visible to you")
    await ana.opens("C0OUTREACH")


async def _approves(omar: Window) -> None:
    card = omar.message("Spring campaign for ACME")
    await expect(omar.message("This is your own request")).to_have_count(0)
    await omar.picture("card")
    browser = omar.page.context.browser
    assert browser is not None
    again = Window(await browser.new_page(), *omar.place)
    await again.opens("C0APPROVALS")
    await again.message("Spring campaign for ACME").get_by_role("button", name="Approve", exact=True).click()
    await omar.clicks(card, "Approve", confirm="Approve")
    await expect(card.get_by_role("button", name="Approve")).to_have_count(0, timeout=PATIENCE)
    await expect(card).to_contain_text("In progress", timeout=PATIENCE)
    await again.page.get_by_test_id("confirm").get_by_role("button", name="Approve").click()
    await expect(again.page.get_by_test_id("notices")).to_contain_text("That is not there any more.", timeout=PATIENCE)


async def _sees_it_live(ana: Window, omar: Window) -> None:
    parent = ana.message("Buy 2 domains").first
    await parent.get_by_text(re.compile(r"\d+ repl")).click()
    thread = ana.page.get_by_test_id("thread")
    await expect(thread).to_contain_text("approved this", timeout=PATIENCE)
    await expect(thread).to_contain_text("Both domains are live. Cost: $40.50.", timeout=SLOW)
    await expect(parent).to_contain_text("Done.", timeout=PATIENCE)
    await expect(omar.message("Spring campaign for ACME")).to_contain_text("Done.", timeout=PATIENCE)
    await ana.picture("thread")


async def _denies(ana: Window, omar: Window) -> None:
    await ana.types("/domain buy acme-extra.biz")
    modal = ana.modal
    await modal.get_by_label("Reason").fill("One more")
    await modal.get_by_role("button", name="Review").click()
    await modal.get_by_role("button", name="Ask for approval").click(timeout=SLOW)
    card = omar.message("acme-extra.biz")
    await omar.clicks(card, "Deny", confirm="Deny …")
    await omar.modal.get_by_label("Why not?").fill("We have enough for this quarter.")
    await omar.modal.get_by_role("button", name="Deny").click()
    await expect(card).to_contain_text("Denied", timeout=PATIENCE)
    await expect(card).to_contain_text("We have enough for this quarter.")


async def _on_a_phone(browser: Browser, stage: Stage, pictures: Path) -> None:
    finn = await _window(browser, stage, "U0FINN", pictures, PHONE)
    await finn.opens("C0APPROVALS")
    await expect(finn.message("acme-extra.biz")).to_be_visible()
    await finn.picture("phone")
    await finn.opens("home")
    await expect(finn.page.get_by_test_id("home")).to_contain_text("What you can ask", timeout=PATIENCE)


async def _window(browser: Browser, stage: Stage, user: str, pictures: Path, size: dict[str, int]) -> Window:
    page = await browser.new_page(viewport={"width": size["width"], "height": size["height"]})
    page.set_default_timeout(PATIENCE)
    return Window(page, stage.url, user, pictures)
