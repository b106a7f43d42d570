"""The norms gate: the update against the weights it is added to, and against the updates that were live."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.contracts import Base
from kits.residents import opened

from hotswapd.swap.berths.image import Image
from hotswapd.swap.berths.norms import update_norms, whole
from hotswapd.swap.gates.norms import norms_verdict
from hotswapd.swap.gates.spec import Limits, Outcome, Verdict
from hotswapd.swap.resident.resident import Resident


@pytest.fixture(scope="module")
def resident(llama: Base) -> Iterator[Resident]:
    with opened(llama.base) as made:
        yield made


@pytest.fixture(scope="module")
def image(resident: Resident, good: Path) -> Iterator[Image]:
    made = resident.stage(resident.admit(good))
    yield made
    resident.drop(made)


def verdict(resident: Resident, image: Image, limits: Limits, before: tuple[float, ...] = ()) -> Verdict:
    return norms_verdict(resident.norms(image), resident.base_norms, before, limits)


def test_the_ratio_is_held_to_its_limit(resident: Resident, image: Image) -> None:
    """The limit itself passes, and 0 is none."""
    ratio = verdict(resident, image, Limits()).numbers["update_ratio"]
    assert ratio > 0
    assert verdict(resident, image, Limits(max_update_ratio=ratio)).outcome == Outcome.PASSED
    failed = verdict(resident, image, Limits(max_update_ratio=ratio * 0.99))
    assert (failed.outcome, failed.code) == (Outcome.FAILED, "update_too_large")
    assert verdict(resident, image, Limits(max_update_ratio=0)).outcome == Outcome.PASSED


def test_growth_needs_three_that_were_live(resident: Resident, image: Image) -> None:
    """Their median is what is usual; how it ends is configured."""
    size = whole(update_norms(image, resident.layout).values())
    small = (size / 30,)
    assert "update_growth" not in verdict(resident, image, Limits(), small * 2).numbers
    warned = verdict(resident, image, Limits(), (*small * 2, size))
    assert (warned.outcome, warned.code) == (Outcome.WARNED, "update_outgrown")
    assert warned.numbers["update_growth"] == pytest.approx(30)
    assert verdict(resident, image, Limits(outgrown="refuse"), small * 3).outcome == Outcome.FAILED
    assert verdict(resident, image, Limits(max_update_growth=0), small * 3).outcome == Outcome.PASSED
