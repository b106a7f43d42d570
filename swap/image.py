"""Images: an adapter laid out byte for byte like the arena, so that to make it live is one copy."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from .admission import Plan
from .errors import Misfit, Rejected
from .extents import Cells, Extents
from .header import TensorSpec
from .layout import Layout, Place, SlotPlace
from .manifest import open_regular
from .pace import at_once

_TORCH_DTYPE = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_INFINITY = {torch.float32: 0x7F80_0000, torch.float16: 0x7C00, torch.bfloat16: 0x7F80}
"""The bits of infinity. NaN has larger ones, every finite value smaller ones, the sign bit apart."""


@dataclass(slots=True, eq=False)
class Image:
    """An adapter on the device. Each staging makes a new Image, also when it reuses a buffer: identity is content.

    `generation` is -1 until it went live; `holders` counts who needs it (lanes, the live place, the worker).
    `extents` belongs to the buffer and goes with it to the next image.
    """

    buffer: torch.Tensor
    digest: str
    generation: int = -1
    holders: int = 0
    extents: Extents = field(default_factory=lambda: Extents(zero=False))


def fill_host_image(
    host: torch.Tensor,
    plan: Plan,
    layout: Layout,
    pace: Callable[[float], None] = at_once,
    extents: Extents | None = None,
) -> None:
    """Read the plan's tensors, cast them to the slots' dtype and pad them to its rank, in a host buffer (bytes,).

    Slots that the adapter does not have become zero. Raises Rejected when a value is not finite after the cast, with
    every tensor in which that is so, and when the file is shorter than its header said; the buffer's content is then
    of no use. `pace` hears after each slot how many seconds it took. `extents` are those of this buffer; without them
    every byte is written.
    """
    given = {placement.slot.module: placement for placement in plan.placements}
    misfits: list[Misfit] = []
    with open_regular(plan.manifest.weights) as descriptor:
        os.posix_fadvise(descriptor, plan.manifest.data_start, 0, os.POSIX_FADV_WILLNEED)
        filler = _Filler(host, descriptor, plan, extents or Extents(zero=False))
        for place in layout:
            began = time.perf_counter()
            placement = given.get(place.slot.module)
            if placement is None:
                filler.clear(place)
            else:
                misfits += filler.put(placement.a, place.a) + filler.put(placement.b, place.b)
                place.scaling.view(host).fill_(placement.scaling)
            pace(time.perf_counter() - began)
    if misfits:
        raise Rejected(misfits)


class _Filler:
    """Puts one tensor after the other into its place, reading each byte once.

    It reads with preadv into private memory, never through an mmap: a file that is cut short under one would kill
    the process. Where the file's bytes lie as the image's do they are read straight into it.
    """

    def __init__(self, host: torch.Tensor, descriptor: int, plan: Plan, extents: Extents) -> None:
        self._host = host
        self._extents = extents
        self._raw: Cells = host.numpy()
        self._descriptor = descriptor
        self._start = plan.manifest.data_start
        longest = max((spec.end - spec.begin for one in plan.placements for spec in (one.a, one.b)), default=0)
        self._aside: Cells = np.empty(longest, dtype=np.uint8)  # pages of it that are never used cost nothing

    def put(self, spec: TensorSpec, place: Place) -> list[Misfit]:
        """Fill the top left corner; the rest becomes zero, which adds nothing to the product."""
        target = self._target(place)
        rows, columns = spec.shape
        self._extents.widen(place, rows, columns)
        stored = _TORCH_DTYPE[spec.dtype]
        corner = read = target[:rows, :columns]
        if columns == place.shape[1] and stored == place.dtype:
            self._read(spec, self._raw[place.offset : place.offset + spec.end - spec.begin].data)
        else:
            read = self._read_aside(spec, stored)
            self._lay(read, stored, corner, place)
        self._extents.clear_beyond(place, target, rows, columns)
        # Where nothing is cast both hold the same values, and those that were read lie closer together.
        if _all_finite(read if stored == place.dtype else corner, place.dtype):
            return []
        return [_non_finite(spec, place.dtype, was_finite=_all_finite(read, stored))]

    def clear(self, place: SlotPlace) -> None:
        """Make a slot zero that the adapter does not have."""
        for part in (place.a, place.b):
            self._extents.clear_beyond(part, self._target(part), 0, 0)
        place.scaling.view(self._host).zero_()

    def _target(self, place: Place) -> Cells:
        return _cells(self._raw[place.offset : place.offset + place.size], place.dtype, place.shape)

    def _lay(self, read: Cells, stored: torch.dtype, corner: Cells, place: Place) -> None:
        if stored == place.dtype:
            corner[:] = read
            return
        rows, columns = read.shape
        values = torch.from_numpy(read.reshape(-1).view(np.uint8)).view(stored).view(rows, columns)
        place.view(self._host)[:rows, :columns].copy_(values)

    def _read_aside(self, spec: TensorSpec, stored: torch.dtype) -> Cells:
        data = self._aside[: spec.end - spec.begin]
        self._read(spec, data.data)
        return _cells(data, stored, spec.shape)

    def _read(self, spec: TensorSpec, into: memoryview) -> None:
        done = 0
        while done < len(into):
            count = os.preadv(self._descriptor, [into[done:]], self._start + spec.begin + done)
            if count == 0:
                raise Rejected([_cut_short(spec)])
            done += count


def _cells(raw: Cells, dtype: torch.dtype, shape: tuple[int, ...]) -> Cells:
    return raw.reshape(-1).view(f"u{dtype.itemsize}").reshape(shape)


def _all_finite(cells: Cells, dtype: torch.dtype) -> bool:
    """Look at each value exactly: without a sign its bits must be below infinity's, and so must they be with one."""
    sign = 1 << (8 * dtype.itemsize - 1)
    positive, negative = cells.view(f"i{dtype.itemsize}").max(), cells.max()
    return bool(positive < _INFINITY[dtype] and negative < sign + _INFINITY[dtype])


def _non_finite(spec: TensorSpec, dtype: torch.dtype, *, was_finite: bool) -> Misfit:
    got = f"a value too large for {dtype}" if was_finite else "NaN or infinity"
    remedy = "look at the training run: its loss has probably diverged"
    return Misfit("non_finite", spec.name, f"finite values in {dtype}", got, remedy)


def _cut_short(spec: TensorSpec) -> Misfit:
    return Misfit("weights_cut_short", spec.name, "all its bytes", "the end of the file", "save the adapter again")
