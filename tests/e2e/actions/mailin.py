"""What can be asked of Mailin, each as it is played."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from providers.mailin.sandbox import MailinSandbox, SandboxOrder, SandboxTask
from tests.e2e.actions.case import Case, Names, forty, other_way, own


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


CASES = [
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


GOOGLE = {"hosting": "google"}

OTHER_WAYS: list[Case] = [
    other_way(CASES, "mailin-domain-buy", "acme.com", "acme.com is live.", "buy"),
    other_way(CASES, "mailin-domain-buy", "acme.com", "acme.com is live.", "buy_google", fills=GOOGLE),
    other_way(CASES, "mailin-domain-buy", "a.com b.com", "Both domains are live.", "buy_multiple_google", fills=GOOGLE),
    other_way(CASES, "mailin-domain-buy-many", "acme.com", "acme.com is live.", "buy", files={}),
    other_way(CASES, "mailin-domain-buy-many", "acme.com", "acme.com is live.", "buy_google", fills=GOOGLE, files={}),
    other_way(CASES, "mailin-domain-buy-many", "a.com", "All 3 domains are live.", "buy_multiple_google", fills=GOOGLE),
    other_way(CASES, "mailin-domain-check", "acme.com", "acme.com is taken.", "availability", ready=taken("acme.com")),
    other_way(CASES, "mailin-domain-transfer", "acme.com", "acme.com is live.", "transfer_google", fills=GOOGLE),
    other_way(
        CASES,
        "mailin-domain-transfer",
        "acme.com",
        "acme.com is live.",
        "transfer_inboxkit",
        fills={"hosting": "inboxkit", "uid": "7d444840-9dc0-11d1-b245-5ffdce74fad2"},
    ),
    other_way(
        CASES,
        "mailin-mailbox-create",
        "ana@acme.com Ana Ruiz",
        "ana@acme.com exists.",
        "create_google_mailboxes",
        ready=own("acme.com", hosting="google"),
        fills=GOOGLE,
    ),
    other_way(
        CASES,
        "mailin-mailbox-forward",
        "ana@acme.com boss@other.com",
        "All mail of ana@acme.com goes to boss@other.com.",
        "change_forwarding",
        ready=boxes("ana@acme.com", hosting="google", forwarding="old@other.com"),
        fills={"what": "change"},
    ),
    other_way(
        CASES,
        "mailin-mailbox-forward",
        "ana@acme.com",
        "ana@acme.com",
        "remove_forwarding",
        ready=boxes("ana@acme.com", hosting="google", forwarding="old@other.com"),
        fills={"what": "remove"},
    ),
    other_way(
        CASES, "mailin-verify-one", "ana@acme.com", "ana@acme.com is deliverable.", "single_result", ready=in_no_hurry
    ),
    other_way(
        CASES,
        "mailin-postroom-order-add",
        "acme.com",
        "The order for acme.com is ready.",
        "order_nameservers",
        ready=both_known,
        fills={"names": "Ana Ruiz\nBo Li", "way": "transfer", "inbox_provider": "1", "registrar": "1"},
    ),
    other_way(CASES, "mailin-postroom-order-status", "acme.com", "Smart", "upload_status", ready=uploaded_order),
    other_way(
        CASES,
        "mailin-postroom-order-inbox-provider",
        "acme.com",
        "The order for acme.com has no sequencer any more.",
        "remove_order_provider",
        ready=uploaded_order,
        fills={"what": "remove"},
    ),
]


def an_order(books: MailinSandbox, domain: str) -> None:
    number = 100 + len(books.orders)
    order(books)
    books.orders[number] = replace(books.orders.pop(7), id=number, domain=domain)


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
}
