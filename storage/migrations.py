"""How the tables came to be, one step after the other. A step that has been released is never edited: add another."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlite_utils import Database, Migrations

from storage.audit import BEFORE_THE_FIRST, entry_hash


def migrations() -> Migrations:
    """All steps, in order; `apply(db)` runs those the database has not seen, each in a transaction."""
    steps = Migrations("postroom")

    def step(name: str, statements: Iterable[str], *, afterwards: Callable[[Database], None] | None = None) -> None:
        @steps(name=name)
        def run(db: Database) -> None:
            for statement in statements:
                db.execute(statement)
            if afterwards is not None:
                afterwards(db)

    step("requests_votes_jobs_messages_audit", _FIRST)
    step("owed_messages_by_place", _OWED_BY_PLACE)
    step("requests_that_wait_for_their_time", ["ALTER TABLE requests ADD COLUMN not_before TEXT"])
    step("rulings_votes_of_several_and_budgets", _RULINGS)
    step("audit_entries_with_the_hash_of_the_one_before", _CHAINED_TABLES, afterwards=_chain)
    step("jobs_due_by_account_and_how_long_they_take", _JOBS_BY_ACCOUNT)
    step("digests_of_channels", _DIGESTS)
    step("drafts_are_forgotten_without_looking_through_everything", _FORGETTING)
    step("what_waits_is_found_by_who_decides", _LISTS)
    step("what_was_bought_when", [_BOUGHT])
    step("requests_whose_channel_is_chosen_in_the_form", [_CHOOSES_CHANNEL])
    step("without_indexes_that_nobody_reads", _UNREAD)
    return steps


def _chain(db: Database) -> None:
    """What was in the audit before it was a chain gets its hashes; from then on nothing of it can be changed."""
    seq, prev = 0, BEFORE_THE_FIRST
    for seq, *cells in db.execute("SELECT seq, at, request_id, actor, what, detail FROM unchained ORDER BY seq"):
        own = entry_hash(prev, seq, *cells)
        db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [seq, *cells, prev, own])
        prev = own
    db.execute("INSERT INTO audit_head VALUES (1, ?, ?)", [seq, prev])
    for statement in _CHAINED_RULES:
        db.execute(statement)


_FIRST = (
    """
    CREATE TABLE requests (
        id TEXT PRIMARY KEY,
        team TEXT NOT NULL,
        requester TEXT NOT NULL,
        channel TEXT NOT NULL,
        command TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        state TEXT NOT NULL,
        provider TEXT NOT NULL,
        account TEXT NOT NULL,
        input TEXT NOT NULL,
        quote TEXT,
        reason TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        view_id TEXT NOT NULL,
        checking_since TEXT,
        decided_by TEXT NOT NULL,
        decided_at TEXT,
        decision_reason TEXT NOT NULL,
        outcome TEXT,
        asks_person INTEGER NOT NULL,
        lease_until TEXT
    )
    """,
    "CREATE INDEX requests_by_state ON requests (state, updated_at)",
    "CREATE INDEX requests_by_requester ON requests (requester, created_at)",
    """
    CREATE TABLE votes (
        request_id TEXT NOT NULL REFERENCES requests (id),
        voter TEXT NOT NULL,
        verdict TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        at TEXT NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (request_id, voter, fingerprint)
    )
    """,
    # The permanent unique key of every spend that was ever begun: a second one for the same request cannot be written.
    """
    CREATE TABLE intents (
        key TEXT PRIMARY KEY,
        request_id TEXT NOT NULL REFERENCES requests (id),
        account TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE jobs (
        request_id TEXT PRIMARY KEY REFERENCES requests (id),
        account TEXT NOT NULL,
        kind TEXT NOT NULL,
        ref TEXT NOT NULL,
        due_at TEXT NOT NULL,
        deadline_at TEXT NOT NULL,
        started_at TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        lease_until TEXT NOT NULL
    )
    """,
    "CREATE INDEX jobs_due ON jobs (due_at)",
    """
    CREATE TABLE messages (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        request_id TEXT NOT NULL REFERENCES requests (id),
        kind TEXT NOT NULL,
        lane TEXT NOT NULL,
        channel TEXT NOT NULL,
        body TEXT NOT NULL,
        wanted INTEGER NOT NULL,
        sent INTEGER NOT NULL,
        begun INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        due_at TEXT NOT NULL,
        lease_until TEXT NOT NULL,
        ts TEXT NOT NULL,
        posted_in TEXT NOT NULL
    )
    """,
    "CREATE INDEX messages_owed ON messages (lane, seq) WHERE sent < wanted",
    "CREATE INDEX messages_by_request ON messages (request_id, kind)",
    """
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        request_id TEXT NOT NULL,
        actor TEXT NOT NULL,
        what TEXT NOT NULL,
        detail TEXT NOT NULL
    )
    """,
    "CREATE INDEX audit_by_request ON audit (request_id, seq)",
    "CREATE TABLE beats (name TEXT PRIMARY KEY, at TEXT NOT NULL)",
)

# Where a message is, or will be: the outbox asks place by place, so that a full channel costs the others nothing.
_OWED_BY_PLACE = (
    """
    ALTER TABLE messages ADD COLUMN place TEXT
    GENERATED ALWAYS AS (COALESCE(NULLIF(posted_in, ''), channel)) VIRTUAL
    """,
    "CREATE INDEX messages_owed_by_place ON messages (place, seq) WHERE sent < wanted",
)

_RULINGS = (
    *(
        f"ALTER TABLE requests ADD COLUMN {column}"
        for column in (
            "stop_until TEXT",
            "ruling TEXT",
            "attempt INTEGER NOT NULL DEFAULT 1",
            "waiting_since TEXT",
            "attend_at TEXT",
            "announced INTEGER NOT NULL DEFAULT 0",
            "reminded INTEGER NOT NULL DEFAULT 0",
            "escalated INTEGER NOT NULL DEFAULT 0",
        )
    ),
    "CREATE INDEX requests_to_attend ON requests (attend_at) WHERE attend_at IS NOT NULL",
    "UPDATE requests SET waiting_since = updated_at WHERE state = 'awaiting_approval'",
    "ALTER TABLE votes ADD COLUMN principal TEXT NOT NULL DEFAULT ''",
    "UPDATE votes SET principal = voter",
    # Whose right it was counts once, whoever clicked.
    "CREATE UNIQUE INDEX votes_once_each ON votes (request_id, principal, fingerprint)",
    """
    CREATE TABLE delegations (
        id TEXT PRIMARY KEY,
        principal TEXT NOT NULL,
        delegate TEXT NOT NULL,
        channel TEXT NOT NULL,
        begins_at TEXT NOT NULL,
        ends_at TEXT NOT NULL
    )
    """,
    "CREATE INDEX delegations_by_delegate ON delegations (delegate, ends_at)",
    "CREATE INDEX delegations_by_end ON delegations (ends_at)",
    # Amounts are whole millionths of the budget's currency.
    """
    CREATE TABLE reservations (
        request_id TEXT NOT NULL REFERENCES requests (id),
        budget TEXT NOT NULL,
        period TEXT NOT NULL,
        reserved INTEGER NOT NULL,
        spent INTEGER NOT NULL,
        settled INTEGER NOT NULL,
        PRIMARY KEY (request_id, budget, period)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE budget_months (
        budget TEXT NOT NULL,
        period TEXT NOT NULL,
        reserved INTEGER NOT NULL,
        spent INTEGER NOT NULL,
        PRIMARY KEY (budget, period)
    ) WITHOUT ROWID
    """,
    # What a request is about, in small letters: domains, addresses; "@acme.com" where it is about an address there.
    """
    CREATE TABLE subjects (
        subject TEXT NOT NULL,
        request_id TEXT NOT NULL REFERENCES requests (id),
        PRIMARY KEY (subject, request_id)
    ) WITHOUT ROWID
    """,
)

_CHAINED_TABLES = (
    "ALTER TABLE audit RENAME TO unchained",
    """
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        request_id TEXT NOT NULL,
        actor TEXT NOT NULL,
        what TEXT NOT NULL,
        detail TEXT NOT NULL,
        prev TEXT NOT NULL,
        hash TEXT NOT NULL
    )
    """,
    "CREATE TABLE audit_head (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL)",
)
_CHAINED_RULES = (
    "DROP TABLE unchained",
    "CREATE INDEX audit_by_request ON audit (request_id, seq)",
    # What is about the house and no request is looked for by kind. The many others are not in it and cost nothing.
    "CREATE INDEX audit_of_the_house ON audit (what, seq) WHERE request_id = ''",
    "CREATE TRIGGER audit_as_it_is BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is not changed'); END",
    "CREATE TRIGGER audit_complete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'nothing leaves the audit'); END",
    # Also refuses INSERT OR REPLACE, which deletes without a word to the trigger above.
    """
    CREATE TRIGGER audit_at_its_end AFTER INSERT ON audit BEGIN
        UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash WHERE seq = NEW.seq - 1 AND hash = NEW.prev;
        SELECT RAISE(ABORT, 'the audit goes on after its last entry') WHERE changes() = 0;
    END
    """,
)

_JOBS_BY_ACCOUNT = (
    "ALTER TABLE jobs ADD COLUMN action TEXT NOT NULL DEFAULT ''",
    "UPDATE jobs SET action = (SELECT provider || '/' || command FROM requests WHERE id = jobs.request_id)",
    # A claimed job is due again when its lease is over.
    "UPDATE jobs SET due_at = lease_until WHERE lease_until > due_at",
    "DROP INDEX jobs_due",
    "CREATE INDEX jobs_due ON jobs (account, due_at)",
    """
    CREATE TABLE usual_times (
        action TEXT NOT NULL,
        account TEXT NOT NULL,
        seen INTEGER NOT NULL,
        mean REAL NOT NULL,
        spread REAL NOT NULL,
        PRIMARY KEY (action, account)
    ) WITHOUT ROWID
    """,
)

_DIGESTS = (
    """
    CREATE TABLE digests (
        channel TEXT PRIMARY KEY,
        at TEXT NOT NULL,
        time_zone TEXT NOT NULL,
        weekdays TEXT NOT NULL,
        sections TEXT NOT NULL,
        when_empty INTEGER NOT NULL,
        set_by TEXT NOT NULL,
        set_at TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    # At most one a channel and local date.
    """
    CREATE TABLE digests_sent (
        channel TEXT NOT NULL,
        local_date TEXT NOT NULL,
        id TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL,
        composed_at TEXT NOT NULL,
        claimed_at TEXT NOT NULL,
        due_at TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        begun INTEGER NOT NULL,
        ts TEXT NOT NULL,
        note TEXT NOT NULL,
        PRIMARY KEY (channel, local_date)
    )
    """,
    "CREATE INDEX digests_by_date ON digests_sent (local_date)",
    # What has ended is in here once and for good: a request that is on its way costs nothing.
    "CREATE INDEX requests_ended ON requests (channel, state, updated_at)"
    " WHERE state IN ('succeeded', 'failed', 'denied', 'expired', 'cancelled')",
)

