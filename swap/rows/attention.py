"""Attention for rows: each request sees its own tokens in the paged cache, and nobody else's.

One call per request and layer. On a CPU that beats one call over all requests with a mask, whose work grows with the
square of the requests; and what one request makes infinite, no other call ever reads.
"""

import sys
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .cache import KVCache, Span

_NAME = "hotswapd-rows-"
_here = threading.local()
_Attention = Callable[..., tuple[torch.Tensor, Any]]


class RowStep:
    """What attention needs to know of the step that runs: where each row's keys and values go, and whose rows are whose.

    `total` adds up the keys and values of each row, (rows,) float32: it is finite if all of them are.
    """

    __slots__ = ("cache", "slots", "spans", "total")

    def __init__(self, cache: KVCache, slots: torch.Tensor, spans: list[Span]) -> None:
        self.cache = cache
        self.slots = slots
        self.spans = spans
        self.total = torch.zeros(len(slots), dtype=torch.float32, device=slots.device)

    def __enter__(self) -> "RowStep":
        """Make this the step of the model's next run on this thread."""
        _here.step = self
        return self

    def __exit__(self, *_: object) -> None:
        """Go back to the model's own attention."""
        _here.step = None


def use_rows(model: Any) -> None:
    """Let a model compute its attention by the step of this thread, and as before where there is none."""
    own = model.config._attn_implementation
    if own.startswith(_NAME):
        return
    interface = ALL_ATTENTION_FUNCTIONS.get(own)
    if interface is None:  # "eager" is a function of each family's own module
        interface = getattr(sys.modules[type(model).__module__], "eager_attention_forward", None)
    name = f"{_NAME}{own}" if own in ALL_ATTENTION_FUNCTIONS else f"{_NAME}{own}-{model.config.model_type}"
    AttentionInterface.register(name, _interface(interface))
    if own in ALL_MASK_ATTENTION_FUNCTIONS:
        AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS[own])
    model.set_attn_implementation(name)


def _interface(own: _Attention | None) -> _Attention:
    def attention(
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: Any = None,
        **more: Any,
    ) -> tuple[torch.Tensor, Any]:
        step: RowStep | None = getattr(_here, "step", None)
        if step is not None:
            return _attend(step, module, query, key, value, more), None
        if own is None:
            raise RuntimeError("a defect of hotswapd: this model's own attention is not known by a name")
        return own(module, query, key, value, attention_mask, **more)

    return attention


def _attend(
    step: RowStep, module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, more: dict[str, Any]
) -> torch.Tensor:
    """Write the rows' keys (1, heads, rows, width) and values, and return (1, rows, heads, width)."""
    layer: int = module.layer_idx
    _write(step, layer, key, value)
    rows = query[0].transpose(0, 1)
    out = rows.new_empty((rows.shape[0], rows.shape[1], value.shape[-1]))
    how = _How(more, query.shape[-1])
    for span in step.spans:
        if span.end - span.start == 1 and not how.odd:
            _decode(step, layer, span, rows, out, how)
        else:
            out[span.start : span.end] = _chunk(step, layer, span, rows[span.start : span.end], how)
    return out[None]


class _How:
    """How a layer attends: `scaling`, and `window`, `cap`, `sinks` where it has them."""

    __slots__ = ("cap", "odd", "scaling", "sinks", "window")

    def __init__(self, more: dict[str, Any], width: int) -> None:
        scaling = more.get("scaling")
        self.scaling: float = width**-0.5 if scaling is None else scaling
        self.window: int = more.get("sliding_window") or 0
        self.cap: float | None = more.get("softcap")
        self.sinks: torch.Tensor | None = more.get("s_aux")
        self.odd = self.cap is not None or self.sinks is not None


def _write(step: RowStep, layer: int, key: torch.Tensor, value: torch.Tensor) -> None:
    """Write keys and values, made finite: a masked NaN would still be a NaN to whoever reads the page next."""
    step.total += key.sum((0, 1, 3), dtype=torch.float32) + value.sum((0, 1, 3), dtype=torch.float32)
    keys, values = torch.nan_to_num(key[0].transpose(0, 1)), torch.nan_to_num(value[0].transpose(0, 1))
    step.cache.write(layer, step.slots, keys, values)


def _decode(step: RowStep, layer: int, span: Span, rows: torch.Tensor, out: torch.Tensor, how: _How) -> None:
    """Attend with one row. Its query heads that share a key head are taken as rows of that head: nothing is repeated."""
    keys, values = step.cache.read(layer, span, max(0, span.length - how.window) if how.window else 0)
    heads, width = keys.shape[1], values.shape[2]
    out[span.start] = scaled_dot_product_attention(
        rows[span.start].view(1, heads, -1, rows.shape[2]),
        keys.transpose(0, 1)[None],
        values.transpose(0, 1)[None],
        scale=how.scaling,
    ).view(-1, width)


def _chunk(step: RowStep, layer: int, span: Span, rows: torch.Tensor, how: _How) -> torch.Tensor:
    """Attend with several rows of one request (rows, heads, width): each sees what is before it, and itself."""
    keys, values = step.cache.read(layer, span, 0)
    query = rows.transpose(0, 1)[None]
    key, value = keys.transpose(0, 1)[None], values.transpose(0, 1)[None]
    if how.odd:
        return _by_hand(query, key, value, span.mask(how.window), how)[0].transpose(0, 1)
    whole = span.length == len(rows) and (not how.window or span.length <= how.window)
    mask = None if whole else span.mask(how.window)
    found = scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=whole, scale=how.scaling, enable_gqa=query.shape[1] != key.shape[1]
    )
    return found[0].transpose(0, 1)


def _by_hand(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor, how: _How
) -> torch.Tensor:
    """Attend with soft-capped scores or with sinks, in the order of transformers' eager attention."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = query @ key.transpose(2, 3) * how.scaling
    if how.cap is not None:
        scores = torch.tanh(scores / how.cap) * how.cap
    scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    if how.sinks is None:
        weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
        return weights @ value
    sinks = how.sinks.reshape(1, -1, 1, 1).expand(-1, -1, scores.shape[2], -1).to(scores.dtype)
    scores = torch.cat([scores, sinks], dim=-1)
    scores = scores - scores.max(dim=-1, keepdim=True).values
    return torch.softmax(scores, dim=-1)[..., :-1].to(query.dtype) @ value
