"""`postroom audit`: whether the audit is whole, and the audit to take away. Reads only, also while Postroom runs."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn, TextIO

import typer

from bot.settings import SettingsError, database_path
from storage.audit import COLUMNS, Cells, NotAnAudit, Verified, entries, opened, verify

BROKEN, NOT_DONE = 1, 2
"""Exit codes: the audit is not whole; nothing was looked at, for the reason that was said."""


class Format(StrEnum):
    """What an export looks like."""

    CSV = "csv"
    JSONL = "jsonl"


def audit_commands() -> typer.Typer:
    """`verify` and `export`, for the command line."""
    commands = typer.Typer(no_args_is_help=True)
    commands.command("verify", help="See whether anything in the audit was changed, taken out or put in.")(_verify)
    commands.command("export", help="Write the audit as CSV or JSON lines, to the terminal or to a file.")(_export)
    return commands


def harmless(cell: str) -> str:
    """The cell such that no spreadsheet takes it for a formula, whatever stands before its first visible sign.

    What was altered begins with an apostrophe; so that it can be taken off again, what began with one has one more.
    """
    if cell[:1].isalnum():  # as nearly all begin
        return cell
    first = next((letter for letter in cell if letter.isprintable() and not letter.isspace()), "")
    return f"'{cell}" if (first and first in _FORMULA) or cell[:1] in ("'", "\t", "\r", "\n") else cell


_FORMULA = "=+-@＝＋－＠"  # spreadsheets take the wide ones for the same


def _verify(
    expect_head: Annotated[
        str,
        typer.Option(
            metavar="HASH", help="A head that was kept elsewhere: everything up to it must be as it was then."
        ),
    ] = "",
) -> None:
    expected = expect_head.strip().lower()
    if expected and not re.fullmatch("[0-9a-f]{64}", expected):
        not_done("--expect-head takes a whole hash: 64 digits and letters from a to f, as verify shows it.")
    with database() as connection:
        found = verify(connection, expected or None)
    if not isinstance(found, Verified):
        typer.echo(f"The audit is not whole. {found.said}")
        if found.whole:
            typer.echo(f"Whole before that: entries 1 to {found.whole}. What comes after it proves nothing.")
        typer.echo("Nothing was changed. Keep the file as it is, and compare it with a backup or an export.")
        raise typer.Exit(BROKEN)
    if not found.entries:
        typer.echo("The audit is whole. It has no entries yet.")
        return
    span = f"from {_readable(found.since)} to {_readable(found.until)}"
    typer.echo(f"The audit is whole: {_counted(found.entries)}, {span}.")
    typer.echo(f"Its head, the hash of the last entry, is {found.head}")
    if found.expected_at is None:
        typer.echo("Keep it elsewhere: --expect-head with it proves later that everything up to it is as it is now.")
        return
    since_then = found.entries - found.expected_at
    typer.echo(
        f"The head that was kept is that of entry {found.expected_at}: everything up to it is as it was then. "
        + (f"{_counted(since_then)} came after it." if since_then else "Nothing came after it.")
    )


def _export(
    format: Annotated[Format, typer.Option(help="Cells for a spreadsheet, or an object a line.")] = Format.CSV,  # noqa: A002
    since: Annotated[
        str, typer.Option(metavar="TIME", help="From this day (2026-11-01) or moment (2026-11-01T09:30Z) on, in UTC.")
    ] = "",
    until: Annotated[
        str, typer.Option(metavar="TIME", help="To the end of this day, or before this moment, in UTC.")
    ] = "",
    output: Annotated[Path | None, typer.Option(help="A new file. Without it, the terminal.")] = None,
) -> None:
    begins = moment_said(since, "--since")
    ends = moment_said(until, "--until", end_of_day=True)
    if begins and ends and ends <= begins:
        not_done("--until is before --since, so nothing was exported.")
    write = _write_csv if format is Format.CSV else _write_jsonl
    with database() as connection:
        found = entries(connection, begins, ends)
        if output is None:
            with _terminal() as out:
                write(found, out)
        else:
            count = _write_file(output, lambda out: write(found, out))
            typer.echo(f"Wrote {_counted(count)} to {output}.", err=True)


def _write_csv(found: Iterable[Cells], out: TextIO) -> int:
    """All cells in quotes: a semicolon or a tab inside begins no new one, whatever the spreadsheet splits at."""
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    count = 0
    for cells in found:
        writer.writerow([harmless(str(cell)) for cell in cells])
        count += 1
    return count


def _write_jsonl(found: Iterable[Cells], out: TextIO) -> int:
    count = 0
    for cells in found:
        entry = dict(zip(COLUMNS, cells, strict=True))
        with contextlib.suppress(ValueError, TypeError):  # what is not JSON was not written by Postroom: shown as it is
            entry["detail"] = json.loads(str(entry["detail"]))
        out.write(json.dumps(entry, ensure_ascii=False, default=repr) + "\n")
        count += 1
    return count


def _write_file(path: Path, write: Callable[[TextIO], int]) -> int:
    """A new file with all of it, or none."""
    try:
        out = path.open("x", encoding="utf-8", errors=_ESCAPED, newline="")
    except FileExistsError:
        not_done(f"{path} is there already and was left as it is. Nothing was exported. Name a new file.")
    except OSError as error:
        not_done(f"{path} cannot be made: {error.strerror}. Nothing was exported.")
    try:
        with out:
            return write(out)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            not_done(f"{path} could not be written to the end ({error.strerror}) and was removed again.")
        raise


_ESCAPED = "backslashreplace"
"""Half a letter, which only a damaged or tampered text has, is written as its escape."""


@contextlib.contextmanager
def _terminal() -> Iterator[TextIO]:
    """Standard output as UTF-8, whatever the terminal's own: the bytes are those that a file would have."""
    out = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", errors=_ESCAPED, newline="")
    try:
        yield out
    finally:
        with contextlib.suppress(ValueError):
            out.detach()  # or it would close the standard output


@contextlib.contextmanager
def database() -> Iterator[sqlite3.Connection]:
    """The database, opened for reading; ends the command with a sentence when it cannot be read."""
    try:
        path = database_path(os.environ)
    except SettingsError as error:
        not_done("\n".join(error.problems))
    if not path.is_file():
        not_done(f"There is no database at {path}. Say in POSTROOM_DATABASE where it is.")
    try:
        with opened(path) as connection:
            yield connection
    except NotAnAudit as error:
        not_done(f"{path} was not read. {error}")
    except sqlite3.Error as error:
        not_done(f"{path} could not be read to the end: {error}. Nothing is proven, and nothing was changed.")


def moment_said(written: str, option: str, *, end_of_day: bool = False) -> datetime | None:
    """The day or moment that was given with an option, in UTC; None for nothing. What is neither ends the command."""
    text = written.strip()
    if not text:
        return None
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            day = date.fromisoformat(text) + timedelta(days=1 if end_of_day else 0)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        not_done(
            f"{option} takes a day such as 2026-11-01, or a moment such as 2026-11-01T09:30Z. It was not understood."
        )


def _readable(at: str) -> str:
    """To the second. What stands there is as the file has it, so it may not steer the terminal."""
    shown = at[:19].replace("T", " ")
    return f"{shown if shown.isprintable() else ascii(shown)} UTC"


def _counted(entries: int) -> str:
    return "1 entry" if entries == 1 else f"{entries:,} entries"


def not_done(sentence: str) -> NoReturn:
    """End the command: nothing was looked at, for this reason."""
    typer.echo(sentence, err=True)
    raise typer.Exit(NOT_DONE)
