"""Small bases of many families by their configuration alone, and adapters for modules of any name."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors.torch import save_file
from transformers import AutoConfig, PretrainedConfig

from kits.folders import CONFIG, WEIGHTS

SIZES: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
}
_EXPERTS = {"n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 8, "first_k_dense_replace": 1}

UNSERVED: dict[str, tuple[dict[str, Any], str]] = {
    "blip-2": ({"text_config": {"model_type": "opt", "num_hidden_layers": 1}}, "needs pixel_values with every text"),
    "bert": ({}, "is an encoder"),
    "bart": ({"encoder_layers": 1, "decoder_layers": 1, "d_model": 16}, "is an encoder with a decoder"),
    "t5": ({}, "is not a causal language model"),
    "vit": ({}, "is not a causal language model"),
}
"""Families that are refused: the fields of their configuration, and words of the reason."""
SPLIT_EXPERTS = {**_EXPERTS, "n_group": 1, "topk_group": 1}
"""Fields with which a family has a layer without experts before its fused ones, for which PEFT has no names."""


def configuration(family: str, **fields: Any) -> PretrainedConfig:
    """Make a small configuration of a family; a field that is None is left to the family."""
    usual = {} if "text_config" in fields else SIZES
    return AutoConfig.for_model(family, **{k: v for k, v in (usual | fields).items() if v is not None})


def base_without_weights(directory: Path, family: str, **fields: Any) -> Path:
    configuration(family, **fields).save_pretrained(directory)
    return directory


def base_with_code(directory: Path, **more: Any) -> Path:
    """Make a base that transformers does not know, whose code leaves a file called ``ran`` beside it and prints."""
    directory.mkdir(parents=True)
    described = {"model_type": "other", "auto_map": {"AutoConfig": "configuration_x.XConfig"}, **more}
    (directory / "config.json").write_text(json.dumps(described))
    (directory / "configuration_x.py").write_text(
        "from pathlib import Path\nfrom transformers import LlamaConfig\n"
        f"Path({str(directory / 'ran')!r}).touch()\nprint('the code of the base ran')\n"
        "class XConfig(LlamaConfig):\n    model_type = 'other'\n"
    )
    return directory


def adapter_for(directory: Path, modules: Iterable[str], size: int = 16, **fields: Any) -> Path:
    """Make an adapter of rank 1 for square modules of these full names; `fields` are set in its configuration."""
    names = list(modules)
    targets = sorted({name.rpartition(".")[2] for name in names})
    config = LoraConfig(r=1, target_modules=targets, task_type="CAUSAL_LM", base_model_name_or_path="org/model")
    config.save_pretrained(directory)
    written = json.loads((directory / CONFIG).read_text()) | {"target_modules": targets} | fields
    (directory / CONFIG).write_text(json.dumps(written))
    tensors = {}
    for name in names:
        tensors[f"base_model.model.{name}.lora_A.weight"] = torch.ones(1, size)
        tensors[f"base_model.model.{name}.lora_B.weight"] = torch.ones(size, 1)
    save_file(tensors, directory / WEIGHTS)
    return directory
