"""Every action of the catalogue, played through Slack: words, form, mistakes, the happy end, and the provider's no.

The table below has an entry for each: what is typed, what is right, and what shows that it was done. Everything else
follows from the action's own class. A provider has one house for all its entries, and its books are emptied before each
scene.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from string import Template
from typing import Any

import pytest
import pytest_asyncio
import structlog
from pydantic import ValidationError

from bot.sandbox.modal import Modal
from bot.sandbox.people import Person
from handlers.slack import entered
from providers.action import Action, Effect, bare, choices_of
from providers.catalogue import NOUNS, built_in, registered
from providers.files import wanted_of
from providers.mailin.sandbox import MailinSandbox, SandboxOrder, SandboxTask
from providers.scaledmail.sandbox import password_of
from providers.simulator import Fault
from providers.smailor.sandbox import SandboxMailbox
from tests.house import House, Story, open_house, reading
from tests.providers.calls import declared_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

CATALOGUE = built_in()
OWN_CALLS = {provider.name: provider.own_calls for provider in registered()}
CHANNEL = "#outreach"
JOB_SECONDS = 60.0

Names = Mapping[str, str]


def nothing(sandbox: Any) -> Names:
    """Nothing has to be there before."""
    return {}


def anything(sandbox: Any) -> bool:
    """Reading leaves no trace in the books."""
    return True


@dataclass(frozen=True, slots=True)
class Case:
    """One action. `$name` in what is typed or said is a name that `ready` has given."""

    provider: str
    command: str
    words: str
    """What is typed after the command."""
    says: str
    """What can be read at the happy end: in the thread, or in the private answer."""
    call: str
    """The operation of the sandbox that does it: made once, and made to fail."""
    done: Callable[[Any], Any] = anything
    """Whether the provider's own books show it."""
    ready: Callable[[Any], Names] = nothing
    """Puts into the provider's books what has to be there before."""
    stands: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the words have put into the form, besides its defaults."""
    fills: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What else has to be filled in."""
    files: Mapping[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])
    """Files that are attached, by field: name and content."""
    secret: Callable[[Any], str] | None = None
    """The credential that a REVEAL shows."""
    status: int = 422
    """With what the provider says no."""

    @property
    def action(self) -> type[Action]:
        found = CATALOGUE.action(self.command, self.provider)
        assert found is not None, f"/{self.command} at {self.provider} is not in the catalogue"
        return found

    def __str__(self) -> str:
        return f"{self.provider}-{self.command.replace(' ', '-')}"


def own(*names: str, **more: Any) -> Callable[[Any], Names]:
    """The account has these domains."""

    def ready(sandbox: Any) -> Names:
        for name in names:
            sandbox.own(name, **more)
        return {}

    return ready


# Mailin: what has to be there, and what its books say.


def boxes(*addresses: str, hosting: Any = "smtp", **facts: Any) -> Callable[[MailinSandbox], Names]:
    def ready(sandbox: MailinSandbox) -> Names:
        for box in sandbox.own_mailboxes(*addresses, hosting=hosting):
            for name, fact in facts.items():
                setattr(box, name, fact)
        return {}

    return ready


def box(sandbox: MailinSandbox) -> Any:
    [only] = sandbox.mailboxes.values()
    return only


def order(sandbox: MailinSandbox, *, provider: int | None = None) -> Names:
    now = sandbox.clock.now()
    sandbox.orders[7] = SandboxOrder(
        id=7,
        domain="acme.com",
        mode="auto",
        full_names=["Ana Ruiz"],
        mailboxes=[{"name": "Ana Ruiz", "username": f"box{n}@acme.com"} for n in range(1, 101)],
        is_purchase=False,
        provider_id=provider,
        registrar_id=None,
        placed_at=now,
        listed_at=now,
        ready_at=now,
    )
    return {}


def order_with_passwords(sandbox: MailinSandbox) -> Names:
    sandbox.azure_shows_passwords = True
    return order(sandbox)


def sequencer(sandbox: MailinSandbox) -> Names:
    sandbox.inbox_providers[1] = {"name": "Smart", "provider": "smartlead", "api_key": "key-of-a-sequencer"}
    return {}


def registrar(sandbox: MailinSandbox) -> Names:
    sandbox.registrars[1] = {"name": "Pork", "provider": "porkbun", "api_key": "key-of-a-registrar"}
    return {}


def given_order(sandbox: MailinSandbox) -> Names:
    sequencer(sandbox)
    return order(sandbox)


def uploaded_order(sandbox: MailinSandbox) -> Names:
    sequencer(sandbox)
    return order(sandbox, provider=1)


def task(sandbox: MailinSandbox) -> Names:
    now = sandbox.clock.now()
    sandbox.tasks["bulk_1"] = SandboxTask("bulk_1", "standard", ("ana@acme.com", "bad@acme.com"), now, now, 2, True)
    return {}


def forwarded(sandbox: MailinSandbox) -> Names:
    sandbox.own("acme.com")
    sandbox.domains["acme.com"].forward_to = "other.com"
    return {}


