"""The simulated Mailin's mailboxes: made in batches, changed, and opened."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from providers.mailin.sandbox.operations import Operation
from providers.mailin.sandbox.speaking import (
    Api,
    Endpoint,
    accepted,
    invalid,
    page_of,
    required,
    said,
    said_in_php,
    said_untidily,
    stamp,
    word_of,
)
from providers.mailin.sandbox.state import SandboxHosting, SandboxMailbox
from providers.simulator import Fault, json_object, part

TOTP_SECONDS = 30


class MailboxApi(Api):
    """Endpoint rows 37 to 44, 49 to 60."""

    def endpoints(self) -> list[Endpoint]:
        """What is answered here."""
        one = "/mailboxes/{mailbox_id:int}"
        return [
            ("GET", "/mailboxes", Operation.MAILBOXES, self.mailboxes),
            ("POST", "/mailboxes", Operation.CREATE_MAILBOXES, self.create),
            ("GET", "/mailboxes/list/google", Operation.GOOGLE_MAILBOXES, self.google_mailboxes),
            ("POST", "/mailboxes/add/google", Operation.CREATE_GOOGLE_MAILBOXES, self.create_google),
            ("GET", "/mailboxes/status/{job_id}", Operation.MAILBOX_JOB, self.job),
            ("GET", one, Operation.MAILBOX, self.mailbox),
            ("DELETE", one, Operation.DELETE_MAILBOX, self.delete),
            ("POST", f"{one}/name", Operation.RENAME_MAILBOX, self.rename),
            ("POST", f"{one}/password", Operation.MAILBOX_PASSWORD, self.set_password),
            ("GET", f"{one}/rate-limit", Operation.MAILBOX_RATE_LIMIT, self.rate_limit),
            ("POST", f"{one}/generate-totp", Operation.TOTP, self.totp),
            ("GET", f"{one}/show-credentials", Operation.CREDENTIALS, self.credentials),
            ("POST", f"{one}/add-signature", Operation.ADD_SIGNATURE, self.add_signature),
            ("DELETE", f"{one}/delete-signature", Operation.DELETE_SIGNATURE, self.delete_signature),
            ("POST", f"{one}/forwarding/setup", Operation.SET_FORWARDING, self.set_forwarding),
            ("POST", f"{one}/forwarding/update", Operation.CHANGE_FORWARDING, self.change_forwarding),
            ("POST", f"{one}/google/forwarding", Operation.REMOVE_FORWARDING, self.remove_forwarding),
        ]

    # Seeing.

    async def mailboxes(self, request: Request, fault: Fault | None) -> Response:
        """SMTP's, with passwords in clear."""
        return self._listing(request, "smtp")

    async def google_mailboxes(self, request: Request, fault: Fault | None) -> Response:
        """Google's, with passwords in clear."""
        return self._listing(request, "google")

    async def mailbox(self, request: Request, fault: Fault | None) -> Response:
        """One: of SMTP's with fewer facts than in the listing, and another limit."""
        mailbox = self._asked_for(request)
        if mailbox is None:
            return self._missing(request)
        shown = self._shown(mailbox)
        if mailbox.hosting == "smtp":
            shown = {name: fact for name, fact in shown.items() if not name.startswith(("imap_", "smtp_"))}
            encrypted = hashlib.sha256(mailbox.password.encode()).hexdigest()
            shown |= {"password": encrypted, "rate_limit": "500 / 1h"}
        return JSONResponse(shown)

    async def rate_limit(self, request: Request, fault: Fault | None) -> Response:
        """How much it may send."""
        mailbox = self._asked_for(request)
        if mailbox is None:
            return self._missing(request)
        return JSONResponse({"id": mailbox.id, "username": mailbox.username, "rate_limit": "500 / 1h"})

    # Creating.

    async def create(self, request: Request, fault: Fault | None) -> Response:
        """SMTP's; a password is made up for whoever brings none."""
        return await self._create(request, fault, "smtp", ("username", "name"))

    async def create_google(self, request: Request, fault: Fault | None) -> Response:
        """Google's."""
        return await self._create(request, fault, "google", ("username", "first_name", "last_name"))

    async def job(self, request: Request, fault: Fault | None) -> Response:
        """How a batch is getting on, with every password in it."""
        job = self._sandbox.mailbox_jobs.get(request.path_params["job_id"])
        if job is None:
            return said("Mailbox not found.", 404)
        state = word_of(job.state(self.now).value, fault)
        made = [box for box in self._sandbox.mailboxes.values() if box.username in job.domains]
        made = made[: math.floor(len(made) * job.share(self.now))]
        return JSONResponse(
            {
                "id": job.id,
                "status": state,
                "report": job.report("BatchAddMailboxes", state, self.now),
                "data": [self._shown(box) | {"status": "1"} for box in made],
            }
        )

    # Changing.

    async def rename(self, request: Request, fault: Fault | None) -> Response:
        """Answered in PHP."""
        mailbox, body = self._asked_for(request), await json_object(request)
        if refused := self._missing(request) if mailbox is None else required(body, "name"):
            return refused
        assert mailbox is not None
        mailbox.name = str(body["name"])
        return said_in_php("Mailbox name has been updated.")

    async def set_password(self, request: Request, fault: Fault | None) -> Response:
        """Answered in PHP."""
        mailbox, body = self._asked_for(request), await json_object(request)
        if refused := self._missing(request) if mailbox is None else required(body, "password"):
            return refused
        assert mailbox is not None
        if len(str(body["password"])) < 8:
            return invalid({"password": "The password must be at least 8 characters."})
        mailbox.password = str(body["password"])
        return said_in_php("Mailbox password has been updated.")

    async def delete(self, request: Request, fault: Fault | None) -> Response:
        """For ever."""
        mailbox = self._asked_for(request)
        if mailbox is None:
            return self._missing(request)
        del self._sandbox.mailboxes[mailbox.id]
        return said("Mailbox removed.")

    async def add_signature(self, request: Request, fault: Fault | None) -> Response:
        """Google's only; answered with a comma too many, as are the next four."""
        return await self._set(request, "signature", "signature", "Signatures processed successfully")

    async def delete_signature(self, request: Request, fault: Fault | None) -> Response:
        """Google's only."""
        return await self._set(request, None, "signature", "Signatures removed successfully")

    async def set_forwarding(self, request: Request, fault: Fault | None) -> Response:
        """Google's only."""
        return await self._set(request, "forwarding_email", "forwarding", "Forwardng processed successfully")

    async def change_forwarding(self, request: Request, fault: Fault | None) -> Response:
        """Google's only."""
        return await self._set(request, "forwarding_email", "forwarding", "Forwardng update processed successfully")

    async def remove_forwarding(self, request: Request, fault: Fault | None) -> Response:
        """Google's only."""
        return await self._set(request, None, "forwarding", "Forwardng remove processed successfully")

    # Opening.

    async def totp(self, request: Request, fault: Fault | None) -> Response:
        """A code; its refusal for another mailbox than Google's is a 200."""
        mailbox = self._asked_for(request)
        if mailbox is None:
            return self._missing(request)
        if mailbox.hosting != "google":
            return JSONResponse({"error": True, "message": "This mailbox is not connected with google."})
        ends = (int(self.now.timestamp()) // TOTP_SECONDS + 1) * TOTP_SECONDS
        code = int(hashlib.sha256(f"{mailbox.totp_secret}{ends}".encode()).hexdigest(), 16) % 1_000_000
        return JSONResponse(
            {"error": False, "message": "Mailbox TOTP generated", "totp": f"{code:06}", "expires_at": ends}
        )

    async def credentials(self, request: Request, fault: Fault | None) -> Response:
        """Everything; the app password ends in a space."""
        mailbox = self._asked_for(request)
        if mailbox is None:
            return self._missing(request)
        if mailbox.hosting != "google":
            return JSONResponse({"error": True, "message": "This mailbox is not connected with google."})
        return JSONResponse(
            {
                "error": False,
                "message": "Mailbox credentials retrieved",
                "password": mailbox.password,
                "secret": mailbox.totp_secret,
                "app_password": f"{mailbox.app_password} ",
            }
        )

    # Details.

    async def _create(
        self, request: Request, fault: Fault | None, hosting: SandboxHosting, needed: tuple[str, ...]
    ) -> Response:
        wanted = (await json_object(request)).get("mailboxes")
        if not isinstance(wanted, list) or not wanted or not all(isinstance(one, dict) for one in wanted):
            return invalid({"mailboxes": "The mailboxes field is required."})
        problems = {
            f"mailboxes.{index}.{name}": problem
            for index, one in enumerate(wanted)
            for name, problem in self._problems(one, hosting, needed).items()
        }
        if problems:
            return invalid(problems)
        if len(self._sandbox.mailboxes) + len(wanted) > self._sandbox.mailbox_slots:
            return said("You do not have an active subscription for more mailboxes.", 312)
        done = part(wanted, fault)
        job = self._sandbox.begin_job(
            [str(one["username"]) for one in wanted], [one["username"] for one in done], hosting
        )
        self._sandbox.mailbox_jobs[job.id] = job
        for one in done:
            if one["username"] not in self._sandbox.failing:
                name = one.get("name") or f"{one.get('first_name')} {one.get('last_name')}"
                self._sandbox.add_mailbox(one["username"], name, hosting, password=one.get("password"))
        return accepted(job.id)

    def _problems(self, one: Mapping[str, Any], hosting: SandboxHosting, needed: tuple[str, ...]) -> dict[str, str]:
        problems = {name: f"The {name} field is required." for name in needed if not one.get(name)}
        username = str(one.get("username", ""))
        domain = self._sandbox.domains.get(username.partition("@")[2])
        if "username" not in problems and (domain is None or domain.hosting != hosting):
            problems["username"] = f"domain '{username.partition('@')[2]}' is not registered"
        elif self._sandbox.has_mailbox(username):
            problems["username"] = f"mailbox '{username}' is already registered to your account"
        if one.get("password") is not None and not 8 <= len(str(one["password"])) <= 24:
            problems["password"] = "The password must be between 8 and 24 characters."  # noqa: S105 (a sentence)
        return problems

    async def _set(self, request: Request, sent_as: str | None, kept_as: str, told: str) -> Response:
        mailbox, body = self._asked_for(request), await json_object(request)
        if mailbox is None:
            return self._missing(request)
        if sent_as is not None and (refused := required(body, sent_as)):
            return refused
        if mailbox.hosting != "google":
            return said("This mailbox is not connected with google.", 422)
        setattr(mailbox, kept_as, None if sent_as is None else str(body[sent_as]))
        return said_untidily(told)

    def _asked_for(self, request: Request) -> SandboxMailbox | None:
        mailbox = self._sandbox.mailboxes.get(request.path_params["mailbox_id"])
        return mailbox if mailbox is not None and mailbox.listed_at <= self.now else None

    def _missing(self, request: Request) -> Response:
        if self._sandbox.missing_mailbox == 500:
            asked = request.path_params["mailbox_id"]
            return said(f"No query results for model [App\\Models\\Mailbox] {asked}", 500)
        return said("Not Found", 404)

    def _listing(self, request: Request, hosting: SandboxHosting) -> Response:
        wanted, now = request.query_params.get("name", "").lower(), self.now
        found = [
            box
            for box in self._sandbox.mailboxes.values()
            if box.hosting == hosting
            and box.listed_at <= now
            and (wanted in box.username.lower() or wanted in box.name.lower())
        ]
        return JSONResponse(page_of(request, found, show=self._shown))

    def _shown(self, mailbox: SandboxMailbox) -> dict[str, object]:
        host = f"mail.{mailbox.username.partition('@')[2]}"
        google = {"signature": mailbox.signature, "status": "1", "provider_type": "google"}
        smtp = {"status": "Active", "rate_limit": "50", "imap_host": host, "imap_port": 993}
        smtp |= {"smtp_host": host, "smtp_port": 465}
        return {
            "id": mailbox.id,
            "domain_id": mailbox.domain_id,
            "name": mailbox.name,
            "username": mailbox.username,
            "password": mailbox.password,
            "redirect_email": mailbox.forwarding,
            **(google if mailbox.hosting == "google" else smtp),
            "created_at": stamp(mailbox.made_at),
            "updated_at": stamp(mailbox.made_at),
        }
