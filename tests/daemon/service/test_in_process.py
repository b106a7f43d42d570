"""The engine of a daemon that serves by itself: what is done with it every second."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.service.in_process import InProcess
from hotswapd.swap.engine import Engine


class Model:
    """A model that writes down what is done with it."""

    keep = Engine.keep

    def __init__(self) -> None:
        self.called: list[object] = []
        self.resident = SimpleNamespace(pulse=lambda: self.called.append("pulse"), recompiles=0)
        self.rows = SimpleNamespace(mend=lambda: self.called.append("mend"), end_overdue=self.called.append)
        self.metrics = Metrics()
        opening = SimpleNamespace(on_lost=None, metrics=self.metrics)
        self.opened = InProcess(cast("Any", self), cast("Any", None), cast("Any", opening))

    def counted(self) -> float:
        lines = self.metrics.text().decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("hotswapd_recompiles_total"))


@pytest.fixture
def model() -> Model:
    return Model()


def test_a_tick_keeps_the_device_awake_and_ends_what_is_overdue(model: Model) -> None:
    model.opened.tick(9.0)
    assert model.called == ["pulse", "mend", 9.0]


def test_recompilations_are_counted_once(model: Model) -> None:
    for total in (0, 2, 2, 3):
        model.resident.recompiles = total
        model.opened.tick(9.0)
    assert model.counted() == 3.0
