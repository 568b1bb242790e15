"""What can be asked of Smailor, each as it is played."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from providers.smailor.sandbox import SandboxMailbox
from tests.e2e.actions.case import Case, Names, forty, own


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


CASES = [
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

OTHER_WAYS: list[Case] = []


PAGED: Mapping[str, tuple[str, Callable[[Any], list[str]]]] = {
    "smailor-domain-list": ("acme", forty(lambda s, name: s.own(name), ".com")),
    "smailor-domain-reputation": ("", forty(lambda s, name: s.own(name), ".com")),
    "smailor-postroom-templates": ("acme", forty(lambda s, name: s.add_template(name))),
}
