"""How the ledger scales, and what the resident keeps in memory for its berths and its cache."""

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

from hotswapd.daemon.bench.memory import held
from hotswapd.daemon.bench.samples import Findings
from hotswapd.daemon.bench.scene import Scene
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.rows import Find
from hotswapd.daemon.ledger.states import State
from hotswapd.swap.berths.berths import Berths
from hotswapd.swap.engine import Engine
from hotswapd.swap.resident.resident import Resident
from hotswapd.swap.rows.spec import EngineSpec

_BATCH = 10_000
_SOURCES = 4
_BERTHS = (1, 4, 16)
_CACHE = (2048, 8192)


def measure(scene: Scene) -> Findings:
    """Question a ledger with a tenth of the rows and one with all; then make berths, and caches of two sizes."""
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
    resident = Resident.open(scene.spec(berths=1))
    _berths(scene, resident.layout.size, found)
    try:
        for tokens in _CACHE:
            before = held(scene.device)
            engine = Engine(resident, EngineSpec(context_tokens=512, cache_tokens=tokens, batch_tokens=512))
            engine.open()
            size, more = engine.cache_bytes, held(scene.device) - before
            engine.close(5.0)
            del engine
            found.add(f"scale.cache.bytes.{tokens}", f"a cache of {tokens} tokens, written or not", "bytes", [size])
            found.add(f"scale.cache.held.{tokens}", "an engine with it, once warm: memory held more", "bytes", [more])
    finally:
        resident.close()


def _berths(scene: Scene, size: int, found: Findings) -> None:
    """Measure what berths with an adapter in each cost, before anything is freed that could be reused."""
    for number in _BERTHS:
        before = held(scene.device)
        berths = Berths(size, number, scene.device)
        berths.memory.fill_(1)
        more = held(scene.device) - before
        found.add(f"scale.berths.held.{number}", f"{number} berths, filled", "bytes", [more], berth_bytes=size)
        del berths
