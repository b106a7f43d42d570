"""Values without torch: the same verdict as filling an image gives, at every boundary of every dtype."""

import math
import struct
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kits.bases import adapter_for
from kits.folders import WEIGHTS
from safetensors.torch import load_file, save_file

from hotswapd.daemon.check.values import require_finite
from hotswapd.swap.adapter.admission import Placement, Plan
from hotswapd.swap.adapter.contract import Contract, Slot
from hotswapd.swap.adapter.manifest import read_manifest
from hotswapd.swap.berths.filling import fill_host_image
from hotswapd.swap.berths.layout import Layout
from hotswapd.swap.errors import Misfit, Rejected

NAMES = ("two", "one")
SLOTS = tuple(Slot(name, 16, 16) for name in NAMES)
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
EDGES = [65504.0, 65519.99, 65520.0, 3.3895314e38, 3.3961774e38, 3.3961776e38, 3.4028235e38, math.inf, math.nan, 1e-45]


def _of_bits(bits: int) -> float:
    return float(struct.unpack("<f", struct.pack("<I", bits))[0])


def plan_of(adapter: Path) -> Plan:
    manifest = read_manifest(adapter)
    specs = manifest.tensors
    ends = [f"base_model.model.{name}" for name in NAMES]
    return Plan(
        manifest,
        tuple(
            Placement(slot, 1, 1.0, specs[f"{end}.lora_A.weight"], specs[f"{end}.lora_B.weight"])
            for slot, end in zip(reversed(SLOTS), reversed(ends), strict=True)
        ),
    )


def verdicts(adapter: Path, dtype: str) -> list[tuple[Misfit, ...]]:
    """Return what is wrong by numpy, and what is by the image."""
    plan, contract = plan_of(adapter), Contract((), SLOTS, 1, dtype)
    layout = Layout.of(contract, DTYPES[dtype])
    image = torch.empty(layout.size, dtype=torch.uint8)
    found: list[tuple[Misfit, ...]] = []
    for look in (partial(require_finite, plan, contract), partial(fill_host_image, image, plan, layout)):
        try:
            look()
            found.append(())
        except Rejected as error:
            found.append(error.misfits)
    return found


@given(
    values=st.lists(
        st.one_of(st.sampled_from(EDGES), st.integers(0, 2**32 - 1).map(_of_bits)),
        min_size=1,
        max_size=4,
    ),
    stored=st.sampled_from(sorted(DTYPES)),
    served=st.sampled_from(sorted(DTYPES)),
    negative=st.booleans(),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_verdict_is_that_of_the_image(
    tmp_path: Path, values: list[float], stored: str, served: str, negative: bool
) -> None:
    adapter = adapter_for(tmp_path / "adapter", NAMES)
    tensors = load_file(adapter / WEIGHTS)
    for name, tensor in tensors.items():
        if "one.lora_B" in name or "two.lora_A" in name:
            tensor.view(-1)[: len(values)] = torch.tensor(values) * (-1 if negative else 1)
    save_file({name: tensor.to(DTYPES[stored]) for name, tensor in tensors.items()}, adapter / WEIGHTS)
    ours, images = verdicts(adapter, served)
    assert ours == images


@pytest.mark.parametrize("served", sorted(DTYPES))
@pytest.mark.parametrize("value", EDGES)
def test_each_edge_alone_is_judged_as_the_image_judges_it(tmp_path: Path, value: float, served: str) -> None:
    """The very value at which a dtype begins to round to infinity, too: chance may draw it, or not."""
    adapter = adapter_for(tmp_path / "adapter", NAMES)
    tensors = load_file(adapter / WEIGHTS)
    tensors["base_model.model.one.lora_B.weight"][0, 0] = torch.tensor(value)
    save_file(tensors, adapter / WEIGHTS)
    ours, images = verdicts(adapter, served)
    assert ours == images
    assert bool(ours) != bool(torch.isfinite(torch.tensor(value).to(DTYPES[served])))


def test_a_file_that_ends_meanwhile_is_cut_short(tmp_path: Path) -> None:
    adapter = adapter_for(tmp_path / "adapter", NAMES)
    plan = plan_of(adapter)
    (adapter / WEIGHTS).write_bytes((adapter / WEIGHTS).read_bytes()[:-8])
    with pytest.raises(Rejected) as caught:
        require_finite(plan, Contract((), SLOTS, 1, "float32"))
    assert caught.value.code == "weights_cut_short"