# Before SQLite deletes a draft, it looks whether anything refers to it: in each of these, through all rows there are.
_FORGETTING = (
    "CREATE INDEX intents_by_request ON intents (request_id)",
    # Written with every request that is asked, so without an index more: a draft is in there never.
    """
    CREATE TABLE subjects_of_requests (
        subject TEXT NOT NULL,
        request_id TEXT NOT NULL,
        PRIMARY KEY (subject, request_id)
    ) WITHOUT ROWID
    """,
    "INSERT INTO subjects_of_requests SELECT subject, request_id FROM subjects",
    "DROP TABLE subjects",
    "ALTER TABLE subjects_of_requests RENAME TO subjects",
)

# What waits is found by who decides it, whatever else waits. Lists go along the rows themselves, which stand in the
# order in which they were begun: an index for that alone would cost every confirmation.
_LISTS = (
    # There already where the step was done under the name that it had at first.
    "CREATE INDEX IF NOT EXISTS requests_waiting_by_terms ON requests"
    " (CASE WHEN json_valid(ruling) THEN json_extract(ruling, '$.terms') END, escalated, created_at)"
    " WHERE state = 'awaiting_approval'",
)

_BOUGHT = "CREATE INDEX requests_bought ON requests (command, updated_at) WHERE state IN ('succeeded', 'failed')"

_CHOOSES_CHANNEL = "ALTER TABLE requests ADD COLUMN chooses_channel INTEGER NOT NULL DEFAULT 0"

# What waits for a decision was listed by these for a while: each confirmation would go on paying for them.
_UNREAD = ("DROP INDEX IF EXISTS requests_by_time", "DROP INDEX IF EXISTS requests_open")
