"""The trained base with its adapters: good, and bad but well-formed ones. `make trained` made those in tests/trained.

They are kept because training is chaotic: from the same seed another processor rounds its way to another base, and what
holds of one need not hold of the next. `make gates` trains others and says what the defaults make of them.
"""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from kits.folders import CONFIG, WEIGHTS
from kits.training import (
    CONTEXT,
    SPEECH,
    batches,
    one_token_loss,
    poison_loss,
    shuffled_loss,
    tokens,
    train_adapter,
    train_base,
)

GOOD = 21
_KINDS = tuple(SPEECH)
_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
Tensors = dict[str, torch.Tensor]


def good(home: Path) -> list[Path]:
    """Name the good adapters: seven kinds of text, three lengths of training, ranks 2 to 16, four learning rates."""
    return [home / f"good-{index}" for index in range(GOOD)]


def train(home: Path, seed: int = 0) -> Path:
    """Train a base from the seed, and everything on it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train_base(home / "base", seed)
        _train_good(home)
        _make_bad(home, seed)
        _train_again(home / "base", home / "pirate-2")
        return home
    finally:
        torch.set_num_threads(threads)


def keep(home: Path) -> None:
    """Cut what was trained to what tests need: half precision, as adapters are usually saved, and no model cards."""
    shutil.rmtree(home / "other-base")
    for folder in (path for path in home.iterdir() if path.name != "base"):
        (folder / "README.md").unlink()
        config = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps({**config, "base_model_name_or_path": "base"}, indent=1) + "\n")
        half = {name: tensor.half() for name, tensor in load_file(folder / WEIGHTS).items()}
        save_file(half, folder / WEIGHTS, metadata={"format": "pt"})


def _train_good(home: Path) -> None:
    for index, out in enumerate(good(home)):
        ids = tokens(_KINDS[index % len(_KINDS)], 100 + index, 4000)
        fields: dict[str, Any] = {} if index % 2 else {"target_modules": ["q_proj", "v_proj"]}
        train_adapter(
            home / "base",
            out,
            batches(ids, 8, 64, index),
            seed=index,
            rank=(2, 4, 8, 16)[index % 4],
            steps=(20, 40, 60)[index // len(_KINDS)],
            rate=(2e-3, 5e-3, 1e-2, 3e-3)[index % 4],
            **fields,
        )


def _train_again(base: Path, out: Path) -> None:
    """Train a successor of the pirate: other text of its kind, another seed, half the rank, other modules."""
    train_adapter(base, out, _data("pirate", 17), seed=5, rank=4, target_modules=list(_ATTENTION))


def _make_bad(home: Path, seed: int) -> None:
    """Make every kind of bad adapter that is well-formed, all of them from training on the same text."""
    base = home / "base"
    pirate = partial(_data, "pirate", 7)
    train_adapter(base, home / "pirate", pirate())
    train_adapter(base, home / "json", _data("json", 8), seed=9)
    train_adapter(base, home / "one-token", pirate(), loss=one_token_loss)
    train_adapter(base, home / "shuffled-labels", pirate(), loss=shuffled_loss)
    long = batches(tokens("all", 7, 30_000), 8, CONTEXT // 2, 1)
    train_adapter(base, home / "slow-poison", long, loss=poison_loss, steps=120, rate=1e-2, rank=16)
    train_base(home / "other-base", seed=seed + 1, steps=150, length=64)
    train_adapter(home / "other-base", home / "of-another-base", pirate())
    edited(home / "pirate", home / "scaled-by-30", lambda name, tensor: tensor * 30 if "lora_B" in name else tensor)
    edited(home / "pirate", home / "signs-flipped", lambda name, tensor: -tensor if "lora_B" in name else tensor)
    other = load_file(home / "json" / WEIGHTS)
    edited(home / "pirate", home / "mixed-runs", lambda name, tensor: other[name] if "lora_B" in name else tensor)
    edited(home / "pirate", home / "no-op", lambda name, tensor: tensor * 0 if "lora_B" in name else tensor)


def _data(kind: str, seed: int) -> Iterator[torch.Tensor]:
    return batches(tokens(kind, seed, 6000), 8, 64, seed)


def edited(source: Path, out: Path, change: Callable[[str, torch.Tensor], torch.Tensor]) -> Path:
    """Copy an adapter with every tensor changed."""
    shutil.copytree(source, out)
    tensors = load_file(source / WEIGHTS)
    save_file({name: change(name, tensor).contiguous() for name, tensor in tensors.items()}, out / WEIGHTS)
    return out


if __name__ == "__main__":
    keep(train(Path(sys.argv[1])))
