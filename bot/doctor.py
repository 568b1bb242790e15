"""`postroom doctor`: whether everything Postroom needs is there, each with the cure where it is not."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from rich.console import Console
from rich.table import Table
from rich.text import Text
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.app import SystemClock, intervals
from bot.logs import scrubber
from bot.scheduler import is_late
from bot.settings import Settings, SettingsError
from handlers.policy import Policy, is_group
from providers.accounts import AccountSettings, Clock
from providers.errors import AuthExpired, NotSent, ProviderError
from storage.moments import as_time

SLACK_TIMEOUT_SECONDS = 10
CHECK_TIMEOUT_SECONDS = 60
DATABASE_TIMEOUT_SECONDS = 5
SIGN_OF_LIFE = timedelta(minutes=1)
"""A Postroom of which nothing was heard for longer does not run."""

SCOPES: Mapping[str, str] = {
    "commands": "to be asked: slash commands, shortcuts, forms and buttons",
    "chat:write": "to answer: the thread of a request, and the card for those who decide",
    "channels:history": "to look whether a message arrived before posting it again, in public channels",
    "groups:history": "to look whether a message arrived before posting it again, in private channels",
    "channels:read": "to see whether the bot is in a public channel, whether it is one, and the channel's name",
    "groups:read": "to see whether the bot is in a private channel, and the channel's name",
    "im:history": "to look whether a message arrived before posting it again, in a person's direct messages",
    "im:write": "to tell the story in person where somebody asked in a channel without the bot",
    "files:read": "to read a list that somebody attached to a form",
    "files:write": "to hand somebody a file that they asked for, in their direct messages",
    "users:read": "to name people in windows, and to see whether somebody may act, and the time where they are",
    "usergroups:read": "to see who is in a user group that may approve or be shown credentials",
}
"""The bot scopes Postroom uses, each with its use. manifest.yml asks for exactly these."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report: what was looked at, how it went, and what to do where it did not go well.

    `cure` is empty where `said` says it already.
    """

    name: str
    ok: bool
    said: str
    cure: str = ""


class VerifiesCredentials(Protocol):
    """What the doctor needs of a provider's client."""

    async def verify_credentials(self) -> object:
        """Make one harmless call that needs the credentials. Raises ProviderError when they do not work."""
        ...


AccountOpener = Callable[[str, AccountSettings], AbstractAsyncContextManager[VerifiesCredentials]]
"""Opens the client of an account, given its name and settings, for as long as the context lasts."""

SlackOpener = Callable[[Settings], AbstractAsyncContextManager[AsyncWebClient]]
"""Opens a Web API client with the bot token, for as long as the context lasts."""


