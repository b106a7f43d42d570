"""Two hundred swaps on the compiled model: each answer is a fresh PEFT load's, and nothing compiles again."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from kits.adapters import greedy, oracle_model
from kits.contracts import Base
from kits.residents import MAX_RANK, PROMPTS, stage
from kits.rows import compile_afresh

from hotswapd.swap.engine import Engine
from hotswapd.swap.resident.base import ResidentSpec
from hotswapd.swap.resident.resident import Resident
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.sizes import EngineSpec

SWAPS = 200
TOKENS = 8
LIMIT = 120.0
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
MIX: dict[str, dict[str, Any]] = {
    "rank 1": {"rank": 1, "alpha": 3, "targets": ["q_proj"]},
    "rank 4": {"rank": 4, "alpha": 8, "targets": ["q_proj", "v_proj"]},
    "rank 8, everything": {"rank": 8, "alpha": 4, "targets": ALL},
    "the highest rank": {"rank": MAX_RANK, "alpha": 32, "targets": ALL},
    "rank-stabilised": {"rank": 9, "alpha": 5, "use_rslora": True, "targets": ["up_proj", "down_proj"]},
    "dropout": {"rank": 2, "alpha": 9, "lora_dropout": 0.5, "targets": ["o_proj", "k_proj"]},
    "ranks by name": {"rank": 3, "rank_pattern": {"q_proj": 16, "1.mlp.up_proj": 1}, "targets": ALL},
    "alphas by name": {"rank": 6, "alpha_pattern": {"v_proj": 1, "layers.0.self_attn.q_proj": 40}, "targets": ALL},
    "both, rank-stabilised": {
        "use_rslora": True,
        "rank_pattern": {"k_proj": 12},
        "alpha_pattern": {"k_proj": 2, "down_proj": 7},
        "targets": ALL,
    },
    "one layer": {"layers_to_transform": [1], "targets": ALL},
    "from float16": {"dtype": torch.float16, "rank": 5, "targets": ALL},
    "from bfloat16": {"dtype": torch.bfloat16, "rank": 7, "alpha": 1, "targets": ["q_proj", "down_proj"]},
}


@pytest.fixture(scope="module")
def compiled(llama: Base) -> Iterator[Engine]:
    compile_afresh()
    resident = Resident.open(ResidentSpec(str(llama.base), max_rank=MAX_RANK, berths=4))
    engine = Engine(resident, EngineSpec(context_tokens=64, batch_tokens=32, max_queue=8, max_requests=1, compile=True))
    engine.open()
    yield engine
    engine.close(1.0)
    resident.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_hundred_swaps_compile_nothing(llama: Base, compiled: Engine) -> None:
    """A random mix of ranks, alphas, patterns, subsets and dtypes: the same tokens, and 0 compilations."""
    adapters = {
        name: llama.make(f"compiled {name}", seed=at, **fields) for at, (name, fields) in enumerate(MIX.items())
    }
    truths = {}
    for name, adapter in adapters.items():
        model = oracle_model(llama.base, adapter)
        truths[name] = [tuple(greedy(model, prompt, TOKENS)) for prompt in PROMPTS]
    resident = compiled.resident
    choose = random.Random(20261125)
    order = [*MIX, *(choose.choice(list(MIX)) for _ in range(SWAPS - len(MIX)))]
    for number, name in enumerate(order, start=1):
        image = stage(resident, adapters[name])
        compiled.route(image, number)
        resident.drop(image)
        prompt = number % len(PROMPTS)
        said = compiled.complete(Ask(tuple(PROMPTS[prompt]), TOKENS), timeout=LIMIT)
        assert (said.generation, said.token_ids) == (number, truths[name][prompt]), name
    assert compiled.compiled
    assert resident.recompiles == 0
    assert resident.compilations.count > 0
