"""How much an adapter changes each slot: the Frobenius norms of scaling * B A and of the weight that it is added to."""

import math
from collections.abc import Iterable

import torch
from torch import nn

from hotswapd.swap.adapter.quantized import weight_norm

from .image import Image
from .layout import Layout


def update_norms(image: Image, layout: Layout) -> dict[str, float]:
    """Measure ||scaling * B A|| (Frobenius) of every slot, by the slot's module name. Legal on any thread.

    B A itself is never computed: the square of its norm is the trace of (B^T B)(A A^T), two matrices of rank x rank.
    A slot that the adapter does not have gives 0. The caller must hold the image.
    """
    if image.generation == 0:
        return {place.slot.module: 0.0 for place in layout}
    squares = []
    with torch.inference_mode():
        for place in layout:
            rank = place.a.shape[0] if image.ranks is None else image.ranks.get(place.slot.module, 0)
            a, b = place.a.view(image.buffer)[:rank].float(), place.b.view(image.buffer)[:, :rank].float()
            # The trace of a product of two symmetric matrices is the sum of their elementwise product.
            product = ((b.T @ b).double() * (a @ a.T).double()).sum()
            squares.append(product.clamp_min(0) * place.scaling.view(image.buffer).double().square())
        norms = torch.stack(squares).sqrt().tolist()
    return {place.slot.module: float(norm) for place, norm in zip(layout, norms, strict=True)}


def base_norms(model: nn.Module, layout: Layout) -> dict[str, float]:
    """Measure the base weight (Frobenius) of every slot, by the slot's module name. Legal on any thread."""
    with torch.inference_mode():
        return {place.slot.module: weight_norm(model.get_submodule(place.slot.module)) for place in layout}


def whole(norms: Iterable[float]) -> float:
    """Combine the norms of many matrices into the norm of all of them."""
    return math.sqrt(sum(norm * norm for norm in norms))
