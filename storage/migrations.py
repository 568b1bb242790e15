"""How the tables came to be, one step after the other. A step that has been released is never edited: add another."""

from __future__ import annotations

from sqlite_utils import Database, Migrations


def migrations() -> Migrations:
    """All steps, in order; `apply(db)` runs those the database has not seen, each in a transaction."""
    steps = Migrations("postroom")

    @steps()
    def requests_votes_jobs_messages_audit(db: Database) -> None:
        for statement in _FIRST:
            db.execute(statement)

    @steps()
    def owed_messages_by_place(db: Database) -> None:
        for statement in _OWED_BY_PLACE:
            db.execute(statement)

    @steps()
    def requests_that_wait_for_their_time(db: Database) -> None:
        db.execute("ALTER TABLE requests ADD COLUMN not_before TEXT")

    return steps


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
