"""The ledger: the durable record of every state change.

Every method is legal on any thread. It raises LedgerDown if the disk refuses, and then nothing has changed.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .actions import Actions
from .attempts import Attempts
from .bases import Bases
from .channels import Channels
from .file import LedgerDown, LedgerFile, NewerLedger, OnChange
from .flags import Flags
from .generation import Generation
from .generations import Generations
from .journal import Journal
from .new_row import facts_of, find_of, new_row
from .questions import NAMES, OPEN_STATES, Rows
from .reasons import Reason
from .rows import COLUMNS, Find, Row, of_columns, to_columns
from .states import ENDS, State, require

__all__ = ["Ledger", "LedgerDown", "NewerLedger", "Overtaken"]


@dataclass(frozen=True, slots=True)
class Left:
    """What becomes of what was live: it retires, or it is rolled back from.

    `supersedes` if it gives way to a newer adapter: older candidates have then had their time. A rollback to a
    generation says nothing about the candidates.
    """

    state: State
    reason: str = ""
    detail: str = ""
    supersedes: bool = False


RETIRES = Left(State.RETIRED, supersedes=True)


class Overtaken(Exception):
    """Another thread has moved this row meanwhile: read it again. Nothing was changed."""


class Ledger:
    """Everything that changes rows, and parts for the rest: questions, generations, attempts, flags, actions, bases."""

    def __init__(self, path: Path, on_change: OnChange = lambda _: None, journal: Journal | None = None) -> None:
        """Open or make the file; see `LedgerFile` for one that cannot be used. Raises NewerLedger.

        `on_change` gets rows after each durable change of state, on the thread that made it; `journal` every change.
        """
        self._file = LedgerFile(path, on_change, journal)
        self.rows = Rows(self._file)
        self.generations = Generations(self._file)
        self.attempts = Attempts(self._file)
        self.flags = Flags(self._file)
        self.actions = Actions(self._file)
        self.channels = Channels(self._file)
        self.bases = Bases(self._file)

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self._file.path

    @property
    def was_lost(self) -> bool:
        """Whether a file that could not be read was moved aside, so that this one is new."""
        return self._file.was_lost

    @property
    def trouble(self) -> str:
        """Why the ledger cannot be used, or was not written last, here or elsewhere; empty when all is well."""
        return self._file.trouble or self._file.journal.trouble

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        self._file.close()

    def add(self, finds: Iterable[Find], **fields: Any) -> list[Row]:
        """Write new rows in the order given, in one transaction."""
        now = time.time()
        with self._file.writing() as database:
            first = self._next_seq(database)
            rows = [new_row(find, first + index, now, fields) for index, find in enumerate(finds)]
            marks = ",".join("?" * len(COLUMNS))
            database.executemany(f"INSERT INTO swaps ({NAMES}) VALUES ({marks})", map(to_columns, rows))
            for row in rows:
                if row.state == State.SUPERSEDED and row.digest:
                    self._set_place(database, row, row.digest)
            self.channels.make({row.channel for row in rows if row.state != State.IGNORED})
            self._note(database, rows, now)
        return rows

    def move(self, row: Row, state: State, reason: str = "", detail: str = "", **fields: Any) -> Row:
        """Bring a row into another state, and set further fields. Raises IllegalTransition or Overtaken."""
        require(row.state, state)
        now = time.time()
        fields = {"next_try": None, "finished": now if state in ENDS else None} | fields
        changed = replace(row, state=state, reason=reason, detail=detail, **fields)
        with self._file.writing() as database:
            self._update(database, changed, row)
            self._note(database, [changed], now)
        return changed

    def fetched(self, row: Row, digest: str, seconds: float, together: str = "") -> Row:
        """Record that an adapter is in the store, which bytes are now at its address, and of which set it is."""
        with self._file.writing() as database:
            self._set_place(database, row, digest)
            took = {"fetch": seconds}
            return self.move(row, State.FETCHED, digest=digest, seconds=took, tries=0, together=together)

    def unchanged(self, row: Row, digest: str, seconds: float, detail: str) -> Row:
        """End a row whose bytes were already seen at its address."""
        with self._file.writing() as database:
            self._set_place(database, row, digest)
            return self.move(row, State.SUPERSEDED, Reason.UNCHANGED, detail, digest=digest, seconds={"fetch": seconds})

    def renamed(self, row: Row, digest: str, seconds: float, detail: str) -> Row:
        """End a row whose very files were known at another address."""
        with self._file.writing() as database:
            self._set_place(database, row, digest)
            return self.move(row, State.SUPERSEDED, Reason.RENAMED, detail, digest=digest, seconds={"fetch": seconds})

    def identify(self, source: str, files: Iterable[tuple[str, str, str]]) -> None:
        """Note the identity of files in rows that an older version wrote; `files` are identity, uri and revision."""
        where = "identity = '' AND source = ? AND uri = ? AND revision = ?"
        values = [(identity, source, uri, revision) for identity, uri, revision in files]
        with self._file.writing() as database:
            database.executemany(f"UPDATE swaps SET identity = ? WHERE {where}", values)

    def resight(self, row: Row, find: Find) -> Row:
        """Give a row that is not fetched yet the revision now at its address, as the newest sighting."""
        if row.state != find.state:
            require(row.state, find.state)
        now = time.time()
        changed = replace(row, revision=find.revision, stamp=find.stamp, tries=0, next_try=None)
        changed = replace(changed, identity=find.identity, channel=find.channel)
        with self._file.writing() as database:
            changed = replace(changed, seq=self._next_seq(database), state=find.state)
            changed = replace(changed, reason=find.reason, detail=find.detail)
            self._update(database, changed, row)
            told = (row.state, row.reason) != (changed.state, changed.reason)
            if find.state != State.IGNORED:
                self.channels.make([find.channel])
            self._note(database, [changed] if told else [], now)
            return changed

    def move_all(self, before: State, after: State, reason: str, detail: str, where: str, *values: Any) -> list[Row]:
        """Bring every matching row of one state into another at once; `where` is SQL that binds `values`."""
        require(before, after)
        with self._file.writing() as database:
            condition = f"state = '{before.value}' AND ({where})"
            return self._move_all(database, after, reason, detail, condition, values)

    @contextlib.contextmanager
    def going_live(self, row: Row, generation: Generation, left: Left = RETIRES) -> Iterator[None]:
        """Record that a verified row goes live and what becomes of the previous one; older candidates are superseded.

        The body makes the pointer durable. Everything is undone if the body or the commit raises.
        """
        require(row.state, State.LIVE)
        with self._file.writing() as database:
            live = "channel = ? AND state = 'LIVE'"
            self._move_all(database, left.state, left.reason, left.detail, live, (row.channel,))
            if left.supersedes:
                self._pass_older(database, row, f"generation {generation.number} is newer")
                self._raise_water(row)
            self._set_live(database, row, generation)
            self.bases.note(generation.number)
            yield

    def adopt(self, generation: Generation, source: str) -> Row:
        """Record what the pointer says is live, whatever this file says: the process may have died between the two.

        If a candidate went live that way, older candidates are superseded, as they would have been.
        """
        with self._file.writing() as database:
            others = "channel = ? AND state = 'LIVE' AND swap_id <> ?"
            self._move_all(database, State.RETIRED, "", "", others, (generation.channel, generation.swap_id))
            found = self.rows.find(generation.swap_id)
            if found and found.state == State.VERIFIED:
                self._pass_older(database, found, f"generation {generation.number} is newer")
                self._raise_water(found)
            row = found or self.add([find_of(generation, source)], **facts_of(generation))[0]
            if row.state != State.LIVE:
                self._set_live(database, row, generation)
            else:
                self.generations.put(generation)
            return self.rows.get(row.swap_id)

    def recover(self) -> None:
        """Bring back to FETCHED what an earlier process was trying, so that it is tried again."""
        for state in (State.ADMITTED, State.STAGED, State.VERIFIED):
            self.move_all(state, State.FETCHED, Reason.RESTARTED, "the daemon ended while it was under way", "1")

    def reopen(self, fingerprint: Callable[[str], str]) -> list[Row]:
        """Open what another contract or policy refused, if it is still at its address and newer than what is live.

        `fingerprint` gives that of a channel.
        """
        last = "seq = (SELECT max(seq) FROM swaps AS s WHERE s.uri = swaps.uri AND s.channel = swaps.channel)"
        where = f"channel = ? AND fingerprint <> ? AND {last} AND seq > ?"
        why = "contract or policy have changed since it was refused"
        rows: list[Row] = []
        with self._file.writing() as database:
            for (name,) in database.execute("SELECT DISTINCT channel FROM swaps WHERE state = 'REJECTED'").fetchall():
                values = name, fingerprint(name), self.flags.get("high_water", 0, channel=name)
                rows += self.move_all(State.REJECTED, State.SIGHTED, Reason.REOPENED, why, where, *values)
            database.executemany("UPDATE swaps SET forced = 1 WHERE swap_id = ?", [(row.swap_id,) for row in rows])
        return rows

    def pass_by(self, row: Row, reason: str, detail: str) -> None:
        """End a row because its bytes are live already, and everything older with it."""
        with self._file.writing() as database:
            self._pass_older(database, row, "what is live was sighted again later")
            self._raise_water(row)
            self.move(row, State.SUPERSEDED, reason, detail)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of everything the body does; undo it if the body raises."""
        with self._file.writing():
            yield

    def amend(self, row: Row, **fields: Any) -> Row:
        """Set fields other than the state, without an event."""
        changed = replace(row, **fields)
        with self._file.writing() as database:
            self._update(database, changed, row)
        return changed

    def reserve(self, row: Row, generation: Generation) -> Row:
        """Record the number under which a candidate answers before it is live; it is not rolled back to by default."""
        with self._file.writing():
            self.generations.put(generation)
            self.generations.refuse(generation.number)
            self.bases.note(generation.number)
            return self.amend(row, generation=generation.number)

    def _next_seq(self, database: sqlite3.Connection) -> int:
        return int(database.execute("SELECT coalesce(max(seq), 0) + 1 FROM swaps").fetchone()[0])

    def _set_live(self, database: sqlite3.Connection, row: Row, generation: Generation) -> None:
        now = time.time()
        live = replace(row, state=State.LIVE, generation=generation.number, reason="", detail="", finished=now)
        self._update(database, live, row)
        self._note(database, [live], now)
        self.generations.put(generation)
        if row.state == State.VERIFIED and row.generation is not None:  # it had its number as a canary
            self.generations.accept(generation.number)

    def _pass_older(self, database: sqlite3.Connection, than: Row, why: str) -> None:
        older = f"channel = ? AND state IN ({OPEN_STATES}) AND seq < ?"
        self._move_all(database, State.SUPERSEDED, Reason.NEWER_LIVE, why, older, (than.channel, than.seq))

    def _raise_water(self, row: Row) -> None:
        water = int(self.flags.get("high_water", 0, channel=row.channel))
        self.flags.set("high_water", max(row.seq, water), channel=row.channel)

    def _set_place(self, database: sqlite3.Connection, row: Row, digest: str) -> None:
        place = row.channel, row.uri, row.source, digest
        database.execute("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?)", place)

    def _move_all(
        self, database: sqlite3.Connection, state: State, reason: str, detail: str, where: str, values: Sequence[Any]
    ) -> list[Row]:
        now = time.time()
        settings = (state.value, reason, detail, now if state in ENDS else None)
        changed = database.execute(
            "UPDATE swaps SET state = ?, reason = ?, detail = ?, finished = ?, next_try = NULL"
            f" WHERE {where} RETURNING {NAMES}",
            (*settings, *values),
        )
        rows = [of_columns(found) for found in changed.fetchall()]
        self._note(database, rows, now)
        return rows

    def _update(self, database: sqlite3.Connection, row: Row, before: Row) -> None:
        sets = ", ".join(f"{name} = ?" for name in COLUMNS)
        same = "swap_id = ? AND state = ? AND revision = ? AND uri = ?"
        values = (*to_columns(row), before.swap_id, before.state.value, before.revision, before.uri)
        if database.execute(f"UPDATE swaps SET {sets} WHERE {same}", values).rowcount != 1:
            raise Overtaken(f"{before.swap_id} is no longer {before.state}")

    def _note(self, database: sqlite3.Connection, rows: Sequence[Row], now: float) -> None:
        self._file.tell(rows)
        database.executemany(
            "INSERT INTO events (at, swap_id, state, reason, detail) VALUES (?, ?, ?, ?, ?)",
            [(now, row.swap_id, row.state.value, row.reason, row.detail) for row in rows],
        )
