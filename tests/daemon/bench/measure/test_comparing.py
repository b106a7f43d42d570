"""A/B in one model, swapping before each call, and two models: each really answers, and what it says is checked."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotswapd.daemon.bench.command import bench
from hotswapd.daemon.bench.measure.comparing import WHAT
from hotswapd.daemon.bench.presets import TINY
from hotswapd.daemon.bench.render import tables

pytestmark = pytest.mark.slow

CLIENTS = 3


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Measure each way once, in its shortest form."""
    room: Path = tmp_path_factory.mktemp("bench")
    (found,) = bench(replace(TINY, windows=1, window=0.1, clients=CLIENTS), None, ("comparing",), room)
    assert found["failed"] == []
    return found


def _series(result: dict[str, Any]) -> dict[str, Any]:
    return {one["key"]: one for one in result["series"]}


def test_each_way_answers_as_a_fresh_peft_load(result: dict[str, Any]) -> None:
    """Every client asked at least once, and the adapters' answers can be told apart."""
    found = _series(result)
    for name in WHAT:
        assert found[f"ab.{name}.requests"]["facts"]["answers"] >= CLIENTS
        assert found[f"ab.{name}.exact"]["samples"] == [1.0]
        facts = found[f"ab.{name}.exact"]["facts"]
        assert facts["prompts_that_tell_them_apart"] == facts["prompts"] > 0


def test_one_model_costs_berths_and_two_cost_a_model(result: dict[str, Any]) -> None:
    """Counted by what is allocated, so that no other process moves it."""
    weights = {name: _series(result)[f"ab.{name}.weights"]["median"] for name in WHAT}
    assert weights["swap_each_call"] < weights["one_model"] < weights["two_models"]
    caches = [_series(result)[f"ab.{name}.cache"]["median"] for name in ("one_model", "two_models")]
    assert 2 * caches[0] == caches[1] > 0


def test_the_ratios_are_there_and_the_page_has_them(result: dict[str, Any]) -> None:
    """Under a heading of their own."""
    found = _series(result)
    for name in ("swap_each_call", "two_models"):
        ours, theirs = (found[f"ab.{one}.requests"]["samples"][0] for one in ("one_model", name))
        assert found[f"ab.one_model.requests/ab.{name}.requests"]["samples"][0] == pytest.approx(ours / theirs)
    assert "**A/B**" in tables(result)
