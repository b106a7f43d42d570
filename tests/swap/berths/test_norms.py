"""The size of an update: what the Gram matrices say is what the product itself says."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from kits.adapters import make_adapter
from kits.models import tiny
from safetensors.torch import load_file

from hotswapd.swap.berths.norms import base_norms, update_norms, whole
from hotswapd.swap.resident.resident import Resident
from hotswapd.swap.resident.spec import ResidentSpec

PREFIX = "base_model.model."


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_norms_are_those_of_the_products(kind: str, tmp_path: Path) -> None:
    """Every slot's norm is that of scaling * B A, and a slot that the adapter does not have gives zero."""
    base = tiny(kind, tmp_path / "base")
    targets = {"llama": ["q_proj", "down_proj"], "gpt2": ["c_attn"]}[kind]
    adapter = make_adapter(base, tmp_path / "adapter", rank=3, alpha=12, targets=targets)
    resident = Resident.open(ResidentSpec(str(base), max_rank=8))
    image = resident.stage(resident.admit(adapter))
    norms = update_norms(image, resident.layout)
    tensors = load_file(adapter / "adapter_model.safetensors")
    assert set(norms) == {slot.module for slot in resident.contract.slots}
    for module, norm in norms.items():
        a = tensors.get(f"{PREFIX}{module}.lora_A.weight")
        expected = 0.0 if a is None else 4.0 * float((tensors[f"{PREFIX}{module}.lora_B.weight"] @ a).norm())
        assert norm == pytest.approx(expected, rel=1e-5)
    assert sum(norm > 0 for norm in norms.values()) == sum(name.endswith("lora_A.weight") for name in tensors)
    assert update_norms(resident.base_image, resident.layout) == dict.fromkeys(norms, 0.0)
    assert update_norms(replace(image, ranks=None), resident.layout) == pytest.approx(norms)  # all of each slot
    resident.close()


def test_base_norms_are_those_of_the_weights(tmp_path: Path) -> None:
    """Every slot's base norm is that of the weight that is under it, slots or not."""
    base = tiny("llama", tmp_path / "base")
    resident = Resident.open(ResidentSpec(str(base), max_rank=8))
    tensors = load_file(base / "model.safetensors")
    norms = base_norms(resident.model, resident.layout)
    assert set(norms) == {slot.module for slot in resident.contract.slots}
    assert all(norm == pytest.approx(float(tensors[f"{module}.weight"].norm())) for module, norm in norms.items())
    assert whole(norms.values()) == pytest.approx(float(torch.tensor(list(norms.values())).norm()))
    resident.close()
