"""The worker's thread from its first instruction: the model, what was live, then candidates."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import structlog

from hotswapd.daemon.config.policy import policy_fingerprint
from hotswapd.daemon.config.settings import ConfigError, Settings
from hotswapd.daemon.control.acts import RolloutActs
from hotswapd.daemon.control.headline import headline
from hotswapd.daemon.control.operator import Operator
from hotswapd.daemon.control.status import resident
from hotswapd.daemon.gates.from_config import require_readable
from hotswapd.daemon.gates.verification import Pauses, Verification
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.host.heartbeats import WORKER, Heartbeats
from hotswapd.daemon.host.notify import Notify
from hotswapd.daemon.ledger.generation import Generation
from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.live.guard import Guard
from hotswapd.daemon.live.restore import Restorer
from hotswapd.daemon.live.rollback import Rollback
from hotswapd.daemon.live.watch import LiveWatch
from hotswapd.daemon.pipeline.candidate import Pipeline
from hotswapd.daemon.pipeline.worker import Worker
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.rollout.rollouts import Rollouts
from hotswapd.daemon.serve.answerer import Answerer
from hotswapd.loaders.store.store import Store
from hotswapd.swap.engine import Engine
from hotswapd.swap.errors import ResidentLost, StartError
from hotswapd.swap.lanes.sizes import EngineSpec
from hotswapd.swap.lanes.tickets import Ended
from hotswapd.swap.resident.base import ResidentSpec
from hotswapd.swap.resident.resident import Resident

log = structlog.get_logger(__name__)
_FIRST_SCANS = 10.0
_LOADING, _COMPILING = 1800.0, 900.0
"""Seconds that one step of the start, and one compilation, may take before the service manager gives them up."""
_STEPS = {"admit": 120.0, "stage": 300.0, "verify": 600.0, "commit": 120.0}
"""Seconds that a candidate's steps may take before the worker counts as stuck."""
_LANES_AND = 2  # images beside the lanes': one for a candidate, one for the previous generation


