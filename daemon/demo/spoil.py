"""How the demo spoils a good adapter, each time with damage that a training job or a copy really does.

The weights are taken apart and put together as bytes, so that the demo itself need not load torch.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
_NOT_A_NUMBER = {"F32": b"\x00\x00\xc0\x7f", "F16": b"\x00\x7e", "BF16": b"\xc0\x7f"}

Tensors = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Damage:
    """A way to spoil an adapter in place, what it stands for, and the code that the daemon must give."""

    name: str
    story: str
    spoil: Callable[[Path], None]
    code: str


def spoiled(good: Path, damage: Damage, directory: Path) -> Path:
    """Copy a good adapter into the directory, spoil the copy, and return its path."""
    out = directory / damage.name
    shutil.copytree(good, out)
    damage.spoil(out)
    return out


def put_in_a_nan(adapter: Path) -> None:
    """Make one value of one tensor not a number, as a diverged training does."""
    tensors = _read(adapter / WEIGHTS)
    tensor = tensors[sorted(name for name in tensors if "lora_B" in name)[0]]
    nan = _NOT_A_NUMBER[tensor["dtype"]]
    tensor["data"] = nan + bytes(tensor["data"])[len(nan) :]
    _write(adapter / WEIGHTS, tensors)


def cut_short(adapter: Path) -> None:
    """Leave half of the weights file, as an interrupted copy does."""
    path = adapter / WEIGHTS
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def raise_rank(adapter: Path, times: int = 8) -> None:
    """Multiply the rank by `times`, in an adapter that is otherwise correct."""
    tensors = _read(adapter / WEIGHTS)
    for name, tensor in tensors.items():
        _repeat(tensor, "lora_A" in name, times)
    _write(adapter / WEIGHTS, tensors)
    config = json.loads((adapter / CONFIG).read_text(encoding="utf-8"))
    config["r"] *= times
    (adapter / CONFIG).write_text(json.dumps(config), encoding="utf-8")


def _repeat(tensor: dict[str, Any], down: bool, times: int) -> None:
    """Repeat a matrix below itself (A, whose rows are the rank) or beside itself (B, whose columns are)."""
    (rows, columns), data = tensor["shape"], bytes(tensor["data"])
    if down:
        tensor["shape"], tensor["data"] = [rows * times, columns], data * times
        return
    width = len(data) // rows
    tensor["shape"] = [rows, columns * times]
    tensor["data"] = b"".join(data[start : start + width] * times for start in range(0, len(data), width))


def _read(path: Path) -> Tensors:
    return dict(safetensors.deserialize(path.read_bytes()))  # type: ignore[no-untyped-call]


def _write(path: Path, tensors: Tensors) -> None:
    """Write the file format: a length (8 bytes, little-endian), a header in JSON, and the bytes of all tensors."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + len(tensor["data"])
        header[name] = {"dtype": tensor["dtype"], "shape": tensor["shape"], "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the bytes of the tensors begin at a multiple of 8
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(bytes(t["data"]) for t in tensors.values()))


DAMAGES = (
    Damage("diverged", "its training diverged: one weight is NaN", put_in_a_nan, "non_finite"),
    Damage("half-copied", "its copy stopped half-way", cut_short, "incomplete"),
    Damage("too-large", "its rank is above the daemon's max_rank", raise_rank, "rank_too_high"),
)
