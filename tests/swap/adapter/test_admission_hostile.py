"""Admission of hostile input: refused, or not evaluated, within a second of work."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kits.adapters import edit_config
from kits.contracts import Base
from kits.costs import calls, unfrozen
from kits.folders import CONFIG, WEIGHTS
from transformers import LlamaConfig

from hotswapd.swap.adapter.admission import MAX_MISFITS
from hotswapd.swap.adapter.header import TensorSpec
from hotswapd.swap.adapter.names import pair_up
from hotswapd.swap.adapter.oracle import MetaOracle
from hotswapd.swap.errors import Rejected

BOMB = "(a+)+" * 20 + "$"
PREFIX = "base_model.model."


def _write(path: Path, config: bytes) -> None:
    (path / CONFIG).write_bytes(config)


def _bomb_of_names(path: Path) -> None:
    entry = b':{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    names = (b'"%sq_proj.lora_A.%d"%s' % (PREFIX.encode(), n, entry) for n in range(10_000))
    header = b"{" + b",".join(names) + b"}"
    (path / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header)


MAP = {BOMB: 4, f"{BOMB}|{BOMB}": 4}
MANY = {f"m{n}.q_proj": 4 for n in range(10_000)}
HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "expressions for targets": (edit_config(target_modules=[BOMB] * 1000), "untargeted_tensors"),
    "a map of expressions for targets": (edit_config(target_modules=MAP), "bad_field"),
    "a map of expressions for exclusions": (edit_config(exclude_modules=MAP), "bad_field"),
    "expressions for ranks": (edit_config(rank_pattern=MAP), "pattern_not_literal"),
    "expressions for alphas": (edit_config(alpha_pattern=MAP), "pattern_not_literal"),
    "an expression for layers": (edit_config(layers_pattern=BOMB, layers_to_transform=[0]), "pattern_not_literal"),
    "expressions for layers": (edit_config(layers_pattern=[BOMB] * 1000), "too_many_patterns"),
    "10,000 ranks": (edit_config(rank_pattern=MANY), "too_many_patterns"),
    "10,000 alphas": (edit_config(alpha_pattern=MANY), "too_many_patterns"),
    "10,000 layer names": (edit_config(layers_pattern=list(MANY), layers_to_transform=[9]), "too_many_patterns"),
    "10,000 targets": (edit_config(target_modules=list(MANY)), "untargeted_tensors"),
    "a rank of 5,000 digits": (lambda path: _write(path, b'{"r":' + b"9" * 5000 + b"}"), "config_bad_number"),
    "a deep configuration": (lambda path: _write(path, b'{"r":' * 40_000), "config_too_deep"),
    "a deep list": (lambda path: _write(path, b"[" * 250_000), "config_too_deep"),
    "a long base name": (edit_config(base_model_name_or_path="x" * 200_000), "other_base"),
    "a long unknown field": (edit_config(**{"x" * 100_000: "y" * 100_000}), "unknown_field"),
    "a thousand unknown fields": (edit_config(**{f"x{n}": n for n in range(1000)}), "unknown_field"),
    "10,000 names": (_bomb_of_names, "unknown_target"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_refused_at_once(llama: Base, spoil: Callable[..., Path], name: str) -> None:
    """Expressions, numbers, depths and masses that freeze other programs are refused with little work."""
    change, code = HOSTILE[name]
    adapter = spoil(change)
    with unfrozen():
        misfits = llama.misfits(adapter)
    assert code in {misfit.code for misfit in misfits}
    assert len(misfits) <= MAX_MISFITS + 1


def test_masses_of_names_cost_little_on_a_large_model() -> None:
    """Names close to the slots of a large model, as many as a header holds, are told apart in little time."""
    large = MetaOracle(LlamaConfig(num_hidden_layers=64))
    names = [f"{PREFIX}model.layers.{n}.self_attn.x_proj.lora_A.weight" for n in range(15_000)]
    tensors = {name: TensorSpec(name, "F32", (4, 8), 0, 128) for name in names}
    found: list[Any] = []
    spent = calls(lambda: found.extend(pair_up(tensors, large.slots, large)))
    assert spent < 1000 * len(names), "each name held against each slot would be many times as many"
    assert (len(found[0]), len(found[1])) == (0, len(names))


def test_a_suggestion_costs_no_more_on_a_model_of_many_layers() -> None:
    """Slots that differ in their layer only are compared once."""
    names = [f"{PREFIX}model.layers.{n}.self_attn.x_proj.lora_A.weight" for n in range(20)]
    tensors = {name: TensorSpec(name, "F32", (4, 8), 0, 128) for name in names}
    spent = []
    for layers in (4, 64):
        oracle = MetaOracle(LlamaConfig(num_hidden_layers=layers))
        spent.append(calls(lambda: pair_up(tensors, oracle.slots, oracle)))  # noqa: B023
    print(spent, "calls for 20 suggestions with 4 and with 64 layers")
    assert spent[1] < 2 * spent[0]


def _names(path: Path, count: int) -> None:
    entries = {f"{n:x}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(count)}
    header = json.dumps(entries, separators=(",", ":")).encode()
    (path / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header)


@pytest.mark.slow
def test_the_work_grows_linearly_and_the_sentence_not_at_all(llama: Base, spoil: Callable[..., Path]) -> None:
    """As many tensors as a header of the largest size can name, each a stranger, beside a quarter of them."""
    spent, said = [], []
    for count in (4_250, 17_000):
        adapter = spoil(lambda path: _names(path, count))  # noqa: B023
        spent.append(calls(lambda: llama.misfits(adapter)))  # noqa: B023
        with pytest.raises(Rejected) as raised:
            llama.admit(adapter)
        said.append(raised.value.summary())
    print(spent, "calls;", [len(sentence) for sentence in said], "characters")
    assert spent[1] < 6 * spent[0]
    assert max(map(len, said)) < 2500
    assert said[1].endswith(
        f"; and {17_001 - said[1].count(': wanted ')} more"
    )  # the strangers, and that nothing is left


def test_a_header_names_at_most_twenty_thousand_tensors(llama: Base, spoil: Callable[..., Path]) -> None:
    adapter = spoil(lambda path: _names(path, 20_000))
    (misfit,) = llama.misfits(adapter)
    assert (misfit.code, len(str(misfit)) < 250) == ("header_too_large", True)


@pytest.mark.parametrize("changes", [{"target_modules": BOMB}, {"exclude_modules": BOMB}], ids=str)
def test_a_pattern_that_is_not_needed_is_not_evaluated(
    llama: Base, spoil: Callable[..., Path], changes: dict[str, Any]
) -> None:
    """The tensors' names say what is targeted, so an expression in its place does no harm."""
    adapter = spoil(edit_config(**changes))
    with unfrozen():
        assert len(llama.admit(adapter).placements) == 4
