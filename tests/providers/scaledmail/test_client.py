"""An account at ScaledMail: what it asks, how often, and what it makes of every answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from providers.accounts import PriceList
from providers.catalogue import open_account as open_in_house
from providers.catalogue import registered
from providers.errors import (
    AuthExpired,
    NotFound,
    NotSent,
    OutcomeUnknown,
    Rejected,
)
from providers.scaledmail.client import Paces, ScaledMailClient, ScaledMailSettings
from providers.scaledmail.models import DomainStatus, PaymentStatus, Platform, Sequencer, WantedInbox
from providers.scaledmail.sandbox import (
    SANDBOX_KEY,
    SANDBOX_ORGANIZATION,
    SANDBOX_SECOND_ORGANIZATION,
    ScaledMailSandbox,
    password_of,
)
from providers.simulator import Fault, Work

OpenAccount = Callable[..., ScaledMailClient]

SEQUENCER = Sequencer(
    provider="Instantly", username="ana@acme.com", password="Sequencer-Secret", link="https://app.instantly.ai"
)


def two(sandbox: ScaledMailSandbox) -> list[WantedInbox]:
    """Two domains, put on the shelf and wanted."""
    offered = sandbox.put_on_shelf("warm-a.com", "warm-b.com")
    return [WantedInbox(id=inbox.id, domain=inbox.domain) for inbox in offered]


class TestBuying:
    async def test_from_the_shelf_to_its_mailboxes(
        self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox, clock: Any
    ) -> None:
        sandbox.listing_lag_seconds, sandbox.setup_seconds = 30, 60
        sandbox.put_on_shelf("warm-a.com", one_time="23.50", monthly="8", mailbox_count=3)
        inbox = (await scaledmail.prewarm_stock()).inbox("Warm-A.com")
        assert inbox is not None
        assert (inbox.one_time_price, inbox.monthly_price) == (Decimal("23.5"), Decimal("8"))

        wanted = WantedInbox(id=inbox.id, domain=inbox.domain, redirect="acme.com")
        taken = await scaledmail.buy_prewarm([wanted], tag="req_1")
        assert taken.message == "Pre-warm inboxes are being assigned."
        assert await scaledmail.tagged("req_1") == ()

        clock.advance(30)
        [domain] = await scaledmail.tagged("req_1")
        assert (domain.name, domain.status, domain.payment) == ("warm-a.com", DomainStatus.PENDING, PaymentStatus.PAID)
        assert (domain.platform, domain.redirect, domain.mailbox_count) == (Platform.GOOGLE, "acme.com", 3)
        assert (await scaledmail.prewarm_stock()).inbox("warm-a.com") is None

        clock.advance(30)
        found = await scaledmail.find_domain("WARM-a.com")
        assert found is not None
        assert found.status is DomainStatus.ACTIVE
        assert len(await scaledmail.mailboxes(found.id)) == 3
        assert sandbox.times_bought("warm-a.com") == 1

    async def test_the_sequencer_travels_whole(self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox) -> None:
        await scaledmail.buy_prewarm(two(sandbox), tag="req_1", sequencer=SEQUENCER)
        assert sandbox.sequencers == [
            {
                "provider": "Instantly",
                "username": "ana@acme.com",
                "password": "Sequencer-Secret",
                "link": "https://app.instantly.ai",
            }
        ]
        assert "Sequencer-Secret" not in repr(SEQUENCER) + SEQUENCER.model_dump_json()

    async def test_created_but_not_charged_is_not_a_no(
        self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox
    ) -> None:
        sandbox.charge_fails = True
        with pytest.raises(OutcomeUnknown, match="created the subscription, but could not charge") as unknown:
            await scaledmail.buy_prewarm(two(sandbox), tag="req_1")
        assert (unknown.value.status, unknown.value.detail) == (400, "created but not charged")
        assert "settle the open payment" in unknown.value.cure
        assert sandbox.times_bought("warm-a.com") == 1
        domain = (await scaledmail.tagged("req_1"))[0]
        assert (domain.status, domain.payment) == (DomainStatus.ACTIVE, PaymentStatus.DUE)

    async def test_what_is_gone_is_left_out_in_silence(
        self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox
    ) -> None:
        wanted = [*two(sandbox), WantedInbox(id="rec-gone", domain="gone.com")]
        taken = await scaledmail.buy_prewarm(wanted, tag="req_1")
        assert taken.left_out == ()
        assert [domain.name for domain in await scaledmail.tagged("req_1")] == ["warm-a.com", "warm-b.com"]

    async def test_or_it_is_all_or_nothing(self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox) -> None:
        """A 400 has been seen after a subscription was created, so even this one is looked up before it is believed."""
        sandbox.all_or_nothing = True
        wanted = [*two(sandbox), WantedInbox(id="rec-gone", domain="gone.com")]
        with pytest.raises(OutcomeUnknown, match="Not enough pre-warm inboxes"):
            await scaledmail.buy_prewarm(wanted, tag="req_1")
        assert sandbox.purchases == []

    @pytest.mark.parametrize(
        ("body", "order", "left_out"),
        [
            ({"order": {"id": "ord_1"}, "unavailable": ["b.com", {"domain": "c.com"}]}, "ord_1", ("b.com", "c.com")),
            ({"data": {"payment_id": 17, "status": "Active"}}, "17", ()),
            ({"id": "sub_1", "failed": "c.com"}, "sub_1", ("c.com",)),
            ({"result": {"ok": 1}}, "", ()),
            (["a.com"], "", ()),
        ],
    )
    async def test_any_success_is_a_yes_whatever_it_says(
        self,
        scaledmail: ScaledMailClient,
        sandbox: ScaledMailSandbox,
        body: Any,
        order: str,
        left_out: tuple[str, ...],
    ) -> None:
        sandbox.faults.add("buy", Fault.answers(201, work=Work.ALL, body=body))
        taken = await scaledmail.buy_prewarm(two(sandbox), tag="req_1")
        assert (taken.order_id, taken.left_out) == (order, left_out)

    @pytest.mark.parametrize("body", [{"error": "no card"}, {"success": False}, {"status": "failed", "message": "x"}])
    async def test_unless_it_denies_itself(
        self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox, body: Any
    ) -> None:
        sandbox.faults.add("buy", Fault.answers(200, work=Work.ALL, body=body))
        with pytest.raises(OutcomeUnknown):
            await scaledmail.buy_prewarm(two(sandbox), tag="req_1")


class TestPurchasesThatGoWrong:
    @pytest.mark.parametrize("fault", [Fault.answers(500), Fault.cut_after(), Fault.malformed(), Fault.unknown_shape()])
    async def test_if_the_organization_cannot_be_found_out_nothing_was_sent(
        self, open_account: OpenAccount, sandbox: ScaledMailSandbox, fault: Fault
    ) -> None:
        sandbox.faults.add("organizations", fault, times=3)
        with pytest.raises(NotSent):
            await open_account(organization_id=None).buy_prewarm(two(sandbox), tag="req_1")
        assert sandbox.calls["buy"] == 0


class TestReadingsThatGoWrong:
    async def test_one_bad_row_does_not_spoil_the_listing(
        self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox, logged: Any
    ) -> None:
        rows = {"domains": [{"domain": "a.com"}, {"domain": None}, "b.com", {"name": "c.com", "tag": None}]}
        sandbox.faults.add("domains", Fault.answers(200, body=rows), times=2)
        for _ in range(2):
            assert [domain.name for domain in await scaledmail.domains()] == ["a.com", "c.com"]
        assert [line["rows"] for line in logged if "left out" in line["event"]] == [2]


class TestOrganizations:
    async def test_two_accounts_with_one_key(self, open_account: OpenAccount, sandbox: ScaledMailSandbox) -> None:
        sandbox.own("first.com")
        sandbox.own("second.com", organization=SANDBOX_SECOND_ORGANIZATION)
        first, second = open_account(), open_account(organization_id=SANDBOX_SECOND_ORGANIZATION)
        for client, name in ((first, "first.com"), (second, "second.com")):
            assert [domain.name for domain in await client.domains()] == [name]
            assert await client.organizations() == await first.organizations()

    async def test_the_only_one_is_found_out_once(self, open_account: OpenAccount, sandbox: ScaledMailSandbox) -> None:
        del sandbox.organizations[SANDBOX_SECOND_ORGANIZATION]
        scaledmail = open_account(organization_id=None)
        await asyncio.gather(*(scaledmail.domains() for _ in range(10)))
        assert sandbox.calls["organizations"] == 1
        assert sandbox.arrived[-1].query == {"organization_id": SANDBOX_ORGANIZATION}

    async def test_of_several_none_is_guessed(self, open_account: OpenAccount, sandbox: ScaledMailSandbox) -> None:
        with pytest.raises(Rejected) as rejected:
            await open_account(organization_id=None).buy_prewarm(two(sandbox), tag="req_1")
        assert f"{SANDBOX_ORGANIZATION} (Sandbox)" in rejected.value.cure
        assert sandbox.calls["buy"] == 0

    async def test_where_one_is_needed_to_ask_for_them(
        self, open_account: OpenAccount, sandbox: ScaledMailSandbox
    ) -> None:
        sandbox.organizations_need_one = True
        assert len(await open_account().organizations()) == 2
        with pytest.raises(Rejected):
            await open_account(organization_id=None).organizations()

    async def test_the_doctor(self, open_account: OpenAccount) -> None:
        await open_account().verify_credentials()
        with pytest.raises(AuthExpired):
            await open_account(api_key="wrong-key").verify_credentials()
        with pytest.raises(NotFound, match="no organization “typo”") as missing:
            await open_account(organization_id="typo").verify_credentials()
        assert SANDBOX_ORGANIZATION in missing.value.cure

    async def test_accounts_with_one_key_share_its_pace(self, open_account: OpenAccount, clock: Any) -> None:
        """The slowest says which; one with another key goes its own way."""
        paces = Paces()
        first = open_account(paces, min_seconds_between_calls=0.3)
        second = open_account(paces, organization_id=SANDBOX_SECOND_ORGANIZATION, min_seconds_between_calls=0.2)
        stranger = open_account(paces, api_key="another-key", min_seconds_between_calls=0.2)
        await asyncio.gather(first.domains(), second.domains(), first.domains())
        with pytest.raises(AuthExpired):
            await stranger.domains()
        assert clock.slept == [0.3, 0.3]

    async def test_so_they_do_in_a_house(self, running: Any, clock: Any) -> None:
        """Accounts of one house are opened with the same providers."""
        settings = ScaledMailSettings(
            provider="scaledmail", base_url=running.url, api_key=SANDBOX_KEY, organization_id=SANDBOX_ORGANIZATION
        )
        providers = registered()
        clients = [
            open_in_house(name, settings, PriceList(), clock, clock.sleep, providers=providers).client
            for name in ("one", "two")
        ]
        for client in clients:
            await client.domains()
            await client.aclose()
        assert clock.slept == [0.2]


class TestStock:
    async def test_both_shelves_with_prices(self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox) -> None:
        sandbox.put_on_shelf("warm-g.com", mailbox_count=2)
        sandbox.put_on_shelf(
            "warm-o.com", platform=Platform.OUTLOOK, warmup_months=2, mailbox_count=25, one_time="30", monthly="50"
        )
        sandbox.stated_total = 4
        stock = await scaledmail.prewarm_stock()
        assert stock.stated_total == 4
        google, outlook = stock.inboxes
        assert (google.platform, google.mailbox_count, len(google.mailboxes)) == (Platform.GOOGLE, 2, 1)
        assert (outlook.platform, outlook.warmup_months, outlook.mailboxes) == (Platform.OUTLOOK, 2, ())
        assert (outlook.one_time_price, outlook.monthly_price) == (Decimal(30), Decimal(50))

    async def test_a_shelf_nobody_knows_is_kept_and_noted_once(
        self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox, logged: Any
    ) -> None:
        sandbox.put_on_shelf("warm.com")
        row = {"id": "rec1", "domain": "proton.com", "pricing": {"oneTimePrice": "free"}}
        body = {"total": 1, "google": [], "proton": [row]}
        sandbox.faults.add("stock", Fault.answers(200, body=body), times=2)
        for _ in range(2):
            [inbox] = (await scaledmail.prewarm_stock()).inboxes
        assert (inbox.platform, inbox.one_time_price, inbox.mailbox_count) == (Platform.UNKNOWN, None, None)
        assert [line["said"] for line in logged if line["event"] == "unknown word"] == ["proton"]


class TestDomains:
    @pytest.mark.parametrize("bare", [False, True])
    async def test_all_and_those_for_new_orders(
        self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox, bare: bool
    ) -> None:
        sandbox.bare_arrays = bare
        sandbox.own("used.com")
        sandbox.own("free.com", in_use=False)
        assert [domain.name for domain in await scaledmail.domains()] == ["used.com"]
        assert [domain.name for domain in await scaledmail.purchased_domains()] == ["used.com", "free.com"]
        assert [domain.name for domain in await scaledmail.purchased_domains(available=True)] == ["free.com"]
        found = await scaledmail.find_domain("free.com")
        assert found is not None
        assert await scaledmail.find_domain("not-free.com") is None

    async def test_a_tag_that_only_one_listing_shows(
        self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox
    ) -> None:
        purchased = {"domains": [{"domain": "a.com", "order": {"tag": " REQ_1 ", "id": 9, "payment_status": "open"}}]}
        used = {"data": {"domains": [{"name": "A.com", "id": "dom1", "status": "in use"}, {"name": "b.com"}]}}
        sandbox.faults.add("purchased", Fault.answers(200, body=purchased))
        sandbox.faults.add("domains", Fault.answers(200, body=used))
        [domain] = await scaledmail.tagged("req_1")
        assert (domain.id, domain.order_id, domain.status) == ("dom1", "9", DomainStatus.ACTIVE)
        assert domain.payment is PaymentStatus.DUE

    async def test_no_tag_finds_nothing_rather_than_everything(
        self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox
    ) -> None:
        sandbox.own("acme.com")
        assert await scaledmail.tagged("") == ()
        sandbox.leaves_tags_out = True
        await scaledmail.buy_prewarm(two(sandbox), tag="req_1")
        assert await scaledmail.tagged("req_1") == ()
        assert await scaledmail.find_domain("warm-a.com") is not None

    async def test_a_status_nobody_knows_is_kept_and_noted_once(
        self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox, logged: Any
    ) -> None:
        [domain] = sandbox.own("acme.com")
        domain.status = "Marinating"
        for _ in range(3):
            [listed] = await scaledmail.domains()
        assert (listed.status, listed.raw_status) == (DomainStatus.UNKNOWN, "Marinating")
        assert [line["said"] for line in logged if line["event"] == "unknown word"] == ["Marinating"]

    async def test_someone_elses_domain(self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox) -> None:
        [other] = sandbox.own("other.com", organization=SANDBOX_SECOND_ORGANIZATION)
        with pytest.raises(NotFound):
            await scaledmail.mailboxes(other.id)

    @pytest.mark.parametrize("domain_id", ["", ".", "..", " "])
    async def test_an_id_that_leads_elsewhere_is_not_asked_for(
        self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox, domain_id: str
    ) -> None:
        with pytest.raises(NotFound):
            await scaledmail.mailboxes(domain_id)
        assert not sandbox.calls
        with pytest.raises(NotFound):
            await scaledmail.mailboxes("a?b=c#d")
        assert sandbox.arrived[-1].path == "/api/v1/mailboxes/a%3Fb=c%23d"


class TestMailboxes:
    async def test_passwords_only_for_whoever_asks(
        self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox
    ) -> None:
        [domain] = sandbox.own("acme.com")
        plain = await scaledmail.mailboxes(domain.id)
        assert (plain[0].email, plain[0].first_name, plain[0].last_name) == ("nora.lind@acme.com", "Nora", "Lind")
        assert plain[0].status is DomainStatus.ACTIVE
        revealed = await scaledmail.mailbox_passwords(domain.id)
        assert revealed[0].password is not None
        assert revealed[0].password.get_secret_value() == password_of("nora.lind@acme.com")

    async def test_what_comes_unasked_is_not_kept(
        self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox
    ) -> None:
        body = [{"address": "a@acme.com", "password": "unasked", "smtp_password": "unasked"}]
        sandbox.faults.add("mailboxes", Fault.answers(200, body=body))
        [mailbox] = await scaledmail.mailboxes("dom1")
        assert "unasked" not in repr(mailbox) + mailbox.model_dump_json() + repr(vars(mailbox))

    @pytest.mark.parametrize("key", ["password", "app_password", "appPassword", "smtp_password", "smtpPassword"])
    async def test_a_password_by_any_name(
        self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox, key: str
    ) -> None:
        sandbox.faults.add("mailboxes", Fault.answers(200, body=[{"email": "a@b.co", key: "s3cret"}, {"email": "c@d"}]))
        first, second = await scaledmail.mailbox_passwords("dom1")
        assert first.password is not None
        assert (first.password.get_secret_value(), second.password) == ("s3cret", None)
        assert "s3cret" not in repr(first)


class TestSettings:
    def settings(self, **changed: Any) -> ScaledMailSettings:
        return ScaledMailSettings(**({"provider": "scaledmail", "api_key": SANDBOX_KEY} | changed))

    def test_what_need_not_be_said(self) -> None:
        settings = self.settings()
        assert str(settings.base_url) == "https://server.scaledmail.com/api/v1"
        assert (settings.min_seconds_between_calls, settings.organization_id) == (0.2, None)

    @pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel"])
    def test_a_key_that_is_none_is_refused_without_being_repeated(self, key: str) -> None:
        with pytest.raises(ValidationError, match="one word of plain characters") as error:
            self.settings(api_key=key)
        assert not key or key not in str(error.value)


class TestSecrets:
    async def test_not_even_when_scaledmail_repeats_them(
        self, scaledmail: ScaledMailClient, sandbox: ScaledMailSandbox
    ) -> None:
        said = f"No {SANDBOX_KEY.upper()} with SEQUENCER-secret,\x1b[31m\nsorry." + "x" * 1000
        sandbox.faults.add("buy", Fault.answers(422, body={"error": said}))
        with pytest.raises(Rejected) as rejected:
            await scaledmail.buy_prewarm(two(sandbox), tag="req_1", sequencer=SEQUENCER)
        assert "No [redacted] with [redacted],[31m sorry.xxx" in str(rejected.value)
        assert len(str(rejected.value)) < 400
