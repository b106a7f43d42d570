"""Many swaps under many clients with mixed prompts: each answer is compared with a fresh PEFT load's."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from hotswapd.daemon.bench.memory import held
from hotswapd.daemon.bench.peft_ways import peft_model, twin
from hotswapd.daemon.bench.samples import Findings, at_most
from hotswapd.swap.engine import Engine
from hotswapd.swap.errors import NoBerth
from hotswapd.swap.rows.asks import Ask

from .house import FULL, MOST, House, mixed_adapters
from .plain import generate

_LENGTHS = (1, 7, 16, 40)
_LIMIT = 900.0
_RETRY = 0.005
_FLAT = 32 << 20
"""Bytes by which memory may be more after the last swap than after the first tenth of them."""

Tokens = tuple[int, ...]


@dataclass(slots=True)
class _Seen:
    """What the clients saw; appended to from many threads."""

    right: list[bool] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def many_swaps(house: House, found: Findings) -> None:
    """Swap again and again, each time all the way from admission, under clients."""
    adapters = mixed_adapters(house.scene)[:3]
    prompts = [prompt[:length] for prompt, length in zip(house.crowd.prompts(4), _LENGTHS, strict=True)]
    tokens = house.crowd.tokens
    truths = [_truth(house, adapter, prompts, tokens) for adapter in adapters]
    recompiles = house.engine.resident.recompiles
    for number in range(1, FULL + 1):
        house.engine.rows.close(number)  # their berths are needed
    seen, over = _Seen(), threading.Event()
    swaps = _Swaps(house.engine, adapters)
    swaps.once()
    threads = [
        threading.Thread(target=_client, args=(house.engine, number, prompts, tokens, truths, swaps, seen, over))
        for number in range(MOST)
    ]
    for thread in threads:
        thread.start()
    try:
        taken, memory = swaps.many(house.scene.preset.swaps)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    _add(found, seen, taken, memory, house.engine.resident.recompiles - recompiles)


class _Swaps:
    """Takes the adapters to live, one after the other; `adapter` tells whose generation is which."""

    def __init__(self, engine: Engine, adapters: Sequence[Path]) -> None:
        self._engine = engine
        self._adapters = adapters
        self._numbers = count(100)
        self._done = 0
        self.adapter: dict[int, int] = {}

    def many(self, times: int) -> tuple[list[float], list[int]]:
        """Swap so often; return the seconds that each took, and the memory after each."""
        taken, memory = [], []
        for _ in range(times):
            taken.append(self.once())
            memory.append(held(self._engine.resident.device))
        return taken, memory

    def once(self) -> float:
        """Admit, stage, verify and go live with the next one; return the seconds."""
        began = time.perf_counter()
        which, number = self._done % len(self._adapters), next(self._numbers)
        image = self._staged(which)
        try:
            self._engine.resident.verify(image)
            self.adapter[number] = which
            self._engine.route(image, number)
        finally:
            self._engine.resident.drop(image)
        self._done += 1
        return time.perf_counter() - began

    def _staged(self, which: int) -> Any:
        resident = self._engine.resident
        plan = resident.admit(self._adapters[which])
        while True:
            try:
                return resident.stage(plan, f"{which + 1:064x}")
            except NoBerth:
                time.sleep(_RETRY)


def _client(
    engine: Engine,
    number: int,
    prompts: list[Tokens],
    tokens: int,
    truths: list[list[Tokens]],
    swaps: _Swaps,
    seen: _Seen,
    over: threading.Event,
) -> None:
    """Send one request after the other, and compare each answer with that of its own generation."""
    for asked in count(number):
        if over.is_set():
            return
        which = asked % len(prompts)
        try:
            done = engine.complete(Ask(prompts[which], tokens, ignore_eos=True), _LIMIT)
        except Exception as error:  # noqa: BLE001 - whatever it is, this request has failed
            seen.failed.append(f"{type(error).__name__}: {error}")
            continue
        seen.right.append(done.token_ids == truths[swaps.adapter[done.generation]][which])


def _truth(house: House, adapter: Path, prompts: list[Tokens], tokens: int) -> list[Tokens]:
    """Return what a fresh PEFT load answers."""
    model = peft_model(twin(house.plain), adapter)
    return [tuple(generate(model, [prompt], tokens)[0]) for prompt in prompts]


def _add(found: Findings, seen: _Seen, taken: list[float], memory: list[int], recompiles: int) -> None:
    facts = {
        "swaps": len(taken),
        "answers": len(seen.right),
        "first_failure": (seen.failed or [""])[0],
    }
    found.add("mixing.swaps.swap", "from admission to live under 16 clients", "s", taken, **facts)
    growth = memory[-1] - memory[len(memory) // 10]
    for name, value, what in (
        ("failed", len(seen.failed), "requests that failed"),
        ("mixed", seen.right.count(False), "answers that are not those of a fresh PEFT load of their generation"),
        ("recompiled", recompiles, "recompilations"),
    ):
        one = found.add(f"mixing.swaps.{name}", f"{what}, {len(taken)} swaps under 16 clients", "", [value], **facts)
        found.goals.append(at_most(f"mixing.swaps.{name}", f"{len(taken)} swaps: {what}", one.median, 0.0, ""))
    found.add("mixing.swaps.memory", "memory held more after all swaps than after a tenth", "bytes", [growth], **facts)
    found.goals.append(at_most("mixing.swaps.memory", "memory stays flat", float(growth), float(_FLAT), "bytes"))
