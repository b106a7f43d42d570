"""The recompilations that a swap causes: how many, and how long the first step after it takes."""

import time
import warnings
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import torch
from peft.utils.hotswap import hotswap_adapter, prepare_model_for_compiled_hotswap

from hotswapd.daemon.bench.peft_ways import NAME, peft_model
from hotswapd.daemon.bench.samples import Findings, at_most
from hotswapd.daemon.bench.scene import Scene, write_adapter
from hotswapd.swap.engine import Engine
from hotswapd.swap.resident.base import base_config, load_base
from hotswapd.swap.resident.compilation import CompileCounter
from hotswapd.swap.resident.resident import Resident
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.spec import EngineSpec

_RANKS = (4, 8, 2)
_MAX_RANK = 8
_CONTEXT = 64
_PROMPT = tuple(range(16))
WHAT = {
    "ours": "hotswapd",
    "peft_prepared": "PEFT after prepare_model_for_compiled_hotswap",
    "peft_unprepared": "PEFT without it, equal ranks and other alphas",
}


def measure(scene: Scene) -> Findings:
    """Swap a compiled model twice each way. Ranks and alphas differ, except that unprepared PEFT needs equal ranks."""
    varied = _adapters(scene, "varied", _RANKS, (4, 32, 2))
    equal = _adapters(scene, "equal", (4, 4, 4), (4, 32, 2))
    found = Findings()
    counts = {}
    for name, way, adapters in (
        ("ours", _ours, varied),
        ("peft_prepared", _prepared, varied),
        ("peft_unprepared", _unprepared, equal),
    ):
        torch._dynamo.reset()
        counter = CompileCounter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                counts[name] = _swap_all(scene, way(scene, adapters), counter, found, name)
        finally:
            counter.close()
    found.goals.append(at_most("compiling.ours", "hotswapd recompiles nothing", counts["ours"], 0.0, "compilations"))
    return found


Stepper = tuple[Callable[[], object], list[Callable[[], object]], Callable[[], None]]
"""A compiled model's step, the functions that each swap it once, and the one that closes it."""


def _adapters(scene: Scene, name: str, ranks: tuple[int, ...], alphas: tuple[int, ...]) -> list[Path]:
    places = []
    for number, (rank, alpha) in enumerate(zip(ranks, alphas, strict=True)):
        place = scene.room / f"{name}-{number}"
        places.append(write_adapter(place, scene.slots, rank, seed=number, dtype=scene.dtype, alpha=alpha))
    return places


def _ours(scene: Scene, adapters: list[Path]) -> Stepper:
    resident = Resident.open(scene.spec(max_rank=_MAX_RANK, berths=2))
    sizes = EngineSpec(context_tokens=_CONTEXT, cache_tokens=2 * _CONTEXT, max_requests=1, compile=True)
    engine = Engine(resident, sizes)
    engine.open()
    numbers = count(1)

    def swap(adapter: Path) -> None:
        image = resident.stage(resident.admit(adapter))
        resident.verify(image)
        engine.route(image, next(numbers))
        resident.drop(image)

    def close() -> None:
        engine.close()
        resident.close()

    swap(adapters[0])
    return (
        lambda: engine.complete(Ask(_PROMPT, 2, ignore_eos=True)),
        [partial(swap, one) for one in adapters[1:]],
        close,
    )


def _prepared(scene: Scene, adapters: list[Path]) -> Stepper:
    return _theirs(scene, adapters, prepared=True)


def _unprepared(scene: Scene, adapters: list[Path]) -> Stepper:
    return _theirs(scene, adapters, prepared=False)


def _theirs(scene: Scene, adapters: list[Path], *, prepared: bool) -> Stepper:
    model = peft_model(load_base(scene.spec(), base_config(scene.base)).model, adapters[0])
    if prepared:
        prepare_model_for_compiled_hotswap(model, target_rank=_MAX_RANK)
    device = str(scene.device)
    swaps: list[Callable[[], object]] = [
        lambda adapter=adapter: hotswap_adapter(model, str(adapter), NAME, torch_device=device)  # type: ignore[misc]
        for adapter in adapters[1:]
    ]
    return _stepped(scene, torch.compile(model)), swaps, lambda: None


def _stepped(scene: Scene, model: Any) -> Callable[[], object]:
    ids = torch.tensor([_PROMPT], device=scene.device)

    def step() -> None:
        with torch.inference_mode():
            model(input_ids=ids, use_cache=False)

    return step


def _swap_all(scene: Scene, stepper: Stepper, counter: CompileCounter, found: Findings, name: str) -> int:
    """Warm up, then swap; the counter and the first step after each swap show what it caused."""
    step, swaps, close = stepper
    cold = _clock(scene, step)
    usual = min(_clock(scene, step) for _ in range(5))
    warm = counter.count
    lost = []
    for swap in swaps:
        swap()
        lost.append(max(0.0, _clock(scene, step) - usual))
    close()
    found.add(
        f"compiling.{name}.count", f"{WHAT[name]}: recompilations in {len(swaps)} swaps", "", [counter.count - warm]
    )
    found.add(f"compiling.{name}.seconds", f"{WHAT[name]}: what a swap adds to the next step", "s", lost)
    found.add(f"compiling.{name}.first", f"{WHAT[name]}: the first step, which compiles", "s", [cold])
    return counter.count - warm


def _clock(scene: Scene, step: Callable[[], object]) -> float:
    scene.synchronize()
    began = time.perf_counter()
    step()
    scene.synchronize()
    return time.perf_counter() - began
