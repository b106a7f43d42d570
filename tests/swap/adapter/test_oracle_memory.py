"""PEFT is asked the same question once."""

from pathlib import Path

import pytest
from kits.models import tiny
from peft import LoraConfig
from torch import nn
from transformers import AutoConfig

from hotswapd.swap.adapter import oracle as module
from hotswapd.swap.adapter.config import LoraFields
from hotswapd.swap.adapter.oracle import MetaOracle


def test_the_same_question_is_put_to_peft_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adapters that differ only in their values cost one injection; a caller may change the answer that it gets."""
    oracle = MetaOracle(AutoConfig.from_pretrained(tiny("llama", tmp_path / "base")))
    names = [slot.module for slot in oracle.slots]
    asked: list[LoraConfig] = []
    inject = module.inject

    def count(model: nn.Module, config: LoraConfig) -> nn.Module:
        asked.append(config)
        return inject(model, config)

    monkeypatch.setattr(module, "inject", count)
    first = oracle.meaning(LoraFields(r=4), names)
    oracle.meaning(LoraFields(r=4), names).clear()
    assert oracle.meaning(LoraFields(r=4), names) == first
    assert len(asked) == 1


@pytest.mark.parametrize(
    "other",
    [
        LoraFields(r=8),
        LoraFields(r=4, lora_alpha=32),
        LoraFields(r=4, use_rslora=True),
        LoraFields(r=4, rank_pattern={"q_proj": 2}),
        LoraFields(r=4, alpha_pattern={"q_proj": 2}),
    ],
)
def test_another_question_gets_its_own_answer(tmp_path: Path, other: LoraFields) -> None:
    """Every field that decides what the tensors mean tells two questions apart."""
    config = AutoConfig.from_pretrained(tiny("llama", tmp_path / "base"))
    oracle, fresh = MetaOracle(config), MetaOracle(config)
    names = [slot.module for slot in oracle.slots]
    before = oracle.meaning(LoraFields(r=4), names)
    assert oracle.meaning(other, names) == fresh.meaning(other, names) != before
