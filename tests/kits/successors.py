"""The fixed list by which `verify.replay.max_score` was chosen: successors of an adapter, and spoilt copies of it.

The list came first and the limit after it. Each is made from the files of the adapter that is live, and of one that was
trained for another task; those that were trained anew are in tests/trained, and kits/lessons.py has the recipes of the
demo's. Everything is a function of seeds.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from kits.folders import CONFIG, WEIGHTS

Tensors = dict[str, torch.Tensor]
Change = Callable[[Tensors, Tensors], Tensors]
"""Makes an adapter's tensors from those of the live one and of one for another task; float32, by their names."""
RETRAINED = ("good-11", "good-18", "pirate-2")
"""In tests/trained: other seeds, ranks, modules and lengths of training for the pirate's task."""
UNLEARNED = "good-4"
"""In tests/trained: meant for that task, but it has not learned it. It was on the list, and pirate-2 has its place."""


def scaled(by: float) -> Change:
    """Multiply what the adapter adds."""
    return lambda live, _: {name: tensor * by if _is_b(name) else tensor for name, tensor in live.items()}


def half_off(live: Tensors, _: Tensors) -> Tensors:
    """Turn every second layer off."""
    return {name: tensor * 0 if _is_b(name) and _layer(name) % 2 else tensor for name, tensor in live.items()}


def rounded(live: Tensors, _: Tensors) -> Tensors:
    """Round each tensor to 8 bits."""
    return {name: _to_8_bits(tensor) for name, tensor in live.items()}


def jittered(share: float, seed: int) -> Change:
    """Add noise of a share of each tensor's own size."""

    def change(live: Tensors, _: Tensors) -> Tensors:
        return {name: tensor + share * _noise_like(tensor, seed + at) for at, (name, tensor) in enumerate(live.items())}

    return change


def half_rank(live: Tensors, _: Tensors) -> Tensors:
    """Keep the better half of what each module learned, in as many rows as before."""
    made = dict(live)
    for name in filter(_is_b, live):
        a, b = live[_a_of(name)], live[name]
        u, s, v = torch.linalg.svd(b @ a, full_matrices=False)
        rank = len(a)
        kept = s[:rank] * (torch.arange(rank) < (rank + 1) // 2)
        made[name], made[_a_of(name)] = u[:, :rank] * kept, v[:rank].clone()
    return made


def layers_reversed(live: Tensors, _: Tensors) -> Tensors:
    """Give the first layer what the last one learned, and so on."""
    most = max(map(_layer, live))
    return {name: live[name.replace(f".{_layer(name)}.", f".{most - _layer(name)}.", 1)] for name in live}


def b_permuted(live: Tensors, _: Tensors) -> Tensors:
    """Shuffle the outputs of every module, three times as large."""
    return {name: 3 * tensor[_order(len(tensor), 1)] if _is_b(name) else tensor for name, tensor in live.items()}


def noise_for_b(live: Tensors, _: Tensors) -> Tensors:
    """Put noise of the same size into B."""
    return {name: _noise_like(tensor, at) if _is_b(name) else tensor for at, (name, tensor) in enumerate(live.items())}


def noise_for_both(live: Tensors, _: Tensors) -> Tensors:
    """Put noise of the same size into A and B."""
    return {name: _noise_like(tensor, 1000 + at) for at, (name, tensor) in enumerate(live.items())}


def ranks_shuffled(live: Tensors, _: Tensors) -> Tensors:
    """Let A's rows no longer belong to B's columns."""
    return {name: tensor if _is_b(name) else tensor.roll(1, 0) for name, tensor in live.items()}


def inputs_shuffled(live: Tensors, _: Tensors) -> Tensors:
    """Shuffle the inputs of every module."""
    return {name: tensor if _is_b(name) else tensor[:, _order(tensor.shape[1], 2)] for name, tensor in live.items()}


def b_of_another_run(live: Tensors, other: Tensors) -> Tensors:
    """Take B from an adapter for another task, wherever its shape allows."""
    return {name: _taken(name, tensor, other) if _is_b(name) else tensor for name, tensor in live.items()}


SUCCESSORS: Mapping[str, Change] = {
    "at 0.6": scaled(0.6),
    "at 0.8": scaled(0.8),
    "at 1.3": scaled(1.3),
    "every second layer off": half_off,
    "half its rank": half_rank,
    "rounded to 8 bits": rounded,
    "with 10 % noise": jittered(0.1, 5),
}
"""With the three retrained ones these are ten."""
SPOILT: Mapping[str, Change] = {
    "signs flipped": scaled(-1.0),
    "layers reversed": layers_reversed,
    "B permuted, times 3": b_permuted,
    "noise for B": noise_for_b,
    "noise for A and B": noise_for_both,
    "ranks shuffled": ranks_shuffled,
    "inputs shuffled": inputs_shuffled,
    "B of another run": b_of_another_run,
    "at 30": scaled(30.0),
    "trained on nothing": scaled(0.0),
}


def write(change: Change, live: Path, other: Path, out: Path) -> Path:
    """Write what a change makes of the adapter in `live`, with the configuration of that."""
    made = change(_read(live), _read(other))
    out.mkdir(parents=True)
    shutil.copy(live / CONFIG, out / CONFIG)
    save_file({name: tensor.contiguous().clone() for name, tensor in made.items()}, out / WEIGHTS)
    return out


def _read(adapter: Path) -> Tensors:
    return {name: tensor.float() for name, tensor in sorted(load_file(adapter / WEIGHTS).items())}


def _is_b(name: str) -> bool:
    return "lora_B" in name


def _a_of(name: str) -> str:
    return name.replace("lora_B", "lora_A")


def _layer(name: str) -> int:
    return int(name.partition(".layers.")[2].partition(".")[0])


def _order(count: int, seed: int) -> torch.Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def _noise_like(tensor: torch.Tensor, seed: int) -> torch.Tensor:
    noise = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(seed))
    scaled_noise: torch.Tensor = noise * (tensor.norm() / noise.norm())
    return scaled_noise


def _to_8_bits(tensor: torch.Tensor) -> torch.Tensor:
    step = tensor.abs().max() / 127
    return (tensor / step).round() * step


def _taken(name: str, tensor: torch.Tensor, other: Tensors) -> torch.Tensor:
    """Take another run's B, with the columns that both have and the size of the live one's."""
    found = other.get(name)
    if found is None or len(found) != len(tensor):
        return tensor
    taken = torch.zeros_like(tensor)
    columns = min(tensor.shape[1], found.shape[1])
    taken[:, :columns] = found[:, :columns]
    sized: torch.Tensor = taken * (tensor.norm() / taken.norm())
    return sized
