"""The daemon: what starts when, what ends when, and with which exit status."""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from hotswapd.daemon.config.settings import ConfigError, Settings
from hotswapd.daemon.control.headline import headline
from hotswapd.daemon.control.operator import Operator
from hotswapd.daemon.control.standing import Standing
from hotswapd.daemon.host.exits import Exit
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.host.heartbeats import SERVERS, WORKER, Heartbeats
from hotswapd.daemon.host.log import setup_logging
from hotswapd.daemon.host.notify import Notify
from hotswapd.daemon.host.signals import Signals
from hotswapd.daemon.ledger.generation import Generation, base_generation
from hotswapd.daemon.ledger.ledger import Ledger, LedgerDown
from hotswapd.daemon.ledger.rows import OPERATOR, Row
from hotswapd.daemon.live.restore import pointed_at
from hotswapd.daemon.pipeline.queue import Inbox
from hotswapd.daemon.pipeline.sightings import Sightings
from hotswapd.daemon.pipeline.source_threads import Watch
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.report.swaps import Reporter
from hotswapd.loaders import open_source
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.source import Source
from hotswapd.loaders.store.store import Store
from hotswapd.swap.errors import DeviceMissing, ResidentLost, StartError

from .reload import changed, open_fresh, read_again
from .rounds import Rounds
from .servers import Servers
from .startup import Start
from .state_dir import Occupied, StateDir, prepare_caches

log = structlog.get_logger(__name__)
_LAST_WORDS = 0.5
_DRAIN = 20.0
_SOURCES_END, _SOURCE_ENDS = 5.0, 1.0
_ALL_OF_IT = 80.0
"""Seconds after which a stopping daemon has ended, whatever hangs; the unit's TimeoutStopSec is longer."""


