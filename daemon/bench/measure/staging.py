"""Staging: from a file to an image, compared with other ways to read the same file."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file

from hotswapd.daemon.bench.samples import Findings, at_least, interleave
from hotswapd.daemon.bench.scene import WEIGHTS, Scene, size_of
from hotswapd.swap.resident.resident import Resident

WHAT = {
    "ours": "hotswapd: read, lay out, check that all is finite, bring to the device",
    "map": "safetensors.torch.load_file, which on a CPU only maps the file",
    "load": "safetensors.torch.load_file, and one copy into memory on the device",
    "read": "reading the file's bytes into memory that is there",
}


def measure(scene: Scene) -> Findings:
    """Stage an adapter of each rank from the page cache, and the largest also from the disk."""
    found = Findings()
    resident = Resident.open(scene.spec(berths=2))
    try:
        for rank in scene.preset.ranks:
            _measure(scene, resident, rank, found)
    finally:
        resident.close()
    return found


def _measure(scene: Scene, resident: Resident, rank: int, found: Findings) -> None:
    adapter = scene.adapter(rank)
    size = size_of(adapter)
    ways = _ways(scene, resident, adapter)
    facts = {"file_bytes": size, "rank": rank, "max_rank": scene.rank, "berth_bytes": resident.layout.size}
    series = {}
    for name, seconds in interleave(ways, scene.preset.rounds).items():
        rates = [size / one / 1e6 for one in seconds]
        series[name] = found.add(f"staging.{name}.rank{rank}", WHAT[name], "MB/s", rates, **facts)
    against = found.compare(series["ours"], series["load"])
    if rank == scene.rank:
        sentence = "staging is at least as fast as load_file and one copy"
        found.goals.append(at_least("staging.load_file", sentence, against.median, 1.0))
        cold = [_cold(adapter, ways["ours"]) for _ in range(min(5, scene.preset.rounds))]
        rates = [size / one / 1e6 for one in cold]
        found.add("staging.cold", "hotswapd: staging a file that is not in the page cache", "MB/s", rates, **facts)


def _ways(scene: Scene, resident: Resident, adapter: Path) -> dict[str, Callable[[], float]]:
    plan = resident.admit(adapter)
    file = adapter / WEIGHTS
    here = torch.zeros(size_of(adapter), dtype=torch.uint8)
    there = torch.zeros(size_of(adapter), dtype=torch.uint8, device=scene.device)

    def ours() -> None:
        resident.drop(resident.stage(plan))

    def load() -> None:
        reached = 0
        for tensor in load_file(file).values():
            flat = tensor.view(-1).view(torch.uint8)
            there[reached : reached + len(flat)].copy_(flat)
            reached += len(flat)

    def read() -> None:
        with file.open("rb", buffering=0) as stream:
            stream.readinto(here.numpy().data)

    acts = {"ours": ours, "map": lambda: load_file(file), "load": load, "read": read}
    return {name: _clock(scene, act) for name, act in acts.items()}


def _clock(scene: Scene, act: Callable[[], object]) -> Callable[[], float]:
    def once() -> float:
        began = time.perf_counter()
        act()
        scene.synchronize()
        return time.perf_counter() - began

    return once


def _cold(adapter: Path, once: Callable[[], float]) -> float:
    """Run it with the file's pages dropped from the page cache."""
    descriptor = os.open(adapter / WEIGHTS, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    return once()
