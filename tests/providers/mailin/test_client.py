"""An account at Mailin: what it asks, how often, and what it makes of every answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from providers.action import Unknown
from providers.errors import (
    AuthExpired,
    BadAnswer,
    NeedsSubscription,
    NotFound,
    NotSent,
    OutcomeUnknown,
    Rejected,
)
from providers.mailin.actions.domains import DeleteDomain
from providers.mailin.actions.mailboxes import DeleteMailbox
from providers.mailin.actions.orders import DeleteOrder
from providers.mailin.client import MailinClient, MailinSettings
from providers.mailin.models import DomainStatus, JobState
from providers.mailin.sandbox import SANDBOX_EMAIL, SANDBOX_PASSWORD, Fault, MailinSandbox

OpenAccount = Callable[..., MailinClient]


class TestBuying:
    async def test_from_free_to_live(self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any) -> None:
        sandbox.job_seconds = 20
        assert await mailin.is_available("acme.com")
        uuid = await mailin.buy_domain("acme.com")
        assert uuid in sandbox.jobs
        assert not await mailin.is_available("acme.com")

        pending = await mailin.job_status(uuid)
        assert (pending.state, pending.id, pending.domain_ids) == (JobState.PENDING, uuid, ("1",))
        clock.advance(20)
        assert (await mailin.job_status(uuid)).state is JobState.COMPLETED

        domain = await mailin.find_domain("acme.com")
        assert domain is not None
        assert domain.status is DomainStatus.ACTIVE
        assert domain.name_servers == ("ns1.mailin.ai", "ns2.mailin.ai")
        assert sandbox.times_bought("acme.com") == 1

    async def test_all_four_ways(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        uuids = [
            await mailin.buy_domain("a.com"),
            await mailin.buy_domains(["b.com", "c.co"]),
            await mailin.buy_google_domain("d.com"),
            await mailin.buy_google_domains(["e.com", "f.biz"]),
        ]
        assert uuids == list(sandbox.jobs)
        assert [(p.domain, p.hosting) for p in sandbox.purchases] == [
            ("a.com", "smtp"),
            ("b.com", "smtp"),
            ("c.co", "smtp"),
            ("d.com", "google"),
            ("e.com", "google"),
            ("f.biz", "google"),
        ]

    async def test_taken_names_are_named(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        with pytest.raises(Rejected) as one:
            await mailin.buy_domain("taken.com")
        with pytest.raises(Rejected) as several:
            await mailin.buy_domains(["free.com", "google.com", "taken.com"])
        assert one.value.unavailable == ("taken.com",)
        assert several.value.unavailable == ("google.com", "taken.com")
        assert "unavailable" in str(several.value)
        assert sandbox.purchases == []

    async def test_reasons_come_by_field(self, mailin: MailinClient) -> None:
        with pytest.raises(Rejected) as rejected:
            await mailin.buy_domains(["free.com", "acme.net"])
        assert list(rejected.value.fields) == ["domain_names.1"]
        assert (rejected.value.status, rejected.value.unavailable) == (422, ())

    @pytest.mark.parametrize("status", [200, 201])
    async def test_any_success_with_a_job_is_a_yes(
        self, mailin: MailinClient, sandbox: MailinSandbox, monkeypatch: pytest.MonkeyPatch, status: int
    ) -> None:
        from providers.mailin.sandbox import domains as module  # noqa: PLC0415

        accepted = module.accepted

        def otherwise(*args: Any, **kwargs: Any) -> Any:
            response = accepted(*args, **kwargs)
            response.status_code = status
            return response

        monkeypatch.setattr(module, "accepted", otherwise)
        assert await mailin.buy_domain("a.com") in sandbox.jobs


class TestPurchasesThatGoWrong:
    @pytest.mark.parametrize("fault", [Fault.answers(500), Fault.cut_after(), Fault.malformed(), Fault.unknown_shape()])
    async def test_if_the_log_in_fails_nothing_was_sent(
        self, mailin: MailinClient, sandbox: MailinSandbox, fault: Fault
    ) -> None:
        sandbox.faults.add("login", fault, times=3)
        with pytest.raises(NotSent):
            await mailin.buy_domain("a.com")
        assert sandbox.calls["buy"] == 0

    async def test_the_words_of_mailin_are_passed_on(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.faults.add("buy", Fault.answers(312))
        with pytest.raises(NeedsSubscription, match="It says: You do not have an active subscription"):
            await mailin.buy_domain("a.com")


class TestLoggingIn:
    async def test_many_callers_share_one_log_in(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        await asyncio.gather(*(mailin.is_available(f"a{n}.com") for n in range(20)))
        assert sandbox.calls["login"] == 1

    async def test_a_token_that_ends_is_renewed_once_for_all(
        self, mailin: MailinClient, sandbox: MailinSandbox
    ) -> None:
        await mailin.domains()
        sandbox.expire_tokens()
        await asyncio.gather(*(mailin.domains() for _ in range(20)))
        assert sandbox.calls["login"] == 2

    async def test_even_before_a_purchase(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        """A 401 proves that nothing was bought, so the purchase is sent again; the one spend that is."""
        await mailin.domains()
        sandbox.expire_tokens()
        await mailin.buy_domain("a.com")
        assert (sandbox.calls["buy"], sandbox.times_bought("a.com")) == (2, 1)

    async def test_a_second_refusal_is_the_end(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.faults.add("buy", Fault.answers(401), times=5)
        with pytest.raises(AuthExpired):
            await mailin.buy_domain("a.com")
        assert (sandbox.calls["buy"], sandbox.calls["login"]) == (2, 2)

    async def test_the_wrong_password_is_not_hammered(
        self, open_account: OpenAccount, sandbox: MailinSandbox, clock: Any
    ) -> None:
        mailin = open_account(password="wrong-password")
        for _ in range(3):
            with pytest.raises(AuthExpired):
                await mailin.domains()
        assert sandbox.calls["login"] == 1
        clock.advance(60)
        with pytest.raises(AuthExpired):
            await mailin.domains()
        assert sandbox.calls["login"] == 2

    async def test_the_doctor_asks_at_once(self, open_account: OpenAccount, sandbox: MailinSandbox) -> None:
        mailin = open_account(password="wrong-password")
        for _ in range(2):
            with pytest.raises(AuthExpired):
                await mailin.verify_credentials()
        assert sandbox.calls["login"] == 2
        assert await open_account().verify_credentials() is None

    @pytest.mark.parametrize("status", [401, 422])
    async def test_refused_in_either_way(self, mailin: MailinClient, sandbox: MailinSandbox, status: int) -> None:
        sandbox.faults.add("login", Fault.answers(status))
        with pytest.raises(AuthExpired):
            await mailin.verify_credentials()

    async def test_no_token_in_the_answer(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.faults.add("login", Fault.unknown_shape())
        with pytest.raises(BadAnswer):
            await mailin.verify_credentials()


class TestAvailability:
    async def test_no_is_a_404_that_says_so(self, mailin: MailinClient) -> None:
        assert await mailin.is_available("free.com") is True
        assert await mailin.is_available("taken.com") is False

    @pytest.mark.parametrize("status", [200, 404])
    async def test_an_answer_that_does_not_say_so_is_neither(
        self, mailin: MailinClient, sandbox: MailinSandbox, status: int
    ) -> None:
        sandbox.faults.add("availability", Fault.answers(status))
        with pytest.raises(BadAnswer):
            await mailin.is_available("free.com")


class TestListing:
    async def test_pages(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own(*(f"acme{n}.com" for n in range(25)))
        first = await mailin.domains(per_page=10)
        assert (len(first.data), first.total, first.last_page, first.next_page) == (10, 25, 3, 2)
        last = await mailin.domains(page=3, per_page=10, name="acme")
        assert (len(last.data), last.next_page) == (5, None)

    async def test_google_has_its_own(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("smtp.com")
        sandbox.own("google-hosted.com", hosting="google")
        assert [domain.name for domain in (await mailin.domains()).data] == ["smtp.com"]
        [google] = (await mailin.google_domains()).data
        assert (google.name, google.provider_type) == ("google-hosted.com", "google")
        assert await mailin.find_domain("google-hosted.com") is None
        assert await mailin.find_domain("google-hosted.com", "google") == google

    async def test_found_by_its_exact_name_alone(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("myexample.com", "example.com.co")
        assert await mailin.find_domain("example.com") is None
        sandbox.own("example.com")
        domain = await mailin.find_domain("Example.COM")
        assert domain is not None
        assert domain.name == "example.com"

    async def test_found_on_the_last_page(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        """The addresses in the answer lead to another host; pages are counted instead."""
        sandbox.own(*(f"x{n}-acme.com" for n in range(210)), "acme.com")
        assert await mailin.find_domain("acme.com") is not None
        assert sandbox.calls["domains"] == 3

    async def test_a_listing_without_an_end(
        self, mailin: MailinClient, sandbox: MailinSandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("providers.mailin.session.MAX_PAGES", 2)
        sandbox.own(*(f"x{n}-acme.com" for n in range(300)))
        with pytest.raises(BadAnswer, match="does not end"):
            await mailin.find_domain("acme.com")

    async def test_right_after_a_purchase_it_may_be_missing(
        self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any
    ) -> None:
        sandbox.listing_lag_seconds = 30
        await mailin.buy_domain("acme.com")
        assert await mailin.find_domain("acme.com") is None
        clock.advance(30)
        assert await mailin.find_domain("acme.com") is not None


class TestJobs:
    async def test_an_unknown_job(self, mailin: MailinClient) -> None:
        with pytest.raises(NotFound):
            await mailin.job_status("no/such?job")

    async def test_a_word_nobody_knows_is_kept_and_noted_once(
        self, mailin: MailinClient, sandbox: MailinSandbox, logged: Any
    ) -> None:
        uuid = await mailin.buy_domain("a.com")
        sandbox.faults.add("job_status", Fault.job_says("Reticulating"), times=3)
        jobs = [await mailin.job_status(uuid) for _ in range(3)]
        assert {(job.state, job.raw_status) for job in jobs} == {(JobState.UNKNOWN, "Reticulating")}
        assert [line["said"] for line in logged if line["event"] == "unknown word"] == ["Reticulating"]

    async def test_a_job_with_errors(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.failing = {"bad.com"}
        job = await mailin.job_status(await mailin.buy_domains(["good.com", "bad.com"]))
        assert (job.state, job.domain_ids) == (JobState.COMPLETED_WITH_ERRORS, ("1",))
        assert "bad.com" in job.report


class TestSettings:
    def settings(self, **changed: Any) -> MailinSettings:
        return MailinSettings(
            **({"provider": "mailin", "email": SANDBOX_EMAIL, "password": SANDBOX_PASSWORD} | changed)
        )

    def test_what_need_not_be_said(self) -> None:
        settings = self.settings()
        assert (str(settings.base_url), settings.device_name) == ("https://api.mailin.ai/", "postroom")
        assert (settings.min_seconds_between_calls, settings.min_seconds_between_writes) == (1.0, 2.5)

    @pytest.mark.parametrize("email", ["secret-but-wrong", "a@b", "a b@c.de", ""])
    def test_an_address_that_is_none_is_refused_without_being_repeated(self, email: str) -> None:
        with pytest.raises(ValidationError, match="must be an e-mail address") as error:
            self.settings(email=email)
        assert "secret-but-wrong" not in str(error.value)

    def test_neither_is_a_password_in_the_wrong_place(self) -> None:
        with pytest.raises(ValidationError) as error:
            self.settings(passwort="s3cr3t-value", password="")
        assert "s3cr3t-value" not in str(error.value)


class TestListings:
    """What cannot be read, or could not be asked about, is left out of every listing."""

    @pytest.mark.parametrize(
        ("operation", "ask", "row", "needs"),
        [
            ("domains", lambda m: m.domains(), {"id": 7, "name": "a.com"}, ("id", "name")),
            ("google_domains", lambda m: m.google_domains(), {"id": 7, "name": "a.com"}, ("id", "name")),
            ("inboxkit_domains", lambda m: m.inboxkit_domains(), {"id": 7, "name": "a.com"}, ("id", "name")),
            ("mailboxes", lambda m: m.mailboxes(), {"id": 7, "username": "a@a.com"}, ("id", "username")),
            ("google_mailboxes", lambda m: m.google_mailboxes(), {"id": 7, "username": "a@a.com"}, ("id", "username")),
            ("orders", lambda m: m.azure_orders(), {"id": 7, "domain": "a.com"}, ("id", "domain")),
            ("inbox_providers", lambda m: m.inbox_providers(), {"id": 7, "name": "Smart"}, ("id",)),
            ("registrars", lambda m: m.registrars(), {"id": 7, "name": "Godaddy"}, ("id",)),
            ("servers", lambda m: m.servers(), {"id": 7, "hostname": "vps1"}, ("id",)),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_odd_rows(
        self, mailin: MailinClient, sandbox: MailinSandbox, logged: Any, operation: str, ask: Any, row: Any, needs: Any
    ) -> None:
        odd: list[Any] = [None, "x", [], {}]
        odd += [{**row, "id": value} for value in (None, "x1", "", 1.5, [])]
        odd += [{**row, "id": 9, name: value} for name in needs if name != "id" for value in (None, "", [])]
        body: Any = [*odd, row, {**row, "id": "8"}]
        if operation != "servers":
            body = {"data": body, "last_page": 1, "total": len(body), "per_page": 100, "current_page": 1}
        sandbox.faults.add(operation, Fault.answers(200, body=body), times=2)
        for _ in range(2):
            shown = await ask(mailin)
            assert [found.id for found in getattr(shown, "data", shown)] == [7, 8]
        assert [line["rows"] for line in logged if "left out" in line["event"]] == [len(odd)]

    async def test_a_page_of_them_is_no_empty_one(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        """Lest what was bought be called not bought."""
        sandbox.faults.add("domains", Fault.answers(200, body={"data": [{"id": 7, "name": None}]}))
        with pytest.raises(BadAnswer):
            await mailin.find_domain("acme.com")

    async def test_one_without_a_number_is_there_and_cannot_be_asked_about(
        self, mailin: MailinClient, sandbox: MailinSandbox
    ) -> None:
        """Lest what is there be called not bought, or deleted."""
        said: Any = {"domains": {"name": "acme.com"}, "mailboxes": {"username": "ana@acme.com"}}
        for operation, row in (said | {"orders": {"domain": "acme.com"}}).items():
            more = [{"id": 7, "name": "x.com", "username": "x@x.com", "domain": "x.com"}]
            sandbox.faults.add(operation, Fault.answers(200, body={"data": [row, *more]}), times=9)

        domain, address = "acme.com", "ana@acme.com"
        for destroys in (DeleteDomain(domain=domain), DeleteMailbox(mailbox=address), DeleteOrder(domain=domain)):
            assert isinstance(await destroys.reconcile(mailin, "key"), Unknown)
            with pytest.raises(BadAnswer):
                await destroys.run(mailin, "key")

    async def test_they_do_not_end_the_listing(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("acme.com")
        first = [{"id": n, "name": f"x{n}-acme.com"} for n in range(99)]
        sandbox.faults.add("domains", Fault.answers(200, body={"data": [{"id": None}, *first], "per_page": 100}))
        sandbox.faults.add("domains", Fault.answers(200, body={"data": [{"id": 5, "name": "acme.com"}]}))
        found = await mailin.find_domain("acme.com")
        assert found is not None
        assert found.id == 5


class TestASuccessWithAnErrorInside:
    @pytest.mark.parametrize("status", ["error", "Failed", "fail", False])
    async def test_it_is_no_yes(self, mailin: MailinClient, sandbox: MailinSandbox, status: Any) -> None:
        sandbox.own("acme.com")
        said: Any = {"status": status, "message": "The domain is locked."}
        for operation in ("delete_domain", "forward"):
            sandbox.faults.add(operation, Fault.answers(200, body=said))

        with pytest.raises(OutcomeUnknown, match="locked"):
            await mailin.delete_domain(sandbox.domains["acme.com"].id)
        with pytest.raises(Rejected, match="locked"):
            await mailin.forward_domain(sandbox.domains["acme.com"].id, "acme.co")


class TestSecrets:
    async def test_a_part_of_the_token_is_one(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        """What stands behind the bar opens as much as the whole."""
        await mailin.verify_credentials()
        [token] = sandbox._tokens
        secret = token.partition("|")[2]
        for said in (secret, token, secret.upper()):
            sandbox.faults.add("domains", Fault.answers(422, word=f"Token {said} is odd."))
            with pytest.raises(Rejected, match=r"Token \[redacted\] is odd\.") as refused:
                await mailin.domains()
            assert secret.lower() not in repr(vars(refused.value)).lower()
