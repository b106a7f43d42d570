"""Fetching: a source's adapters are copied into the store one at a time, on the source's own thread."""

import threading
import time
from collections.abc import Callable

import structlog

from hotswapd.daemon.config.policy import Policy
from hotswapd.daemon.host.failpoints import failpoint
from hotswapd.daemon.host.heartbeats import PolledEvent
from hotswapd.daemon.ledger.ledger import LedgerDown, Overtaken
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.rows import Row
from hotswapd.daemon.ledger.states import State
from hotswapd.loaders.errors import Gone, Refused, Unavailable
from hotswapd.loaders.source import Sighting, Source
from hotswapd.loaders.store.store import Store
from hotswapd.loaders.uri import AdapterURI

from .queue import Inbox

log = structlog.get_logger(__name__)
_POLL = 5.0
"""A fetcher asks for work at least this often; `Changes.notify` wakes it sooner."""
_LEDGER_WAIT = 1.0
_PIECE_LIMIT = 300.0
"""Seconds between two pieces of a fetched file: longer than any client library waits and retries."""


class Fetcher:
    """Fetches from one source, on that source's own thread."""

    def __init__(
        self, source: Source, inbox: Inbox, store: Store, policy: Policy, beat: Callable[[str, float], None]
    ) -> None:
        """`beat` gets the thread's name and the seconds within which it will call again."""
        self._source = source
        self._inbox = inbox
        self._store = store
        self._policy = policy
        self._beat = beat

    def run(self, stop: threading.Event) -> None:
        """Fetch until `stop`."""
        name = threading.current_thread().name
        while not stop.is_set():
            self._beat(name, 2 * _POLL)
            since = self._inbox.changes()
            try:
                row = self._inbox.next_fetch(self._source.name)
                if row is not None:
                    self._fetch(row, stop)
                    continue
                self._inbox.wait(since, _POLL)
            except Overtaken:
                continue
            except LedgerDown:
                stop.wait(_LEDGER_WAIT)

    def _fetch(self, row: Row, stop: threading.Event) -> None:
        sighting = Sighting(AdapterURI.parse(row.uri), row.revision, row.stamp)
        began = time.monotonic()
        ledger = self._inbox.ledger
        try:
            artifact = self._source.fetch(sighting, self._store, self._polled(stop))
        except Unavailable as error:
            if not stop.is_set():
                self._inbox.wait_for_another_try(row, error.code, error.sentence, error.retry_after)
        except Gone as error:
            ledger.move(row, State.GONE, error.code, error.sentence)
        except Refused as error:
            ledger.move(row, State.REJECTED, error.code, error.sentence, fingerprint=self._policy.of(row.channel))
        except Exception as error:
            log.error("fetch_failed", source=self._source.name, uri=row.uri, exc_info=error)  # noqa: TRY400
            sentence = f"a defect of this source: {type(error).__name__}: {error}"
            self._inbox.wait_for_another_try(row, Reason.INTERNAL_ERROR, sentence)
        else:
            failpoint("fetched")
            self._inbox.fetched(row, artifact, time.monotonic() - began)

    def _polled(self, stop: threading.Event) -> PolledEvent:
        """Make the stop event of one fetch: the fetch, or a thread that works for it, polls it before each piece."""
        name = threading.current_thread().name

        def on_poll() -> None:
            if not stop.is_set():
                self._beat(name, _PIECE_LIMIT)
            failpoint("piece")

        return PolledEvent(stop, on_poll)
