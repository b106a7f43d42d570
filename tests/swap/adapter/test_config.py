"""The configuration's allow-list: what plain LoRA says passes, each other thing has its code, nothing is evaluated."""

from typing import Any

import pytest
from kits.costs import unfrozen
from peft import LoraConfig

from hotswapd.swap.adapter.config import (
    MAX_LAYER_NAMES,
    MAX_PATTERN_LENGTH,
    MAX_PATTERNS,
    LoraFields,
    examine,
    is_literal,
)
from hotswapd.swap.errors import Misfit

DEFAULTS = LoraConfig().to_dict()
PLAIN: dict[str, Any] = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]}
BOMB = "(a+)+" * 20 + "$"


def _examine(**changes: Any) -> tuple[LoraFields, list[Misfit]]:
    return examine(PLAIN | changes, DEFAULTS)


def test_reads_the_fields_that_decide() -> None:
    """Everything that decides what the tensors mean comes out as it stands in the file."""
    fields, misfits = _examine(
        use_rslora=True,
        fan_in_fan_out=True,
        rank_pattern={"q_proj": 2, "^model.layers.0.x": 3},
        alpha_pattern={"v_proj": 0.5},
        exclude_modules=["k_proj"],
        layers_to_transform=[0, 3],
        layers_pattern="layers",
    )
    assert misfits == []
    assert fields == LoraFields(
        r=4,
        lora_alpha=8,
        use_rslora=True,
        fan_in_fan_out=True,
        rank_pattern={"q_proj": 2, "^model.layers.0.x": 3},
        alpha_pattern={"v_proj": 0.5},
        target_modules=("q_proj", "v_proj"),
        exclude_modules=("k_proj",),
        layers_to_transform=(0, 3),
        layers_pattern=("layers",),
    )
    assert list(fields.rank_pattern) == ["q_proj", "^model.layers.0.x"], "the first that matches decides"


def test_a_silent_file_has_the_defaults_of_peft() -> None:
    """Where the file says nothing, PEFT's own defaults hold."""
    fields, misfits = examine({"peft_type": "LORA", "target_modules": ["q_proj"]}, DEFAULTS)
    config = LoraConfig(target_modules=["q_proj"])
    assert misfits == []
    for name in ("r", "lora_alpha", "use_rslora", "fan_in_fan_out", "rank_pattern", "alpha_pattern"):
        assert getattr(fields, name) == getattr(config, name), name


@pytest.mark.parametrize("field", sorted(DEFAULTS))
def test_every_default_of_peft_passes(field: str) -> None:
    """A field that PEFT writes with its default says nothing, so it is not a reason to refuse."""
    value = DEFAULTS[field]
    if field not in PLAIN:
        assert _examine(**{field: value})[1] == []
        assert value is None or _examine(**{field: value})[0] == _examine()[0]


HARMLESS: list[dict[str, Any]] = [
    {"lora_dropout": 0.5},
    {"lora_dropout": 0},
    {"inference_mode": True},
    {"task_type": "CAUSAL_LM"},
    {"peft_version": "0.99.0.dev0@unknown"},
    {"auto_mapping": {"base_model_class": "X", "parent_library": "os"}},
    {"revision": "main"},
    {"init_lora_weights": False},
    {"init_lora_weights": "gaussian"},
    {"init_lora_weights": "eva", "eva_config": {"rho": 2.0}},
    {"init_lora_weights": "orthogonal"},
    {"init_lora_weights": "mica"},
    {"loftq_config": None},
    {"modules_to_save": []},
    {"runtime_config": None},
    {"from_the_future": None},
    {"from_the_future": False},
    {"from_the_future": {}},
    {"lora_alpha": 16.0},
    {"target_modules": r".*\.(q|v)_proj"},
    {"target_modules": "all-linear"},
    {"exclude_modules": BOMB},
    {"layers_to_transform": 1},
    {"layers_pattern": []},
    {"qalora_group_size": 32},
    {"megatron_core": None},
]


