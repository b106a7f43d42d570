"""What the daemon does with an adapter's two files before any of it reaches the model, and what it then means."""

import hashlib
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from kits.folders import CONFIG, WEIGHTS
from kits.models import tiny
from transformers import AutoConfig

from hotswapd.loaders.whole import config_lacking, weights_lacking
from hotswapd.swap.adapter.admission import Plan, admit
from hotswapd.swap.adapter.contract import Contract
from hotswapd.swap.adapter.manifest import read_manifest
from hotswapd.swap.adapter.oracle import MetaOracle
from hotswapd.swap.berths.filling import fill_host_image
from hotswapd.swap.berths.layout import Layout
from hotswapd.swap.errors import Rejected

from .fuzz_mutants import Pair

MAX_RANK = 8
Meaning = dict[str, list[Any]]
"""Of each module: rank, scaling, and the digests of A and of B in float32."""


@dataclass(slots=True)
class Target:
    """One base, and where its adapters are tried. `codes` counts what was refused; `slowest` is in seconds of work."""

    base: Path
    room: Path
    codes: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    slowest: float = 0.0
    oracle: MetaOracle = field(init=False)
    contract: Contract = field(init=False)
    layout: Layout = field(init=False)
    host: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.oracle = MetaOracle(AutoConfig.from_pretrained(self.base))
        self.contract = Contract((str(self.base),), self.oracle.slots, MAX_RANK, "float32")
        self.layout = Layout.of(self.contract, torch.float32)
        self.host = torch.zeros(self.layout.size, dtype=torch.uint8)

    @property
    def tried(self) -> int:
        return self.accepted + self.codes.total()

    def meet(self, pair: Pair) -> tuple[Path, Meaning] | None:
        """Try one. Returns where it lies and what it means if it is taken; anything but a refusal by name raises."""
        place = self.room / f"mutant-{self.tried}"
        place.mkdir()
        (place / CONFIG).write_bytes(pair.config)
        (place / WEIGHTS).write_bytes(pair.weights)
        began = time.thread_time()
        try:
            self._look(pair)
            plan = self._admit(place)
        except Rejected as error:
            assert error.misfits
            for misfit in error.misfits:
                str(misfit).encode()  # it goes into a log and a database
            self.codes[error.code] += 1
            discard(place)
            return None
        finally:
            self.slowest = max(self.slowest, time.thread_time() - began)
        self.accepted += 1
        return place, self._meaning(plan)

    def _look(self, pair: Pair) -> None:
        """Look as a source does that judges whether the files are whole."""
        config_lacking(pair.config)
        weights_lacking(lambda length, offset: pair.weights[offset : offset + length], len(pair.weights))

    def _admit(self, place: Path) -> Plan:
        plan = admit(read_manifest(place), self.contract, self.oracle)
        fill_host_image(self.host, plan, self.layout)
        return plan

    def _meaning(self, plan: Plan) -> Meaning:
        placed = {placement.slot.module: placement for placement in plan.placements}
        told: Meaning = {}
        for place in self.layout:
            a, b = place.a.view(self.host), place.b.view(self.host)
            placement = placed.get(place.slot.module)
            if placement is None:
                assert not a.any()
                assert not b.any()
                continue
            rank = placement.rank
            told[place.slot.module] = [rank, placement.scaling, digest(a[:rank]), digest(b[:, :rank])]
        return told


def digest(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()


def discard(place: Path) -> None:
    """Delete a mutant."""
    for file in place.iterdir():
        file.unlink()
    place.rmdir()


def make_target(room: Path) -> Target:
    """Make a tiny base, and a place for mutants of its adapters."""
    (room / "mutants").mkdir(parents=True)
    return Target(tiny("llama", room / "base"), room / "mutants")


def keep(pair: Pair, place: Path) -> None:
    """Save a mutant that did what none may, to look at."""
    place.mkdir(parents=True, exist_ok=True)
    (place / CONFIG).write_bytes(pair.config)
    (place / WEIGHTS).write_bytes(pair.weights)
