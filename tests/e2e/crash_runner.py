"""The real bot, killed from within at a named moment of its life.

The program is `bot.cli run`, whole and unchanged. Around it, from outside, every commit of the writer thread, every
call of a provider, every call with which Slack is shown something, and every acknowledgement gets a name, such as
`before-commit-drafts.submit`, `after-call-buy-multiple` or `after-post-card`. The process notes each one it passes, and
at the one it was told to die at it sends itself SIGKILL.

Importing the house takes a second of CPU, so this file is a nursery: it imports everything once, and every bot is a
fork of it, a process of its own that has not run a line yet. For each connection to its socket it reads one line of
JSON (`environment`, `folder`, `log`), answers with the process id, and in the end with how the process ended. Who hangs
up, kills the bot; who closes the nursery's stdin, ends the nursery.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import inspect
import json
import os
import select
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

KILL_AT = "POSTROOM_CRASH_AT"
"""The name of the point to die at; unset in a life that is to go on."""
PASSED = "POSTROOM_CRASH_PASSED"
"""The file that every moment is appended to: a line with its point, or the several points of one commit."""
CARDS = "POSTROOM_CRASH_CARDS"
"""The channel of the cards, to tell a card from a parent."""
HURRY = "POSTROOM_CRASH_HURRY"
"""Seconds for what is built in: a message's lease, how long a listing may lag, and (a quarter) a message's retry."""

SLACK_TAKES = 60.0
"""Seconds that Slack may take, on a busy machine, to say who somebody is."""

NEW_LIFE = "== a new life"
"""The line in that file with which every process begins."""

_SHOWS = ("chat.", "views.", "conversations.open")
_ROUTINE = frozenset({"beats.ran", "runs.keep_lease"})
"""Changes that only time causes; nobody sees anything of them."""
_TELLS_NOTHING = frozenset(
    {
        "drafts.create", "outbox.sent", "outbox.postponed", "outbox.owe", "outbox.say", "facts.note",
        "waiting.rule_anew", "delegations.hand_over",
    }
)  # fmt: skip
"""Changes that return nothing and yet are one; of the others, None says that nothing was changed."""


class Points:
    """Every moment at which this process could die, by name; the second one of a name is `name#2`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._kill_at = environment.get(KILL_AT, "")
        self._file = os.open(environment[PASSED], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._seen: Counter[str] = Counter()
        self._turn = threading.Lock()
        os.write(self._file, f"{NEW_LIFE}\n".encode())

    def passes(self, *names: str) -> None:
        """Note what happens at this very moment; and die here if this is the place."""
        if not names:
            return
        with self._turn:
            numbered = [self._numbered(name) for name in names]
            os.write(self._file, f"{' '.join(numbered)}\n".encode())
            if self._kill_at in numbered:
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()  # the signal is on its way: not one more line of ours may run

    def _numbered(self, name: str) -> str:
        self._seen[name] += 1
        return name if self._seen[name] == 1 else f"{name}#{self._seen[name]}"


def wrap_commits(points: Points) -> None:
    """Before and after every COMMIT that changes something, named after the rooms of the store and their methods."""
    from storage import sqlite  # noqa: PLC0415 - nothing of the house is imported before the nursery says so

    done: list[str] = []
    write, connect = sqlite.SqliteDatabase.write, sqlite._connect

    def noted(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(db: Any) -> Any:
            value = change(db)
            done.extend(_change_names(change, value))
            return value

        return run

    async def noting_write(self: Any, change: Callable[[Any], Any]) -> Any:
        return await write(self, noted(change))

    def noting_connect(path: Any) -> Any:
        database = connect(path)
        execute = database.execute

        def noting_execute(sql: str, *parameters: Any) -> Any:
            if sql == "BEGIN IMMEDIATE":
                done.clear()
            if sql != "COMMIT":
                return execute(sql, *parameters)
            points.passes(*(f"before-commit-{name}" for name in done))
            answer = execute(sql, *parameters)
            points.passes(*(f"after-commit-{name}" for name in done))
            return answer

        database.execute = noting_execute
        return database

    sqlite.SqliteDatabase.write = noting_write  # type: ignore[method-assign]
    sqlite._connect = noting_connect


def _change_names(change: Callable[[Any], Any], value: Any) -> list[str]:
    """`drafts.submit`, or for the outbox `claim-card`, `sent-note-asked`; nothing for what changed nothing."""
    name = change.__qualname__.split(".<locals>")[0].lower()
    if name in _ROUTINE or value == [] or (value is None and name not in _TELLS_NOTHING):
        return []
    if name == "facts.note_next" and not value:
        return []
    if name in ("facts.note", "facts.note_next"):
        return [f"fact-{inspect.getclosurevars(change).nonlocals['fact'].what}"]
    if name == "outbox.claim":
        return [f"claim-{_role(owed.message)}" for owed in value]
    if name == "jobs.claim_due":
        return [f"claim-{job.kind}" for job, _ in value]
    if name in ("outbox.sent", "outbox.postponed"):
        return [f"{name.removeprefix('outbox.')}-{_role(inspect.getclosurevars(change).nonlocals['message'])}"]
    return [name]


def _role(message: Any) -> str:
    again = "-again" if message.ts else ""
    return f"note-{message.body['fact']}" if message.kind == "note" else f"{message.kind}{again}"


def wrap_calls(points: Points) -> None:
    """Before a provider is asked, and after its answer has arrived."""
    from providers.http import Transport  # noqa: PLC0415

    call = Transport.call

    async def noting_call(self: Any, method: str, path: str, **arguments: Any) -> Any:
        name = "status" if "/status/" in path else path.rpartition("/")[2]
        points.passes(f"before-call-{name}")
        try:
            return await call(self, method, path, **arguments)
        finally:
            points.passes(f"after-call-{name}")

    Transport.call = noting_call  # type: ignore[method-assign]


def wrap_slack(points: Points) -> None:
    """Before and after everything that shows somebody something, and after every acknowledgement."""
    from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient  # noqa: PLC0415
    from slack_sdk.web.async_client import AsyncWebClient  # noqa: PLC0415
    from slack_sdk.webhook.async_client import AsyncWebhookClient  # noqa: PLC0415

    api_call, send = AsyncWebClient.api_call, AsyncWebhookClient.send
    acknowledge = AsyncBaseSocketModeClient.send_socket_mode_response

    async def noting_api_call(self: Any, api_method: str, **arguments: Any) -> Any:
        if not api_method.startswith(_SHOWS):
            return await api_call(self, api_method, **arguments)
        name = _shown_name(api_method, arguments.get("json") or arguments.get("params") or {})
        return await _around(points, name, lambda: api_call(self, api_method, **arguments))

    async def noting_send(self: Any, **arguments: Any) -> Any:
        return await _around(points, "answer", lambda: send(self, **arguments))

    async def noting_acknowledge(self: Any, response: Any) -> None:
        await acknowledge(self, response)
        payload = response.payload or {}
        points.passes(f"after-ack-{payload.get('response_action', 'bare')}")

    AsyncWebClient.api_call = noting_api_call  # type: ignore[method-assign]
    AsyncWebhookClient.send = noting_send  # type: ignore[method-assign]
    AsyncBaseSocketModeClient.send_socket_mode_response = noting_acknowledge  # type: ignore[method-assign]


async def _around(points: Points, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
    points.passes(f"before-{name}")
    try:
        return await work()
    finally:
        points.passes(f"after-{name}")


def _shown_name(method: str, arguments: Mapping[str, Any]) -> str:
    """`post-card`, `post-parent`, `post-note`, `update-card`, `views.open` …"""
    if method not in ("chat.postMessage", "chat.update"):
        return method
    verb = method.removeprefix("chat.").removesuffix("Message")
    if arguments.get("thread_ts"):
        return f"{verb}-note"
    return f"{verb}-card" if arguments.get("channel") == os.environ[CARDS] else f"{verb}-parent"


def hurry(seconds: float) -> None:
    """Shorten what no setting shortens, so that a test need not sit out a minute after a death."""
    from handlers.slack import delivery  # noqa: PLC0415
    from providers.mailin.actions import BuyDomains  # noqa: PLC0415

    buying: Any = sys.modules[BuyDomains.__module__]
    assert isinstance(buying.LISTING_LAG, timedelta)
    assert isinstance(delivery.LEASE, timedelta)
    assert isinstance(delivery.FIRST_RETRY, float)
    delivery.LEASE = timedelta(seconds=seconds)
    delivery.FIRST_RETRY = seconds / 4
    buying.LISTING_LAG = timedelta(seconds=seconds)


def run(environment: Mapping[str, str]) -> None:
    """One life of the bot, in this process."""
    from bot.cli import main  # noqa: PLC0415

    if environment.get(PASSED):
        points = Points(environment)
        wrap_commits(points)
        wrap_calls(points)
        wrap_slack(points)
        from handlers.slack import people  # noqa: PLC0415

        assert isinstance(people.PATIENCE, float)
        people.PATIENCE = SLACK_TAKES
    if environment.get(HURRY):
        hurry(float(environment[HURRY]))
    sys.argv = ["postroom", "run"]
    main()


# The nursery.

_LOADED_LATE = (
    "apscheduler.executors.asyncio",
    "apscheduler.triggers.date",
    "apscheduler.triggers.interval",
    "certifi",
    "encodings.idna",
    "pydantic.dataclasses",
    "slack_bolt.listener_matcher.async_builtins",
    "uvicorn.lifespan.off",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
    *(["uvloop"] if importlib.util.find_spec("uvloop") else []),
)
"""What is imported only when a bot starts."""


def serve(path: str) -> None:
    """Bring up a bot for every connection, until stdin is closed."""
    from pydantic import BaseModel  # noqa: PLC0415

    import bot.app  # noqa: PLC0415
    import bot.cli  # noqa: PLC0415
    import bot.logs  # noqa: F401, PLC0415
    from providers.catalogue import registered  # noqa: PLC0415

    registered()  # the providers are imported when they are asked for: half of what a start costs
    _build_models(BaseModel)
    for loaded_late in _LOADED_LATE:
        importlib.import_module(loaded_late)
    inspect.stack()  # Bolt looks at it at its start: half of what a start costs is finding every module's file
    gc.freeze()  # so that no fork copies pages only because rubbish was looked for
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the wardens
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(64)
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        line, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            try:
                _watch_over(line)
            finally:
                os._exit(0)
        line.close()


def _build_models(kind: Any) -> None:
    """What checks the values of a model is otherwise made when the first one comes, in each life anew."""
    for model in kind.__subclasses__():
        model.model_rebuild()
        _build_models(model)


def _watch_over(line: socket.socket) -> None:
    """The warden of one bot: tells who asked for it how it ended, and ends it when they have gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asked = json.loads(line.makefile().readline())
    ended, alive = os.pipe()
    child = os.fork()
    if child == 0:
        line.close()
        os.close(ended)
        _live(asked)
    os.close(alive)
    line.sendall(f"{child}\n".encode())
    gone, _, _ = select.select([line, ended], [], [])
    if line in gone:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):
        line.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _live(asked: Mapping[str, Any]) -> None:
    code = 1
    try:
        os.chdir(asked["folder"])
        log = os.open(asked["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.clear()
        os.environ.update(asked["environment"])
        run(os.environ)
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
