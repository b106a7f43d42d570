"""The start on the worker's thread: the model, what was live, and everything that works with them."""

import gc
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from hotswapd.daemon.channels.channel import Making
from hotswapd.daemon.channels.channels import Channels
from hotswapd.daemon.channels.removal import Removal
from hotswapd.daemon.config.current import Current
from hotswapd.daemon.config.policy import Policy, policy_of
from hotswapd.daemon.config.settings import ConfigError
from hotswapd.daemon.control.acts import Acts
from hotswapd.daemon.control.headline import headline
from hotswapd.daemon.control.part import Working
from hotswapd.daemon.control.standing import Standing
from hotswapd.daemon.engines.opened import Opened
from hotswapd.daemon.gates.from_config import require_all_readable
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.host.heartbeats import WORKER, Heartbeats
from hotswapd.daemon.host.notify import Notify
from hotswapd.daemon.host.running_clock import RunningClock
from hotswapd.daemon.ledger.channel import DEFAULT
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.live.restore import Restorer
from hotswapd.daemon.live.tally import fairly_timed
from hotswapd.daemon.live.watch import LiveWatch
from hotswapd.daemon.pipeline.candidate import Candidates
from hotswapd.daemon.pipeline.queue import Inbox
from hotswapd.daemon.pipeline.sources import Sources
from hotswapd.daemon.pipeline.worker import Worker
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.report.picture import Pictures
from hotswapd.swap.errors import ResidentLost, StartError
from hotswapd.swap.rows.ended import Ended

from .announcer import Announcer
from .opening import Opener, Opening
from .recovery import Memory
from .upkeep import Upkeep

log = structlog.get_logger(__name__)
_FIRST_SCANS = 10.0
_LOADING, _COMPILING = 1800.0, 900.0
"""Seconds that one step of the start, and one compilation, may take before the service manager gives up."""
_STEPS = {"admit": 120.0, "stage": 300.0, "verify": 600.0, "commit": 120.0}
"""Seconds that each step of a candidate may take before the worker counts as stuck."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What exists before the model, made on the main thread."""

    current: Current
    standing: Standing
    memory: Memory
    inbox: Inbox
    sources: Sources
    policy: Policy
    metrics: Metrics
    pictures: Pictures
    notify: Notify
    beats: Heartbeats
    clock: RunningClock
    on_lost: Callable[[ResidentLost], None]
    at_end: Callable[[Callable[[float], None]], None]
    """Registers a function that is called at the end of the process, with the seconds that it may take."""
    on_ready: Callable[[], None]
    """Called once, when requests are answered."""


