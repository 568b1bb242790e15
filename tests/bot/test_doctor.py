"""Something is missing, and the operator reads what, and what to do; the rest is looked at all the same."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import HttpUrl, SecretStr
from rich.console import Console
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from bot import doctor
from bot.doctor import SCOPES, Check, diagnose, print_report
from bot.policy_settings import BudgetSettings, RuleSettings
from bot.sandbox.faults import Fault
from bot.sandbox.model import Channel, User, UserGroup
from bot.sandbox.server import serve
from bot.sandbox.workspace import App, Workspace, default_workspace
from bot.settings import (
    ApprovalSettings,
    JobSettings,
    LoggingSettings,
    Settings,
    SettingsError,
    SlackSettings,
)
from providers.accounts import AccountSettings
from providers.errors import AuthExpired, NotSent, Rejected

APPROVERS = ("U0OMAR", "U0FINN", "S0FINANCE")


class Client:
    """A provider's client that knows only whether its credentials work."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.trouble = trouble
        self.closed = False

    async def verify_credentials(self) -> None:
        if self.trouble:
            raise self.trouble


def opener(client: Client) -> doctor.AccountOpener:
    @asynccontextmanager
    async def open_account(name: str, settings: AccountSettings) -> AsyncIterator[Client]:
        yield client
        client.closed = True

    return open_account


@pytest.fixture
async def workspace() -> Workspace:
    return default_workspace(app=App(scopes=frozenset(SCOPES)))


@pytest.fixture
async def settings(workspace: Workspace, tmp_path: Path) -> AsyncIterator[Settings]:
    async with serve(workspace) as running:
        yield Settings(
            slack=SlackSettings(
                approvals_channel="C0APPROVALS",
                bot_token=SecretStr(workspace.app.bot_token),
                app_token=SecretStr(workspace.app.app_token),
                api_url=running.api_url,
            ),
            accounts={"main": AccountSettings(provider="parcel", base_url=HttpUrl("https://api.example.com"))},
            approvals=ApprovalSettings(approvers=APPROVERS),
            prices={},
            jobs=JobSettings(),
            logging=LoggingSettings(),
            database=tmp_path / "postroom.db",
            port=3000,
            path=Path("postroom.toml"),
        )


async def failed(settings: Settings, client: Client | None = None) -> dict[str, tuple[str, str]]:
    """What failed, with its cure, by name."""
    checks = await diagnose(settings, opener(client or Client()))
    for check in checks:
        for secret in settings.secrets():
            assert secret.get_secret_value() not in check.said + check.cure
        assert check.ok or check.cure
    return {check.name: (check.said, check.cure) for check in checks if not check.ok}


def with_slack(settings: Settings, **changes: object) -> Settings:
    return replace(settings, slack=settings.slack.model_copy(update=changes))


async def test_all_is_well(settings: Settings, workspace: Workspace) -> None:
    client = Client()

    checks = await diagnose(settings, opener(client))

    assert [(check.name, check.ok, check.said) for check in checks] == [
        ("settings", True, "postroom.toml is in order."),
        ("bot token", True, "Slack knows it: postroom in the workspace Acme."),
        ("app token", True, "Slack opens a connection for it."),
        ("scopes", True, "All are granted."),
        ("approvals channel", True, "The bot is in #approvals."),
        ("approver U0OMAR", True, "Omar Haddad can decide."),
        ("approver U0FINN", True, "Finn Larsen can decide."),
        ("approvers S0FINANCE", True, "1 person of this group can decide."),
        ("account main", True, "The credentials work."),
        ("database", True, f"{settings.database} is not there yet and can be made."),
    ]
    assert client.closed
    assert not any(call.method.startswith("chat.") for call in workspace.calls)
    assert list(settings.database.parent.iterdir()) == []


async def test_what_the_settings_warn_of_is_said(settings: Settings) -> None:
    checks = await diagnose(replace(settings, warnings=("prices.pigeon: not used.",)), opener(Client()))

    assert checks[0] == Check("settings", True, "postroom.toml is in order. prices.pigeon: not used.")


async def test_unreadable_settings_are_the_whole_report() -> None:
    error = SettingsError(["slack.mode: is wrong.", "jobs: is wrong."])

    checks = await diagnose(error, opener(Client()))

    assert [(check.name, check.ok, check.said) for check in checks] == [
        ("settings", False, "slack.mode: is wrong."),
        ("settings", False, "jobs: is wrong."),
    ]


