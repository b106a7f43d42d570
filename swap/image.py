"""Images: an adapter laid out byte for byte like the arena, so that to make it live is one copy."""

import math
import os
from dataclasses import dataclass

import torch

from .admission import Plan
from .errors import Misfit, Rejected
from .header import TensorSpec
from .layout import Layout, Place, SlotPlace
from .manifest import open_regular

_TORCH_DTYPE = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@dataclass(slots=True, eq=False)
class Image:
    """An adapter on the device. Each staging makes a new Image, also when it reuses a buffer: identity is content.

    `generation` is -1 until it went live; `holders` counts who needs it (lanes, the live place, the worker).
    """

    buffer: torch.Tensor
    digest: str
    generation: int = -1
    holders: int = 0


def fill_host_image(host: torch.Tensor, plan: Plan, layout: Layout) -> None:
    """Read the plan's tensors, cast them to the slots' dtype and pad them to its rank, in a host buffer (bytes,).

    Slots that the adapter does not have become zero. Raises Rejected when a value is not finite after the cast, with
    every tensor in which that is so, and when the file is shorter than its header said; the buffer's content is then
    of no use.
    """
    given = {placement.slot.module: placement for placement in plan.placements}
    misfits: list[Misfit] = []
    with open_regular(plan.manifest.weights) as descriptor:
        os.posix_fadvise(descriptor, plan.manifest.data_start, 0, os.POSIX_FADV_WILLNEED)
        filler = _Filler(host, descriptor, plan)
        for place in layout:
            placement = given.get(place.slot.module)
            if placement is None:
                _clear(host, place)
                continue
            misfits += filler.put(placement.a, place.a) + filler.put(placement.b, place.b)
            place.scaling.view(host).fill_(placement.scaling)
    if misfits:
        raise Rejected(misfits)


class _Filler:
    """Puts one tensor after the other into its place, reading each byte once.

    It reads with preadv into private memory, never through an mmap: a file that is cut short under one would kill
    the process. Where the file's bytes lie as the image's do they are read straight into it.
    """

    def __init__(self, host: torch.Tensor, descriptor: int, plan: Plan) -> None:
        self._host = host
        self._bytes = host.numpy().data
        self._descriptor = descriptor
        self._start = plan.manifest.data_start
        longest = max((spec.end - spec.begin for one in plan.placements for spec in (one.a, one.b)), default=0)
        self._aside = torch.empty(longest, dtype=torch.uint8)  # pages of it that are never used cost nothing

    def put(self, spec: TensorSpec, place: Place) -> list[Misfit]:
        """Fill the top left corner; the rest becomes zero, which adds nothing to the product."""
        target = place.view(self._host)
        rows, columns = spec.shape
        corner = target[:rows, :columns]
        if columns == place.shape[1] and _TORCH_DTYPE[spec.dtype] == place.dtype:
            self._read(spec, self._bytes[place.offset : place.offset + spec.end - spec.begin])
            values = corner
        else:
            values = self._read_aside(spec)
            corner.copy_(values)
            target[:rows, columns:].zero_()
        if rows < place.shape[0]:
            target[rows:].zero_()
        return _non_finite(values, corner, spec)

    def _read_aside(self, spec: TensorSpec) -> torch.Tensor:
        data = self._aside[: spec.end - spec.begin]
        self._read(spec, data.numpy().data)
        return data.view(_TORCH_DTYPE[spec.dtype]).view(spec.shape)

    def _read(self, spec: TensorSpec, into: memoryview) -> None:
        done = 0
        while done < len(into):
            count = os.preadv(self._descriptor, [into[done:]], self._start + spec.begin + done)
            if count == 0:
                raise Rejected([_cut_short(spec)])
            done += count


def _clear(host: torch.Tensor, place: SlotPlace) -> None:
    for part in (place.a, place.b, place.scaling):
        host[part.offset : part.offset + part.size].zero_()


def _non_finite(values: torch.Tensor, corner: torch.Tensor, spec: TensorSpec) -> list[Misfit]:
    # A finite sum has finite terms only. It takes a thirtieth of the time of looking at each value, which is needed
    # only where the sum itself overflowed or is truly not finite.
    if math.isfinite(float(corner.sum(dtype=torch.float32))) or bool(torch.isfinite(corner).all()):
        return []
    was_finite = bool(torch.isfinite(values).all())
    got = f"a value too large for {corner.dtype}" if was_finite else "NaN or infinity"
    remedy = "look at the training run: its loss has probably diverged"
    return [Misfit("non_finite", spec.name, f"finite values in {corner.dtype}", got, remedy)]


def _cut_short(spec: TensorSpec) -> Misfit:
    return Misfit("weights_cut_short", spec.name, "all its bytes", "the end of the file", "save the adapter again")
