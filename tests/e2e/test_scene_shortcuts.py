"""The two shortcuts: what can be asked, from anywhere, and a request from what stands in a message."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.policy_settings import ApprovalSettings, BudgetSettings, RuleSettings
from bot.sandbox import payloads
from bot.sandbox.faults import Fault
from bot.sandbox.model import OTHER_TEAM_ID, Channel, Message, User
from bot.sandbox.people import Person
from handlers.slack.finding import MOST_FOUND
from providers.catalogue import NOUNS, built_in
from tests.house import REASON, House, Modal, open_house, reading

OUTSIDE, SECRET = "C0OUTSIDE", "C0SECRET"
SAID = "Please buy <http://acme-mail.com|acme-mail.com> and `acme-hq.co` for <mailto:zed@acme.com|zed@acme.com>"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        opened.slack.add_channel(Channel(OUTSIDE, "outside", ("U0ANA", "U0OMAR")))
        opened.slack.add_channel(Channel(SECRET, "secret", ("U0OMAR", "U0POSTROOM"), is_private=True))
        yield opened


def says(house: House, text: str = SAID, channel: str = "C0OUTREACH", **fields: Any) -> Message:
    return house.slack.post(channel, "U0OMAR", text, **fields)


async def from_message(who: Person, message: Message) -> Modal:
    """The window that the shortcut in a message's menu opens."""
    before = who.modal
    ack = await who.uses_shortcut("from_message", on=message)
    assert ack.ok
    return await who.sees_modal(lambda one: before is None or one.id != before.id)


async def asks_postroom(who: Person) -> Modal:
    """The window that the shortcut from anywhere opens."""
    before = who.modal
    ack = await who.uses_shortcut("ask")
    assert ack.ok
    return await who.sees_modal(lambda one: before is None or one.id != before.id)


async def picks(who: Person, window: Modal, command: str, kind: str = "") -> Modal:
    """Opens the form of a command that the window offers."""
    await who.clicks(window, f"use:{kind}" if kind else "pick", value=command)
    return await who.sees_modal("form")


async def searches(who: Person, window: Modal, words: str) -> str:
    """What the window shows for some words."""
    [field] = window.fields
    await who.fills(window, **{field: words})
    sent = await who.submits(window)
    assert sent.result == "updated", sent
    return reading(window.blocks)


async def from_nowhere(who: Person, command: str) -> Modal:
    """The form of a command, opened by the shortcut from anywhere and its noun."""
    window, noun = await asks_postroom(who), command.partition(" ")[0]
    await who.clicks(window, f"browse:{noun}")
    await who.sees_modal(lambda one: one.id == window.id and not one.reads("*/verify*"))
    return await picks(who, window, command)


async def form_without_channel(house: House, *domains: str) -> Modal:
    """The form to buy domains, opened from nowhere."""
    form = await from_nowhere(house.ana, "domain buy")
    return await house.ana.fills(form, domains=list(domains), reason=REASON, hosting="smtp")


