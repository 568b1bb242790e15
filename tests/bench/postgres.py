"""Procrastinate as one of the poller's peers, and the PostgreSQL server that it needs for so long.

The server has its defaults and a folder of its own, and is spoken to over a socket file.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian puts the programs of each version, outside of everybody's PATH."""
_OWNER = "postgres"
"""Whose it is when we are root, whom PostgreSQL refuses to serve."""


AT_ONCE = 100
"""Jobs that are asked about at a time, as in the house."""
CONNECTIONS = 20
"""To the server: more were no faster."""


def is_installed() -> bool:
    """Whether a server can be started here."""
    return _programs() is not None and (os.geteuid() != 0 or _has_owner())


async def procrastinate(port: int, jobs: int) -> float:
    """Jobs a second, the calls by httpx over aiohttp. The jobs are there at the beginning."""
    import httpx  # noqa: PLC0415
    from httpx_aiohttp import AiohttpTransport  # noqa: PLC0415
    from procrastinate import App, PsycopgConnector  # noqa: PLC0415

    left = jobs
    with postgres() as server:
        app = App(connector=PsycopgConnector(conninfo=server, max_size=CONNECTIONS))
        async with app.open_async(), httpx.AsyncClient(transport=AiohttpTransport()) as client:

            @app.task(name="ask")
            async def ask(number: int) -> None:
                nonlocal left
                answer = await client.get(f"http://127.0.0.1:{port}/0/orders/{number}")
                assert answer.json()["state"]
                left -= 1

            await app.schema_manager.apply_schema_async()
            await ask.batch_defer_async(*({"number": number} for number in range(jobs)))
            await app.connector.execute_query_async("ANALYZE")  # as the server does by itself, a minute later
            started = time.perf_counter()
            await app.run_worker_async(concurrency=AT_ONCE, wait=False, install_signal_handlers=False)
            took = time.perf_counter() - started
    assert not left, "not every job was done"
    return jobs / took


@contextmanager
def postgres() -> Iterator[str]:
    """A new, empty server; gives the connection string of its database, and leaves nothing behind."""
    programs = _programs()
    assert programs is not None, "there is no PostgreSQL"
    owner = _OWNER if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="postroom-pg-"))
    try:
        if owner is not None:
            shutil.chown(folder, owner)
        data = folder / "data"

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [programs / program, *arguments], check=True, cwd=folder, user=owner, stdout=subprocess.DEVNULL
            )

        run("initdb", "--pgdata", str(data), "--username", _OWNER, "--auth", "trust")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}'"
        run("pg_ctl", "start", "--wait", "--pgdata", str(data), "--log", str(folder / "log"), "--options", options)
        try:
            yield f"host={folder} user={_OWNER} dbname={_OWNER}"
        finally:
            run("pg_ctl", "stop", "--wait", "--mode", "fast", "--pgdata", str(data))
    finally:
        shutil.rmtree(folder)


def _programs() -> Path | None:
    """The folder with PostgreSQL's own programs, of the newest version where there are several."""
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    installed = [one for one in _DEBIAN.glob("*/bin") if (one / "initdb").exists()]
    return max(installed, key=lambda one: float(one.parent.name), default=None)


def _has_owner() -> bool:
    try:
        pwd.getpwnam(_OWNER)
    except KeyError:
        return False
    return True
