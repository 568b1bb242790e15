"""The digest, looked at in a real browser: what waits, what has ended, the money, what the providers say."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import expect

from bot.sandbox.safety import RULES
from bot.sandbox.tour import furnish
from tests.browser import PATIENCE, SLOW, Window, needs_browser, site


@needs_browser
async def test_omar_reads_the_digest_and_sets_one_up(tmp_path: Path) -> None:
    async with site(tmp_path, rules=RULES, starts=False) as opened:
        furnish(opened.stage)
        for number in range(41):
            opened.stage.instantly.add_account(f"spring-{number + 1}@acme-news.com", warmup_score=52 + number // 3)
        opened.stage.instantly.add_account("team@acme-news.com", status=-1)
        await opened.stage.bot.start()
        ana = await opened.window("U0ANA", "C0OUTREACH")
        omar = await opened.window("U0OMAR", "C0APPROVALS")

        for name, reason in (("acme-mail.com", "Spring"), ("acme-hq.co", "Partners")):
            await _asks(ana, name, reason)
            await omar.clicks(omar.message(name), "Approve", confirm="Approve")
            await expect(omar.message(name)).to_contain_text("Done.", timeout=SLOW)
        await _asks(ana, "acme-shop.com", "The new shop")
        await omar.types("/postroom digest")

        digest = omar.message("Digest: ")
        await expect(digest).to_contain_text("1 request waits for a decision", timeout=SLOW)
        await expect(digest).to_contain_text("2 done")
        await expect(digest).to_contain_text("42 mailboxes in error, or not warm yet")
        await expect(digest).to_contain_text("… and 37 more")
        await omar.picture("digest", wide=1180, narrow=1680)
        await digest.get_by_role("button", name="Look").first.click()
        await expect(omar.message("The new shop")).to_have_count(2, timeout=PATIENCE)

        await digest.get_by_role("button", name="All of them").click()
        everything = omar.message("spring-41@acme-news.com")
        await expect(everything).to_contain_text("team@acme-news.com", timeout=SLOW)

        await omar.types("/postroom digest setup")
        await expect(omar.modal.get_by_label("Time zone")).to_be_visible(timeout=PATIENCE)
        await omar.picture("digest-setup", narrow=1500)
        await omar.modal.get_by_role("button", name="Save").click()
        await expect(omar.modal.get_by_text("The next digest comes on")).to_be_visible(timeout=PATIENCE)


async def _asks(ana: Window, name: str, reason: str) -> None:
    await ana.types(f"/domain buy {name}")
    modal = ana.modal
    await modal.get_by_label("Reason").fill(reason)
    await modal.get_by_role("button", name="Review").click()
    await modal.get_by_role("button", name="Ask for approval").click(timeout=SLOW)
    await expect(ana.message(name)).to_contain_text("Waiting for approval", timeout=PATIENCE)
