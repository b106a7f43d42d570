"""What ``GET /status`` answers."""

from collections.abc import Iterable

from hotswapd.daemon.answers import BerthStatus, QueueEntry, Status
from hotswapd.daemon.engines.protocol import Loaded
from hotswapd.daemon.host.log import log_dropped
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.ledger.moment import moment
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.pipeline.sources import Sources

from .standing import Standing

_QUEUE = 100


def status(standing: Standing, ledger: Ledger, sources: Sources) -> Status:
    """Return what ``GET /status`` answers; without a readable ledger some parts are empty, and `trouble` says so."""
    part = standing.part
    answer: Status = {
        "ready": standing.readiness().ready,
        "pinned": False,
        "paused": False,
        "live": part.live.live(),
        "queue": [],
        "queue_depth": 0,
        "sources": [watch.status() for watch in sources],
        "berths": _berths(part.loaded()),
        "resident": part.resident(),
        "verify": part.verifying(),
        "watch": part.watching(),
        "rollout": part.rollout(),
        "phase": standing.readiness().reason or None,
        "log_dropped": log_dropped(),
        "reload_refused": standing.reload_refused or None,
        "trouble": ledger.trouble or None,  # also if it can be read but not written
    }
    try:
        answer["pinned"] = ledger.flags.pinned
        answer["paused"] = ledger.flags.paused
        answer["queue"] = _queue([*ledger.rows.open(limit=_QUEUE), *ledger.rows.ignored()], sources)
        answer["queue_depth"] = ledger.rows.open_count()
    except LedgerDown as error:
        answer["trouble"] = str(error)
    return answer


def _berths(loaded: Iterable[Loaded]) -> list[BerthStatus]:
    """Describe each generation; one that is live under several names has a line for each."""
    return [_berth(one, name) for one in loaded for name in (one.names or (None,))]


def _berth(one: Loaded, channel: str | None) -> BerthStatus:
    return {
        "berth": one.berth,
        "channel": channel,
        "generation": one.number,
        "digest": one.digest,
        "use": one.use,
        "active": one.active,
        "waiting": one.waiting,
    }


def _queue(rows: Iterable[Row], sources: Sources) -> list[QueueEntry]:
    """Describe what waits; the next try of what waits for its source is the source's next scan."""
    scans = {watch.source.name: watch.health.next_scan for watch in sources}
    lines = []
    for row in rows:
        line = row.queued()
        if row.state == State.WAITING and row.next_try is None:
            line["next_try"] = moment(scans.get(row.source))
        lines.append(line)
    return lines
