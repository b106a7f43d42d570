"""What the fleet's command has Serve's processes begin with."""

import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray's own
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from hotswapd.daemon.fleet.serving.cluster import serve_env

PERIOD = "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S"


def test_serve_looks_at_its_proxies_every_second() -> None:
    assert serve_env({}) == {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", PERIOD: "1.0"}


def test_what_an_operator_has_set_of_serve_holds() -> None:
    """Also what this product does not know of, such as HAProxy in place of Serve's own proxy, and nothing else."""
    assert serve_env({"RAY_SERVE_ENABLE_HA_PROXY": "1"})["RAY_SERVE_ENABLE_HA_PROXY"] == "1"
    assert serve_env({PERIOD: "7", "HOME": "/root"})[PERIOD] == "7"
    assert "HOME" not in serve_env({PERIOD: "7", "HOME": "/root"})
