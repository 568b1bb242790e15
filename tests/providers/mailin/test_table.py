"""Every documented call as a row: what is sent, what is made of the answer, and what must not get about.

The answers are written as they are documented, broken JSON and all. Endpoint row 18 has no path and is not built.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import SecretStr

from providers.action import Effect
from providers.errors import BadAnswer, OutcomeUnknown, ProviderError, Rejected, Upstream
from providers.http import File
from providers.mailin.client import MailinClient
from providers.mailin.models import (
    AzureState,
    DomainStatus,
    InboxProviderDetails,
    JobState,
    MailboxStatus,
    NewAzureMailbox,
    NewGoogleMailbox,
    NewMailbox,
    RegistrarDetails,
    ServerState,
    TaskState,
    Verdict,
)
from providers.mailin.sandbox import SANDBOX_EMAIL, SANDBOX_PASSWORD, MailinSandbox, SandboxTask, serve

PREFIX = "/api/v1/public"
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
SAID = "S3CRET-of-mailin"
"""Stands wherever Mailin tells a password or a key."""
SENT = "S3CRET-of-ours"
"""Stands wherever one is sent."""
TOKEN = "1|S3CRET-token"
OUR_SECRETS = InboxProviderDetails(
    name="Smart", provider="smartlead", api_key=SecretStr(SENT), oauth_url="https://oauth.example"
)
REGISTRAR = RegistrarDetails(
    name="Our GoDaddy", provider="godaddy", api_key=SecretStr(SENT), secret_api_key=SecretStr(SENT), customer_id="7"
)
HUNDRED = [NewAzureMailbox(f"Box {n}", f"box{n}@azure.com") for n in range(100)]
CSV = File("list.csv", b"email\nann@acme.com\n", "text/csv")


def page(*items: dict[str, Any], **changed: Any) -> str:
    here = "https://api.mailin.ai/api/v1/public/elsewhere"
    whole = {
        "current_page": 1, "data": items, "first_page_url": f"{here}?page=1", "from": 1, "last_page": 5,
        "last_page_url": f"{here}?page=5", "next_page_url": f"{here}?page=2", "path": here, "per_page": 10,
        "prev_page_url": None, "to": 10, "total": 50,
    }  # fmt: skip
    return json.dumps({name: value for name, value in (whole | changed).items() if value is not ...})


def told(message: str = "Done.", **more: Any) -> str:
    return json.dumps({"message": message, **more})


JOB_ACCEPTED = f'{{\n"message": "Received.",\n"uuid" : "{UUID}"\n}}'
JOB_ACCEPTED_WITHOUT_COMMA = f'{{\n"message": "Received."\n"uuid" : "{UUID}"\n}}'
PHP = "{\n'message' => 'Updated.'\n}"
UNTIDY = '{\n"message": "Processed",\n}'
LISTED = {
    "id": 1, "name": "acme.com", "main_domain": "acme.com", "name_servers": "ns1.mailin.ai, ns2.mailin.ai",
    "name_server_status": "1", "status": "1", "domain_provider": "dynadot",
    "created_at": "2023-10-27T10:00:00.000000Z", "updated_at": "2023-10-27T10:00:00.000000Z",
}  # fmt: skip
SMTP_BOX = {
    "id": 101, "domain_id": 1, "name": "Ann", "username": "ann@acme.com", "password": SAID, "redirect_email": None,
    "status": "Active", "rate_limit": "50", "imap_host": "mail.acme.com", "imap_port": 993,
    "smtp_host": "mail.acme.com", "smtp_port": 465, "created_at": "2023-10-27T11:00:00.000000Z",
}  # fmt: skip
GOOGLE_BOX = {
    "id": 102, "domain_id": 2, "name": "Ann", "username": "ann@acme.com", "password": SAID, "signature": "Best, Ann",
    "redirect_email": None, "status": "1", "provider_type": "google",
}  # fmt: skip
PROVIDER = {"id": 1, "user_id": 5, "name": "Smart", "provider": "smartlead", "api_key": SAID, "username": None}
GODADDY = {"id": 1, "user_id": 5, "name": "Ours", "provider": "godaddy", "api_key": SAID, "username": "a@b.co"}
ORDER = {
    "id": 4, "user_id": 2, "full_name": ["Ann Lee"], "domain": "azure.com", "mailbox_mode": "auto", "provider_id": 1,
    "domain_registrar_id": 1, "is_purchase": 0, "created_at": "2026-02-12T12:36:01.000000Z",
    "provider": PROVIDER, "registrar": None,
    "mailboxes": [{"name": "Ann Lee", "username": "ann@azure.com", "password": SAID}],
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A call, what has to arrive for it, and what its documented answer means."""

    number: int
    effect: Effect
    call: Callable[[MailinClient], Awaitable[Any]]
    method: str
    path: str
    answer: str
    means: Callable[[Any], Any] = lambda got: got is None
    status: int = 200
    query: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, Any] | None = None
    prefix: str = PREFIX


