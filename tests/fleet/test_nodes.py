"""A fleet on two nodes, two raylets of one machine: the second one is killed at random moments of a change.

What is on it dies with it: replicas, maybe an ingress, and its proxy, which shares the port with the first node's.
"""

from collections.abc import Iterator

import pytest
from kits import real_ray
from kits.fleet_adapters import Stock
from kits.fleet_http import Deployed, deployed_noting
from kits.fleet_kills import KILLS, SEED, Kills, peace
from kits.fleet_load import REPLICAS, load
from kits.rows import home

pytestmark = real_ray.within(3600)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Deployed]:
    with deployed_noting(home() / "base", REPLICAS, second={}) as made:
        yield made


def test_kill_9_of_the_second_nodes_raylet(fleet: Deployed, stock: Stock) -> None:
    kills = Kills(fleet, stock, SEED)
    with load(fleet, stock, f"kill -9 of the second node's raylet, {KILLS} times") as row:
        for _ in range(3):
            kills.change(peace)
        for _ in range(KILLS):
            kills.settle_there()
            kills.change(lambda: row.whole.append(kills.node()))
    assert not kills.wrong
    assert row.is_right, row
