"""Warming up: a fixed workload through every lane, again and again until nothing compiles any more."""

import dataclasses
import threading
import time
from collections.abc import Iterator, Sequence

from hotswapd.swap.errors import BaseUnservable, ResidentLost, StartError
from hotswapd.swap.failures import classify
from hotswapd.swap.resident.base import Report
from hotswapd.swap.resident.compilation import FailOnRecompileLimitHit
from hotswapd.swap.resident.resident import Resident

from .lanes import LaneRequest, Lanes, Progress
from .sampling import Sampling

_PROMPTS = (1, 3, 17, 64, 130)
_EAGER_PROMPTS = (1, 3)
"""Where nothing compiles and no kernel is loaded or chosen, it is only seen that every lane answers."""
_ROUNDS = 8
_REMEDY = "set model.compile = false"


def warm_up(lanes: Lanes, resident: Resident, context: int, report: Report, *, compiled: bool) -> None:
    """Leave the base live in a lane, and everything compiled that requests will need.

    Meanwhile a hit of torch's recompile limit, after which it would go on uncompiled without a word, is an error.
    Raises StartError, or ResidentLost when the device or its memory lets the model not answer.
    """
    began = time.monotonic()
    lanes.fail_at_limit(True)
    lengths = _PROMPTS if compiled or resident.device.type != "cpu" else _EAGER_PROMPTS
    for number in range(1, _ROUNDS + 1):
        before = told = resident.compilations.count
        for waits in _workload(lanes, resident, [min(length, context - 4) for length in lengths]):
            _await(waits, lanes)
            if resident.compilations.count > told:
                told = resident.compilations.count
                report(f"warm-up round {number}: {told} compilations, {time.monotonic() - began:.0f} s so far")
        if told == before:
            lanes.fail_at_limit(False)
            return
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


def _workload(lanes: Lanes, resident: Resident, lengths: Sequence[int]) -> Iterator[list[_Waiting]]:
    """Queue requests in lane after lane: alone and together, greedy and sampled, short and long."""
    base = resident.base_image
    vocabulary = resident.model.config.get_text_config().vocab_size
    for image in [dataclasses.replace(base) for _ in range(lanes.count - 1)] + [base]:
        lanes.go_live(image)
        waits: list[_Waiting] = []
        for length in lengths:
            prompt = tuple((7 * i) % vocabulary for i in range(length))
            for temperature in (0.0, 1.0):
                waits.append(_Waiting())
                lanes.submit(LaneRequest(prompt, 3, (), Sampling(temperature)), waits[-1])
            _await(waits[-1:], lanes)
        yield waits


def _await(waits: list[_Waiting], lanes: Lanes) -> None:
    for one in waits:
        one.done.wait()
        if one.error:
            if isinstance(lanes.death(), FailOnRecompileLimitHit):
                raise StartError(f"torch.compile has hit its recompile limit, so parts would run uncompiled; {_REMEDY}")
            if classify(lanes.death() or RuntimeError(one.error)) == "other":
                raise BaseUnservable(f"model.base: the lanes cannot run this model: {one.error}; serve another base")
            raise ResidentLost(f"the model cannot answer: {one.error}")
