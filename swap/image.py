"""Images: an adapter laid out byte for byte like the arena, so that to make it live is one copy."""

import os
from dataclasses import dataclass

import torch

from .admission import Plan
from .errors import Misfit, Rejected
from .header import TensorSpec
from .layout import Layout
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
    every tensor in which that is so, and when the file is shorter than its header said.
    """
    host.zero_()
    places = {place.slot.module: place for place in layout}
    misfits: list[Misfit] = []
    with open_regular(plan.manifest.weights) as descriptor:
        for placement in plan.placements:
            place = places[placement.slot.module]
            for spec, target in ((placement.a, place.a), (placement.b, place.b)):
                values = read_tensor(descriptor, plan.manifest.data_start, spec)
                misfits += _put(values, spec, target.view(host))
            place.scaling.view(host).fill_(placement.scaling)
    if misfits:
        raise Rejected(misfits)


def read_tensor(descriptor: int, data_start: int, spec: TensorSpec) -> torch.Tensor:
    """Read one tensor with pread into private memory: a file that is cut short under an mmap would kill the process."""
    data = bytearray(spec.end - spec.begin)
    view, done = memoryview(data), 0
    while done < len(data):
        count = os.preadv(descriptor, [view[done:]], data_start + spec.begin + done)
        if count == 0:
            raise Rejected([_cut_short(spec)])
        done += count
    return torch.frombuffer(data, dtype=_TORCH_DTYPE[spec.dtype]).view(spec.shape)


def _put(values: torch.Tensor, spec: TensorSpec, target: torch.Tensor) -> list[Misfit]:
    """Cast into the top left corner of the target; the rest of it stays zero, which adds nothing to the product."""
    rows, columns = values.shape
    corner = target[:rows, :columns]
    corner.copy_(values)
    if bool(torch.isfinite(corner).all()):
        return []
    was_finite = bool(torch.isfinite(values).all())
    got = f"a value too large for {corner.dtype}" if was_finite else "NaN or infinity"
    remedy = "look at the training run: its loss has probably diverged"
    return [Misfit("non_finite", spec.name, f"finite values in {corner.dtype}", got, remedy)]


def _cut_short(spec: TensorSpec) -> Misfit:
    return Misfit("weights_cut_short", spec.name, "all its bytes", "the end of the file", "save the adapter again")
