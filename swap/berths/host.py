"""Adapters in host memory: those that have lost their berth and may be asked for again."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from .image import Image, Packed
from .layout import Layout
from .packing import pack, unpack


@dataclass(frozen=True, slots=True)
class _Kept:
    packed: Packed
    ranks: Mapping[str, int] | None
    norms: Mapping[str, float] | None


class HostMemory:
    """Keeps at most so many bytes, by digest; what came the longest time ago goes first. Legal on any thread."""

    def __init__(self, layout: Layout, most: int) -> None:
        """Hold nothing yet; `most` is in bytes."""
        self._layout = layout
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self.held = 0
        """Bytes that are held now."""

    def keep(self, image: Image) -> None:
        """Copy an image out of its berth, which nobody writes meanwhile; what is here already is not copied again."""
        with self._lock:
            if image.digest in self._kept:
                self._kept.move_to_end(image.digest)
                return
        packed = pack(image, self._layout)
        if packed.size > self._most:
            return
        with self._lock:
            self._forget(image.digest)
            self._kept[image.digest] = _Kept(packed, image.ranks, image.norms)
            self.held += packed.size
            while self.held > self._most:
                self._forget(next(iter(self._kept)))

    def lay_out(self, image: Image) -> bool:
        """Fill an image's new berth by its digest; False if it is not here. Raises BytesChanged."""
        with self._lock:
            kept = self._kept.get(image.digest)
        if kept is None:
            return False
        unpack(kept.packed, image, kept.ranks, self._layout)
        image.norms = kept.norms
        return True

    def forget(self, digest: str) -> None:
        """Drop what is held of a digest, if anything is."""
        with self._lock:
            self._forget(digest)

    def __contains__(self, digest: str) -> bool:
        """Tell whether a digest is here."""
        return digest in self._kept

    def _forget(self, digest: str) -> None:
        kept = self._kept.pop(digest, None)
        if kept is not None:
            self.held -= kept.packed.size
