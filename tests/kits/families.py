"""Every family of models that can be built small from its configuration class alone."""

import copy
import warnings
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForMultimodalLM,
    PretrainedConfig,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES,
)

from kits.bases import SIZES

_TEXT = SIZES | {"pad_token_id": 0}
_SEES: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "depth": 1,
    "num_heads": 2,
    "embed_dim": 16,
    "image_size": 28,
    "patch_size": 14,
    "out_hidden_size": 16,
}
_LATENT = {"q_lora_rank": 8, "kv_lora_rank": 8, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8}
_EXPERTS = {"n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 8, "n_group": 1, "topk_group": 1}
_MAMBA = {"mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 4}
_LINEAR = {"linear_key_head_dim": 8, "linear_num_key_heads": 1, "linear_num_value_heads": 1, "linear_value_head_dim": 8}
_MIXED = {"layer_types": ["linear_attention", "full_attention"], **_LINEAR}
_SECTIONS = {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}}

_MROPE = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "glm4v", "glm46v", "glm_ocr", "glmga", "paddleocr_vl")
MOST = 30_000_000
"""Parameters of a model that is still small."""

OTHER: dict[str, dict[str, Any]] = {
    "gemma3n_text": {
        "vocab_size_per_layer_input": 64,
        "hidden_size_per_layer_input": 8,
        "num_kv_shared_layers": 0,
        "laurel_rank": 4,
        "layer_types": ["sliding_attention", "full_attention"],
        "activation_sparsity_pattern": 0.0,
    },
    "gemma4_text": {"vocab_size_per_layer_input": 64, "hidden_size_per_layer_input": 8, "global_head_dim": 8},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_experts": 4, "moe_intermediate_size": 8},
    "zamba2": {"layer_types": ["mamba", "hybrid"], "mamba_headdim": 8, "n_mamba_heads": 4, "mamba_d_state": 4},
    "zamba": {"layer_types": ["mamba", "hybrid"]},
    "cohere_compass_text": {"layer_types": ["full_attention", "full_attention"]},
    "bamba": {**_MAMBA, "attn_layer_indices": [1]},
    **dict.fromkeys(("qwen3_5", "qwen3_5_moe", "qwen3_5_moe_text", "minicpmv4_6", "minicpmv4_7"), _MIXED),
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1},
    "recurrent_gemma": {"num_hidden_layers": 3},
    "axk1": {**_LATENT, **_EXPERTS, "first_k_dense_replace": 1, "head_dim": None},
    "codegen": {"num_attention_heads": 4, "rotary_dim": 4},
    "blenderbot": {"encoder_attention_heads": 2, "decoder_attention_heads": 2},
    "deepseek_v2": {**_LATENT, **_EXPERTS, "first_k_dense_replace": 1, "head_dim": None},
    "deepseek_v3": {**_LATENT, **_EXPERTS, "first_k_dense_replace": 1, "head_dim": None},
    "falcon": {"head_dim": None, "new_decoder_architecture": True, "num_kv_heads": 2},
    "glm4_moe": {**_EXPERTS, "first_k_dense_replace": 1},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "num_layers": 2, "num_heads": 2},
    "granitemoehybrid": {**_MAMBA, "layer_types": ["mamba", "attention"]},
    "mamba2": {"num_heads": 4, "head_dim": 8, "state_size": 4, "n_groups": 1},
    "nemotron_h": {
        "layers_block_type": ["mamba", "attention"],
        "mamba_num_heads": 2,
        "mamba_head_dim": 8,
        "n_groups": 1,
    },
    "qwen2_moe": {"num_experts": 4, "moe_intermediate_size": 8, "shared_expert_intermediate_size": 16},
    **dict.fromkeys(_MROPE, _SECTIONS),
    "qwen3_moe": {"num_experts": 4, "moe_intermediate_size": 8, "num_experts_per_tok": 2},
    "qwen3_next": {**_MIXED, "num_experts": 4, "moe_intermediate_size": 8, "shared_expert_intermediate_size": 16},
    "qwen3_5_text": _MIXED,
}
"""Fields in which a family is unlike the usual; None leaves one to the family."""


def families() -> list[str]:
    """Name every family that one of the Auto classes loads."""
    seeing = {*MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES, *MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES}
    return sorted({*MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, *seeing})


def small(family: str, **more: Any) -> PretrainedConfig:
    """Make a small configuration, with `more` for its text; the family may raise anything over what it dislikes."""
    usual = AutoConfig.for_model(family)
    text = usual.get_text_config()
    fields = {key: value for key, value in (_TEXT | OTHER.get(family, {}) | more).items() if value is not None}
    if text is usual:
        return AutoConfig.for_model(family, **fields)
    parts = {name: dict(_SEES) for name in type(usual).sub_configs}
    parts |= {name: fields for name in parts if getattr(usual, name, None) is text}
    return AutoConfig.for_model(family, **parts)


def auto(config: PretrainedConfig) -> Any:
    """Choose the class that people load such a model with."""
    if type(config) in MODEL_FOR_CAUSAL_LM_MAPPING:
        return AutoModelForCausalLM
    return (
        AutoModelForImageTextToText
        if type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
        else AutoModelForMultimodalLM
    )


def save_small(family: str, directory: Path, **more: Any) -> Path:
    """Save a small model with random weights that are far enough apart for its answers to differ."""
    torch.manual_seed(0)
    config = small(family, **more)
    with torch.device("meta"):
        size = sum(one.numel() for one in auto(config).from_config(copy.deepcopy(config)).parameters())
    if size > MOST:
        raise ValueError(f"it has {size} parameters, and {MOST} would be small")
    model = auto(config).from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() >= 2:
                parameter.mul_(4.0 if "embed" in name or "wte" in name else 2.0)
    model.save_pretrained(directory)
    return directory


def loaded(base: Path, adapter: Path | None = None) -> Any:
    """Load it as PEFT's users do."""
    model = auto(AutoConfig.from_pretrained(base)).from_pretrained(base, dtype=torch.float32)
    if adapter is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = PeftModel.from_pretrained(model, adapter, autocast_adapter_dtype=False)
    return model.eval()


def save_adapter(base: Path, directory: Path, modules: list[str], seed: int = 0) -> Path:
    """Train nothing, but save an adapter for these modules as PEFT does, with a B that is not zero."""
    torch.manual_seed(1 + seed)
    config = LoraConfig(r=2, lora_alpha=4, target_modules=modules, task_type="CAUSAL_LM")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(loaded(base), config)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(0.0, 0.3)
    model.save_pretrained(directory)
    return directory
