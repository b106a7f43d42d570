"""A buffer that is used again: only what an earlier adapter left is cleared, and whatever comes, all of it is."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from adapters import edit_tensors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import MAX_RANK, Served

from hotswapd.swap.admission import Plan
from hotswapd.swap.errors import Rejected
from hotswapd.swap.extents import Extents
from hotswapd.swap.image import fill_host_image
from hotswapd.swap.layout import Layout

SHAPES = [
    {"rank": 1, "targets": ["up_proj"]},
    {"rank": MAX_RANK, "targets": "all-linear"},
    {"rank": 4, "targets": ["q_proj", "v_proj"], "rank_pattern": {"q_proj": MAX_RANK}},
    {"rank": 2, "targets": ["q_proj", "down_proj"], "dtype": torch.bfloat16},
    {"rank": 8, "targets": "all-linear", "dtype": torch.float16},
]


@pytest.fixture(scope="module")
def plans(llama: Served) -> list[Plan]:
    """Adapters whose corners differ in every slot."""
    return [llama.admit(llama.make(f"extents-{number}", **shape)) for number, shape in enumerate(SHAPES)]


def _alone(plan: Plan, layout: Layout) -> torch.Tensor:
    host = torch.full((layout.size,), 0, dtype=torch.uint8)
    fill_host_image(host, plan, layout)
    return host


def _break_off(host: torch.Tensor, plan: Plan, layout: Layout, extents: Extents, reads: int) -> None:
    """Stage until the file's so-manieth read fails, like a disk that goes away."""
    read, done = os.preadv, [0]

    def fail(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        done[0] += 1
        if done[0] > reads:
            raise OSError(5, "Input/output error")
        last = done[0] == reads  # it gives one half, which lies in the image then
        return read(descriptor, [buffers[0][: len(buffers[0]) // 2]] if last else buffers, offset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "preadv", fail)
        with pytest.raises(OSError, match="Input/output"):
            fill_host_image(host, plan, layout, extents=extents)


@given(
    steps=st.lists(st.tuples(st.integers(0, len(SHAPES) - 1), st.none() | st.integers(0, 4)), min_size=1, max_size=8),
    slots=st.sampled_from([torch.float32, torch.bfloat16]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_was_there_every_byte_is_as_in_a_new_buffer(
    llama: Served, plans: list[Plan], steps: list[tuple[int, int | None]], slots: torch.dtype
) -> None:
    """Adapters of all shapes in any order, some broken off in the middle; the padding between places stays zero."""
    layout = Layout.of(llama.contract, slots)
    host, extents = torch.zeros(layout.size, dtype=torch.uint8), Extents(zero=True)
    for number, reads in steps:
        if reads is not None:
            _break_off(host, plans[number], layout, extents, reads)
            continue
        fill_host_image(host, plans[number], layout, extents=extents)
        assert torch.equal(host, _alone(plans[number], layout))


def test_after_a_refusal_nothing_of_it_is_left(llama: Served, plans: list[Plan], spoil: Callable[..., Path]) -> None:
    """The refused adapter's NaN lie where the next one has nothing."""
    layout = Layout.of(llama.contract, torch.float32)
    host, extents = torch.zeros(layout.size, dtype=torch.uint8), Extents(zero=True)
    bad = llama.admit(spoil(edit_tensors(lambda tensors: {name: t * float("nan") for name, t in tensors.items()})))
    with pytest.raises(Rejected):
        fill_host_image(host, bad, layout, extents=extents)
    fill_host_image(host, plans[0], layout, extents=extents)
    assert torch.equal(host, _alone(plans[0], layout))


def test_what_is_known_to_be_zero_is_left_alone(llama: Served, plans: list[Plan]) -> None:
    """That is the gain: a mark beyond the corner of a small adapter is still there after it was staged."""
    layout = Layout.of(llama.contract, torch.float32)
    host, extents = torch.zeros(layout.size, dtype=torch.uint8), Extents(zero=True)
    last = layout.slots[-1].b.view(host)
    last[-1, -1] = 7.0
    fill_host_image(host, plans[0], layout, extents=extents)
    assert last[-1, -1] == 7.0
    fill_host_image(host, plans[0], layout)
    assert not last.any()
