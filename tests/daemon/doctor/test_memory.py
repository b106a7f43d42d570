"""Memory: what the base, the berths and the cache need, from shapes alone, against what is free."""

from pathlib import Path
from typing import Any

import pytest
import torch
from kits.doctors import only, settings
from kits.models import tiny
from safetensors import safe_open

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.specs import resident_spec
from hotswapd.daemon.doctor import memory
from hotswapd.daemon.doctor.memory import Need, check_memory, free_bytes, judge, needed
from hotswapd.swap.resident.base import base_config
from hotswapd.swap.resident.resident import Resident

GIB = 2**30
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny("llama", tmp_path_factory.mktemp("doctor") / "base")


def of(base: Path, **tables: Any) -> Settings:
    model = {"base": str(base), "device": "cpu", "max_rank": 8, **tables.pop("model", {})}
    return settings(model=model, **tables)


def test_what_is_needed_is_what_the_resident_takes(base: Path) -> None:
    """Weights as they lie in the file, and every berth."""
    need = needed(of(base), base_config(str(base)), torch.float32, CPU)
    with safe_open(base / "model.safetensors", "pt") as file:
        assert need.weights == sum(file.get_tensor(name).nbytes for name in file.keys())  # noqa: SIM118 - no mapping
    resident = Resident.open(resident_spec(of(base)))
    try:
        assert need.berths == resident.berths.memory.nbytes
    finally:
        resident.close()


def test_half_precision_and_berths_count(base: Path) -> None:
    """There is one cache for all berths, and a berth on a CPU is in float32 whatever the base is in."""
    config = base_config(str(base))
    one, half = (needed(of(base), config, dtype, CPU) for dtype in (torch.float32, torch.bfloat16))
    assert (one.weights, one.cache, one.berths) == (2 * half.weights, 2 * half.cache, half.berths)
    more = needed(of(base, serve={"berths": 8}), config, torch.float32, CPU)
    assert (more.cache, more.berths) == (one.cache, 2 * one.berths)
    set_cache = needed(of(base, serve={"cache_tokens": 100}), config, torch.float32, CPU)
    assert set_cache.cache == 100 * 2 * 2 * 2 * 12 * 4


def test_a_berth_on_a_gpu_has_the_dtype_of_the_base(base: Path) -> None:
    cuda, config = torch.device("cuda"), base_config(str(base))
    one, half = (needed(of(base), config, dtype, cuda).berths for dtype in (torch.float32, torch.bfloat16))
    assert half < 0.6 * one


def test_it_fits_or_it_does_not() -> None:
    need = Need(6 * GIB, GIB, GIB)
    assert "8.0 GiB of 16.0 GiB that are free (base 6.0 GiB, berths 1.0 GiB, cache 1.0 GiB)" in (
        only([judge(need, 16 * GIB)], "fine").sentence
    )
    only([judge(need, 9 * GIB)], "note")
    only([judge(need, 8 * GIB - 1)], "fails")


def test_what_is_needed_may_be_all_that_is_allowed() -> None:
    """To the byte, for both limits."""
    exact = Need(8_000, 0, 0)
    assert exact.total == 10_000 * 0.8
    only([judge(exact, 10_000)], "fine")
    only([judge(exact, 10_000 - 1)], "note")
    only([judge(exact, 8_000)], "note")
    only([judge(exact, 8_000 - 1)], "fails")


def test_a_base_that_can_be_read_is_named(base: Path) -> None:
    named, fits = check_memory(of(base))
    assert (named.check, named.outcome, fits.check, fits.outcome) == ("base", "fine", "memory", "fine")


@pytest.mark.parametrize(
    ("model", "said"),
    [({"base": "/nowhere/at/all"}, "cannot be read"), ({"target_modules": ["none_such"]}, "no module of")],
)
def test_a_base_that_cannot_be_served_fails(base: Path, model: dict[str, Any], said: str) -> None:
    assert said in only(check_memory(of(base, model=model)), "fails").sentence


def test_a_base_that_is_no_language_model_fails(base: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    assert "cannot be built" in only(check_memory(of(tmp_path)), "fails").sentence


def test_without_a_configuration_what_is_free_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert free_bytes(torch.device("cpu")) > 0
    monkeypatch.setattr(memory, "free_bytes", lambda _: 3 * GIB)
    assert only(check_memory(None), "fine").sentence == "3.0 GiB are free"