async def test_a_wrong_bot_token_is_said_once_and_the_rest_is_still_looked_at(settings: Settings) -> None:
    told = await failed(with_slack(settings, bot_token=SecretStr("xoxb-wrong-1234")))

    unseen = ("Not looked at, because the bot token does not work.", "Cure the bot token first.")
    assert told == {
        "bot token": (
            "Slack does not know this token.",
            "Copy it from the app's settings again into SLACK_BOT_TOKEN.",
        ),
        "scopes": unseen,
        "approvals channel": unseen,
        "approver U0OMAR": unseen,
        "approver U0FINN": unseen,
        "approvers S0FINANCE": unseen,
    }


async def test_a_wrong_app_token_is_said(settings: Settings) -> None:
    assert await failed(with_slack(settings, app_token=SecretStr("xapp-wrong-1234"))) == {
        "app token": ("Slack does not know this token.", "Copy it from the app's settings again into SLACK_APP_TOKEN.")
    }


async def test_an_app_token_without_its_scope_is_said(settings: Settings, workspace: Workspace) -> None:
    workspace.faults.add("apps.connections.open", Fault.error("missing_scope"))

    said, cure = (await failed(settings))["app token"]

    assert said == "The token lacks the scope for this."
    assert "connections:write" in cure


async def test_http_mode_needs_no_app_token(settings: Settings) -> None:
    http = with_slack(settings, mode="http", app_token=None, signing_secret=SecretStr("0123456789"))

    checks = await diagnose(http, opener(Client()))

    assert "app token" not in [check.name for check in checks]
    assert all(check.ok for check in checks)


async def test_a_revoked_token_is_said(settings: Settings, workspace: Workspace) -> None:
    workspace.app.revoked = True

    told = await failed(settings)

    assert told["bot token"] == (
        "The token is no longer valid.",
        "Install the app in the workspace again and put the new token into SLACK_BOT_TOKEN.",
    )


async def test_a_scope_that_is_not_granted_is_named_with_its_use(settings: Settings, workspace: Workspace) -> None:
    workspace.app.scopes = frozenset(SCOPES) - {"usergroups:read"}

    told = await failed(settings)

    assert told["scopes"][0] == (
        "Not granted: usergroups:read (to see who is in a user group that may approve or be shown credentials)."
    )
    assert "manifest.yml" in told["scopes"][1]
    assert told["approvers S0FINANCE"][0] == "The token lacks the scope usergroups:read."


async def test_a_scope_too_many_is_mentioned(settings: Settings, workspace: Workspace) -> None:
    workspace.app.scopes = frozenset(SCOPES) | {"reactions:read"}

    checks = await diagnose(settings, opener(Client()))

    assert "All are granted. Postroom does not need: reactions:read." in [check.said for check in checks]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.remove("approvals", "postroom"), "The bot is not in #approvals."),
        (lambda w: w.add_channel(replace(w.channel("approvals"), is_archived=True)), "#approvals is archived."),
        (
            lambda w: w.add_channel(Channel("C0APPROVALS", "approvals", (), is_private=True)),
            "There is no such channel, or it is private and the bot is not in it.",
        ),
    ],
)
async def test_the_bot_cannot_post_to_the_approvals_channel(
    settings: Settings, workspace: Workspace, change: Callable[[Workspace], object], said: str
) -> None:
    change(workspace)

    told = await failed(settings)

    assert [(name, words) for name, (words, _) in told.items()] == [("approvals channel", said)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.deactivate("finn"), "Finn Larsen is deactivated in Slack."),
        (
            lambda w: w.add_user(User("U0FINN", "finn", "Finn Larsen", is_bot=True)),
            "Finn Larsen is a bot, and a bot cannot decide.",
        ),
        (
            lambda w: w.add_user(User("U0FINN", "finn", "Finn Larsen", team_id="T0OTHER")),
            "Finn Larsen belongs to another company's workspace.",
        ),
        (lambda w: w.set_standing("finn", "guest"), "Finn Larsen is a guest, and a guest cannot decide."),
        (lambda w: w.users.pop("U0FINN"), "There is no such person in this workspace."),
    ],
)
async def test_somebody_who_cannot_approve_is_named(
    settings: Settings, workspace: Workspace, change: Callable[[Workspace], object], said: str
) -> None:
    change(workspace)

    told = await failed(settings)

    assert list(told) == ["approver U0FINN"]
    assert told["approver U0FINN"][0] == said
    assert "approvals.approvers" in told["approver U0FINN"][1]


