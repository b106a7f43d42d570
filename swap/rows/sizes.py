"""Sizes of the engine: how many berths, how long a text, how large a cache."""

import os
from collections.abc import Iterable
from typing import Any

import torch

from .cache import LayerShape
from .pages import PAGE
from .spec import EngineSpec


def model_context(model: Any) -> int:
    """Return how many tokens the model was made for; very many where it does not say."""
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or 1 << 30)


def token_bytes(layers: Iterable[LayerShape], dtype: torch.dtype) -> int:
    """Return what the cache keeps of one token, in bytes."""
    return sum(one.heads * (one.key + one.value) for one in layers) * dtype.itemsize


def cache_pages(spec: EngineSpec, context: int, size: int, device: torch.device) -> int:
    """Choose the pages of the cache: as configured, else what eight full requests need, in at most half of the memory.

    `size` is that of one token in bytes.
    """
    tokens = spec.cache_tokens
    if not tokens:
        affordable = free_bytes(device) // 2 // max(size, 1)
        tokens = max(context, min(8 * context, affordable))
    return -(-tokens // PAGE)


def free_bytes(device: torch.device | None = None) -> int:
    """Return how many bytes are free on a device, without one on the host."""
    if device is not None and device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    pages: int = os.sysconf("SC_AVPHYS_PAGES")
    return pages * os.sysconf("SC_PAGE_SIZE")