class Start:
    """Brings everything up on the worker's thread, then works. `close` is for the main thread, at the end."""

    def __init__(
        self,
        settings: Settings,
        operator: Operator,
        store: Store,
        metrics: Metrics,
        pointed: Generation | None,
        on_lost: Callable[[ResidentLost], None],
        notify: Notify,
        beats: Heartbeats,
    ) -> None:
        """`pointed` is what the pointer names, `on_lost` is called on any thread when the model is lost."""
        self._notify = notify
        self._beats = beats
        self._settings = settings
        self._operator = operator
        self._store = store
        self._metrics = metrics
        self._pointed = pointed
        self._on_lost = on_lost
        self._engine: Engine | None = None
        self._pipeline: Pipeline | None = None
        self._began = time.monotonic()
        self._recompiles = 0
        self._guard: Guard | None = None
        self._rollouts: Rollouts | None = None
        self._watch = operator.standing.watch = LiveWatch(settings.verify.watch, operator.inbox.notify)

    def run(self, stop: threading.Event, *, guarded: bool) -> None:
        """Load, compile, restore, say ready, and work until `stop`. Raises StartError or ResidentLost."""
        self._look_at_files()
        engine = self._open_engine()
        standing = self._operator.standing
        live = self._restorer(engine).restore(self._pointed, standing.live)
        self._went_live(live)
        standing.fingerprint = fingerprint = policy_fingerprint(engine, self._settings)
        self._pipeline = pipeline = self._make_pipeline(engine, fingerprint, live)
        self._reopen(fingerprint)
        worker = self._worker(engine, pipeline)
        pipeline.verification = self._verification(engine, worker, self._settings)
        self._rollouts = pipeline.rollout = self._make_rollouts(engine, pipeline)
        standing.rollout = self._rollouts.status
        self._operator.worker, self._operator.rollouts = worker, RolloutActs(worker, worker.rollback, self._rollouts)
        self._operator.answers = answers = Answerer(engine, self._on_lost)
        answers.rollouts = self._rollouts
        standing.engine = engine
        self._metrics.lanes, self._metrics.rollout = engine.lanes.status, self._rollouts.status
        standing.is_ready = True
        self._beats.beat(WORKER, _FIRST_SCANS)
        self._notify.ready(headline(standing, self._operator.ledger, self._operator.watches))
        log.info("ready", generation=live.number, uri=live.uri, seconds=round(time.monotonic() - self._began, 1))
        self._await_first_scans(stop)
        self._open_inbox(stop, live if live.number else None, guarded=guarded)
        worker.loop(stop)
        with suppress(LedgerDown):
            self._rollouts.halt()

    def apply(self, settings: Settings) -> None:
        """Take over what a reload has changed of the policy, before the next candidate. Legal once it is ready."""
        worker = self._operator.worker
        assert worker is not None
        worker.between(lambda: self._apply(settings))

    def close(self, seconds: float) -> None:
        """Let requests end for at most the seconds, then stop the lanes."""
        if self._engine is not None:
            self._engine.close(seconds)
            self._engine.resident.close()

    def _look_at_files(self) -> None:
        """Find out before the model is loaded that what [verify] points to cannot be read. Raises StartError."""
        try:
            require_readable(self._settings.verify)
        except ConfigError as error:
            raise StartError(str(error)) from None

    def _open_engine(self) -> Engine:
        model, serve = self._settings.model, self._settings.serve
        spec = ResidentSpec(
            base=model.base,
            revision=model.revision,
            dtype=model.dtype,
            device=model.device,
            max_rank=model.max_rank,
            target_modules=model.target_modules,
            attn_implementation=model.attn_implementation,
            base_models=self._settings.admission.base_models,
            images=serve.lanes + _LANES_AND,
        )
        sizes = EngineSpec(
            lanes=serve.lanes,
            context_tokens=serve.context_tokens,
            cache_tokens=serve.cache_tokens,
            batch_tokens=serve.batch_tokens,
            max_queue=serve.max_queue,
            compile=model.compile,
        )
        opened = Resident.open(spec, self._say)
        opened.compilations.hear = self._compiling
        if opened.oracle.uncovered:
            log.info("not_covered", modules=len(opened.oracle.uncovered), first=opened.oracle.uncovered[0])
        engine = Engine(opened, sizes, on_free=self._operator.inbox.notify)
        engine.open(self._say)
        engine.lanes.hear_end = self._ended
        self._engine = engine
        self._operator.resident = resident(engine, model.base)
        return engine

    def _ended(self, ended: Ended) -> None:
        """Count a request wherever it counts; on a lane's thread."""
        self._watch.ended(ended)
        if self._rollouts is not None:
            self._rollouts.ended(ended)

    def _make_rollouts(self, engine: Engine, pipeline: Pipeline) -> Rollouts:
        operator, table = self._operator, self._settings.rollout
        return Rollouts(engine, operator.ledger, table, pipeline.commit, lambda: pipeline.live, operator.inbox.notify)

    def _make_pipeline(self, engine: Engine, fingerprint: str, live: Generation) -> Pipeline:
        ledger, store = self._operator.ledger, self._store
        return Pipeline(engine, ledger, store, fingerprint, live=live, on_live=self._on_live, on_step=self._on_step)

    def _restorer(self, engine: Engine) -> Restorer:
        return Restorer(engine, self._operator.ledger, self._store, self._say)

    def _worker(self, engine: Engine, pipeline: Pipeline) -> Worker:
        operator = self._operator
        base = Generation(0, "", self._settings.model.revision, "0" * 64, time.time())
        rollback = Rollback(pipeline, operator.ledger, self._store, base)
        self._guard = guard = Guard(self._watch, operator.ledger, rollback)
        lanes, tick = engine.lanes, self._tick
        return Worker(
            operator.inbox, operator.ledger, pipeline, rollback, room=lanes.room, tick=tick, urgent=lambda: guard.waits
        )

    def _verification(self, engine: Engine, worker: Worker, settings: Settings) -> Verification:
        """Read what [verify] points to. Raises StartError."""
        pauses = Pauses(worker.give_way, worker.rest)
        try:
            return Verification(engine, self._operator.ledger, self._operator.standing, settings, pauses)
        except ConfigError as error:
            raise StartError(str(error)) from None

    def _reopen(self, fingerprint: str) -> None:
        try:
            self._operator.ledger.reopen(fingerprint)
        except LedgerDown as error:
            log.warning("ledger_down", detail=str(error))

    def _await_first_scans(self, stop: threading.Event) -> None:
        """Wait until every source has looked once, at most 10 s after the start."""
        inbox = self._operator.inbox
        while not stop.is_set() and not inbox.sightings.all_scanned():
            since = inbox.changes()
            left = self._began + _FIRST_SCANS - time.monotonic()
            if left <= 0:
                late = [watch.source.name for watch in self._operator.watches if watch.health.last_scan is None]
                log.warning("late_sources", sources=late)
                return
            if not inbox.sightings.all_scanned():
                inbox.wait(since, left)

    def _open_inbox(self, stop: threading.Event, live: Generation | None, *, guarded: bool) -> None:
        while not stop.is_set():
            try:
                self._operator.inbox.open(live, guarded=guarded)
            except LedgerDown as error:
                log.warning("ledger_down", detail=str(error))
                stop.wait(1.0)
            else:
                return

    def _say(self, sentence: str) -> None:
        """Tell of what start-up spends its time on."""
        self._operator.standing.phase = sentence
        self._notify.working(sentence, _LOADING)
        log.info("starting", detail=sentence)
        failpoint("starting")

    def _compiling(self) -> None:
        """Ask for time, on the thread that waits for the compilation; every other one may have to wait for that one."""
        self._notify.extend(_COMPILING)
        self._beats.allow(_COMPILING)

    def _on_step(self, step: str) -> None:
        self._beats.beat(WORKER, _STEPS[step])
        failpoint(step)

    def _apply(self, settings: Settings) -> None:
        """Change what is refused from now on; the model is not touched. On the worker's thread."""
        engine, pipeline, standing = self._engine, self._pipeline, self._operator.standing
        assert engine is not None
        assert pipeline is not None
        self._settings = settings
        names = (settings.model.base, *settings.admission.base_models)
        engine.resident.contract = replace(engine.resident.contract, base_models=names)
        self._renew_verification(engine, pipeline, settings)
        fingerprint = policy_fingerprint(engine, settings)
        if fingerprint != pipeline.fingerprint:
            pipeline.fingerprint = standing.fingerprint = fingerprint
            self._reopen(fingerprint)
            self._operator.inbox.notify()
            log.info("policy_changed", detail="what was refused under the old one is looked at again")

    def _renew_verification(self, engine: Engine, pipeline: Pipeline, settings: Settings) -> None:
        worker = self._operator.worker
        assert worker is not None
        self._watch.table = settings.verify.watch
        try:
            pipeline.verification = self._verification(engine, worker, settings)
        except StartError as error:
            log.error("verify_not_changed", detail=str(error))  # noqa: TRY400 - the sentence says it

    def _on_live(self, live: Generation, pause: float) -> None:
        self._metrics.paused(pause)
        self._went_live(live)

    def _went_live(self, live: Generation) -> None:
        self._operator.standing.live = live
        self._watch.began(live.number, live.since)
        self._metrics.live(live.number, live.uri, live.digest)
        if self._engine is not None:
            resident = self._engine.resident
            self._operator.pictures.went_live(resident.live, resident.arena.layout)

    def _tick(self) -> None:
        """Do what is due once a second, on the worker's thread."""
        engine = self._engine
        if engine is None:
            return
        failpoint("tick")
        engine.resident.pulse()
        self._beats.beat(WORKER)
        engine.lanes.mend()
        engine.lanes.end_overdue(self._settings.serve.max_drain)
        fresh = engine.resident.recompiles - self._recompiles
        if fresh:
            self._recompiles += fresh
            self._metrics.recompiled(fresh)
            log.warning("recompiled", times=fresh, detail="a request had a shape that the warm-up did not see")
            self._operator.resident = resident(engine, self._settings.model.base)
        try:
            if self._guard is not None:
                self._guard.look()
            if self._rollouts is not None:
                self._rollouts.look()
            self._metrics.queue(self._operator.ledger.rows.open_count())
        except LedgerDown as error:
            log.debug("ledger_down", detail=str(error))
