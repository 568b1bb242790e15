"""The command line: `postroom demo`, `run`, `doctor`, `audit`, `policy`, `--version`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from typing import Annotated, NoReturn

import typer

from bot.audit import audit_commands
from bot.memory import loading
from bot.policy import policy_commands
from bot.settings import Settings, SettingsError, load_settings
from providers.accounts import AccountSettings, PriceList
from providers.catalogue import account_types, built_in, open_account

HELP = "Postroom: ask for e-mail infrastructure in Slack, approve it, and it is bought once."


def _cli() -> typer.Typer:
    cli = typer.Typer(help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    cli.callback()(_common)
    cli.command("demo", help="Play the whole story in a local workspace, without any account.")(_demo)
    cli.command("run", help="Run the bot with the settings in postroom.toml.")(_run)
    cli.command("doctor", help="Check settings, tokens, channels, accounts and database; say how to mend what fails.")(
        _doctor
    )
    cli.add_typer(audit_commands(), name="audit", help="See whether the audit is whole, and take it away.")
    cli.add_typer(policy_commands(), name="policy", help="Say who decides what, and try a changed file on the past.")
    return cli


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 (a start has no use for it)

        typer.echo(f"postroom {version('postroom')}")
        raise typer.Exit


def _common(
    version: Annotated[
        # In a callback of its own: what stands here runs only when a command is named as well.
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_say_version)
    ] = False,
) -> None:
    pass


def _run() -> None:
    with loading():
        from bot.app import CannotStart, SystemClock, run  # noqa: PLC0415 (doctor and --version start without it)
        from bot.logs import configure_logging  # noqa: PLC0415
        from providers.catalogue import registered  # noqa: PLC0415

        settings = _settings()
        configure_logging(settings.logging, sys.stderr, settings.secrets())
        registered()  # they are imported when they are asked for

    async def until_stopped() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):  # Windows has no such thing; Ctrl-C still ends it there
                loop.add_signal_handler(name, stopping.set)
        await run(settings, stopping, clock=SystemClock())

    try:
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(until_stopped())
    except CannotStart as error:
        _fail(str(error))
    except KeyboardInterrupt:
        pass


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, which takes half as long over each request; asyncio's own where there is none, as on Windows."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    return uvloop.new_event_loop


def _doctor() -> None:
    from rich.console import Console  # noqa: PLC0415

    from bot.app import SystemClock  # noqa: PLC0415
    from bot.doctor import VerifiesCredentials, diagnose, print_report  # noqa: PLC0415
    from bot.logs import configure_logging  # noqa: PLC0415

    @contextlib.asynccontextmanager
    async def opened(name: str, its: AccountSettings) -> AsyncIterator[VerifiesCredentials]:
        account = open_account(name, its, PriceList(), SystemClock())
        try:
            yield account.client
        finally:
            await account.client.aclose()

    settings: Settings | SettingsError
    try:
        settings = load_settings(os.environ, account_types=account_types(), commands=built_in().commands())
        quiet = settings.logging.model_copy(update={"level": "error"})  # the report says it in words
        configure_logging(quiet, sys.stderr, settings.secrets())
    except SettingsError as error:
        settings = error
    checks = asyncio.run(diagnose(settings, opened))
    print_report(checks, Console())
    raise typer.Exit(0 if all(check.ok for check in checks) else 1)


def _demo(
    page: Annotated[bool, typer.Option("--page", help="Go straight to the page and click for yourself.")] = False,
    port: Annotated[int, typer.Option(help="Where the page is served.", min=0, max=65535)] = 8065,
) -> None:
    from bot.sandbox.demo import demo  # noqa: PLC0415

    raise typer.Exit(demo(page=page, port=port))


def _settings() -> Settings:
    try:
        settings = load_settings(os.environ, account_types=account_types(), commands=built_in().commands())
    except SettingsError as error:
        _fail(
            "Postroom did not start, because its settings have mistakes:\n"
            + "\n".join(f"  - {problem}" for problem in error.problems)
        )
    for warning in settings.warnings:
        typer.echo(f"Note: {warning}", err=True)
    return settings


def _fail(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)


def main() -> None:
    """The `postroom` command."""
    _cli()()


if __name__ == "__main__":
    main()
