"""How a payload reaches the app and how its answer comes back: over an open socket, or as a signed HTTP request."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from urllib.parse import urlencode

import httpx

DELIVERIES_KEPT = 1_000
CONNECTION_LIMIT = 10

Kind = Literal["slash_commands", "interactive", "events_api"]
Outcome = Literal["acked", "no_bot", "timeout", "dropped", "http_error"]
_ANSWERABLE = frozenset({"view_submission", "block_suggestion", "dialog_suggestion"})


@dataclass(frozen=True, slots=True)
class Ack:
    """The app's answer to one payload.

    outcome: `acked`; `no_bot` when nobody is connected; `timeout` after the deadline; `dropped` when the connection
    broke first; `http_error` for a status other than 200 (in `status`).
    payload: what the app sent along: {} for a bare ack, {"text": …} for a plain text.
    """

    outcome: Outcome
    payload: Mapping[str, Any]
    status: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the app took the payload."""
        return self.outcome == "acked"


@dataclass(frozen=True, slots=True)
class Delivered:
    """One payload and what became of it."""

    kind: Kind
    payload: dict[str, Any]
    ack: Ack


class Connection(Protocol):
    """An open socket to a running bot."""

    async def send(self, envelope: dict[str, Any]) -> None:
        """Sends one envelope. Raises ConnectionError when the socket is gone."""

    async def close(self) -> None:
        """Cuts the socket."""


class AppSettings(Protocol):
    """What has to be known of the app to reach it."""

    request_url: str | None
    signing_secret: str
    ack_timeout: float


