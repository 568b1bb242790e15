"""Verifying addresses at Mailin: what it costs, how it is followed, and who may see what came of it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from providers.errors import BadAnswer, NotFound, OutcomeUnknown, Rejected
from providers.http import File
from providers.mailin.client import MailinClient
from providers.mailin.models import SingleVerification, TaskState, Verdict, VerificationTask
from providers.mailin.sandbox import Fault, MailinSandbox

ADDRESSES = ["ann@acme.com", "bad@acme.com", "catch_all@acme.com", "unknown@acme.com", "ann@acme.com"]


class TestOne:
    async def test_with_its_verdict_at_once(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        got = await mailin.verify_address("ann@acme.com", "standard")
        assert (got.state, got.result, got.score, got.credits_used) == (
            TaskState.FINISHED,
            Verdict.DELIVERABLE,
            "95",
            1,
        )
        assert "ann@acme.com" not in repr(got)
        bad = await mailin.verify_address("bad@acme.com", "catch_all")
        assert (bad.result, bad.credits_used) == (Verdict.UNDELIVERABLE, 7)
        assert sandbox.credits == 10_000 - 8

    async def test_or_followed(self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any) -> None:
        sandbox.verdict_at_once, sandbox.job_seconds = False, 30
        started = await mailin.verify_address("ann@acme.com", "standard")
        assert (started.state, started.result) == (TaskState.RUNNING, None)
        clock.advance(30)
        assert (await mailin.verified_address(started.task_id)).result is Verdict.DELIVERABLE
        with pytest.raises(NotFound):
            await mailin.verified_address("nope")

    @pytest.mark.parametrize(
        ("said", "means"),
        [
            ("ok", Verdict.DELIVERABLE),
            ("deliverable", Verdict.DELIVERABLE),
            ("invalid", Verdict.UNDELIVERABLE),
            ("undeliverable", Verdict.UNDELIVERABLE),
            ("Catch-All", Verdict.CATCH_ALL),
            ("catch_all", Verdict.CATCH_ALL),
            ("risky", Verdict.RISKY),
            ("unknown", Verdict.UNKNOWN),
            ("spamtrap", Verdict.UNKNOWN),
            (None, None),
            ("", None),
            ({"ok": 1}, None),
        ],
    )
    def test_verdicts_in_both_vocabularies(self, said: Any, means: Verdict | None) -> None:
        assert SingleVerification.model_validate({"result": said, "score": "good"}).result is means

    @pytest.mark.parametrize(
        "fault", [Fault.cut_after(), Fault.answers(500), Fault.malformed(), Fault.unknown_shape(), Fault.answers(313)]
    )
    async def test_what_is_unclear_is_sent_once(
        self, mailin: MailinClient, sandbox: MailinSandbox, fault: Fault
    ) -> None:
        sandbox.faults.add("verify_single", fault)
        with pytest.raises(OutcomeUnknown):
            await mailin.verify_address("ann@acme.com", "standard")
        assert sandbox.calls["verify_single"] == 1


class TestMany:
    async def test_a_list_from_start_to_download(
        self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any
    ) -> None:
        sandbox.job_seconds = 60
        task = await mailin.verify_addresses(ADDRESSES, "standard")
        assert (await mailin.verification_task(task)).state is TaskState.RUNNING
        with pytest.raises(Rejected, match="still in progress") as early:
            await mailin.download_results(task, "deliverable")
        assert early.value.cure == "Ask again when the verification has finished."
        clock.advance(60)
        done = await mailin.verification_task(task)
        assert (done.state, done.total_rows, done.created_at) == (TaskState.FINISHED, 5, sandbox.tasks[task].begun_at)
        assert done.counts == {"deliverable": 1, "catch_all": 1, "invalid": 1, "unknown": 1, "duplicate": 1}
        download = await mailin.download_results(task, "invalid")
        assert download.link is not None
        assert str(download.link) not in download.link.get_secret_value()
        async with httpx.AsyncClient() as anybody:
            file = await anybody.get(download.link.get_secret_value())
        assert file.text == "email,result\nbad@acme.com,invalid\n"

    async def test_the_file_itself(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.download_is_file = True
        task = await mailin.verify_addresses(ADDRESSES, "standard")
        download = await mailin.download_results(task, "all")
        assert download.csv is not None
        assert download.csv.get_secret_value().startswith(b"email,result\nann@acme.com,deliverable\n")
        assert "ann@acme.com" not in repr(download)

    async def test_the_other_vocabulary(self, mailin: MailinClient) -> None:
        task = await mailin.verify_addresses([*ADDRESSES, "risky@acme.com"], "catch_all")
        done = await mailin.verification_task(task)
        assert done.counts == {"deliverable": 1, "catch_all": 1, "risky": 1, "undeliverable": 1, "unknown": 1}

    async def test_a_file(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        content = ("email\n" + "\n".join(f"ann{n}@acme.com" for n in range(5_000))).encode()
        task = await mailin.verify_file(File("list.csv", content, "text/csv"), "standard")
        assert (await mailin.verification_task(task)).total_rows == 5_000
        assert sandbox.credits == 5_000

    async def test_a_file_without_addresses_fails_and_says_why(self, mailin: MailinClient) -> None:
        task = await mailin.verify_file(File("list.csv", b"name\nAnn\n", "text/csv"), "standard")
        failed = await mailin.verification_task(task)
        assert (failed.state, failed.reason) == (TaskState.FAILED, "Column with email addresses not found")

    async def test_refusals(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        with pytest.raises(Rejected, match="more than 500"):
            await mailin.verify_addresses([f"a{n}@acme.com" for n in range(501)], "standard")
        with pytest.raises(Rejected) as wrong:
            await mailin.verify_file(File("list.pdf", b"x"), "standard")
        assert list(wrong.value.fields) == ["file"]
        sandbox.ledger = [("Purchased credits", 2)]
        with pytest.raises(Rejected, match="You need 5 credits to verify this, but you only have 2"):
            await mailin.verify_addresses(ADDRESSES, "standard")
        with pytest.raises(NotFound):
            await mailin.verification_task("nope")
        assert sandbox.tasks == {}

    @pytest.mark.parametrize("operation", ["verify_file", "verify_emails"])
    @pytest.mark.parametrize("fault", [Fault.cut_after(), Fault.answers(502), Fault.unknown_shape()])
    async def test_what_is_unclear_is_sent_once_and_seen_in_the_ledger(
        self, mailin: MailinClient, sandbox: MailinSandbox, fault: Fault, operation: str
    ) -> None:
        sandbox.faults.add(operation, fault)
        sending = (
            mailin.verify_file(File("list.csv", b"ann@acme.com", "text/csv"), "standard")
            if operation == "verify_file"
            else mailin.verify_addresses(["ann@acme.com"], "standard")
        )
        with pytest.raises(OutcomeUnknown):
            await sending
        assert sandbox.calls[operation] == 1
        debits = [entry.debit for entry in (await mailin.credit_history()).data if entry.debit]
        assert debits == [-change for _, change in sandbox.ledger if change < 0]

    async def test_a_word_nobody_knows(self, mailin: MailinClient, sandbox: MailinSandbox, logged: Any) -> None:
        task = await mailin.verify_addresses(ADDRESSES, "standard")
        sandbox.faults.add("task", Fault.job_says("pondering"), times=2)
        for _ in range(2):
            assert (await mailin.verification_task(task)).state is TaskState.UNKNOWN
        assert [line["said"] for line in logged if line["event"] == "unknown word"] == ["pondering"]

    @pytest.mark.parametrize(
        ("said", "state"),
        [
            ({"message": "Still running."}, TaskState.RUNNING),
            ({"message": "Refunded.", "reason": "No column"}, TaskState.FAILED),
            ({"status": "finished", "deliverable": "3"}, TaskState.FINISHED),
            ({"status": "processing"}, TaskState.RUNNING),
            ({"status": "failed", "reason": "x"}, TaskState.FAILED),
        ],
    )
    def test_its_shapes(self, said: dict[str, Any], state: TaskState) -> None:
        assert VerificationTask.read("t", said).state is state

    @pytest.mark.parametrize("said", [None, [], {}, {"result": {"ok": 1}}])
    def test_what_says_nothing(self, said: Any) -> None:
        with pytest.raises(ValueError):
            VerificationTask.read("t", said)

    async def test_not_prepared_yet_is_running(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        task = await mailin.verify_addresses(ADDRESSES, "standard")
        sandbox.faults.add("task", Fault.answers(311))
        assert (await mailin.verification_task(task)).state is TaskState.RUNNING
        sandbox.faults.add("task", Fault.answers(422))
        with pytest.raises(Rejected):
            await mailin.verification_task(task)
        for status in (311, 400, 422):
            sandbox.faults.add("task", Fault.answers(status, body={"message": "Refunded.", "reason": "No column"}))
            failed = await mailin.verification_task(task)
            assert (failed.state, failed.reason) == (TaskState.FAILED, "No column")
        sandbox.faults.add("download", Fault.unknown_shape())
        with pytest.raises(BadAnswer):
            await mailin.download_results(task, "all")


class TestCredits:
    async def test_balance_and_ledger(self, mailin: MailinClient) -> None:
        await mailin.verify_addresses(ADDRESSES, "catch_all")
        assert await mailin.credit_balance() == 10_000 - 35
        page = await mailin.credit_history(per_page=1)
        assert [(entry.debit, entry.total_credit) for entry in page.data] == [(35, 9_965)]
        assert (page.total, page.next_page) == (2, 2)
        [oldest] = (await mailin.credit_history(2, 1)).data
        assert (oldest.reason, oldest.credit) == ("Purchased credits", 10_000)
