"""The device images: allocated once, at the start, so that a swap cannot run out of memory."""

import threading

import torch

from hotswapd.swap.errors import NoImage

from .extents import Extents
from .image import Image


class ImagePool:
    """A fixed number of device buffers, each free, held, or kept for a quick return. Legal from any thread.

    An image that went live and is held by nobody stays where it is until its buffer is needed: a rollback to it
    needs no staging.
    """

    def __init__(self, size: int, count: int, device: torch.device) -> None:
        self._lock = threading.Lock()
        zeros = (torch.zeros(size, dtype=torch.uint8, device=device) for _ in range(count))
        self._free = [(buffer, Extents(zero=True)) for buffer in zeros]
        self._kept: dict[int, Image] = {}

    def take(self, digest: str) -> Image:
        """Take a buffer as a new image that the caller holds. Raises NoImage when every buffer is held."""
        with self._lock:
            if not self._free:
                self._drop_oldest()
            buffer, extents = self._free.pop()
            return Image(buffer, digest, holders=1, extents=extents)

    def hold(self, image: Image) -> None:
        """Count one more holder. The image must be held already, kept, or generation 0."""
        with self._lock:
            number = image.generation
            kept = number is not None and self._kept.get(number) is image
            if image.holders == 0 and number != 0 and not kept:
                raise RuntimeError("a defect of hotswapd: an image was asked for whose buffer may be used again")
            if number is not None and kept:
                del self._kept[number]
            image.holders += 1

    def release(self, image: Image) -> None:
        """Count one holder less; without any it is kept if it was ever live, otherwise free."""
        with self._lock:
            image.holders -= 1
            if image.holders > 0 or image.generation == 0:
                return
            if image.generation is None:
                self._free.append((image.buffer, image.extents))
                return
            replaced = self._kept.pop(image.generation, None)
            if replaced is not None:
                self._free.append((replaced.buffer, replaced.extents))
            self._kept[image.generation] = image

    def kept(self, generation: int) -> Image | None:
        """Find an image that is still on the device although nobody holds it."""
        with self._lock:
            return self._kept.get(generation)

    def _drop_oldest(self) -> None:
        if not self._kept:
            raise NoImage("every device image is in use by a lane")
        oldest = self._kept.pop(min(self._kept))
        self._free.append((oldest.buffer, oldest.extents))
