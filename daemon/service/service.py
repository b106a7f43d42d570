"""The daemon: the order in which it starts and stops, and its exit status."""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence

import structlog

from hotswapd.daemon.config.current import Current
from hotswapd.daemon.config.policy import Policy
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.control.headline import headline
from hotswapd.daemon.control.operator import Operator
from hotswapd.daemon.control.part import Starting, Working
from hotswapd.daemon.control.standing import Standing
from hotswapd.daemon.control.submitting import Submitting
from hotswapd.daemon.control.views import Views
from hotswapd.daemon.host.exits import Exit
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.host.heartbeats import SERVERS, WORKER, Heartbeats
from hotswapd.daemon.host.log import log_flushed
from hotswapd.daemon.host.notify import Notify
from hotswapd.daemon.host.running_clock import RunningClock
from hotswapd.daemon.host.signals import Signals
from hotswapd.daemon.ledger.generation import base_generation
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.pipeline.changes import Changes
from hotswapd.daemon.pipeline.naming import ByTable
from hotswapd.daemon.pipeline.queue import Inbox
from hotswapd.daemon.pipeline.source_threads import Making
from hotswapd.daemon.pipeline.sources import Sources
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.report.picture import Pictures
from hotswapd.daemon.report.swaps import Reporter
from hotswapd.loaders import open_source
from hotswapd.loaders.store.store import Store
from hotswapd.swap.errors import DeviceMissing, ResidentLost, StartError

from .circumstances import Circumstances, Listening, Starter
from .eviction import Eviction
from .recovery import recover, remember
from .reload import Reloading
from .rounds import Rounds
from .startup import Startup, Surroundings
from .state_dir import Occupied, StateDir, prepare_caches
from .upkeep import Collector

log = structlog.get_logger(__name__)
_LAST_WORDS = 0.5
_DRAIN = 20.0
_SOURCES_END = 5.0
_ALL_OF_IT = 80.0
"""Seconds within which a stopping daemon ends, whatever hangs; the unit's TimeoutStopSec is longer."""


_NOBODY = Starter()


