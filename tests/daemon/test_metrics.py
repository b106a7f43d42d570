"""The metrics: the documented names, and labels that do not grow for ever."""

from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from hotswapd.daemon.metrics import Metrics


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
    assert found["hotswapd_swaps_total"] == [({"outcome": "LIVE", "source": "a"}, 1.0)]
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


def test_two_daemons_in_one_process_do_not_share_numbers():
    one, other = Metrics(), Metrics()
    one.queue(5)
    assert samples(other)["hotswapd_queue_depth"] == [({}, 0.0)]
