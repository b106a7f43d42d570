"""Every refused adapter leaves the berths of others bit-identical, and so every answer."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from kits.adapters import BAD, edit_config, edit_tensors, make_bad
from kits.contracts import Base
from kits.residents import free, opened, stage, staged, unchanged

from hotswapd.swap.berths.image import Image
from hotswapd.swap.errors import Rejected
from hotswapd.swap.resident.resident import Resident


@pytest.fixture(scope="module")
def resident(llama: Base) -> Iterator[Resident]:
    with opened(llama.base, berths=3) as made:
        yield made


@pytest.fixture(scope="module")
def live(llama: Base, resident: Resident) -> Iterator[Image]:
    with staged(resident, llama.make("refused-live", seed=5, rank=7, targets="all-linear")) as image:
        yield image


@pytest.fixture
def _unchanged(resident: Resident, live: Image) -> Iterator[None]:
    with unchanged(resident, live):
        yield


@pytest.mark.usefixtures("_unchanged")
@pytest.mark.parametrize("name", BAD)
def test_a_refused_adapter_changes_nothing(resident: Resident, good: Path, tmp_path: Path, name: str) -> None:
    """Each is refused with its code, whole: the live adapter and all answers are the same bits as before."""
    with pytest.raises(Rejected) as caught:
        stage(resident, make_bad(good, tmp_path / name, name))
    assert BAD[name][1] in {misfit.code for misfit in caught.value.misfits}


@pytest.mark.usefixtures("_unchanged")
def test_many_faults_are_told_in_one_refusal(resident: Resident, spoil: Callable[..., Path]) -> None:
    """The list is the same as that of an admission alone, so `check` and the daemon agree."""

    def tensors(found: dict[str, torch.Tensor]) -> None:
        found["surprise"] = torch.ones(1)
        first, *_ = sorted(found)
        found[first] = found[first].double()

    bad = spoil(edit_tensors(tensors), edit_config(use_dora=True, r=3, surprise=1, bias="all"))
    with pytest.raises(Rejected) as caught:
        stage(resident, bad)
    codes = [misfit.code for misfit in caught.value.misfits]
    assert {"dora", "bias", "unknown_field", "dtype_refused", "unknown_target", "rank_mismatch"} <= set(codes)
    with pytest.raises(Rejected) as alone:
        resident.admit(bad)
    assert alone.value.misfits == caught.value.misfits


@pytest.mark.usefixtures("_unchanged")
def test_a_hundred_refusals_cost_no_berth(resident: Resident, good: Path, tmp_path: Path) -> None:
    """More refusals, at every depth, than there are berths."""
    before = free(resident)
    bad = [make_bad(good, tmp_path / name, name) for name in ("nan", "inf", "truncated", "dora", "other_shape")]
    for number in range(100):
        with pytest.raises(Rejected):
            stage(resident, bad[number % 5])
    assert free(resident) == before
    for image in [resident.stage(resident.admit(good)) for _ in range(before)]:
        resident.drop(image)
