"""What people can ask of Mailin, each action against the provider itself, without Slack or a store."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from providers.accounts import PriceList
from providers.action import Done, Failed, Item, ItemState, Pending, Refused, Unknown
from providers.errors import OutcomeUnknown, Rejected, Upstream
from providers.listing import PAGE
from providers.mailin.actions import TLDS, BuyDomains, CheckDomains, ListDomains
from providers.mailin.client import MailinClient
from providers.mailin.sandbox import Fault, MailinSandbox, Work

PRICES = PriceList(prices={"domain.com": Decimal("12.50"), "domain.co": Decimal(28)})
TWO = BuyDomains(domains=["acme.com", "acme.co"])


class TestAsking:
    def test_what_was_typed_becomes_names(self) -> None:
        typed = BuyDomains.model_validate({"domains": "https://ACME.com/, bücher.co\nacme.ca;acme.biz"})

        assert typed.domains == ["acme.com", "xn--bcher-kva.co", "acme.ca", "acme.biz"]
        assert typed.subjects() == tuple(typed.domains)

    def test_headlines(self) -> None:
        assert BuyDomains(domains=["acme.com"]).headline() == "Buy acme.com (SMTP)"
        assert BuyDomains(domains=["acme.com", "acme.co"], hosting="google").headline() == "Buy 2 domains (Google)"

    @given(st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}[a-z0-9]\.[a-z]{2,6}", fullmatch=True))
    def test_only_what_mailin_sells(self, name: str) -> None:
        sold = name.rsplit(".", 1)[-1] in TLDS
        if sold:
            assert BuyDomains.model_validate({"domains": [name]}).domains == [name]
        else:
            with pytest.raises(ValidationError, match=r"Mailin sells only \.com, \.co, \.ca and \.biz\."):
                BuyDomains.model_validate({"domains": [name]})

    @pytest.mark.parametrize(("most", "action"), [(50, BuyDomains), (10, CheckDomains)])
    def test_so_many_and_no_more(self, most: int, action: Any) -> None:
        names = [f"acme-{n}.com" for n in range(most + 1)]

        assert len(action(domains=names[:most]).domains) == most
        with pytest.raises(ValidationError, match=f"These are {most + 1} domains; at most {most}"):
            action(domains=names)

    async def test_prices_are_the_operators(self, mailin: MailinClient) -> None:
        quote = await TWO.quote(mailin, PRICES)
        assert [(line.what, line.price) for line in quote.lines] == [
            ("acme.com", Decimal("12.50")),
            ("acme.co", Decimal(28)),
        ]
        assert quote.total == Decimal("40.50")

        unknown = await BuyDomains(domains=["acme.com", "acme.biz"]).quote(mailin, PRICES)
        assert unknown.total is None


class TestCheck:
    async def test_free_names_are_fine(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        await TWO.check(mailin)

        assert sandbox.purchases == []

    async def test_taken_and_our_own(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("ours.com")
        sandbox.own("ours.co", hosting="google")

        with pytest.raises(Refused) as refused:
            await BuyDomains(domains=["google.com", "ours.com", "free.com", "ours.co"]).check(mailin)

        assert refused.value.problems == {
            "domains": "Already in this account: ours.com, ours.co. Already taken: google.com. "
            "Remove or replace these names."
        }

    async def test_a_provider_that_cannot_say(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.faults.add("availability", Fault.answers(500), times=3)

        with pytest.raises(Upstream):
            await TWO.check(mailin)


class TestBuying:
    @pytest.mark.parametrize("hosting", ["smtp", "google"])
    @pytest.mark.parametrize("names", [["acme.com"], ["acme.com", "acme.co"]])
    async def test_it_is_accepted_worked_on_and_live(
        self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any, names: list[str], hosting: Any
    ) -> None:
        sandbox.job_seconds = 60
        action = BuyDomains(domains=names, hosting=hosting)

        taken = await action.run(mailin, "key")
        assert isinstance(taken, Pending)
        assert (taken.done, taken.total) == (0, len(names))
        still = await action.poll(mailin, taken.ref)
        assert isinstance(still, Pending)

        clock.advance(60)
        done = await action.poll(mailin, still.ref)
        assert isinstance(done, Done)
        assert [(item.name, item.state) for item in done.items] == [(name, ItemState.LIVE) for name in names]
        assert [(p.domain, p.hosting) for p in sandbox.purchases] == [(name, hosting) for name in names]

    async def test_a_name_that_has_gone_meanwhile(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.taken.add("acme.co")

        failed = await TWO.run(mailin, "key")

        assert isinstance(failed, Failed)
        assert failed.summary == "Mailin refused the order: acme.co is no longer free. Nothing was bought."
        assert failed.items == (
            Item(name="acme.com", state=ItemState.NOT_DONE),
            Item(name="acme.co", state=ItemState.NOT_DONE, note="taken"),
        )

    async def test_what_has_come_into_the_account_meanwhile_is_not_ordered(
        self, mailin: MailinClient, sandbox: MailinSandbox
    ) -> None:
        """Otherwise, should the answer be lost, it would look as if it had been bought by this order."""
        sandbox.own("acme.co")
        sandbox.faults.add("buy_multiple", Fault.cut_before())

        failed = await TWO.run(mailin, "key")

        assert isinstance(failed, Failed)
        assert failed.summary == "Already in this account: acme.co. So nothing was sent, and nothing was bought."
        assert failed.items == (
            Item(name="acme.com", state=ItemState.NOT_DONE),
            Item(name="acme.co", state=ItemState.NOT_DONE, note="already in this account"),
        )
        assert sandbox.calls["buy_multiple"] == 0

    async def test_a_listing_that_cannot_be_read_keeps_nothing_back(
        self, mailin: MailinClient, sandbox: MailinSandbox
    ) -> None:
        sandbox.faults.add("domains", Fault.answers(500), times=3)

        assert isinstance(await TWO.run(mailin, "key"), Pending)
        assert sandbox.times_bought("acme.com") == 1

    async def test_a_refusal_for_another_reason_is_passed_on(
        self, mailin: MailinClient, sandbox: MailinSandbox
    ) -> None:
        sandbox.faults.add("buy_multiple", Fault.answers(311))

        with pytest.raises(Rejected):
            await TWO.run(mailin, "key")

    async def test_an_unclear_answer_is_passed_on(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.faults.add("buy_multiple", Fault.cut_after())

        with pytest.raises(OutcomeUnknown):
            await TWO.run(mailin, "key")
        assert sandbox.calls["buy_multiple"] == 1


class TestTheEnd:
    """A job that has ended says little: what counts is what the account has, and its listing may lag behind."""

    async def _ordered(self, mailin: MailinClient, action: BuyDomains = TWO) -> Pending:
        taken = await action.run(mailin, "key")
        assert isinstance(taken, Pending)
        return taken

    async def test_ended_well_and_not_listed_yet(
        self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any
    ) -> None:
        sandbox.listing_lag_seconds = 600
        taken = await self._ordered(mailin)

        waiting = await TWO.poll(mailin, taken.ref)

        assert isinstance(waiting, Pending)
        assert waiting.progress == "0 of 2 live. Waiting to see acme.com, acme.co in the account."
        clock.advance(601)
        calls = sandbox.calls["job_status"]
        assert isinstance(await TWO.poll(mailin, waiting.ref), Done)
        assert sandbox.calls["job_status"] == calls  # it has ended: the job is not asked again

    async def test_ended_with_errors_is_not_believed_before_the_listing_had_time(
        self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any
    ) -> None:
        sandbox.failing = {"acme.co"}
        taken = await self._ordered(mailin)
        waiting = await TWO.poll(mailin, taken.ref)
        assert isinstance(waiting, Pending)

        clock.advance(119)
        assert isinstance(await TWO.poll(mailin, waiting.ref), Pending)

        clock.advance(1)
        failed = await TWO.poll(mailin, waiting.ref)
        assert isinstance(failed, Failed)
        assert failed.summary == "Mailin could not register everything: 1 of 2 bought."
        assert [item.state for item in failed.items] == [ItemState.LIVE, ItemState.NOT_DONE]
        assert failed.cure == "Ask again for acme.co, or for other names."

    async def test_a_row_without_a_number_is_there_all_the_same(
        self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any
    ) -> None:
        sandbox.failing = {"acme.co"}
        taken = await self._ordered(mailin)
        waiting = await TWO.poll(mailin, taken.ref)
        assert isinstance(waiting, Pending)
        clock.advance(120)
        rows: Any = [{"id": None, "name": "acme.com", "status": "1"}, {"id": 7, "name": "other.com", "status": "1"}]
        sandbox.faults.add("domains", Fault.answers(200, body={"data": rows, "last_page": 1, "total": 2}), times=9)

        failed = await TWO.poll(mailin, waiting.ref)

        assert [item.state for item in failed.items] == [ItemState.LIVE, ItemState.NOT_DONE]

    async def test_all_failed(self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any) -> None:
        sandbox.failing = {"acme.com", "acme.co"}
        taken = await self._ordered(mailin)
        waiting = await TWO.poll(mailin, taken.ref)
        assert isinstance(waiting, Pending)

        clock.advance(120)
        failed = await TWO.poll(mailin, waiting.ref)

        assert isinstance(failed, Failed)
        assert "nothing was bought" in failed.summary

    async def test_a_bought_name_that_is_not_live_is_no_failure(
        self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any
    ) -> None:
        taken = await self._ordered(mailin)
        sandbox.domains["acme.co"].active_at += timedelta(hours=5)
        clock.advance(3600)

        waiting = await TWO.poll(mailin, taken.ref)

        assert isinstance(waiting, Pending)
        assert (waiting.done, waiting.total, waiting.progress) == (1, 2, "1 of 2 live.")

    async def test_an_unknown_word_is_only_shown(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        taken = await self._ordered(mailin)
        sandbox.faults.add("job_status", Fault.job_says("w" * 100))

        waiting = await TWO.poll(mailin, taken.ref)

        assert isinstance(waiting, Pending)
        assert "w" * 40 in waiting.progress
        assert "w" * 41 not in waiting.progress


class TestReconciling:
    async def test_all_are_there(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("acme.com", "acme.co")

        assert isinstance(await TWO.reconcile(mailin, "key"), Done)
        assert sandbox.purchases == []

    async def test_all_are_there_and_one_is_not_live_yet(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("acme.com", "acme.co")
        sandbox.domains["acme.co"].active_at += timedelta(hours=1)

        found = await TWO.reconcile(mailin, "key")

        assert isinstance(found, Pending)
        assert isinstance(await TWO.poll(mailin, found.ref), Pending)

    async def test_under_the_other_hosting_it_is_not_what_was_ordered(
        self, mailin: MailinClient, sandbox: MailinSandbox
    ) -> None:
        sandbox.own("acme.com", "acme.co", hosting="google")

        assert isinstance(await TWO.reconcile(mailin, "key"), Unknown)

    @pytest.mark.parametrize("work", [Work.NOTHING, Work.HALF])
    async def test_not_all_are_there_proves_nothing(
        self, mailin: MailinClient, sandbox: MailinSandbox, work: Work
    ) -> None:
        sandbox.faults.add("buy_multiple", Fault.answers(313, work=work))
        with pytest.raises(OutcomeUnknown):
            await TWO.run(mailin, "key")

        found = await TWO.reconcile(mailin, "key")

        assert isinstance(found, Unknown)
        assert "Not (yet) listed:" in found.evidence
        assert found.items[-1] == Item(name="acme.co", state=ItemState.UNKNOWN)


class TestQuestions:
    async def test_several_names(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("ours.com")

        done = await CheckDomains(domains=["free.com", "ours.com", "google.com"]).run(mailin, "key")

        assert done.summary == "1 of 3 names is free."
        assert [item.note for item in done.items] == ["free", "already in this account", "taken"]

    @pytest.mark.parametrize(("smtp", "google"), [(0, 0), (0, 3), (PAGE, 0), (PAGE, 1), (PAGE + 1, PAGE + 1), (40, 33)])
    async def test_every_domain_is_on_exactly_one_page(
        self, mailin: MailinClient, sandbox: MailinSandbox, smtp: int, google: int
    ) -> None:
        names = [f"s-{n:02}.com" for n in range(smtp)], [f"g-{n:02}.com" for n in range(google)]
        sandbox.own(*names[0])
        sandbox.own(*names[1], hosting="google")

        listed, page = list[str](), 1
        while True:
            done = await ListDomains(page=page).run(mailin, "key")
            assert isinstance(done, Done)
            assert len(done.items) <= PAGE
            listed += [item.name for item in done.items]
            if done.next_page is None:
                break
            assert done.next_page == page + 1
            page = done.next_page

        assert listed == names[0] + names[1]

    async def test_a_page_beyond_the_end(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("a.com")

        done = await ListDomains(page=99).run(mailin, "key")

        assert isinstance(done, Done)
        assert done.summary == "There are no more domains in this account."
        assert done.next_page is None
