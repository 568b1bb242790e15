"""The operator makes a mistake in the settings and reads, in one sentence, which and what to do."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr, field_validator

from bot.policy_settings import BudgetSettings, ChannelSettings, RuleSettings
from bot.settings import (
    ApprovalSettings,
    HousekeepingSettings,
    JobSettings,
    LoggingSettings,
    Settings,
    SettingsError,
    load_settings,
)
from providers.accounts import AccountSettings
from providers.catalogue import account_types
from providers.scaledmail.client import ScaledMailSettings

EXAMPLE = Path(__file__).parents[2] / "postroom.example.toml"

PASSWORD = 'swordfish"7'


class ParcelSettings(AccountSettings):
    email: SecretStr
    password: SecretStr | None = None
    plan: str = "small"

    @field_validator("email")
    @classmethod
    def _address(cls, email: SecretStr) -> SecretStr:
        if "@" not in email.get_secret_value():
            raise ValueError(f"{email.get_secret_value()!r} is not an address")
        return email


TYPES: dict[str, type[AccountSettings]] = {"parcel": ParcelSettings, "pigeon": ParcelSettings}

ENVIRON = {
    "SLACK_BOT_TOKEN": "xoxb-1-bot",
    "SLACK_APP_TOKEN": "xapp-1-app",
    "PARCEL_EMAIL": "omar@example.com",
    "PARCEL_PASSWORD": PASSWORD,
}

GOOD = """
[slack]
mode = "socket"
approvals_channel = "C0APPROVALS"

[accounts.main]
provider = "parcel"
base_url = "https://api.example.com"
email = "env:PARCEL_EMAIL"
password = "env:PARCEL_PASSWORD"

[jobs]
first_poll_seconds = 10
max_poll_seconds = 300

[prices.parcel]
currency = "EUR"
"domain.com" = "12.50"
"domain.co" = 28.10
mailbox = 3

[approvals]
approvers = ["U0OMAR", "S0BUYERS"]

