"""What a fleet adds, as figures: within each round, so that what else the machine does is on both sides."""

from typing import Any, cast

import pytest

from hotswapd.daemon.bench.measure import fleet
from hotswapd.daemon.bench.samples import Findings


def test_what_the_fleet_adds_is_taken_within_a_round() -> None:
    """The goals are for an ingress and Serve without its proxy, in whose place people have their load balancer."""
    found = Findings()
    firsts = {"alone": [0.020, 0.200, 0.020], "ingress": [0.025, 0.206, 0.035], "fleet": [0.035, 0.216, 0.045]}
    alone = [(100.0, 0.010), (10.0, 0.010), (100.0, 0.010)]
    beside = [(99.0, 0.015), (9.6, 0.015), (90.0, 0.015)]
    fleet.report(found, firsts, {"alone": alone, "fleet": [(one / 2, cpu) for one, cpu in beside], "ingress": beside})
    series = {one.key: one for one in found.series}
    assert series["fleet.first.added.ingress"].samples == pytest.approx((0.005, 0.006, 0.015))
    assert series["fleet.first.added.fleet"].samples == pytest.approx((0.015, 0.016, 0.025))
    assert series["fleet.cpu.ratio.ingress"].samples == pytest.approx((1.5,) * 3)
    assert {goal.key: goal.met for goal in found.goals} == {"fleet.first": True, "fleet.tokens": True}
    assert [goal.value for goal in found.goals] == pytest.approx([0.006, 0.96])


def test_without_ray_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "find_spec", lambda name: None)
    found = fleet.measure(cast("Any", None))
    assert not found.series
    assert "hotswapd[ray]" in found.skipped[0]
