"""Compiling: done before the first request, never given up on in silence, and kept for the next start."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kits.rows import SHORT_ASK, adapter, bench, home, reference

from hotswapd.swap import engine as engine_module
from hotswapd.swap.engine import Engine
from hotswapd.swap.errors import StartError
from hotswapd.swap.rows import lane
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.sizes import EngineSpec
from hotswapd.swap.resident.compilation import fail_at_limit

pytestmark = pytest.mark.slow

SIZES = {"lanes": 2, "context_tokens": 128, "batch_tokens": 128}

START = """
import json, sys, time
from pathlib import Path
from hotswapd.daemon.service.state_dir import prepare_caches
prepare_caches(Path(sys.argv[1]))
from torch._dynamo.utils import counters
from hotswapd.swap.resident.base import ResidentSpec
from hotswapd.swap.engine import Engine
from hotswapd.swap.rows.asks import Ask
from hotswapd.swap.rows.sizes import EngineSpec
from hotswapd.swap.resident.resident import Resident
resident = Resident.open(ResidentSpec(sys.argv[2], max_rank=16, images=4))
engine = Engine(resident, EngineSpec(compile=True, **json.loads(sys.argv[4])))
told, began = [], time.perf_counter()
engine.open(told.append)
seconds = time.perf_counter() - began
resident.swap(Path(sys.argv[3]), generation=1, seat=engine.lanes.go_live)
answer = engine.complete(Ask((5, 6, 7), 8))
cache = dict(counters["inductor"])
engine.close(1.0)
print(json.dumps({"hits": cache.get("fxgraph_cache_hit", 0), "misses": cache.get("fxgraph_cache_miss", 0),
                  "tokens": answer.token_ids, "told": told, "seconds": seconds, "recompiles": resident.recompiles}))
"""


def start(state: Path) -> dict[str, Any]:
    """Start a compiled engine in a process of its own, with the caches in this state directory."""
    command = [sys.executable, "-c", START, str(state), str(home() / "base"), str(adapter(1)), json.dumps(SIZES)]
    caches = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "CACHE_DIRECTORY")
    environment = {name: value for name, value in os.environ.items() if name not in caches}
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=280, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def test_a_second_start_finds_everything_compiled(tmp_path: Path) -> None:
    """The first start fills the cache in the state directory, the second one compiles nothing anew from it."""
    first, second = start(tmp_path), start(tmp_path)
    print(f"first start {first['seconds']:.1f} s, second {second['seconds']:.1f} s; {first} {second}")
    assert first["misses"] > 0
    assert any((tmp_path / "cache" / "inductor").iterdir())
    assert second["hits"] > 0
    assert second["misses"] == 0
    assert first["tokens"] == second["tokens"]
    assert first["recompiles"] == second["recompiles"] == 0
    assert any("compilations" in sentence and "so far" in sentence for sentence in first["told"])


def test_the_recompile_limit_is_a_failed_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torch would go on uncompiled with no more than a warning, the start fails, and no thread is left."""
    from torch._dynamo import config

    def with_a_low_limit(fail: bool) -> None:
        config.recompile_limit = 1  # thread-local, so this is the lane's alone
        fail_at_limit(fail)

    monkeypatch.setattr(lane, "fail_at_limit", with_a_low_limit)
    with bench(compile=False, **SIZES) as made:
        engine = Engine(made.resident, EngineSpec(compile=True, **SIZES))
        with pytest.raises(StartError, match=r"recompile limit.*model\.compile = false"):
            engine.open()
        assert not any(seat.lane._loop.is_running() for seat in engine.lanes._seats)


def test_a_model_that_auto_cannot_compile_is_served_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers rightly, says so once, and a swap is as ever; the lanes that failed are gone."""
    from torch._dynamo import config

    def with_a_low_limit(fail: bool) -> None:
        config.recompile_limit = 1
        fail_at_limit(fail)

    monkeypatch.setattr(lane, "fail_at_limit", with_a_low_limit)
    monkeypatch.setattr(engine_module, "COMPILED", {"cpu"})
    told: list[str] = []
    with bench(compile=False, **SIZES) as made:
        engine = Engine(made.resident, EngineSpec(compile="auto", **SIZES))
        compiled, before = engine.lanes, engine.compiled
        engine.open(told.append)
        try:
            assert (before, engine.compiled) == (True, False)
            assert not any(seat.lane._loop.is_running() for seat in compiled._seats)
            assert engine.complete(Ask(SHORT_ASK, 6)).token_ids == reference(None, SHORT_ASK, 6)
            made.resident.swap(adapter(1), generation=1, seat=engine.lanes.go_live)
            assert engine.complete(Ask(SHORT_ASK, 6)).token_ids == reference(1, SHORT_ASK, 6)
        finally:
            engine.close(1.0)
    assert sum("recompile limit" in sentence and "cannot be compiled" in sentence for sentence in told) == 1


def test_auto_compiles_on_a_gpu_only() -> None:
    """On a CPU eager is what measured best, and nothing is compiled then."""
    with bench(compile="auto", **SIZES) as made:
        assert made.engine.compiled is (made.resident.device.type == "cuda")
        assert made.engine.compiled or made.resident.compilations.count == 0


def test_swaps_on_the_compiled_model_compile_nothing() -> None:
    """After the warm-up, answers in all lane threads with swaps between them cause no compilation."""
    with bench(compile=True) as made:
        assert made.engine.compiled
        warm = made.resident.compilations.count
        assert warm > 0
        for index in (0, 1, 2, 3, 1, 0):
            made.swap(index)
            asked = [made.ask(SHORT_ASK * n, tokens=6) for n in (1, 5, 30)]
            assert all(made.right(*one, SHORT_ASK * n, 6) for one, n in zip(asked, (1, 5, 30), strict=True))
        image = made.resident.stage(made.resident.admit(adapter(2)))
        image.generation, made.made[99] = 99, 2
        made.lanes.go_beside(image)  # from here on each token's log-probability is computed too
        both = [made.ask(SHORT_ASK, 6, generation) for generation in (None, 99)]
        assert all(made.right(*one, SHORT_ASK, 6) for one in both)
        made.lanes.leave_beside()
        assert made.resident.recompiles == 0
