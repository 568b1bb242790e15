"""Whatever is logged, by whomever, is one line; and no secret is in it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from bot.logs import REDACTED, configure_logging, scrubber
from bot.sandbox.faults import Fault as SlackFault
from bot.settings import LoggingSettings
from tests.house import House, open_house

PASSWORD = "mack'erel\"7\\ü"
SECRETS = (SecretStr(PASSWORD), SecretStr("omar@example.com"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def start(stream: io.StringIO | None = None, **settings: Any) -> io.StringIO:
    stream = stream or io.StringIO()
    configure_logging(LoggingSettings(**settings), stream, SECRETS)
    return stream


def only_line(stream: io.StringIO) -> dict[str, Any]:
    [line] = stream.getvalue().splitlines()
    told: dict[str, Any] = json.loads(line)
    return told


def test_a_fact_is_one_line_of_json_for_machines() -> None:
    stream = start()

    structlog.get_logger("handlers.requests").info("request_submitted", request="req_1", price="12.50")

    told = only_line(stream)
    assert told.pop("timestamp").endswith("Z")
    assert told == {
        "event": "request_submitted",
        "level": "info",
        "logger": "handlers.requests",
        "request": "req_1",
        "price": "12.50",
    }


def test_a_fact_is_one_line_of_text_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = start(Terminal())

    structlog.get_logger("bot").warning("socket\nis \x1b[31mdeaf", seconds=30)

    [line] = stream.getvalue().splitlines()
    assert "warning" in line
    assert "socket\\nis \\x1b[31mdeaf" in line
    assert "seconds=30" in line


@pytest.mark.parametrize(
    ("form", "stream", "is_json"),
    [("json", Terminal(), True), ("text", io.StringIO(), False), ("auto", Terminal(), False)],
)
def test_the_form_can_be_chosen(form: str, stream: io.StringIO, is_json: bool) -> None:
    start(stream, format=form)

    structlog.get_logger("bot").info("hello")

    assert stream.getvalue().startswith("{") is is_json


@pytest.mark.parametrize("name", ["slack_bolt.AsyncApp", "slack_sdk.web", "apscheduler.scheduler", "uvicorn.error"])
def test_libraries_go_through_the_same_pipeline(name: str) -> None:
    logging.getLogger("uvicorn").addHandler(logging.StreamHandler())
    stream = start()

    logging.getLogger(name).warning("refused %s", PASSWORD, extra={"password": "x", "try_number": 2})

    told = only_line(stream)
    assert told["event"] == f"refused {REDACTED}"
    assert told["logger"] == name
    assert told["password"] == REDACTED
    assert told["try_number"] == 2


def test_the_level_holds_for_all_and_chatter_is_left_out() -> None:
    stream = start(level="info")

    structlog.get_logger("bot").debug("too fine")
    logging.getLogger("slack_sdk").debug("too fine")
    logging.getLogger("httpx").info("HTTP Request: GET https://api.example.com/?q=1")
    logging.getLogger("apscheduler.executors.default").info("Running job")

    assert stream.getvalue() == ""


def test_slack_sdk_never_writes_out_requests() -> None:
    """Credentials that are shown to somebody are in them."""
    start(level="info")
    assert logging.getLogger("slack_sdk.web.async_base_client").level == logging.INFO

    start(level="debug")
    assert logging.getLogger("slack_sdk.web.async_base_client").level == logging.INFO


def test_configuring_again_replaces_what_was() -> None:
    first = start()
    second = start(level="error")

    structlog.get_logger("bot").info("not told")
    structlog.get_logger("bot").error("told once")

    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 1


def test_warnings_of_python_are_told_too() -> None:
    stream = start()

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)

    assert "old ways" in only_line(stream)["event"]


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize(
    "values",
    [
        {"said": PASSWORD},
        {"said": f"refused: {PASSWORD!r}"},
        {"answer": {"deep": [f"({PASSWORD})"]}},
        {"thing": ("mail", b"omar@example.com")},
        {"thing": ValueError(PASSWORD)},
        {"url": "https://api.example.com/?mail=omar%40example.com"},
    ],
)
def test_a_known_secret_is_blotted_out_wherever_it_stands(form: str, values: dict[str, Any]) -> None:
    stream = start(format=form)

    structlog.get_logger("bot").error("refused", **values)

    told = stream.getvalue()
    assert REDACTED in told
    assert len(told.splitlines()) == 1
    for part in ("mack", "erel", "omar"):
        assert part not in told


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_secret_is_blotted_out_of_tracebacks(form: str) -> None:
    stream = start(format=form)

    def log_in(password: str, token: str) -> None:
        raise RuntimeError(f"cannot log in as omar@example.com with {password!r} and {token}")

    try:
        log_in(PASSWORD, "xoxb-12-ab")
    except RuntimeError:
        structlog.get_logger("bot").exception("log_in_failed")
        logging.getLogger("slack_bolt").exception("log_in_failed")

    told = stream.getvalue()
    assert told.count("RuntimeError: cannot log in as") == 2
    assert "Traceback" in told
    for part in ("mack", "erel", "omar@", "12-ab"):
        assert part not in told
    if form == "json":
        assert all(json.loads(line) for line in told.splitlines())


@pytest.mark.parametrize(
    "secret",
    [
        "xoxb-123-456-abcDEF",
        "xoxe.xoxp-1-Mi0y",
        "xapp-1-A0B-12-abc",
        "Bearer 12|abcdefgh.ijk_lmn",
        "bearer eyJhbGciOiJIUzI1NiJ9.e30.abc-_d",
        "wss://wss-primary.slack.com/link/?ticket=1b-2c-3d&app_id=4e",
        "https://hooks.slack.com/commands/T0/12/abcdef",
        "password=tops3cret",
        '{"password": "tops3cret", "user": "finn"}',
        "{'api_key': 'tops3cret, and more'}",
        "Set-Cookie: tops3cret; HttpOnly",
    ],
)
@pytest.mark.parametrize("form", ["json", "text"])
def test_what_looks_like_a_secret_is_blotted_out(form: str, secret: str) -> None:
    stream = start(format=form)

    structlog.get_logger("bot").info("sent", said=secret)

    told = stream.getvalue()
    assert REDACTED in told
    for part in ("abcDEF", "Mi0y", "A0B", "ijk", "e30", "2c-", "abcdef", "tops3cret", "more"):
        assert part not in told


def test_values_are_blotted_out_by_their_name() -> None:
    stream = start()

    structlog.get_logger("bot").info(
        "mailbox_made", answer=[{"password": "fresh1", "imap_password": "fresh2", "totp": 123456, "token": None}]
    )

    assert only_line(stream)["answer"] == [
        {"password": REDACTED, "imap_password": REDACTED, "totp": REDACTED, "token": None}
    ]


def test_innocent_words_stay() -> None:
    sentence = "The bearer of tokens_revoked may ask: /domain buy example.com (token: None, box-office, x0xb-1)"
    stream = start()

    structlog.get_logger("bot").info(sentence)

    assert only_line(stream)["event"] == sentence


def test_a_very_short_secret_does_not_take_the_text_with_it() -> None:
    assert scrubber([SecretStr("a"), SecretStr("")])("a bat") == "a bat"


def test_the_longer_of_two_secrets_goes_first() -> None:
    assert scrubber([SecretStr("abcd"), SecretStr("abcdefgh")])("<abcdefgh>") == f"<{REDACTED}>"


class TestTheRequestStandsOnEveryLineAboutIt:
    """Whoever searches the log for a request's id finds all that concerns it, and nothing else."""

    def lines(self, stream: io.StringIO, *loggers: str) -> list[dict[str, Any]]:
        told = [json.loads(line) for line in stream.getvalue().splitlines()]
        stream.seek(0)
        stream.truncate()
        return [line for line in told if str(line["logger"]).startswith(loggers)]

    async def test_from_the_check_to_the_end(self, tmp_path: Path) -> None:
        stream = start(level="debug", format="json")
        async with open_house(tmp_path, quiet=False) as house:
            first, second = await house.asks(house.ana, "acme.com"), await house.asks(house.finn, "acme.co")
            checks = self.lines(stream, "providers.http")
            assert {line["request_id"] for line in checks} == {first.id, second.id}

            house.slack.faults.add("chat.update", SlackFault.error("fatal_error"))
            house.slack.faults.add("chat.update", SlackFault.rate_limited())
            await house.omar.clicks(first.card, "approve")
            await house.runs_for(minutes=5)
            calls = self.lines(stream, "providers.http", "handlers.slack.delivery")

        assert {"spend", "read"} <= {line["effect"] for line in calls if line["event"] == "provider call"}
        assert {"message_not_delivered", "slack_rate_limited"} <= {line["event"] for line in calls}
        assert {line["request_id"] for line in calls} == {first.id}

    async def test_each_fact_is_a_line_once(self, tmp_path: Path) -> None:
        stream = start(format="json")
        async with open_house(tmp_path, quiet=False) as house:
            story = await house.asks(house.ana, "acme.com", reason="Top secret")
            await house.inside.facts.tell()
            await house.omar.clicks(story.card, "approve")
            await house.runs_for(hours=2)
            await house.inside.facts.tell()
            await house.inside.facts.tell()
            lines = self.lines(stream, "bot.facts")
            audited = house.on_disk(f"SELECT what, actor, seq FROM audit WHERE request_id = '{story.id}' ORDER BY seq")

        about = [line for line in lines if line.get("request_id") == story.id]
        assert [(line["what"], line["by"], line["entry"]) for line in about] == audited
        assert {"asked", "approved", "done"} <= {line["what"] for line in about}
        assert [line["entry"] for line in lines] == sorted({line["entry"] for line in lines})
        assert "Top secret" not in str(lines)

    async def test_a_click_that_breaks(self, tmp_path: Path) -> None:
        stream = start(format="json")
        async with open_house(tmp_path, quiet=False) as house:
            story = await house.asks(house.ana, "acme.com")
            house.inside.store.close()
            await house.omar.clicks(story.card, "approve")
            await house.inside.background.settled()
            [line] = self.lines(stream, "handlers.slack.listeners")

        assert (line["event"], line["request_id"]) == ("listener_broke", story.id)

    async def test_who_wakes_a_beat_does_not_lend_it_their_request(self, tmp_path: Path) -> None:
        """The click wakes the outbox, and what breaks there is about everybody."""
        stream = start(format="json")
        async with open_house(tmp_path, quiet=False) as house:
            story = await house.asks(house.ana, "acme.com")
            house.on_disk("DROP TABLE digests_sent")
            house.inside._set_beats()
            house.inside.requests.changed = lambda name: house.inside.beats.wake("digest")
            await house.omar.clicks(story.card, "approve")
            await self.broken(house)
            [line] = self.lines(stream, "bot.scheduler")

        assert (line["event"], line["beat"]) == ("beat_broke", "digest")
        assert "request_id" not in line

    async def broken(self, house: House) -> None:
        async with asyncio.timeout(30):
            while not house.inside.beats._beats["digest"].failures:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
