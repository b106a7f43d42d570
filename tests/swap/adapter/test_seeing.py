"""Bases that also see: the adapters of their language model, under all the names that these had over the years."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from kits.adapters import edit_config, edit_tensors, logits, oracle_model
from kits.contracts import Base, assert_means_the_same
from kits.families import save_adapter, save_small
from transformers import AutoConfig

from hotswapd.swap.adapter.contract import Contract
from hotswapd.swap.adapter.oracle import MetaOracle

SEEING = ("gemma3", "llava", "mistral3", "qwen2_5_vl", "idefics3")
NOW = "base_model.model.model.language_model."
BEFORE = {
    "transformers before 4.52": "base_model.model.language_model.model.",
    "with the causal model inside": "base_model.model.model.language_model.model.",
}
TOWER, OLD_TOWER = "base_model.model.model.vision_tower.", "base_model.model.vision_tower.vision_model."
PATTERN = r".*language_model.*\.(q_proj|k_proj)"


def serve(family: str, root: Path) -> Base:
    base = save_small(family, root / "base")
    oracle = MetaOracle(AutoConfig.from_pretrained(base))
    return Base(family, base, root, oracle, Contract(("*",), oracle.slots, 8, "float32"))


def train(served: Base, *ends: str) -> Path:
    """Make an adapter for the modules of the language model with these ends of their names."""
    modules = [slot.module for slot in served.oracle.slots if slot.module.endswith(ends)]
    return save_adapter(served.base, served.root / "adapter", modules)


def rename(old: str, new: str) -> Callable[[Path], None]:
    return edit_tensors(lambda tensors: {name.replace(old, new): tensor for name, tensor in tensors.items()})


def change(served: Base, adapter: Path) -> float:
    """Tell by how much PEFT's own load of it changes the answer."""
    with_it, bare = (logits(oracle_model(served.base, one), [5, 6, 7]) for one in (adapter, None))
    return float((with_it - bare).abs().max())


@pytest.mark.parametrize("family", SEEING)
def test_the_slots_are_those_of_the_language_model(tmp_path: Path, family: str) -> None:
    """Its embeddings, its head, and all that only runs for an image have none."""
    served = serve(family, tmp_path)
    names = {slot.module for slot in served.oracle.slots}
    assert names
    assert all(name.startswith(("model.language_model.layers.", "model.text_model.layers.")) for name in names)
    assert_means_the_same(served, train(served, "q_proj", "down_proj"))


@pytest.mark.parametrize("family", ["gemma3", "llava", "mistral3"])
@pytest.mark.parametrize("names", BEFORE)
def test_names_of_older_versions_mean_what_peft_makes_of_them(tmp_path: Path, family: str, names: str) -> None:
    served = serve(family, tmp_path)
    adapter = train(served, "q_proj", "k_proj")
    before = change(served, adapter)
    rename(NOW, BEFORE[names])(adapter)
    edit_config(target_modules=PATTERN)(adapter)
    assert_means_the_same(served, adapter)
    assert change(served, adapter) == before > 0


def test_names_that_peft_drops_are_refused(tmp_path: Path) -> None:
    """Qwen2.5-VL's language model was called something else once, and PEFT does not know."""
    served = serve("qwen2_5_vl", tmp_path)
    adapter = train(served, "q_proj", "k_proj")
    rename(NOW, "base_model.model.model.")(adapter)
    edit_config(target_modules=r".*\.(q_proj|k_proj)")(adapter)
    assert change(served, adapter) == 0
    assert set(served.codes(adapter)) == {"no_tensors", "unknown_target"}


def test_two_names_of_one_module_are_refused(tmp_path: Path) -> None:
    """PEFT would keep one of them, and which one is chance."""
    served = serve("gemma3", tmp_path)
    adapter = train(served, "q_proj")
    old = BEFORE["transformers before 4.52"]
    edit_tensors(lambda tensors: {**tensors, **{n.replace(NOW, old): t + 1 for n, t in tensors.items()}})(adapter)
    edit_config(target_modules=PATTERN)(adapter)
    assert set(served.codes(adapter)) == {"duplicate_tensor"}


@pytest.mark.parametrize("family", ["gemma3", "llava"])
@pytest.mark.parametrize("old", [False, True])
def test_a_trained_vision_tower_is_refused_by_name(tmp_path: Path, family: str, old: bool) -> None:
    served = serve(family, tmp_path)
    modules = [name for name in served.oracle.modules if name.endswith(".q_proj")]
    adapter = save_adapter(served.base, tmp_path / "adapter", modules)
    towers = {f"base_model.model.{name}" for name in modules if "vision_tower" in name}
    if old:
        rename(TOWER, OLD_TOWER)(adapter)
        towers = {name.replace(TOWER, OLD_TOWER) for name in towers}
    found = served.misfits(adapter)
    assert {misfit.place.partition(".lora_")[0] for misfit in found} == towers != set()
    assert {misfit.code for misfit in found} == {"beside_language"}
    assert all("the language model alone" in misfit.remedy for misfit in found)


def test_a_list_of_names_need_not_have_the_tower(tmp_path: Path) -> None:
    """Trainers that freeze the tower write plain names, which it has too: PEFT leaves its layers as they are."""
    served = serve("gemma3", tmp_path)
    adapter = train(served, "q_proj")
    edit_config(target_modules=["q_proj"])(adapter)
    assert {one.slot.module for one in served.admit(adapter).placements} == {
        slot.module for slot in served.oracle.slots if slot.module.endswith("q_proj")
    }
    edit_config(target_modules=["q_proj", "v_proj"])(adapter)
    assert served.codes(adapter) == ["missing_tensors"]


def test_what_the_file_says_is_what_a_misfit_names(tmp_path: Path) -> None:
    """Its own name, not the one that PEFT loads it under."""
    served = serve("gemma3", tmp_path)
    adapter = train(served, "q_proj")
    name = "base_model.model.language_model.model.layers.7.self_attn.q_proj.lora_A.weight"
    edit_tensors(lambda tensors: {**tensors, name: torch.ones(2, 16)})(adapter)
    found = [(misfit.code, misfit.place) for misfit in served.misfits(adapter)]
    assert ("unknown_target", name) in found
