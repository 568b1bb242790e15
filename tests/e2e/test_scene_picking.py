"""Picking out of an answer: what was found is chosen there, and the form that it is for opens with it filled in.

Also what is taken away from an answer, and what else belongs to buying pre-warmed domains.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from bot.sandbox import page as web_page
from bot.sandbox.demo import slash_commands
from bot.sandbox.faults import Fault as SlackFault
from bot.sandbox.modal import Modal
from bot.sandbox.model import Message
from bot.sandbox.stage import Pace, installed, set_stage
from bot.sandbox.workspace import default_workspace
from providers.scaledmail.models import Platform
from providers.scaledmail.sandbox import SANDBOX_ORGANIZATION, SANDBOX_SECOND_ORGANIZATION, ScaledMailSandbox
from tests.browser import PATIENCE, launched, needs_browser
from tests.house import House, open_house, reading

PASSWORD = "hunter2-at-the-sequencer"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house with an account at ScaledMail, where there is something on the shelf."""
    async with open_house(tmp_path, accounts=("mailin-main", "scaledmail-main")) as house:
        shelf = scaledmail(house)
        shelf.put_on_shelf(*(f"warm-{n:02}.com" for n in range(16)))
        shelf.put_on_shelf("blue-a.com", platform=Platform.OUTLOOK, warmup_months=6, mailbox_count=25, monthly="50")
        yield house


def scaledmail(house: House) -> ScaledMailSandbox:
    books: ScaledMailSandbox = house.sandboxes["scaledmail"]
    return books


async def browses(house: House, words: str = "") -> Message:
    await house.ana.types(f"/prewarm browse {words}", channel="#outreach")
    await house.tick()
    return answer(house)


def answer(house: House) -> Message:
    return house.ana.ephemerals("#outreach")[-1]


async def chooses(house: House, shown: Message | Modal, *names: str) -> None:
    """Chooses in the menu of an answer; the provider is not asked for that."""
    menu = next(block["block_id"] for block in shown.blocks if block.get("block_id", "").startswith("chosen"))
    asked = scaledmail(house).calls.total()
    await house.ana.chooses(shown, menu, list(names))
    await house.tick()
    assert scaledmail(house).calls.total() == asked


def menu_of(shown: Message | Modal) -> dict[str, Any]:
    [menu] = [block["accessory"] for block in shown.blocks if block.get("block_id", "").startswith("chosen")]
    return menu


async def take(house: House, shown: Message | Modal) -> Modal:
    await house.ana.clicks(shown, "take")
    return await house.ana.sees_modal("form")


class TestPicking:
    async def test_several_are_chosen_bought_and_each_redirected(self, house: House) -> None:
        await chooses(house, await browses(house), "warm-03.com", "warm-01.com")
        form = await take(house, answer(house))

        assert form.fields[:4] == ["account", "domains", "redirect", "tag"]
        assert form.values["domains"] == "warm-03.com\nwarm-01.com"
        assert form.values["account"] == "scaledmail-main"

        await house.ana.fills(form, reason="May", tag="client1", redirect="warm-01.com acme.com")
        await house.ana.submits(form)
        review = await house.ana.sees_modal("review")
        assert "*Total: $62.00*" in reading(review.blocks)
        await house.ana.submits(review)
        story = await house.story_of(house.ana)
        assert story.channel == "C0OUTREACH"
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=10)

        assert await story.state() == "succeeded"
        bought = {domain.name: domain.redirect for domain in scaledmail(house).domains.values()}
        assert bought == {"warm-03.com": "", "warm-01.com": "acme.com"}
        assert {purchase.tag for purchase in scaledmail(house).purchases} == {f"{story.id}#1 client1"}

    async def test_what_was_chosen_stays_chosen_over_the_pages(self, house: House) -> None:
        await chooses(house, await browses(house, "google"), "warm-03.com")
        await house.ana.clicks(answer(house), "Next →")
        await house.tick()
        second = answer(house)
        offered = [option["value"] for option in menu_of(second)["options"]]
        assert offered == ["warm-03.com", "warm-15.com"]

        await chooses(house, second, "warm-03.com", "warm-15.com")
        form = await take(house, answer(house))

        assert form.values["domains"] == "warm-03.com\nwarm-15.com"

    async def test_out_of_a_window(self, house: House) -> None:
        await house.ana.types("/prewarm", channel="#outreach")
        await house.ana.clicks(await house.ana.sees_modal("picker"), "pick", value="prewarm browse")
        form = await house.ana.sees_modal("form")
        await house.ana.fills(form, kind="outlook", min_months="3", words="blue")
        await house.ana.submits(form)
        found = await house.ana.sees_modal("answer")
        assert "1 of 17 pre-warmed domains for sale matches what you asked for." in reading(found.blocks)

        await chooses(house, found, "blue-a.com")
        form = await take(house, found)
        assert form.values["domains"] == "blue-a.com"
        await house.ana.fills(form, reason="May")
        await house.ana.submits(form)
        await house.ana.submits(await house.ana.sees_modal("review"))

        assert (await house.story_of(house.ana)).channel == "C0OUTREACH"

    async def test_turning_the_pages_of_a_window(self, house: House) -> None:
        await house.ana.types("/prewarm", channel="#outreach")
        await house.ana.clicks(await house.ana.sees_modal("picker"), "pick", value="prewarm browse")
        await house.ana.submits(await house.ana.sees_modal("form"))
        await chooses(house, await house.ana.sees_modal("answer"), "warm-00.com")
        await house.ana.clicks(await house.ana.sees_modal("answer"), "Next →")
        await house.tick()
        form = await take(house, await house.ana.sees_modal("answer"))

        assert form.values["domains"] == "warm-00.com"
        await house.ana.fills(form, reason="May")
        await house.ana.submits(form)
        await house.ana.submits(await house.ana.sees_modal("review"))
        assert (await house.story_of(house.ana)).channel == "C0OUTREACH"

    async def test_nothing_was_chosen(self, house: House) -> None:
        form = await take(house, await browses(house))

        assert "Nothing was chosen in the list" in reading(form.blocks)
        assert form.values["domains"] is None

    async def test_a_workspace_without_tables_can_choose_too(self, house: House) -> None:
        house.slack.accepts_new_blocks = False
        shown = await browses(house)
        assert "• `warm-00.com` — Kind Google · Warmed 1 month" in reading(shown.blocks)

        await chooses(house, shown, "warm-00.com")

        assert (await take(house, answer(house))).values["domains"] == "warm-00.com"


