"""One client for all servers: keep-alive HTTP/1.1 on bare asyncio protocols, so that it is never what is measured.

It knows just enough of HTTP for uvicorn's answers: a status line, a Content-Length, a body.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast


class WrongAnswer(Exception):
    """A server said something else than what the scene demands, so its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one cell of the table took: seconds from the first byte to the last, and each request's own."""

    seconds: float
    latencies: tuple[float, ...]
    sent_at: tuple[float, ...]
    """When each request was sent, in the order in which they were given."""
    last_answer_at: float
    """On the machine's monotonic clock, which all processes share."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency in seconds that `share` of the requests did not exceed."""
        return percentile(self.latencies, share)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def send(port: int, requests: Sequence[bytes], concurrency: int, expect: bytes | None) -> Load:
    """Send `requests` over `concurrency` connections, each of which sends its next when its last was answered.

    `expect` is the body every answer must have; None takes any. Raises WrongAnswer.
    """
    loop = asyncio.get_running_loop()
    run = _Run(iter(requests), expect, loop.create_future())
    connections = [
        await loop.create_connection(lambda: _Connection(run), "127.0.0.1", port)
        for _ in range(min(concurrency, len(requests)))
    ]
    run.open = len(connections)
    started = time.monotonic()
    for _, connection in connections:
        connection.send_next()
    try:
        await run.finished
    finally:
        for transport, _ in connections:
            transport.close()
    return Load(run.ended - started, tuple(run.latencies), tuple(run.sent_at), run.ended)


class _Run:
    def __init__(self, requests: Iterator[bytes], expect: bytes | None, finished: asyncio.Future[None]) -> None:
        self.requests = requests
        self.expect = expect
        self.finished = finished
        self.latencies: list[float] = []
        self.sent_at: list[float] = []
        self.open = 0
        self.ended = 0.0

    def one_less(self) -> None:
        self.open -= 1
        if self.open == 0 and not self.finished.done():
            self.ended = time.monotonic()
            self.finished.set_result(None)

    def fail(self, why: str) -> None:
        if not self.finished.done():
            self.finished.set_exception(WrongAnswer(why))


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self._run = run
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._sent_at = 0.0
        self._idle = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def send_next(self) -> None:
        request = next(self._run.requests, None)
        if request is None:
            self._idle = True
            self._run.one_less()
            return
        assert self._transport is not None
        self._idle = False
        self._sent_at = time.monotonic()
        self._run.sent_at.append(self._sent_at)
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._received[:head_end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._received) < head_end + 4 + length:
            return
        self._run.latencies.append(time.monotonic() - self._sent_at)
        body = self._received[head_end + 4 :]
        self._received = b""
        if not head.startswith(b"http/1.1 200") or (self._run.expect is not None and body != self._run.expect):
            self._run.fail(f"{head.splitlines()[0].decode()} {body[:300]!r}")
            return
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._idle:
            self._run.fail(f"the server closed the connection: {exc!r}")
