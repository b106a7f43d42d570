"""How the ledger scales, and what the resident keeps in memory for each lane and each generation."""

import gc
import os
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import torch

from hotswapd.daemon.bench.samples import Findings
from hotswapd.daemon.bench.scene import Scene
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.rows import Find
from hotswapd.daemon.ledger.states import State
from hotswapd.swap.engine import Engine
from hotswapd.swap.resident.resident import Resident
from hotswapd.swap.rows.sizes import EngineSpec

_BATCH = 10_000
_SOURCES = 4
_LANES = (1, 2, 3)
_MORE_IMAGES = (0, 2, 4)


def measure(scene: Scene) -> Findings:
    """Question a ledger with a tenth of the rows and one with all; then open engines with more lanes and images."""
    found = Findings()
    for rows in (scene.preset.rows // 10, scene.preset.rows):
        _ledger(scene, rows, found)
    _memory(scene, found)
    return found


def _ledger(scene: Scene, rows: int, found: Findings) -> None:
    path = scene.room / f"ledger-{rows}.sqlite"
    fill_ledger(path, rows)
    began = time.perf_counter()
    ledger = Ledger(path)
    opened = time.perf_counter() - began
    size = path.stat().st_size
    try:
        found.add(f"scale.ledger.open.{rows}", f"ledger of {rows} rows: open and check", "s", [opened], bytes=size)
        for name, ask in _questions(ledger, rows).items():
            taken = [_seconds(ask) for _ in range(scene.preset.rounds)]
            found.add(f"scale.ledger.{name}.{rows}", f"ledger of {rows} rows: {name}", "s", taken, bytes=size)
    finally:
        ledger.close()
        path.unlink()


def fill_ledger(path: Path, rows: int) -> None:
    """Write rows of several sources; all but the last few have ended, as in the ledger of an old daemon."""
    ledger = Ledger(path)
    for first in range(0, rows, _BATCH):
        ledger.add([_find(number, rows) for number in range(first, min(first + _BATCH, rows))])
    ledger.close()


def _find(number: int, rows: int) -> Find:
    state = State.SIGHTED if number >= rows - 8 else State.SUPERSEDED
    return Find(f"source-{number % _SOURCES}", f"file:///srv/adapters/run-{number}", f"r{number}", float(number), state)


def _questions(ledger: Ledger, rows: int) -> dict[str, Callable[[], object]]:
    numbers = count(rows)
    middle = f"file:///srv/adapters/run-{rows // 2}"
    return {
        "history": lambda: ledger.rows.history(20),
        "latest": lambda: ledger.rows.latest(middle),
        "known": lambda: ledger.rows.known("source-1"),
        "fetchable": lambda: ledger.rows.fetchable("source-1"),
        "unfetched": lambda: ledger.rows.unfetched("source-1"),
        "open_rows": ledger.rows.open,
        "open_count": ledger.rows.open_count,
        "in_store": ledger.rows.in_store,
        "verdict": lambda: ledger.rows.verdict("0" * 64, "f"),
        "add": lambda: ledger.add([_find(next(numbers), rows)]),
    }


def _seconds(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


def _memory(scene: Scene, found: Findings) -> None:
    """Measure what is allocated, and what the process (or the device) holds in addition."""
    base = Resident.open(scene.spec(images=max(_LANES) + 2))
    _images(scene, base.arena.layout.size, found)
    try:
        for lanes in _LANES:
            before = _held(scene)
            engine = Engine(base, EngineSpec(lanes=lanes, context_tokens=512, cache_tokens=2048, batch_tokens=512))
            engine.open()
            caches = [seat.lane._processor.cache.cache_tensor.nbytes for seat in engine.lanes._seats]
            held = _held(scene) - before
            engine.close(5.0)
            del engine
            found.add(f"scale.lanes.cache.{lanes}", f"{lanes} lanes: their caches", "bytes", [sum(caches)])
            found.add(f"scale.lanes.held.{lanes}", f"{lanes} lanes: memory held more, once warm", "bytes", [held])
    finally:
        base.close()


def _images(scene: Scene, arena: int, found: Findings) -> None:
    """Measure what each generation kept on the device costs, before anything is freed that could be reused."""
    for more in _MORE_IMAGES:
        before = _held(scene)
        kept = [torch.ones(arena, dtype=torch.uint8, device=scene.device) for _ in range(more)]
        found.add(
            f"scale.images.held.{more}", f"{more} images more", "bytes", [_held(scene) - before], arena_bytes=arena
        )
        del kept


def _held(scene: Scene) -> int:
    gc.collect()
    if scene.device.type == "cuda":
        return int(torch.cuda.memory_allocated(scene.device))
    pages: Any = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
