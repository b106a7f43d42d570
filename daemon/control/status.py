"""What is said of each change: a log line, the metrics, and ``GET /status``."""

from collections.abc import Iterable, Mapping
from typing import Any

from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.ledger.moment import moment
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.pipeline.source_threads import Watch
from hotswapd.swap.engine import Engine

from .standing import Standing

_QUEUE = 100


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
        answer["pinned"] = ledger.flags.pinned
        answer["paused"] = ledger.flags.paused
        answer["queue"] = _queue(ledger.rows.open(limit=_QUEUE), watches)
        answer["queue_depth"] = ledger.rows.open_count()
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
