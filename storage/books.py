"""What has to be known inside a transaction before something is asked or decided: money, votes, what is open already.

Budgets are kept twice: a row for each request that counts (`reservations`), and the sum of each month
(`budget_months`), so that what a month has used up is one look. Both are changed together, or not at all.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from pydantic_core import from_json
from sqlite_utils import Database

from storage.moments import as_text, as_time, maybe_time
from storage.records import BudgetUse, Delegation, Json, Request, RequestState, Reservation, Verdict, Vote
from storage.rows import as_request, find_request

_UNITS = Decimal(1_000_000)
"""Amounts are stored as whole millionths: sums are exact, and the database can add them up."""
_MOST_PARAMETERS = 500
_IS_DOMAIN = "subjects.subject LIKE '%.%' AND subjects.subject NOT LIKE '%@%'"
OUT = "-"
"""Stands before the name of what was once part of a request."""


class Books:
    """The view that a transaction has of what concerns a request; only inside it is it true."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._votes: dict[tuple[str, str], list[Vote]] = {}
        self._handed: dict[str, list[Delegation]] = {}
        """What was asked for already: the same few are asked for again and again while one click is judged."""

    def use(self, budget: str, period: str) -> BudgetUse:
        """What a budget's month has reserved and spent so far."""
        return use_of(self._db, budget, period)

    def open_about(
        self, subjects: Iterable[str], *, account: str, command: str, spends: Collection[str], but: str
    ) -> dict[str, str]:
        """Which of `subjects` an unfinished request is about already in the same way: subject to request id.

        That is: the same command at the same account. If `spends`, commands that buy, are given, then any of them
        anywhere as well, as far as the subject is a domain: there is only one of it in the world. `but` is the request
        that is being looked at itself.
        """
        bought = list(spends)
        anywhere = f" OR (requests.command IN ({', '.join('?' * len(bought))}) AND {_IS_DOMAIN})" if bought else ""
        found: dict[str, str] = {}
        wanted = list(dict.fromkeys(one.lower() for one in subjects))
        for start in range(0, len(wanted), _MOST_PARAMETERS):
            some = wanted[start : start + _MOST_PARAMETERS]
            rows = self._db.execute(
                "SELECT subjects.subject, requests.id FROM subjects"  # noqa: S608 (only question marks)
                " JOIN requests ON requests.id = subjects.request_id"
                f" WHERE subjects.subject IN ({', '.join('?' * len(some))}) AND requests.id <> ?"
                f" AND (requests.account = ? AND requests.command = ?{anywhere}) AND requests.state IN"
                " ('awaiting_approval', 'approved', 'executing', 'working', 'unknown')",
                [*some, but, account, command, *bought],
            )
            found |= {str(row["subject"]): str(row["id"]) for row in rows}
        return found

    def turn(
        self, about: str, *, account: str, command: str, since: datetime, but: str
    ) -> tuple[datetime | None, list[Request]]:
        """Of the requests that take turns at `about`, as their subjects name it: when one was last sent, if after
        `since`, and those that are still to be sent, the oldest first. `but` is the one that is being looked at.

        What a provider refused has taken nobody's turn.
        """
        whose = (
            " WHERE subjects.subject = :about AND requests.account = :account AND requests.command = :command"
            " AND requests.id <> :but"
        )
        asked = {"about": about.lower(), "account": account, "command": command, "but": but, "since": as_text(since)}
        last = self._db.execute(
            "SELECT MAX(intents.at) AS at FROM subjects JOIN requests ON requests.id = subjects.request_id"  # noqa: S608
            f" JOIN intents ON intents.request_id = requests.id{whose}"
            " AND requests.state NOT IN ('approved', 'failed') AND intents.at > :since",
            asked,
        ).fetchone()["at"]
        waiting = self._db.execute(
            "SELECT requests.* FROM subjects JOIN requests ON requests.id = subjects.request_id"  # noqa: S608 (ours)
            f"{whose} AND requests.state = 'approved' ORDER BY requests.created_at",
            asked,
        )
        return maybe_time(last), [as_request(row) for row in waiting]

    def request(self, request_id: str) -> Request | None:
        """A request by its id."""
        return find_request(self._db, "SELECT * FROM requests WHERE id = ?", [request_id])

    def held(self, request_id: str) -> list[Reservation]:
        """What a request has reserved or spent of which budgets."""
        return reservations_of(self._db, request_id)

    def held_later(self, request_id: str, budget: str, period: str) -> Decimal:
        """What requests that were begun after this one have reserved or spent of a budget's month."""
        question = (
            "SELECT COALESCE(SUM(reservations.reserved + reservations.spent), 0) AS units FROM reservations"
            " JOIN requests ON requests.id = reservations.request_id WHERE budget = ? AND period = ?"
            " AND requests.rowid > (SELECT rowid FROM requests WHERE id = ?)"
        )
        row = self._db.execute(question, [budget, period, request_id]).fetchone()
        return int(row["units"]) / _UNITS

    def was_taken(self, request_id: str, click: str) -> bool:
        """Whether the audit has a decision about a request by this very click; an empty one never."""
        # JSON is read only where the name stands somewhere: that takes a tenth of the time.
        question = (
            "SELECT 1 FROM audit WHERE request_id = ? AND instr(detail, ?) AND json_extract(detail, '$.click') = ?"
        )
        parameters = [request_id, json.dumps(click), click]
        return click != "" and self._db.execute(question, parameters).fetchone() is not None

    def votes(self, request_id: str, fingerprint: str) -> list[Vote]:
        """The votes on exactly this content before this transaction, in the order in which they were cast."""
        asked = request_id, fingerprint
        if asked not in self._votes:
            self._votes[asked] = votes_on(self._db, request_id, fingerprint)
        return self._votes[asked]

    def lacking(self, request: Request) -> list[Json]:
        """What the last yes to a request was not enough for; empty where that is not known, or is not true any more."""
        return lacking(self._db, request, self.votes(request.id, request.fingerprint))

    def handed_to(self, delegate: str, now: datetime) -> list[Delegation]:
        """Whose approvals `delegate` has now."""
        if delegate not in self._handed:
            at = as_text(now)
            rows = self._db.execute(
                "SELECT * FROM delegations WHERE delegate = ? AND begins_at <= ? AND ends_at > ?", [delegate, at, at]
            )
            self._handed[delegate] = [delegation(row) for row in rows]
        return self._handed[delegate]


