"""The transport against servers that misbehave at every stage, counting what really reached them."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from providers.action import Effect
from providers.errors import BadAnswer, NotSent, OutcomeUnknown, ProviderError, RateLimited, Upstream
from providers.http import (
    BUSY,
    FAILURES_IN_A_ROW,
    FIRST_REST_SECONDS,
    LONGEST_REST_SECONDS,
    MAX_HOLD_SECONDS,
    TRIAL_SECONDS,
    UPLOAD_BYTES_PER_SECOND,
    Answer,
    File,
    Transport,
    seconds_from_retry_after,
)

OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'
CHANGES = (Effect.WRITE, Effect.SPEND, Effect.DESTROY)
ONCE = (Effect.SPEND, Effect.DESTROY)

Behaviour = Callable[["RawServer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """A TCP server that keeps every request it was sent, and behaves as told."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.url = ""
        self.connections = 0
        self.requests: list[bytes] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._behaviour(self, reader, writer)
        writer.close()

    async def read_request(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        request = head + await reader.readexactly(length)
        self.requests.append(request)
        return request

    async def hears(self, number: int) -> None:
        """Returns when so many requests have come."""
        async with asyncio.timeout(10):
            while len(self.requests) < number:  # noqa: ASYNC110
                await asyncio.sleep(0.001)


@asynccontextmanager
async def serving(behaviour: Behaviour) -> AsyncIterator[RawServer]:
    raw = RawServer(behaviour)
    server = await asyncio.start_server(raw.handle, "127.0.0.1", 0)
    raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield raw
    finally:
        server.close()
        await asyncio.sleep(0)


def answering(*answers: bytes) -> Behaviour:
    """These answers, one a request, over as many connections as it takes; the last one again and again."""
    left = list(answers)

    async def behave(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.read_request(reader)
            writer.write(left.pop(0) if len(left) > 1 else left[0])
            await writer.drain()

    return behave


def answer(status: int, body: bytes = b"{}", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class _Bounded(Transport):
    """Fails where a time limit is missing, instead of keeping everybody waiting."""

    async def call(self, *args: Any, **kwargs: Any) -> Answer:
        async with asyncio.timeout(10):
            return await super().call(*args, **kwargs)


@pytest.fixture
async def transport_to(clock: Any) -> AsyncIterator[Callable[..., Transport]]:
    opened: list[Transport] = []

    def open_transport(url: str, **options: Any) -> Transport:
        options = {"account": "main", "clock": clock, "sleep": clock.sleep, "jitter": lambda: 0.5} | options
        opened.append(_Bounded(url, **options))
        return opened[-1]

    yield open_transport
    for transport in opened:
        await transport.aclose()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class TestWhatComesBack:
    async def test_json_text_and_headers(self, transport_to: Any) -> None:
        async with serving(answering(answer(200, b'{"a": [1]}', X_Thing="Yes"))) as server:
            got = await transport_to(server.url).call("GET", "/x", effect=Effect.READ, params={"q": "a b"})
        assert (got.status, got.body, got.text) == (200, {"a": [1]}, '{"a": [1]}')
        assert got.headers["x-thing"] == "Yes"
        assert b"GET /x?q=a+b HTTP/1.1" in server.requests[0] or b"GET /x?q=a%20b HTTP/1.1" in server.requests[0]

    @pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff\xfe", b"[" * 100_000])
    async def test_what_is_not_json_has_no_body(self, transport_to: Any, body: bytes) -> None:
        async with serving(answering(answer(200, body))) as server:
            got = await transport_to(server.url).call("GET", "/x", effect=Effect.READ)
        assert got.body is None
        assert got.content == body

    async def test_compressed(self, transport_to: Any) -> None:
        async with serving(answering(answer(200, gzip.compress(b'{"a":1}'), Content_Encoding="gzip"))) as server:
            assert (await transport_to(server.url).call("GET", "/x", effect=Effect.READ)).body == {"a": 1}

    @pytest.mark.parametrize("status", [200, 201, 210, 301, 302, 307, 308, 310, 311, 312, 313, 401, 404, 422, 500])
    async def test_every_status_is_an_answer_and_none_is_followed(self, transport_to: Any, status: int) -> None:
        async with serving(answering(answer(status, Location="/elsewhere"))) as server:
            got = await transport_to(server.url).call("POST", "/buy", effect=Effect.SPEND, json={"a": 1})
        assert got.status == status
        assert len(server.requests) == 1

    async def test_postroom_introduces_itself_and_keeps_no_cookies(self, transport_to: Any) -> None:
        async with serving(answering(answer(200, Set_Cookie="session=abc"))) as server:
            transport = transport_to(server.url + "/")
            for _ in range(2):
                await transport.call("POST", "/x", effect=Effect.READ, json={"a": "é"}, headers={"X-Key": "k"})
        assert b"user-agent: postroom/" in server.requests[0].lower()
        assert b"x-key: k" in server.requests[0].lower()
        assert server.requests[0].endswith('{"a":"é"}'.encode())
        assert b"cookie" not in server.requests[1].lower()

    async def test_readings_share_a_connection(self, transport_to: Any) -> None:
        async with serving(answering(OK)) as server:
            transport = transport_to(server.url)
            for _ in range(3):
                await transport.call("GET", "/x", effect=Effect.READ)
        assert server.connections == 1

    @pytest.mark.parametrize("effect", CHANGES)
    async def test_a_change_gets_a_fresh_connection(self, transport_to: Any, effect: Effect) -> None:
        async with serving(answering(OK)) as server:
            transport = transport_to(server.url)
            await transport.call("GET", "/x", effect=Effect.READ)
            await transport.call("POST", "/x", effect=effect)
            await transport.call("POST", "/x", effect=effect)
        assert server.connections == 3

    async def test_too_long_an_answer(self, transport_to: Any) -> None:
        async with serving(answering(answer(210, b" " * 2000))) as server:
            transport = transport_to(server.url, max_answer_bytes=1999)
            with pytest.raises(BadAnswer):
                await transport.call("GET", "/x", effect=Effect.READ)
            with pytest.raises(OutcomeUnknown) as unknown:
                await transport.call("POST", "/x", effect=Effect.SPEND)
        assert unknown.value.status == 210


class TestNotSent:
    """Proof that nothing left: READ and WRITE may be tried again, a SPEND or DESTROY is not even then."""

    @pytest.mark.parametrize("effect", list(Effect))
    async def test_nobody_listens(self, transport_to: Any, clock: Any, effect: Effect) -> None:
        with pytest.raises(NotSent) as error:
            await transport_to(f"http://127.0.0.1:{free_port()}").call("POST", "/x", effect=effect)
        assert clock.slept == ([] if effect in ONCE else [0.5, 1.0])
        assert error.value.detail.startswith("ClientConnectorError errno=")

    async def test_the_name_does_not_resolve(self, transport_to: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        async def no_such_host(*_: Any, **__: Any) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", no_such_host)
        with pytest.raises(NotSent) as error:
            await transport_to("http://mailin.invalid").call("POST", "/x", effect=Effect.SPEND)
        assert "DNS" in error.value.detail

    async def test_connecting_takes_for_ever(self, transport_to: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        async def hang(*_: Any) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", hang)
        with pytest.raises(NotSent) as error:
            await transport_to("http://127.0.0.1:9", timeout_seconds=0.06).call("POST", "/x", effect=Effect.SPEND)
        assert error.value.detail == "ConnectionTimeoutError"

    async def test_all_connections_are_in_use(self, transport_to: Any) -> None:
        async def silent(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            await reader.read()

        async with serving(silent) as server:
            transport = transport_to(server.url, timeout_seconds=0.15, max_connections=1)
            outcomes = await asyncio.gather(
                *(transport.call("POST", "/x", effect=Effect.SPEND) for _ in range(2)), return_exceptions=True
            )
        assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown, NotSent]
        assert len(server.requests) == 1

    async def test_no_tls_where_tls_is_expected(self, transport_to: Any) -> None:
        async def plain(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        async with serving(plain) as server:
            with pytest.raises(NotSent):
                await transport_to(server.url.replace("http:", "https:")).call("POST", "/x", effect=Effect.SPEND)
        assert server.requests == []

    async def test_closed(self, transport_to: Any, clock: Any) -> None:
        transport = transport_to("http://127.0.0.1:9")
        await transport.aclose()
        with pytest.raises(NotSent):
            await transport.call("GET", "/x", effect=Effect.READ)
        assert clock.slept == []


async def cut_on_accept(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def cut_in_request_headers(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    server.requests.append(await reader.read(10))
    writer.transport.abort()


async def cut_after_request(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.read_request(reader)


async def reset_after_request(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.read_request(reader)
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


async def cut_in_status_line(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.read_request(reader)
    writer.write(b"HTTP/1.1 21")


async def cut_in_answer_headers(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.read_request(reader)
    writer.write(b"HTTP/1.1 210 Accepted\r\nContent-Length: 100\r\n")


async def cut_in_answer_body(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.read_request(reader)
    writer.write(b'HTTP/1.1 210 Accepted\r\nContent-Length: 100\r\n\r\n{"uuid"')
    await writer.drain()


async def not_http_at_all(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.read_request(reader)
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


async def bad_chunks(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.read_request(reader)
    writer.write(b"HTTP/1.1 210 Accepted\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")


async def not_really_gzip(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.read_request(reader)
    writer.write(
        b"HTTP/1.1 210 Accepted\r\nContent-Encoding: gzip\r\nConnection: close\r\nContent-Length: 4\r\n\r\nnope"
    )


async def silence(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.read_request(reader)
    await reader.read()


async def dripping(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.read_request(reader)
    writer.write(b"HTTP/1.1 210 Accepted\r\nContent-Length: 10000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


ENDLESS = (silence, dripping)
CUTS = [
    cut_on_accept,
    cut_in_request_headers,
    cut_after_request,
    reset_after_request,
    cut_in_status_line,
    cut_in_answer_headers,
    cut_in_answer_body,
    not_http_at_all,
    bad_chunks,
    not_really_gzip,
    silence,
    dripping,
]


class TestSentWithoutAnAnswer:
    """In doubt it was sent; and whatever the method, nothing below sends it twice."""

    @pytest.mark.parametrize("behaviour", CUTS)
    @pytest.mark.parametrize(
        ("method", "effect"),
        [
            ("POST", Effect.SPEND),
            ("POST", Effect.WRITE),
            ("PUT", Effect.WRITE),
            ("GET", Effect.DESTROY),
            ("DELETE", Effect.DESTROY),
        ],
    )
    async def test_a_change_is_unknown_and_was_sent_once(
        self, transport_to: Any, clock: Any, behaviour: Behaviour, method: str, effect: Effect
    ) -> None:
        async with serving(behaviour) as server:
            transport = transport_to(server.url, timeout_seconds=0.15 if behaviour in ENDLESS else 5)
            with pytest.raises(OutcomeUnknown):
                await transport.call(method, "/buy", effect=effect, json={"domain_name": "acme.com"})
            await asyncio.sleep(0.005)
        assert server.connections == 1
        assert len(server.requests) <= 1
        assert clock.slept == []

    @pytest.mark.parametrize("behaviour", CUTS)
    @pytest.mark.parametrize("effect", [Effect.READ, Effect.REVEAL])
    async def test_a_reading_is_tried_three_times(
        self, transport_to: Any, clock: Any, behaviour: Behaviour, effect: Effect
    ) -> None:
        async with serving(behaviour) as server:
            with pytest.raises(Upstream):
                await transport_to(server.url, timeout_seconds=0.1 if behaviour in ENDLESS else 5).call(
                    "GET", "/x", effect=effect
                )
            await asyncio.sleep(0.005)
        assert server.connections == 3
        assert clock.slept == [0.5, 1.0]

    async def test_a_server_that_never_accepts(self, transport_to: Any) -> None:
        """The system takes the connection and the bytes in its place, so nobody can say who has read them."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with pytest.raises(OutcomeUnknown):
                await transport_to(url, timeout_seconds=0.15).call("POST", "/x", effect=Effect.SPEND)

    async def test_a_drip_does_not_outlast_the_limit(self, transport_to: Any) -> None:
        async with serving(dripping) as server:
            started = time.monotonic()
            with pytest.raises(OutcomeUnknown) as error:
                await transport_to(server.url, timeout_seconds=0.15).call("POST", "/x", effect=Effect.SPEND)
        assert time.monotonic() - started < 1
        assert error.value.detail == "TimeoutError"

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
    async def test_a_kept_connection_that_dies_under_the_next_call(self, transport_to: Any, method: str) -> None:
        """Each try of a reading is one request, not the two that aiohttp would make of it."""

        async def one_answer_each(
            server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await server.read_request(reader)
            if server.connections == 1:
                writer.write(OK)
                await server.read_request(reader)

        async with serving(one_answer_each) as server:
            transport = transport_to(server.url)
            await transport.call("GET", "/first", effect=Effect.READ)
            with pytest.raises(Upstream):
                await transport.call(method, "/second", effect=Effect.READ)
        assert len(server.requests) == 1 + 3

    async def test_a_reading_recovers(self, transport_to: Any) -> None:
        async def second_time_lucky(
            server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await server.read_request(reader)
            if server.connections > 1:
                writer.write(OK)
                await writer.drain()

        async with serving(second_time_lucky) as server:
            got = await transport_to(server.url).call("GET", "/x", effect=Effect.READ)
        assert got.body == {"ok": True}

    async def test_a_cancelled_call_stays_cancelled(self, transport_to: Any) -> None:
        async with serving(silence) as server:
            call = asyncio.create_task(transport_to(server.url).call("GET", "/x", effect=Effect.READ))
            await server.hears(1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert len(server.requests) == 1


class TestBusyProvider:
    async def test_a_reading_waits_out_a_bad_moment(self, transport_to: Any, clock: Any) -> None:
        async with serving(answering(answer(503), answer(502), OK)) as server:
            got = await transport_to(server.url).call("GET", "/x", effect=Effect.READ)
        assert got.status == 200
        assert clock.slept == [0.5, 1.0]

    async def test_jitter_spreads_the_tries(self, transport_to: Any, clock: Any) -> None:
        async with serving(answering(answer(503), OK)) as server:
            await transport_to(server.url, jitter=lambda: 0.0).call("GET", "/x", effect=Effect.READ)
        assert clock.slept == [0.25]

    async def test_it_waits_as_long_as_it_was_asked_to(self, transport_to: Any, clock: Any) -> None:
        async with serving(answering(answer(503, Retry_After="4"), OK)) as server:
            await transport_to(server.url).call("GET", "/x", effect=Effect.READ)
        assert clock.slept == [4.0]

    @pytest.mark.parametrize("status", sorted(BUSY))
    async def test_whatever_the_trouble_is_called(self, transport_to: Any, status: int) -> None:
        async with serving(answering(answer(status), OK)) as server:
            assert (await transport_to(server.url).call("GET", "/x", effect=Effect.READ)).status == 200
        assert {500, 502, 503, 504, 520, 521, 522, 523, 524} == BUSY

    @pytest.mark.parametrize("asked", ["6", "3600"])
    async def test_but_not_for_ever(self, transport_to: Any, clock: Any, asked: str) -> None:
        async with serving(answering(answer(503, Retry_After=asked))) as server:
            assert (await transport_to(server.url).call("GET", "/x", effect=Effect.READ)).status == 503
        assert clock.slept == []

    async def test_after_three_tries_the_answer_stands(self, transport_to: Any) -> None:
        async with serving(answering(answer(500))) as server:
            assert (await transport_to(server.url).call("GET", "/x", effect=Effect.READ)).status == 500
        assert len(server.requests) == 3

    @pytest.mark.parametrize("effect", CHANGES)
    async def test_a_change_is_not_repeated(self, transport_to: Any, effect: Effect) -> None:
        async with serving(answering(answer(503, Retry_After="1"), OK)) as server:
            assert (await transport_to(server.url).call("POST", "/x", effect=effect)).status == 503
        assert len(server.requests) == 1


class TestTooManyCalls:
    @pytest.mark.parametrize("effect", [Effect.READ, Effect.REVEAL, Effect.WRITE])
    async def test_refused_calls_are_repeated_after_the_pause(
        self, transport_to: Any, clock: Any, effect: Effect
    ) -> None:
        async with serving(answering(answer(429, Retry_After="3"), OK)) as server:
            assert (await transport_to(server.url).call("POST", "/x", effect=effect)).status == 200
        assert clock.slept == [3.0]
        assert len(server.requests) == 2

    @pytest.mark.parametrize("effect", ONCE)
    async def test_a_spend_is_not(self, transport_to: Any, effect: Effect) -> None:
        async with serving(answering(answer(429, Retry_After="3"), OK)) as server:
            with pytest.raises(RateLimited) as limited:
                await transport_to(server.url).call("POST", "/x", effect=effect)
        assert (limited.value.retry_after, limited.value.status) == (3.0, 429)
        assert len(server.requests) == 1

    async def test_everybody_else_waits_as_well(self, transport_to: Any, clock: Any) -> None:
        async with serving(answering(answer(429, Retry_After="3"), OK)) as server:
            transport = transport_to(server.url)
            with pytest.raises(RateLimited):
                await transport.call("POST", "/x", effect=Effect.SPEND)
            await transport.call("GET", "/x", effect=Effect.READ)
            await transport.call("GET", "/x", effect=Effect.READ)
        assert clock.slept == [3.0]

    async def test_a_date_is_understood(self, transport_to: Any, clock: Any) -> None:
        date = format_datetime(datetime(2026, 3, 2, 9, 0, 4, tzinfo=UTC), usegmt=True)
        async with serving(answering(answer(429, Retry_After=date), OK)) as server:
            await transport_to(server.url).call("GET", "/x", effect=Effect.READ)
        assert clock.slept == [4.0]

    async def test_nothing_said_is_a_short_pause(self, transport_to: Any, clock: Any) -> None:
        async with serving(answering(answer(429), OK)) as server:
            await transport_to(server.url).call("GET", "/x", effect=Effect.READ)
        assert clock.slept == [5.0]

    async def test_an_hour_is_not_waited_for(self, transport_to: Any, clock: Any) -> None:
        """Those who read are told at once, and send nothing; a change waits, but not for the hour either."""
        async with serving(answering(answer(429, Retry_After="3600"), OK)) as server:
            transport = transport_to(server.url)
            with pytest.raises(RateLimited) as limited:
                await transport.call("GET", "/x", effect=Effect.READ)
            clock.advance(10)
            for effect in (Effect.READ, Effect.REVEAL):
                with pytest.raises(RateLimited, match="asked for a pause, so this was not sent") as held:
                    await transport.call("GET", "/x", effect=effect)
                assert (held.value.retry_after, held.value.cure) == (50.0, "Try again in 50 seconds.")
            assert (clock.slept, len(server.requests)) == ([], 1)
            await transport.call("POST", "/x", effect=Effect.SPEND)
            await transport.call("GET", "/x", effect=Effect.READ)
        assert limited.value.retry_after == 3600.0
        assert clock.slept == [MAX_HOLD_SECONDS - 10]
        assert len(server.requests) == 3

    async def test_who_reads_is_told_also_behind_a_change_that_waits(self, transport_to: Any, clock: Any) -> None:
        is_over = asyncio.Event()

        async def sleep(seconds: float) -> None:
            await is_over.wait()
            clock.advance(seconds)

        async with serving(answering(answer(429, Retry_After="40"), OK)) as server:
            transport = transport_to(server.url, min_seconds_between_calls=0.1, sleep=sleep)
            with pytest.raises(RateLimited):
                await transport.call("POST", "/x", effect=Effect.SPEND)
            clock.advance(1)
            waiting = asyncio.create_task(transport.call("POST", "/x", effect=Effect.SPEND))
            await asyncio.sleep(0.02)
            with pytest.raises(RateLimited):
                await transport.call("GET", "/x", effect=Effect.READ)
            assert len(server.requests) == 1
            is_over.set()
            assert (await waiting).status == 200

    @pytest.mark.parametrize("effect", [Effect.WRITE, Effect.SPEND])
    async def test_a_limit_of_one_thing_does_not_hold_the_account(
        self, transport_to: Any, clock: Any, effect: Effect
    ) -> None:
        async with serving(answering(answer(429, Retry_After="3000"), OK)) as server:
            transport = transport_to(server.url)
            with pytest.raises(RateLimited) as limited:
                await transport.call("POST", "/x", effect=effect, limited_by_account=False)
            await transport.call("GET", "/x", effect=Effect.READ)
        assert limited.value.retry_after == 3000.0
        assert clock.slept == []

    async def test_but_it_is_waited_for_where_that_is_not_long(self, transport_to: Any, clock: Any) -> None:
        async with serving(answering(answer(429, Retry_After="3"), OK)) as server:
            await transport_to(server.url).call("POST", "/x", effect=Effect.WRITE, limited_by_account=False)
        assert clock.slept == [3.0]

    async def test_three_times_is_enough(self, transport_to: Any) -> None:
        async with serving(answering(answer(429, Retry_After="1"))) as server:
            with pytest.raises(RateLimited):
                await transport_to(server.url).call("GET", "/x", effect=Effect.READ)
        assert len(server.requests) == 3

    @pytest.mark.parametrize(
        ("said", "seconds"),
        [
            (None, None),
            ("0", 0.0),
            (" 12 ", 12.0),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("٣", None),
            ("Mon, 02 Mar 2026 09:01:00 GMT", 60.0),
            ("Mon, 02 Mar 2026 08:00:00 GMT", 0.0),
            ("Mon, 02 Mar 2026 09:01:00 -0000", None),
            ("9" * 400, 999_999_999.0),
        ],
    )
    def test_retry_after(self, said: str | None, seconds: float | None) -> None:
        assert seconds_from_retry_after(said, datetime(2026, 3, 2, 9, 0, tzinfo=UTC)) == seconds


class TestPace:
    async def test_calls_are_kept_apart_in_the_order_they_came(self, transport_to: Any, clock: Any) -> None:
        async with serving(answering(OK)) as server:
            transport = transport_to(server.url, min_seconds_between_calls=2.5)
            await asyncio.gather(*(transport.call("GET", f"/{n}", effect=Effect.READ) for n in range(3)))
            assert clock.slept == [2.5, 2.5]
            clock.advance(1.0)
            await transport.call("GET", "/3", effect=Effect.READ)
            clock.advance(60.0)
            await transport.call("GET", "/4", effect=Effect.READ)
        assert clock.slept == [2.5, 2.5, 1.5]
        assert sorted(request.split()[1] for request in server.requests) == [b"/0", b"/1", b"/2", b"/3", b"/4"]

    async def test_a_reading_does_not_wait_with_the_changes(self, transport_to: Any, clock: Any) -> None:
        slept, is_over = asyncio.Queue[float](), asyncio.Event()

        async def sleep(seconds: float) -> None:
            slept.put_nowait(seconds)
            await is_over.wait()
            clock.advance(seconds)

        async with serving(answering(OK)) as server:
            transport = transport_to(server.url, min_seconds_between_writes=2.5, sleep=sleep)
            await transport.call("POST", "/first", effect=Effect.WRITE)
            waiting = asyncio.create_task(transport.call("DELETE", "/second", effect=Effect.DESTROY))
            assert await slept.get() == 2.5
            await transport.call("GET", "/read", effect=Effect.READ)
            await transport.call("POST", "/revealed", effect=Effect.REVEAL)
            is_over.set()
            await waiting
        assert [request.split()[1] for request in server.requests] == [b"/first", b"/read", b"/revealed", b"/second"]
        assert slept.empty()

    async def test_changes_keep_their_distance_also_when_tried_again(self, transport_to: Any, clock: Any) -> None:
        async with serving(answering(b"HTTP/1.1 429 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")) as server:
            transport = transport_to(server.url, min_seconds_between_calls=1, min_seconds_between_writes=2.5)
            with pytest.raises(RateLimited):
                await transport.call("PUT", "/", effect=Effect.WRITE)
        assert len(server.requests) == 3
        assert clock.slept == [2.5, 2.5]

    async def test_a_clock_that_is_put_back_does_not_stop_the_account(self, transport_to: Any, clock: Any) -> None:
        async with serving(answering(OK)) as server:
            transport = transport_to(server.url, min_seconds_between_calls=2.5)
            await transport.call("GET", "/", effect=Effect.READ)
            clock.advance(-3600.0)
            await transport.call("GET", "/", effect=Effect.READ)
        assert clock.slept == [2.5]

    async def test_a_slow_answer_does_not_hold_up_the_next_call(self, transport_to: Any) -> None:
        """Calls are kept apart, not one behind the other: many may be under way at once."""
        async with serving(silence) as server:
            transport = transport_to(server.url, timeout_seconds=0.2)
            started = time.monotonic()
            await asyncio.gather(
                *(transport.call("POST", "/", effect=Effect.SPEND) for _ in range(20)), return_exceptions=True
            )
        assert len(server.requests) == 20
        assert time.monotonic() - started < 1


class TestWhatIsLogged:
    async def test_one_line_a_call(self, transport_to: Any, logged: Any) -> None:
        async with serving(answering(OK)) as server:
            transport = transport_to(server.url)
            await transport.call("GET", "/domains", effect=Effect.READ)
            await transport.call("POST", "/buy", effect=Effect.SPEND)
        reading, spending = logged
        assert reading["ms"] > 0
        assert {name: reading[name] for name in ("account", "method", "path", "status", "effect", "log_level")} == {
            "account": "main",
            "method": "GET",
            "path": "/domains",
            "status": 200,
            "effect": "read",
            "log_level": "debug",
        }
        assert (spending["effect"], spending["log_level"]) == ("spend", "info")

    async def test_every_try_is_there(self, transport_to: Any, logged: Any) -> None:
        with pytest.raises(NotSent):
            await transport_to(f"http://127.0.0.1:{free_port()}").call("GET", "/x", effect=Effect.READ)
        assert [(line["tries"], line["repeating"], line["failed"]) for line in logged] == [
            (1, True, "NotSent"),
            (2, True, "NotSent"),
            (3, False, "NotSent"),
        ]

    async def test_no_secret_anywhere(self, transport_to: Any, everything_logged: Any) -> None:
        """Not in a log line, whoever writes it, nor in an error or anything that hangs on it."""
        seen: list[str] = []
        secret = "s3cr3t-value"
        behaviours = [*CUTS, answering(answer(429, secret.encode())), answering(answer(500, secret.encode()))]
        urls = [f"http://127.0.0.1:{free_port()}"]
        async with contextlib.AsyncExitStack() as stack:
            urls += [(await stack.enter_async_context(serving(behaviour))).url for behaviour in behaviours]
            for url in urls:
                for effect in (Effect.SPEND, Effect.READ):
                    transport = transport_to(url, timeout_seconds=0.03)
                    seen.append(repr(transport))
                    try:
                        got = await transport.call(
                            "POST",
                            "/x",
                            effect=effect,
                            params={"key": secret},
                            headers={"Authorization": f"Bearer {secret}"},
                            json={"password": secret},
                        )
                        seen.append(repr(got) + str(got))
                    except ProviderError as error:
                        seen += told_by(error)
        assert secret not in "".join(seen)
        assert secret not in everything_logged.getvalue()
        assert json.dumps(secret) not in everything_logged.getvalue()


class TestForms:
    """Multipart: fields, and a file that is sent from where it lies in memory."""

    async def test_fields_and_a_file(self, transport_to: Any) -> None:
        content = b"email\r\n" + b"ann@acme.com\r\n" * 20_000
        form = {"type": "catch_all", "file": File('li"st.csv', content, "text/csv"), "note": "ä"}
        async with serving(answering(answer(210))) as server:
            got = await transport_to(server.url).call("POST", "/verify", effect=Effect.SPEND, form=form)
        assert got.status == 210
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(b": ") for line in head.split(b"\r\n")[1:])}
        assert int(fields[b"content-length"]) == len(body)
        assert b"transfer-encoding" not in fields
        kind, _, boundary = fields[b"content-type"].partition(b"; boundary=")
        assert kind == b"multipart/form-data"
        parts = body.split(b"--" + boundary)
        assert [part.partition(b"\r\n\r\n")[0].strip() for part in parts[1:-1]] == [
            b'Content-Disposition: form-data; name="type"',
            b'Content-Disposition: form-data; name="file"; filename="li%22st.csv"\r\nContent-Type: text/csv',
            b'Content-Disposition: form-data; name="note"',
        ]
        assert [part.partition(b"\r\n\r\n")[2] for part in parts[1:-1]] == [
            b"catch_all\r\n",
            content + b"\r\n",
            "ä\r\n".encode(),
        ]

    async def test_it_can_be_sent_again(self, transport_to: Any) -> None:
        async with serving(answering(answer(503), OK)) as server:
            form = {"file": File("a.csv", b"a" * 100_000)}
            await transport_to(server.url).call("POST", "/x", effect=Effect.READ, form=form)
        first, second = server.requests
        assert first.count(b"a" * 100_000) == second.count(b"a" * 100_000) == 1

    async def test_a_call_has_one_body(self, transport_to: Any) -> None:
        with pytest.raises(TypeError):
            await transport_to("http://127.0.0.1:9").call("POST", "/x", effect=Effect.READ, json={}, form={"a": "b"})

    async def test_a_large_file_has_longer(self, transport_to: Any) -> None:
        """It counts as unanswered only when even a slow line would have carried it."""

        async def slowly(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            await asyncio.sleep(0.1)
            writer.write(OK)
            await writer.drain()

        form = {"file": File("a.csv", b"a" * UPLOAD_BYTES_PER_SECOND)}
        async with serving(slowly) as server:
            transport = transport_to(server.url, timeout_seconds=0.05)
            assert (await transport.call("POST", "/x", effect=Effect.SPEND, form=form)).status == 200
            with pytest.raises(OutcomeUnknown):
                await transport.call("POST", "/x", effect=Effect.SPEND, form={"type": "standard"})

    @pytest.mark.parametrize("behaviour", [cut_after_request, answering(answer(500)), answering(answer(429))])
    async def test_what_is_in_it_is_told_to_nobody(
        self, transport_to: Any, everything_logged: Any, behaviour: Behaviour
    ) -> None:
        file = File("ann.csv", b"ann@acme.com")
        seen = [repr(file), str(file)]
        async with serving(behaviour) as server:
            try:
                seen.append(
                    repr(
                        await transport_to(server.url).call(
                            "POST", "/x", effect=Effect.SPEND, form={"emails": "bob@acme.com", "file": file}
                        )
                    )
                )
            except ProviderError as error:
                seen += told_by(error)
        everything = "".join(seen) + everything_logged.getvalue()
        assert not [name for name in ("ann", "bob", "acme") if name in everything]


def told_by(error: BaseException) -> list[str]:
    """All the text that can be got out of an error, its hidden causes included."""
    texts = traceback.format_exception(error)
    hanging: BaseException | None = error
    while hanging is not None:
        texts += [str(hanging), repr(hanging), repr(vars(hanging))]
        hanging = hanging.__cause__ or hanging.__context__
    return texts


class TestRest:
    """A provider that keeps failing is left alone; each time for longer."""

    async def fail(self, transport: Transport, times: int = FAILURES_IN_A_ROW) -> None:
        for _ in range(times):
            with contextlib.suppress(Upstream, NotSent):
                await transport.call("GET", "/x", effect=Effect.READ)

    async def test_after_failures_in_a_row_nothing_is_sent(self, transport_to: Any, logged: Any) -> None:
        async with serving(answering(answer(503))) as server:
            transport = transport_to(server.url)
            await self.fail(transport)
            assert len(server.requests) == FAILURES_IN_A_ROW * 3
            for effect in Effect:
                with pytest.raises(NotSent, match="alone for a while") as error:
                    await transport.call("POST", "/x", effect=effect)
                assert (error.value.cure, error.value.detail) == ("Try again in 15 seconds.", "resting")
            assert len(server.requests) == FAILURES_IN_A_ROW * 3
        assert [line["seconds"] for line in logged if line["event"] == "provider left alone"] == [FIRST_REST_SECONDS]

    @pytest.mark.parametrize("behaviour", [cut_after_request, cut_on_accept])
    async def test_no_answer_counts_as_well(self, transport_to: Any, behaviour: Behaviour) -> None:
        async with serving(behaviour) as server:
            transport = transport_to(server.url)
            await self.fail(transport)
            with pytest.raises(NotSent, match="alone"):
                await transport.call("GET", "/x", effect=Effect.READ)
            assert server.connections == FAILURES_IN_A_ROW * 3

    @pytest.mark.parametrize("effect", list(Effect))
    async def test_so_does_a_connection_that_cannot_be_had(self, transport_to: Any, effect: Effect) -> None:
        transport = transport_to(f"http://127.0.0.1:{free_port()}")
        for _ in range(FAILURES_IN_A_ROW):
            with pytest.raises(NotSent, match="could not be reached"):
                await transport.call("POST", "/x", effect=effect)
        with pytest.raises(NotSent, match="alone"):
            await transport.call("POST", "/x", effect=effect)

    @pytest.mark.parametrize("status", [200, 210, 301, 313, 400, 401, 403, 404, 409, 422])
    async def test_any_proper_answer_begins_the_count_anew(self, transport_to: Any, status: int) -> None:
        """A 4xx least of all may be hidden behind a rest."""
        async with serving(
            answering(*[answer(503)] * 12, answer(status), *[answer(503)] * 12, answer(status))
        ) as server:
            transport = transport_to(server.url)
            for _ in range(2):
                await self.fail(transport, FAILURES_IN_A_ROW - 1)
                assert (await transport.call("POST", "/x", effect=Effect.WRITE)).status == status
        assert len(server.requests) == 26

    async def test_refusals_alone_never_lead_to_a_rest(self, transport_to: Any) -> None:
        async with serving(answering(answer(404), answer(422), answer(401), answer(403))) as server:
            transport = transport_to(server.url)
            for _ in range(4 * FAILURES_IN_A_ROW):
                await transport.call("GET", "/x", effect=Effect.READ)
        assert len(server.requests) == 4 * FAILURES_IN_A_ROW

    @pytest.mark.parametrize("effect", CHANGES)
    async def test_a_change_that_fails_counts_neither_way(self, transport_to: Any, effect: Effect) -> None:
        """Its 500 may be about what it asked for."""
        async with serving(answering(answer(500))) as server:
            transport = transport_to(server.url)
            for _ in range(FAILURES_IN_A_ROW):
                assert (await transport.call("POST", "/x", effect=effect)).status == 500
            await self.fail(transport, FAILURES_IN_A_ROW - 1)
            await transport.call("POST", "/x", effect=effect)
            await self.fail(transport, 1)
            with pytest.raises(NotSent, match="alone"):
                await transport.call("POST", "/x", effect=effect)
        assert len(server.requests) == FAILURES_IN_A_ROW * 4 + 1

    async def test_a_500_that_is_an_answer_is_neither_repeated_nor_counted(self, transport_to: Any) -> None:
        async with serving(answering(answer(500, b"No query results"))) as server:
            transport = transport_to(server.url, is_plain=lambda got: "No query" in got.text)
            for _ in range(FAILURES_IN_A_ROW + 1):
                assert (await transport.call("GET", "/x", effect=Effect.READ)).status == 500
        assert len(server.requests) == FAILURES_IN_A_ROW + 1

    async def test_what_repeating_mends_is_no_failure(self, transport_to: Any) -> None:
        async with serving(answering(*[answer(503), answer(503), OK] * 10)) as server:
            transport = transport_to(server.url)
            for _ in range(10):
                assert (await transport.call("GET", "/x", effect=Effect.READ)).status == 200
        assert len(server.requests) == 30

    @pytest.mark.parametrize("effect", list(Effect))
    async def test_after_the_rest_any_one_call_tries_and_all_is_well(
        self, transport_to: Any, clock: Any, logged: Any, effect: Effect
    ) -> None:
        async with serving(answering(*[answer(503)] * 15, OK)) as server:
            transport = transport_to(server.url)
            await self.fail(transport)
            clock.advance(FIRST_REST_SECONDS - 1)
            with pytest.raises(NotSent, match="alone") as error:
                await transport.call("POST", "/buy", effect=effect)
            assert error.value.cure == "Try again in 1 second."
            clock.advance(1)
            assert (await transport.call("POST", "/buy", effect=effect)).status == 200
            assert (await transport.call("GET", "/x", effect=Effect.READ)).status == 200
        assert len(server.requests) == 17
        assert "provider answers again" in [line["event"] for line in logged]

    @pytest.mark.parametrize(("effect", "failed"), [(Effect.READ, "Upstream"), (Effect.SPEND, "OutcomeUnknown")])
    async def test_only_one_and_only_once(self, transport_to: Any, clock: Any, effect: Effect, failed: str) -> None:
        async with serving(silence) as server:
            transport = transport_to(server.url, timeout_seconds=0.05)
            await self.fail(transport)
            tried = len(server.requests)
            clock.advance(FIRST_REST_SECONDS)
            outcomes = await asyncio.gather(
                *(transport.call("GET", "/x", effect=effect) for _ in range(5)), return_exceptions=True
            )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NotSent"] * 4 + [failed]
        assert {outcome.cure for outcome in outcomes if isinstance(outcome, NotSent)} == {"Try again in a moment."}
        assert len(server.requests) == tried + 1

    async def test_it_can_be_asked_for_beforehand(self, transport_to: Any, clock: Any) -> None:
        async with serving(silence) as server:
            transport = transport_to(server.url, timeout_seconds=0.05)
            await self.fail(transport, FAILURES_IN_A_ROW - 1)
            assert transport.resting_until() is None
            await self.fail(transport, 1)
            end = clock.now() + timedelta(seconds=FIRST_REST_SECONDS)
            assert transport.resting_until() == end
            clock.advance(FIRST_REST_SECONDS - 0.1)
            assert transport.resting_until() == end
            clock.advance(0.1)
            assert transport.resting_until() is None
            trying = asyncio.create_task(transport.call("POST", "/x", effect=Effect.SPEND))
            await asyncio.sleep(0)  # it has begun
            assert transport.resting_until() == clock.now() + timedelta(seconds=TRIAL_SECONDS)
            with pytest.raises(OutcomeUnknown):
                await trying
            assert transport.resting_until() is None, "which showed nothing: the next call tries"

    async def test_the_rests_grow_up_to_a_limit(self, transport_to: Any, clock: Any, logged: Any) -> None:
        async with serving(answering(answer(503))) as server:
            transport = transport_to(server.url)
            await self.fail(transport)
            for _ in range(7):
                clock.advance(LONGEST_REST_SECONDS)
                assert (await transport.call("GET", "/x", effect=Effect.READ)).status == 503
        rests = [line["seconds"] for line in logged if line["event"] == "provider left alone"]
        assert rests == [15.0, 30.0, 60.0, 120.0, 240.0, 300.0, 300.0, 300.0]

    async def test_a_change_that_cannot_be_sent_begins_the_next_rest(self, transport_to: Any, clock: Any) -> None:
        transport = transport_to(f"http://127.0.0.1:{free_port()}")
        await self.fail(transport)
        clock.advance(FIRST_REST_SECONDS)
        with pytest.raises(NotSent, match="could not be reached"):
            await transport.call("POST", "/x", effect=Effect.SPEND)
        assert transport.resting_until() == clock.now() + timedelta(seconds=2 * FIRST_REST_SECONDS)

    async def test_a_cancelled_try_leaves_the_way_free(self, transport_to: Any, clock: Any) -> None:
        async with serving(silence) as server:
            transport = transport_to(server.url, timeout_seconds=0.05)
            await self.fail(transport)
            clock.advance(FIRST_REST_SECONDS)
            before = len(server.requests)
            trying = asyncio.create_task(transport.call("GET", "/x", effect=Effect.READ))
            while len(server.requests) == before:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0)
            trying.cancel()
            with pytest.raises(asyncio.CancelledError):
                await trying
            with pytest.raises(Upstream):
                await transport.call("GET", "/x", effect=Effect.READ)

    async def test_a_clock_that_is_set_back_does_not_lengthen_it(self, transport_to: Any, clock: Any) -> None:
        async with serving(answering(*[answer(503)] * 15, OK)) as server:
            transport = transport_to(server.url)
            await self.fail(transport)
            clock.advance(-86_400)
            assert (await transport.call("POST", "/x", effect=Effect.SPEND)).status == 200
