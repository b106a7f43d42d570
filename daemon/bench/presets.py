"""The presets: named shapes with random weights, so that nothing is downloaded, and how long to measure each."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotswapd.daemon.demo.model import cache_directory, unpacked_model

_SHARED = {"tie_word_embeddings": False, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None}


@dataclass(frozen=True, slots=True)
class Preset:
    """What to measure, and for how long.

    `ranks` are those of the dropped adapters; the largest is the resident's. `periods` are seconds between swaps,
    `window` seconds of load for each way of serving. `folders`, `rows`, `swaps` and `channels` are counts. `eager`
    serves uncompiled.
    """

    name: str
    kind: str = ""
    sizes: Mapping[str, Any] = field(default_factory=dict)
    ranks: tuple[int, ...] = (8, 64)
    rounds: int = 15
    periods: tuple[float, ...] = (1.0, 10.0, 60.0)
    window: float = 75.0
    windows: int = 1
    clients: int = 8
    prompt: int = 64
    tokens: int = 64
    folders: tuple[int, ...] = (100, 10_000)
    rows: int = 1_000_000
    settle: float = 2.0
    swaps: int = 50
    channels: int = 1000
    eager: bool = False


_TINY = {
    "vocab_size": 512,
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}
_HALF = {
    "vocab_size": 151_936,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32_768,
}
_EIGHT = {
    "vocab_size": 128_256,
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 131_072,
}

TINY = Preset(
    "tiny",
    "llama",
    _TINY,
    ranks=(4, 32),
    periods=(0.1, 1.0, 3.0),
    window=4.0,
    windows=3,
    clients=4,
    prompt=16,
    tokens=24,
    folders=(100, 1_000),
    rows=20_000,
    settle=0.2,
)
DEMO = Preset("demo", ranks=(8, 16), rounds=9, prompt=32, tokens=24)
"""The demo's model and its adapters: real weights, out of a package and not from the network."""
PRESETS = {
    "tiny": TINY,
    "demo": DEMO,
    "0.5b": Preset("0.5b", "qwen2", {**_HALF, "tie_word_embeddings": True}),
    "8b": Preset("8b", "llama", _EIGHT, ranks=(2, 64, 384)),
}
OF_A_REAL_BASE = Preset("base")


def build_base(preset: Preset, directory: Path) -> Path:
    """Save the preset's shape with random weights, in bfloat16 if there is CUDA, and return the directory.

    The demo's model is unpacked once, where the demo has it. Raises NoDemoModel.
    """
    if preset.name == DEMO.name:
        return unpacked_model(cache_directory(os.environ))
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    config = AutoConfig.for_model(preset.kind, **{**_SHARED, **preset.sizes})
    config.dtype = torch.bfloat16 if device == "cuda" else torch.float32
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=config.dtype)
    model.save_pretrained(directory)
    return directory