def use_of(db: Database, budget: str, period: str) -> BudgetUse:
    """What a budget's month has reserved and spent so far."""
    row = db.execute(
        "SELECT reserved, spent FROM budget_months WHERE budget = ? AND period = ?", [budget, period]
    ).fetchone()
    reserved, spent = (0, 0) if row is None else (int(row["reserved"]), int(row["spent"]))
    return BudgetUse(budget, period, reserved / _UNITS, spent / _UNITS)


def reservations_of(db: Database, request_id: str) -> list[Reservation]:
    """What a request has reserved or spent of which budgets."""
    rows = db.execute("SELECT * FROM reservations WHERE request_id = ? ORDER BY budget", [request_id])
    return [
        Reservation(
            str(row["budget"]),
            str(row["period"]),
            (int(row["reserved"]) + int(row["spent"])) / _UNITS,
            is_spent=bool(row["settled"]),
        )
        for row in rows
    ]


def reserve(db: Database, request_id: str, reservations: Sequence[Reservation]) -> None:
    """Reserve these amounts, and nothing else, for a request that is not settled."""
    release(db, request_id)
    for one in reservations:
        amount = units(one.amount)
        db.execute(
            "INSERT INTO reservations (request_id, budget, period, reserved, spent, settled) VALUES (?, ?, ?, ?, 0, 0)"
            " ON CONFLICT DO UPDATE SET reserved = excluded.reserved, settled = 0",  # an earlier attempt was spent late
            [request_id, one.budget, one.period, amount],
        )
        _add(db, one.budget, one.period, amount, 0)


def change_amount(db: Database, request_id: str, amount: Decimal) -> None:
    """A request reserves another amount than before, of the same budgets."""
    held = [one for one in reservations_of(db, request_id) if not one.is_spent]
    if held:
        reserve(db, request_id, [Reservation(one.budget, one.period, amount) for one in held])


def release(db: Database, request_id: str) -> None:
    """What was reserved and not spent is free again."""
    settle(db, request_id, Decimal(0))


def settle(db: Database, request_id: str, spent: Decimal | None) -> None:
    """A request has ended: `spent` of what it reserved was used up (None: all of it), the rest is free again."""
    where = "WHERE request_id = ? AND budget = ? AND period = ?"
    for row in db.execute("SELECT * FROM reservations WHERE request_id = ? AND settled = 0", [request_id]).fetchall():
        reserved = int(row["reserved"])
        used = reserved if spent is None else units(spent)
        _add(db, row["budget"], row["period"], -reserved, used)
        key = [request_id, row["budget"], row["period"]]
        if used or row["spent"]:
            db.execute(f"UPDATE reservations SET reserved = 0, spent = spent + ?, settled = 1 {where}", [used, *key])  # noqa: S608
        else:
            db.execute(f"DELETE FROM reservations {where}", key)  # noqa: S608 (ours)


