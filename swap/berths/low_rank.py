"""The low-rank parts of a step: what each row's own generation adds to the base's products.

The base's matrices are multiplied once for all rows; then, for each generation of the step, A and B for its rows alone,
which lie next to each other. A module that no generation of the step touches costs nothing but a look. Where several
berths side by side have as many rows each, as answers of as many channels do, they are multiplied in one call.
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

_SEVERAL = 3
"""Berths side by side from which one product of all is faster than one for each."""


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

    def add(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Add scaling * x A^T B^T to y, in the dtype of A and B, as PEFT does."""
        hidden = linear(x if x.dtype == self.a.dtype else x.to(self.a.dtype), self.a)
        if y.dtype != self.b.dtype:
            y.add_(linear(hidden, self.b), alpha=self.scaling)  # rounded once, as in PEFT
            return
        whole = y.view(-1, y.shape[-1])  # one call in place of two: a small product costs what calling it costs
        whole.addmm_(hidden.view(-1, hidden.shape[-1]), self.b.t(), alpha=self.scaling)


class _Run:
    """What berths side by side add in one module, each for as many rows of those from `start` to `end`.

    `a` (berths, rank, inputs) and `b` (berths, outputs, rank) view the berths; nobody's rank is above theirs, and the
    padding of a berth is zero. `scaling` is (berths, 1, 1) float32.
    """

    __slots__ = ("a", "b", "end", "scaling", "start")

    def __init__(self, a: torch.Tensor, b: torch.Tensor, scaling: torch.Tensor, start: int, end: int) -> None:
        self.a = a.transpose(1, 2)
        self.b = b.transpose(1, 2)
        self.scaling = scaling.view(-1, 1, 1)
        self.start = start
        self.end = end

    def add(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Add to each berth's rows what `_Part` would, in four calls for all of them."""
        rows = x.view(len(self.a), -1, x.shape[-1])
        added = torch.bmm(torch.bmm(rows if rows.dtype == self.a.dtype else rows.to(self.a.dtype), self.a), self.b)
        y.add_((added * self.scaling).view_as(y))


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
        self.parts: list[_Part | _Run] = []
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
            self.alone.add(x, y)
        elif self.parts:
            self._add_parts(x, y)
        return y

    def run(self, segments: Sequence[Segment]) -> _Run:
        """View what berths side by side have for this slot."""
        first, last = segments[0], segments[-1]
        ranks = [one.image.ranks for one in segments]
        rank = max(self._a.shape[1] if each is None else each[self.place.slot.module] for each in ranks)
        berths = slice(first.image.berth, last.image.berth + 1)
        a, b = self._a[berths, :rank], self._b[berths, :, :rank]
        return _Run(a, b, self._scaling[berths], first.start, last.end)

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
            part.add(x[part.start : part.end], y[part.start : part.end])


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
        for run in _runs(segments):
            touched = [self._parts(one.image) for one in run]
            if len(run) >= _SEVERAL and _same_slots(touched):
                for slot, _ in touched[0]:
                    self._give(slot, slot.run(run), rows)
                continue
            for segment, parts in zip(run, touched, strict=True):
                for slot, part in parts:
                    self._give(slot, part.of(segment), rows)

    def _give(self, slot: _Slot, part: _Part | _Run, rows: int) -> None:
        if not slot.parts:
            slot.rows = rows
            self._used.append(slot)
        slot.parts.append(part)

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


def _runs(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Divide the segments where the berths or the rows are no neighbours, or the number of rows is another."""
    runs: list[list[Segment]] = []
    for one in segments:
        before = runs[-1][-1] if runs else None
        if (
            before is not None
            and one.image.berth == before.image.berth + 1
            and one.start == before.end
            and one.end - one.start == before.end - before.start
        ):
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _same_slots(touched: Sequence[Sequence[tuple[_Slot, _Part]]]) -> bool:
    """Tell whether all of these images touch the same slots."""
    first = [slot for slot, _ in touched[0]]
    return all(
        len(parts) == len(first) and all(a is b for a, (b, _) in zip(first, parts, strict=True))
        for parts in touched[1:]
    )


def _touches(place: SlotPlace, image: Image) -> bool:
    return image.generation != 0 and (image.ranks is None or image.ranks.get(place.slot.module, 0) > 0)


def _part(place: SlotPlace, image: Image) -> _Part:
    """View what an image has for a slot, without the padding of its rank."""
    a, b = place.a.view(image.buffer), place.b.view(image.buffer)
    rank = a.shape[0] if image.ranks is None else image.ranks[place.slot.module]
    return _Part(a[:rank], b[:, :rank], float(place.scaling.view(image.buffer)))
