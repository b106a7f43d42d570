"""The oracle says what PEFT says: ranks, scalings and shapes, from a copy of the base that has no weights."""

import copy
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import torch
from kits.costs import calls, unfrozen
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from transformers import AutoModelForCausalLM, LlamaConfig

from hotswapd.swap.adapter.config import MAX_PATTERNS, LoraFields
from hotswapd.swap.adapter.knowledge import Meaning
from hotswapd.swap.adapter.oracle import MetaOracle, lora_layers

CONFIG = LlamaConfig(
    vocab_size=32,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=3,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=8,
)


@pytest.fixture(scope="module")
def oracle() -> MetaOracle:
    return MetaOracle(CONFIG)


def _names(oracle: MetaOracle) -> list[str]:
    return [slot.module for slot in oracle.slots]


def _batched(modules: list[str], size: int) -> list[list[str]]:
    return [modules[first : first + size] for first in range(0, len(modules), size)]


def _peft(**fields: Any) -> dict[str, Any]:
    """Inject with PEFT alone, everything as the configuration has it."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(copy.deepcopy(CONFIG))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says which patterns match nothing, and here some are meant to
        inject_adapter_in_model(LoraConfig(**fields), model)
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}


FIELDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "alpha": {"lora_alpha": 3.5},
    "rank-stabilised": {"use_rslora": True, "r": 5},
    "ranks": {"rank_pattern": {"q_proj": 3, "model.layers.1.mlp.up_proj": 7}},
    "alphas": {"alpha_pattern": {"self_attn.v_proj": 1, "layers.2.mlp.down_proj": 64}},
    "both, rank-stabilised": {"use_rslora": True, "rank_pattern": {"q_proj": 3}, "alpha_pattern": {"q_proj": 5}},
    "the first that matches": {"rank_pattern": {"q_proj": 2, "layers.1.self_attn.q_proj": 9}},
    "the first that matches, the other way": {"rank_pattern": {"layers.1.self_attn.q_proj": 9, "q_proj": 2}},
    "anchored": {"rank_pattern": {"^model.layers.0.self_attn.q_proj": 2, "^self_attn.k_proj": 9}},
    "dots for any character": {"rank_pattern": {"q.proj": 2}},
    "patterns of nothing": {"rank_pattern": {"proj": 2, "x": 3}, "alpha_pattern": {"^": 2, "lm_head": 4}},
}


@pytest.mark.parametrize("part", [None, 5])
@pytest.mark.parametrize("name", FIELDS)
def test_means_what_peft_means(
    oracle: MetaOracle, name: str, part: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ranks, scalings and shapes are those of an injection with all patterns, however it is split."""
    if part is not None:
        monkeypatch.setattr("hotswapd.swap.adapter.oracle.in_parts", lambda modules, _: _batched(modules, part))
    fields = {"r": 4, "lora_alpha": 8} | FIELDS[name]
    meant = oracle.meaning(LoraFields(**fields), _names(oracle))
    layers = _peft(target_modules=_names(oracle), **fields)
    assert meant == {
        module: Meaning(
            layer.r["default"],
            layer.scaling["default"],
            tuple(layer.lora_A["default"].weight.shape),
            tuple(layer.lora_B["default"].weight.shape),
        )
        for module, layer in layers.items()
    }


def test_only_the_named_modules_get_a_layer(oracle: MetaOracle) -> None:
    """Full names choose exactly themselves, however many or few they are."""
    names = _names(oracle)
    for chosen in ([], names[:1], names[::3], names):
        assert sorted(oracle.meaning(LoraFields(), chosen)) == sorted(chosen)


TARGETS: list[dict[str, Any]] = [
    {"target_modules": ["q_proj", "v_proj"]},
    {"target_modules": ["model.layers.0.self_attn.q_proj", "up_proj"]},
    {"target_modules": ["mlp.gate_proj", "nothing.here"]},
    {"target_modules": ["q_proj", "k_proj"], "exclude_modules": ["k_proj"]},
    {"target_modules": ["q_proj", "k_proj"], "exclude_modules": ["model.layers.1.self_attn.k_proj"]},
    {"target_modules": ["q_proj"], "layers_to_transform": [0, 2]},
    {"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": ["layers"]},
    {"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": ["blocks", "h", "layers"]},
    {"target_modules": ["q_proj", "embed_tokens"]},
]


@pytest.mark.parametrize("fields", TARGETS, ids=str)
def test_expects_what_peft_would_target(oracle: MetaOracle, fields: dict[str, Any]) -> None:
    """Plain names, exclusions and layer numbers choose the modules that PEFT itself would choose."""
    named: dict[str, Any] = {name: tuple(value) for name, value in fields.items()}
    read = LoraFields(**named)
    assert oracle.expected(read) == frozenset(_peft(**fields))


