"""Admission of any configuration: refused, or loaded by PEFT with the same meaning; nothing in between."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kits.contracts import Base, assert_means_the_same
from kits.folders import CONFIG, WEIGHTS
from peft import LoraConfig

from hotswapd.swap.adapter.admission import admit
from hotswapd.swap.adapter.manifest import read_manifest
from hotswapd.swap.errors import Rejected

_FIELDS = st.sampled_from([*sorted(LoraConfig().to_dict()), "unheard_of"])
_names = st.sampled_from(
    ["q_proj", "v_proj", "self_attn.q_proj", "layers.0.self_attn.v_proj", "proj", "^model", "q.proj"]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 10**19) | st.floats(allow_nan=False) | st.text(max_size=5) | _names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names | st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
_sensible = st.fixed_dictionaries(
    {},
    optional={
        "lora_alpha": st.floats(0.01, 3000) | st.integers(1, 5000),
        "use_rslora": st.booleans(),
        "rank_pattern": st.dictionaries(_names, st.sampled_from([4, 4, 4, 5]), max_size=3),
        "alpha_pattern": st.dictionaries(_names, st.integers(1, 99) | st.floats(0.1, 9), max_size=3),
        "exclude_modules": st.lists(_names, max_size=2),
        "layers_to_transform": st.sampled_from([None, [0, 1], [1, 0, 7], 0, []]),
        "layers_pattern": st.sampled_from([None, [], "layers", ["h", "layers"], "model"]),
        "lora_dropout": st.floats(0, 1),
        "init_lora_weights": st.sampled_from([True, False, "gaussian", "pissa", "orthogonal", "eva"]),
        "target_modules": st.lists(_names, max_size=4) | st.just(["v_proj", "q_proj", "lm_head", "embed_tokens"]),
        "fan_in_fan_out": st.booleans(),
        "bias": st.sampled_from(["none", "none", "all"]),
        "task_type": st.sampled_from([None, "CAUSAL_LM"]),
    },
)


@given(st.dictionaries(_FIELDS, _json, max_size=4))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_values_are_admitted_or_refused(llama: Base, good: Path, changes: dict[str, Any]) -> None:
    """Whatever JSON stands in whatever fields, the answer is a plan or a refusal that can be said and stored."""
    manifest = read_manifest(good)
    try:
        plan = admit(replace(manifest, config={**manifest.config, **changes}), llama.contract, llama.oracle)
    except Rejected as error:
        assert error.misfits
        for misfit in error.misfits:
            assert len(str(misfit).encode()) < 5000
    else:
        assert len(plan.placements) == 4


@pytest.mark.slow
@given(_sensible)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_admitted_is_what_peft_loads(
    llama: Base, good: Path, tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any]
) -> None:
    """Sensible values in any combination: those that are admitted have the meaning that PEFT gives them."""
    copy = tmp_path_factory.mktemp("any")
    (copy / WEIGHTS).hardlink_to(good / WEIGHTS)
    (copy / CONFIG).write_text(json.dumps(json.loads((good / CONFIG).read_text()) | changes))
    try:
        llama.admit(copy)
    except Rejected:
        return
    assert_means_the_same(llama, copy)
