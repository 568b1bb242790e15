"""What the operator says before Postroom starts: `postroom.toml`, and the environment for what is secret.

`load_settings` reads both and either returns `Settings`, complete and checked, or raises `SettingsError` with every
mistake it found, one sentence each. No sentence repeats a value: what stands in the wrong place may be a secret.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args
from urllib.parse import unquote

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    HttpUrl,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from bot.policy_settings import (
    ApprovalSettings,
    BudgetSettings,
    ChannelSettings,
    RuleSettings,
    Section,
    channel_id,
    contradictions,
    doubtful,
    no_such,
    policy_of,
)
from handlers.policy import CREDITS, Policy
from providers.accounts import AccountSettings, PriceList

DEFAULT_CONFIG = "postroom.toml"
DEFAULT_DATABASE = "postroom.db"
DEFAULT_PORT = 3000
SLACK_API_URL = "https://slack.com/api/"

_DAY = 86_400

_Model = TypeVar("_Model", bound=BaseModel)


class SettingsError(Exception):
    """The settings cannot be used. `problems` has a plain sentence per mistake, each beginning with the key's path."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class _SlackSection(Section):
    """The part of `[slack]` that stands in the file."""

    mode: Literal["socket", "http"] = Field(
        "socket", description="socket: Postroom calls Slack. http: Slack calls Postroom."
    )
    approvals_channel: Annotated[str, AfterValidator(channel_id)] = Field(
        description="The channel where requests wait for a decision."
    )
    messages_per_second: Annotated[float, Field(gt=0, le=100)] = Field(
        1, description="How many messages a second go to one channel. Slack takes about one."
    )
    messages_at_once: Annotated[int, Field(ge=1, le=1000)] = Field(
        10, description="How many messages one channel gets at once before they are spaced."
    )


class SlackSettings(_SlackSection):
    """`[slack]`, with the tokens from the environment.

    `app_token` is there in mode "socket", `signing_secret` in mode "http"; `api_url` ends in a slash.
    """

    bot_token: SecretStr
    app_token: SecretStr | None = None
    signing_secret: SecretStr | None = None
    api_url: str = SLACK_API_URL