READ, WRITE, SPEND, DESTROY, REVEAL = Effect.READ, Effect.WRITE, Effect.SPEND, Effect.DESTROY, Effect.REVEAL
FIRST = {"page": "1", "per_page": "10", "name": "acme"}
MOVED = told(name_servers=["ns-1.example", "ns-2.example"])


def is_job(got: Any) -> bool:
    return bool(got == UUID)


ROWS = [
    Row(
        17, REVEAL, lambda m: m.verify_credentials(), "POST", "/auth/login",
        json.dumps({"user_id": 1, "token": TOKEN}),
        json={"email": SANDBOX_EMAIL, "password": SANDBOX_PASSWORD, "device_name": "postroom"},
    ),
    Row(
        19, READ, lambda m: m.user(), "GET", "/users/1",
        json.dumps({"id": 1, "username": "ann", "email": "ann@acme.com", "mailboxes_slots": "50"}),
        lambda got: (got.id, got.mailboxes_slots, got.email) == (1, 50, "ann@acme.com"),
    ),
    Row(
        20, READ, lambda m: m.servers(), "GET", "/servers",
        json.dumps([{"id": 201, "state": "Running", "active": 1}, {"id": 202, "state": "Stopped", "active": 0}]),
        lambda got: [(s.id, s.state, s.active) for s in got]
        == [(201, ServerState.RUNNING, True), (202, ServerState.STOPPED, False)],
    ),
    Row(
        21, READ, lambda m: m.server(201), "GET", "/servers/201",
        json.dumps({"id": 201, "public_ip": "192.0.2.1", "hostname": "in-1", "state": "Running", "active": 1}),
        lambda got: (got.hostname, got.public_ip) == ("in-1", "192.0.2.1"),
    ),
    Row(
        22, WRITE, lambda m: m.transfer_inboxkit_domain("new.com", UUID), "POST", "/domains/transfer/inboxkit",
        told(domain_id="123"), lambda got: (got.domain_id, got.name_servers) == (123, ()), status=210,
        json={"domain_name": "new.com", "uid": UUID},
    ),
    Row(
        23, READ, lambda m: m.inboxkit_domains(1, 10, "acme"), "GET", "/domains/get/inboxkit-domains",
        page({"id": 1, "name": "acme.com", "status": "0", "domain_provider": "inboxkit"}),
        lambda got: (got.data[0].status, got.data[0].domain_provider, got.next_page)
        == (DomainStatus.INACTIVE, "inboxkit", 2),
        query=FIRST,
    ),
    Row(
        24, READ, lambda m: m.domains(1, 10, "acme"), "GET", "/domains", page(LISTED, {**LISTED, "name_servers": None}),
        lambda got: (got.data[0].status, got.data[0].name_servers, got.data[1].name_servers, got.total)
        == (DomainStatus.ACTIVE, ("ns1.mailin.ai", "ns2.mailin.ai"), (), 50),
        query=FIRST,
    ),
    Row(
        25, READ, lambda m: m.domain(1), "GET", "/domains/1",
        json.dumps({**LISTED, "main_domain": 1, "name_server_status": "Active", "status": "Active"}),
        lambda got: (got.status, got.main_domain) == (DomainStatus.ACTIVE, "1"),
    ),
    Row(
        26, READ, lambda m: m.is_available("new.com"), "GET", "/domains/check/domain-availability",
        json.dumps({"available": True, "message": "Free"}), lambda got: got is True, query={"domain_name": "new.com"},
    ),
    Row(
        27, SPEND, lambda m: m.buy_domain("new.com"), "POST", "/domains/buy", JOB_ACCEPTED, is_job, status=210,
        json={"domain_name": "new.com"},
    ),
    Row(
        28, WRITE, lambda m: m.add_subdomain("sales", "acme.com"), "POST", "/domains/add/subdomain", told(),
        status=201, json={"subdomain": "sales", "domain": "acme.com"},
    ),
    Row(
        29, SPEND, lambda m: m.buy_domains(["new.com", "newer.co"]), "POST", "/domains/buy-multiple",
        JOB_ACCEPTED_WITHOUT_COMMA, is_job, status=210, json={"domain_names": ["new.com", "newer.co"]},
    ),
    Row(
        30, WRITE, lambda m: m.transfer_domain("new.com"), "POST", "/domains/transfer", MOVED,
        lambda got: got.name_servers == ("ns-1.example", "ns-2.example"), status=210, json={"domain_name": "new.com"},
    ),
    Row(
        31, READ, lambda m: m.job_status(UUID), "GET", f"/domains/status/{UUID}",
        f'{{\n"id": {UUID},\n"status": "pending",\n"report": "BatchAddDomain",\n"data": [\n"10",\n"11"\n]\n}}',
        lambda got: (got.id, got.state, got.domain_ids) == (UUID, JobState.PENDING, ("10", "11")),
    ),
    Row(32, DESTROY, lambda m: m.delete_domain(1), "DELETE", "/domains/1", told()),
    Row(
        33, READ, lambda m: m.domain_rate_limit(1), "GET", "/domains/1/rate-limit",
        json.dumps({"id": 1, "name": "acme.com", "rate_limit": "500 / d"}),
        lambda got: (got.name, got.rate_limit) == ("acme.com", "500 / d"),
    ),
    Row(
        34, WRITE, lambda m: m.forward_domain(1, "to.com"), "POST", "/domains/forward", told(),
        json={"domain_id": 1, "forward_to": "to.com"},
    ),
    Row(
        35, WRITE, lambda m: m.remove_domain_forward(1), "POST", "/domains/remove/forward", told(),
        json={"domain_id": 1},
    ),
    Row(
        36, WRITE, lambda m: m.forward_domain_email(1, "ann@to.com"), "POST", "/domains/email/forward", told(),
        json={"domain_id": 1, "forward_to": "ann@to.com"},
    ),
    Row(
        37, READ, lambda m: m.mailboxes(1, 10, "acme"), "GET", "/mailboxes", page(SMTP_BOX),
        lambda got: (got.data[0].status, got.data[0].smtp_port, got.data[0].rate_limit, got.data[0].hosting)
        == (MailboxStatus.ACTIVE, 465, "50", "smtp"),
        query=FIRST,
    ),
    Row(
        38, READ, lambda m: m.mailbox(1), "GET", "/mailboxes/1",
        json.dumps({k: v for k, v in SMTP_BOX.items() if "host" not in k} | {"rate_limit": "500 / 1h"}),
        lambda got: (got.username, got.rate_limit, got.imap_host) == ("ann@acme.com", "500 / 1h", ""),
    ),
    Row(
        39, WRITE,
        lambda m: m.create_mailboxes(
            [NewMailbox("x@acme.com", "X", SecretStr(SENT)), NewMailbox("y@acme.com", "Y")]
        ),
        "POST", "/mailboxes", JOB_ACCEPTED, is_job, status=210,
        json={
            "mailboxes": [
                {"username": "x@acme.com", "name": "X", "password": SENT}, {"username": "y@acme.com", "name": "Y"}
            ]
        },
    ),
    Row(
        40, READ, lambda m: m.mailbox_job(UUID), "GET", f"/mailboxes/status/{UUID}",
        json.dumps({"id": UUID, "status": "pending", "data": [{**SMTP_BOX, "status": "1", "rate_limit": None}]}),
        lambda got: (got.state, got.mailboxes[0].status, got.mailboxes[0].rate_limit)
        == (JobState.PENDING, MailboxStatus.ACTIVE, None),
    ),
    Row(
        41, WRITE, lambda m: m.rename_mailbox(1, "Ann Lee"), "POST", "/mailboxes/1/name", PHP,
        json={"name": "Ann Lee"},
    ),
    Row(
        42, WRITE, lambda m: m.set_mailbox_password(1, SecretStr(SENT)), "POST", "/mailboxes/1/password", PHP,
        json={"password": SENT},
    ),
    Row(43, DESTROY, lambda m: m.delete_mailbox(1), "DELETE", "/mailboxes/1", told()),
    Row(
        44, READ, lambda m: m.mailbox_rate_limit(1), "GET", "/mailboxes/1/rate-limit",
        json.dumps({"id": 1, "username": "ann@acme.com", "rate_limit": "500 / 1h"}),
        lambda got: (got.name, got.rate_limit) == ("ann@acme.com", "500 / 1h"),
    ),
    Row(
        45, READ, lambda m: m.google_domains(1, 10, "acme"), "GET", "/domains/list/google",
        page({**LISTED, "provider_type": "google"}), lambda got: got.data[0].provider_type == "google", query=FIRST,
    ),
    Row(
        46, SPEND, lambda m: m.buy_google_domain("new.com"), "POST", "/domains/buy/google", JOB_ACCEPTED, is_job,
        status=210, json={"domain_name": "new.com"},
    ),
    Row(
        47, SPEND, lambda m: m.buy_google_domains(["new.com"]), "POST", "/domains/buy-multiple/google",
        JOB_ACCEPTED_WITHOUT_COMMA, is_job, status=210, json={"domain_names": ["new.com"]},
    ),
    Row(
        48, WRITE, lambda m: m.transfer_google_domain("new.com"), "POST", "/domains/transfer/google", MOVED,
        lambda got: len(got.name_servers) == 2, status=210, json={"domain_name": "new.com"},
    ),
    Row(
        49, READ, lambda m: m.google_mailboxes(1, 10, "acme"), "GET", "/mailboxes/list/google", page(GOOGLE_BOX),
        lambda got: (got.data[0].status, got.data[0].signature, got.data[0].hosting)
        == (MailboxStatus.ACTIVE, "Best, Ann", "google"),
        query=FIRST,
    ),
    Row(
        50, READ, lambda m: m.mailbox(2), "GET", "/mailboxes/2", json.dumps(GOOGLE_BOX),
        lambda got: (got.hosting, got.signature) == ("google", "Best, Ann"),
    ),
    Row(
        51, WRITE, lambda m: m.create_google_mailboxes([NewGoogleMailbox("x@google.com", "X", "Y")]), "POST",
        "/mailboxes/add/google", JOB_ACCEPTED, is_job, status=210,
        json={"mailboxes": [{"username": "x@google.com", "first_name": "X", "last_name": "Y"}]},
    ),
    Row(
        52, READ, lambda m: m.mailbox_job(UUID), "GET", f"/mailboxes/status/{UUID}",
        json.dumps({"id": UUID, "status": "1", "data": [GOOGLE_BOX, "17", {"id": 18}]}),
        lambda got: (got.state, [box.hosting for box in got.mailboxes]) == (JobState.COMPLETED, ["google"]),
    ),
    Row(
        53, WRITE, lambda m: m.rename_mailbox(2, "Ann Lee"), "POST", "/mailboxes/2/name", PHP,
        json={"name": "Ann Lee"},
    ),
    Row(
        54, REVEAL, lambda m: m.mailbox_totp(2), "POST", "/mailboxes/2/generate-totp",
        json.dumps({"error": False, "message": "ok", "totp": SAID, "expires_at": 1770360450}),
        lambda got: (got.code.get_secret_value(), got.expires_at) == (SAID, datetime.fromtimestamp(1770360450, UTC)),
    ),
    Row(
        55, REVEAL, lambda m: m.mailbox_credentials(2), "GET", "/mailboxes/2/show-credentials",
        json.dumps({"error": False, "password": SAID, "secret": SAID, "app_password": f"{SAID} a b "}),
        lambda got: [s.get_secret_value() for s in (got.password, got.totp_secret, got.app_password)]
        == [SAID, SAID, f"{SAID} a b"],
    ),
    Row(
        56, WRITE, lambda m: m.set_signature(2, "Best,\nAnn"), "POST", "/mailboxes/2/add-signature", UNTIDY,
        json={"signature": "Best,\nAnn"},
    ),
    Row(57, WRITE, lambda m: m.remove_signature(2), "DELETE", "/mailboxes/2/delete-signature", UNTIDY),
    Row(
        58, WRITE, lambda m: m.set_forwarding(2, "to@b.co"), "POST", "/mailboxes/2/forwarding/setup", UNTIDY,
        json={"forwarding_email": "to@b.co"},
    ),
    Row(
        59, WRITE, lambda m: m.change_forwarding(2, "to@b.co"), "POST", "/mailboxes/2/forwarding/update", UNTIDY,
        json={"forwarding_email": "to@b.co"},
    ),
    Row(60, WRITE, lambda m: m.remove_forwarding(2), "POST", "/mailboxes/2/google/forwarding", UNTIDY),
    Row(
        61, WRITE, lambda m: m.add_inbox_provider(OUR_SECRETS), "POST", "/inbox-providers/add", told(provider_id=1),
        lambda got: got == 1, status=201,
        json={"name": "Smart", "provider": "smartlead", "api_key": SENT, "oauth_url": "https://oauth.example"},
    ),
    Row(
        62, READ, lambda m: m.inbox_providers(1, 10), "GET", "/inbox-providers", page(PROVIDER),
        lambda got: (got.data[0].name, got.data[0].provider, got.data[0].username) == ("Smart", "smartlead", None),
        query={"per_page": "10"},
    ),
    Row(
        63, WRITE, lambda m: m.update_inbox_provider(1, OUR_SECRETS), "PUT", "/inbox-providers/update/1", told(),
        json={"provider": "smartlead", "api_key": SENT, "oauth_url": "https://oauth.example"},
    ),
    Row(64, DESTROY, lambda m: m.remove_inbox_provider(1), "DELETE", "/inbox-providers/delete/1", told()),
    Row(
        65, WRITE, lambda m: m.add_registrar(REGISTRAR), "POST", "/domain-registrars/add", told(id=1),
        lambda got: got == 1, status=201,
        json={
            "name": "Our GoDaddy", "provider": "godaddy", "api_key": SENT, "secret_api_key": SENT, "customer_id": "7"
        },
    ),
    Row(
        66, READ, lambda m: m.registrars(1, 10), "GET", "/domain-registrars", page(GODADDY),
        lambda got: (got.data[0].provider, got.data[0].username) == ("godaddy", "a@b.co"), query={"per_page": "10"},
    ),
    Row(
        67, WRITE, lambda m: m.update_registrar(1, REGISTRAR), "PUT", "/domain-registrars/update/1", told(),
        json={"provider": "godaddy", "api_key": SENT, "secret_api_key": SENT, "customer_id": "7"},
    ),
    Row(68, DESTROY, lambda m: m.remove_registrar(1), "DELETE", "/domain-registrars/1", told()),
    Row(
        69, SPEND,
        lambda m: m.add_azure_order("new.com", purchase=True, full_names=["Ann Lee", "Bo Ek"], provider_id=1),
        "POST", "/azure-orders/add", told(), status=201,
        json={
            "mailbox_mode": "auto", "full_name": ["Ann Lee", "Bo Ek"], "domain": "new.com", "is_purchase": 1,
            "provider_id": 1,
        },
    ),
    Row(
        70, READ, lambda m: m.azure_orders(1, 10), "GET", "/azure-orders",
        json.dumps({"current_page": 1, "data": [ORDER], "per_page": 10, "total": 11}),
        lambda got: (got.data[0].id, got.data[0].is_purchase, got.data[0].full_name, got.data[0].provider.name)
        == (4, False, ("Ann Lee",), "Smart")
        and got.data[0].registrar is None
        and got.data[0].mailboxes[0].username == "ann@azure.com"
        and got.next_page == 2,
        query={"per_page": "10"},
    ),
    Row(
        71, READ, lambda m: m.azure_nameservers(1), "GET", "/azure-orders/nameservers/1",
        json.dumps({"status": "ready", "nameservers": ["ns1.azure.com", "ns2.azure.com"]}),
        lambda got: (got.state, got.name_servers) == (AzureState.READY, ("ns1.azure.com", "ns2.azure.com")),
    ),
    Row(
        72, READ, lambda m: m.azure_order_status(1), "GET", "/azure-orders/status/1",
        json.dumps({"data": {"id": 1, "status": "ready"}}),
        lambda got: (got.id, got.state, got.raw_status) == (1, AzureState.READY, "ready"),
    ),
    Row(
        73, READ, lambda m: m.azure_mailboxes(1), "GET", "/azure-orders/get-mailboxes/1",
        json.dumps({"mailboxes": ORDER["mailboxes"]}), lambda got: [box.name for box in got] == ["Ann Lee"],
    ),
    Row(74, DESTROY, lambda m: m.remove_azure_order(1), "GET", "/azure-orders/remove/1", told()),
    Row(
        75, WRITE, lambda m: m.set_azure_redirect(1, "to.com"), "POST", "/azure-orders/set-redirect-domain/1", told(),
        json={"forward_to": "to.com"},
    ),
    Row(
        76, WRITE, lambda m: m.set_azure_inbox_provider(1, 1), "POST", "/azure-orders/set-inbox-provider/1", told(),
        json={"provider_id": 1},
    ),
    Row(
        77, WRITE, lambda m: m.remove_azure_inbox_provider(1), "POST", "/azure-orders/remove-inbox-provider/1", told()
    ),
    Row(78, WRITE, lambda m: m.reupload_azure_mailboxes(1), "POST", "/azure-orders/trigger-re-upload/1", told()),
    Row(
        79, READ, lambda m: m.azure_upload_status(1), "GET", "/azure-orders/get-inbox-provider-status/1",
        json.dumps(
            {
                "upload_status_summary": {
                    "total": 100, "uploaded": 98, "alreadyExistsOtherAccount": 2, "pending": 0, "failed": 0
                }
            }
        ),
        lambda got: (got.uploaded, got.already_elsewhere, got.is_finished, got.is_complete) == (98, 2, True, False),
        prefix="/api/v1",
    ),
    Row(
        80, SPEND, lambda m: m.verify_address("ann@acme.com", "standard"), "POST", "/verify-single-email",
        told(
            task_id="abc", email="ann@acme.com", status="success", score=95, result="deliverable", credit_used=1
        ),
        lambda got: (got.task_id, got.state, got.result, got.score, got.credits_used)
        == ("abc", TaskState.FINISHED, Verdict.DELIVERABLE, "95", 1),
        status=210, json={"email": "ann@acme.com", "type": "standard"},
    ),
    Row(
        81, READ, lambda m: m.verified_address("single_1"), "GET", "/get-single-email",
        json.dumps(
            {"task_id": "single_1", "email": "ann@acme.com", "status": "verifying", "result": None, "score": None,
             "credits_used": 1}
        ),
        lambda got: (got.state, got.result, got.score, got.credits_used) == (TaskState.RUNNING, None, None, 1),
        query={"task_id": "single_1"},
    ),
    Row(
        82, SPEND, lambda m: m.verify_file(CSV, "standard"), "POST", "/verify-bulk-file", told(task_id="bulk_9"),
        lambda got: got == "bulk_9", status=210,
        form={"file": ("list.csv", "text/csv", b"email\nann@acme.com\n"), "type": b"standard"},
    ),
    Row(
        83, SPEND, lambda m: m.verify_addresses(["ann@acme.com", "bo@acme.com"], "catch_all"), "POST",
        "/verify-bulk-emails", told(task_id="bulk_9"), lambda got: got == "bulk_9", status=210,
        form={"emails": b"ann@acme.com,bo@acme.com", "type": b"catch_all"},
    ),
    Row(
        84, READ, lambda m: m.verification_task("bulk_1"), "GET", "/get-task-detail",
        json.dumps(
            {"task_id": "bulk_1", "created_at": "2025-08-20 10:15:09", "total_rows": 500, "status": "finished",
             "deliverable": 420, "catch_all": 30, "invalid": 25, "unknown": 20, "duplicate": 5}
        ),
        lambda got: (got.state, got.total_rows, sum(got.counts.values()), list(got.counts))
        == (TaskState.FINISHED, 500, 500, ["deliverable", "catch_all", "invalid", "unknown", "duplicate"]),
        query={"task_id": "bulk_1"},
    ),
    Row(
        85, READ, lambda m: m.credit_history(1, 10), "GET", "/credit-history",
        page({"id": 12, "reason": "Bulk verification started", "credit": 0, "debit": 50, "total_credit": 450}),
        lambda got: (got.data[0].debit, got.data[0].total_credit) == (50, 450), query={"per_page": "10"},
    ),
    Row(
        86, READ, lambda m: m.credit_balance(), "GET", "/get-credits", json.dumps({"total_credits": 120000}),
        lambda got: got == 120000,
    ),
    Row(
        87, READ, lambda m: m.download_results("bulk_1", "deliverable"), "POST", "/download-verified-emails",
        json.dumps({"download_url": f"https://api.mailin.ai/storage/tmp/{SAID}.csv"}),
        lambda got: got.link.get_secret_value().endswith(f"{SAID}.csv"),
        form={"task_id": b"bulk_1", "download_type": b"deliverable"},
    ),
]  # fmt: skip
IDS = [str(row.number) for row in ROWS]


