"""The daemon: what starts when, what ends when, and with which exit status."""

import os
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any

import structlog

from ..loaders import open_source
from ..loaders.errors import Unavailable
from ..loaders.source import Source
from ..loaders.store import Store
from ..swap.errors import DeviceMissing, ResidentLost, StartError
from .boot import OPERATOR, pointed_at
from .config import ConfigError, Settings
from .exits import Exit
from .inbox import Inbox
from .ledger import Ledger, LedgerDown
from .metrics import Metrics
from .operator import Operator
from .report import Reporter
from .rows import Generation, Row, base_generation
from .servers import Servers
from .signals import Signals
from .standing import Standing
from .starting import Start
from .state_dir import Occupied, StateDir, prepare_caches
from .watching import Watch

log = structlog.get_logger(__name__)
_TICK = 1.0
_LAST_WORDS = 0.5
_DRAIN = 20.0


class Service:
    """One daemon. `run` is called once, on the main thread."""

    def __init__(self, settings: Settings) -> None:
        """Touch nothing yet."""
        self._settings = settings
        self._state = StateDir(settings.state.dir)
        self._exit: Exit | None = None
        self._stop = threading.Event()
        self._to_collect = threading.Event()

    def run(self) -> int:
        """Serve until a signal or the loss of the model; return the exit status. Raises ConfigError or CannotListen."""
        try:
            self._state.occupy()
        except Occupied as error:
            log.error("occupied", detail=str(error))  # noqa: TRY400 - the sentence says it
            return Exit.TRY_AGAIN
        prepare_caches(self._settings.state.dir)
        self._signals = Signals([signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
        try:
            return self._run()
        finally:
            self._signals.close()
            self._state.leave()

    def _run(self) -> int:
        """Start in the order of dependence, and stop in the opposite one."""
        # 1. What is remembered: the store, the ledger, and the generation that was live.
        self._remember()
        # 2. The servers, so that from now on everybody can ask why it is not ready yet. They fail first and loudly:
        #    an address in use is found before minutes go into loading a model.
        servers = Servers(self.operator, self._settings, self.metrics)
        servers.start()
        # 3. The sources: they look, and fetch, while the model is being loaded.
        for watch in self.watches:
            watch.start()
        # 4. The worker's thread: base model, compilation, the last good generation, then `ready`, then candidates.
        start = Start(self._settings, self.operator, self._store, self.metrics, self._pointed, self._lose)
        worker = threading.Thread(target=self._work, args=(start,), name="gpu worker", daemon=True)
        worker.start()
        self._wait_for_the_end()
        self._shut_down(servers, start, worker)
        return Exit.FINE if self._exit is None else self._exit

    def _remember(self) -> None:
        settings = self._settings
        self.metrics = Metrics()
        try:
            self._store = Store(self._state.store)
        except OSError as error:
            raise ConfigError("state.dir", f"{self._state.store} cannot be used: {error.strerror or error}") from None
        self._report = Reporter(self.metrics)
        self.ledger = Ledger(self._state.ledger, self._hear)
        self._pointed = pointed_at(self._store)
        self._guarded = self.ledger.was_lost
        self._recover(self._pointed)
        live = base_generation(settings.model.revision, time.time())
        self.standing = Standing(live)
        sources = [open_source(table, settings.admission.max_artifact_bytes) for table in settings.source]
        self.inbox = Inbox(self.ledger, [source.name for source in sources])
        self.watches = [self._watch(source) for source in sources]
        self.operator = Operator(self.standing, self.ledger, self.inbox, self.watches)

    def _watch(self, source: Source) -> Watch:
        return Watch(source, self.inbox, self._store, self.metrics, lambda: self.standing.fingerprint)

    def _recover(self, pointed: Generation | None) -> None:
        """Bring store and ledger into a state that a process which died at any moment may have left."""
        try:
            self._store.wipe_stages()
            self.ledger.count_deaths()
            if pointed is not None:
                self.ledger.adopt(pointed, OPERATOR)
            self.ledger.recover()
        except (LedgerDown, Unavailable) as error:
            log.error("state_degraded", detail=str(error))  # noqa: TRY400 - the sentence says it

    def _hear(self, rows: Sequence[Row]) -> None:
        """Tell of rows that have changed; called on the thread that changed them."""
        self._report(rows)
        self._to_collect.set()
        if hasattr(self, "inbox"):
            self.inbox.notify()

    # The worker's thread

    def _work(self, start: Start) -> None:
        try:
            start.run(self._stop, guarded=self._guarded)
        except ResidentLost as error:
            self._lose(error)
        except StartError as error:
            log.error("cannot_start", detail=str(error))  # noqa: TRY400 - the sentence says it
            self._end(Exit.TRY_AGAIN if isinstance(error, DeviceMissing) else Exit.CONFIGURATION)
        except Exception:
            log.exception("worker_failed")
            self._lose(ResidentLost("a defect of hotswapd has ended the worker; the log has its trace"))

    def _lose(self, error: ResidentLost) -> None:
        """Answer 503 from now on, write it down, and end the process."""
        self.standing.lost = "the model does not answer any more; the daemon restarts"
        log.error("resident_lost", detail=str(error))
        self._end(Exit.RESIDENT_LOST)
        try:
            self.ledger.note_action("resident_lost", str(error), "exit 70", None)
        except LedgerDown as down:
            log.warning("ledger_down", detail=str(down))

    def _end(self, status: Exit) -> None:
        self._exit = status
        self._stop.set()
        self._signals.wake()

    # The main thread

    def _wait_for_the_end(self) -> None:
        while not self._stop.is_set():
            came = self._signals.wait(_TICK)
            if came & {signal.SIGTERM, signal.SIGINT}:
                log.info("stopping", signal=signal.Signals(min(came)).name)
                return
            if signal.SIGHUP in came:
                log.info("reload_ignored", detail="restart the daemon to change its configuration")
            if self._to_collect.is_set():
                self._collect()

    def _collect(self) -> None:
        """Remove from the store what no generation and no candidate needs. On the main thread, which has the time."""
        self._to_collect.clear()
        try:
            kept = {one.digest for one in self.ledger.generations(self._settings.state.keep)}
            removed = self._store.collect(kept | self.ledger.in_store() | {self.standing.live.digest})
        except (LedgerDown, Unavailable) as error:
            log.warning("not_collected", detail=str(error))
            return
        if removed:
            log.info("collected", artifacts=len(removed))

    def _shut_down(self, servers: Servers, start: Start, worker: threading.Thread) -> None:
        """End in the opposite order of starting; nothing may hold it up for long."""
        self.standing.stopping = True
        if self._exit == Exit.RESIDENT_LOST:
            time.sleep(_LAST_WORDS)  # for the 503s that are on their way
            _leave_now(self._exit)
        self._stop.set()
        self.inbox.notify()
        # 4. The worker ends its candidate, or rolls it back.
        worker.join(_DRAIN)
        # 3. The sources: what is being fetched is fetched again by the next process.
        ended = [watch.stop() for watch in self.watches]
        # 2. The servers: requests under way get their answers; the lanes stop while the loop they call back still runs.
        drained = threading.Thread(target=start.close, args=(_DRAIN,), name="drain", daemon=True)
        drained.start()
        servers.stop(_DRAIN)
        drained.join(_DRAIN)
        # 1. The ledger.
        self.ledger.close()
        log.info("stopped")
        if worker.is_alive() or drained.is_alive() or not all(ended):
            _leave_now(Exit.FINE if self._exit is None else self._exit)


def _leave_now(status: Any) -> None:
    """End the process though a thread hangs, in a library or in a device, which would keep it for ever."""
    os._exit(int(status))
