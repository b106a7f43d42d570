"""Every change of a row, in the log and in the metrics."""

from collections import Counter
from collections.abc import Sequence

import structlog

from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import ENDS, REFUSED, State

from .metrics import Metrics

log = structlog.get_logger("hotswapd.swaps")
_FEW = 32
"""Rows of one state that are logged one by one, when they change together."""


class Reporter:
    """Logs and counts rows that have changed. Legal on any thread."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def __call__(self, rows: Sequence[Row]) -> None:
        """Log a line for each row, or one for many of a kind, and count those that have ended."""
        kinds = Counter(row.state for row in rows)
        for source, channel in {(row.source, row.channel) for row in rows if row.state == State.SIGHTED}:
            self._metrics.expect(source, channel)
        for row in rows:
            if row.state in ENDS or row.state == State.LIVE:
                self._metrics.swap(row.state.value, row.source, _fresh_seconds(row), row.channel)
            if kinds[row.state] <= _FEW:
                _log_one(row)
        for state, count in kinds.items():
            if count > _FEW:
                alike = [row for row in rows if row.state == state]
                log.info(state.value, count=count, first=alike[0].uri, last=alike[-1].uri, detail="see the history")


def _fresh_seconds(row: Row) -> dict[str, float]:
    """Return the seconds of a swap that was just tried; those of what was live before are counted already."""
    was_live = row.state == State.RETIRED or (row.state == State.ROLLED_BACK and row.generation is not None)
    return {} if was_live or row.state == State.SUPERSEDED else row.seconds


def _log_one(row: Row) -> None:
    level = "warning" if row.state in REFUSED else "info"
    optional = {
        "digest": row.digest,
        "reason": row.reason,
        "detail": row.detail,
        "generation": row.generation,
        "channel": "" if row.channel == DEFAULT else row.channel,
        "seconds": {stage: round(value, 6) for stage, value in row.seconds.items()},
    }
    known = {key: value for key, value in optional.items() if value not in ("", None, {})}
    where = {"swap_id": row.swap_id, "source": row.source, "uri": row.uri, "revision": row.revision}
    getattr(log, level)(row.state.value, **where, **known)
