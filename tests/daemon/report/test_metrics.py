"""The metrics: the documented names, and labels that do not grow for ever."""

from datetime import UTC, datetime

from kits.exposition import ROLLOUT, Held, samples

from hotswapd.daemon.report.metrics import Metrics


def test_every_documented_name_is_there() -> None:
    metrics = Metrics()
    metrics.swap("LIVE", "a", {"fetch": 1.5, "verify": None, "pause": 0.002})
    metrics.live(3, "file:///a", "ab")
    metrics.queue(2)
    metrics.source("a", True, datetime(2026, 1, 1, tzinfo=UTC))
    metrics.recompiled()
    metrics.request(200, 3, 7)
    found = samples(metrics)
    assert ({"outcome": "LIVE", "source": "a", "channel": "default"}, 1.0) in found["hotswapd_swaps_total"]
    assert found["hotswapd_swap_seconds_sum"] == [({"stage": "fetch"}, 1.5)]
    assert found["hotswapd_pause_seconds_sum"] == [({}, 0.002)]
    assert found["hotswapd_live_generation"] == [({"channel": "default"}, 3.0)]
    assert found["hotswapd_live_info"] == [({"channel": "default", "uri": "file:///a", "digest": "ab"}, 1.0)]
    assert found["hotswapd_queue_depth"] == [({}, 2.0)]
    assert found["hotswapd_source_up"] == [({"source": "a"}, 1.0)]
    assert found["hotswapd_source_last_scan_timestamp_seconds"] == [({"source": "a"}, 1767225600.0)]
    assert found["hotswapd_recompiles_total"] == [({}, 1.0)]
    assert found["hotswapd_requests_total"] == [({"code": "200", "generation": "3"}, 1.0)]
    assert found["hotswapd_tokens_total"] == [({"generation": "3"}, 7.0)]


def test_only_what_is_live_now_is_shown_as_live() -> None:
    metrics = Metrics()
    metrics.live(1, "file:///a", "aa")
    metrics.live(2, "file:///b", "bb")
    metrics.live(3, "file:///c", "cc", "support")
    found = samples(metrics)["hotswapd_live_info"]
    assert {labels["channel"]: labels["uri"] for labels, _ in found} == {"default": "file:///b", "support": "file:///c"}
    metrics.removed("support")
    assert [labels["channel"] for labels, _ in samples(metrics)["hotswapd_live_generation"]] == ["default"]


def test_five_hundred_channels_have_a_hundred_labels() -> None:
    """What is beyond counts under one label, and is not shown as live: `hotswapd status` has all."""
    metrics = Metrics()
    for number in range(1, 501):
        metrics.live(number, "file:///a", "aa", f"c{number}")
        metrics.swap("LIVE", "a", {}, f"c{number}")
    found = samples(metrics)
    assert len(found["hotswapd_live_generation"]) == len(found["hotswapd_live_info"]) == 99
    counts = {labels["channel"]: value for labels, value in found["hotswapd_swaps_total"]}
    assert (len(counts), counts["(others)"], counts["c1"]) == (100, 401.0, 1.0)
    metrics.removed("c500")
    assert len(samples(metrics)["hotswapd_live_generation"]) == 99


def test_the_series_of_old_generations_go() -> None:
    metrics = Metrics()
    for generation in range(100):
        metrics.request(200, generation, 1)
        metrics.request(500, generation)
    metrics.request(400)
    found = samples(metrics)
    kept = {labels["generation"] for labels, _ in found["hotswapd_tokens_total"]}
    assert kept == {str(generation) for generation in range(92, 100)}
    assert {labels["generation"] for labels, _ in found["hotswapd_requests_total"]} == kept | {""}


def test_the_first_refusal_is_an_increase() -> None:
    """Prometheus sees no increase in a series that begins with 1, so what is alerted on begins with 0."""
    metrics = Metrics()
    metrics.source("a", True)
    metrics.swap("REJECTED", "a", {})
    metrics.expect("a", "support")
    metrics.swap("REJECTED", "a", {}, "support")
    found = samples(metrics)["hotswapd_swaps_total"]
    assert {labels["channel"] for labels, _ in found} == {"default", "support"}
    counts = {labels["outcome"]: value for labels, value in found}
    assert counts == {"LIVE": 0.0, "QUARANTINED": 0.0, "REJECTED": 1.0, "ROLLED_BACK": 0.0}


def test_requests_in_berths_are_those_of_this_moment() -> None:
    """A generation has its requests under each name that it is live under, and is gone with its berth."""
    metrics = Metrics()
    loaded = [
        Held(3, active=2, waiting=1, names=("default", "support")),
        Held(3, active=1, waiting=0, names=("default",)),
        Held(2, active=1, waiting=0),
    ]
    found = {tuple(labels.values()): value for labels, value in samples(metrics, loaded)["hotswapd_berth_requests"]}
    assert found == {
        ("default", "3", "active"): 3.0,
        ("default", "3", "waiting"): 1.0,
        ("support", "3", "active"): 2.0,
        ("support", "3", "waiting"): 1.0,
        ("", "2", "active"): 1.0,
        ("", "2", "waiting"): 0.0,
    }
    loaded.pop()
    assert {labels["generation"] for labels, _ in samples(metrics, loaded)["hotswapd_berth_requests"]} == {"3"}


def test_the_base_of_thousands_of_channels_has_few_series() -> None:
    """Those beyond counting are one, and its requests are counted once there."""
    metrics = Metrics()
    loaded = [Held(0, active=2, waiting=0, names=tuple(f"c{number}" for number in range(5000)))]
    found = [value for labels, value in samples(metrics, loaded)["hotswapd_berth_requests"] if value]
    assert len(found) < 1000
    assert set(found) == {2.0}


def test_a_generation_without_a_berth_is_shown_once_more() -> None:
    """Its last counts are seen by the next scrape, and no later one has a series of it."""
    metrics = Metrics()
    loaded = [Held(2, active=1, waiting=0), Held(3, active=1, waiting=0)]
    for generation in (2, 3):
        metrics.request(200, generation, 5)
    loaded.pop(0)
    metrics.request(500, 2, 1)
    last = samples(metrics, loaded)
    assert ({"code": "500", "generation": "2"}, 1.0) in last["hotswapd_requests_total"]
    for name in ("hotswapd_requests_total", "hotswapd_tokens_total"):
        assert {labels["generation"] for labels, _ in samples(metrics, loaded)[name]} == {"3"}


def test_both_arms_are_shown_while_a_rollout_runs() -> None:
    """What was counted of each, and its share; they are gone as soon as it has ended."""
    metrics = Metrics()
    shown = {tuple(labels.values()): value for labels, value in samples(metrics, rollout=ROLLOUT)["hotswapd_rollout"]}
    assert shown["canary", "default", "2", "errors"] == 1.0
    assert (shown["canary", "default", "2", "share"], shown["live", "default", "1", "share"]) == (5.0, 95.0)
    assert "hotswapd_rollout" not in samples(metrics)


def test_two_daemons_in_one_process_do_not_share_numbers() -> None:
    one, other = Metrics(), Metrics()
    one.queue(5)
    assert samples(other)["hotswapd_queue_depth"] == [({}, 0.0)]