@pytest.mark.parametrize("changes", HARMLESS, ids=str)
def test_what_cannot_matter_passes(changes: dict[str, Any]) -> None:
    """Training-time fields, the unset and the empty do not decide what the tensors mean."""
    assert _examine(**changes)[1] == []


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"peft_type": "IA3"}, "not_lora"),
    ({"peft_type": None}, "not_lora"),
    ({"peft_type": "lora"}, "not_lora"),
    ({"peft_type": ["LORA"]}, "not_lora"),
    ({"bias": "all"}, "bias"),
    ({"bias": "lora_only"}, "bias"),
    ({"bias": None}, "bias"),
    *(({"init_lora_weights": name}, "init_changes_base") for name in ("pissa", "pissa_niter_16", "olora", "loftq")),
    *(({"init_lora_weights": name}, "init_changes_base") for name in ("corda", "lora_ga", "kasa", "nonsense")),
    ({"init_lora_weights": {"a": 1}}, "init_changes_base"),
    ({"init_lora_weights": 1}, "init_changes_base"),
    ({"use_dora": True}, "dora"),
    ({"use_dora": 1}, "dora"),
    ({"lora_bias": True}, "lora_bias"),
    ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
    ({"target_parameters": ["mlp.experts.gate_up_proj"]}, "target_parameters"),
    ({"trainable_token_indices": [1, 2]}, "trainable_tokens"),
    ({"trainable_token_indices": {"embed_tokens": [1]}}, "trainable_tokens"),
    ({"trainable_token_indices": []}, "trainable_tokens"),
    ({"target_parameters": ""}, "target_parameters"),
    ({"layer_replication": [[0, 2], [1, 2]]}, "layer_replication"),
    ({"loftq_config": {"loftq_bits": 4}}, "init_changes_base"),
    ({"corda_config": {"x": 1}}, "init_changes_base"),
    ({"corda_config": False}, "init_changes_base"),
    ({"lora_ga_config": {"x": 1}}, "init_changes_base"),
    ({"alora_invocation_tokens": [1]}, "alora"),
    ({"use_qalora": True}, "qalora"),
    ({"use_bdlora": {"x": 1}}, "bdlora"),
    ({"use_bdlora": False}, "bdlora"),
    ({"arrow_config": {}}, "unsupported_field"),
    ({"kasa_config": ""}, "unsupported_field"),
    ({"task_type": "CAUSA9L_LM"}, "bad_field"),
    ({"task_type": []}, "bad_field"),
    ({"eva_config": False}, "bad_field"),
    ({"eva_config": {"rho": 0.5}}, "bad_field"),
    ({"eva_config": {"tau": "0.9"}}, "bad_field"),
    *(
        ({f"{name}_config": {"x": 1}}, "unsupported_field")
        for name in ("velora", "monteclora", "arrow", "kasa", "megatron")
    ),
    ({"megatron_core": "os"}, "unsupported_field"),
    ({"from_the_future": 1}, "unknown_field"),
    ({"from_the_future": "x"}, "unknown_field"),
    ({"r ": 4}, "unknown_field"),
    ({"R": 4}, "unknown_field"),
    ({"r": 0}, "bad_rank"),
    ({"r": -8}, "bad_rank"),
    ({"r": 8.0}, "bad_rank"),
    ({"r": True}, "bad_rank"),
    ({"r": "8"}, "bad_rank"),
    ({"r": None}, "bad_rank"),
    ({"rank_pattern": {"q_proj": 0}}, "bad_rank"),
    ({"r": 3, "init_lora_weights": "orthogonal"}, "bad_rank"),
    ({"rank_pattern": {"q_proj": 5}, "init_lora_weights": "orthogonal"}, "bad_rank"),
    ({"rank_pattern": {"q_proj": "8"}}, "bad_rank"),
    ({"lora_alpha": 0}, "bad_scaling"),
    ({"lora_alpha": -16}, "bad_scaling"),
    ({"lora_alpha": "16"}, "bad_scaling"),
    ({"lora_alpha": True}, "bad_scaling"),
    ({"lora_alpha": float("nan")}, "bad_scaling"),
    ({"lora_alpha": float("inf")}, "bad_scaling"),
    ({"lora_alpha": None}, "bad_scaling"),
    ({"alpha_pattern": {"q_proj": 0}}, "bad_scaling"),
    ({"alpha_pattern": {"q_proj": [1]}}, "bad_scaling"),
    ({"use_rslora": 1}, "bad_field"),
    ({"use_rslora": "false"}, "bad_field"),
    ({"fan_in_fan_out": "no"}, "bad_field"),
    ({"lora_dropout": 1.0}, "bad_field"),
    ({"lora_dropout": -0.1}, "bad_field"),
    ({"lora_dropout": "0"}, "bad_field"),
    ({"rank_pattern": [["q_proj", 8]]}, "bad_field"),
    ({"rank_pattern": None}, "bad_field"),
    ({"alpha_pattern": None}, "bad_field"),
    ({"alpha_pattern": "q_proj"}, "bad_field"),
    ({"target_modules": 7}, "bad_field"),
    ({"target_modules": ["q_proj", 7]}, "bad_field"),
    ({"target_modules": {"q_proj": 1}}, "bad_field"),
    ({"target_modules": None}, "targets_missing"),
    ({"target_modules": []}, "targets_missing"),
    ({"target_modules": ""}, "targets_missing"),
    ({"exclude_modules": [None]}, "bad_field"),
    ({"layers_to_transform": "1"}, "bad_field"),
    ({"layers_to_transform": [1, -1]}, "bad_field"),
    ({"layers_to_transform": [True]}, "bad_field"),
    ({"layers_pattern": 3}, "bad_field"),
    ({"layers_pattern": "layers"}, "bad_field"),
    ({"layers_to_transform": [0], "target_modules": "all-linear"}, "bad_field"),
    ({"layers_to_transform": [0], "target_modules": BOMB, "layers_pattern": "layers"}, "bad_field"),
    ({"layers_pattern": ["a"] * (MAX_LAYER_NAMES + 1)}, "too_many_patterns"),
    ({"layers_pattern": BOMB}, "pattern_not_literal"),
    ({"layers_pattern": ["layers", BOMB]}, "pattern_not_literal"),
    ({"rank_pattern": {BOMB: 8}}, "pattern_not_literal"),
    ({"alpha_pattern": {BOMB: 8}}, "pattern_not_literal"),
    ({"rank_pattern": {"": 8}}, "pattern_not_literal"),
    ({"rank_pattern": {"a" * (MAX_PATTERN_LENGTH + 1): 8}}, "pattern_not_literal"),
    ({"rank_pattern": {f"m{n}": 8 for n in range(MAX_PATTERNS + 1)}}, "too_many_patterns"),
    ({"alpha_pattern": {f"m{n}": 8 for n in range(10_000)}}, "too_many_patterns"),
]


