"""kill -9 of every process that a fleet has, at random moments of a change, beside eight clients of its HTTP API.

Every answer is compared with the text that a fresh PEFT load of the generation that it names would have written. An
answer whose connection ends with the ingress or the proxy that had it is counted apart.
"""

import pytest
from kits import real_ray
from kits.fleet_adapters import Stock
from kits.fleet_http import Deployed
from kits.fleet_kills import KILLS, SEED, Kills, peace
from kits.fleet_load import load

pytestmark = real_ray.within(3600)
CUTS = {"ingress", "proxy"}
"""Who has clients' connections."""


@pytest.mark.parametrize("kind", ["replica", "ingress", "proxy", "controller", "watcher"])
def test_kill_9_at_a_random_moment_of_a_change(fleet: Deployed, stock: Stock, kind: str) -> None:
    kills = Kills(fleet, stock, SEED)
    with load(fleet, stock, f"kill -9 of the {kind}, {KILLS} times") as row:
        for _ in range(3):
            kills.change(peace)
        for _ in range(KILLS):
            kills.change(lambda: row.whole.append(kills.one_of(kind)))
    assert not kills.wrong
    assert row.is_right if kind in CUTS else row.is_clean, row