MAILIN = [
    Case(
        "mailin",
        "domain buy",
        "acme.com acme.co",
        "Both domains are live.",
        "buy_multiple",
        lambda s: s.times_bought("acme.com") == s.times_bought("acme.co") == 1,
        stands={"domains": "acme.com\nacme.co", "hosting": "smtp"},
    ),
    Case(
        "mailin",
        "domain buy-many",
        "acme.biz",
        "All 3 domains are live.",
        "buy_multiple",
        lambda s: sorted(one.domain for one in s.purchases) == ["acme.biz", "acme.co", "acme.com"],
        stands={"domains": "acme.biz", "hosting": "smtp"},
        files={"domains": ("domains.csv", b"domain\nacme.com\nacme.co\n")},
    ),
    Case("mailin", "domain check", "acme.com", "acme.com is free.", "availability", stands={"domains": "acme.com"}),
    Case(
        "mailin",
        "domain list",
        "acme",
        "acme.com",
        "domains",
        ready=own("acme.com", "other.com"),
        stands={"name": "acme"},
    ),
    Case(
        "mailin",
        "domain show",
        "acme.com",
        "acme.com is live.",
        "domains",
        ready=own("acme.com"),
        stands={"domain": "acme.com"},
    ),
    Case(
        "mailin",
        "domain transfer",
        "acme.com",
        "acme.com is live.",
        "transfer",
        lambda s: s.knows("acme.com"),
        stands={"domain": "acme.com", "hosting": "smtp"},
    ),
    Case(
        "mailin",
        "domain subdomain",
        "mail.acme.com",
        "mail.acme.com is live.",
        "add_subdomain",
        lambda s: s.knows("mail.acme.com"),
        own("acme.com"),
        {"subdomain": "mail.acme.com"},
    ),
    Case(
        "mailin",
        "domain forward",
        "acme.com other.com",
        "Visitors of acme.com are sent to other.com.",
        "forward",
        lambda s: s.domains["acme.com"].forward_to == "other.com",
        own("acme.com"),
        {"domain": "acme.com", "to": "other.com"},
    ),
    Case(
        "mailin",
        "domain unforward",
        "acme.com",
        "Visitors of acme.com are forwarded no longer.",
        "remove_forward",
        lambda s: s.domains["acme.com"].forward_to is None,
        forwarded,
        {"domain": "acme.com"},
    ),
    Case(
        "mailin",
        "domain email-forward",
        "acme.com boss@other.com",
        "All mail of acme.com goes to boss@other.com.",
        "forward_email",
        lambda s: s.domains["acme.com"].email_forward_to == "boss@other.com",
        own("acme.com"),
        {"domain": "acme.com", "to": "boss@other.com"},
    ),
    Case(
        "mailin",
        "domain rate-limit",
        "acme.com",
        "acme.com may send 500 e-mails a day.",
        "domain_rate_limit",
        ready=own("acme.com"),
        stands={"domain": "acme.com"},
    ),
    Case(
        "mailin",
        "domain nameservers",
        "acme.com",
        "ns1.acme.com",
        "order_nameservers",
        ready=order,
        stands={"domain": "acme.com"},
    ),
    Case(
        "mailin",
        "domain delete",
        "acme.com",
        "acme.com is deleted, with all its mailboxes.",
        "delete_domain",
        lambda s: not s.domains and not s.mailboxes,
        boxes("ana@acme.com"),
        {"domain": "acme.com"},
    ),
    Case(
        "mailin",
        "mailbox list",
        "ana",
        "ana@acme.com",
        "mailboxes",
        ready=boxes("ana@acme.com"),
        stands={"name": "ana", "hosting": "all"},
    ),
    Case(
        "mailin",
        "mailbox show",
        "ana@acme.com",
        "ana@acme.com is live.",
        "mailboxes",
        ready=boxes("ana@acme.com"),
        stands={"mailbox": "ana@acme.com"},
    ),
    Case(
        "mailin",
        "mailbox create",
        "ana@acme.com Ana Ruiz",
        "ana@acme.com exists.",
        "create_mailboxes",
        lambda s: s.has_mailbox("ana@acme.com"),
        own("acme.com"),
        {"mailboxes": "ana@acme.com Ana Ruiz", "hosting": "smtp"},
    ),
    Case(
        "mailin",
        "mailbox rename",
        "ana@acme.com Ana Ruiz",
        "ana@acme.com is now called “Ana Ruiz”.",
        "rename_mailbox",
        lambda s: box(s).name == "Ana Ruiz",
        boxes("ana@acme.com"),
        {"mailbox": "ana@acme.com", "name": "Ana Ruiz"},
    ),
    Case(
        "mailin",
        "mailbox password",
        "ana@acme.com",
        "ana@acme.com has its new password.",
        "mailbox_password",
        lambda s: box(s).password == "correct-horse-9",
        boxes("ana@acme.com"),
        {"mailbox": "ana@acme.com"},
        {"password": "correct-horse-9"},
    ),
    Case(
        "mailin",
        "mailbox delete",
        "ana@acme.com",
        "ana@acme.com is deleted.",
        "delete_mailbox",
        lambda s: not s.mailboxes,
        boxes("ana@acme.com"),
        {"mailbox": "ana@acme.com"},
    ),
    Case(
        "mailin",
        "mailbox rate-limit",
        "ana@acme.com",
        "ana@acme.com may send 500 e-mails an hour.",
        "mailbox_rate_limit",
        ready=boxes("ana@acme.com"),
        stands={"mailbox": "ana@acme.com"},
    ),
    Case(
        "mailin",
        "mailbox signature",
        "ana@acme.com Kind regards, Ana",
        "ana@acme.com has the new signature.",
        "add_signature",
        lambda s: box(s).signature == "Kind regards, Ana",
        boxes("ana@acme.com", hosting="google"),
        {"mailbox": "ana@acme.com", "signature": "Kind regards, Ana"},
    ),
    Case(
        "mailin",
        "mailbox unsignature",
        "ana@acme.com",
        "ana@acme.com has no signature any more.",
        "delete_signature",
        lambda s: not box(s).signature,
        boxes("ana@acme.com", hosting="google", signature="Yours, Ana"),
        {"mailbox": "ana@acme.com"},
    ),
    Case(
        "mailin",
        "mailbox forward",
        "ana@acme.com boss@other.com",
        "All mail of ana@acme.com goes to boss@other.com.",
        "set_forwarding",
        lambda s: box(s).forwarding == "boss@other.com",
        boxes("ana@acme.com", hosting="google"),
        {"mailbox": "ana@acme.com", "to": "boss@other.com", "what": "set"},
    ),
    Case(
        "mailin",
        "mailbox totp",
        "ana@acme.com",
        "A log-in code of ana@acme.com",
        "totp",
        ready=boxes("ana@acme.com", hosting="google"),
        stands={"mailbox": "ana@acme.com"},
    ),
    Case(
        "mailin",
        "mailbox credentials",
        "ana@acme.com",
        "The credentials of ana@acme.com.",
        "credentials",
        ready=boxes("ana@acme.com", hosting="google"),
        stands={"mailbox": "ana@acme.com"},
        secret=lambda s: box(s).password,
    ),
    Case(
        "mailin",
        "verify one",
        "ana@acme.com",
        "ana@acme.com is deliverable.",
        "verify_single",
        lambda s: s.credits == 9_999,
        stands={"address": "ana@acme.com", "kind": "standard"},
    ),
    Case(
        "mailin",
        "verify list",
        "ana@acme.com bad@acme.com",
        "1 of 2 addresses is deliverable.",
        "verify_emails",
        lambda s: s.credits == 9_998,
        stands={"addresses": "ana@acme.com\nbad@acme.com", "kind": "standard"},
    ),
    Case(
        "mailin",
        "verify file",
        "",
        "2 of 3 addresses are deliverable.",
        "verify_file",
        lambda s: s.credits == 9_997,
        files={"addresses": ("people.csv", b"Name,E-mail\nAna,ana@acme.com\nBo,bo@acme.com\nX,bad@acme.com\n")},
    ),
    Case(
        "mailin",
        "verify status",
        "bulk_1",
        "The verification bulk_1 with 2 addresses is finished.",
        "task",
        ready=task,
        stands={"task": "bulk_1"},
    ),
    Case(
        "mailin",
        "verify result",
        "bulk_1",
        "1 of 2 addresses is deliverable.",
        "download",
        ready=task,
        stands={"task": "bulk_1", "which": "deliverable"},
    ),
    Case("mailin", "verify credits", "", "The account has 10,000 credits", "credits"),
    Case("mailin", "verify history", "", "Purchased credits", "credit_history"),
    Case("mailin", "postroom account", "", "Sandbox Inc.", "user"),
    Case("mailin", "postroom servers", "", "in-1.sandbox.example", "servers"),
    Case(
        "mailin",
        "postroom server",
        "out-1.sandbox.example",
        "out-1.sandbox.example is stopped.",
        "server",
        stands={"server": "out-1.sandbox.example"},
    ),
    Case("mailin", "postroom orders", "", "acme.com", "orders", ready=order),
    Case(
        "mailin",
        "postroom order-add",
        "acme.com",
        "The order for acme.com is ready.",
        "add_order",
        lambda s: [one.domain for one in s.orders.values()] == ["acme.com"],
        stands={"domain": "acme.com", "way": "buy"},
        fills={"names": "Ana Ruiz\nBo Li"},
    ),
    Case(
        "mailin",
        "postroom order-status",
        "acme.com",
        "The order for acme.com is ready.",
        "order_status",
        ready=order,
        stands={"domain": "acme.com"},
    ),
    Case(
        "mailin",
        "postroom order-mailboxes",
        "acme.com",
        "box1@acme.com",
        "order_mailboxes",
        ready=order,
        stands={"domain": "acme.com"},
    ),
    Case(
        "mailin",
        "postroom order-credentials",
        "acme.com",
        "100 passwords of acme.com.",
        "order_mailboxes",
        ready=order_with_passwords,
        stands={"domain": "acme.com"},
        secret=lambda s: "Azure-box1!",
    ),
    Case(
        "mailin",
        "postroom order-redirect",
        "acme.com other.com",
        "The domain of the order for acme.com leads to other.com.",
        "order_redirect",
        lambda s: s.orders[7].redirect_to == "other.com",
        order,
        {"domain": "acme.com", "to": "other.com"},
    ),
    Case(
        "mailin",
        "postroom order-inbox-provider",
        "acme.com 1",
        "All 100 mailboxes of acme.com are in the sequencer.",
        "order_provider",
        lambda s: s.orders[7].provider_id == 1,
        given_order,
        {"domain": "acme.com", "inbox_provider": "1", "what": "set"},
    ),
    Case(
        "mailin",
        "postroom order-reupload",
        "acme.com",
        "All 100 mailboxes of acme.com are in the sequencer.",
        "reupload",
        lambda s: s.orders[7].upload_ends_at is not None,
        uploaded_order,
        {"domain": "acme.com"},
    ),
    Case(
        "mailin",
        "postroom order-delete",
        "acme.com",
        "The order for acme.com is deleted",
        "remove_order",
        lambda s: not s.orders,
        order,
        {"domain": "acme.com"},
    ),
    Case("mailin", "postroom inbox-providers", "", "Smart", "inbox_providers", ready=sequencer),
    Case(
        "mailin",
        "postroom inbox-provider-add",
        "",
        "Mailin knows the sequencer “Sales” (Smartlead) now",
        "add_inbox_provider",
        lambda s: [one["api_key"] for one in s.inbox_providers.values()] == ["new-key-1234"],
        fills={"name": "Sales", "kind": "smartlead", "api_key": "new-key-1234"},
    ),
    Case(
        "mailin",
        "postroom inbox-provider-update",
        "1",
        "Mailin has the new keys of sequencer 1, “Smart”.",
        "update_inbox_provider",
        lambda s: s.inbox_providers[1]["api_key"] == "new-key-1234",
        sequencer,
        {"inbox_provider": "1"},
        {"api_key": "new-key-1234"},
    ),
    Case(
        "mailin",
        "postroom inbox-provider-remove",
        "1",
        "Mailin knows sequencer 1 “Smart” no longer.",
        "remove_inbox_provider",
        lambda s: not s.inbox_providers,
        sequencer,
        {"inbox_provider": "1"},
    ),
    Case("mailin", "postroom registrars", "", "Pork", "registrars", ready=registrar),
    Case(
        "mailin",
        "postroom registrar-add",
        "",
        "Mailin knows the registrar “Pig” (Porkbun) now",
        "add_registrar",
        lambda s: [one["api_key"] for one in s.registrars.values()] == ["new-key-1234"],
        fills={"name": "Pig", "kind": "porkbun", "api_key": "new-key-1234"},
    ),
    Case(
        "mailin",
        "postroom registrar-update",
        "1",
        "Mailin has the new keys of registrar 1, “Pork”.",
        "update_registrar",
        lambda s: s.registrars[1]["api_key"] == "new-key-1234",
        registrar,
        {"registrar": "1"},
        {"api_key": "new-key-1234"},
    ),
    Case(
        "mailin",
        "postroom registrar-remove",
        "1",
        "Mailin knows registrar 1 “Pork” no longer.",
        "remove_registrar",
        lambda s: not s.registrars,
        registrar,
        {"registrar": "1"},
    ),
]


