"""A fleet whose replicas Serve adds by load and takes away again, beside eight clients of its HTTP API.

Each answer is compared with what a fresh PEFT load of the named generation writes.
"""

import time
from functools import partial

import pytest
from kits import real_ray
from kits.fleet_http import deployed_noting
from kits.fleet_load import REPLICAS, load, stocked
from kits.fleet_watched import START, wait_until
from kits.rows import home
from ray.serve.config import AutoscalingConfig

from hotswapd.daemon.fleet.serving import application

pytestmark = real_ray.within(1800)


def test_replicas_come_and_go_by_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """From one to three and back to one, with changes meanwhile; by itself Serve takes none away for ten minutes."""
    stock = stocked()
    soon = partial(AutoscalingConfig, upscale_delay_s=2.0, downscale_delay_s=5.0)
    monkeypatch.setattr(application, "AutoscalingConfig", soon)
    table = f"max_replicas = {REPLICAS}\nrequests_per_replica = 1.0"
    with deployed_noting(home() / "base", 1, fleet=table) as fleet:
        with load(fleet, stock, f"from 1 to {REPLICAS} replicas and back, by load") as row:
            end = time.monotonic() + START
            number = 0
            while len(fleet.watched.serving()) < REPLICAS:
                assert time.monotonic() < end, "no replica comes"
                number += 1
                assert fleet.watched.change(a=stock.good(number)) == "live"
            most = len(fleet.notes.pids())
        wait_until(lambda: len(fleet.watched.serving()) == 1, "no replica goes")
        assert fleet.watched.change(b=stock.good(0)) == "live"
    assert most == REPLICAS
    assert row.is_clean, row
