"""Images: an adapter laid out byte for byte like the arena, so that making it live is one copy."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from .extents import Extents

UNNUMBERED = -1
"""What headers, logs and `/status` show as the number of an image that has none yet."""


@dataclass(slots=True, eq=False)
class Image:
    """An adapter on the device. Each staging makes a new Image, also when it reuses a buffer: identity is content.

    `generation` is None until it has its number, as it goes live or beside what is live. `holders` counts who needs it
    (lanes, the live place, the worker). `ranks` tells by module name how much of each slot the adapter fills, a module
    that is not named nothing; None when that is not known. `extents` belongs to the buffer and goes with it to the next
    image.
    """

    buffer: torch.Tensor
    digest: str
    generation: int | None = None
    holders: int = 0
    ranks: Mapping[str, int] | None = None
    extents: Extents = field(default_factory=lambda: Extents(zero=False))

    @property
    def number(self) -> int:
        """Its generation as it is shown to the outside: `UNNUMBERED` while it has none."""
        return UNNUMBERED if self.generation is None else self.generation
