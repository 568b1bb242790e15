"""Something that Postroom needs really fails, and /readyz, /metrics and the doctor say so."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from bot import socket_link
from bot.doctor import Check, VerifiesCredentials, diagnose
from bot.socket_link import SocketLink
from providers.accounts import AccountSettings, PriceList
from providers.catalogue import open_account
from tests.house import House, open_house, served

BEATS = ("outbox", "requests", "jobs", "waiting", "home", "facts", "digest", "housekeeping")


async def ready(house: House) -> dict[str, str]:
    """What is wrong, as /readyz says it."""
    async with served(house.inside) as url, httpx.AsyncClient(trust_env=False, timeout=30) as http:
        answer = await http.get(f"{url}/readyz")
    wrong: dict[str, str] = answer.json()["wrong"]
    assert answer.status_code == (503 if wrong else 200)
    return wrong


async def doctors_word(house: House) -> Check | None:
    """What the doctor says of the beats; it is another process, and knows no more than the file."""

    @asynccontextmanager
    async def opened(name: str, its: AccountSettings) -> AsyncIterator[VerifiesCredentials]:
        account = open_account(name, its, PriceList(), house.clock)
        yield account.client
        await account.client.aclose()

    checks = await diagnose(house.settings, opened, clock=house.clock)
    return next((check for check in checks if check.name == "beats"), None)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


class TestABeatIsLate:
    @pytest.fixture
    async def house(self, tmp_path: Path) -> AsyncIterator[House]:
        async with open_house(tmp_path, mode="http") as opened:
            await opened.inside.start()
            await self.beats(opened, *BEATS)
            yield opened
            await opened.inside.beats.stop(5)

    async def beats(self, house: House, *names: str) -> None:
        """These have run at this moment, and the file says so."""
        house.inside.beats.wake(*names)
        now = house.clock.now().isoformat(timespec="microseconds")
        await until(lambda: {(name, now) for name in names} <= set(house.on_disk("SELECT name, at FROM beats")))

    async def test_all_is_well(self, house: House) -> None:
        assert await ready(house) == {}
        told = await doctors_word(house)
        assert told is not None
        assert told.ok
        assert told.said == "A Postroom runs on this database, and its 8 beats are on time."

    async def test_one_breaks_each_time(self, house: House) -> None:
        with closing(sqlite3.connect(house.settings.database)) as outside:
            outside.execute("DROP TABLE jobs")
        house.clock.advance(seconds=61)
        await self.beats(house, "outbox", "requests", "home", "facts")
        house.inside.beats.wake("jobs")
        await until(lambda: {one.name: one.failures for one in house.inside.beats.seen()}["jobs"] > 0)

        assert await ready(house) == {"beats": "late: jobs"}
        told = await doctors_word(house)
        assert told is not None
        assert not told.ok
        assert told.said == (
            "A Postroom runs on this database, and not all of its beats are on time: "
            "jobs has not run to its end since 2026-03-02 09:00:00 UTC."
        )
        assert "beat_broke" in told.cure
        page = (await house.inside.metrics.page(None))[0].decode()
        assert 'postroom_beat_late{beat="jobs"} 1.0' in page
        assert 'postroom_beat_late{beat="outbox"} 0.0' in page
        assert 'postroom_beat_age_seconds{beat="jobs"} 61.0' in page

    async def test_no_postroom_runs_there(self, house: House) -> None:
        house.clock.advance(hours=3)
        told = await doctors_word(house)
        assert told is not None
        assert told.ok
        assert told.said.endswith("one was last heard of at 2026-03-02 09:00:00 UTC.")


async def test_the_doctor_has_nothing_to_say_where_no_postroom_ever_ran(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        assert await doctors_word(house) is None


async def test_the_store_cannot_be_written(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        assert await ready(house) == {}
        with closing(sqlite3.connect(house.settings.database, isolation_level=None)) as outside:
            outside.execute("BEGIN IMMEDIATE")  # another program holds the file
            assert await ready(house) == {"store": "cannot be written (TimeoutError)"}
        assert await ready(house) == {}


class Wire:
    """The cable between Postroom and Slack. It can fall silent: nothing comes through, and nobody hangs up."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.silent = False

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either end hangs up."""
        from_slack, to_slack = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._pass_on(reader, to_slack), self._pass_on(from_slack, writer))

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await source.read(65536):
                if not self.silent:
                    target.write(piece)
        target.close()


async def test_the_socket_goes_deaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection stays open, as behind a firewall that forgot it: only the pings tell."""
    monkeypatch.setattr(socket_link, "PING_SECONDS", 1.0)
    async with open_house(tmp_path) as house:
        inside = house.inside
        assert inside.link is not None
        await inside.link.close()
        link = inside.link = SocketLink(inside.bolt, house.slack.app.app_token, inside.client)
        ask_slack = link._client.issue_new_wss_url
        wire = Wire(urlsplit(str(house.inside.client.base_url)).port or 0)
        carrying = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
        port = carrying.sockets[0].getsockname()[1]

        async def through_the_wire() -> str:
            address = urlsplit(await ask_slack())
            return address._replace(netloc=f"127.0.0.1:{port}").geturl()

        link._client.issue_new_wss_url = through_the_wire  # type: ignore[method-assign]
        await link.connect()
        assert await ready(house) == {}
        assert (await house.ana.types("/postroom help", channel="#outreach")).ok

        wire.silent = True
        async with asyncio.timeout(60):
            while not (wrong := await ready(house)):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.1)
        assert wrong == {"socket": "not connected to Slack"}
        page = (await inside.metrics.page(link))[0].decode()
        assert "postroom_socket_connected 0.0" in page

        wire.silent = False
        async with asyncio.timeout(60):
            while await ready(house):
                await link.supervise()  # its beat
                await asyncio.sleep(0.1)
        carrying.close()