def test_expects_nothing_that_peft_would_not_find(oracle: MetaOracle) -> None:
    """Names and layers of another model choose nothing, and that is not an error here."""
    assert oracle.expected(LoraFields(target_modules=("c_attn",))) == frozenset()
    assert oracle.expected(LoraFields(target_modules=("q_proj",), layers_to_transform=(7,))) == frozenset()


def test_a_pattern_says_nothing_about_completeness(oracle: MetaOracle) -> None:
    """A regular expression for the targets gives no expectation; one for exclusions is not evaluated."""
    assert oracle.expected(LoraFields(target_modules=None)) is None
    named = LoraFields(target_modules=("q_proj",))
    assert oracle.expected(replace(named, exclude_modules=None)) == oracle.expected(named)


def test_takes_no_memory_and_leaves_no_trace(oracle: MetaOracle) -> None:
    """Neither building nor asking makes a real tensor, and asking changes neither base nor configuration."""
    config = copy.deepcopy(CONFIG)
    fresh = MetaOracle(config, ["q_proj"])
    assert config.to_dict() == CONFIG.to_dict()
    assert {slot.module.rpartition(".")[2] for slot in fresh.slots} == {"q_proj"}
    assert "model.layers.0.self_attn.v_proj" in fresh.uncovered
    oracle.meaning(LoraFields(), _names(oracle))
    assert lora_layers(oracle._base) == {}
    assert {parameter.device.type for parameter in oracle._base.parameters()} == {"meta"}
    assert torch.empty(0).device.type == "cpu", "the default device is as it was"


def test_may_be_asked_from_many_threads(oracle: MetaOracle) -> None:
    """Questions asked at the same time get each its own answer."""
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(oracle.meaning, LoraFields(r=rank), _names(oracle)) for rank in range(1, 9)]
        for rank, answer in enumerate(asked, start=1):
            assert {meaning.rank for meaning in answer.result().values()} == {rank}


@pytest.mark.slow
@pytest.mark.parametrize("key", ["a{n}.q_proj", "layers.{n}.q_proj", "{n}_proj", ".q.proj{n}"])
def test_thousands_of_patterns_cost_little(key: str) -> None:
    """As many patterns as are let through, on the 448 slots of a large model; PEFT alone would take half a minute."""
    large = MetaOracle(LlamaConfig(num_hidden_layers=64))
    names = _names(large)
    many = {key.format(n=n): 4 for n in range(MAX_PATTERNS)}
    assert len(large.meaning(LoraFields(), names)) == 448
    spent = calls(lambda: large.meaning(LoraFields(rank_pattern=many, alpha_pattern=many), names))
    assert spent < 100 * MAX_PATTERNS, "each pattern tried on each module would be 448 times as many"


@pytest.mark.slow
def test_a_pattern_for_each_module_costs_little() -> None:
    """Adapters whose ranks were redistributed name every module twice, which is more than a cache holds."""
    large = MetaOracle(LlamaConfig(num_hidden_layers=64))
    names = _names(large)
    ranks = {name: 1 + place % 7 for place, name in enumerate(names)}
    alphas = {f"^{name}": 2.0 + place % 5 for place, name in reversed(list(enumerate(names)))}
    plain = calls(lambda: large.meaning(LoraFields(), names))
    meant: dict[str, Meaning] = {}
    re.purge()
    spent = calls(lambda: meant.update(large.meaning(LoraFields(rank_pattern=ranks, alpha_pattern=alphas), names)))
    assert spent < 5 * plain, "compiling each pattern again for each module would be 40 times as many"
    assert all(
        meant[name].rank == rank and meant[name].scaling == alphas[f"^{name}"] / rank for name, rank in ranks.items()
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"target_modules": tuple(f"a{n}" for n in range(50_000))},
        {"target_modules": ("q_proj",), "exclude_modules": tuple(f"a{n}" for n in range(50_000))},
        {"target_modules": ("q_proj",), "layers_to_transform": tuple(range(100, 100_000))},
        {"target_modules": ("q_proj",), "layers_to_transform": (99,), "layers_pattern": ("." * 512,) * 16},
    ],
    ids=["targets", "exclusions", "layers", "layer names"],
)
def test_expecting_costs_little(fields: dict[str, Any]) -> None:
    """Long lists in a configuration do not multiply with the modules of a large model."""
    large = MetaOracle(LlamaConfig(num_hidden_layers=64))
    with unfrozen():
        spent = calls(lambda: large.expected(LoraFields(**fields)))
    assert spent < 100_000, "each entry held against each module would be 20 million"
