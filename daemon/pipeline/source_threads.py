"""A source's two threads: one only looks, the other fetches, so that a source that hangs delays no other."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.host.heartbeats import Asked
from hotswapd.daemon.ledger.ledger import LedgerDown, Overtaken
from hotswapd.daemon.ledger.moment import moment
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import State
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.loaders.errors import Gone, Refused, SourceDown, Unavailable
from hotswapd.loaders.source import Scan, Sighting, Source
from hotswapd.loaders.store.store import Store
from hotswapd.loaders.uri import AdapterURI

from .queue import Inbox
from .rules import wait_seconds

log = structlog.get_logger(__name__)
_LOOK_AGAIN = 5.0
"""A fetcher asks at least this often; `Inbox.notify` wakes it sooner."""
_LONGEST_DOWN = 60.0
_LEDGER_WAIT = 1.0
_SCAN_LIMIT = 300.0
"""Seconds that a scan may take: thousands of objects, and a network that answers slowly."""
_PIECE_LIMIT = 300.0
"""Seconds between two pieces of a file that is being fetched: longer than any client library waits and retries."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a source's last scan went; `last_scan` and `next_scan` in seconds since the epoch."""

    ok: bool = True
    code: str = ""
    sentence: str = ""
    last_scan: float | None = None
    next_scan: float | None = None


class Watch:
    """One source, its scanning thread and its fetching thread. `start` and `stop` once each, on one thread."""

    def __init__(
        self,
        source: Source,
        inbox: Inbox,
        store: Store,
        metrics: Metrics,
        fingerprint: Callable[[], str] = str,
        beat: Callable[[str, float], None] = lambda *_: None,
    ) -> None:
        """Start nothing yet. `fingerprint` is that of contract and policy.

        `beat` hears of each turn of a loop, and in how many seconds it will hear again at the latest.
        """
        self.source = source
        self.health = Health()
        self._inbox = inbox
        self._store = store
        self._metrics = metrics
        self._fingerprint = fingerprint
        self._beat = beat
        self._stop = threading.Event()
        self._fails = 0
        self._unwritten = ""
        self._threads = [
            threading.Thread(target=self._scan_on, name=f"scan {source.name}", daemon=True),
            threading.Thread(target=self._fetch_on, name=f"fetch {source.name}", daemon=True),
        ]

    def start(self) -> None:
        """Begin to look and to fetch."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 5.0) -> bool:
        """End both threads; say whether they have ended within the seconds. One that hangs is left behind."""
        self._stop.set()
        # First of all: it also ends what waits for a server that never answers.
        self.source.close()
        self._inbox.notify()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    @property
    def alive(self) -> bool:
        """Whether both threads run."""
        return all(thread.is_alive() for thread in self._threads)

    @property
    def thread_names(self) -> list[str]:
        """What `beat` is called with."""
        return [thread.name for thread in self._threads]

    def status(self) -> dict[str, Any]:
        """Say how it is, as ``GET /status`` does."""
        health = self.health
        return {
            "kind": self.source.kind,
            "name": self.source.name,
            "ok": health.ok,
            "last_scan": moment(health.last_scan),
            "error": health.sentence or None,
        }

    # The scanning thread

    def _scan_on(self) -> None:
        name = threading.current_thread().name
        while not self._stop.is_set():
            self._sign(name, _SCAN_LIMIT)
            seconds = self._scan_once()
            self._sign(name, seconds + _LOOK_AGAIN)
            self.source.wait(seconds)

    def _scan_once(self) -> float:
        """Look once, and return the seconds until the next look."""
        try:
            return self._take(self.source.scan())
        except SourceDown as down:
            return self._down(down.code, down.sentence, down.retry_after)
        except Exception as error:
            log.error("scan_failed", source=self.source.name, exc_info=error)  # noqa: TRY400
            return self._down("internal_error", f"a defect of this source: {type(error).__name__}: {error}", None)

    def _take(self, scan: Scan) -> float:
        """Hand on what was seen. A ledger that cannot be written is no fault of the source's, and says so itself."""
        self._fails = 0
        if not self.health.ok:
            log.info("source_up", source=self.source.name)
        now = time.time()
        try:
            self._inbox.scanned(self.source.name, scan)
        except LedgerDown as down:
            self._note(Health(sentence=scan.remark, last_scan=self.health.last_scan, next_scan=now + _LEDGER_WAIT))
            if self._unwritten != str(down):
                log.warning("ledger_down", source=self.source.name, detail=str(down))
            self._unwritten = str(down)
            return _LEDGER_WAIT
        if self._unwritten:
            log.info("ledger_up", source=self.source.name)
        self._unwritten = ""
        self._note(Health(sentence=scan.remark, last_scan=now, next_scan=now + scan.again_in))
        return scan.again_in

    def _down(self, code: str, sentence: str, after: float | None) -> float:
        seconds = min(_LONGEST_DOWN, wait_seconds(self._fails)) if after is None else after
        self._fails += 1
        if self.health.sentence != sentence:
            log.warning("source_down", source=self.source.name, code=code, detail=sentence, again_in=round(seconds, 1))
        health = Health(False, code, sentence, self.health.last_scan, time.time() + seconds)
        self._note(health)
        self._inbox.scanned(self.source.name, None)
        return seconds

    def _note(self, health: Health) -> None:
        self.health = health
        scanned = None if health.last_scan is None else datetime.fromtimestamp(health.last_scan, UTC)
        self._metrics.source(self.source.name, health.ok, scanned)

    # The fetching thread

    def _fetch_on(self) -> None:
        name = threading.current_thread().name
        while not self._stop.is_set():
            self._sign(name, 2 * _LOOK_AGAIN)
            since = self._inbox.changes()
            try:
                row = self._inbox.next_fetch(self.source.name)
                if row is not None:
                    self._fetch(row)
                    continue
                self._inbox.wait(since, _LOOK_AGAIN)
            except Overtaken:
                continue
            except LedgerDown:
                self._stop.wait(_LEDGER_WAIT)

    def _fetch(self, row: Row) -> None:
        sighting = Sighting(AdapterURI.parse(row.uri), row.revision, row.stamp)
        began = time.monotonic()
        ledger = self._inbox.ledger
        try:
            artifact = self.source.fetch(sighting, self._store, self._asked())
        except Unavailable as error:
            if not self._stop.is_set():
                self._inbox.wait_for_another_try(row, error.code, error.sentence, error.retry_after)
        except Gone as error:
            ledger.move(row, State.GONE, error.code, error.sentence)
        except Refused as error:
            fingerprint = self._fingerprint()
            ledger.move(row, State.REJECTED, error.code, error.sentence, fingerprint=fingerprint)
        except Exception as error:
            log.error("fetch_failed", source=self.source.name, uri=row.uri, exc_info=error)  # noqa: TRY400
            sentence = f"a defect of this source: {type(error).__name__}: {error}"
            self._inbox.wait_for_another_try(row, "internal_error", sentence)
        else:
            failpoint("fetched")
            self._inbox.fetched(row, artifact, time.monotonic() - began)

    def _asked(self) -> Asked:
        """Make the stop of one fetch; the fetch asks for it before each piece, and other threads may on its behalf."""
        name = threading.current_thread().name

        def asked() -> None:
            self._sign(name, _PIECE_LIMIT)
            failpoint("piece")

        return Asked(self._stop, asked)

    def _sign(self, name: str, seconds: float) -> None:
        """Give a sign of life, unless nobody waits for one any more."""
        if not self._stop.is_set():
            self._beat(name, seconds)
