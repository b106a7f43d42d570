"""What was live: every generation, with its number. Numbers are one series over all channels."""

import json
from collections.abc import Iterable
from dataclasses import astuple, fields
from enum import IntEnum
from typing import Any

from .channel import DEFAULT
from .file import LedgerFile
from .generation import Generation

_COLUMNS = tuple(one.name for one in fields(Generation))
_NAMES = ", ".join(_COLUMNS)


class Missed(IntEnum):
    """How much a copy in the store would be missed, from little to much."""

    NOT = 0
    """Nothing needs it."""
    OLDER_CANDIDATE = 1
    """It waits behind a newer one of its channel; if its turn comes, it is fetched again."""
    REFUSED = 2
    """A generation that was rolled back from."""
    OLD = 3
    """A good generation with at least two newer ones."""
    TARGET = 4
    """What a rollback goes back to: one of the two newest good generations of a channel."""


Rank = tuple[Missed, float]
"""How much something is missed, and its age as a number that grows."""


def _ranked(where: str) -> str:
    """Return SQL for the digests of each channel's newest generations; it binds how many."""
    rank = "row_number() OVER (PARTITION BY channel ORDER BY number DESC) AS place"
    return f"SELECT digest FROM (SELECT digest, {rank} FROM generations WHERE {where}) WHERE place <= ?"


class Generations:
    """Generations by number. Every method is legal on any thread and raises LedgerDown."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def get(self, number: int) -> Generation | None:
        """Return one generation, or None if it never existed."""
        return next(iter(self._select("WHERE number = ?", number)), None)

    def newest(self, limit: int, channel: str = DEFAULT, *, good: bool = False) -> list[Generation]:
        """Return generations of a channel, newest first; with `good` only those that nobody rolled back from."""
        which = "AND refused = 0" if good else ""
        return self._select(f"WHERE channel = ? {which} ORDER BY number DESC LIMIT ?", channel, limit)

    def kept(self, keep: int, answering: Iterable[int]) -> set[str]:
        """Name the digests of each channel's newest generations, and newest good ones, and of those `answering`.

        The good ones apart, since bad ones may follow one another: the good generation to roll back to is then older
        than all of them. Nothing is kept of a channel that was removed.
        """
        there = f"channel = '{DEFAULT}' OR channel IN (SELECT name FROM channels)"
        with self._file.reading() as database:
            found = database.execute(f"{_ranked(there)} UNION {_ranked(f'({there}) AND refused = 0')}", (keep, keep))
            newest = {str(digest) for (digest,) in found}
        return newest | {one.digest for number in answering if (one := self.get(number)) is not None}

    def ranks(self, digests: Iterable[str]) -> dict[str, Rank]:
        """Say of each of these digests that was live how much it would be missed, and when it last went live.

        What only a channel had that was removed is not among them.
        """
        there = f"channel = '{DEFAULT}' OR channel IN (SELECT name FROM channels)"
        place = "row_number() OVER (PARTITION BY channel, refused ORDER BY number DESC)"
        ranked = f"SELECT digest, since, refused, {place} AS place FROM generations WHERE {there}"
        rank = f"CASE WHEN refused THEN {Missed.REFUSED} WHEN place > 2 THEN {Missed.OLD} ELSE {Missed.TARGET} END"
        where = "digest IN (SELECT value FROM json_each(?))"
        with self._file.reading() as database:
            found = database.execute(
                f"SELECT digest, {rank} AS rank, since FROM ({ranked}) WHERE {where} ORDER BY rank, since",
                (json.dumps(list(digests)),),
            )
            return {str(digest): (Missed(rank), float(since)) for digest, rank, since in found}

    def forget(self, channel: str) -> None:
        """Remove every generation of a channel."""
        with self._file.writing() as database:
            database.execute("DELETE FROM generations WHERE channel = ?", (channel,))

    def next_number(self) -> int:
        """Return the number of the next generation."""
        with self._file.reading() as database:
            return int(database.execute("SELECT coalesce(max(number), 0) + 1 FROM generations").fetchone()[0])

    def refuse(self, number: int) -> None:
        """Mark a generation that was rolled back from, so that nobody rolls back to it by default."""
        self._mark(number, refused=True)

    def accept(self, number: int) -> None:
        """Take the mark away: it went live after all."""
        self._mark(number, refused=False)

    def put(self, one: Generation) -> None:
        """Write a generation, or when one with this number went live again."""
        with self._file.writing() as database:
            database.execute(
                f"INSERT INTO generations ({_NAMES}) VALUES ({','.join('?' * len(_COLUMNS))})"
                " ON CONFLICT (number) DO UPDATE SET since = excluded.since",
                astuple(one),
            )

    def _mark(self, number: int, *, refused: bool) -> None:
        with self._file.writing() as database:
            database.execute("UPDATE generations SET refused = ? WHERE number = ?", (int(refused), number))

    def _select(self, tail: str, *values: Any) -> list[Generation]:
        with self._file.reading() as database:
            found = database.execute(f"SELECT {_NAMES} FROM generations {tail}", values)
            return [Generation(**dict(zip(_COLUMNS, one, strict=True))) for one in found]
