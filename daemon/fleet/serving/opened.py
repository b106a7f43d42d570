"""A model opened for a replica, as the daemon opens its own."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.specs import engine_spec, resident_spec
from hotswapd.daemon.engines.resident import ResidentEngine
from hotswapd.daemon.gates.verification import verification
from hotswapd.daemon.host.running_clock import RunningClock
from hotswapd.daemon.live.tally import fairly_timed
from hotswapd.swap.engine import Engine
from hotswapd.swap.resident.resident import Resident
from hotswapd.swap.rows.ended import Ended

from .logs import log_to_ray

log = structlog.get_logger(__name__)
_END = 5.0


@dataclass(slots=True)
class Opened:
    """The model and its engine, warm. `stop` ends the thread that sees whether the machine has time for them."""

    model: Engine
    engine: ResidentEngine
    max_drain: float
    stop: threading.Event = field(default_factory=threading.Event)

    def judge_by(self, settings: Settings) -> None:
        """Verify, admit and log by these settings. On the thread that calls the engine. Raises ConfigError."""
        admission = settings.admission
        self.engine.configure(verification(settings))
        self.engine.allow_bases(admission.names_of(settings.model.base), admission.base_names)
        self.max_drain = settings.serve.max_drain
        log_to_ray(settings)

    def tick(self) -> None:
        """Keep the model alive, and end overdue requests. On the thread that calls the engine. Raises ResidentLost."""
        self.model.keep(self.max_drain)

    def close(self) -> None:
        """Give requests a few seconds to end."""
        self.stop.set()
        self.model.close(_END)
        self.model.resident.close()


def open_model(settings: Settings, on_ended: Callable[[Ended], None]) -> Opened:
    """Load and warm up the base, and read the gates. Raises StartError or ConfigError.

    `on_ended` is called with how each request ended, on the loop's thread.
    """
    resident = Resident.open(resident_spec(settings), _report)
    clock = RunningClock()
    spec = engine_spec(settings)
    model = Engine(resident, spec, on_request_end=lambda ended: on_ended(fairly_timed(ended, clock)))
    model.open(_report)
    engine = ResidentEngine(model)
    engine.configure(verification(settings))
    opened = Opened(model, engine, settings.serve.max_drain)
    clock.start(opened.stop)
    return opened


def _report(sentence: str) -> None:
    log.info("starting", detail=sentence)
