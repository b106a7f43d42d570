"""The pause: what going live takes, for hotswapd, for PEFT, and for one copy of the same bytes."""

import time
from collections.abc import Callable
from typing import Any

import torch

from hotswapd.daemon.bench import peft_ways
from hotswapd.daemon.bench.samples import Findings, Series, at_least, at_most, interleave
from hotswapd.daemon.bench.scene import Scene, size_of
from hotswapd.swap.adapter.contract import Contract
from hotswapd.swap.adapter.oracle import MetaOracle
from hotswapd.swap.resident.base import base_config, load_base
from hotswapd.swap.resident.resident import DTYPE_NAMES, Resident
from hotswapd.swap.rows.rows import Rows

WHAT = {
    "ours": "hotswapd: the change of route",
    "limit": "one copy of the same bytes on the device",
    "step": "taking and passing the right to an empty step",
    "verify": "hotswapd: all probes of one verification",
    "peft_tensors": "peft.hotswap_adapter_from_state_dict, tensors at hand",
    "peft_disk": "peft.hotswap_adapter from disk",
    "peft_reload": "PEFT: delete_adapter and load_adapter",
    "transformers": "transformers: load_adapter(hotswap=True)",
}

_ROUTE = 100e-6


def measure(scene: Scene) -> Findings:
    """Compare every way round by round, all on one base."""
    adapters = scene.adapter(scene.rank, 0), scene.adapter(scene.rank, 1)
    config = base_config(scene.base)
    oracle = MetaOracle(config)
    base = load_base(scene.spec(), config)
    theirs = peft_ways.ways(base.model, adapters, scene.synchronize)
    contract = Contract(("*",), oracle.slots, scene.rank, DTYPE_NAMES[base.dtype])
    resident = Resident(base, contract, oracle, berths=2)
    try:
        images = [resident.stage(resident.admit(adapter)) for adapter in adapters]
        ours = _ours(scene, resident, images)
        ready = {name: _after_a_probe(resident, images, way) for name, way in (ours | theirs).items()}
        taken = interleave(ready, scene.preset.rounds)
    finally:
        resident.close()
    facts = {
        "berth_bytes": resident.layout.size,
        "file_bytes": size_of(adapters[0]),
        "slots": len(oracle.slots),
        "rank": scene.rank,
        "probes": len(resident._prompts),
    }
    return _findings(taken, facts, scene.device.type)


def _ours(scene: Scene, resident: Resident, images: list[Any]) -> dict[str, Callable[[], float]]:
    rows = Rows(resident.berths, max_queue=1)
    generations = iter(range(1, 1 << 30))
    rows.route(images[0], next(generations))
    beside = torch.empty_like(images[0].buffer)

    def other() -> Any:
        return next(image for image in images if image is not rows.live())

    def clock(act: Callable[[], object]) -> float:
        scene.synchronize()
        began = time.perf_counter()
        act()
        scene.synchronize()
        return time.perf_counter() - began

    def empty_step() -> None:
        with resident.step():
            pass

    return {
        "ours": lambda: clock(lambda: rows.route(other(), next(generations))),
        "limit": lambda: clock(lambda: beside.copy_(other().buffer)),
        "step": lambda: clock(empty_step),
        "verify": lambda: clock(lambda: resident.verify(other())),
    }


def _after_a_probe(resident: Resident, images: list[Any], way: Callable[[], float]) -> Callable[[], float]:
    """Let every way find threads and caches as going live finds them, which follows a verification."""

    def once() -> float:
        resident.verify(images[0])
        return way()

    return once


def _findings(taken: dict[str, list[float]], facts: dict[str, Any], device: str) -> Findings:
    found = Findings()
    series = {name: found.add(f"pause.{name}", WHAT[name], "s", taken[name], **facts) for name in WHAT}
    ours = series["ours"]
    found.compare(ours, series["limit"], "hotswapd's pause in copies")
    theirs = [found.compare(series[name], ours) for name in WHAT if name.startswith(("peft", "transformers"))]
    found.goals = _goals(ours, theirs, device)
    return found


def _goals(ours: Series, theirs: list[Series], device: str) -> list[Any]:
    times = 50.0 if device == "cuda" else 10.0
    goals = [at_most("pause.route", "going live takes under 100 microseconds", ours.median, _ROUTE, "s")]
    for one in theirs:
        name = one.key.split("/")[0]
        sentence = f"{name} takes at least {times:g} times hotswapd's pause"
        goals.append(at_least(f"{name}.times", sentence, one.median, times))
    return goals