# A Mailin that writes down what arrives.


@dataclass(frozen=True)
class Arrived:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, Any]:
        kind = self.headers["content-type"]
        assert kind.startswith("multipart/form-data")
        parsed = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + self.body)
        fields: dict[str, Any] = {}
        for part in parsed.get_payload():  # type: ignore[union-attr]
            name, value = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)  # type: ignore[union-attr]
            file = part.get_filename()  # type: ignore[union-attr]
            fields[str(name)] = value if file is None else (file, part.get_content_type(), value)  # type: ignore[union-attr]
        return fields


class Recorder:
    """Answers every log-in, and every other call as it is told to, with a status and a text."""

    def __init__(self) -> None:
        self.url = ""
        self.arrived: list[Arrived] = []
        self.answer: tuple[int, str, dict[str, str]] = (200, "{}", {})

    @property
    def calls(self) -> list[Arrived]:
        return [call for call in self.arrived if not call.path.endswith("/auth/login")]

    def say(self, status: int, text: str, **headers: str) -> None:
        self.answer = (status, text, headers)
        self.arrived.clear()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await self._one(reader, writer)
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        url = urlsplit(target)
        self.arrived.append(Arrived(method, url.path, dict(parse_qsl(url.query)), headers, body))
        answer = self.answer
        if url.path.endswith("/auth/login"):
            answer = (200, json.dumps({"user_id": 1, "token": TOKEN}), {})
        status, text, more = answer
        content = text.encode()
        extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in more.items())
        writer.write(f"HTTP/1.1 {status} Said\r\nContent-Length: {len(content)}\r\n{extra}\r\n".encode() + content)
        await writer.drain()


@asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    server = await asyncio.start_server(recorder.handle, "127.0.0.1", 0)
    recorder.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield recorder
    finally:
        server.close()
        await asyncio.sleep(0)


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    async with recording() as recorder:
        yield recorder


OpenAccount = Callable[..., MailinClient]


def test_every_row_is_here_once() -> None:
    assert [row.number for row in ROWS] == [17, *range(19, 88)]


@pytest.mark.parametrize("row", ROWS, ids=IDS)
async def test_what_is_sent_and_what_the_answer_means(recorder: Recorder, open_account: OpenAccount, row: Row) -> None:
    mailin = open_account(base_url=recorder.url)
    recorder.say(row.status, row.answer)
    got = await row.call(mailin)

    call = recorder.arrived[-1]
    assert (call.method, call.path, call.query) == (row.method, row.prefix + row.path, dict(row.query))
    assert call.headers["user-agent"].startswith("Postroom/")
    assert call.headers["accept"] == "application/json"
    assert call.headers.get("authorization") == (None if row.number == 17 else f"Bearer {TOKEN}")
    if row.json is not None:
        assert call.headers["content-type"] == "application/json"
        assert json.loads(call.body) == row.json
    elif row.form is not None:
        assert call.form == row.form
    else:
        assert call.body == b""
    assert row.means(got), got
    assert len(recorder.calls) == (0 if row.number == 17 else 1)


