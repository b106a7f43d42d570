"""`fleet.shared` is a mount that hangs for all, beside eight clients of a fleet's HTTP API, and then goes on."""

import time

import pytest
from kits import real_ray
from kits.fleet_adapters import Stock
from kits.fleet_http import Deployed
from kits.fleet_load import REPLICAS, load
from kits.fleet_watched import wait_until
from kits.hanging import is_possible, mounted

from hotswapd.loaders.store.store import digest_of

pytestmark = real_ray.within(1800)
_HANGS = (5.0, 20.0, 75.0)
"""Seconds, longer than the patience of a look, and the last one than `fleet.patience`."""


@pytest.mark.skipif(not is_possible(), reason="it takes root, /dev/fuse and bindfs")
def test_a_mount_that_hangs_holds_up_no_answer(fleet: Deployed, stock: Stock) -> None:
    """Meanwhile the last pointer counts, and what is brought goes live once the mount goes on."""
    with load(fleet, stock, f"fleet.shared hangs for {', '.join(f'{one:.0f}' for one in _HANGS)} s") as row:
        with mounted(fleet.room / "shared") as mount:
            for number, seconds in enumerate(_HANGS):
                assert fleet.watched.change(a=stock.good(number)) == "live"
                mount.hang()
                before, adapter = row.begun, stock.good(number + 1)
                fleet.watched.bring({"b": adapter})
                time.sleep(seconds)
                answered, hung = row.begun - before, digest_of(adapter)[:12] not in fleet.fingerprint("b")
                assert len(fleet.watched.serving()) == REPLICAS, "the watcher hears nobody"
                mount.go_on()
                fleet.await_live("b", digest_of(adapter))
                assert answered > 0
                assert hung, "it went live, although nobody could write the pointer"
        assert fleet.watched.change(default=stock.good(0)) == "live"
        wait_until(lambda: len(fleet.watched.serving()) == REPLICAS, "a replica was lost")
    assert row.is_clean, row
