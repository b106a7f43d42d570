"""A fleet on a real Ray whose shared state lies in a bucket of a real server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from kits import real_ray
from kits.fleet_adapters import Stock, is_bad
from kits.fleet_clients import Clients
from kits.fleet_ray import RayFleet, running
from kits.fleet_watched import CHANNELS
from kits.rows import SHORT_ASK, home
from kits.s3 import seaweed, set_credentials

pytestmark = real_ray.within(1800)
CHANGES, CLIENTS, TOKENS = 12, 8, 16


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name a prefix in a bucket, which the environment says how to reach: Ray's processes have it from this one."""
    set_credentials(monkeypatch, tmp_path)
    with seaweed(tmp_path) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        boto3.client("s3").create_bucket(Bucket="fleets")
        yield "s3://fleets/one"


def test_changes_and_a_death_of_the_watcher_with_a_bucket(address: str) -> None:
    """An ingress may be behind another here, by as much as it follows the pointer later: that is only counted."""
    stock = Stock(4, SHORT_ASK, TOKENS)
    stock.prepare()
    said: list[str] = []
    with running(home() / "base", 3, shared=address) as fleet:
        clients = Clients(fleet.handle, fleet.together, CHANNELS, SHORT_ASK, TOKENS)
        asyncio.run(clients.run(CLIENTS, lambda: bring(fleet, stock, said)))
        row = clients.row(f"{CHANGES} changes with a bucket, and kill -9 of the watcher", fleet.notes, stock.truth())
    print(f"\n{row}")
    assert said == ["refused" if is_bad(number) else "live" for number in range(CHANGES)]
    row.older = 0
    assert row.is_clean, row


def bring(fleet: RayFleet, stock: Stock, said: list[str]) -> None:
    """Bring adapters, three in ten of them bad; the watcher is killed in the midst of one change."""
    for number in range(CHANGES):
        addresses = fleet.watched.bring({CHANNELS[number % 3]: stock.of(number)})
        if number == CHANGES // 2:
            fleet.kill(fleet.watcher_pid())
        said.append(fleet.watched.outcome(addresses).partition(":")[0])
