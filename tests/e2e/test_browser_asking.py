"""Asking without typing a command, clicked in a real browser: the shortcut from anywhere, and the one of a message."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import expect

from tests.browser import PATIENCE, SLOW, Window, needs_browser, site


@needs_browser
async def test_what_can_be_asked_without_a_command(tmp_path: Path) -> None:
    async with site(tmp_path) as opened:
        ana = await opened.window("U0ANA", "C0OUTREACH")

        await _asks_with_what_a_message_names(ana)
        await _asks_from_anywhere_and_says_in_which_channel(ana)


async def _asks_with_what_a_message_names(ana: Window) -> None:
    await ana.types("For spring: acme-mail.com and `acme-hq.co`. Is zed@globex.com still there?")
    said = ana.message("For spring")
    await said.hover()
    await said.get_by_role("button", name="More actions").click()
    await said.get_by_role("menuitem", name="Request from message").click()

    window = ana.modal
    await expect(window.get_by_text("2 domains and 1 e-mail address")).to_be_visible(timeout=PATIENCE)
    await expect(window.get_by_role("checkbox", name="acme-mail.com")).to_be_checked()
    await ana.picture("from-message", narrow=1350)
    await window.get_by_role("checkbox", name="acme-mail.com").uncheck()
    offered = window.locator(".b-section").filter(has_text="Buy one or more new domains.")
    await offered.get_by_role("button", name="Open").click()

    await expect(window.get_by_label("Domains")).to_have_value("acme-hq.co", timeout=PATIENCE)
    await window.get_by_label("Reason").fill("Spring")
    await window.get_by_role("button", name="Review").click()
    await window.get_by_role("button", name="Ask for approval").click(timeout=SLOW)
    await expect(ana.message("Buy acme-hq.co")).to_contain_text("Waiting for approval", timeout=PATIENCE)


async def _asks_from_anywhere_and_says_in_which_channel(ana: Window) -> None:
    await ana.opens("C0GENERAL")
    await ana.page.get_by_role("button", name="Shortcuts").click()
    await ana.page.get_by_role("menuitem", name="Ask Postroom").click()
    window = ana.modal
    await expect(window.get_by_text("Domains: buy, check and list them")).to_be_visible(timeout=PATIENCE)
    await ana.picture("catalogue", narrow=1200)
    await window.get_by_label("What do you want to ask?").fill("buy domain")
    await window.get_by_role("button", name="Search").click()
    offered = window.locator(".b-section").filter(has_text="/domain buy [name.com …]")
    await offered.get_by_role("button", name="Open").click(timeout=PATIENCE)

    await window.get_by_label("Domains").fill("acme-mail.com", timeout=PATIENCE)
    await window.get_by_label("Reason").fill("Spring")
    await window.get_by_label("Channel").select_option(label="#outreach")
    await ana.picture("channel", narrow=930)
    await window.get_by_role("button", name="Review").click()
    await window.get_by_role("button", name="Ask for approval").click(timeout=SLOW)
    await ana.opens("C0OUTREACH")
    await expect(ana.message("Buy acme-mail.com")).to_contain_text("Waiting for approval", timeout=PATIENCE)
