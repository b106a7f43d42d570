"""The shelf: parked adapters in host memory, and beyond that nowhere, since the store has them."""

import weakref
from collections.abc import Callable

from hotswapd.swap.berths.image import Image
from hotswapd.swap.berths.packing import pack, unpack
from hotswapd.swap.errors import BytesChanged
from hotswapd.swap.resident.resident import Resident

from .parking import Shelf

Reload = Callable[[Image], None]
"""Fills an image's berth from its artifact, whose digest it has compared. Raises OSError or BytesChanged."""


class HostShelf(Shelf):
    """Keeps at most `most` bytes; what was parked the longest time ago is dropped first, if it can be read again."""

    def __init__(self, resident: Resident, most: int) -> None:
        """Hold nothing yet."""
        self._resident = resident
        self._most = most
        self._shelved: list[weakref.ref[Image]] = []
        self.reload: Reload | None = None
        """How a dropped one is read again; without it nothing is dropped."""

    @property
    def held(self) -> int:
        """Bytes in host memory."""
        return sum(image.packed.size for one in self._shelved if (image := one()) is not None and image.packed)

    def put(self, image: Image) -> None:
        """Pack it into host memory."""
        self._resident.norms(image)  # they are asked for later, when it may have no berth
        image.packed = pack(image, self._resident.layout)
        self._shelved = [one for one in self._shelved if (there := one()) is not None and there.packed]
        self._shelved.append(weakref.ref(image))
        while self.reload is not None and self.held > self._most and self._shelved:
            oldest = self._shelved.pop(0)()
            if oldest is not None:
                oldest.packed = None

    def lay_out(self, image: Image) -> None:
        """Unpack it, or read it from the store."""
        packed, image.packed = image.packed, None
        if packed is not None:
            unpack(packed, image, self._resident.layout)
        elif self.reload is not None:
            self.reload(image)
        else:
            raise BytesChanged("its bytes are neither in memory nor in a store")
