"""The demo from outside: the whole story with all five providers, and how it fails when something is not as told."""

from __future__ import annotations

import asyncio
import io
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rich.console import Console

from bot.sandbox import demo, story
from bot.sandbox.markup import EMOJI
from bot.sandbox.stage import Pace, Stage, installed, set_stage
from bot.sandbox.tour import furnish
from bot.sandbox.witness import NotSeen
from bot.sandbox.workspace import default_workspace
from handlers import slack
from tests.house import House

WHOLE_DEMO = 120.0
"""Seconds after which the demo counts as hanging; it takes about twenty."""


async def told_by_demo() -> tuple[int, str]:
    """`postroom demo`, as in a pipe: its exit code and everything it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot.cli",
        "demo",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=Path(__file__).parents[3],
    )
    async with asyncio.timeout(WHOLE_DEMO):
        said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_the_page_offers_all_that_the_house_itself_can_do(house: House) -> None:
    door = house.inside.door

    assert set(demo.HOUSE) == {*door._commands._own, *house.inside.aloud.verbs}


async def test_the_whole_story_ends_with_the_books_of_all_five() -> None:
    code, said = await told_by_demo()

    assert code == 0, said[-3000:]
    story_told, _, books = said.partition("The providers' books")
    story_told = " ".join(story_told.split())
    rows = " ".join(books.split())
    for provider, done in (
        ("Mailin.ai", "Bought acme-mail.com, acme-hq.co"),
        ("ScaledMail", "Bought acme-reach.com and"),
        ("Smailor", "Looked at the reputation of 3"),
        ("Instantly", "Made “Spring at Acme”: 2 steps, 3"),
        ("MailAPI", "Added acme-post.com,"),
    ):
        assert f"{provider} {done}" in rows
    assert "$295.00 and 3 credits ($30.50 of it every month)" in rows
    assert "said yes. One more person has to" in story_told
    assert "$35.00 → $41.00" in story_told
    assert "Outreach after: $282.50 of $280.00" in story_told
    assert "it did not happen. It is sent to the provider once more" in story_told
    assert "kill -9" in story_told
    assert "Credentials are shown only to those who may" in story_told
    assert "Traceback" not in said
    assert "<@U0" not in said, "mentions are shown as names"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A furnished stage; its bot is not started yet."""
    pace = Pace(first_poll=0.2, max_poll=0.4, job=0.5)
    async with set_stage(default_workspace(app=installed()), tmp_path, pace=pace) as stage:
        furnish(stage)
        yield stage


async def test_what_does_not_come_to_pass_fails_the_demo(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else has one of the names that Ana wants."""
    stage.mailin.taken.add("acme-hq.co")
    monkeypatch.setattr(story, "PATIENCE", 3.0)
    said = io.StringIO()

    code = await demo._play(Console(file=said, width=100), stage)

    assert code == 1
    assert "The demo failed: The form was refused: ⚠️ Already taken: acme-hq.co." in said.getvalue()
    assert "<function" not in said.getvalue()


async def test_a_bot_that_dies_is_told_of_without_a_traceback(stage: Stage) -> None:
    settings = stage.bot.folder / "postroom.toml"
    settings.write_text(settings.read_text().replace('provider = "smailor"', 'provider = "smaller"'))
    said = io.StringIO()

    code = await demo._play(Console(file=said, width=200), stage)

    assert code == 1
    assert "The bot did not start." in said.getvalue()
    assert "did you mean smailor?" in said.getvalue()
    assert "Traceback" not in said.getvalue()


async def test_the_books_are_believed_and_not_the_bot(stage: Stage) -> None:
    stage.mailin.buy(["acme-mail.com", "acme-hq.co"], "smtp")
    assert demo._bought(stage).dollars == demo.PRICES["com"] + demo.PRICES["co"]

    stage.mailin.buy(["acme-mail.com"], "smtp")

    with pytest.raises(NotSeen, match=re.escape("acme-mail.com, acme-hq.co, acme-mail.com")):
        demo._bought(stage)


async def test_all_five_accounts_work_side_by_side(stage: Stage) -> None:
    """What `postroom demo --page` offers: one command, and the form asks at which of the providers."""
    await stage.bot.start()
    ana = stage.workspace.person("ana")

    await ana.types("/domain list", channel="#outreach")

    form = await ana.sees_modal("form", timeout=20)
    [menu] = [block["element"] for block in form.blocks if block["block_id"] == "account"]
    assert [option["value"] for option in menu["options"]] == [
        "mailin-main",
        "scaledmail-main",
        "smailor-main",
        "mailapi-main",
    ]
    await ana.closes(form)
    for words, answer in (
        ("/domain check free.com", "is free"),
        ("/prewarm browse", "4 pre-warmed domains are for sale"),
        ("/domain reputation acme-blast.com", "acme-blast.com is blocked"),
        ("/mailbox accounts", "2 sending accounts"),
    ):
        await ana.types(words, channel="#outreach")
        await ana.sees(answer, in_="#outreach", timeout=20)


def test_a_log_is_told_without_its_tracebacks() -> None:
    log = '{"event": "beat_broke", "exception": "Traceback\\n  File x\\nTypeError: no"}\nplain words\n{"event": "up"}'

    assert demo._readable(log) == "  beat_broke: TypeError: no\n  plain words\n  up"


def test_the_page_shows_every_emoji_that_the_bot_uses() -> None:
    said = "".join(path.read_text() for path in Path(slack.__file__).parent.glob("*.py"))
    used = set(re.findall(r":([a-z][a-z0-9_+-]{2,}): ", said)) | set(re.findall(r'":([a-z_]+):"', said))

    assert {"tada", "warning", "heavy_minus_sign"} <= used
    assert used <= EMOJI.keys()
