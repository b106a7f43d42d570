"""Attention for rows: each request sees its own tokens in the paged cache, and nobody else's.

One call per request and layer. On a CPU that beats one call over all requests with a mask, whose work grows with the
square of the requests; and what one request makes infinite, no other call ever reads.
"""

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .cache import KVCache, Span

_count = itertools.count()
_Own = Callable[..., tuple[torch.Tensor, Any]]


class Step(Protocol):
    """What attends while it runs: see `RowStep`."""

    def attend(
        self, module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, more: dict[str, Any]
    ) -> torch.Tensor:
        """Take query, key and value (1, heads, rows, width), and return (1, rows, heads, width)."""
        ...


class Attention:
    """The attention of one model: by a step while one runs, and as before without.

    `use` is for whoever holds the right to run the model.
    """

    def __init__(self, model: Any) -> None:
        """Register it with transformers under a name of its own, and let the model use it."""
        self._step: Step | None = None
        implementation = model.config._attn_implementation
        self._own: _Own | None = ALL_ATTENTION_FUNCTIONS.get(implementation)
        if self._own is None:  # "eager" is a function of each family's own module
            self._own = getattr(sys.modules[type(model).__module__], "eager_attention_forward", None)
        name = f"hotswapd-rows-{next(_count)}"
        AttentionInterface.register(name, self._attend)
        if implementation in ALL_MASK_ATTENTION_FUNCTIONS:
            AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS[implementation])
        model.set_attn_implementation(name)

    @contextmanager
    def use(self, step: Step) -> Iterator[None]:
        """Attend by this step until the end of the body."""
        self._step = step
        try:
            yield
        finally:
            self._step = None

    def _attend(
        self,
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: Any = None,
        **more: Any,
    ) -> tuple[torch.Tensor, Any]:
        if self._step is not None:
            return self._step.attend(module, query, key, value, more), None
        if self._own is None:
            raise RuntimeError("a defect of hotswapd: this model's own attention is not known by a name")
        return self._own(module, query, key, value, attention_mask, **more)


class How:
    """How a layer attends: `scaling`, and `window`, `cap`, `sinks` where it has them."""

    __slots__ = ("cap", "odd", "scaling", "sinks", "window")

    def __init__(self, more: dict[str, Any], width: int) -> None:
        scaling = more.get("scaling")
        self.scaling: float = width**-0.5 if scaling is None else scaling
        self.window: int = more.get("sliding_window") or 0
        self.cap: float | None = more.get("softcap")
        self.sinks: torch.Tensor | None = more.get("s_aux")
        self.odd = self.cap is not None or self.sinks is not None


class RowStep:
    """What attention needs to know of a step: where each row's keys and values go, and whose rows are whose.

    `total` adds up the queries, keys and values of each row, (rows,) float32: it is finite if all of them are.
    """

    __slots__ = ("_cache", "_slots", "_spans", "total")

    def __init__(self, cache: KVCache, slots: torch.Tensor, spans: list[Span]) -> None:
        self._cache = cache
        self._slots = slots
        self._spans = spans
        self.total = torch.zeros(len(slots), dtype=torch.float32, device=slots.device)

    def attend(
        self, module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, more: dict[str, Any]
    ) -> torch.Tensor:
        """Write the rows' keys and values, then attend request by request; see `Step`."""
        layer: int = module.layer_idx
        self.total += write(self._cache, layer, self._slots, key, value) + query_sum(query)
        how = How(more, query.shape[-1])
        rows = query[0].transpose(0, 1)
        out = rows.new_empty((rows.shape[0], rows.shape[1], value.shape[-1]))
        for span in self._spans:
            if span.end - span.start == 1 and not how.odd:
                _decode(self._cache, layer, span, rows, out, how)
            else:
                out[span.start : span.end] = _chunk(self._cache, layer, span, rows[span.start : span.end], how)
        return out[None]


def write(cache: KVCache, layer: int, slots: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Write keys and values (1, heads, rows, width), made finite; return each row's sum as it was, (rows,) float32.

    A masked NaN would still be a NaN to whoever reads the page next. Infinities become 0, not the largest number: a
    product with that one is infinite again.
    """
    total = key.sum((0, 1, 3), dtype=torch.float32) + value.sum((0, 1, 3), dtype=torch.float32)
    cache.write(layer, slots, _finite(key[0].transpose(0, 1)), _finite(value[0].transpose(0, 1)))
    return total


def _finite(given: torch.Tensor) -> torch.Tensor:
    return torch.nan_to_num(given, nan=0.0, posinf=0.0, neginf=0.0)


def query_sum(query: torch.Tensor) -> torch.Tensor:
    """Add up each row's queries (1, heads, rows, width) in float32: attention gives 0 for a NaN, and hides it."""
    return query.sum((0, 1, 3), dtype=torch.float32)


def _decode(cache: KVCache, layer: int, span: Span, rows: torch.Tensor, out: torch.Tensor, how: How) -> None:
    """Attend with one row; its query heads on one key head are taken as rows of that head, so nothing is repeated."""
    keys, values = cache.read(layer, span, max(0, span.length - how.window) if how.window else 0)
    heads, width = keys.shape[1], values.shape[2]
    out[span.start] = scaled_dot_product_attention(
        rows[span.start].view(1, heads, -1, rows.shape[2]),
        keys.transpose(0, 1)[None],
        values.transpose(0, 1)[None],
        scale=how.scaling,
    ).view(-1, width)


def _chunk(cache: KVCache, layer: int, span: Span, rows: torch.Tensor, how: How) -> torch.Tensor:
    """Attend with several rows of one request (rows, heads, width): each sees what is before it, and itself."""
    keys, values = cache.read(layer, span, 0)
    query = rows.transpose(0, 1)[None]
    key, value = keys.transpose(0, 1)[None], values.transpose(0, 1)[None]
    if how.odd:
        return attend_by_hand(query, key, value, span.mask(how.window), how)[0].transpose(0, 1)
    whole = span.length == len(rows) and (not how.window or span.length <= how.window)
    mask = None if whole else span.mask(how.window)
    found = scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=whole, scale=how.scaling, enable_gqa=query.shape[1] != key.shape[1]
    )
    return found[0].transpose(0, 1)


def attend_by_hand(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor, how: How
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