async def test_those_who_may_be_shown_credentials_are_looked_at_in_the_same_way(
    settings: Settings, workspace: Workspace
) -> None:
    workspace.deactivate("finn")
    reveal = ("U0OMAR", "U0FINN", "U0NOBODY", "S0NOBODY", "S0FINANCE")
    settings = replace(settings, approvals=ApprovalSettings(approvers=("U0OMAR",), may_reveal=reveal))

    checks = {check.name: check for check in await diagnose(settings, opener(Client()))}

    assert checks["may reveal U0OMAR"].said == "Omar Haddad can be shown credentials."
    assert checks["may reveal S0FINANCE"].said == "1 person of this group can be shown credentials."
    told = {name: (check.said, check.cure) for name, check in checks.items() if not check.ok}
    assert told == {
        "may reveal U0FINN": (
            "Finn Larsen is deactivated in Slack.",
            "Take U0FINN out of approvals.may_reveal, or put another person in.",
        ),
        "may reveal U0NOBODY": (
            "There is no such person in this workspace.", "Check the id in approvals.may_reveal.",
        ),
        "may reveal S0NOBODY": (
            "There is no such user group, or it is disabled.", "Check the id in approvals.may_reveal.",
        ),
    }  # fmt: skip


async def test_whoever_a_rule_or_a_budget_counts_on_is_looked_at_once(settings: Settings, workspace: Workspace) -> None:
    workspace.deactivate("finn")
    big = RuleSettings(name="big", action="domain *", approvers=("U0OMAR", "U0FINN"), escalate_to=("S0NOBODY",))
    sales = BudgetSettings(name="Sales", amount=Decimal(1000), currency="USD", over="owner", owners=("U0FINN", "U0ANA"))
    approvals = ApprovalSettings(approvers=("U0OMAR",), break_glass=("U0ANA",), rules=(big,))

    checks = {
        check.name: check
        for check in await diagnose(replace(settings, approvals=approvals, budgets=(sales,)), opener(Client()))
    }

    assert checks["approvals.break_glass U0ANA"].said == "Ana Ruiz can decide."
    assert [name for name in checks if "U0FINN" in name or "U0ANA" in name] == [
        "approvals.break_glass U0ANA", "approvals.rules “big” U0FINN",
    ]  # fmt: skip
    told = {name: (check.said, check.cure) for name, check in checks.items() if not check.ok}
    assert told == {
        "approvals.rules “big” U0FINN": (
            "Finn Larsen is deactivated in Slack.",
            "Take U0FINN out of approvals.rules “big”, or put another person in.",
        ),
        "approvals.rules “big” S0NOBODY": (
            "There is no such user group, or it is disabled.", "Check the id in approvals.rules “big”.",
        ),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda w: w.add_group(UserGroup("S0FINANCE", "finance", "Finance")),
            "Nobody is in the user group S0FINANCE.",
        ),
        (lambda w: w.groups.pop("S0FINANCE"), "There is no such user group, or it is disabled."),
    ],
)
async def test_a_group_without_anybody_is_named(
    settings: Settings, workspace: Workspace, change: Callable[[Workspace], object], said: str
) -> None:
    change(workspace)

    told = await failed(settings)

    assert [(name, words) for name, (words, _) in told.items()] == [("approvers S0FINANCE", said)]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault.rate_limited(), "Slack was asked too often."),
        (Fault.server_error(), "The answer is not one of Slack's."),
        (Fault.error("fatal_error"), "Slack refused: fatal_error."),
    ],
)
async def test_slack_stumbles_over_one_question(
    settings: Settings, workspace: Workspace, fault: Fault, said: str
) -> None:
    workspace.faults.add("conversations.info", fault)

    told = await failed(settings)

    assert [(name, words) for name, (words, _) in told.items()] == [("approvals channel", said)]


async def test_slack_does_not_answer_in_time(
    settings: Settings, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "CHECK_TIMEOUT_SECONDS", 0.05)
    workspace.faults.add("conversations.info", Fault.slow(0.3))

    assert (await failed(settings))["approvals channel"][0] == "There was no answer in time."


async def test_a_name_cannot_steer_the_terminal(settings: Settings, workspace: Workspace) -> None:
    workspace.add_user(User("U0FINN", "finn", "Finn\x1b[2J\nLarsen", deleted=True))

    assert (await failed(settings))["approver U0FINN"][0] == "Finn [2J Larsen is deactivated in Slack."


async def test_slack_cannot_be_reached(settings: Settings) -> None:
    told = await failed(with_slack(settings, api_url="http://127.0.0.1:1/api/"))

    assert told["bot token"][0].startswith("There is no connection: ")
    assert "SLACK_API_URL" in told["bot token"][1]
    assert "account main" not in told
    assert "database" not in told


