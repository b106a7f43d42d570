"""Which rows of a ledger a transaction has changed, as values that another file can be brought to.

Rows are named by table and rowid. What they are said to be is what they are at the end: so the same changes may come
twice, and only the last of several counts.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

TABLES = ("swaps", "events", "places", "generations", "bases", "attempts", "flags", "channels", "actions")
OWN = ""
"""The channel of flags that are about this very file, and say nothing to another."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One row: its values by column, None if it is gone."""

    table: str
    row: int
    values: dict[str, Any] | None

    def record(self) -> list[Any]:
        """Return it as JSON has it."""
        return [self.table, self.row, self.values]

    @classmethod
    def of(cls, record: Any) -> "Changed":
        """Read what `record` returned. Raises ValueError for anything else."""
        match record:
            case [str(table), int(row), dict() | None as values] if table in TABLES:
                return cls(table, row, values)
        raise ValueError(f"{str(record)[:80]} is no change of a ledger")


def watch(database: sqlite3.Connection) -> None:
    """Note from now on which rows change on this connection."""
    database.execute("PRAGMA recursive_triggers=ON")  # else what REPLACE removes is not noted
    database.execute("PRAGMA temp_store=MEMORY")
    # Without a key: how a conflict in a trigger ends is for the statement outside to say, and an UPSERT says ABORT.
    script = "CREATE TEMP TABLE touched (name TEXT, row INTEGER);"
    for table in TABLES:
        for event, sides in (("INSERT", ("NEW",)), ("DELETE", ("OLD",)), ("UPDATE", ("NEW", "OLD"))):
            notes = "".join(f"INSERT INTO touched VALUES ('{table}', {side}.rowid);" for side in sides)
            script += f"CREATE TEMP TRIGGER {table}_{event} AFTER {event} ON main.{table} BEGIN {notes} END;"
    database.executescript(script)


def take(database: sqlite3.Connection) -> list[Changed]:
    """Return what has changed since the last call; within the transaction that changed it."""
    touched = database.execute("SELECT DISTINCT name, row FROM touched ORDER BY name, row").fetchall()
    database.execute("DELETE FROM touched")
    return [one for table, row in touched if (one := _now(database, table, row)) is not None]


def everything(database: sqlite3.Connection) -> list[Changed]:
    """Return all rows."""
    return list(_all(database))


def apply(database: sqlite3.Connection, changes: Iterable[Changed]) -> None:
    """Bring a file to these values. Raises sqlite3.Error."""
    for one in changes:
        if one.values is None:
            database.execute(f"DELETE FROM {one.table} WHERE rowid = ?", (one.row,))
            continue
        names = ("rowid", *one.values)
        marks = ",".join("?" * len(names))
        sql = f"INSERT OR REPLACE INTO {one.table} ({', '.join(names)}) VALUES ({marks})"
        database.execute(sql, (one.row, *one.values.values()))


def _all(database: sqlite3.Connection) -> Iterator[Changed]:
    for table in TABLES:
        found = database.execute(f"SELECT rowid AS _row, * FROM {table}")
        names = [column[0] for column in found.description][1:]
        for row, *values in found.fetchall():
            one = Changed(table, row, dict(zip(names, values, strict=True)))
            if not _is_own(one):
                yield one


def _now(database: sqlite3.Connection, table: str, row: int) -> Changed | None:
    """Return what a row is now; None if it is about this file alone."""
    found = database.execute(f"SELECT * FROM {table} WHERE rowid = ?", (row,))
    names = [column[0] for column in found.description]
    values = found.fetchone()
    one = Changed(table, row, None if values is None else dict(zip(names, values, strict=True)))
    return None if _is_own(one) else one


def _is_own(one: Changed) -> bool:
    return one.table == "flags" and one.values is not None and one.values["channel"] == OWN