class TestFromAMessage:
    async def test_what_stands_in_it_is_bought_and_the_thread_is_where_it_stands(self, house: House) -> None:
        window = await from_message(house.ana, says(house))

        said = reading(window.blocks)
        assert "*In that message:* 2 domains and 1 e-mail address." in said
        assert window.values["domain"] == ["acme-mail.com", "acme-hq.co"]
        assert window.values["address"] == ["zed@acme.com"]

        form = await picks(house.ana, window, "domain buy", "domain")
        assert form.values["domains"] == "acme-mail.com\nacme-hq.co"
        assert "channel" not in form.fields
        await house.ana.fills(form, reason=REASON)
        await house.ana.submits(form)
        await house.ana.submits(await house.ana.sees_modal("review"))
        story = await house.story_of(house.ana)
        await house.omar.clicks(story.card, "approve")
        await house.runs_for(minutes=5)

        assert story.channel == "C0OUTREACH"
        assert house.bought == ["acme-mail.com", "acme-hq.co"]

    async def test_only_what_is_chosen_is_in_the_form(self, house: House) -> None:
        window = await from_message(house.ana, says(house))
        await house.ana.chooses(window, "domain", ["acme-hq.co"])

        form = await picks(house.ana, window, "domain check", "domain")
        assert form.values["domains"] == "acme-hq.co"
        await house.ana.submits(form)
        answer = await house.ana.sees_modal("answer")

        assert answer.reads("acme-hq.co")
        assert not answer.reads("acme-mail.com")

    async def test_what_takes_one_at_a_time_has_the_first_and_says_so(self, house: House) -> None:
        window = await from_message(house.ana, says(house))

        await house.ana.chooses(window, "use:domain:more", "domain show")
        form = await house.ana.sees_modal("form")

        assert form.values["domain"] == "acme-mail.com"
        assert form.reads("This takes one at a time: acme-mail.com is in the form. Not in it: acme-hq.co.")

    async def test_addresses_become_a_list_to_verify(self, house: House) -> None:
        listed = "\n".join(f"person-{n}@acme.com" for n in range(30))
        window = await from_message(house.ana, says(house, f"```{listed}```"))

        form = await picks(house.ana, window, "verify list", "address")

        assert form.values["addresses"] == listed

    async def test_what_is_too_much_for_a_window_or_a_form_is_said(self, house: House) -> None:
        names = [f"a-rather-long-name-of-a-domain-with-number-{n}.com" for n in range(MOST_FOUND + 7)]
        window = await from_message(house.ana, says(house, " ".join(names)))
        assert f"{MOST_FOUND} domains, and 7 more than fit in here" in reading(window.blocks)

        form = await picks(house.ana, window, "domain buy-many", "domain")

        taken = form.values["domains"].splitlines()
        assert taken == names[: len(taken)]
        assert form.reads(f"The form has room for the first {len(taken)}. {MOST_FOUND - len(taken)} are not in it")

    async def test_nothing_chosen_opens_an_empty_form(self, house: House) -> None:
        window = await from_message(house.ana, says(house))
        await house.ana.chooses(window, "domain", None)

        form = await picks(house.ana, window, "domain buy", "domain")

        assert form.values["domains"] is None
        assert form.reads("Nothing was chosen in the list, so write here what you want.")

    async def test_a_card_can_be_asked_from_too(self, house: House) -> None:
        story = await house.asks(house.ana, "acme-mail.com", "acme-hq.co")

        window = await from_message(house.omar, story.card)

        assert {"acme-mail.com", "acme-hq.co"} <= set(window.values["domain"])

    async def test_nothing_in_it_is_said_and_the_catalogue_is_offered(self, house: House) -> None:
        message = says(house, "See README.md, <@U0ANA>")

        window = await from_message(house.ana, message)
        assert "*No domain and no e-mail address stands in that message.*" in reading(window.blocks)
        assert "*/domain buy [name.com …]*" in await searches(house.ana, window, "buy new")
        form = await picks(house.ana, window, "domain buy")

        assert "channel" not in form.fields  # its thread will be where the message is
        assert house.on_disk("SELECT channel FROM requests") == [("C0OUTREACH",)]

    async def test_something_else_shows_all_that_can_be_asked(self, house: House) -> None:
        window = await from_message(house.ana, says(house))

        await house.ana.clicks(window, "browse")
        window = await house.ana.sees_modal("ask")

        assert "*/verify* List verification" in reading(window.blocks)

    async def test_in_the_direct_messages_with_postroom_the_thread_is_there(self, house: House) -> None:
        place = house.slack.dm("ana")
        message = house.slack.post(place.id, "U0ANA", "acme-mail.com")

        form = await picks(house.ana, await from_message(house.ana, message), "domain buy", "domain")

        assert "channel" not in form.fields
        assert house.on_disk("SELECT channel FROM requests") == [(place.id,)]


