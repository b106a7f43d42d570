"""What the tests of the Hub source share: adapters as commits, sources, and the checks."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hotswapd.loaders.errors import LoadError
from hotswapd.loaders.hub.source import HubSource
from hotswapd.loaders.source import Sighting
from hotswapd.loaders.store.store import Store
from kits.folders import CONFIG, WEIGHTS, weights
from kits.hub_server import HubServer

REPO = "org/adapters"
GO = threading.Event()


def adapter(payload: bytes = b"\1\2\3\4", config: bytes = b'{"r": 8}', under: str = "") -> dict[str, bytes | None]:
    """Return a commit's changes that bring one adapter."""
    return {f"{under}{CONFIG}": config, f"{under}{WEIGHTS}": weights(payload)}


@contextmanager
def opened(hub: HubServer, **more: Any) -> Iterator[HubSource]:
    """Give a source on the stand-in server, closed at the end."""
    settings = {"name": "", "repo": REPO, "endpoint": hub.url, **more}
    source = HubSource(**settings)
    try:
        yield source
    finally:
        source.close()


def sight(source: HubSource) -> Sighting:
    """Scan and return the one complete adapter that must be there."""
    (sighting,) = source.scan().sightings
    assert sighting.waiting is None
    return sighting


def left_over(store: Store) -> list[str]:
    """List what is in the store, whole or not."""
    return sorted(os.listdir(store.root / "stages") + os.listdir(store.root / "artifacts"))


def fails(source: HubSource, sighting: Sighting, store: Store, stop: threading.Event = GO) -> LoadError:
    """Fetch in vain; whatever the reason, nothing may be left in the store."""
    with pytest.raises(LoadError) as raised:
        source.fetch(sighting, store, stop)
    assert left_over(store) == []
    return raised.value


def serves(source: HubSource, store: Store, payload: bytes) -> None:
    """Check that what is fetched now has this payload."""
    artifact = source.fetch(sight(source), store, GO)
    assert (artifact.path / WEIGHTS).read_bytes() == weights(payload)
