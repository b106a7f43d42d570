"""A soak, short here and long in `make soak`: every answer is right, every adapter has its end, nothing grows."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.room import Room
from runs.soak import MEGABYTE, Plan, Soak, Soaked, settled
from runs.soak_plot import draw
from runs.soak_stock import CHANNELS, TRIED
from runs.soak_watch import Sample, growth, slope

SECONDS = float(os.environ.get("HOTSWAPD_TEST_SOAK_SECONDS", "20"))


@pytest.fixture
def room(room: Room) -> Iterator[Room]:
    with settled(room):
        room.ready()
        yield room


def holds(soaked: Soaked) -> None:
    """Check what must hold whatever the machine and however long."""
    assert soaked.faults() == []
    assert soaked.tally.answered + soaked.tally.not_served == soaked.tally.sent
    assert all(drop.row for drop in soaked.drops), "a drop has no end"
    assert sum(drop.went_live for drop in soaked.drops if drop.index is None) == 0
    assert soaked.growing() == []


def test_swaps_under_load_fail_mix_and_lose_nothing(room: Room, tmp_path: Path) -> None:
    """Requests and adapters, good and bad, at random times in three channels: each answer is its generation's own.

    Some ask for a generation by number, or for the canary of the channel that tries its adapters first.
    """
    soaked = Soak(room, Plan(SECONDS, drop_every=0.4, rate=8.0, seed=int(SECONDS), sample_every=0.5)).run()
    holds(soaked)
    assert soaked.tally.answered > 0
    assert len(soaked.tally.digest_of) > 1
    assert soaked.tally.most_at_once() > 1
    asked = soaked.tally.asked_for
    assert all(asked[f"{channel}, live"] for channel in CHANNELS)
    assert any(asked[f"{channel}, by number"] for channel in CHANNELS)
    assert any(drop.went_live for drop in soaked.drops if drop.channel == TRIED), "no canary was promoted"
    record = soaked.record()
    draw(record, tmp_path / "soak.svg")
    assert "<svg" in (tmp_path / "soak.svg").read_text()
    assert json.loads(json.dumps(record))["failed"] == []
    print({name: record[name] for name in ("requests", "asked_for", "not_served", "swaps", "drops", "ends", "latency")})


def test_swaps_one_after_the_other_leave_nothing_behind(room: Room) -> None:
    """As fast as they go live, under load: each good one goes live, each bad one ends as it must, nothing grows."""
    soaked = Soak(room, Plan(SECONDS, drop_every=0.0, rate=4.0, seed=7, sample_every=0.5, channels=CHANNELS[:1])).run()
    holds(soaked)
    assert all(drop.went_live for drop in soaked.drops if drop.index is not None)
    assert soaked.swaps > 1
    steady = soaked.samples[len(soaked.samples) // 2 :]
    assert steady[-1].anonymous - steady[0].anonymous < 32 * MEGABYTE


def test_what_grows_is_seen() -> None:
    """A leak of a megabyte a minute is sixty an hour, whatever the warm-up did before it."""

    def at(minute: int) -> Sample:
        memory = int(MEGABYTE) * (400 + minute if minute > 9 else 40 * minute)
        return Sample(60.0 * minute, memory, memory, memory, 14, 9, 8, 10 * minute, 100 * minute)

    grown = growth([at(minute) for minute in range(31)])
    assert grown["rss_bytes_per_hour"] == pytest.approx(60 * MEGABYTE)
    assert grown["rss_bytes_per_swap"] == pytest.approx(0.1 * MEGABYTE)
    assert (grown["threads"], grown["files"]) == (0, 0)
    assert slope([(0.0, 1.0), (1.0, 3.0)]) == pytest.approx(2.0)