class TestFromAnywhere:
    async def test_the_catalogue_is_found_by_words_and_by_nouns(self, house: House) -> None:
        window = await asks_postroom(house.ana)
        assert "*/domain* Domains: buy, check and list them" in reading(window.blocks)

        assert "*/verify credits*" in await searches(house.ana, window, "credits")
        assert "Did you mean “forward”?" in await searches(house.ana, window, "forwrad")
        nothing = await searches(house.ana, window, "zeppelin")
        assert "Nothing has all of the words “zeppelin”" in nothing
        assert "*/domain* Domains: buy, check and list them" in nothing

        await house.ana.clicks(window, "browse:mailbox")
        await house.ana.sees_modal(lambda one: one.reads("*/mailbox create [name@domain.com First Last …]*"))
        await house.ana.clicks(window, "Show everything")
        await house.ana.sees_modal(lambda one: one.reads("*/campaign*") or one.reads("*/verify*"))

    async def test_the_form_asks_for_the_channel_and_the_thread_is_there(self, house: House) -> None:
        form = await form_without_channel(house, "acme-mail.com")
        assert form.values["channel"] == "C0APPROVALS"  # she has never asked for anything
        await house.ana.fills(form, channel="C0OUTREACH")

        await house.ana.submits(form)
        await house.ana.submits(await house.ana.sees_modal("review"))
        story = await house.story_of(house.ana)

        assert story.channel == "C0OUTREACH"
        assert "asks in <#C0OUTREACH>" in reading(story.card.blocks)

    async def test_the_channel_is_at_first_the_one_that_she_asks_in_most_often(self, house: House) -> None:
        for name, channel in (("one", "#general"), ("two", "#outreach"), ("three", "#outreach"), ("four", "#general")):
            await house.asks(house.ana, f"acme-{name}.com", channel=channel)
        await house.asks(house.ana, "acme-five.com", channel="#general")

        assert (await form_without_channel(house)).values["channel"] == "C0GENERAL"

    async def test_what_answers_her_alone_asks_for_no_channel(self, house: House) -> None:
        form = await from_nowhere(house.ana, "domain list")

        assert "channel" not in form.fields
        await house.ana.submits(form)
        assert (await house.ana.sees_modal("answer")).reads("There are no domains in this account.")

    @pytest.mark.parametrize(
        ("channel", "said"),
        [
            (None, "Please complete this required field."),
            (OUTSIDE, "Postroom is not in this channel: type /invite @postroom there."),
            (SECRET, "You are not in this channel: choose one that you are in."),
            ("C0NOWHERE", "Postroom cannot see this channel: type /invite @postroom there, then try again."),
        ],
    )
    async def test_a_channel_that_is_not_hers_or_not_ours_is_refused(
        self, house: House, channel: str | None, said: str
    ) -> None:
        form = await form_without_channel(house, "acme-mail.com")
        await house.ana.fills(form, channel=channel)

        sent = await house.ana.submits(form)

        assert sent.errors == {"channel": said}
        assert house.on_disk("SELECT channel, state, checking_since FROM requests") == [("", "draft", None)]

    async def test_slack_does_not_say_who_is_in_it(self, house: House) -> None:
        form = await form_without_channel(house, "acme-mail.com")
        house.slack.faults.add("conversations.members", Fault.error("internal_error"))

        sent = await house.ana.submits(form)

        assert sent.errors == {"channel": "Slack did not say who is in this channel. Try again."}
        assert (await house.ana.submits(form)).result == "updated"

    async def test_other_mistakes_are_told_with_it(self, house: House) -> None:
        form = await form_without_channel(house, "acme-mail.xyz")

        sent = await house.ana.submits(form)

        assert set(sent.errors) == {"domains"}

    async def test_what_was_chosen_stays_when_the_form_comes_back(self, house: House) -> None:
        house.mailin.own("acme-mail.com")
        form = await form_without_channel(house, "acme-mail.com")
        await house.ana.fills(form, channel="C0GENERAL")
        await house.ana.submits(form)
        form = await house.ana.sees_modal(lambda one: one.callback_id == "form" and one.reads(":warning:"))
        assert form.values["channel"] == "C0GENERAL"

        await house.ana.fills(form, domains="acme-hq.co", channel="C0OUTREACH")
        await house.ana.submits(form)
        review = await house.ana.sees_modal("review")
        await house.ana.clicks(review, "edit")
        form = await house.ana.sees_modal("form")
        assert form.values["channel"] == "C0OUTREACH"

        await house.ana.fills(form, channel="C0GENERAL")
        await house.ana.submits(form)
        await house.ana.submits(await house.ana.sees_modal("review"))
        assert (await house.story_of(house.ana)).channel == "C0GENERAL"

    async def test_the_rules_and_budgets_of_the_chosen_channel_hold(self, house: House) -> None:
        finns = RuleSettings(name="General", channel="C0GENERAL", approvers=("U0FINN",))
        budget = BudgetSettings(name="General", amount=100, currency="USD", team="C0GENERAL")
        await house.restarts(approvals=ApprovalSettings(approvers=("U0OMAR",), rules=(finns,)), budgets=(budget,))
        form = await form_without_channel(house, "acme-mail.com")
        await house.ana.fills(form, channel="C0GENERAL")
        await house.ana.submits(form)
        await house.ana.submits(await house.ana.sees_modal("review"))
        story = await house.story_of(house.ana)

        await house.omar.clicks(story.card, "approve")
        await house.tick()
        assert await story.state() == "awaiting_approval"
        assert house.on_disk("SELECT budget FROM reservations") == [("General",)]
        await house.finn.clicks(story.card, "approve")
        await house.tick()
        assert await story.state() != "awaiting_approval"

    async def test_the_form_that_is_sent_twice_asks_once(self, house: House) -> None:
        form = await form_without_channel(house, "acme-mail.com")
        await house.ana.submits(form)
        await house.replays()
        await house.ana.submits(await house.ana.sees_modal("review"))
        await house.tick()
        await house.replays()
        await house.tick()

        assert house.on_disk("SELECT state, channel FROM requests") == [("awaiting_approval", "C0APPROVALS")]


