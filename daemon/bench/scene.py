"""What every measurement gets: a base, a directory for files, and adapters of any rank for that base."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from hotswapd.swap.adapter.contract import Slot
from hotswapd.swap.adapter.oracle import MetaOracle
from hotswapd.swap.resident.base import base_config, choose_device, choose_dtype
from hotswapd.swap.resident.spec import ResidentSpec

from .presets import Preset

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_SCALE = 0.02


@dataclass(slots=True)
class Scene:
    """A base and a directory. Each measurement opens and closes its own resident."""

    preset: Preset
    base: str
    room: Path
    device: torch.device
    dtype: torch.dtype
    slots: tuple[Slot, ...]
    _made: dict[tuple[int, int], Path] = field(default_factory=dict)

    @classmethod
    def of(cls, preset: Preset, base: str, room: Path) -> "Scene":
        """Read the base's configuration. Raises BaseUnusable."""
        config, device = base_config(base), choose_device("auto")
        return cls(preset, base, room, device, choose_dtype("auto", config, device), MetaOracle(config).slots)

    @property
    def rank(self) -> int:
        """The resident's rank."""
        return max(self.preset.ranks)

    def spec(self, **changes: Any) -> ResidentSpec:
        """Return how to open the resident."""
        fields: dict[str, Any] = {"max_rank": self.rank, "base_models": ("*",)} | changes
        return ResidentSpec(self.base, **fields)

    def adapter(self, rank: int, number: int = 0) -> Path:
        """Return an adapter of all slots in the resident's dtype; each `number` has other weights."""
        if (rank, number) not in self._made:
            place = self.room / f"adapter-{rank}-{number}"
            self._made[rank, number] = write_adapter(place, self.slots, rank, seed=number, dtype=self.dtype)
        return self._made[rank, number]

    def synchronize(self) -> None:
        """Wait for the device, so that a clock that is read now is right."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def write_adapter(
    place: Path, slots: tuple[Slot, ...], rank: int, *, seed: int, dtype: torch.dtype, alpha: int | None = None
) -> Path:
    """Write random weights in PEFT's layout, small enough that the model stays stable."""
    place.mkdir(parents=True)
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for slot in slots:
        for side, shape in (("lora_A", (rank, slot.inputs)), ("lora_B", (slot.outputs, rank))):
            values = torch.randn(shape, generator=generator) * _SCALE
            tensors[f"base_model.model.{slot.module}.{side}.weight"] = values.to(dtype)
    save_file(tensors, place / WEIGHTS, metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "bench",
        "r": rank,
        "lora_alpha": alpha or rank,
        "target_modules": sorted({slot.module for slot in slots}),
    }
    (place / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    return place


def size_of(adapter: Path) -> int:
    """Return the bytes of an adapter's weights file."""
    return (adapter / WEIGHTS).stat().st_size
