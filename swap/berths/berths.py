"""The berths: fixed places for adapters on the device, allocated once, so that a swap cannot run out of memory."""

import threading
from collections.abc import Callable, Sequence

import torch

from hotswapd.swap.errors import NoBerth

from .extents import Extents
from .image import PARKED, Image


class Berths:
    """A fixed number of berths, each free, held, or kept for a quick return. Legal from any thread.

    An image that went live and is held by nobody stays in its berth until that is needed: going back to it stages
    nothing.
    """

    def __init__(self, size: int, count: int, device: torch.device) -> None:
        """Allocate `count` berths of `size` bytes, side by side: (berths, bytes) uint8."""
        self.make_room: Callable[[], bool] = lambda: False
        """Frees a berth that is held and could be spared, without the lock; tells whether there was one."""
        self.spare: Callable[[], bool] = lambda: False
        """Tells whether `make_room` would find one."""
        self._lock = threading.Lock()
        self.memory = torch.zeros((count, size), dtype=torch.uint8, device=device)
        self._free = [(berth, Extents(zero=True)) for berth in reversed(range(count))]
        self._kept: dict[int, Image] = {}
        self._images: dict[int, Image] = {}
        self.count = count

    def take(self, digest: str) -> Image:
        """Take a berth for a new image that the caller holds. Raises NoBerth when each is held."""
        image = Image(self.memory[0], digest, PARKED, holders=1)
        self.settle(image)
        return image

    def settle(self, image: Image) -> None:
        """Take a berth for an image that has none; what lies in it is undefined then. Raises NoBerth."""
        while True:
            with self._lock:
                if self._free or self._kept:
                    self._settle(image)
                    return
            if not self.make_room():
                raise NoBerth("every berth is in use: by what is live, a candidate, or requests of older generations")

    def park(self, image: Image) -> None:
        """Take the berth of an image that somebody holds and nobody uses; its bytes are kept elsewhere."""
        with self._lock:
            self._give(image)
            image.buffer, image.berth, image.parts = self.memory[0][:0], PARKED, None

    def hold(self, image: Image) -> None:
        """Count one more holder. The image must be held already, kept, or generation 0."""
        with self._lock:
            number = image.generation
            kept = number is not None and self._kept.get(number) is image
            if image.holders == 0 and number != 0 and not kept:
                raise RuntimeError("a defect of hotswapd: an image was asked for whose berth may be used again")
            if number is not None and kept:
                del self._kept[number]
            image.holders += 1

    def release(self, image: Image) -> None:
        """Count one holder less; without any it is kept if it was ever live, otherwise its berth is free."""
        with self._lock:
            image.holders -= 1
            if image.holders > 0 or image.generation == 0 or image.parked:
                return
            if image.generation is None:
                self._give(image)
                return
            replaced = self._kept.pop(image.generation, None)
            if replaced is not None:
                self._give(replaced)
            self._kept[image.generation] = image

    def kept(self, generation: int) -> Image | None:
        """Find an image that is still in its berth although nobody holds it."""
        with self._lock:
            return self._kept.get(generation)

    def images(self) -> Sequence[Image]:
        """List what lies in the berths, in their order."""
        with self._lock:
            return [image for _, image in sorted(self._images.items())]

    def room(self) -> bool:
        """Tell whether a berth could be taken now."""
        with self._lock:
            if self._free or self._kept:
                return True
        return self.spare()

    def _settle(self, image: Image) -> None:
        if not self._free:
            self._drop_oldest()
        image.berth, image.extents = self._free.pop()
        image.buffer, image.parts = self.memory[image.berth], None
        self._images[image.berth] = image

    def _drop_oldest(self) -> None:
        self._give(self._kept.pop(min(self._kept)))

    def _give(self, image: Image) -> None:
        del self._images[image.berth]
        self._free.append((image.berth, image.extents))
