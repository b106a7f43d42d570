"""The berths: fixed places for adapters on the device, allocated once, so that a swap cannot run out of memory."""

import threading
from collections.abc import Callable, Sequence

import torch

from hotswapd.swap.errors import NoBerth

from .extents import Extents
from .image import Image


class Berths:
    """A fixed number of berths, each free, held, or kept for a quick return. Legal from any thread.

    An image that went live and is held by nobody stays in its berth until that is needed: going back to it stages
    nothing.
    """

    def __init__(self, size: int, count: int, device: torch.device) -> None:
        """Allocate `count` berths of `size` bytes, side by side: (berths, bytes) uint8."""
        self.on_drop: Callable[[Image], None] = lambda _: None
        """Called with a kept image before its berth is used again, on the thread that takes it."""
        self._lock = threading.Lock()
        self.memory = torch.zeros((count, size), dtype=torch.uint8, device=device)
        self._free = [(berth, Extents(zero=True)) for berth in reversed(range(count))]
        self._kept: dict[int, Image] = {}
        self._images: dict[int, Image] = {}
        self.count = count

    def take(self, digest: str) -> Image:
        """Take a berth for a new image that the caller holds. Raises NoBerth when each is held."""
        while True:
            with self._lock:
                if self._free:
                    berth, extents = self._free.pop()
                    image = self._images[berth] = Image(self.memory[berth], digest, berth, holders=1, extents=extents)
                    return image
                oldest = self._oldest_kept()
            self.on_drop(oldest)
            with self._lock:
                self._give(oldest)

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
            if image.holders > 0 or image.generation == 0:
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
            return bool(self._free or self._kept)

    def _oldest_kept(self) -> Image:
        """Take the image out that was kept the longest."""
        if not self._kept:
            raise NoBerth("every berth is in use: by what is live, a candidate, or requests of older generations")
        return self._kept.pop(next(iter(self._kept)))

    def _give(self, image: Image) -> None:
        del self._images[image.berth]
        self._free.append((image.berth, image.extents))
