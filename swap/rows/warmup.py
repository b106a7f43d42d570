"""Warming up: a fixed workload, again and again until nothing compiles any more."""

import threading
import time
from collections.abc import Callable

from hotswapd.swap.errors import BaseUnservable, ResidentLost, StartError
from hotswapd.swap.failures import classify
from hotswapd.swap.resident.base import Report
from hotswapd.swap.resident.resident import Resident

from .asks import Ask
from .rows import Rows
from .sampling import Sampling
from .tickets import Progress, QueueFull

_PROMPTS = (1, 3, 17, 64, 130)
_EAGER_PROMPTS = (1, 3)
"""Where nothing compiles and no kernel is loaded or chosen, it is only seen that it answers."""
_ROUNDS = 8
_REMEDY = "set model.compile = false"


def warm_up(
    rows: Rows, resident: Resident, context: int, report: Report, *, compiled: bool, more: Callable[[], None]
) -> None:
    """Leave the base live, and everything compiled that requests will need; `more` runs what requests may not meet.

    Raises StartError, or ResidentLost when the device or its memory lets the model not answer.
    """
    began = time.monotonic()
    rows.route(resident.base_image, 0)
    lengths = _PROMPTS if compiled or resident.device.type != "cpu" else _EAGER_PROMPTS
    for number in range(1, _ROUNDS + 1):
        before = resident.compilations.count
        more()
        _await(_workload(rows, resident, [min(length, context - 4) for length in lengths]), rows)
        if resident.compilations.count == before:
            return
        told = resident.compilations.count
        report(f"warm-up round {number}: {told} compilations, {time.monotonic() - began:.0f} s so far")
    raise StartError(f"the model still compiles after {_ROUNDS} rounds of warm-up; {_REMEDY}")


class _Waiting:
    """Hears of a request's end."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.error = ""

    def __call__(self, progress: Progress) -> None:
        if progress.finish is not None:
            self.error = (progress.error or "no reason given") if progress.finish == "error" else ""
            self.done.set()


def _workload(rows: Rows, resident: Resident, lengths: list[int]) -> list[_Waiting]:
    """Queue requests: alone and together, greedy and sampled, short and long."""
    vocabulary = resident.model.config.get_text_config().vocab_size
    waits: list[_Waiting] = []
    for length in lengths:
        prompt = tuple((7 * i) % vocabulary for i in range(length))
        for temperature in (0.0, 1.0):
            ask = Ask(prompt, 3, sampling=Sampling(temperature), cache_salt=f"warm-up {len(waits)}")
            waits.append(_submit(rows, ask, waits))
        _await(waits[-1:], rows)
    return waits


def _submit(rows: Rows, ask: Ask, before: list[_Waiting]) -> _Waiting:
    """Queue a request, beside those before it if the queue has room for it."""
    wait = _Waiting()
    try:
        rows.submit(ask, wait)
    except QueueFull:
        _await(before, rows)
        rows.submit(ask, wait)
    return wait


def _await(waits: list[_Waiting], rows: Rows) -> None:
    for one in waits:
        one.done.wait()
        if not one.error:
            continue
        cause = rows.loop.cause if rows.loop is not None else None
        if classify(cause or RuntimeError(one.error)) == "other":
            raise BaseUnservable(f"model.base: the loop cannot run this model: {one.error}; serve another base")
        raise ResidentLost(f"the model cannot answer: {one.error}")