class TestTheFilter:
    async def test_words_after_the_command(self, house: House) -> None:
        said = reading((await browses(house, "outlook 3 $60 blue")).blocks)

        assert "1 of 17 pre-warmed domains for sale matches what you asked for." in said

    async def test_asking_otherwise(self, house: House) -> None:
        shown = await browses(house, "google 1")
        await house.ana.clicks(shown, "Change the filter")
        form = await house.ana.sees_modal("form")
        assert form.values["kind"] == "google"
        assert form.values["min_months"] == "1"

        await house.ana.fills(form, kind="any", min_months="2")
        await house.ana.submits(form)

        found = await house.ana.sees_modal("answer")
        assert [option["value"] for option in menu_of(found)["options"]] == ["blue-a.com"]


async def test_accounts_whose_limits_are_to_change(tmp_path: Path) -> None:
    async with open_house(tmp_path, accounts=("instantly-main",)) as house:
        books = house.sandboxes["instantly"]
        books.add_account("ana@acme.com")
        books.add_account("bo@acme.com")
        await house.ana.types("/mailbox accounts", channel="#outreach")
        await house.tick()
        [menu] = [block for block in answer(house).blocks if block.get("block_id", "").startswith("chosen")]
        await house.ana.chooses(answer(house), menu["block_id"], ["bo@acme.com"])
        form = await take(house, answer(house))
        assert form.values["addresses"] == "bo@acme.com"

        await house.ana.fills(form, daily_limit="44")
        await house.ana.submits(form)
        await house.tick()

        assert {one.email: one.daily_limit for one in books.accounts.values()}["bo@acme.com"] == "44"


