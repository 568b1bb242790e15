"""How the simulated Mailin hears and speaks: what its endpoints have in common."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from providers.mailin.sandbox.operations import Operation
from providers.mailin.sandbox.state import MailinSandbox
from providers.simulator import Fault, Handler, Kind

PREFIX = "/api/v1/public"
PER_PAGE = 15

Endpoint = tuple[str, str, Operation, Handler]
"""Method, path (after the prefix, unless it begins with /api), operation and handler."""


class Api:
    """The endpoints of one noun."""

    def __init__(self, sandbox: MailinSandbox) -> None:
        self._sandbox = sandbox

    @property
    def now(self) -> datetime:
        """The time, by the sandbox's clock."""
        return self._sandbox.clock.now()


def said(message: str, status: int = 200, **more: object) -> Response:
    """A sentence, and what else there is."""
    return JSONResponse({"message": message, **more}, status)


def said_untidily(message: str) -> Response:
    """A sentence with a comma too many, which is not JSON."""
    return Response(f'{{\n"message": {json.dumps(message)},\n}}', media_type="application/json")


def said_in_php(message: str) -> Response:
    """A sentence as PHP would write it, which is not JSON either."""
    return Response(f"{{\n'message' => '{message}'\n}}", media_type="application/json")


def accepted(job_id: str, *, comma: bool = True) -> Response:
    """The 210 of a batch. Without the comma it is what is documented for several domains, and not JSON."""
    message = "Your request has been received and will be processed as soon as possible."
    body = f'{{\n"message": "{message}"{"," if comma else ""}\n"uuid" : "{job_id}"\n}}'
    return Response(body, 210, media_type="application/json")


def invalid(problems: Mapping[str, str]) -> Response:
    """Laravel's 422."""
    first, more = next(iter(problems.values())), len(problems) - 1
    message = first if not more else f"{first} (and {more} more error{'s' if more > 1 else ''})"
    return JSONResponse({"message": message, "errors": {name: [text] for name, text in problems.items()}}, 422)


def required(body: Mapping[str, object], *names: str) -> Response | None:
    """Laravel's 422 for what is missing, None if nothing is."""
    missing = [name for name in names if body.get(name) in (None, "", [])]
    return invalid({name: f"The {name.replace('_', ' ')} field is required." for name in missing}) if missing else None


def page_of(
    request: Request,
    found: Sequence[Any],
    per_page: int = PER_PAGE,
    *,
    show: Callable[[Any], object] = lambda one: one,
    address: str = "",
    **more: object,
) -> dict[str, object]:
    """A page as Laravel has it, of what is `found`, each as `show` has it.

    Its addresses are Mailin's own, wherever this runs: who follows them leaves it.
    """
    page = number(request.query_params.get("page"), 1)
    per_page = number(request.query_params.get("per_page"), per_page)
    shown = [show(one) for one in found[(page - 1) * per_page : page * per_page]]
    last_page = max(1, -(-len(found) // per_page))
    here = "https://api.mailin.ai" + (address or request.url.path)
    return {
        "current_page": page,
        "data": shown,
        "first_page_url": f"{here}?page=1",
        "from": (page - 1) * per_page + 1 if shown else None,
        "last_page": last_page,
        "last_page_url": f"{here}?page={last_page}",
        **more,
        "next_page_url": f"{here}?page={page + 1}" if page < last_page else None,
        "path": here,
        "per_page": per_page,
        "prev_page_url": f"{here}?page={page - 1}" if page > 1 else None,
        "to": (page - 1) * per_page + len(shown) if shown else None,
        "total": len(found),
    }


def word_of(state: str, fault: Fault | None) -> str:
    """The state, or what a fault has it say instead."""
    return fault.word if fault is not None and fault.kind is Kind.JOB_SAYS else state


def number(text: str | None, default: int) -> int:
    """A positive number of a query."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and int(text) > 0 else default


def stamp(moment: datetime) -> str:
    """A time as Laravel has it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
