"""Mailboxes at Mailin: made, found, changed, opened, and listed by the ten thousand."""

from __future__ import annotations

import gc
import json
import time
from typing import Any

import pytest
from pydantic import SecretStr

from providers.errors import NeedsSubscription, NotFound, OutcomeUnknown, Rejected
from providers.mailin.client import MailinClient
from providers.mailin.lenient import read_page
from providers.mailin.models import JobState, Mailbox, MailboxStatus, NewGoogleMailbox, NewMailbox
from providers.mailin.sandbox import Fault, MailinSandbox, Work


def new(*usernames: str) -> list[NewMailbox]:
    return [NewMailbox(username, username.split("@")[0].title()) for username in usernames]


class TestCreating:
    async def test_from_order_to_listing(self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any) -> None:
        sandbox.own("acme.com")
        sandbox.job_seconds = 20
        uuid = await mailin.create_mailboxes(
            [NewMailbox("ann@acme.com", "Ann", SecretStr("a-good-one")), *new("bo@acme.com")]
        )
        pending = await mailin.mailbox_job(uuid)
        assert (pending.state, pending.id) == (JobState.PENDING, uuid)
        clock.advance(20)
        done = await mailin.mailbox_job(uuid)
        assert (done.state, [box.username for box in done.mailboxes]) == (
            JobState.COMPLETED,
            ["ann@acme.com", "bo@acme.com"],
        )
        found = await mailin.find_mailbox("Ann@acme.com")
        assert found is not None
        assert (found.name, found.status, found.hosting) == ("Ann", MailboxStatus.ACTIVE, "smtp")
        password = await mailin.mailbox_password("ann@acme.com")
        assert password is not None
        assert password.get_secret_value() == "a-good-one"
        assert found.id is not None
        assert await mailin.mailbox(found.id) == found._replace(
            rate_limit="500 / 1h", imap_host="", imap_port=None, smtp_host="", smtp_port=None
        )

    async def test_googles(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("acme.com", hosting="google")
        await mailin.create_google_mailboxes([NewGoogleMailbox("ann@acme.com", "Ann", "Lee")])
        assert await mailin.find_mailbox("ann@acme.com") is None
        found = await mailin.find_mailbox("ann@acme.com", "google")
        assert found is not None
        assert (found.name, found.hosting, found.status) == ("Ann Lee", "google", MailboxStatus.ACTIVE)

    async def test_what_is_wrong_comes_by_field(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own_mailboxes("ann@acme.com")
        with pytest.raises(Rejected) as rejected:
            await mailin.create_mailboxes(new("bo@acme.com", "ann@acme.com", "ann@else.com"))
        assert rejected.value.fields == {
            "mailboxes.1.username": ["mailbox 'ann@acme.com' is already registered to your account"],
            "mailboxes.2.username": ["domain 'else.com' is not registered"],
        }

    async def test_no_slots_left(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("acme.com")
        sandbox.mailbox_slots = 1
        with pytest.raises(NeedsSubscription):
            await mailin.create_mailboxes(new("ann@acme.com", "bo@acme.com"))

    @pytest.mark.parametrize(
        ("fault", "made"),
        [
            (Fault.cut_before(), []),
            (Fault.cut_after(), ["a@acme.com", "b@acme.com"]),
            (Fault.cut_after(work=Work.HALF), ["a@acme.com"]),
            (Fault.answers(313, work=Work.HALF), ["a@acme.com"]),
            (Fault.malformed(), ["a@acme.com", "b@acme.com"]),
            (Fault.unknown_shape(), ["a@acme.com", "b@acme.com"]),
        ],
    )
    async def test_what_is_unclear_is_sent_once_and_can_be_looked_up(
        self, mailin: MailinClient, sandbox: MailinSandbox, fault: Fault, made: list[str]
    ) -> None:
        sandbox.own("acme.com", "acme.com.co")
        sandbox.own_mailboxes("x@my-acme.com")
        sandbox.faults.add("create_mailboxes", fault)
        with pytest.raises(OutcomeUnknown):
            await mailin.create_mailboxes(new("a@acme.com", "b@acme.com"))
        assert sandbox.calls["create_mailboxes"] == 1
        assert [box.username for box in await mailin.mailboxes_of("acme.com")] == made
        assert sandbox.calls["mailboxes"] == 1

    async def test_a_part_that_fails(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("acme.com")
        sandbox.failing = {"b@acme.com"}
        job = await mailin.mailbox_job(await mailin.create_mailboxes(new("a@acme.com", "b@acme.com")))
        assert (job.state, [box.username for box in job.mailboxes]) == (
            JobState.COMPLETED_WITH_ERRORS,
            ["a@acme.com"],
        )
        assert "b@acme.com" in job.report

    async def test_an_unknown_job(self, mailin: MailinClient) -> None:
        with pytest.raises(NotFound):
            await mailin.mailbox_job("nope")


class TestChanging:
    async def test_php_is_a_yes(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        [box] = sandbox.own_mailboxes("ann@acme.com")
        await mailin.rename_mailbox(box.id, "Ann Lee")
        await mailin.set_mailbox_password(box.id, SecretStr("another-one"))
        assert (box.name, box.password) == ("Ann Lee", "another-one")

    @pytest.mark.parametrize("fault", [Fault.malformed(), Fault.unknown_shape()])
    async def test_so_is_any_success(self, mailin: MailinClient, sandbox: MailinSandbox, fault: Fault) -> None:
        [box] = sandbox.own_mailboxes("ann@acme.com")
        sandbox.faults.add("rename_mailbox", fault)
        await mailin.rename_mailbox(box.id, "Ann Lee")
        assert box.name == "Ann Lee"

    async def test_signature_and_forwarding(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        [box] = sandbox.own_mailboxes("ann@acme.com", hosting="google")
        await mailin.set_signature(box.id, "Best,\nAnn")
        await mailin.set_forwarding(box.id, "to@b.co")
        assert (box.signature, box.forwarding) == ("Best,\nAnn", "to@b.co")
        await mailin.change_forwarding(box.id, "new@b.co")
        assert box.forwarding == "new@b.co"
        await mailin.remove_signature(box.id)
        await mailin.remove_forwarding(box.id)
        assert (box.signature, box.forwarding) == (None, None)

    async def test_but_not_of_smtps(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        [box] = sandbox.own_mailboxes("ann@acme.com")
        with pytest.raises(Rejected, match="not connected with google"):
            await mailin.set_signature(box.id, "Best")

    @pytest.mark.parametrize("status", [404, 500])
    async def test_what_is_gone_is_not_found(self, mailin: MailinClient, sandbox: MailinSandbox, status: Any) -> None:
        """However Mailin says so: its 500 "No query results" is neither a failure nor worth repeating."""
        [box] = sandbox.own_mailboxes("ann@acme.com")
        sandbox.missing_mailbox = status
        await mailin.delete_mailbox(box.id)
        for _ in range(7):
            with pytest.raises(NotFound):
                await mailin.delete_mailbox(box.id)
            with pytest.raises(NotFound):
                await mailin.mailbox(box.id)
        assert (sandbox.calls["delete_mailbox"], sandbox.calls["mailbox"]) == (8, 7)

    async def test_of_another_change_it_proves_nothing(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.missing_mailbox = 500
        with pytest.raises(OutcomeUnknown):
            await mailin.rename_mailbox(99, "Ann")


class TestOpening:
    async def test_google_shows_everything_once_asked(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        [box] = sandbox.own_mailboxes("ann@acme.com", hosting="google")
        shown = await mailin.mailbox_credentials(box.id)
        secrets = (shown.password, shown.totp_secret, shown.app_password)
        in_clear = [secret.get_secret_value() for secret in secrets if secret is not None]
        assert in_clear == [box.password, box.totp_secret, box.app_password]
        totp = await mailin.mailbox_totp(box.id)
        assert totp.code is not None
        assert len(totp.code.get_secret_value()) == 6
        assert totp.expires_at is not None
        assert 0 < (totp.expires_at - sandbox.clock.now()).total_seconds() <= 30

    async def test_smtp_refuses_with_a_200(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        [box] = sandbox.own_mailboxes("ann@acme.com")
        with pytest.raises(Rejected, match="not connected with google"):
            await mailin.mailbox_totp(box.id)
        with pytest.raises(Rejected, match="not connected with google"):
            await mailin.mailbox_credentials(box.id)

    async def test_a_password_of_nobody(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        [box] = sandbox.own_mailboxes("joann@acme.com")
        assert await mailin.mailbox_password("ann@acme.com") is None
        box.password = "******"
        assert await mailin.mailbox_password("joann@acme.com") is None


def listing(rows: int) -> dict[str, Any]:
    return {
        "current_page": 1,
        "data": [
            {
                "id": number,
                "domain_id": 1,
                "name": f"John Doe {number}",
                "username": f"john.doe{number}@example.com",
                "password": "S3CRET",
                "redirect_email": None,
                "status": "Active",
                "rate_limit": "50",
                "imap_host": "mail.example.com",
                "imap_port": 993,
                "smtp_host": "mail.example.com",
                "smtp_port": 465,
                "created_at": "2023-10-27T11:00:00.000000Z",
                "updated_at": "2023-10-27T11:00:00.000000Z",
            }
            for number in range(rows)
        ],
        "last_page": 1,
        "per_page": rows,
        "total": rows,
    }


class TestListing:
    async def test_those_of_a_domain_are_those_of_exactly_this_one(
        self, mailin: MailinClient, sandbox: MailinSandbox
    ) -> None:
        """Mailin finds whatever contains the name, somebody's display name included."""
        *_, dee = sandbox.own_mailboxes("ann@acme.com", "bo@acme.com.co", "cy@my-acme.com", "dee@else.com")
        dee.name = "Dee (dee@acme.com)"
        assert [box.username for box in (await mailin.mailboxes(name="@acme.com")).data] == [
            "ann@acme.com",
            "bo@acme.com.co",
            "dee@else.com",
        ]
        assert [box.username for box in await mailin.mailboxes_of("Acme.com")] == ["ann@acme.com"]

    async def test_nothing(self, mailin: MailinClient) -> None:
        for page in (await mailin.mailboxes(), await mailin.google_mailboxes()):
            assert (page.data, page.total, page.next_page) == ((), 0, None)
        assert await mailin.mailboxes_of("acme.com") == ()

    async def test_ten_thousand_on_one_page(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("acme.com")
        for number in range(10_000):
            sandbox.add_mailbox(f"box{number}@acme.com", f"Box {number}", "smtp")
        page = await mailin.mailboxes(per_page=10_000)
        assert (len(page.data), page.total, page.next_page) == (10_000, 10_000, None)
        assert page.data[-1].username == "box9999@acme.com"

    def test_reading_ten_thousand_takes_little_longer_than_their_json(self) -> None:
        """Under three times as long, the JSON itself included.

        In this thread's own time, the best of several, and without what other tests have left to the collector: none of
        that is the reading's doing.
        """
        text = json.dumps(listing(10_000))
        plain, whole = [], []
        gc.collect()
        gc.freeze()
        try:
            for _ in range(7):
                started = time.thread_time()
                parsed = json.loads(text)
                plain.append(time.thread_time() - started)
                page = read_page(parsed, Mailbox.read, 1, 100)
                whole.append(time.thread_time() - started)
        finally:
            gc.unfreeze()
        assert len(page.data) == 10_000
        assert min(whole) < 3 * min(plain)
        assert "S3CRET" not in repr(page)

    @pytest.mark.parametrize("said", [None, {}, [], "x", {"username": ""}, {"username": 5}, {"name": "Ann"}])
    def test_what_has_no_address_is_no_mailbox(self, said: Any) -> None:
        with pytest.raises(ValueError):
            Mailbox.read(said)

    def test_an_address_is_all_that_it_needs(self) -> None:
        assert Mailbox.read({"username": "a@b.co"}) == Mailbox("a@b.co")

    @pytest.mark.parametrize(
        ("said", "means"),
        [
            ("Active", MailboxStatus.ACTIVE),
            ("1", MailboxStatus.ACTIVE),
            (1, MailboxStatus.ACTIVE),
            (" ACTIVE ", MailboxStatus.ACTIVE),
            (0, MailboxStatus.INACTIVE),
            (None, MailboxStatus.UNKNOWN),
            ([], MailboxStatus.UNKNOWN),
        ],
    )
    def test_its_status_in_all_spellings(self, said: Any, means: MailboxStatus) -> None:
        assert Mailbox.read({"username": "a@b.co", "status": said}).status is means

    def test_numbers_as_text_and_texts_as_numbers(self) -> None:
        box = Mailbox.read({"username": "a@b.co", "id": "7", "smtp_port": "465", "name": 5, "rate_limit": 50})
        assert (box.id, box.smtp_port, box.name, box.rate_limit) == (7, 465, "5", "50")

    async def test_a_word_nobody_knows_is_logged_once(
        self, mailin: MailinClient, sandbox: MailinSandbox, monkeypatch: pytest.MonkeyPatch, logged: Any
    ) -> None:
        from providers.mailin.sandbox.mailboxes import MailboxApi  # noqa: PLC0415

        shown = MailboxApi._shown
        monkeypatch.setattr(MailboxApi, "_shown", lambda api, box: shown(api, box) | {"status": "Frozen"})
        sandbox.own_mailboxes("a@acme.com", "b@acme.com")
        for _ in range(2):
            assert {box.status for box in (await mailin.mailboxes()).data} == {MailboxStatus.UNKNOWN}
        noted = [(line["of"], line["said"]) for line in logged if line["event"] == "unknown word"]
        assert noted == [("mailbox status", "Frozen")]
