"""What can be asked of the ledger's rows."""

import json
from collections.abc import Collection
from typing import Any

from hotswapd.loaders.together import load_members

from .channel import DEFAULT
from .file import LedgerFile
from .reasons import BY_ITS_OWN_REQUESTS, Reason
from .rows import COLUMNS, Row, of_columns
from .states import IN_STORE, OPEN, PRESENT, REFUSED, State
from .turn import TURN_NAMES, Turn, turn_of

NAMES = ", ".join(COLUMNS)
OPEN_STATES = ", ".join(f"'{state.value}'" for state in sorted(OPEN))
_PRESENT = ", ".join(f"'{state.value}'" for state in sorted(PRESENT))
_FETCHABLE = "(state = 'SIGHTED' OR (state = 'WAITING' AND tries > 0))"
_STORED = ", ".join(f"'{state.value}'" for state in sorted(IN_STORE))
_UNDER_WAY = ", ".join(f"'{state.value}'" for state in sorted(IN_STORE - {State.FETCHED, State.HELD}))
_REFUSED = ", ".join(f"'{state.value}'" for state in sorted(REFUSED))
_LIVED = "'LIVE', 'RETIRED', 'ROLLED_BACK'"


class Rows:
    """Questions that change nothing. Every method is legal on any thread and raises LedgerDown."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def get(self, swap_id: str) -> Row:
        """Return one row. Raises KeyError."""
        row = self.find(swap_id)
        if row is None:
            raise KeyError(swap_id)
        return row

    def find(self, swap_id: str) -> Row | None:
        """Return one row, or None if there is none."""
        return next(iter(self._select("WHERE swap_id = ?", swap_id)), None)

    def history(self, limit: int, channel: str | None = None) -> list[Row]:
        """Return rows, newest first: of one channel, or of all."""
        if channel is None:
            return self._select("ORDER BY seq DESC LIMIT ?", limit)
        return self._select("WHERE channel = ? ORDER BY seq DESC LIMIT ?", channel, limit)

    def latest(self, uri: str, channel: str = DEFAULT) -> Row | None:
        """Return a channel's newest row of an address, or None if it never saw anything there."""
        return next(iter(self._select("WHERE uri = ? AND channel = ? ORDER BY seq DESC LIMIT 1", uri, channel)), None)

    def place(self, uri: str, channel: str = DEFAULT) -> str:
        """Return the digest that a channel last saw at an address, or an empty string."""
        with self._file.reading() as database:
            found = database.execute(
                "SELECT digest FROM places WHERE channel = ? AND uri = ?", (channel, uri)
            ).fetchone()
        return str(found[0]) if found else ""

    def sighted(self, live: Row, but: str) -> Row | None:
        """Return the newest row in which a source other than `but` saw for the same channel what this row is of."""
        tail = "WHERE uri = ? AND revision = ? AND channel = ? AND source <> ? ORDER BY seq DESC LIMIT 1"
        return next(iter(self._select(tail, live.uri, live.revision, live.channel, but)), None)

    def known(self, source: str, uris: Collection[str] | None = None) -> dict[str, tuple[str, str]]:
        """Map addresses of a source, all or only these, to channel and revision last seen; not those that are GONE."""
        these = "" if uris is None else "AND uri IN (SELECT value FROM json_each(?))"
        values = (source,) if uris is None else (source, json.dumps(sorted(uris)))
        with self._file.reading() as database:
            found = database.execute(
                f"SELECT uri, channel, revision, state, max(seq) FROM swaps WHERE source = ? {these} GROUP BY uri",
                values,
            ).fetchall()
        return {uri: (channel, revision) for uri, channel, revision, state, _ in found if state != State.GONE}

    def live(self, channel: str = DEFAULT) -> Row | None:
        """Return the row that a channel has live, or None if it never had one."""
        return next(iter(self._select("WHERE channel = ? AND state = 'LIVE'", channel)), None)

    def open(self, channel: str | None = None, limit: int = 16) -> list[Row]:
        """Return what may still go live, newest first: of one channel, or of all."""
        if channel is None:
            return self._select(f"WHERE state IN ({OPEN_STATES}) ORDER BY seq DESC LIMIT ?", limit)
        return self._select(f"WHERE state IN ({OPEN_STATES}) AND channel = ? ORDER BY seq DESC LIMIT ?", channel, limit)

    def fetchable(self, source: str, each: int = 16) -> list[Turn]:
        """Return what may be fetched from a source, newest first, of each channel so many; retries, due or not."""
        return self._turns(f"{_FETCHABLE} AND source = ?", each, source)

    def stored(self, each: int = 16) -> list[Turn]:
        """Return what is in the store without a verdict, newest first, of each channel so many."""
        return self._turns(f"state IN ({_STORED})", each)

    def refusals(self, limit: int) -> list[Row]:
        """Return what was refused, newest first."""
        return self._select(f"WHERE state IN ({_REFUSED}) ORDER BY seq DESC LIMIT ?", limit)

    def lives(self, limit: int) -> list[tuple[Row, float]]:
        """Return what went live and when, in seconds since the epoch, newest first; `limit` bounds the rows read."""
        rows = self._select(f"WHERE state IN ({_LIVED}) AND generation IS NOT NULL ORDER BY seq DESC LIMIT ?", limit)
        by_id = {row.swap_id: row for row in rows}
        marks = ",".join("?" * len(by_id))
        with self._file.reading() as database:
            found = database.execute(
                f"SELECT swap_id, at FROM events WHERE state = 'LIVE' AND swap_id IN ({marks}) ORDER BY id DESC",
                tuple(by_id),
            ).fetchall()
        return [(by_id[swap_id], float(at)) for swap_id, at in found]

    def unfetched(self, source: str) -> dict[str, Row]:
        """Map each address of a source to its row that is not fetched yet, or is ignored, if it has one."""
        where = f"WHERE state IN ({_PRESENT}) AND source = ? ORDER BY seq"
        return {row.uri: row for row in self._select(where, source)}

    def ignored(self, channel: str | None = None, limit: int = 16) -> list[Row]:
        """Return what is complete and never taken where it lies, newest first: of one channel, or of all."""
        return self._select(
            "WHERE state = 'IGNORED' AND channel = coalesce(?, channel) ORDER BY seq DESC LIMIT ?", channel, limit
        )

    def moved(self, revisions: Collection[str]) -> dict[tuple[str, str], Row]:
        """Map channel and revision of local files to the newest row in which they were sighted, at whatever address.

        Not what vanished before it was fetched, nor what is still to be fetched: nobody has looked at its bytes yet.
        """
        known = f"state NOT IN ({_PRESENT}, 'GONE') AND uri LIKE 'file:%'"
        where = f"WHERE revision IN (SELECT value FROM json_each(?)) AND {known} ORDER BY seq"
        return {(row.channel, row.revision): row for row in self._select(where, json.dumps(sorted(revisions)))}

    def same_files(self, identity: str, digest: str, channel: str = DEFAULT) -> Row | None:
        """Return a channel's newest row in which the files of this identity had these bytes, or None."""
        where = "WHERE identity = ? AND identity <> '' AND digest = ? AND channel = ? ORDER BY seq DESC LIMIT 1"
        return next(iter(self._select(where, identity, digest, channel)), None)

    def members(self, together: str) -> dict[tuple[str, str], Turn]:
        """Map channel and digest to the newest row of each that came as a member of this set."""
        digests = json.dumps(sorted(set(load_members(together).values())))
        where = "digest IN (SELECT value FROM json_each(?)) AND together = ? ORDER BY seq"
        with self._file.reading() as database:
            found = database.execute(f"SELECT digest, {TURN_NAMES} FROM swaps WHERE {where}", (digests, together))
            return {(turn.channel, digest): turn for digest, *rest in found for turn in [turn_of(*rest)]}

    def open_count(self) -> int:
        """Count what may still go live."""
        with self._file.reading() as database:
            return int(database.execute(f"SELECT count(*) FROM swaps WHERE state IN ({OPEN_STATES})").fetchone()[0])

    def in_store(self, each: int = 16) -> set[str]:
        """Return the digests that what is live and the newest open rows of each source and channel need.

        Candidates may come for weeks while the queue is paused or pinned: an older one is fetched again if it is tried.
        """
        rank = "row_number() OVER (PARTITION BY source, channel ORDER BY seq DESC)"
        newest = f"SELECT digest, {rank} AS place FROM swaps WHERE state IN ({OPEN_STATES}) AND digest <> ''"
        with self._file.reading() as database:
            found = database.execute(
                f"SELECT digest FROM ({newest}) WHERE place <= ? UNION SELECT digest FROM swaps WHERE state = 'LIVE'",
                (each,),
            )
            return {str(digest) for (digest,) in found}

    def needed(self) -> set[str]:
        """Return the digests of what is live, of what is being tried, and of the newest candidate of each channel."""
        newest = f"SELECT digest, max(seq) FROM swaps WHERE state IN ({_STORED}) GROUP BY channel"
        with self._file.reading() as database:
            found = database.execute(
                f"SELECT digest FROM ({newest}) UNION SELECT digest FROM swaps WHERE state IN ({_UNDER_WAY}, 'LIVE')"
            )
            return {str(digest) for (digest,) in found}

    def waiting(self) -> dict[str, int]:
        """Map the digests of candidates in the store that wait for their turn to their place in the order."""
        with self._file.reading() as database:
            found = database.execute(
                "SELECT digest, max(seq) FROM swaps WHERE state IN ('FETCHED', 'HELD') GROUP BY digest"
            )
            return {str(digest): int(seq) for digest, seq in found}

    def verdict(self, digest: str, fingerprint: str, channel: str = DEFAULT) -> Row | None:
        """Return the row in which these bytes were refused in a channel under its policy, or quarantined.

        Not one that was refused because another member of its set was.

        Also the row in which they were rolled back automatically because of their own requests, unless they were live
        since.
        """
        later = "s.digest = swaps.digest AND s.channel = swaps.channel AND s.seq > swaps.seq"
        since = f"SELECT 1 FROM swaps AS s WHERE {later} AND s.generation NOT NULL"
        by_itself = f"reason IN ({','.join('?' * len(BY_ITS_OWN_REQUESTS))})"
        watched = f"state = 'ROLLED_BACK' AND {by_itself} AND NOT EXISTS ({since})"
        rejected = f"state = 'REJECTED' AND fingerprint = ? AND reason <> '{Reason.SET_REFUSED}'"
        refused = f"({rejected}) OR state = 'QUARANTINED' OR ({watched})"
        values = (digest, channel, fingerprint, *sorted(BY_ITS_OWN_REQUESTS))
        where = f"WHERE digest = ? AND channel = ? AND ({refused}) ORDER BY seq DESC"
        return next(iter(self._select(where, *values)), None)

    def _turns(self, where: str, each: int, *values: Any) -> list[Turn]:
        if each == 1:  # there may be thousands of channels: this takes half the time of the general way
            newest = TURN_NAMES.replace("seq", "max(seq) AS seq")
            grouped = f"SELECT {newest} FROM swaps WHERE {where} GROUP BY channel ORDER BY seq DESC"
            with self._file.reading() as database:
                return [turn_of(*found) for found in database.execute(grouped, values)]
        rank = "row_number() OVER (PARTITION BY channel ORDER BY seq DESC) AS place"
        ranked = f"SELECT {TURN_NAMES}, {rank} FROM swaps WHERE {where}"
        tail = f"SELECT {TURN_NAMES} FROM ({ranked}) WHERE place <= ? ORDER BY seq DESC"
        with self._file.reading() as database:
            return [turn_of(*found) for found in database.execute(tail, (*values, each))]

    def _select(self, tail: str, *values: Any) -> list[Row]:
        with self._file.reading() as database:
            return [of_columns(found) for found in database.execute(f"SELECT {NAMES} FROM swaps {tail}", values)]
