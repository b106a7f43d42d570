"""A row of the ledger: the way of one adapter from its sighting to its end."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from hotswapd.daemon.answers import HistoryRow, QueueEntry, VerdictRecord

from .channel import DEFAULT
from .moment import moment
from .states import State


@dataclass(frozen=True, slots=True)
class Row:
    """One swap. `seq` orders sightings, `stamp` is the time of the source, `seconds` go by stage, `verify` by gate,
    `identity` is that of the files that were sighted. `channel` is the served name that it is for, `together` the set
    that it is a member of, as `loaders.together` writes it; empty if of none.

    The operator asked for `forced` rows: neither known bytes nor an earlier verdict end them. `sighted`, `finished` and
    `next_try` are seconds since the epoch.
    """

    swap_id: str
    seq: int
    source: str
    uri: str
    revision: str
    stamp: float
    state: State
    sighted: float
    digest: str = ""
    reason: str = ""
    detail: str = ""
    generation: int | None = None
    fingerprint: str = ""
    forced: bool = False
    tries: int = 0
    next_try: float | None = None
    finished: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    verify: tuple[VerdictRecord, ...] = ()
    identity: str = ""
    channel: str = DEFAULT
    together: str = ""

    def history(self) -> HistoryRow:
        """Describe it for ``GET /history``."""
        return {
            "swap_id": self.swap_id,
            "channel": self.channel,
            "uri": self.uri,
            "revision": self.revision,
            "digest": self.digest or None,
            "state": self.state.value,
            "reason": self.reason or None,
            "detail": self.detail or None,
            "generation": self.generation,
            "sighted": moment(self.sighted),
            "finished": moment(self.finished),
            "seconds": {
                "fetch": self.seconds.get("fetch"),
                "admit": self.seconds.get("admit"),
                "stage": self.seconds.get("stage"),
                "verify": self.seconds.get("verify"),
                "pause": self.seconds.get("pause"),
            },
            "verify": list(self.verify),
        }

    def queued(self) -> QueueEntry:
        """Describe it for the queue of ``GET /status``."""
        return {
            "swap_id": self.swap_id,
            "channel": self.channel,
            "uri": self.uri,
            "revision": self.revision,
            "state": self.state.value,
            "reason": self.reason or None,
            "detail": self.detail or None,
            "next_try": moment(self.next_try),
        }


COLUMNS = tuple(one.name for one in fields(Row))
"""The ledger's table has a column for each field, in the same order."""


def to_columns(row: Row) -> tuple[Any, ...]:
    """Turn a row into the values that SQLite stores, in the order of COLUMNS."""
    values = {name: getattr(row, name) for name in COLUMNS}
    values |= {"state": row.state.value, "forced": int(row.forced), "seconds": json.dumps(row.seconds)}
    values |= {"verify": json.dumps(row.verify)}
    return tuple(values.values())


def of_columns(found: Sequence[Any]) -> Row:
    """Turn stored values, in the order of COLUMNS, into a row."""
    values = dict(zip(COLUMNS, found, strict=True))
    values |= {
        "state": State(values["state"]),
        "forced": bool(values["forced"]),
        "seconds": json.loads(values["seconds"]),
        "verify": tuple(json.loads(values["verify"])),
    }
    return Row(**values)


@dataclass(frozen=True, slots=True)
class Find:
    """Something new that a scan found: the first values of its row; `digest` if its bytes are known already."""

    source: str
    uri: str
    revision: str
    stamp: float
    state: State = State.SIGHTED
    reason: str = ""
    detail: str = ""
    forced: bool = False
    identity: str = ""
    digest: str = ""
    channel: str = DEFAULT


OPERATOR = "operator"
"""The source of rows that no scan found: an operator went back to a generation, or a start restored it."""
