"""Architectures through an engine: their answers are those of a fresh PEFT load, one generation after the other."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.adapters import greedy, make_adapter, oracle_model
from kits.models import tiny
from kits.residents import MAX_RANK, PROMPTS, stage

from hotswapd.swap.codes import TensorCode
from hotswapd.swap.engine import Engine
from hotswapd.swap.errors import NoSlots, Rejected
from hotswapd.swap.resident.resident import Resident
from hotswapd.swap.resident.spec import ResidentSpec
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.spec import EngineSpec

TOKENS = 12
LIMIT = 60.0


@pytest.fixture(params=["gpt2", "gemma3", "mixtral"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, Engine]]:
    base = tiny(request.param, tmp_path / "base")
    resident = Resident.open(ResidentSpec(str(base), max_rank=MAX_RANK, berths=2))
    engine = Engine(resident, EngineSpec(context_tokens=128, batch_tokens=64, max_queue=16))
    engine.open()
    yield base, engine
    engine.close(1.0)
    resident.close()


def _truth(base: Path, adapter: Path | None) -> list[tuple[int, ...]]:
    model = oracle_model(base, adapter)
    return [tuple(greedy(model, prompt, TOKENS)) for prompt in PROMPTS]


def _said(engine: Engine) -> list[tuple[int, ...]]:
    return [engine.complete(Ask(tuple(prompt), TOKENS), timeout=LIMIT).token_ids for prompt in PROMPTS]


def test_an_engine_answers_with_each_architecture(served: tuple[Path, Engine], tmp_path: Path) -> None:
    """The base, an adapter on every slot, another on a few of one layer, and the first again, to a text's end."""
    base, engine = served
    resident = engine.resident
    names = list(dict.fromkeys(slot.module.rpartition(".")[2] for slot in resident.contract.slots))
    first = make_adapter(base, tmp_path / "first", seed=1, targets=names, use_rslora=True, rank=7)
    second = make_adapter(base, tmp_path / "second", seed=2, targets=names[:1], layers_to_transform=[1], alpha=30)
    assert _said(engine) == _truth(base, None)
    for number, adapter in enumerate((first, second, first), start=1):
        image = stage(resident, adapter)
        engine.route(image, number)
        resident.drop(image)
        assert _said(engine) == _truth(base, adapter)
    assert resident.recompiles == 0


@pytest.mark.parametrize("kind", ["mixtral", "qwen3_moe"])
def test_expert_tensors_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    """PEFT can train fused experts; such an adapter is told so, tensor by tensor, and the attention alone is taken."""
    base = tiny(kind, tmp_path / "base")
    experts = make_adapter(
        base, tmp_path / "experts", targets=["q_proj"], target_parameters=["mlp.experts.gate_up_proj"]
    )
    attention = make_adapter(base, tmp_path / "attention", targets=["q_proj", "o_proj"])
    resident = Resident.open(ResidentSpec(str(base), max_rank=MAX_RANK))
    try:
        with pytest.raises(Rejected) as caught:
            resident.admit(experts)
        codes = [misfit.code for misfit in caught.value.misfits]
        assert codes.count(TensorCode.EXPERT_TENSORS) == 4
        assert "target_parameters" in codes
        assert len(resident.admit(attention).placements) == 4
    finally:
        resident.close()


def test_experts_alone_are_no_slots(tmp_path: Path) -> None:
    """A resident that is asked for slots on fused experts only has none, and says which setting to look at."""
    base = tiny("mixtral", tmp_path / "base")
    with pytest.raises(NoSlots, match=r"model\.target_modules"):
        Resident.open(ResidentSpec(str(base), target_modules=("experts", "gate_up_proj")))
