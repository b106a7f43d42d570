"""The metrics: the documented names, and labels that do not grow for ever."""

from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.ledger.rows import Find
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.report.swaps import Reporter
from hotswapd.swap.lanes.tickets import LaneStatus


def samples(metrics: Metrics) -> dict[str, list]:
    families = text_string_to_metric_families(metrics.text().decode())
    found: dict[str, list] = {}
    for sample in (sample for family in families for sample in family.samples):
        found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_every_documented_name_is_there():
    metrics = Metrics()
    metrics.swap("LIVE", "a", {"fetch": 1.5, "verify": None, "pause": 0.002})
    metrics.live(3, "file:///a", "ab")
    metrics.queue(2)
    metrics.source("a", True, datetime(2026, 1, 1, tzinfo=UTC))
    metrics.recompiled()
    metrics.request(200, 3, 7)
    found = samples(metrics)
    assert ({"outcome": "LIVE", "source": "a"}, 1.0) in found["hotswapd_swaps_total"]
    assert found["hotswapd_swap_seconds_sum"] == [({"stage": "fetch"}, 1.5)]
    assert found["hotswapd_pause_seconds_sum"] == [({}, 0.002)]
    assert found["hotswapd_live_generation"] == [({}, 3.0)]
    assert found["hotswapd_live_info"] == [({"uri": "file:///a", "digest": "ab"}, 1.0)]
    assert found["hotswapd_queue_depth"] == [({}, 2.0)]
    assert found["hotswapd_source_up"] == [({"source": "a"}, 1.0)]
    assert found["hotswapd_source_last_scan_timestamp_seconds"] == [({"source": "a"}, 1767225600.0)]
    assert found["hotswapd_recompiles_total"] == [({}, 1.0)]
    assert found["hotswapd_requests_total"] == [({"code": "200", "generation": "3"}, 1.0)]
    assert found["hotswapd_tokens_total"] == [({"generation": "3"}, 7.0)]


def test_only_what_is_live_now_is_shown_as_live():
    metrics = Metrics()
    metrics.live(1, "file:///a", "aa")
    metrics.live(2, "file:///b", "bb")
    assert samples(metrics)["hotswapd_live_info"] == [({"uri": "file:///b", "digest": "bb"}, 1.0)]


def test_the_series_of_old_generations_go():
    metrics = Metrics()
    for generation in range(100):
        metrics.request(200, generation, 1)
        metrics.request(500, generation)
    metrics.request(400)
    found = samples(metrics)
    kept = {labels["generation"] for labels, _ in found["hotswapd_tokens_total"]}
    assert kept == {str(generation) for generation in range(92, 100)}
    assert {labels["generation"] for labels, _ in found["hotswapd_requests_total"]} == kept | {""}


def test_a_refusal_is_an_increase_from_the_first_one_on():
    """Prometheus sees no increase in a series that begins with 1, so what is alerted on begins with 0."""
    metrics = Metrics()
    metrics.source("a", True)
    metrics.swap("REJECTED", "a", {})
    counts = {labels["outcome"]: value for labels, value in samples(metrics)["hotswapd_swaps_total"]}
    assert counts == {"LIVE": 0.0, "QUARANTINED": 0.0, "REJECTED": 1.0, "ROLLED_BACK": 0.0}


def test_requests_in_lanes_are_those_of_this_very_moment():
    """Two lanes of one generation are added up, and a generation that has left its lane is gone at once."""
    metrics = Metrics()
    lanes = [LaneStatus(3, active=2, waiting=1), LaneStatus(3, active=1, waiting=0), LaneStatus(2, active=1, waiting=0)]
    metrics.lanes = lambda: lanes
    found = {tuple(labels.values()): value for labels, value in samples(metrics)["hotswapd_lane_requests"]}
    assert found == {("3", "active"): 3.0, ("3", "waiting"): 1.0, ("2", "active"): 1.0, ("2", "waiting"): 0.0}
    lanes.pop()
    assert {labels["generation"] for labels, _ in samples(metrics)["hotswapd_lane_requests"]} == {"3"}


def test_a_generation_that_holds_no_lane_is_shown_once_more_and_goes():
    """Its last counts are seen by the next scrape, and no later one has a series of it."""
    metrics = Metrics()
    lanes = [LaneStatus(2, active=1, waiting=0), LaneStatus(3, active=1, waiting=0)]
    metrics.lanes = lambda: lanes
    for generation in (2, 3):
        metrics.request(200, generation, 5)
    lanes.pop(0)
    metrics.request(500, 2, 1)
    last = samples(metrics)
    assert ({"code": "500", "generation": "2"}, 1.0) in last["hotswapd_requests_total"]
    for name in ("hotswapd_requests_total", "hotswapd_tokens_total"):
        assert {labels["generation"] for labels, _ in samples(metrics)[name]} == {"3"}


def test_taking_back_what_was_live_is_not_timed_twice(tmp_path):
    """Its stages were observed when it went live; the row that says ROLLED_BACK still has them."""
    metrics = Metrics()
    ledger = Ledger(tmp_path / "ledger.sqlite", Reporter(metrics))
    (row,) = ledger.add([Find("a", "file:///a", "r", 0.0, State.VERIFIED)], seconds={"fetch": 1.5})
    row = ledger.move(row, State.LIVE, generation=1)
    ledger.move(row, State.ROLLED_BACK, "operator")
    ledger.close()
    found = samples(metrics)
    assert ({"stage": "fetch"}, 1.0) in found["hotswapd_swap_seconds_count"]
    assert {labels["outcome"] for labels, _ in found["hotswapd_swaps_total"]} == {"LIVE", "ROLLED_BACK"}


def test_two_daemons_in_one_process_do_not_share_numbers():
    one, other = Metrics(), Metrics()
    one.queue(5)
    assert samples(other)["hotswapd_queue_depth"] == [({}, 0.0)]
