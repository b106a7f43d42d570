"""What the tests of the resident share: one on a tiny base, its adapters, and what they must answer."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from hotswapd.swap.berths.image import Image
from hotswapd.swap.resident.resident import Resident
from hotswapd.swap.resident.spec import ResidentSpec
from kits.adapters import logits, oracle_model

PROMPTS = ([5, 6, 7], [40, 9, 200, 11, 64, 3], [250, 1, 1, 1, 77, 80, 81, 90])
MAX_RANK = 16


@contextmanager
def opened(base: Path, **spec: Any) -> Iterator[Resident]:
    """Open a resident on this base, without a loop; closed again at the end."""
    resident = Resident.open(ResidentSpec(str(base), **{"max_rank": MAX_RANK, **spec}))
    try:
        yield resident
    finally:
        resident.close()


def stage(resident: Resident, adapter: Path, digest: str = "") -> Image:
    """Take an adapter through all that comes before it goes live; the caller holds its image."""
    image = resident.stage(resident.admit(adapter), digest)
    try:
        resident.verify(image)
    except BaseException:
        resident.drop(image)
        raise
    return image


@contextmanager
def staged(resident: Resident, adapter: Path, digest: str = "") -> Iterator[Image]:
    """Hold a verified image for as long as the body runs."""
    image = stage(resident, adapter, digest)
    try:
        yield image
    finally:
        resident.drop(image)


def answer(resident: Resident, image: Image | None = None, model: Any = None) -> list[torch.Tensor]:
    """Compute the logits of every prompt with an image (the base's without one)."""
    with resident.visit(resident.base_image if image is None else image):
        return [logits(model or resident.model, prompt) for prompt in PROMPTS]


@contextmanager
def unchanged(resident: Resident, image: Image) -> Iterator[None]:
    """Hold a resident to what it was: a held image, its answers and the base's, and how many berths are free."""
    content, room = image.buffer.clone(), free(resident)
    said, base = answer(resident, image), answer(resident)
    yield
    assert torch.equal(image.buffer, content)
    assert same_bits(answer(resident, image), said)
    assert same_bits(answer(resident), base)
    assert free(resident) == room


def free(resident: Resident) -> int:
    """Count the berths that nobody holds."""
    held = sum(image.holders > 0 for image in resident.berths.images())
    return resident.berths.count - held


def reference(base: Path, adapter: Path | None, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """Compute what a fresh PEFT load gives for the same prompts."""
    model = oracle_model(base, adapter, dtype)
    return [logits(model, prompt) for prompt in PROMPTS]


def largest_difference(ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> float:
    """Compare two lists of logits."""
    return max(float((one - other).abs().max()) for one, other in zip(ours, theirs, strict=True))


def same_bits(ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> bool:
    """Report whether two lists of logits are equal to the last bit."""
    return all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
