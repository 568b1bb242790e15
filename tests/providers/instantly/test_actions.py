"""What people can ask of Instantly, each action against the provider itself, without Slack or a store."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from providers.action import Action, Done, Effect, Failed, ItemState, Refused, Unknown
from providers.errors import AuthExpired, NeedsSubscription, NotFound, OutcomeUnknown
from providers.instantly.actions import (
    ACTIONS,
    AddLeads,
    CreateApiKey,
    CreateCampaign,
    ListSendingAccounts,
    SetCampaignOptions,
    SetCampaignSequences,
    SetMailboxLimits,
    ShowCampaign,
    parse_sequence,
    to_html,
)
from providers.instantly.client import InstantlyClient
from providers.instantly.provider import provider as the_provider
from providers.instantly.sandbox import InstantlySandbox
from providers.listing import PAGE
from providers.simulator import Fault, Kind, Work

ID = "3bfdd2a0-65c4-48c9-90e6-c87a8aa25a50"


def typed(action: type[Action], line: str) -> Any:
    """The action that the words after its command make."""
    return action.model_validate(action.prefill(line.split()))


def problems(action: type[Action], **values: Any) -> dict[str, str]:
    """What stands under each field of the form."""
    with pytest.raises(ValidationError) as refused:
        action.model_validate(values)
    return {str(error["loc"][0]): error["msg"] for error in refused.value.errors()}


class TestTheClasses:
    def test_what_slack_needs_of_each(self) -> None:
        for action in ACTIONS:
            assert action.provider == "instantly"
            assert 0 < len(action.title) <= 24
            assert action.help_line().endswith(".")
            assert "title" in action.model_config
            shown = [field for name, field in action.model_fields.items() if not action.is_hidden(name)]
            assert all(field.title for field in shown)
        assert the_provider().actions == ACTIONS
        assert len({action.command for action in ACTIONS}) == len(ACTIONS)

    def test_their_effects(self) -> None:
        assert {action.command: action.effect for action in ACTIONS} == {
            "campaign create": Effect.WRITE,
            "campaign show": Effect.READ,
            "campaign options": Effect.WRITE,
            "campaign sequences": Effect.WRITE,
            "campaign leads": Effect.WRITE,
            "campaign api-key": Effect.REVEAL,
            "mailbox accounts": Effect.READ,
            "mailbox limits": Effect.WRITE,
        }


class TestNamingACampaign:
    @pytest.mark.parametrize(
        "text", [ID, ID.upper(), f" {ID} ", f"https://app.instantly.ai/app/campaign/{ID}/sequences?x=1", f"<{ID}>"]
    )
    def test_an_id_or_a_link(self, text: str) -> None:
        assert ShowCampaign(campaign=text).campaign == ID

    @pytest.mark.parametrize("text", ["", "Spring", ID[:-1], ID + "0", f"{ID} 4bfdd2a0-65c4-48c9-90e6-c87a8aa25a50"])
    def test_anything_else(self, text: str) -> None:
        assert problems(ShowCampaign, campaign=text)["campaign"].startswith("This is no id of a campaign.")


class TestCreatingACampaign:
    def test_from_words(self) -> None:
        action = typed(CreateCampaign, "Spring   sale")

        assert action.name == "Spring sale"
        assert action.headline() == "Create the campaign “Spring sale”"
        assert action.subjects() == ("Spring sale",)
        assert CreateCampaign.prefill([]) == {}

    def test_mistakes(self) -> None:
        assert problems(CreateCampaign, name="  ") == {"name": "Give it a name."}
        assert problems(CreateCampaign, name="x" * 201) == {"name": "This has 201 characters; at most 200 fit."}

    async def test_it_is_there_as_a_draft(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        done = await CreateCampaign(name="Spring").run(instantly, "key")

        assert isinstance(done, Done)
        (campaign,) = sandbox.campaigns.values()
        assert done.items[0].note == f"id {campaign.id}"
        assert "as a draft" in done.summary

    async def test_nobody_can_tell_after_an_unclear_answer(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox
    ) -> None:
        sandbox.faults.add("create_campaign", Fault.cut_after())
        action = CreateCampaign(name="Spring")

        with pytest.raises(OutcomeUnknown):
            await action.run(instantly, "key")
        looked = await action.reconcile(instantly, "key")

        assert isinstance(looked, Unknown)
        assert "Look in Instantly for a new draft named “Spring”" in looked.evidence
        assert sandbox.changes["create_campaign"] == 1

    async def test_no_plan(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        sandbox.has_plan = False

        with pytest.raises(NeedsSubscription, match="has no plan for that") as error:
            await CreateCampaign(name="Spring").run(instantly, "key")
        assert "renew or upgrade" in error.value.cure


class TestShowingACampaign:
    async def test_how_it_is_doing(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        campaign = sandbox.add_campaign("Spring")
        campaign.status = -2

        shown = await typed(ShowCampaign, campaign.id).run(instantly, "key")

        assert shown.summary == "“Spring” is held up: too many e-mails bounced."
        assert {item.name: item.note for item in shown.items} == {
            "Created": "2026-03-02 09:00 UTC",
            "Schedule": "not set yet",
            "Id": campaign.id,
        }

    async def test_a_status_nobody_knows(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        campaign = sandbox.add_campaign("Spring")
        campaign.status = 77

        shown = await ShowCampaign(campaign=campaign.id).run(instantly, "key")

        assert isinstance(shown, Done)
        assert shown.summary == "“Spring” is in a state that Postroom does not know (“77”)."

    async def test_one_that_is_not_there(self, instantly: InstantlyClient) -> None:
        with pytest.raises(NotFound, match="Instantly does not know it") as error:
            await ShowCampaign(campaign=ID).run(instantly, "key")
        assert error.value.cure == "Check the name, and the account you asked for."


class TestOptions:
    def test_nothing_to_change(self) -> None:
        assert problems(SetCampaignOptions, campaign=ID) == {
            "text_only": "Nothing would change. Change at least one of the options."
        }

    def test_other_mistakes_come_alone(self) -> None:
        assert problems(SetCampaignOptions, campaign=ID, daily_limit=-1) == {
            "daily_limit": "This has to be a number from 0 to 100000."
        }
        assert problems(SetCampaignOptions, campaign=ID, senders="ana")["senders"].startswith(
            "“ana” is not an e-mail address."
        )

    @pytest.mark.parametrize(
        "change", [{"daily_limit": 0}, {"text_only": "off"}, {"open_tracking": "on"}, {"tags": "warm"}]
    )
    def test_any_one_is_enough(self, change: dict[str, Any]) -> None:
        assert SetCampaignOptions.model_validate({"campaign": ID, **change}).campaign == ID

    async def test_what_is_left_alone_is_not_sent(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        campaign = sandbox.add_campaign("Spring")
        sandbox.add_account("ana@acme.com", tags=("Warm ones",))
        action = SetCampaignOptions.model_validate(
            {
                "campaign": campaign.id,
                "senders": "ana@acme.com",
                "tags": "warm ONES",
                "daily_limit": 50,
                "open_tracking": "off",
            }
        )

        await action.check(instantly)
        done = await action.run(instantly, "key")

        assert isinstance(done, Done)
        assert [(item.name, item.note) for item in done.items] == [
            ("Sends from", "ana@acme.com"),
            ("Sends from all tagged", "warm ONES"),
            ("E-mails a day", "50"),
            ("Track opens", "off"),
        ]
        tag = (await instantly.accounts()).accounts[0].tags[0]
        assert campaign.options == {
            "emailList": ["ana@acme.com"],
            "emailTagList": [tag.id],
            "dailyLimit": 50,
            "openTracking": False,
        }

    async def test_refusals(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        campaign, foreign = sandbox.add_campaign("Spring"), sandbox.add_campaign("Theirs", foreign=True)
        cases: list[tuple[dict[str, Any], dict[str, str]]] = [
            ({"campaign": ID, "daily_limit": 1}, {"campaign": "Instantly does not know it."}),
            ({"campaign": foreign.id, "daily_limit": 1}, {"campaign": "Instantly gives no access"}),
            ({"senders": ["bo@acme.com"]}, {"senders": "Not among the sending accounts: bo@acme.com."}),
            ({"tags": "cold"}, {"tags": "No sending account has the tag cold."}),
        ]
        for values, told in cases:
            action = SetCampaignOptions.model_validate({"campaign": campaign.id, **values})
            with pytest.raises(Refused) as refused:
                await action.check(instantly)
            for field, sentence in told.items():
                assert refused.value.problems[field].startswith(sentence)

    async def test_a_tag_that_has_gone_meanwhile(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        campaign = sandbox.add_campaign("Spring")

        failed = await SetCampaignOptions(campaign=campaign.id, tags=["cold"]).run(instantly, "key")

        assert isinstance(failed, Failed)
        assert failed.summary == "No sending account has the tag cold. Nothing was changed."
        assert sandbox.changes["options"] == 0

    async def test_an_unclear_answer(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        campaign = sandbox.add_campaign("Spring")
        sandbox.faults.add("options", Fault.cut_after())
        action = SetCampaignOptions(campaign=campaign.id, daily_limit=5)

        with pytest.raises(OutcomeUnknown):
            await action.run(instantly, "key")
        looked = await action.reconcile(instantly, "key")

        assert isinstance(looked, Unknown)
        assert "Asking again with the same options does no harm." in looked.evidence


SEQUENCE = """Hello {{firstName}}

