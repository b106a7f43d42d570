"""What an accepted adapter means: the logits and the greedy tokens of a fresh PEFT load, on seven architectures."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from kits.adapters import greedy, make_adapter, oracle_model
from kits.models import KINDS, MORE_KINDS, tiny
from kits.residents import MAX_RANK, PROMPTS, answer, go_live, largest_difference, opened, reference, same_bits

from hotswapd.swap.resident.resident import Resident

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

    def adapter(self, kind: str, name: str) -> Path:
        directory = self.root / kind / name.replace(" ", "-")
        if not directory.exists():
            slots = self.resident(kind).contract.slots
            leaves = list(dict.fromkeys(slot.module.rpartition(".")[2] for slot in slots))
            make_adapter(self.base(kind), directory, seed=len(name), **CASES[name](leaves))
        return directory

    def close(self) -> None:
        for _, context in self.open.values():
            context.__exit__(None, None, None)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    made = Homes(tmp_path_factory.mktemp("meaning"))
    yield made
    made.close()


@pytest.mark.parametrize(("kind", "name"), RUNS)
def test_answers_as_a_fresh_load_does(homes: Homes, kind: str, name: str) -> None:
    """Logits within 1e-4 and the same greedy tokens, whatever adapter was there before."""
    resident, adapter = homes.resident(kind), homes.adapter(kind, name)
    image = go_live(resident, adapter)
    fresh = oracle_model(homes.base(kind), adapter)
    assert largest_difference(answer(resident), reference(homes.base(kind), adapter)) < CLOSE
    assert largest_difference(answer(resident), answer(resident, resident.base_image)) > 100 * CLOSE
    with resident.turn(image):
        tokens = [greedy(resident.model, prompt, TOKENS) for prompt in PROMPTS]
    assert tokens == [greedy(fresh, prompt, TOKENS) for prompt in PROMPTS]


@pytest.mark.parametrize("kind", [*KINDS, *MORE_KINDS])
def test_the_base_answers_as_without_slots(homes: Homes, kind: str) -> None:
    """Slots that are zero add nothing, to the last bit."""
    resident = homes.resident(kind)
    assert same_bits(answer(resident, resident.base_image), reference(homes.base(kind), None))


ROUNDING = {"bfloat16": 2.0**-8, "float16": 2.0**-11}


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("name", ["plain", "everything", "all of it by name", "the highest rank", "from float16"])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_half_precision_is_within_its_rounding(homes: Homes, kind: str, name: str, dtype: str) -> None:
    """Within four roundings of the largest logit of a load with the same cast, and no step prefers another token."""
    resident, adapter = homes.resident(kind, dtype), homes.adapter(kind, name)
    go_live(resident, adapter)
    ours, theirs = answer(resident), reference(homes.base(kind), adapter, getattr(torch, dtype))
    for one, other in zip(ours, theirs, strict=True):
        tolerance = 4 * ROUNDING[dtype] * float(other.abs().max())
        assert float((one - other).abs().max()) <= tolerance
        chosen = other.gather(-1, one.argmax(-1, keepdim=True)).squeeze(-1)
        assert bool((other.amax(-1) - chosen <= tolerance).all())


def test_adapters_in_half_precision_are_told_apart(homes: Homes) -> None:
    """The tolerance above is far smaller than what any of the adapters changes."""
    resident = homes.resident("llama", "bfloat16")
    for name in ("plain", "everything"):
        go_live(resident, homes.adapter("llama", name))
        ours, base = answer(resident), answer(resident, resident.base_image)
        assert largest_difference(ours, base) > 40 * ROUNDING["bfloat16"] * max(float(one.abs().max()) for one in base)
