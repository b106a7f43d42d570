"""The pause: the time in which a swap lets no step run, for hotswapd, for PEFT, and for one copy of the same bytes."""

import time
from collections.abc import Callable
from typing import Any

from hotswapd.daemon.bench import peft_ways
from hotswapd.daemon.bench.samples import Findings, Series, at_least, at_most, interleave
from hotswapd.daemon.bench.scene import Scene, size_of
from hotswapd.swap.adapter.contract import Contract
from hotswapd.swap.adapter.oracle import MetaOracle
from hotswapd.swap.resident.base import base_config, load_base
from hotswapd.swap.resident.resident import DTYPE_NAMES, Resident

WHAT = {
    "ours": "hotswapd: commit",
    "limit": "one copy of the same bytes on the device",
    "turn": "taking and passing an empty turn",
    "verify": "hotswapd: all probe turns of one verification",
    "peft_tensors": "peft.hotswap_adapter_from_state_dict, tensors at hand",
    "peft_disk": "peft.hotswap_adapter from disk",
    "peft_reload": "PEFT: delete_adapter and load_adapter",
    "transformers": "transformers: load_adapter(hotswap=True)",
}


def measure(scene: Scene) -> Findings:
    """Compare every way round by round, all on one base."""
    adapters = scene.adapter(scene.rank, 0), scene.adapter(scene.rank, 1)
    config = base_config(scene.base)
    oracle = MetaOracle(config)
    base = load_base(scene.spec(), config)
    theirs = peft_ways.ways(base.model, adapters, scene.synchronize)
    contract = Contract(("*",), oracle.slots, scene.rank, DTYPE_NAMES[base.dtype])
    resident = Resident(base, contract, oracle, images=3)
    try:
        images = [resident.stage(resident.admit(adapter)) for adapter in adapters]
        ours = _ours(scene, resident, images)
        ready = {name: _after_a_probe(resident, images, way) for name, way in (ours | theirs).items()}
        taken = interleave(ready, scene.preset.rounds)
    finally:
        resident.close()
    facts = {
        "arena_bytes": resident.arena.layout.size,
        "file_bytes": size_of(adapters[0]),
        "slots": len(oracle.slots),
        "rank": scene.rank,
        "probe_turns": len(resident._prompts),
    }
    return _findings(taken, facts, scene.device.type)


def _ours(scene: Scene, resident: Resident, images: list[Any]) -> dict[str, Callable[[], float]]:
    generations = iter(range(1, 1 << 30))

    def other() -> Any:
        return next(image for image in images if image is not resident.live)

    def clock(act: Callable[[], object]) -> float:
        scene.synchronize()
        began = time.perf_counter()
        act()
        scene.synchronize()
        return time.perf_counter() - began

    def empty_turn() -> None:
        with resident.turn(resident.live):
            pass

    def limit() -> float:
        """Copy the same bytes between the same buffers with the same state of all caches, and nothing else."""
        with resident.turn(resident.live):
            taken = clock(lambda: resident.arena.buffer.copy_(other().buffer))
            resident.arena.buffer.copy_(resident.live.buffer)
        return taken

    return {
        "ours": lambda: resident.commit(other(), next(generations)),
        "limit": limit,
        "turn": lambda: clock(empty_turn),
        "verify": lambda: clock(lambda: resident.verify(other())),
    }


def _after_a_probe(resident: Resident, images: list[Any], way: Callable[[], float]) -> Callable[[], float]:
    """Let every way find threads and caches as a commit finds them, which follows a verification."""

    def once() -> float:
        resident.verify(next(image for image in images if image is not resident.live))
        return way()

    return once


def _findings(taken: dict[str, list[float]], facts: dict[str, Any], device: str) -> Findings:
    found = Findings()
    series = {name: found.add(f"pause.{name}", WHAT[name], "s", taken[name], **facts) for name in WHAT}
    ours, limit = series["ours"], series["limit"]
    to_limit = found.compare(ours, limit, "hotswapd's pause in copies")
    theirs = [found.compare(series[name], ours) for name in WHAT if name.startswith(("peft", "transformers"))]
    found.goals = _goals(series, to_limit, theirs, device)
    return found


def _goals(series: dict[str, Series], to_limit: Series, theirs: list[Series], device: str) -> list[Any]:
    allowed = 1.3 * series["limit"].median + series["turn"].median
    times = 50.0 if device == "cuda" else 10.0
    sentence = "hotswapd's pause is at most 1.3 copies and one step boundary"
    goals = [at_most("pause.limit", sentence, series["ours"].median, allowed, "s")]
    for one in theirs:
        name = one.key.split("/")[0]
        sentence = f"{name} takes at least {times:g} times hotswapd's pause"
        goals.append(at_least(f"{name}.times", sentence, one.median, times))
    return goals
