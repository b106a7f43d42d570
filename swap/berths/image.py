"""Images: an adapter laid out for the device, in the berth that holds it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from .extents import Extents

UNNUMBERED = -1
"""What headers, logs and `/status` show as the number of an image that has none yet."""
NO_BERTH = -1
"""The berth of generation 0: the bare base needs none."""


@dataclass(frozen=True, slots=True)
class Packed:
    """An adapter outside of its berth: `data` (bytes,) uint8 in host memory, and the SHA-256 (hex) of it."""

    data: torch.Tensor
    checksum: str

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)


@dataclass(slots=True, eq=False)
class Image:
    """An adapter in its berth. Each staging makes a new Image, also when it reuses a berth: identity is content.

    `generation` is None until it has its number, as it goes live or beside what is live. `holders` counts who needs it
    (routes, requests, the worker). `ranks` tells by module name how much of each slot the adapter fills, a module that
    is not named nothing; None when that is not known. `extents` belongs to the berth and goes with it to the next.
    `parts` is for `low_rank`, which views the image once; `norms` are what `norms.update_norms` has measured of it.
    """

    buffer: torch.Tensor
    digest: str
    berth: int = NO_BERTH
    generation: int | None = None
    holders: int = 0
    ranks: Mapping[str, int] | None = None
    extents: Extents = field(default_factory=lambda: Extents(zero=False))
    parts: Any = None
    norms: Mapping[str, float] | None = None

    @property
    def number(self) -> int:
        """Its generation as it is shown to the outside: `UNNUMBERED` while it has none."""
        return UNNUMBERED if self.generation is None else self.generation
