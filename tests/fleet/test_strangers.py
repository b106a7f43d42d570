"""An upgrade between versions that cannot read each other, in its midst, under traffic: each has one of two nodes."""

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


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return later_version(tmp_path_factory.mktemp("other"), least=2)


@pytest.fixture(scope="module")
def fleet(other: Path) -> Iterator[Deployed]:
    with deployed_beside(other) as made:
        yield made


def test_versions_that_cannot_read_each_other_answer_beside_each_other(
    fleet: Deployed, stock: Stock, other: Path
) -> None:
    """The pointer is read by all: replicas that the watcher cannot read follow it, and each ingress finds its own."""
    kills = Kills(fleet, stock, SEED, strangers=True)
    kills.settle_there()
    with load(fleet, stock, f"two versions that cannot read each other, {_CHANGES} changes") as row:
        for _ in range(_CHANGES):
            kills.change(peace)
    assert has_run(other)
    assert fleet.logged("other_version")
    assert not kills.wrong
    assert row.is_clean, row