def taken(*names: str) -> Callable[[MailinSandbox], Names]:
    def ready(sandbox: MailinSandbox) -> Names:
        sandbox.taken.update(names)
        return {}

    return ready


def in_no_hurry(sandbox: MailinSandbox) -> Names:
    sandbox.verdict_at_once = False
    return {}


def both_known(sandbox: MailinSandbox) -> Names:
    return {**sequencer(sandbox), **registrar(sandbox)}


# ScaledMail.


def shelf(sandbox: Any) -> Names:
    sandbox.put_on_shelf("warm-one.com", "warm-two.com")
    return {}


SCALEDMAIL = [
    Case(
        "scaledmail",
        "prewarm browse",
        "google 1 $40",
        "warm-one.com",
        "stock",
        ready=shelf,
        stands={"kind": "google", "min_months": "1", "most_monthly": "40"},
    ),
    Case(
        "scaledmail",
        "prewarm buy",
        "warm-one.com warm-two.com",
        "Both domains are there, with their mailboxes.",
        "buy",
        lambda s: s.times_bought("warm-one.com") == s.times_bought("warm-two.com") == 1,
        shelf,
        {"domains": "warm-one.com\nwarm-two.com"},
        {"redirect": "acme.com", "tag": "spring"},
    ),
    Case(
        "scaledmail",
        "prewarm list",
        "acme",
        "acme.com",
        "purchased",
        ready=own("acme.com"),
        stands={"name": "acme"},
    ),
    Case("scaledmail", "domain list", "acme", "acme.com", "domains", ready=own("acme.com"), stands={"name": "acme"}),
    Case(
        "scaledmail",
        "domain purchased",
        "available",
        "1 purchased domain free for a new order",
        "purchased",
        ready=own("acme.com", in_use=False),
        stands={"show": "available"},
    ),
    Case(
        "scaledmail",
        "mailbox list",
        "acme.com",
        "acme.com has 2 mailboxes",
        "mailboxes",
        ready=own("acme.com"),
        stands={"domain": "acme.com"},
    ),
    Case(
        "scaledmail",
        "mailbox credentials",
        "acme.com",
        "2 passwords of acme.com.",
        "mailboxes",
        ready=own("acme.com"),
        stands={"domain": "acme.com"},
        secret=lambda s: password_of(next(iter(s.domains.values())).mailboxes[0]),
    ),
    Case("scaledmail", "postroom organizations", "", "org-sandbox", "organizations", status=403),
]


# Smailor.


def template(sandbox: Any) -> Names:
    """A template and a ticket for it."""
    return {"template": sandbox.add_template("Thanks"), "ticket": sandbox.add_ticket(subject="Invoice 7")}


def sender(sandbox: Any) -> Names:
    sandbox.own("acme.com")
    made = SandboxMailbox("ana@acme.com", "Ana", sandbox.clock.now())
    sandbox.mailboxes.append(made)
    return {}


def the_template(sandbox: Any) -> Any:
    [only] = sandbox.templates.values()
    return only


SMAILOR = [
    Case("smailor", "domain list", "acme", "acme.com", "domains", ready=own("acme.com"), stands={"name": "acme"}),
    Case(
        "smailor",
        "domain reputation",
        "acme.com",
        "acme.com is healthy.",
        "domains",
        ready=own("acme.com"),
        stands={"domain": "acme.com"},
    ),
    Case(
        "smailor",
        "mailbox create",
        "ana@acme.com Ana Ruiz",
        "ana@acme.com is there.",
        "create_mailbox",
        lambda s: s.has_mailbox("ana@acme.com"),
        own("acme.com"),
        {"address": "ana@acme.com", "display_name": "Ana Ruiz"},
    ),
    Case(
        "smailor",
        "postroom send-test",
        "bo@other.com ana@acme.com Hello there",
        "Smailor has taken the e-mail to bo@other.com",
        "send",
        lambda s: [(one.to, one.subject) for one in s.messages] == [("bo@other.com", "Hello there")],
        sender,
        {"recipient": "bo@other.com", "sender": "ana@acme.com", "subject": "Hello there"},
        {"text": "It works."},
    ),
    Case("smailor", "postroom templates", "Thanks", "Thanks", "templates", ready=template, stands={"name": "Thanks"}),
    Case(
        "smailor",
        "postroom template-show",
        "Thanks",
        "Thank you.",
        "template",
        ready=template,
        stands={"template": "Thanks"},
    ),
    Case(
        "smailor",
        "postroom template-add",
        "Many thanks",
        "The template “Many thanks” is there.",
        "create_template",
        lambda s: the_template(s)["subject"] == "Re: {{subject}}",
        stands={"name": "Many thanks"},
        fills={"subject": "Re: {{subject}}", "body_html": "<p>Thank you, {{customer_name}}.</p>"},
    ),
    Case(
        "smailor",
        "postroom template-change",
        "Thanks",
        "The template “Thanks” is changed.",
        "update_template",
        lambda s: the_template(s)["subject"] == "Thanks!",
        template,
        {"template": "Thanks", "is_default": "keep"},
        {"subject": "Thanks!"},
    ),
    Case(
        "smailor",
        "postroom template-delete",
        "Thanks",
        "The template “Thanks” is gone.",
        "delete_template",
        lambda s: not s.templates,
        template,
        {"template": "Thanks"},
    ),
    Case(
        "smailor",
        "postroom template-preview",
        "Thanks $ticket",
        "Re: Invoice 7",
        "preview",
        ready=template,
        stands={"template": "Thanks", "ticket": "$ticket"},
    ),
    Case(
        "smailor",
        "postroom template-used",
        "Thanks",
        "One more use of “Thanks” is counted.",
        "use",
        lambda s: the_template(s)["use_count"] == 1,
        template,
        {"template": "Thanks"},
    ),
]


