"""The one paged cache of keys and values, for all generations."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from .pages import PAGE


@dataclass(frozen=True, slots=True)
class LayerShape:
    """What one layer keeps of a token: `heads` keys of `key` values and as many values of `value`."""

    heads: int
    key: int
    value: int


class KVCache:
    """Keys and values of every layer: (pages * PAGE, heads, width). For the loop's thread alone.

    A layer that was not named is made when it is first written. On a CPU memory is the system's until it is written.
    """

    def __init__(
        self, pages: int, dtype: torch.dtype, device: torch.device, layers: Mapping[int, LayerShape] | None = None
    ) -> None:
        """Allocate the layers that are known."""
        self.pages = pages
        self._dtype = dtype
        self._device = device
        self.keys: dict[int, torch.Tensor] = {}
        self.values: dict[int, torch.Tensor] = {}
        for layer, shape in (layers or {}).items():
            self._make(layer, shape)

    def shapes(self) -> dict[int, LayerShape]:
        """Tell what each layer keeps."""
        return {
            layer: LayerShape(keys.shape[1], keys.shape[2], self.values[layer].shape[2])
            for layer, keys in self.keys.items()
        }

    def write(self, layer: int, slots: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Write keys (rows, heads, width) and values into these slots."""
        if layer not in self.keys:
            self._make(layer, LayerShape(keys.shape[1], keys.shape[2], values.shape[2]))
        self.keys[layer].index_copy_(0, slots, keys)
        self.values[layer].index_copy_(0, slots, values)

    def _make(self, layer: int, shape: LayerShape) -> None:
        for held, width in ((self.keys, shape.key), (self.values, shape.value)):
            size = (self.pages * PAGE, shape.heads, width)
            held[layer] = torch.zeros(size, dtype=self._dtype, device=self._device)

    def read(self, layer: int, span: "Span", first: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return keys and values of a request's tokens from `first` on: (tokens, heads, width) each.

        A view where its pages lie next to each other, else a copy.
        """
        keys, values = self.keys[layer], self.values[layer]
        if span.place >= 0:
            start, end = span.place + first, span.place + span.length
            return keys[start:end], values[start:end]
        return _gathered(keys, span, first), _gathered(values, span, first)


def _gathered(held: torch.Tensor, span: "Span", first: int) -> torch.Tensor:
    skipped = first // PAGE
    pages = span.pages[skipped:]
    whole = held.view(-1, PAGE * held.shape[1] * held.shape[2]).index_select(0, pages)
    return whole.view(-1, held.shape[1], held.shape[2])[first - skipped * PAGE : span.length - skipped * PAGE]


class Span:
    """One request's rows in a step: `start` to `end`, the last of the `length` tokens that it then has in the cache.

    `pages` are its pages, (pages,) int64; `place` is the slot of its first token where they lie next to each other,
    else -1.
    """

    __slots__ = ("end", "length", "masks", "pages", "place", "start")

    def __init__(self, start: int, end: int, length: int, pages: torch.Tensor, place: int) -> None:
        self.start = start
        self.end = end
        self.length = length
        self.pages = pages
        self.place = place
        self.masks: dict[int, torch.Tensor] = {}

    def mask(self, window: int) -> torch.Tensor:
        """Make (once) the mask of a chunk: (rows, tokens) bool, True where a row sees a token; `window` 0 is none."""
        mask = self.masks.get(window)
        if mask is None:
            rows = self.end - self.start
            at = torch.arange(self.length - rows, self.length, device=self.pages.device)[:, None]
            seen = torch.arange(self.length, device=self.pages.device)[None]
            mask = seen <= at
            if window:
                mask &= seen > at - window
            self.masks[window] = mask
        return mask
