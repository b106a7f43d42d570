"""An upgrade of the program in its midst, under traffic: of two nodes, one has this version and one has the next."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kits import real_ray
from kits.fleet_adapters import Stock
from kits.fleet_http import Deployed
from kits.fleet_kills import SEED, Kills, peace
from kits.fleet_load import load
from kits.fleet_versions import deployed_beside, has_run, later_version

pytestmark = real_ray.within(3600)
_CHANGES = 12
_WATCHERS = 3


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return later_version(tmp_path_factory.mktemp("later"))


@pytest.fixture(scope="module")
def fleet(later: Path) -> Iterator[Deployed]:
    with deployed_beside(later) as made:
        yield made


def test_two_versions_answer_beside_each_other(fleet: Deployed, stock: Stock, later: Path) -> None:
    """Replicas and ingresses of both, and a watcher that is started again, by whichever node Ray chooses."""
    kills = Kills(fleet, stock, SEED)
    kills.settle_there()
    with load(fleet, stock, f"two versions beside each other, {_CHANGES} changes") as row:
        for _ in range(_CHANGES):
            kills.change(peace)
        for _ in range(_WATCHERS):
            kills.change(lambda: row.whole.append(kills.one_of("watcher")))
    assert has_run(later)
    assert not kills.wrong
    assert row.is_clean, row
    assert not fleet.logged("other_version")


def test_the_last_node_of_the_other_version_goes(fleet: Deployed, stock: Stock, later: Path) -> None:
    """Its processes die with it, and another node has this version in its place."""
    kills = Kills(fleet, stock, SEED + 1)
    with load(fleet, stock, "the last node of the other version goes") as row:
        kills.change(peace)
        kills.change(lambda: row.whole.append(kills.node()))
        kills.change(peace)
    assert not kills.wrong
    assert row.is_right, row
