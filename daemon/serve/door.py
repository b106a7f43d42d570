"""What all connections of the HTTP server share: the table, the time limits and the certificate."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from hotswapd.daemon.config.tables import Serve
from hotswapd.daemon.report.metrics import Metrics

from .connections import ConnectionLimits, Connections
from .tarpit import PER_SECOND, Tarpit
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
    tarpit: Tarpit = field(default_factory=Tarpit)
    on_wait: Callable[[str], None] = lambda _: None

    def refused(self, address: str) -> float:
        """Count a refused request of an address; return for how many seconds to keep the refusal back."""
        wait = self.tarpit.wait(address)
        if wait:
            self.on_wait(address)
        return wait


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
    full = "serve.max_connections or serve.max_per_address is reached"
    often = f"requests of this address were refused more than {PER_SECOND:g} times a second: its refusals wait"
    refused = Often("connections_refused", full, metrics.refused_connection)
    table = Connections(limits, refused, metrics.connections)
    tls = Tls(serve.tls_cert, serve.tls_key) if serve.tls_cert else None
    on_wait = Often("requests_refused", often, metrics.kept_back)
    return Door(table, serve.idle_timeout, serve.read_timeout, tls, on_wait=on_wait)


class Often:
    """Counts what happens to addresses, and logs it once a minute with one of them. On the event loop."""

    def __init__(
        self, event: str, detail: str, count: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`count` is called each time."""
        self._event = event
        self._detail = detail
        self._count = count
        self._clock = clock
        self._unlogged = 0
        self._logged_at: float | None = None

    def __call__(self, address: str) -> None:
        """Count one."""
        self._count()
        self._unlogged += 1
        now = self._clock()
        if self._logged_at is None or now - self._logged_at >= _BETWEEN:
            log.warning(self._event, times=self._unlogged, address=address, detail=self._detail)
            self._logged_at, self._unlogged = now, 0