async def test_the_manual_mode_of_an_order(recorder: Recorder, open_account: OpenAccount) -> None:
    recorder.say(201, told())
    await open_account(base_url=recorder.url).add_azure_order(
        "azure.com", purchase=False, mailboxes=HUNDRED, registrar_id=3
    )
    sent = json.loads(recorder.calls[-1].body)
    assert (sent["mailbox_mode"], sent["is_purchase"], sent["domain_registrar_id"]) == ("manual", 0, 3)
    assert sent["mailboxes"][99] == {"name": "Box 99", "email": "box99@azure.com"}
    assert len(sent["mailboxes"]) == 100
    assert not sent.keys() & {"full_name", "provider_id"}


# Every row at the simulated Mailin.


def furnished(clock: Any) -> MailinSandbox:
    """Something of everything: all that the rows' calls are about has the id that they name."""
    sandbox = MailinSandbox(clock)
    sandbox.own_mailboxes("ann@acme.com")
    sandbox.own_mailboxes("ann@google.com", hosting="google")
    sandbox.own("kit-acme.com", hosting="inboxkit")
    sandbox.inbox_providers[1] = {"name": "Smart", "provider": "smartlead", "api_key": SAID}
    sandbox.registrars[1] = {"name": "Ours", "provider": "godaddy", "api_key": SAID}
    job = sandbox.begin_job(["ann@acme.com"], ["ann@acme.com"], "smtp")
    sandbox.mailbox_jobs[UUID] = sandbox.jobs[UUID] = job
    job.id = UUID
    for number, is_bulk in enumerate((True, False), start=1):
        name = "bulk_1" if is_bulk else "single_1"
        sandbox.tasks[name] = SandboxTask(
            name, "standard", ("ann@acme.com",), clock.now(), clock.now(), cost=number, is_bulk=is_bulk
        )
    return sandbox


