"""The main scene, clicked through in a real browser: two people in two windows, the real bot in its own process."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.async_api import expect

from tests.browser import PATIENCE, SLOW, Site, Window, needs_browser, site


@needs_browser
async def test_ana_buys_two_domains_and_omar_approves_by_clicking(tmp_path: Path) -> None:
    async with site(tmp_path) as opened:
        ana = await opened.window("U0ANA", "C0OUTREACH")
        omar = await opened.window("U0OMAR", "C0APPROVALS")

        await _asks(ana)
        await _is_refused_her_own(ana)
        await _approves(opened, omar)
        await _sees_it_live(ana, omar)
        await _denies(ana, omar)

        bought = opened.stage.mailin.purchases
        assert [purchase.domain for purchase in bought] == ["acme-mail.com", "acme-hq.co"]


@needs_browser
async def test_ana_attaches_a_list_of_addresses_and_omar_approves(tmp_path: Path) -> None:
    async with site(tmp_path) as opened:
        ana = await opened.window("U0ANA", "C0OUTREACH")
        omar = await opened.window("U0OMAR", "C0APPROVALS")

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

        [task] = opened.stage.mailin.tasks.values()
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


async def _approves(opened: Site, omar: Window) -> None:
    card = omar.message("Spring campaign for ACME")
    await expect(omar.message("This is your own request")).to_have_count(0)
    await omar.picture("card")
    again = await opened.window("U0OMAR", "C0APPROVALS")
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