class Delivery:
    """The way from the workspace to the app. Keeps the open connections and the envelopes that wait for an ack."""

    def __init__(self, app: AppSettings, on_connection: Callable[[bool], None]) -> None:
        self._app = app
        self._on_connection = on_connection
        self._connections: list[Connection] = []
        self._retiring: set[Connection] = set()
        self._waiting: dict[str, tuple[Connection, asyncio.Future[Ack]]] = {}
        self._http: httpx.AsyncClient | None = None
        self._under_way: set[asyncio.Future[None]] = set()
        self.log: deque[Delivered] = deque(maxlen=DELIVERIES_KEPT)
        self.late_acks = 0

    @property
    def connections(self) -> int:
        """How many sockets are open."""
        return len(self._connections)

    @property
    def reachable(self) -> bool:
        """Whether there is anywhere to send a payload to."""
        return bool(self._connections) or self._app.request_url is not None

    async def deliver(self, kind: Kind, payload: dict[str, Any], *, retry_num: int = 0, retry_reason: str = "") -> Ack:
        """Sends the payload to one connection, or to the request URL, and waits for the ack until the deadline."""
        under_way = asyncio.get_running_loop().create_future()
        self._under_way.add(under_way)
        try:
            if self._app.request_url is not None:
                ack = await self._post(self._app.request_url, kind, payload, retry_num, retry_reason)
            else:
                ack = await self._send(kind, payload, retry_num, retry_reason)
        finally:
            self._under_way.discard(under_way)
            under_way.set_result(None)
        self.log.append(Delivered(kind, payload, ack))
        return ack

    async def acks_come_in(self, seconds: float) -> None:
        """Wait until every ack that is still out has come in and counts, but only so long.

        What an app does after its ack arrives by another connection, and must not overtake it.
        """
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)

    def joined(self, connection: Connection) -> None:
        """A bot has connected. Raises ConnectionRefusedError when there are too many already."""
        if len(self._connections) >= CONNECTION_LIMIT:
            raise ConnectionRefusedError("too_many_websockets")
        self._connections.append(connection)
        self._on_connection(True)

    def left(self, connection: Connection) -> None:
        """A connection is gone; what it had not answered yet never will be."""
        if connection not in self._connections:
            return
        self._connections.remove(connection)
        self._retiring.discard(connection)
        for holder, future in tuple(self._waiting.values()):
            if holder is connection and not future.done():
                future.set_result(Ack("dropped", {}))
        self._on_connection(False)

    def acked(self, envelope_id: str, payload: Mapping[str, Any] | None) -> None:
        """An ack has come in."""
        _, future = self._waiting.get(envelope_id, (None, None))
        if future is None or future.done():
            self.late_acks += 1
        else:
            future.set_result(Ack("acked", payload or {}))

    async def refresh(self, reason: Literal["warning", "refresh_requested"] = "refresh_requested") -> None:
        """Asks all connected bots to connect anew, as Slack does every few hours.

        From then on their old connections get payloads only while there is no other.
        """
        for connection in tuple(self._connections):
            self._retiring.add(connection)
            await connection.send({"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}})

    async def drop(self) -> None:
        """Cuts all connections without a word."""
        for connection in tuple(self._connections):
            await connection.close()
            self.left(connection)

    async def aclose(self) -> None:
        """Gives back what HTTP deliveries hold."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def _send(self, kind: Kind, payload: dict[str, Any], retry_num: int, retry_reason: str) -> Ack:
        connection = self._next_connection()
        if connection is None:
            return Ack("no_bot", {})
        envelope = _envelope(kind, payload, retry_num, retry_reason)
        future: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._waiting[envelope["envelope_id"]] = (connection, future)
        try:
            async with asyncio.timeout(self._app.ack_timeout):
                await connection.send(envelope)
                return await future
        except TimeoutError:
            return Ack("timeout", {})
        except ConnectionError:
            return Ack("dropped", {})
        finally:
            del self._waiting[envelope["envelope_id"]]

    def _next_connection(self) -> Connection | None:
        # Each payload goes to exactly one connection; taking turns shows a bot that relies on the same one.
        lasting = [connection for connection in self._connections if connection not in self._retiring]
        connection = next(iter(lasting or self._connections), None)
        if connection is not None:
            self._connections.remove(connection)
            self._connections.append(connection)
        return connection

    async def _post(self, url: str, kind: Kind, payload: dict[str, Any], retry_num: int, retry_reason: str) -> Ack:
        body, content_type = _http_body(kind, payload)
        headers = {"content-type": content_type, **signature(self._app.signing_secret, body)}
        if retry_num:
            headers |= {"x-slack-retry-num": str(retry_num), "x-slack-retry-reason": retry_reason}
        if self._http is None:
            # The app is on this machine: neither a proxy nor certificates have a part in it.
            self._http = httpx.AsyncClient(trust_env=False, verify=False)  # noqa: S501 - plain HTTP on loopback
        try:
            answer = await self._http.post(url, content=body, headers=headers, timeout=self._app.ack_timeout)
        except httpx.ConnectError:
            return Ack("no_bot", {})
        except httpx.TimeoutException:
            return Ack("timeout", {})
        except httpx.HTTPError:
            return Ack("dropped", {})
        if answer.status_code != httpx.codes.OK:
            return Ack("http_error", {}, answer.status_code)
        return Ack("acked", _http_answer(answer), answer.status_code)


def signature(secret: str, body: str) -> dict[str, str]:
    """The two headers with which Slack signs a request (scheme v0)."""
    # Bolt compares the timestamp with the real time, so an injected clock must not decide about it.
    timestamp = str(int(time.time()))
    digest = hmac.new(secret.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": timestamp, "x-slack-signature": f"v0={digest}"}


def _envelope(kind: Kind, payload: dict[str, Any], retry_num: int, retry_reason: str) -> dict[str, Any]:
    answerable = kind == "slash_commands" or payload.get("type") in _ANSWERABLE
    envelope: dict[str, Any] = {
        "envelope_id": str(uuid.uuid4()),
        "type": kind,
        "payload": payload,
        "accepts_response_payload": answerable,
    }
    if kind == "events_api":
        envelope |= {"retry_attempt": retry_num, "retry_reason": retry_reason}
    return envelope


def _http_body(kind: Kind, payload: dict[str, Any]) -> tuple[str, str]:
    form = "application/x-www-form-urlencoded"
    match kind:
        case "slash_commands":
            return urlencode(payload), form
        case "interactive":
            return urlencode({"payload": json.dumps(payload)}), form
        case "events_api":
            return json.dumps(payload), "application/json"


def _http_answer(answer: httpx.Response) -> Mapping[str, Any]:
    if answer.headers.get("content-type", "").startswith("application/json"):
        shape = answer.json()
        return shape if isinstance(shape, dict) else {}
    return {"text": answer.text} if answer.text else {}