async def add_an_order(mailin: MailinClient) -> None:
    await mailin.add_azure_order("azure.com", purchase=True, full_names=["Ann Lee"], provider_id=1)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
async def test_the_simulated_mailin_knows_it(clock: Any, open_account: OpenAccount, row: Row) -> None:
    sandbox = furnished(clock)
    async with serve(sandbox) as running:
        mailin = open_account(base_url=running.url)
        await add_an_order(mailin)
        before = sum(sandbox.calls.values())
        await row.call(mailin)
    assert sum(sandbox.calls.values()) == before + 1


async def test_an_upload_is_asked_about_at_both_addresses(recorder: Recorder, open_account: OpenAccount) -> None:
    recorder.say(503, "{}")
    with pytest.raises(Upstream):
        await open_account(base_url=recorder.url).azure_upload_status(1)
    assert len(recorder.calls) == 3


# What must not get about.


def told_by(thing: Any) -> str:
    texts = [repr(thing), str(thing)]
    if isinstance(thing, BaseException):
        texts += [*traceback.format_exception(thing), repr(vars(thing))]
    if hasattr(thing, "model_dump_json"):
        texts.append(thing.model_dump_json())
    return "".join(texts)


async def test_secrets_are_nowhere(recorder: Recorder, open_account: OpenAccount, everything_logged: Any) -> None:
    """Neither what Mailin tells nor what it is told; not even where it repeats it in a refusal."""
    seen: list[str] = []
    for row in ROWS:
        mailin = open_account(base_url=recorder.url)
        recorder.say(row.status, row.answer)
        seen.append(told_by(await row.call(mailin)))
        ours = SENT if SENT.encode() in recorder.arrived[-1].body else ""
        words = f"No: {ours}, {TOKEN} and {SANDBOX_PASSWORD}."
        refusal = told(words, errors={"field": [words], "other": [words]}, unavailable=[ours])
        for status, text in ((422, refusal), (500, refusal), (200, "<html>"), (200, told(words, error=True))):
            recorder.say(status, text)
            try:
                seen.append(told_by(await row.call(mailin)))
            except ProviderError as error:
                seen.append(told_by(error))
    everything = "".join(seen) + everything_logged.getvalue()
    for secret in (SAID, SENT, TOKEN, TOKEN.split("|")[1], SANDBOX_PASSWORD, SANDBOX_EMAIL):
        assert secret not in everything
    assert not re.search(r"ann@|@acme", everything_logged.getvalue())