def spend_late(db: Database, request_id: str, spent: Sequence[Reservation], *, besides: bool) -> None:
    """Something was bought after all: all that it cost, `spent`, is counted as far as that was not done before.

    `besides`: what the request has spent or reserved is for another attempt, and this comes on top.
    """
    held = {(str(row["budget"]), str(row["period"])): int(row["spent"]) for row in _rows_of(db, request_id)}
    amount = max((units(one.amount) for one in spent), default=0)
    for (budget, period), had in (held or {(one.budget, one.period): 0 for one in spent}).items():
        more = amount if besides else max(amount - had, 0)
        if more:
            db.execute(
                "INSERT INTO reservations (request_id, budget, period, reserved, spent, settled)"
                " VALUES (:id, :budget, :period, 0, :more, 1) ON CONFLICT DO UPDATE SET spent = spent + :more",
                {"id": request_id, "budget": budget, "period": period, "more": more},
            )
            _add(db, budget, period, 0, more)


def _rows_of(db: Database, request_id: str) -> list[sqlite3.Row]:
    return db.execute("SELECT * FROM reservations WHERE request_id = ?", [request_id]).fetchall()


def _add(db: Database, budget: str, period: str, reserved: int, spent: int) -> None:
    db.execute(
        "INSERT INTO budget_months (budget, period, reserved, spent) VALUES (:budget, :period, :reserved, :spent)"
        " ON CONFLICT (budget, period) DO UPDATE SET reserved = reserved + :reserved, spent = spent + :spent",
        {"budget": budget, "period": period, "reserved": reserved, "spent": spent},
    )


def units(amount: Decimal) -> int:
    """An amount in whole millionths."""
    return int((amount * _UNITS).to_integral_value(ROUND_HALF_UP))


def note_subjects(db: Database, request_id: str, subjects: Iterable[str]) -> None:
    """Remember what a request is about, so that it can be found by it. Of an address, its domain as well."""
    names = dict.fromkeys(one.lower() for one in subjects)
    names |= dict.fromkeys(f"@{one.rpartition('@')[2]}" for one in list(names) if "@" in one)
    rows = [(name, request_id) for name in names]
    for start in range(0, len(rows), _MOST_PARAMETERS):
        some = rows[start : start + _MOST_PARAMETERS]
        db.execute(
            f"INSERT OR IGNORE INTO subjects (subject, request_id) VALUES {', '.join(['(?, ?)'] * len(some))}",  # noqa: S608
            [value for row in some for value in row],
        )


def take_out(db: Database, request_id: str, names: Iterable[str]) -> None:
    """A request is no longer about these: anybody may ask for them, and it is still found by them."""
    for name in names:
        db.execute(
            "UPDATE subjects SET subject = ? WHERE request_id = ? AND subject = ?",
            [f"{OUT}{name.lower()}", request_id, name.lower()],
        )


def votes_on(db: Database, request_id: str, fingerprint: str) -> list[Vote]:
    """The votes on exactly this content, in the order in which they were cast."""
    rows = db.execute(
        "SELECT * FROM votes WHERE request_id = ? AND fingerprint = ? ORDER BY at, rowid", [request_id, fingerprint]
    )
    return [
        Vote(
            row["request_id"],
            row["voter"],
            Verdict(row["verdict"]),
            row["fingerprint"],
            as_time(row["at"]),
            row["reason"],
            row["principal"],
        )
        for row in rows
    ]


def lacking(db: Database, request: Request, votes: Sequence[Vote]) -> list[Json]:
    """See `Books.lacking`; `votes` are those on what is asked now."""
    if not votes or request.state is not RequestState.AWAITING:
        return []
    row = db.execute(
        "SELECT detail FROM audit WHERE request_id = ? AND what IN ('approved', 'ruled_anew')"
        " ORDER BY seq DESC LIMIT 1",
        [request.id],
    ).fetchone()
    told = {} if row is None else from_json(row["detail"])
    is_about_this = told.get("fingerprint_left", told.get("fingerprint")) == request.fingerprint
    return list(told.get("lacks") or ()) if is_about_this and told.get("given") == len(votes) else []


def take_votes(db: Database, request_id: str, voters: Iterable[str]) -> None:
    """The votes of these people on a request no longer count. That they were cast the audit keeps."""
    for voter in voters:
        db.execute("DELETE FROM votes WHERE request_id = ? AND voter = ?", [request_id, voter])


def delegation(row: sqlite3.Row) -> Delegation:
    """A row of the table as a record."""
    return Delegation(
        id=row["id"],
        principal=row["principal"],
        delegate=row["delegate"],
        channel=row["channel"],
        begins_at=as_time(row["begins_at"]),
        ends_at=as_time(row["ends_at"]),
    )