@asynccontextmanager
async def somebody_else() -> AsyncIterator[str]:
    """Something on the network that is not Slack, and says hello to everybody."""

    async def hello(request: Request) -> Response:
        return HTMLResponse("<h1>Log in to the hotel's network</h1>")

    app = Starlette(routes=[Route("/{path:path}", hello, methods=["GET", "POST"])])
    async with serve(default_workspace(), app=app) as running:
        yield running.url


async def test_somebody_else_answers_for_slack(settings: Settings) -> None:
    async with somebody_else() as url:
        told = await failed(with_slack(settings, api_url=url))

    assert told["bot token"] == ("The answer is not one of Slack's.", "Check SLACK_API_URL, and any proxy between.")
    assert told["app token"] == told["bot token"]


@pytest.mark.parametrize(
    ("trouble", "said", "cure"),
    [
        (AuthExpired("Mailin refused the password."), "Mailin refused the password.", "accounts.main"),
        (NotSent("Mailin cannot be reached."), "Mailin cannot be reached.", "accounts.main.base_url"),
        (Rejected("No.", cure="Ask Mailin."), "No.", "Ask Mailin."),
        (
            ZeroDivisionError("xoxb-sandbox"),
            "Something unexpected happened: ZeroDivisionError: [redacted].",
            "Report it",
        ),
    ],
)
async def test_a_providers_credentials_do_not_work(
    settings: Settings, trouble: Exception, said: str, cure: str
) -> None:
    told = await failed(settings, Client(trouble))

    assert list(told) == ["account main"]
    assert told["account main"][0] == said
    assert cure in told["account main"][1]


async def test_an_account_that_cannot_even_be_opened_stops_nothing(settings: Settings) -> None:
    def open_account(name: str, settings: AccountSettings) -> object:
        raise TypeError("no such provider")

    checks = await diagnose(settings, open_account)  # type: ignore[arg-type]

    assert [check.name for check in checks if not check.ok] == ["account main"]


async def test_a_database_in_use_is_written_and_left_as_it_was(settings: Settings) -> None:
    with closing(sqlite3.connect(settings.database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE requests (id TEXT)")

        checks = await diagnose(settings, opener(Client()))

        assert checks[-1] == Check("database", True, f"{settings.database} can be written. It has 0.0 MiB.")
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("requests",)]


async def test_the_size_of_the_database_and_what_of_it_is_free(settings: Settings) -> None:
    with closing(sqlite3.connect(settings.database)) as connection:
        connection.execute("CREATE TABLE letters (text TEXT)")
        connection.executemany("INSERT INTO letters VALUES (?)", [("x" * 2**20,)] * 4)
        connection.commit()
        connection.execute("DELETE FROM letters WHERE rowid > 1")
        connection.commit()

    checks = await diagnose(settings, opener(Client()))

    assert checks[-1].said.endswith("can be written. It has 4.0 MiB, of which 3.0 MiB are free for what comes.")


async def test_a_database_that_cannot_be_written(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DATABASE_TIMEOUT_SECONDS", 0)
    path = settings.database
    path.write_text("This is a letter and not a database. " * 50)
    assert (await failed(settings))["database"][0].startswith(f"{path} is not a database that can be used: ")

    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert (await failed(settings))["database"][0] == f"{path} is locked by another program."

    path.unlink()
    path.mkdir()
    assert (await failed(settings))["database"][0] == f"{path} is a folder."
    assert (await failed(replace(settings, database=path / "no" / "post.db")))["database"] == (
        f"{path / 'no'} is not a folder.",
        "Create it, or change POSTROOM_DATABASE.",
    )


async def test_a_folder_that_cannot_be_written(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)

    said, _ = (await failed(settings))["database"]

    assert said == f"{settings.database.parent} cannot be written: Permission denied."


def report(checks: list[Check], width: int = 100) -> str:
    stream = io.StringIO()
    print_report(checks, Console(file=stream, width=width))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def test_the_report_has_the_cure_below_what_failed() -> None:
    checks = [
        Check("bot token", True, "Slack knows it."),
        Check("approvals channel", False, "The bot is not in #approvals [bold].", "Write: /invite"),
    ]

    assert report(checks) == (
        "ok    bot token          Slack knows it.\n"
        "FAIL  approvals channel  The bot is not in #approvals [bold].\n"
        "                         -> Write: /invite\n"
        "1 of 2 checks failed."
    )
    assert report(checks[:1]).endswith("All 1 checks passed.")


def test_the_report_fits_a_narrow_terminal() -> None:
    text = report([Check("database", False, "It cannot be written. " * 5, "Look at the disk. " * 5)], width=50)

    assert max(len(line) for line in text.splitlines()) <= 50
    assert text.count("disk") == 5