ALL = ("mailin-main", "scaledmail-main", "smailor-main", "instantly-main", "mailapi-main")


class TestWithSeveralProviders:
    async def test_the_fullest_window_is_one_that_slack_takes(self, tmp_path: Path) -> None:
        async with open_house(tmp_path, accounts=ALL) as house:
            labels = [f"{n:03}{'b' * 57}" for n in range(MOST_FOUND)]
            names = [f"{label}.{'c' * 60}.{'d' * 20}.com" for label in labels]
            message = says(house, " ".join([*names, *(f"a@{name}" for name in names)]))

            window = await from_message(house.ana, message)

            assert window.values["domain"] == names
            assert len(window.values["address"]) == MOST_FOUND
            assert "Choose" in str(window.blocks)

    async def test_everything_that_can_be_asked_is_found_in_the_catalogue(self, tmp_path: Path) -> None:
        async with open_house(tmp_path, accounts=ALL) as house:
            window = await asks_postroom(house.ana)
            shown = set[str]()
            for noun in NOUNS:
                await house.ana.clicks(window, f"browse:{noun}")
                await house.ana.sees_modal(
                    lambda one, noun=noun: one.reads(f"*/{noun} ") and not one.reads("*/verify*")
                )
                shown |= {one["accessory"]["value"] for one in window.blocks if "accessory" in one}
                await house.ana.clicks(window, "browse")
                await house.ana.sees_modal(lambda one: one.reads("*/verify*"))

            assert shown == set(built_in().commands())

    async def test_the_form_is_of_the_provider_that_takes_what_was_found(self, tmp_path: Path) -> None:
        async with open_house(tmp_path, accounts=("mailin-main", "scaledmail-main", "smailor-main")) as house:
            window = await from_message(house.ana, says(house))

            await house.ana.chooses(window, "use:domain:more", "mailbox credentials")
            form = await house.ana.sees_modal("form")

            assert form.values["account"] == "scaledmail-main"
            assert form.values["domain"] == "acme-mail.com"

    async def test_another_account_keeps_the_channel(self, tmp_path: Path) -> None:
        async with open_house(tmp_path, accounts=("mailin-main", "smailor-main")) as house:
            form = await from_nowhere(house.ana, "mailbox create")
            await house.ana.fills(form, channel="C0GENERAL")
            before = form.fields
            await house.ana.fills(form, account="smailor-main")
            await house.ana.sees_modal(lambda one: one.fields != before)

            assert form.values["channel"] == "C0GENERAL"

    async def test_another_account_and_at_once_another_one(self, tmp_path: Path) -> None:
        async with open_house(tmp_path, accounts=("mailin-main", "smailor-main")) as house:
            form = await house.form(house.ana, "/mailbox create")
            await house.ana.fills(form, account="mailin-main")
            await house.tick()
            at_mailin = form.fields
            house.slack.faults.add("views.update", Fault.slow(0.1))  # so that Slack has it after the second choice

            await house.ana.fills(form, account="smailor-main")
            await house.ana.fills(form, account="mailin-main")
            await house.tick()

            assert form.values["account"] == "mailin-main"
            assert form.fields == at_mailin
            assert house.ana.messages("dm") == []

    async def test_another_account_and_at_once_sent(self, tmp_path: Path) -> None:
        async with open_house(tmp_path, accounts=("mailin-main", "smailor-main")) as house:
            form = await house.form(house.ana, "/domain list")
            await house.ana.fills(form, account="mailin-main")
            await house.tick()
            house.slack.faults.add("views.update", Fault.slow(0.1))

            await house.ana.fills(form, account="smailor-main")
            await house.ana.submits(form)
            await house.tick()

            assert form.callback_id == "answer"
            assert [call.outcome for call in house.slack.calls if call.method == "views.update"][1:].count("ok") == 1
            assert house.ana.messages("dm") == []


