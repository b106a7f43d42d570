"""An upgrade between versions that cannot read each other, in its midst, under traffic: each has one of two nodes."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from kits.rows import home

if not os.environ.get("HOTSWAPD_TEST_FLEET"):
    pytest.skip("`make fleet` runs it: it takes minutes", allow_module_level=True)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray's own
    from kits.fleet_adapters import Stock
    from kits.fleet_http import Deployed, deployed_noting
    from kits.fleet_kills import SEED, Kills, peace
    from kits.fleet_load import REPLICAS, load
    from kits.fleet_versions import has_run, later_version

pytestmark = [pytest.mark.timeout(3600), pytest.mark.filterwarnings("ignore")]
_CHANGES = 12


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return later_version(tmp_path_factory.mktemp("other"), least=2)


@pytest.fixture(scope="module")
def fleet(other: Path) -> Iterator[Deployed]:
    kits = os.environ.get("PYTHONPATH", "")
    with deployed_noting(home() / "base", REPLICAS, second={"PYTHONPATH": f"{other}:{kits}"}) as made:
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
