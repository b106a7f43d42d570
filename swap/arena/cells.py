"""Cells: a tensor's values as unsigned integers, and the exact look at whether all of them are finite."""

from typing import Any

import numpy as np
import torch

Cells = np.ndarray[Any, np.dtype[Any]]
"""A tensor's values as unsigned integers of their size: numpy has no bfloat16, and moves bits on this thread alone.
torch would wake its other threads for each of a thousand small tensors, which takes longer than the work."""

_INFINITY = {torch.float32: 0x7F80_0000, torch.float16: 0x7C00, torch.bfloat16: 0x7F80}
"""The bits of infinity. NaN has larger ones, every finite value smaller ones, the sign bit apart."""


def cells_of(raw: Cells, dtype: torch.dtype, shape: tuple[int, ...]) -> Cells:
    """See bytes (bytes,) as the cells of a tensor of this dtype and shape; nothing is copied."""
    return raw.reshape(-1).view(f"u{dtype.itemsize}").reshape(shape)


def all_finite(cells: Cells, dtype: torch.dtype) -> bool:
    """Look at each value exactly: without a sign its bits must be below infinity's, and so must they be with one."""
    sign = 1 << (8 * dtype.itemsize - 1)
    positive, negative = cells.view(f"i{dtype.itemsize}").max(), cells.max()
    return bool(positive < _INFINITY[dtype] and negative < sign + _INFINITY[dtype])
