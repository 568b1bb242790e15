"""What people can ask of Mailin about verifying addresses, each action against the provider itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from providers.accounts import PriceList
from providers.action import Action, Done, Effect, Failed, ItemState, Pending, Refused, Unknown
from providers.errors import NotFound, OutcomeUnknown
from providers.mailin.actions.verification import (
    ACTIONS,
    CreditHistory,
    ShowCredits,
    VerificationResult,
    VerificationStatus,
    VerifyAddress,
    VerifyList,
)
from providers.mailin.client import MailinClient
from providers.mailin.sandbox import Fault, MailinSandbox, Work

ONE = VerifyAddress(address="ana@acme.com")
LIST = VerifyList(addresses=["ana@acme.com", "bad@acme.com", "catch_all@acme.com", "bo@acme.com"])
NO_PRICES = PriceList()


def told(action: type[Action], **given: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        action.model_validate(given)
    return str(refused.value.errors()[0]["msg"])


class TestAsking:
    def test_what_was_pasted(self) -> None:
        typed = VerifyList.model_validate({"addresses": "ana@ACME.com, <mailto:bo@acme.com|bo@acme.com>;ana@acme.com"})
        assert typed.addresses == ["ana@acme.com", "bo@acme.com"]
        assert typed.headline() == "Verify 2 addresses (standard)"
        assert VerifyList.prefill(["ana@acme.com", "bo@acme.com"]) == {"addresses": "ana@acme.com\nbo@acme.com"}
        assert ONE.headline() == "Verify ana@acme.com (standard)"
        assert VerificationResult.prefill(["bulk_1", "catch", "all"]) == {"task": "bulk_1", "which": "catch all"}

    @pytest.mark.parametrize(
        ("action", "given", "sentence"),
        [
            (VerifyAddress, {"address": "ana"}, "“ana” is not an e-mail address."),
            (VerifyList, {"addresses": ""}, "Paste at least one address."),
            (VerifyList, {"addresses": "ana@acme.com bo"}, "“bo” is not an e-mail address."),
            (VerifyList, {"addresses": [f"a{n}@acme.com" for n in range(501)]}, "These are 501 addresses; at most 500"),
            (VerificationStatus, {"task": " "}, "Write the task's id"),
            (VerificationResult, {"task": "t", "which": ""}, "Write which ones"),
        ],
    )
    def test_mistakes_are_sentences(self, action: type[Action], given: dict[str, Any], sentence: str) -> None:
        assert sentence in told(action, **given)

    def test_effects(self) -> None:
        spends = {action.command for action in ACTIONS if action.effect is Effect.SPEND}
        assert spends == {"verify one", "verify list", "verify file"}

    @pytest.mark.parametrize(
        ("action", "needed"),
        [
            (ONE, 1),
            (ONE.model_copy(update={"kind": "catch_all"}), 7),
            (LIST, 4),
            (LIST.model_copy(update={"kind": "catch_all"}), 28),
        ],
    )
    async def test_quoted_in_credits(self, mailin: MailinClient, action: Any, needed: int) -> None:
        quote = await action.quote(mailin, NO_PRICES)
        assert (quote.total, quote.currency) == (Decimal(needed), "credits")

        worth = await action.quote(mailin, PriceList(prices={"credit": Decimal("0.50")}))
        assert worth.total == Decimal(needed)
        assert f"worth {needed / 2:.2f} USD" in worth.lines[0].what
        cheap = await action.quote(mailin, PriceList(prices={"credit": Decimal("0.0040")}))
        assert f"worth {Decimal(needed) * 4 / 1000:f} USD" in cheap.lines[0].what

    @pytest.mark.parametrize(
        ("left", "action", "problems"),
        [
            (0, ONE, {"kind": "This costs 1 credit, and the account has none. Buy credits at Mailin."}),
            (
                3,
                LIST,
                {
                    "addresses": "This costs 4 credits, and the account has 3. "
                    "Buy credits at Mailin, or verify fewer addresses."
                },
            ),
        ],
    )
    async def test_more_than_there_is(
        self, mailin: MailinClient, sandbox: MailinSandbox, left: int, action: Any, problems: dict[str, str]
    ) -> None:
        sandbox.ledger = [("Purchased credits", left)]

        with pytest.raises(Refused) as refused:
            await action.quote(mailin, NO_PRICES)
        assert refused.value.problems == problems

    async def test_just_enough(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.ledger = [("Purchased credits", 4)]
        assert (await LIST.quote(mailin, NO_PRICES)).total == 4
        assert sandbox.credits == 4


class TestOne:
    @pytest.mark.parametrize(
        ("address", "summary"),
        [
            ("ana@acme.com", "ana@acme.com is deliverable."),
            ("bad@acme.com", "bad@acme.com is not deliverable: mail to it would bounce."),
            ("unknown@acme.com", "Mailin could not find out whether unknown@acme.com is deliverable."),
        ],
    )
    async def test_at_once(self, mailin: MailinClient, sandbox: MailinSandbox, address: str, summary: str) -> None:
        done = await VerifyAddress(address=address).run(mailin, "key")

        assert isinstance(done, Done)
        assert done.summary == summary
        assert sandbox.credits == 9_999

    async def test_later(self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any) -> None:
        sandbox.verdict_at_once, sandbox.job_seconds = False, 60
        taken = await ONE.run(mailin, "key")
        assert isinstance(taken, Pending)
        still = await ONE.poll(mailin, taken.ref)
        assert isinstance(still, Pending)
        assert "single_1" in still.progress

        clock.advance(60)
        done = await ONE.poll(mailin, still.ref)
        assert isinstance(done, Done)
        assert done.items[0].note == "deliverable, score 95"

    @pytest.mark.parametrize("word", ["pending", "verifying", "unknown"])
    async def test_a_word_for_a_result_while_it_runs_is_none_yet(
        self, mailin: MailinClient, sandbox: MailinSandbox, word: str
    ) -> None:
        said: Any = {"task_id": "abc", "email": "ana@acme.com", "status": "verifying", "result": word}
        sandbox.faults.add("verify_single", Fault.answers(210, body=said))

        assert isinstance(await ONE.run(mailin, "key"), Pending)

    @pytest.mark.parametrize(("used", "state"), [(7, ItemState.UNKNOWN), (0, ItemState.NOT_DONE)])
    async def test_what_a_failed_one_has_cost_is_not_called_free(
        self, mailin: MailinClient, sandbox: MailinSandbox, used: int, state: ItemState
    ) -> None:
        said: Any = {"task_id": "abc", "status": "failed", "result": None, "credit_used": used}
        sandbox.faults.add("verify_single", Fault.answers(210, body=said))

        failed = await ONE.run(mailin, "key")

        assert isinstance(failed, Failed)
        assert [item.state for item in failed.items] == [state]

    async def test_it_fails(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.verdict_at_once, sandbox.job_seconds = False, 60
        taken = await ONE.run(mailin, "key")
        assert isinstance(taken, Pending)
        sandbox.faults.add("single_result", Fault.job_says("failed"))

        assert isinstance(await ONE.poll(mailin, taken.ref), Failed)


class TestList:
    async def test_it_is_worked_on_and_counted(self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any) -> None:
        sandbox.job_seconds = 60
        taken = await LIST.run(mailin, "key")
        assert isinstance(taken, Pending)
        assert sandbox.credits == 9_996
        still = await LIST.poll(mailin, taken.ref)
        assert isinstance(still, Pending)
        assert still.ref == taken.ref

        clock.advance(60)
        done = await LIST.poll(mailin, still.ref)
        assert isinstance(done, Done)
        assert done.summary == ("2 of 4 addresses are deliverable. “verify result bulk_1” gives you the addresses.")
        assert done.chart is not None
        assert dict(done.chart.shares) == {"Deliverable": 2, "Catch-all": 1, "Invalid": 1}

    async def test_it_fails(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        taken = await LIST.run(mailin, "key")
        assert isinstance(taken, Pending)
        sandbox.tasks[str(taken.ref["task_id"])].failure = "Out of paper"

        failed = await LIST.poll(mailin, taken.ref)

        assert isinstance(failed, Failed)
        assert failed.summary == "Mailin could not verify the addresses: Out of paper."
        assert "credits" in failed.cure

    @pytest.mark.parametrize("more", [{}, {"deliverable": None, "total_rows": 4}, {"credits_used": 4}])
    async def test_figures_that_are_missing_are_not_made_up(
        self, mailin: MailinClient, sandbox: MailinSandbox, more: Any
    ) -> None:
        taken = await LIST.run(mailin, "key")
        assert isinstance(taken, Pending)
        sandbox.faults.add("task", Fault.answers(200, body={"status": "finished", **more}))

        done = await LIST.poll(mailin, taken.ref)

        assert isinstance(done, Done)
        assert done.summary.startswith(
            "The verification of 4 addresses is finished, but Mailin does not say how many of them are deliverable."
        )
        assert done.chart is None

    async def test_an_unknown_word(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        taken = await LIST.run(mailin, "key")
        assert isinstance(taken, Pending)
        sandbox.faults.add("task", Fault.job_says("pondering"))

        assert isinstance(await LIST.poll(mailin, taken.ref), Pending)


@pytest.mark.parametrize(("action", "operation"), [(ONE, "verify_single"), (LIST, "verify_emails")])
@pytest.mark.parametrize("work", list(Work))
async def test_an_unclear_answer_proves_nothing(
    mailin: MailinClient, sandbox: MailinSandbox, action: Action, operation: str, work: Work
) -> None:
    sandbox.faults.add(operation, Fault.cut_after(work=work))
    with pytest.raises(OutcomeUnknown):
        await action.run(mailin, "key")

    found = await action.reconcile(mailin, "key")

    assert isinstance(found, Unknown)
    assert f"The account has {sandbox.credits:,} credits." in found.evidence
    assert sandbox.ledger[-1][0] in found.evidence
    assert sandbox.calls[operation] == 1


class TestLooking:
    @pytest.fixture
    async def task(self, mailin: MailinClient, sandbox: MailinSandbox) -> str:
        sandbox.job_seconds = 60
        return await mailin.verify_addresses(LIST.addresses, "standard")

    async def test_a_list(self, mailin: MailinClient, clock: Any, task: str) -> None:
        for action, still in ((VerificationStatus, "is still running"), (VerificationResult, "has no result yet")):
            seen = await action(task=task).run(mailin, "key")
            assert isinstance(seen, Done)
            assert still in seen.summary

        clock.advance(60)
        status = await VerificationStatus(task=task).run(mailin, "key")
        assert isinstance(status, Done)
        assert (
            status.summary == f"The verification {task} with 4 addresses is finished. “verify result {task}” shows it."
        )
        result = await VerificationResult(task=task).run(mailin, "key")
        assert isinstance(result, Done)
        assert result.chart is not None

    async def test_a_failed_one(self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any, task: str) -> None:
        sandbox.tasks[task].failure = "Out of paper"
        clock.advance(60)

        status = await VerificationStatus(task=task).run(mailin, "key")
        assert isinstance(status, Done)
        assert status.summary.endswith("has failed: Out of paper.")
        result = await VerificationResult(task=task).run(mailin, "key")
        assert isinstance(result, Done)
        assert "no result" in result.summary

    async def test_one_address(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        task = (await mailin.verify_address("ana@acme.com", "standard")).task_id

        status = await VerificationStatus(task=task).run(mailin, "key")
        assert isinstance(status, Done)
        assert "is finished" in status.summary
        result = await VerificationResult(task=task).run(mailin, "key")
        assert isinstance(result, Done)
        assert result.summary == "ana@acme.com is deliverable."

    @pytest.mark.parametrize("action", [VerificationStatus, VerificationResult])
    async def test_none(self, mailin: MailinClient, action: Any) -> None:
        with pytest.raises(NotFound, match="Mailin knows no verification “bulk_9”"):
            await action(task="bulk_9").run(mailin, "key")

    async def test_the_addresses_come_with_the_result(self, mailin: MailinClient, clock: Any, task: str) -> None:
        clock.advance(60)
        done = await VerificationResult(task=task).run(mailin, "key")

        assert isinstance(done, Done)
        assert done.download is not None
        assert done.download.name == f"{task}-deliverable.csv"
        assert done.download.link is not None
        assert "storage/tmp" in done.download.link.get_secret_value()
        assert done.chart is not None

    async def test_what_is_taken_away_is_never_stored(self, mailin: MailinClient, clock: Any, task: str) -> None:
        clock.advance(60)
        done = await VerificationResult(task=task).run(mailin, "key")

        assert isinstance(done, Done)
        assert "storage/tmp" not in repr(done)
        assert "download" not in done.model_dump(mode="json")

    @pytest.mark.parametrize(
        ("which", "rows"),
        [
            ("deliverable", ["ana@acme.com,deliverable", "bo@acme.com,deliverable"]),
            ("Catch-all", ["catch_all@acme.com,catch_all"]),
            ("invalid", ["bad@acme.com,invalid"]),
        ],
    )
    async def test_the_file_itself(
        self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any, task: str, which: str, rows: list[str]
    ) -> None:
        clock.advance(60)
        sandbox.download_is_file = True

        done = await VerificationResult(task=task, which=which).run(mailin, "key")

        assert isinstance(done, Done)
        assert done.download is not None
        assert done.download.content is not None
        assert done.download.content.get_secret_value().decode().splitlines() == ["email,result", *rows]
        assert "ana@acme.com" not in repr(done)

    async def test_none_of_that_kind(self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any, task: str) -> None:
        clock.advance(60)
        done = await VerificationResult(task=task, which="duplicate").run(mailin, "key")

        assert isinstance(done, Done)
        assert done.download is None
        assert done.summary.endswith("None of them is duplicate.")
        assert sandbox.calls["download"] == 0

    @pytest.mark.parametrize("broken", [Fault.answers(422), Fault.answers(500), Fault.unknown_shape()])
    async def test_a_download_that_fails_spoils_no_result(
        self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any, task: str, broken: Fault
    ) -> None:
        clock.advance(60)
        sandbox.faults.add("download", broken, times=9)

        done = await VerificationResult(task=task).run(mailin, "key")

        assert isinstance(done, Done)
        assert done.chart is not None
        assert done.download is None
        assert done.summary.startswith("2 of 4 addresses are deliverable. The addresses themselves could not be had.")

    async def test_credits(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        some = await ShowCredits().run(mailin, "key")
        assert isinstance(some, Done)
        assert some.summary == (
            "The account has 10,000 credits: enough for 10,000 standard or 1,428 catch-all verifications."
        )
        sandbox.ledger.clear()
        none = await ShowCredits().run(mailin, "key")
        assert isinstance(none, Done)
        assert "no credits" in none.summary

    async def test_history(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.ledger += [(f"Entry {number}", -1) for number in range(20)]

        first = await CreditHistory().run(mailin, "key")
        assert isinstance(first, Done)
        assert first.table is not None
        assert first.table.rows[0] == ("Entry 19", "-1", "9,980")
        assert first.next_page == 2
        last = await CreditHistory(page=2).run(mailin, "key")
        assert isinstance(last, Done)
        assert last.table is not None
        assert last.table.rows[-1] == ("Purchased credits", "+10,000", "10,000")
        assert last.next_page is None
        beyond = await CreditHistory(page=9).run(mailin, "key")
        assert isinstance(beyond, Done)
        assert beyond.summary == "That was all."