@pytest.mark.parametrize(("changes", "code"), REFUSED, ids=lambda value: str(value)[:50])
def test_refuses(changes: dict[str, Any], code: str) -> None:
    """One wrong field is one misfit: its code, its name as the place, and what to do."""
    (misfit,) = _examine(**changes)[1]
    assert (misfit.code, misfit.place) == (code, next(iter(changes)))  # the first field that is changed
    assert misfit.wanted
    assert misfit.remedy
    assert len(str(misfit)) < 500


def test_names_all_that_is_wrong_at_once() -> None:
    """The fields are read independently of each other, so that one attempt finds everything."""
    changes: dict[str, Any] = {"peft_type": "IA3", "bias": "all", "use_dora": True, "r": 0, "lora_alpha": 0, "x": 1}
    codes = [misfit.code for misfit in _examine(**changes, rank_pattern={"a|b": 2})[1]]
    assert sorted(codes) == sorted(
        ["not_lora", "bias", "dora", "bad_rank", "bad_scaling", "unknown_field", "pattern_not_literal"]
    )


@pytest.mark.parametrize(
    "pattern", ["q_proj", "model.layers.10.q_proj", "^model.q", "a-b.C_9", "x" * MAX_PATTERN_LENGTH]
)
def test_plain_names_are_literal(pattern: str) -> None:
    """Letters, digits, dots, dashes and one leading caret are evaluated by PEFT in linear time."""
    assert is_literal(pattern)


@pytest.mark.parametrize("sign", list("*+?()[]{}|\\$/ \n\0é") + ["a^", "^^"])
def test_anything_else_is_not_literal(sign: str) -> None:
    """One sign with a meaning in regular expressions, wherever it stands, makes it a pattern."""
    assert not is_literal(sign)
    assert not is_literal(f"q{sign}proj")


def test_only_plain_targets_can_be_held_against_the_file() -> None:
    """A pattern among the targets or the exclusions is kept unread, and the file is not measured by it."""
    assert _examine()[0].target_modules == ("q_proj", "v_proj")
    assert _examine(target_modules=BOMB)[0].target_modules is None
    assert _examine(exclude_modules=BOMB)[0].exclude_modules is None


@pytest.mark.parametrize("field", sorted(set(DEFAULTS) | {"lora_dropout", "unheard_of"}))
def test_no_field_evaluates_what_it_holds(field: str) -> None:
    """A regular expression, many of them, or huge values in any field: settled with little work, and sayable."""
    values: list[Any] = [BOMB, [BOMB] * 10_000, {BOMB: BOMB}, {f"{BOMB}{n}": n for n in range(10_000)}]
    values += [[], {}, [[[]]], 10**19, -1, 1e308, True, None, "\u202e\x1b[2J", "a" * 250_000, list(range(50_000))]
    with unfrozen():
        for value in values:
            for misfit in _examine(**{field: value})[1]:
                assert len(str(misfit)) < 500


@pytest.mark.parametrize(
    "changes",
    [
        {"layers_pattern": "layers"},
        {"layers_to_transform": [0], "target_modules": "all-linear"},
        {"layers_to_transform": [0], "layers_pattern": "layers", "target_modules": ".*"},
    ],
    ids=str,
)
def test_combinations_that_peft_does_not_load_are_refused(changes: dict[str, Any]) -> None:
    """An adapter that nobody can load with PEFT has no meaning that could be served."""
    with pytest.raises(ValueError, match="layers_"):
        LoraConfig(**({"target_modules": ["q_proj"]} | changes))
    assert [misfit.code for misfit in _examine(**changes)[1]] == ["bad_field"]
