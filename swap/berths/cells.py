"""Cells: a tensor's values as unsigned integers, and the exact check that all of them are finite."""

from typing import Any

import numpy as np
import torch

Cells = np.ndarray[Any, np.dtype[Any]]
"""A tensor's values as unsigned integers of their size: numpy has no bfloat16, and it works on this thread alone.
torch would wake its other threads for each of a thousand small tensors, which takes longer than the work."""

_INFINITY = {torch.float32: 0x7F80_0000, torch.float16: 0x7C00, torch.bfloat16: 0x7F80}
"""The bits of infinity. Without the sign bit, those of NaN are larger and those of every finite value smaller."""


def cells_of(raw: Cells, dtype: torch.dtype, shape: tuple[int, ...]) -> Cells:
    """View bytes (bytes,) as the cells of a tensor of this dtype and shape; nothing is copied."""
    return raw.reshape(-1).view(f"u{dtype.itemsize}").reshape(shape)


def all_finite(cells: Cells, dtype: torch.dtype) -> bool:
    """Check each value exactly: its bits must be below those of infinity with the same sign."""
    sign = 1 << (8 * dtype.itemsize - 1)
    positive, negative = cells.view(f"i{dtype.itemsize}").max(), cells.max()
    return bool(positive < _INFINITY[dtype] and negative < sign + _INFINITY[dtype])