We have 3 < 5 & more.

Bye
|||
Hi!
Short
---
Still there?
  Just asking
"""


class TestSequences:
    def test_steps_and_variants(self) -> None:
        first, second = parse_sequence(SEQUENCE)

        assert [variant.subject for variant in first.variants] == ["Hello {{firstName}}", "Hi!"]
        assert first.variants[0].body == "<div>We have 3 &lt; 5 &amp; more.</div><div><br></div><div>Bye</div>"
        assert second.variants[0].body == "<div>  Just asking</div>"

    @pytest.mark.parametrize("mark", ["---", "-----", " --- ", "—", "—-", "–-"])
    def test_what_keyboards_make_of_three_hyphens(self, mark: str) -> None:
        assert len(parse_sequence(f"A\ntext\n{mark}\nB\ntext")) == 2

    def test_a_signature_is_no_step(self) -> None:
        assert len(parse_sequence("A\ntext\n--\nAna\n-\nx")) == 1

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            (" \n ", "Write at least one e-mail: its subject in the first line, the text below it."),
            ("---", "Step 1 is empty. Write a subject in its first line and the e-mail below it."),
            ("A\ntext\n---\n", "Step 2 is empty. Write a subject in its first line and the e-mail below it."),
            ("A", "Step 1 has a subject only (“A”). Write the e-mail in the lines below it."),
            ("A\nx\n|||\nB", "Step 1, variant B has a subject only (“B”). Write the e-mail in the lines below it."),
        ],
    )
    def test_mistakes(self, text: str, sentence: str) -> None:
        assert problems(SetCampaignSequences, campaign=ID, emails=text) == {"emails": sentence}

    @given(st.lists(st.text(), max_size=5))
    def test_nothing_typed_becomes_html(self, lines: list[str]) -> None:
        inner = to_html(lines).replace("<div>", "").replace("</div>", "").replace("<br>", "")
        assert "<" not in inner
        assert ">" not in inner

    @given(st.text(alphabet="ab \n-|—\t<&", max_size=60))
    def test_any_text_is_taken_or_refused_with_a_sentence(self, text: str) -> None:
        try:
            action = SetCampaignSequences(campaign=ID, emails=text)
        except ValidationError as error:
            kinds = [wrong["type"] for wrong in error.errors()]
        else:
            kinds = ["sentence"] if parse_sequence(action.emails) else []
        assert kinds == ["sentence"]

    async def test_they_are_written_as_instantly_wants_them(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox
    ) -> None:
        campaign = sandbox.add_campaign("Spring")
        action = SetCampaignSequences(campaign=campaign.id, emails=SEQUENCE)

        await action.check(instantly)
        done = await action.run(instantly, "key")

        assert action.headline() == f"Write 2 steps with 3 variants in all for the campaign {campaign.id}"
        assert isinstance(done, Done)
        assert [(item.name, item.note) for item in done.items] == [
            ("Step 1", "A: Hello {{firstName}} · B: Hi!"),
            ("Step 2", "Still there?"),
        ]
        ((step, _),) = [sequence["steps"] for sequence in campaign.sequences]
        assert step["variants"][0]["body"].startswith("<div>We&nbsp;have&nbsp;3&nbsp;&lt;&nbsp;5")

    async def test_an_unclear_answer(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        campaign = sandbox.add_campaign("Spring")
        sandbox.faults.add("sequences", Fault.answers(502))
        action = SetCampaignSequences(campaign=campaign.id, emails="A\ntext")

        with pytest.raises(OutcomeUnknown):
            await action.run(instantly, "key")
        looked = await action.reconcile(instantly, "key")

        assert isinstance(looked, Unknown)
        assert f"Look at the e-mails of the campaign {campaign.id}" in looked.evidence


class TestLeads:
    def test_from_words(self) -> None:
        action = typed(AddLeads, f"{ID} a@x.com b@x.com")

        assert action.leads == ["a@x.com", "b@x.com"]
        assert action.headline() == f"Add 2 leads to the campaign {ID}"
        assert AddLeads.prefill([]) == {}

    def test_mistakes(self) -> None:
        assert problems(AddLeads, campaign=ID, leads="") == {"leads": "Write at least one of the addresses."}
        assert problems(AddLeads, campaign=ID, leads=["a@x.com"] * 1001) == {
            "leads": "These are 1001 addresses; at most 1000 go into one request."
        }

    async def test_the_counts_are_told(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        campaign = sandbox.add_campaign("Spring")
        campaign.leads.append("old@x.com")
        sandbox.blocklist.add("bad@x.com")
        action = AddLeads.model_validate(
            {"campaign": campaign.id, "leads": "new@x.com\nold@x.com\nbad@x.com\nnew@x.com"}
        )

        await action.check(instantly)
        done = await action.run(instantly, "key")

        assert isinstance(done, Done)
        assert done.summary == "1 of 4 addresses became leads of the campaign."
        assert done.chart is not None
        assert done.chart.shares == (
            ("Added", 1),
            ("Already in the campaign", 1),
            ("There twice", 1),
            ("On the blocklist", 1),
        )
        assert done.items[-1].note == "99,999 leads"
        assert sandbox.verified == []

    async def test_a_full_plan(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        campaign = sandbox.add_campaign("Spring")
        sandbox.remaining_in_plan = 0

        failed = await AddLeads(campaign=campaign.id, leads=["a@x.com"]).run(instantly, "key")

        assert isinstance(failed, Failed)
        assert failed.summary.endswith(
            "0 of 1 address became leads of the campaign. The plan has no room for more leads."
        )
        assert "make room in its plan" in failed.cure

    async def test_those_that_are_all_in_it_already(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox
    ) -> None:
        campaign = sandbox.add_campaign("Spring")
        campaign.leads.append("a@x.com")

        assert isinstance(await AddLeads(campaign=campaign.id, leads=["a@x.com"]).run(instantly, "key"), Done)

    async def test_leads_of_other_campaigns(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        campaign = sandbox.add_campaign("Spring")
        sandbox.add_campaign("Autumn").leads.append("a@x.com")
        both = ["a@x.com", "b@x.com"]

        done = await AddLeads(campaign=campaign.id, leads=both, skip_known=True).run(instantly, "key")

        assert done.summary == "1 of 2 addresses became leads of the campaign."  # type: ignore[union-attr]
        assert campaign.leads == ["b@x.com"]

    async def test_half_of_it_and_no_answer(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        campaign = sandbox.add_campaign("Spring")
        sandbox.faults.add("add_leads", Fault.cut_after(work=Work.HALF))
        action = AddLeads(campaign=campaign.id, leads=["a@x.com", "b@x.com"])

        with pytest.raises(OutcomeUnknown):
            await action.run(instantly, "key")
        looked = await action.reconcile(instantly, "key")
        again = await action.run(instantly, "key")

        assert isinstance(looked, Unknown)
        assert "Asking again with the same 2 addresses does no harm" in looked.evidence
        assert again.summary == "1 of 2 addresses became leads of the campaign."  # type: ignore[union-attr]
        assert campaign.leads == ["a@x.com", "b@x.com"]


class TestApiKey:
    async def test_it_is_shown_once_and_stored_nowhere(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox, everything_logged: Any
    ) -> None:
        action = typed(CreateApiKey, "for Ana")

        shown = await action.reveal(instantly)

        (key,) = sandbox.keys
        ((name, secret),) = shown.secrets
        assert (name, secret.get_secret_value()) == ("API key", key)
        for text in (repr(shown), str(shown), shown.summary, repr(action), action.model_dump_json(), repr(instantly)):
            assert key not in text
        assert key not in everything_logged.getvalue()

    @pytest.mark.parametrize("fault", [Fault.cut_after(), Fault.malformed(), Fault.answers(500)])
    async def test_it_is_asked_for_once_whatever_happens(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox, fault: Fault
    ) -> None:
        sandbox.faults.add("create_api_key", fault)

        with pytest.raises(OutcomeUnknown, match="nobody has seen it") as error:
            await CreateApiKey(name="Ana").reveal(instantly)

        assert sandbox.calls["create_api_key"] == 1
        assert "delete the one named “Ana” if it is there" in error.value.cure
        assert all(key not in repr(error.value) + error.value.detail for key in sandbox.keys)
        assert error.value.__context__ is None

    async def test_an_ended_session(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        sandbox.expired = True

        with pytest.raises(AuthExpired) as error:
            await CreateApiKey(name="Ana").reveal(instantly)
        assert "postroom doctor" in error.value.cure

    async def test_it_cannot_be_run(self, instantly: InstantlyClient) -> None:
        with pytest.raises(TypeError):
            await CreateApiKey(name="Ana").run(instantly, "key")


class TestAccounts:
    async def test_page_by_page(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        for number in range(2 * PAGE):
            sandbox.add_account(f"m{number}@acme.com")

        first = await ListSendingAccounts().run(instantly, "key")
        last = await ListSendingAccounts(page=2).run(instantly, "key")
        beyond = await ListSendingAccounts(page=3).run(instantly, "key")

        assert isinstance(first, Done)
        assert first.table is not None
        assert (len(first.table.rows), first.next_page) == (PAGE, 2)
        assert isinstance(last, Done)
        assert last.next_page is None
        assert last.summary == f"{PAGE} sending accounts, page 2."
        assert beyond == Done(summary="There are no more sending accounts.")

    @pytest.mark.parametrize("at_a_time", [1, 10, PAGE])
    async def test_also_where_fewer_come_at_a_time(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox, at_a_time: int
    ) -> None:
        emails = [f"a{n:02}@acme.com" for n in range(PAGE * 2 + 3)]
        for email in emails:
            sandbox.add_account(email)
        sandbox.most_per_page = at_a_time

        shown, page = list[str](), 1
        while True:
            done = await ListSendingAccounts(page=page).run(instantly, "key")
            assert isinstance(done, Done)
            assert done.table is not None
            shown += [row[0] for row in done.table.rows]
            if done.next_page is None:
                break
            page = done.next_page

        assert shown == emails

    async def test_a_row_that_cannot_be_read_does_not_end_the_list(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox
    ) -> None:
        rows: Any = [{"email": None}, *({"email": f"a{n:02}@acme.com"} for n in range(PAGE))]
        sandbox.faults.add("accounts", Fault.answers(200, body={"accounts": rows}))

        done = await ListSendingAccounts().run(instantly, "key")

        assert isinstance(done, Done)
        assert done.next_page == 2

    async def test_what_is_told_of_each(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        sandbox.add_account("ana@acme.com", warmup_score=98.5, tags=("Warm", "EU"), status=-1)
        sandbox.add_account("bo@acme.com", warmup_score=None, status=55)

        shown = await typed(ListSendingAccounts, "acme.com").run(instantly, "key")

        assert shown.summary == "2 sending accounts matching “acme.com”."
        assert shown.table.columns[0] == "Address"
        assert shown.table.rows == (
            ("ana@acme.com", "connection error", "98.5", "30", "10", "10", "Warm, EU"),
            ("bo@acme.com", "unknown (55)", "–", "30", "10", "10", "–"),
        )

    async def test_by_status(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        sandbox.add_account("ana@acme.com", status=2)
        sandbox.add_account("bo@acme.com")

        paused = await ListSendingAccounts(status="paused").run(instantly, "key")
        broken = await ListSendingAccounts(status="sending_error", search="acme").run(instantly, "key")

        assert isinstance(paused, Done)
        assert paused.table is not None
        assert [row[0] for row in paused.table.rows] == ["ana@acme.com"]
        assert isinstance(broken, Done)
        assert broken.summary == "There are no sending accounts matching “acme” with the status “sending error”."


class TestLimits:
    def test_from_words(self) -> None:
        action = SetMailboxLimits.model_validate(
            {**SetMailboxLimits.prefill(["ana@acme.com", "ANA@acme.com", "bo@acme.com"]), "daily_limit": 40}
        )

        assert action.addresses == ["ana@acme.com", "bo@acme.com"]
        assert action.headline() == "Set the limits of 2 sending accounts: daily limit 40"
        assert action.subjects() == ("ana@acme.com", "bo@acme.com")

    def test_mistakes(self) -> None:
        many = [f"m{n}@acme.com" for n in range(51)]
        assert problems(SetMailboxLimits, addresses="ana@acme.com") == {
            "warmup_limit": "Nothing would change. Fill in at least one of the limits."
        }
        assert problems(SetMailboxLimits, addresses="ana", daily_limit=-1) == {
            "addresses": "“ana” is not an e-mail address. One looks like ana@acme-mail.com.",
            "daily_limit": "This has to be a number from 0 to 100000.",
        }
        assert (
            "for at most 50 in one request; these are 51"
            in (problems(SetMailboxLimits, addresses=many, sending_gap=5)["warmup_limit"])
        )
        assert len(SetMailboxLimits(addresses=many, daily_limit=5).addresses) == 51

    async def test_unknown_addresses_are_refused(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        sandbox.add_account("ana@acme.com")

        with pytest.raises(Refused) as refused:
            await SetMailboxLimits(addresses=["ana@acme.com", "bo@acme.com"], daily_limit=5).check(instantly)
        assert refused.value.problems == {
            "addresses": "Not among the sending accounts: bo@acme.com. Remove or correct these."
        }

    async def test_one_that_a_moving_list_passed_over_is_looked_for(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox
    ) -> None:
        """Somebody removed another one while the list was read, so that this one slipped to the page before."""
        emails = [f"a{n}@acme.com" for n in range(4)]
        for email in emails:
            sandbox.add_account(email)
        rows: Any = [{"email": email} for email in emails[:3]]
        sandbox.faults.add("accounts", Fault.answers(200, body={"accounts": rows}))
        sandbox.faults.add("accounts", Fault.answers(200, body={"accounts": []}))

        await SetMailboxLimits(addresses=emails, daily_limit=30).check(instantly)

    async def test_one(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        account = sandbox.add_account("Ana@acme.com")
        action = SetMailboxLimits(addresses=["ana@acme.com"], daily_limit=40, sending_gap=7, warmup_limit=3)

        await action.check(instantly)
        done = await action.run(instantly, "key")

        assert isinstance(done, Done)
        assert done.summary == ("ana@acme.com has the new limits now: daily limit 40, sending gap 7, warm-up limit 3.")
        assert (account.daily_limit, account.sending_gap, account.warmup_limit) == ("40", "7", "3")

    @pytest.mark.parametrize(("gap", "calls"), [(None, (0, 1)), (9, (4, 0))])
    async def test_many(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox, gap: int | None, calls: tuple[int, int]
    ) -> None:
        names = [f"m{n}@acme.com" for n in range(4)]
        for name in names:
            sandbox.add_account(name)

        done = await SetMailboxLimits(addresses=names, daily_limit=40, sending_gap=gap).run(instantly, "key")

        assert isinstance(done, Done)
        assert done.summary.startswith("All 4 sending accounts have the new limits now: daily limit 40")
        assert (sandbox.calls["update_account"], sandbox.calls["update_accounts"]) == calls

    async def test_what_was_not_applied_is_said(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        sandbox.add_account("ana@acme.com")
        sandbox.add_account("bo@acme.com")
        sandbox.faults.add("update_accounts", Fault(Kind.SLOW, work=Work.HALF))
        names = ["ana@acme.com", "bo@acme.com", "gone@acme.com"]

        failed = await SetMailboxLimits(addresses=names, daily_limit=40).run(instantly, "key")

        assert isinstance(failed, Failed)
        assert failed.summary.startswith("1 of 3 sending accounts has the new limits.")
        assert [(item.name, item.state, item.note) for item in failed.items] == [
            ("ana@acme.com", ItemState.INFO, "daily limit 40"),
            ("bo@acme.com", ItemState.NOT_DONE, "not applied: daily limit"),
            ("gone@acme.com", ItemState.NOT_DONE, "not among the sending accounts"),
        ]

    async def test_stopped_on_the_way(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        for name in ("a@x.com", "b@x.com", "c@x.com"):
            sandbox.add_account(name)
        sandbox.faults.add("update_account", Fault.slow(0))
        sandbox.faults.add("update_account", Fault.answers(402))
        action = SetMailboxLimits(addresses=["a@x.com", "b@x.com", "c@x.com"], sending_gap=3)

        failed = await action.run(instantly, "key")

        assert isinstance(failed, Failed)
        assert "has no plan for that" in failed.summary
        assert [item.state for item in failed.items] == [ItemState.INFO, ItemState.NOT_DONE, ItemState.NOT_DONE]

    async def test_one_refusal_does_not_stop_the_others(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox
    ) -> None:
        sandbox.add_account("a@x.com")
        sandbox.add_account("b@x.com")
        sandbox.faults.add("update_account", Fault.answers(200, word="Error UA404 - Please contact support"))

        failed = await SetMailboxLimits(addresses=["a@x.com", "b@x.com"], sending_gap=3).run(instantly, "key")

        assert isinstance(failed, Failed)
        assert [item.state for item in failed.items] == [ItemState.NOT_DONE, ItemState.INFO]

    async def test_nothing_sent_is_an_error(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        sandbox.add_account("a@x.com")
        sandbox.has_plan = False

        with pytest.raises(NeedsSubscription):
            await SetMailboxLimits(addresses=["a@x.com"], daily_limit=3).run(instantly, "key")

    @pytest.mark.parametrize(("work", "applied"), [(Work.ALL, 2), (Work.HALF, 1), (Work.NOTHING, 0)])
    async def test_an_unclear_answer_is_read_back(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox, work: Work, applied: int
    ) -> None:
        sandbox.add_account("a@x.com")
        sandbox.add_account("b@x.com")
        sandbox.faults.add("update_accounts", Fault(Kind.CUT, work=work))
        action = SetMailboxLimits(addresses=["a@x.com", "b@x.com"], daily_limit=3)

        with pytest.raises(OutcomeUnknown):
            await action.run(instantly, "key")
        looked = await action.reconcile(instantly, "key")

        assert sandbox.calls["update_accounts"] == 1
        if applied == 2:
            assert isinstance(looked, Done)
        else:
            assert isinstance(looked, Unknown)
            assert looked.evidence.startswith(f"{applied} of 2 sending accounts")
            assert sum(item.state is ItemState.UNKNOWN for item in looked.items) == 2 - applied

    async def test_it_was_done_but_cannot_be_read_back(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox
    ) -> None:
        sandbox.add_account("a@x.com")
        sandbox.faults.add("accounts", Fault.slow(0))
        sandbox.faults.add("accounts", Fault.answers(500), times=3)

        with pytest.raises(OutcomeUnknown, match="took the limits of 1 sending account, but"):
            await SetMailboxLimits(addresses=["a@x.com"], daily_limit=3).run(instantly, "key")