# Instantly.


def campaign(sandbox: Any) -> Names:
    return {"campaign": sandbox.add_campaign("Spring").id}


def the_campaign(sandbox: Any) -> Any:
    [only] = sandbox.campaigns.values()
    return only


def account(sandbox: Any) -> Names:
    sandbox.add_account("ana@acme.com", tags=("spring",))
    return {}


def two_accounts(sandbox: Any) -> Names:
    sandbox.add_account("bo@acme.com")
    return account(sandbox)


def campaign_and_account(sandbox: Any) -> Names:
    return {**account(sandbox), **campaign(sandbox)}


INSTANTLY = [
    Case(
        "instantly",
        "campaign create",
        "Spring sale",
        "The campaign “Spring sale” is there, as a draft.",
        "create_campaign",
        lambda s: the_campaign(s).name == "Spring sale",
        stands={"name": "Spring sale"},
    ),
    Case(
        "instantly",
        "campaign show",
        "$campaign",
        "“Spring” is a draft.",
        "campaign",
        ready=campaign,
        stands={"campaign": "$campaign"},
    ),
    Case(
        "instantly",
        "campaign options",
        "$campaign",
        "Instantly has taken the options of the campaign.",
        "options",
        lambda s: the_campaign(s).options["dailyLimit"] == 50,
        campaign,
        {"campaign": "$campaign", "open_tracking": "keep"},
        {"daily_limit": "50", "open_tracking": "off"},
    ),
    Case(
        "instantly",
        "campaign sequences",
        "$campaign",
        "Instantly has taken 2 steps for the campaign.",
        "sequences",
        lambda s: len(the_campaign(s).sequences[0]["steps"]) == 2,
        campaign,
        {"campaign": "$campaign"},
        {"emails": "Hello\nHi there.\n---\nStill there?\nHi again."},
    ),
    Case(
        "instantly",
        "campaign leads",
        "$campaign ana@acme.com bo@acme.com",
        "2 of 2 addresses became leads of the campaign.",
        "add_leads",
        lambda s: the_campaign(s).leads == ["ana@acme.com", "bo@acme.com"],
        campaign,
        {"campaign": "$campaign", "leads": "ana@acme.com\nbo@acme.com"},
    ),
    Case(
        "instantly",
        "campaign api-key",
        "For Ana",
        "The API key “For Ana” opens the whole workspace.",
        "create_api_key",
        lambda s: len(s.keys) == 1,
        stands={"name": "For Ana"},
        secret=lambda s: s.keys[-1],
    ),
    Case(
        "instantly",
        "mailbox accounts",
        "ana",
        "ana@acme.com",
        "accounts",
        ready=account,
        stands={"search": "ana", "status": "any"},
    ),
    Case(
        "instantly",
        "mailbox limits",
        "ana@acme.com",
        "ana@acme.com has the new limits now: daily limit 40.",
        "update_account",
        lambda s: s.accounts["ana@acme.com"].daily_limit == "40",
        account,
        {"addresses": "ana@acme.com"},
        {"daily_limit": "40"},
    ),
]

# MailAPI.

MAILAPI = [
    Case("mailapi", "domain list", "acme", "acme.com", "domains", ready=own("acme.com"), stands={"name": "acme"}),
    Case(
        "mailapi",
        "domain add",
        "acme.com",
        "acme.com is verified.",
        "create_domain",
        lambda s: s.made == ["acme.com"],
        stands={"domain": "acme.com"},
    ),
    Case(
        "mailapi",
        "domain subdomain",
        "acme.com team sales",
        "All 2 sub-domains are verified.",
        "create_sub_domains",
        lambda s: s.made == ["team.acme.com", "sales.acme.com"],
        own("acme.com"),
        {"domain": "acme.com", "labels": "team\nsales"},
    ),
    Case(
        "mailapi",
        "mailbox list",
        "acme.com",
        "m1@acme.com",
        "mailboxes",
        ready=own("acme.com", mailboxes=2),
        stands={"domain": "acme.com"},
    ),
    Case(
        "mailapi",
        "mailbox create",
        "team@acme.com 3",
        "All 3 mailboxes are live.",
        "create_mailboxes",
        lambda s: s.made == [f"team{n}@acme.com" for n in (1, 2, 3)],
        own("acme.com"),
        {"address": "team@acme.com", "count": "3"},
    ),
]


def _texts(case: Case) -> list[str]:
    """The fields in which anything can be written: those filled in by hand, and those with several words."""
    typed = {**case.fills, **{name: value for name, value in case.stands.items() if " " in value.strip()}}
    kinds = {name: bare(one.annotation) for name, one in entered.fields_of(case.action)}
    free = [name for name, kind in kinds.items() if kind is str and name not in case.action.secret_fields()]
    return [name for name in free if name in typed or name not in case.stands]


CASES = [*MAILIN, *SCALEDMAIL, *SMAILOR, *INSTANTLY, *MAILAPI]
BY_NAME = {str(case): case for case in CASES}
READS = [case for case in CASES if case.action.effect is Effect.READ]
REVEALS = [case for case in CASES if case.action.effect is Effect.REVEAL]
CHANGES = [case for case in CASES if case not in READS + REVEALS]


def other_way(name: str, words: str, says: str, call: str, **more: Any) -> Case:
    """An action of the table asked for something else, by which it makes calls that it does not make there."""
    return replace(BY_NAME[name], words=words, says=says, call=call, done=anything, **more)