def serve(settings: Settings, read: Callable[[], Settings], starter: Starter = _NOBODY) -> int:
    """Serve until a signal or the loss of the model; return the exit status. On the main thread, once.

    `read` reads the configuration again when SIGHUP asks for it. Raises ConfigError or CannotListen.
    """
    notify = Notify.of(os.environ)
    state = StateDir(settings.state.dir)
    try:
        state.occupy()
    except Occupied as error:
        log.error("occupied", detail=str(error))  # noqa: TRY400 - the sentence says it
        notify.status(str(error))
        return Exit.TRY_AGAIN
    prepare_caches(settings.state.dir)
    signals = Signals([signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    try:
        return Service(settings, read, Circumstances(state, notify, signals, starter)).run()
    finally:
        threading.excepthook = threading.__excepthook__
        signals.close()
        state.leave()


class Service:
    """One daemon, from recovery to its end. `run` is called once, on the main thread."""

    def __init__(self, settings: Settings, read: Callable[[], Settings], around: Circumstances) -> None:
        """Recover what an earlier process left; listen on nothing yet. Raises ConfigError."""
        self._circumstances = around
        self._notify = around.notify
        self._starter = around.starter
        self._signals = around.signals
        self._exit = Exit.FINE
        self._stop = threading.Event()
        self._at_end: list[Callable[[float], None]] = []
        self._at_reload: list[Callable[[], None]] = []
        self._changes = Changes()
        self._to_collect = threading.Event()
        self._to_collect.set()
        self._metrics = Metrics()
        self._clock = RunningClock(on_stall=self._metrics.stalled)
        self._beats = Heartbeats(around.notify.watchdog or 60.0, self._clock)
        self._report = Reporter(self._metrics)
        self._current = Current(settings)
        self._policy = Policy()
        self._standing = Standing(Starting(base_generation(settings.model.revision, time.time())))
        self._memory = remember(
            around.state, self._on_change, lambda it: Eviction(it, self._standing, self._current), around.journal
        )
        recover(self._memory, [table.name for table in settings.source])
        self._watch_sources()
        self._make_operator(read)

    def _watch_sources(self) -> None:
        settings, memory = self._current.now, self._memory
        opened = [open_source(table, settings.admission.max_artifact_bytes) for table in settings.source]
        names = [source.name for source in opened]
        self._inbox = Inbox(memory.ledger, names, self._changes, naming=ByTable(self._current))
        making = Making(self._inbox, memory.store, self._metrics, self._policy, self._beats.beat)
        self._sources = Sources(making, self._inbox, opened)

    @property
    def operator(self) -> Operator:
        """What operators and clients ask. Legal on any thread."""
        return self._operator

    @property
    def store(self) -> Store:
        """Where the adapters' bytes are. Legal on any thread."""
        return self._memory.store

    def _make_operator(self, read: Callable[[], Settings]) -> None:
        ledger, standing, sources = self._memory.ledger, self._standing, self._sources
        self._pictures = Pictures(ledger)
        views = Views(standing, ledger, sources, self._pictures, self._metrics)
        submitting = Submitting(ledger, self._inbox, sources, ByTable(self._current))
        self._operator = Operator(standing, ledger, self._inbox, views, submitting)
        self._reloading = Reloading(
            read, self._current, standing, ledger, self._inbox, sources, self._policy, self._beats
        )
        self._collector = Collector(self._memory.store, ledger, standing, self._current, self._to_collect)

    def run(self) -> int:
        """Start in the order of dependence, stop in the opposite order. Raises CannotListen."""
        threading.excepthook = self._thread_failed
        # 1. Store and ledger are open, and the generation that was live is known.
        # 2. The servers, so that anybody can ask why it is not ready yet. They fail early and loudly: an address in use
        #    is found before minutes go into loading a model.
        servers = self._circumstances.listen(self._operator, self._current.now, self._metrics)
        servers.start()
        self._at_reload.append(servers.renew_tls)
        # 3. The sources: they scan and fetch while the model is being loaded.
        self._sources.start()
        # 4. The worker's thread: base model, compilation, the last good generation, then `ready`, then candidates.
        worker = threading.Thread(target=self._work, args=(servers,), name=WORKER, daemon=True)
        worker.start()
        rounds = Rounds(self._notify, self._beats, self._standing, self._memory.ledger, self._sources, servers)
        self._wait_for_the_end(rounds)
        self._shut_down(servers, worker)
        return self._exit

    def _on_change(self, rows: Sequence[Row]) -> None:
        """Report rows that have changed; called on the thread that changed them."""
        self._report(rows)
        part = self._standing.part
        if isinstance(part, Working):
            part.channels.learn(row.channel for row in rows if row.state != State.IGNORED)
        self._to_collect.set()
        self._changes.notify()

    # The worker's thread

    def _work(self, servers: Listening) -> None:
        try:
            around = self._surroundings(lambda: self._starter.on_ready(servers.address))
            Startup(around, self._circumstances.open_engine).run(self._stop)
        except ResidentLost as error:
            self._lose(error)
        except StartError as error:
            log.error("cannot_start", detail=str(error))  # noqa: TRY400 - the sentence says it
            self._notify.status(str(error))
            self._end(Exit.TRY_AGAIN if isinstance(error, DeviceMissing) else Exit.CONFIGURATION)
        except Exception:
            log.exception("worker_failed")
            self._lose(ResidentLost("a defect of hotswapd has ended the worker; the log has its trace"))

    def _surroundings(self, on_ready: Callable[[], None]) -> Surroundings:
        return Surroundings(
            current=self._current,
            standing=self._standing,
            memory=self._memory,
            inbox=self._inbox,
            sources=self._sources,
            policy=self._policy,
            metrics=self._metrics,
            pictures=self._pictures,
            notify=self._notify,
            beats=self._beats,
            clock=self._clock,
            on_lost=self._lose,
            at_end=self._at_end.append,
            on_ready=on_ready,
        )

    def _lose(self, error: ResidentLost) -> None:
        """Answer 503 from now on, record the loss, and end the process. Legal on any thread."""
        self._standing.lost = "the model does not answer any more; the daemon restarts"
        self._notify.status(str(error))
        log.error("resident_lost", detail=str(error))
        self._end(Exit.RESIDENT_LOST)
        try:
            self._memory.ledger.actions.note("resident_lost", str(error), "exit 70", None)
        except LedgerDown as down:
            log.warning("ledger_down", detail=str(down))

    def _thread_failed(self, failure: threading.ExceptHookArgs) -> None:
        """End the process if a defect ended one of its own threads; ignore threads of libraries."""
        name = failure.thread.name if failure.thread else "unknown"
        log.error("thread_failed", thread=name, exc_info=failure.exc_value)
        if name in {WORKER, SERVERS} | self._sources.thread_names:
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
            part = self._standing.part
            if reload and isinstance(part, Working):  # one that comes during the start waits for its end
                reload = False
                self._reload(part)
            self._collector.collect()
            rounds.turn()

    def _reload(self, part: Working) -> None:
        self._notify.reloading()
        self._reloading.reload(part)
        if not self._standing.reload_refused:
            self._to_collect.set()  # less may be kept from now on
            for renew in self._at_reload:
                renew()
        self._notify.ready(headline(self._standing, self._memory.ledger, self._sources))

    def _shut_down(self, servers: Listening, worker: threading.Thread) -> None:
        """Stop in the opposite order of starting; nothing may hold it up for long."""
        self._standing.stopping = True
        self._notify.stopping("stopping: requests under way get their answers", _ALL_OF_IT)
        if self._exit == Exit.RESIDENT_LOST:
            time.sleep(_LAST_WORDS)  # for the 503s under way
            self._leave_now(self._exit)
        self._stop.set()
        self._changes.notify()
        # 4. The worker ends its candidate, or rolls it back.
        worker.join(_DRAIN if self._standing.is_working else 0.0)  # a start has nothing to lose
        failpoint("drain")
        # 3. The sources: the next process fetches again what is being fetched.
        sources_ended = self._sources.stop(_SOURCES_END)
        # 2. The servers: requests under way get their answers; the engine stops before the loop that it calls.
        drained = threading.Thread(target=self._close_engine, name="drain", daemon=True)
        drained.start()
        servers.stop(_DRAIN)
        drained.join(_DRAIN)
        # 1. The ledger.
        self._memory.ledger.close()
        log.info("stopped")
        if worker.is_alive() or drained.is_alive() or not sources_ended:
            self._leave_now(self._exit)

    def _close_engine(self) -> None:
        for close in self._at_end:
            close(_DRAIN)

    def _leave_now(self, status: Exit) -> None:
        """End the process although a thread hangs, in a library or in a device, which would keep it for ever."""
        self._starter.on_leave()
        log_flushed(_LAST_WORDS)
        self._circumstances.leave(int(status))
