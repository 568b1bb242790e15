"""Mailin's endpoints about verifying addresses, and the credits that it costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import SecretBytes

from providers.action import Effect
from providers.errors import BadAnswer, OutcomeUnknown, Rejected
from providers.http import File
from providers.mailin.lenient import OptionalSecret, Page, Shape
from providers.mailin.models import (
    CreditEntry,
    Credits,
    Download,
    SingleVerification,
    StartedTask,
    VerificationTask,
    VerificationType,
)
from providers.mailin.session import PER_PAGE, REFUSED, Reply, Session, as_refusal

MOST_ADDRESSES = 500
"""In one list of addresses (endpoint row 83)."""
MOST_FILE_BYTES = 25 * 1024 * 1024
"""Of one file (endpoint row 82)."""

_MAY_TELL_OF_A_TASK = frozenset({400, REFUSED, 422})
"""With which statuses Mailin says that a task has failed, or is running, is not documented."""


class VerificationCalls(Session):
    """Verifying addresses: one, a list, a file; what came of it; the credits."""

    async def verify_address(self, address: str, kind: VerificationType) -> SingleVerification:
        """Verify one address, for credits (endpoint row 80). The verdict may be there at once."""
        sent = {"email": address, "type": kind}
        reply = await self._call("POST", "/verify-single-email", effect=Effect.SPEND, json=sent)
        started = self._promised(SingleVerification, reply)
        if not started.task_id and started.result is None:
            raise OutcomeUnknown(
                "Mailin seems to have taken the address, but its answer holds neither a verdict nor a task.",
                status=reply.status,
                detail="no task_id, no result",
            )
        return started

    async def verified_address(self, task_id: str) -> SingleVerification:
        """What is known of the verification of one address (endpoint row 81)."""
        params = {"task_id": task_id}
        reply = await self._call("GET", "/get-single-email", effect=Effect.READ, params=params)
        known = self._shaped(SingleVerification, reply)
        if not known.task_id and known.result is None:
            raise BadAnswer("Mailin's answer says nothing of it.", status=reply.status, detail="no task_id, no result")
        return known

    async def verify_addresses(self, addresses: Sequence[str], kind: VerificationType) -> str:
        """Verify up to MOST_ADDRESSES, for credits (endpoint row 83). Returns the task's id."""
        form = {"emails": ",".join(addresses), "type": kind}
        return self._started(await self._call("POST", "/verify-bulk-emails", effect=Effect.SPEND, form=form))

    async def verify_file(self, file: File, kind: VerificationType) -> str:
        """Verify a CSV or XLSX file, for credits (endpoint row 82). Returns the task's id."""
        form = {"file": file, "type": kind}
        return self._started(await self._call("POST", "/verify-bulk-file", effect=Effect.SPEND, form=form))

    async def verification_task(self, task_id: str) -> VerificationTask:
        """What has come of a list or a file so far (endpoint row 84)."""
        reply = await self._call(
            "GET",
            "/get-task-detail",
            effect=Effect.READ,
            params={"task_id": task_id},
            also_fine=_MAY_TELL_OF_A_TASK,
        )
        failed = isinstance(reply.body, dict) and bool(reply.body.get("reason"))
        if not 200 <= reply.status < 300 and reply.status != REFUSED and not failed:
            raise self._error(reply.status, reply.body, Effect.READ)
        return self._understood(reply, "a task", lambda body: VerificationTask.read(task_id, body, self._odd))

    async def download_results(self, task_id: str, which: str) -> Download:
        """The results of a finished task, such as those that are `deliverable` (endpoint row 87).

        Usually a link that opens without a log-in; for the type "standard" it may be the file itself. Raises Rejected
        while the task is running.
        """
        form = {"task_id": task_id, "download_type": which}
        reply = await self._call("POST", "/download-verified-emails", effect=Effect.READ, form=form)
        if _is_csv(reply):
            return Download(csv=SecretBytes(reply.answer.content))
        link = self._shaped(_Link, reply).download_url
        if link is not None and link.get_secret_value().startswith(("https://", "http://")):
            return Download(link=link)
        said = self._heard.quoted(as_refusal(reply.body).message)
        if not said:
            raise BadAnswer("Mailin's answer held no link.", status=reply.status, detail="no download_url")
        raise Rejected(
            f"There is nothing to download (yet). Mailin says: {said}",
            cure="Ask again when the verification has finished.",
            status=reply.status,
        )

    async def credit_balance(self) -> int:
        """How many credits the account has (endpoint row 86)."""
        return (await self._get("/get-credits", Credits)).total_credits

    async def credit_history(self, page: int = 1, per_page: int = PER_PAGE) -> Page[CreditEntry]:
        """A page of the credits' ledger, newest first (endpoint row 85)."""
        return await self._page("/credit-history", self._entry, page, per_page, says_page=False)

    def _started(self, reply: Reply) -> str:
        return self._promised(StartedTask, reply).task_id

    def _entry(self, said: Any) -> CreditEntry:
        return CreditEntry.model_validate(said, context=self._odd)


class _Link(Shape):
    download_url: OptionalSecret = None


def _is_csv(reply: Reply) -> bool:
    return reply.body is None and bool(reply.answer.content) and "csv" in reply.answer.headers.get("content-type", "")
