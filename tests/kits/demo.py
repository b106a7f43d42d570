"""An adapter's two files, small enough to be looked at value by value."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from hotswapd.daemon.demo.spoil import CONFIG, WEIGHTS


def two_matrices(adapter: Path, dtype: torch.dtype = torch.float32) -> Path:
    """Save an adapter of rank 2 on one module, with values that all dtypes hold exactly."""
    adapter.mkdir()
    names = "base_model.model.model.layers.0.self_attn.q_proj.lora_{}.weight"
    a = torch.arange(6.0).reshape(2, 3).to(dtype)
    b = torch.arange(8.0).reshape(4, 2).to(dtype) + 1
    save_file({names.format("A"): a, names.format("B"): b}, adapter / WEIGHTS)
    (adapter / CONFIG).write_text('{"peft_type": "LORA", "r": 2, "lora_alpha": 4}')
    return adapter
