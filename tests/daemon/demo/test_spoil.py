"""The adapters that the demo spoils: each has the one damage it is named for, and nothing else wrong."""

import struct
from pathlib import Path

import pytest
import torch
from kits.demo import two_matrices
from safetensors.torch import load_file

from hotswapd.daemon.demo.spoil import DAMAGES, WEIGHTS, cut_short, put_in_a_nan, raise_rank, spoiled
from hotswapd.swap.adapter.manifest import read_manifest


@pytest.fixture(params=[torch.float32, torch.float16, torch.bfloat16], ids=str)
def good(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return two_matrices(tmp_path / "good", request.param)


def matrices(adapter: Path) -> tuple[torch.Tensor, torch.Tensor]:
    tensors = load_file(adapter / WEIGHTS)
    (a,), (b,) = ([tensor for name, tensor in tensors.items() if side in name] for side in ("lora_A", "lora_B"))
    return a.float().clone(), b.float().clone()  # the file under the mapping is about to be written


def test_one_value_becomes_nan_and_the_file_stays_whole(good: Path) -> None:
    """A diverged adapter differs from the good one in one value only."""
    a, b = matrices(good)
    put_in_a_nan(good)
    spoilt_a, spoilt_b = matrices(good)
    assert torch.equal(spoilt_a, a)
    assert spoilt_b.isnan().sum() == 1
    assert torch.equal(spoilt_b.view(-1)[1:], b.view(-1)[1:])


def test_a_raised_rank_means_a_whole_adapter_of_that_rank(good: Path) -> None:
    """The matrices are repeated so that their product is the old one times the factor: nothing else is wrong in it."""
    a, b = matrices(good)
    raise_rank(good, 3)
    raised_a, raised_b = matrices(good)
    assert raised_a.shape == (6, 3)
    assert raised_b.shape == (4, 6)
    assert torch.equal(raised_b @ raised_a, 3 * (b @ a))
    assert read_manifest(good).config["r"] == 6


def test_half_a_file_is_left_of_a_broken_copy(good: Path) -> None:
    """The header still says how long the file should be."""
    size = (good / WEIGHTS).stat().st_size
    cut_short(good)
    assert (good / WEIGHTS).stat().st_size == size // 2
    (header,) = struct.unpack("<Q", (good / WEIGHTS).read_bytes()[:8])
    assert header < size


def test_spoiling_leaves_the_good_adapter_alone(good: Path, tmp_path: Path) -> None:
    """Every damage is done to a copy, under its own name."""
    before = (good / WEIGHTS).read_bytes()
    places = [spoiled(good, damage, tmp_path / "spoilt") for damage in DAMAGES]
    assert (good / WEIGHTS).read_bytes() == before
    assert [place.name for place in places] == [damage.name for damage in DAMAGES]
    assert all((place / WEIGHTS).read_bytes() != before for place in places)