class Startup:
    """The start, and then the work until the end. `run` is for the worker's thread, once."""

    def __init__(self, around: Surroundings, open_engine: Opener) -> None:
        """Begin nothing yet."""
        self._around = around
        self._open = open_engine
        self._began = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Load, compile, restore, report ready, and work until `stop`. Raises StartError or ResidentLost."""
        around = self._around
        self._require_files()
        opened = self._open(self._opening())
        channels = self._restored(opened)
        self._renew_policy(opened)
        working, worker = self._assemble(opened, channels, stop)
        _settle_memory()
        around.clock.start(stop)
        around.standing.part = working
        channels.learn(_known(around.memory))  # rows that came while the model was loaded
        self._say_ready(working.live)
        self._await_first_scans(stop)
        self._open_inbox(stop, channels)
        worker.loop()
        with suppress(LedgerDown):
            channels.halt()

    def _require_files(self) -> None:
        """Find a missing file of [verify] before the model is loaded. Raises StartError."""
        try:
            require_all_readable(self._around.current.now)
        except ConfigError as error:
            raise StartError(str(error)) from None

    def _opening(self) -> Opening:
        around = self._around
        return Opening(
            settings=around.current.now,
            store=around.memory.store,
            metrics=around.metrics,
            clock=around.clock,
            report=self._report,
            on_compile=self._on_compile,
            on_ended=self._on_request_end,
            on_lost=around.on_lost,
            wake=around.inbox.notify,
            at_end=around.at_end,
        )

    def _on_request_end(self, ended: Ended) -> None:
        """Pass an ended request on to its channel's watch and rollout; on the loop's thread."""
        part = self._around.standing.part
        if isinstance(part, Working):
            part.channels.ended(fairly_timed(ended, self._around.clock))

    def _restored(self, opened: Opened) -> Channels:
        """Make every channel's last good generation live again."""
        memory = self._around.memory
        again = self._compare_bases(opened) != "refuse"
        channels = Channels(self._making(opened), {*_known(memory), *memory.pointed})
        for name in channels.names():
            if name != DEFAULT and name not in memory.pointed:
                continue
            live = channels.of(name).live
            restorer = Restorer(live, opened.engine, memory.ledger, memory.store, self._report, again)
            restorer.restore(memory.pointed.get(name))
            live.announce()
        return channels

    def _making(self, opened: Opened) -> Making:
        around, memory, engine = self._around, self._around.memory, opened.engine

        def announcer(watch: LiveWatch) -> Announcer:
            return Announcer(engine, around.metrics, watch, around.pictures)

        base, wake = around.standing.part.live, around.inbox.notify
        at = engine, memory.ledger, memory.store, around.current
        return Making(*at, base, announcer, self._on_step, wake, around.clock, ask=opened.ask)

    def _compare_bases(self, opened: Opened) -> str:
        """Report a base that differs from that on which the last generations were verified; return what to do then."""
        around, bases = self._around, self._around.memory.ledger.bases
        mode = around.current.now.model.on_base_change
        bases.serve(opened.base_fingerprint, take_any=mode == "accept")
        for name, pointed in around.memory.pointed.items():
            try:
                other = bases.other(pointed.number)
            except LedgerDown:
                return mode
            if other:
                said = f"generation {pointed.number} was verified on a base that differs in {other}"
                around.standing.base_changed = around.standing.base_changed or said
                log.warning("base_changed", generation=pointed.number, channel=name, detail=said, then=mode)
        return mode

    def _renew_policy(self, opened: Opened) -> None:
        around = self._around
        around.policy.renew(policy_of(opened.contract_fingerprint, around.current.now))
        try:
            around.memory.ledger.reopen(around.policy.of)
        except LedgerDown as error:
            log.warning("ledger_down", detail=str(error))

    def _assemble(self, opened: Opened, channels: Channels, stop: threading.Event) -> tuple[Working, Worker]:
        around, memory, settings = self._around, self._around.memory, self._around.current.now
        engine, ledger, store = opened.engine, memory.ledger, memory.store
        candidates = Candidates(engine, ledger, store, around.policy, channels, self._on_step)
        upkeep = Upkeep(opened, ledger, channels, around.metrics, around.beats, around.current)
        worker = Worker(around.inbox, ledger, engine, channels, candidates, stop, upkeep.tick)
        try:
            opened.judge_by(settings)
        except ConfigError as error:
            raise StartError(str(error)) from None
        acts = Acts(worker, ledger, Removal(channels, engine, ledger, store, around.metrics.removed))
        return Working(opened, channels, opened.answerer(channels), acts, candidates, settings.model.base), worker

    def _say_ready(self, live: Generation) -> None:
        around = self._around
        around.beats.beat(WORKER, _FIRST_SCANS)
        around.notify.ready(headline(around.standing, around.memory.ledger, around.sources))
        log.info("ready", generation=live.number, uri=live.uri, seconds=round(time.monotonic() - self._began, 1))
        around.on_ready()

    def _await_first_scans(self, stop: threading.Event) -> None:
        """Wait until every source has been scanned once, until 10 s after the start at most."""
        inbox = self._around.inbox
        while not stop.is_set() and not inbox.sightings.all_scanned():
            since = inbox.changes()
            left = self._began + _FIRST_SCANS - time.monotonic()
            if left <= 0:
                late = [watch.source.name for watch in self._around.sources if watch.health.last_scan is None]
                log.warning("late_sources", sources=late)
                return
            if not inbox.sightings.all_scanned():
                inbox.wait(since, left)

    def _open_inbox(self, stop: threading.Event, channels: Channels) -> None:
        around, lives = self._around, {live.channel: live for live in channels.lives()}
        while not stop.is_set():
            try:
                around.inbox.open(lives, guarded=around.memory.guarded)
            except LedgerDown as error:
                log.warning("ledger_down", detail=str(error))
                stop.wait(1.0)
            else:
                return

    def _report(self, sentence: str) -> None:
        """Report what the start spends its time on."""
        self._around.standing.phase = sentence
        self._around.notify.working(sentence, _LOADING)
        log.info("starting", detail=sentence)
        failpoint("starting")

    def _on_compile(self) -> None:
        """Ask for time, on the thread that waits for a compilation; any other thread may have to wait for this one."""
        self._around.notify.extend(_COMPILING)
        self._around.beats.allow(_COMPILING)

    def _on_step(self, step: str) -> None:
        self._around.beats.beat(WORKER, _STEPS[step])
        failpoint(step)


def _known(memory: Memory) -> list[str]:
    """Name the channels that the ledger knows; none while it cannot be read."""
    try:
        return memory.ledger.channels.all()
    except LedgerDown as error:
        log.warning("ledger_down", detail=str(error))
        return []


def _settle_memory() -> None:
    """Look for garbage once in all that the start has made, and never again: that would stop every thread for long."""
    gc.collect()
    gc.freeze()
