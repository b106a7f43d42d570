"""Servers and stores that several tests of the sources share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kits import s3 as s3_kit
from kits.hub_server import HubServer
from kits.s3_proxy import S3Proxy

from hotswapd.loaders.store.store import Store


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """Yield a Hub without a repository."""
    with HubServer() as hub:
        yield hub


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty store without a reserve."""
    return Store(tmp_path / "store", reserve_bytes=0)


@pytest.fixture(scope="session")
def seaweed_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a real S3 server that all tests share; each has a bucket of its own."""
    with s3_kit.seaweed(tmp_path_factory.mktemp("seaweed")) as url:
        yield url


@pytest.fixture
def place(seaweed_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[s3_kit.Place]:
    """Yield an empty bucket on the real server, and the credentials for it."""
    s3_kit.set_credentials(monkeypatch, tmp_path)
    place = s3_kit.new_place(seaweed_url)
    yield place
    place.delete()  # the server has room for some ninety buckets


@pytest.fixture
def proxy(place: s3_kit.Place) -> Iterator[S3Proxy]:
    """Yield a proxy in front of the real server; sources that are opened on `place` go through it."""
    with S3Proxy(place.url) as proxy:
        place.url = proxy.url
        yield proxy