[logging]
level = "info"
"""


def load(folder: Path, text: str = GOOD, **environ: str | None) -> Settings:
    path = folder / "postroom.toml"
    path.write_text(text, encoding="utf-8")
    present = {name: value for name, value in {**ENVIRON, **environ}.items() if value is not None}
    return load_settings(present, path, account_types=TYPES)


def problems(folder: Path, text: str = GOOD, **environ: str | None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(folder, text, **environ)
    sentences = list(caught.value.problems)
    told = str(caught.value) + repr(caught.value)
    for secret in (PASSWORD, "omar@example.com", "1-bot", "1-app", "hunter2"):
        assert secret not in told
    assert "Traceback" not in told
    assert "pydantic" not in told
    return sentences


def test_good_settings_are_read(tmp_path: Path) -> None:
    settings = load(tmp_path)

    assert settings.slack.mode == "socket"
    assert settings.slack.bot_token.get_secret_value() == "xoxb-1-bot"
    assert settings.slack.api_url == "https://slack.com/api/"
    account = settings.accounts["main"]
    assert isinstance(account, ParcelSettings)
    assert account.password is not None
    assert account.password.get_secret_value() == PASSWORD
    assert settings.approvals.approvers == ("U0OMAR", "S0BUYERS")
    assert settings.approvals.may_reveal is None
    assert settings.jobs.lease_seconds == 60
    assert settings.jobs.reconcile_after_seconds == 120
    assert settings.database == Path("postroom.db")
    assert settings.port == 3000
    assert settings.warnings == ()


def test_who_may_be_shown_credentials_is_read(tmp_path: Path) -> None:
    named = load(tmp_path, GOOD.replace("[approvals]", '[approvals]\nmay_reveal = ["W0FINN", "S0KEYS"]'))
    nobody = load(tmp_path, GOOD.replace("[approvals]", "[approvals]\nmay_reveal = []"))

    assert named.approvals.may_reveal == ("W0FINN", "S0KEYS")
    assert nobody.approvals.may_reveal == ()


def test_the_pace_of_messages_is_read(tmp_path: Path) -> None:
    text = GOOD.replace("[slack]", "[slack]\nmessages_per_second = 0.5\nmessages_at_once = 3", 1)

    slack = load(tmp_path, text).slack

    assert (slack.messages_per_second, slack.messages_at_once) == (0.5, 3)


def test_prices_are_exact_however_they_are_written(tmp_path: Path) -> None:
    prices = load(tmp_path).prices["parcel"]

    assert prices.currency == "EUR"
    assert {key: str(price) for key, price in prices.prices.items()} == {
        "domain.com": "12.50",
        "domain.co": "28.10",
        "mailbox": "3",
    }
    assert prices.price("domain.com") == Decimal("12.50")


def test_settings_are_frozen_and_show_no_secret(tmp_path: Path) -> None:
    settings = load(tmp_path)

    shown = repr(settings) + str(settings)
    assert "api.example.com" in shown
    for secret in settings.secrets():
        assert secret.get_secret_value() not in shown
    assert {secret.get_secret_value() for secret in settings.secrets()} == set(ENVIRON.values())
    with pytest.raises(AttributeError):
        settings.port = 1  # type: ignore[misc]


def test_a_secret_comes_from_a_file_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from a file\n")
    (tmp_path / "token").write_text("xoxb-from-file\n")

    settings = load(tmp_path, GOOD.replace("env:PARCEL_PASSWORD", "file:password"), SLACK_BOT_TOKEN="file:token")

    account = settings.accounts["main"]
    assert isinstance(account, ParcelSettings)
    assert account.password is not None
    assert account.password.get_secret_value() == "from a file"
    assert settings.slack.bot_token.get_secret_value() == "xoxb-from-file"


def test_the_environment_says_where_the_settings_are(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.toml"
    path.write_text(GOOD)

    assert load_settings({**ENVIRON, "POSTROOM_CONFIG": str(path)}, account_types=TYPES).path == path


def test_http_mode_needs_the_signing_secret_instead_of_the_app_token(tmp_path: Path) -> None:
    http = GOOD.replace('"socket"', '"http"')

    settings = load(tmp_path, http, SLACK_APP_TOKEN=None, SLACK_SIGNING_SECRET="0123abcd")

    assert settings.slack.signing_secret is not None
    assert settings.slack.app_token is None


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("data/post.db", "data/post.db"),
        ("sqlite:///data/post.db", "data/post.db"),
        ("sqlite:////var/lib/my%20post.db", "/var/lib/my post.db"),
    ],
)
def test_the_database_is_a_path_or_an_sqlite_address(tmp_path: Path, written: str, path: str) -> None:
    assert load(tmp_path, POSTROOM_DATABASE=written).database == Path(path)


@pytest.mark.parametrize("written", ["http://127.0.0.1:8065/api", "http://127.0.0.1:8065/api/"])
def test_the_slack_address_ends_in_a_slash(tmp_path: Path, written: str) -> None:
    settings = load(tmp_path, SLACK_API_URL=written)

    assert settings.slack.api_url == "http://127.0.0.1:8065/api/"
    assert settings.warnings == ()


def test_what_is_allowed_but_hardly_meant_is_a_warning(tmp_path: Path) -> None:
    text = GOOD + "\n[prices.pigeon]\nmailbox = 1\n"

    settings = load(tmp_path, text.replace("https://api", "http://api"))

    assert settings.warnings == (
        "accounts.main.base_url: begins with http://, so credentials travel in clear. Use https://.",
        "prices.pigeon: no account is at this provider, so its prices are not used.",
    )


BOT_TOKEN_CURE = "You find it in your Slack app's settings: OAuth & Permissions, Bot User OAuth Token."
APP_TOKEN_CURE = (
    "You find it in your Slack app's settings: Basic Information, App-Level Tokens, with the scope connections:write."
)
LITERAL = (
    "a secret is not written into this file. Put it into an environment variable and write "
    '"env:MAIN_PASSWORD" here, or into a file of its own and write "file:/path/to/it".'
)
CHANNEL = (
    "slack.approvals_channel: must be a channel's id, which begins with C or G "
    "(in Slack: the channel's name, About, at the bottom)."
)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        # Slack
        ('mode = "socket"', 'mode = "sockets"', 'slack.mode: must be "socket" or "http".'),
        ('mode = "socket"', "mode = 3", 'slack.mode: must be "socket" or "http".'),
        ('"C0APPROVALS"', '"#approvals"', CHANNEL),
        ('"C0APPROVALS"', "7", "slack.approvals_channel: must be text, in quotes."),
        (
            'approvals_channel = "C0APPROVALS"',
            "",
            "slack.approvals_channel: is missing. The channel where requests wait for a decision.",
        ),
        (
            "approvals_channel",
            "aprovals_channel",
            "slack.aprovals_channel: there is no such key; did you mean approvals_channel?",
        ),
        (
            "[slack]",
            '[slack]\nbot_token = "xoxb-hunter2"',
            "slack.bot_token: a secret is not written into this file. Remove it here and set the environment "
            "variable SLACK_BOT_TOKEN.",
        ),
        # Accounts
        (
            '"env:PARCEL_PASSWORD"',
            '"env:NOWHERE"',
            "accounts.main.password: the environment variable NOWHERE is not set.",
        ),
        ('"env:PARCEL_PASSWORD"', '"hunter2"', f"accounts.main.password: {LITERAL}"),
        ('"env:PARCEL_PASSWORD"', '"env:hunter2 hunter2"', f"accounts.main.password: {LITERAL}"),
        ('"env:PARCEL_PASSWORD"', "12345", f"accounts.main.password: {LITERAL}"),
        (
            'password = "env:',
            'pasword = "hunter2 env:',
            "accounts.main.pasword: there is no such key; did you mean password?",
        ),
        ('email = "env:PARCEL_EMAIL"', "", "accounts.main.email: is missing."),
        ('"env:PARCEL_EMAIL"', '"env:PARCEL_PASSWORD"', "accounts.main.email: '…' is not an address."),
        ('"parcel"', '"parsel"', "accounts.main.provider: there is no such provider; did you mean parcel?"),
        ('"parcel"', '"ups"', "accounts.main.provider: there is no such provider; known are: parcel, pigeon."),
        (
            'provider = "parcel"',
            "",
            "accounts.main.provider: must be the name of a provider, in quotes: parcel, pigeon.",
        ),
        (
            '"https://api.example.com"',
            '"api.example.com"',
            "accounts.main.base_url: must be a web address that begins with https:// or http://.",
        ),
        (
            '"https://api.example.com"',
            '"https://omar:hunter2@api.example.com"',
            "accounts.main.base_url: must not carry a user name or a password; addresses are logged.",
        ),
        (
            '"parcel"',
            '"parcel"\nmin_seconds_between_calls = "2"',
            "accounts.main.min_seconds_between_calls: must be a number, without quotes.",
        ),
        (
            '"parcel"',
            '"parcel"\ntimeout_seconds = true',
            "accounts.main.timeout_seconds: must be a number, without quotes.",
        ),
        ('"parcel"', '"parcel"\ntimeout_seconds = 0', "accounts.main.timeout_seconds: must be greater than 0."),
        ('"parcel"', '"parcel"\nplan = 4', "accounts.main.plan: must be text, in quotes."),
        (
            "[accounts.main]",
            "[accounts]",
            "accounts.provider: must be a table, [accounts.<name>], with the account's keys below it.",
        ),
        (
            "[accounts.main]",
            '[accounts."main account"]',
            'accounts."main account": an account\'s name has only letters, digits, dots, dashes and underscores, '
            "up to 60.",
        ),
        # Prices
        (
            '"12.50"',
            '"$12.50"',
            'prices.parcel."domain.com": must be a price such as "12.50": digits, a dot, no currency sign.',
        ),
        ('"12.50"', '"-1"', 'prices.parcel."domain.com": must be at least 0.'),
        ('"12.50"', '"1.00001"', 'prices.parcel."domain.com": has more than 4 digits after the dot.'),
        ('"12.50"', "nan", 'prices.parcel."domain.com": must be a finite number.'),
        ('"12.50"', "true", 'prices.parcel."domain.com": must be a price such as "12.50".'),
        (
            '"domain.com"',
            "domain.com",
            'prices.parcel.domain: is a table, not a price. A key with a dot stands in quotes: "domain.com" = "12.50".',
        ),
        ('"EUR"', '"Euro"', "prices.parcel.currency: has the wrong form. ISO 4217 code, such as USD."),
        ("[prices.parcel]", "[prices.parsel]", "prices.parsel: there is no such provider; did you mean parcel?"),
        # Approvals
        ('["U0OMAR", "S0BUYERS"]', "[]", "approvals.approvers: must have 1 or more entries."),
        ('["U0OMAR", "S0BUYERS"]', '"U0OMAR"', "approvals.approvers: must be a list, in square brackets."),
        ('"S0BUYERS"', '"U0OMAR"', "approvals.approvers: entry 2 repeats entry 1."),
        (
            "[approvals]",
            '[approvals]\nmay_reveal = "U0OMAR"',
            "approvals.may_reveal: must be a list, in square brackets.",
        ),
        (
            "[approvals]",
            '[approvals]\nmay_reveal = ["U0OMAR", "S0BUYERS", "U0OMAR"]',
            "approvals.may_reveal: entry 3 repeats entry 1.",
        ),
        (
            "[approvals]",
            '[approvals]\nmay_reveal = ["omar"]',
            "approvals.may_reveal[1]: must be the id of a user (U… or W…) or of a user group (S…) "
            "(in Slack: the profile, ⋮, Copy member ID).",
        ),
        (
            '"S0BUYERS"',
            '"@finn"',
            "approvals.approvers[2]: must be the id of a user (U… or W…) or of a user group (S…) "
            "(in Slack: the profile, ⋮, Copy member ID).",
        ),
        (
            "[approvals]",
            "[aprovals]",
            "aprovals: there is no such key; did you mean approvals?",
        ),
        # Jobs and logging
        (
            "max_poll_seconds = 300",
            "max_poll_seconds = 9",
            "jobs.max_poll_seconds: must not be less than jobs.first_poll_seconds.",
        ),
        (
            "first_poll_seconds = 10\nmax_poll_seconds = 300",
            "first_poll_seconds = 600",
            "jobs.max_poll_seconds: must not be less than jobs.first_poll_seconds.",
        ),
        ("max_poll_seconds = 300", "deadline_hours = 0", "jobs.deadline_hours: must be greater than 0."),
        ("max_poll_seconds = 300", "deadline_hours = inf", "jobs.deadline_hours: must be at most 8760."),
        ("max_poll_seconds = 300", 'lease_seconds = "60"', "jobs.lease_seconds: must be a number, without quotes."),
        (
            "max_poll_seconds",
            "max_pol_seconds",
            "jobs.max_pol_seconds: there is no such key; did you mean max_poll_seconds?",
        ),
        (
            "[logging]",
            "[housekeeping]\nmessages_days = 6\n[logging]",
            "housekeeping.messages_days: must be at least 7.",
        ),
        (
            "[logging]",
            "[housekeeping]\nrequests_for_ever = false\n[logging]",
            "housekeeping.requests_for_ever: there is no such key. Known here: drafts_days, messages_days, "
            "digests_days, hand_overs_days, heartbeats_days.",
        ),
        ('level = "info"', 'level = "loud"', 'logging.level: must be "debug", "info", "warning" or "error".'),
    ],
)
def test_a_mistake_in_the_file_gives_its_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in GOOD
    assert sentence in problems(tmp_path, GOOD.replace(old, new, 1))


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SLACK_BOT_TOKEN", None, f"SLACK_BOT_TOKEN: the environment variable is not set. {BOT_TOKEN_CURE}"),
        ("SLACK_BOT_TOKEN", "", f"SLACK_BOT_TOKEN: the environment variable is not set. {BOT_TOKEN_CURE}"),
        (
            "SLACK_BOT_TOKEN",
            "xapp-hunter2",
            f"SLACK_BOT_TOKEN: must begin with xoxb-, this is something else. {BOT_TOKEN_CURE}",
        ),
        ("SLACK_APP_TOKEN", None, f"SLACK_APP_TOKEN: the environment variable is not set. {APP_TOKEN_CURE}"),
        (
            "SLACK_APP_TOKEN",
            "xoxb-hunter2",
            f"SLACK_APP_TOKEN: must begin with xapp-, this is something else. {APP_TOKEN_CURE}",
        ),
        (
            "SLACK_API_URL",
            "slack.com",
            "SLACK_API_URL: must be a web address that begins with https:// or http://.",
        ),
        (
            "SLACK_API_URL",
            "https://omar:hunter2@slack.com/api/",
            "SLACK_API_URL: must not carry a user name or a password; addresses are logged.",
        ),
        (
            "POSTROOM_DATABASE",
            "postgresql://omar:hunter2@db/post",
            "POSTROOM_DATABASE: PostgreSQL is not supported yet. Give the path of an SQLite file, such as postroom.db.",
        ),
        (
            "POSTROOM_DATABASE",
            "mysql://omar:hunter2@db/post",
            "POSTROOM_DATABASE: this kind of database is not supported. "
            "Give the path of an SQLite file, such as postroom.db.",
        ),
        (
            "POSTROOM_DATABASE",
            ":memory:",
            "POSTROOM_DATABASE: must be a file: what is kept there has to outlive the process.",
        ),
        (
            "POSTROOM_DATABASE",
            "sqlite://post.db",
            "POSTROOM_DATABASE: an SQLite address has three slashes before a path: sqlite:///postroom.db.",
        ),
        (
            "POSTROOM_DATABASE",
            "~nobody-here/postroom.db",
            "POSTROOM_DATABASE: cannot be found: whose home ~ means is not known here. Write the whole path.",
        ),
        ("POSTROOM_DATABASE", "sqlite:///a%00b", "POSTROOM_DATABASE: cannot be read: there is no such path."),
        *(
            (
                "SLACK_BOT_TOKEN",
                token,
                f"SLACK_BOT_TOKEN: must be one word of plain characters, without a line break. {BOT_TOKEN_CURE}",
            )
            for token in ("xoxb-hunter2\nxapp-hunter2", "xoxb-hunter2 hunter2", "xoxb-…")
        ),
        ("POSTROOM_PORT", "http", "POSTROOM_PORT: must be a whole number from 0 to 65535."),
        ("POSTROOM_PORT", "65536", "POSTROOM_PORT: must be a whole number from 0 to 65535."),
    ],
)
def test_a_mistake_in_the_environment_gives_its_sentence(
    tmp_path: Path, name: str, value: str | None, sentence: str
) -> None:
    assert problems(tmp_path, GOOD, **{name: value}) == [sentence]


@pytest.mark.parametrize(
    ("secret", "sentence"),
    [
        (None, "SLACK_SIGNING_SECRET: the environment variable is not set."),
        ("xoxb-hunter2", "SLACK_SIGNING_SECRET: is a token, not the signing secret."),
    ],
)
def test_http_mode_says_which_secret_it_needs(tmp_path: Path, secret: str | None, sentence: str) -> None:
    text = GOOD.replace('"socket"', '"http"')

    told = problems(tmp_path, text, SLACK_APP_TOKEN=None, SLACK_SIGNING_SECRET=secret)

    assert told == [f"{sentence} You find it in your Slack app's settings: Basic Information, Signing Secret."]


def test_the_file_of_a_secret_is_missing_or_empty(tmp_path: Path) -> None:
    text = GOOD.replace("env:PARCEL_PASSWORD", "file:password")
    path = tmp_path / "password"

    assert problems(tmp_path, text) == [
        f"accounts.main.password: the file {path} cannot be read: no such file or directory."
    ]
    path.write_text("\n")
    assert problems(tmp_path, text) == [f"accounts.main.password: the file {path} is empty."]
    path.write_bytes(b"\xff\xfe")
    assert problems(tmp_path, text) == [f"accounts.main.password: the file {path} is not text in UTF-8."]


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("~nobody-here/password", "cannot be found: whose home ~ means is not known here. Write the whole path."),
        (r"pass\u0000word", "cannot be read: there is no such path."),
    ],
)
def test_the_file_of_a_secret_is_at_no_place(tmp_path: Path, place: str, sentence: str) -> None:
    [told] = problems(tmp_path, GOOD.replace("env:PARCEL_PASSWORD", f"file:{place}"))

    assert told.startswith("accounts.main.password: the file ")
    assert told.endswith(sentence)


def test_files_may_begin_with_the_mark_that_windows_puts_there(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"\xef\xbb\xbfhunter3\r\n")

    read = load(tmp_path, "\ufeff" + GOOD.replace("env:PARCEL_PASSWORD", "file:password"))

    assert "hunter3" in [secret.get_secret_value() for secret in read.secrets()]


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 3000 + "]" * 3000])
def test_what_python_cannot_read_is_a_sentence(tmp_path: Path, value: str) -> None:
    assert problems(tmp_path, f"{GOOD}\nmore = {value}") == [
        f"{tmp_path / 'postroom.toml'}: cannot be read: a number in it is far too long, or something is nested far too "
        "deep.",
    ]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace('"socket"', '"sockets"').replace("first_poll_seconds = 10", "first_poll_seconds = -1")

    told = problems(tmp_path, text, POSTROOM_PORT="x", SLACK_BOT_TOKEN=None)

    assert [sentence.partition(":")[0] for sentence in told] == [
        "slack.mode",
        "SLACK_BOT_TOKEN",
        "jobs.first_poll_seconds",
        "POSTROOM_PORT",
    ]


def test_without_accounts_there_is_nothing_to_do(tmp_path: Path) -> None:
    text = re.sub(r"\[accounts\.main\].*?\n\n", "", GOOD, flags=re.DOTALL)

    assert problems(tmp_path, text) == ["accounts: there must be at least one account, [accounts.<name>]."]


@pytest.mark.parametrize("table", ["slack", "accounts", "jobs", "prices", "approvals", "housekeeping", "logging"])
def test_a_table_is_not_a_value(tmp_path: Path, table: str) -> None:
    text = f"{table} = 3\n" + re.sub(rf"\[{table}[^\]]*\].*?(?=\n\[|\Z)", "", GOOD, flags=re.DOTALL)

    assert len([sentence for sentence in problems(tmp_path, text) if sentence.startswith(f"{table}: ")]) == 1


def test_the_file_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "postroom.toml"

    def told() -> tuple[str, ...]:
        with pytest.raises(SettingsError) as caught:
            load_settings(ENVIRON, path, account_types=TYPES)
        return caught.value.problems

    assert told() == (
        f"{path}: there is no such file. Copy postroom.example.toml to it, or say in POSTROOM_CONFIG where it is.",
    )
    path.write_text('[slack]\nmode = socket"\n')
    assert told() == (f"{path}: is not valid TOML: invalid value (at line 2, column 8).",)
    path.write_bytes(b"\xff")
    assert told() == (f"{path}: is not text in UTF-8.",)
    path.unlink()
    path.mkdir()
    assert told() == (f"{path}: cannot be read: is a directory.",)


def test_the_shipped_example_is_in_order() -> None:
    environ = {**ENVIRON, "MAILIN_EMAIL": "omar@example.com", "MAILIN_PASSWORD": PASSWORD}

    settings = load_settings(environ, EXAMPLE, account_types=account_types())

    assert settings.warnings == ()
    assert list(settings.accounts) == ["mailin-main"]
    assert settings.prices["mailin"].price("domain.com") == Decimal("12.50")


def switched_on() -> str:
    """The example with all of its accounts: what stands behind a # without a space."""
    return re.sub(r"^#(?=[^ \n])", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def complete() -> str:
    """The example with all of its accounts and all that may be left out."""
    return re.sub(r"^# (?=\w+ = )", "", switched_on(), flags=re.MULTILINE)


@pytest.mark.parametrize("text", [switched_on, complete])
def test_all_accounts_of_the_shipped_example_can_be_used(tmp_path: Path, text: Callable[[], str]) -> None:
    path = tmp_path / "postroom.toml"
    path.write_text(text(), encoding="utf-8")
    secrets = dict.fromkeys(re.findall(r'"env:(\w+)"', text()), "x" * 32)
    special = {name: "omar@example.com" for name in secrets if name.endswith("EMAIL")}
    special["SMAILOR_SESSION_COOKIE"] = "session=x"

    settings = load_settings({**ENVIRON, **secrets, **special}, path, account_types=account_types())

    assert settings.warnings == ()
    at = Counter(account.provider for account in settings.accounts.values())
    assert at == {"mailin": 2, "scaledmail": 2, "smailor": 1, "instantly": 1, "mailapi": 1}
    assert at.keys() == account_types().keys()
    one, other = (settings.accounts[name] for name in ("scaledmail-main", "scaledmail-second"))
    assert isinstance(one, ScaledMailSettings)
    assert isinstance(other, ScaledMailSettings)
    assert one.api_key == other.api_key
    assert one.organization_id != other.organization_id
    assert settings.prices["mailin"].price("azure.order") == Decimal("50.00")


@pytest.mark.parametrize("provider", account_types())
def test_the_shipped_example_has_every_setting_of_every_provider(provider: str) -> None:
    fields = account_types()[provider].model_fields
    needed, full = (tomllib.loads(text)["accounts"][f"{provider}-main"] for text in (switched_on(), complete()))

    assert full.keys() == fields.keys()
    assert {name for name, field in fields.items() if field.is_required()} <= needed.keys()
    for name in full.keys() - needed.keys():
        assert full[name] in (fields[name].default, str(fields[name].default).rstrip("/")), name


def test_the_shipped_example_explains_every_setting_of_every_provider() -> None:
    """Above each key stands a comment of its own, or the key is among those explained for all accounts."""
    text = EXAMPLE.read_text(encoding="utf-8")
    shared = text[text.index("# Each account has these:") :].partition("\n\n")[0]
    for_all = set(re.findall(r"^#   (\w+)  ", shared, re.MULTILINE))
    assert for_all == AccountSettings.model_fields.keys()

    lines = text.splitlines()
    for provider, kind in account_types().items():
        first = re.search(rf"^#?\[accounts\.{provider}-main\]$", text, re.MULTILINE)
        assert first is not None
        start = text[: first.start()].count("\n")
        for name in kind.model_fields.keys() - for_all - {"password"}:  # which is explained with the address above it
            at = next(n for n in range(start, len(lines)) if re.match(rf"(# ?)?{name} = ", lines[n]))
            assert re.match(r"# (?!\w+ = )", lines[at - 1]), f"{provider}: {name}"


def test_the_shipped_example_has_every_key_with_its_default() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    everything = tomllib.loads(complete())

    sections: dict[str, tuple[type[BaseModel], dict[str, object]]] = {
        "jobs": (JobSettings, everything["jobs"]),
        "housekeeping": (HousekeepingSettings, everything["housekeeping"]),
        "approvals": (ApprovalSettings, everything["approvals"]),
        "logging": (LoggingSettings, everything["logging"]),
    }
    assert everything["slack"].keys() == {"mode", "approvals_channel", "messages_per_second", "messages_at_once"}
    assert (everything["slack"]["messages_per_second"], everything["slack"]["messages_at_once"]) == (1, 10)
    assert everything.keys() == {
        "slack", "accounts", "prices", "approvals", "budgets", "channels", "jobs", "housekeeping", "logging",
    }  # fmt: skip
    for model, table in sections.values():
        assert table.keys() == model.model_fields.keys()
        for name in re.findall(r"^# (\w+) = ", text, flags=re.MULTILINE):
            if name in table:
                default = table["approvers"] if name == "may_reveal" else model.model_fields[name].default
                assert table[name] == (list(default) if isinstance(default, tuple) else default)


def test_the_shipped_example_shows_or_explains_every_key_of_rules_budgets_and_channels() -> None:
    text, everything = EXAMPLE.read_text(encoding="utf-8"), tomllib.loads(complete())

    (budget,) = everything["budgets"]
    assert budget.keys() == BudgetSettings.model_fields.keys()
    assert everything["channels"]["C0GROWTH"].keys() == ChannelSettings.model_fields.keys()
    about_rules = text[text.index("# What a rule is for;") : text.index("#[[approvals.rules]]")]
    for name in RuleSettings.model_fields.keys() - {"name"}:
        assert re.search(rf"^#   (\w+, )*{name}\b", about_rules, re.MULTILINE), name
    shown = {key for rule in everything["approvals"]["rules"] for key in rule}
    assert {"name", "needs", "over", "auto_below", "currency"} <= shown <= RuleSettings.model_fields.keys()
