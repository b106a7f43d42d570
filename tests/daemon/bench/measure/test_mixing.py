"""Several generations in one batch, measured in the shortest form; what is fast on which machine is never asserted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hotswapd.daemon.bench.command import bench
from hotswapd.daemon.bench.mixing.routing import Counted
from hotswapd.daemon.bench.presets import TINY
from hotswapd.daemon.bench.render import tables

pytestmark = pytest.mark.slow

SWAPS = 3
_SHORT = replace(TINY, ranks=(4, 16), rounds=1, prompt=45, tokens=3, swaps=SWAPS)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Measure once, on a base with random weights."""
    room: Path = tmp_path_factory.mktemp("bench")
    (found,) = bench(_SHORT, None, ("mixing",), room)
    assert found["failed"] == []
    return found


def _medians(result: dict[str, Any]) -> dict[str, float]:
    return {one["key"]: one["median"] for one in result["series"]}


def test_every_way_gave_tokens_in_both_dtypes(result: dict[str, Any]) -> None:
    """By CPU time and by the clock."""
    found = _medians(result)
    ways = ["generations.one", "generations.two", "generations.four", "slots.none", "slots.base", "slots.all_linear"]
    ways += [f"loop{clients}.{way}" for clients in (1, 4, 16) for way in ("plain", "base", "adapter")]
    for dtype in ("float32", "bfloat16"):
        assert all(found[f"mixing.{dtype}.{way}.{unit}"] > 0 for way in ways for unit in ("cpu", "wall"))


def test_ratios_are_by_cpu_time_and_the_goals_are_theirs(result: dict[str, Any]) -> None:
    """What else the machine does is in the clock's figures only."""
    found = _medians(result)
    goals = {goal["key"]: goal for goal in result["goals"]}
    two, one = (found[f"mixing.float32.generations.{name}.cpu"] for name in ("two", "one"))
    assert goals["mixing.float32.generations.two"]["value"] == pytest.approx(two / one)
    assert (goals["mixing.float32.generations.two"]["limit"], goals["mixing.bfloat16.loop16.adapter"]["limit"]) == (
        0.95,
        0.65,
    )


def test_swaps_fail_and_mix_nothing(result: dict[str, Any]) -> None:
    """Each answer is that of a fresh PEFT load of its own generation."""
    found = {one["key"]: one for one in result["series"]}
    for name in ("failed", "mixed", "recompiled"):
        assert found[f"mixing.swaps.{name}"]["samples"] == [0.0], found["mixing.swaps.failed"]["facts"]
    facts = found["mixing.swaps.swap"]["facts"]
    assert (facts["swaps"], facts["first_failure"]) == (SWAPS, "")
    assert facts["answers"] > 0


def test_going_live_copies_nothing(result: dict[str, Any]) -> None:
    """And each change was timed."""
    found = {one["key"]: one for one in result["series"]}
    assert found["mixing.route.copied"]["samples"] == [0.0]
    assert found["mixing.route.live"]["n"] == found["mixing.route.rollback"]["n"] > 0


def test_copied_bytes_are_counted() -> None:
    """Also those of a copy into what is there: the count of 0 could be another one."""
    here, there = torch.ones(8), torch.zeros(8)
    with Counted() as counted:
        there.copy_(here)
    assert counted.bytes == 32


def test_one_cache_holds_what_two_halves_cannot(result: dict[str, Any]) -> None:
    """Filled to the last request that fits."""
    found = _medians(result)
    assert found["mixing.cache.one"] == 2 * found["mixing.cache.half"] > 0


def test_the_page_has_a_table_of_them(result: dict[str, Any]) -> None:
    """Under a heading of their own."""
    assert "**Several generations in one batch**" in tables(result)
