"""Whether all values of an adapter are finite in the dtype that is served, without torch."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from hotswapd.swap.adapter.admission import Plan
from hotswapd.swap.adapter.contract import Contract
from hotswapd.swap.adapter.header import TensorSpec
from hotswapd.swap.adapter.manifest import open_regular
from hotswapd.swap.codes import HeaderCode, TensorCode
from hotswapd.swap.errors import Misfit, Rejected

_INFINITE = {
    "float32": np.float32(np.inf),
    "float16": np.float32(65520.0),
    "bfloat16": np.uint32(0x7F7F_8000).view(np.float32),
}
"""The smallest magnitude that each dtype rounds to infinity."""
_PIECE = 4 << 20
"""Bytes that are read at once."""


def require_finite(plan: Plan, contract: Contract) -> None:
    """Read every tensor of the plan. Raises Rejected as filling an image does, with each that is not finite."""
    dtype, order = contract.dtype, {slot.module: number for number, slot in enumerate(contract.slots)}
    placements = sorted(plan.placements, key=lambda one: order[one.slot.module])
    start, specs = plan.manifest.data_start, [spec for one in placements for spec in (one.a, one.b)]
    with open_regular(plan.manifest.weights) as descriptor:
        wrong = [(spec, found) for spec in specs if (found := _wrong(descriptor, start, spec, dtype))]
    if wrong:
        remedy = "look at the training run: its loss has probably diverged"
        wanted = f"finite values in torch.{dtype}"
        raise Rejected([Misfit(TensorCode.NON_FINITE, spec.name, wanted, got, remedy) for spec, got in wrong])


def _wrong(descriptor: int, start: int, spec: TensorSpec, dtype: str) -> str:
    """Return what is wrong with a tensor's values, empty if nothing is; one that is not a number comes first."""
    too_large = ""
    for values in _values(descriptor, start, spec):
        largest = np.abs(values).max(initial=0.0)
        if not largest < np.inf:
            return "NaN or infinity"
        if largest >= _INFINITE[dtype]:
            too_large = f"a value too large for torch.{dtype}"
    return too_large


def _values(descriptor: int, start: int, spec: TensorSpec) -> Iterator[np.ndarray[Any, np.dtype[np.float32]]]:
    for begin in range(start + spec.begin, start + spec.end, _PIECE):
        size = min(_PIECE, start + spec.end - begin)
        raw = os.pread(descriptor, size, begin)
        if len(raw) < size:
            got, remedy = "the end of the file", "save the adapter again"
            raise Rejected([Misfit(HeaderCode.CUT_SHORT, spec.name, "all its bytes", got, remedy)])
        yield _decoded(raw, spec.dtype)


def _decoded(raw: bytes, stored: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Turn bytes into float32; bfloat16 is the upper half of one."""
    if stored == "BF16":
        return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(raw, {"F32": "<f4", "F16": "<f2"}[stored]).astype(np.float32)
