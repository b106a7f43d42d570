"""Admission: accepted adapters mean what a fresh PEFT load makes of them; refused ones are told all their faults."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from kits.adapters import BAD, edit_config, edit_tensors, make_bad, oracle_model
from kits.contracts import MAX_RANK, Base, assert_means_the_same
from kits.folders import WEIGHTS

from hotswapd.swap.adapter.admission import MAX_SCALING, admit
from hotswapd.swap.adapter.manifest import read_manifest
from hotswapd.swap.errors import Misfit


def _both(fields: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {"llama": fields, "gpt2": fields}


ACCEPTED: dict[str, dict[str, dict[str, Any]]] = {
    "plain": {"llama": {}, "gpt2": {}},
    "all linear": _both({"targets": "all-linear"}),
    "rank-stabilised": _both({"use_rslora": True, "rank": 5, "alpha": 3}),
    "the highest rank": _both({"rank": MAX_RANK, "alpha": 1}),
    "dropout": _both({"lora_dropout": 0.3}),
    "ranks by name": {
        "llama": {"rank_pattern": {"q_proj": 9, "layers.1.self_attn.v_proj": 2}},
        "gpt2": {"rank_pattern": {"c_attn": 9, "h.1.mlp.c_fc": 2}},
    },
    "alphas by name": {
        "llama": {"alpha_pattern": {"v_proj": 32, "layers.0.self_attn.q_proj": 1}},
        "gpt2": {"alpha_pattern": {"c_fc": 32, "h.0.attn.c_attn": 1}},
    },
    "both by name, rank-stabilised": {
        "llama": {"use_rslora": True, "rank_pattern": {"q_proj": 3}, "alpha_pattern": {"q_proj": 5, "v_proj": 7}},
        "gpt2": {"use_rslora": True, "rank_pattern": {"c_attn": 3}, "alpha_pattern": {"c_attn": 5, "c_fc": 7}},
    },
    "the first pattern that matches": {
        "llama": {"rank_pattern": {"^model.layers.1.self_attn.q_proj": 2, "layers.0.self_attn.q_proj": 9, "q_proj": 6}},
        "gpt2": {"rank_pattern": {"^transformer.h.1.attn.c_attn": 2, "c_attn": 6, "h.0.attn.c_attn": 9}},
    },
    "one layer": _both({"layers_to_transform": [1]}),
    "one layer by its name": {
        "llama": {"layers_to_transform": 0, "layers_pattern": "layers"},
        "gpt2": {"layers_to_transform": 0, "layers_pattern": "h"},
    },
    "exclusions": {
        "llama": {"targets": ["q_proj", "k_proj", "up_proj"], "exclude_modules": ["k_proj", "layers.0.mlp.up_proj"]},
        "gpt2": {"targets": ["c_attn", "c_proj", "c_fc"], "exclude_modules": ["mlp.c_proj", "h.0.mlp.c_fc"]},
    },
    "targets by a regular expression": {
        "llama": {"targets": r"model\.layers\.(0|1)\.(self_attn\.[qk]_proj|mlp\.(up|down)_proj)"},
        "gpt2": {"targets": r".*\.1\.(attn\.c_attn|mlp\.c_(fc|proj))"},
    },
    "one module by its full name": {
        "llama": {"targets": ["model.layers.1.mlp.down_proj"]},
        "gpt2": {"targets": ["transformer.h.1.mlp.c_proj"]},
    },
    "float16": _both({"dtype": torch.float16}),
    "bfloat16": _both({"dtype": torch.bfloat16}),
    "fan-in-fan-out as the base has it": {"llama": {"fan_in_fan_out": False}, "gpt2": {"fan_in_fan_out": True}},
    "initialised otherwise": _both({"init_lora_weights": "gaussian"}),
}


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("name", ACCEPTED)
def test_means_what_a_fresh_load_makes_of_it(request: pytest.FixtureRequest, name: str, kind: str) -> None:
    """Modules, ranks, scalings, shapes and the tensors themselves are those of PeftModel.from_pretrained."""
    served: Base = request.getfixturevalue(kind)
    assert_means_the_same(served, served.make(name, **ACCEPTED[name][kind]))


@pytest.mark.parametrize("old", [".lora_A.weight", ".weight"], ids=["A only", "both sides"])
def test_the_adapters_name_may_stand_in_the_tensors(llama: Base, spoil: Callable[..., Path], old: str) -> None:
    """PEFT loads tensors that carry the infix of its default adapter name, so they are accepted."""
    new = old.replace(".weight", ".default.weight")
    renamed = spoil(edit_tensors(lambda tensors: {name.replace(old, new): t for name, t in tensors.items()}))
    assert_means_the_same(llama, renamed)


HARMLESS: list[dict[str, Any]] = [
    {"init_lora_weights": "eva", "eva_config": {"rho": 2.0}},
    {"init_lora_weights": "orthogonal"},
    {"init_lora_weights": "mica"},
    {"auto_mapping": {"base_model_class": "X", "parent_library": "os"}},
    {"revision": "main"},
    {"inference_mode": False},
]


def test_minor_components_are_at_most_as_many_as_the_weight_has(llama: Base) -> None:
    """PEFT does not load more either: it takes them from a decomposition of the weight."""
    adapter = llama.make("minor", rank=32, targets=["v_proj"])
    assert llama.admit(adapter, max_rank=64).placements
    edit_config(init_lora_weights="mica")(adapter)
    assert llama.codes(adapter, max_rank=64) == ["bad_rank"]
    with pytest.raises(ValueError, match="MiCA requires"):
        oracle_model(llama.base, adapter)


@pytest.mark.parametrize("changes", HARMLESS, ids=str)
def test_fields_of_the_training_change_nothing(
    llama: Base, spoil: Callable[..., Path], changes: dict[str, Any]
) -> None:
    """What is let through as harmless is so for PEFT as well."""
    assert_means_the_same(llama, spoil(edit_config(**changes)))


# Values are judged when the image is built; everything else before a tensor is read.
STRUCTURAL = sorted(name for name, (_, code) in BAD.items() if code != "non_finite")


@pytest.mark.parametrize("name", STRUCTURAL)
def test_refuses_the_bad(llama: Base, good: Path, tmp_path: Path, name: str) -> None:
    """Each way to spoil an adapter is named by its code."""
    assert BAD[name][1] in llama.codes(make_bad(good, tmp_path / name, name))


def test_reads_no_tensor(llama: Base, spoil: Callable[..., Path]) -> None:
    """The plan is made from the manifest alone: the file may be gone by then."""
    copy = spoil()
    manifest = read_manifest(copy)
    (copy / WEIGHTS).unlink()
    assert len(admit(manifest, llama.contract, llama.oracle).placements) == 4


def test_tells_everything_at_once(llama: Base, spoil: Callable[..., Path]) -> None:
    """Faults of the configuration, the base, the names, the dtypes, the pairs and the shapes are in one answer."""

    def tensors(found: dict[str, torch.Tensor]) -> None:
        names = sorted(found)
        del found[names[0]]
        found[names[2]] = found[names[2]].double()
        found[names[4]] = torch.ones(4, 49)
        found["surprise"] = torch.ones(1)
        found["base_model.model.lm_head.lora_A.weight"] = torch.ones(4, 48)

    bad = spoil(edit_tensors(tensors), edit_config(use_dora=True, base_model_name_or_path="x/y", lora_dropout=2, new=1))
    assert sorted(llama.codes(bad)) == sorted(
        [
            "dora",
            "bad_field",
            "unknown_field",
            "other_base",
            "unknown_target",
            "embeddings",
            "missing_pair",
            "dtype_refused",
            "shape_mismatch",
        ]
    )


def test_a_refusal_leaves_no_trace(llama: Base, good: Path, tmp_path: Path) -> None:
    """The same adapter gives the same plan before and after others were refused."""
    before = llama.admit(good)
    for name in STRUCTURAL[:6]:
        llama.misfits(make_bad(good, tmp_path / name, name))
    assert llama.admit(good) == before


def _base_misfit(llama: Base, adapter: Path, **changes: Any) -> Misfit:
    (misfit,) = llama.misfits(adapter, **changes)
    return misfit


@pytest.mark.parametrize(
    "name", ["/data/models/Llama", "me/Llama-4bit", 'a"b', "c\\d", "é/ü", "\U0001f600/x", "x\ny", 7]
)
def test_another_base_is_told_the_line_that_admits_it(llama: Base, spoil: Callable[..., Path], name: object) -> None:
    """The sentence holds a configuration line that is valid as it stands and does what it says."""
    adapter = spoil(edit_config(base_model_name_or_path=name))
    misfit = _base_misfit(llama, adapter)
    assert (misfit.code, misfit.place) == ("other_base", "base_model_name_or_path")
    line = misfit.remedy.split("[admission] ")[1]
    assert "\n" not in line
    added = tuple(tomllib.loads(line)["base_models"])
    assert llama.admit(adapter, base_models=llama.contract.base_models + added)


def test_the_operator_may_name_more_bases_or_any(llama: Base, spoil: Callable[..., Path]) -> None:
    """A name in base_models or a star there admits; a prefix or another case of a name does not."""
    adapter = spoil(edit_config(base_model_name_or_path="me/Base"))
    for names in (("me/Base",), ("x", "me/Base"), ("*",)):
        assert llama.admit(adapter, base_models=names, names="exact").placements
    for others in ((), ("me/base",), ("me",), ("me/Base-2",), ("me/*",)):
        assert llama.codes(adapter, base_models=others, names="exact") == ["other_base"]


@pytest.mark.parametrize(
    ("revision", "served", "fits"),
    [
        (None, "abc", True),
        ("", "abc", True),
        ("main", "abc", True),
        ("abc", "abc", True),
        ("abd", "abc", False),
        ("v2", "main", False),
        (7, "main", False),
    ],
)
def test_the_revision_must_be_the_one_served(
    llama: Base, spoil: Callable[..., Path], revision: object, served: str, fits: bool
) -> None:
    """An adapter that names the revision it was trained for is held to it."""
    adapter = spoil(edit_config(revision=revision))
    if fits:
        assert llama.admit(adapter, revision=served).placements
    else:
        assert llama.codes(adapter, revision=served) == ["other_base_revision"]


def test_the_rank_is_bounded_by_the_slots(llama: Base) -> None:
    """One more than max_rank is refused for each slot that has it, and says which setting to raise."""
    adapter = llama.make("rank above", rank=MAX_RANK + 1)
    misfits = llama.misfits(adapter)
    assert [misfit.code for misfit in misfits] == ["rank_too_high"] * 4
    assert "model.max_rank" in misfits[0].remedy
    assert llama.admit(adapter, max_rank=MAX_RANK + 1).placements


def test_only_the_slots_of_too_high_rank_are_named(llama: Base) -> None:
    """A pattern that raises one module's rank is a fault of that module alone."""
    adapter = llama.make("rank above by name", rank_pattern={"layers.1.self_attn.q_proj": 99})
    assert [(m.code, m.place) for m in llama.misfits(adapter)] == [("rank_too_high", "model.layers.1.self_attn.q_proj")]


