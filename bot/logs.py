"""The log: one line per fact, text for people on a terminal and JSON for machines, and never a secret.

Postroom's own lines (structlog) and those of the libraries (standard library loggers) go through one pipeline. It blots
out secrets twice: in the values, before they are quoted and escaped, and in the finished line, where everything passes,
also what only then became text.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TextIO
from urllib.parse import quote, quote_plus

import structlog
from pydantic import SecretStr
from structlog.typing import EventDict, Processor, WrappedLogger

from bot.settings import LoggingSettings

REDACTED = "[redacted]"

_Scrub = Callable[[str], str]

_SHORTEST_SECRET = 4
"""Shorter values are not blotted out: they would take innocent text with them."""

_TOKENS = re.compile(
    r"xox[a-z](?:\.xox[a-z])?-[\w-]+"  # Slack: bot, user, refresh, configuration
    r"|xapp-[\w-]+"
    r"|(?<=ticket=)[^&\s\"'\\]+"  # Slack's one-use socket address
    r"|(?<=hooks\.slack\.com/)[^\s\"'\\<>]+"  # a response_url lets anybody who has it answer
    r"|(?i:(?<=bearer )|(?<=basic ))[\w.~+/=|-]{8,}"
)

_IN_TOKENS = ("xox", "xapp-", "ticket=", "hooks.slack.com/", " ")
"""One of these stands in whatever `_TOKENS` finds, or right before it. Most values have none, and are not searched."""

_SENSITIVE_NAME = r"(?:password|passwd|secret|token|totp|api[_-]?key|authorization|cookie)"

_SENSITIVE_KEY = re.compile(rf"{_SENSITIVE_NAME}$", re.IGNORECASE)

_SENSITIVE_PAIR = re.compile(
    rf"""({_SENSITIVE_NAME}["']?\s*[:=]\s*)(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?!None\b|null\b)[^\s,;&}}\])"']+)""",
    re.IGNORECASE,
)

# What people type into forms may be a password. slack_sdk writes every message of the socket out at debug.
_TYPED = re.compile(r"^(Received message \(type: \w+), data: .*, extra: .*?, session: ", re.DOTALL)

# These tell every request or every tick; the facts that matter are told by Postroom itself.
_CHATTY = ("aiohttp.access", "apscheduler", "httpcore", "httpx", "uvicorn.access")

# These come with handlers of their own, or are given one by their library.
_WITH_HANDLERS = ("apscheduler", "slack_bolt", "slack_sdk", "uvicorn", "uvicorn.access", "uvicorn.error")

# These write out whole views and answers at debug, a credential among them: they never speak below info. Their level is
# set outright, since slack_sdk asks for a logger's own, and without one draws up the text just to throw it away.
_EAGER = (
    "slack_sdk.socket_mode.aiohttp",
    "slack_sdk.socket_mode.websockets",
    "slack_sdk.web.async_base_client",
    "slack_sdk.webhook.async_client",
)


def configure_logging(settings: LoggingSettings, stream: TextIO, secrets: Iterable[SecretStr] = ()) -> None:
    """Send everything that is logged in this process to `stream`, with `secrets` blotted out.

    Call it once, at the start of the process (again replaces what was configured before). Give uvicorn
    `log_config=None`, or it installs handlers of its own afterwards.
    """
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    on_terminal = stream.isatty()
    as_text = settings.format == "text" or (settings.format == "auto" and on_terminal)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    rendering = _text(colors=on_terminal and "NO_COLOR" not in os.environ) if as_text else _json()
    scrub = scrubber(secrets)
    handler = _Handler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _without_what_was_typed,
                partial(_scrub_event, scrub),
                *rendering,
                partial(_scrub_line, scrub),
            ],
        )
    )
    _take_over(handler, level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def scrubber(secrets: Iterable[SecretStr]) -> _Scrub:
    """A function that blots out `secrets`, and everything that looks like a token, of a text.

    A secret is also found as it looks inside JSON, inside a Python repr, and in an address. Secrets of fewer than 4
    characters are left alone.
    """
    shapes = {shape for secret in secrets for shape in _shapes(secret.get_secret_value())}
    known = re.compile("|".join(re.escape(shape) for shape in sorted(shapes, key=len, reverse=True)) or r"(?!)")
    shortest = min(map(len, shapes), default=0)

    def scrub(text: str) -> str:
        if len(text) >= shortest:
            text = known.sub(REDACTED, text)
        return _TOKENS.sub(REDACTED, text) if any(mark in text for mark in _IN_TOKENS) else text

    return scrub


def _shapes(secret: str) -> set[str]:
    if len(secret) < _SHORTEST_SECRET:
        return set()
    in_repr = repr(secret)[1:-1]
    plain = {secret, in_repr, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    in_json = {json.dumps(shape, ensure_ascii=ascii_only)[1:-1] for shape in plain for ascii_only in (True, False)}
    return plain | in_json


def _without_what_was_typed(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str) and value.startswith("Received message"):
            event[key] = _TYPED.sub(r"\1, session: ", value)
    return event


def _scrub_line(scrub: _Scrub, logger: WrappedLogger, method: str, line: str | EventDict) -> str:
    return scrub(str(line))


def _scrub_event(scrub: _Scrub, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    return {key: _scrub_value(scrub, key, value) for key, value in event.items()}


def _scrub_value(scrub: _Scrub, key: object, value: Any) -> Any:
    """Blot out known secrets, and by its name what nobody could know at the start: a password just made."""
    if isinstance(key, str) and _SENSITIVE_KEY.search(key) and value is not None:
        return REDACTED
    if isinstance(value, str):
        value = scrub(value)
        return _SENSITIVE_PAIR.sub(rf"\1{REDACTED}", value) if ":" in value or "=" in value else value
    if isinstance(value, Mapping):
        return {inner: _scrub_value(scrub, inner, item) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_scrub_value(scrub, None, item) for item in value]
    return value


def _json() -> list[Processor]:
    return [structlog.processors.JSONRenderer(default=str)]


def _text(*, colors: bool) -> list[Processor]:
    # Plain tracebacks: the decorated ones show local variables and break words with colour codes.
    renderer = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
    return [_on_one_line, renderer]


def _on_one_line(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Keep a foreign message from breaking the line, or from colouring the terminal."""
    event["event"] = re.sub(r"[\x00-\x1f\x7f]", lambda found: repr(found[0])[1:-1], str(event.get("event", "")))
    return event


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that configuring again finds it."""


def _take_over(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    for present in list(root.handlers):
        # basicConfig leaves a plain StreamHandler; a handler of any other class belongs to somebody (a test runner).
        if isinstance(present, _Handler) or type(present) is logging.StreamHandler:
            root.removeHandler(present)
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(True)
    for name in _WITH_HANDLERS:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    for name in _CHATTY:
        logging.getLogger(name).setLevel(level if level <= logging.DEBUG else max(level, logging.WARNING))
    for name in _EAGER:
        logging.getLogger(name).setLevel(max(level, logging.INFO))
