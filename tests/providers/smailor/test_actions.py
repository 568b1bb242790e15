"""What people can ask of Smailor, each action against the provider itself, without Slack or a store."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from providers.action import Action, Done, Effect, Failed, ItemState, Refused, Unknown
from providers.errors import AlreadyExists, AuthExpired, Blocked, NotFound, OutcomeUnknown, Rejected, Upstream
from providers.listing import PAGE
from providers.smailor.actions import (
    ACTIONS,
    AddTemplate,
    ChangeTemplate,
    CreateMailbox,
    DeleteTemplate,
    ListDomains,
    ListTemplates,
    NoteTemplateUsed,
    PreviewTemplate,
    SendTest,
    ShowReputation,
    ShowTemplate,
)
from providers.smailor.client import SmailorClient
from providers.smailor.models import MOST_TEMPLATES
from providers.smailor.provider import provider
from providers.smailor.sandbox import Fault, SmailorSandbox, password_of

KEY = "req_7k2m9x4qpd#1"
CREATE = CreateMailbox(address="ana@acme.com", display_name="Ana")
SEND = SendTest(recipient="me@home.com", sender="ana@acme.com", text="Hello")
ADD = AddTemplate(name="Thanks", subject="Re: {{subject}}", body_html="<p>Thank you.</p>")
TICKET = str(uuid.uuid4())


def sentence_under(field: str, action: type[Action], **typed: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        action.model_validate(typed)
    [error] = [error for error in refused.value.errors() if error["loc"] == (field,)]
    assert error["type"] == "sentence"
    return error["msg"]


async def refused(action: Action, client: SmailorClient) -> dict[str, str]:
    with pytest.raises(Refused) as refused:
        await action.check(client)
    return refused.value.problems


@pytest.fixture
def acme(sandbox: SmailorSandbox) -> SmailorSandbox:
    """A verified domain in good health."""
    sandbox.own("acme.com")
    return sandbox


class TestEveryAction:
    @pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.command)
    def test_it_can_be_shown(self, action: type[Action]) -> None:
        assert action.provider == "smailor"
        assert len(action.title) <= 24
        assert action.help_line().endswith(".")
        assert not {"account", "reason"} & set(action.model_fields)
        for name, field in action.model_fields.items():
            if not action.is_hidden(name):
                assert field.title, name
                assert field.description, name

    def test_the_provider_is_put_together(self) -> None:
        assert provider().name == "smailor"
        assert {a.command for a in provider().actions if a.effect is Effect.DESTROY} == {"postroom template-delete"}
        assert not [a for a in provider().actions if a.effect is Effect.SPEND]

    @pytest.mark.parametrize("action", [ListDomains(), ShowReputation(), CREATE, SEND], ids=lambda a: a.command)
    async def test_a_wrong_key_is_a_sentence_with_a_cure(
        self, open_account: Callable[..., SmailorClient], action: Action
    ) -> None:
        with pytest.raises(AuthExpired, match="did not accept this account's API key") as error:
            await action.run(open_account(api_key="wrong"), KEY)

        assert "postroom doctor" in error.value.cure

    @pytest.mark.parametrize(
        "action",
        [
            ListTemplates(),
            ShowTemplate(template="Thanks"),
            ADD,
            ChangeTemplate(template="Thanks", subject="Hi"),
            DeleteTemplate(template="Thanks"),
            PreviewTemplate(template="Thanks", ticket=TICKET),
            NoteTemplateUsed(template="Thanks"),
        ],
        ids=lambda action: action.command,
    )
    async def test_templates_need_a_session(
        self, open_account: Callable[..., SmailorClient], sandbox: SmailorSandbox, action: Action
    ) -> None:
        with pytest.raises(AuthExpired, match="has no session cookie") as error:
            await action.run(open_account(session_cookie=None), KEY)

        assert "session_cookie" in error.value.cure
        assert not sandbox.calls


class TestDomains:
    async def test_list(self, smailor: SmailorClient, acme: SmailorSandbox) -> None:
        acme.own("new.com", verified=False, reputation="")
        acme.own("odd.com", reputation="sparkling")

        done = await ListDomains().run(smailor, KEY)
        some = await ListDomains.model_validate(ListDomains.prefill(["NEW"])).run(smailor, KEY)
        none = await ListDomains(name="zzz").run(smailor, KEY)

        assert isinstance(done, Done)
        assert done.summary == "3 domains."
        assert [(i.name, i.note) for i in done.items] == [
            ("acme.com", "verified · healthy"),
            ("new.com", "not verified · reputation not said"),
            ("odd.com", "verified · reputation not said"),
        ]
        assert isinstance(some, Done)
        assert [item.name for item in some.items] == ["new.com"]
        assert isinstance(none, Done)
        assert none.summary == "There are no domains with “zzz” in the name in this account."

    async def test_reputation_of_all_with_the_worst_first(self, smailor: SmailorClient, acme: SmailorSandbox) -> None:
        acme.own("bad.com", reputation="blocked")
        acme.own("so-so.com", reputation="watch")
        acme.domains["so-so.com"].sends, acme.domains["so-so.com"].bounces = 200, 5

        done = await ShowReputation.model_validate({"domain": ""}).run(smailor, KEY)

        assert isinstance(done, Done)
        assert done.summary == "3 domains: 1 blocked, 1 on watch, 1 healthy."
        assert [item.name for item in done.items] == ["bad.com", "so-so.com", "acme.com"]
        assert done.items[1].note.startswith("on watch · 200 sent in 30 days, bounced: 5 (2.5 %), complained of: 0")
        assert "Smailor says: Send less on this domain" in done.items[1].note

    @pytest.mark.parametrize(
        ("reputation", "told"),
        [
            ("healthy", "acme.com is healthy. Smailor says: Keep it up."),
            ("watch", "acme.com is on watch. Smailor says: Send less on this domain and look at its bounces."),
            (
                "blocked",
                "acme.com is blocked: no mailbox can be created on it. Smailor says: Stop sending on this domain "
                "until complaints go down.",
            ),
        ],
    )
    async def test_reputation_of_one(
        self, smailor: SmailorClient, sandbox: SmailorSandbox, reputation: str, told: str
    ) -> None:
        sandbox.own("acme.com", reputation=reputation)

        done = await ShowReputation.model_validate({"domain": "ACME.com"}).run(smailor, KEY)

        assert isinstance(done, Done)
        assert done.summary == told
        assert done.table is not None
        assert done.table.rows == (("verified", "0", "0", "0"),)

    async def test_reputation_of_a_stranger(self, smailor: SmailorClient, acme: SmailorSandbox) -> None:
        with pytest.raises(NotFound, match=r"other\.com is not among the domains"):
            await ShowReputation(domain="other.com").run(smailor, KEY)

    async def test_pages(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        sandbox.own(*(f"acme-{n:03}.com" for n in range(PAGE + 1)))

        for action in (ListDomains, ShowReputation):
            first = await action().run(smailor, KEY)
            second = await action(page=2).run(smailor, KEY)
            assert isinstance(first, Done)
            assert isinstance(second, Done)
            assert (len(first.items), first.next_page) == (PAGE, 2)
            assert (len(second.items), second.next_page) == (1, None)


class TestCreatingAMailbox:
    def test_words(self) -> None:
        typed = CreateMailbox.model_validate(CreateMailbox.prefill(["ana@ACME.com", "Ana", "Lind"]))

        assert (typed.address, typed.display_name) == ("ana@acme.com", "Ana Lind")
        assert typed.headline() == "Create the mailbox ana@acme.com"
        assert typed.subjects() == ("ana@acme.com",)
        assert CreateMailbox.prefill([]) == {}

    def test_mistakes(self) -> None:
        assert sentence_under("address", CreateMailbox, address="ana") == (
            "“ana” is not an e-mail address. One looks like ana@acme-mail.com."
        )
        assert sentence_under("display_name", CreateMailbox, address="a@b.com", display_name="x" * 201) == (
            "This has 201 characters; at most 200 fit."
        )

    async def test_check(self, smailor: SmailorClient, acme: SmailorSandbox) -> None:
        await CREATE.check(smailor)

        assert acme.calls["create_mailbox"] == 0

    async def test_refusals(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        assert (await refused(CREATE, smailor))["address"].startswith("acme.com is not among the domains")
        sandbox.own("acme.com", verified=False)
        assert (await refused(CREATE, smailor))["address"].startswith("Smailor has not verified acme.com.")
        sandbox.own("acme.com", reputation="blocked")
        assert (await refused(CREATE, smailor))["address"] == (
            "Smailor lets nobody create mailboxes on acme.com while its reputation is blocked. Smailor says: Stop "
            "sending on this domain until complaints go down."
        )

    @pytest.mark.parametrize("shows_passwords", [True, False])
    async def test_it_is_there_and_its_password_is_nowhere(
        self, smailor: SmailorClient, acme: SmailorSandbox, everything_logged: io.StringIO, shows_passwords: bool
    ) -> None:
        acme.shows_passwords = shows_passwords

        done = await CREATE.run(smailor, KEY)

        assert isinstance(done, Done)
        assert done.summary.startswith("ana@acme.com is there.")
        assert done.summary.endswith("set a new one at Smailor.")
        assert ("has not kept" in done.summary) is shows_passwords
        assert done.items[0].state is ItemState.LIVE
        assert password_of("ana@acme.com") not in f"{done!r}{done.model_dump_json()}{everything_logged.getvalue()}"

    async def test_errors(self, smailor: SmailorClient, acme: SmailorSandbox) -> None:
        await CREATE.run(smailor, KEY)

        with pytest.raises(AlreadyExists) as taken:
            await CREATE.run(smailor, KEY)
        acme.domains["acme.com"].reputation = "blocked"
        with pytest.raises(Blocked):
            await CreateMailbox(address="b@acme.com").run(smailor, KEY)

        assert "choose another address" in taken.value.cure

    @pytest.mark.parametrize("fault", [Fault.cut_after(), Fault.answers(500)])
    async def test_nothing_can_be_looked_up(self, smailor: SmailorClient, acme: SmailorSandbox, fault: Fault) -> None:
        acme.faults.add("create_mailbox", fault)

        with pytest.raises(OutcomeUnknown):
            await CREATE.run(smailor, KEY)
        unclear = await CREATE.reconcile(smailor, KEY)

        assert isinstance(unclear, Unknown)
        assert "dashboard" in unclear.evidence
        assert acme.calls["create_mailbox"] == 1


class TestSending:
    def test_words(self) -> None:
        assert SendTest.prefill(["me@home.com", "ana@acme.com", "Hello", "there"]) == {
            "recipient": "me@home.com",
            "sender": "ana@acme.com",
            "subject": "Hello there",
        }

    @pytest.mark.parametrize(
        ("field", "typed", "sentence"),
        [
            ("recipient", "me", "“me” is not an e-mail address. One looks like ana@acme-mail.com."),
            ("sender", "ana@", "“ana@” is not an e-mail address: what follows the @ is not a domain."),
            ("subject", "  ", "Write a subject."),
            ("text", "x" * 3001, "This has 3001 characters; at most 3000 fit."),
        ],
    )
    def test_mistakes(self, field: str, typed: str, sentence: str) -> None:
        right = {"recipient": "me@home.com", "sender": "ana@acme.com", "text": "Hello"}
        assert sentence_under(field, SendTest, **{**right, field: typed}) == sentence

    def test_an_empty_message(self) -> None:
        told = sentence_under("html", SendTest, recipient="me@home.com", sender="ana@acme.com", text=" ")
        assert told == "Write a text, or HTML, or both: an empty message cannot be sent."
        assert SendTest(recipient="me@home.com", sender="ana@acme.com", html="<p>Hi</p>").text == ""

    async def test_the_domain_is_looked_at_first(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        assert (await refused(SEND, smailor))["sender"].startswith("acme.com is not among the domains")
        sandbox.own("acme.com", verified=False)
        assert (await refused(SEND, smailor))["sender"].startswith("Smailor has not verified acme.com.")
        sandbox.own("acme.com")
        await SEND.check(smailor)

    async def test_it_goes_out(self, smailor: SmailorClient, acme: SmailorSandbox) -> None:
        await CREATE.run(smailor, KEY)

        done = await SEND.run(smailor, KEY)

        assert isinstance(done, Done)
        assert done.summary.startswith("Smailor has taken the e-mail to me@home.com, from ana@acme.com.")
        assert done.summary.endswith("999 e-mails left in the plan.")
        assert [(m.to, m.subject, m.text) for m in acme.messages] == [("me@home.com", "Test", "Hello")]

    @pytest.mark.parametrize("fault", [Fault.cut_after(), Fault.cut_before(), Fault.answers(503)])
    async def test_it_is_never_repeated(self, smailor: SmailorClient, acme: SmailorSandbox, fault: Fault) -> None:
        await CREATE.run(smailor, KEY)
        acme.faults.add("send", fault)

        with pytest.raises(OutcomeUnknown):
            await SEND.run(smailor, KEY)
        unclear = await SEND.reconcile(smailor, KEY)

        assert isinstance(unclear, Unknown)
        assert "recipient's mailbox" in unclear.evidence
        assert acme.calls["send"] == 1


class TestReadingTemplates:
    async def test_list(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        thanks = sandbox.add_template("Thanks")
        sandbox.add_template("Sorry")

        done = await ListTemplates().run(smailor, KEY)
        some = await ListTemplates.model_validate(ListTemplates.prefill(["THANK"])).run(smailor, KEY)

        assert isinstance(done, Done)
        assert done.summary == "2 templates."
        assert done.table is not None
        assert done.table.rows[0] == ("Thanks", "Re: {{subject}}", "all", "", "0", thanks)
        assert isinstance(some, Done)
        assert some.summary == "1 template with “THANK” in the name."

    async def test_for_a_group_or_a_ticket(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        group = str(uuid.uuid4())
        sandbox.keep_template({"name": "A", "subject": "s", "body_html": "<p>Hello</p>", "group_ids": [group]})
        ticket = sandbox.add_ticket()

        of_another = await ListTemplates.model_validate({"group": str(uuid.uuid4())}).run(smailor, KEY)
        of_ticket = await ListTemplates.model_validate({"ticket": ticket, "group": ""}).run(smailor, KEY)

        assert isinstance(of_another, Done)
        assert of_another.summary == "There are no templates for that group."
        assert isinstance(of_ticket, Done)
        assert of_ticket.summary == "1 template for that ticket."
        with pytest.raises(NotFound):
            await ListTemplates(ticket=TICKET).run(smailor, KEY)
        with pytest.raises(Rejected, match="not for both"):
            await ListTemplates(ticket=ticket, group=group).run(smailor, KEY)
        assert sentence_under("group", ListTemplates, group="mine").startswith("“mine” is not the id of a group.")

    @pytest.mark.parametrize("by_id", [True, False])
    async def test_show(self, smailor: SmailorClient, sandbox: SmailorSandbox, by_id: bool) -> None:
        thanks = sandbox.add_template("Thanks a lot")
        words = [thanks] if by_id else ["thanks", "a", "LOT"]

        done = await ShowTemplate.model_validate(ShowTemplate.prefill(words)).run(smailor, KEY)

        assert isinstance(done, Done)
        assert done.summary == "The template “Thanks a lot”."
        assert done.table is not None
        shown = dict(row for row in done.table.rows if len(row) == 2)
        assert shown["HTML"] == "<p>Thank you.</p>"
        assert shown["Text"] == "Thank you."
        assert shown["Used"] == "0 times"

    async def test_neither_there_nor_clear(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        with pytest.raises(NotFound, match="There is no template “Thanks”"):
            await ShowTemplate(template="Thanks").run(smailor, KEY)
        first, second = sandbox.add_template("Thanks"), sandbox.add_template("Thanks")
        with pytest.raises(Rejected, match="2 templates are named") as error:
            await ShowTemplate(template="Thanks").run(smailor, KEY)

        assert first in error.value.cure
        assert second in error.value.cure
        assert sentence_under("template", ShowTemplate, template=" ") == ("Write the name of a template, or its id.")

    async def test_preview(
        self, smailor: SmailorClient, sandbox: SmailorSandbox, everything_logged: io.StringIO
    ) -> None:
        sandbox.add_template("Thanks", body_html="<p>Dear {{customer_name}}, {{weather}}</p>")
        ticket = sandbox.add_ticket(customer_name="Zoe Quill", subject="Bill")
        action = PreviewTemplate.model_validate(PreviewTemplate.prefill(["Thanks", ticket]))

        done = await action.run(smailor, KEY)

        assert isinstance(done, Done)
        assert action.effect is Effect.READ
        assert done.summary == "“Thanks”, as it reads for that ticket. Smailor did not fill in {{weather}}."
        assert done.table is not None
        assert ("Text", "Dear Zoe Quill, {{weather}}") in done.table.rows
        assert "Zoe Quill" not in everything_logged.getvalue()
        assert PreviewTemplate.prefill(["Thanks"]) == {"template": "Thanks"}
        assert sentence_under("ticket", PreviewTemplate, template="Thanks", ticket="7").startswith(
            "“7” is not the id of a ticket."
        )

    async def test_an_upstream_error(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        sandbox.faults.add("templates", Fault.answers(500), times=5)

        with pytest.raises(Upstream):
            await ListTemplates().run(smailor, KEY)


class TestAddingATemplate:
    def test_mistakes(self) -> None:
        right = {"name": "Thanks", "subject": "s", "body_html": "<p>Thank you.</p>"}
        for field, typed, sentence in (
            ("name", " ", "Write a name."),
            ("subject", "x" * 201, "This has 201 characters; at most 200 fit."),
            (
                "body_html",
                "short",
                "Smailor wants at least 10 characters of HTML, such as <p>Thank you.</p>.",
            ),
        ):
            assert sentence_under(field, AddTemplate, **{**right, field: typed}) == sentence
        assert sentence_under("groups", AddTemplate, **right, groups="mine").startswith("“mine” is not the id")

    async def test_it_is_there(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        group = str(uuid.uuid4())
        action = ADD.model_copy(update={"groups": [group], "is_default": True, "description": "For all"})

        await action.check(smailor)
        done = await action.run(smailor, KEY)

        assert isinstance(done, Done)
        [kept] = sandbox.templates.values()
        assert (kept["name"], kept["group_ids"], kept["is_default"]) == ("Thanks", [group], True)
        assert kept["body_text"] == "Thank you."

    async def test_refusals(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        sandbox.add_template("THANKS")
        assert (await refused(ADD, smailor))["name"].startswith("There is a template “Thanks” already.")
        for n in range(MOST_TEMPLATES):
            sandbox.add_template(f"t{n}")
        other = ADD.model_copy(update={"name": "Other"})
        assert "Smailor holds no more" in (await refused(other, smailor))[""]
        with pytest.raises(Rejected) as full:
            await other.run(smailor, KEY)
        assert full.value.cure == "Delete a template first, then ask again."

    async def test_looking_it_up(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        sandbox.faults.add("create_template", Fault.answers(500))
        sandbox.faults.add("create_template", Fault.cut_after())

        with pytest.raises(OutcomeUnknown):
            await ADD.run(smailor, KEY)
        unclear = await ADD.reconcile(smailor, KEY)
        with pytest.raises(OutcomeUnknown):
            await ADD.run(smailor, KEY)
        done = await ADD.reconcile(smailor, KEY)

        assert isinstance(unclear, Unknown)
        assert unclear.evidence == "There is no template “Thanks” (yet)."
        assert isinstance(done, Done)
        assert len(sandbox.templates) == 1


class TestChangingATemplate:
    async def test_only_what_was_filled_in(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        thanks = sandbox.add_template("Thanks")
        action = ChangeTemplate.model_validate(
            {"template": "thanks", "new_name": "Thank you", "groups": "ALL", "is_default": "yes"}
        )

        await action.check(smailor)
        done = await action.run(smailor, KEY)

        assert isinstance(done, Done)
        assert done.summary == "The template “Thank you” is changed."
        now = sandbox.templates[thanks]
        assert (now["name"], now["subject"], now["is_default"]) == ("Thank you", "Re: {{subject}}", True)
        assert sandbox.arrived[-1].body == {"name": "Thank you", "group_ids": [], "is_default": True}

    def test_mistakes(self) -> None:
        assert sentence_under("body_html", ChangeTemplate, template="t", body_html="short").startswith("Smailor wants")
        assert sentence_under("groups", ChangeTemplate, template="t", groups="all of them").startswith("“all”")

    async def test_refusals(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        sandbox.add_template("Sorry")
        assert "Nothing would change" in (await refused(ChangeTemplate(template="Sorry"), smailor))[""]
        assert await refused(ChangeTemplate(template="Thanks", subject="s"), smailor) == {
            "template": "There is no template “Thanks”. See “postroom templates” for those there are."
        }
        sandbox.add_template("Thanks")
        taken = await refused(ChangeTemplate(template="Thanks", new_name="sorry"), smailor)
        assert taken == {"new_name": "There is a template “sorry” already. Take another name."}
        await ChangeTemplate(template="Thanks", new_name="THANKS").check(smailor)

    async def test_looking_it_up(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        sandbox.add_template("Thanks")
        action = ChangeTemplate(template="Thanks", new_name="Merci", subject="Hi")
        sandbox.faults.add("update_template", Fault.answers(500))
        sandbox.faults.add("update_template", Fault.cut_after())

        with pytest.raises(OutcomeUnknown):
            await action.run(smailor, KEY)
        unclear = await action.reconcile(smailor, KEY)
        with pytest.raises(OutcomeUnknown):
            await action.run(smailor, KEY)
        done = await action.reconcile(smailor, KEY)

        assert isinstance(unclear, Unknown)
        assert unclear.evidence.startswith("Not as it was asked for: name, subject.")
        assert isinstance(done, Done)


class TestDeletingAndCounting:
    async def test_delete(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        sandbox.add_template("Thanks")
        action = DeleteTemplate(template="Thanks")

        await action.check(smailor)
        done = await action.run(smailor, KEY)

        assert isinstance(done, Done)
        assert done.summary == "The template “Thanks” is gone."
        assert action.headline() == "Delete the template “Thanks”"
        assert not sandbox.templates
        assert "template" in await refused(action, smailor)

    @pytest.mark.parametrize(("fault", "was_done"), [(Fault.cut_after(), True), (Fault.cut_before(), False)])
    async def test_looking_it_up(
        self, smailor: SmailorClient, sandbox: SmailorSandbox, fault: Fault, was_done: bool
    ) -> None:
        sandbox.add_template("Thanks")
        sandbox.faults.add("delete_template", fault)
        action = DeleteTemplate(template="Thanks")

        with pytest.raises(OutcomeUnknown):
            await action.run(smailor, KEY)
        found = await action.reconcile(smailor, KEY)

        assert isinstance(found, Done if was_done else Unknown)
        assert sandbox.calls["delete_template"] == 1

    async def test_count_a_use(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        thanks = sandbox.add_template("Thanks")
        action = NoteTemplateUsed(template="Thanks")

        done = await action.run(smailor, KEY)

        assert isinstance(done, Done)
        assert done.summary == "One more use of “Thanks” is counted."
        assert sandbox.templates[thanks]["use_count"] == 1
        unclear = await action.reconcile(smailor, KEY)
        assert isinstance(unclear, Failed)
        assert unclear.cure == "Leave it: the counter is off by one at most."
