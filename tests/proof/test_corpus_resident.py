"""Every class of structure, configuration and tensors is refused by the resident, and what is live keeps each bit."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.residents import answer, free, opened, same_bits, stage
from kits.room import home

from hotswapd.swap.berths.image import Image
from hotswapd.swap.errors import Rejected
from hotswapd.swap.resident.resident import Resident

from .corpus import GOOD, Bad, everything
from .corpus_bench import DTYPE, LIVE, MAX_RANK

CLASSES = [bad for group in ("structure", "config", "tensors") for bad in everything()[group]]
_OF_THE_SOURCE = "too_large"
"""The code of what no source copies, so that the daemon never has it in its hands."""
REFUSED = [bad for bad in CLASSES if bad.state != "ROLLED_BACK"]


@pytest.fixture(scope="module")
def resident() -> Iterator[Resident]:
    with opened(home() / "base", max_rank=MAX_RANK, dtype=DTYPE) as made:
        yield made


@pytest.fixture(scope="module")
def live(resident: Resident) -> Image:
    """Lay an adapter out that stays."""
    return stage(resident, home() / LIVE)


@pytest.mark.parametrize("bad", REFUSED, ids=[bad.name for bad in REFUSED])
def test_a_refusal_leaves_the_live_berth_and_takes_none(
    resident: Resident, live: Image, tmp_path: Path, bad: Bad
) -> None:
    """Whoever stages it, with no daemon before it that would wait for a file to become whole: with its own code."""
    before, room = live.buffer.clone(), free(resident)
    adapter = tmp_path / "adapter"
    shutil.copytree(home() / GOOD, adapter)
    bad.spoil(adapter)
    with pytest.raises(Rejected) as refused:
        stage(resident, adapter)
    if bad.state == "REJECTED" and bad.code != _OF_THE_SOURCE:
        assert refused.value.code == bad.code
    assert bool((live.buffer == before).all())
    assert free(resident) == room


def test_after_refusals_the_answers_are_the_same_bits(resident: Resident, live: Image, tmp_path: Path) -> None:
    """A few that fail at different depths: the logits are those of before."""
    said = answer(resident, live)
    for name in ("hole_in_the_data", "rank_not_the_tensors", "minus_infinity", "other_width_in_the_last"):
        adapter = tmp_path / name
        shutil.copytree(home() / GOOD, adapter)
        next(bad for bad in CLASSES if bad.name == name).spoil(adapter)
        with pytest.raises(Rejected):
            stage(resident, adapter)
    assert same_bits(answer(resident, live), said)
