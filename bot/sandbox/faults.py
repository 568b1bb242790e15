"""What can go wrong on the way to Slack, switched on for single calls, and the record of all calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self

ANY_METHOD = "*"
RESPONSE_URL = "response_url"
"""The name under which faults and calls of response_urls are kept, beside the names of the Web API methods."""
FILE = "file"
"""The name under which faults of fetching an attached file are kept."""
HANDSHAKE = "socket"
"""The name under which faults of the WebSocket handshake are kept. Any of them but `slow` refuses it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way for a call to go wrong. Made by the class methods below."""

    kind: Literal["slow", "ratelimited", "server_error", "cut_before", "cut_after", "error"]
    seconds: float = 0.0
    code: str = ""

    @classmethod
    def slow(cls, seconds: float) -> Self:
        """The answer takes this long. The work is done at the end of it."""
        return cls("slow", seconds=seconds)

    @classmethod
    def rate_limited(cls, retry_after: float = 1) -> Self:
        """HTTP 429 with Retry-After in seconds; nothing is done."""
        return cls("ratelimited", seconds=retry_after)

    @classmethod
    def server_error(cls) -> Self:
        """HTTP 500 without a JSON body; nothing is done."""
        return cls("server_error")

    @classmethod
    def cut_before(cls) -> Self:
        """The connection breaks before anything is done."""
        return cls("cut_before")

    @classmethod
    def cut_after(cls) -> Self:
        """The work is done, then the connection breaks: the caller never learns it."""
        return cls("cut_after")

    @classmethod
    def error(cls, code: str) -> Self:
        """Slack answers ok=false with this error; nothing is done."""
        return cls("error", code=code)


@dataclass(slots=True)
class _Planned:
    fault: Fault
    left: int | None


class Faults:
    """The faults still to come, per method; the first one added is the first one to happen."""

    def __init__(self) -> None:
        self._planned: dict[str, list[_Planned]] = {}

    def add(self, method: str, fault: Fault, *, times: int | None = 1) -> None:
        """The next calls of `method` go wrong like this: `times` of them, or all of them with None.

        method: a Web API method, "*" for any of them, "response_url", "file" for fetching one that somebody attached,
        or "socket" for the WebSocket handshake.
        """
        self._planned.setdefault(method, []).append(_Planned(fault, times))

    def clear(self, method: str | None = None) -> None:
        """No more faults for this method, or at all."""
        if method is None:
            self._planned.clear()
        else:
            self._planned.pop(method, None)

    def take(self, method: str) -> Fault | None:
        """The fault of the call that just came in, if there is one."""
        names = (method,) if method in {RESPONSE_URL, FILE, HANDSHAKE} else (method, ANY_METHOD)
        for name in names:
            planned = self._planned.get(name)
            if planned:
                return _take_first(planned)
        return None


def _take_first(planned: list[_Planned]) -> Fault:
    first = planned[0]
    if first.left is not None:
        first.left -= 1
        if first.left <= 0:
            planned.pop(0)
    return first.fault


@dataclass(slots=True)
class Call:
    """One call of a Web API method, a response_url or an attached file as it came in. Tokens are not kept.

    outcome: `ok`, Slack's error code, or the kind of fault; empty while the call is under way.
    """

    method: str
    arguments: Mapping[str, Any]
    token: str
    at: datetime
    outcome: str = ""
    answer: Mapping[str, Any] = field(default_factory=dict)


def redacted(token: str) -> str:
    """What may be shown of a token: its kind."""
    kind, dash, rest = token.partition("-")
    return f"{kind}{dash}…" if rest else "…" if token else ""