GOOGLE = {"hosting": "google"}
OTHER_WAYS = [
    other_way("mailin-domain-buy", "acme.com", "acme.com is live.", "buy"),
    other_way("mailin-domain-buy", "acme.com", "acme.com is live.", "buy_google", fills=GOOGLE),
    other_way("mailin-domain-buy", "a.com b.com", "Both domains are live.", "buy_multiple_google", fills=GOOGLE),
    other_way("mailin-domain-buy-many", "acme.com", "acme.com is live.", "buy", files={}),
    other_way("mailin-domain-buy-many", "acme.com", "acme.com is live.", "buy_google", fills=GOOGLE, files={}),
    other_way("mailin-domain-buy-many", "a.com", "All 3 domains are live.", "buy_multiple_google", fills=GOOGLE),
    other_way("mailin-domain-check", "acme.com", "acme.com is taken.", "availability", ready=taken("acme.com")),
    other_way("mailin-domain-transfer", "acme.com", "acme.com is live.", "transfer_google", fills=GOOGLE),
    other_way(
        "mailin-domain-transfer",
        "acme.com",
        "acme.com is live.",
        "transfer_inboxkit",
        fills={"hosting": "inboxkit", "uid": "7d444840-9dc0-11d1-b245-5ffdce74fad2"},
    ),
    other_way(
        "mailin-mailbox-create",
        "ana@acme.com Ana Ruiz",
        "ana@acme.com exists.",
        "create_google_mailboxes",
        ready=own("acme.com", hosting="google"),
        fills=GOOGLE,
    ),
    other_way(
        "mailin-mailbox-forward",
        "ana@acme.com boss@other.com",
        "All mail of ana@acme.com goes to boss@other.com.",
        "change_forwarding",
        ready=boxes("ana@acme.com", hosting="google", forwarding="old@other.com"),
        fills={"what": "change"},
    ),
    other_way(
        "mailin-mailbox-forward",
        "ana@acme.com",
        "ana@acme.com",
        "remove_forwarding",
        ready=boxes("ana@acme.com", hosting="google", forwarding="old@other.com"),
        fills={"what": "remove"},
    ),
    other_way("mailin-verify-one", "ana@acme.com", "ana@acme.com is deliverable.", "single_result", ready=in_no_hurry),
    other_way(
        "mailin-postroom-order-add",
        "acme.com",
        "The order for acme.com is ready.",
        "order_nameservers",
        ready=both_known,
        fills={"names": "Ana Ruiz\nBo Li", "way": "transfer", "inbox_provider": "1", "registrar": "1"},
    ),
    other_way("mailin-postroom-order-status", "acme.com", "Smart", "upload_status", ready=uploaded_order),
    other_way(
        "mailin-postroom-order-inbox-provider",
        "acme.com",
        "The order for acme.com has no sequencer any more.",
        "remove_order_provider",
        ready=uploaded_order,
        fills={"what": "remove"},
    ),
    other_way(
        "instantly-campaign-options",
        "$campaign",
        "Instantly has taken the options of the campaign.",
        "accounts",
        ready=campaign_and_account,
        fills={"senders": "ana@acme.com", "tags": "spring"},
    ),
    other_way(
        "instantly-mailbox-limits",
        "ana@acme.com bo@acme.com",
        "All 2 sending accounts have the new limits now: daily limit 40.",
        "update_accounts",
        ready=two_accounts,
    ),
    other_way(
        "mailapi-mailbox-create", "team@acme.com", "team@acme.com is live.", "create_mailbox", ready=own("acme.com")
    ),
]


async def test_every_action_of_the_catalogue_is_in_the_table() -> None:
    there = {(provider, command) for command in CATALOGUE.commands() for provider in CATALOGUE.variants(command)}
    assert sorted((case.provider, case.command) for case in CASES) == sorted(there)


# The houses.


@dataclass(slots=True)
class Scene:
    """A case that is set: its house, the provider's books, and the words with their names put in."""

    case: Case
    house: House
    books: Any
    names: Names
    logged: list[Any]

    def said(self, text: Any) -> Any:
        """With the names put in, where it is a text."""
        return Template(text).safe_substitute(self.names) if isinstance(text, str) else text

    @property
    def command(self) -> str:
        return f"/{self.case.command} {self.said(self.case.words)}".strip()

    async def form(self, who: Person, command: str = "") -> Modal:
        """The form, with everything filled in that the words have not filled in."""
        form = await self.house.form(who, command or self.command, CHANNEL)
        await self.completed(who, form)
        return form

    async def completed(self, who: Person, form: Modal) -> None:
        more = {"reason": "For ACME"} if self.case.action.may_need_decision() else {}
        if form.values["account"] is None:
            more["account"] = f"{self.case.provider}-main"
        await who.fills(form, **{name: self.said(value) for name, value in self.case.fills.items()}, **more)
        for name, file in self.case.files.items():
            await who.attaches(form, entered.file_block(name), file)

    async def sends(self, who: Person, form: Modal) -> Modal:
        """Presses the button; gives what is seen when the provider has been asked."""
        sent = await who.submits(form)
        assert sent.result == "updated", sent
        await self.house.tick()
        assert who.modal is not None
        return who.modal

    async def asked(self, who: Person) -> Story:
        """Asked in the form, confirmed in the review where there is one, and approved where that is needed."""
        seen = await self.sends(who, await self.form(who))
        if seen.callback_id == "review":
            assert (await who.submits(seen)).result == "cleared"
        else:
            assert seen.reads("It is being done."), reading(seen.blocks)
        story = await self.house.story_of(who)
        if self.case.action.may_need_decision():
            assert await story.state() == "awaiting_approval"
            assert not self.books.calls[self.case.call], "it was done before anybody said yes"
            await self.house.omar.clicks(story.card, "approve")
        await self.house.runs_for(hours=2)
        return story

    async def answer(self, who: Person) -> str:
        """What is answered to what was typed, privately."""
        before = len(who.ephemerals(CHANNEL))
        await who.types(self.command, channel=CHANNEL)
        await self.house.tick()
        told = who.ephemerals(CHANNEL)[before:]
        assert len(told) == 1, [message.text for message in told]
        return content(told[0].blocks) or told[0].text

    def fails(self, fault: Fault | None = None) -> None:
        """The next time that the provider is asked for what the case is about, it says no; or whatever else."""
        self.books.faults.add(self.case.call, fault or Fault.answers(self.case.status))

    def others_see(self, who: Person) -> int:
        """How many messages there are that not only this person sees."""
        own = self.house.slack.dm(who.id).id
        places = [there for place, there in self.house.slack._messages.items() if place != own]
        return sum(message.ephemeral_to != who.id for there in places for message in there.values())


Setting = Callable[..., Awaitable[Scene]]


Made = dict[str, set[str]]
"""For each case, the documented calls that were made whenever it was played."""


@pytest.fixture(scope="module")
def ever_made() -> Made:
    return {}


@pytest_asyncio.fixture(loop_scope="module")
async def setting(stage: Setting, ever_made: Made) -> AsyncIterator[Setting]:
    """Sets the stage for a case; when it has been played, only calls were made that its action declares."""
    scenes: list[Scene] = []

    async def opened(case: Case, accounts: int = 1, *, is_ready: bool = True) -> Scene:
        scenes.append(await stage(case, accounts, is_ready=is_ready))
        return scenes[-1]

    yield opened
    for scene in scenes:
        declared = {*scene.case.action.calls, *OWN_CALLS[scene.case.provider]}
        made = {f"{call.method} {call.path}" for call in scene.books.arrived}
        found = {call: declared_for(call, declared) for call in made}
        assert [call for call, ones in found.items() if len(ones) != 1] == [], "made, and not (clearly) declared"
        ever_made.setdefault(str(scene.case), set()).update(*found.values())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Setting]:
    """Sets the stage for a case: in a house with one account at its provider, or with two."""
    houses: dict[tuple[str, int], House] = {}
    with structlog.testing.capture_logs() as logged:
        async with AsyncExitStack() as stack:

            async def opened(case: Case, accounts: int = 1, *, is_ready: bool = True) -> Scene:
                key = (case.provider, accounts)
                if key not in houses:
                    names = (f"{case.provider}-main", f"{case.provider}-spare")[:accounts]
                    folder: Path = tmp_path_factory.mktemp(f"{case.provider}{accounts}")
                    houses[key] = await stack.enter_async_context(
                        open_house(folder, accounts=names, job_seconds=JOB_SECONDS, quiet=False)
                    )
                house = houses[key]
                books = house.sandboxes[case.provider]
                house.clock.advance(hours=2)  # whatever was limited is so no longer
                emptied(books)
                names_given = case.ready(books)
                if not is_ready:
                    emptied(books)
                for who in (house.ana, house.omar, house.finn):
                    if who.modal is not None:
                        await who.closes(who.modal, everything=True)
                logged.clear()
                return Scene(case, house, books, names_given, logged)

            yield opened


def emptied(books: Any) -> None:
    """A sandbox as it was made, with its clock and the server in front of it."""
    fresh = type(books)(books.clock)
    if isinstance(fresh, MailinSandbox):
        fresh.job_seconds = JOB_SECONDS
    for one in fields(books):
        if one.name == "_tokens":  # who is logged in stays so
            continue
        setattr(books, one.name, getattr(fresh, one.name))