class TestForgery:
    """What a click carries is only what somebody typed: it is looked at as anything that is typed."""

    async def clicks(self, house: House, value: str, chosen: Any = ()) -> None:
        state = {"values": {"chosen:1": {"choose": {"type": "multi_static_select", "selected_options": chosen}}}}
        await house.sends(
            house.ana,
            "block_actions",
            channel={"id": "C0OUTREACH"},
            state=state,
            actions=[{"action_id": "take", "type": "button", "value": value}],
        )
        await house.tick()

    async def test_names_that_are_none_are_refused_by_the_form(self, house: House) -> None:
        await self.clicks(house, "prewarm buy\nscaledmail-main\ndomains", [{"value": "<!channel> *x*"}, {}, 7])
        form = await house.ana.sees_modal("form")
        await house.ana.fills(form, reason="May")
        sent = await house.ana.submits(form)

        assert "is not a domain name" in sent.errors["domains"]

    @pytest.mark.parametrize("chosen", [None, 3, {}, "x", [[]], [{"value": None}]])
    async def test_nonsense_is_nothing(self, house: House, chosen: Any) -> None:
        await self.clicks(house, "prewarm buy\nscaledmail-main\ndomains", chosen)

        assert "Nothing was chosen" in reading((await house.ana.sees_modal("form")).blocks)

    @pytest.mark.parametrize(
        ("value", "told"),
        [
            ("prewarm buy\nscaledmail-main\nreason", "Nothing was asked"),
            ("prewarm buy\nscaledmail-main\npage", "Nothing was asked"),
            ("prewarm buy\nmailin-main\ndomains", "Nothing was asked"),
            ("no such\nscaledmail-main\ndomains", "Nothing was asked"),
            ("prewarm buy\ngone\ndomains", "no longer in Postroom's settings"),
            ("", "no longer in Postroom's settings"),
        ],
    )
    async def test_a_button_of_no_use(self, house: House, value: str, told: str) -> None:
        await self.clicks(house, value, [{"value": "warm-00.com"}])

        assert house.ana.modal is None
        assert told in house.privately(house.ana, "#outreach")[-1]

    async def test_more_than_a_form_holds_is_not_cut(self, house: House) -> None:
        many = [{"value": f"{'x' * 60}-{n}.com"} for n in range(60)]
        await self.clicks(house, "prewarm buy\nscaledmail-main\ndomains", many)

        assert house.ana.modal is None
        assert "These are 60, more than fit" in house.privately(house.ana, "#outreach")[-1]

    async def test_somebody_of_another_workspace(self, house: House) -> None:
        await house.sends(
            house.ana,
            "block_actions",
            user={"id": "U0ANA", "team_id": "T0OTHER"},
            channel={"id": "C0OUTREACH"},
            actions=[{"action_id": "take", "type": "button", "value": "prewarm buy\nscaledmail-main\ndomains"}],
        )
        await house.tick()

        assert house.ana.modal is None
        assert await house.inside.store.requests.of("U0ANA", 10) == []


class TestTakingAway:
    """What came of a verification: its addresses are for whoever asked, and for nobody else."""

    @pytest.fixture
    async def verified(self, house: House) -> str:
        """A list was verified, and its thread names the task."""
        form = await house.form(house.ana, "/verify list ana@acme.com bad@acme.com catch_all@acme.com")
        await house.ana.fills(form, reason="May")
        await house.ana.submits(form)
        await house.ana.submits(await house.ana.sees_modal("review"))
        story = await house.story_of(house.ana)
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=5)
        assert await story.state() == "succeeded"
        [task] = house.mailin.tasks
        assert f"task {task}" in "\n".join(story.thread)
        return task

    async def asks(self, house: House, words: str) -> str:
        await house.ana.types(f"/verify result {words}", channel="#outreach")
        await house.tick()
        return house.privately(house.ana, "#outreach")[-1]

    async def test_a_link_and_the_shares(self, house: House, verified: str) -> None:
        said = await self.asks(house, verified)

        assert "*1 of 3 addresses is deliverable.*" in said
        assert "• Deliverable: 1 (33 %)" in said
        assert f"/storage/tmp/result-{verified}-deliverable.csv|Download {verified}-deliverable.csv>" in said
        assert not house.omar.ephemerals("#outreach")
        assert [kind for (kind,) in house.on_disk("select what from audit where what = 'revealed'")] == ["revealed"]

    async def test_the_file_itself_goes_to_the_askers_direct_messages(self, house: House, verified: str) -> None:
        house.mailin.download_is_file = True

        said = await self.asks(house, f"{verified} invalid")

        assert f"The file `{verified}-invalid.csv` is in your direct messages with Postroom." in said
        [message] = house.ana.messages("dm")
        [upload] = house.slack.uploads.values()
        assert message.reads(f"/files/{upload.id}|{verified}-invalid.csv")
        assert upload.content == b"email,result\nbad@acme.com,invalid\n"
        begun_and_done = house.on_disk("select what from audit where what like 'reveal%' order by seq")
        assert [kind for (kind,) in begun_and_done] == ["reveal_begun", "revealed"]
        assert not house.omar.messages("dm")
        assert "bad@acme.com,invalid" not in str(house.on_disk("select * from audit"))

    @pytest.mark.parametrize(
        ("method", "error", "cure"),
        [
            ("files.getUploadURLExternal", "missing_scope", "install the app again with its newest manifest"),
            ("files.completeUploadExternal", "internal_error", "Ask again in a few minutes."),
            ("conversations.open", "internal_error", "Ask again in a few minutes."),
        ],
    )
    async def test_slack_does_not_take_the_file(
        self, house: House, verified: str, method: str, error: str, cure: str
    ) -> None:
        house.mailin.download_is_file = True
        house.slack.faults.add(method, SlackFault.error(error))

        said = await self.asks(house, verified)

        assert "*1 of 3 addresses is deliverable.*" in said
        assert "Slack did not take the file" in said
        assert cure in said
        noted = house.on_disk("select what from audit where what like 'reveal%' order by seq")
        assert [kind for (kind,) in noted] == ["reveal_begun", "reveal_failed"]

    async def test_in_a_window(self, house: House, verified: str) -> None:
        form = await house.form(house.ana, "/verify result")
        await house.ana.fills(form, task=verified, which="all")
        await house.ana.submits(form)

        found = await house.ana.sees_modal("answer")
        assert f"|Download {verified}-all.csv>" in reading(found.blocks)


