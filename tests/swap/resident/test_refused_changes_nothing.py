"""Every refused adapter leaves the arena bit-identical, and so every answer."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from kits.adapters import BAD, edit_config, edit_tensors, make_bad
from kits.contracts import Base
from kits.residents import answer, go_live, opened, same_bits

from hotswapd.swap.errors import Rejected
from hotswapd.swap.resident.resident import Resident


@pytest.fixture(scope="module")
def resident(llama: Base) -> Iterator[Resident]:
    with opened(llama.base) as made:
        go_live(made, llama.make("refused-live", seed=5, rank=7, targets="all-linear"))
        yield made


@pytest.fixture
def unchanged(resident: Resident) -> Iterator[None]:
    live, digest, said = resident.live, resident.arena.digest(), answer(resident)
    yield
    assert resident.live is live
    assert resident.arena.digest() == digest
    assert same_bits(answer(resident), said)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", BAD)
def test_a_refused_adapter_changes_nothing(resident: Resident, good: Path, tmp_path: Path, name: str) -> None:
    """Each is refused with its code, whole: arena, answer and generation are the same bits as before."""
    with pytest.raises(Rejected) as caught:
        resident.swap(make_bad(good, tmp_path / name, name), 99)
    assert BAD[name][1] in {misfit.code for misfit in caught.value.misfits}


@pytest.mark.usefixtures("unchanged")
def test_many_faults_are_told_in_one_refusal(resident: Resident, spoil: Callable[..., Path]) -> None:
    """The list is the same as that of an admission alone, so `check` and the daemon agree."""

    def tensors(found: dict[str, torch.Tensor]) -> None:
        found["surprise"] = torch.ones(1)
        first, *_ = sorted(found)
        found[first] = found[first].double()

    bad = spoil(edit_tensors(tensors), edit_config(use_dora=True, r=3, surprise=1, bias="all"))
    with pytest.raises(Rejected) as caught:
        resident.swap(bad, 99)
    codes = [misfit.code for misfit in caught.value.misfits]
    assert {"dora", "bias", "unknown_field", "dtype_refused", "unknown_target", "rank_mismatch"} <= set(codes)
    with pytest.raises(Rejected) as alone:
        resident.admit(bad)
    assert alone.value.misfits == caught.value.misfits


@pytest.mark.usefixtures("unchanged")
def test_a_hundred_refusals_cost_no_image(resident: Resident, good: Path, tmp_path: Path) -> None:
    """More refusals, at every depth, than there are images."""
    free = len(resident.pool._free) + len(resident.pool._kept)
    bad = [make_bad(good, tmp_path / name, name) for name in ("nan", "inf", "truncated", "dora", "other_shape")]
    for turn in range(100):
        with pytest.raises(Rejected):
            resident.swap(bad[turn % 5], 99)
    assert len(resident.pool._free) + len(resident.pool._kept) == free
