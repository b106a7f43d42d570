"""Many channels, measured in the shortest form; what is fast on which machine is never asserted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotswapd.daemon.bench.channels.traffic import Trace
from hotswapd.daemon.bench.command import bench
from hotswapd.daemon.bench.presets import TINY
from hotswapd.daemon.bench.render import tables

CHANNELS = 20
_SHORT = replace(TINY, ranks=(4,), rounds=1, prompt=5, tokens=3, channels=CHANNELS)
_WAYS = ("few", "store", "resident", "peft_disk", "peft_memory")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Measure once, on a base with random weights."""
    room: Path = tmp_path_factory.mktemp("bench")
    *_, found = bench(_SHORT, None, ("channels", "retraining"), room)
    assert found["failed"] == []
    return found


@pytest.mark.slow
def test_every_way_answers_the_same_requests_alike(result: dict[str, Any]) -> None:
    """Each is timed, and every answer is PEFT's."""
    found = {one["key"]: one for one in result["series"]}
    for way in _WAYS:
        assert found[f"channels.zipf.{way}.requests"]["median"] > 0
        assert min(found[f"channels.zipf.{way}.first"]["samples"]) > 0
        assert 0 <= found[f"channels.zipf.{way}.hits"]["median"] <= 1
    assert found["channels.zipf.exact"]["samples"] == [1.0]
    assert found["channels.zipf.resident.hits"]["median"] == 1.0
    held = {way: found[f"channels.zipf.{way}.held"]["median"] for way in _WAYS}
    assert held["peft_disk"] < held["store"] < held["few"]


@pytest.mark.slow
def test_a_batch_of_sixteen_channels_has_its_goal(result: dict[str, Any]) -> None:
    """Of CPU time, as where generations are mixed."""
    found = {one["key"]: one["median"] for one in result["series"]}
    (goal,) = (one for one in result["goals"] if ".batch." in one["key"])
    ways = [found[f"channels.float32.batch.{name}.cpu"] for name in ("sixteen", "one")]
    assert (goal["value"], goal["limit"]) == (pytest.approx(ways[0] / ways[1]), 0.8)
    assert "**Many channels**" in tables(result)


@pytest.mark.slow
def test_every_channel_is_retrained(result: dict[str, Any]) -> None:
    """Both adapters of each went live, the second in place of the first."""
    found = {one["key"]: one for one in result["series"]}
    assert found["channels.night.candidates"]["median"] > 0
    assert found["channels.night.candidates"]["facts"]["states"] == {"LIVE": CHANNELS, "RETIRED": CHANNELS}
    assert found["channels.night.verify"]["n"] == 2 * CHANNELS


def test_a_channel_is_asked_for_as_often_as_its_rank_says() -> None:
    """The second half as often as the first, and the same requests in each run."""
    pieces = [Trace(100, 512, 4).piece(5000) for _ in range(2)]
    assert pieces[0] == pieces[1]
    counts = sorted((sum(one.channel == channel for one in pieces[0]) for channel in range(1, 101)), reverse=True)
    assert counts[0] == pytest.approx(5000 / 5.187, rel=0.1)
    assert counts[0] == pytest.approx(2 * counts[1], rel=0.25)