class TestIntoASequencer:
    async def test_its_password_reaches_the_provider_and_nobody_else(self, house: House) -> None:
        form = await house.form(house.ana, "/prewarm buy warm-00.com")
        await house.ana.fills(
            form,
            reason="May",
            sequencer="Instantly",
            sequencer_username="ana@acme.com",
            sequencer_password=PASSWORD,
            sequencer_link="https://app.instantly.ai",
        )
        await house.ana.submits(form)
        await house.ana.submits(await house.ana.sees_modal("review"))
        story = await house.story_of(house.ana)
        shown = house.everything_shown()
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=10)

        assert await story.state() == "succeeded"
        [sequencer] = scaledmail(house).sequencers
        assert sequencer["password"] == PASSWORD
        assert PASSWORD not in shown + house.everything_shown() + str(house.log)
        for table in ("requests", "intents", "messages", "audit", "jobs"):
            assert PASSWORD not in str(house.on_disk(f"select * from {table}"))

    async def test_half_a_sequencer_is_refused_under_its_fields(self, house: House) -> None:
        form = await house.form(house.ana, "/prewarm buy warm-00.com")
        await house.ana.fills(form, reason="May", sequencer="Instantly")
        sent = await house.ana.submits(form)

        assert set(sent.errors) == {"sequencer_username", "sequencer_password", "sequencer_link"}


class TestOrganizations:
    """Several organizations of one account at ScaledMail, as accounts of their own with the same key."""

    @pytest.fixture
    async def both(self, house: House) -> House:
        first = house.settings.accounts["scaledmail-main"]
        second = first.model_copy(update={"organization_id": SANDBOX_SECOND_ORGANIZATION})
        await house.restarts(accounts={**house.settings.accounts, "scaledmail-second": second})
        return house

    async def test_each_has_its_own(self, both: House) -> None:
        scaledmail(both).own("first.com")
        scaledmail(both).own("second.com", organization=SANDBOX_SECOND_ORGANIZATION)

        for account, own, other in (
            ("scaledmail-main", "first.com", "second.com"),
            ("scaledmail-second", "second.com", "first.com"),
        ):
            form = await both.form(both.ana, "/domain purchased")
            await both.ana.fills(form, account=account)
            await both.ana.submits(form)
            await both.tick()
            found = reading((await both.ana.sees_modal("answer")).blocks)
            assert f"`{own}`" in found
            assert other not in found

    async def test_both_buy_at_the_same_time(self, both: House) -> None:
        stories = []
        for account, name in (("scaledmail-main", "warm-00.com"), ("scaledmail-second", "warm-01.com")):
            form = await both.form(both.ana, f"/prewarm buy {name}")
            await both.ana.fills(form, account=account, reason="May")
            await both.ana.submits(form)
            await both.ana.submits(await both.ana.sees_modal("review"))
            stories.append(await both.story_of(both.ana))
        for story in stories:
            await both.omar.clicks(story.card, "approve")
        await both.runs_for(minutes=10)

        assert [await story.state() for story in stories] == ["succeeded", "succeeded"]
        assert {(one.domain, one.organization) for one in scaledmail(both).purchases} == {
            ("warm-00.com", SANDBOX_ORGANIZATION),
            ("warm-01.com", SANDBOX_SECOND_ORGANIZATION),
        }

    async def test_what_is_picked_is_bought_where_it_was_found(self, both: House) -> None:
        form = await both.form(both.ana, "/prewarm browse")
        await both.ana.fills(form, account="scaledmail-second")
        await both.ana.submits(form)
        found = await both.ana.sees_modal("answer")
        await chooses(both, found, "warm-00.com")

        assert (await take(both, found)).values["account"] == "scaledmail-second"


