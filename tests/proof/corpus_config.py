"""Configurations that no adapter may have: not JSON, not of the right kinds, hostile, or of another method."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kits.adapters import BAD, edit_config
from kits.folders import CONFIG

from .corpus import Bad, Spoil, waits

FREEZES = "(a+)+$"
"""A pattern on which Python's `re` does not come back for longer than anybody waits, given enough letters."""


def is_now(content: bytes) -> Spoil:
    """Make the configuration these bytes."""
    return lambda adapter: _write(adapter, content)


def becomes(change: Callable[[bytes], bytes]) -> Spoil:
    """Make the configuration what the function makes of its bytes."""
    return lambda adapter: _write(adapter, change((adapter / CONFIG).read_bytes()))


def field(name: str, text: str) -> Spoil:
    """Set a field to a literal that Python's encoder would not write."""

    def change(content: bytes) -> bytes:
        config = json.loads(content)
        config[name] = "LITERAL"
        return json.dumps(config).replace('"LITERAL"', text).encode()

    return becomes(change)


def lacks(name: str) -> Spoil:
    def change(content: bytes) -> bytes:
        return json.dumps({key: value for key, value in json.loads(content).items() if key != name}).encode()

    return becomes(change)


def spoilt(name: str) -> Spoil:
    """Take what another test's class does, by its name there."""
    return BAD[name][0]


def sets(name: str, code: str, **changes: Any) -> Bad:
    return Bad(name, edit_config(**changes), code)


def _write(adapter: Path, content: bytes) -> None:
    (adapter / CONFIG).write_bytes(content)


def _twice(content: bytes) -> bytes:
    return content.rstrip()[:-1] + b', "r": 4}'


CONFIGS = [
    waits("config_empty", is_now(b"")),
    waits("config_not_json", is_now(b"r: 8\nlora_alpha: 16\n")),
    waits("config_cut_short", becomes(lambda c: c[: len(c) // 2])),
    waits("config_zero_bytes", is_now(bytes(600))),
    waits("config_not_utf8", becomes(lambda c: c.replace(b"LORA", b"LOR\xc1"))),
    Bad("config_byte_order_mark", becomes(lambda c: b"\xef\xbb\xbf" + c), "config_not_utf8"),
    Bad("config_utf16", becomes(lambda c: c.decode().encode("utf-16")), "config_not_utf8"),
    Bad("config_surrogate", field("task_type", '"\\ud83d"'), "config_not_utf8"),
    Bad("config_a_list", is_now(b"[1, 2, 3]"), "config_not_json"),
    Bad("config_null", is_now(b"null"), "config_not_json"),
    Bad("config_empty_object", is_now(b"{}"), "not_lora"),
    Bad("config_key_twice", becomes(_twice), "config_duplicate_key"),
    Bad("config_nested_10000_deep", is_now(b'{"a":' * 10_000 + b"1" + b"}" * 10_000), "config_too_deep"),
    Bad("config_of_20_mb", is_now(b'{"r": [' + b"1," * 10_000_000 + b"1]}"), "too_large"),
    Bad("config_number_of_5000_digits", field("r", "9" * 5000), "config_bad_number"),
    Bad("alpha_not_a_number", field("lora_alpha", "NaN"), "config_bad_number"),
    Bad("alpha_infinite", field("lora_alpha", "Infinity"), "config_bad_number"),
    Bad("alpha_1e400", field("lora_alpha", "1e400"), "config_bad_number"),
    Bad("alpha_1e308", field("lora_alpha", "1e308"), "bad_scaling"),
    sets("alpha_zero", "bad_scaling", lora_alpha=0),
    sets("alpha_negative", "bad_scaling", lora_alpha=-8),
    sets("alpha_text", "bad_scaling", lora_alpha="16"),
    sets("alpha_huge", "bad_scaling", lora_alpha=1e9),
    sets("rank_zero", "bad_rank", r=0),
    sets("rank_negative", "bad_rank", r=-1),
    sets("rank_true", "bad_rank", r=True),
    sets("rank_fraction", "bad_rank", r=4.0),
    sets("rank_a_billion", "rank_out_of_range", r=10**9),
    sets("rank_above_the_slots", "rank_too_high", r=64),
    sets("rank_not_the_tensors", "rank_mismatch", r=2),
    sets("dropout_of_two", "bad_field", lora_dropout=2.0),
    sets("targets_a_number", "bad_field", target_modules=7),
    sets("targets_missing", "targets_missing", target_modules=None),
    sets("targets_name_more", "missing_tensors", target_modules=["q_proj", "v_proj", "o_proj"]),
    sets("targets_name_fewer", "untargeted_tensors", target_modules=["q_proj"]),
    Bad("kind_missing", lacks("peft_type"), "not_lora"),
    sets("kind_unknown", "not_lora", peft_type="SUPERLORA"),
    sets("another_method", "not_lora", peft_type="IA3"),
    sets("dora", "dora", use_dora=True),
    sets("alora", "alora", alora_invocation_tokens=[1, 2]),
    sets("qalora", "qalora", use_qalora=True),
    sets("lora_bias", "lora_bias", lora_bias=True),
    sets("bias_all", "bias", bias="all"),
    sets("pissa", "init_changes_base", init_lora_weights="pissa"),
    sets("pissa_for_ever", "init_changes_base", init_lora_weights="pissa_niter_1000000"),
    sets("olora", "init_changes_base", init_lora_weights="olora"),
    sets("corda", "init_changes_base", init_lora_weights="corda", corda_config={"corda_method": "kpm"}),
    sets("loftq", "init_changes_base", init_lora_weights="loftq", loftq_config={"loftq_bits": 4}),
    sets("modules_to_save", "modules_to_save", modules_to_save=["lm_head"]),
    sets("trainable_tokens", "trainable_tokens", trainable_token_indices=[1, 2, 3]),
    sets("target_parameters", "target_parameters", target_parameters=["mlp.experts.gate_up_proj"]),
    sets("layer_replication", "layer_replication", layer_replication=[[0, 2], [1, 2]]),
    sets("megatron_core_imports", "unsupported_field", megatron_core="os.path", megatron_config={"a": 1}),
    sets("tokenizer_code", "unknown_field", tokenizer_kwargs={"trust_remote_code": True}),
    sets("unknown_field", "unknown_field", surprise=1),
    sets("fan_in_fan_out", "fan_in_fan_out", fan_in_fan_out=True),
    sets("freezing_rank_pattern", "pattern_not_literal", rank_pattern={FREEZES: 4}),
    sets("freezing_alpha_pattern", "pattern_not_literal", alpha_pattern={FREEZES: 8}),
    sets("freezing_layers_pattern", "pattern_not_literal", layers_pattern=[FREEZES], layers_to_transform=[0]),
    sets("3000_patterns", "too_many_patterns", rank_pattern={f"m{n}": 4 for n in range(3000)}),
    sets("pattern_of_rank_zero", "bad_rank", rank_pattern={"q_proj": 0}),
    sets("pattern_of_another_rank", "rank_mismatch", rank_pattern={"q_proj": 2}),
    sets("other_base", "other_base", base_model_name_or_path="some/other-model"),
    sets("base_a_list", "other_base", base_model_name_or_path=["some/model"]),
    sets("other_revision", "other_base_revision", revision="0123abcd"),
]