async def test_a_refusal_inside_a_success(recorder: Recorder, open_account: OpenAccount) -> None:
    """`error: true` is a "no", except where money or something lasting hangs on it: there it is unclear."""
    recorder.say(200, json.dumps({"error": True, "message": "Not for this one."}))
    for row in ROWS[1:]:
        with pytest.raises(ProviderError, match="Not for this one") as error:
            await row.call(open_account(base_url=recorder.url))
        unclear = row.effect in (SPEND, DESTROY)
        assert type(error.value) is (OutcomeUnknown if unclear else Rejected), row.number


async def test_an_answer_nobody_has_seen(recorder: Recorder, open_account: OpenAccount) -> None:
    """Nothing is read into it. A purchase is unclear then; of another change the status says enough."""
    for text in ('{"result": {"ok": 1}}', "<html>", "null"):
        recorder.say(200, text)
        for row in ROWS[1:]:
            mailin = open_account(base_url=recorder.url)
            if row.effect in (READ, REVEAL):
                with pytest.raises(BadAnswer):
                    await row.call(mailin)
            elif row.effect is SPEND or row.number in (39, 51):
                with pytest.raises(OutcomeUnknown):
                    await row.call(mailin)
            else:
                await row.call(mailin)


async def test_nothing_to_list(recorder: Recorder, open_account: OpenAccount) -> None:
    mailin = open_account(base_url=recorder.url)
    listings = [row for row in ROWS if "per_page" in row.query]
    assert [row.number for row in listings] == [23, 24, 37, 45, 49, 62, 66, 70, 85]
    for text in (page(last_page=1, total=0), page(last_page=..., total=...), "[]"):
        recorder.say(200, text)
        for row in listings:
            got = await row.call(mailin)
            assert (got.data, got.total, got.next_page) == ((), 0, None), row.number
