"""An account at Instantly: what it makes of every answer, and how often it asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from providers.errors import (
    AuthExpired,
    BadAnswer,
    NeedsSubscription,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    RateLimited,
    Rejected,
)
from providers.instantly.client import MAX_PAGES, InstantlyClient, InstantlySettings
from providers.instantly.models import AccountStatus, CampaignOptions, CampaignStatus, Limits, Step, Variant
from providers.instantly.sandbox import (
    SANDBOX_ORGANIZATION_ID,
    SANDBOX_ORGANIZATION_TOKEN,
    SANDBOX_SESSION,
    SANDBOX_USER_ID,
    InstantlySandbox,
)
from providers.simulator import Fault, Work

OpenAccount = Callable[..., InstantlyClient]
NOBODY = "0b1c2d3e-0000-4000-8000-0000000000ee"
STEP = Step(variants=(Variant(subject="Hi", body="<p>Hello there</p>"),))


class TestCampaigns:
    async def test_from_draft_to_leads(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        created = await instantly.create_campaign("Spring")
        assert (created.name, created.status, created.owned_by) == ("Spring", CampaignStatus.DRAFT, SANDBOX_USER_ID)
        await instantly.update_options(created.id, CampaignOptions(daily_limit=50, stop_on_reply=True))
        await instantly.update_sequences(created.id, [STEP])
        told = await instantly.add_leads(created.id, ["l@x.com", "m@x.com"])
        assert (told.total_sent, told.leads_uploaded, told.remaining_in_plan) == (2, 2, 99_998)

        sandbox.campaigns[created.id].status = 1
        read = await instantly.campaign(created.id)
        assert (read.id, read.name, read.status) == (created.id, "Spring", CampaignStatus.ACTIVE)
        assert (read.created_at, read.schedule, read.not_sending_status) == (created.created_at, None, "")
        kept = sandbox.campaigns[created.id]
        assert kept.options == {"dailyLimit": 50, "stopOnReply": True}
        assert kept.sequences[0]["steps"][0]["variants"][0]["body"] == "<p>Hello&nbsp;there</p>"
        assert kept.leads == ["l@x.com", "m@x.com"]

    async def test_leads_come_in_all_kinds(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        campaign = sandbox.add_campaign("Spring")
        campaign.leads.append("old@x.com")
        sandbox.blocklist = {"blocked@x.com"}
        told = await instantly.add_leads(
            campaign.id, ["new@x.com", "NEW@x.com", "old@x.com", "blocked@x.com", "no-address"]
        )
        assert (told.total_sent, told.leads_uploaded, told.duplicate_email_count) == (5, 1, 1)
        assert (told.already_in_campaign, told.in_blocklist, told.invalid_email_count) == (1, 1, 1)

    async def test_leads_again_change_nothing(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        campaign = sandbox.add_campaign("Spring")
        for uploaded in (1, 0):
            assert (await instantly.add_leads(campaign.id, ["a@x.com"])).leads_uploaded == uploaded
        assert campaign.leads == ["a@x.com"]

    async def test_what_is_wrong_with_a_campaign(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        foreign = sandbox.add_campaign("Theirs", foreign=True).id
        with pytest.raises(NotFound):
            await instantly.campaign(NOBODY)
        refused: list[tuple[Any, int]] = [
            (instantly.create_campaign(""), 400),
            (instantly.create_campaign("Spring", user_id=NOBODY), 500),
            (instantly.create_campaign("Spring", user_id="me"), 500),
            (instantly.campaign(foreign), 403),
            (instantly.campaign("no-uuid"), 500),
            (instantly.update_options(foreign, CampaignOptions(text_only=True)), 403),
            (instantly.update_options("", CampaignOptions(text_only=True)), 403),
            (instantly.update_options("no-uuid", CampaignOptions()), 500),
            (instantly.update_options(NOBODY, CampaignOptions(email_tag_list=("no-uuid",))), 500),
            (instantly.update_sequences(sandbox.add_campaign("Ours").id, []), 200),
            (instantly.update_sequences("no-uuid", [STEP]), 500),
            (instantly.add_leads("no-uuid", ["a@x.com"]), 500),
            (instantly.add_leads(NOBODY, ["a@x.com"]), 500),
            (instantly.add_leads(foreign, ["a@x.com"], verify=True), 500),
        ]
        for call, status in refused:
            with pytest.raises(Rejected) as error:
                await call
            assert error.value.status == status
        asked_once = {"create_campaign": 3, "campaign": 3, "options": 4, "sequences": 2, "add_leads": 3}
        assert sandbox.calls == asked_once | {"campaign": 3 + 3}, "and a campaign that got no leads was looked up"
        assert sandbox.changes == {}

    async def test_a_500_to_leads_of_a_campaign_that_is_there_proves_nothing(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox
    ) -> None:
        campaign = sandbox.add_campaign("Spring")
        sandbox.faults.add("add_leads", Fault.answers(500, work=Work.HALF))
        with pytest.raises(OutcomeUnknown):
            await instantly.add_leads(campaign.id, ["a@x.com", "b@x.com"], verify=True)
        assert sandbox.verified == ["a@x.com"]
        sandbox.faults.add("add_leads", Fault.answers(500))
        sandbox.faults.add("campaign", Fault.answers(503), times=3)
        with pytest.raises(OutcomeUnknown):
            await instantly.add_leads(NOBODY, ["a@x.com"])

    async def test_numbers_nobody_has_documented_are_noted_once(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox, logged: Any
    ) -> None:
        campaign = sandbox.add_campaign("Spring")
        campaign.status = 77
        sandbox.add_account("a@acme.com", status=[1])
        for _ in range(3):
            assert (await instantly.campaign(campaign.id)).status is CampaignStatus.UNKNOWN
            assert (await instantly.accounts()).accounts[0].status is AccountStatus.UNKNOWN
        noted = [(line["of"], line["said"]) for line in logged if line["event"] == "unknown word"]
        assert noted == [("campaign status", "77"), ("account status", "a list")]


class TestAccounts:
    async def test_one_account(self, instantly: InstantlyClient, sandbox: InstantlySandbox, clock: Any) -> None:
        sandbox.add_account("ann.lee@acme.com", status=-2, warmup_score=87.5, tags=("sales", "eu"))
        [account] = (await instantly.accounts()).accounts
        assert (account.email, account.first_name, account.last_name) == ("ann.lee@acme.com", "Ann", "Lee")
        assert (account.status, account.warmup_score) == (AccountStatus.SOFT_BOUNCE, 87.5)
        assert (account.daily_limit, account.sending_gap, account.warmup_limit) == (30, 10, 10)
        assert [tag.label for tag in account.tags] == ["sales", "eu"]
        assert account.created_at == clock.now()

    async def test_pages_until_the_end(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        for number in range(200):
            sandbox.add_account(f"a{number}@acme.com", status=2 if number % 2 else 1)
        first = await instantly.accounts()
        assert (len(first.accounts), first.rows) == (100, 100)
        assert len(await instantly.all_accounts()) == 200
        assert sandbox.calls["accounts"] == 4, "two full pages, and an empty one to see the end"
        assert len(await instantly.all_accounts(status=AccountStatus.PAUSED)) == 100
        assert len(await instantly.all_accounts(search="a19@")) == 1

    @pytest.mark.parametrize(("count", "calls"), [(0, 1), (20, 2), (50, 2), (100, 3), (120, 3)])
    async def test_a_server_that_gives_fewer_than_it_is_asked_for(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox, count: int, calls: int
    ) -> None:
        sandbox.most_per_page = 50
        for number in range(count):
            sandbox.add_account(f"a{number}@acme.com")
        assert len(await instantly.all_accounts()) == count
        assert sandbox.calls["accounts"] == calls
        wanted = [f"a{n}@acme.com" for n in (1, 60, 100, 119)]
        assert list(await instantly.find_accounts(wanted)) == [email for email in wanted if email in sandbox.accounts]

    async def test_a_list_without_an_end(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        """A thousand pages are its end, however small they are."""
        sandbox.most_per_page = 1
        for number in range(1001):
            sandbox.add_account(f"a{number}@acme.com")
        with pytest.raises(BadAnswer, match="does not end"):
            await instantly.all_accounts()
        assert sandbox.calls["accounts"] == MAX_PAGES == 1000

    async def test_a_list_that_shows_the_same_again_and_again(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox
    ) -> None:
        sandbox.skips = False
        sandbox.add_account("a@acme.com")
        with pytest.raises(BadAnswer, match="again and again"):
            await instantly.all_accounts()
        assert sandbox.calls["accounts"] == 2

    async def test_accounts_that_cannot_be_read_do_not_end_the_list(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox, logged: Any
    ) -> None:
        for number in range(250):
            sandbox.add_account(f"a{number}@acme.com")
        for number, email in ((3, None), (99, ""), (100, 5), (249, "  ")):
            sandbox.accounts[f"a{number}@acme.com"].email = email
        for _ in range(2):
            assert len(await instantly.all_accounts()) == 246
        assert [call.body["skip"] for call in sandbox.arrived] == [0, 100, 200] * 2
        wanted = [f"a{n}@acme.com" for n in (1, 2, 4, 248)]
        assert list(await instantly.find_accounts(wanted)) == wanted
        assert [line["rows"] for line in logged if "left out" in line["event"]] == [2]

    async def test_found_by_exact_address_alone(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        for number in range(150):
            sandbox.add_account(f"x{number}-ann@acme.com")
        sandbox.add_account("ann@acme.com")
        assert list(await instantly.find_accounts(["Ann@acme.com", "nn@acme.com"])) == ["Ann@acme.com"]
        calls = sandbox.calls["accounts"]
        many = ["ann@acme.com", *(f"x{n}-ann@acme.com" for n in range(120)), "bob@acme.com"]
        assert len(await instantly.find_accounts(many)) == 121
        assert sandbox.calls["accounts"] == calls + 3  # two pages, and one for bob, whom they do not show
        assert await instantly.find_accounts([]) == {}

    async def test_limits_are_changed_and_read_back(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox
    ) -> None:
        sandbox.add_account("a@acme.com")
        limits = Limits(daily_limit=40, warmup_limit=7)
        await instantly.update_account("a@acme.com", limits)
        back = await instantly.read_back(["a@acme.com"], limits)
        assert (back.applied, dict(back.differing), back.missing) == (("a@acme.com",), {}, ())
        differing = await instantly.read_back(["a@acme.com"], Limits(daily_limit=40, sending_gap=1, warmup_limit=1))
        assert differing.differing == {"a@acme.com": ("sending_gap", "warmup_limit")}

    async def test_an_unknown_address_is_a_200(self, instantly: InstantlyClient) -> None:
        with pytest.raises(Rejected, match="UA404") as error:
            await instantly.update_account("nobody@acme.com", Limits(daily_limit=1))
        assert error.value.status == 200

    async def test_success_in_bulk_proves_nothing(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        for name in "abcd":
            sandbox.add_account(f"{name}@acme.com")
        emails = [f"{name}@acme.com" for name in "abcdz"]
        sandbox.faults.add("update_accounts", Fault.answers(200, work=Work.HALF))
        with pytest.raises(Rejected):
            await instantly.update_accounts(emails, 222)
        back = await instantly.read_back(emails, Limits(daily_limit=222))
        assert back.applied == ("a@acme.com", "b@acme.com", "c@acme.com")
        assert (dict(back.differing), back.missing) == ({"d@acme.com": ("daily_limit",)}, ("z@acme.com",))
        await instantly.update_accounts(emails, 222)
        assert len((await instantly.read_back(emails, Limits(daily_limit=222))).applied) == 4


class TestKeys:
    async def test_a_key_is_made_and_never_shown_by_accident(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox
    ) -> None:
        made = await instantly.create_api_key("ci")
        assert sandbox.keys == [made.key.get_secret_value()]
        assert (made.name, made.scopes) == ("ci", ("all:all",))
        assert sandbox.keys[0] not in repr(made) + str(made)

    @pytest.mark.parametrize(
        ("fault", "made", "expected"),
        [
            (Fault.cut_before(), 0, OutcomeUnknown),
            (Fault.cut_after(), 1, OutcomeUnknown),
            (Fault.malformed(), 1, OutcomeUnknown),
            (Fault.unknown_shape(), 1, OutcomeUnknown),
            (Fault.answers(200, word="Error", work=Work.ALL), 1, OutcomeUnknown),
            (Fault.answers(500, work=Work.ALL), 1, OutcomeUnknown),
            (Fault.answers(429), 0, RateLimited),
            (Fault.answers(400), 0, Rejected),
        ],
    )
    async def test_whatever_happens_it_is_asked_for_once(
        self,
        instantly: InstantlyClient,
        sandbox: InstantlySandbox,
        fault: Fault,
        made: int,
        expected: type[ProviderError],
    ) -> None:
        sandbox.faults.add("create_api_key", fault)
        with pytest.raises(ProviderError) as error:
            await instantly.create_api_key("ci")
        assert type(error.value) is expected
        assert (sandbox.calls["create_api_key"], len(sandbox.keys)) == (1, made)


class TestReadingsThatGoWrong:
    async def test_a_wrong_id_is_not_asked_about_again(
        self, instantly: InstantlyClient, sandbox: InstantlySandbox
    ) -> None:
        with pytest.raises(Rejected, match="not a uuid"):
            await instantly.campaign("no-uuid")
        assert sandbox.calls["campaign"] == 1


class TestCredentials:
    async def test_good_ones(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        await instantly.verify_credentials()
        [arrived] = sandbox.arrived
        assert arrived.body["limit"] == 1

    @pytest.mark.parametrize(
        "changed", [{"session": "wrong"}, {"organization_token": "wrong"}, {"organization_id": NOBODY}]
    )
    async def test_wrong_ones(
        self, open_account: OpenAccount, sandbox: InstantlySandbox, changed: dict[str, str]
    ) -> None:
        with pytest.raises(AuthExpired):
            await open_account(**changed).verify_credentials()
        with pytest.raises(AuthExpired):
            await open_account(**changed).campaign(sandbox.add_campaign("Spring").id)

    async def test_the_session_ends(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        sandbox.expired = True
        with pytest.raises(AuthExpired, match="Token has expired"):
            await instantly.create_api_key("ci")
        assert sandbox.keys == []

    async def test_another_workspace(self, open_account: OpenAccount) -> None:
        with pytest.raises(AuthExpired):
            await open_account(workspace_id=NOBODY).create_api_key("ci")

    async def test_no_plan(self, instantly: InstantlyClient, sandbox: InstantlySandbox) -> None:
        sandbox.has_plan = False
        with pytest.raises(NeedsSubscription):
            await instantly.create_campaign("Spring")
        await instantly.verify_credentials()

    async def test_the_wrong_address(self, open_account: OpenAccount) -> None:
        with pytest.raises(BadAnswer) as error:
            await open_account(account_path_prefix="/elsewhere").verify_credentials()
        assert "account_path_prefix" in error.value.cure


class TestSettings:
    def settings(self, **changed: Any) -> InstantlySettings:
        given = {
            "provider": "instantly",
            "session": SANDBOX_SESSION,
            "organization_token": SANDBOX_ORGANIZATION_TOKEN,
            "organization_id": SANDBOX_ORGANIZATION_ID,
        }
        return InstantlySettings(**(given | changed))

    def test_what_need_not_be_said(self) -> None:
        settings = self.settings()
        assert (str(settings.base_url), settings.account_path_prefix) == ("https://app.instantly.ai/", "/api/v1")

    @pytest.mark.parametrize("name", ["session", "organization_token", "organization_id", "workspace_id"])
    @pytest.mark.parametrize("value", ["", "s3cr3t with space", "s3cr3t;more=1", "s3cr3t\r\nX-Evil: 1"])
    def test_what_does_not_fit_into_a_header_is_refused_without_being_repeated(self, name: str, value: str) -> None:
        with pytest.raises(ValidationError, match="must be a value") as error:
            self.settings(**{name: value})
        assert "s3cr3t" not in str(error.value)

    @pytest.mark.parametrize("prefix", ["api/v1", "/api/v1/", "/a?b", "/a b"])
    def test_a_prefix_is_a_path(self, prefix: str) -> None:
        with pytest.raises(ValidationError):
            self.settings(account_path_prefix=prefix)
