"""A base without its weights: which families are refused, why, and with which advice."""

from pathlib import Path
from typing import Any

import pytest
from kits.bases import SPLIT_EXPERTS, UNSERVED, base_with_code, base_without_weights
from kits.families import small
from kits.models import KINDS, MORE_KINDS, tiny

from hotswapd.swap.errors import BaseUnservable, BaseUnusable
from hotswapd.swap.resident.outline import outline
from hotswapd.swap.resident.spec import ResidentSpec


def refusal(base: Path, **fields: Any) -> str:
    with pytest.raises(BaseUnservable) as caught:
        outline(ResidentSpec(str(base), **fields))
    sentence = str(caught.value)
    assert sentence.startswith("model.")
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("family", UNSERVED)
def test_a_family_that_cannot_be_served_is_refused_with_the_reason(tmp_path: Path, family: str) -> None:
    fields, words = UNSERVED[family]
    sentence = refusal(base_without_weights(tmp_path / "base", family, **fields))
    assert words in sentence
    assert "; serve a base" in sentence
    assert "eager" not in sentence


@pytest.mark.parametrize("family", UNSERVED)
def test_no_choice_of_modules_makes_it_servable(tmp_path: Path, family: str) -> None:
    fields, words = UNSERVED[family]
    assert words in refusal(base_without_weights(tmp_path / "base", family, **fields), target_modules=("q_proj",))


@pytest.mark.parametrize("kind", [*KINDS, *MORE_KINDS])
def test_the_families_that_are_served_have_an_outline(tmp_path: Path, kind: str) -> None:
    _, oracle = outline(ResidentSpec(str(tiny(kind, tmp_path / "base"))))
    assert oracle.slots


def test_all_linear_is_all_that_peft_makes_a_layer_for(tmp_path: Path) -> None:
    """PEFT turns the names of the dense layer into those of the experts' parameters; the others have slots."""
    base = base_without_weights(tmp_path / "base", "glm4_moe", **SPLIT_EXPERTS)
    _, oracle = outline(ResidentSpec(str(base)))
    assert {slot.module.rpartition(".")[2] for slot in oracle.slots} == {"k_proj", "o_proj", "q_proj", "v_proj"}
    assert any(name.endswith("mlp.up_proj") for name in oracle.uncovered)


def test_what_peft_refuses_outright_has_no_slot(tmp_path: Path) -> None:
    """With its name among them it would take none of the others either."""
    base = base_without_weights(tmp_path / "base", "mamba", state_size=4)
    _, oracle = outline(ResidentSpec(str(base)))
    assert {slot.module.rpartition(".")[2] for slot in oracle.slots} == {"in_proj", "x_proj", "dt_proj"}
    sentence = refusal(base, target_modules=("in_proj", "out_proj"))
    assert 'set model.target_modules = ["in_proj"]' in sentence


def test_the_advice_to_name_modules_is_itself_taken(tmp_path: Path) -> None:
    base = base_without_weights(tmp_path / "base", "glm4_moe", **SPLIT_EXPERTS)
    sentence = refusal(base, target_modules=("q_proj", "v_proj", "up_proj"))
    assert "PEFT makes no LoRA layer of its own for 2 of its modules" in sentence
    advice = sentence.partition("set model.target_modules = ")[2]
    assert advice == '["q_proj", "v_proj"]'
    _, oracle = outline(ResidentSpec(str(base), target_modules=("q_proj", "v_proj")))
    assert len(oracle.slots) == 4
    assert "leave model.target_modules out" in refusal(base, target_modules=("up_proj",))


@pytest.mark.parametrize("attention", ["paged|eager", "paged|sdpa"])
def test_an_attention_for_transformers_own_batches_is_refused(tmp_path: Path, attention: str) -> None:
    sentence = refusal(base_without_weights(tmp_path / "base", "llama"), attn_implementation=attention)
    assert sentence.endswith(f"{attention!r} only runs in transformers' own batches; use 'sdpa'")


@pytest.mark.parametrize("family", ["falcon", "gemma2", "mamba", "qwen3_5_text", "gpt_oss", "deepseek_v3"])
def test_a_family_of_its_own_way_has_an_outline(tmp_path: Path, family: str) -> None:
    """Recurrent layers, soft-capped scores, sinks, latent attention: what serves them is tried with the weights."""
    small(family).save_pretrained(tmp_path)
    assert outline(ResidentSpec(str(tmp_path)))[1].slots


def test_an_absurd_configuration_is_one_sentence(tmp_path: Path) -> None:
    """What the family's own code raises over it is named, whichever class it is."""
    base = base_without_weights(tmp_path / "base", "llama", num_hidden_layers=1)
    (base / "config.json").write_text('{"model_type": "llama", "hidden_size": "wide"}')
    with pytest.raises(BaseUnusable, match=r"model\.base: .* cannot be"):
        outline(ResidentSpec(str(base)))


@pytest.mark.parametrize("trusted", [False, True])
def test_code_of_a_base_runs_only_where_it_is_trusted(tmp_path: Path, trusted: bool) -> None:
    base = base_with_code(tmp_path / "base")
    sentence = refusal(base, trust_remote_code=trusted)
    assert (base / "ran").exists() == trusted
    assert ("set model.trust_remote_code = true" in sentence) != trusted


def test_a_known_family_needs_no_code_of_its_own(tmp_path: Path) -> None:
    """A repository may bring code for older versions of transformers; its own family is used then."""
    base = base_with_code(tmp_path / "base", model_type="llama", hidden_size=16, num_attention_heads=2)
    assert outline(ResidentSpec(str(base)))[1].slots
    assert not (base / "ran").exists()
