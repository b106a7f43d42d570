"""Sizes of the engine: how many lanes, how long a text, how large a cache."""

import os
from dataclasses import dataclass
from typing import Any

import torch

from hotswapd.swap.resident.resident import Resident


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Sizes; the fields are those of the configuration's [serve] table. `compile` is ``auto``, True or False."""

    lanes: int = 2
    context_tokens: int = 4096
    cache_tokens: int = 0
    batch_tokens: int = 2048
    max_queue: int = 256
    compile: str | bool = "auto"


def model_context(model: Any) -> int:
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or 1 << 30)


def fair_cache(resident: Resident, lanes: int, context: int) -> int:
    """Choose a lane's cache: what four full requests need, but at most half of the free memory over all lanes."""
    config = resident.model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    token_bytes: int = 2 * config.num_hidden_layers * heads * head * resident.dtype.itemsize
    affordable = _free_bytes(resident.device) // 2 // lanes // token_bytes
    return max(context, min(4 * context, affordable))


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    pages: int = os.sysconf("SC_AVPHYS_PAGES")
    return pages * os.sysconf("SC_PAGE_SIZE")
