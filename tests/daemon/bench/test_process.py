"""The daemon's way to live, split into its steps."""

import pytest

from hotswapd.daemon.bench.process import STEPS, split


def test_the_way_to_live_is_split_at_the_ledgers_events() -> None:
    """The parts add up to the total, even if a step left no event."""
    events = [
        ("WAITING", 10.5),
        ("SIGHTED", 12.5),
        ("FETCHED", 12.6),
        ("STAGED", 13.0),
        ("VERIFIED", 13.5),
        ("LIVE", 13.6),
    ]
    parts = split(events, 10.0)
    assert parts["settle"] == pytest.approx(2.0)
    assert parts["admit"] == 0.0
    assert parts["route"] == pytest.approx(0.1)
    assert sum(parts[step] for step in STEPS) == pytest.approx(parts["total"]) == pytest.approx(3.6)
