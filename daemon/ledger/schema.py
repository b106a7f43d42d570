"""The ledger's tables, and how its file is opened, checked and set aside."""

import sqlite3
import time
from pathlib import Path

VERSION = 6
LOCK_WAIT = 5.0
"""Seconds that a call waits while another program, such as a backup, has the file locked."""
_CACHE_KIB = 256
"""How much of the file SQLite may cache; its default of 2 MiB looks like a leak while a young ledger grows into it."""
_SCHEMA = """
CREATE TABLE swaps (
    swap_id TEXT PRIMARY KEY, seq INTEGER NOT NULL UNIQUE, source TEXT NOT NULL, uri TEXT NOT NULL,
    revision TEXT NOT NULL, stamp REAL NOT NULL, state TEXT NOT NULL, sighted REAL NOT NULL,
    digest TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', detail TEXT NOT NULL DEFAULT '',
    generation INTEGER, fingerprint TEXT NOT NULL DEFAULT '', forced INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0, next_try REAL, finished REAL, seconds TEXT NOT NULL DEFAULT '{}',
    verify TEXT NOT NULL DEFAULT '[]', identity TEXT NOT NULL DEFAULT '', channel TEXT NOT NULL DEFAULT 'default',
    together TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX swaps_by_channel ON swaps (channel, state, seq);
CREATE INDEX swaps_by_newest ON swaps (channel, seq);
CREATE INDEX swaps_by_state ON swaps (state, seq);
CREATE INDEX swaps_by_uri ON swaps (uri, seq);
CREATE INDEX swaps_by_digest ON swaps (digest) WHERE digest <> '';
CREATE INDEX swaps_by_revision ON swaps (revision);
CREATE INDEX swaps_by_identity ON swaps (identity) WHERE identity <> '';
CREATE TABLE events (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, swap_id TEXT NOT NULL, state TEXT NOT NULL,
    reason TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_swap ON events (swap_id);
CREATE TABLE places (
    channel TEXT NOT NULL, uri TEXT NOT NULL, source TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (channel, uri)
) STRICT;
CREATE TABLE generations (
    number INTEGER PRIMARY KEY, uri TEXT NOT NULL, revision TEXT NOT NULL, digest TEXT NOT NULL, since REAL NOT NULL,
    swap_id TEXT NOT NULL, stamp REAL NOT NULL, refused INTEGER NOT NULL DEFAULT 0,
    channel TEXT NOT NULL DEFAULT 'default'
) STRICT;
CREATE INDEX generations_by_channel ON generations (channel, number);
CREATE TABLE bases (number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL) STRICT;
CREATE TABLE attempts (
    channel TEXT NOT NULL, digest TEXT NOT NULL, kind TEXT NOT NULL, stage TEXT NOT NULL, under_way INTEGER NOT NULL,
    deaths INTEGER NOT NULL, PRIMARY KEY (channel, digest, kind)
) STRICT;
CREATE TABLE flags (
    channel TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (channel, name)
) STRICT;
CREATE TABLE channels (name TEXT PRIMARY KEY, since REAL NOT NULL) STRICT;
CREATE TABLE actions (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, action TEXT NOT NULL, argument TEXT NOT NULL, result TEXT NOT NULL,
    pid INTEGER, uid INTEGER, gid INTEGER
) STRICT;
"""
_STEPS = {
    1: "ALTER TABLE swaps ADD COLUMN verify TEXT NOT NULL DEFAULT '[]';",
    2: """
        ALTER TABLE swaps ADD COLUMN identity TEXT NOT NULL DEFAULT '';
        CREATE INDEX swaps_by_revision ON swaps (revision);
        CREATE INDEX swaps_by_identity ON swaps (identity) WHERE identity <> '';
    """,
    3: """
        ALTER TABLE swaps ADD COLUMN channel TEXT NOT NULL DEFAULT 'default';
        CREATE INDEX swaps_by_channel ON swaps (channel, state, seq);
        CREATE INDEX swaps_by_newest ON swaps (channel, seq);
        ALTER TABLE generations ADD COLUMN channel TEXT NOT NULL DEFAULT 'default';
        CREATE INDEX generations_by_channel ON generations (channel, number);
        ALTER TABLE places RENAME TO places_before;
        CREATE TABLE places (
            channel TEXT NOT NULL, uri TEXT NOT NULL, source TEXT NOT NULL, digest TEXT NOT NULL,
            PRIMARY KEY (channel, uri)
        ) STRICT;
        INSERT INTO places SELECT 'default', uri, source, digest FROM places_before;
        DROP TABLE places_before;
        ALTER TABLE attempts RENAME TO attempts_before;
        CREATE TABLE attempts (
            channel TEXT NOT NULL, digest TEXT NOT NULL, kind TEXT NOT NULL, stage TEXT NOT NULL,
            under_way INTEGER NOT NULL, deaths INTEGER NOT NULL, PRIMARY KEY (channel, digest, kind)
        ) STRICT;
        INSERT INTO attempts SELECT 'default', digest, kind, stage, under_way, deaths FROM attempts_before;
        DROP TABLE attempts_before;
        ALTER TABLE flags RENAME TO flags_before;
        CREATE TABLE flags (
            channel TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (channel, name)
        ) STRICT;
        INSERT INTO flags SELECT 'default', name, value FROM flags_before;
        DROP TABLE flags_before;
        CREATE TABLE channels (name TEXT PRIMARY KEY, since REAL NOT NULL) STRICT;
    """,
    4: "CREATE TABLE bases (number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL) STRICT;",
    5: "ALTER TABLE swaps ADD COLUMN together TEXT NOT NULL DEFAULT '';",
}
"""The statements that bring a ledger of this version to the next one."""


class Newer(sqlite3.OperationalError):
    """A newer version of this program has written the file, which stays where it is. The text says which."""


class Foreign(Exception):
    """This version cannot read the file as a ledger. The text says why."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the ledger, made if new, and checked. Raises Foreign, Newer, or sqlite3.Error if the disk refuses.

    Never write-ahead logging: SQLite before 3.51.3 can lose a commit when two connections checkpoint together.
    """
    database = sqlite3.connect(path, timeout=LOCK_WAIT, isolation_level=None, check_same_thread=False)
    try:
        _prepare(database)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection) -> None:
    try:
        verdict = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        version = database.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise  # locked, read-only, no space: the file itself may be fine
        raise Foreign(str(error)) from None
    if verdict != "ok":
        raise Foreign(str(verdict))
    if version > VERSION:
        raise Newer(f"it has version {version}, and this program reads versions up to {VERSION}")
    if version < 0:
        raise Foreign(f"it has version {version}")
    database.execute("PRAGMA journal_mode=TRUNCATE")
    database.execute("PRAGMA synchronous=FULL")
    database.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    if version == 0:
        _make(database)
    for step in range(version or VERSION, VERSION):
        database.executescript(f"BEGIN; {_STEPS[step]} PRAGMA user_version={step + 1}; COMMIT;")


def _make(database: sqlite3.Connection) -> None:
    if database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise Foreign("it is a database of another program")
    database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={VERSION}; COMMIT;")


def set_aside(path: Path) -> Path:
    """Move an unreadable ledger and its journal aside, and return its new path."""
    away = path.with_name(f"{path.name}.unreadable-{time.time_ns()}")
    path.rename(away)
    journal = path.with_name(f"{path.name}-journal")
    if journal.exists():
        journal.rename(away.with_name(f"{away.name}-journal"))
    return away
