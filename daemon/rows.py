"""A row of the ledger: one adapter's way from its sighting to its end."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from .lifecycle import State

STAGES = ("fetch", "admit", "stage", "verify", "pause")


@dataclass(frozen=True, slots=True)
class Row:
    """One swap. `seq` orders sightings, `stamp` is the source's clock, `seconds` are by stage, `verify` by gate.

    `forced` rows were asked for by the operator: neither known bytes nor an earlier verdict end them. `next_try` is
    seconds since the epoch.
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
    verify: tuple[dict[str, Any], ...] = ()

    def history(self) -> dict[str, Any]:
        """Say it as ``GET /history`` does."""
        return {
            "swap_id": self.swap_id,
            "uri": self.uri,
            "revision": self.revision,
            "digest": self.digest or None,
            "state": self.state.value,
            "reason": self.reason or None,
            "detail": self.detail or None,
            "generation": self.generation,
            "sighted": moment(self.sighted),
            "finished": moment(self.finished),
            "seconds": {stage: self.seconds.get(stage) for stage in STAGES},
            "verify": list(self.verify),
        }

    def queued(self) -> dict[str, Any]:
        """Say it as the queue in ``GET /status`` does."""
        return {
            "swap_id": self.swap_id,
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
    """Turn a row into what SQLite stores."""
    values = {name: getattr(row, name) for name in COLUMNS}
    values |= {"state": row.state.value, "forced": int(row.forced), "seconds": json.dumps(row.seconds)}
    values |= {"verify": json.dumps(row.verify)}
    return tuple(values.values())


def of_columns(found: Sequence[Any]) -> Row:
    """Turn what SQLite stores into a row."""
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
    """What a scan found that is new: the values of a row that is to be."""

    source: str
    uri: str
    revision: str
    stamp: float
    state: State = State.SIGHTED
    reason: str = ""
    detail: str = ""
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Generation:
    """What is or was live. Number 0 is the bare base model; `since` is seconds since the epoch."""

    number: int
    uri: str
    revision: str
    digest: str
    since: float
    swap_id: str = ""
    stamp: float = 0.0

    def live(self) -> dict[str, Any]:
        """Say it as ``live`` in ``GET /status`` does."""
        return {
            "generation": self.number,
            "uri": self.uri or None,
            "revision": self.revision,
            "digest": self.digest,
            "since": moment(self.since),
        }

    def record(self) -> dict[str, Any]:
        """Return what the store's pointer keeps."""
        return {
            "generation": self.number,
            "uri": self.uri,
            "revision": self.revision,
            "digest": self.digest,
            "since": self.since,
            "swap_id": self.swap_id,
            "stamp": self.stamp,
        }

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Generation":
        """Read a pointer's record. Raises ValueError when it is none."""
        try:
            return cls(
                int(record["generation"]),
                str(record["uri"]),
                str(record["revision"]),
                str(record["digest"]),
                float(record["since"]),
                str(record.get("swap_id", "")),
                float(record.get("stamp", 0.0)),
            )
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"the pointer names no generation: {error!r}") from None


def base_generation(base: str, since: float) -> Generation:
    """Describe generation 0."""
    return Generation(0, "", base, "0" * 64, since)


def moment(seconds: float | None) -> str | None:
    """Write a time in UTC with milliseconds, as every output of the daemon does."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
