"""Images: an adapter laid out for its berth, each value cast and each padding zero, or refused by name."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kits.adapters import edit_tensors
from kits.contracts import MAX_RANK, Base
from kits.folders import WEIGHTS
from safetensors.torch import load_file

from hotswapd.swap.adapter.admission import Plan
from hotswapd.swap.berths.filling import fill_host_image
from hotswapd.swap.berths.layout import Layout
from hotswapd.swap.errors import Misfit, Rejected

PREFIX = "base_model.model."
DTYPES = [torch.float32, torch.float16, torch.bfloat16]


def _buffer(layout: Layout, byte: int = 0) -> torch.Tensor:
    return torch.full((layout.size,), byte, dtype=torch.uint8)


def _fill(served: Base, plan: Plan, dtype: torch.dtype = torch.float32, byte: int = 0) -> torch.Tensor:
    layout = Layout.of(served.contract, dtype)
    host = _buffer(layout, byte)
    fill_host_image(host, plan, layout)
    return host


def _refusal(served: Base, plan: Plan, dtype: torch.dtype = torch.float32) -> list[Misfit]:
    with pytest.raises(Rejected) as caught:
        _fill(served, plan, dtype)
    return list(caught.value.misfits)


def _expected(tensor: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    padded = torch.zeros(shape, dtype=dtype)
    padded[: tensor.shape[0], : tensor.shape[1]] = tensor.to(dtype)
    return padded


@pytest.mark.parametrize("stored", DTYPES, ids=str)
@pytest.mark.parametrize("slots", DTYPES, ids=str)
def test_every_value_is_where_the_layer_reads_it(llama: Base, stored: torch.dtype, slots: torch.dtype) -> None:
    """Whatever dtype the file has, each tensor is cast and padded, other slots are zero, whatever was there before."""
    adapter = llama.make(f"image-{stored}", dtype=stored, rank_pattern={"q_proj": MAX_RANK}, use_rslora=True)
    plan, tensors = llama.admit(adapter), load_file(adapter / WEIGHTS)
    host = _fill(llama, plan, slots, byte=0xFF)
    placed = {placement.slot.module: placement for placement in plan.placements}
    for place in Layout.of(llama.contract, slots):
        a, b, scaling = (part.view(host) for part in (place.a, place.b, place.scaling))
        if place.slot.module not in placed:
            assert not any(part.any() for part in (a, b, scaling))
            continue
        name = f"{PREFIX}{place.slot.module}.lora_"
        assert torch.equal(a, _expected(tensors[f"{name}A.weight"], place.a.shape, slots))
        assert torch.equal(b, _expected(tensors[f"{name}B.weight"], place.b.shape, slots))
        assert scaling.item() == pytest.approx(placed[place.slot.module].scaling)


def test_an_image_used_again_keeps_nothing(llama: Base) -> None:
    """A small adapter after a large one leaves the same bytes as alone."""
    large = llama.admit(llama.make("image-large", targets="all-linear", rank=MAX_RANK))
    small = llama.admit(llama.make("image-small", rank=1, targets=["up_proj"]))
    layout = Layout.of(llama.contract, torch.float32)
    host = _buffer(layout)
    for plan in (large, small):
        fill_host_image(host, plan, layout)
    assert torch.equal(host, _fill(llama, small))


@given(place=st.integers(0, 191), value=st.sampled_from([float("nan"), float("inf"), float("-inf")]), which=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_bad_value_anywhere_is_found(
    llama: Base, spoil: Callable[..., Path], place: int, value: float, which: Any
) -> None:
    """NaN and infinity are refused wherever they stand, and the tensor is named."""
    named = []

    def edit(tensors: dict[str, torch.Tensor]) -> None:
        name = which.draw(st.sampled_from(sorted(tensors)))
        tensors[name].view(-1)[place % tensors[name].numel()] = value
        named.append(name)

    (misfit,) = _refusal(llama, llama.admit(spoil(edit_tensors(edit))))
    assert (misfit.code, misfit.place, misfit.got) == ("non_finite", named[0], "NaN or infinity")


def test_every_tensor_with_bad_values_is_named(llama: Base, spoil: Callable[..., Path]) -> None:
    """Not the first alone, so that one look at the list tells how far the damage goes."""
    adapter = spoil(edit_tensors(lambda tensors: {name: t * float("nan") for name, t in tensors.items()}))
    assert sorted(misfit.place for misfit in _refusal(llama, llama.admit(adapter))) == sorted(
        load_file(adapter / WEIGHTS)
    )


def test_what_is_too_large_for_the_slots_is_told_apart(llama: Base, spoil: Callable[..., Path]) -> None:
    """Finite in the file and infinite after the cast: the dtype is named, not the training."""

    def edit(tensors: dict[str, torch.Tensor]) -> None:
        for tensor in tensors.values():
            tensor.view(-1)[0] = 1e6

    plan = llama.admit(spoil(edit_tensors(edit)))
    misfits = _refusal(llama, plan, torch.float16)
    assert {misfit.got for misfit in misfits} == {"a value too large for torch.float16"}
    assert _fill(llama, plan, torch.bfloat16).any()


def test_large_finite_values_are_no_reason(llama: Base, spoil: Callable[..., Path]) -> None:
    """Values whose sum overflows are still finite one by one."""
    plan = llama.admit(spoil(edit_tensors(lambda tensors: {n: torch.full_like(t, 3e38) for n, t in tensors.items()})))
    assert _fill(llama, plan).any()


def test_a_file_that_is_cut_while_it_is_read_is_a_refusal(
    llama: Base, spoil: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under an mmap the same would end the process with SIGBUS; here the tensor is named."""
    adapter = spoil()
    plan = llama.admit(adapter)
    read, calls = os.preadv, []

    def cut(descriptor: int, buffers: list[Any], offset: int) -> int:
        calls.append(offset)
        if len(calls) == 3:
            os.truncate(adapter / WEIGHTS, plan.manifest.data_start + 8)
        return read(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", cut)
    (misfit,) = _refusal(llama, plan)
    assert misfit.code == "weights_cut_short"
    assert misfit.place in plan.manifest.tensors


def test_short_reads_are_gone_on_with(llama: Base, spoil: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel may give less than it was asked for; nothing is lost by it."""
    plan, read = llama.admit(spoil()), os.preadv
    whole = _fill(llama, plan)
    monkeypatch.setattr(os, "preadv", lambda fd, buffers, at: read(fd, [buffers[0][:7]], at))
    assert torch.equal(_fill(llama, plan), whole)


@pytest.mark.parametrize("left", ["nothing", "a link", "a FIFO"])
def test_only_a_plain_file_is_read(llama: Base, spoil: Callable[..., Path], left: str) -> None:
    """What took the file's place since it was admitted is not followed and not waited for."""
    adapter = spoil()
    plan = llama.admit(adapter)
    weights = adapter / WEIGHTS
    weights.rename(adapter / "moved")
    if left == "a link":
        weights.symlink_to("moved")
    elif left == "a FIFO":
        os.mkfifo(weights)
    with pytest.raises(OSError):  # noqa: PT011 - three kinds of it, and no text that could be relied on
        _fill(llama, plan)