class Service:
    """One daemon. `run` is called once, on the main thread."""

    def __init__(self, settings: Settings, read: Callable[[], Settings] | None = None) -> None:
        """Touch nothing yet. `read` reads the configuration again when SIGHUP asks for it. Raises ConfigError."""
        self._settings = settings
        self._read = read or (lambda: settings)
        self._notify = Notify.of(os.environ)
        self._beats = Heartbeats(self._notify.watchdog or 60.0)
        self._state = StateDir(settings.state.dir)
        self._exit: Exit | None = None
        self._stop = threading.Event()
        self._to_collect = threading.Event()
        self._to_collect.set()  # a process that has died may have left more than is needed

    def run(self) -> int:
        """Serve until a signal or the loss of the model; return the exit status. Raises ConfigError or CannotListen."""
        try:
            self._state.occupy()
        except Occupied as error:
            log.error("occupied", detail=str(error))  # noqa: TRY400 - the sentence says it
            self._notify.status(str(error))
            return Exit.TRY_AGAIN
        prepare_caches(self._settings.state.dir)
        self._signals = Signals([signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
        threading.excepthook = self._thread_failed
        try:
            return self._run()
        finally:
            threading.excepthook = threading.__excepthook__
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
        start = self._start = Start(
            self._settings,
            self.operator,
            self._store,
            self.metrics,
            self._pointed,
            self._lose,
            notify=self._notify,
            beats=self._beats,
        )
        worker = threading.Thread(target=self._work, args=(start,), name="gpu worker", daemon=True)
        worker.start()
        self._wait_for_the_end(Rounds(self._notify, self._beats, self.operator, servers))
        self._shut_down(servers, start, worker)
        return Exit.FINE if self._exit is None else self._exit

    def _remember(self) -> None:
        settings = self._settings
        self.metrics = Metrics()
        try:
            self._store = Store(self._state.store, on_step=failpoint)
        except OSError as error:
            raise ConfigError("state.dir", f"{self._state.store} cannot be used: {error.strerror or error}") from None
        self._report = Reporter(self.metrics)
        self.ledger = Ledger(self._state.ledger, self._hear)
        self._pointed = pointed_at(self._store)
        self._guarded = self.ledger.was_lost or (self._pointed is not None and self._has_no_past())
        self._recover(self._pointed)
        live = base_generation(settings.model.revision, time.time())
        self.standing = Standing(live)
        sources = [open_source(table, settings.admission.max_artifact_bytes) for table in settings.source]
        self.inbox = Inbox(self.ledger, [source.name for source in sources])
        self.watches = [self._watch(source) for source in sources]
        self.operator = Operator(self.standing, self.ledger, self.inbox, self.watches)

    def _watch(self, source: Source) -> Watch:
        fingerprint = lambda: self.standing.fingerprint  # noqa: E731 - one line is enough
        return Watch(source, self.inbox, self._store, self.metrics, fingerprint, self._beats.beat)

    def _has_no_past(self) -> bool:
        """Say whether the ledger is a new one: somebody has deleted the file."""
        try:
            return not self.ledger.rows.history(1)
        except LedgerDown:
            return False

    def _recover(self, pointed: Generation | None) -> None:
        """Bring store and ledger into a state that a process which died at any moment may have left."""
        try:
            self._store.wipe_stages()
            self.ledger.attempts.count_deaths()
            failpoint("recover")
            if pointed is not None and (pointed.number or pointed.swap_id):
                self.ledger.adopt(pointed, OPERATOR)
            self.ledger.recover()
            Sightings(self.ledger, ()).give_up_others(table.name for table in self._settings.source)
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
            self._notify.status(str(error))
            self._end(Exit.TRY_AGAIN if isinstance(error, DeviceMissing) else Exit.CONFIGURATION)
        except Exception:
            log.exception("worker_failed")
            self._lose(ResidentLost("a defect of hotswapd has ended the worker; the log has its trace"))

    def _lose(self, error: ResidentLost) -> None:
        """Answer 503 from now on, write it down, and end the process."""
        self.standing.lost = "the model does not answer any more; the daemon restarts"
        self._notify.status(str(error))
        log.error("resident_lost", detail=str(error))
        self._end(Exit.RESIDENT_LOST)
        try:
            self.ledger.actions.note("resident_lost", str(error), "exit 70", None)
        except LedgerDown as down:
            log.warning("ledger_down", detail=str(down))

    def _thread_failed(self, failure: threading.ExceptHookArgs) -> None:
        """End the process when a thread of ours has ended by a defect; a library's own is its own affair."""
        name = failure.thread.name if failure.thread else "unknown"
        log.error("thread_failed", thread=name, exc_info=failure.exc_value)
        if name in {WORKER, SERVERS}.union(*(watch.thread_names for watch in self.watches)):
            self._lose(ResidentLost(f"a defect of hotswapd has ended the thread {name!r}; the log has its trace"))

    def _end(self, status: Exit) -> None:
        self._exit = status
        self._stop.set()
        self._signals.wake()

    # The main thread

    def _wait_for_the_end(self, rounds: Rounds) -> None:
        reload = False
        while not self._stop.is_set():
            came = self._signals.wait(rounds.tick)
            if came & {signal.SIGTERM, signal.SIGINT}:
                log.info("stopping", signal=signal.Signals(min(came)).name)
                return
            reload |= signal.SIGHUP in came
            if reload and self.standing.is_ready:  # one that comes during the start is done after it
                reload = False
                self._reload()
            if self._to_collect.is_set():
                self._collect()
            rounds.turn()

    def _reload(self) -> None:
        """Take over what the configuration says now, or keep the old one and say why; the model goes on meanwhile."""
        self._notify.reloading()
        self.standing.reload_refused = ""
        try:
            settings = read_again(self._read, self._settings)
            fresh = open_fresh(self._settings, settings)
        except ConfigError as error:
            for problem in error.problems:
                log.error("reload_refused", key=problem.key, detail=problem.sentence)  # noqa: TRY400
            self.standing.reload_refused = str(error)
        else:
            self._take_over(settings, fresh)
        self._notify.ready(headline(self.standing, self.ledger, self.watches))

    def _take_over(self, settings: Settings, fresh: Sequence[Source]) -> None:
        tables = changed(self._settings, settings)
        self._settings = settings
        setup_logging(settings.log.level, settings.log.format)
        self._start.apply(settings)
        self._watch_other(settings, fresh)
        log.info("reloaded", changed=tables)

    def _watch_other(self, settings: Settings, fresh: Sequence[Source]) -> None:
        """End the watches that are not wanted any more or were described anew, and begin the new ones."""
        names = {table.name for table in settings.source} - {source.name for source in fresh}
        ended = [watch for watch in self.watches if watch.source.name not in names]
        kept = [watch for watch in self.watches if watch.source.name in names]
        until = time.monotonic() + _SOURCE_ENDS
        for watch in ended:
            watch.stop(max(0.0, until - time.monotonic()))
            for name in watch.thread_names:
                self._beats.forget(name)
        begun = [self._watch(source) for source in fresh]
        self.watches = self.operator.watches = [*kept, *begun]
        self.inbox.renew(names, [source.name for source in fresh])
        for watch in begun:
            watch.start()

    def _collect(self) -> None:
        """Remove from the store what no generation and no candidate needs. On the main thread, which has the time."""
        self._to_collect.clear()
        try:
            answering = self.standing.engine.lanes.generations() if self.standing.engine else []
            kept = self.ledger.generations.kept(self._settings.state.keep, answering)
            removed = self._store.collect(kept | self.ledger.rows.in_store() | {self.standing.live.digest})
        except (LedgerDown, Unavailable) as error:
            log.warning("not_collected", detail=str(error))
            return
        if removed:
            log.info("collected", artifacts=len(removed))

    def _shut_down(self, servers: Servers, start: Start, worker: threading.Thread) -> None:
        """End in the opposite order of starting; nothing may hold it up for long."""
        self.standing.stopping = True
        self._notify.stopping("stopping: requests under way get their answers", _ALL_OF_IT)
        if self._exit == Exit.RESIDENT_LOST:
            time.sleep(_LAST_WORDS)  # for the 503s that are on their way
            _leave_now(self._exit)
        self._stop.set()
        self.inbox.notify()
        # 4. The worker ends its candidate, or rolls it back.
        worker.join(_DRAIN if self.standing.is_ready else 0.0)  # a start has nothing that could be lost
        failpoint("drain")
        # 3. The sources: what is being fetched is fetched again by the next process.
        until = time.monotonic() + _SOURCES_END
        ended = [watch.stop(max(0.0, until - time.monotonic())) for watch in self.watches]
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
