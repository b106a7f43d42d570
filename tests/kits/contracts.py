"""A tiny base as the daemon sees it when it admits, and what its adapters mean to PEFT."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from transformers import AutoConfig

from hotswapd.swap.adapter.admission import Plan, admit
from hotswapd.swap.adapter.contract import Contract
from hotswapd.swap.adapter.manifest import read_manifest
from hotswapd.swap.adapter.oracle import MetaOracle
from hotswapd.swap.errors import Misfit, Rejected
from kits.adapters import make_adapter, oracle_model
from kits.folders import WEIGHTS
from kits.models import tiny

MAX_RANK = 16
TARGETS = {"llama": ["q_proj", "v_proj"], "gpt2": ["c_attn", "c_fc"]}


@dataclass(frozen=True, slots=True)
class Base:
    """A base as the daemon sees it when it admits, and where real adapters of it are made."""

    kind: str
    base: Path
    root: Path
    oracle: MetaOracle
    contract: Contract

    def make(self, name: str, **fields: Any) -> Path:
        """Make an adapter, of rank 4 on two kinds of modules unless told otherwise."""
        targets = fields.pop("targets", TARGETS[self.kind])
        return make_adapter(self.base, self.root / name, targets=targets, **fields)

    def admit(self, adapter: Path, **changes: Any) -> Plan:
        return admit(read_manifest(adapter), replace(self.contract, **changes), self.oracle)

    def misfits(self, adapter: Path, **changes: Any) -> list[Misfit]:
        with pytest.raises(Rejected) as caught:
            self.admit(adapter, **changes)
        assert all(m.code and m.place and m.wanted and m.remedy and len(str(m)) < 2000 for m in caught.value.misfits)
        return list(caught.value.misfits)

    def codes(self, adapter: Path, **changes: Any) -> list[str]:
        return [misfit.code for misfit in self.misfits(adapter, **changes)]


def serve(kind: str, root: Path) -> Base:
    base = tiny(kind, root / "base")
    oracle = MetaOracle(AutoConfig.from_pretrained(base))
    return Base(kind, base, root, oracle, Contract((str(base),), oracle.slots, MAX_RANK, "float32"))


def assert_means_the_same(served: Base, adapter: Path) -> None:
    """Compare the plan with PeftModel.from_pretrained: modules, ranks, scalings, shapes and the tensors themselves."""
    plan = served.admit(adapter)
    loaded = oracle_model(served.base, adapter)
    layers = {
        name.removeprefix("base_model.model."): module
        for name, module in loaded.named_modules()
        if isinstance(module, LoraLayer)
    }
    stored = load_file(adapter / WEIGHTS)
    assert {placement.slot.module for placement in plan.placements} == set(layers)
    for placement in plan.placements:
        layer = layers[placement.slot.module]
        assert (placement.rank, placement.scaling) == (layer.r["default"], layer.scaling["default"])
        for spec, side in ((placement.a, layer.lora_A), (placement.b, layer.lora_B)):
            weight = side["default"].weight
            assert spec.shape == tuple(weight.shape)
            assert torch.equal(stored[spec.name].to(weight.dtype), weight)
