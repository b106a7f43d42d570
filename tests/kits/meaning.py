"""The accepted kinds of adapters on seven architectures, and what keeps a resident or a loop open for each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from hotswapd.swap.resident.resident import Resident
from kits.adapters import make_adapter
from kits.models import KINDS, MORE_KINDS, tiny
from kits.residents import MAX_RANK, opened
from kits.rows import Bench, bench

TOKENS = 10
CLOSE = 1e-4

# Each is made from the names of the base's kinds of modules, in the base's order.
CASES: dict[str, Callable[[list[str]], dict[str, Any]]] = {
    "plain": lambda names: {"targets": names[:2]},
    "everything": lambda names: {"targets": names, "rank": 3, "alpha": 5},
    "dropout": lambda names: {"targets": names, "lora_dropout": 0.4},
    "rank-stabilised": lambda names: {"targets": names, "use_rslora": True, "rank": 5, "alpha": 3},
    "rank 1": lambda names: {"targets": names, "rank": 1, "alpha": 2},
    "the highest rank": lambda names: {"targets": names[1:], "rank": MAX_RANK, "alpha": 20},
    "ranks by name": lambda names: {"targets": names, "rank_pattern": {names[0]: MAX_RANK, f"1.{names[-1]}": 2}},
    "alphas by name": lambda names: {"targets": names, "alpha_pattern": {names[1]: 1.5, f"^x.{names[0]}": 99}},
    "all of it by name": lambda names: {
        "targets": names,
        "use_rslora": True,
        "rank_pattern": {names[0]: 2, names[1]: 11},
        "alpha_pattern": {names[0]: 7, names[-1]: 1},
        "dtype": torch.float16,
    },
    "minor components": lambda names: {"targets": names, "init_lora_weights": "mica"},
    "one kind of module": lambda names: {"targets": names[-1:]},
    "one layer": lambda names: {"targets": names, "layers_to_transform": [1]},
    "from float16": lambda names: {"targets": names[:2], "dtype": torch.float16},
    "from bfloat16": lambda names: {"targets": names[:2], "dtype": torch.bfloat16},
}
BESIDE = ("everything", "all of it by name", "one kind of module")
"""What answers beside the one that is tried."""
FEW = ("everything", "all of it by name", "one layer", "one kind of module")
RUNS = [(kind, name) for kind in ("llama", "gpt2") for name in CASES] + [
    (kind, name) for kind in (*KINDS, *MORE_KINDS) if kind not in ("llama", "gpt2") for name in FEW
]


class Homes:
    """Keeps one resident for each architecture and dtype, so that each case swaps over what the last one left."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.open: dict[tuple[str, str], Any] = {}

    def base(self, kind: str) -> Path:
        directory = self.root / kind / "base"
        return directory if directory.exists() else tiny(kind, directory)

    def resident(self, kind: str, dtype: str = "float32") -> Resident:
        if (kind, dtype) not in self.open:
            context = opened(self.base(kind), dtype=dtype)
            self.open[kind, dtype] = (context.__enter__(), context)
        made: Resident = self.open[kind, dtype][0]
        return made

    def adapter(self, kind: str, name: str, seed: int = 0) -> Path:
        directory = self.root / kind / f"{name.replace(' ', '-')}-{seed}"
        if not directory.exists():
            slots = self.resident(kind).contract.slots
            leaves = list(dict.fromkeys(slot.module.rpartition(".")[2] for slot in slots))
            make_adapter(self.base(kind), directory, seed=len(name) + seed, **CASES[name](leaves))
        return directory

    def bench(self, kind: str, dtype: str = "float32", runner: str = "rows") -> Bench:
        """Open a loop with three adapters beside what is tried, under the numbers 1 to 3."""
        key = (kind, f"{dtype} {runner}")
        if key not in self.open:
            context = bench(berths=4, dtype=dtype, base=self.base(kind), context_tokens=128, runner=runner)
            self.open[key] = (context.__enter__(), context)
            for number, name in enumerate(BESIDE, start=1):
                made = self.open[key][0]
                image = made.resident.stage(made.resident.admit(self.adapter(kind, name, seed=90 + number)), name)
                made.rows.open(image, number)
                made.resident.drop(image)
        found: Bench = self.open[key][0]
        return found

    def close(self) -> None:
        for _, context in self.open.values():
            context.__exit__(None, None, None)
