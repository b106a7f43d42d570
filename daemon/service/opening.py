"""What a start lends to whoever opens its engine."""

from collections.abc import Callable
from dataclasses import dataclass

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.engines.opened import Opened
from hotswapd.daemon.host.running_clock import RunningClock
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.loaders.store.store import Store
from hotswapd.swap.errors import ResidentLost
from hotswapd.swap.rows.ended import Ended


@dataclass(frozen=True, slots=True)
class Opening:
    """Every call is legal on any thread, but `report` and `at_end` are for the one that opens.

    `report` says what the start spends its time on, `on_compile` that a compilation begins. `on_ended` takes a request
    that has ended, `on_lost` the loss of the engine. `wake` has the worker look again. What `at_end` registers is
    called at the end of the process, with the seconds that it may take.
    """

    settings: Settings
    store: Store
    metrics: Metrics
    clock: RunningClock
    report: Callable[[str], None]
    on_compile: Callable[[], None]
    on_ended: Callable[[Ended], None]
    on_lost: Callable[[ResidentLost], None]
    wake: Callable[[], None]
    at_end: Callable[[Callable[[float], None]], None]


Opener = Callable[[Opening], Opened]
"""Opens an engine, on the worker's thread. Raises StartError or ResidentLost."""
