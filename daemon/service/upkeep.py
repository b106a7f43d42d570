"""Housekeeping: what the worker's thread does once a second, and the garbage in the store."""

import threading

import structlog

from hotswapd.daemon.channels.channels import Channels
from hotswapd.daemon.config.current import Current
from hotswapd.daemon.control.part import Working
from hotswapd.daemon.control.standing import Standing
from hotswapd.daemon.engines.opened import Opened
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.host.heartbeats import WORKER, Heartbeats
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.store.store import Store

from .eviction import IDLE

log = structlog.get_logger(__name__)


class Upkeep:
    """Keeps everything around the model going. `tick` is for the worker's thread, at least once a second."""

    def __init__(
        self,
        opened: Opened,
        ledger: Ledger,
        channels: Channels,
        metrics: Metrics,
        beats: Heartbeats,
        current: Current,
    ) -> None:
        """Nothing is due yet."""
        self._opened = opened
        self._ledger = ledger
        self._channels = channels
        self._metrics = metrics
        self._beats = beats
        self._current = current

    def tick(self) -> None:
        """Keep the engine alive, end overdue requests, judge what is live or beside it. Raises ResidentLost."""
        failpoint("tick")
        self._opened.tick(self._current.now.serve.max_drain)
        self._beats.beat(WORKER)
        self._channels.poll()
        try:
            self._metrics.queue(self._ledger.rows.open_count())
        except LedgerDown as error:
            log.debug("ledger_down", detail=str(error))


class Collector:
    """Removes from the store what no generation and no candidate needs. For the main thread, which has time for it."""

    def __init__(
        self, store: Store, ledger: Ledger, standing: Standing, current: Current, wanted: threading.Event
    ) -> None:
        """`wanted` is set after a change of rows, and at the start: a process that died may have left too much."""
        self._store = store
        self._ledger = ledger
        self._standing = standing
        self._current = current
        self._wanted = wanted

    def collect(self) -> None:
        """Collect if that is wanted."""
        if not self._wanted.is_set():
            return
        self._wanted.clear()
        try:
            part = self._standing.part
            answering = [one.number for one in part.loaded() if one.use not in IDLE]
            kept = self._ledger.generations.kept(self._current.now.state.keep, answering)
            needed = kept | self._ledger.rows.in_store() | {one.digest for one in part.lives()}
            if isinstance(part, Working):
                part.opened.keep_only(needed)
            removed = [*self._store.collect(needed), *self._store.make_room()]
        except (LedgerDown, Unavailable) as error:
            log.warning("not_collected", detail=str(error))
            return
        if removed:
            log.info("collected", artifacts=len(removed))
