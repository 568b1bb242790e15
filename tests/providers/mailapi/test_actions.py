"""What people can ask of MailAPI, each action against the provider itself, without Slack or a store."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from providers.action import Action, Done, Effect, Failed, ItemState, Later, Pending, Refused, Unknown
from providers.errors import AlreadyExists, AuthExpired, NotFound, OutcomeUnknown, Rejected
from providers.listing import PAGE
from providers.mailapi.actions import (
    ACTIONS,
    AddDomain,
    AddSubDomains,
    CreateMailboxes,
    ListDomains,
    ListMailboxes,
)
from providers.mailapi.client import MailApiClient
from providers.mailapi.models import is_label
from providers.mailapi.provider import provider as the_provider
from providers.mailapi.sandbox import IMAP_PASSWORD, SANDBOX_KEY, MailApiSandbox
from providers.simulator import Fault, Kind, Work


def typed(action: type[Action], line: str) -> Any:
    """The action that the words after its command make."""
    return action.model_validate(action.prefill(line.split()))


def problems(action: type[Action], **values: Any) -> dict[str, str]:
    """What stands under each field of the form."""
    with pytest.raises(ValidationError) as refused:
        action.model_validate(values)
    return {str(error["loc"][0]): error["msg"] for error in refused.value.errors()}


def states(outcome: Any) -> list[tuple[str, ItemState]]:
    return [(item.name, item.state) for item in outcome.items]


class TestTheClasses:
    def test_what_slack_needs_of_each(self) -> None:
        for action in ACTIONS:
            assert action.provider == "mailapi"
            assert 0 < len(action.title) <= 24
            assert action.help_line().endswith(".")
            shown = [field for name, field in action.model_fields.items() if not action.is_hidden(name)]
            assert all(field.title and field.description for field in shown)
        assert the_provider().actions == ACTIONS
        assert len({action.command for action in ACTIONS}) == len(ACTIONS)

    def test_their_effects(self) -> None:
        assert {action.command: action.effect for action in ACTIONS} == {
            "domain list": Effect.READ,
            "domain add": Effect.WRITE,
            "domain subdomain": Effect.WRITE,
            "mailbox list": Effect.READ,
            "mailbox create": Effect.WRITE,
        }


class TestListingDomains:
    async def test_page_by_page(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        for number in range(PAGE + 1):
            sandbox.own(f"acme-{number}.com", mailboxes=1)

        first = await ListDomains().run(mailapi, "key")
        last = await ListDomains(page=2).run(mailapi, "key")
        beyond = await ListDomains(page=3).run(mailapi, "key")

        assert isinstance(first, Done)
        assert (len(first.items), first.next_page) == (PAGE, 2)
        assert first.summary == "16 domains, page 1."
        assert first.items[0].note == "verified · 1 mailbox · 10GB · since 2026-03-02"
        assert isinstance(last, Done)
        assert (len(last.items), last.next_page) == (1, None)
        assert beyond == Done(summary="There are no more domains in this account.")

    async def test_by_a_part_of_the_name(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com")
        sandbox.own("other.com")
        sandbox.domains["acme.com"].status = "melting"

        found = await typed(ListDomains, "ACME").run(mailapi, "key")
        none = await typed(ListDomains, "zebra").run(mailapi, "key")

        assert found.summary == "1 domain with “ACME” in the name."
        assert found.items[0].note.startswith("state unknown (melting)")
        assert none.summary == "There are no domains with “zebra” in the name in this account."

    async def test_a_wrong_key(self, open_account: Any) -> None:
        with pytest.raises(AuthExpired, match="does not accept this account's key") as error:
            await ListDomains().run(open_account(key="x" * 32), "key")
        assert "postroom doctor" in error.value.cure


class TestAddingADomain:
    def test_from_words(self) -> None:
        action = typed(AddDomain, "https://ACME.com/")

        assert (action.domain, action.headline(), action.subjects()) == ("acme.com", "Add acme.com", ("acme.com",))

    def test_mistakes(self) -> None:
        assert problems(AddDomain, domain="acme") == {
            "domain": "“acme” is not a domain name. A domain looks like acme-mail.com."
        }

    async def test_one_that_is_there_already(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com")

        with pytest.raises(Refused) as refused:
            await AddDomain(domain="acme.com").check(mailapi)
        assert refused.value.problems == {"domain": "acme.com is in this account already."}
        with pytest.raises(AlreadyExists):
            await AddDomain(domain="acme.com").run(mailapi, "key")

    async def test_it_is_taken_listed_and_verified(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, clock: Any
    ) -> None:
        sandbox.listing_lag_seconds, sandbox.verify_seconds = 10, 60
        action = AddDomain(domain="acme.com")

        await action.check(mailapi)
        taken = await action.run(mailapi, "key")
        assert isinstance(taken, Pending)
        absent = await action.poll(mailapi, taken.ref)
        assert isinstance(absent, Pending)
        assert absent.progress == "0 of 1 verified. Waiting to see acme.com in the account."
        clock.advance(10)
        listed = await action.poll(mailapi, absent.ref)
        assert isinstance(listed, Pending)
        assert listed.progress == "0 of 1 verified."
        clock.advance(60)
        done = await action.poll(mailapi, listed.ref)

        assert isinstance(done, Done)
        assert done.summary == "acme.com is verified."
        assert states(done) == [("acme.com", ItemState.LIVE)]
        assert sandbox.made == ["acme.com"]

    @pytest.mark.parametrize(("word", "outcome"), [("failed", Failed), ("melting", Pending)])
    async def test_other_words(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, word: str, outcome: type[Any]
    ) -> None:
        action = AddDomain(domain="acme.com")
        taken = await action.run(mailapi, "key")
        assert isinstance(taken, Pending)
        sandbox.domains["acme.com"].status = word

        told = await action.poll(mailapi, taken.ref)

        assert isinstance(told, outcome)
        if isinstance(told, Failed):
            assert told.summary == "MailAPI could not set up acme.com."
            assert "DNS records" in told.cure
        elif isinstance(told, Pending):
            assert "a state that Postroom does not know (“melting”)" in told.progress

    @pytest.mark.parametrize(
        ("fault", "outcome"), [(Fault.cut_after(), Done), (Fault.malformed(), Done), (Fault.answers(500), Unknown)]
    )
    async def test_an_unclear_answer(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, fault: Fault, outcome: type[Any]
    ) -> None:
        sandbox.faults.add("create_domain", fault)
        action = AddDomain(domain="acme.com")

        with pytest.raises(OutcomeUnknown):
            await action.run(mailapi, "key")
        looked = await action.reconcile(mailapi, "key")

        assert isinstance(looked, outcome)
        assert sandbox.calls["create_domain"] == 1
        if isinstance(looked, Unknown):
            assert looked.evidence == "In the account: none of them. Not (yet) listed: acme.com."


class TestSubDomains:
    def test_from_words(self) -> None:
        action = typed(AddSubDomains, "acme.com Team sales.acme.com, team")

        assert action.labels == ["team", "sales"]
        assert action.subjects() == ("team.acme.com", "sales.acme.com")
        assert action.headline() == "Add 2 sub-domains to acme.com"
        assert AddSubDomains(domain="acme.com", labels=["team"]).headline() == "Add team.acme.com"
        assert AddSubDomains.prefill([]) == {}

    def test_mistakes(self) -> None:
        assert problems(AddSubDomains, domain="acme.com", labels=" ") == {"labels": "Name at least one sub-domain."}
        assert problems(AddSubDomains, domain="acme", labels="-x ok") == {
            "domain": "“acme” is not a domain name. A domain looks like acme-mail.com.",
            "labels": "-x: not the name of a sub-domain. One looks like team, with letters, digits and hyphens only.",
        }
        many = " ".join(f"s{n}" for n in range(101))
        assert problems(AddSubDomains, domain="acme.com", labels=many)["labels"].startswith(
            "These are 101 sub-domains; at most 100 go into one request"
        )
        long = ".".join(["a" * 62] * 4)[:250]
        assert problems(AddSubDomains, domain=long, labels="team")["labels"].startswith("Together with the domain")

    @given(st.text(max_size=80))
    def test_whatever_is_typed_is_a_label_or_a_sentence(self, text: str) -> None:
        try:
            labels = AddSubDomains(domain="acme.com", labels=text).labels
        except ValidationError as error:
            is_fine = all(wrong["type"] == "sentence" for wrong in error.errors())
        else:
            is_fine = all(map(is_label, labels))
        assert is_fine

    async def test_the_hour_is_not_spent_on_what_cannot_work(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox
    ) -> None:
        sandbox.own("acme.com")
        sandbox.own("team.acme.com")

        with pytest.raises(Refused) as no_parent:
            await AddSubDomains(domain="other.com", labels=["team"]).check(mailapi)
        with pytest.raises(Refused) as known:
            await AddSubDomains(domain="acme.com", labels=["team", "sales"]).check(mailapi)

        assert no_parent.value.problems == {
            "domain": "other.com is not in this account. Add it with /domain add, or correct it."
        }
        assert known.value.problems == {"labels": "Already in this account: team.acme.com. Remove or replace these."}
        assert sandbox.calls["create_sub_domains"] == 0

    async def test_ten_in_one_go(self, mailapi: MailApiClient, sandbox: MailApiSandbox, clock: Any) -> None:
        sandbox.own("acme.com")
        sandbox.verify_seconds = 60
        action = AddSubDomains(domain="acme.com", labels=[f"s{n}" for n in range(10)])

        await action.check(mailapi)
        taken = await action.run(mailapi, "key")
        assert isinstance(taken, Pending)
        assert (taken.done, taken.total) == (0, 10)
        assert isinstance(await action.poll(mailapi, taken.ref), Pending)
        clock.advance(60)
        done = await action.poll(mailapi, taken.ref)

        assert isinstance(done, Done)
        assert done.summary == "All 10 sub-domains are verified."
        assert sandbox.calls["create_sub_domains"] == 1

    @pytest.mark.parametrize(("tells_when", "minutes"), [(True, 50), (False, 60)])
    async def test_too_early(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, clock: Any, tells_when: bool, minutes: int
    ) -> None:
        sandbox.own("acme.com")
        sandbox.tells_when = tells_when
        await AddSubDomains(domain="acme.com", labels=["team"]).run(mailapi, "key")
        clock.advance(600)
        sales = AddSubDomains(domain="acme.com", labels=["sales"])

        later = await sales.run(mailapi, "key")

        assert isinstance(later, Later)
        assert later.summary == (
            "MailAPI takes sub-domains of acme.com once an hour, and that hour is not over. Nothing was sent now."
        )
        assert later.until == clock.now() + timedelta(minutes=minutes)
        assert later.plan == ((later.until, "sales.acme.com"),)
        assert later.left == sales
        assert sandbox.made == ["team.acme.com"]
        clock.advance(minutes * 60)
        assert isinstance(await sales.run(mailapi, "key"), Pending)

    @pytest.mark.parametrize(("asked", "seconds"), [(None, 60), (600, 600)])
    async def test_too_many_calls_are_not_taken_for_the_hour(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, clock: Any, asked: int | None, seconds: int
    ) -> None:
        sandbox.own("acme.com")
        sandbox.faults.add("domains", Fault.answers(429, retry_after=asked), times=3)

        later = await AddSubDomains(domain="acme.com", labels=["team"]).run(mailapi, "key")

        assert isinstance(later, Later)
        assert later.summary == (
            "The provider says that there were too many calls, and took no notice of this one. Nothing was sent now."
        )
        assert later.until == clock.now() + timedelta(seconds=seconds)
        assert sandbox.calls["create_sub_domains"] == 0

    async def test_more_than_ten_go_hour_by_hour(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, clock: Any
    ) -> None:
        sandbox.own("acme.com")
        action = AddSubDomains(domain="acme.com", labels=[f"s{n}" for n in range(23)])
        began = clock.now()

        later = await action.run(mailapi, "key")
        assert isinstance(later, Later)
        assert later.summary == "MailAPI has taken 10 of 23 sub-domains of acme.com; it takes at most 10 an hour."
        assert [at - began for at, _ in later.plan] == [timedelta(hours=1), timedelta(hours=2)]
        assert [what.count("acme.com") for _, what in later.plan] == [10, 3]
        clock.advance(3600)
        later = await later.left.run(mailapi, "key")
        assert isinstance(later, Later)
        clock.advance(3600)
        taken = await later.left.run(mailapi, "key")

        assert isinstance(taken, Pending)
        assert sandbox.made == list(action.subjects())
        assert isinstance(await later.left.poll(mailapi, taken.ref), Done)

    async def test_what_somebody_had_added_meanwhile_is_not_sent_again(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, clock: Any
    ) -> None:
        sandbox.own("acme.com")
        later = await AddSubDomains(domain="acme.com", labels=[f"s{n}" for n in range(14)]).run(mailapi, "key")
        assert isinstance(later, Later)
        sandbox.own("s11.acme.com")
        clock.advance(3600)

        later = await later.left.run(mailapi, "key")

        assert isinstance(later, Later)
        assert later.summary == (
            "s11.acme.com is in the account already: somebody has had it added meanwhile. It was not sent again."
        )
        assert later.plan == ((clock.now(), "s10.acme.com, s12.acme.com, s13.acme.com"),)
        assert sandbox.calls["create_sub_domains"] == 1
        sandbox.faults.add("create_sub_domains", Fault.cut_after())
        with pytest.raises(OutcomeUnknown):
            await later.left.run(mailapi, "key")
        assert isinstance(await later.left.reconcile(mailapi, "key"), Done)
        assert sorted(sandbox.made) == sorted(f"s{n}.acme.com" for n in range(14) if n != 11)

    async def test_of_what_is_all_there_meanwhile_nothing_is_sent(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, clock: Any
    ) -> None:
        sandbox.own("acme.com")
        sandbox.verify_seconds = 60
        action = AddSubDomains(domain="acme.com", labels=["team", "sales"])
        await action.run(mailapi, "key")

        again = await action.run(mailapi, "another key")

        assert isinstance(again, Pending)
        clock.advance(60)
        done = await action.poll(mailapi, again.ref)
        assert isinstance(done, Done)
        told = (
            "team.acme.com, sales.acme.com are in the account already: somebody has had them added meanwhile. "
            "They were not sent again."
        )
        assert (again.progress, done.summary) == (
            f"{told} 0 of 2 verified.",
            f"{told} All 2 sub-domains are verified.",
        )
        assert sandbox.calls["create_sub_domains"] == 1

    async def test_a_no_to_the_second_ten_says_what_became_of_all(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, clock: Any
    ) -> None:
        sandbox.own("acme.com")
        later = await AddSubDomains(domain="acme.com", labels=[f"s{n}" for n in range(12)]).run(mailapi, "key")
        assert isinstance(later, Later)
        clock.advance(3600)
        sandbox.faults.add("create_sub_domains", Fault.answers(422))

        failed = await later.left.run(mailapi, "key")

        assert isinstance(failed, Failed)
        assert failed.summary.startswith("MailAPI has taken 10 of 12 sub-domains of acme.com, and then no more.")
        assert [state for _, state in states(failed)] == [ItemState.BOUGHT] * 10 + [ItemState.NOT_DONE] * 2

    @pytest.mark.parametrize("work", [Work.ALL, Work.HALF])
    async def test_an_unclear_answer_to_the_first_ten(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, work: Work
    ) -> None:
        sandbox.own("acme.com")
        sandbox.faults.add("create_sub_domains", Fault.cut_after(work=work))
        action = AddSubDomains(domain="acme.com", labels=[f"s{n}" for n in range(12)])
        with pytest.raises(OutcomeUnknown):
            await action.run(mailapi, "key")

        looked = await action.reconcile(mailapi, "key")

        if work is Work.ALL:
            assert isinstance(looked, Later)
            assert looked.left == action.model_copy(update={"sent": 10})
        else:
            assert isinstance(looked, Unknown)
            assert looked.evidence.endswith("Never sent: s10.acme.com, s11.acme.com; ask for them again.")
            assert [state for _, state in states(looked)][-3:] == [ItemState.UNKNOWN, *[ItemState.NOT_DONE] * 2]

    @pytest.mark.parametrize(
        ("fault", "listed"),
        [(Fault.cut_after(), 2), (Fault.cut_after(work=Work.HALF), 1), (Fault.cut_before(), 0)],
    )
    async def test_an_unclear_answer(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, fault: Fault, listed: int
    ) -> None:
        sandbox.own("acme.com")
        sandbox.faults.add("create_sub_domains", fault)
        action = AddSubDomains(domain="acme.com", labels=["a", "b"])

        with pytest.raises(OutcomeUnknown):
            await action.run(mailapi, "key")
        looked = await action.reconcile(mailapi, "key")

        assert sandbox.calls["create_sub_domains"] == 1
        if listed == 2:
            assert isinstance(looked, Done)
        else:
            assert isinstance(looked, Unknown)
            assert [item.note for item in looked.items] == ["listed"] * listed + ["not listed"] * (2 - listed)

    async def test_one_fails(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com")
        action = AddSubDomains(domain="acme.com", labels=["a", "b"])
        taken = await action.run(mailapi, "key")
        assert isinstance(taken, Pending)
        sandbox.domains["b.acme.com"].status = "failed"

        failed = await action.poll(mailapi, taken.ref)

        assert isinstance(failed, Failed)
        assert states(failed) == [("a.acme.com", ItemState.LIVE), ("b.acme.com", ItemState.NOT_DONE)]


class TestListingMailboxes:
    async def test_page_by_page_and_without_passwords(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com", mailboxes=PAGE + 1)

        first = await typed(ListMailboxes, "acme.com").run(mailapi, "key")
        last = await ListMailboxes(domain="acme.com", page=2).run(mailapi, "key")

        assert first.summary == "acme.com has 16 mailboxes, page 1."
        assert (len(first.table.rows), first.next_page) == (PAGE, 2)
        assert first.table.rows[0] == ("m1@acme.com", "active", "1024MB", "2026-03-02")
        assert isinstance(last, Done)
        assert last.next_page is None
        assert IMAP_PASSWORD not in repr(first)

    async def test_none(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com")

        assert await ListMailboxes(domain="acme.com").run(mailapi, "key") == Done(summary="acme.com has no mailboxes.")

    async def test_somebody_elses_domain(self, mailapi: MailApiClient) -> None:
        with pytest.raises(NotFound, match="or it belongs to another account") as error:
            await ListMailboxes(domain="other.com").run(mailapi, "key")
        assert error.value.cure == "Check the name, and the account you asked for."


ONE = CreateMailboxes(address="ana@acme.com", display_name="Ana Lee", quota_mb=512)
FOUR = CreateMailboxes(address="team@acme.com", count=4)


class TestAskingForMailboxes:
    def test_from_words(self) -> None:
        one = typed(CreateMailboxes, "<mailto:Ana@acme.com|Ana@acme.com>")
        several = typed(CreateMailboxes, "team@acme.com 3")

        assert (one.address, one.count, one.headline()) == ("ana@acme.com", 1, "Create ana@acme.com")
        assert several.subjects() == ("team1@acme.com", "team2@acme.com", "team3@acme.com")
        assert several.headline() == "Create 3 mailboxes: team1@acme.com to team3@acme.com"
        assert CreateMailboxes.prefill([]) == {}

    def test_mistakes(self) -> None:
        assert problems(CreateMailboxes, address="acme.com", count=0, quota_mb=0) == {
            "address": "“acme.com” is not an e-mail address. One looks like ana@acme-mail.com.",
            "count": "From 1 to 100 mailboxes go into one request.",
            "quota_mb": "This has to be a number from 1 to 1000000.",
        }
        assert problems(CreateMailboxes, address="a@acme.com", count=2, display_name="Ana") == {
            "display_name": "Leave this empty: MailAPI takes a name for a single mailbox only."
        }
        assert problems(CreateMailboxes, address="a@acme.com", display_name="x" * 101) == {
            "display_name": "This has 101 characters; at most 100 fit."
        }

    async def test_refusals(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com", mailboxes=2)
        await FOUR.check(mailapi)

        with pytest.raises(Refused) as known:
            await CreateMailboxes(address="m@acme.com", count=3).check(mailapi)
        with pytest.raises(Refused) as nowhere:
            await CreateMailboxes(address="ana@other.com").check(mailapi)

        assert known.value.problems == {
            "address": "Already in this account: m1@acme.com, m2@acme.com. Choose another address."
        }
        assert nowhere.value.problems == {
            "address": "other.com is not in this account. Add it with /domain add, or correct it."
        }


class TestCreatingMailboxes:
    @pytest.mark.parametrize("action", [ONE, FOUR])
    async def test_taken_worked_on_and_live(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, clock: Any, action: CreateMailboxes
    ) -> None:
        sandbox.own("acme.com")
        sandbox.task_seconds = 60

        taken = await action.run(mailapi, "key")
        assert isinstance(taken, Pending)
        assert set(taken.ref) == {"task_id", "kind"}
        still = await action.poll(mailapi, taken.ref)
        assert isinstance(still, Pending)
        assert (still.done, still.total) == (0, action.count)
        clock.advance(60)
        done = await action.poll(mailapi, still.ref)

        assert isinstance(done, Done)
        assert states(done) == [(name, ItemState.LIVE) for name in action.subjects()]
        assert sandbox.made == list(action.subjects())
        assert SANDBOX_KEY not in repr((taken, still, done))

    async def test_what_is_sent_of_one(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com")

        await ONE.run(mailapi, "key")

        assert sandbox.arrived[-1].body["Params"] == {"display_name": "Ana Lee", "quota_mb": 512}
        assert sandbox.arrived[-1].body["Email_fullname"] == "ana"

    async def test_only_one_sentence_means_live(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com")
        sandbox.failing.add("team2@acme.com")

        taken = await FOUR.run(mailapi, "key")
        assert isinstance(taken, Pending)
        failed = await FOUR.poll(mailapi, taken.ref)

        assert isinstance(failed, Failed)
        assert failed.summary == "3 of 4 mailboxes are live."
        assert "/mailbox list acme.com" in failed.cure
        assert (failed.items[1].state, failed.items[1].note) == (
            ItemState.UNKNOWN,
            "MailAPI says: Could not be created.",
        )

    async def test_nothing_could_be_made(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com")
        sandbox.failing |= {"ana@acme.com", *FOUR.subjects()}

        for action, state in [(ONE, ItemState.NOT_DONE), (FOUR, ItemState.UNKNOWN)]:
            taken = await action.run(mailapi, "key")
            assert isinstance(taken, Pending)
            failed = await action.poll(mailapi, taken.ref)
            assert isinstance(failed, Failed)
            assert failed.summary.startswith("MailAPI could not make the mailbox")
            assert states(failed) == [(name, state) for name in action.subjects()]

    async def test_a_state_nobody_knows(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com")
        taken = await ONE.run(mailapi, "key")
        assert isinstance(taken, Pending)
        sandbox.faults.add("mailbox_task", Fault.job_says("melting"))

        still = await ONE.poll(mailapi, taken.ref)

        assert isinstance(still, Pending)
        assert "“melting”" in still.progress

    async def test_done_without_a_word_about_any_mailbox(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com")
        sandbox.task_seconds = 60
        taken = await ONE.run(mailapi, "key")
        assert isinstance(taken, Pending)
        sandbox.faults.add("mailbox_task", Fault.job_says("completed"))

        looked = await ONE.poll(mailapi, taken.ref)

        assert isinstance(looked, Unknown)
        assert looked.evidence == "Look with /mailbox list acme.com."

    async def test_what_mailapi_refuses(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com")

        with pytest.raises(Rejected, match="The email fullname is invalid") as error:
            await CreateMailboxes(address="a+b@acme.com").run(mailapi, "key")
        assert error.value.cure == "Change the request and ask again."

    @pytest.mark.parametrize(("work", "listed"), [(Work.ALL, 4), (Work.HALF, 2), (Work.NOTHING, 0)])
    async def test_an_unclear_answer(
        self, mailapi: MailApiClient, sandbox: MailApiSandbox, clock: Any, work: Work, listed: int
    ) -> None:
        sandbox.own("acme.com")
        sandbox.task_seconds = 60
        sandbox.faults.add("create_mailboxes", Fault(Kind.CUT, work=work))

        with pytest.raises(OutcomeUnknown):
            await FOUR.run(mailapi, "key")
        looked = await FOUR.reconcile(mailapi, "key")

        assert sandbox.calls["create_mailboxes"] == 1
        if listed < 4:
            assert isinstance(looked, Unknown)
            assert looked.evidence.startswith(f"{listed} of 4 are in the account.")
            return
        assert isinstance(looked, Pending)
        assert "task_id" not in looked.ref
        clock.advance(60)
        done = await FOUR.poll(mailapi, looked.ref)
        assert isinstance(done, Done)
        assert done.summary == "All 4 mailboxes are live."

    async def test_listed_but_failed(self, mailapi: MailApiClient, sandbox: MailApiSandbox) -> None:
        sandbox.own("acme.com")
        sandbox.faults.add("create_mailboxes", Fault.cut_after())
        with pytest.raises(OutcomeUnknown):
            await FOUR.run(mailapi, "key")
        sandbox.mailboxes["team3@acme.com"].status = "failed"

        failed = await FOUR.reconcile(mailapi, "key")

        assert isinstance(failed, Failed)
        assert failed.summary == "MailAPI could not make everything: 3 of 4 mailboxes live."
        assert failed.items[2].state is ItemState.NOT_DONE
