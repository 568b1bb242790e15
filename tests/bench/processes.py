"""Starting and stopping the processes that are measured, and looking at what they use."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running process that listens on a port."""

    process: asyncio.subprocess.Process
    port: int

    def resident_mib(self) -> float:
        """Its resident memory."""
        return resident_mib(self.process.pid)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def resident_mib(pid: int) -> float:
    """The resident memory of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@contextlib.asynccontextmanager
async def running(
    arguments: Sequence[str], port: int, environment: Mapping[str, str], log: Path
) -> AsyncIterator[Server]:
    """`python ARGUMENTS`, from when it answers `/readyz` until the context ends."""
    with log.open("ab") as written:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env={**os.environ, **environment}, stdout=written, stderr=written
        )
    try:
        await _ready(process, port, log)
        yield Server(process, port)
    finally:
        await _end(process)


@contextlib.asynccontextmanager
async def outside(log: Path) -> AsyncIterator[Mapping[str, Any]]:
    """The stand-in for Slack and the provider's sandbox; yields their addresses."""
    async with printing("tests.bench.outside", log) as addresses:
        yield addresses


@contextlib.asynccontextmanager
async def printing(module: str, log: Path) -> AsyncIterator[Mapping[str, Any]]:
    """`python -m MODULE`, which prints its addresses as JSON when it is ready; yields them."""
    with log.open("ab") as written:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, stdout=subprocess.PIPE, stderr=written
        )
    try:
        assert process.stdout is not None
        yield json.loads(await process.stdout.readline())
    finally:
        await _end(process)


async def fetch(port: int, path: str) -> Any:
    """GET some JSON."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return json.loads(answer.partition(b"\r\n\r\n")[2])


async def _ready(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if process.returncode is not None:
            raise RuntimeError(f"a server ended by itself:\n{_end_of(log)}")
        with contextlib.suppress(OSError, ValueError):
            if (await fetch(port, "/readyz"))["ready"]:
                return
        await asyncio.sleep(0.05)
    raise RuntimeError(f"a server did not get ready:\n{_end_of(log)}")


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8")[-2000:]


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(3):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
