"""The real process is told to stop (SIGTERM) while a provider has not answered yet."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.sandbox.model import Message
from bot.sandbox.stage import Pace, Stage, installed, set_stage
from bot.sandbox.workspace import default_workspace
from providers.mailin.sandbox import Fault

PATIENCE = 60.0
"""Seconds for what must come, on a machine that others use as well."""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    pace = Pace(first_poll=0.2, max_poll=0.4, job=0.5)
    async with set_stage(default_workspace(app=installed()), tmp_path, pace=pace) as stage:
        yield stage


async def buying(stage: Stage) -> None:
    """Ana has asked, Omar has said yes, and the paid call is on its way."""
    ana, omar = stage.workspace.person("ana"), stage.workspace.person("omar")
    await ana.types("/domain buy acme.com", channel="#outreach")
    form = await ana.sees_modal("form", timeout=PATIENCE)
    await ana.fills(form, reason="New campaign", hosting="smtp")
    await ana.submits(form)
    await ana.submits(await ana.sees_modal("review", timeout=PATIENCE))
    await omar.clicks(await card(stage, "Approve"), "approve")
    async with asyncio.timeout(PATIENCE):
        while not stage.mailin.purchases:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


async def card(stage: Stage, saying: str) -> Message:
    async with asyncio.timeout(PATIENCE):
        while True:
            for message in stage.workspace.messages("C0APPROVALS"):
                if message.reads(saying):
                    return message
            await asyncio.sleep(0.05)


async def stopped(stage: Stage) -> tuple[int, float]:
    """How the process ended after SIGTERM, and how many seconds that took."""
    process = stage.bot.process
    assert process is not None
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE):
        code = await process.wait()
    return code, time.monotonic() - began


def on_disk(stage: Stage, question: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(stage.bot.database)) as outside:
        return outside.execute(question).fetchall()


async def test_what_is_under_way_is_waited_for_and_known_afterwards(stage: Stage) -> None:
    stage.mailin.faults.add("buy", Fault.slow(4))
    await stage.bot.start()
    await buying(stage)

    code, took = await stopped(stage)

    assert code == 0
    assert 1 < took < 30
    [(state, outcome)] = on_disk(stage, "SELECT state, outcome FROM requests")
    assert state == "working"
    assert '"pending"' in str(outcome)
    assert "Traceback" not in stage.bot.last_words(1000)

    stage.bot.process = None
    await stage.bot.start()
    async with asyncio.timeout(PATIENCE):
        while on_disk(stage, "SELECT state FROM requests") != [("succeeded",)]:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)
    assert [one.domain for one in stage.mailin.purchases] == ["acme.com"]
    assert stage.mailin.calls["buy"] == 1


async def test_a_provider_that_never_answers_is_not_waited_for_without_end(stage: Stage) -> None:
    settings = stage.bot.folder / "postroom.toml"
    patient = settings.read_text()
    impatient = patient.replace('email = "env:MAILIN_EMAIL"', 'email = "env:MAILIN_EMAIL"\ntimeout_seconds = 3', 1)
    assert impatient != patient
    settings.write_text(impatient)
    stage.mailin.faults.add("buy", Fault.slow(300))
    await stage.bot.start()
    await buying(stage)

    code, took = await stopped(stage)

    assert code == 0
    assert took < 30
    assert on_disk(stage, "SELECT state FROM requests") == [("unknown",)]
    assert on_disk(stage, "SELECT COUNT(*) FROM intents") == [(1,)]

    stage.bot.process = None
    await stage.bot.start()
    async with asyncio.timeout(PATIENCE):
        while on_disk(stage, "SELECT state FROM requests") != [("succeeded",)]:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)
    assert stage.mailin.calls["buy"] == 1
