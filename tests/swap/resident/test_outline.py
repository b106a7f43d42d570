"""A base without its weights: which families are refused, why, and with which advice."""

from pathlib import Path
from typing import Any

import pytest
from kits.bases import SPLIT_EXPERTS, UNSERVED, base_with_code, base_without_weights
from kits.models import KINDS, MORE_KINDS, tiny

from hotswapd.swap.errors import BaseUnservable, BaseUnusable
from hotswapd.swap.resident.base import ResidentSpec
from hotswapd.swap.resident.outline import outline


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


def test_the_advice_to_name_modules_is_itself_taken(tmp_path: Path) -> None:
    """PEFT turns the names of the dense layer into those of the experts' parameters; the others have slots."""
    base = base_without_weights(tmp_path / "base", "glm4_moe", **SPLIT_EXPERTS)
    sentence = refusal(base)
    assert "PEFT makes no LoRA layer of its own for 6 of its modules" in sentence
    advice = sentence.partition("set model.target_modules = ")[2]
    assert advice == '["k_proj", "o_proj", "q_proj", "v_proj"]'
    _, oracle = outline(ResidentSpec(str(base), target_modules=("k_proj", "o_proj", "q_proj", "v_proj")))
    assert len(oracle.slots) == 8


@pytest.mark.parametrize("attention", ["eager", "paged|eager"])
def test_an_attention_for_lanes_only_is_refused(tmp_path: Path, attention: str) -> None:
    sentence = refusal(base_without_weights(tmp_path / "base", "llama"), attn_implementation=attention)
    assert sentence == f"model.attn_implementation: {attention!r} cannot both serve and verify; use 'sdpa'"


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_no_attention_is_advised_that_is_refused_itself(tmp_path: Path, attention: str) -> None:
    sentence = refusal(base_without_weights(tmp_path / "base", "gemma2"), attn_implementation=attention)
    assert "use 'sdpa'" not in sentence or attention == "eager"
    assert "eager" not in sentence.replace(f"{attention!r} cannot", "")


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