def content(blocks: Any) -> str:
    """Everything that can be read in blocks, tables and charts included."""
    texts: list[str] = []

    def walk(shape: Any) -> None:
        if isinstance(shape, list | tuple):
            for one in shape:
                walk(one)
        elif isinstance(shape, dict):
            for key, value in shape.items():
                if key in ("text", "label", "title") and isinstance(value, str):
                    texts.append(value)
                else:
                    walk(value)

    walk(list(blocks))
    return "\n".join(texts)


NOT_FOR_PEOPLE = re.compile(
    r"Traceback|[a-z]Error\b|Exception|\bNone\b(?! of)|object at"  # Python's
    r"|\{\"|\[\{|<html|\bHTTP\b|status \d"  # the wire's
)


def is_plain(text: str) -> bool:
    """Whether it is words for people: nothing of Python, HTTP or JSON in it."""
    return not NOT_FOR_PEOPLE.search(text)


def each(cases: list[Case]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=str)


# Words.


class TestWords:
    @each(READS)
    async def test_are_answered_at_once_to_the_asker_alone(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        ana = scene.house.ana
        before = scene.others_see(ana)

        said = await scene.answer(ana)

        assert scene.said(case.says) in said
        assert is_plain(said)
        assert scene.books.calls[case.call]
        assert scene.others_see(ana) == before
        assert await scene.house.inside.store.requests.of(ana.id, 1) == []
        assert ana.modal is None

    @each(CASES)
    async def test_fill_the_form(self, setting: Setting, case: Case) -> None:
        """Where somebody has to choose the account, what answers at once has a form too."""
        scene = await setting(case, accounts=2)

        form = await scene.house.form(scene.house.ana, scene.command, CHANNEL)

        stands = {name: scene.said(value) for name, value in case.stands.items()}
        assert {name: form.values[name] for name in stands} == stands
        asked_for: list[str] = []
        for name, one in entered.fields_of(case.action):
            asked_for += [name, entered.file_block(name)] if wanted_of(one) else [name]
        assert form.fields == ["account", *asked_for, *(["reason"] if case.action.may_need_decision() else [])]
        assert form.title == case.action.title

    @each(CASES)
    async def test_that_fit_nowhere_open_it_all_the_same(self, setting: Setting, case: Case) -> None:
        scene = await setting(case, accounts=2)

        form = await scene.house.form(scene.house.ana, f"/{case.command} $x -1.5 “ä” <b>&amp; a@b@c", CHANNEL)

        assert form.title == case.action.title
        assert broken(scene) == []

    @each(READS)
    async def test_that_fit_nowhere_are_answered_in_a_sentence(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        ana = scene.house.ana
        before = len(ana.ephemerals(CHANNEL))

        await ana.types(f"/{case.command} $x -1.5 “ä” <b>&amp; a@b@c", channel=CHANNEL)
        await scene.house.tick()

        told = ana.ephemerals(CHANNEL)[before:]
        assert len(told) == 1, [message.text for message in told]
        assert is_plain(content(told[0].blocks) or told[0].text), told[0].text
        assert "Something broke" not in told[0].text
        assert broken(scene) == []

    @each([case for case in READS if any(one.is_required() for one in case.action.model_fields.values())])
    async def test_that_are_missing_are_asked_for_in_the_form(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)

        form = await scene.house.form(scene.house.ana, f"/{case.command}", CHANNEL)

        assert form.title == case.action.title
        assert form.values["account"] == f"{case.provider}-main"

    @each(READS + REVEALS)
    async def test_are_answered_in_the_form(self, setting: Setting, case: Case) -> None:
        scene = await setting(case, accounts=2)
        omar = scene.house.omar
        before = scene.others_see(omar)

        seen = await scene.sends(omar, await scene.form(omar))

        assert seen.callback_id == "answer", content(seen.blocks)
        assert scene.said(case.says) in content(seen.blocks)
        assert is_plain(content(seen.blocks))
        assert scene.others_see(omar) == before
        assert case.done(scene.books)


@each(CASES)
async def test_clicks_lead_to_its_form_too(setting: Setting, case: Case) -> None:
    scene = await setting(case)
    ana, (noun, _) = scene.house.ana, case.command.split()
    await ana.types("/postroom help", channel=CHANNEL)

    await ana.clicks(ana.ephemerals(CHANNEL)[-1], f"catalogue:{noun}")
    picker = await ana.sees_modal("picker")
    await ana.clicks(picker, "pick", value=case.command)

    form = await ana.sees_modal("form")
    assert form.title == case.action.title


# Pages.


FORTY = [f"acme-{number:02}" for number in range(40)]


def forty(add: Callable[[Any, str], object], ending: str = "") -> Callable[[Any], list[str]]:
    """Puts forty things into the books; gives the names by which they are listed."""

    def ready(books: Any) -> list[str]:
        for name in FORTY:
            add(books, name + ending)
        return [name + ending for name in FORTY]

    return ready


def an_order(books: MailinSandbox, domain: str) -> None:
    number = 100 + len(books.orders)
    order(books)
    books.orders[number] = replace(books.orders.pop(7), id=number, domain=domain)


def own_with_forty(books: Any) -> list[str]:
    books.own("acme.com", mailboxes=40)
    [domain] = books.domains.values()
    return list(getattr(domain, "mailboxes", None) or books.mailboxes)


def ordered_mailboxes(books: MailinSandbox) -> list[str]:
    order(books)
    return [one["username"] for one in books.orders[7].mailboxes]


PAGED: Mapping[str, tuple[str, Callable[[Any], list[str]]]] = {
    "mailin-domain-list": ("acme", forty(lambda s, name: s.own(name), ".com")),
    "mailin-mailbox-list": ("acme", forty(lambda s, name: s.own_mailboxes(name), "@acme.com")),
    "mailin-verify-history": ("", forty(lambda s, name: s.ledger.append((name, -1)))),
    "mailin-postroom-orders": ("", forty(an_order, ".com")),
    "mailin-postroom-order-mailboxes": ("acme.com", ordered_mailboxes),
    "mailin-postroom-inbox-providers": (
        "",
        forty(lambda s, name: s.inbox_providers.update({s.next_id("inbox_provider"): {"name": name}})),
    ),
    "mailin-postroom-registrars": (
        "",
        forty(lambda s, name: s.registrars.update({s.next_id("registrar"): {"name": name}})),
    ),
    "scaledmail-prewarm-browse": ("google $40", forty(lambda s, name: s.put_on_shelf(name), ".com")),
    "scaledmail-prewarm-list": ("acme", forty(lambda s, name: s.own(name), ".com")),
    "scaledmail-domain-list": ("acme", forty(lambda s, name: s.own(name), ".com")),
    "scaledmail-domain-purchased": ("available", forty(lambda s, name: s.own(name, in_use=False), ".com")),
    "scaledmail-mailbox-list": ("acme.com", own_with_forty),
    "scaledmail-postroom-organizations": ("", forty(lambda s, name: s.organizations.update({name: "Org"}))),
    "smailor-domain-list": ("acme", forty(lambda s, name: s.own(name), ".com")),
    "smailor-domain-reputation": ("", forty(lambda s, name: s.own(name), ".com")),
    "smailor-postroom-templates": ("acme", forty(lambda s, name: s.add_template(name))),
    "instantly-mailbox-accounts": ("acme", forty(lambda s, name: s.add_account(name), "@acme.com")),
    "mailapi-domain-list": ("acme", forty(lambda s, name: s.own(name), ".com")),
    "mailapi-mailbox-list": ("acme.com", own_with_forty),
}


class TestPages:
    @each([case for case in READS if "page" in case.action.model_fields])
    async def test_show_each_thing_once(self, setting: Setting, case: Case) -> None:
        scene = await setting(case, is_ready=False)
        ana = scene.house.ana
        words, ready = PAGED[str(case)]
        there = ready(scene.books)
        await ana.types(f"/{case.command} {words}", channel=CHANNEL)
        await scene.house.tick()

        shown = Counter[str]()
        pages = 0
        while True:
            answer = ana.ephemerals(CHANNEL)[-1]
            pages += 1
            assert pages < 12, "it goes on for ever"
            lines = re.split(r"[\n`]", content(answer.blocks))
            shown.update(name for name in there if name in lines)
            if "Next →" not in lines:
                break
            await ana.clicks(answer, "Next →")
            await scene.house.tick()

        assert pages > 1
        assert shown == Counter(there)
        assert broken(scene) == []


# Mistakes.


CANDIDATES = ("§", "x" * 2999, " ", "-1", "123456789012", "ana@acme", "0", "a.b,c", "acme.com\n" * 3)


def wrong_for(action: type[Action], right: Mapping[str, Any], name: str) -> str | None:
    """A value that this field refuses when all others are right; None where it takes whatever is typed."""
    for candidate in CANDIDATES:
        typed = {**right, name: entered.in_lines(action.model_fields[name], candidate)}
        try:
            action.model_validate(typed)
        except ValidationError as refused:
            if {problem["loc"][0] for problem in refused.errors()} == {name}:
                return candidate
    return None


def typed_into(action: type[Action], form: Modal) -> dict[str, Any]:
    """What a form holds, by field, as the action takes it. A list is that of a ticked box."""
    return {
        name: True if isinstance(form.values[name], list) else entered.in_lines(one, form.values[name])
        for name, one in entered.fields_of(action)
        if form.values[name] not in (None, [])
    }


def longest_for(action: type[Action], right: Mapping[str, Any], name: str) -> str | None:
    """The longest text of words that this field takes, if it takes any, with markup and what markup is made of."""
    for length in (entered.LONGEST_TEXT, 1000, 500, 255, 200, 100, 50, 24):
        text = ("*a* & <b> `c` _d_\\ " * (length // 10))[: length - 1] + "z"
        try:
            action.model_validate({**right, name: text})
        except ValidationError:
            continue
        return text
    return None


FIELDS = [
    pytest.param(case, name, id=f"{case}-{name}")
    for case in CASES
    for name in [*(name for name, _ in entered.fields_of(case.action)), *(["reason"] * case.action.may_need_decision())]
]


class TestMistakes:
    @pytest.mark.parametrize(("case", "name"), FIELDS)
    async def test_stand_under_their_field(self, setting: Setting, case: Case, name: str) -> None:
        scene = await setting(case)
        ana, action = scene.house.ana, case.action
        if name != "reason" and _is_chosen(action, name):
            pytest.skip("a choice: there is nothing wrong to choose")
        scene = await setting(case, accounts=2)
        ana = scene.house.ana
        form = await scene.form(ana)
        if name == "reason":
            wrong: str | None = "  "
        else:
            wrong = wrong_for(action, typed_into(action, form), name)
        if wrong is None:
            pytest.skip("it takes whatever is typed")

        await ana.fills(form, **{name: wrong})
        sent = await ana.submits(form)

        errors = sent.errors
        if name in case.files:  # which has to be read first; then the form comes back with what is wrong
            label = entered.label_of(name, action.model_fields[name])
            said = content((await ana.sees_modal("form")).blocks)
            errors = {name: said.partition(f":warning: {label}: ")[2].partition("\n")[0]}
        assert sent.result == ("updated" if name in case.files else "errors"), sent
        assert list(errors) == [name]
        assert errors[name]
        assert is_plain(errors[name])
        assert not re.search(r"Value error|Input should|String should", errors[name])
        assert not sum(scene.books.calls.values()), "the provider was asked"


def _is_chosen(action: type[Action], name: str) -> bool:
    field = action.model_fields[name]
    return bare(field.annotation) is bool or bool(choices_of(field))


# The happy end.


class TestItIsDone:
    @each(CHANGES)
    async def test_once_and_the_thread_says_so(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)

        story = await scene.asked(scene.house.ana)

        assert await story.state() == "succeeded", story.thread
        assert story.thread[-1].startswith(":tada: <@U0ANA> ")
        assert scene.said(case.says) in story.thread[-1]
        assert all(is_plain(said) for said in story.thread), story.thread
        assert story.parent.reads("*Done.*")
        assert scene.books.calls[case.call] == 1
        assert case.done(scene.books)
        assert broken(scene) == []
        handed_over = [str(case.fills[name]) for name in case.action.secret_fields() if name in case.fills]
        kept = f"{scene.house.everything_shown()} {scene.logged} {everything_stored(scene.house)}"
        assert not [one for one in handed_over if one in kept]

    @each([case for case in CHANGES if _texts(case)])
    async def test_with_texts_as_long_as_they_may_be(self, setting: Setting, case: Case) -> None:
        """What people write goes into cards, threads and windows, which all have limits of their own."""
        scene = await setting(case)
        ana = scene.house.ana
        form = await scene.form(ana)
        right = typed_into(case.action, form)
        longest = {name: longest_for(case.action, right, name) for name in _texts(case)}
        await ana.fills(form, **{name: text for name, text in longest.items() if text})

        seen = await scene.sends(ana, form)
        if seen.callback_id == "review":
            assert (await ana.submits(seen)).result == "cleared"
        else:
            assert seen.reads("It is being done."), reading(seen.blocks)
        story = await scene.house.story_of(ana)
        if case.action.effect.needs_decision:
            await scene.house.omar.clicks(story.card, "approve")
        await scene.house.runs_for(hours=2)

        assert await story.state() == "succeeded", story.thread
        assert story.thread[-1].startswith(":tada: <@U0ANA> ")
        assert story.parent.reads("*Done.*")
        assert broken(scene) == []

    @each(REVEALS)
    async def test_shown_once_and_kept_nowhere(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        omar = scene.house.omar
        before = scene.others_see(omar)

        seen = await scene.sends(omar, await scene.form(omar))

        shown = content(seen.blocks)
        secret = case.secret(scene.books) if case.secret else re.findall(r"\b\d{6}\b", shown)[0]
        assert scene.said(case.says) in shown
        assert secret in shown
        assert scene.books.calls[case.call] == 1
        await omar.closes(seen, everything=True)
        assert scene.others_see(omar) == before
        assert secret not in scene.house.everything_shown()
        assert secret not in "\n".join(str(entry) for entry in scene.logged)
        assert secret not in everything_stored(scene.house)

    @each(REVEALS)
    async def test_not_shown_to_everybody(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        ana = scene.house.ana

        seen = await scene.sends(ana, await scene.form(ana))

        assert seen.reads("Credentials are shown only to those who may approve. Nothing was shown.")
        assert not scene.books.calls[case.call]


# The provider's no.


class TestItIsRefused:
    @each(CHANGES)
    async def test_the_thread_says_what_now(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        scene.fails()

        story = await scene.asked(scene.house.ana)

        assert await story.state() == "failed", story.thread
        last = story.thread[-1]
        assert last.startswith(":x: <@U0ANA> ")
        assert "*What to do now:* " in last
        assert all(is_plain(said) for said in story.thread), story.thread
        assert says_what_was_not_done(last), last
        assert scene.books.calls[case.call] == 1
        assert broken(scene) == []

    @each(READS)
    async def test_the_asker_is_told(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        scene.fails()
        before = scene.others_see(scene.house.ana)

        said = await scene.answer(scene.house.ana)

        assert is_plain(said), said
        assert has_cure(said), said
        assert scene.others_see(scene.house.ana) == before
        assert broken(scene) == []

    @each(REVEALS)
    async def test_nothing_is_shown(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        scene.fails()

        seen = await scene.sends(scene.house.omar, await scene.form(scene.house.omar))

        assert seen.callback_id == "notice"
        assert is_plain(content(seen.blocks)), content(seen.blocks)
        assert has_cure(content(seen.blocks)), content(seen.blocks)
        assert broken(scene) == []

    @each(CHANGES)
    async def test_no_clear_answer_is_looked_up_and_never_asked_again(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        scene.fails(Fault.cut_after())

        story = await scene.asked(scene.house.ana)

        state = await story.state()
        assert state in ("succeeded", "failed", "unknown"), story.thread
        assert scene.books.calls[case.call] == 1
        assert case.done(scene.books)
        assert any("It may or may not have happened" in said for said in story.thread), story.thread
        assert all(is_plain(said) for said in story.thread), story.thread
        if state != "succeeded":
            assert "*What to do now:* " in story.thread[-1]
        if state == "unknown":
            await scene.house.omar.clicks(story.card, "settle_happened")
            await scene.house.tick()
            assert await story.state() == "succeeded"
        assert broken(scene) == []

    @each(CHANGES)
    async def test_too_many_calls(self, setting: Setting, case: Case) -> None:
        """What costs money or cannot be undone is never sent again; anything else goes when there is room for it."""
        scene = await setting(case)
        scene.fails(Fault.answers(429, retry_after=3))

        story = await scene.asked(scene.house.ana)

        # Endpoint rows 36 and 58 only change something; their actions wait for a yes because of what that means.
        again = case.action.effect is Effect.WRITE or case.call in ("forward_email", "set_forwarding")
        assert await story.state() == ("succeeded" if again else "failed"), story.thread
        assert scene.books.calls[case.call] == (2 if again else 1)
        assert all(is_plain(said) for said in story.thread), story.thread
        assert again or "*What to do now:* " in story.thread[-1]
        assert not again or case.done(scene.books)
        assert broken(scene) == []

    @each(READS)
    async def test_an_answer_that_nobody_has_seen_before(self, setting: Setting, case: Case) -> None:
        scene = await setting(case)
        scene.fails(Fault.unknown_shape())

        said = await scene.answer(scene.house.ana)

        assert is_plain(said), said
        assert broken(scene) == []

    @each([case for case in CHANGES if case.ready is not nothing])
    async def test_what_is_not_there_is_not_asked_for(self, setting: Setting, case: Case) -> None:
        """The provider does not have it: the form says so, and nobody else hears of it."""
        scene = await setting(case, is_ready=False)
        ana = scene.house.ana
        before = scene.others_see(ana)

        form = await scene.form(ana)
        seen = await scene.sends(ana, form)

        assert seen.callback_id == "form"
        assert ":warning:" in content(seen.blocks)
        assert is_plain(content(seen.blocks)), content(seen.blocks)
        shown_again = {*form.fields} - {*case.action.secret_fields(), *map(entered.file_block, case.files)}
        typed = {name: value for name, value in form.values.items() if value and name in shown_again}
        assert {name: seen.values[name] for name in typed} == typed, "what was typed is lost"
        assert scene.others_see(ana) == before
        assert not scene.books.calls[case.call]
        assert broken(scene) == []

    @each([case for case in READS + REVEALS if case.ready is not nothing])
    async def test_what_is_not_there_cannot_be_shown(self, setting: Setting, case: Case) -> None:
        scene = await setting(case, accounts=2, is_ready=False)

        seen = await scene.sends(scene.house.omar, await scene.form(scene.house.omar))

        assert seen.callback_id in ("answer", "notice")
        assert is_plain(content(seen.blocks)), content(seen.blocks)
        assert broken(scene) == []


def everything_stored(house: House) -> str:
    """All that is in the database, as text."""
    tables = [name for (name,) in house.on_disk("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return json.dumps([house.on_disk(f"SELECT * FROM {name}") for name in tables], default=str)


# All providers in one house.


PROVIDERS = ("mailin", "scaledmail", "smailor", "instantly", "mailapi")
SHARED = [command for command in CATALOGUE.commands() if len(CATALOGUE.variants(command)) > 1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def together(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house with an account at each of them."""
    folder = tmp_path_factory.mktemp("together")
    async with open_house(folder, accounts=tuple(f"{name}-main" for name in PROVIDERS), quiet=False) as house:
        yield house


class TestTogether:
    async def test_the_help_names_every_command(self, together: House) -> None:
        await together.ana.types("/postroom help", channel=CHANNEL)
        await together.tick()

        told = dict(re.findall(r"^\*/(\w+)\* .*\n(.*)$", content(together.ana.ephemerals(CHANNEL)[-1].blocks), re.M))
        assert [f"{noun} {verb}" for noun in NOUNS for verb in told[noun].split(" · ")] == [
            command for noun in NOUNS for command in CATALOGUE.commands(noun)
        ]

    @pytest.mark.parametrize("noun", NOUNS)
    async def test_the_picker_offers_every_command_of_its_noun(self, together: House, noun: str) -> None:
        ana = together.ana
        if ana.modal is not None:
            await ana.closes(ana.modal, everything=True)
        await ana.types("/postroom help", channel=CHANNEL)
        await ana.clicks(ana.ephemerals(CHANNEL)[-1], f"catalogue:{noun}")

        picker = await ana.sees_modal("picker")

        offered = [block["accessory"]["value"] for block in picker.blocks if "accessory" in block]
        assert offered == CATALOGUE.commands(noun)

    @pytest.mark.parametrize("command", SHARED)
    async def test_the_form_follows_the_account(self, together: House, command: str) -> None:
        ana = together.ana
        if ana.modal is not None:
            await ana.closes(ana.modal, everything=True)
        form = await together.form(ana, f"/{command} acme.com", CHANNEL)

        for provider, action in [*CATALOGUE.variants(command).items()] * 2:
            await ana.chooses(form, "account", f"{provider}-main")
            await together.tick()
            inputs = [name for name in form.fields if not name.endswith(".file")]
            asked_for = [name for name, _ in entered.fields_of(action)]
            assert inputs == ["account", *asked_for, *(["reason"] if action.may_need_decision() else [])]
            assert form.title == action.title


def says_what_was_not_done(text: str) -> bool:
    return bool(re.search(r"[Nn]othing|[Nn]ot |not_done|:x:.*:x:", text))


def has_cure(text: str) -> bool:
    """Whether there is more than what happened: a second sentence."""
    return len(re.findall(r"[.:!?](?:\s|$)", text)) > 1


def broken(scene: Scene) -> list[Any]:
    """What Postroom logged of itself having broken."""
    return [entry for entry in scene.logged if entry.get("exc_info") or entry["event"].endswith("_broke")]


# What the actions declare.


@pytest.mark.parametrize("case", OTHER_WAYS, ids=lambda case: f"{case}-{case.call}")
async def test_it_can_be_asked_in_another_way(setting: Setting, case: Case) -> None:
    scene = await setting(case, accounts=2)

    if case.action.effect is Effect.READ:
        said = content((await scene.sends(scene.house.ana, await scene.form(scene.house.ana))).blocks)
    else:
        story = await scene.asked(scene.house.ana)
        assert await story.state() == "succeeded", story.thread
        said = story.thread[-1]

    assert scene.said(case.says) in said
    assert scene.books.calls[case.call]
    assert broken(scene) == []


async def test_every_declared_call_was_made(ever_made: Made, request: pytest.FixtureRequest) -> None:
    """The last test: over all of the above, each action has made all the calls that it declares."""
    asked, part = request.config.args, request.config.getoption
    if part("keyword") or part("lf", default=False) or any("::" in one for one in asked):
        pytest.skip("only a part of this file was played")

    idle = {name: {*case.action.calls} - ever_made[name] for name, case in BY_NAME.items()}

    assert {name: calls for name, calls in idle.items() if calls} == {}