@asynccontextmanager
async def open_slack(settings: Settings) -> AsyncIterator[AsyncWebClient]:
    """A Web API client that tries once: the doctor reports what happened instead of waiting for better times."""
    timeout = aiohttp.ClientTimeout(total=SLACK_TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield AsyncWebClient(
            token=settings.slack.bot_token.get_secret_value(),
            base_url=settings.slack.api_url,
            timeout=SLACK_TIMEOUT_SECONDS,
            session=session,
            retry_handlers=[],
        )


async def diagnose(
    settings: Settings | SettingsError,
    open_account: AccountOpener,
    open_slack: SlackOpener = open_slack,
    clock: Clock | None = None,
) -> list[Check]:
    """Look at everything and report it all, in a fixed order. Never raises; nothing in the report is secret.

    `settings` is what `load_settings` returned, or the SettingsError it raised: then its sentences are the report, for
    nothing else can be looked at. Nothing is posted or bought; the database gets a scratch table that is removed again.
    """
    if isinstance(settings, SettingsError):
        # These sentences say themselves what to change.
        return [Check("settings", False, problem) for problem in settings.problems]
    checks = [Check("settings", True, " ".join([f"{settings.path} is in order.", *settings.warnings]))]
    async with open_slack(settings) as slack:
        checks += await _check_slack(settings, slack)
    checks += await asyncio.gather(
        *(
            _check(f"account {name}", partial(_account, name, open_account, its))
            for name, its in settings.accounts.items()
        ),
        _check("database", partial(asyncio.to_thread, _database, settings.database)),
    )
    if heard := await asyncio.to_thread(_heartbeats, settings.database):
        checks.append(await _check("beats", partial(_beats, settings, heard, (clock or SystemClock()).now())))
    scrub = scrubber(settings.secrets())
    return [replace(check, said=_printable(scrub(check.said)), cure=_printable(scrub(check.cure))) for check in checks]


def print_report(checks: Sequence[Check], console: Console) -> None:
    """One line per check, the cure under each that failed, and a last line that counts them."""
    report = Table.grid(padding=(0, 2, 0, 0))
    report.add_column(no_wrap=True)
    report.add_column(no_wrap=True)
    report.add_column(overflow="fold")
    for check in checks:
        verdict = Text("ok", style="green") if check.ok else Text("FAIL", style="bold red")
        said = Text(check.said)
        if not check.ok and check.cure:
            said.append(f"\n-> {check.cure}", style="yellow")
        report.add_row(verdict, Text(check.name), said)
    console.print(report)
    failed = sum(not check.ok for check in checks)
    console.print(Text(f"{failed} of {len(checks)} checks failed." if failed else f"All {len(checks)} checks passed."))


def _printable(text: str) -> str:
    """Names come from Slack and error texts from anywhere: neither may steer the terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


class _Failure(Exception):
    """A check did not go well: what was found, and what to do."""

    def __init__(self, said: str, cure: str) -> None:
        super().__init__(said)
        self.said = said
        self.cure = cure


_Look = Callable[[], Awaitable[str]]
"""Looks at one thing. Returns a sentence when all is well, raises when it is not."""


async def _check(name: str, look: _Look) -> Check:
    """Look, and make one line of the report of whatever comes of it."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            return Check(name, True, await look())
    except Exception as error:
        failure = _failure(error)
        return Check(name, False, failure.said, failure.cure)


def _failure(error: Exception) -> _Failure:
    match error:
        case _Failure():
            return error
        case SlackApiError():
            return _slack_failure(error)
        case TimeoutError():
            return _Failure("There was no answer in time.", "Check the network, a proxy between, and the address.")
        case aiohttp.ClientError():
            return _Failure(
                f"There is no connection: {error}.", "Check the network, a proxy between, and SLACK_API_URL."
            )
        case _:
            # Never a traceback: the report is for people, and this may be any library's error.
            return _Failure(
                f"Something unexpected happened: {type(error).__name__}: {error}.", "Report it, with this line."
            )


# Slack.


async def _check_slack(settings: Settings, slack: AsyncWebClient) -> list[Check]:
    identity: dict[str, Any] = {}
    bot_token = await _check("bot token", partial(_bot_token, slack, identity))
    checks = [bot_token]
    if settings.slack.mode == "socket":
        checks.append(await _check("app token", partial(_app_token, slack, settings)))
    looks: dict[str, _Look] = {
        "scopes": partial(_scopes, identity),
        "approvals channel": partial(_channel, slack, settings.slack.approvals_channel),
        **_people(slack, settings.approvals.approvers, identity, _APPROVERS),
        **_people(slack, settings.approvals.may_reveal or (), identity, _MAY_REVEAL),
        **_others(slack, settings.policy(), identity),
    }
    if bot_token.ok:
        return checks + await asyncio.gather(*(_check(name, look) for name, look in looks.items()))
    unseen = ("Not looked at, because the bot token does not work.", "Cure the bot token first.")
    return checks + [Check(name, False, *unseen) for name in looks]


async def _bot_token(slack: AsyncWebClient, identity: dict[str, Any]) -> str:
    """`identity` is filled with Slack's answer and the scopes it names, for the checks that follow."""
    answer = await slack.auth_test()
    identity.update(_data(answer), scopes=answer.headers.get("x-oauth-scopes"))
    if not identity.get("bot_id"):
        raise _Failure(
            "The token belongs to a person, not to a bot.",
            "Set SLACK_BOT_TOKEN to the Bot User OAuth Token under OAuth & Permissions.",
        )
    return f"Slack knows it: {identity.get('user')} in the workspace {identity.get('team')}."


async def _app_token(slack: AsyncWebClient, settings: Settings) -> str:
    # Socket Mode itself never complains of a wrong app token, it tries for ever; asking for a connection says it now.
    token = settings.slack.app_token
    assert token is not None  # load_settings saw to it
    try:
        await slack.apps_connections_open(app_token=token.get_secret_value())
    except SlackApiError as error:
        raise _slack_failure(error, _APP) from None
    return "Slack opens a connection for it."


async def _scopes(identity: Mapping[str, Any]) -> str:
    if identity["scopes"] is None:
        raise _Failure(
            "Slack did not say which scopes are granted.",
            "Check that SLACK_API_URL is Slack's own and no proxy is between.",
        )
    granted = {scope.strip() for scope in identity["scopes"].split(",") if scope.strip()}
    if missing := [f"{scope} ({use})" for scope, use in SCOPES.items() if scope not in granted]:
        raise _Failure(
            f"Not granted: {'; '.join(missing)}.",
            _PASTE_MANIFEST,
        )
    more = sorted(granted - SCOPES.keys())
    return "All are granted." + (f" Postroom does not need: {', '.join(more)}." if more else "")


async def _channel(slack: AsyncWebClient, channel: str) -> str:
    found = _data(await slack.conversations_info(channel=channel)).get("channel", {})
    name = f"#{found.get('name', channel)}"
    if found.get("is_archived"):
        raise _Failure(f"{name} is archived.", "Unarchive it, or set slack.approvals_channel to another channel.")
    if not found.get("is_member"):
        raise _Failure(f"The bot is not in {name}.", f"In Slack, write in {name}: /invite and the bot's name.")
    return f"The bot is in {name}."


@dataclass(frozen=True, slots=True)
class _Named:
    """A list of people in the settings: its key, what its checks are called, and what those in it can do."""

    key: str
    one: str
    several: str
    can: str


_APPROVERS = _Named("approvals.approvers", "approver", "approvers", "decide")
_MAY_REVEAL = _Named("approvals.may_reveal", "may reveal", "may reveal", "be shown credentials")


def _people(slack: AsyncWebClient, ids: Sequence[str], identity: Mapping[str, Any], named: _Named) -> dict[str, _Look]:
    looks: dict[str, _Look] = {}
    for one in ids:
        if is_group(one):
            looks[f"{named.several} {one}"] = partial(_group, slack, one, named)
        else:
            looks[f"{named.one} {one}"] = partial(_user, slack, one, identity, named)
    return looks


def _others(slack: AsyncWebClient, policy: Policy, identity: Mapping[str, Any]) -> dict[str, _Look]:
    """Everybody else whom the settings count on, each once, with the key that names them first."""
    named: list[tuple[str, Sequence[str]]] = [
        ("approvals.ping", policy.default.ping),
        ("approvals.escalate_to", policy.default.escalate_to),
        ("approvals.break_glass", policy.break_glass),
    ]
    for rule in policy.rules:
        terms = rule.terms
        named.append((f"approvals.rules “{rule.name}”", (*terms.approvers, *terms.ping, *terms.escalate_to)))
    named += [(f"budgets “{budget.name}”", budget.owners) for budget in policy.budgets]
    seen = {*policy.default.approvers, *(policy.may_reveal or ())}
    looks: dict[str, _Look] = {}
    for key, ids in named:
        new = [one for one in dict.fromkeys(ids) if one not in seen]
        seen.update(new)
        looks |= _people(slack, new, identity, _Named(key, key, key, "decide"))
    return looks


async def _user(slack: AsyncWebClient, user: str, identity: Mapping[str, Any], named: _Named) -> str:
    try:
        found = _data(await slack.users_info(user=user)).get("user", {})
    except SlackApiError as error:
        raise _slack_failure(error, key=named.key) from None
    name = found.get("real_name") or found.get("name") or user
    cure = f"Take {user} out of {named.key}, or put another person in."
    if found.get("deleted"):
        raise _Failure(f"{name} is deactivated in Slack.", cure)
    if found.get("is_bot") or user == "USLACKBOT":
        raise _Failure(f"{name} is a bot, and a bot cannot {named.can}.", cure)
    team, home = found.get("team_id"), identity.get("team_id")
    # In an Enterprise organization colleagues are at home in several workspaces.
    elsewhere = team and home and team != home and not identity.get("enterprise_id")
    if found.get("is_stranger") or elsewhere:
        raise _Failure(f"{name} belongs to another company's workspace.", cure)
    if found.get("is_restricted") or found.get("is_ultra_restricted"):
        raise _Failure(f"{name} is a guest, and a guest cannot {named.can}.", cure)
    return f"{name} can {named.can}."


async def _group(slack: AsyncWebClient, group: str, named: _Named) -> str:
    try:
        users = _data(await slack.usergroups_users_list(usergroup=group)).get("users", [])
    except SlackApiError as error:
        raise _slack_failure(error, key=named.key) from None
    if not users:
        raise _Failure(
            f"Nobody is in the user group {group}.",
            f"Put people into it in Slack, or take {group} out of {named.key}.",
        )
    return f"{len(users)} {'person' if len(users) == 1 else 'people'} of this group can {named.can}."


_BOT, _APP = "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"

_PASTE_MANIFEST = "Paste manifest.yml into the app's settings (App Manifest), save, and install the app again."
_NEW_APP_TOKEN = "Make an app-level token with the scope connections:write (Basic Information) and put it into {token}."  # noqa: S105
_NO_LONGER_VALID = (
    "The token is no longer valid.",
    "Install the app in the workspace again and put the new token into {token}.",
)
_NOT_KNOWN = ("Slack does not know this token.", "Copy it from the app's settings again into {token}.")
_NO_SUCH_GROUP = ("There is no such user group, or it is disabled.", "Check the id in {key}.")

_REFUSALS: Mapping[str, tuple[str, str]] = {
    "invalid_auth": _NOT_KNOWN,
    "not_authed": _NOT_KNOWN,
    "account_inactive": _NO_LONGER_VALID,
    "token_revoked": _NO_LONGER_VALID,
    "token_expired": _NO_LONGER_VALID,
    "not_allowed_token_type": ("This is not the kind of token that belongs here.", "Look at {token} again."),
    "channel_not_found": (
        "There is no such channel, or it is private and the bot is not in it.",
        "Check slack.approvals_channel; in a private channel write: /invite and the bot's name.",
    ),
    "user_not_found": ("There is no such person in this workspace.", "Check the id in {key}."),
    "user_not_visible": ("The bot may not see this person.", "Name somebody of this workspace in {key}."),
    "no_such_subteam": _NO_SUCH_GROUP,
    "subteam_not_found": _NO_SUCH_GROUP,
    "ratelimited": ("Slack was asked too often.", "Run postroom doctor again in a minute."),
}
"""Slack's error codes in words: what happened, and the cure."""


def _slack_failure(error: SlackApiError, token: str = _BOT, *, key: str = "approvals") -> _Failure:
    data = getattr(error.response, "data", None)
    answer: Mapping[str, Any] = data if isinstance(data, dict) else {}
    code = answer.get("error")
    if not isinstance(code, str):
        return _Failure("The answer is not one of Slack's.", "Check SLACK_API_URL, and any proxy between.")
    if code == "missing_scope":
        cure = _NEW_APP_TOKEN if token == _APP else _PASTE_MANIFEST
        return _Failure(f"The token lacks the scope {answer.get('needed', 'for this')}.", cure.format(token=token))
    unknown = (f"Slack refused: {code}.", f"Look up {code} at https://docs.slack.dev.")
    said, cure = _REFUSALS.get(code, unknown)
    return _Failure(said, cure.format(token=token, key=key))


def _data(answer: AsyncSlackResponse) -> dict[str, Any]:
    return answer.data if isinstance(answer.data, dict) else {}


# Providers.


async def _account(name: str, open_account: AccountOpener, settings: AccountSettings) -> str:
    try:
        async with open_account(name, settings) as client:
            await client.verify_credentials()
    except AuthExpired as error:
        raise _Failure(
            error.sentence,
            f"Check the credentials of accounts.{name}: do they still log in at the provider's own site?",
        ) from None
    except NotSent as error:
        raise _Failure(error.sentence, f"Check the network, and accounts.{name}.base_url.") from None
    except ProviderError as error:
        raise _Failure(error.sentence, error.cure) from None
    return "The credentials work."


# Database.


def _database(path: Path) -> str:
    folder = path.parent.absolute()
    try:
        if not folder.is_dir():
            raise _Failure(f"{folder} is not a folder.", "Create it, or change POSTROOM_DATABASE.")
        if path.is_dir():
            raise _Failure(f"{path} is a folder.", "Set POSTROOM_DATABASE to a file in it, such as postroom.db.")
        if path.exists():
            _write_and_delete(path)
            return f"{path} can be written. {_size(path)}"
        # Postroom makes the file when it starts. The doctor leaves nothing behind.
        with tempfile.TemporaryDirectory(prefix=".postroom-doctor-", dir=folder) as scratch:
            _write_and_delete(Path(scratch, path.name))
        return f"{path} is not there yet and can be made."
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise _Failure(
                f"{path} is locked by another program.", "Close what has it open, then run this again."
            ) from None
        raise _Failure(
            f"{path} cannot be written: {error}.",
            "Check the rights on the file and its folder, and the space on the disk.",
        ) from None
    except sqlite3.DatabaseError as error:
        raise _Failure(
            f"{path} is not a database that can be used: {error}.",
            "Restore it from a backup, or set POSTROOM_DATABASE to another file.",
        ) from None
    except OSError as error:
        raise _Failure(
            f"{folder} cannot be written: {error.strerror}.",
            "Check the rights on the folder, and the space on the disk.",
        ) from None


_MIB = 2**20


def _size(path: Path) -> str:
    """How large the file is, how much of that waits to be used again, and what is not in it yet."""
    with closing(sqlite3.connect(path, timeout=DATABASE_TIMEOUT_SECONDS)) as connection:
        pages, free, page = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        journal = Path(f"{path}-wal")  # gone as soon as the last one closes the database
        waiting = journal.stat().st_size if journal.exists() else 0
    told = f"It has {_mib(pages * page)}"
    told += f", of which {_mib(free * page)} are free for what comes" if free * page >= _MIB else ""
    return f"{told}; its journal has {_mib(waiting)}." if waiting >= _MIB else f"{told}."


def _mib(size: int) -> str:
    return f"{size / _MIB:,.1f} MiB"


def _write_and_delete(path: Path) -> None:
    table = f"_postroom_doctor_{uuid.uuid4().hex}"
    with closing(sqlite3.connect(path, timeout=DATABASE_TIMEOUT_SECONDS)) as connection:
        with connection:
            connection.execute(f"CREATE TABLE {table} (word TEXT)")
            connection.execute(f"INSERT INTO {table} VALUES ('written')")  # noqa: S608
        with connection:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608
            connection.execute(f"DROP TABLE {table}")


# A Postroom that runs on that database.


def _heartbeats(path: Path) -> dict[str, datetime]:
    """When each beat was last noted; empty where no Postroom has ever run, or that cannot be read."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return {name: as_time(at) for name, at in connection.execute("SELECT name, at FROM beats")}
    except sqlite3.Error:
        return {}  # the check of the database says why


async def _beats(settings: Settings, heard: Mapping[str, datetime], now: datetime) -> str:
    last = max(heard.values())
    if now - last > SIGN_OF_LIFE:
        return f"No Postroom runs on this database now; one was last heard of at {_moment(last)}."
    every = intervals(settings)
    late = {name: heard.get(name) for name in every if name not in heard or is_late(now - heard[name], every[name])}
    if not late:
        return f"A Postroom runs on this database, and its {len(every)} beats are on time."
    since = ", ".join(
        f"{name} has never run to its end" if at is None else f"{name} has not run to its end since {_moment(at)}"
        for name, at in late.items()
    )
    raise _Failure(
        f"A Postroom runs on this database, and not all of its beats are on time: {since}.",
        "Look for beat_broke in its log: the lines there say why. If there are none, restart it: nothing is lost.",
    )


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
