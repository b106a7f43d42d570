"""A source's two threads: one scans, the other fetches, so that a source that hangs delays no other."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from hotswapd.daemon.answers import SourceStatus
from hotswapd.daemon.config.policy import Policy
from hotswapd.daemon.ledger.moment import moment
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.loaders.source import Source
from hotswapd.loaders.store.store import Store

from .fetcher import Fetcher
from .queue import Inbox
from .scanner import Health, Scanner


class Watch:
    """One source, its scanning thread and its fetching thread. `start` and `stop` once each, on one thread."""

    def __init__(self, source: Source, inbox: Inbox, scanner: Scanner, fetcher: Fetcher) -> None:
        """Start nothing yet."""
        self.source = source
        self._inbox = inbox
        self._scanner = scanner
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=scanner.run, args=(self._stop,), name=f"scan {source.name}", daemon=True),
            threading.Thread(target=fetcher.run, args=(self._stop,), name=f"fetch {source.name}", daemon=True),
        ]

    def start(self) -> None:
        """Start scanning and fetching."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 5.0) -> bool:
        """End both threads; return whether they ended within the seconds. A thread that hangs is left behind."""
        self._stop.set()
        # Before the joins: it also ends a wait for a server that never answers.
        self.source.close()
        self._inbox.notify()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    @property
    def health(self) -> Health:
        """The result of the last scan."""
        return self._scanner.health

    @property
    def thread_names(self) -> list[str]:
        """The names of its threads, under which they report."""
        return [thread.name for thread in self._threads]

    def status(self) -> SourceStatus:
        """Describe it as ``GET /status`` does."""
        health = self.health
        return {
            "kind": self.source.kind,
            "name": self.source.name,
            "ok": health.ok,
            "last_scan": moment(health.last_scan),
            "error": health.sentence or None,
        }


@dataclass(frozen=True, slots=True)
class Making:
    """Makes watches. `beat` gets a thread's name and the seconds within which it will call again."""

    inbox: Inbox
    store: Store
    metrics: Metrics
    policy: Policy
    beat: Callable[[str, float], None] = lambda *_: None

    def watch(self, source: Source) -> Watch:
        """Make the watch of one source; start nothing."""
        scanner = Scanner(source, self.inbox, self.metrics, self.beat)
        fetcher = Fetcher(source, self.inbox, self.store, self.policy, self.beat)
        return Watch(source, self.inbox, scanner, fetcher)
