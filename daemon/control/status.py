"""What ``GET /status`` answers."""

from collections.abc import Iterable

from hotswapd.daemon.answers import BerthStatus, QueueEntry, Status
from hotswapd.daemon.engines.protocol import Loaded
from hotswapd.daemon.host.log import log_dropped
from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.ledger.moment import moment
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.pipeline.sources import Sources

from .channels import channels_status
from .part import Starting, Working
from .standing import Standing

_QUEUE = 100


def status(standing: Standing, ledger: Ledger, sources: Sources, channel: str | None = None) -> Status:
    """Return what ``GET /status`` answers; without a readable ledger some parts are empty, and `trouble` says so.

    It is about one channel, or about the default one and all that waits.
    """
    part = standing.part
    (shown,) = part.shown([channel or DEFAULT])
    answer: Status = {
        "ready": standing.readiness().ready,
        "pinned": False,
        "paused": False,
        "live": shown.live.live(),
        "queue": [],
        "queue_depth": 0,
        "sources": [watch.status() for watch in sources],
        "berths": _berths(part.loaded()),
        "channels": [],
        "resident": part.resident(),
        "replicas": part.replicas(),
        "replaced": part.replaced(),
        "verify": part.verifying(),
        "watch": shown.watch,
        "rollout": shown.rollout,
        "phase": standing.readiness().reason or None,
        "log_dropped": log_dropped(),
        "reload_refused": standing.reload_refused or None,
        "base_changed": standing.base_changed or None,
        "trouble": ledger.trouble or None,  # also if it can be read but not written
    }
    try:
        _add_ledger(answer, part, ledger, sources, channel)
    except LedgerDown as error:
        answer["trouble"] = str(error)
    return answer


def _add_ledger(
    answer: Status, part: Starting | Working, ledger: Ledger, sources: Sources, channel: str | None
) -> None:
    """Add what the ledger knows. Raises LedgerDown."""
    answer["pinned"] = ledger.flags.pinned(channel or DEFAULT)
    answer["paused"] = ledger.flags.paused(channel or DEFAULT)
    answer["queue"] = _queue([*ledger.rows.open(channel, _QUEUE), *ledger.rows.ignored(channel)], sources)
    waiting = ledger.channels.waiting()
    answer["queue_depth"] = sum(waiting.values()) if channel is None else waiting.get(channel, 0)
    names = part.names() if channel is None else [channel]
    answer["channels"] = channels_status(part.shown(names), ledger, waiting)


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
