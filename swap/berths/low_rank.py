"""The low-rank parts of a step: what each row's own generation adds to the base's products.

The base's matrices are multiplied once for all rows; then, for each generation of the step, A and B for its rows alone,
which lie next to each other. A module that no generation of the step touches costs nothing but a look.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear

from .image import Image
from .layout import Layout, SlotPlace


class RowsOutOfOrder(Exception):
    """A module is given other rows than the step has, as an expert may be: nothing can be mixed."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The rows `start` to `end` of a step, which all belong to one generation."""

    image: Image
    start: int
    end: int


class _Part:
    """What one generation adds in one module: `a` (rank, inputs) and `b` (outputs, rank), for its rows."""

    __slots__ = ("a", "b", "end", "scaling", "start")

    def __init__(self, a: torch.Tensor, b: torch.Tensor, scaling: float, start: int = 0, end: int = 0) -> None:
        self.a = a
        self.b = b
        self.scaling = scaling
        self.start = start
        self.end = end

    def of(self, segment: Segment) -> "_Part":
        return _Part(self.a, self.b, self.scaling, segment.start, segment.end)


@dataclass(slots=True, eq=False)
class Shared:
    """What all slots know of a step whose shapes never change: `mask` (berths, rows) bool tells who is whose.

    None in other steps. `adapts` is whether some row has an adapter; without it the low-rank parts are left out.
    """

    mask: torch.Tensor | None = None
    adapts: bool = False


class _Slot:
    """Stands in front of a module's own forward."""

    def __init__(self, module: nn.Module, place: SlotPlace, shared: Shared, memory: torch.Tensor) -> None:
        self.place = place
        self._shared = shared
        self._a, self._b, self._scaling = (part.over(memory) for part in (place.a, place.b, place.scaling))
        self.parts: list[_Part] = []
        self.alone: _Part | None = None
        self.rows = 0
        self._module = module
        plain = isinstance(module, nn.Linear) and type(module).forward is nn.Linear.forward
        # Kept at hand: a module looks its parameters up each time, which costs more than the slot itself.
        self._weight = module.get_parameter("weight") if plain else None
        self._bias = module.get_parameter("bias") if plain and module.bias is not None else None
        self._base: Any = type(module).forward
        module.__dict__["forward"] = self.forward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the base's product, with what is added to each row."""
        weight = self._weight
        y: torch.Tensor = self._base(self._module, x) if weight is None else linear(x, weight, self._bias)
        if self._shared.mask is not None:
            return self._add_masked(x, y, self._shared.mask) if self._shared.adapts else y
        if self.alone is not None:
            _add(self.alone, x, y)
        elif self.parts:
            self._add_parts(x, y)
        return y

    def _add_masked(self, x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Multiply every row with every berth, and keep what is its own: no shape tells who is whose.

        By `where` on what B gives, never by a product: zero times NaN is NaN, and a berth that nobody uses may hold
        what a refused adapter left there.
        """
        rows = x.view(-1, x.shape[-1]).to(self._a.dtype)
        hidden = torch.matmul(rows, self._a.transpose(1, 2)) * self._scaling[:, None, None]
        added = torch.matmul(hidden, self._b.transpose(1, 2))
        own = torch.where(mask[:, :, None], added, torch.zeros_like(added)).sum(0)
        return (y + own.view_as(y)).to(y.dtype)  # rounded once, as in PEFT

    def _add_parts(self, x: torch.Tensor, y: torch.Tensor) -> None:
        x, y = x.view(-1, x.shape[-1]), y.view(-1, y.shape[-1])
        if len(x) != self.rows:
            raise RowsOutOfOrder(f"{self.place.slot.module} is given {len(x)} rows of {self.rows}")
        for part in self.parts:
            _add(part, x[part.start : part.end], y[part.start : part.end])


def _add(part: _Part, x: torch.Tensor, y: torch.Tensor) -> None:
    """Add scaling * x A^T B^T to y, in the dtype of A and B, as PEFT does."""
    hidden = linear(x if x.dtype == part.a.dtype else x.to(part.a.dtype), part.a)
    if y.dtype != part.b.dtype:
        y.add_(linear(hidden, part.b), alpha=part.scaling)  # rounded once, as in PEFT
        return
    whole = y.view(-1, y.shape[-1])  # one call in place of two: a small product costs what calling it costs
    whole.addmm_(hidden.view(-1, hidden.shape[-1]), part.b.t(), alpha=part.scaling)


class LowRank:
    """The slots of a model. `use` and `stop` are for whoever holds the right to run the model."""

    def __init__(self, model: nn.Module, layout: Layout, memory: torch.Tensor) -> None:
        """Put a slot in front of each module of the layout; with nothing to add it answers as before.

        `memory` is that of the berths, (berths, bytes) uint8.
        """
        self.shared = Shared()
        self.berths = len(memory)
        self._slots = [_Slot(model.get_submodule(place.slot.module), place, self.shared, memory) for place in layout]
        self._used: list[_Slot] = []
        self._now: tuple[Any, ...] = ()

    def use(self, segments: Sequence[Segment], rows: int) -> None:
        """Add each generation's part to its rows from now on. `rows` is how many the step has; base rows have none."""
        wanted = (rows, *((one.image, one.image.berth, one.start, one.end) for one in segments))
        if wanted == self._now:
            return
        self.stop()
        self._now = wanted
        if len(segments) == 1 and segments[0].end - segments[0].start == rows:
            self.use_alone(segments[0].image)
            self._now = wanted
            return
        for segment in segments:
            for slot, part in self._parts(segment.image):
                if not slot.parts:
                    slot.rows = rows
                    self._used.append(slot)
                slot.parts.append(part.of(segment))

    def use_alone(self, image: Image) -> None:
        """Add this image to whatever the model is given from now on."""
        self.stop()
        for slot, part in self._parts(image):
            slot.alone = part
            self._used.append(slot)

    @contextmanager
    def masked(self, mask: torch.Tensor, *, adapts: bool) -> Iterator[None]:
        """Add to each row what its own berth has, by a mask (berths, rows) bool, until the end of the body."""
        self.shared.mask, self.shared.adapts = mask, adapts
        try:
            yield
        finally:
            self.shared.mask, self.shared.adapts = None, False

    def stop(self) -> None:
        """Add nothing."""
        for slot in self._used:
            slot.parts = []
            slot.alone = None
        self._used = []
        self._now = ()

    def _parts(self, image: Image) -> list[tuple[_Slot, _Part]]:
        if image.parts is None:
            image.parts = [(slot, _part(slot.place, image)) for slot in self._slots if _touches(slot.place, image)]
        found: list[tuple[_Slot, _Part]] = image.parts
        return found


def _touches(place: SlotPlace, image: Image) -> bool:
    return image.generation != 0 and (image.ranks is None or image.ranks.get(place.slot.module, 0) > 0)


def _part(place: SlotPlace, image: Image) -> _Part:
    """View what an image has for a slot, without the padding of its rank."""
    a, b = place.a.view(image.buffer), place.b.view(image.buffer)
    rank = a.shape[0] if image.ranks is None else image.ranks[place.slot.module]
    return _Part(a[:rank], b[:, :rank], float(place.scaling.view(image.buffer)))
