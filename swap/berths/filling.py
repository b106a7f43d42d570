"""Filling: reads an adapter's tensors from its file into a buffer that is laid out like a berth."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch

from hotswapd.swap.adapter.admission import Placement, Plan
from hotswapd.swap.adapter.header import TensorSpec
from hotswapd.swap.adapter.manifest import open_regular
from hotswapd.swap.codes import HeaderCode, TensorCode
from hotswapd.swap.errors import Misfit, Rejected

from .cells import Cells, all_finite, cells_of
from .extents import Extents
from .layout import Layout, Place, SlotPlace
from .pace import Pace

_TORCH_DTYPE = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_PIECE = 512 << 10
"""Bytes that are read and then checked: they are still in the core's own cache when they are checked."""
_CAST_ALONE = 1 << 15
"""Values that torch casts on the calling thread; for more it would wake others, for each of the helpers."""
_NOT_A_NUMBER = "NaN or infinity"


def fill_host_image(
    host: torch.Tensor,
    plan: Plan,
    layout: Layout,
    pace: Pace | None = None,
    extents: Extents | None = None,
    helpers: int = 0,
) -> None:
    """Read the plan's tensors into a host buffer (bytes,), cast to the slots' dtype and padded to their rank.

    Slots that the adapter does not have become zero. Raises Rejected with every tensor that has a value which is not
    finite after the cast, and when the file is shorter than its header says; the buffer's content is undefined then.
    `pace` is called after each slot with the seconds that it took. `extents` are those of this buffer; without them
    every byte is written. `helpers` more threads take slots too while the pace is not busy; all have ended at the end.
    """
    with open_regular(plan.manifest.weights) as descriptor:
        os.posix_fadvise(descriptor, plan.manifest.data_start, 0, os.POSIX_FADV_WILLNEED)
        filling = _Filling(host, descriptor, plan, layout, extents or Extents(zero=False))
        filling.run(pace or Pace(lambda: False), helpers)
    misfits = filling.misfits()
    if misfits:
        raise Rejected(misfits)


class _Filling:
    """The slots of one image, taken one by one by the thread that stages and by its helpers."""

    def __init__(self, host: torch.Tensor, descriptor: int, plan: Plan, layout: Layout, extents: Extents) -> None:
        self._make = partial(_Filler, host, descriptor, plan, extents)
        self._given = {placement.slot.module: placement for placement in plan.placements}
        self._places: Iterator[tuple[int, SlotPlace]] = iter(enumerate(layout))
        self._lock = threading.Lock()
        self._misfits: dict[int, list[Misfit]] = {}

    def run(self, pace: Pace, helpers: int) -> None:
        """Fill all slots. Raises what a thread raises, after every other one has stopped writing to the buffer."""
        if not helpers:
            self._lead(pace)
            return
        with ThreadPoolExecutor(helpers, thread_name_prefix="stage") as pool:
            helping = [pool.submit(self._help, pace) for _ in range(helpers)]
            self._lead(pace)
        for one in helping:
            one.result()

    def misfits(self) -> list[Misfit]:
        """Return all of them in the slots' order."""
        return [misfit for _, found in sorted(self._misfits.items()) for misfit in found]

    def _lead(self, pace: Pace) -> None:
        filler = self._make()
        while (taken := self._take()) is not None:
            began = time.perf_counter()
            self._fill(filler, *taken)
            pace(time.perf_counter() - began)

    def _help(self, pace: Pace) -> None:
        filler = self._make()
        while not pace.busy() and (taken := self._take()) is not None:
            self._fill(filler, *taken)

    def _take(self) -> tuple[int, SlotPlace] | None:
        with self._lock:
            return next(self._places, None)

    def _fill(self, filler: "_Filler", number: int, place: SlotPlace) -> None:
        try:
            self._misfits[number] = filler.fill(place, self._given.get(place.slot.module))
        except BaseException:
            with self._lock:
                self._places = iter(())  # the others stop
            raise


