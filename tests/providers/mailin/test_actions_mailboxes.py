"""What people can ask of Mailin about mailboxes, each action against the provider itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from providers.accounts import PriceList
from providers.action import Action, Done, Effect, Failed, ItemState, Pending, Refused, Unknown
from providers.errors import NotFound, OutcomeUnknown, Rejected
from providers.listing import PAGE
from providers.mailin.actions.common import KEEP_WATCHING
from providers.mailin.actions.mailboxes import (
    ACTIONS,
    CreateMailboxes,
    DeleteMailbox,
    ForwardMailbox,
    ListMailboxes,
    MailboxRateLimit,
    RemoveSignature,
    RenameMailbox,
    SetSignature,
    ShowCredentials,
    ShowMailbox,
    ShowTotp,
)
from providers.mailin.client import MailinClient
from providers.mailin.sandbox import Fault, MailinSandbox, SandboxMailbox, Work

ANA = "ana@acme.com"
GOO = "goo@acme.co"
THREE = CreateMailboxes(mailboxes=["ana@acme.com Ana Ruiz", "bo@acme.com Bo Li", "cy@acme.com Cy Day"])
MANY = CreateMailboxes(mailboxes=[f"box{n:02}@acme.com Box {n}" for n in range(35)])


@pytest.fixture
def ana(sandbox: MailinSandbox) -> SandboxMailbox:
    return sandbox.own_mailboxes(ANA)[0]


@pytest.fixture
def goo(sandbox: MailinSandbox) -> SandboxMailbox:
    return sandbox.own_mailboxes(GOO, hosting="google")[0]


def told(action: type[Action], **given: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        action.model_validate(given)
    return str(refused.value.errors()[0]["msg"])


class TestAsking:
    @pytest.mark.parametrize(
        ("typed", "read"),
        [
            ("ana@acme.com Ana Ruiz", ["ana@acme.com Ana Ruiz"]),
            ("  ana@ACME.com   Ana  Ruiz \n\n bo@acme.com Bo", ["ana@acme.com Ana Ruiz", "bo@acme.com Bo"]),
            ("<mailto:ana@acme.com|ana@acme.com> Ana", ["ana@acme.com Ana"]),
            (
                "{first}.{last}@acme.com\nAna Ruiz\nBo Díaz Li",
                ["ana.ruiz@acme.com Ana Ruiz", "bo.diazli@acme.com Bo Díaz Li"],
            ),
            (
                "{first}.{last}@acme.com\nĐorđe Işık\nÆgir Þór O'Brien",
                ["dorde.isik@acme.com Đorđe Işık", "aegir.thorobrien@acme.com Ægir Þór O'Brien"],
            ),
            ("{f}{last}@acme.com Ana Ruiz\nsales@acme.com Sales", ["aruiz@acme.com Ana Ruiz", "sales@acme.com Sales"]),
        ],
    )
    def test_lines_and_patterns(self, typed: str, read: list[str]) -> None:
        action = CreateMailboxes.model_validate({"mailboxes": typed})

        assert action.mailboxes == read
        assert CreateMailboxes.model_validate(action.model_dump(mode="json")) == action  # as it is stored

    def test_words_become_lines(self) -> None:
        assert CreateMailboxes.prefill(["ana@acme.com", "Ana", "Ruiz", "bo@acme.com", "Bo"]) == {
            "mailboxes": "ana@acme.com Ana Ruiz\nbo@acme.com Bo"
        }
        assert CreateMailboxes.prefill([]) == {}
        assert RenameMailbox.prefill(["ana@acme.com", "Ana", "Ruiz"]) == {"mailbox": ANA, "name": "Ana Ruiz"}
        assert ForwardMailbox.prefill([ANA]) == {"mailbox": ANA}
        assert ListMailboxes.prefill(["ana", "ruiz"]) == {"name": "ana ruiz"}

    @pytest.mark.parametrize(
        ("typed", "sentence"),
        [
            ("", "Name at least one mailbox"),
            ("Ana Ruiz", "“Ana Ruiz” begins with no address."),
            ("ana@acme Ana", "“ana@acme” is not an e-mail address"),
            ("ana@acme.com", "ana@acme.com: write the name behind the address"),
            ("ana@acme.com Ana\nANA@acme.com Ana", "ana@acme.com is there twice."),
            ("{nick}@acme.com\nAna Ruiz", "“{nick}@acme.com” is no pattern."),
            ("{first}.{last}@acme.com\nAna", "“Ana” does not have the names that {first}.{last}@acme.com needs"),
            ("{first}@acme.com\n李 Li", "“李 Li” does not have the names"),
            ("{first}.{last}@acme.com\nRuiz, Ana", "“Ruiz, Ana” has a comma. Write the first name first"),
            ("{first}.{last}@acme.com\nAna李 Ruiz", "“Ana李 Ruiz” does not have the names"),
            ("{first}.{last}@acme.com\nAna Ruiz <bo@acme.com>", "“Ana Ruiz <bo@acme.com>” stands below a pattern"),
            (f"ana@acme.com {'n' * 101}", "ana@acme.com: a name may have at most 100 characters."),
            ("\n".join(f"b{n}@acme.com B" for n in range(101)), "These are 101 mailboxes; at most 100"),
            ("x\ny\nz\nw", "And 1 more are wrong."),
        ],
    )
    def test_mistakes_are_sentences(self, typed: str, sentence: str) -> None:
        assert sentence in told(CreateMailboxes, mailboxes=typed)

    def test_google_wants_two_names(self) -> None:
        assert "ana@acme.co: Google needs a first and a last name" in told(
            CreateMailboxes, hosting="google", mailboxes="ana@acme.co Ana"
        )
        assert "ana@acme.co: for Google the first name comes first" in told(
            CreateMailboxes, hosting="google", mailboxes="ana@acme.co Ruiz, Ana"
        )
        assert CreateMailboxes.model_validate({"mailboxes": "ana@acme.co Ruiz, Ana"}).mailboxes  # elsewhere it is shown

    @pytest.mark.parametrize(
        ("action", "given", "sentence"),
        [
            (ShowMailbox, {"mailbox": "ana"}, "“ana” is not an e-mail address."),
            (RenameMailbox, {"mailbox": ANA, "name": "  "}, "Write the new name"),
            (RenameMailbox, {"mailbox": ANA, "name": "n" * 101}, "This has 101 characters; at most 100 fit."),
            (SetSignature, {"mailbox": ANA, "signature": ""}, "Write the signature."),
            (ForwardMailbox, {"mailbox": ANA}, "Name the address to forward to."),
            (ForwardMailbox, {"mailbox": ANA, "to": " "}, "Name the address to forward to."),
            (ForwardMailbox, {"mailbox": ANA, "to": "boss"}, "“boss” is not an e-mail address."),
            (ForwardMailbox, {"mailbox": ANA, "to": "Ana@acme.com"}, "This is the mailbox itself"),
            (ForwardMailbox, {"mailbox": ANA, "what": "remove", "to": GOO}, "Leave this empty"),
        ],
    )
    def test_mistakes_of_one_mailbox(self, action: type[Action], given: dict[str, Any], sentence: str) -> None:
        assert sentence in told(action, **given)

    @pytest.mark.parametrize(
        ("action", "headline"),
        [
            (THREE, "Create 3 mailboxes (SMTP)"),
            (CreateMailboxes(mailboxes=["ana@acme.com Ana"]), "Create ana@acme.com (SMTP)"),
            (DeleteMailbox(mailbox=ANA), "Delete ana@acme.com with all its mail"),
            (ForwardMailbox(mailbox=ANA, to=GOO), "Forward all mail of ana@acme.com to goo@acme.co"),
            (ForwardMailbox(mailbox=ANA, what="remove"), "Stop forwarding the mail of ana@acme.com"),
            (RenameMailbox(mailbox=ANA, name="Bo"), "Rename ana@acme.com to “Bo”"),
        ],
    )
    def test_headlines(self, action: Action, headline: str) -> None:
        assert action.headline() == headline
        assert ANA in action.subjects()

    def test_what_waits_for_a_decision(self) -> None:
        assert {action.command for action in ACTIONS if action.effect.needs_decision} == {
            "mailbox delete",
            "mailbox forward",
        }
        assert {action.command for action in ACTIONS if action.effect is Effect.REVEAL} == {
            "mailbox totp",
            "mailbox credentials",
        }


class TestCheck:
    async def test_fine(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("acme.com")
        await THREE.check(mailin)

        assert not sandbox.mailboxes

    async def test_every_domain_must_be_ours_and_every_address_new(
        self, mailin: MailinClient, ana: SandboxMailbox, goo: SandboxMailbox
    ) -> None:
        action = CreateMailboxes(mailboxes=["Ana@acme.com Ana", "bo@acme.co Bo", "cy@else.com Cy"])

        with pytest.raises(Refused) as refused:
            await action.check(mailin)

        assert refused.value.problems == {
            "mailboxes": "acme.co is a Google domain: choose that hosting. "
            "else.com is not in this account (yet): buy or transfer it first. "
            "Already in this account: Ana@acme.com. Remove these lines."
        }

    async def test_a_domain_that_is_not_active(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.job_seconds = 60
        sandbox.buy(["acme.com"], "smtp")

        with pytest.raises(Refused, match=r"acme\.com is not active yet"):
            await THREE.check(mailin)

    @pytest.mark.parametrize(
        "action",
        [
            RenameMailbox(mailbox=ANA, name="Bo"),
            DeleteMailbox(mailbox=ANA),
            SetSignature(mailbox=ANA, signature="Bye"),
            RemoveSignature(mailbox=ANA),
            ForwardMailbox(mailbox=ANA, to=GOO),
        ],
    )
    async def test_of_a_mailbox_that_is_not_ours(self, mailin: MailinClient, action: Action) -> None:
        with pytest.raises(Refused) as refused:
            await action.check(mailin)
        assert refused.value.problems == {
            "mailbox": f"ana@acme.com is not among the mailboxes of this account. {KEEP_WATCHING}"
        }

        with pytest.raises(NotFound, match="not among the mailboxes"):
            await action.run(mailin, "key")

    @pytest.mark.parametrize(
        "action",
        [
            SetSignature(mailbox=ANA, signature="Bye"),
            RemoveSignature(mailbox=ANA),
            ForwardMailbox(mailbox=ANA, to=GOO),
        ],
    )
    async def test_what_only_google_has(self, mailin: MailinClient, ana: SandboxMailbox, action: Action) -> None:
        with pytest.raises(Refused, match=r"ana@acme\.com is an SMTP mailbox"):
            await action.check(mailin)

    async def test_forwarding_that_is_set_is_changed_by_choice(self, mailin: MailinClient, goo: SandboxMailbox) -> None:
        goo.forwarding = "old@acme.com"

        with pytest.raises(Refused) as refused:
            await ForwardMailbox(mailbox=GOO, to=ANA).check(mailin)
        assert refused.value.problems == {
            "what": "goo@acme.co already forwards to old@acme.com. Choose “Forward elsewhere” to change that."
        }
        await ForwardMailbox(mailbox=GOO, what="change", to=ANA).check(mailin)

    async def test_prices_are_the_operators(self, mailin: MailinClient) -> None:
        quote = await THREE.quote(mailin, PriceList.model_validate({"prices": {"mailbox": "1.50"}}))
        assert [(line.what, str(line.price)) for line in quote.lines] == [(one, "1.50") for one in THREE.subjects()]
        assert str(quote.total) == "4.50"

        assert (await THREE.quote(mailin, PriceList())).total is None


class TestCreating:
    @pytest.mark.parametrize("hosting", ["smtp", "google"])
    async def test_it_is_accepted_worked_on_and_there(
        self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any, hosting: Any
    ) -> None:
        sandbox.own("acme.com", hosting=hosting)
        sandbox.job_seconds = 60
        action = CreateMailboxes(hosting=hosting, mailboxes=THREE.mailboxes)

        taken = await action.run(mailin, "key")
        assert isinstance(taken, Pending)
        assert (taken.done, taken.total) == (0, 3)
        still = await action.poll(mailin, taken.ref)
        assert isinstance(still, Pending)
        assert still.progress == "Mailin is creating the mailboxes: 0 of 1 batch done."

        clock.advance(60)
        done = await action.poll(mailin, still.ref)
        assert isinstance(done, Done)
        assert done.summary.startswith("All 3 mailboxes exist.")
        assert [item.state for item in done.items] == [ItemState.LIVE] * 3
        assert {box.name for box in sandbox.mailboxes.values()} == {"Ana Ruiz", "Bo Li", "Cy Day"}

    async def test_many_go_in_batches_of_ten(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("acme.com")

        taken = await MANY.run(mailin, "key")

        assert isinstance(taken, Pending)
        assert sandbox.calls["create_mailboxes"] == 4
        done = await MANY.poll(mailin, taken.ref)
        assert isinstance(done, Done)
        assert len(done.items) == len(sandbox.mailboxes) == 35

    @pytest.mark.parametrize(
        ("fault", "error"),
        [(Fault.cut_after(), OutcomeUnknown), (Fault.answers(311), Rejected)],
    )
    async def test_the_first_batch_fails_as_it_is(
        self, mailin: MailinClient, sandbox: MailinSandbox, fault: Fault, error: type[Exception]
    ) -> None:
        sandbox.own("acme.com")
        sandbox.faults.add("create_mailboxes", fault)

        with pytest.raises(error):
            await MANY.run(mailin, "key")
        assert sandbox.calls["create_mailboxes"] == 1

    async def test_a_later_batch_is_refused(self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any) -> None:
        sandbox.own("acme.com")
        sandbox.mailbox_slots = 15

        taken = await MANY.run(mailin, "key")
        assert isinstance(taken, Pending)
        assert "Mailin has accepted 10 of 35" in taken.progress
        assert sandbox.calls["create_mailboxes"] == 2

        failed = await MANY.poll(mailin, taken.ref)
        assert isinstance(failed, Failed)
        assert failed.summary.startswith("10 of 35 mailboxes exist. ")
        assert "no active subscription" in failed.summary
        assert "box10@acme.com" in failed.cure
        assert [item.state for item in failed.items].count(ItemState.NOT_DONE) == 25

    @pytest.mark.parametrize(("work", "exist"), [(Work.NOTHING, 10), (Work.HALF, 15), (Work.ALL, 20)])
    async def test_an_unclear_answer_in_the_middle_is_told(
        self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any, work: Work, exist: int
    ) -> None:
        sandbox.own("acme.com")
        first = MANY.model_copy(update={"mailboxes": MANY.mailboxes[:10]})
        await first.run(mailin, "key")
        sandbox.mailboxes.clear()
        ok, broken = Fault.slow(0), Fault.cut_after(work=work)
        sandbox.faults.add("create_mailboxes", ok)
        sandbox.faults.add("create_mailboxes", broken)

        taken = await MANY.run(mailin, "key")
        assert isinstance(taken, Pending)
        assert sandbox.calls["create_mailboxes"] == 3  # the first of its own, then two; nothing is sent after that

        waiting = await MANY.poll(mailin, taken.ref)
        if work is not Work.ALL:
            assert isinstance(waiting, Pending)
            clock.advance(121)
            waiting = await MANY.poll(mailin, waiting.ref)
        if work is Work.ALL:
            assert isinstance(waiting, Failed)
            assert "20 of 35 mailboxes exist" in waiting.summary
        else:
            assert isinstance(waiting, Unknown)
            assert f"{exist} of 35 mailboxes exist" in waiting.summary
            assert "Never sent, so not created: box20@acme.com" in waiting.summary
        states = [item.state for item in waiting.items]
        assert states.count(ItemState.LIVE) == exist
        assert states[20:] == [ItemState.NOT_DONE] * 15

    async def test_some_fail_in_their_job(self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any) -> None:
        sandbox.own("acme.com")
        sandbox.failing = {"bo@acme.com"}
        taken = await THREE.run(mailin, "key")
        assert isinstance(taken, Pending)
        waiting = await THREE.poll(mailin, taken.ref)
        assert isinstance(waiting, Pending)
        assert waiting.progress == "2 of 3 exist. Waiting to see bo@acme.com in the account."

        clock.advance(121)
        failed = await THREE.poll(mailin, waiting.ref)

        assert isinstance(failed, Failed)
        assert (failed.summary, failed.cure) == ("2 of 3 mailboxes exist.", "Ask again for bo@acme.com alone.")

    async def test_ended_well_and_not_listed_is_waited_for(
        self, mailin: MailinClient, sandbox: MailinSandbox, clock: Any
    ) -> None:
        sandbox.own("acme.com")
        sandbox.listing_lag_seconds = 3600
        taken = await THREE.run(mailin, "key")
        assert isinstance(taken, Pending)
        clock.advance(600)
        waiting = await THREE.poll(mailin, taken.ref)
        assert isinstance(waiting, Pending)
        clock.advance(3600)
        assert isinstance(await THREE.poll(mailin, waiting.ref), Done)

    async def test_an_unknown_word_is_only_shown(self, mailin: MailinClient, sandbox: MailinSandbox) -> None:
        sandbox.own("acme.com")
        taken = await THREE.run(mailin, "key")
        assert isinstance(taken, Pending)
        sandbox.faults.add("mailbox_job", Fault.job_says("pondering"))

        waiting = await THREE.poll(mailin, taken.ref)

        assert isinstance(waiting, Pending)
        assert "“pondering”" in waiting.progress

    @pytest.mark.parametrize(("work", "kind"), [(Work.ALL, Done), (Work.HALF, Unknown), (Work.NOTHING, Unknown)])
    async def test_reconciling(self, mailin: MailinClient, sandbox: MailinSandbox, work: Work, kind: type[Any]) -> None:
        sandbox.own("acme.com")
        sandbox.faults.add("create_mailboxes", Fault.answers(313, work=work))
        with pytest.raises(OutcomeUnknown):
            await THREE.run(mailin, "key")

        found = await THREE.reconcile(mailin, "key")

        assert isinstance(found, kind)
        if isinstance(found, Unknown):
            assert "cy@acme.com" in found.evidence
            assert found.items[-1].state is ItemState.UNKNOWN


class TestSeeing:
    @pytest.mark.parametrize(("smtp", "google"), [(0, 0), (0, 3), (PAGE, 0), (PAGE, 1), (PAGE + 1, PAGE + 1)])
    async def test_every_mailbox_is_on_exactly_one_page(
        self, mailin: MailinClient, sandbox: MailinSandbox, smtp: int, google: int
    ) -> None:
        names = [f"s{n:02}@acme.com" for n in range(smtp)], [f"g{n:02}@acme.co" for n in range(google)]
        sandbox.own_mailboxes(*names[0])
        sandbox.own_mailboxes(*names[1], hosting="google")

        seen, page = list[str](), 1
        while True:
            done = await ListMailboxes(page=page).run(mailin, "key")
            assert isinstance(done, Done)
            seen += [row[0] for row in done.table.rows] if done.table else []
            if done.next_page is None:
                break
            page = done.next_page

        assert seen == names[0] + names[1]

    async def test_filtered(self, mailin: MailinClient, ana: SandboxMailbox, goo: SandboxMailbox) -> None:
        google = await ListMailboxes(hosting="google").run(mailin, "key")
        assert isinstance(google, Done)
        assert google.summary == "1 Google mailbox."
        assert google.table is not None
        assert google.table.rows == ((GOO, "Goo", "Google", "live", ""),)

        none = await ListMailboxes(name="zoe").run(mailin, "key")
        assert isinstance(none, Done)
        assert none.summary == "There are no mailboxes with “zoe” in the name or address in this account."

    async def test_show_and_limit(self, mailin: MailinClient, ana: SandboxMailbox) -> None:
        shown = await ShowMailbox(mailbox=ANA).run(mailin, "key")
        assert isinstance(shown, Done)
        assert shown.summary == "ana@acme.com is live."
        assert {item.name: item.note for item in shown.items}["IMAP"] == "mail.acme.com:993"
        assert ana.password not in repr(shown)

        limit = await MailboxRateLimit(mailbox=ANA).run(mailin, "key")
        assert isinstance(limit, Done)
        assert limit.summary == "ana@acme.com may send 500 e-mails an hour."

    @pytest.mark.parametrize("action", [ShowMailbox, MailboxRateLimit])
    async def test_of_none(self, mailin: MailinClient, action: Any) -> None:
        with pytest.raises(NotFound) as missing:
            await action(mailbox=ANA).run(mailin, "key")
        assert missing.value.cure.startswith("Check the name")


CHANGES: list[Any] = [
    (RenameMailbox(mailbox=GOO, name="Bo"), "rename_mailbox", lambda box: box.name == "Bo"),
    (SetSignature(mailbox=GOO, signature="Bye\nGoo"), "add_signature", lambda box: box.signature == "Bye\nGoo"),
    (RemoveSignature(mailbox=GOO), "delete_signature", lambda box: box.signature is None),
    (ForwardMailbox(mailbox=GOO, to=ANA), "set_forwarding", lambda box: box.forwarding == ANA),
    (ForwardMailbox(mailbox=GOO, what="change", to=ANA), "change_forwarding", lambda box: box.forwarding == ANA),
    (ForwardMailbox(mailbox=GOO, what="remove"), "remove_forwarding", lambda box: box.forwarding is None),
]


class TestChanging:
    @pytest.fixture(autouse=True)
    def _before(self, goo: SandboxMailbox) -> None:
        goo.signature, goo.forwarding = "Old", "old@acme.com"

    @pytest.mark.parametrize(("action", "operation", "is_done"), CHANGES)
    async def test_it_is_done(
        self,
        mailin: MailinClient,
        sandbox: MailinSandbox,
        goo: SandboxMailbox,
        action: Action,
        operation: str,
        is_done: Callable[[SandboxMailbox], bool],
    ) -> None:
        done = await action.run(mailin, "key")

        assert isinstance(done, Done)
        assert is_done(goo)
        assert sandbox.calls[operation] == 1
        assert GOO in done.summary

    @pytest.mark.parametrize(("action", "operation", "is_done"), CHANGES)
    @pytest.mark.parametrize(("work", "kind"), [(Work.ALL, Done), (Work.NOTHING, Unknown)])
    async def test_an_unclear_answer_is_looked_up(
        self,
        mailin: MailinClient,
        sandbox: MailinSandbox,
        action: Action,
        operation: str,
        is_done: Any,
        work: Work,
        kind: type[Any],
    ) -> None:
        sandbox.faults.add(operation, Fault.answers(500, work=work))
        with pytest.raises(OutcomeUnknown):
            await action.run(mailin, "key")

        assert isinstance(await action.reconcile(mailin, "key"), kind)
        assert sandbox.calls[operation] == 1

    async def test_what_was_there_before_is_told(self, mailin: MailinClient) -> None:
        removed = await RemoveSignature(mailbox=GOO).run(mailin, "key")
        assert isinstance(removed, Done)
        assert [(item.name, item.note) for item in removed.items] == [("Before", "Old")]


class TestDeleting:
    async def test_it_is_gone(self, mailin: MailinClient, sandbox: MailinSandbox, ana: SandboxMailbox) -> None:
        done = await DeleteMailbox(mailbox=ANA).run(mailin, "key")

        assert isinstance(done, Done)
        assert not sandbox.mailboxes

    @pytest.mark.parametrize(("work", "kind"), [(Work.ALL, Done), (Work.NOTHING, Unknown)])
    async def test_unclear(
        self, mailin: MailinClient, sandbox: MailinSandbox, ana: SandboxMailbox, work: Work, kind: type[Any]
    ) -> None:
        sandbox.faults.add("delete_mailbox", Fault.cut_after(work=work))
        with pytest.raises(OutcomeUnknown):
            await DeleteMailbox(mailbox=ANA).run(mailin, "key")

        assert isinstance(await DeleteMailbox(mailbox=ANA).reconcile(mailin, "key"), kind)
        assert sandbox.calls["delete_mailbox"] == 1


class TestRevealing:
    async def test_google_credentials(self, mailin: MailinClient, goo: SandboxMailbox) -> None:
        shown = await ShowCredentials(mailbox=GOO).reveal(mailin)

        assert [name for name, _ in shown.secrets] == ["Password", "TOTP secret", "App password"]
        assert [secret.get_secret_value() for _, secret in shown.secrets] == [
            goo.password,
            goo.totp_secret,
            goo.app_password,
        ]
        for secret in (goo.password, goo.totp_secret, goo.app_password):
            assert secret not in f"{shown!r} {shown}"

    async def test_smtp_password(self, mailin: MailinClient, ana: SandboxMailbox) -> None:
        shown = await ShowCredentials(mailbox=ANA).reveal(mailin)

        assert [(name, secret.get_secret_value()) for name, secret in shown.secrets] == [("Password", ana.password)]
        assert ana.password not in repr(shown)

    async def test_code(self, mailin: MailinClient, goo: SandboxMailbox) -> None:
        shown = await ShowTotp(mailbox=GOO).reveal(mailin)

        assert shown.summary == "A log-in code of goo@acme.co, good until 09:00:30 UTC."
        (name, code), *_ = shown.secrets
        assert name == "Code"
        assert len(code.get_secret_value()) == 6
        assert code.get_secret_value() not in repr(shown)

    async def test_smtp_has_no_code(self, mailin: MailinClient, ana: SandboxMailbox) -> None:
        with pytest.raises(Rejected, match="no one-time codes"):
            await ShowTotp(mailbox=ANA).reveal(mailin)

    @pytest.mark.parametrize("action", [ShowTotp, ShowCredentials])
    async def test_of_none(self, mailin: MailinClient, action: Any) -> None:
        with pytest.raises(NotFound):
            await action(mailbox=ANA).reveal(mailin)
