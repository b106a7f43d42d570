"""Admission of names: every tensor is a slot's or is explained, and the file must agree with its configuration."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from kits.adapters import edit_config, edit_tensors, oracle_model
from kits.bases import SPLIT_EXPERTS, configuration
from kits.contracts import Base, assert_means_the_same
from peft.tuners.lora import LoraLayer

from hotswapd.swap.adapter.admission import MAX_MISFITS
from hotswapd.swap.adapter.header import TensorSpec
from hotswapd.swap.adapter.names import pair_up
from hotswapd.swap.adapter.oracle import MetaOracle


def _rename(old: str, new: str) -> Callable[[Path], None]:
    return edit_tensors(lambda tensors: {name.replace(old, new): tensor for name, tensor in tensors.items()})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("base_model.model.", ""),
        ("base_model.model.", "base_model."),
        ("base_model.model.", "base_model.model.base_model.model."),
        ("base_model.model.model.", "base_model.model.language_model.model."),
        ("base_model.model.model.", "base_model.model.transformer."),
        ("base_model.model.model.", "model.base_model.model."),
        ("lora_A.weight", "lora_A.other.weight"),
        ("lora_A.weight", "lora_A.default.default.weight"),
        ("lora_A.weight", "lora_A"),
        ("lora_A", "lora_a"),
        ("lora_A", "lora_down"),
        ("self_attn", "attention"),
        ("layers.1.", "layers.2."),
        ("layers.1.", "layers.01."),
        ("q_proj", "q_proj "),
    ],
)
def test_a_name_that_peft_would_not_write_is_refused(
    llama: Base, spoil: Callable[..., Path], old: str, new: str
) -> None:
    """PEFT would silently serve the base for most of these; here the nearest slot is named."""
    misfits = [m for m in llama.misfits(spoil(_rename(old, new))) if m.code == "unknown_target"]
    assert misfits
    assert all("the nearest slot is base_model.model.model.layers." in misfit.remedy for misfit in misfits)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("base_model.model.language_model.model.layers.1.self_attn.v_proj.lora_B.weight", "layers.1.self_attn.v_proj"),
        ("base_model.model.model.layers.0001.self_attn.q_proj.lora_A.weight", "layers.1.self_attn.q_proj"),
        ("7.base_model.model.model.layers.1.mlp.up_proj.lora_A.0.weight", "layers.1.mlp.up_proj"),
        ("base_model.model.model.layers.99.mlp.up_proj.lora_A.weight", "layers.0.mlp.up_proj"),
        ("model.layers.self_attn.k_proj.lora_A.weight", "layers.0.self_attn.k_proj"),
    ],
)
def test_the_suggested_slot_has_the_names_own_numbers(llama: Base, name: str, meant: str) -> None:
    (misfit,) = pair_up({name: TensorSpec(name, "F32", (4, 8), 0, 128)}, llama.oracle.slots, llama.oracle)[1]
    side = "B" if "lora_B" in name else "A"
    assert f"the nearest slot is base_model.model.model.{meant}.lora_{side}.weight;" in misfit.remedy


@pytest.mark.parametrize(
    "name",
    [
        "base_model.model.transformer.h.1.attn.c_attn.lora_A.weight",
        "base_model.model.gpt_neox.layers.1.attention.query_key_value.lora_A.weight",
        "base_model.model.prompt_encoder.lora_A.weight",
        "weight",
    ],
)
def test_no_slot_is_offered_that_is_not_near(llama: Base, name: str) -> None:
    (misfit,) = pair_up({name: TensorSpec(name, "F32", (4, 8), 0, 128)}, llama.oracle.slots, llama.oracle)[1]
    assert (misfit.code, misfit.remedy) == ("unknown_target", "train the adapter for this base, with PEFT's own names")


ROUTED = {
    "model.layers.1.mlp.gate": ("not_linear", "leave it out of target_modules"),
    "model.layers.1.mlp.shared_experts.up_proj": ("not_linear", "leave it out of target_modules"),
    "model.layers.1.self_attn.o_proj": ("no_slot", "widen model.target_modules"),
    "model.embed_tokens": ("embeddings", "leave the embeddings"),
}


@pytest.mark.parametrize("module", ROUTED)
def test_a_module_without_a_slot_is_called_what_it_is(module: str) -> None:
    """Slots may only be advised where PEFT makes a layer; the router of experts is not an embedding."""
    oracle = MetaOracle(configuration("glm4_moe", **SPLIT_EXPERTS), ["q_proj"])
    name = f"base_model.model.{module}.lora_A.weight"
    (misfit,) = pair_up({name: TensorSpec(name, "F32", (4, 8), 0, 128)}, oracle.slots, oracle)[1]
    code, words = ROUTED[module]
    assert misfit.code == code
    assert words in misfit.remedy


def test_only_the_first_names_get_a_suggestion(llama: Base, spoil: Callable[..., Path]) -> None:
    """Twenty get a suggestion, and the others are named without one."""
    adapter = spoil(
        edit_tensors(
            lambda tensors: {f"{PREFIX}model.layers.{n}.q_proj.lora_A.weight": torch.ones(1) for n in range(100)}
        )
    )
    misfits = [m for m in llama.misfits(adapter) if m.code == "unknown_target"]
    assert (len(misfits), sum("nearest" in misfit.remedy for misfit in misfits)) == (100, 20)


PREFIX = "base_model.model."
A = PREFIX + "model.layers.0.self_attn.q_proj.lora_A.weight"
FOREIGN = {
    PREFIX + "model.layers.0.self_attn.q_proj.lora_magnitude_vector": "dora",
    PREFIX + "model.layers.0.self_attn.q_proj.lora_magnitude_vector.weight": "dora",
    PREFIX + "model.embed_tokens.lora_embedding_A": "embeddings",
    PREFIX + "model.embed_tokens.lora_A.weight": "embeddings",
    PREFIX + "lm_head.lora_B.weight": "embeddings",
    PREFIX + "model.embed_tokens.trainable_tokens_delta": "trainable_tokens",
    PREFIX + "model.embed_tokens.token_adapter.trainable_tokens_delta": "trainable_tokens",
    PREFIX + "lm_head.modules_to_save.weight": "modules_to_save",
    PREFIX + "lm_head.weight": "base_weights",
    PREFIX + "model.embed_tokens.weight": "base_weights",
    PREFIX + "model.embed_tokens.base_layer.weight": "base_weights",
    PREFIX + "model.layers.0.self_attn.q_proj.base_layer.weight": "base_weights",
    "model.layers.0.self_attn.q_proj.weight": "base_weights",
    PREFIX + "model.layers.0.self_attn.q_proj.lora_B.bias": "lora_bias",
    PREFIX + "model.layers.0.self_attn.q_proj.bias": "lora_bias",
    PREFIX + "model.layers.0.mlp.experts.lora_A.weight": "expert_tensors",
    PREFIX + "model.layers.0.mlp.experts.base_layer.lora_B.weight": "expert_tensors",
    PREFIX + "score.weight": "task_head",
    PREFIX + "classifier.bias": "task_head",
    PREFIX + "v_head.summary.weight": "task_head",
    PREFIX + "score.modules_to_save.weight": "task_head",
    PREFIX + "model.vision_tower.encoder.layers.1.fc1.lora_A.weight": "beside_language",
    PREFIX + "model.visual.blocks.0.attn.qkv.lora_B.weight": "beside_language",
    PREFIX + "prompt_encoder.embedding.weight": "unknown_target",
    "../../etc/passwd": "unknown_target",
}


@pytest.mark.parametrize(("name", "code"), FOREIGN.items())
def test_a_foreign_tensor_is_named_for_what_it_is(
    llama: Base, spoil: Callable[..., Path], name: str, code: str
) -> None:
    """One foreign tensor in a good file is one misfit, at its place, of its kind."""
    adapter = spoil(edit_tensors(lambda tensors: {**tensors, name: torch.ones(4, 48)}))
    assert [(m.code, m.place) for m in llama.misfits(adapter)] == [(code, name)]


def test_two_spellings_of_one_tensor_are_refused(llama: Base, spoil: Callable[..., Path]) -> None:
    """It would be chance which of them is served."""
    name = PREFIX + "model.layers.0.self_attn.q_proj.lora_A"

    def twice(tensors: dict[str, torch.Tensor]) -> None:
        tensors[f"{name}.default.weight"] = tensors[f"{name}.weight"] + 1

    assert llama.codes(spoil(edit_tensors(twice))) == ["duplicate_tensor"]


@pytest.mark.parametrize(
    "changes",
    [
        {"target_modules": ["q_proj"]},
        {"target_modules": ["model.layers.0.self_attn.q_proj", "v_proj"]},
        {"exclude_modules": ["v_proj"]},
        {"layers_to_transform": [0]},
        {"layers_to_transform": [1], "layers_pattern": ["h", "layers"]},
    ],
    ids=str,
)
def test_untargeted_tensors_are_refused(llama: Base, spoil: Callable[..., Path], changes: dict[str, Any]) -> None:
    """PEFT drops such tensors without a word, so they have no meaning that could be served."""
    adapter = spoil(edit_config(**changes))
    assert 0 < sum(isinstance(module, LoraLayer) for module in oracle_model(llama.base, adapter).modules()) < 4
    assert llama.codes(adapter) == ["untargeted_tensors"]


def test_an_excluding_pattern_hides_no_untargeted_tensor(llama: Base, spoil: Callable[..., Path]) -> None:
    """What it excludes is unknown, so the file may have less than is targeted, but not more."""
    less = edit_tensors(lambda tensors: {name: tensor for name, tensor in tensors.items() if "q_proj" in name})
    assert len(llama.admit(spoil(edit_config(exclude_modules=".*v_proj"), less)).placements) == 2
    assert llama.codes(spoil(edit_config(exclude_modules="x", target_modules=["q_proj"]))) == ["untargeted_tensors"]


def test_targets_without_tensors_are_refused(llama: Base, spoil: Callable[..., Path]) -> None:
    """A file that has less than its configuration names was cut, whichever part is missing."""
    more = ["q_proj", "v_proj", "k_proj"]
    (misfit,) = llama.misfits(spoil(edit_config(target_modules=more)))
    assert (misfit.code, misfit.place) == ("missing_tensors", "target_modules")
    assert "model.layers.0.self_attn.k_proj" in misfit.got


@pytest.mark.parametrize("target", ["lm_head", "embed_tokens"])
def test_a_target_without_a_slot_must_be_in_the_file_too(llama: Base, spoil: Callable[..., Path], target: str) -> None:
    """PEFT would load the rest and leave that layer untrained, so the file must have it, slot or not."""
    adapter = spoil(edit_config(target_modules=["q_proj", "v_proj", target]))
    assert llama.codes(adapter) == ["missing_tensors"]


def test_targets_that_the_base_does_not_have_do_not_matter(llama: Base, spoil: Callable[..., Path]) -> None:
    """Lists of names that serve several architectures are usual; PEFT ignores what it does not find."""
    assert_means_the_same(llama, spoil(edit_config(target_modules=["q_proj", "v_proj", "c_attn", "query_key_value"])))


def test_a_resident_with_fewer_slots_says_so(llama: Base, good: Path) -> None:
    """Modules that this resident has no slot for are refused, though the base has them."""
    slots = tuple(slot for slot in llama.contract.slots if slot.module.endswith("q_proj"))
    misfits = llama.misfits(good, slots=slots)
    assert {misfit.code for misfit in misfits} == {"no_slot"}
    assert all("v_proj" in misfit.place for misfit in misfits)


def test_an_adapter_of_another_architecture_is_refused(llama: Base, gpt2: Base) -> None:
    """Nothing of it fits, and each of its tensors is named."""
    codes = llama.codes(gpt2.make("for gpt2"), names="exact")
    assert {"other_base", "unknown_target"} <= set(codes)


def test_very_many_misfits_are_counted(llama: Base, spoil: Callable[..., Path]) -> None:
    """The list is bounded and its last entry says how much more there is."""
    adapter = spoil(edit_tensors(lambda tensors: {f"t{n}": torch.ones(1) for n in range(MAX_MISFITS + 50)}))
    misfits = llama.misfits(adapter)
    assert len(misfits) == MAX_MISFITS + 1
    assert (misfits[-1].code, misfits[-1].got) == ("more", "51 more misfits")


def test_targets_that_choose_nothing_are_refused(llama: Base, spoil: Callable[..., Path]) -> None:
    """When the configuration chooses no module at all, no tensor has a meaning."""
    for changes in ({"target_modules": ["c_attn"]}, {"layers_to_transform": [0, 1], "layers_pattern": "blocks"}):
        assert llama.codes(spoil(edit_config(**changes))) == ["untargeted_tensors"]


# --- the tensors' own shapes and dtypes


def _replace_one(tensor: torch.Tensor) -> Callable[[Path], None]:
    def edit(tensors: dict[str, torch.Tensor]) -> None:
        tensors[A] = tensor

    return edit_tensors(edit)


@pytest.mark.parametrize("dtype", ["float64", "float8_e4m3fn", "float8_e5m2", "bool", "int8", "uint8", "int64"])
def test_only_the_usual_floating_points_are_taken(llama: Base, spoil: Callable[..., Path], dtype: str) -> None:
    """Other dtypes are well-formed safetensors, and still nothing that LoRA weights are trained in."""
    adapter = spoil(_replace_one(torch.ones(4, 48).to(getattr(torch, dtype))))
    assert [(m.code, m.place) for m in llama.misfits(adapter)] == [("dtype_refused", A)]


@pytest.mark.parametrize(
    ("shape", "code"),
    [
        ((), "shape_mismatch"),
        ((192,), "shape_mismatch"),
        ((4, 48, 1), "shape_mismatch"),
        ((1, 4, 48), "shape_mismatch"),
        ((48, 4), "shape_mismatch"),
        ((4, 47), "shape_mismatch"),
        ((4, 0), "shape_mismatch"),
        ((3, 48), "rank_mismatch"),
        ((5, 48), "rank_mismatch"),
        ((0, 48), "rank_mismatch"),
    ],
)
def test_a_shape_is_right_or_refused(
    llama: Base, spoil: Callable[..., Path], shape: tuple[int, ...], code: str
) -> None:
    """Another rank than the configuration's is told apart from the shape of another base."""
    (misfit,) = llama.misfits(spoil(_replace_one(torch.ones(shape))))
    assert (misfit.code, misfit.place, misfit.wanted, misfit.got) == (code, A, "[4, 48]", str(list(shape)))
