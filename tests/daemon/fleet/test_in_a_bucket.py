"""A fleet whose state lies in a bucket: what is dropped goes live, and a watcher on another disk goes on."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from kits.s3 import moto, set_credentials
from kits.watched_fleet import WatchedFleet, drop, watched_fleet

from hotswapd.daemon.fleet.shared.address import open_place
from hotswapd.daemon.fleet.shared.bucket import BucketPlace
from hotswapd.daemon.fleet.shared.folder import FolderPlace
from hotswapd.loaders.uri import in_bucket

pytestmark = pytest.mark.slow


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name a prefix in a real server's bucket, which the environment says how to reach."""
    set_credentials(monkeypatch, tmp_path)
    with moto() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        boto3.client("s3").create_bucket(Bucket="fleets")
        yield "s3://fleets/one"


@pytest.fixture
def fleet(tmp_path: Path, address: str) -> Iterator[WatchedFleet]:
    with watched_fleet(tmp_path, open_place(address)) as made:
        made.start()
        yield made


def test_an_address_says_what_it_is(tmp_path: Path, address: str) -> None:
    assert isinstance(open_place(address), BucketPlace)
    assert isinstance(open_place(str(tmp_path / "shared")), FolderPlace)
    assert (in_bucket(address), in_bucket(str(tmp_path))) == (("fleets", "one"), None)
    assert str(open_place(address)) == "s3://fleets/one/"


def test_what_is_dropped_goes_live_and_another_watcher_goes_on(fleet: WatchedFleet) -> None:
    for index, name in enumerate(("one", "two")):
        drop(fleet, index, name)
        assert fleet.outcome(name)["state"] == "LIVE"
        assert fleet.answers(index)
    fleet.ask("/pin", channel="default")
    history = fleet.ask("/history")
    fleet.stop()
    fleet.state = fleet.room / "another"
    fleet.start()
    assert fleet.ask("/history") == history
    assert fleet.ask("/rollback", generation=1, follow=True)["generation"] == 1
    assert fleet.answers(0)
