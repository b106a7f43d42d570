"""A model opened for a replica, as the daemon opens its own."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.specs import engine_spec, resident_spec
from hotswapd.daemon.engines.resident import ResidentEngine
from hotswapd.daemon.gates.verification import verification
from hotswapd.swap.engine import Engine
from hotswapd.swap.resident.resident import Resident
from hotswapd.swap.rows.ended import Ended

log = structlog.get_logger(__name__)
_END = 5.0


@dataclass(frozen=True, slots=True)
class Opened:
    """The model and its engine, warm."""

    model: Engine
    engine: ResidentEngine
    max_drain: float

    def tick(self) -> None:
        """Keep the model alive, and end overdue requests. On the thread that calls the engine. Raises ResidentLost."""
        self.model.keep(self.max_drain)

    def close(self) -> None:
        """Give requests a few seconds to end."""
        self.model.close(_END)
        self.model.resident.close()


def open_model(settings: Settings, on_ended: Callable[[Ended], None]) -> Opened:
    """Load and warm up the base, and read the gates. Raises StartError or ConfigError.

    `on_ended` is called with how each request ended, on the loop's thread.
    """
    resident = Resident.open(resident_spec(settings), _report)
    model = Engine(resident, engine_spec(settings), on_request_end=on_ended)
    model.open(_report)
    engine = ResidentEngine(model)
    engine.configure(verification(settings))
    return Opened(model, engine, settings.serve.max_drain)


def _report(sentence: str) -> None:
    log.info("starting", detail=sentence)
