"""What the ledger keeps beside the rows: generations, flags, places, attempts and the operator's actions."""

import json
import sqlite3
import time
from collections.abc import Iterable
from typing import Any

import structlog

from .file import LedgerFile
from .generation import Generation
from .holds import HOLDS, keep_holds, kept_holds

log = structlog.get_logger(__name__)


class LedgerFacts(LedgerFile):
    """Facts that outlive the process. Every method is legal on any thread and raises LedgerDown."""

    _held_anew = False
    """Whether the transaction that is under way has set one of the holds."""

    def refuse_generation(self, number: int) -> None:
        """Mark a generation that was rolled back from, so that nobody rolls back to it by default."""
        with self._writing() as database:
            database.execute("UPDATE generations SET refused = 1 WHERE number = ?", (number,))

    def generation(self, number: int) -> Generation | None:
        """Return one generation, or None when there never was."""
        return next(iter(self._generations("WHERE number = ?", number)), None)

    def generations(self, limit: int, *, good: bool = False) -> list[Generation]:
        """Return generations, newest first; with `good` only those that nobody rolled back from."""
        return self._generations(f"{'WHERE refused = 0' if good else ''} ORDER BY number DESC LIMIT ?", limit)

    def kept(self, keep: int, answering: Iterable[int]) -> set[str]:
        """Name the digests of the newest generations, of the newest good ones, and of those that are `answering`.

        The good ones apart, since bad ones may come one after the other: what one goes back to is older than them all.
        """
        named = (self.generation(number) for number in answering)
        newest = (*self.generations(keep), *self.generations(keep, good=True), *named)
        return {one.digest for one in newest if one is not None}

    def next_generation(self) -> int:
        """Return the number of the generation to come."""
        with self._reading() as database:
            return int(database.execute("SELECT coalesce(max(number), 0) + 1 FROM generations").fetchone()[0])

    def place(self, uri: str) -> str:
        """Return the digest last seen at an address, or an empty string."""
        with self._reading() as database:
            found = database.execute("SELECT digest FROM places WHERE uri = ?", (uri,)).fetchone()
        return str(found[0]) if found else ""

    def flag(self, name: str, default: Any = None) -> Any:
        """Read a flag: ``pinned``, ``paused``, ``high_water``."""
        with self._reading() as database:
            return self._flag(database, name, default)

    def set_flag(self, name: str, value: Any) -> None:
        """Write a flag."""
        with self._writing() as database:
            self._set_flag(database, name, value)

    def begin_attempt(self, digest: str, kind: str, stage: str) -> None:
        """Write, before a risky step, that it is under way; a process that dies in it leaves this behind."""
        with self._writing() as database:
            database.execute(
                "INSERT INTO attempts VALUES (?, ?, ?, 1, 0)"
                " ON CONFLICT (digest, kind) DO UPDATE SET stage = excluded.stage, under_way = 1",
                (digest, kind, stage),
            )

    def end_attempt(self, digest: str, kind: str, *, forget: bool = False) -> None:
        """Write that the step is over; `forget` the deaths too, since it went well."""
        with self._writing() as database:
            deaths = "0" if forget else "deaths"
            database.execute(
                f"UPDATE attempts SET under_way = 0, deaths = {deaths} WHERE digest = ? AND kind = ?", (digest, kind)
            )

    def count_deaths(self) -> None:
        """Count every attempt that is still under way as a death of the process. Call once, at start."""
        with self._writing() as database:
            database.execute("UPDATE attempts SET under_way = 0, deaths = deaths + 1 WHERE under_way = 1")

    def deaths(self, digest: str, kind: str) -> tuple[int, str]:
        """Return how often the process died with these bytes since it last went well, and in which stage."""
        with self._reading() as database:
            found = database.execute(
                "SELECT deaths, stage FROM attempts WHERE digest = ? AND kind = ?", (digest, kind)
            ).fetchone()
        return (int(found[0]), str(found[1])) if found else (0, "")

    def note_action(self, action: str, argument: str, result: str, peer: tuple[int, int, int] | None) -> None:
        """Write what an operator asked for, what came of it, and who it was (pid, uid, gid)."""
        pid, uid, gid = peer or (None, None, None)
        with self._writing() as database:
            database.execute(
                "INSERT INTO actions (at, action, argument, result, pid, uid, gid) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (time.time(), action, argument, result, pid, uid, gid),
            )

    def actions(self, limit: int) -> list[dict[str, Any]]:
        """Return the operators' actions, newest first."""
        names = ("at", "action", "argument", "result", "pid", "uid", "gid")
        with self._reading() as database:
            found = database.execute(f"SELECT {', '.join(names)} FROM actions ORDER BY id DESC LIMIT ?", (limit,))
            return [dict(zip(names, one, strict=True)) for one in found]

    def _generations(self, tail: str, *values: Any) -> list[Generation]:
        with self._reading() as database:
            found = database.execute(
                f"SELECT number, uri, revision, digest, since, swap_id, stamp FROM generations {tail}", values
            )
            return [Generation(*one) for one in found]

    def _put_generation(self, database: sqlite3.Connection, one: Generation) -> None:
        values = (one.number, one.uri, one.revision, one.digest, one.since, one.swap_id, one.stamp)
        database.execute(
            "INSERT INTO generations (number, uri, revision, digest, since, swap_id, stamp)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET since = excluded.since",
            values,
        )

    def _flag(self, database: sqlite3.Connection, name: str, default: Any) -> Any:
        found = database.execute("SELECT value FROM flags WHERE name = ?", (name,)).fetchone()
        return json.loads(found[0]) if found else default

    def _set_flag(self, database: sqlite3.Connection, name: str, value: Any) -> None:
        self._held_anew |= name in HOLDS
        database.execute("INSERT OR REPLACE INTO flags VALUES (?, ?)", (name, json.dumps(value)))

    def _committed(self, database: sqlite3.Connection) -> None:
        """Keep the holds beside the ledger as well; what cannot be written there is in the ledger all the same."""
        if not self._held_anew:
            return
        self._held_anew = False
        try:
            keep_holds(self.path, {name: bool(self._flag(database, name, False)) for name in HOLDS})
        except (OSError, sqlite3.Error) as error:
            log.warning("holds_not_kept", detail=f"a pin or a pause would not outlive the ledger: {error}")

    def _begun(self, database: sqlite3.Connection) -> None:
        """Take over what was held when the ledger was lost."""
        for name, value in kept_holds(self.path).items():
            self._set_flag(database, name, value)
