"""The simulated Mailin's verification: it takes credits, and finds every address with "bad" in it undeliverable."""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from collections.abc import Sequence
from typing import get_args

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from providers.mailin.models import VerificationType
from providers.mailin.sandbox.operations import Operation
from providers.mailin.sandbox.speaking import Api, Endpoint, invalid, page_of, required, said, word_of
from providers.mailin.sandbox.state import SandboxTask
from providers.simulator import Fault, Kind, json_object, part

COST: dict[str, int] = {"standard": 1, "catch_all": 7}
MOST_ADDRESSES = 500
MOST_BYTES = 25 * 1024 * 1024

_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_WORDS = {
    "standard": ("deliverable", "catch_all", "invalid", "unknown", "duplicate"),
    "catch_all": ("deliverable", "catch_all", "risky", "undeliverable", "unknown"),
}
_RUNNING = "Email verification is still in progress. Please check the status after some time."


class VerificationApi(Api):
    """Endpoint rows 80 to 87."""

    def endpoints(self) -> list[Endpoint]:
        """What is answered here."""
        return [
            ("POST", "/verify-single-email", Operation.VERIFY_SINGLE, self.verify_single),
            ("GET", "/get-single-email", Operation.SINGLE_RESULT, self.single_result),
            ("POST", "/verify-bulk-file", Operation.VERIFY_FILE, self.verify_file),
            ("POST", "/verify-bulk-emails", Operation.VERIFY_EMAILS, self.verify_emails),
            ("GET", "/get-task-detail", Operation.TASK, self.task),
            ("GET", "/credit-history", Operation.CREDIT_HISTORY, self.history),
            ("GET", "/get-credits", Operation.CREDITS, self.credits),
            ("POST", "/download-verified-emails", Operation.DOWNLOAD, self.download),
        ]

    async def verify_single(self, request: Request, fault: Fault | None) -> Response:
        """Done at once, unless that is switched off. Its price is called `credit_used`."""
        body = await json_object(request)
        if refused := required(body, "email", "type") or _type_problem(body.get("type")):
            return refused
        task = self._begin(body["type"], [str(body["email"])], bulk=False, seconds=0 if self._at_once else None)
        if isinstance(task, Response):
            return task
        told = "Verification complete." if self._at_once else "Verification started."
        return JSONResponse({"message": told, **self._single(task, fault), "credit_used": task.cost}, 210)

    async def single_result(self, request: Request, fault: Fault | None) -> Response:
        """What came of it. Its price is called `credits_used`."""
        task = self._asked_for(request)
        if task is None or task.is_bulk:
            return said("Task not found.", 404)
        return JSONResponse({**self._single(task, fault), "credits_used": task.cost})

    async def verify_file(self, request: Request, fault: Fault | None) -> Response:
        """A CSV or XLSX file. One without addresses fails later, and its credits come back."""
        async with request.form() as form:
            file, kind = form.get("file"), form.get("type")
            if not isinstance(file, UploadFile) or not (file.filename or "").endswith((".csv", ".xlsx")):
                return invalid({"file": "The file must be a file of type: csv, xlsx."})
            content = await file.read()
            name = file.filename or ""
        if refused := _type_problem(kind):
            return refused
        if len(content) > MOST_BYTES:
            return invalid({"file": "The file must not be greater than 25600 kilobytes."})
        addresses = _addresses(name, content)
        return self._begun(
            self._begin(str(kind), part(addresses, fault), bulk=True),
            "Your file has been uploaded and verification has started.",
        )

    async def verify_emails(self, request: Request, fault: Fault | None) -> Response:
        """A list, in a form rather than in JSON."""
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            return invalid({"emails": "The emails field is required."})
        async with request.form() as form:
            listed, kind = form.get("emails"), form.get("type")
        addresses = [address.strip() for address in str(listed or "").split(",") if address.strip()]
        if not addresses:
            return invalid({"emails": "The emails field is required."})
        if refused := _type_problem(kind):
            return refused
        if len(addresses) > MOST_ADDRESSES:
            return said("You cannot verify more than 500 emails at once.", 422)
        return self._begun(
            self._begin(str(kind), part(addresses, fault), bulk=True),
            "Your verification has started and is currently in progress.",
        )

    async def task(self, request: Request, fault: Fault | None) -> Response:
        """In three shapes, without a status in two of them."""
        task = self._asked_for(request)
        if task is None or not task.is_bulk:
            return said("Task not found.", 404)
        if fault is not None and fault.kind is Kind.JOB_SAYS:
            return JSONResponse({"task_id": task.id, "status": fault.word})
        if self.now < task.ends_at:
            return said(_RUNNING)
        if task.failure:
            return said(
                "Your task could not be processed. The used credits have been refunded to your account.",
                reason=task.failure,
            )
        counts = Counter(_verdict(address, task.kind) for address in dict.fromkeys(task.addresses))
        counts["duplicate"] = len(task.addresses) - len(set(task.addresses))
        return JSONResponse(
            {
                "task_id": task.id,
                "created_at": task.begun_at.strftime("%Y-%m-%d %H:%M:%S"),
                "total_rows": len(task.addresses),
                "status": "finished",
                **{word: counts[word] for word in _WORDS[task.kind]},
            }
        )

    async def history(self, request: Request, fault: Fault | None) -> Response:
        """The ledger, newest first, without times."""
        rows: list[object] = []
        total = 0
        for number, (reason, change) in enumerate(self._sandbox.ledger, start=1):
            total += change
            row = {"id": number, "reason": reason, "credit": max(change, 0), "debit": max(-change, 0)}
            rows.insert(0, row | {"total_credit": total})
        return JSONResponse(page_of(request, rows, links=[]))

    async def credits(self, request: Request, fault: Fault | None) -> Response:
        """The balance."""
        return JSONResponse({"total_credits": self._sandbox.credits})

    async def download(self, request: Request, fault: Fault | None) -> Response:
        """A link that opens for everybody, or the file itself."""
        async with request.form() as form:
            asked, which = str(form.get("task_id") or ""), str(form.get("download_type") or "")
        task = self._sandbox.tasks.get(asked)
        if task is None or not task.is_bulk:
            return said("Task not found.", 404)
        if which not in (*_WORDS[task.kind], "all"):
            return invalid({"download_type": "The selected download type is invalid."})
        if self.now < task.ends_at:
            return said("Task is still in progress. Please try downloading once it is finished.")
        if task.kind == "standard" and self._sandbox.download_is_file:
            return Response(_csv(task, which), media_type="text/csv")
        name = f"result-{task.id}-{which}.csv"
        return JSONResponse({"download_url": f"{request.base_url}storage/tmp/{name}"})

    async def file(self, request: Request) -> Response:
        """What the link leads to; without a log-in."""
        name = re.fullmatch(r"result-(.+)-([a-z_]+)\.csv", request.path_params["name"])
        task = self._sandbox.tasks.get(name[1]) if name else None
        if name is None or task is None:
            return Response("Not Found", 404)
        return Response(_csv(task, name[2]), media_type="text/csv")

    # Details.

    @property
    def _at_once(self) -> bool:
        return self._sandbox.verdict_at_once

    def _begin(
        self, kind: str, addresses: Sequence[str], *, bulk: bool, seconds: float | None = None
    ) -> SandboxTask | Response:
        cost = COST[kind] * len(addresses)
        if cost > self._sandbox.credits:
            return said(f"You need {cost} credits to verify this, but you only have {self._sandbox.credits}.", 422)
        number = self._sandbox.next_id("task")
        task = SandboxTask(
            id=f"bulk_{number}" if bulk else f"single_{number}",
            kind="catch_all" if kind == "catch_all" else "standard",
            addresses=tuple(addresses),
            begun_at=self.now,
            ends_at=self._sandbox.later(seconds),
            cost=cost,
            is_bulk=bulk,
            failure="" if addresses else "Column with email addresses not found",
        )
        self._sandbox.tasks[task.id] = task
        self._sandbox.ledger.append((f"{'Bulk' if bulk else 'Single'} verification started", -cost))
        return task

    def _begun(self, task: SandboxTask | Response, told: str) -> Response:
        return task if isinstance(task, Response) else said(told, 210, task_id=task.id)

    def _asked_for(self, request: Request) -> SandboxTask | None:
        return self._sandbox.tasks.get(request.query_params.get("task_id", ""))

    def _single(self, task: SandboxTask, fault: Fault | None) -> dict[str, object]:
        ended = self.now >= task.ends_at
        verdict = _verdict(task.addresses[0], task.kind) if ended else None
        return {
            "task_id": task.id,
            "email": task.addresses[0],
            "status": word_of("success" if ended else "verifying", fault),
            "result": verdict,
            "score": None if verdict is None else (95 if verdict == "deliverable" else 10),
        }


def _type_problem(kind: object) -> Response | None:
    known = get_args(VerificationType)
    return None if kind in known else invalid({"type": "The selected type is invalid."})


def _verdict(address: str, kind: str) -> str:
    for part_of_it in ("unknown", "risky" if kind == "catch_all" else "unknown", "catch_all"):
        if part_of_it in address:
            return part_of_it
    if "bad" in address:
        return "undeliverable" if kind == "catch_all" else "invalid"
    return "deliverable"


def _csv(task: SandboxTask, which: str) -> str:
    rows = [(address, _verdict(address, task.kind)) for address in dict.fromkeys(task.addresses)]
    return "".join(["email,result\n", *(f"{a},{v}\n" for a, v in rows if which in (v, "all"))])


def _addresses(name: str, content: bytes) -> list[str]:
    """The addresses of a file; of an XLSX those in any of its parts."""
    if name.endswith(".csv"):
        return _ADDRESS.findall(content.decode("utf-8", errors="replace"))
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            texts = [parts.read(part_name) for part_name in parts.namelist() if part_name.endswith(".xml")]
    except zipfile.BadZipFile:
        return []
    return [address for text in texts for address in _ADDRESS.findall(text.decode("utf-8", errors="replace"))]
