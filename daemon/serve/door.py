"""What all connections of the HTTP server share: the table, the time limits and the certificate."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from hotswapd.daemon.config.tables import Serve
from hotswapd.daemon.report.metrics import Metrics

from .connections import ConnectionLimits, Connections
from .tls import Tls

log = structlog.get_logger(__name__)
_BETWEEN = 60.0


@dataclass(frozen=True, slots=True)
class Door:
    """Times are in seconds."""

    connections: Connections
    idle_timeout: float
    read_timeout: float
    tls: Tls | None = None


def open_door(serve: Serve, metrics: Metrics) -> Door:
    """Make the door that the configuration describes. Raises ConfigError for TLS files that cannot be used."""
    limits = ConnectionLimits.of(serve.max_connections, serve.max_per_address)
    if serve.max_connections > limits.total:
        log.warning(
            "fewer_connections",
            wanted=serve.max_connections,
            taken=limits.total,
            detail="half of the descriptor limit is the most; raise it (LimitNOFILE=) or lower serve.max_connections",
        )
    table = Connections(limits, Refusals(metrics), metrics.connections)
    tls = Tls(serve.tls_cert, serve.tls_key) if serve.tls_cert else None
    return Door(table, serve.idle_timeout, serve.read_timeout, tls)


class Refusals:
    """Counts connections that were refused, or closed to make room; logs them once a minute. On the event loop."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._unlogged = 0
        self._logged_at: float | None = None

    def __call__(self, address: str) -> None:
        """Count one."""
        self._metrics.refused_connection()
        self._unlogged += 1
        now = self._clock()
        if self._logged_at is None or now - self._logged_at >= _BETWEEN:
            detail = "serve.max_connections or serve.max_per_address is reached"
            log.warning("connections_refused", times=self._unlogged, address=address, detail=detail)
            self._logged_at, self._unlogged = now, 0
