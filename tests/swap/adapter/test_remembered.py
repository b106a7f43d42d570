"""What is remembered of a base answers as the base and PEFT did, or says that it does not know."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kits.adapters import edit_config, make_bad
from kits.contracts import Base

from hotswapd.swap.adapter.admission import Plan, admit
from hotswapd.swap.adapter.config import LoraFields
from hotswapd.swap.adapter.knowledge import Knowledge
from hotswapd.swap.adapter.manifest import read_manifest
from hotswapd.swap.adapter.remembered import MOST_ANSWERS, Recorder, Remembered, Unknown
from hotswapd.swap.errors import Misfit, Rejected

TRAITS: dict[str, dict[str, Any]] = {
    "plain": {},
    "stabilised": {"use_rslora": True, "r": 7, "lora_alpha": 3.5},
    "patterns": {"rank_pattern": {"0.self_attn.q_proj": 4}, "alpha_pattern": {"v_proj": 32, "^model.layers.1": 3}},
    "one layer": {"layers_to_transform": [0, 1]},
    "a pattern of names": {"target_modules": ".*(q_proj|v_proj)"},
}


def outcome(adapter: Path, served: Base, knowledge: Knowledge) -> Plan | tuple[Misfit, ...]:
    try:
        return admit(read_manifest(adapter), served.contract, knowledge)
    except Rejected as error:
        return error.misfits


def from_memory(recorder: Recorder) -> Remembered:
    """Go through JSON, as a file does."""
    return Remembered(json.loads(json.dumps(recorder.facts())))


@pytest.mark.parametrize("trait", TRAITS)
def test_admission_comes_to_the_same(llama: Base, spoil: Callable[..., Path], trait: str) -> None:
    adapter = spoil(edit_config(**TRAITS[trait]))
    recorder = Recorder(llama.oracle)
    asked = outcome(adapter, llama, recorder)
    assert asked == outcome(adapter, llama, llama.oracle) == outcome(adapter, llama, from_memory(recorder))


@pytest.mark.parametrize(
    "fault", ["other_shape", "rank_not_the_tensors", "lm_head", "unknown_module", "half_the_layers"]
)
def test_so_does_a_refusal(llama: Base, good: Path, tmp_path: Path, fault: str) -> None:
    adapter = make_bad(good, tmp_path / "bad", fault)
    recorder = Recorder(llama.oracle)
    asked = outcome(adapter, llama, recorder)
    assert isinstance(asked, tuple)
    assert asked == outcome(adapter, llama, from_memory(recorder))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_other_numbers_need_nobody(request: pytest.FixtureRequest, kind: str) -> None:
    """PEFT's plain rule was checked for this base, so ranks and factors that nobody asked about are known."""
    served: Base = request.getfixturevalue(kind)
    remembered = from_memory(Recorder(served.oracle))
    modules = [slot.module for slot in served.oracle.slots]
    for fields in (LoraFields(r=3, lora_alpha=17.25), LoraFields(r=12, lora_alpha=5, use_rslora=True)):
        assert remembered.meaning(fields, modules) == served.oracle.meaning(fields, modules)


def test_what_nobody_asked_is_unknown(llama: Base) -> None:
    remembered = from_memory(Recorder(llama.oracle))
    asked: list[Callable[[], object]] = [
        lambda: remembered.meaning(LoraFields(rank_pattern={"q_proj": 4}), ["model.layers.0.self_attn.q_proj"]),
        lambda: remembered.meaning(LoraFields(), ["another.module"]),
        lambda: remembered.expected(LoraFields(target_modules=("q_proj",))),
        lambda: remembered.renamed(["base_model.model.x.lora_A.weight"]),
        lambda: remembered.unadaptable(llama.oracle.linear),
    ]
    for question in asked:
        with pytest.raises(Unknown):
            question()


def test_a_rule_that_does_not_hold_is_not_used(llama: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should another version of PEFT count otherwise, every question goes to it."""
    meaning = llama.oracle.meaning
    monkeypatch.setattr(
        llama.oracle, "meaning", lambda fields, modules: dict(list(meaning(fields, modules).items())[1:])
    )
    remembered = from_memory(Recorder(llama.oracle))
    with pytest.raises(Unknown):
        remembered.meaning(LoraFields(), ["model.layers.0.self_attn.q_proj"])


def test_memory_is_bounded_and_keeps_the_newest(llama: Base) -> None:
    recorder = Recorder(llama.oracle)
    for number in range(MOST_ANSWERS + 1):
        recorder.expected(LoraFields(target_modules=(f"x{number}",)))
    later = Recorder(llama.oracle, recorder.facts()["answers"])
    later.expected(LoraFields(target_modules=("x1",)))
    remembered = from_memory(later)
    assert remembered.expected(LoraFields(target_modules=("x1",))) == frozenset()
    with pytest.raises(Unknown):
        remembered.expected(LoraFields(target_modules=("x0",)))
