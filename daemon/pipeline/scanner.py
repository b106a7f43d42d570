"""Scanning: a source is scanned again and again on its own thread, and its scans go to the queue."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from hotswapd.daemon.ledger.ledger import LedgerDown
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.loaders.errors import SourceDown
from hotswapd.loaders.source import Scan, Source

from .queue import Inbox
from .rules import wait_seconds

log = structlog.get_logger(__name__)
_LATE = 5.0
"""Seconds after which a scan that should have begun counts as missed."""
_LONGEST_DOWN = 60.0
"""Seconds between two scans of a source that is down, at most; a source may ask for longer."""
_LEDGER_WAIT = 1.0
_SCAN_LIMIT = 300.0
"""Seconds that a scan may take, with thousands of objects and a slow network."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a source's last scan went; `last_scan` and `next_scan` in seconds since the epoch."""

    ok: bool = True
    code: str = ""
    sentence: str = ""
    last_scan: float | None = None
    next_scan: float | None = None


class Scanner:
    """Scans one source. `run` is for the source's own thread; `health` can be read on any."""

    def __init__(self, source: Source, inbox: Inbox, metrics: Metrics, beat: Callable[[str, float], None]) -> None:
        """`beat` gets the thread's name and the seconds within which it will call again."""
        self.health = Health()
        self._source = source
        self._inbox = inbox
        self._metrics = metrics
        self._beat = beat
        self._fails = 0
        self._unwritten = ""

    def run(self, stop: threading.Event) -> None:
        """Scan until `stop`."""
        name = threading.current_thread().name
        while not stop.is_set():
            self._beat(name, _SCAN_LIMIT)
            seconds = self.scan()
            if not stop.is_set():  # after that nobody expects a beat
                self._beat(name, seconds + _LATE)
            self._source.wait(seconds)

    def scan(self) -> float:
        """Scan once, and return the seconds until the next scan."""
        try:
            return self._take(self._source.scan())
        except SourceDown as down:
            return self._down(down.code, down.sentence, down.retry_after)
        except Exception as error:
            log.error("scan_failed", source=self._source.name, exc_info=error)  # noqa: TRY400
            return self._down(Reason.INTERNAL_ERROR, f"a defect of this source: {type(error).__name__}: {error}", None)

    def _take(self, scan: Scan) -> float:
        """Hand a scan on. A ledger that is down is not the source's fault, and is reported as what it is."""
        self._fails = 0
        if not self.health.ok:
            log.info("source_up", source=self._source.name)
        now = time.time()
        try:
            self._inbox.scanned(self._source.name, scan)
        except LedgerDown as down:
            self._note(Health(sentence=scan.remark, last_scan=self.health.last_scan, next_scan=now + _LEDGER_WAIT))
            if self._unwritten != str(down):
                log.warning("ledger_down", source=self._source.name, detail=str(down))
            self._unwritten = str(down)
            return _LEDGER_WAIT
        if self._unwritten:
            log.info("ledger_up", source=self._source.name)
        self._unwritten = ""
        self._note(Health(sentence=scan.remark, last_scan=now, next_scan=now + scan.again_in))
        return scan.again_in

    def _down(self, code: str, sentence: str, after: float | None) -> float:
        seconds = min(_LONGEST_DOWN, wait_seconds(self._fails)) if after is None else after
        self._fails += 1
        if self.health.sentence != sentence:
            log.warning("source_down", source=self._source.name, code=code, detail=sentence, again_in=round(seconds, 1))
        self._note(Health(False, code, sentence, self.health.last_scan, time.time() + seconds))
        self._inbox.scanned(self._source.name, None)
        return seconds

    def _note(self, health: Health) -> None:
        self.health = health
        scanned = None if health.last_scan is None else datetime.fromtimestamp(health.last_scan, UTC)
        self._metrics.source(self._source.name, health.ok, scanned)
