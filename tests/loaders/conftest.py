"""Servers and stores that several tests of the sources begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import HubServer

from hotswapd.loaders.store import Store


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """Give a Hub of one's own, without a repository."""
    with HubServer() as hub:
        yield hub


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Give an empty store without a reserve."""
    return Store(tmp_path / "store", reserve_bytes=0)