class TestWhatNoHandSends:
    async def test_people_of_another_workspace_get_no_window(self, house: House) -> None:
        house.slack.add_user(User("U0EVE", "eve", "Eve", team_id=OTHER_TEAM_ID), "#outreach")
        eve = house.slack.person("eve")

        assert (await eve.uses_shortcut("ask")).ok
        assert (await eve.uses_shortcut("from_message", on=says(house))).ok
        await house.tick()

        assert eve.modal is None
        assert house.on_disk("SELECT COUNT(*) FROM requests") == [(0,)]
        assert "another Slack workspace" in house.privately(eve, "#outreach")[0]

    async def test_a_shortcut_of_another_version_is_answered(self, house: House) -> None:
        assert (await house.ana.uses_shortcut("long_gone")).ok
        await house.tick()

        assert (await house.ana.sees("This shortcut is from another version", in_="dm")).user == "U0POSTROOM"
        assert house.ana.modal is None

    async def test_slack_waits_too_long_to_open_it(self, house: House) -> None:
        house.slack.faults.add("views.open", Fault.error("expired_trigger_id"))

        await house.ana.uses_shortcut("ask")

        assert await house.ana.sees("Slack waited too long to open the window, so nothing was done.", in_="dm")

    @pytest.mark.parametrize("channel", [OUTSIDE, SECRET, "C0NOWHERE", "D0OMAR", "U0OMAR", "<!channel>"])
    @pytest.mark.parametrize("what", ["use:domain", "pick"])
    async def test_a_channel_that_a_window_carries_is_not_believed(self, house: House, what: str, channel: str) -> None:
        house.slack.dm("omar")
        window = await from_message(house.ana, says(house))
        action = {"type": "button", "action_id": what, "block_id": "x", "value": "domain buy"}
        view = window.view.to_slack() | {"private_metadata": channel}
        payload = payloads.view_action(house.slack, house.ana.user, window.view, action) | {"view": view}

        assert (await house.slack.deliver("interactive", payload)).ok
        form = await house.ana.sees_modal("form")

        assert "channel" in form.fields
        assert house.on_disk("SELECT channel FROM requests") == [("",)]

    async def test_a_message_where_she_is_not_or_we_are_not_gets_its_thread_elsewhere(self, house: House) -> None:
        for channel in (OUTSIDE, SECRET):
            form = await picks(
                house.ana, await from_message(house.ana, says(house, channel=channel)), "domain buy", "domain"
            )
            assert form.values["domains"] == "acme-mail.com\nacme-hq.co"
            assert "channel" in form.fields

    async def test_a_channel_in_a_form_that_asks_for_none_moves_nothing(self, house: House) -> None:
        form = await house.form(house.ana, "/domain buy acme-mail.com")
        await house.ana.fills(form, reason=REASON)
        view = form.view.to_slack()
        view["state"]["values"]["channel"] = {
            "value": {"type": "conversations_select", "selected_conversation": "C0GENERAL"}
        }
        assert (await house.sends(house.ana, "view_submission", view=view)).ok
        await house.ana.submits(await house.ana.sees_modal("review"))

        assert (await house.story_of(house.ana)).channel == "C0OUTREACH"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("use:domain", "domain fly"),
            ("use:planet", "domain buy"),
            ("use", "domain buy"),
            ("use:address", "domain buy"),
            ("browse", "planet"),
            ("use:domain", ""),
        ],
    )
    async def test_what_is_not_offered_is_answered_and_opens_nothing(self, house: House, name: str, value: str) -> None:
        window = await from_message(house.ana, says(house))
        action = {"type": "button", "action_id": name, "block_id": "x", "value": value}

        ack = await house.slack.deliver(
            "interactive", payloads.view_action(house.slack, house.ana.user, window.view, action)
        )
        notice = await house.ana.sees_modal("notice")

        assert ack.ok
        assert notice.reads("Nothing was asked.")
        assert house.on_disk("SELECT COUNT(*) FROM requests") == [(0,)]

    async def test_names_that_were_never_offered_are_only_words_in_a_form(self, house: House) -> None:
        window = await from_message(house.ana, says(house))
        view = window.view.to_slack()
        view["state"]["values"]["domain"]["value"]["selected_options"] = [{"value": "<!channel>"}, {"value": 7}, None]
        action = {"type": "button", "action_id": "use:domain", "block_id": "x", "value": "domain buy"}
        payload = payloads.view_action(house.slack, house.ana.user, window.view, action) | {"view": view}

        assert (await house.slack.deliver("interactive", payload)).ok
        form = await house.ana.sees_modal("form")
        await house.ana.fills(form, reason=REASON)

        assert set((await house.ana.submits(form)).errors) == {"domains"}

    @pytest.mark.parametrize("message", [None, [], "x", {"text": 7, "blocks": "x"}, {"blocks": [None, {"text": []}]}])
    async def test_a_message_of_an_odd_shape_opens_the_catalogue(self, house: House, message: Any) -> None:
        payload = payloads.message_shortcut(house.slack, house.ana.user, says(house), "from_message")

        ack = await house.slack.deliver("interactive", payload | {"message": message})

        assert ack.ok
        assert (await house.ana.sees_modal("ask")).reads("No domain and no e-mail address stands in that message.")


async def test_both_work_over_http(tmp_path: Path) -> None:
    async with open_house(tmp_path, mode="http") as house:
        form = await form_without_channel(house, "acme-mail.com")
        await house.ana.fills(form, channel="C0OUTREACH")
        await house.ana.submits(form)
        await house.ana.submits(await house.ana.sees_modal("review"))
        assert (await house.story_of(house.ana)).channel == "C0OUTREACH"

        window = await from_message(house.omar, says(house))
        form = await picks(house.omar, window, "domain check", "domain")
        await house.omar.submits(form)
        assert (await house.omar.sees_modal("answer")).reads("acme-hq.co")


async def test_a_form_out_of_the_home_tab_asks_for_the_channel_as_well(house: House) -> None:
    await house.asks(house.ana, "acme-mail.com", channel="#general")
    await house.ana.opens_home()
    home = await house.ana.sees_home("Buy domains")

    await house.ana.clicks(home, "pick:domain buy")
    form = await house.ana.sees_modal("form")

    assert form.values["channel"] == "C0GENERAL"
