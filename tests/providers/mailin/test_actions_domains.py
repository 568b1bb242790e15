"""What people can ask of Mailin about one domain, each action against the provider itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from providers.accounts import PriceList
from providers.action import Action, Done, Effect, ItemState, Pending, Refused, Unknown
from providers.errors import AlreadyExists, NotFound, OutcomeUnknown, ProviderError
from providers.mailin.actions.common import KEEP_WATCHING, may_send
from providers.mailin.actions.domains import (
    ACTIONS,
    AddSubdomain,
    DeleteDomain,
    DomainNameServers,
    DomainRateLimit,
    ForwardDomain,
    ForwardDomainEmail,
    ShowDomain,
    TransferDomain,
    UnforwardDomain,
)
from providers.mailin.client import MailinClient
from providers.mailin.sandbox import Fault, MailinSandbox, Work

UID = "5d297ac4-1bf4-4f3c-935c-ec9df38d63b3"
MOVES: list[Any] = [
    (TransferDomain(domain="acme.com"), "transfer"),
    (TransferDomain(domain="acme.com", hosting="google"), "transfer_google"),
    (TransferDomain.model_validate({"domain": "acme.com", "hosting": "inboxkit", "uid": UID}), "transfer_inboxkit"),
]
SUBDOMAIN = AddSubdomain(subdomain="mail.acme.com")
CHANGES: list[Any] = [
    (ForwardDomain(domain="acme.com", to="else.com"), "forward", "forward_to", "else.com"),
    (UnforwardDomain(domain="acme.com"), "remove_forward", "forward_to", None),
    (ForwardDomainEmail(domain="acme.com", to="ana@else.com"), "forward_email", "email_forward_to", "ana@else.com"),
]


def told(action: type[Action], **given: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        action.model_validate(given)
    return str(refused.value.errors()[0]["msg"])


class TestAsking:
    @pytest.mark.parametrize(
        ("action", "given", "sentence"),
        [
            (ShowDomain, {"domain": "acme"}, "“acme” is not a domain name."),
            (TransferDomain, {"domain": "a.com", "hosting": "inboxkit"}, "InboxKit names each domain by a uid"),
            (TransferDomain, {"domain": "a.com", "hosting": "inboxkit", "uid": "12"}, "This is not a uid."),
            (TransferDomain, {"domain": "a.com", "uid": UID}, "Leave this empty"),
            (AddSubdomain, {"subdomain": "acme.com"}, "“acme.com” is not a sub-domain. One looks like mail.acme.com."),
            (ForwardDomain, {"domain": "a.com", "to": "A.com"}, "This is the domain itself"),
            (ForwardDomainEmail, {"domain": "a.com", "to": "b.com"}, "“b.com” is not an e-mail address."),
        ],
    )
    def test_mistakes_are_sentences(self, action: type[Action], given: dict[str, Any], sentence: str) -> None:
        assert sentence in told(action, **given)

    def test_words(self) -> None:
        assert ForwardDomain.prefill(["acme.com", "else.com"]) == {"domain": "acme.com", "to": "else.com"}
        assert ForwardDomainEmail.prefill(["acme.com"]) == {"domain": "acme.com"}
        assert AddSubdomain.prefill(["mail.acme.com"]) == {"subdomain": "mail.acme.com"}

    def test_what_was_asked_survives_being_stored(self) -> None:
        action = MOVES[2][0]
        assert TransferDomain.model_validate(action.model_dump(mode="json")) == action

    def test_what_waits_for_a_decision(self) -> None:
        effects = {action.command: action.effect for action in ACTIONS if action.effect.needs_decision}
        assert effects == {
            "domain buy": Effect.SPEND,
            "domain buy-many": Effect.SPEND,
            "domain email-forward": Effect.DESTROY,
            "domain delete": Effect.DESTROY,
        }

    @pytest.mark.parametrize(
        ("action", "headline"),
        [
            (MOVES[0][0], "Transfer acme.com (SMTP)"),
            (MOVES[2][0], "Transfer acme.com from InboxKit"),
            (SUBDOMAIN, "Add the sub-domain mail.acme.com"),
            (CHANGES[0][0], "Forward the visitors of acme.com to else.com"),
            (CHANGES[2][0], "Send all mail of acme.com to ana@else.com"),
            (DeleteDomain(domain="acme.com"), "Delete acme.com with all its mailboxes"),
        ],
    )
    def test_headlines(self, action: Action, headline: str) -> None:
        assert action.headline() == headline


class TestCheck:
    @pytest.mark.parametrize("action", [*(change[0] for change in CHANGES), DeleteDomain(domain="acme.com")])
    async def test_a_domain_that_is_not_ours(self, mailin: MailinClient, action: Action) -> None:
        with pytest.raises(Refused) as refused:
            await action.check(mailin)
        assert refused.value.problems == {
            "domain": f"acme.com is not among the domains of this account. {KEEP_WATCHING}"
        }
        with pytest.raises(NotFound):
            await action.run(mailin, "key")

    @pytest.mark.parametrize(("action", "operation"), MOVES)
    async def test_a_transfer_of_what_is_here(
        self, mailin: MailinClient, sandbox: MailinSandbox, action: Action, operation: str
    ) -> None:
        await action.check(mailin)
        sandbox.own("acme.com", hosting="inboxkit")

        with pytest.raises(Refused, match=r"acme\.com is already in this account"):
            await action.check(mailin)
        with pytest.raises(AlreadyExists):
            await action.run(mailin, "key")

    async def test_a_subdomain_needs_its_parent(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        with pytest.raises(Refused, match=r"acme\.com is not in this account"):
            await SUBDOMAIN.check(mailin)
        sandbox.own("acme.com")
        await SUBDOMAIN.check(mailin)
        sandbox.domains["acme.com"].active_at += timedelta(hours=1)
        with pytest.raises(Refused, match=r"acme\.com is not active yet"):
            await SUBDOMAIN.check(mailin)
        sandbox.own("mail.acme.com")
        with pytest.raises(Refused, match=r"mail\.acme\.com is already in this account"):
            await SUBDOMAIN.check(mailin)


class TestMovingIn:
    @pytest.mark.parametrize(("action", "operation"), MOVES)
    async def test_it_says_what_to_set_and_waits(
        self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any, action: TransferDomain, operation: str
    ) -> None:
        sandbox.job_seconds = 3600
        taken = await action.run(mailin, "key")
        assert isinstance(taken, Pending)
        assert ("ns-123.sandbox.example, ns-234.sandbox.example" in taken.progress) == (
            operation != "transfer_inboxkit"
        )

        still = await action.poll(mailin, taken.ref)
        assert isinstance(still, Pending)
        assert still.ref == taken.ref
        assert "not listed" not in still.progress

        clock.advance(3600)
        done = await action.poll(mailin, still.ref)
        assert isinstance(done, Done)
        assert (done.summary, done.items[0].state) == ("acme.com is live.", ItemState.LIVE)
        assert sandbox.calls[operation] == 1

    @pytest.mark.parametrize(("action", "operation"), MOVES)
    @pytest.mark.parametrize(("work", "kind"), [(Work.ALL, Pending), (Work.NOTHING, Unknown)])
    async def test_unclear(
        self,
        mailin: MailinClient,
        sandbox: MailinSandbox,
        action: TransferDomain,
        operation: str,
        work: Work,
        kind: type[Any],
    ) -> None:
        sandbox.job_seconds = 3600
        sandbox.faults.add(operation, Fault.cut_after(work=work))
        with pytest.raises(OutcomeUnknown):
            await action.run(mailin, "key")

        assert isinstance(await action.reconcile(mailin, "key"), kind)
        assert sandbox.calls[operation] == 1

    async def test_an_unreadable_answer_is_told(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.job_seconds = 3600
        sandbox.faults.add("transfer", Fault.malformed())

        taken = await MOVES[0][0].run(mailin, "key")

        assert isinstance(taken, Pending)
        assert "ask with “domain show acme.com”" in taken.progress


class TestSubdomain:
    async def test_it_is_set_up(self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any) -> None:
        sandbox.own("acme.com")
        sandbox.job_seconds = sandbox.listing_lag_seconds = 60
        taken = await SUBDOMAIN.run(mailin, "key")
        assert isinstance(taken, Pending)
        still = await SUBDOMAIN.poll(mailin, taken.ref)
        assert isinstance(still, Pending)
        assert still.progress == "Waiting to see mail.acme.com in the account."

        clock.advance(60)
        assert isinstance(await SUBDOMAIN.poll(mailin, taken.ref), Done)

    async def test_asked_together_what_google_does_not_tell_keeps_back_nothing(
        self, mailin: MailinClient, sandbox: MailinSandbox
    ) -> None:
        sandbox.own("acme.com", "mail.acme.com")
        sandbox.faults.add("google_domains", Fault.answers(403), times=10)
        missing = AddSubdomain(subdomain="www.acme.com")
        here, not_told = await AddSubdomain.poll_many(mailin, [(SUBDOMAIN, {}), (missing, {})])
        assert isinstance(here, Done)
        assert isinstance(not_told, ProviderError)

    @pytest.mark.parametrize(("work", "kind"), [(Work.ALL, Done), (Work.NOTHING, Unknown)])
    async def test_unclear(self, mailin: MailinClient, sandbox: MailinSandbox, work: Work, kind: type[Any]) -> None:
        sandbox.own("acme.com")
        sandbox.faults.add("add_subdomain", Fault.cut_after(work=work))
        with pytest.raises(OutcomeUnknown):
            await SUBDOMAIN.run(mailin, "key")

        assert isinstance(await SUBDOMAIN.reconcile(mailin, "key"), kind)


class TestForwarding:
    @pytest.mark.parametrize(("action", "operation", "field", "value"), CHANGES)
    async def test_it_is_done_or_unclear(
        self, mailin: MailinClient, sandbox: MailinSandbox, action: Action, operation: str, field: str, value: Any
    ) -> None:
        sandbox.own("acme.com")
        sandbox.domains["acme.com"].forward_to = "old.com"

        done = await action.run(mailin, "key")
        assert isinstance(done, Done)
        assert getattr(sandbox.domains["acme.com"], field) == value

        sandbox.faults.add(operation, Fault.cut_after())
        with pytest.raises(OutcomeUnknown):
            await action.run(mailin, "key")
        found = await action.reconcile(mailin, "key")
        assert isinstance(found, Unknown)
        assert "Mailin does not tell" in found.evidence


class TestDeleting:
    @pytest.mark.parametrize(
        ("mailboxes", "said"),
        [
            ([], "acme.com, and with it no mailboxes"),
            (["a@acme.com", "b@acme.com"], "acme.com, and with it 2 mailboxes"),
        ],
    )
    async def test_those_who_decide_see_what_goes_with_it(
        self, mailin: MailinClient, sandbox: MailinSandbox, mailboxes: list[str], said: str
    ) -> None:
        sandbox.own("acme.com")
        sandbox.own_mailboxes(*mailboxes, "c@else.com")

        quote = await DeleteDomain(domain="acme.com").quote(mailin, PriceList())

        assert quote is not None
        assert [line.what for line in quote.lines] == [said]
        assert quote.total == 0

    async def test_it_is_gone(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own_mailboxes("a@acme.com")

        assert isinstance(await DeleteDomain(domain="acme.com").run(mailin, "key"), Done)
        assert not sandbox.domains
        assert not sandbox.mailboxes

    @pytest.mark.parametrize(("work", "kind"), [(Work.ALL, Done), (Work.NOTHING, Unknown)])
    async def test_unclear(self, mailin: MailinClient, sandbox: MailinSandbox, work: Work, kind: type[Any]) -> None:
        sandbox.own("acme.com")
        sandbox.faults.add("delete_domain", Fault.cut_after(work=work))
        with pytest.raises(OutcomeUnknown):
            await DeleteDomain(domain="acme.com").run(mailin, "key")

        assert isinstance(await DeleteDomain(domain="acme.com").reconcile(mailin, "key"), kind)
        assert sandbox.calls["delete_domain"] == 1


class TestSeeing:
    @pytest.mark.parametrize(
        ("hosting", "kind"), [("smtp", "SMTP"), ("google", "Google"), ("inboxkit", "from InboxKit")]
    )
    async def test_show(self, mailin: MailinClient, sandbox: MailinSandbox, hosting: Any, kind: str) -> None:
        sandbox.own("acme.com", hosting=hosting)

        done = await ShowDomain(domain="acme.com").run(mailin, "key")

        assert isinstance(done, Done)
        assert done.summary == "acme.com is live."
        facts = {item.name: item.note for item in done.items}
        assert facts["Kind"] == kind
        assert hosting == "inboxkit" or facts["Nameservers"] == "ns1.mailin.ai, ns2.mailin.ai"

    async def test_limit(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("acme.com")
        done = await DomainRateLimit(domain="acme.com").run(mailin, "key")
        assert isinstance(done, Done)
        assert done.summary == "acme.com may send 500 e-mails a day."

    async def test_nameservers_of_an_order(self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any) -> None:
        sandbox.job_seconds = 60
        await mailin.add_azure_order("acme.com", purchase=True, full_names=["Ana Ruiz"])
        early = await DomainNameServers(domain="acme.com").run(mailin, "key")
        assert isinstance(early, Done)
        assert not early.items

        clock.advance(60)
        done = await DomainNameServers(domain="acme.com").run(mailin, "key")
        assert isinstance(done, Done)
        assert [item.name for item in done.items] == ["ns1.acme.com", "ns2.acme.com"]

    @pytest.mark.parametrize("action", [ShowDomain, DomainRateLimit, DomainNameServers])
    async def test_of_none(self, mailin: MailinClient, action: Any) -> None:
        with pytest.raises(NotFound) as missing:
            await action(domain="acme.com").run(mailin, "key")
        assert missing.value.cure


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        (None, "No limit is set for acme.com."),
        ("50", "acme.com may send 50 e-mails."),
        ("5000/1 H", "acme.com may send 5,000 e-mails an hour."),
        ("9 / fortnight", "acme.com may send 9 / fortnight."),
        ("some", "acme.com may send some."),
        ("²", "acme.com may send ²."),
        ("9" * 5000, f"acme.com may send {'9' * 5000}."),
    ],
)
def test_a_sending_limit_in_words(limit: str | None, told: str) -> None:
    assert may_send("acme.com", limit) == told