class JobSettings(Section):
    """`[jobs]`: the rhythm of asking providers how bought things are getting on."""

    first_poll_seconds: Annotated[float, Field(gt=0, le=_DAY)] = Field(
        10, description="A provider is first asked this many seconds after it took an order."
    )
    max_poll_seconds: Annotated[float, Field(gt=0, le=_DAY)] = Field(
        300, description="The pause between two questions grows up to this many seconds."
    )
    deadline_hours: Annotated[float, Field(gt=0, le=24 * 365)] = Field(
        48,
        description=(
            "Work that is not finished after this many hours is taken to a person. What waits for nameservers or "
            "DNS records has a week."
        ),
    )
    lease_seconds: Annotated[float, Field(gt=0, le=_DAY)] = Field(
        60, description="What a process has claimed and not renewed for this many seconds, another may claim."
    )
    reconcile_after_seconds: Annotated[float, Field(gt=0, le=_DAY)] = Field(
        120,
        description=(
            "How many seconds after an unclear answer a listing that lacks the thing is taken to a person. "
            "Sooner it proves nothing: listings lag behind purchases."
        ),
    )

    @field_validator("max_poll_seconds")
    @classmethod
    def _not_shorter_than_first(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("first_poll_seconds", 0):
            raise ValueError("must not be less than jobs.first_poll_seconds")
        return value


_Days = Annotated[int, Field(le=36_500)]


class HousekeepingSettings(Section):
    """`[housekeeping]`: for how many days is kept what neither the audit nor the money needs."""

    drafts_days: Annotated[_Days, Field(ge=1)] = Field(
        1, description="A form that nobody finished is forgotten so many days after it was touched last."
    )
    messages_days: Annotated[_Days, Field(ge=7)] = Field(
        90,
        description=(
            "So many days after a request has ended, what Slack was sent about it is forgotten: its cards are not "
            "drawn anew after that."
        ),
    )
    digests_days: Annotated[_Days, Field(ge=7)] = Field(
        90, description="For so many days it is kept when a channel had its digest."
    )
    hand_overs_days: Annotated[_Days, Field(ge=7)] = Field(
        90, description="So many days after its end, it is forgotten that somebody handed their approvals over."
    )
    heartbeats_days: Annotated[_Days, Field(ge=7)] = Field(
        7, description="A beat that this Postroom no longer has is forgotten after so many days."
    )


class LoggingSettings(Section):
    """`[logging]`: how much the log says, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least important line to show.")
    format: Literal["auto", "json", "text"] = Field(
        "auto", description="auto: text for people on a terminal, JSON for machines elsewhere."
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything the operator decided, checked. Its repr shows no secret.

    `accounts` is by account name, each of its provider's own settings class; `prices` is by provider,
    `channels` by id. `path` is the file it was read from. `warnings` are sentences about what is allowed and probably
    not meant.
    """

    slack: SlackSettings
    accounts: Mapping[str, AccountSettings]
    approvals: ApprovalSettings
    prices: Mapping[str, PriceList]
    jobs: JobSettings
    logging: LoggingSettings
    database: Path
    port: int
    path: Path
    housekeeping: HousekeepingSettings = field(default_factory=HousekeepingSettings)
    budgets: tuple[BudgetSettings, ...] = ()
    channels: Mapping[str, ChannelSettings] = field(default_factory=dict[str, ChannelSettings])
    warnings: tuple[str, ...] = ()

    def policy(self) -> Policy:
        """Who must say yes to what, and what may be spent: all of it that the house keeps."""
        return policy_of(self.approvals, self.budgets, self.channels, self.slack.approvals_channel)

    def secrets(self) -> tuple[SecretStr, ...]:
        """Every secret in here; for those who must keep them out of logs and reports."""
        models: list[BaseModel] = [self.slack, *self.accounts.values()]
        return tuple(value for model in models for _, value in model if isinstance(value, SecretStr))


def load_settings(
    environ: Mapping[str, str],
    path: Path | None = None,
    *,
    account_types: Mapping[str, type[AccountSettings]],
    commands: Collection[str] = (),
) -> Settings:
    """Read the settings file and the environment.

    The file is `path`, else `POSTROOM_CONFIG`, else `./postroom.toml`. `account_types` maps each provider's name to its
    settings class; fields annotated `SecretStr` there are written as "env:NAME" or "file:PATH" (relative to the
    settings file). `commands` are all that people can ask, so that a rule for none of them is warned of. Raises
    SettingsError with all mistakes at once.
    """
    reading = _Reading(environ, path or Path(environ.get("POSTROOM_CONFIG") or DEFAULT_CONFIG))
    document = reading.document()
    section = reading.section(document, "slack", _SlackSection)
    slack = reading.slack(section)
    accounts = reading.accounts(document, account_types)
    approvals = reading.approvals(document)
    jobs = reading.section(document, "jobs", JobSettings)
    housekeeping = reading.section(document, "housekeeping", HousekeepingSettings)
    logging = reading.section(document, "logging", LoggingSettings)
    prices = reading.prices(document, account_types, used={account.provider for account in accounts.values()})
    budgets = reading.tables(document, ("budgets",), BudgetSettings)
    channels = reading.channels(document)
    database = reading.database()
    port = reading.port()
    reading.unknown_tables(document)
    if approvals is not None and not reading.problems:  # what is wrong by itself would be called wrong twice
        at = {name: account.provider for name, account in accounts.items()}
        reading.policy(approvals, budgets, providers=account_types, accounts=at, prices=prices, commands=commands)
    if (
        reading.problems
        or slack is None
        or approvals is None
        or jobs is None
        or housekeeping is None
        or logging is None
    ):
        raise SettingsError(reading.problems)
    return Settings(
        slack=slack,
        accounts=accounts,
        approvals=approvals,
        prices=prices,
        jobs=jobs,
        logging=logging,
        database=database,
        port=port,
        path=reading.path,
        housekeeping=housekeeping,
        budgets=budgets,
        channels=channels,
        warnings=tuple(reading.warnings),
    )


@dataclass(frozen=True, kw_only=True)
class PolicyFile:
    """What a settings file says about approvals and budgets. `accounts` are the providers by account."""

    policy: Policy
    accounts: Mapping[str, str]
    path: Path
    warnings: tuple[str, ...] = ()


def load_policy(
    environ: Mapping[str, str],
    path: Path | None = None,
    *,
    account_types: Mapping[str, type[AccountSettings]],
    commands: Collection[str] = (),
) -> PolicyFile:
    """Read of a settings file only what `load_settings` makes the policy of: no secret is needed for that.

    Raises SettingsError with all mistakes in those parts at once.
    """
    reading = _Reading(environ, path or Path(environ.get("POSTROOM_CONFIG") or DEFAULT_CONFIG))
    document = reading.document()
    section = reading.section(document, "slack", _SlackSection)
    accounts = reading.providers_of_accounts(document)
    approvals = reading.approvals(document)
    budgets = reading.tables(document, ("budgets",), BudgetSettings)
    channels = reading.channels(document)
    prices = reading.prices(document, account_types, used=set(accounts.values()))
    if approvals is not None and not reading.problems:
        reading.policy(approvals, budgets, providers=account_types, accounts=accounts, prices=prices, commands=commands)
    if reading.problems or section is None or approvals is None:
        raise SettingsError(reading.problems)
    return PolicyFile(
        policy=policy_of(approvals, budgets, channels, section.approvals_channel),
        accounts=accounts,
        path=reading.path,
        warnings=tuple(reading.warnings),
    )


def database_path(environ: Mapping[str, str]) -> Path:
    """Where the database is, for those who need nothing else of the settings. Raises SettingsError."""
    reading = _Reading(environ, Path(DEFAULT_CONFIG))
    path = reading.database()
    if reading.problems:
        raise SettingsError(reading.problems)
    return path


_TABLES = ("slack", "accounts", "jobs", "prices", "approvals", "budgets", "channels", "housekeeping", "logging")

_AMOUNTS = frozenset({"over", "under", "auto_below", "amount"})
"""Keys of rules and budgets whose values stay exact."""

_TEXT = "utf-8-sig"
"""UTF-8, also with the mark that Windows puts before it."""
_NO_HOME = "cannot be found: whose home ~ means is not known here. Write the whole path"
_NO_PATH = "cannot be read: there is no such path"

_TOKENS = {
    "bot_token": "SLACK_BOT_TOKEN",
    "app_token": "SLACK_APP_TOKEN",
    "signing_secret": "SLACK_SIGNING_SECRET",
}


class _Reading:
    """One reading of the settings: collects what is wrong instead of stopping at the first mistake."""

    def __init__(self, environ: Mapping[str, str], path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self._environ = environ
        self._seen_secrets: set[str] = set()

    def _without_secrets(self, words: str) -> str:
        """A provider's own words may quote what they refuse; every secret read so far is blotted out of them."""
        for secret in sorted(self._seen_secrets, key=len, reverse=True):
            words = words.replace(secret, "…").replace(repr(secret)[1:-1], "…")
        return words

    # The file.

    def document(self) -> dict[str, Any] | None:
        """The whole file, prices exact (Decimal, never float); None when it cannot be read."""
        try:
            return tomllib.loads(self.path.read_text(encoding=_TEXT), parse_float=Decimal)
        except FileNotFoundError:
            problem = "there is no such file. Copy postroom.example.toml to it, or say in POSTROOM_CONFIG where it is."
        except UnicodeDecodeError:
            problem = "is not text in UTF-8."
        except OSError as error:
            problem = f"cannot be read: {_reason(error)}."
        except tomllib.TOMLDecodeError as error:
            problem = f"is not valid TOML: {_lower(str(error))}."
        except (ValueError, RecursionError):  # of Python's own bounds
            problem = "cannot be read: a number in it is far too long, or something is nested far too deep."
        self.problems.append(f"{self.path}: {problem}")
        return None

    def section(self, document: Mapping[str, Any] | None, name: str, model: type[_Model]) -> _Model | None:
        """One table of the file as `model`; None when it is wrong (or there is no file, which was said already)."""
        if document is None:
            return None
        table = document.get(name, {})
        if not isinstance(table, dict):
            self.problems.append(f"{name}: must be a table, [{name}].")
            return None
        if name == "slack":
            table = self._without_tokens(table)
        return self._check(model, table, (name,))

    def tables(
        self, document: Mapping[str, Any] | None, where: Sequence[str], model: type[_Model]
    ) -> tuple[_Model, ...]:
        """A list of tables, `[[where]]`, each as `model`; without those that are wrong."""
        within: Any = document or {}
        for key in where[:-1]:
            within = within.get(key, {})
        if not isinstance(within, dict):
            return ()  # which is said where that table is read
        tables = within.get(where[-1], [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self.problems.append(f"{_dotted(where)}: each is a table of its own, [[{_dotted(where)}]].")
            return ()
        checked = [self._check(model, _exact(table), (*where, number)) for number, table in enumerate(tables)]
        return tuple(one for one in checked if one is not None)

    def approvals(self, document: Mapping[str, Any] | None) -> ApprovalSettings | None:
        """`[approvals]`, with its rules."""
        rules = self.tables(document, ("approvals", "rules"), RuleSettings)
        table = (document or {}).get("approvals")
        if document is not None and isinstance(table, dict):
            others = {key: value for key, value in table.items() if key != "rules"}
            document = {**document, "approvals": others}
        approvals = self.section(document, "approvals", ApprovalSettings)
        return approvals and approvals.model_copy(update={"rules": rules})

    def channels(self, document: Mapping[str, Any] | None) -> dict[str, ChannelSettings]:
        """`[channels.<id>]`, by the channel's id."""
        tables = (document or {}).get("channels", {})
        if not isinstance(tables, dict):
            self.problems.append("channels: must be a table, [channels.<id>].")
            return {}
        channels: dict[str, ChannelSettings] = {}
        for name, table in tables.items():
            where = ("channels", name)
            try:
                channel_id(name)
            except ValueError as error:
                self.problems.append(f"{_dotted(where)}: {error}.")
                continue
            if not isinstance(table, dict):
                self.problems.append(f"{_dotted(where)}: must be a table, [channels.<id>], with its keys below it.")
                continue
            channel = self._check(ChannelSettings, table, where)
            if channel is not None:
                channels[name] = channel
        return channels

    def policy(
        self,
        approvals: ApprovalSettings,
        budgets: Sequence[BudgetSettings],
        *,
        providers: Collection[str],
        accounts: Mapping[str, str],
        prices: Mapping[str, PriceList],
        commands: Collection[str],
    ) -> None:
        """Complain about what each key allows and does not go together with another."""
        found = contradictions(
            approvals,
            budgets,
            providers=providers,
            accounts=accounts,
            currencies=dict.fromkeys((PriceList().currency, *(one.currency for one in prices.values()), CREDITS)),
        )
        self.problems += [f"{_dotted(where)}: {words}" for where, words in found]
        self.warnings += [f"{_dotted(where)}: {words}" for where, words in doubtful(approvals, commands)]

    def _without_tokens(self, table: Mapping[str, Any]) -> dict[str, Any]:
        for key in _TOKENS.keys() & table.keys():
            self._seen_secrets.add(str(table[key]))
            self.problems.append(
                f"slack.{key}: a secret is not written into this file. Remove it here and set the environment "
                f"variable {_TOKENS[key]}."
            )
        return {key: value for key, value in table.items() if key not in _TOKENS}

    def unknown_tables(self, document: Mapping[str, Any] | None) -> None:
        """Complain about what stands at the top of the file and is not known there."""
        for key in document or {}:
            if key not in _TABLES:
                self.problems.append(f"{_dotted((key,))}: {_unknown(key, _TABLES)}")

    def accounts(
        self, document: Mapping[str, Any] | None, account_types: Mapping[str, type[AccountSettings]]
    ) -> dict[str, AccountSettings]:
        """`[accounts.<name>]`, each as its provider's class."""
        if document is None:
            return {}
        tables = document.get("accounts", {})
        if not isinstance(tables, dict) or not tables:
            self.problems.append("accounts: there must be at least one account, [accounts.<name>].")
            return {}
        accounts = {name: self._account(name, table, account_types) for name, table in tables.items()}
        return {name: account for name, account in accounts.items() if account is not None}

    @staticmethod
    def providers_of_accounts(document: Mapping[str, Any] | None) -> dict[str, str]:
        """At which provider each account is, whatever else is right or wrong about it."""
        tables = (document or {}).get("accounts", {})
        if not isinstance(tables, dict):
            return {}
        return {
            name: str(table["provider"])
            for name, table in tables.items()
            if isinstance(table, dict) and "provider" in table
        }

    def _account(
        self, name: str, table: object, account_types: Mapping[str, type[AccountSettings]]
    ) -> AccountSettings | None:
        where = ("accounts", name)
        if not isinstance(table, dict):
            self.problems.append(
                f"{_dotted(where)}: must be a table, [accounts.<name>], with the account's keys below it."
            )
            return None
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}", name):
            self.problems.append(
                f"{_dotted(where)}: an account's name has only letters, digits, dots, dashes and underscores, up to 60."
            )
        provider = table.get("provider")
        if not isinstance(provider, str):
            self.problems.append(
                f"{_dotted((*where, 'provider'))}: must be the name of a provider, in quotes: {_or(account_types)}."
            )
            return None
        if provider not in account_types:
            self.problems.append(f"{_dotted((*where, 'provider'))}: {no_such('provider', provider, account_types)}")
            return None
        model = account_types[provider]
        values, unresolved = self._resolved(model, table, where)
        account = self._check(model, values, where, unresolved)
        if account is not None:
            self._check_base_url(account.base_url, _dotted((*where, "base_url")))
        return account

    def _resolved(
        self, model: type[BaseModel], table: Mapping[str, Any], where: tuple[str, ...]
    ) -> tuple[dict[str, Any], frozenset[str]]:
        """The table with its secrets fetched, and the names of those that could not be."""
        values, unresolved = dict(table), set[str]()
        for key, info in model.model_fields.items():
            if key not in table or not _is_secret(info.annotation):
                continue
            secret = self._reference(table[key], where, key)
            if secret is None:
                # Stands in for the missing value, so that the key is not called missing as well.
                secret = "unresolved"  # noqa: S105
                unresolved.add(key)
            values[key] = secret
        return values, frozenset(unresolved)

    def _reference(self, written: object, where: tuple[str, ...], field: str) -> str | None:
        """The secret behind "env:NAME" or "file:PATH"; None, and a sentence, when there is none."""
        key = _dotted((*where, field))
        kind, _, place = written.partition(":") if isinstance(written, str) else ("", "", "")
        if kind == "env" and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", place):
            if secret := self._variable(place):
                return secret
            self.problems.append(f"{key}: the environment variable {place} is not set.")
        elif kind == "file" and place:
            return self._file(place, key)
        else:
            self._seen_secrets.add(str(written))
            example = re.sub(r"[^A-Z0-9]+", "_", f"{where[-1]}_{field}".upper())
            self.problems.append(
                f"{key}: a secret is not written into this file. Put it into an environment variable and write "
                f'"env:{example}" here, or into a file of its own and write "file:/path/to/it".'
            )
        return None

    def _file(self, place: str, key: str) -> str | None:
        path = self.path.parent / place
        try:
            path = self.path.parent / Path(place).expanduser()
            secret = path.read_text(encoding=_TEXT).strip("\r\n")
        except RuntimeError:
            problem = _NO_HOME
        except UnicodeDecodeError:
            problem = "is not text in UTF-8"
        except OSError as error:
            problem = f"cannot be read: {_reason(error)}"
        except ValueError:
            problem = _NO_PATH
        else:
            if secret:
                self._seen_secrets.add(secret)
                return secret
            problem = "is empty"
        self.problems.append(f"{key}: the file {path} {problem}.")
        return None

    def prices(
        self, document: Mapping[str, Any] | None, providers: Iterable[str], *, used: set[str]
    ) -> dict[str, PriceList]:
        """`[prices.<provider>]`: `currency`, and every other key a price."""
        tables = (document or {}).get("prices", {})
        if not isinstance(tables, dict):
            self.problems.append("prices: must be a table, [prices.<provider>].")
            return {}
        lists: dict[str, PriceList] = {}
        for provider, table in tables.items():
            where = ("prices", provider)
            if provider not in providers:
                self.problems.append(f"{_dotted(where)}: {no_such('provider', provider, providers)}")
            elif not isinstance(table, dict):
                self.problems.append(
                    f"{_dotted(where)}: must be a table, [prices.{provider}], with the prices below it."
                )
            else:
                if provider not in used:
                    self.warnings.append(
                        f"{_dotted(where)}: no account is at this provider, so its prices are not used."
                    )
                price_list = self._price_list(table, where)
                if price_list is not None:
                    lists[provider] = price_list
        return lists

    def _price_list(self, table: Mapping[str, Any], where: tuple[str, ...]) -> PriceList | None:
        prices: dict[str, Any] = {}
        for key, price in table.items():
            if isinstance(price, dict):
                # domain.com = "12.50" without quotes round the key is a table in TOML.
                inner = f"{key}.{next(iter(price), '…')}"
                self.problems.append(
                    f"{_dotted((*where, key))}: is a table, not a price. A key with a dot stands in quotes: "
                    f'"{inner}" = "12.50".'
                )
            elif key != "currency":
                prices[key] = str(price) if isinstance(price, Decimal) else price
        currency = {"currency": table["currency"]} if "currency" in table else {}
        return self._check(PriceList, {**currency, "prices": prices}, where)

    # The environment.

    def slack(self, section: _SlackSection | None) -> SlackSettings | None:
        """The tokens, each of the kind that belongs there, joined to what the file says of Slack."""
        mode = section.mode if section else None
        bot = self._token("SLACK_BOT_TOKEN", "xoxb-", needed=True, cure="OAuth & Permissions, Bot User OAuth Token")
        app = self._token(
            "SLACK_APP_TOKEN",
            "xapp-",
            needed=mode == "socket",
            cure="Basic Information, App-Level Tokens, with the scope connections:write",
        )
        signing = self._token(
            "SLACK_SIGNING_SECRET", "", needed=mode == "http", cure="Basic Information, Signing Secret"
        )
        api_url = self._api_url()
        if section is None or bot is None or api_url is None:
            return None
        return SlackSettings(
            **section.model_dump(),
            bot_token=bot,
            app_token=app,
            signing_secret=signing,
            api_url=api_url,
        )

    def _token(self, name: str, prefix: str, *, needed: bool, cure: str) -> SecretStr | None:
        value = (self._variable(name) or "").strip() or None
        found = f"You find it in your Slack app's settings: {cure}."
        if value is not None and value.startswith("file:"):
            value = self._file(value.removeprefix("file:"), name)
            if value is None:
                return None
        if value is None:
            if needed:
                self.problems.append(f"{name}: the environment variable is not set. {found}")
            return None
        if needed and not (value.isascii() and value.isprintable() and " " not in value):
            self.problems.append(f"{name}: must be one word of plain characters, without a line break. {found}")
        elif needed and prefix and not value.startswith(prefix):
            self.problems.append(f"{name}: must begin with {prefix}, this is something else. {found}")
        if needed and not prefix and value.startswith(("xox", "xapp-")):
            self.problems.append(f"{name}: is a token, not the signing secret. {found}")
        return SecretStr(value)

    def _api_url(self) -> str | None:
        written = self._environ.get("SLACK_API_URL", "").strip() or SLACK_API_URL
        try:
            url = TypeAdapter(HttpUrl).validate_python(written)
        except ValidationError:
            self.problems.append("SLACK_API_URL: must be a web address that begins with https:// or http://.")
            return None
        self._check_base_url(url, "SLACK_API_URL")
        return str(url).rstrip("/") + "/"

    def database(self) -> Path:
        """`POSTROOM_DATABASE`: a path, or sqlite:///relative, or sqlite:////absolute."""
        written = self._environ.get("POSTROOM_DATABASE", "").strip() or DEFAULT_DATABASE
        scheme, separator, rest = written.partition("://")
        if not separator:
            scheme, rest = "", written
        problem = None
        if scheme.startswith("postgres"):
            problem = "PostgreSQL is not supported yet. Give the path of an SQLite file, such as postroom.db."
        elif scheme not in ("", "sqlite"):
            problem = "this kind of database is not supported. Give the path of an SQLite file, such as postroom.db."
        elif scheme and "?" in rest:
            problem = "options after a question mark are not understood. Leave them out."
        elif scheme and not rest.startswith("/"):
            problem = "an SQLite address has three slashes before a path: sqlite:///postroom.db."
        location = unquote(rest.removeprefix("/")) if scheme else rest
        if problem is None and location in ("", ":memory:"):
            problem = "must be a file: what is kept there has to outlive the process."
        elif problem is None and "\0" in location:
            problem = f"{_NO_PATH}."
        path = Path(location)
        try:
            path = path.expanduser()
        except RuntimeError:
            problem = problem or f"{_NO_HOME}."
        if problem:
            self.problems.append(f"POSTROOM_DATABASE: {problem}")
        return path

    def port(self) -> int:
        """`POSTROOM_PORT`; 0 lets the system choose."""
        written = self._environ.get("POSTROOM_PORT", "").strip() or str(DEFAULT_PORT)
        if not re.fullmatch(r"[0-9]{1,5}", written) or int(written) > 65_535:
            self.problems.append("POSTROOM_PORT: must be a whole number from 0 to 65535.")
            return DEFAULT_PORT
        return int(written)

    def _variable(self, name: str) -> str | None:
        """A secret in the environment; an empty one counts as not set."""
        value = self._environ.get(name, "").strip("\r\n")
        if value:
            self._seen_secrets.add(value)
        return value or None

    # Both.

    def _check_base_url(self, url: HttpUrl, key: str) -> None:
        if url.username or url.password:
            self.problems.append(f"{key}: must not carry a user name or a password; addresses are logged.")
        host = url.host or ""
        if url.scheme == "http" and not (host in ("localhost", "[::1]") or host.startswith("127.")):
            self.warnings.append(f"{key}: begins with http://, so credentials travel in clear. Use https://.")

    def _check(
        self,
        model: type[_Model],
        table: Mapping[str, Any],
        where: tuple[str | int, ...],
        unresolved: frozenset[str] = frozenset(),
    ) -> _Model | None:
        """`table` as `model`, or None and a sentence for each mistake (none about the fields in `unresolved`)."""
        try:
            # Strict JSON is what TOML means: a number is no text and true is no number, while a list may be a tuple.
            checked = model.model_validate_json(json.dumps(table, default=_plain), strict=True)
        except ValidationError as error:
            for problem in error.errors(include_url=False, include_input=False):
                if not unresolved.intersection(problem["loc"][:1]):
                    key, words = _sentence(model, problem, where)
                    self.problems.append(f"{key}: {self._without_secrets(words)}")
            return None
        return None if unresolved else checked


# Words.


def _sentence(model: type[BaseModel], problem: ErrorDetails, where: tuple[str | int, ...]) -> tuple[str, str]:
    """The key that is wrong, and what is wrong with it."""
    loc = problem["loc"]
    # In the file a price stands beside the currency, in the model one level deeper.
    key = _dotted((*where, *(loc[1:] if model is PriceList and loc[:1] == ("prices",) else loc)))
    field = model.model_fields.get(str(loc[0])) if loc else None
    about = f" {field.description}" if field is not None and field.description else ""
    match problem["type"]:
        case "extra_forbidden":
            return key, _unknown(str(loc[-1]), model.model_fields)
        case "missing":
            return key, f"is missing.{about}"
        case "string_pattern_mismatch":
            return key, f"has the wrong form.{about}"
        case _:
            return key, f"{_in_words(problem)}."


_WRONG_KIND = {
    "string_type": "must be text, in quotes",
    "int_type": "must be a whole number, without quotes",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number, without quotes",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false, without quotes",
    "list_type": "must be a list, in square brackets",
    "tuple_type": "must be a list, in square brackets",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "url_type": "must be a web address that begins with https:// or http://",
    "url_parsing": "must be a web address that begins with https:// or http://",
    "url_scheme": "must be a web address that begins with https:// or http://",
    "decimal_type": 'must be a price such as "12.50"',
    "decimal_parsing": 'must be a price such as "12.50": digits, a dot, no currency sign',
}

_OUT_OF_BOUNDS = {
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "too_short": "must have {min_length} or more entries",
    "string_too_short": "is too short, it needs at least {min_length} characters",
    "string_too_long": "is too long, it may have at most {max_length} characters",
    "decimal_max_places": "has more than {decimal_places} digits after the dot",
    "decimal_max_digits": "has more than {max_digits} digits",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "value_error": "{error}",
}


def _in_words(problem: ErrorDetails) -> str:
    kind = problem["type"]
    if kind in _WRONG_KIND:
        return _WRONG_KIND[kind]
    if kind in _OUT_OF_BOUNDS:
        bounds = problem.get("ctx", {})
        if "expected" in bounds:
            bounds["expected"] = bounds["expected"].replace("'", '"')
        return _OUT_OF_BOUNDS[kind].format(**bounds).rstrip(".")
    return _lower(problem["msg"]).replace("input should", "must")


def _unknown(key: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(known), n=1)
    return f"there is no such key{f'; did you mean {near[0]}?' if near else f'. Known here: {_or(known)}.'}"


def _or(names: Iterable[str]) -> str:
    return ", ".join(names)


def _dotted(parts: Sequence[str | int]) -> str:
    """A key as it is written in TOML, list entries counted from 1: `prices.mailin."domain.com"`, `approvers[2]`."""
    key = ""
    for part in parts:
        if isinstance(part, int):
            key += f"[{part + 1}]"
        else:
            quoted = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part, ensure_ascii=False)
            key += f".{quoted}" if key else quoted
    return key


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_is_secret(argument) for argument in get_args(annotation))


def _exact(table: Mapping[str, Any]) -> dict[str, Any]:
    """Amounts as text: on their way through JSON as numbers they would lose their exactness."""
    return {key: str(one) if key in _AMOUNTS and isinstance(one, Decimal) else one for key, one in table.items()}


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)


def _reason(error: OSError) -> str:
    return _lower(error.strerror or type(error).__name__)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