class _Filler:
    """Puts one tensor after another into its place, reading each byte once. Each thread has its own.

    It reads with preadv into private memory, never through an mmap: a file that is truncated under an mmap kills the
    process. Bytes that have the same layout in the file and in the image are read straight into the image.
    """

    def __init__(self, host: torch.Tensor, descriptor: int, plan: Plan, extents: Extents) -> None:
        self._host = host
        self._extents = extents
        self._raw: Cells = host.numpy()
        self._descriptor = descriptor
        self._start = plan.manifest.data_start
        longest = max((spec.end - spec.begin for one in plan.placements for spec in (one.a, one.b)), default=0)
        self._aside: Cells = np.empty(longest, dtype=np.uint8)  # its unused pages cost nothing

    def fill(self, place: SlotPlace, placement: Placement | None) -> list[Misfit]:
        """Fill a slot, or make it zero where the adapter does not have it."""
        if placement is None:
            for part in (place.a, place.b):
                self._extents.clear_beyond(part, self._target(part), 0, 0)
            self._target(place.scaling)[()] = 0
            return []
        self._target(place.scaling).view(np.float32)[()] = placement.scaling
        return self._put(placement.a, place.a) + self._put(placement.b, place.b)

    def _put(self, spec: TensorSpec, place: Place) -> list[Misfit]:
        """Fill the top left corner; the rest becomes zero, which adds nothing to the product."""
        rows, columns = spec.shape
        target, stored = self._target(place), _TORCH_DTYPE[spec.dtype]
        self._extents.widen(place, rows, columns)
        most = _PIECE if stored == place.dtype else _CAST_ALONE * stored.itemsize
        step = max(1, most // (columns * stored.itemsize))
        wrong = {self._bring(spec, place, target, top, min(top + step, rows)) for top in range(0, rows, step)} - {""}
        self._extents.clear_beyond(place, target, rows, columns)
        if not wrong:
            return []
        got = _NOT_A_NUMBER if _NOT_A_NUMBER in wrong else wrong.pop()
        remedy = "look at the training run: its loss has probably diverged"
        return [Misfit(TensorCode.NON_FINITE, spec.name, f"finite values in {place.dtype}", got, remedy)]

    def _bring(self, spec: TensorSpec, place: Place, target: Cells, top: int, bottom: int) -> str:
        """Fill rows `top` to `bottom`, and return what is wrong with them, "" when nothing is."""
        columns, stored = spec.shape[1], _TORCH_DTYPE[spec.dtype]
        corner = target[top:bottom, :columns]
        if stored == place.dtype and columns == place.shape[1]:
            self._read(spec, top * columns * stored.itemsize, corner.reshape(-1).view(np.uint8).data)
            return "" if all_finite(corner, stored) else _NOT_A_NUMBER
        read = self._read_aside(spec, top, bottom)
        if stored == place.dtype:
            corner[:] = read
            return "" if all_finite(read, stored) else _NOT_A_NUMBER
        values = torch.from_numpy(read.reshape(-1).view(np.uint8)).view(stored).view(read.shape)
        place.view(self._host)[top:bottom, :columns].copy_(values)
        if all_finite(corner, place.dtype):
            return ""
        return f"a value too large for {place.dtype}" if all_finite(read, stored) else _NOT_A_NUMBER

    def _target(self, place: Place) -> Cells:
        return cells_of(self._raw[place.offset : place.offset + place.size], place.dtype, place.shape)

    def _read_aside(self, spec: TensorSpec, top: int, bottom: int) -> Cells:
        columns, stored = spec.shape[1], _TORCH_DTYPE[spec.dtype]
        data = self._aside[: (bottom - top) * columns * stored.itemsize]
        self._read(spec, top * columns * stored.itemsize, data.data)
        return cells_of(data, stored, (bottom - top, columns))

    def _read(self, spec: TensorSpec, offset: int, into: memoryview) -> None:
        done = 0
        while done < len(into):
            count = os.preadv(self._descriptor, [into[done:]], self._start + spec.begin + offset + done)
            if count == 0:
                raise Rejected([_cut_short(spec)])
            done += count


def _cut_short(spec: TensorSpec) -> Misfit:
    return Misfit(HeaderCode.CUT_SHORT, spec.name, "all its bytes", "the end of the file", "save the adapter again")
