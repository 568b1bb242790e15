"""An account at MailAPI: what it makes of every answer, how often it asks, and that its key is nowhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from providers.errors import (
    AlreadyExists,
    AuthExpired,
    BadAnswer,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
)
from providers.mailapi.client import MailApiClient, MailApiSettings
from providers.mailapi.models import DomainStatus, MailboxStatus, TaskState
from providers.mailapi.sandbox import SANDBOX_CALLER_ID, SANDBOX_KEY, MailApiSandbox
from providers.simulator import Fault, Work

OpenAccount = Callable[..., MailApiClient]
OTHER_KEY = "Another0Key0123456789abcdefABCDE"


class TestDomains:
    async def test_from_accepted_to_verified(self, mailapi: MailApiClient, sandbox: MailApiSandbox, clock: Any) -> None:
        sandbox.listing_lag_seconds, sandbox.verify_seconds = 10, 60
        assert await mailapi.domains() == ()
        accepted = await mailapi.create_domain("acme.com")
        assert (accepted.domain, accepted.task_id) == ("acme.com", None)
        assert await mailapi.find_domain("acme.com") is None
        clock.advance(10)
        pending = await mailapi.find_domain("ACME.com")
        assert pending is not None
        assert pending.status is DomainStatus.PENDING
        clock.advance(50)
        [domain] = await mailapi.domains()
        assert (domain.status, domain.quota, domain.mailbox_count) == (DomainStatus.VERIFIED, "10GB", 0)
        assert domain.created_at == date(2026, 3, 2)

    async def test_the_newer_edition_names_a_task(self, open_account: OpenAccount, sandbox: MailApiSandbox) -> None:
        sandbox.edition = "header"
        assert (await open_account(edition="header").create_domain("acme.com")).task_id == "9001"

    async def test_twice(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        await mailapi.create_domain("acme.com")
        with pytest.raises(AlreadyExists):
            await mailapi.create_domain("acme.com")
        assert sandbox.made == ["acme.com"]


class TestSubDomains:
    async def test_once_an_hour_for_each_domain(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, clock: Any
    ) -> None:
        for name in ("acme.com", "other.com", "third.com"):
            sandbox.own(name)
        assert (await mailapi.create_sub_domains("acme.com", ["team", "support"])).domain == "acme.com"
        await mailapi.create_sub_domains("other.com", ["team"])
        clock.advance(600)
        with pytest.raises(RateLimited, match=r"acme\.com once an hour") as limited:
            await mailapi.create_sub_domains("acme.com", ["billing"])
        assert limited.value.retry_after == 3000.0
        assert sandbox.calls["create_sub_domains"] == 3, "never repeated by itself"
        await mailapi.domains()
        await mailapi.create_sub_domains("third.com", ["team"])
        assert clock.slept == [], "it is the limit of one domain, and holds nothing else back"
        clock.advance(3000)
        await mailapi.create_sub_domains("acme.com", ["billing"])
        names = ["team.acme.com", "support.acme.com", "team.other.com", "team.third.com", "billing.acme.com"]
        assert sandbox.made == names
        found = {domain.name: domain.status for domain in await mailapi.domains()}
        assert all(found[name] is DomainStatus.VERIFIED for name in names)

    async def test_where_nobody_says_when(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com")
        sandbox.tells_when = False
        await mailapi.create_sub_domains("acme.com", ["team"])
        with pytest.raises(RateLimited) as limited:
            await mailapi.create_sub_domains("acme.com", ["billing"])
        assert (limited.value.retry_after, sandbox.calls["create_sub_domains"]) == (3600.0, 2)

    async def test_no_such_domain_costs_no_hour(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        with pytest.raises(NotFound):
            await mailapi.create_sub_domains("acme.com", ["team"])
        assert sandbox.seconds_to_wait("acme.com") == 0

    @pytest.mark.parametrize(
        "labels",
        [[], [f"a{n}" for n in range(11)], ["ok", "no_good"], ["-a"], ["a-"], ["a.b"], ["é"], [""], ["a" * 64]],
    )
    async def test_what_cannot_be_is_not_sent(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, labels: list[str]
    ) -> None:
        sandbox.own("acme.com")
        with pytest.raises(Rejected) as rejected:
            await mailapi.create_sub_domains("acme.com", labels)
        assert list(rejected.value.fields) == ["sub_domains"]
        assert sandbox.calls == {}

    @pytest.mark.parametrize(
        ("fault", "made"),
        [
            (Fault.cut_before(), 0),
            (Fault.cut_after(), 2),
            (Fault.cut_after(work=Work.HALF), 1),
            (Fault.answers(500, work=Work.ALL), 2),
            (Fault.malformed(), 2),
        ],
    )
    async def test_the_hour_is_never_spent_on_a_guess(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, fault: Fault, made: int
    ) -> None:
        sandbox.own("acme.com")
        sandbox.faults.add("create_sub_domains", fault)
        with pytest.raises(OutcomeUnknown):
            await mailapi.create_sub_domains("acme.com", ["a", "b"])
        assert (sandbox.calls["create_sub_domains"], len(sandbox.made)) == (1, made)


class TestMailboxes:
    async def test_one_from_task_to_listing(self, mailapi: MailApiClient, sandbox: MailApiSandbox, clock: Any) -> None:
        sandbox.own("acme.com")
        sandbox.task_seconds = 20
        task_id = await mailapi.create_mailbox("acme.com", "john", quota_mb=512)
        pending = await mailapi.mailbox_task(task_id)
        assert (pending.id, pending.state, pending.state.is_final) == (task_id, TaskState.PENDING, False)
        assert (await mailapi.mailboxes("acme.com"))[0].status is MailboxStatus.PENDING
        clock.advance(20)
        task = await mailapi.mailbox_task(task_id)
        assert (task.state, task.total, task.domain, task.reason) == (TaskState.COMPLETED, 1, "acme.com", "")
        assert [(m.address, m.created) for m in task.mailboxes] == [("john@acme.com", True)]
        [mailbox] = await mailapi.mailboxes("acme.com")
        assert (mailbox.address, mailbox.status, mailbox.quota) == ("john@acme.com", MailboxStatus.ACTIVE, "512MB")

    async def test_several_and_one_that_is_not_made(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com")
        sandbox.failing = {"team2@acme.com"}
        task = await mailapi.mailboxes_task(await mailapi.create_mailboxes("acme.com", "team", 3))
        assert task.state is TaskState.COMPLETED
        assert [(m.address, m.created, m.said) for m in task.mailboxes] == [
            ("team1@acme.com", True, "Created successfully."),
            ("team2@acme.com", False, "Could not be created."),
            ("team3@acme.com", True, "Created successfully."),
        ]

    @pytest.mark.parametrize("status", [200, 400, 409, 422])
    async def test_one_that_fails_in_whichever_way_it_is_told(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, status: int
    ) -> None:
        sandbox.own("acme.com")
        sandbox.failing, sandbox.failed_status = {"john@acme.com"}, status
        task = await mailapi.mailbox_task(await mailapi.create_mailbox("acme.com", "john"))
        assert (task.state, task.reason) == (TaskState.FAILED, "Could not be created.")

    async def test_several_that_all_fail_are_a_422(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com")
        sandbox.failing = {"team1@acme.com", "team2@acme.com"}
        task = await mailapi.mailboxes_task(await mailapi.create_mailboxes("acme.com", "team", 2))
        assert (task.state, task.reason) == (TaskState.FAILED, "Task processing failed.")

    async def test_the_other_422_is_a_wrong_question(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com")
        task_id = await mailapi.create_mailboxes("acme.com", "team", 2)
        with pytest.raises(Rejected, match="type does not match"):
            await mailapi.mailbox_task(task_id)
        with pytest.raises(NotFound):
            await mailapi.mailboxes_task("9")

    async def test_words_nobody_has_documented_are_still_pending(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, logged: Any
    ) -> None:
        sandbox.own("acme.com")
        task_id = await mailapi.create_mailbox("acme.com", "john")
        for word, times in (("Reticulating", 3), ("success", 1)):
            sandbox.faults.add("mailbox_task", Fault.job_says(word), times=times)
            for _ in range(times):
                task = await mailapi.mailbox_task(task_id)
                assert (task.state, task.raw_status, task.state.is_final) == (TaskState.UNKNOWN, word, False)
        assert [line["said"] for line in logged if line["event"] == "unknown word"] == [
            "Reticulating",
            "success",
        ]

    async def test_a_domain_of_somebody_else(self, mailapi: MailApiClient) -> None:
        for call in (
            mailapi.mailboxes("not-ours.com"),
            mailapi.create_mailbox("not-ours.com", "john"),
            mailapi.create_mailboxes("not-ours.com", "team", 2),
        ):
            with pytest.raises(NotFound):
                await call


class TestCredentials:
    @pytest.mark.parametrize("changed", [{"key": OTHER_KEY}, {"caller_id": 7}, {"edition": "header"}])
    async def test_wrong_ones(self, open_account: OpenAccount, changed: dict[str, Any]) -> None:
        with pytest.raises(AuthExpired):
            await open_account(**changed).verify_credentials()

    async def test_the_wrong_address(self, open_account: OpenAccount) -> None:
        with pytest.raises(BadAnswer) as error:
            await open_account(path_prefix="/api/api").verify_credentials()
        assert "path_prefix" in error.value.cure


class TestSettings:
    def settings(self, **changed: Any) -> MailApiSettings:
        return MailApiSettings(**({"provider": "mailapi", "key": SANDBOX_KEY, "caller_id": 1} | changed))

    def test_what_need_not_be_said(self) -> None:
        settings = self.settings()
        assert (str(settings.base_url), settings.path_prefix) == ("https://www.mailapi.tech/", "/api")
        assert (settings.edition, settings.key_header) == ("classic", "Authorization")

    @pytest.mark.parametrize("key", ["", "s3cr3t", "s3cr3t" + "!" * 26, SANDBOX_KEY + "s3cr3t", "s3cr3t\r\nX: 1"])
    def test_a_key_that_is_none_is_refused_without_being_repeated(self, key: str) -> None:
        with pytest.raises(ValidationError, match="32 letters and digits") as error:
            self.settings(key=key)
        assert "s3cr3t" not in str(error.value)

    @pytest.mark.parametrize("key", ["", "s3cr3t with space", "s3cr3t\r\nX-Evil: 1"])
    def test_in_a_header_it_has_to_fit(self, key: str) -> None:
        assert self.settings(edition="header", key="sk_live-1/2+3=", caller_id=None).caller_id is None
        with pytest.raises(ValidationError, match="in the header") as error:
            self.settings(edition="header", key=key)
        assert "s3cr3t" not in str(error.value)

    def test_the_classic_edition_needs_the_caller(self) -> None:
        with pytest.raises(ValidationError, match="caller_id") as error:
            self.settings(caller_id=None)
        assert SANDBOX_KEY not in str(error.value)


class TestSecrets:
    async def test_not_even_when_mailapi_repeats_it(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        said = f"No key={SANDBOX_KEY.lower()} at /list?key={SANDBOX_KEY}&a,\x1b[31m\nsorry." + "x" * 1000
        for operation in ("domains", "mailboxes_task"):
            sandbox.faults.add(operation, Fault.answers(422, word=said))
        with pytest.raises(Rejected) as rejected:
            await mailapi.domains()
        assert "It says: No key=[redacted] at /list?key=[redacted]&a,[31m sorry.xxx" in str(rejected.value)
        assert len(str(rejected.value)) < 400
        task = await mailapi.mailboxes_task("1")
        assert "key=[redacted]" in task.reason
        assert SANDBOX_KEY not in repr(task)

    async def test_however_it_is_written(self, open_account: OpenAccount, sandbox: MailApiSandbox) -> None:
        mailapi = open_account(edition="header", key="sk/1+2=3")
        assert mailapi._heard.quoted("sk/1+2=3 sk%2F1%2B2%3D3 sk/1%2B2%3D3") == "[redacted] [redacted] [redacted]"


def test_ten_thousand_cost_little_more_than_their_json() -> None:
    """By the processor's time, and the best of several rounds, so that a busy machine does not decide."""
    from providers.mailapi.models import parse_mailboxes  # noqa: PLC0415

    row = {
        "provisioning_status": "active",
        "mailbox_quota": "1GB",
        "imap_credentials": None,
        "created_at": "14-04-2026",
    }
    text = json.dumps({"domain": "acme.com", "results": {f"john{n}@acme.com": row for n in range(10_000)}})

    def best(of: Callable[[], object]) -> float:
        seconds = []
        for _ in range(7):
            started = time.process_time()
            of()
            seconds.append(time.process_time() - started)
        return min(seconds)

    assert best(lambda: parse_mailboxes(json.loads(text))) < 3 * best(lambda: json.loads(text))


def test_the_caller_is_no_secret() -> None:
    settings = MailApiSettings(provider="mailapi", key=SANDBOX_KEY, caller_id=SANDBOX_CALLER_ID)
    assert "123" in repr(settings)
    assert SANDBOX_KEY not in repr(settings)
