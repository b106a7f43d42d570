"""A buffer that is used again: only what an earlier adapter left is cleared, and whatever comes, all of it is."""

import errno
import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kits.adapters import edit_tensors
from kits.contracts import MAX_RANK, Base

from hotswapd.swap.adapter.admission import Plan
from hotswapd.swap.berths.extents import Extents
from hotswapd.swap.berths.filling import fill_host_image
from hotswapd.swap.berths.layout import Layout
from hotswapd.swap.berths.pace import Pace
from hotswapd.swap.errors import Rejected

SHAPES = [
    {"rank": 1, "targets": ["up_proj"]},
    {"rank": MAX_RANK, "targets": "all-linear"},
    {"rank": 4, "targets": ["q_proj", "v_proj"], "rank_pattern": {"q_proj": MAX_RANK}},
    {"rank": 2, "targets": ["q_proj", "down_proj"], "dtype": torch.bfloat16},
    {"rank": 8, "targets": "all-linear", "dtype": torch.float16},
]


@pytest.fixture(scope="module")
def plans(llama: Base) -> list[Plan]:
    """Adapters whose corners differ in every slot."""
    return [llama.admit(llama.make(f"extents-{number}", **shape)) for number, shape in enumerate(SHAPES)]


def _alone(plan: Plan, layout: Layout) -> torch.Tensor:
    host = torch.zeros(layout.size, dtype=torch.uint8)
    fill_host_image(host, plan, layout)
    return host


def failing_after(reads: int) -> Callable[..., int]:
    """Give a preadv whose so-manieth read brings one half, which lies in the image then, and the next one nothing."""
    read, done = os.preadv, itertools.count(1)

    def fail(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        number = next(done)
        if number > reads:
            raise OSError(errno.EIO, "Input/output error")
        return read(descriptor, [buffers[0][: len(buffers[0]) // 2]] if number == reads else buffers, offset)

    return fail


def _break_off(host: torch.Tensor, plan: Plan, layout: Layout, extents: Extents, reads: int) -> None:
    """Stage until a read of the file fails, as with a disk that goes away."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "preadv", failing_after(reads))
        with pytest.raises(OSError, match="Input/output"):
            fill_host_image(host, plan, layout, extents=extents)


@given(
    steps=st.lists(st.tuples(st.integers(0, len(SHAPES) - 1), st.none() | st.integers(0, 4)), min_size=1, max_size=8),
    slots=st.sampled_from([torch.float32, torch.bfloat16]),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_was_there_every_byte_is_as_in_a_new_buffer(
    llama: Base, plans: list[Plan], steps: list[tuple[int, int | None]], slots: torch.dtype
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


def test_after_a_refusal_nothing_of_it_is_left(llama: Base, plans: list[Plan], spoil: Callable[..., Path]) -> None:
    """The refused adapter's NaN lie where the next one has nothing."""
    layout = Layout.of(llama.contract, torch.float32)
    host, extents = torch.zeros(layout.size, dtype=torch.uint8), Extents(zero=True)
    bad = llama.admit(spoil(edit_tensors(lambda tensors: {name: t * float("nan") for name, t in tensors.items()})))
    with pytest.raises(Rejected):
        fill_host_image(host, bad, layout, extents=extents)
    fill_host_image(host, plans[0], layout, extents=extents)
    assert torch.equal(host, _alone(plans[0], layout))


def test_what_is_known_to_be_zero_is_left_alone(llama: Base, plans: list[Plan]) -> None:
    """That is the gain: a mark beyond the corner of a small adapter is still there after it was staged."""
    layout = Layout.of(llama.contract, torch.float32)
    host, extents = torch.zeros(layout.size, dtype=torch.uint8), Extents(zero=True)
    last = layout.slots[-1].b.view(host)
    last[-1, -1] = 7.0
    fill_host_image(host, plans[0], layout, extents=extents)
    assert last[-1, -1] == 7.0
    fill_host_image(host, plans[0], layout)
    assert not last.any()


@pytest.mark.parametrize("number", range(len(SHAPES)))
@pytest.mark.parametrize("slots", [torch.float32, torch.bfloat16], ids=str)
def test_helped_by_other_threads_it_is_the_same(
    llama: Base, plans: list[Plan], number: int, slots: torch.dtype
) -> None:
    """Three threads more, each with slots of its own; again into the same buffer, after another adapter."""
    layout = Layout.of(llama.contract, slots)
    host, extents = torch.zeros(layout.size, dtype=torch.uint8), Extents(zero=True)
    for one in (plans[1], plans[number]):
        fill_host_image(host, one, layout, None, extents, helpers=3)
    assert torch.equal(host, _alone(plans[number], layout))


def test_no_thread_writes_after_one_has_failed(llama: Base, plans: list[Plan]) -> None:
    """The error is raised whichever thread met it, and no thread is left to write into what is staged next."""
    layout = Layout.of(llama.contract, torch.float32)
    host, extents = torch.zeros(layout.size, dtype=torch.uint8), Extents(zero=True)
    for reads in range(1, 12, 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "preadv", failing_after(reads))
            with pytest.raises(OSError, match="Input/output"):
                fill_host_image(host, plans[1], layout, None, extents, helpers=3)
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("stage")]
        fill_host_image(host, plans[0], layout, None, extents)
        assert torch.equal(host, _alone(plans[0], layout))


def test_helpers_go_when_requests_come(llama: Base, plans: list[Plan]) -> None:
    """While requests are answered the thread that leads works alone, so that the pace is kept."""
    layout = Layout.of(llama.contract, torch.float32)
    seen: set[str] = set()
    read = os.preadv

    def watch(*arguments: Any) -> int:
        seen.add(threading.current_thread().name)
        return read(*arguments)

    host = torch.zeros(layout.size, dtype=torch.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "preadv", watch)
        fill_host_image(host, plans[1], layout, Pace(lambda: True, lambda _: None), None, helpers=3)
    assert seen == {threading.current_thread().name}
    assert torch.equal(host, _alone(plans[1], layout))
