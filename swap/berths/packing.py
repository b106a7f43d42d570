"""Packing: what an adapter has in its berth, without the padding, so that it can wait in host memory."""

import hashlib
from collections.abc import Iterator, Mapping

import torch

from hotswapd.swap.errors import BytesChanged

from .image import Image, Packed
from .layout import Layout


def pack(image: Image, layout: Layout) -> Packed:
    """Copy what the image has for each slot that it touches. The image must be in a berth, and not be written."""
    parts = [part.reshape(-1).view(torch.uint8).cpu() for part in _parts(image, layout)]
    data = torch.cat(parts) if parts else torch.zeros(0, dtype=torch.uint8)
    return Packed(data, _checksum(data))


def unpack(packed: Packed, image: Image, ranks: Mapping[str, int] | None, layout: Layout) -> None:
    """Lay a packed adapter out in the image's berth. Raises BytesChanged if its checksum is another."""
    if _checksum(packed.data) != packed.checksum:
        raise BytesChanged(f"the adapter {image.digest[:12]} has changed in host memory: look at the machine's memory")
    image.ranks = ranks
    image.extents.forget()
    image.buffer.zero_()
    at = 0
    for part in _parts(image, layout):
        size = part.numel() * part.element_size()
        part.copy_(packed.data[at : at + size].clone().view(part.dtype).view(part.shape))
        at += size


def _parts(image: Image, layout: Layout) -> Iterator[torch.Tensor]:
    """View A, B and the scaling of each slot that the adapter has, without the padding of its rank."""
    for place in layout:
        a, b = place.a.view(image.buffer), place.b.view(image.buffer)
        rank = a.shape[0] if image.ranks is None else image.ranks.get(place.slot.module, 0)
        if rank:
            yield a[:rank]
            yield b[:, :rank]
            yield place.scaling.view(image.buffer)


def _checksum(data: torch.Tensor) -> str:
    return hashlib.sha256(data.numpy().tobytes()).hexdigest()