def test_patterns_may_bring_every_rank_into_bounds(llama: Base) -> None:
    """What counts are the ranks of the tensors, not a default that no module has."""
    adapter = llama.make("rank above nowhere", rank=4 * MAX_RANK, rank_pattern={"q_proj": 4, "v_proj": 2})
    assert_means_the_same(llama, adapter)


@pytest.mark.parametrize(
    "changes", [{"r": 10**12}, {"rank_pattern": {"q_proj": 10**12}}, {"r": 1 << 17, "use_rslora": True}]
)
def test_absurd_ranks_are_refused_before_layers_are_made(
    llama: Base, spoil: Callable[..., Path], changes: dict[str, Any]
) -> None:
    """PEFT is not asked to make layers that no machine could hold."""
    assert "rank_out_of_range" in llama.codes(spoil(edit_config(**changes)))


@pytest.mark.parametrize(
    ("alpha", "fits"), [(4 * MAX_SCALING, True), (4 * MAX_SCALING + 1, False), (10**19, False), (1e-30, True)]
)
def test_the_scaling_is_bounded(llama: Base, spoil: Callable[..., Path], alpha: float, fits: bool) -> None:
    """The factor that results, not alpha, is what is bounded."""
    adapter = spoil(edit_config(lora_alpha=alpha))
    if fits:
        assert {placement.scaling for placement in llama.admit(adapter).placements} == {alpha / 4}
    else:
        assert set(llama.codes(adapter)) == {"bad_scaling"}
