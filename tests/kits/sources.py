"""A source that does as it is told, for the tests of what watches sources."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from hotswapd.daemon.config.policy import Policy
from hotswapd.daemon.pipeline.queue import Inbox
from hotswapd.daemon.pipeline.source_threads import Making
from hotswapd.daemon.pipeline.sources import Sources
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.loaders.errors import Unavailable
from hotswapd.loaders.source import Artifact, Scan, Sighting
from hotswapd.loaders.store.store import Store
from hotswapd.loaders.uri import AdapterURI
from hotswapd.swap.codes import FilesCode

NEVER = 3600.0


def _cannot(sighting: Sighting, store: Store, stop: threading.Event) -> Artifact:
    raise Unavailable(FilesCode.CONFIG_MISSING, "nothing can be fetched here")


@dataclass
class FakeSource:
    """Covers ``file:///NAME/``; sees `scan_result`, or raises it, and fetches with `on_fetch`.

    It waits until it is woken or closed, so that its threads do nothing on their own.
    """

    name: str = "s"
    kind: str = "local"
    scan_result: Scan | Exception = field(default_factory=lambda: Scan((), NEVER))
    on_fetch: Callable[[Sighting, Store, threading.Event], Artifact] = _cannot
    waits: list[float] = field(default_factory=list)
    woken: int = 0
    closed: bool = False
    _event: threading.Event = field(default_factory=threading.Event)

    def scan(self) -> Scan:
        if isinstance(self.scan_result, Exception):
            raise self.scan_result
        return self.scan_result

    def fetch(self, sighting: Sighting, store: Store, stop: threading.Event) -> Artifact:
        return self.on_fetch(sighting, store, stop)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._event.wait(seconds)
        self._event.clear()

    def wake(self) -> None:
        self.woken += 1
        self._event.set()

    def contains(self, uri: AdapterURI) -> bool:
        return str(uri).startswith(f"file:///{self.name}/")

    def close(self) -> None:
        self.closed = True
        self._event.set()


def sighting(uri: str, revision: str = "r1", stamp: float = 1.0) -> Sighting:
    """Make a complete sighting."""
    return Sighting(AdapterURI.parse(uri), revision, stamp)


def make_sources(inbox: Inbox, store: Store, *fakes: FakeSource) -> Sources:
    """Make the watches of these sources; nothing is started."""
    return Sources(Making(inbox, store, Metrics(), Policy("policy")), inbox, fakes)
