"""The daemon's state in one line, for ``systemctl status``."""

from collections.abc import Sequence

from hotswapd.daemon.host.log import log_dropped
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.pipeline.sources import Sources

from .standing import Standing


def headline(standing: Standing, ledger: Ledger, sources: Sources, late: Sequence[str] = ()) -> str:
    """Return what is live, what waits and what is wrong, the worst first; `late` names threads that seem to hang."""
    parts = [f"STUCK: {', '.join(late)} has not reported in time"] if late else []
    readiness = standing.readiness()
    if not readiness.ready:
        return "; ".join([*parts, readiness.reason])
    parts += [_live(standing.part.live), *_queue(ledger)]
    down = [watch.source.name for watch in sources if not watch.health.ok]
    parts += [f"source down: {', '.join(down)} (hotswapd status says why)"] if down else []
    parts += [f"the last reload was refused: {standing.reload_refused}"] if standing.reload_refused else []
    parts += [f"the base has changed: {standing.base_changed}"] if standing.base_changed else []
    dropped = log_dropped()
    parts += [f"{dropped} log lines were lost, since nobody read them"] if dropped else []
    return "; ".join(parts)


def _live(live: Generation) -> str:
    return f"generation {live.number} is live, {live.uri}" if live.number else "the bare base model is live"


def _queue(ledger: Ledger) -> list[str]:
    try:
        waiting = ledger.rows.open_count()
        flags = [name for name in ("pinned", "paused") if ledger.flags.get(name, default=False)]
    except LedgerDown as error:
        return [str(error)]
    if ledger.trouble:
        return [ledger.trouble]
    return ([f"{waiting} waiting"] if waiting else []) + flags
