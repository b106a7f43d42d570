"""Which modules carry a slot: our own list of Linear and Conv1D modules, never the head and never parameters."""

from typing import Any

import pytest
import torch
from kits.families import small
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    MixtralConfig,
    PhimoeConfig,
    PretrainedConfig,
    Qwen3Config,
)

from hotswapd.swap.adapter.contract import Slot
from hotswapd.swap.adapter.slots import find_slots, uncovered

_SIZES: dict[str, Any] = {
    "vocab_size": 32,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
}
CONFIGS: dict[str, PretrainedConfig] = {
    "llama": LlamaConfig(**_SIZES),
    "qwen3 with a tied head": Qwen3Config(**_SIZES, tie_word_embeddings=True),
    "gpt2": GPT2Config(vocab_size=32, n_embd=16, n_layer=2, n_head=2),
    "mixtral": MixtralConfig(**_SIZES, num_local_experts=2),
}


def _build(kind: str) -> Any:
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(CONFIGS[kind])


@pytest.mark.parametrize("kind", ["llama", "qwen3 with a tied head", "gpt2"])
def test_all_linear_is_what_peft_means_by_it(kind: str) -> None:
    """Where there are no fused experts, names and shapes are those of PEFT's own layers for all-linear."""
    slots = find_slots(_build(kind), "all-linear")
    model = _build(kind)
    inject_adapter_in_model(
        LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM", fan_in_fan_out=kind == "gpt2"), model
    )
    layers = {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}
    assert [slot.module for slot in slots] == [name for name in layers if name != "lm_head"]
    for slot in slots:
        layer = layers[slot.module]
        assert (slot.inputs, slot.outputs) == (layer.in_features, layer.out_features)
        assert slot.conv1d == (kind == "gpt2")


@pytest.mark.parametrize("kind", CONFIGS)
def test_neither_head_nor_embeddings_get_a_slot(kind: str) -> None:
    """They are named as not covered instead, so that start-up can say so."""
    model = _build(kind)
    slots = find_slots(model, "all-linear")
    left = uncovered(model, slots)
    assert not {slot.module for slot in slots} & set(left)
    assert not any("lm_head" in slot.module or "embed" in slot.module or "wte" in slot.module for slot in slots)
    assert "lm_head" in left
    assert any(name.endswith(("embed_tokens", "wte")) for name in left)


def test_fused_experts_get_no_slot() -> None:
    """Experts that are parameters, not modules, are left alone, and named as not covered."""
    model = _build("mixtral")
    slots = find_slots(model, "all-linear")
    assert {slot.module.rpartition(".")[2] for slot in slots} >= {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert not any("experts" in slot.module for slot in slots)
    assert any("experts" in name for name in uncovered(model, slots))


def test_every_matrix_is_covered_or_named() -> None:
    """No parameter of two or more dimensions is in neither list."""
    model = _build("mixtral")
    slots = find_slots(model, "all-linear")
    known = {slot.module for slot in slots} | set(uncovered(model, slots))
    for name, parameter in model.named_parameters():
        assert parameter.dim() < 2 or name.rpartition(".")[0] in known


def test_names_match_whole_pieces_from_the_end() -> None:
    """As in PEFT's configuration: a full name or the end of one behind a dot, never part of a word."""
    model = _build("llama")

    def found(*names: str) -> list[str]:
        return [slot.module for slot in find_slots(model, names)]

    assert found("q_proj") == [f"model.layers.{n}.self_attn.q_proj" for n in (0, 1)]
    assert found("self_attn.q_proj") == found("q_proj")
    assert found("model.layers.1.self_attn.q_proj") == found("q_proj")[1:]
    assert found("v_proj", "q_proj") == sorted(found("q_proj") + found("v_proj")), "in the model's order"
    assert found("proj") == found("layers") == found("q.proj") == found("lm_head") == found() == []


def test_one_name_is_one_name() -> None:
    """A bare string is a name, not a list of its letters."""
    model = _build("llama")
    assert find_slots(model, "q_proj") == find_slots(model, ["q_proj"])


def test_the_same_model_gives_the_same_slots() -> None:
    """Order and content depend on the model alone: a berth's layout and the fingerprint are made from them."""
    assert find_slots(_build("gpt2"), "all-linear") == find_slots(_build("gpt2"), "all-linear")


def test_a_head_under_another_name_gets_no_slot() -> None:
    """The output embedding is asked of the model, not guessed from its name."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(3, 4)
            self.embed_out = nn.Linear(4, 5)

        def get_output_embeddings(self) -> nn.Module:
            return self.embed_out

    assert find_slots(Model(), "all-linear") == (Slot("body", 3, 4),)


def test_a_router_that_is_a_linear_gets_no_slot() -> None:
    """It answers with a pair, so PEFT's layer around it would fail; the family's own modules have theirs."""
    config = PhimoeConfig(**_SIZES, num_local_experts=2, num_experts_per_tok=1)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    leaves = {slot.module.rpartition(".")[2] for slot in find_slots(model, "all-linear")}
    assert leaves == {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert any(isinstance(module, nn.Linear) for name, module in model.named_modules() if name.endswith("router"))


def test_a_linear_that_a_family_wrote_again_gets_a_slot() -> None:
    """Falcon's own class answers as a Linear does, so PEFT's layer can stand for it."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(small("falcon"))
    leaves = {slot.module.rpartition(".")[2] for slot in find_slots(model, "all-linear")}
    assert leaves == {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"}
