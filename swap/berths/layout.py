"""The place of each LoRA weight and scaling in a berth, and so in every image."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from hotswapd.swap.adapter.contract import Contract, Slot

ALIGNMENT = 256
"""Bytes. With less, inductor takes each input for misaligned and clones it."""


@dataclass(frozen=True, slots=True)
class Place:
    """One tensor's place: byte offset, shape and dtype."""

    offset: int
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def view(self, buffer: torch.Tensor) -> torch.Tensor:
        """View this place of a byte buffer (bytes,) as a tensor; nothing is copied."""
        return buffer[self.offset : self.offset + self.size].view(self.dtype).view(self.shape)

    def over(self, memory: torch.Tensor) -> torch.Tensor:
        """View this place of all berths (berths, bytes) as one tensor (berths, *shape); nothing is copied."""
        return memory[:, self.offset : self.offset + self.size].view(self.dtype).view(len(memory), *self.shape)


@dataclass(frozen=True, slots=True)
class SlotPlace:
    """A slot's three tensors: A (max_rank, inputs), B (outputs, max_rank), scaling () in float32."""

    slot: Slot
    a: Place
    b: Place
    scaling: Place


@dataclass(frozen=True, slots=True)
class Layout:
    """Every slot's place, in the contract's order, and the bytes of all together."""

    slots: tuple[SlotPlace, ...]
    size: int

    @classmethod
    def of(cls, contract: Contract, dtype: torch.dtype) -> "Layout":
        """Lay out the contract's slots one after another."""
        reached = 0
        places = []

        def put(shape: tuple[int, ...], kind: torch.dtype) -> Place:
            nonlocal reached
            place = Place(reached, shape, kind)
            reached = -(-(reached + place.size) // ALIGNMENT) * ALIGNMENT
            return place

        for slot in contract.slots:
            a = put((contract.max_rank, slot.inputs), dtype)
            b = put((slot.outputs, contract.max_rank), dtype)
            places.append(SlotPlace(slot, a, b, put((), torch.float32)))
        return cls(tuple(places), reached)

    def __iter__(self) -> Iterator[SlotPlace]:
        """Iterate over the slots' places."""
        return iter(self.slots)
