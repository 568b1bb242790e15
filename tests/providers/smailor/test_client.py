"""An account at Smailor: what it asks, how often, and what it makes of every answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from providers.errors import (
    AlreadyExists,
    AuthExpired,
    BadAnswer,
    Blocked,
    NeedsSubscription,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    Rejected,
)
from providers.smailor.client import SmailorClient, SmailorSettings
from providers.smailor.models import Domain, Rendered, Reputation, TemplateChanges, WantedTemplate
from providers.smailor.sandbox import SANDBOX_COOKIE, SANDBOX_KEY, Fault, SmailorSandbox, password_of

OpenAccount = Callable[..., SmailorClient]

THANKS = WantedTemplate(name="Thanks", subject="Re: {{subject}}", body_html="<p>Hi {{customer_name}} {{x}}</p>")


@pytest.fixture(autouse=True)
def acme(sandbox: SmailorSandbox) -> None:
    sandbox.own("acme.com")


class TestDomains:
    @pytest.mark.parametrize("nested", [False, True])
    @pytest.mark.parametrize("bare", [False, True])
    async def test_reputation_and_advice(
        self, smailor: SmailorClient, sandbox: SmailorSandbox, nested: bool, bare: bool
    ) -> None:
        sandbox.nested, sandbox.bare_arrays = nested, bare
        sandbox.own("slow.com", reputation="watch")
        sandbox.own("bad.com", reputation="blocked")
        sandbox.own("new.com", verified=False)
        sandbox.domains["slow.com"].bounces = 12
        found = {domain.name: domain for domain in await smailor.domains()}
        assert [domain.reputation for domain in found.values()] == [
            Reputation.HEALTHY,
            Reputation.WATCH,
            Reputation.BLOCKED,
            Reputation.HEALTHY,
        ]
        assert (found["slow.com"].bounces, found["slow.com"].complaints) == (12, 0)
        assert found["bad.com"].advice.startswith("Stop sending")
        assert [name for name, domain in found.items() if domain.takes_mailboxes] == ["acme.com", "slow.com"]
        exactly = await smailor.find_domain("ACME.com")
        assert exactly is not None
        assert exactly.verified is True
        assert await smailor.find_domain("cme.com") is None

    async def test_a_word_nobody_knows_is_kept_and_noted_once(
        self, smailor: SmailorClient, sandbox: SmailorSandbox, logged: Any
    ) -> None:
        sandbox.own("acme.com", reputation="Wobbly")
        for _ in range(3):
            [domain] = await smailor.domains()
        assert (domain.reputation, domain.raw_reputation) == (Reputation.UNKNOWN, "Wobbly")
        assert domain.takes_mailboxes
        assert [line["said"] for line in logged if line["event"] == "unknown word"] == ["Wobbly"]

    async def test_one_bad_row_does_not_spoil_the_listing(
        self, smailor: SmailorClient, sandbox: SmailorSandbox, logged: Any
    ) -> None:
        body = {"data": {"domains": [{"domain": "a.com"}, {"domain": ""}, 7]}}
        sandbox.faults.add("domains", Fault.answers(200, body=body), times=2)
        for _ in range(2):
            assert [domain.name for domain in await smailor.domains()] == ["a.com"]
        assert [line["rows"] for line in logged if "left out" in line["event"]] == [2]


class TestMailboxes:
    async def test_created(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        created = await smailor.create_mailbox("Lena-K", "acme.com", "Lena K")
        assert (created.address, created.display_name, created.password) == ("lena-k@acme.com", "Lena K", None)
        assert sandbox.has_mailbox("lena-k@acme.com")

    async def test_a_password_that_comes_along_can_be_shown_once(
        self, smailor: SmailorClient, sandbox: SmailorSandbox
    ) -> None:
        sandbox.shows_passwords = True
        created = await smailor.create_mailbox("john", "acme.com")
        assert created.password is not None
        assert created.password.get_secret_value() == password_of("john@acme.com")
        assert password_of("john@acme.com") not in repr(created) + created.model_dump_json()

    @pytest.mark.parametrize(
        "body", [{"result": {"ok": 1}}, {}, [], {"email": "", "remaining": "7"}, {"address": "john"}, {"email": 5}]
    )
    async def test_any_success_is_a_yes_whatever_it_says(
        self, smailor: SmailorClient, sandbox: SmailorSandbox, body: Any
    ) -> None:
        sandbox.faults.add("create_mailbox", Fault.answers(200, body=body))
        assert (await smailor.create_mailbox("john", "acme.com")).address == "john@acme.com"

    @pytest.mark.parametrize("status", ["error", "Failed"])
    async def test_an_error_inside_a_success_is_no_yes(
        self, smailor: SmailorClient, sandbox: SmailorSandbox, status: str
    ) -> None:
        sandbox.faults.add("create_mailbox", Fault.answers(200, body={"status": status, "message": "No room."}))
        with pytest.raises(OutcomeUnknown, match="No room"):
            await smailor.create_mailbox("john", "acme.com")

    @pytest.mark.parametrize("under", ["error", "code", "message"])
    async def test_what_the_words_mean(self, smailor: SmailorClient, sandbox: SmailorSandbox, under: str) -> None:
        sandbox.words_under = under
        sandbox.own("bad.com", reputation="blocked")
        sandbox.own("new.com", verified=False)
        await smailor.create_mailbox("john", "acme.com")
        expected: list[tuple[str, str, type[ProviderError], str]] = [
            ("john doe", "acme.com", Rejected, "not as it should be"),
            ("john", "new.com", Rejected, "not verified that domain"),
            ("john", "acme.com", AlreadyExists, "of that address already"),
            ("john", "bad.com", Blocked, "reputation is this bad"),
        ]
        for local, domain, kind, words in expected:
            with pytest.raises(ProviderError, match=words) as refused:
                await smailor.create_mailbox(local, domain)
            assert type(refused.value) is kind
        sandbox.card_verified = False
        with pytest.raises(NeedsSubscription, match="card") as card:
            await smailor.create_mailbox("jane", "acme.com")
        assert "verify the card" in card.value.cure
        sandbox.plan_allows = False
        with pytest.raises(NeedsSubscription, match="plan"):
            await smailor.create_mailbox("jane", "acme.com")
        assert len(sandbox.mailboxes) == 1

    async def test_asked_again_after_an_unclear_answer(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        sandbox.faults.add("create_mailbox", Fault.cut_after())
        with pytest.raises(OutcomeUnknown):
            await smailor.create_mailbox("john", "acme.com")
        with pytest.raises(AlreadyExists) as exists:
            await smailor.create_mailbox("john", "acme.com")
        assert "that try has worked" in exists.value.cure


class TestSending:
    async def test_sent_once_and_counted(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        await smailor.create_mailbox("john", "acme.com")
        sent = await smailor.send("x@y.com", "john@acme.com", "Hi", html="<p>Hi</p><script>1</script>")
        assert (sent.id, sent.remaining) == ("msg_1", 999)
        assert sandbox.messages[0].html == "<p>Hi</p>"

    async def test_an_empty_message_stays_here(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        with pytest.raises(Rejected) as rejected:
            await smailor.send("x@y.com", "john@acme.com", "Hi", text="", html=None)
        assert list(rejected.value.fields) == ["text"]
        assert sandbox.calls["send"] == 0

    async def test_from_nobody(self, smailor: SmailorClient) -> None:
        with pytest.raises(Rejected, match="not verified"):
            await smailor.send("x@y.com", "nobody@acme.com", "Hi", text="Hi")


class TestChangesThatGoWrong:
    async def test_a_delete_is_sent_once(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        template_id = sandbox.add_template("Thanks")
        sandbox.faults.add("delete_template", Fault.cut_after())
        with pytest.raises(OutcomeUnknown):
            await smailor.delete_template(template_id)
        assert (sandbox.calls["delete_template"], sandbox.templates) == (1, {})

    async def test_a_web_page_is_no_yes(self, open_account: OpenAccount, sandbox: SmailorSandbox, running: Any) -> None:
        """Where the base URL is slightly wrong, the web application answers everything with a page and a 200."""
        smailor = open_account(base_url=f"{running.url}/app")
        with pytest.raises(OutcomeUnknown):
            await smailor.create_mailbox("john", "acme.com")
        with pytest.raises(BadAnswer):
            await smailor.domains()


class TestTemplates:
    async def test_a_life(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        created = await smailor.create_template(THANKS)
        assert (created.name, created.times_used, created.is_default) == ("Thanks", 0, False)
        changes = TemplateChanges(subject="Again: {{subject}}", is_default=True)
        await smailor.update_template(created.id, changes)
        await smailor.note_template_used(created.id)
        found = await smailor.template(created.id)
        assert (found.subject, found.is_default, found.times_used) == ("Again: {{subject}}", True, 1)
        assert found.body_html == THANKS.body_html
        assert [template.id for template in await smailor.templates()] == [created.id]

        ticket = sandbox.add_ticket(subject="Invoice", customer_name="Ana")
        rendered = await smailor.preview_template(created.id, ticket)
        assert (rendered.subject, rendered.html) == ("Again: Invoice", "<p>Hi Ana {{x}}</p>")
        assert "Ana" not in repr(rendered)

        await smailor.delete_template(created.id)
        with pytest.raises(NotFound):
            await smailor.template(created.id)

    async def test_for_a_group_or_a_ticket(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        everywhere = sandbox.add_template("Everywhere")
        sandbox.templates[sandbox.add_template("Sales")]["group_ids"] = ["g1"]
        assert [template.id for template in await smailor.templates(group="g2")] == [everywhere]
        assert len(await smailor.templates(ticket=sandbox.add_ticket())) == 2
        with pytest.raises(NotFound):
            await smailor.templates(ticket="someone-elses")
        with pytest.raises(Rejected):
            await smailor.templates(group="g1", ticket="t1")

    async def test_a_400_is_a_mistake_or_the_fiftieth(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        with pytest.raises(Rejected) as mistake:
            await smailor.create_template(WantedTemplate.model_construct(name="", subject="x", body_html="short"))
        assert mistake.value.fields == {"name": ["Required"], "body_html": ["At least 10 characters"]}
        for _ in range(50):
            sandbox.add_template("One more")
        with pytest.raises(Rejected, match="no more templates") as full:
            await smailor.create_template(THANKS)
        assert "Delete a template" in full.value.cure

    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({"details": {"fieldErrors": {"name": "Too short"}}}, {"name": ["Too short"]}),
            ({"issues": [{"path": ["body", "html"], "message": "Bad"}]}, {"body.html": ["Bad"]}),
            ({"errors": []}, {}),
        ],
    )
    async def test_reasons_come_by_field(
        self, smailor: SmailorClient, sandbox: SmailorSandbox, body: dict[str, Any], fields: dict[str, list[str]]
    ) -> None:
        sandbox.faults.add("create_template", Fault.answers(400, body={"error": "invalid_body", **body}))
        with pytest.raises(Rejected) as rejected:
            await smailor.create_template(THANKS)
        assert rejected.value.fields == fields

    async def test_an_answer_that_says_nothing_is_still_a_yes(
        self, smailor: SmailorClient, sandbox: SmailorSandbox
    ) -> None:
        sandbox.faults.add("create_template", Fault.unknown_shape())
        created = await smailor.create_template(THANKS)
        assert (created.id, created.name) == ("", "Thanks")
        sandbox.faults.add("template", Fault.unknown_shape())
        sandbox.faults.add("preview", Fault.unknown_shape())
        template_id = next(iter(sandbox.templates))
        for reading in (smailor.template(template_id), smailor.preview_template(template_id, sandbox.add_ticket())):
            with pytest.raises(BadAnswer):
                await reading

    async def test_nothing_to_change_is_not_sent(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        with pytest.raises(Rejected):
            await smailor.update_template("t1", TemplateChanges())
        assert not sandbox.calls

    @pytest.mark.parametrize("template_id", ["", "..", "a/b", "a?b", "a b", "x" * 101])
    async def test_an_id_that_leads_elsewhere_is_not_asked_for(
        self, smailor: SmailorClient, sandbox: SmailorSandbox, template_id: str
    ) -> None:
        with pytest.raises(NotFound):
            await smailor.delete_template(template_id)
        assert not sandbox.arrived


class TestTheTwoWorlds:
    async def test_without_a_cookie_there_are_no_templates(
        self, open_account: OpenAccount, sandbox: SmailorSandbox
    ) -> None:
        smailor = open_account(session_cookie=None)
        assert not smailor.has_session
        for asked in (smailor.templates(), smailor.create_template(THANKS), smailor.delete_template("t1")):
            with pytest.raises(AuthExpired, match="no session cookie") as missing:
                await asked
            assert "session_cookie" in missing.value.cure
        assert not sandbox.calls
        await smailor.verify_credentials()

    @pytest.mark.parametrize("redirects", [False, True])
    async def test_signed_out(self, open_account: OpenAccount, sandbox: SmailorSandbox, redirects: bool) -> None:
        sandbox.redirects_to_login = redirects
        smailor = open_account(session_cookie="smailor_session=worn-out")
        for asked in (smailor.templates(), smailor.note_template_used("t1"), smailor.verify_credentials()):
            with pytest.raises(AuthExpired, match="signed out") as refused:
                await asked
            assert "sign in" in refused.value.cure
        assert len(await smailor.domains()) == 1

    async def test_a_card_is_not_a_missing_ticket(self, smailor: SmailorClient, sandbox: SmailorSandbox) -> None:
        sandbox.faults.add("templates", Fault.answers(403, body={"error": "card_not_verified"}))
        with pytest.raises(NeedsSubscription):
            await smailor.templates()


class TestSettings:
    def settings(self, **changed: Any) -> SmailorSettings:
        return SmailorSettings(**({"provider": "smailor", "api_key": SANDBOX_KEY} | changed))

    def test_what_need_not_be_said(self) -> None:
        settings = self.settings()
        assert (str(settings.base_url), settings.key_header) == ("https://smailor.com/", "authorization")
        assert settings.session_cookie is None

    @pytest.mark.parametrize(
        "changed",
        [
            {"api_key": "two s3cr3t-words"},
            {"api_key": ""},
            {"session_cookie": "s3cr3t-without-name"},
            {"session_cookie": "a=s3cr3t\nX: y"},
            {"session_cookie": ""},
        ],
    )
    def test_what_fits_no_header_is_refused_without_being_repeated(self, changed: dict[str, str]) -> None:
        with pytest.raises(ValidationError, match="must") as error:
            self.settings(**changed)
        assert "s3cr3t" not in str(error.value)

    def test_several_cookies_are_one_header(self) -> None:
        assert self.settings(session_cookie="a=1; b=2; c=x=y")


class TestModels:
    @pytest.mark.parametrize(
        ("row", "verified", "said", "numbers"),
        [
            ({"isVerified": "yes", "reputationStatus": "Watch", "sends30d": "5"}, True, Reputation.WATCH, (5, None)),
            ({"status": "verified", "reputation": "blocked"}, True, Reputation.BLOCKED, (None, None)),
            ({"status": "pending", "reputation": {"status": "healthy"}}, False, Reputation.HEALTHY, (None, None)),
            ({"status": "verified"}, True, Reputation.UNKNOWN, (None, None)),
            ({"verified": None, "stats": {"sent": 3, "bounces_30d": 1}}, None, Reputation.UNKNOWN, (3, 1)),
            ({"verified": 1, "last30Days": {"sends": -1, "bounces": "x"}}, True, Reputation.UNKNOWN, (None, None)),
        ],
    )
    def test_a_domain_in_many_spellings(
        self, row: dict[str, Any], verified: bool | None, said: Reputation, numbers: tuple[int | None, int | None]
    ) -> None:
        domain = Domain.model_validate({"name": "a.com", **row})
        assert (domain.verified, domain.reputation, (domain.sends, domain.bounces)) == (verified, said, numbers)

    def test_what_is_about_a_customer_is_not_shown(self) -> None:
        assert repr(Rendered(subject="Ana", html="Ana", text="Ana")) == "Rendered()"


class TestSecrets:
    async def test_what_a_cookie_holds_is_secret_by_itself(
        self, smailor: SmailorClient, sandbox: SmailorSandbox
    ) -> None:
        value = SANDBOX_COOKIE.partition("=")[2]
        said = f"No {SANDBOX_KEY.upper()} with {value},\x1b[31m\nsorry." + "x" * 1000
        sandbox.faults.add("create_mailbox", Fault.answers(400, body={"error": "invalid_body", "message": said}))
        with pytest.raises(Rejected) as rejected:
            await smailor.create_mailbox("john", "acme.com")
        assert "No [redacted] with [redacted],[31m sorry.xxx" in str(rejected.value)
        assert len(str(rejected.value)) < 450
