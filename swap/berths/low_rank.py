"""The low-rank parts of a step: what each row's own generation adds to the base's products.

The base's matrices are multiplied once for all rows; then, for each generation of the step, A and B for its rows alone,
which lie next to each other. A module that no generation of the step touches costs nothing but a look.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear

from .image import Image
from .layout import Layout, SlotPlace


class RowsOutOfOrder(Exception):
    """A module sees other rows than the step has, such as an expert that is given some of them: nothing can be mixed."""


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


class _Slot:
    """Stands in front of a module's own forward."""

    def __init__(self, module: nn.Module, place: SlotPlace) -> None:
        self.place = place
        self.parts: list[_Part] = []
        self.alone: _Part | None = None
        self.rows = 0
        self._module = module
        self._linear = module if isinstance(module, nn.Linear) and type(module).forward is nn.Linear.forward else None
        self._base: Any = type(module).forward
        module.__dict__["forward"] = self.forward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the base's product, with what is added to each row."""
        plain = self._linear
        y: torch.Tensor = self._base(self._module, x) if plain is None else linear(x, plain.weight, plain.bias)
        if self.alone is not None:
            _add(self.alone, x, y)
        elif self.parts:
            self._add_parts(x, y)
        return y

    def _add_parts(self, x: torch.Tensor, y: torch.Tensor) -> None:
        x, y = x.view(-1, x.shape[-1]), y.view(-1, y.shape[-1])
        if len(x) != self.rows:
            raise RowsOutOfOrder(f"{self.place.slot.module} is given {len(x)} rows of {self.rows}")
        for part in self.parts:
            _add(part, x[part.start : part.end], y[part.start : part.end])


def _add(part: _Part, x: torch.Tensor, y: torch.Tensor) -> None:
    """Add scaling * x A^T B^T to y, in the dtype of A and B, as PEFT does."""
    hidden = linear(x if x.dtype == part.a.dtype else x.to(part.a.dtype), part.a)
    y.add_(linear(hidden, part.b), alpha=part.scaling)


class LowRank:
    """The slots of a model. `use` and `stop` are for whoever holds the right to run the model."""

    def __init__(self, model: nn.Module, layout: Layout) -> None:
        """Put a slot in front of each module of the layout; with nothing to add it answers as before."""
        self._slots = [_Slot(model.get_submodule(place.slot.module), place) for place in layout]
        self._used: list[_Slot] = []
        self._now: tuple[Any, ...] = ()

    def use(self, segments: Sequence[Segment], rows: int) -> None:
        """Add each generation's part to its rows from now on. `rows` is how many the step has; base rows have none."""
        wanted = (rows, *((one.image, one.start, one.end) for one in segments))
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
