"""The engine of a daemon that serves by itself: the resident model in this process."""

from collections.abc import Callable, Collection
from functools import partial

import structlog

from hotswapd.daemon.answers import ResidentStatus
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.specs import engine_spec, resident_spec
from hotswapd.daemon.engines.beside import Asked, Prompts, ask_beside
from hotswapd.daemon.engines.resident import ResidentEngine
from hotswapd.daemon.gates.verification import verification
from hotswapd.daemon.replicas import ReplacedStatus, ReplicaStatus
from hotswapd.daemon.serve.answerer import Answerer
from hotswapd.daemon.serve.speaker import OwnModel
from hotswapd.daemon.serve.split import Split
from hotswapd.swap.engine import Engine
from hotswapd.swap.resident.resident import Resident

from .copies import held_copy
from .opening import Opening

log = structlog.get_logger(__name__)


def open_in_process(opening: Opening) -> "InProcess":
    """Load the base, compile and warm it up. On the worker's thread. Raises StartError."""
    settings = opening.settings
    if settings.serve.lanes:
        log.warning("renamed_key", key="serve.lanes", detail="it is read as serve.berths; write that")
    opened = Resident.open(resident_spec(settings), opening.report, opening.on_compile)
    if opened.oracle.uncovered:
        log.info("not_covered", modules=len(opened.oracle.uncovered), first=opened.oracle.uncovered[0])
    model = Engine(opened, engine_spec(settings), opening.wake, opening.on_ended, opening.clock)
    model.open(opening.report)
    opening.at_end(lambda seconds: _close(model, seconds))
    engine = ResidentEngine(model, partial(held_copy, opening.store))
    engine.start()
    opening.at_end(engine.stop)
    return InProcess(model, engine, opening)


class InProcess:
    """`engines.opened.Opened` over the resident in this process."""

    def __init__(self, model: Engine, engine: ResidentEngine, opening: Opening) -> None:
        """`engine` is the daemon's side of `model`."""
        self.engine = engine
        self._model = model
        self._on_lost = opening.on_lost
        self._metrics = opening.metrics
        self._recompiles = 0

    @property
    def contract_fingerprint(self) -> str:
        """That of the resident's contract."""
        return self.engine.contract_fingerprint

    @property
    def base_fingerprint(self) -> str:
        """That of the resident's base."""
        return self.engine.base_fingerprint

    @property
    def ask(self) -> Callable[[int, Prompts, int], Asked | None]:
        """Ask in one batch with everybody's requests."""
        return partial(ask_beside, self._model, self.engine)

    def describe(self) -> ResidentStatus:
        """Describe the resident."""
        return self.engine.describe()

    def replicas(self) -> list[ReplicaStatus]:
        """Return none."""
        return []

    def replaced(self) -> ReplacedStatus | None:
        """Return None: there are no replicas."""
        return None

    def answerer(self, split: Split) -> Answerer:
        """Return what answers requests here."""
        return Answerer(OwnModel(self._model), self._on_lost, split)

    def keep_only(self, digests: Collection[str]) -> None:
        """Do nothing: there are no copies elsewhere."""

    def judge_by(self, settings: Settings) -> None:
        """Take other names of the base, then other gates."""
        admission = settings.admission
        self.engine.allow_bases(admission.names_of(settings.model.base), admission.base_names)
        self.engine.configure(verification(settings))

    def tick(self, max_drain: float) -> None:
        """Keep the device awake, mend what failed, and end overdue requests."""
        self._model.keep(max_drain)
        self._count_recompiles()

    def _count_recompiles(self) -> None:
        fresh = self._model.resident.recompiles - self._recompiles
        if fresh:
            self._recompiles += fresh
            self._metrics.recompiled(fresh)
            log.warning("recompiled", times=fresh, detail="a request had a shape that the warm-up did not see")


def _close(model: Engine, seconds: float) -> None:
    """Give requests the seconds to end, then stop the loop."""
    model.close(seconds)
    model.resident.close()
