"""What is said of each change: a log line, the metrics, and ``GET /status``."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog

from ..swap.engine import Engine
from .ledger import Ledger, LedgerDown
from .lifecycle import ENDS, REFUSED, State
from .metrics import Metrics
from .rows import Row, moment
from .standing import Standing
from .watching import Watch

log = structlog.get_logger("hotswapd.swaps")
_FEW = 32
_QUEUE = 100


class Reporter:
    """Tells of rows that have changed. Legal on any thread."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def __call__(self, rows: Sequence[Row]) -> None:
        """Log one line a row, or one line for many of a kind, and count those that have ended."""
        kinds = Counter(row.state for row in rows)
        for row in rows:
            if row.state in ENDS or row.state == State.LIVE:
                self._metrics.swap(row.state.value, row.source, _fresh_seconds(row))
            if kinds[row.state] <= _FEW:
                _log_one(row)
        for state, count in kinds.items():
            if count > _FEW:
                alike = [row for row in rows if row.state == state]
                log.info(state.value, count=count, first=alike[0].uri, last=alike[-1].uri, detail="see the history")


def _fresh_seconds(row: Row) -> dict[str, float]:
    """Take the seconds of a swap that has just been tried; what was live before has told of its own already."""
    was_live = row.state == State.RETIRED or (row.state == State.ROLLED_BACK and row.generation is not None)
    return {} if was_live or row.state == State.SUPERSEDED else row.seconds


def _log_one(row: Row) -> None:
    level = "warning" if row.state in REFUSED else "info"
    optional = {
        "digest": row.digest,
        "reason": row.reason,
        "detail": row.detail,
        "generation": row.generation,
        "seconds": {stage: round(value, 6) for stage, value in row.seconds.items()},
    }
    said = {key: value for key, value in optional.items() if value not in ("", None, {})}
    where = {"swap_id": row.swap_id, "source": row.source, "uri": row.uri, "revision": row.revision}
    getattr(log, level)(row.state.value, **where, **said)


def status(standing: Standing, ledger: Ledger, watches: Iterable[Watch], resident: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``GET /status`` answers; a ledger that cannot be read leaves its parts empty and says so."""
    watches = list(watches)
    answer: dict[str, Any] = {
        "ready": standing.readiness().ready,
        "pinned": False,
        "paused": False,
        "live": standing.live.live(),
        "queue": [],
        "queue_depth": 0,
        "sources": [watch.status() for watch in watches],
        "lanes": lanes(standing.engine),
        "resident": dict(resident),
        "verify": standing.verifying,
        "watch": standing.watch.status() if standing.watch else None,
        "rollout": standing.rollout(),
        "phase": standing.readiness().reason or None,
        "trouble": ledger.trouble or None,  # also when it can be read: what it does not take is not remembered
    }
    try:
        answer["pinned"] = bool(ledger.flag("pinned", False))
        answer["paused"] = bool(ledger.flag("paused", False))
        answer["queue"] = _queue(ledger.open_rows(limit=_QUEUE), watches)
        answer["queue_depth"] = ledger.open_count()
    except LedgerDown as error:
        answer["trouble"] = str(error)
    return answer


def lanes(engine: Engine | None) -> list[dict[str, int]]:
    """Describe the lanes that are bound to a generation."""
    if engine is None:
        return []
    return [
        {"generation": one.generation, "active": one.active, "waiting": one.waiting} for one in engine.lanes.status()
    ]


def resident(engine: Engine, base: str) -> dict[str, Any]:
    """Describe the resident."""
    one = engine.resident
    return {
        "base": base,
        "device": str(one.device),
        "dtype": one.contract.dtype,
        "slots": len(one.contract.slots),
        "max_rank": one.contract.max_rank,
        "arena_bytes": one.arena.layout.size,
        "compiled": engine.compiled,
        "recompiles": one.recompiles,
    }


def _queue(rows: Iterable[Row], watches: Iterable[Watch]) -> list[dict[str, Any]]:
    """Say what waits; what only waits for its source's next look is tried then."""
    looks = {watch.source.name: watch.health.next_scan for watch in watches}
    lines = []
    for row in rows:
        line = row.queued()
        if row.state == State.WAITING and row.next_try is None:
            line["next_try"] = moment(looks.get(row.source))
        lines.append(line)
    return lines