@pytest.mark.parametrize(
    ("command", "words", "told"),
    [
        ("one", "ana@acme.com", "This costs 1 credit, and the account has none."),
        ("list", "ana@acme.com bo@acme.com", "This costs 2 credits, and the account has none."),
        ("file", "ana@acme.com bo@acme.com", "This costs 2 credits, and the account has none."),
    ],
)
async def test_a_verification_beyond_the_balance_is_refused_before_anybody_is_asked(
    house: House, command: str, words: str, told: str
) -> None:
    house.mailin.ledger.clear()
    form = await house.form(house.ana, f"/verify {command} {words}")
    await house.ana.fills(form, reason="May")
    await house.ana.submits(form)
    await house.tick()

    again = await house.ana.sees_modal("form")
    assert told in reading(again.blocks)
    assert not house.slack.messages("C0APPROVALS")
    assert house.on_disk("SELECT id FROM requests WHERE state <> 'draft'") == []
    assert not house.mailin.tasks


@pytest.mark.parametrize(
    ("command", "words", "told"),
    [
        ("one", "ana@acme.com", "This costs 1 credit, and the account has none."),
        ("list", "ana@acme.com bo@acme.com", "This costs 2 credits, and the account has 1."),
        ("file", "ana@acme.com bo@acme.com", "This costs 2 credits, and the account has 1."),
    ],
)
async def test_a_verification_that_the_balance_no_longer_covers_is_not_sent(
    house: House, command: str, words: str, told: str
) -> None:
    """It was approved; meanwhile others have spent the credits."""
    form = await house.form(house.ana, f"/verify {command} {words}")
    await house.ana.fills(form, reason="May")
    await house.ana.submits(form)
    await house.ana.submits(await house.ana.sees_modal("review"))
    story = await house.story_of(house.ana)
    house.mailin.ledger = [("Purchased credits", 0 if command == "one" else 1)]

    await house.omar.clicks(story.card, "approve")
    await house.tick()

    assert await story.state() == "failed"
    assert told in story.thread[-1]
    assert "Nothing was sent." in story.thread[-1]
    assert "Buy credits at Mailin" in story.thread[-1]
    assert not house.mailin.tasks
    assert house.on_disk("SELECT COUNT(*) FROM intents") == [(0,)]


async def test_of_two_verifications_the_balance_covers_one(house: House) -> None:
    house.mailin.ledger = [("Purchased credits", 3)]
    stories = []
    for words in ("ana@acme.com bo@acme.com", "cy@acme.com di@acme.com"):
        form = await house.form(house.ana, f"/verify list {words}")
        await house.ana.fills(form, reason="May")
        await house.ana.submits(form)
        await house.ana.submits(await house.ana.sees_modal("review"))
        stories.append(await house.story_of(house.ana))
    for story in stories:
        await house.omar.clicks(story.card, "approve")
    await house.runs_for(minutes=10)

    assert [await story.state() for story in stories] == ["succeeded", "failed"]
    assert "This costs 2 credits, and the account has 1." in stories[1].thread[-1]
    assert len(house.mailin.tasks) == 1


@needs_browser
async def test_picking_by_clicking(tmp_path: Path) -> None:
    """On the page of the local workspace, with the bot as a process of its own."""
    workspace = default_workspace(app=installed())
    routes = web_page.routes(workspace, commands=slash_commands())
    pace = Pace(spacing=0.02, first_poll=0.3, max_poll=0.6, job=1.0)
    async with set_stage(workspace, tmp_path, pace=pace, more_routes=routes) as stage, launched() as browser:
        stage.scaledmail.put_on_shelf(*(f"warm-{n:02}.com" for n in range(16)))
        await stage.bot.start()
        page = await browser.new_page()
        await page.goto(f"{stage.url}/?as=U0ANA&in=C0OUTREACH")
        composer = page.get_by_test_id("composer").get_by_role("combobox")
        await composer.fill("/prewarm browse google")
        await composer.press("Enter")
        answer = page.get_by_test_id("message").filter(has_text="16 pre-warmed domains are for sale")
        await answer.get_by_role("checkbox", name="warm-01.com").check(timeout=PATIENCE)
        await answer.get_by_role("button", name="Next →").click()
        await answer.get_by_role("checkbox", name="warm-15.com").check(timeout=PATIENCE)
        await answer.get_by_role("button", name="Buy the chosen …").click()

        domains = page.get_by_test_id("modal").get_by_label("Domains")
        await expect(domains).to_have_value("warm-01.com\nwarm-15.com", timeout=PATIENCE)
