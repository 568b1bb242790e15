"""Tokens and passwords appear nowhere: in no log, error, database row, message or view."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from bot import app
from bot.logs import configure_logging
from bot.sandbox.faults import Fault as SlackFault
from bot.settings import LoggingSettings
from providers.accounts import AccountSettings
from providers.mailin.sandbox import SANDBOX_EMAIL, SANDBOX_PASSWORD, Fault, Work
from tests.house import House, open_house, reading


class Everything(logging.Handler):
    """Keeps all that is logged, with its traceback and arguments, and what was raised."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            error: BaseException | None = record.exc_info[1]
            while error is not None:
                self.errors.append(f"{error!r} {error}")
                error = error.__cause__ or error.__context__


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """The log of everything at debug, libraries included, as the operator would have it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def switch_on(house: House, stream: io.StringIO) -> Everything:
    """Log everything: to `stream` as the process would, and every exception aside."""
    configure_logging(LoggingSettings(level="debug", format="json"), stream, house.settings.secrets())
    structlog.configure(cache_logger_on_first_use=False)  # or the loggers of this process would stay as they are now
    aside = Everything()
    logging.getLogger().addHandler(aside)
    return aside


def files_in(folder: Path) -> str:
    """Every byte that was written there."""
    return "".join(path.read_bytes().decode("latin-1") for path in folder.iterdir())


def with_password(house: House, password: str) -> dict[str, AccountSettings]:
    account = house.settings.accounts["mailin-main"]
    return {"mailin-main": account.model_copy(update={"password": SecretStr(password)})}


async def test_a_day_of_mishaps_tells_no_secret(tmp_path: Path, logged: io.StringIO) -> None:
    async with open_house(tmp_path, starts=False, quiet=False) as house:
        aside = switch_on(house, logged)
        await house.starts()
        tokens = set[str]()

        async def mishap(fault: Fault, *operations: str, times: int = 1) -> None:
            for operation in operations:
                house.mailin.faults.add(operation, fault, times=times)

        # All goes well, once.
        await house.approved(house.ana, "acme.com", "acme.co")
        await house.runs_for(minutes=5)
        tokens |= set(house.mailin._tokens)

        # The provider fails in every way.
        for number, fault in enumerate(
            [
                Fault.cut_after(),
                Fault.malformed(),
                Fault.answers(500, work=Work.HALF),
                Fault.answers(429),
                Fault.cut_before(),
            ]
        ):
            story = await house.asks(house.ana, f"acme-{number}.com")
            await mishap(fault, "buy")
            await mishap(Fault.unknown_shape(), "job_status", "domains", times=2)
            await house.omar.clicks(story.card, "approve")
            await house.runs_for(minutes=10)
        await mishap(Fault.answers(500), "availability", times=3)
        await house.ana.types("/domain check acme.com", channel="#outreach")
        await house.tick()

        # Its log-in runs out, breaks, and is refused.
        for fault in (Fault.answers(500), Fault.malformed(), Fault.unknown_shape(), Fault.cut_in_answer()):
            house.mailin.expire_tokens()
            await mishap(fault, "login", times=3)
            await house.ana.types("/domain list", channel="#outreach")
            await house.tick()
            house.mailin.faults.clear()
        await house.restarts(accounts=with_password(house, "wrong-but-secret"))
        await house.ana.types("/domain list", channel="#outreach")
        await house.tick()
        assert "refused this account's e-mail and password" in house.privately(house.ana, "#outreach")[-1]
        await house.restarts(accounts=with_password(house, SANDBOX_PASSWORD))

        # Slack fails, too.
        for method in ("chat.postMessage", "chat.update", "views.open", "views.update", "response_url"):
            for slack_fault in (SlackFault.server_error(), SlackFault.cut_after(), SlackFault.error("fatal_error")):
                house.slack.faults.add(method, slack_fault)
        for _ in range(4):
            await house.ana.types("/domain buy x.com", channel="#outreach")
            await house.ana.types("/domain list", channel="#outreach")
            await house.tick()
        house.slack.faults.clear()
        await house.asks(house.ana, "later.com")
        await house.runs_for(minutes=10)
        house.inside.store.close()
        await house.ana.types("/domain buy x.com", channel="#outreach")
        await house.inside.background.settled()
        tokens |= set(house.mailin._tokens)
        asked = [
            repr(call.arguments) + repr(call.answer) for call in house.slack.calls if "connections" not in call.method
        ]
        await house.stops()

        secrets = {
            "bot token": house.slack.app.bot_token,
            "app token": house.slack.app.app_token,
            "signing secret": house.slack.app.signing_secret,
            "e-mail": SANDBOX_EMAIL,
            "password": SANDBOX_PASSWORD,
            "wrong password": "wrong-but-secret",
            **{f"provider token {number}": token for number, token in enumerate(tokens)},
        }
        places = {
            "the log": logged.getvalue(),
            "an exception": "\n".join(aside.errors),
            "the database": files_in(tmp_path),
            "the workspace": house.everything_shown(),
            "a call to Slack": "\n".join(asked),
        }
        assert len(tokens) > 1
        assert len(places["the log"]) > 100_000
        assert "mailin-main" in places["the database"]
        assert aside.errors
        found = [(what, where) for where, text in places.items() for what, secret in secrets.items() if secret in text]
        assert found == []
        # Whoever has a response_url can answer in the person's place for half an hour; it is nobody's to keep.
        assert "/response/" not in places["the database"]


async def test_a_refused_token_is_not_repeated(tmp_path: Path) -> None:
    async with open_house(tmp_path, starts=False) as house:
        wrong = replace(
            house.settings, slack=house.settings.slack.model_copy(update={"bot_token": SecretStr("xoxb-x1y2")})
        )

        with pytest.raises(app.CannotStart) as refused:
            await house.starts(**{"slack": wrong.slack})

        assert "Slack refuses the bot token (invalid_auth)" in str(refused.value)
        assert "xoxb" not in str(refused.value)


async def test_nothing_that_is_shown_of_the_house_itself_tells_one(house: House) -> None:
    """repr() ends up in tracebacks and logs: of the settings, the accounts, their clients."""
    shown = "".join(
        repr(thing)
        for thing in (
            house.settings,
            house.inside.accounts,
            *[account.client for account in house.inside.accounts.values()],
            house.inside.requests,
        )
    )

    for secret in (SANDBOX_EMAIL, SANDBOX_PASSWORD, house.slack.app.bot_token, house.slack.app.signing_secret):
        assert secret not in shown
    assert reading([]) == ""
